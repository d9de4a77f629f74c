"""Halos of a periodic box at one time, as a dataset."""

from pathlib import Path

import dask.array as da
import xarray as xr

from diffsky_factory.core.columns import column
from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.simulations.registry import halo_table
from diffsky_factory.inputs.simulations.stored import HaloTable, TableInMemory

CHUNK = 2**18  # rows, chosen


def open_box(name: str | Path) -> xr.Dataset:
    """Halos of one snapshot of a box, hosts linked, in the order of cells of the box; dimension `halo`.

    x, y, z : Mpc, comoving, from the corner of the box; attributes have its size, redshift and cosmology
    Raises InputError for a light cone, for several snapshots, and for what is too large to be read anew each time.
    """
    table = halo_table(name)
    if table.attributes["geometry"] != "box":
        raise InputError(f"{name}: is a light cone, not a box")
    variables = {}
    for field in table.columns:
        known = column(field)
        values = _array(table, field).astype(known.dtype)
        variables[field] = xr.Variable(("halo", *known.axes), values, known.attributes)
    return xr.Dataset(variables, attrs=table.attributes)


def _array(table: HaloTable, name: str) -> da.Array:
    if isinstance(table, TableInMemory):
        values = table.values[name]
        return da.from_array(values, chunks=(CHUNK, *values.shape[1:]))
    return da.from_zarr(table.array(name))
