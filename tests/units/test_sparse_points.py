"""Scores of sparse rows, and by cosine, beside those of the dense rows and of scikit-learn."""

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.metrics
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import pairwise_distances

from skdeepcluster._data import _neighbors, dense_product
from skdeepcluster.metrics import _distances, _silhouette
from skdeepcluster.metrics._internal import INTERNAL_METRICS
from skdeepcluster.metrics._neighbors import nearest_neighbors
from skdeepcluster.metrics._points import are_one_point, check_points, n_distinct, points_of

KINDS = ["plain", "repeated", "with empty rows", "an outlier", "far apart"]


def sparse_rows(rng, kind="plain", n=150, d=40, dtype=np.float64):
    """Rows of three topics with a tenth of their values, as a dense array."""
    topics = np.arange(n) % 3
    Z = np.where(rng.uniform(size=(n, d)) < 0.1, rng.uniform(0.5, 2, size=(n, d)), 0)
    Z[np.arange(n), topics] += 1
    if kind == "repeated":
        Z[50:100] = Z[:50]
    elif kind == "with empty rows":
        Z[[3, 9, 77, 78]] = 0
    elif kind == "an outlier":
        Z[5] *= 1e7
    elif kind == "far apart":
        Z[:, :3] *= 1e6
    return Z.astype(dtype), topics


@pytest.fixture(params=[False, True], ids=["blocks", "small blocks"])
def blocks(request, monkeypatch):
    if request.param:
        for module, name, size in (
            (_silhouette, "_BLOCK", 16),
            (_silhouette, "_N_CLUSTERS", 2),
            (_distances, "_N_PAIRS", 7),
            (_neighbors, "_BLOCK_ROWS", 31),
            (_neighbors, "_BLOCK_COLUMNS", 20),
            (_neighbors, "_FIRST_COLUMNS", 10),
            (_neighbors, "_FIRST_COLUMNS_PER_NEIGHBOR", 2),
            (_neighbors, "_PAIR_SIZE", 500),
        ):
            monkeypatch.setattr(module, name, size)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("metric", INTERNAL_METRICS)
