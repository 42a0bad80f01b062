"""Modularity: how many more neighbours share a cluster than would by chance."""

import numpy as np

from ._neighbors import nearest_neighbors

# Neighbours of each row, and the rows that are looked at: of more, so many are drawn, once and for all. The two decide
# how fine the partitions of the highest modularity are, so they are those of the study in docs/studies/number.md.
N_NEIGHBORS, N_ROWS = 100, 2000

# Of fewer rows, a neighbour for each so many.
_ROWS_PER_NEIGHBOR = 5


def sampled_rows(n_rows):
    """Indices of the rows that are looked at, ascending."""
    if n_rows <= N_ROWS:
        return np.arange(n_rows)
    return np.sort(np.random.RandomState(0).permutation(n_rows)[:N_ROWS])


def neighbor_graph(Z):
    """The nearest others of every row: 100, or a fifth of the rows if that is less."""
    return nearest_neighbors(Z, max(1, min(N_NEIGHBORS, Z.shape[0] // _ROWS_PER_NEIGHBOR)))[1]


def modularity(neighbors, codes):
    """The share of links within clusters, less what it would be if every link led anywhere.

    Q = sum_g (e_gg - v_g^2), where e_gg is the share of the links between neighbours with both ends in cluster g, and
    v_g that of the ends of links in it. It is below 1 - 1 / k for k clusters, and 0 for one.

    Parameters
    ----------
    neighbors : ndarray of int of shape (n_samples, n_neighbors)
    codes : ndarray of int of shape (n_samples,)
        The cluster of each row, numbered from 0.

    References
    ----------
    M. E. J. Newman, M. Girvan, "Finding and evaluating community structure in networks", 2004, equation 5.
    """
    n_clusters = int(codes.max()) + 1
    ends = np.bincount(codes, minlength=n_clusters) * neighbors.shape[1]
    ends += np.bincount(codes[neighbors.ravel()], minlength=n_clusters)
    return share_within(neighbors, codes) - float(np.square(ends / (2 * neighbors.size)).sum())


def share_within(neighbors, codes):
    """The share of the links between neighbours that do not leave their cluster."""
    return float(np.mean(codes[neighbors] == codes[:, np.newaxis]))
