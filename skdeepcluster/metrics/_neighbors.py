"""How much the cluster of a row tells about the clusters of its nearest neighbours, as mutual information."""

import numpy as np
from scipy.special import entr
from sklearn.neighbors import NearestNeighbors

# Neighbours of each row. With more of them the borders of small clusters blur. With fewer, the shares of the pairs of
# clusters are noisier.
N_NEIGHBORS = 3


def nearest_neighbors(Z):
    """The `N_NEIGHBORS` nearest other rows of every row, as indices of shape (n_samples, n_neighbors)."""
    n_neighbors = min(N_NEIGHBORS, len(Z) - 1)
    return NearestNeighbors(n_neighbors=n_neighbors).fit(Z).kneighbors(return_distance=False)


def neighbor_information(neighbors, codes):
    """Mutual information, in nats, of the cluster of a row and the cluster of one of its nearest neighbours.

    I = sum_gh p_gh log(p_gh / (p_g. p_.h)), where p_gh is the share of the pairs (row, neighbour) with the row in
    cluster g and its neighbour in h.

    Parameters
    ----------
    neighbors : ndarray of int of shape (n_samples, n_neighbors)
        As `nearest_neighbors` returns them.
    codes : ndarray of int of shape (n_samples,)
        The cluster of each row, numbered from 0.

    Returns
    -------
    information : float
        From 0, if the clusters of neighbours are independent, to the entropy of the labels, if neighbours always share
        one.
    """
    n_clusters = int(codes.max()) + 1
    of_rows, of_neighbors = np.repeat(codes, neighbors.shape[1]), codes[neighbors.ravel()]
    pairs = of_rows * n_clusters + of_neighbors
    # With many clusters, a table of all pairs of clusters would be large and nearly empty. Then count only the pairs
    # that occur.
    counts = np.bincount(pairs) if n_clusters**2 <= pairs.size else np.unique(pairs, return_counts=True)[1]
    information = _entropy(np.bincount(of_rows)) + _entropy(np.bincount(of_neighbors)) - _entropy(counts)
    return max(information, 0.0)


def _entropy(counts):
    return float(entr(counts / counts.sum()).sum())
