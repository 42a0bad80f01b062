"""Fits that `performance.py` runs in a process of their own, to see their memory; prints numbers.

python docs/benchmarks/_memory.py dense|sparse N D      seconds, peak MB beyond the data, MB of data
python docs/benchmarks/_memory.py newsgroups H [DIR]    seconds, peak MB
python docs/benchmarks/_memory.py mapped GB FOLDER      seconds, peak MB, MB before the fit
"""

import sys
import time
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import numpy as np
import scipy.sparse as sp
from _datasets import newsgroups_tfidf

from skdeepcluster import SparseAutoencoderTransformer

# Entries in a row of the sparse data.
N_ENTRIES = 100

# Columns of the mapped file.
N_MAPPED = 784


def peak():
    """Largest resident memory so far, MB."""
    return getrusage(RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def seconds_of(fit, *arguments):
    start = time.perf_counter()
    fit(*arguments)
    return time.perf_counter() - start


def grown(kind, n, d):
    """10 iterations of L-BFGS, 32 units, float32."""
    rng = np.random.default_rng(0)
    if kind == "dense":
        X = rng.standard_normal((n, d), dtype=np.float32)
        megabytes = X.nbytes / 2**20
    else:
        columns = rng.integers(d, size=n * N_ENTRIES)
        X = sp.csr_matrix((rng.standard_normal(n * N_ENTRIES, dtype=np.float32), columns, np.arange(n + 1) * N_ENTRIES))
        X.sum_duplicates()
        megabytes = (X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) / 2**20
    model = SparseAutoencoderTransformer(32, solver="lbfgs", max_iter=10, tol=0, random_state=0)
    before = peak()
    seconds = seconds_of(model.fit, X)
    print(seconds, peak() - before, megabytes)


def newsgroups(h, data_dir=None):
    """20 iterations on TF-IDF whose features have variance 1; the whole process counts."""
    X, _ = newsgroups_tfidf(data_dir)
    X *= np.float32(np.sqrt(X.shape[1]))
    model = SparseAutoencoderTransformer(h, solver="lbfgs", max_iter=20, tol=0, random_state=0)
    print(seconds_of(model.fit, X), peak())


def mapped(gigabytes, folder):
    """One epoch of Adam, 32 units."""
    n = int(gigabytes * 2**30 / (4 * N_MAPPED))
    path, rng = Path(folder) / "mapped.f4", np.random.default_rng(0)
    try:
        with open(path, "wb") as file:
            for start in range(0, n, 20_000):
                rng.standard_normal((min(20_000, n - start), N_MAPPED), dtype=np.float32).tofile(file)
        X = np.memmap(path, dtype=np.float32, mode="r", shape=(n, N_MAPPED))
        before = peak()
        model = SparseAutoencoderTransformer(32, solver="adam", max_iter=1, random_state=0)
        print(seconds_of(model.fit, X), peak(), before)
    finally:
        path.unlink()


if __name__ == "__main__":
    kind, *arguments = sys.argv[1:]
    if kind == "newsgroups":
        newsgroups(int(arguments[0]), *arguments[1:])
    elif kind == "mapped":
        mapped(float(arguments[0]), arguments[1])
    else:
        grown(kind, *map(int, arguments))
