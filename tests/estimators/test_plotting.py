import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.drawn import QUICK, drawn
from helpers.processes import output_of_fork
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.model_selection import ClusteringSearch
from skdeepcluster.plotting import (
    ActivationDisplay,
    ClusterEmbeddingDisplay,
    ClusterProfileDisplay,
    ClusterRulesDisplay,
    CodeWeightsDisplay,
    KDistanceDisplay,
    LossCurveDisplay,
    ReconstructionDisplay,
    SearchDisplay,
    SilhouetteDisplay,
)
from skdeepcluster.plotting._style import tile

pytestmark = pytest.mark.usefixtures("agg")


# All displays


def displays(model, X):
    """One of each, by the ax that is passed on."""
    labels = model.predict(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        grid = {"sparseautoencodertransformer__lam": [0.001, 0.01]}
        search = ClusteringSearch(model, grid, random_state=0).fit(X[:100])
    return {
        "loss": lambda ax: LossCurveDisplay.from_estimator(model, ax=ax),
        "weights, images": lambda ax: CodeWeightsDisplay.from_estimator(model, image_shape=(8, 8), ax=ax),
        "weights, bars": lambda ax: CodeWeightsDisplay.from_estimator(model, units=[0, 3], ax=ax),
        "reconstruction, images": lambda ax: ReconstructionDisplay.from_estimator(model, X, image_shape=(8, 8), ax=ax),
        "reconstruction, lines": lambda ax: ReconstructionDisplay.from_estimator(model, X, n_examples=2, ax=ax),
        "activation": lambda ax: ActivationDisplay.from_estimator(model, X, ax=ax),
        "embedding": lambda ax: ClusterEmbeddingDisplay.from_estimator(model, X, ax=ax),
        "silhouette": lambda ax: SilhouetteDisplay.from_estimator(model, X, ax=ax),
        "profile, features": lambda ax: ClusterProfileDisplay.from_estimator(model, X, ax=ax),
        "profile, images": lambda ax: ClusterProfileDisplay.from_estimator(model, X, image_shape=(8, 8), ax=ax),
        "profile, texts": lambda ax: ClusterProfileDisplay.from_predictions(X, labels, texts=["a $ b"] * len(X), ax=ax),
        "rules": lambda ax: ClusterRulesDisplay.from_predictions(X, labels, max_conditions=1, random_state=0, ax=ax),
        "search": lambda ax: SearchDisplay.from_estimator(search, ax=ax),
        "search, spaces": lambda ax: SearchDisplay.from_estimator(search, kind="spaces", ax=ax),
        "k-distance": lambda ax: KDistanceDisplay.from_data(X, eps=4.0, ax=ax),
    }


def test_every_display_draws_into_a_new_figure_into_given_axes_and_again(digits_model, digits):
    for name, draw in displays(digits_model, digits[0]).items():
        assert draw(None).ax_.figure.get_axes(), name
        figure, (ax, other) = plt.subplots(1, 2, layout="constrained")
        display = drawn(draw(ax))
        assert display.ax_ is ax, name
        assert display.figure_ is figure, name
        assert not other.has_data(), name
        assert drawn(display.plot()) is display, name
        assert display.ax_ is not ax, name
        plt.close("all")


@pytest.mark.parametrize("what", ["figure", "list", "text"])
def test_what_are_no_axes(digits_model, digits, what):
    figure, axes = plt.subplots()
    ax = {"figure": figure, "list": [axes], "text": "ax"}[what]
    for draw in (
        lambda: LossCurveDisplay.from_estimator(digits_model, ax=ax),
        lambda: ReconstructionDisplay.from_estimator(digits_model, digits[0], ax=ax),
    ):
        with pytest.raises(TypeError, match=r"ax=.* must be the axes of a flat plot"):
            draw()


def test_several_panels_need_axes_that_can_be_divided(digits_model):
    ax = plt.figure().add_axes((0, 0, 1, 1))
    with pytest.raises(ValueError, match=r"ax has no place in a grid.* plt\.subplots"):
        CodeWeightsDisplay.from_estimator(digits_model, ax=ax)
    assert drawn(LossCurveDisplay.from_estimator(digits_model, ax=ax)).ax_ is ax


def test_the_package_works_without_matplotlib_and_a_display_says_what_to_install():
    code = """
import sys
sys.modules["matplotlib"] = None
from skdeepcluster.plotting import SilhouetteDisplay
try:
    SilhouetteDisplay.from_predictions([[0.0], [1.0], [3.0]], [0, 0, 1])
except ImportError as error:
    print(error)
"""
    assert "pip install 'skdeepcluster[plot]'" in output_of_fork(code)


def test_importing_the_module_does_not_import_matplotlib():
    output_of_fork("import sys, skdeepcluster.plotting; assert 'matplotlib' not in sys.modules")


def test_displays_of_an_autoencoder_say_what_they_need():
    for display in (LossCurveDisplay, CodeWeightsDisplay):
        with pytest.raises(ValueError, match="PCA has none among its steps"):
            display.from_estimator(PCA())
        with pytest.raises(NotFittedError):
            display.from_estimator(SparseAutoencoderTransformer())


def test_pipelines_that_end_in_a_clusterer_without_transform(digits):
    X = digits[0]
    model = make_pipeline(StandardScaler(), SparseAutoencoderTransformer(9, **QUICK), DBSCAN()).fit(X)
    drawn(CodeWeightsDisplay.from_estimator(model))
    drawn(ActivationDisplay.from_estimator(model, X))
    drawn(ReconstructionDisplay.from_estimator(model, X))


def test_dollar_signs_in_names_and_labels_are_no_formulas(rng):
    X, labels = rng.normal(size=(20, 3)), np.array(["$x^$", r"$\nothing$"])[np.arange(20) % 2]
    names = ["price $ in US$", "$_$", "$^$"]
    drawn(ClusterEmbeddingDisplay.from_predictions(X, labels))
    drawn(SilhouetteDisplay.from_predictions(X, labels))
    drawn(ClusterProfileDisplay.from_predictions(X, labels, feature_names=names))
    drawn(ReconstructionDisplay.from_predictions(X, X + 1, feature_names=names))


# LossCurveDisplay


def test_loss_curves_of_all_stages(digits):
    autoencoder = SparseAutoencoderTransformer(4, hidden_layer_sizes=6, pretrain="layerwise", beta=0.5, **QUICK)
    display = drawn(LossCurveDisplay.from_estimator(autoencoder.fit(digits[0])))
    assert display.names == ["layer 1", "layer 2", "all layers"]
    pretraining = autoencoder.pretraining_loss_curves_
    for curve, expected in zip(display.curves, [*pretraining, autoencoder.loss_curve_]):
        assert_array_equal(curve, expected)
    x, y = display.lines_["loss"].get_data()
    stages = np.split(y, np.flatnonzero(np.isnan(y)))
    assert_array_equal(stages[0], pretraining[0]["loss"])
    assert_array_equal(stages[2][1:], autoencoder.loss_curve_["loss"])
    assert_array_equal(x[~np.isnan(x)], np.arange(1, 1 + sum(map(len, display.curves))))
    # Layer 1 is relu: it has no KL term, and its line no values there.
    sparsity = display.lines_["sparsity"].get_ydata()
    assert np.isnan(sparsity[: len(pretraining[0])]).all()
    assert {text.get_text().strip() for text in display.ax_.texts} == set(display.names)


def test_loss_curve_of_joint_clustering(joint):
    display = drawn(LossCurveDisplay.from_estimator(joint))
    assert display.names == ["encoder", "joint"]
    clustering = display.lines_["clustering"].get_ydata()
    assert_array_equal(clustering[-1 - joint.n_iter_ : -1], joint.loss_curve_["clustering"])
    assert np.isnan(clustering[: joint.encoder_.n_iter_]).all()
    assert "sparsity" not in display.lines_  # beta = 0


# CodeWeightsDisplay


def test_weights_are_the_inputs_of_norm_1_that_activate_most(digits_model):
    display = drawn(CodeWeightsDisplay.from_estimator(digits_model, image_shape=(8, 8)))
    W = digits_model[1].coefs_[0]
    assert_allclose(display.weights, (W / np.linalg.norm(W, axis=0)).T)
    # Of all inputs of norm 1, as Ng has it: the activation is s(w x + b), and s increases.
    others = np.random.RandomState(0).normal(size=(1000, 64))
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    assert ((others @ W).max(axis=0) < (display.weights * W.T).sum(axis=1)).all()
    (image,) = display.ax_.images
    assert image.get_array().shape == (3 * 8 + 2, 3 * 8 + 2)
    # Every image has a scale of its own, on which 0 is in the middle.
    first = display.weights[0] / np.abs(display.weights[0]).max()
    assert_allclose(image.get_array()[:8, :8].ravel(), (first + 1) / 2)


def test_weights_as_bars_with_the_names_of_the_columns(digits):
    X = pd.DataFrame(digits[0], columns=[f"pixel {i}" for i in range(64)])
    model = make_pipeline(StandardScaler(), SparseAutoencoderTransformer(3, **QUICK)).fit(X)
    display = drawn(CodeWeightsDisplay.from_estimator(model, units=[2], n_features=4))
    w = display.weights[0]
    largest = np.argsort(-np.abs(w))[:4]
    (ax,) = display.axes_
    assert [label.get_text() for label in ax.get_yticklabels()] == [f"pixel {i}" for i in largest]
    assert_allclose([bar.get_width() for bar in ax.patches], w[largest])
    assert ax.get_title() == "unit 2"


@pytest.mark.filterwarnings("ignore:L-BFGS stopped before:sklearn.exceptions.ConvergenceWarning")
def test_weights_of_colour_images(rng):
    X = rng.uniform(size=(50, 4 * 5 * 3))
    autoencoder = SparseAutoencoderTransformer(2, output_activation="logistic", **QUICK).fit(X)
    display = drawn(CodeWeightsDisplay.from_estimator(autoencoder, image_shape=(4, 5, 3)))
    assert display.ax_.images[0].get_array().shape == (4, 2 * 5 + 1, 3)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"image_shape": (8, 9)}, r"image_shape=\(8, 9\).* product of 64"),
        ({"image_shape": (64,)}, r"image_shape=\(64,\)"),
        ({"image_shape": (8, 4, 2)}, r"image_shape=\(8, 4, 2\)"),
        ({"feature_names": ["a", "b"]}, r"feature_names has the shape \(2,\), but there are 64 features"),
        ({"units": [0, 9]}, r"units=\[0, 9\] must list one or more numbers from 0 to 8"),
        ({"units": [0.5]}, r"units=\[0.5\]"),
        ({"n_features": 0}, "n_features"),
    ],
)
def test_bad_options_of_weights(digits_model, options, message):
    with pytest.raises(ValueError, match=message):
        CodeWeightsDisplay.from_estimator(digits_model, **options)


