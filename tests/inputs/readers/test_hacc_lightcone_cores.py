"""The reader of light cones of HACC cores: small files of a known answer, and each with one fault."""

import h5py
import numpy as np
import pytest
import yaml
from astropy.cosmology import FlatLambdaCDM

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.halos.gathered.stored import gather_in_memory
from diffsky_factory.halos.open import open_simulation
from diffsky_factory.inputs.entries import read_entry
from diffsky_factory.inputs.readers.hacc.lightcone_cores import HaccLightconeCores
from diffsky_factory.inputs.readers.hacc.patches import turned
from diffsky_factory.inputs.readers.open import DATA_PATH
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.sky import coordinates
from diffsky_factory.sky.regions import region

H = 0.6766
FLAT = FlatLambdaCDM(H0=100.0 * H, Om0=0.30964, Tcmb0=0.0)
COSMOLOGY = {"Om0": 0.30964, "h": H}
BIG = 2**53 + 1  # another number as float64
FIT = ("logm0", "logtc", "early_index", "late_index", "t_peak")
BESIDE = (*FIT, "loss", "n_points_per_fit", "mp_obs", "vx", "vy", "vz", "n_cf_match")
DECOMPOSITION = """index theta phi

0 [0.000000, 0.100000] [0.000000, 6.283185]
1 [0.100000, 0.200000] [0.000000, 3.141593]
7 [1.500000, 1.600000] [0.100000, 0.300000]
"""


def log10_mass_seen(fits, time, today):
    """Diffmah, written out: Hearin et al. 2021, Eqs. 1 to 4."""
    logm0, logtc, early, late, t_peak = fits.T
    log_time = np.log10(np.minimum(time, t_peak))
    index = early + (late - early) / (1.0 + np.exp(-3.5 * (log_time - logtc)))
    return logm0 + index * (log_time - np.log10(today))


def cores(groups=12, members=3, first_tag=BIG, seed=3, scale=(0.5, 0.7)) -> dict[str, np.ndarray]:
    """Columns of some host halos, each a central and its satellites; masses in Msun/h, as fits are."""
    rng, n = np.random.default_rng(seed), groups * members
    group = np.repeat(np.arange(groups), members)
    scale = rng.uniform(*scale, groups)[group]
    theta, phi = rng.uniform(1.5, 1.6, groups)[group], rng.uniform(0.1, 0.3, groups)[group]
    radius = FLAT.comoving_distance(1.0 / scale - 1.0).value * H
    position = radius * np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)])
    position += np.where(np.arange(n) % members, rng.normal(0.0, 0.3, (3, n)), 0.0)
    x, y, z = position
    row = np.arange(n)
    top = row - row % members
    tag = first_tag + 10 * row.astype(np.int64)
    fits = np.stack([rng.uniform(12, 13, n), np.full(n, 0.3), np.full(n, 2.5), np.full(n, 0.4), np.full(n, 14.0)], 1)
    time = FLAT.age(1.0 / scale - 1.0).value
    return {
        "core_tag": tag,
        "central": (row == top).astype(np.int32),
        **{"x": x, "y": y, "z": z},
        "theta": np.arccos(z / np.sqrt(x**2 + y**2 + z**2)),
        "phi": np.mod(np.arctan2(y, x), 2.0 * np.pi),
        "scale_factor": scale,
        "top_host_idx": top,
        "top_host_tag": tag[top],
        "secondary_top_host_idx": np.where(row == top + 2, top + 1, -1),
        **dict(zip(("vx", "vy", "vz"), rng.normal(0.0, 300.0, (3, n)), strict=True)),
        **dict(zip(FIT, fits.T, strict=True)),
        "loss": np.full(n, 0.01),
        "n_points_per_fit": np.full(n, 20),
        "mp_obs": 10.0 ** log10_mass_seen(fits, time, FLAT.age(0.0).value),
        "n_cf_match": np.full(n, 1),
    }


