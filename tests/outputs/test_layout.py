"""Layouts: which rows are where, and back from text."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffsky_factory.factory.assembly import assembly
from diffsky_factory.factory.runs.planning import plan_build
from diffsky_factory.outputs.layout import ArrayLayout, Part, Rows, part_from_content, ranges, rows_from_content

COUNTS = st.lists(st.integers(0, 3000), min_size=1, max_size=20)


def rows(counts, shard=512):
    n = len(counts)
    return Rows("{}", "healpix", 8, "galaxy", 256, shard, tuple(range(n)), tuple(counts), (0.1,) * n)


def part(counts):
    arrays = (ArrayLayout("ra", "float64"), ArrayLayout("mag_true", "float32", ("band",)))
    return Part("galaxies", rows(counts), "build", "{}", arrays, {"band": ("r", "i")}, {})


def test_a_part_comes_back_from_its_text(tiny):
    planned = plan_build(assembly(tiny.text)).part
    of_rows = rows_from_content(json.loads(planned.rows.text))
    back = part_from_content(json.loads(planned.text), of_rows)
    assert (of_rows.text, of_rows.hash) == (planned.rows.text, planned.rows.hash)
    assert (back.text, back.hash, back.arrays) == (planned.text, planned.hash, planned.arrays)


def test_a_part_belongs_to_its_rows():
    with pytest.raises(ValueError, match="of other rows"):
        part_from_content(json.loads(part([3]).text), rows([4]))


@pytest.mark.parametrize("content", [{}, {"format": "diffsky-factory/store/1"}])
def test_another_format_is_named(content):
    with pytest.raises(ValueError, match=r"its format is .*, and this version reads"):
        rows_from_content(content)


@given(COUNTS, st.sampled_from([256, 512, 1024]))
def test_tiles_own_whole_shards_that_hold_exactly_their_rows(counts, shard):
    found = rows(counts, shard)
    shards = [list(found.shards(tile)) for tile in range(len(counts))]
    numbers = [number for tile in shards for number, _ in tile]
    assert numbers == list(range(len(numbers)))
    assert found.capacity == max(len(numbers), 1) * shard
    for tile, n in enumerate(counts):
        held = [row for _, one in shards[tile] for row in range(one.start, one.stop)]
        assert held == list(range(n))
        assert found.starts[tile] % shard == 0
        if n:
            assert shards[tile][0][0] * shard == found.starts[tile]


@given(COUNTS)
def test_every_row_knows_its_tile(counts):
    found = rows(counts)
    for tile, n in enumerate(counts):
        of_tile = found.rows_of(np.array([tile]))
        np.testing.assert_array_equal(of_tile, found.starts[tile] + np.arange(n))
        assert (found.tile_of(of_tile) == tile).all()


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 50)), max_size=10))
def test_ranges_are_those_of_numpy(pairs):
    starts, counts = (np.array(values, np.int64) for values in zip(*pairs)) if pairs else (np.empty(0, int),) * 2
    expected = [np.arange(start, start + n) for start, n in pairs]
    np.testing.assert_array_equal(ranges(starts, counts), np.concatenate([np.empty(0, np.int64), *expected]))


def test_the_bytes_of_a_row_by_hand():
    assert part([1]).row_bytes == 8 + 2 * 4
    assert np.isnan(part([1]).arrays[0].fill)
    assert ArrayLayout("id", "int64").fill == -1
    assert ArrayLayout("flag", "bool").fill is False


@pytest.mark.parametrize(
    "wrong",
    [
        {"counts": [3, -1]},
        {"counts": [3]},
        {"counts": [3, 2**41]},
        {"counts": [3, 2.5]},
        {"keys": ["../x", "y"]},
        {"block": 0},
        {"block": 2**40, "shard": 2**40},
        {"shard": 300},
        {"partition": "else"},
        {"order": "8"},
    ],
    ids=str,
)
def test_rows_that_no_store_has_are_refused(wrong):
    content = json.loads(rows([3, 4]).text)
    assert rows_from_content(content).counts == (3, 4)
    with pytest.raises(ValueError, match=r"whole numbers|are wanted|are none"):
        rows_from_content({**content, **wrong})
