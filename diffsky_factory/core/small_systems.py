"""Small systems of linear equations, thousands at a time, without a library call per system.

Batched calls of LAPACK from several threads can wait for each other forever; unrolled, the factorisation is plain
arithmetic on arrays, on any device.
"""

import jax
import jax.numpy as jnp


def solve_positive(matrix: jax.Array, vector: jax.Array) -> jax.Array:
    """x of matrix x = vector, for symmetric positive definite matrices (k, k, ...) and vectors (k, ...), k small.

    By Cholesky; a pivot that rounding makes negative is replaced by a tiny one, so that x is finite, if large.
    """
    k, tiny = matrix.shape[0], jnp.finfo(matrix.dtype).tiny ** 0.5
    low: dict[tuple[int, int], jax.Array] = {}  # below the diagonal, by row and column
    scale: list[jax.Array] = []
    for j in range(k):
        pivot = matrix[j, j] - sum(low[j, m] ** 2 for m in range(j))
        scale.append(jax.lax.rsqrt(jnp.maximum(pivot, tiny)))
        for i in range(j + 1, k):
            low[i, j] = (matrix[i, j] - sum(low[i, m] * low[j, m] for m in range(j))) * scale[j]
    forward: list[jax.Array] = []
    for i in range(k):
        forward.append((vector[i] - sum(low[i, m] * forward[m] for m in range(i))) * scale[i])
    x: dict[int, jax.Array] = {}
    for i in reversed(range(k)):
        x[i] = (forward[i] - sum(low[m, i] * x[m] for m in range(i + 1, k))) * scale[i]
    return jnp.stack([x[i] for i in range(k)])
