"""The reader of consistent-trees, against files that are written here from the layout of its documentation."""

import gzip

import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.entries import entry_names, entry_path, read_yaml
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.inputs.trees import consistent_trees, consistent_trees_text
from diffsky_factory.inputs.trees.consistent_trees import FORMAT, MISSING, ConsistentTrees, recognises
from diffsky_factory.inputs.trees.consistent_trees_text import column_numbers
from diffsky_factory.inputs.trees.histories import object_columns, objects_at
from diffsky_factory.inputs.trees.links import LOST, link
from tests.inputs.trees.forests import by_hand

COLUMNS = (
    "scale(0) id(1) desc_scale(2) desc_id(3) num_prog(4) pid(5) upid(6) desc_pid(7) phantom(8) sam_mvir(9) mvir(10) "
    "rvir(11) rs(12) vrms(13) mmp?(14) scale_of_last_MM(15) vmax(16) x(17) y(18) z(19) vx(20) vy(21) vz(22) Jx(23) "
    "Jy(24) Jz(25) Spin(26) Breadth_first_ID(27) Depth_first_ID(28) Tree_root_ID(29) Orig_halo_ID(30) Snap_num(31) "
    "M200b(32) A[x](500c)(33) T/|U|"
)
HEADER = (
    f"#{COLUMNS}\n"
    "#Omega_M = 0.300000; Omega_L = 0.700000; h0 = 0.500000\n"
    "#Full box size = 250.000000 Mpc/h\n"
    "#Units: Masses in Msun / h\n"
    "#Units: Positions in Mpc / h (comoving)\n"
    "#Units: Velocities in km / s (physical, peculiar)\n"
)
SCALES = [0.2, 0.4, 0.6, 0.8, 1.0]
BIG = 2**60  # ids that float64 does not hold
TREES = {41: [41, 31, 21, 24, 11, 14, 1, 4], 42: [42, 22, 12, 2], 43: [43, 33, 23, 13, 3]}  # by their roots


def line(node):
    """One row, of a node of the forest by hand."""
    forest = by_hand()
    row = forest.node_id.tolist().index(node)
    descendant, host, step = (int(values[row]) for values in forest[1:4])
    later = [n for n, d in zip(forest.node_id.tolist(), forest.descendant_id.tolist()) if d == node]
    siblings = [i for i, d in enumerate(forest.descendant_id.tolist()) if d == descendant]
    main = row == max(siblings, key=lambda i: forest.log10_mass[i])
    top = {22: 21, 23: 21, 43: 41}.get(node, host)
    words = [f"{SCALES[step]:.4f}", str(BIG + node), "0.0", str(BIG + descendant) if descendant >= 0 else "-1"]
    words += [str(len(later)), *(["-1"] * 2 if host == node else [str(BIG + host), str(BIG + top)]), "-1", "0", "1e10"]
    words += [f"{10.0 ** forest.log10_mass[row]:.6e}", "200.0", "20.0", "100.0", str(int(main)), "0.5", "150.0"]
    words += [f"{x:.5f}" for x in forest.position[row]] + ["10.0", "-20.0", "30.0", "1", "2", "3", "0.04", "5", "6"]
    return " ".join([*words, "41", "99", str(step), "2e12", "0.1", "0.5"])


def write(folder, files=None, header=HEADER, lists=True):
    """Tree files by name -> roots, with the two lists beside them; the reader's arguments."""
    files = files or {"tree_0_0_0.dat": [41], "tree_0_0_1.dat": [43, 42]}
    places = ["#TreeRootID FileID Offset Filename"]
    for number, (name, roots) in enumerate(files.items()):
        text = f"{header}{len(roots)}\n"
        for root in roots:
            text += f"#tree {BIG + root}\n"
            places.append(f"{BIG + root} {number} {len(text)} {name}")
            text += "".join(f"{line(node)}\n" for node in TREES[root])
        (folder / name).write_text(text)
    if lists:
        (folder / "locations.dat").write_text("\n".join(places) + "\n")
        (folder / "forests.list").write_text("#TreeRootID ForestID\n" + "".join(f"{BIG + root} 7\n" for root in TREES))
    return tuple(folder / name for name in files)


def opened(files, **entry):
    return ConsistentTrees(files, SimulationEntry(format=FORMAT, **entry))


def everything(files, **entry):
    reader = opened(files, **entry)
    return [(forest, link(forest, files[0])) for forest in map(reader.read, reader.pieces())]


