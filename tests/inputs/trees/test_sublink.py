"""The reader of SubLink trees, against files that are written here from the layout of the data release."""

import h5py
import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.inputs.trees import sublink
from diffsky_factory.inputs.trees.histories import object_columns, objects_at
from diffsky_factory.inputs.trees.links import link
from diffsky_factory.inputs.trees.sublink import FORMAT, SubLink, recognises
from tests.inputs.trees.forests import by_hand

STEPS = {95: 0.2, 96: 0.4, 97: 0.6, 98: 0.8, 99: 1.0}
ENTRY = {"cosmology": {"Om0": 0.3, "h": 0.5}, "box_size": 150.0, "steps": STEPS}
TIME = np.array([1.0, 2.0, 4.0, 7.0, 10.0])


def tree_rows(number):
    """The forest by hand as a tree: a list of rows, the root first and each followed by its progenitors."""
    forest = by_hand()
    ids = forest.node_id.tolist()
    main = {}
    for row in np.argsort(-forest.log10_mass).tolist():
        main.setdefault(int(forest.descendant_id[row]), []).append(ids[row])
    order = []

    def walk(node):
        order.append(node)
        for progenitor in main.get(node, []):
            walk(progenitor)

    for root in (41, 42, 43):
        walk(root)
    name = {node: number * 10**16 + place for place, node in enumerate(order)} | {-1: -1}
    top = {22: 21, 23: 21, 43: 41}  # groups have one level
    rows = []
    for node in order:
        row = ids.index(node)
        position, mass = forest.position[row] * 500.0, 10.0 ** (forest.log10_mass[row] - 10.0) * 0.5
        host = top.get(node, int(forest.host_id[row]))
        rows.append(
            {
                "SubhaloID": name[node],
                "SubhaloIDRaw": (95 + int(forest.step[row])) * 10**12 + row,
                "LastProgenitorID": name[node],
                "DescendantID": name[int(forest.descendant_id[row])],
                "FirstProgenitorID": name[main[node][0]] if node in main else -1,
                "FirstSubhaloInFOFGroupID": name[host],
                "TreeID": number,
                "SnapNum": 95 + int(forest.step[row]),
                "SubhaloPos": position,
                "SubhaloVel": [10.0, -20.0, 30.0],
                "SubhaloMass": mass,
                "SubhaloVmax": 200.0,
                "Group_M_TopHat200": 2.0 * 10.0 ** (forest.log10_mass[ids.index(host)] - 10.0) * 0.5,
                "node": node,
            }
        )
    return rows


def write(path, trees=(1, 2, 3), **change):
    rows = [row for number in trees for row in tree_rows(number)]
    types = {"SnapNum": np.int16, "SubhaloMass": np.float64, "SubhaloPos": np.float64, "SubhaloVel": np.float32}
    with h5py.File(path, "w") as file:
        for name in rows[0]:
            values = np.array([row[name] for row in rows], types.get(name))
            if name in change:
                values = change[name](values)
            if values is not None:
                file[name] = values
    return path


def opened(path, **entry):
    return SubLink((path,), SimulationEntry(format=FORMAT, **{**ENTRY, **entry}))


def everything(path, **entry):
    reader = opened(path, **entry)
    return [link(reader.read(piece), path) for piece in reader.pieces()]


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "tree_extended.0.hdf5")


def test_a_tree_is_the_forest_it_was_written_from(path):
    reader = opened(path)
    (piece,) = reader.pieces()
    forest = reader.read(piece)
    found = object_columns(objects_at(forest, 4), TIME)
    expected = object_columns(objects_at(by_hand(), 4), TIME)
    with h5py.File(path) as file:
        node = dict(zip(file["SubhaloID"][:].tolist(), file["node"][:].tolist()))
    assert [node[i] for i in found["simulation_halo_id"].tolist()] == [41, 42, 43] * 3
    assert [node[i] for i in found["simulation_host_halo_id"].tolist()] == [41, 41, 41] * 3
    assert [node[i] for i in found["simulation_penultimate_host_halo_id"].tolist()] == [41, 41, 42] * 3
    for name in ("infall_time", "penultimate_infall_time"):
        np.testing.assert_array_equal(found[name], np.tile(expected[name], 3))
    for name in ("log10_halo_mass", "log10_halo_mass_now", "log10_host_mass_at_penultimate_infall"):
        np.testing.assert_allclose(found[name], np.tile(expected[name], 3), atol=1e-12)


