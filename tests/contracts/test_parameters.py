"""What holds for every parameter of the model: bounds, default, unit and meaning; and the table of all of them."""

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import get_type_hints

import jax
import numpy as np
import pytest
from astropy import units

import diffsky_factory as dff
from diffsky_factory import physics
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.parameters import Within, bounds
from diffsky_factory.inputs.calibrations import load_calibration
from diffsky_factory.inputs.entries import entry_names
from diffsky_factory.inputs.parameter_table import source_of
from diffsky_factory.physics import INGREDIENTS
from diffsky_factory.physics.stars.metallicity import MetallicityParameters

CUT = {
    "a",
    "an",
    "the",
    "of",
    "at",
    "in",
    "on",
    "to",
    "by",
    "with",
    "for",
    "from",
    "and",
    "or",
    "before",
    "after",
    "over",
}
"""Words that no phrase ends with."""


def with_bounds() -> Iterator[type]:
    """Every class of the physics with a field that has bounds."""
    for found in pkgutil.walk_packages(physics.__path__, f"{physics.__name__}."):
        for kind in vars(importlib.import_module(found.name)).values():
            if isinstance(kind, type) and kind.__module__ == found.name and hasattr(kind, "_fields"):
                hints = get_type_hints(kind, include_extras=True).values()
                if any(isinstance(item, Within) for hint in hints for item in getattr(hint, "__metadata__", ())):
                    yield kind


KINDS = list(with_bounds())
EVERY_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def test_every_ingredient_has_bounds():
    assert set(INGREDIENTS.values()) <= set(KINDS)


@EVERY_KIND
def test_a_default_lies_between_the_bounds(kind):
    defaults = kind._field_defaults
    for name, within in bounds(kind).items():
        low, high = within.among(defaults)
        assert within.lo < within.hi, name
        assert low < defaults[name] < high, name


@EVERY_KIND
def test_a_parameter_has_a_unit_that_astropy_reads(kind):
    for name, within in bounds(kind).items():
        assert units.Unit(within.unit).to_string() == within.unit, name


@EVERY_KIND
def test_a_parameter_has_a_meaning_of_its_own_that_is_a_whole_phrase(kind):
    meanings = [within.meaning for within in bounds(kind).values()]
    assert len(set(meanings)) == len(meanings)
    for meaning in meanings:
        words = meaning.split()
        assert len(words) >= 3, meaning
        assert " ".join(words) == meaning
        assert words[-1] not in CUT, meaning
        assert words[-1][-1].isalnum(), meaning


@EVERY_KIND
def test_parameters_refer_to_papers_and_code_only(kind):
    for text in (kind.__doc__, *(within.meaning for within in bounds(kind).values())):
        assert "section" not in text.lower()
    assert source_of(kind)


def test_the_table_has_every_parameter_in_the_published_order():
    table = dff.parameters()
    expected = [(group, name) for group, kind in INGREDIENTS.items() for name in kind._fields]
    assert list(zip(table.group, table.name)) == expected
    for row in table.itertuples():
        kind = INGREDIENTS[row.group]
        within = bounds(kind)[row.name]
        assert row.value == kind._field_defaults[row.name]
        assert (row.lo, row.hi) == within.among(kind._field_defaults)
        assert (row.unit, row.meaning) == (within.unit, within.meaning)


@pytest.mark.parametrize("name", entry_names("calibrations"))
def test_the_table_has_the_values_of_a_calibration(name):
    calibration = load_calibration(name)
    table = dff.parameters(name)
    assert list(zip(table.group, table.name)) == list(zip(*(dff.parameters()[c] for c in ("group", "name"))))
    of_calibration = table[table.group.isin(list(calibration.parameters))]
    assert dict(zip(of_calibration.name, of_calibration.value)) == calibration.flat()
    others = table.drop(of_calibration.index)
    assert others.equals(dff.parameters().drop(of_calibration.index))
    assert ((table.lo <= table.value) & (table.value <= table.hi)).all()
    assert table.equals(dff.parameters(calibration))


