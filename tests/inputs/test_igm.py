"""Absorption between galaxies: published values, dropouts, and spectra through it against dense integration."""

import numpy as np
import pytest

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.band_tables import AB0, spectrum_luminosity_table
from diffsky_factory.inputs.filters import load_filters
from diffsky_factory.inputs.igm import (
    LYMAN_ALPHA,
    line_transmission,
    list_absorptions,
    transmission,
    transmission_of_points,
)

MODELS = ["inoue_2014", "madau_1995"]
# transmission by eazy 0.8.7, an independent implementation of Inoue et al. 2014: redshift, rest wavelength, value
INDEPENDENT = [
    (1.5, 880.0, 0.827234),
    (1.5, 940.0, 0.934351),
    (1.5, 1000.0, 0.942332),
    (1.5, 1100.0, 0.952109),
    (2.5, 880.0, 0.599287),
    (2.5, 940.0, 0.822146),
    (2.5, 1000.0, 0.833215),
    (2.5, 1100.0, 0.844284),
    (3.0, 880.0, 0.443426),
    (3.0, 940.0, 0.726296),
    (3.0, 1000.0, 0.741948),
    (3.0, 1100.0, 0.757925),
    (4.0, 880.0, 0.170331),
    (4.0, 940.0, 0.483413),
    (4.0, 1000.0, 0.506681),
    (4.0, 1100.0, 0.531514),
    (5.0, 880.0, 0.032702),
    (5.0, 940.0, 0.237105),
    (5.0, 1000.0, 0.258216),
    (5.0, 1100.0, 0.289489),
    (6.0, 880.0, 0.001048),
    (6.0, 940.0, 0.055408),
    (6.0, 1000.0, 0.068072),
    (6.0, 1100.0, 0.070904),
]


def test_what_is_known_by_name():
    assert list_absorptions() == ["none", *MODELS]
    with pytest.raises(InputError, match="did you mean inoue_2014"):
        transmission("inoue_2041", 1.0, 3000.0)
    assert np.all(transmission("none", np.array([[1.0], [9.0]]), np.array([950.0, 4000.0])) == 1.0)


@pytest.mark.parametrize("model", MODELS)
def test_light_redward_of_lyman_alpha_is_not_touched(model):
    for z in (0.0, 1.0, 4.0, 8.0):
        assert np.all(transmission(model, z, (1.0 + z) * np.linspace(1216.5, 9000.0, 50)) == 1.0)


@pytest.mark.parametrize("model", MODELS)
def test_more_is_absorbed_from_farther_away(model):
    redshift = np.linspace(0.0, 9.0, 500)[:, None]
    through = transmission(model, redshift, np.linspace(915.0, 9000.0, 200))
    assert np.all(np.diff(through, axis=0) <= 1e-3)  # published coefficients are rounded where pieces meet
    assert through.min() > 0.0


@pytest.mark.parametrize(("redshift", "rest", "expected"), INDEPENDENT)
def test_an_independent_implementation_agrees(redshift, rest, expected):
    assert transmission("inoue_2014", redshift, rest * (1.0 + redshift)) == pytest.approx(expected, abs=1.5e-3)


@pytest.mark.parametrize("redshift", [2.2, 3.0, 4.0])
def test_the_forest_is_as_deep_as_quasars_show(redshift):
    # 0.0018 (1 + z)^3.92, Faucher-Giguere et al. 2008, ApJ 681, 831: at the redshift of the gas
    depth = -np.log(transmission("inoue_2014", redshift + 0.05, LYMAN_ALPHA * (1.0 + redshift)))
    assert depth == pytest.approx(0.0018 * (1.0 + redshift) ** 3.92, rel=0.1)


