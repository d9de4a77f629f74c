"""The part of the sky that points cover: its area is right to the error that is said, without holes or rims."""

import numpy as np
import pytest

from diffsky_factory.sky import tiles
from diffsky_factory.sky.occupied import POINTS_PER_PIXEL, closed, error_of_area, fine_enough
from diffsky_factory.sky.regions import region


def square(n, side, rng):
    """Points in a square around (150, 0) of a side [deg], and its area."""
    top = np.sin(np.deg2rad(side / 2))
    ra, dec = 150.0 + rng.uniform(-side / 2, side / 2, n), np.rad2deg(np.arcsin(rng.uniform(-top, top, n)))
    return ra, dec, side * np.rad2deg(2 * top)


def estimate(ra, dec):
    """Pixels and their order, as they are gathered."""
    finest = tiles.finest_pixel(ra, dec)
    found = [np.unique(tiles.coarser(finest, tiles.FINEST, order)) for order in range(14)]
    order = max(order for order in range(14) if fine_enough(len(ra), len(found[order])))
    return closed(found[order], order), order


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("n", "side", "error"), [(500, 2, 0.3), (5000, 2, 0.15), (50_000, 2, 0.05), (50_000, 60, 0.05)]
)
def test_an_area_is_right_to_the_error_that_is_said(n, side, error, seed):
    ra, dec, area = square(n, side, np.random.default_rng(seed))
    pixels, order = estimate(ra, dec)
    said = error_of_area(pixels, order)
    assert said < error
    found = region({"pixels": pixels.tolist(), "order": order})
    assert abs(found.area / area - 1.0) < said
    assert found.inside(ra, dec).all()


def test_points_in_clumps_leave_no_holes():
    rng = np.random.default_rng(1)
    ra, dec, area = square(1000, 10, rng)
    rows = rng.integers(0, 1000, 5000)
    pixels, order = estimate(ra[rows] + rng.normal(0.0, 0.05, 5000), dec[rows] + rng.normal(0.0, 0.05, 5000))
    assert abs(len(pixels) * tiles.pixel_area(order) / area - 1.0) < error_of_area(pixels, order)


def test_a_hole_of_one_pixel_is_closed_and_one_of_three_is_not():
    order, centre = 6, int(tiles.pixel(150.0, 2.0, 6))
    block = tiles.children(np.array([centre >> 6]), 3)
    ra, dec = tiles.centres(block, order)
    away = np.hypot(ra - ra.mean(), dec - dec.mean())
    one = np.delete(block, np.argmin(away))
    np.testing.assert_array_equal(closed(one, order), block)
    wide = block[np.hypot(ra - ra.mean(), dec - dec.mean()) > 2.5]
    assert 0 < len(closed(wide, order)) < len(block)


def test_the_whole_sky_has_no_border():
    every = np.arange(12 * 4**3)
    assert error_of_area(every, 3) == 0.0
    assert error_of_area(np.array([100]), 3) == 0.5


def test_pixels_are_fine_where_points_fill_them():
    assert fine_enough(POINTS_PER_PIXEL * 100, 100)
    assert not fine_enough(POINTS_PER_PIXEL * 100 - 1, 100)
    assert not fine_enough(10**9, 200_001)
