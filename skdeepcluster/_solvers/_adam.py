"""Adam on mini-batches."""

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import OptimizeResult

from ._stopping import MeanDecrease

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8

# Entries that are updated at a time, so that what several operations work on stays in the cache between them.
_SLICE = 2**16


class AdamState(NamedTuple):
    """Where a run stands.

    Attributes
    ----------
    x : ndarray of shape (n,)
    mean, square : ndarrays of shape (n,)
        Moving averages of the gradient and of its square.
    n_steps : int
    """

    x: np.ndarray
    mean: np.ndarray
    square: np.ndarray
    n_steps: int

    @classmethod
    def start(cls, x):
        return cls(x.copy(), np.zeros_like(x), np.zeros_like(x), 0)


def adam_epoch(value_and_grad, state, batches, step_size, map_=map):
    """One pass over the batches, which overwrites the arrays of the state.

    Parameters
    ----------
    value_and_grad : callable
        ``value_and_grad(x, batch) -> (float, gradient)``; of the gradient only slices are asked for, each once.
    state : AdamState
    batches : iterable
    step_size : callable
        ``step_size(n_steps)`` before a step, given how many went before.
    map_ : callable, default=map
        Applies the update to slices of x, which may be done in parallel.

    Returns
    -------
    state : AdamState
    value : float
        Mean over batches.

    Raises
    ------
    FloatingPointError
        If a value is not finite.

    References
    ----------
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1.
    """
    values = []
    for batch in batches:
        value, grad = value_and_grad(state.x, batch)
        if not np.isfinite(value):
            raise FloatingPointError(f"value not finite at step {state.n_steps + 1} of Adam")
        values.append(value)
        state = state._replace(n_steps=state.n_steps + 1)
        _step(state, grad, step_size(state.n_steps - 1), map_)
    return state, float(np.mean(values))


def minimize_adam(
    value_and_grad, x0, *, batches, n_batches, max_iter, step_size, tol, n_iter_no_change, callback, map_=map
):
    """Minimise the mean of a function over batches, with a step that falls linearly to zero over the run.

    Parameters
    ----------
    value_and_grad, map_
        As in `adam_epoch`.
    x0 : ndarray of shape (n,), float32 or float64
        Start.
    batches : callable
        ``batches()`` gives the batches of one epoch.
    n_batches : int
        Their number.
    max_iter : int
        Epochs of the run.
    step_size : float
        The first step.
    tol, n_iter_no_change
        Stop before `max_iter` when epochs lower the mean value f by no more than ``tol * |f|`` each, on average over
        the last `n_iter_no_change`.
    callback : callable
        ``callback(n_iter, value)`` is called after every epoch, with the mean over its batches.

    Returns
    -------
    result : scipy.optimize.OptimizeResult
        With ``x`` and ``nit``.
    """
    n_steps = max_iter * n_batches
    state = AdamState.start(x0)
    stopping = MeanDecrease(tol, n_iter_no_change)
    for n_iter in range(1, max_iter + 1):
        state, value = adam_epoch(value_and_grad, state, batches(), lambda n: step_size * (1 - n / n_steps), map_)
        callback(n_iter, value)
        if stopping.is_small_after(value):
            break
    return OptimizeResult(x=state.x, nit=n_iter)


def _step(state, grad, rate, map_):
    """x -= rate * (mean / (1 - beta_1^t)) / (sqrt(square / (1 - beta_2^t)) + epsilon), with few passes over memory."""
    # Python's floats: NumPy's would make float32 arrays compute in float64.
    correction = math.sqrt(1 - _BETA_2**state.n_steps)
    rate = float(rate) * correction / (1 - _BETA_1**state.n_steps)

    def update(start):
        part = slice(start, start + _SLICE)
        x, mean, square, g = state.x[part], state.mean[part], state.square[part], grad[part]
        workspace = np.multiply(g, 1 - _BETA_1)
        mean *= _BETA_1
        mean += workspace
        np.square(g, out=workspace)
        workspace *= 1 - _BETA_2
        square *= _BETA_2
        square += workspace
        np.sqrt(square, out=workspace)
        workspace += correction * _EPSILON
        np.divide(mean, workspace, out=workspace)
        workspace *= rate
        x -= workspace

    for _ in map_(update, range(0, state.x.size, _SLICE)):
        pass
