"""How a bulge grows: it takes a share of the star formation, large before a time of formation and smaller after it.

Source: the decomposition of diffsky 0.3.
"""

from typing import NamedTuple

import jax.numpy as jnp

from diffsky_factory.core.smooth import exp10, sigmoid, triweight_step
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Uniform, Vector
from diffsky_factory.physics.halos.growth import TimeGrid
from diffsky_factory.physics.stars.star_formation import uniform_grid_position

# (before, after) the time of formation: share of the star formation that goes into the bulge
EFFICIENCY_OF_DISKS = (0.3, 0.1)
EFFICIENCY_OF_SPHEROIDS = (0.9, 0.7)
PIVOT_MASS = 10.25  # dex(Msun), where disks give way to spheroids
PIVOT_RATE = -10.5  # dex(1/yr)
STEEPNESS = 2.0  # per dex of mass, of specific rate
MOST_DISKS = 0.9  # largest fraction of disk-dominated galaxies
RATE_EFFECT = 0.25  # on that fraction, down and up
FORMED = 0.25  # fraction of the mass at observation that marks the time of formation
EARLY_FRACTION, LATE_FRACTION = 0.1, 0.9  # of the mass at z = 0, between which the share changes
SHORTEST = 1e-3  # Gyr, keeps a galaxy that formed at once finite


def disk_dominated_probability(log10_stellar_mass: Scalar, log10_ssfr: Scalar) -> Scalar:
    """Probability that a galaxy is dominated by its disk: falls with mass, rises with specific rate."""
    shift = sigmoid(log10_ssfr, PIVOT_RATE, STEEPNESS, -RATE_EFFECT, RATE_EFFECT)
    of_small = jnp.clip(MOST_DISKS + shift, 0.0, MOST_DISKS)
    return sigmoid(log10_stellar_mass, PIVOT_MASS, STEEPNESS, of_small, 0.0)


def time_of_fraction(fraction: float, formed: Vector, time: Vector) -> Scalar:
    """When a fraction of the mass had formed, linear in time; the ends of the grid where that is outside."""
    return jnp.interp(fraction, formed, time)


def bulge_efficiency(
    time: Vector, formation_time: Scalar, duration: Scalar, efficiency_early: Scalar, efficiency_late: Scalar
) -> Vector:
    """Share of the star formation at a cosmic time [Gyr] that goes into the bulge."""
    return triweight_step(time, formation_time, duration / 6.0, efficiency_early, efficiency_late)


class BulgeGrowth(NamedTuple):
    bulge_formation_time: Scalar
    bulge_formation_duration: Scalar
    bulge_efficiency_early: Scalar
    bulge_efficiency_late: Scalar


@stage
def bulge_growth(
    times: TimeGrid,
    *,
    log10_mass_fraction_history: Vector,
    log10_stellar_mass_in_situ: Scalar,
    log10_ssfr: Scalar,
    cosmic_time: Scalar,
    draw_bulge: Uniform,
) -> BulgeGrowth:
    """When the bulge forms, and whether it takes the smaller share of a disk or the larger one of a spheroid.

    Reads
        log10_mass_fraction_history : dex
        log10_stellar_mass_in_situ : dex(solMass)
        log10_ssfr : dex(1 / yr)
        cosmic_time : Gyr
    Writes
        bulge_formation_time : Gyr
        bulge_formation_duration : Gyr
        bulge_efficiency_early : -
        bulge_efficiency_late : -
    The duration is that of the whole history to z = 0, as in the source, also of a galaxy seen earlier.
    """
    below, fraction = uniform_grid_position(times.time, cosmic_time)
    lower, upper = log10_mass_fraction_history[below], log10_mass_fraction_history[below + 1]
    observed = lower + fraction * (upper - lower)
    of_observed = jnp.minimum(exp10(log10_mass_fraction_history - observed), 1.0)
    formation_time = time_of_fraction(FORMED, of_observed, times.time)

    of_today = exp10(log10_mass_fraction_history)
    early, late = (time_of_fraction(part, of_today, times.time) for part in (EARLY_FRACTION, LATE_FRACTION))
    duration = jnp.maximum(late - early, SHORTEST)

    is_disk = draw_bulge < disk_dominated_probability(log10_stellar_mass_in_situ, log10_ssfr)
    shares = [jnp.where(is_disk, *pair) for pair in zip(EFFICIENCY_OF_DISKS, EFFICIENCY_OF_SPHEROIDS)]
    return BulgeGrowth(formation_time, duration, *shares)
