"""The loop around the iterations of a solver, and what may end it."""

import sys
from collections import deque
from enum import StrEnum
from itertools import islice

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


# The share of tol that stops the iterations on a plateau.
TOL_ON_PLATEAU = 0.01


class MeanDecrease:
    """Tells when iterations lower a value f by no more than ``tol * |f|`` each, on average over the last n_iter.

    The average forgives single short iterations, and the rule does not depend on the scale of f.

    Parameters
    ----------
    n_iter : int
    terms : iterable, default=()
        The terms of f after earlier iterations, of a run that goes on.
    n_averaged : int, default=1
        Each n_averaged iterations count as one, with the mean of their values as f.
    """

    def __init__(self, n_iter, terms=(), n_averaged=1):
        self._n_iter = n_iter
        self._n_averaged = n_averaged
        self._terms = deque(terms, maxlen=(n_iter + 1) * n_averaged)

    def append(self, terms):
        """Take in the terms after an iteration."""
        self._terms.append(terms)

    @property
    def first_terms(self):
        """The terms after the first of the iterations that count."""
        return self._terms[0]

    def is_within(self, tol):
        """Whether the iterations that count lowered f so little; never with tol = 0."""
        if tol == 0 or len(self._terms) < self._terms.maxlen:
            return False
        first, last = self._mean(0), self._mean(len(self._terms) - self._n_averaged)
        return first - last <= self._n_iter * tol * abs(last)

    def _mean(self, start):
        return float(np.mean([np.sum(terms) for terms in islice(self._terms, start, start + self._n_averaged)]))


def minimize(
    iterations,
    state,
    *,
    max_iter,
    tol,
    n_iter_no_change,
    callback,
    n_averaged=1,
    is_plateau=lambda terms: False,
    past_terms=(),
):
    """Run the iterations of a solver until one of the rules stops them.

    Parameters
    ----------
    iterations : iterator
        Of pairs of a state, which has an ``x``, and the terms of the function there.
    state : LBFGSState or AdamState
        What the iterations start from.
    max_iter : int
        Largest number of iterations, those of `past_terms` included.
    tol : float
        Stop when iterations lower the value f by no more than ``tol * |f|`` each, on average over the last
        `n_iter_no_change`; 0 goes on.
    n_iter_no_change : int
    callback : callable
        ``callback(state, terms)`` is called after every iteration; if it returns a `Status`, the iterations stop.
    n_averaged : int, default=1
        Iterations that count as one for `tol` and `n_iter_no_change`, with the mean of their values.
    is_plateau : callable, default=never
        ``is_plateau(terms)`` says whether f may well fall again from where it has these terms, though it hardly does at
        present. If it does from the first of the last `n_iter_no_change` iterations, only a hundredth of `tol` stops.
    past_terms : sequence, default=()
        The terms after earlier iterations of this run.

    Returns
    -------
    result : scipy.optimize.OptimizeResult
        With ``state`` and its ``x``; ``nit``, earlier iterations included; ``status``, a `Status`; and ``message``,
        which explains MAX_ITER and STUCK.
    """
    # n_iter_no_change and max_iter may be integers too large for the length of a deque.
    n_iter_no_change = min(n_iter_no_change, max_iter, (sys.maxsize - 1) // n_averaged - 1)
    decrease = MeanDecrease(n_iter_no_change, past_terms, n_averaged)
    n_iter, status, message = len(past_terms), Status.CONVERGED, ""
    try:
        while True:
            if decrease.is_within(TOL_ON_PLATEAU * tol):
                break
            if decrease.is_within(tol) and not is_plateau(decrease.first_terms):
                break
            if n_iter >= max_iter:
                status, message = Status.MAX_ITER, f"it reached max_iter={max_iter} iterations"
                break
            advanced = next(iterations, None)
            if advanced is None:
                break
            state, terms = advanced
            n_iter += 1
            decrease.append(terms)
            if reason := callback(state, terms):
                status = reason
                break
    except NoLowerValueError as error:
        status, message = Status.STUCK, f"{error} after {n_iter} iterations"
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    return OptimizeResult(x=state.x, state=state, nit=n_iter, status=status, message=message)
