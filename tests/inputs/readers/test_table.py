"""The reader of plain tables: the same halos from each kind of file, and one fault each."""

import gzip
import os
import pickle
from contextlib import suppress

import h5py
import numpy as np
import pytest
import zarr
from astropy.io import fits
from astropy.table import Table
from hypothesis import strategies as st

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common import hdf5
from diffsky_factory.inputs.readers.reader import REQUIRED
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.inputs.readers.table import files as table_files
from diffsky_factory.inputs.readers.table.halos import HaloTable
from diffsky_factory.sky.cosmology import Cosmology, comoving_distance_64
from tests.fuzz import HARMS, Restored, few_and_many, holds

COSMOLOGY = {"Om0": 0.3, "h": 0.5}
ROWS = 5
HALOS = {
    "id": np.array([10, 11, 2**53 + 1, 13, 14], np.int64),
    "pid": np.array([-1, 10, -1, 2**53 + 1, -1], np.int64),
    "px": np.array([1.0, 2.0, -3.0, 4.0, 49.0]),  # Mpc/h
    "py": np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
    "pz": np.array([0.0, 0.5, 1.0, 1.5, 2.0]),
    "ux": np.array([100.0, 200.0, 300.0, -400.0, 500.0]),
    "uy": np.zeros(ROWS),
    "uz": np.full(ROWS, 10.0),
    "mass": np.array([1e12, 1e11, 5e13, 1e11, 2e12]),  # Msun/h
    "vmax": np.full(ROWS, 0.2),  # Mm/s
}
UNITS = {
    **dict.fromkeys(("px", "py", "pz"), "Mpc / littleh"),
    **dict.fromkeys(("ux", "uy", "uz"), "km / s"),
    "mass": "Msun / littleh",
    "vmax": "1000 km / s",
}
NAMES = {
    "simulation_halo_id": "id", "simulation_host_halo_id": "pid", "x": "px", "y": "py", "z": "pz",
    "vx": "ux", "vy": "uy", "vz": "uz", "log10_halo_mass": "mass", "halo_vmax": "vmax",
}  # fmt: skip
STATED = {
    ours: {"column": theirs, "unit": UNITS[theirs]} if theirs in UNITS else theirs for ours, theirs in NAMES.items()
}
BOX = {"geometry": "box", "velocities": "physical", "redshift": 1.0}
CONE = {"geometry": "lightcone", "velocities": "physical"}


def write_parquet(path, halos):
    pyarrow = pytest.importorskip("pyarrow", reason="NOT TESTED: no pyarrow; pip install 'diffsky_factory[sims]'")
    from pyarrow import parquet

    arrays = [pyarrow.array(np.ma.filled(v, 0), mask=np.ma.getmaskarray(v)) for v in halos.values()]
    fields = [
        pyarrow.field(name, array.type, metadata={"unit": UNITS[name]} if name in UNITS else None)
        for name, array in zip(halos, arrays)
    ]
    parquet.write_table(pyarrow.Table.from_arrays(arrays, schema=pyarrow.schema(fields)), path, row_group_size=2)


def write_hdf5(path, halos):
    with h5py.File(path, "w") as file:
        file["unrelated"] = np.arange(17)
        for name, values in halos.items():
            file[name] = values
            if name in UNITS:
                file[name].attrs["units"] = UNITS[name]


def write_zarr(path, halos):
    group = zarr.open_group(path, mode="w")
    for name, values in halos.items():
        array = group.create_array(name, shape=values.shape, dtype=values.dtype, chunks=(2,))
        array[:] = values
        array.attrs["unit"] = UNITS.get(name, "")


def write_fits(path, halos):
    columns = [
        fits.Column(name, "K" if values.dtype.kind == "i" else "D", array=values) for name, values in halos.items()
    ]
    table = fits.BinTableHDU.from_columns(columns)
    for i, name in enumerate(halos, start=1):
        if name in UNITS:
            table.header[f"TUNIT{i}"] = UNITS[name]
    table.writeto(path, overwrite=True)


