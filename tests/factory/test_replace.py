"""Stages of another package in place of the model's own: given, named in a recipe, and what is refused."""

import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pytest

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.parameters import Within
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar
from diffsky_factory.factory.assembly import Assembly
from diffsky_factory.factory.recipe import load_recipe, recipe_from_text
from diffsky_factory.physics.halos.mixture import SatelliteOrbitParameters
from diffsky_factory.physics.stars.merging import merging_mean

HERE = __name__
OWN = {SatelliteOrbitParameters: SatelliteOrbitParameters()}  # that no published calibration has
COLUMNS = {"log10_stellar_mass_in_situ": np.array([10.0, 11.0]), "cosmic_time": np.array([5.0, 9.0])}


class Metallicity(NamedTuple):
    log10_metallicity: Scalar
    metallicity_weights: Scalar


class FlatParameters(NamedTuple):
    level: Annotated[Scalar, Within(-4.0, 0.0)] = -2.0


@stage
def flat_metallicity(p: FlatParameters, *, log10_stellar_mass_in_situ: Scalar) -> Metallicity:
    """The same metallicity for every galaxy."""
    return Metallicity(p.level + 0.0 * log10_stellar_mass_in_situ, p.level + 0.0 * log10_stellar_mass_in_situ)


NOT_A_STAGE = 3


def test_a_stage_is_used_as_it_is_and_by_its_path():
    for rival in (flat_metallicity, f"{HERE}:flat_metallicity"):
        found = dff.evaluate(COLUMNS, ["log10_metallicity"], replace={"metallicity": rival})
        assert found["log10_metallicity"].tolist() == [-2.0, -2.0]
    given = dff.evaluate(
        COLUMNS, ["log10_metallicity"], replace={"metallicity": flat_metallicity}, constants=[FlatParameters(-1.0)]
    )
    assert given["log10_metallicity"].tolist() == [-1.0, -1.0]


def test_a_recipe_keeps_the_path_of_a_stage():
    recipe = load_recipe("example", replace={"metallicity": flat_metallicity, "dust_curve": "salim_2018"})
    assert recipe.replace == {"metallicity": f"{HERE}:flat_metallicity", "dust_curve": "salim_2018"}
    again = recipe_from_text(recipe.text)
    assert again == recipe
    assert flat_metallicity in Assembly(again).stages
    assert Assembly(again).model.defaults == {**OWN, FlatParameters: FlatParameters()}


def test_a_calibration_holds_parameters_of_another_package(tmp_path):
    group = f"{HERE}:FlatParameters"
    mine = dff.Calibration(name="mine", parameters={group: FlatParameters(-3.0)})
    dff.save_calibration(mine, tmp_path / "mine.yaml")
    recipe = load_recipe(
        "example", replace={"metallicity": flat_metallicity}, calibration=f"c260710+{tmp_path / 'mine.yaml'}"
    )
    parts = Assembly(recipe)
    assert parts.model.defaults == OWN
    assert parts.constants[FlatParameters] == FlatParameters(-3.0)
    bad = dff.save_calibration(dff.Calibration("bad", {f"{HERE}:HERE": FlatParameters()}), tmp_path / "bad.yaml")
    with pytest.raises(InputError, match="no class of parameters"):
        dff.load_calibration(bad)


@pytest.mark.parametrize(
    ("replace", "wanted"),
    [
        ({"metallicity": "no_such_package:stage"}, "code of the module 'no_such_package' runs only with your word"),
        ({"metallicity": f"{HERE}:no_such_stage"}, "has no 'no_such_stage'"),
        ({"metallicity": f"{HERE}:NOT_A_STAGE"}, "neither a stage nor a provider"),
        ({"metallicity": ":"}, "write the module and what it has as module:attribute"),
        ({"metallicity": merging_mean}, "'merging_mean' cannot replace 'metallicity'"),
        ({"metalicity": flat_metallicity}, "did you mean metallicity"),
        ({"dust_curve": "salim_2019"}, "did you mean salim_2018"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_refused(replace, wanted):
    with pytest.raises(InputError, match=wanted) as caught:
        dff.evaluate(COLUMNS, ["log10_metallicity"], replace=replace)
    assert "\n" not in str(caught.value)


def test_a_function_of_a_notebook_is_refused_in_a_recipe():
    @stage
    def local(p: FlatParameters, *, cosmic_time: Scalar) -> Metallicity:
        return Metallicity(p.level, cosmic_time)

    with pytest.raises(InputError, match="a module of its own"):
        load_recipe("example", replace={"metallicity": local})


@pytest.mark.thorough
def test_another_process_imports_the_stage(command_line, tmp_path, plain):
    source = Path(__file__).read_text()
    start, end = source.index("class Metallicity"), source.index("NOT_A_STAGE")
    head = source[source.index("from typing") : source.index("from diffsky_factory.factory")]
    (tmp_path / "mine.py").write_text(head + source[start:end])
    replace = '{"metallicity": "mine:flat_metallicity"}'
    columns = '["galaxy_id", "redshift", "log10_metallicity"]'
    (tmp_path / "mine.yaml").write_text(plain.text)
    run = command_line(
        *("--allow-module", "mine", "build", "mine.yaml", "--out", "mine.zarr"),
        *("--set", f"replace={replace}", "--set", f"columns={columns}"),
        cwd=tmp_path,
    )
    out, error = run.communicate(timeout=300)
    assert run.returncode == 0, error + out
    assert "mine" not in sys.modules
    assert np.all(dff.open_catalog(tmp_path / "mine.zarr").log10_metallicity.values == -2.0)
