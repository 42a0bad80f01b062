"""How fast skdeepcluster trains, beside what else one could use, in one run.

    python docs/benchmarks/performance.py [SECTION ...] [--data-dir DIR]

Sections: evaluation, digits, epoch, time_to_j, sparse, growth, silhouette, mapped, search; all of them by default. The
contestants of a table take turns, and the figures are medians. PyTorch takes part if it is installed
(pip install torch==2.13.0). Of the data sets, mnist.npz and newsgroups20.npz are read from --data-dir; without it
scikit-learn fetches them. What the tables say is in docs/studies/performance.md.
"""

import argparse
import subprocess
import sys
import warnings
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from _datasets import mnist, newsgroups_tfidf
from _machine import describe_machine
from _memory import peak
from _problem import DEEP_LAYERS, DEEP_PROBLEM, DEEP_UNITS, MNIST_PROBLEM, MNIST_UNITS, AdamRun, Problem
from _tables import print_table
from _timing import alternate, in_fresh_interpreter
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.parallel import Parallel, delayed

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._data import RowBlocks, block_slices
from skdeepcluster._objectives import Block, total
from skdeepcluster._support._threads import single_threaded, worker_threads
from skdeepcluster.metrics import silhouette_scorer
from skdeepcluster.model_selection import ClusteringSearch

# Not imported unless a section needs it: its threads would disturb the others.
HAS_TORCH = find_spec("torch") is not None


def evaluation(arguments):
    """One evaluation of J and its gradient, 10,000 x 784."""
    rows = []
    rng = np.random.RandomState(0)
    for dtype in (np.float32, np.float64):
        for h in (32, 196, 500):
            problem = Problem(rng.uniform(size=(10_000, 784)).astype(dtype), h, MNIST_PROBLEM)
            W1, W2 = problem.layout.unpack(problem.theta)[0]

            def products(X=problem.X, W1=W1, W2=W2):
                A = X @ W1
                R = A @ W2
                A.T @ R
                X.T @ (R @ W2.T)

            contestants = {
                "products alone": products,
                "J and gradient": problem.evaluation(problem.linear(projected=False)),
                "with the residual": problem.evaluation(problem.residual()),
                "projected": problem.evaluation(problem.linear(projected=True)),
            }
            if HAS_TORCH:
                import _torch

                X, parameters = problem.torch_arguments()

                def autograd(function=problem.torch_objective, X=X, parameters=parameters):
                    _torch.value_and_grad(function, X, parameters, *MNIST_PROBLEM)

                contestants["PyTorch autograd"] = autograd
                contestants |= compiled(problem.torch_objective, X, parameters)
            seconds = alternate(contestants, arguments.n_runs)
            ours = seconds["J and gradient"]
            row = {"type": np.dtype(dtype).name, "h": h}
            row |= {f"{name}, ms": 1000 * value for name, value in seconds.items()}
            row["share of the products' speed"] = seconds["products alone"] / ours
            row |= {f"{name} / ours": value / ours for name, value in seconds.items() if "PyTorch" in name}
            rows.append(row)
    print_table(rows)


def compiled(function, X, parameters):
    """PyTorch compiled as a contestant, if it runs here."""
    import _torch
    import torch

    compiled_function = torch.compile(function)

    def run():
        _torch.value_and_grad(compiled_function, X, parameters, *MNIST_PROBLEM)

    try:
        run()
    except Exception as error:
        print(f"torch.compile does not run here: {type(error).__name__}: {str(error).splitlines()[0]}\n")
        return {}
    return {"PyTorch compiled": run}


def digits(arguments):
    """200 iterations of L-BFGS on digits, 32 units, beside MLPRegressor of the same shape (alpha = lam n / d)."""
    rows = []
    for dtype in (np.float64, np.float32):
        X = StandardScaler().fit_transform(load_digits().data).astype(dtype)
        n_iter = {}

        def ours(X=X, n_iter=n_iter):
            model = SparseAutoencoderTransformer(32, beta=0.0, lam=1e-3, max_iter=200, tol=0, random_state=0)
            n_iter["ours"] = model.fit(X).n_iter_

        def mlp(X=X, n_iter=n_iter):
            model = MLPRegressor(
                hidden_layer_sizes=32, activation="logistic", solver="lbfgs", alpha=0.028, max_iter=200, tol=0
            )
            n_iter["MLPRegressor"] = model.fit(X, X).n_iter_

        seconds = alternate({"ours": ours, "MLPRegressor": mlp}, arguments.n_runs)
        per_iteration = {name: 1000 * value / n_iter[name] for name, value in seconds.items()}
        rows.append(
            {
                "type": np.dtype(dtype).name,
                **{f"{name}, s": value for name, value in seconds.items()},
                **{f"{name}, ms an iteration": value for name, value in per_iteration.items()},
                "ratio an iteration": per_iteration["MLPRegressor"] / per_iteration["ours"],
            }
        )
    print_table(rows)