def write_csv(path, halos):
    lines = [",".join(halos), *(",".join(repr(v.item()) for v in row) for row in zip(*halos.values()))]
    path.write_text("\n".join(lines) + "\n")


def write_ecsv(path, halos):
    Table(dict(halos)).write(path, format="ascii.ecsv", overwrite=True)
    text = path.read_text()
    for name, unit in UNITS.items():
        text = text.replace(f"{{name: {name}, datatype:", f"{{name: {name}, unit: {unit}, datatype:")
    path.write_text(text)


WRITERS = {
    "parquet": write_parquet, "hdf5": write_hdf5, "zarr": write_zarr, "fits": write_fits, "ecsv": write_ecsv,
    "csv": write_csv,
}  # fmt: skip


def written(folder, kind="hdf5", halos=HALOS, name="halos"):
    path = folder / f"{name}.{kind}"
    WRITERS[kind](path, halos)
    return path


def opened(*paths, columns=NAMES, options=BOX, **fields):
    fields = {"cosmology": COSMOLOGY, "box_size": 100.0, **fields}
    entry = SimulationEntry(name="mine", format=HaloTable.format, columns=columns, options=options, **fields)
    return HaloTable(tuple(paths), entry)


def everything(table):
    parts = [table.read(piece) for piece in table.pieces()]
    return {name: np.concatenate([part.columns[name] for part in parts]) for name in table.columns}


def without(mapping, *names):
    return {name: value for name, value in mapping.items() if name not in names}


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind != "csv"])
def test_units_are_those_of_the_file(kind, tmp_path):
    check(everything(opened(written(tmp_path, kind))))


@pytest.mark.parametrize("kind", WRITERS)
def test_units_are_those_of_the_entry(kind, tmp_path):
    check(everything(opened(written(tmp_path, kind), columns=STATED)))


