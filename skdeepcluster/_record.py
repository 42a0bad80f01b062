"""What is kept and printed of the iterations of a fit: J and its terms."""

import time

import numpy as np

# The terms of the autoencoder's J, in the order of the objectives.
TERMS = ("reconstruction", "weight_decay", "sparsity")

# Least seconds between lines of verbose=1.
_SECONDS_BETWEEN_LINES = 1.0


def records(terms, names=TERMS):
    """Structured array, with J as "loss" and its terms by their names, from a list of arrays of terms."""
    terms = np.reshape(terms, (-1, len(names)))
    curve = np.empty(len(terms), dtype=[(name, np.float64) for name in ("loss", *names)])
    for name, values in zip(curve.dtype.names, [terms.sum(axis=1), *terms.T]):
        curve[name] = values
    return curve


class Log:
    """Prints J and its terms: about once a second with verbose=1, after every iteration with 2."""

    def __init__(self, estimator, names=TERMS):
        self._estimator_name = type(estimator).__name__
        self._names = [name.replace("_", " ") for name in names]
        verbose = estimator.verbose
        self._seconds_between = {0: np.inf, 1: _SECONDS_BETWEEN_LINES}.get(int(verbose), 0.0)
        self._last = -np.inf if verbose else np.inf

    def __call__(self, what, n_iter, terms):
        """Print the terms after iteration n_iter of what is iterated."""
        now = time.monotonic()
        if now < self._last + self._seconds_between:
            return
        self._last = now
        parts = " + ".join(f"{value:.6g} ({name})" for value, name in zip(terms, self._names))
        print(f"[{self._estimator_name}] {what} {n_iter}: J = {np.sum(terms):.6g} = {parts}")
