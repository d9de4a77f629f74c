"""Maps of matter in shells of redshift, for lensing, from simulations that carry it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.halos.open import open_simulation
from diffsky_factory.outputs.dggs import CELL_ATTRIBUTES, GRID_MAPPING, grid_mapping
from diffsky_factory.outputs.store import plain

if TYPE_CHECKING:
    import xarray as xr


def matter_maps(
    simulation: str,
    redshift: Sequence[float],
    nside: int,
    *,
    region: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> "xr.Dataset":
    """Matter overdensity between the edges in redshift, on a HEALPix map, NESTED; of a region, or of the whole sky.

    The same matter as that which the simulation's halos of this seed live in. Dims shell and pixel, `pixel` numbers
    those that overlap the region; they are HEALPix cells by the CF conventions, as xdggs and others read them.
    Raises InputError for a simulation without matter.
    """
    import xarray as xr

    edges = [float(z) for z in redshift]
    if len(edges) < 2:
        raise InputError(f"redshift {edges}: give two or more edges of shells")
    source = open_simulation(simulation, redshift=(min(edges), max(edges)), seed=seed)
    if not hasattr(source, "matter_shells"):
        raise InputError(f"simulation '{simulation}' holds halos only: matter is in 'synthetic'")
    found = source.matter_shells(edges, nside, region)
    order = int(np.log2(nside))
    described = {"units": "", "long_name": "matter overdensity", "grid_mapping": GRID_MAPPING}
    return xr.Dataset(
        {"overdensity": (("shell", "pixel"), found.overdensity, described)},
        coords={
            "pixel": ("pixel", found.pixel, CELL_ATTRIBUTES),
            GRID_MAPPING: ((), np.int8(0), grid_mapping(order)),
            "redshift_min": ("shell", edges[:-1]),
            "redshift_max": ("shell", edges[1:]),
            "distance_min": ("shell", found.distance[:-1], {"units": "Mpc"}),
            "distance_max": ("shell", found.distance[1:], {"units": "Mpc"}),
        },
        attrs={**plain(source.attributes), "nside": nside, "ordering": "NESTED"},
    )
