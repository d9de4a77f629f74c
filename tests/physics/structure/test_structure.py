"""Linear theory against an independent code, and waves and displacements against their definitions."""

import numpy as np
import pytest
import scipy.fft
from scipy import ndimage
from scipy.integrate import solve_ivp

from diffsky_factory.core.errors import InputError
from diffsky_factory.physics.halos.mass_function import HaloMassFunctionParameters
from diffsky_factory.physics.structure import abundance, chunks, long_waves
from diffsky_factory.physics.structure.biased import preference
from diffsky_factory.physics.structure.linear_growth import growth
from diffsky_factory.physics.structure.power import linear_power, sigma_sphere
from diffsky_factory.sky.cosmology import Cosmology
from tests.reference import reference

UNIVERSES = ("planck15", "lastjourney", "smdpl")
CELL = 8.0


def golden(name: str):
    """Values of colossus 1.4.0 for one of its cosmologies, and linear theory of ours."""
    with np.load(reference("golden", "hmf.npz")) as file:
        known = {key.removeprefix(f"{name}_"): file[key] for key in file if key.startswith(name)}
        known |= {key: file[key] for key in ("m_msun_h", "z", "k_h_mpc")}
    values = {key: float(known[f"param_{key}"]) for key in ("Om0", "Ob0", "sigma8", "ns")}
    return known, abundance.linear_theory(Cosmology(**values, h=float(known["param_H0"]) / 100.0))


@pytest.fixture(scope="module")
def theory():
    return abundance.linear_theory(Cosmology())


@pytest.fixture(scope="module")
def waves(theory):
    """Long waves, and filters of the short ones."""

    def ratio(k):
        return theory.power.per_potential(theory.cosmology, theory.growth.early, k)

    return long_waves.long_waves(3, theory.power), chunks.filters(theory.power, CELL, ratio)


@pytest.mark.parametrize("name", UNIVERSES)
def test_linear_theory_agrees_with_colossus(name):
    known, theory = golden(name)
    h = theory.cosmology.h
    np.testing.assert_allclose(theory.growth.at(known["z"])[0], known["growth"], rtol=2e-4)
    np.testing.assert_allclose(theory.power(known["k_h_mpc"] * h) * h**3, known["Pk_eh98_mpc3_h3"][0], rtol=1e-3)
    sigma = np.outer(theory.growth.at(known["z"])[0], theory.sigma(np.log10(known["m_msun_h"] / h)))
    np.testing.assert_allclose(sigma, known["sigmaM"], rtol=2e-3)


@pytest.mark.parametrize("name", UNIVERSES)
@pytest.mark.parametrize(
    ("kind", "key"), [("tinker_2008", "tinker08_dndlnm_200m"), ("despali_2016", "despali16_dndlnm_vir")]
)
def test_mass_functions_agree_with_colossus(name, kind, key):
    known, theory = golden(name)
    h = theory.cosmology.h
    found = abundance.abundance(theory, kind, known["z"], np.log10(known["m_msun_h"] / h)).density_per_dex
    expected = known[f"{key}_h3mpc-3" if kind == "tinker_2008" else key]
    some = expected > 1e-9  # (h / Mpc)^3: rarer ones double what sigma errs by
    found = found / np.log(10.0) / h**3
    np.testing.assert_allclose(found[some], expected[some], rtol=0.02)


FITTED = HaloMassFunctionParameters()


@pytest.mark.parametrize("name", UNIVERSES)
@pytest.mark.parametrize("kind", ["smdpl", "smdpl_scaled"])
def test_where_smdpl_has_no_halos_its_mass_function_is_that_of_colossus(name, kind):
    known, theory = golden(name)
    h = theory.cosmology.h
    mass = np.log10(known["m_msun_h"] / h)
    found = abundance.abundance(theory, kind, known["z"], mass).density_per_dex / np.log(10.0) / h**3
    per_box = abundance.abundance(abundance.linear_theory(abundance.SMDPL), "despali_2016", known["z"], mass)
    none = (per_box.density_per_dex * abundance.SMDPL_VOLUME < 10.0) & (known["z"][:, None] <= 6.0)
    expected = known["despali16_dndlnm_vir"]
    some = none & (expected > 1e-16)  # (h / Mpc)^3
    assert some.any(axis=1).all()
    np.testing.assert_allclose(found[some], expected[some], rtol=0.1)


def test_where_smdpl_has_many_halos_the_fit_is_as_published():
    theory = abundance.linear_theory(Cosmology())
    z, mass = np.linspace(0.0, 6.0, 13), np.arange(10.2, 15.5, 0.1)
    found = abundance.abundance(theory, "smdpl", z, mass).density_per_dex
    fit = abundance.abundance(theory, FITTED, z, mass).density_per_dex
    np.testing.assert_array_equal(fit, abundance.smdpl_density_64(FITTED, mass[None, :], z[:, None]))
    per_box = abundance.abundance(abundance.linear_theory(abundance.SMDPL), "despali_2016", z, mass)
    many = per_box.density_per_dex * abundance.SMDPL_VOLUME > 100.0
    assert many[:, 0].all()
    assert many[0].sum() > 45
    np.testing.assert_allclose(found[many], fit[many], rtol=1e-12)


