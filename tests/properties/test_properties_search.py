"""Generated input for searches and estimates: results of the documented shape, or an error that says why."""

import warnings
from numbers import Integral

import numpy as np
import pytest
from hypothesis import strategies as st
from scipy.stats import uniform
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.properties import ESTIMATORS_OF_USERS, assert_finite, attempt, cases
from helpers.state import state_of
from helpers.strategies import good_tables, n_rows, parameters, tables
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.model_selection import ClusteringSearch, estimate_eps, estimate_n_clusters

GOOD = np.random.RandomState(0).normal(size=(20, 4)) + 4 * (np.arange(20) % 3)[:, np.newaxis]
AUTOENCODER = SparseAutoencoderTransformer(2, max_iter=2)
METRICS = ("silhouette", "calinski_harabasz", "davies_bouldin", "neighbor_information")
METRICS += ("neighbor_modularity", "reconstruction")
ESTIMATORS = {
    "kmeans": (KMeans(2, n_init=1), [{"n_clusters": [2, 3]}, {"n_clusters": [1, 2, 50]}]),
    "dbscan": (DBSCAN(min_samples=2), [{"eps": [0.1, 1.0, 100.0]}, {"eps": uniform(0.1, 3)}]),
    "pipeline": (
        make_pipeline(AUTOENCODER, KMeans(2, n_init=1)),
        [{"sparseautoencodertransformer__lam": [0.001, 1.0]}, {"kmeans__n_clusters": [2, 0]}],
    ),
    "scaled": (
        make_pipeline(StandardScaler(), AUTOENCODER, AgglomerativeClustering(2)),
        [{"agglomerativeclustering__linkage": ["ward", "nothing"]}, [{"standardscaler": ["passthrough"]}]],
    ),
    "none": (StandardScaler(), [{"with_mean": [True]}]),
}
SEARCH = {
    "metric": ("auto", *METRICS, ["silhouette", "davies_bouldin"], {"reconstruction": 1.0, "silhouette": 2}, {"x": 1}),
    "n_iter": (None, 1, 2),
    "refit": (True, False),
    "n_jobs": (None, 1),
    "sample_size": (None, 2, 5, 2000),
    "max_noise": (0, 0.5, 1.0),
    "error_score": ("raise", np.nan),
    "random_state": (0, None),
    "param_grid": ({}, [], [{}], {"nothing": [1]}, {"n_clusters": 3}, {"n_clusters": []}),
}


@pytest.mark.parametrize("is_refit", [False, True])
@cases(1.2, X=good_tables() | tables(), data=st.data())
def test_search(is_refit, X, data):
    estimator, grids = ESTIMATORS[data.draw(st.sampled_from(sorted(ESTIMATORS)))]
    arguments = {"param_grid": data.draw(st.sampled_from(grids)), "random_state": 0, **data.draw(parameters(SEARCH, 2))}
    if isinstance(arguments.get("n_jobs"), Integral) and arguments["n_jobs"] not in (0, 1):
        arguments["n_jobs"] = 1  # Processes take their time.
    search = ClusteringSearch(estimator, **arguments)
    if is_refit:
        good = ClusteringSearch(KMeans(n_init=1, random_state=0), {"n_clusters": [2, 3]}).fit(GOOD)
        search = good.set_params(estimator=estimator, **arguments)
    before = state_of(search)
    names = [*search.get_params(), "candidates", "fit_predict"]
    y = data.draw(st.sampled_from([None, "y"]))
    _, error = attempt(search.fit, X, y, names=names, others=ESTIMATORS_OF_USERS)
    if error is not None:
        assert state_of(search) == before
        return
    assert 0 < search.best_score_ <= 1
    scores = search.cv_results_["score"]
    assert scores[search.best_index_] == search.best_score_ == np.nanmax(scores)
    assert len(search.sample_indices_) == min(n_rows(X), search.sample_size or np.inf)
    if search.refit:
        assert search.labels_.shape == (n_rows(X),)
        assert search.labels_.dtype.kind in "iu"
        check_outputs(search, data.draw(st.just(X) | tables(d=4)))


def check_outputs(search, X):
    """What a search that was refitted makes of X."""
    for method in ("predict", "transform"):
        if hasattr(search, method):
            outputs, error = attempt(getattr(search, method), X, others=ESTIMATORS_OF_USERS)
            if error is None:
                assert len(outputs) == n_rows(X)
                assert_finite(outputs)


@cases(2, Z=good_tables(sparse=False) | tables(), options=parameters({"min_samples": (2, 3, 5, 50)}))
def test_estimate_eps(Z, options):
    estimate, error = attempt(estimate_eps, Z, **options, names=["eps"])
    if error is None:
        assert_finite(estimate.eps, estimate.distances)
        assert estimate.eps > 0
        assert estimate.distances.shape == (n_rows(Z),)
        assert 0 <= estimate.knee < n_rows(Z)


ESTIMATE = {
    "k_range": (range(2, 4), [2], [3, 2], np.array([2, 3]), range(0), [1, 2], [2.0], ["2"], [2, 2], range(1, 20)),
    "method": ("modularity", "silhouette", "gap", "stability"),
    "n_repeats": (1, 2),
    "random_state": (0, None),
}


@cases(2, Z=good_tables(sparse=False) | tables(), data=st.data())
def test_estimate_n_clusters(Z, data):
    options = {"k_range": range(2, 4), "n_repeats": 2, **data.draw(parameters(ESTIMATE))}
    estimate, error = attempt(estimate_n_clusters, Z, **options)
    if error is None:
        assert estimate.n_clusters in estimate.k_range
        assert estimate.scores.shape == estimate.errors.shape == estimate.k_range.shape
        assert_finite(estimate.scores)
        assert np.isnan(estimate.errors).all() == (options.get("method", "modularity") in ("modularity", "silhouette"))


@pytest.mark.parametrize("scale", [1e300, 1e160, 1e-160, 1e-300])
def test_estimates_follow_the_scale(scale):
    expected = estimate_eps(GOOD, 3)
    estimate = estimate_eps(GOOD * scale, 3)
    assert estimate.eps == pytest.approx(expected.eps * scale, rel=1e-6)
    assert estimate.knee == expected.knee
    for method in ESTIMATE["method"]:
        options = {"k_range": range(2, 5), "method": method, "n_repeats": 2, "random_state": 0}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = estimate_n_clusters(GOOD, **options)
        assert estimate_n_clusters(GOOD * scale, **options).n_clusters == expected.n_clusters


def test_distances_that_overflow_are_an_error():
    with pytest.raises(ValueError, match=r"Distances between rows of Z are not finite.* Divide Z"):
        estimate_eps([[1.7e308], [-1.7e308], [0.0], [1e308]], 3)


def test_the_gap_needs_an_inertia():
    Z = GOOD.copy()
    Z[0, 0] = 1e300
    with pytest.raises(ValueError, match=r"method='gap' .* is 0 for 2 clusters: .* Leave out rows far from all others"):
        estimate_n_clusters(Z, k_range=range(2, 4), method="gap", random_state=0)
