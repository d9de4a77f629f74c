"""Black holes at the centres of galaxies: their mass, and how fast they grow.

Sources: Merritt & Ferrarese 2001, MNRAS 320, L30 (mass over that of the bulge); Aird et al. 2012, ApJ 746, 90
(Eddington ratios); diffsky 0.3 for the form of both.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp

from diffsky_factory.core.smooth import LN10, exp10, sigmoid
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Normal, Scalar, Uniform, Vector

LOG10_MASS_RATIO = math.log10(0.0013)  # black hole over bulge; Merritt & Ferrarese 2001
SCATTER = 0.27  # dex, of the relation as diffsky 0.3 has it
EDDINGTON_RATE = 2.2e-8  # 1/yr: accretion rate at the Eddington limit over mass, for an efficiency of 0.1

# number of galaxies per dex of Eddington ratio: A ((1 + z) / (1 + z0))^g ratio^-s; Aird et al. 2012
LOG10_AMPLITUDE = -3.15
SLOPE = 0.65
PIVOT_REDSHIFT = 0.6
GROWTH = 3.47


class BlackHoleMass(NamedTuple):
    log10_black_hole_mass: Scalar


@stage
def black_hole_mass(*, log10_stellar_mass: Scalar, bulge_to_total: Scalar, draw_mass: Normal) -> BlackHoleMass:
    """Mass of the black hole: a fraction of that of the bulge, with lognormal scatter.

    Reads
        log10_stellar_mass : dex(solMass)
        bulge_to_total : -
    Writes
        log10_black_hole_mass : dex(solMass)
    Source: Merritt & Ferrarese 2001, MNRAS 320, L30; scatter of diffsky 0.3, which its mocks leave out.
    """
    return BlackHoleMass(_median_mass(log10_stellar_mass, bulge_to_total) + SCATTER * draw_mass)


@stage
def black_hole_mass_without_scatter(*, log10_stellar_mass: Scalar, bulge_to_total: Scalar) -> BlackHoleMass:
    """Mass of the black hole: a fixed fraction of that of the bulge, as in the mocks of diffsky 0.3.

    Reads
        log10_stellar_mass : dex(solMass)
        bulge_to_total : -
    Writes
        log10_black_hole_mass : dex(solMass)
    """
    return BlackHoleMass(_median_mass(log10_stellar_mass, bulge_to_total))


def _median_mass(log10_stellar_mass: Scalar, bulge_to_total: Scalar) -> Scalar:
    return LOG10_MASS_RATIO + log10_stellar_mass + jnp.log10(jnp.maximum(bulge_to_total, 1e-12))


class EddingtonRatio(NamedTuple):
    eddington_ratio: Scalar


def number_per_dex(redshift: Scalar) -> Scalar:
    """Galaxies per dex of Eddington ratio, per galaxy, that the power law has at a ratio of one."""
    evolution = jnp.exp(GROWTH * jnp.log((1.0 + redshift) / (1.0 + PIVOT_REDSHIFT)))
    return exp10(LOG10_AMPLITUDE) * evolution


@stage
def eddington_ratio(*, redshift: Scalar, draw_ratio: Uniform) -> EddingtonRatio:
    """Accretion rate over that at the Eddington limit, drawn from a power law that ends at one.

    dN / dlog10(ratio) = A(z) ratio^-0.65. The fraction above a ratio is A(z) (ratio^-0.65 - 1) / (0.65 ln 10), whose
    inverse a uniform number goes through. It reaches one at a smallest ratio, above which all galaxies are: 8e-6 at
    z = 0.6, so that a fifth of them are above 1e-4.

    Reads
        redshift : -
    Writes
        eddington_ratio : -
    Holds for 0.2 < redshift < 1 and ratios above 1e-4, where it was measured, independent of stellar mass; beyond, an
    extrapolation. Galaxies of any star formation rate are alike; blue ones are in fact twice as often active.
    Source: Aird et al. 2012, ApJ 746, 90.
    """
    above = draw_ratio * SLOPE * LN10 / number_per_dex(redshift)
    return EddingtonRatio(jnp.exp(-jnp.log1p(above) / SLOPE))


@stage(of="block")
def eddington_ratio_as_diffsky(*, redshift: Vector, log10_ssfr: Vector) -> EddingtonRatio:
    """Eddington ratio as diffsky 0.3 has it: the density of the power law read at a rank by star formation rate.

    The rank is no draw, and the density is taken for an inverse cumulative distribution, at the mean redshift of the
    rows at hand. So it depends on how rows are cut into blocks: for comparison only.

    Reads
        redshift : -
        log10_ssfr : dex(1 / yr)
    Writes
        eddington_ratio : -
    Shapes: (block,) each.
    """
    rank = jnp.clip(sigmoid(log10_ssfr, -10.0, 2.0, 0.0, 1.0), 1e-4, 1.0 - 1e-4)
    ratio = jnp.logspace(-4.0, 0.0, 1000, dtype=log10_ssfr.dtype)
    density = number_per_dex(jnp.clip(jnp.mean(redshift), 0.0, 5.0)) * ratio**-SLOPE
    return EddingtonRatio(jnp.interp(1.0 - rank, ratio, density))


class BlackHoleAccretion(NamedTuple):
    log10_black_hole_accretion_rate: Scalar


@stage
def black_hole_accretion(*, log10_black_hole_mass: Scalar, eddington_ratio: Scalar) -> BlackHoleAccretion:
    """Rate at which the black hole grows: its Eddington ratio times 2.2e-8 of its mass per year.

    Reads
        log10_black_hole_mass : dex(solMass)
        eddington_ratio : -
    Writes
        log10_black_hole_accretion_rate : dex(solMass / yr)
    """
    return BlackHoleAccretion(math.log10(EDDINGTON_RATE) + log10_black_hole_mass + jnp.log10(eddington_ratio))
