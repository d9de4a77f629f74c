"""Halos of the last time of a merger tree, with what is known of their infalls, as rows of each other."""

from pathlib import Path

import numpy as np

from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.inputs.trees.galacticus_forest import FORMAT, GalacticusForest
from diffsky_factory.inputs.trees.histories import object_columns, objects_at


def halos_today(path: Path) -> dict[str, np.ndarray]:
    """Columns of the halos of the last time: hosts on top and at first infall, times and masses of both infalls."""
    trees = GalacticusForest((Path(path),), SimulationEntry(format=FORMAT))
    last = len(trees.time) - 1
    parts = [trees.read(piece) for piece in trees.pieces()]
    assert len(parts) == 1
    objects = objects_at(parts[0], last)
    columns = object_columns(objects, trees.time)
    infalls = {name: values for name, values in columns.items() if "infall" in name}
    return {
        "host_row": objects.infalls.host,
        "penultimate_host_row": objects.infalls.first_host,
        **infalls,
        "cosmic_time": np.full(len(objects.infalls.host), trees.time[last]),
    }
