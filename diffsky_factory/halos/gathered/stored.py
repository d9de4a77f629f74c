"""Halos that were gathered once, on disk or in memory, served tile by tile."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from diffsky_factory.halos.box_halos import BoxHalos
from diffsky_factory.halos.gathered.gathering import Gathering, Product, gathered_columns
from diffsky_factory.sky.boxes import BoxPart
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.groups import arrange, arrange_in_box, find_hosts
from diffsky_factory.sky.regions import FullSky, Region, region, shared_area
from diffsky_factory.sky.spaces import Box, Sky, Space, space_of

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
        """Cells of the index order of its space that hold groups, ascending."""

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
        space = space_of(self.attributes)
        return np.unique(space.coarser(self.cells, space.finest, space.index_order))

    @cached_property
    def first_row(self) -> np.ndarray:
        space = space_of(self.attributes)
        last = space.roots << space.bits * space.index_order
        starts = np.append(self.occupied, last) << space.bits * (space.finest - space.index_order)
        return np.searchsorted(self.cells, starts)

    def group_cell(self, first: int, last: int) -> np.ndarray:
        return self.cells[first:last]

    def rows(self, first: int, last: int) -> dict[str, np.ndarray]:
        return {name: values[first:last] for name, values in self.values.items()}


def gather_in_memory(reader: Product) -> TableInMemory:
    """All halos of a small product."""
    gathering = Gathering(reader)
    for piece in reader.pieces():
        gathering.add(piece)
    attributes = gathering.described(gathering.link())
    cells, parts = zip(*gathering.batches(ROWS_AT_ONCE))
    gathering.close()
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return TableInMemory(attributes, gathered_columns(reader), values, np.concatenate(cells))


class GatheredHalos:
    """Halos that were gathered, as a source for the factory: what holds on the sky and in a box alike.

    A least mass takes rows of at least that mass whose host has it too.
    """

    table: HaloTable
    log10_mass_min: float

    @property
    def cosmology(self) -> Cosmology:
        """The cosmology of the product."""
        return Cosmology(**self.table.attributes["cosmology"])

    @property
    def space(self) -> Space:
        """The sky, or the box, that they are in."""
        return space_of(self.table.attributes)

    @property
    def columns(self) -> dict[str, type]:
        """Name and type of each column of `halos`, host_row aside."""
        return dict(self.table.columns)

    @property
    def attributes(self) -> dict[str, Any]:
        """What a catalogue made from it says of it."""
        return {name: value for name, value in self.table.attributes.items() if name not in HIDDEN}

    def cells(self, order: int) -> np.ndarray:
        """Cells at an order that hold halos, ascending."""
        space = self.space
        if order <= space.index_order:
            return np.unique(space.coarser(self.table.occupied, space.index_order, order))
        every = self.table.group_cell(0, int(self.table.first_row[-1]))
        return np.unique(space.coarser(every, space.finest, order))

    def row_range(self, order: int, cell: int) -> tuple[int, int]:
        """First row of a cell, and the one after its last."""
        space, occupied, first_row = self.space, self.table.occupied, self.table.first_row
        finer = order - space.index_order
        if finer <= 0:
            ends = np.array([cell, cell + 1]) << space.bits * -finer
        else:
            ends = np.array([0, 1]) + (cell >> space.bits * finer)
        first, last = (int(first_row[i]) for i in np.searchsorted(occupied, ends))
        if finer <= 0:
            return first, last
        size = 1 << space.bits * (space.finest - order)
        within = np.searchsorted(self.table.group_cell(first, last), [cell * size, (cell + 1) * size])
        return first + int(within[0]), first + int(within[1])

    def rows_of(self, order: int, cell: int, kept: Callable[[dict, np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
        """Rows of a cell, as the table has them, that are heavy and kept(columns, row of the host), with their host."""
        rows = self.table.rows(*self.row_range(order, cell))
        host = find_hosts(rows["halo_id"], rows["host_halo_id"], rows["is_central"]).row
        heavy = rows["log10_halo_mass"] >= self.log10_mass_min
        keep = heavy & heavy[host] & kept(rows, host)
        return rows if keep.all() else with_first_hosts({name: values[keep] for name, values in rows.items()})


HIDDEN = ("cosmology", "footprint", "redshift_range", "geometry")
"""Attributes of a table that a mock says in its own place."""


@dataclass(frozen=True)
class StoredHalos(GatheredHalos):
    """Halos of a light cone; a range of redshift takes groups whose host lies in it."""

    table: HaloTable
    name: str
    redshift: tuple[float, float] | None = None
    log10_mass_min: float = -np.inf

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
        return dict(Sky.whole)

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
        occupied, where = self.cells(order), region(where)
        return occupied if isinstance(where, FullSky) else np.intersect1d(where.pixels(order), occupied)

    def extent(self, where: Mapping | Region) -> float:
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

    def chosen(self, order: int, pixel: int, where: Mapping | Region | None = None) -> dict[str, np.ndarray]:
        """The rows of `halos`, as the table has them."""

        def kept(rows: dict[str, np.ndarray], host: np.ndarray) -> np.ndarray:
            keep = np.ones(len(host), bool)
            if where is not None:
                keep &= region(where).inside(rows["ra"], rows["dec"])[host]
            if self.redshift is not None:
                low, high = self.redshift_range
                keep &= ((rows["redshift"] >= low) & (rows["redshift"] <= high))[host]
            return keep

        return self.rows_of(order, pixel, kept)


@dataclass(frozen=True)
class StoredBox(BoxHalos, GatheredHalos):
    """Halos of a periodic box at one time; every row has the redshift of the box."""

    table: HaloTable
    name: str
    log10_mass_min: float = -np.inf

    @property
    def space(self) -> Box:
        """The box."""
        return Box(float(self.table.attributes["box_size"]))

    @property
    def redshift(self) -> float:
        """That of the snapshot."""
        return float(self.table.attributes["redshift"])

    @property
    def redshift_range(self) -> tuple[float, float]:
        """It twice."""
        return self.redshift, self.redshift

    @property
    def columns(self) -> dict[str, type]:
        """Name and type of each column of `halos`, host_row aside."""
        return {**self.table.columns, "redshift": np.float64}

    def tiles(self, order: int, where: Mapping | BoxPart) -> np.ndarray:
        """Cells at an order that hold halos and overlap a part of the box, ascending."""
        return np.intersect1d(self.cells(order), self.space.cells_of(self.space.part(where), order))

    def count(self, order: int, cell: int, where: Mapping | BoxPart | None = None) -> int:
        """Rows that `halos` has for the same arguments."""
        whole = where is None or self.space.shares(self.space.part(where), [cell], order)[0] == 1.0
        if whole and np.isneginf(self.log10_mass_min):
            first, last = self.row_range(order, cell)
            return last - first
        return len(self.chosen(order, cell, where)["halo_id"])

    def halos(self, order: int, cell: int, where: Mapping | BoxPart | None = None) -> dict[str, np.ndarray]:
        """Halos whose host lies in a cell, and in a part of the box if one is given, arranged; columns as `columns`."""
        rows = self.chosen(order, cell, where)
        redshift = np.full(len(rows["halo_id"]), self.redshift)
        return arrange_in_box({**rows, "redshift": redshift}, self.space.size)

    def chosen(self, order: int, cell: int, where: Mapping | BoxPart | None = None) -> dict[str, np.ndarray]:
        """The rows of `halos`, as the table has them."""

        def kept(rows: dict[str, np.ndarray], host: np.ndarray) -> np.ndarray:
            if where is None:
                return np.ones(len(host), bool)
            return self.space.part(where).inside(rows["x"], rows["y"], rows["z"])[host]

        return self.rows_of(order, cell, kept)


def with_first_hosts(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Some rows of groups: a first host that is not among them is replaced by the host on top."""
    if "penultimate_host_halo_id" in rows:
        first, found = rows["penultimate_host_halo_id"], rows.get("host_in_catalog", True)
        top = np.where(found, rows["host_halo_id"], rows["halo_id"])
        rows["penultimate_host_halo_id"] = np.where(np.isin(first, rows["halo_id"]), first, top)
    return rows