def check(rows):
    np.testing.assert_array_equal(rows["simulation_halo_id"], HALOS["id"])
    np.testing.assert_array_equal(rows["simulation_host_halo_id"], [10, 10, 2**53 + 1, 2**53 + 1, 14])
    np.testing.assert_allclose(rows["x"], [2.0, 4.0, 94.0, 8.0, 98.0])
    np.testing.assert_allclose(rows["z"], [0.0, 1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(rows["vx"], HALOS["ux"])
    np.testing.assert_allclose(rows["log10_halo_mass"], np.log10([2e12, 2e11, 1e14, 2e11, 4e12]))
    np.testing.assert_allclose(rows["halo_vmax"], 200.0)


def test_columns_have_the_types_they_promise(tmp_path):
    table = opened(written(tmp_path))
    rows = everything(table)
    assert set(REQUIRED) < set(rows)
    assert {name: values.dtype.type for name, values in rows.items()} == dict(table.columns)
    assert table.geometry == "box"
    assert table.attributes == {"name": "mine", "mass_definition": "", "box_size": 100.0, "redshift": 1.0}
    assert table.cosmology.h == 0.5


@pytest.mark.parametrize("kind", WRITERS)
def test_pieces_are_the_whole_in_any_order(kind, tmp_path, monkeypatch):
    path = written(tmp_path, kind)
    whole = everything(opened(path, columns=STATED))
    monkeypatch.setattr(table_files.TableFile, "piece", 2)
    monkeypatch.setattr(table_files, "PIECE_BYTES", 100)
    table = pickle.loads(pickle.dumps(opened(path, columns=STATED)))
    pieces = table.pieces()
    assert len(pieces) > 2
    parts = {piece: table.read(piece).columns for piece in reversed(pieces)}
    for name, values in whole.items():
        np.testing.assert_array_equal(np.concatenate([parts[piece][name] for piece in pieces]), values)


@pytest.mark.parametrize("width", range(40, 75))
def test_each_line_of_a_text_belongs_to_one_range_of_bytes(width, tmp_path, monkeypatch):
    monkeypatch.setattr(table_files, "PIECE_BYTES", width)
    columns = without(STATED, "simulation_halo_id", "simulation_host_halo_id")
    rows = everything(opened(written(tmp_path, "csv"), columns=columns, options={**BOX, "hosts": "all"}))
    np.testing.assert_array_equal(rows["simulation_halo_id"], np.arange(ROWS))
    np.testing.assert_allclose(rows["vx"], HALOS["ux"])


@pytest.mark.parametrize("kind", ["fits", "csv"])
def test_without_ids_the_number_of_the_row_is_the_id_through_all_files(kind, tmp_path):
    paths = [written(tmp_path, kind, name=name) for name in ("a", "b")]
    table = opened(*paths, columns=without(STATED, "simulation_halo_id", "simulation_host_halo_id"),
                   options={**BOX, "hosts": "all"})  # fmt: skip
    rows = everything(table)
    np.testing.assert_array_equal(rows["simulation_halo_id"], np.arange(2 * ROWS))
    np.testing.assert_array_equal(rows["simulation_host_halo_id"], np.arange(2 * ROWS))
    assert table.attributes["satellites"] == "none"


def test_the_mark_of_a_host_is_an_option(tmp_path):
    halos = {**HALOS, "pid": np.array([0, 10, 0, 2**53 + 1, 0])}
    rows = everything(opened(written(tmp_path, halos=halos), options={**BOX, "no_host": 0}))
    np.testing.assert_array_equal(rows["simulation_host_halo_id"], [10, 10, 2**53 + 1, 2**53 + 1, 14])


@pytest.mark.parametrize(
    ("values", "stated"),
    [
        (np.log10(HALOS["mass"]), {"unit": "Msun / littleh", "log10": True}),
        (np.log10(HALOS["mass"]), {"unit": "dex(Msun / littleh)"}),
        (HALOS["mass"] / 1e10, {"unit": "1e10 Msun / littleh"}),
        (2.0 * HALOS["mass"], {"unit": "Msun"}),
    ],
)
def test_masses_may_be_logarithms(values, stated, tmp_path):
    path = written(tmp_path, "fits", {**HALOS, "mass": values})
    rows = everything(opened(path, columns={**NAMES, "log10_halo_mass": {"column": "mass", **stated}}))
    np.testing.assert_allclose(rows["log10_halo_mass"], np.log10([2e12, 2e11, 1e14, 2e11, 4e12]))


def test_a_quantity_may_be_given_by_its_logarithm(tmp_path):
    path = written(tmp_path, halos={**HALOS, "vmax": np.full(ROWS, 2.5)})
    columns = {**NAMES, "halo_vmax": {"column": "vmax", "unit": "km / s", "log10": True}}
    np.testing.assert_allclose(everything(opened(path, columns=columns))["halo_vmax"], 10.0**2.5)


def test_comoving_velocities_become_physical(tmp_path):
    rows = everything(opened(written(tmp_path), options={**BOX, "velocities": "comoving"}))
    np.testing.assert_allclose(rows["vx"], 0.5 * HALOS["ux"])


def test_components_of_vectors_and_groups_are_named(tmp_path):
    path = tmp_path / "halos.h5"
    with h5py.File(path, "w") as file:
        for name, values in without(HALOS, "px", "py", "pz").items():
            file[f"catalog/{name}"] = values
        file["catalog/more/pos"] = np.stack([HALOS["px"], HALOS["py"], HALOS["pz"]], axis=1)
    places = {axis: {"column": f"more/pos[{i}]", "unit": "Mpc / littleh"} for i, axis in enumerate("xyz")}
    check(everything(opened(path, columns={**STATED, **places}, options={**BOX, "group": "catalog"})))


def test_components_of_vectors_of_parquet_are_named(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="NOT TESTED: no pyarrow; pip install 'diffsky_factory[sims]'")
    from pyarrow import parquet

    place = np.stack([HALOS["px"], HALOS["py"], HALOS["pz"]], axis=1)
    vector = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(place.ravel()), 3)
    parquet.write_table(pyarrow.table({**without(HALOS, "px", "py", "pz"), "pos": vector}), tmp_path / "halos.parquet")
    places = {axis: {"column": f"pos[{i}]", "unit": "Mpc / littleh"} for i, axis in enumerate("xyz")}
    table = opened(tmp_path / "halos.parquet", columns={**STATED, **places})
    check(everything(table))
    lists = {**without(HALOS, "px", "py", "pz"), "pos": pyarrow.array(place.tolist())}
    parquet.write_table(pyarrow.table(lists), tmp_path / "halos.parquet")
    check(everything(opened(tmp_path / "halos.parquet", columns={**STATED, **places})))
    fourth = {**STATED, **places, "x": {**places["x"], "column": "pos[3]"}}
    with pytest.raises(InputError, match="there is no such component"):
        everything(opened(tmp_path / "halos.parquet", columns=fourth))
    lists["pos"] = pyarrow.array([*place.tolist()[:-1], [1.0]])
    parquet.write_table(pyarrow.table(lists), tmp_path / "halos.parquet")
    with pytest.raises(InputError, match="lists of different lengths"):
        everything(opened(tmp_path / "halos.parquet", columns={**STATED, **places}))


def cone(redshift=(0.5, 0.6, 0.7, 0.8, 0.9)):
    sky = {"ra": np.array([10.0, 20.0, 350.0, -30.0, 0.0]), "dec": np.array([0.0, 80.0, -80.0, 5.0, 90.0])}
    return {**without(HALOS, "px", "py", "pz"), **sky, "zcos": np.array(redshift)}


SKY = {
    **without(STATED, "x", "y", "z"), "ra": {"column": "ra", "unit": "deg"}, "dec": {"column": "dec", "unit": "deg"},
    "redshift": "zcos",
}  # fmt: skip


def test_a_light_cone_by_ra_dec_and_redshift(tmp_path):
    table = opened(written(tmp_path, halos=cone()), columns=SKY, options=CONE, box_size=None)
    rows = everything(table)
    assert set(table.columns) == {*REQUIRED, "redshift", "halo_vmax"}
    distance = comoving_distance_64(Cosmology(Om0=0.3, h=0.5), cone()["zcos"])
    np.testing.assert_allclose(np.sqrt(rows["x"] ** 2 + rows["y"] ** 2 + rows["z"] ** 2), distance, rtol=1e-8)
    np.testing.assert_allclose(np.rad2deg(np.arctan2(rows["y"], rows["x"]))[:4], [10.0, 20.0, -10.0, -30.0])
    np.testing.assert_allclose(rows["z"][4], distance[4])
    assert "box_size" not in table.attributes


def test_velocities_of_a_light_cone_scale_with_each_redshift(tmp_path):
    options = {**CONE, "velocities": "comoving"}
    rows = everything(opened(written(tmp_path, halos=cone()), columns=SKY, options=options))
    np.testing.assert_allclose(rows["vx"], HALOS["ux"] / (1.0 + cone()["zcos"]))
    place = dict(zip(("px", "py", "pz"), (0.5 * rows[name] for name in "xyz")))  # Mpc/h
    again = everything(opened(written(tmp_path, halos={**HALOS, **place}), options=options))
    np.testing.assert_allclose(again["vx"], rows["vx"], rtol=1e-6)
    np.testing.assert_allclose(again["x"], rows["x"])


def test_positions_of_a_light_cone_must_have_the_distance_of_the_redshift(tmp_path):
    rows = everything(opened(written(tmp_path, halos=cone()), columns=SKY, options=CONE))
    place = dict(zip(("px", "py", "pz"), (0.5 * rows[name] for name in "xyz")))
    path = written(tmp_path, halos={**HALOS, **place, "zcos": cone()["zcos"]})
    columns = {**STATED, "redshift": "zcos"}
    assert "redshift" in everything(opened(path, columns=columns, options=CONE))
    with pytest.raises(InputError, match="are units and cosmology right"):
        everything(opened(path, columns=columns, options=CONE, cosmology={"Om0": 0.25, "h": 0.5}))


@pytest.mark.parametrize("kind", ["parquet", "fits", "hdf5"])
def test_rows_without_a_value_are_refused_or_dropped(kind, tmp_path):
    halos = {**HALOS, "ux": np.array([1.0, np.nan, 3.0, 4.0, 5.0])}
    path = written(tmp_path, kind, halos)
    with pytest.raises(InputError, match=r"halos\..*'ux' has no value in row 1 after 0; .*missing: drop"):
        everything(opened(path))
    table = opened(path, options={**BOX, "missing": "drop"})
    assert table.read(table.pieces()[0]).dropped == {"missing value": 1}
    np.testing.assert_array_equal(everything(table)["vx"], [1.0, 3.0, 4.0, 5.0])


def test_missing_integers_are_known_by_the_mark_of_the_file(tmp_path):
    halos = {**HALOS, "id": np.ma.MaskedArray(HALOS["id"], [0, 0, 0, 1, 0])}
    with pytest.raises(InputError, match="'id' has no value in row 3"):
        everything(opened(written(tmp_path, "parquet", halos)))
    path = written(tmp_path, "fits")
    with fits.open(path, mode="update") as file:
        file[1].header["TNULL1"] = 14
    with pytest.raises(InputError, match="'id' has no value in row 4"):
        everything(opened(path))


def test_it_is_never_guessed(tmp_path):
    assert not HaloTable.recognises(written(tmp_path))


@pytest.mark.parametrize(
    ("halos", "message"),
    [
        (without(HALOS, "ux"), "no column 'ux'; did you mean"),
        ({**HALOS, "ux": np.zeros(3)}, "'ux' has 3 rows, '.*' has 5"),
        ({**HALOS, "id": HALOS["id"].astype(float)}, "'id' holds float64, .* lose their digits"),
        ({**HALOS, "id": HALOS["id"].astype(np.uint64) + np.uint64(2**63)}, "does not fit into 63 bits"),
        ({**HALOS, "mass": np.log10(HALOS["mass"])}, "'mass' = .* log10 right"),
        ({**HALOS, "mass": np.zeros(ROWS)}, "'mass' = 0: log10_halo_mass would be outside"),
        ({**HALOS, "px": 1000.0 * HALOS["px"]}, "'px' = .* are its unit"),  # kpc/h
        ({**HALOS, "px": np.ones((ROWS, 3))}, r"'px' has 2 axes, x has 1; .*'px\[0\]'"),
        ({**HALOS, "ux": np.array([b"a"] * ROWS)}, "vx needs numbers"),
        ({name: values[:0] for name, values in HALOS.items()}, "no rows"),
    ],
)
def test_a_bad_table_is_refused_with_what_to_do(halos, message, tmp_path):
    path = written(tmp_path, halos=halos)
    with pytest.raises(InputError, match=message) as caught:
        everything(opened(path, columns=STATED))
    assert "halos.hdf5" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"columns": {**STATED, "x": "id"}}, "neither the file nor the entry says the unit of 'id'"),
        ({"columns": {**STATED, "x": {"column": "px", "unit": "Mpc / h"}}}, "none of x, Mpc; h is `littleh`"),
        ({"columns": {**STATED, "x": {"column": "px", "unit": "ckpc"}}}, "'ckpc' of 'px' cannot be read"),
        ({"columns": {**STATED, "x": {"column": "px", "unti": "Mpc"}}}, "did you mean unit"),
        ({"columns": {**STATED, "x": 3}}, "columns, x: 3"),
        ({"columns": {**STATED, "halo_vmx": "vmax"}}, "did you mean halo_vmax"),
        ({"columns": {**STATED, "halo_id": "id"}}, "no column 'halo_id' to give"),
        ({"columns": without(STATED, "vy", "vz")}, "no vy, vz; name"),
        ({"columns": without(STATED, "simulation_host_halo_id")}, "or say `hosts: all`"),
        ({"columns": {**STATED, "ra": "px"}}, "not both"),
        ({"options": {**BOX, "hosts": "all"}}, "contradicts the column"),
        ({"options": without(BOX, "velocities")}, "options: velocities"),
        ({"options": {**BOX, "velocities": "canonical"}}, "physical"),
        ({"options": without(BOX, "geometry")}, "geometry"),
        ({"options": without(BOX, "redshift")}, "needs box_size"),
        ({"options": {**BOX, "group": "halos"}}, "cannot be read"),
        ({"box_size": None}, "needs box_size"),
        ({"cosmology": {"Om0": 0.3}}, "give h under 'cosmology'"),
    ],
)
def test_a_bad_entry_is_refused_with_what_to_do(changes, message, tmp_path):
    path = written(tmp_path)
    with pytest.raises(InputError, match=message):
        opened(path, **{"columns": STATED, **changes})


