"""The reader of HACC core forests, against files that are written here from their layout."""

import h5py
import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.inputs.trees import hacc_core_forest
from diffsky_factory.inputs.trees.hacc_core_forest import FORMAT, HaccCoreForest, recognises
from diffsky_factory.inputs.trees.histories import object_columns, objects_at
from diffsky_factory.inputs.trees.links import LOST, NESTED, link

STEPS = {42: 0.2, 100: 0.4, 247: 0.6, 400: 0.8, 499: 1.0}
ENTRY = {"cosmology": {"Om0": 0.3, "h": 0.5}, "box_size": 300.0, "steps": STEPS}
TIME = np.array([1.0, 2.0, 4.0, 7.0, 10.0])
TAG = 10**12
# core -> (step, host, log10 mass) the latest first; 0 is no host. B falls into A at step 2, C into B at step 1 and with
# it into A at 2; D merges with A at 3 and stays. B is absent at step 3.
GROUP = {
    1: [(4, 0, 12.7), (3, 0, 12.6), (2, 0, 12.5), (1, 0, 12.2), (0, 0, 12.0)],
    2: [(4, 1, 11.7), (2, 1, 11.7), (1, 0, 11.7), (0, 0, 11.5)],
    3: [(4, 2, 11.1), (3, 1, 11.1), (2, 2, 11.1), (1, 2, 11.1), (0, 0, 11.0)],
    4: [(4, 1, 10.6), (3, 1, 10.6), (2, 1, 10.6), (1, 0, 10.6), (0, 0, 10.5)],
}
MERGED = {(4, 3), (4, 4)}


def write(folder, number=0, groups=3, **change):
    rows, roots = [], []
    for group in range(groups):
        roots.append(len(rows))
        for core, nodes in GROUP.items():
            for step, host, mass in nodes:
                tag = (TAG + 100 * group + host) if host else 0
                place = [10.0 * core, 5.0 + step, 20.0 * group]
                merged = (core, step) in MERGED
                rows.append((TAG + 100 * group + core, tag, step, int(not host), int(merged), 0.5 * 10.0**mass, *place))
    names = ("core_tag", "host_core", "snapnum", "central", "merged", "infall_tree_node_mass", "x", "y", "z")
    types = dict(zip(names, ("i8", "i8", "i2", "i4", "i4", "f4", "f4", "f4", "f4")))
    data = {name: np.array(values, types[name]) for name, values in zip(names, zip(*rows))}
    data |= {name: np.full(len(rows), speed, "f4") for name, speed in (("vx", 100.0), ("vy", -50.0), ("vz", 0.0))}
    path = folder / f"m000p.coreforest.{number}.hdf5"
    with h5py.File(path, "w") as file:
        for name, values in {**data, "root_idx": np.array(roots)}.items():
            values = change[name](values) if name in change else values
            if values is not None:
                file[f"{'index' if name == 'root_idx' else 'data'}/{name}"] = values
    return path


def write_fits(folder, number=0, cores=12):
    path = folder / f"subvol_{number}_diffmah_fits.hdf5"
    with h5py.File(path, "w") as file:
        for place, name in enumerate(("logm0", "logtc", "early_index", "late_index", "t_peak")):
            values = place + 0.1 * np.arange(cores)
            values[1] = -99.0
            file[name] = values
        file["fit_algo"] = np.where(np.arange(cores) == 1, -1, 0)
    return path


def opened(*files, **entry):
    return HaccCoreForest(files, SimulationEntry(format=FORMAT, **{**ENTRY, **entry}))


def everything(path, **entry):
    reader = opened(path, **entry)
    return [link(reader.read(piece), path) for piece in reader.pieces()]


def columns(reader):
    (piece,) = reader.pieces()
    return object_columns(objects_at(reader.read(piece), 4), TIME)


def test_cores_are_objects_with_their_infalls(tmp_path):
    found = columns(opened(write(tmp_path, groups=1)))
    assert (found["simulation_halo_id"] - TAG).tolist() == [1, 2, 3, 4]
    assert (found["simulation_host_halo_id"] - TAG).tolist() == [1, 1, 1, 1]
    assert (found["simulation_penultimate_host_halo_id"] - TAG).tolist() == [1, 1, 2, 1]
    assert found["infall_time"].tolist() == [10.0, 4.0, 4.0, 4.0]
    assert found["penultimate_infall_time"].tolist() == [10.0, 4.0, 2.0, 4.0]
    np.testing.assert_allclose(found["log10_halo_mass_at_infall"], [12.7, 11.7, 11.1, 10.6], atol=1e-6)
    np.testing.assert_allclose(found["log10_host_mass_at_infall"], [12.7, 12.5, 12.5, 12.5], atol=1e-6)
    np.testing.assert_allclose(found["log10_host_mass_at_penultimate_infall"], [12.7, 12.5, 11.7, 12.5], atol=1e-6)
    assert "fitted_mah_parameters" not in found


