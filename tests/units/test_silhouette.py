import tracemalloc

import numpy as np
import pytest
import sklearn.metrics
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from helpers.threads import blas_threads
from skdeepcluster.metrics import _distances, _silhouette
from skdeepcluster.metrics._points import points_of

LABELS = np.array([-1, 5, 100, 7, 8, 9])
SHARES = [0.5, 0.2, 0.1, 0.1, 0.05, 0.05]


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(_silhouette, "_BLOCK", 16)


def silhouette_score(Z, labels):
    return _silhouette.silhouette_score(points_of(Z, "euclidean"), labels)


def silhouette_scores(Z, labelings):
    return _silhouette.silhouette_scores(points_of(Z, "euclidean"), labelings)


def make_clusters(rng, n, d=5):
    """Clusters of unequal sizes whose labels are not contiguous, in no order."""
    codes = rng.choice(len(LABELS), size=n, p=SHARES)
    # Every label at least twice
    codes[: 2 * len(LABELS)] = np.resize(np.arange(len(LABELS)), 2 * len(LABELS))[:n]
    return rng.normal(size=(len(LABELS), d))[codes] + rng.normal(size=(n, d)), LABELS[codes]


def by_definition(Z, labels):
    """The mean silhouette row by row, from differences of coordinates, which do not cancel."""
    D = cdist(Z, Z)
    s = np.zeros(len(Z))
    for i in range(len(Z)):
        own = labels == labels[i]
        if np.sum(own) > 1:
            a = D[i, own].sum() / (np.sum(own) - 1)
            b = min(D[i, labels == label].mean() for label in np.unique(labels[~own]))
            s[i] = (b - a) / max(a, b) if max(a, b) > 0 else 0
    return s.mean()


def test_by_hand():
    # Row 0: a = 1, b = 4; row 1: a = 1, b = 4; row 2: a = 2, b = 3.5; row 3: a = 2, b = 5.5; row 4 is alone.
    Z, labels = np.array([[0.0], [1.0], [4.0], [6.0], [-4.0]]), np.array([3, 3, 0, 0, 1])
    assert_allclose(silhouette_score(Z, labels), (3 / 4 + 3 / 4 + 1.5 / 3.5 + 3.5 / 5.5) / 5, rtol=1e-14)


@pytest.mark.parametrize("n_clusters", [1, 2, 4, 6, 128])
@pytest.mark.parametrize("n", [9, 16, 17, 32, 75, 160])
def test_equals_scikit_learns(monkeypatch, small_blocks, rng, n, n_clusters):
    monkeypatch.setattr(_silhouette, "_N_CLUSTERS", n_clusters)
    Z, labels = make_clusters(rng, n)
    assert_allclose(silhouette_score(Z, labels), sklearn.metrics.silhouette_score(Z, labels), rtol=1e-10)


