"""New rows get the clusters of their neighbours, by any clusterer."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans, SpectralClustering
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import pairwise_distances
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.assigner import labeled, rows_with_noise, without_limits
from helpers.bad_input import raises
from helpers.search import Labeling
from skdeepcluster.clustering import NeighborAssigner
from skdeepcluster.clustering._votes import noise_limits
from skdeepcluster.exceptions import DegenerateClusteringWarning
from skdeepcluster.model_selection import ClusteringSearch

CLUSTERERS = [
    KMeans(6, n_init=1, random_state=0),
    AgglomerativeClustering(6),
    DBSCAN(eps=2.0),
    HDBSCAN(min_cluster_size=10, copy=True),
    GaussianMixture(6, covariance_type="spherical", random_state=0),
]
by_name = pytest.mark.parametrize("clusterer", CLUSTERERS, ids=lambda clusterer: type(clusterer).__name__)


@pytest.fixture(scope="module")
def rows():
    return rows_with_noise()


# The vote


@by_name
@pytest.mark.parametrize("n_features", [3, 20])
def test_votes_are_those_of_a_classifier_of_the_labels(rows, clusterer, n_features):
    X, new = (part[:, :n_features] for part in rows)
    model = NeighborAssigner(clusterer, n_neighbors=7).fit(X)
    assert_array_equal(model.labels_, clone(clusterer).fit_predict(X))
    assert_array_equal(model.classes_, np.unique(model.labels_[model.labels_ >= 0]))
    assert model.n_clusters_ == len(model.classes_) > 0
    without_limits(model)
    classifier = KNeighborsClassifier(7, weights="distance").fit(X, model.labels_)
    assert_array_equal(model.predict(new), classifier.predict(new))
    expected = classifier.predict_proba(new)
    assert_allclose(model.predict_proba(new), expected[:, classifier.classes_ >= 0], atol=1e-12)
    noise = expected[:, classifier.classes_ < 0].sum(axis=1)
    assert_allclose(model.predict_proba(new).sum(axis=1), 1 - noise, atol=1e-12)


@pytest.mark.parametrize("n_features", [2, 20])
@pytest.mark.parametrize("kind", ["DBSCAN", "HDBSCAN"])
def test_noise_among_new_rows_is_what_the_clusterer_would_say(rows, kind, n_features):
    X, new = (part[:, :n_features] for part in rows)
    clusterer = DBSCAN(eps=0.25 if n_features == 2 else 2.0) if kind == "DBSCAN" else HDBSCAN(10, copy=True)
    is_noise = clone(clusterer).fit_predict(np.vstack([X, new]))[400:] == -1
    assert 0.05 < is_noise.mean() < 0.4
    model = NeighborAssigner(clusterer).fit(X)
    assert np.mean((model.predict(new) == -1) == is_noise) >= 0.9
    assert_array_equal(model.predict_proba(new)[model.predict(new) == -1].sum(axis=1) < 0.5, True)


def test_rows_farther_from_their_neighbours_than_a_cluster_is_wide_are_noise():
    # A wide cluster and a narrow one, with two rows of noise on their line.
    x = [0, 2, 4, 6, 8, 100, 100.1, 100.2, 100.3, 100.4, 30, -22, 101.4, 99]
    X = np.column_stack([x, np.zeros(14)])
    model = labeled(X, [0] * 5 + [1] * 5 + [-1] * 4, n_neighbors=2)
    # The mean distance to two others is 3 in the wide cluster and 23 to it; .15 in the narrow one, and 1.05.
    assert_allclose(model._limits, [np.inf, 13, 0.6])
    new = [[4, 12.8], [4, 13.2], [100.2, 0.5], [100.2, 0.7], [4, 1000]]
    assert_array_equal(model.predict(new), [0, -1, 1, -1, -1])
    assert_allclose(model.predict_proba(new), [[1, 0], [0, 0], [0, 1], [0, 0], [0, 0]])
    assert_array_equal(model.predict(X), model.labels_)


def test_limits_err_for_the_fewest_rows(rng):
    reaches, clusters = rng.randint(1, 20, size=200) / 4.0, rng.randint(-1, 5, size=200)
    are_noise = rng.uniform(size=200) < reaches / 8
    # No row of 3 is noise, all of 4 are.
    are_noise[clusters == 3], are_noise[clusters == 4], are_noise[clusters == -1] = False, True, True
    limits = noise_limits(reaches, clusters, are_noise, 6)

    def n_errors(limit, cluster):
        rows = clusters == cluster
        return np.sum((reaches > limit)[rows] != are_noise[rows])

    for cluster in range(5):
        tried = [n_errors(limit, cluster) for limit in (*np.arange(-0.125, 5.5, 0.25), np.inf)]
        assert n_errors(limits[cluster], cluster) == min(tried), cluster
    assert_array_equal(np.isinf(limits), [False, False, False, True, False, True])


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
    model = labeled(X, [2, 1, 2, 3, 1, 0, 0, 0, 0], n_neighbors=8)
    # Four rows of 0 are near, but not equal.
    assert_array_equal(model.predict(X), [2, 2, 2, 1, 1, 0, 0, 0, 0])
    assert_allclose(model.predict_proba(X[3:5]), 2 * [[0, 0.5, 0, 0.5]])


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
    with raises("n_neighbors=5 asks for more neighbours than X, with n_samples=5 rows, has other rows. Lower n_neig"):
        NeighborAssigner(KMeans(2), n_neighbors=5).fit(X)
    model = NeighborAssigner(KMeans(2, n_init=1, random_state=0), n_neighbors=4).fit(X)
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
