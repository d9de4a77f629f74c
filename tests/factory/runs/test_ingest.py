"""Taking a simulation in: the store is the product, complete or not there, and goes on where it was killed."""

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

import diffsky_factory as dff
from diffsky_factory.factory.runs import ingest as module
from diffsky_factory.factory.runs import tasks
from diffsky_factory.halos.gathered.stored import gather_in_memory
from diffsky_factory.halos.open import open_simulation
from diffsky_factory.outputs import halo_store
from tests.inputs.readers.inspected import MadeUp, on_a_cone
from tests.reference import reference
from tests.stores import assert_same_files, files

EVERYWHERE = {"full_sky": True}


@pytest.fixture
def reader(monkeypatch):
    reader = MadeUp(on_a_cone(n=500, satellites=200), rows_of_piece=150)
    monkeypatch.setattr(module, "open_reader", lambda name: reader)
    return reader


def test_a_store_holds_what_was_read_in_the_order_of_the_sky(reader, tmp_path):
    made = dff.ingest("made up", tmp_path / "halos.zarr")
    assert made.rows == 700
    assert "700 halos" in str(made)
    assert not (tmp_path / "halos.zarr.ingesting").exists()
    stored = open_simulation(str(tmp_path / "halos.zarr"))
    table = gather_in_memory(reader)
    assert stored.extent(EVERYWHERE) == pytest.approx(41252.96, rel=1e-3)
    pixels = stored.tiles(1, EVERYWHERE)
    rows = [stored.halos(1, int(pixel), EVERYWHERE) for pixel in pixels]
    assert [stored.count(1, int(pixel), EVERYWHERE) for pixel in pixels] == [len(part["ra"]) for part in rows]
    ids = np.concatenate([part["halo_id"] for part in rows])
    order, known = np.argsort(ids), np.argsort(table.values["halo_id"])
    for name in ("halo_id", "host_halo_id", "ra", "redshift", "is_central"):
        found = np.concatenate([part[name] for part in rows])[order]
        np.testing.assert_array_equal(found, table.values[name][known])


