"""Fits of tabulated histories, any number of them in memory."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import jax
import numpy as np

from diffsky_factory.core.cache import keep_compiled_kernels
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.machine import cores
from diffsky_factory.physics.halos import growth_fit
from diffsky_factory.physics.halos.growth import HaloGrowth
from diffsky_factory.physics.stars import history_fit
from diffsky_factory.sky.cosmology import Cosmology, age_today_64
from diffsky_factory.sky.cosmology_check import checked_cosmology

GROWTH_BLOCK, STARS_BLOCK = 1024, 256  # histories at once; chosen: what is worked on stays in a core's cache
TIMES = 16  # times are padded to a multiple of it, so that few shapes are compiled; chosen
LONGEST_TIME = 100.0  # Gyr, beyond which today was in other units; chosen
LARGEST_LOG10_MASS = 20.0  # dex(Msun), above which masses were meant; chosen
FEWEST_GOOD_POINTS = 5  # of a fit that a mock relies on; as diffsky's light cones have it
GOOD = (growth_fit.FitQuality.FITTED, growth_fit.FitQuality.SHORT)  # of a fit that a mock relies on
BEYOND = 1.05  # of the age of the universe, chosen: times in Myr are 1000 times as large, other cosmologies are within


def fit_growth(
    time: np.ndarray,
    log10_halo_mass_history: np.ndarray,
    *,
    cosmology: Cosmology | None = None,
    today: float | None = None,
    lowest: float = -np.inf,
    at_once: int | None = None,
) -> dict[str, np.ndarray]:
    """Columns of fits of halo growth (see `mah_fit_quality`), of any number of histories in memory.

    `has_mah_fit` is what a mock relies on: fits of 5 points and more, within 0.2 dex (rms) of the history.


    time    : (T,) Gyr, ascending
    log10_halo_mass_history : (n, T) dex(Msun), no h; NaN where the halo has no mass
    today   : Gyr, to which the growth refers; that of the cosmology, where it is not given
    lowest  : dex(Msun), at and below which masses do not take part
    at_once : blocks computed side by side, default one per core
    Raises InputError for times that do not ascend or are beyond the age of the universe, shapes that do not fit, masses
    that are no logarithms, and parameters of a cosmology beyond `sky.cosmology_check.RANGES`.
    """
    age, today = _age_and_today(cosmology, today)
    time, masses = _checked(time, log10_halo_mass_history, "log10_halo_mass_history", max(age, today))
    if np.nanmax(masses, initial=-np.inf, where=np.isfinite(masses)) > LARGEST_LOG10_MASS:
        raise InputError("log10_halo_mass_history: holds masses beyond 10^20 Msun; give logarithms to base 10")
    times = np.pad(time, (0, _padding(len(time))), mode="edge").astype(np.float32)

    def fit(block):
        return _growth_kernel()(block, times, np.float32(today), np.float32(lowest))

    found = _in_blocks(fit, [masses], GROWTH_BLOCK, at_once, ends=(len(times),))
    found["mah_fit_points"] = found["mah_fit_points"].astype(np.int64)
    good = np.isin(found["mah_fit_quality"], GOOD) & (found["mah_fit_points"] >= FEWEST_GOOD_POINTS)
    return {**found, "has_mah_fit": good}


def fit_star_formation(
    time: np.ndarray,
    star_formation_rate: np.ndarray,
    mah_parameters: np.ndarray,
    *,
    cosmology: Cosmology | None = None,
    today: float | None = None,
    at_once: int | None = None,
) -> dict[str, np.ndarray]:
    """Columns of fits of star formation histories (see `sfh_fit_quality`), in memory.

    time                : (T,) Gyr, ascending
    star_formation_rate : (n, T) Msun/yr of mass formed
    mah_parameters      : (n, 5), growth of their halos, with the same today
    Other arguments and errors as of `fit_growth`.
    """
    age, today = _age_and_today(cosmology, today)
    time, rate = _checked(time, star_formation_rate, "star_formation_rate", max(age, today))
    growth = np.asarray(mah_parameters, np.float32)
    if growth.shape != (len(rate), len(HaloGrowth._fields)):
        raise InputError(
            f"mah_parameters: has shape {growth.shape}; give the five numbers of each of {len(rate)} halos"
        )
    size = len(time) + _padding(len(time))
    grid = history_fit.stellar_grid(time, size)

    def fit(rates, growth):
        return _stars_kernel()(grid, rates, growth, np.float32(today))

    found = _in_blocks(fit, [rate, growth], STARS_BLOCK, at_once, ends=(size, growth.shape[1]))
    return {**found, "sfh_fit_points": found["sfh_fit_points"].astype(np.int64)}


@cache
def _growth_kernel() -> Callable:
    keep_compiled_kernels()
    return jax.jit(growth_fit.fit_growth)


@cache
def _stars_kernel() -> Callable:
    keep_compiled_kernels()
    return jax.jit(history_fit.fit_star_formation)


def _age_and_today(cosmology: Cosmology | None, today: float | None) -> tuple[float, float]:
    """Age of the universe, and cosmic time today as given [Gyr]; raises InputError for what neither can be."""
    age = float(age_today_64(checked_cosmology(cosmology or Cosmology(), "cosmology")))
    found = age if today is None else float(today)
    if not 0.0 < found < LONGEST_TIME:
        raise InputError(f"today = {found:g}: the age of the universe in Gyr is wanted, such as 13.8")
    return age, found


def _checked(time: np.ndarray, values: np.ndarray, name: str, age: float) -> tuple[np.ndarray, np.ndarray]:
    """Times (T,), up to an age of the universe [Gyr], and histories (n, T), or InputError."""
    time, values = np.asarray(time, np.float64), np.asarray(values)
    if time.ndim != 1 or not np.all(np.isfinite(time)) or np.any(np.diff(time) <= 0) or np.any(time <= 0):
        raise InputError("time: must be a row of ascending cosmic times [Gyr]; sort it and drop what is twice")
    if len(time) and time[-1] > BEYOND * age:
        raise InputError(
            f"time: {time[-1]:g} Gyr is beyond the age of the universe, {age:.4g} Gyr; are the times in Myr? "
            "divide them by 1000, or give the cosmology that they are of"
        )
    if values.ndim != 2 or values.shape[1] != len(time) or len(time) == 0:
        raise InputError(f"{name}: has shape {values.shape}; give one row for each halo, of {len(time)} times")
    if values.dtype.kind != "f":
        raise InputError(f"{name}: is {values.dtype}; give floating-point numbers")
    return time, values


def _padding(n: int) -> int:
    return -n % TIMES


def _in_blocks(fit: Callable, arrays: list[np.ndarray], size: int, at_once: int | None, ends: tuple) -> dict:
    """Fits of rows, in blocks of one size; rows and times that are padding are NaN."""
    n = len(arrays[0])

    def one(start: int) -> Any:
        blocks = []
        for array, width in zip(arrays, ends):
            rows = array[start : start + size]
            block = np.full((size, width), np.nan, np.float32)
            block[: len(rows), : rows.shape[1]] = rows
            blocks.append(block)
        with jax.enable_x64(False):  # the same whatever precision the caller has switched on
            return jax.device_get(fit(*blocks))

    with ThreadPoolExecutor(at_once or cores()) as pool:
        # of no histories, one block of padding says what a fit looks like
        found = list(pool.map(one, range(0, max(n, 1), size)))
    return {name: np.concatenate([getattr(part, name) for part in found])[:n] for name in found[0]._fields}
