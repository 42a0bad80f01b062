"""Dask's collections as lists of partitions."""

import math
from typing import NamedTuple

import dask.array as da
import numpy as np
from dask.base import is_dask_collection
from dask.delayed import Delayed
from scipy.sparse import issparse

from ._graph import literal


class Partitions(NamedTuple):
    """A table that is cut into partitions of rows.

    Attributes
    ----------
    parts : list of Delayed
    n_rows : list of int, or None if they are not known
    n_bytes : int, or None if it is not known
        Size of all rows, after conversion to floats.
    """

    parts: list
    n_rows: list | None
    n_bytes: int | None


def is_frame(X):
    """Whether X is a `dask.dataframe`."""
    return is_dask_collection(X) and hasattr(X, "to_dask_array") and getattr(X, "ndim", 0) == 2


def is_list_of_delayed(X):
    """Whether X is a list of `dask.delayed` blocks."""
    return isinstance(X, (list, tuple)) and len(X) > 0 and all(isinstance(part, Delayed) for part in X)


def is_partitioned(X):
    """Whether X is a partitioned table of a kind that is supported here."""
    return isinstance(X, da.Array) or is_frame(X) or is_list_of_delayed(X)


def row_chunks(X):
    """X, a two-dimensional `dask.array`, in chunks that each have all columns."""
    if X.ndim != 2:
        raise ValueError(f"X has {X.ndim} dimensions, but a table of rows and features has 2. Reshape it.")
    return X if len(X.chunks[1]) == 1 else X.rechunk({1: -1})


def partitions(X):
    """The `Partitions` of X."""
    if not isinstance(X, da.Array):
        return Partitions(list(X.to_delayed()) if is_frame(X) else list(X), None, None)
    X = row_chunks(X)
    parts = X.to_delayed().ravel().tolist()
    if any(math.isnan(n) for n in (*X.chunks[0], X.shape[1])):
        return Partitions(parts, None, None)
    n_bytes = X.shape[0] * X.shape[1] * (4 if X.dtype == np.float32 else 8)
    # For sparse chunks, the size is not known.
    return Partitions(parts, list(X.chunks[0]), None if issparse(X._meta) else n_bytes)


def weight_partitions(sample_weight, n_partitions, rows_of_partitions):
    """The weights as a list of Delayed, one for each partition of X; a list of None if there are no weights.

    Weights in one array have to be cut at the partitions of X. For that, rows_of_partitions() is called, which returns
    the numbers of rows of these.
    """
    if sample_weight is None:
        return [None] * n_partitions
    if is_list_of_delayed(sample_weight):
        parts = list(sample_weight)
    elif isinstance(sample_weight, da.Array) and not any(math.isnan(n) for n in sample_weight.shape):
        n_rows = _checked_rows(sample_weight, rows_of_partitions())
        parts = sample_weight.rechunk((tuple(n_rows),)).to_delayed().ravel().tolist()
    elif is_dask_collection(sample_weight):
        parts = np.ravel(sample_weight.to_delayed()).tolist()
    else:
        sample_weight = np.asarray(sample_weight)
        n_rows = _checked_rows(sample_weight, rows_of_partitions())
        parts = [literal(part) for part in np.split(sample_weight, np.cumsum(n_rows)[:-1])]
    if len(parts) != n_partitions:
        raise ValueError(
            f"sample_weight has {len(parts)} partitions, but X has {n_partitions}. Give them the same partitions, or "
            "sample_weight as an array of known length."
        )
    return parts


def _checked_rows(sample_weight, n_rows):
    if sample_weight.shape != (sum(n_rows),):
        raise ValueError(
            f"sample_weight has the shape {sample_weight.shape}, but X has {sum(n_rows)} rows: it needs the shape "
            f"({sum(n_rows)},)."
        )
    return n_rows
