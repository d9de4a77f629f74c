"""Write data/fits.npz, fits by diffmah 0.7.3 and diffstar 1.0.3: `python -m tests.agreement.make_fits`.

Of each history the growth fit of its running maximum, without missing times; of each star formation history the best of
the peer's tries.
"""

from pathlib import Path

import numpy as np

from tests.agreement import halo_histories, star_formation_histories

FILE = Path(__file__).resolve().parent / "data" / "fits.npz"
N_STARS = 40


def growth(time: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """The five numbers, the loss and whether there is a fit (n, 7), NaN of histories with less than two masses."""
    from diffmah.fitting_helpers.diffmah_fitter_helpers import diffmah_fitter

    found = np.full((len(masses), 7), np.nan)
    for row, history in zip(found, masses):
        known = np.isfinite(history)
        if known.sum() > 1:
            best, loss, skipped, *_ = diffmah_fitter(time[known], 10.0 ** np.maximum.accumulate(history[known]))
            row[:] = [*map(float, best), float(loss), not skipped]
    return found


def stars(mah_parameters: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """The eight numbers and the loss (n, 9)."""
    from diffmah import DEFAULT_MAH_PARAMS
    from diffstar.fitting_helpers.diffstar_fitting_helpers import diffstar_fitter

    times, today = star_formation_histories.TIMES, np.log10(star_formation_histories.TODAY)
    np.random.seed(0)  # noqa: NPY002  the peer draws its tries from it
    found = [
        diffstar_fitter(times, rate, DEFAULT_MAH_PARAMS._make(numbers), lgt0=today)
        for numbers, rate in zip(mah_parameters, rates)
    ]
    return np.array([[*map(float, best), float(loss)] for best, loss, _ in found])


def main() -> None:
    saved = {name: growth(*halo_histories.simulated(name)) for name in halo_histories.simulations()}
    saved["made"] = growth(halo_histories.TIMES, halo_histories.made())
    mah_parameters, rates = star_formation_histories.histories(N_STARS)
    saved |= {"stars": stars(mah_parameters, rates), "stars_rate": rates, "stars_mah_parameters": mah_parameters}
    np.savez_compressed(FILE, **{name: values.astype(np.float32) for name, values in saved.items()})


if __name__ == "__main__":
    main()
