"""The parameters of the model as a table: the values of a calibration, with bounds, units and meanings."""

import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from diffsky_factory.core.errors import InputError, near
from diffsky_factory.core.parameters import bounds
from diffsky_factory.inputs.calibrations import Calibration, load_calibration
from diffsky_factory.physics import INGREDIENTS, parameter_class

COLUMNS = ("group", "name", "value", "lo", "hi", "unit", "meaning", "below", "above", "source")
SOURCE = re.compile(r"\bSource: (.+?)(?:\n\s*\n|\Z)", re.DOTALL)


def parameters(calibration: str | Path | Calibration | None = None, group: str | None = None) -> pd.DataFrame:
    """The parameters of the model, one a row, in the published order.

    calibration : name, path or Calibration whose values are wanted; a group it does not have, and every group without
                  one, has the default values of its class
    group       : one group, such as "mzr", or `module:Class` of another package; all without it

    Columns of the table
        group, name  : of the parameter, as in calibrations
        value        : in its unit
        lo, hi       : its bounds, in its unit. A bound that is another parameter is that one's value in this table
        unit         : text that astropy reads, "dex(solMass)" for the logarithm of a mass; "" for a pure number
        meaning      : a phrase; docs/parameters.md explains the words
        below, above : parameter of the same group that is the upper, the lower bound; "" where it is a number
        source       : where the equations of the group come from
    Raises InputError for an unknown group, listing near matches, and as `load_calibration` does.
    """
    values = {name: kind() for name, kind in INGREDIENTS.items()}
    if calibration is not None:
        known = calibration if isinstance(calibration, Calibration) else load_calibration(calibration)
        values |= known.parameters
    if group is not None:
        kind = parameter_class(group)
        if kind is None:
            raise InputError(f"no group of parameters {group!r}; {near(group, values)}")
        values = {group: values[group] if group in values else kind()}
    return pd.concat([group_table(name, p) for name, p in values.items()], ignore_index=True)


def group_table(group: str, p: Any) -> pd.DataFrame:
    """The rows of one group, from a tuple of its values."""
    values, source = p._asdict(), source_of(type(p))
    rows = []
    for name, within in bounds(type(p)).items():
        numbers = map(float, (values[name], *within.among(values)))
        names = within.below or "", within.above or ""
        rows.append((group, name, *numbers, within.unit, within.meaning, *names, source))
    return pd.DataFrame(rows, columns=COLUMNS)


def source_of(kind: type) -> str:
    """What the docstring of a class, or else that of its module, says after "Source:"; "" where neither does."""
    for text in (kind.__doc__, sys.modules[kind.__module__].__doc__):
        if found := SOURCE.search(text or ""):
            return " ".join(found[1].split())
    return ""
