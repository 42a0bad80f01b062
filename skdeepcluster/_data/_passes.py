"""Passes over all rows, block by block: neither a mapped file nor the outputs of all layers are in memory at once."""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.sparsefuncs import mean_variance_axis

from .._objectives import half_squared_error
from .._support._threads import equal_slices
from ._mapped import pages_of, part_of, read

# Numbers in a block of rows, its activations included, that stay in a core's cache while they are worked on.
_BLOCK_SIZE = 600_000
_MIN_BLOCK_ROWS, _MAX_BLOCK_ROWS = 128, 1024


def block_slices(n_rows, n_features, n_units):
    """Slices of rows, nearly equal in size, whose data and activations fit a core's cache.

    They depend on these numbers alone, and not on the threads, and so do the sums over them.
    """
    block_rows = np.clip(_BLOCK_SIZE // (n_features + 2 * n_units), _MIN_BLOCK_ROWS, _MAX_BLOCK_ROWS)
    return equal_slices(n_rows, -(-n_rows // block_rows))


def iterate_blocks(X, n_units=0):
    """Generate (slice of rows, block of X) in order, with the pages of a mapped file given back after their use."""
    pages = pages_of(X)
    for rows in block_slices(*X.shape, n_units):
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

    return map_(of_block, block_slices(*X.shape, n_units))


def column_ranges(X):
    """The least and the largest value of every column, two arrays of shape (n_features,)."""
    lows, highs = np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)
    for _, block in iterate_blocks(X):
        low, high = block.min(axis=0), block.max(axis=0)
        lows = np.minimum(lows, low.toarray().ravel() if issparse(X) else low)
        highs = np.maximum(highs, high.toarray().ravel() if issparse(X) else high)
    return lows, highs


def outputs_of(X, layers):
    """Outputs of the last of `Layers` for all rows of X, in memory; X itself if there are none."""
    if not layers.coefs:
        return X
    dtype = layers.coefs[-1].dtype
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
        return 2 * half_squared_error(H, block.toarray() if issparse(block) else block, w, out=H)[0]

    squares = sum(map_blocks(squares_of, X, layers.n_units, map_))
    return float(squares / (X.shape[0] if sample_weight is None else sample_weight.sum()) / X.shape[1])


def code_moments(X, sample_weight, encode):
    """Weighted mean and variance over rows of every unit of ``encode(X)``, shape (n_units,) each."""
    shift, n_units = None, encode(X[:1]).shape[1]
    sums, squares = np.zeros((2, n_units))
    for rows, block in iterate_blocks(X, n_units):
        code = encode(block).astype(np.float64, copy=False)
        # Squares of distances from a typical value, not of the values: a code that hardly varies would lose its digits.
        shift = code.mean(axis=0) if shift is None else shift
        code = code - shift
        w = np.ones(block.shape[0]) if sample_weight is None else sample_weight[rows]
        sums += w @ code
        squares += w @ np.square(code)
    n = X.shape[0] if sample_weight is None else sample_weight.sum()
    return shift + sums / n, np.maximum(squares / n - np.square(sums / n), 0)


def feature_moments(X, sample_weight):
    """Weighted mean and variance over rows of every feature, shape (n_features,) each."""
    if issparse(X):
        w = None if sample_weight is None else sample_weight.astype(X.dtype)
        return mean_variance_axis(X, axis=0, weights=w)
    return code_moments(X, sample_weight, lambda block: block)
