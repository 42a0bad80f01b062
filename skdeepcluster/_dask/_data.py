"""Training data that lie on the workers of a cluster, as those who train see them."""

from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import partial
from uuid import uuid4

import numpy as np
from dask.delayed import delayed
from distributed import KilledWorker

from .._solvers import AdamState
from ..exceptions import ClusterError
from . import _tasks
from ._collections import partitions, weight_partitions

# Results that one task adds up.
_TREE_WIDTH = 8

# Share of the memory of all workers up to which data, and outputs between the phases of an evaluation, are kept there.
_KEPT_SHARE = 0.4


class Cluster:
    """What training asks of a `distributed.Client`.

    Parameters
    ----------
    client : distributed.Client

    Attributes
    ----------
    memory : float
        Bytes that the workers may use together; infinite without limits.
    """

    def __init__(self, client):
        self._client = client
        with self._explained_loss():
            self.memory = client.run_on_scheduler(_memory_of_workers)

    def result(self, node):
        """What a Delayed, or a list of them, computes to."""
        with self._explained_loss():
            return self._client.gather(self._client.compute(node))

    def persist(self, nodes):
        """The nodes, with what they compute to kept on the workers for as long as they are referred to."""
        with self._explained_loss():
            return list(self._client.persist(nodes))

    def merged(self, merge, nodes):
        """What a tree of tasks ``merge(list of results)`` makes of the nodes."""
        nodes = [delayed(merge, pure=False)([node]) for node in nodes] if len(nodes) == 1 else nodes
        while len(nodes) > 1:
            groups = [nodes[start : start + _TREE_WIDTH] for start in range(0, len(nodes), _TREE_WIDTH)]
            nodes = [delayed(merge, pure=False)(group) for group in groups]
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
            if self._client.status == "running" and not isinstance(error, CancelledError):
                raise
            first_line = str(error).partition("\n")[0]
            raise ClusterError(f"The Dask cluster is gone ({type(error).__name__}: {first_line}).") from error


