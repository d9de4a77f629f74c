"""Filter curves of installed packages: which there are, and their numbers."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import numpy as np

from diffsky_factory.core.errors import InputError, near

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

    Raises InputError for an unknown package or curve, listing near matches, and for a package that is not installed.
    """
    prefix, _, curve = band.partition(":")
    if prefix not in PACKAGES:
        raise InputError(f"no filter {band!r}: no package {prefix!r}; {near(prefix, PACKAGES)}")
    package, file = PACKAGES[prefix], curve.split(":")[0]
    try:
        known = package_curve_names(package)
        found = read_package_curve(package, curve) if file in known else None
    except ImportError as error:
        raise InputError(
            f"no filter {band!r}: {package} cannot be imported ({error}); pip install 'diffsky_factory[filters]'"
        ) from error
    except (ValueError, KeyError, IndexError) as error:
        raise InputError(f"no filter {band!r}: {package} cannot read it ({error})") from error
    if found is None:
        raise InputError(f"no filter {band!r}: {package} has no curve {file!r}; {near(file, known)}")
    return found


def packages_of(bands: Iterable[object]) -> set[str]:
    """Packages from which the curves of bands are taken, those named `<package>:<curve>`."""
    return {PACKAGES[band.partition(":")[0]] for band in bands if isinstance(band, str) and ":" in band}


def _no_reader(package: str) -> InputError:
    return InputError(f"no reader for filter curves of {package!r}; there are {' and '.join(PACKAGES.values())}")
