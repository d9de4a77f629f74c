"""Circles on the sky around boxes of right ascension and declination, such as those of blocks of rows."""

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky import coordinates
from diffsky_factory.sky.part import SLACK


def bounding_circles(
    ra_min: np.ndarray, ra_max: np.ndarray, dec_min: np.ndarray, dec_max: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre and radius, ra, dec, radius [deg], of a circle that contains each box [deg]; arrays of any one shape.

    A box runs eastward from ra_min to ra_max, over 0 where ra_max is the lesser; equal ones are a line or a point. The
    centre is the middle of both ranges and the radius that of the farthest corner, to 1e-12 deg. A box of more than
    180 deg of right ascension gets the whole sphere: radius 180. Raises InputError for what is no box.
    """
    ra_min, ra_max, dec_min, dec_max = np.broadcast_arrays(
        *(np.asarray(one, np.float64) for one in (ra_min, ra_max, dec_min, dec_max))
    )
    good = (np.abs(ra_min) <= 360.0) & (np.abs(ra_max) <= 360.0)
    good &= (dec_min >= -90.0) & (dec_min <= dec_max) & (dec_max <= 90.0)
    if not good.all():
        at = np.unravel_index(np.argmin(good), good.shape)
        box = [float(one[at]) for one in (ra_min, ra_max, dec_min, dec_max)]
        raise InputError(f"ra {box[:2]}, dec {box[2:]} deg is no box: |ra| <= 360 and -90 <= dec_min <= dec_max <= 90")
    width = np.where(ra_max < ra_min, (ra_max - ra_min) % 360.0, ra_max - ra_min)
    ra, dec = ra_min + 0.5 * width, 0.5 * (dec_min + dec_max)
    centre = coordinates.cartesian(ra, dec, np.ones(ra.shape))
    # farther in ra is farther away, and along a meridian within 90 deg the distance is largest at one of its ends
    corners = [coordinates.cartesian(ra_max, end, np.ones(ra.shape)) for end in (dec_min, dec_max)]
    chord = np.max([np.linalg.norm(corner - centre, axis=-1) for corner in corners], axis=0)
    radius = np.rad2deg(2.0 * np.arcsin(np.minimum(0.5 * chord + 1e-15, 1.0))) + SLACK
    return ra % 360.0, dec, np.where(width > 180.0, 180.0, np.minimum(radius, 180.0))
