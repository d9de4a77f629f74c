"""Make `data/components.npz`: components, sizes, shapes and black holes of diffsky 0.3, called as a black box.

Inputs, draws among them, and outputs, all float64. Needs the extra `peers`:
`NPROC=4 python -m tests.agreement.make_components`.
"""

from pathlib import Path

import numpy as np

FILE = Path(__file__).resolve().parent / "data" / "components.npz"
N = 60


def galaxies() -> dict[str, np.ndarray]:
    """Histories of all kinds, a third of them bursty, a third merging, with the draws of all that follows."""
    rng = np.random.default_rng(11)
    n = np.arange(N)
    mah = [rng.uniform(11.0, 14.5, N), rng.uniform(-0.2, 0.6, N), rng.uniform(1.8, 3.5, N), rng.uniform(0.1, 0.9, N)]
    sfh = [rng.uniform(11.6, 12.6, N), rng.uniform(-10.6, -9.8, N), rng.uniform(0.5, 3.0, N), rng.uniform(-3.0, 0.0, N)]
    quenching = [rng.uniform(0.4, 1.2, N), rng.uniform(-1.0, -0.1, N), rng.uniform(-2.5, -0.1, N)]
    position = rng.normal(size=(N, 3))
    position[0] = 0.0, 0.0, 1.0
    return {
        "redshift": rng.uniform(0.05, 3.0, N),
        "mah_parameters": np.stack([*mah, rng.uniform(3.0, 14.0, N)], axis=1),
        "sfh_parameters": np.stack([*sfh, *quenching, 0.5 * quenching[2]], axis=1),
        "merging_probability_mean": np.where(n % 3 == 0, rng.uniform(0.0, 0.9, N), 0.0),
        "is_bursty": n % 3 == 1,
        "log10_burst_fraction": np.where(n % 3 == 1, rng.uniform(-4.0, -1.2, N), -7.99),
        "log10_burst_peak_age": rng.uniform(5.5, 7.5, N),
        "log10_burst_max_age": rng.uniform(8.6, 8.9, N),
        "draw_bulge": rng.uniform(size=N),
        "knot_fraction": rng.uniform(0.0, 0.2, N),
        "position": 2000.0 * position,
        "cos_polar": rng.uniform(-1.0, 1.0, N),
        "azimuth": rng.uniform(0.0, 2.0 * np.pi, N),
        "spin": rng.uniform(0.0, 2.0 * np.pi, N),
    }


def add_components(g: dict[str, np.ndarray]) -> None:
    """Masses, ages and bulge-to-total ratios of the components."""
    import jax.numpy as jnp
    from diffmah import DEFAULT_MAH_PARAMS
    from diffsky.experimental.disk_bulge_modeling import dbpop
    from diffsky.experimental.kernels import dbk_kernels, rapid_quenching, ssp_weight_kernels
    from diffstar import DEFAULT_DIFFSTAR_PARAMS, calc_sfh_galpop
    from diffstar.defaults import FB
    from dsps.cosmology import DEFAULT_COSMOLOGY, flat_wcdm
    from dsps.data_loaders.retrieve_fake_fsps_data import load_fake_ssp_data
    from dsps.sfh import diffburst

    fake = load_fake_ssp_data()
    # one metallicity, so that weights are those of ages
    ssp = fake._replace(ssp_lgmet=fake.ssp_lgmet[:1], ssp_flux=fake.ssp_flux[:1])
    today = float(flat_wcdm.age_at_z0(*DEFAULT_COSMOLOGY))
    time = jnp.linspace(0.01, today, 100)
    observed = flat_wcdm.age_at_z(g["redshift"], *DEFAULT_COSMOLOGY)
    mah = DEFAULT_MAH_PARAMS._make(jnp.asarray(g["mah_parameters"].T))
    sfh = DEFAULT_DIFFSTAR_PARAMS._make(jnp.asarray(g["sfh_parameters"].T))
    rate, mass = calc_sfh_galpop(sfh, mah, time, lgt0=np.log10(today), fb=FB, return_smh=True)
    log_mass = np.array([np.interp(t, time, np.log10(m)) for t, m in zip(observed, mass)])

    merging = jnp.asarray(g["merging_probability_mean"])
    smooth = ssp_weight_kernels.get_age_weights_smooth(time, rate, ssp, observed)
    cut = rapid_quenching.get_age_weights_rq_vmap
    quenched, *_ = cut(smooth, merging, ssp.ssp_lg_age_gyr, rapid_quenching.DEFAULT_RQ_PARAMS)
    burst = diffburst.BurstParams(
        *(jnp.asarray(g[name]) for name in ("log10_burst_fraction", "log10_burst_peak_age", "log10_burst_max_age"))
    )
    bursty = rapid_quenching.calc_bursty_age_weights_vmap(burst, quenched, ssp.ssp_lg_age_gyr)
    ages = jnp.where(g["is_bursty"][:, None], bursty, quenched)

    history = dbpop.decompose_sfh_into_disk_bulge_sfh(jnp.asarray(g["draw_bulge"]), time, rate, observed)
    weights = dbk_kernels.get_dbk_weights_rq(
        *(observed, ssp, time, burst, jnp.ones((N, 1)), history, jnp.asarray(g["knot_fraction"]), log_mass, ages),
        merging,
    )
    parts = ("disk", "bulge", "knots")
    g["component_age_weights"] = np.stack(
        [np.asarray(getattr(weights, f"ssp_weights_{part}")).reshape(N, -1) for part in parts], axis=1
    )
    g["component_mass"] = np.stack([np.asarray(getattr(weights, f"mstar_{part}")) for part in parts], axis=1)
    add_magnitudes(g, weights)
    ratio = np.asarray(history.bulge_to_total_history)
    g["bulge_to_total"] = np.array([np.interp(t, time, r) for t, r in zip(observed, ratio)])
    names = {"bulge_formation_time": 0, "bulge_efficiency_early": 1, "bulge_efficiency_late": 2}
    g.update({name: np.asarray(history.fbulge_params[at]) for name, at in names.items()})
    g["log10_stellar_mass"], g["age_weights"] = log_mass, np.asarray(ages)
    g["cosmic_time"], g["log10_age"] = np.asarray(observed), np.asarray(ssp.ssp_lg_age_gyr)
    g["log10_metallicity"] = np.asarray(fake.ssp_lgmet)
    g["log10_bulge_sfr_history"] = np.log10(history.sfh_bulge)
    rate_observed = np.array([np.interp(t, time, r) for t, r in zip(observed, rate)])
    g["log10_ssfr"] = np.log10(rate_observed) - log_mass
    kernel = dbpop._frac_disk_dom_kern
    g["disk_dominated_probability"] = np.asarray(kernel(jnp.asarray(log_mass), jnp.asarray(g["log10_ssfr"])))


