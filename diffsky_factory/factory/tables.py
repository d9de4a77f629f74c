"""Tables that stages ask for by type, made from templates, filters and cosmology."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory.core.cache import kept_arrays
from diffsky_factory.core.constants import Key, kind_of
from diffsky_factory.core.errors import InputError, near
from diffsky_factory.core.files_read import kept_while_unchanged
from diffsky_factory.core.listed import listed
from diffsky_factory.core.types import vector
from diffsky_factory.inputs import band_tables
from diffsky_factory.inputs import igm as igm_models
from diffsky_factory.inputs import templates as template_files
from diffsky_factory.inputs.band_tables import band_luminosity_table, effective_wavelength_table
from diffsky_factory.inputs.entries import entry_path
from diffsky_factory.inputs.filter_curves import FilterCurve
from diffsky_factory.inputs.filters import Bands, load_filters
from diffsky_factory.inputs.igm import transmission_of_points
from diffsky_factory.inputs.templates import Templates, load_templates, spectra_with_lines
from diffsky_factory.physics.halos.growth import TimeGrid
from diffsky_factory.physics.light.lines import LineTable
from diffsky_factory.physics.light.photometry import BandTable
from diffsky_factory.physics.light.spectra import SpectrumTable
from diffsky_factory.physics.stars.ages import TemplateGrid
from diffsky_factory.physics.stars.mass_loss import SurvivingMassTable
from diffsky_factory.sky.cosmology import Cosmology, age_today_64

DEFAULT_IGM = "inoue_2014"
N_TIMES = 100  # as the published calibrations assume; Hearin et al. 2023, MNRAS 521, 1741
ALL_LINES = "all"  # in place of names
FIRST_TIME = 0.01  # Gyr
FIRST_REDSHIFT = 1e-3  # chosen: 4 Mpc; nearer, bands are those of this redshift, and the dimming is exact
# of the redshift nodes in ln(1 + z): spectra within 0.001 mag in 99 %, with emission lines within 0.02 mag in 99 %;
# where a strong line crosses the edge of a band between two nodes, up to 0.1 mag (tests/factory/test_tables.py)
NODE_SPACING = 0.005


def tables(
    templates: str,
    bands: Bands,
    cosmology: Cosmology,
    redshift_max: float,
    igm: str = DEFAULT_IGM,
    lines: Sequence[str] = (),
    wavelengths: tuple[float, float] | None = None,
    spectra: bool = True,
) -> dict[Key, Any]:
    """Time grid, template grid, cosmology, and tables of bands, lines and, where they are wanted, spectra, by type.

    bands       : as in `inputs.filters.band_list`
    wavelengths : range [Angstrom] in which spectra are given, at rest and as observed; all of the templates without
    """
    known: dict[Key, Any] = {Cosmology: cosmology, TimeGrid: time_grid(cosmology)}
    ssp, nodes = load_templates(templates), redshift_nodes(redshift_max)
    known[TemplateGrid] = TemplateGrid(vector(ssp.log10_age), vector(ssp.log10_metallicity))
    if ssp.living_mass is not None:
        known[SurvivingMassTable] = SurvivingMassTable(vector(ssp.living_mass))
    curves = load_filters(bands)
    if curves:
        known[BandTable] = band_table(templates, curves, nodes, igm)
    if lines:
        known[LineTable] = line_table(templates, line_names(templates, lines))
    if spectra:
        known[SpectrumTable] = spectrum_table(
            templates, nodes, igm, (wavelengths[0], wavelengths[1]) if wavelengths else None
        )
    return known


def time_grid(cosmology: Cosmology) -> TimeGrid:
    """Uniform grid of cosmic times until today."""
    return TimeGrid(vector(np.linspace(FIRST_TIME, float(age_today_64(cosmology)), N_TIMES)))


def redshift_nodes(redshift_max: float) -> tuple[float, ...]:
    """Nodes from FIRST_REDSHIFT to at least redshift_max, uniform in ln(1 + z)."""
    first = np.log1p(FIRST_REDSHIFT)
    n = int(np.ceil((np.log1p(redshift_max) - first) / NODE_SPACING)) + 1
    return tuple(np.expm1(first + NODE_SPACING * np.arange(max(n, 2))))


def of_light(keys: Iterable[Key]) -> bool:
    """Whether some of the constants are tables of light as it is seen, which has no strength at distance 0."""
    return not {BandTable, LineTable, SpectrumTable}.isdisjoint(map(kind_of, keys))


@kept_while_unchanged(4)
def band_table(templates: str, curves: tuple[FilterCurve, ...], nodes: tuple[float, ...], igm: str) -> BandTable:
    """Templates through the gas between galaxies and bands at redshift nodes, in 32 bits; kept on disk."""
    ssp, redshifts = load_templates(templates), np.asarray(nodes)

    def make() -> dict[str, np.ndarray]:
        luminosity = band_luminosity_table(ssp, curves, redshifts, igm)
        return {"luminosity": np.ascontiguousarray(luminosity.transpose(0, 2, 1, 3), np.float32)}

    of_curves = [array for curve in curves for array in (curve.wavelength, curve.transmission)]
    parts = [*_arrays(ssp), *of_curves, redshifts, *_absorption(igm), *_CODE]
    luminosity = kept_arrays("bands", parts, make)["luminosity"]
    return BandTable(vector(redshifts), vector(luminosity), vector(effective_wavelength_table(curves, redshifts)))


_CODE = [Path(str(module.__file__)) for module in (band_tables, igm_models, template_files)]
"""Files whose change makes other tables."""


def _arrays(templates: Templates) -> list:
    return [getattr(templates, field.name) for field in fields(templates)]


def _absorption(igm: str) -> list:
    igm_models.check_absorption(igm)
    return [igm] if igm == igm_models.NONE else [igm, entry_path("igm", igm)]


def line_names(templates: str, lines: str | Sequence[str]) -> tuple[str, ...]:
    """Names of emission lines as the templates have them; "all" for all, and common names such as "Halpha".

    Raises InputError for an unknown line, listing near matches, and for one that is given twice.
    """
    ssp = load_templates(templates)
    known = {**ssp.line_aliases, **{name: name for name in ssp.line_name}}
    if listed(lines) == (ALL_LINES,):
        return ssp.line_name
    asked: dict[str, str] = {}
    for name in listed(lines):
        if name not in known:
            raise InputError(f"lines: templates '{templates}' have no line {name!r}; {near(name, known)}")
        if known[name] in asked:
            same = asked[known[name]]
            twice = f"{name!r} is given twice" if name == same else f"{same!r} and {name!r} are one line"
            raise InputError(f"lines: {twice}; leave one of them out")
        asked[known[name]] = name
    return tuple(asked)


def line_labels(templates: str, lines: str | Sequence[str]) -> tuple[str, ...]:
    """Labels of the line axis: lines by the names that they are asked for; errors as in `line_names`."""
    names = line_names(templates, lines)
    return names if listed(lines) == (ALL_LINES,) else listed(lines)


@kept_while_unchanged(4)
def line_table(templates: str, lines: tuple[str, ...]) -> LineTable:
    """Some emission lines of the templates, of the ages that have any, in 32 bits."""
    ssp = load_templates(templates)
    chosen = [ssp.line_name.index(name) for name in lines]
    luminosity = ssp.line_luminosity[:, :, chosen]
    shining = np.flatnonzero(np.any(luminosity > 0.0, axis=(0, 2)))
    n_age = int(shining[-1]) + 1 if len(shining) else 1
    by_line = np.ascontiguousarray(luminosity[:, :n_age].transpose(0, 2, 1), np.float32)
    return LineTable(vector(ssp.line_wavelength[chosen]), vector(by_line))


@kept_while_unchanged(4)
def spectrum_table(
    templates: str, nodes: tuple[float, ...], igm: str, wavelengths: tuple[float, float] | None = None
) -> SpectrumTable:
    """Spectra of the templates with their emission lines, and the absorption between galaxies, in 32 bits.

    With a range of wavelengths, the points of the templates reach as far to the blue as light comes from that is seen
    in the range from the last redshift node.
    """
    ssp = load_templates(templates)
    shown = spectrum_wavelengths(templates, wavelengths)
    first = np.searchsorted(ssp.wavelength, shown[0] / (1.0 + nodes[-1]), side="right") - 1
    points = slice(max(int(first), 0), int(np.searchsorted(ssp.wavelength, shown[-1])) + 1)
    wavelength = ssp.wavelength[points]
    absorption = absorption_table(templates, nodes, igm)[:, points]
    blue = np.any(absorption < 1.0, axis=0)  # its points are the first, as absorption ends at one wavelength
    luminosity = np.ascontiguousarray(spectra_with_lines(ssp)[:, :, points].swapaxes(0, 1), np.float32)
    absorbed = absorption[:, blue].astype(np.float32)
    return SpectrumTable(*map(vector, (shown, wavelength, luminosity, np.asarray(nodes), absorbed)))


def absorption_table(templates: str, nodes: tuple[float, ...], igm: str) -> np.ndarray:
    """Fraction of the light of the templates' points that is observed from each node (n_z, n_wave); kept on disk."""
    wavelength, redshifts = load_templates(templates).wavelength, np.asarray(nodes)

    def make() -> dict[str, np.ndarray]:
        return {"absorption": transmission_of_points(igm, redshifts, wavelength)}

    return kept_arrays("absorption", [wavelength, redshifts, *_absorption(igm), *_CODE], make)["absorption"]


def spectrum_wavelengths(templates: str, wavelengths: tuple[float, float] | None = None) -> np.ndarray:
    """Points of the templates [Angstrom] within a range, at which spectra are given; all of them without a range.

    Raises InputError for a range in which there are less than two.
    """
    points = load_templates(templates).wavelength
    low, high = wavelengths or (points[0], points[-1])
    inside = points[(points >= low) & (points <= high)]
    if len(inside) < 2:
        raise InputError(
            f"wavelengths: less than two points of templates '{templates}' in {low:g} to {high:g} Angstrom; "
            f"give a wider range, low < high, within {points[0]:g} to {points[-1]:g}"
        )
    return inside
