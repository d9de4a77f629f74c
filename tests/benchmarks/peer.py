"""The peer's side of the benchmarks: diffsky 0.3, called as a black box on the same galaxies, templates and bands.

Needs the extra `peers`. Sizes at which it hangs or runs out of memory are left out by the caller.
"""

from collections import namedtuple

import numpy as np

from tests.benchmarks import population
from tests.benchmarks.measure import report

NODES = 15  # redshift nodes of its table, as its scripts use


def inputs(n: int):
    """Arguments of its photometry kernels after the random key, by parameters; its parameters; a key."""
    import jax
    import jax.numpy as jnp
    from diffmah import DEFAULT_MAH_PARAMS, logmh_at_t_obs
    from diffsky.experimental import precompute_ssp_phot
    from diffsky.param_utils import diffsky_param_wrapper_merging
    from diffsky.utils.phot_utils import get_wave_eff_table
    from diffstar.defaults import FB
    from dsps.cosmology import DEFAULT_COSMOLOGY, flat_wcdm
    from dsps.data_loaders.load_filter_data import TransmissionCurve
    from dsps.data_loaders.retrieve_fake_fsps_data import load_fake_ssp_data

    t = population.templates()
    fake = load_fake_ssp_data(n_line=len(population.LINES))
    lines = fake.ssp_emline_wave._make(population.LINES)
    ssp = fake._replace(ssp_lgmet=t["log_z"], ssp_lg_age_gyr=t["log_age"], ssp_wave=t["wavelength"], ssp_flux=t["flux"],
                        ssp_emline_wave=lines, ssp_emline_luminosity=t["line_luminosity"])  # fmt: skip
    curves = population.curves()
    kind = namedtuple("Curves", [name for name, _, _ in curves])
    curves = kind(*[TransmissionCurve(wave, trans) for _, wave, trans in curves])
    nodes = np.linspace(0.02, 3.05, NODES)
    table = precompute_ssp_phot.get_precompute_ssp_mag_redshift_table(curves, ssp, nodes, DEFAULT_COSMOLOGY)
    g = population.galaxies(n)
    mah = DEFAULT_MAH_PARAMS._make([jnp.asarray(g[name]) for name in DEFAULT_MAH_PARAMS._fields])
    t0 = float(flat_wcdm.age_at_z0(*DEFAULT_COSMOLOGY))
    t_obs = np.asarray(flat_wcdm.age_at_z(g["redshift"], *DEFAULT_COSMOLOGY))
    t_infall = np.where(g["is_central"], t0, np.minimum(g["t_peak"], t0))
    own = logmh_at_t_obs(mah, t_infall, np.log10(t0))
    host = logmh_at_t_obs(mah._make([x[g["host_row"]] for x in mah]), t_infall, np.log10(t0))
    wavelengths = jnp.asarray(get_wave_eff_table(nodes, curves))
    # one default is an integer, of which there is no gradient
    parameters = jax.tree.map(float, diffsky_param_wrapper_merging.DEFAULT_PARAM_COLLECTION)

    def arguments(p, line_wavelengths=()):
        return [
            *(jnp.asarray(g["redshift"]), jnp.asarray(t_obs), mah, ssp, jnp.asarray(table), jnp.asarray(nodes)),
            *(wavelengths, *line_wavelengths, p.diffstarpop_params, p.mzr_params, p.spspop_params),
            *(p.scatter_params, p.ssperr_params, p.merging_params, DEFAULT_COSMOLOGY, FB, own, host),
            *(jnp.asarray(t_infall), jnp.asarray(g["is_central"].astype(int)), jnp.asarray(g["satellite_weight"])),
            jnp.asarray(g["host_row"]),
        ]

    return arguments, parameters, jax.random.key(0)


def monte_carlo(n: int):
    """Its kernel as shipped."""
    import jax
    from diffsky.experimental.kernels import _mc_phot_kern_merging

    arguments, parameters, key = inputs(n)
    given = arguments(parameters)
    return lambda: jax.block_until_ready(_mc_phot_kern_merging(key, *given, 1))


