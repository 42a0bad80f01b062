"""A NeighborAssigner that ends a pipeline: in searches, scorers and displays."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.drawn import QUICK, drawn
from helpers.joint import QUICK as QUICK_JOINT
from helpers.marks import FEW_ITERATIONS
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import DeepEmbeddedClustering, NeighborAssigner
from skdeepcluster.metrics import make_clustering_scorer, silhouette_scorer
from skdeepcluster.model_selection import ClusteringSearch
from skdeepcluster.plotting import (
    ClusterEmbeddingDisplay,
    ClusterProfileDisplay,
    KDistanceDisplay,
    LossCurveDisplay,
    SilhouetteDisplay,
)

pytestmark = FEW_ITERATIONS

EPS = "assign__clusterer__eps"


def make_model(clusterer):
    code = SparseAutoencoderTransformer(4, **QUICK)
    return Pipeline([("scale", StandardScaler()), ("code", code), ("assign", NeighborAssigner(clusterer))])


@pytest.fixture(scope="module")
def model(blobs):
    """Scaler, autoencoder and DBSCAN, which finds clusters and noise, fitted to 500 of the rows."""
    return make_model(DBSCAN(eps=0.05)).fit(blobs[:500])


def test_neighbours_are_those_in_the_code(blobs, model):
    assigner, code = model[-1], model[:-1].transform(blobs)
    assert assigner.n_clusters_ > 1
    assert (assigner.labels_ == -1).any()
    alone = NeighborAssigner(DBSCAN(eps=0.05)).fit(code[:500])
    assert_array_equal(model.predict(blobs), alone.predict(code))
    assert_array_equal(model.predict(blobs[:500]), assigner.labels_)
    assert model.predict_proba(blobs).shape == (600, assigner.n_clusters_)
    assert_array_equal(clone(model).fit_predict(blobs[:500]), assigner.labels_)


@pytest.mark.parametrize("space", ["input", "code", "scale"])
def test_scorers_judge_the_labels_of_new_rows(blobs, model, space):
    scorer = make_clustering_scorer("silhouette", space=space)
    kmeans = make_model(KMeans(6, n_init=1, random_state=0)).fit(blobs[:500])
    as_kmeans = Pipeline([*kmeans.steps[:-1], ("cluster", kmeans[-1].clusterer_)])
    assert np.mean(kmeans.predict(blobs) == as_kmeans.predict(blobs)) > 0.98
    assert scorer(kmeans, blobs) == pytest.approx(scorer(as_kmeans, blobs), abs=0.02)
    assert -1 < scorer(model, blobs[500:]) < 1


def test_a_grid_search_scores_held_out_rows(blobs):
    search = GridSearchCV(
        make_model(DBSCAN()), {EPS: [0.03, 0.05]}, scoring=silhouette_scorer, cv=2, error_score="raise"
    ).fit(blobs)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert_array_equal(search.predict(blobs), search.best_estimator_[-1].labels_)


def test_a_clustering_search_predicts_new_rows(blobs):
    search = ClusteringSearch(make_model(DBSCAN()), {EPS: [0.03, 0.05]}, random_state=0, error_score="raise")
    search.fit(blobs[:500])
    of_dbscan = Pipeline([*make_model(None).steps[:-1], ("cluster", DBSCAN())])
    expected = ClusteringSearch(of_dbscan, {"cluster__eps": [0.03, 0.05]}, random_state=0).fit(blobs[:500])
    assert_array_equal(search.cv_results_["score"], expected.cv_results_["score"])
    assert_array_equal(search.labels_, expected.labels_)
    assert_array_equal(search.predict(blobs[:500]), search.labels_)
    assert search.predict(blobs[500:]).shape == (100,)


def test_a_search_knows_the_number_that_its_clusterer_asks_for(blobs):
    model, grid = NeighborAssigner(AgglomerativeClustering()), [3, 6, 9]
    search = ClusteringSearch(model, {"clusterer__n_clusters": grid}, random_state=0).fit(blobs)
    expected = ClusteringSearch(model.clusterer, {"n_clusters": grid}, random_state=0).fit(blobs)
    assert_array_equal(search.cv_results_["score"], expected.cv_results_["score"])


def test_displays_draw_new_rows(blobs, model, agg):
    new = blobs[500:]
    labels, code = model.predict(new), model[:-1].transform(new)
    assert_array_equal(drawn(ClusterEmbeddingDisplay.from_estimator(model, new)).labels, labels)
    expected = ClusterProfileDisplay.from_predictions(new, labels, Z=code).effects
    assert_array_equal(drawn(ClusterProfileDisplay.from_estimator(model, new)).effects, expected)
    scaled = model[0].transform(new)
    expected = SilhouetteDisplay.from_predictions(scaled, labels).silhouettes
    assert_array_equal(drawn(SilhouetteDisplay.from_estimator(model, new)).silhouettes, expected)
    drawn(LossCurveDisplay.from_estimator(model))
    display = drawn(KDistanceDisplay.from_estimator(model, new))
    assert_array_equal(display.distances, KDistanceDisplay.from_data(code).distances)
    assert display.eps == 0.05
    with pytest.raises(ValueError, match=r"A DBSCAN .* is needed, but got KMeans"):
        KDistanceDisplay.from_estimator(NeighborAssigner(KMeans(2)).fit(blobs), blobs)


def test_joint_clustering_may_be_assigned(blobs, frozen, agg):
    clusterer = DeepEmbeddedClustering(6, encoder=frozen, **QUICK_JOINT)
    model = make_pipeline(StandardScaler(), NeighborAssigner(clusterer)).fit(blobs[:500])
    joint = model[-1].clusterer_
    assert_array_equal(joint.labels_, model[-1].labels_)
    new = blobs[500:]
    assert np.mean(model.predict(new) == joint.predict(model[0].transform(new))) > 0.98
    # Its input is what the assigner receives, which is the space of its neighbours, too.
    for space in ("input", "code", "standardscaler"):
        scorer = make_clustering_scorer("silhouette", space=space)
        assert scorer(model, new) == silhouette_scorer(model, new)
    drawn(SilhouetteDisplay.from_estimator(model, new))


def test_names_of_features_are_checked(blobs):
    table = pd.DataFrame(blobs, columns=[f"c{i}" for i in range(15)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # The clusterer sees the names, too.
        model = NeighborAssigner(KMeans(6, n_init=1, random_state=0)).fit(table)
        assert_array_equal(model.clusterer_.feature_names_in_, table.columns)
        assert_array_equal(model.predict(table), model.labels_)
    with pytest.warns(UserWarning, match="X does not have valid feature names, but NeighborAssigner"):
        model.predict(blobs)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[table.columns[::-1]])
