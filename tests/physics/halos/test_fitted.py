"""Growth as fitted where it was, and drawn from the population elsewhere."""

import numpy as np

import diffsky_factory as dff
from diffsky_factory.factory.assembly import Assembly
from diffsky_factory.halos.gathered.stored import StoredHalos, gather_in_memory
from tests.inputs.readers.inspected import MadeUp, on_a_cone

FIT = np.array([12.5, 0.1, 2.0, 0.3, 10.0])


def growth(halos, monkeypatch):
    table = gather_in_memory(MadeUp(halos))
    monkeypatch.setattr(
        "diffsky_factory.factory.assembly.open_simulation", lambda name, **known: StoredHalos(table, name)
    )
    recipe = dff.load_recipe({"simulation": "made up", "columns": ["halo_id", "mah_parameters"], "tiles": {"order": 0}})
    parts = Assembly(recipe)
    rows = [parts.galaxies(parts.halos(int(pixel)), recipe.columns) for pixel in parts.tiles]
    order = np.argsort(np.concatenate([row["halo_id"] for row in rows]))
    return np.concatenate([row["mah_parameters"] for row in rows])[order]


def test_a_fit_is_kept_and_others_are_drawn_as_without_fits(monkeypatch):
    halos = on_a_cone(n=60, satellites=20)
    fitted = np.arange(80) % 2 == 0
    with_fits = {**halos, "has_mah_fit": fitted, "fitted_mah_parameters": np.tile(FIT, (80, 1))}
    drawn, mixed = growth(halos, monkeypatch), growth(with_fits, monkeypatch)
    of_fit = fitted[np.argsort(halos["simulation_halo_id"])]
    np.testing.assert_allclose(mixed[of_fit], np.tile(FIT, (40, 1)), rtol=1e-6)
    np.testing.assert_array_equal(mixed[~of_fit], drawn[~of_fit])
