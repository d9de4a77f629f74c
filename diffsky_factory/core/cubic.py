"""The cubic between two points that has given slopes at both: a Hermite step."""

from typing import TypeVar

import numpy as np

Number = TypeVar("Number", float, np.ndarray)


def cubic_step(s: Number, start: Number, rise: Number, first: Number, last: Number) -> Number:
    """The cubic at s, 0 <= s <= 1: from `start` it rises by `rise`, with derivatives in s of `first` and `last` there.

    Any shapes that broadcast; beyond 0 and 1 the same cubic goes on.
    """
    return start + s * (first + s * (3.0 * rise - 2.0 * first - last + s * (first + last - 2.0 * rise)))
