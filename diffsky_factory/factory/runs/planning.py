"""The plan of a build: exact rows of every tile, arrays, bytes, memory and time, before anything is written."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory import __version__
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.machine import cores, memory_limit
from diffsky_factory.factory.assembly import Assembly, assembly
from diffsky_factory.factory.axis_labels import Labels
from diffsky_factory.factory.made_from import INPUTS
from diffsky_factory.factory.recipe import Recipe, load_recipe
from diffsky_factory.factory.runs.memory import CLUSTER, Memory, memory_of
from diffsky_factory.factory.runs.tasks import at_once
from diffsky_factory.inputs.templates import load_templates
from diffsky_factory.outputs.layout import IS_ROW, Part, Rows, array_layouts
from diffsky_factory.sky.spaces import WORDS, Box, space_of

COMPRESSION = 0.65  # bytes on disk per byte in memory; measured on the example, of rows and of templates
TABLES, TABLE_FILES = 30, 75  # arrays of the index and of templates, and files that belong to no tile, band or axis
CURVE, BAND_FILES = 2, 5  # arrays of the curve of a band, and files of these
NODE = 3.5e3  # bytes of what is said of an array, by itself and in the root; measured on the example
COMMIT, FILE = 8e2, 85.0  # bytes of the commit of a tile, and of each file in it; measured on the example
GALAXY_SECONDS = 2.5e-5  # per galaxy and core; measured on the example with 18 bands on two cores
START_SECONDS = 25.0  # tables and compilation

LARGEST_COUNTED = 50.0  # deg^2, chosen: beyond, it takes minutes to count rows one by one


@dataclass(frozen=True, repr=False)
class BuildPlan:
    """Size and cost of a build; print it."""

    part: Part
    holds: Memory
    templates: float  # bytes in memory of the templates that a store keeps
    bands: int  # whose curves a store keeps
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
            "on disk": f"about {self.bytes / 1e6:,.0f} MB in about {self.files:,} files",
            "memory": f"about {_gb(self.memory(workers))} with {workers} tiles at a time in threads; in processes "
            f"{_gb(self.worker_memory)} each and {_gb(self.memory(workers, processes=True))} in all",
            "time": f"about {self.seconds(workers):.0f} s on {workers} cores",
        }

    @property
    def rows(self) -> Rows:
        """The tiles and their rows."""
        return self.part.rows

    @property
    def bytes(self) -> float:
        """Bytes on disk, about."""
        nodes = len(self.part.arrays) + len(self.part.axes) + TABLES + CURVE * self.bands
        commits = COMMIT * self.rows.tiles + FILE * self._files_of_rows
        return COMPRESSION * (self.rows.total * self.part.row_bytes + self.templates) + NODE * nodes + commits

    @property
    def files(self) -> int:
        """Files, about: of rows, commits, metadata, tables."""
        of_columns = len(self.part.arrays) + 2 * len(self.part.axes) + BAND_FILES * self.bands
        return self._files_of_rows + self.rows.tiles + of_columns + TABLE_FILES

    @property
    def _files_of_rows(self) -> int:
        return int(self.rows.shard_counts.sum()) * len(self.part.arrays)

    def memory(self, workers: int = 1, *, processes: bool = False) -> float:
        """Bytes of memory with a number of tiles at a time, about: of the process, or of all processes of a cluster."""
        return self.holds.processes(workers) if processes else self.holds.process(workers)

    @property
    def worker_memory(self) -> float:
        """Bytes of memory of each worker of a cluster, of one thread, about."""
        return self.holds.worker

    def seconds(self, workers: int = 1) -> float:
        """Time with a number of cores, about."""
        return START_SECONDS + GALAXY_SECONDS * self.rows.total / workers

    def check_fits(self, path: Path, workers: int | None = None, client: Any = None) -> None:
        """Raise InputError where disk or memory cannot hold the build, by those workers that `build` would have."""
        existing = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
        free = shutil.disk_usage(existing).free
        if self.bytes > free:
            raise InputError(
                f"{path}: needs {_gb(self.bytes)} of disk and {_gb(free)} are free; "
                "choose another place, fewer bands or a smaller region"
            )
        tiles = min(at_once(client, workers), self.holds.tiles)
        if client is None:
            self._check_memory(tiles, self.memory(tiles), memory_limit(), "this machine has")
            return
        for worker in client.scheduler_info()["workers"].values():
            if worker["memory_limit"]:  # 0 where dask sets none
                threads = min(worker["nthreads"], self.holds.tiles)
                needed = CLUSTER + self.memory(threads)
                self._check_memory(threads, needed, worker["memory_limit"], f"worker {worker['name']} has")

    def _check_memory(self, tiles: int, needed: float, there: float, whose: str) -> None:
        if needed <= there:
            return
        alone = self.memory(1) <= there
        remedy = "give fewer workers (--workers), or " if alone and tiles > 1 else "give "
        raise InputError(
            f"{tiles} tile{'s' if tiles > 1 else ''} at a time take about {_gb(needed)} of memory and {whose} "
            f"{_gb(there)}; {remedy}tiles of a higher order, or a smaller tiles.block"
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
    assembly.warn_of_unused()
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
    templates = load_templates(recipe.templates)
    return BuildPlan(
        part=part,
        holds=memory_of(assembly, part),
        templates=4.0 * (templates.flux.size + templates.line_luminosity.size),
        bands=len(assembly.axes["band"]),
        extent=assembly.extent,
        unit=assembly.space.unit,
        exact=exact,
    )


def _gb(number: float) -> str:
    return f"{number / 1e9:.1f} GB"


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
