"""What the page on differences from diffsky says, where no other test holds it."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffsky_factory as dff
from diffsky_factory.factory.tables import redshift_nodes
from diffsky_factory.physics import AS_DIFFSKY, INGREDIENTS, RIVALS, STAGES, stages
from diffsky_factory.physics.halos.growth import HaloGrowth
from diffsky_factory.sky.cosmology import Cosmology
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "explanation" / "differences-from-diffsky.md"
BANDS = ["lsst_g", "lsst_i"]
N = 400


@pytest.fixture(scope="module")
def halos():
    rng = np.random.default_rng(8)
    host = np.repeat(np.arange(0, N, 2), 2)
    mass = np.where(np.arange(N) == host, 13.5, 12.0)
    return {"log10_halo_mass": mass, "redshift": np.repeat(rng.uniform(0.1, 0.6, N // 2), 2), "host_row": host}


def test_the_page_names_switches_and_tests_that_there_are():
    text = PAGE.read_text()
    names = {stage.name for stage in (*STAGES, *RIVALS)}
    switches = re.findall(r"`(\w+): (\w+)`", text)
    assert {pair for pair in switches if pair[0] != "igm"} >= set(AS_DIFFSKY.items())
    for name, rival in switches:
        assert name == "igm" or {name, rival} <= names, (name, rival)
    cited = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(cited) > 10
    for file, test in cited:
        assert f"def {test}(" in (ROOT / file).read_text(), (file, test)


def test_the_recipe_of_the_page_is_that_of_the_code():
    import yaml

    block = re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL).group(1)
    assert yaml.safe_load(block) == {"replace": AS_DIFFSKY, "igm": "none"}
    stages(AS_DIFFSKY)


@pytest.mark.parametrize("group", INGREDIENTS)
def test_every_default_is_a_number_that_can_be_differentiated(group):
    defaults = INGREDIENTS[group]()
    # JAX takes no derivative with respect to an integer
    slopes = jax.grad(lambda p: jnp.sum(jnp.square(jnp.stack(p))))(defaults)
    assert slopes._fields == defaults._fields
    np.testing.assert_allclose(np.array(slopes), 2.0 * np.array(defaults), rtol=1e-6)


@pytest.mark.thorough
def test_one_cosmology_reaches_the_light(halos):
    inputs = ("redshift", "log10_stellar_mass_in_situ", "age_weights", "metallicity_weights", "dust_av_by_age")
    inputs += ("dust_curve", "dust_unobscured_fraction", "template_flux_factor")
    found = dff.evaluate(halos, inputs[1:], bands=BANDS)
    columns = {"redshift": halos["redshift"], **found}
    flux = [
        dff.evaluate(columns, ["flux_in_situ"], bands=BANDS, cosmology=Cosmology(h=h))["flux_in_situ"]
        for h in (0.5, 0.7)
    ]
    np.testing.assert_allclose(flux[0] / flux[1], (0.5 / 0.7) ** 2, rtol=1e-4)  # distances go as 1 / h


@pytest.mark.thorough
def test_satellites_quench_more_than_centrals_of_their_mass(halos):
    alone = {"log10_halo_mass": halos["log10_halo_mass"], "redshift": halos["redshift"]}
    satellite = np.arange(N) != halos["host_row"]
    among = dff.evaluate(halos, ["quenched_fraction"])["quenched_fraction"][satellite]
    single = dff.evaluate(alone, ["quenched_fraction"])["quenched_fraction"][satellite]
    assert among.mean() > single.mean() + 0.02


@pytest.mark.thorough
def test_satellites_fall_in_when_their_halo_stops_growing(halos):
    found = dff.evaluate(halos, ["infall_time", "mah_parameters"])
    satellite = np.arange(N) != halos["host_row"]
    peak = found["mah_parameters"][:, HaloGrowth._fields.index("t_peak")]
    today = found["infall_time"][~satellite]
    assert np.all(today == today[0])
    np.testing.assert_allclose(found["infall_time"][satellite], np.minimum(peak, today[0])[satellite], rtol=1e-6)


@pytest.mark.thorough
def test_a_mean_of_magnitudes_is_fainter_than_that_of_fluxes(halos):
    mean = dff.evaluate(halos, ["mag_mean"], bands=BANDS)["mag_mean"]
    as_diffsky = dff.evaluate(halos, ["mag_mean"], bands=BANDS, replace={"mean_flux": "mean_magnitude"})["mag_mean"]
    assert np.all(as_diffsky >= mean - 1e-4)
    assert np.max(as_diffsky - mean) > 0.1


def test_light_beyond_the_nodes_of_redshift_is_that_of_the_last_one():
    columns = {"redshift": np.array([1e-5, 0.4])}
    wavelength = dff.evaluate(columns, ["band_rest_wavelength"], bands=BANDS)["band_rest_wavelength"]
    assert np.all(np.isfinite(wavelength))
    nearest = dff.evaluate({"redshift": np.array([redshift_nodes(0.4)[0], 0.4])}, ["band_rest_wavelength"], bands=BANDS)
    np.testing.assert_array_equal(wavelength[0], nearest["band_rest_wavelength"][0])
