"""Large-scale structure of the synthetic universe against linear theory and published fits.

python -m tests.benchmarks.synthetic_structure [--json FILE] [--chunks 6] [--seed 0]

Mass functions against colossus; bias, its redshift-space distortion and velocities in a box at fixed redshift.
"""

import argparse
import json
import time
from itertools import pairwise

import numpy as np
import scipy.fft
from scipy.integrate import cumulative_trapezoid

from diffsky_factory.halos.synthetic import structure
from diffsky_factory.halos.synthetic.universe import Synthetic, _structure, _tables
from diffsky_factory.physics.structure import chunks
from diffsky_factory.physics.structure.abundance import NAMES, LinearTheory, abundance, mass_function
from diffsky_factory.sky.cosmology import Cosmology
from tests.reference import FOLDER

REDSHIFTS = 0.0, 0.5, 1.0, 2.0
CLUSTERED = 0.5, 1.0
CLUSTERED_KINDS = "tinker_2008", "smdpl"
MASS_EDGES = np.arange(11.0, 14.51, 0.25)
BIAS_EDGES = np.array([12.0, 12.5, 13.0, 13.5, 14.0])
RADII = np.arange(20.0, 81.0, 10.0)  # Mpc
FEWEST = 1500  # chosen: hosts expected in a bin of mass; Poisson noise is then half of the tolerance
COMMON, RARE = 11.0, 13.0  # dex(Msun): least masses of the few and of all chunks of the mass functions
EDGE = 6  # cells at the faces that are left out: what moves in from beyond is not made there
EVERY = np.ones(structure.BLOCKS**3, bool)


def reference_cosmology() -> tuple[Cosmology, dict]:
    """The cosmology of the reference mass functions, and their values."""
    with np.load(FOLDER / "golden" / "hmf.npz") as file:
        golden = {key.removeprefix("planck15_"): file[key] for key in file}
    values = {key: float(golden[f"param_{key}"]) for key in ("Om0", "Ob0", "sigma8", "ns")}
    return Cosmology(**values, h=float(golden["param_H0"]) / 100.0), golden


def reference_density(kind: str, theory: LinearTheory, golden: dict, redshift: float, mass: np.ndarray) -> np.ndarray:
    """Hosts per dex and Mpc^3: of colossus for the kinds it has, of the published form for the others."""
    if kind.startswith("smdpl"):
        return abundance(theory, mass_function(kind), np.array([redshift]), mass).density_per_dex[0]
    h = theory.cosmology.h
    key = {"tinker_2008": "tinker08_dndlnm_200m_h3mpc-3", "despali_2016": "despali16_dndlnm_vir"}[kind]
    row = golden[key][list(golden["z"]).index(redshift)]
    log_density = np.interp(mass + np.log10(h), np.log10(golden["m_msun_h"]), np.log(row))
    return np.exp(log_density) * np.log(10.0) * h**3


def hosts_per_bin(kind, theory, golden, redshift) -> np.ndarray:
    """Expected hosts per Mpc^3 in the bins of mass."""
    m = np.arange(MASS_EDGES[0], MASS_EDGES[-1] + 1e-9, 0.005)
    above = cumulative_trapezoid(reference_density(kind, theory, golden, redshift, m), m, initial=0.0)
    return np.diff(np.interp(MASS_EDGES, m, above))


