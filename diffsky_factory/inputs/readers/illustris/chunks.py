"""Chunks of an Illustris or TNG group catalogue (HDF5): headers, and where each group and subhalo lies.

Format: Nelson et al. 2015, Astronomy and Computing 13, 12; Nelson et al. 2019, ComAC 6, 2, section 3. Groups and
subhalos are numbered through all chunks; a group and its subhalos may lie in different ones.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common.hdf5 import opened

COUNTS = "Ngroups_ThisFile", "Nsubgroups_ThisFile", "Ngroups_Total", "Nsubgroups_Total", "NumFiles"
NUMBERS = "BoxSize", "HubbleParam", "Omega0", "OmegaLambda", "Redshift", "Time"
SIZES = {"Group": "Ngroups_ThisFile", "Subhalo": "Nsubgroups_ThisFile"}


class Chunks(NamedTuple):
    """All chunks of a catalogue, in order."""

    paths: tuple[Path, ...]
    header: dict[str, float]  # of the first
    first: dict[str, np.ndarray]  # "Group", "Subhalo" -> number of the first one of each chunk, and their total
    fields: dict[str, frozenset[str]]  # "Group", "Subhalo" -> names in every chunk that has any

    def read(self, kind: str, first: int, last: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Rows first to last (not included) of the numbering through all chunks, in the units of the file.

        Raises InputError, naming the file, where a column is absent, cut short or not finite.
        """
        starts = self.first[kind]
        parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for chunk in range(len(self.paths)):
            low, high = max(first, starts[chunk]), min(last, starts[chunk + 1])
            if low < high:
                with opened(self.paths[chunk]) as file:
                    for name in names:
                        rows = slice(int(low - starts[chunk]), int(high - starts[chunk]))
                        parts[name].append(_column(self.paths[chunk], file, f"{kind}/{name}", rows))
        return {name: np.concatenate(values) for name, values in parts.items()}


def _column(path: Path, file: Any, name: str, rows: slice) -> np.ndarray:
    if name not in file:
        raise InputError(f"{path}: no column {name}; give group catalogues with all of their columns")
    values = file[name][rows]
    if len(values) != rows.stop - rows.start:
        raise InputError(f"{path}: {name} has {file[name].shape[0]} rows, fewer than the header says; copy it again")
    if not np.all(np.isfinite(values)):
        row = rows.start + int(np.argwhere(~np.isfinite(values))[0][0])
        raise InputError(f"{path}: {name} of row {row} is not finite; copy the file again")
    return values


def open_chunks(paths: Sequence[Path], used: Mapping[str, Sequence[str]]) -> Chunks:
    """The headers of all chunks, checked against each other.

    used : "Group", "Subhalo" -> columns whose lengths must be those of the header, where there are such columns
    """
    paths = sorted(map(Path, paths), key=_number)
    headers, fields = zip(*(_header(path, used) for path in paths), strict=True)
    _check_together(paths, headers)
    first = {
        kind: np.cumsum([0, *(int(header[count]) for header in headers)], dtype=np.int64)
        for kind, count in SIZES.items()
    }
    common = {
        kind: frozenset.intersection(*(field[kind] for field, header in zip(fields, headers) if header[count] > 0))
        if first[kind][-1] > 0
        else frozenset()
        for kind, count in SIZES.items()
    }
    return Chunks(tuple(paths), headers[0], first, common)


def _number(path: Path) -> int:
    """Of the chunk, in names as `fof_subhalo_tab_099.12.hdf5`."""
    found = re.search(r"\.(\d+)\.hdf5$", Path(path).name)
    return int(found[1]) if found else 0


def _header(path: Path, used: Mapping[str, Sequence[str]]) -> tuple[dict[str, float], dict[str, frozenset[str]]]:
    with opened(path) as file:
        attributes: Mapping[str, Any] = file["Header"].attrs if "Header" in file else {}
        absent = [name for name in (*COUNTS, *NUMBERS) if name not in attributes]
        if absent:
            raise InputError(
                f"{path}: the header has no {', '.join(absent)}; give a group catalogue, as it is published"
            )
        header = {name: float(np.ravel(attributes[name])[0]) for name in (*COUNTS, *NUMBERS)}
        fields = {kind: frozenset(file[kind]) if kind in file else frozenset() for kind in SIZES}
        for kind, count in SIZES.items():
            present = fields[kind].intersection(used[kind])
            wrong = [name for name in sorted(present) if file[kind][name].shape[0] != header[count]]
            if wrong:
                found = file[kind][wrong[0]].shape[0]
                raise InputError(
                    f"{path}: {kind}/{wrong[0]} has {found} rows, the header says {count} = {header[count]:.0f}; copy "
                    "the file again"
                )
    return header, fields


def _check_together(paths: Sequence[Path], headers: Sequence[dict[str, float]]) -> None:
    """All chunks are there, once, and are of one snapshot."""
    first = headers[0]
    for path, header in zip(paths, headers, strict=True):
        for name in (*NUMBERS, "NumFiles", "Ngroups_Total", "Nsubgroups_Total"):
            if header[name] != first[name]:
                raise InputError(
                    f"{path}: {name} is {header[name]:g}, in {paths[0]} it is {first[name]:g}; give one snapshot"
                )
    numbers = [_number(path) for path in paths]
    missing = sorted(set(range(int(first["NumFiles"]))) - set(numbers))
    if missing or len(numbers) != first["NumFiles"]:
        which = f"chunk {missing[0]} is missing" if missing else f"there are {len(numbers)} files"
        raise InputError(
            f"{paths[0].parent}: {which}, of {first['NumFiles']:.0f} chunks; hosts may lie in any: download all"
        )
    for count, total in (("Ngroups_ThisFile", "Ngroups_Total"), ("Nsubgroups_ThisFile", "Nsubgroups_Total")):
        found = sum(header[count] for header in headers)
        if found != first[total]:
            raise InputError(f"{paths[0]}: {total} = {first[total]:.0f}, the chunks have {found:.0f}; copy them again")
