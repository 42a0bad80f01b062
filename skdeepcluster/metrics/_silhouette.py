"""The silhouette, from matrix products and a few blocks of distances at a time."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.utils import gen_batches

from .._data import middle_of
from .._support._threads import with_workers
from ._distances import squared_distances

# Number of rows and of columns of a block of distances, which takes 2 MB. Every thread has one at a time.
_BLOCK = 512

# Clusters in a group. The table of sums of distances has a number for every row and every cluster of a group, so this
# bounds its size.
_N_CLUSTERS = 128


class _Group(NamedTuple):
    """Some of the clusters. Their rows are sorted by cluster."""

    rows: np.ndarray  # indices of the rows of Z
    codes: np.ndarray  # the cluster of each of these rows, numbered from 0 in the group, ascending
    sizes: np.ndarray  # number of rows of each cluster


def silhouette_score(points, labels):
    """Mean of `silhouette_samples`."""
    return float(np.mean(silhouette_samples(points, labels)))


def silhouette_samples(points, labels):
    """Silhouette of every row, with Euclidean distances or by cosine.

    The silhouette of a row is (b - a) / max(a, b), where a is its mean distance to the other rows of its cluster, and
    b the smallest of its mean distances to the rows of each other cluster. It is 0 for a row that is alone in its
    cluster, and for one with a = b = 0.

    In float64, the mean is that of `sklearn.metrics.silhouette_score` to 1e-10, except where scikit-learn's own
    distances lose digits: far from the origin, and between rows that nearly coincide. float32 rows are compared in
    float64, block by block, and gives the mean of the same numbers in float64; scikit-learn's, with its sums in
    float32, was 8e-8 away (10,000 x 64). Products in float32 too would halve the time, but were up to 3e-7 away, and
    more where rows nearly coincide.

    Time grows with the square of the number of rows. Beside the data, memory holds a few blocks of distances and rows
    for each thread, and 2 x 128 numbers for every row at most. The number of threads, which is that of the BLAS,
    does not change the result.

    Parameters
    ----------
    points : Points
        Float64 or float32, finite.
    labels : ndarray of shape (n_samples,)
        At least 2 different ones.

    Returns
    -------
    silhouettes : ndarray of shape (n_samples,)
        In [-1, 1], higher is better.

    References
    ----------
    P. J. Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis", 1987.
    """
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    centre = _centre_of(points)
    groups = _groups(codes, sizes)
    a, b = np.zeros(len(codes)), np.full(len(codes), np.inf)

    def add_distances(workers):
        for i, g in enumerate(groups):
            for h in groups[i:]:
                g_to_h, h_to_g = _distance_sums(points, centre, g, h, workers)
                if h is g:
                    own = g.codes, np.arange(len(g.rows))
                    a[g.rows] = g_to_h[own] / np.maximum(g.sizes[g.codes] - 1, 1)
                    g_to_h[own] = np.inf
                b[g.rows] = np.minimum(b[g.rows], (g_to_h / h.sizes[:, np.newaxis]).min(axis=0))
                b[h.rows] = np.minimum(b[h.rows], (h_to_g / g.sizes[:, np.newaxis]).min(axis=0))

    with_workers(add_distances)
    return _silhouettes(a, b, sizes[codes])


def silhouette_scores(points, labelings):
    """`silhouette_score` of several partitions of the same rows. Distances are computed once for all of them.

    Parameters
    ----------
    points : Points
        Float64 or float32, finite.
    labelings : sequence of ndarray of shape (n_samples,)
        At least 2 different labels in each.

    Returns
    -------
    scores : ndarray of shape (len(labelings),)
        In [-1, 1], higher is better.
    """
    Z, centre = points.rows, _centre_of(points)
    n = Z.shape[0]
    partitions = [np.unique(labels, return_inverse=True, return_counts=True)[1:] for labels in labelings]
    stops = np.cumsum([len(sizes) for _, sizes in partitions])
    # The indicator matrix has a column for every cluster of every partition.
    columns = np.stack([stop - len(sizes) + codes for stop, (codes, sizes) in zip(stops, partitions)], axis=1)
    first_of_row = np.arange(0, columns.size + 1, len(partitions))
    indicators = csr_array((np.ones(columns.size), columns.ravel(), first_of_row), shape=(n, stops[-1]))
    totals = np.zeros(len(partitions))
    for rows in gen_batches(n, _BLOCK):
        sums = _distances(points, Z[rows], Z, centre, diagonal=rows.start) @ indicators
        for i, (stop, (codes, sizes)) in enumerate(zip(stops, partitions)):
            means, own = sums[:, stop - len(sizes) : stop], (np.arange(len(sums)), codes[rows])
            a = means[own] / np.maximum(sizes[codes[rows]] - 1, 1)
            means /= sizes
            means[own] = np.inf
            totals[i] += _silhouettes(a, means.min(axis=1), sizes[codes[rows]]).sum()
    return totals / n


def _silhouettes(a, b, own_sizes):
    """(b - a) / max(a, b), but 0 for a row that is alone in its cluster and for one with a = b = 0."""
    larger = np.maximum(a, b)
    return np.divide(b - a, larger, out=np.zeros(len(a)), where=(own_sizes > 1) & (larger > 0))


def _groups(codes, sizes):
    """The clusters in groups of at most `_N_CLUSTERS`."""
    order = np.argsort(codes, kind="stable")
    stops = np.cumsum(sizes)
    groups = []
    for clusters in gen_batches(len(sizes), _N_CLUSTERS):
        rows = order[stops[clusters.start] - sizes[clusters.start] : stops[clusters.stop - 1]]
        groups.append(_Group(rows, codes[rows] - clusters.start, sizes[clusters]))
    return groups


def _centre_of(points):
    return None if issparse(points.rows) else middle_of(points.rows)


def _distance_sums(points, centre, g, h, workers):
    """Sums of the distances from the rows of group g to each cluster of h, and from the rows of h to each cluster of g.

    Their shapes are (clusters of h, rows of g) and (clusters of g, rows of h). If h is g, they are the same array.
    """
    Z = points.rows

    def block_sums(block):
        g_rows, h_rows = block
        x = Z[g.rows[g_rows]]
        if h is g and h_rows == g_rows:
            return _sums_by_cluster(_distances(points, x, x, centre, diagonal=0), g.codes[g_rows]), None
        D = _distances(points, x, Z[h.rows[h_rows]], centre)
        return _sums_by_cluster(D, h.codes[h_rows]), _sums_by_cluster(D.T, g.codes[g_rows])

    g_to_h = np.zeros((len(h.sizes), len(g.rows)))
    h_to_g = g_to_h if h is g else np.zeros((len(g.sizes), len(h.rows)))
    # Distances are symmetric: within a group, leave out the blocks below the diagonal, transposes of those above it.
    blocks = [
        (g_rows, h_rows)
        for g_rows in gen_batches(len(g.rows), _BLOCK)
        for h_rows in gen_batches(len(h.rows), _BLOCK)
        if h is not g or h_rows.start >= g_rows.start
    ]
    # The results come in the order of the blocks, so that the rounding of the sums does not depend on the threads.
    for (g_rows, h_rows), (row_sums, column_sums) in zip(blocks, workers.map(block_sums, blocks)):
        g_to_h[_clusters(h.codes[h_rows]), g_rows] += row_sums
        if column_sums is not None:
            h_to_g[_clusters(g.codes[g_rows]), h_rows] += column_sums
    return g_to_h, h_to_g


def _distances(points, x, y, centre, diagonal=None):
    """Distances between the rows of x and those of y as `squared_distances` takes them, by the distance of `Points`."""
    D = squared_distances(x, y, centre, diagonal)
    # Half the square is 1 - cos, and no silhouette depends on the factor.
    return D if points.are_unit else np.sqrt(D, out=D)


def _sums_by_cluster(D, codes):
    """For each cluster the sum of the columns of D that belong to it, as a row.

    The codes are the clusters of the columns, in ascending order.
    """
    return np.stack([columns.sum(axis=1) for columns in np.split(D, np.flatnonzero(np.diff(codes)) + 1, axis=1)])


def _clusters(codes):
    return slice(codes[0], codes[-1] + 1)
