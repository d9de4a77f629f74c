"""Halos that were gathered once, on disk or in memory, served tile by tile."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from diffsky_factory.halos.gathered.gathering import Gathering, gathered_columns
from diffsky_factory.inputs.readers.reader import Reader
from diffsky_factory.outputs.halo_store import INDEX_ORDER
from diffsky_factory.sky import tiles
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.groups import arrange, find_hosts
from diffsky_factory.sky.regions import FullSky, Region, region, shared_area

ROWS_AT_ONCE = 2**20


class HaloTable(Protocol):
    """Rows of halos in the order of the cells of their groups."""

    @property
    def attributes(self) -> dict[str, Any]:
        """What the table says of itself: geometry, cosmology, and more."""

    @property
    def columns(self) -> dict[str, type]:
        """Name and type of each column."""

    @property
    def occupied(self) -> np.ndarray:
        """Pixels of INDEX_ORDER that hold groups, ascending."""

    @property
    def first_row(self) -> np.ndarray:
        """First row of each of them, and the number of rows."""

    def group_cell(self, first: int, last: int) -> np.ndarray:
        """Cell of the group of each row of a range."""

    def rows(self, first: int, last: int) -> dict[str, np.ndarray]:
        """All columns of a range of rows."""


@dataclass(frozen=True, eq=False)
class TableInMemory:
    """A table whose rows are held."""

    attributes: dict[str, Any]
    columns: dict[str, type]
    values: dict[str, np.ndarray]
    cells: np.ndarray

    @cached_property
    def occupied(self) -> np.ndarray:
        return np.unique(tiles.coarser(self.cells, tiles.FINEST, INDEX_ORDER))

    @cached_property
    def first_row(self) -> np.ndarray:
        starts = np.append(self.occupied, 12 * 4**INDEX_ORDER) << 2 * (tiles.FINEST - INDEX_ORDER)
        return np.searchsorted(self.cells, starts)

    def group_cell(self, first: int, last: int) -> np.ndarray:
        return self.cells[first:last]

    def rows(self, first: int, last: int) -> dict[str, np.ndarray]:
        return {name: values[first:last] for name, values in self.values.items()}


def gather_in_memory(reader: Reader) -> TableInMemory:
    """All halos of a small product."""
    gathering = Gathering(reader)
    for piece in reader.pieces():
        gathering.add(piece)
    attributes = gathering.described(gathering.link())
    cells, parts = zip(*gathering.batches(ROWS_AT_ONCE))
    gathering.close()
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return TableInMemory(attributes, gathered_columns(reader), values, np.concatenate(cells))


@dataclass(frozen=True)
class StoredHalos:
    """Halos of a light cone that were gathered, as a source for the factory.

    A range of redshift takes groups whose host lies in it; a least mass takes rows of at least that mass whose host
    has it too.
    """

    table: HaloTable
    name: str
    redshift: tuple[float, float] | None = None
    log10_mass_min: float = -np.inf

    @property
    def cosmology(self) -> Cosmology:
        """The cosmology of the product."""
        return Cosmology(**self.table.attributes["cosmology"])

    @property
    def columns(self) -> dict[str, type]:
        """Name and type of each column of `halos`, host_row aside."""
        return dict(self.table.columns)

    @property
    def redshift_range(self) -> tuple[float, float]:
        """Lowest and highest redshift of a host."""
        low, high = self.covered_redshift
        return (low, high) if self.redshift is None else (max(self.redshift[0], low), min(self.redshift[1], high))

    @property
    def covered_redshift(self) -> tuple[float, float]:
        """Lowest and highest redshift of a host of the product."""
        low, high = self.table.attributes["redshift_range"]
        return low, high

    @property
    def default_region(self) -> dict[str, Any]:
        """The whole footprint."""
        return {"full_sky": True}

    @property
    def attributes(self) -> dict[str, Any]:
        """What a catalogue made from it says of it."""
        hidden = ("cosmology", "footprint", "redshift_range", "geometry")
        return {name: value for name, value in self.table.attributes.items() if name not in hidden}

    @cached_property
    def footprint(self) -> list[Region]:
        """Parts of the sky that the product covers, without overlap."""
        return [region(part) for part in self.table.attributes["footprint"]]

    def covers(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Whether each position [deg] lies in the footprint, bool."""
        found = np.zeros(np.shape(ra), bool)
        for part in self.footprint:
            found |= part.inside(ra, dec)
        return found

    def tiles(self, order: int, where: Mapping | Region) -> np.ndarray:
        """Pixels at an order that hold halos and overlap a region, ascending."""
        if order <= INDEX_ORDER:
            occupied = np.unique(tiles.coarser(self.table.occupied, INDEX_ORDER, order))
        else:
            cells = self.table.group_cell(0, int(self.table.first_row[-1]))
            occupied = np.unique(tiles.coarser(cells, tiles.FINEST, order))
        where = region(where)
        return occupied if isinstance(where, FullSky) else np.intersect1d(where.pixels(order), occupied)

    def area(self, where: Mapping | Region) -> float:
        """Area [deg^2] of the part of a region that the product covers; to 1e-4 where borders cross."""
        where = region(where)
        return float(
            sum(part.area if isinstance(where, FullSky) else shared_area(part, where) for part in self.footprint)
        )

    def count(self, order: int, pixel: int, where: Mapping | Region | None = None) -> int:
        """Rows that `halos` has for the same arguments."""
        first, last = self.row_range(order, pixel)
        whole = where is None or region(where).covers(order, pixel)
        if whole and self.redshift is None and np.isneginf(self.log10_mass_min):
            return last - first
        return len(self.chosen(order, pixel, where)["halo_id"])

    def halos(self, order: int, pixel: int, where: Mapping | Region | None = None) -> dict[str, np.ndarray]:
        """Halos whose host lies in a pixel, and in a region if one is given, arranged; columns as in `columns`."""
        return arrange(self.chosen(order, pixel, where))

    def row_range(self, order: int, pixel: int) -> tuple[int, int]:
        """First row of a pixel, and the one after its last."""
        occupied, first_row = self.table.occupied, self.table.first_row
        at = tiles.coarser(np.array([pixel]), order, INDEX_ORDER)[0] if order > INDEX_ORDER else None
        begin, end = (at, at + 1) if at is not None else np.array([pixel, pixel + 1]) << 2 * (INDEX_ORDER - order)
        first, last = (int(first_row[i]) for i in np.searchsorted(occupied, [begin, end]))
        if at is None:
            return first, last
        size = 4 ** (tiles.FINEST - order)
        inner = np.searchsorted(self.table.group_cell(first, last), [pixel * size, (pixel + 1) * size])
        return first + int(inner[0]), first + int(inner[1])

    def chosen(self, order: int, pixel: int, where: Mapping | Region | None = None) -> dict[str, np.ndarray]:
        """The rows of `halos`, as the table has them."""
        rows = self.table.rows(*self.row_range(order, pixel))
        host = find_hosts(rows["halo_id"], rows["host_halo_id"], rows["is_central"]).row
        keep = np.ones(len(host), bool)
        if where is not None:
            keep &= region(where).inside(rows["ra"], rows["dec"])[host]
        if self.redshift is not None:
            low, high = self.redshift_range
            keep &= ((rows["redshift"] >= low) & (rows["redshift"] <= high))[host]
        heavy = rows["log10_halo_mass"] >= self.log10_mass_min
        keep &= heavy & heavy[host]
        return rows if keep.all() else with_first_hosts({name: values[keep] for name, values in rows.items()})


def with_first_hosts(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Some rows of groups: a first host that is not among them is replaced by the host on top."""
    if "penultimate_host_halo_id" in rows:
        first, found = rows["penultimate_host_halo_id"], rows.get("host_in_catalog", True)
        top = np.where(found, rows["host_halo_id"], rows["halo_id"])
        rows["penultimate_host_halo_id"] = np.where(np.isin(first, rows["halo_id"]), first, top)
    return rows
