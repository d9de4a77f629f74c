"""Areas that regions share, against formulas, and what must hold of any."""

import healpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsky_factory.sky import tiles
from diffsky_factory.sky.regions import (
    AllOf,
    AnyOf,
    Cone,
    FullSky,
    Pixels,
    Rectangle,
    area_of,
    region,
    share_inside,
    shared_area,
)
from tests.sky.forms import ARROW, even_points, moved

FIELD = Rectangle((100.0, 120.0), (0.0, 20.0))
CLOSE = {"rel": 1e-4}
ARCS = st.floats(0.5, 40.0)  # the formula of the lens loses its digits below
SEEDS = st.integers(0, 10_000)


def lens(one: float, other: float, apart: float) -> float:
    """Area [deg^2] that two cones share whose borders cross: sectors less the triangles of centres and crossing."""
    a, b, d = np.deg2rad([one, other, apart])
    at_crossing = np.arccos((np.cos(d) - np.cos(a) * np.cos(b)) / (np.sin(a) * np.sin(b)))
    at_one = np.arccos((np.cos(b) - np.cos(d) * np.cos(a)) / (np.sin(d) * np.sin(a)))
    at_other = np.arccos((np.cos(a) - np.cos(d) * np.cos(b)) / (np.sin(d) * np.sin(b)))
    steradian = 2.0 * (np.pi - at_crossing - at_one * np.cos(a) - at_other * np.cos(b))
    return float(np.rad2deg(np.rad2deg(steradian)))


def two_cones(radii, share, ra, dec, bearing):
    """Cones whose borders cross, the lens of which is a fair share of the smaller."""
    low, high = abs(radii[0] - radii[1]), min(sum(radii), 170.0)
    apart = low + share * (high - low)
    other = moved(np.array([ra]), np.array([dec]), np.array([apart]), np.array([bearing]))
    return Cone(ra, dec, radii[0]), Cone(float(other[0][0]), float(other[1][0]), radii[1]), apart


@settings(max_examples=25)
@given(st.tuples(ARCS, ARCS), st.floats(0.1, 0.7), st.floats(0, 359), st.floats(-89, 89), st.floats(0, 360))
def test_two_cones_share_a_lens_wherever_it_is(radii, share, ra, dec, bearing):
    one, other, apart = two_cones(radii, share, ra, dec, bearing)
    assert area_of([one, other]) == pytest.approx(lens(*radii, apart), **CLOSE)


def test_small_cones_share_a_plane_lens():
    lens_of_equals = 0.05**2 * (2.0 * np.pi / 3.0 - np.sqrt(0.75))
    assert area_of([Cone(359.99, 0.0, 0.05), Cone(0.04, 0.0, 0.05)]) == pytest.approx(lens_of_equals, **CLOSE)


@pytest.mark.parametrize("dec", [-1.0, 0.0, 0.3, 1.5])
def test_a_cone_is_cut_by_half_the_sky(dec):
    north = Rectangle((0.0, 360.0), (0.0, 90.0))
    assert area_of([Cone(77.0, dec, 2.0), north]) == pytest.approx(lens(2.0, 90.0, 90.0 - dec), **CLOSE)


def test_a_cone_on_a_pole_is_cut_by_meridians():
    for pole, dec in ((90.0, (60.0, 90.0)), (-90.0, (-90.0, -70.0))):
        cone, sector = Cone(0.0, pole, 13.0), Rectangle((350.0, 80.0), dec)
        assert area_of([cone, sector]) == pytest.approx(cone.area / 4.0, **CLOSE)


@pytest.mark.parametrize("radius", [0.1, 0.2, 0.5, 1.0])
def test_tiles_share_out_the_cones_of_a_field(radius):
    rng = np.random.default_rng(0)
    for ra, dec in zip(rng.uniform(101.1, 118.9, 4), rng.uniform(1.1, 18.9, 4)):
        cone = Cone(ra, dec, radius)
        shares = [share_inside(3, int(pixel), [FIELD, cone]) for pixel in cone.pixels(3)]
        assert sum(shares) * tiles.pixel_area(3) == pytest.approx(cone.area, **CLOSE)
    # a meridian halves a cone, and so does the border of two tiles
    on_the_border = Cone(100.0, dec, radius)
    shares = [share_inside(3, int(pixel), [FIELD, on_the_border]) for pixel in on_the_border.pixels(3)]
    assert sum(shares) * tiles.pixel_area(3) == pytest.approx(0.5 * on_the_border.area, **CLOSE)


@pytest.mark.parametrize("dec", [0.0, 41.0, 41.81031, -70.0])
def test_borders_along_the_rings_of_pixels_are_as_good_as_any(dec):
    one, other = Rectangle((10.0, 80.0), (dec - 5.0, dec + 4.0)), Rectangle((45.0, 130.0), (dec, dec + 9.0))
    assert area_of([one, other]) == pytest.approx(Rectangle((45.0, 80.0), (dec, dec + 4.0)).area, **CLOSE)


