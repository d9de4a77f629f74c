"""Reader of merger trees as the box of one snapshot: all of its objects, with hosts, infalls and fits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.user_files import user_path
from diffsky_factory.inputs.readers.reader import REQUIRED, Piece, Reader, Rows
from diffsky_factory.inputs.trees.fits import Fits, read_fits
from diffsky_factory.inputs.trees.forest import Forest, ForestReader
from diffsky_factory.inputs.trees.formats import open_forests
from diffsky_factory.inputs.trees.histories import Objects, object_columns, objects_at, with_mass
from diffsky_factory.sky.cosmology import Cosmology

INFALLS = ("infall", "penultimate_infall")
FOLLOWING = (
    *("log10_halo_mass_now", "simulation_penultimate_host_halo_id"),
    *(f"{when}_time" for when in INFALLS),
    *(f"log10_{whose}_mass_at_{when}" for when in INFALLS for whose in ("halo", "host")),
)
FITTED = ("fitted_mah_parameters", "has_mah_fit")


@dataclass(frozen=True)
class ForestBox(Reader):
    """Objects of a forest at one snapshot; the format of the entry is that of the merger trees.

    Masses are the largest so far. Satellites whose host is not in the forest keep its id, and have the infalls of a
    host. Positions are needed; a product without them has histories only.
    """

    class Options(Reader.Options):
        """step : the snapshot, by its number in `steps` of the entry, or 0, 1, .. in time without these; -1: the last
        redshift : or the snapshot nearest to it; without either the last one is taken
        fits : store written by fit_histories; adds fitted_mah_parameters and has_mah_fit. An object is looked for by
            its own id, then by that of the last node of its main branch, so fits made at the last snapshot serve all
        diffmah_fits : of HACC core forests, see there
        """

        step: int | None = None
        redshift: float | None = None
        fits: str | None = None
        diffmah_fits: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.box_size, self.step

    @cached_property
    def forests(self) -> ForestReader:
        """The merger trees."""
        return open_forests(self.files, self.entry)

    @cached_property
    def names(self) -> Mapping[str, Any]:
        """As in the entry; the reader of the merger trees takes them."""
        return self.entry.columns

    @property
    def cosmology(self) -> Cosmology:
        """Of the merger trees."""
        return self.forests.cosmology

    @cached_property
    def box_size(self) -> float:
        """Side [Mpc]."""
        lacking = [name for name in ("x", "vx") if name not in self.forests.columns]
        if lacking or self.forests.box_size is None:
            what = "positions" if "x" in lacking else "velocities" if lacking else "size of its box"
            raise InputError(f"{self.path}: has no {what}, so it is no box; use its histories")
        return self.forests.box_size

    @cached_property
    def step(self) -> int:
        """The snapshot, an index into `time` of the forests."""
        options, known = self.options, self.forests.scale_factor
        if options.step is not None and options.redshift is not None:
            raise InputError(f"entry '{self.entry.name}': names step and redshift; leave one of them out")
        if options.redshift is not None:
            return int(np.abs(1.0 / known - 1.0 - options.redshift).argmin())
        if options.step in (None, -1):
            return len(known) - 1
        scale_factor = self.entry.steps or dict(enumerate(known.tolist()))
        if options.step not in scale_factor:
            raise InputError(f"entry '{self.entry.name}': no step {options.step}, but {_some(list(scale_factor))}")
        return int(np.abs(known - scale_factor[options.step]).argmin())

    @property
    def redshift(self) -> float:
        """Of the snapshot."""
        return max(1.0 / float(self.forests.scale_factor[self.step]) - 1.0, 0.0)

    @cached_property
    def extra_columns(self) -> Sequence[str]:  # type: ignore[override]
        """Those that follow from the links, those of the forest, and fits where there are some."""
        fitted = FITTED if self.fits is not None else ()
        return [name for name in dict.fromkeys((*FOLLOWING, *self.forests.columns, *fitted)) if name not in REQUIRED]

    @property
    def attributes(self) -> dict[str, Any]:
        """Those of the forests, and redshift and scale_factor of the snapshot."""
        scale_factor = float(self.forests.scale_factor[self.step])
        return {**self.forests.attributes, "scale_factor": scale_factor, "redshift": self.redshift}

    @cached_property
    def fits(self) -> Fits | None:
        """Fits of histories, where the entry names some."""
        if self.options.fits is None:
            return None
        beside = self.path.parent / user_path(self.options.fits)
        return read_fits(beside if beside.exists() else Path(self.options.fits))

    def pieces(self) -> Sequence[Piece]:
        """Those of the forests."""
        return self.forests.pieces()

    def convert(self, piece: Piece) -> Rows:
        """Objects of one piece that have a mass."""
        objects = self._objects(piece)
        found = object_columns(objects, self.forests.time)
        if self.fits is not None:
            found |= self.fits.of(found["simulation_halo_id"], _last_names(objects))
        kept, lacking = with_mass({name: found[name] for name in self.columns})
        columns: dict[str, np.ndarray] = {
            name: np.ascontiguousarray(kept[name], kind) for name, kind in self.columns.items()
        }
        return Rows(columns, {**objects.forest.dropped, **lacking})

    def counts(self, piece: Piece) -> dict[str, int]:
        """What does not hold in the links of a piece, and how infalls were settled; of how many nodes or objects."""
        objects = self._objects(piece)
        return {**objects.links.counts, **{what: n for what, n in objects.infalls.counts.items() if n}}

    def _objects(self, piece: Piece) -> Objects:
        return objects_at(self.forests.read(piece), self.step, source=piece.file)


def _last_names(objects: Objects) -> np.ndarray:
    """(objects,) what the simulation calls each object at the last node of its main branch, after the snapshot too."""
    forest: Forest = objects.forest
    names = forest.node_id if forest.halo_id is None else forest.halo_id
    return names[objects.links.last[objects.branches.last]]


def _some(values: list) -> str:
    return ", ".join(map(str, values[:20])) + (", .." if len(values) > 20 else "")
