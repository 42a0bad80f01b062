"""Seconds until J of the MNIST problem is reached, solver by solver."""

import time

import numpy as np
from _datasets import mnist
from _problem import MNIST_PROBLEM, MNIST_UNITS, AdamRun, Problem
from _tables import print_table
from scipy.optimize import minimize
from sklearn.neural_network import MLPRegressor

from skdeepcluster._data import FullBatchLoss
from skdeepcluster._objectives import Block
from skdeepcluster._support._threads import worker_threads

try:
    import _torch
    import torch
except ImportError:
    torch = None


def epoch_trace(run, value, n_epochs):
    """(seconds, J) after every epoch; J is evaluated off the clock."""
    trace, clock = [], 0.0
    for _ in range(n_epochs):
        start = time.perf_counter()
        run.epoch()
        clock += time.perf_counter() - start
        trace.append((clock, value()))
    return trace


def time_to_j(arguments):
    """Seconds until J of the MNIST problem is reached, by every solver, and J after a minute."""
    problem = Problem(mnist(arguments.data_dir)[0][:60_000], MNIST_UNITS, MNIST_PROBLEM)
    exact = problem.linear(projected=False)

    def exact_value(theta):
        with worker_threads() as workers:
            return FullBatchLoss(exact, Block(problem.X), workers)(theta)[0].sum()

    def by_lbfgs(theta, clock=0.0):
        """Our L-BFGS from theta."""
        trace, _ = problem.trace(
            "lbfgs", theta, max_iter=10**6, until=lambda seconds, value: clock + seconds > arguments.seconds
        )
        return [(clock + seconds, value) for seconds, value in trace]

    def by_adam(n_epochs, step_size):
        run = AdamRun(problem, step_size=step_size, n_epochs=n_epochs)
        return epoch_trace(run, lambda: exact_value(run.state.x), n_epochs), run.state.x

    def by_scipy():
        trace, start = [], time.perf_counter()
        with worker_threads() as workers:
            full_batch = FullBatchLoss(exact, Block(problem.X), workers)

            def timed(theta):
                terms, gradient = full_batch(theta.astype(np.float32))
                value = terms.sum()
                trace.append((time.perf_counter() - start, value))
                if trace[-1][0] > arguments.seconds:
                    raise TimeoutError
                return value, gradient.astype(np.float64)

            try:
                minimize(
                    timed, problem.theta.astype(np.float64), jac=True, method="L-BFGS-B", options={"maxiter": 10**6}
                )
            except TimeoutError:
                return trace

    rows = []
    for n_epochs, step_size in ((8, 0.01), (8, 0.02), (5, 0.04), (75, 0.01)):
        name = f"{n_epochs} epochs, step {step_size}"
        trace, theta = by_adam(n_epochs, step_size)
        rows.append(row_of(f"adam, {name}", trace))
        if n_epochs < 10:
            rows.append(row_of(f"auto, {name}, then L-BFGS", trace + by_lbfgs(theta, trace[-1][0])))
        if torch:
            X, parameters = problem.torch_arguments()
            options = {"batch_size": 256, "step_size": step_size, "n_epochs": n_epochs}
            run = _torch.Adam(problem.torch_objective, X, parameters, MNIST_PROBLEM, **options)

            def torch_value(X=X, parameters=parameters):
                with torch.no_grad():
                    return problem.torch_objective(X, parameters, *MNIST_PROBLEM).item()

            rows.append(row_of(f"PyTorch Adam, {name}", epoch_trace(run, torch_value, n_epochs)))
    rows.append(row_of("lbfgs (variable projection)", by_lbfgs(problem.theta)))
    rows.append(row_of("SciPy's L-BFGS on our J, all parameters", by_scipy()))
    if torch:
        X, parameters = problem.torch_arguments()
        trace = _torch.lbfgs_trace(problem.torch_objective, X, parameters, MNIST_PROBLEM, arguments.seconds)
        rows.append(row_of("PyTorch L-BFGS", trace))
    print_table(rows)
    beside_mlp(problem, arguments)


def row_of(name, trace):
    """Seconds to the values of J, and the lowest J."""
    row = {"solver": name}
    for target in (10.0, 7.0, 6.0, 5.5):
        row[f"s to J = {target}"] = next((f"{seconds:.1f}" for seconds, value in trace if value <= target), "-")
    best = min(value for _, value in trace)
    return row | {"lowest J": f"{best:.3f}", "at, s": f"{trace[-1][0]:.0f}"}


def beside_mlp(problem, arguments):
    """MLPRegressor knows no KL term: the same problem with beta = 0, and the time that we need for its J."""
    n, d = problem.X.shape
    rows = []
    for solver, n_iter in (("adam", 10), ("lbfgs", 30)):
        mlp = MLPRegressor(
            hidden_layer_sizes=MNIST_UNITS, activation="logistic", solver=solver, alpha=MNIST_PROBLEM[2] * n / d,
            batch_size=256 if solver == "adam" else "auto", max_iter=n_iter, learning_rate_init=0.01, random_state=0,
        )  # fmt: skip
        start = time.perf_counter()
        mlp.fit(problem.X, problem.X)
        seconds = time.perf_counter() - start
        without_kl = Problem(problem.X, MNIST_UNITS, (0.1, 0.0, MNIST_PROBLEM[2]))
        with worker_threads() as workers:
            theta = without_kl.layout.pack(mlp.coefs_, mlp.intercepts_).astype(np.float32)
            reached = FullBatchLoss(without_kl.linear(projected=False), Block(problem.X), workers)(theta)[0].sum()
        ours, _ = without_kl.trace("lbfgs", max_iter=1000, until=lambda seconds, value, to=reached: value <= to)
        rows.append(
            {"MLPRegressor": f"{solver}, {mlp.n_iter_} iterations", "J, beta = 0": float(reached), "its s": seconds,
             "our s (lbfgs)": ours[-1][0], "ratio": seconds / ours[-1][0]}
        )  # fmt: skip
    print_table(rows)