def test_tiles_have_a_line_between():
    tiles = tile(np.arange(12.0).reshape(3, 2, 2), 2)
    nan = np.nan
    expected = [
        [0, 1, nan, 4, 5],
        [2, 3, nan, 6, 7],
        [nan] * 5,
        [8, 9, nan, nan, nan],
        [10, 11, nan, nan, nan],
    ]
    assert_array_equal(tiles, expected)


# ActivationDisplay


def test_activations_and_their_quantiles(digits_model, digits):
    display = drawn(ActivationDisplay.from_estimator(digits_model, digits[0]))
    code = digits_model[:-1].transform(digits[0])
    assert_allclose(display.mean, digits_model[1].mean_activation_)
    assert_allclose([display.low, display.high], np.quantile(code, [0.05, 0.95], axis=0))
    assert display.rho == 0.5
    assert not display.is_dead.any()
    assert not display.is_saturated.any()


@pytest.mark.parametrize(
    "activation, biases, dead, saturated",
    [
        ("logistic", [-9, 9, 0], [1, 0, 0], [0, 1, 0]),
        ("tanh", [-9, 0, 9], [0, 0, 0], [1, 0, 1]),
        ("relu", [-99, 9, 1], [1, 0, 0], [0, 0, 0]),
    ],
)
def test_dead_and_saturated_units(rng, activation, biases, dead, saturated):
    X = rng.normal(size=(60, 5))
    beta = 1.0 if activation == "logistic" else 0.0
    autoencoder = SparseAutoencoderTransformer(3, code_activation=activation, beta=beta, **QUICK).fit(X)
    autoencoder.coefs_[0] *= 0.5 / np.abs(X @ autoencoder.coefs_[0]).max()
    autoencoder.intercepts_[0][:] = biases
    display = drawn(ActivationDisplay.from_estimator(autoencoder, X))
    assert_array_equal(display.is_dead, dead)
    assert_array_equal(display.is_saturated, saturated)
    assert display.rho == (0.5 if activation == "logistic" else None)
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert (f"dead: {sum(dead)}" in texts) == any(dead)
    assert (f"saturated: {sum(saturated)}" in texts) == any(saturated)


