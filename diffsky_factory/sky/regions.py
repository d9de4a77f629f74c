"""Parts of the sky: HEALPix pixels, a cone, a rectangle, all of it. Each knows its tiles, area and what is inside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky import coordinates, tiles

FORMS = (
    '{"full_sky": true}, {"pixels": [...], "order": k}, {"cone": {"ra": .., "dec": .., "radius": ..}} '
    'or {"rectangle": {"ra": [.., ..], "dec": [.., ..]}}'
)

SHARE_STEPS = 6  # chosen: 4096 points in a pixel, of which those near a border err by half their size


@dataclass(frozen=True)
class FullSky:
    """The whole sphere."""

    area = tiles.FULL_SKY

    def pixels(self, order: int) -> np.ndarray:
        """Pixels at an order that overlap the region, ascending."""
        return np.arange(12 * 4**order, dtype=np.int64)

    def covers(self, order: int, pixel: int) -> bool:
        """Whether a pixel lies wholly inside."""
        return True

    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Whether each position [deg] lies inside, bool."""
        return np.ones(np.shape(ra), bool)


@dataclass(frozen=True)
class Pixels:
    """A set of HEALPix pixels of one order, NESTED."""

    order: int
    numbers: tuple[int, ...]

    @cached_property
    def _sorted(self) -> np.ndarray:
        return np.unique(np.asarray(self.numbers, np.int64))

    @property
    def area(self) -> float:
        """deg^2."""
        return len(self._sorted) * tiles.pixel_area(self.order)

    def pixels(self, order: int) -> np.ndarray:
        """Pixels at an order that overlap the region, ascending."""
        if order <= self.order:
            return np.unique(tiles.coarser(self._sorted, self.order, order))
        children = np.arange(4 ** (order - self.order), dtype=np.int64)
        return (self._sorted[:, None] * len(children) + children).ravel()

    def covers(self, order: int, pixel: int) -> bool:
        """Whether a pixel lies wholly inside."""
        if order >= self.order:
            return bool(self._has(tiles.coarser(np.array([pixel]), order, self.order))[0])
        factor = 4 ** (self.order - order)
        first, last = np.searchsorted(self._sorted, [pixel * factor, (pixel + 1) * factor])
        return bool(last - first == factor)

    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Whether each position [deg] lies inside, bool."""
        return self._has(tiles.pixel(ra, dec, self.order))

    def _has(self, pixels: np.ndarray) -> np.ndarray:
        at = np.minimum(np.searchsorted(self._sorted, pixels), len(self._sorted) - 1)
        return self._sorted[at] == pixels


@dataclass(frozen=True)
class Cone:
    """All directions within radius of a centre, degrees."""

    ra: float
    dec: float
    radius: float

    @property
    def area(self) -> float:
        """deg^2: 2 pi (1 - cos radius) steradian."""
        return tiles.FULL_SKY * np.sin(0.5 * np.deg2rad(self.radius)) ** 2

    def pixels(self, order: int) -> np.ndarray:
        """Pixels at an order that overlap the region, ascending; a few that only touch it may be among them."""
        return tiles.within_cone(self.ra, self.dec, self.radius, order)

    def covers(self, order: int, pixel: int) -> bool:
        """Whether a pixel lies wholly inside; false also for a few at the rim that do."""
        import healpy

        rim = self.radius - np.rad2deg(healpy.max_pixrad(2**order))
        return rim > 0.0 and bool(self._within(*tiles.centres(np.array([pixel]), order), rim)[0])

    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Whether each position [deg] lies inside, bool."""
        return self._within(ra, dec, self.radius)

    def _within(self, ra, dec, radius) -> np.ndarray:
        # the chord keeps its digits for small cones, where the cosine loses half of them
        chord = coordinates.cartesian(ra, dec, np.ones(np.shape(ra))) - coordinates.cartesian(
            np.array(self.ra), np.array(self.dec), np.array(1.0)
        )
        return np.sum(chord**2, axis=-1) <= 4.0 * np.sin(0.5 * np.deg2rad(radius)) ** 2