def test_without_its_database_nothing_is_written_and_the_error_says_what_to_install(reader, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    for take_in in (lambda: dff.ingest("made up", tmp_path / "halos.zarr"), lambda: gather_in_memory(reader)):
        with pytest.raises(dff.InputError, match=r"inspected\.py: pip install 'diffsky_factory\[ingest\]'"):
            take_in()
    assert not list(tmp_path.iterdir())


def test_a_run_that_was_stopped_goes_on_and_gives_the_same_store(reader, tmp_path, monkeypatch):
    whole = dff.ingest("made up", tmp_path / "whole.zarr")

    class Killed(Exception):
        pass

    add, seen = module.Gathering.add, []

    def stopping(self, piece):
        if len(seen) == 3:
            raise Killed
        seen.append(piece)
        return add(self, piece)

    monkeypatch.setattr(module.Gathering, "add", stopping)
    with pytest.raises(Killed):
        dff.ingest("made up", tmp_path / "halos.zarr")
    assert not (tmp_path / "halos.zarr").exists()
    again = []
    monkeypatch.setattr(module.Gathering, "add", lambda self, piece: (again.append(piece), add(self, piece))[1])
    made = dff.ingest("made up", tmp_path / "halos.zarr")
    assert set(again) == set(reader.pieces()) - set(seen)
    assert made.notes == whole.notes
    a, b = (open_simulation(str(tmp_path / name)).halos(0, 4, None) for name in ("whole.zarr", "halos.zarr"))
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


def test_a_place_that_is_taken_is_refused(reader, tmp_path):
    (tmp_path / "halos.zarr").mkdir()
    (tmp_path / "halos.zarr" / "mine.txt").write_text("mine")
    with pytest.raises(dff.InputError, match="exists, and is no store of halos; choose another place"):
        dff.ingest("made up", tmp_path / "halos.zarr")


@pytest.mark.thorough
def test_a_mock_is_made_from_a_store(reader, tmp_path):
    dff.ingest("made up", tmp_path / "halos.zarr")
    halos = dff.open_catalog(str(tmp_path / "halos.zarr"))
    assert halos.sizes["halo"] == 700
    columns = ["halo_id", "log10_stellar_mass"]
    tiles = {"order": 0, "block": 1024}
    mock = dff.make_mock({"simulation": str(tmp_path / "halos.zarr"), "columns": columns, "tiles": tiles})
    assert np.isfinite(mock.log10_stellar_mass.values).all()
    np.testing.assert_array_equal(np.sort(mock.halo_id.values), np.sort(halos.halo_id.values))


@pytest.mark.thorough
def test_a_box_opens_as_it_is_and_as_a_light_cone(tmp_path):
    path = reference("sims", "forests", "treeUNIT.hdf5")
    box = dff.open_catalog(path)
    assert box.sizes == {"halo": 75}
    assert (box.x.min() >= 0.0) & (box.x.max() <= box.attrs["box_size"])
    assert int(box.is_central.sum()) == 17
    made = dff.ingest(path, tmp_path / "box.zarr")
    assert made.rows == 75
    stored = dff.open_catalog(tmp_path / "box.zarr")
    np.testing.assert_array_equal(stored.halo_id, box.halo_id)
    part = {"rectangle": {"ra": [0.0, 180.0], "dec": [-90.0, 90.0]}}
    cone = dff.ingest(path, tmp_path / "cone.zarr", redshift=(0.02, 0.5), region=part)
    seen = dff.open_catalog(tmp_path / "cone.zarr").load()
    assert 0 < seen.sizes["halo"] <= cone.rows
    assert (seen.redshift[seen.is_central] < 0.5).all()
    assert dff.open_catalog(path, redshift=(0.02, 0.5), tiles={"order": 1}).sizes["halo"] > seen.sizes["halo"]
    with pytest.raises(dff.InputError, match="is a box that was taken in"):
        dff.make_mock({"simulation": str(tmp_path / "box.zarr"), "redshift": [0.0, 0.2], "columns": ["halo_id"]})
    nowhere = {"cone": {"ra": 0.0, "dec": 0.0, "radius": 1e-3}}
    with pytest.raises(dff.InputError, match="no host halo is left"):
        dff.ingest(path, tmp_path / "empty.zarr", redshift=(0.02, 0.03), region=nowhere)
    assert not (tmp_path / "empty.zarr").exists()


def test_a_store_of_halos_is_verified_and_its_damage_is_not_read_as_data(reader, tmp_path):
    path = tmp_path / "halos.zarr"
    dff.ingest("made up", path)
    assert dff.status(path, verify=True).damaged == ()
    assert (dff.status(path).state, dff.status(path).rows) == ("complete", 700)
    for name, harm in (("ra", flip), ("vx", Path.unlink)):
        file = next((path / "halos" / name / "c").glob("*"))
        kept = file.read_bytes()
        harm(file)
        assert f"halos/{name}/c/0" in dff.status(path, verify=True).damaged[0]
        stored = open_simulation(str(path))
        with pytest.raises(dff.InputError, match="ingest the same simulation"):
            stored.halos(0, int(stored.tiles(0, EVERYWHERE)[0]), EVERYWHERE)
        file.write_bytes(kept)
    index = next(file for file in sorted((path / "index/cells").rglob("c/0")))
    kept = index.read_bytes()
    index.unlink()
    stored = open_simulation(str(path))
    with pytest.raises(dff.InputError, match=r"index/cells/.* is missing"):
        stored.halos(0, 0, EVERYWHERE)
    index.write_bytes(kept)
    with pytest.raises(dff.InputError, match="holds halos that were ingested; ingest the same simulation"):
        dff.resume(path)


def test_a_store_that_is_damaged_is_mended_by_the_same_call(reader, tmp_path, monkeypatch):
    monkeypatch.setattr(halo_store, "PIECE", 2**8)
    monkeypatch.setattr(halo_store, "CHUNK", 2**6)
    path = tmp_path / "halos.zarr"
    made = dff.ingest("made up", path)
    before = files(path)
    (tmp_path / "halos.zarr.ingesting").mkdir()  # of a run that was killed at its end
    again = dff.ingest("made up", path)
    assert (again.rows, [one.name for one in tmp_path.iterdir()]) == (made.rows, ["halos.zarr"])
    flip(path / "halos/vx/c/1")
    (path / "halos/ra/c/0").unlink()
    (path / "commits/halos/2.json").unlink()
    assert dff.ingest("made up", path).rows == made.rows
    assert files(path) == before
    flip(next(file for file in sorted((path / "index/cells").rglob("c/0"))))
    assert dff.ingest("made up", path).rows == made.rows
    assert files(path) == before


def test_other_halos_do_not_go_into_a_store(reader, tmp_path, monkeypatch):
    dff.ingest("made up", tmp_path / "halos.zarr")
    other = MadeUp(on_a_cone(n=400, satellites=100), rows_of_piece=100)
    other.attributes["title"] = "another"
    monkeypatch.setattr(module, "open_reader", lambda name: other)
    with pytest.raises(dff.InputError, match="holds other halos; choose another place"):
        dff.ingest("made up", tmp_path / "halos.zarr")


def test_files_that_change_between_two_runs_are_told_by_name(tmp_path, monkeypatch):
    source = tmp_path / "trees.hdf5"
    source.write_bytes(reference("sims", "forests", "treeUNIT.hdf5").read_bytes())
    dff.ingest(source, tmp_path / "box.zarr")
    (tmp_path / "box.zarr/commits/halos/0.json").unlink()
    with h5py.File(source, "r+") as file:
        file["forestHalos/nodeMass"][...] *= 1.01
    with pytest.raises(dff.InputError, match=r"begun with .*trees.hdf5 of other content; it was changed on"):
        dff.ingest(source, tmp_path / "box.zarr")


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0x10
    file.write_bytes(bytes(content))


def test_writing_that_was_stopped_goes_on_and_an_unfinished_store_is_not_opened(reader, tmp_path, monkeypatch):
    monkeypatch.setattr(halo_store, "PIECE", 2**8)
    monkeypatch.setattr(halo_store, "CHUNK", 2**6)
    whole = dff.ingest("made up", tmp_path / "whole.zarr")
    compute, done = module.compute_piece, []

    def stopping(source, part, piece):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(piece)
        return compute(source, part, piece)

    with monkeypatch.context() as patch:
        patch.setattr(module, "compute_piece", stopping)
        with pytest.raises(KeyboardInterrupt):
            dff.ingest("made up", tmp_path / "halos.zarr")
    assert dff.status(tmp_path / "halos.zarr").built == 1
    with pytest.raises(dff.InputError, match="is not complete; ingest the same simulation"):
        dff.open_catalog(tmp_path / "halos.zarr")
    assert dff.ingest("made up", tmp_path / "halos.zarr").rows == whole.rows
    assert_same_files(tmp_path / "halos.zarr", tmp_path / "whole.zarr")
    assert [one.name for one in tmp_path.iterdir() if "ingesting" in one.name] == []


def test_two_that_ingest_to_one_place_do_not_mix(reader, tmp_path):
    (tmp_path / "halos.zarr.ingesting").mkdir()
    with tasks.alone(tmp_path / "halos.zarr.ingesting"), pytest.raises(dff.InputError, match="another process"):
        dff.ingest("made up", tmp_path / "halos.zarr")


CONE = {
    "format": "table",
    "files": ["cone.csv"],
    "cosmology": {"Om0": 0.3, "h": 0.7},
    "footprint": [{"rectangle": {"ra": [149, 151], "dec": [1, 3]}}],
    "columns": {
        **{name: {"column": name, "unit": "deg"} for name in ("ra", "dec")},
        "redshift": "z",
        **{name: {"column": "v", "unit": "km/s"} for name in ("vx", "vy", "vz")},
        "log10_halo_mass": {"column": "m", "unit": "Msun"},
    },
    "options": {"geometry": "lightcone", "velocities": "physical", "hosts": "all"},
}


def cone(folder, **changes):
    """The entry of a light cone of 900 halos on four square degrees."""
    n = np.arange(900)
    rows = {"ra": 149.03 + 0.0652 * (n % 30), "dec": 1.03 + 0.0652 * (n // 30), "z": 0.3, "v": 0.0, "m": 1e12}
    pd.DataFrame(rows).to_csv(folder / "cone.csv", index=False)
    (folder / "cone.yaml").write_text(json.dumps({**CONE, **changes}))
    return folder / "cone.yaml"


def test_a_light_cone_is_taken_in_whole(tmp_path):
    entry = cone(tmp_path)
    for cut in ({"redshift": (0.2, 0.29)}, {"region": {"cone": {"ra": 150.0, "dec": 2.0, "radius": 0.1}}}):
        with pytest.raises(dff.InputError, match=rf"taken in whole; leave out {next(iter(cut))}, and cut what is made"):
            dff.ingest(entry, tmp_path / "halos.zarr", **cut)
    assert dff.ingest(entry, tmp_path / "halos.zarr").rows == 900


def test_hosts_outside_of_the_footprint_are_refused_where_they_are_read(tmp_path):
    half = [{"rectangle": {"ra": [149, 150], "dec": [1, 3]}}]
    entry = cone(tmp_path, footprint=half)
    for read in (lambda: dff.ingest(entry, tmp_path / "halos.zarr"), lambda: dff.open_catalog(entry)):
        with pytest.raises(dff.InputError, match=r"cone.csv, row \d+ .*outside of the footprint .*420 in this piece"):
            read()


def test_a_footprint_with_a_part_twice_is_refused(tmp_path):
    for more, fits in (([149, 151], False), ([151, 152], True), ([150.5, 152], False)):
        parts = [*CONE["footprint"], {"rectangle": {"ra": more, "dec": [1, 3]}}]
        entry = cone(tmp_path, footprint=parts)
        if fits:
            assert dff.open_catalog(entry).sky.area == pytest.approx(6.0, rel=0.01)
            continue
        with pytest.raises(dff.InputError, match=r"footprint: .*its parts overlap"):
            dff.open_catalog(entry)
