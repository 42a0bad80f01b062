"""Containers of data that are not what they seem, or cannot be copied."""

from copy import deepcopy

import numpy as np
import pandas as pd
from scipy.sparse import csc_matrix, csr_matrix


class _Slice:
    """As the slices of AnnData: `copy.deepcopy` of it is that of what it is a slice of."""

    def __deepcopy__(self, memo):
        return deepcopy(self.parent, memo)


class CSRSlice(_Slice, csr_matrix):
    pass


class CSCSlice(_Slice, csc_matrix):
    pass


class ArraySlice(_Slice, np.ndarray):
    pass


class FrameSlice(_Slice, pd.DataFrame):
    _metadata = ["parent"]


def slice_of(parent, rows, columns):
    """Rows and columns of a sparse matrix, an array or a frame, as a slice that remembers its parent."""
    if isinstance(parent, pd.DataFrame):
        part = FrameSlice(parent.iloc[rows, columns])
    elif isinstance(parent, np.ndarray):
        part = parent[np.ix_(rows, columns)].view(ArraySlice)
    else:
        part = {"csr": CSRSlice, "csc": CSCSlice}[parent.format](parent[rows][:, columns])
    part.parent = parent
    return part


class OnDisk:
    """As an h5py dataset: read as an array, or some rows in ascending order, but neither copied nor pickled."""

    def __init__(self, X):
        self._X = X
        self.shape, self.ndim, self.dtype = X.shape, X.ndim, X.dtype

    def __len__(self):
        return len(self._X)

    def __getitem__(self, key):
        if np.any(np.diff(key) <= 0):
            raise TypeError("Indexing elements must be in increasing order")
        return self._X[key]

    def __array__(self, dtype=None, copy=None):
        return np.array(self._X, dtype=dtype)

    def __reduce_ex__(self, protocol):
        raise TypeError("h5py objects cannot be pickled")
