"""Components: they sum to the galaxy, and what each has follows from how the bulge grew."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from diffsky_factory import evaluate
from diffsky_factory.physics.stars import bulges, components
from diffsky_factory.physics.stars.components import COMPONENTS
from tests.physics.draws import apply

DISK, BULGE, KNOTS = range(len(COMPONENTS))
WHOLE = ("age_weights", "age_weights_smooth", "log10_sfr_history", "log10_stellar_mass", "log10_stellar_mass_in_situ")
PARTS = (
    *("bulge_to_total", "component_fraction", "component_age_weights", "log10_component_sfr_history", "knot_fraction"),
    *("log10_component_mass", "log10_component_mass_in_situ", "bulge_formation_time", "bulge_formation_duration"),
    *("bulge_efficiency_early", "bulge_efficiency_late"),
)
N = 64  # rows of every call, so that it compiles once


def galaxies(seed: int = 0, **given) -> dict[str, np.ndarray]:
    """Centrals and satellites in halos of 1e9 to 3e15 Msun, with all columns of the whole and of the parts."""
    rng = np.random.default_rng(seed)
    host = np.arange(N) - np.arange(N) % 2
    columns = {
        "log10_halo_mass": rng.uniform(9.0, 15.5, N),
        "redshift": rng.uniform(0.001, 6.0, N),
        "host_row": host,
        **{name: np.broadcast_to(value, (N, *np.shape(value)[1:])) for name, value in given.items()},
    }
    wanted = [name for name in (*WHOLE, *PARTS) if name not in given]
    return {**columns, **evaluate(columns, wanted, seed=seed, block=N)}


def assert_sums(g: dict[str, np.ndarray]) -> None:
    """The parts are parts, and sum to the whole."""
    fraction, weights = g["component_fraction"].astype(float), g["component_age_weights"].astype(float)
    for name in PARTS:
        assert np.all(np.isfinite(g[name])), name
    assert fraction.min() >= 0.0
    assert weights.min() >= 0.0
    np.testing.assert_allclose(fraction.sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(weights.sum(axis=2), 1.0, atol=2e-6)
    whole = np.einsum("gc,gca->ga", fraction, weights)
    np.testing.assert_allclose(whole, g["age_weights"], atol=1e-6)
    # also where a bin holds a millionth of the stars
    some = g["age_weights"] > 1e-6
    np.testing.assert_allclose(whole[some], g["age_weights"][some], rtol=1e-5)


@pytest.mark.thorough
@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_the_components_of_any_galaxy_sum_to_it(seed):
    g = galaxies(seed)
    assert_sums(g)
    rate = np.sum(10.0 ** g["log10_component_sfr_history"].astype(float), axis=1)
    np.testing.assert_allclose(rate, 10.0 ** g["log10_sfr_history"].astype(float), rtol=2e-5)
    for state in ("_in_situ", ""):
        mass = np.sum(10.0 ** g[f"log10_component_mass{state}"].astype(float), axis=1)
        np.testing.assert_allclose(mass, 10.0 ** g[f"log10_stellar_mass{state}"].astype(float), rtol=1e-5)


@pytest.mark.thorough
def test_the_bulge_to_total_ratio_is_the_fraction_of_the_bulge_before_and_after_mergers():
    g = galaxies()
    np.testing.assert_array_equal(g["bulge_to_total"], g["component_fraction"][:, BULGE])
    share = g["log10_component_mass"][:, BULGE] - g["log10_stellar_mass"]
    np.testing.assert_allclose(10.0**share, g["bulge_to_total"], rtol=1e-5)


@pytest.mark.thorough
def test_a_bulge_with_one_efficiency_has_that_fraction_of_the_mass_and_the_ages_of_the_disk():
    g = galaxies(bulge_efficiency_early=[0.4], bulge_efficiency_late=[0.4], is_bursty=[False])
    np.testing.assert_allclose(g["bulge_to_total"], 0.4, rtol=1e-5)
    for part in range(len(COMPONENTS)):
        np.testing.assert_allclose(g["component_age_weights"][:, part], g["age_weights"], atol=1e-6)


@pytest.mark.thorough
def test_stars_of_bulges_are_older():
    g = galaxies(is_bursty=[False])
    age = np.arange(g["age_weights"].shape[1])
    mean = g["component_age_weights"] @ age
    assert np.all(mean[:, BULGE] >= mean[:, DISK] - 1e-3)


def test_efficiency_falls_from_early_to_late_about_the_time_of_formation():
    time = np.array([1.0, 3.9, 5.0, 6.1, 13.0])
    np.testing.assert_allclose(bulges.bulge_efficiency(time, 5.0, 2.0, 0.9, 0.7), [0.9, 0.9, 0.8, 0.7, 0.7], atol=1e-6)


@pytest.mark.thorough
def test_the_time_of_formation_is_when_a_quarter_of_the_observed_mass_had_formed():
    from diffsky_factory.physics.halos.growth import TimeGrid

    time = np.linspace(0.01, 14.0, 100, dtype=np.float32)
    formed = time / time[-1]  # at a constant rate
    out = apply(
        bulges.bulge_growth,
        1,
        {TimeGrid: TimeGrid(time)},
        log10_mass_fraction_history=np.log10(formed)[None],
        log10_stellar_mass_in_situ=10.0,
        log10_ssfr=-10.0,
        cosmic_time=8.0,
    )
    assert out["bulge_formation_time"][0] == pytest.approx(2.0, abs=0.01)
    assert out["bulge_formation_duration"][0] == pytest.approx(0.8 * 14.0, abs=0.01)


@pytest.mark.thorough
@pytest.mark.parametrize("fraction", [0.0, 1.0])
@pytest.mark.parametrize("bursty", [False, True])
def test_a_disk_without_knots_and_one_of_knots_alone(fraction, bursty):
    g = galaxies(knot_fraction=[fraction], is_bursty=[bursty])
    assert_sums(g)
    empty = KNOTS if fraction == 0.0 else DISK
    np.testing.assert_allclose(g["component_fraction"][:, empty], 0.0, atol=1e-7)


@pytest.mark.thorough
def test_a_burst_is_in_the_knots_first_and_overflows_into_the_disk():
    burst = {"log10_burst_fraction_if_any": [-2.0], "log10_burst_peak_age": [6.0], "log10_burst_max_age": [8.0]}
    with_room = galaxies(is_bursty=[True], knot_fraction=[0.19], **burst)
    calm = galaxies(is_bursty=[False], knot_fraction=[0.19], **burst)
    assert_sums(with_room)
    change = np.abs(with_room["component_age_weights"] - calm["component_age_weights"]).sum(axis=2)
    young = change[:, KNOTS] > 1e-2
    assert young.mean() > 0.9
    np.testing.assert_allclose(change[:, BULGE], 0.0, atol=1e-2)

    full = galaxies(is_bursty=[True], knot_fraction=[1e-3], **burst)
    assert_sums(full)
    knots = full["component_age_weights"][:, KNOTS]
    assert np.ptp(knots, axis=0).max() < 1e-5  # nothing but the burst


@pytest.mark.thorough
@settings(max_examples=8, deadline=None, derandomize=True)
@given(log10_fraction=st.floats(-7.9, -0.05), seed=st.integers(0, 100))
def test_no_burst_however_strong_makes_a_weight_negative(log10_fraction, seed):
    """A burst takes mass from the whole galaxy; what is left limits the bulge."""
    strong = {"log10_burst_fraction_if_any": [log10_fraction], "is_bursty": [True]}
    g = galaxies(seed, **strong, bulge_efficiency_early=[0.9], bulge_efficiency_late=[0.7])
    assert_sums(g)
    assert np.all(g["bulge_to_total"] <= 1.0 - 10.0**log10_fraction + 1e-6)


@pytest.mark.thorough
@settings(max_examples=6, deadline=None, derandomize=True)
@given(probability=st.floats(0.0, 1.0), seed=st.integers(0, 100))
def test_satellites_that_stop_forming_stars_still_sum(probability, seed):
    assert_sums(galaxies(seed, merging_probability_mean=[probability]))


def test_the_fraction_in_knots_is_uniform_up_to_a_fifth():
    drawn = apply(components.knots, 20_000)["knot_fraction"]
    assert kstest(drawn, "uniform", (0.0, 0.2)).pvalue > 1e-3


@pytest.mark.parametrize(("mass", "rate"), [(9.0, -9.5), (10.5, -10.5), (11.5, -12.0)])
def test_disks_are_drawn_with_their_probability(mass, rate):
    from diffsky_factory.physics.halos.growth import TimeGrid

    time = np.linspace(0.01, 14.0, 100, dtype=np.float32)
    n = 20_000
    out = apply(
        bulges.bulge_growth,
        n,
        {TimeGrid: TimeGrid(time)},
        log10_mass_fraction_history=np.log10(time / time[-1])[None],
        log10_stellar_mass_in_situ=mass,
        log10_ssfr=rate,
        cosmic_time=8.0,
    )
    p = float(bulges.disk_dominated_probability(mass, rate))
    disks = out["bulge_efficiency_early"] < 0.5
    assert disks.mean() == pytest.approx(p, abs=4.0 * np.sqrt(p * (1.0 - p) / n))
    np.testing.assert_allclose(out["bulge_efficiency_late"], np.where(disks, 0.1, 0.7), rtol=1e-6)


def test_massive_quiet_galaxies_are_spheroids():
    # sigmoid of mass at its middle: half of 0.9, as the specific rate raises nothing above 0.9
    assert bulges.disk_dominated_probability(10.25, -9.0) == pytest.approx(0.45, abs=1e-6)
    assert bulges.disk_dominated_probability(12.0, -13.0) < 0.03
    assert bulges.disk_dominated_probability(7.0, -9.0) > 0.89
