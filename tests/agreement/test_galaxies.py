"""Galaxies against diffstar 1.0.3, dsps 0.4.8 and diffsky 0.3.11: every reference file that is found."""

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffsky_factory.core.parameters import to_bounded, to_unbounded
from diffsky_factory.physics import INGREDIENTS
from diffsky_factory.physics.halos.growth import HaloGrowth, log10_mass
from diffsky_factory.physics.light import dust, template_errors
from diffsky_factory.physics.stars import ages, bursts, history, merging_rounds, metallicity, star_formation
from diffsky_factory.physics.stars.star_formation import StarFormation
from diffsky_factory.sky import cosmology
from diffsky_factory.sky.cosmology import Cosmology
from tests.agreement import golden as reference_files
from tests.agreement.golden import FLAT, as_diffsky, captured_histories, galaxies, load, parameter_groups
from tests.reference import FOLDER, found

PRECISIONS = [pytest.param(True, id="64 bit", marks=pytest.mark.thorough), pytest.param(False, id="32 bit")]

PHOTOMETRY = [
    name
    for name in found("golden", "phot_*.npz")
    if name != "phot_ssp_mag_table.npz" and not name.endswith("_grad.npz")
] or ["phot_default.npz"]
GRADIENTS = [
    *(FOLDER / "golden" / name for name in found("golden", "phot_*_grad.npz")),
    *sorted((Path(__file__).resolve().parent / "data").glob("phot_*_grad.npz")),
]


def tag_of(name: str) -> str:
    return name.removeprefix("phot_").removesuffix(".npz").removesuffix("_grad")


@cache
def compiled(order):
    """A plan as one kernel, compiled once for all files of the same size."""
    return jax.jit(lambda columns, constants, draws: order.run(columns, {type(k): k for k in constants}, draws))


@cache
def compiled_loss(order):
    """The reference's loss as a function of the parameter groups, and its gradient with respect to them."""

    def loss(groups, columns, constants, draws):
        known = {**{type(k): k for k in constants}, **{type(p): p for p in groups.values()}}
        return jnp.mean(order.run(columns, known, draws)["mag_mean"])

    return jax.jit(loss), jax.jit(jax.value_and_grad(loss))


def run(order, inputs, columns=None, draws=None):
    """A plan run on the galaxies of a reference file, as numpy float64."""
    constants = tuple(inputs.constants[kind] for kind in order.constants)
    out = compiled(order)({**inputs.columns, **(columns or {})}, constants, {**inputs.draws, **(draws or {})})
    return {name: np.asarray(value, np.float64) for name, value in out.items()}


# cosmology and single ingredients


def test_distances_and_ages_agree():
    golden = load("golden", "cosmology.npz")
    z = golden["z"]
    for prefix, universe in (("", Cosmology()), ("w0wa_", Cosmology(0.31, -0.9, 0.15, 0.7))):
        age = golden["w0wa_age"] if prefix else golden["age_gyr"]
        np.testing.assert_allclose(cosmology.age_64(universe, z), age, rtol=1e-4)
        distance = cosmology.comoving_distance_64(universe, z)
        np.testing.assert_allclose(distance, golden[f"{prefix}comoving_mpc"], rtol=1e-5)
    np.testing.assert_allclose(cosmology.distance_modulus_64(Cosmology(), z), golden["dmod"], atol=1e-4)
    assert cosmology.age_today_64(Cosmology()) == pytest.approx(float(golden["age0"]), abs=1e-10)


@pytest.mark.parametrize("wide", PRECISIONS)
def test_star_formation_histories_agree_with_diffstar(wide):
    golden = load("golden", "diffstar.npz")
    with jax.enable_x64(wide):
        time = jnp.asarray(golden["t_gyr"], float)
        halo = HaloGrowth(*[jnp.asarray(golden[f"mah_{name}"], float)[:, None] for name in HaloGrowth._fields])
        sfh = StarFormation(*[jnp.asarray(golden[name], float)[:, None] for name in StarFormation._fields])
        mass = log10_mass(halo, time, 10.0 ** jnp.asarray(golden["logt0"], float))
        rate = star_formation.star_formation_rate(sfh, mass, time)
        steps = jax.vmap(star_formation.stellar_mass_steps, in_axes=(0, None))(rate, time)
        formed = jnp.cumsum(steps, axis=1)
    tolerance = 1e-6 if wide else 2e-4
    np.testing.assert_allclose(np.log10(rate), np.log10(golden["sfh_msun_per_yr"]), atol=tolerance)
    np.testing.assert_allclose(np.log10(formed), np.log10(golden["smh_msun"]), atol=tolerance)


