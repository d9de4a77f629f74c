"""Stores: exact rows in plain Zarr, and the same bytes however they were built."""

import json

import numpy as np
import pytest
import xarray as xr
import zarr

from diffsky_factory.factory.opening.catalogs import open_catalog
from diffsky_factory.factory.runs import job
from diffsky_factory.factory.runs.build import build
from diffsky_factory.factory.runs.stores import resume, status
from diffsky_factory.outputs import reading, store
from diffsky_factory.sky import tiles
from tests.stores import assert_same_files, by_id


def test_a_store_opens_with_exact_rows_in_chunks_of_one_size_and_one_band(tiny_store, tiny, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK", 500)
    ds, rows = open_catalog(tiny_store), store.read_rows(tiny_store)
    size = max(rows.shard, 500)
    assert ds.sizes["galaxy"] == rows.total < rows.capacity
    chunks = (*(size,) * (rows.total // size), rows.total % size)
    assert ds.mag_true.chunks == (chunks, (1, 1, 1))
    assert ds.ra.chunks == (chunks,)
    assert ds.band.values.tolist() == list(tiny.bands)
    assert len(np.unique(ds.galaxy_id)) == rows.total
    np.testing.assert_array_equal(ds.row, rows.rows_of(np.arange(rows.tiles)))
    assert "state" not in ds.attrs


def test_every_variable_has_its_unit_and_meaning(tiny_store):
    for name, variable in open_catalog(tiny_store).data_vars.items():
        assert {"units", "description", "ucd", "long_name"} <= set(variable.attrs), name


def test_xarray_opens_the_raw_groups(tiny_store):
    galaxies = xr.open_zarr(tiny_store, group="galaxies")
    ds, rows = open_catalog(tiny_store), store.read_rows(tiny_store)
    assert galaxies.sizes["galaxy"] == rows.capacity
    kept = np.flatnonzero(galaxies.is_row.values)  # the rest is padding
    np.testing.assert_array_equal(kept, ds.row)
    np.testing.assert_array_equal(galaxies.ra.values[kept], ds.ra.values)
    np.testing.assert_array_equal(galaxies.mag_true.sel(band="lsst_r").values[kept], ds.mag_true.sel(band="lsst_r"))
    assert galaxies.ra.attrs["units"] == "deg"
    padding = np.setdiff1d(np.arange(rows.capacity), kept)
    assert np.isnan(galaxies.ra.values[padding]).all()
    assert (galaxies.galaxy_id.values[padding] == -1).all()


def test_the_index_describes_the_rows(tiny_store):
    group, ds = zarr.open_group(tiny_store, mode="r"), open_catalog(tiny_store)
    assert group.attrs["state"] == "complete"
    assert group["index/tiles/row_count"][:].tolist() == ds.sky.tile_rows.tolist()
    assert group["index/tiles/area_deg2"][:].sum() == pytest.approx(ds.sky.area)
    galaxies = xr.open_zarr(tiny_store, group="galaxies")
    blocks = group["index/blocks"]
    for i, (first, n) in enumerate(zip(blocks["row_start"][:], blocks["row_count"][:])):
        z = galaxies.redshift.values[first : first + n]
        assert (blocks["redshift_min"][i], blocks["redshift_max"][i]) == (z.min(), z.max())
    assert blocks["row_count"][:].sum() == ds.sizes["galaxy"]


def test_a_store_holds_what_it_was_made_from(tiny_store, tiny):
    group = zarr.open_group(tiny_store, mode="r")
    assert group.attrs["recipe"] == tiny.text
    assert group["calibration"].attrs["name"] == tiny.calibration
    assert json.loads(group["provenance"].attrs["packages"])["zarr"] == zarr.__version__
    assert {"lsst_g", "lsst_r", "lsst_i"} == set(group["calibration/filters"].group_keys())


@pytest.mark.thorough
@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_threads_writes_the_same_bytes(plain, plain_store, tmp_path, workers):
    build(plain, tmp_path / "again.zarr", workers=workers)
    assert_same_files(tmp_path / "again.zarr", plain_store)


def test_any_order_of_tiles_writes_the_same_bytes(tiny, tiny_store, tmp_path, monkeypatch):
    def backwards(function, todo, client, workers, *given):
        for tile in reversed(todo):
            yield function(*given, tile)

    monkeypatch.setattr(job, "finished", backwards)
    build(tiny, tmp_path / "backwards.zarr")
    assert_same_files(tmp_path / "backwards.zarr", tiny_store)


@pytest.mark.thorough
def test_another_order_of_tiles_gives_the_same_galaxies_bit_for_bit(tiny, tiny_store, tmp_path):
    build(tiny, tmp_path / "finer.zarr", tiles={"order": 9, "block": 256, "blocks_per_shard": 1})
    finer, expected = by_id(open_catalog(tmp_path / "finer.zarr")), by_id(open_catalog(tiny_store))
    for name, values in expected.items():
        np.testing.assert_array_equal(finer[name], values, err_msg=name)


@pytest.mark.thorough
def test_a_region_in_parts_gives_the_galaxies_of_the_whole(plain, plain_store, tmp_path):
    parts = []
    for pixel in plain.region.pixels:
        build(plain, tmp_path / f"{pixel}.zarr", region={"order": 8, "pixels": [pixel]})
        parts.append(open_catalog(tmp_path / f"{pixel}.zarr"))
    found, expected = by_id(xr.concat(parts, "galaxy")), by_id(open_catalog(plain_store))
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_building_again_changes_nothing(plain, plain_copy, plain_store):
    summary = build(plain, plain_copy)
    assert (summary.built, summary.tiles) == (0, 16)
    assert "nothing was left to do" in str(summary)
    assert resume(plain_copy).built == 0
    assert_same_files(plain_copy, plain_store)


def test_status_counts_tiles_and_rows(plain_store):
    found = status(plain_store, verify=True)
    assert (found.state, found.built, found.tiles, found.damaged) == ("complete", 16, 16, ())
    assert found.built_rows == found.rows == open_catalog(plain_store).sizes["galaxy"]


def test_progress_is_told_tile_by_tile(plain, tmp_path):
    seen = []
    summary = build(plain, tmp_path / "a.zarr", progress=lambda *now: seen.append(now))
    assert [done for done, *_ in seen] == list(range(17))
    assert seen[-1] == (16, 16, summary.rows, summary.rows)
    assert summary.area == pytest.approx(4 * tiles.pixel_area(8))


def test_a_store_with_a_tile_without_halos_is_whole(plain, tmp_path):
    build(plain, tmp_path / "sparse.zarr", halo_mass_min=1e14)
    ds = open_catalog(tmp_path / "sparse.zarr")
    assert 0 in ds.sky.tile_rows
    assert ds.sky.area == pytest.approx(4 * tiles.pixel_area(8))
    assert ds.compute().sizes["galaxy"] == ds.sky.tile_rows.sum()
    assert status(tmp_path / "sparse.zarr", verify=True).damaged == ()
