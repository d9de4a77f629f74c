"""Layout of a store: which rows belong to which tile, which arrays there are; written once, as `plan.json`.

Tiles own whole shards, so that no two tasks ever write one file; the rest of a tile's last shard holds fill values,
which cost no bytes. Arrays are flat along the rows of all tiles.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

FORMAT = "diffsky-factory/store/1"


@dataclass(frozen=True)
class ArrayLayout:
    """One array: where it is, its type, the axes after the rows and its attributes."""

    group: str
    name: str
    dtype: str
    axes: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Path inside the store."""
        return f"{self.group}/{self.name}"

    @property
    def fill(self) -> float | int | bool:
        """Value of rows that are not there: NaN, -1 or False."""
        kind = np.dtype(self.dtype).kind
        return {"f": float("nan"), "i": -1, "b": False}[kind]


@dataclass(frozen=True)
class Layout:
    """All that is known of a store before its first row is written."""

    recipe: str  # JSON, see Recipe.text
    order: int | None  # HEALPix order of the tiles, NESTED; None where they are numbered pieces of no place on the sky
    block: int  # rows of a block, one inner chunk
    shard: int  # rows of a shard, one file per array
    pixels: tuple[int, ...]
    row_counts: tuple[int, ...]  # exact rows of each tile
    areas: tuple[float, ...]  # deg^2 of the part of each tile that is in the region
    arrays: tuple[ArrayLayout, ...]
    axes: Mapping[str, tuple[str | float, ...]]  # labels of the axes after the rows
    attributes: Mapping[str, Any]  # of the store

    @property
    def dimension(self) -> str:
        """Name of the dimension of the rows."""
        return self.attributes.get("row_dimension", "galaxy")

    def remedy(self, path: Any) -> str:
        """How to finish or mend a store of this layout, in words."""
        if self.order is None:
            return f"call fit_histories with the same histories and {str(path)!r}"
        return f'run "diffsky-factory resume {path}"'

    @property
    def shard_counts(self) -> np.ndarray:
        """Shards of each tile."""
        return -(-np.asarray(self.row_counts, np.int64) // self.shard)

    @property
    def row_starts(self) -> np.ndarray:
        """First row of each tile in the arrays on disk, a multiple of the shard."""
        ends = np.cumsum(self.shard_counts) * self.shard
        return np.concatenate([[0], ends[:-1]]).astype(np.int64)

    @property
    def capacity(self) -> int:
        """Rows of the arrays on disk, padding included; one shard at least."""
        return max(int(self.shard_counts.sum()), 1) * self.shard

    @property
    def rows(self) -> int:
        """Exact rows of all tiles."""
        return int(sum(self.row_counts))

    def shards(self, tile: int) -> Iterator[tuple[int, slice]]:
        """Number of each shard of a tile, and the rows of the tile that go into it."""
        first = int(self.row_starts[tile]) // self.shard
        for i in range(int(self.shard_counts[tile])):
            yield first + i, slice(i * self.shard, min((i + 1) * self.shard, self.row_counts[tile]))

    def tail(self, array: ArrayLayout) -> tuple[int, ...]:
        """Shape of an array after the rows."""
        return tuple(len(self.axes[axis]) for axis in array.axes)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of all arrays, uncompressed."""
        return sum(np.dtype(a.dtype).itemsize * int(np.prod(self.tail(a), dtype=int)) for a in self.arrays)

    @property
    def text(self) -> str:
        """The layout as JSON, always the same for the same layout."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)

    @property
    def hash(self) -> str:
        """SHA-256 of the text; a build goes on only with a store of the same one."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def layout_from_text(text: str) -> Layout:
    """The layout of `Layout.text`; raises ValueError where the text is no such layout."""
    content = json.loads(text)
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise ValueError(f"not a layout of format {FORMAT}")
    arrays = tuple(ArrayLayout(**{**array, "axes": tuple(array["axes"])}) for array in content.pop("arrays"))
    axes = {name: tuple(labels) for name, labels in content.pop("axes").items()}
    lists = {name: tuple(content.pop(name)) for name in ("pixels", "row_counts", "areas")}
    return Layout(arrays=arrays, axes=axes, **lists, **content)
