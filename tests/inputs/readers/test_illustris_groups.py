"""The reader of Illustris and TNG group catalogues: small files in their documented layout, and one fault each."""

import h5py
import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.illustris.groups import IllustrisGroups
from diffsky_factory.inputs.readers.reader import REQUIRED
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry

# 4 groups in 3 chunks, 7 subhalos in 2 of them; group 0 has subhalos 0 to 3 of which 3 lies in the next chunk
HEADER = {
    "BoxSize": 35000.0, "HubbleParam": 0.7, "Omega0": 0.3, "OmegaLambda": 0.7, "Redshift": 1.0, "Time": 0.5,
    "Ngroups_Total": 4, "Nsubgroups_Total": 7, "NumFiles": 3,
}  # fmt: skip
GROUPS = {
    "GroupFirstSub": np.array([0, 4, -1, 6], np.int32),
    "GroupNsubs": np.array([4, 2, 0, 1], np.int32),
    "Group_M_Crit200": np.array([700.0, 70.0, 0.0, 0.0], np.float32),
    "Group_M_TopHat200": np.array([770.0, 77.0, 0.0, 0.0], np.float32),
}
SUBHALOS = {
    "SubhaloGrNr": np.array([0, 0, 0, 0, 1, 1, 3], np.int32),
    "SubhaloPos": np.array(
        [[700, 1400, 2100], [34999, 0, 0], [1, 35000, 0], [2, 3, 4], [7, 7, 7], [70, 70, 70], [5, 5, 5]], np.float32
    ),
    "SubhaloVel": np.arange(21, dtype=np.float32).reshape(7, 3),
    "SubhaloMass": np.array([600.0, 7.0, 0.7, 0.07, 60.0, 7.0, 0.7], np.float32),
    "SubhaloMassType": np.tile(np.array([9, 9, 9, 9, 0.14, 9], np.float32), (7, 1)),
    "SubhaloMassInRadType": np.tile(np.array([9, 9, 9, 9, 0.07, 9], np.float32), (7, 1)),
    "SubhaloVmax": np.full(7, 200.0, np.float32),
    "SubhaloSFR": np.full(7, 1.5, np.float32),
    "SubhaloFlag": np.array([1, 1, 0, 1, 1, 1, 1], bool),
}
CHUNKS = (((0, 1), (0, 3)), ((1, 3), (3, 7)), ((3, 4), (7, 7)))  # groups and subhalos of each chunk


def write(folder, *, groups=GROUPS, subhalos=SUBHALOS, header=HEADER, stem="fof_subhalo_tab_050"):
    folder.mkdir(exist_ok=True)
    paths = []
    for k, (group, subhalo) in enumerate(CHUNKS):
        path = folder / f"{stem}.{k}.hdf5"
        with h5py.File(path, "w") as file:
            file.create_group("Header").attrs.update(header)
            file["Header"].attrs["Ngroups_ThisFile"] = group[1] - group[0]
            file["Header"].attrs["Nsubgroups_ThisFile"] = subhalo[1] - subhalo[0]
            for kind, columns, rows in (("Group", groups, group), ("Subhalo", subhalos, subhalo)):
                file.create_group(kind)  # empty where a chunk has none, as published
                for name, values in columns.items():
                    if rows[1] > rows[0]:
                        file[kind][name] = values[rows[0] : rows[1]]
        paths.append(path)
    return paths


def opened(paths, **fields):
    return IllustrisGroups(tuple(paths), SimulationEntry(name="toy", format=IllustrisGroups.format, **fields))


def everything(reader):
    parts = [reader.read(piece) for piece in reader.pieces()]
    rows = {name: np.concatenate([part.columns[name] for part in parts]) for name in reader.columns}
    return rows, [part.dropped for part in parts]


def replaced(columns, name, row, value):
    values = columns[name].copy()
    values[row] = value
    return {**columns, name: values}


