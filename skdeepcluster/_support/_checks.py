"""Checks of what users pass, by scikit-learn, with errors that name the input; and a check of outputs."""

import re
from contextlib import contextmanager, nullcontext
from numbers import Real

import numpy as np
from scipy.sparse import issparse
from sklearn import config_context, get_config
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_array, validate_data

from .._arrays import check_same_namespace, is_numpy, namespace, supported_floats, without_gradient
from ._tables import check_meaning, is_single, remedy

FLOAT_TYPES = [np.float64, np.float32]


class Number(Interval):
    """Real numbers that lie in an interval as floats do, fractions and long doubles among them."""

    def __init__(self, left, right, *, closed):
        super().__init__(Real, left, right, closed=closed)

    def __contains__(self, value):
        try:
            return super().__contains__(float(value))
        except OverflowError:
            return False


# Both refuse infinity, and integers that are too large for a float.
NOT_NEGATIVE = Number(0, None, closed="left")
POSITIVE = Number(0, None, closed="neither")


@contextmanager
def about(name):
    """Let errors of checks name the input, and integers that no float holds be a ValueError."""
    try:
        # Checks compute with values that are not finite before they raise: no warnings then.
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except OverflowError as error:
        raise ValueError(f"{name} has an integer that is too large for a float. Divide it by a number.") from error
    except (ValueError, TypeError) as error:
        if not re.search(rf"\b{re.escape(name)}\b", str(error)):
            error.add_note(f"This is about {name}.")
        raise


@contextmanager
def _about_table(X, name):
    """`about`, with errors about what is no table of numbers that say what to do with it."""
    with about(name):
        if not _is_numeric_array(X):
            check_meaning(X, name)
        try:
            yield
        except (ValueError, TypeError) as error:
            words = None if "feature names" in str(error) else remedy(X, name)
            if words is None:
                raise
            raise (ValueError if isinstance(error, ValueError) else TypeError)(f"{words} ({error})") from error


def _is_numeric_array(X):
    """Whether X is what scikit-learn knows to be numbers, as most is: a call on one row should not look further."""
    if type(X) in (np.ndarray, np.memmap) or issparse(X):
        return X.dtype.kind in "fiub"
    return stays_in_library(X)


def _float_types(X, dtype):
    """The dtype to ask for: float32 of what holds nothing else, where scikit-learn knows it of NumPy's types alone."""
    if stays_in_library(X):
        _check_tensor(X)
        return supported_floats(X) if dtype is FLOAT_TYPES else dtype
    if dtype is not FLOAT_TYPES:
        return dtype
    return dtype if _is_numeric_array(X) or not is_single(X) else np.float32


def _check_tensor(X):
    """Raise a ValueError for arrays of other libraries that scikit-learn lets pass, or knows no words for."""
    if namespace(X).isdtype(X.dtype, "complex floating"):
        raise ValueError(
            f"Complex data not supported: X is of type {X.dtype}. Give its real part, or its absolute values."
        )
    if not str(getattr(X, "layout", "strided")).endswith("strided"):
        raise ValueError(f"X is a sparse tensor, {X.layout}. Give X.to_dense(), or a sparse matrix of SciPy.")


def stays_in_library(X):
    """Whether X is of another library than NumPy, and scikit-learn is set to work on it there."""
    return not is_numpy(X) and bool(get_config()["array_api_dispatch"])


def without_dispatch():
    """A context in which scikit-learn knows NumPy's arrays alone.

    It is none where that is so anyway, since Ctrl-C may leave a context without its end.
    """
    return config_context(array_api_dispatch=False) if get_config()["array_api_dispatch"] else nullcontext()


def _dispatch(X, is_wanted):
    """A context in which scikit-learn makes a NumPy array of X, unless it is to stay in its library."""
    if isinstance(X, np.ndarray) or (is_wanted and stays_in_library(X)):
        return nullcontext()
    return without_dispatch()


