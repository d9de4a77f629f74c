"""Tables that stages ask for by type, made from templates, filters and cosmology."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.band_tables import band_luminosity_table, effective_wavelength_table
from diffsky_factory.inputs.filters import load_filters
from diffsky_factory.inputs.templates import load_templates
from diffsky_factory.physics.halos.growth import TimeGrid
from diffsky_factory.physics.light.photometry import BandTable
from diffsky_factory.physics.stars.ages import TemplateGrid
from diffsky_factory.physics.stars.mass_loss import SurvivingMassTable
from diffsky_factory.sky.cosmology import Cosmology, age_today_64

N_TIMES = 100  # as the published calibrations assume; Hearin et al. 2023, MNRAS 521, 1741
FIRST_TIME = 0.01  # Gyr
FIRST_REDSHIFT = 1e-3  # chosen: 4 Mpc; nearer, bands are those of this redshift, and the dimming is exact
NODE_SPACING = 0.005  # of the redshift nodes in ln(1 + z): 99 % within 0.001 mag, tests/agreement/test_tables.py


def tables(templates: str, bands: Sequence[str], cosmology: Cosmology, redshift_max: float) -> dict[type, Any]:
    """Time grid, template grid, cosmology, and, where there are any, bands and surviving masses, by type."""
    known: dict[type, Any] = {Cosmology: cosmology, TimeGrid: time_grid(cosmology)}
    ssp = load_templates(templates)
    known[TemplateGrid] = TemplateGrid(ssp.log10_age, ssp.log10_metallicity)
    if ssp.living_mass is not None:
        known[SurvivingMassTable] = SurvivingMassTable(ssp.living_mass)
    if bands:
        known[BandTable] = band_table(templates, tuple(bands), redshift_nodes(redshift_max))
    return known


def check_templates(needed: Iterable[type], templates: str) -> None:
    """Raise InputError where stages need what the templates do not have."""
    if SurvivingMassTable in needed and load_templates(templates).living_mass is None:
        raise InputError(f"templates '{templates}': without the mass of living stars there is no surviving mass")


def time_grid(cosmology: Cosmology) -> TimeGrid:
    """Uniform grid of cosmic times until today."""
    return TimeGrid(np.linspace(FIRST_TIME, float(age_today_64(cosmology)), N_TIMES))


def redshift_nodes(redshift_max: float) -> tuple[float, ...]:
    """Nodes from FIRST_REDSHIFT to at least redshift_max, uniform in ln(1 + z)."""
    first = np.log1p(FIRST_REDSHIFT)
    n = int(np.ceil((np.log1p(redshift_max) - first) / NODE_SPACING)) + 1
    return tuple(np.expm1(first + NODE_SPACING * np.arange(max(n, 2))))


@lru_cache(maxsize=4)
def band_table(templates: str, bands: tuple[str, ...], nodes: tuple[float, ...]) -> BandTable:
    """Templates through bands at redshift nodes, in 32 bits."""
    ssp, curves, redshifts = load_templates(templates), load_filters(bands), np.asarray(nodes)
    luminosity = band_luminosity_table(ssp, curves, redshifts)
    return BandTable(
        redshifts,
        np.ascontiguousarray(luminosity.transpose(0, 2, 1, 3), np.float32),
        effective_wavelength_table(curves, redshifts),
    )
