"""A stage: one ingredient of the model, declared by its signature."""

import inspect
import sys
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, get_type_hints

import jax

from diffsky_factory.core.constants import Key, constant, key_of, kind_of, scope_of
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.imports import imported, path_of
from diffsky_factory.core.scopes import check_scope, scoped, split
from diffsky_factory.core.types import Draw


@dataclass(frozen=True, eq=False, repr=False)
class Stage:
    """A pure function and what its signature says of it.

    constants : positional arguments, the same for every galaxy, with the key by which each is found, its type
    reads     : the columns it reads
    draws     : keyword-only arguments named `draw_*`, with their law
    writes    : the columns it writes, in the order of what the function returns
    of        : "galaxy" (written for one, mapped here) or "block" (sees all rows of a block at once)
    arguments : the keyword-only arguments that take the columns it reads; of the same names, unless it was renamed
    streams   : the random stream of each draw, `stage.draw`, unless it has those of another stage
    scope     : whose names its columns, streams and constants have; see `under`
    """

    name: str
    function: Callable
    of: Literal["galaxy", "block"]
    constants: dict[str, Key]
    reads: tuple[str, ...]
    draws: dict[str, Draw]
    writes: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    streams: dict[str, str] = field(default_factory=dict)
    scope: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "arguments", self.arguments or self.reads)
        object.__setattr__(self, "streams", self.streams or {draw: f"{self.name}.{draw}" for draw in self.draws})

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"

    @property
    def path(self) -> str:
        """Its name as a recipe writes it, `module:attribute` or `scope/module:attribute`; `stage_at` finds it again."""
        name, module = split(self.name)[1], self.function.__module__
        found = getattr(sys.modules.get(module), name, None)  # a stage may have another name than its function
        same = isinstance(found, Stage) and found.function is self.function and module != "__main__"
        return scoped(self.scope, f"{module}:{name}" if same else path_of(self.name, self.function))

    def stream(self, draw: str) -> str:
        """Name of the random stream of one of its draws."""
        return self.streams[draw]

    def under(self, scope: str) -> "Stage":
        """The same stage for one survey: what it writes, draws and takes has names of the scope, `lsst_y10/mag_obs`.

        It reads a column of the scope where another stage writes one, or it is given, and else the plain one. It takes
        the scope's own constants where there are some. Raises InputError for a stage that is under a scope already.
        """
        return _under(self, check_scope(scope))

    def among(self, columns: Container[str]) -> "Stage":
        """The stage with what it reads found: columns of its own scope that others write, else plain ones."""
        if not self.scope:
            return self

        def found(name):
            plain = name.removeprefix(f"{self.scope}/")
            own = scoped(self.scope, plain)
            return own if own in columns and own not in self.writes else plain

        return _reading(self, tuple(map(found, self.reads)))

    def taken(self, rows: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """Columns and draws by the names of the function's arguments."""
        columns = {argument: rows[name] for argument, name in zip(self.arguments, self.reads)}
        return {**columns, **{name: rows[name] for name in self.draws}}

    def apply(self, constants: Mapping[Key, Any], rows: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """The columns it writes, for all rows of a block; `rows` holds columns by name and its draws by argument."""
        known = [constant(key, constants) for key in self.constants.values()]
        taken = self.taken(rows)

        def one(taken):
            return self.function(*known, **taken)

        # of the one galaxy, or of the whole block where a host group or a contraction is the point
        n = next(iter(rows.values())).shape[0]  # a stage may read nothing: the same for every galaxy
        result = jax.vmap(one, axis_size=n)(taken) if self.of == "galaxy" else one(taken)
        return dict(zip(self.writes, result))

    def only(self, columns: frozenset[str]) -> "Stage":
        """The part of the stage that these of its columns need: all of it, unless it is made of stages."""
        return self


def stage(function: Callable | None = None, *, of: Literal["galaxy", "block"] = "galaxy"):
    """Declare a function as a stage: `@stage`, or `@stage(of="block")`.

    Raises TypeError where the signature does not declare what a stage needs.
    """
    if function is None:
        return lambda function: stage(function, of=of)
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    named = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    fields = getattr(hints.get("return"), "_fields", None)
    missing = [name for name in (*positional, *named) if name not in hints]
    if fields is None or missing:
        problem = f"no annotation of {missing}" if missing else "a return type that is not a NamedTuple"
        raise TypeError(f"stage '{function.__name__}' has {problem}")
    draws = {name: _law(function.__name__, name, hints[name]) for name in named if name.startswith("draw_")}
    return Stage(
        name=function.__name__,
        function=function,
        of=of,
        constants={name: hints[name] for name in positional},
        reads=tuple(name for name in named if name not in draws),
        draws=draws,
        writes=fields,
    )


def made_stage(
    name: str,
    function: Callable,
    *,
    constants: Mapping[str, type],
    reads: Sequence[str],
    writes: Sequence[str],
    says: str,
) -> Stage:
    """A block stage whose columns are named by values rather than by a signature: one function for several columns.

    function : takes the constants in order and columns by keyword; returns a tuple of what it writes
    says     : its docstring; units are those of the schema
    """
    function.__name__, function.__doc__ = name, says
    return Stage(name, function, "block", dict(constants), tuple(reads), {}, tuple(writes))


def derived(base: Stage, name: str, column: str, table: type, field: str, writes: str) -> Stage:
    """The stage that does what `base`, a stage of galaxies, does with a column, with a field of a table instead.

    So that an ingredient that depends on wavelength is written once, for bands, and holds for lines and spectra. Its
    random numbers are those of `base`.
    """
    others = {argument: read for argument, read in zip(base.arguments, base.reads) if read != column}
    changed = set(base.arguments) - set(others)

    def function(*constants, **rows):
        *own, known = constants
        return base.function(*own, **dict.fromkeys(changed, getattr(known, field)), **rows)

    function.__name__, function.__doc__ = name, f"As {base.name}, at the wavelengths of {table.__name__}."
    return replace(
        base,
        name=name,
        function=function,
        constants={**base.constants, table.__name__: table},
        reads=tuple(others.values()),
        arguments=tuple(others),
        writes=(writes,),
    )


def stage_at(path: str) -> Stage:
    """The stage of a path, `module:attribute` or, under a scope, `lsst_y10/module:attribute`.

    Raises InputError where there is none.
    """
    scope, place = split(path)
    found = imported(place)
    if not isinstance(found, Stage):
        raise InputError(f"{path!r} is no stage: declare the function with diffsky_factory.core.stage.stage")
    return found.under(scope) if scope else found


@cache  # so that the same stage is the same object each time, and a plan made again is the same plan
def _under(plain: Stage, scope: str) -> Stage:
    if plain.scope:
        raise InputError(f"stage '{plain.name}' cannot be put under '{scope}': it is under '{plain.scope}' already")
    return replace(
        plain,
        name=scoped(scope, plain.name),
        constants={name: key_of(kind_of(key), scope_of(key) or scope) for name, key in plain.constants.items()},
        writes=tuple(scoped(scope, column) for column in plain.writes),
        streams={draw: scoped(scope, stream) for draw, stream in plain.streams.items()},
        scope=scope,
    )


@cache
def _reading(stage: Stage, reads: tuple[str, ...]) -> Stage:
    return stage if reads == stage.reads else replace(stage, reads=reads)


def _law(stage_name: str, name: str, hint: Any) -> Draw:
    laws = [item for item in getattr(hint, "__metadata__", ()) if isinstance(item, Draw)]
    if len(laws) != 1:
        raise TypeError(f"stage '{stage_name}': annotate {name} with Uniform or Normal, so its law is known")
    return laws[0]
