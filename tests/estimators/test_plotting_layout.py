"""Displays of many things, of long names, and in small axes: texts keep to the room there is."""

import warnings
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, QuantileTransformer, StandardScaler

from helpers.drawn import QUICK, drawn
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.model_selection import ClusteringSearch
from skdeepcluster.plotting import (
    ActivationDisplay,
    ClusterEmbeddingDisplay,
    ClusterProfileDisplay,
    CodeWeightsDisplay,
    KDistanceDisplay,
    LossCurveDisplay,
    ReconstructionDisplay,
    SearchDisplay,
    SilhouetteDisplay,
)
from skdeepcluster.plotting._text import all_fitted, fitted, thinned, width_of

pytestmark = pytest.mark.usefixtures("agg")

LONG = np.array(
    [
        "Customers who bought once and then never came back to the shop again",
        "Loyal customers of many years with large baskets and few returns",
        "Bargain hunters that only react to newsletters with discount codes",
        "Companies that order by phone and pay by invoice",
    ]
)


def blobs(n_clusters, n_features=6):
    return make_blobs(400, centers=n_clusters, n_features=n_features, random_state=0)


def no_overlaps(artists):
    boxes = [artist.get_window_extent() for artist in artists if artist.get_text()]
    return not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def are_inside(artists, box, slack=1.0):
    boxes = [artist.get_window_extent() for artist in artists]
    return all(
        b.x0 >= box.x0 - slack and b.x1 <= box.x1 + slack and b.y0 >= box.y0 - slack and b.y1 <= box.y1 + slack
        for b in boxes
    )


def texts_of(ax):
    texts = [*ax.get_xticklabels(), *ax.get_yticklabels(), *ax.texts, ax._left_title, ax.title, ax.xaxis.label]
    return [text for text in texts if text.get_text() and text.get_visible()]


def width(ax):
    return ax.get_window_extent().width / ax.figure.dpi


def search(grid, estimator=None, n_iter=None):
    estimator = KMeans(4, n_init=1) if estimator is None else estimator
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ClusteringSearch(estimator, grid, n_iter=n_iter, random_state=0).fit(blobs(4)[0][:150])


# Texts


def test_texts_are_cut_in_the_middle_as_little_as_the_room_takes():
    text = LONG[0]
    room = width_of(text) / 2
    short = fitted(text, room)
    head, tail = short.split("…")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert 0.85 * room < width_of(short) <= room
    assert fitted(text, 2 * room) == text
    lines = fitted(text, 1.3 * room, n_lines=2).split("\n")
    assert " ".join(lines) == text
    assert fitted("a\nb \t c", 9.0) == "a b c"
    assert fitted(text, 0.0) == "…"


def test_texts_that_differ_in_their_middle_alone_stay_different():
    names = [f"the same before it {i} and the same after it, but longer" for i in range(5)]
    short = all_fitted(names, width_of(names[0]) / 2)
    assert len(set(short)) == 5


def test_labels_that_overlap_an_earlier_one_are_left_out():
    assert thinned([0, 1, 2, 3, 4], [1.5] * 5, [3, 0, 1, 2, 4]) == [0, 3]
    assert thinned([], [], []) == []


# SearchDisplay


@pytest.mark.parametrize(
    "grid",
    [
        {"n_clusters": range(2, 31)},
        {"n_clusters": range(2, 17), "init": ["k-means++", "random"]},
        {"tol": [1.23456e-6 * 1.7**i for i in range(20)]},
        {"n_clusters": [2, 3, 4, 5]},
    ],
    ids=["29 numbers", "two", "ratios", "4 numbers"],
)
def test_values_do_not_overlap_in_panels_of_a_sensible_width(grid):
    display = drawn(SearchDisplay.from_estimator(search(grid)))
    for ax in display.axes_:
        assert no_overlaps(ax.get_xticklabels())
        assert width(ax) > 2.5
    names = [label.get_text() for label in display.axes_[0].get_xticklabels()]
    n_values = len(set(next(iter(display.values.values()))))
    assert min(3, n_values) <= len(names) <= n_values
    # Of those that are shown, one is the value that was chosen.
    (x,) = (line.get_xdata()[0] for line in display.axes_[0].lines if line.get_label() == "chosen")
    assert x in display.axes_[0].get_xticks()
    (legend,) = (ax.get_legend() for ax in display.figure_.axes if ax.get_legend())
    assert are_inside([legend], display.figure_.bbox)


