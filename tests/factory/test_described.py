"""What the words of the model mean: tables, and one word at a time."""

import numpy as np
import pytest
from astropy import units
from click.testing import CliRunner

import diffsky_factory as dff
from diffsky_factory.cli import main
from diffsky_factory.core.columns import columns as schema
from diffsky_factory.core.expressions import condition
from diffsky_factory.factory.described import described
from diffsky_factory.inputs.filters import list_filters
from diffsky_factory.physics import STAGES


def shown(name):
    result = CliRunner().invoke(main, ["show", name])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("log10_ssfr", ["column log10_ssfr", "dex(1 / yr)", "-32 to -5", "writer: stellar_mass_at_observation"]),
        ("halo_id", ["column halo_id", "meaning: "]),
        ("photometry", ["stage photometry", "writes: ", "reads: "]),
        ("calzetti_2000", ["stage calzetti_2000", "replaces: dust_curve", "Source: "]),
        ("cosmic_time", ["column cosmic_time", "writer: cosmic_time", "stage cosmic_time", "Age of the universe"]),
        ("mzr", ["parameter ", "group: mzr", "range: ", "source: "]),
        ("lsst_i", ["band lsst_i", "set: lsst", "Angstrom", "Rubin Observatory LSST"]),
        ("lsst", ["lsst.yaml", "title: "]),
        ("Halpha", ["line H_1_6562_80A", "alias: Halpha", "wavelength: 656", "Angstrom"]),
        ("H_1_6562_80A", ["line H_1_6562_80A", "alias: Halpha"]),
    ],
)
def test_every_word_can_be_shown(name, words):
    text = shown(name)
    for word in words:
        assert word in text


FOREIGN = sorted(
    {
        (alias, one.name)
        for one in schema().values()
        for alias in one.aliases.values()
        if alias not in schema() and alias.isidentifier()
    }
)
SOME_FOREIGN = [pytest.param(*pair, marks=pytest.mark.thorough if i % 12 else ()) for i, pair in enumerate(FOREIGN)]
HALOS = {"log10_halo_mass": np.array([12.0, 13.0]), "redshift": 0.3}


@pytest.mark.parametrize(("alias", "name"), SOME_FOREIGN)
def test_a_name_of_other_software_is_told_by_its_name_here(alias, name, plain):
    """Wherever a column is named; some aliases are names of other columns here, so none stands for its column."""
    asked = [
        lambda: described(alias),
        lambda: dff.make_mock(plain, columns=[alias]),
        lambda: dff.evaluate(HALOS, alias),
        lambda: condition(f"{alias} > 0", {"redshift": ()}),
    ]
    for ask in asked:
        with pytest.raises(dff.InputError, match=f"'{alias}' of .* is called '.*{name}.*' here"):
            ask()


def test_a_given_column_that_goes_by_another_name_is_told():
    with pytest.raises(dff.InputError, match="'logmp_obs' of diffsky is called 'log10_halo_mass' here"):
        dff.evaluate({"logmp_obs": np.array([12.0]), "redshift": 0.3}, "log10_stellar_mass")
    with pytest.raises(dff.InputError, match=r"no column 'redshift': give it; 'cosmic_time', wanted by .* follows"):
        dff.evaluate({"log10_halo_mass": np.array([12.0])}, "log10_stellar_mass")


def test_a_parameter_is_shown_with_its_group():
    first = dff.parameters().iloc[0]
    text = shown(first["name"])
    assert f"parameter {first['name']}\n  group: {first['group']}" in text
    assert first.meaning in text


def test_tables_hold_every_word():
    columns, bands, lines = dff.columns().set_index("name"), dff.bands().set_index("name"), dff.lines()
    assert list(columns.index) == list(schema())
    for stage in STAGES:
        assert (columns.writer[list(stage.writes)] == stage.name).all(), stage
    assert columns.writer["redshift"] == ""
    for unit in columns.unit:
        units.Unit(unit)
    assert list(bands.index) == list_filters()
    assert ((bands.lo < bands.wavelength) & (bands.wavelength < bands.hi)).all()
    assert 7000.0 < bands.wavelength["lsst_i"] < 8000.0
    assert set(lines.alias) >= {"Halpha", "OIII_5007"}
    assert lines.name.is_unique
    with pytest.raises(dff.InputError, match="known: bc03_miles_kroupa"):
        dff.lines("bc03")


def test_a_plan_is_an_object_that_says_what_a_build_takes(plain):
    planned = dff.plan(plain)
    assert (planned.rows.total, planned.exact) == (1851, True)
    for words in ("galaxies  1,851", "deg^2", "16 of order 9", "MB in", "GB with", "s on"):
        assert words in repr(planned)
    assert planned.memory(4, processes=True) > planned.memory(4) > 4e8
    assert planned.files > 0 < planned.bytes
    assert dff.plan(plain, region={"order": 8, "pixels": [349525]}).rows.total < 1851
    assert not dff.plan(plain, exact=False).exact
    assert "about" in dff.plan(plain, exact=False).said(2)["galaxies"]
    with pytest.raises(dff.InputError, match="did you mean bands"):
        dff.plan(plain, bandz=[])
