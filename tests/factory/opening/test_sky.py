"""`ds.sky` is right or raises: cuts, orders and joins against brute force, and what they read."""

import pickle
import warnings

import healpy
import numpy as np
import pytest
import xarray as xr
from astropy import units
from astropy.coordinates import SkyCoord
from mocpy import MOC

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.opening.selection import fingerprint, fingerprint_of_ranges
from diffsky_factory.outputs import reading
from diffsky_factory.outputs import store as files
from diffsky_factory.outputs.layout import ranges
from diffsky_factory.sky import tiles
from diffsky_factory.sky.areas import area_of
from diffsky_factory.sky.regions import region
from tests.factory import surveys

PIXEL = 349526
RA, DEC = (float(x[0]) for x in tiles.centres(np.array([PIXEL]), 8))
MAP = MOC.from_cone(RA * units.deg, DEC * units.deg, radius=0.15 * units.deg, max_depth=12)
SQUARE = {"ra": [RA - 0.1, RA + 0.1, RA + 0.15, RA - 0.05], "dec": [DEC - 0.1, DEC - 0.05, DEC + 0.12, DEC + 0.1]}


@pytest.fixture(scope="module")
def store(tiny_store):
    return dff.open_catalog(tiny_store)


@pytest.fixture(scope="module")
def loaded(store):
    """All of it in memory, by plain numpy."""
    return {name: values.values for name, values in store.data_vars.items()}


def away(rows, ra, dec):
    return SkyCoord(rows["ra"], rows["dec"], unit="deg").separation(SkyCoord(ra, dec, unit="deg")).deg


CUTS = {
    "cone": (lambda s: s.cone(RA, DEC, 0.1), lambda r: away(r, RA, DEC) <= 0.1),
    "wide cone": (lambda s: s.cone(RA, DEC, 1.0), lambda r: away(r, RA, DEC) <= 1.0),
    "box": (
        lambda s: s.box([RA - 0.1, RA + 0.2], [DEC - 0.05, DEC + 0.1]),
        lambda r: (abs(r["ra"] - RA - 0.05) <= 0.15) & (r["dec"] >= DEC - 0.05) & (r["dec"] <= DEC + 0.1),
    ),
    "polygon": (lambda s: s.polygon(**SQUARE), lambda r: region({"polygon": SQUARE}).inside(r["ra"], r["dec"])),
    "moc": (
        lambda s: s.moc(MAP),
        lambda r: MAP.contains_lonlat(r["ra"] * units.deg, r["dec"] * units.deg),
    ),
    "two cones": (
        lambda s: s.within({"any": [{"cone": {"ra": RA + d, "dec": DEC, "radius": 0.1}} for d in (0.0, 0.15)]}),
        lambda r: (away(r, RA, DEC) <= 0.1) | (away(r, RA + 0.15, DEC) <= 0.1),
    ),
    "zslice": (lambda s: s.zslice(0.4, 0.5), lambda r: (r["redshift"] >= 0.4) & (r["redshift"] < 0.5)),
    "observed zslice": (
        lambda s: s.zslice(0.4, 0.5, kind="redshift_obs"),
        lambda r: (r["redshift_obs"] >= 0.4) & (r["redshift_obs"] < 0.5),
    ),
    "condition": (
        lambda s: s.where("mag_true[lsst_i] < 23.5 & ~is_central | log10_halo_mass > 13"),
        lambda r: (r["mag_true"][:, 2] < 23.5) & ~r["is_central"] | (r["log10_halo_mass"] > 13),
    ),
    "mask": (lambda s: s.select(s._ds.is_quenched.values), lambda r: r["is_quenched"]),
}


@pytest.mark.parametrize("name", CUTS)
def test_a_cut_has_the_rows_that_brute_force_finds(name, store, loaded):
    cut, brute = CUTS[name]
    found = cut(store.sky)
    chosen = brute(loaded)
    assert 0 < chosen.sum() <= len(chosen)
    np.testing.assert_array_equal(found.galaxy_id, loaded["galaxy_id"][chosen])
    np.testing.assert_array_equal(found.mag_true, loaded["mag_true"][chosen])
    assert found.sky.tile_rows.sum() == found.sizes["galaxy"]