def epoch(arguments):
    """One epoch of Adam on MNIST, batches of 256: 196 units, and the deep network 784-500-500-2000-10."""
    X = mnist(arguments.data_dir)[0][:60_000]
    problems = {
        "784-196": Problem(X, MNIST_UNITS, MNIST_PROBLEM),
        "784-500-500-2000-10": Problem(X, DEEP_UNITS, DEEP_PROBLEM, DEEP_LAYERS),
    }
    rows = []
    for name, problem in problems.items():
        options = {"step_size": 1e-3, "n_epochs": 10**6}
        contestants = {"ours": AdamRun(problem, **options).epoch}
        if HAS_TORCH:
            import _torch

            def torch_epoch(problem=problem, options=options, **others):
                function = problem.torch_objective
                X, parameters = problem.torch_arguments()
                hyperparameters = tuple(problem.hyperparameters.values())
                return _torch.Adam(function, X, parameters, hyperparameters, batch_size=256, **options, **others).epoch

            contestants["PyTorch"] = torch_epoch()
            contestants["PyTorch, decay in the optimiser"] = torch_epoch(decay_in_optimizer=True)
        seconds = alternate(contestants, arguments.n_runs)
        row = {"network": name} | {f"{name}, s": value for name, value in seconds.items()}
        row |= {f"{name} / ours": value / seconds["ours"] for name, value in seconds.items() if "PyTorch" in name}
        rows.append(row)
    print_table(rows)


def sparse(arguments):
    """One evaluation on TF-IDF of 20 Newsgroups, beside the same network on blocks made dense."""
    X, _ = newsgroups_tfidf(arguments.data_dir)
    print(f"{X.shape[0]} x {X.shape[1]}, {X.nnz / X.shape[0]:.0f} entries a row, {X.dtype}\n")
    rows = []
    for h in (32, 64):
        problem = Problem(X, h, MNIST_PROBLEM)
        projected, residual = problem.linear(projected=True), problem.residual()
        theta = problem.theta_of(projected)
        slices = block_slices(X, h)[: arguments.n_dense_blocks]
        n_blocks = len(block_slices(X, h))

        def densified(objective, theta, X=X, slices=slices):
            """The first blocks alone; their time is scaled to all."""
            with worker_threads() as workers, single_threaded() as own_thread:

                def first(rows):
                    block = RowBlocks(objective, Block(X[rows].toarray()), own_thread)
                    return block, *block.statistics(theta, keep_outputs=True)

                parts = list(workers.map(first, slices))
                shared = objective.combine(theta, total(statistics for _, statistics, _ in parts))
                sums = workers.map(lambda part: part[0].gradient_sums(theta, part[2], shared), parts)
                objective.finish(theta, shared, total(sums))

        contestants = {
            "sparse": problem.evaluation(projected),
            "residual": partial(densified, residual, problem.theta),
            "projected": partial(densified, projected, theta),
        }
        seconds = alternate(contestants, arguments.n_runs)
        scale = n_blocks / len(slices)
        rows.append(
            {
                "h": h,
                "sparse, s": seconds["sparse"],
                "dense blocks, s": scale * seconds["residual"],
                "dense blocks, projected, s": scale * seconds["projected"],
                "ratio": scale * seconds["residual"] / seconds["sparse"],
                "ratio to projected": scale * seconds["projected"] / seconds["sparse"],
            }
        )
    print_table(rows)
    seconds, megabytes = in_fresh_interpreter("_memory.py", "newsgroups", 64, *filter(None, [arguments.data_dir]))
    print(f"a fit of 20 iterations, in a process of its own: {seconds:.1f} s, peak memory {megabytes:.0f} MB")
    print(f"peak memory of this process, dense blocks included: {peak():.0f} MB\n")


