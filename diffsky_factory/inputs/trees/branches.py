"""Main branches of a forest as seen at one snapshot: who is there, the nodes it was, and what each node becomes."""

from typing import NamedTuple

import numpy as np

from diffsky_factory.inputs.trees.forest import Forest
from diffsky_factory.inputs.trees.links import Links
from diffsky_factory.sky.groups import last_of_chain


class Branches(NamedTuple):
    """Objects at a snapshot, ascending in node_id, and after them, where asked for, those that ended before."""

    last: np.ndarray  # (objects,) row of the last node of each
    ended: np.ndarray  # (objects,) bool: not there at the snapshot
    of: np.ndarray  # (n,) number of the object on whose main branch a node is; -1 where on none of them
    becomes: np.ndarray  # (n,) number of the object, there at the snapshot, that a node is part of then; -1: none
    step: int


def branches_at(forest: Forest, links: Links, step: int, *, ended: bool = False) -> Branches:
    """The main branches of all nodes at a snapshot; with `ended`, also of those that are seen only before it.

    A main branch is a node with its main progenitor, and that one's, to the first; every node up to the snapshot is on
    exactly one. One that is skipped by the halo finder at the snapshot, and seen again later, counts as ended.
    """
    n = len(forest.step)
    own = np.arange(n)
    until = forest.step <= step
    onward = (links.descendant >= 0) & (forest.step[links.descendant] <= step)
    is_main = onward & (links.progenitor[links.descendant] == own)
    last_of_branch = last_of_chain(np.where(is_main, links.descendant, own)) if n else own
    fate = last_of_chain(np.where(onward, links.descendant, own)) if n else own
    last = own[until & ~is_main]
    there = forest.step[last] == step
    if not ended:
        last, there = last[there], there[there]
    order = np.lexsort([forest.node_id[last], ~there])
    last, there = last[order], there[order]
    number = np.full(n, -1)
    number[last] = np.arange(len(last))
    of = np.where(until, number[last_of_branch], -1)
    becomes = np.where(until & (forest.step[fate] == step), number[fate], -1)
    return Branches(last, ~there, of, becomes, step)


def matrix_rows(forest: Forest, branches: Branches, steps: int) -> np.ndarray:
    """(objects, steps) int64: the row of the node that each object was at each snapshot; -1 where it is not seen."""
    rows = np.full((len(branches.last), steps), -1)
    nodes = np.flatnonzero(branches.of >= 0)
    rows[branches.of[nodes], forest.step[nodes]] = nodes
    return rows


def at_rows(values: np.ndarray, rows: np.ndarray, fill=np.nan) -> np.ndarray:
    """Values of the nodes at rows, (rows.shape + values.shape[1:]); `fill` where a row is -1."""
    taken = values[rows] if len(values) else np.zeros(rows.shape + values.shape[1:], values.dtype)
    return np.where((rows >= 0).reshape(rows.shape + (1,) * (values.ndim - 1)), taken, fill)
