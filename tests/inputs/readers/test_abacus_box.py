"""The reader of AbacusSummit boxes: a real small box against the raw file, and small files with one fault each."""

import pickle
import sys

import numpy as np
import pytest
from scipy.optimize import brentq

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.abacus.box import AbacusBox
from diffsky_factory.inputs.readers.common.nfw_radii import scale_radius
from diffsky_factory.inputs.readers.reader import REQUIRED
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from tests.inputs.readers import abacus_files
from tests.inputs.readers.abacus_files import box_columns, changed, truncated, without, write_box, write_cleaning
from tests.reference import reference

asdf = pytest.importorskip("asdf", reason="NOT TESTED: no asdf; pip install 'diffsky_factory[sims]'")
pytest.importorskip("abacusnbody", reason="NOT TESTED: no abacusutils; pip install 'diffsky_factory[sims]'")


def opened(*files, cleaned=False, **fields):
    options = {"cleaned": cleaned, **fields.pop("options", {})}
    return AbacusBox(tuple(files), SimulationEntry(name="toy", format=AbacusBox.format, options=options, **fields))


def everything(box):
    parts = [box.read(piece).columns for piece in box.pieces()]
    return {name: np.concatenate([part[name] for part in parts]) for name in box.columns}


@pytest.fixture(scope="module")
def sample():
    folder = reference("sims", "abacus_mini", "halos", "z0.000", "halo_info")
    return sorted(folder.glob("*.asdf"))


def test_the_sample_is_read_in_our_units(sample):
    box = opened(*sample)
    rows = everything(box)
    assert box.geometry == "box"
    assert len(rows["x"]) == 381
    assert box.attributes["box_size"] == pytest.approx(32.0 / 0.6736)
    assert box.attributes["satellites"] == "none"
    assert box.attributes["redshift"] == 0.0
    assert "368.6 times the mean" in box.attributes["mass_definition"]
    assert box.cosmology.Om0 == 0.315192
    for name in "xyz":
        assert (rows[name] >= 0.0).all()
        assert (rows[name] < box.attributes["box_size"]).all()
    np.testing.assert_array_equal(rows["simulation_halo_id"], rows["simulation_host_halo_id"])
    assert len(np.unique(rows["simulation_halo_id"])) == 381


@pytest.mark.thorough
def test_columns_of_the_sample_are_those_of_the_raw_file(sample):
    rows = everything(opened(*sample))
    at = {halo_id: row for row, halo_id in enumerate(rows["simulation_halo_id"].tolist())}
    for path in sample:
        with asdf.open(path) as file:
            header, raw = file["header"], {name: np.array(file["data"][name]) for name in ("id", "N", *RAW)}
        h, side = header["H0"] / 100.0, header["BoxSize"]
        for i in (0, 7, -1):
            row = at[int(raw["id"][i])]
            position = np.array([rows[name][row] for name in "xyz"])
            expected = np.array([float(x) for x in raw["x_L2com"][i]]) * side / h
            np.testing.assert_allclose(np.where(expected < 0.0, expected + side / h, expected), position, rtol=1e-6)
            velocity = np.array([rows[name][row] for name in ("vx", "vy", "vz")])
            np.testing.assert_allclose(velocity, raw["v_L2com"][i].astype(float) * 100.0 * side, rtol=1e-6)
            assert 10.0 ** rows["log10_halo_mass"][row] == pytest.approx(raw["N"][i] * header["ParticleMassHMsun"] / h)
            assert rows["halo_vmax"][row] == pytest.approx(float(raw["vcirc_max_L2com"][i]) * 100.0 * side)


RAW = ("x_L2com", "v_L2com", "vcirc_max_L2com")


@pytest.mark.thorough
def test_scale_radii_of_the_sample_are_those_of_nfw_halos(sample):
    rows = everything(opened(*sample, options={"scale_radius": True}))
    radius, known = rows["halo_scale_radius"], np.isfinite(rows["halo_scale_radius"])
    assert 70 < known.sum() < 90
    # of masses 3e12 to 1e15 at z = 0: Dutton & Maccio 2014, MNRAS 441, 3359, have 5 to 9 for virial radii
    mass = 10.0 ** rows["log10_halo_mass"][known]
    virial = (mass / (4.0 / 3.0 * np.pi * 368.6 * 0.315192 * 2.7754e11 * 0.6736**2)) ** (1.0 / 3.0)
    concentration = virial / radius[known]
    assert 4.0 < np.median(concentration) < 12.0


