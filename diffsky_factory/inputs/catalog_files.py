"""Entries of `catalogs/`: one small YAML file for each thing known, with its reference."""

import difflib
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from diffsky_factory.core.resources import resource


class Record(BaseModel):
    """An entry: immutable, and a field it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)


class Reference(Record):
    """Where numbers come from: a citation in words, and its DOI or, where it has none, its address."""

    cite: str
    doi: str | None = None
    url: str | None = None


AnyRecord = TypeVar("AnyRecord", bound=Record)


def entry_names(kind: str) -> list[str]:
    """Names of the entries of one folder of `catalogs/`, sorted."""
    return sorted(path.stem for path in resource("catalogs", kind).glob("*.yaml"))


def read_entry(kind: str, name: str, record: type[AnyRecord]) -> tuple[AnyRecord, Path]:
    """The entry `catalogs/<kind>/<name>.yaml` as a checked record, and the path it was read from.

    Raises ValueError for an unknown name, listing near ones, and for a file that is not such a record.
    """
    known = entry_names(kind)
    if name not in known:
        raise ValueError(f"no {name!r} in catalogs/{kind}; {near(name, known)}")
    path = resource("catalogs", kind, f"{name}.yaml")
    try:
        return record.model_validate(yaml.safe_load(path.read_text())), path
    except (ValidationError, yaml.YAMLError) as error:
        raise ValueError(f"{path} is not a valid {record.__name__}: {error}") from error


def near(name: str, known: Iterable[str]) -> str:
    """End of an error message: near matches of a name among the known ones, or the known ones themselves."""
    known = list(known)
    lower = {item.lower(): item for item in known}
    matches = difflib.get_close_matches(name.lower(), lower, n=5, cutoff=0.5)
    if matches:
        return f"did you mean {', '.join(lower[match] for match in matches)}?"
    return f"known: {', '.join(known[:20])}{', ...' if len(known) > 20 else ''}"


def check_sha256(path: Path, expected: str) -> None:
    """Raise ValueError, naming the file, where its SHA-256 is not the expected one."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise ValueError(
            f"{path} has sha256 {found}, its entry says {expected}: the file is damaged or was replaced; "
            "restore it (reinstall diffsky_factory) or, if the change is meant, update its entry"
        )
