"""The reader of UniverseMachine light cones by pieces: a real sample, and small files with one fault each."""

from pathlib import Path

import numpy as np
import pytest

from diffsky_factory.inputs.readers.common import text_rows
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.inputs.readers.universemachine.cone import UniverseMachineCone, packed
from diffsky_factory.sky.cosmology import Cosmology, comoving_distance_64
from diffsky_factory.sky.regions import region
from tests.reference import reference

COSMOLOGY = Cosmology(Om0=0.307, h=0.678)
BIG = 52000000469980727  # beyond 2^53: another number as float64
NAMES = (
    "RA Dec Z(los) Z(cosmo) Scale ID DescID UPID Flags Uparent_Dist X Y Z VX VY VZ M V MP VMP R Rank1 Rank2 RA RARank "
    "SM ICL SFR obs_SM obs_SFR SSFR SM/HM obs_UV A_UV"
)
HEADER = f"""#{NAMES}
#Command line: lightcone lightcone.cfg 0.8 1.0 5.0 5.0 1 out 0 0 0 0 1
#Random seed: 1
#Origin (O): 100.000000 20.000000 30.000000
#Cosmology: Om: 0.307; Ol: 0.693; h: 0.678
#Original box size: 250.000000 Mpc/h
#Rotation Matrix (R):
#  [[0.000000 1.000000 0.000000],
#   [-1.000000 0.000000 0.000000],
#   [0.000000 0.000000 1.000000]],
#Location conversion procedure: X_sky = X_lc = R*(X_sim - O)
"""


def row(halo_id, parent=-1, redshift=0.9, y=0.5, z=-0.7, mass="1.5e+12") -> list[str]:
    """Words of one line; y, z in Mpc/h across the cone."""
    radius = float(comoving_distance_64(COSMOLOGY, redshift)) * COSMOLOGY.h
    x = np.sqrt(radius**2 - y**2 - z**2)
    ra, dec = -np.rad2deg(np.arctan2(y, x)) % 360.0, np.rad2deg(np.arcsin(z / radius))
    sky = [f"{ra:.6f}", f"{dec:.6f}", f"{redshift:.6f}", f"{redshift:.6f}", "0.5"]
    links = [str(halo_id), "77", str(parent), "130", "2.0"]
    phase = [f"{x:.6f}", f"{y:.6f}", f"{z:.6f}", "100.0", "200.0", "-300.0"]
    rest = ["1.0e+12", "110.0", mass, "120.0", "200.0", "0.1", "0.2", "0.3", "0.4"]
    galaxy = ["3e10", "1e9", "2.5", "2e10", "1.5", "1e-10", "1e-2", "-19.0", "0.5"]
    return sky + links + phase + rest + galaxy


ROWS = [row(10), row(12, parent=10, redshift=0.9001), row(BIG, redshift=0.85), row(13, parent=99, y=101.0)]


def write(folder, rows=ROWS, header=HEADER, end="\n", **entry) -> UniverseMachineCone:
    path = folder / "cone.dat"
    path.write_text(header + "\n".join(" ".join(words) for words in rows) + end)
    return UniverseMachineCone(
        (path,), SimulationEntry(**{"name": "small", "format": UniverseMachineCone.format} | entry)
    )


def everything(reader):
    parts = [reader.read(piece) for piece in reader.pieces()]
    assert all(list(part.columns) == list(reader.columns) for part in parts)
    assert not any(part.dropped for part in parts)
    return {name: np.concatenate([part.columns[name] for part in parts]) for name in reader.columns}


@pytest.fixture(scope="module")
def sample() -> UniverseMachineCone:
    path = reference("sims", "universemachine_bpl_lightcone", "test_lightcone_0.dat")
    return UniverseMachineCone((path,), SimulationEntry(format=UniverseMachineCone.format))


@pytest.fixture(scope="module")
def text(sample):
    """The words of the sample, by an independent and slow parser."""
    lines = sample.files[0].read_text().splitlines()
    return np.array([line.split() for line in lines if not line.startswith("#")])


