"""Columns that a caller gives: what holds them becomes an array of the schema's unit, type and range, or an error."""

from typing import Any

import numpy as np

from diffsky_factory.core.columns import Column
from diffsky_factory.core.columns import columns as known_columns
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.scopes import split


def given_column(name: str, value: Any) -> np.ndarray:
    """A column, or one number for all rows, as a numpy array.

    name  : of a column of the schema, under a scope or not; or of one that the schema does not have, which is taken as
            it is
    value : array, list, number; astropy Quantity or Column, whose unit is converted; a masked array of which nothing is
            masked; an xarray variable with an attribute `units`
    Integers are accepted for reals, reals for whole numbers never. Raises InputError, naming column and row, for
    another kind of array, for numbers that are masked, not finite or outside the range of the schema, and for a unit
    that does not fit.
    """
    known = known_columns().get(split(name)[1])
    _check_mask(name, value)
    values = _in_unit(name, value, known)
    if values.dtype.kind not in "biuf" or (values.ndim == 0 and known is not None and known.axes):
        raise InputError(f"column '{name}': an array of numbers with one row per galaxy is wanted")
    if known is not None and values.ndim not in (0, 1 + len(known.axes)):
        more = "".join(f", {axis}" for axis in known.axes)
        raise InputError(f"column '{name}': of shape {values.shape}, and (galaxy{more}) is wanted")
    if values.dtype.kind == "f":
        _refuse(name, values, ~np.isfinite(values), "not finite; drop or mend the row")
    return values if known is None else _in_range(name, _of_type(name, values, known), known)


def _check_mask(name: str, value: Any) -> None:
    mask = np.ma.getmaskarray(value) if isinstance(value, np.ma.MaskedArray) else getattr(value, "mask", None)
    if isinstance(mask, np.ndarray) and mask.dtype == bool:
        _refuse(name, np.ma.getdata(value), mask, "masked; drop the row, or fill it with a value")


def _in_unit(name: str, value: Any, known: Column | None) -> np.ndarray:
    """Numbers in the unit of the schema, where the value says its own."""
    said = getattr(value, "unit", None)
    if said is None:
        said = getattr(value, "attrs", {}).get("units")
    if said is None or known is None or str(said) == known.unit:
        return np.asarray(value)
    from astropy import units

    try:
        unit, wanted = units.Unit(said), units.Unit(known.unit)
        return np.asarray(value) if unit == wanted else units.Quantity(value, unit).to_value(wanted)
    except (ValueError, TypeError, units.UnitsError) as error:
        name_of_unit = f"'{known.unit}'" if known.unit else "a pure number"
        raise InputError(f"column '{name}': in units of '{said}', and {name_of_unit} is wanted") from error


def _of_type(name: str, values: np.ndarray, known: Column) -> np.ndarray:
    """Whole numbers and truth values as the schema has them, reals in the precision they come in."""
    if known.dtype.startswith("float"):
        return values if values.dtype.kind == "f" else values.astype(np.float64)
    if values.dtype.kind == "f":
        raise InputError(f"column '{name}': whole numbers are wanted, not {values.dtype}, in which ids lose digits")
    if known.dtype == "bool":
        _refuse(name, values, (values != 0) & (values != 1), "neither true nor false")
    elif values.dtype.kind == "u":
        _refuse(name, values, values > np.iinfo(np.int64).max, "beyond 63 bits")
    return values.astype(bool if known.dtype == "bool" else np.int64)


def _in_range(name: str, values: np.ndarray, known: Column) -> np.ndarray:
    if known.dtype == "bool" or known.row_number:  # rows are checked against the rows there are
        return values
    low, high = map(np.float64, known.range) if values.dtype.kind == "f" else known.range  # short floats end before it
    outside = (values < low) | (values > high)
    remedy = f"in '{known.unit}'" if known.unit else "a pure number"
    if known.name.startswith("log10_") and np.any(outside) and np.all(values[outside] > high):
        remedy += ": a logarithm, and is this the number itself?"
    _refuse(name, values, outside, f"outside [{low:g}, {high:g}], {remedy}")
    return values


def _refuse(name: str, values: Any, wrong: np.ndarray, problem: str) -> None:
    if np.any(wrong):
        first = tuple(int(i) for i in np.argwhere(np.atleast_1d(wrong))[0])
        shown = np.atleast_1d(np.asarray(values))[first]
        raise InputError(f"column '{name}', row {first[0]}: {shown} is {problem}")
