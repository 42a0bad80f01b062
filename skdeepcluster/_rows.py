"""The rows of the data as solvers visit them: in blocks, or in shuffled batches; from memory or from a mapped file."""

import math
import mmap
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

# Numbers in a block of rows, its activations included, that stay in a core's cache while they are worked on.
_BLOCK_SIZE = 600_000
_MIN_BLOCK_ROWS, _MAX_BLOCK_ROWS = 128, 1024

# Bytes of rows that are shuffled together, and of rows in a row that are read at once.
_BUFFER_BYTES = 2**27
_CHUNK_BYTES = 2**20

# Bytes read from a mapped file before their pages are given back.
_MAPPED_BYTES = 2**26


class Batch(NamedTuple):
    """Rows that a step of Adam learns from.

    Attributes
    ----------
    X : ndarray or CSR of shape (n_pool, n_features)
        The data, or the part of a mapped file that is in memory.
    sample_weight : ndarray of shape (n_pool,) or None
    rows : ndarray of int of shape (n_rows,)
        The rows of X that are meant.
    indices : ndarray of int of shape (n_rows,)
        What they are called in all of the data.
    targets : ndarray of shape (n_rows, n_clusters) or None
        As in `Block`.
    """

    X: np.ndarray
    sample_weight: np.ndarray | None
    rows: np.ndarray
    indices: np.ndarray
    targets: np.ndarray | None = None


def block_slices(n_rows, n_features, n_units):
    """Slices of rows, nearly equal in size, whose data and activations fit a core's cache.

    They depend on the shape of the data alone, and so do the sums over them.
    """
    block_rows = np.clip(_BLOCK_SIZE // (n_features + 2 * n_units), _MIN_BLOCK_ROWS, _MAX_BLOCK_ROWS)
    return equal_slices(n_rows, -(-n_rows // block_rows))


def iterate_blocks(X, n_units=0):
    """Generate (slice of rows, block of X) in order, without keeping the pages of a mapped file."""
    pages = PageRelease(X)
    for rows in block_slices(*X.shape, n_units):
        block = X[rows]
        yield rows, block
        pages.after_reading(block)


def hold_out(X, sample_weight, fraction, random_state):
    """Set rows aside: (X, sample_weight) of the others, and of these, their weights of mean 1.

    The rows are drawn at random, but of a mapped file, which would have to be copied, they are the last.
    """
    n_rows = X.shape[0]
    n_held_out = math.ceil(fraction * n_rows)
    if n_held_out >= n_rows:
        raise ValueError(
            f"early_stopping=True holds out validation_fraction={fraction} of the rows, which leaves none of the "
            f"{n_rows} to train on. Lower validation_fraction, or set early_stopping=False."
        )
    if memory_map(X) is None:
        order = random_state.permutation(n_rows)
        parts = np.sort(order[n_held_out:]), np.sort(order[:n_held_out])
    else:
        parts = slice(n_rows - n_held_out), slice(n_rows - n_held_out, None)
    if sample_weight is None:
        return tuple((X[rows], None) for rows in parts)
    return tuple((X[rows], sample_weight[rows] / sample_weight[rows].mean()) for rows in parts)


def equal_slices(n_rows, n_slices):
    """n_slices slices of rows whose sizes differ by one at most."""
    return [slice(*ends) for ends in pairwise(np.linspace(0, n_rows, n_slices + 1).astype(int).tolist())]


def shuffled_batches(X, sample_weight, batch_size, random_state):
    """Generate every `Batch` of one epoch, in an order random and sequential enough.

    Chunks of 1 MB of rows that lie together are drawn at random into a buffer of 128 MB, whose rows are shuffled. So
    data below 128 MB is shuffled as a whole, and a file is read in pieces of 1 MB. The order depends on the shape of X
    and on random_state alone. While a buffer of a mapped file is read, the one before is still in memory.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_rows, n_features)
    sample_weight : ndarray of shape (n_rows,) or None
    batch_size : int
    random_state : numpy.random.RandomState or None
        None keeps the order of the rows.
    """
    for indices in _buffers(X, batch_size, random_state):
        pool, pool_weight, rows = X, sample_weight, indices
        if memory_map(X) is not None:
            # Read in the order of the file, once.
            in_file = np.sort(indices)
            pool, pool_weight = X[in_file], None if sample_weight is None else sample_weight[in_file]
            rows = np.searchsorted(in_file, indices)
            release_pages(X)
        for start in range(0, len(rows), batch_size):
            part = slice(start, start + batch_size)
            yield Batch(pool, pool_weight, rows[part], indices[part])


def _buffers(X, batch_size, random_state):
    """Rows of every buffer of an epoch, in the order in which they are used."""
    n_rows = X.shape[0]
    row_bytes = max(1, (X.data.nbytes if issparse(X) else X.nbytes) // n_rows)
    # Whole batches to a chunk, so that only the last batch of an epoch is small.
    chunk_rows = batch_size * max(1, _CHUNK_BYTES // (row_bytes * batch_size))
    chunks_per_buffer = max(1, _BUFFER_BYTES // (row_bytes * chunk_rows))
    chunks = np.arange(-(-n_rows // chunk_rows))
    if random_state is not None:
        random_state.shuffle(chunks)
    for first in range(0, len(chunks), chunks_per_buffer):
        starts = chunk_rows * chunks[first : first + chunks_per_buffer]
        rows = np.concatenate([np.arange(start, min(start + chunk_rows, n_rows)) for start in starts])
        if random_state is not None:
            random_state.shuffle(rows)
        yield rows


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
    """Releases the pages of a mapped file after every 64 MB read; does nothing for other data."""

    def __init__(self, X):
        self._X = X if memory_map(X) is not None else None
        self._n_bytes = 0

    def after_reading(self, block):
        if self._X is None:
            return
        self._n_bytes += block.nbytes
        if self._n_bytes >= _MAPPED_BYTES:
            self._n_bytes = 0
            release_pages(self._X)


class ThreadedCSR:
    """A CSR matrix X for products ``X @ B`` and ``X.T @ B`` with dense B, shared among threads by rows of the result.

    Parameters
    ----------
    X : CSR array or matrix
    workers : Workers
    transposed : ThreadedCSR, default=None
        X^T, which is made if it is not given.
    """

    def __init__(self, X, workers, transposed=None):
        self.shape = X.shape
        self.dtype = X.dtype
        self._workers = workers
        ends = np.searchsorted(X.indptr, np.linspace(0, X.nnz, workers.n_threads + 1))
        ends[0], ends[-1] = 0, X.shape[0]
        self._slices = [slice(*piece) for piece in pairwise(ends.tolist())]
        self._pieces = [X[rows] for rows in self._slices]
        self.T = ThreadedCSR(X.T.tocsr(), workers, transposed=self) if transposed is None else transposed

    def __matmul__(self, B):
        out = np.empty((self.shape[0], B.shape[1]), dtype=np.result_type(self.dtype, B.dtype))

        def multiply(i):
            out[self._slices[i]] = self._pieces[i] @ B

        for _ in self._workers.map(multiply, range(len(self._pieces))):
            pass
        return out
