"""The reader of the halo lists of consistent-trees: small files of a known answer, and each with one fault."""

import gzip

import numpy as np
import pytest
from scipy.integrate import quad

from diffsky_factory.inputs.readers.common import text_rows
from diffsky_factory.inputs.readers.rockstar.hlist import ConsistentTreesHlist
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry

BIG = 52000000469980727  # beyond 2^53: another number as float64
WORDS = """
scale id desc_scale desc_id num_prog pid upid desc_pid phantom sam_mvir mvir rvir rs vrms mmp? scale_of_last_MM
vmax x y z vx vy vz Jx Jy Jz Spin Breadth_first_ID Rs_Klypin Mvir_all A[x](500c) b_to_a(500c) T/|U|
Macc Mpeak Vacc Vpeak Halfmass_Scale Mpeak_Scale Acc_Scale First_Acc_Scale Vmax@Mpeak
"""
NAMES = WORDS.split()
COMMENTS = """#Omega_M = 0.270000; Omega_L = 0.730000; h0 = 0.700000
#Full box size = 250.000000 Mpc/h
#Scale: Scale factor of halo.
#ID: ID of halo (unique across entire simulation).
#Mvir: Halo mass (Msun/h).
#Units: Masses in Msun / h
#Units: Positions in Mpc / h (comoving)
#Units: Velocities in km / s (physical, peculiar)
#Units: Radii in kpc / h (comoving)
"""
DEFAULTS = {
    "scale": "0.5000",
    "mvir": "3.500e+12",
    "rs": "35.00",
    "vmax": "210.50",
    "x": "1.50000",
    "y": "2.50000",
    "z": "249.50000",
    "vx": "100.000",
    "vy": "-200.000",
    "vz": "300.000",
    "Macc": "1.400e+12",
    "Mpeak": "7.000e+12",
    "Acc_Scale": "0.5000",
}


def row(halo_id, upid=-1, **words) -> dict[str, str]:
    return {**DEFAULTS, "id": str(halo_id), "pid": str(upid), "upid": str(upid), **words}


ROWS = [row(10), row(BIG, 10, Acc_Scale="0.2500"), row(7, BIG, Acc_Scale="0.3333"), row(8, x="250.00000", z="-0.001")]


def write(folder, rows=ROWS, names=NAMES, comments=COMMENTS, end="\n", file="hlist_0.50000.list", **entry):
    """Names are numbered in order, but for the last one; what no test asks for is 99."""
    first = " ".join([*[f"{name}({i})" for i, name in enumerate(names[:-1])], names[-1]])
    lines = ["  ".join(words.get(name, "99") for name in names) for words in rows]
    path = folder / file
    path.write_text(f"#{first}\n{comments} " + "\n ".join(lines) + end)
    return ConsistentTreesHlist(
        (path,), SimulationEntry(**{"name": "small", "format": ConsistentTreesHlist.format} | entry)
    )


def everything(reader):
    parts = [reader.read(piece) for piece in reader.pieces()]
    assert all(list(part.columns) == list(reader.columns) for part in parts)
    return {name: np.concatenate([part.columns[name] for part in parts]) for name in reader.columns}


def age(scale):
    """Gyr, by another integral; the age today of the package is 6e-4 Gyr above it, see sky/cosmology.py."""
    rate = 0.7 * 100.0 * 3.15576e16 / 3.0856776e19  # H0 in 1/Gyr
    return quad(lambda a: 1.0 / (a * np.sqrt(0.27 / a**3 + 0.73)), 0.0, scale)[0] / rate


