import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from skdeepcluster._joint import _least_cut
from skdeepcluster._joint._least_cut import Sample, least_cut_labels
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


@pytest.fixture
def classes_of_parts(rng):
    """A class of two dense parts with a bridge, two classes that are hardly farther apart, and two more."""
    means = np.array([[0, 0], [4.12, 0], [40, 0], [40, 4.8], [0, 40], [20, 20]], dtype=float)
    parts = np.repeat(np.arange(6), [400, 400, 300, 300, 300, 300])
    code = means[parts] + rng.normal(scale=0.6, size=(2000, 2))
    bridge = np.c_[rng.uniform(0, 4.12, size=150), rng.normal(scale=0.3, size=150)]
    return np.r_[code, bridge], np.r_[np.array([0, 0, 1, 2, 3, 4])[parts], np.zeros(150, int)]


def test_the_normalised_cut_by_hand():
    # Two pairs of neighbours, of which the second rows have neighbours in the other pair, too.
    sample = Sample(np.arange(4), np.array([0.1, 0.2, 0.3, 0.4]), np.array([[1], [2], [3], [1]]))
    labels = np.array([0, 0, 1, 1])
    within, between = np.array([0.1 * 0.2, 0.3 * 0.4]), 0.2 * 0.3 + 0.4 * 0.2
    assert_allclose(sample.links(labels, 2), [[2 * within[0], between], [between, 2 * within[1]]])
    assert_allclose(sample.normalized_cut(labels, 2), np.sum(between / (2 * within + between)))
    # A cluster without rows has no links.
    assert_allclose(sample.normalized_cut(labels, 3), np.sum(between / (2 * within + between)) + 1)


def test_clusters_with_the_most_links_for_their_weight_are_merged():
    # Points at places on a line, and who is linked to whom: the near to each other but for the last two.
    code = np.repeat([[0.0], [1.0], [10.0], [11.0], [30.0]], 2, axis=0)
    neighbors = np.array([[1], [2], [3], [0], [5], [6], [7], [4], [9], [8]])
    w = np.array([1, 3, 1, 1, 1, 1, 1, 1, 2, 2]) / 14
    centers = _least_cut._merged_centers(code, Sample(np.arange(10), w, neighbors), 3, 5, np.random.RandomState(0))
    assert_allclose(np.sort(centers.ravel()), [2 / 6, 10.5, 30])


def test_merged_starts_find_what_some_run_does_not(classes_of_parts, monkeypatch):
    code, truth = classes_of_parts

    def score(seed):
        labels = least_cut_labels(code, None, 5, n_init=1, random_state=np.random.RandomState(seed))
        return adjusted_rand_score(truth, labels)

    assert min(score(seed) for seed in range(6)) > 0.99
    monkeypatch.setattr(_least_cut, "_FINER", ())
    assert min(score(seed) for seed in range(6)) < 0.9


def test_runs_of_much_larger_inertia_take_no_part(rng, monkeypatch):
    # A few rows far away are linked to no other, but the two large groups are linked to each other.
    places, sizes = np.array([[0.0, 0.0], [4.0, 0.0], [2.0, 14.0]]), [500, 500, 12]
    code = np.repeat(places, sizes, axis=0) + rng.normal(size=(1012, 2))

    def score(truth):
        labels = least_cut_labels(code, None, 2, n_init=10, random_state=np.random.RandomState(0))
        return adjusted_rand_score(np.repeat(truth, sizes), labels)

    assert score([0, 1, 0]) > 0.8
    monkeypatch.setattr(_least_cut, "_LARGEST_INERTIA", np.inf)
    assert score([0, 0, 1]) > 0.9


def test_of_equal_cuts_the_least_inertia_is_taken(rng, monkeypatch):
    monkeypatch.setattr(_least_cut, "_FINER", ())
    code = 5 * rng.normal(size=(60, 2)).repeat(12, axis=0)
    random_state = np.random.RandomState(0)
    runs = [KMeans(6, n_init=1, random_state=random_state).fit(code) for _ in range(5)]
    labels = least_cut_labels(code, None, 6, n_init=5, random_state=np.random.RandomState(0))
    assert_array_equal(labels, min(runs, key=lambda run: run.inertia_).labels_)
    assert len({round(run.inertia_) for run in runs}) > 1


