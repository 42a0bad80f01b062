"""Whether data have more structure than their columns and correlations have: a test of a clustering."""

import warnings
from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.parallel import Parallel, delayed

from .._data import NullTables, rows_of_columns
from .._pipelines import in_input_space, in_memory
from .._support._checks import check_table
from .._support._typing import Clusterer, Int, MatrixLike, RandomState, validate_params
from ..exceptions import CollapsedCodeWarning, DegenerateClusteringWarning, TrivialReconstructionWarning
from ..metrics._internal import INTERNAL_METRICS, DegeneratePartition, internal_score
from ..metrics._labels import check_clusters
from ..metrics._points import check_points
from ._candidates import guarded, is_writeable
from ._grid import refuse_resampling
from ._seeds import draw_seed, set_random_states

_METRIC = "neighbor_information"


@validate_params(
    {
        "estimator": [HasMethods(["fit_predict"])],
        "X": ["array-like", "sparse matrix"],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    },
    prefer_skip_nested_validation=True,
)
def structure_test(
    estimator: Clusterer,
    X: MatrixLike,
    *,
    n_repeats: Int = 100,
    random_state: RandomState = None,
    n_jobs: Int | None = None,
) -> Bunch:
    """Test whether a clustering finds more structure in X than in tables that have none.

    A clone of the estimator is fitted to X, and others to `n_repeats` tables without structure: draws from a Gaussian
    copula, in which every column has the values that it has in X, and the columns are correlated as in X. A fitted
    Gaussian and columns that are shuffled, each by itself, are cases of it. Every partition has a score, how much the
    clusters of near rows say about each other ("neighbor_information" of `skdeepcluster.metrics.clustering_report`) in
    the space that the autoencoder receives, or, without one, the clusterer. The p-value is the share of scores, that of
    X among them, that are at least that of X.

    A small p-value says that rows lie in a way that columns and correlations do not explain. That may be clusters; it
    may be a curve, a ring or a disc without any. It does not say that each cluster is real, or that their number is
    right: `cluster_stability` says which of them come back. What columns show by themselves is no structure here: the
    groups of a single column are in the tables, too. ``docs/studies/model_selection.md`` has what the test
    says of data with and without clusters.

    Parameters
    ----------
    estimator : estimator
        Clusterer with ``fit_predict``, or pipeline that ends in one, with all that is fitted: an autoencoder makes
        clusters of anything, so its code, given as X, would have some. It is cloned, and every random state that it
        leaves as None gets a number, the same in all fits.
    X : array-like of shape (n_samples, n_features)
        Numbers, dense, two columns or more, as the estimator takes them. Of a frame of pandas or polars, the tables are
        frames with its types.
    n_repeats : int, default=100
        Number of tables without structure, each of which takes a fit. The p-value is at least ``1 / (n_repeats + 1)``,
        so that 19 is the least number for one of .05, and 99 for one of .01.
    random_state : int, RandomState instance or None, default=None
        Draws the tables, and the numbers for missing random states.
    n_jobs : int, default=None
        Number of fits at a time; -1 uses all cores. The result does not depend on it.

    Returns
    -------
    result : sklearn.utils.Bunch
        ``score`` : float, that of the partition of X, in nats. ``null_scores`` : ndarray of shape (n_repeats,), those
        of the tables without structure. ``p_value`` : float, in (0, 1]. A partition of one cluster, or of as many
        clusters as rows, has the score 0; noise counts as a cluster.

    Raises
    ------
    ValueError
        If X is not finite and two-dimensional, or fewer than two of its columns vary each in its own way; if the
        estimator resamples rows, has frozen parts, which would have seen X and not the tables, or clusters by distances
        that are given; or if an autoencoder is inside a step.
    TypeError
        If X is sparse, or has columns that are no numbers.

    Warns
    -----
    skdeepcluster.exceptions.DegenerateClusteringWarning
        If the partition of X has no score. The p-value is 1 then.

    See Also
    --------
    cluster_stability : Which of the clusters come back.
    estimate_n_clusters : How many there are.

    References
    ----------
    T. Hastie, R. Tibshirani, J. Friedman, "The elements of statistical learning", 2009, section 14.3.11.
    O. Langsrud, "Rotation tests", 2005.
    B. Phipson, G. K. Smyth, "Permutation p-values should never be zero", 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster.model_selection import structure_test
    >>> X, _ = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), KMeans(3, n_init=3))
    >>> structure_test(model, X, n_repeats=19, random_state=0).p_value
    0.05
    >>> noise = np.random.RandomState(0).normal(size=(150, 4))
    >>> bool(structure_test(model, noise, n_repeats=19, random_state=0).p_value > 0.05)
    True
    """
    X = in_memory(X)
    if issparse(X):
        raise TypeError(
            "X is sparse, and tables with its values in other rows would be no such data. Give what "
            "sklearn.decomposition.TruncatedSVD makes of it, or X.toarray()."
        )
    table = check_table(X, "X")
    refuse_resampling(estimator)
    _refuse_frozen(estimator)
    random_state = check_random_state(random_state)
    estimator = clone(estimator)
    set_random_states(estimator, lambda name: draw_seed(random_state), only_missing=True)
    tables = NullTables(table)
    if tables.rank < 2:
        raise ValueError(
            f"X has {table.shape[1]} columns, of which no two vary in ways of their own. A table without structure "
            "keeps every column as it is, and so would be X again. Give more columns."
        )
    score = _score_with_warning(estimator, X)
    seeds = [draw_seed(random_state) for _ in range(n_repeats)]
    with warnings.catch_warnings():
        # Without structure there is little to learn.
        warnings.simplefilter("ignore", CollapsedCodeWarning)
        warnings.simplefilter("ignore", TrivialReconstructionWarning)
        scores = Parallel(n_jobs=n_jobs)(delayed(_null_score)(estimator, X, tables, seed) for seed in seeds)
    null_scores = np.array(scores)
    p_value = float((1 + np.sum(null_scores >= score)) / (n_repeats + 1))
    return Bunch(score=score, null_scores=null_scores, p_value=p_value)


