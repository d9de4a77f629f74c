"""The same stage for two surveys: columns, draws and constants of its own under each."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffsky_factory as dff
from diffsky_factory.core.branch import branch
from diffsky_factory.core.columns import column, row_numbers
from diffsky_factory.core.constants import constant, held, said
from diffsky_factory.core.declared import declared_at
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.plan import PlanError, plan
from diffsky_factory.core.random import draw_all, id_words, row_keys
from diffsky_factory.core.scopes import scoped, split
from diffsky_factory.core.stage import derived, stage
from diffsky_factory.core.types import Normal, Scalar
from diffsky_factory.factory.axis_labels import axis_labels
from diffsky_factory.factory.kernel import Kernel
from diffsky_factory.factory.tables import tables
from diffsky_factory.physics import INGREDIENTS, stages
from diffsky_factory.physics.halos.growth import TimeGrid
from diffsky_factory.physics.halos.mixture import halo_growth_with_environment
from diffsky_factory.physics.light.photometry import BandTable, photometry
from diffsky_factory.sky.cosmology import Cosmology

HERE = __name__
N = 6
HALOS = {"log10_halo_mass": np.linspace(11.0, 13.0, N), "redshift": np.full(N, 0.5)}


class Depth(NamedTuple):
    depth: Scalar = 1.0


class Other(NamedTuple):
    factor: Scalar = 2.0


class Observed(NamedTuple):
    redshift: Scalar


class Error(NamedTuple):
    environment: Scalar


class Mass(NamedTuple):
    log10_halo_mass: Scalar


class Metals(NamedTuple):
    log10_metallicity: Scalar
    metallicity_weights: Scalar


@stage
def noise(p: Depth, *, log10_halo_mass: Scalar, draw_noise: Normal) -> Error:
    """The error of an observation."""
    return Error(p.depth * draw_noise + 0.0 * log10_halo_mass)


@stage
def observe(q: Other, *, log10_halo_mass: Scalar, environment: Scalar) -> Observed:
    """What is observed, with its error."""
    return Observed(q.factor * log10_halo_mass + environment)


@stage
def shifted(*, log10_halo_mass: Scalar) -> Mass:
    """The same quantity as another survey calibrates it."""
    return Mass(log10_halo_mass + 1.0)


SURVEYS = [one.under(scope) for scope in ("lsst_y10", "roman") for one in (noise, observe)]
MASS = {"log10_halo_mass": jnp.arange(4.0)}


def drawn(order, n=4):
    return draw_all(row_keys(3, id_words(np.arange(n))), order.draws)


def test_a_stage_under_a_scope_has_names_of_it():
    one = noise.under("lsst_y10")
    assert one.name == "lsst_y10/noise"
    assert one.writes == ("lsst_y10/environment",)
    assert one.reads == one.arguments == ("log10_halo_mass",)
    assert one.stream("draw_noise") == "lsst_y10/noise.draw_noise"
    assert one.constants == {"p": (Depth, "lsst_y10")}
    assert one.function is noise.function
    assert one.draws == noise.draws
    assert one is noise.under("lsst_y10")
    assert repr(one) == "Stage(lsst_y10/noise)"


@pytest.mark.parametrize("scope", ["", "LSST", "1st", "a/b", "a b", "a\n", "_a", "é", None, 3])
def test_a_scope_is_a_word(scope):
    with pytest.raises(InputError, match="a word of a-z"):
        noise.under(scope)


def test_a_stage_is_under_one_scope():
    with pytest.raises(InputError, match=r"'lsst_y10/noise' .* under 'roman': it is under 'lsst_y10' already"):
        noise.under("lsst_y10").under("roman")


def test_two_surveys_have_columns_constants_and_draws_of_their_own():
    wanted = ["environment", "lsst_y10/redshift", "roman/redshift", "roman/environment", "lsst_y10/environment"]
    order = plan([noise, *SURVEYS], MASS, wanted)
    assert order.reads == ("log10_halo_mass",)
    assert set(order.draws) == {"noise.draw_noise", "lsst_y10/noise.draw_noise", "roman/noise.draw_noise"}
    known = {Depth: Depth(1.0), (Depth, "roman"): Depth(10.0), Other: Other(2.0), (Other, "lsst_y10"): Other(3.0)}
    draws = drawn(order)
    out = order.run(MASS, known, draws)
    np.testing.assert_array_equal(out["environment"], draws["noise.draw_noise"])
    np.testing.assert_array_equal(out["lsst_y10/environment"], draws["lsst_y10/noise.draw_noise"])
    np.testing.assert_array_equal(out["roman/environment"], 10.0 * draws["roman/noise.draw_noise"])
    mass = MASS["log10_halo_mass"]
    np.testing.assert_array_equal(out["lsst_y10/redshift"], 3.0 * mass + out["lsst_y10/environment"])
    np.testing.assert_array_equal(out["roman/redshift"], 2.0 * mass + out["roman/environment"])
    assert len({tuple(np.asarray(values).tolist()) for values in draws.values()}) == 3


def test_with_the_same_draws_and_constants_a_stage_does_the_same_under_a_scope():
    order = plan([noise, *SURVEYS], MASS, ["environment", "roman/environment"])
    draws = dict.fromkeys(order.draws, jnp.arange(4.0))
    out = order.run(MASS, {Depth: Depth(3.0)}, draws)
    np.testing.assert_array_equal(out["environment"], out["roman/environment"])


def test_a_column_of_the_scope_is_read_where_there_is_one_and_else_the_plain_one():
    one = observe.under("roman")
    assert plan([one, noise], MASS, ["roman/redshift"]).stages[-1].reads == ("log10_halo_mass", "environment")
    order = plan([one, noise.under("roman"), noise], MASS, ["roman/redshift"])
    assert [s.name for s in order.stages] == ["roman/noise", "roman/observe"]
    assert order.stages[-1].reads == ("log10_halo_mass", "roman/environment")
    given = plan([one, noise], [*MASS, "roman/environment"], ["roman/redshift"])
    assert given.reads == ("log10_halo_mass", "roman/environment")
    assert plan([one, noise.under("roman"), noise], MASS, ["roman/redshift"]) == order
    assert plan(order.stages, MASS, ["roman/redshift"]) == order


def test_a_stage_under_a_scope_may_write_the_column_that_it_reads_without():
    order = plan([shifted.under("roman"), noise.under("roman")], MASS, ["roman/log10_halo_mass"])
    assert order.run(MASS, {}, {})["roman/log10_halo_mass"].tolist() == [1.0, 2.0, 3.0, 4.0]
    (first, second) = plan([shifted.under("roman"), noise.under("roman")], MASS, ["roman/environment"]).stages
    assert (first.name, second.reads) == ("roman/shifted", ("roman/log10_halo_mass",))


def test_two_writers_and_missing_columns_are_named_with_their_scope():
    @stage
    def noise_again(*, log10_halo_mass: Scalar) -> Error:
        return Error(log10_halo_mass)

    both = [noise.under("roman"), noise_again.under("roman")]
    with pytest.raises(PlanError, match="'roman/environment' is written by 'roman/noise' and 'roman/noise_again'"):
        plan(both, MASS, ["roman/environment"])
    with pytest.raises(PlanError, match=r"'romen/environment', wanted by the request.*did you mean roman/environment"):
        plan(both[:1], MASS, ["romen/environment"])
    with pytest.raises(PlanError, match="'environment', wanted by stage 'roman/observe'"):
        plan([observe.under("roman")], MASS, ["roman/redshift"])


def test_a_constant_of_a_scope_comes_before_that_of_its_type():
    known = {Depth: "plain", (Depth, "roman"): "own"}
    assert [constant(key, known) for key in (Depth, (Depth, "roman"), (Depth, "lsst_y10"))] == ["plain", "own", "plain"]
    assert held((Depth, "lsst_y10"), known) is Depth
    with pytest.raises(KeyError, match="no Other of roman"):
        constant((Other, "roman"), known)
    assert said(Depth) == "Depth"


def test_a_kernel_compiles_scopes_and_falls_back():
    order = plan(SURVEYS, ["log10_halo_mass"], ["lsst_y10/environment", "roman/environment"])
    kernel = Kernel(order, {Depth: Depth(2.0), (Depth, "roman"): Depth(0.0)}, seed=1, block=4)
    rows = {"log10_halo_mass": np.arange(6.0), "host_row": np.arange(6)}
    out = kernel(rows, np.arange(6))
    assert np.all(out["roman/environment"] == 0.0)
    assert np.ptp(out["lsst_y10/environment"]) > 0.0


def test_a_branch_under_a_scope_shares_the_draws_of_the_scope():
    cases = [{"log10_halo_mass": "log10_halo_mass"}, {"log10_halo_mass": 5.0}]
    one = branch("split", [noise], cases, {"environment": "environment_by_case"}).under("roman")
    order = plan([noise.under("roman"), one], MASS, ["roman/environment_by_case", "roman/environment"])
    assert list(order.draws) == ["roman/noise.draw_noise"]
    out = order.run(MASS, {Depth: Depth(), (Depth, "roman"): Depth(2.0)}, drawn(order))
    np.testing.assert_array_equal(out["roman/environment_by_case"][:, 0], out["roman/environment"])


def test_part_of_the_models_branch_under_a_scope_is_what_it_is_without():
    model = stages()
    one = model[-1].under("roman")
    given = {name for s in model for name in (*s.reads, *s.writes)} - set(model[-1].writes)
    (part,) = plan([one], given, ["roman/log10_ssfr_by_sequence"]).stages
    (plain,) = plan([model[-1]], given, ["log10_ssfr_by_sequence"]).stages
    assert part.writes == ("roman/log10_ssfr_by_sequence",)
    assert part.inner == plain.inner
    assert part.reads == plain.reads


def test_a_derived_stage_keeps_the_draws_of_its_base_under_a_scope():
    other = derived(noise, "elsewhere", "log10_halo_mass", Other, "factor", "redshift")
    assert other.reads == other.arguments == ()
    assert other.under("roman").stream("draw_noise") == noise.under("roman").stream("draw_noise")
    order = plan([other.under("roman")], MASS, ["roman/redshift"])
    out = order.run(MASS, {Depth: Depth(), Other: Other()}, {"roman/noise.draw_noise": jnp.arange(4.0)})
    assert out["roman/redshift"].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_a_name_has_a_scope_and_a_last_word():
    assert split(scoped("roman", "mag_obs")) == ("roman", "mag_obs")
    assert split(scoped("", "mag_obs")) == ("", "mag_obs")


def test_the_schema_knows_a_column_under_any_scope():
    one = column("roman/mag_true")
    assert one.name == "roman/mag_true"
    assert one.attributes == column("mag_true").attributes
    assert one.model_copy(update={"name": "mag_true"}) == column("mag_true")
    assert row_numbers(["roman/host_row", "host_row", "roman/redshift"]) == ["roman/host_row", "host_row"]
    with pytest.raises(KeyError, match=r"no column 'mag_tru'.*did you mean mag_true"):
        column("roman/mag_tru")


@pytest.mark.parametrize("one", [noise, noise.under("roman"), photometry.under("roman"), halo_growth_with_environment])
def test_a_stage_is_found_again_from_its_text(one):
    assert declared_at(one.path) is one


def test_a_text_that_leads_to_no_stage_is_refused():
    for path, problem in (
        (f"roman/{HERE}:N", "neither a stage nor a provider"),
        (f"roman/{HERE}:nothing", "has no 'nothing'"),
        (f"Roman/{HERE}:noise", "a word of a-z"),
        (f"a/b/{HERE}:noise", "a word of a-z"),
    ):
        with pytest.raises(InputError, match=problem):
            declared_at(path)


# stages added to the model


def test_added_stages_are_evaluated_under_their_scopes():
    wanted = ["lsst_y10/environment", "roman/environment"]
    texts = [f"lsst_y10/{HERE}:noise", f"roman/{HERE}:noise"]
    found = dff.evaluate(HALOS, wanted, add=texts, constants={(Depth, "roman"): Depth(0.0)})
    assert np.ptp(found["lsst_y10/environment"]) > 0.0
    assert np.all(found["roman/environment"] == 0.0)
    again = dff.evaluate(HALOS, wanted, add=[declared_at(text) for text in texts], constants=[Depth(2.0)])
    np.testing.assert_array_equal(again["lsst_y10/environment"], 2.0 * found["lsst_y10/environment"])
    draws = {"roman/noise.draw_noise": np.arange(6.0)}
    given = dff.evaluate(HALOS, ["roman/environment"], add=texts, draws=draws)
    assert given["roman/environment"].tolist() == list(range(6))


@pytest.mark.thorough
def test_a_stage_of_the_model_may_be_added_under_a_scope_by_its_name():
    options = {"bands": ["lsst_r"], "add": ["roman/photometry", "roman/magnitude_in_situ"]}
    wide = dff.evaluate(HALOS, ["roman/mag_in_situ", "mag_in_situ"], **options)
    np.testing.assert_array_equal(wide["roman/mag_in_situ"], wide["mag_in_situ"])


@pytest.mark.thorough
def test_a_scope_has_bands_of_its_own():
    stages_of_light = ("band_wavelengths", "dust_curve", "template_error", "photometry", "magnitude_in_situ")
    shift = {"template_error.draw_shift": np.zeros((N, 6))}
    table = tables("bc03_miles_kroupa", ["lsst_u"], Cosmology(), 0.5)[BandTable]
    found = dff.evaluate(
        HALOS,
        ["mag_in_situ", "roman/mag_in_situ"],
        bands=["lsst_r", "lsst_i"],
        add=[f"roman/{name}" for name in stages_of_light],
        constants={(BandTable, "roman"): table},
        draws={**shift, "roman/template_error.draw_shift": np.zeros((N, 6))},
    )
    alone = dff.evaluate(HALOS, ["mag_in_situ"], bands=["lsst_u"], draws=shift)
    assert found["mag_in_situ"].shape == (N, 2)
    np.testing.assert_allclose(found["roman/mag_in_situ"], alone["mag_in_situ"], atol=1e-4)


@pytest.mark.thorough
def test_everything_else_is_as_without_added_stages():
    wanted = ["log10_stellar_mass"]
    plain = dff.evaluate(HALOS, wanted)
    added = dff.evaluate(HALOS, [*wanted, "roman/environment"], add=[noise.under("roman")])
    np.testing.assert_array_equal(plain[wanted[0]], added[wanted[0]])
    assert stages(add=[noise.under("roman")])[-1].inner == stages()[-1].inner


def test_a_rival_may_read_what_an_added_stage_writes():
    @stage
    def by_environment(*, environment: Scalar) -> Metals:
        return Metals(environment, environment)

    found = dff.evaluate(
        HALOS, ["log10_metallicity", "environment"], replace={"metallicity": by_environment}, add=[noise]
    )
    np.testing.assert_array_equal(found["log10_metallicity"], found["environment"])


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"add": [f"{HERE}:metallicity"]}, InputError, "there is a stage 'metallicity' already"),
        ({"add": [noise, noise]}, InputError, "there is a stage 'noise' already"),
        ({"add": ["metallicity_with_scatter"]}, PlanError, "'log10_metallicity' is written by 'metallicity' and"),
        ({"add": ["roman/metallicty"]}, InputError, "no stage 'metallicty'; did you mean metallicity"),
        ({"add": [3]}, InputError, "3 is no stage"),
        ({"add": [{"stage": "noise"}]}, InputError, "is no stage"),
        ({"add": [noise.under("roman")], "constants": {(Depth, "romen"): Depth()}}, InputError, "did you mean roman"),
        ({"constants": {(Depth, "roman"): Depth()}}, InputError, "under the scope 'roman'; there are none"),
        ({"constants": {Depth: Other()}}, InputError, "stands before a Other"),
        ({"constants": {("roman", Depth): Depth()}}, InputError, "stands before a Depth"),
    ],
    ids=str,
)
def test_what_cannot_be_added_is_refused(options, error, said):
    with pytest.raises(error, match=said):
        dff.evaluate(HALOS, ["log10_stellar_mass"], **options)


@stage
def metallicity(*, log10_halo_mass: Scalar) -> Error:
    """A stage with the name of one of the model."""
    return Error(log10_halo_mass)


class Needed(NamedTuple):
    value: Scalar  # without a default


@stage
def needy(p: Needed, *, log10_halo_mass: Scalar) -> Error:
    """A stage whose constant has to be given."""
    return Error(p.value * log10_halo_mass)


def test_a_constant_that_is_missing_is_named_with_its_scope():
    with pytest.raises(InputError, match=r"roman/environment: .* has no parameters of Needed of roman; .*constants"):
        dff.evaluate(HALOS, ["roman/environment"], add=[needy.under("roman")])
    own = {(Needed, "roman"): Needed(2.0)}
    found = dff.evaluate(HALOS, ["roman/environment"], add=[needy.under("roman")], constants=own)
    np.testing.assert_allclose(found["roman/environment"], 2.0 * HALOS["log10_halo_mass"], rtol=1e-6)


def test_parameters_of_a_scope_are_differentiated_apart():
    kind = INGREDIENTS["merging"]

    @stage
    def of_merging(p: kind, *, log10_halo_mass: Scalar) -> Error:
        return Error(p[0] * log10_halo_mass)

    add, own = [of_merging, of_merging.under("roman"), of_merging.under("euclid")], dff.load_calibration("c260710")
    known = own.by_class()[kind]
    galaxies = dff.differentiable(
        HALOS, ["environment", "roman/environment", "euclid/environment"], add=add, constants={(kind, "roman"): known}
    )
    assert set(galaxies.parameters) == {"merging", "roman/merging"}
    slope = jax.grad(lambda p: galaxies(p)["roman/environment"].sum())(galaxies.parameters)
    assert slope["merging"][0] == 0.0
    assert slope["roman/merging"][0] == pytest.approx(HALOS["log10_halo_mass"].sum(), rel=1e-6)
    shared = jax.grad(lambda p: galaxies(p)["euclid/environment"].sum())(galaxies.parameters)
    assert shared["merging"][0] == pytest.approx(HALOS["log10_halo_mass"].sum(), rel=1e-6)


def test_axes_have_the_labels_of_the_plain_tables():
    plain, own = TimeGrid(np.array([1.0, 13.8])), TimeGrid(np.array([2.0, 13.8]))
    assert axis_labels((), (), {(TimeGrid, "lsst_y10"): own, TimeGrid: plain})["time"] == (1.0, 13.8)
    assert "time" not in axis_labels((), (), {(TimeGrid, "lsst_y10"): own})
