"""One compiled kernel for a plan: rows of any number in, wanted columns out, in blocks of one fixed shape."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from diffsky_factory.core.cache import keep_compiled_kernels
from diffsky_factory.core.columns import row_numbers
from diffsky_factory.core.constants import Key, held
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.plan import Plan
from diffsky_factory.core.random import draw_all, id_words, row_keys

Precision = Literal["float32", "float64"]
COMPILED = 16  # plans, chosen: kernels take 1,000 mappings of memory each, and Linux gives a process 65,530


class Kernel:
    """A plan with its parameters and tables, compiled once per block shape.

    Rows are cut into blocks of `block` rows at the borders of host groups, so that a host and its satellites are
    computed together; the rest of a block is padding. A larger group gets a block of a multiple of that size.
    """

    def __init__(
        self,
        plan: Plan,
        constants: Mapping[Key, Any],
        *,
        seed: int,
        block: int = 16384,
        precision: Precision = "float32",
        at_once: int = 1,
    ) -> None:
        """Compile nothing yet. `at_once` blocks run side by side, one thread and the memory of one block each."""
        self.plan, self.seed, self.block, self.precision, self.at_once = plan, seed, block, precision, at_once
        keep_compiled_kernels()
        with self._precision():
            keys = [held(key, constants) or key for key in plan.constants]
            known = {key: self._real(constants[key]) for key in keys}
            known = dict(zip(known, jax.device_put(list(known.values()))))  # once, not per block
            self.constants = [known[key] for key in keys]
        self._compiling = threading.Lock()
        self._sizes: set[int] = set()  # rows of the blocks it is compiled for

    def __call__(
        self,
        columns: Mapping[str, np.ndarray],
        ids: np.ndarray,
        draws: Mapping[str, np.ndarray] | None = None,
        only: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """The wanted columns of all rows, or of some.

        columns : by name, first axis the rows; `host_row` must lead from every row to the one its group shares
        ids     : (n,) int64, on which the draws are keyed
        draws   : by stream name `stage.draw`, in place of the drawn ones
        only    : numbers of the rows that are wanted, in any order; only the blocks that hold them are computed
        Columns of row numbers, given or wanted, count the rows of these arrays and stay within a group; raises
        InputError for one that leads out of it.
        """
        draws = dict(draws or {})
        reads = {name: columns[name] for name in self.plan.reads}
        ranges = blocks(columns["host_row"], self.block)
        if only is not None:
            ranges = [rows for rows in ranges if np.any((only >= rows.start) & (only < rows.stop))]
        with ThreadPoolExecutor(self.at_once) as pool:
            pieces = list(pool.map(lambda rows: self._block(reads, ids, draws, rows), ranges))
        if not pieces:
            return {name: np.zeros((0, *shape), dtype) for name, (shape, dtype) in self.template(reads).items()}
        found = {name: np.concatenate([piece[name] for piece in pieces]) for name in self.plan.wanted}
        if only is None:
            return found
        computed = np.concatenate([np.arange(rows.start, rows.stop) for rows in ranges])
        at = np.searchsorted(computed, only)
        return {name: values[at] for name, values in found.items()}

    def template(self, columns: Mapping[str, np.ndarray]) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Shape (beyond the rows) and dtype of every wanted column, without computing anything."""
        with self._precision():
            one = {
                name: self._real(np.zeros((1, *np.shape(columns[name])[1:]), columns[name].dtype)) for name in columns
            }
            words = jnp.zeros((1, 2), jnp.uint32)
            out = jax.eval_shape(_compiled(self.plan), one, self.constants, words, {}, self.seed)
        counting = row_numbers(out)
        return {
            name: (value.shape[1:], np.dtype(np.int64 if name in counting else value.dtype))
            for name, value in out.items()
        }

    def _block(self, columns, ids, draws, rows: slice) -> dict[str, np.ndarray]:
        block = padded_block(columns, ids, draws, rows, self.block)
        n, size = rows.stop - rows.start, len(block.words)
        # of many threads, one compiles and the others wait for it
        with nullcontext() if size in self._sizes else self._compiling, self._precision():
            inputs = jax.device_put((self._real(block.columns), block.words, self._real(block.draws)))
            out = _compiled(self.plan)(inputs[0], self.constants, inputs[1], inputs[2], self.seed)
            out = jax.device_get(out)
        self._sizes.add(size)
        out = {name: value[:n] for name, value in out.items()}
        return {**out, **{name: out[name].astype(np.int64) + rows.start for name in row_numbers(out)}}

    def _real(self, tree):
        return in_precision(tree, self.precision)

    def _precision(self):
        # said either way: a mock is the same whatever precision its caller has switched on
        return jax.enable_x64(self.precision == "float64")


