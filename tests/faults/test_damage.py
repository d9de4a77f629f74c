"""Whatever is damaged in a store is found by verifying, mended by resuming, and never read as data."""

import json

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

from diffsky_factory.cli import main
from diffsky_factory.core.errors import CheckError, InputError
from diffsky_factory.factory.assembly import Assembly
from diffsky_factory.factory.opening.catalogs import open_catalog
from diffsky_factory.factory.runs import build as building
from diffsky_factory.factory.runs.build import build
from diffsky_factory.factory.runs.stores import resume, status
from diffsky_factory.outputs import commits, store
from diffsky_factory.outputs.layout import FORMAT
from diffsky_factory.sky import tiles
from tests.stores import assert_same_files


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def truncate(file):
    file.write_bytes(file.read_bytes()[:-7])


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0x10
    file.write_bytes(bytes(content))


def scribble(file):
    file.write_text("{ this is no JSON")


def remove(file):
    file.unlink()


COMMIT = "commits/galaxies/1398103.json"
RA, ROOT = "galaxies/ra/c/1", "zarr.json"


def exchange(file):
    """Put other values in the place of a shard, of as many bytes, that any reader of Zarr decodes."""
    size, array, rng = file.stat().st_size, zarr.open_array(file.parents[1], mode="r+"), np.random.default_rng(0)
    (rows,) = array.shards
    shard = slice(int(file.name) * rows, (int(file.name) + 1) * rows)
    values = np.asarray(array[shard])
    for _ in range(1000):
        array[shard] = values * (1.0 + 1e-9 * rng.random(values.shape))
        if file.stat().st_size == size:
            return
    pytest.fail("no shard of this size was found")


