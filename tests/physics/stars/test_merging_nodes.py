"""Nodes of mergers against all outcomes enumerated, and against drawn mergers."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffsky_factory.physics.light.nodes import flux_nodes
from diffsky_factory.physics.stars import merging_nodes
from diffsky_factory.physics.stars.merging import REMAINDER, deposit
from diffsky_factory.physics.stars.merging_nodes import mass_nodes

ONE = np.ones
# compiled whole, as operations one by one take several times as long
at_nodes, node_weights, outcomes = (
    jax.jit(one) for one in (merging_nodes.at_nodes, merging_nodes.node_weights, merging_nodes.outcomes)
)


def enumerated(x, probability, *host_rows):
    """Every outcome of the mergers, and its probability: (outcome, galaxy, ...), (outcome,)."""
    trials = np.argwhere(probability > 0.0)
    losses, chances = [], []
    for merged in product((False, True), repeat=len(trials)):
        lost, chance = np.zeros_like(probability), 1.0
        for (row, of), has in zip(trials, merged):
            lost[row, of] = 1.0 - REMAINDER if has else 0.0
            chance *= probability[row, of] if has else 1.0 - probability[row, of]
        losses.append(lost)
        chances.append(chance)
    lost = np.array(losses)
    return np.asarray(deposits(x, lost, np.where(lost > 0.0, REMAINDER, 1.0), *host_rows)), np.array(chances)


@jax.jit
def deposits(x, lost, kept, *host_rows):
    """`deposit` for every outcome."""
    return jax.vmap(lambda lost, kept: deposit(x, lost, kept, jnp.ones(len(x)), *host_rows))(lost, kept)


def moments(values, chances):
    """Mean, variance and third central moment along the first axis."""
    mean = np.tensordot(chances, values, 1)
    away = values - mean
    return mean, np.tensordot(chances, away**2, 1), np.tensordot(chances, away**3, 1)


def group(seed, satellites, two_rounds=False):
    """A central, the last row, and satellites of it; with two rounds, the first half are satellites of the next."""
    rng = np.random.default_rng(seed)
    n = satellites + 1
    x = 10.0 ** np.append(rng.uniform(-2.0, 1.0, satellites), rng.uniform(0.0, 1.0))
    last = np.append(rng.uniform(0.01, 0.99, satellites), 0.0)
    first, host, top = np.zeros(n), np.full(n, satellites), np.full(n, satellites)
    if two_rounds:
        sub = np.arange(satellites // 2)
        first[sub], host[sub] = rng.uniform(0.01, 0.99, len(sub)), satellites - 1
    return x, np.stack([first, last], axis=1), host, top


@pytest.fixture(autouse=True)
def wide():
    with jax.enable_x64(True):
        yield


@pytest.mark.thorough
@given(st.floats(1e-6, 1.0 - 1e-6), st.floats(-6.0, 3.0))
def test_nodes_of_one_satellite_are_its_two_outcomes(p, log_ratio):
    x, host = np.array([10.0**log_ratio, 1.0]), np.array([1, 1])
    probability = np.array([[0.0, p], [0.0, 0.0]])
    held = outcomes(jnp.asarray(x), jnp.asarray(probability), ONE(2), host, host)
    weights = node_weights(held)
    found = np.asarray(at_nodes(held, weights))
    values, _ = enumerated(x, probability, host, host)
    not_merged, merged = values
    # the host is heavier where they have merged, the satellite where not
    np.testing.assert_allclose(found[1], [not_merged[1], merged[1]], rtol=1e-9)
    np.testing.assert_allclose(found[0], [merged[0], not_merged[0]], rtol=1e-6)
    np.testing.assert_allclose(weights, [[p, 1.0 - p], [1.0 - p, p]], rtol=1e-6)


def check_moments(x, probability, host, top):
    """Moments of all galaxies, and of the nodes of those that cannot merge twice: of others the lowest is not kept."""
    held = outcomes(jnp.asarray(x), jnp.asarray(probability), ONE(len(x)), host, top)
    expected = np.array(moments(*enumerated(x, probability, host, top)))
    scale = np.sqrt(expected[1]) ** np.array([[1], [2], [3]])
    ours = np.array([held.mean, held.variance, held.third])
    assert np.all(np.abs(ours - expected) <= 1e-9 * (np.abs(expected) + scale))
    weights = np.asarray(node_weights(held))
    found = np.asarray(at_nodes(held, jnp.asarray(weights)))
    for row in np.flatnonzero(np.any(probability == 0.0, axis=1)):
        ours = np.array(moments(found[row], weights[row]))
        assert np.all(np.abs(ours - expected[:, row]) <= 1e-9 * (np.abs(expected[:, row]) + scale[:, row]))


@pytest.mark.parametrize("satellites", [*(pytest.param(n, marks=pytest.mark.thorough) for n in (3, 4, 6)), 5])
def test_three_moments_of_the_mass_are_those_of_all_outcomes(satellites):
    check_moments(*group(satellites, satellites))


@pytest.mark.parametrize("satellites", [*(pytest.param(n, marks=pytest.mark.thorough) for n in (2, 3, 4, 6)), 5])
def test_three_moments_are_exact_in_two_rounds_also(satellites):
    check_moments(*group(satellites, satellites, two_rounds=True))


def test_three_moments_are_exact_for_a_chain_of_hosts_and_a_second_infall():
    # 0 fell into 1, 1 into 2, all three into 4; 3 fell into 4 twice
    x, host, top = np.array([0.5, 1.0, 2.0, 1.5, 9.0]), np.array([1, 2, 4, 4, 4]), np.full(5, 4)
    probability = np.array([[0.4, 0.7], [0.8, 0.3], [0.0, 0.6], [0.3, 0.5], [0.0, 0.0]])
    check_moments(x, probability, host, top)


@pytest.mark.thorough
def test_a_satellite_without_a_host_keeps_all_and_varies_not():
    host = np.array([0])
    held = outcomes(jnp.array([3.0]), jnp.array([[0.0, 0.7]]), ONE(1), host, host)
    np.testing.assert_array_equal(at_nodes(held, node_weights(held)), [[3.0, 3.0]])


def test_a_weight_stands_for_that_many_satellites():
    x, top = np.array([2.0, 2.0, 2.0, 5.0]), np.full(4, 3)
    probability = np.array([[0.0, 0.3]] * 3 + [[0.0, 0.0]])
    each = outcomes(jnp.asarray(x), jnp.asarray(probability), ONE(4), top, top)
    one = np.array([0, 3])
    standing = outcomes(
        jnp.asarray(x[one]), jnp.asarray(probability[one]), np.array([3.0, 1.0]), *[np.array([1, 1])] * 2
    )
    for a, b in zip(each, standing):
        assert float(a[-1]) == pytest.approx(float(b[-1]), rel=1e-12)


@pytest.mark.thorough
@given(st.integers(0, 10_000))
def test_no_flux_falls_below_what_is_kept_for_certain_and_the_mean_stays(seed):
    rng = np.random.default_rng(seed)
    x, probability, host, top = group(seed, 5, two_rounds=True)
    flux = x[:, None] * 10.0 ** rng.normal(0.0, 1.0, (len(x), 3))  # colours and ages differ
    columns = {
        "merging_probability_mean_by_round": jnp.asarray(probability),
        "satellite_weight": ONE(len(x)),
        "penultimate_host_row": host,
        "host_row": top,
    }
    of_mass = mass_nodes(log10_stellar_mass_in_situ=jnp.log10(x), **columns)
    weights = of_mass.merging_node_weights
    found = np.asarray(flux_nodes(flux_in_situ=jnp.asarray(flux), merging_node_weights=weights, **columns)[0])
    values, chances = enumerated(flux, probability, host, top)
    assert np.all(found >= 0.999999 * values.min(axis=0)[:, None])
    assert np.all(found > 0.0)
    np.testing.assert_allclose(np.einsum("gn,gnb->gb", weights, found), np.tensordot(chances, values, 1), rtol=1e-9)
    np.testing.assert_allclose(np.sum(weights, axis=1), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    "wide", [pytest.param(False, id="32 bit"), pytest.param(True, id="64 bit", marks=pytest.mark.thorough)]
)
def test_nodes_are_finite_and_differentiable_without_scatter(wide):
    with jax.enable_x64(wide):
        log_mass = jnp.asarray([11.0, 9.0, 10.0, -8.0, 13.5], float)  # a central alone, a pair, two extremes
        host = np.array([0, 2, 2, 4, 4])

        def total(log_mass, last):
            probability = jnp.stack([jnp.zeros_like(last), last], axis=1)
            out = mass_nodes(
                log10_stellar_mass_in_situ=log_mass,
                merging_probability_mean_by_round=probability,
                satellite_weight=jnp.ones(5),
                penultimate_host_row=host,
                host_row=host,
            )
            return jnp.sum(out.log10_stellar_mass_nodes * out.merging_node_weights), out

        differentiated = jax.jit(jax.value_and_grad(total, argnums=(0, 1), has_aux=True))
        for p in (0.0, 1e-12, 0.5, 1.0 - 1e-6, 1.0):
            last = jnp.asarray([0.0, p, 0.0, p, 0.0], float)
            (_, out), gradient = differentiated(log_mass, last)
            for value in jax.tree.leaves((out, gradient)):
                assert np.all(np.isfinite(value)), p
            np.testing.assert_array_equal(out.log10_stellar_mass_nodes[0], [log_mass[0]] * 2)


def statistics(mass, weights):
    """Mean log mass, its scatter, and a soft histogram of it; the last axis is summed with the weights."""
    log_mass = np.log10(mass)
    mean = np.mean(np.sum(weights * log_mass, axis=-1))
    scatter = np.sqrt(np.mean(np.sum(weights * log_mass**2, axis=-1)) - mean**2)
    edges = np.linspace(8.0, 12.0, 17)
    steps = 1.0 / (1.0 + np.exp(-(log_mass[..., None] - edges) / 0.1))
    inside = np.mean(np.einsum("...n,...ne->...e", weights, steps[..., :-1] - steps[..., 1:]).reshape(-1, 16), axis=0)
    return mean, scatter, inside


@pytest.mark.thorough
@pytest.mark.parametrize("rounds", [1, 2])
def test_nodes_are_nearer_to_drawn_mergers_than_their_mean_is(rounds):
    rng = np.random.default_rng(4)
    size = rng.integers(1, 6, 4000)
    top = np.repeat(np.cumsum(size) - size, size)
    n = len(top)
    own = np.arange(n)
    central = top == own
    first = top + (rng.uniform(size=n) * (own - top)).astype(int) if rounds == 2 else top
    mass = 10.0 ** np.where(central, rng.normal(10.8, 0.3, n), rng.normal(10.0, 0.6, n))
    probability = rng.beta(0.5, 0.5, (n, 2)) * np.stack([first != top, ~central], axis=1)
    drawn = []
    for _ in range(200):
        has = rng.uniform(size=probability.shape) < probability
        lost, kept = np.where(has, 1.0 - REMAINDER, 0.0), np.where(has, REMAINDER, 1.0)
        drawn.append(np.asarray(deposit(mass, jnp.asarray(lost), jnp.asarray(kept), ONE(n), first, top))[central])
    truth = statistics(np.array(drawn)[..., None], ONE(1))
    meant = deposit(mass, jnp.asarray(probability), jnp.asarray(1.0 - probability), ONE(n), first, top)
    mean = statistics(np.asarray(meant)[central, None], ONE(1))
    held = outcomes(jnp.asarray(mass / 1e10), jnp.asarray(probability), ONE(n), first, top)
    weights = node_weights(held)
    nodes = statistics(1e10 * np.asarray(at_nodes(held, weights))[central], np.asarray(weights)[central])
    for name, t, m, q in zip(("mean of log mass", "its scatter", "soft histogram"), truth, mean, nodes):
        off_mean, off_nodes = np.abs(m - t).max(), np.abs(q - t).max()
        print(f"{rounds} rounds, {name}: mean mode off by {off_mean:.2e}, nodes by {off_nodes:.2e}")
        assert off_nodes < 0.25 * off_mean, name
