"""Galaxies beside diffsky 0.3: `python -m tests.benchmarks.photometry [--json FILE] [--quick]`.

Each case runs in a process of its own, one after the other, on the same galaxies, templates and bands; let the machine
be idle. The peer is taken at the size where it is fastest; it hangs or runs out of memory above 2e4 galaxies.
The floor is the time of the operations that a case cannot do without, at rates measured here: of a matrix product in
32 bits, of exponentials (logarithms, powers), and of moving bytes, on all cores.
"""

import argparse
import json
import time
from typing import NamedTuple

import numpy as np

from tests.benchmarks.measure import measured

AGES, METALLICITIES, BANDS, WAVELENGTHS, TIMES, LINES = 94, 22, 10, 1963, 100, 2


class Work(NamedTuple):
    """What one galaxy cannot do without."""

    operations: float  # of matrix products
    exponentials: float
    bytes: float  # read or written once, 4 for each number


HISTORY = Work(2 * 2 * TIMES**2, 6 * TIMES, 4 * 2 * TIMES)  # two running sums; two sigmoids, a power, three logarithms
AGED = Work(HISTORY.operations, HISTORY.exponentials + 4 * AGES, 4 * (AGES + METALLICITIES))
CONTRACTION = Work(2 * 2 * METALLICITIES * BANDS * AGES, BANDS * AGES, 4 * 3 * BANDS)
LINE_SUM = Work(2 * METALLICITIES * LINES * AGES, LINES * AGES, 4 * LINES)
SPECTRUM = Work(2 * METALLICITIES * AGES * WAVELENGTHS, AGES * WAVELENGTHS, 4 * 3 * WAVELENGTHS)


def total(*parts: Work, times: float = 1.0) -> Work:
    """Work of several parts, some times over."""
    return Work(*(times * sum(column) for column in zip(*parts)))


class Case(NamedTuple):
    """A row of the table: our case and sizes, the peer's case and sizes, and the least work."""

    name: str
    ours: str
    sizes: tuple[int, ...]
    peer: str
    peer_sizes: tuple[int, ...]
    work: Work


DRAWN = total(AGED, CONTRACTION)
CASES = (
    Case("monte_carlo, as shipped", "monte_carlo", (10_000, 100_000), "monte_carlo", (1_000, 10_000), DRAWN),
    Case("monte_carlo, drawn branch only", "monte_carlo", (10_000, 100_000), "monte_carlo_only", (10_000,), DRAWN),
    # two sequences; a product more for each factor of a product, and the derivative of an exponential is itself
    Case("gradient, 216 parameters", "gradient", (16_000,), "gradient", (1_000, 4_000), total(DRAWN, times=6.0)),
    Case("components: disk, bulge, knots, 2 lines", "components", (10_000, 100_000), "components", (1_000, 10_000),
         total(DRAWN, AGED, LINE_SUM)),
    Case("spectra, 1963 wavelengths", "spectra", (4_000,), "spectra", (100, 1_000), total(AGED, SPECTRUM)),
    Case("histories, 100 times", "histories", (100_000,), "histories", (10_000, 100_000), HISTORY),
)  # fmt: skip


class Rates(NamedTuple):
    """What this machine does in a second, all cores."""

    operations: float
    exponentials: float
    bytes: float


def rates() -> Rates:
    """Measured: a product of matrices, exponentials and a copy of arrays that fit no cache."""
    from diffsky_factory.core.machine import cores

    rng = np.random.default_rng(0)
    a, b = (rng.random((2048, 2048), np.float32) for _ in range(2))
    x, large = rng.random(2**14, np.float32), rng.random(2**26, np.float32)
    copy = np.empty_like(large)

    def best(call, n=5):
        times = []
        for _ in range(n):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        return min(times)

    product = 2 * 2048**3 / best(lambda: a @ b)
    exponentials = cores() * len(x) / best(lambda: np.exp(x), 50)
    return Rates(product, exponentials, 2 * large.nbytes / best(lambda: np.copyto(copy, large)))


def floor_per_s(work: Work, machine: Rates) -> float:
    """Galaxies/s of the least work: arithmetic, or bytes where they take longer."""
    arithmetic = work.operations / machine.operations + work.exponentials / machine.exponentials
    return 1.0 / max(arithmetic, work.bytes / machine.bytes)


def rows(quick: bool) -> list[dict]:
    """All cases, measured one after the other."""
    machine, found, cache = rates(), [], {}

    def once(module, case, n):
        key = (module, case, n)
        if key not in cache:
            cache[key] = measured(f"tests.benchmarks.{module}", case, n)
        return cache[key]

    for case in CASES:
        theirs = [once("peer", case.peer, n) for n in (case.peer_sizes[:1] if quick else case.peer_sizes)]
        best = max((t for t in theirs if t), key=lambda t: t["per_s"], default=None)
        for n in case.sizes[:1] if quick else case.sizes:
            mine = once("ours", case.ours, n)
            if mine is None:
                continue
            found.append(
                {
                    "name": case.name,
                    "n": n,
                    "ours_per_s": mine["per_s"],
                    "peer_per_s": best and best["per_s"],
                    "ratio": best and mine["per_s"] / best["per_s"],
                    "ours_peak_mb": mine["peak_mb"],
                    "peer_peak_mb": best and best["peak_mb"],
                    "floor_per_s": floor_per_s(case.work, machine),
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
