"""The text of a UniverseMachine light cone: header, rows, and what must hold of them.

Format: output of the `lightcone` tool of UniverseMachine (Behroozi et al. 2019, MNRAS 488, 3143). Positions comoving
Mpc/h along the axes of the cone, velocities physical km/s, masses Msun.
"""

import re
import warnings
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.distance_table import distance_table

NAMES = [
    "RA", "Dec", "Z(los)", "Z(cosmo)", "Scale", "ID", "DescID", "UPID", "Flags", "Uparent_Dist", "X", "Y", "Z",
    "VX", "VY", "VZ", "M", "V", "MP", "VMP", "R", "Rank1", "Rank2", "RA", "RARank", "SM", "ICL", "SFR",
    "obs_SM", "obs_SFR", "SSFR", "SM/HM", "obs_UV", "A_UV",
]  # fmt: skip
# by position, as "RA" names two columns
USED = {
    "RA": 0, "Dec": 1, "Z(cosmo)": 3, "ID": 5, "UPID": 7, "X": 10, "Y": 11, "Z": 12, "VX": 13, "VY": 14, "VZ": 15,
    "MP": 18, "SM": 25, "SFR": 27, "obs_SM": 28, "obs_SFR": 29,
}  # fmt: skip
ROW = np.dtype([(name, np.int64 if name in ("ID", "UPID") else np.float64) for name in USED])
BLOCK = 50_000  # chosen: lines held as text at a time, 16 MB
DISTANCE_TOLERANCE = 1e-3  # relative, chosen: a wrong h or Om shows at 1e-2
REDSHIFT_ROUNDING = 1e-6  # chosen: twice the last printed digit of Z(cosmo)
SKY_TOLERANCE = 1e-3  # deg, chosen: a mirrored or rotated frame shows at the size of the field


@dataclass(frozen=True)
class Header:
    """What the comment lines say."""

    path: Path
    cosmology: Cosmology
    pencil: tuple[float, float] | None  # arcmin along ra and dec; None where the command line does not tell
    lines: int  # of the header


def is_universemachine_lightcone(path: str | Path) -> bool:
    """Whether a file starts as a UniverseMachine light cone does."""
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(1000)
    return first.startswith(b"#RA Dec Z(los) Z(cosmo)")


def read_header(path: str | Path) -> Header:
    """The header of a file; raises ValueError, naming the file and the line that is missing or wrong."""
    path = Path(path)
    comments = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.startswith("#"):
                break
            comments.append(line[1:].strip())
    names = comments[0].split() if comments else []
    if names != NAMES:
        raise InputError(f"{path}, line 1: not the {len(NAMES)} column names of a UniverseMachine light cone: {names}")
    return Header(path, _cosmology(path, comments), _pencil(comments), len(comments))


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


def _pencil(comments: list[str]) -> tuple[float, float] | None:
    """x_arcmin, y_arcmin of `lightcone <config> z_low z_high x_arcmin y_arcmin samples ..`."""
    for line in comments:
        if line.startswith("Command line:"):
            try:
                z_low, z_high, x, y, _ = (float(word) for word in line.split()[4:9])
            except ValueError:
                return None
            return (x, y) if 0.0 <= z_low < z_high and x > 0.0 and y > 0.0 else None
    return None


def read_rows(header: Header) -> np.ndarray:
    """All rows, (n,) of type ROW, read in blocks of lines so that the text is never held whole, and checked.

    Raises InputError, naming file and line, for a row that is incomplete, not a number, or contradicts the header.
    """
    blocks, first_line = [], header.lines + 1
    with header.path.open(encoding="utf-8", errors="replace") as file:
        for _ in range(header.lines):
            next(file)
        while lines := list(islice(file, BLOCK)):
            blocks.append(_parse(header.path, lines, first_line))
            first_line += len(lines)
    if not blocks:
        raise InputError(f"{header.path}: no rows below the header; is the file complete?")
    rows = np.concatenate(blocks)
    _check(header, rows)
    return rows


def _parse(path: Path, lines: list[str], first_line: int) -> np.ndarray:
    for number, line in enumerate(lines, start=first_line):
        if not line.endswith("\n"):
            raise InputError(f"{path}, line {number}: the last line has no end, the file is truncated; copy it again")
        if len(line.split()) != len(NAMES):
            raise InputError(
                f"{path}, line {number}: {len(line.split())} columns instead of {len(NAMES)}; copy the file again"
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an id written as 1e9 must not pass through float64
            return np.atleast_1d(np.loadtxt(lines, dtype=ROW, usecols=list(USED.values()), comments=None))
    except (ValueError, Warning):
        raise InputError(_not_a_number(path, lines, first_line)) from None


def _not_a_number(path: Path, lines: list[str], first_line: int) -> str:
    """Names the first value that cannot be read."""
    for number, line in enumerate(lines, start=first_line):
        words = line.split()
        for name, position in USED.items():
            kind = int if np.issubdtype(ROW[name], np.integer) else float
            try:
                np.int64(kind(words[position])) if kind is int else kind(words[position])
            except (ValueError, OverflowError):
                what = "an integer of 64 bits" if kind is int else "a number"
                return f"{path}, line {number}: {name} = '{words[position]}' is not {what}; mend or drop the line"
    return f"{path}, lines {first_line} to {first_line + len(lines) - 1}: cannot be read as numbers"


def _check(header: Header, rows: np.ndarray) -> None:
    """Refuse values that no halo has, and positions that contradict redshift, h or the sky position."""

    def refuse(bad, name, problem):
        if np.any(bad):
            row = int(np.flatnonzero(bad)[0])
            raise InputError(f"{header.path}, line {header.lines + 1 + row}: {name} = {rows[name][row]}: {problem}")

    for name in USED:
        if ROW[name] == np.float64:
            refuse(~np.isfinite(rows[name]), name, "not finite; drop the line")
    refuse(rows["MP"] <= 0.0, "MP", "a mass must be positive; drop the line")
    refuse(rows["Z(cosmo)"] <= 0.0, "Z(cosmo)", "a redshift must be positive; drop the line")

    h = header.cosmology.h
    x, y, z = rows["X"], rows["Y"], rows["Z"]
    radius = np.sqrt(x**2 + y**2 + z**2) / h
    redshift = rows["Z(cosmo)"]
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
    apart = (rows["RA"] - ra + 180.0) % 360.0 - 180.0
    away = np.hypot(apart * np.cos(np.deg2rad(dec)), rows["Dec"] - dec)
    refuse(
        away > SKY_TOLERANCE, "RA", "RA, Dec is not the direction of (X, -Y, Z); are the axes those of the light cone?"
    )