def test_subhalos_are_read_in_our_units(tmp_path):
    reader = opened(write(tmp_path))
    rows, dropped = everything(reader)
    assert {name: values.dtype.type for name, values in rows.items()} == dict(reader.columns)
    assert set(reader.columns) == {*REQUIRED, "halo_vmax", "simulation_stellar_mass", "simulation_sfr"}
    np.testing.assert_array_equal(rows["simulation_halo_id"], [0, 1, 3, 4, 5])
    np.testing.assert_array_equal(rows["simulation_host_halo_id"], [0, 0, 0, 4, 4])
    np.testing.assert_allclose(rows["x"][:2], [1.0, 34.999 / 0.7], rtol=1e-6)
    np.testing.assert_allclose(rows["z"][0], 3.0)
    np.testing.assert_array_equal(rows["vx"], [0.0, 3.0, 9.0, 12.0, 15.0])
    # hosts: the mass of the group; satellites: their own
    np.testing.assert_allclose(rows["log10_halo_mass"], np.log10([1e13, 1e11, 1e9, 1e12, 1e11]), rtol=1e-7)
    np.testing.assert_allclose(rows["simulation_stellar_mass"], 2e9, rtol=1e-6)
    np.testing.assert_array_equal(rows["simulation_sfr"], 1.5)
    assert dropped == [{"no halo by origin (SubhaloFlag 0)": 1}, {"group without mass (Group_M_Crit200 = 0)": 1}]
    assert reader.attributes["redshift"] == 1.0
    assert reader.attributes["box_size"] == pytest.approx(50.0)
    assert "critical" in reader.attributes["mass_definition"]
    assert reader.geometry == "box"


def test_pieces_are_chunks_with_subhalos_in_order_of_number(tmp_path):
    paths = write(tmp_path)
    assert [piece[1:] for piece in opened(paths[::-1]).pieces()] == [(0, 3), (3, 7)]


def test_chunks_are_in_order_of_number_not_of_name(tmp_path):
    from diffsky_factory.inputs.readers.illustris.chunks import _number

    names = [tmp_path / f"groups_135.{k}.hdf5" for k in (10, 9, 100)]
    assert [_number(path) for path in sorted(names, key=_number)] == [9, 10, 100]


def test_large_chunks_are_read_in_parts(tmp_path, monkeypatch):
    whole, _ = everything(opened(write(tmp_path)))
    monkeypatch.setattr(IllustrisGroups, "rows_of_piece", 2)
    reader = opened(write(tmp_path))
    assert [piece[1:] for piece in reader.pieces()] == [(0, 2), (2, 3), (3, 5), (5, 7)]
    parts, _ = everything(reader)
    for name, values in whole.items():
        np.testing.assert_array_equal(parts[name], values)


def test_the_mass_of_groups_is_that_of_the_option(tmp_path):
    reader = opened(write(tmp_path), options={"mass_definition": "Group_M_TopHat200"})
    rows, _ = everything(reader)
    assert rows["log10_halo_mass"][0] == pytest.approx(np.log10(1.1e13))
    assert "Bryan & Norman" in reader.attributes["mass_definition"]


def test_an_entry_may_take_stars_within_a_radius(tmp_path):
    rows, _ = everything(opened(write(tmp_path), columns={"simulation_stellar_mass": "SubhaloMassInRadType"}))
    np.testing.assert_allclose(rows["simulation_stellar_mass"], 1e9, rtol=1e-6)


def test_catalogues_of_dark_matter_alone_have_no_star_formation(tmp_path):
    dark = {name: values for name, values in SUBHALOS.items() if name not in ("SubhaloSFR", "SubhaloFlag")}
    reader = opened(write(tmp_path, subhalos=dark))
    rows, dropped = everything(reader)
    assert "simulation_sfr" not in rows
    assert len(rows["x"]) == 6
    assert dropped[0] == {}


def test_a_group_without_subhalos_may_be_marked_without_sign(tmp_path):
    groups = {**GROUPS, "GroupFirstSub": np.array([0, 4, 2**32 - 1, 6], np.uint32)}
    rows, _ = everything(opened(write(tmp_path, groups=groups)))
    np.testing.assert_array_equal(rows["simulation_host_halo_id"], [0, 0, 0, 4, 4])


