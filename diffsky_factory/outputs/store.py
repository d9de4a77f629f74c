"""The tile store: a Zarr v3 group whose parts are written tile by tile, each tile whole, committed, and finalized.

    mock.zarr/plan.json                     whose rows are where; written first, never changed
    mock.zarr/parts/<part>.json             the arrays of a part, never changed
    mock.zarr/commits/<part>/<key>.json     one per finished tile of a part: its files, their sizes and checksums
    mock.zarr/commits/<part>/metadata.json  the same for the files of a part that belong to no tile, and its state
    mock.zarr/commits/root.json             the same for the root's zarr.json
    mock.zarr/<part>/<array>/c/...          one file per shard and array
    mock.zarr/index, calibration            written with the first part, when it is finalized

A tile without a valid commit is deleted and written again, never patched, because a file cut off by a killed job
cannot be told from a good one by its name. A part that is added touches no file of another. The root lists the
parts that are complete, so that any reader of Zarr sees those alone.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from diffsky_factory.core import files_read
from diffsky_factory.core.axes import axis
from diffsky_factory.core.errors import InputError
from diffsky_factory.outputs import commits, fence
from diffsky_factory.outputs.layout import (
    FORMAT,
    IS_ROW,
    ArrayLayout,
    Part,
    Rows,
    label_array,
    part_from_content,
    rows_from_content,
)

PLAN, PARTS, COMMITS, LOCK = "plan.json", "parts", "commits", ".lock"
ROOT, ROOT_COMMIT = "zarr.json", f"{COMMITS}/root.json"
NEW_METADATA, PARTIAL = ".metadata-", ".partial"  # of names that a killed process leaves behind

# with a checksum in every chunk, a reader never takes a damaged one for data
COMPRESSORS = BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"), Crc32cCodec()

State = Literal["building", "complete"]


class Table(NamedTuple):
    """An array that belongs to no tile."""

    dimensions: tuple[str, ...]
    values: np.ndarray
    attributes: Mapping[str, Any] = {}


def is_store(path: str | Path) -> bool:
    """Whether there is a store, finished or not."""
    return (Path(path) / PLAN).is_file()


def is_free(path: Path) -> bool:
    """Whether a store may be created here: nothing is there, or what a job left that was killed before its plan."""
    if not path.is_dir():
        return not path.exists()
    left = (LOCK, fence.FENCE, PARTS)
    return all(file.name in left or file.name.startswith(commits.NEW_FILE) for file in path.iterdir())


def make_folder(path: Path) -> None:
    """The folder of a store; raises InputError where it cannot be made."""
    with _writable(path):
        path.mkdir(parents=True, exist_ok=True)


def create(path: Path, part: Part) -> None:
    """An empty store of the rows of its first part. Raises InputError where the place cannot be written."""
    with _writable(path):
        remove_leftovers(path)
        shutil.rmtree(path / PARTS, ignore_errors=True)
        commits.write_sealed(path / PARTS / f"{part.name}.json", json.loads(part.text))
        # after its first part, so that no store is without one
        commits.write_sealed(path / PLAN, {"rows": json.loads(part.rows.text), "first": part.name})
        begin(path, read_part(path))  # as read, so that a store finished later has the same bytes


def add_part(path: Path, part: Part) -> None:
    """An empty part. Raises InputError where the store has another of that name, or one that it would lie inside."""
    with _writable(path):
        for other in part_names(path):
            if other == part.name or f"{other}/".startswith(f"{part.name}/") or f"{part.name}/".startswith(f"{other}/"):
                raise InputError(f"{path}: has a part '{other}'; give '{part.name}' another name, or remove that part")
        commits.write_sealed(path / PARTS / f"{part.name}.json", json.loads(part.text))
        begin(path, read_part(path, part.name))


def remove_part(path: Path, name: str) -> None:
    """Delete a part that was added; the files of others stay as they are. Raises InputError for the first part."""
    if name == first_part(path):
        raise InputError(f"{path}: '{name}' is what the store is of; remove the folder to remove it")
    read_part(path, name)
    shutil.rmtree(path / COMMITS / name, ignore_errors=True)
    _write_root(path)
    shutil.rmtree(path / name, ignore_errors=True)
    (path / PARTS / f"{name}.json").unlink(missing_ok=True)


def begin(path: Path, part: Part) -> None:
    """Write the metadata of a part anew and declare it in building, as must be before a tile of it is touched."""
    _write_metadata(path, part, "building", {}, {})


def finalize(path: Path, part: Part, tables: Mapping[str, Table], attributes: Mapping[str, Mapping]) -> None:
    """Declare a part complete, with tables that belong to no tile.

    tables     : by path inside the store, such as "index/tiles/row_count"
    attributes : of groups, by path inside the store, such as "calibration"
    """
    _write_metadata(path, part, "complete", tables, attributes)


def remove_leftovers(path: Path) -> None:
    """Delete the unfinished files of a killed process; to be called under the lock of the store alone."""
    for folder, folders, files in os.walk(path):
        for name in [name for name in folders if name.startswith(NEW_METADATA)]:
            shutil.rmtree(Path(folder) / name, ignore_errors=True)
            folders.remove(name)
        for name in files:
            if name.startswith(commits.NEW_FILE) or name.endswith(PARTIAL):
                (Path(folder) / name).unlink(missing_ok=True)


def read_rows(path: str | Path) -> Rows:
    """The rows of a store; raises InputError where there is none that can be read."""
    return _plan(Path(path))[0]


def first_part(path: str | Path) -> str:
    """Name of the part that a store is of: "galaxies" or "halos"."""
    return _plan(Path(path))[1]


def part_names(path: str | Path) -> list[str]:
    """Names of the parts of a store, finished or not; the first part first."""
    folder, committed = Path(path) / PARTS, Path(path) / COMMITS
    names = {str(file.relative_to(folder).with_suffix("")) for file in folder.rglob("[!.]*.json")}
    # a part whose own file is lost is missed by what it has committed
    names |= {str(file.parent.relative_to(committed)) for file in committed.glob("*/**/metadata.json")}
    first = first_part(path)
    return sorted(names, key=lambda name: (name != first, name))


def read_part(path: str | Path, name: str | None = None) -> Part:
    """A part of a store, the first one without a name; raises InputError where there is none that can be read."""
    path = Path(path)
    name = first_part(path) if name is None else name
    file = path / PARTS / f"{name}.json"
    if not file.is_file():
        names = part_names(path)
        if name in (*names, first_part(path)):
            raise InputError(f"{file}: is missing; restore it from a copy, or build the store anew in another place")
        raise InputError(f"{path}: has no part '{name}'; there are {', '.join(names)}")
    with _readable(file):
        return _read_part(str(file), files_read.state(file), read_rows(path))


@contextmanager
def writer(path: Path) -> Iterator[str]:
    """A mark that lets tasks of this job write, and no others; to be called under the lock of the store.

    Raises InputError where the place cannot be written, or where a task of an earlier job does not end.
    """
    with ExitStack() as stack:
        with _writable(path):
            mark = stack.enter_context(fence.taken(path))
        yield mark


def write_tile(
    path: Path, part: Part, tile: int, columns: Mapping[str, np.ndarray], notes: Mapping, writer: str | None = None
) -> None:
    """Write all rows of a tile, whole shards, then its commit.

    columns : by array name, exact rows of the tile
    notes   : what else the commit is to remember
    writer  : mark of the job; raises SupersededError where another one has begun since
    """
    with fence.inside(path, writer):
        files = _write_shards(path, part, tile, columns)
        fence.check(path, writer)
        commit = {"part": part.hash, "key": part.rows.keys[tile], "files": files, **notes}
        commits.write_sealed(_commit_file(path, part, tile), commit)


def _write_shards(path: Path, part: Part, tile: int, columns: Mapping[str, np.ndarray]) -> dict[str, list[int] | None]:
    """Write all rows of a tile anew; size and checksum of each file."""
    remove_tile(path, part, tile)
    files: dict[str, list[int] | None] = {}
    for array in part.arrays:
        stored = _to_write(str(path / part.path(array)), part.hash)
        for shard, rows in part.rows.shards(tile):
            n = rows.stop - rows.start
            full = np.full((part.rows.shard, *part.tail(array)), array.fill, array.dtype)
            full[:n] = True if array.name == IS_ROW else columns[array.name][rows]
            stored[shard * part.rows.shard : (shard + 1) * part.rows.shard] = full
            # a shard of fill values alone is not stored
            empty = np.array_equal(full, np.full_like(full, array.fill), equal_nan=array.fill != array.fill)
            file = shard_file(part, array, shard)
            files[file] = None if empty else commits.fingerprint(path / file)
    return files


@lru_cache(maxsize=256)
def _to_write(array: str, layout: str) -> zarr.Array:
    """An array of a part of this layout, opened once: that takes as long as writing a small tile."""
    return zarr.open_array(array, mode="r+", zarr_format=3)


def remove_tile(path: Path, part: Part, tile: int) -> None:
    """Delete a tile of a part: first its commit, then its files."""
    _commit_file(path, part, tile).unlink(missing_ok=True)
    for array in part.arrays:
        for shard, _ in part.rows.shards(tile):
            (path / shard_file(part, array, shard)).unlink(missing_ok=True)


def commit(path: Path, part: Part, tile: int, *, keep: bool = True) -> dict[str, Any] | None:
    """The commit of a tile, or None where there is none that is whole and belongs to this part; `keep` as for any."""
    return commits.read_commit(_commit_name(path, part, tile), part.hash, keep=keep)


def damage(path: Path, part: Part, tile: int) -> str | None:
    """What is wrong with a tile of a part, or None where every file is there with its size and checksum."""
    committed = commit(path, part, tile, keep=False)
    if committed is None:
        return "its commit is damaged" if _commit_file(path, part, tile).exists() else "not built"
    missing = next((file for file in _expected(part, tile) if file not in committed["files"]), None)
    return f"{missing} is not in its commit" if missing else commits.damage(path, committed["files"])


def metadata_damage(path: Path, part: Part) -> str | None:
    """What is wrong with the files of a part that belong to no tile, or None."""
    return _damage_of(path, _metadata_file(part.name), part.hash)


def tables_damage(path: Path, part: Part, prefix: str) -> str | None:
    """What is wrong with the tables of a part below a path, as far as sizes and checksums tell, or None."""
    committed = commits.read_commit(path / _metadata_file(part.name), part.hash) or {"files": {}}
    return commits.damage(
        path, {file: fingerprint for file, fingerprint in committed["files"].items() if file.startswith(prefix)}
    )


def root_damage(path: Path) -> str | None:
    """What is wrong with the root's metadata, or None."""
    committed = commits.read_commit(path / ROOT_COMMIT, read_rows(path).hash)
    if committed is not None and committed["complete"] != [part.name for part in _complete_parts(path)]:
        return f"{ROOT} lists other parts than those that are complete"  # killed between a part's commit and the root's
    return _damage_of(path, ROOT_COMMIT, read_rows(path).hash)


