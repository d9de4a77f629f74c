"""A build that is killed at any moment, or shared with others, ends as one that never was."""

import os
import random
import shutil
import signal
import time

import psutil
import pytest

from diffsky_factory.factory.opening.catalogs import open_catalog
from diffsky_factory.factory.runs import build as building
from diffsky_factory.factory.runs import tasks
from diffsky_factory.factory.runs.build import build
from diffsky_factory.factory.runs.stores import resume, status
from diffsky_factory.outputs import store
from tests.stores import assert_same_files, by_id


def finish(process):
    """Wait for a process that must succeed."""
    out, problems = process.communicate(timeout=240)
    assert process.returncode == 0, problems
    return out


@pytest.fixture(scope="module")
def built_by_command(command_line, plain_file, plain_store, tmp_path_factory):
    """A store that the command line built without a break, and the seconds from the first file to the last."""
    path = tmp_path_factory.mktemp("whole") / "whole.zarr"
    process = command_line("build", plain_file, "--out", path, "--workers", 1)
    while not (path / store.PLAN).exists() and process.poll() is None:
        time.sleep(0.01)
    start = time.perf_counter()
    finish(process)
    assert_same_files(path, plain_store)
    return path, time.perf_counter() - start


def kill_when(process, happened, delay=0.0):
    """Kill a process with no chance to clean up, some time after something happened; whether it was in time."""
    while not happened() and process.poll() is None:
        time.sleep(0.002)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    return process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("commits", [5, *(pytest.param(n, marks=pytest.mark.thorough) for n in (0, 13))])
def test_a_build_killed_at_any_moment_is_finished_by_resuming(
    commits, built_by_command, command_line, plain_file, tmp_path
):
    whole, _ = built_by_command
    path = tmp_path / "mock.zarr"
    process = command_line("build", plain_file, "--out", path, "--workers", 1)

    def happened():
        return (path / store.PLAN).exists() and len(list(path.glob("commits/galaxies/[0-9]*.json"))) >= commits

    assert kill_when(process, happened, delay=random.Random(commits).uniform(0.0, 0.02))
    assert status(path).built >= commits
    assert resume(path).tiles == 16
    assert_same_files(path, whole)
    assert status(path, verify=True).damaged == ()


@pytest.mark.slow
def test_a_build_killed_again_and_again_is_finished_in_the_end(built_by_command, command_line, plain_file, tmp_path):
    whole, seconds = built_by_command
    path = tmp_path / "mock.zarr"
    chance = random.Random(0)
    for _ in range(3):
        process = command_line("build", plain_file, "--out", path, "--workers", chance.choice([1, 2]))
        kill_when(process, (path / store.PLAN).exists, seconds * chance.random())
    finish(command_line("build", plain_file, "--out", path))
    assert_same_files(path, whole)


@pytest.mark.slow
def test_a_build_killed_while_it_is_finalized_is_finished_by_resuming(
    built_by_command, command_line, plain_file, tmp_path
):
    whole, _ = built_by_command
    path = tmp_path / "mock.zarr"
    process = command_line("build", plain_file, "--out", path, "--workers", 1)
    kill_when(process, (path / "index").exists)
    resume(path)
    assert_same_files(path, whole)


