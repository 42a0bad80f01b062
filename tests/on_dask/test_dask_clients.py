"""Clients of every kind and state, and collections of Dask where data in memory are expected."""

import asyncio

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from distributed import Client
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline

from helpers.cluster import partitioned
from helpers.marks import FEW_ITERATIONS
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._dask._partitioned import PartitionedLoss
from skdeepcluster.dask import DaskSparseAutoencoderTransformer
from skdeepcluster.exceptions import ClusterError
from skdeepcluster.model_selection import ClusteringSearch
from skdeepcluster.plotting import ReconstructionDisplay

QUICK = {"n_components": 3, "random_state": 0, "max_iter": 4, "tol": 0}
IN_PROCESS = {"processes": False, "n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
pytestmark = FEW_ITERATIONS


@pytest.fixture(scope="module")
def X(blobs):
    return blobs[:90]


@pytest.fixture
def own_client():
    with Client(**IN_PROCESS) as client:
        yield client


def fit(X):
    return DaskSparseAutoencoderTransformer(**QUICK).fit(partitioned(X, 2))


def test_an_asynchronous_client(X):
    """As in a notebook: the calls that wait are refused in the event loop, and work in a thread."""

    async def notebook():
        async with Client(**IN_PROCESS, asynchronous=True):
            with pytest.raises(ValueError, match=r"Client is asynchronous.* asyncio.to_thread\(model.fit, X\)"):
                fit(X)
            model = await asyncio.to_thread(fit, X)
            with pytest.raises(ValueError, match="Client is asynchronous"):
                model.score(partitioned(X, 2))
            assert_allclose(await asyncio.to_thread(model.score, partitioned(X, 2)), model.score(X))
            return model

    model = asyncio.run(notebook())
    assert_allclose(model.coefs_[0], SparseAutoencoderTransformer(**QUICK).fit(X).coefs_[0], rtol=1e-8)


def test_a_client_in_a_coroutine(own_client, X):
    async def notebook():
        return fit(X).n_iter_

    assert asyncio.run(notebook()) == 4


def test_a_closed_client(own_client, X):
    model = fit(X)
    own_client.close()
    with own_client.as_current():
        for call in (fit, lambda X: model.score(partitioned(X, 2))):
            with pytest.raises(ClusterError, match="cluster is gone or its client closed"):
                call(X)


def test_a_client_that_is_closed_during_a_fit(own_client, X, monkeypatch):
    first_phase, count = PartitionedLoss._first_phase, iter(range(1, 10**6))

    def watched(self, *args):
        if next(count) == 4:
            own_client.close()
        return first_phase(self, *args)

    monkeypatch.setattr(PartitionedLoss, "_first_phase", watched)
    model = DaskSparseAutoencoderTransformer(**QUICK)
    with pytest.raises(ClusterError, match=r"its client closed .* after iteration \d.* With a new client"):
        model.fit(partitioned(X, 2))
    assert 1 <= model.n_iter_ <= 3


# Where data in memory are expected


def frame(X):
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])


# Data in memory, and the same in Dask.
COLLECTIONS = {
    "array": (np.asarray, lambda X: da.from_array(X, chunks=40)),
    "sparse array": (sp.csr_matrix, lambda X: partitioned(sp.csr_matrix(X), 2)),
    "frame": (frame, lambda X: dd.from_pandas(frame(X), npartitions=2)),
}


@pytest.fixture(params=COLLECTIONS)
def two_kinds(request, X):
    return [convert(X) for convert in COLLECTIONS[request.param]]


def pipeline():
    return make_pipeline(SparseAutoencoderTransformer(**QUICK), KMeans(3, n_init=1, random_state=0))


@pytest.mark.parametrize("sample_size", [None, 50])
def test_a_search_computes_collections(own_client, two_kinds, sample_size):
    grid = {"sparseautoencodertransformer__rho": [0.1, 0.5]}
    expected, search = (
        ClusteringSearch(pipeline(), grid, sample_size=sample_size, random_state=0).fit(X) for X in two_kinds
    )
    assert_array_equal(search.cv_results_["score"], expected.cv_results_["score"])
    assert_array_equal(search.labels_, expected.labels_)
    assert_array_equal(search.predict(two_kinds[1]), expected.predict(two_kinds[0]))
    assert_array_equal(search.transform(two_kinds[1]), expected.transform(two_kinds[0]))
    assert hasattr(search, "feature_names_in_") == hasattr(expected, "feature_names_in_")


def test_a_display_computes_collections(own_client, agg, two_kinds):
    X, of_dask = two_kinds
    autoencoder = SparseAutoencoderTransformer(**QUICK).fit(X)
    displays = [ReconstructionDisplay.from_estimator(autoencoder, data) for data in (X, of_dask)]
    assert_array_equal(displays[1].reconstructions, displays[0].reconstructions)


def test_a_pipeline_reads_collections(own_client, X):
    expected = pipeline().fit_predict(X)
    for name in ("array", "frame"):
        assert_array_equal(pipeline().fit_predict(COLLECTIONS[name][1](X)), expected)
