"""Tables of the filter curves of a set: a line of text for each point of a curve, every number to its last bit."""

import csv
from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.text_files import lines_of

HEADER = ["band", "wavelength", "transmission"]

Curves = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Wavelength (Angstrom) and transmission by band."""


def write_curves(path: Path, curves: Curves) -> None:
    """Write a table; numbers have as few digits as give the same float64 when read."""
    with open(path, "w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(HEADER)
        for band, curve in curves.items():
            lines.writerows((band, *point) for point in zip(*(values.tolist() for values in curve)))


def read_curves(path: Path) -> Curves:
    """The curves of a table; raises InputError, naming the file, where it cannot be read as one."""
    try:
        header, *lines = csv.reader(line.decode() for line in lines_of(path))
        if header != HEADER:
            raise ValueError(f"its first line is {','.join(header)!r}, not {','.join(HEADER)!r}")
        return {band: _columns(of_band) for band, of_band in groupby(lines, key=itemgetter(0))}
    except InputError:
        raise
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot be read as filter curves ({error}); restore it (reinstall diffsky_factory)"
        ) from error


def _columns(lines) -> tuple[np.ndarray, np.ndarray]:
    _, wavelength, transmission = zip(*lines, strict=True)
    return np.array(wavelength, np.float64), np.array(transmission, np.float64)
