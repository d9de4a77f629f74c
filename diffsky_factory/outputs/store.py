"""The tile store: a Zarr v3 group whose tiles are written whole, committed one by one, and finalized.

    mock.zarr/plan.json              the layout, written first, never changed
    mock.zarr/commits/<pixel>.json   one per finished tile: its files, their sizes and checksums
    mock.zarr/commits/metadata.json  the same for all files that belong to no tile
    mock.zarr/<group>/<array>/c/...  one file per shard and array
    mock.zarr/index, calibration     written by `finalize`; the root's state becomes "complete"

A tile without a valid commit is deleted and written again, never patched, because a file cut off by a killed job
cannot be told from a good one by its name. Plan and commits are sealed: they hold the checksum of their own content.
"""

import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from diffsky_factory.core.errors import InputError
from diffsky_factory.outputs.layout import ArrayLayout, Layout, layout_from_text

PLAN, COMMITS, LOCK = "plan.json", "commits", ".lock"
METADATA = f"{COMMITS}/metadata.json"
NEW_FILE, NEW_METADATA, PARTIAL = ".new-", ".metadata-", ".partial"  # names of what a killed process leaves behind


def is_free(path: Path) -> bool:
    """Whether a store may be created here: nothing is there, or what a job left that was killed before its plan."""
    if not path.is_dir():
        return not path.exists()
    return all(file.name == LOCK or file.name.startswith(NEW_FILE) for file in path.iterdir())


def make_folder(path: Path) -> None:
    """The folder of a store; raises InputError where it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def create(path: Path, layout: Layout) -> None:
    """An empty store: metadata and plan, no rows. Raises InputError where the place cannot be written."""
    try:
        remove_leftovers(path)
        _write_atomically(path / PLAN, _sealed(json.loads(layout.text)))
        begin(path, read_layout(path))  # as read, so that a store finished later has the same bytes
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def begin(path: Path, layout: Layout) -> None:
    """Write the metadata anew and declare the store in building, as must be before a tile of it is touched."""
    _write_metadata(path, layout, "building", {})


def remove_leftovers(path: Path) -> None:
    """Delete the unfinished files of a killed process; only for who holds the lock of the store."""
    for file in list(path.rglob("*")):
        if file.name.startswith(NEW_METADATA) and file.is_dir():
            shutil.rmtree(file, ignore_errors=True)
        elif file.name.startswith(NEW_FILE) or file.suffix == PARTIAL:
            file.unlink(missing_ok=True)


def read_layout(path: str | Path) -> Layout:
    """The layout of a store; raises InputError where there is none that can be read."""
    plan = Path(path) / PLAN
    if not plan.is_file():
        raise InputError(f"{path}: no store here: it has no {PLAN}")
    try:
        return layout_from_text(json.dumps(_unsealed(plan.read_text())))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{plan}: damaged ({error}); build the store anew in another place") from error
    except OSError as error:
        raise InputError(f"{plan}: cannot be read ({error.strerror}); check its permissions") from error


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
    _write_atomically(_commit_file(path, layout, tile), _sealed(commit))


def remove_tile(path: Path, layout: Layout, tile: int) -> None:
    """Delete a tile: first its commit, then its files."""
    _commit_file(path, layout, tile).unlink(missing_ok=True)
    for array in layout.arrays:
        for shard, _ in layout.shards(tile):
            (path / _shard_file(array, shard)).unlink(missing_ok=True)


def commit(path: Path, layout: Layout, tile: int) -> dict[str, Any] | None:
    """The commit of a tile, or None where there is none that is whole and belongs to this layout."""
    return _commit(_commit_file(path, layout, tile), layout)


def damage(path: Path, layout: Layout, tile: int) -> str | None:
    """What is wrong with a tile, or None where every file is there with its size and checksum."""
    found = commit(path, layout, tile)
    if found is None:
        return "its commit is damaged" if _commit_file(path, layout, tile).exists() else "not built"
    return _damage(path, found["files"])


def metadata_damage(path: Path, layout: Layout) -> str | None:
    """What is wrong with the files that belong to no tile, or None."""
    found = _commit(path / METADATA, layout)
    if found is None:
        return f"{METADATA} is {'damaged' if (path / METADATA).exists() else 'missing'}"
    return _damage(path, found["files"])


def lost(path: Path, layout: Layout, tile: int, array: ArrayLayout) -> str | None:
    """What is wrong with the files of one array of a tile as far as names and sizes tell, or None."""
    found = commit(path, layout, tile)
    if found is None:
        return "its commit is missing or damaged"
    known = (_shard_file(array, shard) for shard, _ in layout.shards(tile))
    return _damage(path, {file: found["files"][file][:1] for file in known if file in found["files"]})


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
        return root["attributes"]["state"] == "complete"
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _write_metadata(path, layout, state, tables, attributes=None) -> None:
    """All files that belong to no tile, made beside the store and moved into place one by one.

    The root goes last where it says "complete", and first where it takes that back.
    """
    (path / COMMITS).mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=NEW_METADATA, dir=path))
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
        files = sorted(file.relative_to(made) for file in made.rglob("*") if file.is_file())
        known = {str(file): _size_and_checksum(made / file) for file in files}
        (made / COMMITS).mkdir()
        (made / METADATA).write_text(_sealed({"plan": layout.hash, "state": state, "files": known}))
        root_file = Path("zarr.json")
        others = [*(file for file in files if file != root_file), Path(METADATA)]
        for file in [*others, root_file] if state == "complete" else [root_file, *others]:
            (path / file).parent.mkdir(parents=True, exist_ok=True)
            _move(made / file, path / file)
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
        # with a checksum in every chunk, a reader never takes a damaged one for data
        compressors=(BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"), Crc32cCodec()),
        dimension_names=(layout.dimension, *array.axes),
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


def _commit(file: Path, layout: Layout) -> dict[str, Any] | None:
    try:
        found = _unsealed(file.read_text())
    except (OSError, ValueError):
        return None
    return found if found.get("plan") == layout.hash else None


def _sealed(content: Mapping[str, Any]) -> str:
    """A text that holds a content and its SHA-256, always the same for the same content."""
    text = json.dumps(content, sort_keys=True)
    return json.dumps({"content": json.loads(text), "sha256": hashlib.sha256(text.encode()).hexdigest()})


def _unsealed(text: str) -> dict[str, Any]:
    """The content of a sealed text; raises ValueError where it is not what was sealed."""
    found = json.loads(text)
    if not (isinstance(found, dict) and isinstance(found.get("content"), dict)):
        raise ValueError("it holds no content and checksum")
    expected = hashlib.sha256(json.dumps(found["content"], sort_keys=True).encode()).hexdigest()
    if found.get("sha256") != expected:
        raise ValueError("its checksum is another")
    return found["content"]


def _damage(path: Path, files: Mapping[str, Iterable[int]]) -> str | None:
    """The first file that is missing or damaged; known of each is its size or its size and checksum."""
    for file, known in files.items():
        if not (path / file).is_file():
            return f"{file} is missing"
        size, *checksum = known
        if (path / file).stat().st_size != size or (checksum and _size_and_checksum(path / file) != list(known)):
            return f"{file} is damaged"
    return None


def _size_and_checksum(path: Path) -> list[int]:
    checksum, size = 0, 0
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            checksum, size = zlib.crc32(piece, checksum), size + len(piece)
    return [size, checksum]


def _move(source: str | Path, target: Path) -> None:
    os.replace(source, target)


def _write_atomically(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=NEW_FILE, delete=False) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    _move(file.name, path)
