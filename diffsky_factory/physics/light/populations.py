"""Light of a galaxy averaged over the populations it may belong to: smooth in every parameter of the model."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.branch import Branch, branch
from diffsky_factory.core.stage import Stage, stage
from diffsky_factory.core.types import Scalar, Vector
from diffsky_factory.physics.light.photometry import NO_FLUX, ab_magnitude
from diffsky_factory.physics.stars.merging import merged

POPULATIONS = ("main_sequence", "quenched", "bursty")
SEQUENCES = ("main_sequence", "quenched")

CASES = (
    {"sfh_parameters": "sfh_parameters_main_sequence", "is_quenched": False},
    {"sfh_parameters": "sfh_parameters_quenched", "is_quenched": True},
)
BY_SEQUENCE = {
    "log10_stellar_mass_in_situ": "log10_stellar_mass_by_sequence",
    "log10_ssfr": "log10_ssfr_by_sequence",
    "burst_probability": "burst_probability_by_sequence",
    "flux_without_and_with_burst": "flux_by_sequence",
}


def both_sequences(stages: tuple[Stage, ...]) -> Branch:
    """The stage that makes each galaxy as a member of each sequence, by the stages of this model.

    A burst changes the ages of the stars and nothing else, so that its light comes with that of the sequence.
    """
    return branch("both_sequences", stages, CASES, BY_SEQUENCE)


class PopulationWeights(NamedTuple):
    population_weights: Vector


@stage
def population_weights(*, quenched_fraction: Scalar, burst_probability_by_sequence: Vector) -> PopulationWeights:
    """Probability of each population: (1 - f)(1 - p), f, (1 - f) p.

    Reads
        quenched_fraction : -
        burst_probability_by_sequence : -
    Writes
        population_weights : -
    """
    f, p = quenched_fraction, burst_probability_by_sequence[0]
    return PopulationWeights(jnp.stack([(1.0 - f) * (1.0 - p), f, (1.0 - f) * p]))


class PopulationHistories(NamedTuple):
    log10_stellar_mass_by_population: Vector
    log10_ssfr_by_population: Vector


@stage
def population_histories(
    *, log10_stellar_mass_by_sequence: Vector, log10_ssfr_by_sequence: Vector
) -> PopulationHistories:
    """Mass and specific star formation rate in each population; those in a burst are on the main sequence.

    Reads
        log10_stellar_mass_by_sequence : dex(solMass)
        log10_ssfr_by_sequence : dex(1 / yr)
    Writes
        log10_stellar_mass_by_population : dex(solMass)
        log10_ssfr_by_population : dex(1 / yr)
    """
    sequence = jnp.array([0, 1, 0])
    return PopulationHistories(log10_stellar_mass_by_sequence[sequence], log10_ssfr_by_sequence[sequence])


class PopulationFlux(NamedTuple):
    flux_by_population: jax.Array


@stage
def population_flux(*, flux_by_sequence: jax.Array) -> PopulationFlux:
    """Flux in each population.

    Reads
        flux_by_sequence : nJy
    Writes
        flux_by_population : nJy
    """
    return PopulationFlux(jnp.stack([flux_by_sequence[0, 0], flux_by_sequence[1, 0], flux_by_sequence[0, 1]]))


class MeanFlux(NamedTuple):
    flux_mean_in_situ: Vector


@stage
def mean_flux(*, population_weights: Vector, flux_by_population: jax.Array) -> MeanFlux:
    """Mean of the fluxes of the populations.

    Reads
        population_weights : -
        flux_by_population : nJy
    Writes
        flux_mean_in_situ : nJy
    """
    return MeanFlux(population_weights @ flux_by_population)


@stage
def mean_magnitude(*, population_weights: Vector, flux_by_population: jax.Array) -> MeanFlux:
    """Mean of the magnitudes of the populations, as diffsky 0.3 does; fainter than the mean flux.

    Reads
        population_weights : -
        flux_by_population : nJy
    Writes
        flux_mean_in_situ : nJy
    """
    return MeanFlux(jnp.exp(population_weights @ jnp.log(jnp.maximum(flux_by_population, NO_FLUX))))


merged_mean_flux = merged("merged_mean_flux", "flux_mean_in_situ", "flux_mean", "Mean flux after merging.")


class MeanMagnitude(NamedTuple):
    mag_mean: Vector


@stage
def magnitude_of_mean(*, flux_mean: Vector) -> MeanMagnitude:
    """AB magnitude of the mean flux.

    Reads
        flux_mean : nJy
    Writes
        mag_mean : mag(AB)
    """
    return MeanMagnitude(ab_magnitude(flux_mean))