def test_unbounded_coordinates_agree_with_diffstar():
    golden = load("golden", "diffstar.npz")
    with jax.enable_x64(True):
        sfh = StarFormation(*[jnp.asarray(golden[name]) for name in StarFormation._fields])
        u = jax.vmap(star_formation.unbounded)(sfh)
        back = jax.vmap(star_formation.bounded)(u)
    np.testing.assert_allclose(u, np.stack([golden[f"u_{name}"] for name in StarFormation._fields], axis=1), atol=1e-9)
    np.testing.assert_allclose(np.stack(back), np.stack(sfh), atol=1e-12)


def diffstarpop_tags() -> list[str]:
    if not found("golden", "diffstarpop.npz"):
        return ["default"]
    with np.load(reference_files.reference("golden", "diffstarpop.npz")) as file:
        return sorted(name.removesuffix("_frac_q_cen") for name in file.files if name.endswith("_frac_q_cen"))


@pytest.mark.parametrize("tag", diffstarpop_tags())
def test_populations_of_histories_agree_with_diffstarpop(tag):
    golden = load("golden", "diffstarpop.npz")
    with jax.enable_x64(True):
        p = parameter_groups(tag)["diffstarpop"]
        x, t_peak = jnp.asarray(golden["logmp0"]), jnp.asarray(golden["t_peak"])
        central = jax.vmap(lambda x, t: history.quenched_fraction_before_infall(p, "cen", x, t))(x, t_peak)
        satellite = jax.vmap(lambda x, t: history.quenched_fraction_before_infall(p, "sat", x, t))(x, t_peak)
        infall = history.quenched_by_infall(
            p, golden["lgmu_infall"], golden["logmhost_infall"], golden["gyr_since_infall"]
        )
        satellite = satellite + (1.0 - satellite) * infall
        mean_ms, std_ms = jax.vmap(lambda x: history.main_sequence_moments(p, x))(x)
        mean_q, std_q = jax.vmap(lambda x, t: history.quenched_moments(p, x, t))(x, t_peak)
    ours = {
        "frac_q_cen": central,
        "frac_q_sat": satellite,
        "mu_mseq": mean_ms,
        "mu_qseq": mean_q,
        "std_mseq": std_ms,
        "std_qseq_ms": std_q[:, :4],
        "std_qseq_q": std_q[:, 4:],
    }
    for name, value in ours.items():
        np.testing.assert_allclose(value, golden[f"{tag}_{name}"], atol=1e-9, err_msg=name)


@pytest.mark.thorough
@pytest.mark.parametrize("wide", PRECISIONS)
def test_ages_and_metallicities_agree_with_dsps(wide):
    golden, inputs = load("golden", "dsps.npz"), load("golden", "fake_inputs.npz")
    with jax.enable_x64(wide):
        time = jnp.asarray(golden["t_table"], float)
        steps = jax.vmap(star_formation.stellar_mass_steps, in_axes=(0, None))(jnp.asarray(golden["sfh"], float), time)
        mass = jax.vmap(star_formation.log10_fraction_formed)(steps, jnp.cumsum(steps, axis=1))
        edges = 10.0 ** ages.bin_edges(jnp.asarray(inputs["ssp_lg_age_gyr"], float))
        weights = jax.vmap(ages.smooth_age_weights, in_axes=(0, None, 0, None))(
            jnp.asarray(mass, float), time, jnp.asarray(golden["t_obs"], float), edges
        )
    np.testing.assert_allclose(weights, golden["age_weights"], atol=1e-5)
    assert float(golden["gal_lgmet_scatter"]) == metallicity.SPREAD
    with jax.enable_x64(wide):
        inner = ages.bin_edges(jnp.asarray(inputs["ssp_lgmet"], float))[1:-1]
        above = metallicity.triweight_cdf(
            (jnp.asarray(golden["gal_lgmet"], float)[:, None] - inner) / metallicity.SPREAD
        )
        ends = jnp.ones((len(above), 1)), jnp.zeros((len(above), 1))
        weights = jnp.concatenate([ends[0], above], 1) - jnp.concatenate([above, ends[1]], 1)
    np.testing.assert_allclose(weights, golden["lgmet_weights"], atol=1e-5)


