"""Fits and calls that run at the same time, in threads and in processes: the results of one after the other."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from threading import Barrier

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.cluster import KMeans
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from helpers.joint import attributes_of
from helpers.marks import FEW_ITERATIONS
from helpers.processes import output_of_fork
from helpers.threads import blas_threads
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.metrics import clustering_report, silhouette_scorer
from skdeepcluster.model_selection import ClusteringSearch

pytestmark = FEW_ITERATIONS

N_THREADS = 8

MODELS = [
    SparseAutoencoderTransformer(4, solver="lbfgs", max_iter=8, random_state=0),
    SparseAutoencoderTransformer(4, solver="adam", max_iter=3, random_state=1),
    SparseAutoencoderTransformer(3, hidden_layer_sizes=6, solver="adam", max_iter=3, corruption=0.1, random_state=2),
    SparseAutoencoderTransformer(4, output_activation="identity", tied_weights=True, max_iter=8, random_state=3),
]


def fitted(model, X):
    """What a fit of a clone leaves, as arrays."""
    model = clone(model).fit(X)
    return [*model.coefs_, *model.intercepts_, model.loss_curve_["loss"], np.float64(model.loss_), model.transform(X)]


def assert_same(results, expected):
    for result, arrays in zip(results, expected, strict=True):
        for actual, desired in zip(result, arrays, strict=True):
            assert_array_equal(actual, desired)


@pytest.fixture(scope="module")
def X(blobs):
    return blobs[:300]


@pytest.fixture(scope="module")
def expected(X):
    return [fitted(model, X) for model in MODELS]


# One fitted estimator, many callers


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_one_fitted_estimator_serves_many_threads(blobs, joint, container):
    autoencoder = clone(MODELS[0]).fit(blobs)
    calls = [autoencoder.transform, autoencoder.score, joint.transform, joint.predict, joint.predict_proba]
    parts = [container(part) for part in np.array_split(blobs, N_THREADS)]
    one_by_one = [[call(part) for call in calls] for part in parts]
    before = [array.copy() for array in attributes_of(joint)]
    start = Barrier(N_THREADS, timeout=60)

    def call_all(part):
        start.wait()
        for _ in range(20):
            results = [call(part) for call in calls]
        return results

    with ThreadPoolExecutor(N_THREADS) as executor:
        assert_same(executor.map(call_all, parts), one_by_one)
    assert_same([attributes_of(joint)], [before])


def test_reports_in_many_threads(blobs):
    labelings = [np.arange(len(blobs)) % k for k in range(2, 2 + N_THREADS)]
    one_by_one = [clustering_report(blobs, labels) for labels in labelings]
    with ThreadPoolExecutor(N_THREADS) as executor:
        assert list(executor.map(partial(clustering_report, blobs), labelings)) == one_by_one


# Fits at the same time


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_fits_in_many_threads(X, expected, limit):
    start = Barrier(N_THREADS, timeout=60)

    def fit(i):
        start.wait()
        return fitted(MODELS[i % len(MODELS)], X)

    with threadpool_limits(limit, user_api="blas"), ThreadPoolExecutor(N_THREADS) as executor:
        results = list(executor.map(fit, range(N_THREADS)))
        # BLAS has its threads back.
        assert set(blas_threads()) == {limit}
    assert_same(results, 2 * expected)


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_fits_in_joblib_workers(X, expected, backend):
    with joblib.parallel_config(backend, n_jobs=2):
        assert_same(joblib.Parallel()(joblib.delayed(fitted)(model, X) for model in MODELS), expected)


def test_fits_in_dask_workers(X, expected, client):
    # The workers do not have this module.
    def fit(model, X):
        model.fit(X)
        return [
            *model.coefs_,
            *model.intercepts_,
            model.loss_curve_["loss"],
            np.float64(model.loss_),
            model.transform(X),
        ]

    with joblib.parallel_config("dask"):
        results = joblib.Parallel()(joblib.delayed(fit)(clone(model), X) for model in MODELS)
    # Arrays arrive there without the alignment in memory that NumPy gives them, and are added up in another order.
    for result, arrays in zip(results, expected, strict=True):
        for actual, desired in zip(result, arrays, strict=True):
            assert_allclose(actual, desired, rtol=1e-7)


def test_fits_in_spawned_processes(X, expected):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        assert_same(executor.map(fitted, MODELS, len(MODELS) * [X]), expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_fits_in_forked_processes_of_a_process_that_has_fitted():
    # In a process of its own: this one has threads, which would not be in the fork. The parent's fit has used, and
    # ended, threads; the children get none of them, and must not wait for them.
    script = """
