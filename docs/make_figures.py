"""Make the figures of the docs, and print the numbers that `docs/explanation/validation.md` quotes.

    diffsky-factory build example --out example.zarr
    diffsky-factory build universemachine_lightcone --out um.zarr --set simulation=FILE
    python docs/make_figures.py example.zarr um.zarr

Without stores, it makes the figures of the synthetic universe alone: `python docs/make_figures.py`. The observed
tables are found as the agreement tests find them.
"""

import argparse
import sys
from itertools import pairwise
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import diffsky_factory as dff  # noqa: E402
from diffsky_factory.physics.halos import satellites as nfw  # noqa: E402
from diffsky_factory.sky.distance_table import hubble_ratio_64  # noqa: E402
from tests.agreement import measure  # noqa: E402
from tests.reference import reference  # noqa: E402

FIGURES = ROOT / "docs" / "figures"
BANDS = ("hsc_g", "hsc_r", "hsc_i", "hsc_z")
COLOURS = dict(zip("griz", ("#009E73", "#D55E00", "#7A0177", "#222222")))
SLICES = ((0.2, 0.5), (0.5, 0.8), (0.8, 1.1), (1.1, 1.5), (1.5, 2.0))  # of Weaver et al. 2023
NEARBY = {
    "region": {"order": 2, "pixels": [85]},
    "redshift": [0.01, 0.1],
    "halo_mass_min": 5e10,
    "bands": [],
    "tiles": {"order": 3},
    "columns": [name for name in dff.Recipe.model_fields["columns"].default if name != "mag_true"],
}
QUIESCENT = -11.0  # dex(1/yr), chosen: a common cut in SFR over surviving mass
plt.rcParams.update({"figure.dpi": 110, "font.size": 9, "axes.grid": True, "grid.alpha": 0.25, "legend.fontsize": 7.5})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("example", nargs="?", help="store of the recipe 'example'")
    parser.add_argument("universemachine", nargs="?", help="store of the recipe 'universemachine_lightcone'")
    arguments = parser.parse_args()
    FIGURES.mkdir(exist_ok=True)
    box()
    clusters()
    if arguments.example is not None:
        galaxies(dff.open_catalog(arguments.example).load())
    if arguments.universemachine is not None:
        universemachine(dff.open_catalog(arguments.universemachine).load())


def galaxies(ds: xr.Dataset) -> None:
    """Figures of a mock of the recipe 'example'."""
    ds = weighed(ds)
    hsc = measure.magnitudes(ds, BANDS)
    first_light(ds, hsc)
    counts(ds, hsc)
    mass_functions(ds)
    sky(ds)
    colours(ds)
    masses_and_rates(ds)
    halo_masses(ds)
    satellites(ds)


def weighed(ds: xr.Dataset) -> xr.Dataset:
    """The mock with its surviving masses [dex(Msun), Chabrier], with remnants and without."""
    shift = measure.KROUPA_TO_CHABRIER
    surviving = measure.surviving_log10_mass(ds) + shift
    living = measure.surviving_log10_mass(ds, remnants=False) + shift
    formed = ds.log10_stellar_mass.values + shift
    print(
        f"of the mass formed, in the median: {10 ** np.median(surviving - formed):.2f} survives, "
        f"{10 ** np.median(living - formed):.2f} in living stars"
    )
    return ds.assign(log10_surviving=("galaxy", surviving), log10_living=("galaxy", living))


def box() -> None:
    """A slab of a periodic box, as it is and in redshift space."""
    how = {"redshift": 0.5, "box_size": 300.0, "halo_mass_min": 1e12, "tiles": {"box_order": 1}}
    slab = dff.open_catalog("synthetic", **how).load().box.sub_box(y=[0.0, 25.0])
    figure, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained", sharey=True)
    for ax, ds, title in zip(axes, (slab, slab.box.redshift_space("z")), ("as they are", "in redshift space along z")):
        for central, colour in ((True, "#222222"), (False, "#D55E00")):
            of_kind = ds.is_central.values == central
            size = 0.5 * 10.0 ** (0.6 * (ds.log10_halo_mass.values[of_kind] - 12.5))
            ax.scatter(ds.x.values[of_kind], ds.z.values[of_kind], s=size, c=colour, lw=0)
        ax.set(title=title, xlabel="x [Mpc]", xlim=(0, 300), ylim=(0, 300), aspect="equal")
    axes[0].set_ylabel("z [Mpc]")
    figure.savefig(FIGURES / "box.png", bbox_inches="tight")
    plt.close(figure)