def test_hosts_in_several_files_need_ids(tmp_path):
    paths = [written(tmp_path, name=name) for name in ("a", "b")]
    with pytest.raises(InputError, match="need a column simulation_halo_id"):
        opened(*paths, columns=without(STATED, "simulation_halo_id")).pieces()


@pytest.mark.parametrize("kind", ["parquet", "hdf5", "fits", "csv"])
def test_a_file_cut_short_is_refused(kind, tmp_path):
    path = written(tmp_path, kind, {name: np.tile(values, 200) for name, values in HALOS.items()})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=rf"halos\.{kind}: "):
        everything(opened(path, columns=STATED))


@pytest.mark.parametrize("line", ["10,5,1", "10", "1,2,", ",1,2"])
def test_a_line_with_too_many_or_too_few_values_is_refused_by_its_number(line, tmp_path):
    path = tmp_path / "halos.csv"
    path.write_text(f"# of halos\npx,py\n10.5,1\n\n1,2 # and more, to read\n{line}\n3,4\n")
    wanted = rf"halos\.csv, line 6: {line.count(',') + 1} values instead of 2; decimals have a point"
    with pytest.raises(InputError, match=wanted):
        table_files.open_table(path, ["px"]).read(0, 100, ["px"])
    path = tmp_path / "halos.txt"
    path.write_text("px py\n10.5 1\n10 5 1\n")
    with pytest.raises(InputError, match=r"halos\.txt, line 3: 3 values instead of 2"):
        table_files.open_table(path, ["px"]).read(0, 100, ["px"])


