"""What every reader has from its base: entries checked, rows checked, positions in the box; and readers of others."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import yaml

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common.dropping import kept
from diffsky_factory.inputs.readers.open import READERS, open_snapshots, reader_class
from diffsky_factory.inputs.readers.reader import REQUIRED, Piece, Reader, Rows
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry

SIZE = 100.0  # Mpc
HALOS = np.array([(7, 1.0, 2e12), (9, 99.5, 0.0), (8, 50.0, 3e13), (6, 100.2, 1e12), (5, -1e-20, 1e12)])


@dataclass(frozen=True)
class Small(Reader):
    """Rows of id, place along every axis [Mpc], mass [Msun], in a file of numpy."""

    title = "small"
    snapshot = "file"
    usual_names = {"log10_halo_mass": "mass"}  # noqa: RUF012
    extra_columns = ("halo_vmax", "replica", "has_mah_fit")
    mass_definition = "of a test"
    redshift = 0.5

    class Options(Reader.Options):
        """unit : of masses; heavy : whether to keep only heavy halos"""

        unit: Literal["Msun", "Msun/h"] = "Msun"
        heavy: bool = False

    def pieces(self):
        return self.ranges(self.path, 0, len(np.load(self.path)))

    def convert(self, piece: Piece) -> Rows:
        ids, place, mass = np.load(piece.file)[piece.first : piece.last].T
        columns = {
            "simulation_halo_id": ids.astype(np.int64),
            "simulation_host_halo_id": ids.astype(np.int64),
            **dict.fromkeys("xyz", place),
            **dict.fromkeys(("vx", "vy", "vz"), np.zeros(len(ids))),
            "log10_halo_mass": np.log10(np.maximum(mass, 1.0)),
            "halo_vmax": np.full(len(ids), 200.0),
            "replica": np.zeros(len(ids), np.int64),
            "has_mah_fit": np.zeros(len(ids), bool),
        }
        return kept(columns, {"without a mass": mass <= 0.0, "light": self.options.heavy & (mass < 1e13)})


class NoReader:
    """Has nothing that a reader has."""


PATH = f"{__name__}:Small"


def file_of(folder, halos=HALOS, name="halos.npy") -> Path:
    np.save(folder / name, halos)
    return folder / name


def opened(*files, kind=Small, **entry):
    stated = {"name": "mine", "format": PATH, "cosmology": {"Om0": 0.3, "h": 0.5}, "box_size": SIZE}
    return kind(files, SimulationEntry(**(stated | entry)))


def rows(reader):
    parts = [reader.read(piece) for piece in reader.pieces()]
    return {name: np.concatenate([part.columns[name] for part in parts]) for name in reader.columns}


def test_types_of_columns_are_those_of_the_schema(tmp_path):
    reader = opened(file_of(tmp_path))
    extra = {"halo_vmax": np.float64, "replica": np.int64, "has_mah_fit": np.bool_}
    assert dict(reader.columns) == {**REQUIRED, **extra}
    found = rows(reader)
    assert list(found) == list(reader.columns)
    assert {name: values.dtype.type for name, values in found.items()} == dict(reader.columns)


def test_positions_are_brought_into_the_box_and_rows_left_out_are_counted(tmp_path):
    reader = opened(file_of(tmp_path))
    (piece,) = reader.pieces()
    found, dropped = reader.read(piece)
    np.testing.assert_allclose(found["x"], [1.0, 50.0, 0.2, 0.0], atol=1e-12)
    assert found["z"][-1] == 0.0
    assert dropped == {"without a mass": 1}
    heavy = opened(file_of(tmp_path), options={"heavy": True})
    assert heavy.read(piece).dropped == {"without a mass": 1, "light": 3}


def test_what_the_entry_leaves_out_is_what_the_reader_says(tmp_path):
    reader = opened(file_of(tmp_path), name="", mass_definition="")
    assert reader.attributes == {
        "name": "small",
        "mass_definition": "of a test",
        "box_size": SIZE,
        "redshift": 0.5,
    }
    assert opened(file_of(tmp_path), mass_definition="mine").attributes["mass_definition"] == "mine"
    assert reader.options == Small.Options(unit="Msun", heavy=False)
    assert reader.cosmology.Om0 == 0.3
    assert reader.geometry == "box"


def test_columns_are_picked_by_the_entry(tmp_path):
    assert opened(file_of(tmp_path)).names == {"log10_halo_mass": "mass"}
    assert opened(file_of(tmp_path), columns={"log10_halo_mass": "m200"}).names == {"log10_halo_mass": "m200"}


def test_pieces_have_so_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(Reader, "rows_of_piece", 2)
    reader = opened(file_of(tmp_path))
    assert [piece[1:] for piece in reader.pieces()] == [(0, 2), (2, 4), (4, 5)]
    np.testing.assert_array_equal(rows(reader)["simulation_halo_id"], [7, 8, 6, 5])
    assert opened(file_of(tmp_path, HALOS[:4])).pieces()[-1].last == 4


def test_a_reader_is_sent_to_another_process(tmp_path):
    reader = opened(file_of(tmp_path))
    again = pickle.loads(pickle.dumps(reader))
    assert again.attributes == reader.attributes
    np.testing.assert_array_equal(rows(again)["x"], rows(reader)["x"])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"options": {"heavvy": True}}, "entry 'mine', options: no field 'heavvy'; did you mean heavy"),
        ({"options": {"unit": "Msun/H"}}, "options: unit: 'Msun/H' is none of Msun, Msun/h; did you mean Msun/h"),
        ({"options": {"heavy": [1]}}, "options: heavy: Input should be a valid boolean"),
        ({"columns": {"log10_halo_mas": "m"}}, "'log10_halo_mas' cannot be chosen .* did you mean log10_halo_mass"),
        ({"columns": {"log10_halo_mass": {"column": "m"}}}, r"columns\.log10_halo_mass: give the simulation's name"),
        ({"cosmology": {"Om0": 0.3}}, "do not say the cosmology; give h under"),
        ({"box_size": None}, r"does not say the box size \[Mpc\]"),
    ],
)
def test_an_entry_that_cannot_be_is_refused(entry, message, tmp_path):
    with pytest.raises(InputError, match=message):
        opened(file_of(tmp_path), **entry)


def test_files_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(InputError, match="simulation 'mine': no files; name them"):
        opened()
    with pytest.raises(InputError, match=r"absent\.npy: no such file"):
        opened(tmp_path / "absent.npy")
    with pytest.raises(InputError, match=r"2 files .* each file is of one snapshot; name one"):
        opened(file_of(tmp_path), file_of(tmp_path, name="more.npy"))


def test_a_position_far_outside_of_the_box_is_refused_by_its_halo(tmp_path):
    reader = opened(file_of(tmp_path, np.array([(7, 1.0, 1e12), (4, 1000.0, 1e12)])))
    with pytest.raises(InputError, match=r"halos\.npy, halo 4: x = 1000\.0 Mpc: outside of the box, which ends at 100"):
        rows(reader)
    with pytest.raises(InputError, match="halo 7: x = nan Mpc"):
        rows(opened(file_of(tmp_path, np.array([(7, np.nan, 1e12)]))))


def giving(**columns):
    """A reader that gives some columns otherwise."""

    @dataclass(frozen=True)
    class Wrong(Small):
        def convert(self, piece):
            found, dropped = super().convert(piece)
            found = {**found, **columns}
            return Rows({name: values for name, values in found.items() if values is not None}, dropped)

    return Wrong


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"vx": None}, "does not give vx; `extra_columns`"),
        ({"redshift": np.zeros(4)}, "gives redshift, not among its columns"),
        ({"vx": np.zeros(4, np.float32)}, "gives vx as float32; it is to be float64"),
        ({"simulation_halo_id": np.zeros(4)}, "gives simulation_halo_id as float64; it is to be int64"),
        ({"x": np.zeros(4, ">f8")}, "gives x as >f8; it is to be float64"),
        ({"vx": np.zeros(3)}, r"gives vx of shape \(3,\); .* the first of 4 halos"),
        ({"vx": np.zeros((4, 3))}, r"gives vx of shape \(4, 3\); it is to have 1 dimensions"),
        ({"vx": 0.0}, r"gives vx of shape \(\)"),
    ],
)
def test_a_reader_that_does_not_keep_to_what_it_declares_is_named(columns, message, tmp_path):
    reader = opened(file_of(tmp_path), kind=giving(**columns))
    with pytest.raises(InputError, match=rf"halos\.npy: the reader {__name__}:giving.*Wrong {message}"):
        rows(reader)


def test_a_reader_that_declares_what_cannot_be_is_named(tmp_path):
    @dataclass(frozen=True)
    class Misspelt(Small):
        extra_columns = ("halo_vmx",)

    with pytest.raises(InputError, match="declares a column 'halo_vmx'; did you mean halo_vmax"):
        opened(file_of(tmp_path), kind=Misspelt)

    @dataclass(frozen=True)
    class Timeless(Small):
        redshift = None

    with pytest.raises(InputError, match="reads a box and gives no redshift"):
        opened(file_of(tmp_path), kind=Timeless)

    @dataclass(frozen=True)
    class Unfinished(Reader):
        pass

    with pytest.raises(TypeError, match=r"abstract.* convert"):
        opened(file_of(tmp_path), kind=Unfinished)


def entry_file(folder, **entry) -> Path:
    stated = {"format": PATH, "files": ["*.npy"], "cosmology": {"Om0": 0.3, "h": 0.5}, "box_size": SIZE}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(stated | entry))
    return path


def test_a_reader_of_another_package_is_named_by_its_path(tmp_path):
    file_of(tmp_path)
    (reader,) = open_snapshots(entry_file(tmp_path))
    assert type(reader) is Small
    assert reader.attributes["name"] == "mine"
    file_of(tmp_path, name="later.npy")
    assert len(open_snapshots(entry_file(tmp_path))) == 2  # a file each


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{__name__}:NoReader", f"simulation 'mine', format: '{__name__}:NoReader' is no reader; derive a class from"),
        (f"{__name__}:file_of", "is no reader; derive a class"),
        (f"{__name__}:Smal", f"module '{__name__}' has no 'Smal'"),
        ("no_such_module:Small", "code of the module 'no_such_module' runs only with your word"),
        ("rockstar_ou", "simulation 'mine', format: no reader of 'rockstar_ou'; did you mean rockstar_out"),
    ],
)
def test_what_is_no_reader_is_refused(name, message, tmp_path):
    file_of(tmp_path)
    with pytest.raises(InputError, match=message):
        open_snapshots(entry_file(tmp_path, format=name))


@pytest.mark.parametrize("name", READERS)
def test_a_reader_has_the_name_by_which_it_is_found(name):
    kind = reader_class(name, "here")
    assert issubclass(kind, Reader)
    assert kind.format == name
