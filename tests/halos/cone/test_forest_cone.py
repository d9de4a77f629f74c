"""The light cone of merger trees: every path that crosses is there, once, where a slow search finds it."""

from itertools import product

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.halos.cone.forest_cone import ForestCone
from diffsky_factory.halos.cone.replicas import MPC_PER_GYR, Replicas
from diffsky_factory.halos.gathered.stored import StoredHalos, gather_in_memory
from diffsky_factory.halos.open import open_reader
from diffsky_factory.inputs.readers.reader import Piece
from diffsky_factory.inputs.trees.forest import Forest, cosmic_time
from diffsky_factory.sky.cosmology import Cosmology, age_64, comoving_distance_64
from tests.reference import reference

COSMOLOGY = Cosmology()
SIZE = 150.0  # Mpc
SCALE = np.array([0.8, 0.84, 0.87, 0.92, 0.96, 1.0])
TIME = cosmic_time(COSMOLOGY, SCALE)
REDSHIFT = (0.03, 0.12)


ATTRIBUTES = {"name": "made up", "box_size": SIZE}
IDS = ("simulation_halo_id", "simulation_host_halo_id", "simulation_penultimate_host_halo_id")
COLUMNS = {
    **dict.fromkeys(IDS, np.int64),
    **dict.fromkeys(("x", "y", "z", "vx", "vy", "vz", "log10_halo_mass", "log10_halo_mass_now"), np.float64),
}


class MadeUp:
    """Merger trees in memory, with what a box of them has."""

    files = ("made up",)
    cosmology, scale_factor, time, fits = COSMOLOGY, SCALE, TIME, None
    attributes = ATTRIBUTES
    columns = COLUMNS

    def __init__(self, forest):
        self.forest, self.forests = forest, self

    def pieces(self):
        return [Piece("made up", 0, 1)]

    def read(self, piece):
        return self.forest


@pytest.fixture(scope="module")
def forest():
    """Thirty halos on curved paths; number 7 merges into number 3 after the third snapshot."""
    rng = np.random.default_rng(1)
    branches, steps = 30, len(SCALE)
    velocity = rng.normal(0.0, 1500.0, (branches, 1, 3)) + rng.normal(0.0, 500.0, (branches, steps, 3))
    position = np.empty((branches, steps, 3))
    position[:, 0] = rng.uniform(0.0, SIZE, (branches, 3))
    for step in range(1, steps):
        drift = velocity[:, step - 1] / SCALE[step - 1] * MPC_PER_GYR * (TIME[step] - TIME[step - 1])
        position[:, step] = position[:, step - 1] + drift
    number = np.arange(branches)[:, None] * 10 + np.arange(steps)
    descendant = np.where(np.arange(steps) + 1 < steps, number + 1, -1)
    descendant[7, 2] = number[3, 3]
    there = np.ones((branches, steps), bool)
    there[7, 3:] = False
    mass = np.linspace(11.0, 12.0, steps) + np.arange(branches)[:, None] * 0.01
    mass[3] += 1.0
    step = np.broadcast_to(np.arange(steps), number.shape)
    values = (number, descendant, number, step, mass, position % SIZE, velocity)
    return Forest(*(value[there] for value in values)), position, velocity


def seen(box, **known):
    cone = ForestCone(box, Replicas(SIZE, COSMOLOGY, REDSHIFT, (20.0, 30.0, 40.0), **known))
    table = gather_in_memory(cone)
    stored = StoredHalos(table, "cone")
    parts = [stored.halos(0, int(pixel), None) for pixel in stored.tiles(0, {"full_sky": True})]
    return {name: np.concatenate([part[name] for part in parts]) for name in stored.columns}