def test_a_small_file_is_read_in_our_units(tmp_path):
    reader = write(tmp_path)
    rows = everything(reader)
    np.testing.assert_array_equal(rows["simulation_halo_id"], [10, BIG, 7, 8])
    np.testing.assert_array_equal(rows["simulation_host_halo_id"], [10, 10, BIG, 8])
    for name, kind in reader.columns.items():
        assert rows[name].dtype == kind, name
    np.testing.assert_allclose(rows["log10_halo_mass"], 13.0, rtol=1e-12)
    np.testing.assert_allclose(rows["log10_halo_mass_now"], np.log10(5e12), rtol=1e-12)
    np.testing.assert_allclose(rows["x"], [1.5 / 0.7] * 3 + [0.0], rtol=1e-12)
    np.testing.assert_allclose(rows["z"][-1], 249.999 / 0.7, rtol=1e-12)
    assert (rows["vx"][0], rows["vy"][0], rows["vz"][0]) == (100.0, -200.0, 300.0)
    np.testing.assert_allclose(rows["halo_scale_radius"], 0.05, rtol=1e-12)
    np.testing.assert_array_equal(rows["halo_vmax"], 210.5)


def test_satellites_have_fallen_in_and_hosts_have_today(tmp_path):
    rows = everything(write(tmp_path))
    np.testing.assert_allclose(rows["infall_time"], [age(1.0), age(0.25), age(0.3333), age(1.0)], atol=1e-3)
    np.testing.assert_allclose(rows["log10_halo_mass_at_infall"], [13.0, np.log10(2e12), np.log10(2e12), 13.0])


def test_without_infalls_in_the_file_there_are_no_such_columns(tmp_path):
    reader = write(tmp_path, names=[name for name in NAMES if name != "Macc"])
    assert not {"infall_time", "log10_halo_mass_at_infall"} & set(reader.columns)
    np.testing.assert_allclose(everything(reader)["log10_halo_mass"], 13.0)


def test_the_header_says_cosmology_and_box_and_the_name_the_redshift(tmp_path):
    reader = write(tmp_path, cosmology={"sigma8": 0.82}, box_size=250.0 / 0.7)
    assert (reader.cosmology.Om0, reader.cosmology.h, reader.cosmology.sigma8) == (0.27, 0.7, 0.82)
    assert reader.attributes["box_size"] == pytest.approx(250.0 / 0.7)
    assert reader.attributes["redshift"] == 1.0
    assert reader.geometry == "box"
    renamed = write(tmp_path, file="halos.list")
    assert renamed.attributes["redshift"] == 1.0
    late = write(tmp_path, [row(1, scale="1.0003")], file="hlist_1.00030.list")
    assert late.attributes["redshift"] == 0.0


def test_columns_are_found_by_name_in_any_order_and_case(tmp_path):
    expected = everything(write(tmp_path))
    for names in (NAMES[::-1][-1:] + NAMES[1:][::-1], ["scale", "id", *NAMES[5:], *NAMES[2:5]]):
        names = ["scale", "id", *[name for name in names if name not in ("scale", "id")]]
        for name, values in everything(write(tmp_path, names=names)).items():
            np.testing.assert_array_equal(values, expected[name])
    upper = {"mvir": "Mvir", "x": "X", "upid": "UPID", "Mpeak": "MPEAK"}
    rows = [{upper.get(name, name): word for name, word in words.items()} for words in ROWS]
    for name, values in everything(write(tmp_path, rows, [upper.get(name, name) for name in NAMES])).items():
        np.testing.assert_array_equal(values, expected[name])


def test_any_pieces_give_the_same_halos(tmp_path, monkeypatch):
    rows = [row(n, Mpeak=f"{n + 1}e10", x=f"{n % 200}.5") for n in range(200)]
    expected = everything(write(tmp_path, rows))
    np.testing.assert_array_equal(expected["simulation_halo_id"], np.arange(200))
    monkeypatch.setattr(ConsistentTreesHlist, "rows_of_piece", 13)
    monkeypatch.setattr(text_rows, "BLOCK", 500)
    reader = write(tmp_path, rows)
    assert len(reader.pieces()) > 10
    for name, values in everything(reader).items():
        np.testing.assert_array_equal(values, expected[name])