def test_words_in_quotes_may_hold_what_separates_them(tmp_path):
    path = tmp_path / "halos.csv"
    path.write_text('px,name,py\n1,"a, b",3\n2,"c # d",4\n# 5" wide\n5,e,6\n')
    np.testing.assert_array_equal(table_files.open_table(path, ["py"]).read(0, 100, ["py"])["py"], [3, 4, 6])
    path.write_text('px,py\n1,"\n2,3\n",4\n')
    with pytest.raises(InputError, match=r"halos\.csv, line 2: a quote has no end in its line"):
        table_files.open_table(path, ["px"]).read(0, 100, ["px"])
    path = tmp_path / "halos.dat"
    path.write_text('px name py\n1 "a b" 3\n2  c\t4\n')
    np.testing.assert_array_equal(table_files.open_table(path, ["py"]).read(0, 100, ["py"])["py"], [3, 4])


@pytest.mark.parametrize(
    ("kind", "name"),
    [("csv", "a.csv.gz"), ("csv", "a.dat.gz"), ("csv", "a.gz"), ("csv", "a.csv"), ("ecsv", "a.ecsv.gz"),
     ("fits", "a.fits.gz"), ("fits", "a.gz")],
)  # fmt: skip
def test_packed_tables_are_those_of_their_text(kind, name, tmp_path, monkeypatch):
    packed = tmp_path / name
    packed.write_bytes(gzip.compress(written(tmp_path, kind).read_bytes()))
    check(everything(opened(packed, columns=STATED)))
    monkeypatch.setattr(table_files, "PIECE_BYTES", 100)
    check(everything(opened(packed, columns=STATED)))


