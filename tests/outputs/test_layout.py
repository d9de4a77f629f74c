"""Layouts: which rows are where, and back from text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffsky_factory.factory.assembly import assembly
from diffsky_factory.factory.planning import plan_build
from diffsky_factory.outputs.layout import ArrayLayout, Layout, layout_from_text


def layout(counts, shard=512):
    n = len(counts)
    arrays = (ArrayLayout("galaxies", "ra", "float64"), ArrayLayout("photometry", "mag_true", "float32", ("band",)))
    return Layout("{}", 8, 256, shard, tuple(range(n)), tuple(counts), (0.1,) * n, arrays, {"band": ("r", "i")}, {})


def test_a_layout_comes_back_from_its_text(tiny):
    planned = plan_build(assembly(tiny.text)).layout
    back = layout_from_text(planned.text)
    assert (back.text, back.hash) == (planned.text, planned.hash)
    assert (back.pixels, back.row_counts, back.arrays) == (planned.pixels, planned.row_counts, planned.arrays)


@pytest.mark.parametrize("text", ["[]", "{}", '{"format": "other"}', "not json"])
def test_a_text_that_is_no_layout_is_refused(text):
    with pytest.raises(ValueError, match=r"layout|Expecting"):
        layout_from_text(text)


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=20), st.sampled_from([256, 512, 1024]))
def test_tiles_own_whole_shards_that_hold_exactly_their_rows(counts, shard):
    found = layout(counts, shard)
    shards = [list(found.shards(tile)) for tile in range(len(counts))]
    numbers = [number for tile in shards for number, _ in tile]
    assert numbers == list(range(len(numbers)))
    assert found.capacity == max(len(numbers), 1) * shard
    for tile, n in enumerate(counts):
        rows = [row for _, part in shards[tile] for row in range(part.start, part.stop)]
        assert rows == list(range(n))
        assert found.row_starts[tile] % shard == 0
        if n:
            assert shards[tile][0][0] * shard == found.row_starts[tile]


def test_the_bytes_of_a_row_by_hand():
    assert layout([1]).row_bytes == 8 + 2 * 4
    assert np.isnan(layout([1]).arrays[0].fill)
    assert ArrayLayout("g", "id", "int64").fill == -1
    assert ArrayLayout("g", "flag", "bool").fill is False
