"""Fits of halo growth: exact histories come back, whatever is missing, and nothing depends on how they are batched."""

import jax
import numpy as np
import pytest

from diffsky_factory.core.columns import column
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory import fitting
from diffsky_factory.factory.fitting import fit_growth, fit_star_formation
from diffsky_factory.physics.halos import growth_fit
from diffsky_factory.physics.halos.growth import HaloGrowth, log10_mass, unbounded_growth
from diffsky_factory.physics.halos.growth_fit import FitQuality
from diffsky_factory.sky.cosmology import Cosmology

TIME = np.linspace(0.3, 13.8, 100)
TODAY = 13.8


def growth(n=300, seed=2):
    """Growth of n halos, a third of which stop growing at one of the times of the table."""
    rng = np.random.default_rng(seed)
    late = rng.uniform(0.15, 2.0, n)
    peak = np.where(rng.random(n) < 0.67, TODAY, rng.choice(TIME[40:], n))
    return HaloGrowth(
        rng.uniform(10.5, 15.0, n), rng.uniform(-0.3, 0.7, n), late + rng.uniform(0.5, 4.0, n), late, peak
    )


def histories(halos):
    return np.asarray(log10_mass(HaloGrowth(*(np.asarray(v)[:, None] for v in halos)), TIME, TODAY))


def fitted_histories(fit):
    return histories(HaloGrowth(*fit["mah_parameters"].T.astype(float)))


@pytest.fixture(scope="module")
def exact():
    return histories(growth())


@pytest.fixture(scope="module")
def noisy(exact):
    return exact + np.random.default_rng(5).normal(0.0, 0.05, exact.shape)


@pytest.fixture(scope="module")
def fit_of_noisy(noisy):
    return fit_growth(TIME, noisy, today=TODAY)


def test_an_exact_history_comes_back(exact):
    fit = fit_growth(TIME, exact, today=TODAY)
    assert np.all(fit["mah_fit_quality"] == FitQuality.FITTED)
    used = (exact > exact[:, -1:] - 2.5) & (TIME >= 1.0)
    off = np.where(used, np.abs(fitted_histories(fit) - exact), 0.0)
    assert off.max() < 1e-3
    np.testing.assert_allclose(fit["mah_parameters"][:, 4], growth().t_peak, atol=1e-5)


@pytest.mark.thorough
def test_all_histories_that_are_nearly_exact_are_fitted():
    """Where a late index is by its bound and a transition at the end, the loss is flat: the search may get stuck."""
    rng, n, time = np.random.default_rng(3), 5000, TIME[TIME < 8.6]
    late = rng.uniform(0.1001, 0.13, n)
    early, peak = rng.uniform(1.5, 2.2, n), rng.uniform(6.0, 8.5, n)
    halos = HaloGrowth(np.full(n, 12.3), rng.uniform(0.4, 0.75, n), early, late, peak)
    nearly = histories(halos)[:, : len(time)] + rng.normal(0.0, 0.003, (n, len(time)))
    fit = fit_growth(time, np.maximum.accumulate(nearly, axis=1), today=TODAY)
    assert np.all(fit["mah_fit_quality"] == FitQuality.FITTED)


def test_gaps_change_an_exact_history_by_nothing(exact):
    exact = exact[growth().t_peak == TODAY]  # of the others, the time of the peak may be in a gap
    gaps = np.where(np.random.default_rng(1).random(exact.shape) < 0.4, np.nan, exact)
    gaps[:, -1] = exact[:, -1]  # else the last mass, from which points are chosen, is another
    fit = fit_growth(TIME, gaps, today=TODAY)
    good = fit["mah_fit_quality"] == FitQuality.FITTED
    assert good.mean() > 0.99
    used = (exact > exact[:, -1:] - 2.5) & (TIME >= 1.0)
    assert np.abs(fitted_histories(fit) - exact)[good][used[good]].max() < 2e-3


@pytest.mark.thorough
@pytest.mark.parametrize("absent", [np.nan, -np.inf, np.inf])
def test_masses_that_are_not_finite_are_no_masses(exact, absent):
    some = np.where(TIME < 5.0, absent, exact)
    expected = fit_growth(TIME[TIME >= 5.0], exact[:, TIME >= 5.0], today=TODAY)
    found = fit_growth(TIME, some, today=TODAY)
    np.testing.assert_array_equal(found["mah_fit_points"], expected["mah_fit_points"])
    np.testing.assert_allclose(found["mah_fit_loss"], expected["mah_fit_loss"], rtol=1e-2, atol=1e-7)


def test_the_fit_of_a_history_that_dips_is_that_of_its_running_maximum(noisy):
    dips = fit_growth(TIME, noisy, today=TODAY)
    flat = fit_growth(TIME, np.maximum.accumulate(noisy, axis=1), today=TODAY)
    for name in dips:
        np.testing.assert_array_equal(dips[name], flat[name])


def test_numbers_are_within_their_bounds_and_have_unbounded_coordinates(fit_of_noisy):
    u = unbounded_growth(HaloGrowth(*fit_of_noisy["mah_parameters"].T))
    assert all(np.all(np.isfinite(values)) for values in u)


