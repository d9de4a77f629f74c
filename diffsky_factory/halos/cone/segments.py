"""Segments of the paths of halos between snapshots, along which they may cross a light cone."""

from typing import NamedTuple

import numpy as np

from diffsky_factory.inputs.trees.forest import Forest
from diffsky_factory.inputs.trees.links import Links, link


class Segments(NamedTuple):
    """From a node to the node it becomes or becomes part of; each node with a descendant begins exactly one.

    Where several nodes have one descendant, the main progenitor `continues` as it; the others end at the merger, on
    the way: their identity is their own to the last node, and what is after it is the main progenitor's. `branch` is
    one number for all segments of one identity, and no other's.
    """

    start: np.ndarray  # (m,) row of the node, at the given step
    end: np.ndarray  # (m,) row of its descendant, one step later, or more where snapshots were skipped
    end_step: np.ndarray  # (m,) step of the descendant
    continues: np.ndarray  # (m,) bool: as the descendant; else it ends by merging with what the descendant was
    branch: np.ndarray  # (m,) row of the last node of the main branch of `start`
    host_id: np.ndarray  # (m,) node id of the host on top at `start`; the own id for hosts


def segments(forest: Forest, step: int, links: Links | None = None) -> Segments:
    """The segments that begin at a step; those over skipped snapshots belong to the step at which they begin.

    So all segments of a forest, step by step, are its paths, each once. A satellite's host on top is at the same step,
    and its own segment is among these unless it has no descendant. The last node of a path begins no segment.
    """
    links = link(forest) if links is None else links
    start = np.flatnonzero((forest.step == step) & (links.descendant >= 0))
    end = links.descendant[start]
    return Segments(
        start=start,
        end=end,
        end_step=forest.step[end],
        continues=links.progenitor[end] == start,
        branch=links.last[start],
        host_id=forest.node_id[links.top[start]],
    )