def clusters() -> None:
    """Members of the most massive cluster of a box; profile and dispersion of all clusters against their laws."""
    z, edges = 0.1, np.linspace(0.0, 1.0, 21)
    ds = dff.open_catalog("synthetic", redshift=z, box_size=300.0, halo_mass_min=1e11, tiles={"box_order": 1}).load()
    place, velocity = (np.stack([ds[name].values for name in names], axis=-1) for names in ("xyz", ("vx", "vy", "vz")))
    by_id = np.argsort(ds.halo_id.values)
    row = by_id[np.searchsorted(ds.halo_id.values, ds.host_halo_id.values, sorter=by_id)]
    member = ~ds.is_central.values & (ds.log10_halo_mass.values[row] > 14.0)
    away = place[member] - place[row[member]]
    away -= 300.0 * np.round(away / 300.0)
    mass = ds.log10_halo_mass.values[row[member]].astype(np.float64)
    cosmology = ds.box.cosmology
    rate = float(hubble_ratio_64(cosmology, z))
    virial = nfw.virial_radius(mass, rate, cosmology.Om0 * (1.0 + z) ** 3 / rate**2, cosmology.h)
    c = np.median(nfw.concentration(mass, np.full(len(mass), z), cosmology.h))
    r = np.linalg.norm(away, axis=1) / (virial * (1.0 + z))
    speed = (velocity[member] - velocity[row[member]]) / np.sqrt(nfw.GRAVITY * 10.0**mass / virial)[:, None]

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
    richest = mass == mass.max()
    size = 2.0 * 10.0 ** (0.5 * (ds.log10_halo_mass.values[member][richest] - 11.0))
    along = (velocity[member] - velocity[row[member]])[richest, 2]
    image = left.scatter(*away[richest].T[:2], s=size, c=along, cmap="coolwarm", vmin=-2000, vmax=2000, lw=0)
    left.add_patch(plt.Circle((0, 0), virial[richest][0] * (1.0 + z), fill=False, color="0.5", ls=":"))
    figure.colorbar(image, ax=left, label="velocity along z [km/s]")
    left.set(xlabel="x [Mpc]", ylabel="y [Mpc]", aspect="equal", title=f"10$^{{{mass.max():.2f}}}$ M$_\\odot$")

    centre, grid = 0.5 * (edges[1:] + edges[:-1]), np.linspace(0.01, 1.0, 200)
    number = np.histogram(r, edges)[0]
    middle.errorbar(centre, number / len(r) / np.diff(edges), np.sqrt(number) / len(r) / np.diff(edges), fmt="k.", ms=4)
    held = c**2 * grid / (1.0 + c * grid) ** 2 / (np.log1p(c) - c / (1.0 + c))
    middle.plot(grid, held, color="#0072B2", label=f"NFW, c = {c:.1f}")
    middle.set(xlabel="distance / virial radius", ylabel="share of members per virial radius", ylim=(0, None))
    bins = np.digitize(r, edges) - 1
    spread = np.array([np.sqrt(np.mean(speed[bins == k] ** 2)) for k in range(len(centre))])
    right.errorbar(centre, spread, spread / np.sqrt(6.0 * number), fmt="k.", ms=4)
    jeans = np.sqrt(c / (np.log1p(c) - c / (1.0 + c))) * nfw.velocity_dispersion(c * grid)
    right.plot(grid, jeans, color="#0072B2", label="Jeans equation")
    right.set(xlabel="distance / virial radius", ylabel="dispersion / (G M / R)$^{1/2}$", ylim=(0.4, 0.9))
    for ax, title in (
        (middle, f"{len(np.unique(row[member]))} clusters above 10$^{{14}}$ M$_\\odot$"),
        (right, f"{len(r):,} members"),
    ):
        ax.set(title=title)
        ax.legend()
    _save(figure, "clusters")


