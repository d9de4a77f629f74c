"""Bursts: a fraction of the mass of some star-forming galaxies formed just now.

Source: the burst population of diffsky 0.3 (Diffburst); profile in age as in dsps 0.4.
"""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.parameters import STEEPNESS, Within
from diffsky_factory.core.smooth import exp10, sigmoid, triweight
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Uniform, Vector
from diffsky_factory.physics.scatter import ScatterParameters, scattered
from diffsky_factory.physics.stars.ages import QUENCHED_BY_MERGING, QUENCHING_STEEPNESS, TemplateGrid

NO_BURST = -7.99  # dex: the mass fraction that stands for none
POPULATION_STEEPNESS = 5.0  # per dex of mass, of specific rate
FREQUENCY_RANGE = (-10.0, 0.5)  # of softplus^-1 of the probability
FRACTION_RANGE = (-15.0, -2.0)  # of softplus^-1 of the mass fraction
PEAK_RANGE = (5.0, 8.0)  # dex(yr)
LATEST_MAX = 9.0  # dex(yr)


class BurstFrequencyParameters(NamedTuple):
    """Probability of a burst, falling with mass and rising with specific star formation rate.

    It is the softplus of `falling_rising`, whose four corners are given as unbounded coordinates.
    """

    sufqb_logsm_x0: Annotated[
        Scalar, Within(9.0, 11.0, "dex(solMass)", "pivot in stellar mass of the burst probability")
    ] = 10.0
    sufqb_logssfr_x0: Annotated[
        Scalar, Within(-12.0, -8.0, "dex(1 / yr)", "pivot in sSFR of the burst probability")
    ] = -10.25
    sufqb_logsm_ylo_q: Annotated[
        Scalar, Within(-10.0, 0.5, "", "unbounded corner of the burst probability at low mass and low sSFR")
    ] = -5.0
    sufqb_logsm_ylo_ms: Annotated[
        Scalar, Within(-10.0, 0.5, "", "unbounded corner of the burst probability at low mass and high sSFR")
    ] = -0.2
    sufqb_logsm_yhi_q: Annotated[
        Scalar, Within(-10.0, 0.5, "", "unbounded corner of the burst probability at high mass and low sSFR")
    ] = -5.0
    sufqb_logsm_yhi_ms: Annotated[
        Scalar, Within(-10.0, 0.5, "", "unbounded corner of the burst probability at high mass and high sSFR")
    ] = -0.5


class BurstFractionParameters(NamedTuple):
    """Mass fraction formed in the burst, falling with mass and rising with specific star formation rate.

    It is the softplus of `falling_rising`, whose four corners are given as unbounded coordinates.
    """

    sufb_logsm_x0: Annotated[
        Scalar, Within(8.0, 12.0, "dex(solMass)", "pivot in stellar mass of the burst fraction")
    ] = 10.0
    sufb_logssfr_x0: Annotated[
        Scalar, Within(-12.0, -8.0, "dex(1 / yr)", "pivot in sSFR of the burst fraction")
    ] = -10.25
    sufb_logsm_ylo_q: Annotated[
        Scalar, Within(-15.0, -2.0, "", "unbounded corner of the burst fraction at low mass and low sSFR")
    ] = -10.0
    sufb_logsm_ylo_ms: Annotated[
        Scalar, Within(-15.0, -2.0, "", "unbounded corner of the burst fraction at low mass and high sSFR")
    ] = -10.0
    sufb_logsm_yhi_q: Annotated[
        Scalar, Within(-15.0, -2.0, "", "unbounded corner of the burst fraction at high mass and low sSFR")
    ] = -10.0
    sufb_logsm_yhi_ms: Annotated[
        Scalar, Within(-15.0, -2.0, "", "unbounded corner of the burst fraction at high mass and high sSFR")
    ] = -10.0


