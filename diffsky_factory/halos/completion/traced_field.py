"""The density and the motion of matter as the complete halos of a light cone trace them, on a lattice of cells.

Cells are numbered from the observer, so that a cell is the same whatever part of the sky is asked for. They are made in
blocks, each from all tracers that reach it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from scipy.ndimage import correlate1d, maximum_filter, minimum_filter

from diffsky_factory.core.recent import Recent
from diffsky_factory.halos.completion.completeness import hosts_inside
from diffsky_factory.halos.gathered.stored import StoredHalos
from diffsky_factory.sky import coordinates
from diffsky_factory.sky.cosmology import comoving_distance_64
from diffsky_factory.sky.distance_table import CubicTable

CELL = 5.0  # Mpc, chosen: halos are at random within a cell
BLOCK = 16  # chosen: cells along a block
TRUNCATION = 3.0  # standard deviations, chosen
TRACERS_IN_KERNEL = 3.0  # chosen: number that the smoothing averages over
SMOOTHING = 3.0, 20.0  # Mpc, chosen: least and most
TRACER_ORDER = 5  # chosen: HEALPix order of what is read of tracers at once
LEAST_WINDOW = 0.1  # chosen: of the smoothing inside the footprint; a corner has 1/8
UNKNOWN_SPEED = 1.0  # chosen: tracers that move as all do, added to those around a cell


class Tracers(NamedTuple):
    """Complete hosts of a pixel, by distance."""

    distance: np.ndarray  # Mpc
    position: np.ndarray  # (n, 3) Mpc
    velocity: np.ndarray  # (n, 3) km/s
    bias: np.ndarray


class TracedBlock(NamedTuple):
    """Cells (16, 16, 16) of a block."""

    overdensity: np.ndarray  # of matter, at least -1 over the bias of the tracers
    velocity: np.ndarray  # (16, 16, 16, 3) km/s, mean of the tracers around
    dispersion: np.ndarray  # km/s, along an axis, of the tracers around about the mean


@dataclass(frozen=True, eq=False)
class TracedField:
    """The field of a light cone's complete hosts.

    delta = (S(b) / S(w) - 1) / b_eff,  with b the biases of the tracers in a cell, w their expected sum within the
    footprint, S a Gaussian cut off at 3 sigma, b_eff = sum n b^2 / sum n b of the mass function.
    Weights by bias and their division are as in Percival, Verde & Peacock 2004, MNRAS 347, 645, Sec. 3.

    log10_mass_complete : dex(Msun), of the least massive tracer
    bias_at : biases of hosts of some redshifts and masses
    expected, effective_bias : sum of biases per Mpc^3, and b_eff, at a redshift
    redshift_at : redshift of a distance [Mpc]
    density : tracers per Mpc^3, on average
    speed : km/s, rms velocity of tracers along an axis
    """

    source: StoredHalos
    log10_mass_complete: float
    bias_at: Callable[[np.ndarray, np.ndarray], np.ndarray]
    expected: Callable[[np.ndarray], np.ndarray]
    effective_bias: Callable[[np.ndarray], np.ndarray]
    redshift_at: CubicTable
    density: float
    speed: float
    _tracers: Recent = field(default_factory=lambda: Recent(2e8), repr=False)
    _blocks: Recent = field(default_factory=lambda: Recent(1e8), repr=False)

    @cached_property
    def smoothing(self) -> float:
        """Standard deviation [Mpc] of the Gaussian, along an axis: n (2 sqrt(pi) R)^3 tracers are averaged over."""
        wanted = np.cbrt(TRACERS_IN_KERNEL / self.density) / (2.0 * np.sqrt(np.pi))
        return float(np.clip(wanted, *SMOOTHING))

    @property
    def border(self) -> int:
        """Cells around a block whose tracers reach it."""
        return int(np.ceil(TRUNCATION * self.smoothing / CELL))

    @cached_property
    def distances(self) -> tuple[float, float]:
        """Nearest and farthest comoving distance [Mpc] of the product."""
        near, far = comoving_distance_64(self.source.cosmology, np.array(self.source.covered_redshift))
        return float(near), float(far)

    def block(self, place: tuple[int, int, int]) -> TracedBlock:
        """The block at a place, counted in blocks from the observer."""
        return self._blocks.get(place, partial(self._made, place))

    def _made(self, place: tuple[int, int, int]) -> TracedBlock:
        first, side = BLOCK * np.asarray(place) - self.border, BLOCK + 2 * self.border
        centre = (np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), axis=-1) + first + 0.5) * CELL
        near = self._near((BLOCK * np.asarray(place) + 0.5 * BLOCK) * CELL, 0.5 * np.sqrt(3.0) * side * CELL)
        sums = self._sums(near, first, side)
        redshift = self.redshift_at(np.linalg.norm(centre, axis=-1))
        window = self._share(centre) * self.expected(redshift) * CELL**3
        whole = self._inner(self.expected(redshift)) * CELL**3
        smooth = [self._smoothed(values) for values in (*sums, window)]
        counted, number, *motion, square, window = smooth
        bias = self.effective_bias(self._inner(redshift))
        overdensity = (counted - window) / np.maximum(window, LEAST_WINDOW * whole) / bias
        return TracedBlock(overdensity, *self._motion(number, np.stack(motion, axis=-1), square))

    def _sums(self, near: Tracers, first: np.ndarray, side: int) -> list[np.ndarray]:
        """Sums over the tracers in each cell: of bias, one, three velocities, speed squared."""
        cell = np.floor(near.position / CELL).astype(np.int64) - first
        inside = ((cell >= 0) & (cell < side)).all(axis=1)
        at = np.ravel_multi_index(cell[inside].T, (side,) * 3)
        velocity = near.velocity[inside]
        weights = (near.bias[inside], np.ones(len(at)), *velocity.T, np.sum(velocity**2, axis=1))
        return [np.bincount(at, weight, side**3).reshape((side,) * 3) for weight in weights]

    def _motion(self, number: np.ndarray, momentum: np.ndarray, square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean velocity and dispersion of the tracers around; some that move as all do on average are added to them."""
        around = (2.0 * np.sqrt(np.pi) * self.smoothing / CELL) ** 3  # cells that the Gaussian averages over
        total = number * around + UNKNOWN_SPEED
        mean = momentum * around / total[..., None]
        along_an_axis = (square * around / 3.0 + UNKNOWN_SPEED * self.speed**2) / total
        return mean, np.sqrt(np.maximum(along_an_axis - np.sum(mean**2, axis=-1) / 3.0, 0.0))

    def _smoothed(self, values: np.ndarray) -> np.ndarray:
        """The cells of the block, smoothed; one axis after the other, so that a cell has the same sum in any block."""
        at = np.arange(-self.border, self.border + 1) * CELL / self.smoothing
        kernel = np.where(np.abs(at) <= TRUNCATION, np.exp(-0.5 * at**2), 0.0)
        for axis in range(3):
            values = correlate1d(values, kernel / kernel.sum(), axis, mode="constant")
        return self._inner(values)

    def _inner(self, values: np.ndarray) -> np.ndarray:
        inner = slice(self.border, self.border + BLOCK)
        return values[inner, inner, inner]

    def _share(self, centre: np.ndarray) -> np.ndarray:
        """Share of each cell that the product covers: counted on 27 points where a border is near."""
        inside = self._covered(centre).astype(np.float64)
        border = maximum_filter(inside, 3, mode="nearest") > minimum_filter(inside, 3, mode="nearest")
        points = (np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)) * CELL / 3.0
        inside[border] = self._covered(centre[border][:, None, :] + points).mean(axis=1)
        return inside

    def _covered(self, position: np.ndarray) -> np.ndarray:
        flat = position.reshape(-1, 3)
        distance = np.linalg.norm(flat, axis=1)
        found = (distance >= self.distances[0]) & (distance <= self.distances[1]) & (distance > 0.0)
        rows = np.flatnonzero(found)
        found[rows] = self.source.covers(*coordinates.sky(flat[rows])[:2])
        return found.reshape(position.shape[:-1])

    def _near(self, centre: np.ndarray, radius: float) -> Tracers:
        """Tracers in a sphere and around it."""
        import healpy

        distance = np.linalg.norm(centre)
        pixels = self._occupied
        if distance > radius:
            angle = np.arcsin(radius / distance)
            disc = healpy.query_disc(2**TRACER_ORDER, centre / distance, angle, inclusive=True, nest=True)
            pixels = np.intersect1d(pixels, disc)
        parts = []
        for pixel in pixels:
            found = self._tracers.get(int(pixel), partial(self._read, int(pixel)))
            first, last = np.searchsorted(found.distance, [distance - radius, distance + radius])
            parts.append(Tracers(*(column[first:last] for column in found)))
        if not parts:
            return Tracers(np.empty(0), np.empty((0, 3)), np.empty((0, 3)), np.empty(0))
        return Tracers(*(np.concatenate(column) for column in zip(*parts)))

    @cached_property
    def _occupied(self) -> np.ndarray:
        return self.source.tiles(TRACER_ORDER, {"full_sky": True})

    def _read(self, pixel: int) -> Tracers:
        rows = self.source.table.rows(*self.source.row_range(TRACER_ORDER, pixel))
        keep = hosts_inside(self.source, rows) & (rows["log10_halo_mass"] >= self.log10_mass_complete)
        position = np.stack([rows[axis][keep] for axis in "xyz"], axis=-1)
        velocity = np.stack([rows[f"v{axis}"][keep] for axis in "xyz"], axis=-1)
        distance = np.linalg.norm(position, axis=1)
        bias = self.bias_at(rows["redshift"][keep], rows["log10_halo_mass"][keep])
        order = np.argsort(distance, kind="stable")
        return Tracers(*(column[order] for column in (distance, position, velocity, bias)))