def first_light(ds: xr.Dataset, hsc: np.ndarray) -> None:
    """The figure of the README: counts, colours, sky."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.5), layout="constrained")
    _draw_counts(left, ds, hsc)
    left.legend()
    left.set(title=f"{ds.sizes['galaxy']:,} galaxies, {ds.sky.area:.2f} deg$^2$")
    g, r, i = (ds.mag_true.sel(band=f"lsst_{band}").values for band in "gri")
    bright = i < 23.0
    image = middle.hexbin(
        (r - i)[bright],
        (g - r)[bright],
        ds.redshift.values[bright],
        gridsize=90,
        extent=(-0.4, 1.8, -0.4, 3.0),
        mincnt=2,
    )
    figure.colorbar(image, ax=middle, label="mean redshift")
    middle.set(xlabel="r - i", ylabel="g - r", title="LSST colours, i < 23")
    near = bright & (ds.redshift.values < 1.0)
    _sky_map(right, ds, near)
    right.set(title="sky, z < 1, i < 23")
    _save(figure, "first_light")


def counts(ds: xr.Dataset, hsc: np.ndarray) -> None:
    """Cumulative counts against HSC, with residuals."""
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(6, 6), sharex=True, height_ratios=(2, 1), layout="constrained")
    _draw_counts(top, ds, hsc)
    top.set(xlabel="", xlim=(18, 25.5), ylim=(8, 4e5))
    top.legend()
    limits = np.arange(18.0, 25.4, 0.1).round(1)
    print("counts, log10(mock / HSC) [dex]: band, m, against measured, against power law, residual")
    for column, band in enumerate("griz"):
        found = measure.cumulative_counts(hsc[:, column], limits, ds.sky.area)
        at, measured, fit = measure.hsc_counts(band)
        row = np.argmin(np.abs(at - limits[:, None]), axis=1)
        against = np.log10(found / measured[row]), np.log10(found / fit[row])
        faint = limits >= measure.BRIGHT - 0.05
        bottom.plot(limits[faint], against[0][faint], color=COLOURS[band], label=band)
        bottom.plot(limits[~faint], against[0][~faint], color=COLOURS[band], ls="--", lw=0.9)
        bottom.plot(limits[~faint], against[1][~faint], color=COLOURS[band], ls=":", lw=0.9)
        residual = measure.counts_residual(band, limits, found)
        for m in (20.0, 21.0, 22.0, 23.0, 24.0, 25.0):
            k = int(np.argmin(np.abs(limits - m)))
            print(f"  {band} {m:.0f} {against[0][k]:+.2f} {against[1][k]:+.2f} {residual[k]:+.2f}")
        inside = (limits >= 20.0) & (limits <= 24.0)
        print(f"  {band} largest residual for 20 <= m <= 24: {np.abs(residual[inside]).max():.2f}")
    bottom.axhspan(-0.15, 0.15, color="0.9", zorder=0)
    bottom.axvspan(20.0, 24.0, color="0.95", zorder=-1)
    bottom.set(xlabel="limit m [mag(AB)]", ylabel="log$_{10}$ mock / HSC [dex]", ylim=(-0.5, 0.5))
    bottom.legend(ncol=4, title="dashed: HSC measured, saturated; dotted: HSC power law", title_fontsize=7)
    _save(figure, "counts")


def _draw_counts(axes, ds: xr.Dataset, hsc: np.ndarray) -> None:
    limits = np.arange(17.0, 26.0, 0.1)
    for column, band in enumerate("griz"):
        at, measured, fit = measure.hsc_counts(band)
        found = measure.cumulative_counts(hsc[:, column], limits, ds.sky.area)
        axes.semilogy(limits, np.where(found > 0, found, np.nan), color=COLOURS[band], label=f"{band}, mock")
        some = (at >= 21.0) & (at <= 25.0) & (np.abs(4 * at - np.round(4 * at)) < 0.3)
        axes.semilogy(at[some], measured[some], ".", ms=4, color=COLOURS[band])
        axes.semilogy(at[at < 21], fit[at < 21], ":", lw=1, color=COLOURS[band])
    axes.plot([], [], "k.", ms=4, label="HSC, measured")
    axes.plot([], [], "k:", lw=1, label="HSC, power law")
    axes.set(xlabel="limit m [mag(AB)]", ylabel="N(< m) [deg$^{-2}$]", xlim=(18, 25.5), ylim=(8, 4e5))


def mass_functions(ds: xr.Dataset) -> None:
    """Stellar mass functions against GAMA and COSMOS2020."""
    figure, axes = plt.subplots(2, 3, figsize=(10, 6), sharex=True, sharey=True, layout="constrained")
    near = dff.make_mock("example", **NEARBY).load()
    near = weighed(near)
    print(f"nearby mock: {near.sizes['galaxy']:,} galaxies on {near.sky.area:.1f} deg^2")
    _mass_function(axes.flat[0], near, "Driver2022_GAMA", "GAMA (Driver+22)", 0.01, 0.1)
    for ax, (low, high) in zip(axes.flat[1:], SLICES):
        _mass_function(ax, ds.sky.zslice(low, high), "Weaver2023_COSMOS2020", "COSMOS2020 (Weaver+23)", low, high)
    axes.flat[0].set(xlim=(8.5, 12.2), ylim=(-6, -1))
    figure.supxlabel("log$_{10}$ M$_*$ [M$_\\odot$], Chabrier")
    figure.supylabel("log$_{10}$ $\\phi$ [Mpc$^{-3}$ dex$^{-1}$]")
    _save(figure, "mass_functions")


def _mass_function(axes, ds: xr.Dataset, source: str, label: str, low: float, high: float) -> None:
    cosmology = ds.sky.cosmology
    mass, density, error = measure.observed_mass_function(source, 0.5 * (low + high), cosmology.h)
    edges = np.append(mass - 0.5 * np.diff(mass)[0], mass[-1] + 0.5 * np.diff(mass)[-1])
    size = measure.volume(cosmology, ds.sky.area, low, high)
    surviving, noise = measure.mass_function(ds.log10_surviving.values, edges, size)
    living, _ = measure.mass_function(ds.log10_living.values, edges, size)
    formed, _ = measure.mass_function(ds.log10_stellar_mass.values + measure.KROUPA_TO_CHABRIER, edges, size)
    axes.errorbar(mass, density, error, fmt="k.", ms=4, lw=1, label=label)
    axes.plot(mass, surviving, color="#0072B2", label="mock, surviving mass")
    axes.fill_between(mass, surviving - noise, surviving + noise, color="#0072B2", alpha=0.3, lw=0)
    axes.plot(mass, living, color="#0072B2", ls=":", lw=1, label="mock, living stars alone")
    axes.plot(mass, formed, color="#D55E00", ls="--", lw=1, label="mock, formed mass")
    axes.set_title(f"{low} < z < {high}")
    axes.legend()
    print(f"mass function {low} < z < {high}: log10 M*, observed, error, mock - observed, its noise, living, formed")
    for row in zip(mass, density, error, surviving - density, noise, living - density, formed - density):
        if 9.1 < row[0] < 12.0:
            print("  {:.2f} {:.2f} {:.2f} {:+.2f} {:.2f} {:+.2f} {:+.2f}".format(*row))


def sky(ds: xr.Dataset) -> None:
    """Sky map and redshift distribution."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    magnitude, redshift = ds.mag_true.sel(band="lsst_i").values, ds.redshift.values
    _sky_map(left, ds, (magnitude < 22.5) & (redshift < 0.6))
    left.set(title="z < 0.6, i < 22.5")
    edges = np.linspace(0.0, 2.0, 81)
    for limit, colour in ((24.0, "#0072B2"), (25.3, "#D55E00")):
        chosen = magnitude < limit
        number = np.histogram(redshift[chosen], edges)[0] / ds.sky.area / np.diff(edges)
        right.stairs(number, edges, color=colour, label=f"i < {limit}: median {np.median(redshift[chosen]):.2f}")
        print(
            f"n(z), i < {limit}: {chosen.sum() / ds.sky.area / 3600:.1f} arcmin^-2, "
            f"median {np.median(redshift[chosen]):.2f}"
        )
    right.legend()
    right.set(xlabel="redshift", ylabel="dN/dz [deg$^{-2}$]", title="cut at z = 2 by the recipe")
    _save(figure, "sky")


