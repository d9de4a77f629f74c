"""What the comments above halos of Rockstar and of consistent-trees say: cosmology, box, units."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from diffsky_factory.core.errors import InputError

# as both programs print them; spaces aside
UNITS = {
    "masses": "msun/h",
    "positions": "mpc/h(comoving)",
    "velocities": "km/s(physical",
    "radii": "kpc/h(comoving)",
    "halodistances,lengths,andradii": "kpc/h(comoving)",
}


def number(comments: Sequence[str], name: str) -> float | None:
    """The number behind `name = ` or `name: ` in the comments, None where there is none."""
    for line in comments:
        match = re.search(rf"(?:^|[;\s]){re.escape(name)}\s*[=:]\s*([-+]?\.?\d[-+.\deE]*)", line)
        if match:
            return float(match[1])
    return None


def header_cosmology(comments: Sequence[str], matter: str, dark: str, hubble: str, path: Path) -> dict[str, float]:
    """Om0 and h of the comments, by the names they have there; raises InputError where absent, or not flat."""
    found = {name: number(comments, name) for name in (matter, dark, hubble)}
    if found[matter] is None or found[hubble] is None:
        raise InputError(
            f"{path}: no header line '#{matter} = ..; {dark} = ..; {hubble} = ..'; restore it from the original"
        )
    if found[dark] is not None and abs(found[matter] + found[dark] - 1.0) > 1e-3:
        raise InputError(
            f"{path}: {matter} + {dark} = {found[matter] + found[dark]:g}: only flat cosmologies can be read"
        )
    return {"Om0": found[matter], "h": found[hubble]}


def header_box(comments: Sequence[str], name: str, h: float) -> float | None:
    """Box size [Mpc] in the comments, None where it is not there or 0, as for a zoom."""
    size = number(comments, name)
    return size / h if size else None


def check_units(comments: Sequence[str], path: Path) -> None:
    """Raise an InputError where the comments say another unit than Rockstar's own."""
    for line in comments:
        match = re.fullmatch(r"units:(.+?)in(.+)", re.sub(r"\s", "", line).lower())
        expected = UNITS.get(match[1]) if match else None
        if expected and not match[2].startswith(expected):
            raise InputError(f"{path}: '#{line}': these are to be in {expected}; convert the file back, or its header")


def positions_of(names: Sequence[str], wanted: Iterable[str], path: Path) -> dict[str, int]:
    """Position of the column of each wanted name, whatever its case; raises InputError where absent or double."""
    lower = [name.lower() for name in names]
    for name in wanted:
        if lower.count(name.lower()) != 1:
            problem = "no column" if name.lower() not in lower else "more than one column"
            raise InputError(
                f"{path}: {problem} {name!r}; there are {' '.join(names)}; name another in the entry's 'columns', or "
                "restore the header"
            )
    return {name: lower.index(name.lower()) for name in wanted}
