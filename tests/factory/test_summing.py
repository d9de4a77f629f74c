"""Sums over chunks: the same for any chunks and workers, and their derivatives those of all galaxies at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.assembly import Assembly
from diffsky_factory.factory.chunks import Chunks
from diffsky_factory.physics.halos.population_parameters import DiffmahPopParameters
from tests.conftest import TINY

# growth of halos alone: compiled in seconds, with draws, and with parameters of a population
GROWTH = {
    **TINY,
    "name": "growth",
    "replace": {"halo_growth_history": "halo_growth_diffmahpop"},
    "calibration": "c260710+diffmahpop_default",
    "columns": ["galaxy_id", "halo_id", "host_halo_id", "is_central", "redshift", "log10_halo_mass", "mah_parameters"],
    "bands": [],
    "tiles": {"order": 9, "block": 64, "blocks_per_shard": 2},
}
EXACT = {"precision": "float64"}
FAR_PARAMETER = {"diffmahpop": DiffmahPopParameters()._replace(cen_tp_lgm_x0_x0=1000.0)}


def early(*, mah_parameters, redshift):
    """Soft counts in bins of the early index, and a number with units of its own."""
    edges = jnp.linspace(1.5, 4.0, 5)
    steps = jax.nn.sigmoid((mah_parameters[2] - edges) / 0.2)
    return {"counts": steps[:-1] - steps[1:], "redshift": redshift * mah_parameters[3]}


def far(value):
    return jnp.sum((value["counts"] - 100.0) ** 2) / 1e4 + value["redshift"] / 1e3


@pytest.fixture(scope="module")
def recipe():
    return dff.load_recipe(GROWTH)


@pytest.fixture(scope="module")
def at_once(recipe):
    """All galaxies in one piece, as a function of the parameters: the sum, by JAX; and the parameters."""
    parts = Assembly(recipe)
    tiles = [parts.halos(int(pixel)) for pixel in parts.tiles]
    first = np.cumsum([0, *(len(tile["halo_id"]) for tile in tiles)])
    columns = {name: np.concatenate([tile[name] for tile in tiles]) for name in tiles[0]}
    columns["host_row"] = np.concatenate([tile["host_row"] + n for tile, n in zip(tiles, first)])
    columns["galaxy_id"] = columns["halo_id"]
    given = {name: columns[name] for name in ("log10_halo_mass", "redshift", "is_central", "host_row", "galaxy_id")}
    with jax.enable_x64(True):
        galaxies = dff.differentiable(given, ["mah_parameters", "redshift"], recipe.model, cosmology=parts.cosmology)

    def total(parameters):
        out = galaxies(parameters)
        return jax.tree.map(lambda x: jnp.sum(x, axis=0), jax.vmap(lambda row: early(**row))(out))

    return total, galaxies.parameters


def in_one_piece(function, *given):
    """A function compiled in 64 bits."""
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.jit(function)(*given))


@pytest.fixture(scope="module")
def expected(at_once):
    """The loss of all galaxies at once, their sum, and the gradient of the loss."""
    total, parameters = at_once

    def loss(p):
        value = total(p)
        return far(value), value

    (loss, value), gradient = in_one_piece(jax.value_and_grad(loss, has_aux=True), parameters)
    return float(loss), value, gradient


def assert_near(found, expected, error):
    """Two pytrees are the same to a part of the largest number in them."""
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    a, b = (np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]) for tree in (found, expected))
    assert np.abs(a - b).max() <= error * np.abs(b).max()


@pytest.mark.thorough
@pytest.mark.parametrize(("block", "workers"), [(64, 1), (512, 2)])
def test_sums_and_gradients_are_those_of_all_galaxies_at_once(block, workers, recipe, expected):
    loss, value, gradient = expected
    found = dff.sum_over_chunks(early, recipe, loss=far, block=block, workers=workers, **EXACT)
    assert_near(found.value, value, 1e-12)
    assert found.loss == pytest.approx(loss, rel=1e-12)
    assert_near(found.gradient, gradient, 1e-10)
    assert found.value["counts"].dtype == np.float64
    assert found.jacobian is None


@pytest.mark.thorough
@pytest.mark.parametrize(("chunks", "workers"), [(1, 2), (7, 1), (16, 2)])
def test_any_number_of_chunks_gives_what_one_gives(chunks, workers, recipe):
    where = {"order": 9, "pixels": [4 * 349525 + i for i in range(chunks)]}
    split = dff.load_recipe(recipe, region=where)
    whole = dff.load_recipe(split, tiles={"order": 6, "block": 4096})
    assert (len(Assembly(split).tiles), len(Assembly(whole).tiles)) == (chunks, 1)
    found = dff.sum_over_chunks(early, split, loss=far, block=64, workers=workers, **EXACT)
    at_once = dff.sum_over_chunks(early, whole, loss=far, block=4096, workers=1, **EXACT)
    assert_near(found.value, at_once.value, 1e-12)
    assert found.loss == pytest.approx(at_once.loss, rel=1e-12)
    assert_near(found.gradient, at_once.gradient, 1e-10)


@pytest.mark.thorough
def test_jacobians_are_those_of_all_galaxies_at_once(recipe, at_once):
    total, parameters = at_once
    found = dff.sum_over_chunks(early, recipe, jacobian=True, block=512, **EXACT)
    with jax.enable_x64(True):
        flat, unflat = ravel_pytree(parameters)
        along = jax.jit(lambda direction: jax.jvp(lambda p: total(unflat(p)), (flat,), (direction,))[1])
        columns = [along(direction) for direction in jnp.eye(len(flat))]  # one at a time compiles fastest
        expected = {name: np.stack([column[name] for column in columns], -1) for name in columns[0]}
    for name, values in expected.items():
        by_parameter = np.stack([np.asarray(one) for one in jax.tree.leaves(found.jacobian[name])], -1)
        assert_near(by_parameter, values, 1e-10)
    assert found.jacobian["counts"]["diffmahpop"][0].shape == (4,)
    assert found.gradient is None


@pytest.mark.thorough
def test_in_32_bits_they_are_near(recipe, expected):
    loss, value, gradient = expected
    found = dff.sum_over_chunks(early, recipe, loss=far, block=512)
    assert_near(found.value, value, 1e-5)
    assert found.loss == pytest.approx(loss, rel=1e-4)
    assert_near(found.gradient, gradient, 1e-3)


@pytest.mark.thorough
def test_the_gradient_is_that_of_differences(recipe, at_once):
    group = {"diffmahpop": jax.tree.map(float, at_once[1]["diffmahpop"])}
    found = dff.sum_over_chunks(early, recipe, group, loss=far, block=512, **EXACT)
    slopes = found.gradient["diffmahpop"]._asdict()
    name = max(slopes, key=lambda one: abs(slopes[one]))
    value = getattr(group["diffmahpop"], name)
    step = 1e-5 * max(1.0, abs(value))

    def loss(x):
        moved = {"diffmahpop": group["diffmahpop"]._replace(**{name: x})}
        return dff.sum_over_chunks(early, recipe, moved, loss=far, block=512, **EXACT).loss

    slope = (loss(value + step) - loss(value - step)) / (2.0 * step)
    assert slope == pytest.approx(float(slopes[name]), rel=1e-5)
    assert set(found.gradient) == {"diffmahpop"}


@pytest.mark.thorough
def test_derivatives_of_many_numbers_are_taken_forward(recipe):
    def masses(*, mah_parameters):
        return jnp.exp(-0.5 * (mah_parameters[2] - jnp.linspace(0.0, 5.0, 200)) ** 2)

    found = dff.sum_over_chunks(masses, recipe, jacobian=True, block=512, **EXACT)
    weights = np.linspace(-1.0, 1.0, 200)
    through = dff.sum_over_chunks(masses, recipe, loss=lambda x: jnp.sum(x * weights), block=512, **EXACT)
    along = jax.tree.map(lambda x: np.tensordot(weights, x, 1), found.jacobian)
    assert_near(along, through.gradient, 1e-10)


@pytest.fixture(scope="module")
def store(recipe, tmp_path_factory):
    path = tmp_path_factory.mktemp("summing") / "growth.zarr"
    dff.build(recipe, path)
    return path


@pytest.mark.thorough
def test_a_store_a_mock_and_a_recipe_give_the_same(recipe, store):
    whole = dff.sum_over_chunks(early, recipe, loss=far, block=512, **EXACT)
    for source in (store, dff.open_catalog(store), dff.make_mock(recipe)):
        found = dff.sum_over_chunks(early, source, loss=far, block=512, **EXACT)
        assert_near(found.value, whole.value, 1e-6)  # a store keeps masses in 32 bits
        assert_near(found.gradient, whole.gradient, 1e-5)


def test_of_a_cut_only_its_galaxies_are_summed(store):
    def one(*, redshift):
        return jnp.stack([jnp.ones(()), redshift])

    ds = dff.open_catalog(store)
    cut = ds.sky.where("redshift > 0.5 & is_central")
    for rows in (cut, cut.isel(galaxy=slice(None, None, -1))):
        found = dff.sum_over_chunks(one, rows, block=256, **EXACT)
        np.testing.assert_allclose(found.value, [cut.sizes["galaxy"], float(cut.redshift.sum())], rtol=1e-12)


def test_weights_count(recipe, monkeypatch):
    def one(*, redshift):
        return jnp.ones(()) + 0.0 * redshift

    plain = dff.sum_over_chunks(one, recipe, block=512).value
    halos = Assembly.halos
    monkeypatch.setattr(
        Assembly, "halos", lambda self, pixel: {**(h := halos(self, pixel)), "weight": np.full(len(h["halo_id"]), 3.0)}
    )
    assert dff.sum_over_chunks(one, recipe, block=512).value == 3.0 * plain


TRACED = []


def half(*, mah_parameters):
    TRACED.append(1)
    return 0.5 * mah_parameters[2]


@pytest.mark.thorough
def test_a_pass_is_compiled_once_for_all_blocks_tiles_and_threads(recipe):
    dff.sum_over_chunks(half, recipe, loss=lambda x: x, block=512, workers=2)
    dff.sum_over_chunks(half, recipe, loss=lambda x: x, block=512, workers=1)
    assert len(TRACED) == 2  # the sum and its gradient


def test_a_program_that_is_compiled_is_not_tried_on_a_tile_first(recipe, monkeypatch):
    made, chunk = [], Chunks.chunk
    monkeypatch.setattr(Chunks, "chunk", lambda self, tile, *names: made.append(tile) or chunk(self, tile, *names))

    def once(*, redshift):
        return redshift

    tiles = list(range(len(Assembly(recipe).tiles)))
    for precision, tried in (("float32", [0]), ("float32", []), ("float64", [0]), ("float64", [])):
        made.clear()
        dff.sum_over_chunks(once, recipe, block=64, workers=1, precision=precision)
        assert made == tried + tiles


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda r: dff.sum_over_chunks(lambda mag: mag, r), "keyword-only"),
        (lambda r: dff.sum_over_chunks(lambda: 1.0, r), "keyword-only"),
        (lambda r: dff.sum_over_chunks(one_of_nothing, r), "no column 'mah_parametres'.*did you mean mah_parameters"),
        (lambda r: dff.sum_over_chunks(early, r, {"diffmahpops": None}), "no group 'diffmahpops'.*did you mean"),
        (
            lambda r: dff.sum_over_chunks(early, r, {"diffmahpop": 1.0}),
            "'diffmahpop' is a DiffmahPopParameters, not 1.0",
        ),
        (lambda r: dff.sum_over_chunks(early, r, FAR_PARAMETER), r"diffmahpop: .* = 1000.0 lies outside its bounds \("),
        (lambda r: dff.sum_over_chunks(infinite, r), "the sum is not finite"),
        (lambda r: dff.sum_over_chunks(early, "no_such_recipe"), "no 'no_such_recipe' in catalogs/recipes"),
        (lambda r: dff.sum_over_chunks(in_bands, r), "bands are needed and none are given"),
    ],
)
def test_what_cannot_be_summed_is_refused(call, said, recipe):
    with pytest.raises(InputError, match=said):
        call(recipe)


def one_of_nothing(*, mah_parametres):
    return mah_parametres


def infinite(*, redshift):
    return 1.0 / (redshift - redshift)


def in_bands(*, mag_true):
    return mag_true


@pytest.mark.thorough
def test_workers_of_a_cluster_give_the_same(recipe):
    from dask.distributed import Client, LocalCluster

    alone = dff.sum_over_chunks(early, recipe, loss=far, block=512, workers=1, **EXACT)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        found = dff.sum_over_chunks(early, recipe, loss=far, block=512, client=client, **EXACT)
    assert_near(found.value, alone.value, 1e-14)
    assert_near(found.gradient, alone.gradient, 1e-12)


@pytest.mark.thorough
def test_a_histogram_of_colours_has_the_derivatives_of_216_parameters():
    recipe = dff.load_recipe(TINY, name="colours", replace={"merging_monte_carlo": "merging_mean"})

    def colours(*, mag_mean):
        steps = jax.nn.sigmoid((mag_mean[0] - mag_mean[1] - jnp.linspace(0.0, 1.5, 9)) / 0.1)
        return steps[:-1] - steps[1:]

    def loss(counts):
        return ((counts / 1000.0) ** 2).sum()

    found = dff.sum_over_chunks(colours, recipe, loss=loss, block=256, **EXACT)
    assert len(ravel_pytree(found.gradient)[0]) >= 216
    published = dff.load_calibration(recipe.calibration).parameters
    values = {group: published[group] for group in found.gradient if group in published}
    for group, name in (("diffstarpop", "mean_ulgm_mseq_ytp"), ("avpop", "suav_logsm_x0"), ("ssperr", "")):
        name = name or values[group]._fields[7]
        step = 1e-4
        ends = []
        for s in (step, -step):
            moved = {**values, group: values[group]._replace(**{name: getattr(values[group], name) + s})}
            ends.append(float(loss(dff.sum_over_chunks(colours, recipe, moved, block=256, **EXACT).value)))
        slope = float(getattr(found.gradient[group], name))
        assert (ends[0] - ends[1]) / (2.0 * step) == pytest.approx(slope, rel=1e-4, abs=1e-9)
