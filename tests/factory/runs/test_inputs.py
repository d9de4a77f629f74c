"""A store is of one set of inputs: files known by their content, and versions of what computes."""

import json
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest

import diffsky_factory as dff
from diffsky_factory.core import files_read
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory import assembly as assembling
from diffsky_factory.factory import made_from, recomputed
from diffsky_factory.factory.runs import add as adding
from diffsky_factory.inputs.trees import fits as reading_fits
from diffsky_factory.outputs import store
from tests.reference import reference
from tests.stores import assert_same_files, files

ENTRY = """title: made up
format: table
files: [halos.csv]
cosmology: {Om0: 0.3075, h: 0.6774}
columns: {ra: {column: ra, unit: deg}, dec: {column: dec, unit: deg}, redshift: z, vx: {column: v, unit: km/s},
  vy: {column: v, unit: km/s}, vz: {column: v, unit: km/s}, log10_halo_mass: {column: m, unit: Msun}}
options: {geometry: lightcone, velocities: physical, hosts: all}
"""
RECIPE = {
    "simulation": "mine.yaml",
    "columns": ["galaxy_id", "log10_halo_mass"],
    "tiles": {"order": 3, "block": 64},
}
N = np.arange(400)
HALOS = pd.DataFrame({"ra": 10 + (N % 20), "dec": -10 + (N // 20), "z": 0.3, "v": 0.0, "m": 1e12})


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """A store, two tiles of which are not there, as if its build had been killed; in a folder with its halos."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "mine.yaml").write_text(ENTRY)
    HALOS.to_csv(folder / "halos.csv", index=False)
    assert dff.build(RECIPE, "mock.zarr").tiles > 3
    lose(folder / "mock.zarr")
    return folder / "mock.zarr"


def lose(path):
    for commit in sorted((path / "commits/galaxies").glob("[0-9]*.json"))[:2]:
        commit.unlink()


def again(path):
    return (lambda: dff.resume(path), lambda: dff.build(RECIPE, path))


def test_a_store_is_not_finished_with_other_halos(begun):
    HALOS.assign(m=1e14).to_csv(begun.parent / "halos.csv", index=False)
    for call in again(begun):
        with pytest.raises(InputError, match=r"begun with .*halos.csv of other content; it was changed on .* 2"):
            call()
    assert dff.status(begun).built == dff.status(begun).tiles - 2
    HALOS.to_csv(begun.parent / "halos.csv", index=False)
    assert dff.resume(begun).built == 2


@pytest.mark.thorough
def test_nor_with_another_entry_of_the_same_halos(begun):
    (begun.parent / "mine.yaml").write_text(ENTRY.replace("Om0: 0.3075", "Om0: 0.31"))
    for call in again(begun):
        with pytest.raises(InputError, match=r"begun with .*mine.yaml of other content"):
            call()


def test_nor_with_files_that_are_gone(begun):
    (begun.parent / "halos.csv").unlink()
    with pytest.raises(InputError, match=r"halos.csv"):
        dff.resume(begun)


@pytest.mark.thorough
def test_an_entry_that_is_edited_is_used_as_it_is_now(begun):
    before = np.asarray(dff.make_mock(RECIPE).log10_halo_mass)
    (begun.parent / "mine.yaml").write_text(ENTRY.replace("unit: Msun", "unit: Msun/littleh"))
    after = np.asarray(dff.make_mock(RECIPE).log10_halo_mass)
    np.testing.assert_allclose(after - before, -np.log10(0.6774), atol=1e-5)


def test_a_lazy_mock_is_of_the_files_that_it_was_opened_with(begun, tmp_path, monkeypatch):
    mock = dff.make_mock(RECIPE)
    halos = dff.open_catalog("mine.yaml")
    before = mock.log10_halo_mass.values
    (tmp_path / "mine.yaml").write_text(ENTRY)
    HALOS.assign(m=1e14).to_csv(tmp_path / "halos.csv", index=False)
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path)  # where files of these names are others
        np.testing.assert_array_equal(mock.log10_halo_mass.values, before)
    HALOS.assign(m=1e13).to_csv(begun.parent / "halos.csv", index=False)
    for read in (lambda: mock.log10_halo_mass.values, lambda: halos.ra.values, lambda: mock.sky.cone(11.0, -9.0, 0.5)):
        with pytest.raises(
            InputError, match=r"opened with .*halos.csv of other content; it was changed .*open it again"
        ):
            read()
    assert set(np.unique(dff.make_mock(RECIPE).log10_halo_mass)) == {13.0}


def test_two_files_that_change_places_are_not_the_same_inputs(begun):
    for name, half in (("one.csv", HALOS[:200]), ("two.csv", HALOS[200:])):
        half.to_csv(begun.parent / name, index=False)
    (begun.parent / "mine.yaml").write_text(ENTRY.replace("files: [halos.csv]", "files: [one.csv, two.csv]"))
    path = begun.parent / "both.zarr"
    dff.build(RECIPE, path)
    lose(path)
    one, two = (begun.parent / name for name in ("one.csv", "two.csv"))
    first, second = one.read_text(), two.read_text()
    one.write_text(second)
    two.write_text(first)
    with pytest.raises(InputError, match=r"one.csv of other content; .*two.csv of other content"):
        dff.resume(path)


def test_other_versions_do_not_go_on(begun, monkeypatch):
    known = made_from.version
    monkeypatch.setattr(made_from, "version", lambda name: "99.0" if name == "jax" else known(name))
    assembling._assembly.forget()
    for call in again(begun):
        with pytest.raises(InputError, match=r"begun with jax [0-9.]+, and here is 99.0"):
            call()
    assembling._assembly.forget()


def test_a_plan_means_the_same_in_every_folder(begun, tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text(ENTRY)
    HALOS.assign(m=1e14).to_csv(tmp_path / "halos.csv", index=False)
    monkeypatch.chdir(tmp_path)
    assert dff.resume(begun).built == 2
    assert set(np.unique(dff.open_catalog(begun).log10_halo_mass)) == {12.0}


def test_the_inputs_of_a_store_can_be_read(begun):
    dff.resume(begun)
    inputs = store.read_part(begun).attributes["inputs"]
    assert inputs[str(begun.parent / "halos.csv")] == files_read.digest(begun.parent / "halos.csv")
    assert {"jax", "numpy", "diffsky_factory"} <= set(inputs)
    assert any(name.startswith("catalogs/") for name in inputs)
    assert json.loads(dff.open_catalog(begun).attrs["inputs"]) == inputs


@pytest.mark.thorough
def test_a_build_elsewhere_of_the_same_files_has_the_same_bytes(begun):
    dff.resume(begun)
    dff.build(RECIPE, "other.zarr")
    assert_same_files(begun, begun.parent / "other.zarr")


def test_of_a_large_file_the_size_the_time_and_some_pieces_are_known(tmp_path, monkeypatch):
    monkeypatch.setattr(files_read, "LARGE", 2**10)
    monkeypatch.setattr(files_read, "PIECE", 2**4)
    file = tmp_path / "large"
    file.write_bytes(bytes(2**14))
    found = [files_read.digest(file)]
    for place in (0, 2**14 - 1):
        content = bytearray(2**14)
        content[place] = 1
        file.write_bytes(content)
        found.append(files_read.digest(file))
    file.write_bytes(bytes(2**14 + 1))
    assert len({*found, files_read.digest(file)}) == 4


def curve(edge):
    return f"5000 0\n{edge} 1\n7000 1\n7100 0\n"


@pytest.mark.thorough
def test_a_part_keeps_the_curves_that_it_was_begun_with(tiny_store, tmp_path, monkeypatch):
    path, file = tmp_path / "tiny.zarr", tmp_path / "mine.txt"
    shutil.copytree(tiny_store, path)
    file.write_text(curve(5100))

    def add():
        return dff.add(path, "photometry/mine", ("mag_true",), bands=[str(file)])

    add()
    before = files(path)
    next((path / "commits/photometry/mine").glob("[0-9]*.json")).unlink()
    file.write_text(curve(6900))
    with pytest.raises(InputError, match="part 'photometry/mine' holds something else"):
        add()
    known = made_from.version
    with monkeypatch.context() as patch:
        patch.setattr(made_from, "version", lambda name: "99.0" if name == "jax" else known(name))
        recomputed._recomputation.forget()
        with pytest.raises(InputError, match=r"begun with jax [0-9.]+, and here is 99.0"):
            adding.finish(path, store.read_part(path, "photometry/mine"))
    recomputed._recomputation.forget()
    dff.resume(path)
    assert files(path) == before


TREES = ("sims", "forests", "treeUNIT.hdf5")


@pytest.mark.thorough
def test_fits_are_not_finished_with_other_trees_and_are_an_input_themselves(tmp_path):
    trees, fits = tmp_path / "trees.hdf5", tmp_path / "fits.zarr"
    trees.write_bytes(reference(*TREES).read_bytes())
    dff.fit_histories(trees, fits)
    assert store.read_part(fits).attributes["inputs"][str(trees)] == files_read.digest(trees)
    entry = {"format": "galacticus_forest", "files": [str(trees)], "options": {"fits": str(fits)}}
    (tmp_path / "trees.yaml").write_text(json.dumps(entry))
    recipe = {
        "simulation": str(tmp_path / "trees.yaml"),
        "redshift": [0.02, 0.6],
        "columns": ["galaxy_id", "has_mah_fit", "mah_parameters"],
        "tiles": {"order": 0, "block": 64},
    }
    dff.build(recipe, tmp_path / "mock.zarr")
    content = str(fits / "commits/halos/metadata.json")
    assert store.read_part(tmp_path / "mock.zarr").attributes["inputs"][content]

    lose(tmp_path / "mock.zarr")
    shard = fits / "halos/mah_parameters/c/0/0"
    kept = shard.read_bytes()
    shard.write_bytes(kept[:100] + bytes([kept[100] ^ 1]) + kept[101:])
    reading_fits._read.forget()
    with pytest.raises(InputError, match="mah_parameters/c/0/0 is damaged; call fit_histories"):
        reading_fits.read_fits(fits)

    with h5py.File(trees, "r+") as file:
        file["forestHalos/nodeMass"][...] *= 1.01
    (fits / "commits/halos/0.json").unlink()
    with pytest.raises(InputError, match=r"begun with .*trees.hdf5 of other content; it was changed on"):
        dff.fit_histories(trees, fits)
    shutil.rmtree(fits)
    dff.fit_histories(trees, fits)
    with pytest.raises(InputError, match=r"begun with .*(metadata.json|trees.hdf5) of other content"):
        dff.resume(tmp_path / "mock.zarr")
