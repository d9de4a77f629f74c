"""Regions: their tiles hold what is inside, their areas are exact, wrong ones are refused."""

import numpy as np
import pytest

from diffsky_factory.sky import tiles
from diffsky_factory.sky.regions import region

REGIONS = [
    {"full_sky": True},
    {"pixels": [0, 17, 300, 767], "order": 3},
    {"cone": {"ra": 359.9, "dec": -45.0, "radius": 7.0}},
    {"cone": {"ra": 10.0, "dec": 90.0, "radius": 20.0}},
    {"rectangle": {"ra": [350.0, 20.0], "dec": [-10.0, 35.0]}},
    {"rectangle": {"ra": [100.0, 330.0], "dec": [40.0, 90.0]}},
    {"rectangle": {"ra": [0.0, 360.0], "dec": [-80.0, -50.0]}},
]


@pytest.fixture(scope="module")
def sky():
    """Points even on the sphere."""
    rng = np.random.default_rng(0)
    return rng.uniform(0.0, 360.0, 200_000), np.rad2deg(np.arcsin(rng.uniform(-1.0, 1.0, 200_000)))


@pytest.mark.parametrize("given", REGIONS)
@pytest.mark.parametrize("order", [1, 3, 5])
def test_every_point_inside_lies_in_one_of_its_tiles(given, order, sky):
    where = region(given)
    inside = where.inside(*sky)
    pixels = where.pixels(order)
    assert (np.diff(pixels) > 0).all()
    assert np.isin(tiles.pixel(*sky, order)[inside], pixels).all()


@pytest.mark.parametrize("given", REGIONS)
@pytest.mark.parametrize("order", [1, 3, 5])
def test_a_covered_tile_has_no_point_outside(given, order, sky):
    where = region(given)
    covered = [pixel for pixel in where.pixels(order) if where.covers(order, pixel)]
    of_tile = np.isin(tiles.pixel(*sky, order), covered)
    assert where.inside(*sky)[of_tile].all()


@pytest.mark.parametrize("given", REGIONS)
def test_the_area_is_the_share_of_points_inside(given, sky):
    where = region(given)
    share, number = where.area / tiles.FULL_SKY, len(sky[0])
    assert abs(where.inside(*sky).mean() - share) <= 4.0 * np.sqrt(share * (1.0 - share) / number)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"disc": 1}, "no region is written as"),
        ({"full_sky": False}, "no region is written as"),
        ({"cone": {"ra": 0.0, "dec": 0.0}}, "no region is written as"),
        ({"cone": {"ra": 0.0, "dec": 95.0, "radius": 1.0}}, "dec"),
        ({"rectangle": {"ra": [0.0, 1.0], "dec": [5.0, -5.0]}}, "dec ascending"),
        ({"pixels": [12], "order": 0}, "pixel 12"),
        ({"pixels": [], "order": 0}, "no pixel"),
        ("everything", "a region is a mapping"),
    ],
)
def test_what_is_no_region_is_refused_with_the_reason(given, message):
    with pytest.raises(ValueError, match=message):
        region(given)
