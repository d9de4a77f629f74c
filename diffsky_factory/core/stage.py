"""A stage: one ingredient of the model, declared by its signature."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

import jax

from diffsky_factory.core.imports import path_of
from diffsky_factory.core.types import Draw


@dataclass(frozen=True, eq=False, repr=False)
class Stage:
    """A pure function and what its signature says of it.

    constants : positional arguments, the same for every galaxy, found by their type
    reads     : keyword-only arguments, the columns it reads
    draws     : keyword-only arguments named `draw_*`, with their law
    writes    : fields of the NamedTuple it returns, the columns it writes
    of        : "galaxy" (written for one, mapped here) or "block" (sees all rows of a block at once)
    """

    name: str
    function: Callable
    of: Literal["galaxy", "block"]
    constants: dict[str, type]
    reads: tuple[str, ...]
    draws: dict[str, Draw]
    writes: tuple[str, ...]

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"

    @property
    def path(self) -> str:
        """Its name as a recipe writes it, `module:attribute`, for a stage of another package."""
        return path_of(self.name, self.function)

    def stream(self, draw: str) -> str:
        """Name of the random stream of one of its draws."""
        return f"{self.name}.{draw}"

    def apply(self, constants: Mapping[type, Any], rows: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """The columns it writes, for all rows of a block; `rows` holds its columns and draws by name."""
        known = [constants[kind] for kind in self.constants.values()]
        taken = {name: rows[name] for name in (*self.reads, *self.draws)}

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


@dataclass(frozen=True, eq=False, repr=False)
class Derived(Stage):
    """A stage that does what another does under other names, with the random numbers of the other."""

    base: Stage

    def stream(self, draw: str) -> str:
        """Streams are those of the other stage."""
        return self.base.stream(draw)


def derived(base: Stage, name: str, column: str, table: type, field: str, writes: str) -> Stage:
    """The stage that does what `base`, a stage of galaxies, does with a column, with a field of a table instead.

    So that an ingredient that depends on wavelength is written once, for bands, and holds for lines and spectra.
    """

    def function(*constants, **rows):
        *own, known = constants
        return base.function(*own, **{column: getattr(known, field)}, **rows)

    function.__name__, function.__doc__ = name, f"As {base.name}, at the wavelengths of {table.__name__}."
    reads = tuple(read for read in base.reads if read != column)
    constants = {**base.constants, table.__name__: table}
    return Derived(name, function, base.of, constants, reads, base.draws, (writes,), base)


def _law(stage_name: str, name: str, hint: Any) -> Draw:
    laws = [item for item in getattr(hint, "__metadata__", ()) if isinstance(item, Draw)]
    if len(laws) != 1:
        raise TypeError(f"stage '{stage_name}': annotate {name} with Uniform or Normal, so its law is known")
    return laws[0]
