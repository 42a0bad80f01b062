"""The graph of nearest rows."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsTransformer
from threadpoolctl import threadpool_limits

from helpers.data import mapped
from skdeepcluster._data import _neighbors, neighbors_of
from skdeepcluster._data._neighbors import coordinates_of, nearest_rows
from skdeepcluster._support._threads import worker_threads


def by_brute_force(points, n_neighbors):
    points = points.astype(np.float64)
    D = cdist(points, points, "sqeuclidean")
    np.fill_diagonal(D, np.inf)
    return np.lexsort([np.broadcast_to(np.arange(len(D)), D.shape), D])[:, :n_neighbors]


def rows_of_kind(kind, dtype, n_rows=301, n_features=5):
    X = np.random.default_rng(0).normal(size=(n_rows, n_features)).astype(dtype)
    if kind == "far from the origin":
        X = X + dtype(2**14)
    elif kind == "repeated":
        X = np.repeat(X[: n_rows // 4 + 1], 4, axis=0)[:n_rows]
    elif kind == "an outlier":
        X[7] *= dtype(1e6)
    elif kind == "constant":
        X[:] = 3
    elif kind == "narrow clusters":
        X = (dtype(1e-4) * X + 2.0 ** (np.arange(n_rows) % 4)[:, np.newaxis]).astype(dtype)
    return X


@pytest.mark.parametrize(
    "kind", ["plain", "far from the origin", "repeated", "an outlier", "constant", "narrow clusters"]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("small_blocks", [False, True])
@pytest.mark.parametrize("n_neighbors", [1, 15])
def test_they_are_those_of_brute_force(monkeypatch, kind, dtype, small_blocks, n_neighbors):
    if small_blocks:
        for name, size in (("_BLOCK_ROWS", 97), ("_BLOCK_COLUMNS", 64), ("_FIRST_COLUMNS", 10), ("_PAIR_SIZE", 250)):
            monkeypatch.setattr(_neighbors, name, size)
    X = rows_of_kind(kind, dtype)
    distances, neighbors = nearest_rows(X, n_neighbors)
    assert_array_equal(neighbors, by_brute_force(X, n_neighbors))
    assert_allclose(distances, np.linalg.norm(X[:, np.newaxis].astype(np.float64) - X[neighbors], axis=2), rtol=1e-13)


@pytest.mark.parametrize(
    "kind", ["plain", "far from the origin", "repeated", "an outlier", "constant", "narrow clusters"]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_known", [15, 150, 300])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_those_among_known_rows(monkeypatch, kind, dtype, n_known, container):
    for name, size in (("_BLOCK_ROWS", 97), ("_BLOCK_COLUMNS", 64), ("_FIRST_COLUMNS", 10), ("_PAIR_SIZE", 250)):
        monkeypatch.setattr(_neighbors, name, size)
    X = rows_of_kind(kind, dtype)
    D = cdist(*(part.astype(np.float64) for part in (X[n_known:], X[:n_known])), "sqeuclidean")
    expected = np.lexsort([np.broadcast_to(np.arange(n_known), D.shape), D])[:, :15]
    distances, neighbors = nearest_rows(container(X), 15, n_known=n_known)
    assert_array_equal(neighbors, expected)
    assert_allclose(distances, np.sqrt(np.take_along_axis(D, expected, axis=1)), rtol=1e-12)


@pytest.mark.parametrize(
    "dtype, exponent", [(np.float32, 126), (np.float32, -126), (np.float64, 1020), (np.float64, -950)]
)
def test_the_unit_of_length_does_not_matter(dtype, exponent):
    X = rows_of_kind("plain", dtype)
    distances, neighbors = nearest_rows(X, 5)
    scaled_distances, scaled_neighbors = nearest_rows(np.ldexp(X, exponent), 5)
    assert_array_equal(scaled_neighbors, neighbors)
    assert_allclose(np.ldexp(scaled_distances, -exponent), distances, rtol=1e-6)


def test_all_others_can_be_neighbours():
    X = rows_of_kind("plain", np.float64, n_rows=12)
    assert_array_equal(np.sort(nearest_rows(X, 11)[1], axis=1), [[j for j in range(12) if j != i] for i in range(12)])


def test_they_are_the_same_for_every_number_of_threads(rng):
    X, graphs = rng.normal(size=(2000, 20)).astype(np.float32), []
    for n_threads in (1, 2):
        with threadpool_limits(limits=n_threads, user_api="blas"), worker_threads() as workers:
            graphs.append(neighbors_of(X, 10, "euclidean", None, workers.map))
    assert_array_equal(graphs[0], graphs[1])


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
def test_few_features_are_the_coordinates(rng, container):
    X = rng.normal(size=(40, 50))
    points = coordinates_of(container(X), "euclidean")
    unit = X[0, 0] / points[0, 0]
    assert np.frexp(unit)[0] == 0.5
    assert_array_equal(unit * points, X)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
def test_many_features_are_compared_in_50_components(rng, container):
    X = rng.normal(size=(200, 80)) @ rng.normal(size=(80, 80))
    points = coordinates_of(container(X), "euclidean")
    assert points.shape == (200, 50)
    expected = PCA(50, random_state=0).fit_transform(X)
    assert_array_equal(nearest_rows(points, 5)[1], nearest_rows(expected, 5)[1])


def test_the_components_are_those_of_rows_spread_over_all(rng, monkeypatch):
    monkeypatch.setattr(_neighbors, "_N_PCA_ROWS", 60)
    X = rng.normal(size=(600, 80))
    rows = np.linspace(0, 599, 60).astype(int)
    expected = PCA(50, random_state=0).fit(X[rows]).transform(X)
    points = coordinates_of(X, "euclidean")
    assert_allclose(expected[0, 0] / points[0, 0] * points, expected, atol=1e-10)


def test_cosine_does_not_look_at_lengths(rng):
    X = rng.normal(size=(100, 6))
    lengths = rng.uniform(0.01, 100, size=(100, 1))
    plain, scaled = (neighbors_of(rows, 5, "cosine", None) for rows in (X, lengths * X))
    assert_array_equal(plain, scaled)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    assert_array_equal(plain, by_brute_force(unit, 5))
    assert not np.array_equal(neighbors_of(lengths * X, 5, "euclidean", None), scaled)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("n_features", [6, 60])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_huge_and_tiny_rows_have_neighbours(rng, metric, n_features, container):
    X = rng.normal(size=(100, n_features))
    expected = neighbors_of(X, 5, metric, None)
    for exponent in (-1000, 1000):
        assert_array_equal(neighbors_of(container(np.ldexp(X, exponent)), 5, metric, None), expected)


def test_a_mapped_file_has_the_graph_of_the_array(rng, tmp_path):
    X = rng.normal(size=(300, 70)).astype(np.float32)
    in_file = mapped(X, tmp_path / "rows.f4")
    assert_array_equal(neighbors_of(in_file, 5, "euclidean", None), neighbors_of(X, 5, "euclidean", None))


# Graphs of others


def test_a_transformer_finds_the_same(rng):
    X = rng.normal(size=(100, 4))
    transformer = KNeighborsTransformer(n_neighbors=2)
    found = neighbors_of(X, 6, "euclidean", transformer)
    assert transformer.n_neighbors == 2
    assert_array_equal(found, neighbors_of(X, 6, "euclidean", None))


def test_a_graph_with_the_rows_themselves_among_too_few_is_refused(rng):
    with pytest.raises(ValueError, match="found 5 neighbours of a row"):
        neighbors_of(rng.normal(size=(100, 4)), 6, "euclidean", KNeighborsTransformer(mode="connectivity"))


class Graph(BaseEstimator):
    """Makes a given graph of any rows."""

    def __init__(self, graph=None):
        self.graph = graph

    def fit_transform(self, X, y=None):
        if isinstance(self.graph, Exception):
            raise self.graph
        return self.graph


@pytest.mark.parametrize(
    "graph, message",
    [
        (np.ones((4, 4)), r"made ndarray of shape \(4, 4\) of 4 rows"),
        (sp.csr_matrix(np.ones((4, 3))), r"of shape \(4, 3\) of 4 rows"),
        (sp.csr_matrix(np.eye(4)), "found 0 neighbours of a row"),
        (sp.csr_matrix(np.full((4, 4), np.nan)), "not finite"),
    ],
)
def test_what_is_no_graph_is_explained(rng, graph, message):
    with pytest.raises(ValueError, match=message) as caught:
        neighbors_of(rng.normal(size=(4, 2)), 2, "euclidean", Graph(graph))
    assert "neighbors_transformer=Graph" in str(caught.value)


def test_what_a_transformer_raises_says_whose_it_is(rng):
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        neighbors_of(rng.normal(size=(4, 2)), 2, "euclidean", Graph(ZeroDivisionError("mine")))
    assert "neighbors_transformer=Graph" in caught.value.__notes__[0]


def test_more_neighbours_than_other_rows_are_refused(rng):
    with pytest.raises(ValueError, match=r"n_neighbors=4 .* n_samples=4 .* Lower n_neighbors"):
        neighbors_of(rng.normal(size=(4, 2)), 4, "euclidean", None)
