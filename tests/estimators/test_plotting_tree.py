"""The display of a tree of clusters."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from helpers.data import standardised_blobs
from helpers.drawn import drawn
from skdeepcluster.clustering import ClusterTree
from skdeepcluster.plotting import ClusterTreeDisplay
from skdeepcluster.plotting._style import cluster_color

pytestmark = pytest.mark.usefixtures("agg")


@pytest.fixture(scope="module")
def X():
    return standardised_blobs(400, 6, centers=7)


@pytest.fixture(scope="module")
def model(X):
    return make_pipeline(StandardScaler(), ClusterTree(n_clusters=4, random_state=0)).fit(X)


def names_of(display):
    return [label.get_text() for label in display.axes_[0].get_yticklabels()]


def no_overlaps(artists):
    boxes = [artist.get_window_extent() for artist in artists if artist.get_text()]
    return not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def is_inside(artist, box):
    inner = artist.get_window_extent()
    return inner.x0 >= box.x0 - 1 and inner.x1 <= box.x1 + 1 and inner.y0 >= box.y0 - 1 and inner.y1 <= box.y1 + 1


def test_ends_are_the_clusters_of_a_cut_with_their_sizes(X, model):
    display = drawn(ClusterTreeDisplay.from_estimator(model))
    tree = model[-1]
    assert (display.n_leaves, display.n_clusters, len(display.sizes)) == (40, 4, 30)
    assert_array_equal(display.sizes, np.bincount(tree.cut(30)))
    assert sorted(names_of(display)) == sorted(f"{i}: {size} rows" for i, size in enumerate(display.sizes))
    assert display.axes_.tolist() == [display.ax_]
    assert display.ax_.get_title(loc="left") == "drawn down to 30 clusters of 40 leaves"
    assert [text.get_text() for text in display.ax_.texts] == list("0123")
    assert no_overlaps(display.ax_.get_yticklabels())


def test_branches_have_the_colours_of_the_cut_and_lie_at_the_distances(model):
    display = drawn(ClusterTreeDisplay.from_estimator(model, n_clusters=5))
    tree, ax = model[-1], display.ax_
    merges, legs = ax.collections
    assert_allclose(sorted(path.vertices[0, 0] for path in merges.get_paths()), tree.distances_[-29:])
    (x_cut,) = {line.get_xdata()[0] for line in ax.lines}
    assert tree.distances_[-5] < x_cut < tree.distances_[-4]
    colors = [to_hex(color).upper() for color in legs.get_colors()]
    crossed = {
        color for color, path in zip(colors, legs.get_paths()) if np.ptp(np.sign(path.vertices[:, 0] - x_cut)) == 2
    }
    assert crossed == {cluster_color(i) for i in range(5)}
    # The legs that reach the right edge are the ends.
    of_ends = {path.vertices[0, 1]: color for color, path in zip(colors, legs.get_paths()) if path.vertices[0, 0] == 0}
    clusters = tree.levels_[4]
    for place, name in zip(ax.get_yticks(), names_of(display), strict=True):
        assert of_ends[place] == cluster_color(clusters[int(name.split(":")[0])])


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_images_are_of_the_rows_nearest_to_the_means(X, kind):
    tree = ClusterTree(KMeans(3, random_state=0)).fit(X)
    display = drawn(ClusterTreeDisplay.from_estimator(tree, kind(X), image_shape=(2, 3)))
    assert len(display.images) == 5
    for end, center in enumerate(tree.leaf_centers_):
        members = X[tree.leaf_labels_ == end]
        nearest = members[np.argsort(np.linalg.norm(members - center, axis=1))[:5]]
        assert_allclose(display.images[end].reshape(5, 6), nearest)
    (first,) = X[[np.argmin(np.linalg.norm(X - X.mean(axis=0), axis=1))]]
    assert_allclose(display.images[-1][0].ravel(), first)
    assert len(display.axes_) == 2
    (image,) = display.axes_[1].images
    # A row of images is beside its end: their middles are at one height.
    for rank, place in enumerate(display.axes_[0].get_yticks()):
        assert place == 3 * rank + 0.5
    assert image.get_array().shape[0] == 3 * 3 - 1
    assert is_inside(image, display.axes_[1].get_window_extent())


@pytest.mark.parametrize(
    "shape, size, layout",
    [
        ((6, 1), (7, 5), "constrained"),
        ((1, 6), (12, 2), "constrained"),
        ((1, 6), (7, 3), None),
        ((1, 2, 3), (7, 4), None),
    ],
)
def test_images_of_any_shape_are_square_and_whole(X, model, shape, size, layout):
    _, ax = plt.subplots(figsize=size, layout=layout)
    display = drawn(ClusterTreeDisplay.from_estimator(model, X, image_shape=shape, ax=ax))
    (image,) = display.axes_[1].images
    assert is_inside(image, display.axes_[1].get_window_extent())
    extent, (height, width) = image.get_window_extent(), image.get_array().shape[:2]
    assert_allclose(extent.width / width, extent.height / height, rtol=0.01)


def test_texts_are_those_of_the_nearest_rows_cut_to_the_room_there_is(X):
    texts = [f"row {i}, about which $ there is $ a lot to say\n{'and more ' * 9}" for i in range(400)]
    tree = ClusterTree(KMeans(9, n_init=1, random_state=0)).fit(X)
    display = drawn(ClusterTreeDisplay.from_estimator(tree, X, texts=texts))
    shown = [text.get_text() for text in display.axes_[1].texts]
    assert len(shown) == 9
    assert all(text.startswith("row ") and "…" in text for text in shown)
    assert all(is_inside(text, display.figure_.bbox) for text in display.axes_[1].texts)
    assert len(display.texts) == 17
    for name, text in zip(names_of(display), shown, strict=True):
        row = int(text.split()[1].rstrip(","))
        assert tree.leaf_labels_[row] == int(name.split(":")[0])


def test_a_pipeline_that_takes_texts():
    texts = ["red apple", "red pear", "red plum", "blue sea", "blue sky", "blue lake"] * 4
    tree = ClusterTree(n_clusters=2, random_state=0)
    model = make_pipeline(CountVectorizer(), FunctionTransformer(accept_sparse=True), tree).fit(texts)
    display = drawn(ClusterTreeDisplay.from_estimator(FrozenEstimator(model), texts, texts=texts))
    assert {text.split()[0] for text in display.texts[:2]} == {"red", "blue"}


def test_two_leaves_noise_and_one_leaf(X):
    labels = np.where(X[:, 0] > 0, "a", "b").astype("U2")
    labels[:7] = "-1"
    tree = ClusterTree().fit(X, leaf_labels=labels)
    display = drawn(ClusterTreeDisplay.from_estimator(tree, X[:3], image_shape=(3, 2)))
    assert names_of(display) == [f"{i}: {size} rows" for i, size in enumerate(tree.node_sizes_[:2])]
    assert display.axes_[0].get_title(loc="left") == "noise: 7 rows"
    single = ClusterTree(n_clusters=1)
    with pytest.warns(match="only n_leaves_=1"):
        single.fit(X, leaf_labels=np.zeros(400, int))
    with pytest.raises(ValueError, match=r"ClusterTree\(n_clusters=1\) has a single leaf"):
        ClusterTreeDisplay.from_estimator(single)
    same = ClusterTree().fit(np.ones((6, 2)), leaf_labels=[0, 1] * 3)
    drawn(ClusterTreeDisplay.from_estimator(same))


@pytest.mark.parametrize("size", [(3, 2.2), (2, 5), (6.4, 3.2)])
def test_small_axes_have_as_many_ends_as_there_is_room_for(X, model, size):
    _, ax = plt.subplots(figsize=size, layout="constrained")
    display = drawn(ClusterTreeDisplay.from_estimator(model, X, texts=["a text"] * 400, ax=ax))
    n_ends = len(names_of(display))
    assert 2 <= n_ends < 30
    said = display.axes_[0].get_title(loc="left").replace("\n", " ")
    assert said == f"drawn down to {n_ends} clusters of 40 leaves" or "…" in said
    # Of more clusters than ends the cut is further to the right.
    assert len(display.axes_[0].lines) == (n_ends >= 4)
    assert len(display.axes_) == (2 if size[0] > 3.5 else 1)
    assert no_overlaps(display.axes_[0].get_yticklabels())
    assert no_overlaps(display.axes_[0].texts)
    assert all(is_inside(label, display.figure_.bbox) for label in display.axes_[0].get_yticklabels())


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda model, X: (KMeans(3).fit(X), X, {}), "A ClusterTree, or a pipeline that ends in one.*got KMeans"),
        (lambda model, X: (StandardScaler().fit(X), X, {}), "has no fit_predict"),
        (lambda model, X: (model, X, {"image_shape": (2, 3), "texts": ["a"] * 400}), "both given"),
        (lambda model, X: (model, None, {"image_shape": (2, 3)}), "X is None"),
        (lambda model, X: (model, X, {"image_shape": (2, 2)}), "with a product of 6"),
        (lambda model, X: (model, X, {"texts": ["a"]}), "inconsistent numbers of samples"),
        (lambda model, X: (model, X, {"n_clusters": 41}), "n_clusters=41 must be an integer from 1 to n_leaves_=40"),
        (lambda model, X: (model, X, {"n_clusters": 0}), "'n_clusters' parameter"),
    ],
)
def test_what_cannot_be_drawn(X, model, call, words):
    estimator, rows, options = call(model, X)
    with pytest.raises(ValueError, match=words):
        ClusterTreeDisplay.from_estimator(estimator, rows, **options)
