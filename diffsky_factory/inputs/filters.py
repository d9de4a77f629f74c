"""Filter curves by name: transmission of a band, pinned by hash to the package that carries it.

A curve T counts photons: the AB magnitude is -2.5 log10( int T L_nu dl / l  /  int T AB0 dl / l ). Sets
published as effective areas (GALEX, Roman) or electrons per photon (WISE, IRAC) are such curves as they
stand. Between its points a curve is linear, outside it is zero. Its overall height is of no matter.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.entries import Record, Reference, entry_names, near, read_entry

FILE_SUFFIXES = (".txt", ".dat", ".ecsv", ".csv", ".par")


@dataclass(frozen=True, eq=False)
class FilterCurve:
    """Transmission of one band; arrays (n,) are float64 and read-only, without needless zeros at the ends.

    Raises InputError for curves that are empty, not finite, negative, or whose wavelengths do not increase.
    """

    name: str
    wavelength: np.ndarray  # Angstrom, as observed
    transmission: np.ndarray  # photons counted per photon that arrives, up to a factor
    note: str = ""

    def __post_init__(self):
        wavelength = np.asarray(self.wavelength, dtype=np.float64)
        transmission = np.asarray(self.transmission, dtype=np.float64)
        _check_curve(self.name, wavelength, transmission)
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


class Band(Record):
    """One band of a filter set: the curve's name in the package, and its hash as `curve_sha256` gives it."""

    curve: str
    sha256: str


class FilterSetEntry(Record):
    """An entry of `catalogs/filters`."""

    title: str
    package: str
    version: str
    reference: Reference
    retrieved: str
    includes: str  # what the light passed through: atmosphere, optics, detector
    bands: dict[str, Band]


def list_filters(filter_set: str | None = None) -> list[str]:
    """Names that `load_filters` knows, `<set>_<band>`: of one set, or of all."""
    names = entry_names("filters") if filter_set is None else [filter_set]
    return [f"{name}_{band}" for name in names for band in _filter_set(name).bands]


def load_filters(names: Iterable[str | Path] | Mapping[str, object]) -> tuple[FilterCurve, ...]:
    """Curves in the order asked for.

    A name is `<set>_<band>`, such as lsst_r, or the path of a file (.txt .dat .csv .par .ecsv) of two
    columns, wavelength (Angstrom, where the file has no units) and transmission. A mapping gives names of
    one's own to such names and paths, or to pairs: `load_filters({"mine": (wavelength, transmission)})`.
    Raises InputError for unknown names, listing near ones, for unusable curves, and where the installed
    package no longer has the curve that its entry pins.
    """
    if isinstance(names, str):
        raise InputError(f"names is a list of bands; for one band write [{names!r}]")
    if isinstance(names, Mapping):
        return tuple(_own_curve(name, given) for name, given in names.items())
    return tuple(_curve(name) for name in names)


def curve_sha256(wavelength: np.ndarray, transmission: np.ndarray) -> str:
    """Hash of a curve: of its wavelengths, then its transmissions, as little-endian float64.

    Wavelengths in Angstrom are first rounded to 1e-6, as the last bits of a change of unit differ between
    versions of astropy.
    """
    values = np.concatenate([np.round(wavelength, 6), transmission])
    return hashlib.sha256(values.astype("<f8").tobytes()).hexdigest()


def read_package_curve(package: str, curve: str) -> tuple[np.ndarray, np.ndarray]:
    """Wavelength (Angstrom, rounded to 1e-6) and transmission of a curve of an installed package.

    Packages are speclite, and astro-sedpy, where `file:column` names a column of a file of many.
    """
    if package == "speclite":
        import speclite.filters

        response = speclite.filters.load_filter(curve)
        wavelength, transmission = response.wavelength, response.response
    elif package == "astro-sedpy":
        from sedpy.observate import Filter

        file, _, column = curve.partition(":")
        response = Filter(file, trans_colname=column or None)
        wavelength, transmission = response.wavelength, response.transmission
    else:
        raise InputError(f"no reader for filter curves of {package!r}; there are speclite and astro-sedpy")
    return np.round(np.asarray(wavelength, np.float64), 6), np.asarray(transmission, np.float64)


