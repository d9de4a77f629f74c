"""Layout of a store: whose rows are where, the same for all of its parts; and the arrays of one part.

Tiles own whole shards, so that no two tasks ever write one file; the rest of a tile's last shard holds fill values,
which cost no bytes. Arrays are flat along the rows of all tiles.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from diffsky_factory.core.columns import column

FORMAT = "diffsky-factory/store/3"
LARGEST_SHARD, MOST_ROWS = 2**31, 2**40  # chosen: more than a task can hold, and than the sky has
IS_ROW = "is_row"  # column of a store's first part that tells rows from padding

Partition = Literal["healpix", "cells", "pieces"]


@dataclass(frozen=True, eq=False, repr=False)
class Rows:
    """Which rows a store has, and where: the identity that all of its parts share.

    made_from : what decides the rows, JSON: the recipe of a mock, the histories of fits
    partition : "healpix", a tile is the part of a pixel; "cells", of a cube of a box; "pieces", numbered, of no place
    order     : of the pixels, NESTED, or of the cubes, 2^order along a side, in Morton order; None for pieces
    block     : rows of a block, one inner chunk
    shard     : rows of a shard, one file per array
    keys      : pixel, cube, or number, of each tile
    counts    : exact rows of each tile
    extents   : deg^2, or Mpc^3, of the part of each tile that is in the region; zeros for pieces
    """

    made_from: str
    partition: Partition
    order: int | None
    dimension: str
    block: int
    shard: int
    keys: tuple[int, ...]
    counts: tuple[int, ...]
    extents: tuple[float, ...]

    def __repr__(self) -> str:
        return f"Rows({self.total:,} in {self.tiles:,} tiles)"

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return len(self.keys)

    @cached_property
    def shard_counts(self) -> np.ndarray:
        """Shards of each tile."""
        return -(-np.asarray(self.counts, np.int64) // self.shard)

    @cached_property
    def starts(self) -> np.ndarray:
        """First row of each tile in the arrays on disk, a multiple of the shard."""
        ends = np.cumsum(self.shard_counts) * self.shard
        return np.concatenate([[0], ends[:-1]]).astype(np.int64)

    @cached_property
    def capacity(self) -> int:
        """Rows of the arrays on disk, padding included; one shard at least."""
        return max(int(self.shard_counts.sum()), 1) * self.shard

    @cached_property
    def total(self) -> int:
        """Exact rows of all tiles."""
        return int(sum(self.counts))

    def shards(self, tile: int) -> Iterator[tuple[int, slice]]:
        """Number of each shard of a tile, and the rows of the tile that go into it."""
        for i, number in enumerate(self.shard_numbers(tile)):
            yield number, slice(i * self.shard, min((i + 1) * self.shard, self.counts[tile]))

    def shard_numbers(self, tile: int) -> range:
        """Numbers of the shards of a tile."""
        first = int(self.starts[tile]) // self.shard
        return range(first, first + int(self.shard_counts[tile]))

    def tile_of(self, rows: np.ndarray) -> np.ndarray:
        """Tile of each row on disk, by its number in `keys`."""
        # a tile without rows begins where the next one does
        return np.searchsorted(self.starts, rows, side="right") - 1

    def rows_of(self, tiles: np.ndarray) -> np.ndarray:
        """Rows on disk of some tiles, one tile after the other, int64."""
        counts = np.asarray(self.counts, np.int64)[tiles]
        return ranges(self.starts[tiles], counts)

    @cached_property
    def text(self) -> str:
        """All of it as JSON, always the same for the same rows."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the text."""
        return _sha256(self.text)


@dataclass(frozen=True)
class ArrayLayout:
    """One array: its name, its type, the axes after the rows and its attributes."""

    name: str
    dtype: str
    axes: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fill(self) -> float | int | bool:
        """Value of rows that are not there: NaN, -1 or False."""
        kind = np.dtype(self.dtype).kind
        return {"f": float("nan"), "i": -1, "b": False}[kind]


