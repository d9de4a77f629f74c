"""Regions: their tiles hold what is inside, rims miss nothing, areas are right, wrong ones are refused."""

import json

import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky import tiles
from diffsky_factory.sky.regions import AllOf, AnyOf, FullSky, region
from tests.sky.forms import ARROW, CONE, RECTANGLE, REGIONS, even_points, moved


@pytest.fixture(scope="module")
def sky():
    """Points even on the sphere."""
    return even_points(100_000)


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
    covered = [pixel for pixel in where.pixels(order)[:: order**2] if where.covers(order, pixel)]
    of_tile = np.isin(tiles.pixel(*sky, order), covered)
    assert where.inside(*sky)[of_tile].all()


@pytest.mark.parametrize("given", REGIONS)
def test_the_area_is_the_share_of_points_inside(given, sky):
    where = region(given)
    share, number = where.area / tiles.FULL_SKY, len(sky[0])
    assert abs(where.inside(*sky).mean() - share) <= 4.0 * np.sqrt(share * (1.0 - share) / number)


@pytest.mark.parametrize("given", REGIONS)
def test_the_plain_form_makes_the_same_region(given):
    where = region(given)
    assert region(json.loads(json.dumps(where.plain))) == where
    assert hash(region(where.plain)) == hash(where)
    assert region(where) is where


@pytest.mark.parametrize("given", REGIONS)
@pytest.mark.parametrize("rim", [0.01, 8.0, 70.0])
def test_a_wider_region_misses_no_point_within_the_rim(given, rim):
    where, rng = region(given), np.random.default_rng(1)
    ra, dec = even_points(20_000, seed=2)
    inside = where.inside(ra, dec)
    ra, dec = ra[inside], dec[inside]
    angle = rim * np.append(rng.uniform(0.0, 1.0, len(ra) - len(ra) // 2), np.ones(len(ra) // 2))
    assert where.inside(*moved(ra, dec, angle, rng.uniform(0.0, 360.0, len(ra))), rim).all()


@pytest.mark.parametrize("given", REGIONS)
@pytest.mark.parametrize("rim", [0.01, 5.0])
def test_a_narrower_region_claims_no_point_within_the_rim_of_the_outside(given, rim):
    where, rng = region(given), np.random.default_rng(1)
    ra, dec = even_points(20_000, seed=2)
    claimed = where.inside(ra, dec, -rim)
    assert not np.any(claimed & ~where.inside(ra, dec))
    ra, dec = np.repeat(ra[claimed], 8), np.repeat(dec[claimed], 8)
    angle = rim * np.tile([1.0, 1.0, 1.0, 1.0, 0.7, 0.5, 0.3, 0.1], np.count_nonzero(claimed))
    assert where.inside(*moved(ra, dec, angle, rng.uniform(0.0, 360.0, len(ra)))).all()


@pytest.mark.parametrize("given", REGIONS)
def test_rims_may_differ_from_position_to_position(given):
    where, rng = region(given), np.random.default_rng(3)
    ra, dec = even_points(3000, seed=4)
    rim = rng.choice([-5.0, -0.1, 0.0, 0.1, 5.0], len(ra))
    found = where.inside(ra, dec, rim)
    for one in np.unique(rim):
        same = rim == one
        np.testing.assert_array_equal(found[same], where.inside(ra[same], dec[same], one))
        alone = [bool(where.inside(x, y, one)) for x, y in zip(ra[same][:5], dec[same][:5])]
        np.testing.assert_array_equal(found[same][:5], alone)


@pytest.mark.parametrize("given", REGIONS)
def test_rims_of_a_hundred_thousand_positions_take_a_moment(given):
    where = region(given)
    ra, dec = even_points(100_000, seed=5)
    found = where.inside(ra, dec, np.full(len(ra), 0.3))
    assert found.shape == ra.shape
    assert found.dtype == bool


def test_any_and_all_of_some_regions_are_their_union_and_intersection(sky):
    parts = [region(one) for one in (CONE, RECTANGLE, ARROW)]
    inside = np.array([part.inside(*sky) for part in parts])
    np.testing.assert_array_equal(AnyOf(tuple(parts)).inside(*sky), inside.any(axis=0))
    np.testing.assert_array_equal(AllOf(tuple(parts)).inside(*sky), inside.all(axis=0))
    many = region(REGIONS[15])
    assert len(many.parts) == 30
    apart = np.logical_or.reduce([part.inside(*sky) for part in many.parts])
    np.testing.assert_array_equal(many.inside(*sky), apart)


def test_the_whole_sky_has_no_border():
    assert FullSky().inside(np.zeros(2), np.zeros(2), -50.0).all()
    assert region({"rectangle": {"ra": [0, 360], "dec": [60, 90]}}).inside(0.0, 89.9, -20.0)


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
        ({"pixels": [0.5], "order": 0}, "pixel 0.5"),
        ({"pixels": 3, "order": 0}, "list of numbers"),
        ({"pixels": [1], "order": 30}, "order 30"),
        ({"pixels": [1], "order": "a"}, "order 'a'"),
        ({"cone": {"ra": 361.0, "dec": 0.0, "radius": 1.0}}, "ra"),
        ({"cone": {"ra": 0.0, "dec": float("nan"), "radius": 1.0}}, "dec"),
        ({"cone": {"ra": "a", "dec": 0.0, "radius": 1.0}}, "cone, ra: numbers"),
        ({"cone": {"ra": [1.0], "dec": 0.0, "radius": 1.0}}, "one number"),
        ({"rectangle": {"ra": [10.0, 10.0], "dec": [-5.0, 5.0]}}, r"the whole circle is ra=\[0, 360\]"),
        ({"rectangle": {"ra": [360.0, 0.0], "dec": [-5.0, 5.0]}}, "the same meridian"),
        ({"rectangle": {"ra": [-360.0, 360.0], "dec": [-5.0, 5.0]}}, "the same meridian"),
        ({"rectangle": {"ra": [0.0, 400.0], "dec": [-5.0, 5.0]}}, "-360 <= ra <= 360"),
        ({"rectangle": {"ra": [0.0, float("nan")], "dec": [-5.0, 5.0]}}, "-360 <= ra <= 360"),
        ({"rectangle": {"ra": [0.0, 1.0], "dec": [-5.0, float("nan")]}}, "dec ascending"),
        ({"rectangle": {"ra": [0.0, 1.0, 2.0], "dec": [-5.0, 5.0]}}, "two values"),
        ({"rectangle": {"ra": 1.0, "dec": 2.0}}, "two values"),
        ({"polygon": {"ra": [0.0, 1.0, 2.0]}}, "no region is written as"),
        ({"polygon": {"ra": 1.0, "dec": 2.0}}, "a list of values"),
        ({"any": []}, "any: no region is given"),
        ({"all": {"full_sky": True}}, "no region is written as"),
        ({"any": [{"full_sky": True}, {"disc": 1}]}, "disc"),
    ],
)
def test_what_is_no_region_is_refused_with_the_reason(given, message):
    with pytest.raises(InputError, match=message):
        region(given)
