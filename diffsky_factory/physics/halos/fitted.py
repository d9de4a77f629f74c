"""Growth of halos whose own histories were fitted, and of those among them that have none."""

from dataclasses import replace
from functools import lru_cache

import jax
import jax.numpy as jnp

from diffsky_factory.core.stage import Stage

FITTED = ("fitted_mah_parameters", "has_mah_fit")
"""Columns that a simulation with fits of its halos' histories gives."""


@lru_cache
def fitted_or_drawn(drawn: Stage) -> Stage:
    """The stage that takes a halo's growth from the fit of its own history, and draws it as `drawn` does without one.

    Where there is no fit (has_mah_fit false: too few snapshots, or no convergence) the growth is that of the population
    at the halo's mass and time, so that its mass at that time is met. The draws are those of `drawn`.
    """

    def function(*constants, fitted_mah_parameters: jax.Array, has_mah_fit: jax.Array, **rows):
        growth = drawn.function(*constants, **rows)
        kept = jnp.where(jnp.asarray(has_mah_fit, bool)[..., None], fitted_mah_parameters, growth.mah_parameters)
        return growth._replace(mah_parameters=kept)

    function.__name__ = name = f"fitted_or_{drawn.name}"
    function.__doc__ = f"Growth as fitted, or as in {drawn.name}."
    reads, arguments = (*drawn.reads, *FITTED), (*drawn.arguments, *FITTED)
    return replace(drawn, name=name, function=function, reads=reads, arguments=arguments)
