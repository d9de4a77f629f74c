"""Templates, and composite stellar populations made of them."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from diffsky_factory.inputs.templates import load_templates

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def templates():
    return load_templates("bc03_miles_kroupa")


@pytest.fixture(scope="session")
def reference_templates():
    """The table made from the same grids by another code, where the machine has it."""
    folder = Path(os.environ.get("DIFFSKY_FACTORY_REFERENCE", ROOT.parent / "shared" / "data"))
    path = folder / "templates" / "bc03_miles_kroupa_R200.h5"
    if not path.exists():
        message = f"NOT COMPARED with the reference table: no {path}; set DIFFSKY_FACTORY_REFERENCE to its folder"
        warnings.warn(message, stacklevel=1)
        pytest.skip(message)
    return load_templates(path)


@pytest.fixture(scope="session")
def composites(templates):
    """Weights (6, n_met, n_age) of young, mixed and old populations, metal-poor and solar; each sums to 1."""
    age = 10.0**templates.log10_age
    histories = [age < 0.1, np.exp(-age / 3.0) * (age < 12.0), (age > 6.0) & (age < 12.0)]
    by_age = np.array([history * np.gradient(age) for history in histories])
    by_metallicity = np.eye(len(templates.log10_metallicity))[[1, 4]]
    weights = np.einsum("ha,km->hkma", by_age, by_metallicity).reshape(6, *templates.flux.shape[:2])
    return weights / weights.sum(axis=(1, 2), keepdims=True)
