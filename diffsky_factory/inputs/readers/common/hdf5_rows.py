"""Columns of HDF5 files by ranges of rows, with errors that name the file and the dataset."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.entries import near

if TYPE_CHECKING:
    import h5py

BLOCK = 1_000_000  # rows, chosen: of a column that is read for values here and there


@contextmanager
def opened(path: str | Path) -> Iterator["h5py.File"]:
    """An HDF5 file to read; raises InputError where it is none, or damaged, also while it is read."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path}: cannot be read as HDF5 ({error}); is the file complete? copy it again") from error


def is_hdf5(path: str | Path) -> bool:
    """Whether a file begins as HDF5 does."""
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


def group(file: "h5py.Group", name: str) -> "h5py.Group":
    """A group of a file or of a group; raises InputError where it is absent."""
    import h5py

    found = file.get(name)
    if not isinstance(found, h5py.Group):
        raise InputError(f"{file.file.filename}: no group {file.name.rstrip('/')}/{name}; {near(name, file)}")
    return found


def dataset(parent: "h5py.Group", name: str, rows: int | None = None) -> "h5py.Dataset":
    """A column of numbers in a group; raises InputError where it is absent, or not of so many rows."""
    import h5py

    found, place = parent.get(name), f"{parent.name.rstrip('/')}/{name}"
    if not isinstance(found, h5py.Dataset) or found.ndim == 0:
        raise InputError(f"{parent.file.filename}: no column {place}; {near(name, parent)}")
    if found.dtype.kind not in "iufb":
        raise InputError(f"{parent.file.filename}: column {place} is {found.dtype}, not numbers; is it the right file?")
    if rows is not None and len(found) != rows:
        raise InputError(
            f"{parent.file.filename}: column {place} has {len(found)} rows where others have {rows}; copy it again"
        )
    return found


def integers(values: np.ndarray, name: str, path: str | Path) -> np.ndarray:
    """Ids or row numbers as int64; raises InputError where they are stored as floats, or beyond 63 bits."""
    if values.dtype.kind not in "iu":
        raise InputError(f"{path}: column {name} is {values.dtype}: ids and links are integers; get the original file")
    if values.dtype.kind == "u" and len(values) and values.max() > np.iinfo(np.int64).max:
        raise InputError(f"{path}: column {name} has {values.max()}, which does not fit into 63 bits")
    return values.astype(np.int64)


def values_at(column: "h5py.Dataset", rows: np.ndarray) -> np.ndarray:
    """Values of a column in some rows, in any order, of which at most a million are held at a time."""
    wanted, place = np.unique(rows, return_inverse=True)
    found = np.empty(len(wanted), column.dtype)
    for block in np.unique(wanted // BLOCK):
        here = slice(*np.searchsorted(wanted, [block * BLOCK, (block + 1) * BLOCK]))
        first, last = int(wanted[here][0]), int(wanted[here][-1])
        found[here] = column[first : last + 1][wanted[here] - first]
    return found[place]


def refuse(path: str | Path, first: int, bad: np.ndarray, name: str, values: np.ndarray, problem: str) -> None:
    """Raise an InputError that names the row and value of the first bad row, if there is one; first: its number."""
    if np.any(bad):
        row = int(np.flatnonzero(bad)[0])
        raise InputError(f"{path}, row {first + row}: {name} = {values[row]}: {problem}")
