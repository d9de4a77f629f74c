"""Tabulated halo histories: those of simulations, as a fit is to get them, and made ones with noise."""

import h5py
import numpy as np

from tests.reference import FOLDER, reference

FILE = ("sims", "real_mahs.h5")
TIMES = np.linspace(0.5, 13.8, 100)  # Gyr, of made histories


def simulations() -> list[str]:
    """Names of the simulations whose histories are at hand; empty where there is no file."""
    path = FOLDER.joinpath(*FILE)
    if not path.exists():
        return []
    with h5py.File(path) as file:
        return sorted(file)


def simulated(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Times (T,) [Gyr] and log10 masses (n, T) [dex(Msun)] of a simulation, NaN where a halo has no mass."""
    with h5py.File(reference(*FILE)) as file:
        time, mass = file[name]["t_gyr"][:], file[name]["mah_msun"][:].astype(float)
    return time, np.where(mass > 0, np.log10(np.where(mass > 0, mass, 1.0)), np.nan)


def last_times(time: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Time [Gyr] of the last mass of each history; the last of the table where there is none."""
    known = np.isfinite(masses)
    last = masses.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    return time[np.where(known.any(axis=1), last, masses.shape[1] - 1)]


def made(n: int = 400, seed: int = 6) -> np.ndarray:
    """Log10 masses (n, T) [dex(Msun)]: power laws of time that bend, with noise and jumps."""
    rng = np.random.default_rng(seed)
    x = np.log10(TIMES / TIMES[-1])
    today, early, late = rng.uniform(11.0, 15.0, (n, 1)), rng.uniform(1.0, 5.0, (n, 1)), rng.uniform(0.0, 2.0, (n, 1))
    bend, width = rng.uniform(-1.0, 0.0, (n, 1)), rng.uniform(0.05, 0.4, (n, 1))
    mass = today + late * x - (early - late) * width * np.log1p(np.exp((bend - x) / width))
    jumps = rng.uniform(0.0, 0.3, (n, 1)) * (x > rng.uniform(-1.0, 0.0, (n, 1)))
    return mass + jumps + rng.normal(0.0, 1.0, (n, len(TIMES))) * rng.uniform(0.0, 0.1, (n, 1))
