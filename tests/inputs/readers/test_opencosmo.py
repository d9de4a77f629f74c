"""The reader of OpenCosmo files: small files of a known answer, and each with one fault."""

import h5py
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common.shells import check_shells
from diffsky_factory.inputs.readers.opencosmo.halos import OpenCosmo
from diffsky_factory.inputs.readers.opencosmo.units import factor
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry

H = 0.6766
FLAT = FlatLambdaCDM(H0=100.0 * H, Om0=0.30964, Tcmb0=0.0)
BIG = 2**53 + 1  # another number as float64
FIT = ("logm0", "logtc", "early_index", "late_index", "t_peak")
HALO_UNITS = {
    **{f"fof_halo_center_{axis}": "comoving Mpc/h" for axis in "xyz"},
    **{f"fof_halo_com_v{axis}": "comoving km/s" for axis in "xyz"},
    "fof_halo_mass": "Msun/h",
    "sod_halo_mass": "Msun / littleh",
}
GALAXY_UNITS = {
    **dict.fromkeys("xyz", "Mpc"),
    **dict.fromkeys(("vx", "vy", "vz"), "km / s"),
    **dict.fromkeys(("ra", "dec"), "deg"),
    "logmp_obs": "dex(solMass)",
}


def sky_of(n, seed=5):
    """Redshifts, and positions [Mpc] at their distance in one patch of the sky."""
    rng = np.random.default_rng(seed)
    redshift, theta, phi = rng.uniform(0.4, 0.6, n), rng.uniform(1.0, 1.1, n), rng.uniform(3.0, 3.2, n)
    radius = FLAT.comoving_distance(redshift).value
    x, y, z = radius * np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)])
    return redshift, {"x": x, "y": y, "z": z, "ra": np.rad2deg(phi), "dec": 90.0 - np.rad2deg(theta)}


def halos(n=40, lightcone=False) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    columns = {
        "fof_halo_tag": BIG + 10 * np.arange(n),
        **{f"fof_halo_center_{axis}": rng.uniform(0.0, 64.0, n) for axis in "xyz"},
        **{f"fof_halo_com_v{axis}": rng.normal(0.0, 300.0, n) for axis in "xyz"},
        "fof_halo_mass": rng.uniform(1e12, 1e13, n),
        "sod_halo_mass": np.where(np.arange(n) % 10 == 3, -101.0, 5e11),
    }
    if lightcone:
        redshift, sky = sky_of(n)
        columns |= {f"fof_halo_center_{axis}": sky[axis] * H for axis in "xyz"}
        columns |= {"redshift": redshift, "replication": np.arange(n) % 3}
    return columns


def galaxies(n=42) -> dict[str, np.ndarray]:
    """Hosts are every third row; the last of each three knows an earlier host."""
    rng, row = np.random.default_rng(2), np.arange(n)
    redshift, sky = sky_of(n)
    fits = np.stack([rng.uniform(12, 13, n), np.full(n, 0.3), np.full(n, 2.5), np.full(n, 0.4), np.full(n, 14.0)])
    log_time, log_today = np.log10(FLAT.age(redshift).value), np.log10(FLAT.age(0.0).value)
    index = 2.5 + (0.4 - 2.5) / (1.0 + np.exp(-3.5 * (log_time - 0.3)))  # Hearin et al. 2021, Eqs. 1 to 4
    return {
        "gal_id": BIG + 10 * row,
        "core_tag": np.full(n, -1),
        "central": (row % 3 == 0).astype(np.int32),
        "top_host_idx": row - row % 3,
        "secondary_top_host_idx": np.where(row % 3 == 2, row - 1, -1),
        "redshift_true": redshift,
        **sky,
        **dict(zip(("vx", "vy", "vz"), rng.normal(0.0, 300.0, (3, n)), strict=True)),
        **dict(zip(FIT, fits, strict=True)),
        "logmp_obs": fits[0] + index * (log_time - log_today),
        "has_diffmah_fit": (row != 4).astype(np.int32),
    }


def put(group, columns, kind="halo_properties", units=None, lightcone=False, header=True, sizes=(8, 0, 32), **changes):
    """One dataset with its index and header."""
    units = HALO_UNITS if units is None else units
    for name, values in columns.items():
        column = group.create_dataset(f"data/{name}", data=values)
        if name in units:
            column.attrs["unit"] = units[name]
        column.attrs["description"] = ""
    if sizes:
        group["index/level_0/start"], group["index/level_0/size"] = [0], [sum(sizes)]
        group["index/level_1/start"] = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        group["index/level_1/size"] = sizes
        group["index"].attrs["index_type"] = "octtree"
    if header:
        put_header(group, kind, lightcone, **changes)


