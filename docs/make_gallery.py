"""Make the figures of `docs/gallery.md` and the numbers between its markers: `python docs/make_gallery.py`.

Some minutes on two cores. The observed tables are found as the agreement tests find them.
"""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import gallery_statistics as measure  # noqa: E402

import diffsky_factory as dff  # noqa: E402
from diffsky_factory.inputs import igm  # noqa: E402
from diffsky_factory.inputs.templates import load_templates  # noqa: E402
from diffsky_factory.physics.light import dust, dust_laws  # noqa: E402
from tests.agreement.measure import KROUPA_TO_CHABRIER  # noqa: E402

PAGE, FIGURES = ROOT / "docs" / "gallery.md", ROOT / "docs" / "figures" / "gallery"
HOSTS = 2500  # at each redshift
SEQUENCE = ("#0072B2", "#D55E00")  # main sequence, quenched
COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#5D3A9B")  # Okabe & Ito 2008
CONDITIONS = [(12.5, z) for z in (0.2, 0.5, 1.0, 2.0)] + [(m, 0.5) for m in (11.5, 12.0, 12.5, 13.0, 13.5)]
TABLES = {name: re.compile(f"<!-- {name} -->.*?<!-- end of {name} -->", re.S) for name in ("distances", "errors")}
plt.rcParams.update(
    {"figure.dpi": 90, "font.size": 8.5, "axes.grid": True, "grid.alpha": 0.2, "legend.fontsize": 7}
    | {"axes.titlesize": 8.5, "legend.framealpha": 0.7, "savefig.dpi": 90, "lines.linewidth": 1.0}
)

Styles = dict[str, dict]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=HOSTS, help="hosts at each redshift")
    n = parser.parse_args().hosts
    FIGURES.mkdir(exist_ok=True, parents=True)
    names = measure.whole_calibrations() + measure.history_calibrations()
    curves, distances, seen = {}, {}, {}
    for name in names:
        found, distances[name] = measure.all_distances(name, n)
        curves[name] = {s.name: [s.measured(found[s.sample], p) for p in s.panels] for s in measure.STATISTICS}
        seen[name] = measure.planes(name, CONDITIONS)
        distances[name] |= dict(zip(("M0 mass", "M0 rate"), measure.plane_distances(seen[name])))
        print(name, {key: f"{d.rms:.2f}" for key, d in distances[name].items()}, flush=True)
        if name in measure.whole_calibrations():
            curves[name]["u - r"] = u_minus_r(found["light"])
            curves[name]["g - r - i"] = measure.galaxies("colours", name, n)
    statistics_figures(curves)
    planes_figures(seen)
    colour_figures(curves)
    history_figures()
    light_figures()
    write_page(distances)


# --- figures of the statistics ------------------------------------------------------------------------------------


def styles() -> tuple[Styles, Styles]:
    """How calibrations of the whole galaxy are drawn, and those of histories alone."""
    whole = {}
    for colour, name in zip(COLOURS, measure.whole_calibrations()):
        whole[name] = {"color": colour, "lw": 2.2 if name == measure.DEFAULT else 1.1, "label": name}
    simulations, parts = {}, {measure.DEFAULT: {"color": "black", "lw": 2.2, "label": measure.DEFAULT}}
    for name in measure.history_calibrations():
        simulation, fit = name.split("diffstarpop_")[1].rsplit("_", 1)
        colour = simulations.setdefault(simulation, COLOURS[1 + len(simulations)])
        parts[name] = {"color": colour, "lw": 1.1, "ls": {"simfit": "-", "indivfit": "--"}[fit]}
        parts[name]["label"] = f"{simulation}, {fit}"
    return whole, parts


