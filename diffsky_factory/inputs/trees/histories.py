"""Histories of the objects of a forest: mass, place, motion and host at every snapshot, for fits and for infalls."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.trees.branches import Branches, at_rows, branches_at, matrix_rows
from diffsky_factory.inputs.trees.forest import Forest, ForestReader
from diffsky_factory.inputs.trees.infalls import Infalls, infalls
from diffsky_factory.inputs.trees.links import Links, largest_along, link
from diffsky_factory.sky.cosmology import Cosmology

NO_MASS = "halos without a mass"


class Histories(NamedTuple):
    """Objects by snapshots; NaN, or -1 for ids, where an object is not seen."""

    halo_id: np.ndarray  # (objects,) int64
    present: np.ndarray  # (objects, T) bool
    log10_mass: np.ndarray  # (objects, T) dex(Msun), as found: not a running maximum
    position: np.ndarray | None  # (objects, T, 3) Mpc, comoving
    velocity: np.ndarray | None  # (objects, T, 3) km/s, peculiar, physical
    host_id: np.ndarray  # (objects, T) node id of the host on top; the own node's for hosts


class Objects(NamedTuple):
    """A forest as seen at one snapshot: what follows from its links."""

    forest: Forest
    links: Links
    branches: Branches
    infalls: Infalls
    log10_peak_mass: np.ndarray  # (n,) of every node: the largest mass of its main branch so far


def objects_at(forest: Forest, step: int, *, ended: bool = False, source: object = "the forest") -> Objects:
    """Objects of a forest at a snapshot and, with `ended`, those that are seen only before; see `branches_at`."""
    links = link(forest, source)
    return seen_at(forest, links, step, largest_along(forest.log10_mass, links.progenitor), ended=ended)


def seen_at(forest: Forest, links: Links, step: int, peak: np.ndarray, *, ended: bool = False) -> Objects:
    """The same from links and largest masses, which are those of every snapshot."""
    branches = branches_at(forest, links, step, ended=ended)
    return Objects(forest, links, branches, infalls(forest, links, branches), peak)


def histories(objects: Objects, steps: int) -> Histories:
    """Mass, position, velocity and host of every object at each of the snapshots."""
    forest, links = objects.forest, objects.links
    rows = matrix_rows(forest, objects.branches, steps)
    return Histories(
        halo_id=_names(forest)[objects.branches.last],
        present=rows >= 0,
        log10_mass=at_rows(forest.log10_mass, rows),
        position=None if forest.position is None else at_rows(forest.position, rows),
        velocity=None if forest.velocity is None else at_rows(forest.velocity, rows),
        host_id=at_rows(forest.node_id[links.top], rows, -1),
    )


def object_columns(objects: Objects, time: np.ndarray) -> dict[str, np.ndarray]:
    """What is known of each object at the snapshot, by the names of `schemas/columns`, one value per object.

    simulation_halo_id, simulation_host_halo_id, simulation_penultimate_host_halo_id : a lost host's as it is given
    x, y, z : Mpc; vx, vy, vz : km/s; halo_scale_radius : Mpc, where the product has them
    log10_halo_mass, log10_halo_mass_now : dex(Msun), the largest so far and the present one
    infall_time, penultimate_infall_time : Gyr; of a host: the time of the snapshot
    log10_{halo,host}_mass_at_{infall,penultimate_infall} : dex(Msun), the largest so far; of a host: its own
    """
    forest, last, found = objects.forest, objects.branches.last, objects.infalls
    peak = objects.log10_peak_mass
    columns = {
        **_id_columns(objects),
        **_vectors(forest, last),
        "log10_halo_mass": peak[last],
        "log10_halo_mass_now": forest.log10_mass[last],
    }
    if forest.scale_radius is not None:
        columns["halo_scale_radius"] = forest.scale_radius[last]
    infall_nodes = {
        "infall": (found.node, found.host_node),
        "penultimate_infall": (found.first_node, found.first_host_node),
    }
    for when, (node, host_node) in infall_nodes.items():
        columns[f"{when}_time"] = time[forest.step[node]]
        columns[f"log10_halo_mass_at_{when}"] = peak[node]
        columns[f"log10_host_mass_at_{when}"] = peak[host_node]
    return {**columns, **{name: values[last] for name, values in forest.columns.items()}}


def _names(forest: Forest) -> np.ndarray:
    """(n,) what the simulation calls the object that a node is."""
    return forest.node_id if forest.halo_id is None else forest.halo_id


def _id_columns(objects: Objects) -> dict[str, np.ndarray]:
    forest, links, last, found = objects.forest, objects.links, objects.branches.last, objects.infalls
    names = _names(forest)
    lost = ~links.host_found[last] & ~objects.branches.ended
    given = forest.host_id[links.top[last]]
    return {
        "simulation_halo_id": names[last],
        "simulation_host_halo_id": np.where(lost, given, names[last[found.host]]),
        "simulation_penultimate_host_halo_id": np.where(lost, given, names[last[found.first_host]]),
    }


def _vectors(forest: Forest, rows: np.ndarray) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    for names, values in ((("x", "y", "z"), forest.position), (("vx", "vy", "vz"), forest.velocity)):
        if values is not None:
            columns |= {name: np.ascontiguousarray(values[rows, axis]) for axis, name in enumerate(names)}
    return columns


@dataclass(frozen=True)
class ForestHistories:
    """The histories of all objects of a simulation, piece by piece: what `fit_histories` takes.

    forests : the merger trees
    step : snapshot, an index into `time`, at which objects are taken; None: the last
    ended : also those that are seen only before it: they have merged, or were lost
    """

    forests: ForestReader
    step: int | None = None
    ended: bool = False

    def __post_init__(self):
        snapshots = len(self.forests.time)
        if self.step is not None and not -snapshots <= self.step < snapshots:
            raise InputError(f"{self.forests.files[0]}: has no snapshot {self.step}, there are {snapshots}; give one")

    @property
    def cosmology(self) -> Cosmology:
        """The cosmology of the simulation."""
        return self.forests.cosmology

    @cached_property
    def time(self) -> np.ndarray:
        """(T,) cosmic time [Gyr] of the snapshots up to the chosen one, ascending."""
        return self.forests.time[: self._step + 1]

    @cached_property
    def scale_factor(self) -> np.ndarray:
        """(T,) of the same snapshots."""
        return self.forests.scale_factor[: self._step + 1]

    @property
    def attributes(self) -> dict:
        """What a store made from it says of it."""
        return {**self.forests.attributes, "scale_factor": float(self.scale_factor[-1])}

    @property
    def _step(self) -> int:
        return range(len(self.forests.time))[-1 if self.step is None else self.step]

    @cached_property
    def pieces(self) -> tuple[int, ...]:
        """Number of histories of each piece, those of the forests; all are read for it, once."""
        return tuple(len(self.read(number)["halo_id"]) for number in range(len(self.forests.pieces())))

    def read(self, number: int) -> dict[str, np.ndarray]:
        """One piece by its number: a value, or a history, per object that has a mass.

        halo_id : (n,) int64, the simulation's id of the object; of one that has ended, of its last node
        log10_halo_mass_history : (n, T) dex(Msun), as found: NaN where it is not seen, not a running maximum
        has_ended : (n,) bool, with `ended` only: it is not there at the snapshot
        and the columns of `object_columns`
        """
        piece = self.forests.pieces()[number]
        forest = self.forests.read(piece)
        objects = objects_at(forest, self._step, ended=self.ended, source=piece.file)
        columns = object_columns(objects, self.forests.time)
        rows = matrix_rows(forest, objects.branches, len(self.time))
        found = {
            "halo_id": columns.pop("simulation_halo_id"),
            "log10_halo_mass_history": at_rows(forest.log10_mass, rows),
            **columns,
        }
        if self.ended:
            found["has_ended"] = objects.branches.ended
        return with_mass(found)[0]


MASSES = (
    *("log10_halo_mass", "log10_halo_mass_now", "log10_halo_mass_at_infall", "log10_host_mass_at_infall"),
    *("log10_halo_mass_at_penultimate_infall", "log10_host_mass_at_penultimate_infall"),
)
"""Columns of `object_columns` that are masses: one number of each object, which an object that is kept must have."""


def with_mass(columns: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """The objects that have all of MASSES that are among the columns, and how many do not."""
    has_mass = np.isfinite([columns[name] for name in MASSES if name in columns]).all(axis=0)
    lacking = int(np.count_nonzero(~has_mass))
    kept = dict(columns) if not lacking else {name: values[has_mass] for name, values in columns.items()}
    return kept, {NO_MASS: lacking} if lacking else {}
