"""Which files something was made from, and whether they are still as they were: so that what is kept is never stale."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, update_wrapper
from pathlib import Path
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

State = tuple[int, int, int] | None
"""Inode, size and time of change of a file; None where there is none."""

LARGE = 2**26  # bytes, chosen: of a larger file some pieces are read, so that a simulation is known in seconds
PIECES, PIECE = 64, 2**16  # chosen: of a large file, from its first bytes to its last

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
        outer = _noted.get()
        if outer is not None:
            outer.update(found)


@contextmanager
def unnoted() -> Iterator[None]:
    """Read files in this context that decide nothing of what is kept."""
    token = _noted.set(None)
    try:
        yield
    finally:
        _noted.reset(token)


def changed(files: Mapping[Path, State]) -> list[Path]:
    """The files that are not as they were."""
    return [file for file, was in files.items() if state(file) != was]


class Kept(Generic[P, T]):
    """A function whose last results are kept by its arguments, while the files that were read for them are as then."""

    def __init__(self, make: Callable[P, T], maxsize: int) -> None:
        def noted(*args: P.args, **named: P.kwargs) -> tuple[T, dict[Path, State]]:
            with noting() as files:
                return make(*args, **named), files

        cached = lru_cache(maxsize=maxsize)(noted)
        self._made: Callable[P, tuple[T, dict[Path, State]]] = cached
        self.forget = cached.cache_clear  # make all results anew when they are asked for
        update_wrapper(self, make)

    def __call__(self, *args: P.args, **named: P.kwargs) -> T:
        value, files = self._made(*args, **named)
        if changed(files):
            self.forget()
            value, files = self._made(*args, **named)
        note(*files)
        return value


def kept_while_unchanged(maxsize: int) -> Callable[[Callable[P, T]], Kept[P, T]]:
    """Keep so many results of a function; its arguments can be hashed, and it says what it reads by `note`."""
    return lambda make: Kept(make, maxsize)


def state(file: Path) -> State:
    """How a file is now; None where there is none, or where that cannot be seen."""
    try:
        return visible_state(file)
    except OSError:
        return None


def visible_state(file: Path | str) -> State:
    """How a file is now; None where there is none. Raises OSError where that cannot be seen."""
    try:
        return state_in(os.stat(file))
    except (FileNotFoundError, NotADirectoryError):
        return None


def state_in(status: os.stat_result) -> State:
    """The state that the system's word on a file tells."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def digest(file: Path) -> str:
    """Hash of the content of a file; of one beyond 64 MB, of its size, its time of change and 64 pieces of it.

    Raises OSError where it cannot be read.
    """
    return _digest(file, state(file))


@lru_cache(maxsize=4096)
def _digest(file: Path, at: State) -> str:
    found = hashlib.sha256()
    with file.open("rb") as content:
        if at is None or at[1] <= LARGE:
            while piece := content.read(2**22):
                found.update(piece)
            return found.hexdigest()
        _, size, changed_at = at
        found.update(f"{size} {changed_at}".encode())
        for i in range(PIECES):
            content.seek(i * (size - PIECE) // (PIECES - 1))
            found.update(content.read(PIECE))
    return found.hexdigest()