class BurstTimeParameters(NamedTuple):
    """Unbounded coordinates of the age at which the burst peaks, and of its oldest age: `burst_ages`.

    In the names, q and ms are here low and high stellar mass, and ylo and yhi low and high sSFR.
    """

    tburst_u_lgyr_peak_x0_logsm_x0: Annotated[
        Scalar, Within(8.0, 12.0, "dex(solMass)", "pivot in stellar mass of the pivot in sSFR of the peak age")
    ] = 10.0
    tburst_u_lgyr_peak_q_logsm_x0: Annotated[
        Scalar, Within(-13.0, -8.0, "dex(1 / yr)", "pivot in sSFR of the peak age at low stellar mass")
    ] = -11.0
    tburst_u_lgyr_peak_ms_logsm_x0: Annotated[
        Scalar, Within(-13.0, -8.0, "dex(1 / yr)", "pivot in sSFR of the peak age at high stellar mass")
    ] = -11.0
    tburst_u_lgyr_peak_x0_logsm_ylo: Annotated[
        Scalar, Within(8.0, 12.0, "dex(solMass)", "pivot in stellar mass of the peak age at low sSFR")
    ] = 10.0
    tburst_u_lgyr_peak_q_logsm_ylo: Annotated[
        Scalar, Within(-2500.0, 2500.0, "", "unbounded peak age at low stellar mass and low sSFR")
    ] = -19.5944
    tburst_u_lgyr_peak_ms_logsm_ylo: Annotated[
        Scalar, Within(-2500.0, 2500.0, "", "unbounded peak age at high stellar mass and low sSFR")
    ] = 0.405621
    tburst_u_lgyr_peak_x0_logsm_yhi: Annotated[
        Scalar, Within(8.0, 12.0, "dex(solMass)", "pivot in stellar mass of the peak age at high sSFR")
    ] = 10.0
    tburst_u_lgyr_peak_q_logsm_yhi: Annotated[
        Scalar, Within(-2500.0, 2500.0, "", "unbounded peak age at low stellar mass and high sSFR")
    ] = 0.405621
    tburst_u_lgyr_peak_ms_logsm_yhi: Annotated[
        Scalar, Within(-2500.0, 2500.0, "", "unbounded peak age at high stellar mass and high sSFR")
    ] = -19.5944
    tburst_u_lgyr_max_logsm_x0: Annotated[
        Scalar, Within(8.0, 12.0, "dex(solMass)", "pivot in stellar mass of the oldest age of the burst")
    ] = 10.0
    tburst_u_lgyr_max_logsm_ylo: Annotated[
        Scalar, Within(-2500.0, 2500.0, "", "unbounded oldest age of the burst at low stellar mass")
    ] = -16.1129
    tburst_u_lgyr_max_logsm_yhi: Annotated[
        Scalar, Within(-2500.0, 2500.0, "", "unbounded oldest age of the burst at high stellar mass")
    ] = 3.88706


def _between(u, lo, hi):
    return sigmoid(u, 0.0, STEEPNESS, lo, hi)


def falling_rising(p, prefix: str, log10_mass: Scalar, log10_ssfr: Scalar, lowest: float, highest: float) -> Scalar:
    """Double sigmoid in (lowest, highest): falls with mass, rises with specific rate.

    Its corners are unbounded coordinates, each bounded by the corner before it, so that the order holds for any value.
    """
    value = {name: getattr(p, f"{prefix}_{name}") for name in _CORNERS}
    mass_x0, ssfr_x0 = value["logsm_x0"], value["logssfr_x0"]
    high_q = _between(value["logsm_yhi_q"], lowest, highest)
    low_q = _between(value["logsm_ylo_q"], high_q, highest)
    quiescent = sigmoid(log10_mass, mass_x0, POPULATION_STEEPNESS, low_q, high_q)
    high_ms = _between(value["logsm_yhi_ms"], quiescent, highest)
    low_ms = _between(value["logsm_ylo_ms"], high_ms, highest)
    forming = sigmoid(log10_mass, mass_x0, POPULATION_STEEPNESS, low_ms, high_ms)
    return sigmoid(log10_ssfr, ssfr_x0, POPULATION_STEEPNESS, quiescent, forming)


