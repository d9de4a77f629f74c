"""A function declared by its signature: which columns it reads and writes, which constants it takes."""

import inspect
import sys
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple, Self, cast, get_type_hints

from diffsky_factory.core.constants import Key, constant, key_of, kind_of, scope_of
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.imports import imported, path_of
from diffsky_factory.core.scopes import check_scope, scoped, split


@dataclass(frozen=True, eq=False, repr=False)
class Declared:
    """A pure function and what its signature says of it.

    constants : positional arguments, the same for all rows, with the key by which each is found, its type
    reads     : the columns it reads
    writes    : the columns it writes, in the order of what the function returns
    arguments : the keyword-only arguments that take the columns it reads; of the same names, unless it was renamed
    scope     : whose names its columns and constants have; see `under`
    """

    name: str
    function: Callable
    constants: dict[str, Key]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    scope: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "arguments", self.arguments or self.reads)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"

    @property
    def path(self) -> str:
        """Its name as a recipe writes it, `module:attribute` or `scope/module:attribute`; `declared_at` finds it."""
        name, module = split(self.name)[1], self.function.__module__
        named = getattr(sys.modules.get(module), name, None)  # it may have another name than its function
        same = isinstance(named, Declared) and named.function is self.function and module != "__main__"
        return scoped(self.scope, f"{module}:{name}" if same else path_of(self.name, self.function))

    def under(self, scope: str) -> Self:
        """The same for one survey: what it writes, draws and takes has names of the scope, `lsst_y10/mag_obs`.

        It reads a column of the scope where another writes one, or it is given, and else the plain one. It takes the
        scope's own constants where there are some. Raises InputError for what is under a scope already.
        """
        return cast(Self, _under(self, check_scope(scope)))

    def among(self, columns: Container[str]) -> Self:
        """The same, reading the columns of its own scope that others write, and else plain ones."""
        if not self.scope:
            return self

        def in_scope(name: str) -> str:
            plain = name.removeprefix(f"{self.scope}/")
            own = scoped(self.scope, plain)
            return own if own in columns and own not in self.writes else plain

        return cast(Self, _reading(self, tuple(map(in_scope, self.reads))))

    def held(self, constants: Mapping[Key, Any]) -> list[Any]:
        """Its constants in the order of its arguments."""
        return [constant(key, constants) for key in self.constants.values()]

    def renamed(self, scope: str) -> dict[str, Any]:
        """The fields that are others under a scope."""
        return {
            "name": scoped(scope, self.name),
            "constants": {name: key_of(kind_of(key), scope_of(key) or scope) for name, key in self.constants.items()},
            "writes": tuple(scoped(scope, column) for column in self.writes),
            "scope": scope,
        }


class Signature(NamedTuple):
    """What the signature of a function declares; `hints` are those of its keyword-only arguments."""

    constants: dict[str, Key]
    hints: dict[str, Any]
    writes: tuple[str, ...]


def signature_of(function: Callable, what: str) -> Signature:
    """What the signature declares: positional arguments are constants, keyword-only ones columns, and so are the fields
    of the NamedTuple it returns. Raises TypeError where it does not.
    """
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    named = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    fields = getattr(hints.get("return"), "_fields", None)
    missing = [name for name in (*positional, *named) if name not in hints]
    if fields is None or missing:
        problem = f"no annotation of {missing}" if missing else "a return type that is not a NamedTuple"
        raise TypeError(f"{what} '{function.__name__}' has {problem}")
    return Signature({name: hints[name] for name in positional}, {name: hints[name] for name in named}, fields)


def declared_at(path: str) -> Declared:
    """The stage or provider of a path, `module:attribute` or, under a scope, `lsst_y10/module:attribute`.

    Raises InputError where there is none.
    """
    scope, place = split(path)
    declared = imported(place)
    if not isinstance(declared, Declared):
        raise InputError(
            f"{path!r} is neither a stage nor a provider: declare the function with diffsky_factory.core.stage.stage "
            "or diffsky_factory.core.provider.provider"
        )
    return declared.under(scope) if scope else declared


@cache  # so that the same stage is the same object each time, and a plan made again is the same plan
def _under(plain: Declared, scope: str) -> Declared:
    if plain.scope:
        raise InputError(f"'{plain.name}' cannot be put under '{scope}': it is under '{plain.scope}' already")
    return replace(plain, **plain.renamed(scope))


@cache
def _reading(one: Declared, reads: tuple[str, ...]) -> Declared:
    return one if reads == one.reads else replace(one, reads=reads)
