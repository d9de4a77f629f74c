"""Blocks of whole host groups, one compiled kernel, and numbers that do not depend on the block."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.plan import plan
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar
from diffsky_factory.factory import kernel as kernels
from diffsky_factory.factory.assembly import assembly
from diffsky_factory.factory.evaluate import evaluate
from diffsky_factory.factory.kernel import COMPILED, Kernel, blocks
from diffsky_factory.physics import stages
from tests.conftest import MAPPINGS


class Mass(NamedTuple):
    log10_stellar_mass: Scalar


def host_rows(sizes):
    """host_row of groups of some sizes, side by side, the host first."""
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    return np.repeat(starts, sizes)


@given(st.lists(st.integers(1, 40), max_size=60), st.integers(1, 30))
def test_blocks_cover_all_rows_and_never_cut_a_group(sizes, size):
    host_row = host_rows(sizes)
    found = blocks(host_row, size)
    rows = [row for part in found for row in range(part.start, part.stop)]
    assert rows == list(range(len(host_row)))
    for part in found:
        inside = host_row[part]
        assert inside.min() == part.start
        assert part.stop == len(host_row) or host_row[part.stop] == part.stop
        assert part.stop - part.start <= size or len(np.unique(inside)) == 1


@given(st.lists(st.integers(1, 8), min_size=1, max_size=30), st.randoms())
def test_the_host_may_be_anywhere_in_its_group(sizes, random):
    host_row = host_rows(sizes)
    for start, size in zip(np.unique(host_row), sizes):
        host_row[start : start + size] = start + random.randrange(size)
    for part in blocks(host_row, 10):
        assert ((host_row[part] >= part.start) & (host_row[part] < part.stop)).all()


@pytest.fixture(scope="module")
def computed(tiny, tiny_store):
    """Halos of a tile, the kernel that built the store, and its columns."""
    parts = assembly(tiny.text)
    halos = parts.provided(parts.halos(int(parts.tiles[0])), parts.given)
    wanted = tuple(name for name in tiny.columns if name not in halos)
    kernel = parts.kernel(wanted, frozenset(halos), None)
    return halos, kernel, kernel(halos, halos["galaxy_id"])


def rows_of(halos, rows):
    part = {name: np.asarray(values)[rows] for name, values in halos.items()}
    part["host_row"] = np.searchsorted(rows, part["host_row"])
    return part


def test_a_group_alone_is_bit_identical_to_the_same_in_a_block(computed):
    halos, kernel, expected = computed
    members = np.bincount(halos["host_row"], minlength=len(halos["host_row"]))
    largest = int(np.argmax(members))
    lonely = np.flatnonzero((members == 1) & (halos["host_row"] == np.arange(len(members))))
    assert members[largest] > 3
    for head in (largest, lonely[0], lonely[-1]):
        rows = np.flatnonzero(halos["host_row"] == head)
        part = rows_of(halos, rows)
        for name, values in kernel(part, part["galaxy_id"]).items():
            np.testing.assert_array_equal(values, expected[name][rows], err_msg=name)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_choice_of_groups_gives_the_same_numbers_without_compiling_again(computed, data):
    halos, kernel, expected = computed
    heads = np.unique(halos["host_row"])
    some = data.draw(st.sets(st.sampled_from(heads.tolist()), min_size=1, max_size=60))
    rows = np.flatnonzero(np.isin(halos["host_row"], list(some)))
    part = rows_of(halos, rows)
    before = kernels._compiled(kernel.plan)._cache_size()
    for name, values in kernel(part, part["galaxy_id"]).items():
        np.testing.assert_array_equal(values, expected[name][rows], err_msg=name)
    assert kernels._compiled(kernel.plan)._cache_size() == before


@pytest.mark.thorough
def test_masses_do_not_depend_on_the_size_of_a_block(computed, tiny):
    halos, _, expected = computed
    order = plan(stages(), halos, ["log10_stellar_mass"])
    other = Kernel(order, assembly(tiny.text).constants, seed=tiny.seed, block=100)
    found = other(halos, halos["galaxy_id"])["log10_stellar_mass"]
    np.testing.assert_allclose(found, expected["log10_stellar_mass"], atol=1e-5)


@pytest.mark.slow
def test_magnitudes_depend_on_the_size_of_a_block_by_rounding_alone(computed, tiny):
    # 32-bit rounding of a star formation history moves the light of its youngest stars, in blue bands most
    halos, _, expected = computed
    order = plan(stages(), halos, ["mag_true"])
    other = Kernel(order, assembly(tiny.text).constants, seed=tiny.seed, block=1024)
    away = np.abs(other(halos, halos["galaxy_id"])["mag_true"] - expected["mag_true"])
    assert away.max() < 0.01
    assert np.quantile(away, 0.95) < 1e-4


def test_no_rows_give_empty_columns_of_the_right_shape(computed):
    halos, kernel, expected = computed
    none = rows_of(halos, np.zeros(0, np.int64))
    for name, values in kernel(none, none["galaxy_id"]).items():
        assert values.shape == (0, *expected[name].shape[1:])
        assert values.dtype == expected[name].dtype


def test_a_group_larger_than_a_block_is_computed_whole(tiny):
    lost = np.zeros((150, 2))
    lost[1:, 1] = 0.25
    columns = {
        "log10_stellar_mass_in_situ": np.full(150, 10.0),
        "merging_probability_by_round": lost,
        "merging_remainder_by_round": 1.0 - lost,
        "satellite_weight": np.ones(150),
        "host_row": np.zeros(150, np.int64),
    }
    order = plan(stages(), columns, ["log10_stellar_mass"])
    kernel = Kernel(order, assembly(tiny.text).constants, seed=0, block=64)
    mass = 10.0 ** kernel(columns, np.arange(150))["log10_stellar_mass"].astype(np.float64)
    # what the 149 satellites lose, the central receives
    assert mass[0] == pytest.approx(1e10 * (1.0 + 149 * 0.25), rel=1e-5)
    np.testing.assert_allclose(mass[1:], 0.75e10, rtol=1e-5)


# satellites of satellites

MERGERS = ("flux_in_situ", "merging_probability_by_round", "merging_remainder_by_round", "satellite_weight")


def nested(seed, n_group=25, largest=12):
    """Groups side by side in which satellites fell in with other satellites; the central anywhere among them."""
    rng = np.random.default_rng(seed)
    host_row, penultimate = [], []
    for size in rng.integers(1, largest, n_group):
        order = len(host_row) + rng.permutation(size)  # central first, and each after the host it fell into
        links = {order[i]: order[rng.integers(0, i)] if i else order[0] for i in range(size)}
        host_row += [order[0]] * size
        penultimate += [links[row] for row in sorted(links)]
    n = len(host_row)
    lost = np.where((np.array(host_row) == np.arange(n))[:, None], 0.0, rng.uniform(size=(n, 2)))
    return {
        "host_row": np.array(host_row),
        "penultimate_host_row": np.array(penultimate),
        "merging_probability_by_round": lost,
        "merging_remainder_by_round": 1.0 - lost,
        "satellite_weight": np.ones(n),
        "flux_in_situ": 10.0 ** rng.uniform(0.0, 5.0, (n, 2)),
    }


ROWS = ("host_row", "penultimate_host_row")
NESTED = plan(stages(), (*MERGERS, *ROWS), ["flux_true", "penultimate_host_row"])


def nested_kernel(block):
    return Kernel(NESTED, {}, seed=0, block=block)


@pytest.mark.thorough
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([8, 32, 64]))
def test_satellites_of_satellites_are_the_same_in_any_blocks_and_any_order(seed, block):
    columns = nested(seed)
    n = len(columns["host_row"])
    whole = nested_kernel(512)(columns, np.arange(n))
    parts = nested_kernel(block)(columns, np.arange(n))
    np.testing.assert_array_equal(parts["penultimate_host_row"], columns["penultimate_host_row"])
    np.testing.assert_allclose(parts["flux_true"], whole["flux_true"], rtol=1e-6)

    order = np.random.default_rng(seed).permutation(n)
    place = np.argsort(order)
    turned = {name: values[order] for name, values in columns.items()}
    turned.update({name: place[turned[name]] for name in ROWS})
    found = evaluate(turned, ["flux_true", "penultimate_host_row"], block=block)
    np.testing.assert_array_equal(found["penultimate_host_row"], turned["penultimate_host_row"])
    np.testing.assert_allclose(found["flux_true"], whole["flux_true"][order], rtol=2e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.data())
def test_a_nested_group_alone_is_bit_identical_to_the_same_in_a_block(seed, data):
    columns = nested(seed)
    kernel = nested_kernel(64)
    together = kernel(columns, np.arange(len(columns["host_row"])))["flux_true"]
    head = data.draw(st.sampled_from(np.unique(columns["host_row"]).tolist()))
    rows = np.flatnonzero(columns["host_row"] == head)
    alone = {name: values[rows] for name, values in columns.items()}
    alone.update({name: alone[name] - rows[0] for name in ROWS})
    np.testing.assert_array_equal(kernel(alone, rows)["flux_true"], together[rows])


def test_a_row_that_leads_out_of_its_group_is_refused():
    columns = nested(1)
    n = len(columns["host_row"])
    row = int(np.flatnonzero(columns["host_row"] == columns["host_row"][-1])[0])
    columns["penultimate_host_row"][row] = 0
    with pytest.raises(InputError, match=f"'penultimate_host_row', row {row}: 0 leads out of its host group"):
        nested_kernel(16)(columns, np.arange(n))


@pytest.mark.thorough
def test_some_rows_are_those_of_all_and_only_their_blocks_are_computed(tiny, monkeypatch):
    parts = assembly(tiny.text)
    halos = parts.provided(parts.halos(int(parts.tiles[0])), parts.given)
    wanted = ("log10_stellar_mass", "dust_av")
    kernel = Kernel(plan(parts.stages, halos, wanted), parts.constants, seed=tiny.seed, block=64)
    whole = kernel(halos, halos["galaxy_id"])
    computed, block = [], Kernel._block
    monkeypatch.setattr(
        Kernel, "_block", lambda self, c, i, d, rows: (computed.append(rows), block(self, c, i, d, rows))[1]
    )
    only = np.array([200, 3, 4, 199])
    some = kernel(halos, halos["galaxy_id"], only=only)
    for name in wanted:
        np.testing.assert_array_equal(some[name], whole[name][only])
    assert len(computed) <= 3 < len(blocks(halos["host_row"], 64))
    assert all(len(values) == 0 for values in kernel(halos, halos["galaxy_id"], only=np.empty(0, int)).values())


@pytest.mark.thorough
@pytest.mark.skipif(not MAPPINGS.exists(), reason="the mappings of a process are counted where Linux lists them")
def test_a_process_keeps_the_kernels_of_few_plans():
    """Without an end, a process that computes more and more columns runs out of mappings, and dies without a word."""

    def one_more(i):
        @stage
        def waves(*, log10_halo_mass: Scalar) -> Mass:
            return Mass(jax.lax.fori_loop(0, 3, lambda j, x: jnp.sort(jnp.stack([x, jnp.sin(x + j + i)]))[0], 1.0))

        return waves

    columns = {"log10_halo_mass": np.full(8, 12.0), "host_row": np.arange(8)}
    mappings = []
    kernels._compiled.cache_clear()
    for i in range(2 * COMPILED + 1):
        order = plan([one_more(i)], tuple(columns), ["log10_stellar_mass"])
        Kernel(order, {}, seed=1, block=8)(columns, np.arange(8))
        mappings.append(len(MAPPINGS.read_text().splitlines()))
    kept = mappings[COMPILED] - mappings[0]
    assert kept > COMPILED
    assert mappings[-1] - mappings[0] < 1.5 * kept
