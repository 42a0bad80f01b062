"""Votes of neighbours in models of ONNX: ties, units, directions, labels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.cluster import DBSCAN, AgglomerativeClustering

from helpers.assigner import Comparing, labeled
from helpers.marks import FEW_ITERATIONS
from helpers.onnx_models import N_FITTED, assert_near, digits, results_of
from skdeepcluster.clustering import NeighborAssigner
from skdeepcluster.onnx import to_onnx

pytestmark = FEW_ITERATIONS


@pytest.fixture(scope="module")
def X():
    return digits()


def assert_equal(model, rows):
    results = results_of(to_onnx(model, rows), rows)
    assert_array_equal(results["label"], model.predict(rows))
    assert_near(results["probabilities"], model.predict_proba(rows), atol=1e-10)


@pytest.mark.parametrize("clusterer", [DBSCAN(eps=0.6), AgglomerativeClustering(3)], ids=["DBSCAN", "agglomerative"])
def test_equal_rows_leave_others_no_vote(clusterer):
    X = np.random.RandomState(0).normal(size=(60, 2))
    X = np.vstack([X, X[:20], X[:20]])
    model = NeighborAssigner(clusterer, n_neighbors=4).fit(X)
    assert (model.labels_ == -1).any() == isinstance(clusterer, DBSCAN)
    assert_equal(model, X)
    assert_equal(model, X + 0.01)


@pytest.mark.parametrize("width", [3e-7, 2e-7])
def test_clusters_may_be_so_narrow_that_products_mistake_neighbors(width):
    generator = np.random.RandomState(0)
    centers = np.repeat([[1.0] * 20, [-1.0] * 20], 150, axis=0)
    X, new = (part + width * generator.normal(size=part.shape) for part in (centers, centers[::3]))
    assert_equal(labeled(X, np.arange(300) % 3, n_neighbors=4), new)


def test_rows_far_from_the_origin_keep_their_digits(X):
    model = NeighborAssigner(DBSCAN(eps=3)).fit(X[:N_FITTED, :20] + 1e6)
    assert_equal(model, X[:, :20] + 1e6)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_squares_neither_overflow_nor_vanish(X, unit):
    model = labeled(X[:N_FITTED] * unit, np.arange(N_FITTED) % 3)
    assert_equal(model, X * unit)


def test_rows_of_zeros_are_near_each_other_by_cosine(X):
    fitted = X[:N_FITTED].copy()
    fitted[:5] = 0
    labels = np.arange(N_FITTED) % 3
    model = NeighborAssigner(Comparing(labels, metric="cosine"), n_neighbors=7).fit(fitted)
    assert_equal(model, np.vstack([X, np.zeros((2, X.shape[1]))]))


def test_rows_of_zeros_get_a_label_by_cosine(X):
    # They are at distance 1 from all others, of which rounding takes some.
    model = NeighborAssigner(AgglomerativeClustering(3, metric="cosine", linkage="average")).fit(X[:N_FITTED])
    results = results_of(to_onnx(model, X), np.zeros((2, X.shape[1])))
    assert set(results["label"]) <= {0, 1, 2}
    assert_allclose(results["probabilities"].sum(axis=1), 1)


def test_fitted_rows_may_be_sparse(X):
    rows = np.where(X > 1, X, 0)
    model = NeighborAssigner(DBSCAN(eps=3)).fit(csr_array(rows[:N_FITTED]))
    assert_equal(model, rows)


@pytest.mark.parametrize("names", [["b", "a"], ["b", "-1"]])
def test_labels_may_be_names(X, names):
    labels = np.array(names)[(X[:N_FITTED, 20] > 0).astype(int)]
    assert_equal(labeled(X[:N_FITTED], labels, n_neighbors=5), X)


def test_labels_may_be_of_any_type_of_numbers(X):
    for kind in (float, np.int32, bool):
        assert_equal(labeled(X[:N_FITTED], (X[:N_FITTED, 20] > 0).astype(kind), n_neighbors=5), X)


def test_as_many_neighbors_as_there_are_rows_vote(X):
    assert_equal(labeled(X[:6], [0, 0, 1, 1, 1, -1], n_neighbors=5), X)


def test_other_distances_are_an_error(X):
    model = NeighborAssigner(DBSCAN(eps=20, metric="manhattan")).fit(X[:N_FITTED])
    with pytest.raises(ValueError, match=r"metric='manhattan' of DBSCAN.*cannot be exported"):
        to_onnx(model, X)


@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.DegenerateClusteringWarning")
def test_noise_alone_is_an_error(X):
    with pytest.raises(ValueError, match="took all rows for noise"):
        to_onnx(NeighborAssigner(DBSCAN(eps=1e-9)).fit(X[:N_FITTED]), X)
