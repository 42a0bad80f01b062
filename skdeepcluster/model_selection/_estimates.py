"""Estimates of what clusterers ask for: the eps of DBSCAN, the number of clusters."""

import warnings
from numbers import Integral
from typing import Literal

import numpy as np
from scipy.sparse import issparse
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from .._support._checks import integers, shown
from .._support._typing import Int, Ints, MatrixLike, RandomState, validate_params
from ..exceptions import GridEdgeWarning
from ..metrics._modularity import sampled_rows
from ..metrics._neighbors import nearest_neighbors
from ..metrics._number import default_numbers, number_of_clusters
from ..metrics._points import DISTANCE, ROUNDING, check_points, n_distinct, points_of
from ..metrics._silhouette import silhouette_score
from ._edges import MIN_VALUES

# Starts of every KMeans. With a single one, chance would make the curves rough.
N_INIT = 5


@validate_params(
    {
        "Z": ["array-like", "sparse matrix"],
        "min_samples": [Interval(Integral, 2, None, closed="left")],
        "distance": [DISTANCE],
    },
    prefer_skip_nested_validation=True,
)
def estimate_eps(
    Z: MatrixLike, min_samples: Int = 5, *, distance: Literal["euclidean", "cosine"] = "euclidean"
) -> Bunch:
    """Estimate `sklearn.cluster.DBSCAN`'s ``eps`` from the knee of the k-distance curve.

    The curve is the distance of every row to its ``min_samples``-th nearest row, itself included as DBSCAN counts,
    ascending. Rows within clusters make its flat part and noise its rise; the knee between them is the point farthest
    below the straight line from the first to the last. It is right for dense clusters in thin noise. Where clusters
    touch, search over several heights of the curve with `ClusteringSearch`; ``docs/model_selection.md`` has both.

    Parameters
    ----------
    Z : array-like or sparse matrix of shape (n_samples, n_features)
        What DBSCAN will receive, such as the code.
    min_samples : int, default=5
        That of DBSCAN.
    distance : {"euclidean", "cosine"}, default="euclidean"
        DBSCAN's ``metric``.

    Returns
    -------
    estimate : sklearn.utils.Bunch
        ``eps`` : float, distance at the knee, a trace above it so that rounding leaves no row out.
        ``distances`` : ndarray of shape (n_samples,), the curve. ``knee`` : int, position of the knee on it.

    Raises
    ------
    ValueError
        If Z is not finite and two-dimensional, `min_samples` is below 2 or above the number of rows, or eps would be 0
        but for rounding, since many rows have as many others at the same point.

    References
    ----------
    M. Ester, H.-P. Kriegel, J. Sander, X. Xu, "A density-based algorithm for discovering clusters", 1996, section 4.2.
    V. Satopaa, J. Albrecht, D. Irwin, B. Raghavan, "Finding a Kneedle in a haystack", 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.cluster import DBSCAN
    >>> from skdeepcluster.model_selection import estimate_eps
    >>> rng = np.random.RandomState(0)
    >>> Z = np.vstack(
    ...     [
    ...         rng.normal(size=(100, 2)),
    ...         rng.normal(size=(100, 2)) + 20,
    ...         rng.uniform(-30, 50, (5, 2)),
    ...     ]
    ... )
    >>> estimate = estimate_eps(Z)
    >>> len(set(DBSCAN(estimate.eps).fit_predict(Z)) - {-1})
    2
    """
    Z = check_points(Z, "Z")
    n_samples = Z.shape[0]
    if min_samples > n_samples:
        raise ValueError(f"min_samples={min_samples} is more than the {n_samples} rows of Z; lower it.")
    points = points_of(Z, distance)
    distances = nearest_neighbors(points.rows, int(min_samples) - 1)[0][:, -1]
    if points.are_unit:
        # 1 - cos is half the square of the distance between rows of length one. For DBSCAN, a row of zeros is at
        # distance 1 even from one like it.
        is_zero = np.diff(Z.indptr) == 0 if issparse(Z) else ~Z.any(axis=1)
        distances = np.where(is_zero, 1.0, np.square(distances) / 2)
    order = np.argsort(distances, kind="stable")
    distances = distances[order]
    knee = _knee(distances)
    rounding = ROUNDING * np.finfo(Z.dtype).eps * _length(points.rows[[order[knee]]])
    if distances[knee] <= rounding:
        raise ValueError(
            f"eps would be 0: many rows of Z have min_samples={min_samples} rows at the same point. Remove duplicates, "
            "or raise min_samples."
        )
    # Make eps a little larger, so that rounding does not leave out rows at exactly this distance. DBSCAN computes
    # 1 - cos with an error that does not shrink with it.
    eps = float(distances[knee] * (1 + np.sqrt(np.finfo(distances.dtype).eps)) + points.are_unit * rounding)
    with np.errstate(over="ignore"):
        eps, distances = float(np.ldexp(eps, points.exponent)), np.ldexp(distances, points.exponent)
    if not np.isfinite(distances).all():
        raise ValueError("Distances between rows of Z are not finite: its values are too large. Divide Z by a number.")
    return Bunch(eps=eps, distances=distances, knee=knee)


