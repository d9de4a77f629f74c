"""Bands that a mock was not made with, bit for bit as a build with them has them, whatever the halos are."""

import numpy as np
import pytest
from astropy import units

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.recipe import STORED_COLUMNS
from tests.conftest import TINY
from tests.reference import reference

OTHERS = ("roman_F087", "roman_F158")
TOPHAT = np.array([7000.0, 7001.0, 7999.0, 8000.0]), np.array([0.0, 1.0, 1.0, 0.0])


@pytest.fixture(scope="module")
def ds(tiny_store):
    return dff.open_catalog(tiny_store)


@pytest.fixture(scope="module")
def built(tiny, tmp_path_factory):
    """The same galaxies, built with other bands."""
    path = tmp_path_factory.mktemp("others") / "others.zarr"
    dff.build(tiny, path, bands=OTHERS)
    return dff.open_catalog(path)


@pytest.mark.thorough
def test_other_bands_equal_a_build_with_them_bit_for_bit(ds, built):
    found = ds.sky.photometry(OTHERS)
    assert found.band.values.tolist() == list(OTHERS)
    np.testing.assert_array_equal(found.mag_true, built.mag_true)
    assert found.mag_true.attrs == built.mag_true.attrs
    assert found.sky.area == ds.sky.area


@pytest.mark.thorough
def test_of_a_cut_only_its_rows_are_given_and_equal_the_same(ds, built):
    ra, dec = float(ds.ra[100]), float(ds.dec[100])
    cut = ds.sky.cone(ra, dec, 0.1)
    np.testing.assert_array_equal(cut.sky.photometry(OTHERS).mag_true, built.sky.cone(ra, dec, 0.1).mag_true)
    some = ds.isel(galaxy=[500, 3, 77, 1200])
    np.testing.assert_array_equal(some.sky.photometry(OTHERS).mag_true, built.mag_true.isel(galaxy=[500, 3, 77, 1200]))
    assert ds.isel(galaxy=[]).sky.photometry(OTHERS).mag_true.shape == (0, 2)


def test_the_bands_of_the_store_itself_come_out_as_they_are(ds):
    np.testing.assert_array_equal(ds.sky.photometry(["lsst_g", "lsst_r", "lsst_i"]).mag_true, ds.mag_true)


@pytest.mark.thorough
def test_a_curve_of_ones_own_is_one_of_a_build(ds, tiny, tmp_path):
    by_name = ds.sky.photometry({"mine": TOPHAT})
    pair = ds.sky.photometry(((TOPHAT[0] / 10.0) * units.nm, TOPHAT[1]), name="mine")
    np.testing.assert_array_equal(by_name.mag_true, pair.mag_true)
    assert by_name.band.values.tolist() == ["mine"]
    curve = {"name": "mine", "wavelength": TOPHAT[0].tolist(), "transmission": TOPHAT[1].tolist()}
    dff.build(tiny, tmp_path / "mine.zarr", bands=[curve])
    np.testing.assert_array_equal(by_name.mag_true, dff.open_catalog(tmp_path / "mine.zarr").mag_true)
    between = ds.mag_true.sel(band=["lsst_r", "lsst_i"]).values
    near = np.abs(by_name.mag_true.values[:, 0] - between.mean(axis=1))
    assert np.median(near) < 0.5


@pytest.mark.thorough
def test_saved_bands_are_a_part_of_the_store(tiny_store, ds, built, tmp_path):
    import shutil

    path = shutil.copytree(tiny_store, tmp_path / "tiny.zarr")
    mine = dff.open_catalog(path)
    saved = mine.sky.photometry(OTHERS, save=True, name="others", workers=2)
    np.testing.assert_array_equal(saved.mag_true, built.mag_true)
    tree = dff.open_tree(path)
    np.testing.assert_array_equal(tree["photometry/others"].mag_true, built.mag_true)
    assert tree["galaxies"].band.values.tolist() != tree["photometry/others"].band.values.tolist()
    cut = mine.sky.zslice(0.4, 0.5)
    np.testing.assert_array_equal(
        cut.sky.photometry(OTHERS, save=True, name="others").mag_true, built.sky.zslice(0.4, 0.5).mag_true
    )
    with pytest.raises(InputError, match="give the part a name"):
        mine.sky.photometry(OTHERS, save=True)


@pytest.mark.thorough
def test_a_mock_that_is_not_built_gives_other_bands_too(tiny, built):
    mock = dff.make_mock(tiny)
    part = mock.sky.in_tiles(mock.sky.tiles[1:2])
    found = part.sky.photometry(OTHERS)
    np.testing.assert_array_equal(found.galaxy_id if "galaxy_id" in found else part.galaxy_id, part.galaxy_id)
    expected = built.sky.in_tiles(mock.sky.tiles[1:2]).mag_true
    np.testing.assert_allclose(found.mag_true, expected, rtol=2e-6)
    with pytest.raises(InputError, match="no store"):
        mock.sky.photometry(OTHERS, save=True)


