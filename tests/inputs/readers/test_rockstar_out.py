"""The reader of Rockstar's halo lists: small files of a known answer, and each with one fault."""

import gzip

import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common import text_rows
from diffsky_factory.inputs.readers.open import open_snapshots
from diffsky_factory.inputs.readers.rockstar.out import RockstarOut
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry

BIG = 52000000469980727  # beyond 2^53: another number as float64
COMMENTS = """#a = 0.500000
#Om = 0.270000; Ol = 0.730000; h = 0.700000
#FOF linking length: 0.280000
#Unbound Threshold: 0.500000; FOF Refinement Threshold: 0.700000
#Particle mass: 1.35000e+08 Msun/h
#Box size: 250.000000 Mpc/h
#Force resolution assumed: 0.001 Mpc/h
#Units: Masses in Msun / h
#Units: Positions in Mpc / h (comoving)
#Units: Velocities in km / s (physical, peculiar)
#Units: Halo Distances, Lengths, and Radii in kpc / h (comoving)
#Units: Angular Momenta in (Msun/h) * (Mpc/h) * km/s (physical)
#Rockstar Version: 0.99.9-RC3
"""
NAMES = "ID DescID Mvir Vmax Vrms Rvir Rs Np X Y Z VX VY VZ JX JY JZ Spin rs_klypin Mvir_all A[x] A[x](500c) T/|U| PID"


def row(halo_id, parent=-1, mass="7.0e+12", position=("1.5", "2.5", "249.5")) -> str:
    phase = [*position, "100.0", "-200.0", "300.0"]
    head = [str(halo_id), "-1", mass, "210.5", "190.0", "400.0", "35.0", "50000"]
    return " ".join([*head, *phase, "1e12", "1e12", "1e12", "0.03", "33.0", "7.1e12", "9", "8", "0.6", str(parent)])


ROWS = [row(10), row(BIG, parent=10), row(7, parent=BIG), row(8, position=("250.000", "0.0", "-0.001"))]


def write(folder, rows=ROWS, names=NAMES, comments=COMMENTS, end="\n", file="out_12.list", **entry) -> RockstarOut:
    path = folder / file
    path.write_text(f"#{names}\n{comments}" + "\n".join(rows) + end)
    return RockstarOut((path,), SimulationEntry(**{"name": "small", "format": RockstarOut.format} | entry))


def everything(reader):
    parts = [reader.read(piece) for piece in reader.pieces()]
    assert all(list(part.columns) == list(reader.columns) for part in parts)
    return {name: np.concatenate([part.columns[name] for part in parts]) for name in reader.columns}


def test_a_small_file_is_read_in_our_units(tmp_path):
    reader = write(tmp_path)
    rows = everything(reader)
    np.testing.assert_array_equal(rows["simulation_halo_id"], [10, BIG, 7, 8])
    np.testing.assert_array_equal(rows["simulation_host_halo_id"], [10, 10, BIG, 8])
    for name, kind in reader.columns.items():
        assert rows[name].dtype == kind, name
    np.testing.assert_allclose(rows["log10_halo_mass"], 13.0, rtol=1e-12)
    np.testing.assert_allclose(rows["x"], [1.5 / 0.7] * 3 + [0.0], rtol=1e-12)
    np.testing.assert_allclose(rows["z"][-1], 249.999 / 0.7, rtol=1e-12)
    assert (rows["vx"][0], rows["vy"][0], rows["vz"][0]) == (100.0, -200.0, 300.0)
    np.testing.assert_allclose(rows["halo_scale_radius"], 0.05, rtol=1e-12)
    np.testing.assert_array_equal(rows["halo_vmax"], 210.5)


def test_the_header_says_cosmology_box_and_redshift(tmp_path):
    reader = write(tmp_path, cosmology={"sigma8": 0.82}, box_size=250.0 / 0.7, steps={12: 0.5, 13: 0.6})
    assert (reader.cosmology.Om0, reader.cosmology.h, reader.cosmology.sigma8) == (0.27, 0.7, 0.82)
    assert reader.attributes["box_size"] == pytest.approx(250.0 / 0.7)
    assert reader.attributes["redshift"] == 1.0
    assert reader.attributes["particle_mass"] == pytest.approx(1.35e8 / 0.7)
    assert reader.attributes["mass_definition"].startswith("Mvir")
    assert reader.geometry == "box"