FIGURES_OF_STATISTICS = {
    "halo_relation": ("halo relation",),
    "mass_functions": ("mass function",),
    "quiescent_fraction": ("quiescent fraction",),
    "main_sequence": ("main sequence",),
    "cosmic": ("SFR density", "mass density", "metallicity", "bulge fraction"),
    "sizes": ("sizes",),
    "luminosity_functions": ("luminosity function",),
    "halpha": ("Halpha function",),
}


def statistics_figures(curves: dict) -> None:
    """One row of panels for calibrations of the whole galaxy, one for those of histories alone."""
    for name, chosen in FIGURES_OF_STATISTICS.items():
        picked = [s for s in measure.STATISTICS if s.name in chosen]
        panels = [(s, k) for s in picked for k in range(len(s.panels))]
        figure, axes = plt.subplots(
            2, len(panels), figsize=(2.5 * len(panels) + 0.6, 5.6), layout="constrained", squeeze=False
        )
        for row, drawn in zip(axes, styles()):
            for ax, (statistic, k) in zip(row, panels):
                for calibration, style in drawn.items():
                    curve = curves[calibration][statistic.name][k]
                    ax.plot(curve.x, curve.y, zorder=3 if calibration == measure.DEFAULT else 2, **style)
                _points(ax, statistic, statistic.panels[k])
                if statistic.also is not None:
                    points = statistic.also(statistic.panels[k])
                    ax.plot(points.x, points.y, "^", ms=3.2, color="0.35", mfc="none", mew=0.6, zorder=4)
                _frame(ax, statistic, statistic.panels[k], first=k == 0)
        _legends(figure, axes)
        _save(figure, name)


def _points(ax, statistic: measure.Statistic, panel) -> None:
    x, y, error = statistic.observed(panel)
    bar = np.where(np.isfinite(error), error, 0.0)
    many = len(x) > 30
    ax.errorbar(x, y, bar, fmt="o", ms=2.2 if many else 3.2, lw=0.7, color="0.35", mfc="0.75", mew=0.6, zorder=4)


def _frame(ax, statistic: measure.Statistic, panel, first: bool) -> None:
    left, right, low, high = statistic.limits
    ax.set(xlim=(left, right), ylim=(low, high), xlabel=statistic.x)
    kind, redshift = panel if isinstance(panel, tuple) else ("", panel)
    text = panel if isinstance(panel, str) else f"{kind} z = {redshift}".strip()
    ax.set_title(statistic.title if len(statistic.panels) == 1 else text)
    if first:
        ax.set_ylabel(statistic.y)


def _legends(figure, axes) -> None:
    """One legend under each row, so that no panel is covered."""
    handles = [ax[0].get_legend_handles_labels() for ax in axes]
    figure.legend(*handles[0], loc="outside upper center", ncol=8 if figure.get_figwidth() > 12 else 4)
    if len(axes) > 1:
        figure.legend(*handles[1], loc="outside lower center", ncol=4)


# --- planes of mass and rate --------------------------------------------------------------------------------------


def planes_figures(seen: dict[str, list[measure.Galaxies]]) -> None:
    """Of the default in full, and of all calibrations of the whole galaxy in small."""
    figure, axes = plt.subplots(2, 5, figsize=(11, 5), sharex=True, sharey=True, layout="constrained")
    rows = zip(CONDITIONS, seen[measure.DEFAULT])
    order = [*axes[0, :4], *axes[1]]
    for ax, (condition, g) in zip(order, rows):
        _plane(ax, g, 4.0)
        ax.set_title("log$_{{10}}$ M$_0$ = {}, z = {}".format(*condition))
    _plane_key(axes[0, 4])
    for ax in axes[1]:
        ax.set_xlabel(measure.MASS)
    for ax in axes[:, 0]:
        ax.set_ylabel("log$_{10}$ SFR / M$_*$ [yr$^{-1}$]")
    _save(figure, "planes")

    names = measure.whole_calibrations()
    figure, axes = plt.subplots(len(names), 9, figsize=(11, 10.5), sharex=True, sharey=True, layout="constrained")
    for row, name in zip(axes, names):
        for ax, condition, g in zip(row, CONDITIONS, seen[name]):
            _plane(ax, g, 1.2)
            if name == names[0]:
                ax.set_title("{}, z = {}".format(*condition))
        row[0].set_ylabel(name.replace("_", "\n", 2), fontsize=7)
    figure.supxlabel(f"{measure.MASS}; columns: log$_{{10}}$ M$_0$ and redshift", fontsize=8.5)
    figure.supylabel("log$_{10}$ SFR / M$_*$ [yr$^{-1}$]", fontsize=8.5)
    _save(figure, "planes_all")


