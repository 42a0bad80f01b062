"""When is L-BFGS faster, when Adam, when one after the other? The study behind solver="auto".

    python docs/benchmarks/auto_solver.py [one_layer] [deep] [--data-dir DIR]

one_layer, for every data set and number of rows: L-BFGS alone gives three values of J, those after a quarter, a half
and all of its iterations. The table has the seconds in which it reached them, and how many times as fast L-BFGS is with
Adam before it, by epochs and first step of Adam ("-": not reached in as many iterations as L-BFGS alone had). Columns
are scaled to variance 1 for the default parameters of the autoencoder ("scaled"), or are pixels in [0, 1] for the MNIST
problem of performance.py. float32.

deep: J that Adam has after a number of epochs, as it trains on batches, and that L-BFGS has after the same time.
"""

import argparse

import numpy as np
from _datasets import mnist, pendigits
from _machine import describe_machine
from _problem import DEEP_LAYERS, DEEP_UNITS, MNIST_PROBLEM, MNIST_UNITS, Problem
from _tables import print_table
from sklearn.preprocessing import StandardScaler

from skdeepcluster import SparseAutoencoderTransformer

# Epochs and first step.
SCHEDULES = [(5, 0.01), (8, 0.01), (5, 0.02), (8, 0.02)]


def run(problem, n_epochs, step_size, n_iter):
    """Seconds and J after every iteration of L-BFGS, as two arrays; Adam's time counts."""
    theta, seconds = problem.theta, 0.0
    if n_epochs:
        by_adam, theta = problem.trace("adam", max_iter=n_epochs, step_size=step_size)
        seconds = by_adam[-1][0]
    trace, _ = problem.trace("lbfgs", theta, max_iter=n_iter)
    return np.add(np.array(trace), [seconds, 0]).T


def time_to(target, seconds, values):
    """Seconds to the first J that is as low as the target, or NaN."""
    reached = values <= target
    return seconds[np.argmax(reached)] if reached.any() else np.nan


def study(name, X, n_components, hyperparameters, n_rows, n_iter):
    rows = np.random.RandomState(0).permutation(len(X))[:n_rows]
    problem = Problem(np.ascontiguousarray(X[rows]), n_components, hyperparameters)
    seconds, values = run(problem, 0, 0, n_iter)
    ends = np.array([n_iter // 4, n_iter // 2, n_iter]) - 1
    row = {
        "data": name,
        "n": n_rows,
        "h": n_components,
        "L-BFGS alone, s": " / ".join(f"{s:.2f}" for s in seconds[ends]),
    }
    for n_epochs, step_size in SCHEDULES:
        trace = run(problem, n_epochs, step_size, n_iter)
        ratios = [seconds[end] / time_to(values[end], *trace) for end in ends]
        cells = ["-" if np.isnan(ratio) else f"{ratio:.1f}" for ratio in ratios]
        row[f"{n_epochs} epochs, step {step_size}"] = " / ".join(cells)
    return row


def deep_study(name, X, hidden_layer_sizes, n_rows, n_epochs):
    """J that Adam reaches in so many epochs, and that L-BFGS reaches in the same time, for a stack of relu layers."""
    rows = np.random.RandomState(0).permutation(len(X))[:n_rows]
    problem = Problem(np.ascontiguousarray(X[rows]), DEEP_UNITS, (0.5, 0.0, 1e-3), hidden_layer_sizes)
    by_adam, _ = problem.trace("adam", max_iter=n_epochs, step_size=0.001)
    end = by_adam[-1][0]
    by_lbfgs, _ = problem.trace("lbfgs", max_iter=10**6, until=lambda seconds, value: seconds > end)
    return {
        "data": name,
        "n": n_rows,
        "layers": "-".join(map(str, (*hidden_layer_sizes, DEEP_UNITS))),
        "epochs of Adam": n_epochs,
        "s": end,
        "J by Adam": by_adam[-1][1],
        "J by L-BFGS": min(value for _, value in by_lbfgs),
    }


def one_layer(pixels, scaled_pixels, scaled_pens):
    """One hidden layer: how many times as fast L-BFGS gets to a value of J with Adam before it."""
    model = SparseAutoencoderTransformer()
    defaults = model.n_components, (model.rho, model.beta, model.lam)
    problem = MNIST_UNITS, MNIST_PROBLEM
    print_table(
        [
            study("pendigits, scaled", scaled_pens, *defaults, 3_000, 100),
            study("pendigits, scaled", scaled_pens, *defaults, 10_992, 100),
            study("MNIST, scaled", scaled_pixels, *defaults, 10_000, 80),
            study("MNIST, scaled", scaled_pixels, *defaults, 30_000, 60),
            study("MNIST, scaled", scaled_pixels, *defaults, 60_000, 40),
            study("MNIST, scaled", scaled_pixels, MNIST_UNITS, defaults[1], 60_000, 40),
            study("MNIST problem", pixels, defaults[0], MNIST_PROBLEM, 60_000, 40),
            study("MNIST problem", pixels, *problem, 2_000, 80),
            study("MNIST problem", pixels, *problem, 10_000, 60),
            study("MNIST problem", pixels, *problem, 30_000, 40),
            study("MNIST problem", pixels, *problem, 60_000, 40),
        ]
    )


def deep(pixels, scaled_pixels, scaled_pens):
    """Deep stacks: J that Adam and L-BFGS reach in the same time."""
    print_table(
        [
            deep_study("pendigits, scaled", scaled_pens, (64, 64), 3_000, 100),
            deep_study("pendigits, scaled", scaled_pens, (64, 64), 10_992, 30),
            deep_study("pendigits, scaled", scaled_pens, (64, 64), 10_992, 100),
            deep_study("MNIST, pixels", pixels, (200, 100), 3_000, 60),
            deep_study("MNIST, pixels", pixels, (200, 100), 10_000, 20),
            deep_study("MNIST, pixels", pixels, (200, 100), 10_000, 60),
            deep_study("MNIST, pixels", pixels, (200, 100), 30_000, 20),
            deep_study("MNIST, pixels", pixels, (200, 100), 60_000, 20),
            deep_study("MNIST, pixels", pixels, DEEP_LAYERS, 60_000, 5),
        ]
    )


STUDIES = {"one_layer": one_layer, "deep": deep}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", default=list(STUDIES), metavar="STUDY", help=", ".join(STUDIES))
    parser.add_argument("--data-dir", help="folder with mnist.npz and pendigits.npz")
    arguments = parser.parse_args()
    print(describe_machine() + "\n")
    pixels, _ = mnist(arguments.data_dir)
    scaled_pixels, scaled_pens = (
        StandardScaler().fit_transform(X).astype(np.float32) for X in (pixels, pendigits(arguments.data_dir)[0])
    )
    for name in arguments.studies:
        STUDIES[name](pixels, scaled_pixels, scaled_pens)
