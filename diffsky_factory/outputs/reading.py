"""A store as a lazy xarray dataset: exact rows, one dask chunk per tile."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from dask.base import tokenize

from diffsky_factory.core.errors import InputError
from diffsky_factory.outputs import store
from diffsky_factory.outputs.layout import ArrayLayout, Layout


def open_store(path: str | Path, *, allow_partial: bool = False) -> xr.Dataset:
    """Galaxies of a store, lazily.

    A store that is not complete is opened with allow_partial=True alone, and then shows its committed tiles.
    Raises InputError where there is no store, where it is damaged, or where it is not complete.
    """
    path = Path(path).absolute()
    if not path.exists():
        raise InputError(f"{path}: there is nothing here; check the path")
    layout = store.read_layout(path)
    complete = store.is_complete(path)
    every = range(len(layout.pixels))
    built = [tile for tile in every if complete or store.commit(path, layout, tile) is not None]
    if not complete and not allow_partial:
        raise InputError(
            f"{path}: {len(built)} of {len(layout.pixels)} tiles are built and it is not complete; "
            f"{layout.remedy(path)}, or open it with allow_partial=True"
        )
    tiles = [tile for tile in built if layout.row_counts[tile]]  # dask has no use for chunks without rows
    counts = [layout.row_counts[tile] for tile in tiles]
    numbers = da.from_array(np.asarray(tiles, np.int64), chunks=1, name=f"tile-{tokenize(tiles)}")
    variables = {}
    for array in layout.arrays:
        tail, known = layout.tail(array), {"path": str(path), "plan": layout.hash, "array": array.name}
        if "band" in array.axes:
            at = array.axes.index("band")
            rows = rows_of_bands(_read_band, numbers, counts, tail, at, array.dtype, label=array.name, **known)
        else:
            rows = rows_of_tiles(_read, numbers, counts, tail, array.dtype, label=array.name, **known)
        variables[array.name] = xr.Variable((layout.dimension, *array.axes), rows, dict(array.attributes))
    coordinates = {name: list(labels) for name, labels in layout.axes.items()}
    ds = xr.Dataset(variables, coordinates, {**layout.attributes, "store": str(path)})
    ds.attrs["tile_pixels"] = [layout.pixels[tile] for tile in built]
    ds.attrs["tile_rows"] = [layout.row_counts[tile] for tile in built]
    ds.attrs["tile_areas_deg2"] = [layout.areas[tile] for tile in built]
    if not complete:
        ds.attrs.update(state="building", area_deg2=float(sum(ds.attrs["tile_areas_deg2"])))
    return ds


def rows_of_tiles(read: Callable, source: da.Array, counts, tail, dtype: str, *, label: str, **known: Any) -> da.Array:
    """A dask array with one chunk per tile.

    read(block of the source, **known) gives the rows of a tile; source has one element per tile, counts their rows,
    tail is the shape after the rows.
    """
    if not len(counts):
        return da.zeros((0, *tail), dtype=dtype)
    source = source.reshape(-1, *(1 for _ in tail)) if tail else source
    chunks = (tuple(int(n) for n in counts), *((size,) for size in tail))
    name = f"{label}-{tokenize(read, source.name, known)}"
    meta = np.empty((0,) * len(chunks), dtype)
    return source.map_blocks(read, dtype=dtype, chunks=chunks, name=name, meta=meta, **known)


def rows_of_bands(
    read: Callable, source: da.Array, counts, tail, at: int, dtype: str, *, label: str, **known: Any
) -> da.Array:
    """A dask array with one chunk per tile and band; the axis `at` of the tail is that of the bands.

    read(block of the source, band number, **known) gives the rows of a tile in one band.
    """
    if not len(counts):
        return da.zeros((0, *tail), dtype=dtype)
    source = source.reshape(-1, *(1 for _ in tail))
    shape = tuple(size if i == at else 1 for i, size in enumerate(tail))
    bands = da.from_array(np.arange(tail[at]).reshape(1, *shape), chunks=1, name=f"band-{tail[at]}-{at}-{len(tail)}")
    chunks = (tuple(int(n) for n in counts), *((1,) * size if i == at else (size,) for i, size in enumerate(tail)))
    name = f"{label}-{tokenize(read, source.name, known)}"
    meta = np.empty((0,) * len(chunks), dtype)
    return da.map_blocks(read, source, bands, dtype=dtype, chunks=chunks, name=name, meta=meta, **known)


def _read(tile: np.ndarray, path: str, plan: str, array: str) -> np.ndarray:
    return _read_band(tile, None, path, plan, array)


def _read_band(tile: np.ndarray, band: np.ndarray | None, path: str, plan: str, array: str) -> np.ndarray:
    number = int(tile.flat[0])
    try:
        layout, stored, known = _opened(path, plan, array)
        problem = store.lost(Path(path), layout, number, known)
        if problem is None:
            start = int(layout.row_starts[number])
            rows = slice(start, start + layout.row_counts[number])
            if band is None:
                return np.asarray(stored[rows])
            one = slice(int(band.flat[0]), int(band.flat[0]) + 1)
            return np.asarray(stored[(rows, *(one if axis == "band" else slice(None) for axis in known.axes))])
    except InputError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError) as error:  # of zarr, of its codecs, of the disk
        problem = f"{array} cannot be read ({' '.join(str(error).split())})"
    layout = store.read_layout(path)
    raise InputError(f"{path}: tile {layout.pixels[number]}: {problem}; {layout.remedy(path)} to mend it")


@lru_cache(maxsize=256)
def _opened(path: str, plan: str, name: str) -> tuple[Layout, zarr.Array, ArrayLayout]:
    layout = store.read_layout(path)
    if layout.hash != plan:
        raise InputError(f"{path}: was replaced by another store since it was opened; open it again")
    array = next(array for array in layout.arrays if array.name == name)
    return layout, zarr.open_array(Path(path) / array.path, mode="r"), array
