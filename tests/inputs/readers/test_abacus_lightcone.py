"""The reader of AbacusSummit halo light cones: a real excerpt against the raw file, and small files with one fault."""

import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.abacus.lightcone import AbacusLightcone
from diffsky_factory.inputs.readers.reader import REQUIRED
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.sky.cosmology import redshift_at_distance_64
from tests.inputs.readers.abacus_files import changed, cone_columns, truncated, without, write_box, write_cone
from tests.reference import reference

asdf = pytest.importorskip("asdf", reason="NOT TESTED: no asdf; pip install 'diffsky_factory[sims]'")
pytest.importorskip("abacusnbody", reason="NOT TESTED: no abacusutils; pip install 'diffsky_factory[sims]'")


def opened(*files, **fields):
    return AbacusLightcone(tuple(files), SimulationEntry(name="toy", format=AbacusLightcone.format, **fields))


def everything(cone):
    parts = [cone.read(piece).columns for piece in cone.pieces()]
    return {name: np.concatenate([part[name] for part in parts]) for name in cone.columns}


@pytest.fixture(scope="module")
def sample():
    return reference("sims", "abacus_lc", "AbacusSummit_base_c000_ph001-abridged", "z2.250", "lc_halo_info.asdf")


@pytest.fixture(scope="module")
def raw(sample):
    with asdf.open(sample) as file:
        return {name: np.array(file["data"][name]) for name in file["data"]}


def test_the_sample_is_read_in_our_units(sample, raw):
    cone = opened(sample)
    rows = everything(cone)
    assert cone.geometry == "lightcone"
    assert set(cone.columns) == {*REQUIRED, "replica"}
    there = raw["N_interp"] > 0
    assert len(rows["x"]) == there.sum() == 43
    assert cone.read(cone.pieces()[0]).dropped == {"no particles at the crossing": 7}
    np.testing.assert_array_equal(rows["simulation_halo_id"], raw["haloindex"][there].astype(np.int64))
    np.testing.assert_allclose(10.0 ** rows["log10_halo_mass"], raw["N_interp"][there] * 2109081520.453063 / 0.6736)
    assert (rows["replica"] == 2).all()


def test_positions_of_the_sample_have_the_distances_of_its_redshifts(sample, raw):
    cone = opened(sample)
    rows = everything(cone)
    radius = np.sqrt(rows["x"] ** 2 + rows["y"] ** 2 + rows["z"] ** 2)
    redshift = redshift_at_distance_64(cone.cosmology, radius)
    np.testing.assert_allclose(redshift, raw["redshift_interp"][raw["N_interp"] > 0], atol=3e-4)


def test_positions_are_means_of_particles_where_there_are_any(sample, raw):
    rows = everything(opened(sample))
    for row, i in enumerate(np.flatnonzero(raw["N_interp"])):
        mean = raw["pos_avg"][i].any()
        position = [float(x) + 990.0 for x in raw["pos_avg" if mean else "pos_interp"][i]]
        velocity = [float(v) for v in raw["vel_avg" if mean else "vel_interp"][i]]
        np.testing.assert_allclose([rows[name][row] * 0.6736 for name in "xyz"], position, atol=1e-9)
        np.testing.assert_array_equal([rows[name][row] for name in ("vx", "vy", "vz")], velocity)


def test_a_small_cone_is_read_in_our_units(tmp_path):
    cone = opened(write_cone(tmp_path))
    rows = everything(cone)
    assert {name: values.dtype.type for name, values in rows.items()} == dict(cone.columns)
    np.testing.assert_allclose(rows["x"], [294.02 / 0.8, 0.0], rtol=1e-6)
    np.testing.assert_allclose(rows["y"], [0.0, 294.12 / 0.8], rtol=1e-6)
    np.testing.assert_array_equal(rows["vx"], [100.0, 4.0])
    np.testing.assert_array_equal(rows["replica"], [0, 1])
    np.testing.assert_array_equal(rows["simulation_halo_id"], [7_000_000_000_011, 7_000_000_000_013])
    np.testing.assert_allclose(rows["log10_halo_mass"], np.log10([5e11, 7e11]))
    assert cone.attributes["box_size"] == 25.0
    assert cone.attributes["satellites"] == "none"


