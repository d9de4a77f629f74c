"""Reader of group catalogues of Illustris and TNG: subhalos of one snapshot, with the stars the simulation made."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.entries import near
from diffsky_factory.inputs.readers.common.wrapping import into_box
from diffsky_factory.inputs.readers.illustris.chunks import Chunks, open_chunks
from diffsky_factory.inputs.readers.reader import (
    REQUIRED,
    Geometry,
    Piece,
    Rows,
    SimulationEntry,
    agreed,
    agreed_cosmology,
)
from diffsky_factory.sky.cosmology import Cosmology

FORMAT = "illustris_groups"
PIECE = 1_000_000  # chosen: rows of a piece
MASS_UNIT = 1e10  # Msun/h
STARS = 4  # type of particle, stars and wind
NO_SUBHALO = 2**32 - 1  # GroupFirstSub of groups without one, where it has no sign
MASSES = {
    "Group_M_Crit200": "mass within 200 times the critical density",
    "Group_M_Mean200": "mass within 200 times the mean density",
    "Group_M_Crit500": "mass within 500 times the critical density",
    "Group_M_TopHat200": "virial mass, Bryan & Norman 1998",
}
OPTIONS = ("mass_definition",)
NEEDED = ("SubhaloGrNr", "SubhaloPos", "SubhaloVel", "SubhaloMass")
# our column -> theirs, which an entry may change
COLUMNS = {
    "halo_vmax": "SubhaloVmax",
    "simulation_stellar_mass": "SubhaloMassType",
    "simulation_sfr": "SubhaloSFR",
}
SMALLEST_BOX = 1000.0  # ckpc/h, chosen: a box in Mpc/h is below it, all published ones are above


def recognises(path: Path) -> bool:
    """Whether a file is a chunk of a group catalogue."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return "Header" in file and "Nsubgroups_ThisFile" in file["Header"].attrs
    except (OSError, RuntimeError):
        return False


