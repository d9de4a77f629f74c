"""Waves longer than some 200 Mpc: one coarse periodic box around the observer, evaluated anywhere by splines."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.fft
from scipy.interpolate import BSpline

from diffsky_factory.core.counters import philox
from diffsky_factory.physics.structure.power import LinearPower

BOX = 16384.0  # Mpc, chosen: the observer's sphere to z = 4.9; beyond, long waves repeat
NODES = 256  # chosen: 64 Mpc apart, 67 MB
STEP = BOX / NODES
SPLIT = 0.032  # 1/Mpc, chosen: shorter waves forget within 128 Mpc, longer ones are smooth on the nodes
STEEPNESS = 4  # chosen: of the share of long waves, exp(-(k / SPLIT)^4)
HIGHEST = np.pi / STEP  # 1/Mpc: no long wave is shorter than two steps
DEGREE = 5  # of the splines: second derivatives to 1 % at SPLIT
SUPPORT = DEGREE + 1
FIRST = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
SECOND = ((2, 0, 0), (0, 2, 0), (0, 0, 2), (1, 1, 0), (1, 0, 1), (0, 1, 1))


def long_share(k: np.ndarray) -> np.ndarray:
    """Share of the power at k [1/Mpc] that is in the long waves."""
    return np.where(k < HIGHEST, np.exp(-((k / SPLIT) ** STEEPNESS)), 0.0)


class Wavenumbers(NamedTuple):
    """Wavenumbers of a real Fourier transform of a cube of n^3 nodes, broadcast over (n, n, n // 2 + 1)."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    squared: np.ndarray  # 1 where it would be 0

    @property
    def size(self) -> np.ndarray:
        """|k|, 1 at the mean."""
        return np.sqrt(self.squared)


def wavenumbers(n: int, step: float) -> Wavenumbers:
    """Wavenumbers [1/Mpc] of a cube of n^3 nodes a step apart."""
    both, half = 2.0 * np.pi * np.fft.fftfreq(n, step), 2.0 * np.pi * np.fft.rfftfreq(n, step)
    x, y, z = both[:, None, None], both[None, :, None], half[None, None, :]
    squared = x**2 + y**2 + z**2
    squared[0, 0, 0] = 1.0
    return Wavenumbers(x, y, z, squared)


def mean_square(amplitude: np.ndarray, n: int) -> float:
    """Variance of a field n^3 made by a filter (n, n, n // 2 + 1) from white noise of unit variance."""
    weight = np.full(n // 2 + 1, 2.0)
    weight[0] = weight[-1] = 1.0  # the others stand for their conjugates too
    return float(np.sum(np.abs(amplitude) ** 2 * weight) / n**3)


class LongWaves(NamedTuple):
    """The long waves of a universe, and how large they are on average; n = 256, or fewer of a smaller box."""

    step: float  # Mpc, between nodes
    potential: np.ndarray  # (n, n, n) float32 spline coefficients of phi [Mpc^2] today, its Laplacian is delta
    overdensity_variance: float
    displacement_variance: float  # Mpc^2, along one axis
    primordial: np.ndarray  # (n, n, n) float32 of the Gaussian primordial potential; empty where it plays no part


def long_waves(
    seed: int,
    power: LinearPower,
    f_nl: float = 0.0,
    per_potential: Callable[[np.ndarray], np.ndarray] | None = None,
    box: float = BOX,
) -> LongWaves:
    """The long waves of a seed, periodic in a box [Mpc].

    f_nl : of the primordial potential, phi + f_nl (phi^2 - <phi^2>), phi Gaussian
    per_potential : overdensity today per primordial potential at a wavenumber [1/Mpc], where f_nl is not 0
    """
    n = 2 * int(np.ceil(0.5 * box / STEP))
    step = box / n
    amplitude, squared = amplitudes(power, n, step), wavenumbers(n, step).squared
    variance, moved = mean_square(amplitude, n), mean_square(amplitude / np.sqrt(squared), n) / 3.0
    noise = philox(seed, "long waves", 0).standard_normal((n,) * 3)
    waves = scipy.fft.rfftn(noise, overwrite_x=True) * amplitude
    primordial = np.empty((0, 0, 0), np.float32)
    if f_nl != 0.0:
        if per_potential is None:
            raise ValueError(f"f_nl = {f_nl}: per_potential is wanted where it is not 0")
        ratio = per_potential(np.sqrt(squared))
        field = scipy.fft.irfftn(waves / ratio, s=(n,) * 3)
        primordial = spline_coefficients(waves / ratio)
        coupled = scipy.fft.rfftn(f_nl * (field**2 - np.mean(field**2)), overwrite_x=True)
        waves += np.where(squared < HIGHEST**2, ratio * coupled, 0.0)
    return LongWaves(step, spline_coefficients(-waves / squared), variance, moved, primordial)


def amplitudes(power: LinearPower, n: int, step: float) -> np.ndarray:
    """The filter that makes the long overdensity from white noise, (n, n, n // 2 + 1)."""
    half = np.fft.rfftfreq(n, step) * 2.0 * np.pi
    k = np.sqrt(half[:, None, None] ** 2 + half[None, :, None] ** 2 + half**2)
    octant = np.sqrt(power(k) * long_share(k) / step**3)  # 0 at the mean
    mirror = np.abs(np.fft.fftfreq(n, 1.0 / n)).astype(int)
    return octant[np.ix_(mirror, mirror, np.arange(len(half)))]


def spline_coefficients(waves: np.ndarray) -> np.ndarray:
    """Coefficients (n, n, n) float32 of the spline through the field of some waves (n, n, n // 2 + 1)."""
    n = waves.shape[0]
    both, half = _response(np.fft.fftfreq(n)), _response(np.fft.rfftfreq(n))
    waves = waves / (both[:, None, None] * both[None, :, None] * half[None, None, :])
    return scipy.fft.irfftn(waves, s=(n, n, n), overwrite_x=True).astype(np.float32)


class Window(NamedTuple):
    """The part of the coefficients that a cube of nodes needs, and the splines on its axes."""

    part: np.ndarray  # (m, m, m) float64
    splines: tuple[np.ndarray, ...]  # per axis (derivative 0 to 2, node, m)


def window(
    coefficients: np.ndarray, spacing: float, corner: tuple[float, float, float], number: int, step: float
) -> Window:
    """For a cube of number^3 nodes a step apart, the first at corner [Mpc] from the observer; waves are periodic.

    spacing : Mpc, between coefficients
    """
    firsts, splines = zip(*(_axis(float(at), number, float(step), float(spacing)) for at in corner))
    m = splines[0].shape[2]
    each = [np.arange(first, first + m) % coefficients.shape[0] for first in firsts]
    return Window(coefficients[np.ix_(*each)].astype(np.float64), splines)


def derivatives(at: Window, orders: tuple[tuple[int, int, int], ...]) -> list[np.ndarray]:
    """Derivatives of the field, orders per axis, each (node, node, node)."""
    x, y, z = at.splines
    on_x = {a: np.tensordot(x[a], at.part, (1, 0)) for a in {order[0] for order in orders}}
    on_xy = {ab: np.matmul(y[ab[1]], on_x[ab[0]]) for ab in {order[:2] for order in orders}}
    # many small products: a few large ones would wait for each other's threads
    return [np.matmul(on_xy[a, b], z[c].T) for a, b, c in orders]


@lru_cache(maxsize=64)
def _axis(corner: float, number: int, step: float, spacing: float) -> tuple[int, np.ndarray]:
    """First coefficient, and the values and two derivatives of the splines that reach a row of nodes."""
    at = (corner + np.arange(number) * step) / spacing
    first = int(np.floor(at[0])) - DEGREE // 2
    m = int(np.floor((number - 1) * step / spacing)) + 1 + SUPPORT  # the same for any start
    offset = at[:, None] - (first + np.arange(m))
    basis = BSpline.basis_element(np.arange(SUPPORT + 1) - SUPPORT / 2, extrapolate=False)
    values = [np.nan_to_num(basis(offset))]
    for order in (1, 2):
        values.append(np.nan_to_num(basis.derivative(order)(offset)) / spacing**order)
    return first, np.array(values)


def _response(frequency: np.ndarray) -> np.ndarray:
    """Fourier transform of the spline sampled at the nodes, at a frequency in cycles per step."""
    side = np.arange(1, SUPPORT // 2 + 1)
    basis = BSpline.basis_element(np.arange(SUPPORT + 1) - SUPPORT / 2, extrapolate=False)
    weights = np.nan_to_num(basis(side.astype(float)))
    return float(basis(0.0)) + 2.0 * np.sum(weights * np.cos(2.0 * np.pi * frequency[:, None] * side), axis=1)
