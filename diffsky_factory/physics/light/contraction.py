"""Sums of template light over metallicities and ages, through dust: what photometry, lines and spectra share.

A galaxy may have several age distributions (its components, with and without a burst) under one dust and one
metallicity: they share the sum over metallicities and the dust, which cost most.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from diffsky_factory.core.branch import KEPT
from diffsky_factory.core.types import Scalar, Vector
from diffsky_factory.physics.light.dust import transmission

ROWS = 32  # chosen: galaxies contracted at a time; their tables stay in cache


class Stars(NamedTuple):
    """Stars of n galaxies, and the dust before them."""

    metallicity_weights: jax.Array  # (n, metallicity)
    age_weights: jax.Array  # (n, distribution, age)
    dust_av_by_age: jax.Array  # (n, age)
    dust_curve: jax.Array  # (n, wavelength), of bands or lines
    dust_unobscured_fraction: jax.Array  # (n,)


def through_dust(light: jax.Array, stars: Stars) -> jax.Array:
    """Sum over ages of light (n, wavelength, age) of each age distribution: (n, distribution, wavelength)."""
    leaves = transmission(
        stars.dust_av_by_age[:, None, :],
        stars.dust_curve[:, :, None],
        stars.dust_unobscured_fraction[:, None, None],
    )
    light = light * leaves
    sums = [jnp.sum(light * stars.age_weights[:, i, None, :], axis=-1) for i in range(stars.age_weights.shape[1])]
    return jnp.stack(sums, axis=1)


def over_metallicities(weights: jax.Array, table: jax.Array) -> jax.Array:
    """Light (n, wavelength, age) from weights (n, metallicity) and a table (metallicity, wavelength, age)."""
    n_met, n_wave, n_age = table.shape
    return (weights @ table.reshape(n_met, n_wave * n_age)).reshape(-1, n_wave, n_age)


class Ages(NamedTuple):
    """Where the age distributions of a galaxy, one or several, are found.

    columns : one column (n, age) for each distribution; a single one (n, part, age) where there are shares
    shares  : the column (n, part) of the fraction of the stars that each distribution has; without it each has all
    """

    columns: tuple[str, ...]
    shares: str | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """All columns that `distributions` needs."""
        return self.columns if self.shares is None else (*self.columns, self.shares)

    @property
    def is_one(self) -> bool:
        """Whether there is one distribution, so that light has no axis of distributions."""
        return self.shares is None and len(self.columns) == 1

    def distributions(self, given: Mapping[str, jax.Array]) -> jax.Array:
        """Age weights (n, distribution, age) from the columns that are given."""
        if self.shares is None:
            return jnp.stack([given[name] for name in self.columns], axis=1)
        (of_parts,) = self.columns
        return given[self.shares][..., None] * given[of_parts]


OF_GALAXY = Ages(("age_weights",))
WITHOUT_AND_WITH_BURST = Ages(("age_weights_smooth", "age_weights_bursty"))
OF_COMPONENTS = Ages(("component_age_weights",), shares="component_fraction")


class Chunks(NamedTuple):
    """Rows in chunks that share an interval, so that a chunk needs one part of a table."""

    rows: jax.Array  # (n_chunk, ROWS) int
    interval: jax.Array  # (n_chunk,)
    used: jax.Array  # (n_chunk,) bool
    slot_of_row: jax.Array  # (n,) where in the chunks each row is


def chunks_of_rows(interval: jax.Array, n_interval: int) -> Chunks:
    """Sort rows by interval and pad each interval to whole chunks; shapes depend on n and n_interval alone."""
    n = interval.shape[0]
    n_chunk = -(-n // ROWS) + n_interval
    order = jnp.argsort(interval, stable=True)
    counts = jnp.bincount(interval, length=n_interval)
    chunk_counts = -(-counts // ROWS)
    ends = jnp.cumsum(chunk_counts)
    first_slot = (ends - chunk_counts) * ROWS
    rank = jnp.arange(n) - (jnp.cumsum(counts) - counts)[interval[order]]
    slots = first_slot[interval[order]] + rank
    rows = jnp.zeros(n_chunk * ROWS, order.dtype).at[slots].set(order)
    chunk = jnp.arange(n_chunk)
    return Chunks(
        rows.reshape(n_chunk, ROWS),
        jnp.minimum(jnp.searchsorted(ends, chunk, side="right"), n_interval - 1),
        chunk < ends[-1],
        jnp.zeros(n, slots.dtype).at[order].set(slots),
    )


def in_chunks(contract: Callable, interval: jax.Array, n_interval: int, rows: tuple) -> jax.Array:
    """contract(interval of the chunk, rows of the chunk) for every chunk of rows; results in the order of rows.

    rows is a tree of arrays (n, ...). Memory is that of one chunk, in the gradient too: it contracts again.
    """
    chunks = chunks_of_rows(interval, n_interval)
    # rows are gathered before the scan: inside, its gradient would add up whole columns at every step
    gathered = jax.tree.map(lambda value: value[chunks.rows], rows)
    shape = jax.eval_shape(contract, chunks.interval[0], jax.tree.map(lambda value: value[0], gathered))

    @partial(jax.checkpoint, prevent_cse=False)
    def step(_, chunk):
        at, used, rows = chunk
        return None, jax.lax.cond(used, contract, lambda *_: jnp.zeros(shape.shape, shape.dtype), at, rows)

    _, out = jax.lax.scan(step, None, (chunks.interval, chunks.used, gathered))
    return checkpoint_name(out.reshape(-1, *shape.shape[1:])[chunks.slot_of_row], KEPT)


def node_position(nodes: Vector, x: Scalar) -> tuple[jax.Array, jax.Array]:
    """The interval of ascending nodes that holds x, and the fraction of the way through it, clamped to the nodes."""
    upper = jnp.clip(jnp.searchsorted(nodes, x), 1, nodes.shape[0] - 1)
    lower = nodes[upper - 1]
    return upper - 1, jnp.clip((x - lower) / (nodes[upper] - lower), 0.0, 1.0)
