"""The part of the sky that a sample of positions covers: estimated where nobody says it, and how sure its border is."""

from collections.abc import Iterable

import numpy as np

from diffsky_factory.sky.part import Part

POINTS_PER_PIXEL = 4  # in the mean of pixels that hold any, chosen: fewer, and clustering opens holes that do not close
MOST_PIXELS = 200_000  # chosen: of an estimate; those of the whole sky at order 7
EDGE = 1.0  # Mpc comoving, chosen: so far beyond the border of a footprint may the centre of a halo be defined
EDGES = 1e-3, 1.0  # deg, chosen: least and largest angle of it


def fine_enough(points: int, pixels: int) -> bool:
    """Whether so many points in so many occupied pixels fill them, so that finer ones may be tried."""
    return pixels <= MOST_PIXELS and points >= POINTS_PER_PIXEL * pixels


def closed(pixels: np.ndarray, order: int) -> np.ndarray:
    """Occupied pixels, ascending, and those between them: whose neighbours are all occupied, or next to one that is."""
    occupied = np.unique(pixels)
    near = np.union1d(occupied, _neighbours(occupied, order))
    return np.union1d(occupied, near[~_at_border(near, order)])


def error_of_area(pixels: np.ndarray, order: int) -> float:
    """Relative error of the area of an estimate, about: pixels at its border are covered by half, give or take half.

    Of 5,000 points in a square of 4 deg^2 the area comes out 4 % too large with an error of 8 %; of 500, 19 and 24 %.
    """
    return float(0.5 * _at_border(pixels, order).mean())


def _neighbours(pixels: np.ndarray, order: int) -> np.ndarray:
    """Those of each pixel, (8, n); at corners where there are only seven, the pixel itself."""
    import healpy

    found = healpy.get_all_neighbours(2**order, pixels, nest=True)
    return np.where(found < 0, pixels, found)


def _at_border(pixels: np.ndarray, order: int) -> np.ndarray:
    return np.any(~np.isin(_neighbours(pixels, order), pixels), axis=0)


def covered(ra: np.ndarray, dec: np.ndarray, distance: np.ndarray, footprint: Iterable[Part]) -> np.ndarray:
    """Whether halos at ra, dec [deg] and a distance [Mpc] lie in any part of a footprint, or as near as is unsure."""
    rim = np.clip(np.rad2deg(EDGE / np.maximum(distance, EDGE)), *EDGES)
    found = np.zeros(len(ra), bool)
    for part in footprint:
        found[~found] = part.inside(ra[~found], dec[~found], rim[~found])
    return found
