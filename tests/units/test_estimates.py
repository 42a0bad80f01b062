import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import DBSCAN
from sklearn.metrics import silhouette_score

from skdeepcluster.exceptions import GridEdgeWarning
from skdeepcluster.model_selection import _estimates, estimate_eps, estimate_n_clusters
from skdeepcluster.model_selection._estimates import _first_within_error, _kmeans

METHODS = ["modularity", "silhouette", "gap", "stability"]


# eps


def test_eps_by_hand():
    Z = np.array([[0.0], [1.0], [2.0], [3.0], [10.0]])
    estimate = estimate_eps(Z, min_samples=2)
    # To the nearest other row. The line from 1 to 7 is 4.5 above the fourth point.
    assert_allclose(estimate.distances, [1, 1, 1, 1, 7])
    assert estimate.knee == 3
    assert estimate.eps == pytest.approx(1)
    # The row itself is one of three, as DBSCAN counts.
    assert_allclose(estimate_eps(Z, min_samples=3).distances, [1, 1, 2, 2, 8])


def test_dbscan_finds_the_clusters_with_the_estimate(blobs, rng):
    noise = rng.uniform(-3, 3, size=(30, blobs.shape[1]))
    estimate = estimate_eps(np.vstack([blobs, noise]), min_samples=10)
    assert_allclose(estimate.distances[estimate.knee], estimate.eps)
    labels = DBSCAN(estimate.eps, min_samples=10).fit_predict(np.vstack([blobs, noise]))
    assert labels.max() == 5
    assert (labels[:600] == -1).mean() < 0.1
    assert (labels[600:] == -1).all()


def test_rows_at_equal_distances_are_within_eps():
    Z = 0.1 * np.arange(50.0)[:, np.newaxis]
    estimate = estimate_eps(Z, min_samples=2)
    assert_allclose(estimate.eps, 0.1)
    assert (DBSCAN(estimate.eps, min_samples=2).fit_predict(Z) == 0).all()


@pytest.mark.parametrize(
    "Z, min_samples, message",
    [
        (np.zeros((4, 2)), 5, "min_samples=5 is more than the 4 rows of Z"),
        (np.zeros((4, 2)), 1, "min_samples"),
        (np.zeros(4), 2, "2D array"),
        (np.full((4, 2), np.nan), 2, "Z contains NaN"),
        (
            np.r_[np.zeros((8, 1)), [[1.0], [2.0]]],
            3,
            "eps would be 0: many rows of Z have min_samples=3 rows at the same",
        ),
    ],
)
def test_bad_arguments_of_eps(Z, min_samples, message):
    with pytest.raises(ValueError, match=message):
        estimate_eps(Z, min_samples)


# Number of clusters


@pytest.mark.parametrize("method", METHODS)
def test_the_number_of_blobs_is_found(blobs, method):
    estimate = estimate_n_clusters(blobs, [8, 3, 4, 5, 6, 7], method=method, n_repeats=3, random_state=0)
    assert estimate.n_clusters == 6
    assert_array_equal(estimate.k_range, [3, 4, 5, 6, 7, 8])
    assert estimate.scores.shape == estimate.errors.shape == (6,)
    again = estimate_n_clusters(blobs, [8, 3, 4, 5, 6, 7], method=method, n_repeats=3, random_state=0)
    assert_array_equal(again.scores, estimate.scores)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "k_range, words", [([4, 5, 6], "6, is the largest of k_range"), ([7, 6, 8], "6, is the smallest of k_range")]
)
def test_a_number_at_the_edge_of_the_range_is_a_warning(blobs, method, k_range, words):
    with pytest.warns(GridEdgeWarning, match=rf"by method='{method}', {words}=\[.*Extend k_range"):
        estimate = estimate_n_clusters(blobs, k_range, method=method, n_repeats=3, random_state=0)
    assert estimate.n_clusters == 6


@pytest.mark.parametrize("method", ["modularity", "silhouette", "stability"])
def test_two_clusters_are_no_edge_where_one_cannot_be_tried(blobs, method):
    Z = np.vstack([blobs[:40], blobs[:40] + 50])
    assert estimate_n_clusters(Z, [2, 3, 4], method=method, n_repeats=3, random_state=0).n_clusters == 2


def test_two_clusters_are_an_edge_where_one_can_be_tried(blobs):
    Z = np.vstack([blobs[:40], blobs[:40] + 50])
    with pytest.warns(GridEdgeWarning, match="2, is the smallest"):
        estimate_n_clusters(Z, [2, 3, 4], method="gap", n_repeats=3, random_state=0)
    assert estimate_n_clusters(Z, [1, 2, 3], method="gap", n_repeats=3, random_state=0).n_clusters == 2


def test_the_largest_number_that_rows_allow_is_an_edge(rng):
    Z = np.repeat(rng.normal(size=(4, 2)), 10, axis=0)
    with pytest.warns(GridEdgeWarning, match="4, is the largest .* 4 distinct rows"):
        estimate_n_clusters(Z, [2, 3, 4], method="silhouette", random_state=0)


