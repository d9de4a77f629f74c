"""A tiny product of each format, written by the helpers of that format's own tests."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import yaml

from diffsky_factory.inputs.readers.reader import Reader
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.inputs.trees.forest_box import ForestBox
from tests.inputs.readers import (
    abacus_files,
    test_hacc_lightcone_cores,
    test_illustris_groups,
    test_opencosmo,
    test_rockstar_hlist,
    test_rockstar_out,
    test_table,
    test_universemachine_cone,
    test_universemachine_sfr,
)
from tests.inputs.trees import test_consistent_trees, test_hacc_core_forest, test_sublink
from tests.inputs.trees.forests import by_hand

HOST, BIG = 10, 52000000469980727


def universemachine_sfr(folder: Path) -> Reader:
    record = test_universemachine_sfr.record
    ignored = record(2, flags=16, position=(np.nan, 0.0, 0.0))
    return test_universemachine_sfr.write(folder, [record(HOST), record(BIG, parent=HOST), ignored, record(7, BIG)])


def universemachine_lightcone(folder: Path) -> Reader:
    return test_universemachine_cone.write(folder, test_universemachine_cone.ROWS[:3])


def rockstar_out(folder: Path) -> Reader:
    row = test_rockstar_out.row
    return test_rockstar_out.write(folder, [*test_rockstar_out.ROWS, row(2, mass="0.0")])


def consistent_trees_hlist(folder: Path) -> Reader:
    row = test_rockstar_hlist.row
    return test_rockstar_hlist.write(folder, [*test_rockstar_hlist.ROWS, row(2, mvir="0.0")])


def hacc_lightcone_cores(folder: Path) -> Reader:
    return test_hacc_lightcone_cores.write(folder)


def abacus_box(folder: Path) -> Reader:
    from tests.inputs.readers import test_abacus_box

    path = abacus_files.write_box(folder)
    abacus_files.write_cleaning(folder, [150, 0, 40])
    return test_abacus_box.opened(path, cleaned=True)


def abacus_lightcone(folder: Path) -> Reader:
    from tests.inputs.readers import test_abacus_lightcone

    return test_abacus_lightcone.opened(abacus_files.write_cone(folder))


def illustris_groups(folder: Path) -> Reader:
    return test_illustris_groups.opened(test_illustris_groups.write(folder))


def table(kind: str) -> Callable[[Path], Reader]:
    return lambda folder: test_table.opened(test_table.written(folder, kind), columns=test_table.STATED)


def table_on_the_sky(folder: Path) -> Reader:
    path = test_table.written(folder, halos=test_table.cone())
    return test_table.opened(path, columns=test_table.SKY, options=test_table.CONE, box_size=None)


def galacticus_forest(folder: Path) -> Reader:
    """The forest by hand twice, in Mpc/h and Msun/h with h = 0.5."""
    path, forest, n = folder / "forests.hdf5", by_hand(), len(by_hand().node_id)
    ids = [np.where(values < 0, -1, values) for values in (forest.node_id, forest.descendant_id, forest.host_id)]
    scale = np.array([0.2, 0.4, 0.6, 0.8, 1.0])[forest.step]
    values = {"expansionFactor": scale, "nodeMass": 0.5 * 10.0**forest.log10_mass, "velocity": forest.velocity}
    with h5py.File(path, "w") as file:
        for name, one in zip(("nodeIndex", "descendantIndex", "hostIndex"), ids):
            file[f"forestHalos/{name}"] = np.concatenate([one, np.where(one < 0, -1, one + 1000)])
        for name, one in {**values, "position": 0.5 * forest.position}.items():
            file[f"forestHalos/{name}"] = np.concatenate([one, one])
        file["forestIndex/firstNode"], file["forestIndex/numberOfNodes"] = [0, n], [n, n]
        units = {"mass": (1.989e30, -1), "length": (3.0857e22, -1), "velocity": (1e3, 0)}
        for what, (unit, power) in units.items():
            attributes = file.require_group("units").attrs
            attributes[f"{what}UnitsInSI"], attributes[f"{what}HubbleExponent"] = unit, power
        file.create_group("cosmology").attrs.update({"Omega0": 0.3, "OmegaLambda": 0.7, "HubbleParam": 0.5})
        file.create_group("simulation").attrs["boxSize"] = 150.0
    return forests("galacticus_forest", path)


def consistent_trees(folder: Path) -> Reader:
    return forests("consistent_trees", *test_consistent_trees.write(folder))


def sublink(folder: Path) -> Reader:
    path = test_sublink.write(folder / "tree_extended.0.hdf5")
    return forests("sublink", path, **test_sublink.ENTRY)


def hacc_core_forest(folder: Path) -> Reader:
    return forests("hacc_core_forest", test_hacc_core_forest.write(folder), **test_hacc_core_forest.ENTRY)


def forests(kind: str, *files: Path, **entry) -> Reader:
    return ForestBox(files, SimulationEntry(name="forests", format=kind, **entry))


PRODUCTS: dict[str, Callable[[Path], Reader]] = {
    "universemachine_lightcone": universemachine_lightcone,
    "universemachine_sfr": universemachine_sfr,
    "rockstar_out": rockstar_out,
    "consistent_trees_hlist": consistent_trees_hlist,
    "hacc_lightcone_cores": hacc_lightcone_cores,
    "abacus_box": abacus_box,
    "abacus_lightcone": abacus_lightcone,
    "illustris_groups": illustris_groups,
    "opencosmo": test_opencosmo.galaxy_file,
    "opencosmo, halos of a box": test_opencosmo.halo_file,
    "opencosmo, halos on the sky": test_opencosmo.cone_file,
    "table": table("hdf5"),
    "table, text": table("csv"),
    "table, parquet": table("parquet"),
    "table, fits": table("fits"),
    "table, on the sky": table_on_the_sky,
    "galacticus_forest": galacticus_forest,
    "consistent_trees": consistent_trees,
    "sublink": sublink,
    "hacc_core_forest": hacc_core_forest,
}
"""Name of a format, with a word on the variant -> what writes a product into a folder and opens it."""


def format_of(name: str) -> str:
    """The format of a product."""
    return name.partition(",")[0]


def entry_of(reader: Reader, folder: Path, **changes) -> Path:
    """An entry, as a person writes one, from which the product of a reader is opened again."""
    stated = reader.entry.model_dump(exclude_defaults=True, mode="json") | {"files": list(map(str, reader.files))}
    path = folder / "product.yaml"
    path.write_text(yaml.safe_dump(stated | changes))
    return path
