"""What a job is made from: files by their content, and versions of what computes. A store is of one set of these."""

from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.files_read import State, digest
from diffsky_factory.core.resources import name_of_file

INPUTS = "inputs"  # attribute of a part
PACKAGES = ("diffsky_factory", "jax", "jaxlib", "numpy")  # whose other versions give other last digits


def inputs_of(files: Mapping[Path, State]) -> dict[str, str]:
    """Digests of files that are there, by name, and versions of what computes: they decide numbers."""
    digests = {name_of_file(file): digest(file) for file, at in sorted(files.items()) if at is not None}
    return {**digests, **{name: version(name) for name in PACKAGES}}


def check_inputs(attributes: Mapping[str, Any], now: Mapping[str, str]) -> None:
    """Raise InputError, naming what differs, where a part, by its attributes, was begun with other files or versions.

    A file is known by its name and content, in whatever folder it lies now.
    """
    found = differences(attributes.get(INPUTS, {}), now)
    if found:
        raise InputError(
            f"the store was begun with {found}: tiles of both would not fit together; give back what was there, or "
            "begin anew in another place"
        )


def differences(was: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What inputs were that are others now, in words; nothing where they are the same, maybe in another folder."""
    there = {(Path(name).name, content) for name, content in now.items()}
    other = [
        name
        for name, content in was.items()
        if (now[name] != content if name in now else (Path(name).name, content) not in there)
    ]
    return "; ".join(_difference(name, was[name], now) for name in other)


def _difference(name: str, was: str, now: Mapping[str, str]) -> str:
    if name in PACKAGES:
        return f"{name} {was}, and here is {now[name]}"
    if not Path(name).is_file():
        return f"{name} of other content" if name in now else f"{name}, which is not there now"
    return f"{name} of other content; it was changed on {datetime.fromtimestamp(Path(name).stat().st_mtime):%c}"
