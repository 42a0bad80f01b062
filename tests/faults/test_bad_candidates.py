import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import DBSCAN, HDBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import calinski_harabasz_score

from helpers.search import Labeling, make_model, search
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.exceptions import CollapsedCodeWarning, DegenerateClusteringWarning


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
