"""Conditions on named columns, such as `mag_true[lsst_i] < 24 & is_central`: checked, and asked of rows and blocks.

    condition  : statements joined by  &  |  ~  or  and  or  not
    statement  : a column of true and false; numbers compared, also in chains: 0.3 <= redshift < 0.5
                 column in (1, 2), with numbers or names of the column's flags; isfinite(number)
    number     : 24, 1e10; column; column[label], with labels of all its axes: flux_by_burst[with, lsst_i];
                 + - * / ** and brackets; abs, log10, sqrt, exp10, min, max

Names are those of columns, also under a scope: lsst_y10/mag_obs[lsst_i]. Nothing of the text is ever run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.expression_reading import Axes, read
from diffsky_factory.core.expression_terms import Label, Read, Term, bounds, values, variables


@dataclass(frozen=True)
class Condition:
    """A statement about each row, made of its columns.

    text    : as it was written
    columns : what it reads: names of columns, with one label for each axis besides the rows
    """

    text: str
    columns: tuple[Read, ...]
    term: Term

    def evaluate(self, get: Callable[[str, tuple[Label, ...]], Any]) -> np.ndarray:
        """Whether the condition holds, (n,) bool; `get(name, labels)` gives a column as an array (n,).

        Numbers are 64-bit floats, and integers integers. A comparison with NaN fails, whichever it is, so that its
        opposite `~(x < 1)` holds.
        """
        with np.errstate(all="ignore"):
            return np.asarray(values(self.term, cache(get)), bool)

    def possible(
        self, ranges: Callable[[str, tuple[Label, ...]], Any], *, nan: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Whether the condition may hold, and may fail, for a row of each block: two bool arrays.

        ranges : `ranges(name, labels)` gives the least and the greatest value of a column in all blocks, as arrays, or
                None where they are unknown. Bounds that are NaN say nothing of their block.
        nan    : whether columns of floats may hold NaN besides the values within their bounds; tiles never do
        Both are true where nothing can be said. Arrays are of shape () where the bounds of no column are known.
        """
        with np.errstate(all="ignore"):
            may_hold, may_fail = np.broadcast_arrays(*bounds(self.term, cache(ranges), nan))
        return may_hold.astype(bool), may_fail.astype(bool)


def condition(text: str, axes: Mapping[str, Axes], dtypes: Mapping[str, str] | None = None) -> Condition:
    """The condition that a text states.

    axes   : by the name of each column its axes besides the rows, each with its labels: (("band", ("lsst_i",)),)
    dtypes : types of columns that the schema does not have, or that are held in another; else they are floats
    Raises InputError that shows the place in the text and says what to do.
    """
    term = read(text, axes, dtypes or {})
    names = tuple(variables(term))
    if not names:
        raise InputError(f"condition {text!r}: it reads no column; there are {', '.join(sorted(axes)[:8])}")
    return Condition(text, names, term)
