"""Rows of a store as lazy arrays: each chunk has the rows of its tiles."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from diffsky_factory.outputs import reading
from diffsky_factory.outputs.layout import Part, Rows, ranges


def part(counts):
    n = len(counts)
    rows = Rows("", "pieces", None, "halo", 4, 8, tuple(range(n)), tuple(int(one) for one in counts), (0.0,) * n)
    return Part("halos", rows, "ingest", "", (), {}, {})


@pytest.mark.parametrize("tiles", [0, 1, 5, 300])
@pytest.mark.parametrize("chunk", [pytest.param(1, marks=pytest.mark.thorough), 7, 64, 10000])
def test_rows_of_tiles_are_those_of_their_chunks(tiles, chunk, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK", chunk)
    rng = np.random.default_rng(tiles + chunk)
    of = part(rng.integers(0, 40, tiles) * (rng.random(tiles) < 0.8))
    for chosen in (np.arange(tiles), np.flatnonzero(rng.random(tiles) < 0.5)):
        found = reading.all_rows(Path("x"), of, chosen)
        expected = ranges(of.rows.starts[chosen], np.asarray(of.rows.counts, np.int64)[chosen])
        np.testing.assert_array_equal(found.compute(), expected)
        assert found.dtype == np.int64
        for i, length in enumerate(found.chunks[0]):
            assert found.blocks[i].compute().shape == (length,)


def test_a_task_carries_no_more_than_its_own_tiles(monkeypatch):
    monkeypatch.setattr(reading, "CHUNK", 100)
    sizes = []
    for tiles in (1000, 4000):
        found = reading.all_rows(Path("x"), part([10] * tiles), np.arange(tiles))
        sizes.append(max(len(pickle.dumps(task)) for task in dict(found.dask).values()))
    assert sizes[1] < 1.1 * sizes[0] < 5000
