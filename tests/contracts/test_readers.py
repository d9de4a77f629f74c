"""What holds for every reader of simulations, whatever its format."""

import json
import pickle
import re

import h5py
import numpy as np
import pytest

from diffsky_factory.core.columns import column
from diffsky_factory.core.errors import InputError
from diffsky_factory.halos.gathered.gathering import gathered_columns
from diffsky_factory.halos.gathered.stored import gather_in_memory
from diffsky_factory.inputs.readers.common import text_rows
from diffsky_factory.inputs.readers.open import READERS, open_snapshots, reader_class
from diffsky_factory.inputs.readers.reader import REQUIRED, Reader
from diffsky_factory.inputs.readers.table import files as table_files
from diffsky_factory.inputs.trees import consistent_trees, galacticus_forest, hacc_core_forest, sublink
from diffsky_factory.inputs.trees.formats import FORMATS
from diffsky_factory.sky.cosmology import comoving_distance_64
from tests.inputs.readers.products import PRODUCTS, entry_of, format_of

NAMED_BY_AN_ENTRY = ("table",)
"""Formats whose files say too little to be opened by their path."""

HALOS = [name for name in PRODUCTS if format_of(name) in READERS]
"""Products of halos; the others are merger trees."""

ROWS_APART = [name for name in HALOS if not name.startswith("abacus") and name not in ("table, parquet", "table, fits")]
"""Products of which a test can tell from outside whether rows are read; merger trees look for their snapshots."""


@pytest.fixture(params=PRODUCTS)
def product(request, tmp_path):
    """Its name, the reader that an entry opens, and the entry."""
    reader = PRODUCTS[request.param](tmp_path)
    entry = entry_of(reader, tmp_path)
    (opened,) = open_snapshots(entry)
    return request.param, opened, entry


def read(reader, pieces=None):
    """All columns, and what was left out."""
    parts = [reader.read(piece) for piece in (reader.pieces() if pieces is None else pieces)]
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in reader.columns}
    dropped = {}
    for part in parts:
        for why, number in part.dropped.items():
            dropped[why] = dropped.get(why, 0) + number
    return columns, dropped


def everything(entry):
    return [read(reader) for reader in open_snapshots(entry)]


@pytest.fixture
def small_pieces(monkeypatch):
    """A few rows each, whatever a format counts in."""

    def make():
        monkeypatch.setattr(Reader, "rows_of_piece", 2)
        monkeypatch.setattr(text_rows, "BLOCK", 100)
        monkeypatch.setattr(table_files.TableFile, "piece", 2)
        monkeypatch.setattr(table_files, "PIECE_BYTES", 100)
        monkeypatch.setattr(consistent_trees, "BYTES_PER_PIECE", 100)
        for module in (galacticus_forest, hacc_core_forest, sublink):
            monkeypatch.setattr(module, "NODES_PER_PIECE", 5)

    return make


def test_every_format_has_a_product_here():
    assert {format_of(name) for name in PRODUCTS} == {*READERS, *FORMATS}


def test_pieces_are_the_product_once_in_whatever_order(product, small_pieces):
    name, reader, entry = product
    whole, dropped = read(reader)
    small_pieces()
    (again,) = open_snapshots(entry)
    pieces = list(again.pieces())
    assert len(pieces) > 1 or name == "consistent_trees"  # whose trees are one forest
    assert len(set(pieces)) == len(pieces)
    backwards, dropped_again = read(again, pieces[::-1])
    order, other = (np.argsort(rows["simulation_halo_id"], kind="stable") for rows in (whole, backwards))
    assert dropped_again == dropped
    for name in whole:
        np.testing.assert_array_equal(backwards[name][other], whole[name][order], err_msg=name)


def test_columns_are_those_declared_and_in_the_schema(product):
    _, reader, _ = product
    assert {name: reader.columns[name] for name in REQUIRED} == REQUIRED
    for piece in reader.pieces():
        found = reader.read(piece).columns
        assert list(found) == list(reader.columns)
        assert len({len(values) for values in found.values()}) == 1
        for name, values in found.items():
            low, high = column(name).range
            assert type(values) is np.ndarray, name
            assert values.dtype == np.dtype(reader.columns[name]), name
            assert values.ndim == 1 + len(column(name).axes), name
            assert np.isfinite(values).all(), name
            assert ((values >= low) & (values <= high)).all(), name


def test_ids_are_unique_and_hosts_are_there(product):
    _, reader, _ = product
    rows, _ = read(reader)
    ids, hosts = rows["simulation_halo_id"], rows["simulation_host_halo_id"]
    assert len(ids) > 1
    assert len(np.unique(ids)) == len(ids)
    assert ids.min() >= 0
    assert np.isin(hosts, ids).all()
    assert (hosts == ids).any()