def test_columns_are_found_by_name_and_the_mass_is_that_behind_the_ids(tmp_path):
    words = NAMES.replace("Mvir ", "M200b ").split()
    order = [0, 1, 2, *range(len(words) - 1, 2, -1)]
    rows = [" ".join(line.split()[i] for i in order) for line in ROWS]
    reader = write(tmp_path, rows, " ".join(words[i] for i in order))
    expected = everything(write(tmp_path))
    for name, values in everything(write(tmp_path, rows, " ".join(words[i] for i in order))).items():
        np.testing.assert_array_equal(values, expected[name])
    assert reader.attributes["mass_definition"].startswith("M200b")
    other = write(tmp_path, columns={"log10_halo_mass": "Mvir_all"})
    np.testing.assert_allclose(everything(other)["log10_halo_mass"], np.log10(7.1e12 / 0.7))


def test_any_pieces_give_the_same_halos(tmp_path, monkeypatch):
    rows = [row(n, mass=f"{n + 1}e10", position=(f"{n % 200}.5", "1", "2")) for n in range(300)]
    expected = everything(write(tmp_path, rows))
    np.testing.assert_array_equal(expected["simulation_halo_id"], np.arange(300))
    for size, block in ((1, 100), (7, 50), (50, 2**24)):
        monkeypatch.setattr(RockstarOut, "rows_of_piece", size)
        monkeypatch.setattr(text_rows, "BLOCK", block)
        reader = write(tmp_path, rows)
        assert len(reader.pieces()) > 300 / size / 2
        for name, values in everything(reader).items():
            np.testing.assert_array_equal(values, expected[name])


def test_a_packed_list_is_the_text_it_holds(tmp_path, monkeypatch):
    plain = write(tmp_path)
    expected, packed = everything(plain), tmp_path / "out_12.list.gz"
    packed.write_bytes(gzip.compress(plain.path.read_bytes()))
    assert RockstarOut.recognises(packed)
    monkeypatch.setattr(RockstarOut, "rows_of_piece", 2)
    reader = RockstarOut((packed,), plain.entry)
    assert len(reader.pieces()) > 1
    for name, values in everything(reader).items():
        np.testing.assert_array_equal(values, expected[name])
    packed.write_bytes(packed.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"out_12\.list\.gz: cannot be unpacked"):
        everything(RockstarOut((packed,), plain.entry))


def test_files_of_an_entry_may_lie_in_the_home_folder(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    entry = tmp_path / "elsewhere" / "mine.yaml"
    entry.parent.mkdir()
    entry.write_text("format: rockstar_out\nfiles: [~/out_*.list]\n")
    (reader,) = open_snapshots("~/elsewhere/mine.yaml")
    assert reader.files == (tmp_path / "out_12.list",)


def test_a_row_without_end_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"out_12\.list: a line has more than 1048576 bytes"):
        write(tmp_path, ["1 " * 2**20])


def test_unbound_halos_are_left_out_and_counted(tmp_path):
    reader = write(tmp_path, [row(1), row(2, mass="0.0000e+00")])
    (piece,) = reader.pieces()
    assert reader.read(piece).dropped == {"without a mass": 1}


def test_without_parents_each_halo_is_a_host_only_if_the_entry_says_so(tmp_path):
    names, rows = NAMES.removesuffix(" PID"), [line.rsplit(" ", 1)[0] for line in ROWS]
    with pytest.raises(ValueError, match=r"no column PID.*find_parents.*hosts: all"):
        write(tmp_path, rows, names)
    found = everything(write(tmp_path, rows, names, options={"hosts": "all"}))
    np.testing.assert_array_equal(found["simulation_host_halo_id"], found["simulation_halo_id"])


def test_it_is_known_by_its_first_line(tmp_path):
    write(tmp_path)
    assert RockstarOut.recognises(tmp_path / "out_12.list")
    (tmp_path / "other.list").write_text("#scale(0) id(1)\n")
    assert not RockstarOut.recognises(tmp_path / "other.list")
    assert not RockstarOut.recognises(tmp_path)
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    assert not RockstarOut.recognises(tmp_path / "binary")


