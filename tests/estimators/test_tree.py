"""A tree of clusters: its merges, its levels, and what it is made of."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.cluster.hierarchy import cut_tree, dendrogram, fcluster, is_valid_linkage
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.datasets import load_iris, make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.data import standardised_blobs
from skdeepcluster.clustering import ClusterTree
from skdeepcluster.clustering._linkage import levels_of, top_of
from skdeepcluster.exceptions import DegenerateClusteringWarning
from skdeepcluster.metrics import clustering_report, silhouette_scorer
from skdeepcluster.model_selection import ClusteringSearch


@pytest.fixture(scope="module")
def X():
    return standardised_blobs(400, 5, centers=7)


@pytest.fixture(scope="module")
def tree(X):
    return ClusterTree(n_clusters=4, random_state=0).fit(X)


def same_partition(left, right):
    return adjusted_rand_score(left, right) == 1


# Levels


def test_a_cut_is_the_labels_of_its_level_and_scipys(X, tree):
    assert is_valid_linkage(tree.linkage_)
    assert tree.n_leaves_ == 40
    for n_clusters in range(1, tree.n_leaves_ + 1):
        labels = tree.cut(n_clusters)
        assert_array_equal(labels, tree.levels_[n_clusters - 1][tree.leaf_labels_])
        again = clone(tree).set_params(n_clusters=n_clusters).fit(X, leaf_labels=tree.leaf_labels_)
        assert_array_equal(labels, again.labels_)
        assert_array_equal(np.unique(labels), np.arange(n_clusters))
        assert same_partition(labels, cut_tree(tree.linkage_, n_clusters).ravel()[tree.leaf_labels_])
        if n_clusters < tree.n_leaves_ - 1:
            # SciPy 1.11 makes no more clusters than that of any tree.
            assert same_partition(labels, fcluster(tree.linkage_, n_clusters, "maxclust")[tree.leaf_labels_])


def test_a_split_keeps_the_number_of_the_larger_part_and_gives_the_other_the_next(tree):
    for n_clusters in range(1, tree.n_leaves_):
        coarse, fine = tree.cut(n_clusters), tree.cut(n_clusters + 1)
        is_new = fine == n_clusters
        assert_array_equal(fine[~is_new], coarse[~is_new])
        (split,) = np.unique(coarse[is_new])
        assert np.sum(fine == split) >= np.sum(is_new)


def test_attributes_agree(X, tree):
    assert_array_equal(tree.labels_, tree.cut(4))
    assert tree.n_clusters_ == 4
    assert_array_equal(tree.leaf_labels_, tree.cut(tree.n_leaves_))
    assert_array_equal(tree.node_sizes_[:40], np.bincount(tree.leaf_labels_))
    assert tree.node_sizes_[-1] == 400
    assert_array_equal(tree.node_sizes_[40:], tree.node_sizes_[tree.children_].sum(axis=1))
    assert_allclose(tree.leaf_centers_, [X[tree.leaf_labels_ == leaf].mean(axis=0) for leaf in range(40)], atol=1e-12)
    assert_array_equal(np.column_stack([tree.children_, tree.distances_]), tree.linkage_[:, :3])
    assert (np.diff(tree.distances_) >= 0).all()
    assert sorted(dendrogram(tree.linkage_, no_plot=True)["leaves"]) == list(range(40))


def test_the_upper_part_of_a_tree_has_its_levels(tree):
    for n_ends in (2, 5, 40):
        top = top_of(tree.linkage_, n_ends)
        assert is_valid_linkage(top)
        assert_array_equal(levels_of(top), tree.levels_[:n_ends, :n_ends])
        assert_array_equal(top[:, 2], tree.distances_[-(n_ends - 1) :])


# Merges


def test_if_every_row_is_a_leaf_it_is_agglomerative_clustering(X):
    X = X[:150]
    tree = ClusterTree().fit(X, leaf_labels=np.arange(150)[::-1])
    expected = AgglomerativeClustering(compute_distances=True).fit(X)
    assert_allclose(tree.distances_, expected.distances_, rtol=1e-9)
    found = ClusterTree(KMeans(150, random_state=0)).fit(X)
    assert_allclose(found.distances_, expected.distances_, rtol=1e-9)
    for n_clusters in range(1, 151):
        expected = AgglomerativeClustering(n_clusters).fit_predict(X) if n_clusters < 40 else tree.cut(n_clusters)
        assert same_partition(tree.cut(n_clusters), expected)
        assert same_partition(found.cut(n_clusters), expected)


def test_merges_go_on_where_agglomerative_clustering_of_the_rows_would(X):
    # Rows within leaves first, at distances below all others: copies of points.
    points, copies = X[:60], np.random.RandomState(0).randint(1, 6, size=60)
    tree = ClusterTree().fit(np.repeat(points, copies, axis=0), leaf_labels=np.repeat(np.arange(60), copies))
    expected = AgglomerativeClustering(compute_distances=True).fit(np.repeat(points, copies, axis=0))
    assert_allclose(tree.distances_, expected.distances_[-59:], rtol=1e-9)


@pytest.mark.parametrize("clusterer", [None, KMeans(200, n_init=1, random_state=0)])
def test_three_planted_levels_come_back(clusterer):
    rng = np.random.RandomState(0)
    centers, classes = np.zeros((1, 6)), []
    for n_parts, scale in ((2, 100.0), (3, 20.0), (4, 4.0)):
        # Directions that are as far apart as can be.
        parts = scale * np.linalg.qr(rng.normal(size=(6, 6)))[0][:n_parts]
        centers = (centers[:, np.newaxis] + parts).reshape(-1, 6)
    X, y = make_blobs(1200, centers=centers, cluster_std=0.5, random_state=0)
    tree = ClusterTree(clusterer, random_state=0).fit(X)
    for n_clusters, classes in ((2, y // 12), (6, y // 4), (24, y)):
        assert adjusted_rand_score(classes, tree.cut(n_clusters)) >= 0.95
        assert adjusted_rand_score(classes, tree.predict(X, n_clusters)) >= 0.95


# What it is made of


@pytest.mark.parametrize("kind", [np.float32, csr_array, pd.DataFrame, np.asfortranarray])
def test_kinds_of_data(X, tree, kind):
    data = pd.DataFrame(X, columns=list("abcde")) if kind is pd.DataFrame else kind(X)
    data = X.astype(np.float32) if kind is np.float32 else data
    found = ClusterTree(n_clusters=4).fit(data, leaf_labels=tree.leaf_labels_)
    assert_allclose(found.distances_, tree.distances_, rtol=1e-5)
    assert_array_equal(found.labels_, tree.labels_)
    assert_array_equal(found.predict(data), tree.predict(X))
    assert found.clusterer_ is None
    same = clone(tree).fit(data)
    assert same.predict(data).shape == (400,)
    assert same.leaf_centers_.dtype == np.float64


def test_far_from_the_origin_the_tree_is_the_same(X, tree):
    # Both have the same rows, but for what rounding the sum took.
    far = X.round(6) + 1e7
    near, moved = (ClusterTree(n_clusters=4).fit(data, leaf_labels=tree.leaf_labels_) for data in (far - 1e7, far))
    assert_allclose(moved.distances_, near.distances_, rtol=1e-6)
    assert_array_equal(moved.cut(11), near.cut(11))
    assert_array_equal(moved.predict(far, 40), near.predict(far - 1e7, 40))


def test_prediction_of_training_and_new_rows(X, tree):
    for n_clusters in (1, 4, 40):
        assert_array_equal(tree.predict(X, n_clusters), tree.cut(n_clusters))
    assert_array_equal(tree.predict(X), tree.labels_)
    new = X[::3] + 0.2
    leaves = tree.clusterer_.predict(new)
    assert same_partition(tree.predict(new, 40), leaves)
    assert_array_equal(tree.predict(new), tree.levels_[3][tree.predict(new, 40)])
    assert_array_equal(tree.predict(new[:1]), tree.predict(new)[:1])


def test_noise_stays_noise_at_every_level(X):
    tree = ClusterTree(DBSCAN(eps=0.35, min_samples=3)).fit(X)
    noise = tree.clusterer_.labels_ == -1
    assert 0 < noise.sum() < 200 < 400 - noise.sum()
    for n_clusters in range(1, tree.n_leaves_ + 1):
        assert_array_equal(tree.cut(n_clusters) == -1, noise)
    assert tree.node_sizes_[-1] == 400 - noise.sum()
    assert (tree.predict(X) >= 0).all()
    without = ClusterTree().fit(X[~noise], leaf_labels=tree.clusterer_.labels_[~noise])
    assert_array_equal(without.linkage_, tree.linkage_)


def test_known_classes_as_leaves():
    iris = load_iris()
    tree = ClusterTree().fit(iris.data, leaf_labels=iris.target_names[iris.target])
    (other,) = set(np.unique(tree.labels_)) - {tree.labels_[75]}
    assert_array_equal(tree.labels_ == other, iris.target == 0)
    assert_array_equal(ClusterTree().fit_predict(iris.data, leaf_labels=iris.target), tree.labels_)


def test_the_same_seed_gives_the_same_tree_and_the_default_leaves(X, tree):
    again = clone(tree).fit(X)
    assert_array_equal(again.linkage_, tree.linkage_)
    assert_array_equal(again.leaf_labels_, tree.leaf_labels_)
    assert ClusterTree(n_clusters=70, random_state=0).fit(X).n_leaves_ == 70
    assert ClusterTree(random_state=0).fit(X[:30]).n_leaves_ == 3
    assert ClusterTree(random_state=0).fit(np.vstack([X, X + 9])).n_leaves_ == 60


def test_in_pipelines_searches_scorers_and_reports(X):
    model = make_pipeline(StandardScaler(), ClusterTree(random_state=0))
    search = GridSearchCV(model, {"clustertree__n_clusters": [2, 7]}, scoring=silhouette_scorer, cv=3).fit(X)
    assert search.best_params_ == {"clustertree__n_clusters": 7}
    found = ClusteringSearch(model, {"clustertree__n_clusters": [2, 4, 7, 9]}, random_state=0).fit(X)
    assert found.best_params_["clustertree__n_clusters"] == 7
    model.fit(X, clustertree__leaf_labels=np.arange(400) // 40)
    assert model[-1].n_leaves_ == 10
    assert clustering_report(X, model[-1].labels_)["n_clusters"] == 2
    grid = {"clustertree__clusterer": [KMeans(12, n_init=1)], "clustertree__clusterer__n_clusters": [3, 30]}
    assert GridSearchCV(model, grid, scoring=silhouette_scorer, cv=2).fit(X).n_splits_ == 2


# Bad input, and too few leaves


@pytest.mark.parametrize(
    "parameters, options, words",
    [
        ({"n_clusters": 0}, {}, "'n_clusters' parameter of ClusterTree must be"),
        ({"clusterer": "kmeans"}, {}, "'clusterer' parameter of ClusterTree must be an object implementing"),
        ({"n_clusters": 401}, {}, "n_clusters=401 asks for more clusters than X has rows, n_samples=400"),
        ({"clusterer": DBSCAN(eps=1e-9)}, {}, r"All rows of X are noise.*DBSCAN\(eps=1e-09\)"),
        ({}, {"leaf_labels": [-1] * 400}, "All rows of X are noise.*leaf_labels"),
        ({}, {"leaf_labels": [0, 1]}, "inconsistent numbers of samples"),
        ({}, {"leaf_labels": np.linspace(0, 1, 400)}, "leaf_labels must hold integers or names"),
        ({"clusterer": DBSCAN(metric="precomputed")}, {}, "takes distances between rows.*no means"),
    ],
)
def test_bad_parameters_leave_the_tree_as_it_was(X, tree, parameters, options, words):
    model = clone(tree).fit(X)
    before = model.linkage_
    with pytest.raises(ValueError, match=words):
        model.set_params(**parameters).fit(X, **options)
    assert model.linkage_ is before
    assert_array_equal(model.predict(X), tree.labels_)


def test_bad_cuts_and_rows(X, tree):
    for n_clusters in (0, 41, 2.0, "2", True + 40):
        with pytest.raises(ValueError, match=r"n_clusters=.* must be an integer from 1 to n_leaves_=40.*more clusters"):
            tree.cut(n_clusters)
        with pytest.raises(ValueError, match=r"must be an integer from 1 to n_leaves_=40"):
            tree.predict(X, n_clusters=n_clusters)
    for scale in (1e160, 1e300):
        for call in (clone(tree).fit, tree.predict):
            with pytest.raises(ValueError, match=r"X has values up to .*, too large: their squares overflow"):
                call(X * scale)
    with pytest.raises(ValueError, match="Found array with 1 sample"):
        clone(tree).fit(X[:1])


def test_what_a_clusterer_raises_names_it(X):
    with pytest.raises(ValueError, match="This comes from KMeans"):
        ClusterTree(KMeans(500)).fit(X)


def test_fewer_leaves_than_clusters_are_a_warning_and_all_that_there_are(X):
    with pytest.warns(DegenerateClusteringWarning, match=r"only n_leaves_=3, with n_clusters=5"):
        tree = ClusterTree(KMeans(3, random_state=0), n_clusters=5).fit(X)
    assert tree.n_clusters_ == 3
    assert same_partition(tree.labels_, tree.clusterer_.labels_)
    with pytest.warns(DegenerateClusteringWarning, match=r"only n_leaves_=1, with n_clusters=1"):
        tree = ClusterTree(n_clusters=1).fit(X, leaf_labels=["a"] * 400)
    assert tree.children_.shape == (0, 2)
    assert tree.linkage_.shape == (0, 4)
    assert_array_equal(tree.predict(X), np.zeros(400))


def test_rows_that_are_all_the_same():
    with pytest.warns(DegenerateClusteringWarning, match="only n_leaves_=1") as caught:
        tree = ClusterTree(random_state=0).fit(np.ones((50, 3)))
    assert len(caught) == 1
    assert_array_equal(tree.labels_, np.zeros(50))
