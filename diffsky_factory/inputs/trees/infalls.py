"""Infalls of the objects of a forest: the first into any halo, the last into the halo that is their host on top now.

A satellite is one at a snapshot where its node has a host. Hosts are followed to the top, so that falling in with
another is a first infall into that one, and falling into a group of which that one is part is one into the group. The
present host is followed back along its main branch: a halo that has merged with it was another one, and infall into
that one a first infall, into what is part of the present host now.
"""

from typing import NamedTuple

import numpy as np

from diffsky_factory.inputs.trees.branches import Branches
from diffsky_factory.inputs.trees.forest import Forest
from diffsky_factory.inputs.trees.links import Links
from diffsky_factory.sky.groups import last_of_chain

ENDED = "first hosts that have ended, or are the satellite itself"
ELSEWHERE = "first hosts that are in another group now"
MUTUAL = "satellites whose first hosts lead in a circle"
LEFT = "satellites that had left their host on top and came back"
BEFORE = "hosts that were satellites before"


class Infalls(NamedTuple):
    """Numbers of objects, and rows of nodes at the infalls; of a host: itself, and its last node."""

    host: np.ndarray  # (objects,) host on top
    first_host: np.ndarray  # (objects,) what the host of the first infall is part of now; in the group of `host`
    node: np.ndarray  # (objects,) row of the own node at the infall into `host`: the first snapshot inside
    host_node: np.ndarray  # (objects,) row of the host then
    first_node: np.ndarray  # (objects,) row of the own node at the first infall
    first_host_node: np.ndarray  # (objects,) row of its host then
    counts: dict[str, int]  # what -> of how many objects


def infalls(forest: Forest, links: Links, branches: Branches) -> Infalls:
    """Infalls as known at the snapshot of the branches.

    Where the host of the first infall has ended, is in another group now, or has become part of the satellite itself,
    and where two have each been the host of the other, the infall into the present host counts as the first.
    An object that has ended fell into the halo that it has become part of, at the latest when it was last seen.
    """
    own = np.arange(len(branches.last))
    host = _host_on_top(links, branches)
    inside = np.flatnonzero((branches.of >= 0) & (links.top != np.arange(len(links.top))))
    inside = inside[np.argsort(-forest.step[inside], kind="stable")]  # what is written last is the earliest
    first, into_top = np.full(len(own), -1), np.full(len(own), -1)
    first[branches.of[inside]] = inside
    settled = inside[_in_present_host(links, branches, host, inside)]
    into_top[branches.of[settled]] = settled

    satellite = host != own
    node = np.where(satellite & (into_top >= 0), into_top, branches.last)
    host_node = np.where(satellite & (into_top < 0), _merger(links, branches), links.top[node])
    host_node = np.where(satellite, host_node, branches.last)
    earlier = np.where(satellite & (first >= 0), branches.becomes[links.top[first]], host)
    gone = (earlier < 0) | (earlier == own)
    apart = ~gone & (host[earlier] != host)
    use = satellite & (first >= 0) & ~gone & ~apart
    first_host = np.where(use, earlier, host)
    circle = use & (last_of_chain(first_host) != host) if len(own) else use
    use &= ~circle
    return Infalls(
        host=host,
        first_host=np.where(use, first_host, host),
        node=node,
        host_node=host_node,
        first_node=np.where(use, first, node),
        first_host_node=np.where(use, links.top[first], host_node),
        counts={
            ENDED: int(np.count_nonzero(satellite & gone)),
            ELSEWHERE: int(np.count_nonzero(satellite & apart)),
            MUTUAL: int(np.count_nonzero(circle)),
            LEFT: _came_back(forest, links, branches, node, satellite),
            BEFORE: int(np.count_nonzero(~satellite & (first >= 0))),
        },
    )


def _host_on_top(links: Links, branches: Branches) -> np.ndarray:
    """(objects,) number of the host on top of each, or of what it has become part of; its own where there is none."""
    own = np.arange(len(branches.last))
    part_of = branches.becomes[branches.last]
    is_part = part_of >= 0
    return np.where(is_part, branches.of[links.top[branches.last[part_of]]], own)


def _in_present_host(links: Links, branches: Branches, host: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(inside,) bool: nodes whose host on top is the present one of their object, on its main branch.

    For objects that have ended, hosts that have become part of the present one count too: such an object may never
    have been in another.
    """
    of, top = branches.of[inside], links.top[inside]
    part = branches.ended[of] & (branches.becomes[top] == host[of])
    return (branches.of[top] == host[of]) | part


def _merger(links: Links, branches: Branches) -> np.ndarray:
    """(objects,) row of the node with which one that was nobody's satellite has merged; its last node if with none."""
    descendant = links.descendant[branches.last]
    return np.where(descendant >= 0, descendant, branches.last)


def _came_back(forest: Forest, links: Links, branches: Branches, node: np.ndarray, satellite: np.ndarray) -> int:
    """How many satellites were hosts again at some snapshot after their infall."""
    of = branches.of
    later = (of >= 0) & (links.top == np.arange(len(of)))
    later &= satellite[of] & (forest.step > forest.step[node][of]) if len(satellite) else False
    return len(np.unique(of[later]))
