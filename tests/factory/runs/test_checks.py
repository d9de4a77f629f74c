"""No tile with an error of a kind that the gate names is committed, however small; below the tolerance it passes."""

from contextlib import nullcontext
from functools import cache

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
import yaml
from astropy.coordinates import SkyCoord
from astropy.cosmology import FlatLambdaCDM

from diffsky_factory.core.columns import columns as known_columns
from diffsky_factory.core.errors import CheckError
from diffsky_factory.factory.assembly import Assembly
from diffsky_factory.factory.recipe import load_recipe
from diffsky_factory.factory.runs.build import build
from diffsky_factory.factory.runs.checks import check_places, check_tile
from diffsky_factory.factory.runs.stores import status
from diffsky_factory.halos.gathered.gathering import Gathering
from diffsky_factory.outputs import store
from diffsky_factory.sky import coordinates, tiles
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.regions import FullSky
from diffsky_factory.sky.shapes import Cone
from diffsky_factory.sky.spaces import Sky
from tests.conftest import PLAIN_COLUMNS

COSMOLOGY = Cosmology()
LIGHT = 299792.458  # km/s
ABOVE, BELOW = 1.05, 0.95  # of a tolerance; float32 positions are off by up to 4e-6 deg, 0.04 of it
# both sides of the meridian, both poles, each quadrant
RA = np.array([0.0, 1e-6, 359.999999, 33.0, 123.0, 213.0, 303.0, 77.0, 250.0])
DEC = np.array([0.0, 40.0, -40.0, 12.0, -35.0, 60.0, -5.0, 89.9, -89.99])
GENERIC = 4  # a row like any other
ROWS = np.arange(len(RA))


@cache
def faultless():
    """Columns without an error, from formulas of another package."""
    redshift = np.linspace(0.05, 1.7, len(RA))
    distance = FlatLambdaCDM(H0=100.0 * COSMOLOGY.h * u.km / u.s / u.Mpc, Om0=COSMOLOGY.Om0).comoving_distance(redshift)
    sky = SkyCoord(RA * u.deg, DEC * u.deg, distance=distance).cartesian
    unit = (
        np.stack([axis.to_value(u.Mpc) for axis in (sky.x, sky.y, sky.z)], axis=-1) / distance.to_value(u.Mpc)[:, None]
    )
    away = 400.0 + 20.0 * ROWS
    across = np.cross(unit, [0.3, 0.5, 0.8])
    columns = {
        "galaxy_id": 10 + 7 * ROWS[::-1],
        "simulation_halo_id": -5 + ROWS,
        "is_central": ROWS % 2 == 0,
        "mah_fit_quality": ROWS % 4,
        "log10_halo_mass": 11.0 + 0.3 * ROWS,
        "mah_parameters": np.linspace(1.0, 5.0, len(RA) * 5).reshape(-1, 5),
        "ra": RA,
        "dec": DEC,
        "redshift": redshift,
        "redshift_obs": (1.0 + redshift) * (1.0 + away / LIGHT) - 1.0,
        **dict(zip("xyz", (unit * distance.to_value(u.Mpc)[:, None]).T)),
        **dict(zip(("vx", "vy", "vz"), (away[:, None] * unit + 250.0 * across).T)),
    }
    return {name: values.astype(known_columns()[name].dtype) for name, values in columns.items()}


def tile():
    """Columns without an error, to change."""
    return {name: values.copy() for name, values in faultless().items()}


def spoiled(row=GENERIC, **values):
    """The tile with other values in one row."""
    columns = tile()
    for name, value in values.items():
        columns[name][row] = value
    return columns


def assert_refused(columns, name, row, problem):
    with pytest.raises(CheckError, match=rf"^column '{name}', row {row}: .*{problem}"):
        check_tile(columns, COSMOLOGY)


def test_a_tile_without_an_error_passes():
    check_tile(tile(), COSMOLOGY)


def test_a_tile_without_rows_passes():
    check_tile({name: values[:0] for name, values in tile().items()}, COSMOLOGY)


def test_a_tile_without_positions_passes():
    check_tile({name: values for name, values in tile().items() if name not in "xyz"}, COSMOLOGY)


FLOATS = [name for name, values in tile().items() if values.dtype.kind == "f" and values.ndim == 1]


