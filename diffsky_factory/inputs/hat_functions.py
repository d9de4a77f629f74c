"""Spectra as sums of hat functions, which is what linear interpolation between points means."""

import numpy as np
from scipy import sparse


def overlap(x: np.ndarray, y: np.ndarray) -> sparse.csr_array:
    """Overlap integrals (n_x, n_y) of the hat functions of two grids: G_ij = int hat_i hat_j dlambda.

    Hat i is 1 at node i, 0 at the other nodes, linear between. Both grids increase, in one unit, which is
    also the unit of G; the integral runs over the range they share.
    Error: rounding only; a product of two linear functions has a closed integral.
    """
    edges = np.union1d(x, y)
    edges = edges[(edges >= max(x[0], y[0])) & (edges <= min(x[-1], y[-1]))]
    left, right = edges[:-1], edges[1:]
    i, x_left, x_right = _hats_on_segments(x, left, right)
    j, y_left, y_right = _hats_on_segments(y, left, right)
    rows, columns, integrals = [], [], []
    for p in range(2):
        for q in range(2):
            ends = 2.0 * (x_left[p] * y_left[q] + x_right[p] * y_right[q])
            cross = x_left[p] * y_right[q] + x_right[p] * y_left[q]
            rows.append(i + p)
            columns.append(j + q)
            integrals.append((right - left) / 6.0 * (ends + cross))
    where = (np.concatenate(rows), np.concatenate(columns))
    return sparse.coo_array((np.concatenate(integrals), where), shape=(len(x), len(y))).tocsr()


def _hats_on_segments(nodes, left, right):
    """Interval of each segment, and the values of its falling and rising hat at the segment's two ends."""
    i = np.clip(np.searchsorted(nodes, 0.5 * (left + right)) - 1, 0, len(nodes) - 2)
    width = nodes[i + 1] - nodes[i]
    rising_left, rising_right = (left - nodes[i]) / width, (right - nodes[i]) / width
    return i, (1.0 - rising_left, rising_left), (1.0 - rising_right, rising_right)


def project(values: np.ndarray, wavelength: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Values at new nodes (..., n_node) of the piecewise-linear function nearest to one (..., n_wave).

    Nearest in the least-squares sense, int (f - g)^2 dlambda over the range of the nodes, so that integrals
    over anything wider than the node spacing are kept. Steep edges may undershoot below zero.
    """
    right_hand_side = overlap(nodes, wavelength) @ values.reshape(-1, len(wavelength)).T
    solved = np.linalg.solve(overlap(nodes, nodes).toarray(), right_hand_side)
    return solved.T.reshape(*values.shape[:-1], len(nodes))
