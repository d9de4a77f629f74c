"""The package as it is imported: public names without what they need, accessors known to xarray at once."""

import ast
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import diffsky_factory as dff

HEAVY = ("jax", "scipy", "astropy", "dask", "healpy", "h5py", "mocpy", "colossus")


def test_every_public_name_is_had_from_its_module_and_known_to_type_checkers():
    tree = ast.parse(Path(dff.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {one.module: tuple(alias.name for alias in one.names) for one in block.body}
    assert typed == {f"diffsky_factory.{module}": names for module, names in dff._HOMES.items()}
    every = {name for names in dff._HOMES.values() for name in names}
    assert every | {"__version__"} == set(dff.__all__)
    assert set(dff.__all__) <= set(dir(dff))
    for name in every:
        assert getattr(dff, name).__module__.startswith("diffsky_factory.")
    assert pickle.loads(pickle.dumps(dff.build)) is dff.build
    with pytest.raises(AttributeError, match="no attribute 'bild'"):
        _ = dff.bild


def of_a_process(program, environment, *arguments):
    """What a program in a process of its own writes as JSON in its last line."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


COMMAND = """
import json, sys
from diffsky_factory.cli import main
main(sys.argv[1:], standalone_mode=False)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["status"], ["show", "example"]], ids=lambda a: a[0])
def test_the_command_line_loads_no_more_than_it_needs(arguments, plain_store, environment):
    store = [plain_store] if arguments == ["status"] else []
    loaded = of_a_process(COMMAND, environment, *arguments, *store)
    assert [name for name in HEAVY if name in loaded] == []


def test_a_build_by_threads_loads_nothing_of_a_cluster(plain_file, environment, tmp_path):
    loaded = of_a_process(COMMAND, environment, "build", plain_file, "--out", tmp_path / "mock.zarr", "--workers", "1")
    assert "dask" in loaded
    assert "distributed" not in loaded


SAVED = """
import json, sys
import diffsky_factory
import xarray as xr
ds = xr.open_zarr(sys.argv[1])
print(json.dumps([ds.sky.area, repr(ds.box)]))
"""


def test_a_dataset_that_xarray_opens_has_its_sky(plain_store, environment, tmp_path):
    cut = dff.open_catalog(plain_store).sky.zslice(0.4, 0.5)
    cut.to_zarr(tmp_path / "cut.zarr")
    area, box = of_a_process(SAVED, environment, tmp_path / "cut.zarr")
    assert area == cut.sky.area
    assert "ask ds.sky" in box
