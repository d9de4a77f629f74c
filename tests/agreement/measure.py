"""What surveys measure, measured on a mock: counts, mass functions, surviving masses; and the published tables.

The agreement tests assert these numbers and `docs/make_figures.py` draws them.
"""

import contextlib
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

import diffsky_factory as dff
from diffsky_factory.factory.recipe import recipe_from_text
from diffsky_factory.inputs.templates import load_templates
from diffsky_factory.sky.cosmology import Cosmology, comoving_distance_64
from tests.reference import reference

KROUPA_TO_CHABRIER = (
    -0.03
)  # dex of mass or rate; 0.61 and 0.66 of Salpeter, Madau & Dickinson 2014, ARA&A 52, 415, Sec. 3.1
BRIGHT = 21.0  # mag, chosen: where the measured counts of HSC leave the power law in g, which saturates least
FULL_SKY = 4.0 * np.pi * (180.0 / np.pi) ** 2  # deg^2
HISTORY = ("mah_parameters", "sfh_parameters", "is_quenched", "is_central", "log10_halo_mass", "redshift", "galaxy_id")


def table(path: Path) -> dict[str, np.ndarray]:
    """A published table by column name: numbers where all cells are numbers, else texts."""
    with path.open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    for name, values in columns.items():
        with contextlib.suppress(ValueError):
            columns[name] = values.astype(float)
    return columns


