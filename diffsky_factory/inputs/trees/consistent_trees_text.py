"""The text of consistent-trees: header, rows as arrays, where trees begin, which trees belong together.

Source: consistent-trees (Behroozi et al. 2013, ApJ 763, 18), `tree_*.dat`, `locations.dat` and `forests.list`.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.text_files import lines_of, opened_text, packed_or_not, text_size

INTEGERS = {"id", "desc_id", "num_prog", "pid", "upid", "mmp?"}
HEAD = 1 << 16  # bytes, chosen: a header is 10 kB
SCAN = 1 << 20  # bytes, chosen: read at a time in search of a tree
LINES = 500_000  # chosen: rows of text parsed at a time
ALIASES = {"mmvir": "mvir", "mvir_all": "mmvir_all"}


@dataclass(frozen=True)
class Header:
    """What the lines before the first tree say."""

    path: Path
    columns: dict[str, int]  # name in small letters -> number of the column
    cosmology: dict[str, float]
    box_size: float | None  # Mpc
    begin: int  # byte of the first tree


def is_tree_file(path: Path) -> bool:
    """Whether a file starts as `tree_*.dat` does: names of columns with their numbers, and trees."""
    path = Path(path)
    if not path.is_file():
        return False
    with opened_text(path) as file:
        head = file.read(HEAD)
    return head[:40].lower().startswith(b"#scale(0) id(1) desc_scale") and b"\n#tree " in head


def read_header(path: Path) -> Header:
    """The header of a file; raises InputError, naming what is missing or in another unit."""
    try:
        with opened_text(path) as file:
            head = file.read(HEAD)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}); check the path and its permissions") from error
    begin = head.find(b"\n#tree ") + 1
    if not begin:
        raise InputError(f"{path}: no line '#tree <id>' near its beginning; it is no tree file of consistent-trees")
    lines = head[:begin].decode(errors="replace").splitlines()
    _check_units(path, lines)
    return Header(path, column_numbers(lines[0]), _cosmology(path, lines), _box_size(lines, path), begin)


def column_numbers(line: str) -> dict[str, int]:
    """Name -> number of the columns of the first line, `#name(0) name(1) ..`; one without a number follows the last."""
    numbers: dict[str, int] = {}
    number = -1
    for word in line.lstrip("#").split():
        match = re.fullmatch(r"(.+)\((\d+)\)", word)
        number = int(match[2]) if match else number + 1
        numbers.setdefault((match[1] if match else word).lower(), number)
    return numbers


def _check_units(path: Path, lines: list[str]) -> None:
    """Raise InputError where the header states a unit that is not the one of consistent-trees."""
    for what, unit in (("Masses", "Msun / h"), ("Positions", "Mpc / h (comoving)"), ("Velocities", "km / s (physical")):
        for line in lines:
            if line.startswith(f"#Units: {what}") and unit not in line:
                raise InputError(f"{path}: says '{line[1:]}', and only {unit}.. can be read; convert it")


def _cosmology(path: Path, lines: list[str]) -> dict[str, float]:
    found = dict(re.findall(r"(Omega_M|Omega_L|h0)\s*=\s*([0-9.eE+-]+)", "\n".join(lines)))
    if set(found) != {"Omega_M", "Omega_L", "h0"}:
        raise InputError(f"{path}: no header line '#Omega_M = ..; Omega_L = ..; h0 = ..'; restore it")
    matter, dark, h = (float(found[name].rstrip(".")) for name in ("Omega_M", "Omega_L", "h0"))
    if abs(matter + dark - 1.0) > 1e-3:
        raise InputError(f"{path}: Omega_M + Omega_L = {matter + dark:g}: only flat cosmologies can be read")
    if not 0.2 < h < 2.0:
        raise InputError(f"{path}: h0 = {h:g}, in units of 100 km/s/Mpc; correct the header")
    return {"Om0": matter, "h": h}


def _box_size(lines: list[str], path: Path) -> float | None:
    """Side of the box [Mpc], if a line gives it in Mpc/h."""
    match = re.search(r"#Full box size\s*=\s*([0-9.eE+-]+)\s*Mpc/h", "\n".join(lines))
    return float(match[1]) / _cosmology(path, lines)["h"] if match else None


def next_tree(path: Path, byte: int) -> int:
    """The byte at which the first line `#tree` at or after a byte begins; the size of the file if there is none."""
    mark, before = b"\n#tree ", b""
    with opened_text(path) as file:
        at = file.seek(max(byte - 1, 0))
        while block := file.read(SCAN):
            found = (before + block).find(mark)
            if found >= 0:
                return at - len(before) + found + 1
            at, before = at + len(block), (before + block)[1 - len(mark) :]
    return at


def read_text(path: Path, first: int, last: int) -> bytes:
    """Bytes of a file; raises InputError where it ends before, or within a line."""
    with opened_text(path) as file:
        file.seek(first)
        text = file.read(last - first)
    if len(text) < last - first:
        raise InputError(f"{path}: ends at byte {first + len(text)}, {last} are expected; copy the file again")
    if text and not text.endswith(b"\n"):
        raise InputError(f"{path}: its last line has no end, the file is truncated; copy it again")
    return text


def read_columns(text: bytes, names: list[str], header: Header) -> dict[str, np.ndarray]:
    """Columns of the rows of a text by name, ids as int64, the rest float64; lines that start with # are passed over.

    Raises InputError for a column that the file has not, and for rows that are incomplete or not numbers.
    """
    wanted = {name: number_of(header, name) for name in names}
    parts = list(_parsed(text, wanted, header.path))
    if not parts:
        return {name: np.zeros(0, _type(name)) for name in wanted}
    return {
        name: np.concatenate([part[number].to_numpy(_type(name)) for part in parts]) for name, number in wanted.items()
    }


def number_of(header: Header, name: str) -> int:
    """The number of a column by its name in any case; raises InputError that lists what there is."""
    for known in (name.lower(), ALIASES.get(name.lower(), "")):
        if known in header.columns:
            return header.columns[known]
    raise InputError(f"{header.path}: has no column {name!r}, but {', '.join(header.columns)}")


def _type(name: str) -> type:
    return np.int64 if name in INTEGERS else np.float64


def _parsed(text: bytes, wanted: dict[str, int], path: Path) -> Iterator[Any]:
    import pandas as pd

    first = next((line for line in text[: 4 * HEAD].splitlines() if not line.startswith(b"#")), b"").split()
    if not first:
        return
    if max(wanted.values()) >= len(first):
        raise InputError(f"{path}: its rows have {len(first)} columns, its header names more; restore the header")
    check_widths(text, len(first), path)
    # ids have no type here: with one they would pass through float64 where one of them is written as 1e9
    types = {number: float for name, number in wanted.items() if name not in INTEGERS}
    options = {"sep": r"\s+", "header": None, "comment": "#", "usecols": sorted(wanted.values()), "dtype": types}
    try:
        for part in pd.read_csv(io.BytesIO(text), chunksize=LINES, engine="c", names=range(len(first)), **options):
            if any(part[number].dtype != np.int64 for name, number in wanted.items() if name in INTEGERS):
                raise InputError(f"{path}: an id is no integer, or a row is incomplete; copy the file again")
            yield part
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: its rows are not numbers ({error}); copy the file again") from error


def check_widths(text: bytes, width: int, path: Path) -> None:
    """Raise InputError, with its beginning, for a line that has not so many words; those that start with # have any."""
    first = 0
    while first < len(text):
        end = (text.find(b"\n", first + SCAN) + 1) or len(text)
        letters = np.frombuffer(text[first:end], np.uint8)
        blank = letters <= ord(" ")
        words = np.flatnonzero(~blank & np.append(True, blank[:-1]))
        ends = np.append(np.flatnonzero(letters[:-1] == ord("\n")), len(letters) - 1)
        begins = np.append(0, ends[:-1] + 1)
        found = np.diff(np.searchsorted(words, ends, "right"), prepend=0)
        bad = np.flatnonzero((found != width) & (found > 0) & (letters[begins] != ord("#")))
        if len(bad):
            start = text[first + begins[bad[0]] :][:40].decode("utf-8", "replace")
            raise InputError(
                f"{path}: the row {start!r}.. has {found[bad[0]]} values, more or less than {width}; "
                "copy the file again"
            )
        first = end


