"""A frozen autoencoder in a pipeline is one for scorers, searches and displays, as if it were not frozen."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.joint import ENCODER
from skdeepcluster import SparseAutoencoderTransformer, plotting
from skdeepcluster.exceptions import DegenerateClusteringWarning
from skdeepcluster.metrics import make_clustering_scorer, silhouette_scorer
from skdeepcluster.model_selection import ClusteringSearch


@pytest.fixture(scope="module")
def X(blobs):
    # Not standardised, so that the spaces before and after a scaler differ.
    return blobs * np.arange(1, 16)


@pytest.fixture(scope="module")
def pretrained(X):
    """A scaler and an autoencoder, fitted."""
    return Pipeline([("scale", StandardScaler()), ("code", clone(ENCODER))]).fit(X)


def kmeans(n_clusters=4):
    return KMeans(n_clusters, n_init=1, random_state=0)


def frozen_in_all_ways(pretrained):
    """Steps before a clusterer: as they are, and frozen, each by itself, twice, and as a whole."""
    scale, code = pretrained[0], pretrained[1]
    freeze = FrozenEstimator
    return {
        "not frozen": [("scale", scale), ("code", code)],
        "the autoencoder": [("scale", scale), ("code", freeze(code))],
        "both": [("scale", freeze(scale)), ("code", freeze(code))],
        "twice": [("scale", scale), ("code", freeze(freeze(code)))],
        "a pipeline": [("features", freeze(pretrained))],
        "a pipeline of frozen steps": [("features", freeze(make_pipeline(freeze(scale), freeze(code))))],
        "a search": [("features", freeze(GridSearchCV(pretrained, {"code__lam": [1e-3]}, cv=2)))],
    }


WAYS = [
    "the autoencoder",
    "both",
    "twice",
    "a pipeline",
    "a pipeline of frozen steps",
    "a search",
]


@pytest.fixture(scope="module")
def models(X, pretrained):
    ways = frozen_in_all_ways(pretrained)
    # This one has another fit.
    ways["a search"][0][1].estimator.fit(X)
    models = {name: Pipeline([*steps, ("cluster", kmeans())]) for name, steps in ways.items()}
    for name, model in models.items():
        # To fit the pipeline would fit what is not frozen again, to the same.
        assert_array_equal(model.fit(X).predict(X), models["not frozen"].predict(X), err_msg=name)
    return models


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("space", ["input", "code"])
def test_scorers_see_the_autoencoder(X, models, way, space):
    scorer = make_clustering_scorer("silhouette", space=space)
    assert scorer(models[way], X) == scorer(models["not frozen"], X)


def test_steps_in_a_frozen_pipeline_have_names(X, models):
    expected = make_clustering_scorer("silhouette", space="scale")(models["not frozen"], X)
    assert make_clustering_scorer("silhouette", space="features__scale")(models["a pipeline"], X) == expected


@pytest.mark.parametrize("way", WAYS)
def test_searches_see_the_autoencoder(X, models, way):
    grid = {"cluster__n_clusters": [3, 4]}
    expected, found = (
        ClusteringSearch(models[name], grid, metric="reconstruction", random_state=0).fit(X).cv_results_
        for name in ("not frozen", way)
    )
    assert_array_equal(found["reconstruction_error"], expected["reconstruction_error"])
    assert_array_equal(found["score"], expected["score"])
    rows = np.arange(len(X))
    search = GridSearchCV(models[way], grid, scoring=silhouette_scorer, cv=[(rows, rows)], error_score="raise").fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.CollapsedCodeWarning")
@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.TrivialReconstructionWarning")
def test_searches_see_that_a_frozen_code_has_collapsed(blobs):
    sound, collapsed = (
        FrozenEstimator(SparseAutoencoderTransformer(4, lam=lam, max_iter=20, tol=0.1, random_state=0).fit(blobs))
        for lam in (1e-3, 1e3)
    )
    model = Pipeline([("code", sound), ("cluster", kmeans())])
    search = ClusteringSearch(model, {"code": [sound, collapsed]}, random_state=0)
    with pytest.warns(DegenerateClusteringWarning, match="(?s)candidate 1.*its space has collapsed"):
        search.fit(blobs)
    assert_array_equal(search.cv_results_["collapsed"], [False, True])


@pytest.mark.usefixtures("agg")
@pytest.mark.parametrize("way", WAYS)
def test_displays_see_the_autoencoder(X, models, way):
    model = models[way]
    weights = plotting.CodeWeightsDisplay.from_estimator(model).weights
    assert_array_equal(weights, plotting.CodeWeightsDisplay.from_estimator(models["not frozen"]).weights)
    plotting.LossCurveDisplay.from_estimator(model)
    for display in ("SilhouetteDisplay", "ReconstructionDisplay", "ActivationDisplay", "ClusterProfileDisplay"):
        getattr(plotting, display).from_estimator(model, X)


@pytest.mark.usefixtures("agg")
def test_frozen_joint_clustering_is_joint_clustering(blobs, joint):
    model = make_pipeline(StandardScaler().fit(blobs), joint)
    frozen_models = [make_pipeline(model[0], FrozenEstimator(joint)), FrozenEstimator(model)]
    for space in ("input", "code"):
        scorer = make_clustering_scorer("silhouette", space=space)
        assert [scorer(frozen, blobs) for frozen in frozen_models] == 2 * [scorer(model, blobs)]
    for frozen in frozen_models:
        plotting.LossCurveDisplay.from_estimator(frozen)
        plotting.SilhouetteDisplay.from_estimator(frozen, blobs)
    # As a step before another clusterer, its code is the space.
    search = ClusteringSearch(make_pipeline(FrozenEstimator(joint), kmeans()), {"kmeans__n_clusters": [5, 6]})
    assert np.isfinite(search.set_params(random_state=0).fit(blobs).cv_results_["reconstruction_error"]).all()


@pytest.mark.parametrize("freeze", [FrozenEstimator, lambda step: step])
def test_an_autoencoder_inside_a_frozen_step_is_not_taken_for_none(X, pretrained, freeze):
    for inner in (pretrained, FrozenEstimator(pretrained), FrozenEstimator(pretrained[1])):
        union = freeze(FeatureUnion([("inner", inner)]).fit(X))
        model = make_pipeline(union, kmeans()).fit(X)
        with pytest.raises(ValueError, match="the autoencoder is inside another step"):
            silhouette_scorer(model, X)
        with pytest.raises(ValueError, match="the autoencoder is inside another step"):
            silhouette_scorer(FrozenEstimator(model), X)
