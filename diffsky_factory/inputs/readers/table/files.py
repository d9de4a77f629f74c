"""Plain tables on disk, one class per format: which columns there are, in which units, and any rows of them."""

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory.core.errors import InputError, near
from diffsky_factory.core.user_files import user_file
from diffsky_factory.inputs.readers.common import hdf5
from diffsky_factory.inputs.readers.common.sizes import check_size, folder_bytes
from diffsky_factory.inputs.readers.common.text_rows import place
from diffsky_factory.inputs.text_files import next_line, opened_text, suffix_of

PIECE = 2**20  # chosen: rows of a piece, those of a row group as pyarrow writes them
PIECE_BYTES = 2**26  # chosen: of a text, half a million rows of ten numbers
FITS = b"SIMPLE"
VECTOR = re.compile(r"(.*)\[(\d+)\]")


@dataclass(frozen=True)
class TableFile:
    """One file, of which some columns are used; `place` is the group inside of it, or the number of the extension.

    `size` counts what pieces are ranges of: rows, or bytes of a text.
    """

    path: Path
    used: tuple[str, ...]
    place: str = ""

    piece = PIECE

    @cached_property
    def units(self) -> dict[str, str]:
        """Name of each column -> its unit, "" where the file does not say."""
        raise NotImplementedError

    @cached_property
    def size(self) -> int:
        """Rows, or bytes."""
        raise NotImplementedError

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return self.size

    def row(self, first: int) -> int:
        """Number of the row with which a piece begins."""
        return first

    def read(self, first: int, last: int, names: Sequence[str]) -> dict[str, np.ma.MaskedArray | np.ndarray]:
        """Columns, or components of columns, of a piece; masked where values are missing."""
        stored = {name: self.stored(name) for name in names}
        parts = self.slices(first, last, sorted({column for column, _ in stored.values()}))
        return {name: _component(self.path, parts[column], name, at) for name, (column, at) in stored.items()}

    def slices(self, first: int, last: int, names: Sequence[str]) -> dict[str, np.ma.MaskedArray | np.ndarray]:
        """Whole columns of a piece."""
        raise NotImplementedError

    def stored(self, name: str) -> tuple[str, int | None]:
        """Name on disk, and component of the vector; raises InputError where there is no such column."""
        vector = VECTOR.fullmatch(name)
        if name in self.units:
            return name, None
        if vector and vector[1] in self.units:
            return vector[1], int(vector[2])
        raise InputError(f"{self.path}: no column {name!r}; {near(name, self.units)}")


def _component(path: Path, values: np.ndarray, name: str, at: int | None) -> np.ndarray:
    if at is None:
        return values
    if values.ndim != 2 or at >= values.shape[1]:
        raise InputError(f"{path}: {name!r}: the column has shape {values.shape}; there is no such component")
    return values[:, at]


class ParquetFile(TableFile):
    """Parquet; the unit is the field's metadata `unit` or `units`. Row groups that overlap a piece are read."""

    @cached_property
    def _file(self) -> Any:
        try:
            from pyarrow import parquet
        except ImportError as error:
            raise InputError(f"{self.path}: pip install 'diffsky_factory[sims]' to read Parquet ({error})") from error
        return parquet.ParquetFile(self.path)

    @cached_property
    def units(self) -> dict[str, str]:
        return {field.name: _unit(field.metadata or {}) for field in self._file.schema_arrow}

    @cached_property
    def size(self) -> int:
        return self._file.metadata.num_rows

    def slices(self, first, last, names):
        sizes = [self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)]
        starts = np.cumsum([0, *sizes])
        groups = [i for i in range(len(sizes)) if starts[i] < last and starts[i + 1] > first]
        table = self._file.read_row_groups(groups, columns=list(names)).slice(first - starts[groups[0]], last - first)
        return {name: _from_arrow(self.path, name, table.column(name)) for name in names}

    def __getstate__(self):
        return {"path": self.path, "used": self.used, "place": self.place}  # an open file stays where it is


