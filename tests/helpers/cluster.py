"""Clusters, and tables in partitions, for the tests of fits on a cluster."""

from contextlib import contextmanager
from itertools import pairwise

import dask
import dask.array as da
import numpy as np
import scipy.sparse as sp
from dask import delayed
from distributed import LocalCluster

from helpers.processes import start_method


@contextmanager
def two_processes():
    """A cluster of two processes of this machine."""
    config = {
        "distributed.worker.multiprocessing-method": start_method(),
        # What it does without work: it looks at itself, and at the time.
        "distributed.worker.profile.enabled": False,
        "distributed.admin.tick.interval": "1s",
    }
    with (
        dask.config.set(config),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
    ):
        yield cluster


def chunks_of(n_rows, n_partitions):
    """Sizes of chunks, of different sizes where they can be."""
    ends = np.linspace(0, 1, n_partitions + 1) ** 1.2 * n_rows
    return tuple(np.diff(np.ceil(ends).astype(int)).tolist())


def partitioned(X, n_partitions):
    """X as a `dask.array`, dense or in chunks of CSR."""
    sizes = chunks_of(X.shape[0], n_partitions)
    if not sp.issparse(X):
        return da.from_array(X, chunks=(sizes, X.shape[1:]))
    starts = np.cumsum([0, *sizes])
    meta = sp.csr_matrix((0, 0), dtype=X.dtype)
    parts = [
        da.from_delayed(delayed(X[start:stop]), (stop - start, X.shape[1]), meta=meta)
        for start, stop in pairwise(starts)
    ]
    return da.concatenate(parts)
