"""Checks of the training data, block by block so that a mapped file is never held in memory, and of what came of it."""

import warnings
from contextlib import contextmanager
from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import assert_all_finite
from sklearn.utils.sparsefuncs import mean_variance_axis
from sklearn.utils.validation import _check_sample_weight

from ._inputs import about, check_rows
from ._rows import iterate_blocks
from ._solvers import NotFiniteError
from .exceptions import CollapsedCodeWarning, InputScaleWarning, InterruptedFitWarning

# Standardised features have a mean square of 1. Beyond these bounds, for the mean over features and for any one of
# them, the reconstruction term is out of balance with the others.
_SMALLEST_MEAN_SQUARE, _LARGEST_MEAN_SQUARE = 0.1, 10.0
_LARGEST_FEATURE_MEAN_SQUARE = 100.0

# Largest standard deviation of a code unit below which the code is called collapsed.
_COLLAPSED_STD = 1e-3


def canonical_data(estimator, X, dtype, *, reset):
    """X as scikit-learn validates it for `fit`, but not yet for finite values; sparse without duplicate entries."""
    # check_values looks at the values, block by block: also at those too large for the type.
    X = check_rows(estimator, X, dtype=dtype, reset=reset, ensure_all_finite=False)
    if issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def option(estimator, name):
    """A parameter of an estimator. NumPy's integers, which overflow, become Python's."""
    value = getattr(estimator, name)
    return int(value) if isinstance(value, np.integer) else value


def effective_rows(X, sample_weight):
    """The rows of positive weight, and their weights scaled to mean 1; all rows and None for None."""
    if sample_weight is None:
        return X, None
    with about("sample_weight"):
        sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    positive = sample_weight > 0
    if not positive.any():
        raise ValueError("sample_weight is zero for every row; at least one weight must be positive.")
    if not positive.all():
        X, sample_weight = X[positive], sample_weight[positive]
    sample_weight = sample_weight / sample_weight.max()
    return X, sample_weight / sample_weight.mean()


def check_values(X, sample_weight, output_activation, estimator_name):
    """Raise if X is not finite or leaves the range of the output, warn if it is far from standardised."""
    lowest, highest, squares = np.inf, -np.inf, np.zeros(X.shape[1])
    for rows, block in iterate_blocks(X):
        with about("X"):
            assert_all_finite(block, estimator_name=estimator_name, input_name="X")
        lowest, highest = min(lowest, block.min()), max(highest, block.max())
        w = np.ones(block.shape[0]) if sample_weight is None else sample_weight[rows]
        with np.errstate(over="ignore"):
            squares += block.power(2).T @ w if issparse(X) else np.einsum("i,ij,ij->j", w, block, block)
    check_scale(lowest, highest, squares / X.shape[0], X.dtype, issparse(X), output_activation)


def check_scale(lowest, highest, mean_squares, dtype, is_sparse, output_activation):
    """Raise if X leaves the range of the output, warn if it is far from standardised, given the facts of X."""
    if output_activation == "logistic":
        _check_unit_interval(lowest, highest, dtype)
    else:
        _warn_if_far_from_standardised(mean_squares, is_sparse)


def code_moments(X, sample_weight, encode):
    """Weighted mean and variance over rows of every code unit, shape (n_units,) each."""
    shift, n_units = None, encode(X[:1]).shape[1]
    sums, squares = np.zeros((2, n_units))
    for rows, block in iterate_blocks(X, n_units):
        code = encode(block).astype(np.float64, copy=False)
        # Distances from a typical value keep the digits of a code that hardly varies.
        shift = code.mean(axis=0) if shift is None else shift
        code = code - shift
        w = np.ones(block.shape[0]) if sample_weight is None else sample_weight[rows]
        sums += w @ code
        squares += w @ np.square(code)
    n = X.shape[0] if sample_weight is None else sample_weight.sum()
    return shift + sums / n, np.maximum(squares / n - np.square(sums / n), 0)


def total_variance(X, sample_weight):
    """Weighted mean over rows of ||x_i - mean||^2."""
    if issparse(X):
        w = None if sample_weight is None else sample_weight.astype(X.dtype)
        return float(mean_variance_axis(X, axis=0, weights=w)[1].sum())
    return float(code_moments(X, sample_weight, lambda block: block)[1].sum())


def has_collapsed(code_variance):
    """Whether no unit of the code varies over rows, given their variances."""
    return bool(np.sqrt(code_variance.max()) < _COLLAPSED_STD)


