"""The number of clusters by modularity: the score, the search for its highest value, and joint clustering by it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.preprocessing import StandardScaler

from helpers import reference
from helpers.marks import FEW_ITERATIONS
from skdeepcluster import DeepEmbeddedClustering, SparseAutoencoderTransformer
from skdeepcluster._joint import _number
from skdeepcluster.exceptions import CollapsedCodeWarning, GridEdgeWarning, NoStructureWarning
from skdeepcluster.metrics._modularity import modularity, neighbor_graph, sampled_rows
from skdeepcluster.model_selection import estimate_n_clusters

pytestmark = FEW_ITERATIONS

ENCODER = SparseAutoencoderTransformer(4, rho=0.2, max_iter=30, random_state=0)


@pytest.fixture(scope="module")
def groups():
    X, y = make_blobs([60, 80, 100, 60], n_features=5, cluster_std=1.5, random_state=3)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def shuffled(groups):
    rng = np.random.RandomState(0)
    return np.column_stack([rng.permutation(column) for column in groups[0].T])


def test_modularity_of_a_graph_by_hand():
    # Three of four links are within the clusters; of their eight ends the first cluster has three.
    neighbors, codes = np.array([[1], [2], [3], [2]]), np.array([0, 0, 1, 1])
    assert modularity(neighbors, codes) == pytest.approx(3 / 4 - (3 / 8) ** 2 - (5 / 8) ** 2)
    assert modularity(neighbors, np.zeros(4, dtype=int)) == 0


def test_neighbours_are_a_hundred_or_a_fifth_of_the_rows(rng):
    assert neighbor_graph(rng.normal(size=(600, 2))).shape == (600, 100)
    assert neighbor_graph(rng.normal(size=(30, 2))).shape == (30, 6)
    assert neighbor_graph(rng.normal(size=(2, 2))).shape == (2, 1)


@pytest.mark.parametrize("n_rows", [2000, 2001])
def test_no_more_than_two_thousand_rows_are_looked_at(n_rows):
    rows = sampled_rows(n_rows)
    assert len(rows) == 2000
    assert_array_equal(rows, np.unique(rows))


@pytest.mark.parametrize("of_input", [None, np.asarray, csr_array])
def test_the_number_of_groups_is_found(groups, of_input):
    X, _ = groups
    estimate = estimate_n_clusters(2 * X, X=None if of_input is None else of_input(X), random_state=0)
    assert estimate.n_clusters == 4
    assert_array_equal(estimate.k_range, np.arange(2, 31))


def test_the_score_is_modularity_and_half_the_silhouette(groups):
    X, _ = groups
    code = X[:, :2]
    estimate = estimate_n_clusters(code, [4], X=X, random_state=0)
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    labels = KMeans(4, n_init=5, random_state=seed).fit_predict(code)
    expected = reference.neighbor_modularity(code, labels) + silhouette_score(code, labels) / 2
    assert_allclose(estimate.scores, [expected])
    assert np.isnan(estimate.errors).all()


def test_tables_without_structure_are_named(shuffled, rng):
    for table in (shuffled, rng.normal(size=(200, 6)), rng.poisson(1.0, (200, 8)) * 1.0):
        with pytest.warns(NoStructureWarning, match=r"there may be no clusters at all.*structure_test"):
            estimate_n_clusters(table, [4, 5, 6, 8], random_state=0)


def test_a_code_with_gaps_does_not_hide_that_its_input_has_none(shuffled):
    code = np.round(shuffled[:, :2] / 2)
    with pytest.warns(NoStructureWarning):
        estimate_n_clusters(code, [4], X=shuffled, random_state=0)


@pytest.mark.parametrize("n_rows, n_clusters", [(200, 2), (600, 3), (2000, 2)])
def test_large_clusters_that_every_column_shows_stay_whole(n_rows, n_clusters):
    Z, _ = make_blobs(n_rows, centers=np.arange(n_clusters)[:, np.newaxis] * [12, 12], random_state=1)
    assert estimate_n_clusters(Z, range(2, 6), random_state=0).n_clusters == n_clusters


@pytest.mark.parametrize(
    "given, message",
    [
        ({"X": np.zeros((299, 2))}, "X has 299 rows, but Z, its code, has 300"),
        ({"X": np.zeros((300, 2)), "method": "gap"}, "X is what method='modularity' looks at.*'gap' does not"),
        ({"X": [["a"]] * 300}, "X"),
    ],
)
def test_bad_inputs_of_the_code(groups, given, message):
    with pytest.raises(ValueError, match=message):
        estimate_n_clusters(groups[0], **given)


# Joint clustering


def test_joint_clustering_finds_the_number(groups):
    X, y = groups
    model = DeepEmbeddedClustering("auto", encoder=ENCODER, max_iter=2, random_state=0).fit(X)
    assert model.n_clusters == "auto"
    assert model.n_clusters_ == len(model.cluster_centers_) == model.predict_proba(X).shape[1] == 4
    assert adjusted_rand_score(y, model.labels_) > 0.95
    of_code = estimate_n_clusters(model.encoder_.transform(X), X=X, random_state=np.random.RandomState(0))
    assert of_code.n_clusters == 4
    again = DeepEmbeddedClustering(4, encoder=ENCODER, max_iter=2, random_state=0).fit(X)
    assert again.n_clusters_ == 4
    assert_allclose(again.cluster_centers_, model.cluster_centers_)


def test_joint_clustering_says_that_there_is_no_structure(shuffled):
    with pytest.warns(NoStructureWarning):
        DeepEmbeddedClustering("auto", encoder=ENCODER, max_iter=1, random_state=0).fit(shuffled)


def test_equal_rows_are_one_cluster():
    with pytest.warns(CollapsedCodeWarning):
        model = DeepEmbeddedClustering("auto", encoder=ENCODER, max_iter=1, random_state=0).fit(np.ones((40, 3)))
    assert model.n_clusters_ == 1
    assert_array_equal(model.labels_, 0)


def test_the_largest_number_that_is_tried_is_a_warning(groups, monkeypatch):
    monkeypatch.setattr(_number, "default_numbers", lambda n_rows: np.arange(2, 5))
    with pytest.warns(GridEdgeWarning, match="n_clusters='auto' found 4 clusters, the most"):
        DeepEmbeddedClustering("auto", encoder=ENCODER, max_iter=1, random_state=0).fit(groups[0])


def test_bad_numbers_of_clusters(groups):
    with pytest.raises(ValueError, match=r"n_clusters.*'auto'.*Got 'many'"):
        DeepEmbeddedClustering("many").fit(groups[0])
