"""What the objectives share: the block of rows that they see, and sums over blocks."""

from operator import iadd
from typing import NamedTuple

import numpy as np

# A float32 sum over so few blocks is as exact as the products within them.
_N_BLOCKS_IN_FLOAT32 = 8


class Block(NamedTuple):
    """Rows of the data.

    Attributes
    ----------
    X : ndarray or sparse array of shape (n_rows, d), float32 or float64
        What the network reconstructs.
    sample_weight : ndarray of shape (n_rows,), float64, or None
        Of mean 1 over all rows of the data; None means ones.
    noisy : ndarray or sparse array of shape (n_rows, d), or None
        What the network sees instead of X; None means X.
    targets : ndarray of shape (n_rows, n_clusters), or None
        Soft assignments to clusters to be drawn to, for objectives that cluster.
    x_sum, x_squares : ndarray of shape (d,) and float, or None
        sum_i w_i x_i and sum_i w_i ||x_i||^2, for objectives that need them.
    """

    X: np.ndarray
    sample_weight: np.ndarray | None
    noisy: np.ndarray | None = None
    targets: np.ndarray | None = None
    x_sum: np.ndarray | None = None
    x_squares: float | None = None

    @property
    def inputs(self):
        """What the network sees."""
        return self.X if self.noisy is None else self.noisy

    @property
    def n_rows(self):
        return self.X.shape[0]

    @property
    def weight(self):
        """Sum of the sample weights."""
        return float(self.n_rows if self.sample_weight is None else self.sample_weight.sum())


def total(parts, n_parts=1):
    """Sum of NamedTuples, field by field and in the order of parts; overwrites the first of them.

    The arrays are summed in float64 if n_parts, the number of parts, is not small.
    """
    parts = iter(parts)
    result = next(parts)
    if n_parts > _N_BLOCKS_IN_FLOAT32:
        result = type(result)(*map(_in_float64, result))
    for part in parts:
        result = type(result)(*map(iadd, result, part))
    return result


def without_sums(blocks):
    """The blocks as a list in which the first has the sums of all, so that they take no memory in each."""
    kept = []
    for block in blocks:
        if block.x_sum is not None and kept:
            x_sum, x_squares = kept[0].x_sum + block.x_sum, kept[0].x_squares + block.x_squares
            kept[0] = kept[0]._replace(x_sum=x_sum, x_squares=x_squares)
            block = block._replace(x_sum=np.broadcast_to(0.0, block.x_sum.shape), x_squares=0.0)
        kept.append(block)
    return kept


def sum_over_rows(A, sample_weight):
    """Weighted sum of the rows of A, shape (n_columns,), accumulated in float64."""
    if sample_weight is None:
        return A.sum(axis=0, dtype=np.float64)
    return sample_weight @ A


def weigh_rows(A, sample_weight):
    """The rows of A times their weights, in place."""
    if sample_weight is not None:
        A *= sample_weight[:, np.newaxis].astype(A.dtype, copy=False)
    return A


def _in_float64(field):
    return field.astype(np.float64, copy=False) if isinstance(field, np.ndarray) else field
