"""Which rows early stopping holds out: the same of all containers, in memory and in files, in any process."""

from functools import partial

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from joblib import Memory, Parallel, delayed
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from helpers.data import mapped
from helpers.marks import FEW_ITERATIONS
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._data import DataInMemory, _batches, _memory
from skdeepcluster._data._mapped import MappedRows
from skdeepcluster._support._threads import Workers
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.model_selection import ClusteringSearch

pytestmark = FEW_ITERATIONS

make = partial(SparseAutoencoderTransformer, n_components=4, max_iter=4, early_stopping=True, random_state=0)

MODELS = {
    "lbfgs": make(),
    "adam": make(solver="adam"),
    "adam in order": make(solver="adam", shuffle=False),
    "neighbours": make(n_neighbors=5, validation_fraction=0.2),
    "deep": make(hidden_layer_sizes=(6,), pretrain="layerwise", solver="adam", corruption=0.1),
    "joint": DeepEmbeddedClustering(
        3,
        encoder=make(solver="adam", random_state=None),
        max_iter=2,
        update_interval=3,
        n_init=1,
        random_state=0,
    ),
}


@pytest.fixture(scope="module")
def X(blobs):
    """Rows sorted by class, as files often are."""
    return np.ascontiguousarray(blobs[np.argsort(blobs[:, 0])])


class Dataset:
    """What reads rows from a file of its own kind, as h5py does."""

    def __init__(self, X):
        self.X, self.shape, self.dtype = X, X.shape, X.dtype

    def __len__(self):
        return len(self.X)

    def __getitem__(self, which):
        return self.X[which]

    def __array__(self, dtype=None, copy=None):
        return np.array(self.X, dtype=dtype)


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def mapped_by_joblib(X, path):
    joblib.dump(X, path)
    return joblib.load(path, mmap_mode="r")


CONTAINERS = {
    "read-only": lambda X, path: read_only(X),
    "strided": lambda X, path: np.repeat(X, 2, axis=0)[::2],
    "mapped": mapped,
    "part of a mapped file": lambda X, path: mapped(np.vstack([X, X]), path)[len(X) :],
    "mapped to be written": lambda X, path: np.memmap(mapped(X, path).filename, X.dtype, "r+", shape=X.shape),
    "mapped copy-on-write": lambda X, path: np.memmap(mapped(X, path).filename, X.dtype, "c", shape=X.shape),
    "mapped by joblib": mapped_by_joblib,
    "dataset": lambda X, path: Dataset(X),
    "memoryview": lambda X, path: memoryview(X),
    "lists": lambda X, path: X.tolist(),
    "pandas": lambda X, path: pd.DataFrame(X),
    "polars": lambda X, path: pl.DataFrame(X),
}


def results(model):
    found = [*model.coefs_, *model.intercepts_, model.loss_curve_, np.array(getattr(model, "validation_scores_", ()))]
    return found + ([model.labels_] if hasattr(model, "labels_") else [])


def assert_same(model, expected):
    for actual, desired in zip(results(model), results(expected), strict=True):
        assert_array_equal(actual, desired)


@pytest.fixture(params=[0, 2**27], ids=["in the file", "copied"])
def copied_bytes(request, monkeypatch):
    monkeypatch.setattr(_memory, "_COPIED_BYTES", request.param)


# Rows


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_of_every_container_the_same_rows_are_held_out(X, tmp_path, container, solver, copied_bytes):
    data = CONTAINERS[container](X, tmp_path / "X.f8")
    model, expected = (make(solver=solver).fit(rows) for rows in (data, X.copy()))
    assert_array_equal(model.validation_scores_, expected.validation_scores_)
    if container in {"pandas", "polars"}:
        # Their columns lie one after the other, and products of them are rounded in another order.
        np.testing.assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-9)
    else:
        assert_same(model, expected)


@pytest.mark.parametrize(
    "container", [np.asarray, np.asfortranarray, sp.csr_matrix, sp.csr_array, partial(np.asarray, dtype=np.float32)]
)
@pytest.mark.parametrize("is_mapped", [False, True])
def test_held_out_rows_depend_on_the_number_of_rows_alone(tmp_path, container, is_mapped, copied_bytes):
    numbers = np.arange(1.0, 601)
    X = container(np.column_stack([numbers, numbers]))
    if is_mapped:
        X = mapped_by_joblib(X, tmp_path / "X.joblib")
        # As the checks of the input leave it.
        X = X if sp.issparse(X) else np.asarray(X)
    rest, held_out = DataInMemory(X, None, Workers(1)).hold_out(0.1, np.random.RandomState(3))
    drawn = np.random.RandomState(3).permutation(600)
    for data, rows in ((rest, drawn[60:]), (held_out, drawn[:60])):
        found = data.X.toarray() if sp.issparse(X) else np.asarray(data.X)
        assert_array_equal(found[:, 0], numbers[np.sort(rows)])
        assert data.shape == (len(rows), 2)


