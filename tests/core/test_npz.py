"""An npz file is read as it was written, or refused: never with other numbers, and by no other error."""

import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.npz import read_arrays
from tests.fuzz import HARMS, Restored, few_and_many, holds

ARRAYS = {
    "a": np.arange(8.0),
    "counts": np.arange(12).reshape(3, 4),
    "names": np.array(["u", "gg"]),
    "one": np.array(2.5),
}


@pytest.fixture(params=[np.savez, np.savez_compressed], ids=["plain", "packed"])
def path(request, tmp_path):
    request.param(tmp_path / "arrays.npz", **ARRAYS)
    return tmp_path / "arrays.npz"


def check(found):
    assert list(found) == list(ARRAYS)
    for name, values in ARRAYS.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype


def test_arrays_are_read_as_they_were_written(path):
    check(read_arrays(path))


@pytest.mark.parametrize(
    "content", [b"", b"no zip", None, np.array([{}], object)], ids=["empty", "text", "absent", "pickled"]
)
def test_what_is_no_such_file_is_refused_by_its_name(content, tmp_path):
    path = tmp_path / "other.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, content)
    with pytest.raises(InputError, match=r"other\.npz: cannot be read \(.*\); copy it again"):
        read_arrays(path)


def test_a_header_that_says_fewer_rows_is_refused(tmp_path):
    """What it says is read then, and the checksum stands behind the last byte."""
    path = tmp_path / "short.npz"
    np.savez(path, a=np.arange(8.0))
    content = path.read_bytes()
    assert b"(8,)" in content
    path.write_bytes(content.replace(b"(8,)", b"(4,)"))
    with pytest.raises(InputError, match=r"short\.npz: cannot be read"):
        read_arrays(path)


@few_and_many(200)
def test_a_file_that_is_damaged_has_its_arrays_or_is_refused(path, examples):
    def harmed(harm):
        with Restored(path) as one:
            path.write_bytes(harm(one.content))
            try:
                found = read_arrays(path)
            except InputError:
                return
        check(found)

    holds(examples, harmed, HARMS)