_CORNERS = ("logsm_x0", "logssfr_x0", "logsm_yhi_q", "logsm_ylo_q", "logsm_yhi_ms", "logsm_ylo_ms")


def burst_ages(p: BurstTimeParameters, log10_mass: Scalar, log10_ssfr: Scalar) -> tuple[Scalar, Scalar]:
    """Ages at which the burst peaks and at which it began [dex(yr)]."""

    def over_mass(name):
        x0, low, high = (getattr(p, f"tburst_u_lgyr_peak_{part}_logsm_{name}") for part in ("x0", "q", "ms"))
        return sigmoid(log10_mass, x0, POPULATION_STEEPNESS, low, high)

    u_peak = sigmoid(log10_ssfr, over_mass("x0"), POPULATION_STEEPNESS, over_mass("ylo"), over_mass("yhi"))
    u_max = sigmoid(
        log10_mass,
        p.tburst_u_lgyr_max_logsm_x0,
        POPULATION_STEEPNESS,
        p.tburst_u_lgyr_max_logsm_ylo,
        p.tburst_u_lgyr_max_logsm_yhi,
    )
    peak = sigmoid(u_peak, sum(PEAK_RANGE) / 2.0, STEEPNESS, *PEAK_RANGE)
    return peak, sigmoid(u_max, (peak + 1.0 + LATEST_MAX) / 2.0, STEEPNESS, peak + 1.0, LATEST_MAX)


def burst_frequency(p: BurstFrequencyParameters, log10_mass: Scalar, log10_ssfr: Scalar) -> Scalar:
    """Probability of a burst, if the galaxy is not quenched."""
    return jax.nn.softplus(falling_rising(p, "sufqb", log10_mass, log10_ssfr, *FREQUENCY_RANGE))


def burst_fraction(coordinate: Scalar) -> Scalar:
    """Log of the mass fraction of a burst from softplus^-1 of the fraction [dex]."""
    return jnp.log10(jax.nn.softplus(coordinate))


def without_burst(log10_fraction: Scalar, merging_probability: Scalar) -> Scalar:
    """Log of the mass fraction of a burst [dex] of a satellite that stops forming stars as it merges."""
    return sigmoid(merging_probability, QUENCHED_BY_MERGING, QUENCHING_STEEPNESS, log10_fraction, NO_BURST)


class BurstPopulation(NamedTuple):
    burst_probability: Scalar
    log10_burst_fraction_if_any: Scalar
    log10_burst_peak_age: Scalar
    log10_burst_max_age: Scalar


@stage
def burst_population(
    frequency: BurstFrequencyParameters,
    fraction: BurstFractionParameters,
    time: BurstTimeParameters,
    *,
    log10_stellar_mass_in_situ: Scalar,
    log10_ssfr: Scalar,
    merging_probability_mean: Scalar,
) -> BurstPopulation:
    """How likely a burst is, and what it would be.

    Reads
        log10_stellar_mass_in_situ : dex(solMass)
        log10_ssfr : dex(1 / yr)
        merging_probability_mean : -
    Writes
        burst_probability : -
        log10_burst_fraction_if_any : dex
        log10_burst_peak_age : dex(yr)
        log10_burst_max_age : dex(yr)
    """
    mass, ssfr = log10_stellar_mass_in_situ, log10_ssfr
    log_fraction = burst_fraction(falling_rising(fraction, "sufb", mass, ssfr, *FRACTION_RANGE))
    log_fraction = without_burst(log_fraction, merging_probability_mean)
    return BurstPopulation(burst_frequency(frequency, mass, ssfr), log_fraction, *burst_ages(time, mass, ssfr))


