"""Star formation of one galaxy: an efficiency that depends on halo mass, and one episode of quenching.

Source: Alarcon et al. 2023, MNRAS 518, 562 (Diffstar), as evaluated by diffstar 1.0.
"""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.parameters import Within, bounds
from diffsky_factory.core.smooth import LN10, exp10, inverse_sigmoid, rolling_line, sigmoid, triweight_cdf
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Vector
from diffsky_factory.physics.halos.growth import HaloGrowth, TimeGrid, log10_mass

BARYON_FRACTION = 0.156  # the published calibrations absorb it in lgy_at_mcrit
EFFICIENCY_STEEPNESS = 9.0  # per dex of halo mass; Alarcon et al. 2023, Table 1
LOWEST_RATE = 1e-14  # Msun/yr, keeps logarithms finite
FIRST_TIME = 0.001  # Gyr, when star formation starts


class StarFormation(NamedTuple):
    """The eight numbers of one history; `sfh_parameters` holds them in this order."""

    lgmcrit: Annotated[
        Scalar, Within(9.0, 13.5, "dex(solMass)", "pivot in halo mass of the index of star formation efficiency")
    ] = 12.0
    lgy_at_mcrit: Annotated[
        Scalar, Within(-12.0, -8.0, "dex(1 / yr)", "unquenched star formation rate over baryonic halo mass at lgmcrit")
    ] = -10.0
    indx_lo: Annotated[
        Scalar, Within(0.0, 5.0, "", "index of star formation efficiency in halo mass below lgmcrit")
    ] = 1.0
    indx_hi: Annotated[
        Scalar, Within(-5.0, 0.0, "", "index of star formation efficiency in halo mass above lgmcrit")
    ] = -1.0
    lg_qt: Annotated[Scalar, Within(0.1, 2.0, "dex(Gyr)", "cosmic time of deepest quenching")] = 1.0
    qlglgdt: Annotated[
        Scalar, Within(-3.0, -0.01, "dex", "logarithm of the width of the quenching episode, itself in dex of time")
    ] = -0.50725
    lg_drop: Annotated[
        Scalar, Within(-3.0, 0.0, "dex", "factor on the star formation rate when quenching is deepest")
    ] = -1.01773
    lg_rejuv: Annotated[
        Scalar, Within(-3.0, 0.0, "dex", "factor on the star formation rate after the episode", above="lg_drop")
    ] = -0.212307


# bounded = lo + (hi - lo) / (1 + exp(-k (u - mid))), mid = (lo + hi)/2, k = 4/(hi - lo): slope 1 in the middle
_BOUNDS = [(within.lo, within.hi) for within in bounds(StarFormation).values() if not within.above]
_REJUVENATION = (-1.5, 4.0 / 3.0)  # mid and k of lg_rejuv, whose lower bound is lg_drop


def bounded(u: Vector) -> StarFormation:
    """A history from its unbounded coordinates (8,)."""
    first = [sigmoid(u[i], 0.5 * (lo + hi), 4.0 / (hi - lo), lo, hi) for i, (lo, hi) in enumerate(_BOUNDS)]
    return StarFormation(*[*first, sigmoid(u[7], *_REJUVENATION, first[6], 0.0)])


def unbounded(sfh: StarFormation) -> Vector:
    """Unbounded coordinates (8,) of a history; infinite on a bound."""
    first = [inverse_sigmoid(y, 0.5 * (lo + hi), 4.0 / (hi - lo), lo, hi) for y, (lo, hi) in zip(sfh, _BOUNDS)]
    return jnp.stack([*first, inverse_sigmoid(sfh.lg_rejuv, *_REJUVENATION, sfh.lg_drop, 0.0)])


def star_formation_rate(sfh: StarFormation, log10_halo_mass: Scalar, time: Scalar) -> Scalar:
    """SFR [Msun/yr] at a cosmic time [Gyr], when the halo mass is log10_halo_mass; any shape.

    SFR = fb M 10^e Q,  e = lgy + index(M) (log M - lgmcrit),  log Q falls to lg_drop at lg_qt and returns to lg_rejuv
    within a width of 10^qlglgdt dex of time.
    """
    m = log10_halo_mass
    efficiency = rolling_line(
        m, sfh.lgmcrit, sfh.lgy_at_mcrit, sfh.lgmcrit, EFFICIENCY_STEEPNESS, sfh.indx_lo, sfh.indx_hi
    )
    y = 12.0 * (jnp.log10(time) - sfh.lg_qt) / exp10(sfh.qlglgdt)
    falling = sfh.lg_drop * triweight_cdf(y + 3.0)
    rising = sfh.lg_drop - (sfh.lg_drop - sfh.lg_rejuv) * triweight_cdf(y - 3.0)
    log_rate = m + efficiency + jnp.where(y < 0.0, falling, rising)
    return jnp.maximum(BARYON_FRACTION * exp10(log_rate), LOWEST_RATE)