def test_values_with_long_names_and_nearly_equal_numbers():
    model = Pipeline([("scale", StandardScaler()), ("kmeans", KMeans(4, n_init=1))])
    scalers = [QuantileTransformer(n_quantiles=20, output_distribution=name) for name in ("normal", "uniform")]
    grid = {"scale": [MinMaxScaler(clip=True), *scalers], "kmeans__max_iter": [1000001, 1000002]}
    display = drawn(SearchDisplay.from_estimator(search(grid, model)))
    axes = {ax.get_xlabel(): ax for ax in display.axes_}
    assert [label.get_text() for label in axes["max_iter"].get_xticklabels()] == ["1000001", "1000002"]
    labels = axes["scale"].get_xticklabels()
    assert len({label.get_text() for label in labels}) == 3
    assert all("…" not in label.get_text() or len(label.get_text()) > 30 for label in labels)
    assert no_overlaps(labels)
    assert are_inside(labels, display.figure_.bbox)


def test_parameters_of_two_steps_with_one_name_are_told_apart():
    model = Pipeline([("code", SparseAutoencoderTransformer(3, **QUICK)), ("kmeans", KMeans(4, n_init=1))])
    grid = {"code__max_iter": [5, 10], "kmeans__max_iter": [5, 10], "kmeans__n_clusters": [3, 4]}
    display = drawn(SearchDisplay.from_estimator(search(grid, model)))
    assert [ax.get_xlabel() for ax in display.axes_] == ["code__max_iter", "kmeans__max_iter", "n_clusters"]


def many_parameters(rng):
    names = [" ".join(rng.permutation(LONG[i % 4].split())) for i in range(24)]
    values = {f"step{i}__value{'_of_a_long_name' * (i % 3)}": np.ma.array(names, dtype=object) for i in range(12)}
    score = rng.uniform(size=24)
    matrix = {"silhouette": rng.uniform(size=(90, 24))}
    return SearchDisplay(
        values=values, scores={"silhouette": score}, score=score, score_matrix=matrix, best_index=int(score.argmax())
    )


def test_twelve_parameters_of_many_names_and_ninety_spaces(rng):
    display = drawn(many_parameters(rng).plot())
    for ax in display.axes_:
        assert no_overlaps(ax.get_xticklabels())
        assert are_inside(ax.get_xticklabels(), display.figure_.bbox)
        assert width(ax) > 2.5
    assert no_overlaps([ax.xaxis.label for ax in display.axes_])
    spaces = drawn(display.plot(kind="spaces")).axes_[0].get_yticklabels()
    assert no_overlaps(spaces)
    assert len(spaces) > 5


# Displays of clusters


def test_long_names_of_clusters_leave_room_for_the_silhouettes():
    X, y = blobs(4)
    display = drawn(SilhouetteDisplay.from_predictions(X, LONG[y]))
    assert width(display.ax_) > 3
    labels = display.ax_.get_yticklabels()
    assert all(label.get_text().replace("\n", " ") in LONG for label in labels)  # in two lines, there is room
    assert no_overlaps(labels)


@pytest.mark.parametrize("n_clusters", [40, 300])
def test_silhouettes_of_many_clusters_have_different_fillings_and_labels_apart(n_clusters, rng):
    labels = np.arange(900) % n_clusters
    display = drawn(SilhouetteDisplay.from_predictions(rng.normal(size=(900, 3)), labels))
    assert no_overlaps(display.ax_.get_yticklabels())
    fillings = [(to_hex(area.get_facecolor()[0]), area.get_hatch()) for area in display.ax_.collections]
    assert len(set(fillings[:40])) == 40
    assert display.figure_.get_size_inches().max() < 50