def index_of(columns, members=3, copy=5) -> dict[str, np.ndarray]:
    offset = np.arange(0, len(columns["core_tag"]), members)
    tag = 1000 + np.arange(len(offset), dtype=np.uint64)
    unique = (np.uint64(copy) << np.uint64(41)) + tag
    return {"offset": offset, "count": np.full(len(offset), members), "unique_id": unique}


def put(folder, columns=None, index="usual", beside=BESIDE, step=250, patch=7, decomposition=DECOMPOSITION):
    """One patch; `beside`: the columns that are in the file beside it, as older files have them."""
    columns = cores() if columns is None else columns
    index = index_of(cores()) if index == "usual" else index
    with h5py.File(folder / f"lc_cores-{step}.{patch}.hdf5", "w") as file:
        for name, values in columns.items():
            if name not in beside:
                kind = values.dtype if values.dtype.kind in "iu" else np.float64
                file.create_dataset(f"data/{name}", data=values.astype(kind), compression="gzip", shuffle=True)
        for name, values in (index or {}).items():
            file[f"index/{name}"] = values
    if beside:
        with h5py.File(folder / f"lc_cores-{step}.{patch}.diffsky_data.hdf5", "w") as file:
            for name in beside:
                if name in columns:
                    file[name] = columns[name]
    if decomposition:
        (folder / "lc_cores-decomposition.txt").write_text(decomposition)


def reader_of(folder, **entry) -> HaccLightconeCores:
    entry = SimulationEntry(**{"name": "small", "format": HaccLightconeCores.format, "cosmology": COSMOLOGY} | entry)
    return HaccLightconeCores(tuple(sorted(folder.glob("lc_cores-*"))), entry)


def write(folder, columns=None, index="usual", beside=BESIDE, decomposition=DECOMPOSITION, **entry):
    put(folder, columns, index, beside, decomposition=decomposition)
    return reader_of(folder, **entry)


def everything(reader):
    parts = [reader.read(piece) for piece in reader.pieces()]
    assert all(list(part.columns) == list(reader.columns) for part in parts)
    return {name: np.concatenate([part.columns[name] for part in parts]) for name in reader.columns}


def dropped(reader):
    (piece,) = reader.pieces()
    return reader.read(piece).dropped


@pytest.mark.parametrize("beside", [BESIDE, ()], ids=["older files", "newer files"])
def test_a_small_file_is_read_in_our_units(beside, tmp_path):
    given = cores()
    reader = write(tmp_path, given, beside=beside)
    rows = everything(reader)
    for name, kind in reader.columns.items():
        assert rows[name].dtype == kind, name
    np.testing.assert_array_equal(rows["simulation_halo_id"], given["core_tag"])
    np.testing.assert_array_equal(rows["simulation_host_halo_id"], np.repeat(given["core_tag"][::3], 3))
    assert rows["simulation_halo_id"][0] == 2**53 + 1
    first = rows["simulation_penultimate_host_halo_id"].reshape(-1, 3)
    tag = given["core_tag"].reshape(-1, 3)
    np.testing.assert_array_equal(first, np.stack([tag[:, 0], tag[:, 0], tag[:, 1]], axis=-1))
    np.testing.assert_array_equal(rows["replica"], 5)
    for axis in "xyz":
        np.testing.assert_allclose(rows[axis], given[axis] / H, rtol=1e-12)
        np.testing.assert_allclose(rows[f"v{axis}"], given[f"v{axis}"] * given["scale_factor"], rtol=1e-12)
    np.testing.assert_allclose(rows["redshift"], 1.0 / given["scale_factor"] - 1.0, rtol=1e-12)
    np.testing.assert_allclose(rows["log10_halo_mass"], np.log10(given["mp_obs"] / H), rtol=1e-12)
    np.testing.assert_allclose(rows["fitted_mah_parameters"][:, 0], given["logm0"] - np.log10(H), rtol=1e-12)
    np.testing.assert_allclose(rows["fitted_mah_parameters"][:, 4], 14.0)
    assert rows["has_mah_fit"].all()
    assert reader.geometry == "lightcone"


