"""Recipes: what they accept, and one line for everything they do not."""

import json
from contextlib import suppress

import jsonschema
import numpy as np
import pytest
from hypothesis import strategies as st

from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.assembly import Assembly
from diffsky_factory.factory.opening.mock import make_mock
from diffsky_factory.factory.recipe import STORED_COLUMNS, Recipe, load_recipe, recipe_from_text
from diffsky_factory.factory.records import json_schema
from diffsky_factory.factory.runs.planning import plan_build
from diffsky_factory.inputs.entries import entry_names, entry_path, read_yaml
from diffsky_factory.inputs.filters import band_names, list_filters
from diffsky_factory.inputs.known import list_catalogs
from tests.documents import DOCUMENTS, TEXTS, changed
from tests.fuzz import few_and_many, holds, written

EXAMPLE = read_yaml(entry_path("recipes", "example"))
CONE = {"ra": 10.0, "dec": -5.0, "radius": 0.5}
CURVE = {"name": "box", "wavelength": [6000.0, 6000.1, 7000.0], "transmission": [0.0, 1.0, 0.0]}
REGIONS = [
    {"cone": CONE},
    {"rectangle": {"ra": [10, 20], "dec": [0, 1]}},
    {"polygon": {"ra": [0, 1, 1], "dec": [0, 0, 1]}},
    {"moc": "3/1"},
    {"order": 3, "pixels": [1]},
]
OTHERS = {"bands": ["lsst_r", CURVE], "columns": ["mag_true"], "replace": {"photometry": "photometry"}}
RECIPES = st.sampled_from([{**EXAMPLE, **OTHERS, "region": region} for region in REGIONS]).flatmap(changed)


def refused(**changes):
    """The message with which a changed recipe is refused, at loading or at assembly."""
    with pytest.raises(InputError) as caught:
        Assembly(load_recipe("example", **changes))
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", entry_names("recipes"))
def test_a_recipe_comes_back_from_its_text(name):
    recipe = load_recipe(name)
    assert recipe_from_text(recipe.text) == recipe
    assert load_recipe(recipe) == recipe
    assert recipe_from_text(recipe.text).hash == recipe.hash


def test_small_numbers_survive_the_text():
    recipe = load_recipe("example", region={"cone": {**CONE, "radius": 1e-05}}, redshift=[1e-06, 1e-05])
    assert recipe_from_text(recipe.text) == recipe


def test_sets_of_bands_are_written_out_and_names_stay_as_they_are():
    assert load_recipe("example", bands="euclid").bands == tuple(list_filters("euclid"))
    assert load_recipe("example", bands=["lsst"]).text == load_recipe("example", bands=list_filters("lsst")).text
    assert json.loads(load_recipe("example", bands=["lsst_r"]).text)["bands"] == ["lsst_r"]


def test_a_list_adds_to_the_defaults():
    """In a file to those of the record, in a change to those of the recipe; what stands beside them is not repeated."""
    mine = {"simulation": "synthetic", "columns": ["defaults", "disk_ellipticity"], "bands": "euclid"}
    recipe = load_recipe(mine)
    assert recipe.columns == (*STORED_COLUMNS, "disk_ellipticity")
    more = load_recipe(recipe, columns=["mag_mean", "defaults"], bands=["defaults", "lsst_r", CURVE], lines="Halpha")
    assert more.columns == ("mag_mean", *recipe.columns)
    assert band_names(more.bands) == (*list_filters("euclid"), "lsst_r", "box")
    again = load_recipe(mine, columns=["defaults", "redshift"], lines=["defaults", "Hbeta"], add="defaults")
    assert again.columns == (*(name for name in recipe.columns if name != "redshift"), "redshift")
    assert (again.lines, again.add, more.lines) == (("Hbeta",), (), ("Halpha",))
    assert load_recipe(recipe, columns="defaults", bands="defaults", lines="defaults") == recipe
    assert recipe_from_text(more.text) == more
    assert load_recipe({**mine, "bands": {"red": "lsst_r"}}, bands=["defaults"]).bands[0].name == "red"
    with pytest.raises(InputError, match="'defaults' is given twice"):
        load_recipe(mine, columns=["defaults", "defaults"])