def test_a_packed_table_that_is_cut_short_or_of_another_kind_is_refused(tmp_path):
    many = {name: np.tile(values, 200) for name, values in HALOS.items()}
    for kind in ("csv", "fits"):
        packed = tmp_path / f"halos.{kind}.gz"
        data = gzip.compress(written(tmp_path, kind, many).read_bytes())
        packed.write_bytes(data[: len(data) // 2])
        with pytest.raises(InputError, match=rf"halos\.{kind}\.gz: "):
            everything(opened(packed, columns=STATED))
    packed = tmp_path / "halos.h5.gz"
    packed.write_bytes(b"")
    with pytest.raises(InputError, match=r"halos\.h5\.gz: \.h5 is read as it is; unpack it"):
        opened(packed).pieces()


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_a_pipe_or_a_device_is_no_table(kind, tmp_path):
    path = tmp_path / f"halos.{kind}"
    os.mkfifo(path)
    with pytest.raises(InputError, match="is a pipe, not a file"):
        opened(path).pieces()
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match="is a device, not a file"):
        opened(path).pieces()


CELLS = st.sampled_from(
    ["1", "2.5", "-1e300", "nan", "", " ", "x", '"', '"a, b"', "#", "1_0", "9" * 30, "\0", "é", "\r"]
)
LINES = st.lists(st.lists(CELLS, min_size=1, max_size=4).map(",".join), max_size=6).map("\n".join)
TEXTS = st.binary(max_size=60) | LINES.map(lambda lines: f"px,py\n{lines}\n".encode())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("texts")


def read_or_refused(path, names):
    with suppress(InputError):
        table = table_files.open_table(path, names)
        found = table_files.guarded(path, lambda: table.read(0, table.size, names))
        assert len({values.shape for values in found.values()}) == 1


@few_and_many(100)
def test_any_text_is_a_table_or_bad_input(folder, examples):
    def check(text, suffix, packed):
        path = folder / f"halos{suffix}"
        path.write_bytes(gzip.compress(text) if packed else text)
        read_or_refused(path, ["px", "py"])

    holds(examples, check, TEXTS, st.sampled_from([".csv", ".txt", ".ecsv", ".csv.gz", ".gz"]), st.booleans())


@pytest.mark.filterwarnings("ignore")  # astropy's, of headers that are damaged
@pytest.mark.parametrize("kind", sorted(WRITERS))
@few_and_many(40)
def test_a_table_that_is_damaged_is_a_table_or_bad_input(folder, kind, examples):
    """Damage of any byte: no other error, and no table whose columns differ in length."""
    path = written(folder, kind, name=f"damaged_{examples}")
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]

    def check(number, harm):
        with Restored(files[number % len(files)]) as one:
            one.path.write_bytes(harm(one.content))
            read_or_refused(path, ["px", "id"])

    holds(examples, check, st.integers(0, 100), HARMS)


