"""Mergers in two rounds: by hand, conserved, differentiable."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffsky_factory.core.parameters import bounds
from diffsky_factory.factory.evaluate import evaluate
from diffsky_factory.inputs.calibrations import load_calibration
from diffsky_factory.physics import AS_DIFFSKY, stages
from diffsky_factory.physics.stars.merging import REMAINDER, deposit
from diffsky_factory.physics.stars.merging_rounds import MergingParameters

# a satellite of a satellite of a central, and another satellite of the central, all with the same masses at infall
CHAIN = {
    "log10_stellar_mass_in_situ": np.array([9.0, 10.0, 9.5, 11.0]),
    "flux_in_situ": np.array([[1.0, 2.0], [10.0, 30.0], [3.0, 1.0], [100.0, 500.0]]),
    "host_row": np.array([3, 3, 3, 3]),
    "penultimate_host_row": np.array([1, 3, 3, 3]),
    "cosmic_time": np.full(4, 13.0),
    "penultimate_infall_time": np.array([1.5, 6.0, 4.0, 13.0]),
    "infall_time": np.array([8.5, 6.0, 4.0, 13.0]),
    "log10_halo_mass_at_penultimate_infall": np.array([11.9, 12.2, 11.5, 13.5]),
    "log10_halo_mass_at_infall": np.array([12.1, 12.2, 11.5, 13.5]),
    "log10_host_mass_at_penultimate_infall": np.array([12.2, 13.2, 13.0, 13.5]),
    "log10_host_mass_at_infall": np.array([13.4, 13.2, 13.0, 13.5]),
}
MEAN = {"merging_monte_carlo": "merging_mean"}
SUMS = ["log10_stellar_mass", "flux_true"]
BY_ROUND = "merging_probability_mean_by_round"


def computed(wanted, columns=CHAIN, **options):
    return evaluate(columns, wanted, **{"precision": "float64", **options})


def test_a_chain_of_three_by_hand():
    out = computed([*SUMS, BY_ROUND, "merging_probability"], replace=MEAN)
    (a1, a2), (b1, b2), (c1, c2), (d1, d2) = out[BY_ROUND]
    assert 0.02 < min(a1, a2, b2, c2) < max(a1, a2, b2, c2) < 0.9999
    assert b1 == c1 == d1 == d2 == 0.0
    for column, of in (("log10_stellar_mass", lambda x: 10.0**x), ("flux_true", lambda x: x)):
        a, b, c, d = of(CHAIN["log10_stellar_mass_in_situ" if of(1.0) > 1.0 else "flux_in_situ"])
        held = b + a1 * a  # by the satellite, when it falls to the central itself
        expected = [
            (1 - a1) * (1 - a2) * a,
            (1 - b2) * held,
            (1 - c2) * c,
            d + a2 * (1 - a1) * a + b2 * held + c2 * c,
        ]
        np.testing.assert_allclose(of(out[column]), expected, rtol=1e-12)
    np.testing.assert_allclose(out["merging_probability"][0], 1 - (1 - a1) * (1 - a2), rtol=1e-14)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("then", [False, True])
@pytest.mark.parametrize("carrier", [False, True])
def test_a_chain_of_three_drawn_by_hand(first, then, carrier):
    draws = {
        "merging_monte_carlo.draw_penultimate_merging": np.where([first, 0, 0, 0], 1e-6, 1.0 - 1e-6),
        "merging_monte_carlo.draw_merging": np.where([then, carrier, 0, 0], 1e-6, 1.0 - 1e-6),
    }
    out = computed(SUMS, draws=draws)
    a, b, c, d = 10.0 ** CHAIN["log10_stellar_mass_in_situ"]
    kept = {False: 1.0, True: REMAINDER}
    held = b + (1.0 - kept[first]) * a
    expected = [
        kept[first] * kept[then] * a,
        kept[carrier] * held,
        c,
        d + (1.0 - kept[then]) * kept[first] * a + (1.0 - kept[carrier]) * held,
    ]
    np.testing.assert_allclose(10.0 ** out["log10_stellar_mass"], expected, rtol=1e-12)
    # what an already merged satellite has received goes on; it does not stay with what is left of it
    if first and carrier:
        assert 10.0 ** out["log10_stellar_mass"][3] == pytest.approx(a + b + d, rel=1e-5)


def test_direct_satellites_first_leaves_what_they_received_behind():
    first = {**MEAN, "merging_two_rounds": "merging_direct_satellites_first"}
    out = computed([*SUMS, BY_ROUND], replace=first)
    (a1, _), (b1, b2) = out[BY_ROUND][:2]
    assert b2 == 0.0
    a, b = 10.0 ** CHAIN["log10_stellar_mass_in_situ"][:2]
    assert 10.0 ** out["log10_stellar_mass"][1] == pytest.approx((1 - b1) * b + a1 * a, rel=1e-12)
    total = [np.sum(computed(["flux_true"], replace=rounds)["flux_true"], axis=0) for rounds in (first, MEAN)]
    np.testing.assert_allclose(*total, rtol=1e-13)


@pytest.mark.thorough
def test_without_an_earlier_infall_there_is_one_round():
    columns = {name: values for name, values in CHAIN.items() if "penultimate" not in name}
    wanted = [*SUMS, "merging_probability_mean", "merging_probability"]
    known = {name: CHAIN[name] for name in CHAIN if "penultimate" in name}
    for precision in ("float32", "float64"):
        by_default = computed(wanted, columns, precision=precision)
        for other in ("merging_one_round", "merging_direct_satellites_first"):
            draws = {"merging_monte_carlo.draw_merging": np.full(4, 0.5)}
            draws |= {"merging_monte_carlo.draw_penultimate_merging": np.full(4, 0.5)}
            same = {"replace": {"merging_two_rounds": other}, "precision": precision, "draws": draws}
            alike = computed(wanted, columns, precision=precision, draws=draws)
            for name, value in computed(wanted, columns, **same).items():
                np.testing.assert_array_equal(value, alike[name], err_msg=name)
        straight = computed(wanted, {**columns, **known}, precision=precision, replace=dict(AS_DIFFSKY))
        for name, value in straight.items():
            np.testing.assert_array_equal(value, by_default[name], err_msg=name)


LARGEST_GROUP = 8


def nested_groups(rng, n):
    """Rows of hosts of groups with satellites of satellites, side by side."""
    size = rng.integers(1, LARGEST_GROUP + 1, n)
    top = np.repeat(np.cumsum(size) - size, size)
    own = np.arange(len(top))
    # a host earlier in the group: no chain returns to itself
    return top, np.where(own > top, top + (rng.uniform(size=len(top)) * (own - top)).astype(int), top)


@given(st.integers(0, 10_000), st.sampled_from([np.float32, np.float64]))
def test_mergers_conserve_the_sum(seed, kind):
    rng = np.random.default_rng(seed)
    top, host = nested_groups(rng, 60)
    n = 60 * LARGEST_GROUP  # one shape for all: the rest are hosts alone
    top, host = (np.concatenate([rows, np.arange(len(rows), n)]) for rows in (top, host))
    satellite = (top != np.arange(n))[:, None]
    p = np.where(satellite, rng.beta(0.5, 0.5, (n, 2)), 0.0).astype(kind)
    x = (10.0 ** rng.normal(9.0, 1.5, (n, 3))).astype(kind)
    with jax.enable_x64(kind is np.float64):
        held = deposit(*map(jnp.asarray, (x, p, 1 - p, np.ones(n, kind))), jnp.asarray(host), jnp.asarray(top))
        held = np.asarray(held)
    assert held.dtype == kind
    assert np.all(held >= 0.0)
    before, after = x.sum(axis=0, dtype=float), held.sum(axis=0, dtype=float)
    np.testing.assert_allclose(after, before, rtol=1e-6 if kind is np.float32 else 1e-12)
    assert np.all(held[~satellite[:, 0]] >= x[~satellite[:, 0]] * (1 - 1e-6))  # centrals never lose


@pytest.mark.parametrize("replace", [{}, MEAN], ids=["drawn", "mean"])
@pytest.mark.parametrize(
    ("precision", "flux_error", "mass_error"), [("float32", 1e-6, 3e-6), ("float64", 1e-12, 1e-12)]
)
def test_masses_and_fluxes_are_conserved_by_the_model(replace, precision, flux_error, mass_error):
    # a mass has the error of its logarithm: 11 dex in 32 bits are 1e-6 dex
    out = computed(SUMS, precision=precision, replace=replace)
    mass = 10.0 ** out["log10_stellar_mass"].astype(float)
    assert mass.sum() == pytest.approx((10.0 ** CHAIN["log10_stellar_mass_in_situ"]).sum(), rel=mass_error)
    np.testing.assert_allclose(out["flux_true"].sum(0, float), CHAIN["flux_in_situ"].sum(0), rtol=flux_error)


@pytest.mark.thorough
@pytest.mark.parametrize("wanted", ["log10_stellar_mass", "log10_stellar_mass_nodes"])
def test_the_gradient_with_respect_to_all_twelve_parameters_equals_finite_differences(wanted):
    from diffsky_factory.core.plan import plan

    rng = np.random.default_rng(2)
    with jax.enable_x64(True):
        n = 400
        top, host = nested_groups(rng, n)
        n = len(top)
        first = rng.uniform(1.0, 11.0, n)
        columns = {
            "log10_stellar_mass_in_situ": rng.uniform(8.0, 11.0, n),
            "is_central": top == np.arange(n),
            "host_row": top,
            "penultimate_host_row": host,
            "satellite_weight": np.ones(n),
            "cosmic_time": np.full(n, 13.0),
            "penultimate_infall_time": first,
            "infall_time": np.where(host == top, first, first + rng.uniform(0.0, 12.0 - first)),
            "log10_halo_mass_at_penultimate_infall": rng.uniform(10.5, 13.0, n),
            "log10_halo_mass_at_infall": rng.uniform(10.5, 13.0, n),
            "log10_host_mass_at_penultimate_infall": rng.uniform(11.5, 13.0, n),
            "log10_host_mass_at_infall": rng.uniform(11.5, 14.5, n),
        }
        columns = {name: jnp.asarray(value) for name, value in columns.items()}
        nodes = wanted.endswith("nodes")
        order = plan(stages(MEAN), columns, [wanted, "merging_node_weights"] if nodes else [wanted])

        @jax.jit
        def loss(values):
            out = order.run(columns, {MergingParameters: MergingParameters(*values)}, {})
            return jnp.mean(out[wanted] * out["merging_node_weights"] if nodes else out[wanted])

        values = jnp.asarray([float(v) for v in load_calibration("c260710").by_class()[MergingParameters]])
        gradient = jax.grad(loss)(values)
        for i, name in enumerate(bounds(MergingParameters)):
            step = 1e-5 * jnp.eye(12)[i] * values[i]
            difference = (loss(values + step) - loss(values - step)) / (2.0 * step[i])
            assert gradient[i] != 0.0, name
            assert float(gradient[i]) == pytest.approx(float(difference), rel=1e-3, abs=1e-10), name
