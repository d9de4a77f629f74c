"""Photometry beside diffsky 0.3: `python -m tests.benchmarks.photometry [--json FILE] [--quick]`.

Each case runs in a process of its own, one after the other, on the same galaxies, templates and bands; let the machine
be idle. The peer is taken at the size where it is fastest; it hangs or runs out of memory above 2e4 galaxies.
The floor is what the arithmetic of the contraction alone takes at the measured rate of a matrix product in 32 bits.
"""

import argparse
import json
import time

import numpy as np

from tests.benchmarks.measure import measured

# name, our case and sizes, the peer's case and sizes
CASES = (
    ("monte_carlo, as shipped", "monte_carlo", (10_000, 100_000), "monte_carlo", (1_000, 10_000)),
    ("monte_carlo, drawn branch only", "monte_carlo", (10_000, 100_000), "monte_carlo_only", (10_000,)),
    ("gradient, 216 parameters", "gradient", (16_000,), "gradient", (1_000, 4_000)),
    ("histories", "histories", (100_000,), None, ()),
)
AGES, METALLICITIES, BANDS = 94, 22, 10


def floor_per_s() -> float:
    """Galaxies/s of the matrix product alone: two redshift nodes x metallicities x (bands x ages), all cores."""
    rng = np.random.default_rng(0)
    a, b = (rng.random(shape, np.float32) for shape in ((2048, 2048), (2048, 2048)))
    a @ b
    start = time.perf_counter()
    for _ in range(5):
        a @ b
    per_product = (time.perf_counter() - start) / (5 * 2048**3)
    return 1.0 / (per_product * 2 * METALLICITIES * BANDS * AGES)


def rows(quick: bool) -> list[dict]:
    """All cases, measured one after the other."""
    floor, found, cache = floor_per_s(), [], {}

    def once(module, case, n):
        key = (module, case, n)
        if key not in cache:
            cache[key] = measured(f"tests.benchmarks.{module}", case, n)
        return cache[key]

    for name, ours, our_sizes, peer, peer_sizes in CASES:
        theirs = [once("peer", peer, n) for n in peer_sizes[:1] if quick] or [once("peer", peer, n) for n in peer_sizes]
        best = max((t for t in theirs if t), key=lambda t: t["per_s"], default=None)
        for n in our_sizes[:1] if quick else our_sizes:
            mine = once("ours", ours, n)
            if mine is None:
                continue
            found.append(
                {
                    "name": name,
                    "n": n,
                    "ours_per_s": mine["per_s"],
                    "peer_per_s": best and best["per_s"],
                    "ratio": best and mine["per_s"] / best["per_s"],
                    "ours_peak_mb": mine["peak_mb"],
                    "peer_peak_mb": best and best["peak_mb"],
                    "floor_per_s": floor,
                    "ours_first_s": mine["first_s"] + mine["set_up_s"],
                }
            )
    return found


def main() -> None:
    """Measure, print a table, write JSON if asked."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    parser.add_argument("--quick", action="store_true", help="one size of each case")
    options = parser.parse_args()
    found = rows(options.quick)
    table = Table(*("case", "n", "ours /s", "peer /s", "ratio", "ours MB", "peer MB", "floor /s", "first result s"))
    for row in found:
        values = [row[key] for key in ("n", "ours_per_s", "peer_per_s")]
        shown = [f"{value:,.0f}" if value else "-" for value in values]
        ratio = f"{row['ratio']:.1f}" if row["ratio"] else "-"
        memory = [f"{row[key]:,.0f}" if row[key] else "-" for key in ("ours_peak_mb", "peer_peak_mb", "floor_per_s")]
        table.add_row(row["name"], *shown, ratio, *memory, f"{row['ours_first_s']:.1f}")
    Console(width=140).print(table)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    main()
