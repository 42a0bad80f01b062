"""Products of a sparse matrix, shared among threads."""

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