def _refuse_frozen(estimator):
    parts = (estimator, *getattr(estimator, "get_params", dict)().values())
    frozen = next((part for part in parts if isinstance(part, FrozenEstimator)), None)
    if frozen is not None:
        raise ValueError(
            f"{frozen} is frozen. If it was fitted to X, it knows X and not the tables to compare with, and the "
            "p-value would be too small: give it unfrozen. If it was fitted to other data, give what it makes of X."
        )


def _score_with_warning(estimator, X):
    """The score of the partition of X; the worst, with a warning, if it has none."""
    try:
        return _score(estimator, X)
    except DegeneratePartition as reason:
        warnings.warn(f"The partition of X has no score, so the p-value is 1: {reason}.", DegenerateClusteringWarning)
        return INTERNAL_METRICS[_METRIC].worst


def _null_score(estimator, X, tables, seed):
    """The score of the partition of a table without structure; the worst if it has none."""
    rows = tables.draw(np.random.RandomState(seed))
    try:
        return _score(estimator, rows_of_columns(X, rows))
    except DegeneratePartition:
        return INTERNAL_METRICS[_METRIC].worst
    except Exception as error:
        error.add_note("This comes from a fit to a table without structure, with the columns of X.")
        raise


def _score(estimator, X):
    """The score of the partition that a clone of the estimator finds in X."""
    model = clone(estimator)
    labels = model.fit_predict(guarded(X, is_writeable(X)))
    try:
        Z = check_points(in_input_space(model, X), "X")
    except ValueError as error:
        error.add_note("structure_test scores in space='input': what the autoencoder, or the clusterer, receives.")
        raise
    return internal_score(
        _METRIC,
        Z,
        check_clusters(labels, Z),
        noise="cluster",
        sample_size=None,
        random_state=None,
        distance="euclidean",
    )
