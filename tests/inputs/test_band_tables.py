"""Light of templates through filters: exact for what linear interpolation means, and right for real bands."""

import dataclasses
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from diffsky_factory.inputs.band_tables import (
    AB0,
    LIGHT_SPEED,
    band_luminosity_table,
    band_projection,
    effective_wavelength_table,
    line_luminosity_table,
    spectrum_luminosity_table,
)
from diffsky_factory.inputs.filters import FilterCurve, list_filters, load_filters

POINTS, QUADRATURE_WEIGHTS = np.polynomial.legendre.leggauss(6)


def _by_gauss(wavelength, values, curve, redshift):
    """Mean of a spectrum in a band by Gauss quadrature between all points of both."""
    observed = wavelength * (1.0 + redshift)
    edges = np.union1d(observed, curve.wavelength)
    edges = edges[(edges >= curve.wavelength[0]) & (edges <= curve.wavelength[-1])]
    half = 0.5 * np.diff(edges)[:, None]
    x = 0.5 * (edges[1:] + edges[:-1])[:, None] + half * POINTS
    light = np.interp(x, curve.wavelength, curve.transmission) / x * half * QUADRATURE_WEIGHTS
    return np.sum(light * np.interp(x, observed, values, left=0.0, right=0.0)) / np.sum(light)


steps = st.lists(st.floats(0.001, 0.05), min_size=2, max_size=30)


