"""What a forest of merger trees is, what a reader of forests is, and what must hold of every forest."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.reader import Piece
from diffsky_factory.sky.boxes import wrapped
from diffsky_factory.sky.cosmology import Cosmology, age_64

NONE: Mapping = MappingProxyType({})
PLACE_AND_MOTION: Mapping[str, type] = dict.fromkeys(("x", "y", "z", "vx", "vy", "vz"), np.float64)
NODES_PER_PIECE = 1_000_000  # chosen: 0.1 GB of nodes; a larger forest is a piece by itself
MASS_RANGE = 3.0, 17.0  # dex(Msun), chosen: from 1e3 Msun to above any cluster; 1e10 Msun as unit falls out
SPEED_LIMIT = 3e4  # km/s, chosen: a tenth of the speed of light; nothing in a simulation is faster
OUTSIDE = 0.1  # of the box, chosen: halos stick out of it by their own motion, wrong units by their size
SAME_SCALE_FACTOR = 1e-4  # relative, chosen: snapshots are 5e-3 apart or more, printed with four digits or more


class Forest(NamedTuple):
    """Nodes of whole forests, in any order: a node is one halo or subhalo at one snapshot."""

    node_id: np.ndarray  # (n,) int64, unique in the simulation
    descendant_id: np.ndarray  # (n,) int64: the node it becomes or becomes part of, later; -1 at the end
    host_id: np.ndarray  # (n,) int64: node of the host at the same step, own for hosts; a host may have a host
    step: np.ndarray  # (n,) int64: index into the reader's `time`
    log10_mass: np.ndarray  # (n,) dex(Msun); NaN where the product has none
    position: np.ndarray | None = None  # (n, 3) Mpc, comoving, in [0, L)
    velocity: np.ndarray | None = None  # (n, 3) km/s, peculiar, physical
    scale_radius: np.ndarray | None = None  # (n,) Mpc, comoving
    is_main: np.ndarray | None = None  # (n,) bool: main progenitor of its descendant; None: the most massive one is
    halo_id: np.ndarray | None = None  # (n,) int64: the simulation's name of the object; None: node_id is
    columns: Mapping[str, np.ndarray] = NONE  # further ones of `schemas/columns`, a value per node
    dropped: Mapping[str, int] = NONE  # why -> how many nodes were left out


class ForestReader(Protocol):
    """Merger trees of one simulation, opened. Pieces may be read in any order, by anyone; each holds whole forests.

    Opening or reading raises InputError naming the file, what is wrong with it and what to do.
    """

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it reads."""

    @property
    def cosmology(self) -> Cosmology:
        """From the files where they have it, checked against the entry."""

    @property
    def box_size(self) -> float | None:
        """Side of the box [Mpc]; None where neither the files nor the entry tell."""

    @property
    def columns(self) -> Mapping[str, type]:
        """Name and type of what its nodes have besides links and masses: x, vx, .., halo_scale_radius, `columns`."""

    @property
    def attributes(self) -> dict[str, Any]:
        """What a catalogue made from it says of it: name, mass_definition, box_size; more."""

    @property
    def scale_factor(self) -> np.ndarray:
        """(T,) of all snapshots, ascending."""

    @property
    def time(self) -> np.ndarray:
        """(T,) cosmic time of the snapshots [Gyr]."""

    def pieces(self) -> Sequence[Piece]:
        """Its pieces; together they are the product. Some may turn out to hold no forest."""

    def read(self, piece: Piece) -> Forest:
        """The forests of one piece, converted."""


def cosmic_time(cosmology: Cosmology, scale_factor: np.ndarray) -> np.ndarray:
    """(T,) cosmic time [Gyr] at scale factors; 1.0001, as a sum of steps may end, counts as 1."""
    redshift = 1.0 / np.asarray(scale_factor, float) - 1.0
    return age_64(cosmology, np.maximum(redshift, 0.0))


def distinct(scale_factor: np.ndarray) -> np.ndarray:
    """Scale factors of snapshots, ascending, each once; values within 1e-4 of each other are the same one."""
    values = np.unique(np.asarray(scale_factor, float))
    first = np.append(True, np.diff(values) > SAME_SCALE_FACTOR * values[1:]) if len(values) else np.zeros(0, bool)
    return values[first]


def steps_of(scale_factor: np.ndarray, known: np.ndarray, source: object) -> np.ndarray:
    """(n,) index of each node's snapshot among the known scale factors; raises InputError for one that is not there."""
    right = np.clip(np.searchsorted(known, scale_factor), 1, max(len(known) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(known) - 1)
    nearer = np.abs(known[right] - scale_factor) < np.abs(known[left] - scale_factor)
    step = np.where(nearer, right, left).astype(np.int64)
    off = ~(np.abs(known[step] - scale_factor) <= SAME_SCALE_FACTOR * known[step])
    if off.any():
        raise InputError(
            f"{source}: a node has scale factor {scale_factor[np.argmax(off)]:g}, and no snapshot has; "
            "give all snapshots in `steps` of the entry, or none"
        )
    return step


def log10_of(mass: np.ndarray) -> np.ndarray:
    """Mass in dex; NaN for one that is not positive, which is how products write that there is none."""
    mass = np.asarray(mass, np.float64)
    return np.log10(mass, where=mass > 0.0, out=np.full(mass.shape, np.nan))


def in_box(position: np.ndarray, box_size: float | None, source: object) -> np.ndarray:
    """(n, 3) Mpc, periodic copies brought into [0, L); raises InputError where a position is far outside."""
    position = np.asarray(position, np.float64)
    if box_size is None or not len(position):
        return position
    outside = ~((position > -OUTSIDE * box_size) & (position < (1.0 + OUTSIDE) * box_size)).all(axis=1)
    if outside.any():
        row = int(np.argmax(outside))
        raise InputError(
            f"{source}: node {row} of the piece is at {position[row]} Mpc, outside the box of {box_size:g} Mpc; "
            "is its unit of length (kpc, Mpc, h) right, and box_size?"
        )
    return wrapped(position, box_size)


def checked_forest(forest: Forest, steps: int, source: object) -> Forest:
    """The forest, whose arrays have one length and whose values can be what they are said to be; else InputError."""
    n = len(forest.node_id)
    for name, values in {**forest._asdict(), **forest.columns}.items():
        if isinstance(values, np.ndarray) and len(values) != n:
            raise InputError(f"{source}: {len(values)} values of {name} for {n} nodes; copy the file again")
    if n and not 0 <= forest.step.min() <= forest.step.max() < steps:
        raise InputError(f"{source}: a node at snapshot {forest.step.max()} of {steps}; correct `steps` of the entry")
    mass = forest.log10_mass
    wrong = np.isfinite(mass) & ((mass < MASS_RANGE[0]) | (mass > MASS_RANGE[1]))
    if wrong.any():
        raise InputError(
            f"{source}: node {forest.node_id[wrong][0]} has a mass of 1e{mass[wrong][0]:.2f} Msun; is the unit of mass "
            "in the file (Msun, 1e10 Msun, h) right?"
        )
    if forest.velocity is not None and not np.all(np.abs(forest.velocity) < SPEED_LIMIT):
        raise InputError(f"{source}: a velocity is not a number below {SPEED_LIMIT:g} km/s; is its unit right?")
    if forest.position is not None and not np.isfinite(forest.position).all():
        raise InputError(f"{source}: a position is not a number; copy the file again")
    return forest
