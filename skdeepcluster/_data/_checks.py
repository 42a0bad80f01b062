"""Checks of training data, block by block so that a mapped file is never held in memory."""

import warnings

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import _check_sample_weight

from .._arrays import is_numpy, like, namespace, numpy_dtype, rows_of, to_numpy, wide
from .._support._checks import about, check_rows, without_dispatch
from .._support._tables import check_meaning
from ..exceptions import InputScaleWarning
from ._passes import extremes, iterate_blocks
from ._weights import no_weight_is_positive, of_mean_one, shares_of_largest

# Bytes up to which an array with its columns one after the other, as frames have, is copied into rows at once. Of a
# larger one, blocks are copied each time that they are read.
_COPIED_BYTES = 2**28

# Standardised features have a mean square of 1. Outside these bounds, for the mean over features or for a single one,
# the reconstruction term is too small or too large beside the others.
_SMALLEST_MEAN_SQUARE, _LARGEST_MEAN_SQUARE = 0.1, 10.0
_LARGEST_FEATURE_MEAN_SQUARE = 100.0


def training_data(estimator, X, sample_weight, dtype, *, reset):
    """The rows of positive weight that an autoencoder is to be fitted to, and their weights, checked."""
    X, sample_weight = effective_rows(canonical_data(estimator, X, dtype, reset=reset), sample_weight)
    check_values(X, sample_weight, estimator.output_activation, type(estimator).__name__)
    return X, sample_weight


def canonical_data(estimator, X, dtype, *, reset):
    """X as scikit-learn validates it for `fit`, but not yet for finite values; sparse without duplicate entries."""
    # `check_values` looks at the values later, block by block, also at those that are too large for the type.
    X = check_rows(estimator, X, dtype=dtype, reset=reset, in_library=True, ensure_all_finite=False)
    if issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    if isinstance(X, np.ndarray) and X.nbytes <= _COPIED_BYTES:
        X = np.ascontiguousarray(X)
    return X


def effective_rows(X, sample_weight):
    """The rows whose weights count, and these scaled to mean 1, or None for equal ones; all rows and None for None."""
    if sample_weight is None:
        return X, None
    with about("sample_weight"):
        sample_weight = to_numpy(sample_weight if is_numpy(sample_weight) else wide(sample_weight))
        check_meaning(sample_weight, "sample_weight")
        # Whatever library X is of, its number of rows is all that is looked at.
        rows = X if is_numpy(X) else np.empty((X.shape[0], 0))
        with without_dispatch():
            sample_weight = _check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)
    largest = sample_weight.max()
    if largest == 0:
        raise no_weight_is_positive()
    shares = shares_of_largest(sample_weight, largest)
    positive = shares > 0
    if not positive.all():
        X, shares = X[positive] if is_numpy(X) else rows_of(X, np.flatnonzero(positive)), shares[positive]
    sample_weight = of_mean_one(shares)
    return X, None if sample_weight is None else like(sample_weight, X)


def check_values(X, sample_weight, output_activation, estimator_name):
    """Raise if X is not finite or leaves the range of the output, warn if it is far from standardised."""
    lowest, highest, squares = np.inf, -np.inf, np.zeros(X.shape[1])
    for rows, block in iterate_blocks(X):
        with about("X"):
            assert_all_finite(block, estimator_name=estimator_name, input_name="X")
        low, high = extremes(block)
        lowest, highest = min(lowest, float(low)), max(highest, float(high))
        with np.errstate(over="ignore"):
            squares += _column_squares(block, None if sample_weight is None else sample_weight[rows])
    check_scale(lowest, highest, squares / X.shape[0], numpy_dtype(X), issparse(X), output_activation)


def _column_squares(block, sample_weight):
    if not is_numpy(block):
        squares, xp = wide(block) ** 2, namespace(block)
        return to_numpy(xp.sum(squares, axis=0) if sample_weight is None else sample_weight @ squares)
    w = np.ones(block.shape[0]) if sample_weight is None else sample_weight
    return block.power(2).T @ w if issparse(block) else np.einsum("i,ij,ij->j", w, block, block)


def check_scale(lowest, highest, mean_squares, dtype, is_sparse, output_activation):
    """Raise if X leaves the range of the output, warn if it is far from standardised, given the facts of X."""
    if output_activation == "logistic":
        _check_unit_interval(lowest, highest, dtype)
    else:
        _warn_if_far_from_standardised(mean_squares, is_sparse)


def _check_unit_interval(lowest, highest, dtype):
    # Values from MinMaxScaler may leave [0, 1] by rounding.
    rounding = 100 * np.finfo(dtype).eps
    if lowest < -rounding or highest > 1 + rounding:
        raise ValueError(
            f"output_activation='logistic' can only reconstruct values in [0, 1], but X runs from {lowest:.6g} "
            f"to {highest:.6g}. Scale X with sklearn.preprocessing.MinMaxScaler, or standardise it and use "
            "output_activation='identity'."
        )


def _warn_if_far_from_standardised(mean_squares, sparse):
    if (
        _SMALLEST_MEAN_SQUARE <= mean_squares.mean() <= _LARGEST_MEAN_SQUARE
        and mean_squares.max() <= _LARGEST_FEATURE_MEAN_SQUARE
    ):
        return
    scaler = "StandardScaler(with_mean=False)" if sparse else "StandardScaler"
    warnings.warn(
        f"X is far from standardised: the mean square of its features is {mean_squares.mean():.3g} on average "
        f"and {mean_squares.max():.3g} at most (1 after standardisation), so that rho, beta and lam do not "
        f"have their usual effect. Put sklearn.preprocessing.{scaler} before the autoencoder, or before those of its "
        "features that are numbers: columns of categories and of TF-IDF are smaller by nature, and may stay so.",
        InputScaleWarning,
    )
