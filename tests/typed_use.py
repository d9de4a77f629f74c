"""The package as a notebook uses it: nothing here runs, a type checker reads it.

Every name that `diffsky_factory` exports is used once. A line that ends in `type: ignore` is wrong on purpose: the
checker must say so, as it also complains of an ignore that it does not need.
"""

from pathlib import Path

import jax
import numpy as np
import xarray as xr

import diffsky_factory as dff


def look_at_a_mock() -> float:
    """Lazy galaxies, cut and read; from a name, and from fields."""
    mock: xr.Dataset = dff.make_mock("example", bands=["lsst_i"], region={"order": 8, "pixels": [349525]})
    other: xr.Dataset = dff.make_mock({"name": "mine", "simulation": "unit_sphere", "bands": ("lsst_r",)})
    near = mock.sky.cone(ra=133.6, dec=0.0, radius=0.2).sky.zslice(0.4, 0.6)
    bright = near.sky.where("mag_true[lsst_i] < 24")
    dff.allow_modules("my_survey")
    recipe: dff.Recipe = dff.load_recipe("example", seed=2)
    dff.make_mock(recipe, halo_seed=3)
    dff.make_mock(3)  # type: ignore[arg-type]
    return float(bright.sizes["galaxy"]) + other.sizes["galaxy"] + recipe.seed


def build_a_store(path: Path) -> int:
    """A store: built, looked at, resumed, added to, opened."""
    summary: dff.Summary = dff.build("example", path, workers=2)
    state: dff.Status = dff.status(path, verify=True)
    if state.state != "complete":
        summary = dff.resume(path, progress=lambda done, all_, rows, all_rows: None)
    dff.add(path, "roman", ["mag_true"], bands=["roman_F184"])
    galaxies: xr.Dataset = dff.open_catalog(path)
    parts: xr.DataTree = dff.open_tree(path)
    dff.build("example")  # type: ignore[call-arg]
    return summary.rows + len(state.parts) + galaxies.sizes["galaxy"] + len(parts)


def use_own_halos(path: Path) -> int:
    """Halos of files: put into a store, and fitted."""
    held: dff.Ingested = dff.ingest("last_journey", path / "halos.zarr", redshift=(0.0, 0.1))
    fitted = dff.fit_histories("trees", path / "fits.zarr")
    time, masses = np.linspace(1.0, 13.8, 60), np.full((10, 60), 12.0)
    growth: dict[str, np.ndarray] = dff.fit_growth(time, masses)
    stars: dict[str, np.ndarray] = dff.fit_star_formation(time, 10.0 ** (masses - 12.0), growth["mah_parameters"])
    return held.rows + fitted.rows + len(stars)


def evaluate_galaxies() -> np.ndarray:
    """Columns of galaxies in memory: arrays, lists and numbers; their derivatives."""
    halos = {"log10_halo_mass": [12.0, 13.0], "redshift": 0.5}
    model: dff.Model = dff.Model(bands=["lsst_r"], seed=2)
    galaxies = dff.evaluate(halos, ["mag_true"], model, replace={"merging_monte_carlo": "merging_mean"})
    of_dataset = dff.evaluate(xr.Dataset({"log10_halo_mass": ("halo", [12.0])}), ["log10_stellar_mass"], model)
    moving = dff.differentiable(halos, ["mag_mean"], model.but(bands=["lsst_i"]))
    gradient = jax.grad(lambda p: moving(p)["mag_mean"].sum())(moving.parameters)
    model.seed = 3  # type: ignore[misc]
    dff.evaluate(halos, ["mag_true"], precision="float16")  # type: ignore[arg-type]
    return galaxies["mag_true"] + of_dataset["log10_stellar_mass"] + float(gradient["mzr"].log10_scatter)


def sum_and_fit() -> float:
    """A sum over chunks with its gradient; parameters as tables and files."""

    def bright(*, mag_mean: jax.Array) -> jax.Array:
        return jax.nn.sigmoid(24.0 - mag_mean)

    found: dff.Summed = dff.sum_over_chunks(bright, dff.make_mock("example"), loss=lambda total: total[0] ** 2)
    calibration: dff.Calibration = dff.load_calibration("c260710")
    written: Path = dff.save_calibration(calibration, "mine.yaml")
    table = dff.parameters(calibration, "mzr")
    if found.gradient is None or found.loss is None:
        raise dff.InputError(f"{written}: {len(table)} parameters and no gradient")
    return found.loss + len(found.gradient)


def look_up_words() -> str:
    """What a build takes, and what the words of the model mean, as tables."""
    planned: dff.BuildPlan = dff.plan("example", bands=["lsst_i"])
    wide = dff.columns().merge(dff.bands(), on="name").merge(dff.lines("bc03_miles_kroupa"), on="name")
    return f"{planned} {planned.rows.total} {planned.seconds(workers=4)} {len(wide)}"


def read_on() -> str:
    """Maps of matter, catalogues by name, what is logged."""
    maps: xr.Dataset = dff.matter_maps("unit_sphere", [0.1, 0.2], 64, region={"order": 8, "pixels": [1]})
    handler = dff.log_to("run.jsonl")
    handler.close()
    return f"{dff.__version__} {dff.list_catalogs()} {maps.sizes}"
