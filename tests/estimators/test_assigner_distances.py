"""Which rows are the neighbours of new ones, and how far away they are."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import DBSCAN, HDBSCAN, OPTICS, AgglomerativeClustering, KMeans
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import KNeighborsClassifier

from helpers.assigner import Comparing, labeled, rows_with_noise, without_limits
from helpers.bad_input import raises
from skdeepcluster.clustering import NeighborAssigner, _nearest
from skdeepcluster.clustering._nearest import metric_of
from skdeepcluster.model_selection import ClusteringSearch


@pytest.fixture(scope="module")
def rows():
    return rows_with_noise()


@pytest.mark.parametrize("scale", [1e-300, 1e-5, 1e150, 1e300])
@pytest.mark.parametrize("n_features", [3, 20])
def test_the_unit_of_length_does_not_matter(rows, scale, n_features):
    X, new = (part[:, :n_features] for part in rows)
    labels = DBSCAN(eps=0.4 if n_features == 3 else 2.0).fit_predict(X)
    # A row far away changes the unit in which all are compared.
    new = np.vstack([new, np.full((1, n_features), 1e7)])
    expected, scaled = (labeled(unit * X, labels).predict_proba(unit * new) for unit in (1.0, scale))
    assert (expected.sum(axis=1) < 0.5).any()
    assert_allclose(scaled, expected, rtol=1e-9, atol=1e-12)


# Training rows


@pytest.mark.parametrize("dtype, offset", [(np.float32, 0), (np.float32, 2**16), (np.float64, 0), (np.float64, 2**40)])
@pytest.mark.parametrize("n_features", [4, 20])
@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
def test_training_rows_keep_their_labels(rows, rng, dtype, offset, n_features, metric):
    X = rows[0][:, :n_features].astype(dtype) + dtype(offset)
    assert len(np.unique(X, axis=0)) == len(X)
    model = NeighborAssigner(Comparing(rng.randint(-1, 4, size=400), metric)).fit(X)
    assert_array_equal(model.predict(X), model.labels_)
    assert_array_equal(model.predict(X[7:50]), model.labels_[7:50])
    assert_array_equal(model.predict(X[:1]), model.labels_[:1])


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
@pytest.mark.parametrize("n_features", [3, 20])
def test_training_rows_of_narrow_clusters_keep_their_labels(rng, metric, n_features):
    X = np.repeat(rng.normal(size=(4, n_features)), 50, axis=0) + 1e-9 * rng.normal(size=(200, n_features))
    model = NeighborAssigner(Comparing(rng.randint(-1, 4, size=200), metric), n_neighbors=3).fit(X)
    assert_array_equal(model.predict(X), model.labels_)


def test_blocks_of_rows_change_nothing(rows, monkeypatch):
    X, new = rows
    model = NeighborAssigner(DBSCAN(eps=2.0)).fit(X)
    expected = model.predict_proba(np.tile(new, (9, 1)))
    monkeypatch.setattr(_nearest, "_N_AT_ONCE", 1)
    assert_array_equal(model.predict_proba(np.tile(new, (9, 1))), expected)
    assert_array_equal(np.vstack([model.predict_proba(new[i : i + 7]) for i in range(0, 100, 7)]), expected[:100])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [3, 20])
@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
def test_a_row_has_the_same_neighbors_alone(rows, rng, monkeypatch, metric, n_features, dtype):
    X, new = (np.round(part[:, :n_features], 1).astype(dtype) for part in rows)
    # Equal rows, and equal distances; a row of zeros, which cosine knows to be far from all.
    X[7] = new[20] = 0
    X[300:] = X[:100]
    new[:20] = X[:20]
    model = NeighborAssigner(Comparing(rng.randint(-1, 4, size=400), metric), n_neighbors=5).fit(X)
    distances, _ = model._known.nearest(new, 5)
    monkeypatch.setattr(_nearest, "_BLOCK_SIZE", 100)
    alone = np.vstack([model._known.nearest(new[i : i + 1], 5)[0] for i in range(len(new))])
    assert_allclose(alone, distances, rtol=1e-12, atol=1e-15)
    assert_array_equal(alone == 0, distances == 0)
    assert (distances == 0).sum() >= 42
    votes = np.vstack([model.predict_proba(new[i : i + 1]) for i in range(len(new))])
    assert_allclose(votes, model.predict_proba(new), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
@pytest.mark.parametrize("n_features", [2, 5, 20])
def test_of_equal_distances_a_row_alone_has_the_same(rng, n_features, metric):
    X = rng.randint(4, size=(300, n_features)).astype(float)
    new = X[:100] + 0.5
    model = NeighborAssigner(Comparing(rng.randint(-1, 4, size=300), metric), n_neighbors=3).fit(X)
    assert_array_equal([model.predict(row)[0] for row in new[:, np.newaxis]], model.predict(new))
    loaded = pickle.loads(pickle.dumps(model))
    assert_array_equal(loaded.predict_proba(new), model.predict_proba(new))


@pytest.mark.parametrize("n_features", [3, 20])
@pytest.mark.parametrize(
    "fitted_as, predicted_as", [("csr", "csr"), ("csr", "dense"), ("dense", "csc"), ("coo", "csr")]
)
def test_sparse_rows_are_rows(rows, n_features, fitted_as, predicted_as):
    X, new = (np.where(np.abs(part[:, :n_features]) > 0.5, part[:, :n_features], 0) for part in rows)
    convert = {"csr": sp.csr_array, "csc": sp.csc_matrix, "coo": sp.coo_array, "dense": np.asarray}
    clusterer = KMeans(5, n_init=1, random_state=0)
    expected = NeighborAssigner(clusterer).fit(X)
    model = labeled(convert[fitted_as](X), expected.labels_)
    assert_allclose(model.predict_proba(convert[predicted_as](new)), expected.predict_proba(new), atol=1e-12)
    assert_array_equal(model.predict(convert[predicted_as](X)), model.labels_)


# Distances


@pytest.mark.parametrize(
    "clusterer, expected",
    [
        (KMeans(), {"metric": "euclidean"}),
        (DBSCAN(), {"metric": "euclidean"}),
        (OPTICS(), {"metric": "euclidean"}),
        (AgglomerativeClustering(metric="l2", linkage="single"), {"metric": "euclidean"}),
        (OPTICS(p=3), {"metric": "minkowski", "metric_params": None, "p": 3}),
        (
            HDBSCAN(metric="minkowski", metric_params={"p": 3}),
            {"metric": "minkowski", "metric_params": {"p": 3}, "p": None},
        ),
        (DBSCAN(metric="cosine"), {"metric": "cosine"}),
        (ClusteringSearch(KMeans(), {}, metric="silhouette"), {"metric": "euclidean"}),
        (ClusteringSearch(KMeans(), {}, metric={"silhouette": 1}), {"metric": "euclidean"}),
        (FrozenEstimator(DBSCAN(metric="l1")), {"metric": "l1", "metric_params": None, "p": None}),
    ],
    ids=str,
)
def test_rows_are_compared_by_the_metric_of_the_clusterer(clusterer, expected):
    assert metric_of(clusterer) == expected


@pytest.mark.parametrize(
    "clusterer",
    [
        DBSCAN(eps=0.1, metric="cosine"),
        DBSCAN(eps=7.0, metric="manhattan"),
        DBSCAN(eps=2.0, metric="minkowski", p=1.5),
        HDBSCAN(min_cluster_size=10, metric="minkowski", metric_params={"p": 3}, copy=True),
        AgglomerativeClustering(6, metric="chebyshev", linkage="average"),
        DBSCAN(eps=9.0, metric=lambda a, b: np.abs(a - b).sum()),
    ],
    ids=lambda clusterer: str(clusterer.metric)[:9],
)
def test_votes_by_that_metric(rows, clusterer):
    # Functions are slow.
    X, new = (part[: 100 if callable(clusterer.metric) else 400] for part in rows)
    model = NeighborAssigner(clusterer, n_neighbors=7).fit(X)
    # What DBSCAN calls p is a parameter of the metric for HDBSCAN.
    p = getattr(clusterer, "p", None) or (getattr(clusterer, "metric_params", None) or {"p": 2})["p"]
    options = {"metric": clusterer.metric, "p": p}
    expected = KNeighborsClassifier(7, weights="distance", algorithm="brute", **options).fit(X, model.labels_)
    assert_array_equal(model.predict(X), model.labels_)
    without_limits(model)
    assert_array_equal(model.predict(new), expected.predict(new))
    assert_allclose(model.predict_proba(new), expected.predict_proba(new)[:, expected.classes_ >= 0], atol=1e-9)


def test_cosine_does_not_look_at_lengths(rows, rng):
    X, new = rows
    model = NeighborAssigner(DBSCAN(eps=0.1, metric="cosine")).fit(X)
    lengths = rng.uniform(0.01, 100, size=(100, 1))
    assert_allclose(model.predict_proba(lengths * new), model.predict_proba(new), atol=1e-9)
    # Rows of zeros have the cosine 0 with all.
    assert model.predict_proba(np.zeros((1, 20))).shape == (1, model.n_clusters_)


def test_distances_that_are_not_finite_are_an_error(rows):
    X, new = rows
    model = NeighborAssigner(AgglomerativeClustering(3, metric="correlation", linkage="average")).fit(X)
    with raises("not finite by metric='correlation'"):
        model.predict(np.vstack([new, np.ones((1, 20))]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_beside_which_the_training_rows_vanish_are_an_error(rows, dtype):
    X, new = rows
    model = labeled(X.astype(dtype), np.arange(400) % 3)
    new = np.vstack([new, np.full((1, 20), 1e5)]).astype(dtype)
    assert_array_equal(model.predict(new)[:100], model.predict(new[:100]))
    new[-1] = np.finfo(dtype).max / 2
    with raises("X, whose largest absolute value is .*, is too large for the training data"):
        model.predict(new)
