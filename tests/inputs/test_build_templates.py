"""Building the embedded table: coding, projection, and gas on the ages of the stars."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsky_factory.inputs.build_templates import average_in_gas_bins, gas_at_ages, nodes
from diffsky_factory.inputs.hat_functions import overlap, project
from diffsky_factory.inputs.log_coding import decode, encode


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-31.0, 0.0), min_size=2, max_size=20), st.floats(-20.0, 20.0))
def test_coding_keeps_three_digits_over_the_whole_range(exponents, log10_scale):
    values = 10.0 ** (np.array([[*exponents, 0.0], [*exponents[::-1], 0.0]]) + log10_scale)
    np.testing.assert_allclose(decode(encode(values)), values, rtol=5.7e-4)


def test_coding_keeps_zero_and_drops_what_is_negligible():
    values = np.array([[0.0, 1.0, 1e-31, 1e-33], [0.0, 0.0, 0.0, 0.0]])
    decoded = decode(encode(values))
    assert decoded[0, 0] == 0.0
    assert decoded[0, 3] == 0.0
    assert decoded[0, 2] == pytest.approx(1e-31, rel=6e-4)
    assert np.all(decoded[1] == 0.0)


def test_overlap_of_hats_on_one_grid_is_the_known_mass_matrix():
    x = np.array([0.0, 1.0, 3.0])
    expected = np.array([[2.0, 1.0, 0.0], [1.0, 6.0, 2.0], [0.0, 2.0, 4.0]]) / 6.0
    np.testing.assert_allclose(overlap(x, x).toarray(), expected, rtol=1e-14)


def test_projection_keeps_straight_lines_and_integrals():
    rng = np.random.default_rng(7)
    wavelength = np.sort(rng.uniform(90.0, 210.0, 400))
    nodes = np.array([100.0, 110.0, 130.0, 135.0, 170.0, 200.0])
    np.testing.assert_allclose(project(3.0 + 0.1 * wavelength, wavelength, nodes), 3.0 + 0.1 * nodes, rtol=1e-10)
    spectrum = rng.uniform(size=400)
    fine = np.union1d(np.linspace(100.0, 200.0, 200_001), wavelength[(wavelength > 100) & (wavelength < 200)])
    integral = np.trapezoid(np.interp(fine, wavelength, spectrum), fine)
    assert np.trapezoid(project(spectrum, wavelength, nodes), nodes) == pytest.approx(integral, rel=1e-10)


def test_the_embedded_table_is_on_the_nodes_of_the_build(templates):
    np.testing.assert_array_equal(templates.wavelength, nodes())


def test_averages_over_age_bins_keep_constants():
    age = np.concatenate([[0.0], np.geomspace(1e5, 2e10, 220)])
    np.testing.assert_allclose(average_in_gas_bins(np.full((2, 221), 3.0), age), 3.0, rtol=1e-12)


def test_gas_is_linear_in_log_age_and_constant_beyond_its_grid():
    gas_age = np.array([1e6, 1e7])
    values = np.array([[[1.0], [3.0]]])
    found = gas_at_ages(values, gas_age, np.array([0.0, 1e6, np.sqrt(1e13), 1e7, 3e7]))
    np.testing.assert_allclose(found[0, :, 0], [1.0, 1.0, 2.0, 3.0, 3.0])
