"""Sparse matrices: products shared among threads, products that are dense, sums of squares of rows."""

from itertools import pairwise

import numpy as np


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


# Above this share of stored numbers, BLAS multiplies faster than SciPy.
_DENSE_SHARE = 0.1


def dense_product(A, B):
    """A @ B of two sparse matrices as an array."""
    size = A.shape[0] * A.shape[1] + B.shape[0] * B.shape[1]
    if A.nnz + B.nnz > _DENSE_SHARE * size:
        return A.toarray() @ B.toarray()
    return (A @ B).toarray()


def row_squares(A):
    """The sum of squares of every row of a CSR array."""
    return np.bincount(rows_of_values(A), np.square(A.data), minlength=A.shape[0])


def rows_of_values(A):
    """The row of every stored number of a CSR array."""
    return np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
