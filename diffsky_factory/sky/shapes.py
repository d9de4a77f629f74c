"""Parts of the sky with a simple border: all of it, a cone, a rectangle."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from diffsky_factory.sky import coordinates, tiles
from diffsky_factory.sky.part import SLACK, Part

CHORD_SLACK = 4e-15  # chosen: above the rounding of the distance of two unit vectors


@dataclass(frozen=True)
class FullSky(Part):
    """The whole sphere."""

    area = tiles.FULL_SKY
    closed_form: ClassVar[bool] = True

    @property
    def plain(self) -> dict[str, Any]:
        """As recipes write it."""
        return {"full_sky": True}

    def pixels(self, order: int) -> np.ndarray:
        """All pixels of an order."""
        return np.arange(12 * 4**order, dtype=np.int64)

    def inside(self, ra: np.ndarray, dec: np.ndarray, rim: float | np.ndarray = 0.0) -> np.ndarray:
        """True, for each position [deg]; there is no border that a rim could move."""
        return np.ones(np.broadcast_shapes(np.shape(ra), np.shape(rim)), bool)

    def cells(self, order: int, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """True and true, for each pixel."""
        return np.ones(len(pixels), bool), np.ones(len(pixels), bool)

    def covers(self, order: int, pixel: int) -> bool:
        """True, for each pixel."""
        return True


@dataclass(frozen=True)
class Cone(Part):
    """All directions within radius of a centre, degrees."""

    ra: float
    dec: float
    radius: float
    closed_form: ClassVar[bool] = True

    @property
    def area(self) -> float:
        """deg^2: 2 pi (1 - cos radius) steradian."""
        return tiles.FULL_SKY * np.sin(0.5 * np.deg2rad(self.radius)) ** 2

    @property
    def plain(self) -> dict[str, Any]:
        """As recipes write it."""
        return {"cone": {"ra": self.ra, "dec": self.dec, "radius": self.radius}}

    def pixels(self, order: int) -> np.ndarray:
        """Pixels at an order that overlap the cone, ascending; a few that only touch it may be among them."""
        return tiles.within_cone(self.ra, self.dec, self.radius, order)

    def inside(self, ra: np.ndarray, dec: np.ndarray, rim: float | np.ndarray = 0.0) -> np.ndarray:
        """Whether each position [deg] lies in the cone with a radius larger by a rim [deg], bool."""
        # the chord keeps its digits for small cones, where the cosine loses half of them
        chord = coordinates.cartesian(ra, dec, np.ones(np.shape(ra))) - coordinates.cartesian(
            np.array(self.ra), np.array(self.dec), np.array(1.0)
        )
        squared = np.sum(chord**2, axis=-1)
        exact = squared <= 4.0 * np.sin(0.5 * np.deg2rad(self.radius)) ** 2
        if np.ndim(rim) == 0 and rim == 0.0:
            return exact
        radius = self.radius + np.asarray(rim, np.float64)
        limit = 2.0 * np.sin(0.5 * np.deg2rad(np.clip(radius, 0.0, 180.0))) + CHORD_SLACK * np.sign(rim)
        within = (squared <= limit**2) & (radius >= 0.0) & (limit >= 0.0)
        return np.where(np.equal(rim, 0.0), exact, within)


@dataclass(frozen=True)
class Rectangle(Part):
    """Between two meridians and two parallels [deg]; ra runs eastward from the first to the second, over 0 too."""

    ra: tuple[float, float]
    dec: tuple[float, float]
    closed_form: ClassVar[bool] = True

    @property
    def width(self) -> float:
        """Extent in right ascension [deg], up to 360."""
        return (self.ra[1] - self.ra[0]) % 360.0 or 360.0

    @property
    def area(self) -> float:
        """deg^2."""
        south, north = np.sin(np.deg2rad(self.dec))
        return float(self.width * np.rad2deg(north - south))

    @property
    def plain(self) -> dict[str, Any]:
        """As recipes write it."""
        return {"rectangle": {"ra": list(self.ra), "dec": list(self.dec)}}

    def pixels(self, order: int) -> np.ndarray:
        """Pixels at an order that overlap the rectangle, ascending; a few that only touch it may be among them."""
        ra, dec = self.ra[0] + 0.5 * self.width, 0.5 * (self.dec[0] + self.dec[1])
        corners = coordinates.cartesian(
            *np.meshgrid(self.ra[0] + self.width * np.linspace(0.0, 1.0, 9), self.dec), np.ones((2, 9))
        )
        chord = np.linalg.norm(corners - coordinates.cartesian(np.array(ra), np.array(dec), np.array(1.0)), axis=-1)
        radius = 180.0 if self.width > 180.0 else np.rad2deg(2.0 * np.arcsin(min(1.0, 0.5 * chord.max())))
        found = tiles.within_cone(ra, dec, min(1.1 * radius, 180.0), order)  # a parallel bulges beyond its corners
        return found[self._within(*tiles.centres(found, order), tiles.reach(order))]

    def inside(self, ra: np.ndarray, dec: np.ndarray, rim: float | np.ndarray = 0.0) -> np.ndarray:
        """Whether each position [deg] lies in the rectangle with a rim [deg] added on all sides, bool."""
        return self._within(ra, dec, rim + SLACK * np.sign(rim))

    def _within(self, ra: np.ndarray, dec: np.ndarray, rim: float | np.ndarray) -> np.ndarray:
        dec = np.asarray(dec)
        # a circle around a position reaches asin(sin rim / cos dec) east and west, which is less than this
        at = np.clip(np.abs(dec) + np.abs(rim), 0.0, 90.0)
        wider = np.minimum(np.abs(rim) / np.maximum(np.cos(np.deg2rad(at)), 1e-9), 360.0) * np.sign(rim)
        half = 0.5 * self.width
        middle = self.ra[0] + half
        within = np.abs((np.asarray(ra) - middle + 180.0) % 360.0 - 180.0) <= half + wider
        # a pole in a ring of all right ascensions is no border
        south, north = (end if self.width < 360.0 or abs(end) < 90.0 else 2.0 * end for end in self.dec)
        return (within | (self.width == 360.0)) & (dec >= south - rim) & (dec <= north + rim)