def mend_root(path: Path) -> None:
    """Write the root's metadata from that of the parts, if it is damaged or behind them."""
    if root_damage(path):
        _write_root(path)


def content_file(path: str | Path) -> Path:
    """The file whose content says what a store holds: the commit of its first part, with a digest of all tiles."""
    return Path(path) / _metadata_file(first_part(path))


def is_complete(path: str | Path, part: Part) -> bool:
    """Whether a part has been finalized."""
    committed = commits.read_commit(Path(path) / _metadata_file(part.name), part.hash)
    return committed is not None and committed["state"] == "complete"


def shard_file(part: Part, array: ArrayLayout, shard: int) -> str:
    """Path of a shard of an array inside the store."""
    return f"{part.path(array)}/c/{shard}" + "/0" * len(array.axes)


def plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that any format holds: texts and numbers as they are, what has structure as JSON."""
    return {
        name: value if isinstance(value, str | int | float) and not isinstance(value, bool) else json.dumps(value)
        for name, value in attributes.items()
        if value is not None
    }


def _write_metadata(
    path: Path, part: Part, state: State, tables: Mapping[str, Table], attributes: Mapping[str, Any]
) -> None:
    """All files of a part that belong to no tile, made beside the store and moved into place one by one.

    The root goes last where the part is complete, and first where that is taken back.
    """
    made = Path(tempfile.mkdtemp(prefix=NEW_METADATA, dir=path))
    try:
        group = zarr.create_group(made).require_group(part.name)
        group.attrs.update({**plain(part.attributes), "part_state": state})
        for array in part.arrays:
            _create_array(group, part, array)
        for name, labels in part.axes.items():
            _write_table(group, name, Table((name,), label_array(labels), axis(name).attributes))
        root = zarr.open_group(made)
        for name, table in tables.items():
            _write_table(root, name, table)
        for name, values in attributes.items():
            root.require_group(name).attrs.update(values)
        files = sorted(str(file.relative_to(made)) for file in made.rglob("*") if file.is_file())
        fingerprints = {file: commits.fingerprint(made / file) for file in files if file != ROOT}
        if state == "building":
            (path / _metadata_file(part.name)).unlink(missing_ok=True)
            _write_root(path)
        for file in fingerprints:
            (path / file).parent.mkdir(parents=True, exist_ok=True)
            _move(made / file, path / file)
        content = {"part": part.hash, "state": state, "files": fingerprints}
        if state == "complete":
            content["tiles"] = _digest_of_tiles(path, part)
        commits.write_sealed(path / _metadata_file(part.name), content)
        if state == "complete":
            _write_root(path)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _digest_of_tiles(path: Path, part: Part) -> str:
    """SHA-256 of the commits of all tiles: by it, what a store holds is known by one file."""
    found = hashlib.sha256()
    for tile in range(part.rows.tiles):
        found.update(_commit_file(path, part, tile).read_bytes())
    return found.hexdigest()


def _write_root(path: Path) -> None:
    """The root's metadata: what the store is, its state, and the metadata of all parts that are complete."""
    first = read_part(path)
    done = _complete_parts(path)
    state = "complete" if any(part.name == first.name for part in done) else "building"
    made = Path(tempfile.mkdtemp(prefix=NEW_METADATA, dir=path))
    try:
        zarr.create_group(made, attributes={**plain(first.attributes), "state": state})
        for part in done if state == "complete" else ():
            committed = commits.read_commit(path / _metadata_file(part.name), part.hash) or {"files": {}}
            for file in committed["files"]:
                if file.endswith(ROOT) and (path / file).is_file():
                    (made / file).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path / file, made / file)
        _consolidate(made)
        fingerprint = commits.fingerprint(made / ROOT)
        if not (path / ROOT).is_file() or commits.fingerprint(path / ROOT) != fingerprint:
            _move(made / ROOT, path / ROOT)
        names = [part.name for part in done]
        commits.write_sealed(
            path / ROOT_COMMIT, {"part": first.rows.hash, "complete": names, "files": {ROOT: fingerprint}}
        )
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _complete_parts(path: Path) -> list[Part]:
    return [part for part in (read_part(path, name) for name in part_names(path)) if is_complete(path, part)]


