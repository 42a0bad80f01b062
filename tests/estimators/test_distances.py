"""Clusterers of distances or affinities that are computed before: no scorer and no display takes these for features."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import DBSCAN, HDBSCAN, OPTICS, AffinityPropagation, AgglomerativeClustering, SpectralClustering
from sklearn.decomposition import KernelPCA
from sklearn.manifold import TSNE, Isomap
from sklearn.metrics import pairwise_distances, silhouette_score
from sklearn.metrics.pairwise import cosine_distances, rbf_kernel
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import kneighbors_graph
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from helpers.data import standardised_blobs
from helpers.drawn import QUICK, drawn
from skdeepcluster import SparseAutoencoderTransformer, metrics
from skdeepcluster.metrics import make_clustering_scorer
from skdeepcluster.model_selection import ClusteringSearch
from skdeepcluster.plotting import (
    ClusterEmbeddingDisplay,
    ClusterProfileDisplay,
    KDistanceDisplay,
    SilhouetteDisplay,
)

REFUSED = "takes distances between rows"


class Pairwise(ClusterMixin, BaseEstimator):
    """Says by its tag alone that it takes distances."""

    def fit_predict(self, X, y=None):
        return np.arange(len(X)) % 3

    def fit(self, X, y=None):
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = True
        return tags


DISTANCES = [
    AgglomerativeClustering(3, metric="precomputed", linkage="average"),
    DBSCAN(eps=2.0, metric="precomputed"),
    HDBSCAN(metric="precomputed", copy=True),
    OPTICS(metric="precomputed"),
    SpectralClustering(3, affinity="precomputed", random_state=0),
    AffinityPropagation(affinity="precomputed", random_state=0),
    Pairwise(),
]
SCORERS = [
    metrics.silhouette_scorer,
    metrics.calinski_harabasz_scorer,
    metrics.davies_bouldin_scorer,
    metrics.neighbor_information_scorer,
    make_clustering_scorer("silhouette", space="code"),
]
DRAWINGS = [
    SilhouetteDisplay.from_estimator,
    partial(SilhouetteDisplay.from_estimator, space="code"),
    ClusterEmbeddingDisplay.from_estimator,
    partial(ClusterEmbeddingDisplay.from_estimator, transformer=TSNE(init="random")),
    ClusterProfileDisplay.from_estimator,
    partial(ClusterProfileDisplay.from_estimator, image_shape=(6, 10)),
    partial(ClusterProfileDisplay.from_estimator, texts=["a"] * 60),
]


@pytest.fixture(scope="module")
def X():
    return standardised_blobs(60, 5, centers=3)


@pytest.fixture(scope="module")
def D(X):
    return pairwise_distances(X)


@pytest.mark.parametrize("clusterer", DISTANCES, ids=lambda clusterer: type(clusterer).__name__)
def test_scorers_and_displays_refuse_distances(clusterer, D):
    fitted = clusterer.fit(D)
    for use in (*SCORERS, *DRAWINGS):
        with pytest.raises(ValueError, match=REFUSED):
            use(fitted, D)
    with pytest.raises(ValueError, match="A DBSCAN with metric='euclidean'"):
        KDistanceDisplay.from_estimator(fitted, D)
    with pytest.raises(ValueError, match=REFUSED):
        ClusteringSearch(clusterer, {}).set_params(param_grid=[{}]).fit(D)


def test_a_graph_of_neighbours_is_no_table_of_points(X):
    graph = kneighbors_graph(X, 50, mode="distance")
    model = SpectralClustering(3, affinity="precomputed_nearest_neighbors", n_neighbors=50, random_state=0).fit(graph)
    for use in (*SCORERS, *DRAWINGS):
        with pytest.raises(ValueError, match=REFUSED):
            use(model, graph)


def test_a_grid_search_over_distances_has_no_score(D):
    rows = np.arange(len(D))
    search = GridSearchCV(
        DISTANCES[0], {"n_clusters": [2, 3]}, scoring=metrics.silhouette_scorer, cv=[(rows, rows)], error_score="raise"
    )
    with pytest.raises(ValueError, match=REFUSED):
        search.fit(D)


def test_distances_that_a_step_computes_are_scored_and_drawn_by_the_features_before(X, agg):
    clusterer = AgglomerativeClustering(3, metric="precomputed", linkage="average")
    steps = StandardScaler(), SparseAutoencoderTransformer(3, **QUICK), FunctionTransformer(cosine_distances)
    model = make_pipeline(*steps, clusterer).fit(X)
    Z = model[0].transform(X)
    expected = silhouette_score(Z, model[-1].labels_)
    assert metrics.silhouette_scorer(model, X) == pytest.approx(expected)
    assert SilhouetteDisplay.from_estimator(model, X).silhouettes.mean() == pytest.approx(expected)
    code = make_clustering_scorer("silhouette", space="sparseautoencodertransformer")
    assert code(model, X) == pytest.approx(silhouette_score(model[:2].transform(X), model[-1].labels_))
    # What sets clusters apart is said in the features of X.
    expected = ClusterProfileDisplay.from_predictions(X, model[-1].labels_).effects
    assert_array_equal(drawn(ClusterProfileDisplay.from_estimator(model, X)).effects, expected)
    for space in ("code", "functiontransformer"):
        with pytest.raises(ValueError, match=REFUSED):
            make_clustering_scorer("silhouette", space=space)(model, X)
    with pytest.raises(ValueError, match=REFUSED):
        ClusterProfileDisplay.from_estimator(model, X, texts=["a"] * 60)
    # Without an autoencoder, "input" is what the clusterer receives.
    with pytest.raises(ValueError, match=REFUSED):
        metrics.silhouette_scorer(make_pipeline(*steps[::2], clusterer).fit(X), X)


def test_affinities_that_a_step_computes_have_labels_too(X):
    clusterer = AffinityPropagation(affinity="precomputed", random_state=0)
    model = make_pipeline(StandardScaler(), FunctionTransformer(rbf_kernel), clusterer).fit(X)
    scorer = make_clustering_scorer("silhouette", space="standardscaler")
    assert scorer(model, X) == pytest.approx(silhouette_score(model[0].transform(X), model[-1].labels_))


def test_a_transformer_of_distances_draws_them(D, agg):
    model = HDBSCAN(metric="precomputed", copy=False).fit(D.copy())
    transformer = Isomap(n_neighbors=50, metric="precomputed")
    before = D.copy()
    display = drawn(ClusterEmbeddingDisplay.from_estimator(model, D, transformer=transformer))
    assert_array_equal(display.points, transformer.fit_transform(D))
    assert_array_equal(display.labels, model.labels_)
    assert_array_equal(D, before)


def test_a_step_that_takes_a_kernel_gives_points(D, agg):
    model = make_pipeline(KernelPCA(2, kernel="precomputed"), GaussianMixture(3, random_state=0)).fit(np.exp(-D))
    labels, points = model.predict(np.exp(-D)), model[0].transform(np.exp(-D))
    assert metrics.silhouette_scorer(model, np.exp(-D)) == pytest.approx(silhouette_score(points, labels))
    assert_array_equal(drawn(ClusterEmbeddingDisplay.from_estimator(model, np.exp(-D))).points, points)
    texts = [str(i) for i in range(60)]
    expected = ClusterProfileDisplay.from_predictions(np.exp(-D), labels, Z=points, texts=texts).texts
    assert drawn(ClusterProfileDisplay.from_estimator(model, np.exp(-D), texts=texts)).texts == expected
    with pytest.raises(ValueError, match=REFUSED):
        ClusterProfileDisplay.from_estimator(model, np.exp(-D))
