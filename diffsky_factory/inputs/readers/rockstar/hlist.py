"""Reader of the halo lists of consistent-trees: a box at one time, with what became of each halo before.

Format: `hlist_<a>.list` of consistent-trees (Behroozi et al. 2013, ApJ 763, 18). Positions comoving Mpc/h, velocities
physical peculiar km/s, masses Msun/h, radii comoving kpc/h.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common import text_rows
from diffsky_factory.inputs.readers.common.boxes import redshift_of, scale_in_name, wrapped
from diffsky_factory.inputs.readers.common.dropping import kept, log10
from diffsky_factory.inputs.readers.common.stated import no_options, only_file, picked
from diffsky_factory.inputs.readers.reader import (
    REQUIRED,
    Geometry,
    Piece,
    Rows,
    SimulationEntry,
    agreed,
    agreed_cosmology,
)
from diffsky_factory.inputs.readers.rockstar import header as rockstar_header
from diffsky_factory.sky.cosmology import Cosmology, age_64, age_today_64

FORMAT = "consistent_trees_hlist"
NAME = r"hlist_(\d+\.\d+)\.list"
FIRST = rb"#\s*scale(\(\d+\))?\s+id"
ROUNDING = 1e-4  # chosen: scale factors are printed with four or five digits
IDS = ("id", "upid")
PHASE = ("x", "y", "z", "vx", "vy", "vz")
USUAL = {
    "log10_halo_mass": "Mpeak",
    "log10_halo_mass_now": "mvir",
    "halo_scale_radius": "rs",
    "halo_vmax": "vmax",
}
INFALL = {"infall_time": "Acc_Scale", "log10_halo_mass_at_infall": "Macc"}


class Header(NamedTuple):
    """What the comments and the first row say."""

    cosmology: Cosmology
    box_size: float  # Mpc
    scale: float
    names: dict[str, str]  # our name -> the file's
    table: text_rows.TextTable


def recognises(path: str | Path) -> bool:
    """Whether a file starts as a halo list of consistent-trees does; files of trees have no peak masses."""
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(text_rows.LONGEST_COMMENT)
    return re.match(FIRST, first, re.IGNORECASE) is not None and b"mpeak" in first.lower()


@dataclass(frozen=True)
class ConsistentTreesHlist:
    """Halos of one snapshot, with the largest mass so far and, where the file has it, the last infall of subhalos.

    A subhalo's host is `upid`, the most massive halo around. Its infall is into that host: time of Acc_Scale, mass
    Macc. Hosts have not fallen in: the time is today and the mass the largest so far, as physics/halos/infall.py has
    it where the growth of halos is known.
    """

    files: tuple[Path, ...]
    entry: SimulationEntry

    geometry: ClassVar[Geometry] = "box"

    def __post_init__(self) -> None:
        _ = self._header

    @property
    def cosmology(self) -> Cosmology:
        """Om0 and h of the file, the rest of the entry."""
        return self._header.cosmology

    @property
    def columns(self) -> dict[str, type]:
        """REQUIRED, mass now, scale radius, largest circular velocity; the infall where the file has it."""
        return {**REQUIRED, **dict.fromkeys(self._header.names, np.float64)}

    @property
    def attributes(self) -> dict[str, Any]:
        """box_size [Mpc] and redshift of the file."""
        header = self._header
        usual = "largest virial mass so far of the main progenitor (Bryan & Norman 1998)"
        found = header.names["log10_halo_mass"]
        return {
            "name": self.entry.name or "consistent-trees",
            "mass_definition": self.entry.mass_definition or (usual if found == "Mpeak" else f"{found} of Rockstar"),
            "box_size": header.box_size,
            "redshift": redshift_of(header.scale, self.files[0]),
        }

    def pieces(self) -> Sequence[Piece]:
        """Ranges of bytes."""
        return text_rows.pieces(self._header.table)

    def read(self, piece: Piece) -> Rows:
        """Halos whose lines begin in a piece."""
        header = self._header
        rows = text_rows.read_text(header.table, piece)
        h, ids, parent = header.cosmology.h, rows.values["id"], rows.values["upid"]
        values = {ours: rows.values[theirs] for ours, theirs in header.names.items()}
        rows.refuse(ids < 0, "id", "an id is not negative; copy the file again")
        other = np.abs(rows.values["scale"] - header.scale) > ROUNDING
        rows.refuse(other, "scale", f"the file is of scale factor {header.scale:g}; a list is of one snapshot")
        columns = {
            "simulation_halo_id": ids,
            "simulation_host_halo_id": np.where(parent == -1, ids, parent),
            **wrapped({axis: rows.values[axis] for axis in "xyz"}, 1.0 / h, header.box_size, rows.refuse),
            **{name: rows.values[name] for name in ("vx", "vy", "vz")},
            **{name: log10(values[name]) - np.log10(h) for name in ("log10_halo_mass", "log10_halo_mass_now")},
            "halo_scale_radius": values["halo_scale_radius"] / 1e3 / h,
            "halo_vmax": values["halo_vmax"],
        }
        massless = (values["log10_halo_mass"] <= 0.0) | (values["log10_halo_mass_now"] <= 0.0)
        reasons = {"without a mass": massless}
        if "infall_time" in header.names:
            fell = (values["infall_time"] > 0.0) & (values["log10_halo_mass_at_infall"] > 0.0)
            columns |= _infall(header, rows, columns["log10_halo_mass"])
            reasons["satellites without an infall"] = (parent != -1) & ~fell
        return kept(columns, reasons)

    @cached_property
    def _header(self) -> Header:
        path, entry = only_file(self.files, self.entry, "a halo list is of one snapshot"), self.entry
        no_options(entry)
        comments, start = text_rows.read_comments(path)
        if not comments or not re.match(FIRST, b"#" + comments[0].encode(), re.IGNORECASE):
            raise InputError(f"{path}, line 1: not the names of a list of consistent-trees, '#scale(0) id(1) ..'")
        rockstar_header.check_units(comments, path)
        found = rockstar_header.header_cosmology(comments, "Omega_M", "Omega_L", "h0", path)
        cosmology = agreed_cosmology(entry, found, path)
        size = rockstar_header.header_box(comments, "Full box size", cosmology.h)
        box = agreed("box size", entry.box_size, size, path)
        columns = [_name(word) for word in comments[0].split()]
        names = _names(columns, entry)
        at = rockstar_header.positions_of(columns, ["scale", *IDS, *PHASE, *names.values()], path)
        words = {key: (position, np.int64 if key in IDS else np.float64) for key, position in at.items()}
        table = text_rows.text_table(path, start, len(columns), words)
        return Header(cosmology, box, _scale(table), names, table)


def _name(word: str) -> str:
    """The name before the last "(digits)": `b_to_a(500c)(51)` is b_to_a(500c)."""
    return re.sub(r"\(\d+\)$", "", word)


def _names(columns: list[str], entry: SimulationEntry) -> dict[str, str]:
    """Our name -> the file's; the infall where both of its columns are there or are asked for."""
    there = {name.lower() for name in columns}
    has_infall = all(name.lower() in there for name in INFALL.values()) or set(INFALL) & set(entry.columns)
    return picked(entry, {**USUAL, **INFALL} if has_infall else USUAL)