def test_no_rho_where_nothing_draws_the_units_to_it(joint, blobs):
    assert drawn(ActivationDisplay.from_estimator(joint, blobs)).rho is None


# ReconstructionDisplay


class Opaque(BaseEstimator):
    """A fitted transformer of which nothing but ``transform`` is known."""

    def __init__(self, transformer):
        self.transformer = transformer

    def transform(self, X):
        return self.transformer.transform(X)


def test_best_and_worst_rows_in_the_units_of_the_images(digits):
    X = 5 * digits[0] + 3
    model = make_pipeline(StandardScaler(), SparseAutoencoderTransformer(9, **QUICK)).fit(X)
    display = drawn(ReconstructionDisplay.from_estimator(model, X, image_shape=(8, 8), n_examples=3))
    Z = model[0].transform(X)
    errors = np.mean((model[1].inverse_transform(model.transform(X)) - Z) ** 2, axis=1)
    assert_allclose(display.errors, errors)
    assert_allclose(np.mean(errors), -model.score(X))
    assert_array_equal(display.rows, np.argsort(errors)[[0, 1, 2, -3, -2, -1]])
    assert_array_equal(display.inputs, X[display.rows])
    assert_allclose(display.reconstructions, model.inverse_transform(model.transform(X[display.rows])))
    best, worst = display.axes_
    assert best.images[0].get_array().shape == (17, 3 * 9 - 1)
    assert "worst" in worst.get_title()


