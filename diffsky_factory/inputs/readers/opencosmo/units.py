"""Units of columns in OpenCosmo files, as texts, and what turns their values into ours."""

import re
from typing import NamedTuple

from diffsky_factory.core.errors import InputError


class Factor(NamedTuple):
    """What a column is multiplied by; of a logarithm, what is added instead."""

    value: float
    log10: bool  # the values are decimal logarithms
    comoving: bool  # the text says so


def factor(text: str, target: str, h: float, source: object) -> Factor:
    """How to convert from a unit, which may hold h, to one of ours without.

    text : such as `Mpc / littleh`, `comoving km/s`, `Msun/h`, `dex(solMass)`; a lone h is littleh, never an hour
    target : such as Mpc, solMass, km / s, deg
    Raises InputError for a text that is no unit, or of another quantity.
    """
    import astropy.cosmology.units as cu
    import astropy.units as u

    words = text.strip()
    comoving = words.startswith("comoving")
    bare = re.sub(r"\bh\b", "littleh", words.removeprefix("comoving").strip())
    try:
        with u.add_enabled_units(cu):
            unit = u.Unit(bare)
            is_log = isinstance(unit, u.DexUnit)
            unit = unit.physical_unit if is_log else unit
            power = sum(power for base, power in zip(unit.bases, unit.powers, strict=True) if base == cu.littleh)
            value = float((unit / cu.littleh**power).to(u.Unit(target))) * h**power
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{source}: its unit is {text!r}, which is none of {target}; is it the right column?"
        ) from error
    return Factor(value, is_log, comoving)
