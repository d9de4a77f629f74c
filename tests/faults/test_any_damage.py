"""Stores in which any byte of any file is damaged: read as they were written, or refused; and found by verifying."""

from contextlib import suppress

import pytest
from hypothesis import strategies as st

import diffsky_factory as dff
from diffsky_factory.factory.runs import ingest as ingesting
from diffsky_factory.factory.runs.stores import status
from tests.fuzz import HARMS, Restored, few_and_many, holds
from tests.inputs.readers.inspected import MadeUp, on_a_cone
from tests.stores import NOT_OURS

GONE = st.just(None)
PLACE = 134.4, 0.0  # in the region of `plain`


@pytest.fixture
def galaxies(plain_copy):
    return plain_copy


@pytest.fixture
def halos(tmp_path, monkeypatch):
    reader = MadeUp(on_a_cone(n=500, satellites=200), rows_of_piece=150)
    monkeypatch.setattr(ingesting, "open_reader", lambda name: reader)
    dff.ingest("made up", tmp_path / "halos.zarr")
    return tmp_path / "halos.zarr"


def all_of(path, kind):
    """What a user reads of a store, whole and cut."""
    ds = dff.open_catalog(path, **({"tiles": {"order": 0}} if kind == "halos" else {}))
    cut = ds.sky.cone(*PLACE, 20.0 if kind == "halos" else 0.2)
    return ds.load(), cut.load(), ds.sky.area, cut.sky.area, ds.sky.cosmology, ds.sky.simulation


@pytest.mark.parametrize("kind", ["galaxies", "halos"])
@few_and_many(6)
def test_a_damaged_store_is_refused_or_what_was_written(kind, examples, request):
    path = request.getfixturevalue(kind)
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name not in NOT_OURS)
    right = all_of(path, kind)

    def check(number, harm):
        with Restored(files[number % len(files)]) as one:
            one.path.unlink()
            if harm is not None:
                one.path.write_bytes(harm(one.content))
            changed = harm is None or one.path.read_bytes() != one.content
            with suppress(dff.InputError):
                found = all_of(path, kind)
                assert found[0].identical(right[0])
                assert found[1].identical(right[1])
                assert found[2:] == right[2:]
            with suppress(dff.InputError):
                assert bool(status(path, verify=True).damaged) == changed

    holds(examples, check, st.integers(0, 10_000), HARMS | GONE, shrink=False)


def test_two_shards_of_one_size_that_change_places_are_found_by_verifying(galaxies):
    files = [file for file in sorted((galaxies / "galaxies").rglob("c/*")) if file.is_file()]
    by_size = {}
    for file in files:
        by_size.setdefault((file.parent, file.stat().st_size), []).append(file)
    one, other = next(
        pair[:2] for pair in by_size.values() if len(pair) > 1 and len({f.read_bytes() for f in pair}) > 1
    )
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    damaged = " ".join(status(galaxies, verify=True).damaged)
    assert all(str(file.relative_to(galaxies)) in damaged for file in (one, other))