def test_curves_of_ones_own_are_part_of_the_recipe(tmp_path):
    file = tmp_path / "narrow.txt"
    file.write_text("4000 0\n5000 0.8\n6000 0\n")
    box = {"name": "box", "wavelength": [6000.0, 6000.1, 7000.0, 7000.1], "transmission": [0.0, 1.0, 1.0, 0.0]}
    recipe = load_recipe("example", bands=["lsst_r", box, str(file)])
    file.write_text("4000 0\n5000 0.8\n9000 0\n")
    assert recipe_from_text(recipe.text) == load_recipe(recipe) == recipe
    assert band_names(recipe.bands) == ("lsst_r", "box", "narrow")
    assert recipe.bands[2].wavelength == (4000.0, 5000.0, 6000.0)
    assert load_recipe("example", bands=["lsst_r", box, file]).hash != recipe.hash
    jsonschema.validate(json.loads(recipe.text), json.loads(json_schema("recipes")))


def test_quantities_are_converted_where_they_enter():
    recipe = load_recipe(
        "example",
        region={"cone": {"ra": "0.5 rad", "dec": "-30 arcmin", "radius": "1800 arcsec"}},
        halo_mass_min="1.98840987e41 kg",
    )
    assert recipe.region.cone.ra == pytest.approx(28.64788975654116)
    assert recipe.region.cone.dec == -0.5
    assert recipe.region.cone.radius == 0.5


def test_a_recipe_keeps_the_text_of_a_footprint_file(tmp_path):
    from mocpy import MOC

    path = tmp_path / "footprint.fits"
    MOC.from_string("3/4-6 5/200").save(path)
    recipe = load_recipe("example", region={"moc": str(path)})
    assert recipe.region.moc == "3/4-6 5/200"
    assert load_recipe("example", region={"moc": "5/200 3/4-6"}) == recipe


