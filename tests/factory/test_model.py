"""The model as one value: found and checked when it is made, changed by field, the same in a recipe."""

from typing import NamedTuple

import numpy as np
import pytest

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.plan import PlanError
from diffsky_factory.core.provider import provider
from diffsky_factory.core.resources import USER_PATH
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Vector
from diffsky_factory.factory.assembly import Assembly
from diffsky_factory.factory.model import FIELDS, Model
from diffsky_factory.factory.recipe import Recipe

HALOS = {"log10_halo_mass": np.array([11.5, 12.5, 13.0]), "redshift": np.array([0.2, 0.5, 0.9])}
HERE = "tests.factory.test_model"


class NorthDepth(NamedTuple):
    mag_limit: np.ndarray


class Wide(NamedTuple):
    dust_curve: Vector
    mag_limit: Scalar


class Redshift(NamedTuple):
    redshift: np.ndarray


class Seen(NamedTuple):
    contrast: Scalar


@provider
def mag_limit(*, dec: np.ndarray) -> NorthDepth:
    """Depth in a direction, to a millionth of a degree.

    Reads
        dec : deg
    Writes
        mag_limit : mag
    """
    return NorthDepth(np.where(dec > 2.2, 26.0, 27.0))


@provider
def depth_for_redshift(*, dec: np.ndarray) -> Redshift:
    """Writes what a simulation gives."""
    return Redshift(dec)


@stage
def seen(*, mag_limit: Scalar, redshift: Scalar) -> Seen:
    """Something of a survey.

    Reads
        mag_limit : mag
        redshift : -
    Writes
        contrast : -
    """
    return Seen(mag_limit - redshift)


@stage
def curve_and_more(*, band_rest_wavelength: Vector) -> Wide:
    """A rival that writes a column more.

    Reads
        band_rest_wavelength : Angstrom
    Writes
        dust_curve : -
        mag_limit : mag
    """
    return Wide(0.0 * band_rest_wavelength, 25.0)


@stage
def half_a_metallicity(*, log10_stellar_mass_in_situ: Scalar) -> NorthDepth:
    """No rival: it does not write what the stage writes."""
    return NorthDepth(log10_stellar_mass_in_situ)


@pytest.fixture(autouse=True)
def own_columns(tmp_path, monkeypatch):
    """A schema of one's own on the catalog path."""
    folder = tmp_path / "schemas" / "columns"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(
        "- {name: mag_limit, unit: mag, dtype: float32, range: [0, 40], ucd: phot.mag, description: Depth.}\n"
        "- {name: contrast, unit: '', dtype: float32, range: [0, 40], ucd: stat.value, description: Made up.}\n"
    )
    monkeypatch.setenv(USER_PATH, str(tmp_path))


def test_a_recipe_has_the_fields_of_a_model_and_their_defaults():
    assert set(FIELDS) - set(Recipe.model_fields) == {"constants"}  # which are values, not text
    recipe = dff.load_recipe({"simulation": "synthetic"})
    for name in set(FIELDS) - {"constants"}:
        plain = getattr(Model(), name)
        assert getattr(recipe.model, name) == (plain or getattr(recipe, name)), name


def test_a_model_is_changed_field_by_field():
    model = Model(bands=["lsst_r"], seed=3)
    other = model.but(seed=4)
    assert (other.seed, other.band_names) == (4, ("lsst_r",))
    assert model.but() is model
    with pytest.raises(InputError, match="no field 'sead' of a model; did you mean seed"):
        model.but(sead=4)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"calibration": "c26071"}, "did you mean c260710"),
        ({"bands": ["lsst_q"]}, "no filter 'lsst_q'"),
        ({"lines": ["Halfa"]}, "no line 'Halfa'"),
        ({"igm": "inoue_2015"}, "inoue_2014"),
        ({"templates": "bc04"}, "no 'bc04' in catalogs/templates"),
        ({"wavelengths": (5000.0, 5000.1)}, "less than two points"),
        ({"wavelengths": 5000.0}, r"wavelengths: a pair, low and high \[Angstrom\] is wanted, not 5000.0"),
        ({"lines": 3}, "lines: a list of names is wanted, not 3"),
        ({"templates": 3}, "templates: a name is wanted, not 3"),
        ({"calibration": 3}, "calibration: a name, a path or a Calibration is wanted, not 3"),
        ({"seed": 1.5}, r"seed: an integer from 0 to 2\^31 - 1 is wanted, not 1.5"),
        ({"seed": -1}, "seed: .* not -1"),
        ({"seed": 2**31}, "seed: .* not 2147483648"),
        ({"add": "nowhere"}, "no stage 'nowhere'"),
        ({"add": seen}, "add: a list of stages is wanted"),
        ({"add": ["nowhere:stage"]}, "code of the module 'nowhere' runs only with your word"),
        (
            {"replace": {"metallicity": f"{HERE}:half_a_metallicity"}},
            "does not write log10_metallicity, metallicity_weights",
        ),
        ({"replace": {"metallicity": f"{HERE}:mag_limit"}}, "is a provider, and a stage is wanted"),
    ],
    ids=str,
)
def test_what_is_unknown_is_refused_when_a_model_is_made(fields, said):
    with pytest.raises(InputError, match=said):
        Model(**fields)


