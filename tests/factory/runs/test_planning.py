"""What a plan says is what a build takes, and one that cannot be is refused for the workers that it would have."""

import pytest
from dask.distributed import Client

from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.assembly import assembly
from diffsky_factory.factory.runs import planning
from diffsky_factory.factory.runs.build import build
from diffsky_factory.factory.runs.memory import live_bytes
from diffsky_factory.factory.runs.planning import plan
from diffsky_factory.outputs import store
from tests.stores import files

TWO_TILES = {"order": 9, "pixels": [4 * 349525, 4 * 349525 + 1]}


@pytest.mark.parametrize("name", ["plain", pytest.param("tiny", marks=pytest.mark.thorough)])
def test_files_and_bytes_are_those_of_the_store(name, request):
    planned, built = plan(request.getfixturevalue(name)), files(request.getfixturevalue(f"{name}_store"))
    assert planned.files == pytest.approx(len(built), rel=0.05)
    assert planned.bytes == pytest.approx(sum(map(len, built.values())), rel=0.25)


def test_memory_is_that_of_blocks_tiles_bands_and_workers(plain):
    of_plain, light = plan(plain), {"columns": ["galaxy_id", "mag_true"], "bands": ["lsst_i"]}
    one = plan(plain, **light)
    assert one.holds.programs > 10 * of_plain.holds.programs
    assert plan(plain, **{**light, "bands": ["lsst"]}).holds.tables > 5 * one.holds.tables > of_plain.holds.tables
    block = 2**18
    larger = plan(plain, **light, tiles={"order": 9, "block": block, "blocks_per_shard": 1})
    # a tile of few rows is padded to a whole block, which the kernel computes
    assert larger.memory() - one.memory() > 2000 * block
    assert larger.memory(2) - larger.memory(1) == pytest.approx(larger.holds.tile + larger.holds.block)
    assert larger.memory(64) == larger.memory(larger.rows.tiles)  # no more are ever in work
    two = plan(plain, **light, tiles={"order": 9, "block": block, "blocks_per_shard": 1}, region=TWO_TILES)
    # the second waits for the kernel that the first compiles
    assert two.memory(2) - two.memory(1) == pytest.approx(two.holds.tile)
    assert one.memory(2, processes=True) > 2 * one.worker_memory > one.memory(2)
    for words in ("2 tiles at a time in threads", "in processes", "each", "in all"):
        assert words in one.said(2)["memory"]


def test_the_widest_columns_between_stages_are_histories_where_only_masses_are_wanted(plain):
    parts = assembly(plain.text)
    order = parts.plan(["log10_stellar_mass"])
    histories = 3 * 4 * len(parts.axes["time"])  # logarithms of rate, mass and fraction of the mass
    assert histories <= live_bytes(order, parts.axes) < 1.2 * histories


def test_a_build_is_refused_where_its_workers_do_not_fit(plain, tmp_path, monkeypatch):
    tiles = {"order": 9, "block": 2**20, "blocks_per_shard": 1}
    planned = plan(plain, tiles=tiles)
    monkeypatch.setattr(planning, "memory_limit", lambda: planned.memory(3))
    planned.check_fits(tmp_path, workers=3)
    with pytest.raises(InputError, match=r"16 tiles at a time take about .* this machine has .* fewer workers"):
        build(plain, tmp_path / "mock.zarr", workers=64, tiles=tiles)
    monkeypatch.setattr(planning, "memory_limit", lambda: 1e8)
    with pytest.raises(InputError, match=r"1 tile at a time take.*; give tiles of a higher order"):
        build(plain, tmp_path / "mock.zarr", workers=1)
    assert not store.is_store(tmp_path / "mock.zarr")


def test_a_build_is_refused_where_a_worker_of_the_cluster_has_too_little(plain, tmp_path):
    how = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with (
        Client(**how, memory_limit="300MB") as client,
        pytest.raises(InputError, match=r"1 tile at a time .* worker 0 has 0\.3 GB"),
    ):
        build(plain, tmp_path / "mock.zarr", client=client)
    assert not store.is_store(tmp_path / "mock.zarr")
