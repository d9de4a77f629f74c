"""Parts are written beside a finished mock: killed, resumed, damaged and removed without touching its galaxies."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import diffsky_factory as dff
from diffsky_factory.cli import main
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.runs import add as adding
from diffsky_factory.factory.runs import tasks
from diffsky_factory.outputs import store
from diffsky_factory.outputs.fence import SupersededError
from tests.factory import surveys
from tests.factory.surveys import Depth, seen, shifted
from tests.stores import assert_same_files, files

SURVEYS = {"lsst_y10": Depth(0.6), "roman": Depth(0.4, 0.05)}
COLUMNS = ["weight", "redshift_obs"]
SCRIPT = """
import sys
from tests.factory.runs.test_add import add
add(sys.argv[1], sys.argv[2], workers=1)
"""


def add(path, survey, **how):
    return dff.add(path, f"surveys/{survey}", COLUMNS, stages=[seen, shifted], constants=[SURVEYS[survey]], **how)


@pytest.fixture(scope="module")
def observed(plain_store, tmp_path_factory):
    """A store of sixteen tiles with two surveys; tests read it only."""
    path = tmp_path_factory.mktemp("parts") / "plain.zarr"
    shutil.copytree(plain_store, path)
    for survey in SURVEYS:
        assert add(path, survey).done == 16
    return path


def galaxies(path):
    """Files of the galaxies, their bytes and when they were written."""
    found = [
        file for folder in ("galaxies", "index", "calibration", "commits/galaxies") for file in files_in(path, folder)
    ]
    return {str(file.relative_to(path)): (file.read_bytes(), file.stat().st_mtime_ns) for file in found}


def files_in(path, folder):
    return [file for file in Path(path / folder).rglob("*") if file.is_file()]


def test_two_surveys_have_columns_of_one_name_and_values_of_their_own(observed):
    tree = dff.open_tree(observed)
    assert set(tree["surveys"].children) == set(SURVEYS)
    whole = dff.open_catalog(observed)
    a, b = (tree[f"surveys/{survey}"].to_dataset().compute() for survey in SURVEYS)
    for survey, part in zip(SURVEYS, (a, b)):
        p = SURVEYS[survey]
        clean = 1.0 / (1.0 + (whole.redshift.values / p.limit) ** 2)
        assert np.corrcoef(part.weight, clean)[0, 1] > 0.99
        assert np.abs(part.weight - clean).max() > 1e-3
        np.testing.assert_allclose(part.redshift_obs, whole.redshift + p.width * part.weight, rtol=1e-6)
        np.testing.assert_array_equal(part.row, whole.row)

    # draws belong to the survey
    def noise(part, p):
        return p.limit * np.sqrt(1.0 / part.weight.values - 1.0) - whole.redshift.values

    assert abs(np.corrcoef(noise(a, SURVEYS["lsst_y10"]), noise(b, SURVEYS["roman"]))[0, 1]) < 0.1


def test_plain_xarray_sees_the_parts(observed):
    tree = xr.open_datatree(observed, engine="zarr")
    rows = tree["galaxies"].is_row.values
    weight = tree["surveys/roman"].weight.values[rows]
    np.testing.assert_array_equal(weight, dff.open_catalog(observed, part="surveys/roman").weight)
    assert dff.open_catalog(observed, part="surveys/roman").sky.area == dff.open_catalog(observed).sky.area


def test_adding_a_part_touches_no_file_of_the_galaxies(plain_copy):
    before = galaxies(plain_copy)
    add(plain_copy, "roman")
    assert galaxies(plain_copy) == before
    assert add(plain_copy, "roman").done == 0
    root = (plain_copy / "zarr.json").stat().st_mtime_ns
    dff.resume(plain_copy)
    assert (galaxies(plain_copy), (plain_copy / "zarr.json").stat().st_mtime_ns) == (before, root)


@pytest.mark.thorough
@pytest.mark.parametrize("commits", [0, 6])
def test_a_part_that_was_killed_is_finished_by_resuming(commits, observed, plain_copy, environment):
    before = galaxies(plain_copy)
    add(plain_copy, "lsst_y10")
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(plain_copy), "roman"], env=environment)
    folder = plain_copy / "commits/surveys/roman"
    while process.poll() is None:
        if folder.is_dir() and len(list(folder.glob("[0-9]*.json"))) >= commits:
            process.send_signal(signal.SIGKILL)
        time.sleep(0.001)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert dff.status(plain_copy).parts[2].state == "building"
    assert "roman" not in xr.open_datatree(plain_copy, engine="zarr")["surveys"].children
    assert "roman" not in dff.open_tree(plain_copy)["surveys"].children
    with pytest.raises(InputError, match=r"of 'surveys/roman' are built.*diffsky-factory resume"):
        dff.open_catalog(plain_copy, part="surveys/roman")
    result = CliRunner().invoke(main, ["resume", str(plain_copy)])
    assert result.exit_code == 0, result.output
    assert galaxies(plain_copy) == before
    assert_same_files(plain_copy, observed)


def test_a_part_that_is_damaged_is_named_and_mended(observed, tmp_path):
    path = Path(shutil.copytree(observed, tmp_path / "a.zarr"))
    before = galaxies(path)
    (path / "surveys/roman/weight/c/3").unlink()
    damaged = dff.status(path, verify=True).damaged
    assert len(damaged) == 1
    assert damaged[0].startswith("surveys/roman: tile")
    summary = dff.resume(path)
    assert (summary.built, summary.added) == (0, {"surveys/lsst_y10": 0, "surveys/roman": 1})
    assert "part surveys/roman: 1 of its tiles built now" in str(summary)
    assert dff.status(path, verify=True).damaged == ()
    assert galaxies(path) == before
    assert_same_files(path, observed)


def test_a_part_may_be_removed_and_the_first_may_not(observed, plain_store, tmp_path):
    path = Path(shutil.copytree(observed, tmp_path / "a.zarr"))
    for survey in SURVEYS:
        store.remove_part(path, f"surveys/{survey}")
    shutil.rmtree(path / "surveys")
    shutil.rmtree(path / "parts/surveys")
    shutil.rmtree(path / "commits/surveys")
    assert_same_files(path, plain_store)
    with pytest.raises(InputError, match="is what the store is of"):
        store.remove_part(path, "galaxies")


def test_the_same_part_of_other_things_is_refused(observed):
    how = {"stages": [seen, shifted], "constants": [Depth(0.1)]}
    with pytest.raises(InputError, match="holds something else"):
        dff.add(observed, "surveys/roman", COLUMNS, **how)
    with pytest.raises(InputError, match="has a part 'surveys/roman'"):
        dff.add(observed, "surveys/roman/again", COLUMNS, **how)
    for name in ("roman", "index/tiles", "commits/roman", "Surveys/roman", "../roman", "surveys/", "surveys/ro man"):
        with pytest.raises(InputError, match="kind/name"):
            dff.add(observed, name, COLUMNS, **how)


def test_a_part_asks_for_what_is_there(observed, plain, tmp_path):
    with pytest.raises(InputError, match="columns"):
        dff.add(observed, "surveys/x", [], stages=[seen])
    with pytest.raises(InputError, match="no column"):
        dff.add(observed, "surveys/x", ["redshift_obs"], stages=[seen])
    with pytest.raises(InputError, match="does not keep: host_halo_id"):
        dff.add(observed, "photometry/x", ["mag_true"], bands=["lsst_r"])
    dff.build(plain, tmp_path / "a.zarr", region={"order": 8, "pixels": [349525]})
    store.begin(tmp_path / "a.zarr", store.read_part(tmp_path / "a.zarr"))
    with pytest.raises(InputError, match="is not complete"):
        add(tmp_path / "a.zarr", "roman")
    assert not (tmp_path / "a.zarr" / "surveys").exists()


def test_one_job_at_a_time_writes_a_store(plain_copy):
    with tasks.alone(plain_copy), pytest.raises(InputError, match="another process"):
        add(plain_copy, "roman")


def test_a_task_left_over_from_an_earlier_job_writes_nothing(plain_copy):
    part = store.read_part(plain_copy)
    before = files(plain_copy)
    columns = {name: np.zeros(0) for name in ()}
    with store.writer(plain_copy) as first:
        pass
    with store.writer(plain_copy), pytest.raises(SupersededError):
        store.write_tile(plain_copy, part, 0, columns, {}, first)
    with pytest.raises(SupersededError):
        store.write_tile(plain_copy, part, 0, columns, {}, first)
    assert files(plain_copy) == before


def test_a_shard_that_was_committed_with_data_is_missed(plain_copy):
    part = store.read_part(plain_copy)
    files_of = store.commit(plain_copy, part, 0)["files"]
    assert set(files_of) == {store.shard_file(part, a, s) for a in part.arrays for s, _ in part.rows.shards(0)}
    assert os.path.basename(next(iter(files_of)))
    assert all(size_and_sum is not None for size_and_sum in files_of.values())
    assert adding.NAME.fullmatch("surveys/lsst_y10")


def test_a_part_is_not_finished_by_other_code(plain_copy, tmp_path, monkeypatch):
    module = tmp_path / "my_survey.py"
    text = Path(surveys.__file__).read_text()
    module.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    dff.allow_modules("my_survey")
    dff.add(plain_copy, "surveys/deep", ["weight"], stages=["my_survey:seen"])
    (plain_copy / "surveys/deep/weight/c/0").unlink()
    module.write_text(text.replace("return Seen(1.0 /", "return Seen(2.0 /"))
    for again in (dff.resume, lambda path: dff.add(path, "surveys/deep", ["weight"], stages=["my_survey:seen"])):
        with pytest.raises(InputError, match=r"not what they were|something else"):
            again(plain_copy)
    module.write_text(text)
    dff.resume(plain_copy)
    assert dff.status(plain_copy, verify=True).damaged == ()


def test_weights_are_those_of_the_part_or_ones(observed):
    part = dff.open_catalog(observed, part="surveys/roman")
    np.testing.assert_array_equal(part.sky.weight, part.weight)
    assert (dff.open_catalog(observed).sky.weight == 1.0).all()
