"""Gathering halos of any product: links, ids, order, whatever the pieces; and faults by name."""

import warnings

import numpy as np
import pandas as pd
import pytest
import yaml

from diffsky_factory.core.errors import InputError
from diffsky_factory.halos.gathered.gathering import Gathering, gathered_columns, replica_ids
from diffsky_factory.halos.gathered.stored import StoredHalos, gather_in_memory
from diffsky_factory.halos.open import open_simulation
from diffsky_factory.inputs.readers.common.shells import Span, gaps
from diffsky_factory.sky import coordinates
from diffsky_factory.sky.cosmology import Cosmology
from tests.inputs.readers.inspected import MadeUp, in_a_box, on_a_cone


def changed(halos, **columns):
    return {**halos, **columns}


def gathered(halos, **known):
    return gather_in_memory(MadeUp(halos, **known)).values


def test_each_satellite_is_linked_to_its_host_and_lies_behind_it():
    halos = on_a_cone()
    found = gathered(halos)
    host_of = dict(zip(halos["simulation_halo_id"], halos["simulation_host_halo_id"]))
    assert len(found["halo_id"]) == 130
    assert found["host_in_catalog"].all()
    np.testing.assert_array_equal(found["host_halo_id"], [host_of[i] for i in found["simulation_halo_id"]])
    row = {halo_id: i for i, halo_id in enumerate(found["halo_id"])}
    first = np.array([row[i] for i in found["host_halo_id"]])
    members = np.arange(130) - first
    assert (members >= 0).all()
    assert found["is_central"][first].all()
    np.testing.assert_array_equal(members == 0, found["is_central"])


def test_pieces_and_their_order_change_nothing():
    halos = on_a_cone()
    whole, parts = gathered(halos, rows_of_piece=1000), gathered(halos, rows_of_piece=3)
    backwards = gathered({name: values[::-1] for name, values in halos.items()}, rows_of_piece=11)
    for name in whole:
        np.testing.assert_array_equal(whole[name], parts[name])
        np.testing.assert_array_equal(whole[name], backwards[name])


def test_directions_and_redshifts_follow_from_positions_and_velocities():
    found = gathered(on_a_cone())
    position = np.stack([found[axis] for axis in "xyz"], axis=-1)
    velocity = np.stack([found[f"v{axis}"] for axis in "xyz"], axis=-1)
    ra, dec, _ = coordinates.sky(position)
    np.testing.assert_array_equal(found["ra"], ra)
    np.testing.assert_array_equal(found["dec"], dec)
    expected = coordinates.observed_redshift(found["redshift"], coordinates.line_of_sight_velocity(position, velocity))
    np.testing.assert_allclose(found["redshift_obs"], expected, atol=1e-14)


def test_chains_of_hosts_are_followed_and_absent_hosts_are_marked():
    halos = on_a_cone(n=3, satellites=0)
    ids = halos["simulation_halo_id"]
    for name in ("x", "y", "z"):
        halos[name] = halos[name][0] + np.arange(3) * 0.1
    nested = gathered(changed(halos, simulation_host_halo_id=np.array([ids[0], ids[0], ids[1]])))
    np.testing.assert_array_equal(nested["host_halo_id"], ids[0])
    lost = gathered(changed(halos, simulation_host_halo_id=np.array([ids[0], 999, ids[1]])))
    by_id = dict(zip(lost["halo_id"], lost["host_in_catalog"]))
    assert by_id == {ids[0]: True, ids[1]: False, ids[2]: False}
    assert not np.isin(lost["host_halo_id"][~lost["host_in_catalog"]], ids).any()


def test_the_notes_count_each_kind_and_what_was_left_out():
    table = gather_in_memory(MadeUp(on_a_cone(), rows_of_piece=65))
    notes = table.attributes["rows"]
    assert (notes["rows"], notes["centrals"], notes["satellites"]) == (130, 100, 30)
    assert notes["left out: dropped for the test"] == 2
    assert notes["nested hosts followed"] == notes["satellites without host"] == 0


def test_ids_beyond_float64_stay_exact():
    halos = on_a_cone()
    far = 2**60 + 1
    halos = changed(
        halos,
        simulation_halo_id=halos["simulation_halo_id"] + far,
        simulation_host_halo_id=halos["simulation_host_halo_id"] + far,
    )
    found = gathered(halos)
    assert set(found["halo_id"]) == set(halos["simulation_halo_id"])
    assert found["host_in_catalog"].all()


