"""Mapped files, whose pages are given back after they were read."""

import mmap

import numpy as np

# Bytes read from a mapped file before their pages are given back.
_MAPPED_BYTES = 2**26


def memory_map(X):
    """The mapped file that an array lies in, or None."""
    shared = False
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
    X : ndarray
        In a mapped file.
    """

    def __init__(self, X):
        self._X = X
        self._n_bytes = 0

    def after_reading(self, block):
        """Take note of a block that was read."""
        self._n_bytes += block.nbytes
        if self._n_bytes >= _MAPPED_BYTES:
            self._n_bytes = 0
            release_pages(self._X)


def pages_of(X):
    """The `PageRelease` of an array in a mapped file, else None."""
    return None if memory_map(X) is None else PageRelease(X)
