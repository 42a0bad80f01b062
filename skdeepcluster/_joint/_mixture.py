"""A mixture of Gaussians with full covariances, fitted to weighted rows."""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp
from sklearn.cluster import KMeans

# As in scikit-learn's GaussianMixture, which takes no weights: the largest number of iterations, the gain of the mean
# log-likelihood that ends them, and what is added to the variances.
_MAX_ITER, _TOL, _LEAST_VARIANCE = 100, 1e-3, 1e-6


class Mixture(NamedTuple):
    """Parameters of a mixture.

    Attributes
    ----------
    shares : ndarray of shape (n_components,)
        Of all rows; they sum to 1.
    means : ndarray of shape (n_components, n_features)
    whitening : ndarray of shape (n_components, n_features, n_features)
        Upper triangular U with U U^T the inverse of the covariance.
    """

    shares: np.ndarray
    means: np.ndarray
    whitening: np.ndarray


def mixture_probabilities(X, sample_weight, n_components, *, n_init, random_state):
    """Probabilities of the components, given a row, in the likeliest of n_init mixtures found by weighted EM.

    It maximises sum_i w_i log sum_k pi_k N(x_i; m_k, S_k), each time from the clusters of another KMeans. A row of
    weight 2 counts as two rows; for weights of one it is scikit-learn's `GaussianMixture`.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), float64
        Of about unit variance.
    sample_weight : ndarray of shape (n_rows,) or None
        Of mean 1.
    n_components : int
    n_init : int
    random_state : numpy.random.RandomState

    Returns
    -------
    probabilities : ndarray of shape (n_rows, n_components)
        Rows sum to 1.

    References
    ----------
    A. P. Dempster, N. M. Laird, D. B. Rubin, "Maximum likelihood from incomplete data via the EM algorithm", 1977.
    """
    w = np.ones(len(X)) if sample_weight is None else sample_weight
    # Far from the origin, covariances would lose their digits.
    X = X - w @ X / w.sum()
    kmeans = KMeans(n_components, n_init=1, random_state=random_state)
    best, highest = None, -np.inf
    for _ in range(n_init):
        labels = kmeans.fit(X, sample_weight=sample_weight).labels_
        likelihood, mixture = -np.inf, _maximised(X, w, np.eye(n_components)[labels])
        for _ in range(_MAX_ITER):
            before = likelihood
            likelihood, probabilities = _expected(X, w, mixture)
            mixture = _maximised(X, w, probabilities)
            if abs(likelihood - before) < _TOL:
                break
        if best is None or likelihood > highest:
            best, highest = mixture, likelihood
    return _expected(X, w, best)[1]


def _expected(X, w, mixture):
    """Weighted mean log-likelihood, and the probabilities of the components, given the rows."""
    log_densities = np.empty((len(X), len(mixture.means)))
    for k, (share, mean, U) in enumerate(zip(*mixture)):
        squares = np.square((X - mean) @ U).sum(axis=1)
        log_densities[:, k] = np.log(share) + np.log(np.diag(U)).sum() - 0.5 * squares
    of_rows = logsumexp(log_densities, axis=1)
    constant = 0.5 * X.shape[1] * np.log(2 * np.pi)
    return w @ of_rows / w.sum() - constant, np.exp(log_densities - of_rows[:, np.newaxis])


def _maximised(X, w, probabilities):
    """The mixture of largest likelihood, given the probabilities."""
    weighted = w[:, np.newaxis] * probabilities
    # A component may have no rows.
    sizes = weighted.sum(axis=0) + 10 * np.finfo(np.float64).eps
    means = weighted.T @ X / sizes[:, np.newaxis]
    covariances = np.empty((len(means), X.shape[1], X.shape[1]))
    for k, mean in enumerate(means):
        deviations = X - mean
        covariances[k] = (weighted[:, k] * deviations.T) @ deviations / sizes[k]
    return Mixture(sizes / sizes.sum(), means, _whitening(covariances))


def _whitening(covariances):
    """U of `Mixture`, for covariances to which the least variance is added."""
    n_features = covariances.shape[1]
    variances = np.einsum("kii->ki", covariances)
    # Or more, where that would be lost in the rounding of a component that is very wide.
    rounding = n_features**2 * np.finfo(np.float64).eps * variances.max(axis=1, keepdims=True)
    variances += np.maximum(_LEAST_VARIANCE, rounding)
    return np.linalg.inv(np.linalg.cholesky(covariances)).transpose(0, 2, 1)
