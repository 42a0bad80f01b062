"""The main job: pipelines that end in a clusterer, and searches over them."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.exceptions import DegenerateClusteringWarning
from skdeepcluster.metrics import (
    calinski_harabasz_scorer,
    clustering_report,
    davies_bouldin_scorer,
    make_clustering_scorer,
    silhouette_scorer,
)

CLUSTERERS = [KMeans(10, n_init=3, random_state=0), AgglomerativeClustering(10), DBSCAN(eps=0.5, min_samples=4)]
SCORERS = {"silhouette": silhouette_scorer, "ch": calinski_harabasz_scorer, "db": davies_bouldin_scorer}


def make_model(clusterer, **parameters):
    autoencoder = SparseAutoencoderTransformer(16, **{"tol": 1e-2, "random_state": 0, **parameters})
    return make_pipeline(StandardScaler(), autoencoder, clone(clusterer))


@pytest.fixture(scope="module")
def raw_digits():
    X, y = load_digits(return_X_y=True)
    return X[:400], y[:400]


@pytest.mark.parametrize("clusterer", CLUSTERERS)
def test_pipelines_find_the_digits(raw_digits, clusterer):
    X, y = raw_digits
    model = make_model(clusterer)
    labels = model.fit_predict(X)
    assert labels.shape == (400,)
    assert_array_equal(labels, model.fit(X)[-1].labels_)
    report = clustering_report(model[:-1].transform(X), labels, y_true=y)
    assert report["nmi"] > 0.5
    assert report["n_clusters"] >= 5


def test_predict_where_the_clusterer_has_it(raw_digits):
    X, _ = raw_digits
    with_predict, without = (make_model(clusterer).fit(X[:300]) for clusterer in CLUSTERERS[:2])
    assert_array_equal(with_predict.predict(X[300:]), with_predict[-1].predict(with_predict[:-1].transform(X[300:])))
    assert_array_equal(with_predict.predict(X[:300]), with_predict[-1].labels_)
    assert not hasattr(without, "predict")


@pytest.mark.parametrize("clusterer", CLUSTERERS)
def test_clone_pickle_and_copy_of_pipelines(raw_digits, clusterer):
    X, _ = raw_digits
    model = make_model(clusterer).fit(X)
    labels = model[-1].labels_
    for copied in (pickle.loads(pickle.dumps(model)), deepcopy(model), clone(model).fit(X)):
        assert_array_equal(copied[-1].labels_, labels)
        assert_array_equal(copied[:-1].transform(X), model[:-1].transform(X))


def test_sample_weight_reaches_the_autoencoder(raw_digits, rng):
    X, _ = raw_digits
    w = rng.uniform(size=len(X))
    model = make_model(CLUSTERERS[0]).fit(X, sparseautoencodertransformer__sample_weight=w)
    scaled = model[0].transform(X)
    expected = clone(model[1]).fit(scaled, sample_weight=w)
    assert_array_equal(model[1].coefs_[0], expected.coefs_[0])


@pytest.mark.parametrize("clusterer", CLUSTERERS)
@pytest.mark.parametrize("scoring", [*SCORERS, "all"])
# A fold may be one cluster to DBSCAN.
@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.DegenerateClusteringWarning")
def test_grid_search(raw_digits, clusterer, scoring):
    X, _ = raw_digits
    grid = {
        "sparseautoencodertransformer__rho": [0.2, 0.4],
        "sparseautoencodertransformer__beta": [1.0],
        "sparseautoencodertransformer__lam": [1e-3, 1e-2],
    }
    refit = scoring != "all" or "db"
    search = GridSearchCV(
        make_model(clusterer), grid, scoring=SCORERS.get(scoring, SCORERS), refit=refit, cv=2, n_jobs=2
    )
    search.fit(X)
    for name in SCORERS if scoring == "all" else ["score"]:
        assert np.isfinite(search.cv_results_[f"mean_test_{name}"]).all()
    assert search.best_estimator_[-1].labels_.shape == (400,)


def test_grid_search_is_the_same_for_any_n_jobs(raw_digits):
    X, _ = raw_digits
    grid = {"sparseautoencodertransformer__beta": [0.1, 1.0, 3.0]}
    results = [
        GridSearchCV(make_model(CLUSTERERS[0]), grid, scoring=SCORERS, refit="silhouette", cv=2, n_jobs=n_jobs).fit(X)
        for n_jobs in (1, 2)
    ]
    for name in SCORERS:
        np.testing.assert_allclose(*(search.cv_results_[f"mean_test_{name}"] for search in results), rtol=1e-6)


def test_grid_search_on_all_of_the_data(raw_digits):
    # A transductive clusterer has nothing to say of held-out rows; a split that trains and scores on all rows suits it.
    X, _ = raw_digits
    every_row = np.arange(len(X))
    model = make_model(AgglomerativeClustering())
    grid = {"agglomerativeclustering__n_clusters": [5, 10]}
    search = GridSearchCV(model, grid, scoring=silhouette_scorer, cv=[(every_row, every_row)]).fit(X)
    best = search.best_estimator_
    assert search.best_score_ == pytest.approx(
        clustering_report(best[:1].transform(X), best[-1].labels_)["silhouette"], rel=1e-9
    )


def test_a_degenerate_candidate_never_wins(raw_digits):
    X, _ = raw_digits
    grid = {"dbscan__eps": [1e-9, 0.75, 1e9]}
    search = GridSearchCV(make_model(CLUSTERERS[2]), grid, scoring=SCORERS, refit="db", cv=[(range(400), range(400))])
    with pytest.warns(DegenerateClusteringWarning):
        search.fit(X)
    assert search.best_params_ == {"dbscan__eps": 0.75}
    assert [search.cv_results_[f"mean_test_{name}"][0] for name in SCORERS] == [-1, 0, -1e30]


def test_grid_search_with_and_without_the_autoencoder(raw_digits):
    # In the input space, the same yardstick serves both.
    X, _ = raw_digits
    pipeline = make_model(CLUSTERERS[0])
    grid = {"sparseautoencodertransformer": ["passthrough", pipeline[1]]}
    search = GridSearchCV(pipeline, grid, scoring=silhouette_scorer, cv=[(range(400), range(400))]).fit(X)
    scaled = StandardScaler().fit_transform(X)
    expected = clustering_report(scaled, CLUSTERERS[0].fit_predict(scaled))["silhouette"]
    assert search.cv_results_["mean_test_score"][0] == pytest.approx(expected, rel=1e-9)


def test_scorers_find_the_input_by_the_pipelines_own_step_names(raw_digits):
    X, _ = raw_digits
    model = Pipeline([("scale", StandardScaler()), ("code", make_model(CLUSTERERS[0])[1]), ("cluster", KMeans(3))]).fit(
        X
    )
    assert make_clustering_scorer("silhouette", space="scale")(model, X) == silhouette_scorer(model, X)


def nmi_scorer(model, X, y):
    return normalized_mutual_info_score(y, model.predict(X))


def test_the_winner_of_a_search_over_rho_beta_lam_is_no_worse_than_the_median():
    X, y = load_digits(return_X_y=True)
    model = make_pipeline(StandardScaler(), SparseAutoencoderTransformer(random_state=0), KMeans(10, random_state=0))
    grid = {
        "sparseautoencodertransformer__rho": [0.3, 0.4, 0.5],
        "sparseautoencodertransformer__beta": [0.3, 1.0, 3.0],
        "sparseautoencodertransformer__lam": [0.0003, 0.001, 0.003],
    }
    every_row = np.arange(len(X))
    scoring = {"silhouette": silhouette_scorer, "nmi": nmi_scorer}
    search = GridSearchCV(model, grid, scoring=scoring, refit="silhouette", cv=[(every_row, every_row)], n_jobs=2)
    nmi = search.fit(X, y).cv_results_["mean_test_nmi"]
    assert len(nmi) == 27
    assert nmi[search.best_index_] >= np.median(nmi)
