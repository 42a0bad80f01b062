"""An objective on all rows, block by block."""

from scipy.sparse import issparse

from .._arrays import numpy_dtype, to_numpy
from .._objectives import gradient_sums, row_sums, total
from .._objectives._block import no_sums, with_sums_in_the_first
from .._support._threads import equal_slices
from ._mapped import pages_of, part_of, read
from ._passes import block_slices
from ._sparse import ThreadedCSR

# Outputs of layers are kept for the second phase of an evaluation if they need no more bytes than this. Otherwise they
# are computed twice.
_MAX_KEPT_BYTES = 2**30

# Largest number of blocks of a sparse X, for networks with several hidden layers.
_MAX_SPARSE_BLOCKS = 16


class RowBlocks:
    """The phases of an evaluation that look at rows, for rows that are here: all of the data, or a part of them.

    Parameters
    ----------
    objective : Objective
    rows : Block
        With its sums, if they are known already.
    workers : Workers
    """

    def __init__(self, objective, rows, workers):
        self.objective = objective
        self._workers = workers
        self._pages = pages_of(rows.X)
        network = objective.network
        slices = block_slices(rows.X, network.n_hidden_units)
        sparse_products = issparse(rows.X) and objective.only_products
        one_hidden_layer = len(network.activations) == 2
        if sparse_products:
            # Every block has sums of the size of the parameters, which is large beside sparse rows: one block is best.
            # Hidden layers above the first are dense, and their products want several threads.
            n_blocks = 1 if one_hidden_layer else min(_MAX_SPARSE_BLOCKS, len(slices))
            slices = equal_slices(rows.X.shape[0], n_blocks)
        without_X = rows._replace(X=None)
        self._blocks = [without_X.part(part)._replace(X=part_of(rows.X, part)) for part in slices]
        if not objective.only_products:
            return
        if rows.sums is None:
            sums = self._map(lambda i, block: row_sums(block.X, block.sample_weight))
            self._blocks = with_sums_in_the_first(map(_with_sums, self._blocks, sums))
            if sparse_products and one_hidden_layer:
                self._blocks = [block._replace(X=ThreadedCSR(block.X, workers)) for block in self._blocks]
        else:
            self._blocks = [block._replace(sums=no_sums(block)) for block in self._blocks]
            self._blocks[0] = self._blocks[0]._replace(sums=rows.sums)

    def _map(self, function):
        """``function(i, block)`` of every block in order, shared among threads, with the pages given back."""

        def of_block(i):
            block = self._blocks[i]
            result = function(i, block._replace(X=read(block.X)))
            if self._pages is not None:
                self._pages.after_reading(block.X)
            return result

        return self._workers.map(of_block, range(len(self._blocks)))

    def statistics(self, theta, *, keep_outputs):
        """The statistics of all rows; and the outputs of every block, or None."""
        outputs = [None] * len(self._blocks) if keep_outputs else None

        def statistics(i, block):
            computed = self.objective.forward(theta, block)
            if outputs:
                outputs[i] = computed
            return self.objective.statistics(theta, block, computed)

        return total(self._map(statistics), len(self._blocks)), outputs

    def statistics_and_loss(self, theta):
        """What the terms of J need of all rows."""
        losses = []

        def of_block(i, block):
            outputs = self.objective.forward(theta, block)
            return self.objective.statistics(theta, block, outputs), self.objective.loss(theta, block, outputs)

        def statistics():
            for of_one, loss in self._map(of_block):
                losses.append(loss)
                yield of_one

        return total(statistics(), len(self._blocks)), sum(losses)

    def gradient_sums(self, theta, outputs, shared):
        """The `GradientSums` of all rows, given what `statistics` returned of the outputs."""

        def sums_of(i, block):
            kept = outputs[i] if outputs else self.objective.forward(theta, block)
            return gradient_sums(self.objective.layout, self.objective.error_signals(theta, block, kept, shared))

        return total(self._map(sums_of), len(self._blocks))


def _with_sums(block, sums):
    return block._replace(sums=sums)


class FullBatchLoss:
    """J and its gradient on all rows, as a function of the objective's theta.

    Parameters
    ----------
    objective : Objective
    rows : Block
        All of the data.
    workers : Workers
    """

    def __init__(self, objective, rows, workers):
        self.objective = objective
        self._rows = RowBlocks(objective, rows, workers)
        # The theta of the last evaluation, and what all rows shared there.
        self._last = None, None
        n_outputs = objective.network.n_hidden_units * rows.n_rows
        self._keeps_outputs = n_outputs * numpy_dtype(rows.X).itemsize <= _MAX_KEPT_BYTES

    def __call__(self, theta):
        """The terms of J and its gradient."""
        shared, outputs = self._first_phase(theta)
        self._last = theta, shared
        terms, gradient = self.objective.finish(theta, shared, self._rows.gradient_sums(theta, outputs, shared))
        return to_numpy(terms), gradient

    def terms(self, theta):
        """The terms of J alone, which cost less than half."""
        statistics, loss = self._rows.statistics_and_loss(theta)
        return to_numpy(self.objective.terms(theta, self.objective.combine(theta, statistics), loss))

    def parameters(self, theta):
        """All `Layers`, for the theta of the objective."""
        last_theta, shared = self._last
        return self.objective.parameters(theta, shared if last_theta is theta else self._first_phase(theta)[0])

    def _first_phase(self, theta):
        statistics, outputs = self._rows.statistics(theta, keep_outputs=self._keeps_outputs)
        return self.objective.combine(theta, statistics), outputs
