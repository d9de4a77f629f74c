"""Galaxies as a function of the model's parameters, for JAX to differentiate, compile and map."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.tree_util import register_pytree_node_class

from diffsky_factory.core.constants import Key, held, kind_of, scope_of
from diffsky_factory.core.errors import InputError, near, shown
from diffsky_factory.core.parameters import problem_of_values
from diffsky_factory.core.plan import Plan
from diffsky_factory.core.random import draw_all, id_words, row_keys
from diffsky_factory.core.scopes import scoped, split
from diffsky_factory.factory.evaluate import requested
from diffsky_factory.factory.model import Model
from diffsky_factory.physics import INGREDIENTS
from diffsky_factory.sky.cosmology import Cosmology


def parameter_keys(keys: Iterable[Key]) -> dict[str, Key]:
    """The constants that are parameters of the model, by the published name of their group and its scope."""
    groups = {kind: group for group, kind in INGREDIENTS.items()}
    named = {scoped(scope_of(key), groups[kind_of(key)]): key for key in keys if kind_of(key) in groups}
    order = list(INGREDIENTS)
    return dict(sorted(named.items(), key=lambda item: (order.index(split(item[0])[1]), item[0])))


def check_parameters(given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raise InputError for groups that are not of their class, and for a parameter outside its bounds.

    Nothing is said of the bounds of values that JAX traces.
    """
    for group, values in given.items():
        if type(values) is not type(known[group]):
            kind = type(known[group]).__name__
            raise InputError(f"parameters: '{group}' is a {kind}, not {shown(values)}; change one with its _replace")
        problem = problem_of_values(values)
        if problem:
            raise InputError(f"parameters, {group}: {problem}")


@register_pytree_node_class
@dataclass(frozen=True, eq=False)
class Galaxies:
    """Call it with parameters, by group, to have the wanted columns as JAX arrays in the order of the rows given.

    parameters : those of the calibration that the wanted columns need, by the published name of their group, and those
                 that a scope has of its own, "lsst_y10/scatter"
    columns    : what is known of the galaxies
    A group that is left out stays as it is, and so does a column. Draws are the same in every call.
    It is a pytree: as an argument of a compiled function it is compiled once for all blocks of as many rows.
    """

    parameters: dict[str, Any]
    columns: dict[str, jax.Array]
    order: Plan
    constants: dict[Key, Any]
    draws: dict[str, jax.Array]

    def tree_flatten(self):
        """Numbers, and beside them what is compiled: the plan and the keys of the constants."""
        return (self.parameters, self.columns, tuple(self.constants.values()), self.draws), (
            self.order,
            tuple(self.constants),
        )

    @classmethod
    def tree_unflatten(cls, fixed, numbers) -> "Galaxies":
        """The inverse of `tree_flatten`."""
        (order, keys), (parameters, columns, constants, draws) = fixed, numbers
        return cls(parameters, columns, order, dict(zip(keys, constants)), draws)

    def __call__(
        self, parameters: Mapping[str, Any] | None = None, columns: Mapping[str, jax.Array] | None = None
    ) -> dict[str, jax.Array]:
        """The wanted columns.

        Raises InputError for an unknown group or column, listing near matches, and for a parameter outside its bounds,
        with its value and these, where JAX traces none of its group.
        """
        parameters, columns = parameters or {}, columns or {}
        for what, given, known in (("group", parameters, self.parameters), ("column", columns, self.columns)):
            for name in given:
                if name not in known:
                    raise InputError(f"no {what} '{name}' in this request; {near(name, known)}")
        check_parameters(parameters, self.parameters)
        keys = parameter_keys(self.constants)
        moved = {keys[name]: value for name, value in {**self.parameters, **parameters}.items()}
        return self.order.run({**self.columns, **columns}, {**self.constants, **moved}, self.draws)


def differentiable(
    columns: Mapping[str, Any] | xr.Dataset,
    wanted: str | Sequence[str],
    model: Model | None = None,
    *,
    draws: Mapping[str, np.ndarray] | None = None,
    cosmology: Cosmology | None = None,
    **changes: Any,
) -> Galaxies:
    """Galaxies as a function of the parameters: `jax.grad(lambda p: loss(galaxies(p)))(galaxies.parameters)`.

    Arguments and errors are those of `evaluate`. All rows are computed at once, the gradient of ten bands in about
    60 kB per galaxy, so that large samples are best summed over parts of whole host groups. Numbers are of 32 bits,
    or of 64 where JAX is told so (`jax_enable_x64`) before.
    Derivatives hold at fixed draws: of a Monte-Carlo choice (`is_quenched`, `is_bursty`, a merger) there is none. Those
    of `mag_mean`, of quantities by population with `population_weights`, and of mergers with
    `replace={"merging_monte_carlo": "merging_mean"}` are derivatives of expectations.
    """
    model = (model or Model()).but(**changes)
    order, known, columns = requested(columns, wanted, model, draws, cosmology)
    missing = {name: law for name, law in order.draws.items() if name not in (draws or {})}
    words = jnp.asarray(id_words(columns["galaxy_id"]))
    drawn = draw_all(row_keys(model.seed, words), missing) if missing else {}
    keys = dict.fromkeys(held(key, known) for key in order.constants)
    used = {key: jax.tree.map(_real, known[key]) for key in keys if key is not None}
    return Galaxies(
        parameters={name: used[key] for name, key in parameter_keys(used).items()},
        columns={name: _real(columns[name]) for name in order.reads},
        order=order,
        constants=used,
        draws={name: _real(value) for name, value in {**drawn, **(draws or {})}.items()},
    )


def _real(value: Any) -> jax.Array:
    value = np.asarray(value)
    return jnp.asarray(value, float) if value.dtype.kind == "f" else jnp.asarray(value)
