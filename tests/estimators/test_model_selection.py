import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import randint
from sklearn.base import clone
from sklearn.cluster import DBSCAN, KMeans, SpectralClustering
from sklearn.exceptions import NotFittedError
from sklearn.metrics import silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from helpers.reference import FUNCTIONS
from helpers.search import GRID, make_model, search
from skdeepcluster.exceptions import DegenerateClusteringWarning, GridEdgeWarning
from skdeepcluster.metrics._internal import INTERNAL_METRICS
from skdeepcluster.model_selection import ClusteringSearch
from skdeepcluster.model_selection._pooling import pooled_scores


def test_score_matrix_by_hand(blobs):
    grid = {"code__rho": [0.1, 0.3, 0.5], "cluster__n_clusters": [4, 6]}
    fitted = search(blobs, grid=grid, metric=list(FUNCTIONS))
    assert list(fitted.score_matrix_) == list(FUNCTIONS)
    spaces, labelings, errors = {}, [], {}
    for params, space in zip(fitted.cv_results_["params"], fitted.cv_results_["space"]):
        # The refitted estimator has the random states that all candidates had.
        model = clone(fitted.best_estimator_).set_params(**params)
        labelings.append(model.fit_predict(blobs))
        spaces[space] = model[:-1].transform(blobs)
        errors[space] = -model["code"].score(model[:1].transform(blobs))
    assert sorted(spaces) == [0, 1, 2]
    # Of three spaces, two are yardsticks.
    worst = max(errors, key=errors.get)
    for metric, function in FUNCTIONS.items():
        expected = np.array([[function(spaces[space], labels) for labels in labelings] for space in sorted(spaces)])
        expected[worst] = np.nan
        assert_allclose(fitted.score_matrix_[metric], expected, rtol=1e-9)


def test_every_metric_is_tested_by_hand():
    assert list(FUNCTIONS) == list(INTERNAL_METRICS)


def test_results_rank_the_candidates_by_their_scores(blobs):
    fitted = search(blobs, metric={"silhouette": 2, "davies_bouldin": 1, "reconstruction": 0.5})
    results = pd.DataFrame(fitted.cv_results_)
    for metric, S in fitted.score_matrix_.items():
        assert_allclose(results[f"score_{metric}"], pooled_scores(S[~np.isnan(S).all(axis=1)]))
    ranks = results["reconstruction_error"].rank(ascending=False) / len(results)
    assert_allclose(results["score_reconstruction"], ranks)
    mean = (2 * results["score_silhouette"] + results["score_davies_bouldin"] + 0.5 * ranks) / 3.5
    assert_allclose(results["score"], mean)
    assert results["score"].idxmax() == fitted.best_index_
    assert results["rank"].iloc[fitted.best_index_] == 1
    assert fitted.best_params_ == results["params"].iloc[fitted.best_index_]
    assert fitted.best_score_ == results["score"].max()
    assert list(results["param_code__rho"]) == [params["code__rho"] for params in results["params"]]
    assert list(results["n_clusters"]) == [params["cluster__n_clusters"] for params in results["params"]]
    assert (results["n_noise"] == 0).all()
    assert not results["collapsed"].any()
    assert (results["fit_time"] > 0).all()


def test_auto_is_a_weighted_mean_of_three_metrics(blobs):
    auto, weighted = (
        search(blobs, grid={"code__rho": [0.1, 0.5]}, metric=metric)
        for metric in ("auto", {"neighbor_information": 1, "davies_bouldin": 0.3, "reconstruction": 0.4})
    )
    assert_array_equal(auto.cv_results_["score"], weighted.cv_results_["score"])
    assert list(auto.score_matrix_) == ["neighbor_information", "davies_bouldin"]


@pytest.mark.parametrize(
    "model, grid",
    [
        (KMeans(n_init=1), {"n_clusters": [4, 6]}),
        (make_model(), {"cluster": [KMeans(4, n_init=1), KMeans(6, n_init=1)]}),
        (make_model(), {"cluster": [KMeans(4, n_init=1), GaussianMixture(6)]}),
        (make_model(GaussianMixture()), {"cluster__n_components": [4, 6]}),
        (make_pipeline(StandardScaler(), make_pipeline(KMeans(n_init=1))), {"pipeline__kmeans__n_clusters": [4, 6]}),
        (ClusteringSearch(KMeans(n_init=1), {"tol": [1e-4]}, random_state=0), {"estimator__n_clusters": [4, 6]}),
    ],
)
def test_auto_does_not_favour_many_clusters_where_the_grid_has_their_number(blobs, model, grid):
    auto, listed = (
        search(blobs, model, grid, metric=metric, refit=False)
        for metric in ("auto", ["neighbor_information", "davies_bouldin", "silhouette"])
    )
    assert list(auto.score_matrix_) == ["neighbor_information", "davies_bouldin", "silhouette"]
    assert_array_equal(auto.cv_results_["score"], listed.cv_results_["score"])