def with_word(position, word):
    words = ROWS[1].split()
    words[position] = word
    return {"rows": [ROWS[0], " ".join(words), *ROWS[2:]]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": NAMES.replace("ID DescID", "Halo Desc")}, "line 1: not the names of a halo list"),
        ({"names": NAMES.replace(" VX ", " vel ")}, "no column 'VX'; there are ID"),
        ({"names": NAMES.replace("Mvir Vmax", "Mass Vmax")}, "third column is 'Mass'"),
        ({"names": NAMES.replace("rs_klypin", "Rs")}, "more than one column 'Rs'"),
        ({"comments": COMMENTS.replace("#Om =", "#Omega =")}, "no header line '#Om = "),
        ({"comments": COMMENTS.replace("Ol = 0.73", "Ol = 0.70")}, "flat"),
        ({"comments": COMMENTS.replace("#a = 0.5", "#b = 0.5")}, "does not say the scale factor"),
        ({"comments": COMMENTS.replace("250.0", "0.0")}, "does not say the box size"),
        ({"comments": COMMENTS.replace("Positions in Mpc / h", "Positions in kpc / h")}, r"to be in mpc/h\(comoving\)"),
        ({"cosmology": {"Om0": 0.3}}, r"has Om0 = 0.27, the entry 'small' says 0.3"),
        ({"cosmology": {"h": 0.68}}, r"has h = 0.7, the entry 'small' says 0.68"),
        ({"box_size": 250.0}, r"has box size \[Mpc\] = 357.143, its entry says 250"),
        ({"particle_mass": 1.35e8}, r"has particle mass \[Msun\] = "),
        ({"steps": {12: 0.51}}, "has scale factor = 0.5, its entry says 0.51"),
        ({"options": {"host": "all"}}, "no field 'host'; did you mean hosts"),
        ({"options": {"hosts": "none"}}, "'none' is none of column, all"),
        ({"columns": {"log10_halo_mass": "M500x"}}, "no column 'M500x'"),
        ({"rows": [], "end": ""}, "no rows below the header"),
        ({"rows": [line.rsplit(" ", 1)[0] for line in ROWS]}, "line 15: 23 columns instead of 24"),
        ({"rows": [*ROWS[:3], ROWS[3][:40]]}, "line 18: 8 columns instead of 24"),
        ({"rows": [*ROWS[:3], ROWS[3] + " 1"]}, "line 18: 25 columns instead of 24"),
        ({"rows": [*ROWS[:3], ROWS[3][:-5]], "end": ""}, "truncated"),
        (with_word(8, "far"), "line 16: X = 'far' is not a finite number"),
        (with_word(2, "nan"), "line 16: Mvir = 'nan' is not a finite number"),
        (with_word(0, "5.2e16"), "line 16: ID = '5.2e16' is not an integer"),
        (with_word(0, "9223372036854775808"), "line 16: ID = .* is not an integer of 64 bits"),
        (with_word(23, "10.0"), "line 16: PID = '10.0' is not an integer"),
        (with_word(0, "-3"), "line 16: ID = -3: an id is not negative"),
        (with_word(9, "357.0"), "line 16: Y = 357.0: outside of the box, which ends at 250"),
    ],
)
def test_a_bad_file_or_entry_is_refused_with_what_to_do(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        everything(write(tmp_path, **changes))
    assert "out_12.list" in str(caught.value) or "entry 'small'" in str(caught.value)


def test_a_line_is_named_whichever_piece_it_is_in(tmp_path, monkeypatch):
    monkeypatch.setattr(RockstarOut, "rows_of_piece", 10)
    monkeypatch.setattr(text_rows, "BLOCK", 300)
    rows = [row(n) for n in range(100)]
    rows[77] = row(77, position=("1", "x", "2"))
    with pytest.raises(ValueError, match=f"line {1 + 13 + 78}: Y = 'x'"):
        everything(write(tmp_path, rows))
    rows[77] = row(77, position=("1", "999", "2"))
    with pytest.raises(ValueError, match=f"line {1 + 13 + 78}: Y = 999.0: outside"):
        everything(write(tmp_path, rows))
