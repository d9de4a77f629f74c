"""Stellar population templates: spectra and emission lines of populations of one age and metallicity."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
from pydantic import Field

from diffsky_factory.core.files_read import note
from diffsky_factory.core.npz import read_arrays
from diffsky_factory.core.user_files import user_file
from diffsky_factory.inputs.entries import (
    InputError,
    Record,
    Reference,
    check_sha256,
    entry_names,
    read_entry,
)
from diffsky_factory.inputs.log_coding import Coded, decode
from diffsky_factory.inputs.readers.common import hdf5

LINE_NAMES = "ssp_emline_name"  # the only dataset of DSPS that holds texts
LIGHT_SPEED = 2.99792458e18  # Angstrom/s


@dataclass(frozen=True, eq=False)
class Templates:
    """Simple stellar populations on a grid of metallicity and age; arrays are float64 and read-only.

    Raises InputError where shapes disagree, a grid does not increase, or a number is not finite or negative.
    """

    name: str
    log10_metallicity: np.ndarray  # dex of the mass fraction Z, (n_met,)
    log10_age: np.ndarray  # dex(Gyr), (n_age,)
    wavelength: np.ndarray  # Angstrom, rest frame, (n_wave,)
    flux: np.ndarray  # Lsun/Hz per Msun formed, (n_met, n_age, n_wave)
    line_name: tuple[str, ...]  # (n_line,)
    line_wavelength: np.ndarray  # Angstrom, rest frame, (n_line,)
    line_luminosity: np.ndarray  # Lsun per Msun formed, (n_met, n_age, n_line)
    living_mass: np.ndarray | None  # of stars that still shine, without remnants, per Msun formed, (n_met, n_age)
    reference: str
    lines_in_flux: bool = True  # whether the spectra hold the emission lines
    line_aliases: Mapping[str, str] = field(default_factory=dict)  # common name -> name of the line

    def __post_init__(self):
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, np.ndarray):
                value = np.array(value, dtype=np.float64)
                value.setflags(write=False)
                object.__setattr__(self, one.name, value)
        _check_grids(self)
        _check_values(self)


class TemplatesEntry(Record):
    """An entry of `catalogs/templates`."""

    title: str
    file: str  # beside the entry
    sha256: str
    references: list[Reference]
    imf: str
    nebular: str
    lines_in_flux: bool
    line_aliases: dict[str, str] = Field(default={})  # common name -> name of the line
    n_met: int
    n_age: int
    n_wave: int
    notes: str = ""


def list_templates() -> list[str]:
    """Names that `load_templates` knows."""
    return entry_names("templates")


def load_templates(name_or_path: str | Path) -> Templates:
    """Templates by the name of an entry of `catalogs/templates`, or from an HDF5 file as DSPS writes them.

    A path ends in .h5 or .hdf5; its file holds ssp_lgmet, ssp_lg_age_gyr, ssp_wave and ssp_flux in the units
    of `Templates`, and may hold ssp_emline_name, ssp_emline_wave, ssp_emline_luminosity, ssp_live_mass_frac. Its
    spectra hold the emission lines, as those of FSPS do, unless an attribute `lines_in_flux` of the file is false.
    Raises InputError, naming what is wrong in which file.
    """
    if Path(name_or_path).suffix in (".h5", ".hdf5"):
        path = user_file(name_or_path)
        note(path)
        return _read(path, name=path.stem, reference=f"file {path.name}")
    entry, entry_path = read_entry("templates", str(name_or_path), TemplatesEntry)
    path = entry_path.parent / entry.file
    note(path)
    _check_exists(path)
    check_sha256(path, entry.sha256)
    cited = "; ".join(reference.cite for reference in entry.references)
    templates = replace(
        _read(path, entry_path.stem, cited), lines_in_flux=entry.lines_in_flux, line_aliases=entry.line_aliases
    )
    if templates.flux.shape != (entry.n_met, entry.n_age, entry.n_wave):
        raise InputError(f"{path} holds a table of shape {templates.flux.shape}, its entry says otherwise")
    return templates


def spectra_with_lines(templates: Templates) -> np.ndarray:
    """Spectra (n_met, n_age, n_wave) that hold the emission lines, on the points of the spectra.

    A line is shared between the two points beside it, so that the trapezoid sum over frequency is its luminosity, and
    its mean wavelength its own. Lines beyond the ends of the spectra are not in them.
    """
    flux = templates.flux.copy()
    if templates.lines_in_flux or not templates.line_name:
        return flux
    wavelength = templates.wavelength
    inside = (templates.line_wavelength > wavelength[0]) & (templates.line_wavelength < wavelength[-1])
    frequency = LIGHT_SPEED / wavelength
    width = np.abs(np.gradient(frequency))
    width[[0, -1]] *= 0.5
    for i in np.flatnonzero(inside):
        at = np.searchsorted(wavelength, templates.line_wavelength[i]) - 1
        nu = LIGHT_SPEED / templates.line_wavelength[i]
        share = (frequency[at] - nu) / (frequency[at] - frequency[at + 1])
        flux[..., at] += (1.0 - share) * templates.line_luminosity[..., i] / width[at]
        flux[..., at + 1] += share * templates.line_luminosity[..., i] / width[at + 1]
    return flux


def _read(path: Path, name: str, reference: str) -> Templates:
    _check_exists(path)
    arrays = _read_npz(path) if path.suffix == ".npz" else _read_hdf5(path)
    try:
        return Templates(name=name, reference=reference, **arrays)
    except ValueError as error:
        raise InputError(f"{path} holds no usable templates: {error}") from error


def _read_hdf5(path):
    """Arrays of a file in the layout of DSPS and FSPS."""
    with hdf5.opened(path) as file:
        needed = ("ssp_lgmet", "ssp_lg_age_gyr", "ssp_wave", "ssp_flux")
        lines = (LINE_NAMES, "ssp_emline_wave", "ssp_emline_luminosity")
        if any(dataset in file for dataset in lines):
            needed += lines
        missing = [dataset for dataset in needed if dataset not in file]
        if missing:
            raise InputError(
                f"{path} has no dataset {', '.join(missing)}; the layout of DSPS needs {', '.join(needed)}"
            )
        numbers = [dataset for dataset in (*needed, "ssp_live_mass_frac") if dataset in file and dataset != LINE_NAMES]
        read = {dataset: hdf5.dataset(file, dataset)[()] for dataset in numbers}
        line_name = hdf5.texts(file, LINE_NAMES) if LINE_NAMES in file else ()
        lines_in_flux = bool(file.attrs.get("lines_in_flux", True))
    flux = read["ssp_flux"]
    return {
        "log10_metallicity": read["ssp_lgmet"],
        "log10_age": read["ssp_lg_age_gyr"],
        "wavelength": read["ssp_wave"],
        "flux": flux,
        "line_name": line_name,
        "line_wavelength": read.get("ssp_emline_wave", np.zeros(0)),
        "line_luminosity": read.get("ssp_emline_luminosity", np.zeros((*flux.shape[:2], 0))),
        "living_mass": read.get("ssp_live_mass_frac"),
        "lines_in_flux": lines_in_flux,
    }


def _read_npz(path):
    """Arrays of a file written by `build_templates`."""
    read = read_arrays(path)
    coded = {
        "flux": Coded(read.pop("flux_difference"), read.pop("flux_peak")),
        "line_luminosity": Coded(read.pop("line_difference"), read.pop("line_peak")),
    }
    line_name = tuple(str(name) for name in read.pop("line_name"))
    living_mass = read.pop("surviving_mass")
    return {
        **read,
        "living_mass": living_mass,
        "line_name": line_name,
        **{name: decode(code) for name, code in coded.items()},
    }


def _check_exists(path):
    if not path.exists():
        raise InputError(f"no file {path}; embedded templates: {', '.join(list_templates())}")


def _check_grids(templates: Templates) -> None:
    for name in ("log10_metallicity", "log10_age", "wavelength"):
        grid = getattr(templates, name)
        if grid.ndim != 1 or len(grid) < 2 or not np.all(np.isfinite(grid)):
            raise InputError(f"{name} is not a list of two or more finite numbers")
        if not np.all(np.diff(grid) > 0.0):
            raise InputError(f"{name} does not increase: sort the table along this axis and drop repeated points")
    if templates.wavelength[0] <= 0.0:
        raise InputError(f"wavelength starts at {templates.wavelength[0]}: it must be positive, in Angstrom")


def _check_values(templates: Templates) -> None:
    grid = (len(templates.log10_metallicity), len(templates.log10_age))
    shapes = {
        "flux": (*grid, len(templates.wavelength)),
        "line_wavelength": (len(templates.line_name),),
        "line_luminosity": (*grid, len(templates.line_name)),
        "living_mass": grid,
    }
    for name, shape in shapes.items():
        values = getattr(templates, name)
        if values is None:
            continue
        if values.shape != shape:
            raise InputError(f"{name} has shape {values.shape}, the grids and lines say {shape}")
        if not np.all(np.isfinite(values)):
            raise InputError(f"{name} has {np.sum(~np.isfinite(values))} values that are not finite")
        if np.any(values < 0.0):
            raise InputError(f"{name} has {np.sum(values < 0.0)} negative values; set them to zero if they are noise")
