"""Judging a partition: reports, and scorers for `GridSearchCV`.

Examples
--------
>>> from sklearn.cluster import KMeans
>>> from sklearn.model_selection import GridSearchCV
>>> from skdeepcluster.metrics import calinski_harabasz_scorer, davies_bouldin_scorer, silhouette_scorer
>>> X = [[0.0], [1.0], [10.0], [11.0], [0.0], [1.0], [10.0], [11.0]]
>>> scoring = {"silhouette": silhouette_scorer, "ch": calinski_harabasz_scorer, "db": davies_bouldin_scorer}
>>> search = GridSearchCV(KMeans(random_state=0), {"n_clusters": [2, 3]}, scoring=scoring, refit="silhouette", cv=2)
>>> search.fit(X).best_params_
{'n_clusters': 2}
"""

import warnings
from numbers import Integral

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.metrics import (
    adjusted_rand_score,
    calinski_harabasz_score,
    normalized_mutual_info_score,
    silhouette_score,
)
from sklearn.metrics.cluster import contingency_matrix
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from ._base import AutoencoderMixin
from .exceptions import DegenerateClusteringWarning

__all__ = [
    "ClusteringReport",
    "calinski_harabasz_scorer",
    "clustering_accuracy",
    "clustering_report",
    "davies_bouldin_scorer",
    "make_clustering_scorer",
    "silhouette_scorer",
]

_NOISE = -1

_SCORING_CONSTRAINTS = {
    "sample_size": [Interval(Integral, 2, None, closed="left"), None],
    "random_state": ["random_state"],
    "noise": [StrOptions({"drop", "cluster"})],
}


class _DegeneratePartition(Exception):
    """An internal score is not defined; the message says why, and what to change."""


def _davies_bouldin_score(Z, labels):
    """Davies-Bouldin index: mean over clusters i of max_j (s_i + s_j) / d_ij, with s the mean distance to the centroid.

    scikit-learn's takes distances below 1e-8 for zero and returns 0, the best value, if all s or all d are: a collapsed
    code, or clusters around one centre, would win.
    """
    clusters = [Z[labels == label] for label in np.unique(labels)]
    centroids = np.array([cluster.mean(axis=0, dtype=np.float64) for cluster in clusters])
    s = np.array([np.linalg.norm(cluster - centroid, axis=1).mean() for cluster, centroid in zip(clusters, centroids)])
    d = cdist(centroids, centroids)
    np.fill_diagonal(d, np.inf)
    if not d.all():
        raise _DegeneratePartition("two clusters have the same centroid; look at the clusterer")
    return np.mean(np.max((s[:, np.newaxis] + s) / d, axis=1))


# name -> (function of data and labels, sign that makes higher better, worst value after the sign). The Davies-Bouldin
# index has no worst value; this one is out of reach, and finite, so that means over folds stay finite.
_INTERNAL_METRICS = {
    "silhouette": (silhouette_score, 1, -1.0),
    "calinski_harabasz": (calinski_harabasz_score, 1, 0.0),
    "davies_bouldin": (_davies_bouldin_score, -1, -1e30),
}


def _internal_score(metric, Z, labels, *, noise, sample_size, random_state):
    """An internal metric of a partition; raises `_DegeneratePartition` where it is not defined."""
    if noise == "drop":
        kept = labels != _NOISE
        if not kept.any():
            raise _DegeneratePartition("every row is noise; raise eps or lower min_samples")
        Z, labels = Z[kept], labels[kept]
    of_sample = ""
    # Only the silhouette costs a time quadratic in the number of rows.
    if metric == "silhouette" and sample_size is not None and sample_size < len(labels):
        chosen = check_random_state(random_state).permutation(len(labels))[:sample_size]
        Z, labels = Z[chosen], labels[chosen]
        of_sample = f" of the sample of {sample_size}"
    n_clusters = len(np.unique(labels))
    if n_clusters < 2:
        raise _DegeneratePartition(f"there is only one cluster{of_sample}; ask for more clusters, or a smaller eps")
    if n_clusters >= len(labels):
        raise _DegeneratePartition(
            f"there are as many clusters as rows{of_sample}; ask for fewer clusters, or a larger eps"
        )
    if not np.ptp(Z, axis=0).any():
        raise _DegeneratePartition("all rows are the same point; look at the data")
    return float(_INTERNAL_METRICS[metric][0](Z, labels))