def test_lines_are_on_the_scale_of_the_autoencoder(digits):
    X = pd.DataFrame(5 * digits[0][:, 2:8] + 3, columns=list("abcdef"))
    model = make_pipeline(StandardScaler(), SparseAutoencoderTransformer(3, **QUICK)).fit(X)
    display = drawn(ReconstructionDisplay.from_estimator(model, X, n_examples=2))
    assert_array_equal(display.inputs, model[0].transform(X)[display.rows])
    assert len(display.axes_) == 4
    assert [label.get_text() for label in display.axes_[0].get_xticklabels()] == list("abcdef")


def test_steps_that_cannot_be_inverted_show_images_as_the_autoencoder_sees_them(digits):
    X = digits[0]
    model = make_pipeline(make_pipeline(StandardScaler(), PCA(16)), SparseAutoencoderTransformer(3, **QUICK)).fit(X)
    display = drawn(ReconstructionDisplay.from_estimator(model, X, image_shape=(8, 8)))
    assert_array_equal(display.inputs, X[display.rows])
    model.steps[0] = ("frozen", Opaque(model[0]))
    display = drawn(ReconstructionDisplay.from_estimator(model, X, image_shape=(4, 4)))
    assert_array_equal(display.inputs, model[0].transform(X)[display.rows])