def test_units_are_ours(path):
    reader = opened(path)
    forest = reader.read(reader.pieces()[0])
    np.testing.assert_allclose(forest.position[0], by_hand().position[by_hand().node_id == 41][0], rtol=1e-12)
    assert forest.velocity[0].tolist() == [10.0, -20.0, 30.0]
    assert forest.columns["halo_vmax"][0] == 200.0
    assert reader.scale_factor.tolist() == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert reader.attributes["box_size"] == 150.0


def test_hosts_may_have_the_mass_of_their_group(path):
    reader = opened(path, columns={"log10_halo_mass": "Group_M_TopHat200"})
    forest = reader.read(reader.pieces()[0])
    found = object_columns(objects_at(forest, 4), TIME)
    np.testing.assert_allclose(found["log10_halo_mass_now"][:3], [12.7 + np.log10(2.0), 11.4, 10.8], atol=1e-12)
    np.testing.assert_allclose(found["log10_halo_mass"][1], 11.7 + np.log10(2.0), atol=1e-12)


def test_trees_are_read_in_pieces_that_make_the_whole(path, monkeypatch):
    monkeypatch.setattr(sublink, "NODES_PER_PIECE", 5)
    monkeypatch.setattr(sublink, "NUMBERS_PER_READ", 3)
    reader = opened(path)
    sizes = [len(reader.read(piece).node_id) for piece in reader.pieces()]
    assert [size for size in sizes if size] == [17, 17, 17]
    assert len(sizes) == 11


def test_the_first_progenitor_is_the_main_one_whatever_its_mass(tmp_path):
    path = write(tmp_path / "tree_extended.0.hdf5", trees=(1,))
    with h5py.File(path, "r+") as file:
        node = file["node"][:].tolist()
        file["FirstProgenitorID"][node.index(31)] = file["SubhaloID"][node.index(24)]
    reader = opened(path)
    forest = reader.read(reader.pieces()[0])
    objects = objects_at(forest, 4, ended=True)
    assert forest.node_id[objects.branches.last[-1]] == 10**16 + node.index(21)


def test_it_is_known_by_its_columns(path, tmp_path):
    assert recognises(path)
    assert not recognises(tmp_path)
    assert not recognises(write(tmp_path / "other.hdf5", TreeID=lambda values: None))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"SubhaloMass": lambda values: None}, "no column /SubhaloMass"),
        ({"SubhaloMass": lambda values: values[:-3]}, "SubhaloMass has 48 rows where others have 51"),
        ({"SubhaloMass": lambda values: values * 1e10}, "unit of mass"),
        ({"SubhaloPos": lambda values: values * 1e3}, "outside the box"),
        ({"SubhaloVel": lambda values: values * np.nan}, "velocity"),
        ({"SubhaloID": lambda values: values.astype(float)}, "ids and links are integers"),
        ({"SnapNum": lambda values: values + 1}, "has snapshot 100"),
        ({"SubhaloID": lambda values: values * 0}, "occurs twice"),
    ],
    ids=[str(number) for number in range(8)],
)
def test_a_damaged_copy_is_refused_with_what_is_wrong(tmp_path, change, wanted):
    path = write(tmp_path / "tree_extended.0.hdf5", **change)
    with pytest.raises(InputError, match=wanted) as caught:
        everything(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("lacking", ["steps", "box_size", "cosmology"])
def test_what_the_files_do_not_tell_must_be_stated(path, lacking):
    with pytest.raises(InputError, match="h;" if lacking == "cosmology" else lacking):
        opened(path, **{lacking: type(ENTRY[lacking])() if lacking != "box_size" else None})


def test_a_truncated_copy_is_refused(path):
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(InputError, match="copy the file again"):
        everything(path)
