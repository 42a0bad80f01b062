"""Clusters in a code that was learned without them: where joint training starts."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn import config_context
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture


class InitialClusters(NamedTuple):
    """Clusters to begin with.

    Attributes
    ----------
    labels : ndarray of shape (n_rows,)
    centers : ndarray of shape (n_clusters, n_components)
        Means of the rows of every cluster, or of all rows if it has none.
    probabilities : ndarray of shape (n_rows, n_clusters) or None
        Of the components of a mixture, given the row.
    radius : float
        Root mean square distance of the rows from the centre of their cluster; 0 if that is less than rounding.
    """

    labels: np.ndarray
    centers: np.ndarray
    probabilities: np.ndarray | None
    radius: float


def initial_clusters(code, sample_weight, n_clusters, *, init, n_init, random_state):
    """Clusters by one of two methods of scikit-learn, the best of n_init runs. BLAS and OpenMP are to have one thread.

    Parameters
    ----------
    code : ndarray of shape (n_rows, n_components)
    sample_weight : ndarray of shape (n_rows,) or None
    n_clusters : int
    init : {"gaussian_mixture", "kmeans"}
        The mixture has full covariances. It knows no weights: with weights it sees as many rows, drawn by them.
    n_init : int
    random_state : numpy.random.RandomState

    Returns
    -------
    clusters : InitialClusters
    """
    # Scaled to about unit variance, for which the tolerances of the mixture are made.
    scale = np.sqrt(np.mean(np.var(code, axis=0, dtype=np.float64))) or 1.0
    rounding = np.finfo(code.dtype).eps * np.abs(code).max()
    code = code.astype(np.float64) / scale
    options = {"n_init": n_init, "random_state": random_state}
    # The mixture begins with KMeans, which does not take arrays of other libraries. A start that has not converged is
    # good enough.
    with config_context(array_api_dispatch=False), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # A mixture needs two rows.
        if init == "kmeans" or len(code) == 1:
            labels, probabilities = KMeans(n_clusters, **options).fit_predict(code, sample_weight=sample_weight), None
        else:
            drawn = code
            if sample_weight is not None:
                drawn = code[random_state.choice(len(code), len(code), p=sample_weight / sample_weight.sum())]
            probabilities = GaussianMixture(n_clusters, **options).fit(drawn).predict_proba(code)
            labels = probabilities.argmax(axis=1)
    w = np.ones(len(code)) if sample_weight is None else sample_weight
    # A component of the mixture may have no rows.
    members = [labels == cluster if np.any(labels == cluster) else slice(None) for cluster in range(n_clusters)]
    centers = np.array([np.average(code[rows], axis=0, weights=w[rows]) for rows in members])
    radius = scale * np.sqrt(np.average(np.sum((code - centers[labels]) ** 2, axis=1), weights=w))
    return InitialClusters(labels, scale * centers, probabilities, float(radius) if radius > rounding else 0.0)
