"""Nearest neighbours, and how much the cluster of a row tells about the clusters of these, as mutual information."""

import numpy as np
from scipy.sparse import issparse
from scipy.special import entr
from sklearn.neighbors import NearestNeighbors

from .._data import nearest_rows
from .._support._threads import with_workers

# Neighbours of each row whose clusters are looked at. With more of them the borders of small clusters blur. With fewer,
# the shares of the pairs of clusters are noisier.
N_NEIGHBORS = 3

# Up to this number of features a tree is faster than products, as in scikit-learn.
_MAX_FEATURES_OF_TREES = 15


def nearest_neighbors(Z, n_neighbors, n_known=None):
    """The nearest other rows of every row, with Euclidean distances that keep their digits.

    With n_known they are those among the first n_known rows, of every row after these. Time grows with the
    square of the number of rows above 15 features.

    Parameters
    ----------
    Z : ndarray or csr_array of shape (n_samples, n_features), float64 or float32
        Finite.
    n_neighbors : int
        Below n_samples, or at most n_known.
    n_known : int, default=None
        Below n_samples.

    Returns
    -------
    distances : ndarray of shape (n_samples or n_samples - n_known, n_neighbors)
        Ascending; 0 between rows that are equal.
    neighbors : ndarray of int of the same shape
    """
    if trees := trees_of(Z if n_known is None else Z[:n_known]):
        return trees.kneighbors(None if n_known is None else as_dense(Z[n_known:]), n_neighbors)
    return with_workers(lambda workers: nearest_rows(Z, n_neighbors, workers.map, n_known))


def trees_of(Z):
    """The rows of Z in a tree, for `sklearn.neighbors.NearestNeighbors.kneighbors`, or None if they have many columns.

    It takes any of the rows at equal distances, of which `nearest_rows` takes the first ones.
    """
    if Z.shape[1] > _MAX_FEATURES_OF_TREES:
        return None
    return NearestNeighbors(algorithm="kd_tree").fit(as_dense(Z))


def as_dense(Z):
    """Rows as an ndarray: few columns are no larger dense, and equal distances are then in the same order."""
    return Z.toarray() if issparse(Z) else Z


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
