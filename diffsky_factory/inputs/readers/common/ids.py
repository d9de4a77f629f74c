"""Ids of halos, and numbers of rows, as 64-bit integers with a sign."""

from pathlib import Path

import numpy as np

from diffsky_factory.core.errors import InputError


def integers(values: np.ndarray, name: str, path: str | Path) -> np.ndarray:
    """Ids or row numbers as int64 of this machine.

    Raises InputError where they are stored as floats, which lose digits of ids, or beyond 63 bits, where they would
    turn negative.
    """
    if values.dtype.kind not in "iu":
        raise InputError(f"{path}: column {name} is {values.dtype}: ids and links are integers; get the original file")
    if values.dtype.kind == "u" and values.size and values.max() > np.iinfo(np.int64).max:
        raise InputError(
            f"{path}: column {name} has {values.max()}, which does not fit into 63 bits; number the halos anew"
        )
    return values.astype(np.int64)
