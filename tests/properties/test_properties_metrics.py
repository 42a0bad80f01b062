"""Generated input for reports and scorers: finite scores, NaN with its named warning, or an error that says why."""

import warnings

import numpy as np
import pytest
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN, KMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.properties import ESTIMATORS_OF_USERS, assert_finite, attempt, cases
from helpers.strategies import GOOD, good_tables, labels, n_rows, parameters, tables
from skdeepcluster import SparseAutoencoderTransformer, metrics
from skdeepcluster.exceptions import DegenerateClusteringWarning

REPORT = {"sample_size": (None, 2, 5, 100), "random_state": (None, 0), "noise": ("drop", "cluster")}
METRICS = ("silhouette", "calinski_harabasz", "davies_bouldin", "neighbor_information", "neighbor_modularity")
SCORER = {**REPORT, "metric": METRICS, "space": ("input", "code", "standardscaler", "nowhere")}
AGREEMENT = ("accuracy", "nmi", "ari")


@pytest.fixture(scope="module")
def models():
    """Fitted clusterers, and what is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        autoencoder = SparseAutoencoderTransformer(3, max_iter=3, random_state=0)
        return [
            KMeans(3, n_init=1, random_state=0).fit(GOOD),
            DBSCAN(1.0, min_samples=2).fit(GOOD),
            make_pipeline(StandardScaler(), autoencoder, KMeans(3, n_init=1, random_state=0)).fit(GOOD),
            make_pipeline(StandardScaler(), autoencoder).fit(GOOD),
        ]


@cases(4, X=good_tables(sparse=False) | tables(), data=st.data())
def test_clustering_report(X, data):
    found, truth = data.draw(labels(n_rows(X))), data.draw(st.none() | labels(n_rows(X)))
    options = data.draw(parameters(REPORT))
    said = []
    report, error = attempt(metrics.clustering_report, X, found, y_true=truth, names=["labels"], said=said, **options)
    if error is None:
        # What is NaN is named in a warning, and nothing else is.
        named = {name for message in said for name in METRICS if name in message.partition(" not defined")[0]}
        assert {name for name in METRICS if np.isnan(report[name])} == named
        assert set(report) == {"n_clusters", "n_noise", *METRICS, *(AGREEMENT if truth is not None else ())}
        assert report["n_clusters"] >= 0
        assert 0 <= report["n_noise"] <= n_rows(X)
        assert_finite(*(report[name] for name in AGREEMENT if truth is not None))
        assert_in_range(report)


def assert_in_range(report):
    """The scores that are not NaN; attempt lets no warning pass but those of our own."""
    silhouette, calinski_harabasz, davies_bouldin, information, modularity = (report[name] for name in METRICS)
    assert np.isnan(silhouette) or -1 <= silhouette <= 1
    assert np.isnan(calinski_harabasz) or 0 <= calinski_harabasz < np.inf
    assert np.isnan(davies_bouldin) or 0 <= davies_bouldin < np.inf
    assert np.isnan(information) or 0 <= information < 2
    assert np.isnan(modularity) or -1 <= modularity < 1


@cases(1.5, n=st.integers(0, 8), data=st.data())
def test_clustering_accuracy(n, data):
    y_true, y_pred = data.draw(labels(n)), data.draw(labels(n))
    accuracy, error = attempt(metrics.clustering_accuracy, y_true, y_pred, names=["y_true", "y_pred"])
    if error is None:
        assert 0 < accuracy <= 1


@cases(4, X=good_tables(d=4, sparse=False) | tables(d=4), data=st.data())
def test_scorers(models, X, data):
    model, options = data.draw(st.sampled_from(models)), data.draw(parameters(SCORER))
    metric = options.pop("metric", "silhouette")
    scorer, error = attempt(metrics.make_clustering_scorer, metric, **options, names=SCORER)
    if error is None:
        names = ["space", "estimator", "clusterer"]
        score, error = attempt(scorer, model, X, names=names, others=ESTIMATORS_OF_USERS)
        if error is None:
            assert_finite(score)


@pytest.mark.parametrize("scale", [1e300, 1e160, 1e-160, 1e-300])
def test_scores_do_not_depend_on_the_scale(scale):
    codes = np.arange(20) % 3
    report, expected = (metrics.clustering_report(X, codes) for X in (GOOD * scale, GOOD))
    assert report == pytest.approx(expected)


def test_one_value_that_dwarfs_the_others_leaves_clusters_that_coincide():
    X = GOOD.copy()
    X[0, 0] = 1e300
    with pytest.warns(DegenerateClusteringWarning, match=r"davies_bouldin not defined .* the same centroid"):
        report = metrics.clustering_report(X, np.arange(20) % 3)
    assert_finite(report["silhouette"], report["calinski_harabasz"])