@pytest.mark.parametrize(
    ("harm", "file"),
    [
        (truncate, RA),
        (exchange, RA),
        (remove, RA),
        (flip, RA),
        (flip, "galaxies/mah_parameters/c/2/0"),
        (scribble, COMMIT),
        (remove, COMMIT),
        (flip, COMMIT),
        (remove, "galaxies/ra/zarr.json"),
        (scribble, "galaxies/ra/zarr.json"),
        (scribble, ROOT),
        (remove, ROOT),
        (flip, ROOT),
        (remove, "index/tiles/row_count/c/0"),
        (flip, "index/blocks/redshift_max/c/0"),
        (flip, "calibration/templates/flux/c/0/0/0"),
        (remove, "commits/galaxies/metadata.json"),
        (flip, "commits/galaxies/metadata.json"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_damage_is_found_and_mended(harm, file, plain_copy, plain_store):
    harm(plain_copy / file)
    result = run("verify", plain_copy)
    assert result.exit_code == 1
    assert f'run "diffsky-factory resume {plain_copy}"' in result.output
    assert "Traceback" not in result.output
    resume(plain_copy)
    assert_same_files(plain_copy, plain_store)
    assert run("verify", plain_copy).exit_code == 0


def test_a_shard_that_was_exchanged_for_another_is_no_data(plain_copy):
    whole = open_catalog(plain_copy).ra.values
    exchange(plain_copy / RA)
    with pytest.raises(InputError, match=r"tile 1398101: galaxies/ra/c/1 is damaged; .*resume"):
        open_catalog(plain_copy).ra.values  # noqa: B018 reads it
    with pytest.raises(InputError, match="galaxies/ra/c/1 is damaged"):
        open_catalog(plain_copy).sky.in_tiles([1398101]).ra.values  # noqa: B018 reads it
    unverified = open_catalog(plain_copy, verify="never").ra.values
    assert not np.array_equal(unverified, whole)
    np.testing.assert_allclose(unverified, whole, rtol=1e-8)


@pytest.mark.parametrize(
    "change",
    [{"data_type": "int64", "fill_value": 0}, {"shape": [128]}, {"fill_value": 0.0}],
    ids=str,
)
def test_an_array_of_another_layout_is_no_data_even_if_its_commit_knows_it(change, plain_copy):
    file, commit = plain_copy / "galaxies/ra/zarr.json", plain_copy / "commits/galaxies/metadata.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    content = commits.unsealed(commit.read_text())
    content["files"]["galaxies/ra/zarr.json"] = commits.fingerprint(file)
    commits.write_sealed(commit, content)
    with pytest.raises(InputError, match=r"galaxies/ra is of shape, type and shards .* were planned"):
        open_catalog(plain_copy).ra.values  # noqa: B018 reads it


def test_a_file_is_checked_once_or_each_time_it_is_read(plain_store, monkeypatch):
    checked = []

    def fingerprint(path):
        checked.append(path)
        return was(path)

    was = commits.fingerprint
    monkeypatch.setattr(commits, "fingerprint", fingerprint)
    commits._fingerprint_at.cache_clear()
    once, always = open_catalog(plain_store), open_catalog(plain_store, verify="always")
    for ds, times in ((once, 1), (once, 1), (always, 2), (always, 3)):
        ds.dec.values  # noqa: B018 reads it
        assert checked.count(str(plain_store / "galaxies/dec/c/0")) == times
    open_catalog(plain_store, verify="never").dec.values  # noqa: B018 reads it
    assert checked.count(str(plain_store / "galaxies/dec/c/0")) == 3
    with pytest.raises(InputError, match="never, first, always"):
        open_catalog(plain_store, verify="sometimes")


@pytest.mark.parametrize("harm", [truncate, remove, flip], ids=lambda harm: harm.__name__)
def test_a_damaged_tile_is_an_error_and_the_others_are_read(harm, plain_copy, plain_store):
    # in the middle of the rows, so that no codec can miss it
    harm(plain_copy / RA)
    ds, expected = open_catalog(plain_copy), open_catalog(plain_store)
    owner = next(
        pixel
        for tile, pixel in enumerate(ds.sky.tiles)
        if 1 in [shard for shard, _ in store.read_rows(plain_copy).shards(tile)]
    )
    with pytest.raises(ValueError, match=rf'tile {owner}: .*run "diffsky-factory resume'):
        ds.ra.compute()
    others = [int(pixel) for pixel in ds.sky.tiles if pixel != owner]
    np.testing.assert_array_equal(ds.sky.in_tiles(others).ra.values, expected.sky.in_tiles(others).ra.values)


@pytest.mark.parametrize("harm", [scribble, flip, truncate], ids=lambda harm: harm.__name__)
def test_a_damaged_plan_is_named_by_every_command(harm, plain_copy, plain_file):
    harm(plain_copy / "plan.json")
    for command in (["verify"], ["status"], ["resume"], ["show"]):
        result = run(*command, plain_copy)
        assert result.exit_code == 2, command
        assert len(result.stderr.strip().splitlines()) == 1
        assert "plan.json: damaged" in result.stderr
    result = run("build", plain_file, "--out", plain_copy)
    assert (result.exit_code, "plan.json: damaged" in result.stderr) == (2, True)
    with pytest.raises(ValueError, match=r"plan\.json: damaged"):
        open_catalog(plain_copy)


def test_a_digit_changed_in_the_plan_is_damage(plain_copy):
    plan = plain_copy / "plan.json"
    changed = json.loads(plan.read_text())
    changed["content"]["rows"]["counts"][0] += 1
    plan.write_text(json.dumps(changed))
    with pytest.raises(ValueError, match=r"plan\.json: damaged"):
        resume(plain_copy)


@pytest.mark.parametrize("file", ["plan.json", "parts/galaxies.json"])
def test_a_store_of_another_format_is_called_that(file, plain_copy):
    """A plan whose checksum is right is no damage; one whose format was changed by a flipped bit is."""
    content = commits.unsealed((plain_copy / file).read_text())
    other = FORMAT[:-1] + "9"
    (content["rows"] if "format" in content["rows"] else content)["format"] = other
    commits.write_sealed(plain_copy / file, content)
    for command in (["verify"], ["status"], ["resume"], ["show"]):
        result = run(*command, plain_copy)
        assert result.exit_code == 2, command
        assert f"{file}: is of the format {other}, and this version reads {FORMAT}" in result.stderr
        assert "damaged" not in result.stderr
    text = (plain_copy / file).read_text()
    (plain_copy / file).write_text(text.replace(other, FORMAT[:-1] + "8"))
    assert f"{file}: damaged" in run("status", plain_copy).stderr


def test_a_part_without_the_commit_of_its_metadata_says_what_to_do(plain_copy):
    (plain_copy / "commits/galaxies/metadata.json").unlink()
    with pytest.raises(ValueError, match=f'run "diffsky-factory resume {plain_copy}"'):
        open_catalog(plain_copy)


def test_a_partial_store_shows_its_committed_tiles_alone(plain_copy, plain_store):
    layout = store.read_part(plain_copy)
    store.begin(plain_copy, layout)
    for tile in range(5, 16):
        store.remove_tile(plain_copy, layout, tile)
    with pytest.raises(ValueError, match="5 of 16 tiles"):
        open_catalog(plain_copy)
    ds, expected = open_catalog(plain_copy, allow_partial=True), open_catalog(plain_store)
    kept = [int(pixel) for pixel in layout.rows.keys[:5]]
    assert ds.sky.tiles.tolist() == kept
    assert ds.sky.area == pytest.approx(5 * tiles.pixel_area(9))
    assert ds.attrs["state"] == "building"
    wanted = expected.sky.in_tiles(kept)
    for name in wanted.data_vars:
        np.testing.assert_array_equal(ds[name].values, wanted[name].values)
    found = status(plain_copy, verify=True)
    assert (found.state, found.built, found.damaged) == ("building", 5, ())
    result = run("verify", plain_copy)
    assert (result.exit_code, "resume" in result.output) == (1, True)
    assert f"tiles that are not built: {', '.join(map(str, layout.rows.keys[5:15]))} and 1 more" in result.output
    assert found.parts[0].missing == layout.rows.keys[5:]
    assert run("status", plain_copy).exit_code == 0


def test_the_area_of_a_partial_store_is_that_of_its_tiles_in_the_region(plain, tmp_path):
    ra, dec = (float(x[0]) for x in tiles.centres(np.array([349526]), 8))
    build(plain, tmp_path / "cone.zarr", region={"cone": {"ra": ra, "dec": dec, "radius": 0.13}})
    whole = open_catalog(tmp_path / "cone.zarr")
    assert whole.sky.area == pytest.approx(np.pi * 0.13**2, rel=1e-4)
    assert whole.sky.tile_areas.sum() == pytest.approx(whole.sky.area)
    assert max(whole.sky.tile_areas) <= tiles.pixel_area(9) * 1.0001
    assert len(set(np.round(whole.sky.tile_areas, 6))) > 1


def test_a_tile_that_fails_its_checks_is_left_out_and_the_others_are_built(
    plain, plain_file, plain_store, tmp_path, monkeypatch
):
    path, galaxies = tmp_path / "mock.zarr", Assembly.galaxies
    bad = store.read_rows(plain_store).keys[2]

    def with_nan(self, halos, wanted, bands=None):
        columns = galaxies(self, halos, wanted, bands)
        if tiles.pixel(halos["ra"][:1], halos["dec"][:1], 9)[0] == bad:
            columns["log10_halo_mass"] = columns["log10_halo_mass"].copy()
            columns["log10_halo_mass"][5] = np.nan
        return columns

    with monkeypatch.context() as patch:
        patch.setattr(Assembly, "galaxies", with_nan)
        result = run("build", plain_file, "--out", path)
    assert result.exit_code == 1
    message = result.stderr.strip().splitlines()[-1]
    for part in (f"tile {bad}", "'log10_halo_mass'", "row 5", "not finite", "was not written"):
        assert part in message
    assert (status(path).built, status(path).state) == (15, "building")
    assert bad not in open_catalog(path, allow_partial=True).sky.tiles
    resume(path)
    assert_same_files(path, plain_store)


def test_many_failed_tiles_are_counted(plain, tmp_path, monkeypatch):
    def fail(*_):
        raise CheckError("column 'x', row 0: bad")

    monkeypatch.setattr(building.checks, "check_tile", fail)
    with pytest.raises(CheckError, match=r"tile .*column 'x', row 0: bad; so do 15 other tiles"):
        build(plain, tmp_path / "mock.zarr")


def test_a_disk_that_fills_up_ends_the_build_and_keeps_what_is_built(
    plain, plain_file, plain_store, tmp_path, monkeypatch
):
    path, write, written = tmp_path / "mock.zarr", store.write_tile, []

    def full(*arguments):
        if len(written) == 3:
            raise OSError(28, "No space left on device", "galaxies/ra/c/3")
        written.append(1)
        write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_tile", full)
        result = run("build", plain_file, "--out", path, "--workers", 1)
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr.strip().splitlines()[-1]
    assert status(path).built == 3
    build(plain, path)
    assert_same_files(path, plain_store)


def test_a_calibration_that_changed_since_the_store_was_begun_is_refused(plain, tmp_path, monkeypatch):
    from diffsky_factory.inputs.calibrations import load_calibration, save_calibration

    mine = tmp_path / "mine.yaml"
    save_calibration(load_calibration("c260710"), mine)
    build(plain, tmp_path / "mock.zarr", calibration=str(mine))
    monkeypatch.setattr(type(load_calibration(mine)), "hash", property(lambda self: "another"))
    with pytest.raises(ValueError, match="has other values than when the store was begun"):
        resume(tmp_path / "mock.zarr")


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("data_type", "float32"),
        ("fill_value", 7.0),
        ("shape", [32]),
        ("codecs", [{"name": "bytes", "configuration": {"endian": "big"}}]),
    ],
)
def test_what_an_array_says_of_itself_is_compared_with_what_was_committed(what, says, plain_copy):
    """A number of another type, order or size is none that was written."""
    file = plain_copy / "galaxies/ra/zarr.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), what: says}))
    with pytest.raises(ValueError, match=r"ra/zarr.json is damaged; .*diffsky-factory resume"):
        np.asarray(open_catalog(plain_copy).ra)
    resume(plain_copy)
    assert np.isfinite(np.asarray(open_catalog(plain_copy).ra)).all()