def put_header(group, kind, lightcone, convention="scalefree", redshift=0.5, cosmology=(), box=64.0):
    file = group.create_group("header/file").attrs
    file.update({"origin": "HACC", "data_type": kind, "is_lightcone": lightcone, "unit_convention": convention})
    file["redshift"] = "" if lightcone else redshift
    values = {
        "h": H,
        "omega_m": 0.30964,
        "omega_l": 0.69036,
        "omega_b": 0.04897,
        "w_0": -1.0,
        "w_a": 0.0,
        "n_s": 0.9665,
    }
    group.create_group("header/simulation/cosmology").attrs.update({**values, **dict(cosmology)})
    group.create_group("header/simulation/parameters").attrs["box_size"] = box
    if lightcone:
        group.create_group("header/lightcone").attrs["z_range"] = [0.4, 0.6]


def reader_of(*paths, **entry) -> OpenCosmo:
    return OpenCosmo(paths, SimulationEntry(**{"name": "small", "format": OpenCosmo.format} | entry))


def halo_file(folder, columns=None, entry=(), **changes) -> OpenCosmo:
    path = folder / "halos.hdf5"
    with h5py.File(path, "w") as file:
        put(file, halos() if columns is None else columns, **changes)
    return reader_of(path, **dict(entry))


def cone_file(folder, columns=None, **changes) -> OpenCosmo:
    return halo_file(folder, halos(lightcone=True) if columns is None else columns, lightcone=True, **changes)


def galaxy_file(folder, columns=None, entry=(), **changes) -> OpenCosmo:
    path = folder / "galaxies.hdf5"
    usual = {"kind": "synthetic_galaxies", "units": GALAXY_UNITS, "lightcone": True, "convention": "comoving"}
    with h5py.File(path, "w") as file:
        put(file, galaxies() if columns is None else columns, **{**usual, "sizes": (12, 30), **changes})
    return reader_of(path, **dict(entry))


def everything(reader):
    parts = [reader.read(piece) for piece in reader.pieces()]
    assert all(list(part.columns) == list(reader.columns) for part in parts)
    rows = {name: np.concatenate([part.columns[name] for part in parts]) for name in reader.columns}
    for name, kind in reader.columns.items():
        assert rows[name].dtype == kind, name
    return rows


def test_halos_of_a_box_are_read_in_our_units(tmp_path):
    given, reader = halos(), halo_file(tmp_path)
    rows = everything(reader)
    np.testing.assert_array_equal(rows["simulation_halo_id"], given["fof_halo_tag"])
    np.testing.assert_array_equal(rows["simulation_host_halo_id"], given["fof_halo_tag"])
    assert rows["simulation_halo_id"][0] == 2**53 + 1
    for axis in "xyz":
        np.testing.assert_allclose(rows[axis], given[f"fof_halo_center_{axis}"] / H, rtol=1e-12)
        np.testing.assert_allclose(rows[f"v{axis}"], given[f"fof_halo_com_v{axis}"] / 1.5, rtol=1e-12)
    np.testing.assert_allclose(rows["log10_halo_mass"], np.log10(given["fof_halo_mass"] / H), rtol=1e-12)
    assert reader.geometry == "box"
    assert reader.attributes["box_size"] == pytest.approx(64.0 / H)
    assert reader.attributes["redshift"] == 0.5
    assert (reader.cosmology.Om0, reader.cosmology.h, reader.cosmology.ns) == (0.30964, H, 0.9665)


def test_velocities_are_multiplied_by_a_only_where_their_unit_says_comoving(tmp_path):
    units = {name: unit.replace("comoving km/s", "km / s") for name, unit in HALO_UNITS.items()}
    rows = everything(halo_file(tmp_path, units=units))
    np.testing.assert_allclose(rows["vx"], halos()["fof_halo_com_vx"], rtol=1e-12)


def test_physical_lengths_become_comoving(tmp_path):
    units = {name: unit.replace("comoving Mpc/h", "Mpc").replace("Msun/h", "Msun") for name, unit in HALO_UNITS.items()}
    columns = {name: values / 1.5 if "center" in name else values for name, values in halos().items()}
    rows = everything(halo_file(tmp_path, columns, units=units, convention="physical"))
    np.testing.assert_allclose(rows["y"], halos()["fof_halo_center_y"], rtol=1e-12)


