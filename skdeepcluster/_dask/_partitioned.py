"""Training data that lie on the workers of a cluster, as a `DataSource`."""

from functools import partial
from operator import itemgetter

import numpy as np
from dask.delayed import delayed

from .._data import DataSource, n_batches_of, no_weight_is_positive
from .._solvers import AdamState
from . import _tasks
from ._collections import partitions, weight_partitions
from ._graph import Cluster, Nodes, literal


class PartitionedData(DataSource):
    """Rows on the workers of a cluster.

    Parameters
    ----------
    cluster : Cluster
    blocks : Nodes
        The partitions, each a `Block` with its sums. The scale of the weights does not matter.
    n_bytes : int or None
        Size of all rows, or None if it is not known before they are loaded.
    X, sample_weight
        As the user gave them. Callbacks receive them.

    Attributes
    ----------
    mean_squares : ndarray of shape (n_features,)
        Weighted mean of the squares of every feature.
    """

    is_local = False

    def __init__(self, cluster, blocks, n_bytes, X, sample_weight):
        self.X = X
        self.sample_weight = sample_weight
        self._cluster = cluster
        kept = n_bytes is not None and cluster.reserve(self, n_bytes)
        if kept:
            blocks = cluster.located(cluster.persist(blocks))
        described = cluster.persist(blocks.map(_tasks.describe))
        kinds = cluster.result(list(described.map(itemgetter(0))))
        _check_alike(kinds)
        self._facts = cluster.merged(_tasks.merged_facts, described, item=1)
        if not self._facts.n_rows:
            raise _no_rows()
        self._n_bytes = sum(kind.n_bytes for kind in kinds)
        self._n_rows = [kind.shape[0] for kind in kinds if kind.shape[0]]
        self._dtype = np.result_type(*(kind.dtype for kind in kinds))
        self._is_sparse = kinds[0].is_sparse
        self.mean_squares = self._facts.squares / self._facts.weight
        blocks = blocks.select([kind.shape[0] > 0 for kind in kinds])
        blocks = blocks.map(_tasks.scaled, self._facts.n_rows / self._facts.weight, self._dtype)
        kept = kept or cluster.reserve(self, self._n_bytes)
        self._blocks = cluster.located(cluster.persist(blocks)) if kept else blocks

    @classmethod
    def load(cls, client, X, sample_weight=None):
        """Load the data of a user."""
        cluster = Cluster(client)
        blocks, n_bytes = _blocks_of(cluster, X, sample_weight)
        return cls(cluster, blocks, n_bytes, X, sample_weight)

    @property
    def shape(self):
        return self._facts.n_rows, len(self._facts.squares)

    @property
    def dtype(self):
        return self._dtype

    @property
    def is_sparse(self):
        return self._is_sparse

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
        return max(self.highest, -self.lowest)

    @property
    def rows_differ(self):
        return bool((self._facts.highs > self._facts.lows).any())

    @property
    def total_variance(self):
        nodes = self._blocks.map(_tasks.moments_of_features)
        return float(self._cluster.merged(_tasks.merged_moments, nodes)[2].sum())

    def n_batches(self, batch_size):
        """Those of the largest partition."""
        return max(n_batches_of(n_rows, batch_size) for n_rows in self._n_rows)

    def full_batch(self, objective):
        """A `PartitionedLoss`."""
        output_bytes = objective.network.n_hidden_units * self.shape[0] * self.dtype.itemsize
        return PartitionedLoss(objective, self._cluster, self._blocks, output_bytes)

    def iterations(self, objective, state, options, random_state, *, max_iter=None, n_batches=None, order=None):
        """Epochs of local steps with averaging; n_batches and order are ignored.

        In an epoch, every partition starts from the common state and makes one pass of Adam over its own batches. Then
        the parameters and the moments of Adam are averaged over the partitions, by weight. So in an epoch, parameters
        are sent twice for each partition, whatever the number of batches, and no partition waits for another. The
        result depends on the partitions, and not on the workers. The terms of J are averages over the partitions, too.

        References
        ----------
        B. McMahan et al., "Communication-efficient learning of deep networks from decentralized data", 2017,
        algorithm 1.
        """
        largest_n_steps = self.n_batches(options.batch_size)
        while True:
            seeds = self._seeds(random_state)
            common = literal((objective, state, options, max_iter, largest_n_steps))
            nodes = self._blocks.map(_tasks.local_epoch, common, across=seeds)
            sums = self._cluster.merged(partial(_tasks.total_of, n_parts=len(nodes)), nodes)
            means = (array / sums.weight for array in (sums.x, sums.first_moment, sums.second_moment))
            x, first_moment, second_moment = (array.astype(state.x.dtype, copy=False) for array in means)
            state = AdamState(x, first_moment, second_moment, state.n_steps + largest_n_steps)
            yield state, sums.terms / sums.weight

    def outputs_of(self, layers):
        if not layers.coefs:
            return self
        n_bytes = self.shape[0] * layers.coefs[-1].shape[1] * self.dtype.itemsize
        blocks = self._blocks.map(_tasks.layer_outputs, literal(layers))
        return PartitionedData(self._cluster, blocks, n_bytes, self.X, self.sample_weight)

    def mean_squared_error(self, layers):
        nodes = self._blocks.map(_tasks.weighted_error, literal(layers))
        weight, error = self._cluster.merged(_tasks.pairwise_sum, nodes)
        return error / weight

    def code_moments(self, layers):
        nodes = self._blocks.map(_tasks.moments, literal(layers))
        return self._cluster.merged(_tasks.merged_moments, nodes)[1:]

    def hold_out(self, fraction, random_state):
        """Hold out rows of every partition."""
        if not any(int(fraction * n_rows) for n_rows in self._n_rows):
            raise ValueError(
                f"early_stopping=True holds out validation_fraction={fraction} of the rows of every partition, which "
                f"is not one of the {max(self._n_rows)} of the largest. Raise validation_fraction, or set "
                "early_stopping=False."
            )
        seeds = self._seeds(random_state)
        parts = []
        for held_out in (False, True):
            blocks = self._blocks.map(_tasks.split, fraction, held_out, across=seeds)
            share = fraction if held_out else 1 - fraction
            parts.append(PartitionedData(self._cluster, blocks, share * self._n_bytes, self.X, self.sample_weight))
        return tuple(parts)

    def _seeds(self, random_state):
        """A seed for every partition."""
        return random_state.randint(np.iinfo(np.int32).max, size=len(self._blocks)).tolist()