@pytest.mark.parametrize("concentration", [1.2, 4.0, 9.0, 30.0, 90.0])
def test_a_scale_radius_is_found_from_two_radii_of_its_profile(concentration):
    def mass(x):
        return np.log1p(x) - x / (1.0 + x)

    inner = brentq(lambda x: mass(x) - 25.0 / 98.0 * mass(concentration), 1e-3, concentration)
    found = scale_radius(np.array([0.3 * inner]), np.array([0.3 * concentration]), 0.25, 0.98)
    assert found == pytest.approx(0.3, rel=1e-4)


def test_radii_of_no_profile_have_no_scale_radius():
    found = scale_radius(np.array([0.0, 0.9, 1e-6]), np.array([1.0, 1.0, 1.0]), 0.25, 0.98)
    assert np.isnan(found).all()


def test_a_small_box_is_read_in_our_units(tmp_path):
    box = opened(write_box(tmp_path), options={"scale_radius": True})
    rows = everything(box)
    assert {name: values.dtype.type for name, values in rows.items()} == dict(box.columns)
    assert set(REQUIRED) < set(rows)
    np.testing.assert_array_equal(rows["simulation_halo_id"], [5, 6, 2**53 + 1])
    np.testing.assert_allclose(rows["x"], [2.5, 12.5, 23.75], rtol=1e-6)  # 0.1, -0.5 and -0.05 of 25 Mpc
    np.testing.assert_allclose(rows["y"], [6.25, 0.0, 22.5], rtol=1e-6)
    np.testing.assert_allclose(rows["z"], [18.75, 12.25, 21.25], rtol=1e-6)
    np.testing.assert_allclose(rows["vx"], [200.0, 0.0, 100.0], rtol=1e-6)
    np.testing.assert_allclose(rows["log10_halo_mass"], np.log10([1e12, 1e13, 4e11]))
    np.testing.assert_allclose(rows["halo_vmax"], [200.0, 400.0, 100.0], rtol=1e-6)
    assert np.isnan(rows["halo_scale_radius"]).tolist() == [True, False, True]  # 100, 1000 and 40 particles
    assert rows["halo_scale_radius"][1] < 2.5  # r98


def test_a_halo_just_below_zero_lies_in_the_box(tmp_path):
    columns = changed(box_columns(), "x_L2com", 0, [-1e-20, 0.0, 0.0])
    rows = everything(opened(write_box(tmp_path, columns)))
    assert rows["x"][0] == 0.0


def test_cleaning_replaces_the_numbers_of_particles_and_drops_what_merged(tmp_path):
    path = write_box(tmp_path)
    write_cleaning(tmp_path, [150, 0, 40])
    box = opened(path, cleaned=True)
    [piece] = box.pieces()
    rows, dropped = box.read(piece)
    np.testing.assert_array_equal(rows["simulation_halo_id"], [5, 2**53 + 1])
    np.testing.assert_allclose(rows["log10_halo_mass"], np.log10([1.5e12, 4e11]))
    assert dropped == {"merged into another halo by the cleaning": 1}
    assert box.attributes["cleaned"] is True


def test_halos_without_cleaning_must_be_asked_for(tmp_path):
    with pytest.raises(InputError, match=r"no folder `cleaning` .*cleaned: false"):
        opened(write_box(tmp_path), cleaned=True).pieces()


def test_cleaning_of_another_slab_is_refused(tmp_path):
    path = write_box(tmp_path)
    write_cleaning(tmp_path, [150, 0])
    box = opened(path, cleaned=True)
    with pytest.raises(InputError, match=r"halo_info_000\.asdf: cannot be read"):
        everything(box)


def test_pieces_cut_a_slab_and_are_read_in_any_order(tmp_path, monkeypatch):
    monkeypatch.setattr(AbacusBox, "rows_of_piece", 2)
    box = pickle.loads(pickle.dumps(opened(write_box(tmp_path))))
    pieces = box.pieces()
    assert [(piece.first, piece.last) for piece in pieces] == [(0, 2), (2, 3)]
    ids = [box.read(piece).columns["simulation_halo_id"].tolist() for piece in pieces[::-1]]
    assert ids == [[2**53 + 1], [5, 6]]


def test_it_is_known_by_what_is_in_the_file(sample, tmp_path):
    assert AbacusBox.recognises(sample[0])
    assert AbacusBox.recognises(write_box(tmp_path))
    assert not AbacusBox.recognises(abacus_files.write_cone(tmp_path))
    other = tmp_path / "other.dat"
    other.write_bytes(b"\x89HDF\r\n")
    assert not AbacusBox.recognises(other)
    assert not AbacusBox.recognises(tmp_path / "absent")
    assert not AbacusBox.recognises(tmp_path)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.98])
