"""Objectives on whole data sets and on batches, block by block."""

import numpy as np
from scipy.sparse import issparse

from ._inputs import check_table
from ._network import propagate
from ._objectives import Block, LinearDecoderObjective, half_squared_error, soft_assignments, total, without_sums
from ._rows import PageRelease, ThreadedCSR, block_slices, equal_slices

# Activations are kept between the two phases of an evaluation up to this many bytes, and computed twice beyond.
_MAX_KEPT_BYTES = 2**30

# Blocks of a sparse X for networks with several hidden layers.
_MAX_SPARSE_BLOCKS = 16

# Rows of a batch that one thread works on, unless that makes more blocks: each has a gradient of its own.
_BATCH_BLOCK_ROWS, _MAX_BATCH_BLOCKS = 128, 8


class RowBlocks:
    """The two phases of an evaluation on rows that are here: all of the data, or a part of them.

    Parameters
    ----------
    objective : SparseAutoencoderObjective or LinearDecoderObjective
    X : ndarray or CSR of shape (n_rows, n_features)
    sample_weight : ndarray of shape (n_rows,) or None
    workers : Workers
    sums : pair of x_sum and x_squares, default=None
        Those of a `Block` of all rows, if they are known.
    """

    def __init__(self, objective, X, sample_weight, workers, sums=None):
        self.objective = objective
        self._workers = workers
        self._pages = PageRelease(X)
        n_units = sum(objective.network.layer_sizes[1:-1])
        linear = isinstance(objective, LinearDecoderObjective)
        slices = block_slices(*X.shape, n_units)
        products_alone = issparse(X) and linear and len(objective.network.activations) == 2
        if issparse(X) and linear:
            # The sums over rows have the size of the dense parameters, whatever the block: one block has them once. But
            # dense products between hidden layers want more than one.
            slices = equal_slices(X.shape[0], 1 if products_alone else min(_MAX_SPARSE_BLOCKS, len(slices)))
        if sums is None:
            self._blocks = without_sums(workers.map(lambda rows: self._prepare(X, sample_weight, rows), slices))
            if products_alone:
                self._blocks = [block._replace(X=ThreadedCSR(block.X, workers)) for block in self._blocks]
        else:
            no_sums = np.broadcast_to(0.0, X.shape[1:]), 0.0
            self._blocks = [
                Block(X[rows], None if sample_weight is None else sample_weight[rows], None, None, *no_sums)
                for rows in slices
            ]
            self._blocks[0] = self._blocks[0]._replace(x_sum=sums[0], x_squares=sums[1])

    def _prepare(self, X, sample_weight, rows):
        block = self.objective.prepare(X[rows], None if sample_weight is None else sample_weight[rows])
        self._pages.after_reading(block.X)
        return block

    def statistics(self, theta, *, keep_outputs):
        """The statistics of all rows; and the outputs of every block, or None."""
        outputs = [None] * len(self._blocks) if keep_outputs else None

        def statistics(i):
            block = self._blocks[i]
            computed = self.objective.forward(theta, block)
            if outputs:
                outputs[i] = computed
            self._pages.after_reading(block.X)
            return self.objective.statistics(theta, block, computed)

        return total(self._workers.map(statistics, range(len(self._blocks))), len(self._blocks)), outputs

    def statistics_and_loss(self, theta):
        """What the terms of J need of all rows."""
        losses = []

        def of_block(block):
            outputs = self.objective.forward(theta, block)
            statistics = self.objective.statistics(theta, block, outputs)
            loss = self.objective.loss(theta, block, outputs)
            self._pages.after_reading(block.X)
            return statistics, loss

        def statistics():
            for of_one, loss in self._workers.map(of_block, self._blocks):
                losses.append(loss)
                yield of_one

        return total(statistics(), len(self._blocks)), sum(losses)

    def gradient_sums(self, theta, outputs, shared):
        """The `GradientSums` of all rows, given what `statistics` returned of the outputs."""

        def gradient_sums(i):
            block = self._blocks[i]
            kept = outputs[i] if outputs else self.objective.forward(theta, block)
            sums = self.objective.gradient_sums(theta, block, kept, shared)
            self._pages.after_reading(block.X)
            return sums

        return total(self._workers.map(gradient_sums, range(len(self._blocks))), len(self._blocks))


class FullBatch:
    """J and its gradient on all rows, block by block, as a function of the objective's theta.

    Parameters
    ----------
    objective, X, sample_weight, workers
        As in `RowBlocks`.
    """

    def __init__(self, objective, X, sample_weight, workers):
        self.objective = objective
        self._rows = RowBlocks(objective, X, sample_weight, workers)
        # Where the last evaluation was, and what it had in common for all rows.
        self._last = None, None
        n_units = sum(objective.network.layer_sizes[1:-1])
        self._keeps_outputs = n_units * X.shape[0] * X.dtype.itemsize <= _MAX_KEPT_BYTES

    def __call__(self, theta):
        """The terms of J and its gradient."""
        shared, outputs = self._first_phase(theta)
        self._last = theta, shared
        return self.objective.finish(theta, shared, self._rows.gradient_sums(theta, outputs, shared))

    def terms(self, theta):
        """The terms of J alone, which cost less than half."""
        statistics, loss = self._rows.statistics_and_loss(theta)
        return self.objective.terms(theta, self.objective.combine(theta, statistics), loss)

    def parameters(self, theta):
        """The (coefs, intercepts) of all layers, for the theta of the objective."""
        last_theta, shared = self._last
        return self.objective.parameters(theta, shared if last_theta is theta else self._first_phase(theta)[0])

    def _first_phase(self, theta):
        statistics, outputs = self._rows.statistics(theta, keep_outputs=self._keeps_outputs)
        return self.objective.combine(theta, statistics), outputs


