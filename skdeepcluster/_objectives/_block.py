"""The block of rows that an objective sees, and sums over rows and over blocks."""

from dataclasses import dataclass, fields
from operator import add, iadd
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from .._arrays import astype, copied, is_numpy, namespace, row_products, rows_of, summed, wide, widest

# Up to this number of blocks, sums are kept in the precision of the data: their rounding error is then no larger than
# that of the products within a block. Sums of more blocks are in float64.
_N_BLOCKS_IN_FLOAT32 = 8

# Number of products that are added in the precision of the data before their sum is added in float64.
_RUN = 1024


class RowSums(NamedTuple):
    """Sums over rows that do not depend on theta.

    Attributes
    ----------
    x_sum : ndarray of shape (d,), float64
        sum_i w_i x_i.
    x_squares : float
        sum_i w_i ||x_i||^2.
    """

    x_sum: np.ndarray
    x_squares: float


class Block(NamedTuple):
    """Rows of the data.

    Attributes
    ----------
    X : ndarray or sparse array of shape (n_rows, d), float32 or float64
        What the network reconstructs.
    sample_weight : ndarray of shape (n_rows,), float64, default=None
        Of mean 1 over all rows of the data; None means ones.
    noisy : ndarray or sparse array of shape (n_rows, d), default=None
        What the network sees instead of X; None means X.
    targets : ndarray of shape (n_rows, n_clusters), default=None
        Soft assignments to clusters to be drawn to, for objectives that cluster.
    sums : RowSums, default=None
        For objectives with `only_products`.
    position : slice, default=None
        Where its rows are in the batch, if they are of one.
    """

    X: np.ndarray
    sample_weight: np.ndarray | None = None
    noisy: np.ndarray | None = None
    targets: np.ndarray | None = None
    sums: RowSums | None = None
    position: slice | None = None

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
        return float(self.n_rows if self.sample_weight is None else summed(self.sample_weight))

    def part(self, rows):
        """The rows of a slice, without sums."""
        arrays = (None if array is None else rows_of(array, rows) for array in self[:4])
        return Block(*arrays)


def row_sums(X, sample_weight):
    """The `RowSums` of rows X, dense or sparse."""
    if issparse(X):
        w = np.ones(X.shape[0]) if sample_weight is None else sample_weight
        return RowSums(X.T @ w, float(w @ (X.power(2) @ np.ones(X.shape[1]))))
    squares = row_products(X, X, widest(X))
    w = namespace(X).ones_like(squares) if sample_weight is None else sample_weight
    return RowSums(sum_over_rows(X, sample_weight), float(w @ squares))


def with_sums_in_the_first(blocks):
    """The blocks as a list in which the first has the sums of all, so that they take no memory in each."""
    kept = []
    for block in blocks:
        if block.sums is not None and kept:
            kept[0] = kept[0]._replace(sums=RowSums(*map(add, kept[0].sums, block.sums)))
            block = block._replace(sums=no_sums(block))
        kept.append(block)
    return kept


def no_sums(block):
    """The `RowSums` of no rows, which take no memory."""
    X = block.X
    return RowSums(np.broadcast_to(0.0, X.shape[1:]) if is_numpy(X) else wide(namespace(X).zeros_like(X[0, :])), 0.0)


@dataclass
class Sums:
    """Base of what is additive over blocks of rows. ``a += b`` overwrites the arrays of a, and leaves b as it is."""

    def __iadd__(self, other):
        for field in fields(self):
            setattr(self, field.name, iadd(getattr(self, field.name), getattr(other, field.name)))
        return self

    def in_float64(self):
        """The same with all arrays in float64."""
        return self._with(wide)

    def copy(self):
        """The same with arrays of its own."""
        return self._with(copied)

    def _with(self, function):
        values = (getattr(self, field.name) for field in fields(self))
        return type(self)(*(function(value) if getattr(value, "ndim", 0) else value for value in values))


def total(parts, n_parts=1):
    """Sum of `Sums`, in the order of parts; overwrites the first of them.

    The arrays are summed in float64 if n_parts, the number of parts, is not small.
    """
    parts = iter(parts)
    result = next(parts)
    if n_parts > _N_BLOCKS_IN_FLOAT32:
        result = result.in_float64()
    for part in parts:
        result += part
    return result


def sum_over_rows(A, sample_weight):
    """Weighted sum of the rows of A, shape (n_columns,), accumulated in float64."""
    if sample_weight is None:
        return summed(A, axis=0)
    return sample_weight @ (A if is_numpy(A) else astype(A, sample_weight.dtype))


def weigh_rows(A, sample_weight):
    """The rows of A times their weights, in place."""
    if sample_weight is not None:
        A *= astype(sample_weight, A.dtype)[:, None]
    return A


def inner_product(A, B):
    """sum_ij A_ij B_ij of contiguous arrays of one shape, in float64 but for runs of 1024 products."""
    if not is_numpy(A):
        # Other libraries sum in the manner of a tree.
        return wide(namespace(A).sum(A * B))
    a, b = np.ravel(A), np.ravel(B)
    n_in_runs = a.size // _RUN * _RUN
    runs = row_products(a[:n_in_runs].reshape(-1, _RUN), b[:n_in_runs].reshape(-1, _RUN))
    return summed(runs) + float(np.dot(a[n_in_runs:], b[n_in_runs:]))
