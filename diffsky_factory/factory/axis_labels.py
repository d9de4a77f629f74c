"""Labels of the axes of one mock: the schema's own, those of its bands and lines, and numbers from its tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from diffsky_factory.core.axes import BANDS, LINES, axes
from diffsky_factory.core.constants import Key

Labels = tuple[str | float, ...]


def axis_labels(bands: Sequence[str], lines: Sequence[str], tables: Mapping[Key, Any]) -> dict[str, Labels]:
    """Labels by name of the axis; an axis of a table that is not among the tables has none and is left out."""
    given = {BANDS: tuple(bands), LINES: tuple(lines)}
    by_name = {kind.__name__: table for kind, table in tables.items() if isinstance(kind, type)}  # scopes have no axes
    found: dict[str, Labels] = {}
    for name, axis in axes().items():
        table, _, field = axis.of.partition(".")
        if axis.labels:
            found[name] = axis.labels
        elif axis.of in given:
            found[name] = given[axis.of]
        elif table in by_name:
            found[name] = _numbers(getattr(by_name[table], field))
    return found


def _numbers(values: Sequence[float]) -> tuple[float, ...]:
    """Numbers to six digits, which can be typed to choose one."""
    return tuple(float(f"{value:.6g}") for value in values)