def test_the_sample_cut_short_is_refused(share, sample, tmp_path):
    path = tmp_path / "halo_info_000.asdf"
    path.write_bytes(sample[0].read_bytes())
    with pytest.raises(InputError, match=r"halo_info_000\.asdf"):
        everything(opened(truncated(path, share)))


@pytest.mark.parametrize(
    ("columns", "header", "message"),
    [
        (without(box_columns(), "v_L2com"), {}, "no column v_L2com"),
        ({**box_columns(), "N": np.array([1, 2], np.uint32)}, {}, "columns differ in length"),
        (changed(box_columns(), "x_L2com", 1, np.nan), {}, "x_L2com of row 1 is not finite"),
        (changed(box_columns(), "x_L2com", 1, 5.0), {}, "in units of the box"),  # Mpc/h
        (changed(box_columns(), "id", 1, 2**63), {}, "does not fit into 63 bits"),
        (None, {"H0": None}, "the header has no H0"),
        (None, {"H0": 70.0}, "BoxSizeMpc = 25 in the header is not BoxSize / h"),
        (None, {"ParticleMassMsun": 8e9}, "ParticleMassMsun"),
        (None, {"VelZSpace_to_kms": 2500.0}, "VelZSpace_to_kms = 2500"),
        (None, {"Omega_M": 0.3}, "only flat universes"),
    ],
)
def test_a_bad_file_is_refused_with_what_to_do(columns, header, message, tmp_path):
    path = write_box(tmp_path, columns, **header)
    with pytest.raises(InputError, match=message) as caught:
        everything(opened(path))
    assert "halo_info_000.asdf" in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cosmology": {"Om0": 0.3}}, "has Om0 = 0.25, the entry 'toy' says 0.3"),
        ({"box_size": 20.0}, r"box size \[Mpc\] = 25"),
        ({"particle_mass": 8e9}, "particle mass"),
        ({"options": {"clean": True}}, "no field 'clean'"),
        ({"options": {"scale_radius": "yes"}}, "scale_radius: Input should be a valid boolean"),
    ],
)
def test_an_entry_that_contradicts_the_files_is_refused(fields, message, tmp_path):
    with pytest.raises(InputError, match=message):
        everything(opened(write_box(tmp_path), **fields))


def test_files_of_different_boxes_and_missing_slabs_are_refused(tmp_path):
    first = write_box(tmp_path)
    other = write_box(tmp_path, number=1, Omega_M=0.26, Omega_DE=0.74)
    with pytest.raises(InputError, match=r"halo_info_001\.asdf: Omega_M is 0.26"):
        opened(first, other).pieces()
    other = write_box(tmp_path, number=1, Redshift=0.5, VelZSpace_to_kms=2000.0 * np.sqrt(0.25 * 1.5**3 + 0.75) / 1.5)
    with pytest.raises(InputError, match="a box is one time slice"):
        opened(first, other).pieces()
    with pytest.raises(InputError, match="slab 001 is missing"):
        opened(first, write_box(tmp_path, number=2)).pieces()
    with pytest.raises(InputError, match="no such file"):
        opened(first, tmp_path / "halo_info_001.asdf").pieces()
    with pytest.raises(InputError, match="no files"):
        opened().pieces()


def test_without_abacusutils_it_says_what_to_install(tmp_path, monkeypatch):
    from diffsky_factory.inputs.readers.abacus import files

    box = opened(write_box(tmp_path))
    [piece] = box.pieces()
    files._unpacked.cache_clear()
    monkeypatch.setitem(sys.modules, "abacusnbody.data.compaso_halo_catalog", None)
    with pytest.raises(InputError, match=r"pip install 'diffsky_factory\[sims\]'"):
        box.read(piece)


@pytest.mark.parametrize("cosmology", range(5))
def test_entries_have_the_numbers_of_the_simulations_own_headers(cosmology):
    from abacusnbody.metadata import get_meta

    from diffsky_factory.inputs.entries import read_entry

    entry, _ = read_entry("simulations", f"abacussummit_base_c{cosmology:03d}", SimulationEntry)
    header = get_meta(f"AbacusSummit_base_c{cosmology:03d}_ph000", 0.5)
    h = header["H0"] / 100.0
    expected = {
        "Om0": header["Omega_M"], "h": h, "w0": header["w0"], "wa": header["wa"], "ns": header["n_s"],
        "Ob0": header["omega_b"] / h**2,
    }  # fmt: skip
    assert {name: entry.cosmology[name] for name in expected} == pytest.approx(expected, rel=2e-4)
    assert entry.box_size == pytest.approx(header["BoxSize"] / h, rel=1e-6)
    assert entry.particle_mass == pytest.approx(header["ParticleMassMsun"], rel=1e-6)
