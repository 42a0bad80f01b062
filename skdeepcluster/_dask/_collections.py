"""Dask's collections as lists of partitions."""

import math
from typing import NamedTuple

import dask.array as da
import numpy as np
from dask.base import is_dask_collection
from dask.delayed import Delayed, delayed
from scipy.sparse import issparse

from ._tasks import kind_of


class Partitions(NamedTuple):
    """A table by rows.

    Attributes
    ----------
    parts : list of Delayed
    n_features : int
    dtype : numpy.dtype
        float32 if all partitions are, and float64 otherwise.
    n_rows : list of int
    n_bytes : int
    """

    parts: list
    n_features: int
    dtype: np.dtype
    n_rows: list
    n_bytes: int


def is_frame(X):
    """Whether X is a `dask.dataframe`."""
    return is_dask_collection(X) and hasattr(X, "to_dask_array") and getattr(X, "ndim", 0) == 2


def is_list_of_delayed(X):
    """Whether X is a list of `dask.delayed` blocks."""
    return isinstance(X, (list, tuple)) and len(X) > 0 and all(isinstance(part, Delayed) for part in X)


def is_partitioned(X):
    """Whether X is one of the kinds of tables that are read here."""
    return isinstance(X, da.Array) or is_frame(X) or is_list_of_delayed(X)


def row_chunks(X):
    """A `dask.array` of tables in chunks that have all the columns."""
    if X.ndim != 2:
        raise ValueError(f"X has {X.ndim} dimensions, but a table of rows and features has 2. Reshape it.")
    return X if len(X.chunks[1]) == 1 else X.rechunk({1: -1})


def partitions(X, gather):
    """The `Partitions` of X; what is unknown of them is found out by ``gather(list of Delayed)``."""
    if isinstance(X, da.Array):
        X = row_chunks(X)
        parts = X.to_delayed().ravel().tolist()
        if not any(math.isnan(n) for n in (*X.chunks[0], X.shape[1])) and not issparse(X._meta):
            return Partitions(parts, X.shape[1], _float_type([X.dtype]), list(X.chunks[0]), X.nbytes)
    else:
        parts = list(X.to_delayed()) if is_frame(X) else list(X)
    kinds = gather([delayed(kind_of, pure=False)(part) for part in parts])
    for i, kind in enumerate(kinds):
        if len(kind.shape) != 2:
            raise ValueError(f"Partition {i} of X has the shape {kind.shape}, but a table has rows and features.")
    return Partitions(
        parts,
        kinds[0].shape[1],
        _float_type([kind.dtype for kind in kinds]),
        [kind.shape[0] for kind in kinds],
        sum(kind.n_bytes for kind in kinds),
    )


def weight_partitions(sample_weight, n_rows):
    """The weights as a list of Delayed, one for each of the partitions, which have so many rows; Nones for None."""
    if sample_weight is None:
        return [None] * len(n_rows)
    if isinstance(sample_weight, da.Array):
        known = not any(math.isnan(n) for n in sample_weight.shape)
        if known and sample_weight.shape == (sum(n_rows),):
            sample_weight = sample_weight.rechunk((tuple(n_rows),))
        parts = sample_weight.to_delayed().ravel().tolist()
    elif is_list_of_delayed(sample_weight):
        parts = list(sample_weight)
    elif is_dask_collection(sample_weight):
        parts = list(sample_weight.to_delayed())
    else:
        sample_weight = np.asarray(sample_weight)
        if sample_weight.shape != (sum(n_rows),):
            raise ValueError(
                f"sample_weight has the shape {sample_weight.shape}, but X has {sum(n_rows)} rows: it needs the shape "
                f"({sum(n_rows)},)."
            )
        parts = np.split(sample_weight, np.cumsum(n_rows)[:-1])
    if len(parts) != len(n_rows):
        raise ValueError(
            f"sample_weight has {len(parts)} partitions, but X has {len(n_rows)}. Give them the same partitions, or "
            "sample_weight as an array of known length."
        )
    return parts


def _float_type(dtypes):
    return np.dtype(np.float32 if all(dtype == np.float32 for dtype in dtypes) else np.float64)
