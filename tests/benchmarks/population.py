"""One population of galaxies for both sides of a benchmark: plain numpy, seeded, of no implementation."""

import numpy as np

BANDS = 10
REDSHIFTS = (0.05, 3.0)
LINES = (4862.7, 6564.6)  # Angstrom


def galaxies(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Centrals and 30 % of satellites with every input of the photometry: halo growth, redshift, host, draws aside."""
    rng = np.random.default_rng(seed)
    n_central = round(0.7 * n)
    host = np.concatenate([np.arange(n_central), rng.integers(0, n_central, n - n_central)])
    late = np.clip(rng.lognormal(np.log(0.25), 0.5, n), 0.11, 2.0)
    redshift = rng.uniform(*REDSHIFTS, n)[host]
    return {
        "logm0": 11.0 + np.minimum(rng.exponential(0.55, n), 4.0),
        "logtc": np.clip(rng.normal(0.25, 0.2, n), -0.8, 0.9),
        "early_index": late + np.clip(rng.lognormal(np.log(2.2), 0.25, n), 0.3, 7.0),
        "late_index": late,
        "t_peak": np.where(rng.random(n) < 0.7, 14.0, rng.uniform(2.0, 13.5, n)),
        "redshift": redshift,
        "host_row": host,
        "is_central": np.arange(n) < n_central,
        "satellite_weight": np.ones(n),
    }


def curves() -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Ten bell-shaped bands from 0.35 to 2 micron: name, wavelength [Angstrom], transmission."""
    centres = np.geomspace(3600.0, 18500.0, BANDS)
    wavelength = np.geomspace(2000.0, 30000.0, 1500)
    return [
        (f"band{i}", wavelength, np.exp(-0.5 * (np.log(wavelength / c) / 0.06) ** 2)) for i, c in enumerate(centres)
    ]


def templates(seed: int = 1) -> dict[str, np.ndarray]:
    """A table of the size of FSPS, 22 metallicities x 94 ages x 1963 wavelengths: black bodies that cool with age."""
    rng = np.random.default_rng(seed)
    log_age = np.arange(-3.5, 1.151, 0.05)[:94]
    log_z = np.linspace(-3.7, -1.52, 22)
    wavelength = np.geomspace(100.0, 1e5, 1963)
    temperature = 4000.0 * (1.0 + 8.0 / (1.0 + 10.0 ** (log_age + 1.5)))[None, :] * 10.0 ** (-0.02 * log_z[:, None])
    x = 1.4388e8 / (wavelength * temperature[..., None])
    flux = (
        1e-13 * 10.0 ** (-0.8 * log_age)[None, :, None] * (wavelength / 5000.0) ** -3 / np.expm1(np.minimum(x, 300.0))
    )
    lines = 10.0 ** (-2.0 - 3.0 * np.clip(log_age + 2.5, 0.0, 20.0))[None, :, None] * rng.uniform(0.5, 1.5, (22, 94, 2))
    return {
        "line_wavelength": np.array(LINES),
        "line_luminosity": lines,  # Lsun/Msun
        "log_age": log_age,
        "log_z": log_z,
        "wavelength": wavelength,
        "flux": flux * rng.uniform(0.9, 1.1, flux.shape[:2])[..., None],
    }