def add_magnitudes(g: dict[str, np.ndarray], weights) -> None:
    """Magnitudes in two bands without dust, of templates that fade steeply and slowly with age."""
    import jax.numpy as jnp
    from diffsky.experimental.kernels import dbk_kernels

    age = weights.ssp_weights_disk.shape[-1]
    flux = 10.0 ** (np.array([-1.2, -0.7])[:, None] * np.linspace(-3.5, 1.15, age))
    table = jnp.broadcast_to(flux[None, :, None, :], (N, 2, 1, age))
    mags = dbk_kernels._get_dbk_phot_from_dbk_weights(table, weights, jnp.ones((N, 2, age)), jnp.ones((N, 2)))
    g["template_flux"] = flux
    g["component_mag"] = np.stack([np.asarray(getattr(mags, f"obs_mags_{p}")) for p in ("disk", "bulge", "knots")], 1)


def add_sizes_and_shapes(g: dict[str, np.ndarray]) -> None:
    """Radii with the normal deviates that lead to them, and the outlines of the ellipsoids, bulges without a twist."""
    import jax
    import jax.numpy as jnp
    from diffsky.ellipsoidal_shapes import ellipse_proj_kernels, mc_disk_bulge_shapes
    from diffsky.experimental.size_modeling import smzr_bulge, smzr_disk

    key = jax.random.key(2)
    mass, redshift = jnp.asarray(g["log10_stellar_mass"]), jnp.asarray(g["redshift"])
    g["disk_radius"], g["draw_disk"] = map(np.asarray, smzr_disk.mc_r50_disk_size(mass, redshift, key))
    g["bulge_radius"], g["draw_bulge_size"] = map(np.asarray, smzr_bulge.mc_r50_bulge_size(mass, redshift, key))

    # its angles are drawn inside: hand it ours
    angles = [jnp.asarray(g[name]) for name in ("cos_polar", "azimuth", "spin")]
    own = ellipse_proj_kernels.mc_mu_phi_omega
    ellipse_proj_kernels.mc_mu_phi_omega = lambda n, key: tuple(angles)
    shapes = mc_disk_bulge_shapes.mc_disk_bulge_ellipsoids(
        key, g["disk_radius"], g["bulge_radius"], *map(jnp.asarray, g["position"].T), psi_noise_deg=0.0
    )
    ellipse_proj_kernels.mc_mu_phi_omega = own
    for part, shape in zip(("disk", "bulge"), shapes):
        for name in ("alpha", "beta", "psi", "ellipticity", "mu_inclination", "b_over_a", "c_over_a"):
            g[f"{part}_{name}"] = np.asarray(getattr(shape, name))


def add_black_holes(g: dict[str, np.ndarray]) -> None:
    """Masses with and without scatter, and accretion of the sample at its mean redshift."""
    import jax
    import jax.numpy as jnp
    from diffsky.experimental.black_hole_modeling import black_hole_accretion_rate, black_hole_mass, utils

    bulge = jnp.asarray(g["bulge_to_total"] * 10.0 ** g["log10_stellar_mass"])
    mass = black_hole_mass.bh_mass_from_bulge_mass(bulge)
    scattered = black_hole_mass.monte_carlo_black_hole_mass(bulge, jax.random.key(2))
    rank = utils.approximate_ssfr_percentile(jnp.asarray(g["log10_ssfr"]))
    mean = jnp.full(1, g["redshift"].mean())
    ratio, rate = black_hole_accretion_rate.monte_carlo_bh_acc_rate(mean, mass, rank)
    g["black_hole_mass"], g["black_hole_mass_scattered"] = np.asarray(mass), np.asarray(scattered)
    g["draw_mass"] = np.asarray(jax.random.normal(jax.random.key(2), (N,)))
    g["accretion_rate"], g["eddington_ratio"] = np.asarray(rate), np.asarray(ratio)


def main() -> None:
    import jax

    jax.config.update("jax_enable_x64", True)
    g = galaxies()
    add_components(g)
    add_sizes_and_shapes(g)
    add_black_holes(g)
    np.savez_compressed(FILE, **{name: g[name] for name in sorted(g)})


if __name__ == "__main__":
    main()