@pytest.mark.parametrize("n_clusters", [4, 40])
@pytest.mark.parametrize("kind", ["features", "images", "texts"])
def test_titles_of_profiles_do_not_run_into_the_next(n_clusters, kind):
    X, y = blobs(n_clusters)
    names = np.array([f"{LONG[i % 4]} {i}" for i in range(n_clusters)])
    options = {
        "features": {"feature_names": LONG[np.arange(6) % 4]},
        "images": {"image_shape": (2, 3), "n_shown": 1},
        "texts": {"texts": [f"{name} {LONG[0]}" for name in names[y]]},
    }[kind]
    display = drawn(ClusterProfileDisplay.from_predictions(X, names[y], **options))
    titles = [ax._left_title for ax in display.axes_]
    assert no_overlaps(titles)
    assert are_inside(titles, display.figure_.bbox)
    for ax in display.axes_:
        assert no_overlaps(ax.get_yticklabels())
        assert no_overlaps([*ax.texts, ax._left_title])
    assert all(f"{name.split()[-1]}: " in title.get_text() for name, title in zip(sorted(names), titles))
    if kind == "features":
        assert min(width(ax) for ax in display.axes_) > 1.2
        assert all("…" not in title.get_text() for title in titles)


def test_profiles_of_more_clusters_than_can_be_drawn_show_the_largest():
    labels = np.concatenate([np.arange(100), np.repeat(np.arange(50, 100), 3)])
    X = np.random.RandomState(0).normal(size=(len(labels), 3))
    display = drawn(ClusterProfileDisplay.from_predictions(X, labels))
    assert len(display.axes_) == 64
    assert len(display.clusters) == 100
    shown = [int(ax.get_title(loc="left").split(":")[0]) for ax in display.axes_]
    assert shown == [*range(14), *range(50, 100)]
    assert "the 64 largest of 100 clusters" in [ax.get_title() for ax in display.figure_.axes]


@pytest.mark.parametrize("size", [(6.4, 5.2), (3.2, 2.4)])
@pytest.mark.parametrize("n_clusters", [4, 40, 300])
@pytest.mark.parametrize("are_long", [False, True])
def test_labels_of_an_embedding_stay_inside_and_apart(size, n_clusters, are_long, rng):
    X = rng.normal(size=(900, 2))
    labels = np.arange(900) % n_clusters
    names = [f"{LONG[i % 4]} {i}" if are_long else str(i) for i in range(n_clusters)]
    ax = plt.figure(figsize=size, layout="constrained").add_subplot()
    display = drawn(ClusterEmbeddingDisplay.from_predictions(X, np.array(names)[labels], ax=ax))
    texts = display.ax_.texts
    boxes = [text.get_bbox_patch() for text in texts]
    assert are_inside(boxes, ax.get_window_extent(), slack=4.0)
    # Annotation's includes the line from the row to the label.
    assert not any(a.overlaps(b) for a, b in combinations([Text.get_window_extent(text) for text in texts], 2))
    assert len({text.get_text() for text in texts}) == len(texts) > 2
    if size == (6.4, 5.2) and n_clusters <= 40:
        assert len(texts) == n_clusters
    if len(texts) < n_clusters:
        (said,) = (text.get_text() for text in ax.get_legend().get_texts())
        assert said == f"{len(texts)} of {n_clusters} clusters have a label"


# Displays of an autoencoder


