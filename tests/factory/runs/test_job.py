"""Jobs say what they do, line by line, and what was written is known file by file."""

import json
import logging

import numpy as np
import pytest
from click.testing import CliRunner

import diffsky_factory as dff
from diffsky_factory.cli import main
from diffsky_factory.core.errors import CheckError
from diffsky_factory.core.logs import LOGGER, log_to
from diffsky_factory.factory.runs import build as building
from diffsky_factory.factory.runs.job import Job, Tile, run
from diffsky_factory.outputs import store


@pytest.fixture
def log(tmp_path):
    """A file of what the package says during a test."""
    logger = logging.getLogger(LOGGER)
    level = logger.level
    handler = log_to(tmp_path / "log.jsonl")
    yield lambda: [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    logger.removeHandler(handler)
    handler.close()
    logger.setLevel(level)


def test_a_build_is_told_tile_by_tile(plain, tmp_path, log):
    dff.build(plain, tmp_path / "a.zarr")
    lines = log()
    assert [line["event"] for line in lines] == ["job begins", *["tile is done"] * 16, "job is done"]
    first, *tiles, last = lines
    assert (first["part"], first["job"], first["to_do"], first["level"]) == ("galaxies", "build", 16, "info")
    assert sum(line["rows"] for line in tiles) == last["rows"] == 1851
    assert {line["key"] for line in tiles} == set(store.read_rows(tmp_path / "a.zarr").keys)
    assert all(line["time"].endswith("+00:00") and line["store"].endswith("a.zarr") for line in lines)


def test_a_tile_that_is_refused_is_told_with_why(plain, tmp_path, log, monkeypatch):
    def fail(*_):
        raise CheckError("column 'ra', row 0: bad")

    monkeypatch.setattr(building.checks, "check_tile", fail)
    with pytest.raises(CheckError):
        dff.build(plain, tmp_path / "a.zarr", region={"order": 8, "pixels": [349525]})
    refused = [line for line in log() if line["level"] == "error"]
    assert len(refused) == 4
    assert all("column 'ra', row 0: bad" in line["problem"] for line in refused)


def test_the_command_line_writes_the_log_to_a_file(plain_copy, tmp_path):
    file = tmp_path / "log.jsonl"
    handlers = list(logging.getLogger(LOGGER).handlers)
    result = CliRunner().invoke(main, ["--log", str(file), "resume", str(plain_copy)])
    assert result.exit_code == 0
    assert [json.loads(line)["event"] for line in file.read_text().splitlines()] == ["job begins", "job is done"]
    result = CliRunner().invoke(main, ["--log", str(tmp_path / "no" / "log"), "status", str(plain_copy)])
    assert (result.exit_code, "--log" in result.stderr) == (2, True)
    for handler in set(logging.getLogger(LOGGER).handlers) - set(handlers):
        logging.getLogger(LOGGER).removeHandler(handler)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({}, "'galaxy_id' has shape none"),
        ({"galaxy_id": np.zeros(3, np.int64)}, "as was planned; did an input change"),
        ({"galaxy_id": np.zeros(1, "U3")}, "is <U3; int64 is stored"),
    ],
)
def test_a_tile_that_is_not_as_planned_is_not_written(columns, told, plain, tmp_path):
    part = building.plan_build(building.assembly(plain.text)).part
    n = part.rows.counts[0]
    columns = {name: values if len(values) == 3 else np.resize(values, n) for name, values in columns.items()}
    job = Job(tmp_path / "a.zarr", part, lambda part, tile: Tile(columns))
    with pytest.raises(CheckError, match=told):
        run(job)
    assert dff.status(tmp_path / "a.zarr").built == 0


def test_every_shard_is_in_the_commit_and_an_empty_one_is_said_to_be(plain_copy):
    part = store.read_part(plain_copy)
    n = part.rows.counts[0]
    columns = {array.name: np.full((n, *part.tail(array)), array.fill, array.dtype) for array in part.arrays}
    store.write_tile(plain_copy, part, 0, columns, {"rows": n})
    files = store.commit(plain_copy, part, 0)["files"]
    expected = {store.shard_file(part, array, shard) for array in part.arrays for shard, _ in part.rows.shards(0)}
    assert set(files) == expected
    assert {name for name, known in files.items() if known is None} == {
        name for name in expected if not name.startswith("galaxies/is_row")
    }
    assert store.damage(plain_copy, part, 0) is None
    name = next(name for name, known in files.items() if known is None)
    (plain_copy / name).write_bytes(b"late")
    assert "was committed as empty" in store.damage(plain_copy, part, 0)


def test_the_metadata_of_arrays_is_known(plain_copy):
    file = plain_copy / "galaxies/ra/zarr.json"
    file.write_text(file.read_text().replace('"float64"', '"int64"'))
    assert dff.status(plain_copy, verify=True).damaged == ("metadata: galaxies/ra/zarr.json is damaged",)
    dff.resume(plain_copy)
    assert dff.status(plain_copy, verify=True).damaged == ()
