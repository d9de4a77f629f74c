"""The reader of UniverseMachine light cones: a real sample, and small files with one fault each."""

import time

import numpy as np
import pytest

from diffsky_factory.inputs.simulations.universemachine_lightcone import (
    COPY_STEP,
    UniverseMachineLightcone,
    _load,
    is_universemachine_lightcone,
)
from diffsky_factory.inputs.simulations.universemachine_text import NAMES
from diffsky_factory.sky.cosmology import Cosmology, comoving_distance_64, redshift_at_distance_64
from tests.reference import reference

EVERYTHING = {"full_sky": True}
COSMOLOGY = Cosmology(Om0=0.307, h=0.678)
HEADER = (
    f"#{' '.join(NAMES)}\n"
    "#Command line: lightcone lightcone.cfg 0.8 1.0 5.0 5.0 1 out 0 0 0 0 1\n"
    "#Random seed: 1\n"
    "#Cosmology: Om: 0.307; Ol: 0.693; h: 0.678\n"
    "#Original box size: 250.000000 Mpc/h\n"
)


def row(halo_id, parent=-1, redshift=0.9, y=0.5, z=-0.7, mass="1.5e+12") -> list[str]:
    """Words of one line; y, z in Mpc/h across the cone."""
    radius = float(comoving_distance_64(COSMOLOGY, redshift)) * COSMOLOGY.h
    x = np.sqrt(radius**2 - y**2 - z**2)
    ra, dec = -np.rad2deg(np.arctan2(y, x)) % 360.0, np.rad2deg(np.arcsin(z / radius))
    sky = [f"{ra:.6f}", f"{dec:.6f}", f"{redshift:.6f}", f"{redshift:.6f}", "0.5"]
    links = [str(halo_id), "77", str(parent), "130", "2.0"]
    phase = [f"{x:.6f}", f"{y:.6f}", f"{z:.6f}", "100.0", "200.0", "-300.0"]
    rest = [mass, "100.0", mass, "100.0", "200.0", "0.1", "0.2", "0.3", "0.4"]
    galaxy = ["3e10", "1e9", "2.5", "2e10", "1.5", "1e-10", "1e-2", "-19.0", "0.5"]
    return sky + links + phase + rest + galaxy


ROWS = [row(10), row(12, parent=10, redshift=0.9001), row(52000000469980727, redshift=0.85), row(13, parent=99)]


def write(folder, rows=ROWS, header=HEADER, end="\n"):
    path = folder / "cone.dat"
    path.write_text(header + "\n".join(" ".join(words) for words in rows) + end)
    return UniverseMachineLightcone(str(path))


def everything(cone) -> dict[str, np.ndarray]:
    parts = [cone.halos(5, pixel) for pixel in cone.tiles(5, EVERYTHING)]
    return {name: np.concatenate([part[name] for part in parts]) for name in cone.columns}


@pytest.fixture(scope="module")
def sample_path():
    return reference("sims", "universemachine_bpl_lightcone", "test_lightcone_0.dat")


@pytest.fixture(scope="module")
def text(sample_path):
    """The words of the sample, by an independent and slow parser."""
    lines = [line.split() for line in sample_path.read_text().splitlines() if not line.startswith("#")]
    return {int(words[5]): words for words in lines}


def test_the_sample_has_the_known_numbers_of_each_kind(sample_path):
    notes = UniverseMachineLightcone(str(sample_path)).notes
    assert notes["rows"] == 4419
    assert notes["centrals"] == 3526
    assert notes["satellites"] == 893
    assert notes["nested hosts followed"] == 18
    assert notes["hosts outside the file"] == 130
    assert notes["satellites without host"] == 131  # one of the nested chains leads outside
    assert notes["repeated ids"] == 0


def test_the_sample_loads_in_less_than_a_second(sample_path):
    everything(UniverseMachineLightcone(str(sample_path)))  # compiles
    _load.cache_clear()
    start = time.perf_counter()
    assert UniverseMachineLightcone(str(sample_path)).notes["rows"] == 4419
    assert time.perf_counter() - start < 1.0


