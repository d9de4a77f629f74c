"""Adding a part to a store: columns computed from what it keeps, tile by tile, beside its galaxies."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diffsky_factory.core.cache import fingerprint
from diffsky_factory.core.declared import Declared, declared_at
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.imports import module, path_of
from diffsky_factory.core.scopes import scoped, split
from diffsky_factory.core.user_files import user_path
from diffsky_factory.factory.made_from import INPUTS, check_inputs
from diffsky_factory.factory.recipe import load_recipe, recipe_from_text
from diffsky_factory.factory.recomputed import Request, recomputation, request_from_text
from diffsky_factory.factory.runs import checks
from diffsky_factory.factory.runs.job import Job, Outcome, Progress, Tile, run
from diffsky_factory.factory.runs.planning import used_axes
from diffsky_factory.outputs import store
from diffsky_factory.outputs.layout import Part, array_layouts

NAME = re.compile(r"[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)+")
RESERVED = ("galaxies", "halos", "index", "calibration", "provenance", store.COMMITS, store.PARTS)


def add(
    path: str | Path,
    name: str,
    columns: Sequence[str],
    *,
    stages: Sequence[Declared | str] = (),
    constants: Sequence[Any] = (),
    client: Any = None,
    workers: int | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Outcome:
    """Compute columns of all galaxies of a store, into a part of its own; the same call finishes what was cut off.

    name    : of the part, such as "photometry/roman" or "surveys/lsst_y10"
    columns : what it is to hold
    stages  : stages and providers of yours that write them, or that they follow from, by `module:attribute` or as they
              are; they run under the scope that is the last word of the name, on what the store keeps
    constants : NamedTuples of numbers that these stages take, for this part
    changes : fields of the store's recipe that are others for these columns: bands, lines, wavelengths
    client, workers, progress : as in `build`
    Files of other parts are not touched. Raises InputError where the store has another part of that name, or does not
    keep what the columns follow from.
    """
    path = user_path(path)
    part = store.read_part(path)
    if not NAME.fullmatch(name) or name.partition("/")[0] in RESERVED:
        raise InputError(
            f"part {name!r}: write it as kind/name, in small letters, digits and _, such as 'surveys/lsst_y10'; "
            f"{', '.join(RESERVED)} are the store's own"
        )
    if not store.is_complete(path, part):
        raise InputError(f'{path}: is not complete; run "diffsky-factory resume {path}" first')
    if not columns or len(set(columns)) != len(columns):
        raise InputError("columns: give the names of what is to be computed, each once")
    scope = split(name)[1]
    paths = tuple((declared_at(one) if isinstance(one, str) else one).under(scope).path for one in stages)
    wanted = tuple(scoped(scope, column) if paths else column for column in columns)
    own = {scoped(scope, path_of(type(one).__name__, type(one))): one._asdict() for one in constants}
    planned = plan_part(path, part, name, Request(wanted, _in_full(part, changes), paths, own))

    def check(found: Part) -> None:
        if found.made_from == planned.made_from:
            check_inputs(found.attributes, planned.attributes[INPUTS])
        if found.hash != planned.hash:
            raise InputError(f"{path}: part '{name}' holds something else; give another name, or remove it")

    job = Job(path, planned, compute_tile, (str(path.absolute()),), check=check)
    return run(job, client=client, workers=workers, progress=progress)


def _in_full(galaxies: Part, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a recipe as it holds them: curves for the names of their files, paths from the root."""
    if not changes:
        return {}
    recipe = load_recipe(recipe_from_text(galaxies.made_from), **changes).in_place()
    return {name: getattr(recipe, name) for name in changes}


def finish(path: Path, part: Part, **how: Any) -> Outcome:
    """Finish or mend a part; `how` as in `run`. Raises InputError where its stages are not what they were."""
    check_inputs(part.attributes, recomputation(path, part.made_from).parts.inputs)
    stages = request_from_text(part.made_from).stages
    if _code(stages) != part.attributes["code_sha256"]:
        raise InputError(f"{path}: modules of {', '.join(stages)} are not what they were when '{part.name}' was begun")
    return run(Job(path, part, compute_tile, (str(path.absolute()),)), **how)


def plan_part(path: Path, galaxies: Part, name: str, request: Request) -> Part:
    """Layout of a part; raises InputError where the request cannot be met."""
    parts = recomputation(path, request.text).parts
    arrays = array_layouts([split(column)[1] for column in request.columns])
    attributes = {
        "title": f"{name} of {galaxies.attributes['title']}",
        "rows_of": galaxies.name,
        "request": request.text,
        "code_sha256": _code(request.stages),
        "recipe_sha256": galaxies.attributes["recipe_sha256"],
        INPUTS: parts.inputs,
        "version": galaxies.attributes["version"],
    }
    return Part(name, galaxies.rows, "add", request.text, arrays, used_axes(parts, request.columns), attributes)


def compute_tile(path: str, part: Part, tile: int) -> Tile:
    """The columns of a tile, checked."""
    made = recomputation(path, part.made_from)
    check_inputs(part.attributes, made.parts.inputs)
    columns = {split(name)[1]: values for name, values in made.tile(tile).items()}
    checks.check_tile(columns, made.parts.cosmology, made.parts.space)
    return Tile(columns)


def _code(stages: Sequence[str]) -> str:
    """SHA-256 of the modules that stages are written in; of none, that of nothing."""
    named = {place.partition(":")[0]: place for _, place in map(split, stages)}
    files = [getattr(module(name, place), "__file__", None) for name, place in sorted(named.items())]
    return fingerprint(Path(file) for file in files if file)
