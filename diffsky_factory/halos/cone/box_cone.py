"""The light cone of one or more snapshots of a periodic box, as a product of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.halos.cone.replicas import Replicas
from diffsky_factory.inputs.readers.reader import Geometry, Piece, Reader, Rows
from diffsky_factory.sky.cosmology import Cosmology, age_64

COPIES_AT_ONCE = 8  # chosen: copies of a piece of the box that are put on the sky together


@dataclass(frozen=True)
class BoxCone:
    """Halos of snapshots where they cross the past light cone of an observer.

    Each snapshot stands for the times that are nearer to it than to another, by scale factor; the first and the last
    stand for all times beyond. Within its times a halo keeps its comoving velocity, so that it is seen where it is when
    it crosses. A halo that crosses within 1e-4 Gyr or so of the time between two snapshots may be seen in both or in
    neither, as its velocity is not the same in both; merger trees (`forest_cone`) have no such seams. With one
    snapshot alone, halos stay where they are at its time.

    snapshots : readers of boxes of one simulation
    replicas : the observer's sky
    """

    snapshots: tuple[Reader, ...]
    replicas: Replicas

    geometry: ClassVar[Geometry] = "lightcone"

    def __post_init__(self) -> None:
        for reader in self.snapshots:
            if reader.geometry != "box":
                raise InputError(f"{reader.files[0]}: is a light cone already; take it as it is")
        sizes = {reader.attributes["box_size"] for reader in self.snapshots}
        if len(sizes) > 1 or {float(reader.cosmology.Om0) for reader in self.snapshots} - {self.cosmology.Om0}:
            raise InputError(f"{self.files[0]}: snapshots of different boxes {sorted(sizes)} or cosmologies")
        if len({reader.attributes["redshift"] for reader in self.snapshots}) < len(self.snapshots):
            raise InputError(f"{self.files[0]}: two snapshots have the same redshift; give each once")
        if len({frozenset(reader.columns) for reader in self.snapshots}) > 1:
            raise InputError(f"{self.files[0]}: the snapshots have different columns; name those to read in the entry")

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of all snapshots."""
        return tuple(file for reader in self.snapshots for file in reader.files)

    @property
    def cosmology(self) -> Cosmology:
        """The cosmology of the snapshots."""
        return self.snapshots[0].cosmology

    @property
    def columns(self) -> Mapping[str, type]:
        """The columns of the snapshots, and those that tell the copies apart."""
        return {**self.snapshots[0].columns, "redshift": np.float64, "replica": np.int64, "snapshot": np.int64}

    @property
    def attributes(self) -> dict[str, Any]:
        """What the first snapshot says of itself, with the geometry of the sky."""
        redshifts = sorted(float(reader.attributes["redshift"]) for reader in self.snapshots)
        known = {name: value for name, value in self.snapshots[0].attributes.items() if name != "redshift"}
        return {**known, **self.replicas.attributes, "snapshot_redshifts": redshifts}

    @cached_property
    def times(self) -> list[tuple[float, float, float]]:
        """The cosmic time of each snapshot, and the earliest and the latest time that it stands for [Gyr]."""
        scale = np.array([1.0 / (1.0 + reader.attributes["redshift"]) for reader in self.snapshots])
        ascending = np.sort(scale)
        middle = 1.0 / (0.5 * (ascending[1:] + ascending[:-1])) - 1.0
        edges = np.concatenate([[-np.inf], age_64(self.cosmology, middle), [np.inf]])
        rank = np.argsort(np.argsort(scale))
        own = age_64(self.cosmology, np.array([reader.attributes["redshift"] for reader in self.snapshots]))
        return [(float(own[i]), float(edges[r]), float(edges[r + 1])) for i, r in enumerate(rank)]

    def pieces(self) -> Sequence[Piece]:
        """Each piece of each snapshot, with some copies of the box at a time."""
        copies = range(0, len(self.replicas.offsets), COPIES_AT_ONCE)
        return [
            Piece(f"snapshot {i}, piece {j}", first, min(first + COPIES_AT_ONCE, len(self.replicas.offsets)))
            for i, reader in enumerate(self.snapshots)
            for j in range(len(reader.pieces()))
            for first in copies
            if self._reaches(i, self.replicas.offsets[first : first + COPIES_AT_ONCE])
        ]

    def _reaches(self, snapshot: int, offsets: np.ndarray) -> bool:
        """Whether the shell of a snapshot meets some of the copies."""
        _, begin, end = self.times[snapshot]
        centre = self.replicas.seen(np.full((len(offsets), 3), 0.5 * self.replicas.box_size), offsets)
        distance, reach = np.linalg.norm(centre, axis=-1), self.replicas.box_size  # more than half its diagonal
        latest = self.replicas.time(np.maximum(distance - reach, 0.0))
        return bool(((latest >= begin) & (self.replicas.time(distance + reach) <= end)).any())

    def read(self, piece: Piece) -> Rows:
        """Halos of a piece of a snapshot, in some copies, where they are seen."""
        i, j = (int(words.split()[1]) for words in piece.file.split(", "))
        rows = self._rows_of(i, j)
        parts = [self._seen(rows.columns, i, offset) for offset in self.replicas.offsets[piece.first : piece.last]]
        columns = {name: np.concatenate([part[name] for part in parts]) for name in self.columns}
        return Rows(columns, rows.dropped if piece.first == 0 else {})

    def _rows_of(self, i: int, j: int) -> Rows:
        """The rows of a piece of a snapshot; the last ones are kept, as their copies come one after another."""
        kept = self.__dict__.get("_last")
        if kept is None or kept[0] != (i, j):
            reader = self.snapshots[i]
            kept = (i, j), reader.read(reader.pieces()[j])
            self.__dict__["_last"] = kept
        return kept[1]

    def _seen(self, box: Mapping[str, np.ndarray], snapshot: int, offset: np.ndarray) -> dict[str, np.ndarray]:
        """The halos of a copy of the box that cross while the snapshot stands for the universe."""
        time, begin, end = self.times[snapshot]
        position = self.replicas.seen(np.stack([box[axis] for axis in "xyz"], axis=-1), offset)
        velocity = self.replicas.turned(np.stack([box[f"v{axis}"] for axis in "xyz"], axis=-1))
        if len(self.snapshots) > 1:
            position, when = self.replicas.crossing(position, velocity, time)
        else:
            when = np.full(len(position), time)
        rows = np.flatnonzero((when >= begin) & (when < end))
        rows = rows[self.replicas.keep(position[rows])]
        columns = {name: values[rows] for name, values in box.items()}
        columns.update(zip("xyz", position[rows].T))
        columns.update(zip(("vx", "vy", "vz"), velocity[rows].T))
        columns["redshift"] = self.replicas.redshift_at(np.linalg.norm(position[rows], axis=-1))
        columns["replica"] = np.full(len(rows), self.replicas.number(offset), np.int64)
        columns["snapshot"] = np.full(len(rows), snapshot, np.int64)
        return columns
