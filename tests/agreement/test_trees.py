"""Histories walked from merger trees, against histories that were extracted from them by other code."""

import h5py
import numpy as np
import pytest

from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.inputs.trees.galacticus_forest import FORMAT, GalacticusForest
from diffsky_factory.inputs.trees.histories import ForestHistories, histories, objects_at
from tests.reference import reference

UNIT = {
    "treeUNIT.hdf5": 75,
    "lightconeCrossingTestTree16390229778.hdf5": 58,
    "testTreeExportBranchJumps.hdf5": 9,
}  # file -> how many of its halos of today are among the known histories; 142 in all
H = 0.6774
SOLAR_MASSES = 4e-5  # dex: the solar mass of the files is not that of the known histories


@pytest.fixture(scope="module")
def known():
    with h5py.File(reference("sims", "real_mahs.h5")) as file:
        return {name: values[()] for name, values in file["UNIT"].items()}


@pytest.fixture(params=UNIT)
def walked(request, known):
    """Rows of the known histories, columns of their snapshots, rows of ours, and ours."""
    trees = GalacticusForest((reference("sims", "forests", request.param),), SimulationEntry(format=FORMAT))
    (piece,) = trees.pieces()
    found = histories(objects_at(trees.read(piece), len(trees.time) - 1), len(trees.time))
    _, theirs, ours = np.intersect1d(known["node_id"], found.halo_id, return_indices=True)
    assert len(ours) == UNIT[request.param] == len(found.halo_id)
    columns = np.abs(known["scale_factor"][:, None] - trees.scale_factor).argmin(axis=0)
    np.testing.assert_allclose(known["scale_factor"][columns], trees.scale_factor, rtol=1e-4)
    before = np.delete(known["mah_msun"][theirs], columns, axis=1)
    assert not before.any()  # no snapshot is missing in ours
    return theirs, columns, ours, found


def test_an_object_is_present_at_the_same_snapshots(known, walked):
    theirs, columns, ours, found = walked
    np.testing.assert_array_equal(found.present[ours], known["mah_msun"][theirs][:, columns] > 0.0)


def test_masses_agree_but_for_the_solar_mass(known, walked):
    theirs, columns, ours, found = walked
    mass = known["mah_msun"][theirs][:, columns].astype(float)
    apart = found.log10_mass[ours] - np.log10(mass, where=mass > 0.0, out=np.full(mass.shape, np.nan))
    assert np.nanmax(np.abs(apart)) < SOLAR_MASSES


def test_positions_and_velocities_are_the_same(known, walked):
    theirs, columns, ours, found = walked
    position = known["pos_mpc_h_comoving"][theirs][:, columns].astype(float)
    np.testing.assert_allclose(found.position[ours] * H, position, rtol=1e-14)
    np.testing.assert_array_equal(found.velocity[ours], known["vel_km_s"][theirs][:, columns])


def test_hosts_lead_to_the_same_tops_today(known, walked):
    theirs, _, ours, found = walked
    direct = dict(zip(known["node_id"].tolist(), known["host_id"].tolist()))
    top = known["host_id"][theirs]
    for _ in range(10):  # theirs are direct hosts, which may have hosts
        top = np.array([direct[host] for host in top.tolist()])
    np.testing.assert_array_equal(found.host_id[ours, -1], top)


def test_histories_for_fits_are_those_histories(known):
    path = reference("sims", "forests", "treeUNIT.hdf5")
    view = ForestHistories(GalacticusForest((path,), SimulationEntry(format=FORMAT)))
    rows = view.read(0)
    assert rows["halo_id"].dtype == np.int64
    assert rows["log10_halo_mass_history"].shape == (75, len(view.time))
    _, theirs, ours = np.intersect1d(known["node_id"], rows["halo_id"], return_indices=True)
    mass = known["mah_msun"][theirs].astype(float)
    largest = np.log10(mass.max(axis=1))
    np.testing.assert_allclose(rows["log10_halo_mass"][ours], largest, atol=SOLAR_MASSES)
    # ages of the known ones are the integral to infinity, ours follow the convention of sky/cosmology.py
    at = np.abs(known["scale_factor"][:, None] - view.scale_factor).argmin(axis=0)
    np.testing.assert_allclose(view.time, known["t_gyr"][at], atol=1e-3)
