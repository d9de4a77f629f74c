"""Light of one galaxy in survey bands: template luminosities summed over ages and metallicities, through dust.

Source: Hearin et al. 2023, MNRAS 521, 1741 (DSPS).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.smooth import exp10
from diffsky_factory.core.stage import Stage, made_stage, stage
from diffsky_factory.core.types import Scalar, Vector
from diffsky_factory.physics.light.contraction import (
    OF_COMPONENTS,
    OF_GALAXY,
    WITHOUT_AND_WITH_BURST,
    Ages,
    Stars,
    in_chunks,
    node_position,
    over_metallicities,
    through_dust,
)
from diffsky_factory.physics.stars.merging import merged
from diffsky_factory.sky.cosmology import Cosmology, distance_modulus

AB_ZERO_POINT = 31.4  # mag of 1 nJy: 2.5 log10(3631e9); Oke & Gunn 1983, ApJ 266, 713
NO_FLUX = 1e-30  # nJy, 106 mag: stands for none, so that a band blueward of all starlight stays finite


class BandTable(NamedTuple):
    """Templates through the bands, at nodes of redshift.

    redshift        : (n_z,) ascending
    luminosity      : (n_z, n_met, n_band, n_age) mean L_nu in the band seen from that redshift, per Msun formed, in
                      units of the luminosity density of a source of 0 mag (AB) at 10 pc
    rest_wavelength : (n_z, n_band) effective wavelength of the band in the rest frame [Angstrom]
    """

    redshift: jax.Array
    luminosity: jax.Array
    rest_wavelength: jax.Array


class BandWavelengths(NamedTuple):
    band_rest_wavelength: Vector


@stage
def band_wavelengths(bands: BandTable, *, redshift: Scalar) -> BandWavelengths:
    """Rest wavelength that each band sees.

    Reads
        redshift : -
    Writes
        band_rest_wavelength : Angstrom
    """
    i, f = node_position(bands.redshift, redshift)
    return BandWavelengths(bands.rest_wavelength[i] + f * (bands.rest_wavelength[i + 1] - bands.rest_wavelength[i]))


def _linear_luminosity(bands: BandTable, redshift: Vector, stars: Stars) -> jax.Array:
    """Luminosities linear in redshift between nodes: one matrix product with those of two nodes."""

    def contract(at, rows):
        fraction, stars = rows
        pair = jax.lax.dynamic_slice_in_dim(bands.luminosity, at, 2, axis=0)
        weights = stars.metallicity_weights
        weights = jnp.concatenate([(1.0 - fraction)[:, None] * weights, fraction[:, None] * weights], axis=1)
        return through_dust(over_metallicities(weights, pair.reshape(-1, *pair.shape[2:])), stars)

    at, fraction = node_position(bands.redshift, redshift)
    return in_chunks(contract, at, bands.redshift.shape[0] - 1, (fraction, stars))


def _linear_magnitude(bands: BandTable, redshift: Vector, stars: Stars) -> jax.Array:
    """Logarithms of luminosities linear in redshift: an exponential per template, band and galaxy."""

    def contract(at, rows):
        fraction, stars = rows
        pair = jnp.log(jax.lax.dynamic_slice_in_dim(bands.luminosity, at, 2, axis=0))
        f = fraction[:, None, None, None]
        light = jnp.exp((1.0 - f) * pair[0] + f * pair[1])
        return through_dust(jnp.einsum("rm,rmba->rba", stars.metallicity_weights, light), stars)

    at, fraction = node_position(bands.redshift, redshift)
    return in_chunks(contract, at, bands.redshift.shape[0] - 1, (fraction, stars))


def dimming(cosmology: Cosmology, redshift: Scalar) -> Scalar:
    """Apparent magnitude of a source of absolute magnitude 0 whose band is already that of its rest frame."""
    return distance_modulus(cosmology, redshift) - 2.5 * jnp.log10(1.0 + redshift)


def _dimming_between_nodes(cosmology: Cosmology, redshift: Vector, nodes: Vector) -> Vector:
    return jnp.interp(redshift, nodes, dimming(cosmology, nodes))


def band_fluxes(name: str, ages: Ages, writes: str, *, as_diffsky: bool = False) -> Stage:
    """A stage that lights one or more age distributions of each galaxy in the bands.

    writes     : its column, (block, band) of one distribution, (block, distribution, band) of several
    as_diffsky : with apparent magnitudes of the templates, dimming included, linear in redshift between the nodes
    """

    def function(bands: BandTable, cosmology: Cosmology, **columns: jax.Array) -> tuple[jax.Array]:
        redshift = columns["redshift"]
        given = {**columns, "age_weights": ages.distributions(columns)}
        stars = Stars(*[given[field] for field in Stars._fields])
        shift: Scalar
        if as_diffsky:
            light = _linear_magnitude(bands, redshift, stars)
            shift = _dimming_between_nodes(cosmology, redshift, bands.redshift)
        else:
            light = _linear_luminosity(bands, redshift, stars)
            shift = dimming(cosmology, redshift)
        scale = exp10(columns["log10_stellar_mass_in_situ"] - 0.4 * (shift - AB_ZERO_POINT))
        flux = (scale[:, None] * columns["template_flux_factor"])[:, None, :] * light
        return (flux[:, 0] if ages.is_one else flux,)

    rule = "apparent magnitudes of the templates, dimming included," if as_diffsky else "table luminosities"
    return made_stage(
        name,
        function,
        constants={"bands": BandTable, "cosmology": Cosmology},
        reads=("redshift", "log10_stellar_mass_in_situ", *ages.reads, *_DUST_AND_METALS, "template_flux_factor"),
        writes=(writes,),
        says=f"Flux of the stars that formed in the galaxy, with {rule} linear in redshift between nodes.\n{FLUX}",
    )


_DUST_AND_METALS = tuple(field for field in Stars._fields if field != "age_weights")
FLUX = """
F_b = M E_b D(z) sum_ma w_m w_a L_bma(z) T_b(a), with D the dimming at the galaxy's own redshift.
Holds for redshifts within the table; clamped to its ends beyond.
Source: Hearin et al. 2023, MNRAS 521, 1741.
"""

photometry = band_fluxes("photometry", OF_GALAXY, "flux_in_situ")
photometry_interpolating_magnitudes = band_fluxes(
    "photometry_interpolating_magnitudes", OF_GALAXY, "flux_in_situ", as_diffsky=True
)

burst_photometry = band_fluxes("burst_photometry", WITHOUT_AND_WITH_BURST, "flux_without_and_with_burst")
burst_photometry_interpolating_magnitudes = band_fluxes(
    "burst_photometry_interpolating_magnitudes", WITHOUT_AND_WITH_BURST, "flux_without_and_with_burst", as_diffsky=True
)

component_photometry = band_fluxes("component_photometry", OF_COMPONENTS, "component_flux_in_situ")
component_photometry_interpolating_magnitudes = band_fluxes(
    "component_photometry_interpolating_magnitudes", OF_COMPONENTS, "component_flux_in_situ", as_diffsky=True
)


def ab_magnitude(flux: Vector) -> Vector:
    """AB magnitude of a flux density [nJy]; that of NO_FLUX where there is less."""
    return AB_ZERO_POINT - 2.5 * jnp.log10(jnp.maximum(flux, NO_FLUX))


class MagnitudeInSitu(NamedTuple):
    mag_in_situ: Vector


@stage
def magnitude_in_situ(*, flux_in_situ: Vector) -> MagnitudeInSitu:
    """AB magnitude of the stars that formed in the galaxy.

    Reads
        flux_in_situ : nJy
    Writes
        mag_in_situ : mag(AB)
    """
    return MagnitudeInSitu(ab_magnitude(flux_in_situ))


merged_flux = merged(
    "merged_flux", "flux_in_situ", "flux_true", "Flux after merging: without lensing, noise or Milky Way dust."
)


class TrueMagnitude(NamedTuple):
    mag_true: Vector


@stage
def magnitude_true(*, flux_true: Vector) -> TrueMagnitude:
    """AB magnitude after merging.

    Reads
        flux_true : nJy
    Writes
        mag_true : mag(AB)
    """
    return TrueMagnitude(ab_magnitude(flux_true))


class ComponentFlux(NamedTuple):
    component_flux: jax.Array


@stage
def component_flux(
    *, component_flux_in_situ: jax.Array, flux_in_situ: Vector, flux_true: Vector, component_fraction: Vector
) -> ComponentFlux:
    """Flux of each component after mergers, which leave its share in each band as it is; they sum to the galaxy's.

    Reads
        component_flux_in_situ : nJy
        flux_in_situ : nJy
        flux_true : nJy
        component_fraction : -
    Writes
        component_flux : nJy
    """
    return ComponentFlux(shared_out(flux_true, component_flux_in_situ, flux_in_situ, component_fraction))


def shared_out(total: Vector, parts: jax.Array, whole: Vector, otherwise: Vector) -> jax.Array:
    """A total (n,) shared out as parts (part, n) of a whole (n,) are, or as `otherwise` (part,) where there is none."""
    some = whole > 0.0
    return total * jnp.where(some, parts / jnp.where(some, whole, 1.0), otherwise[:, None])


class ComponentMagnitude(NamedTuple):
    component_mag: jax.Array


@stage
def component_magnitude(*, component_flux: jax.Array) -> ComponentMagnitude:
    """AB magnitude of each component after mergers.

    Reads
        component_flux : nJy
    Writes
        component_mag : mag(AB)
    """
    return ComponentMagnitude(ab_magnitude(component_flux))
