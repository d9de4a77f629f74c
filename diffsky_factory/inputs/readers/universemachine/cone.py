"""Reader of UniverseMachine light cones in text form, piece by piece; the text itself is in `text`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory.inputs.readers.common import text_rows
from diffsky_factory.inputs.readers.reader import Piece, Reader, Rows
from diffsky_factory.inputs.readers.universemachine.text import FIRST, Frame, Header, read_header, read_piece

MASSES = {"log10_halo_mass": "MP", "log10_halo_mass_now": "M"}
GALAXIES = {
    "halo_vmax": "V",
    "universemachine_stellar_mass": "SM",
    "universemachine_sfr": "SFR",
    "universemachine_observed_stellar_mass": "obs_SM",
    "universemachine_observed_sfr": "obs_SFR",
}
BITS = 21  # of each of the three numbers of a copy: three fit into 63
MIDDLE = 1 << (BITS - 1)


@dataclass(frozen=True)
class UniverseMachineCone(Reader):
    """Halos of one light cone, with the galaxies of UniverseMachine.

    Our frame is (x, y, z) = (X, -Y, Z) / h, in which the file's RA and Dec are the directions. `redshift` is
    Z(cosmo); the file's Z(los) has the velocity along the axis of the cone and is not used. Masses are in Msun, of the
    snapshot that was nearest. `replica` tells the copy of the box in which the halo itself lies (see `copies`): a
    satellite across a face of the box from its host is in the next one.
    """

    format = "universemachine_lightcone"
    title = "UniverseMachine light cone"
    geometry = "lightcone"
    alone = "each file is a cone of its own around ra = dec = 0"
    mass_definition = "largest virial mass so far of the main progenitor (Bryan & Norman 1998)"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a file starts as a UniverseMachine light cone does."""
        return text_rows.first_line(path).startswith(FIRST)

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self._header.table

    @property
    def file_cosmology(self) -> dict[str, float]:
        """Om0 and h of the header."""
        return {"Om0": self._header.cosmology.Om0, "h": self._header.cosmology.h}

    @property
    def file_box_size(self) -> float | None:
        """That of the header, where it has one [Mpc]."""
        frame = self._header.frame
        return None if frame is None else frame.box_size / self._header.cosmology.h

    @property
    def extra_columns(self) -> Sequence[str]:
        """redshift, mass now, largest circular velocity, galaxies; replica where the header tells it."""
        replica = ("replica",) if self._header.frame else ()
        return (*replica, "redshift", "log10_halo_mass_now", *GALAXIES)

    @property
    def extra_attributes(self) -> dict[str, Any]:
        """footprint and redshift_range of the command line, where the header has them."""
        header = self._header
        if header.pencil is None:
            return {}
        return {"footprint": [footprint(header.pencil)], "redshift_range": header.redshifts}

    def pieces(self) -> Sequence[Piece]:
        """Ranges of bytes."""
        return text_rows.pieces(self._header.table, self.rows_of_piece)

    def convert(self, piece: Piece) -> Rows:
        """Halos whose lines begin in a piece."""
        header = self._header
        values = read_piece(header, piece).values
        h = header.cosmology.h
        columns = {
            "simulation_halo_id": values["ID"],
            "simulation_host_halo_id": np.where(values["UPID"] == -1, values["ID"], values["UPID"]),
            **{"x": values["X"] / h, "y": -values["Y"] / h, "z": values["Z"] / h},
            **{"vx": values["VX"], "vy": -values["VY"], "vz": values["VZ"]},
            "redshift": values["Z(cosmo)"],
            **{name: np.log10(values[theirs]) for name, theirs in MASSES.items()},
            **{name: values[theirs] for name, theirs in GALAXIES.items()},
        }
        if header.frame is not None:
            position = np.stack([values[axis] for axis in "XYZ"], axis=-1)
            columns["replica"] = packed(copies(position, header.frame))
        return Rows(columns, {})

    @cached_property
    def _header(self) -> Header:
        return read_header(self.path)


def footprint(pencil: tuple[float, float]) -> dict:
    """The region within half of each side [arcmin] of ra = 0 and dec = 0."""
    ra, dec = (0.5 * side / 60.0 for side in pencil)
    return {"rectangle": {"ra": [360.0 - ra, ra], "dec": [-dec, dec]}}


def copies(position: np.ndarray, frame: Frame) -> np.ndarray:
    """Which copy of the box positions along the axes of the cone lie in, (n, 3) int64: floor((R^T X + O) / L).

    position : (n, 3), Mpc/h
    Error: the header has R to six digits, so a halo nearer than 1e-5 of its distance to a face may be in the next.
    """
    return np.floor((position @ frame.rotation + frame.origin) / frame.box_size).astype(np.int64)


def packed(copy: np.ndarray) -> np.ndarray:
    """The three numbers of a copy, each from -2^20 to 2^20 - 1, as one int64 >= 0: 21 bits each, x highest."""
    x, y, z = (copy + MIDDLE).T
    return (x << (2 * BITS)) | (y << BITS) | z