@pytest.mark.parametrize("n", [9, 16, 17, 75])
def test_several_partitions_equal_one_by_one(small_blocks, rng, n):
    Z, labels = make_clusters(rng, n)
    labelings = [labels, rng.permutation(labels), np.arange(n) // 4, np.r_[np.zeros(n - 1), 1]]
    assert_allclose(silhouette_scores(Z, labelings), [silhouette_score(Z, one) for one in labelings], rtol=1e-10)


def test_several_partitions_of_rows_that_coincide(rng):
    Z = np.repeat(rng.normal(size=(3, 5)), 20, axis=0) + 1e6
    labelings = [np.repeat([0, 1, 2], 20), np.tile([0, 1], 30)]
    assert_allclose(silhouette_scores(Z, labelings), [silhouette_score(Z, one) for one in labelings], rtol=1e-10)


@pytest.mark.parametrize("n, d", [(511, 64), (1024, 1), (1300, 64)])
def test_equals_scikit_learns_with_the_blocks_as_they_are(rng, n, d):
    Z, labels = make_clusters(rng, n, d)
    assert_allclose(silhouette_score(Z, labels), sklearn.metrics.silhouette_score(Z, labels), rtol=1e-10)


def test_many_clusters_and_singletons(rng):
    Z, labels = rng.normal(size=(700, 3)), rng.randint(400, size=700)
    sizes = np.unique(labels, return_counts=True)[1]
    assert len(sizes) > 2 * _silhouette._N_CLUSTERS
    assert np.sum(sizes == 1) > 50
    assert_allclose(silhouette_score(Z, labels), sklearn.metrics.silhouette_score(Z, labels), rtol=1e-10)


def test_a_singleton_counts_zero(small_blocks, rng):
    Z, labels = make_clusters(rng, 40)
    with_singleton = silhouette_score(np.vstack([Z, np.full((1, 5), 1e3)]), [*labels, 77])
    assert_allclose(with_singleton, 40 / 41 * silhouette_score(Z, labels), rtol=1e-10)


def test_a_layout_or_an_order_of_rows_changes_nothing(small_blocks, rng):
    Z, labels = make_clusters(rng, 75)
    Z.flags.writeable = labels.flags.writeable = False
    expected = silhouette_score(Z, labels)
    rows = rng.permutation(75)
    assert silhouette_score(np.asfortranarray(Z), labels) == expected
    assert silhouette_score(Z, labels.astype(str)) == pytest.approx(expected, rel=1e-12)
    assert silhouette_score(Z[rows], labels[rows]) == pytest.approx(expected, rel=1e-12)


def test_rows_that_repeat(small_blocks, rng):
    Z, labels = make_clusters(rng, 120)
    Z[60:], labels[60:] = Z[:60], labels[:60]
    # Some of them across clusters
    Z[:10] = Z[10]
    assert_allclose(silhouette_score(Z, labels), by_definition(Z, labels), rtol=1e-12)
    # scikit-learn's distances between equal rows are up to about 1e-7 instead of 0.
    assert_allclose(silhouette_score(Z, labels), sklearn.metrics.silhouette_score(Z, labels), rtol=1e-6)


def test_clusters_of_equal_rows():
    Z = np.repeat([[0.1, 0.2], [0.7, 0.3], [0.7, 0.3]], 20, axis=0)
    # The second and third cluster are at one point: a = b = 0 for their rows.
    assert silhouette_score(Z, np.repeat([0, 1, 2], 20)) == pytest.approx(1 / 3, rel=1e-15)
    assert silhouette_score(Z, np.repeat([0, 1, 1], 20)) == 1


@pytest.mark.parametrize("spread", [1e-3, 1e-5, 1e-9])
def test_close_clusters_beside_one_far_away(small_blocks, rng, spread):
    Z, labels = make_clusters(rng, 120)
    Z *= spread
    Z[labels == -1] += 1
    assert_allclose(silhouette_score(Z, labels), by_definition(Z, labels), rtol=1e-10)


def test_a_common_offset(small_blocks, rng):
    Z, labels = make_clusters(rng, 120)
    for offset in (1e3, 1e6, 1e9):
        assert_allclose(silhouette_score(Z + offset, labels), by_definition(Z + offset, labels), rtol=1e-10)
    # Up to how the offset rounds the data, it changes nothing. scikit-learn's is off by more than that.
    assert_allclose(silhouette_score(Z + 1e6, labels), silhouette_score(Z, labels), rtol=1e-8)
    assert sklearn.metrics.silhouette_score(Z + 1e6, labels) != pytest.approx(silhouette_score(Z, labels), rel=1e-6)


def test_an_outlier(small_blocks, rng):
    Z, labels = make_clusters(rng, 120)
    Z[0] = 1e9
    assert_allclose(silhouette_score(Z, labels), by_definition(Z, labels), rtol=1e-10)


def test_most_rows_far_away(small_blocks, rng):
    Z, labels = make_clusters(rng, 120)
    Z[labels == -1] += 1e8
    Z[labels == 5] += 1e8
    assert_allclose(silhouette_score(Z, labels), by_definition(Z, labels), rtol=1e-10)


@pytest.mark.parametrize("offset", [0, 1e4])
def test_float32_is_computed_in_float64(rng, offset):
    Z, labels = make_clusters(rng, 1300, 64)
    Z = (Z + offset).astype(np.float32)
    assert_allclose(silhouette_score(Z, labels), silhouette_score(Z.astype(np.float64), labels), rtol=1e-14)
    assert_allclose(silhouette_score(Z, labels), sklearn.metrics.silhouette_score(Z, labels), rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_the_unit_of_length_does_not_matter(rng, scale):
    Z, labels = make_clusters(rng, 120)
    assert_allclose(silhouette_score(scale * Z, labels), silhouette_score(Z, labels), rtol=1e-12)


@pytest.mark.parametrize("n_clusters", [10, 600])
def test_memory_holds_a_few_blocks(monkeypatch, rng, n_clusters):
    monkeypatch.setattr(_silhouette, "_BLOCK", 256)
    monkeypatch.setattr(_silhouette, "_N_CLUSTERS", 64)
    n = 3000
    Z, labels = rng.normal(size=(n, 4)), rng.randint(n_clusters, size=n)
    silhouette_score(Z[:100], labels[:100])
    # One thread, so that the bound does not depend on the machine
    with threadpool_limits(limits=1, user_api="blas"):
        tracemalloc.start()
        silhouette_score(Z, labels)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    n_numbers = 5 * 256**2 + 10 * n + 2 * min(n_clusters, 64) * n
    assert 10 * n_numbers < n**2
    assert peak < 8 * n_numbers


def test_threads_change_nothing_and_are_given_back(small_blocks, rng):
    Z, labels = make_clusters(rng, 300, 64)
    before = blas_threads()
    expected = silhouette_score(Z, labels)
    for n_threads in (1, 2, 3):
        with threadpool_limits(limits=n_threads, user_api="blas"):
            limited = blas_threads()
            assert silhouette_score(Z, labels) == expected
            assert blas_threads() == limited
    with pytest.raises(IndexError):
        silhouette_score(Z, np.append(labels, labels))
    assert blas_threads() == before


@pytest.mark.parametrize("offset", [0, 1e6])
def test_products_do_for_ordinary_data(monkeypatch, small_blocks, rng, offset):
    Z, labels = make_clusters(rng, 120, 20)
    Z += offset
    Z[0] *= 1000
    expected = by_definition(Z, labels)

    def count_rows(x, y, metric):
        assert len(x) == 0
        return np.empty((0, len(y)))

    monkeypatch.setattr(_distances, "cdist", count_rows)
    assert_allclose(silhouette_score(Z, labels), expected, rtol=1e-10)
