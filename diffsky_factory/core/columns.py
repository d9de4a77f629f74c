"""Columns: what each name means, read from `schemas/columns`, the only place that says so."""

from collections.abc import Iterable
from typing import Literal

from pydantic import ConfigDict, Field

from diffsky_factory.core.errors import did_you_mean
from diffsky_factory.core.schemas import Named, schemas
from diffsky_factory.core.scopes import split

Attributes = dict[str, str | int | float | list[int]]


class Column(Named):
    """One column: its name, unit, type, extra axes, allowed range and meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    long_name: str = ""  # label of a plot; without one, the name in words
    unit: str
    dtype: Literal["bool", "int8", "int64", "float32", "float64"]
    axes: tuple[str, ...] = ()
    range: tuple[int | float, int | float]  # integers as they are: the largest has no float64
    ucd: str
    description: str
    convention: str = ""
    aliases: dict[str, str] = Field(default={})
    flags: dict[str, int] = Field(default={})  # names of the values, where each stands for a state
    row_number: bool = False  # values are rows of the arrays at hand, which move with the rows; never stored

    @property
    def label(self) -> str:
        """A few words for the axis of a plot, beside the unit, which says where a number is a logarithm."""
        return self.long_name or split(self.name)[1].removeprefix("log10_").replace("_", " ")

    @property
    def attributes(self) -> Attributes:
        """Attributes of the array on disk and in memory, after the CF conventions: texts, numbers, lists of integers.

        A truth value has no range, and that of an integer is given in integers.
        """
        attributes: Attributes = {
            "units": self.unit,
            "long_name": self.label,
            "description": self.description,
            "ucd": self.ucd,
        }
        if self.dtype != "bool":
            number = float if self.dtype.startswith("float") else int
            attributes["valid_min"], attributes["valid_max"] = map(number, self.range)
        if self.convention:
            attributes["convention"] = self.convention
        if self.flags:  # Sect. 3.5 of the conventions
            attributes["flag_values"] = list(self.flags.values())
            attributes["flag_meanings"] = " ".join(self.flags)
        if self.aliases:
            attributes["aliases"] = "; ".join(f"{peer}: {alias}" for peer, alias in self.aliases.items())
        return attributes


def columns() -> dict[str, Column]:
    """All columns by name: of the project, and of `schemas/columns` in folders of the user's own.

    Raises InputError, naming the file, for an entry that is no column, and where two entries share a name.
    """
    return schemas(Column, "columns/*.yaml")


def called_here(name: str) -> str:
    """End of a message about a name that is no column: what other software calls so, or nothing."""
    alias, schema = split(name)[1], columns()
    if alias in schema:
        return ""
    meant = [(peer, one.name) for one in schema.values() for peer, called in one.aliases.items() if called == alias]
    if not meant:
        return ""
    peers, names = (" and ".join(dict.fromkeys(words)) for words in zip(*meant))
    return f"; '{alias}' of {peers} is called '{names}' here"


def near_column(name: str, names: Iterable[str]) -> str:
    """End of a message about a name that is no column: which one is meant, or near matches among the names, if any."""
    return called_here(name) or did_you_mean(name, names)


def column(name: str) -> Column:
    """The column of this name; under a scope, that of its last word, called by the whole of its name.

    Raises KeyError that lists near matches.
    """
    schema, (scope, last) = columns(), split(name)
    if last not in schema:
        raise KeyError(f"no column '{last}' in schemas/columns{near_column(last, schema)}")
    return schema[last].model_copy(update={"name": name}) if scope else schema[last]


def row_numbers(names: Iterable[str]) -> list[str]:
    """The names that are columns of row numbers."""
    schema = columns()
    return [name for name in names if (last := split(name)[1]) in schema and schema[last].row_number]
