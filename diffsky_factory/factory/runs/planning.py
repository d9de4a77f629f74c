"""The plan of a build: exact rows of every tile, arrays, bytes, memory and time, before anything is written."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from diffsky_factory import __version__
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.machine import cores
from diffsky_factory.factory.assembly import Assembly, assembly
from diffsky_factory.factory.axis_labels import Labels
from diffsky_factory.factory.made_from import INPUTS
from diffsky_factory.factory.recipe import Recipe, load_recipe
from diffsky_factory.outputs.layout import IS_ROW, Part, Rows, array_layouts
from diffsky_factory.sky.spaces import WORDS, Box, space_of

COMPRESSION = 0.8  # bytes on disk per byte in memory; measured on the example
BASE_MEMORY = 1.3e9  # bytes of a process with libraries, tables and compiled kernels; measured on the example
ROW_MEMORY = 4.0  # copies of a tile's rows that a task holds at once
GALAXY_SECONDS = 2.5e-5  # per galaxy and core; measured on the example with 18 bands on two cores
START_SECONDS = 25.0  # tables and compilation


LARGEST_COUNTED = 50.0  # deg^2, chosen: beyond, it takes minutes to count rows one by one


@dataclass(frozen=True, repr=False)
class BuildPlan:
    """Size and cost of a build; print it."""

    part: Part
    extent: float  # deg^2, or Mpc^3 of a box
    unit: str
    exact: bool = True  # whether rows were counted, or are means over universes

    def __repr__(self) -> str:
        return "\n".join(f"{what:<9} {how_much}" for what, how_much in self.said().items())

    def said(self, workers: int | None = None) -> dict[str, str]:
        """Size and cost in words, with a number of cores (default: all)."""
        workers, rows = workers or cores(), self.rows
        return {
            "galaxies": f"{'' if self.exact else 'about '}{rows.total:,}",
            space_of(self.part.attributes).extent_name.partition("_")[0]: f"{self.extent:.4g} {WORDS[self.unit][1]}",
            "tiles": f"{rows.tiles} of order {rows.order}, at most {max(rows.counts):,} rows",
            "on disk": f"about {self.bytes / 1e6:,.0f} MB in {self.files:,} files",
            "memory": f"about {self.memory(workers) / 1e9:.1f} GB with {workers} tiles at a time",
            "time": f"about {self.seconds(workers):.0f} s on {workers} cores",
        }

    @property
    def rows(self) -> Rows:
        """The tiles and their rows."""
        return self.part.rows

    @property
    def bytes(self) -> float:
        """Bytes on disk, about."""
        return COMPRESSION * self.rows.total * self.part.row_bytes

    @property
    def files(self) -> int:
        """Files of rows."""
        return int(self.rows.shard_counts.sum()) * len(self.part.arrays)

    def memory(self, threads: int = 1) -> float:
        """Bytes of memory of a process that computes a number of tiles at a time, about."""
        largest = max(self.rows.counts, default=0) * self.part.row_bytes
        return BASE_MEMORY + threads * ROW_MEMORY * largest

    def seconds(self, workers: int = 1) -> float:
        """Time with a number of cores, about."""
        return START_SECONDS + GALAXY_SECONDS * self.rows.total / workers

    def check_fits(self, path: Path) -> None:
        """Raise InputError where disk or memory cannot hold the build."""
        existing = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
        free = shutil.disk_usage(existing).free
        if self.bytes > free:
            raise InputError(
                f"{path}: needs {self.bytes / 1e9:.1f} GB of disk and {free / 1e9:.1f} GB are free; "
                "choose another place, fewer bands or a smaller region"
            )
        memory = psutil.virtual_memory().total
        if self.memory() > memory:
            raise InputError(
                f"the largest tile needs {self.memory() / 1e9:.1f} GB of memory and there are {memory / 1e9:.1f} GB; "
                "give tiles of a higher order"
            )


def plan(
    recipe: "str | Path | Recipe | Mapping[str, Any]", /, *, exact: bool | None = None, **changes: Any
) -> BuildPlan:
    """Rows, bytes, files, memory and time of a build, without building.

    recipe : as in `build`; `changes` replace fields
    exact  : whether each row is counted, or rows are means over universes (default: counted where that is quick)
    Raises InputError for anything wrong with the recipe, and for a region without halos.
    """
    parts = assembly(load_recipe(recipe, **changes).in_place().text)
    quick = parts.space.unit != "deg2" or parts.extent < LARGEST_COUNTED
    return plan_build(parts, exact=quick if exact is None else exact)


def plan_build(assembly: Assembly, *, exact: bool = True) -> BuildPlan:
    """Count the rows of every tile, or with exact=False take their mean where a simulation knows it, and lay them out.

    Raises InputError for a region without halos, and for a tile with more spectra than one may have.
    """
    if not assembly.recipe.columns:
        raise InputError(f"recipe '{assembly.recipe.name}': it has no columns; there is nothing to build")
    tiles = [int(tile) for tile in assembly.tiles]
    counts = assembly.counts if exact else assembly.expected_counts
    if not sum(counts):
        raise InputError(f"recipe '{assembly.recipe.name}': its region and redshift range hold no halos")
    recipe = assembly.recipe
    assembly.check_size(max(counts), assembly.columns)
    rows = Rows(
        made_from=recipe.text,
        partition=assembly.space.partition,
        order=assembly.order,
        dimension="galaxy",
        block=recipe.tiles.block,
        shard=recipe.tiles.shard,
        keys=tuple(tiles),
        counts=counts,
        extents=assembly.tile_extents(tiles),
    )
    part = Part(
        name="galaxies",
        rows=rows,
        job="build",
        made_from=recipe.text,
        arrays=array_layouts((*assembly.columns, IS_ROW)),
        axes=used_axes(assembly, assembly.columns),
        attributes={**attributes(assembly), INPUTS: assembly.inputs},
    )
    return BuildPlan(part, assembly.extent, assembly.space.unit, exact)


def used_axes(assembly: Assembly, names: Sequence[str]) -> dict[str, Labels]:
    """Labels of the axes that the named columns have."""
    used = dict.fromkeys(axis for name in names for axis in assembly.column(name).axes)
    return {axis: assembly.axes[axis] for axis in used}


def attributes(assembly: Assembly) -> dict:
    """What a mock says of itself: recipe, cosmology, conventions, versions."""
    recipe, cosmology = assembly.recipe, assembly.cosmology
    covered = getattr(assembly.simulation, "footprint", ())
    return {
        "title": recipe.title or recipe.name,
        "recipe": recipe.text,
        "recipe_sha256": recipe.hash,
        **_of_space(assembly),
        "region": assembly.region,
        **({"footprint": [dict(part.plain) for part in covered]} if covered else {}),
        "redshift_min": float(assembly.simulation.redshift_range[0]),
        "redshift_max": float(assembly.simulation.redshift_range[1]),
        "cosmology": {name: float(np.asarray(value)) for name, value in cosmology._asdict().items()},
        "simulation": assembly.simulation.attributes,
        "simulation_columns": sorted(assembly.simulation.columns),
        "calibration": assembly.calibration.name,
        "calibration_sha256": assembly.calibration.hash,
        "calibration_reference": assembly.calibration.reference,
        "seed": recipe.seed,
        "halo_seed": recipe.seed_of_halos,
        "random_numbers": "threefry2x32, fold_in(id_high, id_low, crc32('stage.draw'))",
        "tile_order": assembly.order,
        "tile_membership": "true position of the host",
        "h_convention": "none: Mpc and Msun without h",
        "distance_frame": "comoving",
        "velocity_frame": "peculiar, physical",
        "magnitude_system": "AB",
        "version": __version__,
    }


def _of_space(assembly: Assembly) -> dict:
    """Where its galaxies are: on the sky, or in a box."""
    space = assembly.space
    said: dict[str, Any] = {"geometry": space.geometry, space.extent_name: assembly.extent}
    if isinstance(space, Box):
        return {**said, "box_size": space.size, "redshift": assembly.simulation.redshift_range[0]}
    return {**said, "sky_frame": "ICRS"}
