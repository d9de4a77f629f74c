"""The store of a simulation's halos: one part, in the order of the sky, with an index of where each pixel begins."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from diffsky_factory.core.axes import axis
from diffsky_factory.core.columns import Column, column
from diffsky_factory.core.errors import InputError
from diffsky_factory.outputs import dggs, store
from diffsky_factory.outputs.layout import IS_ROW, ArrayLayout, Part, Rows
from diffsky_factory.outputs.reading import read_rows, remedy
from diffsky_factory.outputs.store import Table
from diffsky_factory.sky import tiles

PART, JOB = "halos", "ingest"
INDEX_ORDER = 8  # HEALPix order at which a store of a light cone knows the rows of each pixel
CHUNK, PIECE = 2**16, 2**19  # rows of a chunk and of a tile; chosen: 50 MB or so of a product with ten columns
GROUP_CELL = "group_cell"  # column: order-29 pixel of the host, or cell of a box; ascending
INDEX = "index/pixels"


def plan_halos(made_from: str, rows: int, columns: Mapping[str, type], attributes: Mapping[str, Any]) -> Part:
    """Layout of a store of halos.

    columns    : name and type, as the simulation's reader gives them; stored with the types of the schema
    attributes : what the table says of itself: geometry, cosmology, and more
    """
    counts = tuple(min(PIECE, rows - first) for first in range(0, rows, PIECE))
    layout = Rows(
        made_from=made_from,
        partition="pieces",
        order=None,
        dimension="halo",
        block=CHUNK,
        shard=min(PIECE, CHUNK * -(-rows // CHUNK)),
        keys=tuple(range(len(counts))),
        counts=counts,
        areas=(0.0,) * len(counts),
    )
    known = [column(name) for name in (GROUP_CELL, *columns, IS_ROW)]
    arrays = tuple(ArrayLayout(one.name, one.dtype, one.axes, one.attributes) for one in known)
    kinds = {name: str(np.dtype(kind)) for name, kind in columns.items()}
    return Part(PART, layout, JOB, made_from, arrays, _axes(known), {**attributes, "columns": kinds})


def pixel_index(path: Path, part: Part) -> dict[str, Table]:
    """Which pixels hold groups, and the first row of each; read from the tiles of a light cone."""
    if part.attributes["geometry"] != "lightcone":
        return {}
    cells = zarr.open_array(path / PART / GROUP_CELL, mode="r")
    occupied, starts = [], []
    for start, count in zip(part.rows.starts.tolist(), part.rows.counts):
        pixels, first = np.unique(
            tiles.coarser(cells[start : start + count], tiles.FINEST, INDEX_ORDER), return_index=True
        )
        new = ~np.isin(pixels, occupied[-1:])
        occupied.extend(pixels[new].tolist())
        starts.extend((start + first[new]).tolist())
    found = dggs.cells(np.asarray(occupied, np.int64), INDEX_ORDER)
    found["row_start"] = Table((dggs.DIMENSION,), np.asarray(starts, np.int64), {"grid_mapping": dggs.GRID_MAPPING})
    return {f"{INDEX}/{name}": table for name, table in found.items()}


def is_halo_store(path: str | Path) -> bool:
    """Whether a folder is a store of halos, finished or not."""
    return store.is_store(path) and store.read_part(path).job == JOB


class StoredTable:
    """The halos of a finished store: rows in the order of the cells of their groups.

    Raises InputError where the store is not complete, and at reading where a file is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.part = store.read_part(path)
        if not store.is_complete(path, self.part):
            raise InputError(f"{path}: is not complete; {remedy(self.path, self.part)}")
        self.attributes = {name: value for name, value in self.part.attributes.items() if name != "columns"}
        self.columns = {name: np.dtype(kind).type for name, kind in self.part.attributes["columns"].items()}

    @cached_property
    def occupied(self) -> np.ndarray:
        """Pixels of INDEX_ORDER that hold groups, ascending."""
        return self._index(dggs.COORDINATE)

    @cached_property
    def first_row(self) -> np.ndarray:
        """First row of each of them, and the number of rows."""
        return np.append(self._index("row_start"), self.part.rows.total)

    def group_cell(self, first: int, last: int) -> np.ndarray:
        """Cell of the group of each row of a range."""
        return self._read(GROUP_CELL, first, last)

    def rows(self, first: int, last: int) -> dict[str, np.ndarray]:
        """All columns of a range of rows."""
        return {name: self._read(name, first, last).astype(kind) for name, kind in self.columns.items()}

    def _read(self, name: str, first: int, last: int) -> np.ndarray:
        # tiles but the last fill their shards, so that rows follow each other without padding
        array = self.part.array(name)
        try:
            stored = zarr.open_array(self.path / self.part.path(array), mode="r")
            which = (slice(None),) * len(array.axes)
            return read_rows(self.path, self.part, array, stored, np.arange(first, last), which)
        except InputError:
            raise
        except (OSError, ValueError, RuntimeError, KeyError) as error:  # of zarr, of its codecs, of the disk
            raise InputError(f"{self.path}: {name} cannot be read ({error}); {remedy(self.path, self.part)}") from error

    def _index(self, name: str) -> np.ndarray:
        group = zarr.open_group(self.path, mode="r")
        return group[f"{INDEX}/{name}"][:] if f"{INDEX}/{name}" in group else np.empty(0, np.int64)


def _axes(columns: list[Column]) -> dict[str, tuple[str, ...]]:
    return {name: axis(name).labels for one in columns for name in one.axes}