def component_tags() -> list[str]:
    if not found("golden", "components.npz"):
        return ["default"]
    with np.load(reference_files.reference("golden", "components.npz")) as file:
        return sorted(name.removesuffix("_lgmet_median") for name in file.files if name.endswith("_lgmet_median"))


@pytest.mark.parametrize("wide", PRECISIONS)
@pytest.mark.parametrize("tag", component_tags())
def test_single_ingredients_agree_with_diffsky(tag, wide):
    golden = load("golden", "components.npz")
    with jax.enable_x64(wide):
        g = {name: jnp.asarray(golden[name], float) for name in golden}
        p = {type(group): type(group)(*map(jnp.asarray, group)) for group in parameter_groups(tag).values()}
        m, s, z = g["logsm"], g["logssfr"], g["z"]
        ours = {"lgmet_median": metallicity.median_metallicity(p[metallicity.MetallicityParameters], m, g["t_obs"])}
        attenuation = p[dust.AttenuationParameters]
        depth = dust.attenuation_depth(attenuation, m, s, z)
        extra = dust.sigmoid(g["lg_age_gyr"], dust.YOUNG, 5.0, attenuation.delta_suav_age, 0.0)
        ours["av"] = jax.nn.softplus(depth[:, None] + extra)
        ours["delta"] = dust.attenuation_slope(p[dust.AttenuationSlopeParameters], m, s)
        u = p[dust.UnobscuredParameters]
        ours["funo"] = dust.sigmoid(s, u.funo_logssfr_x0, 5.0, u.funo_logssfr_ylo, u.funo_logssfr_yhi)
        frequency, fraction = p[bursts.BurstFrequencyParameters], p[bursts.BurstFractionParameters]
        ours["p_burst"] = jax.nn.softplus(bursts.falling_rising(frequency, "sufqb", m, s, *bursts.FREQUENCY_RANGE))
        ours["fburst"] = jax.nn.softplus(bursts.falling_rising(fraction, "sufb", m, s, *bursts.FRACTION_RANGE))
        ours["lgyr_peak"], ours["lgyr_max"] = bursts.burst_ages(p[bursts.BurstTimeParameters], m, s)
        errors = p[template_errors.TemplateErrorParameters]
        ours["frac_ssp_err"] = jax.vmap(
            lambda m, z, w: template_errors.over_wavelength(
                w, 10.0 ** (-0.4 * template_errors.mean_shifts(errors, m, z))
            )
        )(m, z, g["wave_aa"])
        mass, host = jnp.linspace(10.0, 13.0, 200), jnp.linspace(11.0, 15.0, 200)
        ours["p_merge"] = merging_rounds.probability_after_infall(
            p[merging_rounds.MergingParameters], g["t_obs"], 0.6 * g["t_obs"], mass, host
        )
        curve = dust.smooth_starburst_curve(g["wave_aa"] / 1e4, g["ftrans_delta"])
        leaves = dust.transmission(g["ftrans_av"], curve, g["ftrans_funo"])
    tolerance = 1e-9 if wide else 2e-4
    for name, value in ours.items():
        np.testing.assert_allclose(value, golden[f"{tag}_{name}"], atol=tolerance, rtol=tolerance, err_msg=name)
    np.testing.assert_allclose(leaves, golden["ftrans"], atol=tolerance)


# whole galaxies