def _scale(table: text_rows.TextTable) -> float:
    """Scale factor of the file's name or, where it has none, of the first row; they must agree."""
    found = text_rows.first_row(table)["scale"]
    named = scale_in_name(table.path, NAME)
    if named is not None and abs(named - found) > ROUNDING:
        raise InputError(f"{table.path}: its rows are of scale factor {found:g}; is it the file that its name says?")
    return found if named is None else named


def _infall(header: Header, rows: text_rows.TextRows, log10_mass: np.ndarray) -> dict[str, np.ndarray]:
    """Cosmic time [Gyr] and mass [dex(Msun)] of the last infall; of hosts, today and the largest mass so far."""
    is_host, name = rows.values["upid"] == -1, header.names["infall_time"]
    scale, mass = rows.values[name], rows.values[header.names["log10_halo_mass_at_infall"]]
    rows.refuse(~is_host & (scale > header.scale + ROUNDING), name, "an infall later than the snapshot")
    few, which = np.unique(np.clip(scale, 1e-2, 1.0), return_inverse=True)  # a few hundred snapshots
    time = age_64(header.cosmology, 1.0 / few - 1.0)[which]
    return {
        "infall_time": np.where(is_host, age_today_64(header.cosmology), time),
        "log10_halo_mass_at_infall": np.where(is_host, log10_mass, log10(mass) - np.log10(header.cosmology.h)),
    }
