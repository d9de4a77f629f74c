"""Interval arithmetic: what can be said of a result when only bounds of its numbers are known.

All is done in 64 bits with the operations of numpy, whose rounding keeps the order of numbers; powers and logarithms,
which numpy does not round correctly, are widened. Nothing is said too narrowly; some is said too widely, as two
readings of one column count as independent.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

Bounds = np.ndarray | float
"""A number for each block, or one for all."""

Flags = np.ndarray | bool
"""A truth for each block, or one for all."""

WIDER = 1e-12  # relative, chosen: hundreds of times the error of a power or logarithm of numpy


class Interval(NamedTuple):
    """The least and the greatest value of a number in each block, and whether it may be no number (NaN)."""

    low: Bounds
    high: Bounds
    nan: Flags = False


class Truth(NamedTuple):
    """Whether a statement may hold, and may fail, for a row of each block."""

    may_hold: Flags
    may_fail: Flags


def everything(nan: Flags = True) -> Interval:
    """The interval of a number of which nothing is known."""
    return Interval(-np.inf, np.inf, nan)


def real(x: Interval) -> Interval:
    """An interval of integers as one of floats."""
    return Interval(np.asarray(x.low, float), np.asarray(x.high, float), x.nan)


def negative(x: Interval) -> Interval:
    """-x"""
    return Interval(-x.high, -x.low, x.nan)


def add(x: Interval, y: Interval) -> Interval:
    """x + y"""
    low, high = x.low + y.low, x.high + y.high
    opposite = (_reaches(x, np.inf) & _reaches(y, -np.inf)) | (_reaches(x, -np.inf) & _reaches(y, np.inf))
    low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
    return Interval(low, high, x.nan | y.nan | opposite)


def subtract(x: Interval, y: Interval) -> Interval:
    """x - y"""
    return add(x, negative(y))


def multiply(x: Interval, y: Interval) -> Interval:
    """x y"""
    undefined = (_holds_zero(x) & _reaches_infinity(y)) | (_reaches_infinity(x) & _holds_zero(y))
    return _hull(np.multiply, x, y, x.nan | y.nan | undefined)


def divide(x: Interval, y: Interval) -> Interval:
    """x / y"""
    through_zero = _holds_zero(y)
    undefined = through_zero | (_reaches_infinity(x) & _reaches_infinity(y))
    quotient = _hull(np.divide, x, y, x.nan | y.nan | undefined)
    return _where(through_zero, everything(), quotient)


def power(x: Interval, y: Interval) -> Interval:
    """x^y: of numbers that are not negative, and of all numbers to one whole power."""
    of_positive = _widened(_hull(np.power, x, y, x.nan | y.nan))
    whole = (y.low == y.high) & (np.floor(y.low) == y.low) & np.isfinite(y.low)
    even = np.mod(np.where(whole, y.low, 0.0), 2.0) == 0.0
    size = absolute(x)
    to_even = _widened(_hull(np.power, size, y, x.nan | y.nan))
    # an odd power keeps the order of numbers, unless it is negative and they change sign
    ordered = (y.low > 0.0) | (np.asarray(x.high) < 0.0)
    below = _where(whole & even, to_even, _where(whole & ordered, of_positive, everything()))
    positive = (np.asarray(x.low) > 0.0) | ((x.low >= 0.0) & (y.low >= 0.0))  # a negative power of -0.0 is -inf
    return _where(positive, of_positive, below)


def absolute(x: Interval) -> Interval:
    """|x|"""
    low = np.maximum(np.maximum(x.low, -np.asarray(x.high)), 0.0)
    return Interval(low, np.maximum(-np.asarray(x.low), x.high), x.nan)


def root(x: Interval) -> Interval:
    """The square root of x."""
    return Interval(np.sqrt(np.maximum(x.low, 0.0)), np.sqrt(np.maximum(x.high, 0.0)), x.nan | (np.asarray(x.low) < 0))


def log10(x: Interval) -> Interval:
    """The decimal logarithm of x."""
    low, high = np.log10(np.maximum(x.low, 0.0)), np.log10(np.maximum(x.high, 0.0))
    return _widened(Interval(low, high, x.nan | (np.asarray(x.low) < 0)))


def exp10(x: Interval) -> Interval:
    """10^x"""
    return _widened(Interval(np.power(10.0, x.low), np.power(10.0, x.high), x.nan))


def least(x: Interval, y: Interval) -> Interval:
    """The lesser of x and y."""
    return Interval(np.minimum(x.low, y.low), np.minimum(x.high, y.high), x.nan | y.nan)


def greatest(x: Interval, y: Interval) -> Interval:
    """The greater of x and y."""
    return Interval(np.maximum(x.low, y.low), np.maximum(x.high, y.high), x.nan | y.nan)


def less(x: Interval, y: Interval) -> Truth:
    """x < y"""
    return Truth(x.low < y.high, ~np.asarray(x.high < y.low) | x.nan | y.nan)


def less_or_equal(x: Interval, y: Interval) -> Truth:
    """x <= y"""
    return Truth(x.low <= y.high, ~np.asarray(x.high <= y.low) | x.nan | y.nan)


def equal(x: Interval, y: Interval) -> Truth:
    """x = y"""
    alike = np.asarray((x.low == x.high) & (y.low == y.high) & (x.low == y.low))
    return Truth((x.low <= y.high) & (y.low <= x.high), ~alike | x.nan | y.nan)


def unequal(x: Interval, y: Interval) -> Truth:
    """x < y or x > y: two numbers, and not the same."""
    may_be, may_not_be = equal(x, y)
    return Truth(may_not_be, may_be | x.nan | y.nan)


def finite(x: Interval) -> Truth:
    """Whether x is a number and not infinite."""
    return Truth((x.low < np.inf) & (x.high > -np.inf), _reaches_infinity(x) | x.nan)


def every(*parts: Truth) -> Truth:
    """Whether all statements hold."""
    return Truth(_all(part.may_hold for part in parts), _any(part.may_fail for part in parts))


def some(*parts: Truth) -> Truth:
    """Whether one of the statements holds."""
    return Truth(_any(part.may_hold for part in parts), _all(part.may_fail for part in parts))


def opposite(x: Truth) -> Truth:
    """Whether a statement fails."""
    return Truth(x.may_fail, x.may_hold)


def _all(parts: Iterable[Flags]) -> Flags:
    out: Flags = True
    for part in parts:
        out = np.logical_and(out, part)
    return out


def _any(parts: Iterable[Flags]) -> Flags:
    out: Flags = False
    for part in parts:
        out = np.logical_or(out, part)
    return out


def _reaches(x: Interval, value: float) -> np.ndarray:
    return np.asarray(x.low == value) | np.asarray(x.high == value)


def _reaches_infinity(x: Interval) -> np.ndarray:
    return np.isinf(x.low) | np.isinf(x.high)


def _holds_zero(x: Interval) -> np.ndarray:
    return (np.asarray(x.low) <= 0.0) & (np.asarray(x.high) >= 0.0)


def _hull(function: Callable, x: Interval, y: Interval, nan: Flags) -> Interval:
    """The interval of a function that is greatest and least at corners; a corner without a value counts as 0."""
    corners = np.stack(np.broadcast_arrays(*[function(a, b) for a in (x.low, x.high) for b in (y.low, y.high)]))
    corners = np.where(np.isnan(corners), 0.0, corners)
    return Interval(corners.min(axis=0), corners.max(axis=0), nan)


def _widened(x: Interval) -> Interval:
    low = np.where(np.isfinite(x.low), x.low - WIDER * np.abs(x.low), x.low)
    high = np.where(np.isfinite(x.high), x.high + WIDER * np.abs(x.high), x.high)
    return Interval(np.nextafter(low, -np.inf), np.nextafter(high, np.inf), x.nan)


def _where(chosen: Flags, x: Interval, y: Interval) -> Interval:
    return Interval(*[np.where(chosen, a, b) for a, b in zip(x, y)])