def monte_carlo_only(n: int):
    """Its kernel compiled so that nothing but the Monte-Carlo magnitudes is kept."""
    import jax
    from diffsky.experimental.kernels import _mc_phot_kern_merging

    arguments, parameters, key = inputs(n)
    given = arguments(parameters)
    kernel = jax.jit(lambda *given: _mc_phot_kern_merging(key, *given, 1)[0].obs_mags)
    return lambda: jax.block_until_ready(kernel(*given))


def gradient(n: int):
    """Mean of its weighted magnitudes and the gradient with respect to all parameters."""
    import jax
    import jax.numpy as jnp
    from diffsky.experimental.kernels import _mc_phot_kern_merging

    arguments, parameters, key = inputs(n)

    def loss(p):
        return jnp.mean(_mc_phot_kern_merging(key, *arguments(p), 0)[0].obs_mags_weighted)

    step = jax.jit(jax.value_and_grad(loss))
    return lambda: jax.block_until_ready(step(parameters))


def components(n: int):
    """Its kernel for disk, bulge, knots and two lines."""
    import jax
    import jax.numpy as jnp
    from diffsky.experimental.kernels import _mc_dbk_photline_kern_merging

    arguments, parameters, key = inputs(n)
    given = arguments(parameters, (jnp.asarray(population.LINES),))
    return lambda: jax.block_until_ready(_mc_dbk_photline_kern_merging(key, *given, 1))


def spectra(n: int):
    """Its kernel for spectra, of galaxies that its photometry has drawn before."""
    import jax
    from diffsky.experimental.kernels import _mc_phot_kern_merging, _sed_kern
    from diffstar import DEFAULT_DIFFSTAR_PARAMS
    from diffstar.defaults import FB
    from dsps.cosmology import DEFAULT_COSMOLOGY

    arguments, p, key = inputs(n)
    given = arguments(p)
    drawn, randoms, merging_randoms = _mc_phot_kern_merging(key, *given, 1)
    histories = DEFAULT_DIFFSTAR_PARAMS._make([getattr(drawn, name) for name in DEFAULT_DIFFSTAR_PARAMS._fields])
    del drawn
    parameters = (p.mzr_params, p.spspop_params, p.scatter_params, p.ssperr_params, p.merging_params)
    call = (randoms, merging_randoms, histories, *given[:4], *parameters, DEFAULT_COSMOLOGY, FB, *given[-6:], 1)
    return lambda: jax.block_until_ready(_sed_kern(*call))


def histories(n: int):
    """Its draw of a history, with star formation rates and masses at 100 times, in 32 bits as it comes."""
    import jax
    import jax.numpy as jnp
    from diffmah import DEFAULT_MAH_PARAMS, logmh_at_t_obs
    from diffstar.defaults import FB
    from diffstar.diffstarpop import DEFAULT_DIFFSTARPOP_PARAMS, mc_diffstar_sfh_galpop

    jax.config.update("jax_enable_x64", False)
    g, today = population.galaxies(n), 13.8
    mah = DEFAULT_MAH_PARAMS._make([jnp.asarray(g[name]) for name in DEFAULT_MAH_PARAMS._fields])
    mass = logmh_at_t_obs(mah, jnp.full(n, today), np.log10(today))
    host = jnp.where(jnp.asarray(g["is_central"]), -1, 1)
    infall = (jnp.full(n, -1.0), mass + 1.0, jnp.full(n, 2.0))
    key, times = jax.random.key(0), jnp.linspace(0.1, today, 100)
    call = (DEFAULT_DIFFSTARPOP_PARAMS, mah, mass, host, *infall, key, times)
    return lambda: jax.block_until_ready(mc_diffstar_sfh_galpop(*call, lgt0=np.log10(today), fb=FB))


CASES = {
    "monte_carlo": monte_carlo,
    "monte_carlo_only": monte_carlo_only,
    "gradient": gradient,
    "components": components,
    "spectra": spectra,
    "histories": histories,
}

if __name__ == "__main__":
    report(CASES)