class MiniBatch:
    """The terms of J and the pieces of its gradient on a `Batch`.

    Parameters
    ----------
    objective : SparseAutoencoderObjective, LinearDecoderObjective or EmbeddedClusteringObjective
    workers : Workers
    augment : callable or None
        ``augment(X, random_state)`` returns what is learned from in place of the rows X of a batch.
    corruption : float in [0, 1)
        Probability with which the network sees a zero in place of a number (masking noise).
    random_state : numpy.random.RandomState
        Draws both, in the calling thread.

    References
    ----------
    P. Vincent et al., "Stacked denoising autoencoders", 2010, section 3.3.
    """

    def __init__(self, objective, workers, *, augment=None, corruption=0.0, random_state=None):
        self.objective = objective
        self._workers = workers
        self._augment = augment
        self._corruption = corruption
        self._random_state = random_state

    def __call__(self, theta, batch):
        objective = self.objective
        X, sample_weight, rows, _, targets = batch
        n_blocks = 1 if issparse(X) else min(-(-len(rows) // _BATCH_BLOCK_ROWS), _MAX_BATCH_BLOCKS)
        augmented = augmented_rows(self._augment, X[rows], self._random_state) if self._augment else None
        kept = self._draw((len(rows), X.shape[1])) if self._corruption and not issparse(X) else None

        def forward(part):
            clean = X[rows[part]] if augmented is None else augmented[part]
            w = None if sample_weight is None else sample_weight[rows[part]]
            noisy = clean * kept[part] if kept is not None else self._masked(clean) if self._corruption else None
            block = objective.prepare(clean, w, noisy)
            if targets is not None:
                block = block._replace(targets=targets[part])
            outputs = objective.forward(theta, block)
            return block, outputs, objective.statistics(theta, block, outputs)

        parts = list(self._workers.map(forward, equal_slices(len(rows), n_blocks)))
        shared = objective.combine(theta, total((statistics for _, _, statistics in parts), n_blocks))

        def error_signals(part):
            block, outputs, _ = part
            return objective.error_signals(theta, block, outputs, shared)

        return objective.finish_in_pieces(theta, shared, list(self._workers.map(error_signals, parts)))

    def _masked(self, X):
        """A copy of a sparse X with noise."""
        noisy = X.copy()
        noisy.data *= self._draw(X.nnz)
        return noisy

    def _draw(self, shape):
        """True where a number is kept."""
        return self._random_state.randint(2**16, size=shape, dtype=np.uint16) >= round(self._corruption * 2**16)


def augmented_rows(augment, X, random_state):
    """What a user's function makes of the rows X, as an array of the same kind and type.

    Raises
    ------
    ValueError
        If it is not of the same shape, or not finite.
    Exception
        What the function raises, with a note that says whose it is.
    """
    try:
        augmented = augment(X, random_state)
    except StopIteration as error:
        # The end of the generators that this goes through.
        raise RuntimeError(f"augment={augment!r} raised StopIteration.") from error
    except Exception as error:
        error.add_note(f"This comes from augment={augment!r}, which is called as augment(X, random_state).")
        raise
    shape = getattr(augmented, "shape", None)
    if shape != X.shape:
        raise ValueError(
            f"augment={augment!r} turned rows of shape {X.shape} into {type(augmented).__name__} of shape {shape}. It "
            "must return an array of as many rows of as many features."
        )
    return check_table(augmented, "from augment", sparse=issparse(X), dtype=X.dtype)


def mean_squared_error(X, sample_weight, coefs, intercepts, activations, map_=map):
    """Weighted mean over rows, and mean over features, of (h(x) - x)^2, with the blocks of rows shared by map_."""
    pages = PageRelease(X)

    def squares_of(rows):
        block, w = X[rows], None if sample_weight is None else sample_weight[rows]
        H = propagate(block, coefs, intercepts, activations)[-1]
        pages.after_reading(block)
        return 2 * half_squared_error(H, block.toarray() if issparse(block) else block, w, out=H)[0]

    squares = sum(map_(squares_of, block_slices(*X.shape, sum(b.size for b in intercepts))))
    return float(squares / (X.shape[0] if sample_weight is None else sample_weight.sum()) / X.shape[1])


def assign_rows(X, network, coefs, intercepts, centers, unit, alpha, map_=map):
    """Soft assignments of the rows of X to the centres, shape (n_rows, n_clusters), with the blocks shared by map_."""
    encoder = slice(network.n_encoder_layers)
    pages = PageRelease(X)

    def assign(rows):
        block = X[rows]
        code = propagate(block, coefs[encoder], intercepts[encoder], network.activations[encoder])[-1]
        pages.after_reading(block)
        return soft_assignments(code / unit, centers / unit, alpha)[0]

    slices = block_slices(*X.shape, sum(network.layer_sizes[1 : network.n_encoder_layers + 1]))
    return np.concatenate(list(map_(assign, slices)))
