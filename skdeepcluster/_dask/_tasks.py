"""What runs on the workers: functions of a partition.

Other tasks may use the inputs of a task, too, so a task must not change them.
"""

from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.utils import assert_all_finite

from .._data import (
    DataInMemory,
    RowBlocks,
    code_moments,
    column_ranges,
    feature_moments,
    iterate_blocks,
    mean_squared_error,
    n_batches_of,
    outputs_of,
    shares_of_largest,
)
from .._objectives import Block, RowSums, Sums, row_sums, total
from .._solvers import AdamState
from .._support._checks import check_table, finite_outputs
from .._support._threads import single_threaded
from ._numbers import check_numbers
from ._worker import on_worker


class Facts(NamedTuple):
    """Figures of one or more partitions, only of rows of positive weight.

    Attributes
    ----------
    n_rows : int
    weight : float
        Sum of the weights.
    lows, highs : ndarrays of shape (n_features,)
        The least and the largest value of every feature.
    squares : ndarray of shape (n_features,)
        Weighted sums of squares.
    """

    n_rows: int
    weight: float
    lows: np.ndarray
    highs: np.ndarray
    squares: np.ndarray


class Kind(NamedTuple):
    """Shape and type of a loaded partition.

    Attributes
    ----------
    shape : tuple
    dtype : numpy.dtype
    is_sparse : bool
    n_bytes : int
    """

    shape: tuple
    dtype: np.dtype
    is_sparse: bool
    n_bytes: int


def n_rows_of(part):
    """Number of rows of a partition as the user gave it."""
    return part.shape[0] if hasattr(part, "shape") else len(part)


@on_worker
def largest_weight(weights, index):
    """The largest of the weights of a partition, which are checked; -inf if it has no rows."""
    return float(np.max(_checked_weights(weights, index), initial=-np.inf))


@on_worker
def load(index, part, weights, largest, n_features=None):
    """The rows of positive weight of a partition, as a `Block` with its sums.

    float32 stays float32, all else becomes float64. The weights of the block are shares of the largest of all
    partitions. n_features is the number of features that it must have, or None for any number.
    """
    if len(np.shape(part)) != 2:
        raise ValueError(
            f"Partition {index} of X has the shape {np.shape(part)}, but a table of rows and features has 2 dimensions."
        )
    name = f"partition {index} of X"
    check_numbers(part, name)
    X = check_table(part, name, sparse=True, order="C", ensure_min_samples=0, ensure_all_finite=False)
    if n_features is not None and X.shape[1] != n_features:
        raise ValueError(f"{name} has {X.shape[1]} features, but {n_features} are expected.")
    if issparse(X):
        # Dask can tell the size in memory of a sparse matrix, but not of a sparse array.
        X = csr_matrix(X)
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
    shares = None
    if weights is not None:
        shares = shares_of_largest(_checked_weights(weights, index, X.shape[0]), largest)
        if not (shares > 0).all():
            X, shares = X[shares > 0], shares[shares > 0]
        if (shares == 1).all():
            shares = None
    assert_all_finite(X, input_name=name)
    return _with_sums(X, shares)


def _checked_weights(weights, index, n_rows=None):
    name = f"partition {index} of sample_weight"
    check_numbers(weights, name)
    weights = check_table(weights, name, ensure_2d=False, allow_nd=True, dtype=np.float64, ensure_min_samples=0)
    if weights.ndim == 0 or weights.size != len(weights):
        raise ValueError(f"{name} has the shape {weights.shape}, but a row has one weight. Give one column.")
    weights = weights.ravel()
    if n_rows is not None and len(weights) != n_rows:
        raise ValueError(f"Partition {index} of X has {n_rows} rows, but {name} has {len(weights)}. Both need as many.")
    if (weights < 0).any():
        raise ValueError(f"Negative values in {name}: {weights.min()}. Weights are 0 or more.")
    return weights


def _with_sums(X, weights):
    x_sum, x_squares = np.zeros(X.shape[1]), 0.0
    with single_threaded():
        for rows, block in iterate_blocks(X) if X.shape[0] else ():
            sums = row_sums(block, None if weights is None else weights[rows])
            x_sum += sums.x_sum
            x_squares += sums.x_squares
    return Block(X, weights, sums=RowSums(x_sum, x_squares))


@on_worker
def describe(block):
    """The `Kind` and the `Facts` of a loaded partition."""
    X, w = block.X, np.ones(block.n_rows) if block.sample_weight is None else block.sample_weight
    (lows, highs), squares = column_ranges(X), np.zeros(X.shape[1])
    for rows, part in iterate_blocks(X):
        with np.errstate(over="ignore"):
            squares += part.power(2).T @ w[rows] if issparse(X) else np.einsum("i,ij,ij->j", w[rows], part, part)
    n_bytes = X.nnz * (X.dtype.itemsize + 8) if issparse(X) else X.nbytes
    return Kind(X.shape, X.dtype, issparse(X), n_bytes), Facts(block.n_rows, block.weight, lows, highs, squares)


@on_worker
def merged_facts(facts):
    """The `Facts` of several partitions together."""
    return reduce(
        lambda a, b: Facts(
            a.n_rows + b.n_rows,
            a.weight + b.weight,
            np.minimum(a.lows, b.lows),
            np.maximum(a.highs, b.highs),
            a.squares + b.squares,
        ),
        facts,
    )


