"""Lazy mocks: nothing computed before it is asked for, and then what a built store holds; cuts of the sky."""

import json

import jax
import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.assembly import Assembly
from diffsky_factory.factory.kernel import Kernel
from diffsky_factory.factory.opening.catalogs import open_catalog
from diffsky_factory.factory.opening.mock import make_mock
from diffsky_factory.factory.recipe import load_recipe
from diffsky_factory.halos.synthetic.universe import Synthetic
from diffsky_factory.sky import tiles
from diffsky_factory.sky.cosmology import Cosmology

LAST_BIT = 1.01 * np.finfo(np.float32).eps
"""By which a band that is computed alone may differ from one that is computed with others, on some processors."""


@pytest.fixture
def calls(monkeypatch):
    """What is done during a test: kernels by what they give and in how many bands, halos and countings by tile."""
    seen = {"kernels": [], "halos": [], "counts": []}
    run, halos, count = Kernel.__call__, Synthetic.halos, Synthetic.count

    def counted_run(self, columns, ids, draws=None):
        out = run(self, columns, ids, draws)
        seen["kernels"].append({name: values.shape[1:] for name, values in out.items()})
        return out

    def counted_halos(self, order, pixel, where=None):
        seen["halos"].append(pixel)
        return halos(self, order, pixel, where)

    def counted_count(self, order, pixel, where=None):
        seen["counts"].append(pixel)
        return count(self, order, pixel, where)

    monkeypatch.setattr(Kernel, "__call__", counted_run)
    monkeypatch.setattr(Synthetic, "halos", counted_halos)
    monkeypatch.setattr(Synthetic, "count", counted_count)
    return seen


@pytest.fixture(scope="module")
def store(tiny_store):
    return open_catalog(tiny_store)


