"""Merger trees as the box of a snapshot, as histories for fits, and with fits joined."""

from pathlib import Path

import numpy as np
import pytest
import zarr

from diffsky_factory.core.columns import column, columns
from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.reader import REQUIRED
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.inputs.trees.forest_box import ForestBox
from diffsky_factory.inputs.trees.formats import FORMATS, format_of, open_forests
from diffsky_factory.inputs.trees.histories import NO_MASS, ForestHistories
from diffsky_factory.inputs.trees.links import LOST
from tests.inputs.trees import test_consistent_trees, test_hacc_core_forest, test_sublink
from tests.reference import reference

STEPS = {1: 0.2, 2: 0.4, 3: 0.6, 4: 0.8, 5: 1.0}
DEFAULT = [12.0, 0.05, 2.6137643, 0.12692805, 14.0]


@pytest.fixture
def files(tmp_path):
    return test_consistent_trees.write(tmp_path)


def box(files, kind="consistent_trees", **entry):
    return ForestBox(tuple(files), SimulationEntry(format=kind, **entry))


def rows(reader):
    parts = [reader.read(piece).columns for piece in reader.pieces()]
    return {name: np.concatenate([part[name] for part in parts]) for name in reader.columns}


def three_formats(folder):
    (folder / "a").mkdir()
    sublink = test_sublink.write(folder / "tree_extended.0.hdf5", trees=(1,))
    hacc = test_hacc_core_forest.write(folder, groups=1)
    return {
        "consistent_trees": box(test_consistent_trees.write(folder / "a")),
        "sublink": box([sublink], "sublink", **test_sublink.ENTRY),
        "hacc_core_forest": box([hacc], "hacc_core_forest", **test_hacc_core_forest.ENTRY),
    }


def test_a_box_has_the_columns_and_types_it_says(tmp_path):
    for name, reader in three_formats(tmp_path).items():
        assert reader.geometry == "box"
        assert {known: reader.columns[known] for known in REQUIRED} == REQUIRED
        (piece,) = reader.pieces()
        read = reader.read(piece)
        assert set(read.columns) == set(reader.columns), name
        assert {known: values.dtype.type for known, values in read.columns.items()} == {
            known: np.dtype(kind).type for known, kind in reader.columns.items()
        }
        assert read.dropped == {}
        assert set(read.columns) <= set(columns())
        for known, values in read.columns.items():
            low, high = column(known).range
            assert ((values >= low) & (values <= high)).all(), known


def test_the_same_forest_is_the_same_box_in_three_formats(tmp_path):
    found = {name: rows(reader) for name, reader in three_formats(tmp_path).items()}
    one, two = found["consistent_trees"], found["sublink"]
    for name in ("infall_time", "penultimate_infall_time"):
        np.testing.assert_allclose(one[name], two[name], rtol=1e-6)
    for name in "xyz":
        np.testing.assert_allclose(one[name] * 0.5, two[name], atol=1e-4)  # Mpc/h in one, Mpc in the other
    np.testing.assert_allclose(one["infall_time"], found["hacc_core_forest"]["infall_time"][:3], rtol=1e-6)


def test_a_box_of_a_real_file_has_its_hosts_and_says_what_it_is():
    path = reference("sims", "forests", "bug1053153.hdf5")
    reader = box([path], "galacticus_forest", name="zoom", mass_definition="virial")
    found = rows(reader)
    assert len(found["x"]) == 34
    hosted = found["simulation_host_halo_id"] != found["simulation_halo_id"]
    assert hosted.sum() == 33
    attributes = reader.attributes
    assert attributes["redshift"] == 0.0
    assert attributes["box_size"] == pytest.approx(20.0 / 0.702)
    assert attributes["mass_definition"] == "virial"
    assert reader.counts(reader.pieces()[0])[LOST] == 47
    assert (found["log10_halo_mass"] >= found["log10_halo_mass_now"]).all()


@pytest.mark.parametrize(
    ("entry", "scale_factor"),
    [
        ({}, 1.0),
        ({"options": {"step": -1}}, 1.0),
        ({"options": {"step": 2}}, 0.6),
        ({"options": {"step": 2}, "steps": STEPS}, 0.4),
        ({"options": {"redshift": 0.7}}, 0.6),
        ({"options": {"redshift": 0.0}}, 1.0),
    ],
    ids=str,
)
def test_a_snapshot_is_chosen_by_its_number_or_its_redshift(files, entry, scale_factor):
    reader = box(files, **entry)
    assert reader.attributes["scale_factor"] == pytest.approx(scale_factor)
    assert reader.attributes["redshift"] == pytest.approx(1.0 / scale_factor - 1.0)
    nodes = {1.0: [41, 42, 43], 0.6: [21, 22, 23, 24], 0.4: [11, 12, 13, 14]}[scale_factor]
    assert (np.sort(rows(reader)["simulation_halo_id"]) - test_consistent_trees.BIG).tolist() == nodes


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"step": 9}, "no step 9, but 0, 1"),
        ({"step": 1, "redshift": 0.0}, "leave one of them out"),
        ({"stpe": 1}, "did you mean step"),
        ({"fits": "nowhere"}, "store of fits"),
    ],
    ids=str,
)
def test_options_that_cannot_be_are_named(files, options, wanted):
    with pytest.raises(InputError, match=wanted):
        box(files, options=options)