def test_the_sample_is_read_whole(sample, text):
    rows = everything(sample)
    assert len(rows["x"]) == 4419
    for name, kind in sample.columns.items():
        assert rows[name].dtype == kind, name
        assert np.isfinite(rows[name]).all()
    ids = [int(word) for word in text[:, 5]]
    assert max(ids) > 2**53
    np.testing.assert_array_equal(rows["simulation_halo_id"], ids)
    hosts = [own if int(word) == -1 else int(word) for own, word in zip(ids, text[:, 7], strict=True)]
    np.testing.assert_array_equal(rows["simulation_host_halo_id"], hosts)
    assert np.count_nonzero(rows["simulation_host_halo_id"] == rows["simulation_halo_id"]) == 3526
    number = text.astype(object)
    for name, at in {"log10_halo_mass": 18, "log10_halo_mass_now": 16}.items():
        np.testing.assert_allclose(10.0 ** rows[name], number[:, at].astype(float), rtol=1e-12)
    same = {"redshift": 3, "vx": 13, "vz": 15, "halo_vmax": 17, "universemachine_stellar_mass": 25}
    same |= {"universemachine_sfr": 27, "universemachine_observed_sfr": 29}
    for name, at in same.items():
        np.testing.assert_allclose(rows[name], number[:, at].astype(float), rtol=1e-15)


def test_directions_and_distances_of_the_sample_are_those_of_its_text(sample, text):
    rows = everything(sample)
    ra = np.rad2deg(np.arctan2(rows["y"], rows["x"]))
    np.testing.assert_allclose((ra - text[:, 0].astype(float) + 180.0) % 360.0 - 180.0, 0.0, atol=1e-4)
    radius = np.sqrt(rows["x"] ** 2 + rows["y"] ** 2 + rows["z"] ** 2)
    np.testing.assert_allclose(np.rad2deg(np.arcsin(rows["z"] / radius)), text[:, 1].astype(float), atol=1e-5)
    np.testing.assert_allclose(radius, comoving_distance_64(sample.cosmology, rows["redshift"]), rtol=1e-5)


def test_the_header_of_the_sample_says_cosmology_area_and_box(sample):
    assert (sample.cosmology.Om0, sample.cosmology.h) == (0.307, 0.678)
    attributes = sample.attributes
    (part,) = attributes["footprint"]
    assert region(part).area == pytest.approx(25.0 / 3600.0, rel=1e-5)
    assert attributes["redshift_range"] == (0.8, 1.0)
    assert attributes["box_size"] == pytest.approx(250.0 / 0.678)
    assert sample.geometry == "lightcone"


def test_copies_of_the_box_in_the_sample_are_the_known_ones(sample):
    """Positions in the box, by the transposed matrix written out, lie in [0, L) of the copy that is told."""
    rows, replica = everything(sample), everything(sample)["replica"]
    found = np.stack([(replica >> 42) - 2**20, (replica >> 21) % 2**21 - 2**20, replica % 2**21 - 2**20], axis=-1)
    np.testing.assert_array_equal([found.min(0), found.max(0)], [[4, 3, 6], [5, 3, 8]])
    x, y, z = rows["x"] * 0.678, -rows["y"] * 0.678, rows["z"] * 0.678
    in_box = 0.511762 * x - 0.265626 * y - 0.817033 * z + 246.286835
    inside = in_box - 250.0 * found[:, 0]
    assert (inside >= 0.0).all()
    assert (inside < 250.0).all()


def test_copies_are_packed_into_numbers_of_their_own():
    some = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1], [-(2**20)] * 3])
    some = np.vstack([some, [[2**20 - 1] * 3]])
    numbers = packed(some)
    assert len(set(numbers.tolist())) == len(some)
    assert (numbers.min(), numbers.max()) == (0, 2**63 - 1)


def test_any_pieces_give_the_same_halos(sample, monkeypatch):
    whole = everything(sample)
    for size, block in ((500, 10_000), (1000, 2**24)):
        monkeypatch.setattr(UniverseMachineCone, "rows_of_piece", size)
        monkeypatch.setattr(text_rows, "BLOCK", block)
        assert len(sample.pieces()) >= 4419 // size
        for name, values in everything(sample).items():
            np.testing.assert_array_equal(values, whole[name])


