"""Sums over galaxies by chunks: an additive statistic of any number of galaxies, its gradient and its Jacobian.

A statistic is a sum over galaxies of what each contributes. A first pass sums it; a loss of the sum has a derivative
with respect to the sum; a second pass carries that back through each chunk to the parameters. So the memory is that of
one chunk, whatever the number of galaxies. Chunks have one shape, for which each pass is compiled once.
"""

import inspect
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from functools import lru_cache
from typing import Any, NamedTuple

import cloudpickle
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from diffsky_factory.core.cache import keep_compiled_kernels
from diffsky_factory.core.constants import constant
from diffsky_factory.core.errors import InputError, near
from diffsky_factory.core.plan import Plan, plan
from diffsky_factory.core.random import draw_all, row_keys
from diffsky_factory.factory.chunks import Chunks, chunks_of
from diffsky_factory.factory.galaxies import check_parameters, parameter_keys
from diffsky_factory.factory.kernel import Precision, blocks, in_precision, padded_block
from diffsky_factory.factory.runs.tasks import at_once, finished

PROGRAMS = 8  # passes, chosen: derivatives take 3,000 mappings of memory each, and Linux gives a process 65,530
BLOCK = 4096  # rows of a chunk that is computed at once; chosen: a quarter of a GB in the gradient of ten bands

Statistic = Callable[..., Any]
"""statistic(*, column, ...) -> what one galaxy contributes, from columns by name: an array, or a pytree of arrays."""


class Summed(NamedTuple):
    """A statistic of all galaxies.

    value    : the sum, a pytree of float64 arrays as the statistic returns
    loss     : of the value, where one is given
    gradient : of the loss, by group of parameters
    jacobian : of the value, where it is asked for: as the value, each array with the derivatives by group, of shape
               (shape of the array, shape of the parameter)
    """

    value: Any
    loss: float | None = None
    gradient: dict[str, Any] | None = None
    jacobian: Any = None


