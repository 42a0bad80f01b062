"""Internal scores of a partition: what reports and scorers share."""

from numbers import Integral

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.metrics import calinski_harabasz_score
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from ._silhouette import silhouette_score

NOISE = -1

# Allowed values of the options that reports and scorers share.
SCORING_CONSTRAINTS = {
    "sample_size": [Interval(Integral, 2, None, closed="left"), None],
    "random_state": ["random_state"],
    "noise": [StrOptions({"drop", "cluster"})],
}


class DegeneratePartition(Exception):
    """An internal score is not defined; the message says why, and what to change."""


def _davies_bouldin_score(Z, labels):
    """Davies-Bouldin index: mean over clusters i of max_j (s_i + s_j) / d_ij, with s the mean distance to the centroid.

    D. L. Davies, D. W. Bouldin, "A cluster separation measure", 1979.

    scikit-learn's takes distances below 1e-8 for zero and returns 0, the best value, if all s or all d are: a collapsed
    code, or clusters around one centre, would win.
    """
    clusters = [Z[labels == label] for label in np.unique(labels)]
    centroids = np.array([cluster.mean(axis=0, dtype=np.float64) for cluster in clusters])
    s = np.array([np.linalg.norm(cluster - centroid, axis=1).mean() for cluster, centroid in zip(clusters, centroids)])
    d = cdist(centroids, centroids)
    np.fill_diagonal(d, np.inf)
    if not d.all():
        raise DegeneratePartition("two clusters have the same centroid; look at the clusterer")
    return np.mean(np.max((s[:, np.newaxis] + s) / d, axis=1))


# name -> (function of data and labels, sign that makes higher better, worst value after the sign). The Davies-Bouldin
# index has no worst value; this one is out of reach, and finite, so that means over folds stay finite.
INTERNAL_METRICS = {
    "silhouette": (silhouette_score, 1, -1.0),
    "calinski_harabasz": (calinski_harabasz_score, 1, 0.0),
    "davies_bouldin": (_davies_bouldin_score, -1, -1e30),
}


def internal_score(metric, Z, labels, *, noise, sample_size, random_state):
    """An internal metric of a partition; raises `DegeneratePartition` where it is not defined."""
    if noise == "drop":
        kept = labels != NOISE
        if not kept.any():
            raise DegeneratePartition("every row is noise; raise eps or lower min_samples")
        Z, labels = Z[kept], labels[kept]
    of_sample = ""
    # Only the silhouette costs a time quadratic in the number of rows.
    if metric == "silhouette" and sample_size is not None and sample_size < len(labels):
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
    if not np.ptp(Z, axis=0).any():
        raise DegeneratePartition("all rows are the same point; look at the data")
    return float(INTERNAL_METRICS[metric][0](Z, labels))
