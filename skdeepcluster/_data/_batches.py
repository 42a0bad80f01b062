"""Batches: in which order rows are learned from, in memory or from a mapped file."""

from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from .._arrays import bytes_of_row
from ._mapped import memory_map, release_pages

# Bytes of rows that are shuffled together, and bytes of a chunk of consecutive rows, which is read at once.
_BUFFER_BYTES = 2**27
_CHUNK_BYTES = 2**20


class Batch(NamedTuple):
    """Rows that a step of Adam learns from.

    Attributes
    ----------
    X : ndarray or CSR of shape (n_pool, n_features)
        The data, or the part of a mapped file that is in memory.
    sample_weight : ndarray of shape (n_pool,) or None
    rows : ndarray of int of shape (n_rows,)
        Row numbers of the batch in X.
    indices : ndarray of int of shape (n_rows,)
        Row numbers of the same rows in all of the data.
    """

    X: np.ndarray
    sample_weight: np.ndarray | None
    rows: np.ndarray
    indices: np.ndarray

    @property
    def n_rows(self):
        """Number of rows of the batch."""
        return len(self.rows)


@dataclass
class BatchOrder:
    """What is left of an epoch. Drawing a batch overwrites it; an empty one begins a new epoch.

    Attributes
    ----------
    chunks : ndarray of int
        Chunks of rows that were not opened yet, in the order in which they will be.
    rows : ndarray of int
        Rows of the buffer that is open, in the order in which they will be learned from.
    sizes : ndarray of int
        Numbers of rows of the batches that they make.
    """

    chunks: np.ndarray = field(default_factory=partial(np.zeros, 0, dtype=int))
    rows: np.ndarray = field(default_factory=partial(np.zeros, 0, dtype=int))
    sizes: np.ndarray = field(default_factory=partial(np.zeros, 0, dtype=int))


def n_batches_of(n_rows, batch_size):
    """Number of batches of an epoch."""
    return -(-n_rows // batch_size)


def epoch_of_batches(X, sample_weight, batch_size, random_state, order=None):
    """Generate every `Batch` of one epoch, or of what is left of one.

    There are as few batches as batch_size allows, and their sizes differ by one at most: a few rows left over would be
    a batch whose step is as long as any, while its rho_hat and its loss are noise.

    The data are cut into chunks of consecutive rows, 1 MB each; the chunks are shuffled, and as many of them as fill a
    buffer of 128 MB are shuffled row by row. So data below 128 MB are shuffled as a whole, and a mapped file is read in
    pieces of 1 MB. The order depends on the shape of X and on random_state alone. While a buffer of a mapped file is
    read, the one before is still in memory.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_rows, n_features)
    sample_weight : ndarray of shape (n_rows,) or None
    batch_size : int
    random_state : numpy.random.RandomState or None
        None keeps the order of the rows.
    order : BatchOrder, default=None
        Where to go on; kept up to date, so that it says after every batch what is left. None begins a new epoch.
    """
    order = BatchOrder() if order is None else order
    n_rows = X.shape[0]
    row_bytes = max(1, bytes_of_row(X))
    n_batches = n_batches_of(n_rows, batch_size)
    # A chunk has the rows of whole batches.
    batches_per_chunk = max(1, _CHUNK_BYTES // (row_bytes * batch_size))
    chunks_per_buffer = max(1, _BUFFER_BYTES // (row_bytes * batch_size * batches_per_chunk))
    ends_of_batches = np.linspace(0, n_rows, n_batches + 1).astype(int)
    if not len(order.chunks) and not len(order.rows):
        order.chunks = np.arange(-(-n_batches // batches_per_chunk))
        if random_state is not None:
            random_state.shuffle(order.chunks)
    while len(order.chunks) or len(order.rows):
        if not len(order.rows):
            first, order.chunks = batches_per_chunk * order.chunks[:chunks_per_buffer], order.chunks[chunks_per_buffer:]
            last = np.minimum(first + batches_per_chunk, n_batches)
            rows = np.concatenate([np.arange(*ends) for ends in zip(ends_of_batches[first], ends_of_batches[last])])
            if random_state is not None:
                random_state.shuffle(rows)
            order.rows = rows
            order.sizes = np.diff(np.linspace(0, len(rows), np.sum(last - first) + 1).astype(int))
        yield from _batches_of_buffer(X, sample_weight, order)


def pass_of_neighborhoods(X, sample_weight, neighbors, group_size, batch_size, random_state, order):
    """Generate a `Batch` after the other, groups of neighbours, until every row has been the first of one.

    Parameters
    ----------
    X, sample_weight, random_state, order
        As in `epoch_of_batches`.
    neighbors : ndarray of int of shape (n_rows, n_neighbors)
        The nearest rows of every row, nearest first.
    group_size : int
        A row, and so many less one of its neighbours, drawn at random; without random_state the nearest.
    batch_size : int
        Largest number of rows of a batch, but for one group.
    """
    if not len(order.rows):
        rows = np.arange(X.shape[0])
        if random_state is not None:
            random_state.shuffle(rows)
        n_batches = n_batches_of(len(rows), max(1, batch_size // group_size))
        order.rows, order.sizes = rows, np.diff(np.linspace(0, len(rows), n_batches + 1).astype(int))
    while len(order.rows):
        size, order.sizes = order.sizes[0], order.sizes[1:]
        first, order.rows = order.rows[:size], order.rows[size:]
        if random_state is None:
            drawn = neighbors[first, : group_size - 1]
        else:
            places = np.argsort(random_state.uniform(size=(size, neighbors.shape[1])), axis=1)[:, : group_size - 1]
            drawn = neighbors[first[:, np.newaxis], places]
        rows = np.column_stack([first, drawn]).ravel()
        yield Batch(X, sample_weight, rows, rows)
        release_pages(X)


def _batches_of_buffer(X, sample_weight, order):
    pool, pool_weight, in_pool = X, sample_weight, order.rows
    if memory_map(X) is not None:
        # Every row of the buffer is read once, in the order of the file.
        in_file = np.sort(order.rows)
        pool, pool_weight = X[in_file], None if sample_weight is None else sample_weight[in_file]
        in_pool = np.searchsorted(in_file, order.rows)
        release_pages(X)
    while len(order.rows):
        size, order.sizes = order.sizes[0], order.sizes[1:]
        indices, order.rows = order.rows[:size], order.rows[size:]
        rows, in_pool = in_pool[:size], in_pool[size:]
        yield Batch(pool, pool_weight, rows, indices)
