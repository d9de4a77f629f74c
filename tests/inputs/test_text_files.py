"""Text files: the same text packed or not, and lines that end."""

import gzip

import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.text_files import (
    LONGEST_LINE,
    lines_of,
    opened_text,
    packed_or_not,
    stem_of,
    suffix_of,
    text_size,
)

TEXT = b"".join(b"%d some words\n" % number for number in range(100_000))


@pytest.mark.parametrize("name", ["rows.txt", "rows.txt.gz"])
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_packed_is_known_by_its_first_bytes(name, packed, tmp_path):
    path = tmp_path / name
    path.write_bytes(gzip.compress(TEXT) if packed else TEXT)
    assert b"".join(lines_of(path)) == TEXT
    assert text_size(path) == len(TEXT)
    with opened_text(path) as file:
        file.seek(1_000_000)
        assert file.read(100) == TEXT[1_000_000:1_000_100]
    assert (stem_of(path), suffix_of(path)) == ("rows", ".txt")


@pytest.mark.parametrize("left", [[slice(50_000)], [slice(2)], [slice(500), slice(600, None)]])
def test_a_packed_file_that_is_damaged_is_named(left, tmp_path):
    path = tmp_path / "rows.txt.gz"
    path.write_bytes(b"".join(gzip.compress(TEXT)[part] for part in left))
    with pytest.raises(InputError, match=r"rows\.txt\.gz: cannot be unpacked"):
        list(lines_of(path))


def test_a_line_without_end_is_refused(tmp_path):
    path = tmp_path / "zeros.txt"
    for content in (bytes(2 * LONGEST_LINE), b"1\n" + bytes(2 * LONGEST_LINE)):
        for written in (content, gzip.compress(content)):
            path.write_bytes(written)
            with pytest.raises(InputError, match=r"zeros\.txt: a line has more than 1048576 bytes"):
                list(lines_of(path))


def test_the_packed_file_stands_for_one_that_is_absent(tmp_path):
    path, packed = tmp_path / "a.list", tmp_path / "a.list.gz"
    assert packed_or_not(path) == path
    packed.touch()
    assert packed_or_not(path) == packed
    path.touch()
    assert packed_or_not(path) == path
