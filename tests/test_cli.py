"""The command line: what it prints, and one clear line for everything it cannot do."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from diffsky_factory.cli import main
from diffsky_factory.factory.runs.stores import status
from tests.factory.test_boxes import two_snapshots
from tests.stores import assert_same_files, files


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(*arguments):
    """The one line on standard error of a command that is given bad input."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output + repr(result.exception)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0]


def test_list_names_what_there_is():
    result = run("list", "--kind", "recipes")
    assert result.exit_code == 0
    assert "example" in result.output
    assert "c260710" not in result.output
    assert "c260710" in run("list").output


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Folder of filter sets of one's own."""
    monkeypatch.setenv("DIFFSKY_FACTORY_CATALOG_PATH", str(tmp_path))
    (tmp_path / "filters").mkdir()
    return tmp_path / "filters"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"title: [1\n", "not valid YAML"),
        (b"title: !!int x\n", "line 1"),
        (b"just text\n", "holds no mapping"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_an_entry_that_cannot_be_read_is_listed_as_broken(content, why, mine):
    (mine / "aaa.yaml").write_bytes(content)
    result = run("list")
    assert result.exit_code == 0
    (line,) = [line for line in result.output.splitlines() if "aaa" in line]
    assert all(word in line for word in ("broken", str(mine / "aaa.yaml"), why))
    assert "c260710" in result.output


def test_names_and_titles_are_listed_as_they_are(mine):
    (mine / f"{'long' * 40}.yaml").write_text("title: '[red]T[/red] :smile: [/'\n")
    (mine / "code\x1b[2J.yaml").write_text('title: "\\e[31m\\0 \\u00e9"\n')
    listed = run("list", "--kind", "filters").output
    assert "long" * 40 in listed
    assert "[red]T[/red] :smile: [/" in listed
    assert r"code\x1b[2J" in listed
    assert r"\x1b[31m\x00 é" in listed
    assert r"\x1b" in run("show", "\x1b[2J").stderr
    assert "\x1b" not in listed + run("show", "\x1b[2J").stderr


def test_a_terminal_without_letters_is_no_error(mine, environment):
    (mine / "accent.yaml").write_text("title: Véron\n")
    ascii_only = {**environment, "DIFFSKY_FACTORY_CATALOG_PATH": str(mine.parent), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "diffsky_factory.cli", "list"]
    done = subprocess.run(command, env=ascii_only, capture_output=True, text=True, check=True)
    assert r"V\xe9ron" in done.stdout


def test_show_prints_an_entry_or_a_store(plain_store):
    assert "blocks_per_shard" in run("show", "example").output
    assert "galaxy: 1851" in run("show", plain_store).output


def test_plan_says_what_a_build_will_take(plain_file, tmp_path):
    result = run("plan", plain_file, "--workers", 2)
    assert result.exit_code == 0
    for word in ("1,851", "deg^2", "16 of order 9", "MB", "GB", "on 2 cores"):
        assert word in result.output


def test_build_prints_a_summary_and_three_lines_that_open_the_store(plain_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("build", plain_file, "--out", 'it\'s "mine".zarr', "--workers", 2)
    assert result.exit_code == 0
    assert re.search(r"1,851 galaxies on 0\.2098 deg\^2 in 16 tiles, 16 of them built now", result.stdout)
    assert re.search(r"[\d.]+ s, [\d,]+ galaxies/s, peak memory [\d.]+ GB", result.stdout)
    lines = [line.strip() for line in result.stdout.splitlines() if line.startswith("    ")]
    assert len(lines) == 3
    known = {}
    exec("\n".join(lines), known)
    assert known["ds"].sizes["galaxy"] == 1851
    again = run("build", plain_file, "--out", 'it\'s "mine".zarr')
    assert "nothing was left to do" in again.stdout


@pytest.mark.thorough
def test_the_lines_for_a_store_with_light_show_a_band(tiny, tiny_store):
    result = run("resume", tiny_store)
    lines = [line.strip() for line in result.stdout.splitlines() if line.startswith("    ")]
    assert lines[-1] == 'ds.mag_true.sel(band="lsst_g").compute()'
    exec("\n".join(lines), {})


def test_status_and_verify_say_how_a_store_is(plain_copy):
    assert "complete, 16/16 tiles, 1,851/1,851 rows" in run("status", plain_copy).output
    result = run("verify", plain_copy)
    assert (result.exit_code, "every file is as it was written" in result.output) == (0, True)
    (plain_copy / "galaxies/dec/c/3").unlink()
    result = run("verify", plain_copy)
    assert result.exit_code == 1
    assert "galaxies/dec/c/3 is missing" in result.output
    result = run("resume", plain_copy)
    assert (result.exit_code, "1 of them built now" in result.output) == (0, True)
    assert run("verify", plain_copy).exit_code == 0


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ("bands=[lsst_rr]", "did you mean lsst_r"),
        ("calibration=c26071", "did you mean c260710"),
        ("templates=bc03_kroupa", "did you mean bc03_miles_kroupa"),
        ("simulation=synthetik", "did you mean synthetic"),
        ("columns=[mag_tru]", "did you mean mag_true"),
        ("replace={photometri: photometry}", "did you mean photometry"),
        ("region={cone: {ra: 1, dec: 1, radius: 2 Mpc}}", "'2 Mpc' is not a number, with or without a unit, of angle"),
        ("halo_mass_min=1e11 Msun/h", "without h"),
        ("redshift=[-1, 2]", "0 <= low < high"),
        ("columns=[universemachine_sfr]", "neither given nor written"),
        ("seed=many", "seed"),
        ("seed", "write field=value"),
        ("=3", "write field=value"),
        ("bands=[lsst_r", "not valid YAML"),
        ("seed={a: 1, a: 2}", "'a' is given twice"),
        ("seed=!!int ''", "'' is no int"),
        ("seed=!!python/name:os.system", "means nothing here"),
        ("bandz=[lsst_r]", "did you mean bands"),
        ("path=elsewhere", "no field 'path'"),
        ("recipe=example", "no field 'recipe'"),
        ("client=1", "no field 'client'"),
    ],
)
@pytest.mark.parametrize("command", ["build", "plan"])
def test_a_bad_change_is_one_line_and_nothing_is_written(command, change, wanted, plain_file, tmp_path):
    where = ["--out", tmp_path / "mock.zarr"] if command == "build" else []
    assert wanted in refused(command, plain_file, *where, "--set", change)
    assert list(tmp_path.iterdir()) == []


