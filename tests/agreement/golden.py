"""The reference's photometry files, put in the words of our stages."""

from functools import cache
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from diffsky_factory.core.plan import plan
from diffsky_factory.physics import AS_DIFFSKY, INGREDIENTS, UNPUBLISHED, stages
from diffsky_factory.physics.halos.growth import HaloGrowth, TimeGrid
from diffsky_factory.physics.light.photometry import BandTable
from diffsky_factory.physics.stars.ages import TemplateGrid
from diffsky_factory.physics.stars.history import standard_deviates
from diffsky_factory.physics.stars.star_formation import StarFormation
from diffsky_factory.sky.cosmology import Cosmology
from tests.reference import parameters_of, reference

FLAT = [name for name in INGREDIENTS if name not in ("diffmahpop", "hmf", "ccshmf", *UNPUBLISHED)]
"""Groups of the 216 parameters of galaxies, in the published order."""

AB0 = 1.13492e-13  # Lsun/Hz of a source of 0 mag at 10 pc
SCATTER = 0.05  # mag; the file has the scaled draws


@cache
def load(*parts: str) -> dict[str, np.ndarray]:
    with np.load(reference(*parts)) as file:
        return dict(file)


def parameter_groups(tag: str) -> dict[str, Any]:
    values = parameters_of(tag)
    return {
        group: INGREDIENTS[group](**{name: float(values[name]) for name in INGREDIENTS[group]._fields})
        for group in FLAT
        if all(name in values for name in INGREDIENTS[group]._fields)
    }


def reference_rule(wavelength, flux, curve_wavelength, transmission, redshift) -> np.ndarray:
    """Mean luminosity density in a band by the reference's rule: trapezoids on the union of the two grids.

    flux (n_met, n_age, n_wave) -> (n_met, n_age), in units of the AB zero point at 10 pc. The curve is cut where its
    plain cumulative sum passes 1e-5 and 1 - 1e-5.
    """
    rest = curve_wavelength / (1.0 + redshift)
    share = np.cumsum(transmission) / transmission.sum()
    first, last = rest[np.argmax(share >= 1e-5)], rest[np.argmax(share >= 1.0 - 1e-5)]
    x = np.union1d(wavelength, rest)
    x = x[(x >= first) & (x <= last)]
    step = np.zeros_like(x)
    step[1:] += 0.5 * np.diff(x)
    step[:-1] += 0.5 * np.diff(x)
    weight = step * np.interp(x, rest, transmission) / x
    below = np.clip(np.searchsorted(wavelength, x) - 1, 0, len(wavelength) - 2)
    fraction = (x - wavelength[below]) / (wavelength[below + 1] - wavelength[below])
    on_grid = np.zeros(len(wavelength))
    np.add.at(on_grid, below, weight * (1.0 - fraction))
    np.add.at(on_grid, below + 1, weight * fraction)
    return flux @ on_grid / (weight.sum() * AB0)


@cache
def reference_band_table(nodes: tuple[float, ...]) -> BandTable:
    """The reference's table of templates through bands, by its own rule, from its own templates and curves."""
    inputs = load("golden", "fake_inputs.npz")
    curves = list(zip(inputs["band_wave"], inputs["band_trans"]))
    flux = inputs["ssp_flux_lsun_per_hz_per_msun"]
    table = [[reference_rule(inputs["ssp_wave"], flux, *curve, z) for curve in curves] for z in nodes]
    mean = np.array([np.trapezoid(t * w, w) / np.trapezoid(t, w) for w, t in curves])
    redshift = np.array(nodes)
    return BandTable(redshift, np.array(table).transpose(0, 2, 1, 3), mean / (1.0 + redshift[:, None]))


class Galaxies(NamedTuple):
    """A photometry file as our stages take it: all arrays in one precision."""

    columns: dict[str, Any]
    constants: dict[type, Any]
    draws: dict[str, Any]


def galaxies(name: str, tag: str, wide: bool) -> tuple[dict[str, np.ndarray], Galaxies]:
    """The file's numbers, and the same as columns, constants and draws; captured histories are not among the columns.

    The normal deviates of the histories are recovered from the captured histories with the file's own calibration.
    """
    golden = load("golden", name)
    dtype = jnp.float64 if wide else jnp.float32

    def real(x):
        x = np.asarray(x)
        return jnp.asarray(x, dtype) if x.dtype.kind == "f" else jnp.asarray(x)

    inputs = load("golden", "fake_inputs.npz")
    groups = {type(p): type(p)(*map(real, p)) for p in parameter_groups(tag).values()}
    table = reference_band_table(tuple(golden["z_phot_table"]))
    constants = {
        **groups,
        Cosmology: Cosmology(),
        TimeGrid: TimeGrid(real(np.linspace(0.01, float(golden["t0"]), 100))),
        TemplateGrid: TemplateGrid(real(inputs["ssp_lg_age_gyr"]), real(inputs["ssp_lgmet"])),
        BandTable: BandTable(*map(real, table)),
    }
    columns = {
        "mah_parameters": np.stack([golden[f"mah_{field}"] for field in HaloGrowth._fields], axis=1),
        "is_central": golden["is_central"] == 1,
        "cosmic_time": golden["t_obs"],
        "redshift": golden["z_obs"],
        "infall_time": golden["t_infall"],
        "log10_halo_mass_at_infall": golden["logmp_infall"],
        "log10_host_mass_at_infall": golden["logmhost_infall"],
        "host_row": golden["halo_indx"],
        "satellite_weight": golden["sat_weight"],
        "is_quenched": golden["ran_mc_is_q"],
    }
    draws = {
        "burst.draw_burst": golden["ran_uran_pburst"],
        "dust.draw_av": golden["ran_uran_av"],
        "dust.draw_slope": golden["ran_uran_delta"],
        "dust.draw_unobscured": golden["ran_uran_funo"],
        "template_error.draw_shift": golden["ran_delta_mag_ssp_scatter"] / SCATTER,
        "merging_monte_carlo.draw_merging": golden["ran_uran_pmerge"],
        "merging_monte_carlo.draw_penultimate_merging": np.full(len(golden["z_obs"]), 0.5),  # in a round without any
    }
    return golden, Galaxies({k: real(v) for k, v in columns.items()}, constants, {k: real(v) for k, v in draws.items()})


def captured_histories(golden: dict[str, np.ndarray], real) -> dict[str, Any]:
    """The drawn histories as columns."""
    names = {"mc": "sfh_parameters", "ms": "sfh_parameters_main_sequence", "q": "sfh_parameters_quenched"}
    return {
        name: real(np.stack([golden[f"sfh{kind}_{field}"] for field in StarFormation._fields], axis=1))
        for kind, name in names.items()
    }


def recovered_deviates(golden: dict[str, np.ndarray], population, log10_mass_today) -> dict[str, Any]:
    """The normal deviates that lead to the captured histories, as draws."""
    import jax

    t_peak = jnp.asarray(golden["mah_t_peak"])
    found = {}
    for kind, quenched, name in (("ms", False, "draw_main_sequence"), ("q", True, "draw_quenched")):
        sfh = StarFormation(*[jnp.asarray(golden[f"sfh{kind}_{field}"]) for field in StarFormation._fields])
        deviates = jax.vmap(lambda s, x, t, q=quenched: standard_deviates(population, s, x, t, q))
        found[f"history_population.{name}"] = deviates(sfh, log10_mass_today, t_peak)
    return found


def as_diffsky(given, wanted, **replace):
    """The plan of a request with the reference's choices."""
    return plan(stages({**AS_DIFFSKY, **replace}), given, wanted)
