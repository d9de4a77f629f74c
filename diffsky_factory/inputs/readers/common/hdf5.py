"""HDF5 files of halos and of merger trees: opened, and columns read by rows, with errors that say which lacks what."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diffsky_factory.core.errors import InputError, near
from diffsky_factory.core.user_files import user_file
from diffsky_factory.inputs.readers.common.sizes import check_size

if TYPE_CHECKING:
    import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
BLOCK = 1_000_000  # rows, chosen: of a column that is read for values here and there


@contextmanager
def opened(path: str | Path) -> Iterator["h5py.File"]:
    """An HDF5 file to read; raises InputError where it is none, or damaged, also while it is read."""
    import h5py

    try:
        with h5py.File(user_file(path), "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        if isinstance(error, KeyError) and "nable to" not in str(error):
            raise  # "Unable to open object" is how the library says that a file is damaged; others are our own
        problem = " ".join(str(error).split())
        raise InputError(
            f"{path}: cannot be read as HDF5 ({problem}); is the file complete? copy the file again"
        ) from error


def is_hdf5(path: str | Path) -> bool:
    """Whether a file begins as HDF5 does."""
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


def holds(path: str | Path, *names: str) -> bool:
    """Whether a file is HDF5 and has groups or datasets of all these names; False for anything else."""
    if not is_hdf5(path):
        return False
    try:
        with opened(path) as file:
            return all(name in file for name in names)
    except InputError:
        return False


def group(parent: "h5py.Group", name: str) -> "h5py.Group":
    """A group of a file or of a group; raises InputError where it is absent."""
    import h5py

    found = parent.get(name)
    if not isinstance(found, h5py.Group):
        raise InputError(f"{parent.file.filename}: no group {_place(parent, name)}; {near(name, parent)}")
    return found


def is_dataset(parent: "h5py.Group", name: str) -> bool:
    """Whether a group has values of this name; a single reference or an empty one has none."""
    import h5py

    found = parent.get(name)
    return isinstance(found, h5py.Dataset) and found.ndim > 0


def dataset(parent: "h5py.Group", name: str, rows: int | None = None) -> "h5py.Dataset":
    """A column of numbers in a group, not read yet; raises InputError where it is absent, or not of so many rows."""
    path, place = parent.file.filename, _place(parent, name)
    if not is_dataset(parent, name):
        raise InputError(f"{path}: no column {place}; {near(name, parent)}")
    found = parent[name]
    if _type(found).kind not in "iufb":
        raise InputError(f"{path}: column {place} is {found.dtype}, not numbers; is it the right file?")
    if rows is not None and len(found) != rows:
        raise InputError(f"{path}: column {place} has {len(found)} rows where others have {rows}; copy it again")
    check_values(found)
    return found


def texts(parent: "h5py.Group", name: str) -> tuple[str, ...]:
    """The texts of a list in a group; raises InputError where it is absent, or of something else."""
    path, place = parent.file.filename, _place(parent, name)
    found = parent[name] if is_dataset(parent, name) else None
    if found is None or _type(found).kind not in "SO" or found.ndim != 1:
        raise InputError(f"{path}: no list of texts {place}; copy it again")
    check_values(found)
    try:
        return tuple(text.decode() if isinstance(text, bytes) else str(text) for text in found[()])
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {place} has a text that is not UTF-8 ({error}); copy it again") from error


def _type(found: "h5py.Dataset") -> np.dtype:
    """The type of the values; raises InputError for one that damage made, and numpy has not."""
    try:
        return found.dtype
    except (ValueError, TypeError) as error:
        path = found.file.filename
        raise InputError(f"{path}: {found.name} has values of no known type ({error}); copy the file again") from error


def check_values(found: "h5py.Dataset") -> None:
    """Raise InputError for a dataset of more values than its file can hold; one whose values are elsewhere may be."""
    if not (found.is_virtual or found.external):
        check_size(found.file.filename, f"column {found.name}", found.nbytes, found.file.id.get_filesize())


def _place(parent: "h5py.Group", name: str) -> str:
    return f"{parent.name.rstrip('/')}/{name}"


def values_at(column: "h5py.Dataset", rows: np.ndarray) -> np.ndarray:
    """Values of a column in some rows, in any order, of which at most a million are held at a time."""
    wanted, place = np.unique(rows, return_inverse=True)
    found = np.empty(len(wanted), column.dtype)
    for block in np.unique(wanted // BLOCK):
        here = slice(*np.searchsorted(wanted, [block * BLOCK, (block + 1) * BLOCK]))
        first, last = int(wanted[here][0]), int(wanted[here][-1])
        found[here] = column[first : last + 1][wanted[here] - first]
    return found[place]


def blocks(rows: int, size: int) -> Iterator[slice]:
    """Ranges of rows of at most a size, in order."""
    return (slice(first, min(first + size, rows)) for first in range(0, rows, size))


def refuse(path: str | Path, first: int, bad: np.ndarray, name: str, values: np.ndarray, problem: str) -> None:
    """Raise an InputError that names the row and value of the first bad row, if there is one; first: its number."""
    if np.any(bad):
        row = int(np.flatnonzero(bad)[0])
        raise InputError(f"{path}, row {first + row}: {name} = {values[row]}: {problem}")
