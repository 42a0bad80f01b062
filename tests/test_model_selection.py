import time
import tracemalloc
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from _reference import FUNCTIONS
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from scipy.stats import randint
from sklearn.base import BaseEstimator, ClusterMixin, clone
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.exceptions import CollapsedCodeWarning, DegenerateClusteringWarning
from skdeepcluster.metrics._internal import INTERNAL_METRICS
from skdeepcluster.model_selection import ClusteringSearch
from skdeepcluster.model_selection._candidates import Features
from skdeepcluster.model_selection._pooling import candidate_scores, find_yardsticks, pooled_scores

GRID = {"code__rho": [0.1, 0.5], "cluster__n_clusters": [4, 6]}


def make_model(clusterer=None, **params):
    return Pipeline(
        [
            ("scale", StandardScaler()),
            ("code", SparseAutoencoderTransformer(4, max_iter=20, tol=0.1, **params)),
            ("cluster", clusterer or KMeans(6, n_init=2)),
        ]
    )


def search(X, model=None, grid=GRID, **params):
    return ClusteringSearch(model or make_model(), grid, **{"random_state": 0, **params}).fit(X)


# Pooling


def test_pooled_scores_by_hand():
    S = np.array([[1.0, 5.0, 3.0], [10.0, 10.0, -5.0], [np.nan, 2.0, 1.0]])
    ranks = np.array([[1, 3, 2], [2.5, 2.5, 1], [1, 3, 2]])
    assert_allclose(pooled_scores(S), ranks.mean(axis=0) / 3)


def test_a_partition_that_every_space_ranks_first_has_score_one():
    assert_allclose(pooled_scores(np.array([[0.1, 0.2], [-5.0, 100.0]])), [0.5, 1])


def test_yardsticks_are_the_sound_spaces_that_reconstruct_best():
    errors = [0.5, 0.1, 0.4, 0.2, 0.3, 0.0, 0.0]
    spaces = [Features(None, reconstruction_error=error) for error in errors]
    spaces[5] = spaces[5]._replace(collapsed=True)
    spaces[6] = spaces[6]._replace(failure="no luck")
    assert_array_equal(find_yardsticks(spaces), [1, 3, 4])
    assert_array_equal(find_yardsticks(spaces[:1]), [0])
    without_autoencoder = Features(None)
    assert_array_equal(find_yardsticks([*spaces[4:6], without_autoencoder]), [0, 2])


def test_candidate_scores_by_hand():
    S = {"silhouette": np.array([[0.1, 0.2, np.nan], [9.0, 1.0, np.nan], [0.2, 0.3, np.nan]])}
    is_judged = np.array([True, True, False])
    errors = np.array([0.1, 0.4, 0.0])
    weights = {"silhouette": 3, "reconstruction": 1}
    scores, score = candidate_scores(S, [0, 2], errors, is_judged, weights)
    assert_allclose(scores["silhouette"], [0.5, 1, np.nan])
    assert_allclose(scores["reconstruction"], [1, 0.5, np.nan])
    assert_allclose(score, [(3 * 0.5 + 1) / 4, (3 + 0.5) / 4, np.nan])
    # Without an autoencoder everywhere, reconstruction does not count.
    scores, score = candidate_scores(S, [0, 2], np.array([0.1, np.nan, 0.0]), is_judged, weights)
    assert list(scores) == ["silhouette"]
    assert_allclose(score, [0.5, 1, np.nan])


# What the search finds


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
        search(blobs, metric=metric)
        for metric in ("auto", {"neighbor_information": 1, "davies_bouldin": 0.3, "reconstruction": 0.4})
    )
    assert_array_equal(auto.cv_results_["score"], weighted.cv_results_["score"])
    assert list(auto.score_matrix_) == ["neighbor_information", "davies_bouldin"]


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


@pytest.mark.parametrize("n_spaces, n_per_space", [(3, 1), (1, 4)])
def test_results_do_not_depend_on_n_jobs(blobs, n_spaces, n_per_space):
    grid = {"code__rho": [0.1, 0.3, 0.5][:n_spaces], "cluster__n_clusters": range(3, 3 + n_per_space)}
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


# Shared work