def test_histories_without_a_good_fit_have_the_defaults(tmp_path):
    given = cores()
    given["n_points_per_fit"][:2] = 4, 5
    given["loss"][2:5] = 0.0, 0.041, -99.0  # 0.2 dex are good enough
    given["logm0"][5] = -99.0
    rows = everything(write(tmp_path, given))
    np.testing.assert_array_equal(rows["has_mah_fit"][:7], [False, True, False, False, False, False, True])
    np.testing.assert_allclose(rows["fitted_mah_parameters"][5], [12.0, 0.05, 2.6137643, 0.12692805, 14.0])


def test_fits_in_another_unit_than_the_entry_says_are_refused(tmp_path):
    given = cores()
    given["logm0"] -= np.log10(H)
    with pytest.raises(ValueError, match=r"fits of growth are \+0.170 dex off .* mah_fits, Msun/h or Msun"):
        everything(write(tmp_path, given))
    rows = everything(write(tmp_path, given, options={"mah_fits": "Msun"}))
    np.testing.assert_allclose(rows["fitted_mah_parameters"][:, 0], given["logm0"], rtol=1e-12)


def test_any_pieces_give_the_same_cores_also_where_hosts_lie_in_another(tmp_path, monkeypatch):
    given = cores()
    given["top_host_idx"][20], given["top_host_tag"][20] = 0, given["core_tag"][0]
    reader = write(tmp_path, given)
    whole = everything(reader)
    monkeypatch.setattr(HaccLightconeCores, "rows_of_piece", 10)
    assert len(reader.pieces()) == 4
    again = everything(reader)
    for name, values in whole.items():
        np.testing.assert_array_equal(again[name], values)


def test_without_an_index_rows_are_read_and_no_copy_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(HaccLightconeCores, "rows_of_piece", 10)
    reader = write(tmp_path, index=None)
    assert "replica" not in reader.columns
    np.testing.assert_array_equal(everything(reader)["simulation_halo_id"], cores()["core_tag"])


def test_cores_that_cannot_be_used_are_counted(tmp_path):
    given = cores()
    for name in BESIDE:
        given[name][1] = 0  # not matched: all zero
    given["n_cf_match"][2] = 2
    for name in ("vx", "vy", "vz"):
        given[name][3] = 0.0
    given["top_host_idx"][4:6], given["top_host_tag"][4:6] = -1, (777, -1)
    given["top_host_idx"][6], given["top_host_tag"][6] = -1, -1
    reader = write(tmp_path, given)
    rows = everything(reader)
    assert dropped(reader) == {
        "not matched in the core forest": 2,
        "without a velocity": 1,
        "satellites without a known host": 1,
    }
    at = {tag: row for row, tag in enumerate(rows["simulation_halo_id"].tolist())}
    assert rows["simulation_host_halo_id"][at[given["core_tag"][4]]] == 777
    assert rows["simulation_host_halo_id"][at[given["core_tag"][6]]] == given["core_tag"][6]  # a central
    assert all(np.isfinite(values).all() for values in rows.values())


def test_an_older_phi_that_is_turned_by_half_a_circle_changes_nothing(tmp_path):
    given = cores()
    expected = everything(write(tmp_path, given))
    given["phi"] = np.mod(given["phi"] + np.pi, 2.0 * np.pi)
    for name, values in everything(write(tmp_path, given)).items():
        np.testing.assert_array_equal(values, expected[name])


TURNED = DECOMPOSITION.replace("[0.100000, 0.300000]", "[3.241593, 3.441593]")