ORDERS = ("sorted", "shuffled", "in memory", "one band", "a column more", "renamed", "by id")
SOME_CUTS = [
    pytest.param(name, order, marks=() if "cone" in name or order == "shuffled" else pytest.mark.thorough)
    for name in CUTS
    for order in ORDERS
]


@pytest.mark.parametrize(("name", "order"), SOME_CUTS)
def test_a_cut_holds_for_rows_in_any_order_and_columns_of_any_kind(name, order, store, loaded):
    shuffled = np.random.default_rng(3).permutation(store.sizes["galaxy"])
    ds = {
        "sorted": lambda: store.sortby("redshift"),
        "shuffled": lambda: store.isel(galaxy=shuffled),
        "in memory": store.compute,
        "one band": lambda: store.isel(band=slice(2, 3)),
        "renamed": lambda: store.rename(galaxy="object"),
        "by id": lambda: store.swap_dims(galaxy="galaxy_id").assign(galaxy_id=("galaxy_id", loaded["galaxy_id"])),
        "a column more": lambda: store.assign(colour=store.mag_true[:, 0] - store.mag_true[:, 1]),
    }[order]()
    cut, brute = CUTS[name]
    found = cut(ds.sky)
    np.testing.assert_array_equal(np.sort(found.galaxy_id), np.sort(loaded["galaxy_id"][brute(loaded)]))
    assert found.sky.area == pytest.approx(cut(store.sky).sky.area, rel=1e-12)
    if "colour" in found:
        np.testing.assert_array_equal(found.colour, found.mag_true[:, 0] - found.mag_true[:, 1])


def test_areas_are_those_of_the_part_of_the_region_in_the_store(store):
    whole = 4 * tiles.pixel_area(8)
    inside = 360.0**2 / np.pi * np.sin(np.deg2rad(0.05)) ** 2
    assert store.sky.area == pytest.approx(whole)
    assert store.sky.cone(RA, DEC, 0.1).sky.area == pytest.approx(inside, rel=1e-4)
    assert store.sky.cone(RA, DEC, 5.0).sky.area == pytest.approx(whole)
    covered = [region({"pixels": [int(p) for p in store.sky.tiles], "order": 8})]
    for where in ({"cone": {"ra": RA, "dec": DEC, "radius": 0.25}}, {"polygon": SQUARE}, {"moc": MAP}):
        found = store.sky.within(where).sky
        assert found.area == pytest.approx(area_of([*covered, region(where)]), rel=1e-4)
        assert found.tile_areas.sum() == pytest.approx(found.area, rel=3e-4)
    for cut in ("zslice", "condition", "mask"):
        assert CUTS[cut][0](store.sky).sky.area == store.sky.area


def test_densities_in_parts_of_the_sky_are_those_of_brute_force(store, loaded):
    cone = store.sky.cone(RA, DEC, 0.1).sky.where("redshift < 0.6")
    n = np.sum((away(loaded, RA, DEC) <= 0.1) & (loaded["redshift"] < 0.6))
    expected = n / (360.0**2 / np.pi * np.sin(np.deg2rad(0.05)) ** 2)
    assert cone.sizes["galaxy"] / cone.sky.area == pytest.approx(expected, rel=1e-4)
    assert float(cone.sky.weight.sum()) == n


BY_OTHER_MEANS = {
    "isel": lambda d: d.isel(galaxy=slice(0, 100)),
    "thinned": lambda d: d.thin(galaxy=2),
    "bootstrap": lambda d: d.isel(galaxy=np.random.default_rng(1).integers(0, d.sizes["galaxy"], d.sizes["galaxy"])),
    "where": lambda d: d.where((d.redshift > 0.5).compute(), drop=True),
    "dropped": lambda d: d.isel(galaxy=np.flatnonzero(d.is_central)),
    "concat": lambda d: xr.concat([d, d], "galaxy"),
    "concat of cuts": lambda d: xr.concat([d.sky.cone(RA, DEC, 0.1), d.sky.cone(RA + 0.3, DEC, 0.1)], "galaxy"),
    "without rows": lambda d: d.drop_vars("row"),
    "of one galaxy": lambda d: d.isel(galaxy=[0]),
    "none": lambda d: d.isel(galaxy=[]),
}