def test_a_forest_over_two_files_is_read_whole(tmp_path):
    reader = opened(write(tmp_path))
    (piece,) = reader.pieces()
    forest = reader.read(piece)
    found = object_columns(objects_at(forest, 4), np.array([1.0, 2.0, 4.0, 7.0, 10.0]))
    expected = object_columns(objects_at(by_hand(), 4), np.array([1.0, 2.0, 4.0, 7.0, 10.0]))
    for name in ("simulation_halo_id", "simulation_host_halo_id", "simulation_penultimate_host_halo_id"):
        np.testing.assert_array_equal(found[name] - BIG, expected[name])
    for name in ("infall_time", "penultimate_infall_time"):
        np.testing.assert_array_equal(found[name], expected[name])
    for name in ("log10_halo_mass", "log10_host_mass_at_infall", "log10_host_mass_at_penultimate_infall"):
        np.testing.assert_allclose(found[name], expected[name] - np.log10(0.5), atol=1e-6)
    assert forest.dropped == {}


def test_units_are_ours(tmp_path):
    reader = opened(write(tmp_path))
    forest = reader.read(reader.pieces()[0])
    row = forest.node_id.tolist().index(BIG + 31)
    original = by_hand().node_id.tolist().index(31)
    np.testing.assert_allclose(forest.position[row], by_hand().position[original] / 0.5)
    assert forest.velocity[row].tolist() == [10.0, -20.0, 30.0]
    assert forest.scale_radius[row] == pytest.approx(0.04)  # 20 kpc/h
    assert forest.columns["halo_vmax"][row] == 150.0
    assert reader.box_size == 500.0
    assert reader.cosmology.Om0 == 0.3
    np.testing.assert_allclose(reader.scale_factor, SCALES)
    assert forest.step[row] == 3


def test_without_lists_each_tree_stands_for_itself(tmp_path, monkeypatch):
    files = write(tmp_path, lists=False)
    monkeypatch.setattr(consistent_trees, "BYTES_PER_PIECE", 700)  # less than a tree
    reader = opened(files)
    parts = [reader.read(piece) for piece in reader.pieces()]
    assert sorted(np.concatenate([part.node_id for part in parts]) - BIG) == sorted(by_hand().node_id)
    sizes = [len(part.node_id) for part in parts if len(part.node_id)]
    assert sorted(sizes) == [4, 5, 8]
    assert sum(link(part).counts.get(LOST, 0) for part in parts) == 6


@pytest.mark.parametrize("lists", [True, False])
def test_packed_trees_are_the_text_they_hold(lists, tmp_path, monkeypatch):
    monkeypatch.setattr(consistent_trees, "BYTES_PER_PIECE", 700)  # less than a tree
    monkeypatch.setattr(consistent_trees_text, "SCAN", 10)
    files = write(tmp_path, lists=lists)
    expected = [opened(files).read(piece).node_id for piece in opened(files).pieces()]
    for path in list(tmp_path.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    packed = tuple(path.with_name(f"{path.name}.gz") for path in files)
    assert recognises(packed[0])
    found = [opened(packed).read(piece).node_id for piece in opened(packed).pieces()]
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(expected))


def test_forests_of_the_lists_are_cut_between_forests(tmp_path, monkeypatch):
    files = write(tmp_path)
    (tmp_path / "forests.list").write_text(f"{BIG + 41} 1\n{BIG + 42} 2\n{BIG + 43} 1\n")
    monkeypatch.setattr(consistent_trees, "BYTES_PER_PIECE", 100)
    reader = opened(files)
    sizes = [len(reader.read(piece).node_id) for piece in reader.pieces()]
    assert sizes == [13, 4]


def test_snapshots_may_come_from_the_entry(tmp_path):
    steps = {10: 0.1, 20: 0.2, 40: 0.4, 60: 0.6, 80: 0.8, 100: 1.0}
    reader = opened(write(tmp_path), steps=steps)
    assert len(reader.scale_factor) == 6
    assert reader.read(reader.pieces()[0]).step.min() == 1


def test_another_mass_may_be_named(tmp_path):
    reader = opened(write(tmp_path), columns={"log10_halo_mass": "M200b"})
    np.testing.assert_allclose(reader.read(reader.pieces()[0]).log10_mass, np.log10(4e12))


def test_columns_are_known_by_their_names():
    found = column_numbers("#scale(0) id(1) A[x](500c)(7) T/|U|(8) Halfmass_Radius Rs")
    assert found == {"scale": 0, "id": 1, "a[x](500c)": 7, "t/|u|": 8, "halfmass_radius": 9, "rs": 10}