@pytest.mark.parametrize("decomposition", [DECOMPOSITION, TURNED], ids=["as it is", "turned by half a circle"])
def test_the_footprint_is_where_the_positions_are(decomposition, tmp_path):
    reader = write(tmp_path, decomposition=decomposition)
    (patch,) = gather_in_memory(reader).attributes["footprint"]
    low, high = patch["rectangle"]["ra"]
    np.testing.assert_allclose([low, high], np.rad2deg([0.1, 0.3]), atol=1e-4)
    rows = everything(reader)
    ra, dec, _ = coordinates.sky(np.stack([rows[axis] for axis in "xyz"], axis=-1))
    hosts = rows["simulation_halo_id"] == rows["simulation_host_halo_id"]
    assert region(patch).inside(ra, dec)[hosts].all()


def test_a_patch_that_crosses_the_meridian_is_turned_as_others_are():
    patch = {"rectangle": {"ra": [170.0, 190.0], "dec": [0.0, 5.0]}}
    opposite = region(turned(patch))
    np.testing.assert_array_equal(
        opposite.inside(np.array([355.0, 5.0, 180.0, 15.0]), np.full(4, 2.0)), [True, True, False, False]
    )
    half = {"rectangle": {"ra": [0.0, 180.0], "dec": [0.0, 5.0]}}
    np.testing.assert_array_equal(region(turned(half)).inside(np.array([90.0, 270.0]), np.full(2, 2.0)), [False, True])
    assert turned({"rectangle": {"ra": [0.0, 360.0], "dec": [80.0, 90.0]}})["rectangle"]["ra"] == [0.0, 360.0]


def test_the_area_is_that_of_the_patches_once_each(tmp_path):
    for step in (250, 260):
        for patch in (0, 7):
            put(tmp_path, step=step, patch=patch)
    reader = reader_of(tmp_path)
    expected = 2.0 * np.pi * (1.0 - np.cos(0.1)) + 0.2 * (np.cos(1.5) - np.cos(1.6))
    found = sum(region(part).area for part in reader.footprint)
    assert found == pytest.approx(np.rad2deg(np.rad2deg(expected)), rel=1e-6)
    assert len(reader.pieces()) == 4
    assert len(everything(reader)["x"]) == 4 * 36
    (tmp_path / "lc_cores-decomposition.txt").unlink()
    assert reader_of(tmp_path).footprint is None
    (tmp_path / "lc_cores-250.0.hdf5").unlink()
    with pytest.raises(
        ValueError, match=r"lc_cores-250.0.hdf5: there is no such file, though other steps have patch 0"
    ):
        reader_of(tmp_path)


STEPS = {200: 0.45, 250: 0.5, 260: 0.7, 270: 0.8}


def stepped(folder, there, **entry):
    """A light cone of 400 cores in each of some shells, and the path of its entry."""
    for step in there:
        low, high = STEPS[step], STEPS[sorted(STEPS)[sorted(STEPS).index(step) + 1]]
        given = cores(400, 1, first_tag=1000 * step, seed=step, scale=(low, high))
        put(folder, given, index=None, beside=(), step=step)
    known = {"title": "t", "format": HaccLightconeCores.format, "files": ["lc_cores-*"], "cosmology": COSMOLOGY}
    path = folder / "entry.yaml"
    path.write_text(yaml.safe_dump(known | entry))
    return path


def test_a_step_of_the_entry_without_files_is_refused_unless_the_redshifts_do_not_need_it(tmp_path):
    entry = stepped(tmp_path, (200, 260), steps=STEPS)
    hole = r"lacks shells: step 250, lc_cores-250.\*.hdf5 \(redshift 0.4286 to 1\)"
    for redshift in (None, (0.3, 0.5), (0.9, 1.1)):
        with pytest.raises(InputError, match=hole):
            open_simulation(entry, redshift=redshift)
        with pytest.raises(InputError, match=hole):
            dff.ingest(entry, tmp_path / "refused.zarr", redshift=redshift)
    assert not list(tmp_path.glob("refused*"))
    near = open_simulation(entry, redshift=(0.25, 0.42))
    assert near.attributes["missing_shells"] == {"step 250, lc_cores-250.*.hdf5": [1.0 / 0.7 - 1.0, 1.0]}


