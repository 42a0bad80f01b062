"""What a table holds, by column, and what to do with one that is no table of numbers."""

import re
from collections.abc import Mapping

import numpy as np

from .._arrays import is_numpy

# Types of columns as their libraries write them, in lower case: NumPy, pandas, its nullable types and those of Arrow,
# polars, pyarrow, torch. A "float" of Arrow has 32 bits.
_SINGLE = {"float32", "float[pyarrow]", "float", "torch.float32"}
_DATES = re.compile("(category of )?(date|time|duration|period)")
_NUMBERS = re.compile("u?int(?!erval)|float|double|half|bool|decimal|complex|sparse|torch")

# Types of what stands for a missing value.
MISSING_TYPES = {"NoneType", "NAType", "NaTType"}

# Columns named in an error; others are counted.
_MOST_NAMED = 5


def _declared_types(X):
    """The types of the columns of a frame, or the one of other data, as their library has them; none of a list."""
    types = getattr(getattr(X, "schema", None), "types", None)
    if types is None and hasattr(X, "columns"):
        types = getattr(X, "dtypes", None)
    if types is not None:
        return list(types)
    return [X.dtype] if hasattr(X, "dtype") else []


def words_of(kind):
    """A type in words, in lower case. Of categories, those of their values."""
    categories = getattr(getattr(kind, "categories", None), "dtype", None)
    return str(kind).lower() if categories is None else f"category of {categories}".lower()


def _column_names(X, n_columns):
    names = getattr(getattr(X, "schema", None), "names", None)
    names = getattr(X, "columns", None) if names is None or callable(names) else names
    is_frame = names is not None and len(names) == n_columns
    return list(map(str, names)) if is_frame else [f"column {i}" for i in range(n_columns)]


def is_single(X):
    """Whether all numbers of X are float32, in a container whose types are not NumPy's."""
    kinds = set(map(words_of, set(_declared_types(X))))
    return bool(kinds) and kinds <= _SINGLE


def check_unmasked(X, name):
    """Raise a ValueError for masked values, which NumPy would take as they are."""
    rows = X if isinstance(X, (list, tuple)) else [X]
    if any(isinstance(row, np.ma.MaskedArray) and np.ma.is_masked(row) for row in rows):
        raise ValueError(
            f"{name} has masked values, which would count as numbers. Fill them, as by filled(np.nan), and put "
            "sklearn.impute.SimpleImputer before, or leave their rows out."
        )


def check_meaning(X, name):
    """Raise a ValueError for what NumPy would take for other numbers than are meant: masked values, and dates."""
    check_unmasked(X, name)
    if dates := _columns_of_dates(X):
        raise ValueError(
            f"{name} has dates: {_listed(dates)}. Make numbers of them that mean something, such as the month, the "
            "hour or the days since an event, or leave them out: sklearn.compose.ColumnTransformer takes columns apart."
        )


def _columns_of_dates(X):
    """Names of the columns that hold dates or durations, where they can be told apart."""
    if isinstance(X, (list, tuple)):
        return ["some values"] if any(map(_holds_dates, X)) else []
    types = _declared_types(X)
    if not any(_DATES.match(words_of(kind)) for kind in set(types)):
        return ["some values"] if isinstance(X, np.ndarray) and X.dtype == object and _holds_dates(X) else []
    if len(types) == 1 and not hasattr(X, "columns"):
        return ["all values"]
    names = _column_names(X, len(types))
    return [column for column, kind in zip(names, types) if _DATES.match(words_of(kind))]


def _holds_dates(values):
    """Whether a row, or an array, or a value, has dates or durations of NumPy's, which it would make numbers of."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values.dtype.kind in "mM"
    flat = values.flat if isinstance(values, np.ndarray) else values if isinstance(values, (list, tuple)) else [values]
    return any(isinstance(value, (np.datetime64, np.timedelta64)) for value in flat)


def remedy(X, name):
    """What is wrong with X if it is no table of numbers, in words with the remedy, or None if it is one."""
    if not is_numpy(X) and len(X.shape) < 3:
        return None
    if hasattr(X, "obsm"):
        return f"{name} is an AnnData. Give one of its tables: its X, or one of its layers or obsm."
    if isinstance(X, Mapping) and not hasattr(X, "shape"):  # a sparse matrix may be a dict
        return f"{name} is a {type(X).__name__} of several things. Give the table in it: {_listed(list(map(repr, X)))}."
    if isinstance(X, (list, tuple)) and any(hasattr(row, "__dask_graph__") for row in X):
        return f"{name} has blocks of Dask. Compute them, or fit a skdeepcluster.dask.DaskSparseAutoencoderTransformer."
    shape = _shape(X)
    if shape is None:
        return (
            f"The rows of {name} have different lengths. Make as many features of each: of recordings, for example, "
            "means and deviations over time of their spectrograms; or cut and pad them to one length."
        )
    if len(shape) > 2:
        return (
            f"{name} has the shape {shape}, but a table is needed, with one row for each sample. Of images, "
            "images.reshape(len(images), -1) makes one."
        )
    if len(shape) == 2 and np.ndim(X) == 1:
        return f"{name} is one column of arrays. numpy.stack({name}) makes a table of them."
    if len(shape) == 1 and _is_text(X):
        return f"{name} is a list of texts. Put sklearn.feature_extraction.text.TfidfVectorizer before."
    if len(shape) == 2 and (columns := _columns_without_numbers(X)):
        return (
            f"{name} has columns that are no numbers: {_listed(columns)}. Encode them, for example categories by "
            "sklearn.preprocessing.OneHotEncoder and lists by numpy.stack, in a sklearn.compose.ColumnTransformer, or "
            "leave them out."
        )
    return None


def _shape(X):
    """The shape of X, with that of arrays in it; None of rows of different lengths."""
    if hasattr(X, "shape") and str(getattr(X, "dtype", None)) != "object":
        return tuple(X.shape)
    try:
        array = np.asarray(X)
    except ValueError:
        # Also a library's own objects in a list may be no array.
        return None if all(isinstance(row, (list, tuple, np.ndarray)) for row in X) else ()
    if array.dtype != object or array.ndim != 1:
        return array.shape
    lengths = {np.shape(row) if isinstance(row, (list, tuple, np.ndarray)) else () for row in array}
    return (*array.shape, *lengths.pop()) if len(lengths) == 1 else None


def _is_text(X):
    array = np.asarray(X)
    return array.dtype.kind in "UST" or (array.dtype == object and array.size > 0 and isinstance(array.flat[0], str))


def _columns_without_numbers(X):
    """The columns with values that are no numbers, each with its first one."""
    types = _declared_types(X)
    if types and all(_NUMBERS.match(words_of(kind)) for kind in set(types)):
        return []
    table = np.asarray(X, dtype=object)
    names = _column_names(X, table.shape[1])
    found = (
        (name, next((value for value in column if not _is_number(value)), None)) for name, column in zip(names, table.T)
    )
    return [f"{name} ({str(value)[:20]!r})" for name, value in found if value is not None]


def _is_number(value):
    """Whether scikit-learn makes a number of a value; missing ones are for others to complain of."""
    try:
        float(value)
    except (ValueError, TypeError):
        return type(value).__name__ in MISSING_TYPES
    return True


def _listed(columns):
    rest = len(columns) - _MOST_NAMED
    return ", ".join(columns[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
