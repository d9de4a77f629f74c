"""Star formation histories of no implementation's making: smooth forms of the literature, and drawn ones with noise."""

import numpy as np

TIMES = np.linspace(0.1, 13.8, 100)  # Gyr
TODAY = TIMES[-1]


def mah_parameters(n: int, rng: np.random.Generator) -> np.ndarray:
    """Growth of n halos (n, 5), of 10^11.2 to 10^14 Msun today, a quarter of which stop growing early."""
    late = np.clip(rng.lognormal(np.log(0.25), 0.5, n), 0.11, 2.0)
    early = late + np.clip(rng.lognormal(np.log(2.2), 0.25, n), 0.3, 7.0)
    peak = np.where(rng.random(n) < 0.75, 14.0, rng.uniform(6.0, 13.5, n))
    return np.column_stack(
        [rng.uniform(11.2, 14.0, n), np.clip(rng.normal(0.25, 0.2, n), -0.8, 0.9), early, late, peak]
    )


def log_normal(n: int, rng: np.random.Generator) -> np.ndarray:
    """SFR(t) = exp(-(ln t - T0)^2 / (2 tau^2)) / t; Gladders et al. 2013, ApJ 770, 64, Eq. 1."""
    t0, tau = rng.uniform(0.8, 2.4, (n, 1)), rng.uniform(0.3, 0.9, (n, 1))
    return np.exp(-0.5 * ((np.log(TIMES) - t0) / tau) ** 2) / TIMES


def double_power_law(n: int, rng: np.random.Generator) -> np.ndarray:
    """SFR(t) = 1 / ((t/tau)^alpha + (t/tau)^-beta); Carnall et al. 2018, MNRAS 480, 4379, Eq. 3."""
    tau = rng.uniform(2.0, 12.0, (n, 1))
    alpha, beta = 10.0 ** rng.uniform(-0.5, 1.2, (n, 1)), 10.0 ** rng.uniform(-0.3, 0.7, (n, 1))
    return 1.0 / ((TIMES / tau) ** alpha + (TIMES / tau) ** -beta)


def with_noise(rate: np.ndarray, rng: np.random.Generator, scatter: float = 0.2, memory: float = 0.5) -> np.ndarray:
    """Rates times a random walk that forgets [dex, Gyr]: bursts as simulations have them."""
    step = TIMES[1] - TIMES[0]
    kept = np.exp(-step / memory)
    walk = rng.normal(0.0, scatter, rate.shape)
    for i in range(1, walk.shape[1]):
        walk[:, i] = kept * walk[:, i - 1] + np.sqrt(1.0 - kept**2) * walk[:, i]
    return rate * 10.0**walk


def of_mass(rate: np.ndarray, log10_mass: np.ndarray) -> np.ndarray:
    """Rates [Msun/yr] that form a mass [dex(Msun)] until the last time."""
    formed = 1e9 * np.trapezoid(rate, TIMES, axis=1)
    return rate * (10.0**log10_mass / formed)[:, None]


def drawn(growth: np.ndarray) -> np.ndarray:
    """Rates [Msun/yr] of the population of histories, given growth (n, 5)."""
    from diffsky_factory.core.plan import plan
    from diffsky_factory.factory.kernel import Kernel
    from diffsky_factory.inputs.calibrations import load_calibration
    from diffsky_factory.physics import stages
    from diffsky_factory.physics.halos.growth import TimeGrid

    n = len(growth)
    columns = {"mah_parameters": growth, "is_central": np.ones(n, bool), "host_row": np.arange(n)}
    columns["cosmic_time"] = np.full(n, TODAY)
    order = plan(stages(), columns, ["log10_sfr_history"])
    constants = {**load_calibration("default_merging").by_class(), TimeGrid: TimeGrid(TIMES)}
    kernel = Kernel(order, constants, seed=4, block=n)
    return 10.0 ** kernel(columns, np.arange(n))["log10_sfr_history"].astype(float)


def histories(n: int, seed: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Growth (n, 5) and rates (n, T) [Msun/yr]: half of them drawn, a quarter of each smooth form, all with noise."""
    rng = np.random.default_rng(seed)
    growth = mah_parameters(n, rng)
    half, quarter = n // 2, n // 4
    # a tenth of a percent of 10^11 Msun, 3 % at 10^12, 0.5 % at 10^14, as Behroozi et al. 2019, Fig. 9
    share = -1.5 - 1.5 * np.maximum(12.0 - growth[:, 0], 0.0) - 0.4 * np.maximum(growth[:, 0] - 12.0, 0.0)
    mass = growth[:, 0] + share + rng.normal(0.0, 0.2, n)
    smooth = np.concatenate([log_normal(quarter, rng), double_power_law(n - half - quarter, rng)])
    return growth, with_noise(np.concatenate([drawn(growth[:half]), of_mass(smooth, mass[half:])]), rng)
