"""Noise: negative labels, of numbers and as text, in reports, scorers, searches and displays."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import HDBSCAN
from sklearn.datasets import make_blobs

from helpers.drawn import drawn
from helpers.search import Labeling, search
from skdeepcluster.metrics import clustering_accuracy, clustering_report, make_clustering_scorer
from skdeepcluster.metrics._labels import check_clusters, is_noise
from skdeepcluster.plotting import ClusterEmbeddingDisplay, ClusterProfileDisplay, SilhouetteDisplay

METRICS = ("silhouette", "calinski_harabasz", "davies_bouldin", "neighbor_information", "neighbor_modularity")

FORMS = {
    "int": np.asarray,
    "int8": lambda labels: labels.astype(np.int8),
    "float": lambda labels: labels.astype(float),
    "objects": lambda labels: labels.astype(object),
    "text": lambda labels: labels.astype(str),
    "text of floats": lambda labels: labels.astype(float).astype(str),
    "text as objects": lambda labels: labels.astype(str).astype(object),
    "categories": lambda labels: pd.Series(labels).astype(str).astype("category"),
    "list": lambda labels: labels.tolist(),
}

in_every_form = pytest.mark.parametrize("form", FORMS)


@pytest.fixture
def X():
    return make_blobs(90, 5, centers=3, random_state=0)[0]


@pytest.fixture
def labels():
    """As HDBSCAN gives them: -1 for outliers, -2 for infinite rows, -3 for missing ones."""
    labels = np.array(make_blobs(90, 5, centers=3, random_state=0)[1])
    labels[:12] = np.arange(12) % 3 - 3
    return labels


class Fitted(ClusterMixin, BaseEstimator):
    """A fitted clusterer that gives the labels that it is told to."""

    def __init__(self, labels=None):
        self.labels = labels

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return self.labels


@in_every_form
@pytest.mark.parametrize("noise", ["drop", "cluster"])
def test_a_report_counts_all_noise_as_one_group(X, labels, form, noise):
    truth = make_blobs(90, 5, centers=3, random_state=0)[1]
    expected = clustering_report(X, np.maximum(labels, -1), y_true=truth, noise=noise)
    assert expected["n_clusters"] == 3
    assert expected["n_noise"] == 12
    assert clustering_report(X, FORMS[form](labels), y_true=truth, noise=noise) == expected


@in_every_form
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("noise", ["drop", "cluster"])
def test_scorers_count_all_noise_as_one_group(X, labels, form, metric, noise):
    scorer = make_clustering_scorer(metric, noise=noise)
    assert scorer(Fitted(FORMS[form](labels)), X) == scorer(Fitted(np.maximum(labels, -1)), X)


def test_a_search_counts_all_noise_as_one_group(X, labels):
    fitted = search(X, Labeling(), {"labels": [labels, np.maximum(labels, -1)]}, metric=list(METRICS), refit=False)
    assert_array_equal(fitted.cv_results_["n_clusters"], [3, 3])
    assert_array_equal(fitted.cv_results_["n_noise"], [12, 12])
    for scores in fitted.score_matrix_.values():
        assert_array_equal(scores[:, 0], scores[:, 1])


@in_every_form
def test_accuracy_counts_all_noise_as_one_group(labels, form):
    truth = np.where(labels < 0, 9, labels)
    assert clustering_accuracy(truth, FORMS[form](labels)) == 1


def test_classes_are_what_they_are_called(labels):
    # Known classes have no noise: those of -1 and of -2 are two.
    assert clustering_accuracy([-1, -1, -2, -2], [0, 0, 1, 1]) == 1


@in_every_form
def test_displays_draw_no_cluster_of_noise(agg, X, labels, form):
    found = FORMS[form](labels)
    names = [str(name) for name in np.unique(np.asarray(found)[labels >= 0])]
    silhouettes = drawn(SilhouetteDisplay.from_predictions(X, found))
    assert [text.get_text() for text in silhouettes.ax_.get_yticklabels()] == names
    assert len(silhouettes.silhouettes) == 78
    profile = drawn(ClusterProfileDisplay.from_predictions(X, found))
    assert [str(cluster) for cluster in profile.clusters] == names
    assert profile.sizes.sum() == 78
    embedding = drawn(ClusterEmbeddingDisplay.from_predictions(X, found))
    assert [text.get_text() for text in embedding.ax_.texts] == names
    assert embedding.ax_.get_legend().get_texts()[0].get_text() == "noise: 12 rows"
    again = ClusterEmbeddingDisplay(points=embedding.points, labels=np.asarray(found)).plot()
    assert [text.get_text() for text in again.ax_.texts] == names


def test_only_noise_has_no_profile(X):
    with pytest.raises(ValueError, match="Every row is noise, with a negative label"):
        ClusterProfileDisplay.from_predictions(X, np.arange(90) % 3 - 3)


def test_displays_of_a_clusterer_with_missing_rows(agg, X):
    # HDBSCAN labels rows with a missing number by -3; what it is drawn in has none.
    gaps = X.copy()
    gaps[::10, 0] = np.nan
    labels = HDBSCAN(min_cluster_size=10, copy=True).fit_predict(gaps)
    assert (labels[::10] == -3).all()
    display = drawn(SilhouetteDisplay.from_estimator(Fitted(labels), X))
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["0", "1", "2"]


def test_which_labels_are_noise():
    names = ["-1", " -2 ", "-3.0", "-10", "-0", "0", "1", "-1.5", "-a", "noise", "", "--1", "-1e3"]
    assert_array_equal(is_noise(np.array(names)), [True] * 4 + [False] * 9)
    assert_array_equal(is_noise(np.array([-1, 0, 1])), [True, False, False])
    assert_array_equal(is_noise(np.array([b"-1", b"0", b"a"])), [True, False, False])
    assert not is_noise(np.array([True, False])).any()
    assert not is_noise(np.array([2**64 - 1, 0], dtype=np.uint64)).any()


def test_labels_of_the_user_stay_as_they_are(labels):
    before = labels.copy()
    assert_array_equal(np.unique(check_clusters(labels, labels)), [-1, 0, 1, 2])
    assert_array_equal(labels, before)
