"""Generated input for the displays: a picture that can be drawn, or an error that says why."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.properties import ESTIMATORS_OF_USERS, assert_finite, attempt, cases
from helpers.strategies import GOOD, good_tables, labels, n_rows, parameters, tables
from skdeepcluster import SparseAutoencoderTransformer, plotting
from skdeepcluster.model_selection import ClusteringSearch

NAMES = (None, ["a", "b", "c", "d"], ["a", "$b", 3, None], ["$x^$"] * 4, ["a"], "abcd", np.arange(4))
SHAPES = (None, (2, 2), (1, 4), (4, 1, 1), (2, 3), (0, 4), (-2, -2), (2.0, 2.0), "22")
SAMPLE = {"sample_size": (None, 2, 5, 100), "random_state": (None, 0)}
UNITS = (None, [0], [2, 2], [], [-1], [3])
OF_WEIGHTS = {"units": UNITS, "image_shape": SHAPES, "feature_names": NAMES, "n_features": (1, 9)}
OF_RECONSTRUCTIONS = {"image_shape": SHAPES, "feature_names": NAMES, "n_examples": (1, 3, 100)}
TEXTS = (None, ["$a"] * 20, ["b"] * 12)
OF_PROFILES = {"image_shape": SHAPES, "feature_names": NAMES, "n_shown": (1, 3), "texts": TEXTS}
OF_RULES = {
    "feature_names": NAMES,
    "max_conditions": (1, 4),
    "sample_size": (None, 2, 5, 100),
    "random_state": (None, 0),
}
TRANSFORMERS = {"transformer": (None, PCA(2), PCA(1), StandardScaler())}


pytestmark = pytest.mark.usefixtures("agg")


@pytest.fixture(scope="module")
def models():
    """Fitted pipelines, with an autoencoder and without, and a search."""
    autoencoder = SparseAutoencoderTransformer(3, max_iter=3, random_state=0)
    kmeans = KMeans(3, n_init=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            make_pipeline(StandardScaler(), autoencoder, kmeans).fit(GOOD),
            make_pipeline(autoencoder, DBSCAN(0.5, min_samples=2)).fit(GOOD),
            DBSCAN(1.0, min_samples=3).fit(GOOD),
            PCA(2).fit(GOOD),
            ClusteringSearch(kmeans, {"n_clusters": [2, 3]}, random_state=0).fit(GOOD),
        ]


def attempt_to_draw(draw, *args, names=(), **kwargs):
    """The display or None, drawn to pixels, which shows what is wrong with an artist."""
    try:
        display, error = attempt(draw, *args, names=[*names, "labels"], **kwargs)
        if error is None:
            _, error = attempt(display.figure_.canvas.draw)
            assert error is None, error
        return display
    finally:
        plt.close("all")


@cases(0.4, Z=good_tables() | tables(), data=st.data())
def test_cluster_embedding(Z, data):
    found, options = data.draw(labels(n_rows(Z))), data.draw(parameters(TRANSFORMERS))
    others = ESTIMATORS_OF_USERS if options.get("transformer") is not None else ()
    display = attempt_to_draw(plotting.ClusterEmbeddingDisplay.from_predictions, Z, found, others=others, **options)
    if display is not None:
        assert display.points.shape == (n_rows(Z), 2)
        assert_finite(display.points)


@cases(0.4, Z=good_tables() | tables(), data=st.data())
def test_silhouettes(Z, data):
    found, options = data.draw(labels(n_rows(Z))), data.draw(parameters(SAMPLE))
    display = attempt_to_draw(plotting.SilhouetteDisplay.from_predictions, Z, found, names=["clusters"], **options)
    if display is not None:
        assert np.abs(display.silhouettes).max() <= 1
        assert display.silhouettes.shape == display.labels.shape


@cases(0.4, X=good_tables(d=4) | tables(d=4), data=st.data())
def test_cluster_profiles(X, data):
    found, options = data.draw(labels(n_rows(X))), data.draw(parameters(OF_PROFILES))
    names = ["clusters", "cluster", *OF_PROFILES]
    display = attempt_to_draw(plotting.ClusterProfileDisplay.from_predictions, X, found, names=names, **options)
    if display is not None and display.effects is not None:
        assert_finite(display.effects)


@cases(0.4, X=good_tables(d=4) | tables(d=4), data=st.data())
def test_cluster_rules(X, data):
    found, options = data.draw(labels(n_rows(X))), data.draw(parameters(OF_RULES))
    names = ["clusters", "cluster", *OF_RULES]
    display = attempt_to_draw(plotting.ClusterRulesDisplay.from_predictions, X, found, names=names, **options)
    if display is not None:
        explanation = display.explanation
        assert_finite(explanation.effects, explanation.precision, explanation.recall, explanation.f1)
        assert 0 <= explanation.fidelity <= 1


@cases(0.4, X=good_tables(d=4) | tables(d=4), data=st.data())
def test_reconstructions_given_as_arrays(X, data):
    H = data.draw(st.just(X) | tables(n=n_rows(X), d=4))
    options = data.draw(parameters(OF_RECONSTRUCTIONS))
    names = ["X_reconstructed", *OF_RECONSTRUCTIONS]
    display = attempt_to_draw(plotting.ReconstructionDisplay.from_predictions, X, H, names=names, **options)
    if display is not None:
        assert display.errors.shape == (n_rows(X),)
        assert_finite(display.errors)


@cases(
    0.4,
    Z=good_tables(sparse=False) | tables(),
    options=parameters({"min_samples": (2, 3, 50), "eps": (None, 0.5, 1e300)}),
)
def test_k_distances(Z, options):
    attempt_to_draw(plotting.KDistanceDisplay.from_data, Z, names=["eps"], **options)


@cases(0.6, X=good_tables(d=4) | tables(d=4), data=st.data())
def test_displays_of_estimators(models, X, data):
    model = data.draw(st.sampled_from(models))
    display, with_data, options = data.draw(
        st.sampled_from(
            [
                ("ActivationDisplay", True, {}),
                ("ClusterEmbeddingDisplay", True, TRANSFORMERS),
                ("ClusterProfileDisplay", True, OF_PROFILES),
                ("ClusterRulesDisplay", True, OF_RULES),
                ("CodeWeightsDisplay", False, OF_WEIGHTS),
                ("KDistanceDisplay", True, {}),
                ("LossCurveDisplay", False, {}),
                ("ReconstructionDisplay", True, OF_RECONSTRUCTIONS),
                ("SearchDisplay", False, {"kind": ("parameters", "spaces")}),
                ("SilhouetteDisplay", True, {**SAMPLE, "space": ("input", "code", "pca")}),
            ]
        )
    )
    draw = getattr(plotting, display).from_estimator
    names = ["clusterer", "autoencoder", "clusters", "cluster", "DBSCAN", "ClusteringSearch", *options]
    options = data.draw(parameters(options)) if options else {}
    attempt_to_draw(draw, model, *([X] if with_data else []), names=names, others=ESTIMATORS_OF_USERS, **options)
