"""Circles around boxes on the sky."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky import coordinates
from diffsky_factory.sky.bounds import bounding_circles
from diffsky_factory.sky.shapes import Cone

SHARE = st.floats(0.0, 1.0)


@settings(max_examples=60)
@given(
    ra=st.floats(-360.0, 360.0),
    width=st.floats(0.0, 360.0) | st.floats(0.0, 1e-3),
    dec=st.tuples(st.floats(-90.0, 90.0), st.floats(-90.0, 90.0)),
    points=st.lists(st.tuples(SHARE, SHARE), min_size=1, max_size=20),
)
def test_every_point_of_a_box_is_inside_its_circle(ra, width, dec, points):
    end = ra + width if ra + width <= 360.0 else ra + width - 360.0
    low, high = sorted(dec)
    centre_ra, centre_dec, radius = bounding_circles(ra, end, low, high)
    assert 0.0 <= centre_ra < 360.0 + 1e-9
    along, up = np.array([*points, (0, 0), (0, 1), (1, 0), (1, 1)], float).T
    span = (end - ra) % 360.0 if end < ra else end - ra
    at = ra + span * along, np.clip(low + (high - low) * up, low, high)
    assert Cone(float(centre_ra), float(centre_dec), float(radius)).inside(*at).all()


def test_the_circle_of_a_small_box_goes_through_its_farthest_corner():
    ra, dec, radius = bounding_circles(np.array([359.9, 10.0]), np.array([0.1, 10.0]), np.array([10.0, 5.0]), 10.2)
    np.testing.assert_allclose([ra, dec], [[0.0, 10.0], [10.1, 7.6]], atol=1e-9)
    corner, middle = coordinates.cartesian(np.array([0.1, 0.0]), np.array([10.0, 10.1]), np.ones(2))
    np.testing.assert_allclose(radius, [np.rad2deg(np.arccos(corner @ middle)), 2.6], atol=1e-8)


def test_more_than_half_a_circle_of_right_ascension_is_the_whole_sphere():
    assert bounding_circles([0.0, 10.0], [360.0, 200.0], -5.0, 5.0)[2].tolist() == [180.0, 180.0]


@pytest.mark.parametrize("box", [(0, 1, 5, -5), (0, 400, 0, 1), (0, 1, float("nan"), 1), (0, 1, 0, 91)])
def test_what_is_no_box_is_refused(box):
    with pytest.raises(InputError, match="is no box"):
        bounding_circles(*box)