def test_another_mass_can_be_chosen_and_halos_without_it_are_counted(tmp_path):
    reader = halo_file(tmp_path, entry={"columns": {"log10_halo_mass": "sod_halo_mass"}})
    rows = everything(reader)
    np.testing.assert_allclose(rows["log10_halo_mass"], np.log10(5e11 / H))
    assert sum(reader.read(piece).dropped["without a mass"] for piece in reader.pieces()) == 4
    assert reader.attributes["mass_definition"] == "sod_halo_mass of HACC"


def test_halos_of_a_light_cone_have_redshift_and_replica(tmp_path):
    given, reader = halos(lightcone=True), cone_file(tmp_path)
    rows = everything(reader)
    np.testing.assert_array_equal(rows["redshift"], given["redshift"])
    np.testing.assert_array_equal(rows["replica"], given["replication"])
    np.testing.assert_allclose(rows["vz"], given["fof_halo_com_vz"] / (1.0 + given["redshift"]), rtol=1e-12)
    assert reader.geometry == "lightcone"
    assert reader.attributes["redshift_range"] == (0.4, 0.6)
    del given["redshift"]
    given["fof_halo_center_a"] = 1.0 / (1.0 + rows["redshift"])
    np.testing.assert_allclose(everything(cone_file(tmp_path, given))["redshift"], rows["redshift"], rtol=1e-12)


@pytest.mark.parametrize("kind", ["synthetic_galaxies", "diffsky_fits"])
def test_galaxies_are_read_with_hosts_and_growth(kind, tmp_path):
    given, reader = galaxies(), galaxy_file(tmp_path, kind=kind)
    rows = everything(reader)
    ids = given["gal_id"].reshape(-1, 3)
    np.testing.assert_array_equal(rows["simulation_halo_id"], given["gal_id"])
    np.testing.assert_array_equal(rows["simulation_host_halo_id"], np.repeat(ids[:, 0], 3))
    first = rows["simulation_penultimate_host_halo_id"].reshape(-1, 3)
    np.testing.assert_array_equal(first, np.stack([ids[:, 0], ids[:, 0], ids[:, 1]], axis=-1))
    for name in ("x", "y", "z", "vx", "vy", "vz"):
        np.testing.assert_allclose(rows[name], given[name], rtol=1e-12)
    np.testing.assert_array_equal(rows["log10_halo_mass"], given["logmp_obs"])
    assert np.flatnonzero(~rows["has_mah_fit"]).tolist() == [4]
    np.testing.assert_array_equal(rows["fitted_mah_parameters"][3], [given[name][3] for name in FIT])
    np.testing.assert_allclose(rows["fitted_mah_parameters"][4], [12.0, 0.05, 2.6137643, 0.12692805, 14.0])


def test_ids_are_made_where_there_are_none_and_hosts_keep_theirs(tmp_path, monkeypatch):
    given = galaxies()
    del given["gal_id"]
    given["top_host_idx"][40] = 0  # in another piece
    monkeypatch.setattr(OpenCosmo, "rows_of_piece", 12)
    rows = everything(galaxy_file(tmp_path, given))
    np.testing.assert_array_equal(rows["simulation_halo_id"], np.arange(42))
    np.testing.assert_array_equal(rows["simulation_host_halo_id"], given["top_host_idx"])


def test_satellites_of_unknown_hosts_are_counted(tmp_path):
    given = galaxies()
    given["top_host_idx"][[3, 4]] = -1
    reader = galaxy_file(tmp_path, given)
    (piece,) = reader.pieces()
    rows = reader.read(piece)
    assert rows.dropped == {"satellites without a known host": 1}
    assert rows.columns["simulation_host_halo_id"][3] == given["gal_id"][3]  # a central


def test_pieces_end_where_cells_of_the_index_end(tmp_path, monkeypatch):
    given = galaxies()
    given["top_host_idx"][40] = 0
    whole = everything(galaxy_file(tmp_path, given))
    monkeypatch.setattr(OpenCosmo, "rows_of_piece", 10)
    reader = galaxy_file(tmp_path, given, sizes=(4, 0, 5, 3, 25, 5))
    assert [piece.last for piece in reader.pieces()] == [9, 12, 22, 32, 42]
    for name, values in everything(reader).items():
        np.testing.assert_array_equal(values, whole[name])
    assert [piece.last for piece in galaxy_file(tmp_path, given, sizes=None).pieces()] == [10, 20, 30, 40, 42]


