"""Reports on a partition."""

import warnings
from html import escape
from typing import Any, Literal

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from .._support._typing import ArrayLike, Int, MatrixLike, RandomState, validate_params
from ..exceptions import DegenerateClusteringWarning
from ._internal import INTERNAL_METRICS, SCORING_CONSTRAINTS, DegeneratePartition, internal_score
from ._labels import check_clusters, check_labels, is_noise
from ._points import check_points


class ClusteringReport(dict[str, Any]):
    """Scores of a clustering, a dict from name to value that prints as a table.

    ``pandas.DataFrame([report])`` makes it a row, ``pandas.DataFrame(reports)`` several.

    Examples
    --------
    >>> from skdeepcluster.metrics import clustering_report
    >>> report = clustering_report([[0.0], [0.0], [2.0], [2.0]], [0, 0, 1, 1])
    >>> report["silhouette"]
    1.0
    """

    def __str__(self) -> str:
        width = max(map(len, self), default=0)
        return "\n".join(f"{name:<{width}}  {_text(value):>10}" for name, value in self.items())

    def _repr_html_(self) -> str:
        lines = (f"<tr><th>{escape(name)}</th><td>{escape(_text(value))}</td></tr>" for name, value in self.items())
        return f"<table>{''.join(lines)}</table>"


def _text(value):
    if not isinstance(value, float):
        return str(value)
    # That of clusters without scatter has 33 digits.
    return f"{value:.4f}" if abs(value) < 1e6 or not np.isfinite(value) else f"{value:.4g}"


@validate_params(
    {
        "X": ["array-like", "sparse matrix"],
        "labels": ["array-like"],
        "y_true": ["array-like", None],
        **SCORING_CONSTRAINTS,
    },
    prefer_skip_nested_validation=True,
)
def clustering_report(
    X: MatrixLike,
    labels: ArrayLike,
    *,
    y_true: ArrayLike | None = None,
    sample_size: Int | None = None,
    random_state: RandomState = None,
    noise: Literal["drop", "cluster"] = "drop",
    distance: Literal["euclidean", "cosine"] = "euclidean",
) -> ClusteringReport:
    """Number of clusters and internal scores of a partition, and its agreement with known classes where given.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
        The space to score in; a sparse matrix is not made dense. To compare partitions, score all of them in the same
        space.
    labels : array-like of shape (n_samples,)
        Cluster of every row. Negative integers mark noise, as numbers or as text: DBSCAN gives -1, HDBSCAN also -2 and
        -3. All noise is one group.
    y_true : array-like of shape (n_samples,), default=None
        Known classes.
    sample_size : int, default=None
        Number of rows drawn for the silhouette and for the neighbours, whose cost grows with the square of it; None
        takes all rows.
    random_state : int, RandomState instance or None, default=None
        Draws the sample.
    noise : {"drop", "cluster"}, default="drop"
        "drop" leaves noise out of the internal scores. They then judge only the rows that the clusterer was sure of,
        and rise as more rows are called noise: read them beside ``n_noise``. "cluster" counts noise as one more
        cluster, which lowers them, since noise is scattered. ``n_clusters`` never counts noise; the scores against
        `y_true` always take all rows, noise as a group of its own.
    distance : {"euclidean", "cosine"}, default="euclidean"
        "cosine", 1 - cos, is for rows whose length means nothing, such as embeddings of texts and TF-IDF: of it are the
        silhouette and the nearest neighbours. Calinski-Harabasz and Davies-Bouldin, which need points with means, are
        then of the rows scaled to length one. A row of zeros has distance 1 to all others, and 0 to one like it.

    Returns
    -------
    report : ClusteringReport
        A dict with ``n_clusters``, ``n_noise``, ``silhouette`` (in [-1, 1], higher is better), ``calinski_harabasz``
        (>= 0, higher is better), ``davies_bouldin`` (>= 0, lower is better), ``neighbor_information`` (mutual
        information of the cluster of a row and that of one of its 3 nearest neighbours, in nats, >= 0, higher is
        better), ``neighbor_modularity`` (the share of the 100 nearest neighbours, or of a fifth of the rows, in the
        same cluster, less what it would be by chance; of at most 2,000 rows; below 1, higher is better) and, with
        `y_true`, ``accuracy`` (best one-to-one matching), ``nmi`` (normalised mutual information) and ``ari`` (adjusted
        Rand index). An internal score that is not defined is NaN.

    Raises
    ------
    ValueError
        If an array has the wrong shape, lengths differ, X is not finite, labels are fractions, or an option is out of
        range.
    TypeError
        If labels are neither integers nor names, or both.

    Warns
    -----
    DegenerateClusteringWarning
        If an internal score is not defined: fewer than 2 clusters, as many clusters as rows, only noise, rows that are
        all the same, or, for Davies-Bouldin alone, two clusters with the same centroid.

    Examples
    --------
    >>> from skdeepcluster.metrics import clustering_report
    >>> X = [[0.0], [1.0], [10.0], [11.0], [5.0]]
    >>> print(clustering_report(X, [0, 0, 1, 1, -1], y_true=[0, 0, 1, 1, 1]))
    n_clusters                     2
    n_noise                        1
    silhouette                0.8997
    calinski_harabasz       200.0000
    davies_bouldin            0.1000
    neighbor_information      0.0566
    neighbor_modularity       0.5000
    accuracy                  0.8000
    nmi                       0.7790
    ari                       0.5455
    """
    X = check_points(X, "X")
    labels = check_clusters(labels, X)
    noise_rows = is_noise(labels)
    report = ClusteringReport(n_clusters=len(np.unique(labels[~noise_rows])), n_noise=int(np.sum(noise_rows)))
    undefined = {}
    for metric in INTERNAL_METRICS:
        try:
            report[metric] = internal_score(
                metric, X, labels, noise=noise, sample_size=sample_size, random_state=random_state, distance=distance
            )
        except DegeneratePartition as reason:
            report[metric] = np.nan
            undefined[metric] = str(reason)
    if undefined:
        reasons = " and ".join(dict.fromkeys(undefined.values()))
        warnings.warn(f"{', '.join(undefined)} not defined (NaN): {reasons}.", DegenerateClusteringWarning)
    if y_true is not None:
        y_true = check_labels(y_true, X, "y_true")
        report["accuracy"] = clustering_accuracy(y_true, labels)
        report["nmi"] = float(normalized_mutual_info_score(y_true, labels))
        report["ari"] = float(adjusted_rand_score(y_true, labels))
    return report


@validate_params({"y_true": ["array-like"], "y_pred": ["array-like"]}, prefer_skip_nested_validation=True)
def clustering_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Share of rows whose cluster is matched to their class, under the best one-to-one matching.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Known classes.
    y_pred : array-like of shape (n_samples,)
        Clusters; noise, with negative labels, is one. Clusters beyond the number of classes stay unmatched, and count
        as errors.

    Returns
    -------
    accuracy : float
        In (0, 1].

    Raises
    ------
    ValueError
        If an array is not one-dimensional, is empty or holds fractions, or the lengths differ.
    TypeError
        If labels are neither integers nor names, or both.

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
    y_true = check_labels(y_true, y_true, "y_true")
    counts = contingency_matrix(y_true, check_clusters(y_pred, y_true, "y_pred"))
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / counts.sum())
