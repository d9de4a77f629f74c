"""Dust of one galaxy: how much, how grey, how much of it uncovered.

Source: attenuation curve of Noll et al. 2009, A&A 507, 1793, and Salim, Boquien & Lee 2018, ApJ 859, 11, on a smooth
starburst curve; unobscured fraction after Lower et al. 2022, ApJ 931, 14; population of diffsky 0.3.
"""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.parameters import STEEPNESS, Within
from diffsky_factory.core.smooth import LN10, exp10, sigmoid, triweight_step
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Uniform, Vector
from diffsky_factory.physics.scatter import ScatterParameters, logistic, scattered
from diffsky_factory.physics.stars.ages import TemplateGrid

POPULATION_STEEPNESS = 5.0  # per dex of mass, of specific rate, of age; per unit redshift
DEPTH_RANGE = (-4.0, 1.5)  # of softplus^-1 of A_V
YOUNG = -2.5  # dex(Gyr), below which stars sit in their birth clouds
SLOPE_RANGE = (-1.1, 0.4)
UNOBSCURED_RANGE = (0.0, 0.2)
R_V = 4.05  # Calzetti et al. 2000, ApJ 533, 682
DEPTH_OF_AV = 0.4 * LN10 / R_V  # optical depth per A_V and unit of the curve k
BUMP_CENTRE, BUMP_WIDTH = 0.2175, 0.035  # micron; Noll et al. 2009


class AttenuationParameters(NamedTuple):
    """A_V, rising with mass and specific rate, at low and high redshift: unbounded corners of double sigmoids.

    A_V is the softplus of `attenuation_depth` and, for young stars, of what is added to it.
    """

    suav_logsm_x0: Annotated[Scalar, Within(9.0, 11.0, "dex(solMass)", "pivot in stellar mass of A_V")] = 10.0
    suav_logssfr_x0: Annotated[Scalar, Within(-12.0, -8.0, "dex(1 / yr)", "pivot in sSFR of A_V")] = -10.25
    suav_logsm_ylo_q_z_ylo: Annotated[
        Scalar, Within(-100.0, 100.0, "", "unbounded corner of A_V at low mass, low sSFR, low redshift")
    ] = -20.0
    suav_logsm_ylo_ms_z_ylo: Annotated[
        Scalar, Within(-100.0, 100.0, "", "unbounded corner of A_V at low mass, high sSFR, low redshift")
    ] = -20.0
    suav_logsm_yhi_q_z_ylo: Annotated[
        Scalar, Within(-100.0, 100.0, "", "unbounded corner of A_V at high mass, low sSFR, low redshift")
    ] = -20.0
    suav_logsm_yhi_ms_z_ylo: Annotated[
        Scalar, Within(-100.0, 100.0, "", "unbounded corner of A_V at high mass, high sSFR, low redshift")
    ] = -20.0
    suav_logsm_ylo_q_z_yhi: Annotated[
        Scalar, Within(-100.0, 100.0, "", "unbounded corner of A_V at low mass, low sSFR, high redshift")
    ] = -20.0
    suav_logsm_ylo_ms_z_yhi: Annotated[
        Scalar, Within(-100.0, 100.0, "", "unbounded corner of A_V at low mass, high sSFR, high redshift")
    ] = -20.0
    suav_logsm_yhi_q_z_yhi: Annotated[
        Scalar, Within(-100.0, 100.0, "", "unbounded corner of A_V at high mass, low sSFR, high redshift")
    ] = -20.0
    suav_logsm_yhi_ms_z_yhi: Annotated[
        Scalar, Within(-100.0, 100.0, "", "unbounded corner of A_V at high mass, high sSFR, high redshift")
    ] = -20.0
    suav_z_x0: Annotated[Scalar, Within(0.0, 5.0, "", "pivot in redshift of A_V")] = 1.0
    delta_suav_age: Annotated[
        Scalar, Within(0.0, 1.0, "", "rise of the inverse softplus of A_V for stars younger than 3 Myr")
    ] = 0.2


