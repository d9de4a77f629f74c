"""Reader of the binary catalogues of UniverseMachine: a box at one time, halos with their galaxies.

Format: `sfr_catalog_<a>.bin` of UniverseMachine (Behroozi et al. 2019, MNRAS 488, 3143): records of 128 bytes, little
endian, without a header. Positions comoving Mpc/h, velocities physical peculiar km/s, halo masses Msun/h.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common.dropping import kept, log10
from diffsky_factory.inputs.readers.common.snapshots import inside_box, redshift_of, scale_in_name
from diffsky_factory.inputs.readers.reader import Piece, Reader, Rows

NAME = r"sfr_catalog_(\d+\.\d+)\.bin"
SIZE = 128  # bytes of a record
FIELDS = {
    "id": ("<i8", 0), "upid": ("<i8", 16), "flags": ("<i4", 24), "x": ("<f4", 32), "y": ("<f4", 36), "z": ("<f4", 40),
    "vx": ("<f4", 44), "vy": ("<f4", 48), "vz": ("<f4", 52), "mp": ("<f4", 64), "m": ("<f4", 68), "v": ("<f4", 72),
    "sm": ("<f4", 100), "sfr": ("<f4", 108), "obs_sm": ("<f4", 112), "obs_sfr": ("<f4", 116),
}  # fmt: skip
RECORD = np.dtype(
    {
        "names": list(FIELDS),
        "formats": [kind for kind, _ in FIELDS.values()],
        "offsets": [offset for _, offset in FIELDS.values()],
        "itemsize": SIZE,
    }
)
IGNORE = 16  # bit of `flags`: a halo that UniverseMachine leaves out
LIGHTEST, HEAVIEST = 1e3, 1e17  # Msun/h, chosen: bytes in another order make numbers of any size
MASSES = {"log10_halo_mass": "mp", "log10_halo_mass_now": "m"}
GALAXIES = {
    "halo_vmax": "v",
    "universemachine_stellar_mass": "sm",
    "universemachine_sfr": "sfr",
    "universemachine_observed_stellar_mass": "obs_sm",
    "universemachine_observed_sfr": "obs_sfr",
}


@dataclass(frozen=True)
class UniverseMachineSfr(Reader):
    """Halos of one snapshot with the galaxies of UniverseMachine. The entry must give Om0, h and box_size.

    `columns` of the entry may take the mass now, m, for log10_halo_mass.
    """

    format = "universemachine_sfr"
    title = "UniverseMachine"
    snapshot = "file"
    usual_names = MASSES
    extra_columns = ("log10_halo_mass_now", *GALAXIES)
    mass_definition = "largest virial mass so far of the main progenitor (Bryan & Norman 1998)"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a file is called as UniverseMachine calls its binary catalogues; there is no header to tell."""
        return re.fullmatch(NAME, Path(path).name) is not None and Path(path).is_file()

    def __post_init__(self) -> None:
        super().__post_init__()
        for ours, theirs in self.names.items():
            if theirs not in MASSES.values():
                raise InputError(f"entry '{self.entry.name}', columns.{ours}: {theirs!r} is neither 'mp' nor 'm'")
        size = self.path.stat().st_size
        if size == 0 or size % SIZE:
            raise InputError(f"{self.path}: {size} bytes are no whole records of {SIZE}; is the file complete?")

    @property
    def redshift(self) -> float:
        """Of the name of the file."""
        scale = scale_in_name(self.path, NAME)
        if scale is None:
            raise InputError(f"{self.path}: no scale factor in its name; call it sfr_catalog_<a>.bin as it was written")
        return redshift_of(scale, self.path)

    def pieces(self) -> Sequence[Piece]:
        """Ranges of records."""
        return self.ranges(self.path, 0, self.path.stat().st_size // SIZE)

    def convert(self, piece: Piece) -> Rows:
        """Records of a piece, but for those that UniverseMachine marks as to be ignored."""
        rows = np.asarray(np.memmap(piece.file, RECORD, "r")[piece.first : piece.last])

        def refuse(bad: np.ndarray, name: str, problem: str) -> None:
            if np.any(bad):
                row = int(np.flatnonzero(bad)[0])
                raise InputError(f"{piece.file}, record {piece.first + row}: {name} = {rows[name][row]}: {problem}")

        ignored = (rows["flags"] & IGNORE) != 0
        _check(rows, ~ignored, refuse)
        h = self.cosmology.h
        position = {axis: np.where(ignored, 0.0, rows[axis]) for axis in "xyz"}
        mass = {name: rows[theirs] for name, theirs in self.names.items()}
        columns = {
            "simulation_halo_id": rows["id"].astype(np.int64),
            "simulation_host_halo_id": np.where(rows["upid"] == -1, rows["id"], rows["upid"]).astype(np.int64),
            **inside_box(position, 1.0 / h, self.box_size, refuse),
            **{name: rows[name].astype(np.float64) for name in ("vx", "vy", "vz")},
            **{name: log10(values) - np.log10(h) for name, values in mass.items()},
            **{name: rows[theirs].astype(np.float64) for name, theirs in GALAXIES.items()},
        }
        massless = np.any([values <= 0.0 for values in mass.values()], axis=0)
        return kept(columns, {"marked to be ignored": ignored, "without a mass": massless})


def _check(rows: np.ndarray, used: np.ndarray, refuse) -> None:
    """Refuse what is no number, and ids that are none: signs of another layout or byte order."""
    for name, (kind, _) in FIELDS.items():
        if kind == "<f4":
            refuse(used & ~np.isfinite(rows[name]), name, "not finite; is the file damaged, or of another layout?")
    for name in MASSES.values():
        strange = (rows[name] > 0.0) & ((rows[name] < LIGHTEST) | (rows[name] > HEAVIEST))
        refuse(used & strange, name, "no mass of a halo in Msun/h; is the file damaged, or of another layout?")
    refuse(used & (rows["id"] < 0), "id", "an id is not negative; is the file damaged, or of another layout?")
    refuse(used & (rows["upid"] < -1), "upid", "neither -1 nor an id; is the file damaged, or of another layout?")
