"""How much memory spectra of many galaxies take, and a refusal before they take too much."""

from collections.abc import Iterable, Mapping

import numpy as np

from diffsky_factory.core.axes import axis
from diffsky_factory.core.columns import columns
from diffsky_factory.core.errors import InputError

LARGEST_SPECTRA = 4 * 2**30  # bytes of spectra that one call, or one tile, may give; chosen: half of a small computer


def is_spectral(name: str) -> bool:
    """Whether a column is a spectrum: of an axis that is large and read as a whole."""
    return name in columns() and any(axis(one).large and not axis(one).read_alone for one in columns()[name].axes)


def check_spectra(what: str, rows: int, points: Mapping[str, int], remedies: Iterable[str]) -> None:
    """Raise InputError where spectra of a number of galaxies would take more than LARGEST_SPECTRA.

    what     : whose spectra they are, to begin the message with
    points   : numbers of one galaxy, of each column that is a spectrum
    remedies : what to do about it
    """
    taken = rows * sum(number * np.dtype(columns()[name].dtype).itemsize for name, number in points.items())
    if taken > LARGEST_SPECTRA:
        raise InputError(
            f"{what}: {', '.join(points)} of {rows:,} galaxies take {taken:,} bytes ({taken / 2**30:.1f} GiB) and "
            f"{LARGEST_SPECTRA / 2**30:.0f} GiB are the most at a time; {', '.join(remedies)}"
        )
