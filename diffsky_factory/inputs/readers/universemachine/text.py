"""The text of a UniverseMachine light cone: header, rows, and what must hold of them.

Format: output of the `lightcone` tool of UniverseMachine (Behroozi et al. 2019, MNRAS 488, 3143). Positions comoving
Mpc/h along the axes of the cone, velocities physical km/s, masses Msun.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common.text_rows import (
    TextRows,
    TextTable,
    read_comments,
    read_text,
    text_table,
)
from diffsky_factory.inputs.readers.reader import Piece
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.distance_table import distance_table

NAMES = [
    "RA", "Dec", "Z(los)", "Z(cosmo)", "Scale", "ID", "DescID", "UPID", "Flags", "Uparent_Dist", "X", "Y", "Z",
    "VX", "VY", "VZ", "M", "V", "MP", "VMP", "R", "Rank1", "Rank2", "RA", "RARank", "SM", "ICL", "SFR",
    "obs_SM", "obs_SFR", "SSFR", "SM/HM", "obs_UV", "A_UV",
]  # fmt: skip
FIRST = b"#RA Dec Z(los) Z(cosmo)"
# by position, as "RA" names two columns
USED = {
    "RA": 0, "Dec": 1, "Z(cosmo)": 3, "ID": 5, "UPID": 7, "X": 10, "Y": 11, "Z": 12, "VX": 13, "VY": 14, "VZ": 15,
    "M": 16, "V": 17, "MP": 18, "SM": 25, "SFR": 27, "obs_SM": 28, "obs_SFR": 29,
}  # fmt: skip
WORDS = {name: (at, np.int64 if name in ("ID", "UPID") else np.float64) for name, at in USED.items()}
DISTANCE_TOLERANCE = 1e-3  # relative, chosen: a wrong h or Om shows at 1e-2
REDSHIFT_ROUNDING = 1e-6  # chosen: twice the last printed digit of Z(cosmo)
SKY_TOLERANCE = 1e-3  # deg, chosen: a mirrored or rotated frame shows at the size of the field


class Frame(NamedTuple):
    """Where the cone lies in the box: X_cone = R (X_box - O), without regard to the box's period."""

    box_size: float  # Mpc/h
    origin: np.ndarray  # O, (3,), Mpc/h
    rotation: np.ndarray  # R, (3, 3)


@dataclass(frozen=True)
class Header:
    """What the comment lines say."""

    path: Path
    cosmology: Cosmology
    redshifts: tuple[float, float] | None  # of the command line; None where it does not tell
    pencil: tuple[float, float] | None  # arcmin along ra and dec, likewise
    frame: Frame | None  # None where it is not told
    start: int  # byte of the first row

    @property
    def table(self) -> TextTable:
        """The rows below; raises InputError where there are none, or the file is cut off."""
        return text_table(self.path, self.start, len(NAMES), WORDS)


def read_header(path: str | Path) -> Header:
    """The header of a file; raises ValueError, naming the file and the line that is missing or wrong."""
    path = Path(path)
    comments, start = read_comments(path)
    names = comments[0].split() if comments else []
    if names != NAMES:
        raise InputError(f"{path}, line 1: not the {len(NAMES)} column names of a UniverseMachine light cone: {names}")
    redshifts, pencil = _extent(comments)
    return Header(path, _cosmology(path, comments), redshifts, pencil, _frame(path, comments), start)


def _cosmology(path: Path, comments: list[str]) -> Cosmology:
    """Om and h of the header, flat; Ob0, sigma8 and ns are not in it and keep the defaults."""
    lines = [line for line in comments if line.startswith("Cosmology:")]
    found = dict(re.findall(r"(Om|Ol|h): *([0-9.eE+-]+)", lines[0])) if lines else {}
    if set(found) != {"Om", "Ol", "h"}:
        raise InputError(f"{path}: no header line '#Cosmology: Om: ..; Ol: ..; h: ..'; restore it from the original")
    om, ol, h = (float(found[name]) for name in ("Om", "Ol", "h"))
    if abs(om + ol - 1.0) > 1e-3:
        raise InputError(f"{path}: Om + Ol = {om + ol}: only flat cosmologies can be read")
    return Cosmology(Om0=om, h=h)


