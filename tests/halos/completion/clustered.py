"""A box of hosts in a known density field: lognormal, of the linear power, with the biases of theory."""

from functools import lru_cache

import numpy as np

from diffsky_factory.halos.completion.expected_hosts import expected_hosts
from diffsky_factory.physics.structure.abundance import linear_theory
from tests.inputs.readers.inspected import COSMOLOGY

SIZE, NODES = 320.0, 64  # Mpc; nodes 5 Mpc apart
REDSHIFT = 0.08


@lru_cache(maxsize=1)
def overdensity() -> np.ndarray:
    """Overdensity of matter (64, 64, 64), with a correlation function that is the linear one at large distances."""
    theory = linear_theory(COSMOLOGY)
    k = 2.0 * np.pi * np.fft.fftfreq(NODES, SIZE / NODES)
    size = np.sqrt(sum(axis**2 for axis in np.meshgrid(k, k, k[: NODES // 2 + 1], indexing="ij")))
    power = theory.power(size) * theory.growth.at(REDSHIFT)[0] ** 2
    white = np.fft.rfftn(np.random.default_rng(4).standard_normal((NODES,) * 3))
    normal = np.fft.irfftn(white * np.sqrt(power / (SIZE / NODES) ** 3))
    lognormal = np.exp(normal - 0.5 * normal.var())
    return lognormal / lognormal.mean() - 1.0


@lru_cache(maxsize=4)
def hosts(low: float, high: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Hosts between two masses [dex(Msun)] in the box, as a reader gives them; density nbar (1 + b delta)."""
    rng = np.random.default_rng(seed)
    theory = expected_hosts(linear_theory(COSMOLOGY), "despali_2016", (REDSHIFT - 0.01, REDSHIFT + 0.01), low)
    density, bias = np.mean(theory.density, axis=0), np.mean(theory.bias, axis=0)
    some = (theory.mass >= low) & (theory.mass < high - 1e-9)
    field = overdensity().ravel()
    # at each mass of the tables, in each cell
    columns = []
    for mass, n, b in zip(theory.mass[some], density[some], bias[some]):
        mean = n * (theory.mass[1] - theory.mass[0]) * (SIZE / NODES) ** 3 * np.maximum(1.0 + b * field, 0.0)
        number = rng.poisson(mean)
        cell = np.repeat(np.arange(len(field)), number)
        columns.append((cell, np.full(len(cell), mass)))
    cell, mass = (np.concatenate(column) for column in zip(*columns))
    mass = mass + (theory.mass[1] - theory.mass[0]) * rng.random(len(mass))
    place = np.stack(np.unravel_index(cell, (NODES,) * 3), axis=-1) + rng.random((len(cell), 3))
    ids = np.arange(len(cell), dtype=np.int64)
    return {
        "simulation_halo_id": ids,
        "simulation_host_halo_id": ids.copy(),
        **dict(zip("xyz", (place * SIZE / NODES).T)),
        **dict(zip(("vx", "vy", "vz"), rng.normal(0.0, 300.0, (3, len(ids))))),
        "log10_halo_mass": mass,
    }