def stellar_mass_steps(rate: Vector, time: Vector) -> Vector:
    """Mass formed since the time before, for each time of a grid [Msun]: trapezoids of the rate, from FIRST_TIME on."""
    rate = jnp.concatenate([jnp.full_like(rate[:1], LOWEST_RATE), rate])
    time = jnp.concatenate([jnp.full_like(time[:1], FIRST_TIME), time])
    return 1e9 * 0.5 * (rate[1:] + rate[:-1]) * jnp.diff(time)


def running_sum(steps: Vector) -> Vector:
    """Cumulative sum as a product with a triangle of ones: faster than a scan on either kind of processor."""
    triangle = jnp.triu(jnp.ones((steps.shape[-1],) * 2, steps.dtype))
    return jnp.matmul(steps, triangle, precision=jax.lax.Precision.HIGHEST)


def log10_fraction_formed(steps: Vector, mass: Vector) -> Vector:
    """log10 of the mass formed by each time over that of the last time, summed back from the last.

    Late growth keeps its digits in 32 bits, though it may be a millionth of the mass: where a galaxy is quenched, its
    young stars are few and shine most of its ultraviolet light.
    """
    growth = jnp.log1p(steps[1:] / mass[:-1]) / LN10
    later = running_sum(jnp.concatenate([jnp.zeros_like(growth[:1]), growth[::-1]]))
    return -later[::-1]


class StellarHistory(NamedTuple):
    log10_sfr_history: Vector
    log10_stellar_mass_history: Vector
    log10_mass_fraction_history: Vector


@stage
def stellar_history(times: TimeGrid, *, mah_parameters: Vector, sfh_parameters: Vector) -> StellarHistory:
    """Star formation rate and mass formed in one galaxy, on the time grid.

    Reads
        mah_parameters : see HaloGrowth
        sfh_parameters : see StarFormation
    Writes
        log10_sfr_history : dex(solMass / yr)
        log10_stellar_mass_history : dex(solMass)
        log10_mass_fraction_history : dex
    Source: Alarcon et al. 2023, MNRAS 518, 562.
    """
    halo = log10_mass(HaloGrowth(*mah_parameters), times.time, times.time[-1])
    rate = jnp.asarray(star_formation_rate(StarFormation(*sfh_parameters), halo, times.time))
    steps = stellar_mass_steps(rate, times.time)
    mass = running_sum(steps)
    return StellarHistory(jnp.log10(rate), jnp.log10(mass), log10_fraction_formed(steps, mass))


class StellarMassAtObservation(NamedTuple):
    log10_stellar_mass_in_situ: Scalar
    log10_ssfr: Scalar


@stage
def stellar_mass_at_observation(
    times: TimeGrid, *, log10_sfr_history: Vector, log10_stellar_mass_history: Vector, cosmic_time: Scalar
) -> StellarMassAtObservation:
    """Mass formed and specific star formation rate when the galaxy is seen, linear in time on the grid.

    Reads
        log10_sfr_history : dex(solMass / yr)
        log10_stellar_mass_history : dex(solMass)
        cosmic_time : Gyr
    Writes
        log10_stellar_mass_in_situ : dex(solMass)
        log10_ssfr : dex(1 / yr)
    Holds from the first time of the grid to today; constant beyond.
    Source: Hearin et al. 2023, MNRAS 521, 1741.
    """
    lower, fraction = uniform_grid_position(times.time, cosmic_time)

    def at(table):
        return table[lower] + fraction * (table[lower + 1] - table[lower])

    mass = at(log10_stellar_mass_history)
    return StellarMassAtObservation(mass, at(log10_sfr_history) - mass)


def uniform_grid_position(grid: Vector, x: Scalar) -> tuple[Vector, Vector]:
    """Interval of a uniform grid that holds x, and the fraction of the way through it; clamped to the grid."""
    step = (grid[-1] - grid[0]) / (grid.shape[0] - 1)
    position = jnp.clip((x - grid[0]) / step, 0.0, grid.shape[0] - 1.0)
    lower = jnp.minimum(position.astype(jnp.int32), grid.shape[0] - 2)
    return lower, position - lower
