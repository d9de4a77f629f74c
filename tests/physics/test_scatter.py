"""Scatter and spread that the reference keeps still: off by default, alive in rivals."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffsky_factory as dff
from diffsky_factory.physics.scatter import ScatterParameters, logistic
from diffsky_factory.physics.stars import bursts, metallicity
from diffsky_factory.physics.stars.ages import TemplateGrid

AGES, METALLICITIES = np.linspace(-3.0, 1.3, 40), np.linspace(-4.5, 0.5, 501)
GALAXY = {"log10_stellar_mass_in_situ": 10.3, "cosmic_time": 9.0}
BURSTY = {"log10_stellar_mass_in_situ": 9.6, "log10_ssfr": -9.5, "merging_probability_mean": 0.01}


def grid():
    return TemplateGrid(jnp.asarray(AGES), jnp.asarray(METALLICITIES))


def stars(draw=0.5, scatter=None, spread=None):
    parameters = metallicity.MetallicityParameters(), scatter or ScatterParameters()
    spread = spread or metallicity.MetallicitySpreadParameters()
    return metallicity.metallicity_with_scatter(*parameters, spread, grid(), **GALAXY, draw_median=draw)


def burst(draw=0.5, **scatter):
    fraction = bursts.BurstFractionParameters(*[10.0, -10.25, -10.0, 40.0, -10.0, 20.0])
    parameters = bursts.BurstFrequencyParameters(), fraction, bursts.BurstTimeParameters()
    stage = partial(bursts.burst_population_with_scatter, *parameters, ScatterParameters(**scatter))
    return stage(**BURSTY, draw_fraction=draw), bursts.burst_population(*parameters, **BURSTY)


def test_in_the_middle_of_the_scatter_is_the_default():
    with jax.enable_x64(True):
        plain = metallicity.metallicity(metallicity.MetallicityParameters(), grid(), **GALAXY)
        for found, expected in zip(stars(), plain):
            np.testing.assert_allclose(found, expected, rtol=1e-12)
        for found, expected in zip(*burst()):
            np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("width", [0.05, 0.2, 0.35])
def test_the_spread_of_metallicities_is_what_it_says(width):
    with jax.enable_x64(True):
        found = stars(spread=metallicity.MetallicitySpreadParameters(width))
        weights, z = np.asarray(found.metallicity_weights), METALLICITIES
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    mean = np.sum(weights * z)
    assert mean == pytest.approx(float(found.log10_metallicity), abs=1e-3)
    assert np.sqrt(np.sum(weights * (z - mean) ** 2)) == pytest.approx(width, rel=0.01)


@pytest.mark.parametrize("width", [0.02, 1.0])
def test_weights_sum_to_one_at_the_edges_of_the_templates(width):
    for draw in (1e-6, 1.0 - 1e-6):
        weights = stars(draw, spread=metallicity.MetallicitySpreadParameters(width)).metallicity_weights
        assert float(weights.sum()) == pytest.approx(1.0, abs=1e-5)


def test_the_scatter_has_the_standard_deviation_of_its_steepness():
    draws = jnp.asarray((np.arange(20000) + 0.5) / 20000)
    values = jax.vmap(lambda u: stars(u, ScatterParameters(lgmet_scatter=9.0)).log10_metallicity)(draws)
    assert np.std(values) == pytest.approx(np.pi / np.sqrt(3.0) / 9.0, rel=0.02)
    assert float(logistic(0.5, 3.0)) == 0.0


@pytest.mark.parametrize("draw", [0.1, 0.8])
def test_the_scatter_of_bursts_moves_the_fraction_alone(draw):
    found, plain = burst(draw)
    assert (found.log10_burst_fraction_if_any > plain.log10_burst_fraction_if_any) == (draw > 0.5)
    assert found._replace(log10_burst_fraction_if_any=0.0) == plain._replace(log10_burst_fraction_if_any=0.0)
    assert abs(float(found.log10_burst_fraction_if_any - plain.log10_burst_fraction_if_any)) < 0.2


def metals(k, draw):
    found = stars(draw, ScatterParameters(lgmet_scatter=k))
    return jnp.sum(found.metallicity_weights * METALLICITIES**2)


def burst_mass(k, draw):
    return burst(draw, fburst_scatter=k)[0].log10_burst_fraction_if_any


def width(h, draw):
    found = stars(draw, spread=metallicity.MetallicitySpreadParameters(h))
    return jnp.sum(found.metallicity_weights * METALLICITIES**2)


@pytest.mark.parametrize(("function", "at"), [(metals, 5.72), (burst_mass, 4.98), (width, 0.2)])
@pytest.mark.parametrize("draw", [0.2, 0.7])
def test_the_gradient_is_that_of_finite_differences(function, at, draw):
    with jax.enable_x64(True):
        gradient = float(jax.grad(function)(at, draw))
        step = 1e-4 * at
        expected = float(function(at + step, draw) - function(at - step, draw)) / (2.0 * step)
    assert abs(gradient) > 1e-5
    assert gradient == pytest.approx(expected, rel=1e-3)


@pytest.mark.thorough
def test_a_calibration_without_the_spread_has_the_default_one():
    n = 200
    halos = {"log10_halo_mass": np.full(n, 12.0), "redshift": np.full(n, 0.5)}
    wanted, draws = ["log10_metallicity", "metallicity_weights"], {}
    plain = dff.evaluate(halos, wanted)
    rival = {"replace": {"metallicity": "metallicity_with_scatter"}}
    draws = {"metallicity_with_scatter.draw_median": np.full(n, 0.5)}
    same = dff.evaluate(halos, wanted, draws=draws, **rival)
    for name in wanted:
        np.testing.assert_allclose(same[name], plain[name], rtol=1e-5, atol=1e-6)
    scattered = dff.evaluate(halos, wanted, **rival)["log10_metallicity"]
    assert np.std(scattered - plain["log10_metallicity"]) == pytest.approx(0.317, rel=0.2)
    wide = metallicity.MetallicitySpreadParameters(0.6)
    spread = dff.evaluate(halos, wanted, draws=draws, constants=[wide], **rival)["metallicity_weights"]
    assert np.all(spread.max(axis=1) < plain["metallicity_weights"].max(axis=1))