def warn_if_collapsed(data, code_variance, *, rho, beta, lam):
    """Warn if no unit of the code varies over rows; one row alone cannot vary."""
    if data.shape[0] == 1 or not has_collapsed(code_variance):
        return
    if not data.rows_differ:
        cause = "All rows of X are the same."
    else:
        remedies = [
            "standardise X if it is not",
            *([f"lower lam={lam}, which weighs most here"] if lam > 0 else []),
            *([f"lower beta={beta}"] if beta > 0 else []),
            *([f"move rho={rho} nearer to 0.5"] if beta > 0 and rho != 0.5 else []),
        ]
        cause = f"In this order: {'; '.join(remedies)}."
    warnings.warn(
        "The code has collapsed, it hardly differs between rows: the unit that varies most has a standard "
        f"deviation of {np.sqrt(code_variance.max()):.1e}. {cause}",
        CollapsedCodeWarning,
    )


def check_options(network, options):
    """Raise if parameters that are right by themselves do not go together."""
    check_sparsity(network, options)
    if options.need_adam and options.solver == "lbfgs":
        drawn = f"corruption={options.corruption}" if options.corruption > 0 else f"augment={options.augment!r}"
        raise ValueError(
            f"{drawn} draws every batch anew, and solver='lbfgs' has no batches. Set solver='adam' or 'auto', "
            "corruption=0 and augment=None."
        )


def check_sparsity(network, options):
    """Raise if there is a KL term, but no unit that it is of."""
    if options.beta > 0 and "logistic" not in network.activations[: network.n_encoder_layers]:
        raise ValueError(
            f"beta={options.beta} weighs the KL term, which is defined for logistic encoder layers, but "
            f"activation and code_activation make them {network.activations[: network.n_encoder_layers]}. Set beta=0, "
            "or code_activation='logistic'."
        )


def hidden_sizes(hidden_layer_sizes):
    """hidden_layer_sizes as a tuple of int, of one number or of several."""
    sizes = tuple(np.atleast_1d(np.asarray(hidden_layer_sizes, dtype=object)).tolist())
    if not all(isinstance(size, Integral) and not isinstance(size, bool) and size > 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes={hidden_layer_sizes!r} must hold positive integers, one for each layer.")
    return tuple(map(int, sizes))


@contextmanager
def explained_overflow(data, options):
    """Lets what overflows show as a loss that is not finite, and explains that in a ValueError."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except NotFiniteError as error:
        raise ValueError(
            f"The loss stopped being finite ({error}). The likely cause is the scale of X, whose largest absolute "
            f"value is {data.largest:.3g}: standardise it, for instance with "
            f"sklearn.preprocessing.StandardScaler. Otherwise lower beta={options.beta}, lam={options.lam} or, with "
            f"Adam, learning_rate_init={options.learning_rate_init}."
        ) from error


def finite_outputs(compute, X, what):
    """What compute() returns, a number or an array made of X; a ValueError if it is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        outputs = compute()
        total = np.sum(outputs)
    # All at once need memory, so only if there is reason to.
    if not np.isfinite(total) and not np.isfinite(outputs).all():
        # The maximum of a sparse matrix would put its entries in order.
        largest = np.abs(X.data if issparse(X) else X).max()
        raise ValueError(
            f"The {what} of X is not finite: X, whose largest absolute value is {largest:.3g}, is too large for the "
            "fitted weights. Give it the scale of the training data."
        )
    return outputs


def warn_about_end(status, message, options):
    """Warn if training ended otherwise than planned."""
    if status == "interrupted":
        warnings.warn(
            "Training was interrupted: the estimator has the parameters up to then, those best on held-out rows with "
            "early_stopping. To go on from them, fit with warm_start=True. A fit with a "
            "skdeepcluster.callbacks.Checkpoint goes on from its file when it is started again as it was.",
            InterruptedFitWarning,
        )
    elif message:
        rule = "iterations lowered the loss by no more than tol={} of itself each, on average over n_iter_no_change={}"
        if options.early_stopping:
            rule = "the error on held-out rows fell by no more than tol={} of itself in n_iter_no_change={} iterations"
        warnings.warn(
            f"L-BFGS stopped before {rule.format(options.tol, options.n_iter_no_change)}: {message}. Raise max_iter or "
            "tol, and standardise X if it is not.",
            ConvergenceWarning,
        )


def _check_unit_interval(lowest, highest, dtype):
    # MinMaxScaler itself leaves [0, 1] by rounding.
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
