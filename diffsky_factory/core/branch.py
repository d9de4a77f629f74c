"""A stage made of stages: the same galaxies under several assumptions, stacked on a new axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp

from diffsky_factory.core.constants import Key, constant
from diffsky_factory.core.plan import Plan, plan
from diffsky_factory.core.scopes import split
from diffsky_factory.core.stage import Stage
from diffsky_factory.core.types import Draw

KEPT = "kept for the gradient"  # name of small results that are dear to make again


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Branch(Stage):
    """Runs a plan once per case, each with some columns replaced, and stacks what it writes along axis 1.

    The draws keep the streams of the stages inside, so that a case shares its random numbers with the main run.
    """

    inner: Plan
    cases: tuple[Mapping[str, Any], ...]
    outputs: Mapping[str, str]

    def only(self, columns: frozenset[str]) -> "Branch":
        """The branch that makes some of its columns, and runs no stage that they do not need."""
        return _part(self, columns)

    def apply(self, constants: Mapping[Key, Any], rows: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """The stacked columns, (block, case, ...)."""
        n = next(iter(rows.values())).shape[0]
        rows = self.taken(rows)
        own_constants = {
            inner: constant(key, constants) for inner, key in zip(self.inner.constants, self.constants.values())
        }

        def replaced(value):  # the name of a column, or one value for all rows
            return rows[value] if isinstance(value, str) else jnp.full(n, value)

        stacked = {name: jnp.stack([replaced(case[name]) for case in self.cases]) for name in self.cases[0]}
        shared = {name: rows[name] for name in self.inner.reads if name not in stacked}
        draws = {name: rows[name] for name in self.draws}

        # one case after another: compiled once, and no more memory than one, also in the gradient
        @partial(jax.checkpoint, prevent_cse=False, policy=jax.checkpoint_policies.save_only_these_names(KEPT))
        def one(case):
            return self.inner.run({**shared, **case}, own_constants, draws)

        out = jax.lax.map(one, stacked)
        return {column: jnp.moveaxis(out[name], 0, 1) for name, column in zip(self.outputs, self.writes)}


@lru_cache
def _part(whole: Branch, columns: frozenset[str]) -> Branch:
    kept = [column in columns for column in whole.writes]
    if all(kept):
        return whole
    outputs = {name: column for (name, column), wanted in zip(whole.outputs.items(), kept) if wanted}
    part = branch(split(whole.name)[1], whole.inner.stages, whole.cases, outputs)
    return part.under(whole.scope) if whole.scope else part


def branch(
    name: str, stages: Sequence[Stage], cases: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]
) -> Branch:
    """Declare a branch.

    stages  : of the model; what does not follow from the replaced columns is read, not run again
    cases   : per case, the columns replaced: by another column (its name) or by a value
    outputs : inner column -> name of the stacked column
    """
    downstream = _downstream(stages, set(cases[0]))
    written = {column for stage in downstream for column in stage.writes}
    given = {column for stage in downstream for column in stage.reads if column not in written} | set(cases[0])
    inner = plan(downstream, given, outputs)
    draws: dict[str, Draw] = inner.draws
    substitutes = {value for case in cases for value in case.values() if isinstance(value, str)}
    reads = [column for column in inner.reads if column not in cases[0]]
    return Branch(
        name=name,
        function=inner.run,
        of="block",
        constants={f"constant_{i}": key for i, key in enumerate(inner.constants)},
        reads=tuple(dict.fromkeys([*reads, *sorted(substitutes)])),
        draws=draws,
        streams={stream: stream for stream in draws},
        writes=tuple(outputs.values()),
        inner=inner,
        cases=tuple(cases),
        outputs=outputs,
    )


def _downstream(stages: Sequence[Stage], changed: set[str]) -> list[Stage]:
    """The stages that read, directly or not, a column that is replaced."""
    reached: set[Stage] = set()
    before = -1
    while len(reached) > before:
        before = len(reached)
        for stage in stages:
            if stage not in reached and changed & set(stage.reads) and not set(stage.writes) <= changed:
                reached.add(stage)
                changed = changed | set(stage.writes)
    return [stage for stage in stages if stage in reached]
