"""diffsky_factory: halos go in, galaxies on the sky come out.

import diffsky_factory as dff
mock = dff.make_mock("example")              # lazy xarray dataset; nothing computed
dff.build("example", "example.zarr")         # tiles into a Zarr store; resumes
ds = dff.open_catalog("example.zarr")        # lazy xarray dataset of the store
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from diffsky_factory.factory.opening import accessors as _accessors  # noqa: F401  registers Dataset.sky, Dataset.box

__version__ = "0.1.0"

if TYPE_CHECKING:  # the same names as in _HOMES, for type checkers and editors
    from diffsky_factory.core.errors import InputError
    from diffsky_factory.core.imports import allow_modules
    from diffsky_factory.core.logs import log_to
    from diffsky_factory.factory.described import bands, columns, lines
    from diffsky_factory.factory.evaluate import evaluate
    from diffsky_factory.factory.fitting import fit_growth, fit_star_formation
    from diffsky_factory.factory.galaxies import differentiable
    from diffsky_factory.factory.matter import matter_maps
    from diffsky_factory.factory.model import Model
    from diffsky_factory.factory.opening.catalogs import open_catalog
    from diffsky_factory.factory.opening.datasets import open_tree
    from diffsky_factory.factory.opening.mock import make_mock
    from diffsky_factory.factory.recipe import Recipe, load_recipe
    from diffsky_factory.factory.runs.add import add
    from diffsky_factory.factory.runs.build import Summary, build
    from diffsky_factory.factory.runs.fit_histories import fit_histories
    from diffsky_factory.factory.runs.ingest import Ingested, ingest
    from diffsky_factory.factory.runs.planning import BuildPlan, plan
    from diffsky_factory.factory.runs.stores import Status, resume, status
    from diffsky_factory.factory.summing import Summed, sum_over_chunks
    from diffsky_factory.inputs.calibrations import Calibration, load_calibration, save_calibration
    from diffsky_factory.inputs.known import list_catalogs
    from diffsky_factory.inputs.parameter_table import parameters

_HOMES = {
    "core.errors": ("InputError",),
    "core.imports": ("allow_modules",),
    "core.logs": ("log_to",),
    "factory.described": ("bands", "columns", "lines"),
    "factory.evaluate": ("evaluate",),
    "factory.fitting": ("fit_growth", "fit_star_formation"),
    "factory.galaxies": ("differentiable",),
    "factory.matter": ("matter_maps",),
    "factory.model": ("Model",),
    "factory.opening.catalogs": ("open_catalog",),
    "factory.opening.datasets": ("open_tree",),
    "factory.opening.mock": ("make_mock",),
    "factory.recipe": ("Recipe", "load_recipe"),
    "factory.runs.add": ("add",),
    "factory.runs.build": ("Summary", "build"),
    "factory.runs.fit_histories": ("fit_histories",),
    "factory.runs.ingest": ("Ingested", "ingest"),
    "factory.runs.planning": ("BuildPlan", "plan"),
    "factory.runs.stores": ("Status", "resume", "status"),
    "factory.summing": ("Summed", "sum_over_chunks"),
    "inputs.calibrations": ("Calibration", "load_calibration", "save_calibration"),
    "inputs.known": ("list_catalogs",),
    "inputs.parameter_table": ("parameters",),
}
"""Module of each public name, imported when the name is first asked for: all of them take seconds."""

__all__ = [
    "BuildPlan",
    "Calibration",
    "Ingested",
    "InputError",
    "Model",
    "Recipe",
    "Status",
    "Summary",
    "Summed",
    "__version__",
    "add",
    "allow_modules",
    "bands",
    "build",
    "columns",
    "differentiable",
    "evaluate",
    "fit_growth",
    "fit_histories",
    "fit_star_formation",
    "ingest",
    "lines",
    "list_catalogs",
    "load_calibration",
    "load_recipe",
    "log_to",
    "make_mock",
    "matter_maps",
    "open_catalog",
    "open_tree",
    "parameters",
    "plan",
    "resume",
    "save_calibration",
    "status",
    "sum_over_chunks",
]


def __getattr__(name: str) -> Any:
    """A public name, from its module."""
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(f"{__name__}.{home}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