def sum_over_chunks(
    statistic: Statistic,
    source: Any,
    parameters: Mapping[str, Any] | None = None,
    *,
    loss: Callable[[Any], Any] | None = None,
    jacobian: bool = False,
    precision: Precision = "float32",
    block: int = BLOCK,
    client: Any = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Summed:
    """Sum over galaxies of what a statistic gives for each, at some parameters of the model; with derivatives.

    statistic  : statistic(*, column, ...) -> an array, or a pytree of arrays, of one galaxy: in JAX, its keyword-only
                 arguments the columns it wants, such as `def counts(*, mag_mean): ...`. It is multiplied by the
                 galaxy's `weight`, the number of objects that its row stands for.
    source     : a mock or store of galaxies, cut or not, as a dataset; a recipe, its name or fields; a path of a store.
                 Galaxies of a store are computed from what it keeps, as by `ds.sky.photometry`.
    parameters : by group, such as {"diffstarpop": ...}: parameters with respect to which derivatives are taken, and
                 their values (default: all that the columns depend on, as in the source's calibration)
    loss       : loss(value) -> a number, in JAX; its gradient takes a second pass over the chunks
    jacobian   : whether to give the derivatives of the value; they take a second pass, with one derivative per number
                 of the value or per parameter, whichever are fewer
    precision  : of the kernels; sums over chunks are in float64 in any case
    block      : rows of a chunk; derivatives take some 60 kB of memory per row for ten bands
    client     : a dask.distributed Client, whose workers see the same file system; else threads of this process
    workers    : chunks at a time without a client, default one per core
    progress   : called as progress(tiles done, tiles), in each pass
    The sum does not depend on the number of chunks or workers but for rounding. Raises InputError for unknown columns
    or groups, listing near matches, for a parameter outside its bounds, and where a sum is not finite.
    """
    at_once(client, workers)  # refused before anything is read
    chunks, wanted = chunks_of(source), _columns_of(statistic)
    parts = chunks.assembly(wanted)
    order = plan(parts.stages, parts.given, wanted)
    parts.model.check(order.constants, ", ".join(wanted))
    known = parameter_keys(order.constants)
    for group in parameters or {}:
        if group not in known:
            raise InputError(f"parameters: no group '{group}' that {', '.join(wanted)} depend on; {near(group, known)}")
    defaults = {name: constant(key, parts.constants) for name, key in known.items()}
    check_parameters(parameters or {}, defaults)
    if block < 1:
        raise InputError(f"block: {block} rows; give 1 or more")
    moving = dict(parameters or defaults)
    how = _Task(chunks, cloudpickle.dumps(statistic), wanted, moving, precision, block)

    def total(pass_: str, *given: Any) -> Any:
        if client is None:
            _compile(how, pass_, given)
        found = finished(_of_tile, range(len(chunks.tiles)), client, workers, how, pass_, given)
        return _in_order(found, len(chunks.tiles), progress)

    value = _finite(total("value"), "the sum")
    summed = Summed(value)
    if loss is not None:
        with jax.enable_x64(True):
            shape = jax.eval_shape(loss, jax.tree.map(jnp.asarray, value))
            if getattr(shape, "shape", None) != ():
                raise InputError("loss: gives no single number; sum or average what it gives")
            number, slope = jax.value_and_grad(loss)(jax.tree.map(jnp.asarray, value))
        slope = _finite(jax.tree.map(np.asarray, slope), "the derivative of the loss")
        summed = summed._replace(loss=float(number), gradient=_finite(total("gradient", slope), "the gradient"))
    if jacobian:
        summed = summed._replace(jacobian=_finite(total("jacobian"), "the Jacobian"))
    return summed


class _Task(NamedTuple):
    """What a worker is told of the sum."""

    chunks: Chunks
    statistic: bytes
    wanted: tuple[str, ...]
    moving: dict[str, Any]
    precision: Precision
    block: int


def _columns_of(statistic: Statistic) -> tuple[str, ...]:
    """The columns that a statistic wants; raises InputError where its signature does not say."""
    arguments = inspect.signature(statistic).parameters.values()
    if not arguments or any(one.kind is not one.KEYWORD_ONLY for one in arguments):
        raise InputError(
            "statistic: its arguments are the columns it wants, keyword-only: def counts(*, mag_mean): ..."
        )
    return tuple(one.name for one in arguments)


def _of_tile(task: _Task, pass_: str, given: tuple, number: int) -> tuple[int, Any]:
    """The part of a sum that a tile has, in float64; None for a tile without rows."""
    found = None
    for program, constants, block in _blocks_of(task, pass_, given, number):
        one = program(constants, block)
        found = one if found is None else jax.tree.map(np.add, found, one)
    return number, found


def _compile(task: _Task, pass_: str, given: tuple) -> None:
    """Compile the program of a pass in this thread, before others run it: in a thread of a pool one has crashed.

    For a program that is compiled already no tile is made.
    """
    if _task_program(task, pass_).is_compiled(_constants(task, given), task.block, task.precision):
        return
    for number in range(len(task.chunks.tiles)):
        with closing(_blocks_of(task, pass_, given, number)) as every:
            for program, constants, block in every:
                program.compiled(constants, block)
                return


def _blocks_of(
    task: _Task, pass_: str, given: tuple, number: int
) -> Generator[tuple["_Program", tuple, tuple], None, None]:
    """The program of a pass, its constants and its block, for each block of a tile that has rows to sum over."""
    parts, order, program = task.chunks.assembly(task.wanted), _order(task), _task_program(task, pass_)
    chunk = task.chunks.chunk(number, task.wanted, order.reads)
    constants = _constants(task, given)
    weight = np.where(chunk.chosen, np.asarray(chunk.columns["weight"], np.float64), 0.0)
    reads = {name: chunk.columns[name] for name in order.reads}
    with jax.enable_x64(task.precision == "float64"):
        for rows in blocks(chunk.columns["host_row"], task.block):
            if not np.any(weight[rows]):
                continue
            block = padded_block(reads, chunk.ids, {}, rows, task.block)
            own = np.zeros(len(block.words))
            own[: rows.stop - rows.start] = weight[rows]
            inputs = in_precision((block.columns, block.words, own), task.precision)
            yield program, constants, (*inputs, parts.model.seed)


def _constants(task: _Task, given: tuple) -> tuple:
    """What is the same for all blocks: the parameters that move, the constants, and what the pass is given."""
    parts = task.chunks.assembly(task.wanted)
    fixed = [constant(key, parts.constants) for key in _order(task).constants]
    with jax.enable_x64(task.precision == "float64"):
        return jax.device_put(in_precision((task.moving, fixed, given), task.precision))


def _order(task: _Task) -> Plan:
    """The stages that lead to what a statistic wants."""
    parts = task.chunks.assembly(task.wanted)
    return plan(parts.stages, parts.given, task.wanted)


def _task_program(task: _Task, pass_: str) -> "_Program":
    """The program of a pass; made once per process."""
    keep_compiled_kernels()
    with _MAKING:
        return _program(_order(task), task.statistic, tuple(task.moving), pass_)


_MAKING = threading.Lock()  # programs are made once, whichever thread asks first


class _Program:
    """A pass over one block, compiled once per number of rows and precision: of many threads, one compiles."""

    def __init__(self, run: Callable) -> None:
        self._run, self._compiling = jax.jit(run), threading.Lock()
        self._made: dict[tuple, Callable] = {}

    def is_compiled(self, constants: tuple, rows: int, precision: Precision) -> bool:
        """Whether it was, for constants of these shapes and types and blocks of so many rows in a precision."""
        return (_kind(constants), rows, precision) in {known[:3] for known in tuple(self._made)}

    def compiled(self, constants: tuple, block: tuple) -> Callable:
        """The program for constants and a block of these shapes and types."""
        _, words, weight, _ = block
        kind = _kind(constants), len(words), weight.dtype.name, _kind(block)
        if kind not in self._made:
            with self._compiling:
                if kind not in self._made:
                    self._made[kind] = self._run.lower(*constants, *block).compile()
        return self._made[kind]

    def __call__(self, constants: tuple, block: tuple) -> Any:
        out = jax.device_get(self.compiled(constants, block)(*constants, *block))
        return jax.tree.map(lambda x: np.asarray(x, np.float64), out)


def _kind(tree: Any) -> tuple:
    """Shapes and types of what a program is given."""
    return tuple((np.shape(x), getattr(x, "dtype", type(x))) for x in jax.tree.leaves(tree))


@lru_cache(maxsize=PROGRAMS)
def _program(order: Plan, pickled: bytes, groups: tuple[str, ...], pass_: str) -> _Program:
    """program(moving, fixed, given, columns, words, weight, seed) of a pass over one block, in float64."""
    statistic, keys = cloudpickle.loads(pickled), parameter_keys(order.constants)

    def of_block(moving, fixed, columns, words, weight, seed):
        constants = {**dict(zip(order.constants, fixed)), **{keys[name]: moving[name] for name in groups}}
        draws = draw_all(row_keys(seed, words), order.draws) if order.draws else {}
        out = order.run(columns, constants, {name: draw.astype(weight.dtype) for name, draw in draws.items()})
        each = jax.vmap(lambda row: statistic(**row))(out)
        return jax.tree.map(lambda x: jnp.tensordot(weight, jnp.asarray(x, weight.dtype), 1), each)

    def value(moving, fixed, given, *block):
        return of_block(moving, fixed, *block)

    def gradient(moving, fixed, given, *block):
        _, back = jax.vjp(lambda moving: of_block(moving, fixed, *block), moving)
        return back(given[0])[0]

    def jacobian(moving, fixed, given, *block):
        return _jacobian(lambda moving: of_block(moving, fixed, *block), moving)

    return _Program({"value": value, "gradient": gradient, "jacobian": jacobian}[pass_])


def _jacobian(function: Callable, moving: Any) -> Any:
    """Derivatives as `jax.jacobian` gives them, one after the other, so that memory is that of one.

    They are taken backward, once for each number of the value, or forward, once for each parameter.
    """
    flat, unravel = ravel_pytree(moving)
    shapes = jax.eval_shape(function, moving)
    sizes = [int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes)]

    def vector(numbers):
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(function(unravel(numbers)))])

    if sum(sizes) <= len(flat):
        _, back = jax.vjp(vector, flat)
        matrix = jax.lax.map(lambda one: back(one)[0], jnp.eye(sum(sizes), dtype=flat.dtype))
    else:
        _, ahead = jax.linearize(vector, flat)
        matrix = jax.lax.map(ahead, jnp.eye(len(flat), dtype=flat.dtype)).T
    rows = jnp.split(matrix, np.cumsum(sizes)[:-1])
    leaves = [
        jax.tree.map(lambda x, leaf=leaf: x.reshape(leaf.shape + x.shape[1:]), jax.vmap(unravel)(part))
        for leaf, part in zip(jax.tree.leaves(shapes), rows)
    ]
    return jax.tree.unflatten(jax.tree.structure(shapes), leaves)


def _in_order(found: Any, tiles: int, progress: Callable[[int, int], None] | None) -> Any:
    """The sum of the parts of all tiles, added in the order of the tiles, whichever comes first."""
    waiting: dict[int, Any] = {}
    total, next_, done = None, 0, 0
    for number, part in found:
        waiting[number], done = part, done + 1
        while next_ in waiting:
            part = waiting.pop(next_)
            if part is not None:
                total = part if total is None else jax.tree.map(np.add, total, part)
            next_ += 1
        if progress:
            progress(done, tiles)
    if total is None:
        raise InputError("there are no galaxies to sum over")
    return total


def _finite(tree: Any, what: str) -> Any:
    for path, value in jax.tree_util.tree_leaves_with_path(tree):
        if not np.all(np.isfinite(value)):
            raise InputError(
                f"{what} is not finite{jax.tree_util.keystr(path)}; what does the statistic do at its ends?"
            )
    return tree
