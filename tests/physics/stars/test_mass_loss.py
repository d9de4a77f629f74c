"""Mass of stars that still shine, beside the mass formed."""

from dataclasses import replace

import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.factory import model, tables
from diffsky_factory.factory.assembly import Assembly
from diffsky_factory.factory.evaluate import evaluate
from diffsky_factory.inputs.templates import load_templates

TEMPLATES = load_templates("bc03_miles_kroupa")


def populations(n=20):
    rng = np.random.default_rng(0)
    ages = rng.dirichlet(np.ones(len(TEMPLATES.log10_age)), n)
    metals = rng.dirichlet(np.ones(len(TEMPLATES.log10_metallicity)), n)
    return {"log10_stellar_mass_in_situ": np.full(n, 10.0), "age_weights": ages, "metallicity_weights": metals}


def test_it_is_the_weighted_sum_of_the_table():
    columns = populations()
    ages, metals = columns["age_weights"], columns["metallicity_weights"]
    expected = 10.0 + np.log10(np.einsum("gm,ma,ga->g", metals, TEMPLATES.living_mass, ages))
    for precision, error in (("float32", 2e-6), ("float64", 1e-14)):
        found = evaluate(columns, ["log10_surviving_mass_in_situ"], precision=precision)
        np.testing.assert_allclose(found["log10_surviving_mass_in_situ"], expected, rtol=error)


def test_newborn_stars_are_all_alive_and_of_old_ones_about_half():
    columns = populations(2)
    ages = 10.0 ** (TEMPLATES.log10_age + 9.0)
    columns["age_weights"] = np.stack([np.arange(len(ages)) == at for at in (0, np.searchsorted(ages, 1e10))]) * 1.0
    left = 10.0 ** (evaluate(columns, ["log10_surviving_mass_in_situ"])["log10_surviving_mass_in_situ"] - 10.0)
    print(f"alive of newborn stars {left[0]:.3f}, of those 10 Gyr old {left[1]:.3f}")
    assert left[0] == pytest.approx(1.0, abs=0.01)
    assert 0.4 < left[1] < 0.6  # remnants, 0.1 to 0.15 more, are not counted


def test_mergers_move_it_like_the_mass_formed():
    lost = np.array([[0.0, 0.0], [0.0, 0.25]])
    columns = {
        "log10_surviving_mass_in_situ": np.array([10.0, 9.0]),
        "merging_probability_by_round": lost,
        "merging_remainder_by_round": 1.0 - lost,
        "host_row": np.array([0, 0]),
    }
    found = evaluate(columns, ["log10_surviving_mass"], precision="float64")["log10_surviving_mass"]
    np.testing.assert_allclose(10.0**found, [1.025e10, 0.75e9], rtol=1e-12)


def test_templates_without_it_say_so(monkeypatch, tiny):
    for module in (tables, model):
        monkeypatch.setattr(module, "load_templates", lambda name: replace(TEMPLATES, living_mass=None))
    with pytest.raises(InputError, match=r"templates 'bc03_miles_kroupa' have no mass of living stars"):
        evaluate(populations(), ["log10_surviving_mass_in_situ"])
    recipe = tiny.model_copy(update={"columns": (*tiny.columns, "log10_surviving_mass")})
    with pytest.raises(InputError, match=r"templates 'bc03_miles_kroupa' have no mass of living stars"):
        Assembly(recipe)