def _create_array(group: zarr.Group, part: Part, array: ArrayLayout) -> None:
    tail = part.tail(array)
    # one band is read alone; the numbers of a parameter axis are read together
    chunk = tuple(1 if axis(name).read_alone else size for name, size in zip(array.axes, tail))
    group.create_array(
        array.name,
        shape=(part.rows.capacity, *tail),
        chunks=(part.rows.block, *chunk),
        shards=(part.rows.shard, *tail),
        dtype=array.dtype,
        fill_value=array.fill,
        compressors=COMPRESSORS,
        dimension_names=(part.rows.dimension, *array.axes),
        attributes=dict(array.attributes),
    )


def _write_table(group: zarr.Group, name: str, table: Table) -> None:
    values = np.asarray(table.values)
    is_text = values.dtype.kind in "UO"
    stored = group.create_array(
        name,
        shape=values.shape,
        dtype=str if is_text else values.dtype,
        dimension_names=table.dimensions,
        compressors=COMPRESSORS if values.ndim else "auto",
        attributes=dict(table.attributes),
    )
    stored[...] = values.astype(object) if is_text else values


def _consolidate(path: Path) -> None:
    import warnings

    with warnings.catch_warnings():
        # not yet in the Zarr v3 specification; readers that do not know it ignore it
        warnings.filterwarnings("ignore", message="Consolidated metadata", category=UserWarning)
        zarr.consolidate_metadata(path)


