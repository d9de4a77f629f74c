"""Emission lines: sums over the templates done by hand, components, mergers, fluxes, and the same lines in bands."""

import numpy as np
import pytest
from astropy import units
from astropy.cosmology import FlatLambdaCDM

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.model import Model
from diffsky_factory.factory.tables import line_labels, line_names, line_table
from diffsky_factory.inputs.band_tables import band_luminosity_table, spectrum_luminosity_table
from diffsky_factory.inputs.filters import FilterCurve
from diffsky_factory.inputs.templates import load_templates
from diffsky_factory.physics.light.photometry import BandTable
from diffsky_factory.sky.cosmology import Cosmology

TEMPLATES = "bc03_miles_kroupa"
N = 60
STARS = (
    *("log10_stellar_mass_in_situ", "age_weights", "metallicity_weights", "dust_av_by_age"),
    *("line_dust_curve", "dust_unobscured_fraction"),
)
PARTS = ("component_fraction", "component_age_weights")


@pytest.fixture(scope="module")
def halos():
    rng = np.random.default_rng(4)
    central = np.arange(N) % 3 == 0
    mass = np.where(central, rng.uniform(11.5, 14.0, N), 11.3)
    redshift = np.repeat(rng.uniform(0.05, 1.5, N // 3), 3)
    return {"log10_halo_mass": mass, "redshift": redshift, "host_row": np.repeat(np.arange(0, N, 3), 3)}


@pytest.fixture(scope="module")
def galaxies(halos):
    """All lines, and what they follow from."""
    wanted = [
        *STARS,
        *PARTS,
        "log10_stellar_mass",
        "merging_probability",
        "line_luminosity_in_situ",
        "line_luminosity",
        "line_flux",
    ]
    wanted += ["component_line_luminosity_in_situ", "component_line_luminosity", "component_line_flux"]
    found = dff.evaluate(halos, wanted, lines=("all",))
    return {name: np.asarray(value, np.float64) for name, value in found.items()}


def summed_by_hand(g, row, ages):
    """Luminosity of all lines of one galaxy whose stars have these ages: double sum over templates, in 64 bits."""
    templates = load_templates(TEMPLATES)
    depth = 0.4 * np.log(10.0) * np.maximum(g["dust_av_by_age"][row][:, None] * g["line_dust_curve"][row] / 4.05, 0.0)
    uncovered = g["dust_unobscured_fraction"][row]
    leaves = uncovered + (1.0 - uncovered) * np.exp(-depth)
    light = np.einsum("m,a,mal,al->l", g["metallicity_weights"][row], ages, templates.line_luminosity, leaves)
    return 10.0 ** g["log10_stellar_mass_in_situ"][row] * light


@pytest.mark.thorough
def test_all_lines_of_a_galaxy_are_the_sum_over_templates(galaxies):
    assert galaxies["line_luminosity_in_situ"].shape == (N, len(load_templates(TEMPLATES).line_name))
    for row in range(0, N, 7):
        expected = summed_by_hand(galaxies, row, galaxies["age_weights"][row])
        # 2e-6 in the power of ten of the mass in 32 bits; templates are stored in 32 bits
        np.testing.assert_allclose(galaxies["line_luminosity_in_situ"][row], expected, rtol=1e-5, atol=1e-30)


@pytest.mark.thorough
def test_the_lines_of_each_component_are_the_sum_over_templates(galaxies):
    for row in range(0, N, 7):
        for component in range(3):
            ages = galaxies["component_fraction"][row, component] * galaxies["component_age_weights"][row, component]
            expected = summed_by_hand(galaxies, row, ages)
            found = galaxies["component_line_luminosity_in_situ"][row, component]
            brightest = summed_by_hand(galaxies, row, galaxies["age_weights"][row]).max()
            np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-9 * brightest)


@pytest.mark.thorough
def test_lines_of_components_sum_to_those_of_the_galaxy(galaxies):
    for name in ("line_luminosity", "line_luminosity_in_situ"):
        total = galaxies[name]
        # ages of components sum to those of the galaxy to 1e-6 of all stars, of which the youngest are few
        tolerance = 1e-6 if name == "line_luminosity" else 2e-4
        np.testing.assert_allclose(galaxies[f"component_{name}"].sum(axis=1), total, rtol=tolerance, atol=1e-30)


@pytest.mark.thorough
def test_observed_lines_of_components_sum_to_those_of_the_galaxy(galaxies):
    whole = galaxies["line_flux"]
    np.testing.assert_allclose(galaxies["component_line_flux"].sum(axis=1), whole, rtol=3e-6, atol=1e-37)


@pytest.mark.thorough
def test_lines_of_components_scaled_by_mass_miss_those_of_the_galaxy(galaxies, halos):
    names = ("component_line_luminosity_in_situ", "log10_stellar_mass_in_situ", "log10_stellar_mass")
    given = {name: galaxies[name] for name in names}
    by_mass = {"component_lines": "component_lines_by_mass"}
    found = dff.evaluate({**given, **halos}, ["component_line_luminosity"], replace=by_mass)[
        "component_line_luminosity"
    ]
    grown = 10.0 ** (galaxies["log10_stellar_mass"] - galaxies["log10_stellar_mass_in_situ"])
    expected = grown[:, None, None] * galaxies["component_line_luminosity_in_situ"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-30)
    miss = np.abs(found.sum(axis=1) - galaxies["line_luminosity"]) > 1e-3 * galaxies["line_luminosity"]
    assert miss.any()


@pytest.mark.thorough
def test_mergers_move_lines_and_lose_none(galaxies, halos):
    group = halos["host_row"]
    before, after = (np.add.reduceat(galaxies[name], np.unique(group)) for name in (IN_SITU, "line_luminosity"))
    np.testing.assert_allclose(after, before, rtol=2e-6)
    merged = galaxies["merging_probability"] > 0.5
    assert merged.any()
    assert not np.allclose(galaxies["line_luminosity"][merged], galaxies[IN_SITU][merged], rtol=0.5)


IN_SITU = "line_luminosity_in_situ"


@pytest.mark.thorough
def test_the_observed_flux_is_that_of_astropy(galaxies, halos):
    c = Cosmology()
    universe = FlatLambdaCDM(H0=100.0 * c.h, Om0=c.Om0, Tcmb0=0.0)
    area = 4.0 * np.pi * universe.luminosity_distance(halos["redshift"]).to(units.cm) ** 2
    expected = (galaxies["line_luminosity"] * units.L_sun / area[:, None]).to_value("erg / (s cm2)")
    bright = expected > 1e-30
    np.testing.assert_allclose(galaxies["line_flux"][bright], expected[bright], rtol=2e-5)
    assert galaxies["line_flux"].max() > 1e-17


# the same line in a band

REDSHIFT = 0.4


def narrow_band(centre: float, width: float) -> FilterCurve:
    """A top hat with steep walls [Angstrom, observed]."""
    half = 0.5 * width
    x = centre + np.array([-half - 1.0, -half, half, half + 1.0])
    return FilterCurve(
        "narrow", np.unique(np.r_[x, np.linspace(x[1], x[2], 41)]), np.array([0, *[1.0] * 41, 0]), "test"
    )


@pytest.mark.thorough
def test_a_line_in_a_narrow_band_is_the_line(halos):
    """Band flux less continuum = flux of the line times the response, without dust and corrections of the templates.

    int T f_nu dl / l = F T(l) / nu for a line of flux F at observed frequency nu = c / l.
    """
    templates = load_templates(TEMPLATES)
    name = line_names(TEMPLATES, ("Halpha",))[0]
    rest = templates.line_wavelength[templates.line_name.index(name)]
    band = narrow_band(rest * (1.0 + REDSHIFT), 30.0)  # between the lines of [NII]
    assert np.sum(np.abs(templates.line_wavelength - rest) * (1.0 + REDSHIFT) < 17.0) == 1

    def table(of):
        nodes = np.array([REDSHIFT - 1e-4, REDSHIFT + 1e-4])
        luminosity = of(templates, [band], nodes).transpose(0, 2, 1, 3)
        return BandTable(nodes, luminosity, band.effective_wavelength / (1.0 + nodes)[:, None])

    n = len(halos["host_row"])
    columns = {
        **halos,
        "redshift": np.full(n, REDSHIFT),
        "dust_av_by_age": np.zeros((n, len(templates.log10_age))),
        "template_flux_factor": np.ones((n, 1)),
    }
    whole, without = (
        dff.evaluate(columns, ["mag_true"], constants=[table(of)])["mag_true"][:, 0].astype(float)
        for of in (band_luminosity_table, spectrum_luminosity_table)
    )
    excess = (10.0 ** (-0.4 * (whole - 31.4)) - 10.0 ** (-0.4 * (without - 31.4))) * 1e-32  # nJy to erg / (s cm2 Hz)
    flux = dff.evaluate(columns, ["line_flux"], lines=["Halpha"])["line_flux"][:, 0].astype(float)
    x = np.linspace(band.wavelength[0], band.wavelength[-1], 20001)
    over = np.trapezoid(np.interp(x, band.wavelength, band.transmission) / x, x)
    frequency = 2.99792458e18 / (rest * (1.0 + REDSHIFT))
    forming = flux > 0.01 * flux.max()
    assert forming.sum() > 5
    np.testing.assert_allclose((excess * over * frequency)[forming], flux[forming], rtol=0.02)


# names


@pytest.mark.thorough
def test_lines_go_by_their_names_and_by_common_ones(halos):
    templates = load_templates(TEMPLATES)
    names = line_names(TEMPLATES, ("Halpha", "OIII_5007"))
    assert [round(templates.line_wavelength[templates.line_name.index(name)]) for name in names] == [6563, 5007]
    assert line_names(TEMPLATES, names) == names
    assert line_names(TEMPLATES, ("all",)) == templates.line_name
    a, b = (dff.evaluate(halos, "line_luminosity", lines=some)["line_luminosity"] for some in ("Halpha", names))
    np.testing.assert_allclose(a[:, 0], b[:, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "near"), [("Halfa", "Halpha"), ("H_1_6562_8A", "H_1_6562_80A"), ("OIII5007", "OIII_5007")]
)
def test_an_unknown_line_is_refused_with_near_matches(name, near):
    with pytest.raises(InputError, match=rf"no line '{name}'; did you mean .*{near}"):
        line_names(TEMPLATES, (name,))


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        (("Halpha", "H_1_4861_32A"), ("Halpha", "H_1_4861_32A")),
        ("OIII_5007", ("OIII_5007",)),
        ("all", load_templates(TEMPLATES).line_name),
        (["all"], load_templates(TEMPLATES).line_name),
        ((), ()),
    ],
)
def test_a_line_is_labelled_as_it_was_asked_for(lines, labels):
    assert line_labels(TEMPLATES, lines) == Model(lines=lines).line_names == labels


@pytest.mark.parametrize("lines", [("Halpha", "Halpha"), ("Halpha", "Hbeta", "H_1_6562_80A")])
def test_one_line_by_two_names_is_refused(lines):
    with pytest.raises(InputError, match=r"'Halpha'( is given twice| and 'H_1_6562_80A' are one line)"):
        Model(lines=lines)


def test_lines_are_asked_for_where_they_are_needed(halos):
    with pytest.raises(InputError, match="lines are needed and none are given"):
        dff.evaluate(halos, ["line_luminosity"])


def test_the_table_leaves_out_ages_without_lines():
    templates = load_templates(TEMPLATES)
    table = line_table(TEMPLATES, line_names(TEMPLATES, ("Halpha", "Hbeta")))
    n_age = table.luminosity.shape[2]
    assert n_age < len(templates.log10_age)
    chosen = [templates.line_name.index(name) for name in line_names(TEMPLATES, ("Halpha", "Hbeta"))]
    assert np.all(templates.line_luminosity[:, n_age:, chosen] == 0.0)
    kept = templates.line_luminosity[:, :n_age][:, :, chosen]
    np.testing.assert_allclose(table.luminosity, kept.transpose(0, 2, 1), rtol=1e-6, atol=1e-37)
