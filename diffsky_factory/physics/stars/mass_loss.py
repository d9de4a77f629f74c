"""Stars that have not died: what is left of the mass that formed."""

from typing import NamedTuple

import jax.numpy as jnp

from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Vector
from diffsky_factory.physics.stars.merging import merged


class SurvivingMassTable(NamedTuple):
    """Mass of stars that still shine, remnants not counted, per mass formed: (metallicity, age) of the templates."""

    fraction: Vector


class SurvivingMass(NamedTuple):
    log10_surviving_mass_in_situ: Scalar


@stage
def surviving_mass(
    table: SurvivingMassTable,
    *,
    log10_stellar_mass_in_situ: Scalar,
    age_weights: Vector,
    metallicity_weights: Vector,
) -> SurvivingMass:
    """Mass of the stars formed in the galaxy that still shine: M sum_ma w_m w_a s_ma.

    Reads
        log10_stellar_mass_in_situ : dex(solMass)
        age_weights : -
        metallicity_weights : -
    Writes
        log10_surviving_mass_in_situ : dex(solMass)
    Source: the table that comes with the templates.
    """
    survives = jnp.sum(metallicity_weights[:, None] * table.fraction * age_weights)
    return SurvivingMass(log10_stellar_mass_in_situ + jnp.log10(survives))


merged_surviving_mass = merged(
    "merged_surviving_mass",
    "log10_surviving_mass_in_situ",
    "log10_surviving_mass",
    "Mass of the stars that still shine, after merging.",
    logarithmic=True,
)
