"""Gradients by chunks beside the gradient in memory: `python -m tests.benchmarks.gradient_over_chunks [--quick]`.

The mean magnitude of galaxies in ten bands, averaged over the populations, and its gradient with respect to all
parameters of the model: by `sum_over_chunks` from a recipe, halos drawn and two passes made, and, as the floor, the
compiled gradient of one block in memory, with halos, draws and all else at hand. Each case has a process of its own;
let the machine be idle. Memory is that above what imports and tables take.
"""

import json
import sys
import time

from tests.benchmarks.measure import measured, peak_mb

BLOCK = 4096
BANDS = ["lsst_u", "lsst_g", "lsst_r", "lsst_i", "lsst_z", "lsst_y", "euclid_Y", "euclid_J", "euclid_H", "roman_F158"]
RECIPE = {
    "simulation": "synthetic",
    "redshift": [0.2, 0.8],
    "halo_mass_min": 1.0e11,
    "replace": {"merging_monte_carlo": "merging_mean"},
    "bands": BANDS,
    "columns": ["galaxy_id", "mag_mean"],
    "tiles": {"order": 7, "block": 4096},
    "seed": 1,
}
MODULE = "tests.benchmarks.gradient_over_chunks"


def magnitude(*, mag_mean):
    """What a galaxy contributes."""
    return mag_mean


def mean(total):
    """Mean over the bands, per galaxy of the smallest case."""
    import jax.numpy as jnp

    return jnp.mean(total) / 1e5


def recipe_of(galaxies: int):
    """A recipe of whole tiles with about so many galaxies, and how many they are."""
    import diffsky_factory as dff
    from diffsky_factory.factory.assembly import Assembly

    pixels, found = [], 0
    first = 12 * 4**7 // 2
    while found < galaxies:
        parts = Assembly(dff.load_recipe(RECIPE, region={"order": 7, "pixels": [first + len(pixels)]}))
        pixels.append(first + len(pixels))
        found += sum(parts.counts)
    return dff.load_recipe(RECIPE, region={"order": 7, "pixels": pixels}), found


def by_chunks(galaxies: int, workers: int) -> None:
    """Time one call, when programs are compiled."""
    import diffsky_factory as dff

    small, _ = recipe_of(1)
    recipe, found = recipe_of(galaxies)
    dff.sum_over_chunks(magnitude, small.model_copy(), loss=mean, block=BLOCK, workers=1)
    before = peak_mb()
    start = time.perf_counter()
    summed = dff.sum_over_chunks(magnitude, recipe, loss=mean, block=BLOCK, workers=workers)
    seconds = time.perf_counter() - start
    result = {"rows": found, "per_s": found / seconds, "peak_mb": peak_mb(), "above_mb": peak_mb() - before}
    print(json.dumps({**result, "loss": summed.loss}), flush=True)


def in_memory(galaxies: int) -> None:
    """The floor: one block again and again, compiled, everything at hand."""
    import jax
    import jax.numpy as jnp

    import diffsky_factory as dff
    from diffsky_factory.factory.assembly import Assembly

    parts = Assembly(recipe_of(1)[0])
    halos = parts.halos(int(parts.tiles[0]))
    given = {name: halos[name][:BLOCK] for name in ("log10_halo_mass", "redshift", "is_central", "environment")}
    galaxies_of = dff.differentiable(given, ["mag_mean"], parts.model, cosmology=parts.cosmology)
    step = jax.jit(jax.value_and_grad(lambda p: jnp.mean(galaxies_of(p)["mag_mean"])))
    jax.block_until_ready(step(galaxies_of.parameters))
    before, times = peak_mb(), -(-galaxies // BLOCK)
    start = time.perf_counter()
    for _ in range(times):
        jax.block_until_ready(step(galaxies_of.parameters))
    seconds = time.perf_counter() - start
    result = {"rows": times * BLOCK, "per_s": times * BLOCK / seconds, "peak_mb": peak_mb()}
    print(json.dumps({**result, "above_mb": peak_mb() - before, "loss": 0.0}), flush=True)


CASES = {"one_worker": lambda n: by_chunks(n, 1), "two_workers": lambda n: by_chunks(n, 2), "in_memory": in_memory}


def main() -> None:
    """Run all cases and print a table; with --quick the smaller size alone."""
    sizes = (100_000,) if "--quick" in sys.argv else (100_000, 1_000_000)
    floor = measured(MODULE, "in_memory", 65_536, timeout=1800.0)
    print(f"{'case':28} {'galaxies':>10} {'galaxies/s':>11} {'of floor':>9} {'peak MB':>8} {'above MB':>9}")
    rows = [("in memory, one block", floor)]
    rows += [
        (f"by chunks, {case.replace('_', ' ')}", measured(MODULE, case, size, timeout=1800.0))
        for size in sizes
        for case in ("one_worker", "two_workers")
    ]
    for name, found in rows:
        if found and floor:
            share = found["per_s"] / floor["per_s"]
            print(
                f"{name:28} {found['rows']:10,} {found['per_s']:11,.0f} {share:9.2f} "
                f"{found['peak_mb']:8,.0f} {found['above_mb']:9,.0f}"
            )


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] in CASES:
        CASES[sys.argv[1]](int(float(sys.argv[2])))
    else:
        main()
