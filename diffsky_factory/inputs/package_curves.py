"""Filter curves of installed packages: which there are, and their numbers."""

from functools import cache
from importlib.resources import files

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.entries import near

PACKAGES = {"speclite": "speclite", "sedpy": "astro-sedpy"}
"""Packages by the name with which a band begins that is taken from one, `speclite:decam2014-g`."""


@cache
def package_curve_names(package: str) -> tuple[str, ...]:
    """Names of the curves of a package; of astro-sedpy those of files, some of which have a column for each curve."""
    if package == "speclite":
        folder = files("speclite") / "data" / "filters"
        return tuple(sorted(file.name.removesuffix(".ecsv") for file in folder.iterdir() if file.name[-5:] == ".ecsv"))
    if package == "astro-sedpy":
        from sedpy.observate import list_available_filters

        return tuple(sorted(list_available_filters()))
    raise _no_reader(package)


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
        raise _no_reader(package)
    return np.round(np.asarray(wavelength, np.float64), 6), np.asarray(transmission, np.float64)


def read_unpinned_curve(band: str) -> tuple[np.ndarray, np.ndarray]:
    """Wavelength and transmission of a band `<package>:<curve>`, as the package that is installed has it.

    Raises InputError for an unknown package or curve, listing near matches.
    """
    prefix, _, curve = band.partition(":")
    if prefix not in PACKAGES:
        raise InputError(f"no filter {band!r}: no package {prefix!r}; {near(prefix, PACKAGES)}")
    known, file = package_curve_names(PACKAGES[prefix]), curve.split(":")[0]
    if file not in known:
        raise InputError(f"no filter {band!r}: {PACKAGES[prefix]} has no curve {file!r}; {near(file, known)}")
    try:
        return read_package_curve(PACKAGES[prefix], curve)
    except (ValueError, KeyError, IndexError) as error:
        raise InputError(f"no filter {band!r}: {PACKAGES[prefix]} cannot read it ({error})") from error


def _no_reader(package: str) -> InputError:
    return InputError(f"no reader for filter curves of {package!r}; there are {' and '.join(PACKAGES.values())}")