@pytest.mark.parametrize("name", BY_OTHER_MEANS)
def test_rows_that_were_chosen_by_other_means_have_no_area(name, store):
    some = BY_OTHER_MEANS[name](store)
    for ask in (lambda: some.sky.area, lambda: some.sky.cone(RA, DEC, 0.1), lambda: some.sky.tiles, some.sky.explain):
        with pytest.raises(InputError, match=r"cut with ds\.sky"):
            ask()
    assert "cut with ds.sky" in repr(some.sky)


def test_masking_values_keeps_the_rows_and_the_area(store):
    masked = store[["ra", "dec", "redshift"]].where(store.redshift > 0.5)
    assert masked.sky.area == store.sky.area
    assert masked.sizes == store[["ra", "dec", "redshift"]].sizes


def test_a_dataset_of_others_says_so():
    for ds in (xr.Dataset(), xr.Dataset({"ra": ("galaxy", [1.0])})):
        with pytest.raises(AttributeError, match="not made by diffsky_factory"):
            _ = ds.sky.area


def test_cuts_are_joined_without_counting_twice(store, loaded):
    a, b = store.sky.cone(RA, DEC, 0.1), store.sky.cone(RA + 0.15, DEC, 0.1)
    both = a.sky.join(b)
    chosen = CUTS["two cones"][1](loaded)
    np.testing.assert_array_equal(both.galaxy_id, loaded["galaxy_id"][chosen])
    np.testing.assert_array_equal(both.mag_true, loaded["mag_true"][chosen])
    assert both.sky.area == pytest.approx(store.sky.within(CUTS_OF_TWO).sky.area, rel=1e-4)
    assert both.sky.area < a.sky.area + b.sky.area
    again = both.sky.cone(RA, DEC, 0.1)
    np.testing.assert_array_equal(again.galaxy_id, a.galaxy_id)
    assert again.sky.area == pytest.approx(a.sky.area, rel=1e-4)
    with pytest.raises(InputError, match="differ by more than regions"):
        a.sky.join(b.sky.zslice(0.4, 0.5))


CUTS_OF_TWO = {"any": [{"cone": {"ra": RA + d, "dec": DEC, "radius": 0.1}} for d in (0.0, 0.15)]}


@pytest.fixture
def read(monkeypatch):
    """Rows that are read during a test, by array."""
    seen = {}
    read_rows = reading.read_rows

    def counted(path, part, array, stored, rows, *how):
        seen[array.name] = seen.get(array.name, 0) + len(rows)
        return read_rows(path, part, array, stored, rows, *how)

    monkeypatch.setattr(reading, "read_rows", counted)
    return seen


def test_a_cut_reads_the_blocks_at_its_border_alone(tiny_store, read):
    ds = dff.open_catalog(tiny_store)
    with pytest.warns(UserWarning, match=r"cone\(.*\) selects none of 1,851 rows"):
        far = ds.sky.cone((RA + 90.0) % 360.0, DEC, 0.1)
    assert (far.sizes["galaxy"], read) == (0, {})
    near = ds.sky.cone(RA, DEC, 0.05)
    assert 0 < read["ra"] == read["dec"] < ds.sizes["galaxy"]
    assert set(read) == {"ra", "dec"}
    read.clear()
    assert ds.sky.cone(RA, DEC, 10.0).sizes["galaxy"] == ds.sizes["galaxy"]
    assert read == {}
    assert ds.sky.zslice(0.0, 2.0).sizes["galaxy"] == ds.sizes["galaxy"]
    with pytest.warns(UserWarning, match="selects none"):
        assert ds.sky.zslice(1.0, 2.0).sizes["galaxy"] == 0
    with pytest.warns(UserWarning, match="selects none"):
        assert ds.sky.where("mag_true[lsst_i] < 5").sizes["galaxy"] == 0
    assert read == {}
    part = ds.sky.zslice(0.3, 0.35)
    assert 0 < read["redshift"] < ds.sizes["galaxy"]
    read.clear()
    part.sky.cone(RA, DEC, 0.05).mag_true.sel(band="lsst_r").compute()
    assert set(read) == {"ra", "dec", "mag_true"}
    assert near.sky.explain().blocks[0] <= near.sky.explain().blocks[1]


