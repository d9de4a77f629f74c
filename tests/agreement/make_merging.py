"""Write data/merging.npz, two rounds of mergers by diffsky 0.3.11: `python tests/agreement/make_merging.py`."""

from pathlib import Path

import jax
import numpy as np

FILE = Path(__file__).resolve().parent / "data" / "merging.npz"
N_GROUP = 40


def groups(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Nested groups side by side, the central first; a second infall is later than the first, into another host."""
    size = rng.integers(1, 9, N_GROUP)
    top = np.repeat(np.cumsum(size) - size, size)
    n = len(top)
    own = np.arange(n)
    penultimate = np.where(own > top, top + (rng.uniform(size=n) * (own - top)).astype(int), top)
    first = rng.uniform(1.0, 10.0, n)
    once = penultimate == top
    mass, host = rng.uniform(10.5, 13.0, (2, n)), rng.uniform(11.5, 14.5, (2, n))
    return {
        "host_row": top,
        "penultimate_host_row": penultimate,
        "penultimate_infall_time": first,
        "infall_time": np.where(once, first, first + rng.uniform(0.1, 3.0, n)),
        "log10_halo_mass_at_penultimate_infall": mass[0],
        "log10_halo_mass_at_infall": np.where(once, mass[0], mass[1]),
        "log10_host_mass_at_penultimate_infall": host[0],
        "log10_host_mass_at_infall": np.where(once, host[0], host[1]),
        "flux_in_situ": 10.0 ** rng.uniform(0.0, 4.0, (n, 3)),
    }


def main() -> None:
    from diffsky.merging import merging_model as peer

    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(11)
    given, time = groups(rng), 13.0
    unbounded = np.array(peer.DEFAULT_MERGE_U_PARAMS, float)
    moved = peer.MergeUParams(*(unbounded + rng.normal(0.0, 0.3, len(unbounded))))
    saved = dict(given, cosmic_time=np.full(len(given["host_row"]), time))
    for tag, u in (("default", peer.DEFAULT_MERGE_U_PARAMS), ("moved", moved)):
        saved[f"parameters_{tag}"] = np.array(peer.get_bounded_merge_params(u), float)
        central = given["host_row"] == np.arange(len(given["host_row"]))
        saved[f"flux_{tag}"] = np.asarray(
            peer.merge_model_with_preprocessing(
                u,
                given["log10_halo_mass_at_penultimate_infall"],
                given["log10_halo_mass_at_infall"],
                given["log10_host_mass_at_penultimate_infall"],
                given["log10_host_mass_at_infall"],
                time,
                given["penultimate_infall_time"],
                given["infall_time"],
                np.where(central, -1, given["host_row"]),
                given["flux_in_situ"],
                given["penultimate_host_row"],
                given["host_row"],
                0,
            )
        )
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, **saved)


if __name__ == "__main__":
    main()
