"""A provider: columns that are known of rows before any kernel runs, in numpy, declared by its signature as a stage is.

Stages see rows and constants alone, in 32 bits. What needs the precision of positions, the sky or a map is provided:
the age of the universe at a redshift, the depth of a survey or the dust of the Galaxy in a direction.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsky_factory.core.constants import Key
from diffsky_factory.core.declared import Declared, signature_of
from diffsky_factory.core.errors import InputError


@dataclass(frozen=True, eq=False, repr=False)
class Provider(Declared):
    """A pure function of numpy arrays, all rows of a tile at once, and what its signature says of it."""

    def apply(self, constants: Mapping[Key, Any], columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The columns it writes; raises InputError where they are not one finite row each for the rows it reads."""
        taken = {argument: columns[name] for argument, name in zip(self.arguments, self.reads)}
        result = self.function(*self.held(constants), **taken)
        found = {name: np.asarray(values) for name, values in zip(self.writes, result)}
        n = len(next(iter(taken.values())))
        for name, values in found.items():
            if values.shape[:1] != (n,):
                raise InputError(f"provider '{self.name}', column '{name}': has shape {values.shape} for {n} rows")
            if values.dtype.kind == "f" and not np.all(np.isfinite(values)):
                row = int(np.argwhere(~np.isfinite(values))[0][0])
                raise InputError(f"provider '{self.name}', column '{name}', row {row}: not finite")
        return found


def provider(function: Callable) -> Provider:
    """Declare a function as a provider, `@provider`: positional arguments are constants by type, such as a cosmology.

    Raises TypeError where the signature does not declare what a provider needs, one column to read at least.
    """
    constants, hints, writes = signature_of(function, "provider")
    if not hints or any(name.startswith("draw_") for name in hints):
        problem = "draws, which stages alone have" if hints else "no column to read; how many rows are there?"
        raise TypeError(f"provider '{function.__name__}' has {problem}")
    return Provider(function.__name__, function, constants, tuple(hints), writes)


def providable(providers: Iterable[Provider], given: Collection[str]) -> tuple[Provider, ...]:
    """Those that columns which are given lead to, in an order in which they can run; what is given is not provided."""
    waiting, columns = list(providers), set(given)
    order: list[Provider] = []
    while True:
        names = columns.union(*(one.writes for one in waiting))
        ready = [one for one in waiting if columns.issuperset(one.among(names).reads)]
        if not ready:
            return tuple(order)
        for one in ready:
            waiting.remove(one)
            if not columns.issuperset(one.writes):
                order.append(one.among(names))
                columns.update(one.writes)


def needed(order: Sequence[Provider], given: Collection[str], wanted: Iterable[str]) -> tuple[Provider, ...]:
    """The providers, in their order, that wanted columns follow from which are not given."""
    open_, chosen = set(wanted) - set(given), []
    for one in reversed(order):
        if open_.intersection(one.writes):
            chosen.append(one)
            open_.update(set(one.reads) - set(given))
    return tuple(reversed(chosen))


def provided(
    order: Sequence[Provider],
    constants: Mapping[Key, Any],
    columns: Mapping[str, np.ndarray],
    wanted: Iterable[str],
) -> dict[str, np.ndarray]:
    """The columns, and those of the wanted that they lead to."""
    values_of = dict(columns)
    for one in needed(order, columns, wanted):
        values_of.update(
            {name: values for name, values in one.apply(constants, values_of).items() if name not in columns}
        )
    return values_of