def check_table(X, name, *, sparse=False, dtype=FLOAT_TYPES, in_library=False, **options):
    """`check_array` for the tables of this package: X as an ndarray, or, if it may be sparse, as CSR.

    With in_library, an array of another library stays one, if scikit-learn is set so.
    """
    accepted = "csr" if sparse else False
    with _about_table(X, name), _dispatch(X, in_library):
        dtype = _float_types(X, dtype)
        return check_array(without_gradient(X), accept_sparse=accepted, dtype=dtype, input_name=name, **options)


def check_rows(estimator, X, *, dtype=FLOAT_TYPES, reset=False, in_library=False, **options):
    """`validate_data` for the estimators of this package: X as an ndarray or CSR with the features seen in `fit`.

    in_library is as in `check_table`.
    """
    with _about_table(X, "X"), _dispatch(X, in_library):
        dtype = _float_types(X, dtype)
        X = without_gradient(X)
        return validate_data(estimator, X, accept_sparse="csr", dtype=dtype, reset=reset, **options)


def check_library(estimator, X, method):
    """Raise a ValueError if X is not of the library, and on the device, of the arrays that a fit has left.

    The estimator has one of these as `_fitted_array`.
    """
    fitted = estimator._fitted_array
    if is_numpy(fitted) and is_numpy(X):
        return
    if stays_in_library(X) or (not is_numpy(fitted) and get_config()["array_api_dispatch"]):
        check_same_namespace(X, estimator, attribute="_fitted_array", method=method)
    elif not is_numpy(fitted):
        name, library = type(estimator).__name__, type(fitted).__module__.partition(".")[0]
        raise ValueError(
            f"This {name} has arrays of {library}, and sklearn.set_config(array_api_dispatch=True) is not set. Set it, "
            "or move the estimator: sklearn.utils._array_api.move_estimator_to(estimator, numpy, 'cpu')."
        )


def check_magnitude(X, name):
    """Raise a ValueError if squares of the values of X would overflow. X is an array or CSR, and may have NaN."""
    values = X.data if issparse(X) else X
    largest = np.fmax.reduce(np.abs(values), axis=None, initial=0.0)
    if largest > 2.0 ** (np.finfo(values.dtype).maxexp // 2 - 8):
        raise ValueError(
            f"{name} has values up to {largest:.3g}, too large: their squares overflow. Divide the data by "
            "a number, or standardise it."
        )


def check_feature_names(feature_names, n_features):
    """The names as an array. Raises a ValueError if their number is not n_features."""
    names = np.asarray(feature_names, dtype=object)
    if names.shape != (n_features,):
        raise ValueError(f"feature_names has the shape {names.shape}, but there are {n_features} features.")
    return names


def integers(values):
    """Values as an array of int of shape (n,) with n > 0, or None if they are none."""
    try:
        array = np.asarray(values)
    except ValueError:
        # A list of lists of different lengths.
        return None
    return array if array.ndim == 1 and len(array) and np.issubdtype(array.dtype, np.integer) else None


def plain(value):
    """A number of NumPy as one of Python, also in lists, tuples and dicts; anything else as it is."""
    if isinstance(value, np.generic):
        return value.item()
    if type(value) is dict:
        return {plain(key): plain(inner) for key, inner in value.items()}
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


def shown(value):
    """A parameter in an error as users write it: 3 for np.int64(3)."""
    return repr(plain(value))


def finite_outputs(compute, X, what):
    """What compute() returns, a number or an array made of X; a ValueError if it is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        outputs = compute()
        xp = namespace(outputs)
        total = float(xp.sum(outputs)) if hasattr(outputs, "shape") else outputs
    # A finite sum means that all are finite. An infinite one may only have overflowed, so look at each.
    if not np.isfinite(total) and not (hasattr(outputs, "shape") and xp.all(xp.isfinite(outputs))):
        # max() of a sparse matrix would sort the entries of the user's matrix in place.
        values = X.data if issparse(X) else X
        largest = float(namespace(values).max(namespace(values).abs(values)))
        raise ValueError(
            f"The {what} of X is not finite: X, whose largest absolute value is {largest:.3g}, is too large for the "
            "fitted weights. Give it the scale of the training data."
        )
    return outputs
