"""Spectra and emission lines against diffsky 0.3.11.

Every `golden/sed_<tag>.npz` of the reference folder, and those of `make_spectra.py` in `data`: spectra at rest of
galaxies of the photometry file of the same tag, merged smoothly, each its own host.
"""

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffsky_factory.physics.light.lines import SOLAR_LUMINOSITY, LineTable
from diffsky_factory.physics.light.spectra import SpectrumTable
from tests.agreement.golden import as_diffsky, captured_histories, galaxies, load
from tests.agreement.test_galaxies import PRECISIONS, run, unused_deviates
from tests.reference import FOLDER, found

pytestmark = pytest.mark.thorough
DATA = Path(__file__).resolve().parent / "data"
SPECTRA = [*(FOLDER / "golden" / name for name in found("golden", "sed_*.npz")), *sorted(DATA.glob("sed_*.npz"))]
LINES = sorted(DATA.glob("lines_*.npz"))


def identity(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def tag_of(path: Path) -> str:
    return path.stem.split("_", 1)[1]


@cache
def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


def spectra_of(file: dict[str, np.ndarray], template_wavelength: np.ndarray):
    """Wavelengths, rows of the photometry file and spectra by name, whatever the names are.

    A spectrum is an array (n, n_wave), n_wave the number of points of the templates or of a list of wavelengths in the
    file. Rows are those of an array of whole numbers (n,), else the first.
    """
    n_all = len(template_wavelength)
    wavelengths = {
        len(x): x
        for x in file.values()
        if x.ndim == 1 and x.dtype.kind == "f" and np.all(np.diff(x) > 0.0) and x[0] > 1
    }
    wavelengths.setdefault(n_all, template_wavelength)
    found = {name: x for name, x in file.items() if x.ndim == 2 and x.shape[1] in wavelengths}
    named = {name: x for name, x in found.items() if "sed" in name.lower() or "spec" in name.lower()}
    spectra = named or found
    assert spectra, f"no array of spectra: { ({name: x.shape for name, x in file.items()}) }"
    n, n_wave = next(iter(spectra.values())).shape
    rows = [x for x in file.values() if x.shape == (n,) and x.dtype.kind in "iu" and len(np.unique(x)) == n]
    return wavelengths[n_wave], rows[0] if rows else np.arange(n), spectra


def chosen(inputs, rows: np.ndarray):
    """Some of the galaxies, each its own host."""
    columns = {name: value[rows] for name, value in inputs.columns.items()}
    columns["host_row"] = jnp.arange(len(rows))
    return inputs._replace(columns=columns, draws={name: value[rows] for name, value in inputs.draws.items()})


def put_in(inputs, table):
    return inputs._replace(
        constants={**inputs.constants, type(table): jax.tree.map(lambda x: jnp.asarray(x, float), table)}
    )


@pytest.mark.parametrize("wide", PRECISIONS)
@pytest.mark.parametrize("path", SPECTRA, ids=identity)
def test_spectra_agree_with_diffsky(path, wide):
    tag, templates = tag_of(path), load("golden", "fake_inputs.npz")
    wavelength, rows, spectra = spectra_of(read(path), templates["ssp_wave"])
    points = np.searchsorted(templates["ssp_wave"], 0.999999 * wavelength)
    np.testing.assert_allclose(templates["ssp_wave"][points], wavelength, rtol=1e-6)
    flux = templates["ssp_flux_lsun_per_hz_per_msun"][:, :, points]
    with jax.enable_x64(wide):
        golden, inputs = galaxies(f"phot_{tag}.npz", tag, wide)
        histories = {k: v[rows] for k, v in captured_histories(golden, lambda x: jnp.asarray(x, float)).items()}
        table = SpectrumTable(wavelength, wavelength, flux.swapaxes(0, 1), np.array([0.0, 10.0]), np.ones((2, 0)))
        inputs = put_in(chosen(inputs, rows), table)
        order = as_diffsky({*inputs.columns, *histories}, ["spectrum_rest"], merging_monte_carlo="merging_mean")
        ours = run(order, inputs, histories, unused_deviates(len(rows)))["spectrum_rest"]
    for name, theirs in spectra.items():
        brightest = theirs.max(axis=1, keepdims=True)
        difference = np.abs(ours - theirs) / np.maximum(theirs, 1e-12 * brightest)
        # in 32 bits the light of the youngest stars, and with it the far ultraviolet, moves with their rounding
        assert difference.max() < (1e-6 if wide else 2e-3), name
        assert np.median(difference) < (1e-7 if wide else 1e-4), name


@pytest.mark.parametrize("wide", PRECISIONS)
@pytest.mark.parametrize("path", LINES, ids=identity)
def test_line_luminosities_agree_with_diffsky(path, wide):
    tag, theirs = tag_of(path), read(path)
    with jax.enable_x64(wide):
        golden, inputs = galaxies(f"phot_{tag}.npz", tag, wide)
        histories = captured_histories(golden, lambda x: jnp.asarray(x, float))
        in_solar = theirs["template_luminosity"].astype(float) / SOLAR_LUMINOSITY  # theirs are in erg/s
        table = LineTable(theirs["wavelength"], in_solar.transpose(0, 2, 1))
        inputs = put_in(inputs, table)
        wanted = ["line_luminosity", "line_luminosity_in_situ"]
        order = as_diffsky({*inputs.columns, *histories}, wanted, merging_monte_carlo="merging_mean")
        ours = run(order, inputs, histories, unused_deviates(len(golden["z_obs"])))
    for name, key in (("line_luminosity", "linelum_gal"), ("line_luminosity_in_situ", "linelum_gal_in_situ")):
        log_ours = np.log10(ours[name]) + np.log10(SOLAR_LUMINOSITY)
        np.testing.assert_allclose(log_ours, theirs[key], rtol=0, atol=1e-5 if wide else 5e-4, err_msg=name)
