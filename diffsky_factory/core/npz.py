"""Arrays in npz files, read whole and as they were written, or not at all."""

import os
import zipfile
from pathlib import Path

import numpy as np

from diffsky_factory.core.errors import InputError

LAST_RECORD = 22  # bytes, of a zip file without a comment, as numpy writes it
NUMBER = slice(10, 12)  # of its bytes: how many members there are


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz file by name; raises InputError, naming it, where it is no such file or was damaged.

    Each is read to its last byte: its checksum is compared there, and with a header of fewer rows numpy stops before.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = {name.removesuffix(".npy"): _array(archive, name) for name in archive.namelist()}
        if len(found) != _number(path):
            raise ValueError(f"{len(found)} arrays, of {_number(path)}")
        return found
    except Exception as error:  # of as many kinds as what zipfile and numpy rely on can be wrong
        problem = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise InputError(f"{path}: cannot be read ({problem}); copy it again") from error


def _number(path: Path) -> int:
    """How many members there are by the last record of a zip file; a damaged list of them may be shorter."""
    with path.open("rb") as file:
        file.seek(-LAST_RECORD, os.SEEK_END)
        return int.from_bytes(file.read()[NUMBER], "little")


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as file:
        values = np.lib.format.read_array(file, allow_pickle=False)
        if file.read(1):
            raise ValueError(f"'{name}' has more bytes than its header says")
    return values
