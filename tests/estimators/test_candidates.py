import time
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import davies_bouldin_score, silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from helpers.search import GRID, make_model, search
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.exceptions import DegenerateClusteringWarning
from skdeepcluster.model_selection import ClusteringSearch
from skdeepcluster.model_selection._candidates import _unexplained_share

# Shared work


class CountsFits:
    """Every class that inherits it has a count of its own."""

    n_fits = 0

    def fit(self, X, y=None, sample_weight=None):
        type(self).n_fits += 1
        return super().fit(X, y, sample_weight)


class CountingScaler(CountsFits, StandardScaler):
    """A scaler that counts."""


class CountingAutoencoder(CountsFits, SparseAutoencoderTransformer):
    """An autoencoder that counts."""


def test_shared_steps_are_fitted_once(blobs):
    CountingScaler.n_fits = CountingAutoencoder.n_fits = 0
    model = Pipeline(
        [
            ("scale", CountingScaler()),
            ("code", CountingAutoencoder(2, max_iter=20, tol=0.1)),
            ("cluster", KMeans(n_init=1)),
        ]
    )
    grid = {"scale__with_mean": [True, False], "code__rho": [0.2, 0.5], "cluster__n_clusters": [4, 6, 8]}
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


def test_what_does_not_vary_has_no_reconstruction_error(blobs):
    autoencoder = make_model()["code"].set_params(random_state=0).fit(blobs)
    assert np.isnan(_unexplained_share(autoencoder, np.ones((5, 15))))


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
