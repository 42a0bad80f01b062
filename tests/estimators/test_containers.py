"""Whatever holds the data: copies are of the data that were given, and leave them as they are."""

from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csc_matrix, csr_array, csr_matrix, issparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.containers import OnDisk, slice_of
from helpers.drawn import QUICK, drawn
from helpers.search import search
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._pipelines import copied
from skdeepcluster.metrics import make_clustering_scorer, silhouette_scorer
from skdeepcluster.plotting import (
    ActivationDisplay,
    ClusterEmbeddingDisplay,
    ClusterProfileDisplay,
    ReconstructionDisplay,
    SilhouetteDisplay,
)

PARENTS = [np.array, csr_matrix, csc_matrix, pd.DataFrame]


def dense(X):
    return X.toarray() if issparse(X) else np.asarray(X)


@pytest.fixture(scope="module")
def rows(blobs):
    """Not all of the rows, in another order."""
    return np.random.default_rng(0).permutation(len(blobs))[:300]


@pytest.mark.parametrize("kind", PARENTS)
def test_a_copy_of_a_slice_is_of_the_slice(blobs, rows, kind):
    X = slice_of(kind(blobs), rows, np.arange(8))
    copy = copied(X)
    assert_array_equal(dense(copy), blobs[rows, :8])
    assert not np.shares_memory(copy.data if issparse(copy) else copy, X.data if issparse(X) else X)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("kind", PARENTS)
def test_a_search_of_a_slice_is_of_the_slice(blobs, rows, kind, n_jobs):
    X = slice_of(kind(np.maximum(blobs, 0)), rows, np.arange(8))
    model = Pipeline([("scale", StandardScaler(with_mean=False)), ("cluster", KMeans(6, n_init=1))])
    grid = {"cluster__n_clusters": [5, 6]}
    found, expected = (search(data, model, grid, metric="silhouette", n_jobs=n_jobs) for data in (X, dense(X)))
    assert found.n_features_in_ == 8
    assert_array_equal(found.labels_, expected.labels_)
    assert_array_equal(found.predict(X), found.labels_)
    assert_allclose(found.score_matrix_["silhouette"], expected.score_matrix_["silhouette"])


def test_scorers_and_displays_of_a_slice(blobs, rows, agg):
    X = slice_of(csr_matrix(np.maximum(blobs, 0)), rows, np.arange(8))
    copy = csr_matrix(X, copy=True)
    steps = StandardScaler(with_mean=False, copy=False), SparseAutoencoderTransformer(3, **QUICK)
    model = make_pipeline(*steps, KMeans(6, n_init=1, random_state=0)).fit(copy.copy())
    drawings = {
        "silhouettes": partial(SilhouetteDisplay.from_estimator, space="code"),
        "points": ClusterEmbeddingDisplay.from_estimator,
        "effects": ClusterProfileDisplay.from_estimator,
        "mean": ActivationDisplay.from_estimator,
        "inputs": ReconstructionDisplay.from_estimator,
    }
    for values, draw in drawings.items():
        assert_array_equal(*(getattr(drawn(draw(model, data)), values) for data in (X, copy)))
    scorer = make_clustering_scorer("silhouette", space="code")
    assert scorer(model, X) == scorer(model, copy)
    assert_array_equal(X.toarray(), copy.toarray())


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("container", [OnDisk, memoryview])
def test_what_cannot_be_copied_is_read_as_an_array(blobs, container, n_jobs, agg):
    grid = {"cluster__n_clusters": [5, 6]}
    found, expected = (search(X, grid=grid, n_jobs=n_jobs) for X in (container(blobs), blobs))
    assert_array_equal(found.labels_, expected.labels_)
    assert_array_equal(found.cv_results_["score"], expected.cv_results_["score"])
    model = make_pipeline(StandardScaler(copy=False), KMeans(6, n_init=1, random_state=0)).fit(blobs.copy())
    X = 2 * blobs
    assert silhouette_scorer(model, container(X)) == silhouette_scorer(model, X)
    assert_array_equal(X, 2 * blobs)
    assert_array_equal(
        SilhouetteDisplay.from_estimator(model, container(X)).silhouettes,
        SilhouetteDisplay.from_estimator(model, X).silhouettes,
    )


@pytest.mark.parametrize("container", [OnDisk, memoryview])
@pytest.mark.parametrize("steps", [(), (StandardScaler(copy=False),)], ids=len)
def test_reconstructions_of_what_is_read_as_an_array(blobs, container, steps, agg):
    model = make_pipeline(*steps, SparseAutoencoderTransformer(3, **QUICK)).fit(blobs.copy())
    pictures = [
        drawn(ReconstructionDisplay.from_estimator(model, X, image_shape=(3, 5))) for X in (container(blobs), blobs)
    ]
    for values in ("rows", "inputs", "reconstructions"):
        assert_array_equal(*(getattr(picture, values) for picture in pictures))


class WritesToItsInput(TransformerMixin, BaseEstimator):
    """Doubles the first column in place, where its container can be written to."""

    copy = False

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        if isinstance(X, pd.DataFrame):
            X.iloc[:, 0] *= 2
        elif isinstance(X, pl.DataFrame):
            X.replace_column(0, X.to_series(0) * 2)
        elif isinstance(X, list):
            for row in X:
                row[0] *= 2
        return np.array(X)


@pytest.mark.parametrize(
    "container",
    [
        pd.DataFrame,
        lambda X: pl.DataFrame(X, schema=[f"x{i}" for i in range(X.shape[1])]),
        lambda X: pa.table({f"x{i}": column for i, column in enumerate(X.T)}),
        np.ndarray.tolist,
    ],
    ids=["pandas", "polars", "pyarrow", "lists"],
)
def test_steps_write_to_copies_of_any_container(blobs, container):
    # A frame of old versions of pandas would share the fixture, which cannot be written to.
    X = container(blobs.copy())
    model = make_pipeline(WritesToItsInput(), KMeans(6, n_init=1, random_state=0))
    search(X, model, {"kmeans__n_clusters": [5, 6]})
    assert_array_equal(np.array(X), blobs)
    scores = [silhouette_scorer(model.fit(container(blobs.copy())), X) for _ in range(2)]
    assert scores[0] == scores[1]
    assert_array_equal(np.array(X), blobs)


def test_data_stay_what_they_are(blobs):
    assert type(copied(csr_array(blobs))) is csr_array
    # A table that cannot be written to needs no copy.
    table = pa.table({f"x{i}": column for i, column in enumerate(blobs.T)})
    assert copied(table) is table
