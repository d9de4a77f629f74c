"""Calibrations: published values of the model's parameters, loaded by name and written back."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from pydantic import BeforeValidator, Field

from diffsky_factory.core.constants import Key
from diffsky_factory.core.errors import InputError, near
from diffsky_factory.core.parameters import bounds, problem_of_values
from diffsky_factory.core.user_files import user_path
from diffsky_factory.inputs.entries import Record, checked, entry_path, read_yaml
from diffsky_factory.physics import INGREDIENTS, parameter_class, parameter_names

SCHEMA = "diffsky-factory/calibration/1"


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class CalibrationEntry(Record):
    """An entry of `catalogs/calibrations`: values by group and parameter, and the bounds their classes have."""

    schema_: Literal["diffsky-factory/calibration/1"] = Field(alias="schema")
    name: str = ""
    title: str = ""
    kind: str = "galaxies"
    reference: str = ""
    retrieved: Annotated[str, BeforeValidator(str)] = ""
    notes: str = ""
    parameters: dict[str, dict[str, Number]]
    bounds: dict[str, dict[str, tuple[Number, Number]]] = Field(default={})


@dataclass(frozen=True)
class Calibration:
    """Values of some ingredients' parameters, by the published name of the group, and where they come from.

    Raises InputError, naming the parameter, its value and its bounds, for one that lies outside them.
    """

    name: str
    parameters: Mapping[str, Any]
    title: str = ""
    reference: str = ""
    notes: str = ""
    kind: str = "galaxies"
    retrieved: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for group, values in self.parameters.items():
            problem = problem_of_values(values)
            if problem:
                raise InputError(f"calibration '{self.name}', {group}: {problem}")

    def flat(self) -> dict[str, float]:
        """All values by parameter name, in the published flat order."""
        return {name: value for group in self.parameters.values() for name, value in group._asdict().items()}

    @property
    def hash(self) -> str:
        """SHA-256 of the values."""
        values = {group: {name: float(x) for name, x in p._asdict().items()} for group, p in self.parameters.items()}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def by_class(self) -> dict[Key, Any]:
        """Parameter tuples by their class, as stages ask for them."""
        return {type(group): group for group in self.parameters.values()}

    def __or__(self, other: "Calibration") -> "Calibration":
        """This calibration with the groups of another in place of its own."""
        return Calibration(
            name=f"{self.name}+{other.name}",
            parameters={**self.parameters, **other.parameters},
            title=f"{self.title}; {other.title}",
            reference=f"{self.reference} {other.reference}",
            kind=self.kind,
        )


def load_calibration(name: str | Path) -> Calibration:
    """A calibration by name, by path of a yaml file, or several joined by "+", the later groups winning.

    Raises InputError naming the file and the parameter for an unknown name, a missing or extra parameter, a value that
    is not a finite number, or one outside its bounds.
    """
    parts = str(name).split("+")
    if len(parts) > 1:
        first, *rest = (load_calibration(part) for part in parts)
        for part in rest:
            first = first | part
        return first
    is_file = str(name).endswith((".yaml", ".yml"))
    file = user_path(name) if is_file else entry_path("calibrations", str(name))
    content = read_yaml(file)
    if content.get("schema") != SCHEMA:
        raise InputError(f"{file}: not a calibration: its schema is {content.get('schema')!r}, not {SCHEMA!r}")
    entry = checked(CalibrationEntry, content, file)
    parameters = {group: _group(file, group, values) for group, values in entry.parameters.items()}
    text = {key: getattr(entry, key).strip() for key in ("title", "reference", "notes", "retrieved")}
    return Calibration(name=entry.name or file.stem, parameters=parameters, kind=entry.kind, **text)


def save_calibration(calibration: Calibration, path: str | Path) -> Path:
    """Write a calibration as a yaml file that `load_calibration` reads back unchanged; returns the path."""
    path = user_path(path)
    plain = {
        group: {name: float(np.asarray(value)) for name, value in values._asdict().items()}
        for group, values in calibration.parameters.items()
    }
    limits = {
        group: {name: [within.lo, within.hi] for name, within in bounds(type(values)).items()}
        for group, values in calibration.parameters.items()
    }
    record = {
        "schema": SCHEMA,
        "name": calibration.name,
        "title": calibration.title,
        "kind": calibration.kind,
        "reference": calibration.reference,
        "notes": calibration.notes,
        "retrieved": calibration.retrieved,
        "parameters": plain,
        "bounds": limits,
    }
    try:
        path.write_text(yaml.safe_dump(record, sort_keys=False, width=110))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another folder") from error
    return path


def _group(file: Path, group: str, values: Mapping[str, Any]) -> Any:
    kind = parameter_class(group)
    if kind is None:
        raise InputError(f"{file}: no group of parameters {group!r}; {near(group, INGREDIENTS)}")
    names = parameter_names(kind)
    for name in values:
        if name not in names:
            raise InputError(f"{file}, {group}: no parameter {name!r}; {near(name, names)}")
    missing = [name for name in names if name not in values]
    if missing:
        raise InputError(f"{file}, {group}: no value of {', '.join(missing)}")
    found = kind(**values)
    problem = problem_of_values(found)
    if problem:
        raise InputError(f"{file}: {problem}")
    # what lies beyond a bound by rounding is on it
    limits = {name: within.among(values) for name, within in bounds(kind).items()}
    return kind(**{name: float(min(max(values[name], low), high)) for name, (low, high) in limits.items()})