def test_heavy_rows_decide_the_runs():
    # The far row is a cluster of its own, unless it weighs little.
    code, w = np.array([[0.0], [1], [2], [10], [11], [12], [40]]), np.array([1.0, 1, 1, 1, 1, 1, 1e-6])
    labels = [least_cut_labels(code, v, 2, n_init=5, random_state=np.random.RandomState(0)) for v in (None, w)]
    assert adjusted_rand_score(labels[0], [0, 0, 0, 0, 0, 0, 1]) == 1
    assert adjusted_rand_score(labels[1], [0, 0, 0, 1, 1, 1, 1]) == 1
    sample = Sample(np.arange(7), w / w.sum(), np.arange(7)[:, np.newaxis] - 1)
    centers = _least_cut._merged_centers(code, sample, 2, 2, np.random.RandomState(0))
    assert_allclose(np.sort(centers.ravel()), [1, 11], atol=1e-4)


def test_links_are_those_for_the_weight_of_merged_clusters():
    # After the first two are merged, the third has three links to them, for twice the weight.
    code = np.array([0.0, 1, 3, 10, 12])[:, np.newaxis]
    neighbors = np.array([[1, 1, 1], [0, 2, 2], [1, 2, 2], [4, 4, 3], [3, 4, 4]])
    sample = Sample(np.arange(5), np.full(5, 0.2), neighbors)
    assert_allclose(sample.links(np.arange(5), 5)[[0, 1, 3], [1, 2, 4]], np.array([4, 3, 3]) * 0.04)
    centers = _least_cut._merged_centers(code, sample, 3, 5, np.random.RandomState(0))
    assert_allclose(np.sort(centers.ravel()), [0.5, 3, 11])


@pytest.mark.parametrize("n_rows", [None, 500])
def test_the_least_cut_parts_no_neighbours(classes_of_parts, monkeypatch, n_rows):
    if n_rows is not None:
        monkeypatch.setattr(_least_cut, "_N_ROWS", n_rows)
    code, truth = classes_of_parts
    assert adjusted_rand_score(truth, find(code, 5, init="least_cut").labels) > 0.99
    assert adjusted_rand_score(truth, find(code, 5, init="kmeans").labels) < 0.9


@pytest.mark.parametrize("init", ["least_cut", "gaussian_mixture", "kmeans"])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_centres_are_on_the_scale_of_the_code(rng, init, scale):
    truth = np.repeat([0, 1, 2], 50)
    code = scale * (rng.normal(scale=0.1, size=(150, 2)) + 5 * truth[:, np.newaxis])
    labels, centers, _, radius = find(code.astype(np.float32), 3, init=init)
    assert_allclose(radius, np.sqrt(np.mean(np.sum((code - centers[labels]) ** 2, axis=1))), rtol=1e-3)
    assert adjusted_rand_score(truth, labels) == 1
    for cluster, center in enumerate(centers):
        assert_allclose(center, code[labels == cluster].mean(axis=0), atol=0.02 * scale)


@pytest.mark.parametrize("init", ["least_cut", "gaussian_mixture", "kmeans"])
def test_heavy_rows_move_the_centres(rng, init):
    code = np.r_[rng.normal(size=(100, 1)), rng.normal(size=(100, 1)) + 20]
    w = np.ones(200)
    w[code[:, 0] > 20] = 50
    (_, plain, *_), (labels, weighted, *_) = (find(code, 2, sample_weight, init=init) for sample_weight in (None, w))
    assert weighted.max() > plain.max() + 0.3
    assert len(labels) == 200


@pytest.mark.parametrize("init", ["least_cut", "gaussian_mixture", "kmeans"])
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


@pytest.mark.parametrize("init", ["least_cut", "gaussian_mixture", "kmeans"])
def test_weights_of_one_are_no_weights(rng, init):
    code = rng.normal(size=(90, 3)) + np.repeat(4 * np.eye(3), 30, axis=0)
    weighted, plain = (find(code, 3, sample_weight, init=init) for sample_weight in (np.ones(90), None))
    assert_array_equal(weighted.labels, plain.labels)
    assert_allclose(weighted.centers, plain.centers, rtol=1e-12)
    assert_allclose(weighted.radius, plain.radius, rtol=1e-12)


@pytest.mark.parametrize("init", ["least_cut", "gaussian_mixture", "kmeans"])
def test_all_rows_take_part_whatever_their_weights(rng, init):
    # Clusters of light rows that a sample drawn by the weights would miss.
    code = np.repeat(10 * np.eye(4), 3, axis=0) + rng.normal(scale=0.1, size=(12, 4))
    labels, *_ = find(code, 4, np.r_[np.ones(9), np.full(3, 0.01)], init=init)
    assert adjusted_rand_score(np.arange(12) // 3, labels) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("init", ["least_cut", "gaussian_mixture", "kmeans"])
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
