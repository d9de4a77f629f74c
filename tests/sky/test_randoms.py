"""Random points: even, of the density wanted, and those of a part are those of the whole that lie in it."""

import healpy
import numpy as np
import pytest
from scipy.stats import chi2, kstest

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky import coordinates, tiles
from diffsky_factory.sky.randoms import exact_random_points, random_points
from diffsky_factory.sky.regions import Cone, FullSky, Pixels, Rectangle, region
from tests.sky.forms import REGIONS

FIELD = Rectangle((350.0, 20.0), (-10.0, 15.0))


def test_the_whole_sky_is_even():
    ra, dec, cell = random_points(FullSky(), 5.0, seed=1)
    for order in (0, 2, 4):
        counts = np.bincount(tiles.pixel(ra, dec, order), minlength=12 * 4**order)
        mean = 5.0 * tiles.pixel_area(order)
        assert 1e-4 < chi2(len(counts)).sf(np.sum((counts - mean) ** 2 / mean)) < 1.0 - 1e-4
    np.testing.assert_array_equal(tiles.finest_pixel(ra, dec), cell)
    assert (np.diff(cell) > 0).all()


@pytest.mark.parametrize(
    "draw", [lambda cone: random_points(cone, 2e6, 3), lambda cone: exact_random_points(cone, 6000, 3)]
)
def test_a_cone_is_even_in_radius_and_around(draw):
    cone = Cone(30.0, 60.0, 0.03)
    ra, dec, _ = draw(cone)
    x = coordinates.cartesian(ra, dec, np.ones(len(ra)))
    chord = np.linalg.norm(x - coordinates.cartesian(np.array(30.0), np.array(60.0), np.array(1.0)), axis=-1)
    assert kstest((chord / (2.0 * np.sin(np.deg2rad(0.015)))) ** 2, "uniform").pvalue > 1e-3
    around = np.arctan2(dec - 60.0, (ra - 30.0) * np.cos(np.deg2rad(60.0))) / (2.0 * np.pi) + 0.5
    assert kstest(around, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("density", [1e-3, 0.5, 300.0])
def test_their_number_is_that_of_a_poisson_process(density):
    where = FIELD if density > 1.0 else FullSky()
    numbers = np.array([len(random_points(where, density, seed)[0]) for seed in range(12)])
    mean = density * where.area
    assert abs(numbers.mean() - mean) < 4.0 * np.sqrt(mean / 12)
    assert 1e-3 < chi2(12).sf(np.sum((numbers - mean) ** 2 / mean)) < 1.0 - 1e-3


@pytest.mark.parametrize("given", REGIONS)
@pytest.mark.parametrize("density", [0.02, 2.0])
def test_points_of_a_part_are_those_of_the_whole_that_lie_in_it(given, density):
    part, whole = region(given), random_points(FullSky(), density, seed=4)
    inside = part.inside(*whole[:2])
    for found, known in zip(random_points(part, density, seed=4), whole):
        np.testing.assert_array_equal(found, known[inside])


def test_several_regions_mean_their_intersection():
    cone = Cone(0.0, 0.0, 8.0)
    ra, dec, cell = random_points([cone, Rectangle((0.0, 20.0), (-5.0, 15.0))], 50.0, seed=2)
    whole = random_points(cone, 50.0, seed=2)
    both = (whole[0] <= 20.0) & (whole[1] >= -5.0)
    np.testing.assert_array_equal(cell, whole[2][both])
    assert len(ra) == len(dec) == both.sum() > 0


def test_points_follow_from_the_seed_and_the_stream():
    first = random_points(FIELD, 10.0, seed=5)
    np.testing.assert_array_equal(first, random_points(FIELD, 10.0, seed=5))
    for other in (random_points(FIELD, 10.0, seed=6), random_points(FIELD, 10.0, seed=5, stream="others")):
        assert not np.isin(other[2], first[2]).any()


@pytest.mark.parametrize("n", [0, 1, 17, 5000])
def test_just_as_many_as_wanted(n):
    for where in (FIELD, Pixels(6, (3, 77)), [FIELD, Cone(0.0, 0.0, 3.0)]):
        ra, dec, cell = exact_random_points(where, n, seed=1)
        assert len(ra) == len(dec) == len(cell) == n
        assert (np.diff(cell) > 0).all()
        parts = where if isinstance(where, list) else [where]
        assert all(part.inside(ra, dec).all() for part in parts)
        np.testing.assert_array_equal(exact_random_points(where, n, seed=1), (ra, dec, cell))


def test_exact_numbers_are_even_too():
    ra, dec, _ = exact_random_points(FullSky(), 100_000, seed=9)
    counts = np.bincount(healpy.ang2pix(4, ra, dec, nest=True, lonlat=True), minlength=192)
    mean = 100_000 / 192
    assert 1e-4 < chi2(191).sf(np.sum((counts - mean) ** 2 / mean)) < 1.0 - 1e-4


@pytest.mark.parametrize("density", [0.0, -1.0, float("nan"), float("inf")])
def test_no_density_is_refused(density):
    with pytest.raises(InputError, match="density of random points"):
        random_points(FIELD, density, seed=0)


def test_numbers_that_cannot_be_had_are_refused():
    with pytest.raises(InputError, match="no area for them in common"):
        exact_random_points([FIELD, Cone(180.0, 0.0, 1.0)], 10, seed=0)
    with pytest.raises(InputError, match="whole number"):
        exact_random_points(FIELD, -1, seed=0)
    with pytest.raises(InputError, match="no region is given"):
        random_points([], 1.0, seed=0)
