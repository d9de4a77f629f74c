"""HEALPix cells as other software finds them: attributes by CF 1.13 and by the Zarr `dggs` convention.

Sources: CF conventions 1.13, Appendix F (HEALPix); https://github.com/zarr-conventions/dggs.
"""

from typing import Any

import numpy as np

from diffsky_factory.outputs.store import Table

DIMENSION, COORDINATE, GRID_MAPPING = "cells", "cell_ids", "healpix"
CELL_ATTRIBUTES = {"standard_name": "healpix_index", "units": "1", "description": "HEALPix pixel, NESTED, ICRS."}
"""Attributes that CF asks of a coordinate of pixels."""

CONVENTION = {
    "uuid": "7b255807-140c-42ca-97f6-7a1cfecdbc38",
    "schema_url": "https://raw.githubusercontent.com/zarr-conventions/dggs/refs/tags/v1/schema.json",
    "spec_url": "https://github.com/zarr-conventions/dggs/blob/v1/README.md",
    "name": "dggs",
    "description": "Discrete Global Grid Systems convention for zarr",
}


def cells(pixels: np.ndarray, order: int) -> dict[str, Table]:
    """Coordinate of NESTED pixels of an order, and the grid mapping that says so."""
    return {
        COORDINATE: Table((DIMENSION,), np.asarray(pixels, np.int64), CELL_ATTRIBUTES),
        GRID_MAPPING: Table((), np.zeros((), np.int8), grid_mapping(order)),
    }


def grid_mapping(order: int) -> dict[str, Any]:
    """Attributes of the CF grid mapping."""
    return {"grid_mapping_name": "healpix", "refinement_level": order, "indexing_scheme": "nested"}


def group_attributes(order: int) -> dict[str, Any]:
    """Attributes of a group whose arrays are on cells, by the Zarr convention."""
    described = {
        "name": "healpix",
        "refinement_level": order,
        "indexing_scheme": "nested",
        "spatial_dimension": DIMENSION,
        "coordinate": COORDINATE,
        "compression": "none",
    }
    return {"zarr_conventions": [CONVENTION], "dggs": described}
