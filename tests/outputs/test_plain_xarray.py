"""A store is plain Zarr: xarray, xdggs and zarr read it where this package is not installed."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
import xdggs
import zarr

from diffsky_factory.outputs import store

SCRIPT = """
import sys
sys.modules["diffsky_factory"] = None  # importing it is an error
import warnings
warnings.simplefilter("error")
import xarray as xr
tree = xr.open_datatree(sys.argv[1], engine="zarr")
galaxies = tree["galaxies"].to_dataset()
galaxies = galaxies.isel(galaxy=galaxies.is_row.values)
print(galaxies.sizes["galaxy"], float(galaxies.mag_true.sel(band="lsst_r").mean()), galaxies.ra.attrs["units"])
"""


def test_xarray_opens_a_store_without_this_package(tiny_store):
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tiny_store)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows, mean, unit = done.stdout.split()
    assert int(rows) == store.read_rows(tiny_store).total
    assert 15.0 < float(mean) < 35.0
    assert unit == "deg"


def test_every_array_names_its_dimensions_and_axes_have_labels(tiny_store):
    group = zarr.open_group(tiny_store, mode="r")
    arrays = [array for _, array in group.members(max_depth=None) if isinstance(array, zarr.Array)]
    assert len(arrays) > 40
    for array in (array for array in arrays if array.ndim):
        assert array.metadata.dimension_names is not None, array.path
        assert None not in array.metadata.dimension_names, array.path
    galaxies = xr.open_zarr(tiny_store, group="galaxies")
    for name in ("band", "mah_parameter", "sfh_parameter"):
        assert name in galaxies.coords
        assert galaxies[name].attrs["description"]


def test_a_part_of_the_tree_goes_to_netcdf(tiny_store, tmp_path):
    tree = xr.open_datatree(tiny_store, engine="zarr")
    galaxies = tree["galaxies"].to_dataset()
    galaxies.to_netcdf(tmp_path / "galaxies.nc")
    xr.testing.assert_equal(xr.open_dataset(tmp_path / "galaxies.nc").compute(), galaxies.compute())


@pytest.mark.parametrize("convention", ["cf", "zarr"])
def test_xdggs_reads_the_tiles(convention, tiny_store):
    index = xr.open_zarr(tiny_store, group="index/tiles")
    name = {"zarr": "cell_ids"}.get(convention)
    decoded = xdggs.decode(index, convention=convention, name=name)
    assert decoded.dggs.grid_info.level == 8
    assert decoded.dggs.grid_info.indexing_scheme == "nested"
    np.testing.assert_array_equal(decoded.cell_ids, index.cell_ids)
    centres = decoded.dggs.cell_centers()
    import healpy

    ra, dec = healpy.pix2ang(2**8, index.cell_ids.values, nest=True, lonlat=True)
    np.testing.assert_allclose(centres.longitude.values % 360.0, ra, atol=1e-9)
    np.testing.assert_allclose(centres.latitude, dec, atol=1e-9)


def test_others_may_read_what_they_may_by_the_umask(tiny_store):
    import os

    mask = os.umask(0)
    os.umask(mask)
    for file in (
        "plan.json",
        "parts/galaxies.json",
        "commits/galaxies/metadata.json",
        "zarr.json",
        "galaxies/zarr.json",
    ):
        assert (tiny_store / file).stat().st_mode & 0o777 == 0o666 & ~mask, file
