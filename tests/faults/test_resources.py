"""Memory, threads and files: the formulas of docs/performance.md, and what is left after many fits."""

import gc
import multiprocessing
import os
import threading
import tracemalloc
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from helpers.extent import COUNTS, is_long
from helpers.marks import FEW_ITERATIONS
from helpers.processes import output_of, start_method
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.metrics import clustering_report
from skdeepcluster.model_selection import ClusteringSearch

pytestmark = FEW_ITERATIONS

# Rows of a batch, and of a block at most.
M, B = 256, 1024

# What Python's own objects take.
OVERHEAD = 300_000

make = partial(SparseAutoencoderTransformer, n_components=4, max_iter=5, random_state=0)


def peak(call):
    """Largest memory that Python and NumPy allocated during a call, bytes."""
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def assert_peak(call, formula, least):
    """That a call takes what a formula says, bytes, or not below a share of it."""
    # The first time, something is loaded and kept; later, a thread that earlier tests left may allocate meanwhile.
    for _ in range(3):
        n_bytes = peak(call)
        if n_bytes < formula + OVERHEAD:
            break
    assert least * formula <= n_bytes < formula + OVERHEAD


def draw(n, d, dtype=np.float64):
    return np.random.default_rng(0).standard_normal((n, d)).astype(dtype)


SHAPES = [(1000, 20, 8), (4000, 800, 8), (4000, 200, 64), (1000, 800, 64), (20_000, 50, 64)]


def fit_formula(solver, n, d, h, t, b):
    if solver == "lbfgs":
        return b * (n * h + 40 * d * h + t * B * (d + 3 * h))
    return 16 * n + b * (20 * d * h + (2 * M + t * B) * (d + 3 * h))


@pytest.mark.parametrize("n, d, h", SHAPES)
@pytest.mark.parametrize("dtype, n_threads", [(np.float32, 1), (np.float64, 2)])
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_memory_of_a_fit(n, d, h, solver, dtype, n_threads):
    X = draw(n, d, dtype)
    model = make(n_components=h, solver=solver, max_iter=3 if solver == "lbfgs" else 1, tol=0)
    with threadpool_limits(n_threads, user_api="blas"):
        assert_peak(lambda: model.fit(X), fit_formula(solver, n, d, h, n_threads, X.itemsize), least=0.15)