class CountingScaler(StandardScaler):
    n_fits = 0

    def fit(self, X, y=None, sample_weight=None):
        type(self).n_fits += 1
        return super().fit(X, y, sample_weight)


class CountingAutoencoder(SparseAutoencoderTransformer):
    n_fits = 0

    def fit(self, X, y=None, sample_weight=None):
        type(self).n_fits += 1
        return super().fit(X, y, sample_weight)


def test_shared_steps_are_fitted_once(blobs):
    CountingScaler.n_fits = CountingAutoencoder.n_fits = 0
    model = Pipeline(
        [
            ("scale", CountingScaler()),
            ("code", CountingAutoencoder(2, max_iter=20, tol=0.1)),
            ("cluster", KMeans(n_init=1)),
        ]
    )
    grid = {"scale__with_mean": [True, False], "code__rho": [0.2, 0.5], "cluster__n_clusters": [2, 3, 4]}
    fitted = search(blobs, model, grid, refit=False)
    assert CountingScaler.n_fits == 2
    assert CountingAutoencoder.n_fits == 4
    assert fitted.score_matrix_["neighbor_information"].shape == (4, 12)


def test_the_time_of_a_candidate_includes_its_shared_steps(blobs):
    class SlowScaler(StandardScaler):
        def fit(self, X, y=None, sample_weight=None):
            time.sleep(0.05)
            return super().fit(X, y, sample_weight)

    model = Pipeline([("scale", SlowScaler()), ("pca", PCA(2)), ("cluster", KMeans(n_init=1))])
    fitted = search(blobs, model, {"cluster__n_clusters": [2, 3]}, refit=False)
    assert (fitted.cv_results_["fit_time"] > 0.05).all()


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("container", [np.array, pd.DataFrame, csr_array])
def test_a_step_cannot_write_to_what_others_share(blobs, n_jobs, container):
    X = container(3 * blobs)
    before = X.copy()
    scaler = StandardScaler(with_mean=container is not csr_array)
    clusterer = KMeans(6, n_init=1, copy_x=False, random_state=0)
    model = Pipeline([("scale", "passthrough"), ("cluster", clusterer)])
    grid = {"scale": [clone(scaler).set_params(copy=False), "passthrough"], "cluster__tol": [1e-4, 1e-3]}
    fitted = search(X, model, grid, n_jobs=n_jobs, metric="davies_bouldin", refit=False)
    dense = [data.toarray() if container is csr_array else np.asarray(data) for data in (X, before)]
    assert_array_equal(*dense)
    spaces = clone(scaler).fit_transform(before), before
    for params, scores in zip(fitted.cv_results_["params"], fitted.score_matrix_["davies_bouldin"].T):
        Z = before if params["scale"] == "passthrough" else spaces[0]
        labels = clone(clusterer).set_params(copy_x=True, tol=params["cluster__tol"]).fit_predict(Z)
        expected = [-davies_bouldin_score(np.asarray(space @ np.eye(15)), labels) for space in spaces]
        assert_allclose(scores, expected)


def test_read_only_data_is_not_copied(blobs):
    seen = []

    class Recorder(BaseEstimator):
        def fit(self, X, y=None):
            return self

        def transform(self, X):
            seen.append(X)
            return X

    model = Pipeline([("record", Recorder()), ("cluster", KMeans(6, n_init=1))])
    for X, is_shared in ((blobs, True), (blobs.copy(), False)):
        search(X, model, {"cluster__n_clusters": [5, 6]}, metric="silhouette", refit=False)
        assert [np.shares_memory(Z, X) for Z in seen] == [is_shared] * len(seen)
        assert not any(Z.flags.writeable for Z in seen) or not is_shared
        seen.clear()


