"""Light of a galaxy at the nodes of its mergers."""

from typing import NamedTuple

import jax

from diffsky_factory.core.stage import stage
from diffsky_factory.physics.light.photometry import ab_magnitude
from diffsky_factory.physics.stars.merging_nodes import merged_at_nodes

flux_nodes = merged_at_nodes(
    "flux_nodes", "flux_in_situ", "flux_nodes", "Flux after merging, at the nodes of the mass."
)


class MagnitudeNodes(NamedTuple):
    mag_nodes: jax.Array


@stage
def magnitude_nodes(*, flux_nodes: jax.Array) -> MagnitudeNodes:
    """AB magnitude after merging, at the nodes of the mass.

    Reads
        flux_nodes : nJy
    Writes
        mag_nodes : mag(AB)
    """
    return MagnitudeNodes(ab_magnitude(flux_nodes))
