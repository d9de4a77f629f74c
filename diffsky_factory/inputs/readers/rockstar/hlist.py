"""Reader of the halo lists of consistent-trees: a box at one time, with what became of each halo before.

Format: `hlist_<a>.list` of consistent-trees (Behroozi et al. 2013, ApJ 763, 18). Positions comoving Mpc/h, velocities
physical peculiar km/s, masses Msun/h, radii comoving kpc/h.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common import text_rows
from diffsky_factory.inputs.readers.common.dropping import kept, log10
from diffsky_factory.inputs.readers.common.snapshots import inside_box, redshift_of, scale_in_name
from diffsky_factory.inputs.readers.reader import REQUIRED, Piece, Reader, Rows
from diffsky_factory.inputs.readers.rockstar.header import check_units, header_box, header_cosmology, positions_of
from diffsky_factory.sky.cosmology import age_64, age_today_64

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


@dataclass(frozen=True)
class ConsistentTreesHlist(Reader):
    """Halos of one snapshot, with the largest mass so far and, where the file has it, the last infall of subhalos.

    A subhalo's host is `upid`, the most massive halo around. Its infall is into that host: time of Acc_Scale, mass
    Macc. Hosts have not fallen in: the time is today and the mass the largest so far, as physics/halos/infall.py has
    it where the growth of halos is known.
    """

    format = "consistent_trees_hlist"
    title = "consistent-trees"
    snapshot = "file"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a file starts as a halo list of consistent-trees does; files of trees have no peak masses."""
        first = text_rows.first_line(path)
        return re.match(FIRST, first, re.IGNORECASE) is not None and b"mpeak" in first.lower()

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self._table

    @cached_property
    def _comments(self) -> tuple[list[str], int]:
        """Those above the rows, and where the rows begin."""
        comments, start = text_rows.read_comments(self.path)
        if not comments or not re.match(FIRST, b"#" + comments[0].encode(), re.IGNORECASE):
            raise InputError(f"{self.path}, line 1: not the names of a list of consistent-trees, '#scale(0) id(1) ..'")
        check_units(comments, self.path)
        return comments, start

    @cached_property
    def _columns(self) -> list[str]:
        """Names in the file: without their last "(digits)", `b_to_a(500c)(51)` is b_to_a(500c)."""
        return [re.sub(r"\(\d+\)$", "", word) for word in self._comments[0][0].split()]

    @property
    def usual_names(self) -> dict[str, str]:
        """The infall where both of its columns are there or are asked for."""
        there = {name.lower() for name in self._columns}
        has_infall = all(name.lower() in there for name in INFALL.values()) or set(INFALL) & set(self.entry.columns)
        return {**USUAL, **INFALL} if has_infall else USUAL

    @property
    def extra_columns(self) -> Sequence[str]:
        """Mass now, scale radius, largest circular velocity; the infall where the file has it."""
        return tuple(name for name in self.names if name not in REQUIRED)

    @property
    def mass_definition(self) -> str:
        """By the name of its column."""
        found = self.names["log10_halo_mass"]
        usual = "largest virial mass so far of the main progenitor (Bryan & Norman 1998)"
        return usual if found == "Mpeak" else f"{found} of Rockstar"

    @property
    def file_cosmology(self) -> dict[str, float]:
        """Om0 and h."""
        return header_cosmology(self._comments[0], "Omega_M", "Omega_L", "h0", self.path)

    @property
    def file_box_size(self) -> float | None:
        """[Mpc]."""
        return header_box(self._comments[0], "Full box size", self.cosmology.h)

    @property
    def redshift(self) -> float:
        """Of the scale factor."""
        return redshift_of(self._scale, self.path)

    @cached_property
    def _table(self) -> text_rows.TextTable:
        """Which words of a row are what."""
        at = positions_of(self._columns, ["scale", *IDS, *PHASE, *self.names.values()], self.path)
        words = {key: (position, np.int64 if key in IDS else np.float64) for key, position in at.items()}
        return text_rows.text_table(self.path, self._comments[1], len(self._columns), words)

    @cached_property
    def _scale(self) -> float:
        """Scale factor of the file's name or, where it has none, of the first row; they must agree."""
        found = text_rows.first_row(self._table)["scale"]
        named = scale_in_name(self.path, NAME)
        if named is not None and abs(named - found) > ROUNDING:
            raise InputError(f"{self.path}: its rows are of scale factor {found:g}; is it the file that its name says?")
        return found if named is None else named

    def pieces(self) -> Sequence[Piece]:
        """Ranges of bytes."""
        return text_rows.pieces(self._table, self.rows_of_piece)

    def convert(self, piece: Piece) -> Rows:
        """Halos whose lines begin in a piece."""
        rows = text_rows.read_text(self._table, piece)
        h, ids, parent = self.cosmology.h, rows.values["id"], rows.values["upid"]
        values = {ours: rows.values[theirs] for ours, theirs in self.names.items()}
        rows.refuse(ids < 0, "id", "an id is not negative; copy the file again")
        other = np.abs(rows.values["scale"] - self._scale) > ROUNDING
        rows.refuse(other, "scale", f"the file is of scale factor {self._scale:g}; a list is of one snapshot")
        columns = {
            "simulation_halo_id": ids,
            "simulation_host_halo_id": np.where(parent == -1, ids, parent),
            **inside_box({axis: rows.values[axis] for axis in "xyz"}, 1.0 / h, self.box_size, rows.refuse),
            **{name: rows.values[name] for name in ("vx", "vy", "vz")},
            **{name: log10(values[name]) - np.log10(h) for name in ("log10_halo_mass", "log10_halo_mass_now")},
            "halo_scale_radius": values["halo_scale_radius"] / 1e3 / h,
            "halo_vmax": values["halo_vmax"],
        }
        massless = (values["log10_halo_mass"] <= 0.0) | (values["log10_halo_mass_now"] <= 0.0)
        reasons = {"without a mass": massless}
        if "infall_time" in self.names:
            fell = (values["infall_time"] > 0.0) & (values["log10_halo_mass_at_infall"] > 0.0)
            columns |= self._infall(rows, columns["log10_halo_mass"])
            reasons["satellites without an infall"] = (parent != -1) & ~fell
        return kept(columns, reasons)

    def _infall(self, rows: text_rows.TextRows, log10_mass: np.ndarray) -> dict[str, np.ndarray]:
        """Cosmic time [Gyr] and mass [dex(Msun)] of the last infall; of hosts, today and the largest mass so far."""
        is_host, name, cosmology = rows.values["upid"] == -1, self.names["infall_time"], self.cosmology
        scale, mass = rows.values[name], rows.values[self.names["log10_halo_mass_at_infall"]]
        rows.refuse(~is_host & (scale > self._scale + ROUNDING), name, "an infall later than the snapshot")
        few, which = np.unique(np.clip(scale, 1e-2, 1.0), return_inverse=True)  # a few hundred snapshots
        time = age_64(cosmology, 1.0 / few - 1.0)[which]
        return {
            "infall_time": np.where(is_host, age_today_64(cosmology), time),
            "log10_halo_mass_at_infall": np.where(is_host, log10_mass, log10(mass) - np.log10(cosmology.h)),
        }
