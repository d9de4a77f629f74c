"""A mock small enough to build in a second, and one built store that tests share."""

import ctypes
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from filelock import FileLock
from hypothesis import settings

from diffsky_factory.factory.recipe import load_recipe
from diffsky_factory.factory.runs.build import build

pytest.register_assert_rewrite("tests.stores")
# the same examples in every run; HYPOTHESIS_PROFILE=default searches anew
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
ROOT = Path(__file__).resolve().parents[1]
# what is compiled is kept in the tree, for the processes of a run and for the next run: also what takes milliseconds
os.environ.setdefault("DIFFSKY_FACTORY_CACHE", str(ROOT / ".cache"))
KEPT = {
    "jax_compilation_cache_dir": os.path.join(os.environ["DIFFSKY_FACTORY_CACHE"], "compiled-by-tests"),
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
for name, value in KEPT.items():
    jax.config.update(name, value)
MAPPINGS = Path("/proc/self/maps")
TINY = {
    "name": "tiny",
    "simulation": "synthetic",
    "region": {"order": 8, "pixels": [349525, 349526, 349527, 349528]},
    "redshift": [0.3, 0.8],
    "halo_mass_min": 6.0e11,
    "bands": ["lsst_g", "lsst_r", "lsst_i"],
    "tiles": {"order": 8, "block": 256, "blocks_per_shard": 2},
    "seed": 7,
}
# no light: compiled in seconds, with an axis besides the rows and a draw
PLAIN_COLUMNS = ["galaxy_id", "is_central", "ra", "dec", "redshift", "log10_halo_mass", "mah_parameters"]


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their markers
def pytest_collection_modifyitems(items):
    """A notebook compiles for as long as all tests of a folder."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(pytest.mark.thorough)


@pytest.fixture(scope="module", autouse=True)
def memory_given_back():
    """What compiling needed goes back to the system: glibc keeps gigabytes of it otherwise.

    So do the programs, where they hold a third of the mappings that Linux gives a process: it dies without any.
    """
    yield
    if MAPPINGS.exists() and len(MAPPINGS.read_text().splitlines()) > 20_000:
        jax.clear_caches()
    if sys.platform == "linux" and "glibc" in platform.libc_ver():
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@pytest.fixture(scope="session")
def tiny():
    """Recipe of 1851 galaxies in four tiles and three bands."""
    return load_recipe(TINY)


@pytest.fixture(scope="session")
def plain():
    """The same galaxies in sixteen tiles, without their light."""
    return load_recipe(
        TINY, name="plain", columns=PLAIN_COLUMNS, bands=[], tiles={"order": 9, "block": 64, "blocks_per_shard": 2}
    )


def built_once(recipe, tmp_path_factory):
    """A complete store, which the first process that asks for it builds for all of a run."""
    folder = tmp_path_factory.getbasetemp()
    path = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / f"{recipe.name}.zarr"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            build(recipe, path)
    return path


@pytest.fixture(scope="session")
def tiny_store(tiny, tmp_path_factory):
    """A complete store of `tiny`; tests read it only."""
    return built_once(tiny, tmp_path_factory)


@pytest.fixture(scope="session")
def plain_store(plain, tmp_path_factory):
    """A complete store of `plain`; tests read it only."""
    return built_once(plain, tmp_path_factory)


@pytest.fixture
def plain_copy(plain_store, tmp_path):
    """A complete store of `plain` to damage."""
    return Path(shutil.copytree(plain_store, tmp_path / "plain.zarr"))


@pytest.fixture(scope="session")
def plain_file(plain, tmp_path_factory):
    """The recipe `plain` as a file."""
    path = tmp_path_factory.mktemp("recipes") / "plain.yaml"
    path.write_text(plain.text)  # JSON is YAML
    return path


@pytest.fixture(scope="session")
def environment():
    """Environment of other processes: this source tree, and what is compiled kept with that of the tests."""
    kept = {name.upper(): str(value) for name, value in KEPT.items()}
    return {**os.environ, **kept, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="session")
def command_line(environment):
    """Start the command line in a process of its own: command_line("build", ...) is a subprocess.Popen."""

    # where the tests run in the background of a script, they ignore Ctrl-C, and so would what they start
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def start(*arguments, cwd=None, start_new_session=False):
        return subprocess.Popen(
            [sys.executable, "-m", "diffsky_factory.cli", *map(str, arguments)],
            env=environment,
            cwd=cwd,
            start_new_session=start_new_session,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return start