@pytest.mark.parametrize("name", ["last_journey_cores", "discovery_lcdm_cores", "discovery_w0wa_cores"])
def test_entries_of_the_project_list_the_steps_of_their_simulation(name):
    entry, _ = read_entry("simulations", name, SimulationEntry)
    assert (len(entry.steps), min(entry.steps), max(entry.steps)) == (101, 42, 499)
    for step, scale in entry.steps.items():
        assert scale == pytest.approx((1.0 + 0.4 * (step + 1)) / 201.0, abs=1e-6)


def test_last_journey_without_one_of_its_steps_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_PATH, str(tmp_path))
    for step, scale in ((464, (0.93035, 0.95223)), (487, (0.97612, 0.99999))):
        put(tmp_path, cores(400, 1, 1000 * step, step, scale), index=None, beside=(), step=step)
    with pytest.raises(InputError, match=r"lacks shells: step 475, lc_cores-475.* \(redshift 0.02447 to 0.05016\)"):
        open_simulation("last_journey_cores", redshift=(0.0, 0.06))
    assert open_simulation("last_journey_cores", redshift=(0.0, 0.02)).redshift_range[1] <= 0.02


def test_a_store_of_a_light_cone_with_a_hole_is_good_for_redshifts_that_do_not_need_it(tmp_path):
    dff.ingest(stepped(tmp_path, (200, 260), steps=STEPS), tmp_path / "near.zarr", redshift=(0.25, 0.42))
    assert open_simulation(tmp_path / "near.zarr", redshift=(1.0, 1.2)).redshift_range[0] >= 1.0
    with pytest.raises(InputError, match="lacks shells: step 250"):
        open_simulation(tmp_path / "near.zarr", redshift=None)


def test_a_step_that_is_missing_between_others_shows_where_the_entry_lists_none(tmp_path):
    entry = stepped(tmp_path, (200, 260))
    with pytest.raises(InputError, match=r"lacks shells: between .*lc_cores-260.7.hdf5 and .*lc_cores-200.7.hdf5"):
        open_simulation(entry)
    open_simulation(entry, redshift=(0.25, 0.42))
    open_simulation(stepped(tmp_path, (200, 260), gaps=True))
    whole = open_simulation(stepped(tmp_path, (200, 250, 260)))
    assert "missing_shells" not in whole.attributes


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({200: 0.45, 260: 0.7, 270: 0.8}, r"lc_cores-250.7.hdf5: step 250 is not among the steps of the entry"),
        ({200: 0.5, 250: 0.45, 260: 0.7, 270: 0.8}, r"entry 'entry', steps: scale factors .* are to ascend"),
    ],
)
def test_steps_of_the_entry_that_cannot_be_those_of_the_files_are_refused(steps, message, tmp_path):
    with pytest.raises(InputError, match=message):
        open_simulation(stepped(tmp_path, (250,), steps=steps))


def test_it_is_known_by_its_name(tmp_path):
    write(tmp_path)
    assert HaccLightconeCores.recognises(tmp_path / "lc_cores-250.7.hdf5")
    assert not HaccLightconeCores.recognises(tmp_path / "lc_cores-250.7.diffsky_data.hdf5")
    (tmp_path / "lc_cores-250.8.hdf5").write_text("no HDF5")
    assert not HaccLightconeCores.recognises(tmp_path / "lc_cores-250.8.hdf5")
    assert not HaccLightconeCores.recognises(tmp_path)


def changed(name, values, rows=...) -> dict:
    given = cores()
    given[name] = given[name].astype(np.result_type(given[name], np.asarray(values).dtype))
    given[name][rows] = values
    return {"columns": given}


