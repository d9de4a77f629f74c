"""diffsky_factory: halos go in, galaxies on the sky come out.

import diffsky_factory as dff
mock = dff.make_mock("example")              # lazy xarray dataset; nothing computed
dff.build("example", "example.zarr")         # tiles into a Zarr store; resumes
ds = dff.open_catalog("example.zarr")        # lazy xarray dataset of the store
"""

__version__ = "0.1.0"

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.imports import allow_modules
from diffsky_factory.core.logs import log_to
from diffsky_factory.factory.evaluate import evaluate
from diffsky_factory.factory.fitting import fit_growth, fit_star_formation
from diffsky_factory.factory.galaxies import differentiable
from diffsky_factory.factory.matter import matter_maps
from diffsky_factory.factory.model import Model
from diffsky_factory.factory.opening import box as _box  # noqa: F401  registers Dataset.box
from diffsky_factory.factory.opening import sky as _sky  # noqa: F401  registers Dataset.sky
from diffsky_factory.factory.opening.catalogs import list_catalogs, open_catalog
from diffsky_factory.factory.opening.datasets import open_tree
from diffsky_factory.factory.opening.mock import make_mock
from diffsky_factory.factory.recipe import Recipe, load_recipe
from diffsky_factory.factory.runs.add import add
from diffsky_factory.factory.runs.build import Summary, build
from diffsky_factory.factory.runs.fit_histories import fit_histories
from diffsky_factory.factory.runs.ingest import Ingested, ingest
from diffsky_factory.factory.runs.stores import Status, resume, status
from diffsky_factory.factory.summing import Summed, sum_over_chunks
from diffsky_factory.inputs.calibrations import Calibration, load_calibration, save_calibration
from diffsky_factory.inputs.parameter_table import parameters

__all__ = [
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
    "build",
    "differentiable",
    "evaluate",
    "fit_growth",
    "fit_histories",
    "fit_star_formation",
    "ingest",
    "list_catalogs",
    "load_calibration",
    "load_recipe",
    "log_to",
    "make_mock",
    "matter_maps",
    "open_catalog",
    "open_tree",
    "parameters",
    "resume",
    "save_calibration",
    "status",
    "sum_over_chunks",
]