def test_rows_that_cannot_be_used_are_counted(tmp_path):
    rows = [row(1), row(2, 1, Acc_Scale="0.0000"), row(3, mvir="0.0"), row(4, Acc_Scale="0.0"), row(5, 1, Macc="0")]
    reader = write(tmp_path, rows)
    (piece,) = reader.pieces()
    found = reader.read(piece)
    np.testing.assert_array_equal(found.columns["simulation_halo_id"], [1, 4])
    assert found.dropped == {"without a mass": 1, "satellites without an infall": 2}
    assert all(np.isfinite(values).all() for values in found.columns.values())


def test_a_packed_list_has_the_redshift_of_its_name(tmp_path):
    plain, packed = write(tmp_path), tmp_path / "hlist_0.50000.list.gz"
    packed.write_bytes(gzip.compress(plain.path.read_bytes()))
    reader = ConsistentTreesHlist((packed,), plain.entry)
    assert reader.attributes["redshift"] == plain.attributes["redshift"]
    for name, values in everything(reader).items():
        np.testing.assert_array_equal(values, everything(plain)[name])


def test_it_is_known_by_its_first_line(tmp_path):
    write(tmp_path)
    assert ConsistentTreesHlist.recognises(tmp_path / "hlist_0.50000.list")
    (tmp_path / "tree_0_0_0.dat").write_text("#scale(0) id(1) desc_scale(2)\n")
    assert not ConsistentTreesHlist.recognises(tmp_path / "tree_0_0_0.dat")
    assert not ConsistentTreesHlist.recognises(tmp_path)
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 10)
    assert not ConsistentTreesHlist.recognises(tmp_path / "binary")


def with_word(name, word):
    return {"rows": [ROWS[0], {**ROWS[1], name: word}, *ROWS[2:]]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ["ID", *NAMES[1:]]}, "line 1: not the names of a list of consistent-trees"),
        ({"names": [name for name in NAMES if name != "upid"]}, "no column 'upid'; there are scale"),
        ({"names": [name for name in NAMES if name != "Mpeak"]}, "no column 'Mpeak'.* 'columns'"),
        ({"names": [*NAMES, "VX"]}, "more than one column 'vx'"),
        ({"comments": COMMENTS.replace("#Omega_M", "#Omega")}, "no header line '#Omega_M"),
        ({"comments": COMMENTS.replace("Omega_L = 0.73", "Omega_L = 0.70")}, "flat"),
        ({"comments": COMMENTS.replace("#Full box size", "#Box")}, "does not say the box size"),
        ({"comments": COMMENTS.replace("Masses in Msun / h", "Masses in Msun")}, "to be in msun/h"),
        ({"cosmology": {"Om0": 0.3}}, r"has Om0 = 0.27, the entry 'small' says 0.3"),
        ({"box_size": 250.0}, r"has box size \[Mpc\] = 357.143, its entry says 250"),
        ({"options": {"hosts": "all"}}, "there are none"),
        ({"columns": {"halo_mass": "mvir"}}, "'halo_mass' cannot be chosen"),
        ({"file": "hlist_0.60000.list"}, "rows are of scale factor 0.5; is it the file"),
        ({"rows": [], "end": ""}, "no rows below the header"),
        ({"rows": ROWS[:3], "end": ""}, "truncated"),
        (with_word("x", "far"), "line 12: x = 'far' is not a finite number"),
        (with_word("Mpeak", "inf"), "line 12: Mpeak = 'inf' is not a finite number"),
        (with_word("id", "5.2e16"), "line 12: id = '5.2e16' is not an integer"),
        (with_word("vx", "1 2"), "line 12: 43 columns instead of 42"),
        (with_word("id", "-3"), "line 12: id = -3: an id is not negative"),
        (with_word("z", "357.0"), "line 12: z = 357.0: outside of the box, which ends at 250"),
        (with_word("scale", "0.4"), "line 12: scale = 0.4: the file is of scale factor 0.5"),
        (with_word("Acc_Scale", "0.6"), "line 12: Acc_Scale = 0.6: an infall later than the snapshot"),
    ],
)
def test_a_bad_file_or_entry_is_refused_with_what_to_do(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        everything(write(tmp_path, **changes))
    assert "hlist_0." in str(caught.value) or "entry 'small'" in str(caught.value)
