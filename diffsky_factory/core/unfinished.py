"""Iterations of many rows at once, of which few need many steps: those are gathered, so that the others do not wait."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def advance_unfinished(advance: Callable, inputs: Any, state: Any, done: jax.Array, parts: int) -> Any:
    """The state after advance(inputs, state) of the rows that are not done, (n,), n / parts of them at a time.

    Rows are the last axis of every array of inputs and state. What becomes of a row does not depend on the others.
    """
    size = -(-done.shape[0] // parts)
    order = jnp.pad(jnp.argsort(done), (0, size), mode="edge")  # those that are not done come first

    def group(i, state):
        rows = jax.lax.dynamic_slice(order, (i * size,), (size,))
        some = jax.tree.map(lambda a: a[..., rows], (inputs, state))
        return jax.tree.map(lambda a, new: a.at[..., rows].set(new), state, advance(*some))

    return jax.lax.fori_loop(0, -(-jnp.sum(~done) // size), group, state)