class AttenuationSlopeParameters(NamedTuple):
    """Slope of the attenuation curve (dust slope) with mass and specific rate."""

    deltapop_logsm_x0_x0: Annotated[
        Scalar, Within(8.0, 12.0, "dex(solMass)", "pivot in stellar mass of the pivot in sSFR of the dust slope")
    ] = 10.0
    deltapop_logsm_x0_q: Annotated[
        Scalar, Within(8.0, 12.0, "dex(solMass)", "pivot in stellar mass of the dust slope at low sSFR")
    ] = 10.5
    deltapop_logsm_x0_ms: Annotated[
        Scalar, Within(8.0, 12.0, "dex(solMass)", "pivot in stellar mass of the dust slope at high sSFR")
    ] = 9.5
    deltapop_logsm_ylo_x0: Annotated[
        Scalar, Within(-13.0, -7.0, "dex(1 / yr)", "pivot in sSFR of the dust slope at low stellar mass")
    ] = -10.25
    deltapop_logsm_ylo_q: Annotated[Scalar, Within(-1.1, 0.4, "", "dust slope at low stellar mass and low sSFR")] = -0.5
    deltapop_logsm_ylo_ms: Annotated[
        Scalar, Within(-1.1, 0.4, "", "dust slope at low stellar mass and high sSFR")
    ] = -0.2
    deltapop_logsm_yhi_x0: Annotated[
        Scalar, Within(-13.0, -7.0, "dex(1 / yr)", "pivot in sSFR of the dust slope at high stellar mass")
    ] = -11.25
    deltapop_logsm_yhi_q: Annotated[
        Scalar, Within(-1.1, 0.4, "", "dust slope at high stellar mass and low sSFR")
    ] = -0.3
    deltapop_logsm_yhi_ms: Annotated[
        Scalar, Within(-1.1, 0.4, "", "dust slope at high stellar mass and high sSFR")
    ] = -0.4


class UnobscuredParameters(NamedTuple):
    """Fraction of the stars that no dust covers, with specific rate."""

    funo_logssfr_x0: Annotated[
        Scalar, Within(-12.5, -7.0, "dex(1 / yr)", "pivot in sSFR of the unobscured fraction of the light")
    ] = -10.0
    funo_logssfr_ylo: Annotated[Scalar, Within(0.0, 0.2, "", "unobscured fraction of the light at low sSFR")] = 0.02
    funo_logssfr_yhi: Annotated[Scalar, Within(0.0, 0.2, "", "unobscured fraction of the light at high sSFR")] = 0.03


def _between(u, lo, hi):
    return sigmoid(u, 0.0, STEEPNESS, lo, hi)


def rising(p: AttenuationParameters, end: str, log10_mass: Scalar, log10_ssfr: Scalar) -> Scalar:
    """Double sigmoid within DEPTH_RANGE that rises with mass and specific rate; end is "z_ylo" or "z_yhi"."""
    lowest, highest = DEPTH_RANGE
    corner = {name: getattr(p, f"suav_logsm_{name}_{end}") for name in ("ylo_q", "ylo_ms", "yhi_q", "yhi_ms")}
    low_q = _between(corner["ylo_q"], lowest, highest)
    high_q = _between(corner["yhi_q"], low_q, highest)
    quiescent = sigmoid(log10_mass, p.suav_logsm_x0, POPULATION_STEEPNESS, low_q, high_q)
    low_ms = _between(corner["ylo_ms"], quiescent, highest)
    high_ms = _between(corner["yhi_ms"], low_ms, highest)
    forming = sigmoid(log10_mass, p.suav_logsm_x0, POPULATION_STEEPNESS, low_ms, high_ms)
    return sigmoid(log10_ssfr, p.suav_logssfr_x0, POPULATION_STEEPNESS, quiescent, forming)


def attenuation_depth(p: AttenuationParameters, log10_mass: Scalar, log10_ssfr: Scalar, redshift: Scalar) -> Scalar:
    """softplus^-1 of the A_V of old stars, without scatter."""
    low = rising(p, "z_ylo", log10_mass, log10_ssfr)
    high = rising(p, "z_yhi", log10_mass, log10_ssfr)
    return sigmoid(redshift, p.suav_z_x0, POPULATION_STEEPNESS, low, high)


