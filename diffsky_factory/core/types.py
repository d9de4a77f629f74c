"""Names for what stages take and return."""

from typing import Annotated, NamedTuple, cast

import jax
import numpy as np

Scalar = jax.Array | float
"""One number of one galaxy."""

Vector = jax.Array
"""One row of numbers of one galaxy, along an axis named in the column's schema."""


def vector(values: np.ndarray | np.generic) -> Vector:
    """Numbers of numpy as they are, where an array of JAX is declared: kernels take both, and tables stay in numpy."""
    return cast(Vector, values)


class Draw(NamedTuple):
    """Law and shape of the random numbers a stage asks for, per galaxy."""

    law: str  # "uniform", open interval (0, 1), or "normal", standard
    shape: tuple[int, ...] = ()


Uniform = Annotated[jax.Array, Draw("uniform")]
Normal = Annotated[jax.Array, Draw("normal")]
Normal4 = Annotated[jax.Array, Draw("normal", (4,))]
Normal6 = Annotated[jax.Array, Draw("normal", (6,))]
Normal8 = Annotated[jax.Array, Draw("normal", (8,))]