class PartitionedLoss:
    """J and its gradient on all rows of partitions: `FullBatchLoss` on a cluster.

    Each of the two phases has one task for every partition, and a tree of tasks that adds up the results. The workers
    receive theta, and for the second phase what all rows share, and return sums. All of these have the size of the
    parameters, whatever the number of rows.

    Parameters
    ----------
    objective : Objective
    cluster : Cluster
    blocks : Nodes
        The partitions, each a `Block` with its sums.
    output_bytes : int
        Size of the outputs of the layers. They are kept on the workers between the phases if there is room, and
        computed twice if not.
    """

    def __init__(self, objective, cluster, blocks, output_bytes):
        self.objective = objective
        self._cluster = cluster
        self._blocks = blocks
        self._keeps_outputs = cluster.reserve(self, output_bytes)
        self._total = partial(_tasks.total_of, n_parts=len(blocks))
        # The theta of the last evaluation, and what `combine` returned for it.
        self._last = None, None

    def __call__(self, theta):
        """The terms of J and its gradient."""
        common = self._common(theta)
        shared, first = self._first_phase(theta, common)
        self._last = theta, shared
        nodes = self._blocks.map(_tasks.second_phase, common, literal(shared), across=first)
        return self.objective.finish(theta, shared, self._cluster.merged(self._total, nodes))

    def terms(self, theta):
        """The terms of J alone."""
        nodes = self._cluster.persist(self._blocks.map(_tasks.statistics_and_loss, self._common(theta)))
        statistics = self._cluster.merged(self._total, nodes, item=0)
        loss = self._cluster.merged(sum, nodes, item=1)
        return self.objective.terms(theta, self.objective.combine(theta, statistics), loss)

    def parameters(self, theta):
        """All `Layers` of the network for a theta."""
        last_theta, shared = self._last
        if last_theta is not theta:
            shared, _ = self._first_phase(theta, self._common(theta))
        return self.objective.parameters(theta, shared)

    def _common(self, theta):
        """A node with what all tasks of an evaluation need: the objective and theta."""
        return self._cluster.persist(Nodes([literal((self.objective, theta))]))[0]

    def _first_phase(self, theta, common):
        nodes = self._blocks.map(_tasks.first_phase, common, self._keeps_outputs)
        if self._keeps_outputs:
            nodes = self._cluster.persist(nodes)
        statistics = self._cluster.merged(self._total, nodes, item=0)
        return self.objective.combine(theta, statistics), nodes if self._keeps_outputs else [None] * len(nodes)


def score_of(client, X, sample_weight, layers):
    """Mean of (h(x) - x)^2 over the features and the weighted rows of a user's data, which are read once."""
    cluster = Cluster(client)
    blocks, _ = _blocks_of(cluster, X, sample_weight, n_features=len(layers.coefs[0]))
    weight, error = cluster.merged(_tasks.pairwise_sum, blocks.map(_tasks.weighted_error, literal(layers)))
    if not weight:
        raise _no_rows()
    if not np.isfinite(error):
        raise ValueError(
            "The reconstruction error of X is not finite: X is too large for the fitted weights. Give it the scale of "
            "the training data."
        )
    return error / weight


def _blocks_of(cluster, X, sample_weight, n_features=None):
    """The `Nodes` that load a user's data, and their size in bytes, or None if that is not known.

    n_features is the number of features that the data must have, or None for any number.
    """
    parts, n_rows, n_bytes = partitions(X)

    def rows_of_partitions():
        return cluster.result(list(Nodes(parts).map(_tasks.n_rows_of))) if n_rows is None else n_rows

    weights, largest = weight_partitions(sample_weight, len(parts), rows_of_partitions), None
    if sample_weight is not None:
        # Weights are small, and may lie in the memory of this process. Send them to the workers once.
        weights = cluster.persist(Nodes(weights))
        largest = max(cluster.result(list(weights.map(_tasks.largest_weight, across=range(len(parts))))))
        if largest == 0:
            raise no_weight_is_positive()
    task = delayed(_tasks.load, pure=False)
    blocks = [task(i, part, w, largest, n_features) for i, (part, w) in enumerate(zip(parts, weights))]
    return Nodes(blocks), n_bytes


def _no_rows():
    return ValueError("X has no rows: all of its partitions are empty.")


def _check_alike(kinds):
    """Raise a ValueError if partitions differ in the number of features, or only some of them are sparse."""
    first = kinds[0]
    for i, kind in enumerate(kinds):
        if kind.shape[1] != first.shape[1]:
            raise ValueError(
                f"Partition {i} of X has {kind.shape[1]} features, but the first has {first.shape[1]}. All need as "
                "many."
            )
        if kind.is_sparse != first.is_sparse:
            names = ["dense", "sparse"]
            raise ValueError(
                f"Partition {i} of X is {names[kind.is_sparse]}, but the first is {names[first.is_sparse]}. Make all "
                "of one kind."
            )