def growth(arguments):
    """Time and peak memory of a fit of 10 iterations, each in a process of its own."""
    rows = []
    cases = [("dense", 10**k, 64) for k in (3, 4, 5, 6)]
    cases += [("dense", 10_000, d) for d in (16, 256, 1024, 4096)]
    cases += [("sparse", 10_000, d) for d in (1000, 10_000, 50_000)]
    for kind, n, d in cases:
        seconds, megabytes, data = in_fresh_interpreter("_memory.py", kind, n, d)
        row = {"X": kind, "n": n, "d": d, "data, MB": data, "s": seconds, "peak beyond data, MB": megabytes}
        rows.append(row)
    print_table(rows)


def silhouette(arguments):
    """The exact silhouette beside scikit-learn's."""
    script = Path(__file__).parent / "silhouette.py"
    subprocess.run([sys.executable, script, "--n-runs", str(arguments.n_runs)], check=True)


def mapped(arguments):
    """One epoch of Adam on a file of float32 that is mapped, and the peak of resident memory."""
    rows = []
    for gigabytes in arguments.gigabytes:
        seconds, megabytes, before = in_fresh_interpreter("_memory.py", "mapped", gigabytes, arguments.scratch)
        rows.append({"file, GB": gigabytes, "s": seconds, "resident before, MB": before, "peak, MB": megabytes})
    print_table(rows)


def time_to_j(arguments):
    """Seconds until J of the MNIST problem is reached, by every solver, and J after a minute."""
    import _convergence

    _convergence.time_to_j(arguments)


def search(arguments):
    """48 candidates on digits, 2 processes: the candidates fitted and nothing else, and searches, refit included."""
    X, _ = load_digits(return_X_y=True)
    code, cluster = SparseAutoencoderTransformer(random_state=0), KMeans(10, n_init=10, random_state=0)
    model = Pipeline([("scale", StandardScaler()), ("code", code), ("cluster", cluster)])
    values = {"n_components": [16, 64], "rho": [0.1, 0.3, 0.5], "beta": [0.3, 3.0], "lam": [1e-4, 1e-3, 1e-2, 1e-1]}
    grid = {f"code__{name}": tried for name, tried in values.items()}
    candidates = [clone(model).set_params(**setting) for setting in ParameterGrid(grid)]
    every_row = np.arange(len(X))
    contestants = {
        "candidates alone": lambda: Parallel(n_jobs=2)(delayed(one.fit_predict)(X) for one in candidates),
        "ClusteringSearch": ClusteringSearch(model, grid, n_jobs=2, random_state=0),
        "ClusteringSearch, metric='silhouette'": ClusteringSearch(model, grid, metric="silhouette", n_jobs=2),
        "GridSearchCV, silhouette_scorer": GridSearchCV(
            model, grid, scoring=silhouette_scorer, cv=[(every_row, every_row)], n_jobs=2
        ),
    }
    calls = {name: one if callable(one) else partial(one.fit, X) for name, one in contestants.items()}
    seconds = alternate(calls, arguments.n_runs)
    alone = seconds["candidates alone"]
    print_table([{"": name, "s": value, "ratio": value / alone} for name, value in seconds.items()])


SECTIONS = {
    section.__name__: section
    for section in (evaluation, digits, epoch, time_to_j, sparse, growth, silhouette, mapped, search)
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--data-dir", help="folder with mnist.npz and newsgroups20.npz")
    parser.add_argument("--n-runs", type=int, default=7, help="rounds of a table")
    parser.add_argument("--seconds", type=float, default=60, help="of every solver in time_to_j")
    parser.add_argument("--n-dense-blocks", type=int, default=8, help="blocks of the dense contestant in sparse")
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[0.5, 2.0], help="sizes of the mapped file")
    parser.add_argument("--scratch", default=".", help="folder for the mapped file")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(SECTIONS):
        parser.error(f"unknown section: {', '.join(sorted(unknown))}")
    names = arguments.sections or list(SECTIONS)
    if len(names) > 1:
        # A section by itself: the threads of a library that another section has loaded would disturb it.
        options = [argument for argument in sys.argv[1:] if argument not in SECTIONS]
        for name in names:
            subprocess.run([sys.executable, __file__, name, *options], check=True)
    else:
        warnings.simplefilter("ignore", ConvergenceWarning)
        print(f"## {names[0]}\n\n{SECTIONS[names[0]].__doc__}\n")
        SECTIONS[names[0]](arguments)
        print(describe_machine() + "\n")
