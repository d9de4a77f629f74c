"""Galaxies of a periodic box: built, opened, cut, moved into redshift space, whichever simulation it is of."""

import numpy as np
import pytest
import yaml
from astropy.cosmology import w0waCDM

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.assembly import Assembly
from diffsky_factory.outputs.store import read_part
from tests.inputs.readers.test_rockstar_out import COMMENTS, NAMES, row

BOX = {
    "name": "box",
    "simulation": "synthetic",
    "redshift": 0.6,
    "box_size": 150.0,
    "halo_mass_min": 3e12,
    "columns": [
        *("galaxy_id", "halo_id", "host_halo_id", "is_central", "redshift"),
        *("x", "y", "z", "vx", "vy", "vz", "log10_halo_mass", "satellite_radius_score", "mah_parameters"),
    ],
    "tiles": {"box_order": 1, "block": 64, "blocks_per_shard": 2},
    "seed": 3,
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("boxes") / "box.zarr"
    dff.build(BOX, path)
    return path


@pytest.fixture(scope="module")
def ds(path):
    return dff.open_catalog(path)


def two_snapshots(folder) -> str:
    """An entry of Rockstar's lists of a box at redshifts 1 and 0.25, hosts and a satellite across a face."""
    for number, a in ((12, 0.5), (20, 0.8)):
        rows = [row(10 + i, position=(f"{20.0 * i + 1.0}", "2.5", "249.5")) for i in range(12)]
        rows.append(row(40, parent=10, mass="2e12", position=("249.9", "2.5", "0.1")))
        text = f"#{NAMES}\n{COMMENTS.replace('#a = 0.500000', f'#a = {a}')}" + "\n".join(rows) + "\n"
        (folder / f"out_{number}.list").write_text(text)
    entry = folder / "lists.yaml"
    entry.write_text(yaml.safe_dump({"name": "lists", "format": "rockstar_out", "files": ["out_*.list"]}))
    return str(entry)


@pytest.fixture
def snapshots(tmp_path):
    return two_snapshots(tmp_path)


def test_a_box_that_is_built_is_the_one_that_is_made_lazily(path, ds):
    lazy = dff.make_mock(BOX)
    assert lazy.sizes == ds.sizes
    for name in ds.data_vars:
        np.testing.assert_array_equal(lazy[name], ds[name], err_msg=name)
    assert read_part(path).rows.partition == "cells"
    assert ds.sizes["galaxy"] == read_part(path).rows.total > 1000
    assert dff.build(BOX, path).built == 0
    assert not dff.status(path, verify=True).damaged


def test_the_box_knows_what_its_rows_are(ds):
    assert (ds.box.size, ds.box.volume, ds.box.redshift) == (150.0, 150.0**3, 0.6)
    assert ds.box.periodic == (True, True, True)
    assert ds.box.tiles.tolist() == list(range(8))
    assert ds.box.tile_rows.sum() == ds.sizes["galaxy"]
    np.testing.assert_allclose(ds.box.tile_volumes, 75.0**3)
    assert "Mpc^3" in repr(ds.box)
    assert ds.box.weight.sum() == ds.sizes["galaxy"]
    with pytest.raises(InputError, match=r"ask ds\.box"):
        _ = ds.sky.area
    with pytest.raises(InputError, match="chosen or joined"):
        _ = ds.isel(galaxy=slice(0, 50)).box.volume
    assert ds.sortby("log10_halo_mass").box.volume == 150.0**3


def test_a_sub_box_is_cut_through_faces_and_joined(ds):
    cut = ds.box.sub_box(x=[120.0, 170.0], z=[0.0, 75.0])
    x, z = np.asarray(ds.x), np.asarray(ds.z)
    inside = ((x >= 120.0) | (x < 20.0)) & (z < 75.0)
    np.testing.assert_array_equal(cut.galaxy_id, ds.galaxy_id.values[inside])
    assert cut.box.volume == pytest.approx(50.0 * 150.0 * 75.0)
    assert cut.box.periodic == (False, True, False)
    other = ds.box.sub_box(x=[10.0, 40.0], z=[0.0, 75.0])
    both = cut.box.join(other)
    assert both.box.volume == pytest.approx(70.0 * 150.0 * 75.0)
    assert both.sizes["galaxy"] == np.sum(((x >= 120.0) | (x < 40.0)) & (z < 75.0))
    heavy = cut.box.where("log10_halo_mass > 13 & is_central")
    assert heavy.box.volume == cut.box.volume
    assert (heavy.log10_halo_mass > 13.0).all()
    tiles = ds.box.in_tiles([0, 5])
    assert tiles.box.volume == pytest.approx(2 * 75.0**3)
    lazy = dff.make_mock(BOX).box.sub_box(x=[120.0, 170.0], z=[0.0, 75.0])
    np.testing.assert_array_equal(lazy.galaxy_id, cut.galaxy_id)


@pytest.mark.thorough
def test_slabs_hold_every_halo_also_those_that_rounding_brings_to_the_upper_face(tmp_path):
    place = np.random.default_rng(5).uniform(0.0, 150.0, (200, 3))
    place[:2, 0] = 150.0 - 1e-9, 149.9999999
    rows = [f"{i},{x!r},{y!r},{z!r},1e12,0.0" for i, (x, y, z) in enumerate(place.tolist())]
    (tmp_path / "halos.csv").write_text("\n".join(["id,x,y,z,mass,still", *rows]) + "\n")
    same = {name: {"column": name, "unit": "Mpc"} for name in "xyz"}
    still = {f"v{name}": {"column": "still", "unit": "km / s"} for name in "xyz"}
    columns = {"simulation_halo_id": "id", **same, **still, "log10_halo_mass": {"column": "mass", "unit": "Msun"}}
    entry = {"format": "table", "files": ["halos.csv"], "cosmology": {"Om0": 0.3, "h": 0.7}, "box_size": 150.0}
    options = {"geometry": "box", "velocities": "physical", "redshift": 0.1, "hosts": "all"}
    (tmp_path / "e.yaml").write_text(yaml.safe_dump({**entry, "columns": columns, "options": options}))
    names = ["galaxy_id", "x", "y", "z", "log10_halo_mass"]
    recipe = {"simulation": str(tmp_path / "e.yaml"), "columns": names, "tiles": {"box_order": 1, "block": 64}}
    dff.build(recipe, tmp_path / "e.zarr")
    for ds in (dff.open_catalog(tmp_path / "e.zarr"), dff.make_mock(recipe)):
        assert float(ds.x.max()) == 150.0
        assert sum(ds.box.sub_box(x=[low, low + 10.0]).sizes["galaxy"] for low in range(0, 150, 10)) == 200


def test_a_condition_on_places_is_refused_as_the_volume_would_not_be_known(ds):
    with pytest.raises(InputError, match=r"'x' is a place.*ds\.box\.sub_box"):
        ds.box.where("x < 75")
    half = ds.box.select(ds.x.values < 75.0)
    assert half.box.volume == ds.box.volume


def test_tiles_of_a_box_are_not_smaller_than_groups():
    with pytest.raises(InputError, match=r"box_order: 7 makes tiles of 1\.17 Mpc.*give 3 at most"):
        dff.make_mock(BOX, tiles={"box_order": 7})
    assert Assembly(dff.load_recipe(BOX, tiles={"box_order": 3})).order == 3


def test_fewer_blocks_are_read_for_a_sub_box(ds):
    cut = ds.box.sub_box(x=[20.0, 40.0], y=[20.0, 40.0], z=[20.0, 40.0])
    assert 0 < cut.box.explain().blocks[0] < cut.box.explain().blocks[1] / 2


@pytest.mark.parametrize("axis", ["x", "z"])
def test_positions_in_redshift_space(axis, ds):
    moved = ds.box.redshift_space(axis)
    c = ds.box.cosmology
    hubble = w0waCDM(100.0 * c.h, c.Om0, 1.0 - c.Om0, w0=c.w0, wa=c.wa).H(0.6).value
    expected = np.mod(ds[axis].values + ds[f"v{axis}"].values.astype(float) * 1.6 / hubble, 150.0)
    away = moved[axis].values - expected
    assert np.abs(away - 150.0 * np.round(away / 150.0)).max() < 1e-3
    assert moved[axis].dtype == ds[axis].dtype
    others = [name for name in ds.data_vars if name != axis]
    assert moved[others].equals(ds[others])
    assert moved.box.volume == ds.box.volume
    for wrong in (lambda: moved.box.redshift_space(axis), lambda: moved.box.sub_box(x=[0, 1])):
        with pytest.raises(InputError, match="redshift space"):
            wrong()
    with pytest.raises(InputError, match="vx"):
        ds.drop_vars("vx").box.redshift_space("x")


def test_random_points_fill_the_part(ds):
    cut = ds.box.sub_box(x=[120.0, 170.0])
    points = cut.box.randoms(5000, seed=1)
    x = points.x.values
    assert ((x >= 120.0) | (x < 20.0)).all()
    assert np.mean(x < 20.0) == pytest.approx(0.4, abs=0.03)


@pytest.mark.thorough
def test_sums_over_a_box_do_not_depend_on_its_chunks(ds):
    def early(*, mah_parameters):
        return mah_parameters

    whole = dff.sum_over_chunks(early, dff.load_recipe(BOX), precision="float64", block=64)
    stored = dff.sum_over_chunks(early, ds, precision="float64", block=512)
    coarse = dff.sum_over_chunks(early, dff.load_recipe(BOX, tiles={"box_order": 0}), precision="float64", block=64)
    np.testing.assert_allclose(coarse.value, whole.value, rtol=1e-12)
    np.testing.assert_allclose(stored.value, whole.value, rtol=1e-6)
    np.testing.assert_allclose(whole.value, ds.mah_parameters.sum("galaxy"), rtol=1e-5)
    half = dff.sum_over_chunks(early, ds.box.sub_box(x=[0.0, 75.0]), precision="float64", block=64)
    np.testing.assert_allclose(half.value, ds.box.sub_box(x=[0.0, 75.0]).mah_parameters.sum("galaxy"), rtol=1e-5)


def test_evaluate_knows_the_redshift_and_hosts_of_a_box(ds):
    few = ds.box.in_tiles([3])
    found = dff.evaluate(few, ["mah_parameters"], seed=3, cosmology=ds.box.cosmology)
    np.testing.assert_array_equal(found["mah_parameters"], few.mah_parameters)


@pytest.mark.thorough
def test_columns_are_added_to_a_box(path, ds):
    dff.add(path, "extra/growth", ["log10_metallicity"])
    found = dff.open_catalog(path, part="extra/growth")
    assert found.sizes["galaxy"] == ds.sizes["galaxy"]
    assert "extra/growth" in [node.path.strip("/") for node in dff.open_tree(path).subtree]


def test_files_of_a_box_are_opened_built_and_put_on_the_sky(snapshots, tmp_path):
    with pytest.raises(InputError, match="has 2 snapshots"):
        dff.open_catalog(snapshots)
    halos = dff.open_catalog(snapshots, redshift=1.0)
    assert halos.sizes == {"halo": 13}
    assert halos.box.size == pytest.approx(250.0 / 0.7)
    assert (halos.redshift == 1.0).all()
    assert halos.box.sub_box(x=[0.0, 31.0]).sizes["halo"] == 2  # 1 / 0.7 and 21 / 0.7
    with pytest.raises(InputError, match=r"no snapshot at redshift 0\.5; the nearest are at 0\.25, 1"):
        dff.open_catalog(snapshots, redshift=0.5)
    columns = ["galaxy_id", "host_halo_id", "is_central", "x", "y", "z", "redshift", "log10_halo_mass"]
    recipe = {"simulation": snapshots, "redshift": 0.25, "columns": columns, "tiles": {"box_order": 1}}
    summary = dff.build(recipe, tmp_path / "lists.zarr")
    assert summary.rows == 13
    assert "Mpc^3" in str(summary)
    assert summary.volume == pytest.approx((250.0 / 0.7) ** 3)
    assert not hasattr(summary, "area")
    built = dff.open_catalog(tmp_path / "lists.zarr").load()
    satellite = built.where(~built.is_central, drop=True)
    assert satellite.host_halo_id == 10
    assert built.box.in_tiles([1]).sizes["galaxy"] == 8  # x below 250 / 1.4; the satellite with its host
    dff.ingest(snapshots, tmp_path / "halos.zarr", redshift=1.0)
    stored = dff.open_catalog(tmp_path / "halos.zarr")
    assert stored.drop_attrs().equals(halos.drop_attrs())
    cone = dff.open_catalog(snapshots, redshift=[0.05, 0.3], region={"order": 0, "pixels": [3]}, tiles={"order": 2})
    assert cone.sky.area == pytest.approx(41252.96 / 12.0, rel=1e-6)
    assert cone.sizes["halo"] > 13


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda ds: ds.box.sub_box(x=3), "wanted"),
        (lambda ds: ds.box.randoms(1.5), "a number of points"),
        (lambda ds: ds.box.randoms(-1), "a number of points"),
        (lambda ds: dff.sum_over_chunks(numbers, 5), "a mock or store"),
        (lambda ds: dff.sum_over_chunks(numbers, ds, block=0), "1 or more"),
        (lambda ds: dff.sum_over_chunks(numbers, ds, loss=lambda x: x), "no single number"),
    ],
)
def test_misuse_is_one_clear_line(call, problem, ds):
    with pytest.raises(InputError, match=problem):
        call(ds)


