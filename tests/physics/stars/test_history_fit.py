"""Fits of star formation histories: what the model makes comes back, and what cannot be fitted is flagged."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffsky_factory.core.small_systems import solve_positive
from diffsky_factory.core.unfinished import advance_unfinished
from diffsky_factory.factory.fitting import fit_star_formation
from diffsky_factory.physics.halos.growth import HaloGrowth, log10_mass
from diffsky_factory.physics.halos.growth_fit import FitQuality
from diffsky_factory.physics.stars import history_fit
from diffsky_factory.physics.stars.star_formation import StarFormation, star_formation_rate, unbounded

TIME = np.linspace(0.2, 13.8, 64)
TODAY = 13.8
N = 24


def rates(growth, numbers):
    halo = log10_mass(HaloGrowth(*growth.T[:, :, None]), TIME, TODAY)
    return np.asarray(star_formation_rate(StarFormation(*numbers.T[:, :, None]), halo, TIME))


def masses(rate):
    """Log10 of the mass formed by each time."""
    steps = 0.5e9 * (rate[:, 1:] + rate[:, :-1]) * np.diff(TIME)
    return np.log10(np.cumsum(np.concatenate([0.5e9 * rate[:, :1] * TIME[0], steps], axis=1), axis=1))


@pytest.fixture(scope="module")
def galaxies():
    """Growth (N, 5) and star formation (N, 8), half of them quenched late, and the rates (N, T)."""
    rng = np.random.default_rng(8)
    growth = np.column_stack([rng.uniform(11.3, 13.5, N), *np.tile([[0.2], [2.5], [0.3], [14.0]], N)])
    numbers = np.column_stack([
        rng.uniform(11.6, 12.4, N), rng.uniform(-10.2, -9.6, N), rng.uniform(0.8, 1.5, N), rng.uniform(-1.0, -0.3, N),
        np.where(np.arange(N) % 2, rng.uniform(0.8, 1.05, N), 1.9), *np.tile([[-0.5], [-1.5], [-0.8]], N)
    ])  # fmt: skip
    return growth, numbers, rates(growth, numbers)


@pytest.fixture(scope="module")
def fits(galaxies):
    growth, _, rate = galaxies
    return fit_star_formation(TIME, rate, growth, today=TODAY)


@pytest.mark.thorough
def test_histories_of_the_model_come_back(galaxies, fits):
    growth, _, rate = galaxies
    off = np.abs(masses(rates(growth, fits["sfh_parameters"].astype(float))) - masses(rate))[:, TIME > 2.0]
    assert np.mean(off[::2].max(axis=1) < 1e-3) > 0.8  # those that never quench
    assert off[::2].max() < 0.02
    # the loss is against quenching before the highest rate, which these do: the truth is not its minimum
    assert off[1::2].max() < 0.2


@pytest.mark.thorough
def test_numbers_have_unbounded_coordinates(fits):
    assert np.all(np.isfinite(unbounded(StarFormation(*jnp.asarray(fits["sfh_parameters"]).T))))
    assert set(fits["sfh_fit_quality"]) <= {FitQuality.FITTED, FitQuality.NOT_CONVERGED}


@pytest.mark.thorough
def test_a_history_is_fitted_alike_alone_and_among_others(galaxies, fits):
    growth, _, rate = galaxies
    alone = fit_star_formation(TIME, rate[5:6], growth[5:6], today=TODAY)
    for name in alone:
        np.testing.assert_array_equal(alone[name][0], fits[name][5])


@pytest.mark.thorough
def test_what_cannot_be_fitted_is_flagged(galaxies):
    growth, _, rate = (values[:4].copy() for values in galaxies)
    rate[0, 30] = np.nan
    rate[1] = 0.0
    rate[1, -3:] = 1.0  # three times alone
    growth[2] = np.nan
    fit = fit_star_formation(TIME, rate, growth, today=TODAY)
    assert fit["sfh_fit_quality"][:3].tolist() == [FitQuality.GAPS, *[FitQuality.TOO_FEW_POINTS] * 2]
    assert np.isnan(fit["sfh_parameters"][:3]).all()
    assert np.isfinite(fit["sfh_parameters"][3]).all()


@pytest.mark.thorough
def test_padding_of_times_leaves_the_loss_as_it_is(galaxies):
    growth, numbers, rate = galaxies
    halo = np.asarray(log10_mass(HaloGrowth(*growth.T), TIME[:, None], TODAY))
    u = unbounded(StarFormation(*jnp.asarray(numbers).T)) + 0.1
    found = []
    for size in (64, 80):
        grid = history_fit.StellarGrid(*map(jnp.asarray, history_fit.stellar_grid(TIME, size)))
        target = jax.jit(history_fit.stellar_targets)(grid, jnp.asarray(np.pad(rate.T, ((0, size - 64), (0, 0)))))
        padded = jnp.asarray(np.pad(halo, ((0, size - 64), (0, 0)), mode="edge"))
        found.append(jax.jit(history_fit.loss)(grid, target, padded, u))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)


@pytest.mark.thorough
def test_the_gradient_is_that_of_the_loss(galaxies):
    growth, numbers, rate = galaxies
    grid = history_fit.StellarGrid(*map(jnp.asarray, history_fit.stellar_grid(TIME)))
    target = history_fit.stellar_targets(grid, jnp.asarray(rate.T, jnp.float32))
    halo = jnp.asarray(log10_mass(HaloGrowth(*growth.T), TIME[:, None], TODAY), jnp.float32)
    u = jnp.asarray(unbounded(StarFormation(*jnp.asarray(numbers).T)) + 0.2, jnp.float32)
    loss, gradient, curvature = jax.jit(history_fit.linearized)(grid, target, halo, u)
    expected = jax.jit(jax.grad(lambda at: jnp.sum(history_fit.loss(grid, target, halo, at))))(u)
    np.testing.assert_allclose(loss, history_fit.loss(grid, target, halo, u), rtol=1e-4)
    np.testing.assert_allclose(2.0 * gradient, expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())
    np.testing.assert_array_equal(curvature, curvature.swapaxes(0, 1))


def test_systems_are_solved_as_numpy_solves_them():
    rng = np.random.default_rng(2)
    a = rng.normal(size=(8, 8, 50))
    a = np.einsum("ijn,kjn->ikn", a, a) + 0.5 * np.eye(8)[:, :, None]
    b = rng.normal(size=(8, 50))
    expected = np.linalg.solve(a.transpose(2, 0, 1), b.T[..., None])[..., 0].T
    np.testing.assert_allclose(solve_positive(jnp.asarray(a), jnp.asarray(b)), expected, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("n", [1, 7, 40])
def test_every_row_that_is_not_done_is_advanced_once(n):
    done = jnp.asarray(np.random.default_rng(n).random(n) < 0.6)
    state = jnp.stack([jnp.zeros(n), jnp.arange(n)])
    found = advance_unfinished(lambda given, s: s.at[0].add(given), jnp.arange(n) + 1.0, state, done, 8)
    # those that are done may be advanced too: what advances them leaves them alone
    np.testing.assert_array_equal(np.asarray(found[0])[~np.asarray(done)], np.asarray(jnp.arange(n) + 1.0)[~done])
    np.testing.assert_array_equal(found[1], np.arange(n))
