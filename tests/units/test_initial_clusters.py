import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import adjusted_rand_score

from skdeepcluster._joint._start import initial_clusters


@pytest.fixture
def sheets(rng):
    """Two long thin clusters side by side, which KMeans cuts across."""
    truth = np.repeat([0, 1], 300)
    return np.c_[rng.normal(scale=4, size=600), rng.normal(size=600) + 6 * truth], truth


def find(code, n_clusters, sample_weight=None, **options):
    return initial_clusters(code, sample_weight, n_clusters, n_init=3, random_state=np.random.RandomState(0), **options)


def test_the_mixture_tells_long_clusters_apart(sheets):
    code, truth = sheets
    assert adjusted_rand_score(truth, find(code, 2, init="gaussian_mixture")[0]) > 0.95
    assert adjusted_rand_score(truth, find(code, 2, init="kmeans")[0]) < 0.1


def test_the_mixture_gives_probabilities(sheets):
    code, _ = sheets
    labels, _, probabilities, _ = find(code, 2, init="gaussian_mixture")
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert_array_equal(labels, probabilities.argmax(axis=1))
    assert find(code, 2, init="kmeans").probabilities is None


@pytest.mark.parametrize("init", ["gaussian_mixture", "kmeans"])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_centres_are_on_the_scale_of_the_code(rng, init, scale):
    truth = np.repeat([0, 1, 2], 50)
    code = scale * (rng.normal(scale=0.1, size=(150, 2)) + 5 * truth[:, np.newaxis])
    labels, centers, _, radius = find(code.astype(np.float32), 3, init=init)
    assert_allclose(radius, np.sqrt(np.mean(np.sum((code - centers[labels]) ** 2, axis=1))), rtol=1e-3)
    assert adjusted_rand_score(truth, labels) == 1
    for cluster, center in enumerate(centers):
        assert_allclose(center, code[labels == cluster].mean(axis=0), atol=0.02 * scale)


@pytest.mark.parametrize("init", ["gaussian_mixture", "kmeans"])
def test_heavy_rows_move_the_centres(rng, init):
    code = np.r_[rng.normal(size=(100, 1)), rng.normal(size=(100, 1)) + 20]
    w = np.ones(200)
    w[code[:, 0] > 20] = 50
    (_, plain, *_), (labels, weighted, *_) = (find(code, 2, sample_weight, init=init) for sample_weight in (None, w))
    assert weighted.max() > plain.max() + 0.3
    assert len(labels) == 200


@pytest.mark.parametrize("init", ["gaussian_mixture", "kmeans"])
def test_equal_rows_are_no_error(init):
    labels, centers, _, radius = find(np.ones((20, 3)), 4, init=init)
    assert radius == 0
    assert len(labels) == 20
    assert_allclose(centers, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_radius_below_the_rounding_of_the_code_is_zero(rng, dtype):
    code = np.r_[rng.normal(size=(20, 1)), [[10]]].astype(dtype)
    # The row that has all of the weight is a cluster by itself.
    w = np.r_[np.full(20, 1e-290), 21]
    labels, centers, _, radius = find(code, 2, w, init="kmeans")
    assert radius == 0
    assert_allclose(centers[labels[-1]], 10)


@pytest.mark.parametrize("init", ["gaussian_mixture", "kmeans"])
def test_weights_of_one_are_no_weights(rng, init):
    code = rng.normal(size=(90, 3)) + np.repeat(4 * np.eye(3), 30, axis=0)
    weighted, plain = (find(code, 3, sample_weight, init=init) for sample_weight in (np.ones(90), None))
    assert_array_equal(weighted.labels, plain.labels)
    assert_allclose(weighted.centers, plain.centers, rtol=1e-12)
    assert_allclose(weighted.radius, plain.radius, rtol=1e-12)


@pytest.mark.parametrize("init", ["gaussian_mixture", "kmeans"])
def test_all_rows_take_part_whatever_their_weights(rng, init):
    # Clusters of light rows that a sample drawn by the weights would miss.
    code = np.repeat(10 * np.eye(4), 3, axis=0) + rng.normal(scale=0.1, size=(12, 4))
    labels, *_ = find(code, 4, np.r_[np.ones(9), np.full(3, 0.01)], init=init)
    assert adjusted_rand_score(np.arange(12) // 3, labels) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("init", ["gaussian_mixture", "kmeans"])
def test_clusters_of_repeated_rows_are_no_narrower_than_a_thousandth(rng, init, dtype):
    points = rng.normal(size=(4, 3)) + 5
    code = np.repeat(points, 25, axis=0).astype(dtype)
    # In other blocks of rows, products round in other ways.
    code[::2] = np.nextafter(code[::2], np.inf, dtype=dtype)
    width = np.sqrt(np.sum(np.var(code, axis=0, dtype=float)))
    assert_allclose(find(code, 4, init=init).radius, 1e-3 * width)
    assert_allclose(find(code, 4, np.arange(100) % 2 + 1.0, init=init).radius, 1e-3 * width, rtol=0.01)
    assert find(code[:25], 2, init=init).radius == 0


@pytest.mark.parametrize("offset", [0, 100, 1e6])
@pytest.mark.parametrize("deviation", [1e-3, 1e-7])
def test_the_mixture_of_a_collapsed_code(rng, offset, deviation):
    # Covariances far from the origin would have negative eigenvalues, by rounding.
    code = offset + deviation * rng.normal(size=(100, 3)) * [1, 1e-3, 0]
    labels, centers, probabilities, _ = find(code, 2, init="gaussian_mixture")
    assert_allclose(probabilities.sum(axis=1), 1)
    assert np.isfinite(centers).all()
    assert len(labels) == 100