class PartitionedData:
    """Rows on the workers of a cluster; has the methods of `DataInMemory`.

    Parameters
    ----------
    cluster : Cluster
    blocks : list of Delayed
        The partitions, as `Block` with their sums and weights of any scale.
    n_bytes : int
        Of all rows.
    X, sample_weight
        What callbacks are given.

    Attributes
    ----------
    shape, dtype, is_sparse
        As of an array.
    mean_squares : ndarray of shape (n_features,)
        Weighted mean of the squares of every feature.
    """

    is_local = False

    def __init__(self, cluster, blocks, n_bytes, X, sample_weight):
        self.X = X
        self.sample_weight = sample_weight
        self._cluster = cluster
        self._n_bytes = n_bytes
        if n_bytes <= _KEPT_SHARE * cluster.memory:
            blocks = cluster.persist(blocks)
        described = cluster.persist(_each(_tasks.describe, blocks))
        kinds = cluster.result([node[0] for node in described])
        blocks = [block for block, kind in zip(blocks, kinds) if kind.shape[0]]
        kinds = [kind for kind in kinds if kind.shape[0]]
        if not kinds:
            raise ValueError("X has no rows of positive weight: all of its partitions are empty.")
        _check_alike(kinds)
        self._facts = cluster.merged(_tasks.merged_facts, [node[1] for node in described])
        blocks = _each(_tasks.scaled, blocks, self._facts.n_rows / self._facts.weight)
        self._blocks = cluster.persist(blocks) if n_bytes <= _KEPT_SHARE * cluster.memory else blocks
        self._n_rows = [kind.shape[0] for kind in kinds]
        self.shape = self._facts.n_rows, kinds[0].shape[1]
        self.dtype = kinds[0].dtype
        self.is_sparse = kinds[0].is_sparse
        self.mean_squares = self._facts.squares / self._facts.weight

    @classmethod
    def load(cls, client, X, sample_weight=None, n_features=None):
        """The data of a user; n_features, if it is given, is what they must have."""
        cluster = Cluster(client)
        parts, found, dtype, n_rows, n_bytes = partitions(X, cluster.result)
        weights = weight_partitions(sample_weight, n_rows)
        blocks = [
            delayed(_tasks.load, pure=False)(i, part, w, dtype, found if n_features is None else n_features)
            for i, (part, w) in enumerate(zip(parts, weights))
        ]
        return cls(cluster, blocks, n_bytes, X, sample_weight)

    @property
    def lowest(self):
        """The least value."""
        return self._facts.lows.min()

    @property
    def highest(self):
        """The largest value."""
        return self._facts.highs.max()

    @property
    def largest(self):
        """The largest absolute value."""
        return max(self.highest, -self.lowest)

    @property
    def rows_differ(self):
        """Whether there are two rows that are not the same."""
        return bool((self._facts.highs > self._facts.lows).any())

    def full_batch(self, objective):
        """J and its gradient as a function of the objective's theta."""
        n_units = sum(objective.network.layer_sizes[1:-1])
        output_bytes = n_units * self.shape[0] * self.dtype.itemsize
        keeps_outputs = self._n_bytes + output_bytes <= _KEPT_SHARE * self._cluster.memory
        return PartitionedFullBatch(objective, self._cluster, self._blocks, keeps_outputs)

    def epochs(self, objective, state, options, random_state, n_epochs=None):
        """Generate (state, terms) after every epoch of Adam, by local steps with averaging.

        In an epoch every partition goes its own way from the common state, by one pass of Adam over its own batches;
        then the parameters and the moving sums of all are averaged, by weight. So an epoch moves the parameters twice
        per partition, whatever the number of batches, and no partition waits for another. What comes out depends on the
        partitions, and not on the workers. The terms are the averages of what the partitions saw.

        References
        ----------
        B. McMahan et al., "Communication-efficient learning of deep networks from decentralized data", 2017,
        algorithm 1.
        """
        largest_n_steps = max(_tasks.n_batches(n_rows, options) for n_rows in self._n_rows)
        while True:
            seeds = self._seeds(random_state)
            common = _literal((objective, state, options, n_epochs, largest_n_steps))
            nodes = _each(_tasks.local_epoch, self._blocks, common, across=seeds)
            sums = self._cluster.merged(partial(_tasks.total_of, n_parts=len(nodes)), nodes)
            x, mean, square, terms = (array / sums.weight for array in sums[1:])
            state = AdamState(
                *(array.astype(state.x.dtype, copy=False) for array in (x, mean, square)),
                state.n_steps + largest_n_steps,
            )
            yield state, terms

    def outputs_of(self, *layers):
        """The data that layers, (coefs, intercepts, activations), make of these; these themselves if there are none."""
        coefs = layers[0]
        if not coefs:
            return self
        n_bytes = self.shape[0] * coefs[-1].shape[1] * self.dtype.itemsize
        blocks = _each(_tasks.layer_outputs, self._blocks, _literal(layers))
        return PartitionedData(self._cluster, blocks, n_bytes, self.X, self.sample_weight)

    def mean_squared_error(self, *layers):
        """Weighted mean over rows, and mean over features, of (h(x) - x)^2, for all layers of an autoencoder."""
        nodes = _each(_tasks.weighted_error, self._blocks, _literal(layers))
        weight, error = self._cluster.merged(_pairwise_sum, nodes)
        return error / weight

    def code_moments(self, *layers):
        """Weighted mean and variance over rows of every output of layers, shape (n_units,) each."""
        nodes = _each(_tasks.moments, self._blocks, _literal(layers))
        return self._cluster.merged(_tasks.merged_moments, nodes)[1:]

    def hold_out(self, fraction, random_state):
        """Data with a fraction of the rows of every partition set aside, and data of these."""
        if not any(int(fraction * n_rows) for n_rows in self._n_rows):
            raise ValueError(
                f"early_stopping=True holds out validation_fraction={fraction} of the rows of every partition, which "
                f"is not one of the {max(self._n_rows)} of the largest. Raise validation_fraction, or set "
                "early_stopping=False."
            )
        seeds = self._seeds(random_state)
        parts = []
        for held_out in (False, True):
            blocks = _each(_tasks.split, self._blocks, fraction, held_out, across=seeds)
            share = fraction if held_out else 1 - fraction
            parts.append(PartitionedData(self._cluster, blocks, share * self._n_bytes, self.X, self.sample_weight))
        return tuple(parts)

    def _seeds(self, random_state):
        """A seed for every partition."""
        return random_state.randint(np.iinfo(np.int32).max, size=len(self._blocks)).tolist()


