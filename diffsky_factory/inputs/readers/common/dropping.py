"""Rows that a reader leaves out, counted by reason."""

from collections.abc import Mapping

import numpy as np

from diffsky_factory.inputs.readers.reader import Rows


def kept(columns: Mapping[str, np.ndarray], reasons: Mapping[str, np.ndarray]) -> Rows:
    """The rows that no reason speaks against.

    columns : name -> (n, ...) array
    reasons : why -> (n,) bool, true where a row is to be left out; it counts for the first that holds
    """
    n = len(next(iter(columns.values())))
    keep, dropped = np.ones(n, bool), {}
    for why, bad in reasons.items():
        if number := int(np.count_nonzero(bad & keep)):
            dropped[why] = number
        keep &= ~bad
    if keep.all():
        return Rows({name: np.ascontiguousarray(values) for name, values in columns.items()}, dropped)
    return Rows({name: values[keep] for name, values in columns.items()}, dropped)


def log10(values: np.ndarray) -> np.ndarray:
    """Decimal logarithm in float64; NaN for rows that will be left out, as they are not positive."""
    values = np.asarray(values, np.float64)
    return np.log10(np.where(values > 0.0, values, np.nan))