@dataclass(frozen=True, eq=False, repr=False)
class Part:
    """Arrays that are written together: a group of the store, on its rows, with commits of its own.

    name       : path of the group, such as "galaxies" or "photometry/roman"
    job        : what fills it: "build", "fit_histories", "ingest" or "add"
    made_from  : what decides its values beside the rows, JSON
    axes       : labels of the axes after the rows
    attributes : of the group
    """

    name: str
    rows: Rows
    job: str
    made_from: str
    arrays: tuple[ArrayLayout, ...]
    axes: Mapping[str, tuple[str | float, ...]]
    attributes: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Part({self.name}: {', '.join(array.name for array in self.arrays)}; {self.rows!r})"

    def array(self, name: str) -> ArrayLayout:
        """The array of a name; raises KeyError where there is none."""
        for array in self.arrays:
            if array.name == name:
                return array
        raise KeyError(f"part '{self.name}' has no array '{name}'")

    def path(self, array: ArrayLayout) -> str:
        """Path of an array inside the store."""
        return f"{self.name}/{array.name}"

    def tail(self, array: ArrayLayout) -> tuple[int, ...]:
        """Shape of an array after the rows."""
        return tuple(len(self.axes[axis]) for axis in array.axes)

    @cached_property
    def row_bytes(self) -> int:
        """Bytes of one row of all arrays, uncompressed."""
        return sum(np.dtype(a.dtype).itemsize * int(np.prod(self.tail(a), dtype=int)) for a in self.arrays)

    @cached_property
    def text(self) -> str:
        """All of it as JSON, the rows by their hash; always the same for the same part."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("rows", "arrays")}
        arrays = [asdict(array) for array in self.arrays]
        return json.dumps({"format": FORMAT, "rows": self.rows.hash, "arrays": arrays, **own}, sort_keys=True)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the text; work on a part goes on only where it is the same."""
        return _sha256(self.text)


def rows_of_pieces(made_from: str, counts: tuple[int, ...], *, block: int, shard: int) -> Rows:
    """Rows of halos in numbered pieces, of no place on the sky."""
    n = len(counts)
    return Rows(made_from, "pieces", None, "halo", block, shard, tuple(range(n)), counts, (0.0,) * n)


def array_layouts(names: Iterable[str]) -> tuple[ArrayLayout, ...]:
    """Layout of the array of each column, from the schema."""
    schema = [column(name) for name in names]
    return tuple(ArrayLayout(one.name, one.dtype, one.axes, one.attributes) for one in schema)


def label_array(labels: Sequence[str | float]) -> np.ndarray:
    """Labels of an axis as an array; texts are objects, which Zarr and netCDF write as texts of any length."""
    return np.asarray(labels, object if labels and isinstance(labels[0], str) else np.float64)


def rows_from_content(content: Mapping[str, Any]) -> Rows:
    """The rows of `Rows.text`, parsed; raises ValueError where it is no such layout."""
    content = _checked(content)
    found = Rows(**{**content, **{name: tuple(content[name]) for name in ("keys", "counts", "extents")}})
    _check_rows(found)
    return found


def part_from_content(content: Mapping[str, Any], rows: Rows) -> Part:
    """The part of `Part.text`, parsed; raises ValueError where it is none, or is one of other rows."""
    content = _checked(content)
    if content.pop("rows") != rows.hash:
        raise ValueError("it is of other rows than those of the store")
    arrays = tuple(ArrayLayout(**{**array, "axes": tuple(array["axes"])}) for array in content.pop("arrays"))
    axes = {name: tuple(labels) for name, labels in content.pop("axes").items()}
    return Part(rows=rows, arrays=arrays, axes=axes, **content)


def ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The numbers start, start + 1, ... of each of some ranges, one range after the other, int64."""
    starts, counts = np.asarray(starts, np.int64), np.asarray(counts, np.int64)
    before = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(counts) else counts
    return np.arange(counts.sum(), dtype=np.int64) + np.repeat(starts - before, counts)


def _check_rows(rows: Rows) -> None:
    """Raise ValueError where a layout cannot be that of a store: its numbers decide how much memory is taken."""
    whole = (rows.block, rows.shard, *rows.keys, *rows.counts, *([] if rows.order is None else [rows.order]))
    if not all(type(number) is int and number >= 0 for number in whole):
        raise ValueError("block, shard, order, keys and counts are whole numbers, 0 or more")
    if rows.partition not in get_args(Partition) or not len(rows.keys) == len(rows.counts) == len(rows.extents):
        raise ValueError(f"a key, a count and an extent for each of its {rows.partition} are wanted")
    if not 0 < rows.block <= rows.shard <= LARGEST_SHARD or rows.shard % rows.block or rows.total > MOST_ROWS:
        raise ValueError(f"{rows.total:,} rows in blocks of {rows.block:,} and shards of {rows.shard:,} are none")


def _checked(content: Mapping[str, Any]) -> dict[str, Any]:
    content = dict(content)
    version = content.pop("format", None)
    if version != FORMAT:
        raise ValueError(f"its format is {version!r}, and this version reads {FORMAT!r}")
    return content


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