def test_unknown_names_are_one_line():
    assert "did you mean example" in refused("build", "exampel", "--out", "x.zarr")
    assert "did you mean example" in refused("show", "exampl")
    for name, near in {"log10_sfr": "log10_ssfr", "lsst_j": "lsst_i", "Halfa": "Halpha"}.items():
        assert near in refused("show", name)
    assert "did you mean recipe" in refused("list", "--kind", "recip")
    for command in ("resume", "status", "verify"):
        assert "no store here" in refused(command, "nowhere.zarr")


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("a.yaml", b"just text\n", "no mapping"),
        ("a.yaml", b"simulation: [1\n", "not valid YAML"),
        ("a.yaml", b"\xff\xfe\x00", "cannot be read"),
        ("a.yaml", b"simulation: synthetic\nbands: 3\n", "bands"),
        ("a.txt", b"simulation: synthetic\n", "no 'a.txt' in catalogs/recipes"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_one_line(name, content, wanted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(content)
    assert wanted in refused("build", name, "--out", "mock.zarr")
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("path", "kind"),
    [("pipe", "a pipe"), ("/dev/zero", "a device"), ("pipe.yaml", "a pipe"), ("folder.yaml", "a folder")],
)
def test_what_is_no_file_is_one_line_at_once(path, kind, plain_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    os.mkfifo("pipe.yaml")
    Path("folder.yaml").mkdir()
    wanted = f"{path}: is {kind}, not a file; name a file"
    if path.endswith(".yaml"):
        assert wanted in refused("build", path, "--out", "mock.zarr")
    assert wanted in refused("build", plain_file, "--out", "mock.zarr", "--set", f"simulation={path}")
    assert wanted in refused("ingest", path, "--out", "halos.zarr")


def test_a_tilde_is_the_home_folder(plain_file, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    (home / "mine.yaml").write_bytes(plain_file.read_bytes())
    run("plan", "~/mine.yaml")
    assert "halos" in run("ingest", two_snapshots(home), "--out", "~/halos.zarr", "--at", 1).stdout
    assert "13 rows in" in run("show", "~/halos.zarr").stdout
    assert run("status", "~/halos.zarr").exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]


@pytest.mark.parametrize("content", [b"1 2 3\n", b"\xff\xfe\x00\x01" * 100, b"", b"#ID UPID\n1 2\n"])
def test_halos_from_a_file_that_holds_none_are_one_line(content, plain_file, tmp_path):
    file = tmp_path / "halos.dat"
    file.write_bytes(content)
    change = ("--set", f"simulation={file}", "--set", "region=", "--set", "redshift=", "--set", "halo_mass_min=")
    assert str(file) in refused("build", plain_file, "--out", tmp_path / "mock.zarr", *change)
    assert [one.name for one in tmp_path.iterdir()] == ["halos.dat"]


def test_places_that_cannot_be_written_are_one_line(plain_file, tmp_path, monkeypatch):
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("mine")
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    before = files(tmp_path)
    assert "exists and is no store" in refused("build", plain_file, "--out", file)
    assert "exists and is no store" in refused("build", plain_file, "--out", folder)
    assert "cannot be written" in refused("build", plain_file, "--out", file / "mock.zarr")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    assert "GB are free" in refused("build", plain_file, "--out", tmp_path / "mock.zarr")
    assert files(tmp_path) == before


def test_a_store_of_another_recipe_is_left_alone(plain_file, plain_copy, plain_store):
    message = refused("build", plain_file, "--out", plain_copy, "--set", "seed=8")
    assert "holds a build of another recipe" in message
    assert_same_files(plain_copy, plain_store)


def test_an_error_that_nobody_foresaw_is_one_line_too(plain_file, tmp_path, monkeypatch):
    from diffsky_factory.factory import assembly

    def fail(*_, **__):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(assembly, "open_simulation", fail)
    arguments = ["build", str(plain_file), "--out", str(tmp_path / "mock.zarr"), "--set", "seed=99"]
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr.strip().splitlines() == [
        "error: unexpected ZeroDivisionError: by zero; diffsky-factory --debug ... shows where"
    ]
    assert isinstance(run("--debug", *arguments).exception, ZeroDivisionError)


def test_the_command_in_a_process_of_its_own(command_line, plain_store):
    process = command_line("status", plain_store)
    out, problems = process.communicate(timeout=60)
    assert (process.returncode, problems) == (0, "")
    assert "complete, 16/16 tiles" in out
    process = command_line("build", "exampel", "--out", "x.zarr")
    out, problems = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert len(problems.strip().splitlines()) == 1


def test_stopping_a_build_is_one_line_and_keeps_what_is_built(plain_file, tmp_path, monkeypatch):
    from diffsky_factory.factory.runs import build as building

    compute, done = building.compute_tile, []

    def stopped(part, tile):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(tile)
        return compute(part, tile)

    monkeypatch.setattr(building, "compute_tile", stopped)
    result = run("build", plain_file, "--out", tmp_path / "mock.zarr", "--workers", 1)
    assert result.exit_code == 130
    assert "the same command goes on from there" in result.stderr.strip().splitlines()[-1]
    assert status(tmp_path / "mock.zarr").built == 2


def test_help_is_there_for_every_command():
    for command in ("list", "show", "plan", "build", "resume", "status", "verify"):
        assert run(command, "--help").exit_code == 0
    version = subprocess.run(
        [sys.executable, "-m", "diffsky_factory.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert "version" in version.stdout


@pytest.mark.thorough
def test_a_snapshot_of_a_box_is_taken_in_planned_built_and_shown(tmp_path):
    entry, halos = two_snapshots(tmp_path), tmp_path / "halos.zarr"
    assert "give one of them" in refused("ingest", entry, "--out", halos, "--redshift", 0, 1, "--at", 1)
    assert "no snapshot at redshift 0.6; the nearest are at 0.25, 1" in refused(
        "ingest", entry, "--out", halos, "--at", 0.6
    )
    assert "13 halos" in run("ingest", entry, "--out", halos, "--at", 1).stdout
    recipe = tmp_path / "box.yaml"
    columns = "[galaxy_id, x, y, z, redshift, log10_stellar_mass]"
    recipe.write_text(f"simulation: {halos}\ncolumns: {columns}\ntiles: {{box_order: 1}}\n")
    planned = run("plan", recipe).stdout
    assert "Mpc^3" in planned
    assert "13" in planned
    assert "13 galaxies in" in run("build", recipe, "--out", tmp_path / "box.zarr").stdout
    assert "box: 13 rows in" in run("show", tmp_path / "box.zarr").stdout
