"""Entries of `catalogs/`: one small YAML file for each thing known, with its reference, found by kind and name."""

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from diffsky_factory.core.errors import InputError, did_you_mean, near, shown
from diffsky_factory.core.files_read import State, state
from diffsky_factory.core.resources import resource, user_folders
from diffsky_factory.core.yaml_reading import read_yaml_file

KINDS = ("simulations", "templates", "filters", "igm", "calibrations", "halo_growth", "recipes")
SEXAGESIMAL = re.compile(r"[-+]?\d+(:\d+(\.\d*)?)+")  # 60 to a degree or hour, which one it is nobody says
MOST_PROBLEMS = 10  # chosen: named of one entry


class Record(BaseModel):
    """Content of a file: immutable, and a field it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Reference(Record):
    """Where numbers come from: a citation in words, and its DOI or, where it has none, its address."""

    cite: str
    doi: str | None = None
    url: str | None = None


AnyRecord = TypeVar("AnyRecord", bound=Record)


def entry_names(kind: str) -> list[str]:
    """Names of all entries of a kind, sorted."""
    return sorted(_files(kind))


def entry_path(kind: str, name: str) -> Path:
    """File of one entry; raises InputError for an unknown name, listing near matches."""
    known = _files(kind)
    if name not in known:
        raise InputError(f"no {name!r} in catalogs/{kind}; {near(name, known)}")
    return known[name]


def read_entry(kind: str, name: str, record: type[AnyRecord]) -> tuple[AnyRecord, Path]:
    """An entry as a checked record, and the path it was read from; raises InputError where it is none."""
    path = entry_path(kind, name)
    return checked(record, read_yaml(path), path), path


def checked(record: type[AnyRecord], content: dict[str, Any], source: object) -> AnyRecord:
    """A mapping as a record; raises InputError that names the source, each wrong field and what is wrong with it."""
    try:
        return record.model_validate({str(name): value for name, value in content.items()})
    except ValidationError as error:
        items = error.errors()
        more = f"; and {len(items) - MOST_PROBLEMS} more" if len(items) > MOST_PROBLEMS else ""
        problems = "; ".join(_problem(record, item) for item in items[:MOST_PROBLEMS])
        raise InputError(f"{source}: {problems}{more}") from error


def _problem(record: type[Record], item: ErrorDetails) -> str:
    field = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"no field {field!r}; {near(str(item['loc'][-1]), _fields(record, item['loc'][:-1]))}"
    if item["type"] == "literal_error":
        value, choices = item["input"], re.findall(r"'([^']*)'", item["ctx"]["expected"])
        return f"{field}: {shown(value)} is none of {', '.join(choices)}{did_you_mean(str(value), choices)}"
    given = f" (got {shown(item['input'])})" if item["type"] not in ("missing", "value_error") else ""
    if isinstance(item["input"], str) and SEXAGESIMAL.fullmatch(item["input"].strip()):
        given += "; write degrees as a decimal number"
    place = f"{field}: " if field else ""  # none where it is about several fields
    return place + " ".join(item["msg"].removeprefix("Value error, ").split()) + given


def _fields(record: type[Record], place: tuple) -> list[str]:
    """Names of the fields of the record that lies at a place inside another."""
    for part in place:
        hint = next((info.annotation for name, info in record.model_fields.items() if name == part), None)
        kinds = [kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and issubclass(kind, Record)]
        if not kinds:
            return []
        record = kinds[0]
    return [info.alias or name for name, info in record.model_fields.items()]


def check_sha256(path: Path, expected: str) -> None:
    """Raise InputError, naming the file, where its SHA-256 is not the expected one."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise InputError(
            f"{path} has sha256 {found}, its entry says {expected}: the file is damaged or was replaced; "
            "restore it (reinstall diffsky_factory) or, if the change is meant, update its entry"
        )


def read_yaml(path: Path) -> dict[str, Any]:
    """A yaml file that holds a mapping; raises InputError naming the file where it cannot be read as one."""
    content = read_yaml_file(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no mapping of names to values; it is not an entry")
    return content


def _files(kind: str) -> dict[str, Path]:
    if kind not in KINDS:
        raise InputError(f"no catalogs/{kind}; {near(kind, KINDS)}")
    folders = (resource("catalogs", kind), *(folder / kind for folder in reversed(user_folders())))
    return _files_in(folders, tuple(map(state, folders)))


@lru_cache
def _files_in(folders: tuple[Path, ...], at: tuple[State, ...]) -> dict[str, Path]:
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.yaml"))}
