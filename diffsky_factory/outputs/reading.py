"""Rows of a store as lazy arrays: any rows, in chunks of one size, of which each reads the blocks it needs."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from dask.base import tokenize

from diffsky_factory.core.axes import axis
from diffsky_factory.core.columns import column
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.files_read import State, state
from diffsky_factory.outputs import commits, store
from diffsky_factory.outputs.commits import FIRST, Verify
from diffsky_factory.outputs.layout import IS_ROW, ArrayLayout, Part, label_array, ranges
from diffsky_factory.outputs.remedies import remedy

CHUNK = 2**16  # rows, chosen: the least of a chunk, so that small tiles share one and a graph stays small
ROW = "row"  # name of the coordinate that says which row of the store each row of a dataset is


def chunk_rows(shard: int) -> int:
    """Rows of a chunk of a dataset; the same for all of it, so that it can be written as it is."""
    return max(shard, CHUNK)


def built_tiles(path: Path, part: Part) -> np.ndarray:
    """Numbers of the tiles of a part that can be read: all where it is complete, else those with a commit."""
    if store.is_complete(path, part):
        return np.arange(part.rows.tiles)
    return _committed(path, part, state(store.commits_folder(path, part)))


@lru_cache(maxsize=8)
def _committed(path: Path, part: Part, at: State) -> np.ndarray:
    """Numbers of the tiles that have a commit, in a state of the folder of these."""
    return np.flatnonzero([store.commit(path, part, tile) is not None for tile in range(part.rows.tiles)])


def all_rows(path: Path, part: Part, tiles: np.ndarray) -> da.Array:
    """Row of the store of every row of some tiles, ascending, lazily: (n,) int64. A chunk knows its own tiles alone."""
    rows = part.rows
    starts, counts = rows.starts[tiles], np.asarray(rows.counts, np.int64)[tiles]
    name = f"{ROW}-{tokenize(str(path), rows.hash, starts, counts)}"
    starts, counts = starts[counts > 0], counts[counts > 0]
    size, total, ends = chunk_rows(rows.shard), int(counts.sum()), np.cumsum(counts)
    graph, lengths = {}, []
    for i, first in enumerate(range(0, max(total, 1), size)):
        last = min(first + size, total)
        here = slice(np.searchsorted(ends, first, side="right"), np.searchsorted(ends, last, side="left") + 1)
        before = np.maximum(first - (ends[here] - counts[here]), 0)  # rows of the first tile that are in other chunks
        after = np.maximum(ends[here] - last, 0)
        graph[name, i] = (ranges, starts[here] + before, counts[here] - before - after)
        lengths.append(last - first)
    return da.Array(graph, name, (tuple(lengths),), meta=np.empty(0, np.int64))


def some_rows(rows: np.ndarray, shard: int) -> da.Array:
    """Rows that are given as numbers, as an array in chunks."""
    return da.from_array(rows, chunks=chunk_rows(shard), name=f"{ROW}-{tokenize(rows)}")


def columns(
    path: Path, part: Part, rows: da.Array, names: Iterable[str], verify: Verify = FIRST
) -> dict[str, xr.Variable]:
    """Some columns of a part at some rows of the store, lazily, chunks as those of `rows`.

    verify : when the checksum of a file is compared with its commit
    A column with an axis of which one label is read alone has one chunk per label.
    """
    variables = {}
    for name in names:
        array = part.array(name)
        how = {"dtype": array.dtype, "name": lazy_name(path, part, array, rows, verify)}
        where = {"path": str(path), "part": part.name, "layout": part.hash, "array": array.name, "verify": verify}
        values = mapped(_read, rows, rows.chunks[0], array.axes, part.tail(array), **how, **where)
        variables[name] = xr.Variable((part.rows.dimension, *array.axes), values, dict(array.attributes))
    return variables


def column_names(part: Part) -> list[str]:
    """Names of the columns of a part."""
    return [array.name for array in part.arrays if array.name != IS_ROW]


def coordinates(part: Part, rows: da.Array) -> dict[str, xr.Variable]:
    """Labels of the axes of a part, and its rows."""
    variables = {name: label_variable(name, labels) for name, labels in part.axes.items()}
    return {**variables, ROW: xr.Variable((part.rows.dimension,), rows, column(ROW).attributes)}


def label_variable(name: str, labels: Sequence[str | float]) -> xr.Variable:
    """The coordinate of an axis."""
    return xr.Variable((name,), label_array(labels), axis(name).attributes)


def open_part(path: Path, part: Part, tiles: np.ndarray, verify: Verify = FIRST) -> xr.Dataset:
    """Some tiles of a part of a store: exact rows, lazily, with the coordinate `row`; `verify` as in `columns`."""
    rows = all_rows(path, part, tiles)
    variables = columns(path, part, rows, column_names(part), verify)
    return xr.Dataset(variables, coordinates(part, rows), store.plain(part.attributes))


def readable(path: Path, name: str | None = None, *, allow_partial: bool = False) -> tuple[Part, np.ndarray]:
    """A part of a store, the first without a name, and the tiles that can be read of it.

    A part that is not complete is read only with allow_partial=True; then its tiles are those that are committed.
    Raises InputError where there is no store, where it is damaged, or where it is not complete.
    """
    if not path.exists():
        raise InputError(f"{path}: there is nothing here; check the path")
    part = store.read_part(path, name)
    tiles = built_tiles(path, part)
    if not allow_partial and not store.is_complete(path, part):
        raise InputError(
            f"{path}: {len(tiles)} of {part.rows.tiles} tiles of '{part.name}' are built and it is not complete; "
            f"{remedy(path, part)}, or open it with allow_partial=True"
        )
    return part, tiles


def lazy_name(path: Path, part: Part, array: ArrayLayout, rows: da.Array, verify: Verify = FIRST) -> str:
    """Name of the lazy array that `columns` makes of an array at some rows."""
    return f"{array.name}-{tokenize(rows.name, str(path), part.name, part.hash, array.name, verify)}"


def mapped(
    read: Callable, source: da.Array, lengths: tuple[int, ...], axes: Sequence[str], tail: tuple[int, ...], **how: Any
) -> da.Array:
    """What read(block of the source, number of a label, ...) gives of each block, as one lazy array.

    source  : (n,), of which each block gives as many rows as `lengths` says
    axes    : after the rows, of the sizes `tail`; of one that is read alone there is a chunk for each label
    how     : dtype and name of the array, and further arguments of `read`
    """
    how["meta"] = np.empty((0,) * (1 + len(tail)), how["dtype"])
    if not tail:
        return da.map_blocks(read, source, None, chunks=(lengths,), **how)
    alone = [axis(one).read_alone for one in axes]
    chunks = (lengths, *((1,) * size if one else (size,) for one, size in zip(alone, tail)))
    shape = tuple(size if one else 1 for one, size in zip(alone, tail))
    # a number for each chunk of the axes after the rows: that of the label, where one label is read alone
    labels = da.from_array(np.arange(int(np.prod(shape))).reshape(1, *shape), chunks=1, name=f"label-{shape}")
    return da.map_blocks(read, source.reshape(-1, *(1 for _ in tail)), labels, chunks=chunks, **how)


def _read(
    rows: np.ndarray, label: np.ndarray | None, path: str, part: str, layout: str, array: str, verify: Verify
) -> np.ndarray:
    try:
        opened_part, stored = _opened(path, part, layout, array)
        of_array = opened_part.array(array)
        one = int(label.flat[0]) if label is not None else 0
        of_one = label is not None and of_array.axes
        which = tuple(slice(one, one + 1) if of_one and axis(n).read_alone else slice(None) for n in of_array.axes)
        return read_rows(Path(path), opened_part, of_array, stored, rows.ravel(), which, verify)
    except InputError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError) as error:  # raised by zarr, its codecs or the disk
        why = f"{array} cannot be read ({' '.join(str(error).split())})"
        raise InputError(f"{path}: {why}; {_mending(path, part)}") from error


def read_rows(
    path: Path,
    part: Part,
    array: ArrayLayout,
    stored: zarr.Array,
    rows: np.ndarray,
    which: Sequence[slice],
    verify: Verify,
) -> np.ndarray:
    """Values of an array at some rows; raises InputError where a file of their tiles is not as it was committed."""
    if not len(rows):
        return np.asarray(stored[(slice(0, 0), *which)])
    order = np.argsort(rows, kind="stable") if np.any(np.diff(rows) < 0) else None
    ascending = rows if order is None else rows[order]
    shards = np.unique(ascending // part.rows.shard)
    tiles = part.rows.tile_of(shards * part.rows.shard)
    for tile in np.unique(tiles):
        problem = _damage(path, part, int(tile), array, shards[tiles == tile].tolist(), verify)
        if problem:
            raise InputError(_damaged(path, part, int(tile), problem))
    # rows that lie further apart than a block are read apart
    cuts = np.flatnonzero(np.diff(ascending) > part.rows.block) + 1
    pieces = [_read_run(path, part, array, stored, run, which) for run in np.split(ascending, cuts)]
    values = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    if order is None:
        return values
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return values[back]


def _read_run(
    path: Path, part: Part, array: ArrayLayout, stored: zarr.Array, rows: np.ndarray, which: Sequence[slice]
) -> np.ndarray:
    """Values at ascending rows that lie near each other, read at once; an error names the tile that cannot be read."""
    first, last = int(rows[0]), int(rows[-1]) + 1
    try:
        values = np.asarray(stored[(slice(first, last), *which)])
        return values if last - first == len(rows) else values[rows - first]
    except (OSError, ValueError, RuntimeError, KeyError) as error:  # of zarr, of its codecs, of the disk
        tiles = part.rows.tile_of(rows)
        if tiles[0] != tiles[-1]:
            parts = [rows[tiles == tile] for tile in np.unique(tiles)]
            return np.concatenate([_read_run(path, part, array, stored, one, which) for one in parts])
        why = f"{array.name} cannot be read ({' '.join(str(error).split())})"
        raise InputError(_damaged(path, part, int(tiles[0]), why)) from error


def _damaged(path: Path, part: Part, tile: int, problem: str) -> str:
    return f"{path}: tile {part.rows.keys[tile]}: {problem}; {_mending(path, part.name)}"


def _damage(path: Path, part: Part, tile: int, array: ArrayLayout, shards: Iterable[int], verify: Verify) -> str | None:
    """What is wrong with some shards of one array of a tile, or None."""
    committed = store.commit(path, part, tile)
    if committed is None:
        return "its commit is missing or damaged"
    files = [store.shard_file(part, array, shard) for shard in shards]
    absent = [file for file in files if file not in committed["files"]]
    if absent:
        return f"{absent[0]} is not in its commit"
    return commits.damage(path, {file: committed["files"][file] for file in files}, verify)


def _mending(path: str | Path, part: str) -> str:
    return f"{remedy(Path(path), store.read_part(path, part))} to mend it"


@lru_cache(maxsize=256)
def _opened(path: str, name: str, layout: str, array: str) -> tuple[Part, zarr.Array]:
    part = store.read_part(path, name)
    if part.hash != layout:
        raise InputError(f"{path}: was replaced by another store since it was opened; open it again")
    problem = store.tables_damage(Path(path), part, f"{part.path(part.array(array))}/zarr.json")
    if problem:  # what it says of the bytes would be believed: another type, another size, another order
        raise InputError(f"{path}: {problem}; {_mending(path, name)}")
    stored = zarr.open_array(Path(path) / part.path(part.array(array)), mode="r", zarr_format=3)
    _check_layout(path, part, part.array(array), stored)
    return part, stored


def _check_layout(path: str, part: Part, array: ArrayLayout, stored: zarr.Array) -> None:
    """Raise InputError where an array is another one than the layout of its part says."""
    tail = part.tail(array)
    has = (stored.shape, str(stored.dtype), stored.shards)
    planned = ((part.rows.capacity, *tail), str(np.dtype(array.dtype)), (part.rows.shard, *tail))
    same_fill = stored.fill_value == array.fill or (array.fill != array.fill and stored.fill_value != stored.fill_value)
    if has != planned or not same_fill or stored.chunks[0] != part.rows.block:
        raise InputError(
            f"{path}: {part.path(array)} is of shape, type and shards {has}, and {planned} were planned; restore it "
            "from a copy, or build the store anew"
        )


def read_column(path: Path, part: Part, name: str, rows: np.ndarray) -> np.ndarray:
    """A column of a part at some rows of the store, now; errors as at reading lazily."""
    return _read(rows, None, str(path), part.name, part.hash, name, FIRST)
