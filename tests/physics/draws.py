"""The draws of a stage for galaxies 0, 1, 2, ..., as a mock has them."""

from functools import cache

import jax
import numpy as np

from diffsky_factory.core.random import draw_all, id_words, row_keys
from diffsky_factory.core.stage import Stage


def apply(stage: Stage, n: int, constants: dict | None = None, **columns) -> dict[str, np.ndarray]:
    """What a stage writes for n galaxies with these columns and its own draws, as float64."""
    drawn = draw_all(
        row_keys(1, id_words(np.arange(n))), {stage.stream(name): law for name, law in stage.draws.items()}
    )
    rows = {name: np.broadcast_to(np.float32(value), (n, *np.shape(value)[1:])) for name, value in columns.items()}
    constants = constants or {}
    rows.update({name: drawn[stage.stream(name)] for name in stage.draws})
    out = compiled(stage, tuple(constants))(tuple(constants.values()), rows)
    return {name: np.asarray(value, np.float64) for name, value in out.items()}


@cache
def compiled(stage: Stage, kinds: tuple[type, ...]):
    """The stage as one program: its operations one by one take several times as long to compile."""
    return jax.jit(lambda values, rows: stage.apply(dict(zip(kinds, values)), rows))
