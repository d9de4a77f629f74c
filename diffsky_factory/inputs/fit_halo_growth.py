"""Fit the mixture of halo histories that `physics/halos/mixture.py` draws from.

    pip install "diffsky_factory[fit]"
    python -m diffsky_factory.inputs.fit_halo_growth --samples samples.npz --out mixture.yaml

`samples.npz` holds log10_halo_mass [dex(Msun)] and cosmic_time [Gyr] of many halos, is_central, and mah_parameters
(n, 5) in the order of HaloGrowth: fits of histories measured in a simulation, or draws from another model. The embedded
fit is of draws of `diffhalos.mah.diffmahnet_utils` (diffhalos 0.2.0, `mc_mah_cenpop` and `mc_mah_satpop` of their
default models, 64 bit), 150,000 of each kind, at masses uniform from 10 to 14.5 and logarithms of time uniform from
those of 1.2 to 13.8 Gyr, with 64 components and seed 0.
"""

import argparse
from datetime import date
from pathlib import Path

import numpy as np
import yaml

from diffsky_factory.inputs.halo_growth import LOWER, SCHEMA
from diffsky_factory.physics.halos.growth import HaloGrowth
from diffsky_factory.physics.halos.mixture import coordinates

FLOOR = 1e-5  # of the variance of a standardised coordinate, chosen: well below the width of any component
ITERATIONS = 80  # chosen: the log-likelihood of a history then grows by less than 1e-3 per step
TOLERANCE = 1e-5  # of that growth, chosen: where it ends earlier
BLUR = 0.1  # of ln(late_index - 0.099), chosen: most lie in a spike a hundred times narrower, where components would
# gather without need; moves log M by less than 0.002 dex
HELD_OUT = 10  # chosen: one history in ten measures the fit and is not fitted
LATE = 4  # place of that coordinate
DIGITS = 6  # significant, chosen: below the noise of any parameter


def fit(x: np.ndarray, components: int, seed: int) -> tuple[np.ndarray, tuple[float, float]]:
    """Components (K, 28), heaviest first, of a mixture of normals over x (n, 6), and its quality.

    Full covariances by expectation maximisation in standardised coordinates, started at random points. The quality is
    the mean log-likelihood of a history, standardised, among those fitted and among those held out.
    """
    from sklearn.mixture import GaussianMixture

    blur = BLUR * np.random.default_rng(seed).standard_normal(len(x))
    x = x + np.outer(blur, np.arange(x.shape[1]) == LATE)
    mean, width = x.mean(axis=0), x.std(axis=0)
    z = (x - mean) / width
    held = np.arange(len(z)) % HELD_OUT == 0
    mixture = GaussianMixture(
        components,
        tol=TOLERANCE,
        reg_covar=FLOOR,
        max_iter=ITERATIONS,
        init_params="random_from_data",
        random_state=seed,
    ).fit(z[~held])
    factor = np.linalg.cholesky(mixture.covariances_) * width[:, None]
    rows = np.column_stack(
        [np.log(mixture.weights_), mixture.means_ * width + mean, factor[:, LOWER[0], LOWER[1]]],
    )
    return rows[np.argsort(-rows[:, 0])], (mixture.score(z[~held]), mixture.score(z[held]))


def fit_file(samples: Path, components: int, seed: int, title: str, cite: str) -> dict:
    """Content of an entry of `catalogs/halo_growth`, fitted to a file of histories."""
    with np.load(samples) as file:
        m, t, central, mah = (file[k] for k in ("log10_halo_mass", "cosmic_time", "is_central", "mah_parameters"))
    x = np.stack(coordinates(HaloGrowth(*mah.T), m, t), axis=-1)
    fitted, quality = zip(*[fit(x[central == kind], components, seed) for kind in (False, True)])
    fitted_to, held_out = np.round(np.transpose(quality), 3).tolist()
    return {
        "schema": SCHEMA,
        "title": title,
        "references": [{"cite": cite}],
        "fitted": date.today().isoformat(),
        "draws": int(min(np.sum(central), np.sum(~central))),
        "components": components,
        "quality": {"log_likelihood_fitted": fitted_to, "log_likelihood_held_out": held_out},
        "satellites": _rounded(fitted[0]),
        "centrals": _rounded(fitted[1]),
    }


def _rounded(rows: np.ndarray) -> list[list[float]]:
    return [[float(f"{value:.{DIGITS}g}") for value in row] for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=Path, required=True, help="npz file of histories")
    parser.add_argument("--out", type=Path, required=True, help="yaml file to write")
    parser.add_argument("--components", type=int, default=64, help="normals of each kind, 64")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--title", default="Mixture of halo histories")
    parser.add_argument("--cite", default="own fit", help="what the histories are of")
    given = parser.parse_args()
    entry = fit_file(given.samples, given.components, given.seed, given.title, given.cite)
    given.out.write_text(yaml.safe_dump(entry, sort_keys=False, width=120, default_flow_style=None))


if __name__ == "__main__":
    main()
