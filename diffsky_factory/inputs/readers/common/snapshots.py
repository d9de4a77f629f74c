"""Positions in a periodic box, and the time of the snapshot it shows."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from diffsky_factory.core.errors import InputError

BEYOND = 0.01  # of the box, chosen: interpolated halos lie just outside; a length without its h lies 40 % outside

Refuse = Callable[[np.ndarray, str, str], None]
"""Raises InputError for the first bad row: bad (n,), name of the column, what is wrong with it."""


def inside_box(
    positions: Mapping[str, np.ndarray], unit: float, box_size: float, refuse: Refuse
) -> dict[str, np.ndarray]:
    """Positions [Mpc] along each axis, none farther outside of the box than rounding can put it.

    positions : name of the axis -> (n,) in the file's unit of length; unit : that unit [Mpc]; box_size : [Mpc]
    Raises InputError, through refuse, for one that is.
    """
    found = {}
    for name, values in positions.items():
        position = np.asarray(values, np.float64) * unit
        inside = (position >= -BEYOND * box_size) & (position <= (1.0 + BEYOND) * box_size)
        problem = f"outside of the box, which ends at {box_size / unit:g}; are box size and unit those of this file?"
        refuse(~inside, name, problem)
        found[name] = position
    return found


def scale_in_name(path: Path, pattern: str) -> float | None:
    """The scale factor in the name of a file, the first group of a pattern; None where it has none in (0, 1.1]."""
    match = re.fullmatch(pattern, path.name.removesuffix(".gz"))
    scale = float(match[1]) if match else None
    return scale if scale is not None and 0.0 < scale <= 1.1 else None


def redshift_of(scale: float, source: object) -> float:
    """Redshift of a scale factor; a last snapshot that overshoots a little is one of today."""
    if not 0.0 < scale <= 1.1:
        raise InputError(f"{source}: a scale factor of {scale:g}; it must lie between 0 and 1")
    return max(1.0 / scale - 1.0, 0.0)
