"""HDF5 files of merger trees: opened, and their datasets read, with errors that say which file lacks what."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory.core.errors import InputError

SIGNATURE = b"\x89HDF\r\n\x1a\n"


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """An HDF5 file to read; raises InputError where it is none, is truncated, or breaks off while it is read."""
    import h5py

    try:
        with h5py.File(path) as file:
            yield file
    except OSError as error:
        raise InputError(f"{path}: cannot be read as HDF5 ({error}); copy the file again") from error


def holds(path: Path, *names: str) -> bool:
    """Whether a file is HDF5 and has groups or datasets of all these names; False for anything else."""
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        if file.read(len(SIGNATURE)) != SIGNATURE:
            return False
    try:
        with opened(path) as file:
            return all(name in file for name in names)
    except InputError:
        return False


def dataset(group: Any, name: str, path: Path) -> Any:
    """A dataset with values, not read yet; raises InputError where there is none."""
    if not is_dataset(group, name):
        there = sorted(known for known in group if is_dataset(group, known))
        raise InputError(f"{path}: {group.name} has no dataset {name!r}, but {', '.join(there)}; restore it")
    return group[name]


def is_dataset(group: Any, name: str) -> bool:
    """Whether a group has values of this name; a single reference or an empty one has none."""
    import h5py

    return name in group and isinstance(group[name], h5py.Dataset) and group[name].ndim > 0


def integers(values: np.ndarray, name: str, path: Path) -> np.ndarray:
    """Ids as int64 of this machine; raises InputError where the file holds them as other numbers."""
    if values.dtype.kind not in "iu":
        raise InputError(f"{path}: {name} holds {values.dtype}, and ids must be integers; copy it from the original")
    return values.astype(np.int64)


def blocks(rows: int, size: int) -> Iterator[slice]:
    """Ranges of rows of at most a size, in order."""
    return (slice(first, min(first + size, rows)) for first in range(0, rows, size))
