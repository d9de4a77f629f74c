"""The reader of Galacticus merger trees: seven real files with their quirks, and damaged copies of them."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.inputs.trees import galacticus_forest
from diffsky_factory.inputs.trees.galacticus_forest import FORMAT, GalacticusForest, grouped, recognises
from diffsky_factory.inputs.trees.histories import histories, object_columns, objects_at
from diffsky_factory.inputs.trees.links import LOST, NESTED, link
from tests.inputs.trees.brute import MASSES, infalls
from tests.reference import found, reference

NODES = {
    "treeUNIT": (21484, 111, 75, 58, 1009),
    "lightconeCrossingTestTree16390229778": (10895, 109, 58, 34, 469),
    "testTreeExportBranchJumps": (936, 98, 9, 1, 4),
    "bug1053153": (18641, 152, 34, 33, 1300),
    "splitForests-milliMillennium-tree12000000": (1372, 48, 24, None, 0),
    "subhaloTwoConsecutiveMergers": (8287, 57, 99, None, 0),
    "treeWithNoPrimaryProgenitor": (5, 4, 1, 0, 0),
}  # nodes, snapshots, objects today, satellites today, nodes whose host has a host
BOX = {"treeUNIT": 1000.0 / 0.6774, "bug1053153": 20.0 / 0.702, "subhaloTwoConsecutiveMergers": 500.0 / 0.73}  # Mpc
FILES = found("sims", "forests", "*.hdf5") or ["treeUNIT.hdf5"]


def trees(path, **entry):
    return GalacticusForest((Path(path),), SimulationEntry(format=FORMAT, **entry))


def opened(name):
    reader = trees(reference("sims", "forests", f"{name}.hdf5"))
    (piece,) = reader.pieces()
    return reader, reader.read(piece)


@pytest.mark.parametrize("name", NODES)
def test_a_real_file_has_the_known_numbers(name):
    reader, forest = opened(name)
    nodes, snapshots, today, satellites, nested = NODES[name]
    assert len(forest.node_id) == nodes
    assert len(reader.scale_factor) == len(reader.time) == snapshots
    objects = objects_at(forest, snapshots - 1)
    assert len(objects.branches.last) == today
    hosted = forest.host_id != forest.node_id
    assert satellites is None or np.count_nonzero(hosted[objects.branches.last]) == satellites
    links = objects.links
    assert np.count_nonzero(hosted[links.host] & (links.host != np.arange(nodes))) == nested
    counts = {what: n for what, n in links.counts.items() if what != NESTED}
    assert counts == ({LOST: 47} if name == "bug1053153" else {})
    assert links.counts.get(NESTED, 0) == nested - (2 if name == "bug1053153" else 0)  # in ones of lost hosts


@pytest.mark.parametrize("name", NODES)
def test_infalls_in_a_real_file_are_those_of_the_slow_walk(name):
    reader, forest = opened(name)
    last = len(reader.time) - 1
    mine = object_columns(objects_at(forest, last), reader.time)
    slow = infalls(forest, last, reader.time)
    for column in ("simulation_halo_id", "simulation_host_halo_id", "infall_time", "penultimate_infall_time", *MASSES):
        np.testing.assert_array_equal(mine[column], slow[column], err_msg=column)


@pytest.mark.parametrize("name", BOX)
def test_units_are_ours(name):
    reader, forest = opened(name)
    assert reader.box_size == pytest.approx(BOX[name])
    assert reader.attributes["box_size"] == reader.box_size
    assert ((forest.position >= 0.0) & (forest.position < reader.box_size)).all()
    # halos move as their velocities say: a dx/dt, in Mpc per Gyr, is 1.0227e-3 times km/s
    links = link(forest)
    ends = np.flatnonzero((links.descendant >= 0) & (links.progenitor[links.descendant] == np.arange(len(forest.step))))
    ends = ends[(forest.log10_mass[ends] > 11.0) & (links.top[ends] == ends)]
    later = links.descendant[ends]
    moved = forest.position[later] - forest.position[ends]
    a = 0.5 * (reader.scale_factor[forest.step[ends]] + reader.scale_factor[forest.step[later]])
    time = reader.time[forest.step[later]] - reader.time[forest.step[ends]]
    speed = moved * (a / time)[:, None] / 1.0227e-3
    mean = 0.5 * (forest.velocity[ends] + forest.velocity[later])
    slope = np.median((speed / mean)[np.abs(mean) > 100.0])
    assert slope == pytest.approx(1.0, abs=0.05)


def test_a_file_without_positions_has_histories_and_no_box():
    reader, forest = opened("treeWithNoPrimaryProgenitor")
    assert reader.box_size is None
    assert forest.position is forest.velocity is forest.scale_radius is None
    seen = histories(objects_at(forest, 3), 4)
    # the root's only progenitor is a satellite, whose branch it continues
    assert seen.present.sum() >= 2
    assert seen.position is None


def test_scale_radii_are_comoving_lengths_without_h():
    _, forest = opened("treeUNIT")
    path = reference("sims", "forests", "treeUNIT.hdf5")
    with h5py.File(path) as file:
        np.testing.assert_allclose(forest.scale_radius, file["forestHalos/scaleRadius"][:] / 0.6774, rtol=1e-12)


@pytest.mark.parametrize("name", FILES)
def test_it_is_known_by_its_groups(name, tmp_path):
    assert recognises(reference("sims", "forests", name))
    (tmp_path / "other.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    assert not recognises(tmp_path / "other.hdf5")
    assert not recognises(tmp_path)
    assert not recognises(reference("sims", "real_mahs.h5"))


def test_forests_are_read_in_pieces_that_make_the_whole(tmp_path, monkeypatch):
    path = tmp_path / "three.hdf5"
    shutil.copy(reference("sims", "forests", "treeUNIT.hdf5"), path)
    with h5py.File(path, "r+") as file:
        for name, values in (("firstNode", [0, 10, 7000]), ("numberOfNodes", [10, 6990, 14484])):
            del file["forestIndex"][name]
            file["forestIndex"][name] = np.array(values)
    monkeypatch.setattr(galacticus_forest, "NODES_PER_PIECE", 7000)
    reader = trees(path)
    pieces = reader.pieces()
    assert [(piece.first, piece.last) for piece in pieces] == [(0, 2), (2, 3)]
    parts = [reader.read(piece) for piece in pieces]
    _, whole = opened("treeUNIT")
    np.testing.assert_array_equal(np.concatenate([part.node_id for part in parts]), whole.node_id)
    np.testing.assert_array_equal(np.concatenate([part.position for part in parts]), whole.position)


def test_forests_are_grouped_up_to_a_size():
    assert grouped(np.array([5, 5, 20, 1, 1]), 10) == [(0, 2), (2, 3), (3, 5)]
    assert grouped(np.zeros(0, int), 10) == []


@pytest.fixture
def copy(tmp_path):
    path = tmp_path / "damaged.hdf5"
    shutil.copy(reference("sims", "forests", "treeUNIT.hdf5"), path)
    path.chmod(0o644)
    return path


def damage(path, **changes):
    with h5py.File(path, "r+") as file:
        for place, value in changes.items():
            group, name = place.split("__")
            if value is None:
                target = file[group] if name in file[group] else file[group].attrs
                del target[name]
            elif callable(value):
                values = value(file[group][name][()])
                del file[group][name]
                file[group][name] = values
            else:
                file[group].attrs[name] = value


def everything(opener, path, entry=None):
    reader = opener(path, **(entry or {}))
    return [link(reader.read(piece), path) for piece in reader.pieces()]


def put(row, value):
    def change(values):
        values[row] = value
        return values

    return change


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"forestHalos__nodeMass": None}, "no column /forestHalos/nodeMass"),
        ({"forestHalos__hostIndex": None}, "no column /forestHalos/hostIndex"),
        ({"forestHalos__descendantIndex": None}, "neither descendantIndex nor descendentIndex"),
        ({"forestHalos__expansionFactor": None}, "neither redshift nor expansionFactor"),
        ({"forestIndex__numberOfNodes": lambda values: values + 5}, "counts 21489 nodes, there are 21484"),
        ({"units__massUnitsInSI": None}, "no massUnitsInSI"),
        ({"units__massUnitsInSI": 2.5e30}, "no power of ten"),
        ({"units__massUnitsInSI": 1.9891e43}, "unit of mass"),
        ({"units__lengthUnitsInSI": 3.0857e19, "simulation__boxSize": 1000.0}, None),
        ({"units__velocityUnitsInSI": 1e6}, "velocity"),
        ({"cosmology__HubbleParam": None}, "HubbleParam"),
        ({"cosmology__HubbleParam": 67.74}, "divide it by 100"),
        ({"cosmology__OmegaLambda": 0.6}, "only flat"),
        ({"forestHalos__nodeIndex": lambda values: values.astype(float)}, "ids and links are integers"),
        ({"forestHalos__nodeIndex": put(3, 16306890510)}, "occurs twice"),
        ({"forestHalos__position": put(3, 1e6)}, "outside the box"),
        ({"forestHalos__position": lambda values: values[:-9]}, "position has 21475 rows where others have 21484"),
        ({"forestHalos__velocity": put(3, np.nan)}, "velocity"),
        ({"forestHalos__nodeMass": put(3, 1e30)}, "unit of mass"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value,
)
def test_a_damaged_copy_is_refused_with_what_is_wrong(copy, changes, wanted):
    damage(copy, **changes)

    if wanted is None:  # units that agree with each other are taken
        assert len(everything(trees, copy)) == 1
        return
    with pytest.raises(InputError, match=wanted) as caught:
        everything(trees, copy)
    assert str(copy) in str(caught.value)


def test_a_truncated_copy_is_refused(copy):
    with copy.open("r+b") as file:
        file.truncate(1_000_000)
    with pytest.raises(InputError, match="copy the file again"):
        trees(copy)


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ({"cosmology": {"Om0": 0.25}}, "has Om0 = 0.3089"),
        ({"box_size": 1000.0}, "box size"),
        ({"steps": {1: 0.5, 2: 1.0}}, "no snapshot has"),
    ],
    ids=str,
)
def test_an_entry_that_contradicts_the_file_is_refused(copy, entry, wanted):
    with pytest.raises(InputError, match=wanted):
        everything(trees, copy, entry)


def test_files_of_two_simulations_are_refused():
    files = tuple(reference("sims", "forests", name) for name in ("treeUNIT.hdf5", "bug1053153.hdf5"))
    with pytest.raises(InputError, match="two simulations"):
        GalacticusForest(files, SimulationEntry(format=FORMAT))
