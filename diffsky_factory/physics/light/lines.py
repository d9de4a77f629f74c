"""Emission lines of one galaxy: template luminosities summed over ages and metallicities, through dust.

Source: Hearin et al. 2023, MNRAS 521, 1741 (DSPS). No correction of the templates' fluxes applies to lines.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.smooth import LN10, exp10
from diffsky_factory.core.stage import Stage, made_stage, stage
from diffsky_factory.core.types import Scalar, Vector
from diffsky_factory.physics.light.contraction import (
    OF_COMPONENTS,
    OF_GALAXY,
    Ages,
    Stars,
    in_chunks,
    over_metallicities,
    through_dust,
)
from diffsky_factory.physics.light.photometry import shared_out
from diffsky_factory.physics.stars.merging import merged
from diffsky_factory.sky.cosmology import Cosmology, distance_modulus

SOLAR_LUMINOSITY = 3.828e33  # erg/s; IAU 2015 Resolution B3
TEN_PARSEC = 3.0856775814913673e19  # cm


class LineTable(NamedTuple):
    """Emission lines of the templates.

    wavelength : (n_line,) rest frame [Angstrom]
    luminosity : (n_met, n_line, n_age) per Msun formed [solLum], of the youngest n_age ages: older ones have none
    """

    wavelength: jax.Array
    luminosity: jax.Array


def line_luminosities(name: str, ages: Ages, writes: str) -> Stage:
    """A stage that gives the lines of the stars of one or more age distributions of each galaxy."""

    def function(lines: LineTable, **columns: jax.Array) -> tuple[jax.Array]:
        weights = ages.distributions(columns)
        n_age = lines.luminosity.shape[2]
        stars = Stars(
            columns["metallicity_weights"],
            weights[..., :n_age],
            columns["dust_av_by_age"][:, :n_age],
            columns["line_dust_curve"],
            columns["dust_unobscured_fraction"],
        )

        def contract(_: jax.Array, stars: Stars) -> jax.Array:
            return through_dust(over_metallicities(stars.metallicity_weights, lines.luminosity), stars)

        light = in_chunks(contract, jnp.zeros(len(weights), int), 1, stars)
        light = exp10(columns["log10_stellar_mass_in_situ"])[:, None, None] * light
        return (light[:, 0] if ages.is_one else light,)

    dust = ("dust_av_by_age", "line_dust_curve", "dust_unobscured_fraction")
    reads = ("log10_stellar_mass_in_situ", *ages.reads, "metallicity_weights", *dust)
    return made_stage(
        name,
        function,
        constants={"lines": LineTable},
        reads=reads,
        writes=(writes,),
        says="Luminosity of emission lines after dust: L = M sum_ma w_m w_a l_ma T(a).\n"
        "Source: Hearin et al. 2023, MNRAS 521, 1741.",
    )


line_photometry = line_luminosities("line_photometry", OF_GALAXY, "line_luminosity_in_situ")
component_line_photometry = line_luminosities(
    "component_line_photometry", OF_COMPONENTS, "component_line_luminosity_in_situ"
)


merged_lines = merged(
    "merged_lines", "line_luminosity_in_situ", "line_luminosity", "Luminosity of the lines, after merging."
)


class LineFlux(NamedTuple):
    line_flux: Vector


@stage
def line_flux(cosmology: Cosmology, *, line_luminosity: Vector, redshift: Scalar) -> LineFlux:
    """Flux of the lines as observed, before dust and gas outside the galaxy: L / (4 pi d_L^2).

    Reads
        line_luminosity : solLum
        redshift : -
    Writes
        line_flux : erg / (s cm2)
    """
    return LineFlux(flux_of_luminosity(cosmology, line_luminosity, redshift))


def flux_of_luminosity(cosmology: Cosmology, luminosity: jax.Array, redshift: Scalar) -> jax.Array:
    """Flux [erg / (s cm2)] of a luminosity [solLum] at a redshift."""
    log_area = math.log(4.0 * math.pi * TEN_PARSEC**2) + 0.4 * LN10 * distance_modulus(cosmology, redshift)
    return luminosity * jnp.exp(math.log(SOLAR_LUMINOSITY) - log_area)


class ComponentLines(NamedTuple):
    component_line_luminosity: jax.Array


@stage
def component_lines(
    *,
    component_line_luminosity_in_situ: jax.Array,
    line_luminosity_in_situ: Vector,
    line_luminosity: Vector,
    component_fraction: Vector,
) -> ComponentLines:
    """Lines of each component after mergers, which leave its share in each line as it is; they sum to the galaxy's.

    Reads
        component_line_luminosity_in_situ : solLum
        line_luminosity_in_situ : solLum
        line_luminosity : solLum
        component_fraction : -
    Writes
        component_line_luminosity : solLum
    """
    parts, whole = component_line_luminosity_in_situ, line_luminosity_in_situ
    return ComponentLines(shared_out(line_luminosity, parts, whole, component_fraction))


@stage
def component_lines_by_mass(
    *,
    component_line_luminosity_in_situ: jax.Array,
    log10_stellar_mass_in_situ: Scalar,
    log10_stellar_mass: Scalar,
) -> ComponentLines:
    """Lines of each component, scaled by the mass that mergers bring, as diffsky 0.3 does; they miss the total.

    Reads
        component_line_luminosity_in_situ : solLum
        log10_stellar_mass_in_situ : dex(solMass)
        log10_stellar_mass : dex(solMass)
    Writes
        component_line_luminosity : solLum
    """
    return ComponentLines(component_line_luminosity_in_situ * exp10(log10_stellar_mass - log10_stellar_mass_in_situ))


class ComponentLineFlux(NamedTuple):
    component_line_flux: jax.Array


@stage
def component_line_flux(
    cosmology: Cosmology, *, component_line_luminosity: jax.Array, redshift: Scalar
) -> ComponentLineFlux:
    """Flux of the lines of each component as observed, before dust and gas outside the galaxy.

    Reads
        component_line_luminosity : solLum
        redshift : -
    Writes
        component_line_flux : erg / (s cm2)
    """
    return ComponentLineFlux(flux_of_luminosity(cosmology, component_line_luminosity, redshift))