def test_making_a_mock_counts_the_rows_of_each_tile_once_and_computes_nothing(tiny, calls, tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFSKY_FACTORY_CACHE", str(tmp_path))
    mock = make_mock(tiny, name="never made before")
    assert mock.sizes["galaxy"] > 1000
    assert all(array.chunks for array in mock.data_vars.values())
    assert len(mock.sky.tiles) > 1
    assert sorted(calls["counts"]) == sorted(mock.sky.tiles)
    calls["counts"].clear()
    repr(mock), repr(mock.sky), make_mock(tiny, name="never made before")
    mock.sky.in_tiles(mock.sky.tiles[:1])
    assert calls == {"kernels": [], "halos": [], "counts": []}


@pytest.mark.thorough
def test_one_band_of_one_tile_computes_no_other_band_and_no_other_tile(tiny, calls, store):
    mock = make_mock(tiny)
    pixel = mock.sky.tiles[1]
    one = mock.sky.in_tiles([pixel]).mag_true.sel(band="lsst_r").values
    assert calls["halos"] == [pixel]
    assert [kernel["mag_true"] for kernel in calls["kernels"] if "mag_true" in kernel] == [(1,)]
    built = store.sky.in_tiles([pixel]).mag_true.sel(band="lsst_r").values
    np.testing.assert_allclose(one, built, rtol=LAST_BIT, atol=0.0)


def test_columns_of_halos_run_no_kernel(tiny, calls):
    make_mock(tiny)[["ra", "dec", "galaxy_id"]].compute()
    assert calls["kernels"] == []


def test_a_mock_equals_its_store_bit_for_bit(tiny, store):
    mock = make_mock(tiny).compute()
    assert set(mock.data_vars) == set(store.data_vars)
    for name in store.data_vars:
        bits = LAST_BIT if name == "mag_true" else 0.0
        np.testing.assert_allclose(mock[name].values, store[name].values, rtol=bits, atol=0.0, err_msg=name)
        assert mock[name].dtype == store[name].dtype
        assert mock[name].attrs == store[name].attrs
    np.testing.assert_array_equal(mock.band, store.band)


def test_a_mock_does_not_depend_on_the_precision_of_its_caller(plain, plain_store):
    expected = open_catalog(plain_store)
    with jax.enable_x64(True):
        mock = make_mock(plain).compute(scheduler="synchronous")
    for name in expected.data_vars:
        np.testing.assert_array_equal(mock[name].values, expected[name].values, err_msg=name)


def test_attributes_say_what_the_mock_is(tiny, store):
    for ds in (make_mock(tiny), store):
        assert json.loads(ds.attrs["recipe"])["name"] == "tiny"
        assert ds.sky.area == pytest.approx(4 * tiles.pixel_area(8))
        assert ds.sky.cosmology == Cosmology()
        assert ds.sky.tile_order == 8
        assert ds.sky.tiles.tolist() == [349525, 349526, 349527, 349528]
        assert ds.sky.tile_areas == pytest.approx([tiles.pixel_area(8)] * 4)
        assert ds.sky.redshift_range == (0.3, 0.8)
        assert "area_deg2" not in ds.attrs
        assert all("units" in variable.attrs for variable in ds.data_vars.values())


def test_a_choice_of_tiles_has_their_rows_and_area(store):
    some = store.sky.in_tiles([349526, 349528])
    counts = store.sky.tile_rows
    assert some.sizes["galaxy"] == counts[1] + counts[3]
    assert some.sky.area == pytest.approx(2 * tiles.pixel_area(8))
    hosts = some.isel(galaxy=np.flatnonzero(some.is_central.values))
    assert set(tiles.pixel(hosts.ra.values, hosts.dec.values, 8)) == {349526, 349528}
    with pytest.raises(ValueError, match="no tile is given"):
        store.sky.in_tiles([])
    with pytest.raises(ValueError, match="no tile 5 of order 8"):
        store.sky.in_tiles([5])


def separation(ds, ra, dec):
    a, b = np.deg2rad(ds.ra.values), np.deg2rad(ds.dec.values)
    a0, b0 = np.deg2rad(ra), np.deg2rad(dec)
    haversine = np.sin((b - b0) / 2) ** 2 + np.cos(b) * np.cos(b0) * np.sin((a - a0) / 2) ** 2
    return np.rad2deg(2.0 * np.arcsin(np.sqrt(haversine)))


@pytest.mark.parametrize(("pixel", "radius"), [(349526, 0.05), (349526, 0.3), (349527, 1.0), (349528, 0.14)])
def test_a_cone_holds_what_brute_force_finds(store, pixel, radius):
    ra, dec = (float(x[0]) for x in tiles.centres(np.array([pixel]), 8))
    cone = store.sky.cone(ra, dec, radius)
    np.testing.assert_array_equal(
        np.sort(cone.galaxy_id.values), np.sort(store.galaxy_id.values[separation(store, ra, dec) <= radius])
    )
    assert cone.sizes["galaxy"] == cone.sky.tile_rows.sum()


def test_satellites_far_from_the_tile_of_their_host_are_in_the_cone():
    # at z = 0.02 a virial radius is a degree, and a tile a quarter of it
    region = {"cone": {"ra": 40.0, "dec": 5.0, "radius": 1.0}}
    lazy = open_catalog("synthetic", region=region, redshift=[0.01, 0.04], halo_mass_min=1e11, tiles={"order": 8})
    halos = lazy[["halo_id", "ra", "dec"]].compute()
    pixel = tiles.pixel(halos.ra.values, halos.dec.values, 8)
    owner = np.repeat(halos.sky.tiles, halos.sky.tile_rows)
    away = np.flatnonzero(pixel != owner)
    assert len(away) > 0
    for row in away:
        ra, dec = float(halos.ra[row]), float(halos.dec[row])
        assert halos.halo_id.values[row] in halos.sky.cone(ra, dec, 0.01).halo_id.values


def test_the_area_of_a_cone_is_that_of_the_part_in_the_mock(store):
    ra, dec = (float(x[0]) for x in tiles.centres(np.array([349526]), 8))
    whole = 2.0 * np.pi * (1.0 - np.cos(np.deg2rad(0.02))) * (180.0 / np.pi) ** 2
    assert store.sky.cone(ra, dec, 0.02).sky.area == pytest.approx(whole, rel=1e-6)
    assert store.sky.cone(ra, dec, 5.0).sky.area == pytest.approx(store.sky.area)
    within = store.sky.in_tiles([349526]).sky.cone(ra, dec, 0.13)
    assert 0.8 * tiles.pixel_area(8) < within.sky.area < tiles.pixel_area(8)
    # the same sky cut twice has the area cut once
    assert within.sky.cone(ra, dec, 0.13).sky.area == pytest.approx(within.sky.area, rel=1e-6)
    assert store.sky.cone((ra + 180.0) % 360.0, -dec, 0.1).sky.area == 0.0


def test_a_redshift_slice_holds_its_half_open_range(store):
    part = store.sky.zslice(0.4, 0.5)
    z = store.redshift.values
    np.testing.assert_array_equal(part.galaxy_id.values, store.galaxy_id.values[(z >= 0.4) & (z < 0.5)])
    assert part.sky.redshift_range == (0.4, 0.5)
    assert part.sky.zslice(0.1, 0.45).sky.redshift_range == (0.4, 0.45)
    assert part.sky.area == store.sky.area
    seen = store.sky.zslice(0.4, 0.5, kind="redshift_obs")
    assert ((seen.redshift_obs >= 0.4) & (seen.redshift_obs < 0.5)).all()
    with pytest.raises(ValueError, match="redshift_obs"):
        store.sky.zslice(0.4, 0.5, kind="z")


def test_rows_chosen_by_other_means_are_not_taken_for_tiles(store):
    some = store.isel(galaxy=slice(0, 100))
    with pytest.raises(ValueError, match=r"by other means than ds\.sky"):
        some.sky.in_tiles([349525])
    with pytest.raises(ValueError, match=r"by other means than ds\.sky"):
        _ = some.sky.area
    with pytest.raises(AttributeError, match="not made by diffsky_factory"):
        _ = some.assign_attrs().drop_attrs().sky.area


def test_tiles_without_halos_count_as_area_not_as_rows(tiny):
    mock = make_mock(tiny, halo_mass_min=1e14, columns=["galaxy_id", "ra", "dec", "redshift"], bands=[])
    assert 0 in mock.sky.tile_rows
    assert mock.sky.area == pytest.approx(4 * tiles.pixel_area(8))
    empty = [pixel for pixel, n in zip(mock.sky.tiles, mock.sky.tile_rows) if not n]
    assert mock.sky.in_tiles(empty).sky.area == pytest.approx(len(empty) * tiles.pixel_area(8))
    assert mock.compute().sizes["galaxy"] == mock.sky.tile_rows.sum()


@pytest.mark.thorough
def test_nodes_and_surviving_masses_are_columns_like_others(tiny):
    names = ["log10_stellar_mass", "log10_surviving_mass", "log10_stellar_mass_nodes", "merging_node_weights"]
    mock = make_mock(tiny, columns=[*names, "mag_nodes", "mag_true", "is_central"], bands=["lsst_r"])
    part = mock.sky.in_tiles(mock.sky.tiles[:1]).compute()
    assert part.mag_nodes.dims == ("galaxy", "merging_node", "band")
    assert part.merging_node.values.tolist() == ["low", "high"]
    left = 10.0 ** (part.log10_surviving_mass - part.log10_stellar_mass)
    assert 0.3 < float(left.min()) < float(left.max()) < 1.0
    central = part.is_central.values
    low, high = part.log10_stellar_mass_nodes.values[central].T
    drawn = part.log10_stellar_mass.values[central]
    assert np.all(high >= low)
    alone = high == low
    assert 0.1 < alone.mean() < 0.95
    np.testing.assert_allclose(drawn[alone], low[alone], atol=2e-6)


def test_a_store_keeps_no_row_numbers(tiny):
    with pytest.raises(InputError, match="'penultimate_host_row' holds row numbers"):
        make_mock(tiny, columns=["penultimate_host_row"])


@pytest.mark.thorough
def test_bands_of_ones_own_are_labels_of_the_axis(tiny):
    curve = {"name": "mine", "wavelength": [5000.0, 6000.0, 7000.0], "transmission": [0.0, 1.0, 0.0]}
    mock = make_mock(tiny, bands=["lsst_g", curve, "lsst_i"], columns=["mag_true"])
    assert mock.band.values.tolist() == ["lsst_g", "mine", "lsst_i"]
    blue, mine, red = mock.sky.in_tiles(mock.sky.tiles[:1]).mag_true.values.T
    assert np.median(blue) > np.median(mine) > np.median(red)


def test_a_row_stands_for_one_object_where_the_simulation_has_no_weights(tiny):
    weight = make_mock(tiny, columns=["galaxy_id", "weight"]).weight
    assert weight.dtype == np.float32
    assert np.all(weight.values == 1.0)
    assert "weight" not in tiny.columns


def test_weights_of_the_simulation_are_used_as_they_are(tiny, monkeypatch):
    halos = Synthetic.halos
    monkeypatch.setattr(
        Synthetic, "halos", lambda *given: {**(found := halos(*given)), "weight": np.arange(len(found["halo_id"]))}
    )
    parts = Assembly(tiny)
    known = parts.halos(tiny.region.pixels[0])
    np.testing.assert_array_equal(parts.galaxies(known, ["weight"])["weight"], np.arange(len(known["halo_id"])))


@pytest.mark.thorough
def test_rows_of_drawn_halos_are_counted_once_per_machine(plain, tmp_path, monkeypatch):
    """Counting draws all hosts: who asks again, in any process, is not to wait for it; other halos are counted anew."""
    monkeypatch.setenv("DIFFSKY_FACTORY_CACHE", str(tmp_path))
    counted = []
    count = Synthetic.count
    monkeypatch.setattr(Synthetic, "count", lambda *given: counted.append(given) or count(*given))
    first = Assembly(plain).counts
    assert len(counted) == len(first) == 16
    assert Assembly(plain).counts == first
    assert len(counted) == 16
    for changes in ({"seed": 8}, {"redshift": [0.3, 0.7]}):
        before = len(counted)
        assert Assembly(load_recipe(plain, **changes)).counts != first
        assert len(counted) > before
