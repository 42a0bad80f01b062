"""Displays of clusters."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.cluster import DBSCAN, AgglomerativeClustering
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import silhouette_samples
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.drawn import drawn
from skdeepcluster.plotting import (
    ClusterEmbeddingDisplay,
    ClusterProfileDisplay,
    SilhouetteDisplay,
)

pytestmark = pytest.mark.usefixtures("agg")


# ClusterEmbeddingDisplay


def test_embedding_of_the_code_by_its_principal_components(digits_model, digits):
    display = drawn(ClusterEmbeddingDisplay.from_estimator(digits_model, digits[0]))
    code = digits_model[:-1].transform(digits[0])
    assert_allclose(display.points, PCA(2, random_state=0).fit_transform(code))
    assert_array_equal(display.labels, digits_model.predict(digits[0]))
    assert [text.get_text() for text in display.ax_.texts] == ["0", "1", "2", "3"]
    assert "% of the variance" in display.ax_.get_xlabel()


def test_noise_is_grey_and_has_no_number():
    Z = np.array([[0.0, 0.0], [1.0, 0.0], [9.0, 9.0], [5.0, 5.0]])
    display = drawn(ClusterEmbeddingDisplay.from_predictions(Z, [3, 3, 7, -1]))
    assert_array_equal(display.points, Z)
    assert [text.get_text() for text in display.ax_.texts] == ["3", "7"]
    (text,) = display.ax_.get_legend().get_texts()
    assert text.get_text() == "noise: 1 rows"


@pytest.mark.parametrize("n_clusters", [1, 2, 9, 10, 50])
def test_clusters_can_be_told_apart_and_their_labels_do_not_overlap(n_clusters, rng):
    X, labels = make_blobs(600, 2, centers=n_clusters, cluster_std=3.0, random_state=0)
    display = drawn(ClusterEmbeddingDisplay.from_predictions(X, labels))
    styles = {
        (tuple(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes())
        for points in display.ax_.collections
    }
    assert len(styles) == n_clusters
    boxes = [text.get_window_extent() for text in display.ax_.texts]
    overlaps = [a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]]
    assert not any(overlaps)


@pytest.mark.parametrize("n_features, axis", [(1, "feature 1"), (2, "feature 1"), (7, "principal component 1")])
@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_embedding_of_any_number_of_features_dense_or_sparse(rng, n_features, axis, kind):
    display = drawn(ClusterEmbeddingDisplay.from_predictions(kind(rng.normal(size=(9, n_features))), [0, 1, 2] * 3))
    assert display.points.shape == (9, 2)
    assert display.ax_.get_xlabel().startswith(axis)


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_the_embedding_does_not_depend_on_the_output_of_transformers(rng, output):
    Z, labels = rng.normal(size=(12, 4)), np.arange(12) % 3
    expected = ClusterEmbeddingDisplay.from_predictions(Z, labels).points
    with config_context(transform_output=output):
        assert_array_equal(drawn(ClusterEmbeddingDisplay.from_predictions(Z, labels)).points, expected)


class Shorter(BaseEstimator):
    def fit_transform(self, X, y=None):
        return X[1:]


def test_a_transformer_that_loses_rows(rng):
    with pytest.raises(ValueError, match=r"transformer=Shorter\(\) gives .* \(11, 4\); a picture needs 2 .* 12 rows"):
        ClusterEmbeddingDisplay.from_predictions(rng.normal(size=(12, 4)), np.zeros(12, int), transformer=Shorter())


class Broken(BaseEstimator):
    def fit_transform(self, X, y=None):
        raise ZeroDivisionError("mine")


def test_what_another_transformer_raises_is_not_hidden(rng):
    with pytest.raises(ZeroDivisionError, match=r"mine\nThis comes from transformer=Broken\(\)"):
        ClusterEmbeddingDisplay.from_predictions(rng.normal(size=(12, 4)), np.zeros(12, int), transformer=Broken())


def test_embedding_by_another_transformer_which_is_not_changed(rng):
    Z, transformer = rng.normal(size=(20, 5)), PCA(3, whiten=True)
    display = drawn(ClusterEmbeddingDisplay.from_predictions(Z, [0, 1] * 10, transformer=transformer))
    assert_allclose(display.points, PCA(3, whiten=True).fit_transform(Z)[:, :2])
    assert display.ax_.get_xlabel() == "PCA 1"
    assert not hasattr(transformer, "components_")
    with pytest.raises(ValueError, match=r"transformer=PCA\(n_components=1\).* needs 2 columns"):
        ClusterEmbeddingDisplay.from_predictions(Z, [0, 1] * 10, transformer=PCA(1))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ClusterEmbeddingDisplay.from_predictions(Z, [0, 1])


# SilhouetteDisplay


def test_silhouettes_in_the_space_of_the_autoencoder_or_in_the_code(digits_model, digits):
    labels = digits_model.predict(digits[0])
    scaled, code = digits_model[0].transform(digits[0]), digits_model[:-1].transform(digits[0])
    for space, Z in {"input": scaled, "code": code, "standardscaler": scaled}.items():
        display = drawn(SilhouetteDisplay.from_estimator(digits_model, digits[0], space=space))
        assert_allclose(display.silhouettes, silhouette_samples(Z, labels), atol=1e-10)
    (text,) = display.ax_.get_legend().get_texts()
    assert text.get_text() == f"mean: {display.silhouettes.mean():.3f}"


def test_silhouettes_leave_out_noise_and_may_be_of_a_sample(rng):
    Z, labels = rng.normal(size=(60, 3)), np.repeat([0, 1, -1], 20)
    display = drawn(SilhouetteDisplay.from_predictions(Z, labels))
    assert_allclose(display.silhouettes, silhouette_samples(Z[:40], labels[:40]), atol=1e-10)
    sampled = SilhouetteDisplay.from_predictions(Z, labels, sample_size=30, random_state=0)
    assert len(sampled.silhouettes) == 30
    assert -1 not in sampled.labels
    with pytest.raises(ValueError, match="at least 2 clusters, but the 20 rows to draw, without noise, have 1"):
        SilhouetteDisplay.from_predictions(Z[20:], labels[20:])


@pytest.mark.parametrize("n_clusters", [2, 10, 50])
def test_labels_of_silhouettes_do_not_overlap(n_clusters, rng):
    # Half of the clusters have one row alone.
    labels = np.concatenate([np.arange(n_clusters), rng.randint((n_clusters + 1) // 2, size=500)])
    display = drawn(SilhouetteDisplay.from_predictions(rng.normal(size=(len(labels), 4)), labels))
    boxes = [label.get_window_extent() for label in display.ax_.get_yticklabels()]
    assert len(boxes) == n_clusters
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))


def test_clusterers_without_predict(digits):
    for clusterer in (AgglomerativeClustering(3), DBSCAN(eps=6.0)):
        model = make_pipeline(StandardScaler(), clusterer).fit(digits[0])
        display = drawn(ClusterEmbeddingDisplay.from_estimator(model, digits[0]))
        assert_array_equal(display.labels, clusterer.labels_)


# ClusterProfileDisplay


def test_profile_shows_the_largest_effects_with_the_names_of_columns(rng):
    X = pd.DataFrame(rng.normal(size=(40, 4)), columns=["a", "b", "c", "d"])
    labels = np.repeat([0, 1], 20)
    X.loc[labels == 1, "c"] += 9
    X.loc[labels == 1, "a"] -= 4
    X.loc[0, "b"] = np.nan
    display = drawn(ClusterProfileDisplay.from_predictions(X, labels, n_shown=2))
    for ax, sign in zip(display.axes_, [-1, 1]):
        assert [label.get_text() for label in ax.get_yticklabels()] == ["c", "a"]
        assert [np.sign(bar.get_width()) for bar in ax.patches] == [sign, -sign]
    assert display.axes_[0].get_title(loc="left") == "cluster 0: 20 rows"


def test_typical_rows_are_next_to_the_mean_in_the_code(digits_model, digits):
    X = digits[0]
    display = drawn(ClusterProfileDisplay.from_estimator(digits_model, X, image_shape=(8, 8), n_shown=3))
    code, labels = digits_model[:-1].transform(X), digits_model.predict(X)
    for cluster, typical, images in zip(display.clusters, display.typical, display.images):
        rows = np.flatnonzero(labels == cluster)
        distances = np.linalg.norm(code[rows] - code[rows].mean(axis=0), axis=1)
        assert_array_equal(typical, rows[np.argsort(distances)[:3]])
        assert_array_equal(images.reshape(len(images), -1), X[typical])


@pytest.mark.parametrize("n_clusters", [1, 2, 50])
def test_profiles_of_texts_and_sparse_rows(n_clusters):
    texts = [f"word{i % n_clusters} and {'more ' * 40}of it" for i in range(3 * n_clusters)]
    X, labels = TfidfVectorizer().fit_transform(texts), np.arange(3 * n_clusters) % n_clusters
    display = drawn(ClusterProfileDisplay.from_predictions(X, labels, texts=texts, n_shown=2))
    assert display.texts == [[texts[row] for row in rows] for rows in display.typical]
    for ax in display.axes_:
        widths = [text.get_window_extent().width / ax.get_window_extent().width for text in ax.texts]
        assert 0.8 < min(widths) <= max(widths) < 1
    if n_clusters > 1:
        names = TfidfVectorizer().fit(texts).get_feature_names_out()
        of_features = drawn(ClusterProfileDisplay.from_predictions(X, labels, feature_names=names, n_shown=1))
        largest = of_features.effects.argmax(axis=1)
        assert_array_equal(names[largest], [f"word{i}" for i in range(n_clusters)])
    else:
        with pytest.raises(ValueError, match="All rows are in one cluster"):
            ClusterProfileDisplay.from_predictions(X, labels)


def test_what_a_profile_cannot_show():
    X, labels = np.arange(6.0).reshape(3, 2), [0, 1, 1]
    with pytest.raises(ValueError, match="image_shape and texts are both given"):
        ClusterProfileDisplay.from_predictions(X, labels, image_shape=(1, 2), texts=["a", "b", "c"])
    with pytest.raises(ValueError, match="Every row is noise"):
        ClusterProfileDisplay.from_predictions(X, [-1, -1, -1])
    names = pd.DataFrame({"a": ["x", "y", "z"]})
    with pytest.raises(ValueError, match="X has nothing to compare clusters by"):
        ClusterProfileDisplay.from_predictions(names, labels)
    with pytest.raises(ValueError, match=r"array of numbers to be shown as images.* from_predictions"):
        ClusterProfileDisplay.from_predictions(names, labels, Z=X, image_shape=(1, 1))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ClusterProfileDisplay.from_predictions(X, labels, texts=["a", "b"])
