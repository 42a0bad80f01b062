"""New rows get the clusters of their neighbours, by any clusterer."""

from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import DBSCAN, HDBSCAN, OPTICS, AgglomerativeClustering, KMeans, SpectralClustering
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import pairwise_distances
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.bad_input import raises
from helpers.data import standardised_blobs
from helpers.search import Labeling
from skdeepcluster.clustering import NeighborAssigner, _votes
from skdeepcluster.clustering._votes import metric_of
from skdeepcluster.exceptions import DegenerateClusteringWarning
from skdeepcluster.model_selection import ClusteringSearch

CLUSTERERS = [
    KMeans(6, n_init=1, random_state=0),
    AgglomerativeClustering(6),
    DBSCAN(eps=2.0),
    HDBSCAN(min_cluster_size=10, copy=True),
    GaussianMixture(6, random_state=0),
]
by_name = pytest.mark.parametrize("clusterer", CLUSTERERS, ids=lambda clusterer: type(clusterer).__name__)


@pytest.fixture(scope="module")
def rows():
    """400 rows of 20 features and noise, and 100 more of them."""
    generator = np.random.RandomState(0)
    X = np.vstack([standardised_blobs(440, 20, centers=6), generator.uniform(-3, 3, size=(60, 20))])
    X = generator.permutation(X)
    return X[:400], X[400:]


class Comparing(Labeling):
    """Gives the labels that it is told to, and has a metric."""

    def __init__(self, labels=None, metric="euclidean"):
        super().__init__(labels)
        self.metric = metric


def labeled(X, labels, **params):
    return NeighborAssigner(Labeling(np.asarray(labels)), **params).fit(X)


# The vote


@by_name
@pytest.mark.parametrize("n_features", [3, 20])
def test_votes_are_those_of_a_classifier_of_the_labels(rows, clusterer, n_features):
    X, new = (part[:, :n_features] for part in rows)
    model = NeighborAssigner(clusterer, n_neighbors=7).fit(X)
    assert_array_equal(model.labels_, clone(clusterer).fit_predict(X))
    assert_array_equal(model.classes_, np.unique(model.labels_[model.labels_ >= 0]))
    assert model.n_clusters_ == len(model.classes_) > 0
    classifier = KNeighborsClassifier(7, weights="distance").fit(X, model.labels_)
    assert_array_equal(model.predict(new), classifier.predict(new))
    expected = classifier.predict_proba(new)
    assert_allclose(model.predict_proba(new), expected[:, classifier.classes_ >= 0], atol=1e-12)
    noise = expected[:, classifier.classes_ < 0].sum(axis=1)
    assert_allclose(model.predict_proba(new).sum(axis=1), 1 - noise, atol=1e-12)


def test_noise_is_for_new_rows_too(rows):
    X, new = (part[:, :2] for part in rows)
    model = NeighborAssigner(DBSCAN(eps=0.2)).fit(X)
    clusterer_says = DBSCAN(eps=0.2).fit_predict(np.vstack([X, new]))[400:]
    assert np.mean((model.predict(new) == -1) == (clusterer_says == -1)) > 0.9
    assert 0.05 < np.mean(clusterer_says == -1) < 0.3


def test_all_negative_labels_are_noise():
    model = labeled([[0.0], [1.0], [2.0], [3.0]], [5, -1, -3, 2], n_neighbors=1)
    assert_array_equal(model.labels_, [5, -1, -1, 2])
    assert_array_equal(model.classes_, [2, 5])
    assert_array_equal(model.predict([[2.1], [3.3], [0.1]]), [-1, 2, 5])
    assert_array_equal(model.predict_proba([[2.1], [3.3], [0.1]]), [[0, 0], [1, 0], [0, 1]])


def test_clusters_may_have_names():
    X, labels = [[0.0], [1.0], [2.0]], np.array(["b", "a", "-1"], dtype=object)
    model = labeled(X, labels, n_neighbors=1)
    assert_array_equal(model.predict(X), labels)
    assert_array_equal(model.classes_, ["a", "b"])


def test_of_equal_numbers_of_votes_the_smallest_label():
    X = [[0.0], [1.0], [4.0], [5.0]]
    assert_array_equal(labeled(X, [1, 0, 0, 1], n_neighbors=2).predict([[0.5], [4.5]]), [0, 0])
    assert_array_equal(labeled(X, [1, -1, -1, 1], n_neighbors=2).predict([[0.5], [4.5]]), [-1, -1])


@pytest.mark.parametrize("n_features", [1, 20])
def test_equal_rows_have_the_label_of_most_of_them(n_features):
    X = np.repeat([0.0, 0.1, 1.0], [3, 2, 4])[:, np.newaxis] * np.ones(n_features)
    model = labeled(X, [2, 1, 2, 3, 1, 0, 0, 0, 0], n_neighbors=9)
    # Four rows of 0 are near, but not equal.
    assert_array_equal(model.predict(X), [2, 2, 2, 1, 1, 0, 0, 0, 0])
    assert_allclose(model.predict_proba(X[3:5]), 2 * [[0, 0.5, 0, 0.5]])


@pytest.mark.parametrize("scale", [1e-300, 1e-5, 1e150, 1e300])
@pytest.mark.parametrize("n_features", [3, 20])
def test_the_unit_of_length_does_not_matter(rows, scale, n_features):
    X, new = (part[:, :n_features] for part in rows)
    labels = KMeans(6, n_init=1, random_state=0).fit_predict(X)
    expected, scaled = (labeled(unit * X, labels).predict_proba(unit * new) for unit in (1.0, scale))
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
    monkeypatch.setattr(_votes, "_N_AT_ONCE", 1)
    assert_array_equal(model.predict_proba(np.tile(new, (9, 1))), expected)
    assert_array_equal(np.vstack([model.predict_proba(new[i : i + 7]) for i in range(0, 100, 7)]), expected[:100])


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
    assert_array_equal(model.predict(new), expected.predict(new))
    assert_allclose(model.predict_proba(new), expected.predict_proba(new)[:, expected.classes_ >= 0], atol=1e-9)
    assert_array_equal(model.predict(X), model.labels_)


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