@pytest.mark.parametrize("row", [0, GENERIC, len(RA) - 1])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", FLOATS)
def test_what_is_not_finite_is_refused(name, value, row):
    assert_refused(spoiled(row, **{name: value}), name, row, r"not finite \(1 in this tile\)")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", range(5))
def test_what_is_not_finite_is_refused_anywhere_on_an_axis(place, value):
    columns = tile()
    columns["mah_parameters"][[6, 3], place] = value
    assert_refused(columns, "mah_parameters", 3, r"not finite \(2 in this tile\)")


def test_what_overflows_the_type_of_its_column_is_refused():
    columns = tile()
    huge = columns["vx"].astype(np.float64)
    huge[GENERIC] = 1e39
    with np.errstate(over="ignore"):
        columns["vx"] = huge.astype(np.float32)
    assert_refused(columns, "vx", GENERIC, "inf not finite")


def edges():
    """Each column's lowest and highest value, and the next one outside it where its type has one."""
    for name, values in tile().items():
        if values.dtype == bool:
            continue
        for end, outward in zip(known_columns()[name].range, (-1, 1)):
            if values.dtype.kind == "f":
                yield name, values.dtype.type(end), np.nextafter(values.dtype.type(end), outward * np.inf)
            elif abs(end) < np.iinfo(values.dtype).max:
                yield name, int(end), int(end) + outward


@pytest.mark.parametrize(("name", "last", "beyond"), list(edges()))
def test_a_range_ends_where_the_schema_says(name, last, beyond):
    assert_refused(spoiled(**{name: beyond}), name, GENERIC, r"outside \[")
    columns = {name: spoiled(**{name: last})[name]}
    check_tile(columns, COSMOLOGY)


def test_a_value_outside_its_range_is_told_with_the_range():
    assert_refused(spoiled(mah_fit_quality=6), "mah_fit_quality", GENERIC, r"6 outside \[0, 5\] \(1 in this tile\)")


def test_an_id_that_occurs_twice_is_refused_where_it_occurs_again():
    columns = tile()
    columns["galaxy_id"][6] = columns["galaxy_id"][1]
    assert_refused(columns, "galaxy_id", 6, rf"{columns['galaxy_id'][1]} occurs twice \(1 in this tile\)")


def test_ids_that_differ_by_one_pass():
    # float64 would take them for one
    check_tile({"galaxy_id": np.array([2**62, 2**62 + 1])}, COSMOLOGY)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("ra", "float32"),
        ("x", "float64"),
        ("galaxy_id", "int32"),
        ("galaxy_id", "float64"),
        ("galaxy_id", "uint64"),
        ("is_central", "int8"),
        ("mah_fit_quality", "int64"),
        ("log10_halo_mass", "float16"),
        ("log10_halo_mass", "object"),
        ("log10_halo_mass", "str"),
        ("redshift", "complex128"),
    ],
)
def test_another_type_than_the_schema_has_is_refused(name, dtype):
    columns = tile()
    columns[name] = columns[name].astype(dtype)
    assert_refused(columns, name, 0, f"of type {columns[name].dtype}, not {known_columns()[name].dtype}")


@pytest.mark.parametrize("name", ["log10_halo_mass", "x", "mah_parameters"])
def test_a_column_with_a_row_less_or_more_is_refused(name):
    n = len(RA)
    columns = tile()
    columns[name] = columns[name][:-1]
    assert_refused(columns, name, n - 1, f"{n - 1} rows where others have {n}")
    columns[name] = np.concatenate([tile()[name], tile()[name][:1]])
    assert_refused(columns, name, n, f"{n + 1} rows where others have {n}")


def test_a_column_that_no_schema_has_is_refused():
    with pytest.raises(KeyError, match=r"no column 'log10_hallo_mass'.*log10_halo_mass"):
        check_tile({"log10_hallo_mass": np.ones(3, np.float32)}, COSMOLOGY)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("name", ["ra", "dec"])
