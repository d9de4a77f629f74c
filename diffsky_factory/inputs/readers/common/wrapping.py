"""Positions of a periodic box, brought into it."""

import numpy as np


def into_box(position: np.ndarray, box_size: float) -> np.ndarray:
    """Positions modulo the box, in [0, box_size), float64; any shape, in the unit of box_size."""
    inside = np.mod(np.asarray(position, np.float64), box_size)
    return np.where(inside >= box_size, 0.0, inside)  # the remainder of a tiny negative rounds to the box itself