def test_the_vertices_of_a_polygon_may_have_units():
    recipe = load_recipe("example", region={"polygon": {"ra": [0, "60 arcmin", 0], "dec": ["0 rad", 0, 2]}})
    assert recipe.region.polygon.ra == (0.0, 1.0, 0.0)
    assert recipe.halo_mass_min == pytest.approx(1e11, rel=1e-6)
    assert load_recipe("example", halo_mass_min="1e11").halo_mass_min == 1e11


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"region": {"cone": {**CONE, "radius": "2 Mpc"}}}, ["region.cone.radius", "'2 Mpc'", "angle", "1 deg"]),
        ({"region": {"cone": {**CONE, "radius": "2 dge"}}}, ["region.cone.radius", "'2 dge'"]),
        ({"halo_mass_min": float("inf")}, ["halo_mass_min", "a finite number (got inf)"]),
        ({"complete_to": "inf"}, ["complete_to", "a finite number (got inf)"]),
        ({"box_size": "inf Mpc"}, ["box_size", "a finite number (got inf)"]),
        ({"region": {"box": {"x": [float("nan"), 2.0]}}}, ["region.box.x.0", "a finite number (got nan)"]),
        ({"region": {"cone": {**CONE, "radius": -1}}}, ["region.cone.radius", "greater than 0"]),
        ({"region": {"cone": {**CONE, "dec": 91}}}, ["region.cone.dec", "90"]),
        ({"region": {"cone": {**CONE, "radius": [1, 2]}}}, ["region.cone.radius", "[1, 2]"]),
        ({"region": {"cone": {**CONE, "raduis": 1}}}, ["region.cone.raduis", "did you mean radius"]),
        ({"region": {"cone": {"ra": 1, "dec": 1}}}, ["region.cone.radius", "required"]),
        ({"region": {}}, ["region", "full_sky"]),
        ({"region": {"pixels": [1, 2]}}, ["region", "order"]),
        ({"region": {"rectangle": {"ra": [10, 10], "dec": [0, 1]}}}, ["region.rectangle", "the same meridian"]),
        ({"region": {"polygon": {"ra": [0, 1, 0, 1], "dec": [0, 1, 1, 0]}}}, ["region.polygon", "vertex 0 meets"]),
        ({"region": {"polygon": {"ra": [0, 1], "dec": [0, 1]}}}, ["region.polygon", "3 or more"]),
        ({"region": {"moc": "3/1-"}}, ["region.moc", "no MOC in text form", "'3/1-5 4/100'"]),
        ({"region": {"moc": "3/1", "full_sky": True}}, ["region", "a moc, full_sky: true, or a box"]),
        ({"region": {"pixels": [], "order": 3}}, ["region", "no pixel is given"]),
        ({"region": {"pixels": [768], "order": 3}}, ["region", "no pixel 768"]),
        ({"region": {"pixels": ["a"], "order": 3}}, ["region.pixels.0", "'a'"]),
        ({"region": "all"}, ["region", "'all'"]),
        ({"halo_mass_min": "1e11 Msun/littleh"}, ["halo_mass_min", "without h"]),
        ({"halo_mass_min": "1e11 Msun/h"}, ["halo_mass_min", "without h"]),
        ({"halo_mass_min": "1e11 h^-1 Msun"}, ["halo_mass_min", "without h"]),
        ({"halo_mass_min": "1e11 Mpc"}, ["halo_mass_min", "mass", "1 solMass"]),
        ({"region": {"cone": {**CONE, "dec": "-1:30"}}}, ["region.cone.dec", "write degrees as a decimal number"]),
        ({"halo_mass_min": "much"}, ["halo_mass_min", "'much'"]),
        ({"halo_mass_min": [1e11]}, ["halo_mass_min", "[100000000000.0]"]),
        ({"halo_mass_min": True}, ["halo_mass_min", "True"]),
        ({"halo_mass_min": -1.0}, ["halo_mass_min", "greater than 0"]),
        ({"halo_mass_min": float("nan")}, ["halo_mass_min"]),
        ({"halo_mass_min": 12.0}, ["log10_mass_min", "8 to 15.5"]),
        ({"redshift": [-0.1, 1.0]}, ["redshift", "0 <= low < high", "-0.1"]),
        ({"redshift": [1.0, 0.5]}, ["redshift", "0 <= low < high"]),
        ({"redshift": [0.0, float("nan")]}, ["redshift"]),
        ({"redshift": 30.0}, ["redshift", "of a box, 0 to 20", "30.0"]),
        ({"redshift": "far"}, ["redshift", "one number of a box", "'far'"]),
        ({"redshift": [1.0]}, ["redshift", "[low, high]", "[1.0]"]),
        ({"redshift": True}, ["redshift", "one number of a box", "True"]),
        ({"redshift": 1.0}, ["synthetic", "box_size"]),
        ({"redshift": [0.1, 0.2, 0.3]}, ["redshift"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"seed": "x"}, ["seed", "'x'"]),
        ({"seed": 2**31}, ["seed"]),
        ({"tiles": {"order": 7, "blok": 64}}, ["tiles.blok", "did you mean block"]),
        ({"tiles": {"block": 1}}, ["tiles.block", "64"]),
        ({"tiles": 7}, ["tiles", "7"]),
        ({"bands": "lsst_rr"}, ["lsst_rr", "did you mean lsst_r"]),
        ({"bands": 5}, ["bands", "5 is no list of bands"]),
        ({"bands": ["lsst_r", "lsst"]}, ["bands", "'lsst_r' is given twice"]),
        ({"bands": ["speklite:lsst2023-r"]}, ["speklite", "did you mean speclite"]),
        ({"bands": [{"name": "mine", "wavelength": [1], "transmission": [1]}]}, ["bands", "'mine'", "two points"]),
        ({"bands": ["lsst_r", "lsst_rr"]}, ["lsst_rr", "did you mean lsst_r"]),
        ({"bands": ["lsst_r", "lsst_r"]}, ["bands", "'lsst_r' is given twice"]),
        ({"bands": []}, ["bands", "none are given"]),
        ({"bands": ["no_such_curve.dat"]}, ["no file no_such_curve.dat"]),
        ({"columns": ["mag_tru"]}, ["mag_tru", "did you mean mag_true"]),
        ({"columns": ["ra", "ra"]}, ["columns", "'ra' is given twice"]),
        ({"columns": ["universemachine_sfr"]}, ["universemachine_sfr", "neither given nor written"]),
        ({"calibration": "c26071"}, ["c26071", "did you mean c260710"]),
        ({"calibration": "hmf_smdpl"}, ["hmf_smdpl", "no parameters of", "diffstarpop"]),
        ({"templates": "bc03_miles_krupa"}, ["bc03_miles_krupa", "did you mean bc03_miles_kroupa"]),
        ({"simulation": "synthetik"}, ["synthetik", "did you mean synthetic"]),
        ({"simulation": ""}, ["no simulation"]),
        ({"simulation": "/"}, ["no reader knows"]),
        ({"replace": {"photometri": "photometry"}}, ["photometri", "did you mean photometry"]),
        ({"replace": {"photometry": "photometry_interpolating"}}, ["did you mean photometry_interpolating_magnitudes"]),
        ({"replace": {"photometry": "metallicity"}}, ["'metallicity' cannot replace 'photometry'"]),
        ({"replace": ["photometry"]}, ["replace"]),
        ({"bandz": []}, ["'bandz'", "did you mean bands"]),
    ],
    ids=str,
)
def test_bad_input_is_one_line_that_names_the_field(changes, wanted):
    message = refused(**changes)
    for part in wanted:
        assert part in message


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("name: x\nbandz: [lsst_r]\nsimulation: synthetic\n", ["no field 'bandz'", "did you mean bands"]),
        ("name: x\n", ["simulation", "required"]),
        ("- 1\n- 2\n", ["no mapping"]),
        ("just text\n", ["no mapping"]),
        ("", ["no mapping"]),
        ("a: [1, 2\n", ["line 2", "not valid YAML"]),
        ("1: 2\nsimulation: synthetic\n", ["no field '1'"]),
        ("schema: other/1\nsimulation: synthetic\n", ["schema", "diffsky-factory/recipe/1"]),
        ("simulation: synthetic\nbands: [1]\n", ["bands", "1 is neither the name of a band"]),
    ],
)
def test_a_file_that_is_no_recipe_is_named_with_what_is_wrong(tmp_path, text, wanted):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    for part in [str(path), *wanted]:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "folder.yaml").mkdir()
    for name in ("binary.yaml", "folder.yaml", "absent.yaml"):
        with pytest.raises(InputError, match=name):
            load_recipe(tmp_path / name)
    with pytest.raises(InputError, match="did you mean example"):
        load_recipe("exampel")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("recipes") / "mine.yaml"


