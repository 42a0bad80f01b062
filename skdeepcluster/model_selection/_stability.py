"""Which clusters come back when rows are left out and seeds change."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score
from sklearn.utils import Bunch, _safe_indexing, check_random_state, indexable
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _num_samples

from .._pipelines import in_memory, split_at_clusterer, takes_distances
from .._support._checks import Number, about, shown
from .._support._typing import Clusterer, Float, Int, MatrixLike, RandomState, validate_params
from ..exceptions import DegenerateClusteringWarning
from ..metrics._labels import check_clusters, is_noise
from ._candidates import guarded, is_writeable
from ._grid import refuse_resampling
from ._seeds import draw_seed, set_random_states

# C. Hennig's rules of thumb: below the first, a cluster has dissolved; from the second on, it has come back.
_DISSOLVED, _RECOVERED = 0.5, 0.75


@validate_params(
    {
        "estimator": [HasMethods(["fit_predict"])],
        "X": ["array-like", "sparse matrix"],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "max_samples": [Number(0, 1, closed="right")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    },
    prefer_skip_nested_validation=True,
)
def cluster_stability(
    estimator: Clusterer,
    X: MatrixLike,
    *,
    n_repeats: Int = 50,
    max_samples: Float = 0.5,
    random_state: RandomState = None,
    n_jobs: Int | None = None,
) -> Bunch:
    """Tell the clusters that come back from those that come and go.

    A clone of the estimator is fitted to X, and others, `n_repeats` times, to some of the rows, drawn anew, with other
    random states. Each time, every cluster of all rows is compared with the most similar cluster that was found among
    the drawn rows, by the Jaccard index: of the drawn rows that are in either of the two, the share that is in both.

    What does not come back is an accident of seeds and rows, or of the number of clusters. What comes back need not be
    a group: two halves of one cloud come back too, if the cloud is long; `structure_test` compares with tables without
    structure. A cluster that has most of the rows has a high index with whatever is large.

    Parameters
    ----------
    estimator : estimator
        Clusterer with ``fit_predict``, or pipeline that ends in one. It is cloned. For the partition of all rows its
        random states are as they are, or, where None, drawn; in the repeats all of them are drawn. Frozen parts stay as
        they are.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Data, as the estimator takes it.
    n_repeats : int, default=50
        Number of times that rows are drawn, each of which takes a fit.
    max_samples : float, default=0.5
        Share of the rows to draw, without replacement, in (0, 1]. With 1, only random states change. Half of the rows
        tells unstable clusters best; but a clusterer that is told sizes in rows, as HDBSCAN is by ``min_cluster_size``,
        loses clusters of less than twice that size: give it 0.9.
    random_state : int, RandomState instance or None, default=None
        Draws the rows and the random states.
    n_jobs : int, default=None
        Number of fits at a time; -1 uses all cores. The result does not depend on it.

    Returns
    -------
    result : sklearn.utils.Bunch
        ``labels`` : ndarray of shape (n_samples,), the partition of all rows. ``clusters`` : ndarray of shape
        (n_clusters,), its labels without that of noise, ascending. ``sizes`` : ndarray of int of shape (n_clusters,).
        ``jaccards`` : ndarray of shape (n_repeats, n_clusters), the index of every cluster in every repeat, 0 if no
        cluster was found, NaN if none of its rows was drawn. ``jaccard`` : ndarray of shape (n_clusters,), its mean.
        ``stable`` : ndarray of bool, whether that is at least .75; the other clusters come and go. ``dissolved`` and
        ``recovered`` : ndarray, the share of the repeats in which the index was below .5, and at least .75.
        ``rand_scores`` : ndarray of shape (n_repeats,), the adjusted Rand index of the two partitions of the drawn
        rows, noise as one of the groups.

    Raises
    ------
    ValueError
        If a parameter is out of range, so few rows would be drawn that there are none to compare, or the estimator
        resamples rows or clusters by distances that are given.

    Warns
    -----
    skdeepcluster.exceptions.DegenerateClusteringWarning
        If all rows are one cluster, which comes back whatever is found, or all are noise.

    See Also
    --------
    structure_test : Whether there is more than columns and correlations.

    References
    ----------
    C. Hennig, "Cluster-wise assessment of cluster stability", 2007.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import make_blobs
    >>> from skdeepcluster.model_selection import cluster_stability
    >>> X, _ = make_blobs(300, 5, centers=3, random_state=0)
    >>> cluster_stability(
    ...     KMeans(3, n_init=3), X, n_repeats=20, random_state=0
    ... ).stable.tolist()
    [True, True, True]

    With one cluster too many, a group is cut in two, each time elsewhere:

    >>> result = cluster_stability(
    ...     KMeans(4, n_init=3, random_state=0), X, n_repeats=20, random_state=0
    ... )
    >>> int(result.sizes[~result.stable].sum())
    100
    """
    X = in_memory(X)
    with about("X"):
        (X,) = indexable(X)
        n_samples = _num_samples(X)
    refuse_resampling(estimator)
    _refuse_distances(estimator)
    n_drawn = round(max_samples * n_samples)
    if n_drawn < 2:
        raise ValueError(f"max_samples={shown(max_samples)} of {n_samples} rows leaves none to compare; raise it.")
    random_state = check_random_state(random_state)
    model = clone(estimator)
    set_random_states(model, lambda name: draw_seed(random_state), only_missing=True)
    labels = _fit_predict(model, X)
    seeds = [draw_seed(random_state) for _ in range(n_repeats)]
    partitions = Parallel(n_jobs=n_jobs)(delayed(_partition_of_some)(estimator, X, n_drawn, seed) for seed in seeds)
    return _compared(labels, partitions)


def _refuse_distances(estimator):
    features, clusterer = split_at_clusterer(estimator)
    if not features and takes_distances(clusterer):
        raise ValueError(
            f"{clusterer!r} takes distances between rows, or affinities, and some rows of these have too many columns. "
            "Give features."
        )


def _fit_predict(model, X):
    return check_clusters(model.fit_predict(guarded(X, is_writeable(X))), X)


def _partition_of_some(estimator, X, n_drawn, seed):
    """Rows that are drawn, ascending, and the labels that a clone with drawn random states gives them."""
    random_state = np.random.RandomState(seed)
    rows = np.sort(random_state.permutation(_num_samples(X))[:n_drawn])
    model = clone(estimator)
    set_random_states(model, lambda name: draw_seed(random_state), only_missing=False)
    try:
        return rows, _fit_predict(model, _safe_indexing(X, rows))
    except Exception as error:
        error.add_note(f"This comes from a fit to {n_drawn} of the rows of X, as max_samples says.")
        raise


def _compared(labels, partitions):
    """What `cluster_stability` returns, from the labels of all rows, and the (rows, labels) of the repeats."""
    clusters, sizes = np.unique(labels[~is_noise(labels)], return_counts=True)
    if len(clusters) == 0:
        warnings.warn("All rows are noise; raise eps, or lower min_samples.", DegenerateClusteringWarning)
    elif sizes[0] == len(labels):
        warnings.warn(
            "All rows are one cluster, which comes back whatever is found; ask for more clusters, or a smaller eps.",
            DegenerateClusteringWarning,
        )
    jaccards = np.array([best_jaccards(labels[rows], found, clusters) for rows, found in partitions])
    is_known = ~np.isnan(jaccards)
    n_known = np.maximum(is_known.sum(axis=0), 1)
    jaccard = np.where(is_known.any(axis=0), np.where(is_known, jaccards, 0).sum(axis=0) / n_known, np.nan)
    return Bunch(
        labels=labels,
        clusters=clusters,
        sizes=sizes,
        jaccards=jaccards,
        jaccard=jaccard,
        stable=jaccard >= _RECOVERED,
        dissolved=(jaccards < _DISSOLVED).sum(axis=0) / n_known,
        recovered=(jaccards >= _RECOVERED).sum(axis=0) / n_known,
        rand_scores=np.array([adjusted_rand_score(labels[rows], found) for rows, found in partitions]),
    )


def best_jaccards(labels, found, clusters):
    """The Jaccard index of each cluster with the most similar one that was found in the same rows.

    Noise is no cluster. The index is 0 if nothing else was found, and NaN for a cluster without rows.
    """
    ours, theirs = np.searchsorted(clusters, labels), np.unique(found, return_inverse=True)[1]
    is_ours, is_theirs = ~is_noise(labels), ~is_noise(found)
    our_sizes = np.bincount(ours[is_ours], minlength=len(clusters))
    their_sizes = np.bincount(theirs)
    pairs, shared = np.unique(np.column_stack([ours, theirs])[is_ours & is_theirs], axis=0, return_counts=True)
    best = np.where(our_sizes > 0, 0.0, np.nan)
    np.maximum.at(best, pairs[:, 0], shared / (our_sizes[pairs[:, 0]] + their_sizes[pairs[:, 1]] - shared))
    return best
