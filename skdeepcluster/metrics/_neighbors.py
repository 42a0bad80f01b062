"""Nearest neighbours, and how much the cluster of a row tells about the clusters of these, as mutual information."""

from functools import partial

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import entr
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

from .._support._threads import worker_threads
from ._silhouette import middle_of

# Neighbours of each row whose clusters are looked at. With more of them the borders of small clusters blur. With fewer,
# the shares of the pairs of clusters are noisier.
N_NEIGHBORS = 3

# Up to this number of features a tree is faster than products, as in scikit-learn.
_MAX_FEATURES_OF_TREES = 15

# Products give squared distances as |u|^2 + |v|^2 - 2 u'v. Where that of a row u from its nearest is less than this
# share of |u|^2, the subtraction has cost it more than 7 of its 16 digits.
_CANCELLED = 1e-7

# Distances that are computed at once, on each thread.
_BLOCK_SIZE = 2**17


def nearest_neighbors(Z, n_neighbors):
    """The nearest other rows of every row, with Euclidean distances that keep their digits.

    Time grows with the square of the number of rows above 15 features.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_features), float64 or float32
        Finite.
    n_neighbors : int
        Below n_samples.

    Returns
    -------
    distances : ndarray of shape (n_samples, n_neighbors)
        Ascending; 0 between rows that are equal.
    neighbors : ndarray of int of shape (n_samples, n_neighbors)
    """
    if Z.shape[1] <= _MAX_FEATURES_OF_TREES:
        return NearestNeighbors(n_neighbors=n_neighbors, algorithm="kd_tree").fit(Z).kneighbors()
    centred = np.subtract(Z, middle_of(Z), dtype=np.float64)
    squares = np.einsum("ij,ij->i", centred, centred)
    distances, neighbors = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(centred).kneighbors()
    cancelled = np.flatnonzero(distances[:, 0] ** 2 <= _CANCELLED * squares)
    if not len(cancelled):
        return distances, neighbors
    with worker_threads() as workers:
        parts = [cancelled[part] for part in gen_batches(len(cancelled), max(1, _BLOCK_SIZE // len(Z)))]
        search_again = partial(_by_differences, Z, centred, squares, n_neighbors)
        for rows, found in zip(parts, workers.map(search_again, parts)):
            distances[rows], neighbors[rows] = map(np.stack, zip(*found))
    return distances, neighbors


def _by_differences(Z, centred, squares, n_neighbors, rows):
    """Distances to the nearest other rows of some rows, and which these are, as a list of pairs.

    Products of the centred Z, given the squared norms of its rows, tell which rows may be the nearest. The distances
    from these are computed from differences of coordinates.
    """
    sums = squares[rows, np.newaxis] + squares
    D = sums - 2 * centred[rows] @ centred.T
    D[np.arange(len(rows)), rows] = np.inf
    # Largest error of |u|^2 + |v|^2 - 2 u'v.
    sums *= 2 * Z.shape[1] * np.finfo(np.float64).eps
    farthest = np.partition(D + sums, n_neighbors - 1, axis=1)[:, n_neighbors - 1, np.newaxis]
    found = []
    for row, may_be_near in zip(rows, D - sums <= farthest):
        near = np.flatnonzero(may_be_near)
        distances = cdist(Z[[row]], Z[near])[0]
        order = np.argsort(distances, kind="stable")[:n_neighbors]
        found.append((distances[order], near[order]))
    return found


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
