"""Numbers of great range in sixteen bits: the logarithm of each relative to the largest of its row."""

from typing import NamedTuple

import numpy as np

DECADES = 32.0  # chosen: stellar Lyman continua reach 1e-30 of the brightest wavelength
LEVELS = 65535  # the largest uint16
STEP = DECADES / (LEVELS - 1)  # dex between neighbouring levels


class Coded(NamedTuple):
    """Rows of non-negative numbers: value = peak * 10^(-STEP (LEVELS - level)), and level 0 is exactly zero.

    Kept are the differences of level from each row to the next, modulo 2^16: small, so that they compress.
    """

    difference: np.ndarray  # (..., n_row, n), uint16
    peak: np.ndarray  # (..., n_row), float64, in the unit of the values


def encode(values: np.ndarray) -> Coded:
    """Code finite, non-negative numbers (..., n_row, n), row by row.

    Error: below 5.7e-4 of each number. Zero stays zero; what is below 1e-32 of its row's largest becomes it.
    """
    peak = values.max(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = -np.log10(values / peak[..., None]) / STEP
    kept = depth <= LEVELS - 1
    level = np.where(kept, LEVELS - np.round(np.where(kept, depth, 0.0)), 0.0).astype(np.uint16)
    return Coded(np.diff(level, axis=-2, prepend=np.uint16(0)), peak.astype(np.float64))


def decode(coded: Coded) -> np.ndarray:
    """Numbers (..., n_row, n), float64, from their code."""
    relative = 10.0 ** (STEP * (np.arange(LEVELS + 1) - LEVELS))
    relative[0] = 0.0
    level = np.cumsum(coded.difference, axis=-2, dtype=np.uint16)
    return coded.peak[..., None] * relative[level]
