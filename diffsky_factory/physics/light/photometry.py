"""Light of one galaxy in survey bands: template luminosities summed over ages and metallicities, through dust.

Source: Hearin et al. 2023, MNRAS 521, 1741 (DSPS).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.smooth import exp10
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Vector
from diffsky_factory.physics.light.dust import transmission
from diffsky_factory.physics.stars.merging import merged
from diffsky_factory.sky.cosmology import Cosmology, distance_modulus

AB_ZERO_POINT = 31.4  # mag of 1 nJy: 2.5 log10(3631e9); Oke & Gunn 1983, ApJ 266, 713
NO_FLUX = 1e-30  # nJy, 106 mag: stands for none, so that a band blueward of all starlight stays finite
ROWS = 32  # chosen: galaxies contracted at a time; their table of two redshift nodes stays in cache


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


def node_position(nodes: Vector, redshift: Scalar) -> tuple[Scalar, Scalar]:
    """The interval of the redshift nodes that holds each redshift, and the fraction of the way through it."""
    upper = jnp.clip(jnp.searchsorted(nodes, redshift), 1, nodes.shape[0] - 1)
    lower = nodes[upper - 1]
    return upper - 1, jnp.clip((redshift - lower) / (nodes[upper] - lower), 0.0, 1.0)


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


class Chunks(NamedTuple):
    """Rows in chunks that share a redshift interval, so that a chunk needs two nodes of the table."""

    rows: jax.Array  # (n_chunk, ROWS) int
    interval: jax.Array  # (n_chunk,)
    used: jax.Array  # (n_chunk,) bool
    slot_of_row: jax.Array  # (n,) where in the chunks each row is


def chunks_of_rows(interval: jax.Array, n_interval: int) -> Chunks:
    """Sort rows by interval and pad each interval to whole chunks; shapes depend on n and n_interval alone."""
    n = interval.shape[0]
    n_chunk = -(-n // ROWS) + n_interval
    order = jnp.argsort(interval, stable=True)
    counts = jnp.bincount(interval, length=n_interval)
    chunk_counts = -(-counts // ROWS)
    ends = jnp.cumsum(chunk_counts)
    first_slot = (ends - chunk_counts) * ROWS
    rank = jnp.arange(n) - (jnp.cumsum(counts) - counts)[interval[order]]
    slots = first_slot[interval[order]] + rank
    rows = jnp.zeros(n_chunk * ROWS, order.dtype).at[slots].set(order)
    chunk = jnp.arange(n_chunk)
    return Chunks(
        rows.reshape(n_chunk, ROWS),
        jnp.minimum(jnp.searchsorted(ends, chunk, side="right"), n_interval - 1),
        chunk < ends[-1],
        jnp.zeros(n, slots.dtype).at[order].set(slots),
    )


def _over_chunks(bands: BandTable, redshift: Vector, columns: dict, contract) -> jax.Array:
    """contract(table of two nodes, fraction, columns of the chunk) for every chunk; rows back in their order."""
    interval, fraction = node_position(bands.redshift, redshift)
    chunks = chunks_of_rows(interval, bands.redshift.shape[0] - 1)
    n_band = bands.luminosity.shape[2]
    dtype = columns["age_weights"].dtype

    def one(at, fraction, columns):
        table = jax.lax.dynamic_slice_in_dim(bands.luminosity, at, 2, axis=0)
        return contract(table, fraction, columns)

    @partial(jax.checkpoint, prevent_cse=False)  # the gradient contracts again rather than keep (rows, bands, ages)
    def step(_, chunk):
        at, used, *rows = chunk
        nothing = jnp.zeros((ROWS, n_band), dtype)
        return None, jax.lax.cond(used, one, lambda *_: nothing, at, *rows)

    # rows are gathered before the scan: inside, its gradient would add up whole columns at every step
    rows = (fraction[chunks.rows], {name: value[chunks.rows] for name, value in columns.items()})
    _, out = jax.lax.scan(step, None, (chunks.interval, chunks.used, *rows))
    return out.reshape(-1, n_band)[chunks.slot_of_row]


def _through_dust(light: jax.Array, columns: dict) -> jax.Array:
    """Sum over ages of light (rows, band, age), weighted and attenuated."""
    leaves = transmission(
        columns["dust_av_by_age"][:, None, :],
        columns["dust_curve"][:, :, None],
        columns["dust_unobscured_fraction"][:, None, None],
    )
    return jnp.sum(light * leaves * columns["age_weights"][:, None, :], axis=-1)


def _interpolate_luminosity(table, fraction, columns):
    n_z, n_met, n_band, n_age = table.shape
    weights = columns["metallicity_weights"]
    weights = jnp.concatenate([(1.0 - fraction)[:, None] * weights, fraction[:, None] * weights], axis=1)
    light = weights @ table.reshape(n_z * n_met, n_band * n_age)
    return _through_dust(light.reshape(-1, n_band, n_age), columns)


def _interpolate_magnitude(table, fraction, columns):
    log_table = jnp.log(table)
    f = fraction[:, None, None, None]
    light = jnp.exp((1.0 - f) * log_table[0] + f * log_table[1])
    light = jnp.einsum("rm,rmba->rba", columns["metallicity_weights"], light)
    return _through_dust(light, columns)


class FluxInSitu(NamedTuple):
    flux_in_situ: jax.Array


def _flux(light, log10_stellar_mass, template_flux_factor, magnitude_shift) -> FluxInSitu:
    scale = exp10(log10_stellar_mass - 0.4 * (magnitude_shift - AB_ZERO_POINT))
    return FluxInSitu(scale[:, None] * template_flux_factor * light)


@stage(of="block")
def photometry(
    bands: BandTable,
    cosmology: Cosmology,
    *,
    redshift: Vector,
    log10_stellar_mass_in_situ: Vector,
    age_weights: jax.Array,
    metallicity_weights: jax.Array,
    dust_av_by_age: jax.Array,
    dust_curve: jax.Array,
    dust_unobscured_fraction: Vector,
    template_flux_factor: jax.Array,
) -> FluxInSitu:
    """Flux of the stars that formed in the galaxy, with table luminosities linear in redshift between nodes.

    F_b = M E_b D(z) sum_ma w_m w_a L_bma(z) T_b(a), with D the dimming at the galaxy's own redshift.

    Reads
        redshift : -
        log10_stellar_mass_in_situ : dex(solMass)
        age_weights : -
        metallicity_weights : -
        dust_av_by_age : mag
        dust_curve : -
        dust_unobscured_fraction : -
        template_flux_factor : -
    Writes
        flux_in_situ : nJy
    Shapes: (block,) scalars, (block, age), (block, metallicity), (block, band).
    Holds for redshifts within the table; clamped to its ends beyond.
    Source: Hearin et al. 2023, MNRAS 521, 1741.
    """
    columns = {
        "age_weights": age_weights,
        "metallicity_weights": metallicity_weights,
        "dust_av_by_age": dust_av_by_age,
        "dust_curve": dust_curve,
        "dust_unobscured_fraction": dust_unobscured_fraction,
    }
    light = _over_chunks(bands, redshift, columns, _interpolate_luminosity)
    dimming = distance_modulus(cosmology, redshift) - 2.5 * jnp.log10(1.0 + redshift)
    return _flux(light, log10_stellar_mass_in_situ, template_flux_factor, dimming)


@stage(of="block")
def photometry_interpolating_magnitudes(
    bands: BandTable,
    cosmology: Cosmology,
    *,
    redshift: Vector,
    log10_stellar_mass_in_situ: Vector,
    age_weights: jax.Array,
    metallicity_weights: jax.Array,
    dust_av_by_age: jax.Array,
    dust_curve: jax.Array,
    dust_unobscured_fraction: Vector,
    template_flux_factor: jax.Array,
) -> FluxInSitu:
    """Flux with apparent magnitudes of the templates linear in redshift between nodes, as diffsky 0.3 does.

    The dimming is interpolated with them. For comparison: it costs an exponential per template, band and galaxy.

    Reads
        redshift : -
        log10_stellar_mass_in_situ : dex(solMass)
        age_weights : -
        metallicity_weights : -
        dust_av_by_age : mag
        dust_curve : -
        dust_unobscured_fraction : -
        template_flux_factor : -
    Writes
        flux_in_situ : nJy
    """
    columns = {
        "age_weights": age_weights,
        "metallicity_weights": metallicity_weights,
        "dust_av_by_age": dust_av_by_age,
        "dust_curve": dust_curve,
        "dust_unobscured_fraction": dust_unobscured_fraction,
    }
    light = _over_chunks(bands, redshift, columns, _interpolate_magnitude)
    nodes = bands.redshift
    at_nodes = distance_modulus(cosmology, nodes) - 2.5 * jnp.log10(1.0 + nodes)
    dimming = jnp.interp(redshift, nodes, at_nodes)
    return _flux(light, log10_stellar_mass_in_situ, template_flux_factor, dimming)


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
    "merged_flux", "flux_in_situ", "flux_true", "nJy", "Flux after merging: without lensing, noise or Milky Way dust."
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
