"""Magnitudes in bands that a mock was not made with, from what is stored of its galaxies."""

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize

from diffsky_factory.core.columns import column
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.imports import trusted
from diffsky_factory.factory.opening.mock import make_mock
from diffsky_factory.factory.opening.rows import checked_selection
from diffsky_factory.factory.opening.sources import STORE, source_of
from diffsky_factory.factory.recipe import recipe_from_text
from diffsky_factory.factory.recomputed import Request, recomputation
from diffsky_factory.factory.runs.add import add
from diffsky_factory.inputs.filters import band_list, band_names
from diffsky_factory.outputs import reading, store

COLUMN = "mag_true"


def photometry(ds: xr.Dataset, bands: Any, *, save: bool, name: str | None, **how: Any) -> xr.Dataset:
    """True magnitudes of the rows of a dataset in any bands; see `ds.sky.photometry`."""
    if reading.ROW not in ds.coords or ds.coords[reading.ROW].ndim != 1:
        raise InputError(f"the coordinate '{reading.ROW}', by which rows are known, is gone; keep it")
    if _is_pair(bands):
        bands = {name or "curve": bands}
    wanted = band_list(bands)
    if STORE not in ds.attrs:
        if save:
            raise InputError("save: a mock that is not built has no store; build it with these bands")
        return _of_mock(ds, wanted)
    path, ids = Path(ds.attrs[STORE]), _ids(ds)
    source_of(ds)  # refused where another store is there now
    if save:
        checked_selection(ds)  # what is read from the part is by row: right, or raises
        part = f"photometry/{name or _name(bands)}"
        add(path, part, (COLUMN,), bands=wanted, **how)
        rows = _lazy_rows(ds)
        found = reading.columns(path, store.read_part(path, part), rows, [COLUMN])[COLUMN].data
    else:
        found = _of_store(path, _lazy_rows(ds), ids, wanted)
    return _dataset(ds, found, band_names(wanted))


def _of_store(path: Path, rows: da.Array, ids: da.Array | None, bands: tuple) -> da.Array:
    request = Request((COLUMN,), {"bands": bands}).text
    part = recomputation(path, request).part  # refused here, not when it is computed
    n, dtype = len(band_names(bands)), column(COLUMN).dtype
    known = {"path": str(path), "layout": part.hash, "request": request}
    ids = ids if ids is None else ids.rechunk((rows.chunks[0],)).reshape(-1, 1)
    return da.map_blocks(
        trusted(_computed),
        rows.reshape(-1, 1),
        ids,
        dtype=dtype,
        chunks=(rows.chunks[0], (n,)),
        name=f"{COLUMN}-{tokenize(rows.name, known, None if ids is None else ids.name)}",
        meta=np.empty((0, 0), dtype),
        **known,
    )


def _of_mock(ds: xr.Dataset, bands: tuple) -> xr.Dataset:
    checked_selection(ds)  # right, or raises and says what to do
    recipe = recipe_from_text(ds.attrs["recipe"])
    columns = dict.fromkeys((*recipe.columns, COLUMN))
    mock = make_mock(recipe, bands=bands, columns=tuple(columns))
    whole = np.asarray(ds[reading.ROW])
    found = mock[COLUMN].data
    if not np.array_equal(whole, np.arange(found.shape[0])):
        found = found[whole]
    return _dataset(ds, found, band_names(bands))


def _computed(rows: np.ndarray, ids: np.ndarray | None, path: str, layout: str, request: str) -> np.ndarray:
    made = recomputation(path, request)
    if made.part.hash != layout:
        raise InputError(f"{path}: was replaced by another store since it was opened; open it again")
    if not len(rows):
        return np.empty((0, len(made.parts.axes["band"])), column(COLUMN).dtype)
    if ids is not None and not np.array_equal(made.ids(rows.ravel()), ids.ravel()):
        raise InputError(f"{path}: rows of the dataset are other galaxies than those of the store; cut with ds.sky")
    return made.at(rows.ravel())[COLUMN]


def _ids(ds: xr.Dataset) -> da.Array | None:
    """Ids by which rows that were chosen by other means are known to be those of the store; None for rows that are.

    Raises InputError where there are none.
    """
    name = next(
        (name for name in ("galaxy_id", "halo_id") if name in ds and ds[name].dims == ds[reading.ROW].dims), None
    )
    if name is None:
        checked_selection(ds)  # right, or raises and says what to do
        return None
    return da.asarray(ds[name].data)


def _lazy_rows(ds: xr.Dataset) -> da.Array:
    rows = ds.coords[reading.ROW]
    return rows.data if rows.chunks is not None else reading.some_rows(np.asarray(rows), reading.CHUNK)


def _dataset(ds: xr.Dataset, values: da.Array, labels: tuple[str, ...]) -> xr.Dataset:
    rows = ds.coords[reading.ROW]
    coordinates = {"band": reading.label_variable("band", labels), reading.ROW: rows.variable}
    return xr.Dataset({COLUMN: ((rows.dims[0], "band"), values, column(COLUMN).attributes)}, coordinates, ds.attrs)


def _is_pair(bands: Any) -> bool:
    """Whether this is one curve: wavelengths and transmissions."""
    return isinstance(bands, tuple | list) and len(bands) == 2 and all(np.ndim(part) == 1 for part in bands)


def _name(bands: Any) -> str:
    if isinstance(bands, str):
        return bands.replace(":", "_").replace("-", "_").lower()
    raise InputError("name: give the part a name, as there are several bands")
