"""Polygons: areas by the excess of their angles, insides by winding, borders by the distance to them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky import coordinates, tiles
from diffsky_factory.sky.regions import region
from tests.sky.forms import even_points, moved


def polygon(ra, dec):
    return region({"polygon": {"ra": list(ra), "dec": list(dec)}})


def star(n, radius, ra=0.0, dec=0.0, seed=0):
    """A polygon around a point, of any shape that the point sees all of; in order of bearing."""
    rng = np.random.default_rng(seed)
    bearing = (np.arange(n) + rng.uniform(0.1, 0.9, n)) * 360.0 / n
    ones = np.ones(n)
    return polygon(*moved(ra * ones, dec * ones, radius * rng.uniform(0.2, 1.0, n), bearing))


def winding(where, ra, dec):
    """How often the border goes around each position, by the angles of its edges as seen from there."""
    at = coordinates.cartesian(ra, dec, np.ones(len(ra)))[:, None]
    vertices = coordinates.cartesian(np.array(where.ra), np.array(where.dec), np.ones(len(where.ra)))
    a, b = np.cross(at, vertices), np.cross(at, np.roll(vertices, -1, axis=0))
    turn = np.arctan2(np.sum(at * np.cross(a, b), axis=-1), np.sum(a * b, axis=-1))
    return np.round(turn.sum(axis=1) / (2.0 * np.pi))


def test_an_octant_is_an_eighth_of_the_sphere():
    assert polygon([0, 90, 0], [0, 0, 90]).area == pytest.approx(tiles.FULL_SKY / 8.0, rel=1e-14)
    assert polygon([0, 0, 90], [0, 90, 0]).area == pytest.approx(tiles.FULL_SKY / 8.0, rel=1e-14)
    assert polygon([0, 90, 180, 270], [0, 0, 0, 0]).area == pytest.approx(tiles.FULL_SKY / 2.0, rel=1e-14)


@settings(max_examples=40)
@given(st.integers(3, 40), st.floats(1e-4, 80.0), st.floats(0.0, 360.0), st.floats(-90.0, 90.0), st.integers(0, 1000))
def test_the_area_is_the_excess_of_the_angles(n, radius, ra, dec, seed):
    where = star(n, radius, ra, dec, seed)
    edges = where.edges
    inner = np.roll(edges.normal, 1, axis=0)  # of the edge that ends where each starts
    turn = np.arctan2(
        np.sum(np.cross(inner, edges.normal) * edges.start, axis=-1), np.sum(inner * edges.normal, axis=-1)
    )
    excess = 2.0 * np.pi - turn.sum()
    assert where.area == pytest.approx(np.rad2deg(np.rad2deg(excess)), rel=1e-6, abs=1e-10)


@settings(max_examples=30)
@given(st.integers(3, 60), st.floats(1.0, 80.0), st.floats(0.0, 360.0), st.floats(-90.0, 90.0), st.integers(0, 1000))
def test_inside_is_what_the_border_goes_around(n, radius, ra, dec, seed):
    where = star(n, radius, ra, dec, seed)
    rng = np.random.default_rng(seed)
    near = moved(np.full(500, ra), np.full(500, dec), radius * rng.uniform(0.0, 1.1, 500), rng.uniform(0.0, 360.0, 500))
    np.testing.assert_array_equal(where.inside(*near), winding(where, *near) != 0)
    opposite = (near[0] + 180.0) % 360.0, -near[1]
    assert not where.inside(*opposite).any()


@settings(max_examples=15)
@given(st.integers(3, 12), st.floats(1.0, 80.0), st.floats(0.0, 360.0), st.floats(-90.0, 90.0), st.integers(0, 1000))
def test_the_order_of_the_vertices_and_where_it_begins_do_not_matter(n, radius, ra, dec, seed):
    where = star(n, radius, ra, dec, seed)
    at = even_points(2000, seed)
    for turned in (polygon(where.ra[::-1], where.dec[::-1]), polygon(np.roll(where.ra, 2), np.roll(where.dec, 2))):
        np.testing.assert_array_equal(turned.inside(*at), where.inside(*at))
        assert turned.area == pytest.approx(where.area, rel=1e-9)


def test_a_notch_is_outside_and_a_pole_may_be_inside():
    arrow = polygon([340, 20, 0, 0], [-50, -30, 10, -30])
    assert arrow.inside(np.array([358.0, 2.0, 10.0]), np.array([-32.0, -20.0, -45.0])).tolist() == [False, True, False]
    around_pole = polygon([0, 120, 240], [60, 60, 60])
    at = np.array([77.0, 77.0, 60.0]), np.array([90.0, -90.0, 40.0])
    assert around_pole.inside(*at).tolist() == [True, False, False]


def test_a_polygon_along_meridians_and_the_equator_has_each_side_once():
    # vertices of neighbours coincide, and meridians are edges of both: every point is in one of them
    ends = np.linspace(0.0, 360.0, 9)
    parts = [polygon([a, b, 0.0], [0.0, 0.0, top]) for a, b in pairwise(ends) for top in (90.0, -90.0)]
    ra, dec = even_points(20_000)
    assert (np.sum([part.inside(ra, dec) for part in parts], axis=0) == 1).all()
    assert sum(part.area for part in parts) == pytest.approx(tiles.FULL_SKY, rel=1e-13)


@pytest.mark.parametrize("n", [4, 200])
def test_rims_are_exact(n):
    where, rng = star(n, 20.0, 350.0, 40.0), np.random.default_rng(1)
    start, end = where.edges.start, where.edges.end
    share = np.linspace(0.0, 1.0, 400)[:, None, None]
    border = start * (1.0 - share) + end * share
    border = (border / np.linalg.norm(border, axis=-1, keepdims=True)).reshape(-1, 3)
    ra, dec = moved(np.full(400, 350.0), np.full(400, 40.0), rng.uniform(0.0, 30.0, 400), rng.uniform(0.0, 360.0, 400))
    chord = cKDTree(border).query(coordinates.cartesian(ra, dec, np.ones(400)))[0]
    distance, inside = np.rad2deg(2.0 * np.arcsin(0.5 * chord)), where.inside(ra, dec)
    for rim in (0.05, 1.0, 7.0):
        sure = np.abs(distance - rim) > 0.02  # of the points that stand for the border
        np.testing.assert_array_equal(where.inside(ra, dec, rim)[sure], (inside | (distance <= rim))[sure])
        np.testing.assert_array_equal(where.inside(ra, dec, -rim)[sure], (inside & (distance > rim))[sure])


@pytest.mark.parametrize(
    ("ra", "dec", "message"),
    [
        ([0, 1], [0, 1], "3 or more"),
        ([0, 1, 2], [0, 1], "as many of both"),
        ([0, 1, 1, 0], [0, 0, 1, 0], "vertices 0 and 3 are the same position"),
        ([0, 360, 1], [0, 0, 1], "vertices 0 and 1 are the same position"),
        ([0, 1, 1, 0], [0, 1, 0, 1], "the edge from vertex 0 meets the one from vertex 2"),
        ([0, 2, 1], [0, 0, 0], "meets"),
        ([0, 2, 2, 1], [0, 0, 2, 0], "meets"),
        ([0, 180, 90], [10, -10, 50], "180 deg"),
        ([0, 1, float("nan")], [0, 0, 1], "vertex 2"),
        ([0, 1, 500], [0, 0, 1], "vertex 2"),
        ([0, 1, 1], [0, 0, 91], "vertex 2"),
    ],
)
def test_what_is_no_polygon_is_refused_with_the_reason(ra, dec, message):
    with pytest.raises(InputError, match=message):
        polygon(ra, dec)