def test_no_other_numbers_fit_better(noisy, fit_of_noisy):
    rng = np.random.default_rng(3)
    target = np.maximum.accumulate(noisy, axis=1)
    used = (target > target[:, -1:] - 2.5) & (TIME >= 1.0)
    best = HaloGrowth(*fit_of_noisy["mah_parameters"].T.astype(float))
    for size in (1e-3, 1e-2, 0.1, 0.5):
        m0, tc, early, late = (v + rng.normal(0.0, size, v.shape) for v in best[:4])
        late, tc = np.clip(late, 0.1, 5.0), np.clip(tc, -1.0, 1.0)
        moved = histories(HaloGrowth(m0, tc, np.clip(early, late, 10.0), late, best.t_peak))
        loss = np.sum(np.where(used, moved - target, 0.0) ** 2, axis=1) / used.sum(axis=1)
        assert np.all(loss > fit_of_noisy["mah_fit_loss"] * (1.0 - 2e-3) - 1e-8)


def test_what_cannot_be_fitted_is_flagged():
    rows = np.full((7, len(TIME)), np.nan)
    rows[1, 50] = 12.0  # one point
    rows[2] = 12.0  # never grows
    rows[3, -3:] = 11.8, 11.9, 12.0  # two points below the largest
    rows[4, TIME < 0.9] = 11.0 + TIME[TIME < 0.9]  # too early
    rows[5] = -np.inf
    rows[6, -4:] = 11.7, 11.8, 11.9, 12.0  # three: enough
    fit = fit_growth(TIME, rows, today=TODAY)
    assert fit["mah_fit_quality"].tolist() == [FitQuality.TOO_FEW_POINTS] * 6 + [FitQuality.SHORT]
    few = fit["mah_fit_quality"] == FitQuality.TOO_FEW_POINTS
    for name in ("mah_parameters", "mah_fit_loss", "mah_fit_first_time"):
        assert np.all(np.isnan(fit[name].reshape(7, -1)) == few[:, None]), name
    assert not fit["has_mah_fit"].any()  # three points are fitted, and not relied on


def test_a_history_that_no_curve_follows_is_poor_and_not_relied_on():
    """The mass jumps by 1.2 dex, as where a tree took another halo; of 0.3 dex a fit comes within 0.2 dex."""
    smooth = 12.0 + 1.5 * np.log10(TIME / TODAY)
    jumps = np.stack([smooth + size * (TIME > 6.0) for size in (0.0, 0.3, 1.2)])
    fit = fit_growth(TIME, jumps, today=TODAY)
    assert fit["mah_fit_quality"].tolist() == [FitQuality.FITTED, FitQuality.FITTED, FitQuality.POOR]
    assert fit["has_mah_fit"].tolist() == [True, True, False]
    assert fit["mah_fit_loss"][1] < 0.2**2 < fit["mah_fit_loss"][2]


@pytest.mark.parametrize(
    ("first", "peak", "quality"),
    [
        (2.0, 13.8, FitQuality.FITTED),
        (4.5, 13.8, FitQuality.FITTED),  # ln(13.8/4.5) / ln 13.8 = 0.43
        (5.2, 13.8, FitQuality.SHORT),  # 0.37
        (1.2, 3.0, FitQuality.FITTED),  # of a halo that ended early, or was seen then
        (2.2, 3.0, FitQuality.SHORT),
        (2.2, 6.0, FitQuality.FITTED),
    ],
)
def test_a_fit_to_the_end_of_a_history_is_short(first, peak, quality):
    time = np.linspace(1.0, 13.8, 400)
    history = 12.0 + 1.5 * np.log10(np.minimum(time, peak) / TODAY)
    fit = fit_growth(time, np.where(time < first, np.nan, history)[None], today=TODAY)
    assert fit["mah_fit_quality"].tolist() == [quality]
    np.testing.assert_allclose(fit["mah_fit_first_time"], time[time >= first][0], rtol=1e-6)
    assert fit["has_mah_fit"].all()


def test_the_first_time_is_of_the_masses_that_took_part(exact):
    fit = fit_growth(TIME, exact, today=TODAY)
    used = (exact > exact[:, -1:] - 2.5) & (TIME >= 1.0)
    np.testing.assert_allclose(fit["mah_fit_first_time"], TIME[np.argmax(used, axis=1)], rtol=1e-6)


@pytest.mark.parametrize("fit", [fit_growth, lambda time, rows: fit_star_formation(time, rows, np.ones((2, 5)))])
def test_times_in_myr_are_refused(fit):
    with pytest.raises(
        InputError, match=r"time: 13800 Gyr is beyond the age of the universe, 13.* are the times in Myr"
    ):
        fit(1000.0 * TIME, np.ones((2, 100)))


