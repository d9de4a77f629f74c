"""Random numbers that belong to a galaxy, not to the order in which galaxies are computed.

key = fold_in(fold_in(fold_in(key(seed), id_high32), id_low32), crc32("stage.draw")): the same galaxy gets the
same numbers for any tiling, block, worker or order, and a new stage leaves every other draw as it was.
"""

from collections.abc import Mapping
from zlib import crc32

import jax
import jax.numpy as jnp
import numpy as np

from diffsky_factory.core.types import Draw


def id_words(ids: np.ndarray) -> np.ndarray:
    """Ids as two 32-bit words each, high first: (n,) int64 -> (n, 2) uint32.

    In numpy, as JAX may run in 32 bits.
    """
    ids = np.asarray(ids, dtype=np.int64)
    return np.stack([ids >> 32, ids & 0xFFFFFFFF], axis=-1).astype(np.uint32)


def row_keys(seed: int | jax.Array, words: jax.Array) -> jax.Array:
    """One key per row from the seed and the two words of its id; shared by all its draws."""
    root = jax.random.key(seed, impl="threefry2x32")

    def fold(word):
        return jax.random.fold_in(jax.random.fold_in(root, word[0]), word[1])

    return jax.vmap(fold)(words)


def draw_all(keys: jax.Array, streams: Mapping[str, Draw]) -> dict[str, jax.Array]:
    """Every named stream for every row. Always float32, so that precision never changes a draw."""
    return {name: _draw(keys, name, law) for name, law in streams.items()}


def _draw(keys: jax.Array, stream: str, law: Draw) -> jax.Array:
    code = np.uint32(crc32(stream.encode()))

    def one(key):
        key = jax.random.fold_in(key, code)
        if law.law == "normal":
            return jax.random.normal(key, law.shape, jnp.float32)
        # 23 bits and a half: never 0, never 1, so that a logit of it is finite
        bits = jax.random.bits(key, law.shape, jnp.uint32)
        return ((bits >> 9).astype(jnp.float32) + 0.5) * np.float32(2.0**-23)

    return jax.vmap(one)(keys)