def test_several_datasets_of_a_file_and_several_files_are_one_catalogue(tmp_path):
    """One header for all shells, or one for each; particles are not asked for."""
    one, two = tmp_path / "one.hdf5", tmp_path / "two.hdf5"
    with h5py.File(one, "w") as file:
        put_header(file, "halo_properties", True)
        for name in ("450_halos", "475_halos"):
            put(file.create_group(name), halos(lightcone=True), header=False)
    with h5py.File(two, "w") as file:
        put(file.create_group("halos"), halos(lightcone=True), lightcone=True)
        put(file.create_group("particles"), {"x": np.zeros(7)}, kind="halo_particles", lightcone=True, sizes=None)
    reader = reader_of(one, two)
    assert [(piece.first, piece.last) for piece in reader.pieces()] == [(0, 40), (40, 80), (0, 40)]
    rows = everything(reader)
    np.testing.assert_array_equal(rows["simulation_halo_id"], np.tile(halos()["fof_halo_tag"], 3))


def test_a_gap_between_the_redshifts_of_the_headers_is_a_missing_shell(tmp_path):
    paths = []
    for low, high in ((0.0, 0.1), (0.1, 0.2), (0.3, 0.4)):
        paths.append(tmp_path / f"shell_{low}.hdf5")
        with h5py.File(paths[-1], "w") as file:
            put(file, halos(lightcone=True), lightcone=True)
            file["header/lightcone"].attrs["z_range"] = [low, high]
    reader = reader_of(*paths)
    ((what, span),) = reader.attributes["missing_shells"].items()
    assert "shell_0.1.hdf5" in what
    assert "shell_0.3.hdf5" in what
    assert span == (0.2, 0.3)
    assert reader.attributes["redshift_range"] == (0.0, 0.4)
    assert "missing_shells" not in reader_of(*paths, gaps=True).attributes
    assert "missing_shells" not in reader_of(*paths[:2]).attributes
    with pytest.raises(InputError, match=r"lacks shells: between .*shell_0.1.hdf5 and"):
        check_shells("small", reader.attributes, None)


def test_a_file_with_halos_and_galaxies_needs_to_be_told_which(tmp_path):
    path = tmp_path / "both.hdf5"
    with h5py.File(path, "w") as file:
        put(file.create_group("halos"), halos(lightcone=True), lightcone=True)
        galaxy = {"kind": "synthetic_galaxies", "units": GALAXY_UNITS, "sizes": None}
        put(file.create_group("galaxies"), galaxies(), lightcone=True, **galaxy)
    assert OpenCosmo.recognises(path)
    with pytest.raises(ValueError, match="halo_properties and synthetic_galaxies; name one under the option data_type"):
        reader_of(path)
    assert len(everything(reader_of(path, options={"data_type": "synthetic_galaxies"}))["x"]) == 42
    assert len(everything(reader_of(path, options={"data_type": "halo_properties"}))["x"]) == 40


def test_it_is_known_by_its_header(tmp_path):
    halo_file(tmp_path)
    assert OpenCosmo.recognises(tmp_path / "halos.hdf5")
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["data/x"] = np.zeros(3)
    assert not OpenCosmo.recognises(tmp_path / "other.hdf5")
    (tmp_path / "text.hdf5").write_text("no HDF5")
    assert not OpenCosmo.recognises(tmp_path / "text.hdf5")
    assert not OpenCosmo.recognises(tmp_path)


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("Mpc / littleh", "Mpc", (1.0 / H, False, False)),
        ("comoving Mpc/h", "Mpc", (1.0 / H, False, True)),
        ("kpc", "Mpc", (1e-3, False, False)),
        ("1e10 Msun / littleh", "solMass", (1e10 / H, False, False)),
        ("dex(solMass / littleh)", "solMass", (1.0 / H, True, False)),
        ("comoving km/s", "km / s", (1.0, False, True)),
        ("rad", "deg", (180.0 / np.pi, False, False)),
    ],
)
def test_units_are_understood(text, target, expected):
    found = factor(text, target, H, "here")
    assert found.value == pytest.approx(expected[0], rel=1e-12)
    assert (found.log10, found.comoving) == expected[1:]


@pytest.mark.parametrize("text", ["Mpc", "furlongs of old", "littleh", "s"])
def test_a_unit_of_something_else_is_refused(text):
    with pytest.raises(ValueError, match="none of solMass"):
        factor(text, "solMass", H, "here")


def changed(columns, name, values, rows=...) -> dict:
    columns[name] = columns[name].astype(np.result_type(columns[name], np.asarray(values).dtype))
    columns[name][rows] = values
    return columns