def test_units_are_ours(tmp_path):
    reader = opened(write(tmp_path, groups=1))
    forest = reader.read(reader.pieces()[0])
    first = forest.step == 0
    np.testing.assert_allclose(forest.velocity[first], [[20.0, -10.0, 0.0]] * 4, rtol=1e-6)  # a dx/dt
    np.testing.assert_allclose(forest.position[first][0], [20.0, 10.0, 0.0])
    np.testing.assert_array_equal(reader.scale_factor, list(STEPS.values()))
    np.testing.assert_array_equal(forest.node_id, forest.halo_id * 5 + forest.step)


def test_groups_are_read_in_pieces_with_the_fits_of_their_cores(tmp_path, monkeypatch):
    path = write(tmp_path)
    write_fits(tmp_path)
    whole = columns(opened(path))
    monkeypatch.setattr(hacc_core_forest, "NODES_PER_PIECE", 25)
    reader = opened(path)
    parts = [object_columns(objects_at(reader.read(piece), 4), TIME) for piece in reader.pieces()]
    assert len(parts) == 3
    for name in ("simulation_halo_id", "fitted_mah_parameters", "has_mah_fit", "x"):
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), whole[name])
    fits = whole["fitted_mah_parameters"]
    assert whole["has_mah_fit"].tolist() == [True, False] + 10 * [True]
    np.testing.assert_allclose(fits[7], [0.7 - np.log10(0.5), 1.7, 2.7, 3.7, 4.7])
    np.testing.assert_allclose(fits[1], [12.0, 0.05, 2.6137643, 0.12692805, 14.0])


def test_fits_may_lie_in_another_folder_and_must_be_of_all_files(tmp_path):
    files = [write(tmp_path, number) for number in (0, 1)]
    (tmp_path / "fits").mkdir()
    write_fits(tmp_path / "fits", 0)
    options = {"diffmah_fits": str(tmp_path / "fits")}
    assert columns(opened(files[0], options=options))["has_mah_fit"].sum() == 11
    with pytest.raises(InputError, match="has no fits"):
        opened(*files, options=options)


def test_fits_of_another_file_are_refused(tmp_path):
    path = write(tmp_path)
    write_fits(tmp_path, cores=13)
    with pytest.raises(InputError, match="13 rows for 12 cores"):
        everything(path)


def test_it_is_known_by_its_columns(tmp_path):
    assert recognises(write(tmp_path))
    assert not recognises(write_fits(tmp_path))
    assert not recognises(tmp_path)


def test_a_host_that_is_not_there_is_lost(tmp_path):
    path = write(tmp_path, host_core=lambda values: np.where(values == TAG + 2, TAG + 77, values))
    assert [links.counts for links in everything(path)] == [{LOST: 3, NESTED: 4}]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"core_tag": lambda values: None}, "no column /data/core_tag"),
        ({"root_idx": lambda values: values + 1}, "root_idx does not rise"),
        ({"root_idx": lambda values: None}, "'?root_idx'?|index"),
        ({"vx": lambda values: values[:-1]}, "vx has 56 rows where others have 57"),
        ({"snapnum": lambda values: values + 1}, "has snapnum 5, the entry 5 steps"),
        ({"snapnum": lambda values: values[::-1]}, "do not descend"),
        ({"core_tag": lambda values: values.astype(float)}, "ids and links are integers"),
        ({"core_tag": lambda values: values + 2**62}, "56 bits"),
        ({"infall_tree_node_mass": lambda values: values * 1e10}, "unit of mass"),
        ({"x": lambda values: values * 1e3}, "outside the box"),
        ({"vx": lambda values: values * np.nan}, "velocity"),
    ],
    ids=[str(number) for number in range(11)],
)
def test_a_damaged_copy_is_refused_with_what_is_wrong(tmp_path, change, wanted):
    path = write(tmp_path, **change)
    with pytest.raises(InputError, match=wanted) as caught:
        everything(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("lacking", ["steps", "box_size", "cosmology"])
def test_what_the_files_do_not_tell_must_be_stated(tmp_path, lacking):
    stated = {"steps": {}, "box_size": None, "cosmology": {"Om0": 0.3}}[lacking]
    with pytest.raises(InputError, match="h;" if lacking == "cosmology" else lacking):
        opened(write(tmp_path), **{lacking: stated})


def test_steps_that_do_not_rise_are_refused(tmp_path):
    with pytest.raises(InputError, match="do not rise"):
        everything(write(tmp_path), steps={**STEPS, 499: 0.3})


def test_a_truncated_copy_is_refused(tmp_path):
    path = write(tmp_path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(InputError, match="copy the file again"):
        opened(path)