def test_reconstructions_of_texts_have_the_names_of_terms():
    tfidf = make_pipeline(TfidfVectorizer(), SparseAutoencoderTransformer(2, **QUICK)).fit(["a cat", "a dog", "no dog"])
    display = drawn(ReconstructionDisplay.from_estimator(tfidf, ["a cat", "a dog", "no dog"], n_examples=1))
    assert display.inputs.shape == (2, 3)
    assert_array_equal(display.feature_names, ["cat", "dog", "no"])


@pytest.mark.parametrize("dtype", [bool, np.int8, np.longdouble])
def test_reconstructions_of_rows_of_any_type(digits_model, digits, dtype):
    X = np.clip(10 * digits[0], -128, 127).astype(dtype)
    display = drawn(ReconstructionDisplay.from_estimator(digits_model, X, image_shape=(8, 8)))
    assert_array_equal(display.inputs, X[display.rows].astype(np.float64))
    assert display.inputs.dtype == display.reconstructions.dtype == np.float64


def test_reconstructions_that_are_given():
    X, H = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]), np.array([[1.0, 1.0], [2.0, 3.0], [4.0, 7.0]])
    display = drawn(ReconstructionDisplay.from_predictions(X, H, n_examples=5))
    assert_array_equal(display.errors, [0.5, 0.0, 2.0])
    # Every row once: two best, one worst.
    assert_array_equal(display.rows, [1, 0, 2])
    assert display.n_best == 2
    sparse = ReconstructionDisplay.from_predictions(csr_array(X), H, n_examples=5)
    assert_array_equal(sparse.inputs, display.inputs)
    alone = drawn(ReconstructionDisplay.from_predictions(X[:1], H[:1], image_shape=(1, 2)))
    assert_array_equal(alone.rows, [0])
    with pytest.raises(ValueError, match=r"X has the shape \(3, 2\), and X_reconstructed \(2, 2\)"):
        ReconstructionDisplay.from_predictions(X, H[:2])
    with pytest.raises(ValueError, match="Expected 2D array"):
        ReconstructionDisplay.from_predictions(X[0], H)


# SearchDisplay