@on_worker
def scaled(block, scale, dtype):
    """The partition in another dtype, with its weights multiplied by scale."""
    block = block._replace(X=block.X.astype(dtype, copy=False))
    if scale == 1:
        return block
    w = np.ones(block.n_rows) if block.sample_weight is None else block.sample_weight
    sums = RowSums(scale * block.sums.x_sum, scale * block.sums.x_squares)
    return block._replace(sample_weight=scale * w, sums=sums)


@on_worker
def total_of(parts, n_parts):
    """Sum of the statistics, or of the gradient sums, of some of the partitions. In all there are n_parts of them."""
    first, *others = parts
    return total([first.copy(), *others], n_parts)


@on_worker
def first_phase(block, common, keep_outputs):
    """The statistics of a partition, and the outputs of all its blocks, or None. common is (objective, theta)."""
    objective, theta = common
    with single_threaded() as worker:
        return RowBlocks(objective, block, worker).statistics(theta, keep_outputs=keep_outputs)


@on_worker
def second_phase(block, common, shared, first):
    """The gradient sums of a partition, given what all rows share. first is the result of `first_phase`, or None."""
    objective, theta = common
    outputs = None if first is None else first[1]
    with single_threaded() as worker:
        return RowBlocks(objective, block, worker).gradient_sums(theta, outputs, shared)


@on_worker
def statistics_and_loss(block, common):
    """The statistics and the loss of a partition, which the terms of J need. common is (objective, theta)."""
    objective, theta = common
    with single_threaded() as worker:
        return RowBlocks(objective, block, worker).statistics_and_loss(theta)


@on_worker
def local_epoch(block, common, seed):
    """An epoch of Adam on one partition, as a `WeightedState`.

    common is (objective, common state, options, number of epochs, steps of the largest partition in an epoch).
    """
    objective, state, options, n_epochs, largest_n_steps = common
    with single_threaded() as worker:
        n_steps = n_batches_of(block.n_rows, options.batch_size)
        # The step size of Adam depends on the number of steps done. Here these are the steps of this partition.
        n_steps_done = state.n_steps // largest_n_steps * n_steps
        own = AdamState(state.x.copy(), state.first_moment.copy(), state.second_moment.copy(), n_steps_done)
        epochs = DataInMemory(block.X, block.sample_weight, worker).iterations(
            objective, own, options, np.random.RandomState(seed), max_iter=n_epochs
        )
        with np.errstate(over="ignore", invalid="ignore"):
            own, terms = next(epochs)
    arrays = own.x, own.first_moment, own.second_moment, terms
    return WeightedState(block.weight, *(block.weight * array for array in arrays))


@dataclass
class WeightedState(Sums):
    """The state of Adam and the terms of J after a `local_epoch`, times the weight of the partition; additive."""

    weight: float
    x: np.ndarray
    first_moment: np.ndarray
    second_moment: np.ndarray
    terms: np.ndarray


@on_worker
def layer_outputs(block, layers):
    """The partition with the outputs of the last of `Layers` as its X."""
    with single_threaded():
        return _with_sums(outputs_of(block.X, layers), block.sample_weight)


@on_worker
def weighted_error(block, layers):
    """The weight of a partition, and its weight times its mean squared error. The partition may be empty."""
    if not block.n_rows:
        return 0.0, 0.0
    with single_threaded(), np.errstate(over="ignore", invalid="ignore"):
        error = mean_squared_error(block.X, block.sample_weight, layers)
    return block.weight, block.weight * error


@on_worker
def moments(block, layers):
    """The weight of a partition, and mean and variance of the outputs of the last of `Layers` on it."""
    with single_threaded():
        return block.weight, *code_moments(block.X, block.sample_weight, lambda rows: layers.outputs(rows)[-1])


@on_worker
def moments_of_features(block):
    """The weight of a partition, and mean and variance of its features."""
    with single_threaded():
        return block.weight, *feature_moments(block.X, block.sample_weight)


@on_worker
def merged_moments(parts):
    """`moments` of several partitions together (Chan, Golub, LeVeque 1979, equation 2.1)."""
    weights = np.array([weight for weight, _, _ in parts])
    shares = weights / weights.sum()
    mean = sum(share * mean for share, (_, mean, _) in zip(shares, parts))
    variance = sum(share * (variance + (own - mean) ** 2) for share, (_, own, variance) in zip(shares, parts))
    return weights.sum(), mean, variance


def pairwise_sum(pairs):
    """The sum of the first items of pairs, and the sum of the second ones."""
    return tuple(map(sum, zip(*pairs)))


@on_worker
def split(block, fraction, held_out, seed):
    """The rows of a partition that are held out, or, with held_out=False, the others. Their weights do not change."""
    order = np.random.RandomState(seed).permutation(block.n_rows)
    n_held_out = int(fraction * block.n_rows)
    rows = np.sort(order[:n_held_out] if held_out else order[n_held_out:])
    return _with_sums(block.X[rows], None if block.sample_weight is None else block.sample_weight[rows])


@on_worker
def through_layers(part, layers, out_dtype):
    """Outputs of the last of `Layers` for the rows of a part of a collection."""
    n_features = layers.coefs[0].shape[0]
    check_numbers(part, "a partition of X")
    X = check_table(part, "X", sparse=True, order="C", ensure_min_samples=0)
    if X.shape[1] != n_features:
        raise ValueError(f"A partition of X has {X.shape[1]} columns, but {n_features} are expected.")
    outputs = finite_outputs(lambda: outputs_of(X, layers), X, "code or reconstruction")
    return outputs.astype(out_dtype, copy=False)