def _sky_map(axes, ds: xr.Dataset, chosen: np.ndarray) -> None:
    ra, dec = ds.ra.values[chosen], ds.dec.values[chosen]
    axes.scatter(ra, dec, s=0.5, c=ds.redshift.values[chosen], cmap="viridis", lw=0, rasterized=True)
    axes.set(xlabel="ra [deg]", ylabel="dec [deg]", aspect="equal")
    axes.invert_xaxis()


def colours(ds: xr.Dataset) -> None:
    """g - r against r - i in slices of redshift."""
    figure, axes = plt.subplots(1, 4, figsize=(11, 3), sharex=True, sharey=True, layout="constrained")
    g, r, i = (ds.mag_true.sel(band=f"lsst_{band}").values for band in "gri")
    for ax, (low, high) in zip(axes, ((0.05, 0.3), (0.3, 0.5), (0.5, 0.8), (0.8, 1.2))):
        chosen = (i < 24.0) & (ds.redshift.values >= low) & (ds.redshift.values < high)
        quenched = ds.is_quenched.values
        for kind, colour in ((chosen & ~quenched, "#0072B2"), (chosen & quenched, "#D55E00")):
            some = np.random.default_rng(0).permutation(np.flatnonzero(kind))[:4000]
            ax.scatter((r - i)[some], (g - r)[some], s=0.6, c=colour, lw=0, alpha=0.6, rasterized=True)
        ax.set(title=f"{low} < z < {high}", xlabel="r - i", xlim=(-0.3, 1.6), ylim=(-0.4, 2.8))
    axes[0].set_ylabel("g - r")
    axes[0].plot([], [], ".", color="#0072B2", label="main sequence, bursts")
    axes[0].plot([], [], ".", color="#D55E00", label="quenched sequence")
    axes[0].legend(markerscale=2, loc="upper left")
    _save(figure, "colours")


