"""Mass and light that satellites leave to the galaxy at the centre of their host.

Source: the merging model of diffsky 0.3 (Diffmerge), one round, to the host at the top.
"""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.parameters import Within
from diffsky_factory.core.smooth import exp10, sigmoid
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Uniform, Vector

LOWEST = -0.999999  # of the sigmoid long before a merger
REMAINDER = 1e-6  # what a merged satellite keeps, so that its magnitude stays finite
THRESHOLD, THRESHOLD_STEEPNESS = 0.05, 20.0


class MergingParameters(NamedTuple):
    """Delay after infall, and how sharply merging follows, with the masses of satellite and host."""

    t_delay_min: Annotated[Scalar, Within(0.0, 14.0)] = 12.018  # Gyr; td at low logmhost_infall
    t_delay_max: Annotated[Scalar, Within(0.0, 14.0)] = 2.884  # Gyr; td at high logmhost_infall
    k_t_delay: Annotated[Scalar, Within(0.0, 20.0)] = 16.126  # dex^-1; steepness of td
    host_crit: Annotated[Scalar, Within(6.0, 16.0)] = 12.286  # log Msun; x0 of td
    t_crit_min: Annotated[Scalar, Within(0.0, 14.0)] = 12.341  # Gyr; t_crit at low logmp_infall
    t_crit_max: Annotated[Scalar, Within(0.0, 14.0)] = 1.361  # Gyr; t_crit at high logmp_infall
    k_t: Annotated[Scalar, Within(0.0, 20.0)] = 12.376  # dex^-1; steepness of t_crit
    sub_crit: Annotated[Scalar, Within(6.0, 16.0)] = 11.768  # log Msun; x0 of t_crit
    k_min: Annotated[Scalar, Within(0.0, 20.0)] = 18.15  # Gyr^-1; k for t_infall<t_crit
    k_max: Annotated[Scalar, Within(0.0, 20.0)] = 0.17  # Gyr^-1; k for t_infall>t_crit
    k_k: Annotated[Scalar, Within(0.0, 20.0)] = 1.496  # Gyr^-1; steepness of k in t_infall
    p_max: Annotated[Scalar, Within(0.0, 1.0)] = 0.999  # upper end of s


class MergingProbability(NamedTuple):
    merging_probability_mean: Scalar


@stage
def merging_probability(
    p: MergingParameters,
    *,
    is_central: Scalar,
    cosmic_time: Scalar,
    infall_time: Scalar,
    log10_halo_mass_at_infall: Scalar,
    log10_host_mass_at_infall: Scalar,
) -> MergingProbability:
    """Probability that a satellite has merged by now; 0 for a central.

    s = sigmoid(t; t_infall + delay, k, -1, p_max),  P = |s| / (1 + exp(-20 (s - 0.05))).

    Reads
        is_central : -
        cosmic_time : Gyr
        infall_time : Gyr
        log10_halo_mass_at_infall : dex(solMass)
        log10_host_mass_at_infall : dex(solMass)
    Writes
        merging_probability_mean : -
    """
    critical = sigmoid(log10_halo_mass_at_infall, p.sub_crit, p.k_t, p.t_crit_min, p.t_crit_max)
    steepness = sigmoid(infall_time, critical, p.k_k, p.k_min, p.k_max)
    delay = sigmoid(log10_host_mass_at_infall, p.host_crit, p.k_t_delay, p.t_delay_min, p.t_delay_max)
    s = sigmoid(cosmic_time, infall_time + delay, steepness, LOWEST, p.p_max)
    probability = jnp.abs(s) * sigmoid(s, THRESHOLD, THRESHOLD_STEEPNESS, 0.0, 1.0)
    return MergingProbability(jnp.where(is_central, 0.0, probability))


class Merging(NamedTuple):
    merging_probability: Scalar
    merging_remainder: Scalar  # 1 - probability, on its own because 1 - (1 - 1e-6) has lost 1 % in 32 bits


@stage
def merging_monte_carlo(*, merging_probability_mean: Scalar, draw_merging: Uniform) -> Merging:
    """Whether this satellite has merged: all of it but one millionth, or nothing.

    Reads
        merging_probability_mean : -
    Writes
        merging_probability : -
        merging_remainder : -
    """
    merged = draw_merging < merging_probability_mean
    return Merging(jnp.where(merged, 1.0 - REMAINDER, 0.0), jnp.where(merged, REMAINDER, 1.0))


@stage
def merging_mean(*, merging_probability_mean: Scalar) -> Merging:
    """Every satellite gives away the fraction that is its probability of having merged.

    Reads
        merging_probability_mean : -
    Writes
        merging_probability : -
        merging_remainder : -
    """
    return Merging(merging_probability_mean, 1.0 - merging_probability_mean)


def deposit(in_situ: jax.Array, probability: Vector, remainder: Vector, weight: Vector, host_row: Vector) -> jax.Array:
    """What each galaxy holds after merging: (1 - P_i) x_i + sum over satellites j of i of P_j w_j x_j.

    in_situ is (block,) or (block, n), linear (masses, fluxes); remainder is 1 - P; host_row (block,) is the row that
    receives. Conserves the sum where all weights are 1.
    """
    shape = (-1,) + (1,) * (in_situ.ndim - 1)
    given = (probability * weight).reshape(shape) * in_situ
    return (remainder.reshape(shape) * in_situ).at[host_row].add(given)


class MergedMass(NamedTuple):
    log10_stellar_mass: Vector


@stage(of="block")
def merged_mass(
    *,
    log10_stellar_mass_in_situ: Vector,
    merging_probability: Vector,
    merging_remainder: Vector,
    satellite_weight: Vector,
    host_row: Vector,
) -> MergedMass:
    """Stellar mass after merging.

    Reads
        log10_stellar_mass_in_situ : dex(solMass)
        merging_probability : -
        merging_remainder : -
        satellite_weight : -
        host_row : -
    Writes
        log10_stellar_mass : dex(solMass)
    Shapes: (block,) each.
    """
    mass = exp10(log10_stellar_mass_in_situ)
    merged = deposit(mass, merging_probability, merging_remainder, satellite_weight, host_row)
    return MergedMass(jnp.log10(merged))
