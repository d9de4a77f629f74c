"""Shells of a light cone that are not there: found between what its files hold, and refused where they are needed."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError

MISSING = "missing_shells"
"""Attribute of a product that lacks shells: each in words -> its lowest and highest redshift."""

FEWEST_HOSTS = 100  # chosen: so many reach to both ends of their shell
WIDEST_GAP = 0.5  # of the wider shell beside it, in ln(1 + z); chosen: a shell that is missing leaves all of its width
SHOWN = 3  # chosen: missing shells that an error names


class Span(NamedTuple):
    """What a piece of a light cone holds."""

    file: str
    hosts: int
    low: float  # least and largest redshift of a host
    high: float


def gaps(spans: Iterable[Span]) -> dict[str, tuple[float, float]]:
    """Redshifts without hosts between pieces, by the files on both sides: of a shell, unless they are few or narrow."""
    found: dict[str, tuple[float, float]] = {}
    nearer: Span | None = None  # the one that reaches farthest so far
    for span in sorted((one for one in spans if one.hosts), key=lambda one: one.low):
        if nearer is not None and span.low > nearer.high and _is_gap(nearer, span):
            found[f"between {_end(nearer.file)} and {_end(span.file)}"] = (nearer.high, span.low)
        if nearer is None or span.high > nearer.high:
            nearer = span
    return found


def _end(file: str) -> str:
    """The file and its folder, as some products have the same names in each folder."""
    return "/".join(Path(file).parts[-2:])


def _is_gap(nearer: Span, farther: Span) -> bool:
    if min(nearer.hosts, farther.hosts) < FEWEST_HOSTS:
        return False
    widest = max(np.log1p(one.high) - np.log1p(one.low) for one in (nearer, farther))
    return bool(np.log1p(farther.low) - np.log1p(nearer.high) > WIDEST_GAP * widest)


def check_shells(source: object, attributes: Mapping[str, Any], redshift: tuple[float, float] | float | None) -> None:
    """Raise InputError, naming them, where shells are missing that a range of redshift needs; without one, any."""
    low, high = redshift if isinstance(redshift, tuple) else (-np.inf, np.inf)
    needed = {what: span for what, span in attributes.get(MISSING, {}).items() if span[0] < high and span[1] > low}
    if not needed:
        return
    first = [f"{what} (redshift {near:.4g} to {far:.4g})" for what, (near, far) in list(needed.items())[:SHOWN]]
    more = f" and {len(needed) - SHOWN} more" if len(needed) > SHOWN else ""
    raise InputError(
        f"{source}: a light cone that lacks shells: {', '.join(first)}{more}. Get their files, or ask for a range of "
        "redshift that does not need them; where nothing is missing, correct `steps`, or say `gaps: true`, in the entry"
    )
