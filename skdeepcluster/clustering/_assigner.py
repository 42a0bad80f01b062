"""Clusters of new rows, by any clusterer."""

import warnings
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin, MetaEstimatorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted

from .._base import unchanged_on_error
from .._pipelines import errors_named, flat_steps, takes_distances
from .._support._checks import check_rows
from .._support._typing import Clusterer, Int, MatrixLike, fit_context
from ..exceptions import DegenerateClusteringWarning
from ..metrics._labels import check_clusters, is_noise
from ..metrics._points import check_points
from ._nearest import known_rows
from ._votes import most_voted, noise_limits, vote_shares, winners


class NeighborAssigner(ClusterMixin, MetaEstimatorMixin, BaseEstimator):
    """A clusterer that gives new rows a cluster, made of any clusterer, by a vote of neighbours.

    DBSCAN, HDBSCAN, agglomerative and spectral clustering label the rows that they are fitted to, and no others. Here
    the nearest of these rows vote for the label of a new one, each with a weight of one over its distance, as in
    `sklearn.neighbors.KNeighborsClassifier` with ``weights="distance"``. Noise takes part in the vote like a cluster.
    It is rare among the neighbours of noise, though, so a row is also noise if its neighbours are too far away for the
    cluster that they vote for: if the mean of their distances is above a limit, which for every cluster is the one that
    errs for the fewest training rows. Where the clusterer found no noise, no new row is any.

    Make it the last step of a pipeline: neighbours are then those in the space that the clusterer sees, such as the
    code of an autoencoder.

    Parameters
    ----------
    clusterer : estimator
        Clusterer with ``fit_predict``, of which a clone is fitted. A fitted one in a `sklearn.frozen.FrozenEstimator`
        is taken as it is, with what it predicts for X or, without ``predict``, with its ``labels_``, which have to be
        those of X.
    n_neighbors : int, default=15
        Number of rows that vote, less than the rows of `fit`.

    Attributes
    ----------
    clusterer_ : estimator
        The fitted clusterer.
    labels_ : ndarray of shape (n_samples,)
        Cluster of every row, as the clusterer gave it. All negative numbers, which are noise, are -1.
    classes_ : ndarray of shape (`n_clusters_`,)
        Labels of the clusters without noise, ascending.
    n_clusters_ : int
        Number of clusters without noise.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in `fit`, if all are strings.

    Warns
    -----
    skdeepcluster.exceptions.DegenerateClusteringWarning
        If the clusterer takes all rows for noise. `predict` then does the same.

    See Also
    --------
    DeepEmbeddedClustering : Has ``predict`` and ``predict_proba`` of its own, by the distances from centres.

    Notes
    -----
    Rows are compared by the ``metric`` of the clusterer where that is one of `sklearn.neighbors.NearestNeighbors`, as
    it is of DBSCAN, HDBSCAN, OPTICS and agglomerative clustering, else by Euclidean distances. What happens in a
    pipeline that is given as `clusterer` is not seen: then neighbours are those in X.

    A row at distance 0 of training rows gets the label that most of these have, whatever else is near, and of equal
    numbers the smallest. So `predict` of the training rows is `labels_`, unless equal rows, or rows of the same
    direction with ``metric="cosine"``, have different labels. Euclidean and cosine neighbours are exact, also far from
    the origin. Above 15 features the time of `predict` grows with the product of the numbers of training rows and of
    new ones; if there is noise, that of `fit` with the square of the former.

    The training rows are kept, and saved with the estimator: not copied, but for cosine, where their length is set to
    one, and in trees of few columns, which are built anew when it is loaded. Weights of rows are not supported.

    ``docs/benchmarks/assigner.py`` in the repository measures how often `predict` agrees with what the clusterer itself
    would say.

    Examples
    --------
    >>> from sklearn.cluster import DBSCAN
    >>> from skdeepcluster.clustering import NeighborAssigner
    >>> X = [[0.0], [1.0], [2.0], [10.0], [11.0], [12.0], [50.0]]
    >>> model = NeighborAssigner(DBSCAN(eps=1.5, min_samples=2), n_neighbors=3).fit(X)
    >>> model.labels_
    array([ 0,  0,  0,  1,  1,  1, -1])
    >>> model.predict([[0.5], [6.5], [49.0]])
    array([ 0,  1, -1])
    >>> model.predict_proba([[0.5], [6.5], [49.0]]).round(2)
    array([[1. , 0. ],
           [0.3, 0.7],
           [0. , 0. ]])
    """

    clusterer_: Clusterer | FrozenEstimator
    labels_: np.ndarray
    classes_: np.ndarray
    n_clusters_: int
    n_features_in_: int
    feature_names_in_: np.ndarray

    _parameter_constraints = {
        "clusterer": [HasMethods("fit_predict"), FrozenEstimator],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, clusterer: Clusterer | FrozenEstimator, n_neighbors: Int = 15) -> None:
        self.clusterer = clusterer
        self.n_neighbors = n_neighbors

    @unchanged_on_error
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: Any = None) -> Self:
        """Fit the clusterer, and keep the rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data, as the clusterer takes it.
        y : None
            Ignored.

        Returns
        -------
        self : NeighborAssigner
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range, X is not a finite two-dimensional array, or has no more than `n_neighbors`
            rows, or the clusterer takes distances in the place of features, or gives no label for each row.
        TypeError
            If the labels are neither integers nor names.
        RuntimeError
            If this very estimator is being fitted, by another thread.
        """
        rows = check_points(check_rows(self, X, reset=True), "X")
        self._check_neighbors(rows.shape[0])
        self.clusterer_ = clone(self.clusterer)
        with errors_named(self.clusterer_):
            labels = _labels_by(self.clusterer_, X, y)
        self.labels_ = check_clusters(labels, rows, "labels")
        # Kept, since for a row that comes alone it would take longer than the rest.
        self._values, self._codes = np.unique(self.labels_, return_inverse=True)
        self.classes_ = self._values[self._are_clusters]
        self.n_clusters_ = len(self.classes_)
        self._known, self._n_neighbors = known_rows(rows, self.clusterer_), self.n_neighbors
        self._limits = self._noise_limits()
        if not self.n_clusters_:
            warnings.warn(
                f"clusterer={self.clusterer!r} took all rows of X for noise, and so will predict. Change its "
                "parameters, or the scale of X.",
                DegenerateClusteringWarning,
            )
        return self

    def predict(self, X: MatrixLike) -> np.ndarray:
        """Clusters of X: the label with the most votes, of equal numbers of votes the smallest.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data on the scale of the training data.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Labels as in `labels_`, -1 for noise.

        Raises
        ------
        ValueError
            If X is not a finite two-dimensional array with the features seen in `fit`, or too large for its distances
            from the training data to have any digits.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        rows, clusters, shares = self._vote(X)
        return self._values[clusters[winners(rows, shares)]]

    def predict_proba(self, X: MatrixLike) -> np.ndarray:
        """Shares of the votes for each cluster, which are no calibrated probabilities.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data on the scale of the training data.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, `n_clusters_`)
            Columns are `classes_`. What a row lacks to a sum of 1 is the share of noise, which is 1 if its neighbours
            are too far away.

        Raises
        ------
        ValueError
            As `predict`.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        rows, clusters, shares = self._vote(X)
        table = np.zeros((rows[-1] + 1, len(self._values)))
        table[rows, clusters] = shares
        return table[:, self._are_clusters]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Whether the clusterer takes them too is for it to say.
        tags.input_tags.sparse = True
        return tags

    @property
    def _are_clusters(self):
        """Which of the labels that there are, ascending, are no noise."""
        return ~is_noise(self._values)

    def _check_neighbors(self, n_rows):
        """Whether new rows will have neighbours."""
        if takes_distances(self.clusterer):
            raise ValueError(
                f"clusterer={self.clusterer!r} takes distances between rows, or affinities, by which new rows have no "
                "neighbours. Give one that takes features."
            )
        if n_rows <= self.n_neighbors:
            raise ValueError(
                f"n_neighbors={self.n_neighbors} asks for more neighbours than X, with n_samples={n_rows} rows, has "
                "other rows. Lower n_neighbors."
            )

    def _noise_limits(self):
        """The `noise_limits` of the clusters, from the neighbours that training rows have among the others."""
        if self._are_clusters.all() or not self._are_clusters.any():
            return np.full(len(self._values), np.inf)
        distances, votes = self._ask_neighbors(None)
        are_noise = ~self._are_clusters[self._codes]
        clusters = np.where(are_noise, most_voted(*votes, self._are_clusters), self._codes)
        return noise_limits(distances.mean(axis=1), clusters, are_noise, len(self._values))

    def _vote(self, X):
        """The `vote_shares` of X, within the limits."""
        check_is_fitted(self)
        distances, (rows, clusters, shares) = self._ask_neighbors(check_points(check_rows(self, X), "X"))
        limits = np.append(self._limits, np.inf)[most_voted(rows, clusters, shares, self._are_clusters)]
        are_far = (distances.mean(axis=1) > limits) & (distances[:, 0] > 0)
        # Where there is a limit, there is noise, whose code is the only one that is no cluster's.
        clusters[are_far[rows]] = self._are_clusters.argmin()
        return rows, clusters, shares

    def _ask_neighbors(self, X):
        """Distances of the neighbours that rows have among the training rows, and their `vote_shares`."""
        distances, neighbors = self._known.nearest(X, self._n_neighbors)
        return distances, vote_shares(distances, self._codes[neighbors], len(self._values))


def _labels_by(clusterer, X, y):
    """The labels of X by a clusterer, which is fitted to it unless it is frozen."""
    if hasattr(clusterer, "fit_predict"):
        return clusterer.fit_predict(X, y)
    clusterer.fit(X, y)
    if hasattr(clusterer, "predict"):
        return clusterer.predict(X)
    labels = getattr(flat_steps(clusterer)[-1][1], "labels_", None)
    if labels is None or len(labels) != np.shape(X)[0]:
        raise ValueError(
            f"clusterer={clusterer!r} has no predict, and no labels_ of the rows of X. Freeze a clusterer that was "
            "fitted to these rows, or give one that is not frozen."
        )
    return labels