@pytest.mark.parametrize(
    "model, grid",
    [
        # Found numbers that nobody asked for, as those of DBSCAN, are no matter of the grid.
        (DBSCAN(min_samples=3), {"eps": [1.0, 1.5]}),
        (make_model(), {"cluster": [KMeans(6, n_init=1), GaussianMixture(6)]}),
        (make_model(SpectralClustering(6)), {"cluster__n_components": [4, 6]}),
        (make_model(), {"code__n_components": [4, 6]}),
    ],
)
def test_auto_is_for_a_given_number_of_clusters_otherwise(blobs, model, grid):
    fitted = search(blobs, model, grid, refit=False, max_noise=1.0)
    assert list(fitted.score_matrix_) == ["neighbor_information", "davies_bouldin"]


def test_auto_finds_the_number_of_clusters(blobs):
    # The information of neighbours alone would take 14.
    fitted = search(blobs, KMeans(n_init=3), {"n_clusters": [2, 4, 6, 10, 14]})
    assert fitted.best_params_ == {"n_clusters": 6}


def test_a_winner_at_the_edge_of_the_grid_is_a_warning(blobs):
    for values, words in (([2, 3, 4], "n_clusters=4, the largest"), ([6, 9, 12], "n_clusters=6, the smallest")):
        with pytest.warns(GridEdgeWarning, match=words):
            search(blobs, KMeans(n_init=3), {"n_clusters": values}, refit=False)
    with pytest.warns(GridEdgeWarning, match=r"code__lam=0\.001, the smallest"):
        search(blobs, grid={"code__lam": [1e-3, 1e-2, 1e-1]})


def test_a_winner_inside_the_grid_or_drawn_is_none(blobs):
    search(blobs, KMeans(n_init=3), {"n_clusters": [4, 6, 8]}, refit=False)
    search(blobs, KMeans(n_init=3), {"n_clusters": randint(2, 5)}, n_iter=3, refit=False)


def test_metrics_in_a_list_weigh_alike(blobs):
    fitted = search(blobs, metric=["silhouette", "davies_bouldin"])
    results = pd.DataFrame(fitted.cv_results_)
    assert_allclose(results["score"], results[["score_silhouette", "score_davies_bouldin"]].mean(axis=1))


def test_reconstruction_does_not_count_without_an_autoencoder(blobs):
    fitted = search(blobs, KMeans(n_init=2), {"n_clusters": [2, 3]})
    assert "score_reconstruction" not in fitted.cv_results_
    with pytest.raises(ValueError, match="metric='reconstruction' needs an autoencoder"):
        search(blobs, KMeans(n_init=2), {"n_clusters": [2, 3]}, metric="reconstruction")


def test_the_refitted_estimator_is_the_candidate_that_was_scored(blobs):
    model, grid = make_model(KMeans(init="random", n_init=1)), {"cluster__n_clusters": [6, 9]}
    fitted = search(blobs, model, grid, metric="silhouette")
    expected = silhouette_score(fitted.best_estimator_[:-1].transform(blobs), fitted.labels_)
    assert_allclose(fitted.score_matrix_["silhouette"][0, fitted.best_index_], expected)
    assert_array_equal(fitted.predict(blobs), fitted.labels_)
    assert_allclose(fitted.transform(blobs), fitted.best_estimator_.transform(blobs))
    again = ClusteringSearch(model, grid, metric="silhouette", random_state=0)
    assert_array_equal(again.fit_predict(blobs), fitted.labels_)
    assert_allclose(again.fit_transform(blobs), fitted.transform(blobs))
    assert fitted.best_estimator_["cluster"].n_clusters == fitted.best_params_["cluster__n_clusters"]


def test_reconstruction_error_is_that_of_the_autoencoder(blobs):
    fitted = search(blobs)
    *_, autoencoder, _ = fitted.best_estimator_
    X = fitted.best_estimator_[:1].transform(blobs)
    error = -autoencoder.score(X) / np.var(X, axis=0).mean()
    assert_allclose(fitted.cv_results_["reconstruction_error"][fitted.best_index_], error)
    without = search(blobs, KMeans(n_init=2), {"n_clusters": [2, 3]})
    assert np.isnan(without.cv_results_["reconstruction_error"]).all()


