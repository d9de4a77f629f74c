"""Sets of HEALPix cells: rims against the pixels they are made of, and MOCs against mocpy."""

import os

import healpy
import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky import coordinates, tiles
from diffsky_factory.sky.cell_sets import THINNEST, moc_region
from diffsky_factory.sky.regions import Pixels, region
from tests.sky.forms import even_points

TEXT = "1/2 3/3 100-110 6/5000-6000"


def test_a_pipe_is_no_footprint(tmp_path):
    os.mkfifo(tmp_path / "moc.fits")
    with pytest.raises(InputError, match=r"moc\.fits: is a pipe, not a file"):
        moc_region(tmp_path / "moc.fits")


@pytest.mark.parametrize("order", [0, 1, 2, 4, 8])
def test_no_pixel_and_its_neighbours_are_thinner_than_what_rims_rest_on(order):
    # the circle around a point of a pixel's edge stays within the pixel and its neighbours
    rng, nside = np.random.default_rng(0), 2**order
    for pixel in rng.permutation(12 * 4**order)[:25]:
        around = healpy.get_all_neighbours(nside, pixel, nest=True)
        known = np.append(around[around >= 0], pixel)
        edge = healpy.boundaries(nside, int(pixel), 8, nest=True).T
        angle = np.linspace(0.0, 2.0 * np.pi, 60)
        for point in edge[::4]:
            east = np.cross([0.3, 0.1, 0.9], point)
            east /= np.linalg.norm(east)
            north = np.cross(point, east)
            rim = THINNEST / nside
            circle = np.cos(rim) * point + np.sin(rim) * (
                np.cos(angle)[:, None] * east + np.sin(angle)[:, None] * north
            )
            assert np.isin(healpy.vec2pix(nside, *circle.T, nest=True), known).all()


def test_a_rim_adds_no_more_than_a_few_of_its_widths():
    where = Pixels(4, (1000,))
    ra, dec = even_points(100_000)
    for rim in (0.5, 3.0):
        reached = where.inside(ra, dec, rim)
        centre = coordinates.cartesian(*tiles.centres(np.array([1000]), 4), np.ones(1))[0]
        apart = np.rad2deg(np.arccos(coordinates.cartesian(ra, dec, np.ones(len(ra))) @ centre))
        assert apart[reached].max() < tiles.reach(4) + 9.0 * rim


def test_a_moc_is_the_same_from_text_object_and_file(tmp_path):
    from mocpy import MOC

    moc, path = MOC.from_string(TEXT), tmp_path / "footprint.fits"
    moc.save(path)
    assert region({"moc": TEXT}) == region(moc) == region(path) == moc_region(str(path)) == region({"moc": moc})


def test_a_moc_agrees_with_mocpy():
    import astropy.units as u
    from mocpy import MOC

    moc, where = MOC.from_string(TEXT), region({"moc": TEXT})
    ra, dec = even_points(50_000)
    np.testing.assert_array_equal(where.inside(ra, dec), moc.contains_lonlat(ra * u.deg, dec * u.deg))
    assert where.area == pytest.approx(moc.sky_fraction * tiles.FULL_SKY, rel=1e-12)
    for order in (0, 2, 4):
        degraded = moc.degrade_to_order(order).flatten() if order < 6 else moc.flatten()
        np.testing.assert_array_equal(where.pixels(order), np.sort(degraded))


def test_the_text_of_a_moc_has_the_largest_pixels_there_are():
    assert region({"moc": "4/0-15 5/64-67"}).plain == {"moc": "2/0 4/16"}
    assert region({"moc": "0/0-11"}).area == pytest.approx(tiles.FULL_SKY, rel=1e-15)


def test_a_moc_of_pixels_is_those_pixels():
    pixels, moc = Pixels(3, (700, 1, 2, 3, 50)), region({"moc": "3/1-3 50 700"})
    assert pixels.area == moc.area
    for order in (0, 2, 3, 5):
        np.testing.assert_array_equal(pixels.pixels(order), moc.pixels(order))
        some = np.arange(0, 12 * 4**order, 7)
        np.testing.assert_array_equal(pixels.cells(order, some), moc.cells(order, some))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nonsense", "no MOC in text form"),
        ("3/9999", "Too large index"),
        ("40/1", "order 40 is beyond 29"),
        ("3/5-3", "not ascending"),
        ("", "no MOC in text form"),
        ("3/", "no cell"),
        ("/no/such/file.fits", "cannot be read as a MOC"),
        (17, "moc 17: a text"),
    ],
)
def test_what_is_no_moc_is_refused_with_the_reason(given, message):
    with pytest.raises(InputError, match=message):
        region({"moc": given})
