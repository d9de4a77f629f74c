"""Parameters of the model: NamedTuples of numbers, each with its bounds, unit and meaning beside it.

Fits run in unbounded coordinates u; files store the bounded values p = lo + (hi - lo) / (1 + exp(-k (u - mid))),
with k = 0.1 and mid = (lo + hi) / 2. A bound that is another parameter (`below`) has mid = 0.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, get_type_hints

import jax
import numpy as np

from diffsky_factory.core.errors import shown
from diffsky_factory.core.smooth import inverse_sigmoid, sigmoid

STEEPNESS = 0.1  # per unbounded unit; Hearin et al. 2021, as every published calibration uses it

ROUNDING = 2.0**-23  # relative, of float32


class Within(NamedTuple):
    """Bounds, unit and meaning of a parameter, written in its annotation.

    `mass_slope: Annotated[Scalar, Within(0.0, 1.0, "", "slope in stellar mass of the radius")] = 0.22`

    unit : as in schemas/columns, a text that astropy reads: "dex(solMass)" for the logarithm of a mass, "dex" for that
        of a pure number, "1 / dex" for a steepness in either. Pure numbers and unbounded coordinates have none, "": so
        the slope of one logarithm in another is "", and that of an unbounded coordinate in a logarithm "1 / dex".
    meaning : one phrase. In it a pivot is where a sigmoid is half way from its low to its high value, and a steepness
        its k (`core.smooth.sigmoid`); "unbounded lgmcrit" is the unbounded coordinate of lgmcrit; sSFR is the specific
        star formation rate.
    """

    lo: float
    hi: float
    unit: str = ""
    meaning: str = ""
    below: str | None = None  # the parameter of the same class that is its upper bound
    above: str | None = None  # the parameter of the same class that is its lower bound

    def among(self, values: Mapping[str, Any]) -> tuple[Any, Any]:
        """The lower and the upper bound as numbers, where the parameters of the class have these values."""
        low = self.lo if self.above is None else values[self.above]
        high = self.hi if self.below is None else values[self.below]
        return low, high


def is_named_tuple(kind: Any) -> bool:
    """Whether something is a NamedTuple class, as those of parameters are."""
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def bounds(kind: type[NamedTuple]) -> dict[str, Within]:
    """Bounds of every field of a parameter class, in the order of its fields."""
    hints = get_type_hints(kind, include_extras=True)
    by_name = {}
    for name in kind._fields:
        within = _within(hints[name])
        if len(within) != 1:
            raise TypeError(f"{kind.__name__}.{name} has no bounds: annotate it with Within(lo, hi)")
        by_name[name] = within[0]
    return by_name


def problem_of_values(p: Any) -> str | None:
    """Which value of a parameter tuple lies outside its bounds, beyond rounding, or is no number; None where none does.

    Nothing is said of values that JAX traces, and of classes of one's own without bounds.
    """
    kind = type(p)
    if not (is_named_tuple(kind) and any(_within(hint) for hint in kind.__annotations__.values())):
        return None
    values = p._asdict()
    if any(isinstance(value, jax.core.Tracer) for value in values.values()):
        return None
    for name, given in values.items():
        if not _is_number(given):
            return f"{name} = {shown(given)} is no number"
    for name, within in bounds(kind).items():
        value, (low, high) = np.asarray(values[name]), within.among(values)
        # a fit in 32 bits may end on a bound, and then lies beyond it by rounding
        off = np.abs(value - np.clip(value, low, high))
        if not off <= ROUNDING * np.maximum(np.abs(low), np.abs(high)):
            return f"{name} = {shown(values[name])} lies outside its bounds ({low}, {high})"
    return None


def _is_number(value: Any) -> bool:
    """Whether something is one real number, of Python or an array of shape ()."""
    is_one = isinstance(value, int | float) or getattr(value, "ndim", None) == 0
    return is_one and np.asarray(value).dtype.kind in "iuf"


def _within(hint: Any) -> list[Within]:
    return [item for item in getattr(hint, "__metadata__", ()) if isinstance(item, Within)]


def to_unbounded(p: Any) -> Any:
    """Unbounded coordinates of a parameter tuple; same class, same field names.

    NaN or infinite where a value lies on or outside its bounds.
    """
    return type(p)(*[inverse_sigmoid(getattr(p, name), *_shape(name, p)) for name in p._fields])


def to_bounded(u: Any) -> Any:
    """Parameter tuple from its unbounded coordinates: the inverse of `to_unbounded`."""
    kind = type(u)
    limits = bounds(kind)
    first = [name for name in kind._fields if limits[name].below is None]
    values: dict[str, Any] = {name: sigmoid(getattr(u, name), *_shape(name, u)) for name in first}
    for name, within in limits.items():
        if within.below is not None:  # the parameter that is its upper bound has its value by now
            values[name] = sigmoid(getattr(u, name), 0.0, STEEPNESS, within.lo, values[within.below])
    return kind(**values)


def _shape(name: str, p: Any) -> tuple:
    within = bounds(type(p))[name]
    if within.below is not None:
        return 0.0, STEEPNESS, within.lo, getattr(p, within.below)
    return 0.5 * (within.lo + within.hi), STEEPNESS, within.lo, within.hi