def test_sky_and_redshift_of_the_sample_follow_from_its_positions(sample_path, text):
    cone = UniverseMachineLightcone(str(sample_path))
    rows = everything(cone)
    radius = np.sqrt(rows["x"] ** 2 + rows["y"] ** 2 + rows["z"] ** 2)
    redshift = redshift_at_distance_64(cone.cosmology, radius)
    words = [text[halo_id] for halo_id in rows["simulation_halo_id"].tolist()]
    ra, dec, z_los, z = (np.array([float(w[i]) for w in words]) for i in range(4))
    np.testing.assert_allclose(redshift, z, atol=1e-4, rtol=0)
    np.testing.assert_allclose((rows["ra"] - ra + 180.0) % 360.0 - 180.0, 0.0, atol=1e-3)
    np.testing.assert_allclose(rows["dec"], dec, atol=1e-3)
    # the file has the velocity along the axis: 1e-5 apart in this small field
    np.testing.assert_allclose(rows["redshift_obs"], z_los, atol=3e-5)


def test_masses_ids_and_galaxies_of_the_sample_are_those_of_the_text(sample_path, text):
    rows = everything(UniverseMachineLightcone(str(sample_path)))
    assert rows["halo_id"].dtype == rows["simulation_halo_id"].dtype == np.int64
    assert set(rows["halo_id"].tolist()) == set(text)
    beyond_float64 = rows["halo_id"] > 2**53
    assert (rows["halo_id"][beyond_float64].astype(float).astype(int) != rows["halo_id"][beyond_float64]).any()
    words = [text[halo_id] for halo_id in rows["halo_id"].tolist()]
    np.testing.assert_allclose(10.0 ** rows["log10_halo_mass"], [float(w[18]) for w in words], rtol=1e-12)
    np.testing.assert_array_equal(rows["universemachine_stellar_mass"], [float(w[25]) for w in words])
    np.testing.assert_array_equal(rows["universemachine_observed_sfr"], [float(w[29]) for w in words])
    np.testing.assert_array_equal(rows["is_central"], [w[7] == "-1" for w in words])


def test_groups_of_the_sample_stay_whole_under_any_tiling(sample_path):
    cone = UniverseMachineLightcone(str(sample_path))
    whole = everything(cone)
    for order in (0, 9, 12):
        pixels = cone.tiles(order, EVERYTHING)
        parts = [cone.halos(order, pixel) for pixel in pixels]
        assert [cone.count(order, pixel) for pixel in pixels] == [len(part["ra"]) for part in parts]
        assert sum(len(part["ra"]) for part in parts) == len(whole["ra"])
        for part in parts:
            hosted = part["host_in_catalog"]
            np.testing.assert_array_equal(part["halo_id"][part["host_row"]][hosted], part["host_halo_id"][hosted])
            assert part["is_central"][part["host_row"]][hosted].all()
            alone = np.flatnonzero(~hosted)
            np.testing.assert_array_equal(part["host_row"][alone], alone)


def test_the_area_of_the_sample_is_that_of_its_command_line(sample_path):
    cone = UniverseMachineLightcone(str(sample_path))
    assert cone.area(EVERYTHING) == pytest.approx(25.0 / 3600.0, rel=1e-5)
    circle = {"cone": {"ra": 0.0, "dec": 0.0, "radius": 0.03}}
    assert cone.area(circle) == pytest.approx(np.pi * 0.03**2, rel=3e-3)
    inside = sum(cone.count(6, pixel, circle) for pixel in cone.tiles(6, circle))
    assert 0.2 < inside / 4419 < 0.6


def test_it_is_known_by_its_first_line(tmp_path, sample_path):
    assert is_universemachine_lightcone(sample_path)
    other = tmp_path / "other.dat"
    other.write_text("#ID DescID Mass\n")
    assert not is_universemachine_lightcone(other)
    assert not is_universemachine_lightcone(tmp_path)


def test_a_small_file_is_read_in_our_units_and_frame(tmp_path):
    cone = write(tmp_path)
    rows = everything(cone)
    one = rows["halo_id"] == 10
    assert rows["y"][one] == pytest.approx(-0.5 / 0.678)
    assert rows["z"][one] == pytest.approx(-0.7 / 0.678)
    assert (rows["vx"][one], rows["vy"][one], rows["vz"][one]) == (100.0, -200.0, -300.0)
    assert rows["log10_halo_mass"][one] == pytest.approx(np.log10(1.5e12))
    assert cone.cosmology.Om0 == 0.307
    lost = rows["halo_id"] == 13
    assert not rows["host_in_catalog"][lost]
    assert rows["host_halo_id"][lost] == 99
    assert 52000000469980727 in rows["halo_id"]


