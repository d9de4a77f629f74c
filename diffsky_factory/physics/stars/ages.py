"""Ages of the stars of one galaxy: its history binned on the ages of the templates."""

from typing import NamedTuple

import jax.numpy as jnp

from diffsky_factory.core.smooth import LN10, exp10, sigmoid
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Vector
from diffsky_factory.physics.halos.growth import TimeGrid
from diffsky_factory.physics.stars.star_formation import uniform_grid_position


class TemplateGrid(NamedTuple):
    """Ages [dex(Gyr)] and metallicities [dex of the mass fraction Z] of the templates, ascending."""

    log10_age: Vector
    log10_metallicity: Vector


def bin_edges(centres: Vector) -> Vector:
    """Edges (n + 1,) of the bins around a grid (n,), n > 2; midpoints where the grid is uniform.

    Source: the rule of dsps 0.4, which the published calibrations assume.
    """
    a = centres
    width = jnp.concatenate([2.0 * (a[1] - a[0])[None], a[2:] - a[:-2]]) / 4.0
    last = (a[-1] - a[-2]) / 2.0 + (a[-1] - a[-3]) / 4.0
    return jnp.concatenate([a[:-1] - width, jnp.stack([a[-1] - last / 2.0, a[-1] + last / 2.0])])


def smooth_age_weights(log10_mass: Vector, times: Vector, observed: Scalar, age_edges: Vector) -> Vector:
    """Fraction of the mass formed in each age bin, from the log of the mass formed by each time, in any unit.

    log M is linear in log t between the times of the grid (uniform, ascending) and constant before the first.
    A bin within one such segment holds M(t1) (1 - (t2/t1)^slope), from the difference of the times rather than of
    two masses, so that a bin of 1e-5 of the mass keeps its digits in 32 bits.
    Source: Hearin et al. 2023, MNRAS 521, 1741, Sec. 2.
    """
    step = (times[-1] - times[0]) / (times.shape[0] - 1)
    slope = LN10 * jnp.diff(log10_mass) / jnp.log1p(step / times[:-1])
    born = jnp.clip(observed - age_edges, times[0], times[-1])
    at, _ = uniform_grid_position(times, born)
    below = times[0] + at * step
    slope = slope[at]
    log_mass = LN10 * log10_mass[at] + slope * jnp.log1p((born - below) / below)

    unclipped = (observed - age_edges[1:]) > times[0]
    elapsed = jnp.where(unclipped, jnp.diff(age_edges), born[:-1] - born[1:])
    within = slope[1:] * jnp.log1p(elapsed / born[1:])
    growth = jnp.where(at[1:] == at[:-1], within, log_mass[:-1] - log_mass[1:])
    growth = jnp.maximum(growth, 0.0)  # rounding where nothing formed
    formed = jnp.exp(log_mass[:-1] - log_mass[0]) * -jnp.expm1(-growth)
    return formed / jnp.sum(formed)


QUENCHED_BY_MERGING = 0.2  # merging probability at which young stars disappear
QUENCHING_STEEPNESS = 100.0
NOT_YET = 1.0  # dex below the youngest age: the cutoff touches no bin
OLDEST_CUT = -1.0  # dex(Gyr)
RESIDUAL = 1e-4  # of the young stars that remain


def without_young_stars(weights: Vector, merging_probability: Scalar, log10_age: Vector) -> Vector:
    """Age weights of a satellite that stops forming stars as it merges, normalised."""
    cutoff = sigmoid(merging_probability, QUENCHED_BY_MERGING, QUENCHING_STEEPNESS, log10_age[0] - NOT_YET, OLDEST_CUT)
    weights = weights * sigmoid(log10_age, cutoff, QUENCHING_STEEPNESS, RESIDUAL, 1.0)
    return weights / jnp.sum(weights)


class SmoothAges(NamedTuple):
    age_weights_smooth: Vector


@stage
def smooth_ages(
    times: TimeGrid,
    grid: TemplateGrid,
    *,
    log10_mass_fraction_history: Vector,
    cosmic_time: Scalar,
    merging_probability_mean: Scalar,
) -> SmoothAges:
    """Age distribution without bursts, by mass formed.

    Reads
        log10_mass_fraction_history : dex
        cosmic_time : Gyr
        merging_probability_mean : -
    Writes
        age_weights_smooth : -
    Error: < 1e-5 of the weight in 32 bit against 64 bit (tests/agreement/test_stars.py).
    Source: Hearin et al. 2023, MNRAS 521, 1741; quenching of merging satellites as in diffsky 0.3.
    """
    edges = exp10(bin_edges(grid.log10_age))
    weights = smooth_age_weights(log10_mass_fraction_history, times.time, cosmic_time, edges)
    return SmoothAges(without_young_stars(weights, merging_probability_mean, grid.log10_age))
