"""Entries of users: any text and any document is an entry or bad input, said in one line that can be read."""

import os
from contextlib import suppress

import pytest
import yaml
from hypothesis import strategies as st

from diffsky_factory.core.errors import LONGEST, InputError
from diffsky_factory.core.parameters import bounds
from diffsky_factory.inputs.calibrations import SCHEMA, Calibration, load_calibration, save_calibration
from diffsky_factory.inputs.entries import checked, entry_path, read_yaml
from diffsky_factory.inputs.halo_growth import load_growth_mixture
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.inputs.templates import load_templates
from tests.documents import DOCUMENTS, TEXTS, changed
from tests.fuzz import few_and_many, holds, written

CALIBRATION = read_yaml(entry_path("calibrations", "default_merging"))
SIMULATION = {"name": "mine", "format": "table", "files": ["*.csv"], "box_size": 10.0, "columns": {"x": "px"}}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("entries") / "mine.yaml"


def refused(file, text):
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load_calibration(file)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= LONGEST
    return str(caught.value)


def test_values_that_are_huge_are_not_written_out(file):
    parameters = {"group": {f"p{i}": "x" * 1000 for i in range(100)}}
    text = yaml.safe_dump({"schema": SCHEMA, "parameters": parameters})
    assert len(message := refused(file, text)) < LONGEST
    assert "and 90 more" in message
    assert "mine.yaml" in refused(file, f"schema: {'x' * 10**6}\n")


def test_numbers_by_colons_are_refused_with_what_to_write(file):
    said = refused(file, f"schema: {SCHEMA}\nparameters: {{group: {{a: -1:30}}}}\n")
    assert "parameters.group.a" in said
    assert "(got '-1:30'); write degrees as a decimal number" in said


def test_the_home_folder_and_what_is_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    saved = save_calibration(load_calibration("default_merging"), "~/mine.yaml")
    assert saved == tmp_path / "mine.yaml"
    assert load_calibration("~/mine.yaml").hash == load_calibration("default_merging").hash
    os.mkfifo(tmp_path / "pipe.yaml")
    os.mkfifo(tmp_path / "pipe.h5")
    for read, path in [(load_calibration, "~/pipe.yaml"), (load_growth_mixture, "~/pipe.yaml")]:
        with pytest.raises(InputError, match="is a pipe"):
            read(path)
    with pytest.raises(InputError, match="is a pipe"):
        load_templates("~/pipe.h5")


@few_and_many(30)
def test_anything_is_an_entry_or_bad_input(file, examples):
    def check(text, document):
        for _ in written(file, text, document):
            with suppress(InputError):
                load_calibration(file)
            with suppress(InputError):
                checked(SimulationEntry, read_yaml(file), file)

    holds(examples, check, TEXTS, DOCUMENTS | changed(CALIBRATION) | changed(SIMULATION))


@few_and_many(30)
def test_any_values_are_a_calibration_or_bad_input(examples):
    """One made by hand: what is accepted is within its bounds, and comes back from a file."""
    good = load_calibration("default_merging").parameters["merging"]

    def check(name, value):
        with suppress(InputError):
            made = Calibration("mine", {"merging": good._replace(**{name: value})})
            low, high = bounds(type(good))[name].among(made.parameters["merging"]._asdict())
            assert low - 1e-6 <= value <= high + 1e-6

    holds(examples, check, st.sampled_from(good._fields), st.floats() | st.integers() | DOCUMENTS)