def test_it_is_known_by_its_beginning(tmp_path):
    files = write(tmp_path)
    assert recognises(files[0])
    assert not recognises(tmp_path / "forests.list")
    assert not recognises(tmp_path)
    (tmp_path / "hlist").write_text(HEADER + line(41) + "\n")
    assert not recognises(tmp_path / "hlist")


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("#Units: Masses in Msun / h", "#Units: Masses in Msun", "only Msun / h"),
        ("h0 = 0.500000", "", "no header line"),
        ("Omega_L = 0.700000", "Omega_L = 0.600000", "only flat"),
        ("h0 = 0.500000", "h0 = 50.0", "100 km/s/Mpc"),
        ("mvir(10)", "mass(10)", "no column 'mvir'"),
        ("#Full box size = 250.000000 Mpc/h", "#", "does not say the box size"),
        ("250.000000 Mpc/h", "2.500000 Mpc/h", "outside the box"),
        (f"{BIG + 31}", "1.15e18", "an id is no integer"),
        (" 99 3 2e12 0.1 0.5\n", " 99 3 2e12 0.1\n", "more or less than 35"),
        (" 99 3 2e12 0.1 0.5\n", " 99 3 2e12 0.1 0.5 0.6\n", "more or less than 35"),
        (" 150.0 ", " many ", "are not numbers"),
        ("#tree ", "#branch ", "no line '#tree"),
    ],
)
def test_a_damaged_copy_is_refused_with_what_is_wrong(tmp_path, before, after, wanted):
    files = write(tmp_path, {"tree_0_0_0.dat": [41, 42, 43]}, lists=False)
    text = files[0].read_text()
    assert before in text
    files[0].write_text(text.replace(before, after))
    with pytest.raises(InputError, match=wanted) as caught:
        everything(files)
    assert str(files[0]) in str(caught.value)


def test_rows_with_one_value_more_and_one_less_do_not_make_up_for_each_other(tmp_path):
    files = write(tmp_path, {"tree_0_0_0.dat": [41, 42, 43]}, lists=False)
    lines = files[0].read_text().splitlines()
    rows = [number for number, text in enumerate(lines) if len(text.split()) == 35]
    lines[rows[2]] += " 0.6"
    lines[rows[4]] = lines[rows[4]].rsplit(maxsplit=1)[0]
    files[0].write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"has 3[46] values, more or less than 35"):
        everything(files)


@pytest.mark.parametrize("name", ["forests.list", "locations.dat"])
def test_a_list_with_a_value_more_in_each_line_is_refused(name, tmp_path):
    """Its first value would be taken for the name of the row, and all others for those before."""
    files = write(tmp_path)
    lines = (tmp_path / name).read_text().splitlines()
    (tmp_path / name).write_text("\n".join([lines[0], *(f"{line} 5" for line in lines[1:])]) + "\n")
    with pytest.raises(InputError, match=rf"{name}: the row .* has [35] values, more or less than [24]"):
        everything(files)


def test_a_truncated_copy_is_refused(tmp_path):
    files = write(tmp_path)
    text = files[1].read_bytes()
    files[1].write_bytes(text[:-20])
    with pytest.raises(InputError, match="truncated"):
        everything(files)
    files[1].write_bytes(text[: text.rindex(b"#tree") - 100])
    with pytest.raises(InputError, match="ends before the tree"):
        everything(files)


def test_rows_that_are_missing_at_the_end_are_counted(tmp_path):
    files = write(tmp_path, {"tree_0_0_0.dat": [42, 43, 41]}, lists=False)
    lines = files[0].read_text().splitlines(keepends=True)
    files[0].write_text("".join(lines[:-2]))
    ((forest, _),) = everything(files)
    assert forest.dropped == {MISSING: 2}


def test_lists_that_do_not_agree_are_refused(tmp_path):
    files = write(tmp_path)
    with pytest.raises(InputError, match="share forests"):
        everything(files[:1])
    lists = (tmp_path / "forests.list").read_text()
    (tmp_path / "forests.list").write_text(lists.replace(f"{BIG + 42} 7\n", ""))
    with pytest.raises(InputError, match=f"lacks tree {BIG + 42}"):
        everything(files)
    (tmp_path / "forests.list").write_text(lists)
    files[1].unlink()
    with pytest.raises(InputError, match="which is not there"):
        everything(files[:1])


def test_files_of_two_simulations_are_refused(tmp_path):
    files = write(tmp_path, lists=False)
    files[1].write_text(files[1].read_text().replace("Omega_M = 0.3", "Omega_M = 0.31").replace("0.700000", "0.690000"))
    with pytest.raises(InputError, match="read them apart"):
        everything(files)
    with pytest.raises(InputError, match="box size"):
        everything(files[:1], box_size=250.0)
    with pytest.raises(InputError, match="has h = "):
        everything(files[:1], cosmology={"h": 0.7})


@pytest.mark.parametrize("name", [name for name in entry_names("simulations") if name.endswith("_trees")])
def test_the_particles_of_a_known_simulation_fill_its_box(name):
    entry = SimulationEntry(**read_yaml(entry_path("simulations", name)))
    assert entry.format == FORMAT
    h, density = (
        entry.cosmology["h"],
        2.77536627e11 * entry.cosmology["Om0"] * entry.cosmology["h"] ** 2,
    )
    particles = (density * entry.box_size**3 / entry.particle_mass) ** (1.0 / 3.0)
    assert particles == pytest.approx(round(particles / 256) * 256, rel=1e-3)
    assert entry.box_size * h == pytest.approx(round(entry.box_size * h / 50) * 50, rel=1e-5)
