"""HEALPix tiles, NESTED everywhere: the unit of work, of restart and of partial reading.

healpy waits inside functions: importing it imports matplotlib.
"""

from functools import cache

import numpy as np

FINEST = 29  # order of the finest HEALPix pixels an int64 can number: 0.4 milliarcsec
FULL_SKY = 360.0**2 / np.pi  # deg^2


def pixel_area(order: int) -> float:
    """Area of one pixel [deg^2]."""
    return FULL_SKY / (12 * 4**order)


def finest_pixel(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Order-29 pixel of each position in degrees, int64: sorting by it keeps neighbours on the sky together."""
    import healpy

    return healpy.ang2pix(2**FINEST, ra, dec, nest=True, lonlat=True)


def pixel(ra: np.ndarray, dec: np.ndarray, order: int) -> np.ndarray:
    """Pixel of each position at an order, int64."""
    return coarser(finest_pixel(ra, dec), FINEST, order)


def coarser(pixels: np.ndarray, order: int, to: int) -> np.ndarray:
    """The pixel at order `to` that holds each pixel of a finer order."""
    if to > order:
        raise ValueError(f"order {to} is finer than {order}")
    return np.asarray(pixels, np.int64) >> (2 * (order - to))


def finer(pixel: int, order: int, to: int) -> np.ndarray:
    """All pixels at order `to` inside one pixel of a coarser order, ascending."""
    if to < order:
        raise ValueError(f"order {to} is coarser than {order}")
    factor = 4 ** (to - order)
    return np.arange(pixel * factor, (pixel + 1) * factor, dtype=np.int64)


def centres(pixels: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """ra, dec [deg] of pixel centres."""
    import healpy

    return healpy.pix2ang(2**order, np.asarray(pixels, np.int64), nest=True, lonlat=True)


def children(pixels: np.ndarray, steps: int = 1) -> np.ndarray:
    """The pixels, `steps` orders finer, inside each of some pixels, in the order of these."""
    inner = np.arange(4**steps, dtype=np.int64)
    return ((np.asarray(pixels, np.int64) << 2 * steps)[:, None] + inner).ravel()


@cache
def reach(order: int) -> float:
    """Angle [deg] from the centre of any pixel of an order within which all of the pixel lies."""
    import healpy

    return float(np.rad2deg(healpy.max_pixrad(2**order)))


def within_cone(ra: float, dec: float, radius: float, order: int) -> np.ndarray:
    """Pixels that overlap a cone [deg], ascending; inclusive, so a few that only touch it may be among them."""
    import healpy

    vector = healpy.ang2vec(ra, dec, lonlat=True)
    return np.sort(healpy.query_disc(2**order, vector, np.deg2rad(radius), inclusive=True, nest=True))


def order_of_area(area: float) -> int:
    """The coarsest order whose pixels are no larger than an area [deg^2]."""
    return int(np.clip(np.ceil(0.5 * np.log2(FULL_SKY / (12.0 * area))), 0, FINEST))
