"""What objects are placed in: the sky of an observer, or a periodic box. What differs between the two is here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky import boxes, tiles
from diffsky_factory.sky.areas import area_of, share_inside
from diffsky_factory.sky.boxes import BoxPart
from diffsky_factory.sky.regions import FullSky, Pixels, Region, region


class Nested:
    """Cells of which each holds the same number of cells of the next order, numbered so that those lie together."""

    bits: ClassVar[int]  # by which the number of a cell grows with each order

    def coarser(self, cells: np.ndarray, order: int, to: int) -> np.ndarray:
        """The cell at order `to` that holds each cell of a finer order."""
        if to > order:
            raise ValueError(f"order {to} is finer than {order}")
        return np.asarray(cells, np.int64) >> self.bits * (order - to)


@dataclass(frozen=True)
class Sky(Nested):
    """All directions; cells are HEALPix pixels, NESTED, extents are areas [deg^2]."""

    geometry: ClassVar[str] = "lightcone"
    partition: ClassVar[str] = "healpix"
    unit: ClassVar[str] = "deg2"
    finest: ClassVar[int] = tiles.FINEST
    bits: ClassVar[int] = 2
    index_order: ClassVar[int] = 8  # chosen: at which a store of halos knows the rows of each cell
    coordinates: ClassVar[tuple[str, ...]] = ("ra", "dec")
    whole: ClassVar[Mapping[str, Any]] = {"full_sky": True}
    roots: ClassVar[int] = 12

    def part(self, given: Any) -> Region:
        """A part of it, from its plain form; raises InputError where it is none."""
        if isinstance(given, Mapping) and "box" in given:
            raise InputError("region: box: is a part of a box; of the sky, give pixels, a cone, a rectangle, ...")
        return region(given)

    def cells(self, cells: Sequence[int], order: int) -> Region:
        """The part that some cells are."""
        return Pixels(order, tuple(int(cell) for cell in cells))

    def cells_of(self, part: Region, order: int) -> np.ndarray:
        """Cells that a part overlaps, ascending."""
        return part.pixels(order)

    def extent(self, parts: Sequence[Region]) -> float:
        """Extent of the intersection of parts."""
        return float(area_of(parts))

    def shares(self, part: Region, cells: Sequence[int], order: int) -> np.ndarray:
        """Share of each cell that lies in a part."""
        if isinstance(part, FullSky):
            return np.ones(len(cells))
        return np.array([share_inside(order, int(cell), [part]) for cell in cells])


@dataclass(frozen=True)
class Box(Nested):
    """A periodic box of a size [Mpc, comoving]; cells are Morton-ordered cubes, extents are volumes [Mpc^3]."""

    size: float

    geometry: ClassVar[str] = "box"
    partition: ClassVar[str] = "cells"
    unit: ClassVar[str] = "Mpc3"
    finest: ClassVar[int] = boxes.FINEST
    bits: ClassVar[int] = 3
    index_order: ClassVar[int] = 5
    coordinates: ClassVar[tuple[str, ...]] = boxes.AXES
    whole: ClassVar[Mapping[str, Any]] = {"box": {}}
    roots: ClassVar[int] = 1

    def part(self, given: Any) -> BoxPart:
        """A part of it, from its plain form; raises InputError where it is none."""
        return boxes.box_part(given, self.size)

    def cells(self, cells: Sequence[int], order: int) -> BoxPart:
        """The part that some cells are."""
        return boxes.Cells(self.size, order, tuple(int(cell) for cell in cells))

    def cells_of(self, part: BoxPart, order: int) -> np.ndarray:
        """Cells that a part overlaps, ascending."""
        return boxes.cells_of(part, order)

    def extent(self, parts: Sequence[BoxPart]) -> float:
        """Extent of the intersection of parts."""
        return boxes.volume_of(parts)

    def shares(self, part: BoxPart, cells: Sequence[int], order: int) -> np.ndarray:
        """Share of each cell that lies in a part."""
        return boxes.cell_shares(part, np.asarray(cells, np.int64), order)


Space = Sky | Box


def space_of(attributes: Mapping[str, Any]) -> Space:
    """The space of a store, a product or a mock, from what it says of itself: `geometry`, and `box_size` of a box."""
    return Box(float(attributes["box_size"])) if attributes.get("geometry") == Box.geometry else Sky()
