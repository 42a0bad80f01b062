"""Labels of rows: classes, clusters and noise."""

import re
from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from .._arrays import to_numpy
from .._support._checks import about, without_dispatch
from .._support._tables import check_unmasked
from .._support._typing import ArrayLike, MatrixLike

# The label of noise where clusters have numbers.
NOISE = -1

# A negative integer as text, as a table of names may have it.
_NEGATIVE = re.compile(r"\s*-0*[1-9][0-9]*(\.0*)?\s*")


def check_labels(labels: ArrayLike, Z: MatrixLike, name: str) -> np.ndarray:
    """Check that there is one label for each row of Z, and return the labels as an array.

    The name is that of the parameter, for error messages.
    """
    labels = to_numpy(labels)
    with about(name), without_dispatch():
        check_unmasked(labels, name)
        labels = column_or_1d(check_array(labels, ensure_2d=False, dtype=None, input_name=name))
        check_consistent_length(Z, labels)
    if labels.dtype.kind not in "biufOUST":
        raise TypeError(f"{name} must hold integers or names, but is of type {labels.dtype}.")
    if labels.dtype == object:
        try:
            np.unique(labels)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name} must hold integers or names, one kind of them, but {error}.") from error
        fractions = [label for label in labels if isinstance(label, Real) and not _is_code(label)]
    else:
        fractions = [] if labels.dtype.kind != "f" else labels[~_is_code(labels)]
    if len(fractions):
        raise ValueError(f"{name} must hold integers or names, one for each group, but has {fractions[0]}.")
    return labels


def _is_code(labels):
    """Whether labels are integers.

    Floats above 2^53 do not count: they cannot hold every integer, so different labels may have become the same.
    """
    return isinstance(labels, Integral) or ((labels % 1 == 0) & (abs(labels) <= 2**53))


def check_clusters(labels: ArrayLike, Z: MatrixLike, name: str = "labels") -> np.ndarray:
    """`check_labels` for clusters. The rows that are noise have one label, whatever negative numbers they had."""
    labels = check_labels(labels, Z, name)
    noise = is_noise(labels)
    if noise.any():
        labels = labels.copy()
        labels[noise] = labels[noise][0] if labels.dtype.kind in "OUST" else NOISE
    return labels


def is_noise(labels: np.ndarray) -> np.ndarray:
    """Which rows are noise, those labelled by a negative integer or by the text of one, as an array of bool."""
    if labels.dtype.kind not in "OUST":
        return labels < 0
    names, codes = np.unique(labels, return_inverse=True)
    return np.array([_is_negative(name) for name in names.tolist()], dtype=bool)[codes]


def _is_negative(name):
    if isinstance(name, Real):
        return name < 0
    text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    return _NEGATIVE.fullmatch(text) is not None