def test_a_small_file_is_read_in_our_units_and_frame(tmp_path):
    rows = everything(write(tmp_path))
    np.testing.assert_array_equal(rows["simulation_halo_id"], [10, 12, BIG, 13])
    np.testing.assert_array_equal(rows["simulation_host_halo_id"], [10, 10, BIG, 99])
    np.testing.assert_allclose(rows["y"], np.array([-0.5, -0.5, -0.5, -101.0]) / 0.678)
    np.testing.assert_allclose(rows["z"], -0.7 / 0.678)
    assert (rows["vx"][0], rows["vy"][0], rows["vz"][0]) == (100.0, -200.0, -300.0)
    np.testing.assert_allclose(rows["log10_halo_mass"], np.log10(1.5e12))
    np.testing.assert_allclose(rows["log10_halo_mass_now"], 12.0)
    np.testing.assert_array_equal(rows["halo_vmax"], 110.0)
    # X of the cone is y of the box, Y is -x: 100 - 101 is one box below, 30 - 0.7 in the first
    x, y, z = (rows["replica"] >> 42) - 2**20, (rows["replica"] >> 21) % 2**21 - 2**20, rows["replica"] % 2**21 - 2**20
    np.testing.assert_array_equal(x, [0, 0, 0, -1])
    radius = comoving_distance_64(COSMOLOGY, rows["redshift"]) * 0.678
    np.testing.assert_array_equal(y, (radius + 20.0) // 250.0)
    np.testing.assert_array_equal(z, 0)


def test_what_the_header_does_not_tell_is_left_out(tmp_path):
    header = "\n".join(line for line in HEADER.splitlines() if "Origin" not in line and "Command" not in line) + "\n"
    reader = write(tmp_path, header=header)
    assert "replica" not in reader.columns
    assert not {"footprint", "redshift_range", "box_size"} & set(reader.attributes)
    assert len(everything(reader)["x"]) == 4


def test_it_is_known_by_its_first_line(tmp_path):
    write(tmp_path)
    assert UniverseMachineCone.recognises(tmp_path / "cone.dat")
    assert not UniverseMachineCone.recognises(tmp_path)
    assert not UniverseMachineCone.recognises(Path("cone.dat"))


def with_word(position, word):
    rows = [list(words) for words in ROWS]
    rows[1][position] = word
    return {"rows": rows}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"header": HEADER.replace("#RA Dec", "#Ra Dec")}, "line 1: not the 34 column names"),
        ({"header": HEADER.replace("#Cosmology", "#Cosmetics")}, "no header line '#Cosmology"),
        ({"header": HEADER.replace("Ol: 0.693", "Ol: 0.7")}, "flat"),
        ({"header": HEADER.replace("[-1.000000", "[-1.100000")}, "Rotation Matrix of the header is no rotation"),
        ({"header": HEADER.replace("1.000000]],", "]],")}, "Rotation Matrix of the header is no rotation"),
        ({"header": HEADER.replace("Om: 0.307; Ol: 0.693", "Om: 0.27; Ol: 0.73")}, r"header \(Om = 0.27"),
        ({"cosmology": {"Om0": 0.27}}, "has Om0 = 0.307, the entry 'small' says 0.27"),
        ({"box_size": 250.0}, r"has box size \[Mpc\] = 368.732, its entry says 250"),
        ({"options": {"hosts": "all"}}, "there are none"),
        ({"columns": {"redshift": "Z(los)"}}, "'redshift' cannot be chosen"),
        ({"rows": [], "end": ""}, "no rows below the header"),
        ({"rows": [*ROWS[:2], ROWS[2][:-1], ROWS[3]]}, "line 14: 33 columns instead of 34"),
        ({"end": ""}, "truncated"),
        (with_word(10, "far"), "line 13: X = 'far' is not a finite number"),
        (with_word(5, "1e9"), "line 13: ID = '1e9' is not an integer"),
        (with_word(7, "99999999999999999999"), "line 13: UPID = .* is not an integer of 64 bits"),
        (with_word(18, "nan"), "line 13: MP = 'nan' is not a finite number"),
        (with_word(16, "0.0"), "line 13: M = 0.0: a mass must be positive"),
        (with_word(3, "-0.900100"), r"line 13: Z\(cosmo\) = -0.9001: a redshift must be positive"),
        (with_word(3, "0.910000"), r"line 13: Z\(cosmo\) = 0.91: its distance in the cosmology"),
        (with_word(0, "0.015000"), "line 13: RA = 0.015: RA, Dec is not the direction"),
    ],
)
def test_a_bad_file_or_entry_is_refused_with_what_to_do(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        everything(write(tmp_path, **changes))
    assert "cone.dat" in str(caught.value) or "entry 'small'" in str(caught.value)


def test_several_cones_are_several_simulations(tmp_path):
    reader = write(tmp_path)
    with pytest.raises(ValueError, match="cone of its own"):
        UniverseMachineCone(reader.files * 2, reader.entry)
