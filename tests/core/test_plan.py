"""Stages in order: found from column names, and every fault named."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffsky_factory.core.branch import branch
from diffsky_factory.core.plan import PlanError, plan
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Normal, Normal4, Scalar, Uniform


class Factor(NamedTuple):
    factor: Scalar = 2.0


class Double(NamedTuple):
    double: Scalar


class Total(NamedTuple):
    total: Scalar


class Noisy(NamedTuple):
    noisy: Scalar


@stage
def doubled(p: Factor, *, mass: Scalar) -> Double:
    return Double(p.factor * mass)


@stage(of="block")
def total(*, double: Scalar) -> Total:
    return Total(jnp.cumsum(double))


@stage
def noisy(*, double: Scalar, draw_noise: Normal) -> Noisy:
    return Noisy(double + draw_noise)


ALL = (noisy, total, doubled)
MASS = {"mass": jnp.arange(3.0)}


def test_stages_run_in_the_order_of_their_columns_whatever_order_they_are_listed_in():
    assert [one.name for one in plan(ALL, ["mass"], ["total", "noisy"]).stages] == ["doubled", "total", "noisy"]
    assert [one.name for one in plan(ALL[::-1], ["mass"], ["total", "noisy"]).stages] == ["doubled", "total", "noisy"]


def test_only_stages_that_are_needed_run():
    found = plan(ALL, ["mass"], ["double"])
    assert [one.name for one in found.stages] == ["doubled"]
    assert found.draws == {}
    assert found.reads == ("mass",)
    assert found.constants == (Factor,)


def test_a_plan_computes_what_the_stages_say():
    out = plan(ALL, ["mass"], ["total", "mass"]).run(MASS, {Factor: Factor(3.0)}, {})
    assert list(out) == ["total", "mass"]
    np.testing.assert_array_equal(out["total"], [0.0, 3.0, 9.0])


def test_a_given_column_wins_over_the_stage_that_would_write_it():
    found = plan(ALL, ["mass", "double"], ["total"])
    assert [one.name for one in found.stages] == ["total"]
    out = found.run({"double": jnp.ones(2)}, {}, {})
    np.testing.assert_array_equal(out["total"], [1.0, 2.0])


def test_a_missing_column_is_named_with_its_reader_and_what_is_like_it():
    with pytest.raises(PlanError, match=r"'mass', wanted by stage 'doubled'.*did you mean mass_?"):
        plan(ALL, ["masses"], ["total"])
    with pytest.raises(PlanError, match=r"'totl', wanted by the request.*did you mean total\?"):
        plan(ALL, ["mass"], ["totl"])


def test_two_writers_of_a_column_are_both_named():
    @stage
    def doubled_again(*, mass: Scalar) -> Double:
        return Double(mass)

    with pytest.raises(PlanError, match="'double' is written by 'doubled' and 'doubled_again'"):
        plan([doubled, doubled_again], ["mass"], ["double"])


def test_a_circle_of_stages_is_shown():
    class Mass(NamedTuple):
        mass: Scalar

    @stage
    def mass_back(*, total: Scalar) -> Mass:
        return Mass(total)

    with pytest.raises(PlanError, match="circle of stages: total -> doubled -> mass_back -> total"):
        plan([total, doubled, mass_back], [], ["total"])


def test_a_signature_declares_a_stage():
    assert noisy.reads == ("double",)
    assert noisy.writes == ("noisy",)
    assert noisy.draws == {"draw_noise": Normal.__metadata__[0]}
    assert noisy.stream("draw_noise") == "noisy.draw_noise"
    assert doubled.constants == {"p": Factor}
    assert doubled(Factor(), mass=3.0) == Double(6.0)


def test_a_stage_of_one_galaxy_is_mapped_over_all():
    out = doubled.apply({Factor: Factor()}, MASS)
    np.testing.assert_array_equal(out["double"], [0.0, 2.0, 4.0])


def test_a_stage_that_does_not_declare_itself_is_refused():
    def no_return(*, mass: Scalar): ...

    def no_tuple(*, mass: Scalar) -> float: ...

    def no_annotation(*, mass) -> Double: ...

    def no_law(*, draw_x: jax.Array) -> Double: ...

    for function, problem in (
        (no_return, "not a NamedTuple"),
        (no_tuple, "not a NamedTuple"),
        (no_annotation, r"no annotation of \['mass'\]"),
        (no_law, "annotate draw_x with Uniform or Normal"),
    ):
        with pytest.raises(TypeError, match=problem):
            stage(function)


def test_the_law_of_a_draw_has_a_shape():
    @stage
    def many(*, draw_a: Uniform, draw_b: Normal4) -> Double:
        return Double(draw_a + draw_b.sum())

    assert {name: (law.law, law.shape) for name, law in many.draws.items()} == {
        "draw_a": ("uniform", ()),
        "draw_b": ("normal", (4,)),
    }


def test_a_branch_stacks_its_cases_and_shares_the_draws_of_its_stages():
    split = branch("split", [doubled, noisy], [{"mass": "mass"}, {"mass": 5.0}], {"noisy": "noisy_by_case"})
    assert split.reads == ("mass",)
    assert split.writes == ("noisy_by_case",)
    assert split.stream("noisy.draw_noise") == "noisy.draw_noise"
    found = plan([*ALL, split], ["mass"], ["noisy", "noisy_by_case"])
    assert list(found.draws) == ["noisy.draw_noise"]
    noise = jnp.array([0.1, 0.2, 0.3])
    out = found.run(MASS, {Factor: Factor()}, {"noisy.draw_noise": noise})
    np.testing.assert_array_equal(out["noisy_by_case"][:, 0], out["noisy"])
    np.testing.assert_array_equal(out["noisy_by_case"][:, 1], 10.0 + noise)