@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.GridEdgeWarning")
@pytest.mark.parametrize("n_spaces, n_per_space", [(3, 1), (1, 4)])
def test_results_do_not_depend_on_n_jobs(blobs, n_spaces, n_per_space):
    grid = {"code__rho": [0.1, 0.3, 0.5][:n_spaces], "cluster__n_clusters": range(4, 4 + n_per_space)}
    one, two = (search(blobs, grid=grid, metric=list(FUNCTIONS), n_jobs=n_jobs) for n_jobs in (1, 2))
    for metric in FUNCTIONS:
        assert_array_equal(one.score_matrix_[metric], two.score_matrix_[metric])
    results = [pd.DataFrame(fitted.cv_results_).drop(columns="fit_time") for fitted in (one, two)]
    pd.testing.assert_frame_equal(*results)
    assert_array_equal(one.labels_, two.labels_)


def test_scores_take_a_sample_of_the_rows(blobs):
    fitted = search(blobs, grid={"cluster__n_clusters": [4, 6]}, metric="silhouette", sample_size=100)
    assert len(np.unique(fitted.sample_indices_)) == 100
    Z, rows = fitted.best_estimator_[:-1].transform(blobs), fitted.sample_indices_
    expected = silhouette_score(Z[rows], fitted.labels_[rows])
    assert_allclose(fitted.score_matrix_["silhouette"][0, fitted.best_index_], expected)
    assert len(fitted.labels_) == len(blobs)


def test_n_iter_draws_from_distributions(blobs):
    fitted = search(blobs, grid={"cluster__n_clusters": randint(2, 8)}, n_iter=3)
    assert len(fitted.cv_results_["params"]) == 3
    assert len(fitted.score_matrix_["neighbor_information"]) == 1


def test_a_list_of_grids_masks_what_a_candidate_does_not_set(blobs):
    fitted = search(blobs, grid=[{"code__rho": [0.2]}, {"code__lam": [0.01]}])
    assert list(fitted.cv_results_["param_code__rho"].mask) == [False, True]
    assert list(fitted.cv_results_["param_code__lam"].mask) == [True, False]


# Bad input, and states of the search


@pytest.mark.parametrize("param_grid", [{}, []])
def test_an_empty_grid_is_an_error(blobs, param_grid):
    with pytest.raises(ValueError, match=r"param_grid=.* is empty"):
        search(blobs, grid=param_grid)


def test_a_failed_fit_leaves_a_fitted_search_as_it_was(blobs, monkeypatch):
    fitted = search(blobs)
    before = dict(vars(fitted))

    def fail(*arguments):
        raise RuntimeError("at the refit")

    monkeypatch.setattr(ClusteringSearch, "_refit", fail)
    with pytest.raises(RuntimeError, match="at the refit"):
        fitted.fit(blobs[:300])
    assert vars(fitted) == before


@pytest.mark.parametrize(
    "metric", ["entropy", ["silhouette", "entropy"], [], [["silhouette"]], {"silhouette": 0}, {"silhouette": "1"}]
)
def test_unknown_metrics_are_errors(blobs, metric):
    with pytest.raises(ValueError, match="metric"):
        search(blobs, metric=metric)


def test_without_refit_there_are_no_labels(blobs):
    fitted = search(blobs, refit=False)
    assert not hasattr(fitted, "labels_")
    assert not hasattr(fitted, "predict")
    assert not hasattr(fitted, "n_features_in_")
    assert fitted.best_params_ in fitted.cv_results_["params"]
    with pytest.raises(ValueError, match="refit=False keeps no labels"):
        ClusteringSearch(make_model(), GRID, refit=False).fit_predict(blobs)


def test_without_refit_nothing_stays_of_an_earlier_fit(blobs):
    fitted = search(blobs)
    fitted.set_params(refit=False).fit(blobs[:, :7])
    assert not hasattr(fitted, "labels_")
    assert not hasattr(fitted, "best_estimator_")
    assert not hasattr(fitted, "n_features_in_")


def test_an_unfitted_search_says_so(blobs):
    unfitted = ClusteringSearch(KMeans(), {"n_clusters": [2]})
    with pytest.raises(NotFittedError):
        unfitted.predict(blobs)
    with pytest.raises(NotFittedError):
        unfitted.transform(blobs)


@parametrize_with_checks(
    [ClusteringSearch(KMeans(n_init=1), {"n_clusters": [2, 3]}, random_state=0, error_score="raise")]
)
def test_estimator_checks(estimator, check):
    with warnings.catch_warnings():
        # Some of the checks' data have few rows.
        warnings.simplefilter("ignore", DegenerateClusteringWarning)
        check(estimator)
