"""Texts: sparse rows in reports, scorers, displays, estimates and searches; and cosine as the distance."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import DBSCAN, KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import pairwise_distances, silhouette_samples, silhouette_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from helpers.marks import FEW_ITERATIONS
from helpers.search import Labeling
from skdeepcluster import ClusteringSearch, SparseAutoencoderTransformer, metrics
from skdeepcluster.model_selection import estimate_eps, estimate_n_clusters
from skdeepcluster.plotting import ClusterEmbeddingDisplay, ClusterProfileDisplay, KDistanceDisplay, SilhouetteDisplay

pytestmark = FEW_ITERATIONS

WORDS = [
    ["engine", "wheel", "road", "brake", "fuel"],
    ["goal", "team", "match", "coach", "league"],
    ["star", "orbit", "planet", "moon", "rocket"],
]
SCORERS = ["silhouette", "calinski_harabasz", "davies_bouldin", "neighbor_information", "neighbor_modularity"]
DISTANCES = ["euclidean", "cosine"]


@pytest.fixture(scope="module")
def docs():
    rng = np.random.RandomState(0)
    return [" ".join([*rng.choice(WORDS[i % 3], 6), *rng.choice(["and", "then", "also"], 2)]) for i in range(90)]


@pytest.fixture(scope="module")
def texts(docs):
    return TfidfVectorizer().fit_transform(docs)


@pytest.fixture(scope="module")
def model(docs):
    steps = [
        ("tfidf", TfidfVectorizer()),
        ("scale", StandardScaler(with_mean=False)),
        ("code", SparseAutoencoderTransformer(4, max_iter=20, random_state=0)),
        ("km", KMeans(3, n_init=5, random_state=0)),
    ]
    return Pipeline(steps).fit(docs)


@pytest.fixture(scope="module")
def directions():
    """Five directions with rows of any length, which part them by nothing else."""
    rng = np.random.default_rng(0)
    y = np.arange(200) % 5
    X = np.eye(5, 30)[y] + 0.1 * rng.normal(size=(200, 30))
    return X * np.exp(2 * rng.normal(size=(200, 1))), y


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_array, sp.coo_matrix])
@pytest.mark.parametrize("distance", DISTANCES)
def test_a_report_of_sparse_rows_is_that_of_dense_ones(texts, kind, distance):
    labels = np.arange(90) % 4 - 1
    for noise in ("drop", "cluster"):
        sparse, dense = (
            metrics.clustering_report(X, labels, noise=noise, sample_size=60, random_state=0, distance=distance)
            for X in (kind(texts), texts.toarray())
        )
        assert_allclose(list(sparse.values()), list(dense.values()), rtol=1e-10)


@pytest.mark.parametrize("name", SCORERS)
@pytest.mark.parametrize("distance", DISTANCES)
def test_scorers_of_a_pipeline_of_texts(model, docs, name, distance):
    X, labels = model[:2].transform(docs), model.predict(docs)
    expected = metrics.clustering_report(X.toarray(), labels, distance=distance)[name]
    score = metrics.make_clustering_scorer(name, distance=distance)(model, docs)
    assert_allclose(score, -expected if name == "davies_bouldin" else expected, rtol=1e-10)


def test_a_grid_search_over_texts(model, docs):
    rows = np.arange(len(docs))
    scoring = {name: getattr(metrics, f"{name}_scorer") for name in SCORERS}
    search = GridSearchCV(model, {"code__rho": [0.1, 0.5]}, scoring=scoring, refit="silhouette", cv=[(rows, rows)])
    results = search.fit(docs).cv_results_
    assert all(np.isfinite(results[f"mean_test_{name}"]).all() for name in SCORERS)


@pytest.mark.parametrize("distance", DISTANCES)
def test_displays_of_sparse_rows(model, docs, texts, distance, agg):
    labels = model.predict(docs)
    sparse, dense = (SilhouetteDisplay.from_predictions(X, labels, distance=distance) for X in (texts, texts.toarray()))
    assert_allclose(sparse.silhouettes, dense.silhouettes, atol=1e-10)
    assert_allclose(sparse.silhouettes, silhouette_samples(texts, labels, metric=distance), atol=1e-10)
    of_model = SilhouetteDisplay.from_estimator(model, docs, distance=distance, space="scale")
    X = model[:2].transform(docs)
    assert_allclose(of_model.silhouettes, silhouette_samples(X, labels, metric=distance), atol=1e-10)
    sparse, dense = (
        KDistanceDisplay.from_estimator(DBSCAN(eps=0.5, metric=distance), X) for X in (texts, texts.toarray())
    )
    assert_allclose(sparse.distances, dense.distances, atol=1e-10)
    assert sparse.ax_.get_ylabel() == f"{'cosine ' if distance == 'cosine' else ''}distance to the 5-th nearest row"
    for display in (ClusterEmbeddingDisplay, ClusterProfileDisplay):
        display.from_predictions(texts, labels)


@pytest.mark.parametrize("distance", DISTANCES)
def test_estimates_of_sparse_rows(texts, distance):
    for estimate in (
        lambda X: estimate_eps(X, distance=distance).eps,
        lambda X: estimate_n_clusters(X, range(2, 6), random_state=0, distance=distance).scores,
        lambda X: (
            estimate_n_clusters(
                X, range(2, 6), method="stability", n_repeats=2, random_state=0, distance=distance
            ).scores
        ),
    ):
        assert_allclose(estimate(texts), estimate(texts.toarray()), rtol=1e-9)
    assert estimate_n_clusters(texts, range(2, 6), random_state=0, distance=distance).n_clusters == 3


@pytest.mark.parametrize(
    "X, distance",
    [(sp.random(30, 5, density=0.5, random_state=0), "euclidean"), (np.eye(30), "cosine")],
    ids=["sparse", "cosine"],
)
def test_the_gap_is_of_dense_rows_and_euclidean(X, distance):
    with pytest.raises(ValueError, match=r"method='gap' compares with uniform .* take 'silhouette' .*TruncatedSVD"):
        estimate_n_clusters(X, [2, 3, 4], method="gap", distance=distance)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("distance", DISTANCES)
def test_a_search_over_sparse_spaces(texts, distance, n_jobs):
    grid = {"n_clusters": [2, 3, 4, 5]}
    sparse, dense = (
        ClusteringSearch(
            KMeans(n_init=3), grid, metric=SCORERS, distance=distance, sample_size=80, random_state=0, n_jobs=n_jobs
        ).fit(X)
        for X in (texts, texts.toarray())
    )
    assert sparse.best_params_ == dense.best_params_ == {"n_clusters": 3}
    for name in SCORERS:
        assert_allclose(sparse.score_matrix_[name], dense.score_matrix_[name], rtol=1e-10)


def test_a_search_over_texts(docs):
    model = Pipeline([("tfidf", TfidfVectorizer()), ("svd", TruncatedSVD(5)), ("km", KMeans(n_init=3))])
    grid = {"km__n_clusters": [2, 3, 4, 5], "svd": [TruncatedSVD(5, random_state=0), "passthrough"]}
    search = ClusteringSearch(model, grid, metric="silhouette", distance="cosine", random_state=0).fit(docs)
    assert search.best_params_["km__n_clusters"] == 3


def test_by_cosine_a_search_and_a_report_see_directions(directions):
    X, y = directions
    assert metrics.clustering_report(X, y)["silhouette"] < 0.1
    report = metrics.clustering_report(X, y, distance="cosine")
    assert_allclose(report["silhouette"], silhouette_score(X, y, metric="cosine"), rtol=1e-10)
    assert report["silhouette"] > 0.5
    units = X / np.linalg.norm(X, axis=1, keepdims=True)
    of_units = metrics.clustering_report(units, y)
    for name in ("calinski_harabasz", "davies_bouldin", "neighbor_information"):
        assert_allclose(report[name], of_units[name], rtol=1e-10)
    search = ClusteringSearch(
        DBSCAN(metric="cosine"), {"eps": [1e-4, 0.2, 1.5]}, metric="silhouette", distance="cosine", max_noise=1
    )
    with pytest.warns(match="ranked last"):
        search.fit(X)
    assert search.best_params_ == {"eps": 0.2}
    expected = silhouette_score(X, search.labels_, metric="cosine")
    assert_allclose(search.score_matrix_["silhouette"][0, search.best_index_], expected, rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_dbscan_takes_the_estimate_by_cosine(directions, dtype, container):
    X, y = directions
    estimate = estimate_eps(container(X.astype(dtype)), distance="cosine")
    labels = DBSCAN(estimate.eps, metric="cosine").fit_predict(container(X.astype(dtype)))
    kept = labels >= 0
    assert kept.mean() > 0.9
    assert metrics.clustering_report(X[kept], labels[kept], y_true=y[kept])["ari"] == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_at_equal_cosine_distances_are_within_eps(dtype):
    angles = 0.01 * np.arange(50)
    Z = np.column_stack([np.cos(angles), np.sin(angles)]).astype(dtype)
    estimate = estimate_eps(Z, min_samples=2, distance="cosine")
    assert_allclose(estimate.eps, 1 - np.cos(0.01), rtol=0.02)
    assert_array_equal(DBSCAN(estimate.eps, min_samples=2, metric="cosine").fit_predict(Z), 0)


def test_rows_of_one_direction_are_one_point():
    X = np.outer(np.arange(1.0, 9), [1.0, 2.0, 3.0])
    labels = np.arange(8) % 2
    with pytest.warns(match="all rows are the same point"):
        report = metrics.clustering_report(X, labels, distance="cosine")
    assert np.isnan(report["silhouette"])
    with pytest.raises(ValueError, match="its space has collapsed"):
        ClusteringSearch(KMeans(n_init=1), {"n_clusters": [2, 3]}, distance="cosine", random_state=0).fit(X)


def test_numbers_of_clusters_of_one_direction_cannot_be_compared():
    X = np.outer(np.arange(1.0, 21), [1, 2, 3])
    for data in (X, sp.csr_array(X)):
        with pytest.raises(ValueError, match="Z has 1 distinct rows"):
            estimate_n_clusters(data, [2, 3], distance="cosine")


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_the_curve_by_cosine_is_that_of_dbscan_with_rows_of_zeros(rng, container):
    X = np.maximum(rng.normal(size=(100, 20)), 0)
    X[::10] = 0
    estimate = estimate_eps(container(X), min_samples=4, distance="cosine")
    D = np.sort(pairwise_distances(X, metric="cosine"), axis=1)
    assert_allclose(estimate.distances, np.sort(D[:, 3]), atol=1e-12)


def test_a_search_over_rows_with_hardly_a_number():
    X = sp.random(400, 50, density=0.009, random_state=0, format="csr")
    search = ClusteringSearch(KMeans(n_init=1), {"n_clusters": [2, 3]}, random_state=0).fit(X)
    assert np.isfinite(search.score_matrix_["neighbor_information"]).all()
    assert np.isfinite(metrics.clustering_report(X, np.arange(400) % 3)["neighbor_information"])


@pytest.mark.parametrize("distance", DISTANCES)
def test_sparse_rows_are_not_made_dense(distance):
    # Dense they would take 320 MB.
    X = sp.random(800, 50_000, density=4e-4, random_state=0, format="csr")
    labels = np.arange(800) % 5
    grid = {"labels": [labels, labels // 2]}
    search = ClusteringSearch(Labeling(), grid, metric="silhouette", distance=distance, random_state=0)
    for call in (
        lambda: metrics.clustering_report(X, labels, distance=distance),
        lambda: estimate_eps(X, distance=distance),
        lambda: search.fit(X),
    ):
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 40e6
