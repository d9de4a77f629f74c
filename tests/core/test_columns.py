"""The schema of columns: one meaning for each name, units that software understands."""

import numpy as np
import pytest
from astropy import units

from diffsky_factory.core import columns as schema
from diffsky_factory.core.columns import Column, column, columns
from diffsky_factory.factory.recipe import STORED_COLUMNS
from diffsky_factory.physics import RIVALS, stages

ALL = columns()


@pytest.mark.parametrize("one", ALL.values(), ids=lambda one: one.name)
def test_a_column_has_a_unit_a_range_and_a_meaning(one):
    assert str(units.Unit(one.unit)) or one.unit == ""
    low, high = one.range
    assert low < high
    if np.dtype(one.dtype).kind == "f":
        assert np.isfinite(np.asarray(one.range, one.dtype)).all()
    assert one.description.endswith(".")
    assert one.attributes["units"] == one.unit


def test_names_and_aliases_of_one_peer_are_unique():
    for peer in {peer for one in ALL.values() for peer in one.aliases}:
        names = [one.aliases[peer] for one in ALL.values() if peer in one.aliases]
        assert len(set(names)) == len(names), peer


def test_a_column_defined_twice_is_an_error(tmp_path, monkeypatch):
    text = "- {name: mass, unit: solMass, dtype: float32, range: [0, 1], ucd: phys.mass, description: Mass.}\n"
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text(text)
    monkeypatch.setattr(schema, "resource", lambda *parts: tmp_path)
    with pytest.raises(ValueError, match=r"b\.yaml: column 'mass' is already defined"):
        columns.__wrapped__()


def test_an_unknown_column_lists_those_like_it():
    with pytest.raises(KeyError, match="did you mean mag_true"):
        column("mag_tru")
    assert isinstance(column("mag_true"), Column)


def test_every_column_that_a_stage_reads_or_writes_and_every_stored_one_is_in_the_schema():
    used = {name for one in (*stages(), *RIVALS) for name in (*one.reads, *one.writes)}
    assert used | set(STORED_COLUMNS) <= set(ALL)