@few_and_many(30)
def test_anything_is_a_recipe_or_bad_input(file, examples):
    def check(text, document):
        for _ in written(file, text, document):
            with suppress(InputError):
                load_recipe(file)
        if isinstance(document, dict):
            with suppress(InputError):
                load_recipe(document)

    holds(examples, check, TEXTS, DOCUMENTS | RECIPES)


@few_and_many(30)
def test_any_change_of_a_recipe_is_a_recipe_or_bad_input(examples):
    """As keywords give it, of which some values are no YAML; a recipe comes back from its text."""

    def check(field, value):
        with suppress(InputError):
            recipe = load_recipe("example", **{field: value})
            assert recipe_from_text(recipe.text) == recipe

    values = DOCUMENTS | st.builds(np.array, st.lists(st.floats(), max_size=4)) | st.binary() | st.complex_numbers()
    holds(examples, check, st.sampled_from(sorted(Recipe.model_fields)), values | st.tuples(DOCUMENTS, DOCUMENTS))


def test_a_recipe_is_frozen():
    recipe = load_recipe("example")
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 3
    assert isinstance(recipe, Recipe)


def test_a_build_without_columns_or_halos_is_refused():
    with pytest.raises(InputError, match="no columns"):
        plan_build(Assembly(load_recipe("example", columns=[])))
    empty = load_recipe("example", halo_mass_min=1e15, redshift=[0.02, 0.03], tiles={"order": 8})
    with pytest.raises(InputError, match="hold no halos"):
        plan_build(Assembly(empty))
    with pytest.warns(UserWarning, match="synthetic: no halos from redshift 0.02 to 0.03 in its region"):
        assert make_mock(empty).sizes["galaxy"] == 0


def test_lines_that_no_column_is_of_are_told(plain):
    with pytest.warns(UserWarning, match=r"lines: no column is of Hbeta; add line_flux"):
        make_mock(plain, lines=["Hbeta"])


def test_entries_of_ones_own_come_before_those_of_the_project(tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mine.yaml").write_text("simulation: synthetic\ntitle: Mine\nbands: [lsst_r]\n")
    monkeypatch.setenv("DIFFSKY_FACTORY_CATALOG_PATH", str(tmp_path))
    assert load_recipe("mine").title == "Mine"
    assert "Mine" in list_catalogs().title.tolist()
