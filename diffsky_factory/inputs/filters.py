"""Bands: filter curves by name, those of sets and of installed packages, and curves of one's own.

Sets published as effective areas (GALEX, Roman) or electrons per photon (WISE, IRAC) are curves that count photons as
they stand.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from astropy import units
from pydantic import BeforeValidator, field_validator, model_validator

from diffsky_factory.core.errors import InputError, near
from diffsky_factory.core.user_files import user_file
from diffsky_factory.inputs.entries import Record, checked, entry_names
from diffsky_factory.inputs.filter_curves import FILE_SUFFIXES, FilterCurve, problem_of_curve, read_curve_file
from diffsky_factory.inputs.filter_sets import set_curve, set_entry
from diffsky_factory.inputs.package_curves import read_unpinned_curve
from diffsky_factory.inputs.text_files import stem_of, suffix_of


def _in_unit(unit: units.UnitBase) -> BeforeValidator:
    """Validator: numbers as they are, and quantities converted, rounded to 1e-6 as their last bits are of no matter."""

    def convert(values: Any) -> list[float]:
        try:
            if isinstance(values, units.Quantity):
                return np.round(values.to_value(unit).astype(np.float64), 6).tolist()
            return np.asarray(values, np.float64).tolist()
        except (TypeError, ValueError, units.UnitsError) as error:
            raise ValueError(f"numbers are wanted, or a quantity that becomes {unit or 'a number'}: {error}") from error

    return BeforeValidator(convert)


class Curve(Record):
    """A band of one's own as data: its name, wavelengths as observed [Angstrom], and photons counted of each."""

    name: str
    wavelength: Annotated[tuple[float, ...], _in_unit(units.Angstrom)]
    transmission: Annotated[tuple[float, ...], _in_unit(units.dimensionless_unscaled)]

    @field_validator("name")
    @classmethod
    def _names_an_array(cls, name: str) -> str:
        if not name.strip() or "/" in name or name.startswith((".", "__")):
            raise ValueError("a name has no slash, and begins neither with a dot nor with two underscores")
        return name

    @model_validator(mode="after")
    def _is_a_curve(self) -> "Curve":
        problem = problem_of_curve(np.array(self.wavelength), np.array(self.transmission))
        if problem:
            raise ValueError(problem)
        return self


Bands = str | Path | Curve | FilterCurve | Iterable[str | Path | Curve | FilterCurve | Mapping] | Mapping[str, Any]
"""What `band_list` takes."""


def list_filters(filter_set: str | None = None) -> list[str]:
    """Names of all bands that are pinned, `<set>_<band>`: of one set, or of all."""
    names = entry_names("filters") if filter_set is None else [filter_set]
    return [f"{name}_{band}" for name in names for band in set_entry(name).bands]


def band_list(bands: Bands) -> tuple[str | Curve, ...]:
    """Bands one by one, in the order asked for: names of curves that are known, and curves of one's own.

    A band is one of
        lsst_r                            a name, `<set>_<band>`
        lsst                              a set: all of its bands, in its order
        speclite:decam2014-g              a curve of an installed package, speclite or sedpy, as it is there
        mine.txt                          a file (.txt .dat .csv .par .ecsv) of two columns, wavelength (Angstrom, where
                                          the file has no units) and transmission; read now, and named by its stem
        {name, wavelength, transmission}  a curve: a mapping, a `Curve` or a `FilterCurve`
    One band may stand by itself. A mapping gives names of one's own to bands, or to pairs of arrays:
    `{"mine": (wavelength, transmission)}`; astropy quantities are converted.
    Raises InputError for what is no band, and where two have one name.
    """
    each: list[str | Curve]
    if isinstance(bands, str | Path | Curve | FilterCurve) or _is_curve(bands):
        each = list(_each(bands))
    elif isinstance(bands, Mapping):
        each = [_renamed(name, given) for name, given in bands.items()]
    elif isinstance(bands, Iterable):
        each = [one for band in bands for one in _each(band)]
    else:
        raise InputError(f"{bands!r} is no list of bands; give their names")
    names = [_name(band) for band in each]
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise InputError(f"band {twins[0]!r} is given twice")
    return tuple(each)


def band_names(bands: Bands) -> tuple[str, ...]:
    """Labels of the band axis, each once; arguments and errors are those of `band_list`."""
    return tuple(map(_name, band_list(bands)))


def load_filters(bands: Bands) -> tuple[FilterCurve, ...]:
    """Curves of bands, in the order asked for; arguments as in `band_list`.

    Raises InputError for unknown names, listing near ones, for unusable curves, and where the file of a set has not the
    curve that its entry pins.
    """
    return tuple(_curve(band) for band in band_list(bands))


def _is_curve(bands: object) -> bool:
    return isinstance(bands, Mapping) and {"wavelength", "transmission"} <= set(bands)


def _name(band: str | Curve) -> str:
    return band.name if isinstance(band, Curve) else band


def _each(band: object) -> tuple[str | Curve, ...]:
    """A band as names and curves; several where it is a set."""
    if isinstance(band, Curve):
        return (band,)
    if isinstance(band, FilterCurve):
        return (_own(band.name, band.wavelength, band.transmission),)
    if isinstance(band, Mapping):
        return (checked(Curve, dict(band), f"filter {band.get('name', '')!r}"),)
    if isinstance(band, Path) or (isinstance(band, str) and suffix_of(band) in FILE_SUFFIXES):
        return _each(read_curve_file(stem_of(band), user_file(band)))
    if isinstance(band, str):
        return tuple(list_filters(band)) if band in entry_names("filters") else (str(band),)
    raise InputError(f"{band!r} is neither the name of a band, a path nor a curve")


def _renamed(name: str, given: Any) -> Curve:
    """A band, or a pair of arrays, under a name of one's own."""
    if isinstance(given, str | Path | Curve | FilterCurve) or _is_curve(given):
        curves = load_filters(given)
        if len(curves) != 1:
            raise InputError(f"filter {name!r}: {given!r} has {len(curves)} bands; give one")
        return _own(name, curves[0].wavelength, curves[0].transmission)
    try:
        wavelength, transmission = given
    except (TypeError, ValueError):
        raise InputError(f"filter {name!r} is neither a name, a path nor a pair (wavelength, transmission)") from None
    return _own(name, wavelength, transmission)


def _own(name: str, wavelength: object, transmission: object) -> Curve:
    return checked(Curve, {"name": name, "wavelength": wavelength, "transmission": transmission}, f"filter {name!r}")


def _curve(band: str | Curve) -> FilterCurve:
    if isinstance(band, Curve):
        return FilterCurve(band.name, np.array(band.wavelength), np.array(band.transmission), "a curve of one's own")
    return _package_curve(band) if ":" in band else _pinned_curve(band)


@cache
def _package_curve(name: str) -> FilterCurve:
    return FilterCurve(name, *read_unpinned_curve(name), "of the package that is installed, not pinned")


def _pinned_curve(name: str) -> FilterCurve:
    set_name, _, band = name.partition("_")
    if set_name not in entry_names("filters") or band not in set_entry(set_name).bands:
        raise InputError(f"no filter {name!r}; {near(name, list_filters())}")
    return set_curve(set_name, band)