BEFORE_MERGING = {
    "quenched_fraction": "frac_q",
    "log10_stellar_mass_in_situ": "mc0_logsm_obs_in_situ",
    "log10_ssfr": "mc0_logssfr_obs",
    "merging_probability_mean": "mc0_p_merge",
    "dust_av": "mc0_av",
    "dust_slope": "mc0_delta",
    "dust_unobscured_fraction": "mc0_funo",
    "log10_burst_fraction": "mc0_lgfburst",
    "log10_burst_peak_age": "mc0_lgyr_peak",
    "log10_burst_max_age": "mc0_lgyr_max",
    "star_formation_type": "mc0_mc_sfh_type",
    "template_flux_factor": "mc0_frac_ssp_errors",
    "mag_in_situ": "mc0_obs_mags_in_situ",
}
AFTER_MERGING = {
    "mag_true": "obs_mags",
    "mag_mean": "obs_mags_weighted",
    "log10_stellar_mass": "logsm_obs",
    "merging_probability": "p_merge",
}


def tolerance_of(name: str, wide: bool) -> float:
    if name.startswith("mag_"):
        return 2e-5 if wide else 2e-3
    return 1e-7 if wide else 2e-4


@pytest.mark.thorough
@pytest.mark.parametrize("wide", PRECISIONS)
@pytest.mark.parametrize("name", PHOTOMETRY)
def test_galaxies_before_merging_agree_with_diffsky(name, wide):
    with jax.enable_x64(wide):
        golden, inputs = galaxies(name, tag_of(name), wide)
        histories = captured_histories(golden, lambda x: jnp.asarray(x, float))
        wanted = [*BEFORE_MERGING, "age_weights", "metallicity_weights", "log10_sfr_history", "flux_by_population"]
        zeros = unused_deviates(len(golden["z_obs"]))
        out = run(as_diffsky({*inputs.columns, *histories}, wanted), inputs, histories, zeros)
    for column, theirs in BEFORE_MERGING.items():
        np.testing.assert_allclose(out[column], golden[theirs], rtol=0, atol=tolerance_of(column, wide), err_msg=column)
    n = len(golden["ssp_weights_first8"])
    joint = out["metallicity_weights"][:n, :, None] * out["age_weights"][:n, None, :]
    np.testing.assert_allclose(joint, golden["ssp_weights_first8"], atol=1e-5)
    rate = 10.0 ** out["log10_sfr_history"][:n]
    np.testing.assert_allclose(rate, golden["sfh_table_first8"], rtol=1e-6 if wide else 5e-4)
    mags = 31.4 - 2.5 * np.log10(out["flux_by_population"])
    for i, theirs in enumerate(("mc0_obs_mags_ms", "mc0_obs_mags_q", "mc0_obs_mags_bursty")):
        np.testing.assert_allclose(mags[:, i], golden[theirs], rtol=0, atol=tolerance_of("mag_", wide), err_msg=theirs)


@pytest.mark.parametrize("wide", PRECISIONS)
@pytest.mark.parametrize(
    ("mode", "stage"),
    [pytest.param("mc0", "merging_mean", marks=pytest.mark.thorough), ("mc1", "merging_monte_carlo")],
)
@pytest.mark.parametrize("name", PHOTOMETRY)
def test_galaxies_after_merging_agree_with_diffsky(name, mode, stage, wide):
    with jax.enable_x64(wide):
        golden, inputs = galaxies(name, tag_of(name), wide)
        histories = captured_histories(golden, lambda x: jnp.asarray(x, float))
        order = as_diffsky({*inputs.columns, *histories}, AFTER_MERGING, merging_monte_carlo=stage)
        out = run(order, inputs, histories, unused_deviates(len(golden["z_obs"])))
    for column, theirs in AFTER_MERGING.items():
        np.testing.assert_allclose(
            out[column], golden[f"{mode}_{theirs}"], rtol=0, atol=tolerance_of(column, wide), err_msg=column
        )


