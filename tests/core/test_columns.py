"""The schema of columns: one meaning for each name, units that software understands."""

import numpy as np
import pytest
import xarray as xr
import yaml
from astropy import units

from diffsky_factory.core.axes import axes
from diffsky_factory.core.columns import Column, column, columns
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.resources import USER_PATH, resource
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


@pytest.mark.parametrize("one", ALL.values(), ids=lambda one: one.name)
def test_attributes_are_texts_numbers_and_lists_of_integers(one):
    for name, value in one.attributes.items():
        assert type(value) in (str, int, float, list), name
        assert value != [], name
        assert not isinstance(value, list) or {type(item) for item in value} == {int}, name
    kinds = {type(one.attributes[end]) for end in ("valid_min", "valid_max") if end in one.attributes}
    assert kinds == {"b": set(), "i": {int}, "f": {float}}[np.dtype(one.dtype).kind]


def test_a_column_of_each_name_is_written_to_netcdf_and_comes_back_equal(tmp_path):
    def some(column):
        shape = (3, *(2 for _ in column.axes))
        if column.dtype == "bool":
            return np.zeros(shape, bool)
        low, high = column.attributes["valid_min"], column.attributes["valid_max"]
        return np.stack([np.full(shape[1:], value, column.dtype) for value in (low, high, max(low, 0))])

    ds = xr.Dataset(
        {name: (("galaxy", *one.axes), some(one), one.attributes) for name, one in ALL.items()},
        {one.name: (one.name, list(one.labels[:2] or (1.0, 2.0)), one.attributes) for one in axes().values()},
    )
    ds.to_netcdf(tmp_path / "all.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "all.nc", engine="h5netcdf") as again:
        xr.testing.assert_identical(again.load(), ds)


def test_labels_of_plots_tell_columns_apart():
    labels = [one.label for one in ALL.values()]
    assert len(set(labels)) == len(labels)
    assert max(map(len, labels)) <= 50
    assert not [label for label in labels if "log10" in label or "_" in label.replace("A_V", "") or label[-1] == "."]


def test_a_column_without_a_label_has_its_name_in_words():
    entry = {"unit": "dex(solMass)", "dtype": "float32", "range": (0, 17), "ucd": "phys.mass", "description": "Mass."}
    assert Column(name="log10_gas_mass", **entry).attributes["long_name"] == "gas mass"


def test_the_largest_integer_is_within_its_range():
    largest = column("galaxy_id").attributes["valid_max"]
    assert np.int64(largest) == np.iinfo(np.int64).max


def test_no_entry_says_a_thing_twice():
    for file in sorted(resource("schemas").rglob("*.yaml")):
        entries = yaml.compose(file.read_text()).value
        for entry in entries:
            said = [key.value for key, _ in entry.value]
            assert len(set(said)) == len(said), (file.name, said)


def test_names_and_aliases_of_one_peer_are_unique():
    for peer in {peer for one in ALL.values() for peer in one.aliases}:
        names = [one.aliases[peer] for one in ALL.values() if peer in one.aliases]
        assert len(set(names)) == len(names), peer


def test_columns_of_ones_own_are_beside_those_of_the_project(own_schemas):
    own_schemas("- {name: depth, unit: mag, dtype: float32, range: [0, 40], ucd: phot.mag, description: Depth.}\n")
    assert column("depth").unit == "mag"
    assert column("lsst_y10/depth").name == "lsst_y10/depth"
    assert column("mag_true").unit == "mag(AB)"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "- {name: mag_true, unit: mag, dtype: float32, range: [0, 1], ucd: phot.mag, description: A.}\n",
            "'mag_true' is defined already; give yours another name",
        ),
        ("- {name: depth, unit: mag}\n", r"'depth' is no column \(dtype: Field required"),
        ("name: depth\n", "a list of entries is wanted"),
        ("- [unfinished\n", "not valid YAML"),
    ],
    ids=["twice", "unfinished", "no list", "no yaml"],
)
def test_a_schema_that_is_none_is_refused_by_its_file(own_schemas, text, said):
    own_schemas(text)
    with pytest.raises(InputError, match=rf"mine\.yaml(, line 2)?: {said}"):
        columns()


@pytest.fixture
def own_schemas(tmp_path, monkeypatch):
    """Write a schema of one's own, where it is found."""
    folder = tmp_path / "schemas" / "columns"
    folder.mkdir(parents=True)
    monkeypatch.setenv(USER_PATH, str(tmp_path))
    return (folder / "mine.yaml").write_text


def test_an_unknown_column_lists_those_like_it():
    with pytest.raises(KeyError, match="did you mean mag_true"):
        column("mag_tru")
    assert isinstance(column("mag_true"), Column)


def test_every_column_that_a_stage_reads_or_writes_and_every_stored_one_is_in_the_schema():
    used = {name for one in (*stages(), *RIVALS) for name in (*one.reads, *one.writes)}
    assert used | set(STORED_COLUMNS) <= set(ALL)


def test_a_column_that_is_added_or_edited_in_a_session_is_known(tmp_path, monkeypatch):
    folder = tmp_path / "schemas/columns"
    folder.mkdir(parents=True)
    monkeypatch.setenv("DIFFSKY_FACTORY_CATALOG_PATH", str(tmp_path))
    text = "- {name: my_flux, unit: nJy, dtype: float32, range: [0, 1], ucd: phot.flux, description: Mine.}\n"
    with pytest.raises(KeyError, match="no column 'my_flux'"):
        column("my_flux")
    (folder / "mine.yaml").write_text(text)
    assert column("my_flux").range == (0, 1)
    (folder / "mine.yaml").write_text(text.replace("[0, 1]", "[0, 1000]"))
    assert column("my_flux").range == (0, 1000)