def _check_labels(labels, Z, name):
    labels = column_or_1d(check_array(labels, ensure_2d=False, dtype=None, input_name=name))
    check_consistent_length(Z, labels)
    return labels


class ClusteringReport(dict):
    """Scores of a clustering, a dict from name to value that prints as a table.

    ``pandas.DataFrame([report])`` makes it a row, ``pandas.DataFrame(reports)`` several.

    Examples
    --------
    >>> from skdeepcluster.metrics import clustering_report
    >>> report = clustering_report([[0.0], [0.0], [2.0], [2.0]], [0, 0, 1, 1])
    >>> report["silhouette"]
    1.0
    """

    def __str__(self):
        width = max(map(len, self), default=0)
        texts = {name: f"{value:.4f}" if isinstance(value, float) else str(value) for name, value in self.items()}
        return "\n".join(f"{name:<{width}}  {text:>10}" for name, text in texts.items())


@validate_params(
    {"X": ["array-like"], "labels": ["array-like"], "y_true": ["array-like", None], **_SCORING_CONSTRAINTS},
    prefer_skip_nested_validation=True,
)
def clustering_report(X, labels, *, y_true=None, sample_size=None, random_state=None, noise="drop"):
    """Number of clusters and internal scores of a partition, and its agreement with known classes where given.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The space to score in. To compare partitions, score all of them in the same space.
    labels : array-like of shape (n_samples,)
        Cluster of every row; -1 marks noise, as in DBSCAN.
    y_true : array-like of shape (n_samples,), default=None
        Known classes.
    sample_size : int, default=None
        Number of rows drawn for the silhouette, whose cost grows with the square of it; None takes all rows.
    random_state : int, RandomState instance or None, default=None
        Draws the sample.
    noise : {"drop", "cluster"}, default="drop"
        "drop" leaves noise out of the internal scores. They then judge only the rows that the clusterer was sure of,
        and rise as more rows are called noise: read them beside ``n_noise``. "cluster" counts noise as one more
        cluster, which lowers them, since noise is scattered. ``n_clusters`` never counts noise; the scores against
        `y_true` always take all rows, noise as a group of its own.

    Returns
    -------
    report : ClusteringReport
        A dict with ``n_clusters``, ``n_noise``, ``silhouette`` (in [-1, 1], higher is better), ``calinski_harabasz``
        (>= 0, higher is better), ``davies_bouldin`` (>= 0, lower is better) and, with `y_true`, ``accuracy`` (best
        one-to-one matching), ``nmi`` (normalised mutual information) and ``ari`` (adjusted Rand index). An internal
        score that is not defined is NaN.

    Raises
    ------
    ValueError
        If an array has the wrong shape, lengths differ, X is not finite, or an option is out of range.

    Warns
    -----
    DegenerateClusteringWarning
        If an internal score is not defined: fewer than 2 clusters, as many clusters as rows, only noise, or rows that
        are all the same.

    Examples
    --------
    >>> from skdeepcluster.metrics import clustering_report
    >>> X = [[0.0], [1.0], [10.0], [11.0], [5.0]]
    >>> print(clustering_report(X, [0, 0, 1, 1, -1], y_true=[0, 0, 1, 1, 1]))
    n_clusters                  2
    n_noise                     1
    silhouette             0.8997
    calinski_harabasz    200.0000
    davies_bouldin         0.1000
    accuracy               0.8000
    nmi                    0.7790
    ari                    0.5455
    """
    X = check_array(X, dtype=[np.float64, np.float32], input_name="X")
    labels = _check_labels(labels, X, "labels")
    is_noise = labels == _NOISE
    report = ClusteringReport(n_clusters=len(np.unique(labels[~is_noise])), n_noise=int(np.sum(is_noise)))
    undefined = {}
    for metric in _INTERNAL_METRICS:
        try:
            report[metric] = _internal_score(
                metric, X, labels, noise=noise, sample_size=sample_size, random_state=random_state
            )
        except _DegeneratePartition as reason:
            report[metric] = np.nan
            undefined[metric] = str(reason)
    if undefined:
        reasons = " and ".join(dict.fromkeys(undefined.values()))
        warnings.warn(f"{', '.join(undefined)} not defined (NaN): {reasons}.", DegenerateClusteringWarning)
    if y_true is not None:
        y_true = _check_labels(y_true, X, "y_true")
        report["accuracy"] = clustering_accuracy(y_true, labels)
        report["nmi"] = float(normalized_mutual_info_score(y_true, labels))
        report["ari"] = float(adjusted_rand_score(y_true, labels))
    return report


