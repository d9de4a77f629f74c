"""The model as a whole: what a request needs and no more, and one dust law for bands, lines and spectra."""

import jax.numpy as jnp
import numpy as np
import pytest

from diffsky_factory.core.plan import plan
from diffsky_factory.core.random import draw_all, id_words, row_keys
from diffsky_factory.core.stage import derived, made_stage, stage
from diffsky_factory.core.types import Normal, Scalar, Vector
from diffsky_factory.factory.kernel import Kernel
from diffsky_factory.physics import RIVALS, stages
from diffsky_factory.physics.light import dust_laws
from diffsky_factory.physics.light.dust import DustCurve, smooth_starburst_curve
from diffsky_factory.physics.light.lines import LineTable
from diffsky_factory.physics.light.photometry import BandTable
from diffsky_factory.physics.light.spectra import SpectrumTable

HALOS = ("log10_halo_mass", "cosmic_time", "redshift", "is_central", "host_row", "satellite_weight")


@pytest.mark.parametrize(
    ("wanted", "needed"),
    [
        ("log10_stellar_mass_by_population", set()),
        ("population_weights", set()),
        ("log10_component_mass", set()),
        ("mag_true", {BandTable}),
        ("mag_mean", {BandTable}),
        ("line_flux", {LineTable}),
        ("spectrum_rest", {SpectrumTable}),
    ],
)
def test_a_request_needs_the_tables_of_its_own_light_alone(wanted, needed):
    constants = set(plan(stages(), HALOS, [wanted]).constants)
    assert constants & {BandTable, LineTable, SpectrumTable} == needed


def test_histories_of_the_sequences_alone_run_no_dust():
    (both,) = [s for s in plan(stages(), HALOS, ["log10_ssfr_by_population"]).stages if s.name == "both_sequences"]
    inside = {s.name for s in both.inner.stages}
    assert "stellar_history" in inside
    assert not inside & {"dust", "smooth_ages", "burst_photometry"}


def test_parts_of_a_stage_are_the_same_object_each_time():
    """So that a plan made again is the same plan, and nothing is compiled twice."""
    assert plan(stages(), HALOS, ["mag_mean"]) == plan(stages(), HALOS, ["mag_mean"])


LAWS = {
    "dust_curve": smooth_starburst_curve,
    "calzetti_2000": dust_laws.starburst_curve,
    "noll_2009": dust_laws.noll_curve,
    "salim_2018": dust_laws.salim_curve,
    "kriek_conroy_2013": dust_laws.kriek_conroy_curve,
}


@pytest.mark.parametrize("name", LAWS)
def test_a_dust_law_holds_for_lines_and_spectra_too(name):
    model = {s.name: s for s in stages({"dust_curve": name})}
    wavelength = jnp.array([1250.0, 2175.0, 4861.0, 6563.0, 20000.0])
    tables = {LineTable: LineTable(wavelength, jnp.zeros((1, 5, 1)))}
    slope = jnp.array([-0.6, 0.0, 0.3])
    rows = {"dust_slope": slope, "band_rest_wavelength": jnp.tile(wavelength, (3, 1))}
    found = model["line_dust_curve"].apply(tables, rows)["line_dust_curve"]
    expected = [LAWS[name](wavelength / 1e4, delta) for delta in slope]
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    assert model["spectrum_dust_curve"].function.__doc__.startswith(f"As {name},")


@stage
def noisy_curve(*, band_rest_wavelength: Vector, draw_tilt: Normal) -> DustCurve:
    """A law with a draw of its own."""
    return DustCurve(band_rest_wavelength + draw_tilt)


def test_a_derived_stage_has_the_random_numbers_of_the_first():
    other = derived(noisy_curve, "elsewhere", "band_rest_wavelength", LineTable, "wavelength", "line_dust_curve")
    order = plan([noisy_curve, other], ["band_rest_wavelength"], ["dust_curve", "line_dust_curve"])
    assert list(order.draws) == ["noisy_curve.draw_tilt"]
    draws = draw_all(row_keys(1, id_words(np.arange(4))), order.draws)
    wavelength = jnp.arange(3.0)
    tables = {LineTable: LineTable(wavelength, jnp.zeros((1, 3, 1)))}
    out = order.run({"band_rest_wavelength": jnp.tile(wavelength, (4, 1))}, tables, draws)
    np.testing.assert_array_equal(out["dust_curve"], out["line_dust_curve"])


def test_a_made_stage_reads_and_writes_what_it_is_told():
    def function(**columns: Scalar):
        return (columns["a"] + columns["b"],)

    added = made_stage("added", function, constants={}, reads=("a", "b"), writes=("c",), says="Sum.")
    out = plan([added], ["a", "b"], ["c"]).run({"a": jnp.ones(3), "b": jnp.arange(3.0)}, {}, {})
    np.testing.assert_array_equal(out["c"], [1.0, 2.0, 3.0])


@pytest.mark.thorough
def test_blocks_side_by_side_give_what_one_after_another_gives():
    n = 700
    given = {
        "log10_halo_mass": np.linspace(11.0, 14.0, n),
        "cosmic_time": np.linspace(5.0, 13.0, n),
        "redshift": np.linspace(1.0, 0.1, n),
        "is_central": np.ones(n, bool),
        "host_row": np.arange(n),
        "satellite_weight": np.ones(n),
    }
    from tests.contracts.test_stages import known

    order = plan(stages(), given, ["log10_stellar_mass", "log10_ssfr"])
    out = [Kernel(order, known(), seed=3, block=128, at_once=at_once)(given, np.arange(n)) for at_once in (1, 4)]
    for name in order.wanted:
        np.testing.assert_array_equal(out[0][name], out[1][name])


def test_every_rival_has_a_name_of_its_own():
    names = [s.name for s in (*stages(), *RIVALS)]
    assert len(set(names)) == len(names)