def test_files_of_no_kind_and_absent_ones_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        opened(tmp_path / "halos.fits").pieces()
    with pytest.raises(InputError, match="no files"):
        opened().pieces()
    other = tmp_path / "halos.root"
    other.write_text("x")
    with pytest.raises(InputError, match=r"unknown kind '\.root'"):
        opened(other).pieces()
    text = tmp_path / "halos.csv"
    text.write_text("px,py\nfar,2\n")
    with pytest.raises(InputError, match="'px' is not a number"):
        table_files.open_table(text, ["px"]).read(0, 100, ["px"])


def declared(path, rows):
    """A file that says it has so many rows, and none of their values."""
    if path.suffix == ".zarr":
        group = zarr.open_group(path, mode="w")
        for name in HALOS:
            group.create_array(name, shape=(rows,), chunks=(2**20,), dtype="f8", fill_value=1.0)
        return path
    with h5py.File(path, "w") as file:
        for name in HALOS:
            file.create_dataset(name, (rows,), "f8", chunks=(2**20,), fillvalue=1.0)
    return path


@pytest.mark.parametrize("kind", ["hdf5", "zarr"])
def test_a_small_file_that_says_it_is_huge_is_refused_before_it_is_read(kind, tmp_path):
    with pytest.raises(InputError, match=r"is said to have 80,000 GB, which [0-9,]+ bytes cannot hold"):
        opened(declared(tmp_path / f"halos.{kind}", 10**13), columns=STATED).pieces()
    if kind == "hdf5":
        with hdf5.opened(tmp_path / "halos.hdf5") as file, pytest.raises(InputError, match="cannot hold"):
            hdf5.dataset(file, "mass")