@validate_params({"y_true": ["array-like"], "y_pred": ["array-like"]}, prefer_skip_nested_validation=True)
def clustering_accuracy(y_true, y_pred):
    """Share of rows whose cluster is matched to their class, under the best one-to-one matching.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Known classes.
    y_pred : array-like of shape (n_samples,)
        Clusters. Clusters beyond the number of classes stay unmatched, and count as errors.

    Returns
    -------
    accuracy : float
        In (0, 1].

    Raises
    ------
    ValueError
        If an array is not one-dimensional, is empty, or the lengths differ.

    References
    ----------
    H. W. Kuhn, "The Hungarian method for the assignment problem", 1955; the measure as in J. Xie, R. Girshick,
    A. Farhadi, "Unsupervised deep embedding for clustering analysis", 2016, equation 10.

    Examples
    --------
    >>> from skdeepcluster.metrics import clustering_accuracy
    >>> clustering_accuracy(["a", "a", "b", "b"], [1, 1, 0, 1])
    0.75
    """
    y_true = _check_labels(y_true, y_true, "y_true")
    counts = contingency_matrix(y_true, _check_labels(y_pred, y_true, "y_pred"))
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / counts.sum())


def _flat_steps(estimator, prefix=""):
    """(name, estimator) of every step, nested pipelines opened up and their names joined by ``__``."""
    if not isinstance(estimator, Pipeline):
        return [(prefix, estimator)]
    return [
        flat
        for name, step in estimator.steps
        if step is not None and step != "passthrough"
        for flat in _flat_steps(step, f"{prefix}__{name}" if prefix else name)
    ]


def _labels_and_space(estimator, X, space):
    """Labels of X under a fitted estimator, and X in the space to score in."""
    *features, (_, clusterer) = _flat_steps(estimator)
    if not hasattr(clusterer, "fit_predict"):
        raise ValueError(
            f"The scorer needs a clusterer, or a pipeline that ends in one, but got {type(clusterer).__name__}, which "
            "has no fit_predict. Of a search, pass its best_estimator_."
        )
    n_before_space = _n_steps_before(space, features, estimator)
    Z = scored = X
    for n_done, (_, step) in enumerate(features, start=1):
        Z = step.transform(Z)
        if n_done == n_before_space:
            scored = Z
    labels = clusterer.predict(Z) if hasattr(clusterer, "predict") else clone(clusterer).fit_predict(Z)
    return labels, scored


def _n_steps_before(space, features, estimator):
    """How many of the feature steps lead to the space to score in."""
    names = [name for name, _ in features]
    if space == "code":
        return len(features)
    if space == "input":
        for n_before, (_, step) in enumerate(features):
            if isinstance(step, AutoencoderMixin):
                return n_before
        if any(isinstance(value, AutoencoderMixin) for value in estimator.get_params().values()):
            raise ValueError(
                "space='input' cannot find the autoencoder's input, since the autoencoder is inside another step. Give "
                f"the name of the step whose output to score in, one of {names}, or space='code'."
            )
        # Without an autoencoder, as in a baseline, the features that reach the clusterer are all there is.
        return len(features)
    if space not in names:
        raise ValueError(f"space={space!r} is neither 'input' nor 'code' nor a step before the clusterer: {names}.")
    return names.index(space) + 1


