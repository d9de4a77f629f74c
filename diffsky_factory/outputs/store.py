"""The tile store: a Zarr v3 group whose tiles are written whole, committed one by one, and finalized.

    mock.zarr/plan.json              the layout, written first, never changed
    mock.zarr/commits/<pixel>.json   one per finished tile: its files, their sizes and checksums
    mock.zarr/<group>/<array>/c/...  one file per shard and array
    mock.zarr/index, calibration     written by `finalize`; the root's state becomes "complete"

A tile without a valid commit is deleted and written again, never patched, because a file cut off by a killed job
cannot be told from a good one by its name.
"""

import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from diffsky_factory.core.errors import InputError
from diffsky_factory.outputs.layout import ArrayLayout, Layout, layout_from_text

PLAN, COMMITS = "plan.json", "commits"


def create(path: Path, layout: Layout) -> None:
    """An empty store: metadata and plan, no rows. Raises InputError where the place cannot be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / COMMITS).mkdir(exist_ok=True)
        _write_atomically(path / PLAN, layout.text)
        _write_metadata(path, layout, "building", {})
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def read_layout(path: str | Path) -> Layout:
    """The layout of a store; raises InputError where there is none that can be read."""
    plan = Path(path) / PLAN
    if not plan.is_file():
        raise InputError(f"{path}: no store here: it has no {PLAN}")
    try:
        return layout_from_text(plan.read_text())
    except (ValueError, TypeError, KeyError, UnicodeDecodeError) as error:
        raise InputError(f"{plan}: damaged ({error}); build the store anew in another place") from error


def write_tile(path: Path, layout: Layout, tile: int, columns: Mapping[str, np.ndarray], notes: Mapping) -> None:
    """Write all rows of a tile, whole shards, then its commit.

    columns : by array name, exact rows of the tile
    notes   : what else the commit is to remember
    """
    remove_tile(path, layout, tile)
    files: dict[str, list[int]] = {}
    for array in layout.arrays:
        stored = zarr.open_array(path / array.path, mode="r+")
        for shard, rows in layout.shards(tile):
            full = np.full((layout.shard, *layout.tail(array)), array.fill, array.dtype)
            full[: rows.stop - rows.start] = columns[array.name][rows]
            stored[shard * layout.shard : (shard + 1) * layout.shard] = full
            file = _shard_file(array, shard)
            # a shard of fill values alone is not stored
            if (path / file).exists():
                files[file] = _size_and_checksum(path / file)
    commit = {"plan": layout.hash, "pixel": layout.pixels[tile], "files": files, **notes}
    _write_atomically(_commit_file(path, layout, tile), json.dumps(commit))


def remove_tile(path: Path, layout: Layout, tile: int) -> None:
    """Delete a tile: first its commit, then its files."""
    _commit_file(path, layout, tile).unlink(missing_ok=True)
    for array in layout.arrays:
        for shard, _ in layout.shards(tile):
            (path / _shard_file(array, shard)).unlink(missing_ok=True)


def commit(path: Path, layout: Layout, tile: int) -> dict[str, Any] | None:
    """The commit of a tile, or None where there is none that belongs to this layout."""
    try:
        found = json.loads(_commit_file(path, layout, tile).read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("plan") == layout.hash else None


def damage(path: Path, layout: Layout, tile: int) -> str | None:
    """What is wrong with a tile, or None where every file is there with its size and checksum."""
    found = commit(path, layout, tile)
    if found is None:
        return "not built"
    for file, expected in found["files"].items():
        if not (path / file).is_file():
            return f"{file} is missing"
        if _size_and_checksum(path / file) != expected:
            return f"{file} is damaged"
    return None


def finalize(path: Path, layout: Layout, tables: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> None:
    """Write the index and the calibration, and declare the store complete.

    tables     : arrays by path inside the store, such as "index/tiles/pixel"
    attributes : of groups, by path inside the store, such as "calibration"
    """
    _write_metadata(path, layout, "complete", tables, attributes)


def is_complete(path: str | Path) -> bool:
    """Whether the store has been finalized."""
    try:
        root = json.loads((Path(path) / "zarr.json").read_text())
    except (OSError, ValueError):
        return False
    return root.get("attributes", {}).get("state") == "complete"


def _write_metadata(path, layout, state, tables, attributes=None) -> None:
    """All small files of a store, made beside it and moved into place one by one, the root last."""
    made = Path(tempfile.mkdtemp(prefix=".metadata-", dir=path))
    try:
        root = zarr.create_group(made, attributes={**layout.attributes, "state": state})
        for array in layout.arrays:
            _create_array(root, layout, array)
        for name, values in tables.items():
            stored = root.create_array(name, shape=values.shape, dtype=values.dtype, dimension_names=_names(values))
            stored[...] = values
        for name, values in (attributes or {}).items():
            root.require_group(name).attrs.update(values)
        if state == "complete":
            _consolidate(made)
        for file in sorted((f for f in made.rglob("*") if f.is_file()), key=lambda f: f == made / "zarr.json"):
            target = path / file.relative_to(made)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, target)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _create_array(root: zarr.Group, layout: Layout, array: ArrayLayout) -> None:
    tail = layout.tail(array)
    # one band is read alone; the numbers of a parameter axis are read together
    chunk = tuple(1 if axis == "band" else size for axis, size in zip(array.axes, tail))
    root.create_array(
        array.path,
        shape=(layout.capacity, *tail),
        chunks=(layout.block, *chunk),
        shards=(layout.shard, *tail),
        dtype=array.dtype,
        fill_value=array.fill,
        compressors=BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"),
        dimension_names=("galaxy", *array.axes),
        attributes=dict(array.attributes),
    )


def _consolidate(path: Path) -> None:
    import warnings

    with warnings.catch_warnings():
        # not yet in the Zarr v3 specification; readers that do not know it ignore it
        warnings.filterwarnings("ignore", message="Consolidated metadata", category=UserWarning)
        zarr.consolidate_metadata(path)


def _names(values: np.ndarray) -> tuple[str, ...] | None:
    return ("row",) if values.ndim == 1 else None


def _shard_file(array: ArrayLayout, shard: int) -> str:
    return "/".join([array.path, "c", str(shard), *("0" for _ in array.axes)])


def _commit_file(path: Path, layout: Layout, tile: int) -> Path:
    return path / COMMITS / f"{layout.pixels[tile]}.json"


def _size_and_checksum(path: Path) -> list[int]:
    checksum, size = 0, 0
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            checksum, size = zlib.crc32(piece, checksum), size + len(piece)
    return [size, checksum]


def _write_atomically(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".new-", delete=False) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, path)
