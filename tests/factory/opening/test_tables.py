"""Datasets as tables: one row a galaxy, one column a band, with units, in astropy, pandas and Parquet."""

import numpy as np
import pandas as pd
import pytest
from astropy import units
from pyarrow import parquet

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.opening import tables


@pytest.fixture(scope="module")
def store(tiny_store):
    return dff.open_catalog(tiny_store)


NAMES = ("mag_true_lsst_g", "mag_true_lsst_i", "mah_parameters_t_peak", "sfh_parameters_lgmcrit", "ra", "is_central")


def test_a_table_has_a_row_a_galaxy_and_units(store):
    table = store.sky.to_table()
    assert len(table) == store.sizes["galaxy"]
    assert set(NAMES) <= set(table.colnames)
    assert "row" not in table.colnames
    np.testing.assert_array_equal(table["mag_true_lsst_i"], store.mag_true.sel(band="lsst_i"))
    assert table["ra"].unit == units.deg
    assert table["mag_true_lsst_i"].unit == units.Unit("mag(AB)")
    assert table["galaxy_id"].dtype == np.int64
    assert "Stellar" in table["log10_stellar_mass"].description or table["log10_stellar_mass"].description


def test_a_frame_has_the_same_columns(store):
    frame = store.sky.to_pandas()
    assert list(frame.columns) == store.sky.to_table().colnames
    assert frame.attrs["units"]["redshift"] == ""
    np.testing.assert_array_equal(frame["mag_true_lsst_g"], store.mag_true.sel(band="lsst_g"))


def test_parquet_is_written_some_rows_at_a_time_and_read_by_pandas(store, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", 700)
    store.sky.to_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a.parquet"), store.sky.to_pandas(), check_like=False)
    file = parquet.ParquetFile(tmp_path / "a.parquet")
    assert file.num_row_groups == 3
    assert file.schema_arrow.field("ra").metadata[b"units"] == b"deg"
    assert b"selection" in file.schema_arrow.metadata
    assert [one.name for one in tmp_path.iterdir()] == ["a.parquet"]


def test_a_place_that_cannot_be_written_is_named(store, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        store.sky.to_parquet(tmp_path / "nowhere" / "a.parquet")


def test_a_table_that_fits_in_no_memory_is_refused(store, monkeypatch):
    monkeypatch.setattr(tables, "LARGEST_TABLE", 1e5)
    with pytest.raises(InputError, match="to_parquet"):
        store.sky.to_table()


def test_columns_of_one_name_are_refused_and_labels_keep_their_digits(store):
    twins = store[["mag_true"]].assign(mag_true_lsst_i=store.redshift)
    with pytest.raises(InputError, match="two columns would have the name 'mag_true_lsst_i'"):
        twins.sky.to_pandas()
    near = store[["mag_true"]].assign_coords(band=[10000.01, 10000.02, 10000.03])
    assert list(near.sky.to_pandas().columns) == ["mag_true_10000.01", "mag_true_10000.02", "mag_true_10000.03"]