def test_weights_stay_with_the_rows(X, tmp_path, copied_bytes):
    w = np.linspace(0.1, 2, len(X))
    w[::7] = 0
    data = mapped(X, tmp_path / "X.f8")
    assert_same(make().fit(data, sample_weight=w), make().fit(X, sample_weight=w))
    w += 0.1
    assert_same(make(solver="adam").fit(data, sample_weight=w), make(solver="adam").fit(X, sample_weight=w))


# Fits


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", MODELS)
def test_a_mapped_file_gives_the_model_of_the_array(X, tmp_path, name, order, dtype, copied_bytes):
    data = X.astype(dtype, order=order)
    data.T.tofile(tmp_path / "X") if order == "F" else data.tofile(tmp_path / "X")
    in_file = np.memmap(tmp_path / "X", dtype=dtype, mode="r", shape=X.shape, order=order)
    model = MODELS[name]
    assert_same(clone(model).fit(in_file), clone(model).fit(data))


def test_a_large_file_in_buffers_gives_the_model_of_the_array(X, tmp_path, monkeypatch):
    # Rows of 120 bytes: chunks of 20 rows, buffers of five chunks, pages given back after every block.
    monkeypatch.setattr(_memory, "_COPIED_BYTES", 0)
    monkeypatch.setattr(_batches, "_CHUNK_BYTES", 120 * 20)
    monkeypatch.setattr(_batches, "_BUFFER_BYTES", 120 * 100)
    monkeypatch.setattr("skdeepcluster._data._mapped._MAPPED_BYTES", 1)
    options = {"solver": "adam", "batch_size": 10, "validation_fraction": 0.3}
    assert_same(make(**options).fit(mapped(X, tmp_path / "X.f8")), make(**options).fit(X))


def test_rows_of_a_large_file_are_not_copied(X, tmp_path, monkeypatch):
    monkeypatch.setattr(_memory, "_COPIED_BYTES", 0)
    read = []

    def note(rows, which):
        found = rows.file[rows._rows[which]]
        read.append(len(found))
        return found

    monkeypatch.setattr(MappedRows, "__getitem__", note)
    monkeypatch.setattr("skdeepcluster._data._passes._MAX_BLOCK_ROWS", 128)
    monkeypatch.setattr(_batches, "_CHUNK_BYTES", 120 * 20)
    monkeypatch.setattr(_batches, "_BUFFER_BYTES", 120 * 100)
    for solver in ("lbfgs", "adam"):
        make(solver=solver, batch_size=20).fit(mapped(X, tmp_path / "X.f8"))
    assert 0 < max(read) <= 128


# n_jobs


def fitted(model, X):
    return model.fit(X)


def transformed(model, X):
    return clone(model).fit_transform(X)


@pytest.fixture(scope="module")
def large():
    """Rows of more than 1 MB, which joblib puts into a mapped file, sorted by class."""
    rng = np.random.RandomState(0)
    kind = np.sort(rng.randint(5, size=3500))
    return StandardScaler().fit_transform(0.5 * rng.normal(size=(3500, 40)) + rng.normal(size=(5, 40))[kind])


def test_fits_in_processes_are_those_of_this_one(large):
    models = [clone(model) for model in MODELS.values()]
    others = Parallel(n_jobs=2)(delayed(fitted)(model, large) for model in models)
    for other, model in zip(others, models, strict=True):
        assert_same(other, model.fit(large))


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_unions_and_columns_do_not_depend_on_n_jobs(large, solver):
    encoder = make(solver=solver)
    columns = [("a", encoder, list(range(36))), ("b", encoder, list(range(4, 40)))]
    for parts in (partial(make_union, encoder, encoder), partial(ColumnTransformer, columns)):
        one, two = (transformed(parts(n_jobs=n_jobs), large) for n_jobs in (1, 2))
        assert_array_equal(one, two)


def test_searches_do_not_depend_on_n_jobs(large):
    model = make_pipeline(make(solver="adam"), KMeans(3, n_init=1, random_state=0))
    grid = {"sparseautoencodertransformer__rho": [0.1, 0.5]}
    for search in (
        partial(ClusteringSearch, model, grid, sample_size=200, random_state=0),
        partial(GridSearchCV, model[:-1], grid, cv=2),
    ):
        one, two = (search(n_jobs=n_jobs).fit(large) for n_jobs in (1, 2))
        assert one.best_params_ == two.best_params_
        for name, values in one.cv_results_.items():
            if "time" not in name and "param" not in name:
                assert_array_equal(values, two.cv_results_[name])


def test_a_cached_pipeline_gives_the_same_the_second_time(large, tmp_path):
    model = make_pipeline(StandardScaler(), make(), memory=Memory(tmp_path, mmap_mode="r", verbose=0))
    codes = [transformed(model, large) for _ in range(2)]
    assert_array_equal(*codes)
    assert_array_equal(codes[0], transformed(make_pipeline(StandardScaler(), make()), large))
