"""Mass and light that satellites leave to the galaxies they merge with.

Source: the merging model of diffsky 0.3 (Diffmerge).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.smooth import exp10
from diffsky_factory.core.stage import Stage, made_stage, stage
from diffsky_factory.core.types import Scalar, Uniform, Vector

REMAINDER = 1e-6  # what a merged satellite keeps, so that its magnitude stays finite


class Merging(NamedTuple):
    merging_probability: Scalar
    merging_probability_by_round: Vector
    merging_remainder_by_round: Vector  # 1 - P, on its own because 1 - (1 - 1e-6) has lost 1 % in 32 bits


def _of_rounds(given: Vector, kept: Vector) -> Merging:
    return Merging(given[0] + kept[0] * given[1], given, kept)


@stage
def merging_monte_carlo(
    *, merging_probability_mean_by_round: Vector, draw_merging: Uniform, draw_penultimate_merging: Uniform
) -> Merging:
    """Whether this satellite has merged in each round: all of it but one millionth, or nothing.

    Reads
        merging_probability_mean_by_round : -
    Writes
        merging_probability : -
        merging_probability_by_round : -
        merging_remainder_by_round : -
    """
    merged = jnp.stack([draw_penultimate_merging, draw_merging]) < merging_probability_mean_by_round
    return _of_rounds(jnp.where(merged, 1.0 - REMAINDER, 0.0), jnp.where(merged, REMAINDER, 1.0))


@stage
def merging_mean(*, merging_probability_mean_by_round: Vector) -> Merging:
    """Every satellite gives away, in each round, the fraction that is its probability of having merged.

    Reads
        merging_probability_mean_by_round : -
    Writes
        merging_probability : -
        merging_probability_by_round : -
        merging_remainder_by_round : -
    """
    return _of_rounds(merging_probability_mean_by_round, 1.0 - merging_probability_mean_by_round)


def deposit(
    in_situ: jax.Array, probability: jax.Array, remainder: jax.Array, weight: Vector, *host_rows: Vector
) -> jax.Array:
    """What each galaxy holds after merging, round by round: (1 - P_i) x_i + sum over satellites j of i of P_j w_j x_j.

    in_situ is (block,) or (block, n), linear (masses, fluxes); probability and remainder 1 - P are (block, round);
    host_rows are the rows that receive, one (block,) for each round. Conserves the sum where all weights are 1.
    """
    held = in_situ
    for given, kept, host_row in zip(probability.T, remainder.T, host_rows):
        held = along_rows(kept, held) * held + received(along_rows(given * weight, held) * held, host_row)
    return held


def along_rows(values: Vector, like: jax.Array) -> jax.Array:
    """One value per row, in a shape that multiplies (block, ...)."""
    return values.reshape((-1,) + (1,) * (like.ndim - 1))


def received(given: jax.Array, host_row: Vector) -> jax.Array:
    """The sum of what is given to each row."""
    return jnp.zeros_like(given).at[host_row].add(given)


def merged(name: str, in_situ: str, final: str, meaning: str, *, logarithmic: bool = False) -> Stage:
    """The stage that takes a quantity of the stars formed in each galaxy to that after merging.

    in_situ, final : columns
    meaning        : of what it writes, one sentence
    logarithmic    : whether both columns are decimal logarithms of what is merged
    """

    def function(**columns: jax.Array) -> tuple[jax.Array]:
        amount = exp10(columns[in_situ]) if logarithmic else columns[in_situ]
        held = deposit(amount, *(columns[name] for name in MERGER))
        return (jnp.log10(held) if logarithmic else held,)

    return made_stage(name, function, constants={}, reads=(in_situ, *MERGER), writes=(final,), says=meaning)


MERGER = (
    *("merging_probability_by_round", "merging_remainder_by_round", "satellite_weight"),
    *("penultimate_host_row", "host_row"),
)
"""Columns that say who gives how much to whom, in the order of `deposit`."""

merged_mass = merged(
    "merged_mass",
    "log10_stellar_mass_in_situ",
    "log10_stellar_mass",
    "Mass of stars formed, after merging.",
    logarithmic=True,
)
