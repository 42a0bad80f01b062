"""Objectives on whole data sets and on batches, block by block."""

import numpy as np
from scipy.sparse import issparse

from ._objectives import LinearDecoderObjective, total, without_sums
from ._rows import PageRelease, ThreadedCSR, block_slices, equal_slices

# Activations are kept between the two phases of an evaluation up to this many bytes, and computed twice beyond.
_MAX_KEPT_BYTES = 2**30

# Rows of a batch that one thread works on, unless that makes more blocks: each has a gradient of its own.
_BATCH_BLOCK_ROWS, _MAX_BATCH_BLOCKS = 128, 8


class FullBatch:
    """J and its gradient on all rows, block by block, as a function of the objective's theta.

    Parameters
    ----------
    objective : SparseAutoencoderObjective or LinearDecoderObjective
    X : ndarray or CSR of shape (n_rows, n_features)
    sample_weight : ndarray of shape (n_rows,) or None
    workers : Workers
    """

    def __init__(self, objective, X, sample_weight, workers):
        self.objective = objective
        self._workers = workers
        self._pages = PageRelease(X)
        n_units = sum(objective.network.layer_sizes[1:-1])
        if issparse(X) and isinstance(objective, LinearDecoderObjective):
            # The sums over rows have the size of the dense parameters, whatever the block: one block has them once.
            block = objective.prepare(X, sample_weight)
            self._blocks = [block._replace(X=ThreadedCSR(X, workers))]
        else:
            slices = block_slices(*X.shape, n_units)
            self._blocks = without_sums(workers.map(lambda rows: self._prepare(X, sample_weight, rows), slices))
        self._keeps_outputs = n_units * X.shape[0] * X.dtype.itemsize <= _MAX_KEPT_BYTES

    def _prepare(self, X, sample_weight, rows):
        block = self.objective.prepare(X[rows], None if sample_weight is None else sample_weight[rows])
        self._pages.after_reading(block.X)
        return block

    def __call__(self, theta):
        """J and its gradient."""
        return self._evaluate(theta)[:2]

    def value_and_activations(self, theta):
        """J, and the mean activations of the penalised units."""
        value, _, shared = self._evaluate(theta)
        return value, shared.rho_hat

    def parameters(self, theta):
        """The (coefs, intercepts) of all layers, for the theta of the objective."""
        return self.objective.parameters(theta, self._first_phase(theta)[0])

    def _evaluate(self, theta):
        shared, outputs = self._first_phase(theta)

        def gradient_sums(i):
            block = self._blocks[i]
            kept = outputs[i] if self._keeps_outputs else self.objective.forward(theta, block)
            sums = self.objective.gradient_sums(theta, block, kept, shared)
            self._pages.after_reading(block.X)
            return sums

        sums = total(self._workers.map(gradient_sums, range(len(self._blocks))), len(self._blocks))
        return *self.objective.finish(theta, shared, sums), shared

    def _first_phase(self, theta):
        outputs = [None] * len(self._blocks)

        def statistics(i):
            block = self._blocks[i]
            computed = self.objective.forward(theta, block)
            if self._keeps_outputs:
                outputs[i] = computed
            self._pages.after_reading(block.X)
            return self.objective.statistics(theta, block, computed)

        statistics = total(self._workers.map(statistics, range(len(self._blocks))), len(self._blocks))
        return self.objective.combine(theta, statistics), outputs


class MiniBatch:
    """J and its gradient on a batch (X, sample_weight, rows), as `shuffled_batches` gives them."""

    def __init__(self, objective, workers):
        self.objective = objective
        self._workers = workers
        # Gradients of the blocks of a batch: memory that is new costs more than what is written to it.
        self._gradients = []

    def __call__(self, theta, batch):
        objective = self.objective
        X, sample_weight, rows = batch
        n_blocks = 1 if issparse(X) else min(-(-len(rows) // _BATCH_BLOCK_ROWS), _MAX_BATCH_BLOCKS)

        def forward(part):
            in_block = rows[part]
            block = objective.prepare(X[in_block], None if sample_weight is None else sample_weight[in_block])
            outputs = objective.forward(theta, block)
            return block, outputs, objective.statistics(theta, block, outputs)

        parts = list(self._workers.map(forward, equal_slices(len(rows), n_blocks)))
        shared = objective.combine(theta, total((statistics for _, _, statistics in parts), n_blocks))
        self._gradients += [np.empty_like(theta) for _ in range(n_blocks - len(self._gradients))]

        def gradient_sums(i):
            block, outputs, _ = parts[i]
            return objective.gradient_sums(theta, block, outputs, shared, out=self._gradients[i])

        return objective.finish_in_slices(theta, shared, list(self._workers.map(gradient_sums, range(n_blocks))))