def test_times_of_an_older_universe_are_taken_with_its_cosmology():
    time, history = np.linspace(0.3, 15.2, 100), 12.0 + np.log10(np.linspace(0.3, 15.2, 100))[None]
    with pytest.raises(InputError, match="or give the cosmology"):
        fit_growth(time, history)
    old = Cosmology(Om0=0.2, h=0.7)  # 15.03 Gyr
    for known in ({"cosmology": old}, {"today": 15.2}):
        assert fit_growth(time, history, **known)["mah_fit_quality"].tolist() == [FitQuality.FITTED]


def test_a_history_that_ends_early_has_its_peak_there(exact):
    short = np.where(TIME > 6.0, np.nan, exact)
    fit = fit_growth(TIME, short, today=TODAY)
    good = fit["mah_fit_quality"] == FitQuality.FITTED
    assert good.mean() > 0.95
    assert np.nanmax(fit["mah_parameters"][:, 4]) <= 6.0
    assert np.nanmax(fit["mah_fit_loss"]) < 1e-5


def test_masses_below_the_lowest_do_not_take_part(exact):
    fit = fit_growth(TIME, exact, today=TODAY, lowest=11.5)
    masked = fit_growth(TIME, np.where(exact > 11.5, exact, np.nan), today=TODAY)
    for name in fit:
        np.testing.assert_array_equal(fit[name], masked[name])


def test_a_history_is_fitted_alike_alone_and_among_others(noisy, fit_of_noisy):
    for i in (0, 77, 299):
        alone = fit_growth(TIME, noisy[i : i + 1], today=TODAY)
        for name in alone:
            np.testing.assert_array_equal(alone[name][0], fit_of_noisy[name][i])


@pytest.mark.thorough
def test_padding_of_times_changes_nothing_to_speak_of(noisy, fit_of_noisy):
    later = np.concatenate([TIME, 13.8 + 0.01 * np.arange(1, 41)])
    padded = fit_growth(later, np.pad(noisy, ((0, 0), (0, 40)), constant_values=np.nan), today=TODAY)
    np.testing.assert_allclose(padded["mah_fit_loss"], fit_of_noisy["mah_fit_loss"], rtol=1e-3)


def test_the_number_of_halos_and_a_few_times_more_compile_nothing(noisy):
    fit_growth(TIME, noisy, today=TODAY)
    size = fitting._growth_kernel()._cache_size()
    for n in (1, 13, 299):
        fit_growth(TIME[:98], noisy[:n, :98], today=13.0)
    with jax.enable_x64(True):
        fit_growth(TIME, noisy, today=TODAY, lowest=10.0)
    assert fitting._growth_kernel()._cache_size() == size


def test_no_histories_have_no_fits():
    assert fit_growth(TIME, np.zeros((0, 100)), today=TODAY)["mah_parameters"].shape == (0, 5)


def test_the_level_stays_within_its_bound():
    """A halo that grows fast and dies early would have more than 10^17 Msun today."""
    history = np.where(TIME < 3.0, 12.0 + 6.0 * np.log10(TIME / 3.0), np.nan)[None]
    fit = fit_growth(TIME, history, today=TODAY)
    assert fit["mah_fit_quality"][0] == FitQuality.FITTED
    assert fit["mah_parameters"][0, 0] < 17.0
    assert fit["mah_fit_loss"][0] < 0.02


@pytest.mark.parametrize(
    ("time", "masses", "problem"),
    [
        (TIME[::-1], np.ones((2, 100)), "ascending cosmic times"),
        (TIME, np.ones((2, 99)), "one row for each halo, of 100 times"),
        (TIME, np.full((2, 100), 1e12), "give logarithms"),
        (TIME, np.ones((2, 100), int), "floating-point"),
    ],
)
def test_bad_input_is_refused_with_a_remedy(time, masses, problem):
    with pytest.raises(InputError, match=problem):
        fit_growth(time, masses)


@pytest.mark.parametrize("name", ["mah_fit_quality", "sfh_fit_quality"])
def test_flags_of_the_schema_are_those_of_the_code(name):
    assert column(name).flags == {flag.name.lower(): int(flag) for flag in FitQuality}
    assert column(name).attributes["flag_meanings"].split() == [flag.name.lower() for flag in FitQuality]


def test_the_least_misfit_on_a_side_is_found():
    """Against a dense grid of all indices that are allowed."""
    rng = np.random.default_rng(0)
    late, early = np.meshgrid(np.linspace(0.1005, 4.9995, 400), np.linspace(0.102, 9.999, 800))
    ok = early > late + 1e-3
    for _ in range(50):
        a = rng.normal(size=(2, 2))
        a = a @ a.T + 0.1 * np.eye(2)
        b = a @ rng.uniform([-3.0, -3.0], [13.0, 8.0])
        m = growth_fit.Moments(0.0, 0.0, 0.0, a[0, 0], a[0, 1], a[1, 1], b[0], b[1], 0.0)
        found = growth_fit._within_bounds(m._replace(**{k: np.float32(v) for k, v in m._asdict().items()}))
        least = np.min(m.misfit(early, late)[ok])
        assert m.misfit(*map(float, found)) < least + 1e-3 * abs(least) + 1e-3
