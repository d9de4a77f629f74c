"""Columns of a plain table as an entry names them, and their units as ours."""

from typing import Any

import numpy as np

from diffsky_factory.core.columns import Column
from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.entries import Record, checked


class TableColumn(Record):
    """Where one of our columns comes from.

    column : name in the table; `position[0]` is the first component of a vector
    unit : as astropy writes it, "Mpc / littleh"; where it is left out, the file must say
    log10 : whether the table has the logarithm of the quantity in that unit
    """

    column: str
    unit: str = ""
    log10: bool = False


def table_columns(columns: dict[str, Any], source: object) -> dict[str, TableColumn]:
    """The `columns` of an entry as records; a text alone names the column, of a file that says its unit."""
    whole = {ours: {"column": theirs} if isinstance(theirs, str) else theirs for ours, theirs in columns.items()}
    wrong = [ours for ours, theirs in whole.items() if not isinstance(theirs, dict)]
    if wrong:
        raise InputError(f"{source}, columns, {wrong[0]}: {whole[wrong[0]]!r}; give a name, or column, unit and log10")
    return {ours: checked(TableColumn, theirs, f"{source}, columns, {ours}") for ours, theirs in whole.items()}


def conversion(ours: Column, theirs: TableColumn, unit_of_file: str, h: float, source: object) -> tuple[float, bool]:
    """What a column is multiplied by, and whether it has logarithms, to be in our unit.

    unit_of_file : "" where the file has none
    Raises InputError where there is no unit, it cannot be read or is none of the kind.
    """
    from astropy import units
    from astropy.cosmology import units as cosmological

    text = theirs.unit or unit_of_file
    if not text and _linear(ours.unit) == "":
        return 1.0, theirs.log10
    if not text:
        raise InputError(f"{source}: neither the file nor the entry says the unit of {theirs.column!r}; add `unit: ..`")
    what = f"{source}: unit {text!r} of {theirs.column!r}"
    try:
        with units.add_enabled_units([cosmological.littleh]):
            unit, target = units.Unit(text), units.Unit(_linear(ours.unit))
    except (ValueError, TypeError) as error:
        raise InputError(f"{what} cannot be read ({' '.join(str(error).split())[:200]})") from error
    in_dex = isinstance(unit, units.DexUnit)
    try:
        factor = units.Quantity(1.0, unit.physical_unit if in_dex else unit).to_value(
            target, equivalencies=cosmological.with_H0(units.Quantity(100.0 * h, "km / (s Mpc)"))
        )
    except units.UnitConversionError as error:
        raise InputError(
            f"{what} is none of {ours.name}, {_linear(ours.unit)}; h is `littleh`, an `h` is an hour"
        ) from error
    return float(factor), theirs.log10 or in_dex


def converted(ours: Column, values: np.ndarray, factor: float, is_log10: bool) -> np.ndarray:
    """Values of a column in our unit; NaN where the logarithm of a number that is not positive is asked for."""
    if ours.dtype in ("int64", "bool"):
        return values
    values = values.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        if _linear(ours.unit) == ours.unit:
            return (10.0**values if is_log10 else values) * factor
        if is_log10:
            return values + np.log10(factor)
        return np.log10(np.where(values > 0.0, values, np.nan) * factor)


def _linear(unit: str) -> str:
    """The unit of which a column has the logarithm, or its unit itself."""
    return unit.removeprefix("dex(").removesuffix(")") if unit.startswith("dex(") else unit
