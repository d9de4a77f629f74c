"""Cubes of space, each with its waves and displacements to second order, the same whichever others are made.

Waves are the sum of long ones, from one coarse box, and short ones, from white noise on an endless lattice. A chunk
makes the short waves from its own noise and a border of its neighbours', so that chunks agree where they touch.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.fft

from diffsky_factory.core.counters import philox
from diffsky_factory.physics.structure import long_waves
from diffsky_factory.physics.structure.linear_growth import Growth
from diffsky_factory.physics.structure.long_waves import FIRST, SECOND, LongWaves, Wavenumbers, wavenumbers
from diffsky_factory.physics.structure.power import LinearPower
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.distance_table import CubicTable, hubble_ratio_64

CELLS = 32  # chosen: along a chunk; 256 Mpc with cells of 8 Mpc
PADDING = 16  # chosen: cells of the border; displacements inside are then good to 0.5 % of their rms
PADDED = CELLS + 2 * PADDING
BRICK = 16  # cells along a piece of noise: borders and chunks are whole pieces
BRICKS = 1024  # chosen: pieces of noise that are kept, 34 MB
NODES = CELLS + 2  # along a chunk, with one node on each side, between which displacements are interpolated
AXIS = 1024  # chunks along the lattice, the observer at the middle: 262 Gpc with cells of 8 Mpc
SMOOTHING = 0.75  # cells, chosen: Gaussian, of the overdensity that halos know; second-order bias then fits in
DISPLACEMENT_SMOOTHING = 0.5  # cells, chosen: Gaussian, so that no wave rings at the cut of the lattice
INNER = slice(PADDING - 1, PADDING + CELLS + 1)
CENTRE = slice(PADDING, PADDING + CELLS)
_LOW = np.r_[: PADDED // 4, PADDED - PADDED // 4 : PADDED]
_KEPT = np.ix_(_LOW, _LOW, np.arange(PADDED // 4 + 1))  # of the waves of all nodes, those that every other node has
_TOP = PADDED // 4
_HIGHEST = np.zeros((2 * _TOP, 2 * _TOP, _TOP + 1), bool)
_HIGHEST[_TOP], _HIGHEST[:, _TOP], _HIGHEST[:, :, _TOP] = True, True, True


class Filters(NamedTuple):
    """What makes the short waves of a chunk from white noise; each (64, 64, 33)."""

    cell: float  # Mpc
    waves: Wavenumbers
    overdensity: np.ndarray  # smoothed for displacements
    smoothing: np.ndarray  # from that to the overdensity that halos know
    per_potential: np.ndarray  # overdensity today per primordial potential


class LinearChunk(NamedTuple):
    """A chunk before it moves: displacement fields extrapolated to today, and the overdensity."""

    overdensity: np.ndarray  # (32, 32, 32), linear, today
    first: np.ndarray  # (34, 34, 34, 3) Mpc
    second: np.ndarray  # (34, 34, 34, 3) Mpc
    primordial: np.ndarray  # (32, 32, 32), Gaussian potential of long waves; 0 where it plays no part


class MoveRates(NamedTuple):
    """What turns displacement fields of today into displacements and velocities, by redshift."""

    first: CubicTable  # D1
    first_velocity: CubicTable  # a H f1 D1, km/s/Mpc
    second: CubicTable  # D2
    second_velocity: CubicTable  # a H f2 D2, km/s/Mpc


def move_rates(cosmology: Cosmology, grown: Growth, z_max: float) -> MoveRates:
    """Rates from z = 0 to z_max."""
    z = np.linspace(0.0, z_max, 2049)
    d1, f1, d2, f2 = grown.at(z)
    hubble = 100.0 * cosmology.h * hubble_ratio_64(cosmology, z) / (1.0 + z)

    def table(values):
        return CubicTable(0.0, z[1], values, np.gradient(values, edge_order=2))

    return MoveRates(table(d1), table(hubble * f1 * d1), table(d2), table(hubble * f2 * d2))


def chunk_number(chunk: tuple[int, int, int]) -> int:
    """Number of a chunk, 0 to 2^30 - 1, from its place on the lattice, -512 to 511 along each axis."""
    i, j, k = (int(x) + AXIS // 2 for x in chunk)
    return (i * AXIS + j) * AXIS + k


def chunk_place(number: int) -> tuple[int, int, int]:
    """Place of a chunk on the lattice: the inverse of `chunk_number`."""
    i, rest = divmod(number, AXIS * AXIS)
    return i - AXIS // 2, rest // AXIS - AXIS // 2, rest % AXIS - AXIS // 2


def node_positions(chunk: tuple[int, int, int], cell: float) -> list[np.ndarray]:
    """x, y and z [Mpc] of the 34 nodes of a chunk along each axis: centres of its cells, and one on each side."""
    return [(CELLS * place - 0.5 + np.arange(NODES)) * cell for place in chunk]


def filters(power: LinearPower, cell: float, per_potential: Callable[[np.ndarray], np.ndarray]) -> Filters:
    """Filters of the short waves for cells of a size [Mpc]; per_potential is a function of wavenumber [1/Mpc]."""
    waves = wavenumbers(PADDED, cell)
    k = waves.size
    overdensity = np.sqrt(power(k) * (1.0 - long_waves.long_share(k)) / cell**3)
    overdensity[0, 0, 0] = 0.0
    fewer = np.exp(-0.5 * waves.squared * (DISPLACEMENT_SMOOTHING * cell) ** 2)
    more = np.exp(-0.5 * waves.squared * (SMOOTHING**2 - DISPLACEMENT_SMOOTHING**2) * cell**2)
    return Filters(cell, waves, overdensity * fewer, more, per_potential(k))


def overdensity_variance(known: Filters, long: LongWaves) -> float:
    """Variance of the overdensity that halos know, today: that of both kinds of waves, exactly as they are made."""
    short = long_waves.mean_square(known.overdensity * known.smoothing, PADDED)
    return short + float(long.overdensity_variance)


def displacement_variance(known: Filters, long: LongWaves) -> float:
    """Variance along one axis of the linear displacement today [Mpc^2], between nodes at random places.

    Between nodes 0 and 1, t of the way, a wave keeps |1 - t + t exp(i k h)|^2, on average 1 - (1 - cos k h) / 3.
    """
    w, kept = known.waves, np.ones(1)
    for k in (w.x, w.y, w.z):
        kept = kept * (1.0 - (1.0 - np.cos(k * known.cell)) / 3.0)
    short = long_waves.mean_square(known.overdensity / w.size * np.sqrt(kept), PADDED)
    return short / 3.0 + float(long.displacement_variance)


def noise(seed: int, chunk: tuple[int, int, int], period: int = 0) -> np.ndarray:
    """White noise of a chunk and its border, (64, 64, 64), unit variance, from the bricks it is made of.

    period : chunks after which the noise repeats; 0 for an endless lattice
    """
    each = PADDED // BRICK
    found = np.empty((PADDED,) * 3)
    first = [(CELLS * place - PADDING) // BRICK for place in chunk]
    for i, j, k in np.ndindex(each, each, each):
        a, b, c = (slice(BRICK * x, BRICK * (x + 1)) for x in (i, j, k))
        brick = np.add(first, (i, j, k))
        found[a, b, c] = _brick(seed, *(brick % (period * CELLS // BRICK) if period else brick).tolist())
    return found


def linear_chunk(
    seed: int, known: Filters, long: LongWaves, chunk: tuple[int, int, int], f_nl: float = 0.0, period: int = 0
) -> LinearChunk:
    """The waves of a chunk and its displacement fields; they repeat after a number of chunks, where one is given.

    psi1 = -grad phi1,  laplacian phi1 = delta;   psi2 = grad phi2,
    laplacian phi2 = sum_{i<j} (phi1_ii phi1_jj - phi1_ij^2), of waves smoothed as halos know them
    Source: Bouchet et al. 1995, A&A 296, 575; Scoccimarro 1998, MNRAS 299, 1097, Appendix D; that second order is of
    smoothed waves alone: Kitaura & Hess 2013, MNRAS 435, L78.
    """
    short = scipy.fft.rfftn(noise(seed, chunk, period), overwrite_x=True) * known.overdensity
    primordial = np.zeros((CELLS,) * 3)
    if f_nl != 0.0:
        primordial, coupled = _coupled(known, long, chunk, short)
        short += f_nl * coupled
    over, smooth = short / known.waves.squared, short * known.smoothing
    inside = long_waves.window(
        long.potential, long.step, tuple(x[0] for x in node_positions(chunk, known.cell)), NODES, known.cell
    )
    *slopes, xx, yy, zz = long_waves.derivatives(inside, (*FIRST, *SECOND[:3]))
    second_waves = _second_order(known, long, chunk, smooth)
    first, second = np.empty((2, NODES, NODES, NODES, 3))
    for axis, k in enumerate(known.waves[:3]):
        slope = 1j * _odd(k)
        first[..., axis] = _back_inside(over * slope, INNER) - slopes[axis]
        second[..., axis] = _back_inside(second_waves * -slope, INNER)
    overdensity = _back_inside(smooth, CENTRE) + (xx + yy + zz)[1:-1, 1:-1, 1:-1]
    return LinearChunk(overdensity, first, second, primordial)


def _corner(known: Filters, chunk: tuple[int, int, int]) -> tuple[float, float, float]:
    """Place [Mpc] of the first node of a chunk with its border."""
    x, y, z = ((CELLS * place - PADDING + 0.5) * known.cell for place in chunk)
    return x, y, z


def _coupled(
    known: Filters, long: LongWaves, chunk: tuple[int, int, int], short: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Long primordial potential (32, 32, 32), and waves of overdensity that its product with the short one adds.

    phi^2 = phi_L^2 + 2 phi_L phi_S + phi_S^2, of which the first is among the long waves.
    """
    at = long_waves.window(long.primordial, long.step, _corner(known, chunk), PADDED, known.cell)
    (far,) = long_waves.derivatives(at, ((0, 0, 0),))
    near = scipy.fft.irfftn(short / known.per_potential, s=(PADDED,) * 3)
    added = scipy.fft.rfftn((2.0 * far + near) * near, overwrite_x=True) * known.per_potential
    added[0, 0, 0] = 0.0
    return far[CENTRE, CENTRE, CENTRE], added