def _expected(part: Part, tile: int) -> Iterator[str]:
    shards = part.rows.shard_numbers(tile)
    return (shard_file(part, array, shard) for array in part.arrays for shard in shards)


def _metadata_file(part: str) -> str:
    return f"{COMMITS}/{part}/metadata.json"


def commits_folder(path: Path, part: Part) -> Path:
    """Where the commits of the tiles of a part are."""
    return Path(_commits_name(path, part))


def _commit_file(path: Path, part: Part, tile: int) -> Path:
    return Path(_commit_name(path, part, tile))


def _commit_name(path: Path, part: Part, tile: int) -> str:
    """The same as text: a path takes ten times as long, and there are very many."""
    return f"{_commits_name(path, part)}/{part.rows.keys[tile]}.json"


def _commits_name(path: Path, part: Part) -> str:
    return f"{path}/{COMMITS}/{part.name}"


def _damage_of(path: Path, file: str, owner: str) -> str | None:
    committed = commits.read_commit(path / file, owner)
    if committed is None:
        return f"{file} is {'damaged' if (path / file).exists() else 'missing'}"
    return commits.damage(path, committed["files"])


def _plan(path: Path) -> tuple[Rows, str]:
    file = path / PLAN
    if not file.is_file():
        raise InputError(f"{path}: no store here: it has no {PLAN}")
    with _readable(file):
        return _read_plan(str(file), files_read.state(file))


@lru_cache(maxsize=16)
def _read_plan(file: str, at: files_read.State) -> tuple[Rows, str]:
    content = commits.unsealed(Path(file).read_text())
    return rows_from_content(content["rows"]), content["first"]


@lru_cache(maxsize=64)
def _read_part(file: str, at: files_read.State, rows: Rows) -> Part:
    return part_from_content(commits.unsealed(Path(file).read_text()), rows)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); check its permissions") from error
    except InputError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        told = _format_told(file)
        if told not in (None, FORMAT):
            raise InputError(
                f"{file}: is of the format {told}, and this version reads {FORMAT}; open it with the version of "
                "diffsky_factory that wrote it, or build the store anew in another place"
            ) from error
        raise InputError(f"{file}: damaged ({error}); build the store anew in another place") from error


def _format_told(file: Path) -> str | None:
    """The format that a plan or part says it has, where its checksum is right; else None."""
    try:
        content = commits.unsealed(file.read_text())
    except (OSError, ValueError):
        return None
    rows = content.get("rows")
    return content.get("format", rows.get("format") if isinstance(rows, dict) else None)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def _move(source: Path, target: Path) -> None:
    os.replace(source, target)
