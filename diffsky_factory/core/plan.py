"""Stages in the order in which they can run, found from the names of their columns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import jax

from diffsky_factory.core.constants import Key
from diffsky_factory.core.declared import Declared
from diffsky_factory.core.errors import InputError, did_you_mean
from diffsky_factory.core.stage import Stage
from diffsky_factory.core.types import Draw


class PlanError(InputError):
    """A column nobody writes, a column two stages write, or a circle."""


class NoWriterError(PlanError):
    """A column that is neither given nor written by a stage."""

    def __init__(self, column: str, reader: str, columns: set[str]):
        self.column, self.reader = column, reader
        hint = did_you_mean(column, columns)
        super().__init__(f"no column '{column}', wanted by {reader}: it is neither given nor written by a stage{hint}")


@dataclass(frozen=True)
class Plan:
    """An ordered choice of stages that leads from given columns to wanted ones."""

    stages: tuple[Stage, ...]
    given: frozenset[str]
    wanted: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """The given columns that are used, by a stage or as they are."""
        written = {name for stage in self.stages for name in stage.writes} - self.given
        used = {name: None for stage in self.stages for name in stage.reads if name not in written}
        used.update({name: None for name in self.wanted if name not in written})
        return tuple(used)

    @property
    def draws(self) -> dict[str, Draw]:
        """Law of every random stream, by its name `stage.draw`."""
        return {stage.stream(name): law for stage in self.stages for name, law in stage.draws.items()}

    @property
    def constants(self) -> tuple[Key, ...]:
        """Keys of the parameters and tables the stages take: types, and of stages under a scope (type, scope)."""
        return tuple(dict.fromkeys(key for stage in self.stages for key in stage.constants.values()))

    def run(
        self, columns: Mapping[str, jax.Array], constants: Mapping[Key, Any], draws: Mapping[str, jax.Array]
    ) -> dict[str, jax.Array]:
        """The wanted columns, from the given ones; traceable, one fused kernel under jit.

        constants : by key; what a scope has none of its own of is that of the type alone
        draws     : by name of the stream
        """
        rows = dict(columns)
        for stage in self.stages:
            own = {name: draws[stage.stream(name)] for name in stage.draws}
            written = stage.apply(constants, {**rows, **own})
            rows.update({name: value for name, value in written.items() if name not in self.given})
        return {name: rows[name] for name in self.wanted}


AnyDeclared = TypeVar("AnyDeclared", bound=Declared)


def plan(stages: Iterable[Stage], given: Iterable[str], wanted: Iterable[str]) -> Plan:
    """Order the stages that the wanted columns need.

    A given column wins over the stage that would write it, and for a stage under a scope a column of the scope over the
    plain one. Raises PlanError, naming the column and the stages, for a column that nobody writes, that two stages
    write, or that depends on itself.
    """
    stages, given, wanted = tuple(stages), frozenset(given), tuple(wanted)
    order = _ordered(stages, given, wanted)
    used = {*wanted, *(name for stage in order for name in stage.reads)} - given
    needed = tuple(stage.only(frozenset(used.intersection(stage.writes))) for stage in order)
    if needed != order:  # a part of a stage may need less than the whole
        order = _ordered(needed, given, wanted)
    return Plan(order, given, wanted)


def _ordered(stages: tuple[Stage, ...], given: frozenset[str], wanted: tuple[str, ...]) -> tuple[Stage, ...]:
    names = given.union(*(stage.writes for stage in stages))
    writers = writers_of(stage.among(names) for stage in stages)
    order: list[Stage] = []
    open_names: list[str] = []

    def need(column: str, reader: str) -> None:
        if column in given:
            return
        if column not in writers:
            raise NoWriterError(column, reader, {*writers, *given})
        stage = writers[column]
        if stage in order:
            return
        if stage.name in open_names:
            raise PlanError(f"a circle of stages: {' -> '.join([*open_names, stage.name])}")
        open_names.append(stage.name)
        for name in stage.reads:
            need(name, f"stage '{stage.name}'")
        open_names.pop()
        order.append(stage)

    for column in wanted:
        need(column, "the request")
    return tuple(order)


def writers_of(declared: Iterable[AnyDeclared]) -> dict[str, AnyDeclared]:
    """The stage or provider that writes each column; raises PlanError, naming both, where two write one."""
    writers: dict[str, AnyDeclared] = {}
    for one in declared:
        for column in one.writes:
            if column in writers:
                raise PlanError(
                    f"'{column}' is written by '{writers[column].name}' and '{one.name}'; the recipe picks one"
                )
            writers[column] = one
    return writers
