"""Effect sizes of features in clusters."""

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.utils import gen_batches
from sklearn.utils.sparsefuncs import mean_variance_axis

from ..metrics._points import with_values

# Columns of an array are worked on together up to so many values.
_AT_ONCE = 2**22


def effect_sizes(X, groups, n_clusters, weights=None):
    """Mean of every feature in a cluster minus its mean in all other rows, in standard deviations of all rows.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_samples, n_features)
        NaN is left out.
    groups : ndarray of int of shape (n_samples,)
        Cluster of every row, from 0; n_clusters for rows of none.
    n_clusters : int
    weights : ndarray of shape (n_samples,) or None
        None weighs all rows alike.

    Returns
    -------
    inside, outside : ndarray of shape (n_clusters, n_features)
        The two means; NaN where there are no values.
    effects : ndarray of shape (n_clusters, n_features)
        0 for a feature that does not vary, or that has no values inside or outside the cluster.
    """
    n, n_features = X.shape
    width = max(_AT_ONCE // n, 1)
    if not issparse(X) and n_features > width:
        batches = gen_batches(n_features, width)
        parts = [effect_sizes(X[:, columns], groups, n_clusters, weights) for columns in batches]
        return tuple(map(np.hstack, zip(*parts)))
    weights = np.ones(n) if weights is None else weights
    rows = np.flatnonzero(groups < n_clusters)
    is_in = csr_array((weights[rows], (groups[rows], rows)), shape=(n_clusters, n))
    if issparse(X):
        X = csr_array(X, dtype=np.float64)
        is_gap = np.isnan(X.data)
        sums = (is_in @ with_values(X, np.where(is_gap, 0.0, X.data))).toarray()
        counts = is_in.sum(axis=1)[:, np.newaxis] - (is_in @ with_values(X, is_gap * 1.0)).toarray()
        mean, variance, total = mean_variance_axis(X, axis=0, weights=weights, return_sum_weights=True)
    else:
        known = ~np.isnan(X)
        sums, counts = is_in @ np.where(known, X, 0.0), is_in @ known
        total = weights @ known
        with np.errstate(invalid="ignore"):
            mean = weights @ np.where(known, X, 0.0).astype(np.float64, copy=False) / total
            variance = weights @ (np.where(known, X - mean, 0.0) ** 2) / total
    with np.errstate(invalid="ignore", divide="ignore"):
        inside, outside = sums / counts, (total * mean - sums) / (total - counts)
        # A variance this small is a rounding error: the feature is constant.
        varies = variance > (1e-12 * np.abs(mean)) ** 2
        effects = np.where(varies, (inside - outside) / np.sqrt(variance), 0.0)
    return inside, outside, np.nan_to_num(effects, posinf=0.0, neginf=0.0)