def test_an_angle_may_differ_from_the_position_by_a_ten_thousandth_of_a_degree(name, row, sign):
    # an angle along the parallel is shorter by cos(dec)
    step = sign * 1e-4 / (np.cos(np.deg2rad(DEC[row])) if name == "ra" else 1.0)
    for share, passes in ((BELOW, True), (ABOVE, False)):
        value = tile()[name][row] + share * step
        columns = spoiled(row, **{name: value % 360.0 if name == "ra" else value})
        if passes:
            check_tile(columns, COSMOLOGY)
        else:
            assert_refused(columns, "ra", row, r"0\.000\d+ degrees between ra, dec and x, y, z \(1 in this tile\)")


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("name", ["x", "y", "z"])
def test_a_position_across_the_line_of_sight_may_differ_as_little(name, sign):
    sight = np.stack([tile()[axis][GENERIC] for axis in "xyz"]).astype(np.float64)
    radius = np.linalg.norm(sight)
    across = np.eye(3)["xyz".index(name)] - sight["xyz".index(name)] * sight / radius**2
    step = sign * np.deg2rad(1e-4) * radius * across / np.linalg.norm(across)
    check_tile(spoiled(**dict(zip("xyz", sight + BELOW * step))), COSMOLOGY)
    assert_refused(spoiled(**dict(zip("xyz", sight + ABOVE * step))), "ra", GENERIC, "degrees between")


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("row", [0, GENERIC, len(RA) - 1])
def test_a_distance_may_differ_from_the_redshift_by_a_ten_thousandth(row, sign):
    def farther(share):
        return spoiled(row, **{axis: tile()[axis][row] * np.float64(1.0 + sign * share * 1e-4) for axis in "xyz"})

    check_tile(farther(BELOW), COSMOLOGY)
    assert_refused(farther(ABOVE), "redshift", row, r"0\.0001\d+ relative difference of its distance")


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("row", [0, GENERIC, len(RA) - 1])
def test_an_observed_redshift_may_differ_from_that_of_the_velocity_by_a_millionth(row, sign):
    observed = tile()["redshift_obs"][row]
    check_tile(spoiled(row, redshift_obs=observed + sign * BELOW * 1e-6), COSMOLOGY)
    wrong = spoiled(row, redshift_obs=observed + sign * ABOVE * 1e-6)
    assert_refused(wrong, "redshift_obs", row, rf"{str(observed)[:6]}\d* expected from the velocity \(1 in this tile\)")


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("name", ["vx", "vy", "vz"])
def test_a_velocity_may_differ_along_the_line_of_sight_by_a_third_of_a_kilometre_per_second(name, sign):
    sight = np.stack([tile()[axis][GENERIC] for axis in "xyz"]).astype(np.float64)
    along = sight["xyz".index(name.removeprefix("v"))] / np.linalg.norm(sight)
    step = sign * 1e-6 * LIGHT / (1.0 + tile()["redshift"][GENERIC]) / along
    velocity = np.float64(tile()[name][GENERIC])
    check_tile(spoiled(**{name: velocity + BELOW * step}), COSMOLOGY)
    assert_refused(spoiled(**{name: velocity + ABOVE * step}), "redshift_obs", GENERIC, "expected from the velocity")


def with_positions(columns, change):
    """The tile with all positions changed."""
    return {**columns, **dict(zip("xyz", change(*(columns[axis] for axis in "xyz"))))}


def with_velocities(columns, change):
    """The tile with all velocities changed."""
    return {**columns, **{name: change(columns[name]).astype(np.float32) for name in ("vx", "vy", "vz")}}


