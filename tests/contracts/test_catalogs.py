"""Every file in `catalogs/` is what its schema says, and is read by what reads its kind."""

import json

import jsonschema
import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.parameters import bounds
from diffsky_factory.factory.assembly import Assembly
from diffsky_factory.factory.recipe import load_recipe
from diffsky_factory.factory.records import RECORDS, json_schema
from diffsky_factory.halos.open import open_simulation
from diffsky_factory.inputs.calibrations import CalibrationEntry, load_calibration, save_calibration
from diffsky_factory.inputs.entries import KINDS, entry_names, entry_path, read_entry, read_yaml
from diffsky_factory.inputs.filters import list_filters, load_filters
from diffsky_factory.inputs.known import list_catalogs
from diffsky_factory.inputs.readers.open import DATA_PATH, READERS
from diffsky_factory.inputs.templates import load_templates
from diffsky_factory.inputs.trees.formats import FORMATS
from diffsky_factory.physics import INGREDIENTS
from tests.conftest import ROOT

ENTRIES = [(kind, name) for kind in KINDS for name in entry_names(kind)]


def test_every_kind_has_a_record_and_entries():
    assert set(RECORDS) == set(KINDS)
    assert {kind for kind, _ in ENTRIES} == set(KINDS)
    assert len(list_catalogs()) == len(ENTRIES)
    assert (list_catalogs().title != "").all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_of_a_kind_is_up_to_date(kind):
    file = ROOT / "schemas" / "records" / f"{kind}.json"
    assert file.read_text() == json_schema(kind), "run python -m diffsky_factory.factory.records"


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_an_entry_follows_the_schema_of_its_kind(kind, name):
    content = json.loads(json.dumps(read_yaml(entry_path(kind, name)), default=str))  # dates are texts
    jsonschema.validate(content, json.loads(json_schema(kind)))


@pytest.mark.parametrize("name", entry_names("recipes"))
def test_a_recipe_is_loaded_under_its_own_name(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    if recipe.simulation in entry_names("simulations"):
        Assembly(recipe)


@pytest.mark.parametrize("name", entry_names("simulations"))
def test_a_simulation_is_opened_by_its_name(name):
    entry = read_yaml(entry_path("simulations", name))
    assert entry["name"] == name
    if entry.get("status") == "needs files":
        assert entry["format"] in (*READERS, *FORMATS)
        with pytest.raises(InputError, match=DATA_PATH):
            open_simulation(name)
        return
    found = open_simulation(name)
    for field, value in entry["cosmology"].items():
        assert getattr(found.cosmology, field) == value


@pytest.mark.parametrize("name", entry_names("templates"))
def test_templates_are_loaded_by_their_name(name):
    assert load_templates(name).name == name


def test_every_filter_is_loaded_by_its_name():
    names = list_filters()
    assert [curve.name for curve in load_filters(names)] == names


@pytest.mark.parametrize("name", entry_names("calibrations"))
def test_a_calibration_has_the_bounds_of_its_classes_and_is_written_back_unchanged(name, tmp_path):
    entry, path = read_entry("calibrations", name, CalibrationEntry)
    assert entry.name == path.stem
    for group, limits in entry.bounds.items():
        expected = {field: (within.lo, within.hi) for field, within in bounds(INGREDIENTS[group]).items()}
        assert limits == expected, group
    assert set(entry.bounds) == set(entry.parameters)
    calibration = load_calibration(name)
    again = load_calibration(save_calibration(calibration, tmp_path / "again.yaml"))
    assert again == calibration
    assert again.hash == calibration.hash


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"parameters": [1]}, "parameters"),
        ({"parameters": {"merging": None}}, "parameters.merging"),
        ({"parameters": {"mergin": {}}}, "did you mean merging"),
        ({"parameters": {"merging": {}}}, "no value of"),
        ({"paramters": {}}, "did you mean parameters"),
        ({"schema": "other"}, "not a calibration"),
    ],
    ids=str,
)
def test_a_calibration_that_is_none_is_named(change, wanted, tmp_path):
    file = tmp_path / "mine.yaml"
    content = {**read_yaml(entry_path("calibrations", "default_merging")), **change}
    file.write_text(json.dumps(content, default=str))
    with pytest.raises(ValueError, match=wanted) as caught:
        load_calibration(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["much", True, float("nan"), 1e9, [1.0], None])
def test_a_value_that_is_none_is_named(value, tmp_path):
    content = read_yaml(entry_path("calibrations", "default_merging"))
    name = next(iter(content["parameters"]["merging"]))
    content["parameters"]["merging"][name] = value
    file = tmp_path / "mine.yaml"
    file.write_text(json.dumps(content, default=str).replace("NaN", ".nan"))
    with pytest.raises(ValueError, match=name):
        load_calibration(file)


def test_a_fit_in_32_bits_that_ends_on_a_bound_is_read_back(tmp_path):
    calibration = load_calibration("default_merging")
    group, kind = "ssperr", INGREDIENTS["ssperr"]
    values = [float(np.nextafter(np.float32(within.hi), np.float32(9e9))) for within in bounds(kind).values()]
    edge = type(calibration)(name="edge", parameters={group: kind(*values)})
    again = load_calibration(save_calibration(edge, tmp_path / "edge.yaml"))
    assert list(again.parameters[group]) == [within.hi for within in bounds(kind).values()]
