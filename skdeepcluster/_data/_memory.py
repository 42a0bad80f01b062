"""Training data in the memory of this process."""

import math
import sys
from functools import partial
from itertools import chain, islice
from operator import attrgetter

import numpy as np
from scipy.sparse import issparse

from .._arrays import like, namespace, numpy_dtype, rows_of
from .._objectives import Block
from .._solvers import adam, falling_step
from ._batches import BatchOrder, epoch_of_batches, n_batches_of, pass_of_neighborhoods
from ._full_batch import FullBatchLoss
from ._mapped import MappedRows, memory_map
from ._mini_batch import MiniBatchLoss
from ._passes import code_moments, column_ranges, feature_moments, mean_squared_error, outputs_of
from ._source import DataSource
from ._weights import of_mean_one

# Bytes of a mapped file up to which its parts are copied for early stopping. Those of a larger file stay in it.
_COPIED_BYTES = 2**27

# Share of the steps in which the step of Adam rises, with neighbours. Full steps from the start can collapse a code.
_WARM_UP = 0.1


class DataInMemory(DataSource):
    """Rows in the memory of this process, or in a file that is mapped.

    Parameters
    ----------
    X : ndarray, CSR or MappedRows of shape (n_rows, n_features), float32 or float64
    sample_weight : ndarray of shape (n_rows,) or None
        Of mean 1.
    workers : Workers
    targets : ndarray of shape (n_rows, n_clusters), default=None
        Soft assignments of the rows to clusters, for objectives that cluster, which may change between iterations.
    neighbors : ndarray of int of shape (n_rows, n_neighbors), default=None
        The nearest rows of every row. With them, batches are groups of neighbours.
    """

    is_local = True

    def __init__(self, X, sample_weight, workers, targets=None, neighbors=None):
        self.X = X
        self.sample_weight = sample_weight
        self.targets = targets
        self.neighbors = neighbors
        self._workers = workers

    @property
    def shape(self):
        return self.X.shape

    @property
    def dtype(self):
        return numpy_dtype(self.X)

    @property
    def is_sparse(self):
        return issparse(self.X)

    @property
    def largest(self):
        lows, highs = column_ranges(self.X)
        return max(highs.max(), -lows.min())

    @property
    def rows_differ(self):
        lows, highs = column_ranges(self.X)
        return bool((lows < highs).any())

    @property
    def total_variance(self):
        variances = feature_moments(self.X, self.sample_weight)[1]
        return float(namespace(variances).sum(variances))

    def n_batches(self, batch_size):
        return n_batches_of(self.shape[0], batch_size)

    def full_batch(self, objective):
        """A `FullBatchLoss`."""
        return FullBatchLoss(objective, Block(self.X, self.sample_weight), self._workers)

    def iterations(self, objective, state, options, random_state, *, max_iter=None, n_batches=None, order=None):
        """By `adam`, batch after batch."""
        order = BatchOrder() if order is None else order
        epoch = self._epoch(options, random_state if options.shuffle else None, order)
        batches, batches_per_iteration = epoch, self.n_batches(options.batch_size)
        if n_batches is not None:
            endless = chain.from_iterable(iter(epoch, None))
            batches_per_iteration = n_batches
            # update_interval may be any integer, but islice takes none above sys.maxsize.
            batches = partial(islice, endless, min(n_batches, sys.maxsize))
        loss = MiniBatchLoss(
            objective,
            self._workers,
            targets=self.targets,
            augment=options.augment,
            corruption=options.corruption,
            random_state=random_state,
        )
        n_steps = np.inf if max_iter is None else max_iter * batches_per_iteration
        warm_up = 0 if self.neighbors is None or max_iter is None else _WARM_UP * n_steps
        step_size = falling_step(options.learning_rate_init, n_steps, warm_up)
        weight_of = attrgetter("n_rows")
        return adam(loss, state, batches=batches, weight_of=weight_of, step_size=step_size, map_=self._workers.map)

    def _epoch(self, options, random_state, order):
        """A function that generates batches, until all rows have been seen."""
        if self.neighbors is None:
            return partial(epoch_of_batches, self.X, self.sample_weight, options.batch_size, random_state, order)
        return partial(
            pass_of_neighborhoods,
            self.X,
            self.sample_weight,
            self.neighbors,
            options.group_size,
            options.batch_size,
            random_state,
            order,
        )

    def placed(self, array):
        return like(array, self.X)

    def with_neighbors(self, neighbors):
        """The same rows with the graph of their neighbours."""
        return DataInMemory(self.X, self.sample_weight, self._workers, self.targets, neighbors)

    def mean_over_neighborhoods(self, value, layers, options):
        """The mean of a function of the code and the weights of a batch of neighbours.

        The batches are as many as all rows make, and drawn anew by the same generator at every call.

        Parameters
        ----------
        value : callable
            ``value(code, sample_weight)``.
        layers : Layers
            The encoder.
        options : TrainingOptions
        """
        code, order = outputs_of(self.X, layers), BatchOrder()
        batches = self._epoch(options, np.random.RandomState(0), order)()
        values, weights = [], []
        for batch in islice(batches, self.n_batches(options.batch_size)):
            w = None if self.sample_weight is None else rows_of(self.sample_weight, batch.rows)
            values.append(value(rows_of(code, batch.rows), w))
            weights.append(batch.n_rows)
        return float(np.average(values, weights=weights))

    @property
    def map(self):
        """`map` with the items shared among threads."""
        return self._workers.map

    def with_targets(self, targets):
        """The same rows with their targets."""
        return DataInMemory(self.X, self.sample_weight, self._workers, targets, self.neighbors)

    def outputs_of(self, layers):
        return DataInMemory(outputs_of(self.X, layers), self.sample_weight, self._workers)

    def mean_squared_error(self, layers):
        return mean_squared_error(self.X, self.sample_weight, layers, self._workers.map)

    def code_moments(self, layers):
        return code_moments(self.X, self.sample_weight, lambda rows: layers.outputs(rows)[-1])

    def hold_out(self, fraction, random_state):
        """The rows are drawn at random. They depend on the number of rows, the fraction and random_state alone."""
        n_rows = self.shape[0]
        n_held_out = math.ceil(fraction * n_rows)
        if n_held_out >= n_rows:
            raise ValueError(
                f"early_stopping=True holds out validation_fraction={fraction} of the rows, which leaves none of the "
                f"{n_rows} to train on. Lower validation_fraction, or set early_stopping=False."
            )
        drawn = random_state.permutation(n_rows)
        return self._rows(np.sort(drawn[n_held_out:])), self._rows(np.sort(drawn[:n_held_out]))

    def _rows(self, which):
        """Data of some of the rows, whose weights have mean 1 again."""
        stay_in_file = memory_map(self.X) is not None and self.X.nbytes > _COPIED_BYTES
        X = MappedRows(self.X, which) if stay_in_file else rows_of(self.X, which)
        if self.sample_weight is None:
            return DataInMemory(X, None, self._workers)
        return DataInMemory(X, of_mean_one(rows_of(self.sample_weight, which)), self._workers)
