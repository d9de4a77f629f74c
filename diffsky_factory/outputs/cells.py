"""Tables of the cells of a store: pixels as other software finds them, or cubes of a box by their corners."""

from typing import Any

import numpy as np

from diffsky_factory.outputs import dggs
from diffsky_factory.outputs.store import Table
from diffsky_factory.sky import boxes
from diffsky_factory.sky.spaces import Box, Space

IN_A_BOX = {"units": "1", "description": "Cell of the box, bits of its place along x, y and z by turns (Morton)."}


def cell_tables(cells: np.ndarray, space: Space, order: int) -> dict[str, Table]:
    """Coordinate of cells of an order; in a box, the lower corner of each too."""
    if not isinstance(space, Box):
        return dggs.cells(cells, order)
    corner = boxes.places(cells, order) * (space.size / 2**order)
    said = {"units": "Mpc", "description": "Lower corner of the cell, comoving."}
    tables = {f"{axis}_min": Table((dggs.DIMENSION,), corner[:, i], said) for i, axis in enumerate(boxes.AXES)}
    return {dggs.COORDINATE: Table((dggs.DIMENSION,), np.asarray(cells, np.int64), IN_A_BOX), **tables}


def reference(space: Space) -> dict[str, Any]:
    """What an array on cells says of them, by CF."""
    return {} if isinstance(space, Box) else {"grid_mapping": dggs.GRID_MAPPING}


def group_attributes(space: Space, order: int) -> dict[str, Any]:
    """Attributes of a group whose arrays are on cells."""
    if isinstance(space, Box):
        return {"cells": {"name": "morton", "refinement_level": order, "box_size": space.size}}
    return dggs.group_attributes(order)
