"""Links of a forest as rows: descendants, main progenitors, hosts to the top; what does not hold is counted."""

from typing import NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.trees.forest import Forest
from diffsky_factory.sky.groups import last_of_chain

DANGLING = "descendants that are not in the forest"
LOST = "hosts that are not in the forest"
OTHER_TIME = "hosts at another snapshot"
CIRCLES = "hosts of each other at one snapshot"
NESTED = "satellites of satellites"


class Links(NamedTuple):
    """Rows of the forest that each node leads to; -1 where there is none."""

    descendant: np.ndarray  # (n,)
    progenitor: np.ndarray  # (n,) the main one
    last: np.ndarray  # (n,) last node of the main branch
    host: np.ndarray  # (n,) direct, at the same snapshot; own for hosts and where the host is lost
    top: np.ndarray  # (n,) host at the top; own for hosts and where the host is lost
    host_found: np.ndarray  # (n,) bool: false where the chain of hosts leads out of the forest
    counts: dict[str, int]  # what does not hold -> of how many nodes


def link(forest: Forest, source: object = "the forest") -> Links:
    """The links of a forest, checked.

    Main progenitor: the one the product names, else the most massive; of equal masses that of the smallest id.
    A circle of hosts is led by its most massive member. A host that is not in the forest, or is at another snapshot,
    is lost: its satellites are at the top.
    Raises InputError, naming the node, where an id repeats or a descendant is not later.
    """
    order = np.argsort(forest.node_id, kind="stable")
    ids = forest.node_id[order]
    if (ids[1:] == ids[:-1]).any():
        again = ids[1:][ids[1:] == ids[:-1]][0]
        raise InputError(f"{source}: node {again} occurs twice; ids must be unique in a simulation")
    descendant = rows_of(ids, order, forest.descendant_id)
    follows = np.flatnonzero(descendant >= 0)
    early = forest.step[descendant[follows]] <= forest.step[follows]
    if early.any():
        node = forest.node_id[follows[np.argmax(early)]]
        raise InputError(f"{source}: the descendant of node {node} is not later than the node; mend the links")
    host, top, found, counts = _hosts(forest, ids, order)
    counts[DANGLING] = int(np.count_nonzero((forest.descendant_id != -1) & (descendant < 0)))
    progenitor = main_progenitor(descendant, forest.log10_mass, forest.node_id, forest.is_main)
    last = last_of_branch(descendant, progenitor)
    return Links(descendant, progenitor, last, host, top, found, {name: n for name, n in counts.items() if n})


def rows_of(ids: np.ndarray, order: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The row of each wanted id, -1 where there is none; `ids` ascending, those of the rows `order`."""
    if not len(ids):
        return np.full(len(wanted), -1)
    rising = np.argsort(wanted)  # neighbours are then found near each other: twice as fast
    sought = wanted[rising]
    at = np.minimum(np.searchsorted(ids, sought), len(ids) - 1)
    rows = np.empty(len(wanted), np.int64)
    rows[rising] = np.where(ids[at] == sought, order[at], -1)
    return rows


def main_progenitor(
    descendant: np.ndarray, log10_mass: np.ndarray, node_id: np.ndarray, is_main: np.ndarray | None = None
) -> np.ndarray:
    """(n,) row of the main progenitor of each node, -1 where it has none."""
    progenitor = np.full(len(descendant), -1)
    rows = np.flatnonzero(descendant >= 0)
    progenitor[descendant[rows]] = rows
    siblings = rows[np.bincount(descendant[rows], minlength=len(descendant))[descendant[rows]] > 1]
    keys = [-node_id[siblings], np.nan_to_num(log10_mass[siblings], nan=-np.inf)]
    order = siblings[np.lexsort(keys if is_main is None else [*keys, is_main[siblings]])]
    progenitor[descendant[order]] = order  # of those with one descendant the last is written last, and stays
    return progenitor


def last_of_branch(descendant: np.ndarray, progenitor: np.ndarray) -> np.ndarray:
    """(n,) row of the last node of the main branch that each node is on."""
    own = np.arange(len(descendant))
    if not len(own):
        return own
    is_main = (descendant >= 0) & (progenitor[descendant] == own)
    return last_of_chain(np.where(is_main, descendant, own))


def largest_along(values: np.ndarray, follow: np.ndarray) -> np.ndarray:
    """(n,) the largest of the values at row, follow[row], follow[follow[row]], ..; -1 ends a chain; NaN is passed."""
    rows = np.where(follow >= 0, follow, np.arange(len(follow)))
    for _ in range(len(rows).bit_length() + 1):  # each pass doubles the length of the chain that is seen
        values, before, rows = np.fmax(values, values[rows]), rows, rows[rows]
        if np.array_equal(before, rows):
            break
    return values


def _hosts(forest: Forest, ids: np.ndarray, order: np.ndarray) -> tuple:
    own = np.arange(len(ids))
    given = rows_of(ids, order, forest.host_id)
    lost = given < 0
    other = ~lost & (forest.step[given] != forest.step)
    host = np.where(lost | other, own, given)
    top = last_of_chain(host)
    circle = host[top] != top
    leaders = _leaders(host, forest)[top[circle]] if circle.any() else own[:0]
    if circle.any():
        host[leaders] = leaders
        top = last_of_chain(host)
    found = ~(lost | other)[top]
    counts = {
        LOST: int(np.count_nonzero(lost)),
        OTHER_TIME: int(np.count_nonzero(other)),
        CIRCLES: len(np.unique(leaders)),
        NESTED: int(np.count_nonzero(host != top)),
    }
    return host, top, found, counts


def _leaders(host: np.ndarray, forest: Forest) -> np.ndarray:
    """(n,) for a row in a circle of hosts: the most massive row of the circle."""
    rank = np.empty(len(host), np.int64)
    order = np.lexsort([-forest.node_id, np.nan_to_num(forest.log10_mass, nan=-np.inf)])
    rank[order] = np.arange(len(host))
    return order[largest_along(rank, host)]