def test_a_store_that_is_not_complete_knows_its_blocks_too(plain_store, plain_copy, read):
    part = files.read_part(plain_copy)
    files.begin(plain_copy, part)
    files.remove_tile(plain_copy, part, 3)
    ds, whole = dff.open_catalog(plain_copy, allow_partial=True), dff.open_catalog(plain_store)
    cuts = lambda ds: (ds.sky.cone(RA, DEC, 0.05), ds.sky.zslice(0.3, 0.35))  # noqa: E731
    rows = [sum(len(cut.ra) for cut in cuts(ds)), read.copy()]
    read.clear()
    assert rows[0] <= sum(len(cut.ra) for cut in cuts(whole))
    assert rows[1]["redshift"] <= read["redshift"]
    assert rows[1]["ra"] <= read["ra"]


def test_a_block_on_the_meridian_of_ra_0_is_read_by_cuts_near_it_alone(plain, tmp_path, read):
    edge = {"order": 9, "pixels": [int(p) for p in healpy.ang2pix(512, [0.0, 60.0], [2.0, 2.0], True, True)]}
    path = tmp_path / "edge.zarr"
    dff.build(plain, path, region=edge)
    ds = dff.open_catalog(path)
    assert ds.ra.min() < 1.0
    assert ds.ra.max() > 359.0
    read.clear()
    with pytest.warns(UserWarning, match="selects none"):
        ds.sky.cone(180.0, 2.0, 1.0)
    assert read == {}


def test_explain_counts_tiles_blocks_and_bytes(store):
    whole, part = store.sky.explain(), store.sky.in_tiles([PIXEL]).sky.explain()
    assert (whole.tiles, part.tiles) == ((4, 4), (1, 4))
    assert whole.blocks[0] == whole.blocks[1] > part.blocks[0]
    assert part.rows == part.bytes * whole.rows / whole.bytes
    assert part.bytes <= part.bytes_read <= whole.bytes_read == whole.bytes
    for word in ("1 of 4 tiles", "in_tiles(1 of order 8)", "per deg^2", "MB"):
        assert word in str(part)
    assert repr(store.sky) == str(whole)


def test_tiles_are_pixels(store):
    with pytest.raises(ValueError, match="no tile 5 of order 8"):
        store.sky.in_tiles([5])
    with pytest.raises(ValueError, match="integers"):
        store.sky.in_tiles([PIXEL + 0.7])
    with pytest.raises(dff.InputError, match="low < high; the ends are in the wrong order"):
        store.sky.zslice(0.5, 0.4)
    with pytest.raises(dff.InputError, match="two numbers are wanted"):
        store.sky.zslice("0.4", 0.5)


