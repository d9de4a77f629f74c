"""The population of halo histories: draws, limits, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsky_factory.core.parameters import bounds, to_bounded, to_unbounded
from diffsky_factory.core.random import draw_all, id_words, row_keys
from diffsky_factory.physics.halos import population
from diffsky_factory.physics.halos.growth import HaloGrowth, TimeGrid, log10_mass
from diffsky_factory.physics.halos.population_parameters import DiffmahPopParameters

TODAY = 13.8
TIMES = TimeGrid(jnp.linspace(0.1, TODAY, 100))
STAGE = population.halo_growth_diffmahpop


def draws(number: int) -> dict[str, jax.Array]:
    streams = {STAGE.stream(name): law for name, law in STAGE.draws.items()}
    values = draw_all(row_keys(1, id_words(np.arange(number))), streams)
    return {name: values[STAGE.stream(name)] for name in STAGE.draws}


@jax.jit
def population_of(rows):
    constants = {DiffmahPopParameters: DiffmahPopParameters(), TimeGrid: TIMES}
    return STAGE.apply(constants, rows)["mah_parameters"]


def histories(mass, time, central, **given):
    """Histories of many halos at once: columns of HaloGrowth, each (n, 1)."""
    number = len(mass)
    rows = {
        "log10_halo_mass": jnp.asarray(mass, jnp.float32),
        "cosmic_time": jnp.asarray(time, jnp.float32),
        "is_central": jnp.asarray(central, bool),
        **draws(number),
        **given,
    }
    mah = population_of(rows)
    return HaloGrowth(*[mah[:, i : i + 1] for i in range(5)])


@pytest.fixture(scope="module")
def wide():
    """Halos over and beyond the calibrated range, half of them satellites."""
    rng = np.random.default_rng(3)
    number = 20_000
    return rng.uniform(9.0, 16.5, number), rng.uniform(0.5, TODAY, number), rng.random(number) < 0.5


def test_all_113_parameters_have_bounds_and_survive_the_round_trip():
    p = DiffmahPopParameters()
    assert len(bounds(DiffmahPopParameters)) == 113
    np.testing.assert_allclose(to_bounded(to_unbounded(p)), p, atol=3e-5)


def test_a_history_has_the_mass_of_the_halo_at_its_time_in_32_bits(wide):
    mass, time, central = wide
    growth = histories(mass, time, central)
    at = log10_mass(growth, jnp.asarray(time, jnp.float32)[:, None], TIMES.time[-1])[:, 0]
    np.testing.assert_allclose(at, mass, atol=1e-4)


def test_histories_are_finite_and_ordered_beyond_the_calibrated_range(wide):
    growth = histories(*wide)
    assert all(np.isfinite(np.asarray(values)).all() for values in growth)
    assert (np.asarray(growth.early_index) > np.asarray(growth.late_index)).all()
    assert (np.asarray(growth.t_peak) <= TODAY + 1e-5).all()


def test_satellites_peak_before_their_time_and_centrals_may_not(wide):
    mass, time, central = wide
    t_peak = np.asarray(histories(mass, time, central).t_peak)[:, 0]
    assert (t_peak[~central] < time[~central]).all()
    assert (t_peak[central] >= 0.05 * TODAY - 1e-6).all()
    assert (t_peak[central] > time[central]).mean() > 0.5


def test_draws_at_the_ends_of_their_range_stay_finite():
    number = 64
    mass, time = np.linspace(9.0, 16.5, number), np.linspace(0.5, TODAY, number)
    for u in (2.0**-24, 1.0 - 2.0**-24):
        for z in (-5.5, 5.5):
            for central in (True, False):
                growth = histories(
                    mass,
                    time,
                    np.full(number, central),
                    draw_peak_time=jnp.full(number, u, jnp.float32),
                    draw_formation=jnp.full(number, u, jnp.float32),
                    draw_growth=jnp.full((number, 4), z, jnp.float32),
                )
                assert all(np.isfinite(np.asarray(values)).all() for values in growth), (u, z, central)


def test_the_three_draws_are_independent():
    number = 20_000
    d = draws(number)
    table = np.column_stack([d["draw_peak_time"], d["draw_formation"], d["draw_growth"]])
    off_diagonal = np.corrcoef(table, rowvar=False) - np.eye(6)
    assert np.abs(off_diagonal).max() < 4.0 / np.sqrt(number)


def test_the_factor_of_the_correlation_is_the_one_of_lapack():
    matrix = population.correlation(DiffmahPopParameters())
    np.testing.assert_allclose(population.lower_factor(matrix), np.linalg.cholesky(matrix), atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-0.3, 0.3), min_size=6, max_size=6))
def test_the_correlation_is_positive_definite_within_its_bounds(rho):
    names = [name for name in DiffmahPopParameters._fields if name.startswith("rho_")]
    p = DiffmahPopParameters()._replace(**dict(zip(names, rho, strict=True)))
    factor = population.lower_factor(population.correlation(p))
    np.testing.assert_allclose(factor @ factor.T, population.correlation(p), atol=1e-6)


def test_the_early_forming_fraction_by_hand():
    p = DiffmahPopParameters()
    # far below the pivot mass and long before the pivot time
    at = population.early_forming_fraction(p, 0.0, -100.0)
    np.testing.assert_allclose(at, p.fec_lgm_ylo_early, rtol=1e-6)
    at = population.early_forming_fraction(p, p.fec_lgm_x0, 1e3)
    np.testing.assert_allclose(at, 0.5 * (p.fec_lgm_ylo_late + p.fec_lgm_yhi_late), rtol=1e-6)


@pytest.mark.thorough
def test_the_gradient_of_a_mean_history_is_finite_for_every_parameter():
    number = 400
    rng = np.random.default_rng(5)
    rows = {
        "log10_halo_mass": jnp.asarray(rng.uniform(10.0, 15.5, number), jnp.float32),
        "cosmic_time": jnp.asarray(rng.uniform(1.0, TODAY, number), jnp.float32),
        "is_central": jnp.asarray(rng.random(number) < 0.5),
        **draws(number),
    }

    def mean(p):
        mah = STAGE.apply({DiffmahPopParameters: p, TimeGrid: TIMES}, rows)["mah_parameters"]
        growth = HaloGrowth(*mah.T)
        return jnp.mean(log10_mass(growth, 0.5 * rows["cosmic_time"], TODAY))

    p = DiffmahPopParameters(*[jnp.float32(x) for x in DiffmahPopParameters()])
    slopes = jax.jit(jax.grad(mean))(p)
    assert np.isfinite(np.array(slopes)).all()
    moves = [name for name, slope in slopes._asdict().items() if slope != 0.0]
    # the choice of the sub-population is a step; logm0 is shifted to the mass of the halo; late_index is flat in mass
    still = ("fec_", "lgm0pop_", "late_index_x0", "std_u_logm0", "cov_lgm_x0_logm0")
    assert all(name in moves or name.startswith(still) for name in p._fields)