def test_a_product_without_positions_is_no_box():
    with pytest.raises(InputError, match="has no positions, so it is no box"):
        box([reference("sims", "forests", "treeWithNoPrimaryProgenitor.hdf5")], "galacticus_forest")


def test_halos_without_a_mass_are_dropped_and_counted(tmp_path):
    path = test_hacc_core_forest.write(
        tmp_path, infall_tree_node_mass=lambda values: np.where(values < 5e10, 0.0, values)
    )
    reader = box([path], "hacc_core_forest", **test_hacc_core_forest.ENTRY)
    read = reader.read(reader.pieces()[0])
    assert read.dropped == {NO_MASS: 3}
    assert len(read.columns["x"]) == 9


def fits(path, ids, fitted, inside="halos"):
    root = zarr.open_group(path, mode="w", attributes={"state": "complete"})
    group = root.create_group(inside) if inside else root
    group["halo_id"] = np.array(ids)
    group["has_mah_fit"] = np.array(fitted)
    group["mah_parameters"] = np.arange(5.0 * len(ids), dtype=np.float32).reshape(-1, 5)
    return path


@pytest.mark.parametrize("inside", ["halos", ""])
def test_fits_are_joined_by_id_and_at_any_snapshot(files, tmp_path, inside):
    big = test_consistent_trees.BIG
    store = fits(tmp_path / "fits.zarr", [big + 43, -1, big + 41, big + 42], [True, False, True, False], inside)
    for option in (str(store), "fits.zarr"):  # beside the files
        reader = box(files, options={"fits": option})
        found = rows(reader)
        np.testing.assert_allclose(found["fitted_mah_parameters"], [[10, 11, 12, 13, 14], DEFAULT, [0, 1, 2, 3, 4]])
        assert found["has_mah_fit"].tolist() == [True, False, True]
    earlier = rows(box(files, options={"fits": str(store), "step": 2}))
    assert earlier["has_mah_fit"].tolist() == [True, False, True, False]  # A, B, C, and D which merged
    assert "has_mah_fit" not in box(files).columns


def test_what_is_no_store_of_fits_is_refused(files, tmp_path):
    zarr.open_group(tmp_path / "other.zarr", mode="w")
    with pytest.raises(InputError, match="it is no store of fits"):
        box(files, options={"fits": "other.zarr"})
    zarr.open_group(tmp_path / "half.zarr", mode="w", attributes={"state": "building"})
    with pytest.raises(InputError, match="not complete"):
        box(files, options={"fits": "half.zarr"})
    twice = fits(tmp_path / "twice.zarr", [5, 5], [True, True])
    with pytest.raises(InputError, match="halo 5 has two fits"):
        box(files, options={"fits": str(twice)})


def histories_of(files, kind="consistent_trees", entry=None, **options):
    return ForestHistories(open_forests(tuple(files), SimulationEntry(format=kind, **(entry or {}))), **options)


def test_histories_are_what_a_fit_needs(files):
    view = histories_of(files)
    assert len(view.pieces) == 1
    found = view.read(0)
    assert view.time.shape == (5,)
    assert (np.diff(view.time) > 0.0).all()
    assert (found["halo_id"] - test_consistent_trees.BIG).tolist() == [41, 42, 43]
    seen = found["log10_halo_mass_history"] + np.log10(0.5)
    np.testing.assert_allclose(seen[1], [11.5, 11.7, 11.6, np.nan, 11.4], atol=1e-6)
    assert {"x", "vx", "infall_time", "simulation_host_halo_id", "halo_scale_radius"} <= set(found)
    assert {len(values) for values in found.values()} == {3}


def test_histories_to_an_earlier_snapshot_and_of_ended_objects(files):
    view = histories_of(files, step=2, ended=True)
    found = view.read(0)
    assert len(view.time) == len(view.scale_factor) == 3
    assert found["log10_halo_mass_history"].shape == (4, 3)
    whole = histories_of(files, ended=True)
    found = whole.read(0)
    assert found["has_ended"].tolist() == [False, False, False, True]
    assert whole.cosmology.h == 0.5
    with pytest.raises(InputError, match="no snapshot 7"):
        histories_of(files, step=7)


def test_cores_keep_their_tags_in_histories_and_boxes(tmp_path):
    path = test_hacc_core_forest.write(tmp_path, groups=1)
    view = histories_of([path], "hacc_core_forest", test_hacc_core_forest.ENTRY)
    assert (view.read(0)["halo_id"] - test_hacc_core_forest.TAG).tolist() == [1, 2, 3, 4]


def test_a_format_is_found_by_its_file(files, tmp_path):
    assert format_of(files[0]) == "consistent_trees"
    assert format_of(test_sublink.write(tmp_path / "s.hdf5", trees=(1,))) == "sublink"
    assert format_of(test_hacc_core_forest.write(tmp_path)) == "hacc_core_forest"
    assert format_of(reference("sims", "forests", "treeUNIT.hdf5")) == "galacticus_forest"
    assert format_of(Path(__file__)) is None
    assert len(FORMATS) == 4
    with pytest.raises(InputError, match="did you mean sublink"):
        open_forests((), SimulationEntry(format="sublnk"))