def numbers(*, redshift):
    return np.ones(2) * redshift


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"box_size": None}, "give box_size"),
        ({"redshift": [0.1, 0.5]}, "give redshift as a number"),
        ({"redshift": 30.0}, "0 to 20 is wanted"),
        ({"box_size": 20.0}, "128 to 16384 Mpc"),
        ({"region": {"cone": {"ra": 1.0, "dec": 1.0, "radius": 1.0}}}, "cone is a part of the sky, and this is a box"),
        ({"region": {"box": {"x": [0.0, 200.0]}}}, "no longer than the box"),
        ({"columns": ["x", "ra"]}, "'ra' has no meaning in a box"),
        ({"complete_to": 1e11}, "leave complete_to out"),
        ({"redshift": 0.0, "columns": ["mag_true"], "bands": ["lsst_r"]}, "no apparent magnitudes"),
    ],
)
def test_what_has_no_meaning_in_a_box_is_refused(changes, problem):
    with pytest.raises(InputError, match=problem):
        dff.make_mock(BOX, **changes)


def test_shapes_in_a_box_do_not_depend_on_where_its_corner_is():
    names = [stage.name for stage in Assembly(dff.load_recipe(BOX)).stages]
    assert "projected_shapes_along_z" in names
    assert "projected_shapes" not in names


def test_a_part_of_a_box_is_no_part_of_the_sky():
    with pytest.raises(InputError, match="part of a box"):
        dff.make_mock({"simulation": "synthetic", "region": {"box": {"x": [0.0, 1.0]}}, "columns": ["x"]})