class _ClusteringScorer:
    """A scorer made by `make_clustering_scorer`: call it as ``scorer(estimator, X)``, or pass it to `GridSearchCV`.

    Parameters
    ----------
    estimator : estimator
        Fitted clusterer, or fitted pipeline that ends in one.
    X : array-like of shape (n_samples, n_features)
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
        If the estimator does not end in a clusterer, or `space` names no step of it.
    """

    def __init__(self, metric, *, space, noise, sample_size, random_state):
        self.metric = metric
        self.space = space
        self.noise = noise
        self.sample_size = sample_size
        self.random_state = random_state

    def __call__(self, estimator, X, y=None):
        labels, Z = _labels_and_space(estimator, X, self.space)
        Z = check_array(Z, dtype=[np.float64, np.float32], input_name="X")
        _, sign, worst = _INTERNAL_METRICS[self.metric]
        try:
            return sign * _internal_score(
                self.metric,
                Z,
                np.asarray(labels),
                noise=self.noise,
                sample_size=self.sample_size,
                random_state=self.random_state,
            )
        except _DegeneratePartition as reason:
            warnings.warn(
                f"{self.metric} is not defined, scored as {worst}, the worst: {reason}.", DegenerateClusteringWarning
            )
            return worst

    def __repr__(self):
        arguments = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if name != "metric")
        return f"make_clustering_scorer({self.metric!r}, {arguments})"


@validate_params(
    {"metric": [StrOptions(set(_INTERNAL_METRICS))], "space": [str], **_SCORING_CONSTRAINTS},
    prefer_skip_nested_validation=True,
)
def make_clustering_scorer(metric, *, space="input", noise="cluster", sample_size=None, random_state=None):
    """Make a scorer for `GridSearchCV` and its relatives from an internal metric.

    The scorer is a callable ``(estimator, X, y=None)`` for a fitted clusterer or a fitted pipeline that ends in one.
    With a clusterer that has ``predict``, such as KMeans, X is assigned to the fitted clusters; with one that has not,
    such as DBSCAN or AgglomerativeClustering, the fitted feature steps transform X and a clone of the clusterer is
    fitted to it. Score on all rows, ``cv=[(rows, rows)]`` with ``rows = np.arange(len(X))``: on held-out folds the
    scores were measured to rank candidates worse.

    Parameters
    ----------
    metric : {"silhouette", "calinski_harabasz", "davies_bouldin"}
        The Davies-Bouldin index is negated, so that higher is better for all three.
    space : str, default="input"
        Where distances are measured: "input" is what the autoencoder receives (in a pipeline, the output of the steps
        before it), "code" is what the clusterer receives, and the name of any other step is the output of that step
        (of a step inside a nested pipeline, the names joined by ``__``). Without an autoencoder, "input" is what the
        clusterer receives. "code" gives every candidate a yardstick of its own, and rewards candidates whose code has
        collapsed: measured on ten real data sets, the silhouette in each model's own code space is anti-correlated with
        the truth (mean Spearman correlation with the normalised mutual information -0.28; in the input space 0.36).
    noise : {"cluster", "drop"}, default="cluster"
        What becomes of rows labelled -1, see `clustering_report`. The default differs from the report's, since a search
        that may drop noise picks the candidate that calls most rows noise.
    sample_size : int, default=None
        Number of rows drawn for the silhouette; None takes all.
    random_state : int, RandomState instance or None, default=None
        Draws the sample. Give an int to compare candidates on the same rows.

    Returns
    -------
    scorer : callable
        Picklable. A partition for which the metric is not defined scores the worst value, with a
        `DegenerateClusteringWarning`: -1 for the silhouette, 0 for Calinski-Harabasz, and -1e30 for the negated
        Davies-Bouldin index, which has no worst value.

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
    return _ClusteringScorer(metric, space=space, noise=noise, sample_size=sample_size, random_state=random_state)


silhouette_scorer = make_clustering_scorer("silhouette")
calinski_harabasz_scorer = make_clustering_scorer("calinski_harabasz")
davies_bouldin_scorer = make_clustering_scorer("davies_bouldin")