def test_slices_of_one_cone_are_read_together(tmp_path):
    flow = 2000.0 * np.sqrt(0.25 * 1.1**3 + 0.75) / 1.1
    later = write_cone(tmp_path / "later")
    columns = {**cone_columns(), "haloindex": cone_columns()["haloindex"] - np.uint64(10**12)}
    earlier = write_cone(tmp_path / "earlier", columns, Redshift=0.1, VelZSpace_to_kms=flow)
    rows = everything(opened(later, earlier))
    assert len(np.unique(rows["simulation_halo_id"])) == 4


def test_the_sample_is_read_as_abacusutils_reads_it(sample):
    from abacusnbody.data.compaso_halo_catalog import CompaSOHaloCatalog

    fields = ["N_interp", "pos_interp", "vel_interp", "origin"]
    halos = CompaSOHaloCatalog(sample, fields=fields, halo_lc=True).halos
    halos = halos[halos["N_interp"] > 0]
    rows = everything(opened(sample))
    for i, axis in enumerate("xyz"):
        np.testing.assert_allclose(rows[axis] * 0.6736 - 990.0, halos["pos_interp"][:, i], atol=1e-9)
        np.testing.assert_array_equal(rows[f"v{axis}"], halos["vel_interp"][:, i])
    np.testing.assert_array_equal(rows["replica"], halos["origin"])


def test_it_is_known_by_what_is_in_the_file(sample, tmp_path):
    assert AbacusLightcone.recognises(sample)
    assert AbacusLightcone.recognises(write_cone(tmp_path))
    assert not AbacusLightcone.recognises(write_box(tmp_path))
    assert not AbacusLightcone.recognises(tmp_path / "absent")


@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_the_sample_cut_short_is_refused(share, sample, tmp_path):
    path = tmp_path / "lc_halo_info.asdf"
    path.write_bytes(sample.read_bytes())
    with pytest.raises(InputError, match=r"lc_halo_info\.asdf"):
        everything(opened(truncated(path, share)))


@pytest.mark.parametrize(
    ("columns", "header", "message"),
    [
        (without(cone_columns(), "vel_avg"), {}, "no column vel_avg"),
        (changed(cone_columns(), "pos_avg", 2, np.nan), {}, "pos_avg of row 2 is not finite"),
        (changed(cone_columns(), "redshift_interp", 0, 0.2), {}, "are pos_interp Mpc/h"),
        (changed(cone_columns(), "pos_interp", 0, [362.5, -5.0, -5.0]), {}, "are pos_interp Mpc/h"),  # Mpc
        (changed(cone_columns(), "haloindex", 0, 2**63), {}, "does not fit into 63 bits"),
        (None, {"LightConeOrigins": None}, "no LightConeOrigins"),
        (None, {"LightConeOrigins": [0.0, 0.0, 25.0]}, "are pos_interp Mpc/h"),
        (None, {"Omega_M": 0.35, "Omega_DE": 0.65}, "are pos_interp Mpc/h"),
        (None, {"H0": 70.0}, "BoxSizeMpc"),
    ],
)
def test_a_bad_file_is_refused_with_what_to_do(columns, header, message, tmp_path):
    path = write_cone(tmp_path, columns, **header)
    with pytest.raises(InputError, match=message) as caught:
        everything(opened(path))
    assert "lc_halo_info.asdf" in str(caught.value)


def test_entries_that_contradict_the_files_are_refused(tmp_path):
    path = write_cone(tmp_path)
    with pytest.raises(InputError, match=r"has h = 0\.8"):
        opened(path, cosmology={"h": 0.7}).pieces()
    with pytest.raises(InputError, match="no field 'cleaned'"):
        opened(path, options={"cleaned": False}).pieces()
    other = write_cone(tmp_path / "other", LightConeOrigins=[0.0, 0.0, 0.0])
    with pytest.raises(InputError, match="give files of one cone"):
        opened(path, other).pieces()