def without(columns, name) -> dict:
    return {key: values for key, values in columns.items() if key != name}


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (halo_file, {"columns": without(halos(), "fof_halo_tag")}, "no column /data/fof_halo_tag"),
        (halo_file, {"columns": without(halos(), "fof_halo_mass")}, "no column /data/fof_halo_mass"),
        (halo_file, {"columns": halos() | {"fof_halo_com_vx": np.zeros(39)}}, "has 39 rows where others have 40"),
        (halo_file, {"columns": halos() | {"fof_halo_center_x": np.full(40, b"a")}}, "not numbers"),
        (halo_file, {"columns": changed(halos(), "fof_halo_tag", 1.0)}, "ids and links are integers"),
        (halo_file, {"columns": changed(halos(), "fof_halo_tag", -7, 3)}, "row 3: fof_halo_tag = -7"),
        (
            halo_file,
            {"columns": changed(halos(), "fof_halo_mass", np.nan, 3)},
            "row 3: fof_halo_mass = nan: not finite",
        ),
        (
            halo_file,
            {"columns": changed(halos(), "fof_halo_center_z", 99.0, 3)},
            r"row 3: fof_halo_center_z .* outside",
        ),
        (halo_file, {"units": {**HALO_UNITS, "fof_halo_mass": "Mpc"}}, "its unit is 'Mpc', which is none of solMass"),
        (halo_file, {"units": without(HALO_UNITS, "fof_halo_center_y")}, "column fof_halo_center_y: has no unit"),
        (halo_file, {"convention": "unitless"}, "unit_convention is 'unitless'"),
        (halo_file, {"kind": "halo_particles"}, "no dataset of data_type .*; there are halo_particles"),
        (halo_file, {"header": False}, "no group header/file above /data"),
        (halo_file, {"sizes": (8, 31)}, "level_1 counts 39 rows, /data has 40"),
        (halo_file, {"cosmology": {"omega_l": 0.6}}, "only flat"),
        (halo_file, {"cosmology": {"h": ""}}, "has no h and omega_m"),
        (halo_file, {"box": ""}, "does not say the box size"),
        (halo_file, {"redshift": ""}, "does not say the redshift"),
        (halo_file, {"entry": {"cosmology": {"Om0": 0.27}}}, "has Om0 = 0.30964, the entry 'small' says 0.27"),
        (halo_file, {"entry": {"box_size": 64.0}}, r"has box size \[Mpc\] = 94.59.*, its entry says 64"),
        (halo_file, {"entry": {"options": {"data_type": "galaxies"}}}, "'galaxies' is none of"),
        (halo_file, {"entry": {"columns": {"mass": "fof_halo_mass"}}}, "'mass' cannot be chosen"),
        (cone_file, {"entry": {"cosmology": {"h": 0.7}}}, "has h = 0.6766, the entry 'small' says 0.7"),
        (
            cone_file,
            {"cosmology": {"omega_m": 0.25, "omega_l": 0.75}},
            "times as far as their redshifts say with Om0 = 0.25",
        ),
        (cone_file, {"units": HALO_UNITS | dict.fromkeys(["fof_halo_center_x"], "comoving Mpc")}, "times as far"),
        (galaxy_file, {"columns": changed(galaxies(), "top_host_idx", 42, 5)}, "row 5: top_host_idx = 42: neither -1"),
        (galaxy_file, {"columns": without(galaxies(), "top_host_idx")}, "no column /data/top_host_idx"),
        (galaxy_file, {"columns": changed(galaxies(), "redshift_true", -0.1, 5)}, "row 5: redshift_true = -0.1"),
        (galaxy_file, {"columns": changed(galaxies(), "dec", 20.0, 5)}, "not the directions of the positions"),
        (galaxy_file, {"columns": galaxies() | {"ra": galaxies()["ra"] + 180.0}}, "diffsky before 0.3.7"),
        (galaxy_file, {"columns": galaxies() | {axis: galaxies()[axis] * H for axis in "xyz"}}, "0.67.* times as far"),
        (galaxy_file, {"columns": galaxies() | {"logm0": galaxies()["logm0"] + 0.17}}, r"growth are \+0.170 dex off"),
    ],
)
def test_a_bad_file_or_entry_is_refused_with_what_to_do(make, changes, message, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        everything(make(tmp_path, **changes))
    assert ".hdf5" in str(caught.value) or "entry 'small'" in str(caught.value)


def test_a_cut_file_and_files_that_do_not_belong_together_are_refused(tmp_path):
    reader = halo_file(tmp_path)
    path = reader.files[0]
    other = tmp_path / "other.hdf5"
    with h5py.File(other, "w") as file:
        put(file, halos(), redshift=0.7)
    with pytest.raises(ValueError, match=r"has redshift 0.7, .* has 0.5; give the entry files of one product"):
        reader_of(path, other)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(ValueError, match="cannot be read as HDF5"):
        everything(reader_of(path))
    with pytest.raises(ValueError, match="no files; name them"):
        reader_of()
