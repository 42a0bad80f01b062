"""Scorers for `GridSearchCV` and its relatives."""

import warnings
from typing import Any, Literal

from sklearn.utils._param_validation import StrOptions

from .._pipelines import labels_and_space
from .._support._typing import Estimator, Int, MatrixLike, RandomState, validate_params
from ..exceptions import DegenerateClusteringWarning
from ._internal import INTERNAL_METRICS, SCORING_CONSTRAINTS, DegeneratePartition, internal_score
from ._labels import check_clusters
from ._points import check_points


class _ClusteringScorer:
    """A scorer made by `make_clustering_scorer`: call it as ``scorer(estimator, X)``, or pass it to `GridSearchCV`.

    Parameters
    ----------
    estimator : estimator
        Fitted clusterer, or fitted pipeline that ends in one. A fitted search stands for its best estimator.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Data, as the estimator takes it.
    y : None
        Ignored.

    Returns
    -------
    score : float
        Higher is better.

    Raises
    ------
    ValueError
        If the estimator does not end in a clusterer, gives no label for each row, or `space` names no step of it, or
        is precomputed distances, and no features.
    """

    def __init__(self, metric, *, space, noise, sample_size, random_state, distance):
        self.metric = metric
        self.space = space
        self.noise = noise
        self.sample_size = sample_size
        self.random_state = random_state
        self.distance = distance

    def __call__(self, estimator: Estimator, X: MatrixLike, y: Any = None) -> float:
        labels, Z = labels_and_space(estimator, X, self.space)
        Z = check_points(Z, "X")
        labels = check_clusters(labels, Z)
        metric = INTERNAL_METRICS[self.metric]
        try:
            return metric.sign * internal_score(
                self.metric,
                Z,
                labels,
                noise=self.noise,
                sample_size=self.sample_size,
                random_state=self.random_state,
                distance=self.distance,
            )
        except DegeneratePartition as reason:
            warnings.warn(
                f"{self.metric} is not defined, scored as {metric.worst}, the worst: {reason}.",
                DegenerateClusteringWarning,
            )
            return metric.worst

    def __repr__(self):
        arguments = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if name != "metric")
        return f"make_clustering_scorer({self.metric!r}, {arguments})"


@validate_params(
    {"metric": [StrOptions(set(INTERNAL_METRICS))], "space": [str], **SCORING_CONSTRAINTS},
    prefer_skip_nested_validation=True,
)
def make_clustering_scorer(
    metric: Literal["silhouette", "calinski_harabasz", "davies_bouldin", "neighbor_information", "neighbor_modularity"],
    *,
    space: str = "input",
    noise: Literal["cluster", "drop"] = "cluster",
    sample_size: Int | None = None,
    random_state: RandomState = None,
    distance: Literal["euclidean", "cosine"] = "euclidean",
) -> _ClusteringScorer:
    """Make a scorer for `GridSearchCV` and its relatives from an internal metric.

    The scorer is a callable ``(estimator, X, y=None)`` for a fitted clusterer or a fitted pipeline that ends in one.
    With a clusterer that has ``predict``, such as KMeans, X is assigned to the fitted clusters; with one that has not,
    such as DBSCAN or AgglomerativeClustering, the fitted feature steps transform X and a clone of the clusterer is
    fitted to it. Score on all rows, ``cv=[(rows, rows)]`` with ``rows = np.arange(len(X))``: on held-out folds the
    scores were measured to pick worse candidates.

    Parameters
    ----------
    metric : {"silhouette", "calinski_harabasz", "davies_bouldin", "neighbor_information", "neighbor_modularity"}
        As in `clustering_report`; the Davies-Bouldin index is negated, so that higher is better for all.
    space : str, default="input"
        Where distances are measured: "input" is what the autoencoder receives (in a pipeline, the output of the steps
        before it), "code" is what the clusterer receives, or the code of a `DeepEmbeddedClustering`, and the name of
        any other step is the output of that step
        (of a step inside a nested pipeline, the names joined by ``__``). Without an autoencoder, "input" is what the
        clusterer receives. "code" gives every candidate a yardstick of its own, and rewards candidates whose code has
        collapsed: on ten real data sets, the silhouette in each model's own code was anti-correlated with the truth
        (mean Spearman correlation with the normalised mutual information -0.31). In the input space it was useless
        (-0.03), and "neighbor_information" the only index that was not (0.58).
    noise : {"cluster", "drop"}, default="cluster"
        What becomes of rows with negative labels, see `clustering_report`. The default differs from the report's, since
        a search that may drop noise picks the candidate that calls most rows noise.
    sample_size : int, default=None
        Number of rows drawn for the silhouette and for the neighbours; None takes all.
    random_state : int, RandomState instance or None, default=None
        Draws the sample. Give an int to compare candidates on the same rows.
    distance : {"euclidean", "cosine"}, default="euclidean"
        As in `clustering_report`.

    Returns
    -------
    scorer : callable
        Picklable. A partition for which the metric is not defined scores the worst value, with a
        `DegenerateClusteringWarning`: -1 for the silhouette, 0 for Calinski-Harabasz and the neighbours' information,
        and -1e30 for the negated Davies-Bouldin index, which has no worst value.

    Raises
    ------
    ValueError
        If an option is out of range, or, at the call, if `space` names no step or the estimator is no clusterer.
        `GridSearchCV` turns errors at the call into NaN, with a warning, unless ``error_score="raise"``.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from skdeepcluster.metrics import make_clustering_scorer
    >>> X = [[0.0], [1.0], [10.0], [11.0]]
    >>> kmeans = KMeans(2, random_state=0).fit(X)
    >>> scorer = make_clustering_scorer("davies_bouldin")
    >>> round(scorer(kmeans, X), 3)
    -0.1
    """
    return _ClusteringScorer(
        metric, space=space, noise=noise, sample_size=sample_size, random_state=random_state, distance=distance
    )


silhouette_scorer = make_clustering_scorer("silhouette")
calinski_harabasz_scorer = make_clustering_scorer("calinski_harabasz")
davies_bouldin_scorer = make_clustering_scorer("davies_bouldin")
neighbor_information_scorer = make_clustering_scorer("neighbor_information")
neighbor_modularity_scorer = make_clustering_scorer("neighbor_modularity")
