"""Tiles of a recipe that leaves out their order: as many as rows fill, and the same galaxies."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.assembly import USUAL_ORDER, assembly
from diffsky_factory.factory.recipe import load_recipe
from diffsky_factory.halos.gathered.stored import StoredHalos
from diffsky_factory.outputs import store

COLUMNS = ["galaxy_id", "ra", "dec", "redshift"]


def write(folder, n):
    rng = np.random.default_rng(n)
    halos = {"ra": rng.uniform(0.0, 360.0, n), "dec": rng.uniform(-60.0, 60.0, n), "z": rng.uniform(0.3, 0.4, n)}
    frame = pd.DataFrame({**halos, **dict.fromkeys(("vx", "vy", "vz"), 0.0), "mass": 12.5})
    frame.to_csv(folder / "halos.csv", index=False)


@pytest.fixture
def sky(tmp_path):
    """Recipe of 2,000 halos on most of the sky, in blocks of 64 rows."""
    write(tmp_path, 2000)
    columns = {
        **{name: {"column": name, "unit": "deg"} for name in ("ra", "dec")},
        "redshift": "z",
        **{name: {"column": name, "unit": "km / s"} for name in ("vx", "vy", "vz")},
        "log10_halo_mass": {"column": "mass", "unit": "Msun", "log10": True},
    }
    known = {"title": "t", "format": "table", "files": ["halos.csv"], "cosmology": {"Om0": 0.3, "h": 0.7}}
    known["footprint"] = [{"rectangle": {"ra": [0.0, 360.0], "dec": [-60.0, 60.0]}}]
    options = {"geometry": "lightcone", "velocities": "physical", "hosts": "all"}
    (tmp_path / "sky.yaml").write_text(yaml.safe_dump({**known, "columns": columns, "options": options}))
    return {"name": "sky", "simulation": str(tmp_path / "sky.yaml"), "columns": COLUMNS}


@pytest.mark.parametrize(
    ("tiles", "order"),
    [
        ({}, 0),  # 2,000 rows are less than a block of 16,384
        ({"block": 100}, 0),  # 12 tiles of 167, 48 of 42
        ({"block": 64}, 0),
        ({"order": 3}, 3),
        ({"order": 3, "block": 100}, 3),
    ],
)
def test_tiles_have_a_block_of_rows_in_the_mean(tiles, order, sky):
    parts = assembly(load_recipe(sky, tiles=tiles).text)
    assert parts.order == parts.recipe.tiles.order == order
    assert sum(parts.counts) == 2000


def test_tiles_are_finer_where_rows_fill_them(sky, tmp_path):
    write(tmp_path, 20_000)
    for block, order in ((64, 2), (256, 1), (1000, 0)):  # 177 tiles of 113, 44 of 450 and 12 of 1,667 rows
        parts = assembly(load_recipe(sky, tiles={"block": block}).text)
        assert parts.order == order
        assert sum(parts.counts) / len(parts.tiles) >= block


def test_rows_that_were_counted_to_find_the_order_are_not_counted_again(sky, monkeypatch):
    counted, count = [], StoredHalos.count
    monkeypatch.setattr(StoredHalos, "count", lambda self, *cell: counted.append(cell[:2]) or count(self, *cell))
    parts = assembly(load_recipe(sky, tiles={"block": 65}).text)
    found = parts.counts
    assert sorted(counted) == [(USUAL_ORDER, tile) for tile in parts.simulation.tiles(USUAL_ORDER, parts.part)]
    assert parts.order < USUAL_ORDER
    assert found == tuple(count(parts.simulation, parts.order, int(tile), parts.part) for tile in parts.tiles)


@pytest.mark.thorough
def test_galaxies_are_the_same_in_other_tiles_and_the_store_says_the_order(sky, tmp_path):
    few, many = tmp_path / "few.zarr", tmp_path / "many.zarr"
    assert dff.build(sky, few).tiles == 12
    dff.build(sky, many, tiles={"order": 2})
    assert json.loads(store.read_part(few).made_from)["tiles"]["order"] == 0
    a, b = (dff.open_catalog(path).load().sortby("galaxy_id") for path in (few, many))
    for name in COLUMNS:
        np.testing.assert_array_equal(a[name], b[name])
    assert dff.build(sky, few).built == 0  # the same recipe, nothing to do


def test_a_begun_store_keeps_its_tiles_and_says_which_input_has_changed(sky, tmp_path):
    path, small = tmp_path / "sky.zarr", {"block": 64}
    dff.build(sky, path, tiles=small)
    write(tmp_path, 20_000)  # which would be in tiles of order 2
    with pytest.raises(InputError, match=r"the store was begun with .*halos.csv of other content"):
        dff.build(sky, path, tiles=small)


def test_a_small_box_is_in_few_tiles():
    recipe = {"simulation": "synthetic", "redshift": 0.3, "box_size": 200.0, "halo_mass_min": 1e13}
    recipe |= {"name": "box", "columns": ["galaxy_id", "x", "y", "z"]}
    assert assembly(load_recipe(recipe).text).order == 0
    assert assembly(load_recipe(recipe, tiles={"box_order": 1}).text).order == 1
    assert assembly(load_recipe(recipe, halo_mass_min=1e11, tiles={"block": 64}).text).order == 2