@stage
def burst_population_with_scatter(
    frequency: BurstFrequencyParameters,
    fraction: BurstFractionParameters,
    time: BurstTimeParameters,
    scatter: ScatterParameters,
    *,
    log10_stellar_mass_in_situ: Scalar,
    log10_ssfr: Scalar,
    merging_probability_mean: Scalar,
    draw_fraction: Uniform,
) -> BurstPopulation:
    """How likely a burst is, and what it would be, with scatter of its mass fraction.

    The scatter is logistic, of steepness fburst_scatter in the unbounded coordinate, as that of the slope of the
    attenuation curve: up to 0.05 dex at the published value.

    Reads
        log10_stellar_mass_in_situ : dex(solMass)
        log10_ssfr : dex(1 / yr)
        merging_probability_mean : -
    Writes
        burst_probability : -
        log10_burst_fraction_if_any : dex
        log10_burst_peak_age : dex(yr)
        log10_burst_max_age : dex(yr)
    """
    mass, ssfr = log10_stellar_mass_in_situ, log10_ssfr
    coordinate = falling_rising(fraction, "sufb", mass, ssfr, *FRACTION_RANGE)
    coordinate = scattered(coordinate, FRACTION_RANGE, draw_fraction, scatter.fburst_scatter)
    log_fraction = without_burst(burst_fraction(coordinate), merging_probability_mean)
    return BurstPopulation(burst_frequency(frequency, mass, ssfr), log_fraction, *burst_ages(time, mass, ssfr))


class Burst(NamedTuple):
    is_bursty: Scalar


@stage
def burst(*, burst_probability: Scalar, is_quenched: Scalar, draw_burst: Uniform) -> Burst:
    """Whether this galaxy is in a burst; quenched galaxies never are.

    Reads
        burst_probability : -
        is_quenched : -
    Writes
        is_bursty : -
    """
    return Burst((draw_burst < burst_probability) & ~jnp.asarray(is_quenched, bool))


def burst_age_weights(log10_peak_age: Scalar, log10_max_age: Scalar, log10_age: Vector) -> Vector:
    """Age distribution of the burst alone: a triweight in log age [log10_age in dex(Gyr)], normalised."""
    profile = triweight(log10_age + 9.0, log10_peak_age, (log10_max_age - log10_peak_age) / 3.0)
    total = jnp.sum(profile)
    return profile / jnp.where(total > 0.0, total, 1.0)


class BurstyAges(NamedTuple):
    age_weights_bursty: Vector


@stage
def bursty_ages(
    grid: TemplateGrid,
    *,
    age_weights_smooth: Vector,
    log10_burst_fraction_if_any: Scalar,
    log10_burst_peak_age: Scalar,
    log10_burst_max_age: Scalar,
) -> BurstyAges:
    """Age distribution that the galaxy has in a burst: F B + (1 - F) smooth.

    Reads
        age_weights_smooth : -
        log10_burst_fraction_if_any : dex
        log10_burst_peak_age : dex(yr)
        log10_burst_max_age : dex(yr)
    Writes
        age_weights_bursty : -
    """
    in_burst = burst_age_weights(log10_burst_peak_age, log10_burst_max_age, grid.log10_age)
    fraction = exp10(log10_burst_fraction_if_any)
    return BurstyAges(fraction * in_burst + (1.0 - fraction) * age_weights_smooth)


class Ages(NamedTuple):
    age_weights: Vector
    log10_burst_fraction: Scalar
    star_formation_type: Scalar


@stage
def ages(
    *,
    age_weights_smooth: Vector,
    age_weights_bursty: Vector,
    is_quenched: Scalar,
    is_bursty: Scalar,
    log10_burst_fraction_if_any: Scalar,
) -> Ages:
    """Age distribution of this galaxy, with its burst if it has one.

    Reads
        age_weights_smooth : -
        age_weights_bursty : -
        is_quenched : -
        is_bursty : -
        log10_burst_fraction_if_any : dex
    Writes
        age_weights : -
        log10_burst_fraction : dex
        star_formation_type : -
    """
    bursty = jnp.asarray(is_bursty, bool)
    kind = jnp.where(bursty, 2, jnp.where(jnp.asarray(is_quenched, bool), 0, 1)).astype(jnp.int8)
    return Ages(
        jnp.where(bursty, age_weights_bursty, age_weights_smooth),
        jnp.where(bursty, log10_burst_fraction_if_any, NO_BURST),
        kind,
    )