def _extent(comments: list[str]) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Redshifts and sides [arcmin] of `lightcone <config> z_low z_high x_arcmin y_arcmin samples ..`."""
    for line in comments:
        if line.startswith("Command line:"):
            try:
                z_low, z_high, x, y, _ = (float(word) for word in line.split()[4:9])
            except ValueError:
                return None, None
            if 0.0 <= z_low < z_high and x > 0.0 and y > 0.0:
                return (z_low, z_high), (x, y)
    return None, None


def _frame(path: Path, comments: list[str]) -> Frame | None:
    """Box size, origin and rotation; raises InputError where the rotation is none."""
    text = "\n".join(comments)
    number = r"(-?[\d.]+(?:[eE][-+]?\d+)?)"
    size = re.search(rf"^Original box size: *{number} *Mpc/h", text, re.MULTILINE)
    origin = re.search(rf"^Origin \(O\): *{number} +{number} +{number}", text, re.MULTILINE)
    matrix = re.search(r"^Rotation Matrix \(R\):\s*([-\d.eE+,\s\[\]]+)", text, re.MULTILINE)
    if not (size and origin and matrix):
        return None
    rotation = np.array([float(word) for word in re.findall(number, matrix[1])])
    if len(rotation) != 9 or np.abs(rotation.reshape(3, 3) @ rotation.reshape(3, 3).T - np.eye(3)).max() > 1e-4:
        raise InputError(f"{path}: the Rotation Matrix of the header is no rotation; restore it from the original")
    return Frame(float(size[1]), np.array([float(word) for word in origin.groups()]), rotation.reshape(3, 3))


def read_piece(header: Header, piece: Piece) -> TextRows:
    """The rows of a range of bytes, checked.

    Raises InputError, naming file and line, for a row that is incomplete, not a number, or contradicts the header.
    """
    rows = read_text(header.table, piece)
    if len(rows.values["ID"]):
        _check(header, rows)
    return rows


def _check(header: Header, rows: TextRows) -> None:
    """Refuse values that no halo has, and positions that contradict redshift, h or the sky position."""
    values, refuse, h = rows.values, rows.refuse, header.cosmology.h
    refuse(values["ID"] < 0, "ID", "an id is not negative; copy the file again")
    for name in ("MP", "M"):
        refuse(values[name] <= 0.0, name, "a mass must be positive; drop the line")
    refuse(values["Z(cosmo)"] <= 0.0, "Z(cosmo)", "a redshift must be positive; drop the line")

    x, y, z, redshift = values["X"], values["Y"], values["Z"], values["Z(cosmo)"]
    radius = np.sqrt(x**2 + y**2 + z**2) / h
    expected = distance_table(header.cosmology, float(redshift.max()) + 0.1)(np.log1p(redshift))
    tolerance = DISTANCE_TOLERANCE * expected + REDSHIFT_ROUNDING * 2997.9 / h
    refuse(
        np.abs(radius - expected) > tolerance,
        "Z(cosmo)",
        f"its distance in the cosmology of the header (Om = {header.cosmology.Om0}, h = {h}) is not that of X, Y, Z; "
        "are they in Mpc/h, and is the header of this file?",
    )
    ra = np.rad2deg(-np.arctan2(y, x))  # the sky frame is (X, -Y, Z)
    dec = np.rad2deg(np.arctan2(z, np.hypot(x, y)))
    apart = (values["RA"] - ra + 180.0) % 360.0 - 180.0
    away = np.hypot(apart * np.cos(np.deg2rad(dec)), values["Dec"] - dec)
    problem = "RA, Dec is not the direction of (X, -Y, Z); are the axes those of the light cone?"
    refuse(away > SKY_TOLERANCE, "RA", problem)
