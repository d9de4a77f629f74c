"""Where the project's own data files are: `schemas/` and `catalogs/`."""

import os
from pathlib import Path

from diffsky_factory.core.user_files import user_path

PACKAGE = Path(__file__).resolve().parent.parent


USER_PATH = "DIFFSKY_FACTORY_CATALOG_PATH"
"""Environment variable: folders of the user's own, in the layout of `catalogs/` and with `schemas/` of their own."""


def user_folders() -> tuple[Path, ...]:
    """The folders that the environment variable names, the first to be searched first."""
    return tuple(user_path(folder).absolute() for folder in os.environ.get(USER_PATH, "").split(os.pathsep) if folder)


def resource(*parts: str) -> Path:
    """Path of a file or folder below `schemas/` or `catalogs/`.

    A wheel carries the two folders inside the package; an editable install has them one folder up.
    Raises FileNotFoundError, naming both places, where neither has it.
    """
    places = [PACKAGE.joinpath(*parts), PACKAGE.parent.joinpath(*parts)]
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(f"no {'/'.join(parts)}; looked in {places[0]} and {places[1]}: reinstall diffsky_factory")


def name_of_file(file: Path) -> str:
    """A file's name wherever the package is installed: below `schemas/` or `catalogs/`, or else its whole path."""
    for place in (PACKAGE, PACKAGE.parent):
        if file.is_relative_to(place):
            return file.relative_to(place).as_posix()
    return str(file)