@pytest.mark.parametrize(
    "last, grid",
    [
        # Spaces are kept at the sampled rows only, fitted clusterers (with the data, as DBSCAN's) not at all.
        (KMeans(2, n_init=1, max_iter=1), {"pca__tol": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]}),
        (DBSCAN(min_samples=2), {"cluster__eps": [5.0, 5.1, 5.2, 5.3, 5.4, 5.5, 5.6, 5.7]}),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_memory_does_not_grow_with_the_number_of_candidates(rng, last, grid):
    X = rng.randint(20, size=(4000, 30)) / 20 + np.repeat([0, 50], 2000)[:, np.newaxis]
    model = Pipeline([("pca", PCA(30)), ("cluster", last)])
    peaks = []
    for n_tried in (2, 8):
        tried = {name: values[:n_tried] for name, values in grid.items()}
        tracemalloc.start()
        search(X, model, tried, sample_size=50, refit=False, max_noise=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + X.nbytes


def test_what_cannot_be_hashed_is_not_shared(blobs):
    model = Pipeline([("half", FunctionTransformer(lambda X: X[:, :7])), ("cluster", KMeans(n_init=1))])
    fitted = search(blobs, model, {"cluster__n_clusters": [5, 6]}, metric="silhouette")
    assert fitted.score_matrix_["silhouette"].shape == (2, 2)


# Clusterers and pipelines


@pytest.mark.parametrize(
    "clusterer, grid",
    [
        (DBSCAN(), {"cluster__eps": [0.1, 0.2]}),
        (HDBSCAN(copy=True), {"cluster__min_cluster_size": [5, 20]}),
        (AgglomerativeClustering(), {"cluster__n_clusters": [3, 6]}),
        (GaussianMixture(), {"cluster__n_components": [3, 6]}),
    ],
)
def test_clusterers(blobs, clusterer, grid):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateClusteringWarning)
        fitted = search(blobs, make_model(clusterer), grid)
    assert len(fitted.labels_) == len(blobs)
    assert hasattr(fitted, "predict") == hasattr(clusterer, "predict")
    noise = fitted.cv_results_["n_noise"][fitted.best_index_]
    assert noise == np.sum(fitted.labels_ == -1)
    assert fitted.cv_results_["n_clusters"][fitted.best_index_] == len(set(fitted.labels_) - {-1})


def test_nested_in_a_pipeline_and_around_one(blobs):
    inner = Pipeline([("code", SparseAutoencoderTransformer(4, max_iter=20, tol=0.1)), ("pca", PCA(2))])
    model = Pipeline([("features", inner), ("cluster", KMeans(6, n_init=2))])
    grid = {"features__code__rho": [0.2, 0.5], "features__pca": [PCA(2), "passthrough"]}
    outer = make_pipeline(StandardScaler(), ClusteringSearch(model, grid, random_state=0))
    labels = outer.fit_predict(blobs)
    assert_array_equal(outer.predict(blobs), labels)
    assert np.isfinite(outer[-1].cv_results_["reconstruction_error"]).all()
    assert outer[-1].score_matrix_["neighbor_information"].shape == (4, 4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_pipeline_may_end_in_a_pipeline(blobs):
    flat = make_model()
    nested = Pipeline([flat.steps[0], ("inner", Pipeline(flat.steps[1:]))])
    values = {"code__random_state": [0], "cluster__random_state": [0]}
    grids = {"code__lam": [1e-3, 1e3], **values}, {"inner__code__lam": [1e-3, 1e3]}
    with pytest.warns(DegenerateClusteringWarning, match="candidate 1.*its space has collapsed"):
        one = search(blobs, flat, grids[0])
    with pytest.warns(DegenerateClusteringWarning, match="candidate 1.*its space has collapsed"):
        two = search(blobs, nested, {**grids[1], **{f"inner__{name}": value for name, value in values.items()}})
    assert_array_equal(one.score_matrix_["neighbor_information"], two.score_matrix_["neighbor_information"])
    assert_array_equal(one.cv_results_["collapsed"], [False, True])


def test_a_step_may_be_left_out(blobs):
    fitted = search(blobs, grid={"scale": ["passthrough", None, StandardScaler()]})
    assert_array_equal(fitted.cv_results_["space"], [0, 0, 1])


def test_candidates_may_have_different_numbers_of_steps(blobs):
    model = make_model()
    short = [model.steps[0], model.steps[-1]]
    grid = [{"steps": [short]}, {"steps": [model.steps], "code__rho": [0.1, 0.5]}]
    fitted = search(blobs, model, grid)
    assert_array_equal(fitted.cv_results_["space"], [0, 1, 2])
    assert_array_equal(np.isnan(fitted.cv_results_["reconstruction_error"]), [True, False, False])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_collapse_anywhere_counts_and_the_last_reconstruction(blobs):
    def autoencoder(lam=1e-3):
        return SparseAutoencoderTransformer(4, lam=lam, max_iter=20, tol=0.1, random_state=0)

    steps = [("code", autoencoder()), ("scale", StandardScaler()), ("second", autoencoder())]
    flat = Pipeline([*steps, ("cluster", KMeans(6, n_init=1))])
    nested = Pipeline([("features", Pipeline(steps)), ("cluster", KMeans(6, n_init=1))])
    for model, name in ((flat, "code__lam"), (nested, "features__code__lam")):
        with pytest.warns(DegenerateClusteringWarning, match="candidate 1"):
            fitted = search(blobs, model, {name: [1e-3, 1e3]})
        assert_array_equal(fitted.cv_results_["collapsed"], [False, True])
        *before, second = clone(Pipeline(steps)).fit(blobs).steps
        Z = Pipeline(before).transform(blobs)
        error = -second[1].score(Z) / np.var(Z, axis=0).mean()
        assert_allclose(fitted.cv_results_["reconstruction_error"][0], error)


def test_transformers_without_fit_transform(blobs):
    class Double(BaseEstimator):
        def fit(self, X, y=None):
            return self

        def transform(self, X):
            return 2 * X

    model = Pipeline([("double", Double()), ("cluster", KMeans(6, n_init=1))])
    fitted = search(blobs, model, {"double": [Double(), "passthrough"]}, metric="calinski_harabasz")
    assert_allclose(fitted.score_matrix_["calinski_harabasz"][0], fitted.score_matrix_["calinski_harabasz"][1])


def test_sparse_data(blobs):
    X = np.where(blobs > 0, blobs, 0)
    one, two = (search(data, make_model()[1:]) for data in (X, csr_array(X)))
    assert_allclose(one.cv_results_["reconstruction_error"], two.cv_results_["reconstruction_error"], rtol=1e-6)
    assert_allclose(one.score_matrix_["neighbor_information"], two.score_matrix_["neighbor_information"], rtol=1e-6)
    direct = search(csr_array(X), KMeans(n_init=1), {"n_clusters": [5, 6]}, metric="silhouette")
    assert_allclose(direct.score_matrix_["silhouette"][0, direct.best_index_], silhouette_score(X, direct.labels_))


def test_every_step_has_a_seed_of_its_own(blobs):
    best = search(blobs).best_estimator_
    seeds = best["code"].random_state, best["cluster"].random_state
    assert len(set(seeds)) == 2
    assert all(isinstance(seed, int) for seed in seeds)


def test_weights_go_to_the_steps_of_each_candidate(blobs):
    weights = np.r_[np.ones(300), np.zeros(300)]
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        unweighted, weighted = (
            KMeans(6, n_init=1, random_state=0).set_fit_request(sample_weight=request) for request in (False, True)
        )
        model = Pipeline([("scale", scaler), ("cluster", unweighted)])
        fitted = ClusteringSearch(model, {"cluster": [unweighted, weighted]}, metric="silhouette", random_state=0)
        fitted.fit(blobs, sample_weight=weights)
        Z = clone(scaler).fit_transform(blobs, sample_weight=weights)
    expected = [
        silhouette_score(Z, KMeans(6, n_init=1, random_state=0).fit_predict(Z, sample_weight=w))
        for w in (None, weights)
    ]
    assert_allclose(fitted.score_matrix_["silhouette"], [expected])


def test_sample_weights_reach_the_step_they_are_for(blobs):
    weights = np.r_[np.ones(300), np.zeros(300)]
    fitted = search(blobs, grid={"code__rho": [0.2, 0.5]})
    weighted = ClusteringSearch(make_model(), {"code__rho": [0.2, 0.5]}, random_state=0)
    weighted.fit(blobs, code__sample_weight=weights)
    expected = clone(weighted.best_estimator_).fit(blobs, code__sample_weight=weights)
    assert_array_equal(weighted.best_estimator_["code"].coefs_[0], expected["code"].coefs_[0])
    errors = (result.cv_results_["reconstruction_error"] for result in (weighted, fitted))
    assert not np.allclose(*errors)
    with sklearn.config_context(enable_metadata_routing=True):
        model = make_model()
        model["code"].set_fit_request(sample_weight=True)
        model["scale"].set_fit_request(sample_weight=False)
        model["cluster"].set_fit_request(sample_weight=False)
        routed = ClusteringSearch(model, {"code__rho": [0.2, 0.5]}, random_state=0).fit(blobs, sample_weight=weights)
    assert_array_equal(routed.cv_results_["reconstruction_error"], weighted.cv_results_["reconstruction_error"])


def test_a_parameter_for_no_step_is_an_error(blobs):
    with pytest.raises(ValueError, match="'sample_weight' goes to no step"):
        ClusteringSearch(make_model(), GRID).fit(blobs, sample_weight=np.ones(len(blobs)))


def test_frames_keep_their_names(blobs):
    frame = pd.DataFrame(blobs).add_prefix("x")
    fitted = search(frame)
    assert list(fitted.feature_names_in_) == list(frame.columns)
    assert fitted.n_features_in_ == 15


# Bad candidates


class Failing(ClusterMixin, BaseEstimator):
    def __init__(self, n_clusters=6, fails=False):
        self.n_clusters = n_clusters
        self.fails = fails

    def fit(self, X, y=None):
        if self.fails:
            raise RuntimeError("no luck")
        self.labels_ = KMeans(self.n_clusters, n_init=2, random_state=0).fit_predict(X)
        return self


def test_a_degenerate_grid_finds_the_right_winner_and_names_the_others(blobs):
    grid = [
        {"code__lam": [1e-3]},
        {"code__lam": [1e3]},
        {"cluster__n_clusters": [1]},
        {"cluster__fails": [True]},
        {"cluster__n_clusters": [2]},
    ]
    with pytest.warns() as record:
        fitted = search(blobs, make_model(Failing()), grid)
    assert fitted.best_index_ == 0
    assert list(fitted.cv_results_["rank"]) == [1, 3, 3, 3, 2]
    assert list(fitted.cv_results_["collapsed"]) == [False, True, False, False, False]
    (degenerate,) = [str(w.message) for w in record if w.category is DegenerateClusteringWarning]
    assert "2 of 5 candidates" in degenerate
    assert "candidate 1, {'code__lam': 1000.0}: its space has collapsed" in degenerate
    assert "candidate 2, {'cluster__n_clusters': 1}: it found 1 cluster" in degenerate
    (failed,) = [str(w.message) for w in record if w.category is FitFailedWarning]
    assert "candidate 3, {'cluster__fails': True}: RuntimeError: no luck" in failed
    # A collapsed code is no yardstick.
    assert np.isnan(fitted.score_matrix_["neighbor_information"][fitted.cv_results_["space"][1]]).all()


def test_the_warning_of_a_failure_has_its_type_and_traceback(blobs):
    with pytest.warns(FitFailedWarning, match=r"RuntimeError: no luck[\s\S]*Traceback[\s\S]*in fit"):
        search(blobs, make_model(Failing()), {"cluster__fails": [False, True]})


class Labeling(ClusterMixin, BaseEstimator):
    def __init__(self, labels=None):
        self.labels = labels

    def fit_predict(self, X, y=None):
        return self.labels


@pytest.mark.parametrize(
    "bad, message",
    [
        (PCA(2), "AttributeError: 'PCA' object has no attribute 'fit_predict'"),
        ("passthrough", "Cannot clone object"),
        (Labeling(np.zeros(3, dtype=int)), r"labels of shape \(3,\) and dtype int64 for 600 rows"),
        (Labeling(np.array(["a"] * 600)), "dtype <U1 for 600 rows, but one integer is needed"),
        (DBSCAN(metric="precomputed"), "takes distances between rows"),
        (HDBSCAN(metric="precomputed", copy=True), "takes distances between rows"),
    ],
)
def test_what_is_no_clusterer_of_rows_fails_alone(blobs, bad, message):
    with pytest.warns(FitFailedWarning, match=message):
        fitted = search(blobs, grid={"cluster": [bad, KMeans(6, n_init=2)]})
    assert fitted.best_index_ == 1


def test_all_negative_labels_are_noise(blobs):
    labels = np.arange(600) % 4 - 2
    fitted = search(blobs, Labeling(), {"labels": [labels]}, metric="calinski_harabasz")
    assert fitted.cv_results_["n_clusters"] == [2]
    assert fitted.cv_results_["n_noise"] == [300]
    expected = calinski_harabasz_score(blobs, np.maximum(labels, -1))
    assert_allclose(fitted.score_matrix_["calinski_harabasz"], [[expected]])


@pytest.mark.parametrize(
    "X, labels, message",
    [
        (np.ones((6, 2)), [0, 0, 0, 1, 1, 1], "its space has collapsed"),
        (np.eye(6), [0, 1, 2, 3, 4, 5], "every row scored on is a cluster of its own"),
        (np.eye(6), [0, 0, -1, 1, -1, -1], "it called 3 of 6 rows noise, more than max_noise=0.4 allows"),
        (np.eye(6), [0, 0, 0, 0, 0, 0], "it found 1 cluster"),
    ],
)
def test_partitions_that_cannot_be_judged(X, labels, message):
    with pytest.raises(ValueError, match=message):
        search(X, Labeling(), {"labels": [np.array(labels)]}, max_noise=0.4)


def test_a_sample_in_one_cluster_cannot_be_judged(blobs):
    labels = np.zeros(600, dtype=int)
    labels[0] = 1
    with pytest.raises(ValueError, match="the rows scored on are all in one cluster; raise sample_size"):
        search(blobs, Labeling(), {"labels": [labels]}, sample_size=5)
    # The share of noise is that of all rows.
    labels[:400] = -1
    with pytest.raises(ValueError, match="it called 400 of 600 rows noise"):
        search(blobs, Labeling(), {"labels": [np.where(np.arange(600) == 500, 1, labels)]}, sample_size=5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warnings_stay_on_after_a_search_in_threads(blobs):
    with joblib.parallel_config("threading"):
        search(blobs, n_jobs=2)
    with pytest.warns(CollapsedCodeWarning):
        SparseAutoencoderTransformer(2, lam=1e3, max_iter=20, tol=0.1, random_state=0).fit(blobs)


@pytest.mark.parametrize("param_grid", [{}, []])
def test_an_empty_grid_is_an_error(blobs, param_grid):
    with pytest.raises(ValueError, match=r"param_grid=.* is empty"):
        search(blobs, grid=param_grid)


def test_an_error_is_raised_if_asked_for(blobs):
    with pytest.raises(RuntimeError, match="no luck"):
        search(blobs, make_model(Failing()), {"cluster__fails": [False, True]}, error_score="raise")


def test_an_error_in_a_feature_step_fails_all_that_share_it(blobs):
    grid = {"code__n_components": [-1, 4], "cluster__n_clusters": [2, 3]}
    with pytest.warns(FitFailedWarning, match=r"2 of 4[\s\S]*candidate 0.*n_components[\s\S]*candidate 2"):
        fitted = search(blobs, grid=grid)
    assert_array_equal(np.isnan(fitted.cv_results_["score"]), [True, False, True, False])


def test_too_much_noise_ranks_last(blobs):
    grid = {"cluster__eps": [1e-3, 0.05]}
    with pytest.warns(DegenerateClusteringWarning, match="found no clusters, only noise"):
        fitted = search(blobs, make_model(DBSCAN()), grid)
    assert fitted.best_params_ == {"cluster__eps": 0.05}
    noise = fitted.cv_results_["n_noise"][1]
    assert 0 < noise < 300
    with pytest.raises(ValueError, match=f"it called {noise} of 600 rows noise, more than max_noise=0.0 allows"):
        search(blobs, make_model(DBSCAN()), {"cluster__eps": [0.05]}, max_noise=0.0)


def test_no_candidate_left_is_an_error_that_names_them(blobs):
    with pytest.raises(ValueError, match=r"None of the 1 candidates[\s\S]*candidate 0.*found 1 cluster"):
        search(blobs, grid={"cluster__n_clusters": [1]})


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
