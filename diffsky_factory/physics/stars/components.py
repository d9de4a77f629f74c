"""Disk, bulge and knots of a galaxy: how its stars, and the ages of its stars, are shared among them.

Every age bin of the galaxy is shared out, so that the components sum to the galaxy by construction. The disk is the
diffuse one; the knots are a part of the whole disk in which the youngest stars are.
Source: the decomposition of diffsky 0.3.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.smooth import exp10
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Uniform, Vector
from diffsky_factory.physics.halos.growth import TimeGrid
from diffsky_factory.physics.stars.ages import TemplateGrid, bin_edges, smooth_age_weights, without_young_stars
from diffsky_factory.physics.stars.bulges import bulge_efficiency
from diffsky_factory.physics.stars.bursts import burst_age_weights
from diffsky_factory.physics.stars.star_formation import (
    log10_fraction_formed,
    running_sum,
    stellar_mass_steps,
    uniform_grid_position,
)

COMPONENTS = ("disk", "bulge", "knots")

LARGEST_KNOT_FRACTION = 0.2  # of the mass of the whole disk
NONE = 1e-12  # share that stands for none, keeps logarithms finite


class Knots(NamedTuple):
    knot_fraction: Scalar


@stage
def knots(*, draw_knots: Uniform) -> Knots:
    """Fraction of the mass of the whole disk that is in knots, uniform up to a fifth.

    Writes
        knot_fraction : -
    """
    return Knots(LARGEST_KNOT_FRACTION * draw_knots)


class ComponentHistories(NamedTuple):
    log10_component_sfr_history: jax.Array


@stage
def component_histories(
    times: TimeGrid,
    *,
    log10_sfr_history: Vector,
    bulge_formation_time: Scalar,
    bulge_formation_duration: Scalar,
    bulge_efficiency_early: Scalar,
    bulge_efficiency_late: Scalar,
    knot_fraction: Scalar,
) -> ComponentHistories:
    """Star formation rate that goes into each component; they sum to the galaxy's, which is without bursts.

    Reads
        log10_sfr_history : dex(solMass / yr)
        bulge_formation_time : Gyr
        bulge_formation_duration : Gyr
        bulge_efficiency_early : -
        bulge_efficiency_late : -
        knot_fraction : -
    Writes
        log10_component_sfr_history : dex(solMass / yr)
    Shapes: (time,) to (component, time).
    """
    bulge = bulge_efficiency(
        times.time, bulge_formation_time, bulge_formation_duration, bulge_efficiency_early, bulge_efficiency_late
    )
    shares = jnp.stack([(1.0 - knot_fraction) * (1.0 - bulge), bulge, knot_fraction * (1.0 - bulge)])
    return ComponentHistories(log10_sfr_history + jnp.log10(jnp.maximum(shares, NONE)))


class ComponentAges(NamedTuple):
    bulge_to_total: Scalar
    component_fraction: Vector
    component_age_weights: jax.Array


@stage
def component_ages(
    times: TimeGrid,
    grid: TemplateGrid,
    *,
    log10_sfr_history: Vector,
    cosmic_time: Scalar,
    merging_probability_mean: Scalar,
    age_weights_smooth: Vector,
    is_bursty: Scalar,
    log10_burst_fraction_if_any: Scalar,
    log10_burst_peak_age: Scalar,
    log10_burst_max_age: Scalar,
    bulge_formation_time: Scalar,
    bulge_formation_duration: Scalar,
    bulge_efficiency_early: Scalar,
    bulge_efficiency_late: Scalar,
    knot_fraction: Scalar,
) -> ComponentAges:
    """Share of each component in the stars of the galaxy, and their ages; a burst is in the knots first.

    The bulge has the ages of its own history. It never has more of an age than the galaxy formed outside of its
    burst, so that no weight is negative. The whole disk has the rest; what the burst leaves of the knots' mass, and
    the diffuse disk, share the ages of the rest alike. Where there is no burst, none is in the knots; diffsky 0.3 moves
    10^-7.99 of the mass there, which in the far ultraviolet of a quiescent galaxy is 0.01 mag of its knots.

    Reads
        log10_sfr_history : dex(solMass / yr)
        cosmic_time : Gyr
        merging_probability_mean : -
        age_weights_smooth : -
        is_bursty : -
        log10_burst_fraction_if_any : dex
        log10_burst_peak_age : dex(yr)
        log10_burst_max_age : dex(yr)
        bulge_formation_time : Gyr
        bulge_formation_duration : Gyr
        bulge_efficiency_early : -
        bulge_efficiency_late : -
        knot_fraction : -
    Writes
        bulge_to_total : -
        component_fraction : -
        component_age_weights : -
    Shapes: (age,) to (), (component,) and (component, age).
    Error: sum over components of fraction times weights within 1e-6 of age_weights in 32 bits
    (tests/physics/stars/test_components.py).
    """
    efficiency = bulge_efficiency(
        times.time, bulge_formation_time, bulge_formation_duration, bulge_efficiency_early, bulge_efficiency_late
    )
    share, ages_of_bulge = _bulge(times.time, exp10(log10_sfr_history), efficiency, cosmic_time, grid)
    ages_of_bulge = without_young_stars(ages_of_bulge, merging_probability_mean, grid.log10_age)

    burst = jnp.where(jnp.asarray(is_bursty, bool), exp10(log10_burst_fraction_if_any), 0.0)
    outside_burst = (1.0 - burst) * age_weights_smooth
    # two histories on one time grid, each interpolated, may cross by a little; and a burst leaves less to the bulge
    bulge = jnp.minimum(share * ages_of_bulge, outside_burst)
    rest = outside_burst - bulge

    of_rest = jnp.sum(rest)
    of_knots = knot_fraction * (of_rest + burst)
    burst_in_knots = jnp.minimum(of_knots, burst)
    # of the rest, what the knots have besides the burst
    some = of_rest > 0.0
    part = jnp.where(some, (of_knots - burst_in_knots) / jnp.where(some, of_rest, 1.0), 0.0)
    in_burst = burst_age_weights(log10_burst_peak_age, log10_burst_max_age, grid.log10_age)
    disk = (1.0 - part) * rest + (burst - burst_in_knots) * in_burst
    knots = part * rest + burst_in_knots * in_burst

    masses = jnp.stack([disk, bulge, knots])
    fraction = jnp.sum(masses, axis=1)
    empty = (fraction <= 0.0)[:, None]
    # a component without stars has the ages of the galaxy outside its burst, so that its weights are weights
    weights = jnp.where(empty, age_weights_smooth, masses / jnp.where(empty, 1.0, fraction[:, None]))
    return ComponentAges(fraction[1], fraction, weights)


def _bulge(
    time: Vector, rate: Vector, efficiency: Vector, observed: Scalar, grid: TemplateGrid
) -> tuple[Scalar, Vector]:
    """Fraction of the galaxy's mass that formed in its bulge by the time it is seen, and ages of the stars there."""
    steps = stellar_mass_steps(efficiency * rate, time)
    mass = running_sum(steps)
    log10_share = jnp.log10(mass / running_sum(stellar_mass_steps(rate, time)))
    below, fraction = uniform_grid_position(time, observed)
    share = exp10(log10_share[below] + fraction * (log10_share[below + 1] - log10_share[below]))
    edges = exp10(bin_edges(grid.log10_age))
    return share, smooth_age_weights(log10_fraction_formed(steps, mass), time, observed, edges)


class ComponentMassInSitu(NamedTuple):
    log10_component_mass_in_situ: Vector


@stage
def component_mass_in_situ(*, log10_stellar_mass_in_situ: Scalar, component_fraction: Vector) -> ComponentMassInSitu:
    """Mass of the stars of each component that formed in the galaxy itself.

    Reads
        log10_stellar_mass_in_situ : dex(solMass)
        component_fraction : -
    Writes
        log10_component_mass_in_situ : dex(solMass)
    """
    return ComponentMassInSitu(log10_stellar_mass_in_situ + _log10_share(component_fraction))


class ComponentMass(NamedTuple):
    log10_component_mass: Vector


@stage
def component_mass(*, log10_stellar_mass: Scalar, component_fraction: Vector) -> ComponentMass:
    """Mass of the stars of each component after mergers, which leave the shares of the components as they are.

    Reads
        log10_stellar_mass : dex(solMass)
        component_fraction : -
    Writes
        log10_component_mass : dex(solMass)
    """
    return ComponentMass(log10_stellar_mass + _log10_share(component_fraction))


def _log10_share(fraction: Vector) -> Vector:
    return jnp.log10(jnp.maximum(fraction, NONE))