def test_two_providers_of_one_column_are_refused():
    with pytest.raises(PlanError, match="'mag_limit' is written by 'mag_limit' and 'mag_limit'"):
        Model(add=[mag_limit, mag_limit])


def test_a_rival_may_write_more():
    options = {"replace": {"dust_curve": curve_and_more}, "bands": ["lsst_r"]}
    found = dff.evaluate(HALOS, ["dust_curve", "mag_limit"], **options)
    np.testing.assert_array_equal(found["dust_curve"], np.zeros((3, 1)))
    np.testing.assert_array_equal(found["mag_limit"], 25.0)


def test_providers_and_stages_are_added_to_an_evaluation():
    columns = {**HALOS, "dec": np.array([2.2, 2.2 + 1e-7, 3.0])}  # nearer than 32 bits can tell
    found = dff.evaluate(
        columns, ["lsst/contrast", "lsst/mag_limit"], add=[seen.under("lsst"), mag_limit.under("lsst")]
    )
    np.testing.assert_array_equal(found["lsst/mag_limit"], [27.0, 26.0, 26.0])
    np.testing.assert_allclose(found["lsst/contrast"], found["lsst/mag_limit"] - HALOS["redshift"], rtol=1e-6)


SMALL = {
    "simulation": "synthetic",
    "region": {"cone": {"ra": 150.0, "dec": 2.2, "radius": 0.05}},
    "redshift": [0.2, 0.6],
    "halo_mass_min": 2e11,
    "bands": [],
    "tiles": {"order": 8, "block": 256, "blocks_per_shard": 1},
}


def test_a_recipe_adds_by_text_and_by_value_alike(tmp_path):
    columns = ["galaxy_id", "dec", "redshift", "contrast"]
    texts = [f"{HERE}:seen", f"{HERE}:mag_limit"]
    recipe = dff.load_recipe(SMALL, add=[seen, mag_limit], columns=columns, name="mine")
    assert recipe.add == tuple(texts)
    assert dff.load_recipe(SMALL, add=texts, columns=columns, name="mine") == recipe
    mock = dff.make_mock(recipe)
    expected = np.where(mock.dec > 2.2, 26.0, 27.0) - mock.redshift
    np.testing.assert_allclose(mock.contrast, expected, rtol=1e-6)
    dff.build(recipe, tmp_path / "mine.zarr", workers=1)
    np.testing.assert_array_equal(dff.open_catalog(tmp_path / "mine.zarr").contrast, mock.contrast)


def test_what_a_simulation_gives_is_not_written_by_what_is_added():
    with pytest.raises(InputError, match="'depth_for_redshift' writes redshift, which the simulation gives"):
        Assembly(dff.load_recipe(SMALL, add=[depth_for_redshift], columns=["redshift"]))


@pytest.mark.thorough
def test_galaxies_are_drawn_anew_in_the_same_halos():
    columns = ["galaxy_id", "redshift", "log10_halo_mass", "mah_parameters"]
    one, other, elsewhere = (
        dff.make_mock(SMALL, columns=columns, **seeds).compute()
        for seeds in ({"seed": 5}, {"seed": 6, "halo_seed": 5}, {"seed": 6})
    )
    for name in ("galaxy_id", "redshift", "log10_halo_mass"):
        np.testing.assert_array_equal(one[name], other[name])
    assert not np.any(one.mah_parameters[:, 1] == other.mah_parameters[:, 1])
    assert len(elsewhere.redshift) != len(one.redshift) or np.any(elsewhere.redshift != one.redshift)
    assert other.attrs["halo_seed"] == 5


def test_a_recipe_is_resolved_once_for_all_tiles(monkeypatch):
    made = []
    monkeypatch.setattr(Model, "__post_init__", lambda self, own=Model.__post_init__: (made.append(1), own(self))[1])
    parts = Assembly(dff.load_recipe(SMALL, columns=["galaxy_id", "cosmic_time", "log10_halo_mass"]))
    for pixel in parts.tiles:
        parts.galaxies(parts.halos(int(pixel)), parts.columns)
    assert len(made) == 1
