"""Tables are fine enough: what lies between their nodes is what is there."""

import h5py
import numpy as np
import pytest

from diffsky_factory.factory.tables import NODE_SPACING, band_table, redshift_nodes
from diffsky_factory.inputs.band_tables import band_luminosity_table, spectrum_luminosity_table
from diffsky_factory.inputs.filters import list_filters, load_filters
from diffsky_factory.inputs.templates import load_templates


@pytest.fixture(scope="module")
def populations():
    """Templates, and weights (2, n_met, n_age): stars of the last 0.1 Gyr, and of 3 Gyr and more, of solar metals."""
    templates = load_templates("bc03_miles_kroupa")
    age = 10.0**templates.log10_age
    weights = np.zeros((2, *templates.flux.shape[:2]))
    for i, formed in enumerate((age < 0.1, np.exp(-age / 3.0) * (age < 12.0))):
        weights[i, 4] = formed * np.gradient(age) / np.sum(formed * np.gradient(age))
    return templates, weights


def half_way(table, populations, igm="inoue_2014"):
    """Error [mag] of linear interpolation half way between nodes to redshift 2."""
    templates, weights = populations
    curves, nodes = load_filters(list_filters("lsst")), np.array(redshift_nodes(2.0))
    between = np.expm1(np.log1p(nodes[:-1]) + 0.5 * NODE_SPACING)
    light = np.einsum("zbma,kma->zbk", table(templates, curves, np.concatenate([nodes, between]), igm), weights)
    at, expected = light[: len(nodes)], light[len(nodes) :]
    share = ((between - nodes[:-1]) / np.diff(nodes))[:, None, None]
    return np.abs(2.5 * np.log10(((1.0 - share) * at[:-1] + share * at[1:]) / expected))


def test_spectra_between_nodes_are_within_a_thousandth_of_a_magnitude(populations):
    assert np.mean(half_way(spectrum_luminosity_table, populations) < 0.001) > 0.98


def test_lines_that_cross_features_of_a_band_between_nodes_are_few(populations):
    error = half_way(band_luminosity_table, populations)
    assert np.mean(error < 0.001) > 0.75
    assert np.percentile(error, 99.0) < 0.025
    assert error.max() < 0.15


def test_a_table_of_bands_is_made_once_for_the_same_curves():
    nodes = redshift_nodes(0.1)
    one, same = ({"mine": ([4000.0, 4500.0, 5000.0], [0.0, 1.0, 0.0])} for _ in range(2))
    other = {"mine": ([4000.0, 4500.0, 5000.0], [0.0, 1.0, 0.5])}
    tables = [band_table("bc03_miles_kroupa", load_filters(bands), nodes, "none") for bands in (one, same, other)]
    assert tables[0] is tables[1]
    assert not np.array_equal(tables[0].luminosity, tables[2].luminosity)


def test_a_table_follows_the_file_of_its_templates(tmp_path):
    known, file = load_templates("bc03_miles_kroupa"), tmp_path / "mine.h5"
    curves, nodes = load_filters({"mine": ([4000.0, 4500.0, 5000.0], [0.0, 1.0, 0.0])}), redshift_nodes(0.1)

    def table(factor):
        with h5py.File(file, "w") as stored:
            stored["ssp_lgmet"], stored["ssp_lg_age_gyr"] = known.log10_metallicity, known.log10_age
            stored["ssp_wave"], stored["ssp_flux"] = known.wavelength, factor * known.flux
        return band_table(str(file), curves, nodes, "none").luminosity

    np.testing.assert_allclose(table(2.0), 2.0 * np.asarray(table(1.0)), rtol=1e-6)
