"""Readers of halos that a test made up."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from diffsky_factory.inputs.readers.reader import Piece, Rows
from diffsky_factory.sky.cosmology import Cosmology, comoving_distance_64

COSMOLOGY = Cosmology()


@dataclass(frozen=True)
class MadeUp:
    """Halos in arrays, read some rows at a time; the files are what it pretends to read."""

    halos: dict
    geometry: str = "lightcone"
    attributes: dict = field(default_factory=lambda: {"name": "made up", "mass_definition": "none"})
    rows_of_piece: int = 7
    files: tuple = (Path(__file__),)
    cosmology: Cosmology = COSMOLOGY

    def __hash__(self):
        return id(self)

    @property
    def columns(self):
        return {name: values.dtype.type for name, values in self.halos.items()}

    def pieces(self):
        n = len(self.halos["simulation_halo_id"])
        starts = range(0, n, self.rows_of_piece)
        return [Piece("made up", first, min(first + self.rows_of_piece, n)) for first in starts]

    def read(self, piece):
        rows = {name: values[piece.first : piece.last] for name, values in self.halos.items()}
        return Rows(rows, {"dropped for the test": 1})


def on_a_cone(n=100, satellites=30, seed=0, redshift=(0.1, 0.5)) -> dict[str, np.ndarray]:
    """Hosts in all directions, then satellites within 1 Mpc of one of them."""
    rng = np.random.default_rng(seed)
    radius = comoving_distance_64(Cosmology(), rng.uniform(*redshift, n))
    direction = rng.standard_normal((n, 3))
    position = direction * (radius / np.linalg.norm(direction, axis=1))[:, None]
    host = rng.integers(0, n, satellites)
    position = np.concatenate([position, position[host] + rng.uniform(-0.5, 0.5, (satellites, 3))])
    return _columns(position, np.concatenate([np.arange(n), host]), rng)


def in_a_box(size, n=100, satellites=30, seed=0) -> dict[str, np.ndarray]:
    """As on_a_cone, in a periodic box."""
    rng = np.random.default_rng(seed)
    position = rng.uniform(0.0, size, (n, 3))
    host = rng.integers(0, n, satellites)
    position = np.concatenate([position, (position[host] + rng.uniform(-0.5, 0.5, (satellites, 3))) % size])
    return _columns(position, np.concatenate([np.arange(n), host]), rng)


def _columns(position, host, rng) -> dict[str, np.ndarray]:
    total = len(position)
    ids = rng.permutation(10 * total)[:total].astype(np.int64) + 5
    order = rng.permutation(total)  # hosts and satellites in any order
    columns = {
        "simulation_halo_id": ids,
        "simulation_host_halo_id": ids[host],
        **dict(zip("xyz", position.T)),
        **dict(zip(("vx", "vy", "vz"), rng.normal(0.0, 300.0, (3, total)))),
        "log10_halo_mass": rng.uniform(11.0, 14.0, total),
    }
    return {name: np.ascontiguousarray(values[order]) for name, values in columns.items()}
