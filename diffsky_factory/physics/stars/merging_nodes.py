"""What a galaxy may hold after merging, as two values with weights: the scatter that a mean over mergers loses.

Every merger is a Bernoulli trial, so the cumulants of what galaxies receive add up. Mean, variance and third central
moment of the mass after merging give the two-node Gauss rule: nodes and weights with these moments, so that the mean of
any smooth function of the mass, its logarithm above all, is that of the drawn galaxies and not the function of the
mean. Other quantities share the weights, and with them the outcome: the low node of the flux is that of the low mass.
Source: Golub & Welsch 1969, Math. Comp. 23, 221 for the rule.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.smooth import exp10
from diffsky_factory.core.stage import Stage, made_stage, stage
from diffsky_factory.core.types import Vector
from diffsky_factory.physics.stars.merging import REMAINDER, along_rows, received

NODES = ("low", "high")
LEAVES = 1.0 - REMAINDER
LOG10_MASS_UNIT = 5.0  # dex(Msun): fourth powers of 1e-4 to 1e14 Msun in this unit stay within 32 bits
SAME = 8.0  # chosen: two numbers within as many roundings are taken for one


class Outcomes(NamedTuple):
    """What galaxies may hold: what is left if they merge once, the mean above that, and central moments."""

    least: jax.Array
    above: jax.Array
    variance: jax.Array
    third: jax.Array

    @property
    def mean(self) -> jax.Array:
        return self.least + self.above


def outcomes(
    in_situ: jax.Array, probability: jax.Array, weight: Vector, penultimate_host_row: Vector, host_row: Vector
) -> Outcomes:
    """Moments of what galaxies hold after mergers that are drawn; arguments as in `deposit`, w trials for weight w."""
    zero = jnp.zeros_like(in_situ)
    rounds = zip(probability.T, (penultimate_host_row, host_row))
    # what would come back to its giver never leaves it
    first, last = (along_rows(jnp.where(host == jnp.arange(len(p)), 0.0, p), in_situ) for p, host in rounds)
    weight = along_rows(weight, in_situ)
    merged_once = jnp.where(first > 0.0, REMAINDER, 1.0) * in_situ
    merged_ever = jnp.where((first > 0.0) | (last > 0.0), REMAINDER, 1.0) * in_situ
    kept, lent = thinned(Outcomes(in_situ, zero, zero, zero), first, merged_once)
    between = _joined(kept, lent, weight, penultimate_host_row)
    kept, left = thinned(between, last, merged_ever)
    held = _joined(kept, left, weight, host_row)
    on_top = along_rows(host_row == jnp.arange(len(host_row)), in_situ)
    shared = _shared(between, lent, last, on_top, penultimate_host_row)
    variance, third = (received(weight * moment, host_row) for moment in shared)
    return held._replace(variance=held.variance + variance, third=held.third + third)


def thinned(held: Outcomes, p: jax.Array, least: jax.Array) -> tuple[Outcomes, Outcomes]:
    """What is kept of a quantity, and what is left to another, if all but REMAINDER leaves with probability p.

    What is kept counts from `least`, or from its mean where that is less: merged twice, for certain.

    Moments of a product of two independent numbers, y of cumulants k and a factor of cumulants c:
    variance c2 (k1^2 + k2) + c1^2 k2,  third c3 E[y^3] + 3 c1 c2 (k3 + 2 k1 k2) + c1^3 k3.
    """
    c2 = p * (1.0 - p) * LEAVES**2
    c3 = c2 * (1.0 - 2.0 * p) * LEAVES
    k1, k2, k3 = held.mean, held.variance, held.third

    def product(c1, c3):
        variance = c2 * (k1**2 + k2) + c1**2 * k2
        return variance, c3 * (k3 + 3.0 * k1 * k2 + k1**3) + 3.0 * c1 * c2 * (k3 + 2.0 * k1 * k2) + c1**3 * k3

    c1_kept, c1_left = 1.0 - p * LEAVES, p * LEAVES
    least = jnp.where(least < c1_kept * k1, least, c1_kept * k1)
    # not the difference of the two means: what is received may be little beside what is there
    above = c1_kept * held.above + (c1_kept * held.least - least)
    kept = Outcomes(least, above, *product(c1_kept, -c3))
    left = Outcomes(jnp.zeros_like(k1), c1_left * k1, *product(c1_left, c3))
    return kept, left


def _joined(kept: Outcomes, left: Outcomes, weight: jax.Array, host_row: Vector) -> Outcomes:
    """What each galaxy kept with what it received, as if all of it were independent."""
    arrived = [received(weight * moment, host_row) for moment in (left.mean, left.variance, left.third)]
    return Outcomes(kept.least, *(own + more for own, more in zip(kept[1:], arrived)))


def _shared(
    between: Outcomes, lent: Outcomes, last: jax.Array, on_top: jax.Array, penultimate_host_row: Vector
) -> tuple[jax.Array, jax.Array]:
    """What independence misses of variance and third moment of the host on top, by satellite.

    In the first round a satellite i has given b m_i to its penultimate host j, so that one has more where the other
    has less: covariance -V, mixed third moments T (i, i, j) and -T (i, j, j), with V and T those of what it gave. Of
    both, the host on top receives a factor of mean f and variance e.
    """
    j = penultimate_host_row
    f = jnp.where(on_top, 1.0, LEAVES * last)
    e = jnp.where(on_top, 0.0, LEAVES**2 * last * (1.0 - last))
    mean, v, t = between.mean, lent.variance, lent.third
    variance = -2.0 * f * f[j] * v
    third = f[j] * ((f**2 + e) * t - 2.0 * e * mean * v) - f * ((f[j] ** 2 + e[j]) * t + 2.0 * e[j] * mean[j] * v)
    return variance, 3.0 * third


def node_weights(held: Outcomes) -> Vector:
    """Weights (block, 2) of the low and the high node, from the skewness g: those of nodes (g -+ sqrt(g^2 + 4)) / 2."""
    mean, variance = _relative_variance(held)
    skewness = jnp.where(
        variance > 0.0, held.third / mean / mean / mean / jnp.where(variance > 0.0, variance, 1.0) ** 1.5, 0.0
    )
    # the larger node first: the other is -1 over it, not the difference of two nearly equal numbers
    larger = 0.5 * (jnp.abs(skewness) + jnp.sqrt(skewness**2 + 4.0))
    rare = 1.0 / (1.0 + larger**2)
    common = larger**2 * rare
    rises = skewness >= 0.0
    return jnp.stack([jnp.where(rises, common, rare), jnp.where(rises, rare, common)], axis=1)


def at_nodes(held: Outcomes, weights: Vector) -> jax.Array:
    """A quantity (block, 2, ...) at the nodes with these weights: its own mean and variance, and none below `least`.

    Where the low node would lie below, as the skewness is that of the mass, both move towards the mean, which stays.
    A low node within 1e-6 of the mean from it, in 32 bits, is taken for the least: that of a merged satellite.
    """
    mean, variance = _relative_variance(held)
    deviation = jnp.where(variance > 0.0, mean * jnp.sqrt(jnp.where(variance > 0.0, variance, 1.0)), 0.0)
    low, high = (along_rows(w, deviation) for w in weights.T)
    below = jnp.sqrt(high / low) * deviation
    below = jnp.where(below < (1.0 - SAME * jnp.finfo(below.dtype).eps) * held.above, below, held.above)
    return jnp.stack([held.least + (held.above - below), held.mean + below * (low / high)], axis=1)


def _relative_variance(held: Outcomes) -> tuple[jax.Array, jax.Array]:
    """Mean, and variance over its square; 1 and 0 where the variance is too small to show in this precision.

    So it is where the mean is: below 3e-10 in 32 bits, its powers and their gradients are out of range.
    """
    precision = jnp.finfo(held.variance.dtype)
    varies = (held.mean > precision.tiny**0.25) & (held.variance > precision.eps**2 * held.mean**2)
    mean = jnp.where(varies, held.mean, 1.0)
    return mean, jnp.where(varies, held.variance / mean**2, 0.0)


MERGER = ("merging_probability_mean_by_round", "satellite_weight", "penultimate_host_row", "host_row")
"""Columns that say who may merge with whom, in the order of `outcomes`."""


class MassNodes(NamedTuple):
    merging_node_weights: Vector
    log10_stellar_mass_nodes: Vector


@stage(of="block")
def mass_nodes(
    *,
    log10_stellar_mass_in_situ: Vector,
    merging_probability_mean_by_round: jax.Array,
    satellite_weight: Vector,
    penultimate_host_row: Vector,
    host_row: Vector,
) -> MassNodes:
    """Mass of stars formed, after merging, at two nodes with the moments of the masses that are drawn.

    Reads
        log10_stellar_mass_in_situ : dex(solMass)
        merging_probability_mean_by_round : -
        satellite_weight : -
        penultimate_host_row : -
        host_row : -
    Writes
        merging_node_weights : -
        log10_stellar_mass_nodes : dex(solMass)
    Error: < 1e-9 in the three moments against all outcomes enumerated (tests/physics/stars/test_merging_nodes.py), of a
    satellite that may merge twice only where its low node is above one millionth of its mass.
    """
    mass = exp10(log10_stellar_mass_in_situ - LOG10_MASS_UNIT)
    merger = merging_probability_mean_by_round, satellite_weight, penultimate_host_row, host_row
    held = outcomes(mass, *merger)
    weights = node_weights(held)
    return MassNodes(weights, LOG10_MASS_UNIT + jnp.log10(at_nodes(held, weights)))


def merged_at_nodes(name: str, in_situ: str, final: str, meaning: str) -> Stage:
    """The stage that takes a linear quantity of the stars formed in each galaxy to that at the nodes of its mass."""

    def function(**columns: jax.Array) -> tuple[jax.Array]:
        held = outcomes(columns[in_situ], *(columns[name] for name in MERGER))
        return (at_nodes(held, columns["merging_node_weights"]),)

    reads = (in_situ, "merging_node_weights", *MERGER)
    return made_stage(name, function, constants={}, reads=reads, writes=(final,), says=meaning)