def _plane(ax, g: measure.Galaxies, size: float) -> None:
    mass, rate, z = measure.stellar_mass(g), np.maximum(measure.specific_rate(g), -13.8), float(g["redshift"][0])
    for quenched, colour in enumerate(SEQUENCE):
        some = g["is_quenched"] == bool(quenched)
        ax.plot(mass[some], rate[some], ".", ms=size**0.5 * 1.2, mew=0, color=colour, alpha=0.5, rasterized=True)
    halo, ridge = measure.observed_halo_relation(z), measure.observed_main_sequence(z)
    ax.plot(ridge.x, ridge.y - ridge.x, "k-", lw=1.3)
    ax.axvline(np.interp(np.median(g["log10_halo_mass"]), halo.x, halo.y), color="k", ls=":", lw=1.1)
    ax.set(xlim=(8.5, 12.2), ylim=(-14, -8))


def _plane_key(ax) -> None:
    for label, style in (
        ("main sequence", {"color": SEQUENCE[0], "marker": ".", "ls": ""}),
        ("quenched sequence", {"color": SEQUENCE[1], "marker": ".", "ls": ""}),
        ("ridge, Leja+22", {"color": "k"}),
        ("median mass, Behroozi+19", {"color": "k", "ls": ":"}),
    ):
        ax.plot([], [], label=label, **style)
    ax.axis("off")
    ax.legend(loc="center")


# --- colours ------------------------------------------------------------------------------------------------------

COLOUR_BINS, COLOUR_EDGES = (-23.0, -22.0, -21.0, -20.0, -19.0, -17.5), np.arange(0.0, 3.61, 0.1)


def u_minus_r(g: measure.Galaxies) -> list[np.ndarray]:
    """Distribution of u - r in bins of r magnitude, as wide as those of SDSS."""
    m, shift = measure.absolute_magnitudes(g), -5.0 * np.log10(0.7)
    rows = []
    for low in COLOUR_BINS:
        there = (m["r"] >= low + shift) & (m["r"] < low + 0.5 + shift)
        colour = (m["u"] - m["r"])[there]
        rows.append(np.histogram(colour, COLOUR_EDGES, weights=g["weight"][there], density=True)[0])
    return rows