import multiprocessing, numpy as np
from threadpoolctl import threadpool_limits
from skdeepcluster import SparseAutoencoderTransformer
X = np.random.RandomState(0).normal(size=(3000, 20))
def fit(seed):
    model = SparseAutoencoderTransformer(4, max_iter=5, tol=0.5, random_state=seed).fit(X)
    return model.loss_, model.transform(X)
with threadpool_limits(2, user_api="blas"):
    expected = [fit(seed) for seed in range(4)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        results = pool.map_async(fit, range(4)).get(timeout=100)
for (loss, code), (expected_loss, expected_code) in zip(results, expected, strict=True):
    assert loss == expected_loss
    assert np.array_equal(code, expected_code)
"""
    output_of_fork(script, timeout=150)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_process_forked_while_another_thread_fits_can_fit():
    script = """
import multiprocessing, threading, numpy as np
from threadpoolctl import threadpool_info, threadpool_limits
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._support import _threads
X = np.random.RandomState(0).normal(size=(300, 20))
def fit():
    return SparseAutoencoderTransformer(4, max_iter=5, tol=0.5, random_state=0).fit(X).loss_
def fit_in_child(queue):
    queue.put((fit(), max(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")))
with threadpool_limits(2, user_api="blas"):
    expected = fit()
    for hold in (_threads.worker_threads, lambda: _threads._lock):
        holds, is_over = threading.Event(), threading.Event()
        def fit_for_long():
            with hold():
                holds.set()
                is_over.wait(100)
        thread = threading.Thread(target=fit_for_long)
        thread.start()
        holds.wait(100)
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        process = context.Process(target=fit_in_child, args=(queue,))
        process.start()
        try:
            assert queue.get(timeout=60) == (expected, 2)
        finally:
            process.kill()
            is_over.set()
            thread.join()
"""
    output_of_fork(script, timeout=200)


# Searches


class Spy(TransformerMixin, BaseEstimator):
    """Passes data on, and keeps how many threads BLAS had, and how many a fit would take."""

    def fit(self, X, y=None):
        self.n_blas_threads_ = max(blas_threads(), default=1)
        return self

    def transform(self, X):
        return X


def spied_threads(estimator, X, y=None):
    """A scorer: the threads of BLAS in the process of a candidate, at its fit and now."""
    return {"fit": estimator[0].n_blas_threads_, "score": max(blas_threads(), default=1)}


def test_grid_search_in_processes_divides_the_cores(X, monkeypatch):
    # joblib divides them where the user has not set a number of threads.
    for library in ("OPENBLAS", "MKL", "OMP", "BLIS"):
        monkeypatch.delenv(f"{library}_NUM_THREADS", raising=False)
    model = make_pipeline(Spy(), clone(MODELS[0]), KMeans(3, n_init=1, random_state=0))
    grid = {"sparseautoencodertransformer__rho": [0.3, 0.5]}
    search = GridSearchCV(model, grid, scoring=spied_threads, refit=False, cv=2, n_jobs=2).fit(X)
    for name in ("fit", "score"):
        for fold in range(2):
            assert (search.cv_results_[f"split{fold}_test_{name}"] <= max(1, joblib.cpu_count() // 2)).all()


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_grid_search_of_searches_gives_the_same_in_parallel(X, backend):
    model = make_pipeline(clone(MODELS[0]), KMeans(3, n_init=1, random_state=0))
    inner = ClusteringSearch(model, {"kmeans__n_clusters": [2, 3]}, n_jobs=2, random_state=0)
    outer = {"estimator__sparseautoencodertransformer__rho": [0.3, 0.5]}
    rows = np.arange(len(X))

    def scores(n_jobs):
        search = GridSearchCV(inner, outer, scoring=score_of_labels, refit=False, cv=[(rows, rows)], n_jobs=n_jobs)
        return search.fit(X).cv_results_["mean_test_score"]

    one_by_one = scores(1)
    # In threads, scikit-learn's KMeans may leave BLAS with one thread, which would slow down the tests after this one.
    with joblib.parallel_config(backend), threadpool_limits(user_api="blas"):
        assert_array_equal(scores(2), one_by_one)


def score_of_labels(search, X, y=None):
    return silhouette_scorer(search.best_estimator_, X)