@dataclass(frozen=True)
class Rectangle:
    """Between two meridians and two parallels [deg]; ra runs eastward from the first to the second, over 0 too."""

    ra: tuple[float, float]
    dec: tuple[float, float]

    @property
    def width(self) -> float:
        """Of right ascension [deg], up to 360."""
        return (self.ra[1] - self.ra[0]) % 360.0 or 360.0

    @property
    def area(self) -> float:
        """deg^2."""
        south, north = np.sin(np.deg2rad(self.dec))
        return float(self.width * np.rad2deg(north - south))

    def pixels(self, order: int) -> np.ndarray:
        """Pixels at an order that overlap the region, ascending; a few that only touch it may be among them."""
        import healpy

        ra, dec = self.ra[0] + 0.5 * self.width, 0.5 * (self.dec[0] + self.dec[1])
        corners = coordinates.cartesian(
            *np.meshgrid(self.ra[0] + self.width * np.linspace(0.0, 1.0, 9), self.dec), np.ones((2, 9))
        )
        chord = np.linalg.norm(corners - coordinates.cartesian(np.array(ra), np.array(dec), np.array(1.0)), axis=-1)
        radius = 180.0 if self.width > 180.0 else np.rad2deg(2.0 * np.arcsin(min(1.0, 0.5 * chord.max())))
        found = tiles.within_cone(ra, dec, min(1.1 * radius, 180.0), order)  # a parallel bulges beyond its corners
        return found[self._inside(*tiles.centres(found, order), np.rad2deg(healpy.max_pixrad(2**order)))]

    def covers(self, order: int, pixel: int) -> bool:
        """Whether a pixel lies wholly inside; false also for a few at the rim that do."""
        import healpy

        rim = np.rad2deg(healpy.max_pixrad(2**order))
        return bool(self._inside(*tiles.centres(np.array([pixel]), order), -rim)[0])

    def inside(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Whether each position [deg] lies inside, bool."""
        return self._inside(ra, dec, 0.0)

    def _inside(self, ra: np.ndarray, dec: np.ndarray, rim: float) -> np.ndarray:
        """As `inside`, of the rectangle made wider by a rim [deg] on all sides."""
        at = np.clip(np.abs(dec) + max(rim, 0.0), 0.0, 90.0)
        wider = np.minimum(np.abs(rim) / np.maximum(np.cos(np.deg2rad(at)), 1e-9), 360.0) * np.sign(rim)
        half = 0.5 * self.width
        middle = self.ra[0] + half
        within = np.abs((np.asarray(ra) - middle + 180.0) % 360.0 - 180.0) <= half + wider
        return (within | (self.width == 360.0)) & (dec >= self.dec[0] - rim) & (dec <= self.dec[1] + rim)


Region = FullSky | Pixels | Cone | Rectangle


def region(given: Mapping | Region) -> Region:
    """A region from its plain form, as recipes write it; a region is returned as it is.

    Raises InputError, naming what is wrong and the three forms, for anything else.
    """
    if isinstance(given, Region):
        return given
    if not isinstance(given, Mapping):
        raise InputError(f"a region is a mapping, not {given!r}: one of {FORMS}")
    keys = set(given)
    if keys == {"full_sky"} and given["full_sky"] is True:
        return FullSky()
    if keys == {"pixels", "order"}:
        return _pixels(given["order"], given["pixels"])
    if keys == {"cone"} and isinstance(given["cone"], Mapping) and set(given["cone"]) == {"ra", "dec", "radius"}:
        return _cone(**{name: float(value) for name, value in given["cone"].items()})
    if keys == {"rectangle"} and isinstance(given["rectangle"], Mapping) and set(given["rectangle"]) == {"ra", "dec"}:
        return _rectangle(**{name: tuple(float(x) for x in pair) for name, pair in given["rectangle"].items()})
    raise InputError(f"no region is written as {dict(given)}: one of {FORMS}")


def share_inside(order: int, pixel: int, regions: Sequence[Region]) -> float:
    """Share of the area of a pixel that lies inside all of some regions.

    Error: none where each covers the pixel, or is of pixels up to SHARE_STEPS orders finer; else 1e-3 of the pixel,
    from counting the centres of smaller pixels.
    """
    if all(one.covers(order, pixel) for one in regions):
        return 1.0
    fine = min(order + SHARE_STEPS, tiles.FINEST)
    ra, dec = tiles.centres(tiles.finer(pixel, order, fine), fine)
    return float(np.mean(np.logical_and.reduce([one.inside(ra, dec) for one in regions])))


def _pixels(order: int, numbers) -> Pixels:
    if not 0 <= order <= tiles.FINEST:
        raise InputError(f"HEALPix order {order}: must lie between 0 and {tiles.FINEST}")
    outside = [n for n in numbers if not 0 <= n < 12 * 4**order]
    if outside or len(numbers) == 0:
        problem = f"pixel {outside[0]} is not" if outside else "no pixel is given; they are"
        raise InputError(f"region: {problem} one of 0 to {12 * 4**order - 1} of order {order}")
    return Pixels(int(order), tuple(int(n) for n in numbers))


def _cone(ra: float, dec: float, radius: float) -> Cone:
    if not (np.isfinite(ra) and -90.0 <= dec <= 90.0 and 0.0 < radius <= 180.0):
        raise InputError(f"cone at ra={ra}, dec={dec}, radius={radius} deg: |dec| <= 90 and 0 < radius <= 180")
    return Cone(ra, dec, radius)


def _rectangle(ra: tuple[float, ...], dec: tuple[float, ...]) -> Rectangle:
    if not (len(ra) == len(dec) == 2 and np.isfinite(ra).all() and -90.0 <= dec[0] < dec[1] <= 90.0):
        raise InputError(f"rectangle ra={ra}, dec={dec}: two values [deg] each are wanted, dec ascending within 90")
    return Rectangle(ra, dec)


def shared_area(part: Region, where: Region) -> float:
    """Area [deg^2] that two regions share.

    Error: 1e-3 of the area of `part`, from counting the centres of small pixels.
    """
    order = min(tiles.order_of_area(part.area) + SHARE_STEPS, tiles.FINEST)
    at = tiles.centres(part.pixels(order), order)
    within = part.inside(*at)
    return float(part.area * np.count_nonzero(within & where.inside(*at)) / max(np.count_nonzero(within), 1))