@pytest.mark.parametrize("n, d, h", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory_of_transform(n, d, h, dtype):
    X = draw(n, d, dtype)
    model = make(n_components=h, solver="adam", max_iter=1).fit(X)
    assert_peak(lambda: model.transform(X), (n + B) * h * X.itemsize, least=0.5)


def test_deep_stacks_hold_the_layers_of_a_block_alone():
    X = draw(6000, 20, np.float32)
    n_units = 100 + 100 + 500 + 10
    layers = {"hidden_layer_sizes": (100, 100, 500), "code_activation": "identity", "beta": 0}
    model = make(n_components=10, solver="adam", max_iter=1, **layers).fit(X[:500])
    joint = DeepEmbeddedClustering(5, encoder=FrozenEstimator(model), max_iter=1, update_interval=1, random_state=0)
    joint.fit(X[:500])
    code = model.transform(X)
    block = 2 * 600 * n_units * X.itemsize
    assert block < len(X) * n_units * X.itemsize / 4
    for call, kept in (
        (lambda: model.transform(X), code.nbytes),
        (lambda: model.inverse_transform(code), X.nbytes),
        (lambda: model.score(X), 0),
        (lambda: joint.predict(X), code.nbytes + 3 * 8 * 5 * len(X)),
        (lambda: joint.transform(X), code.nbytes),
    ):
        assert_peak(call, kept + block, least=0)


@pytest.mark.parametrize("n, d, k", [(1000, 10, 5), (6000, 40, 5), (6000, 40, 60), (3000, 10, 300), (2000, 400, 10)])
@pytest.mark.parametrize("dtype, n_threads", [(np.float32, 1), (np.float64, 2)])
def test_memory_of_a_report(n, d, k, dtype, n_threads):
    X, labels = draw(n, d, dtype), np.arange(n) % k
    formula = 8 * n * (3 * d + 2 * min(k, 128) + 10) + n_threads * (4e6 + 24_000 * d)
    # The graph of modularity: distances, neighbours and their clusters, of at most 2,000 rows.
    formula += 24 * min(n, 2000) * 100
    with threadpool_limits(n_threads, user_api="blas"):
        assert_peak(lambda: clustering_report(X, labels), formula, least=0.15)


@pytest.mark.parametrize("n, d, h, n_spaces", [(2000, 30, 8, 2), (4000, 120, 8, 2), (4000, 30, 32, 6)])
def test_memory_of_a_search(n, d, h, n_spaces):
    X, sample_size = draw(n, d), 1000
    model = make_pipeline(StandardScaler(), make(n_components=h, max_iter=2, tol=0), KMeans(4, n_init=1))
    grid = {"sparseautoencodertransformer__lam": np.logspace(-4, -2, n_spaces), "kmeans__n_clusters": [3, 4]}
    search = ClusteringSearch(model, grid, sample_size=sample_size, random_state=0)
    # With numbers of clusters in the grid, the silhouette is one of the metrics.
    of_scores = max(4e6 + 24_000 * d, 9000 * sample_size)
    formula = 8 * (3 * n * d + 4 * n * h + n_spaces * sample_size * h) + of_scores
    assert_peak(lambda: search.fit(X), formula, least=0.15)


# What is left


def resident():
    """Resident memory of this process, bytes; 0 where the system does not say."""
    if not Path("/proc/self/statm").exists():
        return 0
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="module")
def in_own_process():
    """Calls functions where no thread of other tests allocates memory or opens files."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(start_method())) as executor:
        yield lambda measure, *arguments: executor.submit(measure, *arguments).result()


def growth_over_fits(parameters, shape, times):
    """Memory that Python and NumPy have after many fits more than before, of the process, and threads, too."""
    X = draw(*shape)
    model = make(**parameters)
    warnings.simplefilter("ignore", ConvergenceWarning)
    return growth(lambda: clone(model).fit(X).transform(X), times)


def growth_over_joint_fits_and_searches(X, times):
    encoder = make(hidden_layer_sizes=6, code_activation="identity", beta=0, solver="adam", max_iter=2)
    joint = DeepEmbeddedClustering(3, encoder=encoder, max_iter=1, update_interval=2, n_init=1, random_state=0)
    search = ClusteringSearch(
        make_pipeline(StandardScaler(), make(max_iter=2), KMeans(3, n_init=1)),
        {"kmeans__n_clusters": [2, 3]},
        random_state=0,
    )
    warnings.simplefilter("ignore", ConvergenceWarning)

    def fit():
        clone(joint).fit(X).predict(X)
        clone(search).fit(X)

    return growth(fit, times)


def growth(call, times):
    def repeat(times):
        for _ in range(times):
            call()
        gc.collect()

    repeat(5)
    n_threads = threading.active_count()
    tracemalloc.start()
    repeat(5)
    before, before_resident = tracemalloc.get_traced_memory()[0], resident()
    repeat(times)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return after - before, resident() - before_resident, threading.active_count() - n_threads


def open_files_after_fits(path):
    """Number of open files after each of several fits to a mapped one."""
    counts = []
    for _ in range(5):
        X = np.memmap(path, dtype=np.float64, mode="r", shape=(500, 10))
        make(solver="adam").fit(X).transform(X)
        del X
        gc.collect()
        counts.append(len(os.listdir("/proc/self/fd")))
    return counts


@pytest.mark.parametrize(
    "parameters",
    [
        {"solver": "lbfgs"},
        {"solver": "adam", "max_iter": 2},
        {"hidden_layer_sizes": 6, "pretrain": "layerwise", "solver": "adam", "max_iter": 1},
    ],
    ids=str,
)
def test_memory_does_not_grow_over_many_fits(in_own_process, parameters):
    n_fits, shape = (200, (20_000, 50)) if is_long() else (30, (200, 100))
    allocated, of_process, n_threads = in_own_process(growth_over_fits, parameters, shape, n_fits)
    COUNTS["fits whose memory was measured"][str(parameters)] += n_fits
    # Python keeps 20 to 50 kB of small objects, however many fits. A copy of the parameters has 7 kB, in the long 3.
    assert allocated < n_fits * (500 if is_long() else 3000)
    assert n_threads == 0
    if is_long():
        # A copy of X has 8 MB, of the code 0.6 MB.
        assert of_process < 20e6


def test_memory_does_not_grow_over_joint_fits_and_searches(in_own_process, blobs):
    # KMeans alone leaves about 1 kB each time. A copy of the labels has 5 kB, of the data 72 kB.
    assert in_own_process(growth_over_joint_fits_and_searches, blobs, 10)[0] < 10 * 4000


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts the open files of Linux")
def test_fits_on_mapped_files_leave_no_file_open(in_own_process, tmp_path):
    draw(500, 10).tofile(tmp_path / "X.f8")
    counts = in_own_process(open_files_after_fits, tmp_path / "X.f8")
    assert len(set(counts)) == 1


def test_searches_in_processes_remove_their_temporary_files(tmp_path):
    # Arrays above 1 MB go to joblib's processes as files.
    script = """
import numpy as np
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.model_selection import ClusteringSearch
X = np.random.RandomState(0).normal(size=(4000, 50))
model = make_pipeline(SparseAutoencoderTransformer(4, max_iter=2, tol=0.5), KMeans(3, n_init=1))
grid = {"sparseautoencodertransformer__rho": [0.3, 0.5], "kmeans__n_clusters": [2, 3]}
ClusteringSearch(model, grid, n_jobs=2, random_state=0).fit(X)
"""
    environment = os.environ | {"TMPDIR": str(tmp_path), "JOBLIB_TEMP_FOLDER": str(tmp_path)}
    output_of(script, env=environment)
    assert list(tmp_path.iterdir()) == []
