"""Reader of the merger trees of consistent-trees: `tree_*.dat`, with `forests.list` and `locations.dat` if present."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.reader import Piece
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry, agreed, agreed_cosmology
from diffsky_factory.inputs.text_files import packed_or_not, text_size
from diffsky_factory.inputs.trees.consistent_trees_text import (
    Header,
    Places,
    is_tree_file,
    next_tree,
    number_of,
    read_columns,
    read_header,
    read_places,
    read_text,
)
from diffsky_factory.inputs.trees.forest import (
    PLACE_AND_MOTION,
    Forest,
    checked_forest,
    cosmic_time,
    distinct,
    in_box,
    log10_of,
    steps_of,
)
from diffsky_factory.inputs.trees.numbered import check_numbers
from diffsky_factory.sky.cosmology import Cosmology

FORMAT = "consistent_trees"
BYTES_PER_PIECE = 300_000_000  # chosen: a million rows of 300 letters
NAMES = ["scale", "id", "desc_id", "num_prog", "upid", "mmp?", "rs", "vmax", "x", "y", "z", "vx", "vy", "vz"]
MISSING = "progenitors that the file says there are"

NUMBERED = r"tree_(\d+)_(\d+)_(\d+)\.dat(?:\.gz)?"
LISTS = ("forests.list", "locations.dat")

recognises = is_tree_file


@dataclass(frozen=True)
class ConsistentTrees:
    """Merger trees in text; hosts are those of `upid`, main progenitors those of `mmp?`.

    Mass is Mvir, or the column that the entry names for log10_halo_mass. With `forests.list` and `locations.dat`
    beside the files, trees of one forest are read together; without them each tree stands for itself, and hosts in
    other trees are lost. Snapshots are the entry's `steps`; without them all rows are read once to find them.

    files : tree_*.dat; the lists may be among them
    """

    files: tuple[Path, ...]
    entry: SimulationEntry

    def __post_init__(self):
        for header in self._headers:
            for name in (*NAMES, self._mass):
                number_of(header, name)
        _ = self.cosmology, self.box_size
        if self._places is None:  # which knows the files
            check_numbers(self.files, NUMBERED, self.entry)

    @cached_property
    def _headers(self) -> tuple[Header, ...]:
        files = [path for path in self.files if path.name.removesuffix(".gz") not in LISTS]
        if not files:
            raise InputError(f"{self.entry.name or FORMAT}: no tree_*.dat among its files; name one")
        return tuple(read_header(path) for path in files)

    @property
    def _mass(self) -> str:
        return str(self.entry.columns.get("log10_halo_mass", "mvir"))

    @cached_property
    def _places(self) -> Places | None:
        """Where the trees of each forest are; None where no lists say so."""
        folder = self._headers[0].path.parent
        lists = [packed_or_not(folder / name) for name in LISTS]
        if not all(path.is_file() for path in lists):
            return None
        places = read_places(*lists)
        given = {header.path.resolve() for header in self._headers}
        others = [path for path in places.files if path.resolve() not in given]
        if others:
            raise InputError(f"{lists[1]}: names {others[0].name} too, whose trees share forests with these; add it")
        return places

    @cached_property
    def cosmology(self) -> Cosmology:
        """Matter and h of the files, flat."""
        first, *others = self._headers
        for header in others:
            if header.cosmology != first.cosmology or header.box_size != first.box_size:
                raise InputError(f"{header.path}: cosmology or box are not those of {first.path}; read them apart")
        return agreed_cosmology(self.entry, first.cosmology, first.path)

    @cached_property
    def box_size(self) -> float:
        """Side [Mpc] of the header or of the entry."""
        return agreed("box size", self.entry.box_size, self._headers[0].box_size, self._headers[0].path)

    @property
    def columns(self) -> Mapping[str, type]:
        """Place, motion, scale radius and largest circular velocity."""
        return {**PLACE_AND_MOTION, "halo_scale_radius": np.float64, "halo_vmax": np.float64}

    @property
    def attributes(self) -> dict[str, Any]:
        """Name, mass definition and box."""
        return {
            "name": self.entry.title or self.entry.name or "consistent-trees",
            "mass_definition": self.entry.mass_definition or f"{self._mass} of Rockstar",
            "box_size": self.box_size,
        }

    @cached_property
    def scale_factor(self) -> np.ndarray:
        """(T,) those of the entry's `steps`; else all that rows have."""
        if self.entry.steps:
            return distinct(np.array(list(self.entry.steps.values())))
        return distinct(np.concatenate([self._scales(piece) for piece in self._ranges()]))

    @cached_property
    def time(self) -> np.ndarray:
        """(T,) [Gyr]."""
        return cosmic_time(self.cosmology, self.scale_factor)

    def pieces(self) -> Sequence[Piece]:
        """Ranges of bytes of a file, in which trees begin; or of the forests of the lists, 0, 1, ... up to a size."""
        return self._ranges() if self._places is None else self._groups(self._places)

    def _ranges(self) -> list[Piece]:
        found = []
        for header in self._headers:
            size = text_size(header.path)
            edges = [*range(header.begin, size, BYTES_PER_PIECE), size]
            found += [Piece(str(header.path), first, last) for first, last in pairwise(edges)]
        return found

    def _groups(self, places: Places) -> list[Piece]:
        """Forests whose trees have up to a number of bytes together."""
        size = np.bincount(places.forest, places.last - places.first)
        group = np.cumsum(size) // BYTES_PER_PIECE
        edges = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(size)]
        name = str(self._headers[0].path.parent / "forests.list")
        return [Piece(name, first, last) for first, last in pairwise(edges)]

    def read(self, piece: Piece) -> Forest:
        """The trees that begin in a range of bytes, or the trees of a range of forests."""
        path = Path(piece.file)
        parts = []
        for header, text in self._texts(piece):
            parts.append(read_columns(text, [*NAMES, self._mass], header))
        rows = {name: np.concatenate([part[name] for part in parts]) for name in (*NAMES, self._mass)}
        return self._forest(rows, path)

    def _texts(self, piece: Piece) -> list[tuple[Header, bytes]]:
        by_path = {str(header.path): header for header in self._headers}
        if piece.file in by_path:
            header = by_path[piece.file]
            return [(header, read_text(header.path, *(next_tree(header.path, byte) for byte in piece[1:])))]
        places = self._places
        if places is None:
            raise InputError(f"{piece.file}: is none of these trees, and no lists say where its forests are")
        chosen = slice(*np.searchsorted(places.forest, [piece.first, piece.last]))
        order = np.lexsort((places.first[chosen], places.file[chosen]))
        found = {header.path.resolve(): header for header in self._headers}
        texts: dict[Path, tuple[Header, list[bytes]]] = {}
        for number, first, last in zip(
            *(values[chosen][order].tolist() for values in (places.file, places.first, places.last))
        ):
            header = found[places.files[number].resolve()]
            texts.setdefault(header.path, (header, []))[1].append(read_text(header.path, first, last))
        return [(header, b"".join(parts)) for header, parts in texts.values()]

    def _scales(self, piece: Piece) -> np.ndarray:
        ((header, text),) = self._texts(piece)
        return distinct(read_columns(text, ["scale"], header)["scale"])

    def _forest(self, rows: dict[str, np.ndarray], path: Path) -> Forest:
        h = self.cosmology.h
        distinct_host = rows["upid"] == -1
        forest = Forest(
            node_id=rows["id"],
            descendant_id=rows["desc_id"],
            host_id=np.where(distinct_host, rows["id"], rows["upid"]),
            step=steps_of(rows["scale"], self.scale_factor, path),
            log10_mass=log10_of(rows[self._mass] / h),
            position=in_box(np.stack([rows[name] for name in "xyz"], axis=-1) / h, self.box_size, path),
            velocity=np.stack([rows[name] for name in ("vx", "vy", "vz")], axis=-1),
            scale_radius=rows["rs"] / h / 1000.0,  # kpc/h
            is_main=rows["mmp?"] == 1,
            columns={"halo_vmax": rows["vmax"]},
            dropped=_missing(rows),
        )
        return checked_forest(forest, len(self.scale_factor), path)


def _missing(rows: dict[str, np.ndarray]) -> dict[str, int]:
    """How many progenitors are not in the piece though their descendants count them."""
    _, found = np.unique(rows["desc_id"][rows["desc_id"] != -1], return_counts=True)
    missing = int(rows["num_prog"].sum() - found.sum())
    return {MISSING: missing} if missing else {}
