"""What every part of the sky answers, and the answers that follow from the others."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from diffsky_factory.sky import tiles

SLACK = 1e-12  # deg, chosen: above the rounding of positions and distances, far below any real rim
BASE_PIXELS = np.arange(12, dtype=np.int64)


class Part(ABC):
    """A part of the sky. Positions and rims in degrees, areas in deg^2, HEALPix pixels NESTED."""

    closed_form: ClassVar[bool] = False
    """Whether `area` is a formula: exact, and found at once."""

    @abstractmethod
    def inside(self, ra: np.ndarray, dec: np.ndarray, rim: float | np.ndarray = 0.0) -> np.ndarray:
        """Whether each position lies in the part made wider by a rim, bool; narrower where the rim is negative.

        Exact for a rim of 0. A position within a positive rim is never missed, and one is never said to be inside by
        a negative rim that is nearer than that to the border; a few beyond may be taken, or left out, with them.
        """

    @property
    @abstractmethod
    def area(self) -> float:
        """deg^2."""

    @property
    @abstractmethod
    def plain(self) -> dict[str, Any]:
        """As recipes write it: mappings, lists, numbers and texts; `region` makes the same part of it."""

    @property
    def size(self) -> float:
        """An area that is no less than the part's [deg^2], found at once."""
        return self.area

    @property
    def factors(self) -> tuple["Part", ...]:
        """Parts whose intersection it is."""
        return (self,)

    def cells(self, order: int, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of some pixels overlap the part, and which lie wholly inside, bool.

        A few at the border that only come near may be among the first, and be missing among the second.
        """
        ra, dec = tiles.centres(pixels, order)
        overlapping = self.inside(ra, dec, tiles.reach(order))
        covered = np.zeros_like(overlapping)
        covered[overlapping] = self.inside(ra[overlapping], dec[overlapping], -tiles.reach(order))
        return overlapping, covered

    def covers(self, order: int, pixel: int) -> bool:
        """Whether a pixel lies wholly inside; false also for a few at the rim that do."""
        return bool(self.inside(*tiles.centres(np.array([pixel]), order), -tiles.reach(order))[0])

    def pixels(self, order: int) -> np.ndarray:
        """Pixels at an order that overlap the part, ascending; a few that only come near may be among them."""
        found, pixels = [], BASE_PIXELS
        for at in range(order + 1):
            overlapping, covered = self.cells(at, pixels)
            whole = covered | (at == order)
            found.append(tiles.children(pixels[overlapping & whole], order - at))
            pixels = tiles.children(pixels[overlapping & ~whole])
        return np.sort(np.concatenate(found))
