"""What is kept on disk is what would be made, and nothing that goes wrong there stops the work."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from diffsky_factory.core import cache


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "kept"))
    return tmp_path / "kept"


def making(counts, value=1.0):
    def make():
        counts.append(value)
        return {"a": np.full(3, value), "b": np.arange(2)}

    return make


def test_arrays_are_made_once_for_the_same_parts(folder):
    counts = []
    parts = [np.arange(4.0), "name", 3]
    first = cache.kept_arrays("thing", parts, making(counts))
    again = cache.kept_arrays("thing", parts, making(counts))
    assert len(counts) == 1
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        assert first[name].dtype == again[name].dtype


@pytest.mark.parametrize(
    "other", [[np.arange(4.0), "name", 4], [np.arange(4.0) + 1e-12, "name", 3], [np.arange(4), "name", 3]]
)
def test_other_parts_are_another_table(folder, other):
    counts = []
    cache.kept_arrays("thing", [np.arange(4.0), "name", 3], making(counts))
    cache.kept_arrays("thing", other, making(counts))
    assert len(counts) == 2


def test_the_content_of_a_file_counts(folder, tmp_path):
    source = tmp_path / "code.py"
    counts = []
    for text in ("one", "two", "two"):
        source.write_text(text)
        cache.kept_arrays("thing", [source], making(counts))
    assert len(counts) == 2


@pytest.mark.parametrize(
    "damage", [lambda path: path.write_bytes(path.read_bytes()[:40]), lambda path: path.write_text("")]
)
def test_a_damaged_file_is_made_again(folder, damage):
    counts = []
    cache.kept_arrays("thing", ["x"], making(counts))
    (path,) = (folder / "tables").iterdir()
    damage(path)
    with pytest.warns(UserWarning, match="made again"):
        found = cache.kept_arrays("thing", ["x"], making(counts))
    np.testing.assert_array_equal(found["a"], np.ones(3))
    cache.kept_arrays("thing", ["x"], making(counts))
    assert len(counts) == 2


def test_a_folder_that_cannot_be_written_is_left_alone(tmp_path, monkeypatch):
    file = tmp_path / "a file"
    file.write_text("")
    monkeypatch.setenv(cache.FOLDER, str(file))
    counts = []
    with pytest.warns(UserWarning, match="cannot be written"):
        cache.kept_arrays("thing", ["x"], making(counts))
    assert len(counts) == 1


def test_nothing_is_kept_when_it_is_off(monkeypatch):
    monkeypatch.setenv(cache.FOLDER, "off")
    assert cache.cache_folder() is None
    counts = []
    for _ in range(2):
        cache.kept_arrays("thing", ["x"], making(counts))
    assert len(counts) == 2


def test_threads_that_make_the_same_arrays_do_not_meet(folder):
    """Two that write at once, each its own unfinished file: neither takes that of the other from under it."""
    begun = Barrier(4)

    def make():
        begun.wait()
        return {"x": np.arange(2_000_000.0)}

    with warnings.catch_warnings(), ThreadPoolExecutor(4) as pool:
        warnings.simplefilter("error")
        found = list(pool.map(lambda _: cache.kept_arrays("met", ["same"], make), range(4)))
    assert all(np.array_equal(one["x"], found[0]["x"]) for one in found)
    assert [file.suffix for file in (folder / "tables").iterdir()] == [".npz"]
