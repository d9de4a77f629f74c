"""Stages of two surveys that do little, for parts of a store."""

from typing import NamedTuple

from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Normal, Scalar


class Depth(NamedTuple):
    """How deep a survey is."""

    limit: Scalar = 0.5  # of redshift
    width: Scalar = 0.1


class Seen(NamedTuple):
    weight: Scalar


class Shifted(NamedTuple):
    redshift_obs: Scalar


@stage
def seen(p: Depth, *, redshift: Scalar, draw_noise: Normal) -> Seen:
    """How much of a galaxy a survey sees.

    Reads
        redshift : -
    Writes
        weight : -
    """
    return Seen(1.0 / (1.0 + ((redshift + 0.01 * draw_noise) / p.limit) ** 2))


@stage
def shifted(p: Depth, *, redshift: Scalar, weight: Scalar) -> Shifted:
    """A redshift that depends on what the same survey has seen.

    Reads
        redshift : -
        weight : -
    Writes
        redshift_obs : -
    """
    return Shifted(redshift + p.width * weight)