def test_a_cut_that_selects_nothing_says_which_once(store):
    cuts = {
        "zslice(5.0, 6.0)": lambda sky: sky.zslice(5, 6),
        "where(redshift > 5)": lambda sky: sky.where("redshift > 5"),
        "cone(10, -80, 1)": lambda sky: sky.cone(10, -80, 1),
    }
    for words, cut in cuts.items():
        with pytest.warns(UserWarning, match="selects none") as said:
            empty = cut(store.sky)
        assert [str(one.message) for one in said] == [f"{words} selects none of 1,851 rows"]
        assert empty.sizes["galaxy"] == 0
    with pytest.warns(UserWarning, match="selects none of"):
        store.sky.select([])
    with warnings.catch_warnings(record=True, action="always") as more:
        assert empty.sky.zslice(0.1, 0.2).sizes["galaxy"] == 0
        assert store.sky.zslice(0.3, 0.5).sizes["galaxy"] > 0
    assert more == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mag_i < 24", "no column 'mag_i'"),
        ("mag_true < 24", "band"),
        ("mag_true[lsst_z] < 24", "lsst_i"),
        ("__import__('os').system('true')", "condition"),
    ],
)
def test_a_condition_that_is_none_is_refused(text, told, store):
    with pytest.raises(InputError, match=told):
        store.sky.where(text)


def test_attributes_are_small_and_plain_however_many_tiles(store):
    for ds in (store, store.sky.in_tiles([PIXEL])):
        assert all(isinstance(value, str | int | float) for value in ds.attrs.values())
        assert len(str(ds.attrs["selection"])) < 1000
    assert len(store._repr_html_()) < 200_000


def test_randoms_lie_where_the_rows_are_and_belong_to_the_sky(store):
    cone = store.sky.cone(RA, DEC, 0.1)
    points = store.sky.randoms(density=2e4, seed=1)
    assert len(points.ra) == pytest.approx(2e4 * store.sky.area, rel=0.05)
    assert np.isin(healpy.ang2pix(2**8, points.ra, points.dec, nest=True, lonlat=True), store.sky.tiles).all()
    within = away({"ra": points.ra, "dec": points.dec}, RA, DEC) <= 0.1
    part = cone.sky.randoms(density=2e4, seed=1)
    np.testing.assert_array_equal(part.ra, points.ra[within])
    assert cone.sky.randoms(1234).sizes["random"] == 1234
    assert not np.array_equal(cone.sky.randoms(50, seed=1).ra, cone.sky.randoms(50, seed=2).ra)
    with pytest.raises(ValueError, match="one of the two"):
        store.sky.randoms()


def saved_by_netcdf(ds, path):
    ds.to_netcdf(path / "cut.nc")
    return dff.open_catalog(path / "cut.nc")


def saved_by_zarr(ds, path):
    ds.to_zarr(path / "cut.zarr", zarr_format=3)
    return dff.open_catalog(path / "cut.zarr")


def saved_by_pickle(ds, path):
    (path / "cut.pkl").write_bytes(pickle.dumps(ds))
    return pickle.loads((path / "cut.pkl").read_bytes())


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
@pytest.mark.parametrize(
    "saved",
    [saved_by_netcdf, saved_by_zarr, lambda d, _: pickle.loads(pickle.dumps(d)), lambda d, _: d.copy(deep=True)],
)
def test_a_cut_comes_back_from_a_file_with_its_sky(saved, store, tmp_path):
    cut = store.sky.within(CUTS_OF_TWO).sky.where("mag_true[lsst_r] < 25")
    back = saved(cut, tmp_path)
    xr.testing.assert_equal(back.compute(), cut.compute())
    assert {name: values.dtype for name, values in back.data_vars.items()} == {
        name: values.dtype for name, values in cut.data_vars.items()
    }
    assert back.mag_true.attrs["units"] == "mag(AB)"
    assert (back.sky.area, back.sky.cuts, back.sky.cosmology) == (cut.sky.area, cut.sky.cuts, cut.sky.cosmology)
    assert back.sky.cone(RA, DEC, 0.05).sizes == cut.sky.cone(RA, DEC, 0.05).sizes
    with pytest.raises(InputError, match="by other means"):
        _ = back.isel(galaxy=slice(3)).sky.area