def test_copies_of_a_box_have_ids_of_their_own_and_each_satellite_the_host_beside_it():
    halos = on_a_cone()
    shift = {name: np.concatenate([values, values + 40.0]) for name, values in halos.items() if name in "xyz"}
    twice = {name: np.concatenate([values, values]) for name, values in halos.items()} | shift
    twice["replica"] = np.repeat(np.array([0, 7], np.int64), 130)
    found = gathered(twice)
    assert len(np.unique(found["halo_id"])) == 260
    assert found["host_in_catalog"].all()
    row = {halo_id: i for i, halo_id in enumerate(found["halo_id"])}
    host = np.array([row[i] for i in found["host_halo_id"]])
    apart = np.linalg.norm(np.stack([found[axis] - found[axis][host] for axis in "xyz"]), axis=0)
    assert apart.max() < 1.0
    assert set(found["halo_id"][found["halo_id"] < 2**40]) == set(halos["simulation_halo_id"])


def test_ids_of_copies_are_positive_and_differ():
    ids, replica = np.meshgrid(np.array([0, 5, 2**39, 2**57, -3]), np.array([0, 1, 2**19, 2**40]))
    made = replica_ids(ids.ravel(), replica.ravel())
    assert (made >= 0).all()
    assert len(np.unique(made)) == made.size
    np.testing.assert_array_equal(made[:4], ids[0, :4])


def test_the_first_of_two_hosts_is_kept_where_it_is_in_the_group():
    halos = on_a_cone(n=4, satellites=0)
    ids = halos["simulation_halo_id"]
    for name in ("x", "y", "z"):
        halos[name] = halos[name][0] + np.arange(4) * 0.1
    host = np.array([ids[0], ids[0], ids[0], ids[3]])
    first = np.array([ids[0], ids[0], ids[1], ids[3]])
    found = gathered(changed(halos, simulation_host_halo_id=host, simulation_penultimate_host_halo_id=first))
    by_id = dict(zip(found["halo_id"], found["penultimate_host_halo_id"]))
    assert by_id == {ids[0]: ids[0], ids[1]: ids[0], ids[2]: ids[1], ids[3]: ids[3]}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("log10_halo_mass", np.nan, "'log10_halo_mass' is nan"),
        ("vx", np.inf, "'vx' is inf"),
        ("simulation_halo_id", None, "is there 2 times"),
        ("redshift", 0.3, "is the unit, or the cosmology, right"),
    ],
)
def test_faults_are_named(name, value, message):
    halos = on_a_cone()
    values = np.zeros(130) if name == "redshift" else halos[name].copy()
    values[5] = values[6] if value is None else value
    if name == "redshift":
        values[:] = value
    with pytest.raises(InputError, match=message):
        gathered(changed(halos, **{name: values}))


def shell(low, high, hosts=100):
    return Span(f"cone/z{low}", hosts, low, high)


def test_a_gap_between_shells_is_as_wide_as_half_of_those_beside_it_and_they_are_not_nearly_empty():
    assert gaps([shell(0.3, 0.4), shell(0.0, 0.1), shell(0.1, 0.2)]) == {"between cone/z0.1 and cone/z0.3": (0.2, 0.3)}
    assert not gaps([shell(0.0, 0.1), shell(0.13, 0.3)])
    assert not gaps([shell(0.0, 0.1), shell(0.2, 0.3, hosts=99)])
    assert not gaps([shell(0.0, 0.1), shell(0.2, 0.3), shell(0.05, 0.25)])
    assert not gaps([shell(0.0, 0.1), Span("empty", 0, 0.5, 0.6)])


