"""Passes over all rows, block by block: neither a mapped file nor the outputs of all layers are in memory at once."""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.sparsefuncs import mean_variance_axis

from .._arrays import astype, concatenated, is_numpy, namespace, rows_of, summed, to_numpy, wide
from .._objectives import half_squared_error
from .._support._threads import equal_slices
from ._mapped import pages_of, part_of, read

# Numbers in a block of rows, its activations included, that stay in a core's cache while they are worked on.
_BLOCK_SIZE = 600_000
_MIN_BLOCK_ROWS, _MAX_BLOCK_ROWS = 128, 1024

# The same on a device of another library, which wants much to do at once: 256 MB of float32.
_BLOCK_SIZE_ON_DEVICE = 2**26


def block_slices(X, n_units):
    """Slices of rows, nearly equal in size, whose data and activations fit a core's cache, or what a device works on.

    They depend on these numbers alone, and not on the threads, and so do the sums over them.
    """
    n_rows, n_features = X.shape
    if is_numpy(X):
        block_rows = np.clip(_BLOCK_SIZE // (n_features + 2 * n_units), _MIN_BLOCK_ROWS, _MAX_BLOCK_ROWS)
    else:
        block_rows = max(_BLOCK_SIZE_ON_DEVICE // (n_features + 2 * n_units), _MAX_BLOCK_ROWS)
    return equal_slices(n_rows, -(-n_rows // block_rows))


def iterate_blocks(X, n_units=0):
    """Generate (slice of rows, block of X) in order, with the pages of a mapped file given back after their use."""
    pages = pages_of(X)
    for rows in block_slices(X, n_units):
        part = part_of(X, rows)
        yield rows, read(part)
        if pages is not None:
            pages.after_reading(part)


def map_blocks(function, X, n_units=0, map_=map):
    """``function(rows, X[rows])`` of every block of rows, a slice, in order; shared by map_, pages given back.

    n_units is the number of units whose outputs the function computes.
    """
    pages = pages_of(X)

    def of_block(rows):
        part = part_of(X, rows)
        result = function(rows, read(part))
        if pages is not None:
            pages.after_reading(part)
        return result

    return map_(of_block, block_slices(X, n_units))


def column_ranges(X):
    """The least and the largest value of every column, two arrays of shape (n_features,)."""
    lows, highs = np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)
    for _, block in iterate_blocks(X):
        low, high = extremes(block, axis=0)
        lows = np.minimum(lows, low.toarray().ravel() if issparse(X) else to_numpy(low))
        highs = np.maximum(highs, high.toarray().ravel() if issparse(X) else to_numpy(high))
    return lows, highs


def extremes(A, axis=None):
    """The least and the largest value, of every column for axis=0."""
    if is_numpy(A):
        return A.min(axis=axis), A.max(axis=axis)
    xp = namespace(A)
    return xp.min(A, axis=axis), xp.max(A, axis=axis)


def outputs_of(X, layers):
    """Outputs of the last of `Layers` for all rows of X, in memory; X itself if there are none."""
    if not layers.coefs:
        return X
    dtype = layers.coefs[-1].dtype
    if not is_numpy(X):
        return concatenated(
            [layers.outputs(astype(block, dtype))[-1] for _, block in iterate_blocks(X, layers.n_units)]
        )
    if X.shape[0] <= _MIN_BLOCK_ROWS:
        # A service asks for one row at a time.
        return layers.outputs(read(X))[-1].astype(dtype, copy=False)
    outputs = np.empty((X.shape[0], layers.coefs[-1].shape[1]), dtype=dtype)
    for rows, block in iterate_blocks(X, layers.n_units):
        outputs[rows] = layers.outputs(block)[-1]
    return outputs


def mean_squared_error(X, sample_weight, layers, map_=map):
    """Weighted mean over rows, and mean over features, of (h(x) - x)^2, for all `Layers` of an autoencoder."""

    def squares_of(rows, block):
        w = None if sample_weight is None else sample_weight[rows]
        H = layers.outputs(block)[-1]
        return 2 * half_squared_error(H, block.toarray() if issparse(block) else block, w, in_place=True)[0]

    squares = sum(map_blocks(squares_of, X, layers.n_units, map_))
    return float(squares / (X.shape[0] if sample_weight is None else summed(sample_weight)) / X.shape[1])


def code_moments(X, sample_weight, encode):
    """Weighted mean and variance over rows of every unit of ``encode(X)``, shape (n_units,) each."""
    xp, shift = namespace(X), None
    n_units = encode(rows_of(X, slice(1))).shape[1]
    sums = squares = 0.0
    for rows, block in iterate_blocks(X, n_units):
        code = wide(encode(block))
        # Squares of distances from a typical value, not of the values: a code that hardly varies would lose its digits.
        shift = xp.mean(code, axis=0) if shift is None else shift
        code = code - shift
        w = xp.ones_like(code[:, 0]) if sample_weight is None else sample_weight[rows]
        sums = sums + w @ code
        squares = squares + w @ (code * code)
    n = X.shape[0] if sample_weight is None else float(summed(sample_weight))
    return shift + sums / n, xp.clip(squares / n - (sums / n) ** 2, 0, None)


def feature_moments(X, sample_weight):
    """Weighted mean and variance over rows of every feature, shape (n_features,) each."""
    if issparse(X):
        w = None if sample_weight is None else sample_weight.astype(X.dtype)
        return mean_variance_axis(X, axis=0, weights=w)
    return code_moments(X, sample_weight, lambda block: block)
