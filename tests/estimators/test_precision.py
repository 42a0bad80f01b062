"""The precision of the numbers that are given, and their order in memory, in whatever container they come."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.marks import FEW_ITERATIONS
from helpers.search import search
from skdeepcluster import DeepEmbeddedClustering, SparseAutoencoderTransformer
from skdeepcluster.metrics import clustering_report, silhouette_scorer
from skdeepcluster.model_selection import estimate_eps

pytestmark = FEW_ITERATIONS


class Tensor:
    """As a tensor of PyTorch, whose type is none of NumPy's."""

    def __init__(self, X):
        self._X, self.shape, self.ndim, self.dtype = X, X.shape, X.ndim, f"torch.{X.dtype}"

    def __len__(self):
        return len(self._X)

    def __array__(self, dtype=None, copy=None):
        return np.array(self._X, dtype=dtype)


def columns_of(X):
    return {f"x{i}": column for i, column in enumerate(X.T)}


CONTAINERS = {
    "pandas": lambda X: pd.DataFrame(columns_of(X)),
    "pandas, nullable": lambda X: pd.DataFrame(columns_of(X)).astype(f"Float{8 * X.itemsize}"),
    "pandas, Arrow": lambda X: pd.DataFrame(columns_of(X)).astype(
        {4: "float[pyarrow]", 8: "double[pyarrow]"}[X.itemsize]
    ),
    "polars": lambda X: pl.DataFrame(columns_of(X)),
    "pyarrow": lambda X: pa.table(columns_of(X)),
    "a tensor": Tensor,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
@pytest.mark.parametrize(
    "model",
    [
        SparseAutoencoderTransformer(3, max_iter=5, random_state=0),
        DeepEmbeddedClustering(3, encoder=SparseAutoencoderTransformer(3, max_iter=5), random_state=0),
    ],
    ids=["autoencoder", "joint"],
)
def test_a_fit_has_the_precision_of_its_data(blobs, container, dtype, model):
    X = blobs.astype(dtype)
    expected, fitted = model.fit(X).transform(X), model.fit(container(X))
    assert fitted.coefs_[0].dtype == dtype
    assert fitted.transform(container(X)).dtype == dtype
    assert_array_equal(fitted.transform(container(X)), expected)


def test_float32_beside_other_numbers_is_float64(blobs):
    table = pl.DataFrame(columns_of(blobs.astype(np.float32))).with_columns(y=pl.Series(np.arange(len(blobs))))
    with pytest.warns(match="far from standardised"):
        assert SparseAutoencoderTransformer(3, max_iter=2, random_state=0).fit(table).coefs_[0].dtype == np.float64


@pytest.mark.parametrize(
    "clusterer", [KMeans(6, n_init=1, random_state=0), MiniBatchKMeans(6, n_init=1, random_state=0)]
)
@pytest.mark.parametrize("hidden", [(), (8,)])
def test_a_pipeline_fitted_to_float32_takes_float64(blobs, clusterer, hidden):
    encoder = SparseAutoencoderTransformer(3, hidden_layer_sizes=hidden, max_iter=5, random_state=0)
    model = make_pipeline(StandardScaler(), encoder, clusterer).fit(blobs.astype(np.float32))
    code = model[:-1].transform(blobs)
    # A few rows are no blocks.
    assert model[:-1].transform(blobs[:5]).dtype == np.float32
    assert code.dtype == model[1].inverse_transform(code.astype(np.float64)).dtype == np.float32
    assert model[:-1].transform(blobs.astype(np.float32)).dtype == np.float32
    assert np.mean(model.predict(blobs) == model.predict(blobs.astype(np.float32))) > 0.99
    assert -1 <= silhouette_scorer(model, blobs) <= 1


ORDERS = {
    "columns": np.asfortranarray,
    "rows apart": lambda X: np.repeat(X, 2, axis=0)[::2],
    "columns apart": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "a frame": lambda X: pd.DataFrame(np.asfortranarray(X)),
    "read-only columns": lambda X: np.frombuffer(X.tobytes("F"), dtype=X.dtype).reshape(X.shape, order="F"),
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"hidden_layer_sizes": (8,)},
        {"solver": "adam"},
        {"solver": "adam", "early_stopping": True, "corruption": 0.1},
        {"n_neighbors": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("large", [False, True])
def test_the_order_in_memory_changes_no_bit(blobs, order, options, large, monkeypatch):
    if large:
        monkeypatch.setattr("skdeepcluster._data._checks._COPIED_BYTES", 0)
    X = StandardScaler().fit_transform(blobs)
    models = [
        SparseAutoencoderTransformer(4, max_iter=8, random_state=0, **options).fit(data) for data in (X, order(X))
    ]
    for one, other in zip(models[0].coefs_, models[1].coefs_):
        assert_array_equal(one, other)
    assert models[0].score(X) == models[1].score(order(X))
    code = models[0].transform(X)
    assert_array_equal(code, models[1].transform(order(X)))
    assert_array_equal(models[0].inverse_transform(code), models[1].inverse_transform(order(code)))


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_the_order_in_memory_changes_no_score(blobs, order):
    labels = np.arange(len(blobs)) % 5
    assert clustering_report(blobs, labels) == clustering_report(order(blobs), labels)
    assert estimate_eps(blobs).eps == estimate_eps(order(blobs)).eps
    joint = DeepEmbeddedClustering(6, encoder=SparseAutoencoderTransformer(3, max_iter=5), random_state=0)
    assert_array_equal(joint.fit(blobs).predict_proba(blobs), joint.fit(order(blobs)).predict_proba(order(blobs)))
    one, other = (search(data, grid={"cluster__n_clusters": [5, 6, 7]}) for data in (blobs, order(blobs)))
    assert_array_equal(one.cv_results_["score"], other.cv_results_["score"])


def test_sparse_rows_stay_sparse_blocks(blobs):
    X = np.maximum(blobs, 0)
    model = SparseAutoencoderTransformer(3, max_iter=3, random_state=0).fit(csr_array(X))
    np.testing.assert_allclose(model.transform(csr_array(X)), model.transform(X), rtol=1e-10)
