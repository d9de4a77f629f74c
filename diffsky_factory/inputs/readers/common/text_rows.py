"""Rows of numbers in a text file, packed or not, below comments, read by ranges of bytes, every word checked."""

import io
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.reader import Piece
from diffsky_factory.inputs.text_files import next_line, opened_text, text_size

BYTES_OF_PIECE = 2**28  # chosen: long rows come in smaller pieces, so that a piece is parsed in seconds
BLOCK = 2**24  # bytes, chosen: text held at a time
SAMPLE = 2**16  # bytes, chosen: enough rows to know how long they are
LONGEST_COMMENT = 2**16  # bytes, chosen: a line of names has 2 kB; a file that is no text ends here
DIGITS = "S21"  # a 64-bit integer has 20 characters at most; one more shows where there are too many


class TextTable(NamedTuple):
    """Where the rows of a file lie and which words of them are wanted."""

    path: Path
    start: int  # byte of the first row
    end: int  # size of the file
    width: int  # words in a row
    words: Mapping[str, tuple[int, type]]  # name -> position in a row; np.int64 or np.float64


class TextRows(NamedTuple):
    """Some rows of a table, as numbers."""

    table: TextTable
    byte: int  # where the first of them begins
    values: dict[str, np.ndarray]

    def refuse(self, bad: np.ndarray, name: str, problem: str) -> None:
        """Raise an InputError that names the line and value of the first bad row, if there is one."""
        if np.any(bad):
            row = int(np.flatnonzero(bad)[0])
            raise InputError(f"{place(self.table.path, self.byte, row)}: {name} = {self.values[name][row]}: {problem}")


def read_comments(path: Path) -> tuple[list[str], int]:
    """The lines that begin with # above the rows, without it, and the byte at which the rows begin."""
    comments, start = [], 0
    with opened_text(path) as file:
        while (line := file.readline(LONGEST_COMMENT)).startswith(b"#"):
            comments.append(line[1:].decode("utf-8", "replace").strip())
            start += len(line)
    return comments, start


def first_line(path: str | Path) -> bytes:
    """The first line of a file; nothing where there is no file."""
    path = Path(path)
    if not path.is_file():
        return b""
    with opened_text(path) as file:
        return file.readline(LONGEST_COMMENT)


def text_table(path: Path, start: int, width: int, words: Mapping[str, tuple[int, type]]) -> TextTable:
    """The table below a header; raises InputError where it has no rows, is cut off, or has other columns."""
    end = text_size(path)
    table = TextTable(path, start, end, width, words)
    with opened_text(path) as file:
        file.seek(start)
        first = next_line(file, path)
        file.seek(max(end - 1, 0))
        last = file.read(1)
    if not first.strip():
        raise InputError(f"{path}: no rows below the header; is the file complete?")
    if len(first.split()) != width:
        raise InputError(f"{place(path, start, 0)}: {_wrong_width(len(first.split()), width)}")
    if last != b"\n":
        raise InputError(f"{path}: the last line has no end, the file is truncated; copy it again")
    return table


def first_row(table: TextTable) -> dict[str, float]:
    """The wanted words of the first row."""
    with opened_text(table.path) as file:
        file.seek(table.start)
        rows = _parse(table, next_line(file, table.path), table.start)
    return {name: values[0].item() for name, values in rows.items()}


def pieces(table: TextTable, rows: int) -> list[Piece]:
    """Ranges of bytes of about so many rows; a row is of the piece in which its line begins."""
    with opened_text(table.path) as file:
        file.seek(table.start)
        sample = file.read(SAMPLE)
    length = len(sample) / max(sample.count(b"\n"), 1)
    size = int(min(rows * length, BYTES_OF_PIECE))
    borders = [*range(table.start, table.end, size), table.end]
    return [Piece(str(table.path), first, last) for first, last in pairwise(borders)]


def read_text(table: TextTable, piece: Piece) -> TextRows:
    """The rows of a piece; raises InputError, naming the line, for a word that is missing, left over or no number."""
    blocks, start = [], None
    for byte, block in _blocks(table, piece):
        start = byte if start is None else start
        blocks.append(_parse(table, block, byte))
    if not blocks:
        return TextRows(table, piece.last, {name: np.zeros(0, kind) for name, (_, kind) in table.words.items()})
    return TextRows(table, start, {name: np.concatenate([block[name] for block in blocks]) for name in table.words})


def _blocks(table: TextTable, piece: Piece) -> Iterator[tuple[int, bytes]]:
    """Whole lines that begin in a piece, some megabytes at a time, each with the byte at which it begins."""
    with opened_text(table.path) as file:
        file.seek(piece.first)
        if piece.first > table.start:  # the line that began in the piece before, if it ends in this one
            file.seek(piece.first - 1)
            next_line(file, table.path)
        while (byte := file.tell()) < piece.last:
            block = file.read(min(BLOCK, piece.last - byte))
            yield byte, block if block.endswith(b"\n") else block + next_line(file, table.path)


def _parse(table: TextTable, block: bytes, byte: int) -> dict[str, np.ndarray]:
    import pandas

    for row, line in enumerate(block.splitlines()):
        if len(line.split()) != table.width:
            raise InputError(f"{place(table.path, byte, row)}: {_wrong_width(len(line.split()), table.width)}")
    # integers come as text: a parser that meets one written as 1e9 takes the whole column through float64
    kinds = {position: DIGITS if kind is np.int64 else "float64" for position, kind in table.words.values()}
    try:
        frame = pandas.read_csv(
            io.BytesIO(block),
            sep=r"\s+",
            header=None,
            names=range(table.width),
            usecols=sorted(kinds),
            dtype=kinds,
            na_filter=False,
            quoting=3,  # quotes are no numbers
        )
        found = {name: frame[at].to_numpy().astype(kind) for name, (at, kind) in table.words.items()}
    except (ValueError, OverflowError):
        raise InputError(_not_a_number(table, block, byte)) from None
    if not all(np.isfinite(values).all() for values in found.values()):
        raise InputError(_not_a_number(table, block, byte))
    return found


def _not_a_number(table: TextTable, block: bytes, byte: int) -> str:
    """Names the first word that cannot be read."""
    for row, line in enumerate(block.splitlines()):
        words = line.decode("utf-8", "replace").split()
        for name, (position, kind) in table.words.items():
            try:
                good = np.isfinite(np.int64(int(words[position])) if kind is np.int64 else float(words[position]))
            except (ValueError, OverflowError):
                good = False
            if not good:
                what = "an integer of 64 bits" if kind is np.int64 else "a finite number"
                return (
                    f"{place(table.path, byte, row)}: {name} = '{words[position]}' is not {what}; "
                    "copy the file again, or mend or drop the line"
                )
    return f"{place(table.path, byte, 0)}: this line or one after it cannot be read as numbers"


def _wrong_width(found: int, expected: int) -> str:
    return f"{found} columns instead of {expected}; copy the file again, or restore its header"


def place(path: Path, byte: int, row: int) -> str:
    """File and line of a row, counted from a byte; reads the file up to there, as only errors ask for it."""
    lines = 0
    with opened_text(path) as file:
        while byte > 0 and (part := file.read(min(byte, BLOCK))):
            lines += part.count(b"\n")
            byte -= len(part)
    return f"{path}, line {lines + row + 1}"
