"""Files of a simulation by name or path: each snapshot by the reader of its format."""

import os
from pathlib import Path

from diffsky_factory.core.errors import InputError, near
from diffsky_factory.core.imports import imported, is_path
from diffsky_factory.core.user_files import user_file, user_path
from diffsky_factory.inputs.entries import checked, entry_names, read_entry, read_yaml
from diffsky_factory.inputs.readers.reader import Reader
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
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
"""Format -> module in this folder and class of its reader; a format of another package is `module:Class` itself."""

DATA_PATH = "DIFFSKY_FACTORY_DATA"
"""Environment variable: folders in which the files of simulations are looked for."""


def find_entry(name: str | Path) -> SimulationEntry | None:
    """The entry of a name, or in a yaml file; None for any other path."""
    if str(name) in entry_names("simulations"):
        return read_entry("simulations", str(name), SimulationEntry)[0].model_copy(update={"name": str(name)})
    path = user_path(name)
    if path.suffix in (".yaml", ".yml"):
        return checked(SimulationEntry, {"name": path.stem, **read_yaml(path)}, path)
    return None


def open_snapshots(name: str | Path) -> tuple[Reader, ...]:
    """The readers of a simulation's snapshots, or the one of its light cone, by name or path of its entry or a file.

    Files of an entry are looked for beside it where it is a file of the user's, and in the folders of
    DIFFSKY_FACTORY_DATA, in a folder of the simulation's name or without one.
    Raises InputError for an unknown name, missing files, or a file that no reader knows.
    """
    entry, path = find_entry(name), user_file(name, folders=True)
    if entry is not None:
        reader = reader_class(entry.format, f"simulation '{entry.name}', format")
        return tuple(reader(files, entry) for files in _by_snapshot(_files(entry, path), reader.snapshot))
    if not str(name) or not path.exists():
        raise InputError(
            f"no simulation {str(name)!r}, and no such file; {near(str(name), entry_names('simulations'))}"
        )
    recognised = format_of(path) or next((format_ for format_ in READERS if _reader(format_).recognises(path)), None)
    if recognised is None:
        raise InputError(
            f"{path}: no reader knows this file; the formats are {', '.join((*READERS, *FORMATS))}. For a plain table, "
            "write an entry that names its columns (docs/how-to/open-a-simulation.md); for another format, a reader "
            "(docs/how-to/add-a-format.md)"
        )
    return (reader_class(recognised, path)((path,), SimulationEntry(name=path.stem, format=recognised)),)


def reader_class(format_: str, source: object) -> type[Reader]:
    """The reader of a format, by its name or, of another package, by `module:Class`.

    Raises InputError, naming the source of the name, where there is none or it is no reader.
    """
    if format_ == "synthetic":
        raise InputError(f"{source}: the synthetic universe has no files to read; name it in a recipe as it is")
    if format_ in FORMATS:
        return ForestBox
    if format_ in READERS:
        return _reader(format_)
    if not is_path(format_):
        raise InputError(f"{source}: no reader of {format_!r}; {near(format_, (*READERS, *FORMATS))}")
    found = imported(format_)
    if not (isinstance(found, type) and issubclass(found, Reader)):
        raise InputError(
            f"{source}: {format_!r} is no reader; derive a class from diffsky_factory.inputs.readers.reader.Reader"
        )
    return found


def _reader(format_: str) -> type[Reader]:
    return imported(f"{__package__}.{READERS[format_]}")


def _by_snapshot(files: tuple[Path, ...], snapshot: str) -> list[tuple[Path, ...]]:
    """Files of each snapshot: each for itself, or those of a folder, or all, as the format has it."""
    if snapshot == "file":
        return [(file,) for file in files]
    if snapshot == "folder":
        folders = dict.fromkeys(file.parent for file in files)
        return [tuple(file for file in files if file.parent == folder) for folder in folders]
    return [files]


def _files(entry: SimulationEntry, path: Path) -> tuple[Path, ...]:
    """Files of an entry, sorted within each of its patterns, which may be absolute."""
    given = [user_path(pattern) for pattern in entry.files]
    if given and all(pattern.is_absolute() for pattern in given):
        folders = [Path("/")]
    else:
        folders = [path.parent] if path.suffix in (".yaml", ".yml") else []
        for folder in filter(None, os.environ.get(DATA_PATH, "").split(os.pathsep)):
            folders += [user_path(folder) / entry.name, user_path(folder)]
    for folder in folders:
        patterns = [str(pattern.relative_to("/") if folder == Path("/") else pattern) for pattern in given]
        found = [file for pattern in patterns for file in sorted(folder.glob(pattern))]
        if found:
            return tuple(found)
    raise InputError(
        f"simulation '{entry.name}': no files {', '.join(entry.files)} in "
        f"{', '.join(map(str, folders)) or 'any folder'}; name the folder that holds them in {DATA_PATH}"
    )
