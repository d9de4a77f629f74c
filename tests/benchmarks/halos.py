"""Halos of a light cone per second, ours and the public generator's: `python -m tests.benchmarks.halos [--json FILE]`.

Needs diffhalos. Both make halos above 1e11 Msun at 0.2 < z < 1 with their histories, warm, each in a process of its
own: theirs 10 deg^2, the same again at each call, as another number of halos is compiled anew (a third of their time);
ours 6.7 deg^2, as many halos, and twice the area, of sky that was not looked at before. Theirs are hosts with a
redshift and a mass; ours have satellites, places and velocities, and are clustered.
The floor is the time in which as many numbers as a halo has are drawn.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from tests.benchmarks.measure import measured, report

AREA, REDSHIFT, LOG10_MASS = 10.0, (0.2, 1.0), 11.0
PER_PIXEL = 3.4e5  # halos of a pixel of order 5, 3.36 deg^2
NUMBERS = 16  # random numbers of a halo: cell, place, mass, satellites, velocity, history


def ours(n: int):
    """Halos of patches of sky that were not looked at before, with their histories."""
    import diffsky_factory as dff

    places = iter(range(4 * 1250, 4 * 3000, 28))
    options = {"redshift": REDSHIFT, "halo_mass_min": 10.0**LOG10_MASS, "tiles": {"order": 5, "block": 16384}}

    def call():
        first = next(places)
        region = {"order": 5, "pixels": list(range(first, first + round(n / PER_PIXEL)))}
        mock = dff.make_mock(
            {"simulation": "synthetic", "columns": ["halo_id", "mah_parameters"], **options}, region=region
        )
        call.rows = len(mock.load().halo_id)

    return call


def ours_wider(n: int):
    """The same of twice the area."""
    return ours(2 * n)


def diffhalos(n: int):
    """Hosts with their histories."""
    import jax
    from diffhalos.lightcone_generators import mc_lightcone_halos
    from jax import random

    def call():
        found = mc_lightcone_halos.mc_lc_halos(random.key(0), LOG10_MASS, *REDSHIFT, AREA)
        jax.block_until_ready(jax.tree.leaves(found))
        call.rows = len(found.z_obs)

    return call


def floor(n: int):
    """As many random numbers."""
    rng = np.random.default_rng(0)

    def call():
        rng.random((n, NUMBERS))
        call.rows = n

    return call


CASES = {"ours": ours, "ours_wider": ours_wider, "diffhalos": diffhalos, "floor": floor}


def main() -> None:
    """Run all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {name: measured("tests.benchmarks.halos", name, 600_000) for name in CASES}
    print(f"{'case':>10} {'halos/s':>12} {'peak MB':>8}")
    for name, result in found.items():
        if result:
            print(f"{name:>10} {result['per_s']:12,.0f} {result['peak_mb'] + result['import_mb']:8,.0f}")
    for name in ("ours", "ours_wider"):
        if found[name] and found["diffhalos"]:
            print(f"ratio {name} {found[name]['per_s'] / found['diffhalos']['per_s']:.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    report(CASES) if sys.argv[1:2] and sys.argv[1] in CASES else main()
