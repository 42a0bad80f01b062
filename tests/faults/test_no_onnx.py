"""What cannot be exported to ONNX says why."""

import numpy as np
import pandas as pd
import pytest
import skl2onnx
from scipy.sparse import csr_array
from sklearn.cluster import DBSCAN, Birch, KMeans
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    PowerTransformer,
    StandardScaler,
)

from helpers.marks import FEW_ITERATIONS
from helpers.onnx_models import autoencoder, digits, joint
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import NeighborAssigner
from skdeepcluster.onnx import to_onnx

pytestmark = FEW_ITERATIONS


@pytest.fixture(scope="module")
def X():
    return digits()


@pytest.mark.parametrize(
    "model",
    [autoencoder(), joint(), make_pipeline(StandardScaler(), autoencoder(), KMeans(3)), NeighborAssigner(DBSCAN())],
    ids=["autoencoder", "joint", "pipeline", "assigner"],
)
def test_not_fitted(X, model):
    with pytest.raises(NotFittedError):
        to_onnx(model, X)


def test_not_fitted_for_skl2onnx(X):
    with pytest.raises(NotFittedError):
        skl2onnx.to_onnx(autoencoder(), X)


def test_a_class(X):
    with pytest.raises(ValueError, match="'model' parameter"):
        to_onnx(SparseAutoencoderTransformer, X)


@pytest.mark.parametrize("target_opset", [17, 1000, 18.5])
def test_versions_that_there_are_not(X, target_opset):
    with pytest.raises(ValueError, match=r"'target_opset' parameter.*in the range \[18, "):
        to_onnx(autoencoder().fit(X), X, target_opset=target_opset)


def test_clusterers_without_predict(X):
    model = make_pipeline(StandardScaler(), autoencoder(), DBSCAN()).fit(X)
    with pytest.raises(TypeError, match=r"Fit it as skdeepcluster.clustering.NeighborAssigner\(DBSCAN\(\)\)"):
        to_onnx(model, X)


@pytest.mark.parametrize("clusterer", [KMeans(3, n_init=1), joint()], ids=["KMeans", "joint"])
def test_clusterers_before_other_steps(X, clusterer):
    model = make_pipeline(clusterer, StandardScaler(), autoencoder(2)).fit(X)
    with pytest.raises(TypeError, match="cannot be exported to ONNX with steps after it"):
        to_onnx(model, X)


@pytest.mark.parametrize(
    "steps",
    [
        (autoencoder(), Birch(n_clusters=2)),
        (FunctionTransformer(np.tanh), autoencoder()),
        (PowerTransformer(), joint()),
    ],
    ids=["Birch", "function", "PowerTransformer"],
)
def test_steps_without_a_converter(X, steps):
    model = make_pipeline(*steps).fit(X)
    with pytest.raises(TypeError, match="Pipeline cannot be exported to ONNX: every step must be"):
        to_onnx(model, X)


def test_models_that_do_not_fit_together(X):
    # skl2onnx makes a model of it in which types contradict each other.
    X = X[:, 26:29]
    model = make_pipeline(KBinsDiscretizer(4, encode="ordinal", strategy="uniform"), KMeans(2, n_init=1)).fit(X)
    with pytest.raises(TypeError, match=r"Pipeline cannot be exported to ONNX.*inconsistent type"):
        to_onnx(model, X)


def test_texts_for_numbers(X):
    with pytest.raises(TypeError, match=r"SparseAutoencoderTransformer cannot be exported.*texts are no input"):
        to_onnx(autoencoder().fit(X), X.astype(str))


def test_a_search_without_a_best_model(X):
    search = GridSearchCV(autoencoder(), {"lam": [1e-3]}, cv=2, refit=False).fit(X)
    with pytest.raises(TypeError, match="GridSearchCV has refit=False, and so no model to export"):
        to_onnx(search, X)


def test_a_pipeline_without_steps(X):
    with pytest.raises(TypeError, match="has no step that could be exported"):
        to_onnx(make_pipeline("passthrough").fit(X), X)


def test_subclasses_may_compute_something_else(X):
    class Shifted(SparseAutoencoderTransformer):
        def transform(self, X):
            return super().transform(X) + 1

    with pytest.raises(TypeError, match="Shifted cannot be exported"):
        to_onnx(Shifted(4, max_iter=2).fit(X), X)


def test_sparse_rows(X):
    model = autoencoder().fit(csr_array(X))
    with pytest.raises(ValueError, match=r"X is sparse.*toarray\(\)"):
        to_onnx(model, csr_array(X))


def test_other_features(X):
    model = autoencoder().fit(X)
    with pytest.raises(ValueError, match="X has 3 features, but SparseAutoencoderTransformer is expecting 64"):
        to_onnx(model, X[:, :3])
    with pytest.raises(ValueError, match="contains NaN"):
        to_onnx(model, np.full_like(X, np.nan))


def test_dates():
    table = pd.DataFrame({"height": np.arange(20.0), "day": pd.Timestamp("2026-01-01")})
    model = make_pipeline(make_column_transformer((StandardScaler(), ["height"])), autoencoder(1)).fit(table)
    with pytest.raises(TypeError, match="day has values of the type datetime64"):
        to_onnx(model, table)
