"""Metallicity of the stars of one galaxy: a mass-metallicity relation that evolves, and a spread.

Source: the relation of diffsky 0.3 (umzr), with the spread fixed at 0.2 dex unless a rival frees it.
"""

import math
from typing import Annotated, NamedTuple

import jax.numpy as jnp

from diffsky_factory.core.parameters import Within
from diffsky_factory.core.smooth import rolling_line, sigmoid, triweight_cdf
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Uniform, Vector
from diffsky_factory.physics.scatter import ScatterParameters, logistic
from diffsky_factory.physics.stars.ages import TemplateGrid, bin_edges

LOG10_SOLAR = math.log10(0.012)  # dex of Z
SPREAD = 0.2  # dex, scale of the triweight: no published calibration varies it
PIVOT_MASS = 10.5  # dex(Msun)
TODAY = 12.5  # Gyr of cosmic time, where the relation is anchored
TRANSITION = 8.44  # Gyr of look-back time
TRANSITION_STEEPNESS = 1.6  # 1/Gyr


class MetallicityParameters(NamedTuple):
    """Relation at late times, and its decline with look-back time.

    log Z / Zsun = ytp + sig(m; x0, k, slope_lo, slope_hi) (m - 10.5)
                   + min(0, y + sig(l; 8.44, 1.6, y / 8.44, s) (l - 8.44))

    with m the log stellar mass, l the look-back time [Gyr] from a cosmic time of 12.5 Gyr, at least 0, the change by
    l = 8.44 Gyr y = c0_y_at_tlook_c + c1_y_at_tlook_c m, and the slope beyond s = c0_early_time_slope +
    c1_early_time_slope m.
    """

    mzr_t0_ytp: Annotated[
        Scalar, Within(-1.0, 0.25, "dex", "median metallicity over solar at 10^10.5 Msun at late times")
    ] = 0.05
    mzr_t0_x0: Annotated[
        Scalar, Within(10.25, 10.75, "dex(solMass)", "pivot in stellar mass of the slope of metallicity at late times")
    ] = 10.5
    mzr_t0_k: Annotated[
        Scalar, Within(0.5, 2.0, "1 / dex", "steepness in stellar mass of the change of slope at late times")
    ] = 1.0
    mzr_t0_slope_lo: Annotated[
        Scalar, Within(0.1, 1.0, "", "mass slope of metallicity at low mass and at late times")
    ] = 0.4
    mzr_t0_slope_hi: Annotated[
        Scalar,
        Within(0.0, 0.3, "", "mass slope of metallicity at high mass and at late times", below="mzr_t0_slope_lo"),
    ] = 0.1
    c0_y_at_tlook_c: Annotated[
        Scalar, Within(-2.0, -1.0, "dex", "change of metallicity by a look-back time of 8.44 Gyr, at a log mass of 0")
    ] = -1.455
    c1_y_at_tlook_c: Annotated[
        Scalar, Within(0.0, 0.5, "", "slope in stellar mass of the change by a look-back time of 8.44 Gyr")
    ] = 0.13
    c0_early_time_slope: Annotated[
        Scalar,
        Within(-1.5, -0.5, "dex / Gyr", "slope of metallicity in look-back time beyond 8.44 Gyr, at a log mass of 0"),
    ] = -0.959
    c1_early_time_slope: Annotated[
        Scalar, Within(0.0, 0.5, "1 / Gyr", "change with stellar mass of the slope in look-back time beyond 8.44 Gyr")
    ] = 0.067242


class Metallicity(NamedTuple):
    log10_metallicity: Scalar
    metallicity_weights: Vector


def median_metallicity(p: MetallicityParameters, log10_stellar_mass: Scalar, cosmic_time: Scalar) -> Scalar:
    """Median log10 Z of a galaxy of a mass [dex(Msun)] at a cosmic time [Gyr]."""
    m = log10_stellar_mass
    late = rolling_line(m, PIVOT_MASS, p.mzr_t0_ytp, p.mzr_t0_x0, p.mzr_t0_k, p.mzr_t0_slope_lo, p.mzr_t0_slope_hi)
    lookback = jnp.maximum(TODAY - cosmic_time, 0.0)
    at_transition = p.c0_y_at_tlook_c + p.c1_y_at_tlook_c * m
    early_slope = p.c0_early_time_slope + p.c1_early_time_slope * m
    slope = sigmoid(lookback, TRANSITION, TRANSITION_STEEPNESS, at_transition / TRANSITION, early_slope)
    return LOG10_SOLAR + late + jnp.minimum(0.0, at_transition + slope * (lookback - TRANSITION))


def metallicity_distribution(median: Scalar, spread: Scalar, log10_metallicity: Vector) -> Vector:
    """Weights of templates' metallicities (n,) for a triweight of standard deviation `spread` [dex]; they sum to 1.

    Beyond the templates all weight is on the outermost one.
    """
    inner = bin_edges(log10_metallicity)[1:-1]
    above = triweight_cdf((median - inner) / spread)
    one, zero = jnp.ones_like(above[:1]), jnp.zeros_like(above[:1])
    weights = jnp.concatenate([one, above]) - jnp.concatenate([above, zero])
    return jnp.maximum(weights, 0.0)


@stage
def metallicity(
    p: MetallicityParameters, grid: TemplateGrid, *, log10_stellar_mass_in_situ: Scalar, cosmic_time: Scalar
) -> Metallicity:
    """Median metallicity and its distribution over the templates' metallicities.

    Reads
        log10_stellar_mass_in_situ : dex(solMass)
        cosmic_time : Gyr
    Writes
        log10_metallicity : dex
        metallicity_weights : -
    Holds for any mass: beyond the templates all weight is on the outermost one.
    """
    median = median_metallicity(p, log10_stellar_mass_in_situ, cosmic_time)
    return Metallicity(median, metallicity_distribution(median, SPREAD, grid.log10_metallicity))


class MetallicitySpreadParameters(NamedTuple):
    """Width of the distribution of metallicities within a galaxy, in log Z."""

    metallicity_spread: Annotated[
        Scalar, Within(0.02, 1.0, "dex", "standard deviation of metallicity within a galaxy")
    ] = SPREAD


@stage
def metallicity_with_scatter(
    p: MetallicityParameters,
    scatter: ScatterParameters,
    spread: MetallicitySpreadParameters,
    grid: TemplateGrid,
    *,
    log10_stellar_mass_in_situ: Scalar,
    cosmic_time: Scalar,
    draw_median: Uniform,
) -> Metallicity:
    """Metallicity with scatter of the median between galaxies, and a spread within one that is a parameter.

    log10 Z = relation + ln(u / (1 - u)) / lgmet_scatter, a logistic deviate in dex: 0.32 dex at the published value.

    Reads
        log10_stellar_mass_in_situ : dex(solMass)
        cosmic_time : Gyr
    Writes
        log10_metallicity : dex
        metallicity_weights : -
    """
    median = median_metallicity(p, log10_stellar_mass_in_situ, cosmic_time)
    median = jnp.minimum(median + logistic(draw_median, scatter.lgmet_scatter), 0.0)  # a mass fraction
    return Metallicity(median, metallicity_distribution(median, spread.metallicity_spread, grid.log10_metallicity))