def masses_and_rates(ds: xr.Dataset) -> None:
    """Star formation against mass, and the quiescent fraction."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.5), layout="constrained")
    mass = ds.log10_surviving.values
    rate = ds.log10_ssfr.values + ds.log10_stellar_mass_in_situ.values - 0.03  # dex(Msun/yr), Chabrier
    specific = rate - (ds.log10_surviving.values)
    for ax, (low, high) in zip(axes, ((0.2, 0.5), (0.8, 1.1))):
        chosen = (ds.redshift.values >= low) & (ds.redshift.values < high) & (mass > 8.5)
        ax.hexbin(mass[chosen], specific[chosen], bins="log", gridsize=80, extent=(8.5, 12, -14, -7.5), cmap="magma_r")
        ax.axhline(QUIESCENT, color="0.4", ls="--")
        ax.set(title=f"{low} < z < {high}", xlabel="log$_{10}$ M$_*$ [M$_\\odot$]", ylim=(-14, -7.5))
    axes[0].set_ylabel("log$_{10}$ SFR / M$_*$ [yr$^{-1}$]")
    fractions = measure.table(reference("obs", "quiescent_fraction.csv"))
    print("quiescent fraction: z, log10 M*, log10 sSFR < -11, quenched sequence, Weaver+23 (NUVrJ)")
    edges = np.arange(9.0, 11.8, 0.25)
    for (low, high), colour in (((0.2, 0.5), "#0072B2"), ((0.8, 1.1), "#D55E00")):
        chosen = (ds.redshift.values >= low) & (ds.redshift.values < high)
        bins = np.digitize(mass, edges)
        pick = [np.flatnonzero(chosen & (bins == k + 1)) for k in range(len(edges) - 1)]
        centre = 0.5 * (edges[1:] + edges[:-1])
        by_rate = np.array([np.mean(specific[p] < QUIESCENT) for p in pick])
        by_sequence = np.array([np.mean(ds.is_quenched.values[p]) for p in pick])
        seen = (np.char.startswith(fractions["source"], "Weaver")) & np.isclose(fractions["zmin"], low)
        axes[2].plot(centre, by_rate, color=colour, label=f"{low} < z < {high}, sSFR < $10^{{-11}}$ yr$^{{-1}}$")
        axes[2].plot(centre, by_sequence, color=colour, ls="--", lw=1, label="quenched sequence")
        axes[2].plot(
            fractions["log10_mstar_msun"][seen], fractions["f_quiescent"][seen], ".", color=colour, label="Weaver+23"
        )
        order = np.argsort(fractions["log10_mstar_msun"][seen])
        observed = np.interp(centre, fractions["log10_mstar_msun"][seen][order], fractions["f_quiescent"][seen][order])
        for row in zip(centre, by_rate, by_sequence, observed):
            print(f"  {low}-{high} " + "{:.2f} {:.2f} {:.2f} {:.2f}".format(*row))
    axes[2].set(xlabel="log$_{10}$ M$_*$ [M$_\\odot$]", ylabel="quiescent fraction", xlim=(9, 11.8), ylim=(0, 1))
    axes[2].legend(fontsize=6.5)
    _save(figure, "masses_and_rates")


def halo_masses(ds: xr.Dataset) -> None:
    """Stellar against halo mass of centrals, beside the relation of Behroozi et al. 2019."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.5), sharey=True, layout="constrained")
    relation = measure.table(reference("obs", "smhm_behroozi19.csv"))
    print("stellar-to-halo mass of centrals: z, log10 Mh, n, median surviving, scatter, mock - Behroozi+19")
    for ax, (low, high, at) in zip(axes, ((0.3, 0.7, 0.5), (0.8, 1.2, 1.0), (1.3, 1.7, 1.5))):
        chosen = (ds.redshift.values >= low) & (ds.redshift.values < high) & ds.is_central.values
        halo, mass = ds.log10_halo_mass.values[chosen], ds.log10_surviving.values[chosen]
        ax.hexbin(halo, mass, bins="log", gridsize=70, extent=(11, 14.5, 7, 12.5), cmap="Blues", mincnt=1)
        edges = np.arange(11.0, 14.3, 0.25)
        centre, median, scatter, number = _medians(halo, mass, edges)
        ax.errorbar(centre, median, scatter, fmt="o", ms=3, color="#0072B2", label="mock: median, 68%")
        here = relation["z"] == at
        x, y = relation["log10_mpeak_msun"][here], relation["log10_mstar_true_median_central"][here]
        ax.plot(x, y, color="#D55E00", label=f"Behroozi+19, z = {at}")
        ax.set(title=f"{low} < z < {high}", xlabel="log$_{10}$ M$_h$ [M$_\\odot$]", xlim=(11, 14.5), ylim=(7, 12.5))
        ax.legend(loc="lower right")
        for row in zip(centre, number, median, scatter, median - np.interp(centre, x, y)):
            print(f"  {at} " + "{:.2f} {} {:.2f} {:.2f} {:+.2f}".format(*row))
    axes[0].set_ylabel("log$_{10}$ M$_*$ [M$_\\odot$], surviving")
    _save(figure, "halo_masses")


