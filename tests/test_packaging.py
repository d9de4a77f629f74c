"""The wheel carries the project's data and works away from the source tree."""

import json
import os
import subprocess
import sys
import tomllib
import zipfile

import pytest
import yaml

from tests.conftest import ROOT, TINY

pytest.importorskip("hatchling", reason="the wheel is built without network: install the test extra")

PROGRAM = """
import json, sys
import diffsky_factory as dff
from diffsky_factory.core.resources import resource
mock = dff.make_mock(json.loads(sys.argv[1]))
table = dff.list_catalogs()
print(json.dumps({
    "package": dff.__file__,
    "columns": str(resource("schemas", "columns")),
    "names": table[["name", "kind", "title", "status"]].values.tolist(),
    "rows": mock.sizes["galaxy"],
    "ids": mock.sky.in_tiles(mock.sky.tiles[:1]).galaxy_id.values[:3].tolist(),
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_holds_every_entry_schema_and_module(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, inside in (("catalogs", "diffsky_factory/catalogs"), ("schemas", "diffsky_factory/schemas")):
        for file in (ROOT / folder).rglob("*"):
            if file.is_file():
                assert f"{inside}/{file.relative_to(ROOT / folder)}" in names
    for file in [*(ROOT / "diffsky_factory").rglob("*.py"), ROOT / "diffsky_factory" / "py.typed"]:
        assert str(file.relative_to(ROOT)) in names
    (licences,) = {name.partition("/")[0] + "/licenses/" for name in names if ".dist-info/" in name}
    for file in (ROOT / "LICENSE", *(ROOT / "catalogs" / "filters" / "licenses").iterdir()):
        assert f"{licences}{file.relative_to(ROOT)}" in names
    assert not [name for name in names if name.startswith("tests")]


def test_the_citation_is_of_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(cited)
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])


CORE = """
import sys
for module in ("speclite", "sedpy", "matplotlib", "duckdb"):
    sys.modules[module] = None
import json
import diffsky_factory as dff
mock = dff.make_mock(json.loads(sys.argv[1]))
print(mock.sizes["galaxy"])
"""


def test_a_mock_needs_no_extra(environment):
    done = subprocess.run(
        [sys.executable, "-c", CORE, json.dumps(TINY)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 1000


@pytest.mark.thorough
def test_the_installed_wheel_finds_its_resources_and_makes_mocks(wheel, tmp_path, environment):
    target = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*command, str(wheel)], check=True)
    found = {}
    for name, path in (("wheel", target), ("source", ROOT)):
        (tmp_path / name).mkdir()
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, json.dumps(TINY)],
            cwd=tmp_path / name,
            env={**environment, "PYTHONPATH": str(path)},
            capture_output=True,
            text=True,
            check=True,
        )
        found[name] = json.loads(done.stdout)
        assert found[name].pop("package").startswith(str(path) + os.sep)
        assert found[name].pop("columns").startswith(str(path) + os.sep)
    assert found["wheel"] == found["source"]