@pytest.mark.parametrize(
    "after", [pytest.param(n, marks=pytest.mark.thorough if n % 20 else ()) for n in range(0, 60, 4)]
)
def test_finalizing_may_stop_after_any_file(after, plain_copy, plain_store, monkeypatch):
    (plain_copy / "commits/galaxies/metadata.json").unlink()
    move, moved = store._move, []

    def move_some(source, target):
        if len(moved) >= after:
            raise KeyboardInterrupt
        moved.append(target)
        move(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(store, "_move", move_some)
        with pytest.raises(KeyboardInterrupt):
            resume(plain_copy)
    resume(plain_copy)
    assert_same_files(plain_copy, plain_store)


def test_a_root_that_is_behind_its_part_is_found_and_mended(plain_copy, plain_store):
    """A build that is killed between the commit of its part and the root's."""
    part = store.read_part(plain_copy)
    metadata = plain_copy / "commits/galaxies/metadata.json"
    complete = metadata.read_bytes()
    store.begin(plain_copy, part)
    metadata.write_bytes(complete)
    for file in ("index", "calibration", "provenance", "galaxies"):
        shutil.copytree(plain_store / file, plain_copy / file, dirs_exist_ok=True)
    assert "lists other parts" in status(plain_copy, verify=True).damaged[0]
    assert resume(plain_copy).built == 0
    assert status(plain_copy, verify=True).damaged == ()
    assert_same_files(plain_copy, plain_store)


def test_what_a_killed_process_leaves_behind_is_removed(plain_copy, plain_store):
    (plain_copy / ".metadata-x").mkdir()
    (plain_copy / ".metadata-x" / "zarr.json").write_text("{}")
    (plain_copy / ".new-x").write_text("half")
    (plain_copy / "commits" / "galaxies" / ".new-y").write_text("half")
    (plain_copy / "galaxies" / "ra" / "c" / "0.abc.partial").write_text("half")
    resume(plain_copy)
    assert_same_files(plain_copy, plain_store)


def test_a_build_killed_before_its_plan_may_be_started_again(plain, plain_store, tmp_path):
    path = tmp_path / "mock.zarr"
    path.mkdir()
    (path / ".lock").touch()
    (path / ".new-x").write_text("half")
    build(plain, path)
    assert_same_files(path, plain_store)


def test_a_tile_in_work_is_not_read_as_data(plain_copy, monkeypatch):
    """Mending a complete store, killed in the middle, leaves one that says it is not complete."""
    tile = store.read_rows(plain_copy).keys[3]
    (plain_copy / "commits" / "galaxies" / f"{tile}.json").unlink()

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(building, "compute_tile", killed)
        with pytest.raises(KeyboardInterrupt):
            resume(plain_copy, workers=1)
    with pytest.raises(ValueError, match=f'15 of 16 tiles.*run "diffsky-factory resume {plain_copy}"'):
        open_catalog(plain_copy)
    assert open_catalog(plain_copy, allow_partial=True).attrs["state"] == "building"


@pytest.mark.thorough
def test_two_processes_do_not_build_one_store(plain, plain_copy, command_line):
    with tasks.alone(plain_copy):
        with pytest.raises(ValueError, match="another process is building it"):
            resume(plain_copy)
        with pytest.raises(ValueError, match="another process is building it"):
            build(plain, plain_copy)
        process = command_line("resume", plain_copy)
        _, problems = process.communicate(timeout=120)
    assert process.returncode == 2
    assert problems.strip().endswith("another process is building it; wait for it to end")
    assert len(problems.strip().splitlines()) == 1


@pytest.mark.thorough
def test_two_processes_that_start_at_once_end_with_one_whole_store(
    built_by_command, command_line, plain_file, tmp_path
):
    whole, _ = built_by_command
    path = tmp_path / "mock.zarr"
    pair = [command_line("build", plain_file, "--out", path, "--workers", 1) for _ in range(2)]
    problems = [process.communicate(timeout=240)[1] for process in pair]
    codes = sorted(process.returncode for process in pair)
    assert codes in ([0, 2], [0, 0]), problems  # the second may come after the first has ended
    assert_same_files(path, whole)


@pytest.mark.slow
def test_adjacent_stores_are_built_at_once_by_two_processes(plain, plain_store, command_line, plain_file, tmp_path):
    halves = [{"order": 8, "pixels": list(plain.region.pixels[i : i + 2])} for i in (0, 2)]
    paths = [tmp_path / "a.zarr", tmp_path / "b.zarr"]
    pair = [
        command_line("build", plain_file, "--out", path, "--set", f"region={half}", "--workers", 1)
        for path, half in zip(paths, halves)
    ]
    for process in pair:
        finish(process)
    expected = open_catalog(plain_store)
    for path, half in zip(paths, halves):
        part = open_catalog(path)
        pixels = [int(p) for p in expected.sky.tiles if p // 4 in half["pixels"]]
        assert part.sky.tiles.tolist() == pixels
        found, wanted = by_id(part), by_id(expected.sky.in_tiles(pixels))
        assert all((found[name] == wanted[name]).all() for name in wanted)


@pytest.mark.thorough
def test_workers_of_a_cluster_write_the_same_bytes(plain, plain_store, environment, tmp_path, monkeypatch):
    from dask.distributed import Client, LocalCluster

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    shutil.rmtree(tmp_path / "mock.zarr", ignore_errors=True)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, processes=True) as cluster,
        Client(cluster) as client,
    ):
        summary = build(plain, tmp_path / "mock.zarr", client=client)
        assert summary.built == 16
        assert_same_files(tmp_path / "mock.zarr", plain_store)
        lazy = open_catalog(tmp_path / "mock.zarr").redshift.mean().compute()
        assert float(lazy) == pytest.approx(float(open_catalog(plain_store).redshift.values.mean()))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("send", "number", "code"),
    [(os.killpg, signal.SIGINT, 130), (os.kill, signal.SIGTERM, -signal.SIGTERM)],
    ids=["ctrl-c", "terminate"],
)
def test_a_build_on_processes_that_is_stopped_leaves_none_behind(
    send, number, code, command_line, plain_file, tmp_path
):
    """Ctrl-C reaches all processes of a terminal, a batch system's signal the first one alone."""
    path = tmp_path / "mock.zarr"
    how = "--processes", "--workers", 2, "--set", "tiles={order: 10, block: 64, blocks_per_shard: 2}"
    process = command_line("build", plain_file, "--out", path, *how, start_new_session=True)
    while process.poll() is None and len(list(path.glob("commits/galaxies/[0-9]*.json"))) < 3:
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    send(process.pid, number)
    _, problems = process.communicate(timeout=120)
    assert process.returncode == code, problems
    if number == signal.SIGINT:
        stopped = "error: stopped; what is built is kept, and the same command goes on from there"
        assert problems.strip().splitlines()[-1] == stopped
        assert "KeyboardInterrupt" not in problems
    assert psutil.wait_procs(workers, timeout=60)[1] == []
    found = status(path)
    assert 3 <= found.built < found.tiles == 64
    assert resume(path).built == 64 - found.built
    assert status(path, verify=True).damaged == ()
