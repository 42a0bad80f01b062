"""The columns of a table of any kind, each with what its values mean."""

import datetime
from decimal import Decimal
from numbers import Real
from typing import NamedTuple

import numpy as np

from .._pipelines import column_names, fetched
from .._support._checks import about, check_feature_names, check_magnitude, check_table
from .._support._tables import MISSING_TYPES, check_unmasked, words_of

# Types of columns of categories, as pandas, polars and Arrow write them.
_CATEGORIES = ("categor", "enum", "dictionary")

# Strings are free text if they have on average so many words, and more distinct values than that, or than half of the
# rows that have one.
_WORDS_OF_TEXT = 2.0
_MOST_CATEGORIES = 50
_ROWS_THAT_TELL = 10_000


class Column(NamedTuple):
    """A column of a table.

    Attributes
    ----------
    name : str
    position : int
    kind : str
        "number", "boolean", "date", "duration", "category" or "text".
    values : ndarray of shape (n_samples,)
        Of categories and texts, objects, None where they are missing. All others are float64, NaN where they are
        missing: dates in seconds since 1970 in UTC, durations in seconds.
    """

    name: str
    position: int
    kind: str
    values: np.ndarray

    @property
    def is_missing(self):
        if self.values.dtype == object:
            return np.array([value is None for value in self.values.tolist()])
        return np.isnan(self.values)


class Numbers(NamedTuple):
    """An array of which all columns are "number", or "boolean".

    Attributes
    ----------
    names : list of str
    kind : str
    values : ndarray or CSR of shape (n_samples, n_columns)
        NaN where they are missing.
    """

    names: list[str]
    kind: str
    values: np.ndarray

    def column(self, position):
        """One of the columns."""
        values = self.values[:, [position]]
        values = values.toarray() if hasattr(values, "toarray") else values
        return Column(self.names[position], position, self.kind, values.ravel().astype(np.float64))


def read_table(X, name, feature_names=None):
    """The columns of a table.

    Parameters
    ----------
    X : array-like, sparse matrix or frame of shape (n_samples, n_columns)
        Frames are those of pandas and polars, and tables of pyarrow.
    name : str
        That of the parameter, for error messages.
    feature_names : array-like of str or None
        Names of the columns; None takes those that X has.

    Returns
    -------
    columns : Numbers, or list of Column
    """
    X = fetched(X)
    check_unmasked(X, name)
    series = _series(X)
    if series is None and (rows := _rows_of_objects(X)) is not None:
        series = list(rows.T)
    if series is None:
        values = check_table(X, name, sparse=True, ensure_all_finite="allow-nan")
        check_magnitude(values, name)
        dtype = getattr(X, "dtype", None)
        kind = "boolean" if isinstance(dtype, np.dtype) and dtype.kind == "b" else "number"
        return Numbers(_names(X, values.shape[1], feature_names), kind, values)
    if not series:
        raise ValueError(f"{name} has no columns.")
    names = _names(X, len(series), feature_names)
    with about(name):
        return [_read(values, i, column) for i, (values, column) in enumerate(zip(series, names))]


def _names(X, n_columns, feature_names):
    names = column_names(X) if feature_names is None else feature_names
    return [str(name) for name in check_feature_names(names, n_columns)]


def _series(X):
    """The columns of a frame, None of other data."""
    if hasattr(X, "iloc") and np.ndim(X) == 2:
        return [X.iloc[:, i] for i in range(X.shape[1])]
    for name in ("get_columns", "itercolumns"):
        if hasattr(X, name):
            return list(getattr(X, name)())
    return None


def _rows_of_objects(X):
    """X as an array of objects of shape (n_samples, n_columns), or None if it holds numbers alone, or is no table."""
    dtype = getattr(X, "dtype", None)
    if hasattr(X, "tocsr") or (isinstance(dtype, np.dtype) and dtype.kind in "fiub"):
        return None
    try:
        array = np.asarray(X)
        is_table = array.ndim == 2 and array.size > 0 and array.dtype.kind in "OUSTmM"
        return np.asarray(X, dtype=object if array.dtype.kind in "OUST" else None) if is_table else None
    except ValueError:
        # Rows of different lengths.
        return None


