"""Text files of users, packed by gzip or not: opened as the text they hold, whose lines end."""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.user_files import user_file

LONGEST_LINE = 2**20  # bytes, chosen: a row of a hundred numbers has 2 kB
GZIP = b"\x1f\x8b"

Text = gzip.GzipFile | io.BufferedReader


@contextmanager
def opened_text(path: str | Path) -> Iterator[Text]:
    """A text file to read as bytes, unpacked where it begins as gzip does, whatever its name.

    Packed text is unpacked from its beginning for each place that is sought.
    Raises InputError where it is a folder, device or pipe, or where what is packed is damaged, also while it is read.
    """
    path = user_file(path)
    try:
        with path.open("rb") as file:
            packed = file.read(len(GZIP)) == GZIP
            file.seek(0)
            with gzip.open(file) if packed else nullcontext(file) as text:
                yield text
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: cannot be unpacked ({error}); it is truncated or damaged, copy it again") from error


def next_line(file: Text, path: str | Path) -> bytes:
    """The next line of a file, nothing at its end; raises InputError for one of more than a megabyte."""
    line = file.readline(LONGEST_LINE)
    if len(line) == LONGEST_LINE:
        raise InputError(f"{path}: a line has more than {LONGEST_LINE} bytes; is it a text?")
    return line


def lines_of(path: str | Path) -> Iterator[bytes]:
    """The lines of a text file; raises InputError as the two above."""
    with opened_text(path) as file:
        while line := next_line(file, path):
            yield line


def text_size(path: str | Path) -> int:
    """Bytes of the text, unpacked."""
    with opened_text(path) as file:
        return file.seek(0, os.SEEK_END)


def packed_or_not(path: Path) -> Path:
    """A path, or that of the same file packed, where only this is there."""
    packed = path.with_name(path.name + ".gz")
    return packed if packed.is_file() and not path.exists() else path


def suffix_of(path: str | Path) -> str:
    """Suffix of a name, without the `.gz` of one that is packed."""
    return Path(_unpacked(path)).suffix


def stem_of(path: str | Path) -> str:
    """Name of a file without its suffix and `.gz`."""
    return Path(_unpacked(path)).stem


def _unpacked(path: str | Path) -> str:
    return Path(path).name.removesuffix(".gz")