def test_chunks_of_a_cut_have_one_size(store, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK", 100)
    cut = store.assign(colour=store.mag_true[:, 0] - store.mag_true[:, 1]).sky.cone(RA, DEC, 0.5)
    for name in ("ra", "mag_true", "colour", "row"):
        assert len(set(cut[name].chunks[0][:-1])) == 1, name


def test_a_store_that_moved_is_named(tiny_store, tmp_path):
    moved = dff.open_catalog(tiny_store).sky.cone(RA, DEC, 0.1).compute()
    moved.attrs["store"] = str(tmp_path / "gone.zarr")
    assert moved.sky.area > 0.0
    with pytest.raises(InputError, match="is not here; open it where it is now"):
        moved.sky.cone(RA, DEC, 0.05)


def test_fingerprints_of_ranges_need_no_rows():
    starts, counts = np.array([0, 10**12, 7 * 10**15]), np.array([5, 0, 100_000])
    assert fingerprint_of_ranges(starts, counts) == fingerprint(ranges(starts, counts))
    rows = np.arange(1000)
    assert fingerprint(rows) == fingerprint(rows[::-1]) != fingerprint(np.r_[rows[:-1], rows[0]])


def test_what_is_known_of_blocks_holds_for_the_stores_own_columns_alone(store, loaded):
    later = store.assign(redshift=store.redshift + 1.0)
    chosen = (loaded["redshift"] + 1.0 >= 1.3) & (loaded["redshift"] + 1.0 < 1.6)
    np.testing.assert_array_equal(later.sky.zslice(1.3, 1.6).galaxy_id, loaded["galaxy_id"][chosen])
    wider = store.assign(redshift=store.redshift * 2.0).sky.where("redshift < 0.8")
    assert wider.sizes["galaxy"] == np.sum(loaded["redshift"] * 2.0 < 0.8)
    brighter = store.assign(mag_true=store.mag_true - 5.0)
    assert brighter.sky.where("mag_true[lsst_i] < 18").sizes["galaxy"] == np.sum(loaded["mag_true"][:, 2] - 5.0 < 18)
    named = store.assign_coords(band=["lsst_i", "lsst_r", "lsst_g"])
    assert named.sky.where("mag_true[lsst_g] < 23").sizes["galaxy"] == np.sum(loaded["mag_true"][:, 2] < 23)
    moved = store.sky.zslice(0.3, 0.5).load()
    moved["redshift"] = moved.redshift + 1.0
    assert moved.sky.zslice(1.3, 1.4).sizes["galaxy"] == np.sum(
        (loaded["redshift"] >= 0.3) & (loaded["redshift"] < 0.4)
    )
    turned = store.assign(ra=store.ra + 100.0)
    assert turned.sky.cone(RA + 100.0, DEC, 0.1).sizes["galaxy"] == np.sum(away(loaded, RA, DEC) <= 0.1)


def test_a_cut_keeps_what_was_done_to_the_columns(store):
    mine = store.rename(band="filter")
    mine.ra.attrs["note"] = "mine"
    cut = mine.sky.where("mag_true[lsst_i] < 23")
    assert cut.ra.attrs["note"] == "mine"
    assert cut.mag_true.dims == ("galaxy", "filter")
    np.testing.assert_array_equal(cut["filter"], store.band)


def test_a_choice_has_each_row_once_and_is_of_the_rows_at_hand(store):
    n = store.sizes["galaxy"]
    for wrong in ([-1, n - 1], [n], [0.5], [0, 0], np.ones(3, bool), store.sortby("redshift").is_central):
        with pytest.raises(InputError, match="select"):
            store.sky.select(wrong)
    assert store.sky.select([]).sizes["galaxy"] == 0
    assert store.sky.select([5, 3]).galaxy_id.values.tolist() == store.galaxy_id.values[[5, 3]].tolist()


def test_only_cuts_that_differ_by_regions_alone_are_joined(store):
    a, b = (store.sky.in_tiles([pixel]) for pixel in store.sky.tiles[:2])
    every, few = a.sky.select(np.ones(a.sizes["galaxy"], bool)), b.sky.select(np.arange(0, b.sizes["galaxy"], 10))
    low = [part.sky.zslice(0.3, high, kind="redshift_obs") for part, high in ((a, 0.5000001), (b, 0.5000004))]
    for one, other in ((every, few), low):
        with pytest.raises(InputError, match="differ by more than regions"):
            one.sky.join(other)
    assert a.sky.join(b).sky.area == pytest.approx(a.sky.area + b.sky.area)


def test_rows_that_are_no_row_of_rows_are_refused(store):
    twice = (("realisation", "galaxy"), [store.row.values] * 2)
    for odd in (store.isel(galaxy=0), store.expand_dims(realisation=2).assign_coords(row=twice)):
        with pytest.raises(InputError, match="row"):
            _ = odd.sky.area
        assert "row" in repr(odd.sky)
        with pytest.raises(InputError, match="row"):
            odd.sky.photometry("roman")


def test_a_slice_outside_the_range_is_empty_and_says_so(store):
    with pytest.warns(UserWarning, match="selects none"):
        assert store.sky.zslice(0.9, 1.0).sky.redshift_range == (0.8, 0.8)
    with pytest.warns(UserWarning, match="selects none"):
        assert store.sky.zslice(0.1, 0.2).sky.redshift_range[0] == 0.3


def test_tables_of_an_index_that_is_damaged_are_not_believed(plain_copy):
    (plain_copy / "index/blocks/redshift_max/c/0").unlink()
    with pytest.raises(InputError, match=r"redshift_max/c/0 is missing; run \"diffsky-factory resume"):
        dff.open_catalog(plain_copy).sky.zslice(0.3, 0.6)
    dff.resume(plain_copy)
    assert dff.open_catalog(plain_copy).sky.zslice(0.3, 0.6).sizes["galaxy"] > 0


def test_a_store_that_goes_on_while_it_is_open_is_opened_again(plain_copy):
    part = files.read_part(plain_copy)
    files.begin(plain_copy, part)
    for tile in range(8, 16):
        files.remove_tile(plain_copy, part, tile)
    ds = dff.open_catalog(plain_copy, allow_partial=True)
    assert len(ds.sky.tiles) == 8
    dff.resume(plain_copy)
    for again in (ds.copy(), dff.open_catalog(plain_copy).assign_attrs(open_tiles=8)):
        with pytest.raises(InputError, match="other tiles than when this dataset was opened"):
            _ = again.sky.tiles


def test_a_part_that_lost_its_own_file_is_missed(plain_copy):
    dff.add(plain_copy, "surveys/deep", ["weight"], stages=[surveys.seen])
    (plain_copy / "parts/surveys/deep.json").unlink()
    with pytest.raises(InputError, match=r"parts/surveys/deep\.json: is missing"):
        dff.status(plain_copy)
    (plain_copy / "parts/galaxies.json").unlink()
    for ask in (dff.status, dff.resume, dff.open_catalog):
        with pytest.raises(InputError, match=r"parts/galaxies\.json: is missing; restore it"):
            ask(plain_copy)


def test_a_condition_on_places_is_refused_as_the_area_would_not_be_known(store):
    with pytest.raises(InputError, match=r"'dec' is a place.*ds\.sky\.cone"):
        store.sky.where("dec < 1 & is_central")


def test_angles_with_a_unit_are_converted(store):
    plain = store.sky.cone(RA, DEC, 0.1)
    np.testing.assert_array_equal(store.sky.cone(RA * units.deg, DEC, 6.0 * units.arcmin).row, plain.row)
    in_hours = store.sky.box([(RA - 0.1) / 15.0 * units.hourangle, RA + 0.1], [DEC - 0.1, DEC + 0.1])
    np.testing.assert_array_equal(in_hours.row, store.sky.box([RA - 0.1, RA + 0.1], [DEC - 0.1, DEC + 0.1]).row)
    with pytest.raises(InputError, match=r"is no angle .*give degrees"):
        store.sky.cone(RA, DEC, 1.0 * units.Mpc)


@pytest.mark.parametrize("seed", [-1, 1.7, 2**70, "1"])
def test_a_seed_is_a_whole_number(store, seed):
    with pytest.raises(InputError, match="a whole number, 0 or more, is wanted"):
        store.sky.randoms(10, seed=seed)
