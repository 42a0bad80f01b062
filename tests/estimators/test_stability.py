import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from helpers.bad_input import raises
from helpers.data import mapped
from helpers.search import Labeling
from skdeepcluster.exceptions import DegenerateClusteringWarning
from skdeepcluster.model_selection import cluster_stability
from skdeepcluster.model_selection._stability import best_jaccards

SHAPES = {"labels", "clusters", "sizes", "jaccards", "jaccard", "stable", "dissolved", "recovered", "rand_scores"}


@pytest.fixture(scope="module")
def groups():
    """90 rows of 5 features in three clusters."""
    X, _ = make_blobs(90, 5, centers=3, random_state=0)
    X.flags.writeable = False
    return X


class Watched(ClusterMixin, BaseEstimator):
    """Labels at random, by its random state; keeps what it was given."""

    seen = []

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y=None):
        return self

    def fit_predict(self, X, y=None):
        Watched.seen.append((X, self.random_state))
        return check_random_state(self.random_state).randint(3, size=len(X))


@pytest.fixture(autouse=True)
def nothing_seen():
    Watched.seen.clear()


def test_jaccards_by_hand():
    labels = np.array([2, 2, 2, 5, 5, 5, 5, -1, -1])
    found = np.array([0, 0, 1, 1, 1, 1, -1, 0, -1])
    # 2 of {0, 1, 2, 7}, and 3 of {2, 3, 4, 5, 6}.
    assert_allclose(best_jaccards(labels, found, np.array([2, 5, 7])), [2 / 4, 3 / 5, np.nan])
    assert_array_equal(best_jaccards(labels, np.full(9, -1), np.array([2, 5])), [0, 0])
    assert_array_equal(best_jaccards(labels, labels, np.array([2, 5])), [1, 1])
    names = np.array(["a", "a", "b"])
    assert_allclose(best_jaccards(names, np.array(["x", "y", "y"]), np.array(["a", "b"])), [1 / 2, 1 / 2])


def test_clusters_that_come_back_are_stable(groups):
    kmeans = KMeans(3, n_init=3, random_state=0)
    result = cluster_stability(kmeans, groups, n_repeats=10, random_state=0)
    assert set(result) == SHAPES
    assert_array_equal(result.labels, kmeans.fit_predict(groups))
    assert_array_equal(result.clusters, [0, 1, 2])
    assert_array_equal(result.sizes, [30, 30, 30])
    assert_array_equal(result.jaccards, np.ones((10, 3)))
    assert_array_equal(result.rand_scores, np.ones(10))
    assert result.stable.all()
    assert_array_equal(result.recovered, [1, 1, 1])
    assert_array_equal(result.dissolved, [0, 0, 0])


def test_with_one_cluster_too_many_the_group_that_is_cut_is_not(groups):
    result = cluster_stability(KMeans(4, n_init=3, random_state=0), groups, n_repeats=20, random_state=0)
    is_cut = result.sizes < 30
    assert is_cut.sum() == 2
    assert_array_equal(result.stable, ~is_cut)
    assert_allclose(result.jaccard, result.jaccards.mean(axis=0))
    assert_allclose(result.dissolved, (result.jaccards < 0.5).mean(axis=0))
    assert_allclose(result.recovered, (result.jaccards >= 0.75).mean(axis=0))
    assert (result.dissolved[is_cut] > 0.1).all()
    assert result.rand_scores.mean() < 0.9


def test_rows_are_drawn_and_random_states_are_new():
    X = np.arange(40.0)[:, np.newaxis]
    result = cluster_stability(Watched(random_state=7), X, n_repeats=4, max_samples=0.3, random_state=0)
    (of_all, state), *repeats = Watched.seen
    assert state == 7
    assert_array_equal(of_all, X)
    assert_array_equal(result.labels, np.random.RandomState(7).randint(3, size=40))
    assert len({state for _, state in repeats} | {7}) == 5
    for drawn, score in zip(repeats, result.rand_scores):
        rows = drawn[0].ravel().astype(int)
        assert len(rows) == 12
        assert (np.diff(rows) > 0).all()
        assert score == pytest.approx(
            adjusted_rand_score(result.labels[rows], check_random_state(drawn[1]).randint(3, size=12))
        )
    assert len({tuple(rows.ravel()) for rows, _ in repeats}) == 4


