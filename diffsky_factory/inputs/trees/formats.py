"""Formats of merger trees by name, and which of them a file is in."""

from collections.abc import Callable
from pathlib import Path

from diffsky_factory.core.errors import InputError, near
from diffsky_factory.core.user_files import user_file
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.inputs.trees import consistent_trees, galacticus_forest, hacc_core_forest, sublink
from diffsky_factory.inputs.trees.forest import ForestReader

FORMATS: dict[str, tuple[Callable[[tuple[Path, ...], SimulationEntry], ForestReader], Callable[[Path], bool]]] = {
    galacticus_forest.FORMAT: (galacticus_forest.GalacticusForest, galacticus_forest.recognises),
    consistent_trees.FORMAT: (consistent_trees.ConsistentTrees, consistent_trees.recognises),
    sublink.FORMAT: (sublink.SubLink, sublink.recognises),
    hacc_core_forest.FORMAT: (hacc_core_forest.HaccCoreForest, hacc_core_forest.recognises),
}
"""name -> (reader, whether a file is in the format)."""


def open_forests(files: tuple[Path, ...], entry: SimulationEntry) -> ForestReader:
    """Merger trees, opened by the format of their entry; raises InputError for one that is none of `FORMATS`."""
    if entry.format not in FORMATS:
        raise InputError(f"entry '{entry.name}': {entry.format!r} is no merger trees; {near(entry.format, FORMATS)}")
    reader, _ = FORMATS[entry.format]
    return reader(tuple(user_file(path) for path in files), entry)


def format_of(path: Path) -> str | None:
    """Name of the format of merger trees that a file is in; None where it is in none."""
    return next((name for name, (_, recognises) in FORMATS.items() if recognises(path)), None)
