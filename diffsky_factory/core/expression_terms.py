"""The terms of an expression: their values for rows, and their bounds for blocks of rows.

A term is true or false, an integer, or a number. Numbers are 64-bit floats whatever their columns are stored in;
integers stay integers as long as they are compared with integers, so that 64-bit ids are compared exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, NamedTuple

import numpy as np

from diffsky_factory.core import intervals
from diffsky_factory.core.intervals import Interval, Truth

Kind = Literal["truth", "integer", "number"]
Label = str | float
Read = tuple[str, tuple[Label, ...]]


@dataclass(frozen=True)
class Constant:
    """A number that is written in the expression."""

    value: int | float

    @property
    def kind(self) -> Kind:
        """An integer, where it is written as one."""
        return "integer" if isinstance(self.value, int) else "number"


@dataclass(frozen=True)
class Variable:
    """A column, at one label of each of its axes."""

    name: str
    labels: tuple[Label, ...]
    kind: Kind


@dataclass(frozen=True)
class Operation:
    """What an operator or function makes of other terms."""

    symbol: str
    parts: tuple["Term", ...]

    @property
    def kind(self) -> Kind:
        """True or false for a statement, else a number."""
        return "truth" if self.symbol in STATEMENTS else "number"


Term = Constant | Variable | Operation


class Meaning(NamedTuple):
    """What a symbol does with values, and with intervals."""

    values: Callable
    bounds: Callable


ARITHMETIC = {
    "+": Meaning(np.add, intervals.add),
    "-": Meaning(np.subtract, intervals.subtract),
    "*": Meaning(np.multiply, intervals.multiply),
    "/": Meaning(np.divide, intervals.divide),
    "**": Meaning(np.power, intervals.power),
    "negative": Meaning(np.negative, intervals.negative),
}
FUNCTIONS = {
    "abs": Meaning(np.abs, intervals.absolute),
    "log10": Meaning(np.log10, intervals.log10),
    "sqrt": Meaning(np.sqrt, intervals.root),
    "exp10": Meaning(lambda x: np.power(10.0, x), intervals.exp10),
    "isfinite": Meaning(np.isfinite, intervals.finite),
    "min": Meaning(np.minimum, intervals.least),
    "max": Meaning(np.maximum, intervals.greatest),
}
COMPARISONS = {
    "<": Meaning(np.less, intervals.less),
    "<=": Meaning(np.less_equal, intervals.less_or_equal),
    ">": Meaning(np.greater, lambda x, y: intervals.less(y, x)),
    ">=": Meaning(np.greater_equal, lambda x, y: intervals.less_or_equal(y, x)),
    "==": Meaning(np.equal, intervals.equal),
    "!=": Meaning(lambda x, y: np.less(x, y) | np.greater(x, y), intervals.unequal),  # fails for NaN, as the others do
}
LOGIC = {
    "and": Meaning(lambda *parts: reduce(np.logical_and, parts), intervals.every),
    "or": Meaning(lambda *parts: reduce(np.logical_or, parts), intervals.some),
    "not": Meaning(np.logical_not, intervals.opposite),
}
MEANINGS = {**ARITHMETIC, **FUNCTIONS, **COMPARISONS, **LOGIC}
STATEMENTS = frozenset({*COMPARISONS, *LOGIC, "isfinite"})


def variables(term: Term) -> list[Read]:
    """The columns and labels that a term reads, in the order of their first appearance."""
    if isinstance(term, Variable):
        return [(term.name, term.labels)]
    parts = term.parts if isinstance(term, Operation) else ()
    return list(dict.fromkeys(read for part in parts for read in variables(part)))


def values(term: Term, get: Callable[[str, tuple[Label, ...]], Any]) -> Any:
    """The value of a term for all rows."""
    if isinstance(term, Constant):
        return term.value
    if isinstance(term, Variable):
        return _as_kind(get(term.name, term.labels), term.kind)
    parts = [values(part, get) for part in term.parts]
    if not _exact(term):
        parts = [np.asarray(part, float) for part in parts]
    return MEANINGS[term.symbol].values(*parts)


def bounds(term: Term, get: Callable[[str, tuple[Label, ...]], Any], nan: bool) -> Interval | Truth:
    """The bounds of a term in all blocks; with `nan`, columns of floats may hold NaN besides what is within bounds."""
    if isinstance(term, Constant):
        return Interval(term.value, term.value)
    if isinstance(term, Variable):
        return _bounds_of_column(get(term.name, term.labels), term.kind, nan)
    parts = [bounds(part, get, nan) for part in term.parts]
    if not _exact(term):
        parts = [intervals.real(part) if isinstance(part, Interval) else part for part in parts]
    return MEANINGS[term.symbol].bounds(*parts)


def _exact(term: Operation) -> bool:
    """Whether an operation takes its parts as they are: statements, and integers compared with integers."""
    return term.symbol in LOGIC or (term.symbol in COMPARISONS and all(part.kind == "integer" for part in term.parts))


def _as_kind(column: Any, kind: Kind) -> np.ndarray:
    column = np.asarray(column)
    if kind == "truth":
        return column.astype(bool)
    return column if kind == "integer" and column.dtype.kind in "iu" else column.astype(float)


def _bounds_of_column(low_and_high: Any, kind: Kind, nan: bool) -> Interval | Truth:
    if low_and_high is None:
        return Truth(True, True) if kind == "truth" else intervals.everything(nan=kind == "number")
    low, high = map(np.asarray, low_and_high)
    unknown = (low != low) | (high != high)  # NaN: as bounds are where a block holds one
    if kind == "truth":
        return Truth(unknown | (high != 0), unknown | (low == 0))
    if kind == "integer":
        return Interval(_whole(low, -1), _whole(high, 1))
    low, high = np.where(unknown, -np.inf, low.astype(float)), np.where(unknown, np.inf, high.astype(float))
    return Interval(low, high, unknown | nan)


def _whole(bound: np.ndarray, side: int) -> np.ndarray:
    """A bound as an integer; one of floats that may have been rounded to them is moved outwards."""
    if bound.dtype.kind != "f":
        return bound.astype(np.int64) if bound.dtype.kind == "b" else bound
    outside = bound.dtype.type(side * np.inf)
    bound = np.where(np.isnan(bound), outside, bound)
    exact = np.abs(bound) < 2.0 ** np.finfo(bound.dtype).nmant
    bound = np.where(exact, bound, np.nextafter(bound, outside)).astype(float)
    bound = np.floor(bound) if side < 0 else np.ceil(bound)
    least, greatest = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    inside = np.where(np.abs(bound) < 2.0**63, bound, 0.0).astype(np.int64)
    return np.where(bound >= 2.0**63, greatest, np.where(bound <= -(2.0**63), least, inside))
