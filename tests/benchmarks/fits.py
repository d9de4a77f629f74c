"""Fits of histories, ours and the peers': `python -m tests.benchmarks.fits [--json FILE]`; needs the extra `peers`.

Both fit the same made halo histories and the same star formation histories, each case in a process of
its own, warm. The floor of ours is the time of what one fit cannot do without: the scan and one evaluation.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from tests.agreement import halo_histories, star_formation_histories
from tests.benchmarks.measure import measured, report

SIZES = {"growth": (65536, 100), "stars": (1024, 20), "growth_floor": (65536, None)}


def growth_histories(n: int) -> np.ndarray:
    """Log10 masses (n, T) of made histories, repeated."""
    return np.resize(halo_histories.made(), (n, len(halo_histories.TIMES)))


def growth(n: int):
    """Our fits of n halo histories."""
    from diffsky_factory.factory.fitting import fit_growth

    masses = growth_histories(n).astype(np.float32)
    return lambda: fit_growth(halo_histories.TIMES, masses, today=halo_histories.TIMES[-1])


def growth_floor(n: int):
    """The scan over logtc and one evaluation at its minimum: no fit does with less."""
    from concurrent.futures import ThreadPoolExecutor

    import jax
    import jax.numpy as jnp

    from diffsky_factory.core.machine import cores
    from diffsky_factory.factory.fitting import GROWTH_BLOCK
    from diffsky_factory.physics.halos import growth_fit

    time = jnp.asarray(halo_histories.TIMES, jnp.float32)
    x, today = jnp.log10(time / time[-1]), time[-1]

    @jax.jit
    def once(masses):
        target = growth_fit.targets(masses.T, time, -jnp.inf)
        return growth_fit.at_transition(target, x, today, growth_fit.scan(target, x, today)[0])

    masses = growth_histories(n).astype(np.float32)
    blocks = [masses[i : i + GROWTH_BLOCK] for i in range(0, n, GROWTH_BLOCK)]

    def whole():
        with ThreadPoolExecutor(cores()) as pool:
            return list(pool.map(lambda block: jax.device_get(once(block)), blocks))

    return whole


def stars(n: int):
    """Our fits of n star formation histories."""
    from diffsky_factory.factory.fitting import fit_star_formation

    growth, rates = (np.resize(values, (n, values.shape[1])) for values in star_formation_histories.histories(40))
    today = star_formation_histories.TODAY
    return lambda: fit_star_formation(star_formation_histories.TIMES, rates, growth, today=today)


def peer_growth(n: int):
    """diffmah's fits, one after the other."""
    from tests.agreement.make_fits import growth

    masses = growth_histories(n)
    return lambda: growth(halo_histories.TIMES, masses)


def peer_stars(n: int):
    """diffstar's fits, one after the other."""
    from tests.agreement.make_fits import stars

    growth, rates = star_formation_histories.histories(40)
    return lambda: stars(growth[:n], rates[:n])


CASES = {
    "growth": growth,
    "growth_floor": growth_floor,
    "stars": stars,
    "peer_growth": peer_growth,
    "peer_stars": peer_stars,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    for case, (ours, theirs) in SIZES.items():
        results[case] = measured("tests.benchmarks.fits", case, ours)
        if theirs:
            results[f"peer_{case}"] = measured("tests.benchmarks.fits", f"peer_{case}", theirs)
    for case, result in results.items():
        if result:
            print(
                f"{case:14} {result['per_s']:12,.1f} /s {result['peak_mb']:8,.0f} MB, first {result['first_s']:.1f} s"
            )
    for case in ("growth", "stars"):
        if results[case] and results[f"peer_{case}"]:
            print(f"{case:14} ratio {results[case]['per_s'] / results[f'peer_{case}']['per_s']:.0f}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in CASES:
        report(CASES)
    else:
        main()