def _second_order(known: Filters, long: LongWaves, chunk: tuple[int, int, int], smooth: np.ndarray) -> np.ndarray:
    """-phi2 as waves (64, 64, 33), from smoothed short waves and the long ones, on every other node.

    Every other node is enough, as the waves are smooth and their source has little on the shortest scales.
    """
    n, step = PADDED // 2, 2.0 * known.cell
    waves = wavenumbers(n, step)
    over = smooth[_KEPT] / (8.0 * waves.squared)  # 8: transforms back are means over the nodes
    over[_HIGHEST] = 0.0
    far = long_waves.derivatives(long_waves.window(long.potential, long.step, _corner(known, chunk), n, step), SECOND)
    k, pairs = waves[:3], ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
    # derivatives of -phi: -phi(k) = delta(k) / k^2
    bend = [scipy.fft.irfftn(over * (k[i] * k[j]), s=(n,) * 3) + mine for (i, j), mine in zip(pairs, far)]
    source = bend[0] * bend[1] + (bend[0] + bend[1]) * bend[2] - bend[3] ** 2 - bend[4] ** 2 - bend[5] ** 2
    laplacian = scipy.fft.rfftn(source, overwrite_x=True) * (8.0 / waves.squared)
    laplacian[0, 0, 0] = 0.0
    laplacian[_HIGHEST] = 0.0
    whole = np.zeros(smooth.shape, complex)
    whole[_KEPT] = laplacian
    return whole


