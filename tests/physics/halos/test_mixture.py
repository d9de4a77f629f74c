"""The mixture of halo histories: draws, limits, and the population it was fitted to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import ks_2samp, spearmanr

import diffsky_factory as dff
from diffsky_factory.core.random import draw_all, id_words, row_keys
from diffsky_factory.inputs.halo_growth import load_growth_mixture
from diffsky_factory.physics.halos import mixture
from diffsky_factory.physics.halos.growth import HaloGrowth, TimeGrid, log10_mass
from diffsky_factory.physics.halos.mixture import GrowthMixtureParameters, SatelliteOrbitParameters

TODAY = 13.8
TIMES = TimeGrid(jnp.linspace(0.1, TODAY, 100))
STAGE = mixture.halo_growth_history
FRACTIONS = (0.15, 0.3, 0.5, 0.7, 0.85)

# log10 M(f t) - m for f in FRACTIONS at 16, 50, 84 percent of 2 x 10^4 draws of DiffmahNet (diffhalos 0.2.0), and the
# share of them whose growth ended before t: centrals, satellites
DIFFMAHNET = {
    (10.7, 2.2): (
        ((-3.60, -1.84, -0.89, -0.41, -0.18), (-2.11, -1.25, -0.63, -0.29, -0.12), (-1.35, -0.83, -0.43, -0.18, -0.07)),
        ((-3.14, -1.65, -0.66, -0.22, -0.06), (-1.93, -0.97, -0.31, 0.0, 0.0), (-1.30, -0.54, -0.04, 0.0, 0.0)),
        (0.147, 0.872),
    ),
    (11.25, 4.0): (
        ((-2.58, -1.28, -0.62, -0.29, -0.12), (-1.78, -0.94, -0.45, -0.20, -0.08), (-1.24, -0.67, -0.28, -0.10, -0.03)),
        ((-2.34, -1.00, -0.39, -0.12, -0.02), (-1.54, -0.62, -0.13, 0.0, 0.0), (-0.99, -0.26, 0.0, 0.0, 0.0)),
        (0.167, 0.895),
    ),
    (12.25, 8.0): (
        ((-1.83, -0.92, -0.43, -0.18, -0.08), (-1.46, -0.70, -0.30, -0.12, -0.05), (-1.14, -0.51, -0.21, -0.08, -0.03)),
        ((-1.58, -0.68, -0.23, -0.06, -0.01), (-1.19, -0.41, -0.07, 0.0, 0.0), (-0.83, -0.15, 0.0, 0.0, 0.0)),
        (0.068, 0.928),
    ),
    (12.75, 12.0): (
        ((-1.52, -0.73, -0.31, -0.13, -0.05), (-1.22, -0.54, -0.22, -0.08, -0.03), (-0.95, -0.39, -0.15, -0.05, -0.02)),
        ((-1.28, -0.51, -0.15, -0.03, 0.0), (-0.96, -0.29, -0.04, 0.0, 0.0), (-0.65, -0.07, 0.0, 0.0, 0.0)),
        (0.157, 0.965),
    ),
    (13.25, 6.0): (
        ((-2.59, -1.39, -0.69, -0.31, -0.13), (-2.07, -1.12, -0.53, -0.23, -0.10), (-1.63, -0.87, -0.39, -0.16, -0.06)),
        ((-2.48, -1.27, -0.58, -0.23, -0.08), (-2.00, -0.96, -0.36, -0.09, 0.0), (-1.56, -0.67, -0.14, 0.0, 0.0)),
        (0.030, 0.759),
    ),
    (14.25, 13.0): (
        ((-1.94, -0.95, -0.41, -0.17, -0.07), (-1.62, -0.75, -0.30, -0.12, -0.04), (-1.32, -0.56, -0.21, -0.08, -0.03)),
        ((-1.81, -0.84, -0.32, -0.10, -0.03), (-1.45, -0.60, -0.19, -0.04, 0.0), (-1.13, -0.38, -0.07, 0.0, 0.0)),
        (0.163, 0.881),
    ),
}


def draws(number: int, first_id: int = 0) -> dict[str, jax.Array]:
    streams = {STAGE.stream(name): law for name, law in STAGE.draws.items()}
    values = draw_all(row_keys(1, id_words(first_id + np.arange(number))), streams)
    return {name: values[STAGE.stream(name)] for name in STAGE.draws}


@jax.jit
def population_of(p, rows, correlation=0.4):
    """Histories, of halos whose radius is not known unless the rows say so."""
    constants = {GrowthMixtureParameters: p, SatelliteOrbitParameters: SatelliteOrbitParameters(correlation)}
    rows = {"satellite_radius_score": jnp.zeros(rows["log10_halo_mass"].shape), **rows}
    return STAGE.apply({**constants, TimeGrid: TIMES}, rows)["mah_parameters"]


def parameters() -> GrowthMixtureParameters:
    return jax.tree.map(jnp.float32, load_growth_mixture())


def histories(mass, time, central, **given):
    """Histories of many halos at once: columns of HaloGrowth, each (n, 1)."""
    rows = {
        "log10_halo_mass": jnp.asarray(mass, jnp.float32),
        "cosmic_time": jnp.asarray(time, jnp.float32),
        "is_central": jnp.asarray(central, bool),
        **draws(len(mass)),
        **given,
    }
    mah = population_of(parameters(), rows)
    return HaloGrowth(*[mah[:, i : i + 1] for i in range(5)])


def alike(mass, time, central, number):
    """Histories of a number of halos of one mass, time and kind."""
    return histories(np.full(number, mass), np.full(number, time), np.full(number, central))


@pytest.fixture(scope="module")
def wide():
    """Halos over and beyond the range of the training, half of them satellites."""
    rng = np.random.default_rng(3)
    number = 20_000
    return rng.uniform(9.0, 15.8, number), rng.uniform(0.5, TODAY, number), rng.random(number) < 0.5


def test_a_history_has_the_mass_of_the_halo_at_its_time_in_32_bits(wide):
    mass, time, central = wide
    growth = histories(mass, time, central)
    at = log10_mass(growth, jnp.asarray(time, jnp.float32)[:, None], TIMES.time[-1])[:, 0]
    np.testing.assert_allclose(at, mass, atol=1e-4)


def test_histories_are_finite_and_within_their_bounds_beyond_the_range_of_the_training(wide):
    growth = histories(*wide)
    assert all(np.isfinite(np.asarray(values)).all() for values in growth)
    assert (np.asarray(growth.early_index) > np.asarray(growth.late_index)).all()
    for name, low, high in (("logtc", -1, 1), ("early_index", 0.1, 10), ("late_index", 0.1, 5), ("t_peak", 0.05, 20)):
        values = np.asarray(getattr(growth, name))
        assert values.min() > low, name
        assert values.max() < high, name


@pytest.mark.thorough
def test_draws_at_the_ends_of_their_range_stay_finite():
    number = 64
    mass, time = np.linspace(9.0, 15.8, number), np.linspace(0.5, TODAY, number)
    for u in (2.0**-24, 1.0 - 2.0**-24):
        for z in (-5.5, 5.5):
            for central in (True, False):
                growth = histories(
                    mass,
                    time,
                    np.full(number, central),
                    draw_component=jnp.full(number, u, jnp.float32),
                    draw_growth=jnp.full((number, 4), z, jnp.float32),
                )
                assert all(np.isfinite(np.asarray(values)).all() for values in growth), (u, z, central)


@pytest.mark.thorough
def test_a_halo_keeps_its_history_among_other_halos(wide):
    mass, time, central = wide
    whole = histories(mass, time, central)
    rows = slice(500, 600)
    some = histories(mass[rows], time[rows], central[rows], **draws(100, first_id=500))
    np.testing.assert_allclose(np.column_stack(some), np.column_stack(whole)[rows], rtol=1e-5, atol=1e-5)


@pytest.mark.thorough
def test_beyond_the_training_the_history_is_that_of_its_edge():
    n = 200
    edge, beyond = alike(14.5, 8.0, True, n), alike(15.5, 8.0, True, n)
    np.testing.assert_allclose(beyond.logm0 - edge.logm0, 1.0, atol=1e-5)
    np.testing.assert_array_equal(beyond.early_index, edge.early_index)
    edge, beyond = alike(11.0, 1.2, True, n), alike(11.0, 0.9, True, n)
    np.testing.assert_array_equal(beyond.logtc, edge.logtc)


@pytest.mark.parametrize("central", [True, False], ids=["centrals", "satellites"])
@pytest.mark.parametrize(("mass", "time"), DIFFMAHNET, ids=str)
def test_histories_are_those_of_the_population_it_was_fitted_to(mass, time, central):
    # dex for each fraction, set after the fit; 0.15 of the age at (10.7, 2.2) is 0.3 Gyr
    tolerance = np.array([0.2, 0.06, 0.04, 0.03, 0.02] if central else [0.2, 0.12, 0.07, 0.04, 0.03])
    growth = alike(mass, time, central, 20_000)
    at = np.asarray(log10_mass(growth, jnp.array(FRACTIONS, jnp.float32) * time, TODAY)) - mass
    difference = np.quantile(at, (0.16, 0.5, 0.84), axis=0) - DIFFMAHNET[mass, time][0 if central else 1]
    assert np.all(np.abs(difference) < tolerance), difference.round(3)


@pytest.mark.parametrize(("mass", "time"), DIFFMAHNET, ids=str)
def test_as_many_halos_have_peaked_as_in_the_population_it_was_fitted_to(mass, time):
    peaked = [float(np.mean(np.asarray(alike(mass, time, kind, 20_000).t_peak) < time)) for kind in (True, False)]
    np.testing.assert_allclose(peaked, DIFFMAHNET[mass, time][2], atol=0.05)


def test_a_component_is_picked_as_often_as_its_weight_says():
    weight = np.array([0.5, 0.2, 0.3])
    u = (np.arange(10_000) + 0.5) / 10_000
    picked = jax.vmap(lambda u: mixture.component(jnp.log(weight) + 7.0, u))(u)
    np.testing.assert_allclose(np.bincount(picked, minlength=3) / len(u), weight, atol=2e-4)


def test_the_coordinates_of_a_history_lead_back_to_it():
    growth = HaloGrowth(logm0=0.0, logtc=0.4, early_index=2.5, late_index=0.2, t_peak=9.0)
    growth = growth._replace(logm0=12.3 - log10_mass(growth, 5.0, TODAY))
    x = jnp.array(mixture.coordinates(growth, 12.3, 5.0))
    back = mixture.growth_of(x[mixture.GIVEN :], jnp.float32(12.3), jnp.float32(5.0), TODAY)
    np.testing.assert_allclose(jnp.stack(back), jnp.stack(growth), rtol=1e-5)


def test_one_normal_has_the_conditional_moments_of_its_covariance():
    rng = np.random.default_rng(2)
    root = np.tril(0.15 * rng.standard_normal((6, 6)), -1) + np.diag(rng.uniform(0.2, 0.4, 6))
    center = np.array([0.5, 2.0, 0.3, 0.7, -3.0, 0.2])
    p = GrowthMixtureParameters(jnp.zeros((2, 1)), jnp.array([[center]] * 2), jnp.array([[root]] * 2))
    p = jax.tree.map(jnp.float32, p)
    m, t, number = 12.8, 6.0, 100_000
    rows = {
        "log10_halo_mass": jnp.full(number, m, jnp.float32),
        "cosmic_time": jnp.full(number, t, jnp.float32),
        "is_central": jnp.ones(number, bool),
        **draws(number),
    }
    growth = HaloGrowth(*population_of(p, rows).T)
    logtc, peak = np.asarray(growth.logtc, float), np.log(np.asarray(growth.t_peak, float) / t)
    cov = root @ root.T
    gain = cov[2:, :2] @ np.linalg.inv(cov[:2, :2])
    mean = center[2:] + gain @ (np.array([m - 12.0, np.log(t)]) - center[:2])
    left = cov[2:, 2:] - gain @ cov[:2, 2:]
    # logtc and t_peak are clipped, far out in both tails: compare medians and widths
    for values, k in ((logtc, 0), (peak, 3)):
        low, middle, high = np.quantile(values, (0.3, 0.5, 0.7))
        np.testing.assert_allclose(middle, mean[k], atol=0.01)
        np.testing.assert_allclose((high - low) / (2 * 0.5244), np.sqrt(left[k, k]), rtol=0.03)


def test_a_file_of_a_mixture_is_checked(tmp_path):
    from diffsky_factory.core.errors import InputError
    from diffsky_factory.inputs.entries import entry_path

    text = entry_path("halo_growth", "diffhalos_mixture").read_text()
    broken = tmp_path / "broken.yaml"
    broken.write_text(text.replace("components: 64", "components: 63"))
    with pytest.raises(InputError, match="63 components of 28 numbers"):
        load_growth_mixture(broken)


def in_environments(number: int, mass: float, correlation: float) -> tuple[np.ndarray, np.ndarray]:
    """Environments, and log10 M(t / 2) - m today of centrals of a mass that may know of them."""
    known, e = load_growth_mixture(), jax.random.normal(jax.random.key(8), (number,))
    p = GrowthMixtureParameters(*map(jnp.asarray, known))
    bias = mixture.AssemblyBiasParameters(correlation)
    given = {"log10_halo_mass": mass, "cosmic_time": 12.0, "is_central": True, "satellite_radius_score": 0.0}

    def one(e, draw):
        return mixture.halo_growth_with_environment(
            p, bias, SatelliteOrbitParameters(), TIMES, environment=e, **given, **draw
        ).mah_parameters

    history = jax.jit(jax.vmap(one))(e, draws(number))
    growth = HaloGrowth(*np.asarray(history).T)
    return np.asarray(e), np.asarray(log10_mass(growth, 6.0, TODAY)) - mass


@pytest.mark.thorough
@pytest.mark.parametrize("score", [0.0, -1.2])
def test_without_correlation_the_environment_changes_no_history(score):
    p = GrowthMixtureParameters(*map(jnp.asarray, load_growth_mixture()))
    given = {
        "log10_halo_mass": 12.3,
        "cosmic_time": 12.0,
        "is_central": score == 0.0,
        "satellite_radius_score": score,
    }
    bias, orbits = mixture.AssemblyBiasParameters(0.0), SatelliteOrbitParameters()
    plain = jax.vmap(lambda draw: STAGE(p, orbits, TIMES, **given, **draw).mah_parameters)(draws(500))
    known = jax.vmap(
        lambda draw: (
            mixture.halo_growth_with_environment(
                p, bias, orbits, TIMES, environment=1.7, **given, **draw
            ).mah_parameters
        )
    )(draws(500))
    np.testing.assert_array_equal(plain, known)
    of_one_kind = (STAGE, mixture.halo_growth_with_environment, mixture.halo_growth_without_radius)
    assert len({stage.stream("draw_growth") for stage in of_one_kind}) == 1


@pytest.mark.thorough
@pytest.mark.parametrize("mass", [11.3, 13.5])
def test_dense_environments_hold_early_halos_and_the_population_stays(mass):
    number = 8_000
    _, alone = in_environments(number, mass, 0.0)
    e, half = in_environments(number, mass, 0.7)
    assert 0.4 < np.corrcoef(e, half)[0, 1] < 0.9
    assert abs(np.corrcoef(e, alone)[0, 1]) < 4.0 / np.sqrt(number)
    assert np.corrcoef(*in_environments(number, mass, -0.7))[0, 1] < -0.4
    assert ks_2samp(half, alone).statistic < 1.95 * np.sqrt(2.0 / number)


def at_radii(number: int, mass: float, correlation: float, score=None) -> HaloGrowth:
    """Histories of satellites of a mass at 9 Gyr, (number,) each, whose normalised radius is known."""
    rows = {
        "log10_halo_mass": jnp.full(number, mass),
        "cosmic_time": jnp.full(number, 9.0),
        "is_central": jnp.zeros(number, bool),
        **({} if score is None else {"satellite_radius_score": jnp.asarray(score, jnp.float32)}),
        **draws(number),
    }
    return HaloGrowth(*np.asarray(population_of(parameters(), rows, correlation)).T)


@pytest.mark.parametrize("mass", [11.3, 12.5])
def test_satellites_farther_out_stop_growing_later_and_the_population_stays(mass):
    number = 20_000
    score = np.random.default_rng(4).normal(size=number)
    alone = at_radii(number, mass, 0.4)
    found = {rho: at_radii(number, mass, rho, score) for rho in (-0.4, 0.0, 0.4, 0.8)}
    ranks = {rho: spearmanr(score, growth.t_peak).statistic for rho, growth in found.items()}
    assert abs(ranks[0.0]) < 4.0 / np.sqrt(number)
    # ranks of two unit normals: 6 / pi asin(rho / 2); less where components overlap
    assert ranks[0.4] == pytest.approx(0.385, abs=0.05)
    assert ranks[-0.4] == pytest.approx(-0.385, abs=0.05)
    assert 0.6 < ranks[0.8] < 0.8
    half = np.asarray(log10_mass(alone, 4.5, TODAY))
    for growth in found.values():
        for name, values in growth._asdict().items():
            assert ks_2samp(values, getattr(alone, name)).statistic < 1.95 * np.sqrt(2.0 / number), name
        assert ks_2samp(np.asarray(log10_mass(growth, 4.5, TODAY)), half).statistic < 1.95 * np.sqrt(2.0 / number)


def test_a_satellite_whose_radius_is_not_known_has_the_history_that_it_would_have():
    number = 500
    score = np.where(np.arange(number) % 2 == 0, 0.0, 1.0)
    plain, known = at_radii(number, 12.0, 0.0), at_radii(number, 12.0, 0.4, score)
    np.testing.assert_array_equal(np.array(known)[:, ::2], np.array(plain)[:, ::2])
    assert (np.array(known)[4, 1::2] != np.array(plain)[4, 1::2]).mean() > 0.9
    for mass, time in ((11.0, 4.0), (14.0, 12.0)):  # masses are met wherever the satellite is
        rows = {
            "log10_halo_mass": jnp.full(number, mass),
            "cosmic_time": jnp.full(number, time),
            "is_central": jnp.zeros(number, bool),
            "satellite_radius_score": jnp.linspace(-6.0, 6.0, number),
            **draws(number),
        }
        growth = HaloGrowth(*np.asarray(population_of(parameters(), rows, 0.9)).T)
        np.testing.assert_allclose(log10_mass(growth, time, TODAY), mass, atol=1e-4)


def test_the_satellites_of_the_synthetic_universe_stop_growing_by_their_radius_unless_they_are_not_to():
    recipe = {
        "simulation": "synthetic",
        "redshift": [0.1, 0.3],
        "halo_mass_min": 10**11.5,
        "region": {"order": 5, "pixels": [5000]},
        "tiles": {"order": 5},
        "columns": ["halo_id", "is_central", "satellite_radius_score", "mah_parameters"],
    }
    found = {}
    for rival in (None, "halo_growth_without_radius"):
        ds = dff.make_mock({**recipe, "replace": {"halo_growth_history": rival} if rival else {}}).load()
        satellite = ~ds.is_central.values
        peak = ds.mah_parameters.values[satellite, HaloGrowth._fields.index("t_peak")]
        found[rival] = spearmanr(ds.satellite_radius_score.values[satellite], peak).statistic
        assert satellite.sum() > 2000
    assert 0.3 < found[None] < 0.5
    assert abs(found["halo_growth_without_radius"]) < 0.1