def slow(forest):
    """Distances at which each path of each copy of the box crosses, by looking at many times."""
    _, position, velocity = forest
    low, high = comoving_distance_64(COSMOLOGY, np.array(REDSHIFT))
    found = []
    for branch, path in enumerate(position):
        last = 3 if branch == 7 else len(SCALE)
        times, at, speed = TIME[:last], path[:last], velocity[branch, :last] / SCALE[:last, None] * MPC_PER_GYR
        if branch == 7:  # on its way to what it merges with
            target = position[3, 3] + SIZE * np.round((path[2] - position[3, 3]) / SIZE)
            times, at = np.append(times, TIME[3]), np.vstack([at, target])
            speed = np.vstack([speed, velocity[3, 3] / SCALE[3] * MPC_PER_GYR])
        fine = np.linspace(times[0], times[-1], 3_001)
        cubic = CubicHermiteSpline(times, at, speed)(fine)
        horizon = np.interp(fine, *HORIZON)
        shift = np.array([20.0, 30.0, 40.0])
        for offset in product(range(-6, 7), repeat=3):
            first = np.linalg.norm(cubic[0] + SIZE * np.array(offset) - shift)
            if not low - SIZE < first < high + SIZE:
                continue
            radius = np.linalg.norm(cubic + SIZE * np.array(offset) - shift, axis=1)
            cross = np.flatnonzero((radius[:-1] < horizon[:-1]) & (radius[1:] >= horizon[1:]))
            found += [(branch, radius[i]) for i in cross if low <= radius[i] <= high]
    return sorted(found)


GRID = np.linspace(0.0, 0.3, 4001)
HORIZON = age_64(COSMOLOGY, GRID[::-1]), comoving_distance_64(COSMOLOGY, GRID[::-1])


def test_every_crossing_is_there_once_and_nothing_else(forest):
    rows, expected = seen(MadeUp(forest[0])), slow(forest)
    radius = np.sqrt(rows["x"] ** 2 + rows["y"] ** 2 + rows["z"] ** 2)
    found = sorted(zip((rows["simulation_halo_id"] // 10).tolist(), radius.tolist()))
    assert len(expected) > 300
    assert [branch for branch, _ in found] == [branch for branch, _ in expected]
    np.testing.assert_allclose([at for _, at in found], [at for _, at in expected], atol=0.5)
    assert len(np.unique(rows["halo_id"])) == len(found)
    np.testing.assert_allclose(comoving_distance_64(COSMOLOGY, rows["redshift"]), radius, rtol=1e-8)


@pytest.mark.thorough
def test_masses_and_identity_are_those_of_the_path(forest):
    rows = seen(MadeUp(forest[0]))
    branch = rows["simulation_halo_id"] // 10
    np.testing.assert_array_equal(rows["simulation_halo_id"][branch != 7] % 10, len(SCALE) - 1)
    np.testing.assert_array_equal(rows["simulation_halo_id"][branch == 7] % 10, 2)
    time = age_64(COSMOLOGY, rows["redshift"])
    mass = np.interp(time, TIME, np.linspace(11.0, 12.0, len(SCALE))) + 0.01 * branch + (branch == 3)
    usual = branch != 7
    np.testing.assert_allclose(rows["log10_halo_mass"][usual], mass[usual], atol=1e-9)


@pytest.mark.thorough
def test_a_region_holds_what_the_whole_sky_has_there(forest):
    where = {"cone": {"ra": 200.0, "dec": -30.0, "radius": 25.0}}
    part, whole = seen(MadeUp(forest[0]), region=where), seen(MadeUp(forest[0]))
    from diffsky_factory.sky.regions import region

    inside = region(where).inside(whole["ra"], whole["dec"])
    assert inside.sum() > 5
    np.testing.assert_array_equal(np.sort(part["halo_id"]), np.sort(whole["halo_id"][inside]))


def test_snapshots_that_do_not_reach_are_refused(forest):
    with pytest.raises(InputError, match="needs more"):
        ForestCone(MadeUp(forest[0]), Replicas(SIZE, COSMOLOGY, (0.03, 0.4)))


@pytest.mark.thorough
def test_a_real_forest_is_a_light_cone_with_hosts_and_galaxies():
    path = reference("sims", "forests", "treeUNIT.hdf5")
    cone = open_reader(path, redshift=(0.02, 0.5))
    found = gather_in_memory(cone)
    notes, rows = found.attributes["rows"], found.values
    assert notes["satellites"] > 0.3 * notes["rows"]
    assert notes["satellites without host"] < 0.1 * notes["satellites"]
    assert len(np.unique(rows["halo_id"])) == notes["rows"]
    assert np.isfinite(rows["log10_host_mass_at_infall"]).all()
    columns = ["halo_id", "is_central", "log10_halo_mass", "log10_stellar_mass", "infall_time"]
    recipe = {"simulation": str(path), "redshift": [0.02, 0.5], "columns": columns, "tiles": {"order": 0}}
    mock = dff.make_mock(recipe).load()
    assert np.isfinite(mock.log10_stellar_mass).all()
    massive = mock.log10_halo_mass > 12.0
    assert 9.5 < float(mock.log10_stellar_mass[massive].median()) < 11.5
