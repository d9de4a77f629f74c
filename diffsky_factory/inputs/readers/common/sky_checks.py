"""What must hold of positions on a light cone: they lie where the file's own angles and redshifts say."""

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.distance_table import distance_table

DIRECTION = 2e-3  # deg, chosen: float32 angles are good to 2e-5; a mirrored or rotated frame shows at once
DISTANCE = 2e-3  # relative, of the median, chosen: a wrong h shows at 0.3, Om wrong by 0.01 at 3e-3 for z = 1
NEAREST = 2.0  # Mpc, chosen: members of a group share its redshift, and lie around it


def check_directions(position: np.ndarray, ra: np.ndarray, dec: np.ndarray, source: object) -> bool:
    """Whether ra is turned by half a circle against the positions, as in older files of HACC and diffsky.

    position : (n, 3); ra, dec : deg
    Raises InputError where neither ra nor ra + 180 deg is the direction of all positions.
    """
    unit = position / np.linalg.norm(position, axis=-1, keepdims=True)
    level = np.cos(np.deg2rad(dec))
    told = np.stack([level * np.cos(np.deg2rad(ra)), level * np.sin(np.deg2rad(ra)), np.sin(np.deg2rad(dec))], -1)
    turned = told * [-1.0, -1.0, 1.0]
    apart = [np.rad2deg(np.linalg.norm(unit - direction, axis=-1)) for direction in (told, turned)]
    for rotated, off in enumerate(apart):
        if not np.any(off > DIRECTION):
            return bool(rotated)
    row = int(np.argmax(np.minimum(*apart) > DIRECTION)) if np.any(np.minimum(*apart) > DIRECTION) else 0
    raise InputError(
        f"{source}: the angles are not the directions of the positions, first in row {row} of this part, "
        f"{min(off[row] for off in apart):.3g} deg off; are both of this file, with the observer at the origin?"
    )


def check_distances(position: np.ndarray, redshift: np.ndarray, cosmology: Cosmology, source: object) -> None:
    """Raise an InputError where distances [Mpc] and redshifts disagree in a cosmology; position : (n, 3), Mpc."""
    radius = np.linalg.norm(position, axis=-1)
    expected = distance_table(cosmology, float(np.max(redshift)) + 0.1)(np.log1p(redshift))
    off = float(np.median(radius - expected))
    if abs(off) > DISTANCE * float(np.median(expected)) + NEAREST:
        ratio = float(np.median(radius) / np.median(expected))
        raise InputError(
            f"{source}: positions are {ratio:.4g} times as far as their redshifts say with Om0 = {cosmology.Om0:g}, "
            f"h = {cosmology.h:g}, w0 = {cosmology.w0:g}, wa = {cosmology.wa:g}; "
            "are units and cosmology those of this file?"
        )
