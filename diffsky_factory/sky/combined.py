"""Parts of the sky made of others: what lies in any of some parts, and what lies in all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from diffsky_factory.sky import tiles
from diffsky_factory.sky.areas import area_of, area_of_any
from diffsky_factory.sky.cell_sets import Ranges, ranges_of
from diffsky_factory.sky.part import Part

FEW = 4  # chosen: so few parts are asked for all positions, more only for those near them


@dataclass(frozen=True)
class AnyOf(Part):
    """The union of parts, which may overlap."""

    parts: tuple[Part, ...]

    @cached_property
    def area(self) -> float:
        """deg^2; in error by 1e-4 of itself where there are two parts or more."""
        return area_of_any(self, self.parts)

    @property
    def size(self) -> float:
        """An area no less than that of the union [deg^2]."""
        return min(tiles.FULL_SKY, sum(part.size for part in self.parts))

    @property
    def plain(self) -> dict[str, Any]:
        """As recipes write it."""
        return {"any": [part.plain for part in self.parts]}

    def pixels(self, order: int) -> np.ndarray:
        """Pixels at an order that overlap the union, ascending; a few that only come near may be among them."""
        return np.unique(np.concatenate([part.pixels(order) for part in self.parts]))

    def inside(self, ra: np.ndarray, dec: np.ndarray, rim: float | np.ndarray = 0.0) -> np.ndarray:
        """Whether each position [deg] lies in one of the parts made wider by a rim [deg], bool."""
        if len(self.parts) <= FEW or np.any(np.greater(rim, 0.0)) or np.ndim(ra) != 1:
            return np.logical_or.reduce([part.inside(ra, dec, rim) for part in self.parts])
        ra, dec, rim = np.broadcast_arrays(ra, dec, rim)
        found = np.zeros(ra.shape, bool)
        for part, near in self._near(tiles.finest_pixel(ra, dec), 1):
            found[near] |= part.inside(ra[near], dec[near], rim[near] if np.any(rim) else 0.0)
        return found

    def cells(self, order: int, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of some pixels overlap the union, and which lie wholly inside one part, bool."""
        overlapping, covered = np.zeros((2, len(pixels)), bool)
        shift = 2 * (tiles.FINEST - order)
        for part, near in self._near(np.asarray(pixels, np.int64) << shift, 1 << shift):
            near = near[~covered[near]]
            if len(near):
                some, all_of = part.cells(order, pixels[near])
                overlapping[near] |= some
                covered[near] = all_of
        return overlapping, covered

    def covers(self, order: int, pixel: int) -> bool:
        """Whether a pixel lies wholly inside one part; false also for a few at its rim that do."""
        return bool(self.cells(order, np.array([pixel]))[1][0])

    @cached_property
    def _outlines(self) -> list[Ranges]:
        """Pixels that hold each part, about as small as the part."""
        orders = [min(tiles.order_of_area(part.size) + 1, tiles.FINEST) for part in self.parts]
        return [ranges_of(order, part.pixels(order)) for order, part in zip(orders, self.parts)]

    def _near(self, cells: np.ndarray, length: int) -> Iterator[tuple[Part, np.ndarray]]:
        """Each part with the rows of the runs of order-29 pixels, of one length, that its outline overlaps."""
        order = np.argsort(cells, kind="stable")
        cells = cells[order]
        for part, outline in zip(self.parts, self._outlines):
            low = np.searchsorted(cells, outline.first - length, "right")
            high = np.searchsorted(cells, outline.end)
            low = np.maximum(low, np.concatenate([[0], high[:-1]]))
            number = np.maximum(high - low, 0)
            rows = np.arange(number.sum()) + np.repeat(low - np.cumsum(number) + number, number)
            if len(rows):
                yield part, order[rows]


@dataclass(frozen=True)
class AllOf(Part):
    """The intersection of parts."""

    parts: tuple[Part, ...]

    @cached_property
    def area(self) -> float:
        """deg^2; in error by 1e-4 of itself, see `area_of`."""
        return area_of(self.parts)

    @property
    def size(self) -> float:
        """An area no less than that of the intersection [deg^2]."""
        return min(part.size for part in self.parts)

    @property
    def factors(self) -> tuple[Part, ...]:
        """Parts whose intersection it is."""
        return tuple(factor for part in self.parts for factor in part.factors)

    @property
    def plain(self) -> dict[str, Any]:
        """As recipes write it."""
        return {"all": [part.plain for part in self.parts]}

    def inside(self, ra: np.ndarray, dec: np.ndarray, rim: float | np.ndarray = 0.0) -> np.ndarray:
        """Whether each position [deg] lies in all of the parts made wider by a rim [deg], bool."""
        return np.logical_and.reduce([part.inside(ra, dec, rim) for part in self.parts])

    def cells(self, order: int, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of some pixels overlap all parts, and which lie wholly inside each, bool."""
        overlapping, covered = np.ones((2, len(pixels)), bool)
        for part in self.parts:
            left = np.flatnonzero(overlapping)
            some, all_of = part.cells(order, pixels[left])
            covered[left] &= all_of
            overlapping[left] = some
        return overlapping, covered & overlapping
