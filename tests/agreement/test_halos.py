"""Halos against diffmah 0.7.3 and diffhalos 0.2.0."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffsky_factory.core.random import draw_all, id_words, row_keys
from diffsky_factory.physics.halos import growth, mass_function, subhalo_mass_function
from diffsky_factory.physics.halos.growth import HaloGrowth, TimeGrid
from diffsky_factory.physics.halos.mass_function import HaloMassFunctionParameters
from diffsky_factory.physics.halos.population import halo_growth_diffmahpop
from diffsky_factory.physics.halos.population_parameters import DiffmahPopParameters
from diffsky_factory.physics.halos.subhalo_mass_function import SubhaloMassFunctionParameters
from tests.reference import reference

PRECISIONS = [pytest.param(True, 1e-6, id="64 bit"), pytest.param(False, 2e-4, id="32 bit")]


def load(name: str) -> dict:
    with np.load(reference("golden", name)) as file:
        return dict(file)


def histories(golden: dict, dtype) -> HaloGrowth:
    return HaloGrowth(*[jnp.asarray(golden[name], dtype) for name in HaloGrowth._fields])


@pytest.mark.parametrize(("wide", "tolerance"), PRECISIONS)
def test_mass_and_accretion_rate_agree_with_diffmah(wide, tolerance):
    golden = load("diffmah.npz")
    with jax.enable_x64(wide):
        dtype = jnp.float64 if wide else jnp.float32
        each = jax.tree.map(lambda x: x[:, None], histories(golden, dtype))
        time, today = jnp.asarray(golden["t_gyr"], dtype), dtype(10.0 ** golden["logt0"])
        mass = np.asarray(growth.log10_mass(each, time, today))
        rate = np.asarray(growth.accretion_rate(each, time, today))
    np.testing.assert_allclose(mass, golden["log_mah"], atol=tolerance, rtol=0)
    expected = golden["dmhdt_msun_per_yr"]
    grows = expected > 0.0
    np.testing.assert_allclose(np.log10(rate[grows]), np.log10(expected[grows]), atol=tolerance, rtol=0)
    np.testing.assert_array_equal(rate[~grows], 0.0)


@pytest.mark.parametrize(("wide", "tolerance"), PRECISIONS)
def test_unbounded_coordinates_agree_with_diffmah_and_return(wide, tolerance):
    golden = load("diffmah.npz")
    with jax.enable_x64(wide):
        each = histories(golden, jnp.float64 if wide else jnp.float32)
        u = growth.unbounded_growth(each)
        back = growth.bounded_growth(u)
    for name in HaloGrowth._fields:
        np.testing.assert_allclose(getattr(u, name), golden[f"u_{name}"], atol=tolerance, rtol=tolerance)
        np.testing.assert_allclose(getattr(back, name), golden[name], atol=tolerance, rtol=0)


def test_mass_functions_agree_with_diffhalos():
    golden = load("massfunc.npz")
    mass, z = golden["logmp"][None, :], golden["z"][:, None]
    ratio, host = golden["lgmu"][None, :], golden["lgmhost"][:, None]
    hosts, subhalos = HaloMassFunctionParameters(), SubhaloMassFunctionParameters()
    with jax.enable_x64(True):
        above = mass_function.log10_cumulative_density(hosts, mass, z)
        per_dex = mass_function.density_per_dex(hosts, mass, z)
        number = subhalo_mass_function.log10_cumulative_number(subhalos, ratio, host)
    np.testing.assert_allclose(above, golden["lg_cuml_hmf"], atol=1e-12, rtol=0)
    np.testing.assert_allclose(per_dex, golden["diff_hmf"], rtol=1e-12)
    np.testing.assert_allclose(number, golden["lg_ccshmf"], atol=1e-12, rtol=0)


FRACTIONS = np.array([0.15, 0.3, 0.5, 0.7, 0.85])
# median log10 M(f t) - log10 M(t), computed with diffsky 0.3.11 from 1e4 draws, today = 13.8 Gyr
MEDIANS = {
    # (dex(Msun), Gyr): centrals, satellites
    (10.7, 2.2): ([-3.26, -1.69, -0.74, -0.31, -0.12], [-2.98, -1.15, -0.26, -0.04, 0.0]),
    (11.25, 4.0): ([-2.43, -1.06, -0.43, -0.21, -0.09], [-2.15, -0.67, -0.20, -0.02, 0.0]),
    (12.25, 8.0): ([-1.35, -0.82, -0.44, -0.21, -0.09], [-1.20, -0.52, -0.12, 0.0, 0.0]),
    (12.75, 12.0): ([-1.29, -0.74, -0.37, -0.16, -0.07], [-1.09, -0.45, -0.07, 0.0, 0.0]),
    (13.25, 6.0): ([-1.83, -1.15, -0.64, -0.32, -0.14], [-1.81, -1.01, -0.41, -0.10, 0.0]),
    (14.25, 13.0): ([-1.59, -0.87, -0.42, -0.18, -0.07], [-1.55, -0.85, -0.36, -0.10, 0.0]),
}


NUMBER = 40_000


@pytest.fixture(scope="module")
def draws():
    stage = halo_growth_diffmahpop
    streams = {stage.stream(name): law for name, law in stage.draws.items()}
    values = draw_all(row_keys(1, id_words(np.arange(NUMBER))), streams)
    return {name: values[stage.stream(name)] for name in stage.draws}


@jax.jit
def growths_of_population(rows):
    times = TimeGrid(jnp.linspace(0.1, 13.8, 100))
    constants = {DiffmahPopParameters: DiffmahPopParameters(), TimeGrid: times}
    mah = halo_growth_diffmahpop.apply(constants, rows)["mah_parameters"]
    each = HaloGrowth(*[mah[:, i : i + 1] for i in range(5)])
    times = FRACTIONS * rows["cosmic_time"][:, None]
    return growth.log10_mass(each, times, 13.8) - rows["log10_halo_mass"][:, None]


@pytest.mark.parametrize("central", [True, False], ids=["centrals", "satellites"])
@pytest.mark.parametrize(("mass", "time"), list(MEDIANS))
def test_median_histories_agree_with_diffmahpop(mass, time, central, draws):
    rows = {
        "log10_halo_mass": jnp.full(NUMBER, mass),
        "cosmic_time": jnp.full(NUMBER, time),
        "is_central": jnp.full(NUMBER, central),
        **draws,
    }
    growths = np.asarray(growths_of_population(rows))
    # where the two sub-populations leave a gap between them, the median of the 1e4 quoted draws is noisy
    below, above = np.quantile(growths, [0.49, 0.51], axis=0)
    noise = (above - below) / 0.02 * 0.5 / np.sqrt(1e4)
    expected = np.array(MEDIANS[mass, time][0 if central else 1])
    deviation = np.abs(np.median(growths, axis=0) - expected)
    assert (deviation < 0.02 + 2.0 * noise).all(), deviation
