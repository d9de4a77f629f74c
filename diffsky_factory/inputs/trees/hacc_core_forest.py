"""Reader of HACC core forests, `m000p.coreforest.<i>.hdf5`, with fits of their histories where there are some.

Source: layout of the core forests of the HACC simulations (Sultan et al. 2021, ApJ 913, 109; Rangel et al. 2020,
arXiv:2008.08519) and of the fits that diffsky makes of them, `subvol_<i>_diffmah_fits.hdf5`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.user_files import user_path
from diffsky_factory.inputs.readers.common.hdf5 import blocks, dataset, group, holds, opened
from diffsky_factory.inputs.readers.common.ids import integers
from diffsky_factory.inputs.readers.reader import Piece
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry, agreed, agreed_cosmology, require_box
from diffsky_factory.inputs.trees.forest import (
    NODES_PER_PIECE,
    NONE,
    PLACE_AND_MOTION,
    Forest,
    checked_forest,
    cosmic_time,
    in_box,
    log10_of,
)
from diffsky_factory.inputs.trees.galacticus_forest import grouped
from diffsky_factory.inputs.trees.numbered import check_numbers
from diffsky_factory.physics.halos.growth import HaloGrowth
from diffsky_factory.sky.cosmology import Cosmology

FORMAT = "hacc_core_forest"
IDS = ("core_tag", "host_core", "snapnum", "central")
VALUES = ("infall_tree_node_mass", "x", "y", "z", "vx", "vy", "vz")
NUMBERED = r".*coreforest\.(\d+)\.hdf5"
FITS = "subvol_{}_diffmah_fits.hdf5"
NO_FIT = -99.0  # in all parameters of a core that was not fitted
LARGEST_ID = 2**63 - 1


def recognises(path: Path) -> bool:
    """Whether a file is a core forest."""
    return holds(path, "data/core_tag", "data/host_core", "data/snapnum", "index/root_idx")


@dataclass(frozen=True)
class HaccCoreForest:
    """Cores of a HACC simulation through time; a core is one object, named by its tag, and keeps it when it merges.

    The node of a core at a snapshot has the id core_tag * T + number of the snapshot. Mass is infall_tree_node_mass: a
    host's own, a satellite's as it was at infall. Cores that have merged stay satellites of the halo they are in.
    The files tell neither cosmology nor box nor times: the entry must state h, box_size and `steps`, number of the
    simulation's step -> scale factor, all that the files have.

    Options of the entry
        diffmah_fits : folder of subvol_<i>_diffmah_fits.hdf5; by default that of the files. Masses in them are Msun/h.
    """

    files: tuple[Path, ...]
    entry: SimulationEntry

    def __post_init__(self):
        check_numbers(self.files, NUMBERED, self.entry)
        for path in self.files:
            with opened(path) as file:
                data = group(file, "data")
                n = len(dataset(data, "core_tag"))
                for name in (*IDS, *VALUES):
                    dataset(data, name, n)
                _roots(file, path)
        require_box(self.entry, self.files[0], "step")
        with_fits = [path for path in self.files if self._fits_of(path).is_file()]
        if with_fits and len(with_fits) < len(self.files):
            lacking = next(path for path in self.files if path not in with_fits)
            raise InputError(
                f"{lacking}: has no fits {self._fits_of(lacking)}, others have; add them, or take all away"
            )

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
        """Place and motion, and fits where there are some."""
        fitted = {"fitted_mah_parameters": np.float64, "has_mah_fit": np.bool_}
        return {**PLACE_AND_MOTION, **(fitted if self._fits_of(self.files[0]).is_file() else {})}

    @property
    def attributes(self) -> dict[str, Any]:
        """Name, mass definition and box."""
        return {
            "name": self.entry.title or self.entry.name or "HACC core forest",
            "mass_definition": self.entry.mass_definition or "mass of the tree node, friends of friends",
            "box_size": self.box_size,
        }

    @cached_property
    def scale_factor(self) -> np.ndarray:
        """(T,) of the entry's `steps`, in the order of which `snapnum` is the number."""
        scale_factor = np.array([self.entry.steps[step] for step in sorted(self.entry.steps)])
        if (np.diff(scale_factor) <= 0.0).any():
            raise InputError(f"entry '{self.entry.name}': scale factors do not rise with the steps; correct `steps`")
        return scale_factor

    @cached_property
    def time(self) -> np.ndarray:
        """(T,) [Gyr]."""
        return cosmic_time(self.cosmology, self.scale_factor)

    def pieces(self) -> Sequence[Piece]:
        """Ranges of rows of whole groups."""
        found = []
        for path in self.files:
            with opened(path) as file:
                edges = _roots(file, path)
            groups = grouped(np.diff(edges), NODES_PER_PIECE)
            found += [Piece(str(path), int(edges[first]), int(edges[last])) for first, last in groups]
        return found

    def read(self, piece: Piece) -> Forest:
        """The groups of one piece."""
        path, rows = Path(piece.file), slice(piece.first, piece.last)
        with opened(path) as file:
            read = {name: dataset(file["data"], name)[rows] for name in (*IDS, *VALUES)}
        read |= {name: integers(read[name], name, path) for name in IDS}
        tag, step, h = read["core_tag"], read["snapnum"], self.cosmology.h
        steps = len(self.scale_factor)
        if len(step) and not 0 <= step.min() <= step.max() < steps:
            raise InputError(f"{path}: has snapnum {step.max()}, the entry {steps} steps; give all in `steps`")
        largest = max(tag.max(initial=1), read["host_core"].max(initial=1))
        if tag.min(initial=1) < 1 or largest >= LARGEST_ID // steps:
            raise InputError(
                f"{path}: core tags from {tag.min()} to {largest}: only positive ones of 56 bits can be read"
            )
        own = (read["central"] == 1) | (read["host_core"] <= 0)
        velocity = np.stack([read[name] for name in ("vx", "vy", "vz")], axis=-1).astype(np.float64)
        position = np.stack([read[name] for name in "xyz"], axis=-1).astype(np.float64)
        forest = Forest(
            node_id=tag * steps + step,
            descendant_id=_descendants(tag, step, steps, path),
            host_id=np.where(own, tag, read["host_core"]) * steps + step,
            step=step,
            log10_mass=log10_of(read["infall_tree_node_mass"] / h),
            position=in_box(position / h, self.box_size, path),
            velocity=velocity * self.scale_factor[step][:, None],  # the files have dx/dt
            halo_id=tag,
            columns=self._fits(piece, tag),
        )
        return checked_forest(forest, steps, path)

    def _fits_of(self, path: Path) -> Path:
        """The file of fits that belongs to a core forest, whether or not it is there."""
        numbers = re.findall(r"\.(\d+)\.hdf5$", path.name)
        folder = user_path(self.entry.options.get("diffmah_fits", path.parent))
        return folder / FITS.format(numbers[0] if numbers else "")

    def _fits(self, piece: Piece, tag: np.ndarray) -> dict[str, np.ndarray]:
        """Fits of the cores of a piece, a copy for each node; empty where there are none."""
        path = Path(piece.file)
        fits = self._fits_of(path)
        if not fits.is_file():
            return dict(NONE)
        core = np.cumsum(np.append(True, tag[1:] != tag[:-1])) - 1 if len(tag) else tag
        first, n = self._core_of_row(path, piece.first), int(core[-1]) + 1 if len(core) else 0
        with opened(fits) as file:
            known = {name: dataset(file, name) for name in HaloGrowth._fields}
            lengths = {len(values) for values in known.values()}
            if lengths != {self._cores(path)[-1]}:
                raise InputError(f"{fits}: has {max(lengths)} rows for {self._cores(path)[-1]} cores of {path.name}")
            rows = np.stack([values[first : first + n] for values in known.values()], axis=-1).astype(np.float64)
        fitted = (rows != NO_FIT).all(axis=-1)
        rows[:, 0] -= np.log10(self.cosmology.h)  # logm0 in dex(Msun/h)
        rows = np.where(fitted[:, None], rows, np.array(HaloGrowth(), np.float64))
        return {"fitted_mah_parameters": rows[core], "has_mah_fit": fitted[core]}

    def _core_of_row(self, path: Path, row: int) -> int:
        """How many cores begin before a row at which a piece begins."""
        with opened(path) as file:
            edges = _roots(file, path)
        return int(self._cores(path)[np.searchsorted(edges, row)])

    def _cores(self, path: Path) -> np.ndarray:
        """(groups + 1,) number of cores before each group of a file; the last is that of all."""
        if path not in self._counted:
            self._counted[path] = _cores_before_groups(path)
        return self._counted[path]

    @cached_property
    def _counted(self) -> dict[Path, np.ndarray]:
        return {}