def test_the_depressions_of_madau_are_those_of_his_equations():
    # D_A over 1050 to 1170 Angstrom, D_B over 920 to 1015 Angstrom, by hand for z = 3 in the middle of each range
    through = transmission("madau_1995", 3.0, 4.0 * np.array([1110.0, 967.5]))
    alpha = 3.6e-3 * (4440.0 / 1216.0) ** 3.46 + 1.7e-3 * (4440.0 / 1216.0) ** 1.68
    x = 3870.0
    beta = 3.6e-3 * (x / 1216) ** 3.46 + 1.7e-3 * (x / 1216) ** 1.68 + 1.7e-3 * (x / 1026) ** 3.46
    beta += 1.2e-3 * (x / 973) ** 3.46
    np.testing.assert_allclose(through, np.exp([-alpha, -beta]), rtol=1e-12)


def test_the_points_of_a_spectrum_keep_the_light_of_a_broad_band(templates, composites):
    curves, redshifts = load_filters(["lsst_u", "lsst_g"]), np.linspace(2.4, 3.6, 9)
    young = composites[0]
    table = np.einsum("zbma,ma->zb", spectrum_luminosity_table(templates, curves, redshifts, "inoue_2014"), young)
    spectrum = np.einsum("ma,maw->w", young, templates.flux)
    for b, curve in enumerate(curves):
        dense = np.geomspace(curve.wavelength[0], curve.wavelength[-1], 100_000)
        light = np.interp(dense, curve.wavelength, curve.transmission) / dense
        for z, redshift in enumerate(redshifts):
            seen = np.interp(dense / (1.0 + redshift), templates.wavelength, spectrum)
            expected = np.trapezoid(seen * light * transmission("inoue_2014", redshift, dense), dense)
            expected /= np.trapezoid(light, dense) * AB0
            assert abs(2.5 * np.log10(table[z, b] / expected)) < 0.003


def test_the_edge_of_a_line_moves_smoothly_through_the_points(templates):
    redshifts = np.linspace(3.0, 3.01, 200)
    mean = transmission_of_points("inoue_2014", redshifts, templates.wavelength)
    assert np.abs(np.diff(mean, axis=0)).max() < 0.1
    assert np.all(mean[:, templates.wavelength > 1230.0] == 1.0)


def test_lyman_alpha_escapes_as_observed():
    through = line_transmission("inoue_2014", np.array([2.2, 11.1, 15.0]), np.array([1215.67, 6562.8]))
    assert through[0, 0] == pytest.approx(0.033, abs=0.002)  # C = 1.67e-3 of Hayes et al. 2011
    np.testing.assert_allclose(through[1:, 0], 1.0)
    np.testing.assert_allclose(through[:, 1], 1.0)


@pytest.mark.thorough
def test_galaxies_drop_out_of_the_bands_blueward_of_lyman_alpha():
    redshift = np.array([2.0, 2.6, 3.2, 3.6, 4.2, 4.6])
    halos = {"log10_halo_mass": np.full(6, 12.0), "redshift": redshift}
    bands = ["lsst_u", "lsst_g", "lsst_r", "lsst_i"]
    options = {"bands": bands, "seed": 3}
    u, g, r, i = dff.evaluate(halos, ["mag_true"], **options)["mag_true"].T
    clear = dff.evaluate(halos, ["mag_true"], igm="none", **options)["mag_true"]
    assert np.all((u - g)[2:] > 2.5)  # u dropout beyond z = 3, of which the galaxies' own gas makes most
    assert np.all((g - r)[4:] > 1.5)  # g dropout beyond z = 4
    assert np.all(np.diff(g - clear[:, 1]) > 0.0)
    assert np.all((g - clear[:, 1])[4:] > 0.7)
    assert (g - clear[:, 1])[0] == pytest.approx(0.0, abs=1e-4)
    np.testing.assert_allclose(i[:5], clear[:5, 3], atol=1e-3)


def test_a_recipe_names_the_absorption():
    with pytest.raises(InputError, match="did you mean madau_1995"):
        dff.make_mock("example", igm="madau_1996")
    with pytest.raises(InputError, match="did you mean none"):
        dff.evaluate({"redshift": np.ones(1)}, ["band_rest_wavelength"], bands=["lsst_r"], igm="nono")
