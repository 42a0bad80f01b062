import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from helpers.threads import blas_threads
from skdeepcluster.metrics._neighbors import nearest_neighbors

# Trees up to 15 features, products above.
WIDTHS = [1, 15, 16, 64]


def by_definition(Z, n_neighbors):
    """Distances to the nearest other rows, from differences of coordinates."""
    D = cdist(Z, Z)
    np.fill_diagonal(D, np.inf)
    return np.sort(D, axis=1)[:, :n_neighbors]


def assert_nearest(Z, n_neighbors, rtol=1e-9):
    distances, neighbors = nearest_neighbors(Z, n_neighbors)
    Z = Z.astype(np.float64)
    assert_allclose(distances, by_definition(Z, n_neighbors), rtol=rtol)
    differences = Z[:, np.newaxis] - Z[neighbors]
    assert_allclose(np.linalg.norm(differences, axis=2), distances, rtol=rtol)
    assert (neighbors != np.arange(len(Z))[:, np.newaxis]).all()
    assert all(len(set(row)) == n_neighbors for row in neighbors)


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("n, n_neighbors", [(2, 1), (60, 3), (60, 40), (60, 59), (300, 4)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_neighbours_are_the_nearest(rng, d, n, n_neighbors, dtype):
    assert_nearest(rng.normal(size=(n, d)).astype(dtype), n_neighbors)


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("n_known, n_neighbors", [(1, 1), (40, 40), (59, 3)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_nearest_of_known_rows(rng, d, n_known, n_neighbors, dtype):
    Z = rng.normal(size=(60, d)).astype(dtype)
    distances, neighbors = nearest_neighbors(Z, n_neighbors, n_known=n_known)
    D = cdist(Z[n_known:], Z[:n_known])
    assert_allclose(distances, np.sort(D, axis=1)[:, :n_neighbors], rtol=1e-9)
    assert_allclose(np.take_along_axis(D, neighbors, axis=1), distances, rtol=1e-9)


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_repeated_rows_have_distance_zero(rng, d, dtype):
    points = rng.normal(size=(20, d))
    Z = np.vstack([np.repeat(points, 5, axis=0), rng.normal(size=(10, d))]).astype(dtype)
    distances, _ = nearest_neighbors(Z, 4)
    assert (distances[:100] == 0).all()
    assert (distances[100:] > 0).all()
    assert_nearest(Z, 6)


@pytest.mark.parametrize("d", [15, 16, 64])
@pytest.mark.parametrize("offset", [1e6, 1e9])
def test_rows_far_from_the_origin(rng, d, offset):
    assert_nearest(rng.normal(size=(200, d)) + offset, 3)


@pytest.mark.parametrize("d", [15, 16, 64])
def test_narrow_clusters_far_from_each_other(rng, d):
    # No point to see all rows from keeps the digits.
    Z = np.repeat(1e6 * rng.normal(size=(4, d)), 50, axis=0) + 1e-2 * rng.normal(size=(200, d))
    assert_nearest(Z, 3)
    assert_nearest(np.vstack([Z, np.full((1, d), 1e12)]), 3)


def test_threads_change_nothing(rng):
    Z = np.repeat(rng.normal(size=(40, 20)), 5, axis=0)
    Z[::3] += 1e-7 * rng.normal(size=(67, 20))
    before, expected = blas_threads(), nearest_neighbors(Z, 7)
    for n_threads in (1, 3):
        with threadpool_limits(n_threads, user_api="blas"):
            for a, b in zip(nearest_neighbors(Z, 7), expected):
                assert_array_equal(a, b)
    assert blas_threads() == before
