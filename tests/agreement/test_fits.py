"""Fits of histories against those of diffmah and diffstar: losses, not parameters, as several may fit alike."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from diffsky_factory.factory.fitting import fit_growth, fit_star_formation
from diffsky_factory.physics.halos.growth import HaloGrowth, log10_mass
from diffsky_factory.physics.halos.growth_fit import FitQuality
from diffsky_factory.physics.stars.star_formation import StarFormation, star_formation_rate
from tests.agreement import halo_histories, star_formation_histories
from tests.reference import found, reference

FILE = Path(__file__).resolve().parent / "data" / "fits.npz"
SIMULATIONS = halo_histories.simulations()
NAMES = [*SIMULATIONS[:1], *(pytest.param(name, marks=pytest.mark.thorough) for name in [*SIMULATIONS[1:], "made"])]
LOSS, HAS_FIT = 5, 6


@cache
def peer() -> dict[str, np.ndarray]:
    with np.load(FILE) as file:
        return dict(file)


def source(name):
    return (halo_histories.TIMES, halo_histories.made()) if name == "made" else halo_histories.simulated(name)


@cache
def fits(name: str) -> dict[str, np.ndarray]:
    """Fits of the histories of a name, today being the last time of each, as diffmah has it."""
    time, masses = source(name)
    today = halo_histories.last_times(time, masses)
    columns: dict[str, np.ndarray] = {}
    for last in np.unique(today):
        rows = today == last
        for column, values in fit_growth(time, masses[rows], today=last).items():
            columns.setdefault(column, np.zeros((len(masses), *values.shape[1:]), values.dtype))[rows] = values
    return columns


def ratios(name):
    """Our losses over the peer's, of the histories that both fit."""
    ours, theirs = fits(name), peer()[name]
    both = (ours["mah_fit_quality"] != FitQuality.TOO_FEW_POINTS) & (theirs[:, HAS_FIT] == 1)
    return (ours["mah_fit_loss"][both] + 1e-8) / (theirs[both, LOSS] + 1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_no_history_is_fitted_worse_than_by_diffmah(name):
    if name not in peer():
        pytest.skip(f"{FILE.name} has no fits of {name}: run python -m tests.agreement.make_fits")
    at = np.percentile(ratios(name), [50, 90, 99, 100])
    print(name, "ratio of losses, 50, 90, 99, 100 %:", at.round(4))
    assert at[0] <= 1.0005
    assert at[-1] <= 1.006


@pytest.mark.parametrize("name", NAMES)
def test_the_same_histories_are_fitted_as_by_diffmah(name):
    if name not in peer():
        pytest.skip(f"{FILE.name} has no fits of {name}: run python -m tests.agreement.make_fits")
    theirs = np.nan_to_num(peer()[name][:, HAS_FIT]) == 1
    np.testing.assert_array_equal(fits(name)["mah_fit_quality"] != FitQuality.TOO_FEW_POINTS, theirs)
    t_peak = fits(name)["mah_parameters"][:, 4]
    np.testing.assert_allclose(t_peak[theirs], peer()[name][theirs, 4], rtol=1e-5)


@pytest.mark.parametrize("name", SIMULATIONS)
def test_real_histories_are_fitted_to_a_few_hundredths(name):
    """With the age of the universe today as a mock has it, also for halos that have ended before."""
    time, masses = source(name)
    fit = fit_growth(time, masses, today=time[-1])
    good = fit["mah_fit_quality"] != FitQuality.TOO_FEW_POINTS
    rms = np.sqrt(fit["mah_fit_loss"][good])
    assert (fit["mah_fit_quality"] == FitQuality.POOR).mean() < 0.01
    print(name, good.sum(), "of", len(good), "rms, 50, 90, 100 % [dex]:", np.percentile(rms, [50, 90, 100]).round(4))
    assert good.mean() > 0.9
    assert np.median(rms) < 0.07


@pytest.mark.parametrize("name", SIMULATIONS)
def test_the_loss_is_that_of_the_history_of_the_numbers(name):
    time, masses = source(name)
    fit = fit_growth(time, masses, today=time[-1])
    known = np.isfinite(masses)
    running = np.maximum.accumulate(np.where(known, masses, -np.inf), axis=1)
    used = known & (running > running[:, -1:] - 2.5) & (time >= 1.0)
    growth = HaloGrowth(*fit["mah_parameters"].T.astype(float)[:, :, None])
    off = np.where(used, np.asarray(log10_mass(growth, time, time[-1])) - running, 0.0)
    good = fit["mah_fit_quality"] != FitQuality.TOO_FEW_POINTS
    expected = (np.sum(off**2, axis=1) / np.maximum(used.sum(axis=1), 1))[good]
    np.testing.assert_allclose(fit["mah_fit_loss"][good], expected, rtol=2e-3, atol=2e-7)


@pytest.mark.parametrize("name", found("golden", "diffmah_fit.npz"))
def test_losses_of_the_reference_file_are_reached(name):
    with np.load(reference("golden", name)) as file:
        time, mass, loss = file["t_sim"], np.atleast_2d(file["mah_sim"]), np.atleast_1d(file["loss_best"])
    masses = np.maximum.accumulate(np.log10(np.maximum(mass, 1e-30)), axis=1)
    fit = fit_growth(time, np.where(masses > 0, masses, np.nan), today=time[-1])
    good = (fit["mah_fit_quality"] != FitQuality.TOO_FEW_POINTS) & (loss > 0)
    assert np.median(fit["mah_fit_loss"][good] / loss[good]) <= 1.02


@cache
def stars():
    theirs = peer()
    rate, growth = theirs["stars_rate"].astype(float), theirs["stars_mah_parameters"].astype(float)
    times, today = star_formation_histories.TIMES, star_formation_histories.TODAY
    return times, today, rate, growth, fit_star_formation(times, rate, growth, today=today)


@pytest.mark.thorough
def test_star_formation_is_fitted_as_well_as_by_diffstar():
    *_, fit = stars()
    ratio = fit["sfh_fit_loss"] / peer()["stars"][:, 8]
    print("ratio of losses, 0, 25, 50, 75, 90, 100 %:", np.percentile(ratio, [0, 25, 50, 75, 90, 100]).round(3))
    assert np.median(ratio) <= 1.05


@pytest.mark.thorough
def test_stellar_masses_of_fits_are_those_of_the_histories():
    times, today, rate, growth, fit = stars()
    halo = np.asarray(log10_mass(HaloGrowth(*growth.T[:, :, None]), times, today))
    numbers = StarFormation(*fit["sfh_parameters"].T.astype(float)[:, :, None])
    model = np.asarray(star_formation_rate(numbers, halo, times))

    def masses(rate):
        steps = 0.5e9 * (rate[:, 1:] + rate[:, :-1]) * np.diff(times)
        return np.log10(np.cumsum(steps, axis=1))

    off = (masses(model) - masses(rate))[:, times[1:] > 2.0]
    rms = np.sqrt(np.mean(off**2, axis=1))
    print("rms of log10 mass after 2 Gyr, 50, 90, 100 % [dex]:", np.percentile(rms, [50, 90, 100]).round(4))
    assert np.median(rms) < 0.05
    assert np.percentile(rms, 75) < 0.1