def colour_figures(curves: dict) -> None:
    """u - r beside SDSS, and g - r against r - i through redshift."""
    whole, _ = styles()
    statistic = next(s for s in measure.STATISTICS if s.name == "colour")
    figure, axes = plt.subplots(1, 7, figsize=(15, 3.1), layout="constrained")
    for name, style in whole.items():
        curve = curves[name]["colour"][0]
        axes[0].plot(curve.x, curve.y, **style)
        for ax, y in zip(axes[1:], curves[name]["u - r"]):
            ax.stairs(y, COLOUR_EDGES, color=style["color"], lw=style["lw"])
    _points(axes[0], statistic, "u - r")
    _frame(axes[0], statistic, "u - r", first=True)
    for ax, low in zip(axes[1:], COLOUR_BINS):
        x, y, error = measure.observed_colours(low)[0]
        ax.errorbar(x, y, error, fmt="o", ms=2.5, lw=0.7, color="0.35", mfc="0.75", mew=0.6, zorder=4)
        ax.set(xlim=(0.3, 3.4), xlabel="u - r", ylim=(0, None), title=f"{low} < M$_r$ < {low + 0.5}")
    axes[1].set_ylabel("probability per mag")
    _legends(figure, axes[None, :])
    _save(figure, "colours")

    figure, axes = plt.subplots(2, 8, figsize=(15, 4.6), sharex=True, sharey=True, layout="constrained")
    pairs = [(name, z) for z in (0.15, 0.7) for name in whole]
    for ax, (name, z) in zip(axes.flat, pairs):
        _colour_colour(ax, measure.at(curves[name]["g - r - i"], z))
        ax.set(title=f"{name}\nz = {z}" if z == 0.15 else f"z = {z}", xlim=(-0.3, 1.5), ylim=(-0.4, 2.2))
        ax.title.set_fontsize(7)
    figure.supxlabel("r - i", fontsize=8.5)
    figure.supylabel("g - r", fontsize=8.5)
    _save(figure, "colour_colour_all")
    figure, axes = plt.subplots(1, 4, figsize=(10, 2.9), sharex=True, sharey=True, layout="constrained")
    for ax, z in zip(axes, measure.COLOUR_REDSHIFTS):
        _colour_colour(ax, measure.at(curves[measure.DEFAULT]["g - r - i"], z))
        ax.set(title=f"z = {z}", xlabel="r - i", xlim=(-0.3, 1.5), ylim=(-0.4, 2.2))
    axes[0].set_ylabel("g - r")
    _save(figure, "colour_colour")


def _colour_colour(ax, g: measure.Galaxies) -> None:
    """Where galaxies brighter than r = 24 lie, by sequence; evenly from all masses of halos, not by their number."""
    mag = g["mag_true"]
    bright = np.flatnonzero(mag[:, 1] < 24.0)
    drawn = np.random.default_rng(0).permutation(bright)[:3000]
    colours = mag[drawn, 0] - mag[drawn, 1], mag[drawn, 1] - mag[drawn, 2]
    for quenched, colour in enumerate(SEQUENCE):
        some = g["is_quenched"][drawn] == bool(quenched)
        ax.plot(colours[1][some], colours[0][some], ".", ms=1.6, mew=0, color=colour, alpha=0.6, rasterized=True)


# --- histories ----------------------------------------------------------------------------------------------------


