"""An objective on a batch of rows, which may be augmented and corrupted."""

import numpy as np
from scipy.sparse import issparse

from .._arrays import astype, device_of, is_numpy, like, rows_of
from .._objectives import Block, row_sums, total
from .._support._checks import check_table
from .._support._threads import equal_slices

# Rows of a batch in a block, and the largest number of blocks: each needs memory for its error signals.
_BATCH_BLOCK_ROWS, _MAX_BATCH_BLOCKS = 128, 8


class MiniBatchLoss:
    """The terms of J and the pieces of its gradient on a `Batch`, as a function of theta and the batch.

    Parameters
    ----------
    objective : BatchObjective
    workers : Workers
    targets : ndarray of shape (n_all_rows, n_clusters), default=None
        Those of `Block`, of all rows of the data.
    augment : callable, default=None
        ``augment(X, random_state)`` returns what is learned from in place of the rows X of a batch.
    corruption : float in [0, 1), default=0.0
        Probability with which the network sees a zero in place of a number (masking noise).
    random_state : numpy.random.RandomState
        Draws both, in the calling thread.

    References
    ----------
    P. Vincent et al., "Stacked denoising autoencoders", 2010, section 3.3.
    """

    def __init__(self, objective, workers, *, targets=None, augment=None, corruption=0.0, random_state=None):
        self.objective = objective
        self._workers = workers
        self._targets = targets
        self._augment = augment
        self._corruption = corruption
        self._random_state = random_state

    def __call__(self, theta, batch):
        objective = self.objective
        X, sample_weight, rows, indices = batch
        n_blocks = min(-(-len(rows) // _BATCH_BLOCK_ROWS), _MAX_BATCH_BLOCKS)
        if objective.has_large_blocks:
            # Products of 256 rows take half the time, for each row, of those of 128.
            n_blocks = min(n_blocks, max(2, n_blocks // 2))
        if issparse(X) or not is_numpy(X):
            n_blocks = 1
        augmented = augmented_rows(self._augment, rows_of(X, rows), self._random_state) if self._augment else None
        kept = self._draw((len(rows), X.shape[1])) if self._corruption and not issparse(X) else None

        def forward(part):
            clean = rows_of(X, rows[part]) if augmented is None else rows_of(augmented, part)
            w = None if sample_weight is None else rows_of(sample_weight, rows[part])
            noisy = None
            if self._corruption:
                noisy = self._masked(clean) if kept is None else clean * _factors(kept[part], clean)
            targets = None if self._targets is None else rows_of(self._targets, indices[part])
            sums = row_sums(clean, w) if objective.only_products else None
            block = Block(clean, w, noisy, targets, sums, part)
            outputs = objective.forward(theta, block)
            return block, outputs, objective.statistics(theta, block, outputs)

        parts = list(self._workers.map(forward, equal_slices(len(rows), n_blocks)))
        statistics = total((statistics for _, _, statistics in parts), n_blocks)
        shared = objective.combine(theta, statistics, self._workers.map)

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


def _factors(kept, X):
    """What to multiply the numbers of X by, of which some are kept."""
    return kept if is_numpy(X) else astype(like(kept, X), X.dtype)


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
        # StopIteration would end the generator of batches, as if the epoch were over.
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
    if not is_numpy(X) and (type(augmented) is not type(X) or device_of(augmented) != device_of(X)):
        raise ValueError(
            f"augment={augment!r} made {type(augmented).__name__} of rows, {type(X).__name__} on {device_of(X)}, or "
            "moved them. It must return what it gets: an array of the same library, on the same device."
        )
    return check_table(augmented, "from augment", sparse=issparse(X), dtype=X.dtype, in_library=not is_numpy(X))
