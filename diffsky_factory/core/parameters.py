"""Parameters of the model: NamedTuples of numbers, each with its bounds beside it.

Fits run in unbounded coordinates u; files store the bounded values p = lo + (hi - lo) / (1 + exp(-k (u - mid))),
with k = 0.1 and mid = (lo + hi) / 2. A bound that is another parameter (`below`) has mid = 0.
"""

from typing import Any, NamedTuple, get_type_hints

from diffsky_factory.core.smooth import inverse_sigmoid, sigmoid

STEEPNESS = 0.1  # per unbounded unit; Hearin et al. 2021, as every published calibration uses it


class Within(NamedTuple):
    """Bounds of a parameter, written in its annotation: `Annotated[Scalar, Within(0.0, 1.0)]`."""

    lo: float
    hi: float
    below: str | None = None  # the parameter of the same class that is its upper bound
    above: str | None = None  # the parameter of the same class that is its lower bound


def bounds(kind: type) -> dict[str, Within]:
    """Bounds of every field of a parameter class, in the order of its fields."""
    hints = get_type_hints(kind, include_extras=True)
    found = {}
    for name in kind._fields:
        within = [item for item in getattr(hints[name], "__metadata__", ()) if isinstance(item, Within)]
        if len(within) != 1:
            raise TypeError(f"{kind.__name__}.{name} has no bounds: annotate it with Within(lo, hi)")
        found[name] = within[0]
    return found


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
    for name in kind._fields:
        if name not in values:  # its upper bound is known by now
            values[name] = sigmoid(getattr(u, name), 0.0, STEEPNESS, limits[name].lo, values[limits[name].below])
    return kind(**values)


def _shape(name: str, p: Any) -> tuple:
    within = bounds(type(p))[name]
    if within.below is not None:
        return 0.0, STEEPNESS, within.lo, getattr(p, within.below)
    return 0.5 * (within.lo + within.hi), STEEPNESS, within.lo, within.hi
