"""Names for what stages take and return."""

from typing import Annotated, NamedTuple

import jax

Scalar = jax.Array | float
"""One number of one galaxy."""

Vector = jax.Array
"""One row of numbers of one galaxy, along an axis named in the column's schema."""


class Draw(NamedTuple):
    """Law and shape of the random numbers a stage asks for, per galaxy."""

    law: str  # "uniform", open interval (0, 1), or "normal", standard
    shape: tuple[int, ...] = ()


Uniform = Annotated[jax.Array, Draw("uniform")]
Normal = Annotated[jax.Array, Draw("normal")]
Normal4 = Annotated[jax.Array, Draw("normal", (4,))]
Normal6 = Annotated[jax.Array, Draw("normal", (6,))]
Normal8 = Annotated[jax.Array, Draw("normal", (8,))]
