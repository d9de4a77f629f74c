"""diffsky_factory: halos go in, galaxies on the sky come out.

    import diffsky_factory as dff
    mock = dff.make_mock("example")              # lazy xarray dataset; nothing computed
    dff.build("example", "example.zarr")         # tiles into a Zarr store; resumes
    ds = dff.open_catalog("example.zarr")        # lazy xarray dataset of the store
"""

__version__ = "0.1.0"

from diffsky_factory.factory import accessor as _accessor  # noqa: E402, F401  registers Dataset.sky
from diffsky_factory.factory.building import Status, Summary, build, resume, status  # noqa: E402
from diffsky_factory.factory.catalogs import list_catalogs, open_catalog  # noqa: E402
from diffsky_factory.factory.evaluate import evaluate  # noqa: E402
from diffsky_factory.factory.mock import make_mock  # noqa: E402
from diffsky_factory.factory.recipe import Recipe, load_recipe  # noqa: E402
from diffsky_factory.inputs.calibrations import Calibration, load_calibration, save_calibration  # noqa: E402
from diffsky_factory.inputs.entries import InputError  # noqa: E402

__all__ = [
    "Calibration",
    "InputError",
    "Recipe",
    "Status",
    "Summary",
    "__version__",
    "build",
    "evaluate",
    "list_catalogs",
    "load_calibration",
    "load_recipe",
    "make_mock",
    "open_catalog",
    "resume",
    "save_calibration",
    "status",
]
