"""Random points, even on the sphere, that belong to places on the sky: part of a region has those of the whole.

A HEALPix pixel has a number of points, and each point a place in it, that follow from the seed and the pixel alone.
"""

from collections.abc import Sequence

import numpy as np

from diffsky_factory.core.counters import poisson, uniform
from diffsky_factory.core.errors import InputError
from diffsky_factory.sky import tiles
from diffsky_factory.sky.combined import AllOf
from diffsky_factory.sky.part import Part

MEAN_OF_CELL = 16.0  # chosen: at most, and a fourth of it at least, is the mean number of points of a pixel
PLACES = 256  # chosen: no pixel has so many points; a chance of 1e-180
COARSEST = 3  # order from which on a random number of 52 bits tells all order-29 pixels inside apart
HIGHEST_DENSITY = 1e12  # deg^-2, so that pixel times PLACES fits in 64 bits
RESERVE = 6.0  # chosen: standard deviations by which there are more candidates than points wanted


def random_points(
    where: Part | Sequence[Part], density: float, seed: int, stream: str = "randoms"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of a Poisson process: ra, dec [deg] and the order-29 HEALPix pixel, by which they ascend.

    where : a region, or several of which the intersection is meant
    density : mean number of points [deg^-2], up to 1e12; another density has other points
    seed, stream : from which they follow; points of a part of a region are those of the whole that lie in it
    Each point is the centre of its order-29 pixel: even on the sphere down to 0.4 milliarcsec.
    """
    part = _one(where)
    if not 0.0 < density <= HIGHEST_DENSITY:
        raise InputError(f"density of random points {density} deg^-2: 0 < density <= {HIGHEST_DENSITY:g} is wanted")
    ra, dec, cell, _ = _points(part, density, seed, stream)
    return ra, dec, cell


def exact_random_points(
    where: Part | Sequence[Part], n: int, seed: int, stream: str = "randoms"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Just n random points, even on the sphere: ra, dec [deg] and the order-29 HEALPix pixel, by which they ascend.

    They are those, of the points of a slightly higher density, of the lowest of random numbers that belong to them.
    Raises InputError where the regions have no area in common, or too little for so many.
    """
    part = _one(where)
    if n != int(n) or n < 0:
        raise InputError(f"number of random points {n}: a whole number, 0 or more, is wanted")
    if n == 0:
        return np.empty(0), np.empty(0), np.empty(0, np.int64)
    area, wanted = part.area, (n + RESERVE * (np.sqrt(n) + RESERVE)) * (1.0 + 1e-3)
    if not wanted < area * HIGHEST_DENSITY:
        raise InputError(f"{n} random points in {area} deg^2: the regions have no area for them in common")
    density = wanted / area
    ra, dec, cell, place = _points(part, density, seed, stream)
    while len(ra) < n:  # never seen: six standard deviations too few
        density *= 1.5
        ra, dec, cell, place = _points(part, density, seed, stream)
    priority = uniform(seed, f"{stream}.priority", place)
    chosen = np.sort(np.lexsort([place, priority])[: int(n)])
    return ra[chosen], dec[chosen], cell[chosen]


def _one(where: Part | Sequence[Part]) -> Part:
    if isinstance(where, Part):
        return where
    if len(where) == 0:
        raise InputError("random points: no region is given; one, or a list of some that intersect, is wanted")
    return AllOf(tuple(where))


def _points(
    part: Part, density: float, seed: int, stream: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """ra, dec, order-29 pixel and number of each point, ascending in the pixel."""
    order = max(COARSEST, tiles.order_of_area(MEAN_OF_CELL / density))
    pixels = part.pixels(order)
    mean = np.full(len(pixels), density * tiles.pixel_area(order))
    number = poisson(mean, uniform(seed, f"{stream}.number", pixels))
    first = np.cumsum(number) - number
    place = np.repeat(pixels * PLACES - first, number) + np.arange(number.sum())
    inner = 4 ** (tiles.FINEST - order)
    cell = np.repeat(pixels * inner, number) + (uniform(seed, f"{stream}.place", place) * inner).astype(np.int64)
    ascending = np.argsort(cell, kind="stable")
    cell, place = cell[ascending], place[ascending]
    ra, dec = tiles.centres(cell, tiles.FINEST)
    inside = part.inside(ra, dec)
    return ra[inside], dec[inside], cell[inside], place[inside]
