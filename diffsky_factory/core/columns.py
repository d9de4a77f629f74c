"""Columns: what each name means, read from `schemas/columns`, the only place that says so."""

from collections.abc import Iterable
from functools import cache
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

from diffsky_factory.core.errors import did_you_mean
from diffsky_factory.core.resources import resource
from diffsky_factory.core.scopes import split


class Column(BaseModel):
    """One column: its name, unit, type, extra axes, allowed range and meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    unit: str
    dtype: Literal["bool", "int8", "int64", "float32", "float64"]
    axes: tuple[str, ...] = ()
    range: tuple[float, float]
    ucd: str
    description: str
    convention: str = ""
    aliases: dict[str, str] = {}
    flags: dict[str, int] = {}  # names of the values, where each stands for a state
    row_number: bool = False  # values are rows of the arrays at hand, which move with the rows; never stored

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the array on disk and in memory."""
        attributes = {
            "units": self.unit,
            "long_name": split(self.name)[1].replace("_", " "),
            "description": self.description,
            "ucd": self.ucd,
            "valid_min": self.range[0],
            "valid_max": self.range[1],
        }
        if self.convention:
            attributes["convention"] = self.convention
        if self.flags:  # as the CF conventions have it, Sect. 3.5
            attributes["flag_values"] = list(self.flags.values())
            attributes["flag_meanings"] = " ".join(self.flags)
        if self.aliases:
            attributes["aliases"] = dict(self.aliases)
        return attributes


@cache
def columns() -> dict[str, Column]:
    """All columns by name; raises ValueError where two entries share one."""
    found: dict[str, Column] = {}
    for file in sorted(resource("schemas", "columns").glob("*.yaml")):
        for entry in yaml.safe_load(file.read_text()):
            column = Column(**entry)
            if column.name in found:
                raise ValueError(f"{file.name}: column '{column.name}' is already defined")
            found[column.name] = column
    return found


def column(name: str) -> Column:
    """The column of this name; under a scope, that of its last word, called by the whole of its name.

    Raises KeyError that lists near matches.
    """
    known, (scope, last) = columns(), split(name)
    if last not in known:
        raise KeyError(f"no column '{last}' in schemas/columns{did_you_mean(last, known)}")
    return known[last].model_copy(update={"name": name}) if scope else known[last]


def row_numbers(names: Iterable[str]) -> list[str]:
    """Those of the names that are columns of row numbers."""
    known = columns()
    return [name for name in names if (last := split(name)[1]) in known and known[last].row_number]
