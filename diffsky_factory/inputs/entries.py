"""Entries of `catalogs/`: small files that say what is known, found by kind and name."""

import os
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from diffsky_factory.core.resources import resource

KINDS = ("simulations", "templates", "filters", "calibrations", "recipes")
USER_PATH = "DIFFSKY_FACTORY_CATALOG_PATH"
"""Environment variable: folders, in the layout of `catalogs/`, that are searched before the project's own."""


class InputError(ValueError):
    """Something given from outside that cannot be used; its text says what, where, and what to do."""


def names(kind: str) -> list[str]:
    """Names of all entries of a kind."""
    return sorted(_files(kind))


def entry(kind: str, name: str) -> dict[str, Any]:
    """Content of one entry; raises InputError for an unknown name, listing near matches, or a file that is no entry."""
    known = _files(kind)
    if name not in known:
        raise InputError(unknown(kind.removesuffix("s"), name, known))
    return read_yaml(known[name])


def entry_file(kind: str, name: str) -> Path:
    """Path of an entry's file."""
    entry(kind, name)
    return _files(kind)[name]


def unknown(what: str, name: str, known) -> str:
    """Text of an error for a name that is not known, with near matches or, failing these, what there is."""
    near = get_close_matches(name, list(known), n=3, cutoff=0.5)
    listed = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(sorted(known)) or 'none'}"
    return f"no {what} '{name}'; {listed}"


def read_yaml(path: Path) -> dict[str, Any]:
    """A yaml file that holds a mapping; raises InputError naming the file where it cannot be read as one."""
    try:
        content = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); check the path and its permissions") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise InputError(f"{path}{line}: not valid YAML ({getattr(error, 'problem', error)})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no mapping of names to values; it is not an entry")
    return content


def _files(kind: str) -> dict[str, Path]:
    if kind not in KINDS:
        raise InputError(unknown("kind of entry", kind, KINDS))
    return _files_in(kind, os.environ.get(USER_PATH, ""))


@cache
def _files_in(kind: str, user_path: str) -> dict[str, Path]:
    folders = [resource("catalogs", kind)]
    folders += [Path(folder) / kind for folder in reversed(user_path.split(os.pathsep)) if folder]
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.yaml"))}
