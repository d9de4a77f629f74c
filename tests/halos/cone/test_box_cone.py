"""The light cone of a box: every halo of every copy once, where and when it is seen, without seams."""

import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.halos.cone.box_cone import BoxCone
from diffsky_factory.halos.cone.replicas import MPC_PER_GYR, Replicas, generic_rotation
from diffsky_factory.halos.gathered.stored import StoredHalos, gather_in_memory
from diffsky_factory.sky.cosmology import age_64, comoving_distance_64
from tests.inputs.readers.inspected import COSMOLOGY, MadeUp, in_a_box

SIZE = 120.0  # Mpc
EVERYWHERE = {"full_sky": True}


def snapshot(halos, redshift):
    return MadeUp(halos, "box", {"name": "box", "box_size": SIZE, "redshift": redshift}, rows_of_piece=500)


def cone(snapshots, redshift, **known):
    return BoxCone(tuple(snapshots), Replicas(SIZE, COSMOLOGY, redshift, **known))


def everything(reader) -> dict[str, np.ndarray]:
    stored = StoredHalos(gather_in_memory(reader), "cone")
    parts = [stored.halos(0, int(pixel), None) for pixel in stored.tiles(0, EVERYWHERE)]
    return {name: np.concatenate([part[name] for part in parts]) for name in stored.columns}


def moving(halos, redshift, start):
    """The halos at another redshift, each with the comoving velocity that it has at `start`."""
    time = age_64(COSMOLOGY, np.array([redshift, start]))
    drift = (1.0 + start) * MPC_PER_GYR * (time[0] - time[1])
    there = {axis: (halos[axis] + halos[f"v{axis}"] * drift) % SIZE for axis in "xyz"}
    slower = {f"v{axis}": halos[f"v{axis}"] * (1.0 + start) / (1.0 + redshift) for axis in "xyz"}
    return {**halos, **there, **slower}


