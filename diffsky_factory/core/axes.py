"""Axes: what columns have besides the rows, read from `schemas/axes.yaml`, the only place that says so."""

from collections.abc import Iterable

from pydantic import ConfigDict, model_validator

from diffsky_factory.core.errors import did_you_mean
from diffsky_factory.core.schemas import Named, schemas

BANDS, LINES = "bands", "lines"
"""What the labels of an axis are `of` where a recipe gives them; for all others it is a table, as Table.field."""


class Axis(Named):
    """One axis: its labels or what they are taken from, their unit and meaning, and how columns of it are handled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    long_name: str
    unit: str
    description: str
    labels: tuple[str, ...] = ()  # where they are the same in every mock
    of: str = ""  # BANDS, LINES or Table.field, where they are not
    read_alone: bool = False  # a reader wants one label at a time: each is computed, stored and read by itself
    large: bool = False  # a column of it is much larger than others: it is computed when asked for, apart from them

    @model_validator(mode="after")
    def _labels_from_one_place(self) -> "Axis":
        if bool(self.labels) == bool(self.of):
            raise ValueError(f"axis '{self.name}': give its labels or what they are of, one of the two")
        return self

    @property
    def attributes(self) -> dict[str, str]:
        """Attributes of the coordinate that holds the labels, on disk and in memory."""
        return {"units": self.unit, "long_name": self.long_name, "description": self.description}


def axes() -> dict[str, Axis]:
    """All axes by name: of the project, and of `schemas/axes.yaml` in folders of the user's own.

    Raises InputError, naming the file, for an entry that is no axis, and where two entries share a name.
    """
    return schemas(Axis, "axes.yaml")


def axis(name: str) -> Axis:
    """The axis of this name; raises KeyError that lists near matches."""
    all_axes = axes()
    if name not in all_axes:
        raise KeyError(f"no axis '{name}' in schemas/axes.yaml{did_you_mean(name, all_axes)}")
    return all_axes[name]


def axis_read_alone(names: Iterable[str]) -> str | None:
    """The one of a column's axes whose labels are read one at a time; None where all are read together."""
    return next((name for name in names if axis(name).read_alone), None)


def any_large(names: Iterable[str]) -> bool:
    """Whether one of a column's axes makes it large."""
    return any(axis(name).large for name in names)