def _read(values, position, name):
    declared = words_of(getattr(values, "dtype", getattr(values, "type", None)))
    if declared.startswith("datetime64") and "," in declared:
        # With a time zone, a million objects would be made of a million dates.
        values = np.asarray(values, dtype="datetime64[us]")
    values = np.asarray(values)
    is_category = declared.startswith(_CATEGORIES)
    if values.dtype.kind in "fiu" and not is_category:
        return Column(name, position, "number", _numbers(values, name))
    if values.dtype.kind == "b" and not is_category:
        return Column(name, position, "boolean", values.astype(np.float64))
    if values.dtype.kind in "mM" and not is_category:
        return Column(name, position, *_seconds(values))
    return Column(name, position, *_read_objects(values.astype(object).tolist(), is_category, name))


def _read_objects(values, is_category, name):
    """Kind and values of a column of objects."""
    types = set(map(type, values))
    missing = {kind for kind in types if kind.__name__ in MISSING_TYPES}
    fractions = {kind for kind in types if issubclass(kind, (float, np.floating, Decimal))}
    is_gap = [type(value) in missing or (type(value) in fractions and value != value) for value in values]
    known = {type(value) for value, gap in zip(values, is_gap) if not gap}

    def all_are(*kinds):
        return not is_category and all(issubclass(kind, kinds) for kind in known)

    if all_are(bool, np.bool_):
        return "boolean" if known else "number", _floats(values, is_gap)
    if all_are(Real, Decimal):
        return "number", _numbers(np.array(_floats(values, is_gap)), name)
    if all_are(datetime.date, np.datetime64):
        return _seconds(np.array([None if gap else _in_utc(value) for value, gap in zip(values, is_gap)], "M8[us]"))
    if all_are(datetime.timedelta, np.timedelta64):
        return _seconds(np.array([None if gap else value for value, gap in zip(values, is_gap)], "m8[us]"))
    if all(issubclass(kind, str) for kind in known):
        objects = [None if gap else value for value, gap in zip(values, is_gap)] if missing or fractions else values
        is_text = not is_category and _is_text(objects)
    else:
        objects, is_text = [None if gap else _hashable(value) for value, gap in zip(values, is_gap)], False
    return "text" if is_text else "category", np.fromiter(objects, dtype=object, count=len(objects))


def _floats(values, is_gap):
    return np.array([np.nan if gap else float(value) for value, gap in zip(values, is_gap)])


def _numbers(values, name):
    values = values.astype(np.float64)
    if np.isinf(values).any():
        raise ValueError(f"The column {name!r} has infinite values. Replace them by large ones, or by NaN.")
    check_magnitude(values, f"The column {name!r}")
    return values


def _seconds(values):
    """Kind, and seconds, of dates or durations of NumPy's."""
    is_date = values.dtype.kind == "M"
    precise = values.astype("M8[us]" if is_date else "m8[us]")
    seconds = np.where(np.isnat(precise), np.nan, precise.astype(np.int64) / 1e6)
    return "date" if is_date else "duration", seconds


def _in_utc(value):
    if getattr(value, "tzinfo", None) is not None:
        return value.astimezone(datetime.UTC).replace(tzinfo=None)
    return value


def _hashable(value):
    try:
        hash(value)
    except TypeError:
        return str(value)
    return value


def _is_text(strings):
    """Whether strings, None among them, are free text, and no categories: those of some rows tell."""
    if len(strings) > _ROWS_THAT_TELL:
        strings = [strings[row] for row in np.random.RandomState(0).randint(len(strings), size=_ROWS_THAT_TELL)]
    known = [text for text in strings if text is not None]
    n_words = sum(len(text.split()) for text in known)
    return len(set(known)) > min(_MOST_CATEGORIES, len(known) / 2) and n_words >= _WORDS_OF_TEXT * len(known)
