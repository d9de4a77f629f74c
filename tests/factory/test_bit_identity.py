"""A galaxy has the same bits alone, among others, in any order of groups, and whoever else is at work."""

import numpy as np
import pytest

from diffsky_factory.core.plan import plan
from diffsky_factory.factory.assembly import assembly
from diffsky_factory.factory.kernel import Kernel
from diffsky_factory.factory.opening.catalogs import open_catalog
from diffsky_factory.factory.opening.mock import make_mock
from diffsky_factory.factory.recipe import load_recipe
from diffsky_factory.factory.runs.build import build
from tests.conftest import TINY
from tests.stores import assert_same_files

pytestmark = pytest.mark.thorough
LIGHT = ("component_mag", "line_luminosity", "spectrum_rest", "spectrum_observed", "mag_true", "log10_stellar_mass")


@pytest.fixture(scope="module")
def recipe():
    """Few bands, lines and wavelengths, of all that light is made of."""
    return load_recipe(
        TINY,
        name="bits",
        bands=["lsst_u", "lsst_r"],
        lines=["Halpha", "OII_3726"],
        wavelengths=[4000.0, 4500.0],
        columns=["galaxy_id", "redshift", *LIGHT],
    )


@pytest.fixture(scope="module")
def whole(recipe):
    """Halos of all tiles side by side, the kernel, and their columns."""
    parts = assembly(recipe.text)
    tiles = [parts.provided(parts.halos(int(pixel)), parts.given) for pixel in parts.tiles]
    starts = np.cumsum([0, *(len(tile["host_row"]) for tile in tiles)])
    for tile, start in zip(tiles, starts):
        for name in ROWS & set(tile):
            tile[name] = tile[name] + start
    halos = {name: np.concatenate([tile[name] for tile in tiles]) for name in tiles[0]}
    kernel = Kernel(plan(parts.stages, halos, LIGHT), parts.constants, seed=recipe.seed, block=256)
    return halos, kernel, kernel(halos, halos["galaxy_id"])


ROWS = {"host_row", "penultimate_host_row"}


def of_groups(halos, heads):
    """Rows of some groups in the order of their heads, and their halos."""
    order = np.argsort(halos["host_row"], kind="stable")
    sizes = np.bincount(halos["host_row"], minlength=len(order))
    starts = np.searchsorted(halos["host_row"][order], heads)
    rows = np.concatenate([order[start : start + sizes[head]] for start, head in zip(starts, heads)])
    place = np.full(len(order), -1)
    place[rows] = np.arange(len(rows))
    chosen = {name: np.asarray(values)[rows] for name, values in halos.items()}
    chosen.update({name: place[chosen[name]] for name in ROWS & set(chosen)})
    return rows, chosen


def assert_same_bits(found, expected, rows):
    for name in LIGHT:
        np.testing.assert_array_equal(found[name], expected[name][rows], err_msg=name)


def test_a_group_alone_has_the_bits_it_has_among_others(whole):
    halos, kernel, expected = whole
    heads, sizes = np.unique(halos["host_row"], return_counts=True)
    assert len(halos["host_row"]) > 1000
    for head in (heads[np.argmax(sizes)], *heads[sizes == 1][[0, -1]], *heads[sizes == 2][:2]):
        rows, alone = of_groups(halos, [head])
        assert_same_bits(kernel(alone, alone["galaxy_id"]), expected, rows)


@pytest.mark.parametrize("seed", [1, 2])
def test_shuffled_groups_have_the_same_bits(whole, seed):
    halos, kernel, expected = whole
    rows, shuffled = of_groups(halos, np.random.default_rng(seed).permutation(np.unique(halos["host_row"])))
    assert len(rows) == len(halos["host_row"])
    assert_same_bits(kernel(shuffled, shuffled["galaxy_id"]), expected, rows)


def test_one_and_two_workers_give_the_same_bits(recipe, whole, tmp_path):
    _, _, expected = whole
    for workers in (1, 2):
        build(recipe, tmp_path / f"{workers}.zarr", workers=workers)
    assert_same_files(tmp_path / "1.zarr", tmp_path / "2.zarr")
    store = open_catalog(tmp_path / "1.zarr")
    mock = make_mock(recipe)
    one, two = (mock[list(LIGHT)].compute(scheduler="threads", num_workers=n) for n in (1, 2))
    for name in LIGHT:
        np.testing.assert_array_equal(store[name], expected[name], err_msg=name)
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)
        # the mock computes a band, or a spectrum, by itself: another program, whose sums round in another order
        np.testing.assert_allclose(one[name], store[name], rtol=2e-5, err_msg=name)
