"""Galaxies as a function of the parameters are those of `evaluate`, and their derivatives are those of differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffsky_factory import InputError, differentiable, evaluate

N = 60
HALOS = {"log10_halo_mass": np.linspace(11.0, 14.0, N)[::-1], "redshift": np.linspace(0.1, 1.5, N)}
HALOS["host_row"] = np.where(np.arange(N) % 3 == 0, np.arange(N), np.arange(N) - np.arange(N) % 3)
OPTIONS = {"bands": ["lsst_g", "lsst_i"], "seed": 4, "replace": {"merging_monte_carlo": "merging_mean"}}


@pytest.mark.thorough
def test_the_galaxies_are_those_of_evaluate():
    wanted = ["mag_true", "log10_stellar_mass", "star_formation_type"]
    galaxies = differentiable(HALOS, wanted, **OPTIONS)
    found, expected = galaxies(), evaluate(HALOS, wanted, **OPTIONS)
    np.testing.assert_array_equal(found["star_formation_type"], expected["star_formation_type"])
    np.testing.assert_allclose(found["log10_stellar_mass"], expected["log10_stellar_mass"], atol=1e-5)
    np.testing.assert_allclose(found["mag_true"], expected["mag_true"], atol=2e-3)


MOVES_LIGHT = (("mzr", "mzr_t0_ytp"), ("deltapop", "deltapop_logsm_ylo_q"), ("merging", "p_max"))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("wanted", "moved_by"),
    [
        pytest.param("log10_stellar_mass", MOVES_LIGHT[-1:], id="mass"),
        pytest.param("mag_mean", MOVES_LIGHT, id="light"),
    ],
)
def test_derivatives_are_those_of_differences(wanted, moved_by):
    with jax.enable_x64(True):
        galaxies = differentiable(HALOS, [wanted], **OPTIONS)

        @jax.jit
        def loss(parameters):
            return jnp.mean(galaxies(parameters)[wanted])

        gradient = jax.jit(jax.grad(loss))(galaxies.parameters)
        for group, name in moved_by:
            values = galaxies.parameters[group]
            moved = [values._replace(**{name: getattr(values, name) + step}) for step in (1e-5, -1e-5)]
            ahead, behind = (loss({**galaxies.parameters, group: p}) for p in moved)
            assert float((ahead - behind) / 2e-5) == pytest.approx(float(getattr(gradient[group], name)), rel=1e-3)


@pytest.mark.thorough
def test_groups_and_columns_that_are_left_out_stay():
    galaxies = differentiable(HALOS, ["log10_stellar_mass"], **OPTIONS)
    whole = galaxies(galaxies.parameters)["log10_stellar_mass"]
    np.testing.assert_array_equal(galaxies()["log10_stellar_mass"], whole)
    heavier = galaxies(columns={"log10_halo_mass": galaxies.columns["log10_halo_mass"] + 0.5})["log10_stellar_mass"]
    assert np.median(heavier - whole) > 0.1


def test_parameters_outside_their_bounds_are_refused_where_they_are_seen():
    galaxies = differentiable(HALOS, ["log10_stellar_mass"], **OPTIONS)
    beyond = {"merging": galaxies.parameters["merging"]._replace(p_max=jnp.asarray(1.5))}
    with pytest.raises(
        InputError, match=r"parameters, merging: p_max = .*1\.5.* lies outside its bounds \(0\.0, 1\.0\)"
    ):
        galaxies(beyond)
    with pytest.raises(InputError, match=r"'merging' is a MergingParameters, not 1\.5; change one with its _replace"):
        galaxies({"merging": 1.5})
    jax.eval_shape(galaxies, beyond)  # traced: nobody knows the values


def test_unknown_names_are_refused():
    galaxies = differentiable(HALOS, ["log10_stellar_mass"], **OPTIONS)
    with pytest.raises(InputError, match="no group 'diffstarpops' in this request; did you mean diffstarpop"):
        galaxies({"diffstarpops": None})
    with pytest.raises(InputError, match="no column 'log10_halo_mas'"):
        galaxies(columns={"log10_halo_mas": jnp.ones(N)})
    with pytest.raises(InputError, match="no group 'avpop'"):  # no light is wanted
        galaxies({"avpop": None})
