"""Halos of a periodic box at one time, as a dataset."""

from pathlib import Path

import dask.array as da
import numpy as np
import xarray as xr

from diffsky_factory.core.columns import column
from diffsky_factory.core.errors import InputError
from diffsky_factory.halos.open import halo_table
from diffsky_factory.outputs.halo_store import GROUP_CELL, StoredTable
from diffsky_factory.outputs.reading import open_part
from diffsky_factory.outputs.store import plain

CHUNK = 2**18  # rows, chosen


def open_box(name: str | Path) -> xr.Dataset:
    """Halos of one snapshot of a box, hosts linked, in the order of cells of the box; dimension `halo`.

    x, y, z : Mpc, comoving, from the corner of the box; attributes have its size, redshift and cosmology
    Raises InputError for a light cone, for several snapshots, and for what is too large to be read anew each time.
    """
    table = halo_table(name)
    if table.attributes["geometry"] != "box":
        raise InputError(f"{name}: is a light cone, not a box")
    if isinstance(table, StoredTable):
        return open_part(table.path.absolute(), table.part, np.arange(table.part.rows.tiles)).drop_vars(GROUP_CELL)
    variables = {}
    for field in table.columns:
        known = column(field)
        values = table.values[field].astype(known.dtype)
        rows = da.from_array(values, chunks=(CHUNK, *values.shape[1:]))
        variables[field] = xr.Variable(("halo", *known.axes), rows, known.attributes)
    return xr.Dataset(variables, attrs=plain(table.attributes))
