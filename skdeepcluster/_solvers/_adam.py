"""Adam on mini-batches."""

import math
from dataclasses import dataclass
from threading import Lock

import numpy as np

from .._arrays import copied, is_numpy, namespace, to_numpy
from ._errors import NotFiniteError

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass
class AdamState:
    """Where a run stands. A step overwrites it.

    Attributes
    ----------
    x : ndarray of shape (n,)
    first_moment, second_moment : ndarrays of shape (n,)
        Moving averages of the gradient and of its square, divided by 1 - beta_1 and by 1 - beta_2.
    n_steps : int
    """

    x: np.ndarray
    first_moment: np.ndarray
    second_moment: np.ndarray
    n_steps: int

    def __sklearn_array_api_convert__(self, converter):
        """For scikit-learn's move_estimator_to: a copy whose arrays the converter has moved."""
        return AdamState(*(converter(array) for array in (self.x, self.first_moment, self.second_moment)), self.n_steps)

    @classmethod
    def start(cls, x):
        """At x, before the first step."""
        xp = namespace(x)
        return cls(copied(x), xp.zeros_like(x), xp.zeros_like(x), 0)


def falling_step(first, n_steps, warm_up=0):
    """The size of a step, given how many went before: from the first it falls linearly to zero in n_steps.

    In the first warm_up steps it rises to that line, in equal parts.
    """
    return lambda n_before: first * (1 - n_before / n_steps) * min(1, (n_before + 1) / max(warm_up, 1))


def adam(terms_and_gradient, state, *, batches, weight_of, step_size, map_=map):
    """Generate the state and the weighted mean of the terms over the batches after every epoch, without end.

    Parameters
    ----------
    terms_and_gradient : callable
        ``terms_and_gradient(x, batch) -> (terms, pieces)``. The function is the sum of the terms, a float or an
        ndarray; the pieces of its gradient are pairs of a slice of x and a function that computes the gradient there,
        called before that slice of x changes. What it returns is overwritten.
    state : AdamState
        Start, which is overwritten.
    batches : callable
        ``batches()`` gives the batches of one epoch.
    weight_of : callable
        ``weight_of(batch)``, by which the terms of a batch count in the mean.
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
        terms_of_batches, weights = [], []
        for batch in batches():
            terms, pieces = terms_and_gradient(state.x, batch)
            # Elsewhere to look at them is to wait for them: that is done once for all batches.
            if is_numpy(terms) and not np.isfinite(np.sum(terms)):
                raise NotFiniteError(f"value not finite at step {state.n_steps + 1} of Adam")
            terms_of_batches.append(terms)
            weights.append(weight_of(batch))
            rate = step_size(state.n_steps)
            state.n_steps += 1
            _step(state, pieces, rate, map_)
        # An infinite second moment makes every further step zero, which would look like convergence.
        if not np.isfinite(float(namespace(state.x).max(state.second_moment))):
            raise NotFiniteError(f"square of the gradient not finite by step {state.n_steps} of Adam")
        means = np.average([to_numpy(terms) for terms in terms_of_batches], axis=0, weights=weights)
        if not np.isfinite(np.sum(means)):
            raise NotFiniteError(f"value not finite by step {state.n_steps} of Adam")
        yield state, means


def _step(state, pieces, rate, map_):
    """x -= rate * (m / (1 - beta_1^t)) / (sqrt(v / (1 - beta_2^t)) + epsilon), with few passes over memory.

    m and v are the two moments, which the state has without their factors 1 - beta.
    """
    # These must be Python floats: a NumPy float64 would turn float32 arrays into float64.
    factor_1, factor_2 = 1 - _BETA_1, math.sqrt(1 - _BETA_2)
    correction = math.sqrt(1 - _BETA_2**state.n_steps)
    rate = float(rate) * correction / (1 - _BETA_1**state.n_steps) * factor_1 / factor_2
    epsilon = _EPSILON * correction / factor_2
    # Only `compute` gains from several threads. Memory bandwidth limits the update, which is fastest one at a time.
    lock = Lock()

    def update(piece):
        part, compute = piece
        x, m, v, g = state.x[part], state.first_moment[part], state.second_moment[part], compute()
        with lock:
            m *= _BETA_1
            m += g
            v *= _BETA_2
            g *= g
            v += g
            if is_numpy(g):
                np.sqrt(v, out=g)
                g += epsilon
                np.divide(m, g, out=g)
            else:
                root = namespace(v).sqrt(v)
                root += epsilon
                g = m / root
            g *= rate
            x -= g

    for _ in map_(update, pieces):
        pass