def _length(row):
    return np.linalg.norm(row.data if issparse(row) else row)


def _knee(curve):
    """Position of the point of an ascending curve that is farthest below the line from its first to its last point."""
    return int(np.argmax(np.linspace(curve[0], curve[-1], len(curve)) - curve))


@validate_params(
    {
        "Z": ["array-like", "sparse matrix"],
        "k_range": ["array-like", range, None],
        "X": ["array-like", "sparse matrix", None],
        "method": [StrOptions({"modularity", "silhouette", "gap", "stability"})],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "distance": [DISTANCE],
    },
    prefer_skip_nested_validation=True,
)
def estimate_n_clusters(
    Z: MatrixLike,
    k_range: Ints | None = None,
    *,
    X: MatrixLike | None = None,
    method: Literal["modularity", "silhouette", "gap", "stability"] = "modularity",
    n_repeats: Int = 10,
    random_state: RandomState = None,
    distance: Literal["euclidean", "cosine"] = "euclidean",
) -> Bunch:
    """Estimate the number of clusters that `sklearn.cluster.KMeans` should look for.

    ``docs/studies/number.md`` has what the methods found on 25 real data sets: "modularity" a number within a factor of
    1.5 of that of the classes on about two of three, the others on fewer. Look at the curve.

    Parameters
    ----------
    Z : array-like or sparse matrix of shape (n_samples, n_features)
        What KMeans will receive, such as the code.
    k_range : array-like of int, default=None
        Numbers of clusters to try: from 2, with "gap" from 1; up to the number of distinct rows, with "gap" below it,
        with "stability" up to half of it. None means from 2 to 30, or to a fifth of the rows if that is less.
    X : array-like or sparse matrix of shape (n_samples, n_features), default=None
        What Z is the code of, as the autoencoder received it. "modularity" needs it to tell whether there are clusters
        at all: a code can have some where the data have none. None takes Z.
    method : {"modularity", "silhouette", "gap", "stability"}, default="modularity"
        "modularity" takes the k with the highest sum of modularity and half the mean silhouette. The modularity is of
        the graph of nearest rows: the share of the 100 nearest, or a fifth of the rows, in the same cluster, less what
        it would be by chance. Of more than 2,000 rows it looks at 2,000: with more neighbours, or fewer rows, it would
        find fewer clusters. "silhouette" takes the k with the highest mean silhouette. "gap" compares the logarithm of
        the sum of squared distances to the centres with that of `n_repeats` uniform samples of a box along the
        principal axes of Z, and takes the smallest k whose gap is not below that of the next minus its standard error,
        the last if there is none. "stability" fits two KMeans to disjoint halves of the rows, `n_repeats` times, and
        takes the k with the highest mean adjusted Rand index of their predictions for all rows, the largest of equals.
    n_repeats : int, default=10
        For "gap" and "stability"; more take longer and are steadier.
    random_state : int, RandomState instance or None, default=None
        Of KMeans, of the uniform samples and of the halves.
    distance : {"euclidean", "cosine"}, default="euclidean"
        With "cosine" KMeans gets the rows scaled to length one, the silhouette is that by 1 - cos, and neighbours are
        those by it.

    Returns
    -------
    estimate : sklearn.utils.Bunch
        ``n_clusters`` : int. ``k_range`` : ndarray of int of shape (n_k,), ascending. ``scores`` : ndarray of shape
        (n_k,), the curve to plot: of modularity and half the silhouette, of the silhouette, of the gap, or of the
        adjusted Rand index. ``errors`` : ndarray of shape (n_k,), their standard errors, NaN with "modularity" and
        "silhouette".

    Raises
    ------
    ValueError
        If Z is not finite and two-dimensional, or `k_range` is empty or has a number twice or out of range; if `X` has
        another number of rows, or is given to another method than "modularity"; with ``method="gap"``, if Z is sparse,
        `distance` is not the Euclidean, or rows within the clusters are so near to each other that their inertia is 0
        but for rounding.

    Warns
    -----
    skdeepcluster.exceptions.GridEdgeWarning
        If the number is the smallest or the largest of three or more, unless the method can tell no smaller one.
    skdeepcluster.exceptions.NoStructureWarning
        With ``method="modularity"``, if the clusters are not better than those of ten tables in which the columns have
        the same values and correlations, and nothing else: by modularity, less than three standard deviations above
        their mean. Clusters that hardly any neighbours part are there in any case.

    References
    ----------
    M. E. J. Newman, M. Girvan, "Finding and evaluating community structure in networks", 2004.
    R. Tibshirani, G. Walther, T. Hastie, "Estimating the number of clusters in a data set via the gap statistic", 2001.
    T. Lange, V. Roth, M. L. Braun, J. M. Buhmann, "Stability-based validation of clustering solutions", 2004.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skdeepcluster.model_selection import estimate_n_clusters
    >>> Z, _ = make_blobs(150, centers=3, random_state=0, cluster_std=0.5)
    >>> estimate_n_clusters(Z, range(2, 7), random_state=0).n_clusters
    3
    """
    Z = check_points(Z, "Z")
    X = _check_input(X, Z, method)
    if method == "modularity":
        rows = sampled_rows(Z.shape[0])
        Z = Z[rows]
    points = points_of(Z, distance)
    n_rows = n_distinct(points)
    limits = _limits(n_rows, Z.shape[0], method)
    k_range = _check_k_range(_default_range(Z, limits) if k_range is None else k_range, limits, n_rows, method)
    if method == "gap" and (issparse(Z) or distance != "euclidean"):
        raise ValueError(
            "method='gap' compares with uniform samples of a box, which are dense, and by Euclidean distances: take "
            "'silhouette' or 'stability', or reduce Z by sklearn.decomposition.TruncatedSVD."
        )
    random_state = check_random_state(random_state)
    if method == "modularity":
        input_ = Z if X is None else X[rows]
        best, scores = number_of_clusters(points, input_, k_range, distance, random_state)
        errors = np.full(len(k_range), np.nan)
    else:
        scores, errors = CURVES[method](points, k_range, n_repeats, random_state)
        best = CHOICES[method](scores, errors)
    _warn_of_edge(k_range, best, method, limits, n_rows)
    return Bunch(n_clusters=int(k_range[best]), k_range=k_range, scores=scores, errors=errors)