def test_polygons_are_cut_in_parts_that_sum_to_them():
    for where in (region(ARROW), region({"polygon": {"ra": [0, 120, 240], "dec": [70, 60, 50]}})):
        east, west = Rectangle((0.0, 180.0), (-90.0, 90.0)), Rectangle((180.0, 0.0), (-90.0, 90.0))
        assert area_of([where, east]) + area_of([where, west]) == pytest.approx(where.area, **CLOSE)
        assert area_of([where, Rectangle((0.0, 360.0), (-90.0, 90.0))]) == pytest.approx(where.area, rel=1e-12)


def test_a_polygon_of_two_meridians_is_cut_by_a_parallel():
    sector = region({"polygon": {"ra": [10, 50, 0], "dec": [0, 0, 90]}})
    north = Rectangle((0.0, 360.0), (30.0, 90.0))
    assert area_of([sector, north]) == pytest.approx(0.5 * sector.area, **CLOSE)  # sin 30 deg


@settings(max_examples=12)
@given(SEEDS)
def test_union_and_intersection_sum_to_the_parts(seed):
    one, other = some_region(seed), some_region(seed + 1)
    total = area_of([one]) + area_of([other])
    assert area_of([one, other]) + AnyOf((one, other)).area == pytest.approx(total, rel=2e-4)


@settings(max_examples=12)
@given(SEEDS)
def test_another_region_leaves_no_more(seed):
    parts = [some_region(seed + i) for i in range(3)]
    areas = [area_of(parts[: i + 1]) for i in range(3)]
    assert areas[0] * (1.0 + 1e-4) >= areas[1]
    assert areas[1] * (1.0 + 2e-4) >= areas[2] >= 0.0
    assert area_of(parts[::-1]) == pytest.approx(areas[2], rel=2e-4, abs=1e-7 * areas[0])


def some_region(seed):
    """A cone, a rectangle, a polygon, some pixels or a union, all near one place."""
    rng = np.random.default_rng(seed)
    ra, dec = 30.0 + rng.uniform(-5.0, 5.0), 10.0 + rng.uniform(-5.0, 5.0)
    kinds = [
        Cone(ra, dec, 6.0),
        Rectangle((ra - 5.0, ra + 7.0), (dec - 6.0, dec + 3.0)),
        region({"polygon": {"ra": [ra - 8, ra + 8, ra, ra - 1], "dec": [dec - 8, dec - 6, dec + 9, dec - 2]}}),
        Pixels(4, tuple(tiles.within_cone(ra, dec, 5.0, 4).tolist())),
        AnyOf((Cone(ra - 3.0, dec, 4.0), Cone(ra + 3.0, dec + 2.0, 5.0))),
    ]
    return kinds[rng.integers(len(kinds))]


def test_what_lies_inside_the_others_has_its_own_area():
    cone, pixel = Cone(110.0, 10.0, 2.0), int(healpy.ang2pix(8, 110.0, 10.0, nest=True, lonlat=True))
    assert area_of([cone, FIELD, FullSky()]) == cone.area
    assert area_of([FIELD, Cone(110.0, 10.0, 40.0), cone]) == cone.area
    small = Cone(*(float(x[0]) for x in tiles.centres(np.array([pixel]), 3)), 1.0)
    assert share_inside(3, pixel, [small]) == small.area / tiles.pixel_area(3)
    assert shared_area(FIELD, FullSky()) == FIELD.area
    assert area_of([]) == area_of([FullSky()]) == tiles.FULL_SKY


def test_sets_of_pixels_are_exact():
    ours, theirs = Pixels(3, (5, 6, 7, 100)), Pixels(9, tuple(range(5 * 4**6, 5 * 4**6 + 11)))
    assert shared_area(ours, theirs) == theirs.area
    assert shared_area(ours, Pixels(1, (0,))) == 3 * tiles.pixel_area(3)
    assert share_inside(3, 5, [theirs]) == 11 / 4**6
    assert share_inside(3, 6, [ours]) == 1.0
    assert share_inside(3, 8, [ours]) == 0.0
    assert share_inside(2, 1, [Pixels(14, (4**12, 4**12 + 9))]) == 2 / 4**12


def test_regions_apart_share_nothing():
    assert area_of([FIELD, Rectangle((130.0, 140.0), (0.0, 20.0))]) == 0.0
    assert area_of([FIELD, Rectangle((120.0, 140.0), (0.0, 20.0))]) <= 4e-8 * FIELD.area
    assert share_inside(5, 0, [FIELD]) == 0.0


def test_a_union_of_many_cones_agrees_with_points():
    rng = np.random.default_rng(1)
    union = AnyOf(
        tuple(Cone(*at, 4.0) for at in zip(rng.uniform(80, 140, 50).tolist(), rng.uniform(-20, 20, 50).tolist()))
    )
    ra, dec = even_points(400_000)
    share = union.area / tiles.FULL_SKY
    assert union.inside(ra, dec).mean() == pytest.approx(share, abs=4.0 * np.sqrt(share / len(ra)))
    apart = AnyOf(tuple(Cone(7.0 * i, 1.5 * i - 30.0, 0.05 * (i + 1)) for i in range(50)))
    assert apart.area == pytest.approx(sum(part.area for part in apart.parts), **CLOSE)
    assert area_of([AllOf((apart, Rectangle((0.0, 360.0), (-90.0, 90.0))))]) == pytest.approx(apart.area, rel=2e-4)
