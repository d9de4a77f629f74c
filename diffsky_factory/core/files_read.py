"""Which files something was made from, and whether they are still as they were: so that what is kept is never stale."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

State = tuple[int, int, int] | None
"""Inode, size and time of change of a file; None where there is none."""

_noted: ContextVar[dict[Path, State] | None] = ContextVar("files_read", default=None)


def note(*files: Path | str) -> None:
    """Say that files are read, for whoever keeps what is made of them; call it before reading."""
    known = _noted.get()
    if known is not None:
        known.update({Path(file).absolute(): state(Path(file)) for file in files})


@contextmanager
def noting() -> Iterator[dict[Path, State]]:
    """Collect the files that are read in this context, in this thread, as they are now."""
    found: dict[Path, State] = {}
    token = _noted.set(found)
    try:
        yield found
    finally:
        _noted.reset(token)


def changed(files: Mapping[Path, State]) -> list[Path]:
    """The files that are not as they were."""
    return [file for file, was in files.items() if state(file) != was]


def state(file: Path) -> State:
    """How a file is now."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
