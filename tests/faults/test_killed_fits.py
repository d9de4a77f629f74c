"""Fits into a store: piece by piece, whole or not at all, the same whoever fits and however often it was killed."""

import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.runs import tasks
from diffsky_factory.inputs.tabulated_histories import histories_from_arrays
from diffsky_factory.outputs import store
from tests.stores import assert_same_files, files

SCRIPT = """
import sys
from tests.faults.test_killed_fits import source
import diffsky_factory as dff
dff.fit_histories(source(), sys.argv[1], workers=1)
"""
TIME = np.linspace(0.5, 13.7, 60)
PIECES = 12


def source(pieces=PIECES, rows=40):
    """Histories in pieces, a few of which are too short to be fitted."""
    rng = np.random.default_rng(1)
    n = pieces * rows - 7
    slope = rng.uniform(1.0, 4.0, (n, 1))
    masses = rng.uniform(11.0, 14.0, (n, 1)) + slope * np.log10(TIME / 13.7) + rng.normal(0.0, 0.05, (n, len(TIME)))
    masses[::20, :-2] = np.nan
    columns = {"x": rng.uniform(0.0, 100.0, n), "is_central": rng.random(n) < 0.7}
    return histories_from_arrays(TIME, np.arange(n) + 5, masses, columns=columns, rows_per_piece=rows)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("fits") / "fits.zarr"
    summary = dff.fit_histories(source(), path)
    assert (summary.fitted, summary.rows) == (PIECES, PIECES * 40 - 7)
    return path, summary


@pytest.fixture(scope="module")
def whole(made):
    return made[0]


def test_the_summary_says_what_became_of_the_histories_also_when_nothing_is_left_to_do(made):
    path, summary = made
    ds = dff.open_catalog(path)
    for said in (summary, dff.fit_histories(source(), path)):
        found = np.bincount(ds.mah_fit_quality.values, minlength=len(said.qualities))
        assert list(said.qualities.values()) == found.tolist()
        assert said.relied_on == int(ds.has_mah_fit.sum())
        assert f"too few points {found[1] / said.rows:.1%}" in str(said)
        assert f"{said.relied_on / said.rows:.1%} have a fit that a mock relies on" in str(said)


def test_a_store_of_fits_holds_what_fits_in_memory_are(whole):
    ds = dff.open_catalog(whole)
    assert ds.sizes["halo"] == PIECES * 40 - 7
    given = source().dataset
    fits = dff.fit_growth(TIME, given.log10_halo_mass_history.values)
    for name, values in fits.items():
        np.testing.assert_array_equal(ds[name].values, values)
    np.testing.assert_array_equal(ds.halo_id, given.halo_id)
    np.testing.assert_array_equal(ds.x, given.x.astype(np.float32))
    assert not ds.has_mah_fit[::20].any()
    assert ds.has_mah_fit.mean() > 0.9
    assert ds.mah_fit_quality.attrs["flag_meanings"].startswith("fitted too_few_points")
    assert ds.mah_parameters.sel(mah_parameter="t_peak").max() <= TIME[-1] + 1e-5


def test_a_store_that_is_whole_is_left_as_it_is(whole):
    seen = []
    assert dff.fit_histories(source(), whole, progress=lambda *done: seen.append(done)).fitted == 0
    assert seen == [(PIECES, PIECES, PIECES * 40 - 7, PIECES * 40 - 7)]


@pytest.mark.thorough
@pytest.mark.parametrize("commits", [0, 4, 10])
def test_fits_that_were_killed_are_finished_by_the_same_call(commits, whole, environment, tmp_path):
    path = tmp_path / "fits.zarr"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(path)], env=environment, stderr=subprocess.PIPE)
    while process.poll() is None:
        if (path / store.PLAN).exists() and len(list(path.glob("commits/halos/[0-9]*.json"))) >= commits:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.001)
    _, problems = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, problems.decode()
    if not store.is_complete(path, store.read_part(path)):
        with pytest.raises(InputError, match="call fit_histories with the same histories"):
            dff.open_catalog(path)
    summary = dff.fit_histories(source(), path)
    assert summary.fitted <= PIECES - commits
    assert_same_files(path, whole)


def test_a_lazy_dataset_is_read_piece_by_piece(whole, tmp_path):
    given = source()
    lazy = type(given)(given.dataset.chunk({"halo": 16}), rows_per_piece=40)
    dff.fit_histories(lazy, tmp_path / "fits.zarr", workers=2)
    found, expected = (
        {name: one for name, one in files(path).items() if "/c/" in name} for path in (tmp_path / "fits.zarr", whole)
    )
    assert found == expected


def test_workers_of_a_cluster_write_the_same_fits(whole, tmp_path):
    from dask.distributed import Client

    with Client(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as client:
        assert dff.fit_histories(source(), tmp_path / "fits.zarr", client=client).fitted == PIECES
    assert_same_files(tmp_path / "fits.zarr", whole)


def test_other_histories_do_not_go_into_a_store(whole):
    with pytest.raises(InputError, match="choose another place"):
        dff.fit_histories(source(pieces=3), whole)
    heavier = source()  # as many, of the same ids
    heavier.dataset["log10_halo_mass_history"] = heavier.dataset.log10_halo_mass_history + 0.1
    with pytest.raises(InputError, match="choose another place"):
        dff.fit_histories(heavier, whole)
    with pytest.raises(InputError, match="holds fits of histories"):
        dff.resume(whole)
    with tasks.alone(whole), pytest.raises(InputError, match="another process is building it"):
        dff.fit_histories(source(), whole)


def test_a_piece_of_other_histories_does_not_go_among_those_of_the_first(whole, tmp_path):
    path = tmp_path / "fits.zarr"
    shutil.copytree(whole, path)
    (path / "commits/halos/3.json").unlink()
    changed = source()
    masses = changed.dataset.log10_halo_mass_history.values
    masses[3 * 40 : 4 * 40] -= 1.0
    with pytest.raises(InputError, match="something else than fits of these histories"):
        dff.fit_histories(changed, path)
    assert dff.fit_histories(source(), path).fitted == 1


def test_bad_histories_are_refused_with_a_remedy(tmp_path):
    good = source(pieces=1).dataset
    with pytest.raises(InputError, match="no 'halo_id'"):
        dff.fit_histories(good.drop_vars("halo_id"), tmp_path / "a")
    with pytest.raises(InputError, match="'colour' cannot be passed on"):
        dff.fit_histories(good.assign(colour=("halo", np.zeros(good.sizes["halo"]))), tmp_path / "a")
    with pytest.raises(InputError, match="none to fit"):
        dff.fit_histories(good.isel(halo=slice(0)), tmp_path / "a")
    with pytest.raises(InputError, match="a halo_id occurs twice"):
        dff.fit_histories(good.assign(halo_id=good.halo_id * 0), tmp_path / "a")
    with pytest.raises(InputError, match="'halo' and 'time'"):
        dff.fit_histories(xr.Dataset(good.variables).rename(halo="row"), tmp_path / "a")
