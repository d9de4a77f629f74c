"""What a reader of a simulation product is: halos piece by piece, in our units and frames."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from diffsky_factory.core.columns import column, columns
from diffsky_factory.core.errors import InputError, near
from diffsky_factory.core.user_files import user_file
from diffsky_factory.inputs.entries import Record, checked
from diffsky_factory.inputs.readers.common.shells import MISSING
from diffsky_factory.inputs.readers.common.snapshots import inside_box
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry, agreed, agreed_cosmology
from diffsky_factory.sky.boxes import wrapped
from diffsky_factory.sky.cosmology import Cosmology

Geometry = Literal["lightcone", "box"]

REQUIRED = {
    "simulation_halo_id": np.int64,
    "simulation_host_halo_id": np.int64,
    **dict.fromkeys(("x", "y", "z", "vx", "vy", "vz"), np.float64),
    "log10_halo_mass": np.float64,
}
"""Columns of every product: ids as in the simulation, a host's own for itself; Mpc comoving, on a light cone from the
observer, in a box from its corner; km/s peculiar, physical; dex(Msun), the largest mass so far where it is known."""

TYPES = {"int64": np.int64, "bool": np.bool_}
"""Types of columns as halos come in; all others are float64, whatever they are stored as."""

NONE: Mapping[str, Any] = MappingProxyType({})


class Piece(NamedTuple):
    """A part of a product that is read at once, a million rows or so: a file, a range of its rows or bytes, a tree."""

    file: str
    first: int = 0  # row, byte, or tree, as the reader counts
    last: int = 0  # the one after


class Rows(NamedTuple):
    """What reading a piece gives."""

    columns: dict[str, np.ndarray]  # all of the reader's columns, one value (or vector) per halo
    dropped: dict[str, int]  # why -> how many rows of the piece were left out


@dataclass(frozen=True)
class Reader(ABC):
    """One product of a simulation, opened: headers are read, rows are not. Pieces may be read in any order, by anyone.

    A format is a class derived from this one. It says what it reads by the names below, gives `pieces`, and converts
    one of them. Checking the entry, the agreement of entry and files, what `read` gives, and bringing positions into
    the box are done here, once for all. Rows of a host and of its satellites may lie in different pieces.

    files : of one product; of a box, those of one snapshot
    entry : what a person states of them

    Opening or reading raises InputError naming the file or the entry, what is wrong with it and what to do.
    """

    files: tuple[Path, ...]
    entry: SimulationEntry

    format: ClassVar[str] = ""
    """Name in `readers/open.py`; a reader of another package has none and is called `module:Class`."""

    title: ClassVar[str] = ""
    """Name of a catalogue whose entry has none."""

    geometry: ClassVar[Geometry] = "box"
    """Whether positions are those of a periodic box, or of the sky around an observer."""

    snapshot: ClassVar[Literal["all", "file", "folder"]] = "all"
    """Which files of an entry are one product: all, each one, or those in a folder."""

    folders: ClassVar[bool] = False
    """Whether a file may be a folder, such as a Zarr store."""

    alone: ClassVar[str] = ""
    """Why several files are not one product, where that is so."""

    usual_names: ClassVar[Mapping[str, str]] = NONE
    """Our columns -> the simulation's, which `columns` of an entry may replace."""

    extra_columns: ClassVar[Sequence[str]] = ()
    """Names in `schemas/columns` of what there is besides REQUIRED."""

    mass_definition: ClassVar[str] = ""
    """What log10_halo_mass is, in words, where the entry does not say it."""

    rows_of_piece: ClassVar[int] = 1_000_000
    """Rows of a piece, about; chosen: 0.1 GB."""

    class Options(Record):
        """Options that an entry may give; a reader that has some derives its own, with types, defaults and choices."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a file is of this format, by what it holds; False for what cannot be read."""
        return False

    @property
    def file_cosmology(self) -> Mapping[str, float]:
        """Parameters of the cosmology as the files say them; none, where they do not."""
        return NONE

    @property
    def file_box_size(self) -> float | None:
        """Side of the box [Mpc] as the files say it; None, where they do not."""
        return None

    @property
    def redshift(self) -> float | None:
        """Of a box; None for a light cone."""
        return None

    @property
    def particle_mass(self) -> float | None:
        """[Msun]; where the files say it, it must agree with the entry."""
        return self.entry.particle_mass

    @property
    def footprint(self) -> Sequence[Mapping[str, Any]] | None:
        """Parts of the sky that a light cone covers, as its files say, by looking at some rows where it takes that."""
        return None

    @property
    def missing_shells(self) -> Mapping[str, tuple[float, float]]:
        """Shells of a light cone that its files lack, as far as the entry or headers tell: lowest and highest redshift.

        Where they are needed they are refused (`common.shells`), by the name under which they are here.
        """
        return NONE

    @property
    def extra_attributes(self) -> Mapping[str, Any]:
        """What a catalogue says besides its name and the numbers above: texts, numbers, lists of them."""
        return NONE

    @abstractmethod
    def pieces(self) -> Sequence[Piece]:
        """Its pieces; together they are the product, and none is empty of bytes."""

    @abstractmethod
    def convert(self, piece: Piece) -> Rows:
        """One piece in our units; positions in a box may lie just outside of it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", tuple(map(Path, self.files)))
        self._check_files()
        _ = self.options, self.names, self.cosmology, self.columns, self.attributes

    @property
    def path(self) -> Path:
        """The first file, or the only one."""
        return self.files[0]

    @cached_property
    def options(self) -> Any:
        """Options of the entry, with defaults; raises InputError for an unknown one or a wrong value."""
        return checked(self.Options, self.entry.options, f"entry '{self.entry.name}', options")

    @cached_property
    def names(self) -> Mapping[str, Any]:
        """Our columns -> the simulation's: the usual ones, or those that `columns` of the entry pick."""
        entry, usual = self.entry, self.usual_names
        for ours, theirs in entry.columns.items():
            if ours not in usual:
                raise InputError(
                    f"entry '{entry.name}', columns: {ours!r} cannot be chosen in this format; {near(ours, usual)}"
                )
            if not isinstance(theirs, str):
                raise InputError(f"entry '{entry.name}', columns.{ours}: give the simulation's name of the column")
        return {**usual, **entry.columns}

    @cached_property
    def cosmology(self) -> Cosmology:
        """That of the files, which must agree with the entry; completed from the entry, then from the defaults."""
        found = self.file_cosmology
        absent = [name for name in ("Om0", "h") if name not in {**self.entry.cosmology, **found}]
        if absent:
            raise InputError(
                f"{self.path}: files of this format do not say the cosmology; give {' and '.join(absent)} under "
                f"'cosmology' in the entry of the simulation '{self.entry.name}'"
            )
        return agreed_cosmology(self.entry, found, self.path)

    @cached_property
    def box_size(self) -> float | None:
        """Side [Mpc] of the box, or of that which a light cone repeats, if that is known."""
        stated, found = self.entry.box_size, self.file_box_size
        if self.geometry == "lightcone" and stated is None and found is None:
            return None
        return agreed("box size [Mpc]", stated, found, self.path)

    @cached_property
    def columns(self) -> dict[str, type]:
        """Name and type of each column: REQUIRED, and the others of `schemas/columns` that it has."""
        for name in self.extra_columns:
            if name not in columns():
                raise InputError(f"{self._who} declares a column {name!r}; {near(name, columns())}")
        return {**REQUIRED, **{name: TYPES.get(column(name).dtype, np.float64) for name in self.extra_columns}}

    @property
    def attributes(self) -> dict[str, Any]:
        """What a catalogue made from it says of it: name, mass_definition; box_size [Mpc], redshift of a box; more."""
        if self.geometry == "box" and self.redshift is None:
            raise InputError(f"{self._who} reads a box and gives no redshift; define `redshift`")
        known = {"box_size": self.box_size, "redshift": self.redshift, "particle_mass": self.particle_mass}
        return {
            "name": self.entry.name or self.title or self.format,
            "mass_definition": self.entry.mass_definition or self.mass_definition,
            **{name: value for name, value in known.items() if value is not None},
            **({MISSING: dict(self.missing_shells)} if self.missing_shells and not self.entry.gaps else {}),
            **self.extra_attributes,
        }

    def ranges(self, path: Path, first: int, last: int) -> list[Piece]:
        """Pieces of a file, of up to `rows_of_piece` rows each, from a first row to the one after the last."""
        borders = [*range(first, last, self.rows_of_piece), last]
        return [Piece(str(path), *border) for border in pairwise(borders)]

    def read(self, piece: Piece) -> Rows:
        """One piece: columns as in `columns`, ids as in the simulation, positions [Mpc] in [0, box_size) of a box.

        Raises InputError where values cannot be what they are said to be.
        """
        found, dropped = self.convert(piece)
        self._check_rows(found, piece)
        if self.geometry == "box":
            found = {**found, **self._into_box(found, piece)}
        return Rows({name: found[name] for name in self.columns}, dict(dropped))

    def _into_box(self, found: Mapping[str, np.ndarray], piece: Piece) -> dict[str, np.ndarray]:
        def refuse(bad: np.ndarray, name: str, problem: str) -> None:
            if np.any(bad):
                row = int(np.argmax(bad))
                halo = found["simulation_halo_id"][row]
                raise InputError(f"{piece.file}, halo {halo}: {name} = {found[name][row]} Mpc: {problem}")

        places = inside_box({axis: found[axis] for axis in "xyz"}, 1.0, self.box_size, refuse)
        return {axis: wrapped(values, self.box_size) for axis, values in places.items()}

    def _check_rows(self, found: Mapping[str, np.ndarray], piece: Piece) -> None:
        """Raise an InputError where a reader does not keep to what it declares."""
        who, wanted = f"{piece.file}: {self._who}", self.columns
        absent, more = ([name for name in a if name not in b] for a, b in ((wanted, found), (found, wanted)))
        if absent or more:
            what = f"does not give {', '.join(absent)}" if absent else f"gives {', '.join(more)}, not among its columns"
            raise InputError(f"{who} {what}; `extra_columns` are to be what `convert` gives besides the required ones")
        rows = len(found["simulation_halo_id"])
        for name, kind in wanted.items():
            values, dimensions = np.asanyarray(found[name]), 1 + len(column(name).axes)
            if values.dtype != np.dtype(kind):
                raise InputError(f"{who} gives {name} as {values.dtype}; it is to be {np.dtype(kind)}")
            if values.ndim != dimensions or len(values) != rows:
                raise InputError(
                    f"{who} gives {name} of shape {values.shape}; it is to have {dimensions} dimensions, the first of "
                    f"{rows} halos"
                )

    def _check_files(self) -> None:
        name, files = self.entry.name, self.files
        if not files:
            raise InputError(f"simulation '{name}': no files; name them in its entry")
        why = self.alone or ("each file is of one snapshot" if self.snapshot == "file" else "")
        if why and len(files) > 1:
            raise InputError(
                f"simulation '{name}': {len(files)} files ({', '.join(map(str, files[:3]))}..): {why}; "
                "name one file in its entry"
            )
        for path in files:
            if not user_file(path, folders=self.folders).exists():
                raise InputError(f"{path}: no such file; correct `files` of the simulation")

    @property
    def _who(self) -> str:
        return f"the reader {type(self).__module__}:{type(self).__qualname__}"
