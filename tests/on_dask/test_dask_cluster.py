"""What may happen to a cluster during a fit."""

import gc
import os
import signal
import time
from contextlib import contextmanager
from threading import Timer

import dask
import numpy as np
import pytest
from dask import delayed
from distributed import Client, LocalCluster
from numpy.testing import assert_allclose, assert_array_equal

from helpers.cluster import partitioned, two_processes
from helpers.marks import FEW_ITERATIONS
from helpers.processes import output_of_fork
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._dask._graph import Cluster, Nodes
from skdeepcluster._dask._partitioned import PartitionedLoss
from skdeepcluster.dask import DaskSparseAutoencoderTransformer
from skdeepcluster.exceptions import ClusterError

QUICK = {"n_components": 4, "random_state": 0, "max_iter": 8, "tol": 0}
pytestmark = FEW_ITERATIONS


@pytest.fixture
def before_sums(monkeypatch):
    """Makes something happen before the n-th sum over partitions, for some n; returns a list of all n so far."""

    def install(numbers, happen):
        merged, so_far = Cluster.merged, []

        def watched(self, *args, **keywords):
            so_far.append(len(so_far) + 1)
            if so_far[-1] in numbers:
                happen()
            return merged(self, *args, **keywords)

        monkeypatch.setattr(Cluster, "merged", watched)
        return so_far

    return install


@pytest.fixture
def at_evaluation(monkeypatch):
    """Makes something happen in the middle of the n-th evaluation of a fit: between its phases."""

    def install(n, happen):
        count, first_phase = iter(range(1, 10**6)), PartitionedLoss._first_phase

        def watched(self, *args):
            result = first_phase(self, *args)
            if next(count) == n:
                happen()
            return result

        monkeypatch.setattr(PartitionedLoss, "_first_phase", watched)

    return install


@pytest.fixture(scope="module")
def mortal_cluster():
    """A cluster that no other module counts on."""
    # A worker that is slow to start again is not given up.
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "300s"}), two_processes() as cluster:
        yield cluster


@pytest.fixture
def mortal_client(mortal_cluster):
    with Client(mortal_cluster) as client:
        # What the test before has killed is started again.
        client.wait_for_workers(2, timeout=60)
        yield client


def kill(client, n_workers=1):
    """Kill workers, or with None all of them, as the system would."""
    for pid in list(client.run(os.getpid).values())[:n_workers]:
        os.kill(pid, signal.SIGKILL)


@contextmanager
def closed_if_it_hangs(client):
    """Close a client after a minute, so that what waits for it ends with an error."""
    timer = Timer(60, client.close)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def wait_until(condition):
    while not condition():
        time.sleep(0.01)


def assert_same_fit(model, expected):
    for a, b in zip(model.coefs_ + model.intercepts_, expected.coefs_ + expected.intercepts_):
        assert_allclose(a, b, rtol=1e-8, atol=1e-10)
    assert model.n_iter_ == expected.n_iter_ == 8


@pytest.mark.parametrize("n, weighted", [(1, True), (5, False)])
def test_a_killed_worker_changes_nothing(mortal_client, blobs, at_evaluation, n, weighted):
    w = np.linspace(0.5, 2, 600) if weighted else None
    expected = SparseAutoencoderTransformer(**QUICK).fit(blobs, sample_weight=w)
    at_evaluation(n, lambda: kill(mortal_client))
    model = DaskSparseAutoencoderTransformer(**QUICK).fit(partitioned(blobs, 5), sample_weight=w)
    assert_same_fit(model, expected)


# Twice: in the first phase of an evaluation, and in the last pass over the rows, which is for the attributes.
def test_workers_that_are_all_killed_change_nothing(mortal_client, blobs, before_sums):
    w = np.linspace(0.5, 2, 600)
    expected = SparseAutoencoderTransformer(**QUICK).fit(blobs, sample_weight=w)
    so_far = before_sums({4, 23}, lambda: kill(mortal_client, None))
    with closed_if_it_hangs(mortal_client):
        model = DaskSparseAutoencoderTransformer(**QUICK).fit(partitioned(blobs, 5), sample_weight=w)
    assert so_far[-1] == 23
    assert_same_fit(model, expected)


def test_data_that_only_the_killed_had(mortal_client, blobs, before_sums):
    parts = [delayed(part) for part in mortal_client.scatter(np.split(blobs, 3))]
    before_sums({6}, lambda: kill(mortal_client, None))
    with pytest.raises(ClusterError, match=r"Data that are needed are gone .* scattered to.* after iteration \d"):
        DaskSparseAutoencoderTransformer(**QUICK).fit(parts)


def of_the_package(gone):
    return list(Nodes([delayed(1)], [gone]).map(_plus_one))


def of_the_user(gone):
    with dask.annotate(workers=[gone], allow_other_workers=True):
        return [delayed(_plus_one)(1)]


