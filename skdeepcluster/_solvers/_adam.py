"""Adam on mini-batches."""

import math
from threading import Lock
from typing import NamedTuple

import numpy as np

from ._errors import NotFiniteError

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


class AdamState(NamedTuple):
    """Where a run stands.

    Attributes
    ----------
    x : ndarray of shape (n,)
    mean, square : ndarrays of shape (n,)
        Moving sums of the gradient and of its square: their averages, not yet multiplied by 1 - beta.
    n_steps : int
    """

    x: np.ndarray
    mean: np.ndarray
    square: np.ndarray
    n_steps: int

    @classmethod
    def start(cls, x):
        return cls(x.copy(), np.zeros_like(x), np.zeros_like(x), 0)


def adam(terms_and_gradient, state, *, batches, step_size, map_=map):
    """Generate the state and the mean of the terms over the batches after every epoch, without end.

    Parameters
    ----------
    terms_and_gradient : callable
        ``terms_and_gradient(x, batch) -> (terms, pieces)``. The function is the sum of the terms, a float or an
        ndarray; the pieces of its gradient are pairs of a slice of x and a function that computes the gradient there,
        called before that slice of x changes. What it returns is overwritten.
    state : AdamState
        Start, whose arrays are overwritten.
    batches : callable
        ``batches()`` gives the batches of one epoch.
    step_size : callable
        ``step_size(n_steps)`` before a step, given how many went before.
    map_ : callable, default=map
        Applies the update to the pieces, which may be done in parallel.

    Raises
    ------
    NotFiniteError
        If a value is not finite, or the square of a gradient.

    References
    ----------
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1.
    """
    while True:
        terms_of_batches = []
        for batch in batches():
            terms, pieces = terms_and_gradient(state.x, batch)
            if not np.isfinite(np.sum(terms)):
                raise NotFiniteError(f"value not finite at step {state.n_steps + 1} of Adam")
            terms_of_batches.append(terms)
            state = state._replace(n_steps=state.n_steps + 1)
            _step(state, pieces, step_size(state.n_steps - 1), map_)
        # With an infinite square every further step is zero, and all looks well.
        if not np.isfinite(state.square.max()):
            raise NotFiniteError(f"square of the gradient not finite by step {state.n_steps} of Adam")
        yield state, np.mean(terms_of_batches, axis=0)


def _step(state, pieces, rate, map_):
    """x -= rate * (mean / (1 - beta_1^t)) / (sqrt(square / (1 - beta_2^t)) + epsilon), with few passes over memory."""
    # The moments are kept without their factors 1 - beta. Python's floats: NumPy's would make float32 arrays compute in
    # float64.
    factor_1, factor_2 = 1 - _BETA_1, math.sqrt(1 - _BETA_2)
    correction = math.sqrt(1 - _BETA_2**state.n_steps)
    rate = float(rate) * correction / (1 - _BETA_1**state.n_steps) * factor_1 / factor_2
    epsilon = _EPSILON * correction / factor_2
    # The work between products is short of memory bandwidth and of Python's lock: one thread at a time does it.
    lock = Lock()

    def update(piece):
        part, compute = piece
        x, mean, square, g = state.x[part], state.mean[part], state.square[part], compute()
        with lock:
            mean *= _BETA_1
            mean += g
            np.square(g, out=g)
            square *= _BETA_2
            square += g
            np.sqrt(square, out=g)
            g += epsilon
            np.divide(mean, g, out=g)
            g *= rate
            x -= g

    for _ in map_(update, pieces):
        pass
