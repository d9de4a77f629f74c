"""Whether satellites have merged by now, and with whom: with the host of their first infall, then with the one on top.

Source: the merging model of diffsky 0.3 (Diffmerge).
"""

from typing import Annotated, NamedTuple

import jax.numpy as jnp

from diffsky_factory.core.parameters import Within
from diffsky_factory.core.smooth import sigmoid
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Vector

ROUNDS = ("penultimate", "ultimate")

LOWEST = -0.999999  # of the sigmoid long before a merger
THRESHOLD, THRESHOLD_STEEPNESS = 0.05, 20.0


class MergingParameters(NamedTuple):
    """Delay after infall, and how sharply merging follows, with the masses of satellite and host at infall.

    s and its use: `probability_after_infall`. In the names, min and max are low and high mass, or early and
    late infall.
    """

    t_delay_min: Annotated[
        Scalar, Within(0.0, 14.0, "Gyr", "delay between infall and merging into hosts of low mass")
    ] = 12.018
    t_delay_max: Annotated[
        Scalar, Within(0.0, 14.0, "Gyr", "delay between infall and merging into hosts of high mass")
    ] = 2.884
    k_t_delay: Annotated[
        Scalar, Within(0.0, 20.0, "1 / dex", "steepness in host mass of the delay between infall and merging")
    ] = 16.126
    host_crit: Annotated[
        Scalar, Within(6.0, 16.0, "dex(solMass)", "pivot in host mass of the delay between infall and merging")
    ] = 12.286
    t_crit_min: Annotated[
        Scalar, Within(0.0, 14.0, "Gyr", "time parting early from late infall of low-mass satellites")
    ] = 12.341
    t_crit_max: Annotated[
        Scalar, Within(0.0, 14.0, "Gyr", "time parting early from late infall of high-mass satellites")
    ] = 1.361
    k_t: Annotated[
        Scalar, Within(0.0, 20.0, "1 / dex", "steepness in satellite mass of the time parting early from late infall")
    ] = 12.376
    sub_crit: Annotated[
        Scalar, Within(6.0, 16.0, "dex(solMass)", "pivot in satellite mass of the time parting early from late infall")
    ] = 11.768
    k_min: Annotated[Scalar, Within(0.0, 20.0, "1 / Gyr", "steepness in time of merging after an early infall")] = 18.15
    k_max: Annotated[Scalar, Within(0.0, 20.0, "1 / Gyr", "steepness in time of merging after a late infall")] = 0.17
    k_k: Annotated[
        Scalar, Within(0.0, 20.0, "1 / Gyr", "steepness in infall time of the change from early to late")
    ] = 1.496
    p_max: Annotated[
        Scalar, Within(0.0, 1.0, "", "highest s, nearly the probability of having merged long after infall")
    ] = 0.999


def probability_after_infall(
    p: MergingParameters, time: Scalar, infall_time: Scalar, log10_mass: Scalar, log10_host_mass: Scalar
) -> Scalar:
    """Probability that a satellite has merged by a time with the host it fell into; masses are those at infall.

    s = sigmoid(t; t_infall + delay, k, -1, p_max),  P = |s| / (1 + exp(-20 (s - 0.05))).
    """
    critical = sigmoid(log10_mass, p.sub_crit, p.k_t, p.t_crit_min, p.t_crit_max)
    steepness = sigmoid(infall_time, critical, p.k_k, p.k_min, p.k_max)
    delay = sigmoid(log10_host_mass, p.host_crit, p.k_t_delay, p.t_delay_min, p.t_delay_max)
    s = sigmoid(time, infall_time + delay, steepness, LOWEST, p.p_max)
    return jnp.abs(s) * sigmoid(s, THRESHOLD, THRESHOLD_STEEPNESS, 0.0, 1.0)


class MergingProbability(NamedTuple):
    merging_probability_by_infall: Vector


