"""Reader of SubLink merger trees of Illustris and IllustrisTNG: `tree_extended.<k>.hdf5`.

Source: Rodriguez-Gomez et al. 2015, MNRAS 449, 49; data release of IllustrisTNG (Nelson et al. 2019, ComAC 6, 2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common.hdf5 import dataset, holds, opened
from diffsky_factory.inputs.readers.common.ids import integers
from diffsky_factory.inputs.readers.reader import Piece
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry, agreed, agreed_cosmology, require_box
from diffsky_factory.inputs.trees.forest import (
    NODES_PER_PIECE,
    PLACE_AND_MOTION,
    Forest,
    checked_forest,
    cosmic_time,
    in_box,
    log10_of,
)
from diffsky_factory.inputs.trees.numbered import check_numbers
from diffsky_factory.sky.cosmology import Cosmology

FORMAT = "sublink"
IDS = ("SubhaloID", "DescendantID", "FirstProgenitorID", "FirstSubhaloInFOFGroupID", "TreeID", "SnapNum")
VALUES = ("SubhaloPos", "SubhaloVel", "SubhaloMass", "SubhaloVmax")
NUMBERED = r"tree_extended\.(\d+)\.hdf5"
MASS_UNIT = 1e10  # Msun/h
NUMBERS_PER_READ = 1 << 20  # chosen: 8 MB of tree numbers in search of the end of a tree


def recognises(path: Path) -> bool:
    """Whether a file is a part of SubLink trees."""
    return holds(path, "SubhaloID", "LastProgenitorID", "DescendantID", "TreeID", "FirstSubhaloInFOFGroupID")


@dataclass(frozen=True)
class SubLink:
    """Merger trees of subhalos; the host is the first subhalo of the group, the main progenitor the first one.

    The files tell neither cosmology nor box nor times: the entry must state h, box_size and `steps`, number of the
    snapshot -> scale factor. Masses are bound masses, of all particles (SubhaloMass). Where the entry names a mass of
    groups for log10_halo_mass (Group_M_TopHat200, ..), hosts have that one, and SubhaloMass where it is 0: as the
    largest mass so far of a satellite is from when it was a host, it is then of the same definition.
    """

    files: tuple[Path, ...]
    entry: SimulationEntry

    def __post_init__(self):
        check_numbers(self.files, NUMBERED, self.entry)
        for path in self.files:
            with opened(path) as file:
                n = len(dataset(file, "SubhaloID"))
                for name in (*IDS, *VALUES, self._mass):
                    dataset(file, name, n)
        require_box(self.entry, self.files[0], "snapshot")

    @property
    def _mass(self) -> str:
        return str(self.entry.columns.get("log10_halo_mass", "SubhaloMass"))

    @cached_property
    def cosmology(self) -> Cosmology:
        """Of the entry."""
        return agreed_cosmology(self.entry, {}, self.files[0])

    @property
    def box_size(self) -> float:
        """Side [Mpc] of the entry."""
        return agreed("box size", self.entry.box_size, None, self.files[0])

    @property
    def columns(self) -> Mapping[str, type]:
        """Place, motion and largest circular velocity."""
        return {**PLACE_AND_MOTION, "halo_vmax": np.float64}

    @property
    def attributes(self) -> dict[str, Any]:
        """Name, mass definition and box."""
        return {
            "name": self.entry.title or self.entry.name or "SubLink trees",
            "mass_definition": self.entry.mass_definition or f"{self._mass}; of satellites SubhaloMass",
            "box_size": self.box_size,
        }

    @cached_property
    def scale_factor(self) -> np.ndarray:
        """(T,) of the entry's `steps`."""
        return np.sort(np.array(list(self.entry.steps.values())))

    @cached_property
    def time(self) -> np.ndarray:
        """(T,) [Gyr]."""
        return cosmic_time(self.cosmology, self.scale_factor)

    def pieces(self) -> Sequence[Piece]:
        """Ranges of rows, in which trees begin."""
        found = []
        for path in self.files:
            with opened(path) as file:
                n = len(file["SubhaloID"])
            found += [Piece(str(path), *rows) for rows in pairwise([*range(0, n, NODES_PER_PIECE), n])]
        return found

    def read(self, piece: Piece) -> Forest:
        """The trees that begin in a range of rows."""
        path = Path(piece.file)
        with opened(path) as file:
            rows = slice(*(_next_tree(file["TreeID"], row) for row in (piece.first, piece.last)))
            read = {name: dataset(file, name)[rows] for name in {*IDS, *VALUES, self._mass}}
        read |= {name: integers(read[name], name, path) for name in IDS}
        h, host_id = self.cosmology.h, read["FirstSubhaloInFOFGroupID"]
        host_id = np.where(host_id == -1, read["SubhaloID"], host_id)
        forest = Forest(
            node_id=read["SubhaloID"],
            descendant_id=read["DescendantID"],
            host_id=host_id,
            step=self._steps(read["SnapNum"], path),
            log10_mass=log10_of(self._masses(read, host_id) * (MASS_UNIT / h)),
            position=in_box(read["SubhaloPos"].astype(np.float64) / (1000.0 * h), self.box_size, path),  # ckpc/h
            velocity=read["SubhaloVel"].astype(np.float64),
            is_main=_is_main(read),
            columns={"halo_vmax": read["SubhaloVmax"].astype(np.float64)},
        )
        return checked_forest(forest, len(self.scale_factor), path)

    def _masses(self, read: dict[str, np.ndarray], host_id: np.ndarray) -> np.ndarray:
        """(n,) in the unit of the file: of satellites, and where the group has none, the bound one."""
        bound, mass = (read[name].astype(np.float64) for name in ("SubhaloMass", self._mass))
        if not self._mass.startswith("Group"):
            return mass
        return np.where((host_id == read["SubhaloID"]) & (mass > 0.0), mass, bound)

    def _steps(self, snapshot: np.ndarray, path: Path) -> np.ndarray:
        """(n,) number among the snapshots of the entry."""
        known = np.array(sorted(self.entry.steps, key=lambda step: self.entry.steps[step]))
        order = np.argsort(known)
        at = order[np.minimum(np.searchsorted(known[order], snapshot), len(known) - 1)]
        if (known[at] != snapshot).any():
            raise InputError(
                f"{path}: has snapshot {snapshot[known[at] != snapshot][0]}; add it to `steps` of the entry"
            )
        return at


def _is_main(read: dict[str, np.ndarray]) -> np.ndarray:
    """(n,) bool: the first progenitor of its descendant."""
    first = np.sort(read["FirstProgenitorID"])
    at = np.minimum(np.searchsorted(first, read["SubhaloID"]), max(len(first) - 1, 0))
    return first[at] == read["SubhaloID"] if len(first) else np.zeros(0, bool)


def _next_tree(tree: Any, row: int) -> int:
    """The first row at or after a row at which a tree begins; the number of rows if there is none."""
    if row == 0:
        return 0
    before = tree[row - 1] if row <= len(tree) else None
    for first in range(row, len(tree), NUMBERS_PER_READ):
        other = tree[first : first + NUMBERS_PER_READ] != before
        if other.any():
            return first + int(np.argmax(other))
    return len(tree)
