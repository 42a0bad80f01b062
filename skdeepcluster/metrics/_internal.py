"""Internal scores of a partition: what reports and scorers share."""

from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from ._labels import is_noise
from ._neighbors import N_NEIGHBORS, nearest_neighbors, neighbor_information
from ._silhouette import silhouette_score, silhouette_scores

# Allowed values of the options that reports, scorers and displays share.
SCORING_CONSTRAINTS = {
    "sample_size": [Interval(Integral, 2, None, closed="left"), None],
    "random_state": ["random_state"],
    "noise": [StrOptions({"drop", "cluster"})],
}


# Values that differ by so many units in the last place are the same but for rounding, as in the code of equal rows.
_ROUNDING = 4


class DegeneratePartition(Exception):
    """The internal score of a partition is not defined. The message says why, and what to change."""


class _Clusters(NamedTuple):
    """Where clusters lie, in float64."""

    codes: np.ndarray  # the cluster of each row, numbered from 0
    sizes: np.ndarray
    centroids: np.ndarray  # seen from the first row of Z
    deviations: np.ndarray  # of the rows from the centroid of their cluster


def _located(Z, labels):
    """The `_Clusters`. Rows that are equal have no deviations, whatever the unit of length and the origin."""
    _, first, codes, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    # Seen from a row of the cluster, equal rows are exactly 0, and so is their mean. Otherwise it would be rounded.
    deviations = np.subtract(Z, Z[first][codes], dtype=np.float64)
    indicators = csr_array((np.ones(len(Z)), codes, np.arange(len(Z) + 1)))
    means = (indicators.T @ deviations) / sizes[:, np.newaxis]
    deviations -= means[codes]
    return _Clusters(codes, sizes, np.subtract(Z[first], Z[0], dtype=np.float64) + means, deviations)


# The scatter within clusters counts as no less than this share of that between them, which is rounding.
_LEAST_SCATTER = np.finfo(np.float64).eps ** 2


def _calinski_harabasz_score(Z, labels):
    """Calinski-Harabasz index: (B / (k - 1)) / (W / (n - k)), the scatter B between and W within k clusters of n rows.

    Clusters of repeated rows have W = 0. The index is bounded then, by W >= 5e-32 B, and of partitions without scatter
    that of fewest clusters is the best; `sklearn.metrics.calinski_harabasz_score` returns 1, nearly the worst value,
    or 1e30 where rounding gives W another value.

    T. Calinski, J. Harabasz, "A dendrite method for cluster analysis", 1974.
    """
    clusters = _located(Z, labels)
    n, k = len(Z), len(clusters.sizes)
    within = np.sum(np.square(clusters.deviations, out=clusters.deviations))
    mean = clusters.sizes @ clusters.centroids / n
    between = clusters.sizes @ np.sum((clusters.centroids - mean) ** 2, axis=1)
    return between / (k - 1) / (max(within, _LEAST_SCATTER * between) / (n - k))


def _davies_bouldin_score(Z, labels):
    """Davies-Bouldin index: mean over clusters i of max_j (s_i + s_j) / d_ij, with s the mean distance to the centroid.

    D. L. Davies, D. W. Bouldin, "A cluster separation measure", 1979.

    `sklearn.metrics.davies_bouldin_score` treats distances below 1e-8 as zero, and returns 0, the best value, if all s
    or all d are zero. With it, a collapsed code, or clusters around the same centre, would win a search.
    """
    codes, sizes, centroids, deviations = _located(Z, labels)
    s = np.bincount(codes, np.linalg.norm(deviations, axis=1)) / sizes
    d = cdist(centroids, centroids)
    np.fill_diagonal(d, np.inf)
    if not d.all():
        raise DegeneratePartition("two clusters have the same centroid; look at the clusterer")
    return np.mean(np.max((s[:, np.newaxis] + s) / d, axis=1))


def _neighbors(Z):
    return nearest_neighbors(Z, min(N_NEIGHBORS, len(Z) - 1))[1]


def _neighbor_information_score(Z, labels):
    return neighbor_information(_neighbors(Z), np.unique(labels, return_inverse=True)[1])


def _neighbor_information_scores(Z, labelings):
    neighbors = _neighbors(Z)
    return np.array([neighbor_information(neighbors, codes) for codes in labelings])


def _one_by_one(score):
    """Make a function of (Z, labelings) from one of (Z, labels). A score that is not defined becomes NaN."""

    def score_or_nan(Z, labels):
        try:
            return score(Z, labels)
        except DegeneratePartition:
            return np.nan

    return lambda Z, labelings: np.array([score_or_nan(Z, labels) for labels in labelings])


class InternalMetric(NamedTuple):
    """A score of partitions in a space."""

    score: Callable  # score(Z, labels) returns a number
    scores: Callable  # scores(Z, labelings) returns an array: one number for each partition, clusters numbered from 0
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
}


def safely_scaled(Z):
    """Z times 2^-e, and e, such that squares of the values neither overflow nor vanish. Mostly e is 0.

    No internal score depends on the scale of Z.
    """
    exponent = int(np.frexp(max(Z.max(), -Z.min()))[1])
    if abs(exponent) <= np.finfo(Z.dtype).maxexp // 4:
        return Z, 0
    return np.ldexp(Z, -exponent), exponent


def internal_scores(metric, Z, labelings):
    """The scores of several partitions of the same rows by an internal metric; NaN where they are not defined.

    Higher is better. In every partition the clusters are numbered from 0, and noise is one of them. There are at least
    2 clusters, and fewer than rows. The rows of Z must not all be the same.
    """
    return INTERNAL_METRICS[metric].sign * INTERNAL_METRICS[metric].scores(safely_scaled(Z)[0], labelings)


def internal_score(metric, Z, labels, *, noise, sample_size, random_state):
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
    Z, _ = safely_scaled(Z)
    if (np.ptp(Z, axis=0) <= _ROUNDING * np.finfo(Z.dtype).eps * np.abs(Z).max(axis=0)).all():
        raise DegeneratePartition("all rows are the same point; look at the data")
    return float(INTERNAL_METRICS[metric].score(Z, labels))
