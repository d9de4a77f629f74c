"""What all readers of HDF5 refuse, whichever file it is in."""

import h5py
import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common import hdf5
from diffsky_factory.inputs.readers.common.ids import integers
from tests.inputs.trees import test_galacticus_forest, test_hacc_core_forest, test_sublink

BEYOND = np.uint64(2**63 + 5)


def test_ids_of_any_integers_are_kept():
    for kind in (np.int32, np.uint32, np.int64, np.uint64):
        found = integers(np.array([0, 7], kind), "id", "here")
        assert found.dtype == np.int64
        assert found.tolist() == [0, 7]
    largest = np.array([2**63 - 1], np.uint64)
    assert integers(largest, "id", "here").tolist() == [2**63 - 1]
    assert integers(np.zeros(0, np.uint64), "id", "here").shape == (0,)


def test_ids_that_would_lose_digits_or_turn_negative_are_refused():
    with pytest.raises(InputError, match="here: column id is float64: ids and links are integers"):
        integers(np.array([1.0]), "id", "here")
    with pytest.raises(InputError, match=rf"here: column id has {BEYOND}, which does not fit into 63 bits"):
        integers(np.array([1, BEYOND], np.uint64), "id", "here")


def large(values):
    """The same ids as unsigned numbers, the first of which has no place in 63 bits."""
    values = values.astype(np.uint64)
    values[0] = BEYOND
    return values


def sublink(folder):
    return test_sublink.everything(test_sublink.write(folder / "tree_extended.0.hdf5", SubhaloID=large))


def hacc_core_forest(folder):
    return test_hacc_core_forest.everything(test_hacc_core_forest.write(folder, core_tag=large))


def galacticus_forest(folder):
    path = test_galacticus_forest.reference("sims", "forests", "bug1053153.hdf5")
    copy = folder / path.name
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "r+") as file:
        values = large(file["haloTrees/nodeIndex"][:])
        del file["haloTrees/nodeIndex"]
        file["haloTrees/nodeIndex"] = values
    reader = test_galacticus_forest.trees(copy)
    return [reader.read(piece) for piece in reader.pieces()]


@pytest.mark.parametrize("read", [sublink, hacc_core_forest, galacticus_forest])
def test_ids_of_merger_trees_beyond_63_bits_are_refused(read, tmp_path):
    with pytest.raises(InputError, match="does not fit into 63 bits"):
        read(tmp_path)


def test_what_a_file_holds_is_asked_of_any_file(tmp_path):
    path, text = tmp_path / "halos.hdf5", tmp_path / "text.hdf5"
    with h5py.File(path, "w") as file:
        file["data/x"] = np.arange(3.0)
        file["data/name"] = np.array([b"a"])
    text.write_text("no HDF5")
    assert hdf5.holds(path, "data/x", "data")
    assert not hdf5.holds(path, "data/y")
    assert not hdf5.holds(text, "data")
    assert not hdf5.holds(tmp_path / "absent", "data")
    with hdf5.opened(path) as file:
        assert hdf5.is_dataset(file["data"], "x")
        assert not hdf5.is_dataset(file, "data")
        assert len(hdf5.dataset(file["data"], "x", 3)) == 3
        with pytest.raises(InputError, match=r"halos\.hdf5: no column /data/y; known: name, x"):
            hdf5.dataset(file["data"], "y")
        with pytest.raises(InputError, match=r"halos\.hdf5: column /data/x has 3 rows where others have 4"):
            hdf5.dataset(file["data"], "x", 4)
        with pytest.raises(InputError, match=r"column /data/name is \|S1, not numbers"):
            hdf5.dataset(file["data"], "name")
        with pytest.raises(InputError, match="no group /dat; did you mean data"):
            hdf5.group(file, "dat")
    with pytest.raises(InputError, match=r"text\.hdf5: cannot be read as HDF5"), hdf5.opened(text):
        pass


def test_an_error_that_is_not_of_the_file_is_not_taken_for_one(tmp_path):
    path = tmp_path / "halos.hdf5"
    h5py.File(path, "w").close()
    with pytest.raises(KeyError, match="mine"), hdf5.opened(path):
        raise KeyError("mine")


def test_values_here_and_there_are_those_of_the_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "BLOCK", 4)
    with h5py.File(tmp_path / "halos.hdf5", "w") as file:
        file["x"] = np.arange(10) * 3
        rows = np.array([9, 0, 5, 5, 3])
        np.testing.assert_array_equal(hdf5.values_at(file["x"], rows), rows * 3)
