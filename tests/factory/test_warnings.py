"""A warning names the line of who called the package, whichever verb it was."""

import inspect

import pytest

import diffsky_factory as dff
from diffsky_factory.core import cache
from diffsky_factory.factory.opening.mock import make_halos

ONE_LINE = {"lines": ["Hbeta"]}  # that no column is of
NO_HALOS = {"halo_mass_min": 1e15, "redshift": [0.02, 0.03]}
MISSPELT = {"redshift": [1.0], "log10_halo_mass": [12.0], "is_cental": [True]}
VERBS = {
    "make_mock": lambda plain, path: dff.make_mock(plain, **ONE_LINE),
    "make_mock, empty": lambda plain, path: dff.make_mock(plain, **NO_HALOS),
    "make_halos, empty": lambda plain, path: make_halos(plain, **NO_HALOS),
    "plan": lambda plain, path: dff.plan(plain, **ONE_LINE),
    "build": lambda plain, path: dff.build(plain, path, workers=1, **ONE_LINE),
    "a cut": lambda plain, path: dff.make_mock(plain).sky.zslice(5.0, 6.0),
    "evaluate": lambda plain, path: dff.evaluate(MISSPELT, ["cosmic_time"]),
    "differentiable": lambda plain, path: dff.differentiable(MISSPELT, ["cosmic_time"]),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_warning_names_the_line_of_the_caller(verb, plain, tmp_path):
    with pytest.warns(UserWarning, match="no column is of|no halos|selects none|did you mean") as said:
        verb(plain, tmp_path / "mock.zarr")
    assert {(one.filename, one.lineno) for one in said} == {(__file__, inspect.getsourcelines(verb)[1])}


def test_what_is_kept_on_disk_warns_there_as_well(plain, tmp_path, monkeypatch):
    file = tmp_path / "a file"
    file.write_text("")
    monkeypatch.setenv(cache.FOLDER, str(file))
    with pytest.warns(UserWarning, match="cannot be written") as said:
        dff.make_mock(plain, name="never made before")
    assert {one.filename for one in said} == {__file__}