def _from_arrow(path: Path, name: str, column: Any) -> np.ndarray:
    import pyarrow
    from pyarrow import compute

    array = column.combine_chunks()
    if pyarrow.types.is_list(array.type) or pyarrow.types.is_fixed_size_list(array.type):
        lengths = np.unique(compute.list_value_length(array).to_numpy(zero_copy_only=False))  # NaN for a missing list
        values = array.flatten().to_numpy(zero_copy_only=False)
        if len(lengths) != 1:
            raise InputError(f"{path}: {name!r} has lists of different lengths; write it as vectors of one length")
        return values.reshape(len(array), -1)
    missing = array.is_null().to_numpy(zero_copy_only=False)
    if missing.any():
        array = array.fill_null(False if pyarrow.types.is_boolean(array.type) else 0)
        return np.ma.MaskedArray(array.to_numpy(zero_copy_only=False), missing)
    return array.to_numpy(zero_copy_only=False)


class Hdf5File(TableFile):
    """HDF5: datasets of one group, of equal length; the unit is the attribute `unit` or `units`."""

    @cached_property
    def _found(self) -> tuple[dict[str, str], dict[str, int]]:
        import h5py

        with h5py.File(self.path, "r") as file:
            group = file[self.place] if self.place else file
            columns = {name: item for name, item in _datasets(group) if item.ndim >= 1}
            for item in columns.values():
                hdf5.check_values(item)
            return {name: _unit(item.attrs) for name, item in columns.items()}, {
                name: item.shape[0] for name, item in columns.items()
            }

    @property
    def units(self) -> dict[str, str]:
        return self._found[0]

    @cached_property
    def size(self) -> int:
        return _length(self, self._found[1])

    def slices(self, first, last, names):
        import h5py

        with h5py.File(self.path, "r") as file:
            group = file[self.place] if self.place else file
            return {name: group[name][first:last] for name in names}


class ZarrFile(TableFile):
    """Zarr: arrays of one group, of equal length; the unit is the attribute `unit` or `units`."""

    @cached_property
    def _group(self) -> Any:
        import zarr

        return zarr.open_group(self.path, mode="r", zarr_format=3, path=self.place or None)

    @cached_property
    def units(self) -> dict[str, str]:
        return {name: _unit(dict(array.attrs)) for name, array in self._group.arrays() if array.ndim}

    @cached_property
    def size(self) -> int:
        columns, held = {name: array for name, array in self._group.arrays() if array.ndim}, folder_bytes(self.path)
        for name, array in columns.items():
            check_size(self.path, f"array {name}", array.nbytes, held)
        return _length(self, {name: array.shape[0] for name, array in columns.items()})

    def slices(self, first, last, names):
        return {name: np.asarray(self._group[name][first:last]) for name in names}


class FitsFile(TableFile):
    """FITS: a binary table, the first or that of the number `place`; units are TUNIT, missing integers TNULL."""

    @cached_property
    def _found(self) -> tuple[dict[str, str], int, dict[str, Any]]:
        from astropy.io import fits

        with fits.open(self.path, memmap=True) as file:
            table = self._table(file)
            units = {column.name: column.unit or "" for column in table.columns}
            missing = {column.name: column.null for column in table.columns if column.null is not None}
            data = table._data_offset + table.header["NAXIS1"] * table.header["NAXIS2"]
            if self.path.suffix != ".gz" and data > self.path.stat().st_size:
                raise InputError(f"{self.path}: ends before its last row does; copy it again")
            check_size(self.path, "its table", data, self.path.stat().st_size)
            return units, int(table.header["NAXIS2"]), missing

    def _table(self, file: Any) -> Any:
        from astropy.io import fits

        tables = [
            item for i, item in enumerate(file) if isinstance(item, fits.BinTableHDU) and self.place in ("", str(i))
        ]
        if not tables:
            raise InputError(f"{self.path}: no binary table {self.place}; give its number as the option `group`")
        return tables[0]

    @property
    def units(self) -> dict[str, str]:
        return self._found[0]

    @property
    def size(self) -> int:
        return self._found[1]

    def slices(self, first, last, names):
        from astropy.io import fits

        with fits.open(self.path, memmap=True) as file:
            rows = self._table(file).data[first:last]
            found = {name: np.array(rows.field(name)) for name in names}
        found = {name: values.astype(values.dtype.newbyteorder("=")) for name, values in found.items()}
        masks = {name: found[name] == null for name, null in self._found[2].items() if name in found}
        return found | {name: np.ma.MaskedArray(found[name], mask) for name, mask in masks.items() if mask.any()}


