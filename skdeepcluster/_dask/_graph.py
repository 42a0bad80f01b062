"""Graphs of tasks, and what runs them."""

import weakref
from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, nullcontext
from itertools import compress
from operator import itemgetter
from uuid import uuid4

import dask
import numpy as np
from dask.delayed import delayed
from distributed import KilledWorker, futures_of, wait

from ..exceptions import ClusterError

# Results that one task adds up.
_TREE_WIDTH = 8

# Share of the memory of all workers up to which data, and outputs between the phases of an evaluation, are kept there.
_KEPT_SHARE = 0.4

# What is shared by all rows may be large, and has to go to the workers: nothing to warn of.
_SUBMISSION = {"distributed.admin.large-graph-warning-threshold": "1 TiB"}


class Nodes(Sequence):
    """One `Delayed` for every partition.

    Parameters
    ----------
    delayed : list of Delayed
    homes : list of str or None, default=None
        Addresses of the workers that hold them. What is made of a node is made there, if the worker lives and no other
        one is idle for long: left to itself, the scheduler takes any worker that has one of the inputs.
    """

    def __init__(self, delayed, homes=None):
        self._delayed = delayed
        self.homes = homes

    def __len__(self):
        return len(self._delayed)

    def __getitem__(self, i):
        return self._delayed[i]

    def map(self, function, *arguments, across=None):
        """``function(node, *arguments)`` of every node, or ``function(node, *arguments, own)`` with one of across."""
        task = delayed(function, pure=False)
        own = [()] * len(self) if across is None else zip(across)
        homes = self.homes or [None] * len(self)
        results = []
        for node, last, home in zip(self._delayed, own, homes):
            with dask.annotate(workers=[home], allow_other_workers=True) if home else nullcontext():
                results.append(task(node, *arguments, *last))
        return Nodes(results, self.homes)

    def select(self, kept):
        """The nodes for which kept, a list, is true."""
        homes = self.homes and list(compress(self.homes, kept))
        return Nodes(list(compress(self._delayed, kept)), homes)


def literal(value, name=None):
    """A value as a node of its own, so that it goes to a worker once, and can be had again if that one dies."""
    return delayed(value, name=name or f"skdeepcluster-{uuid4().hex}", traverse=False)


class Cluster:
    """What training asks of a `distributed.Client`.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client):
        self._client = client
        self._reserved = 0.0
        with self._explained_loss():
            # Without workers there is no knowing what they can keep.
            client.wait_for_workers(1)
            self._room = _KEPT_SHARE * client.run_on_scheduler(_memory_of_workers)

    def reserve(self, owner, n_bytes):
        """Whether there is room on the workers to keep so many bytes for as long as their owner lives."""
        if self._reserved + n_bytes > self._room:
            return False
        self._reserved += n_bytes
        weakref.finalize(owner, self._release, n_bytes)
        return True

    def _release(self, n_bytes):
        self._reserved -= n_bytes

    def result(self, node):
        """What a Delayed, or a list of them, computes to."""
        with self._explained_loss(), dask.config.set(_SUBMISSION):
            return self._client.gather(self._client.compute(node))

    def persist(self, nodes):
        """The `Nodes`, with what they compute to kept on the workers for as long as they are referred to."""
        with self._explained_loss(), dask.config.set(_SUBMISSION):
            return Nodes(list(self._client.persist(list(nodes))), nodes.homes)

    def located(self, nodes):
        """The same `Nodes`, which are persisted and do not move any more, with their homes, once they are computed."""
        with self._explained_loss():
            futures = futures_of(list(nodes))
            wait(futures)
            holders = self._client.who_has(futures)
        return Nodes(list(nodes), [next(iter(holders.get(node.key, ())), None) for node in nodes])

    def merged(self, merge, nodes, item=None):
        """What a tree of tasks ``merge(list of results)`` makes of the nodes, or of one item of each."""
        if item is not None:
            # Only that is to leave the worker.
            nodes = nodes.map(itemgetter(item))
        nodes = list(nodes)
        while True:
            groups = [nodes[start : start + _TREE_WIDTH] for start in range(0, len(nodes), _TREE_WIDTH)]
            nodes = [delayed(merge, pure=False)(group) for group in groups]
            if len(nodes) == 1:
                return self.result(nodes[0])

    @contextmanager
    def _explained_loss(self):
        """Lets a cluster that is gone, or workers that die again and again, show as a ClusterError."""
        try:
            yield
        except KilledWorker as error:
            raise ClusterError(
                f"Workers died again and again while they worked on one task ({error}). Most often their memory is too "
                "small: make the partitions smaller, or give the workers more."
            ) from error
        except Exception as error:
            # What a lost connection raises differs by version.
            reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            if self._client.status != "running":
                raise ClusterError(f"The Dask cluster is gone ({reason}).") from error
            if isinstance(error, CancelledError):
                raise ClusterError(
                    f"Data that are needed are gone and cannot be computed again ({reason}), as when a worker dies "
                    "that they were scattered to, or when somebody cancels them."
                ) from error
            raise


def _memory_of_workers(dask_scheduler):
    return sum(worker.memory_limit or np.inf for worker in dask_scheduler.workers.values())
