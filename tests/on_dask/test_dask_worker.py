"""What a task costs on a worker: bytes that move, memory, and rounding that depends on neither."""

import dask
import numpy as np
import pytest
import scipy.sparse as sp
from dask import delayed
from distributed import Client, get_worker
from numpy.testing import assert_array_equal

from helpers.cluster import partitioned
from skdeepcluster._dask import _worker
from skdeepcluster._dask._graph import Cluster, Nodes
from skdeepcluster._dask._partitioned import PartitionedData
from skdeepcluster._network import mirrored_network
from skdeepcluster._objectives import Block, LinearDecoderObjective


def objective(n_features=15):
    network = mirrored_network(
        n_features, (), 4, activation="relu", code_activation="logistic", output_activation="identity", tied=False
    )
    return LinearDecoderObjective(network, rho=0.1, beta=0.5, lam=1e-3, projected=True)


def received(dask_worker):
    """Bytes that a worker was sent by others so far."""
    return sum(transfer["total"] for transfer in dask_worker.transfer_incoming_log)


@pytest.mark.parametrize("n_rows", [2_000, 200_000])
def test_an_evaluation_moves_no_rows(client, rng, n_rows):
    data = PartitionedData.load(client, partitioned(rng.normal(size=(n_rows, 15)), 6))
    full_batch = data.full_batch(objective())
    assert full_batch._keeps_outputs
    before = client.run(received)
    for _ in range(5):
        full_batch(rng.normal(scale=0.5, size=full_batch.objective.layout.size))
    moved = sum(client.run(received).values()) - sum(before.values())
    # Theta, what is shared, and sums.
    assert moved / 5 < 50_000


def where(part, common):
    return get_worker().address


@pytest.fixture
def client_without_stealing():
    """A worker that has nothing to do leaves the tasks of others alone."""
    with (
        dask.config.set({"distributed.scheduler.work-stealing": False}),
        Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=":0") as client,
    ):
        yield client


def test_tasks_run_where_their_rows_are(client_without_stealing):
    client = client_without_stealing
    cluster, (home, other) = Cluster(client), sorted(client.scheduler_info()["workers"])
    parts = client.persist([delayed(np.ones)(i + 1) for i in range(8)], workers=[home])
    # The scheduler would take the worker that is idle, since that has an input, too.
    common = client.persist(delayed(np.ones)(9), workers=[other])
    nodes = cluster.located(Nodes(parts))
    assert nodes.homes == [home] * 8
    assert cluster.result(list(nodes.map(where, common))) == [home] * 8
    assert cluster.result(list(nodes.select([True] * 3 + [False] * 5).map(where, common))) == [home] * 3


def unaligned(array):
    """A copy that begins between two numbers."""
    buffer = np.empty(array.nbytes + 1, dtype=np.uint8)
    copy = buffer[1:].view(array.dtype).reshape(array.shape)
    copy[...] = array
    assert not copy.flags.aligned
    return copy


def test_rounding_does_not_depend_on_where_arrays_begin(rng):
    X, w = rng.normal(size=(150, 15)), rng.normal(size=150)
    product = _worker.on_worker(lambda X, w: X.T @ w)
    assert_array_equal(product(unaligned(X), unaligned(w)), product(X, w))


def test_inputs_of_every_kind_are_aligned():
    X = sp.csr_matrix(np.eye(3))
    X.data = unaligned(X.data)

    @_worker.on_worker
    def inputs(*arguments, **keywords):
        return arguments, keywords

    (block, parts), keywords = inputs(Block(X, None), [(unaligned(np.ones(3)),)], w=unaligned(np.ones(2)))
    assert type(block) is Block
    assert all(a.flags.aligned for a in (block.X.data, parts[0][0], keywords["w"]))
    assert_array_equal(block.X.toarray(), np.eye(3))


@pytest.fixture
def calls(monkeypatch):
    """What was asked of the allocator."""
    calls = []
    monkeypatch.setattr(_worker, "_mallopt", lambda: lambda *call: calls.append(call))
    return calls


def test_the_allocator_keeps_memory_while_tasks_run(calls, monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    raised, restored = [(-3, 1 << 22), (-1, 1 << 24)], [(-3, 1 << 17), (-1, 65536)]
    inner = _worker.on_worker(lambda: calls.append("inner"))
    outer = _worker.on_worker(lambda: (inner(), calls.append("outer")))
    outer()
    assert calls == [*raised, *raised, "inner", *raised, "outer", *restored]


@pytest.mark.parametrize("value", [None, "", "none"])
def test_the_allocator_is_left_alone_where_dask_did_not_set_it(calls, monkeypatch, value):
    if value is None:
        monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    else:
        monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", value)
    assert _worker.on_worker(lambda: 1)() == 1
    assert calls == []


def test_a_task_that_fails_gives_the_allocator_back(calls, monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "1000000")
    with pytest.raises(ZeroDivisionError):
        _worker.on_worker(lambda: 1 / 0)()
    assert calls[-2:] == [(-3, 1000000), (-1, 65536)]
