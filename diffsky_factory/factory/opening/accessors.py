"""`ds.sky` and `ds.box`, known to xarray before they are loaded: what they need is imported with their first use."""

from typing import TYPE_CHECKING

import xarray as xr

if TYPE_CHECKING:
    from diffsky_factory.factory.opening.box import Box
    from diffsky_factory.factory.opening.sky import Sky


@xr.register_dataset_accessor("sky")
def sky(ds: xr.Dataset) -> "Sky":
    """Sky of a dataset made by this package, opened by it, or cut from one; see `factory.opening.sky`."""
    from diffsky_factory.factory.opening.sky import Sky

    return Sky(ds)


@xr.register_dataset_accessor("box")
def box(ds: xr.Dataset) -> "Box":
    """Box of a dataset made by this package, opened by it, or cut from one; see `factory.opening.box`."""
    from diffsky_factory.factory.opening.box import Box

    return Box(ds)
