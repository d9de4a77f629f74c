"""Slow answers to what the arrays of `inputs/trees` answer at once: dictionaries, one node after another."""

import numpy as np

MASSES = [f"log10_{whose}_mass_at_{when}" for whose in ("halo", "host") for when in ("infall", "penultimate_infall")]


class Walker:
    """A forest as dictionaries of Python numbers by node id, seen at a step."""

    def __init__(self, forest, step):
        ids = forest.node_id.tolist()
        self.at = dict(zip(ids, forest.step.tolist()))
        self.mass = dict(zip(ids, forest.log10_mass.tolist()))
        self.step = step
        self.descendant = {i: d for i, d in zip(ids, forest.descendant_id.tolist()) if d in self.at}
        self.direct = dict(zip(ids, forest.host_id.tolist()))
        self.main = {}
        for i in sorted(self.descendant):  # of equal masses the smallest id is first
            best = self.main.get(self.descendant[i])
            if best is None or self.mass[i] > self.mass[best]:
                self.main[self.descendant[i]] = i

    def top(self, node):
        """The host on top; of hosts in a circle the most massive, of lost ones the last that is known."""
        seen = [node]
        while True:
            host = self.direct[seen[-1]]
            if host not in self.at or self.at[host] != self.at[node] or host == seen[-1]:
                return seen[-1]
            if host in seen:
                return max(seen[seen.index(host) :], key=lambda i: (self.mass[i], -i))
            seen.append(host)

    def branch(self, node):
        """The node and its main progenitors, the latest first."""
        found = [node]
        while found[-1] in self.main:
            found.append(self.main[found[-1]])
        return found

    def becomes(self, node):
        """The node at the step that a node is part of then, or None."""
        while node in self.descendant and self.at[self.descendant[node]] <= self.step:
            node = self.descendant[node]
        return node if self.at[node] == self.step else None

    def objects(self):
        return sorted(i for i in self.at if self.at[i] == self.step)

    def peak(self, node):
        return max(self.mass[i] for i in self.branch(node))


def infalls(forest, step, time):
    """Columns of the objects at a step, ascending in id, masses the largest so far."""
    tree = Walker(forest, step)
    today = tree.objects()
    top = {i: tree.top(i) for i in today}
    found = {i: _infalls_of(tree, i, top) for i in today}
    first_host = {i: found[i][2] for i in today}
    for i in today:  # two that have each been the host of the other
        seen, host = {i}, first_host[i]
        while first_host[host] != host and host not in seen:
            seen.add(host)
            host = first_host[host]
        if host != top[i]:
            found[i] = (found[i][0], found[i][0], top[i])
    columns = {
        "simulation_halo_id": today,
        "simulation_host_halo_id": [top[i] for i in today],
        "simulation_penultimate_host_halo_id": [found[i][2] for i in today],
    }
    for which, when in enumerate(("infall", "penultimate_infall")):
        nodes = [found[i][which] for i in today]
        columns[f"{when}_time"] = [time[tree.at[node]] for node, _ in nodes]
        columns[f"log10_halo_mass_at_{when}"] = [tree.peak(node) for node, _ in nodes]
        columns[f"log10_host_mass_at_{when}"] = [tree.peak(host) for _, host in nodes]
    return {name: np.array(values) for name, values in columns.items()}


def _infalls_of(tree, i, top):
    """((node, host) at the last infall, the same at the first, what the first host is now)."""
    if top[i] == i:
        return (i, i), (i, i), i
    inside = [(node, tree.top(node)) for node in tree.branch(i)[::-1] if tree.top(node) != node]
    branch_of_host = set(tree.branch(top[i]))
    last = next((node, host) for node, host in inside if host in branch_of_host)
    earlier = tree.becomes(inside[0][1])
    if earlier is None or earlier == i or top[earlier] != top[i]:
        return last, last, top[i]
    return last, inside[0], earlier