h = np.float32(COSMOLOGY.h)
MISTAKES = {
    "turned by half a circle": (lambda c: with_positions(c, lambda x, y, z: (-x, -y, z)), "ra", len(RA)),
    "mirrored in the equator": (lambda c: with_positions(c, lambda x, y, z: (x, y, -z)), "ra", len(RA) - 1),
    "x and y swapped": (lambda c: with_positions(c, lambda x, y, z: (y, x, z)), "ra", len(RA)),
    "ra and dec swapped": (lambda c: {**c, "ra": c["dec"] % 360.0, "dec": (c["ra"] + 90.0) % 180.0 - 90.0}, "ra", 8),
    "ra in hours": (lambda c: {**c, "ra": c["ra"] / 15.0}, "ra", 7),
    "angles in radians": (lambda c: {**c, "ra": np.deg2rad(c["ra"]), "dec": np.deg2rad(c["dec"])}, "ra", 8),
    "angle from the pole": (lambda c: {**c, "dec": 90.0 - abs(c["dec"])}, "ra", len(RA)),
    "Mpc/h": (lambda c: with_positions(c, lambda x, y, z: (h * x, h * y, h * z)), "redshift", len(RA)),
    "not comoving": (
        lambda c: with_positions(c, lambda *xyz: [(q / (1.0 + c["redshift"])).astype(np.float32) for q in xyz]),
        "redshift",
        len(RA),
    ),
    "distances of other rows": (lambda c: {**c, "redshift": c["redshift"][::-1].copy()}, "redshift", len(RA) - 1),
    "velocity turned round": (lambda c: with_velocities(c, np.negative), "redshift_obs", len(RA)),
    "velocity of another convention": (
        lambda c: with_velocities(c, lambda v: v * np.sqrt(1.0 + c["redshift"])),
        "redshift_obs",
        len(RA),
    ),
    "redshift without velocity": (lambda c: {**c, "redshift_obs": c["redshift"]}, "redshift_obs", len(RA)),
    "velocity added to the redshift": (
        lambda c: {**c, "redshift_obs": (c["redshift_obs"] + c["redshift"] ** 2) / (1.0 + c["redshift"])},
        "redshift_obs",
        len(RA),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_of_convention_is_refused(mistake):
    change, name, rows = MISTAKES[mistake]
    with pytest.raises(CheckError, match=rf"^column '{name}', row \d: .*\({rows} in this tile\)"):
        check_tile(change(tile()), COSMOLOGY)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_another_cosmology_than_that_of_the_positions_is_refused(dtype):
    check_tile(tile(), COSMOLOGY._replace(Om0=dtype(COSMOLOGY.Om0)))
    with pytest.raises(CheckError, match=r"^column 'redshift', row \d: .* relative difference"):
        check_tile(tile(), COSMOLOGY._replace(Om0=dtype(COSMOLOGY.Om0 + 1e-3)))


def test_a_position_at_the_observer_is_refused():
    assert_refused(spoiled(x=0.0, y=0.0, z=0.0), "x", GENERIC, "is that of the observer")


def test_a_redshift_of_zero_at_a_distance_is_refused():
    assert_refused(spoiled(redshift=0.0), "redshift", GENERIC, "relative difference")


@pytest.mark.parametrize(
    ("absent", "wrong", "name"),
    [
        ("redshift redshift_obs vx", {"ra": 124.0}, "ra"),
        ("ra redshift_obs", {"redshift": 0.9}, "redshift"),
        ("dec vy", {"redshift": 0.9}, "redshift"),
        ("ra dec", {"redshift_obs": 0.9}, "redshift_obs"),
    ],
)
def test_what_can_be_compared_is_compared_where_other_columns_are_absent(absent, wrong, name):
    def kept(columns):
        return {name: values for name, values in columns.items() if name not in absent.split()}

    check_tile(kept(tile()), COSMOLOGY)
    assert_refused(kept(spoiled(**wrong)), name, GENERIC, "")


@pytest.mark.parametrize("absent", ["x", "y", "z"])
def test_a_position_that_lacks_an_axis_is_compared_with_nothing(absent):
    check_tile({name: values for name, values in spoiled(ra=124.0).items() if name != absent}, COSMOLOGY)


@pytest.mark.parametrize("absent", ["vx", "vy", "vz", "redshift"])
def test_a_velocity_that_lacks_an_axis_or_a_redshift_is_compared_with_nothing(absent):
    check_tile({name: values for name, values in spoiled(redshift_obs=0.9).items() if name != absent}, COSMOLOGY)


# errors of the halos of one tile, before they are cast to the types of the columns
PLANTED = {
    "ra": (lambda halos: {"ra": halos["ra"] + 1.05e-4 / np.cos(np.deg2rad(halos["dec"]))}, "'ra', row 0"),
    "dec": (lambda halos: {"dec": halos["dec"] - 1.05e-4}, "'ra', row 0"),
    "Mpc/h": (lambda halos: {axis: 0.6774 * halos[axis] for axis in "xyz"}, "'redshift', row 0"),
    "turned": (lambda halos: {axis: -halos[axis] for axis in "xy"}, "'ra', row 0"),
    "velocity": (lambda halos: {axis: -halos[axis] for axis in ("vx", "vy", "vz")}, "'redshift_obs', row 0"),
    "no velocity": (lambda halos: {"redshift_obs": halos["redshift"]}, "'redshift_obs', row 0"),
    "repeated id": (
        lambda halos: {"halo_id": np.r_[halos["halo_id"][:-1], halos["halo_id"][0]]},
        "'galaxy_id', row",
    ),
    "overflow": (lambda halos: {"vz": np.r_[1e39, halos["vz"][1:]]}, "'vz', row 0: inf not finite"),
    "NaN": (lambda halos: {"log10_halo_mass": np.r_[np.nan, halos["log10_halo_mass"][1:]]}, "'log10_halo_mass', row 0"),
    "mass without logarithm": (
        lambda halos: {"log10_halo_mass": 10.0 ** halos["log10_halo_mass"]},
        r"outside \[5, 17\]",
    ),
    "another tile": (
        lambda halos: {"ra": (halos["ra"] + 180.0) % 360.0, **{name: -halos[name] for name in ("x", "y", "vx", "vy")}},
        r"row 0: the halo at ra \d+\.\d+, dec .* is outside of the tile",
    ),
    "row less": (lambda halos: {name: values[:-1] for name, values in halos.items()}, "other rows than were planned"),
}


@pytest.fixture(scope="module")
def sky(plain):
    """A recipe with all that the gate compares, in four tiles."""
    compared = ["redshift_obs", *"xyz", "vx", "vy", "vz"]
    columns = [*(name for name in PLAIN_COLUMNS if name != "mah_parameters"), *compared]
    return load_recipe(plain, name="sky", columns=columns, tiles={"order": 8, "block": 256, "blocks_per_shard": 2})


@pytest.fixture(scope="module")
def sky_store(sky, tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "sky.zarr"
    build(sky, path)
    return path


def assert_left_out(recipe, path, bad, error, message):
    """A build of the recipe is refused, and the store holds every tile but one."""
    with pytest.raises(error, match=message):
        build(recipe, path, workers=1)
    part = store.read_part(path)
    committed = [pixel for tile, pixel in enumerate(part.rows.keys) if store.commit(path, part, tile)]
    assert bad not in committed
    assert not list((path / "commits").rglob(f"{bad}*"))
    assert status(path).state == "building"


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("error", PLANTED)
def test_no_tile_with_an_error_gets_a_commit(error, sky, sky_store, tmp_path, monkeypatch):
    plant, message = PLANTED[error]
    bad, halos = store.read_rows(sky_store).keys[1], Assembly.halos

    def with_error(self, pixel):
        found = halos(self, pixel)
        return {**found, **plant(found)} if pixel == bad else found

    monkeypatch.setattr(Assembly, "halos", with_error)
    assert_left_out(sky, tmp_path / "sky.zarr", bad, CheckError, rf"tile {bad}: .*{message}")
    assert status(tmp_path / "sky.zarr").built == 3


def test_no_tile_without_one_of_its_columns_gets_a_commit(sky, sky_store, tmp_path, monkeypatch):
    bad, galaxies = store.read_rows(sky_store).keys[-1], Assembly.galaxies
    missed = store.read_rows(sky_store).counts[-1]

    def without_vy(self, halos, wanted, bands=None):
        found = galaxies(self, halos, wanted, bands)
        return {name: values for name, values in found.items() if name != "vy" or len(values) != missed}

    monkeypatch.setattr(Assembly, "galaxies", without_vy)
    assert_left_out(sky, tmp_path / "sky.zarr", bad, (CheckError, KeyError), "vy")


RECTANGLE = {"rectangle": {"ra": [20.0, 30.0], "dec": [-5.0, 5.0]}}
PLACES = ("ra", "dec", "redshift")


@pytest.fixture
def field(tmp_path):
    """A function: the path of the entry of 300 halos in RECTANGLE, with a footprint that it states."""
    rng = np.random.default_rng(4)
    halos = {"ra": rng.uniform(20.0, 30.0, 300), "dec": rng.uniform(-5.0, 5.0, 300), "z": rng.uniform(0.3, 0.4, 300)}
    pd.DataFrame({**halos, **dict.fromkeys(("vx", "vy", "vz"), 0.0), "mass": 12.5}).to_csv(
        tmp_path / "halos.csv", index=False
    )
    columns = {
        **{name: {"column": name, "unit": "deg"} for name in ("ra", "dec")},
        "redshift": "z",
        **{name: {"column": name, "unit": "km / s"} for name in ("vx", "vy", "vz")},
        "log10_halo_mass": {"column": "mass", "unit": "Msun", "log10": True},
    }

    def entry(footprint):
        known = {"title": "t", "format": "table", "files": ["halos.csv"], "cosmology": {"Om0": 0.3, "h": 0.7}}
        options = {"geometry": "lightcone", "velocities": "physical", "hosts": "all"}
        path = tmp_path / "field.yaml"
        path.write_text(yaml.safe_dump({**known, "columns": columns, "options": options, "footprint": footprint}))
        return {"name": "field", "simulation": str(path), "columns": ["galaxy_id", *PLACES], "tiles": {"order": 2}}

    return entry


def test_halos_in_the_footprint_of_their_entry_are_committed(field, tmp_path):
    summary = build(field([RECTANGLE]), tmp_path / "field.zarr")
    assert summary.rows == 300
    assert summary.area == pytest.approx(99.87, abs=0.01)


@pytest.fixture
def unseen(monkeypatch):
    """Reading does not look where hosts are, so that the gate before a commit is what finds them."""
    monkeypatch.setattr(Gathering, "_check_footprint", lambda *_: None)


def test_halos_beyond_the_footprint_of_their_entry_are_refused(unseen, field, tmp_path):
    half = {"rectangle": {"ra": [20.0, 25.0], "dec": [-5.0, 5.0]}}
    with pytest.raises(CheckError, match=r"tile \d+: row \d+: the halo at ra 2[5-9].* outside of the footprint"):
        build(field([half]), tmp_path / "field.zarr")


def test_halos_in_tiles_without_area_are_refused(unseen, field, tmp_path):
    opposite = {"rectangle": {"ra": [200.0, 210.0], "dec": [-5.0, 5.0]}}
    with pytest.raises(CheckError, match=r"tile \d+: row 0: .* without any part of the mock, whose extent is 0"):
        build(field([opposite]), tmp_path / "field.zarr")


def placed(ra, dec, distance=1000.0, head=True):
    """Halos of which the first is the head of a group, and the second one too, or its satellite."""
    ra, dec = np.array([45.0, ra]), np.array([0.0, dec])
    position = coordinates.cartesian(ra, dec, np.full(2, distance))
    return {"ra": ra, "dec": dec, **dict(zip("xyz", position.T)), "host_row": np.array([0, int(head)])}


TILE = int(tiles.pixel(45.0, 0.0, 3))


@pytest.mark.parametrize(
    ("ra", "dec", "head", "part", "footprint", "problem"),
    [
        (45.2, 0.0, True, FullSky(), [], None),
        (145.2, 0.0, True, FullSky(), [], "row 1: the halo at ra 145.2.* outside of the tile"),
        (145.2, 0.0, False, FullSky(), [], None),
        (45.2, 0.0, True, Cone(45.0, 0.0, 0.1), [], "row 1: .* outside of the region of the recipe"),
        (45.2, 0.0, False, Cone(45.0, 0.0, 0.1), [], None),
        (45.2, 0.0, True, FullSky(), [Cone(45.0, 0.0, 0.1)], "row 1: .* outside of the footprint"),
        (45.2, 0.0, False, FullSky(), [Cone(45.0, 0.0, 0.1)], None),
        (45.2, 0.0, True, FullSky(), [Cone(45.0, 0.0, 0.1), Cone(45.2, 0.0, 0.1)], None),
        (45.14, 0.0, True, FullSky(), [Cone(45.0, 0.0, 0.1)], None),  # half a Mpc beyond
        (45.17, 0.0, True, FullSky(), [Cone(45.0, 0.0, 0.1)], "row 1: .* outside of the footprint"),
    ],
)
def test_groups_lie_in_the_tile_the_region_and_the_footprint(ra, dec, head, part, footprint, problem):
    refused = pytest.raises(CheckError, match=problem) if problem else nullcontext()
    with refused:
        check_places(placed(ra, dec, head=head), TILE, 3, 50.0, Sky(), part, footprint)


def test_a_tile_without_area_may_have_no_rows():
    halos = {name: values[:0] for name, values in placed(45.2, 0.0).items()}
    check_places(halos, TILE, 3, 0.0, Sky(), FullSky())
