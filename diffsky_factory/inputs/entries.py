"""Entries of `catalogs/`: one small YAML file for each thing known, with its reference, found by kind and name."""

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from diffsky_factory.core.errors import InputError, did_you_mean, near
from diffsky_factory.core.files_read import note
from diffsky_factory.core.resources import resource, user_folders

KINDS = ("simulations", "templates", "filters", "igm", "calibrations", "halo_growth", "recipes")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where it was compiled


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
        raise InputError(f"{source}: " + "; ".join(_problem(record, item) for item in error.errors())) from error


def _problem(record: type[Record], item: ErrorDetails) -> str:
    field = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"no field {field!r}; {near(str(item['loc'][-1]), _fields(record, item['loc'][:-1]))}"
    if item["type"] == "literal_error":
        value, choices = item["input"], re.findall(r"'([^']*)'", item["ctx"]["expected"])
        return f"{field}: {value!r} is none of {', '.join(choices)}{did_you_mean(str(value), choices)}"
    given = f" (got {item['input']!r})" if item["type"] not in ("missing", "value_error") else ""
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
    note(path)
    try:
        content = yaml.load(Path(path).read_text(), LOADER)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); check the path and its permissions") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that is none
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise InputError(f"{path}{line}: not valid YAML ({getattr(error, 'problem', error)})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no mapping of names to values; it is not an entry")
    return content


def _files(kind: str) -> dict[str, Path]:
    if kind not in KINDS:
        raise InputError(f"no catalogs/{kind}; {near(kind, KINDS)}")
    return _files_in(kind, user_folders())


@cache
def _files_in(kind: str, users: tuple[Path, ...]) -> dict[str, Path]:
    folders = [resource("catalogs", kind), *(folder / kind for folder in reversed(users))]
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.yaml"))}