class Block(NamedTuple):
    """Rows of a fixed number, the first of them real, the rest padding: columns, ids as words, draws that are given."""

    columns: dict[str, np.ndarray]
    words: np.ndarray
    draws: dict[str, np.ndarray]


def padded_block(
    columns: Mapping[str, np.ndarray], ids: np.ndarray, draws: Mapping[str, np.ndarray], rows: slice, size: int
) -> Block:
    """Some rows, whole host groups, as a block of `size` rows, or of a multiple of it where there are more.

    Row numbers count from the first row of the block. Padding repeats the first row, so that it is finite whatever a
    stage does. Raises InputError for a row number that leads out of its group.
    """
    n = rows.stop - rows.start
    take = np.concatenate([np.arange(rows.start, rows.stop), np.full(size * -(-n // size) - n, rows.start)])
    block = {name: np.asarray(value)[take] for name, value in columns.items()}
    block.update({name: _rows_of_block(name, block[name], rows) for name in row_numbers(block)})
    return Block(
        block, id_words(np.asarray(ids)[take]), {name: np.asarray(value)[take] for name, value in draws.items()}
    )


def in_precision(tree: Any, precision: Precision) -> Any:
    """Arrays and numbers of a pytree as numpy arrays, reals in a precision."""

    def cast(x):
        x = np.asarray(x)
        return x.astype(precision) if x.dtype.kind == "f" else x

    return jax.tree.map(cast, tree)


def _rows_of_block(name: str, values: np.ndarray, rows: slice) -> np.ndarray:
    """Row numbers counted from the first row of a block; the rows of its padding are their own."""
    n = rows.stop - rows.start
    local = values - rows.start
    stray = np.any((local[:n] < 0) | (local[:n] >= n), axis=tuple(range(1, local.ndim)))
    if np.any(stray):
        row = int(np.argmax(stray))
        raise InputError(f"column '{name}', row {rows.start + row}: {values[row]} leads out of its host group")
    # what padding would deposit stays in it
    local[n:] = np.arange(n, len(local)).reshape((-1,) + (1,) * (local.ndim - 1))
    return local.astype(np.int32)


def blocks(host_row: np.ndarray, size: int) -> list[slice]:
    """Consecutive row ranges of at most `size` rows that never cut a host group, or one group if it is larger."""
    host_row = np.asarray(host_row)
    n = len(host_row)
    # a border before row i: no row from i on reaches back beyond it
    reach = np.minimum.accumulate(np.minimum(host_row, np.arange(n))[::-1])[::-1]
    forward = np.maximum.accumulate(np.maximum(host_row, np.arange(n)))
    inside = np.concatenate([[True], forward[:-1] < np.arange(1, n)]) if n else np.zeros(0, bool)
    borders = np.concatenate([np.flatnonzero((reach == np.arange(n)) & inside), [n]])
    ranges, start = [], 0
    while start < n:
        stop = borders[np.searchsorted(borders, start + size, side="right") - 1]
        if stop <= start:
            stop = borders[np.searchsorted(borders, start, side="right")]
        ranges.append(slice(int(start), int(stop)))
        start = stop
    return ranges


@lru_cache(maxsize=COMPILED)
def _compiled(plan: Plan):
    @jax.jit
    def kernel(columns, constants, words, given, seed):
        missing = {name: law for name, law in plan.draws.items() if name not in given}
        draws = draw_all(row_keys(seed, words), missing) if missing else {}
        return plan.run(columns, dict(zip(plan.constants, constants)), {**draws, **given})

    return kernel