def _check_input(X, Z, method):
    """X, checked, if there is one."""
    if X is None:
        return None
    if method != "modularity":
        raise ValueError(f"X is what method='modularity' looks at, too, and method={method!r} does not; leave it out.")
    X = check_points(X, "X")
    if X.shape[0] != Z.shape[0]:
        raise ValueError(f"X has {X.shape[0]} rows, but Z, its code, has {Z.shape[0]}; give the rows that Z is of.")
    return X


def _default_range(Z, limits):
    lowest, highest = limits
    numbers = default_numbers(Z.shape[0])
    return numbers[numbers <= highest] if highest >= lowest else numbers


def _check_k_range(k_range, limits, n_rows, method):
    numbers = integers(k_range)
    if numbers is None:
        raise ValueError(f"k_range={shown(k_range)} must hold one or more integers.")
    numbers = np.sort(numbers)
    lowest, highest = limits
    if highest < lowest:
        raise ValueError(f"Z has {n_rows} distinct rows, too few to compare numbers of clusters by {method!r}.")
    if numbers[0] < lowest or numbers[-1] > highest or (np.diff(numbers) == 0).any():
        raise ValueError(
            f"k_range={shown(k_range)} must hold different numbers from {lowest} to {highest}, with method={method!r} "
            f"and {n_rows} distinct rows."
        )
    return numbers