def satellites(ds: xr.Dataset) -> None:
    """Fraction of satellites among galaxies of a magnitude, and of a stellar mass."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.3), sharey=True, layout="constrained")
    satellite, merged = ~ds.is_central.values, ds.merging_probability.values > 0.5
    print("satellite fraction: z, i or log10 M*, fraction")
    for (low, high), colour in (((0.2, 0.5), "#0072B2"), ((0.5, 0.8), "#009E73"), ((0.8, 1.1), "#D55E00")):
        chosen = (ds.redshift.values >= low) & (ds.redshift.values < high) & ~merged
        for ax, values, edges in (
            (left, ds.mag_true.sel(band="lsst_i").values, np.arange(18.0, 26.1, 0.5)),
            (right, ds.log10_surviving.values, np.arange(8.5, 11.8, 0.25)),
        ):
            number = np.histogram(values[chosen], edges)[0]
            part = np.histogram(values[chosen & satellite], edges)[0]
            with np.errstate(invalid="ignore"):
                fraction = np.where(number > 20, part / number, np.nan)
            centre = 0.5 * (edges[1:] + edges[:-1])
            ax.plot(centre, fraction, color=colour, label=f"{low} < z < {high}")
            for row in zip(centre[::2], fraction[::2]):
                print(f"  {low}-{high} " + "{:.2f} {:.2f}".format(*row))
    left.set(xlabel="i [mag(AB)]", ylabel="satellite fraction", ylim=(0, 0.6))
    right.set(xlabel="log$_{10}$ M$_*$ [M$_\\odot$], surviving")
    left.legend()
    _save(figure, "satellites")


def universemachine(ds: xr.Dataset) -> None:
    """Our galaxies beside UniverseMachine's, in the same halos."""
    ours = measure.surviving_log10_mass(ds) + measure.KROUPA_TO_CHABRIER
    theirs = np.log10(ds.universemachine_stellar_mass.values)
    rate = ds.log10_ssfr.values + ds.log10_stellar_mass_in_situ.values - 0.03
    their_rate = np.log10(np.maximum(ds.universemachine_sfr.values, 1e-9))
    halo, central = ds.log10_halo_mass.values, ds.is_central.values
    there = ds.merging_probability.values < 0.5
    figure, axes = plt.subplots(1, 4, figsize=(14, 3.5), layout="constrained")
    axes[0].scatter(ds.ra.values - 360 * (ds.ra.values > 180), ds.dec.values, s=1, c=halo, cmap="viridis", lw=0)
    axes[0].set(xlabel="ra [deg]", ylabel="dec [deg]", title="4,419 halos, 0.8 < z < 1", aspect="equal")
    edges = np.arange(10.6, 13.0, 0.3)
    print(
        "UniverseMachine, in the same halos: log10 Mpeak, n, ours, scatter, theirs, scatter, difference, "
        "quiescent ours, theirs"
    )
    centre, median, scatter, number = _medians(halo[there], ours[there], edges)
    _, their_median, their_scatter, _ = _medians(halo, theirs, edges)
    axes[1].errorbar(centre - 0.02, median, scatter, fmt="o", ms=3, color="#0072B2", label="ours, surviving")
    axes[1].errorbar(
        centre + 0.02, their_median, their_scatter, fmt="s", ms=3, color="#D55E00", label="UniverseMachine"
    )
    axes[1].set(
        xlabel="log$_{10}$ M$_{peak}$ [M$_\\odot$]", ylabel="log$_{10}$ M$_*$ [M$_\\odot$]", title="median, 68%"
    )
    axes[1].legend()
    for k in range(len(centre)):
        inside = (halo >= edges[k]) & (halo < edges[k + 1])
        quiet = np.mean((rate - ours < QUIESCENT)[inside & there]), np.mean((their_rate - theirs < QUIESCENT)[inside])
        print(
            f"  {centre[k]:.2f} {number[k]} {median[k]:.2f} {scatter[k]:.2f} {their_median[k]:.2f} "
            f"{their_scatter[k]:.2f} {median[k] - their_median[k]:+.2f} {quiet[0]:.2f} {quiet[1]:.2f}"
        )
    axes[2].plot(ours[there], (rate - ours)[there], ".", ms=2, color="#0072B2", label="ours")
    axes[2].plot(theirs, their_rate - theirs, ".", ms=2, color="#D55E00", label="UniverseMachine", alpha=0.6)
    axes[2].axhline(QUIESCENT, color="0.4", ls="--")
    axes[2].set(
        xlabel="log$_{10}$ M$_*$ [M$_\\odot$]",
        ylabel="log$_{10}$ SFR / M$_*$ [yr$^{-1}$]",
        xlim=(8, 11.5),
        ylim=(-14, -8),
    )
    axes[2].legend()
    edges = np.arange(8.5, 11.1, 0.5)
    centre = 0.5 * (edges[1:] + edges[:-1])
    print("UniverseMachine, by stellar mass: log10 M*, n ours, theirs, quiescent ours, theirs, satellites ours, theirs")
    rows = []
    for low, high in pairwise(edges):
        a, b = there & (ours >= low) & (ours < high), (theirs >= low) & (theirs < high)
        rows.append((np.mean((rate - ours < QUIESCENT)[a]), np.mean((their_rate - theirs < QUIESCENT)[b])))
        rows[-1] += (np.mean(~central[a]), np.mean(~central[b]))
        print(f"  {0.5 * (low + high):.2f} {a.sum()} {b.sum()} " + " ".join(f"{value:.2f}" for value in rows[-1]))
    rows = np.array(rows)
    for k, (name, style) in enumerate((("quiescent", "-"), ("satellites", "--"))):
        axes[3].plot(centre, rows[:, 2 * k], style, color="#0072B2", label=f"{name}, ours")
        axes[3].plot(centre, rows[:, 2 * k + 1], style, color="#D55E00", label=f"{name}, UniverseMachine")
    axes[3].set(xlabel="log$_{10}$ M$_*$ [M$_\\odot$]", ylabel="fraction", ylim=(0, 1))
    axes[3].legend()
    _save(figure, "universemachine")


def _medians(x: np.ndarray, y: np.ndarray, edges: np.ndarray):
    """Centres, medians, half the central 68% and numbers, of bins of x with five points or more."""
    parts = [y[(x >= low) & (x < high)] for low, high in pairwise(edges)]
    kept = [k for k, part in enumerate(parts) if len(part) >= 5]
    low, median, high = np.array([np.percentile(parts[k], (16, 50, 84)) for k in kept]).T
    centre = 0.5 * (edges[1:] + edges[:-1])[kept]
    return centre, median, 0.5 * (high - low), np.array([len(parts[k]) for k in kept])


def _save(figure, name: str) -> None:
    path = FIGURES / f"{name}.png"
    figure.savefig(path)
    plt.close(figure)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
