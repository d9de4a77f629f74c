"""A synthetic box against linear theory: its correlation function in real and in redshift space, through its faces."""

from itertools import pairwise

import numpy as np
import pytest
from colossus.cosmology import cosmology as colossus
from scipy.spatial import cKDTree

import diffsky_factory as dff
from diffsky_factory.physics.structure import abundance

SIZE, REDSHIFT, LEAST = 512.0, 0.5, 12.5
EDGES = np.array([20.0, 25.0, 30.0, 40.0])


def correlation(ds, size=SIZE):
    position = np.mod(np.stack([ds[axis] for axis in "xyz"], axis=-1).astype(float), size)
    tree = cKDTree(position, boxsize=size)
    pairs = np.diff(tree.count_neighbors(tree, EDGES))
    return pairs / (len(position) ** 2 / size**3 * 4.0 / 3.0 * np.pi * np.diff(EDGES**3)) - 1.0


@pytest.fixture(scope="module")
def boxes():
    """Hosts of four boxes, and what they follow from."""
    how = {"redshift": REDSHIFT, "box_size": SIZE, "halo_mass_min": 10.0**LEAST, "tiles": {"box_order": 1}}
    found = [dff.open_catalog("synthetic", seed=seed, **how).load() for seed in range(4)]
    return [ds.box.where("is_central") for ds in found]


@pytest.fixture(scope="module")
def linear(boxes):
    """Correlation function of matter in the bins, bias of the hosts, and growth rate."""
    c = boxes[0].box.cosmology
    same = {"flat": True, "H0": 100.0 * c.h, "Om0": c.Om0, "Ob0": c.Ob0, "sigma8": c.sigma8, "ns": c.ns}
    known = colossus.setCosmology("box", relspecies=False, **same)
    xi = []
    for low, high in pairwise(EDGES):
        r = np.linspace(low, high, 20)
        xi.append(np.average(known.correlationFunction(r * c.h, z=REDSHIFT), weights=r**2))
    mass, theory = np.arange(LEAST, 15.5, 0.02), abundance.linear_theory(c, "eisenstein98")
    of_mass = abundance.abundance(theory, abundance.mass_function("smdpl"), np.array([REDSHIFT]), mass)
    bias = np.average(of_mass.bias[0], weights=of_mass.density_per_dex[0])
    return np.array(xi), bias, known.Om(REDSHIFT) ** 0.55


@pytest.mark.slow
def test_hosts_cluster_as_their_bias_says(boxes, linear):
    xi, bias, _ = linear
    found = np.array([correlation(ds) for ds in boxes])
    error = found.std(axis=0) / np.sqrt(len(boxes) - 1)
    assert (np.abs(found.mean(axis=0) / (bias**2 * xi) - 1.0) < 0.05 + 2.0 * error / (bias**2 * xi)).all()


@pytest.mark.slow
def test_redshift_space_is_stronger_as_kaiser_says(boxes, linear):
    """On these scales displacements are not small, which weakens the distortion: 7 % at most (docs, Measured)."""
    _, bias, rate = linear
    real, moved = (np.mean([correlation(ds) for ds in every]) for every in (boxes, map(observed, boxes)))
    beta = rate / bias
    assert moved / real == pytest.approx(1.0 + 2.0 * beta / 3.0 + beta**2 / 5.0, rel=0.08)


def observed(ds):
    return ds.box.redshift_space("z")