@pytest.mark.parametrize("kind", ["smdpl", "smdpl_scaled"])
@pytest.mark.parametrize("cosmology", [Cosmology(), Cosmology(w0=-0.8, wa=-0.4, sigma8=0.75)])
def test_there_are_fewer_heavier_halos_at_any_mass_and_redshift(kind, cosmology):
    mass = np.arange(8.0, 16.0, 0.02)
    theory = abundance.linear_theory(cosmology)
    density = abundance.abundance(theory, kind, np.linspace(0.0, 15.0, 151), mass).density_per_dex
    assert (density > 0.0)[:, mass < 14.0].all()
    assert (np.diff(density, axis=1) <= 0.0).all()


@pytest.mark.parametrize("name", UNIVERSES)
def test_bias_agrees_with_colossus(name):
    known, theory = golden(name)
    mass = np.log10(known["m_msun_h"] / theory.cosmology.h)
    found = abundance.abundance(theory, "tinker_2008", known["z"], mass).bias
    some = mass < 15.5
    np.testing.assert_allclose(found[:, some], known["tinker10_bias_200m"][:, some], rtol=0.005)


def test_growth_agrees_with_adaptive_steps_in_evolving_dark_energy():
    c = Cosmology(Om0=0.28, w0=-0.8, wa=-0.4)
    found = growth(c)

    def slope(x, y):
        a = np.exp(x)
        dark = (1.0 - c.Om0) * a ** (-3.0 * (1.0 + c.w0 + c.wa)) * np.exp(-3.0 * c.wa * (1.0 - a))
        matter = c.Om0 * a**-3 / (c.Om0 * a**-3 + dark)
        friction = 2.0 - 1.5 * (1.0 + (c.w0 + c.wa * (1.0 - a)) * (1.0 - matter))
        second = 1.5 * matter * (y[2] - y[0] ** 2) - friction * y[3]
        return [y[1], 1.5 * matter * y[0] - friction * y[1], y[3], second]

    a = 1e-3
    start = [a, a, -3.0 / 7.0 * a**2, -6.0 / 7.0 * a**2]
    z = np.array([20.0, 3.0, 1.0, 0.3, 0.0])
    exact = solve_ivp(slope, (np.log(a), 0.0), start, t_eval=-np.log1p(z), rtol=1e-10, atol=1e-14).y
    d1, f1, d2, f2 = found.at(z)
    np.testing.assert_allclose(d1, exact[0] / exact[0, -1], rtol=1e-6)
    np.testing.assert_allclose(f1, exact[1] / exact[0], rtol=1e-5)
    np.testing.assert_allclose(d2, exact[2] / exact[0, -1] ** 2, rtol=1e-5)
    np.testing.assert_allclose(f2, exact[3] / exact[2], rtol=1e-5)


def test_power_is_normalised_and_its_models_are_close(theory):
    radius = np.array([8.0 / theory.cosmology.h])
    assert sigma_sphere(theory.power, radius)[0] == pytest.approx(theory.cosmology.sigma8, rel=1e-6)
    with pytest.raises(InputError, match="eisenstein98"):
        linear_power(theory.cosmology, "bbks")
    pytest.importorskip("camb")
    camb = linear_power(theory.cosmology, "camb")
    k = np.geomspace(3e-3, 10.0, 50)
    np.testing.assert_allclose(camb(k), theory.power(k), rtol=0.05)


@pytest.mark.parametrize(("b1", "b2", "sigma"), [(0.5, 0.1, 0.5), (-0.3, -0.4, 0.6), (3.0, 8.5, 0.3)])
def test_hosts_in_cells_have_the_mean_and_the_bias_asked_for(b1, b2, sigma):
    x = np.linspace(-12.0, 12.0, 20001)
    normal = np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi) * (x[1] - x[0])
    here = normal * preference(sigma, b1, b2).factor(x)
    assert here.sum() == pytest.approx(1.0, rel=1e-6)
    assert np.sum(here * x) / sigma == pytest.approx(b1, rel=1e-6)
    assert np.sum(here * (x**2 - 1.0)) / sigma**2 == pytest.approx(b2, rel=1e-6)


