"""A filter curve: transmission of one band as a function of wavelength, and the files that may hold one.

A curve T counts photons: the AB magnitude is -2.5 log10( int T L_nu dl / l  /  int T AB0 dl / l ). Between its points
a curve is linear, outside it is zero. Its overall height is of no matter.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from diffsky_factory.core.cache import fingerprint
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.user_files import user_file
from diffsky_factory.inputs.text_files import lines_of, suffix_of

FILE_SUFFIXES = (".txt", ".dat", ".ecsv", ".csv", ".par")


@dataclass(frozen=True, eq=False)
class FilterCurve:
    """Transmission of one band; arrays (n,) are float64 and read-only, without needless zeros at the ends.

    Curves are equal where their names and numbers are. Raises InputError for curves that are empty, not finite,
    negative, or whose wavelengths do not increase.
    """

    name: str
    wavelength: np.ndarray  # Angstrom, as observed
    transmission: np.ndarray  # photons counted per photon that arrives, up to a factor
    note: str = ""

    def __post_init__(self):
        wavelength = np.asarray(self.wavelength, dtype=np.float64)
        transmission = np.asarray(self.transmission, dtype=np.float64)
        problem = problem_of_curve(wavelength, transmission)
        if problem:
            raise InputError(f"filter {self.name!r}: {problem}")
        lit = np.flatnonzero(transmission)
        used = slice(max(lit[0] - 1, 0), lit[-1] + 2)  # one zero on each side ends the slope
        for field, values in (("wavelength", wavelength), ("transmission", transmission)):
            values = values[used].copy()
            values.setflags(write=False)
            object.__setattr__(self, field, values)

    @property
    def effective_wavelength(self) -> float:
        """int T l dl / int T dl by the trapezoidal rule over the curve's points, Angstrom."""
        light = np.trapezoid(self.transmission, self.wavelength)
        return float(np.trapezoid(self.transmission * self.wavelength, self.wavelength) / light)

    @cached_property
    def _content(self) -> str:
        return fingerprint([self.name, self.wavelength, self.transmission])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FilterCurve) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)


def problem_of_curve(wavelength: np.ndarray, transmission: np.ndarray) -> str | None:
    """What makes two arrays no curve, and what to do about it; None where nothing does."""
    if wavelength.ndim != 1 or wavelength.shape != transmission.shape or len(wavelength) < 2:
        return (
            f"wavelength {wavelength.shape} and transmission {transmission.shape} "
            "must be two lists of the same length, of two points or more"
        )
    if not (np.all(np.isfinite(wavelength)) and np.all(np.isfinite(transmission))):
        return "it has values that are not finite"
    if not np.all(np.diff(wavelength) > 0.0) or wavelength[0] <= 0.0:
        return "wavelengths must be positive and increase; sort the curve"
    if np.any(transmission < 0.0):
        return f"it has negative transmission, lowest {transmission.min():g}; set it to zero"
    if not np.any(transmission > 0.0):
        return "it is empty: its transmission is zero everywhere"
    return None


def curve_sha256(wavelength: np.ndarray, transmission: np.ndarray) -> str:
    """Hash of a curve: of its wavelengths, then its transmissions, as little-endian float64.

    Wavelengths in Angstrom are first rounded to 1e-6, as the last bits of a change of unit differ between
    versions of astropy.
    """
    values = np.concatenate([np.round(wavelength, 6), transmission])
    return hashlib.sha256(values.astype("<f8").tobytes()).hexdigest()


def read_curve_file(name: str, path: Path) -> FilterCurve:
    """The curve of a file of two columns, wavelength (Angstrom, where the file has no units) and transmission.

    Raises InputError where there is no such file, or it holds something else.
    """
    path = user_file(path)
    if not path.exists():
        raise InputError(f"filter {name!r}: no file {path}")
    try:
        lines = [line.decode() for line in lines_of(path)]
        columns = _ecsv_columns(lines) if suffix_of(path) == ".ecsv" else np.loadtxt(lines, usecols=(0, 1), unpack=True)
    except InputError:
        raise
    except Exception as error:  # astropy's, of headers that are damaged, are of many kinds
        raise InputError(f"filter {name!r}: {path} does not have two columns of numbers: {error}") from error
    wavelength, transmission = columns
    return FilterCurve(name, wavelength, transmission, f"file {path.name}")


def _ecsv_columns(lines: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """First two columns of an ECSV file, the first converted to Angstrom where it has a unit."""
    from astropy.table import Table
    from astropy.units import Angstrom

    table = Table.read(lines, format="ascii.ecsv")
    wavelength, transmission = (table[name] for name in table.colnames[:2])
    if np.ma.is_masked(wavelength) or np.ma.is_masked(transmission):
        raise ValueError("a value is missing")
    factor = 1.0 if wavelength.unit is None else wavelength.unit.to(Angstrom)
    return np.asarray(wavelength, np.float64) * factor, np.asarray(transmission, np.float64)
