"""Reader of group catalogues of Illustris and TNG: subhalos of one snapshot, with the stars the simulation made."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from diffsky_factory.core.errors import InputError, near
from diffsky_factory.inputs.readers.common.dropping import kept
from diffsky_factory.inputs.readers.common.hdf5 import holds, opened
from diffsky_factory.inputs.readers.common.ids import integers
from diffsky_factory.inputs.readers.common.snapshots import BEYOND
from diffsky_factory.inputs.readers.illustris.chunks import Chunks, open_chunks
from diffsky_factory.inputs.readers.reader import Piece, Reader, Rows

MASS_UNIT = 1e10  # Msun/h
STARS = 4  # type of particle, stars and wind
NO_SUBHALO = 2**32 - 1  # GroupFirstSub of groups without one, where it has no sign
MASSES = {
    "Group_M_Crit200": "mass within 200 times the critical density",
    "Group_M_Mean200": "mass within 200 times the mean density",
    "Group_M_Crit500": "mass within 500 times the critical density",
    "Group_M_TopHat200": "virial mass, Bryan & Norman 1998",
}
NEEDED = ("SubhaloGrNr", "SubhaloPos", "SubhaloVel", "SubhaloMass")
# our column -> theirs, which an entry may change
COLUMNS = {
    "halo_vmax": "SubhaloVmax",
    "simulation_stellar_mass": "SubhaloMassType",
    "simulation_sfr": "SubhaloSFR",
}
SMALLEST_BOX = 1000.0  # ckpc/h, chosen: a box in Mpc/h is below it, all published ones are above


@dataclass(frozen=True)
class IllustrisGroups(Reader):
    """Subhalos of one snapshot, `groups_<nnn>/fof_subhalo_tab_<nnn>.<k>.hdf5`; all chunks are needed.

    The first subhalo of a group is its central, with the mass of the group; the others are its satellites, with the
    mass that is bound to them now, which is less than they once had. Left out, and counted: subhalos that are clumps
    of a galaxy's own matter (SubhaloFlag 0), groups whose mass is 0, which have no centre.

    `columns` of the entry may name other columns for halo_vmax, simulation_stellar_mass (as SubhaloMassInRadType:
    within twice the half-mass radius of the stars) and simulation_sfr (as SubhaloSFRinRad). Where the files have
    none of that name, as those of dark matter alone, the column is not given.
    """

    format = "illustris_groups"
    snapshot = "folder"
    usual_names = COLUMNS

    class Options(Reader.Options):
        """mass_definition : mass of a group"""

        mass_definition: Literal[*MASSES] = "Group_M_Crit200"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a file is a chunk of a group catalogue."""
        if not holds(path, "Header"):
            return False
        with opened(path) as file:
            return "Nsubgroups_ThisFile" in file["Header"].attrs

    @cached_property
    def _chunks(self) -> Chunks:
        wanted = {"Group": ("GroupFirstSub", "GroupNsubs", self._mass), "Subhalo": NEEDED}
        chunks = open_chunks(self.files, wanted)
        _check_header(chunks)
        for kind, names in wanted.items():
            absent = [name for name in names if name not in chunks.fields[kind]]
            if absent:
                raise InputError(
                    f"{chunks.paths[0]}: not all chunks have {kind}/{absent[0]}; give all of their columns"
                )
        for ours, theirs in self.entry.columns.items():
            if theirs not in chunks.fields["Subhalo"]:
                known = near(theirs, sorted(chunks.fields["Subhalo"]))
                raise InputError(f"{chunks.paths[0]}: no Subhalo/{theirs} for {ours!r}; {known}")
        return chunks

    @property
    def _mass(self) -> str:
        """Name of the column of group masses."""
        return self.options.mass_definition

    @property
    def path(self) -> Path:
        """The first chunk."""
        return self._chunks.paths[0]

    @property
    def extra_columns(self) -> Sequence[str]:
        """halo_vmax, stars and star formation, as far as the files have them."""
        return tuple(ours for ours, theirs in self.names.items() if theirs in self._chunks.fields["Subhalo"])

    @property
    def file_cosmology(self) -> dict[str, float]:
        """Flat, Om0 and h."""
        header = self._chunks.header
        return {"Om0": header["Omega0"], "h": header["HubbleParam"], "w0": -1.0, "wa": 0.0}

    @property
    def file_box_size(self) -> float:
        """[Mpc]."""
        return self._chunks.header["BoxSize"] / 1000.0 / self._chunks.header["HubbleParam"]

    @property
    def redshift(self) -> float:
        """Of the header."""
        return self._chunks.header["Redshift"]

    @property
    def extra_attributes(self) -> dict[str, Any]:
        """The mass that the option says, whatever the text of the entry; the columns that were taken."""
        mass = f"{MASSES[self._mass]} ({self._mass}) of hosts, bound mass of satellites, all matter, at this time"
        taken = {ours: self.names[ours] for ours in self.extra_columns}
        return {"mass_definition": mass, "columns_of_the_simulation": taken}

    def pieces(self) -> Sequence[Piece]:
        """Subhalos of each chunk, a million at most; first and last count through all chunks."""
        chunks, first = self._chunks, self._chunks.first["Subhalo"].tolist()
        return [piece for path, *rows in zip(chunks.paths, first, first[1:]) for piece in self.ranges(path, *rows)]

    def convert(self, piece: Piece) -> Rows:
        """Subhalos of a piece. The id is the number of the subhalo in the snapshot, the host's that of the central."""
        chunks = self._chunks
        extra = {ours: self.names[ours] for ours in self.extra_columns}
        flag = [name for name in ("SubhaloFlag",) if name in chunks.fields["Subhalo"]]
        found = chunks.read("Subhalo", piece.first, piece.last, [*NEEDED, *flag, *extra.values()])
        found["id"] = np.arange(piece.first, piece.last, dtype=np.int64)
        found["host"], group_mass = self._groups(piece, found)
        central = found["host"] == found["id"]
        found["mass"] = np.where(central, group_mass, found["SubhaloMass"]).astype(np.float64)
        reasons = {
            "no halo by origin (SubhaloFlag 0)": found.get("SubhaloFlag", np.ones(len(central))) == 0,
            f"group without mass ({self._mass} = 0)": group_mass <= 0.0,
            "no bound mass": found["mass"] <= 0.0,
        }
        found, dropped = kept(found, reasons)
        h = self.cosmology.h
        position = found["SubhaloPos"].astype(np.float64) / 1000.0 / h
        mass = np.log10(found["mass"] * (MASS_UNIT / h))
        outside = (position < -BEYOND * self.box_size) | (position > (1.0 + BEYOND) * self.box_size)
        _check(piece, found["id"], outside, "SubhaloPos", "ckpc/h")
        _check(piece, found["id"], mass > 17.0, "a mass", "1e10 Msun/h")
        columns = {
            "simulation_halo_id": found["id"],
            "simulation_host_halo_id": found["host"],
            **dict(zip("xyz", position.T)),
            **dict(zip(("vx", "vy", "vz"), found["SubhaloVel"].astype(np.float64).T)),
            "log10_halo_mass": mass,
        }
        for ours, theirs in extra.items():
            values = found[theirs].astype(np.float64)
            columns[ours] = values[:, STARS] * (MASS_UNIT / h) if ours == "simulation_stellar_mass" else values
        return Rows(columns, dropped)

    def _groups(self, piece: Piece, found: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Number of the central and mass of the group of each subhalo; groups may lie in any chunk."""
        group = integers(found["SubhaloGrNr"], "SubhaloGrNr", piece.file)
        low, high = int(group.min()), int(group.max()) + 1
        if low < 0 or high > self._chunks.first["Group"][-1]:
            raise InputError(
                f"{piece.file}: SubhaloGrNr is {low} to {high - 1}, there are no such groups; copy it again"
            )
        rows = self._chunks.read("Group", low, high, ("GroupFirstSub", "GroupNsubs", self._mass))
        first = integers(rows["GroupFirstSub"], "GroupFirstSub", piece.file)[group - low]
        first = np.where(first == NO_SUBHALO, -1, first)
        beyond = first + rows["GroupNsubs"].astype(np.int64)[group - low]
        stray = (first < 0) | (found["id"] < first) | (found["id"] >= beyond)
        if np.any(stray):
            i = int(np.flatnonzero(stray)[0])
            raise InputError(
                f"{piece.file}: subhalo {found['id'][i]} names group {group[i]}, which has subhalos {first[i]} to "
                f"{beyond[i] - 1}; are all chunks of one snapshot, in order?"
            )
        return first, rows[self._mass][group - low]


def _check(piece: Piece, ids: np.ndarray, bad: np.ndarray, what: str, unit: str) -> None:
    if np.any(bad):
        raise InputError(
            f"{piece.file}: {what} of subhalo {ids[np.argwhere(bad)[0][0]]} is out of range; is it in {unit}?"
        )


def _check_header(chunks: Chunks) -> None:
    """Refuse headers that contradict themselves, or are in other units."""
    path, header = chunks.paths[0], chunks.header
    if header["BoxSize"] < SMALLEST_BOX:
        raise InputError(
            f"{path}: BoxSize = {header['BoxSize']:g} in the header is not in ckpc/h; give the original file"
        )
    total = header["Omega0"] + header["OmegaLambda"]
    if abs(total - 1.0) > 1e-3:
        raise InputError(f"{path}: Omega0 + OmegaLambda = {total:g}: only flat cosmologies can be read")
    if abs(header["Time"] * (1.0 + header["Redshift"]) - 1.0) > 1e-3:
        raise InputError(
            f"{path}: Time = {header['Time']:g} is not 1 / (1 + Redshift), {header['Redshift']:g}; restore it"
        )
