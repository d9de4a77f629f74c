"""The schema of axes: one meaning for each, labels from one place."""

import pytest
from astropy import units

from diffsky_factory.core.axes import Axis, any_large, axes, axis, axis_read_alone
from diffsky_factory.core.columns import columns
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.resources import USER_PATH


@pytest.mark.parametrize("one", axes().values(), ids=lambda one: one.name)
def test_an_axis_has_a_unit_a_label_for_plots_and_a_meaning(one):
    assert one.unit == "" or str(units.Unit(one.unit))
    assert one.description.endswith(".")
    assert set(one.attributes) == {"units", "long_name", "description"}
    assert not one.labels or one.unit == ""


def test_labels_of_an_axis_are_unique():
    for one in axes().values():
        assert len(set(one.labels)) == len(one.labels), one.name


@pytest.mark.parametrize("given", [{}, {"labels": ("a",), "of": "bands"}], ids=["none", "both"])
def test_an_axis_has_labels_from_one_place(given):
    with pytest.raises(ValueError, match="axis 'a': give its labels or what they are of"):
        Axis(name="a", long_name="a", unit="", description="A.", **given)


def test_an_unknown_axis_lists_those_like_it():
    with pytest.raises(KeyError, match="did you mean band"):
        axis("bands")


def test_axes_of_ones_own_are_beside_those_of_the_project(tmp_path, monkeypatch):
    (tmp_path / "schemas").mkdir()
    mine = tmp_path / "schemas" / "axes.yaml"
    mine.write_text("- {name: quantile, long_name: q, unit: '', labels: [low, high], description: A.}\n")
    monkeypatch.setenv(USER_PATH, str(tmp_path))
    assert axis("quantile").labels == ("low", "high")
    assert axis("band").read_alone


def test_an_axis_defined_twice_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "schemas").mkdir()
    mine = tmp_path / "schemas" / "axes.yaml"
    mine.write_text("- {name: band, long_name: a, unit: '', labels: [x], description: A.}\n")
    monkeypatch.setenv(USER_PATH, str(tmp_path))
    with pytest.raises(InputError, match=r"axes\.yaml: 'band' is defined already"):
        axes()


def test_bands_are_read_alone_and_spectra_are_large():
    assert axis_read_alone(("component", "band")) == "band"
    assert axis_read_alone(("component", "wavelength")) is None
    assert any_large(("component", "band"))
    assert any_large(("wavelength",))
    assert not any_large(("component", "line"))


def test_no_column_has_two_axes_that_are_read_alone():
    for column in columns().values():
        assert sum(axis(name).read_alone for name in column.axes) <= 1, column.name
