"""Sky coordinates, Cartesian positions and observed redshifts: one function for each direction.

Conventions: ra, dec in degrees, ICRS, 0 <= ra < 360; x = r cos(dec) cos(ra), y = r cos(dec) sin(ra), z = r sin(dec);
positions comoving Mpc; velocities peculiar, physical km/s. All in numpy float64.
"""

import numpy as np
from numpy.typing import ArrayLike

from diffsky_factory.sky.cosmology import SPEED_OF_LIGHT


def cartesian(ra: ArrayLike, dec: ArrayLike, radius: ArrayLike) -> np.ndarray:
    """Positions (n, 3) in units of radius, from ra, dec [deg]."""
    ra, dec = np.deg2rad(np.asarray(ra, np.float64)), np.deg2rad(np.asarray(dec, np.float64))
    unit = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)
    return unit * np.asarray(radius, np.float64)[..., None]


def sky(position: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ra, dec [deg] and radius of positions (n, 3); raises ValueError for a position at the observer."""
    # contiguous, as numpy 2.0 gives another last digit for some of the numbers of an array with strides
    x, y, z = (np.ascontiguousarray(axis) for axis in np.moveaxis(np.asarray(position, np.float64), -1, 0))
    radius = np.sqrt(x**2 + y**2 + z**2)
    if np.any(radius == 0.0):
        raise ValueError("a position at the observer has no direction on the sky: drop rows with x = y = z = 0")
    ra = np.rad2deg(np.arctan2(y, x)) % 360.0
    # atan2 keeps its digits near the poles, where asin loses half of them
    dec = np.rad2deg(np.arctan2(z, np.hypot(x, y)))
    return np.where(ra >= 360.0, 0.0, ra), dec, radius


def line_of_sight_velocity(position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Velocity away from the observer [km/s]: the component of velocity (n, 3) along position (n, 3)."""
    radius = np.linalg.norm(position, axis=-1)
    return np.sum(np.asarray(position, np.float64) * velocity, axis=-1) / radius


def observed_redshift(redshift: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """1 + z_obs = (1 + z) (1 + v/c), with v the line-of-sight velocity [km/s]."""
    return (1.0 + np.asarray(redshift, np.float64)) * (1.0 + velocity / SPEED_OF_LIGHT) - 1.0
