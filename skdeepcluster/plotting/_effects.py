"""Effect sizes of features in clusters."""

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.utils.sparsefuncs import mean_variance_axis


def effect_sizes(X, labels, clusters):
    """Mean of every feature in a cluster minus its mean in all other rows, in standard deviations of all rows.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_samples, n_features)
        NaN is left out.
    labels : ndarray of shape (n_samples,)
    clusters : ndarray of shape (n_clusters,)
        Labels of the clusters.

    Returns
    -------
    effects : ndarray of shape (n_clusters, n_features)
        0 for a feature that does not vary, or that has no values inside or outside the cluster.
    """
    if np.isin(labels, clusters[:1]).all():
        raise ValueError("All rows are in one cluster, which no feature sets apart; ask for more clusters.")
    is_in = csr_array(labels == clusters[:, np.newaxis], dtype=np.float64)
    if issparse(X):
        sums, counts = (is_in @ X).toarray(), is_in.sum(axis=1)[:, np.newaxis]
        n, (mean, variance) = X.shape[0], mean_variance_axis(X.astype(np.float64), axis=0)
    else:
        known = ~np.isnan(X)
        sums, counts, n = is_in @ np.where(known, X, 0.0), is_in @ known, known.sum(axis=0)
        with np.errstate(invalid="ignore"):
            mean = np.where(known, X, 0.0).sum(axis=0, dtype=np.float64) / n
            variance = (np.where(known, X - mean, 0.0) ** 2).sum(axis=0) / n
    with np.errstate(invalid="ignore", divide="ignore"):
        differences = sums / counts - (n * mean - sums) / (n - counts)
        # A variance this small is a rounding error: the feature is constant.
        varies = variance > (1e-12 * np.abs(mean)) ** 2
        return np.nan_to_num(np.where(varies, differences / np.sqrt(variance), 0.0), posinf=0.0, neginf=0.0)
