"""What a table holds, by column, and what to do with one that is no table of numbers."""

import re
from itertools import count

import numpy as np

# Types of columns as their libraries write them, in lower case: NumPy, pandas, its nullable types and those of Arrow,
# polars, pyarrow, torch. A "float" of Arrow has 32 bits.
_SINGLE = {"float32", "float[pyarrow]", "float", "torch.float32"}
_OF_DATES = ("date", "time", "duration", "period", "interval")
_NUMBERS = re.compile("u?int|float|double|half|bool|decimal|complex|sparse|torch")

# Types of what stands for a missing value.
_MISSING = {"NoneType", "NAType", "NaTType"}

# Columns named in an error; others are counted.
_MOST_NAMED = 5


def column_types(X):
    """Names and types of the columns of a frame, as pairs of text; one pair for any other data that has one type."""
    schema = getattr(X, "schema", None)
    if schema is not None and hasattr(schema, "names") and hasattr(schema, "types"):
        return [(str(name), str(kind).lower()) for name, kind in zip(schema.names, schema.types)]
    types = getattr(X, "dtypes", None)
    if types is not None and hasattr(X, "columns"):
        return [(str(name), str(kind).lower()) for name, kind in zip(X.columns, types)]
    return [("all columns", str(X.dtype).lower())] if hasattr(X, "dtype") else []


def is_single(X):
    """Whether all numbers of X are float32, in whatever container."""
    types = column_types(X)
    return bool(types) and all(kind in _SINGLE for _, kind in types)


def check_meaning(X, name):
    """Raise a ValueError for what NumPy would take for other numbers than are meant: dates, and masked values."""
    if np.ma.is_masked(X):
        raise ValueError(
            f"{name} is a masked array, whose masked values would count as numbers. Fill them, {name}.filled(np.nan), "
            "and put sklearn.impute.SimpleImputer before, or leave their rows out."
        )
    dates = [column for column, kind in column_types(X) if any(word in kind for word in _OF_DATES)]
    if dates:
        raise ValueError(
            f"{name} has dates: {_listed(dates)}. Make numbers of them that mean something, such as the month, the "
            "hour or the days since an event, or leave them out: sklearn.compose.ColumnTransformer takes columns apart."
        )


def remedy(X, name):
    """What is wrong with X if it is no table of numbers, in words with the remedy, or None if it is one."""
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
    if len(shape) == 1 and _is_text(X):
        return f"{name} is a list of texts. Put sklearn.feature_extraction.text.TfidfVectorizer before."
    if len(shape) == 2 and (columns := _columns_without_numbers(X)):
        return (
            f"{name} has columns that are no numbers: {_listed(columns)}. Encode them, for example categories by "
            "sklearn.preprocessing.OneHotEncoder, in a sklearn.compose.ColumnTransformer, or leave them out."
        )
    return None


def _shape(X):
    """The shape of X; None of rows of different lengths."""
    if hasattr(X, "shape") and str(getattr(X, "dtype", None)) != "object":
        return tuple(X.shape)
    try:
        array = np.asarray(X)
        # Rows of an array of objects may be arrays themselves.
        lengths = {np.shape(row) for row in array} if array.dtype == object and array.ndim == 1 else {()}
    except ValueError:
        return None
    return (*array.shape, *lengths.pop()) if len(lengths) == 1 else None


def _is_text(X):
    array = np.asarray(X)
    return array.dtype.kind in "UST" or (array.dtype == object and array.size > 0 and isinstance(array.flat[0], str))


def _columns_without_numbers(X):
    """The columns with values that are no numbers, each with its first one."""
    types = column_types(X)
    if types and all(_NUMBERS.match(kind) for _, kind in types):
        return []
    table = np.asarray(X, dtype=object)
    names = [column for column, _ in types] if len(types) == table.shape[1] > 1 else map("column {}".format, count())
    found = (
        (name, next((value for value in column if not _is_number(value)), None)) for name, column in zip(names, table.T)
    )
    return [f"{name} ({str(value)[:20]!r})" for name, value in found if value is not None]


def _is_number(value):
    """Whether scikit-learn makes a number of a value; missing ones are for others to complain of."""
    try:
        float(value)
    except (ValueError, TypeError):
        return type(value).__name__ in _MISSING
    return True


def _listed(columns):
    rest = len(columns) - _MOST_NAMED
    return ", ".join(columns[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
