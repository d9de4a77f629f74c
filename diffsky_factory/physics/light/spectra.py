"""Spectra of galaxies: template spectra summed over metallicities and ages, through dust, at rest and as observed."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.smooth import exp10
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Vector
from diffsky_factory.physics.light.contraction import in_chunks, node_position
from diffsky_factory.physics.light.dust import transmission
from diffsky_factory.physics.light.photometry import AB_ZERO_POINT, dimming
from diffsky_factory.physics.stars.merging import merged
from diffsky_factory.sky.cosmology import Cosmology

AB0 = 1.13492e-13  # solLum/Hz of a source of 0 mag (AB) at 10 pc; Hearin et al. 2023, MNRAS 521, 1741
AGES_AT_ONCE = 10  # chosen: steps of the sum over ages that are compiled into one


class SpectrumTable(NamedTuple):
    """Spectra of the templates, emission lines included.

    wavelength          : (n_wave,) ascending [Angstrom]: where spectra are given, at rest and as observed
    template_wavelength : (n_point,) ascending [Angstrom]: the same, after those that redshifted light comes from
    luminosity          : (n_age, n_met, n_point) L_nu per Msun formed [solLum / Hz]
    redshift            : (n_z,) nodes of the absorption between galaxies
    absorption          : (n_z, n_blue) fraction of the light of the n_blue first points that is observed; all redward
    """

    wavelength: jax.Array
    template_wavelength: jax.Array
    luminosity: jax.Array
    redshift: jax.Array
    absorption: jax.Array


class SpectrumInSitu(NamedTuple):
    spectrum_in_situ: jax.Array


@stage(of="block")
def spectrum_in_situ(
    spectra: SpectrumTable,
    *,
    log10_stellar_mass_in_situ: Vector,
    age_weights: jax.Array,
    metallicity_weights: jax.Array,
    dust_av_by_age: jax.Array,
    spectrum_dust_curve: jax.Array,
    dust_unobscured_fraction: Vector,
    spectrum_flux_factor: jax.Array,
) -> SpectrumInSitu:
    """Spectrum at rest of the stars that formed in the galaxy, after dust: L_nu = M E sum_ma w_m w_a F_ma T(a).

    Reads
        log10_stellar_mass_in_situ : dex(solMass)
        age_weights : -
        metallicity_weights : -
        dust_av_by_age : mag
        spectrum_dust_curve : -
        dust_unobscured_fraction : -
        spectrum_flux_factor : -
    Writes
        spectrum_in_situ : solLum / Hz
    Shapes: (block,) scalars, (block, age), (block, metallicity), (block, wavelength).
    Error: 1e-5 in 32 bits (tests/physics/light/test_spectra.py).
    Source: Hearin et al. 2023, MNRAS 521, 1741.
    """

    # one age after another, so that no galaxy's light by age and wavelength is ever held, in the gradient neither
    def contract(_, rows):
        age_weights, metallicity_weights, av_by_age, curve, unobscured = rows

        @partial(jax.checkpoint, prevent_cse=False)
        def add_age(light, age):
            table, weight, av = age
            leaves = transmission(av[:, None], curve, unobscured[:, None])
            return light + ((weight[:, None] * metallicity_weights) @ table) * leaves, None

        by_age = spectra.luminosity, age_weights.T, av_by_age.T
        return jax.lax.scan(add_age, jnp.zeros_like(curve), by_age, unroll=AGES_AT_ONCE)[0]

    rows = (age_weights, metallicity_weights, dust_av_by_age, spectrum_dust_curve, dust_unobscured_fraction)
    light = in_chunks(contract, jnp.zeros(len(age_weights), int), 1, rows)
    return SpectrumInSitu(exp10(log10_stellar_mass_in_situ)[:, None] * spectrum_flux_factor * light)


merged_spectrum = merged("merged_spectrum", "spectrum_in_situ", "spectrum_merged", "Spectrum at rest, after merging.")


class RestSpectrum(NamedTuple):
    spectrum_rest: Vector


@stage
def spectrum_rest(spectra: SpectrumTable, *, spectrum_merged: Vector) -> RestSpectrum:
    """Spectrum at rest, at the wavelengths where spectra are given.

    Reads
        spectrum_merged : solLum / Hz
    Writes
        spectrum_rest : solLum / Hz
    """
    return RestSpectrum(spectrum_merged[-spectra.wavelength.shape[0] :])


class ObservedSpectrum(NamedTuple):
    spectrum_observed: Vector


@stage
def spectrum_observed(
    spectra: SpectrumTable, cosmology: Cosmology, *, spectrum_merged: Vector, redshift: Scalar
) -> ObservedSpectrum:
    """Flux density as observed, around the wavelengths where spectra are given; after absorption between galaxies.

    f_nu(l) = (1 + z) L_nu(l / (1 + z)) / (4 pi d_L^2), averaged from half way to the point before until half way to
    the point after, so that a line keeps its flux where points are farther apart than those it comes from. The first
    and the last point have half of that range. There is no flux beyond the templates.

    Reads
        spectrum_merged : solLum / Hz
        redshift : -
    Writes
        spectrum_observed : nJy
    """
    blue = spectra.absorption.shape[1]
    at, f = node_position(spectra.redshift, redshift)
    left = spectra.absorption[at] + f * (spectra.absorption[at + 1] - spectra.absorption[at])
    emitted = spectrum_merged * jnp.concatenate([left, jnp.ones_like(spectrum_merged[blue:])])
    seen = means_around(spectra.wavelength / (1.0 + redshift), spectra.template_wavelength, emitted / AB0)
    return ObservedSpectrum(exp10(-0.4 * (dimming(cosmology, redshift) - AB_ZERO_POINT)) * seen)


def means_around(points: Vector, x: Vector, y: Vector) -> Vector:
    """Mean, around each of some points, of the function that is linear between (x, y) and 0 beyond; both ascend.

    Error: 1e-7 of the integral of all that is below the point over that around it, in 32 bits.
    """
    edges = jnp.concatenate([points[:1], 0.5 * (points[1:] + points[:-1]), points[-1:]])
    at, f = node_position(x, edges)
    step, rise = jnp.diff(x), jnp.diff(y)
    below = jnp.concatenate([jnp.zeros(1, y.dtype), jnp.cumsum(0.5 * step * (y[1:] + y[:-1]))])
    integral = below[at] + step[at] * f * (y[at] + 0.5 * f * rise[at])
    mean = jnp.diff(integral) / jnp.diff(edges)
    # within one interval, where differences of integrals lose digits, it is the value half way
    inside = (at[1:] == at[:-1]) & (edges[:-1] >= x[0]) & (edges[1:] <= x[-1])
    half_way = y[at[1:]] + 0.5 * (f[1:] + f[:-1]) * rise[at[1:]]
    return jnp.maximum(jnp.where(inside, half_way, mean), 0.0)
