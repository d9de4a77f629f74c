"""Files of a simulation by name or path: each snapshot by the reader of its format."""

import os
from importlib import import_module
from pathlib import Path

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.entries import checked, entry_names, near, read_entry, read_yaml
from diffsky_factory.inputs.readers.reader import Reader, SimulationEntry
from diffsky_factory.inputs.trees.forest_box import ForestBox
from diffsky_factory.inputs.trees.formats import FORMATS, format_of

READERS = {
    "universemachine_lightcone": "universemachine.cone:UniverseMachineCone",
    "universemachine_sfr": "universemachine.sfr:UniverseMachineSfr",
    "rockstar_out": "rockstar.out:RockstarOut",
    "consistent_trees_hlist": "rockstar.hlist:ConsistentTreesHlist",
    "hacc_lightcone_cores": "hacc.lightcone_cores:HaccLightconeCores",
    "abacus_box": "abacus.box:AbacusBox",
    "abacus_lightcone": "abacus.lightcone:AbacusLightcone",
    "illustris_groups": "illustris.groups:IllustrisGroups",
    "opencosmo": "opencosmo.halos:OpenCosmo",
    "table": "table.halos:HaloTable",
}
"""Format -> module in this folder and class of its reader. A module says, by `recognises`, which files are its."""

ONE_FILE_A_SNAPSHOT = ("rockstar_out", "consistent_trees_hlist", "universemachine_sfr")
ONE_FOLDER_A_SNAPSHOT = ("abacus_box", "illustris_groups")

DATA_PATH = "DIFFSKY_FACTORY_DATA"
"""Environment variable: folders in which the files of simulations are looked for."""


def find_entry(name: str | Path) -> SimulationEntry | None:
    """The entry of a name, or in a yaml file; None for any other path."""
    if str(name) in entry_names("simulations"):
        return read_entry("simulations", str(name), SimulationEntry)[0].model_copy(update={"name": str(name)})
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return checked(SimulationEntry, {"name": path.stem, **read_yaml(path)}, path)
    return None


def open_snapshots(name: str | Path) -> tuple[Reader, ...]:
    """The readers of a simulation's snapshots, or the one of its light cone, by name or path of its entry or a file.

    Files of an entry are looked for beside it where it is a file of the user's, and in the folders of
    DIFFSKY_FACTORY_DATA, in a folder of the simulation's name or without one.
    Raises InputError for an unknown name, missing files, or a file that no reader knows.
    """
    entry, path = find_entry(name), Path(name)
    if entry is not None:
        if entry.format in FORMATS:
            return (ForestBox(_files(entry, path), entry),)
        if entry.format not in READERS:
            known = near(entry.format, (*READERS, *FORMATS))
            raise InputError(f"simulation '{entry.name}', format: no reader of {entry.format!r}; {known}")
        return tuple(_reader(entry.format)(files, entry) for files in _by_snapshot(_files(entry, path), entry.format))
    if not str(name) or not path.exists():
        raise InputError(
            f"no simulation {str(name)!r}, and no such file; {near(str(name), entry_names('simulations'))}"
        )
    forests = format_of(path)
    if forests is not None:
        return (ForestBox((path,), SimulationEntry(name=path.stem, format=forests)),)
    for format_ in READERS:
        if import_module(_module(format_)).recognises(path):
            return (_reader(format_)((path,), SimulationEntry(name=path.stem, format=format_)),)
    raise InputError(
        f"{path}: no reader knows this file; the formats are {', '.join((*READERS, *FORMATS))}. For a plain table, "
        "write an entry that names its columns (docs/how-to/open-a-simulation.md)"
    )


def _by_snapshot(files: tuple[Path, ...], format_: str) -> list[tuple[Path, ...]]:
    """Files of each snapshot: each for itself, or those of a folder, or all, as the format has it."""
    if format_ in ONE_FILE_A_SNAPSHOT:
        return [(file,) for file in files]
    if format_ in ONE_FOLDER_A_SNAPSHOT:
        folders = dict.fromkeys(file.parent for file in files)
        return [tuple(file for file in files if file.parent == folder) for folder in folders]
    return [files]


def _files(entry: SimulationEntry, path: Path) -> tuple[Path, ...]:
    """Files of an entry, sorted within each of its patterns, which may be absolute."""
    if entry.files and all(Path(pattern).is_absolute() for pattern in entry.files):
        folders = [Path("/")]
    else:
        folders = [path.parent] if path.suffix in (".yaml", ".yml") else []
        for folder in filter(None, os.environ.get(DATA_PATH, "").split(os.pathsep)):
            folders += [Path(folder) / entry.name, Path(folder)]
    for folder in folders:
        patterns = [str(Path(pattern).relative_to("/")) if folder == Path("/") else pattern for pattern in entry.files]
        found = [file for pattern in patterns for file in sorted(folder.glob(pattern))]
        if found:
            return tuple(found)
    raise InputError(
        f"simulation '{entry.name}': no files {', '.join(entry.files)} in "
        f"{', '.join(map(str, folders)) or 'any folder'}; name the folder that holds them in {DATA_PATH}"
    )


def _module(format_: str) -> str:
    return f"{__package__}.{READERS[format_].partition(':')[0]}"


def _reader(format_: str):
    return getattr(import_module(_module(format_)), READERS[format_].partition(":")[2])