def unused_deviates(n: int) -> dict:
    """Normal draws of the histories; their outcome is replaced by the captured histories."""
    return {
        "history_population.draw_main_sequence": jnp.zeros((n, 4)),
        "history_population.draw_quenched": jnp.zeros((n, 8)),
    }


@pytest.mark.thorough
@pytest.mark.parametrize("path", GRADIENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_gradient_of_the_mean_magnitude_agrees_with_diffsky(path):
    with np.load(path) as file:
        theirs = dict(file)
    tag = tag_of(path.name)
    with jax.enable_x64(True):
        _, with_gradient, groups = loss_of(f"phot_{tag}.npz", tag)
        value, gradient = with_gradient(groups)
        flat, names = flattened(gradient)
    ours = dict(zip(names, flat))
    if "loss" in theirs:
        assert float(value) == pytest.approx(float(theirs["loss"]), abs=1e-4)
    expected = derivatives_of(theirs, names)
    assert expected, f"{path} holds no gradient in a form that is known: {sorted(theirs)}"
    for name, derivative in expected.items():
        assert ours[name] == pytest.approx(derivative, rel=1e-3, abs=1e-7), name


def derivatives_of(file: dict[str, np.ndarray], names: list[str]) -> dict[str, float]:
    """Derivatives by parameter, from an array of all in the published order, of each group, or of each parameter."""
    groups = {group: list(INGREDIENTS[group]._fields) for group in FLAT}
    found = {}
    for key, value in file.items():
        if value.dtype.kind != "f" or key == "loss":
            continue
        bare = key.removeprefix("grad_").removeprefix("d_").removeprefix("dloss_d")
        group = bare.removesuffix("_params").removesuffix("_grad")
        if value.shape == (len(names),):
            found.update(zip(names, value))
        elif group in groups and value.shape == (len(groups[group]),):
            found.update(zip(groups[group], value))
        elif bare in names and value.size == 1:
            found[bare] = value.item()
    return found


def test_gradients_are_read_in_any_layout():
    names = [name for group in FLAT for name in INGREDIENTS[group]._fields]
    values = np.arange(float(len(names)))
    expected = dict(zip(names, values))
    assert len(names) == 216
    assert derivatives_of({"gradient": values, "loss": np.array(1.0)}, names) == expected
    assert derivatives_of({f"grad_{name}": np.array(value) for name, value in expected.items()}, names) == expected
    by_group = {f"{g}_params": np.array([expected[f] for f in INGREDIENTS[g]._fields]) for g in FLAT}
    assert derivatives_of(by_group, names) == expected


def loss_of(name: str, tag: str):
    """Loss, loss with gradient, and parameter groups of a photometry file, with the deviates of its own histories."""
    golden, inputs = galaxies(name, tag, True)
    population = parameter_groups(tag)["diffstarpop"]
    halo = HaloGrowth(*inputs.columns["mah_parameters"].T)
    today = log10_mass(halo, float(golden["t0"]), float(golden["t0"]))
    draws = reference_files.recovered_deviates(golden, population, today)
    order = as_diffsky(inputs.columns, ["mag_mean"], merging_monte_carlo="merging_mean")
    groups = {group: type(p)(*map(jnp.asarray, p)) for group, p in parameter_groups(tag).items()}
    moving = {type(p) for p in groups.values()}
    others = tuple(value for kind, value in inputs.constants.items() if kind in order.constants and kind not in moving)
    given = (inputs.columns, others, {**inputs.draws, **draws})
    loss, with_gradient = compiled_loss(order)
    return (lambda p: loss(p, *given)), (lambda p: with_gradient(p, *given)), groups


def flattened(groups) -> tuple[np.ndarray, list[str]]:
    names = [name for group in FLAT for name in groups[group]._fields]
    return np.array([float(value) for group in FLAT for value in groups[group]]), names


@pytest.mark.parametrize("name", PHOTOMETRY)
def test_unbounded_parameters_return(name):
    with jax.enable_x64(True):
        for p in parameter_groups(tag_of(name)).values():
            back = to_bounded(to_unbounded(p))
            np.testing.assert_allclose(np.array(back), np.array(p), rtol=1e-9, atol=1e-9)
