"""Internal scores of a partition: what reports and scorers share."""

from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from scipy.spatial.distance import cdist
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from ._distances import squared_distances, squared_distances_to
from ._labels import is_noise
from ._modularity import modularity, neighbor_graph, sampled_rows
from ._neighbors import N_NEIGHBORS, nearest_neighbors, neighbor_information
from ._points import DISTANCE, are_one_point, points_of
from ._scatter import located
from ._silhouette import silhouette_score, silhouette_scores

# Allowed values of the options that reports, scorers and displays share.
SCORING_CONSTRAINTS = {
    "sample_size": [Interval(Integral, 2, None, closed="left"), None],
    "random_state": ["random_state"],
    "noise": [StrOptions({"drop", "cluster"})],
    "distance": [DISTANCE],
}


class DegeneratePartition(Exception):
    """The internal score of a partition is not defined. The message says why, and what to change."""


# The scatter within clusters counts as no less than this share of that between them, which is rounding.
_LEAST_SCATTER = np.finfo(np.float64).eps ** 2


def _calinski_harabasz_score(points, labels):
    """Calinski-Harabasz index: (B / (k - 1)) / (W / (n - k)), the scatter B between and W within k clusters of n rows.

    Clusters of repeated rows have W = 0. The index is bounded then, by W >= 5e-32 B, and of partitions without scatter
    that of fewest clusters is the best; `sklearn.metrics.calinski_harabasz_score` returns 1, nearly the worst value,
    or 1e30 where rounding gives W another value.

    T. Calinski, J. Harabasz, "A dendrite method for cluster analysis", 1974.
    """
    clusters = located(points.rows, labels)
    n, k = len(labels), len(clusters.sizes)
    within = clusters.squared_deviations.sum()
    mean = clusters.sizes @ clusters.centroids / n
    between = clusters.sizes @ squared_distances_to(clusters.centroids, mean)
    return between / (k - 1) / (max(within, _LEAST_SCATTER * between) / (n - k))


def _davies_bouldin_score(points, labels):
    """Davies-Bouldin index: mean over clusters i of max_j (s_i + s_j) / d_ij, with s the mean distance to the centroid.

    D. L. Davies, D. W. Bouldin, "A cluster separation measure", 1979.

    `sklearn.metrics.davies_bouldin_score` treats distances below 1e-8 as zero, and returns 0, the best value, if all s
    or all d are zero. With it, a collapsed code, or clusters around the same centre, would win a search.
    """
    codes, sizes, centroids, squared_deviations = located(points.rows, labels)
    s = np.bincount(codes, np.sqrt(squared_deviations)) / sizes
    d = _distances_between(centroids)
    np.fill_diagonal(d, np.inf)
    if not d.all():
        raise DegeneratePartition("two clusters have the same centroid; look at the clusterer")
    return np.mean(np.max((s[:, np.newaxis] + s) / d, axis=1))


def _distances_between(centroids):
    if issparse(centroids):
        return np.sqrt(squared_distances(centroids, centroids, None, diagonal=0))
    return cdist(centroids, centroids)


def _neighbors(points):
    return nearest_neighbors(points.rows, min(N_NEIGHBORS, points.rows.shape[0] - 1))[1]


def _neighbor_information_score(points, labels):
    return neighbor_information(_neighbors(points), np.unique(labels, return_inverse=True)[1])


def _neighbor_information_scores(points, labelings):
    neighbors = _neighbors(points)
    return np.array([neighbor_information(neighbors, codes) for codes in labelings])


def _neighbor_modularity_score(points, labels):
    return _neighbor_modularity_scores(points, [np.unique(labels, return_inverse=True)[1]])[0]


def _neighbor_modularity_scores(points, labelings):
    rows = sampled_rows(points.rows.shape[0])
    graph = neighbor_graph(points.rows[rows])
    return np.array([modularity(graph, codes[rows]) for codes in labelings])


def _one_by_one(score):
    """Make a function of (points, labelings) from one of (points, labels). A score that is not defined becomes NaN."""

    def score_or_nan(points, labels):
        try:
            return score(points, labels)
        except DegeneratePartition:
            return np.nan

    return lambda points, labelings: np.array([score_or_nan(points, labels) for labels in labelings])


class InternalMetric(NamedTuple):
    """A score of partitions in a space."""

    score: Callable  # score(points, labels) returns a number
    scores: (
        Callable  # scores(points, labelings) returns an array: one number for each partition, clusters numbered from 0
    )
    sign: int  # the score times this sign is higher for better partitions
    worst: float  # the worst value, times the sign
    is_sampled: bool  # whether sample_size applies, as time grows with the square of the number of rows


# The Davies-Bouldin index has no worst value. -1e30 is lower than any real score, and finite: means over folds stay
# finite, too.
INTERNAL_METRICS = {
    "silhouette": InternalMetric(silhouette_score, silhouette_scores, 1, -1.0, True),
    "calinski_harabasz": InternalMetric(_calinski_harabasz_score, _one_by_one(_calinski_harabasz_score), 1, 0.0, False),
    "davies_bouldin": InternalMetric(_davies_bouldin_score, _one_by_one(_davies_bouldin_score), -1, -1e30, False),
    "neighbor_information": InternalMetric(_neighbor_information_score, _neighbor_information_scores, 1, 0.0, True),
    "neighbor_modularity": InternalMetric(_neighbor_modularity_score, _neighbor_modularity_scores, 1, -1.0, True),
}


def internal_scores(metric, points, labelings):
    """The scores of several partitions of the same rows by an internal metric; NaN where they are not defined.

    Higher is better. In every partition the clusters are numbered from 0, and noise is one of them. There are at least
    2 clusters, and fewer than rows. The `Points` must not all be the same.
    """
    return INTERNAL_METRICS[metric].sign * INTERNAL_METRICS[metric].scores(points, labelings)


def internal_score(metric, Z, labels, *, noise, sample_size, random_state, distance):
    """The score of a partition by an internal metric. Raises `DegeneratePartition` if it is not defined."""
    if noise == "drop":
        kept = ~is_noise(labels)
        if not kept.any():
            raise DegeneratePartition("every row is noise; raise eps or lower min_samples")
        Z, labels = Z[kept], labels[kept]
    of_sample = ""
    if INTERNAL_METRICS[metric].is_sampled and sample_size is not None and sample_size < len(labels):
        chosen = check_random_state(random_state).permutation(len(labels))[:sample_size]
        Z, labels = Z[chosen], labels[chosen]
        of_sample = f" of the sample of {sample_size}"
    n_clusters = len(np.unique(labels))
    if n_clusters < 2:
        raise DegeneratePartition(f"there is only one cluster{of_sample}; ask for more clusters, or a smaller eps")
    if n_clusters >= len(labels):
        raise DegeneratePartition(
            f"there are as many clusters as rows{of_sample}; ask for fewer clusters, or a larger eps"
        )
    points = points_of(Z, distance)
    if are_one_point(points.rows):
        raise DegeneratePartition("all rows are the same point; look at the data")
    return float(INTERNAL_METRICS[metric].score(points, labels))
