"""Dask's collections as lists of partitions."""

import math
from typing import NamedTuple

import dask.array as da
import numpy as np
from dask.base import is_dask_collection
from dask.delayed import Delayed, delayed
from distributed import Future
from scipy.sparse import issparse

from .._support._checks import about
from ._graph import literal
from ._numbers import check_numbers

_BLOCKS = Delayed, Future


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
    # Every attribute of a Delayed exists, and is delayed.
    is_collection = is_dask_collection(X) and not isinstance(X, Delayed)
    return is_collection and hasattr(X, "to_dask_array") and getattr(X, "ndim", 0) == 2


def as_table(X):
    """X as a table in partitions: a `dask.array`, a `dask.dataframe` or a list of Delayed. None for data in memory.

    Raises a TypeError if X is of Dask, but none of these: NumPy would take it for an object, or fetch all of it.
    """
    if isinstance(X, da.Array) or is_frame(X):
        check_numbers(X._meta if is_frame(X) else X, "X")
        return X
    if is_dask_collection(X) and not isinstance(X, Delayed):
        raise TypeError(f"X is {type(X).__name__} of Dask, and no table. Make it a dask.array or a dask.dataframe.")
    return blocks_of(X, "X")


def blocks_of(X, name):
    """X as a list of Delayed if it is a Delayed, a future, or a list, tuple or array of these; None if it is not."""
    if isinstance(X, _BLOCKS):
        return [delayed(X)]
    if isinstance(X, np.ndarray) and X.dtype == object and X.size and isinstance(X.flat[0], _BLOCKS):
        if X.ndim > 1 and X.shape[1:] != (1,):
            raise ValueError(
                f"{name} is an array of blocks of the shape {X.shape}, in which a block has some of the columns. "
                "Rechunk the dask.array, rechunk({1: -1}), or give it as it is."
            )
        X = X.ravel().tolist()
    if not isinstance(X, (list, tuple)):
        return None
    strangers = [i for i, item in enumerate(X) if not isinstance(item, _BLOCKS)]
    if not strangers:
        return [delayed(item) for item in X] or None
    if len(strangers) < len(X) or is_dask_collection(X[0]):
        raise TypeError(
            f"Item {strangers[0]} of {name}, a {type(X).__name__}, is {type(X[strangers[0]]).__name__}. Blocks are to "
            "be delayed, or futures, each of them: dask.delayed(block). Collections are to be one: concatenate them."
        )
    return None


def row_chunks(X):
    """X, a two-dimensional `dask.array`, in chunks that each have all columns."""
    if X.ndim != 2:
        raise ValueError(f"X has {X.ndim} dimensions, but a table of rows and features has 2. Reshape it.")
    return X if len(X.chunks[1]) == 1 else X.rechunk({1: -1})


def partitions(X):
    """The `Partitions` of X, as the user gave it."""
    X = as_table(X)
    if not isinstance(X, da.Array):
        return Partitions(X if isinstance(X, list) else list(X.to_delayed()), None, None)
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
    parts = blocks_of(sample_weight, "sample_weight")
    if parts is None:
        parts = _cut(sample_weight, rows_of_partitions)
    if len(parts) != n_partitions:
        raise ValueError(
            f"sample_weight has {len(parts)} partitions, but X has {n_partitions}. Give them the same partitions, or "
            "sample_weight as an array of known length."
        )
    return parts


def _cut(sample_weight, rows_of_partitions):
    """Weights that are no blocks, as a list of Delayed. Where their number is known, at the partitions of X."""
    is_array = isinstance(sample_weight, da.Array)
    if is_dask_collection(sample_weight) and not is_array:
        check_numbers(getattr(sample_weight, "_meta", None), "sample_weight")
        return np.ravel(sample_weight.to_delayed()).tolist()
    if not is_array:
        with about("sample_weight"):
            sample_weight = np.asarray(sample_weight)
    check_numbers(sample_weight, "sample_weight")
    if any(map(math.isnan, sample_weight.shape)):
        return sample_weight.to_delayed().ravel().tolist()
    n_rows = _checked_rows(sample_weight, rows_of_partitions())
    if is_array:
        return sample_weight.rechunk((tuple(n_rows),)).to_delayed().ravel().tolist()
    return [literal(part) for part in np.split(sample_weight, np.cumsum(n_rows)[:-1])]


def _checked_rows(sample_weight, n_rows):
    if sample_weight.shape != (sum(n_rows),):
        raise ValueError(
            f"sample_weight has the shape {sample_weight.shape}, but X has {sum(n_rows)} rows: it needs the shape "
            f"({sum(n_rows)},)."
        )
    return n_rows