@pytest.mark.parametrize("rotation", [((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), generic_rotation()])
def test_a_static_box_fills_the_shell_with_its_own_density_and_no_halo_twice(rotation):
    halos = in_a_box(SIZE, n=400, satellites=100)
    observer = (10.0, 50.0, 100.0)
    seen = everything(cone([snapshot(halos, 0.0)], (0.02, 0.1), observer=observer, rotation=rotation))
    low, high = comoving_distance_64(COSMOLOGY, np.array([0.02, 0.1]))
    hosts = seen["is_central"]
    # every point of the shell lies in one copy: the volume is filled as often as the box fits, to its own variance
    expected = 400 * 4.0 / 3.0 * np.pi * (high**3 - low**3) / SIZE**3
    assert np.count_nonzero(hosts) == pytest.approx(expected, rel=0.05)
    assert len(np.unique(seen["halo_id"])) == len(seen["halo_id"])
    assert seen["host_in_catalog"].mean() > 0.97  # satellites across a wall of the box find the host beside them
    # back in the box, each is where the box has it
    position = np.stack([seen[axis] for axis in "xyz"], axis=-1) @ np.asarray(rotation) + np.asarray(observer)
    place = {i: row for row, i in enumerate(halos["simulation_halo_id"])}
    row = np.array([place[i] for i in seen["simulation_halo_id"]])
    box = np.stack([halos[axis][row] for axis in "xyz"], axis=-1)
    apart = (position - box + 0.5 * SIZE) % SIZE - 0.5 * SIZE
    assert np.abs(apart).max() < 1e-9
    velocity = np.stack([seen[f"v{axis}"] for axis in "xyz"], axis=-1) @ np.asarray(rotation)
    np.testing.assert_allclose(velocity, np.stack([halos[f"v{axis}"][row] for axis in "xyz"], axis=-1), atol=1e-9)


def test_every_copy_that_meets_the_shell_is_there():
    halos = in_a_box(SIZE, n=300, satellites=0)
    sky = Replicas(SIZE, COSMOLOGY, (0.05, 0.12), (3.0, 4.0, 5.0))
    seen = everything(BoxCone((snapshot(halos, 0.0),), sky))
    low, high = comoving_distance_64(COSMOLOGY, np.array([0.05, 0.12]))
    most = int(high / SIZE) + 2
    number = 0
    for offset in np.ndindex(*(2 * most + 1,) * 3):
        at = (
            np.stack([halos[axis] for axis in "xyz"], axis=-1)
            + SIZE * (np.array(offset) - most)
            - np.array([3.0, 4.0, 5.0])
        )
        radius = np.linalg.norm(at, axis=-1)
        number += np.count_nonzero((radius >= low) & (radius <= high))
    assert len(seen["halo_id"]) == number


@pytest.mark.thorough
def test_halos_that_move_are_seen_once_each_where_they_cross():
    start = 0.3
    halos = in_a_box(SIZE, n=500, satellites=0)
    redshifts = (0.0, 0.04, 0.08, 0.12, 0.2)
    boxes = [snapshot(moving(halos, z, start), z) for z in redshifts]
    seen = everything(cone(boxes, (0.03, 0.15)))
    assert len(np.unique(seen["halo_id"])) == len(seen["halo_id"])
    # each is on the light cone, and there when it should be
    radius = np.sqrt(seen["x"] ** 2 + seen["y"] ** 2 + seen["z"] ** 2)
    np.testing.assert_allclose(comoving_distance_64(COSMOLOGY, seen["redshift"]), radius, rtol=1e-7)
    place = {i: row for row, i in enumerate(halos["simulation_halo_id"])}
    row = np.array([place[i] for i in seen["simulation_halo_id"]])
    time = age_64(COSMOLOGY, seen["redshift"]) - age_64(COSMOLOGY, np.array([start]))
    for axis in "xyz":
        box = halos[axis][row] + halos[f"v{axis}"][row] * (1.0 + start) * MPC_PER_GYR * time
        apart = (seen[axis] - box + 0.5 * SIZE) % SIZE - 0.5 * SIZE
        assert np.abs(apart).max() < 2e-3
    # and nothing is missing at the seams
    low, high = comoving_distance_64(COSMOLOGY, np.array([0.03, 0.15]))
    expected = 500 * 4.0 / 3.0 * np.pi * (high**3 - low**3) / SIZE**3
    assert len(seen["halo_id"]) == pytest.approx(expected, rel=0.02)
    shells = comoving_distance_64(COSMOLOGY, np.linspace(0.03, 0.15, 13))
    counts = np.histogram(radius, shells)[0]
    mean = 500 * 4.0 / 3.0 * np.pi * np.diff(shells**3) / SIZE**3
    assert (np.abs(counts - mean) < 6.0 * np.sqrt(mean)).all()


@pytest.mark.thorough
def test_a_region_alone_is_the_same_halos_as_in_the_whole_sky():
    halos = in_a_box(SIZE, n=400, satellites=200)
    where = {"cone": {"ra": 40.0, "dec": 20.0, "radius": 8.0}}
    part = everything(cone([snapshot(halos, 0.0)], (0.02, 0.12), region=where))
    stored = StoredHalos(gather_in_memory(cone([snapshot(halos, 0.0)], (0.02, 0.12))), "all")
    whole = [stored.halos(2, int(pixel), where) for pixel in stored.tiles(2, where)]
    ids = np.concatenate([rows["halo_id"] for rows in whole])
    assert len(ids) > 30
    np.testing.assert_array_equal(np.sort(part["halo_id"]), np.sort(ids))


def test_numbers_of_copies_do_not_depend_on_the_range():
    near, far = (Replicas(SIZE, COSMOLOGY, (0.0, z)) for z in (0.05, 0.3))
    numbers = [far.number(offset) for offset in far.offsets]
    assert len(set(numbers)) == len(numbers)
    assert near.number(np.array([0, 0, 0])) == 0
    known = {tuple(offset): far.number(offset) for offset in far.offsets}
    assert all(known[tuple(offset)] == near.number(offset) for offset in near.offsets)


def test_wrong_snapshots_are_refused():
    halos = in_a_box(SIZE)
    with pytest.raises(InputError, match="same redshift"):
        cone([snapshot(halos, 0.1), snapshot(halos, 0.1)], (0.0, 0.2))
    with pytest.raises(InputError, match="is a light cone already"):
        cone([MadeUp(halos)], (0.0, 0.2))
    with pytest.raises(InputError, match="low < high"):
        Replicas(SIZE, COSMOLOGY, (0.3, 0.2))
    with pytest.raises(InputError, match="orthonormal"):
        Replicas(SIZE, COSMOLOGY, (0.1, 0.2), rotation=((1.0, 0.0), (0.0, 1.0)))