@cache
def _filter_set(name: str) -> FilterSetEntry:
    return read_entry("filters", name, FilterSetEntry)[0]


def _curve(name: str | Path) -> FilterCurve:
    if isinstance(name, Path) or name.endswith(FILE_SUFFIXES):
        return _file_curve(Path(name).stem, Path(name))
    return _pinned_curve(name)


def _own_curve(name: str, given: object) -> FilterCurve:
    if isinstance(given, str | Path):
        found = _curve(given)
        return FilterCurve(name, found.wavelength, found.transmission, found.note)
    try:
        wavelength, transmission = given
    except (TypeError, ValueError):
        raise InputError(f"filter {name!r} is neither a name, a path nor a pair (wavelength, transmission)") from None
    return FilterCurve(name, wavelength, transmission, "given as arrays")


@cache
def _pinned_curve(name: str) -> FilterCurve:
    set_name, _, band_name = name.partition("_")
    if set_name not in entry_names("filters") or band_name not in _filter_set(set_name).bands:
        raise InputError(f"no filter {name!r}; {near(name, list_filters())}")
    filter_set = _filter_set(set_name)
    band = filter_set.bands[band_name]
    wavelength, transmission = read_package_curve(filter_set.package, band.curve)
    found = curve_sha256(wavelength, transmission)
    if found != band.sha256:
        raise InputError(
            f"filter {name!r}: the installed {filter_set.package} has another curve {band.curve!r} "
            f"(sha256 {found}) than catalogs/filters/{set_name}.yaml pins (sha256 {band.sha256}, of version "
            f"{filter_set.version}): install {filter_set.package}=={filter_set.version}, or give the curve "
            "you mean as a file"
        )
    return FilterCurve(name, wavelength, transmission, f"{filter_set.title}; {filter_set.includes}")


def _file_curve(name: str, path: Path) -> FilterCurve:
    if not path.exists():
        raise InputError(f"filter {name!r}: no file {path}")
    try:
        columns = _ecsv_columns(path) if path.suffix == ".ecsv" else np.loadtxt(path, usecols=(0, 1), unpack=True)
    except (ValueError, IndexError, TypeError) as error:
        raise InputError(f"filter {name!r}: {path} does not have two columns of numbers: {error}") from error
    return FilterCurve(name, *columns, note=f"file {path.name}")


def _ecsv_columns(path):
    """First two columns of an ECSV file, the first converted to Angstrom where it has a unit."""
    from astropy.table import Table
    from astropy.units import Angstrom

    table = Table.read(path, format="ascii.ecsv")
    wavelength, transmission = (table[name] for name in table.colnames[:2])
    factor = 1.0 if wavelength.unit is None else wavelength.unit.to(Angstrom)
    return np.asarray(wavelength, np.float64) * factor, np.asarray(transmission, np.float64)


def _check_curve(name, wavelength, transmission):
    if wavelength.ndim != 1 or wavelength.shape != transmission.shape or len(wavelength) < 2:
        raise InputError(
            f"filter {name!r}: wavelength {wavelength.shape} and transmission {transmission.shape} "
            "must be two lists of the same length, of two points or more"
        )
    if not (np.all(np.isfinite(wavelength)) and np.all(np.isfinite(transmission))):
        raise InputError(f"filter {name!r} has values that are not finite")
    if not np.all(np.diff(wavelength) > 0.0) or wavelength[0] <= 0.0:
        raise InputError(f"filter {name!r}: wavelengths must be positive and increase; sort the curve")
    if np.any(transmission < 0.0):
        raise InputError(f"filter {name!r} has negative transmission, lowest {transmission.min():g}; set it to zero")
    if not np.any(transmission > 0.0):
        raise InputError(f"filter {name!r} is empty: its transmission is zero everywhere")