@stage
def merging_probability(
    p: MergingParameters,
    *,
    is_central: Scalar,
    cosmic_time: Scalar,
    penultimate_infall_time: Scalar,
    log10_halo_mass_at_penultimate_infall: Scalar,
    log10_host_mass_at_penultimate_infall: Scalar,
    infall_time: Scalar,
    log10_halo_mass_at_infall: Scalar,
    log10_host_mass_at_infall: Scalar,
) -> MergingProbability:
    """Probability that a satellite has merged by now with each of the hosts it fell into; 0 for a central.

    Reads
        is_central : -
        cosmic_time : Gyr
        penultimate_infall_time : Gyr
        log10_halo_mass_at_penultimate_infall : dex(solMass)
        log10_host_mass_at_penultimate_infall : dex(solMass)
        infall_time : Gyr
        log10_halo_mass_at_infall : dex(solMass)
        log10_host_mass_at_infall : dex(solMass)
    Writes
        merging_probability_by_infall : -
    """
    first = penultimate_infall_time, log10_halo_mass_at_penultimate_infall, log10_host_mass_at_penultimate_infall
    last = infall_time, log10_halo_mass_at_infall, log10_host_mass_at_infall
    both = jnp.stack([probability_after_infall(p, cosmic_time, *infall) for infall in (first, last)])
    return MergingProbability(jnp.where(is_central, 0.0, both))


class MergingRounds(NamedTuple):
    merging_probability_mean: Scalar
    merging_probability_mean_by_round: Vector


def in_rounds(first: Scalar, last: Scalar) -> MergingRounds:
    """Two rounds of mergers, and the probability of merging in either: P1 + (1 - P1) P2."""
    return MergingRounds(first + (1.0 - first) * last, jnp.stack([first, last]))


@stage
def merging_two_rounds(
    *,
    merging_probability_by_infall: Vector,
    penultimate_infall_time: Scalar,
    penultimate_host_row: Scalar,
    infall_time: Scalar,
    host_row: Scalar,
) -> MergingRounds:
    """First into the host of the first infall; then what is left, and what was received, into the host on top.

    A satellite with one infall, into the host on top, has only the second round: by then it holds what its own
    satellites have left to it, and takes that along.

    Reads
        merging_probability_by_infall : -
        penultimate_infall_time : Gyr
        penultimate_host_row : -
        infall_time : Gyr
        host_row : -
    Writes
        merging_probability_mean : -
        merging_probability_mean_by_round : -
    """
    first, last = merging_probability_by_infall
    once = one_infall(penultimate_host_row, penultimate_infall_time, host_row, infall_time)
    return in_rounds(jnp.where(once, 0.0, first), last)


@stage
def merging_direct_satellites_first(
    *,
    merging_probability_by_infall: Vector,
    penultimate_infall_time: Scalar,
    penultimate_host_row: Scalar,
    infall_time: Scalar,
    host_row: Scalar,
) -> MergingRounds:
    """As the published calibrations were fitted: a satellite with one infall has only the first round.

    What its own satellites leave to it in that round stays where it was, even where it has itself merged.

    Reads
        merging_probability_by_infall : -
        penultimate_infall_time : Gyr
        penultimate_host_row : -
        infall_time : Gyr
        host_row : -
    Writes
        merging_probability_mean : -
        merging_probability_mean_by_round : -
    """
    first, last = merging_probability_by_infall
    once = one_infall(penultimate_host_row, penultimate_infall_time, host_row, infall_time)
    return in_rounds(first, jnp.where(once, 0.0, last))


@stage
def merging_one_round(*, merging_probability_by_infall: Vector) -> MergingRounds:
    """Straight into the host on top, whatever is known of an earlier one.

    Reads
        merging_probability_by_infall : -
    Writes
        merging_probability_mean : -
        merging_probability_mean_by_round : -
    """
    last = merging_probability_by_infall[1]
    return in_rounds(jnp.zeros_like(last), last)


def one_infall(first_host: Scalar, first_time: Scalar, host: Scalar, time: Scalar) -> Scalar:
    """Whether the first infall is the last one: the same host at the same time."""
    return (first_host == host) & (first_time == time)