def attenuation_slope(p: AttenuationSlopeParameters, log10_mass: Scalar, log10_ssfr: Scalar) -> Scalar:
    """Slope delta without scatter."""

    def over_mass(name):
        x0, low, high = (getattr(p, f"deltapop_logsm_{part}_{name}") for part in ("x0", "ylo", "yhi"))
        return sigmoid(log10_mass, x0, POPULATION_STEEPNESS, low, high)

    return sigmoid(log10_ssfr, over_mass("x0"), POPULATION_STEEPNESS, over_mass("q"), over_mass("ms"))


class Dust(NamedTuple):
    dust_av_by_age: Vector
    dust_av: Scalar
    dust_slope: Scalar
    dust_unobscured_fraction: Scalar


@stage
def dust(
    attenuation: AttenuationParameters,
    slope: AttenuationSlopeParameters,
    unobscured: UnobscuredParameters,
    scatter: ScatterParameters,
    grid: TemplateGrid,
    *,
    log10_stellar_mass_in_situ: Scalar,
    log10_ssfr: Scalar,
    redshift: Scalar,
    draw_av: Uniform,
    draw_slope: Uniform,
    draw_unobscured: Uniform,
) -> Dust:
    """Attenuation of one galaxy, with logistic scatter in unbounded coordinates.

    Reads
        log10_stellar_mass_in_situ : dex(solMass)
        log10_ssfr : dex(1 / yr)
        redshift : -
    Writes
        dust_av_by_age : mag
        dust_av : mag
        dust_slope : -
        dust_unobscured_fraction : -
    """
    mass, ssfr = log10_stellar_mass_in_situ, log10_ssfr
    depth = attenuation_depth(attenuation, mass, ssfr, redshift) + logistic(draw_av, scatter.av_scatter)
    extra = sigmoid(grid.log10_age, YOUNG, POPULATION_STEEPNESS, attenuation.delta_suav_age, 0.0)
    av = jax.nn.softplus(depth + extra)
    delta = attenuation_slope(slope, mass, ssfr)
    delta = scattered(delta, SLOPE_RANGE, draw_slope, scatter.delta_scatter)
    u = unobscured
    uncovered = sigmoid(ssfr, u.funo_logssfr_x0, POPULATION_STEEPNESS, u.funo_logssfr_ylo, u.funo_logssfr_yhi)
    uncovered = scattered(uncovered, UNOBSCURED_RANGE, draw_unobscured, scatter.funo_scatter)
    return Dust(av, av[-1], delta, uncovered)


class DustCurve(NamedTuple):
    dust_curve: Vector


def drude_bump(wavelength: Vector) -> Vector:
    """Drude profile of height 1 at 0.2175 micron."""
    width2 = (wavelength * BUMP_WIDTH) ** 2
    return width2 / ((wavelength**2 - BUMP_CENTRE**2) ** 2 + width2)


def smooth_starburst_curve(wavelength: Vector, slope: Scalar) -> Vector:
    """k(lambda) = (10^roll(log lambda) + bump) (lambda / 0.55)^slope, rest wavelength in micron; R_V = 4.05."""
    log_wavelength = jnp.log10(wavelength)
    roll = triweight_step(log_wavelength, 0.5, 0.5, -0.65, -1.95)
    starburst = exp10(1.15 + roll * (log_wavelength + 1.0))
    return (starburst + drude_bump(wavelength)) * (wavelength / 0.55) ** slope


@stage
def dust_curve(*, band_rest_wavelength: Vector, dust_slope: Scalar) -> DustCurve:
    """Attenuation curve k at the bands' rest wavelengths: A(lambda) = A_V k / 4.05.

    Reads
        band_rest_wavelength : Angstrom
        dust_slope : -
    Writes
        dust_curve : -
    Source: Noll et al. 2009, A&A 507, 1793, Eq. 8 and 9, on the starburst curve of diffsky 0.3.
    """
    return DustCurve(smooth_starburst_curve(band_rest_wavelength / 1e4, dust_slope))


def transmission(av: Scalar, curve: Scalar, unobscured_fraction: Scalar) -> Scalar:
    """Fraction of light that leaves: f + (1 - f) 10^(-0.4 A), A = av k / 4.05, never an amplification."""
    depth = DEPTH_OF_AV * jnp.maximum(av * curve, 0.0)
    return unobscured_fraction + (1.0 - unobscured_fraction) * jnp.exp(-depth)
