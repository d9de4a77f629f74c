"""A stage made of stages: the same galaxies under several assumptions, stacked on a new axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp

from diffsky_factory.core.plan import Plan, plan
from diffsky_factory.core.stage import Stage
from diffsky_factory.core.types import Draw

KEPT = "kept for the gradient"  # name of small results that are dear to make again


@dataclass(frozen=True, eq=False, repr=False)
class Branch(Stage):
    """Runs a plan once per case, each with some columns replaced, and stacks what it writes along axis 1.

    The draws keep the streams of the stages inside, so that a case shares its random numbers with the main run.
    """

    inner: Plan
    cases: tuple[Mapping[str, Any], ...]
    outputs: Mapping[str, str]

    def stream(self, draw: str) -> str:
        """Streams of the inner stages are already full names."""
        return draw

    def only(self, columns: frozenset[str]) -> "Branch":
        """The branch that makes some of its columns, and runs no stage that they do not need."""
        return _part(self, columns)

    def apply(self, constants: Mapping[type, Any], rows: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """The stacked columns, (block, case, ...)."""
        n = next(iter(rows.values())).shape[0]

        def replaced(value):  # the name of a column, or one value for all rows
            return rows[value] if isinstance(value, str) else jnp.full(n, value)

        stacked = {name: jnp.stack([replaced(case[name]) for case in self.cases]) for name in self.cases[0]}
        shared = {name: rows[name] for name in self.inner.reads if name not in stacked}
        draws = {name: rows[name] for name in self.draws}

        # one case after another: compiled once, and no more memory than one, also in the gradient
        @partial(jax.checkpoint, prevent_cse=False, policy=jax.checkpoint_policies.save_only_these_names(KEPT))
        def one(case):
            return self.inner.run({**shared, **case}, constants, draws)

        out = jax.lax.map(one, stacked)
        return {column: jnp.moveaxis(out[name], 0, 1) for name, column in self.outputs.items()}


@lru_cache
def _part(whole: Branch, columns: frozenset[str]) -> Branch:
    outputs = {name: column for name, column in whole.outputs.items() if column in columns}
    return whole if outputs == whole.outputs else branch(whole.name, whole.inner.stages, whole.cases, outputs)


def branch(
    name: str, stages: Sequence[Stage], cases: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]
) -> Branch:
    """Declare a branch.

    stages  : of the model, in order of flow; what does not follow from the replaced columns is read, not run again
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
        constants={kind.__name__: kind for kind in inner.constants},
        reads=tuple(dict.fromkeys([*reads, *sorted(substitutes)])),
        draws=draws,
        writes=tuple(outputs.values()),
        inner=inner,
        cases=tuple(cases),
        outputs=outputs,
    )


def _downstream(stages: Sequence[Stage], changed: set[str]) -> list[Stage]:
    """The stages that read, directly or not, a column that is replaced."""
    found = []
    for stage in stages:
        if changed & set(stage.reads) and not set(stage.writes) <= changed:
            found.append(stage)
            changed = changed | set(stage.writes)
    return found
