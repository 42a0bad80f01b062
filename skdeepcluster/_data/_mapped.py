"""Mapped files: pages that are given back after they were read, and rows that are not copied."""

import mmap

import numpy as np

from .._arrays import rows_of

# Bytes read from a mapped file before their pages are given back.
_MAPPED_BYTES = 2**26


class MappedRows:
    """Some of the rows of an array in a mapped file. They are read when they are indexed, and not kept.

    Code that is given one may index it, or make an array of it, as of an h5py dataset.

    Parameters
    ----------
    X : ndarray of shape (n_all_rows, n_features)
        In a mapped file.
    rows : ndarray of int of shape (n_rows,)
        Row numbers in X, ascending.

    Attributes
    ----------
    shape, ndim, dtype, nbytes
        Of these rows as an array.
    """

    ndim = 2

    def __init__(self, X, rows):
        self.file = np.asarray(X)
        self._rows = rows
        self.shape = len(rows), X.shape[1]
        self.dtype = X.dtype
        self.nbytes = len(rows) * X.shape[1] * X.itemsize

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, which):
        if not isinstance(which, tuple):
            return self.file[self._rows[which]]
        rows, columns = which
        # A slice of rows has become their numbers, which NumPy would pair with those of columns.
        return self[rows][:, columns] if isinstance(rows, slice) else self.file[self._rows[rows], columns]

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("MappedRows are no array in memory: to make one is to copy them.")
        return np.asarray(self[:], dtype=dtype)

    def part(self, rows):
        """The rows of a slice, not read yet."""
        return MappedRows(self.file, self._rows[rows])

    @property
    def n_bytes_apart(self):
        """Bytes of the file from the first of these rows to the last."""
        n_rows = self._rows[-1] - self._rows[0] + 1 if len(self) else 0
        return int(n_rows) * self.shape[1] * self.dtype.itemsize


def part_of(X, rows):
    """The rows of a slice, not read yet."""
    return X.part(rows) if isinstance(X, MappedRows) else rows_of(X, rows)


def read(X):
    """What `part_of` returned, as an array or sparse matrix. An array has its rows one after the other in memory.

    Products have other last digits if columns lie one after the other, as in frames.
    """
    X = X[:] if isinstance(X, MappedRows) else X
    return np.ascontiguousarray(X) if isinstance(X, np.ndarray) else X


def memory_map(X):
    """The mapped file that an array, or `MappedRows`, lies in, or None."""
    shared, X = False, X.file if isinstance(X, MappedRows) else X
    while isinstance(X, np.ndarray):
        # Giving back the pages of a private mapping (mode "c") would lose what was written to it.
        shared = shared or (isinstance(X, np.memmap) and X.mode in ("r", "r+", "w+"))
        X = X.base
    return X if shared and isinstance(X, mmap.mmap) and hasattr(X, "madvise") else None


def release_pages(X):
    """Give back the memory that holds pages of X's file; they are read again when they are needed."""
    mapped = memory_map(X)
    if mapped is not None:
        mapped.madvise(mmap.MADV_DONTNEED)


class PageRelease:
    """Releases the pages of a mapped file after every 64 MB read.

    Parameters
    ----------
    X : ndarray or MappedRows
        In a mapped file.
    """

    def __init__(self, X):
        self._X = X
        self._n_bytes = 0

    def after_reading(self, part):
        """Take note of a part that was read."""
        # Of rows far apart, the system reads what lies between, too.
        self._n_bytes += part.n_bytes_apart if isinstance(part, MappedRows) else part.nbytes
        if self._n_bytes >= _MAPPED_BYTES:
            self._n_bytes = 0
            release_pages(self._X)


def pages_of(X):
    """The `PageRelease` of an array in a mapped file, else None."""
    return None if memory_map(X) is None else PageRelease(X)
