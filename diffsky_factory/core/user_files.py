"""Paths that users give: `~` is the home folder, and a file is one that ends."""

import os
import stat
from pathlib import Path

from diffsky_factory.core.errors import InputError

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


def user_path(path: str | Path) -> Path:
    """A path as users write it, with the home folder for `~`; raises InputError where it can be none."""
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"{path!r} is no path; give a text or a Path")
    try:
        if "\0" in str(path):
            raise ValueError("it has a null character")
        return Path(path).expanduser()
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{str(path)!r} is no path ({error}); write it out") from error


def user_file(path: str | Path, *, folders: bool = False) -> Path:
    """The path of a file to open, also where there is none yet.

    Raises InputError for a device, pipe or socket, which may never end, and for a folder unless they are welcome.
    """
    path = user_path(path)
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except OSError:
        return path  # whoever opens it says why it cannot be
    if kind in KINDS and not (folders and kind == stat.S_IFDIR):
        raise InputError(f"{path}: is {KINDS[kind]}, not a file; name a file")
    return path
