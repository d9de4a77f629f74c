"""Two rounds of mergers in the merger trees of simulations: every file that is found."""

import numpy as np
import pytest

from diffsky_factory.factory.evaluate import evaluate
from diffsky_factory.physics.stars.merging import REMAINDER
from tests.agreement.forests import halos_today
from tests.reference import found, reference

FILES = found("sims", "forests", "*.hdf5") or ["treeUNIT.hdf5"]
MODES = [pytest.param({}, id="drawn"), pytest.param({"merging_monte_carlo": "merging_mean"}, id="mean")]
BY_ROUND = "merging_probability_by_round"


def galaxies(name):
    """Halos of a tree, shuffled, with a mass and fluxes of any size in each."""
    halos = halos_today(reference("sims", "forests", name))
    rng = np.random.default_rng(8)
    n = len(halos["host_row"])
    order = rng.permutation(n)
    place = np.argsort(order)
    halos = {name: values[order] for name, values in halos.items()}
    for row in ("host_row", "penultimate_host_row"):
        halos[row] = place[halos[row]]
    mass = rng.uniform(7.0, 11.5, n)
    return {**halos, "log10_stellar_mass_in_situ": mass, "flux_in_situ": 10.0 ** rng.uniform(0.0, 5.0, (n, 2))}


@pytest.mark.parametrize("replace", MODES)
@pytest.mark.parametrize(
    ("precision", "tolerance"), [pytest.param("float32", 1e-6, marks=pytest.mark.thorough), ("float64", 1e-12)]
)
@pytest.mark.parametrize("name", FILES)
def test_mergers_in_a_tree_conserve_mass_and_flux(name, precision, tolerance, replace):
    columns = galaxies(name)
    # linear masses in the place of fluxes: the logarithm alone has an error of 1e-6 in 32 bits
    mass = 10.0 ** columns["log10_stellar_mass_in_situ"]
    amounts = np.column_stack([mass, columns["flux_in_situ"]])
    held = evaluate({**columns, "flux_in_situ": amounts}, ["flux_true"], precision=precision, replace=replace)
    held = held["flux_true"].astype(float)
    np.testing.assert_allclose(held.sum(axis=0), amounts.sum(axis=0), rtol=tolerance)
    central = columns["host_row"] == np.arange(len(mass))
    assert np.all(held[central] >= amounts[central] * (1.0 - 1e-6))
    assert np.all(held >= amounts * REMAINDER**2 * (1.0 - 1e-5))


@pytest.mark.parametrize("name", FILES)
def test_the_first_round_lands_on_the_penultimate_host(name):
    columns = galaxies(name)
    top, host = columns["host_row"], columns["penultimate_host_row"]
    n = len(top)
    # the first round alone, in which all of them merge
    first = np.stack([np.where(host != top, 1.0, 0.0), np.zeros(n)], axis=1)
    given = {**columns, BY_ROUND: first, "merging_remainder_by_round": 1.0 - first}
    held = evaluate(given, ["flux_true"], precision="float64")["flux_true"]
    flux = columns["flux_in_situ"]
    expected = np.where((host != top)[:, None], 0.0, flux)
    np.add.at(expected, host[host != top], flux[host != top])
    np.testing.assert_allclose(held, expected, rtol=1e-12)


def test_some_trees_have_satellites_of_satellites():
    nested = {name: halos_today(reference("sims", "forests", name)) for name in FILES}
    counts = {name: int(np.sum(h["host_row"] != h["penultimate_host_row"])) for name, h in nested.items()}
    print(counts, {name: len(h["host_row"]) for name, h in nested.items()})
    assert sum(counts.values()) > 20
