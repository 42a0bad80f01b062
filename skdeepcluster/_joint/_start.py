"""Clusters in a code that was learned without them: where joint training starts."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from .._data import code_moments
from .._support._checks import without_dispatch
from ._least_cut import least_cut_labels
from ._mixture import mixture_probabilities

# Clusters count as no narrower than this share of the width of the whole code. It is far below that of any clusters but
# those of repeated rows, whose width is rounding, and above the rounding of float32.
_LEAST_RADIUS = 1e-3

# A code whose width is below this many units in the last place of its values is constant but for rounding.
_ROUNDING = 100


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
        Root mean square distance of the rows from the centre of their cluster, and at least a thousandth of that from
        the mean of all rows; 0 if all rows are the same but for rounding.
    """

    labels: np.ndarray
    centers: np.ndarray
    probabilities: np.ndarray | None
    radius: float


def initial_clusters(code, sample_weight, n_clusters, *, init, n_init, random_state):
    """Clusters by KMeans or a mixture of Gaussians, the best of n_init runs. BLAS and OpenMP are to have one thread.

    With "least_cut" the best of KMeans is the run that `least_cut_labels` takes.

    Parameters
    ----------
    code : ndarray of shape (n_rows, n_components)
    sample_weight : ndarray of shape (n_rows,) or None
    n_clusters : int
    init : {"least_cut", "gaussian_mixture", "kmeans"}
    n_init : int
    random_state : numpy.random.RandomState

    Returns
    -------
    clusters : InitialClusters
    """
    if sample_weight is None:
        variance = np.var(code, axis=0, dtype=np.float64)
    else:
        _, variance = code_moments(code, sample_weight, lambda rows: rows)
    # Scaled to about unit variance, for which the tolerances of the mixture are made.
    scale = np.sqrt(np.mean(variance)) or 1.0
    width = np.sqrt(np.sum(variance))
    is_constant = width <= _ROUNDING * np.finfo(code.dtype).eps * np.abs(code).max()
    code = code.astype(np.float64) / scale
    options = {"n_init": n_init, "random_state": random_state}
    # The mixture begins with KMeans, which does not take arrays of other libraries. A start that has not converged is
    # good enough.
    with without_dispatch(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if init == "least_cut":
            labels, probabilities = least_cut_labels(code, sample_weight, n_clusters, **options), None
        elif init == "kmeans":
            labels, probabilities = KMeans(n_clusters, **options).fit_predict(code, sample_weight=sample_weight), None
        else:
            probabilities = mixture_probabilities(code, sample_weight, n_clusters, **options)
            labels = probabilities.argmax(axis=1)
    w = np.ones(len(code)) if sample_weight is None else sample_weight
    # A component of the mixture may have no rows.
    members = [labels == cluster if np.any(labels == cluster) else slice(None) for cluster in range(n_clusters)]
    centers = np.array([np.average(code[rows], axis=0, weights=w[rows]) for rows in members])
    radius = scale * np.sqrt(np.average(np.sum((code - centers[labels]) ** 2, axis=1), weights=w))
    radius = 0.0 if is_constant else max(float(radius), _LEAST_RADIUS * float(width))
    return InitialClusters(labels, scale * centers, probabilities, radius)
