"""Spectra: sums over the templates done by hand, dust that depends on age, bands, lines, absorption, gradients."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory import spectra_memory
from diffsky_factory.factory.tables import spectrum_table, spectrum_wavelengths, tables
from diffsky_factory.inputs.band_tables import band_projection
from diffsky_factory.inputs.calibrations import load_calibration
from diffsky_factory.inputs.filters import load_filters
from diffsky_factory.inputs.igm import transmission
from diffsky_factory.inputs.templates import LIGHT_SPEED, load_templates, spectra_with_lines
from diffsky_factory.physics.light import spectra
from diffsky_factory.physics.light.dust import AttenuationParameters
from diffsky_factory.physics.light.spectra import AB0, SpectrumTable
from diffsky_factory.sky.cosmology import Cosmology

TEMPLATES = "bc03_miles_kroupa"
N = 64
STARS = (
    *("log10_stellar_mass_in_situ", "age_weights", "metallicity_weights", "dust_av_by_age"),
    *("spectrum_dust_curve", "dust_unobscured_fraction", "spectrum_flux_factor"),
)


@pytest.fixture(scope="module")
def halos():
    rng = np.random.default_rng(4)
    redshift = rng.choice([0.3, 1.0], N)
    return {"log10_halo_mass": rng.uniform(11.3, 14.0, N), "redshift": redshift}


@pytest.fixture(scope="module")
def dusty(halos):
    """Galaxies whose young stars are as deep in dust as the bounds allow, of all depths, and their spectra."""
    known = load_calibration("c260710").by_class()[AttenuationParameters]
    rng = np.random.default_rng(2)
    draws = {"dust.draw_av": rng.uniform(1e-4, 1.0 - 1e-4, N)}
    given = [known._replace(delta_suav_age=1.0)]
    found = dff.evaluate(halos, [*STARS, "spectrum_in_situ"], draws=draws, constants=given)
    return {name: np.asarray(value, np.float64) for name, value in found.items()}


def summed_by_hand(g, row):
    """Spectrum of one galaxy: double sum over templates with the transmission at every age, in 64 bits."""
    depth = 0.4 * np.log(10.0) * np.maximum(g["dust_av_by_age"][row][:, None] * g["spectrum_dust_curve"][row] / 4.05, 0)
    uncovered = g["dust_unobscured_fraction"][row]
    leaves = uncovered + (1.0 - uncovered) * np.exp(-depth)
    light = np.einsum("m,maw->aw", g["metallicity_weights"][row], spectra_with_lines(load_templates(TEMPLATES)))
    light = np.sum(g["age_weights"][row][:, None] * light * leaves, axis=0)
    return 10.0 ** g["log10_stellar_mass_in_situ"][row] * g["spectrum_flux_factor"][row] * light


@pytest.mark.thorough
def test_a_spectrum_is_the_sum_over_templates_however_deep_the_young_stars_are_in_dust(dusty):
    spread = np.ptp(dusty["dust_av_by_age"], axis=1)
    assert spread.max() > 0.8
    assert spread.min() < 0.15
    for row in np.argsort(spread)[:: N // 16]:
        np.testing.assert_allclose(dusty["spectrum_in_situ"][row], summed_by_hand(dusty, row), rtol=1e-5)


def band_flux(wavelength, spectrum, curve, redshift=0.0):
    """Mean flux density (n,) in a band of spectra (n, n_wave), exact for spectra that are linear between points."""
    return spectrum @ band_projection(wavelength, curve, redshift)


BANDS = ("lsst_g", "lsst_r", "lsst_i", "lsst_z", "roman_F129")


@pytest.fixture(scope="module")
def without_dust(halos):
    """Spectra and photometry of galaxies without dust and corrections of the templates."""
    points = len(load_templates(TEMPLATES).wavelength)
    columns = {
        **halos,
        "dust_av_by_age": np.zeros((N, len(load_templates(TEMPLATES).log10_age))),
        "template_flux_factor": np.ones((N, len(BANDS))),
        "spectrum_flux_factor": np.ones((N, points)),
    }
    wanted = ["flux_in_situ", "spectrum_in_situ", "spectrum_rest", "spectrum_observed", "mag_true"]
    # at nodes of its own, so that photometry does not interpolate between redshifts
    from diffsky_factory.factory.tables import band_table

    nodes = (0.3, 0.3001, 0.9999, 1.0)
    bands = band_table(TEMPLATES, load_filters(BANDS), nodes, "inoue_2014")
    found = dff.evaluate(columns, wanted, bands=BANDS, constants=[bands])
    return {name: np.asarray(value, np.float64) for name, value in found.items()}


@pytest.mark.thorough
def test_the_rest_spectrum_through_bands_is_the_photometry(without_dust, halos):
    """Flux density from L_nu at rest: (1 + z) L_nu / (4 pi d_L^2), in the band moved to the rest frame.

    1e-3 but for emission lines at the edge of a band: in bands a line is at its wavelength, in spectra shared between
    the two points beside it.
    """
    from diffsky_factory.sky.cosmology import distance_modulus_64

    wavelength = load_templates(TEMPLATES).wavelength
    for redshift in (0.3, 1.0):
        at = halos["redshift"] == redshift
        shift = distance_modulus_64(Cosmology(), redshift) - 2.5 * np.log10(1.0 + redshift)
        for i, curve in enumerate(load_filters(BANDS)):
            mean = band_flux(wavelength, without_dust["spectrum_in_situ"][at], curve, redshift) / AB0
            expected = mean * 10.0 ** (-0.4 * (shift - 31.4))
            np.testing.assert_allclose(without_dust["flux_in_situ"][at, i], expected, rtol=1e-3, err_msg=curve.name)


@pytest.mark.thorough
def test_the_observed_spectrum_through_bands_is_the_magnitude(without_dust, halos):
    """Within 2e-3 mag: as observed, light is spread over the interval around a point, and so across edges of bands."""
    wavelength = load_templates(TEMPLATES).wavelength
    for i, curve in enumerate(load_filters(BANDS)):
        flux = band_flux(wavelength, without_dust["spectrum_observed"], curve)
        difference = np.abs(31.4 - 2.5 * np.log10(flux) - without_dust["mag_true"][:, i])
        assert difference.max() < 2e-3, curve.name
        assert np.median(difference) < 5e-4, curve.name


def test_lines_on_the_spectrum_keep_their_luminosity():
    """Spectra with lines less those without, summed over frequency by trapezoids."""
    templates = load_templates(TEMPLATES)
    frequency = LIGHT_SPEED / templates.wavelength
    added = spectra_with_lines(templates) - templates.flux
    total = -np.trapezoid(added, frequency, axis=-1)
    assert added.min() >= 0.0
    within = (templates.line_wavelength > templates.wavelength[0]) & (
        templates.line_wavelength < templates.wavelength[-1]
    )
    assert within.sum() >= len(within) - 6  # some in the far infrared, beyond 0.1 mm, are not
    expected = templates.line_luminosity[..., within].sum(axis=-1)
    np.testing.assert_allclose(total, expected, rtol=1e-6, atol=1e-12 * expected.max())


@pytest.mark.thorough
def test_light_is_absorbed_between_galaxies(halos):
    far = {**halos, "redshift": np.full(N, 3.0)}
    with_gas, without = (
        dff.evaluate(far, ["spectrum_observed", "spectrum_rest"], igm=igm, wavelengths=(3000.0, 9000.0))
        for igm in ("inoue_2014", "none")
    )
    np.testing.assert_array_equal(with_gas["spectrum_rest"], without["spectrum_rest"])
    observed = spectrum_wavelengths(TEMPLATES, (3000.0, 9000.0))
    left = with_gas["spectrum_observed"] / np.where(without["spectrum_observed"] > 0.0, without["spectrum_observed"], 1)
    red, forest = observed > 4.0 * 1240.0, (observed > 4.0 * 1050.0) & (observed < 4.0 * 1200.0)
    np.testing.assert_allclose(left[:, red], 1.0, rtol=1e-4)  # rounding of integrals in 32 bits
    expected = transmission("inoue_2014", 3.0, observed[forest])
    assert np.abs(left[:, forest].mean(axis=1) - expected.mean()).max() < 0.02
    assert left[:, observed < 3300.0].max() < 0.3  # continuum of neutral hydrogen


@pytest.mark.thorough
def test_a_range_of_wavelengths_gives_the_same_numbers(halos, without_dust):
    wavelengths = (4000.0, 7000.0)
    low, high = wavelengths
    everywhere = load_templates(TEMPLATES).wavelength
    inside = (everywhere >= low) & (everywhere <= high)
    wanted = ["spectrum_rest", "spectrum_observed"]
    whole = dff.evaluate(halos, wanted)
    part = dff.evaluate(halos, wanted, wavelengths=wavelengths)
    np.testing.assert_array_equal(spectrum_wavelengths(TEMPLATES, wavelengths), everywhere[inside])
    for name in wanted:
        assert part[name].shape == (N, inside.sum())
        ends = slice(1, -1) if name == "spectrum_observed" else slice(None)  # which stand for half an interval
        np.testing.assert_allclose(part[name][:, ends], whole[name][:, inside][:, ends], rtol=2e-4)


def test_a_range_keeps_the_points_that_redshifted_light_comes_from():
    nodes = (0.1, 2.0)
    table = spectrum_table(TEMPLATES, nodes, "inoue_2014", (3000.0, 10000.0))
    assert table.wavelength[0] >= 3000.0
    assert table.wavelength[-1] <= 10000.0
    assert 950.0 < table.template_wavelength[0] <= 1001.0
    assert table.template_wavelength[-1] == table.wavelength[-1]
    shown = table.template_wavelength[-len(table.wavelength) :]
    np.testing.assert_array_equal(shown, table.wavelength)
    blue = table.absorption.shape[1]
    assert table.template_wavelength[blue - 1] < 1230.0
    assert len(table.template_wavelength) < 0.6 * len(load_templates(TEMPLATES).wavelength)


@pytest.mark.parametrize("wavelengths", [(5000.0, 4000.0), (1e7, 1e8), (5000.0, 5000.1)])
def test_a_range_without_points_is_refused(halos, wavelengths):
    with pytest.raises(InputError, match="wavelengths: less than two points of templates"):
        dff.evaluate(halos, ["spectrum_rest"], wavelengths=wavelengths)


@pytest.mark.thorough
def test_gradients_of_spectra_are_finite_and_those_of_finite_differences():
    rng = np.random.default_rng(1)
    with jax.enable_x64(True):
        table = tables(TEMPLATES, (), Cosmology(), 1.2, wavelengths=(1500.0, 9000.0))[SpectrumTable]
        table = SpectrumTable(*(jnp.asarray(field, float) for field in table))
        n, (n_age, n_met, n_point) = 6, table.luminosity.shape
        given = {
            "log10_stellar_mass_in_situ": rng.uniform(8.0, 11.0, n),
            "age_weights": rng.dirichlet(np.full(n_age, 0.3), n),
            "metallicity_weights": rng.dirichlet(np.ones(n_met), n),
            "dust_av_by_age": rng.uniform(0.0, 2.0, (n, n_age)),
            "spectrum_dust_curve": rng.uniform(1.0, 12.0, (n, n_point)),
            "dust_unobscured_fraction": rng.uniform(0.0, 0.2, n),
            "spectrum_flux_factor": rng.uniform(0.7, 1.3, (n, n_point)),
            "redshift": rng.uniform(0.2, 1.1, n),
        }
        given = {name: jnp.asarray(value) for name, value in given.items()}

        def loss(given):
            stars = {name: value for name, value in given.items() if name != "redshift"}
            spectrum = spectra.spectrum_in_situ(table, **stars).spectrum_in_situ
            observed = jax.vmap(
                lambda s, z: (
                    spectra.spectrum_observed(table, Cosmology(), spectrum_merged=s, redshift=z).spectrum_observed
                )
            )(spectrum, given["redshift"])
            return jnp.mean(jnp.log(spectrum)) + jnp.mean(jnp.log(observed))

        gradient = jax.jit(jax.grad(loss))(given)
        value = jax.jit(loss)
        for name, slope in gradient.items():
            assert np.all(np.isfinite(slope)), name
            step = 1e-6 * rng.normal(size=np.shape(slope))
            ahead, behind = (value({**given, name: given[name] + sign * step}) for sign in (1.0, -1.0))
            assert float(ahead - behind) / 2.0 == pytest.approx(float(jnp.sum(slope * step)), rel=1e-4), name
        forward = jax.jvp(loss, (given,), ({**jax.tree.map(jnp.zeros_like, given), "redshift": jnp.ones(n)},))[1]
        assert float(forward) == pytest.approx(float(gradient["redshift"].sum()), rel=1e-9)


@pytest.mark.thorough
def test_more_spectra_than_memory_holds_are_refused(halos, monkeypatch):
    monkeypatch.setattr(spectra_memory, "LARGEST_SPECTRA", 100_000)
    taken = N * len(load_templates(TEMPLATES).wavelength) * 4
    with pytest.raises(InputError, match=rf"spectrum_rest of {N} galaxies take {taken:,} bytes .*fewer galaxies"):
        dff.evaluate(halos, ["spectrum_rest"])
    dff.evaluate(halos, ["spectrum_rest"], wavelengths=(5000.0, 5500.0))


MEMORY = """
import resource
import numpy as np
import diffsky_factory as dff

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0

rng = np.random.default_rng(1)
halos = {"log10_halo_mass": rng.uniform(11.3, 14.0, 4096), "redshift": rng.uniform(0.1, 1.5, 4096)}
before = peak()
dff.evaluate(halos, ["spectrum_rest", "spectrum_observed"])
print((peak() - before) / 4096)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is counted in other units elsewhere")
def test_spectra_take_little_memory(environment):
    """Peak memory above libraries, templates, tables and compilation included; the spectra themselves are 7 kB."""
    command = [sys.executable, "-c", MEMORY]
    out = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    assert float(out.stdout) < 0.55e6