def test_a_table_of_shells_that_lacks_one_is_refused_unless_the_redshifts_do_not_need_it(tmp_path):
    for name, low in (("a", 0.1), ("b", 0.15), ("c", 0.2)):
        halos = on_a_cone(150, 20, seed=ord(name), redshift=(low, low + 0.05))
        columns = {key.removeprefix("simulation_"): values for key, values in halos.items()}
        for key in ("halo_id", "host_halo_id"):
            columns[key] = columns[key] + 10_000 * ord(name)
        pd.DataFrame(columns).to_csv(tmp_path / f"shell_{name}.csv", index=False)
    columns = {key: key.removeprefix("simulation_") for key in halos}
    units = {**dict.fromkeys("xyz", "Mpc"), **dict.fromkeys(("vx", "vy", "vz"), "km / s")}
    columns |= {key: {"column": key, "unit": unit} for key, unit in units.items()}
    columns["log10_halo_mass"] = {"column": "log10_halo_mass", "unit": "Msun", "log10": True}
    default = Cosmology()
    known = {"title": "t", "format": "table", "files": ["shell_*.csv"], "columns": columns}
    known["cosmology"] = {"Om0": float(default.Om0), "h": float(default.h)}
    known["options"] = {"geometry": "lightcone", "velocities": "physical"}
    entry = tmp_path / "shells.yaml"
    entry.write_text(yaml.safe_dump(known))
    assert len(open_simulation(entry).table.values["x"]) == 510
    (tmp_path / "shell_b.csv").unlink()
    with pytest.raises(InputError, match=r"lacks shells: between .*/shell_a.csv and .*/shell_c.csv \(redshift 0.1"):
        open_simulation(entry)
    assert open_simulation(entry, redshift=(0.205, 0.25)).redshift_range[0] >= 0.205
    entry.write_text(yaml.safe_dump({**known, "gaps": True}))
    assert len(open_simulation(entry).table.values["x"]) == 340


@pytest.mark.parametrize("again", [6, 7, 129], ids=["in the same piece", "in the next piece", "in the last piece"])
def test_an_id_that_occurs_twice_is_refused_in_whatever_pieces(again):
    halos = on_a_cone()
    halos["simulation_halo_id"][again] = halos["simulation_halo_id"][5]
    with pytest.raises(InputError, match=rf"halo {halos['simulation_halo_id'][5]} is there 2 times"):
        gathered(halos, rows_of_piece=7)


def test_hosts_of_each_other_are_refused():
    halos = on_a_cone(n=3, satellites=0)
    ids = halos["simulation_halo_id"]
    with pytest.raises(InputError, match="returns to itself"):
        gathered(changed(halos, simulation_host_halo_id=np.array([ids[1], ids[0], ids[2]])))


@pytest.fixture
def square_table(tmp_path):
    """A function: the path of the entry of 5,000 halos on 4.00 deg^2, by ra, dec and redshift; more may be stated."""
    rng = np.random.default_rng(5)
    sky = {"ra": rng.uniform(149.0, 151.0, 5000), "dec": rng.uniform(-1.0, 1.0, 5000), "z": rng.uniform(0.2, 0.8, 5000)}
    still = dict.fromkeys(("vx", "vy", "vz"), 0.0)
    pd.DataFrame({**sky, **still, "mass": 12.5}).to_csv(tmp_path / "halos.csv", index=False)

    def entry(**stated):
        columns = {name: {"column": name, "unit": "deg"} for name in ("ra", "dec")} | {"redshift": "z"}
        columns |= {name: {"column": name, "unit": "km / s"} for name in still}
        columns["log10_halo_mass"] = {"column": "mass", "unit": "Msun", "log10": True}
        options = {"geometry": "lightcone", "velocities": "physical", "hosts": "all"}
        known = {"title": "t", "format": "table", "files": ["halos.csv"], "cosmology": {"Om0": 0.3, "h": 0.7}}
        path = tmp_path / "square.yaml"
        path.write_text(yaml.safe_dump({**known, "columns": columns, "options": options, **stated}))
        return path

    return entry


def test_an_estimated_footprint_says_its_error_and_warns(square_table):
    path = square_table()
    with pytest.warns(UserWarning, match=r"square.yaml: nobody states the footprint .* good to \d+%. State it") as said:
        found = open_simulation(path)
    assert [one.filename for one in said] == [__file__]
    error = found.attributes["footprint_error"]
    assert error < 0.15
    assert abs(found.extent({"full_sky": True}) / 4.0 - 1.0) < error


def test_a_stated_footprint_is_exact_and_nobody_is_warned(square_table):
    path = square_table(footprint=[{"rectangle": {"ra": [149.0, 151.0], "dec": [-1.0, 1.0]}}])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = open_simulation(path)
    assert "footprint_error" not in found.attributes
    assert found.extent({"full_sky": True}) == pytest.approx(4.0, abs=1e-3)