def test_scores_of_the_silhouette_are_those_of_kmeans(blobs):
    estimate = estimate_n_clusters(blobs, [2, 6], method="silhouette", random_state=0)
    random_state = np.random.RandomState(0)
    expected = [silhouette_score(blobs, _kmeans(blobs, k, random_state).labels_) for k in (2, 6)]
    assert_allclose(estimate.scores, expected)
    assert np.isnan(estimate.errors).all()


def test_the_gap_of_one_cluster_by_hand():
    # One cluster, in one dimension: W is the sum of squares about the mean, and references are uniform on the range.
    Z = np.array([[0.0], [1.0], [1.0], [2.0], [6.0]])
    estimate = estimate_n_clusters(Z, [1], method="gap", n_repeats=4, random_state=0)
    references = np.random.RandomState(0).uniform(-2, 4, size=(4, 5))
    log_W = np.log(((references - references.mean(axis=1, keepdims=True)) ** 2).sum(axis=1))
    assert_allclose(estimate.scores, [log_W.mean() - np.log(22)])
    assert_allclose(estimate.errors, [log_W.std() * np.sqrt(1 + 1 / 4)])


def test_the_gap_takes_its_references_from_a_box_along_the_principal_axes(rng):
    # Turning the data changes nothing but rounding, which a box along the coordinates does not do.
    Z = rng.normal(size=(40, 2)) * [5, 0.1]
    turn = np.sqrt(0.5) * np.array([[1, 1], [-1, 1]])
    one, turned = (estimate_n_clusters(data, [1], method="gap", random_state=0).scores for data in (Z, Z @ turn))
    assert_allclose(turned, one, rtol=0.05)


def test_the_gap_can_say_that_there_are_no_clusters(rng):
    estimate = estimate_n_clusters(rng.normal(size=(200, 3)), range(1, 6), method="gap", random_state=0)
    assert estimate.n_clusters == 1


def test_the_rule_of_the_gap_by_hand():
    errors = np.array([0.0, 0.2, 0.0, 0.0])
    assert _first_within_error(np.array([1.0, 1.1, 3.0, 2.0]), errors) == 0
    assert _first_within_error(np.array([1.0, 1.3, 3.0, 2.0]), errors) == 2
    assert _first_within_error(np.array([1.0, 2.0, 3.0, 4.0]), errors) == 3


def test_stable_partitions_agree_in_all_halves(blobs):
    estimate = estimate_n_clusters(blobs, [4, 6], method="stability", n_repeats=4, random_state=0)
    assert estimate.scores[1] == 1
    assert estimate.errors[1] == 0
    assert estimate.scores[0] < 1


def test_errors_of_the_stability_are_standard_errors_of_the_mean(blobs, monkeypatch):
    agreements = iter([0.2, 0.4, 0.9])
    monkeypatch.setattr(_estimates, "adjusted_rand_score", lambda *partitions: next(agreements))
    estimate = estimate_n_clusters(blobs, [2], method="stability", n_repeats=3, random_state=0)
    assert_allclose(estimate.scores, [0.5])
    assert_allclose(estimate.errors, [np.sqrt((0.3**2 + 0.1**2 + 0.4**2) / 2 / 3)])


# Six rows at random are no clusters.
@pytest.mark.filterwarnings("ignore:.*no better than those of tables:skdeepcluster.exceptions.NoStructureWarning")
@pytest.mark.parametrize("method", METHODS)
def test_there_are_no_more_clusters_than_distinct_rows(rng, method):
    Z = np.repeat(rng.normal(size=(6, 2)), 10, axis=0)
    highest = {"modularity": 6, "silhouette": 6, "gap": 5, "stability": 3}[method]
    estimate = estimate_n_clusters(Z, [2, highest], method=method, random_state=0)
    assert np.isfinite(estimate.scores).all()
    with pytest.raises(ValueError, match=f"to {highest}, .* 6 distinct rows"):
        estimate_n_clusters(Z, [2, highest + 1], method=method)


@pytest.mark.parametrize(
    "k_range, method, message",
    [
        ([1, 2], "silhouette", "different numbers from 2 to 9, with method='silhouette' and 10 distinct rows"),
        ([2, 10], "gap", "from 1 to 9"),
        ([2, 6], "stability", "from 2 to 5"),
        ([2, 2], "gap", "different numbers"),
        ([], "gap", "one or more integers"),
        ([2.5], "gap", "one or more integers"),
        ([2], "elbow", "method"),
    ],
)
def test_bad_arguments_of_the_number_of_clusters(rng, k_range, method, message):
    with pytest.raises(ValueError, match=message):
        estimate_n_clusters(rng.normal(size=(10, 2)), k_range, method=method)


@pytest.mark.parametrize("method, n_distinct", [("modularity", 1), ("silhouette", 1), ("gap", 1), ("stability", 3)])
def test_too_few_rows_to_compare_numbers_of_clusters(rng, method, n_distinct):
    Z = np.repeat(rng.normal(size=(n_distinct, 2)), 5, axis=0)
    with pytest.raises(ValueError, match=f"Z has {n_distinct} distinct rows, too few .* by '{method}'"):
        estimate_n_clusters(Z, method=method)
