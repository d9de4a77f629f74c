"""Halos that form early cluster otherwise than those that form late, and a fit of their growth keeps that."""

import numpy as np
import pytest

import diffsky_factory as dff
from diffsky_factory.halos.synthetic import structure
from diffsky_factory.halos.synthetic.universe import Synthetic, _structure
from diffsky_factory.physics.halos.growth import HaloGrowth, log10_mass
from diffsky_factory.physics.structure.chunks import CELLS
from diffsky_factory.sky.cosmology import age_64, age_today_64
from tests.benchmarks import synthetic_structure as measure

REDSHIFT, CHUNKS = 0.5, 3
MASS = 12.0, 12.4  # dex(Msun)
STEPS = 60  # snapshots
SCATTERS = 0.03, 0.06  # dex, of masses about a smooth history: fits leave 0.02 and 0.04, of real trees 0.05
MEMORY = 1.0  # Gyr, over which a halo that is above its smooth history stays so, as after a merger

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def universe():
    return Synthetic(log10_mass_min=MASS[0], redshift_max=1.0, seed=5)


@pytest.fixture(scope="module")
def halos(universe):
    rows = universe.cube(REDSHIFT, (2, -1, -1), CHUNKS)
    some = rows["log10_halo_mass"] < MASS[1]
    return {name: values[some] for name, values in rows.items()}


@pytest.fixture(scope="module", params=SCATTERS)
def histories(request, universe, halos):
    """Masses at the snapshots as a halo finder would give them, and the same of their fits, (halo, time)."""
    n, now = len(halos["halo_id"]), float(age_64(universe.cosmology, np.array([REDSHIFT]))[0])
    today = float(age_today_64(universe.cosmology))
    columns = {
        "galaxy_id": halos["halo_id"],
        "log10_halo_mass": halos["log10_halo_mass"],
        "environment": halos["environment"],
        "cosmic_time": np.full(n, now),
        "redshift": np.full(n, REDSHIFT),
        "is_central": np.ones(n, bool),
    }
    replace = {"halo_growth_history": "halo_growth_with_environment"}
    drawn = dff.evaluate(columns, ["mah_parameters"], replace=replace, seed=1)["mah_parameters"]
    time = np.linspace(0.7, now, STEPS)

    def masses(parameters):
        growth = HaloGrowth(*(np.asarray(p)[:, None] for p in parameters.T))
        return np.asarray(log10_mass(growth, time, today))

    found = np.maximum.accumulate(masses(drawn) + wander(n, time, request.param), axis=1)
    fits = dff.fit_growth(time, found.astype(np.float32), cosmology=universe.cosmology)
    assert fits["has_mah_fit"].mean() > 0.99
    return time, found, np.where(fits["has_mah_fit"][:, None], masses(fits["mah_parameters"]), found)


def wander(n, time, scatter) -> np.ndarray:
    """Departures of n halos from a smooth history [dex], (n, time): normal, remembered for a while."""
    rng, kept = np.random.default_rng(2), np.exp(-(time[1] - time[0]) / MEMORY)
    steps = rng.normal(0.0, scatter, (len(time), n))
    for i in range(1, len(time)):
        steps[i] = kept * steps[i - 1] + np.sqrt(1.0 - kept**2) * steps[i]
    return steps.T


def half_mass_time(time, masses) -> np.ndarray:
    """When half of the mass was there [Gyr], (halo,)."""
    half = masses[:, -1:] - np.log10(2.0)
    last = np.argmax(masses >= half, axis=1)
    before = np.maximum(last - 1, 0)
    rows = np.arange(len(masses))
    low, high = masses[rows, before], masses[rows, last]
    share = np.clip((half[:, 0] - low) / np.maximum(high - low, 1e-9), 0.0, 1.0)
    return time[before] + share * (time[last] - time[before])


def test_the_split_of_the_halo_matter_correlation_survives_the_fit(universe, halos, histories):
    known = _structure(universe)
    corner = np.array([2, -1, -1]) * CELLS
    matter = np.zeros((CHUNKS * CELLS,) * 3)
    for place in np.ndindex((CHUNKS,) * 3):
        cells = structure.cells_at_redshift(known, tuple(np.add((2, -1, -1), place)), REDSHIFT)
        measure.deposit(matter, measure.matter(known, cells), corner, universe.cell)
    matter = measure.overdensity(matter)
    position = np.stack([halos[axis] for axis in "xyz"], axis=-1)

    def split(formed) -> float:
        """Correlation with matter of the earlier half over that of the later half."""
        early = formed < np.median(formed)
        found = []
        for some in (early, ~early):
            grid = np.zeros_like(matter)
            measure.deposit(grid, position[some], corner, universe.cell)
            xi = measure.correlation(measure.overdensity(grid), matter, universe.cell)[0]
            found.append(measure.over_bins(xi))
        return found[0] / found[1]

    time, *masses = histories
    formed = [half_mass_time(time, found) for found in masses]
    simulated, fitted = (split(when) for when in formed)
    print(f"early over late: {simulated:.3f} as simulated, {fitted:.3f} as fitted")
    assert simulated > 1.2  # there is something to keep
    assert fitted / simulated == pytest.approx(1.0, abs=0.05)
    missed = np.corrcoef(formed[1] - formed[0], halos["environment"])[0, 1]
    assert abs(missed) < 0.05  # what the fit gets wrong does not know the surroundings