def test_splines_give_the_long_waves_and_their_derivatives():
    n = 64
    k = 2.0 * np.pi / (n * long_waves.STEP) * np.array([10, -6, 8])  # 0.022 / Mpc
    at = (np.arange(n) * long_waves.STEP)[:, None] * k
    wave = np.cos(at[:, None, None, 0] + at[None, :, None, 1] + at[None, None, :, 2])
    coefficients = long_waves.spline_coefficients(scipy.fft.rfftn(wave))
    corner = -5600.3, 264.0, 41.7
    window = long_waves.window(coefficients, long_waves.STEP, corner, 20, CELL)
    nodes = [(start + np.arange(20) * CELL) * k[i] for i, start in enumerate(corner)]
    phase = nodes[0][:, None, None] + nodes[1][None, :, None] + nodes[2][None, None, :]
    value, slope, bend, mixed = long_waves.derivatives(window, ((0, 0, 0), (0, 1, 0), (2, 0, 0), (1, 0, 1)))
    np.testing.assert_allclose(value, np.cos(phase), atol=1e-3)
    np.testing.assert_allclose(slope / k[1], -np.sin(phase), atol=4e-3)
    np.testing.assert_allclose(bend / k[0] ** 2, -np.cos(phase), atol=2e-2)
    np.testing.assert_allclose(mixed / (k[0] * k[2]), -np.cos(phase), atol=2e-2)


def test_chunks_agree_where_they_touch(waves):
    long, filters = waves
    one, other = (chunks.linear_chunk(3, filters, long, place) for place in ((2, -1, 0), (3, -1, 0)))
    # two layers of nodes belong to both; D2 is 3/7 at most
    assert np.std(one.first[-2:] - other.first[:2]) < 0.01 * np.std(one.first)
    assert 3.0 / 7.0 * np.std(one.second[-2:] - other.second[:2]) < 0.01 * np.std(one.first)


def test_variances_are_those_of_the_waves_that_are_made(waves, theory):
    long, filters = waves
    places = [(9 * i, 7 * j, 5 * k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]
    found = [chunks.linear_chunk(3, filters, long, place) for place in places]
    variance = np.mean([chunk.overdensity**2 for chunk in found])
    assert variance == pytest.approx(chunks.overdensity_variance(filters, long), rel=0.04)
    everything = theory.power.integral(theory.power.wavenumber**-2.0) / 3.0
    lattice = chunks.displacement_variance(filters, long)
    assert 0.7 * everything < lattice < everything
    moved = np.mean([chunk.first**2 for chunk in found])
    assert moved == pytest.approx(lattice, rel=0.35)  # waves of 1 Gpc in 8 places


def test_displacements_are_gradients_of_their_sources(waves):
    long, filters = waves
    chunk = chunks.linear_chunk(3, filters, long, (1, 1, 4))

    def slopes(field):  # fourth order, in the middle
        return np.stack(
            [
                (8.0 * (np.roll(field, -1, i) - np.roll(field, 1, i)) - np.roll(field, -2, i) + np.roll(field, 2, i))
                / (12.0 * CELL)
                for i in range(3)
            ]
        )[:, 3:-3, 3:-3, 3:-3]

    def smoothed(field):
        return ndimage.gaussian_filter(field, 1.5)[4:-4, 4:-4, 4:-4].ravel()

    bend = -slopes(chunk.first)  # d_i psi_j
    source = sum(
        bend[i, ..., i] * bend[j, ..., j] - bend[i, ..., j] * bend[j, ..., i] for i, j in ((0, 1), (0, 2), (1, 2))
    )
    divergence = np.trace(slopes(chunk.second), axis1=0, axis2=4)
    # second order is of waves that are smoothed twice as much
    assert np.corrcoef(smoothed(source), smoothed(divergence))[0, 1] > 0.9
    assert np.std(smoothed(divergence)) == pytest.approx(np.std(smoothed(source)), rel=0.25)
    delta = np.trace(bend, axis1=0, axis2=4)
    inside = chunk.overdensity[2:-2, 2:-2, 2:-2]
    assert np.corrcoef(delta.ravel(), inside.ravel())[0, 1] > 0.97


def test_chunks_are_numbered_one_by_one():
    places = [(0, 0, 0), (-512, -512, -512), (511, 511, 511), (3, -7, 100)]
    assert [chunks.chunk_place(chunks.chunk_number(place)) for place in places] == places
    assert max(map(chunks.chunk_number, places)) < 2**30


def test_the_potential_makes_the_overdensity_that_scale_dependent_bias_is_written_with(theory):
    # Dalal et al. 2008, Slosar et al. 2008: b(k) - b = 3 f_nl (b - 1) delta_c Om0 H0^2 / (c^2 k^2 T(k) D(z)); it is
    # 2 delta_c (b - 1) f_nl / M(k), with M the overdensity per potential. By hand, at k = 0.01 / Mpc:
    c, k = theory.cosmology, np.array([0.01])
    per = theory.power.per_potential(c, theory.growth.early, k)
    transfer = np.interp(0.01, theory.power.wavenumber, theory.power.transfer)
    by_hand = 3.0 * c.Om0 * (c.h / 2997.92458) ** 2 / (k**2 * transfer / theory.growth.early)
    np.testing.assert_allclose(2.0 / per, by_hand, rtol=1e-4)
    # growth since matter ruled: 0.78 of that without dark energy for Om0 = 0.31
    assert 1.0 / theory.growth.early == pytest.approx(0.783, abs=0.005)
