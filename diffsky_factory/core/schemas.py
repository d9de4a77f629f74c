"""Schemas: files that list what words mean, each entry with a name of its own."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.files_read import State, state, unnoted
from diffsky_factory.core.resources import resource, user_folders
from diffsky_factory.core.yaml_reading import read_yaml_file


class Named(BaseModel):
    """What an entry of any schema has: a name."""

    name: str


Entry = TypeVar("Entry", bound=Named)


def schemas(kind: type[Entry], pattern: str) -> dict[str, Entry]:
    """Entries of a kind by name, of the files of a pattern in `schemas/` of the project and of the user's folders.

    Read once for each state of the user's files. Raises InputError as `read_schemas` does.
    """
    users = tuple(file for folder in user_folders() for file in sorted((folder / "schemas").glob(pattern)))
    return _schemas(kind, pattern, users, tuple(map(state, users)))


@lru_cache(maxsize=16)
def _schemas(kind: type[Entry], pattern: str, users: tuple[Path, ...], at: tuple[State, ...]) -> dict[str, Entry]:
    return read_schemas(kind, [*sorted(resource("schemas").glob(pattern)), *users])


def read_schemas(kind: type[Entry], files: Iterable[Path]) -> dict[str, Entry]:
    """Entries of a kind by name; raises InputError, naming the file and the entry, for one that is none or not new."""
    by_name: dict[str, Entry] = {}
    for file in files:
        for entry in _entries(file):
            try:
                one = kind(**{str(key): value for key, value in entry.items()})
            except ValidationError as error:
                wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
                name = entry.get("name", "?")
                raise InputError(f"{file}: '{name}' is no {kind.__name__.lower()} ({wrong})") from error
            if one.name in by_name:
                raise InputError(f"{file}: '{one.name}' is defined already; give yours another name")
            by_name[one.name] = one
    return by_name


def _entries(file: Path) -> list[dict]:
    with unnoted():  # the words are no inputs: what they decide stands in the plan of a store
        entries = read_yaml_file(file)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{file}: a list of entries is wanted, each of which begins with '- name: ...'")
    return entries
