"""The loop around the iterations of a solver, and what may end it."""

import sys
from collections import deque
from enum import StrEnum

import numpy as np
from scipy.optimize import OptimizeResult

from ._errors import NoLowerValueError


class Status(StrEnum):
    """How a run ended. The last two are for callbacks to return; a run that goes on has none."""

    CONVERGED = "converged"  # the rule of `tol` was met, or the gradient vanished
    MAX_ITER = "max_iter"
    STUCK = "stuck"  # no lower value can be found in working precision
    INTERRUPTED = "interrupted"  # by Ctrl-C
    STOPPED = "stopped"  # a callback of the user's asked for it
    EARLY_STOPPING = "early stopping"  # held-out rows gained nothing any more


class MeanDecrease:
    """Tells when iterations lower a value f by no more than ``tol * |f|`` each, on average over the last n_iter.

    The average forgives single short iterations, and the rule does not depend on the scale of f. With tol = 0 it never
    tells.

    Parameters
    ----------
    tol : float
    n_iter : int
    values : iterable of float, default=()
        Values after earlier iterations, of a run that goes on.
    """

    def __init__(self, tol, n_iter, values=()):
        self._tol = tol
        self._n_iter = n_iter
        self._values = deque(values, maxlen=n_iter + 1)

    def append(self, value):
        """Take in the value after an iteration."""
        self._values.append(value)

    @property
    def is_small(self):
        """Whether the last n_iter iterations lowered f too little."""
        if self._tol == 0 or len(self._values) <= self._n_iter:
            return False
        first, last = self._values[0], self._values[-1]
        return first - last <= self._n_iter * self._tol * abs(last)


def minimize(iterations, state, *, max_iter, tol, n_iter_no_change, callback, past_values=()):
    """Run the iterations of a solver until one of the rules stops them.

    Parameters
    ----------
    iterations : iterator
        Of pairs of a state, which has an ``x``, and the terms of the function there.
    state : LBFGSState or AdamState
        What the iterations start from.
    max_iter : int
        Largest number of iterations, those of `past_values` included.
    tol : float
        Stop when iterations lower the value f by no more than ``tol * |f|`` each, on average over the last
        `n_iter_no_change`; 0 goes on.
    n_iter_no_change : int
    callback : callable
        ``callback(state, terms)`` is called after every iteration; if it returns a `Status`, the iterations stop.
    past_values : sequence of float, default=()
        The values after earlier iterations of this run.

    Returns
    -------
    result : scipy.optimize.OptimizeResult
        With ``state`` and its ``x``; ``nit``, earlier iterations included; ``status``, a `Status`; and ``message``,
        which explains MAX_ITER and STUCK.
    """
    # n_iter_no_change and max_iter may be integers too large for the length of a deque.
    stopping = MeanDecrease(tol, min(n_iter_no_change, max_iter, sys.maxsize - 1), past_values)
    n_iter, status, message = len(past_values), Status.CONVERGED, ""
    try:
        while not stopping.is_small:
            if n_iter >= max_iter:
                status, message = Status.MAX_ITER, f"it reached max_iter={max_iter} iterations"
                break
            advanced = next(iterations, None)
            if advanced is None:
                break
            state, terms = advanced
            n_iter += 1
            stopping.append(float(np.sum(terms)))
            if reason := callback(state, terms):
                status = reason
                break
    except NoLowerValueError as error:
        status, message = Status.STUCK, f"{error} after {n_iter} iterations"
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    return OptimizeResult(x=state.x, state=state, nit=n_iter, status=status, message=message)