@dataclass(frozen=True)
class Places:
    """Where trees are, those of a forest together: rows ascending in forest, then file, then byte."""

    files: tuple[Path, ...]
    file: np.ndarray  # (trees,) number of the file
    first: np.ndarray  # (trees,) byte
    last: np.ndarray  # (trees,) the byte after
    forest: np.ndarray  # (trees,) 0, 1, .. of its forest


def read_places(forests: Path, locations: Path) -> Places:
    """Trees of each forest, from `forests.list` and `locations.dat`; raises InputError where they do not agree."""
    root, forest = _table(forests, 2)
    tree, number, offset, name = _table(locations, 4)
    known = {int(n): str(file) for n, file in zip(number, name)}
    order = np.argsort(root)
    at = order[np.minimum(np.searchsorted(root[order], tree), len(root) - 1)]
    if (root[at] != tree).any():
        raise InputError(f"{forests}: lacks tree {tree[root[at] != tree][0]} of {locations}; copy both from one place")
    numbers = np.array(sorted(known))
    files = tuple(packed_or_not(locations.parent / known[n]) for n in numbers.tolist())
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise InputError(f"{locations}: names {missing[0]}, which is not there; add it beside")
    file = np.searchsorted(numbers, number)
    last = _ends(file, offset, files)
    # forests in the order of their first tree, so that files are read from front to back
    place = np.lexsort((offset, file))
    _, begins, group = np.unique(forest[at][place], return_index=True, return_inverse=True)
    group = np.argsort(np.argsort(begins))[group]
    place, group = place[(by := np.argsort(group, kind="stable"))], group[by]
    return Places(files, file[place], offset[place], last[place], group)


def _ends(file: np.ndarray, first: np.ndarray, files: tuple[Path, ...]) -> np.ndarray:
    """(trees,) the byte at which the next tree of the same file, or the end of the file, comes."""
    order = np.lexsort((first, file))
    sizes = np.array([text_size(path) for path in files])
    next_one = np.append(first[order][1:], 0)
    same = np.append(file[order][1:] == file[order][:-1], False)
    last = np.empty_like(first)
    last[order] = np.where(same, next_one, sizes[file[order]])
    if (last < first).any():
        row = int(np.argmax(last < first))
        raise InputError(f"{files[file[row]]}: ends before the tree at byte {first[row]}; copy the file again")
    return last


def _table(path: Path, columns: int) -> list[np.ndarray]:
    """Columns of a small table: int64, but for a fourth one of texts; raises InputError where it is none."""
    import pandas as pd

    types = {number: str if number == 3 else np.int64 for number in range(columns)}
    text = b"".join(lines_of(path))
    check_widths(text, columns, path)
    try:
        table = pd.read_csv(io.BytesIO(text), sep=r"\s+", header=None, comment="#", names=range(columns), dtype=types)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not {columns} columns of ids and places ({error}); copy it again") from error
    return [table[number].to_numpy() for number in range(columns)]