def test_scores_of_sparse_rows_are_those_of_dense_ones(rng, blocks, kind, dtype, distance, metric):
    Z, labels = sparse_rows(rng, kind, dtype=dtype)
    labelings = [labels, rng.randint(7, size=len(Z)), np.arange(len(Z)) // 3]
    dense, sparse = (points_of(check_points(data, "Z"), distance) for data in (Z, sp.csr_matrix(Z)))
    score, scores = INTERNAL_METRICS[metric].score, INTERNAL_METRICS[metric].scores
    rtol = 1e-10 if dtype == np.float64 or distance == "euclidean" else 1e-5
    # Rows with no column in common are all as far apart, but for rounding, and some of them are among the neighbours.
    has_ties = metric == "neighbor_modularity" and distance == "cosine" and kind == "with empty rows"
    atol = 0.005 if has_ties else 0
    for one in labelings:
        assert_allclose(score(sparse, one), score(dense, one), rtol=rtol, atol=atol)
    assert_allclose(scores(sparse, labelings), scores(dense, labelings), rtol=rtol, atol=atol)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_the_silhouette_by_cosine_is_scikit_learns(rng, blocks, container):
    Z, labels = sparse_rows(rng)
    expected = sklearn.metrics.silhouette_score(Z, labels, metric="cosine")
    assert_allclose(_silhouette.silhouette_score(points_of(container(Z), "cosine"), labels), expected, rtol=1e-10)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_by_cosine_the_length_of_a_row_means_nothing(rng, container):
    Z, labels = sparse_rows(rng)
    lengths = 2.0 ** rng.randint(-60, 60, size=(len(Z), 1))
    for metric in INTERNAL_METRICS.values():
        one, other = (metric.score(points_of(container(data), "cosine"), labels) for data in (Z, lengths * Z))
        assert_allclose(other, one, rtol=1e-12)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("dtype, scale", [(np.float64, 1e-170), (np.float64, 1e170), (np.float32, 1e-25)])
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_squares_neither_overflow_nor_vanish(rng, container, dtype, scale, distance):
    Z, labels = sparse_rows(rng, dtype=dtype)
    for metric in INTERNAL_METRICS.values():
        one, other = (
            metric.score(points_of(container(data), distance), labels) for data in (Z, (scale * Z).astype(dtype))
        )
        assert_allclose(other, one, rtol=1e-5 if dtype == np.float32 else 1e-10)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_a_row_of_zeros_is_at_distance_one_from_all_others(rng, container):
    Z, _ = sparse_rows(rng, "with empty rows")
    points = points_of(container(Z), "cosine").rows
    half_squares = _distances.squared_distances(points, points, np.zeros(points.shape[1]), diagonal=0) / 2
    expected = pairwise_distances(Z, metric="cosine")
    empty = ~Z.any(axis=1)
    # Those of zeros are the same, which scikit-learn's cosine does not say.
    expected[np.ix_(empty, empty)] = 0
    assert_allclose(half_squares, expected, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_neighbors", [1, 5, 149])
def test_neighbours_of_sparse_rows_are_the_nearest(rng, blocks, kind, dtype, n_neighbors):
    Z, _ = sparse_rows(rng, kind, dtype=dtype)
    distances, neighbors = nearest_neighbors(sp.csr_array(Z), n_neighbors)
    D = np.linalg.norm(Z[:, np.newaxis].astype(np.float64) - Z, axis=2)
    np.fill_diagonal(D, np.inf)
    assert_allclose(distances, np.sort(D, axis=1)[:, :n_neighbors], rtol=1e-12)
    assert_allclose(np.take_along_axis(D, neighbors.astype(int), axis=1), distances, rtol=1e-12)
    assert all(len(set(row)) == n_neighbors for row in neighbors)


def test_clusters_of_equal_sparse_rows_have_no_scatter(rng):
    Z = np.repeat(sparse_rows(rng, n=4)[0], 20, axis=0) / 3
    labels = np.repeat(np.arange(4), 20)
    for distance in ("euclidean", "cosine"):
        points = points_of(sp.csr_array(Z), distance)
        assert INTERNAL_METRICS["davies_bouldin"].score(points, labels) == 0
        assert INTERNAL_METRICS["silhouette"].score(points, labels) == 1
        assert INTERNAL_METRICS["calinski_harabasz"].score(points, labels) > 1e30


@pytest.mark.parametrize("container", [sp.csr_matrix, sp.csc_matrix, sp.coo_array])
def test_sparse_rows_are_checked_without_a_change_to_the_users(container):
    Z = container(np.array([[1.0, 0, 2], [0, 0, 3]]))
    if container is sp.csr_matrix:
        Z = sp.csr_matrix((np.array([2.0, 0.5, 0.5, 0.0, 3.0]), [2, 0, 0, 1, 2], [0, 3, 5]), shape=(2, 3))
    before = Z.copy()
    points = check_points(Z, "Z")
    assert isinstance(points, sp.csr_array)
    assert points.has_canonical_format
    assert_array_equal(points.toarray(), [[1, 0, 2], [0, 0, 3]])
    assert points.nnz == 3
    for part in ("row", "col", "data") if Z.format == "coo" else ("indices", "indptr", "data"):
        assert_array_equal(getattr(Z, part), getattr(before, part))


def test_zeros_that_are_stored_are_none():
    Z = sp.csr_array((np.array([1.0, 0.0, 1.0]), [0, 1, 0], [0, 2, 3]), shape=(2, 2))
    assert Z.has_canonical_format
    points = check_points(Z, "Z")
    assert (points.nnz, Z.nnz) == (2, 3)
    assert n_distinct(points_of(points, "euclidean")) == 1


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_rows_that_are_one_point(container):
    assert are_one_point(container(np.tile([0.1, 0, 0.3], (5, 1))))
    assert are_one_point(container(np.array([[0.1, 0, 0.3], [np.nextafter(0.1, 1), 0, 0.3]])))
    assert not are_one_point(container(np.tile([0.1, 0, 0.3], (5, 1)) + np.eye(5, 3)))


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_different_rows_are_counted(container):
    for X, by_distance, by_cosine in (
        (np.repeat(np.eye(3), 2, axis=0), 3, 3),
        (np.zeros((4, 2)), 1, 1),
        (np.outer(np.arange(1.0, 21), [1, 2, 3]), 20, 1),
        (np.outer(np.r_[-3:0, 1:4], [0.1, 0, 0.3]), 6, 2),
    ):
        assert n_distinct(points_of(container(X), "euclidean")) == by_distance
        assert n_distinct(points_of(container(X), "cosine")) == by_cosine


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("n_stored", [0, 1, 40, 99, 101])
@pytest.mark.parametrize("d", [1, 40])
def test_rows_with_hardly_a_number(rng, n_stored, d, distance):
    n = 200
    Z = np.zeros((n, d))
    Z.flat[rng.permutation(n * d)[:n_stored]] = rng.uniform(1, 2, size=min(n_stored, n * d))
    labels = np.arange(n) % 3
    dense, sparse = (points_of(check_points(data, "Z"), distance) for data in (Z, sp.csr_array(Z)))
    for one, other in zip(nearest_neighbors(dense.rows, 5), nearest_neighbors(sparse.rows, 5)):
        assert one.shape == other.shape
        assert other.max() < n
    assert_allclose(*(nearest_neighbors(points.rows, 5)[0] for points in (dense, sparse)), atol=1e-12)
    assert are_one_point(sparse.rows) == are_one_point(dense.rows) == (n_stored == 0)
    if n_stored:
        for name in ("silhouette", "calinski_harabasz"):
            score = INTERNAL_METRICS[name].score
            assert_allclose(score(sparse, labels), score(dense, labels), rtol=1e-10)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [1e5, 1e8, 1e12])
def test_a_column_that_is_large_in_all_rows(distance, offset):
    n = 400
    Z = np.zeros((n, 21))
    Z[:, 0] = offset
    Z[np.arange(n), 1 + np.arange(n) % 20] = offset if distance == "cosine" else 1
    labels = np.arange(n) % 20 // 4
    for name in ("calinski_harabasz", "davies_bouldin"):
        score = INTERNAL_METRICS[name].score
        dense, sparse = (score(points_of(data, distance), labels) for data in (Z, sp.csr_array(Z)))
        assert_allclose(sparse, dense, rtol=1e-8)


@pytest.mark.parametrize("d", [8, 30])
def test_counts_have_equal_distances_in_the_same_order(rng, d):
    Z = rng.poisson(0.3, size=(300, d)).astype(np.float64)
    labels = Z.argmax(axis=1)
    dense, sparse = (points_of(check_points(data, "Z"), "euclidean") for data in (Z, sp.csr_array(Z)))
    assert_array_equal(*(nearest_neighbors(points.rows, 5)[1] for points in (dense, sparse)))
    score = INTERNAL_METRICS["neighbor_information"].score
    assert score(sparse, labels) == score(dense, labels)


@pytest.mark.parametrize("density", [0.02, 0.4, 1.0])
def test_products_are_those_of_dense_rows(rng, density):
    A, B = (rng.normal(size=shape) * (rng.uniform(size=shape) < density) for shape in ((40, 30), (30, 50)))
    product = dense_product(sp.csr_array(A), sp.csr_array(B))
    assert isinstance(product, np.ndarray)
    assert_allclose(product, A @ B, atol=1e-12)
