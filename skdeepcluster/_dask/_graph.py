"""Graphs of tasks, and the cluster that runs them."""

import weakref
from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, nullcontext
from itertools import compress
from operator import itemgetter
from uuid import uuid4

import dask
from dask.delayed import delayed
from distributed import KilledWorker, futures_of, wait

from ..exceptions import ClusterError
from ._scheduler import TiesLoosened, memory_of_workers

# Number of results that one task of a tree of sums adds up.
_TREE_WIDTH = 8

# Data, and outputs between the phases of an evaluation, are kept on the workers. They may take this share of the memory
# of all workers.
_KEPT_SHARE = 0.4

# Dask warns of large graphs. Here that is no mistake: what all rows share may be large, and the workers need it.
_SUBMISSION = {"distributed.admin.large-graph-warning-threshold": "1 TiB"}


class Nodes(Sequence):
    """One `Delayed` for every partition.

    Parameters
    ----------
    delayed : list of Delayed
    homes : list of str or None, default=None
        Addresses of the workers that hold them. Tasks on a node run on that worker, unless it is gone, or another
        worker would be idle for long. Without this, the scheduler would take any worker that has one of the inputs.
    """

    def __init__(self, delayed, homes=None):
        self._delayed = delayed
        self.homes = homes

    def __len__(self):
        return len(self._delayed)

    def __getitem__(self, i):
        return self._delayed[i]

    def map(self, function, *arguments, across=None):
        """``function(node, *arguments)`` for every node.

        With across, which has one item for each node, ``function(node, *arguments, item)``.
        """
        task = delayed(function, pure=False)
        own = [()] * len(self) if across is None else zip(across)
        homes = self.homes or [None] * len(self)
        results = []
        for node, last, home in zip(self._delayed, own, homes):
            with dask.annotate(workers=[home], allow_other_workers=True) if home else nullcontext():
                results.append(task(node, *arguments, *last))
        return Nodes(results, self.homes)

    def select(self, kept):
        """The nodes for which the list kept has a true value."""
        homes = self.homes and list(compress(self.homes, kept))
        return Nodes(list(compress(self._delayed, kept)), homes)


def literal(value, name=None):
    """A value as a node of its own.

    It goes to a worker once, and is sent again if that worker dies.
    """
    return delayed(value, name=name or f"skdeepcluster-{uuid4().hex}", traverse=False)


class Cluster:
    """The cluster of a `distributed.Client`, with the few operations that training needs.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client):
        self._client = client
        self._reserved = 0.0
        with self._explained_loss():
            # How much can be kept depends on the memory of the workers, so there has to be at least one.
            client.wait_for_workers(1)
            self._room = _KEPT_SHARE * client.run_on_scheduler(memory_of_workers)
            client.register_plugin(TiesLoosened())

    def reserve(self, owner, n_bytes):
        """Reserve memory on the workers until the owner is deleted. Returns False if there is too little left."""
        if self._reserved + n_bytes > self._room:
            return False
        self._reserved += n_bytes
        weakref.finalize(owner, self._release, n_bytes)
        return True

    def _release(self, n_bytes):
        self._reserved -= n_bytes

    def result(self, node):
        """Compute a Delayed, or a list of them, and return the results."""
        with self._explained_loss(), dask.config.set(_SUBMISSION):
            return self._client.gather(self._client.compute(node))

    def persist(self, nodes):
        """Compute the `Nodes` on the workers, which keep the results as long as the returned `Nodes` exist."""
        with self._explained_loss(), dask.config.set(_SUBMISSION):
            return Nodes(list(self._client.persist(list(nodes))), nodes.homes)

    def located(self, nodes):
        """Wait until persisted `Nodes` are computed, and return them with their homes.

        From then on they stay where they are.
        """
        with self._explained_loss():
            futures = futures_of(list(nodes))
            wait(futures)
            holders = self._client.who_has(futures)
        return Nodes(list(nodes), [next(iter(holders.get(node.key, ())), None) for node in nodes])

    def merged(self, merge, nodes, item=None):
        """Merge the results of the nodes, or one item of each, by a tree of tasks ``merge(list of results)``."""
        if item is not None:
            # Take the item on the worker, so that the rest is not sent.
            nodes = nodes.map(itemgetter(item))
        nodes = list(nodes)
        while True:
            groups = [nodes[start : start + _TREE_WIDTH] for start in range(0, len(nodes), _TREE_WIDTH)]
            nodes = [delayed(merge, pure=False)(group) for group in groups]
            if len(nodes) == 1:
                return self.result(nodes[0])

    @contextmanager
    def _explained_loss(self):
        """Raise a ClusterError if the cluster is gone, the client closed, or the workers die again and again."""
        try:
            yield
        except KilledWorker as error:
            raise ClusterError(
                f"Workers died again and again while they worked on one task ({error}). Most often their memory is too "
                "small: make the partitions smaller, or give the workers more."
            ) from error
        except Exception as error:
            # A lost connection raises different errors in different versions, so any error is looked at.
            reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            if self._client.status != "running":
                raise ClusterError(f"The Dask cluster is gone or its client closed ({reason}).") from error
            if isinstance(error, CancelledError):
                raise ClusterError(
                    f"Data that are needed are gone and cannot be computed again ({reason}), as when a worker dies "
                    "that they were scattered to, or when somebody cancels them."
                ) from error
            raise
