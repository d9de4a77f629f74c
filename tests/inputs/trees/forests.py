"""Random forests, and a hand-written one."""

import numpy as np
from hypothesis import strategies as st

from diffsky_factory.inputs.trees.forest import Forest

TIME = np.array([1.0, 2.0, 4.0, 7.0, 10.0, 13.0])


@st.composite
def forests(draw, most=60):
    """Forests with skipped snapshots, lost and nested hosts, circles of hosts, equal masses."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, most))
    step = rng.integers(0, len(TIME), n)
    ids = rng.choice(10**6, n, replace=False) + 2**53
    descendant, host = np.full(n, -1), ids.copy()
    for node in range(n):
        later = np.flatnonzero((step > step[node]) & (step <= step[node] + 2))
        if len(later) and rng.random() < 0.9:
            descendant[node] = ids[rng.choice(later)]
        if rng.random() < 0.4:
            host[node] = ids[rng.choice(np.flatnonzero(step == step[node]))]
        if rng.random() < 0.03:
            host[node] = 7
    position, velocity = rng.uniform(0.0, 100.0, (n, 3)), rng.normal(0.0, 300.0, (n, 3))
    return Forest(ids, descendant, host, step, rng.choice(np.linspace(10.0, 13.0, 12), n), position, velocity)


def permuted(forest, order):
    """The same nodes in another order."""
    values = {name: values[order] for name, values in forest._asdict().items() if isinstance(values, np.ndarray)}
    return forest._replace(**values)


def by_hand():
    """Two halos of which B falls into A at step 2 with C, which had fallen into B at step 1; D merges with A at 3.

    ids are step * 10 + 1, 2, 3, 4 for A, B, C, D. B is not seen at step 3.
    """
    rows = [
        # node, descendant, host, step, mass
        (1, 11, 1, 0, 12.0), (11, 21, 11, 1, 12.2), (21, 31, 21, 2, 12.5), (31, 41, 31, 3, 12.6), (41, -1, 41, 4, 12.7),
        (2, 12, 2, 0, 11.5), (12, 22, 12, 1, 11.7), (22, 42, 21, 2, 11.6), (42, -1, 41, 4, 11.4),
        (3, 13, 3, 0, 11.0), (13, 23, 12, 1, 11.1), (23, 33, 22, 2, 11.0), (33, 43, 31, 3, 10.9), (43, -1, 42, 4, 10.8),
        (4, 14, 4, 0, 10.5), (14, 24, 14, 1, 10.6), (24, 31, 21, 2, 10.4),
    ]  # fmt: skip
    ids, descendant, host, step, mass = (np.array(column) for column in zip(*rows))
    position = np.stack([10.0 * (ids % 10) + step, ids * 1.0, step * 1.0], axis=1)
    return Forest(ids, descendant, host, step, mass.astype(float), position, np.ones_like(position))