def history_figures() -> None:
    """Growth of random halos, and star formation in the same halos in each calibration of the whole galaxy."""
    masses, each = (11.5, 12.25, 13.0, 13.75), 8
    colours = plt.get_cmap("viridis")(np.linspace(0.0, 0.9, len(masses)))
    names = measure.whole_calibrations()
    figure, axes = plt.subplots(3, 3, figsize=(10, 7.6), sharex=True, layout="constrained")
    for ax, name in zip(axes.flat[1:], names):
        h = measure.histories(name, masses, each)
        for k, rate in enumerate(h["log10_sfr_history"] + KROUPA_TO_CHABRIER):
            ax.plot(h["time"], rate, color=colours[k // each], lw=0.7, ls="--" if h["is_quenched"][k] else "-")
        ax.set(title=name, ylim=(-3, 3))
    for k, mass in enumerate(h["log10_halo_mass_history"]):
        axes.flat[0].plot(h["time"], mass, color=colours[k // each], lw=0.7)
    for mass, colour in zip(masses, colours):
        axes.flat[0].plot([], [], color=colour, label=f"log$_{{10}}$ M$_0$ = {mass}")
    axes.flat[0].legend(loc="lower right")
    axes.flat[0].set(title="halos", ylim=(9, 14.2), ylabel="log$_{10}$ M$_h$ [M$_\\odot$]")
    for ax in axes[1:, 0]:
        ax.set_ylabel("log$_{10}$ SFR [M$_\\odot$ yr$^{-1}$]")
    for ax in axes[-1]:
        ax.set_xlabel("cosmic time [Gyr]")
    _save(figure, "histories")


# --- light of one galaxy ------------------------------------------------------------------------------------------


def light_figures() -> None:
    """Bursts, attenuation, surviving mass and absorption between galaxies."""
    figure, axes = plt.subplots(2, 2, figsize=(10, 6.6), layout="constrained")
    burst_panel(axes[0, 0])
    attenuation_panel(axes[0, 1])
    surviving_panel(axes[1, 0])
    absorption_panel(axes[1, 1])
    _save(figure, "light")


def burst_panel(ax) -> None:
    """Spectra of one main-sequence galaxy at z = 0.5 without its burst and with it, in two calibrations."""
    n = 400
    columns = {"log10_halo_mass": np.full(n, 12.0), "redshift": np.full(n, 0.5), "is_quenched": np.zeros(n, bool)}
    wave = load_templates("bc03_miles_kroupa").wavelength
    for calibration, raised in ((measure.DEFAULT, 1.0), ("cs261020", 100.0)):
        strength = dff.evaluate(columns, ["log10_burst_fraction_if_any"], calibration=calibration)
        row = np.argsort(strength["log10_burst_fraction_if_any"])[int(0.9 * n)]
        fraction = strength["log10_burst_fraction_if_any"][row]
        for bursty, colour in enumerate(SEQUENCE):
            given = {**columns, "is_bursty": np.full(n, bool(bursty))}
            out = dff.evaluate(given, ["spectrum_rest", "log10_stellar_mass"], calibration=calibration)
            light = out["spectrum_rest"][row] / 10.0 ** out["log10_stellar_mass"][row] * raised
            ax.loglog(wave, light, color=colour, lw=0.9, ls="--" if bursty and raised == 1.0 else "-")
        text = f"{calibration}: 10$^{{{fraction:.1f}}}$ of the mass" + (f", x {raised:.0f}" if raised > 1 else "")
        ax.text(0.97, 0.05 if raised == 1.0 else 0.78, text, transform=ax.transAxes, ha="right", fontsize=7)
    for label, colour in zip(("without the burst", "with the burst"), SEQUENCE):
        ax.plot([], [], color=colour, label=label)
    ax.set(xlim=(1000, 2.5e4), ylim=(2e-17, 2e-11), xlabel="rest wavelength [$\\AA$]")
    ax.set(title="bursts, z = 0.5", ylabel="L$_\\nu$ / M$_*$ [L$_\\odot$ Hz$^{-1}$ M$_\\odot^{-1}$]")
    ax.legend(loc="upper left", ncol=2)


def attenuation_panel(ax) -> None:
    """The laws at a slope of -0.3."""
    micron, slope = np.geomspace(0.095, 2.2, 400), -0.3
    laws: dict[str, Callable] = {
        "dust_curve (default)": dust.smooth_starburst_curve,
        "calzetti_2000": lambda w, _: dust_laws.starburst_curve(w),
        "kriek_conroy_2013": dust_laws.kriek_conroy_curve,
        "noll_2009": dust_laws.noll_curve,
        "salim_2018": dust_laws.salim_curve,
    }
    for (name, law), colour in zip(laws.items(), COLOURS):
        ax.semilogx(micron, np.asarray(law(micron, slope)) / dust.R_V, color=colour, label=name)
    ax.axvline(0.55, color="0.6", lw=0.7)
    ax.axhline(1.0, color="0.6", lw=0.7)
    ax.set(xlabel="rest wavelength [$\\mu$m]", ylabel="A / A$_V$", title=f"attenuation, slope {slope}", ylim=(0, 6))
    ax.set_xticks((0.1, 0.2, 0.5, 1.0, 2.0), ("0.1", "0.2", "0.5", "1", "2"))
    ax.legend()


def surviving_panel(ax) -> None:
    """Mass left of what formed, by redshift: living stars, and with remnants."""
    g = measure.galaxies("stars", measure.DEFAULT, 300)
    columns = {name: values for name, values in measure.sample_halos("stars", 300).items() if name != "weight"}
    living = dff.evaluate(columns, ["log10_surviving_mass"])["log10_surviving_mass"]
    heavy = g["log10_stellar_mass"] > 8.5
    rows = {"stars and remnants": g["log10_surviving_mass"], "living stars: log10_surviving_mass": living}
    for (label, mass), colour in zip(rows.items(), SEQUENCE):
        for kind, style in ((~g["is_quenched"], "-"), (g["is_quenched"], "--")):
            left = 10.0 ** (mass - g["log10_stellar_mass"])
            y = [np.median(left[heavy & kind & (g["redshift"] == z)]) for z in measure.MASS_REDSHIFTS]
            ax.plot(measure.MASS_REDSHIFTS, y, style, color=colour, label=label if style == "-" else None)
    ax.plot([], [], "k--", label="quenched")
    ax.set(xlabel="redshift", ylabel="median of mass left / mass formed", ylim=(0.3, 1), title="surviving mass")
    ax.legend()


def absorption_panel(ax) -> None:
    """What the gas between galaxies lets through, by redshift of the source."""
    wave = np.linspace(2500.0, 8500.0, 2000)
    for z, colour in zip((2.0, 3.0, 4.0, 5.0), COLOURS[1:]):
        for name, style in (("inoue_2014", "-"), ("madau_1995", ":")):
            label = f"z = {z:.0f}" if style == "-" else None
            ax.plot(wave, igm.transmission(name, z, wave), style, color=colour, lw=0.9, label=label)
    ax.plot([], [], "k:", label="madau_1995")
    ax.set(xlabel="observed wavelength [$\\AA$]", ylabel="transmission", title="between galaxies, inoue_2014")
    ax.legend()


# --- page ---------------------------------------------------------------------------------------------------------


def tables(distances: dict[str, dict[str, measure.Distance]]) -> dict[str, str]:
    """The tables of the page by the name of their markers: distances, and the share of points within their errors."""
    statistics = [*(s.name for s in measure.STATISTICS), "M0 mass", "M0 rate"]
    rows = {
        name: [f"{d.rms:.2f} ({d.offset:+.2f})" for d in _of(found, statistics)] for name, found in distances.items()
    }
    best = ["**nearest**"]
    for statistic in statistics:
        name = min(distances, key=lambda n: distances[n][statistic].rms)
        best.append(_short(name))
    known = [s for s in statistics if any(np.isfinite(found[s].within) for found in distances.values())]
    shares = {name: [f"{d.within:.2f}" for d in _of(found, known)] for name, found in distances.items()}
    return {
        "distances": _table(["calibration", *statistics], [[f"`{_short(n)}`", *r] for n, r in rows.items()] + [best]),
        "errors": _table(["calibration", *known], [[f"`{_short(name)}`", *row] for name, row in shares.items()]),
    }


def _of(found: dict[str, measure.Distance], names: Sequence[str]) -> list[measure.Distance]:
    return [found[name] for name in names]


def _short(name: str) -> str:
    return name.replace(f"{measure.DEFAULT}+diffstarpop", "+diffstarpop")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_page(distances: dict[str, dict[str, measure.Distance]]) -> None:
    """Put the tables between their markers."""
    text = PAGE.read_text()
    for name, table in tables(distances).items():
        made = f"<!-- {name} -->\n\n{table}\n\n<!-- end of {name} -->"
        text = TABLES[name].sub(lambda _, made=made: made, text)
    PAGE.write_text(text)


def _save(figure, name: str) -> None:
    path = FIGURES / f"{name}.png"
    figure.savefig(path)
    plt.close(figure)
    with Image.open(path) as image:
        few = image.convert("RGB").quantize(256, kmeans=2, dither=Image.Dither.NONE)  # half the bytes
    few.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e3:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
