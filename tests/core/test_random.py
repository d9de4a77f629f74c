"""Random numbers belong to the galaxy and to the name of the draw, and to nothing else."""

from zlib import crc32

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffsky_factory.core.random import draw_all, id_words, row_keys
from diffsky_factory.core.types import Draw
from diffsky_factory.physics import RIVALS, stages

IDS = np.random.default_rng(1).integers(0, 2**62, 20_000)
LAWS = {"a.draw_u": Draw("uniform"), "a.draw_n": Draw("normal"), "b.draw_n": Draw("normal", (4,))}


def drawn(ids, laws=LAWS, seed=3):
    return {name: np.asarray(x) for name, x in draw_all(row_keys(seed, id_words(ids)), laws).items()}


@pytest.fixture(scope="module")
def many():
    return drawn(IDS)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
def test_an_id_comes_back_from_its_two_words(ids):
    words = id_words(np.array(ids, np.int64)).astype(np.uint64)
    back = ((words[:, 0] << np.uint64(32)) | words[:, 1]).astype(np.int64)
    assert back.tolist() == ids


def test_draws_do_not_depend_on_order_or_company(many):
    some = np.random.default_rng(2).permutation(len(IDS))[:777]
    for name, values in drawn(IDS[some]).items():
        np.testing.assert_array_equal(values, many[name][some])
    for name, values in drawn(IDS[:1]).items():
        np.testing.assert_array_equal(values, many[name][:1])


def test_a_new_stream_leaves_every_other_as_it_was(many):
    np.testing.assert_array_equal(drawn(IDS, {"a.draw_n": Draw("normal")})["a.draw_n"], many["a.draw_n"])


@pytest.mark.thorough
def test_precision_does_not_change_a_draw(many):
    with jax.enable_x64(True):
        wide = drawn(IDS)
    for name, values in wide.items():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, many[name])


def test_seed_id_and_name_each_change_a_draw(many):
    assert not np.any(drawn(IDS, seed=4)["a.draw_n"] == many["a.draw_n"])
    assert not np.any(drawn(IDS + 1)["a.draw_n"] == many["a.draw_n"])
    assert not np.any(drawn(IDS, {"c.draw_n": Draw("normal")})["c.draw_n"] == many["a.draw_n"])


def test_uniform_draws_lie_strictly_between_zero_and_one(many):
    assert many["a.draw_u"].min() > 0.0
    assert many["a.draw_u"].max() < 1.0
    # the ends of what 23 bits can give
    ends = (np.array([0, 2**23 - 1]).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-23)
    assert ends[0] > 0.0
    assert ends[1] < 1.0


def test_draws_have_the_moments_of_their_laws(many):
    n = len(IDS)
    assert many["a.draw_u"].mean() == pytest.approx(0.5, abs=4.0 * np.sqrt(1.0 / 12.0 / n))
    assert many["a.draw_n"].mean() == pytest.approx(0.0, abs=4.0 / np.sqrt(n))
    assert many["a.draw_n"].std() == pytest.approx(1.0, abs=4.0 / np.sqrt(2.0 * n))
    table = np.corrcoef(np.column_stack([many["a.draw_u"], many["a.draw_n"], many["b.draw_n"]]).T)
    assert np.abs(table - np.eye(6)).max() < 5.0 / np.sqrt(n)


def test_neighbouring_ids_have_independent_draws():
    draws = drawn(np.arange(20_000))["a.draw_n"]
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 4.0 / np.sqrt(len(draws))


def test_no_two_streams_of_the_model_share_a_code():
    streams = {one.stream(name) for one in (*stages(), *RIVALS) for name in one.draws}
    assert len(streams) > 10
    assert len({crc32(name.encode()) for name in streams}) == len(streams)
