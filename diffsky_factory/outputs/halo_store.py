"""The store of a simulation's halos: one part, in the order of cells of the sky or a box, with an index of these."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from diffsky_factory.core.axes import axis
from diffsky_factory.core.errors import InputError
from diffsky_factory.outputs import dggs, store
from diffsky_factory.outputs.cells import cell_tables, reference
from diffsky_factory.outputs.layout import IS_ROW, Part, array_layouts, rows_of_pieces
from diffsky_factory.outputs.reading import read_column
from diffsky_factory.outputs.remedies import remedy
from diffsky_factory.outputs.store import Table
from diffsky_factory.sky.spaces import space_of

PART, JOB = "halos", "ingest"
CHUNK, PIECE = 2**16, 2**19  # rows of a chunk and of a tile; chosen: 50 MB or so of a product with ten columns
GROUP_CELL = "group_cell"  # column: order-29 pixel of the host, or cell of a box; ascending
INDEX = "index/cells"


def plan_halos(made_from: str, rows: int, columns: Mapping[str, type], attributes: Mapping[str, Any]) -> Part:
    """Layout of a store of halos.

    columns    : name and type, as the simulation's reader gives them; stored with the types of the schema
    attributes : what the table says of itself: geometry, cosmology, and more
    """
    counts = tuple(min(PIECE, rows - first) for first in range(0, rows, PIECE))
    rows_of = rows_of_pieces(made_from, counts, block=CHUNK, shard=min(PIECE, CHUNK * -(-rows // CHUNK)))
    arrays = array_layouts((GROUP_CELL, *columns, IS_ROW))
    labels = {name: axis(name).labels for array in arrays for name in array.axes}
    kinds = {name: str(np.dtype(kind)) for name, kind in columns.items()}
    return Part(PART, rows_of, JOB, made_from, arrays, labels, {**attributes, "columns": kinds})


def cell_index(path: Path, part: Part) -> dict[str, Table]:
    """Which pixels, or cells of a box, hold groups, and the first row of each; read from the tiles."""
    space = space_of(part.attributes)
    occupied: list[int] = []
    starts: list[int] = []
    for start, count in zip(part.rows.starts.tolist(), part.rows.counts):
        cells = read_column(path, part, GROUP_CELL, np.arange(start, start + count))
        of_piece = space.coarser(cells, space.finest, space.index_order)
        found, first = np.unique(of_piece, return_index=True)
        new = ~np.isin(found, occupied[-1:])
        occupied.extend(found[new].tolist())
        starts.extend((start + first[new]).tolist())
    tables = cell_tables(np.asarray(occupied, np.int64), space, space.index_order)
    tables["row_start"] = Table((dggs.DIMENSION,), np.asarray(starts, np.int64), reference(space))
    return {f"{INDEX}/{name}": table for name, table in tables.items()}


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
        """Cells of the index order that hold groups, ascending."""
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
        return read_column(self.path, self.part, name, np.arange(first, last))

    def _index(self, name: str) -> np.ndarray:
        problem = store.tables_damage(self.path, self.part, f"{INDEX}/")
        if problem:
            raise InputError(f"{self.path}: {problem}; {remedy(self.path, self.part)}")
        return np.asarray(zarr.open_array(self.path / INDEX / name, mode="r", zarr_format=3)[:])
