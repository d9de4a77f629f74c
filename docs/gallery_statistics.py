"""Populations of galaxies of any calibration, and what surveys measure of them: the numbers of `docs/gallery.md`.

Arrays in, arrays out; `docs/make_gallery.py` draws them. Masses and rates are for a Chabrier initial mass function.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.special import gammainc

import diffsky_factory as dff
from diffsky_factory.factory.tables import time_grid
from diffsky_factory.inputs.entries import entry_names
from diffsky_factory.inputs.templates import load_templates
from diffsky_factory.physics.halos.growth import HaloGrowth, log10_mass
from diffsky_factory.physics.halos.mass_function import HaloMassFunctionParameters, density_per_dex
from diffsky_factory.physics.halos.subhalo_mass_function import (
    SubhaloMassFunctionParameters,
    log10_cumulative_number,
    mean_satellites,
)
from diffsky_factory.physics.stars.mass_loss import SurvivingMassTable
from diffsky_factory.sky.cosmology import Cosmology, age_64, age_today_64, comoving_distance_64
from tests.agreement.measure import KROUPA_TO_CHABRIER, observed_mass_function, table
from tests.reference import reference

DEFAULT = "c260710"
COSMOLOGY = Cosmology()
HOSTS, SUBHALOS = HaloMassFunctionParameters(), SubhaloMassFunctionParameters()
SALPETER_TO_CHABRIER = {"csfrd": -0.2, "smd": -0.24}  # dex, as the observed table says
SOLAR_METALLICITY = 0.02  # Gallazzi et al. 2005, MNRAS 362, 41
SOLAR_LUMINOSITY = 3.828e33  # erg/s; IAU 2015, resolution B3
LIGHTEST = 10.6  # dex(Msun), chosen: halos of 10^10.6 host 10^8 Msun of stars
RAREST = 1e-7  # Mpc^-3 dex^-1, chosen: hosts as rare do not count at the densities compared here
TILT = 0.25  # chosen: hosts are drawn as M^-0.25 per dex, so that those of all masses are about equally well sampled
ALL_KEPT = 0.02  # chosen: satellites of a lower share of their host's mass are thinned, in proportion to it
MASS_REDSHIFTS = (0.06, 0.25, 0.35, 0.65, 0.95, 1.25, 1.75, 2.25, 3.0, 4.0)
HALPHA_REDSHIFTS = (0.4, 0.84, 1.47, 2.23)  # of HiZELS
SDSS_REDSHIFT = 0.1  # to which the luminosities of SDSS are corrected
COLOUR_REDSHIFTS = (0.15, 0.4, 0.7, 1.0)
SDSS, LSST = ([f"{survey}_{band}" for band in bands] for survey, bands in (("sdss", "ugriz"), ("lsst", "gri")))
STELLAR = (
    "log10_stellar_mass",
    "log10_stellar_mass_in_situ",
    "log10_surviving_mass",
    "log10_ssfr",
    "log10_metallicity",
    "bulge_to_total",
    "disk_half_light_radius",
    "bulge_half_light_radius",
    "is_quenched",
)

Galaxies = dict[str, np.ndarray]


class Curve(NamedTuple):
    """A measured relation; error is NaN where none is known."""

    x: np.ndarray
    y: np.ndarray
    error: np.ndarray


class Distance(NamedTuple):
    """How far a model is from the observed points: root mean square, mean of model - observed, share within errors."""

    rms: float
    offset: float
    within: float
    n: int


@dataclass(frozen=True)
class Statistic:
    """One relation, as observed and as measured on galaxies, in panels: one per redshift, band or sample."""

    name: str
    title: str
    x: str
    y: str
    unit: str
    panels: tuple
    sample: str
    observed: Callable[..., Curve]
    measured: Callable[..., Curve]
    compared: tuple[float, float]
    limits: tuple[float, float, float, float]
    lowest: float = -np.inf
    errors_are_scatter: bool = False
    also: Callable[..., Curve] | None = None  # points drawn open beside, not compared

    def distance(self, galaxies: Galaxies) -> Distance:
        """Of all panels together, where x is in `compared` and the observed y above `lowest`."""
        return distance([(self.observed(panel), self.measured(galaxies, panel)) for panel in self.panels], self)


def distance(pairs: Sequence[tuple[Curve, Curve]], statistic: Statistic) -> Distance:
    """Of curves of a model from observed points, at the x of the points."""
    parts = []
    for points, model in pairs:
        some = np.isfinite(model.y)
        order = np.argsort(points.x)
        low, high = statistic.compared
        kept = order[(points.x[order] >= low) & (points.x[order] <= high) & (points.y[order] > statistic.lowest)]
        if some.sum() < 2 or len(kept) == 0:
            continue
        at = np.interp(points.x[kept], model.x[some], model.y[some], left=np.nan, right=np.nan)
        parts.append(np.stack([at - points.y[kept], points.error[kept]]))
    residual, error = np.concatenate(parts, axis=1) if parts else np.full((2, 0), np.nan)
    there = np.isfinite(residual)
    residual, error = residual[there], error[there]
    known = np.isfinite(error)
    within = np.mean(np.abs(residual[known]) <= error[known]) if known.any() else np.nan
    if statistic.errors_are_scatter:
        within = np.nan
    return Distance(float(np.sqrt(np.mean(residual**2))), float(np.mean(residual)), float(within), len(residual))


# --- calibrations -------------------------------------------------------------------------------------------------


@lru_cache  # reading an entry takes a tenth of a second
def whole_calibrations() -> tuple[str, ...]:
    """Published calibrations of the whole galaxy, the default first."""
    names = [name for name, groups in _groups().items() if {"diffstarpop", "avpop"} <= groups]
    return tuple(sorted(names, key=lambda name: (name != DEFAULT, name)))


@lru_cache
def history_calibrations() -> tuple[str, ...]:
    """Published calibrations of star formation histories alone, joined to the default for all else."""
    return tuple(f"{DEFAULT}+{name}" for name, groups in _groups().items() if groups == {"diffstarpop"})


@lru_cache
def _groups() -> dict[str, set[str]]:
    """Groups of parameters of each calibration."""
    return {name: set(dff.load_calibration(name).parameters) for name in entry_names("calibrations")}


# --- populations --------------------------------------------------------------------------------------------------


def halos(redshifts: Sequence[float], n: int, seed: int = 0) -> Galaxies:
    """Hosts of all masses with their satellites at some redshifts; `weight` is the number per comoving Mpc^3.

    Hosts are spread evenly over quantiles of M^-TILT per dex and weigh what the halo mass function says; satellites are
    Poisson, drawn from the subhalo mass function. Of the lightest beside their host, one stands for `satellite_weight`:
    they are many, and add little to its mass.
    """
    rng = np.random.default_rng(seed)
    parts, first = [], 0
    for redshift in redshifts:
        part = _halos(redshift, n, rng)
        part["host_row"] = part["host_row"] + first
        first += len(part["host_row"])
        parts.append(part)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    rows = np.arange(first)
    elsewhere = {"x": np.full(first, 100.0), "y": np.zeros(first), "z": np.zeros(first)}  # shapes need a line of sight
    return {**columns, **elsewhere, "is_central": columns["host_row"] == rows}


def _halos(redshift: float, n: int, rng: np.random.Generator) -> Galaxies:
    grid = np.arange(LIGHTEST + 1.0, 16.0, 0.01)
    heaviest = grid[np.asarray(density_per_dex(HOSTS, grid, redshift)) > RAREST][-1]
    low, high = 10.0 ** (-TILT * np.array([LIGHTEST, heaviest]))
    share = (np.arange(n) + rng.random(n)) / n
    host = -np.log10(low - share * (low - high)) / TILT
    drawn = n * TILT * np.log(10.0) * 10.0 ** (-TILT * host) / (low - high)  # per dex
    weight = np.asarray(density_per_dex(HOSTS, host, redshift)) / drawn
    number = rng.poisson(np.asarray(mean_satellites(SUBHALOS, LIGHTEST - host, host)))
    row = np.repeat(np.arange(n), number)
    ratio = _mass_ratios(host[row], rng)
    kept = np.minimum(10.0**ratio / ALL_KEPT, 1.0)
    some = rng.random(len(row)) < kept
    row, ratio, stands_for = row[some], ratio[some], np.concatenate([np.ones(n), 1.0 / kept[some]])
    return {
        "log10_halo_mass": np.concatenate([host, host[row] + ratio]),
        "redshift": np.full(n + len(row), redshift),
        "weight": weight[np.concatenate([np.arange(n), row])] * stands_for,
        "satellite_weight": stands_for,
        "host_row": np.concatenate([np.arange(n), row]),
    }


def _mass_ratios(host: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """log10 of the mass of a satellite over that of each host, by inversion of the cumulative number."""
    share, ratio = 1.0 - rng.random(len(host)), np.empty(len(host))
    step = np.linspace(1.0, 0.0, 400)
    for rows in np.array_split(np.arange(len(host)), max(1, len(host) // 5000)):
        grid = (LIGHTEST - host[rows, None]) * step
        above = 10.0 ** np.asarray(log10_cumulative_number(SUBHALOS, grid, host[rows, None]), np.float64)
        above = (above - above[:, -1:]) / (above[:, :1] - above[:, -1:])  # 1 at the lightest, 0 at the host's own mass
        place = np.clip((above > share[rows, None]).sum(axis=1), 1, len(step) - 1)
        i = np.arange(len(rows))
        part = (above[i, place - 1] - share[rows]) / np.maximum(above[i, place - 1] - above[i, place], 1e-12)
        ratio[rows] = grid[i, place - 1] + part * (grid[i, place] - grid[i, place - 1])
    return ratio


@dataclass(frozen=True)
class Sample:
    """Which galaxies a statistic needs: their redshifts and columns."""

    redshifts: tuple[float, ...]
    wanted: tuple[str, ...]
    bands: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


SAMPLES = {
    "stars": Sample(MASS_REDSHIFTS, STELLAR),
    "light": Sample((SDSS_REDSHIFT,), ("mag_true",), bands=tuple(SDSS)),
    "lines": Sample(HALPHA_REDSHIFTS, ("line_luminosity",), lines=("Halpha",)),
    "colours": Sample(COLOUR_REDSHIFTS, ("mag_true", "is_quenched"), bands=tuple(LSST)),
}


@lru_cache
def sample_halos(sample: str, n: int) -> Galaxies:
    """The halos of a sample: the same for all calibrations, so that these differ by nothing else."""
    return halos(SAMPLES[sample].redshifts, n)


def galaxies(sample: str, calibration: str, n: int) -> Galaxies:
    """Galaxies of a sample: columns of its halos and those it wants."""
    known, chosen = sample_halos(sample, n), SAMPLES[sample]
    constants = (SurvivingMassTable(with_remnants()),) if "log10_surviving_mass" in chosen.wanted else ()
    columns = {name: values for name, values in known.items() if name != "weight"}
    found = dff.evaluate(
        columns,
        chosen.wanted,
        calibration=calibration,
        bands=chosen.bands,
        lines=chosen.lines,
        constants=constants,
    )
    return {**known, **found}


def with_remnants() -> np.ndarray:
    """Mass of living stars and remnants per mass formed, (metallicity, age) of the templates.

    1 - 0.05 ln(1 + t / 1.4 Myr), Eq. 14 of Behroozi et al. 2013, ApJ 770, 57: what surveys call stellar mass.
    """
    templates = load_templates("bc03_miles_kroupa")
    fraction = 1.0 - 0.05 * np.log1p(10.0**templates.log10_age / 1.4e-3)
    return np.broadcast_to(fraction, (len(templates.log10_metallicity), len(fraction))).copy()


def planes(calibration: str, conditions: Sequence[tuple[float, float]], n: int = 1000) -> list[Galaxies]:
    """Centrals of halos of a mass today, seen at a redshift, for each condition (log10 M0 [dex(Msun)], redshift)."""
    today, redshift = np.repeat(np.asarray(conditions, float), n, axis=0).T
    now = {"log10_halo_mass": today, "redshift": np.full(len(today), 1e-4)}
    rows = np.arange(len(today))
    growth = dff.evaluate({**now, "galaxy_id": rows}, ["mah_parameters"])["mah_parameters"]
    wanted = ("log10_surviving_mass", "log10_stellar_mass_in_situ", "log10_ssfr", "is_quenched")
    found = dff.evaluate(
        {"mah_parameters": growth, "redshift": redshift, "galaxy_id": rows},
        wanted,
        calibration=calibration,
        constants=(SurvivingMassTable(with_remnants()),),
    )
    time, last = age_64(COSMOLOGY, redshift), age_today_64(COSMOLOGY)
    found["log10_halo_mass"] = np.asarray(log10_mass(HaloGrowth(*np.asarray(growth, float).T), time, last))
    found["redshift"] = redshift
    return [{name: values[k * n : (k + 1) * n] for name, values in found.items()} for k in range(len(conditions))]


def histories(calibration: str, log10_masses: Sequence[float], n: int) -> Galaxies:
    """Growth of halos of some masses today and star formation in them, (mass x n, time)."""
    mass = np.repeat(log10_masses, n)
    columns = {"log10_halo_mass": mass, "redshift": np.full(len(mass), 1e-4)}
    wanted = ("mah_parameters", "log10_sfr_history", "is_quenched")
    found = dff.evaluate(columns, wanted, calibration=calibration)
    time = np.asarray(time_grid(COSMOLOGY).time)
    growth = HaloGrowth(*np.asarray(found["mah_parameters"], float).T[:, :, None])
    found["log10_halo_mass_history"] = np.asarray(log10_mass(growth, time, time[-1]))
    return {**found, "log10_halo_mass_today": mass, "time": time}


# --- what is measured of galaxies ---------------------------------------------------------------------------------


def stellar_mass(g: Galaxies) -> np.ndarray:
    """Mass of stars and remnants [dex(Msun), Chabrier]."""
    return g["log10_surviving_mass"] + KROUPA_TO_CHABRIER


def star_formation_rate(g: Galaxies) -> np.ndarray:
    """dex(Msun/yr), Chabrier."""
    return g["log10_ssfr"] + g["log10_stellar_mass_in_situ"] + KROUPA_TO_CHABRIER


def specific_rate(g: Galaxies) -> np.ndarray:
    """Star formation rate over the mass of stars and remnants [dex(1/yr)], as observed ones are."""
    return star_formation_rate(g) - stellar_mass(g)


def is_quiescent(g: Galaxies) -> np.ndarray:
    """Specific rate below 0.2 over the age of the universe; Pacifici et al. 2016, ApJ 832, 79."""
    redshifts, place = np.unique(g["redshift"], return_inverse=True)
    return specific_rate(g) < np.log10(0.2 / (1e9 * age_64(COSMOLOGY, redshifts)))[place]


def at(g: Galaxies, redshift: float) -> Galaxies:
    """Those at one redshift of the sample."""
    chosen = g["redshift"] == redshift
    return {name: values[chosen] for name, values in g.items()}


def quantile(values: np.ndarray, weight: np.ndarray, share: float) -> float:
    """Weighted quantile."""
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(np.interp(share * total[-1], total - 0.5 * weight[order], values[order]))


def running(x: np.ndarray, y: np.ndarray, weight: np.ndarray, edges: np.ndarray) -> Curve:
    """Weighted medians of y in bins of x, and half the central 68%; NaN in bins of fewer than ten."""
    rows = []
    for low, high in pairwise(edges):
        there = (x >= low) & (x < high)
        few = np.count_nonzero(there) < 10
        low, mid, high = [np.nan if few else quantile(y[there], weight[there], s) for s in (0.16, 0.5, 0.84)]
        rows.append((mid, 0.5 * (high - low)))
    median, spread = np.array(rows).T
    return Curve(0.5 * (edges[1:] + edges[:-1]), median, spread)


def density(values: np.ndarray, weight: np.ndarray, edges: np.ndarray) -> Curve:
    """log10 of the number per Mpc^3 and unit of the values, in bins, and its sampling error [dex]."""
    number, squares = (np.histogram(values, edges, weights=w)[0] for w in (weight, weight**2))
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.where(number > 0, np.log10(number / np.diff(edges)), np.nan)
        return Curve(0.5 * (edges[1:] + edges[:-1]), y, np.sqrt(squares) / number / np.log(10.0))


def share(x: np.ndarray, part: np.ndarray, weight: np.ndarray, edges: np.ndarray) -> Curve:
    """Weighted mean of `part` in bins of x; NaN in bins of fewer than ten."""
    total, chosen, number = (np.histogram(x, edges, weights=w)[0] for w in (weight, weight * part, np.ones_like(x)))
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.where(number >= 10, chosen / total, np.nan)
    return Curve(0.5 * (edges[1:] + edges[:-1]), y, np.full(len(y), np.nan))


MASS_EDGES, HALO_EDGES = np.arange(8.4, 12.41, 0.2), np.arange(LIGHTEST, 15.01, 0.2)


def halo_relation(g: Galaxies, redshift: float) -> Curve:
    """Median stellar mass of centrals by halo mass."""
    g = at(g, redshift)
    c = g["is_central"]
    return running(g["log10_halo_mass"][c], stellar_mass(g)[c], g["weight"][c], HALO_EDGES)


def mass_function(g: Galaxies, redshift: float) -> Curve:
    g = at(g, redshift)
    return density(stellar_mass(g), g["weight"], MASS_EDGES)


def quiescent_fraction(g: Galaxies, redshift: float) -> Curve:
    g = at(g, redshift)
    return share(stellar_mass(g), is_quiescent(g), g["weight"], MASS_EDGES)


def main_sequence(g: Galaxies, redshift: float) -> Curve:
    """Median star formation rate of galaxies that are not quiescent."""
    g = at(g, redshift)
    forming = ~is_quiescent(g)
    return running(stellar_mass(g)[forming], star_formation_rate(g)[forming], g["weight"][forming], MASS_EDGES)


def cosmic_density(g: Galaxies, quantity: str) -> Curve:
    """log10 of the star formation rate or the stellar mass per comoving Mpc^3, of all galaxies above LIGHTEST."""
    amount = 10.0 ** {"csfrd": star_formation_rate, "smd": stellar_mass}[quantity](g)
    y = [np.log10(np.sum((g["weight"] * amount)[g["redshift"] == z])) for z in MASS_REDSHIFTS]
    return Curve(np.array(MASS_REDSHIFTS), np.array(y), np.full(len(y), np.nan))


def metallicity_relation(g: Galaxies, redshift: float) -> Curve:
    """Median log10 of the stellar metallicity over the solar one."""
    g = at(g, redshift)
    there = np.isfinite(stellar_mass(g))
    solar = g["log10_metallicity"] - np.log10(SOLAR_METALLICITY)
    return running(stellar_mass(g)[there], solar[there], g["weight"][there], MASS_EDGES)


def bulge_fraction(g: Galaxies, redshift: float) -> Curve:
    """Share of the stellar mass of galaxies that is in bulges."""
    g = at(g, redshift)
    return share(stellar_mass(g), g["bulge_to_total"], g["weight"] * 10.0 ** stellar_mass(g), MASS_EDGES)


def half_radius(disk: np.ndarray, bulge: np.ndarray, bulge_to_total: np.ndarray) -> np.ndarray:
    """Radius that holds half of an exponential disk and a de Vaucouleurs bulge together, by bisection of its log."""
    low, high = (np.log10(f(disk, bulge)) for f in (np.minimum, np.maximum))
    for _ in range(20):
        radius = 10.0 ** (0.5 * (low + high))
        x = 1.6783 * radius / disk  # the half-light radius of an exponential is 1.6783 scale lengths
        inside = (1.0 - bulge_to_total) * (1.0 - (1.0 + x) * np.exp(-x))
        inside += bulge_to_total * gammainc(8.0, 7.6692 * (radius / bulge) ** 0.25)  # Sersic index 4
        low, high = np.where(inside < 0.5, np.log10(radius), low), np.where(inside < 0.5, high, np.log10(radius))
    return 10.0 ** (0.5 * (low + high))


def size_relation(g: Galaxies, panel: tuple[str, float]) -> Curve:
    """Median log10 half-mass radius [dex(kpc)] of star-forming ("late"), quiescent ("early") or all galaxies."""
    kind, redshift = panel
    g = at(g, redshift)
    chosen = {"all": True, "late": ~is_quiescent(g), "early": is_quiescent(g)}[kind] & (stellar_mass(g) > 8.0)
    g = {name: values[chosen] for name, values in g.items()}
    radius = half_radius(g["disk_half_light_radius"], g["bulge_half_light_radius"], g["bulge_to_total"])
    return running(stellar_mass(g), np.log10(radius), g["weight"], MASS_EDGES)


def absolute_magnitudes(g: Galaxies) -> dict[str, np.ndarray]:
    """M - 5 log10 h in the SDSS bands at the redshift of the sample, as surveys correct theirs to it.

    There the correction is a number, -2.5 log10(1 + z), whatever the spectrum.
    """
    z = SDSS_REDSHIFT
    modulus = 5.0 * np.log10((1.0 + z) * comoving_distance_64(COSMOLOGY, z) * COSMOLOGY.h * 1e5)
    return dict(zip("ugriz", (g["mag_true"] - modulus + 2.5 * np.log10(1.0 + z)).T))


def luminosity_function(g: Galaxies, band: str) -> Curve:
    """Of the SDSS band at z = 0.1, per h^-3 Mpc^3 and mag."""
    return density(absolute_magnitudes(g)[band], g["weight"] / COSMOLOGY.h**3, np.arange(-25.0, -14.9, 0.25))


def colour_magnitude(g: Galaxies, _: str) -> Curve:
    """Median u - r by r magnitude, at z = 0.1."""
    m = absolute_magnitudes(g)
    return running(m["r"], m["u"] - m["r"], g["weight"], np.arange(-23.5, -15.9, 0.5))


def halpha_function(g: Galaxies, redshift: float) -> Curve:
    """Of the luminosity after dust [dex(erg/s)]."""
    g = at(g, redshift)
    with np.errstate(divide="ignore"):
        luminosity = np.log10(g["line_luminosity"][:, 0].astype(float) * SOLAR_LUMINOSITY)
    return density(luminosity, g["weight"], np.arange(39.4, 44.01, 0.2))


# --- what surveys found -------------------------------------------------------------------------------------------


@lru_cache
def _observed(name: str) -> dict[str, np.ndarray]:
    return table(reference("obs", f"{name}.csv"))


def _points(x: np.ndarray, y: np.ndarray, error: np.ndarray | None = None) -> Curve:
    return Curve(x, y, np.full(len(x), np.nan) if error is None else error)


def observed_halo_relation(redshift: float) -> Curve:
    """True median mass of centrals, Behroozi et al. 2019, linear in redshift between those of the table."""
    t = _observed("smhm_behroozi19")
    known = np.unique(t["z"])
    masses = np.unique(t["log10_mpeak_msun"])
    grid = np.array([t["log10_mstar_true_median_central"][t["z"] == z] for z in known])
    y = np.array([np.interp(redshift, known, column) for column in grid.T])
    return _points(masses, y)


def observed_stellar_masses(redshift: float) -> Curve:
    """GAMA (Driver et al. 2022) below z = 0.1, COSMOS2020 (Weaver et al. 2023) beyond; in our h."""
    source = "Driver2022_GAMA" if redshift < 0.1 else "Weaver2023_COSMOS2020"
    return Curve(*observed_mass_function(source, redshift, COSMOLOGY.h))


def observed_quiescent_fraction(redshift: float) -> Curve:
    """SDSS (Wetzel et al. 2012, specific rates) below z = 0.1, COSMOS2020 (Weaver et al. 2023, colours) beyond."""
    t = _observed("quiescent_fraction")
    source = "compil_Wetzel_2012_SDSS" if redshift < 0.1 else "Weaver2023_COSMOS2020_phiQ/(phiQ+phiSF)"
    chosen = (t["source"] == source) & (t["zmin"] <= redshift) & (redshift < t["zmax"])
    return Curve(*(t[name][chosen] for name in ("log10_mstar_msun", "f_quiescent", "err")))


def observed_main_sequence(redshift: float) -> Curve:
    """The ridge of Leja et al. 2022, linear in redshift between those of the table."""
    t = _observed("main_sequence")
    ridge = (t["source"] == "Leja2022") & (t["sample"] == "ridge")
    known = np.unique(t["z"][ridge])
    above = min(max(int(np.searchsorted(known, redshift)), 1), len(known) - 1)
    low, high = (
        (t["log10_mstar_msun"][ridge & (t["z"] == z)], t["log10_sfr_msun_yr"][ridge & (t["z"] == z)])
        for z in known[above - 1 : above + 1]
    )
    x = low[0][low[0] >= high[0].min()]
    part = (redshift - known[above - 1]) / (known[above] - known[above - 1])
    return _points(x, (1.0 - part) * np.interp(x, *low) + part * np.interp(x, *high))


def observed_cosmic_density(quantity: str) -> Curve:
    """Compilation of Madau & Dickinson 2014; star formation also of Driver et al. 2018, mass of Weaver et al. 2023."""
    t = _observed("cosmic_sfrd_smd")
    sources = ("MadauDickinson2014", {"csfrd": "Driver2018", "smd": "Weaver2023_COSMOS2020"}[quantity])
    chosen = np.isin(t["source"], sources) & (t["quantity"] == quantity)
    shift = np.where(t["imf"][chosen] == "Salpeter", SALPETER_TO_CHABRIER[quantity], 0.0)
    error = 0.5 * (t["err_up_dex"] + t["err_dn_dex"])[chosen]
    return _points(0.5 * (t["zmin"] + t["zmax"])[chosen], t["log10_value"][chosen] + shift, error)


def observed_metallicity_relation(_: float) -> Curve:
    """Stellar metallicities of SDSS, Gallazzi et al. 2005; errors are the scatter of galaxies."""
    t = _observed("mass_metallicity")
    chosen = t["source"] == "Gallazzi2005"
    scatter = 0.5 * (t["p84"] - t["p16"])[chosen]
    return _points(t["log10_mstar_msun"][chosen], t["value"][chosen], scatter)


def observed_bulge_fraction(_: float) -> Curve:
    """GAMA, Moffett et al. 2016."""
    t = _observed("bulge_mass_fraction_moffett16")
    return _points(t["log10_mstar_msun"], t["f_bulge_mass"], 0.5 * (t["hi"] - t["lo"]))


def observed_sizes(panel: tuple[str, float]) -> Curve:
    """GAMA (Lange et al. 2015) below z = 0.1, van der Wel et al. 2014 beyond with the scatter of galaxies as error."""
    kind, redshift = panel
    t = _observed("size_mass")
    if redshift < 0.1:
        chosen = t["source"] == "Lange2015_GAMA_r_median"
    else:
        distinct = np.abs(t["z"] - redshift) < 1e-6
        chosen = distinct & (t["sample"] == kind) & (np.char.find(t["source"].astype(str), "vanderWel2014") == 0)
    error = 0.5 * (t["log10_re_84"] - t["log10_re_16"])[chosen]
    return _points(t["log10_mstar_msun"][chosen], t["log10_re_kpc"][chosen], error)


def observed_luminosities(band: str) -> Curve:
    """SDSS, Montero-Dorta & Prada 2009, at z = 0.1."""
    t = _observed("luminosity_functions_z0")
    chosen = (t["source"] == "MonteroDorta2009_SDSS") & (t["band"] == band) & (t["phi_h3_mpc-3_mag-1"] > 0)
    phi, error = t["phi_h3_mpc-3_mag-1"][chosen], t["err"][chosen]
    return _points(t["M_AB-5log10h"][chosen], np.log10(phi), error / phi / np.log(10.0))


def observed_colours(low: float) -> tuple[Curve, float]:
    """Distribution of u - r at z = 0.1 in the bin of r magnitude (h = 0.7) that begins at `low`, and its median.

    SDSS, Baldry et al. 2004.
    """
    t = _observed("colour_distributions_sdss")
    chosen = (t["source"] == "Baldry2004") & (t["Mr_min"] == low)
    x, y = t["colour_value"][chosen], t["pdf"][chosen]
    return _points(x, y, t["err"][chosen]), quantile(x, np.maximum(y, 0.0), 0.5)


def baldry_bins() -> np.ndarray:
    """Where the bins of r magnitude of Baldry et al. 2004 begin, from bright to faint."""
    t = _observed("colour_distributions_sdss")
    return np.unique(t["Mr_min"][t["source"] == "Baldry2004"])


def observed_colour_magnitude(_: str) -> Curve:
    """Median u - r of SDSS by r magnitude less 5 log10 h."""
    bins = baldry_bins()
    return _points(bins + 0.25 - 5.0 * np.log10(0.7), np.array([observed_colours(low)[1] for low in bins]))


def observed_halpha(redshift: float) -> Curve:
    """HiZELS, Sobral et al. 2013, without correction for dust; in our h.

    The densities of the table are per ln L, though their column says per dex: with a factor ln 10 they meet the
    Schechter functions of the paper, which are corrected for 1 mag of dust, to 0.05 dex at all four redshifts.
    """
    t = _observed("halpha_lf")
    chosen = t["z"] == redshift
    ratio = np.log10(0.7 / COSMOLOGY.h)
    phi, error = t["phi_mpc-3_dex-1"][chosen], t["err"][chosen]
    y = np.log10(phi * np.log(10.0)) - 3.0 * ratio
    return _points(t["log10_L_erg_s"][chosen] + 2.0 * ratio, y, error / phi / np.log(10.0))


def corrected_halpha(redshift: float) -> Curve:
    """The same, brighter by the 1 mag of dust that the paper corrects for."""
    points = observed_halpha(redshift)
    return points._replace(x=points.x + 0.4)


MASS = "log$_{10}$ M$_*$ [M$_\\odot$]"
STATISTICS = (
    Statistic(
        "halo relation", "Stellar mass of centrals", "log$_{10}$ M$_h$ [M$_\\odot$]", MASS, "dex",
        (0.06, 0.65, 1.25, 2.25), "stars", observed_halo_relation, halo_relation, (11.0, 14.0), (10.8, 14.6, 7.5, 12.3),
    ),
    Statistic(
        "mass function", "Stellar mass functions", MASS, "log$_{10}$ $\\phi$ [Mpc$^{-3}$ dex$^{-1}$]", "dex",
        (0.06, 0.35, 0.95, 1.75), "stars", observed_stellar_masses, mass_function, (9.0, 11.6), (8.5, 12.2, -6.2, -1.0),
        lowest=-5.0,
    ),
    Statistic(
        "quiescent fraction", "Quiescent fraction", MASS, "quiescent fraction", "1",
        (0.06, 0.35, 0.95, 1.75), "stars", observed_quiescent_fraction, quiescent_fraction, (9.0, 11.5),
        (8.5, 12.0, 0.0, 1.0),
    ),
    Statistic(
        "main sequence", "Star-forming main sequence", MASS, "log$_{10}$ SFR [M$_\\odot$ yr$^{-1}$]", "dex",
        (0.35, 0.65, 1.25, 1.75), "stars", observed_main_sequence, main_sequence, (9.0, 11.3), (8.5, 11.8, -1.5, 3.0),
    ),
    Statistic(
        "SFR density", "Cosmic star formation", "redshift", "log$_{10}$ [M$_\\odot$ yr$^{-1}$ Mpc$^{-3}$]", "dex",
        ("csfrd",), "stars", observed_cosmic_density, cosmic_density, (0.0, 4.0), (0.0, 4.1, -2.4, -0.5),
    ),
    Statistic(
        "mass density", "Cosmic stellar mass", "redshift", "log$_{10}$ [M$_\\odot$ Mpc$^{-3}$]", "dex",
        ("smd",), "stars", observed_cosmic_density, cosmic_density, (0.0, 4.0), (0.0, 4.1, 6.4, 9.0),
    ),
    Statistic(
        "metallicity", "Stellar metallicity", MASS, "log$_{10}$ Z / Z$_\\odot$", "dex",
        (0.06,), "stars", observed_metallicity_relation, metallicity_relation, (9.0, 11.6), (8.5, 12.0, -1.6, 0.6),
        errors_are_scatter=True,
    ),
    Statistic(
        "bulge fraction", "Mass in bulges", MASS, "fraction of mass", "1",
        (0.06,), "stars", observed_bulge_fraction, bulge_fraction, (9.0, 11.4), (8.5, 12.0, 0.0, 1.02),
    ),
    Statistic(
        "sizes", "Half-mass radii", MASS, "log$_{10}$ R [kpc]", "dex",
        (("all", 0.06), ("late", 0.25), ("early", 0.25), ("all", 1.25), ("all", 1.75)), "stars", observed_sizes,
        size_relation, (9.0, 11.5), (8.5, 12.0, -0.1, 1.4), errors_are_scatter=True,
    ),
    Statistic(
        "luminosity function", "Luminosity functions at z = 0.1", "M - 5 log$_{10}$ h",
        "log$_{10}$ $\\phi$ [h$^3$ Mpc$^{-3}$ mag$^{-1}$]", "dex", tuple("ugriz"), "light", observed_luminosities,
        luminosity_function, (-24.0, -17.0), (-16.0, -24.0, -6.5, -1.2), lowest=-5.0,
    ),
    Statistic(
        "colour", "u - r at z = 0.1", "M$_r$ - 5 log$_{10}$ h", "median u - r", "mag",
        ("u - r",), "light", observed_colour_magnitude, colour_magnitude, (-23.0, -16.5), (-16.0, -23.2, 0.8, 3.0),
    ),
    Statistic(
        "Halpha function", "H$\\alpha$ luminosity functions", "log$_{10}$ L [erg s$^{-1}$]",
        "log$_{10}$ $\\phi$ [Mpc$^{-3}$ dex$^{-1}$]", "dex", HALPHA_REDSHIFTS, "lines", observed_halpha,
        halpha_function, (40.0, 43.5), (39.8, 43.6, -5.5, -1.0), lowest=-4.7, also=corrected_halpha,
    ),
)  # fmt: skip
STATISTICS += (replace(STATISTICS[-1], name="Halpha corrected", observed=corrected_halpha, also=None),)


def plane_distances(seen: Sequence[Galaxies]) -> tuple[Distance, Distance]:
    """Of centrals of a mass today: median mass from Behroozi et al. 2019, rate of those forming from Leja 2022."""
    masses, rates = [], []
    for g in seen:
        z, mass = float(g["redshift"][0]), stellar_mass(g)
        halo = observed_halo_relation(z)
        masses.append(np.median(mass) - np.interp(np.median(g["log10_halo_mass"]), halo.x, halo.y))
        forming = ~is_quiescent(g)
        ridge = observed_main_sequence(z)
        inside = forming & (mass > ridge.x[0]) & (mass < ridge.x[-1])
        if inside.sum() >= 10:
            rates.append(np.median((star_formation_rate(g) - np.interp(mass, ridge.x, ridge.y))[inside]))
    return tuple(
        Distance(float(np.sqrt(np.mean(np.square(r)))), float(np.mean(r)), np.nan, len(r)) for r in (masses, rates)
    )


def all_distances(calibration: str, n: int) -> tuple[dict[str, Galaxies], dict[str, Distance]]:
    """Galaxies of a calibration by sample, and its distances by name of the statistic."""
    found = {sample: galaxies(sample, calibration, n) for sample in ("stars", "light", "lines")}
    return found, {statistic.name: statistic.distance(found[statistic.sample]) for statistic in STATISTICS}
