"""A mock of the default model against the sky: counts of galaxies and stellar mass functions."""

import numpy as np
import pytest

import diffsky_factory as dff
from tests.agreement import measure
from tests.reference import reference

AREA = {"region": {"order": 6, "pixels": [21845]}, "tiles": {"order": 6, "block": 16384}}
WITHOUT_LIGHT = [name for name in dff.Recipe.model_fields["columns"].default if name != "mag_true"]
NEARBY = {"region": {"order": 2, "pixels": [85]}, "redshift": [0.01, 0.1], "halo_mass_min": 5e10, "tiles": {"order": 3}}


@pytest.fixture(scope="module")
def counted():
    """Galaxies of 0.84 deg^2 in the bands of HSC, in memory."""
    reference("obs", "number_counts_hsc_cumulative.csv")
    bands = ["hsc_g", "hsc_r", "hsc_i", "hsc_z"]
    return dff.make_mock("example", **AREA, bands=bands, columns=["redshift", "mag_true"]).load()


@pytest.fixture(scope="module")
def weighed():
    """Galaxies of 0.84 deg^2 at 0.2 < z < 1.1 with their surviving mass [dex(Msun), Chabrier], in memory."""
    reference("obs", "smf.csv")
    return with_surviving_mass(dff.make_mock("example", **AREA, redshift=[0.2, 1.1], bands=[], columns=WITHOUT_LIGHT))


def with_surviving_mass(ds):
    ds = ds.load()
    return ds.assign(log10_surviving=("galaxy", measure.surviving_log10_mass(ds) + measure.KROUPA_TO_CHABRIER))


@pytest.mark.parametrize(("band", "tolerance"), [("g", 0.2), ("r", 0.15), ("i", 0.15), ("z", 0.15)])
def test_counts_agree_with_hsc_between_magnitude_20_and_24(counted, band, tolerance):
    limits = np.arange(20.0, 24.01, 0.5)
    found = measure.cumulative_counts(counted.mag_true.sel(band=f"hsc_{band}").values, limits, counted.sky.area)
    residual = measure.counts_residual(band, limits, found)
    assert np.all(np.abs(residual) < tolerance), dict(zip(limits, residual.round(3)))


@pytest.mark.parametrize(("low", "high", "most_massive"), [(0.2, 0.5, 11.2), (0.5, 0.8, 11.2), (0.8, 1.1, 11.0)])
def test_mass_functions_agree_with_cosmos_within_a_quarter_dex(weighed, low, high, most_massive):
    ds = weighed.sky.zslice(low, high)
    residual, mass = mass_function_residual(ds, "Weaver2023_COSMOS2020", low, high)
    compared = (mass > 9.2) & (mass < most_massive)
    assert np.all(np.abs(residual[compared]) < 0.25), dict(zip(mass[compared], residual[compared].round(2)))


def test_the_mass_function_today_is_within_three_tenths_of_a_dex_of_gama():
    reference("obs", "smf.csv")
    ds = with_surviving_mass(dff.make_mock("example", **NEARBY, bands=[], columns=WITHOUT_LIGHT))
    residual, mass = mass_function_residual(ds, "Driver2022_GAMA", 0.01, 0.1)
    compared = (mass > 9.2) & (mass < 11.35)
    assert np.all(np.abs(residual[compared]) < 0.3), dict(zip(mass[compared], residual[compared].round(2)))


def mass_function_residual(ds, source, low, high):
    cosmology = ds.sky.cosmology
    mass, density, _ = measure.observed_mass_function(source, 0.5 * (low + high), cosmology.h)
    half = 0.5 * np.median(np.diff(mass))
    edges = np.append(mass - half, mass[-1] + half)
    size = measure.volume(cosmology, ds.sky.area, low, high)
    found, _ = measure.mass_function(ds.log10_surviving.values, edges, size)
    return found - density, mass