@pytest.mark.filterwarnings("ignore:L-BFGS stopped before:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("image_shape", [None, (2, 3)])
def test_of_many_units_the_first_are_drawn_and_the_picture_says_so(image_shape, rng):
    autoencoder = SparseAutoencoderTransformer(500, max_iter=1, tol=1e9, random_state=0).fit(rng.normal(size=(20, 6)))
    display = drawn(CodeWeightsDisplay.from_estimator(autoencoder, image_shape=image_shape))
    assert len(display.units) == 500
    assert "the first 64 of 500 units" in [ax.get_title() for ax in display.figure_.axes]
    if image_shape is None:
        assert [ax.get_title() for ax in display.axes_] == [f"unit {i}" for i in range(64)]
    else:
        assert display.ax_.images[0].get_array().shape == (8 * 3 - 1, 8 * 4 - 1)
    few = drawn(CodeWeightsDisplay.from_estimator(autoencoder, units=range(64, 70), image_shape=image_shape))
    assert not any("units" in ax.get_title() for ax in few.figure_.axes)


def test_long_names_of_features_beside_weights(rng):
    names = LONG[np.arange(6) % 4]
    weights = rng.normal(size=(5, 6)) / 3
    display = drawn(CodeWeightsDisplay(weights=weights, units=np.arange(5), feature_names=names).plot())
    for ax in display.axes_:
        assert width(ax) > 1.2
        assert all(len(label.get_text()) > 30 for label in ax.get_yticklabels())
    assert no_overlaps([label for ax in display.axes_ for label in ax.get_yticklabels()])


@pytest.mark.parametrize("n_features, are_long", [(20, False), (20, True), (4, True)])
def test_names_of_features_below_reconstructions(n_features, are_long, rng):
    X = rng.normal(size=(30, n_features))
    names = [f"{LONG[i % 4]} {i}" if are_long else f"feature {i}" for i in range(n_features)]
    display = drawn(ReconstructionDisplay.from_predictions(X, X + 1, feature_names=names))
    for ax in display.axes_:
        labels = ax.get_xticklabels()
        assert len(labels) == n_features
        assert no_overlaps(labels)
        assert ax.get_window_extent().height > 100
        assert not are_long or all(len(label.get_text()) > 30 for label in labels)
    assert no_overlaps([text for ax in display.axes_ for text in (*ax.get_xticklabels(), ax.title)])


@pytest.mark.parametrize("image_shape", [None, (2, 3)])
def test_of_many_examples_the_outermost_are_drawn_and_the_picture_says_so(image_shape, rng):
    X = rng.normal(size=(300, 6))
    X_reconstructed = X + np.linspace(0, 1, 300)[:, np.newaxis]
    display = drawn(ReconstructionDisplay.from_predictions(X, X_reconstructed, image_shape=image_shape, n_examples=100))
    assert len(display.rows) == 200
    assert display.figure_.get_size_inches().max() < 40
    if image_shape is None:
        titles = [ax.get_title().split("\n")[0] for ax in display.axes_]
        assert titles == [f"best: row {i}" for i in range(32)] + [f"worst: row {i}" for i in range(268, 300)]
        said = [ax.get_legend().get_title().get_text() for ax in display.figure_.axes if ax.get_legend()]
    else:
        assert all(no_overlaps(ax.get_xticklabels()) for ax in display.axes_)
        said = [ax.get_title() for ax in display.figure_.axes]
    assert "64 of 200 rows" in said


def test_names_of_many_stages_do_not_overlap(rng):
    record = np.rec.fromarrays([np.ones(1), np.ones(1)], names=["loss", "reconstruction"])
    names = [f"layer {i}" for i in range(60)] + ["all $ layers $"]
    display = drawn(LossCurveDisplay(curves=[record] * 61, names=names).plot())
    assert no_overlaps(display.ax_.texts)
    assert 10 < len(display.ax_.texts) < 61
    assert "all $ layers $" in [text.get_text().strip() for text in display.ax_.texts]


@pytest.mark.parametrize("n_units", [2, 500])
def test_units_are_whole_numbers_and_500_lines_no_wall(n_units):
    ones, none = np.ones(n_units), np.zeros(n_units, dtype=bool)
    display = ActivationDisplay(mean=ones / 2, low=0 * ones, high=ones, is_dead=none, is_saturated=none)
    drawn(display.plot())
    ticks = display.ax_.get_xticks()
    assert np.array_equal(ticks, np.round(ticks))
    linewidth = display.ax_.collections[0].get_linewidth()[0] / 72
    assert n_units * linewidth < 0.6 * width(display.ax_)


# Small axes


@pytest.mark.parametrize("name", ["loss", "activation", "k-distance", "silhouette", "embedding", "search", "weights"])
def test_legends_and_labels_keep_to_small_axes(name, rng, digits_model, digits):
    figure, axes = plt.subplots(2, 2, figsize=(6.4, 4.8), layout="constrained")
    ax, X = axes[0, 1], digits[0]
    {
        "loss": lambda: LossCurveDisplay.from_estimator(digits_model, ax=ax),
        "activation": lambda: ActivationDisplay.from_estimator(digits_model, X, ax=ax),
        "k-distance": lambda: KDistanceDisplay.from_data(X, eps=4.0, ax=ax),
        "silhouette": lambda: SilhouetteDisplay.from_predictions(X[:80, 2:8], np.arange(80) % 40, ax=ax),
        "embedding": lambda: ClusterEmbeddingDisplay.from_estimator(digits_model, X, ax=ax),
        "search": lambda: SearchDisplay.from_estimator(search({"n_clusters": range(2, 30)}), ax=ax),
        "weights": lambda: CodeWeightsDisplay.from_estimator(digits_model, ax=ax),
    }[name]()
    figure.canvas.draw()
    others = [axes[0, 0], axes[1, 0], axes[1, 1]]
    below, left = axes[1, 1].get_window_extent(), axes[0, 0].get_window_extent()
    for drawn_ax in figure.axes:
        if drawn_ax not in others and drawn_ax.has_data():
            assert drawn_ax.get_window_extent().height > 25
            texts = [*texts_of(drawn_ax), drawn_ax.yaxis.label]
            assert not any(text.get_window_extent().overlaps(box) for text in texts for box in (below, left))
            assert no_overlaps(drawn_ax.get_yticklabels())
        if drawn_ax.get_legend():
            assert are_inside([drawn_ax.get_legend()], figure.bbox, slack=3)


def test_profiles_in_small_axes_show_the_clusters_that_there_is_room_for():
    X, y = blobs(40)
    _, axes = plt.subplots(2, 2, figsize=(6.4, 4.8), layout="constrained")
    display = drawn(ClusterProfileDisplay.from_predictions(X, y, ax=axes[1, 1]))
    assert 2 <= len(display.axes_) < 10
    assert no_overlaps([ax._left_title for ax in display.axes_])
    said = f"the {len(display.axes_)} largest of 40 clusters"
    assert said in [ax.get_title() for ax in display.figure_.axes]


@pytest.mark.filterwarnings("ignore:Glyph .* missing from")
@pytest.mark.filterwarnings("ignore:Matplotlib currently does not support Hebrew")
def test_names_of_any_letters(rng):
    names = [
        "US$ and $",
        "line\nbreaks\nin it",
        "emoji 😀 smile",
        "שלום עולם ארוך מאוד",
        "很长的中文名字" * 5,
        "x" * 300,
    ]
    X, labels = rng.normal(size=(60, 6)), np.array(names)[np.arange(60) % 6]
    silhouettes = drawn(SilhouetteDisplay.from_predictions(X, labels))
    assert no_overlaps(silhouettes.ax_.get_yticklabels())
    assert width(silhouettes.ax_) > 2.5
    embedding = drawn(ClusterEmbeddingDisplay.from_predictions(X, labels))
    assert len(embedding.ax_.texts) == 6
    assert are_inside(embedding.ax_.texts, embedding.ax_.get_window_extent())
    profile = drawn(ClusterProfileDisplay.from_predictions(X, labels, feature_names=names))
    assert no_overlaps([ax._left_title for ax in profile.axes_])
    assert all(no_overlaps(ax.get_yticklabels()) for ax in profile.axes_)
    drawn(ReconstructionDisplay.from_predictions(X, X + 1, feature_names=names))
