"""Which files a light cone of HACC cores consists of, and how much of the sky its patches cover.

Format: `lc_cores-<step>.<patch>.hdf5`, beside it `lc_cores-<step>.<patch>.diffsky_data.hdf5`, and for all
`lc_cores-decomposition.txt`.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.text_files import lines_of

CORES = r"lc_cores-(\d+)\.(\d+)\.hdf5"
DECOMPOSITION = "lc_cores-decomposition.txt"
BESIDE = ".diffsky_data.hdf5"


class Patch(NamedTuple):
    """One shell of one patch of the sky."""

    path: Path
    beside: Path | None  # fits and masses, where they are in a file of their own
    step: int
    number: int


def patches(files: Sequence[Path]) -> tuple[Patch, ...]:
    """The patches among some files, with what lies beside them, in the order of step and patch.

    Raises InputError for a file of another kind, and where a step lacks a patch that another step has.
    """
    by_name = {Path(path).name: Path(path) for path in files}
    found = []
    for path in map(Path, files):
        match = re.fullmatch(CORES, path.name)
        if match:
            name = path.name.removesuffix(".hdf5") + BESIDE
            beside = by_name.get(name, path.with_name(name))
            found.append(Patch(path, beside if beside.is_file() else None, int(match[1]), int(match[2])))
        elif not path.name.endswith(BESIDE) and path.name != DECOMPOSITION:
            raise InputError(f"{path}: no file of a light cone of cores, such as lc_cores-<step>.<patch>.hdf5")
    if not found:
        raise InputError(f"no lc_cores-<step>.<patch>.hdf5 among {len(files)} files; name them in the entry")
    _refuse_gaps(found)
    return tuple(sorted(found, key=lambda patch: (patch.step, patch.number)))


def _refuse_gaps(found: list[Patch]) -> None:
    every = {patch.number for patch in found}
    for step in sorted({patch.step for patch in found}):
        absent = sorted(every - {patch.number for patch in found if patch.step == step})
        if absent:
            raise InputError(
                f"{found[0].path.with_name(f'lc_cores-{step}.{absent[0]}.hdf5')}: there is no such file, though other "
                f"steps have patch {absent[0]}; get it, or take the patch from all steps"
            )


def decomposition(files: Sequence[Path]) -> Path | None:
    """The file of the decomposition, among some files or beside the first; None where there is none."""
    given = [Path(path) for path in files if Path(path).name == DECOMPOSITION]
    beside = Path(files[0]).with_name(DECOMPOSITION)
    return given[0] if given else beside if beside.is_file() else None


def regions_of(path: Path, numbers: Sequence[int]) -> list[dict]:
    """Some patches, as regions; raises InputError, naming the line, for one that is not understood or absent."""
    lines = [line.decode("utf-8", "replace").rstrip("\n") for line in lines_of(path)]
    regions = {}
    for number, line in enumerate(lines[1:], start=2):
        words = re.sub(r"[\[\],]", " ", line).split()
        if not words:
            continue
        try:
            patch, low, high, left, right = int(words[0]), *map(float, words[1:])
            ra, dec = np.rad2deg([left, right]), 90.0 - np.rad2deg([high, low])
            regions[patch] = {"rectangle": {"ra": ra.clip(0.0, 360.0).tolist(), "dec": dec.clip(-90.0, 90.0).tolist()}}
            good = 0.0 <= low < high <= 3.1416 and -1e-5 <= left < right <= 6.2832
        except ValueError:
            good = False
        if not good:
            raise InputError(f"{path}, line {number}: not '<patch> [theta, theta] [phi, phi]' in radians: {line!r}")
    absent = sorted(set(numbers) - set(regions))
    if absent:
        raise InputError(f"{path}: no line of patch {absent[0]}; is it the decomposition of these files?")
    return [regions[number] for number in sorted(set(numbers))]


def turned(patch: dict) -> dict:
    """A patch turned by half a circle around the pole."""
    low, high = patch["rectangle"]["ra"]
    if high - low >= 360.0:
        return patch
    return {"rectangle": {**patch["rectangle"], "ra": [(low + 180.0) % 360.0, (high + 180.0) % 360.0 or 360.0]}}
