"""The loop around the iterations of a solver."""

import sys

import numpy as np
from scipy.optimize import OptimizeResult

from ._errors import NoLowerValueError
from ._stopping import MeanDecrease


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
        `n_iter_no_change`.
    n_iter_no_change : int
    callback : callable
        ``callback(state, terms)`` is called after every iteration; if it returns a word, the iterations stop for that.
    past_values : sequence of float, default=()
        The values after earlier iterations of this run.

    Returns
    -------
    result : scipy.optimize.OptimizeResult
        With ``state`` and its ``x``; ``nit``, earlier iterations included; ``status``: "converged" if `tol` was reached
        or the gradient vanished, "max_iter", "stuck" if there was no lower value, "interrupted" by the user, or the
        word of the callback; and ``message``, which explains the second and third.
    """
    # The last is more than any run has, and what a deque can be told.
    stopping = MeanDecrease(tol, min(n_iter_no_change, max_iter, sys.maxsize - 1), past_values)
    n_iter, status, message = len(past_values), "converged", ""
    try:
        while not stopping.is_small:
            if n_iter >= max_iter:
                status, message = "max_iter", f"it reached max_iter={max_iter} iterations"
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
        status, message = "stuck", f"{error} after {n_iter} iterations"
    except KeyboardInterrupt:
        status = "interrupted"
    return OptimizeResult(x=state.x, state=state, nit=n_iter, status=status, message=message)