def moves(linear: LinearChunk, rates: MoveRates, redshift: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Displacement [comoving Mpc] and peculiar velocity [physical km/s] of the nodes, (34^3, 6) float32.

    x = q + D1 psi1 + D2 psi2,  v = a H (f1 D1 psi1 + f2 D2 psi2)
    redshift, most : (34, 34, 34); no displacement is longer than most [Mpc], so that what reaches a place is known
    """
    d1, v1, d2, v2 = (table(redshift)[..., None] for table in rates)
    found = np.empty((NODES, NODES, NODES, 6))
    found[..., :3] = d1 * linear.first + d2 * linear.second
    found[..., 3:] = v1 * linear.first + v2 * linear.second
    length = np.sqrt(np.einsum("...i,...i->...", found[..., :3], found[..., :3]))
    found[..., :3] *= np.minimum(1.0, most / np.maximum(length, 1e-9))[..., None]
    return found.reshape(-1, 6).astype(np.float32)  # 1e-6 Mpc, and half as much to keep


def _back_inside(waves: np.ndarray, part: slice) -> np.ndarray:
    """A field at the nodes in a part of each axis, from its waves: the other nodes are dropped axis by axis."""
    on_x = scipy.fft.ifft(waves, axis=0, overwrite_x=True)[part]
    on_xy = scipy.fft.ifft(on_x, axis=1)[:, part]
    return scipy.fft.irfft(on_xy, n=PADDED, axis=2)[:, :, part]


def _odd(k: np.ndarray) -> np.ndarray:
    """A wavenumber as a slope takes it: 0 at the highest, which has no slope on the nodes."""
    return np.where(np.abs(k) < 0.9999 * np.abs(k).max(), k, 0.0)


@lru_cache(maxsize=BRICKS)
def _brick(seed: int, i: int, j: int, k: int) -> np.ndarray:
    """A piece of noise, by its place on a lattice of 4096 along each axis; chunks share it with their neighbours."""
    half = 2048
    number = ((i + half) * 4096 + j + half) * 4096 + k + half
    return philox(seed, f"noise {number >> 32}", number & 0xFFFFFFFF).standard_normal((BRICK,) * 3)