def test_positions_lie_in_the_box_or_at_the_distance_of_their_redshift(product):
    _, reader, _ = product
    rows, _ = read(reader)
    position = np.stack([rows[axis] for axis in "xyz"], axis=-1)
    if reader.geometry == "box":
        assert (position >= 0.0).all()
        assert (position < reader.attributes["box_size"]).all()
        return
    radius = np.linalg.norm(position, axis=-1)
    assert (radius > 0.0).all()
    if "redshift" in rows:
        expected = comoving_distance_64(reader.cosmology, rows["redshift"])
        np.testing.assert_allclose(radius, expected, rtol=2e-3)


def test_attributes_are_plain_and_say_what_is_needed(product):
    _, reader, _ = product
    attributes = reader.attributes
    assert attributes["name"]
    assert isinstance(attributes["mass_definition"], str)
    if reader.geometry == "box":
        assert attributes["box_size"] > 0.0
        assert attributes["redshift"] >= 0.0
    check_plain(attributes)
    json.dumps(attributes, allow_nan=False)
    assert reader.files
    assert all(file.exists() for file in reader.files)


def check_plain(value):
    """Texts, numbers, truth values, and lists and mappings of them."""
    if isinstance(value, dict):
        assert all(isinstance(key, str) for key in value)
        for one in value.values():
            check_plain(one)
    elif isinstance(value, list | tuple):
        for one in value:
            check_plain(one)
    else:
        assert isinstance(value, str | bool | int | float), value


def test_an_unknown_option_is_refused_with_near_matches(product):
    _, reader, entry = product
    options = type(reader).Options.model_fields
    known = next(iter(options), "hosts")
    entry_of(reader, entry.parent, options={**reader.entry.options, f"{known}s": 1})
    with pytest.raises(InputError, match=rf"'{known}s'.*({known}|there are none)"):
        open_snapshots(entry)


@pytest.mark.parametrize("product", HALOS, indirect=True)
def test_a_column_that_cannot_be_chosen_is_refused(product):
    _, reader, entry = product
    entry_of(reader, entry.parent, columns={**reader.entry.columns, "log10_halo_mas": "mass"})
    with pytest.raises(InputError, match="'log10_halo_mas'"):
        open_snapshots(entry)


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10 | 1])


def empty(path):
    path.write_bytes(b"")


def hdf5_of_another_kind(path):
    path.unlink()
    with h5py.File(path, "w") as file:
        file["other/values"] = np.arange(1000.0)


def text_of_another_kind(path):
    path.write_text("# a list of\n" + "".join(f"{i} {i} {i}\n" for i in range(100)))


def picture(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40)


@pytest.mark.parametrize("damage", [cut, empty, hdf5_of_another_kind, text_of_another_kind, picture])
def test_a_damaged_file_or_one_of_another_format_is_refused_by_its_name(product, damage):
    _, reader, entry = product
    damage(reader.path)
    with pytest.raises(InputError, match=re.escape(reader.path.name)) as caught:
        everything(entry)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("product", ROWS_APART, indirect=True)
def test_opening_reads_no_rows(product, monkeypatch):
    _, reader, entry = product
    if h5py.is_hdf5(reader.path):
        monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda *_: pytest.fail("rows were read"))
        assert open_snapshots(entry)
        return
    content = reader.path.read_bytes()
    reader.path.write_bytes(content[:-9] + b"\xff" * 8 + content[-1:])  # the last row is none
    (opened,) = open_snapshots(entry)
    with pytest.raises(InputError, match=re.escape(reader.path.name)):
        read(opened)


def test_a_reader_is_sent_to_another_process(product):
    _, reader, _ = product
    before, _ = read(reader)
    again = pickle.loads(pickle.dumps(reader))
    after, _ = read(again)
    assert again.attributes == reader.attributes
    assert again.columns == reader.columns
    assert again.cosmology == reader.cosmology
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)


def test_a_file_is_recognised_by_its_own_format_alone(product, tmp_path):
    name, reader, _ = product
    recognised = [known for known in READERS if reader_class(known, "here").recognises(reader.path)]
    recognised += [known for known, (_, recognises) in FORMATS.items() if recognises(reader.path)]
    assert recognised == [known for known in (format_of(name),) if known not in NAMED_BY_AN_ENTRY]
    if recognised and len(reader.files) == 1 and not reader.entry.cosmology:  # the file says all that is needed
        (opened,) = open_snapshots(reader.path)
        assert type(opened) is type(reader)
    for known in READERS:
        assert not reader_class(known, "here").recognises(tmp_path)
        assert not reader_class(known, "here").recognises(tmp_path / "absent")


def test_what_is_read_can_be_gathered(product):
    _, reader, _ = product
    rows, dropped = read(reader)
    table = gather_in_memory(reader)
    assert table.attributes["rows"]["rows"] == len(rows["x"])
    assert {f"left out: {why}": number for why, number in dropped.items()}.items() <= table.attributes["rows"].items()
    assert set(table.columns) == set(gathered_columns(reader))