@pytest.mark.parametrize("tasks", [of_the_package, of_the_user])
def test_tasks_that_prefer_a_worker_that_is_gone(tasks):
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=None) as local_cluster,
        Client(local_cluster) as client,
        closed_if_it_hangs(client),
    ):
        Cluster(client)
        (gone,) = client.scheduler_info()["workers"]
        local_cluster.scale(0)
        wait_until(lambda: not local_cluster.scheduler.workers)
        futures = client.compute(tasks(gone))
        wait_until(lambda: local_cluster.scheduler.unrunnable)
        local_cluster.scale(1)
        assert client.gather(futures) == [2]


def _plus_one(number):
    return number + 1


@pytest.fixture
def small_client():
    with (
        LocalCluster(
            n_workers=1, processes=False, threads_per_worker=1, dashboard_address=":0", protocol="tcp"
        ) as cluster,
        Client(cluster, timeout="5s") as client,
    ):
        yield client


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_the_result_does_not_depend_on_the_workers(client, small_client, blobs, solver):
    models = []
    for current in (client, small_client):
        with current.as_current():
            models.append(DaskSparseAutoencoderTransformer(**QUICK, solver=solver).fit(partitioned(blobs, 4)))
    for a, b in zip(models[0].coefs_, models[1].coefs_):
        assert_array_equal(a, b)


def test_a_cluster_that_is_lost_leaves_what_was_reached(small_client, blobs, at_evaluation):
    at_evaluation(6, small_client.cluster.close)
    model = DaskSparseAutoencoderTransformer(**QUICK)
    with pytest.raises(ClusterError, match=r"cluster is gone .* reached after iteration (\d).* warm_start=True"):
        model.fit(partitioned(blobs, 3))
    assert 2 <= model.n_iter_ <= 5
    assert not hasattr(model, "_fit_in_progress")
    expected = SparseAutoencoderTransformer(**(QUICK | {"max_iter": model.n_iter_})).fit(blobs)
    assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-8)
    assert_allclose(model.transform(blobs), expected.transform(blobs), rtol=1e-8)
    assert np.isnan(model.loss_)


def test_a_cluster_that_is_lost_at_once_leaves_what_there_was(small_client, blobs, at_evaluation):
    model = DaskSparseAutoencoderTransformer(**QUICK).fit(partitioned(blobs, 3))
    before = [W.copy() for W in model.coefs_]
    at_evaluation(1, small_client.cluster.close)
    with pytest.raises(ClusterError, match="No iteration was over; the estimator is as it was before"):
        model.fit(partitioned(blobs, 3))
    for W, W_before in zip(model.coefs_, before):
        assert_array_equal(W, W_before)
    assert model.n_iter_ == 8


def test_workers_that_die_of_a_partition(mortal_client, blobs):
    mortal_client.run_on_scheduler(_allow_no_failure)
    deadly = partitioned(blobs, 3).map_blocks(_die, dtype=float, meta=np.empty((0, 0)))
    with pytest.raises(ClusterError, match=r"Workers died again and again .* make the partitions smaller"):
        DaskSparseAutoencoderTransformer(**QUICK).fit(deadly)


def _die(block):
    os._exit(1)


def _allow_no_failure(dask_scheduler):
    dask_scheduler.allowed_failures = 0


def test_nothing_stays_on_the_workers_after_a_failed_fit(blobs):
    X = blobs.copy()
    X[-1, 0] = np.nan
    # In one process, the scheduler and the client share the error.
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0") as client:
        with pytest.raises(ValueError, match="NaN"):
            DaskSparseAutoencoderTransformer(**QUICK).fit(partitioned(X, 3))
        for _ in range(100):
            gc.collect()
            left = [key for keys in client.has_what().values() for key in keys]
            if not left:
                break
            # Workers hear of it a moment later.
            time.sleep(0.05)
    assert left == []


def test_fits_inside_of_tasks_are_refused(client, blobs):
    model, X = DaskSparseAutoencoderTransformer(**QUICK), partitioned(blobs, 2)
    with pytest.raises(ValueError, match="This is a task of a Dask cluster"):
        client.submit(lambda: model.fit(X), pure=False).result()


def test_no_cluster():
    code = """
import dask.array as da
from skdeepcluster.dask import DaskSparseAutoencoderTransformer
try:
    DaskSparseAutoencoderTransformer().fit(da.ones((10, 3)))
except ValueError as error:
    print(error)
"""
    assert "no Dask cluster to work on. Start one before: distributed.Client()" in output_of_fork(code)


def test_ctrl_c_keeps_what_there_is(client, blobs, at_evaluation):
    def interrupt():
        raise KeyboardInterrupt

    at_evaluation(6, interrupt)
    with pytest.warns(match="Training was interrupted"):
        model = DaskSparseAutoencoderTransformer(**QUICK).fit(partitioned(blobs, 3))
    assert 2 <= model.n_iter_ <= 5