class TextFile(TableFile):
    """CSV, ECSV with its units, or columns between blanks, packed by gzip or not: a line of names, then one per row.

    Pieces are ranges of bytes.
    """

    @property
    def piece(self) -> int:
        return PIECE_BYTES

    @cached_property
    def _head(self) -> tuple[list[bytes], bytes, int]:
        """Comment lines, the line of names, and where rows begin."""
        comments = []
        with opened_text(self.path) as file:
            while line := next_line(file, self.path):
                if not line.startswith(b"#") and line.strip():
                    return comments, line, file.tell()
                comments.append(line)
        raise InputError(f"{self.path}: no line of column names; is the file complete?")

    @cached_property
    def _separator(self) -> str:
        return "," if b"," in self._head[1] or suffix_of(self.path) == ".csv" else r"\s+"

    @cached_property
    def units(self) -> dict[str, str]:
        comments, names, _ = self._head
        if comments and comments[0].startswith(b"# %ECSV"):
            from astropy.table import Table

            table = Table.read(b"".join([*comments, names]).decode(), format="ascii.ecsv")
            return {name: str(table[name].unit or "") for name in table.colnames}
        words = re.split(self._separator, names.decode().strip())
        return dict.fromkeys((word.strip().strip('"') for word in words), "")

    @cached_property
    def size(self) -> int:
        with opened_text(self.path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(size - 1)
            if file.read(1) != b"\n":
                raise InputError(f"{self.path}: the last line has no end, the file is truncated; copy it again")
        return size - self._head[2]

    @cached_property
    def rows(self) -> int:
        return self.row(self.size)

    def row(self, first: int) -> int:
        count, left, block = 0, first, b"\n"
        with opened_text(self.path) as file:
            file.seek(self._head[2])
            while left > 0 and (part := file.read(min(left, 2**24))):
                count, left, block = count + part.count(b"\n"), left - len(part), part
        # the line that a range begins in belongs to the range before
        return count + (not block.endswith(b"\n"))

    def slices(self, first, last, names):
        import pandas

        begin, text = self._lines(first, last)
        self._check_widths(begin, text)
        frame = pandas.read_csv(
            BytesIO(text), sep=self._separator, names=list(self.units), usecols=list(names), header=None, comment="#"
        )
        wrong = [name for name in names if len(text) and frame[name].dtype.kind not in "iufb"]
        if wrong:
            raise InputError(
                f"{self.path}: {wrong[0]!r} is not a number everywhere from row {self.row(first)} on; mend it"
            )
        found = {name: frame[name].to_numpy() for name in names}
        return {name: values if len(values) else values.astype(np.int64) for name, values in found.items()}

    def _check_widths(self, begin: int, text: bytes) -> None:
        """Refuse lines that have not a word for each column, from which values would move to others."""
        width, delimiter = len(self.units), "," if self._separator == "," else None
        for row, line in enumerate(text.split(b"\n")):
            before = line.partition(b"#")[0]
            line = line if b'"' in before else before  # within quotes it begins no comment
            if line.count(b'"') % 2:
                raise InputError(f"{place(self.path, begin, row)}: a quote has no end in its line; mend the line")
            words = _words(line, delimiter)
            if words and len(words) != width:
                raise InputError(
                    f"{place(self.path, begin, row)}: {len(words)} values instead of {width}; decimals have a point, "
                    "and each line a value for each column"
                )

    def _lines(self, first: int, last: int) -> tuple[int, bytes]:
        """Lines that begin in a range of bytes, whole, and the byte of the file at which they begin."""
        with opened_text(self.path) as file:
            file.seek(self._head[2] + first - 1)
            next_line(file, self.path)  # ends the line that began in the range before
            at = file.tell()
            text = file.read(max(self._head[2] + last - at, 0))
            return at, text if text.endswith(b"\n") or not text else text + next_line(file, self.path)


def _words(line: bytes, delimiter: str | None) -> list:
    """Words of a line; between blanks, where there is no delimiter."""
    if b'"' in line:
        text = line.decode(errors="replace").strip()
        return next(csv.reader([text], delimiter=delimiter or " ", skipinitialspace=True), [])
    line = line.strip()
    return line.split(delimiter.encode() if delimiter else None) if line else []


KINDS = {
    ".parquet": ParquetFile, ".pq": ParquetFile, ".hdf5": Hdf5File, ".h5": Hdf5File, ".zarr": ZarrFile,
    ".fits": FitsFile, ".fit": FitsFile, ".csv": TextFile, ".ecsv": TextFile,
    ".txt": TextFile, ".dat": TextFile,
}  # fmt: skip


def open_table(path: Path, used: Sequence[str], place: str = "") -> TableFile:
    """A table by the suffix of its name, under `.gz` where it is packed, of which some columns are used.

    Raises InputError, naming it, where it cannot be read, has no rows or has no such columns.
    """
    path = user_file(path, folders=Path(path).suffix == ".zarr")
    kind = _kind(path)
    return guarded(path, lambda: _checked(kind(path, tuple(used), place)))


def _kind(path: Path) -> type[TableFile]:
    packed, suffix = path.suffix == ".gz", suffix_of(path)
    kind = KINDS.get(suffix)
    if kind is None and packed:
        with opened_text(path) as file:
            return FitsFile if file.read(len(FITS)) == FITS else TextFile
    if kind is None:
        raise InputError(f"{path}: a table of unknown kind {suffix!r}; known: {', '.join(KINDS)}")
    if packed and kind not in (FitsFile, TextFile):
        raise InputError(f"{path}: {suffix} is read as it is; unpack it")
    return kind


def _checked(table: TableFile) -> TableFile:
    for name in table.used:
        table.stored(name)
    if table.size == 0:
        raise InputError(f"{table.path}: no rows; is the file complete?")
    return table


def guarded(path: Path, action: Any) -> Any:
    """The result of an action on a file; what the libraries raise becomes an InputError that names it."""
    try:
        return action()
    except InputError:
        raise
    except Exception as error:
        problem = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise InputError(f"{path}: cannot be read ({problem}); copy it again") from error


def _unit(attributes: Any) -> str:
    """The unit in attributes or metadata, whose keys and values may be bytes."""
    for name in ("unit", "units", b"unit", b"units"):
        if name in attributes:
            value = attributes[name]
            return value.decode() if isinstance(value, bytes) else str(value)
    return ""


def _datasets(group: Any, prefix: str = "") -> Any:
    """Name and dataset of everything below an HDF5 group."""
    import h5py

    for name, item in group.items():
        if isinstance(item, h5py.Group):
            yield from _datasets(item, f"{prefix}{name}/")
        elif isinstance(item, h5py.Dataset):
            yield prefix + name, item


def _length(table: TableFile, lengths: dict[str, int]) -> int:
    """Rows of the columns that are used, which must agree."""
    found = {name: lengths[table.stored(name)[0]] for name in table.used}
    if len(set(found.values())) > 1:
        low, high = min(found, key=found.get), max(found, key=found.get)
        raise InputError(
            f"{table.path}: {low!r} has {found[low]} rows, {high!r} has {found[high]}; copy the file again"
        )
    return next(iter(found.values()), 0)