@dataclass(frozen=True)
class IllustrisGroups:
    """Subhalos of one snapshot, `groups_<nnn>/fof_subhalo_tab_<nnn>.<k>.hdf5`; all chunks are needed.

    The first subhalo of a group is its central, with the mass of the group; the others are its satellites, with the
    mass that is bound to them now, which is less than they once had. Left out, and counted: subhalos that are clumps
    of a galaxy's own matter (SubhaloFlag 0), groups whose mass is 0, which have no centre.

    Options of the entry
        mass_definition (Group_M_Crit200): mass of a group, or Group_M_Mean200, Group_M_Crit500, Group_M_TopHat200
    `columns` of the entry may name other columns for halo_vmax, simulation_stellar_mass (as SubhaloMassInRadType:
    within twice the half-mass radius of the stars) and simulation_sfr (as SubhaloSFRinRad). Where the files have
    none of that name, as those of dark matter alone, the column is not given.
    """

    files: tuple[Path, ...]
    entry: SimulationEntry
    geometry: Geometry = "box"

    @cached_property
    def _chunks(self) -> Chunks:
        wanted = {"Group": ("GroupFirstSub", "GroupNsubs", self._mass), "Subhalo": NEEDED}
        chunks = open_chunks(self.files, self.entry.name, wanted)
        _check_header(chunks)
        for kind, names in wanted.items():
            absent = [name for name in names if name not in chunks.fields[kind]]
            if absent:
                raise InputError(
                    f"{chunks.paths[0]}: not all chunks have {kind}/{absent[0]}; give all of their columns"
                )
        for ours, theirs in self.entry.columns.items():
            if ours not in COLUMNS:
                raise InputError(f"simulation '{self.entry.name}', columns: {ours!r}; {near(ours, COLUMNS)}")
            if theirs not in chunks.fields["Subhalo"]:
                known = near(str(theirs), sorted(chunks.fields["Subhalo"]))
                raise InputError(f"{chunks.paths[0]}: no Subhalo/{theirs} for {ours!r}; {known}")
        return chunks

    @property
    def _mass(self) -> str:
        """Name of the column of group masses."""
        for name in self.entry.options:
            if name not in OPTIONS:
                raise InputError(f"simulation '{self.entry.name}': no option {name!r}; {near(name, OPTIONS)}")
        name = str(self.entry.options.get("mass_definition", "Group_M_Crit200"))
        if name not in MASSES:
            raise InputError(f"simulation '{self.entry.name}': mass_definition {name!r}; {near(name, MASSES)}")
        return name

    @cached_property
    def _extras(self) -> dict[str, str]:
        """Our columns beside the required ones -> theirs, as far as the files have them."""
        wanted = {**COLUMNS, **self.entry.columns}
        return {ours: theirs for ours, theirs in wanted.items() if theirs in self._chunks.fields["Subhalo"]}

    @property
    def cosmology(self) -> Cosmology:
        """Flat, Om0 and h of the files."""
        header = self._chunks.header
        found = {"Om0": header["Omega0"], "h": header["HubbleParam"], "w0": -1.0, "wa": 0.0}
        return agreed_cosmology(self.entry, found, self._chunks.paths[0])

    @cached_property
    def _box_size(self) -> float:
        header = self._chunks.header
        found = header["BoxSize"] / 1000.0 / header["HubbleParam"]
        return agreed("box size [Mpc]", self.entry.box_size, found, self._chunks.paths[0])

    @property
    def columns(self) -> dict[str, type]:
        """Name and type of each column."""
        return {**REQUIRED, **dict.fromkeys(self._extras, np.float64)}

    @property
    def attributes(self) -> dict[str, Any]:
        """What a catalogue made from it says of it."""
        mass = f"{MASSES[self._mass]} ({self._mass}) of hosts, bound mass of satellites, all matter, at this time"
        particle_mass = {"particle_mass": self.entry.particle_mass} if self.entry.particle_mass else {}
        return {
            "name": self.entry.name or FORMAT,
            "mass_definition": mass,  # that of the option, whatever the text of the entry
            "box_size": self._box_size,
            "redshift": self._chunks.header["Redshift"],
            "columns_of_the_simulation": dict(self._extras),
            **particle_mass,
        }

    def pieces(self) -> Sequence[Piece]:
        """Subhalos of each chunk, a million at most; first and last count through all chunks."""
        chunks, found = self._chunks, []
        for path, first, last in zip(chunks.paths, chunks.first["Subhalo"], chunks.first["Subhalo"][1:]):
            for row in range(int(first), int(last), PIECE):
                found.append(Piece(str(path), row, min(row + PIECE, int(last))))
        return found

    def read(self, piece: Piece) -> Rows:
        """One piece.

        simulation_halo_id : number of the subhalo in the snapshot; simulation_host_halo_id : that of the central
        x, y, z : Mpc, comoving, [0, box_size); vx, vy, vz : km/s, peculiar, physical
        log10_halo_mass : dex(Msun), of the group for a central, bound for a satellite
        halo_vmax : km/s; simulation_stellar_mass : Msun; simulation_sfr : Msun/yr
        """
        chunks = self._chunks
        flag = [name for name in ("SubhaloFlag",) if name in chunks.fields["Subhalo"]]
        found = chunks.read("Subhalo", piece.first, piece.last, [*NEEDED, *flag, *self._extras.values()])
        found["id"] = np.arange(piece.first, piece.last, dtype=np.int64)
        found["host"], group_mass = self._groups(piece, found)
        central = found["host"] == found["id"]
        found["mass"] = np.where(central, group_mass, found["SubhaloMass"]).astype(np.float64)
        reasons = {
            "no halo by origin (SubhaloFlag 0)": found.get("SubhaloFlag", np.ones(len(central))) == 0,
            f"group without mass ({self._mass} = 0)": group_mass <= 0.0,
            "no bound mass": found["mass"] <= 0.0,
        }
        kept, dropped = _drop(reasons)
        return Rows(self._columns(piece, {name: values[kept] for name, values in found.items()}), dropped)

    def _groups(self, piece: Piece, found: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Number of the central and mass of the group of each subhalo; groups may lie in any chunk."""
        group = found["SubhaloGrNr"].astype(np.int64)
        low, high = int(group.min()), int(group.max()) + 1
        if low < 0 or high > self._chunks.first["Group"][-1]:
            raise InputError(
                f"{piece.file}: SubhaloGrNr is {low} to {high - 1}, there are no such groups; copy it again"
            )
        rows = self._chunks.read("Group", low, high, ("GroupFirstSub", "GroupNsubs", self._mass))
        first = rows["GroupFirstSub"].astype(np.int64)[group - low]
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

    def _columns(self, piece: Piece, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        h, box_size = self.cosmology.h, self._box_size
        position = found["SubhaloPos"].astype(np.float64) / 1000.0 / h
        mass = np.log10(found["mass"] * (MASS_UNIT / h))
        _check(piece, found["id"], (position < -0.01 * box_size) | (position > 1.01 * box_size), "SubhaloPos", "ckpc/h")
        _check(piece, found["id"], mass > 17.0, "a mass", "1e10 Msun/h")
        columns = {"simulation_halo_id": found["id"], "simulation_host_halo_id": found["host"]}
        columns |= dict(zip("xyz", into_box(position, box_size).T, strict=True))
        columns |= dict(zip(("vx", "vy", "vz"), found["SubhaloVel"].astype(np.float64).T, strict=True))
        columns["log10_halo_mass"] = mass
        for ours, theirs in self._extras.items():
            values = found[theirs].astype(np.float64)
            columns[ours] = values[:, STARS] * (MASS_UNIT / h) if ours == "simulation_stellar_mass" else values
        return columns


def _drop(reasons: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, int]]:
    """Which rows are kept, and how many are not for each reason; a row counts for its first one."""
    kept = np.ones(len(next(iter(reasons.values()))), bool)
    dropped = {}
    for why, bad in reasons.items():
        if np.any(kept & bad):
            dropped[why] = int(np.sum(kept & bad))
        kept &= ~bad
    return kept, dropped


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