def places(n: int) -> list[tuple[int, int, int]]:
    """Chunks of a cube, away from the observer."""
    return [(i + 2, j - n // 2, k - n // 2) for i, j, k in np.ndindex(n, n, n)]


def deposit(grid: np.ndarray, position: np.ndarray, corner: np.ndarray, cell: float) -> None:
    """Count points into the cells of a cube, in the part of it around a chunk."""
    at = np.floor(position / cell).astype(np.int64) - corner
    low = np.maximum(at.min(axis=0), 0)
    size = np.minimum(at.max(axis=0) + 1, grid.shape) - low
    inside = ((at >= low) & (at < low + size)).all(axis=1)
    index = np.ravel_multi_index((at[inside] - low).T, size)
    part = tuple(slice(a, a + b) for a, b in zip(low, size))
    grid[part] += np.bincount(index, minlength=int(np.prod(size))).reshape(size)


def inner(grid: np.ndarray) -> np.ndarray:
    """The cube without its faces."""
    return grid[EDGE:-EDGE, EDGE:-EDGE, EDGE:-EDGE]


def lags(n: int, cell: float) -> tuple[int, np.ndarray, list[np.ndarray]]:
    """Size of a padded transform, which of its lags along an axis are short, and the three components of each."""
    size = scipy.fft.next_fast_len(n + int(RADII[-1] / cell) + 2, real=True)
    lag = scipy.fft.fftfreq(size, 1.0 / size) * cell
    near = np.flatnonzero(np.abs(lag) <= RADII[-1])
    return size, near, np.meshgrid(lag[near], lag[near], lag[near], indexing="ij")


def products(one: np.ndarray, other: np.ndarray, cell: float) -> np.ndarray:
    """Mean product of two overdensities of a cube at each short lag."""
    size, near, _ = lags(one.shape[0], cell)

    def waves(x):
        return scipy.fft.rfftn(x, s=(size,) * 3, workers=2)

    def pairs(a, b):
        return scipy.fft.irfftn(a * np.conj(b), s=(size,) * 3, workers=2)[np.ix_(near, near, near)]

    first, everywhere = waves(one), waves(np.ones_like(one))
    return pairs(first, first if other is one else waves(other)) / pairs(everywhere, everywhere)


def correlation(one: np.ndarray, other: np.ndarray, cell: float, poles=(0,), sight: int = 2) -> np.ndarray:
    """Multipoles of the correlation of two overdensities of a cube in the bins of RADII, (pole, bin).

    sight is the axis along which the observer looks. The lags are few and on a lattice, on which the mean square of a
    Legendre polynomial is not that of the sphere: it is summed, as a least-squares fit does.
    """
    found, (_, _, lag) = products(one, other, cell), lags(one.shape[0], cell)
    r = np.sqrt(sum(x**2 for x in lag))
    mu = lag[sight] / np.maximum(r, 1e-9)
    legendre = {0: np.ones_like(mu), 2: 0.5 * (3.0 * mu**2 - 1.0)}
    which = np.digitize(r, RADII).ravel()

    def summed(x):
        return np.bincount(which, x.ravel(), len(RADII) + 1)[1:-1]

    return np.array([summed(found * legendre[pole]) / summed(legendre[pole] ** 2) for pole in poles])


def mean_within(one: np.ndarray, cell: float, shot: float) -> np.ndarray:
    """Mean of the correlation of a cube with itself within the radii of each bin of RADII; shot noise is taken off."""
    found, (_, _, lag) = products(one, one, cell), lags(one.shape[0], cell)
    r = np.sqrt(sum(x**2 for x in lag)).ravel()
    order = np.argsort(r)
    values = found.ravel()[order]
    values[0] -= shot
    within = np.cumsum(values) / np.arange(1, len(values) + 1)
    which = np.digitize(r[order], RADII)
    return np.array([within[which == i].mean() for i in range(1, len(RADII))])


def linear_correlation(theory: LinearTheory, redshift: float, cell: float) -> np.ndarray:
    """xi and its mean within r, averaged over the bins of RADII and over cells, of linear theory: (2, bin)."""
    k = theory.power.wavenumber
    growth = theory.growth.at(np.array([redshift]))[0][0]
    window = np.exp(-(k**2) * (cell**2 / 12.0 + 1.0))  # cells, and 1 Mpc that tames the integral

    def bessel(x):
        return np.sin(x) / x

    r = np.arange(0.5, RADII[-1] + 1.0, 0.5)
    xi = growth**2 * np.array([theory.power.integral(bessel(k * x) * window) for x in r])
    within = 3.0 / r**3 * cumulative_trapezoid(xi * r**2, r, initial=0.0)
    which = np.digitize(r, RADII)
    bins = range(1, len(RADII))
    return np.array([[np.average(f[which == i], weights=r[which == i] ** 2) for i in bins] for f in (xi, within)])


def over_bins(x: np.ndarray) -> float:
    """One number of a correlation: its sum over the bins by r^2."""
    middle = 0.5 * (RADII[1:] + RADII[:-1])
    return float(np.sum(x * middle**2))


def measure(n: int, seed: int) -> dict:
    """All that is measured, and how long it took."""
    began = time.perf_counter()
    cosmology, golden = reference_cosmology()
    universe = Synthetic(cosmology=cosmology, seed=seed, log10_mass_min=12.0)
    known = _structure(universe)
    sizes = {"chunks": n**3, "volume_gpc3": (n * chunks.CELLS * universe.cell / 1000.0) ** 3}
    counts, boxes, speeds = gather(universe, known, n)
    rows = [*mass_function_rows(known.theory, golden, universe.cell, counts)]
    for kind in CLUSTERED_KINDS:
        for z in CLUSTERED:
            rows += clustering_rows(known, kind, z, boxes)
    velocity = {z: np.sqrt(total / number) / expected_speed(known, z) - 1.0 for z, (total, number) in speeds.items()}
    rows += [("velocity rms over linear theory", f"z = {z}", 1.0 + off, off) for z, off in velocity.items()]
    return {"rows": rows, **sizes, "seconds": time.perf_counter() - began, **summary(rows)}


def gather(universe: Synthetic, known, n: int):
    """Histograms of mass, boxes of counts and velocities from the chunks of a cube."""
    tables = {
        (kind, z, least): _tables(
            Synthetic(cosmology=universe.cosmology, mass_function=kind, log10_mass_min=least),
            (max(z - 0.01, 0.0), z + 0.01),
            known.sigma,
        )
        for kind in NAMES
        for z in REDSHIFTS
        for least in (COMMON, BIAS_EDGES[0], RARE)
        if least != BIAS_EDGES[0] or (kind in CLUSTERED_KINDS and z in CLUSTERED)
    }
    shape = (n * chunks.CELLS,) * 3
    bins = len(BIAS_EDGES) - 1
    boxes = {("matter", z): np.zeros(shape) for z in CLUSTERED}
    kept = (*range(bins), "x", "y", "z")  # bins of mass; all of them, seen along each axis in redshift space
    boxes |= {(kind, z, i): np.zeros(shape, np.float32) for kind in CLUSTERED_KINDS for z in CLUSTERED for i in kept}
    counts = {key: [0, np.zeros(len(MASS_EDGES) - 1)] for key in tables if key[2] != BIAS_EDGES[0]}
    speeds = {z: [0.0, 0] for z in CLUSTERED}
    corner = np.array(places(n)[0]) * chunks.CELLS
    for number, place in enumerate(places(n)):
        linear = structure._linear(known, place)
        for z in REDSHIFTS:
            at = np.full((chunks.NODES,) * 3, z)
            cells = structure._cells(known, place, linear, at, at)
            for (kind, when, least), table in tables.items():
                if when != z:
                    continue
                if least == BIAS_EDGES[0]:
                    fill(boxes, speeds, known, table, cells, kind, z, corner)
                elif least == RARE or number % max(n**3 // 12, 1) == 0:
                    entry = counts[kind, z, least]
                    entry[0] += 1
                    entry[1] += np.histogram(masses(known, table, cells), MASS_EDGES)[0]
            if z in CLUSTERED:
                deposit(boxes["matter", z], matter(known, cells), corner, universe.cell)
    return counts, boxes, speeds


def masses(known, table, cells) -> np.ndarray:
    """Masses of all hosts of a chunk."""
    cell, halo_id = structure._numbered(known, table, cells, EVERY)
    return structure.drawn_masses(known, table, cells, cell, halo_id)


def matter(known, cells) -> np.ndarray:
    """Positions of eight particles per cell."""
    corners = (np.array(list(np.ndindex(2, 2, 2))) + 0.5) / 2.0
    start = (structure.CELL_PLACES[:, None, :] + corners).reshape(-1, 3)
    return structure.moved_points(known.cell, cells, start)[0]


def fill(boxes, speeds, known, table, cells, kind, z, corner) -> None:
    """Count the hosts of a chunk, where they are and where their velocities make them seem to be along each axis."""
    found = structure.hosts(known, table, cells, EVERY, lambda x: np.ones(len(x), bool))
    hubble = 100.0 * known.theory.cosmology.h * float(known.distances.hubble(z)) / (1.0 + z)
    for i, (low, high) in enumerate(pairwise(BIAS_EDGES)):
        some = (found.log10_mass >= low) & (found.log10_mass < high)
        deposit(boxes[kind, z, i], found.position[some], corner, known.cell)
    some = found.log10_mass < BIAS_EDGES[-1]
    for axis, name in enumerate("xyz"):
        shifted = found.position[some]
        shifted[:, axis] += found.velocity[some, axis] / hubble
        deposit(boxes[kind, z, name], shifted, corner, known.cell)
    speeds[z][0] += float(np.sum(found.velocity**2)) / 3.0
    speeds[z][1] += len(found.velocity)


def expected_speed(known, z: float) -> float:
    """Rms velocity along an axis of linear theory, km/s."""
    return known.displacement * float(known.rates.first_velocity(z))


def mass_function_rows(theory, golden, cell, counts) -> list[tuple]:
    """Largest deviation of each mass function at each redshift."""
    rows = []
    for kind in NAMES:
        for z in REDSHIFTS:
            expected = hosts_per_bin(kind, theory, golden, z)
            worst = (0.0, 0.0)
            for i in range(len(expected)):
                number, histogram = counts[kind, z, RARE if MASS_EDGES[i] >= RARE else COMMON]
                mean = expected[i] * number * (chunks.CELLS * cell) ** 3
                if mean > FEWEST and abs(histogram[i] / mean - 1.0) > abs(worst[0]):
                    worst = (histogram[i] / mean - 1.0, MASS_EDGES[i])
            rows.append(("mass function", f"{kind}, z = {z}, largest at 1e{worst[1]:.2f}", 1.0 + worst[0], worst[0]))
    return rows


def clustering_rows(known, kind: str, z: float, boxes) -> list[tuple]:
    """Bias from matter and from linear theory, and the distortion in redshift space, by bins of mass."""
    theory, cell = known.theory, known.cell
    matter_box = inner(boxes["matter", z]) / 8.0 - 1.0
    of_matter = over_bins(correlation(matter_box, matter_box, cell)[0])
    linear = linear_correlation(theory, z, cell)
    rows = [("matter correlation over linear", f"z = {z}", of_matter / over_bins(linear[0]), None)]
    m = np.arange(BIAS_EDGES[0], BIAS_EDGES[-1] + 1e-9, 0.01)
    at = abundance(theory, mass_function(kind), np.array([z]), m)
    rate = float(theory.growth.at(np.array([z]))[1][0])
    for i, (low, high) in enumerate(pairwise(BIAS_EDGES)):
        some = (m >= low) & (m < high)
        bias = np.average(at.bias[0][some], weights=at.density_per_dex[0][some])
        real = overdensity(boxes[kind, z, i])
        name = f"{kind}, z = {z}, 1e{low:.1f}"
        cross = over_bins(correlation(real, matter_box, cell)[0]) / of_matter
        own = np.sqrt(over_bins(correlation(real, real, cell)[0]) / over_bins(linear[0]))
        rows.append(("bias, with matter", name, cross, cross / bias - 1.0))
        rows.append(("bias, with itself", name, own, own / bias - 1.0))
    beta = rate / np.average(at.bias[0], weights=at.density_per_dex[0])
    # over three lines of sight the chance anisotropy of a box cancels to first order
    seen = [overdensity(boxes[kind, z, axis]) for axis in "xyz"]
    poles = sum(correlation(x, x, cell, (0, 2), sight) for sight, x in enumerate(seen))
    shot = [1.0 / inner(boxes[kind, z, axis]).mean() for axis in "xyz"]
    seen_within = sum(mean_within(x, cell, noise) for x, noise in zip(seen, shot))
    name, expected = f"{kind}, z = {z}, above 1e12", kaiser(beta)
    ratio = over_bins(poles[1]) / over_bins(poles[0] - seen_within)
    rows.append(("quadrupole/monopole, Q(s)", name, ratio, ratio / expected - 1.0))
    grid = sum(boxes[kind, z, i] for i in range(len(BIAS_EDGES) - 1))
    real = overdensity(grid)
    own = correlation(real, real, cell)[0], mean_within(real, cell, 1.0 / inner(grid).mean())
    ratio = over_bins(poles[1]) / over_bins(poles[0])
    for of, (xi, within) in (("real space", own), ("linear theory", linear)):
        off = ratio / (expected * over_bins(xi - within) / over_bins(xi)) - 1.0
        rows.append((f"quadrupole/monopole, {of}", name, ratio, off))
    return rows


def kaiser(beta: float) -> float:
    """Q(s) = xi_2 / (xi_0 - <xi_0> within s), in linear theory the same at every s.

    All of it is measured in redshift space, so that neither the shape of the correlation nor what a finite volume has
    of it by chance matters.
    Source: Hamilton 1992, ApJ 385, L5, Eqs. 6 to 8.
    """
    return (4.0 * beta / 3.0 + 4.0 * beta**2 / 7.0) / (1.0 + 2.0 * beta / 3.0 + beta**2 / 5.0)


def overdensity(grid: np.ndarray) -> np.ndarray:
    """Overdensity of counts in a cube without its faces."""
    some = inner(grid).astype(np.float64)
    return some / some.mean() - 1.0


def summary(rows: list[tuple]) -> dict[str, float]:
    """The largest deviation of each kind."""

    def largest(start):
        return max(abs(row[3]) for row in rows if row[0].startswith(start) and row[3] is not None)

    return {
        "mass_function_max_fraction_off": largest("mass function"),
        "bias_max_fraction_off": largest("bias, with matter"),
        "bias_auto_max_fraction_off": largest("bias, with itself"),
        "kaiser_ratio_fraction_off": largest("quadrupole/monopole, Q"),
        "kaiser_ratio_of_real_space_fraction_off": largest("quadrupole/monopole, real"),
        "kaiser_ratio_of_linear_fraction_off": largest("quadrupole/monopole, linear"),
        "velocity_rms_fraction_off": largest("velocity"),
    }


def main() -> None:
    """Measure, print a table and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", default="")
    parser.add_argument("--chunks", type=int, default=6, help="along the cube, 256 Mpc each")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    found = measure(arguments.chunks, arguments.seed)
    for what, which, value, off in found["rows"]:
        print(f"{what:32s} {which:44s} {value:8.3f}" + ("" if off is None else f" {off:+8.3f}"))
    figures = {name: value for name, value in found.items() if name != "rows"}
    for name, value in figures.items():
        print(f"{name:34s} {value:.4g}")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(figures, file, indent=2)


if __name__ == "__main__":
    main()