# Clusterers


@pytest.mark.parametrize(
    "clusterer",
    [
        DBSCAN(metric="precomputed"),
        AgglomerativeClustering(2, metric="precomputed", linkage="average"),
        SpectralClustering(2, affinity="precomputed"),
        FrozenEstimator(AgglomerativeClustering(2, metric="precomputed", linkage="average")),
    ],
    ids=str,
)
def test_clusterers_of_distances_are_refused(rows, clusterer):
    with raises(r"(?s)clusterer=.*precomputed.* takes distances.*Give one that takes features"):
        NeighborAssigner(clusterer).fit(pairwise_distances(rows[0]))


@by_name
def test_a_frozen_clusterer_is_not_fitted(rows, clusterer):
    X, new = rows
    fitted = clone(clusterer).fit(X)
    for frozen in (FrozenEstimator(fitted), FrozenEstimator(make_pipeline("passthrough", fitted))):
        model = NeighborAssigner(frozen).fit(X)
        assert model.clusterer_ is frozen
        assert_array_equal(model.predict(new), NeighborAssigner(clusterer).fit(X).predict(new))


def test_a_frozen_clusterer_without_predict_knows_its_own_rows_alone(rows):
    X, new = rows
    frozen = FrozenEstimator(DBSCAN(eps=2.0).fit(X))
    with raises("clusterer=FrozenEstimator.* has no predict, and no labels_ of the rows of X"):
        NeighborAssigner(frozen).fit(new)
    with raises("has no predict, and no labels_"):
        NeighborAssigner(FrozenEstimator(StandardScaler().fit(X))).fit(X)
    with pytest.raises(NotFittedError):
        NeighborAssigner(FrozenEstimator(DBSCAN())).fit(X)


def test_a_search_and_a_pipeline_are_clusterers(rows):
    X, new = rows
    kmeans = KMeans(6, n_init=1, random_state=0)
    for clusterer in (
        make_pipeline(StandardScaler(), kmeans),
        ClusteringSearch(kmeans, {"n_clusters": [5, 6]}, random_state=0),
    ):
        model = NeighborAssigner(clusterer).fit(X)
        assert_array_equal(model.predict(X), model.labels_)
        assert np.mean(model.predict(new) == model.clusterer_.predict(new)) > 0.9


def test_an_error_of_a_clusterer_names_it(rows):
    with raises("This comes from KMeans"):
        NeighborAssigner(KMeans(500)).fit(rows[0])
    with raises("This is about labels"):
        labeled(rows[0], [1, 2, 3])


# What fit refuses, and leaves


def test_more_neighbours_than_rows_are_an_error(rows):
    X = rows[0][:5]
    with raises("n_neighbors=6 asks for more neighbours than X, with n_samples=5, has rows. Lower n_neighbors"):
        NeighborAssigner(KMeans(2), n_neighbors=6).fit(X)
    model = NeighborAssigner(KMeans(2, n_init=1, random_state=0), n_neighbors=5).fit(X)
    assert_array_equal(model.predict(X), model.labels_)


@pytest.mark.parametrize("clusterer", [StandardScaler(), None, "kmeans"], ids=str)
def test_what_is_no_clusterer(rows, clusterer):
    with raises("The 'clusterer' parameter of NeighborAssigner must be"):
        NeighborAssigner(clusterer).fit(rows[0])


def test_missing_values_are_an_error(rows):
    X = rows[0].copy()
    model = NeighborAssigner(HDBSCAN(copy=True)).fit(X)
    X[3, 4] = np.nan
    for call in (model.predict, model.predict_proba, NeighborAssigner(HDBSCAN(copy=True)).fit):
        with raises("X contains NaN"):
            call(X)
    with raises("X has 3 features, but NeighborAssigner is expecting 20"):
        model.predict(X[:, 5:8])


def test_a_failed_fit_leaves_the_fitted_estimator(rows):
    X, new = rows
    model = NeighborAssigner(DBSCAN(eps=2.0)).fit(X)
    expected = model.predict(new)
    for clusterer in (KMeans(500), Labeling(np.arange(3))):
        with raises("."):
            model.set_params(clusterer=clusterer).fit(X[:, :5])
        assert_array_equal(model.predict(new), expected)


def test_only_noise_is_a_warning_and_no_error(rows):
    X, new = rows
    with pytest.warns(DegenerateClusteringWarning, match=r"clusterer=DBSCAN\(eps=0.001\) took all rows of X for noise"):
        model = NeighborAssigner(DBSCAN(eps=1e-3)).fit(X)
    assert model.n_clusters_ == 0
    assert model.classes_.shape == (0,)
    assert_array_equal(model.predict(new), np.full(100, -1))
    assert model.predict_proba(new).shape == (100, 0)


def test_neighbours_are_those_of_the_fit(rows):
    X, new = rows
    model = NeighborAssigner(KMeans(6, n_init=1, random_state=0), n_neighbors=3).fit(X)
    expected = model.predict_proba(new)
    assert_array_equal(model.set_params(n_neighbors=1000).predict_proba(new), expected)


def test_equal_random_states_give_equal_clusters(rows):
    X, new = rows
    make = partial(NeighborAssigner, KMeans(6, n_init=1, random_state=np.random.RandomState(0)))
    assert_array_equal(make().fit(X).predict_proba(new), make().fit(X).predict_proba(new))
