"""Parameters go to unbounded coordinates and back."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsky_factory.core.parameters import bounds, to_bounded, to_unbounded
from diffsky_factory.physics import INGREDIENTS

KINDS = list(INGREDIENTS.values())


def inside(kind, shares):
    """Parameters at shares of the way between their bounds."""
    limits, values = bounds(kind), {}
    for name, share in sorted(zip(kind._fields, shares), key=lambda pair: limits[pair[0]].below is not None):
        low, high = limits[name].lo, limits[name].hi
        if limits[name].below is not None:
            high = values[limits[name].below]
        values[name] = low + (high - low) * share
    return kind(**values)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_parameters_come_back_from_unbounded_coordinates(kind, data):
    n = len(kind._fields)
    p = inside(kind, data.draw(st.lists(st.floats(0.02, 0.98), min_size=n, max_size=n)))
    with jax.enable_x64(True):
        back = to_bounded(to_unbounded(p))
    assert type(back) is kind
    for name, within in bounds(kind).items():
        assert float(getattr(back, name)) == pytest.approx(getattr(p, name), abs=1e-9 * (within.hi - within.lo))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_default_parameters_lie_within_their_bounds(kind):
    p = kind()
    for name, within in bounds(kind).items():
        upper = within.hi if within.below is None else getattr(p, within.below)
        lower = within.lo if within.above is None else getattr(p, within.above)
        assert lower <= getattr(p, name) <= upper, name


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_any_unbounded_coordinates_give_parameters_within_bounds(kind):
    with jax.enable_x64(True):
        p = to_bounded(kind(*np.random.default_rng(5).normal(0.0, 100.0, len(kind._fields))))
    for name, within in bounds(kind).items():
        high = within.hi if within.below is None else float(getattr(p, within.below))
        assert within.lo <= float(getattr(p, name)) <= high, name


def test_a_parameter_without_bounds_is_named():
    from typing import NamedTuple

    class Loose(NamedTuple):
        value: float = 1.0

    with pytest.raises(TypeError, match=r"Loose\.value has no bounds"):
        bounds(Loose)