def test_a_position_outside_the_box_is_refused():
    halos = in_a_box(50.0)
    attributes = {"box_size": 40.0}
    with pytest.raises(InputError, match="outside the box of 40 Mpc"):
        gathered(halos, geometry="box", attributes=attributes)


def test_a_gathering_goes_on_where_it_stopped(tmp_path):
    reader = MadeUp(on_a_cone(), rows_of_piece=40)
    pieces = reader.pieces()
    first = Gathering(reader, tmp_path)
    for piece in pieces[:2]:
        first.add(piece)
    first.close()
    second = Gathering(reader, tmp_path)
    assert second.done == set(pieces[:2])
    for piece in pieces[2:]:
        second.add(piece)
    assert second.link()["rows"] == 130
    (_, columns), *_ = second.batches(10_000)
    whole = gather_in_memory(reader).values
    for name in gathered_columns(reader):
        np.testing.assert_array_equal(columns[name], whole[name])


@pytest.mark.parametrize("order", [4, *(pytest.param(n, marks=pytest.mark.thorough) for n in (0, 8, 11))])
def test_tiles_hold_whole_groups_once_each(order):
    table = gather_in_memory(MadeUp(on_a_cone(n=400, satellites=200)))
    cone = StoredHalos(table, "made up")
    everywhere = {"full_sky": True}
    parts = [cone.halos(order, int(pixel), everywhere) for pixel in cone.tiles(order, everywhere)]
    assert [cone.count(order, int(p), everywhere) for p in cone.tiles(order, everywhere)] == [
        len(p["ra"]) for p in parts
    ]
    assert sum(len(part["ra"]) for part in parts) == 600
    for part in parts:
        np.testing.assert_array_equal(part["halo_id"][part["host_row"]], part["host_halo_id"])


def test_cuts_in_redshift_and_mass_keep_groups_whole():
    table = gather_in_memory(MadeUp(on_a_cone(n=400, satellites=200)))
    cone = StoredHalos(table, "made up", (0.2, 0.4), 12.0)
    parts = [cone.halos(2, int(pixel), None) for pixel in cone.tiles(2, {"full_sky": True})]
    rows = {
        name: np.concatenate([part[name] for part in parts]) for name in ("redshift", "log10_halo_mass", "is_central")
    }
    assert 0 < len(rows["redshift"]) < 600
    assert (rows["log10_halo_mass"] >= 12.0).all()
    assert ((rows["redshift"] > 0.2) & (rows["redshift"] < 0.4))[rows["is_central"]].all()
    assert all(part["is_central"][part["host_row"]].all() for part in parts)
    assert cone.redshift_range[0] >= 0.2
    assert sum(cone.count(2, int(pixel), None) for pixel in cone.tiles(2, {"full_sky": True})) == len(rows["redshift"])


def test_the_area_of_a_footprint_is_counted_where_none_is_given():
    halos = on_a_cone(n=40_000, satellites=0)
    table = gather_in_memory(MadeUp(halos, rows_of_piece=50_000))
    cone = StoredHalos(table, "made up")
    assert cone.extent({"full_sky": True}) == pytest.approx(41252.96, rel=1e-3)
    half = {"rectangle": {"ra": [0.0, 360.0], "dec": [0.0, 90.0]}}
    assert cone.extent(half) == pytest.approx(41252.96 / 2, rel=1e-2)


def test_a_cut_in_mass_that_takes_a_first_host_leaves_the_host_on_top():
    halos = on_a_cone(n=3, satellites=0)
    ids = halos["simulation_halo_id"]
    for name in ("x", "y", "z"):
        halos[name] = halos[name][0] + np.arange(3) * 0.1
    halos["log10_halo_mass"] = np.array([13.0, 11.5, 12.5])
    host, first = np.array([ids[0]] * 3), np.array([ids[0], ids[0], ids[1]])
    table = gather_in_memory(
        MadeUp(changed(halos, simulation_host_halo_id=host, simulation_penultimate_host_halo_id=first))
    )
    rows = StoredHalos(table, "made up", None, 12.0)
    (found,) = (rows.halos(0, int(pixel), None) for pixel in rows.tiles(0, {"full_sky": True}))
    np.testing.assert_array_equal(found["penultimate_host_row"], 0)
