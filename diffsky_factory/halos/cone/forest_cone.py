"""The light cone of merger trees: each object of each copy of the box where its path crosses, once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from diffsky_factory.core.cubic import cubic_step
from diffsky_factory.core.errors import InputError
from diffsky_factory.halos.cone.replicas import MPC_PER_GYR, Replicas
from diffsky_factory.halos.cone.segments import Segments, segments
from diffsky_factory.inputs.readers.reader import Geometry, Piece, Rows
from diffsky_factory.inputs.trees.forest import Forest
from diffsky_factory.inputs.trees.forest_box import ForestBox
from diffsky_factory.inputs.trees.histories import Objects, object_columns, seen_at, with_mass
from diffsky_factory.inputs.trees.links import largest_along, link
from diffsky_factory.sky.cosmology import Cosmology

COPIES_AT_ONCE = 16  # chosen: copies of the box for which the same segments are used
CROSSING_STEPS = 6  # chosen: each shortens the error of the time of crossing by v/c, to below 1e-12 Gyr
IDS = ("simulation_halo_id", "simulation_host_halo_id", "simulation_penultimate_host_halo_id")


class Paths(NamedTuple):
    """Paths of objects between a node and the next, unwrapped: the later end may lie outside the box."""

    start: np.ndarray  # (m, 3) Mpc
    end: np.ndarray
    start_velocity: np.ndarray  # (m, 3) km/s, peculiar, physical
    end_velocity: np.ndarray
    start_time: float  # Gyr
    end_time: np.ndarray  # (m,) Gyr
    start_scale: float
    end_scale: np.ndarray

    def some(self, rows: np.ndarray) -> "Paths":
        """The paths of some rows."""
        return Paths(
            start=self.start[rows],
            end=self.end[rows],
            start_velocity=self.start_velocity[rows],
            end_velocity=self.end_velocity[rows],
            start_time=self.start_time,
            end_time=self.end_time[rows],
            start_scale=self.start_scale,
            end_scale=self.end_scale[rows],
        )

    def at(self, time: np.ndarray) -> np.ndarray:
        """Positions (m, 3) at cosmic times (m,) [Gyr]: the cubic with the places and velocities of both ends."""
        span = self.end_time - self.start_time
        s = ((time - self.start_time) / span)[:, None]
        first = self.start_velocity * (MPC_PER_GYR / self.start_scale) * span[:, None]
        last = self.end_velocity * (MPC_PER_GYR / self.end_scale * span)[:, None]
        return cubic_step(s, self.start, self.end - self.start, first, last)


@dataclass(frozen=True)
class ForestCone:
    """Halos of merger trees on the past light cone of an observer.

    Between two snapshots an object moves along the cubic that has its places and velocities at both. It is seen at the
    point that it passes just when light from there has to leave. It passes one such point only, as nothing is faster
    than light, so that there are no seams between snapshots or copies. An object that merges is seen until the merger.
    Its id is that of the last node of its main branch, so that it has the same one in every copy and at every time.

    box : the merger trees, opened as a box; their snapshots must reach the redshifts of the light cone
    replicas : the observer's sky
    """

    box: ForestBox
    replicas: Replicas

    geometry: ClassVar[Geometry] = "lightcone"

    def __post_init__(self) -> None:
        scale, (low, high) = self.box.forests.scale_factor, self.replicas.redshift
        latest, earliest = 1.0 / scale[-1] - 1.0, 1.0 / scale[0] - 1.0
        if low < latest - 1e-3 or high > earliest:
            raise InputError(
                f"{self.files[0]}: has snapshots from redshift {latest:.4g} to {earliest:.4g}; a light cone of "
                f"{low:g} to {high:g} needs more"
            )

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the merger trees."""
        return self.box.files

    @property
    def cosmology(self) -> Cosmology:
        """The cosmology of the merger trees."""
        return self.box.cosmology

    @property
    def columns(self) -> Mapping[str, type]:
        """The columns of the box, and those that tell the copies apart."""
        return {**self.box.columns, "redshift": np.float64, "replica": np.int64}

    @property
    def attributes(self) -> dict[str, Any]:
        """What the merger trees say of themselves, with the geometry of the sky."""
        return {**self.box.forests.attributes, **self.replicas.attributes}

    def pieces(self) -> Sequence[Piece]:
        """Each piece of the forests, with some copies of the box at a time."""
        number = len(self.replicas.offsets)
        return [
            Piece(f"forests {i}", first, min(first + COPIES_AT_ONCE, number))
            for i in range(len(self.box.pieces()))
            for first in range(0, number, COPIES_AT_ONCE)
        ]

    def read(self, piece: Piece) -> Rows:
        """Objects of a piece of the forests, in some copies of the box, where they are seen."""
        of_forests = self.box.pieces()[int(piece.file.split()[1])]
        forest = self.box.forests.read(of_forests)
        offsets = self.replicas.offsets[piece.first : piece.last]
        parts = list(self._parts(forest, offsets, of_forests.file))
        empty = {name: np.empty((0, 5) if name == "fitted_mah_parameters" else 0) for name in self.columns}
        columns: dict[str, np.ndarray] = {
            name: np.concatenate([part[name] for part in (parts or [empty])]).astype(kind)
            for name, kind in self.columns.items()
        }
        return Rows(columns, dict(forest.dropped) if piece.first == 0 else {})

    def _parts(self, forest: Forest, offsets: np.ndarray, source: str) -> Iterator[dict[str, np.ndarray]]:
        """What is seen of a forest, snapshot by snapshot."""
        links = link(forest, source)
        peak = largest_along(forest.log10_mass, links.progenitor)
        for step in range(len(self.box.forests.time) - 1):
            reached = [offset for offset in offsets if self._reaches(step, offset)]
            if not reached:
                continue
            begun = segments(forest, step, links)
            if len(begun.start):
                objects = seen_at(forest, links, step, peak)
                paths, columns = self._paths(forest, begun, step), self._columns(objects, begun)
                yield from (self._seen(paths, columns, offset) for offset in reached)

    def _reaches(self, step: int, offset: np.ndarray) -> bool:
        """Whether something of a copy may cross between a snapshot and those up to three later."""
        time, size = self.box.forests.time, self.replicas.box_size
        centre = self.replicas.seen(np.full((1, 3), 0.5 * size), offset)
        distance = np.linalg.norm(centre)
        near, far = self.replicas.distances
        begin = self.replicas.time(np.array([min(distance + size, far)]))[0]
        end = self.replicas.time(np.array([max(distance - size, near)]))[0]
        return bool(time[step] <= end and time[min(step + 3, len(time) - 1)] >= begin)

    def _paths(self, forest: Forest, begun: Segments, step: int) -> Paths:
        size, forests = self.replicas.box_size, self.box.forests
        position, velocity = forest.position, forest.velocity
        if position is None or velocity is None:
            raise InputError(f"{self.files[0]}: has no positions or no velocities, which a light cone needs")
        start, end = position[begun.start], position[begun.end]
        return Paths(
            start=start,
            end=start + (end - start + 0.5 * size) % size - 0.5 * size,
            start_velocity=velocity[begun.start],
            end_velocity=velocity[begun.end],
            start_time=float(forests.time[step]),
            end_time=forests.time[begun.end_step],
            start_scale=float(forests.scale_factor[step]),
            end_scale=forests.scale_factor[begun.end_step],
        )

    def _columns(self, objects: Objects, begun: Segments) -> dict[str, np.ndarray]:
        """Columns of the object that begins each segment, and at its end: mass, and where it continues."""
        forest, links = objects.forest, objects.links
        row = objects.branches.of[begun.start]
        columns = {name: values[row] for name, values in object_columns(objects, self.box.forests.time).items()}
        names = forest.node_id if forest.halo_id is None else forest.halo_id
        host, first = links.top[begun.start], objects.branches.last[objects.infalls.first_host[row]]
        lost = ~links.host_found[begun.start]
        ids = [names[links.last[node]] for node in (begun.start, host, first)]
        columns |= dict(zip(IDS, [ids[0], *(np.where(lost, forest.host_id[host], of) for of in ids[1:])]))
        if self.box.fits is not None:
            columns |= self.box.fits.of(ids[0])
        for name, values in (("log10_halo_mass", objects.log10_peak_mass), ("log10_halo_mass_now", forest.log10_mass)):
            at_end = np.where(begun.continues, values[begun.end], columns[name])
            columns[f"{name} at the end"] = np.where(np.isfinite(at_end), at_end, columns[name])
        return columns

    def _seen(self, paths: Paths, columns: Mapping[str, np.ndarray], offset: np.ndarray) -> dict[str, np.ndarray]:
        """Columns of what crosses in a copy of the box."""
        sky = self.replicas

        def late(time: np.ndarray) -> np.ndarray:
            """How much later than then light from there must leave to be seen [Gyr]; negative after the crossing."""
            return sky.time(np.linalg.norm(sky.seen(paths.at(time), offset), axis=-1)) - time

        begin = np.full(len(paths.end_time), paths.start_time)
        crosses = np.flatnonzero((late(begin) > 0.0) & (late(paths.end_time) <= 0.0))
        path = paths.some(crosses)
        time = path.end_time
        for _ in range(CROSSING_STEPS):
            position = sky.seen(path.at(time), offset)
            time = np.clip(sky.time(np.linalg.norm(position, axis=-1)), path.start_time, path.end_time)
        share = (time - path.start_time) / (path.end_time - path.start_time)
        velocity = path.start_velocity + share[:, None] * (path.end_velocity - path.start_velocity)
        position, velocity = sky.seen(path.at(time), offset), sky.turned(velocity)
        part = {name: columns[name][crosses] for name in self.box.columns}
        for name in ("log10_halo_mass", "log10_halo_mass_now"):
            part[name] = part[name] + share * (columns[f"{name} at the end"][crosses] - part[name])
        part.update(zip("xyz", position.T))
        part.update(zip(("vx", "vy", "vz"), velocity.T))
        part["redshift"] = sky.redshift_at(np.linalg.norm(position, axis=-1))
        part["replica"] = np.full(len(crosses), sky.number(offset))
        inside = sky.keep(position)
        return with_mass({name: values[inside] for name, values in part.items()})[0]
