"""Axes of the schema are those of the columns, and their labels those of the code."""

import pytest

from diffsky_factory.core.axes import BANDS, LINES, axes
from diffsky_factory.core.columns import columns
from diffsky_factory.factory.axis_labels import axis_labels
from diffsky_factory.factory.tables import tables
from diffsky_factory.physics.halos.growth import HaloGrowth, TimeGrid
from diffsky_factory.physics.light.populations import POPULATIONS, SEQUENCES
from diffsky_factory.physics.light.spectra import SpectrumTable
from diffsky_factory.physics.stars.ages import TemplateGrid
from diffsky_factory.physics.stars.components import COMPONENTS
from diffsky_factory.physics.stars.merging_nodes import NODES
from diffsky_factory.physics.stars.merging_rounds import ROUNDS
from diffsky_factory.physics.stars.star_formation import StarFormation
from diffsky_factory.sky.cosmology import Cosmology

OF_CODE = {
    "mah_parameter": HaloGrowth._fields,
    "sfh_parameter": StarFormation._fields,
    "population": POPULATIONS,
    "sequence": SEQUENCES,
    "component": COMPONENTS,
    "merging_round": ROUNDS,
    "merging_node": NODES,
}
"""Labels that a stage knows, in the order in which it stacks what it computes."""
ONLY_WORDS = {"burst", "xyz"}
TABLES = {kind.__name__: kind for kind in (TimeGrid, TemplateGrid, SpectrumTable)}


def test_the_axes_of_the_columns_are_those_of_the_schema():
    assert {name for column in columns().values() for name in column.axes} == set(axes())


@pytest.mark.parametrize("name", OF_CODE)
def test_labels_of_the_schema_are_those_of_the_code(name):
    assert axes()[name].labels == tuple(OF_CODE[name])


def test_every_axis_with_labels_is_compared_with_the_code():
    assert {name for name, one in axes().items() if one.labels} == set(OF_CODE) | ONLY_WORDS


def test_other_axes_are_of_bands_lines_or_a_field_of_a_table():
    for one in axes().values():
        table, _, field = one.of.partition(".")
        assert one.labels or one.of in (BANDS, LINES) or field in TABLES[table]._fields, one.name


def test_every_axis_has_labels_in_a_mock_with_bands_lines_and_spectra():
    known = tables("bc03_miles_kroupa", (), Cosmology(), 0.2, lines=("Halpha",))
    found = axis_labels(("lsst_r",), ("Halpha",), known)
    assert set(found) == set(axes())
    assert found["band"] == ("lsst_r",)
    assert found["age"] == pytest.approx(known[TemplateGrid].log10_age, rel=1e-5)
    assert found["wavelength"] == pytest.approx(known[SpectrumTable].wavelength, rel=1e-5)


def test_an_axis_of_a_table_that_is_not_made_is_left_out():
    found = axis_labels((), (), tables("bc03_miles_kroupa", (), Cosmology(), 0.2, spectra=False))
    assert set(axes()) - set(found) == {"wavelength", "template_wavelength"}
    assert found["band"] == ()