def _roots(file: Any, path: Path) -> np.ndarray:
    """(groups + 1,) first row of each group, and the number of rows; raises InputError where they do not ascend."""
    n = len(file["data"]["core_tag"])
    roots = dataset(group(file, "index"), "root_idx")[:].astype(np.int64)
    edges = np.append(roots, n)
    if edges[0] != 0 or (np.diff(edges) <= 0).any():
        raise InputError(f"{path}: root_idx does not rise from 0 to {n} rows; copy the file again")
    return edges


def _descendants(tag: np.ndarray, step: np.ndarray, steps: int, path: Path) -> np.ndarray:
    """(n,) the same core at its next snapshot, which is the row before; -1 at the last."""
    again = np.append(False, tag[1:] == tag[:-1])[: len(tag)]
    before = np.append(-1, step[:-1])[: len(tag)]
    if (again & (before <= step)).any():
        raise InputError(
            f"{path}: snapshots of core {tag[again & (before <= step)][0]} do not descend; restore the order"
        )
    return np.where(again, tag * steps + before, -1)


def _cores_before_groups(path: Path) -> np.ndarray:
    with opened(path) as file:
        edges, tags = _roots(file, path), file["data"]["core_tag"]
        counts, last = np.zeros(len(edges), np.int64), 0
        for rows in blocks(len(tags), NODES_PER_PIECE):
            tag = tags[rows]
            begins = rows.start + np.flatnonzero(np.append(tag[0] != last, tag[1:] != tag[:-1]))
            counts[1:] += np.bincount(np.searchsorted(edges, begins, side="right") - 1, minlength=len(edges))[:-1]
            last = tag[-1]
    return np.cumsum(counts)
