"""What a fit on a Dask cluster costs beside one in memory, and what comes of local steps.

    python docs/benchmarks/dask_cluster.py [overhead] [bytes] [local_steps] [large] [--data-dir DIR]

On a cluster of two processes of this machine, of one thread each. overhead: seconds of one evaluation of J and its
gradient, side by side with one in memory on two threads, by the number of partitions. bytes: what went through the
loopback device for one evaluation, by the number of rows, of partitions and of parameters. local_steps: J of Adam by
local steps, by the number of partitions, beside Adam in memory and exact training. large: 20 GB, drawn chunk by chunk,
never in memory at once. What came out is in docs/dask.md.
"""

import argparse
import resource
import time
import warnings
from functools import partial

import dask.array as da
import numpy as np
import psutil
from _datasets import mnist, pendigits
from _machine import describe_machine
from _tables import print_table
from _timing import alternate
from dask.utils import format_bytes
from distributed import Client, LocalCluster
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._dask._partitioned import PartitionedData
from skdeepcluster._data import DataInMemory
from skdeepcluster._network import mirrored_network
from skdeepcluster._objectives import LinearDecoderObjective
from skdeepcluster._support._threads import worker_threads
from skdeepcluster.dask import DaskSparseAutoencoderTransformer

LAYERS = {"activation": "relu", "code_activation": "logistic", "output_activation": "identity", "tied": False}


def objective_of(n_features, n_units):
    """What L-BFGS minimises."""
    network = mirrored_network(n_features, (), n_units, **LAYERS)
    return LinearDecoderObjective(network, rho=0.5, beta=1.0, lam=1e-3, projected=True)


def random_table(n_rows, n_features, n_partitions):
    """A table that is drawn where it is needed."""
    rng = da.random.default_rng(0)
    return rng.standard_normal((n_rows, n_features), chunks=(-(-n_rows // n_partitions), n_features))


def overhead(arguments, client):
    """Seconds of an evaluation for n = 1,000,000, d = 100, h = 64."""
    objective = objective_of(100, 64)
    theta = np.random.RandomState(0).normal(scale=0.1, size=objective.layout.size)
    X = random_table(1_000_000, 100, 8).compute()
    rows = []
    with worker_threads() as workers:
        local = DataInMemory(X, None, workers).full_batch(objective)
        for n_partitions in (2, 4, 8, 16, 64):
            on_cluster = PartitionedData.load(client, random_table(1_000_000, 100, n_partitions)).full_batch(objective)
            contestants = {"in memory": partial(local, theta), "on the cluster": partial(on_cluster, theta)}
            seconds = alternate(contestants, 7)
            ratio = seconds["on the cluster"] / seconds["in memory"]
            rows.append({"partitions": n_partitions} | seconds | {"ratio": ratio})
    print_table(rows)


def bytes_moved(arguments, client):
    """Bytes of an evaluation."""
    shapes = [
        (50_000, 100, 64, 8),
        (500_000, 100, 64, 8),
        (500_000, 100, 64, 32),
        (500_000, 100, 64, 128),
        (50_000, 800, 500, 8),
    ]
    print_table([bytes_of(client, *shape) for shape in shapes])


def bytes_of(client, n_rows, n_features, n_units, n_partitions, n_evaluations=5):
    """What one evaluation moves, as a row of a table."""
    objective = objective_of(n_features, n_units)
    theta = np.random.RandomState(0).normal(scale=0.1, size=objective.layout.size)
    full_batch = PartitionedData.load(client, random_table(n_rows, n_features, n_partitions)).full_batch(objective)
    full_batch(theta)
    idle = moved_by(lambda: time.sleep(2)) / 2
    start = time.perf_counter()
    n_bytes = moved_by(lambda: [full_batch(theta) for _ in range(n_evaluations)])
    seconds = time.perf_counter() - start
    n_bytes = (n_bytes - idle * seconds) / n_evaluations
    n_parameters = 2 * n_features * n_units + n_features + n_units
    return {
        "rows": n_rows,
        "features": n_features,
        "units": n_units,
        "partitions": n_partitions,
        "seconds": seconds / n_evaluations,
        "MB": n_bytes / 1e6,
        "in parameters, per partition": n_bytes / 8 / n_parameters / n_partitions,
    }


def moved_by(function):
    """Bytes that the loopback device sends meanwhile."""
    before = psutil.net_io_counters(pernic=True)["lo"].bytes_sent
    function()
    return psutil.net_io_counters(pernic=True)["lo"].bytes_sent - before


def local_steps(arguments, client):
    """J of all rows after 20 epochs."""
    sets = {
        "pendigits": StandardScaler().fit_transform(pendigits(arguments.data_dir)[0]),
        "MNIST": StandardScaler().fit_transform(mnist(arguments.data_dir)[0]).astype(np.float32),
    }
    rows = []
    for name, X in sets.items():
        parameters = {"n_components": 64, "random_state": 0, "tol": 0}
        row = {"set": name}
        for solver, max_iter in (("lbfgs", 100), ("adam", 20)):
            model = SparseAutoencoderTransformer(solver=solver, max_iter=max_iter, **parameters).fit(X)
            row[f"{solver}, in memory"] = model.loss_
        for n_partitions in (1, 2, 7, 50):
            table = da.from_array(X, chunks=(-(-len(X) // n_partitions), X.shape[1]))
            model = DaskSparseAutoencoderTransformer(solver="adam", max_iter=20, **parameters).fit(table)
            row[f"{n_partitions} partitions"] = model.loss_
        rows.append(row)
    print_table(rows)


def large(arguments, client):
    """20 GB on workers of 3 GB each."""
    table = random_table(25_000_000, 100, 250)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="3 GB", dashboard_address=":0") as cluster,
        Client(cluster) as small,
    ):
        start = time.perf_counter()
        model = DaskSparseAutoencoderTransformer(64, max_iter=2, random_state=0).fit(table)
        seconds = time.perf_counter() - start
        peaks = small.run(lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    print(f"{format_bytes(table.nbytes)} in {seconds:.0f} s, {model.n_iter_} iterations, J = {model.loss_:.4f}")
    print("peak memory of the workers:", ", ".join(format_bytes(peak) for peak in peaks.values()))


SECTIONS = {"overhead": overhead, "bytes": bytes_moved, "local_steps": local_steps, "large": large}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", default=list(SECTIONS), metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--data-dir", help="folder with mnist.npz and pendigits.npz; without it they are fetched")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(describe_machine() + "\n", flush=True)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        for section in arguments.sections:
            print(f"{section}\n", flush=True)
            SECTIONS[section](arguments, client)
