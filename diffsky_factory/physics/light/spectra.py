"""Spectra of galaxies: template spectra summed over metallicities and ages, through dust, at rest and as observed.

The sum over ages and metallicities of a whole spectrum is one matrix product. Dust that depends on age would make it
one per age; instead the transmission is a polynomial in A_V between nodes, so that a spectrum is NODES products.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from diffsky_factory.core.smooth import exp10
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Vector
from diffsky_factory.physics.light.contraction import in_chunks, node_position
from diffsky_factory.physics.light.dust import transmission
from diffsky_factory.physics.light.photometry import AB_ZERO_POINT
from diffsky_factory.physics.stars.merging import merged
from diffsky_factory.sky.cosmology import Cosmology, distance_modulus

NODES = 6  # chosen: light within 4e-5 where stars of all ages lie within 2 mag, 6e-3 within 5 mag
AB0 = 1.13492e-13  # solLum/Hz of a source of 0 mag (AB) at 10 pc; Hearin et al. 2023, MNRAS 521, 1741


class SpectrumTable(NamedTuple):
    """Spectra of the templates, emission lines included.

    wavelength : (n_wave,) ascending [Angstrom]: the grid of spectra at rest, and of observed ones
    luminosity : (n_met, n_age, n_wave) L_nu per Msun formed [solLum / Hz]
    redshift   : (n_z,) nodes of the absorption between galaxies
    absorption : (n_z, n_blue) fraction of the light of the n_blue first points that is observed; none redward
    """

    wavelength: jax.Array
    luminosity: jax.Array
    redshift: jax.Array
    absorption: jax.Array


# Chebyshev-Lobatto nodes in (0, 1), and the matrix from Chebyshev polynomials to the Lagrange basis on them
_POSITIONS = 0.5 - 0.5 * np.cos(np.pi * np.arange(NODES) / (NODES - 1))
_TO_LAGRANGE = np.linalg.inv(np.polynomial.chebyshev.chebvander(2.0 * _POSITIONS - 1.0, NODES - 1))


def nodes_of_depth(av_by_age: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A_V (n, NODES) at nodes between the least and the most of a galaxy, and weights (n, NODES, age) of each node."""
    least, most = (reduce(av_by_age, axis=1, keepdims=True) for reduce in (jnp.min, jnp.max))
    spread = most - least
    some = spread > 1e-6
    x = jnp.where(some, 2.0 * (av_by_age - least) / jnp.where(some, spread, 1.0) - 1.0, -1.0)
    polynomials = [jnp.ones_like(x), x]
    for _ in range(NODES - 2):
        polynomials.append(2.0 * x * polynomials[-1] - polynomials[-2])
    basis = jnp.einsum("kj,kna->nja", jnp.asarray(_TO_LAGRANGE, x.dtype), jnp.stack(polynomials))
    return least + spread * jnp.asarray(_POSITIONS, x.dtype), basis


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
    Source: Hearin et al. 2023, MNRAS 521, 1741.
    """
    n_wave = spectra.wavelength.shape[0]
    table = spectra.luminosity.reshape(-1, n_wave)

    def contract(_, rows):
        age_weights, metallicity_weights, av_by_age, curve, unobscured = rows
        av, basis = nodes_of_depth(av_by_age)
        weights = jnp.einsum("nm,na,nja->njma", metallicity_weights, age_weights, basis)
        light = (weights.reshape(-1, table.shape[0]) @ table).reshape(-1, NODES, n_wave)
        return jnp.sum(light * transmission(av[:, :, None], curve[:, None, :], unobscured[:, None, None]), axis=1)

    rows = (age_weights, metallicity_weights, dust_av_by_age, spectrum_dust_curve, dust_unobscured_fraction)
    light = in_chunks(contract, jnp.zeros(len(age_weights), int), 1, rows)
    return SpectrumInSitu(exp10(log10_stellar_mass_in_situ)[:, None] * spectrum_flux_factor * light)


merged_spectrum = merged(
    "merged_spectrum", "spectrum_in_situ", "spectrum_rest", "solLum / Hz", "Spectrum at rest, after merging."
)


class ObservedSpectrum(NamedTuple):
    spectrum_observed: jax.Array


@stage
def spectrum_observed(
    spectra: SpectrumTable, cosmology: Cosmology, *, spectrum_rest: Vector, redshift: jax.Array
) -> ObservedSpectrum:
    """Flux density as observed, on the wavelengths of the table; after absorption between galaxies.

    f_nu(l) = (1 + z) L_nu(l / (1 + z)) / (4 pi d_L^2), linear between points; none beyond the templates.

    Reads
        spectrum_rest : solLum / Hz
        redshift : -
    Writes
        spectrum_observed : nJy
    """
    blue = spectra.absorption.shape[1]
    at, f = node_position(spectra.redshift, redshift)
    left = spectra.absorption[at] + f * (spectra.absorption[at + 1] - spectra.absorption[at])
    emitted = spectrum_rest * jnp.concatenate([left, jnp.ones_like(spectrum_rest[blue:])])
    shifted = jnp.interp(spectra.wavelength / (1.0 + redshift), spectra.wavelength, emitted, left=0.0, right=0.0)
    magnitude = distance_modulus(cosmology, redshift) - 2.5 * jnp.log10(1.0 + redshift) - AB_ZERO_POINT
    return ObservedSpectrum(exp10(-0.4 * magnitude) * (shifted / AB0))
