"""Code runs because the user says so, never because data name it."""

import json
import pickle
import sys

import pytest

import diffsky_factory as dff
from diffsky_factory.core import imports
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.recomputed import Recomputation, request_from_text
from diffsky_factory.inputs.readers.open import open_snapshots
from diffsky_factory.outputs import store
from tests.conftest import TINY

REFUSED = "code of the module 'trap' runs only with your word"
TRAP = """
from pathlib import Path

Path(__file__).with_name("sprung").touch()
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar
from diffsky_factory.physics.stars.metallicity import Metallicity


@stage
def flat(*, cosmic_time: Scalar) -> Metallicity:
    return Metallicity(0.0 * cosmic_time - 2.0, cosmic_time)
"""


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A module that can be found, and leaves a file behind where it is imported; the file."""
    (tmp_path / "trap.py").write_text(TRAP)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "trap", raising=False)
    monkeypatch.setattr(imports, "_ALLOWED", set())
    yield tmp_path / "sprung"
    sys.modules.pop("trap", None)


def calibration(folder):
    path = folder / "mine.yaml"
    entry = {"schema": "diffsky-factory/calibration/1", "name": "mine", "parameters": {"trap:Parameters": {}}}
    path.write_text(json.dumps(entry))
    return lambda: dff.load_calibration(path)


def entry(folder):
    path = folder / "box.yaml"
    path.write_text(json.dumps({"name": "box", "format": "trap:Reader", "files": ["*.csv"]}))
    (folder / "halos.csv").write_text("x\n1\n")
    return lambda: open_snapshots(path)


def recipe(field, value):
    def written(folder):
        path = folder / "recipe.yaml"
        path.write_text(json.dumps({"schema": "diffsky-factory/recipe/1", **TINY, field: value}))
        return lambda: dff.make_mock(path)

    return written


@pytest.mark.parametrize(
    "names",
    [
        calibration,
        entry,
        recipe("replace", {"dust_curve": "trap:flat"}),
        recipe("add", ["trap:flat"]),
        recipe("add", ["deep/trap:flat"]),
        recipe("simulation", "box.yaml"),
    ],
    ids=["calibration", "entry", "replace", "add", "scope", "simulation"],
)
def test_no_module_is_imported_because_data_name_it(names, trap, tmp_path, monkeypatch):
    entry(tmp_path)
    monkeypatch.chdir(tmp_path)
    read = names(tmp_path)
    with pytest.raises(InputError, match=REFUSED):
        read()
    assert not trap.exists()


def test_a_store_of_a_stranger_runs_nothing(trap, plain_copy):
    part = store.read_part(plain_copy)
    for request in (
        {"columns": ["weight"], "changes": {}, "stages": ["trap:flat"], "constants": {}},
        {"columns": ["weight"], "changes": {}, "stages": [], "constants": {"subprocess:Popen": {"args": "touch x"}}},
    ):
        with pytest.raises(InputError, match=rf"{REFUSED}|no class of parameters"):
            Recomputation(plain_copy, part, request_from_text(json.dumps(request)))
    assert not trap.exists()


@pytest.mark.parametrize("how", ["call", "environment", "package"])
def test_the_word_of_the_user_is_enough(how, trap, monkeypatch):
    if how == "call":
        dff.allow_modules("trap")
    elif how == "environment":
        monkeypatch.setenv(imports.VARIABLE, "other, trap")
    else:
        monkeypatch.setattr(imports, "_installed", lambda: frozenset({"trap"}))
    assert imports.imported("trap:flat").name == "flat"
    assert trap.exists()


def test_what_the_user_has_imported_may_be_named(trap):
    import trap as own  # noqa: F401

    assert imports.imported("trap:flat").name == "flat"
    assert "trap" in imports.allowed_modules()


def test_the_word_goes_with_what_is_computed_elsewhere(trap, monkeypatch):
    dff.allow_modules("trap")
    sent = pickle.dumps(imports.trusted(imports.imported))
    monkeypatch.setattr(imports, "_ALLOWED", set())  # as in another process
    with pytest.raises(InputError, match=REFUSED):
        imports.imported("trap:flat")
    assert pickle.loads(sent)("trap:flat").name == "flat"


def test_a_package_is_allowed_with_its_modules_and_no_namesake():
    assert imports._is_in("survey.depths", ["survey"])
    assert not imports._is_in("survey_of_others", ["survey"])
    assert not imports._is_in("survey", ["survey.depths"])
