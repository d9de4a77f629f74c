"""What objects are placed in: the sky of an observer, or a periodic box. What differs between the two is here."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky import boxes, tiles
from diffsky_factory.sky.areas import area_of, share_inside
from diffsky_factory.sky.boxes import BoxPart
from diffsky_factory.sky.regions import FullSky, Pixels, Region, region

WORDS = {"deg2": ("on", "deg^2"), "Mpc3": ("in", "Mpc^3")}
"""How an extent is said, by its unit."""


class Space(ABC):
    """Where objects are; its parts are regions of the sky, or of a box.

    Each of its cells holds the same number of cells of the next order, numbered so that those lie together.
    """

    geometry: ClassVar[Literal["lightcone", "box"]]
    partition: ClassVar[Literal["healpix", "cells"]]
    unit: ClassVar[Literal["deg2", "Mpc3"]]  # of extents
    extent_name: ClassVar[Literal["area_deg2", "volume_mpc3"]]  # what an extent is called in stores
    places: ClassVar[tuple[str, ...]]  # columns that say where in it a row is
    meaningless: ClassVar[tuple[str, ...]] = ()  # of the usual columns, those that it gives no meaning
    bits: ClassVar[int]  # by which the number of a cell grows with each order
    roots: ClassVar[int]  # cells of order 0
    finest: ClassVar[int]  # highest order
    index_order: ClassVar[int]  # chosen: at which a store of halos knows the rows of each cell
    whole: ClassVar[Mapping[str, Any]]  # plain form of all of it

    @abstractmethod
    def part(self, given: Any) -> Any:
        """A part of it, from its plain form; raises InputError where it is none."""

    @abstractmethod
    def cells(self, cells: Sequence[int], order: int) -> Any:
        """The part that some cells are."""

    @abstractmethod
    def cells_of(self, part: Any, order: int) -> np.ndarray:
        """Cells that a part overlaps, ascending."""

    @abstractmethod
    def extent(self, parts: Sequence[Any]) -> float:
        """Extent of the intersection of parts."""

    @abstractmethod
    def shares(self, part: Any, cells: Sequence[int], order: int) -> np.ndarray:
        """Share of each cell that lies in a part."""

    @abstractmethod
    def coarser(self, cells: np.ndarray, order: int, to: int) -> np.ndarray:
        """The cell at order `to` that holds each cell of a finer order."""


@dataclass(frozen=True)
class Sky(Space):
    """All directions; cells are HEALPix pixels, NESTED, extents are areas [deg^2]."""

    geometry = "lightcone"
    partition = "healpix"
    unit = "deg2"
    extent_name = "area_deg2"
    places = ("ra", "dec")
    bits, roots, finest, index_order = 2, 12, tiles.FINEST, 8
    whole = MappingProxyType({"full_sky": True})

    def part(self, given: Any) -> Region:
        """A region of the sky."""
        if isinstance(given, Mapping) and "box" in given:
            raise InputError("region: box: is a part of a box; of the sky, give pixels, a cone, a rectangle, ...")
        return region(given)

    def cells(self, cells: Sequence[int], order: int) -> Region:
        """Pixels."""
        return Pixels(order, tuple(int(cell) for cell in cells))

    def cells_of(self, part: Region, order: int) -> np.ndarray:
        """By the HEALPix hierarchy."""
        return part.pixels(order)

    def extent(self, parts: Sequence[Region]) -> float:
        """To 1e-4 where parts cross."""
        return float(area_of(parts))

    def shares(self, part: Region, cells: Sequence[int], order: int) -> np.ndarray:
        """To 1e-4 where the part crosses a cell."""
        if isinstance(part, FullSky):
            return np.ones(len(cells))
        return np.array([share_inside(order, int(cell), [part]) for cell in cells])

    def coarser(self, cells: np.ndarray, order: int, to: int) -> np.ndarray:
        """The pixel at order `to` that holds each pixel of a finer order."""
        return tiles.coarser(cells, order, to)


@dataclass(frozen=True)
class Box(Space):
    """A periodic box of a size [Mpc, comoving]; cells are Morton-ordered cubes, extents are volumes [Mpc^3]."""

    size: float

    geometry = "box"
    partition = "cells"
    unit = "Mpc3"
    extent_name = "volume_mpc3"
    places = boxes.AXES
    meaningless = ("ra", "dec", "redshift_obs")
    bits, roots, finest, index_order = 3, 1, boxes.FINEST, 5
    whole = MappingProxyType({"box": {}})

    def part(self, given: Any) -> BoxPart:
        """A sub-box, or several."""
        if isinstance(given, Mapping) and not set(given) & {"box", "cells", "any", "all"}:
            raise InputError(
                f"region: {', '.join(map(str, given))} is a part of the sky, and this is a box; a part of a box is "
                'written {"box": {"x": [low, high], ...}}'
            )
        return boxes.box_part(given, self.size)

    def cells(self, cells: Sequence[int], order: int) -> BoxPart:
        """Cubes."""
        return boxes.Cells(self.size, order, tuple(int(cell) for cell in cells))

    def cells_of(self, part: BoxPart, order: int) -> np.ndarray:
        """Those of which a share lies in it."""
        return boxes.cells_of(part, order)

    def extent(self, parts: Sequence[BoxPart]) -> float:
        """Exact."""
        return boxes.volume_of(parts)

    def shares(self, part: BoxPart, cells: Sequence[int], order: int) -> np.ndarray:
        """Exact."""
        return boxes.cell_shares(part, np.asarray(cells, np.int64), order)

    def coarser(self, cells: np.ndarray, order: int, to: int) -> np.ndarray:
        """The cube at order `to` that holds each cube of a finer order."""
        return boxes.coarser(cells, order, to)


def space_of(attributes: Mapping[str, Any]) -> Space:
    """The space of a store, a product or a mock, from what it says of itself: `geometry`, and `box_size` of a box."""
    return Box(float(attributes["box_size"])) if attributes.get("geometry") == Box.geometry else Sky()