def hsc_counts(band: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Limits [mag], and galaxies per deg^2 brighter than each: as measured in HSC, and of the power law through them.

    The measured counts lose bright galaxies to saturation; the power law is the authors' fit to 22 < m < 25.
    """
    counts = table(reference("obs", "number_counts_hsc_cumulative.csv"))
    of_band = counts["band"] == band
    return tuple(counts[name][of_band] for name in ("mag_lt", "n_deg-2", "power_law_fit_n_deg-2"))


def counts_residual(band: str, limits: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """log10 of counts over those of HSC [dex]; 0 between the measured and the fitted counts where limits < 21.

    There saturation makes the measured counts too low, and the fit is an extrapolation: the truth is between them.
    """
    at, measured, fit = hsc_counts(band)
    row = np.argmin(np.abs(at - limits[:, None]), axis=1)
    bright = limits < BRIGHT
    low = np.where(bright, np.minimum(measured, fit)[row], measured[row])
    high = np.where(bright, np.maximum(measured, fit)[row], measured[row])
    return np.log10(np.where(counts > high, counts / high, np.minimum(counts / low, 1.0)))


def observed_mass_function(source: str, redshift: float, h: float, sample: str = "all") -> np.ndarray:
    """log10 M* [dex(Msun), Chabrier], log10 phi [dex(Mpc^-3 dex^-1)] and its error [dex], (3, n), in our h.

    Of the bin that holds the redshift. Masses go as h^-2 with the distance, densities as h^3.
    """
    smf = table(reference("obs", "smf.csv"))
    chosen = (smf["source"] == source) & (smf["sample"] == sample)
    chosen &= (smf["zmin"] <= redshift) & (redshift < smf["zmax"])
    assert set(smf["imf"][chosen]) == {"Chabrier"}
    ratio = np.log10(smf["h"][chosen] / h)
    mass = smf["log10_mstar_msun"][chosen] + 2.0 * ratio
    density = smf["log10_phi_mpc-3_dex-1"][chosen] - 3.0 * ratio
    error = 0.5 * (smf["err_up_dex"] + smf["err_dn_dex"])[chosen]
    return np.stack([mass, density, error])[:, np.argsort(mass)]


def host_rows(halo_id: np.ndarray, host_halo_id: np.ndarray) -> np.ndarray:
    """Row of the host of each galaxy; its own where the host is not among them."""
    order = np.argsort(halo_id)
    place = np.minimum(np.searchsorted(halo_id, host_halo_id, sorter=order), len(order) - 1)
    found = halo_id[order[place]] == host_halo_id
    return np.where(found, order[place], np.arange(len(order)))


def surviving_log10_mass(ds: xr.Dataset, *, remnants: bool = True) -> np.ndarray:
    """Mass of the stars that live, and of remnants if asked for [dex(Msun)], from the stored histories of galaxies.

    What each galaxy formed is weighted by age, then shared between satellites and centrals as the formed mass is:
    with remnants by 1 - 0.05 ln(1 + t / 1.4 Myr), Eq. 14 of Behroozi et al. 2013, ApJ 770, 57 (Chabrier), which
    UniverseMachine uses too; without them by the living mass of the templates at each age and metallicity.
    """
    templates = load_templates(recipe_from_text(ds.attrs["recipe"]).templates)
    with_remnants = 1.0 - 0.05 * np.log1p(10.0**templates.log10_age / 1.4e-3)
    host = host_rows(np.asarray(ds.halo_id), np.asarray(ds.host_halo_id))
    formed = 10.0 ** np.asarray(ds.log10_stellar_mass_in_situ, np.float64)
    lost = np.asarray(ds.merging_probability, np.float64)
    fraction = np.empty(len(host))
    for rows, weights in _recomputed(ds, host, ("age_weights", "metallicity_weights")):
        living = np.asarray(weights["metallicity_weights"], np.float64) @ templates.living_mass
        fraction[rows] = np.sum(weights["age_weights"] * (with_remnants if remnants else living), axis=1)
    mass = formed * fraction
    total = mass * (1.0 - lost)
    np.add.at(total, host, lost * mass)
    return np.log10(total)


def magnitudes(ds: xr.Dataset, bands: Sequence[str]) -> np.ndarray:
    """True magnitudes of galaxies in any bands (n, band), from their stored histories and the seed of their mock."""
    host = host_rows(np.asarray(ds.halo_id), np.asarray(ds.host_halo_id))
    found = np.empty((len(host), len(bands)), np.float32)
    for rows, columns in _recomputed(ds, host, ("mag_true",), bands):
        found[rows] = columns["mag_true"]
    return found


def mass_function(log10_mass: np.ndarray, edges: np.ndarray, volume: float) -> tuple[np.ndarray, np.ndarray]:
    """log10 phi [dex(Mpc^-3 dex^-1)] in bins of log10 mass, and its Poisson error [dex]."""
    number = np.histogram(log10_mass, edges)[0]
    with np.errstate(divide="ignore"):
        return np.log10(number / volume / np.diff(edges)), 1.0 / np.sqrt(number) / np.log(10.0)


def volume(cosmology: Cosmology, area: float, low: float, high: float) -> float:
    """Comoving Mpc^3 of an area [deg^2] between two redshifts."""
    near, far = comoving_distance_64(cosmology, np.array([low, high]))
    return float(4.0 / 3.0 * np.pi * (far**3 - near**3) * area / FULL_SKY)


def cumulative_counts(magnitude: np.ndarray, limits: np.ndarray, area: float) -> np.ndarray:
    """Galaxies per deg^2 brighter than each limit."""
    return np.searchsorted(np.sort(magnitude), limits) / area


def _recomputed(ds: xr.Dataset, host: np.ndarray, wanted: Sequence[str], bands: Sequence[str] = ()):
    """Rows and wanted columns of one piece of a mock after the other, from its stored histories and its seed."""
    recipe = recipe_from_text(ds.attrs["recipe"])
    known = {name: np.asarray(ds[name]) for name in HISTORY}
    for rows in _groups(host, 100_000):
        columns = {name: values[rows] for name, values in known.items()}
        columns["host_row"] = np.searchsorted(rows, host[rows])
        yield (
            rows,
            dff.evaluate(
                columns,
                wanted,
                bands=bands,
                calibration=recipe.calibration,
                templates=recipe.templates,
                igm=recipe.igm,
                cosmology=ds.sky.cosmology,
                replace=recipe.replace,
                seed=recipe.seed,
            ),
        )


def _groups(host: np.ndarray, size: int) -> list[np.ndarray]:
    """Rows, ascending, in pieces of about a size that hold whole host groups."""
    order = np.argsort(host, kind="stable")
    starts = np.append(np.flatnonzero(np.diff(host[order], prepend=-1)), len(host))
    cuts = starts[np.searchsorted(starts, np.arange(size, len(host), size))]
    return [np.sort(piece) for piece in np.split(order, np.unique(cuts)) if len(piece)]
