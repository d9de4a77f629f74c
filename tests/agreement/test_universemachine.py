"""Galaxies in the halos of a real UniverseMachine light cone, against the file and against UniverseMachine's own."""

import numpy as np
import pytest

import diffsky_factory as dff
from tests.agreement import measure
from tests.reference import reference

pytestmark = pytest.mark.thorough
X, Y, Z, REDSHIFT, RA, DEC, ID, UPID, SPEED = 10, 11, 12, 3, 0, 1, 5, 7, slice(13, 16)
LIGHT_SPEED = 299792.458  # km/s


@pytest.fixture(scope="module")
def path():
    return reference("sims", "universemachine_bpl_lightcone", "test_lightcone_0.dat")


@pytest.fixture(scope="module")
def ds(path):
    recipe = dff.load_recipe("universemachine_lightcone", simulation=str(path), bands=[])
    columns = [name for name in recipe.columns if name != "mag_true"]
    return dff.make_mock(recipe, columns=columns).load()


@pytest.fixture(scope="module")
def file_rows(path, ds):
    """Numbers of the file in the order of the mock."""
    numbers, ids = np.loadtxt(path), np.loadtxt(path, usecols=ID, dtype=np.int64)
    order = np.argsort(ids)
    return numbers[order[np.searchsorted(ids[order], ds.simulation_halo_id.values)]]


def test_every_halo_of_the_file_has_its_galaxy(ds, path):
    ids = np.loadtxt(path, usecols=ID, dtype=np.int64)
    np.testing.assert_array_equal(np.sort(ids), np.sort(ds.simulation_halo_id.values))


def test_positions_are_those_of_the_file(ds, file_rows):
    turn = (ds.ra.values - file_rows[:, RA] + 180.0) % 360.0 - 180.0
    assert np.max(np.abs(turn)) < 1e-3
    assert np.max(np.abs(ds.dec.values - file_rows[:, DEC])) < 1e-3


def test_redshifts_follow_from_the_cartesian_columns_of_the_file(ds, file_rows):
    from astropy.cosmology import FlatLambdaCDM, z_at_value
    from astropy.units import Mpc

    position = file_rows[:, [X, Y, Z]] / ds.sky.cosmology.h
    radius = np.linalg.norm(position, axis=1)
    known = FlatLambdaCDM(H0=67.8, Om0=0.307, Tcmb0=0.0)
    at = np.linspace(radius.min(), radius.max(), 30)
    redshift = np.interp(radius, at, z_at_value(known.comoving_distance, at * Mpc).value)
    assert np.max(np.abs(redshift - ds.redshift.values)) < 1e-4
    speed = np.sum(file_rows[:, SPEED] * position, axis=1) / radius
    observed = (1.0 + redshift) * (1.0 + speed / LIGHT_SPEED) - 1.0
    assert np.max(np.abs(observed - ds.redshift_obs.values)) < 1e-4


def test_satellites_are_those_of_universemachine(ds, file_rows):
    np.testing.assert_array_equal(~ds.is_central.values, file_rows[:, UPID] != -1)


@pytest.mark.parametrize(
    ("low", "high", "tolerance"), [(10.6, 11.2, 0.15), (11.2, 11.8, 0.25), (11.8, 12.4, 0.4)], ids=str
)
def test_median_stellar_masses_at_halo_mass_are_near_those_of_universemachine(ds, low, high, tolerance):
    # medians of 50 to 500 galaxies of scatter 0.5, 0.5, 0.3 dex; models of the same data differ by 0.2 dex
    ours = measure.surviving_log10_mass(ds) + measure.KROUPA_TO_CHABRIER
    halo = ds.log10_halo_mass.values
    inside = (halo >= low) & (halo < high)
    there = inside & (ds.merging_probability.values < 0.5)
    theirs = np.log10(ds.universemachine_stellar_mass.values[inside])
    assert abs(np.median(ours[there]) - np.median(theirs)) < tolerance