class PartitionedFullBatch:
    """J and its gradient on all rows of partitions: `FullBatch` on a cluster.

    The two phases are two maps over the partitions, each with a tree of sums. Down go theta and, for the second, what
    is shared by all rows; up come the sums. All have the size of the parameters, whatever the number of rows.

    Parameters
    ----------
    objective : SparseAutoencoderObjective or LinearDecoderObjective
    cluster : Cluster
    blocks : list of Delayed
        The partitions, as `Block` with their sums.
    keeps_outputs : bool
        Whether the outputs of layers are kept on the workers between the phases, or computed twice.
    """

    def __init__(self, objective, cluster, blocks, keeps_outputs):
        self.objective = objective
        self._cluster = cluster
        self._blocks = blocks
        self._keeps_outputs = keeps_outputs
        self._total = partial(_tasks.total_of, n_parts=len(blocks))
        # Where the last evaluation was, and what it had in common for all rows.
        self._last = None, None

    def __call__(self, theta):
        """The terms of J and its gradient."""
        common = _literal((self.objective, theta))
        shared, outputs = self._first_phase(theta, common)
        self._last = theta, shared
        nodes = _each(_tasks.second_phase, self._blocks, common, _literal(shared), across=outputs)
        return self.objective.finish(theta, shared, self._cluster.merged(self._total, nodes))

    def parameters(self, theta):
        """The (coefs, intercepts) of all layers, for the theta of the objective."""
        last_theta, shared = self._last
        if last_theta is not theta:
            shared, _ = self._first_phase(theta, _literal((self.objective, theta)))
        return self.objective.parameters(theta, shared)

    def _first_phase(self, theta, common):
        nodes = _each(_tasks.first_phase, self._blocks, common, self._keeps_outputs)
        if self._keeps_outputs:
            nodes = self._cluster.persist(nodes)
        statistics = self._cluster.merged(self._total, [node[0] for node in nodes])
        outputs = [node[1] for node in nodes] if self._keeps_outputs else [None] * len(nodes)
        return self.objective.combine(theta, statistics), outputs


def _each(function, nodes, *arguments, across=None):
    """``function(node, *arguments)`` for every node, or ``function(node, *arguments, own)`` with one of across each."""
    task = delayed(function, pure=False)
    if across is None:
        return [task(node, *arguments) for node in nodes]
    return [task(node, *arguments, own) for node, own in zip(nodes, across)]


def _literal(value):
    """A value as a node of its own, so that it goes to every worker once, and can be had again if that one dies."""
    return delayed(value, name=f"skdeepcluster-{uuid4().hex}", traverse=False)


def _pairwise_sum(pairs):
    """Sum of pairs."""
    return tuple(map(sum, zip(*pairs)))


def _check_alike(kinds):
    """Refuse partitions some of which are sparse."""
    for i, kind in enumerate(kinds):
        if kind.is_sparse != kinds[0].is_sparse:
            names = ["dense", "sparse"]
            raise ValueError(
                f"Partition {i} of X that has rows is {names[kind.is_sparse]}, but the first is "
                f"{names[kinds[0].is_sparse]}. Make all of one kind."
            )


def _memory_of_workers(dask_scheduler):
    return sum(worker.memory_limit or np.inf for worker in dask_scheduler.workers.values()) or np.inf