@pytest.fixture(scope="module")
def search(digits):
    """A fitted search over two parameters, one of which is no number."""
    model = Pipeline([("code", SparseAutoencoderTransformer(4, **QUICK)), ("kmeans", KMeans(4, n_init=1))])
    grid = {"code__lam": [0.001, 0.1, 10.0], "kmeans__algorithm": ["lloyd", "elkan"], "code__rho": [0.5]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lam = 10 collapses the code
        return ClusteringSearch(model, grid, random_state=0).fit(digits[0][:150])


def test_scores_over_each_parameter(search):
    display = drawn(SearchDisplay.from_estimator(search))
    assert list(display.values) == ["code__lam", "kmeans__algorithm"]
    ax = display.axes_[0]
    assert ax.get_xscale() == "log"
    lines = {line.get_label(): line.get_xydata() for line in ax.lines}
    results = search.cv_results_
    assert np.isnan(results["score"]).any()
    for name in ("neighbor_information", "davies_bouldin", "reconstruction"):
        expected = [results[f"score_{name}"][results["param_code__lam"] == lam].mean() for lam in (0.001, 0.1)]
        assert_allclose(lines[name.replace("_", " ")][:2, 1], expected)
        assert np.isnan(lines[name.replace("_", " ")][2, 1])
    assert_allclose(lines["chosen"], [[search.best_params_["code__lam"], search.best_score_]])
    assert [label.get_text() for label in display.axes_[1].get_xticklabels()] == ["'lloyd'", "'elkan'"]


def ticks(ax):
    return [label.get_text() for label in ax.get_xticklabels()]


def points(ax):
    """Where the candidates are drawn, and the one that was chosen."""
    lines = {line.get_label(): line.get_xdata() for line in ax.lines}
    return lines["score of a candidate"], lines["chosen"]


def test_candidates_have_the_values_that_their_grid_does_not_set(digits):
    model = Pipeline([("code", SparseAutoencoderTransformer(4, lam=0.001, **QUICK)), ("kmeans", KMeans(4, n_init=1))])
    lams = [np.float64(0.001), 0.01]  # one of them is that of the estimator
    grid = [{"kmeans__n_clusters": [2, 3]}, {"code__lam": lams}, {"kmeans__algorithm": ["elkan", "lloyd"]}]
    search = ClusteringSearch(model, grid, random_state=0).fit(digits[0][:150])
    display = drawn(SearchDisplay.from_estimator(search))
    assert {name: list(column) for name, column in display.values.items()} == {
        "code__lam": [0.001, 0.001, 0.001, 0.01, 0.001, 0.001],
        "kmeans__algorithm": ["lloyd", "lloyd", "lloyd", "lloyd", "elkan", "lloyd"],
        "kmeans__n_clusters": [2, 3, 4, 4, 4, 4],
    }
    assert [ticks(ax) for ax in display.axes_] == [["0.001", "0.01"], ["'lloyd'", "'elkan'"], ["2", "3", "4"]]
    assert_array_equal(points(display.axes_[2])[0], [2, 3, 4, 4, 4, 4])
    (mean,) = (line.get_ydata()[2] for line in display.axes_[2].lines if line.get_label() == "score")
    assert mean == pytest.approx(search.cv_results_["score"][2:].mean())


def test_a_parameter_that_a_candidate_does_not_have_is_not_drawn(digits):
    model = Pipeline([("scale", StandardScaler()), ("cluster", KMeans(4, n_init=1))])
    grid = [
        {"cluster__n_clusters": [4, 5]},
        {"cluster": [AgglomerativeClustering()], "cluster__n_clusters": [3], "cluster__linkage": ["ward", "average"]},
        {"cluster": [DBSCAN(min_samples=3)], "cluster__eps": [4.0, 5.0]},
        {"cluster": [AgglomerativeClustering(3)]},
    ]
    search = ClusteringSearch(model, grid, metric="silhouette", max_noise=1.0, random_state=0).fit(digits[0][:150])
    display = drawn(SearchDisplay.from_estimator(search))
    values = {name.split("__")[-1]: column.tolist() for name, column in display.values.items()}
    assert values["n_clusters"] == [4, 5, 3, 3, None, None, 3]
    assert values["linkage"] == [None, None, "ward", "average", None, None, "ward"]
    assert values["eps"] == [None] * 4 + [4.0, 5.0, None]
    axes = {ax.get_xlabel(): ax for ax in display.axes_}
    assert ticks(axes["n_clusters"]) == ["3", "4", "5"]
    assert ticks(axes["linkage"]) == ["'ward'", "'average'"]
    # What is below a step does not tell it apart.
    assert len(ticks(axes["cluster"])) == 4
    for name, column in values.items():
        places, chosen = points(axes[name])
        assert_array_equal(np.isnan(places), [value is None for value in column])
        assert np.isnan(chosen[0]) == (column[search.best_index_] is None)
    # Two grids with the same candidate, that of the estimator.
    same = ClusteringSearch(KMeans(3, n_init=1), [{"n_clusters": [3]}, {"tol": [1e-4]}], random_state=0).fit(digits[0])
    with pytest.raises(ValueError, match="more than one value"):
        SearchDisplay.from_estimator(same)


def test_matrix_of_the_scores_in_all_spaces(search):
    display = drawn(SearchDisplay.from_estimator(search, kind="spaces"))
    order = [i for i in np.argsort(-search.cv_results_["score"], kind="stable") if i < 4]
    assert order[0] == search.best_index_
    for ax, matrix in zip(display.axes_, search.score_matrix_.values()):
        spaces = ~np.isnan(matrix).all(axis=1)
        assert_array_equal(ax.images[0].get_array(), matrix[spaces][:, order])


def test_searches_with_nothing_to_draw(search, digits):
    with pytest.raises(NotFittedError):
        SearchDisplay.from_estimator(ClusteringSearch(KMeans(), {}))
    with pytest.raises(ValueError, match="kind"):
        SearchDisplay.from_estimator(search, kind="other")
    one = ClusteringSearch(KMeans(3, n_init=1), {"n_clusters": [3]}, random_state=0).fit(digits[0])
    with pytest.raises(ValueError, match="more than one value"):
        SearchDisplay.from_estimator(one)


# KDistanceDisplay


def test_the_curve_of_a_dbscan_in_a_pipeline(digits):
    model = make_pipeline(StandardScaler(), DBSCAN(eps=5.0, min_samples=4)).fit(digits[0])
    display = drawn(KDistanceDisplay.from_estimator(model, digits[0]))
    Z = model[0].transform(digits[0])
    assert_allclose(display.distances, np.sort(NearestNeighbors(n_neighbors=4).fit(Z).kneighbors(Z)[0][:, -1]))
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts[1] == f"eps = 5, {np.mean(display.distances <= 5):.0%} of the rows"
    assert_array_equal(KDistanceDisplay.from_data(Z, 4).distances, display.distances)
    for other in (KMeans(), DBSCAN(metric="cityblock")):
        with pytest.raises(ValueError, match="A DBSCAN with metric='euclidean'"):
            KDistanceDisplay.from_estimator(other, digits[0])


# Odd data


def test_values_whose_squares_overflow_are_refused(rng):
    X, labels = rng.normal(size=(20, 4)) * 1e200, np.arange(20) % 2
    match = "has values up to .*e\\+200, too large"
    for draw in (
        lambda: ClusterEmbeddingDisplay.from_predictions(X, labels),
        lambda: ClusterProfileDisplay.from_predictions(X, labels),
        lambda: ClusterProfileDisplay.from_predictions(X, labels, texts=["a"] * 20),
        lambda: KDistanceDisplay.from_data(X),
        lambda: KDistanceDisplay.from_data(X / 1e200, eps=1e200),
        lambda: ReconstructionDisplay.from_predictions(X, X + 1),
        lambda: ReconstructionDisplay.from_predictions(csr_array(X), X / 1e200),
    ):
        with pytest.raises(ValueError, match=match):
            draw()
    # The silhouette has no scale.
    silhouettes = [drawn(SilhouetteDisplay.from_predictions(Z, labels)).silhouettes for Z in (X, X / 1e200)]
    assert_allclose(*silhouettes)


def test_rows_that_are_all_the_same_or_all_noise_have_a_picture(rng):
    display = drawn(ClusterEmbeddingDisplay.from_predictions(np.ones((20, 4)), np.arange(20) % 2))
    assert display.axis_names[0] == "principal component 1: 0% of the variance"
    display = drawn(ClusterEmbeddingDisplay.from_predictions(rng.normal(size=(20, 4)), np.full(20, -1)))
    assert not display.ax_.texts


@pytest.mark.parametrize(
    "shape", [(2.0, 2.0), (-2, -2), np.array(4), {}, "22", (4, 1, 1), ([2], 2), (np.int8(0), 4)], ids=str
)
def test_image_shapes_that_are_none(rng, shape):
    X, labels = rng.normal(size=(20, 4)), np.arange(20) % 2
    with pytest.raises(ValueError, match="image_shape"):
        ClusterProfileDisplay.from_predictions(X, labels, image_shape=shape)
    with pytest.raises(ValueError, match="image_shape"):
        ReconstructionDisplay.from_predictions(X, X, image_shape=shape)