def test_a_bound_that_is_a_parameter_is_its_value_and_named():
    table = dff.parameters("c260710").set_index("name")
    assert table.below["mzr_t0_slope_hi"] == "mzr_t0_slope_lo"
    assert table.hi["mzr_t0_slope_hi"] == table.value["mzr_t0_slope_lo"]
    assert (table.drop("mzr_t0_slope_hi")[["below", "above"]] == "").all(axis=None)


def test_one_group_is_its_rows_of_the_table():
    whole, part = dff.parameters("c260710"), dff.parameters("c260710", group="mzr")
    assert part.equals(whole[whole.group == "mzr"].reset_index(drop=True))
    path = f"{MetallicityParameters.__module__}:MetallicityParameters"
    by_path = dff.parameters(group=path)
    assert set(by_path.group) == {path}
    assert by_path.drop(columns="group").equals(dff.parameters(group="mzr").drop(columns="group"))


def test_groups_of_another_package_follow_those_of_the_model():
    path = f"{MetallicityParameters.__module__}:MetallicityParameters"
    table = dff.parameters(dff.Calibration("mine", {path: MetallicityParameters(mzr_t0_ytp=np.float32(0.125))}))
    assert list(dict.fromkeys(table.group)) == [*INGREDIENTS, path]
    assert table[table.group == path].value.iloc[0] == 0.125


def test_an_unknown_group_is_answered_by_near_ones():
    with pytest.raises(InputError, match=r"no group of parameters 'mrz'; did you mean mzr\?"):
        dff.parameters(group="mrz")
    with pytest.raises(InputError, match="c260710"):
        dff.parameters("c26071")


GOOD = load_calibration("c260710")
OUTSIDE = [("mzr", "mzr_t0_ytp", 9.0), ("mzr", "mzr_t0_ytp", np.nan), ("avpop", "suav_logsm_x0", -1e30)]


@pytest.mark.parametrize(("group", "name", "value"), OUTSIDE)
def test_a_value_outside_its_bounds_is_refused_wherever_it_is_given(group, name, value):
    """By parameter, value and bounds."""
    bad = GOOD.parameters[group]._replace(**{name: value})
    parameters = {**GOOD.parameters, group: bad}
    halos = {"log10_halo_mass": [12.0], "redshift": 0.3}
    low, high = bounds(type(bad))[name].among(bad._asdict())
    said = re.escape(f"{name} = {value} lies outside its bounds ({low}, {high})")
    for given in (
        lambda: dff.Calibration("mine", parameters),
        lambda: dataclasses.replace(GOOD, parameters=parameters),
        lambda: dff.evaluate(halos, "log10_stellar_mass", constants=[bad]),
        lambda: dff.Model(constants={type(bad): bad}),
    ):
        with pytest.raises(InputError, match=said):
            given()


def test_a_value_on_its_bound_to_rounding_is_accepted_and_what_is_no_number_is_refused():
    on = bounds(MetallicityParameters)["mzr_t0_ytp"].hi
    dff.Calibration("mine", {"mzr": MetallicityParameters(mzr_t0_ytp=np.float32(on * (1.0 + 1e-7)))})
    for value in ("x", [], [None, []], None, 1j, 10**400):
        with pytest.raises(InputError, match=r"mzr_t0_ytp = .* is no number"):
            dff.Calibration("mine", {"mzr": MetallicityParameters(mzr_t0_ytp=value)})


def test_values_that_are_traced_are_taken_as_they_are():
    def loss(value):
        made = dff.Calibration("mine", {"mzr": MetallicityParameters(mzr_t0_ytp=value)})
        return made.parameters["mzr"].mzr_t0_ytp ** 2

    assert float(jax.grad(loss)(100.0)) == 200.0