def test_a_store_that_keeps_too_little_says_what_is_missing(plain_store):
    with pytest.raises(InputError, match="does not keep: host_halo_id"):
        dff.open_catalog(plain_store).sky.photometry("roman")


def test_a_calibration_that_changed_is_refused(tiny, tmp_path, monkeypatch):
    from diffsky_factory.inputs.calibrations import load_calibration, save_calibration

    mine = tmp_path / "mine.yaml"
    save_calibration(load_calibration("c260710"), mine)
    dff.build(tiny, tmp_path / "a.zarr", calibration=str(mine), region={"order": 8, "pixels": [349525]})
    monkeypatch.setattr(type(load_calibration(mine)), "hash", property(lambda self: "another"))
    with pytest.raises(InputError, match="other values than when the store was built"):
        dff.open_catalog(tmp_path / "a.zarr").sky.photometry(OTHERS)


def of_others(path, recipe, tmp_path):
    """Photometry of a store, and of a build of the same galaxies with other bands."""
    dff.build(recipe, path, bands=["lsst_r"])
    dff.build(recipe, tmp_path / "others.zarr", bands=OTHERS)
    ds, others = dff.open_catalog(path), dff.open_catalog(tmp_path / "others.zarr")
    np.testing.assert_array_equal(ds.galaxy_id, others.galaxy_id)
    return ds, ds.sky.photometry(OTHERS).mag_true.values, others.mag_true.values


@pytest.mark.thorough
def test_mergers_of_a_forest_are_remembered(tmp_path):
    trees = reference("sims", "forests", "treeUNIT.hdf5")
    recipe = {
        "name": "forest",
        "simulation": str(trees),
        "redshift": [0.02, 0.5],
        "region": {"rectangle": {"ra": [0.0, 180.0], "dec": [-90.0, 90.0]}},
        "tiles": {"order": 2, "block": 1024, "blocks_per_shard": 1},
    }
    ds, found, expected = of_others(tmp_path / "forest.zarr", recipe, tmp_path)
    kept = {"infall_time", "penultimate_infall_time", "penultimate_host_halo_id", "fitted_mah_parameters"}
    assert kept - {"fitted_mah_parameters"} <= set(ds.data_vars)
    assert (ds.penultimate_host_halo_id != ds.host_halo_id).any()
    np.testing.assert_array_equal(found, expected)


@pytest.mark.thorough
def test_halos_of_universemachine_are_remembered(tmp_path):
    files = sorted(reference("sims", "universemachine_bpl_lightcone").glob("*"))
    recipe = {
        "name": "universemachine",
        "simulation": str(
            next(file for file in files if file.suffix in (".dat", ".txt", ".list", ".h5", ".hdf5", ".gz"))
        ),
        "tiles": {"order": 5, "block": 1024, "blocks_per_shard": 4},
    }
    _, found, expected = of_others(tmp_path / "um.zarr", recipe, tmp_path)
    np.testing.assert_array_equal(found, expected)


def test_the_usual_columns_keep_what_light_needs(tiny):
    assert set(STORED_COLUMNS) <= set(dff.make_mock(TINY).data_vars)
    from diffsky_factory.factory.assembly import LIGHT, assembly

    parts = assembly(tiny.text)
    assert set(parts.inputs_of(LIGHT)) <= set(parts.columns)


@pytest.mark.thorough
def test_rows_of_another_store_are_refused(ds, tiny, tiny_store, tmp_path):
    import shutil

    import xarray as xr

    path = shutil.copytree(tiny_store, tmp_path / "one.zarr")
    dff.build(tiny, tmp_path / "other.zarr", seed=8)
    other = dff.open_catalog(tmp_path / "other.zarr")
    mixed = xr.concat([ds.isel(galaxy=slice(3)), other.isel(galaxy=slice(3))], "galaxy")
    with pytest.raises(InputError, match="are other galaxies than those of the store"):
        mixed.sky.photometry(OTHERS).mag_true.compute()
    with pytest.raises(InputError, match="by other means"):
        mixed[["ra"]].sky.photometry(OTHERS)
    cut = dff.open_catalog(path).sky.zslice(0.3, 0.5)
    shutil.rmtree(path)
    shutil.move(tmp_path / "other.zarr", path)
    for save in (False, True):
        with pytest.raises(InputError, match="holds another store"):
            cut.sky.photometry(OTHERS, save=save, name="x")


def test_rows_that_are_none_are_refused(ds):
    for row, told in ((-1, "has no row"), (10**9, "has no row"), (int(ds.row[-1]) + 1, "padding")):
        with pytest.raises(InputError, match=told):
            ds.isel(galaxy=[0]).assign_coords(row=("galaxy", [row])).sky.photometry(OTHERS).mag_true.compute()
