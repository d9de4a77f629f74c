"""A stage: one ingredient of the model, declared by its signature."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import jax

from diffsky_factory.core.constants import Key
from diffsky_factory.core.declared import Declared, signature_of
from diffsky_factory.core.scopes import scoped
from diffsky_factory.core.types import Draw


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Stage(Declared):
    """A pure function of galaxies, in JAX, and what its signature says of it.

    draws   : keyword-only arguments named `draw_*`, with their law
    of      : "galaxy" (written for one, mapped here) or "block" (sees all rows of a block at once)
    streams : the random stream of each draw, `stage.draw`, unless it has those of another stage
    """

    of: Literal["galaxy", "block"] = "galaxy"
    draws: dict[str, Draw] = field(default_factory=dict)
    streams: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "streams", self.streams or {draw: f"{self.name}.{draw}" for draw in self.draws})

    def stream(self, draw: str) -> str:
        """Name of the random stream of one of its draws."""
        return self.streams[draw]

    def renamed(self, scope: str) -> dict[str, Any]:
        """The fields that are others under a scope."""
        streams = {draw: scoped(scope, stream) for draw, stream in self.streams.items()}
        return {**super().renamed(scope), "streams": streams}

    def taken(self, rows: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """Columns and draws by the names of the function's arguments."""
        columns = {argument: rows[name] for argument, name in zip(self.arguments, self.reads)}
        return {**columns, **{name: rows[name] for name in self.draws}}

    def apply(self, constants: Mapping[Key, Any], rows: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """The columns it writes, for all rows of a block; `rows` holds columns by name and its draws by argument."""
        own, taken = self.held(constants), self.taken(rows)

        def one(taken):
            return self.function(*own, **taken)

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
    constants, hints, writes = signature_of(function, "stage")
    draws = {name: _law(function.__name__, name, hint) for name, hint in hints.items() if name.startswith("draw_")}
    return Stage(
        name=function.__name__,
        function=function,
        of=of,
        constants=constants,
        reads=tuple(name for name in hints if name not in draws),
        draws=draws,
        writes=writes,
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
    return Stage(name, function, dict(constants), tuple(reads), tuple(writes), of="block")


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


def _law(stage_name: str, name: str, hint: Any) -> Draw:
    laws = [item for item in getattr(hint, "__metadata__", ()) if isinstance(item, Draw)]
    if len(laws) != 1:
        raise TypeError(f"stage '{stage_name}': annotate {name} with Uniform or Normal, so its law is known")
    return laws[0]
