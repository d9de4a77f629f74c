"""What is kept in a process follows from files as they are now, in the folder that it works in now."""

from dataclasses import replace

import numpy as np
import pytest

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.runs import build as building
from diffsky_factory.inputs.calibrations import load_calibration, save_calibration

ONE = {"order": 8, "pixels": [349525]}
DUST = ["galaxy_id", "dust_av"]


def other(calibration, file):
    """The calibration with more dust, as a file."""
    group = calibration.parameters["avpop"]
    more = group._replace(**{group._fields[0]: group[0] + 0.05})
    save_calibration(replace(calibration, parameters={**calibration.parameters, "avpop": more}), file)


@pytest.mark.thorough
def test_a_calibration_that_is_edited_is_used_as_it_is_now(plain, tmp_path):
    mine = tmp_path / "mine.yaml"
    save_calibration(load_calibration("c260710"), mine)
    before = dff.make_mock(plain, calibration=str(mine), columns=DUST, region=ONE).dust_av.values
    other(load_calibration("c260710"), mine)
    after = dff.make_mock(plain, calibration=str(mine), columns=DUST, region=ONE).dust_av.values
    assert not np.array_equal(before, after)
    dff.build(plain, tmp_path / "a.zarr", calibration=str(mine), columns=DUST, region=ONE)
    np.testing.assert_array_equal(dff.open_catalog(tmp_path / "a.zarr").dust_av, after)


@pytest.mark.thorough
def test_a_relative_path_is_that_of_the_folder_at_work(plain, tmp_path, monkeypatch):
    found = []
    for name, save in (("a", save_calibration), ("b", other)):
        (tmp_path / name).mkdir()
        save(load_calibration("c260710"), tmp_path / name / "mine.yaml")
        monkeypatch.chdir(tmp_path / name)
        found.append(dff.make_mock(plain, calibration="mine.yaml", columns=DUST, region=ONE).dust_av.values)
    assert not np.array_equal(*found)


def test_a_calibration_that_changes_during_a_build_ends_it(plain, tmp_path, monkeypatch):
    mine = tmp_path / "mine.yaml"
    save_calibration(load_calibration("c260710"), mine)
    compute, done = building.compute_tile, []

    def editing(part, tile):
        done.append(tile)
        if len(done) == 2:
            other(load_calibration("c260710"), mine)
        return compute(part, tile)

    monkeypatch.setattr(building, "compute_tile", editing)
    how = {"calibration": str(mine), "columns": DUST}
    with pytest.raises(InputError, match="has other values than when the store was begun"):
        dff.build(plain, tmp_path / "a.zarr", workers=1, **how)
    assert dff.status(tmp_path / "a.zarr").built == 1
