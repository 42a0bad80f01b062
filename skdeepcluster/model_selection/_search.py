"""A search over clusterings that judges all candidates by the same yardsticks."""

from copy import deepcopy
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, ClusterMixin, MetaEstimatorMixin
from sklearn.utils import check_random_state, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.parallel import Parallel
from sklearn.utils.validation import _num_samples

from .._base import unchanged_on_error
from .._pipelines import errors_named, fetched
from .._support._callbacks import CallbackSupportMixin, SearchTasks
from .._support._checks import Number, about
from .._support._typing import Clusterer, Float, Int, MatrixLike, RandomState, fit_context
from ..metrics._points import DISTANCE
from ._candidates import fit_candidates, guarded, is_writeable
from ._edges import warn_of_edges
from ._grid import draw_settings, make_candidates
from ._metrics import METRICS, metric_weights
from ._pooling import RECONSTRUCTION, candidate_scores, find_yardsticks, score_matrix
from ._refitted import RefittedMixin
from ._results import judgeable, tabulate


class ClusteringSearch(CallbackSupportMixin, RefittedMixin, ClusterMixin, MetaEstimatorMixin, BaseEstimator):
    """Search over the parameters of a clustering that needs no labels and no held-out rows.

    Every candidate is fitted to all of X. Its *space* is what its clusterer receives, in a pipeline the output of the
    steps before, and its *partition* the labels that the clusterer gives. All partitions are scored in the same spaces,
    the half of them with the lowest reconstruction errors, and the score of a candidate is the mean of its ranks within
    these. Judged each in its own space, candidates win whose code has nearly collapsed. The page
    ``docs/studies/model_selection.md`` has the measurements behind the defaults.

    Parameters
    ----------
    estimator : estimator
        Clusterer with ``fit_predict``, or pipeline that ends in one.
    param_grid : dict or list of dict
        Values to try for each parameter, as in `sklearn.model_selection.GridSearchCV`; with `n_iter`, lists or
        distributions to draw from, as in `sklearn.model_selection.RandomizedSearchCV`. A parameter of a step is
        ``step__parameter``.
    metric : str, list of str or dict, default="auto"
        What candidates are ranked by: an internal metric of `skdeepcluster.metrics.clustering_report`
        ("neighbor_information", "neighbor_modularity", "silhouette", "calinski_harabasz", "davies_bouldin") or
        "reconstruction", the reconstruction error of the autoencoder, which counts only if every candidate has one; a
        list of them, which weigh alike; or a dict of their weights. "auto" is ``{"neighbor_information": 1,
        "davies_bouldin": 0.3, "reconstruction": 0.4}``, the best for a given number of clusters, and also where it is
        found, as by DBSCAN. It prefers many clusters: if the candidates ask for different numbers (`n_clusters`, or
        `n_components` of a mixture), "auto" is ``["neighbor_information", "davies_bouldin", "silhouette"]``, and
        ``["neighbor_modularity", "silhouette"]`` comes nearer to the number of classes.
    distance : {"euclidean", "cosine"}, default="euclidean"
        Between rows of every space, for the internal metrics, as in `skdeepcluster.metrics.clustering_report`.
    n_iter : int, default=None
        Number of candidates to draw at random; None tries the whole grid.
    refit : bool, default=True
        Whether to fit the best candidate again, to give ``labels_``, `predict` and `transform`.
    n_jobs : int, default=None
        Number of fits at a time; -1 uses all cores. The results do not depend on it.
    sample_size : int, default=2000
        Number of rows drawn to score on, the same for all candidates; None takes all. Time of the scores grows with
        the square of it, and memory with its product with the number of candidates.
    max_noise : float, default=0.5
        Largest share of rows that a clusterer may call noise, by negative labels. Scores count noise as a cluster.
    error_score : "raise" or nan, default=nan
        What becomes of an error in a fit: raised, or a warning and the last rank for the candidate.
    verbose : int, default=0
        Verbosity of joblib.
    random_state : int, RandomState instance or None, default=None
        Draws candidates and rows, and fixes each random state that `estimator` leaves as None, to the same number for
        all candidates, so that the refitted candidate is the one that was scored.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        One entry for each candidate, ready for a `pandas.DataFrame`: ``params``, ``param_<name>``; ``score``, in (0,
        1], and ``rank``, from 1; ``score_<metric>``, the mean rank by that metric alone; ``n_clusters``, ``n_noise``;
        ``reconstruction_error``, the mean squared error of the autoencoder on the sampled rows as a share of the
        variance of its input, NaN without one; ``collapsed``, whether rows hardly differ in its space; ``fit_time`` in
        seconds, for steps that candidates share counted for each; ``space``, the row of ``score_matrix_``. A candidate
        that failed, collapsed, found fewer than two clusters or too much noise has score NaN and the last rank.
    best_index_ : int
        Number of the best candidate.
    best_params_ : dict
        Its parameters.
    best_score_ : float
        Its score, relative to the candidates of this search.
    best_estimator_ : estimator
        The best candidate, fitted to all of X; with ``refit=True``.
    labels_ : ndarray of shape (n_samples,)
        Clusters that it found; with ``refit=True``.
    score_matrix_ : dict of ndarray of shape (n_spaces, n_candidates)
        For each internal metric the score of every partition in every space that is a yardstick, higher is better (so
        minus the Davies-Bouldin index); NaN where it is not defined, and for other spaces. Candidates that share all
        steps before the clusterer share a space.
    sample_indices_ : ndarray of shape (n_sampled,)
        The rows scored on.
    n_features_in_, feature_names_in_
        Those of ``best_estimator_``.

    Raises
    ------
    ValueError
        If a parameter is out of range or names no metric, `param_grid` is empty, or no candidate found clusters.

    Warns
    -----
    skdeepcluster.exceptions.DegenerateClusteringWarning
        Names the candidates that collapsed, found fewer than two clusters, as many as rows, or too much noise.
    skdeepcluster.exceptions.GridEdgeWarning
        Names the parameters whose best value is the smallest or the largest of three or more numbers in `param_grid`,
        where smaller or larger ones can be tried.
    sklearn.exceptions.FitFailedWarning
        Names the candidates whose fit failed.

    See Also
    --------
    skdeepcluster.metrics.make_clustering_scorer : For `GridSearchCV`.

    References
    ----------
    Z. Wang, C. Ye, "Deep clustering evaluation: how to validate internal clustering validation measures", 2024,
    arXiv:2403.14830.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import Pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster import SparseAutoencoderTransformer
    >>> from skdeepcluster.model_selection import ClusteringSearch
    >>> X, _ = load_iris(return_X_y=True)
    >>> autoencoder = SparseAutoencoderTransformer(8)
    >>> model = Pipeline(
    ...     [
    ...         ("scale", StandardScaler()),
    ...         ("autoencoder", autoencoder),
    ...         ("cluster", KMeans(3)),
    ...     ]
    ... )
    >>> grid = {"autoencoder__rho": [0.1, 0.5], "autoencoder__lam": [0.001, 0.03]}
    >>> search = ClusteringSearch(model, grid, random_state=0).fit(X)
    >>> search.best_params_["autoencoder__lam"]
    0.001
    """

    cv_results_: dict[str, Any]
    best_index_: int
    best_params_: dict[str, Any]
    best_score_: float
    best_estimator_: Any
    labels_: np.ndarray
    score_matrix_: dict[str, np.ndarray]
    sample_indices_: np.ndarray

    _parameter_constraints = {
        "estimator": [HasMethods(["fit_predict"])],
        "param_grid": [dict, list],
        "metric": [StrOptions({"auto", *METRICS}), list, dict],
        "distance": [DISTANCE],
        "n_iter": [Interval(Integral, 1, None, closed="left"), None],
        "refit": ["boolean"],
        "n_jobs": [Integral, None],
        "sample_size": [Interval(Integral, 2, None, closed="left"), None],
        "max_noise": [Number(0, 1, closed="both")],
        "error_score": [StrOptions({"raise"}), "nan"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Clusterer,
        param_grid: dict[str, Any] | list[dict[str, Any]],
        *,
        metric: str | list[str] | dict[str, Any] = "auto",
        distance: Literal["euclidean", "cosine"] = "euclidean",
        n_iter: Int | None = None,
        refit: bool = True,
        n_jobs: Int | None = None,
        sample_size: Int | None = 2000,
        max_noise: Float = 0.5,
        error_score: Literal["raise"] | float = np.nan,
        verbose: Int = 0,
        random_state: RandomState = None,
    ) -> None:
        self.estimator = estimator
        self.param_grid = param_grid
        self.metric = metric
        self.distance = distance
        self.n_iter = n_iter
        self.refit = refit
        self.n_jobs = n_jobs
        self.sample_size = sample_size
        self.max_noise = max_noise
        self.error_score = error_score
        self.verbose = verbose
        self.random_state = random_state

    @unchanged_on_error
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: Any = None, **params: Any) -> Self:
        """Fit every candidate, rank them, and refit the best.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data, as the estimator takes it. A `dask.array` or `dask.dataframe` is computed, once.
        y : None
            Passed to the estimator, which ignores it.
        **params : dict
            Passed to the estimator's ``fit_predict``: ``step__parameter`` goes to a step, or, with metadata routing,
            what the steps request.

        Returns
        -------
        self : ClusteringSearch
            The fitted search.
        """
        with about("X"):
            (X,) = indexable(fetched(X))
            n_samples = _num_samples(X)
        random_state = check_random_state(self.random_state)
        settings = draw_settings(self.param_grid, self.n_iter, random_state)
        candidates = make_candidates(self.estimator, settings, random_state)
        weights = metric_weights(self.metric, candidates)
        rows = self._draw_rows(n_samples, random_state)
        params = self._route(params)
        parallel = Parallel(n_jobs=self.n_jobs, verbose=self.verbose)
        tasks = SearchTasks(self, X, y, has_refit=self.refit)
        spaces, space_of, partitions = fit_candidates(
            candidates,
            X,
            y,
            params=params,
            rows=rows,
            parallel=parallel,
            reraise=self.error_score == "raise",
            distance=self.distance,
            tasks=tasks,
        )
        spaces_of_candidates = [spaces[i] for i in space_of]
        is_judged = judgeable(settings, spaces_of_candidates, partitions, n_samples, self.max_noise)
        yardsticks = find_yardsticks(spaces)
        metrics = [metric for metric in weights if metric != RECONSTRUCTION]
        self.sample_indices_ = rows
        self.score_matrix_ = score_matrix(spaces, yardsticks, partitions, is_judged, metrics, self.distance, parallel)
        errors = np.array([space.reconstruction_error for space in spaces_of_candidates])
        scores, score = candidate_scores(self.score_matrix_, yardsticks, errors, is_judged, weights)
        self.cv_results_ = tabulate(settings, spaces_of_candidates, space_of, partitions, scores, score)
        self.best_index_ = int(np.nanargmax(score))
        self.best_params_ = settings[self.best_index_]
        self.best_score_ = float(score[self.best_index_])
        warn_of_edges(self.param_grid, settings, score, self.best_index_, candidates[self.best_index_])
        self._refit(candidates[self.best_index_], X, y, params, tasks.refit)
        tasks.end()
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        estimator_tags = get_tags(self.estimator)
        tags.input_tags = deepcopy(estimator_tags.input_tags)
        tags.transformer_tags = deepcopy(estimator_tags.transformer_tags) if hasattr(self, "transform") else None
        return tags

    def get_metadata_routing(self) -> MetadataRouter:
        """Metadata that `fit` passes on, see scikit-learn's user guide on metadata routing.

        Returns
        -------
        routing : sklearn.utils.metadata_routing.MetadataRouter
            What the estimator requests for ``fit_predict``.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit_predict")
        return MetadataRouter(owner=self).add(estimator=self.estimator, method_mapping=mapping)

    def _route(self, params):
        if get_config()["enable_metadata_routing"]:
            return process_routing(self, "fit", **params).estimator.fit_predict
        return params

    def _draw_rows(self, n, random_state):
        if self.sample_size is None or self.sample_size >= n:
            return np.arange(n)
        return np.sort(random_state.permutation(n)[: self.sample_size])

    def _refit(self, candidate, X, y, params, task):
        # Remove what an earlier fit with refit=True has left: it does not belong to the new results.
        for name in ("labels_", "best_estimator_"):
            vars(self).pop(name, None)
        if self.refit:
            # A step with copy=False would write to the user's X.
            X = guarded(X, is_writeable(X))
            with task().around(candidate, X, y), errors_named(candidate):
                self.labels_ = np.asarray(candidate.fit_predict(X, y, **params))
            self.best_estimator_ = candidate
