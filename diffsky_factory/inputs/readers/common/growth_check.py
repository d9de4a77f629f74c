"""What must hold of fits to the growth of halos: they give the masses that the halos have when they are seen."""

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.physics.halos.growth import HaloGrowth, log10_mass
from diffsky_factory.sky.cosmology import Cosmology, age_64, age_today_64, in_float64

OFFSET = 0.08  # dex, chosen: half of log10(h), so that a wrong unit shows
COMPARED, FEWEST = 4096, 20  # chosen: rows that are compared, and fewest for a median

log10_mass_64 = in_float64(lambda growth, time, today: log10_mass(HaloGrowth(*growth), time, today))


def check_growth(
    fits: np.ndarray, mass: np.ndarray, redshift: np.ndarray, cosmology: Cosmology, source: object, remedy: str
) -> None:
    """Raise an InputError, with a remedy, where fits are not the masses in the median of some thousand halos.

    fits : (n, 5), numbers as in HaloGrowth; mass : (n,) dex(Msun); redshift : (n,)
    """
    if len(fits) < FEWEST:
        return
    time = age_64(cosmology, redshift[:COMPARED])
    told = log10_mass_64(tuple(fits[:COMPARED].T), time, float(age_today_64(cosmology)))
    off = float(np.median(told - mass[:COMPARED]))
    if abs(off) > OFFSET:
        raise InputError(f"{source}: fits of growth are {off:+.3f} dex off the masses of their halos; {remedy}")