@st.composite
def curves(draw):
    wavelength = 5000.0 * np.cumprod(1.0 + np.array(draw(steps)))
    size = len(wavelength)
    transmission = np.array(draw(st.lists(st.floats(0.0, 1.0), min_size=size, max_size=size)))
    transmission[size // 2] = 1.0
    return FilterCurve("drawn", wavelength, transmission)


@settings(max_examples=100, deadline=None)
@given(curves(), steps, st.floats(0.0, 6.0), st.floats(-0.9, 10.0))
def test_a_linear_spectrum_through_any_filter_is_exact(curve, intervals, redshift, slope):
    first, last = curve.wavelength[0] / (1.0 + redshift), curve.wavelength[-1] / (1.0 + redshift)
    wavelength = np.cumsum([0.9999 * first, 0.0001 * first, *(last - first) * np.array(intervals) / sum(intervals)])
    wavelength[-1] *= 1.0001

    # the mean of a straight line is its value at the mean wavelength, int T dl / int T dl / l
    expected = 1.0 + slope * (_mean_wavelength(curve) / (1.0 + redshift) - first) / first
    weights = band_projection(wavelength, curve, redshift)
    assert weights @ (1.0 + slope * (wavelength - first) / first) == pytest.approx(expected, rel=1e-10)


def _mean_wavelength(curve):
    """int T dl / int T dl / l, by sums of closed and of Gauss integrals."""
    half = 0.5 * np.diff(curve.wavelength)[:, None]
    x = 0.5 * (curve.wavelength[1:] + curve.wavelength[:-1])[:, None] + half * POINTS
    light = np.interp(x, curve.wavelength, curve.transmission) * half * QUADRATURE_WEIGHTS
    return np.trapezoid(curve.transmission, curve.wavelength) / np.sum(light / x)


@settings(max_examples=100, deadline=None)
@given(curves(), steps, st.floats(0.0, 3.0), st.integers(0, 2**32 - 1))
def test_any_spectrum_through_any_filter_agrees_with_gauss_quadrature(curve, intervals, redshift, seed):
    wavelength = 4500.0 / (1.0 + redshift) * np.cumprod(1.0 + np.array([0.0, 0.2, *intervals]))
    assume(wavelength[-1] * (1.0 + redshift) > curve.wavelength[0])  # a band that sees nothing of it is refused
    values = np.random.default_rng(seed).uniform(0.1, 1.0, len(wavelength))
    expected = _by_gauss(wavelength, values, curve, redshift)
    assert band_projection(wavelength, curve, redshift) @ values == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_a_flat_source_of_3631_jansky_gives_one(templates):
    flat = dataclasses.replace(templates, flux=np.full_like(templates.flux, AB0))
    curves = load_filters([*list_filters("lsst"), "wise_W4"])
    np.testing.assert_allclose(spectrum_luminosity_table(flat, curves, np.array([0.0, 1.5])), 1.0, rtol=1e-11)


@pytest.mark.parametrize(
    ("filter_set", "tolerance"),
    [
        ("lsst", 0.002),
        ("euclid", 0.002),
        ("roman", 0.002),
        ("decam", 0.002),
        ("sdss", 0.002),
        ("hsc", 0.002),
        ("wise", 0.002),
        ("twomass", 0.002),
        ("galex", 0.01),
    ],
)
def test_magnitudes_of_composite_populations_agree_with_dense_integration(templates, composites, filter_set, tolerance):
    bands = load_filters([name for name in list_filters(filter_set) if name not in ("wise_W3", "wise_W4")])
    redshifts = np.array([0.0, 0.37, 1.1, 3.0])
    spectra = np.einsum("kma,maw->kw", composites, templates.flux)
    table = np.einsum("zbma,kma->zbk", spectrum_luminosity_table(templates, bands, redshifts), composites)
    for b, curve in enumerate(bands):
        dense = np.geomspace(curve.wavelength[0], curve.wavelength[-1], 200_000)
        light = np.interp(dense, curve.wavelength, curve.transmission) / dense
        for z, redshift in enumerate(redshifts):
            rest = dense / (1.0 + redshift)
            seen = np.array([np.interp(rest, templates.wavelength, spectrum) for spectrum in spectra])
            expected = np.trapezoid(seen * light, dense) / np.trapezoid(light, dense) / AB0
            assert np.abs(2.5 * np.log10(table[z, b] / expected)).max() < tolerance


def test_weights_sum_to_one_inside_and_to_less_where_the_spectrum_ends():
    curve = FilterCurve("box", [5000.0, 6000.0], [1.0, 1.0])
    inside = band_projection(np.array([4000.0, 5500.0, 7000.0]), curve, 0.0)
    assert inside.sum() == pytest.approx(1.0, rel=1e-13)
    half = band_projection(np.array([4000.0, 5000.0, 5500.0]), curve, 0.0)
    assert half.sum() == pytest.approx(np.log(5500.0 / 5000.0) / np.log(6000.0 / 5000.0), rel=1e-12)


def test_redshift_and_a_bluer_filter_are_the_same():
    wavelength = np.geomspace(1000.0, 10000.0, 300)
    curve = load_filters(["sdss_r"])[0]
    bluer = FilterCurve("bluer", curve.wavelength / 2.5, curve.transmission)
    np.testing.assert_allclose(
        band_projection(wavelength, curve, 1.5), band_projection(wavelength, bluer, 0.0), atol=1e-12
    )


def test_an_array_of_redshifts_gives_the_rows_of_single_ones():
    wavelength, redshifts = np.geomspace(1000.0, 20000.0, 100), np.array([[0.0, 0.5], [1.0, 2.0]])
    curve = load_filters(["lsst_g"])[0]
    rows = band_projection(wavelength, curve, redshifts)
    assert rows.shape == (2, 2, 100)
    np.testing.assert_array_equal(rows[1, 0], band_projection(wavelength, curve, 1.0))


def test_a_band_wholly_outside_the_spectrum_is_an_error_that_names_it():
    curve = load_filters(["galex_FUV"])[0]
    with pytest.raises(ValueError, match=r"at redshift 3 the band 'galex_FUV' sees 335 to 452\.5 Angstrom"):
        band_projection(np.array([912.0, 5000.0, 20000.0]), curve, np.array([0.1, 3.0]))


@pytest.mark.parametrize("redshift", [-1.0, -2.0, np.nan])
def test_an_impossible_redshift_is_refused(redshift):
    with pytest.raises(ValueError, match="above -1"):
        band_projection(np.array([912.0, 5000.0]), load_filters(["sdss_g"])[0], redshift)


def test_the_table_is_the_projection_of_each_template(templates):
    bands, redshifts = load_filters(["lsst_g", "roman_F129"]), np.array([0.2, 0.9, 1.7])
    table = spectrum_luminosity_table(templates, bands, redshifts)
    assert table.shape == (3, 2, 7, 220)
    expected = band_projection(templates.wavelength, bands[1], 0.9) @ templates.flux[3, 100] / AB0
    assert table[1, 1, 3, 100] == pytest.approx(expected, rel=1e-12)


def test_a_table_of_common_size_takes_less_than_four_seconds(templates):
    bands = load_filters([*list_filters("lsst"), *list_filters("euclid"), *list_filters("roman")])
    start = time.process_time()
    table = spectrum_luminosity_table(templates, bands, np.linspace(0.0, 3.0, 150))
    assert table.shape == (150, 18, 7, 220)
    assert time.process_time() - start < 4.0


def test_effective_wavelengths_move_with_redshift():
    bands = load_filters(["lsst_r", "lsst_i"])
    table = effective_wavelength_table(bands, np.array([0.0, 1.0]))
    assert table.shape == (2, 2)
    np.testing.assert_allclose(table[0], [band.effective_wavelength for band in bands])
    np.testing.assert_allclose(table[1], table[0] / 2.0)


# emission lines that are apart from the spectra


def _line(templates, name):
    i = templates.line_name.index(name)
    return templates.line_wavelength[i], templates.line_luminosity[:, :, i]


def test_a_narrow_band_on_h_alpha_holds_the_line_and_the_continuum(templates):
    redshift, width = 0.4, 30.0
    rest, luminosity = _line(templates, "H_1_6562_80A")
    observed = rest * (1.0 + redshift)
    edges = observed + width * np.array([-0.5001, -0.5, 0.5, 0.5001])
    band = [FilterCurve("narrow", edges, [0.0, 1.0, 1.0, 0.0])]
    added = band_luminosity_table(templates, band, [redshift]) - spectrum_luminosity_table(templates, band, [redshift])

    # L of all lines in the band over the width of the band in frequency, in the rest frame of the source
    inside = np.abs(templates.line_wavelength * (1.0 + redshift) - observed) < 0.5 * width
    total = templates.line_luminosity[:, :, inside].sum(axis=-1)
    frequency = LIGHT_SPEED * (1.0 + redshift) * (1.0 / edges[1] - 1.0 / edges[2])
    np.testing.assert_allclose(added[0, 0] * AB0, total / frequency, rtol=5e-3)
    assert np.all(luminosity <= total)


def test_the_equivalent_width_is_read_off_a_narrow_band(templates):
    rest, luminosity = _line(templates, "H_1_6562_80A")
    width = 20.0
    band = [FilterCurve("narrow", rest + width * np.array([-0.5001, -0.5, 0.5, 0.5001]), [0.0, 1.0, 1.0, 0.0])]
    alone = {"line_wavelength": np.array([rest]), "line_luminosity": luminosity[:, :, None]}
    single = dataclasses.replace(templates, line_name=("H_1_6562_80A",), **alone)
    young = np.searchsorted(templates.log10_age, -2.5)  # 3 Myr
    with_line = band_luminosity_table(single, band, [0.0])[0, 0, 4, young]
    without = spectrum_luminosity_table(single, band, [0.0])[0, 0, 4, young]
    continuum = np.interp(rest, templates.wavelength, templates.flux[4, young]) * LIGHT_SPEED / rest**2  # Lsun/Angstrom
    expected = luminosity[4, young] / continuum
    assert width * (with_line / without - 1.0) == pytest.approx(expected, rel=0.02)
    assert 300.0 < expected < 3000.0  # Angstrom, as in Leitherer et al. 1999, ApJS 123, 3


def test_the_lines_of_bands_that_share_out_a_range_sum_to_the_lines_in_it(templates):
    redshift = 1.1
    edges = np.array([7000.0, 8200.0, 9900.0, 14000.0])
    steps = [FilterCurve("step", [a, a + 1e-3, b, b + 1e-3], [0.0, 1.0, 1.0, 0.0]) for a, b in pairwise(edges)]
    weights = np.log(edges[1:] / edges[:-1])
    seen = line_luminosity_table(templates, steps, [redshift])[0] * AB0
    rest = templates.line_wavelength
    inside = (rest * (1.0 + redshift) > edges[0]) & (rest * (1.0 + redshift) < edges[-1])
    total = (templates.line_luminosity * rest / LIGHT_SPEED)[:, :, inside].sum(axis=-1)
    np.testing.assert_allclose(np.einsum("b,bma->ma", weights, seen), total, rtol=1e-6)


def test_lines_in_the_spectra_are_not_added_again(templates):
    band = load_filters(["lsst_r"])
    inside = dataclasses.replace(templates, lines_in_flux=True)
    np.testing.assert_array_equal(
        band_luminosity_table(inside, band, [0.3]), spectrum_luminosity_table(inside, band, [0.3])
    )
    assert not templates.lines_in_flux
