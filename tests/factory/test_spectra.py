"""Spectra in mocks, stores and plans: lazy, labelled by wavelength, and refused where they are too many."""

import numpy as np
import pytest

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory import spectra_memory
from diffsky_factory.factory.assembly import Assembly
from diffsky_factory.factory.kernel import Kernel
from diffsky_factory.factory.recipe import STORED_COLUMNS, load_recipe
from diffsky_factory.factory.runs.planning import plan_build
from diffsky_factory.inputs.templates import load_templates

COLUMNS = ("galaxy_id", "redshift", "log10_stellar_mass", "spectrum_observed")
SMALL = {
    "region": {"cone": {"ra": 150.0, "dec": 2.2, "radius": 0.05}},
    "redshift": [0.2, 0.6],
    "tiles": {"order": 7, "block": 256},
    "bands": [],
    "columns": COLUMNS,
    "wavelengths": [3000.0, 10000.0],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("spectra") / "small.zarr"
    dff.build("example", path, workers=1, **SMALL)
    return dff.open_catalog(path)


@pytest.mark.thorough
def test_spectra_of_a_range_are_lazy_and_found_by_wavelength(store, monkeypatch):
    ran = []
    run = Kernel.__call__

    def counted(self, *given):
        ran.append(self.plan.wanted)
        return run(self, *given)

    monkeypatch.setattr(Kernel, "__call__", counted)
    mock = dff.make_mock("example", **SMALL)
    assert ran == []
    assert mock.wavelength.dtype == np.float64
    assert mock.wavelength.min() >= 3000.0
    assert mock.wavelength.max() <= 10000.0
    mock.log10_stellar_mass.compute()
    assert ran
    assert not any("spectrum_observed" in wanted for wanted in ran)  # which is computed by itself
    at = mock.spectrum_observed.sel(wavelength=5000.0, method="nearest")
    assert abs(float(at.wavelength) - 5000.0) < 20.0
    expected = store.spectrum_observed.sel(wavelength=5000.0, method="nearest")
    np.testing.assert_allclose(at, expected, rtol=1e-3)
    assert mock.spectrum_observed.chunks == (tuple(mock.sky.tile_rows), mock.wavelength.shape)  # a chunk for each tile


LINES = {**SMALL, "columns": ("galaxy_id", "line_flux"), "lines": ("Hbeta", "H_1_6562_80A")}


def test_lines_of_a_mock_have_the_names_that_were_asked_for():
    mock = dff.make_mock("example", **LINES)
    assert mock.line.values.tolist() == list(LINES["lines"])
    assert mock.line_flux.sel(line="Hbeta").shape == mock.galaxy_id.shape
    with pytest.raises(InputError, match="Hbeta"):
        mock.sky.where("line_flux[Halpha] > 0")


@pytest.mark.thorough
def test_lines_of_a_store_have_the_names_that_were_asked_for(tmp_path):
    path = tmp_path / "lines.zarr"
    dff.build("example", path, workers=1, **{**LINES, "columns": ("galaxy_id", *STORED_COLUMNS[3:-1], "line_flux")})
    stored, mock = dff.open_catalog(path), dff.make_mock("example", **LINES)
    for name in LINES["lines"]:
        np.testing.assert_allclose(stored.line_flux.sel(line=name), mock.line_flux.sel(line=name), rtol=1e-4)
    middle = float(np.median(stored.line_flux.sel(line="Hbeta")))
    assert 0 < stored.sky.where(f"line_flux[Hbeta] > {middle}").sizes["galaxy"] < stored.sizes["galaxy"]


@pytest.mark.thorough
def test_spectra_read_back_as_they_were_built(store):
    mock = dff.make_mock("example", **SMALL)
    np.testing.assert_array_equal(store.wavelength, mock.wavelength)
    parts = Assembly(load_recipe("example", **SMALL))
    built = np.concatenate([parts.galaxies(parts.halos(int(p)), COLUMNS)["spectrum_observed"] for p in parts.tiles])
    np.testing.assert_array_equal(store.spectrum_observed, built)
    assert np.all(built > 0.0)
    assert store.spectrum_observed.attrs["units"] == "nJy"


@pytest.mark.thorough
def test_tiles_with_too_many_spectra_are_refused_in_a_mock_and_before_a_build(monkeypatch, tmp_path):
    points = len(load_templates("bc03_miles_kroupa").wavelength)
    monkeypatch.setattr(spectra_memory, "LARGEST_SPECTRA", 50 * points * 4)
    whole = {**SMALL, "wavelengths": None}
    mock = dff.make_mock("example", **whole)
    rows = mock.sky.tile_rows[0]
    told = rf"spectrum_observed of {rows} galaxies take {rows * points * 4:,} bytes.*tiles of a higher order"
    with pytest.raises(InputError, match=told):
        mock.spectrum_observed[:rows].compute()
    mock.redshift.compute()
    with pytest.raises(InputError, match="tiles of a higher order, a range of wavelengths"):
        plan_build(Assembly(load_recipe("example", **whole)))
    with pytest.raises(InputError, match="tiles of a higher order, a range of wavelengths"):
        dff.build("example", tmp_path / "large.zarr", **whole)
    assert not (tmp_path / "large.zarr").exists()
    few = {**SMALL, "wavelengths": [5000.0, 5200.0]}
    plan_build(Assembly(load_recipe("example", **few)))


@pytest.mark.parametrize(
    ("wavelengths", "told"),
    [([10000.0, 3000.0], "0 < low < high"), ([3000.0], "wavelengths"), ([1e7, 2e7], "less than two points")],
)
def test_a_range_that_is_none_is_refused(wavelengths, told):
    with pytest.raises(InputError, match=told):
        dff.make_mock("example", **{**SMALL, "wavelengths": wavelengths})
