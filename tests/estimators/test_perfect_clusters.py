"""Clusters without scatter, repeated rows, and rows far from the origin: where distances are 0 or cancel."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import DBSCAN, KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import calinski_harabasz_score
from sklearn.model_selection import GridSearchCV

from helpers.search import Labeling, search
from skdeepcluster import SparseAutoencoderTransformer, metrics
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.exceptions import DegenerateClusteringWarning
from skdeepcluster.metrics import clustering_report
from skdeepcluster.model_selection import estimate_eps, estimate_n_clusters
from skdeepcluster.model_selection._candidates import _variances
from skdeepcluster.plotting import ClusterEmbeddingDisplay, ClusterProfileDisplay, KDistanceDisplay

METRICS = ("silhouette", "calinski_harabasz", "davies_bouldin", "neighbor_information", "neighbor_modularity")
UNITS = {
    "X": lambda X: X,
    "X / 7": lambda X: X / 7,
    "0.1 X + 0.3": lambda X: 0.1 * X + 0.3,
    "3 X": lambda X: 3 * X,
    "1e-100 X": lambda X: 1e-100 * X,
    "float32": lambda X: (X / 7).astype(np.float32),
}

in_every_unit = pytest.mark.parametrize("unit", UNITS)


@pytest.fixture
def four():
    """Four kinds of answers, 25 rows of each."""
    answers = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=float)
    return np.repeat(answers, 25, axis=0)


@in_every_unit
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.GridEdgeWarning")  # more than four kinds there are not
def test_perfect_clusters_win_a_search(four, unit, metric):
    fitted = search(UNITS[unit](four), KMeans(n_init=10), {"n_clusters": [2, 3, 4]}, metric=metric)
    assert fitted.best_params_ == {"n_clusters": 4}


@in_every_unit
@pytest.mark.parametrize("metric", METRICS)
def test_perfect_clusters_win_a_grid_search(four, unit, metric):
    rows, scorer = np.arange(100), metrics.make_clustering_scorer(metric)
    grid = GridSearchCV(KMeans(n_init=10, random_state=0), {"n_clusters": [2, 3, 4]}, scoring=scorer, cv=[(rows, rows)])
    assert grid.fit(UNITS[unit](four)).best_params_ == {"n_clusters": 4}


@pytest.mark.parametrize("change", [*UNITS.values(), lambda X: X + 1e9, lambda X: 1e-300 * X, lambda X: 1e300 * X])
def test_scores_of_perfect_clusters_are_the_same_in_every_unit(four, change):
    report, expected = (clustering_report(X, np.arange(100) // 25) for X in (change(four), four))
    # Between / (k - 1) over a share of eps^2 of it / (n - k).
    assert_allclose(expected["calinski_harabasz"], 96 / 3 / np.finfo(float).eps ** 2)
    assert report["silhouette"] == expected["silhouette"] == 1
    assert report["davies_bouldin"] == expected["davies_bouldin"] == 0
    assert report == pytest.approx(expected)


def test_of_perfect_partitions_that_of_fewest_clusters_has_the_highest_index(four):
    with pytest.warns(DegenerateClusteringWarning, match="davies_bouldin not defined .* same centroid"):
        cut = clustering_report(four, np.arange(100) // 25 * 2 + np.arange(100) % 2)["calinski_harabasz"]
    assert clustering_report(four, np.arange(100) // 25)["calinski_harabasz"] > cut > 1e30


def test_a_table_of_huge_scores_is_a_table(four):
    lines = str(clustering_report(four, np.arange(100) // 25)).split("\n")
    assert lines[3].split() == ["calinski_harabasz", "6.49e+32"]
    assert len({len(line) for line in lines}) == 1


def test_the_calinski_harabasz_index_is_scikit_learns_where_that_is_exact(rng):
    Z, labels = rng.normal(size=(200, 5)), rng.randint(4, size=200)
    expected = calinski_harabasz_score(Z, labels)
    assert_allclose(clustering_report(Z, labels)["calinski_harabasz"], expected, rtol=1e-12)
    assert_allclose(clustering_report(1e9 + Z, labels)["calinski_harabasz"], expected, rtol=1e-5)
    # scikit-learn adds up in float32.
    near, float64 = (Z + 100).astype(np.float32), (Z + 100).astype(np.float32).astype(float)
    assert_allclose(
        clustering_report(near, labels)["calinski_harabasz"], calinski_harabasz_score(float64, labels), rtol=1e-9
    )


@pytest.mark.parametrize("d", [15, 16, 64])
def test_scores_do_not_depend_on_the_origin(d):
    Z, labels = make_blobs(200, d, centers=4, center_box=(-3, 3), random_state=1)
    expected = clustering_report(Z, labels)
    for offset in (1e6, 1e9):
        assert clustering_report(Z + offset, labels) == pytest.approx(expected, rel=1e-5)
        scores = search(Z + offset, Labeling(), {"labels": [labels]}, metric=list(METRICS)).score_matrix_
        assert_allclose(scores["neighbor_information"], expected["neighbor_information"])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_that_differ_by_rounding_are_the_same_point(dtype):
    X = np.ones((20, 3), dtype=dtype) / 3
    X[::2] = np.nextafter(X[::2], np.inf, dtype=dtype)
    with pytest.warns(DegenerateClusteringWarning, match="all rows are the same point"):
        clustering_report(X, np.arange(20) % 2)


def test_columns_of_equal_numbers_have_no_variance():
    X = np.full((1000, 2), 0.1)
    # The mean of a thousand times 0.1 is rounded.
    assert np.var(X, axis=0).all()
    assert_array_equal(_variances(X), 0)


# Distances to the k-th neighbour


@pytest.mark.parametrize("d", [10, 15, 16, 32, 384])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_eps_of_repeated_rows_is_an_error(rng, d, dtype):
    Z = np.vstack([np.repeat(rng.normal(size=(40, d)), 10, axis=0), rng.normal(size=(20, d))]).astype(dtype)
    for moved in (Z, Z / 7, Z + 1000):
        for estimate in (estimate_eps, KDistanceDisplay.from_data):
            with pytest.raises(ValueError, match="eps would be 0: many rows of Z have min_samples=5"):
                estimate(moved, 5)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_eps_of_the_code_of_repeated_rows_is_an_error(rng, dtype):
    answers = (rng.permutation(256)[:52, np.newaxis] >> np.arange(8)) & 1
    X = np.vstack([np.repeat(answers[:12], 30, axis=0), answers[12:]]).astype(dtype)
    code = SparseAutoencoderTransformer(20, max_iter=20, tol=0.1, random_state=0).fit_transform(X)
    # The place of a row in a block may change its last digits.
    code[::2] = np.nextafter(code[::2], 1, dtype=dtype)
    with pytest.raises(ValueError, match="eps would be 0"):
        estimate_eps(code, 5)


@pytest.mark.parametrize("d", [15, 16, 64])
def test_eps_does_not_depend_on_the_origin(rng, d):
    Z, _ = make_blobs(300, d, centers=3, random_state=0)
    expected = estimate_eps(Z).eps
    assert_allclose(estimate_eps(Z + 1e8).eps, expected, rtol=1e-6)
    labels = DBSCAN(expected).fit_predict(Z)
    assert_array_equal(np.unique(labels[labels >= 0]), [0, 1, 2])


@in_every_unit
def test_the_gap_of_clusters_without_inertia_is_an_error(rng, unit):
    Z = np.repeat([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]], 20, axis=0)
    Z[::4] += 3 * np.finfo(float).eps
    Z[3::4] -= 3 * np.finfo(float).eps
    Z = UNITS[unit](Z)
    with pytest.raises(ValueError, match=r"inertia, which is 0 for 3 clusters|distinct rows"):
        estimate_n_clusters(Z, [2, 3], method="gap", n_repeats=2, random_state=0)


# The unit of distance of joint clustering


ENCODER = SparseAutoencoderTransformer(
    2, hidden_layer_sizes=10, code_activation="identity", beta=0, solver="lbfgs", max_iter=40, tol=1e-4, random_state=0
)


@pytest.mark.parametrize("init", ["least_cut", "kmeans", "gaussian_mixture"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_unit_of_distance_of_repeated_rows_is_no_rounding_noise(init):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4, 6))[rng.integers(4, size=200)]
    joint = DeepEmbeddedClustering(4, encoder=ENCODER, init=init, max_iter=2, update_interval=10, random_state=0)
    tables = {"float64": X, "float32": X.astype(np.float32), "nearly": np.vstack([X, X[:1] + 1e-9])}
    fits = {name: joint.fit(table).__dict__ | {"q": joint.predict_proba(table)} for name, table in tables.items()}
    spread = np.sqrt(np.sum(np.var(fits["float64"]["encoder_"].transform(X), axis=0)))
    assert_allclose(fits["float64"]["distance_unit_"], 1e-4 * spread)
    for name, fit in fits.items():
        assert_allclose(fit["distance_unit_"], fits["float64"]["distance_unit_"], rtol=0.05, err_msg=name)
        assert_allclose(fit["loss_"], fits["float64"]["loss_"], rtol=0.05, err_msg=name)
        assert_allclose(fit["q"].max(axis=1), 1, atol=1e-4, err_msg=name)


# Pictures


def test_typical_rows_and_components_do_not_depend_on_the_origin(agg):
    Z, labels = make_blobs(120, 6, centers=3, random_state=0)
    texts = [str(i) for i in range(120)]
    near, far = (ClusterProfileDisplay.from_predictions(X, labels, texts=texts) for X in (Z, Z + 1e9))
    assert near.texts == far.texts
    near, far = (ClusterEmbeddingDisplay.from_predictions(X, labels) for X in (Z, Z + 1e9))
    assert_allclose(far.points, near.points, atol=1e-5)
    assert far.axis_names == near.axis_names