def test_nested_random_states_change_too_if_all_rows_are_drawn():
    X = np.arange(60.0)[:, np.newaxis]
    model = make_pipeline(StandardScaler(), Watched(random_state=0))
    result = cluster_stability(model, X, n_repeats=5, max_samples=1.0, random_state=0)
    assert len({state for _, state in Watched.seen}) == 6
    assert abs(result.rand_scores).max() < 0.2
    assert not result.stable.any()
    assert model[-1].random_state == 0


def test_a_cluster_none_of_whose_rows_were_drawn_takes_no_part(groups):
    X = np.vstack([groups, np.full((1, 5), 1000.0)])
    result = cluster_stability(AgglomerativeClustering(4), X, n_repeats=12, random_state=0)
    (single,) = np.flatnonzero(result.sizes == 1)
    was_drawn = ~np.isnan(result.jaccards[:, single])
    assert 0 < was_drawn.sum() < 12
    assert result.jaccard[single] == result.recovered[single] == 1
    assert result.dissolved[single] == 0


def test_noise_is_no_cluster(groups):
    result = cluster_stability(DBSCAN(3.0), np.vstack([groups, 50 * np.eye(5)]), n_repeats=5, random_state=0)
    assert (result.labels[90:] == -1).all()
    assert_array_equal(result.clusters, [0, 1, 2])
    assert result.stable.all()


@pytest.mark.parametrize(
    "label, words", [(0, "All rows are one cluster, which comes back"), (-3, "All rows are noise")]
)
def test_partitions_with_nothing_to_compare_are_a_warning(label, words):
    model = Labeling(np.full(6, label))
    with pytest.warns(DegenerateClusteringWarning, match=words):
        result = cluster_stability(model, np.eye(6), n_repeats=2, max_samples=1.0)
    assert result.jaccards.shape == (2, label == 0)
    assert len(result.stable) == len(result.sizes) == len(result.jaccard) == (label == 0)


def test_the_result_does_not_depend_on_the_number_of_jobs(groups):
    one = cluster_stability(KMeans(5), groups, n_repeats=4, random_state=0)
    with joblib.parallel_config("threading"):
        two = cluster_stability(KMeans(5), groups, n_repeats=4, random_state=0, n_jobs=2)
    assert one.jaccards.tolist() == two.jaccards.tolist()


def test_other_forms_of_the_same_data(groups, tmp_path):
    model = make_pipeline(StandardScaler(copy=False, with_mean=False), KMeans(5, n_init=1))
    expected = cluster_stability(model, groups, n_repeats=3, random_state=0).jaccards
    writeable = groups.copy()
    frame = pd.DataFrame(groups, columns=list("abcde"), index=np.arange(90) % 7)
    for X in (writeable, groups.tolist(), mapped(groups, tmp_path / "X"), frame, csr_array(groups)):
        assert_allclose(cluster_stability(model, X, n_repeats=3, random_state=0).jaccards, expected)
    assert_array_equal(writeable, groups)


@pytest.mark.parametrize(
    "model, options, words, error",
    [
        (KMeans(2), {"n_repeats": 0}, "n_repeats", ValueError),
        (KMeans(2), {"max_samples": 0.0}, "max_samples", ValueError),
        (KMeans(2), {"max_samples": 1.5}, "max_samples", ValueError),
        (KMeans(2), {"max_samples": 0.1}, "max_samples=0.1 of 6 rows leaves none to compare; raise it", ValueError),
        (KMeans(4), {"max_samples": 0.5}, "(?s)n_samples=3 should be.*a fit to 3 of the rows of X", ValueError),
        (StandardScaler(), {}, "fit_predict", ValueError),
        (DBSCAN(metric="precomputed"), {}, "takes distances.*Give features", ValueError),
        (Labeling(np.zeros(5)), {}, "inconsistent numbers of samples", ValueError),
    ],
)
def test_bad_arguments(model, options, words, error):
    with raises(words, error):
        cluster_stability(model, np.eye(6), **{"n_repeats": 1, "random_state": 0, **options})
