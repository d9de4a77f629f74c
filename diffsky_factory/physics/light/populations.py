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

CASES = (
    {"sfh_parameters": "sfh_parameters_main_sequence", "is_quenched": False, "is_bursty": False},
    {"sfh_parameters": "sfh_parameters_quenched", "is_quenched": True, "is_bursty": False},
    {"sfh_parameters": "sfh_parameters_main_sequence", "is_quenched": False, "is_bursty": True},
)


def population_photometry(stages: tuple[Stage, ...]) -> Branch:
    """The stage that lights each galaxy as a member of each population, by the stages of this model."""
    outputs = {"flux_in_situ": "flux_by_population", "burst_probability": "burst_probability_by_population"}
    return branch("population_photometry", stages, CASES, outputs)


class PopulationWeights(NamedTuple):
    population_weights: Vector


@stage
def population_weights(*, quenched_fraction: Scalar, burst_probability_by_population: Vector) -> PopulationWeights:
    """Probability of each population: (1 - f)(1 - p), f, (1 - f) p.

    Reads
        quenched_fraction : -
        burst_probability_by_population : -
    Writes
        population_weights : -
    """
    f, p = quenched_fraction, burst_probability_by_population[0]
    return PopulationWeights(jnp.stack([(1.0 - f) * (1.0 - p), f, (1.0 - f) * p]))


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


merged_mean_flux = merged("merged_mean_flux", "flux_mean_in_situ", "flux_mean", "nJy", "Mean flux after merging.")


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