def test_it_is_known_by_its_header(tmp_path):
    assert IllustrisGroups.recognises(write(tmp_path)[2])
    other = tmp_path / "other.hdf5"
    with h5py.File(other, "w") as file:
        file["data"] = np.arange(3)
    assert not IllustrisGroups.recognises(other)
    text = tmp_path / "text.hdf5"
    text.write_text("nothing")
    assert not IllustrisGroups.recognises(text)
    assert not IllustrisGroups.recognises(tmp_path)
    assert not IllustrisGroups.recognises(tmp_path / "absent.hdf5")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"header": {**HEADER, "BoxSize": 35.0}}, "not in ckpc/h"),
        ({"header": {**HEADER, "Omega0": 0.4}}, "only flat"),
        ({"header": {**HEADER, "Time": 1.0}}, "Time = 1 is not 1 / "),
        ({"header": {**HEADER, "NumFiles": 4}}, "chunk 3 is missing, of 4"),
        ({"header": {**HEADER, "Nsubgroups_Total": 8}}, "Nsubgroups_Total = 8, the chunks have 7"),
        ({"header": {k: v for k, v in HEADER.items() if k != "HubbleParam"}}, "the header has no HubbleParam"),
        ({"subhalos": {k: v for k, v in SUBHALOS.items() if k != "SubhaloVel"}}, "Subhalo/SubhaloVel"),
        ({"groups": {k: v for k, v in GROUPS.items() if k != "Group_M_Crit200"}}, "Group/Group_M_Crit200"),
        (
            {"subhalos": replaced(SUBHALOS, "SubhaloPos", 4, np.nan)},
            r"1\.hdf5: Subhalo/SubhaloPos of row 1 is not finite",
        ),
        ({"groups": replaced(GROUPS, "Group_M_Crit200", 0, np.inf)}, "Group/Group_M_Crit200 of row 0 is not finite"),
        ({"subhalos": replaced(SUBHALOS, "SubhaloPos", 4, 4e7)}, "SubhaloPos of subhalo 4 .* ckpc/h"),
        ({"groups": replaced(GROUPS, "Group_M_Crit200", 0, 7e12)}, "is it in 1e10 Msun/h"),  # Msun/h
        ({"subhalos": replaced(SUBHALOS, "SubhaloGrNr", 4, 2)}, "subhalo 4 names group 2"),
        ({"subhalos": replaced(SUBHALOS, "SubhaloGrNr", 4, 9)}, "there are no such groups"),
    ],
)
def test_a_bad_catalogue_is_refused_with_what_to_do(changes, message, tmp_path):
    paths = write(tmp_path, **changes)
    with pytest.raises(InputError, match=message) as caught:
        everything(opened(paths))
    assert "fof_subhalo_tab" in str(caught.value) or str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cosmology": {"h": 0.6774}}, "has h = 0.7, the entry 'toy' says 0.6774"),
        ({"cosmology": {"w0": -0.9}}, "has w0 = -1"),
        ({"box_size": 35.0}, r"box size \[Mpc\] = 50"),
        ({"options": {"mass": "x"}}, "no field 'mass'"),
        ({"options": {"mass_definition": "Group_M_Crit20"}}, "did you mean Group_M_Crit200"),
        ({"columns": {"simulation_stellar_mass": "SubhaloMassInRad"}}, "did you mean SubhaloMassInRadType"),
        ({"columns": {"stellar_mass": "SubhaloMassType"}}, "did you mean simulation_stellar_mass"),
    ],
)
def test_an_entry_that_contradicts_the_files_is_refused(fields, message, tmp_path):
    paths = write(tmp_path)
    with pytest.raises(InputError, match=message):
        opened(paths, **fields)


def test_files_cut_short_absent_or_of_other_snapshots_are_refused(tmp_path):
    paths = write(tmp_path)
    with pytest.raises(InputError, match="chunk 1 is missing"):
        opened([paths[0], paths[2]]).pieces()
    with pytest.raises(InputError, match="no files"):
        opened([]).pieces()
    with pytest.raises(InputError, match="no such file"):
        opened([*paths[:2], tmp_path / "fof_subhalo_tab_050.2.hdf5.part"]).pieces()
    later = write(tmp_path / "later", header={**HEADER, "Redshift": 0.0, "Time": 1.0})
    with pytest.raises(InputError, match=r"Redshift is 0, .* it is 1; give one snapshot"):
        opened([*paths[:2], later[2]]).pieces()
    with h5py.File(paths[1], "r+") as file:
        values = file["Subhalo/SubhaloMass"][:2]
        del file["Subhalo/SubhaloMass"]
        file["Subhalo/SubhaloMass"] = values
    with pytest.raises(InputError, match=r"1\.hdf5: Subhalo/SubhaloMass has 2 rows, .* Nsubgroups_ThisFile = 4"):
        opened(paths).pieces()
    paths[1].write_bytes(paths[1].read_bytes()[:3000])
    with pytest.raises(InputError, match=r"1\.hdf5: cannot be read"):
        opened(paths).pieces()