def test_copies_of_a_halo_get_ids_of_their_own_and_keep_their_satellites(tmp_path):
    far = 0.98  # another replica of the box
    rows = [
        row(12, parent=10, redshift=far, y=0.6),
        row(10),
        row(12, parent=10, y=0.6),
        row(10, redshift=far),
        row(13, parent=14),
        row(14, redshift=far),
    ]
    cone = write(tmp_path, rows)
    assert cone.notes["repeated ids"] == 2
    found = everything(cone)
    assert len(np.unique(found["halo_id"])) == 6
    second = found["halo_id"] >= COPY_STEP
    assert (found["redshift"][second] > 0.95).all()
    np.testing.assert_array_equal(found["halo_id"][second] - COPY_STEP, found["simulation_halo_id"][second])
    satellite = found["simulation_halo_id"] == 12
    np.testing.assert_array_equal(found["host_halo_id"][satellite] - found["halo_id"][satellite], [-2, -2])
    # the only copy of 14 is a box away: the true host of 13 is outside
    lost = found["simulation_halo_id"] == 13
    assert not found["host_in_catalog"][lost]
    reversed_cone = write(tmp_path, rows[::-1])
    again = everything(reversed_cone)
    np.testing.assert_array_equal(np.sort(again["halo_id"]), np.sort(found["halo_id"]))


def with_word(position, word, at=1):
    rows = [list(words) for words in ROWS]
    rows[at][position] = word
    return {"rows": rows}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"header": HEADER.replace("#RA Dec", "#Ra Dec")}, "line 1: not the 34 column names"),
        ({"header": ""}, "line 1: not the 34 column names"),
        ({"header": HEADER.replace("#Cosmology", "#Cosmetics")}, "no header line '#Cosmology"),
        ({"header": HEADER.replace("Ol: 0.693", "Ol: 0.7")}, "flat"),
        ({"rows": [], "end": ""}, "no rows"),
        ({"rows": [*ROWS[:2], ROWS[2][:-1], ROWS[3]]}, "line 8: 33 columns instead of 34"),
        ({"rows": [*ROWS[:3], ROWS[3][:20]], "end": ""}, "truncated"),
        (with_word(10, "far"), "line 7: X = 'far' is not a finite number"),
        (with_word(5, "1e9"), "line 7: ID = '1e9' is not an integer"),
        (with_word(7, "99999999999999999999"), "line 7: UPID = .* is not an integer of 64 bits"),
        (with_word(18, "nan"), "line 7: MP = 'nan' is not a finite number"),
        (with_word(18, "0.0"), "line 7: MP = 0.0: a mass must be positive"),
        (with_word(3, "-0.900100"), r"line 7: Z\(cosmo\) = -0.9001: a redshift must be positive"),
        (with_word(3, "0.910000"), r"line 7: Z\(cosmo\) = 0.91: its distance in the cosmology"),
        (with_word(0, "0.015000"), "line 7: RA = 0.015: RA, Dec is not the direction"),
        (with_word(1, "0.020000"), "line 7: RA = .* is not the direction"),
    ],
)
def test_a_bad_file_is_refused_by_line_and_with_what_to_do(changes, message, tmp_path):
    cone = write(tmp_path, **changes)
    with pytest.raises(ValueError, match=message) as caught:
        cone.tiles(5, EVERYTHING)
    assert "cone.dat" in str(caught.value)


def scaled(words, factors):
    """A row with X, Y, Z multiplied."""
    return [
        *words[:10],
        *[f"{float(word) * factor:.6f}" for word, factor in zip(words[10:13], factors, strict=True)],
        *words[13:],
    ]


def test_positions_in_mpc_without_h_are_refused(tmp_path):
    rows = [scaled(words, [1.0 / 0.678] * 3) for words in ROWS]
    with pytest.raises(ValueError, match="are they in Mpc/h"):
        write(tmp_path, rows).tiles(5, EVERYTHING)


def test_a_mirrored_frame_is_refused(tmp_path):
    rows = [scaled(words, [1.0, -1.0, 1.0]) for words in ROWS]
    with pytest.raises(ValueError, match="axes those of the light cone"):
        write(tmp_path, rows).tiles(5, EVERYTHING)


def test_a_wrong_matter_density_is_refused(tmp_path):
    header = HEADER.replace("Om: 0.307; Ol: 0.693", "Om: 0.270; Ol: 0.730")
    with pytest.raises(ValueError, match=r"cosmology of the header \(Om = 0.27"):
        write(tmp_path, header=header).tiles(5, EVERYTHING)


def test_the_area_must_be_given_where_the_header_does_not_tell(tmp_path):
    cone = write(tmp_path, header=HEADER.replace("0.8 1.0 5.0 5.0 1", ""))
    with pytest.raises(ValueError, match="give sky_area"):
        cone.area(EVERYTHING)
    assert UniverseMachineLightcone(cone.path, sky_area=0.01).area(EVERYTHING) == 0.01