def _limits(n_rows, n, method):
    """The smallest and the largest number of clusters that a method can tell of n rows, n_rows of them distinct."""
    highest = {"modularity": n_rows, "silhouette": min(n_rows, n - 1), "gap": n_rows - 1, "stability": n_rows // 2}
    return (1 if method == "gap" else 2), highest[method]


def _warn_of_edge(k_range, best, method, limits, n_rows):
    (lowest, highest), k = limits, k_range[best]
    if len(k_range) < MIN_VALUES or k_range[0] < k < k_range[-1] or k == lowest:
        return
    side = "smallest" if k == k_range[0] else "largest"
    remedy = "Extend k_range" if k < highest else f"No more can be tried with {n_rows} distinct rows"
    warnings.warn(
        f"The number of clusters by method={method!r}, {k}, is the {side} of k_range={k_range.tolist()}, so that "
        f"another may be better. {remedy}, and look at the scores.",
        GridEdgeWarning,
    )


def _kmeans(Z, k, random_state):
    return KMeans(k, n_init=N_INIT, random_state=random_state.randint(np.iinfo(np.int32).max)).fit(Z)


def _silhouettes(points, k_range, n_repeats, random_state):
    scores = [silhouette_score(points, _kmeans(points.rows, k, random_state).labels_) for k in k_range]
    return np.array(scores), np.full(len(k_range), np.nan)


def _gaps(points, k_range, n_repeats, random_state):
    Z = points.rows
    centre = Z.mean(axis=0)
    axes = np.linalg.svd(Z - centre, full_matrices=False)[2]
    turned = (Z - centre) @ axes.T
    box = turned.min(axis=0), turned.max(axis=0)
    references = [random_state.uniform(*box, size=turned.shape) for _ in range(n_repeats)]
    log_W = np.array([_log_inertia(turned, k, random_state) for k in k_range])
    of_references = np.array([[_log_inertia(R, k, random_state) for k in k_range] for R in references])
    return of_references.mean(axis=0) - log_W, of_references.std(axis=0) * np.sqrt(1 + 1 / n_repeats)


def _log_inertia(Z, k, random_state):
    inertia = _kmeans(Z, k, random_state).inertia_
    if inertia <= Z.size * (ROUNDING * np.finfo(Z.dtype).eps * np.abs(Z).max()) ** 2:
        raise ValueError(
            f"method='gap' takes the logarithm of the inertia, which is 0 for {k} clusters: beside its largest "
            "distance, rows of Z coincide. Leave out rows far from all others, or take another method."
        )
    return np.log(inertia)


def _stabilities(points, k_range, n_repeats, random_state):
    Z = points.rows
    agreements = np.empty((n_repeats, len(k_range)))
    for i in range(n_repeats):
        rows = random_state.permutation(Z.shape[0])
        halves = Z[rows[::2]], Z[rows[1::2]]
        for j, k in enumerate(k_range):
            agreements[i, j] = adjusted_rand_score(*(_kmeans(half, k, random_state).predict(Z) for half in halves))
    return agreements.mean(axis=0), agreements.std(axis=0, ddof=min(1, n_repeats - 1)) / np.sqrt(n_repeats)


def _first_highest(scores, errors):
    return int(np.argmax(scores))


def _last_highest(scores, errors):
    return len(scores) - 1 - int(np.argmax(scores[::-1]))


def _first_within_error(scores, errors):
    """Index of the first score that is at least the next score minus the error of that, or of the last score."""
    not_below = scores[:-1] >= scores[1:] - errors[1:]
    return int(np.argmax(not_below)) if not_below.any() else len(scores) - 1


CHOICES = {"silhouette": _first_highest, "gap": _first_within_error, "stability": _last_highest}
CURVES = {"silhouette": _silhouettes, "gap": _gaps, "stability": _stabilities}