def without(name) -> dict:
    return {"columns": {key: values for key, values in cores().items() if key != name}}


def scaled(factor) -> dict:
    given = cores()
    return {"columns": {**given, **{axis: given[axis] * factor for axis in "xyz"}}}


def shorter(name) -> dict:
    given = cores()
    return {"columns": {**given, name: given[name][:-1]}}


def indexed(**changes) -> dict:
    return {"index": index_of(cores()) | changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cosmology": {}}, "do not say the cosmology; give Om0 and h"),
        (
            {"cosmology": {"Om0": 0.25, "h": H}},
            "positions are 0.9.* times as far as their redshifts say with Om0 = 0.25",
        ),
        (scaled(1.0 / H), "positions are 1.478 times as far"),
        (scaled(np.array(-1.0)), "the angles are not the directions of the positions"),
        ({"options": {"fits": "Msun"}}, "no field 'fits'"),
        ({"options": {"mah_fits": "kg"}}, "'kg' is none of Msun/h, Msun"),
        ({"decomposition": DECOMPOSITION.replace("7 [", "8 [")}, "no line of patch 7"),
        ({"decomposition": DECOMPOSITION.replace("1.600000", "north")}, "line 5: not '<patch> "),
        (without("core_tag"), "no column /data/core_tag"),
        (without("top_host_idx"), "no column /data/top_host_idx; did you mean"),
        (without("logm0"), "no column /data/logm0"),
        (without("x"), "no column /data/x"),
        (shorter("y"), "column /data/y has 35 rows where others have 36"),
        (shorter("mp_obs"), "column /mp_obs has 35 rows where others have 36"),
        (changed("core_tag", 1.0), "core_tag is float64: ids and links are integers"),
        (changed("core_tag", -1, 3), "row 3: core_tag = -1: an id is not negative"),
        (changed("top_host_idx", 36, 3), "row 3: top_host_idx = 36: neither -1 nor one of the 36 rows"),
        (changed("top_host_idx", 6, 4), "row 4: top_host_tag = .* not the core in row top_host_idx"),
        (changed("scale_factor", 1.5, 2), "row 2: scale_factor = 1.5"),
        (changed("x", np.nan, 2), "row 2: x, y, z = .* not finite"),
        (changed("theta", 0.3, 2), "first in row 2 of this part"),
        (indexed(offset=np.arange(0, 36, 3) + 1), "do not follow each other from row 0 to row 36"),
        (indexed(count=np.full(12, 2)), "do not follow each other"),
        (indexed(count=np.full(11, 3)), "column /index/count has 11 rows where others have 12"),
    ],
)
def test_a_bad_file_or_entry_is_refused_with_what_to_do(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        everything(write(tmp_path, **changes))
    assert "lc_cores-" in str(caught.value) or "entry 'small'" in str(caught.value)


def test_a_column_of_text_a_cut_file_and_an_absent_one_are_refused(tmp_path):
    reader = write(tmp_path)
    path = tmp_path / "lc_cores-250.7.hdf5"
    with h5py.File(path, "a") as file:
        del file["data/x"]
        file["data/x"] = np.array([b"far"] * 36)
    with pytest.raises(ValueError, match=r"column /data/x is \|S3, not numbers"):
        everything(reader)
    write(tmp_path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ValueError, match=r"cannot be read as HDF5.*is the file complete"):
        everything(reader)
    write(tmp_path)
    (tmp_path / "lc_cores-250.7.diffsky_data.hdf5").unlink()
    with pytest.raises(ValueError, match=r"no column logm0, and no lc_cores-250.7.diffsky_data.hdf5 beside it"):
        reader_of(tmp_path)
    (tmp_path / "lc_cores-notes.txt").write_text("")
    with pytest.raises(ValueError, match=r"notes.txt: no file of a light cone of cores"):
        reader_of(tmp_path)
