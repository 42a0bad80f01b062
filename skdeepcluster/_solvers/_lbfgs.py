"""Limited-memory BFGS."""

from collections import deque

import numpy as np
from scipy.optimize import OptimizeResult, minimize
from threadpoolctl import threadpool_limits

# SciPy's status of a run that used up its iterations.
_OUT_OF_ITERATIONS = 1

# Iterations over which the decrease is averaged.
_N_AVERAGED = 10

# Largest entry of a gradient that is taken for zero.
_VANISHED_GRADIENT = 1e-10


def minimize_lbfgs(value_and_grad, x0, *, max_iter, tol, callback=None):
    """Minimise a smooth function with SciPy's L-BFGS-B, without bounds, with BLAS held to one thread.

    Parameters
    ----------
    value_and_grad : callable
        ``value_and_grad(x) -> (float, ndarray of shape (n,))``.
    x0 : ndarray of shape (n,)
        Start.
    max_iter : int
        Largest number of iterations.
    tol : float
        Stop when iterations lower the value f by no more than ``tol * |f|`` each, on average over the last ten.
        (SciPy's own rule compares one iteration, which may be a short one by chance, with ``max(|f|, 1)``, which
        depends on the scale of f.)
    callback : callable, default=None
        ``callback(n_iter, value)`` is called after every iteration.

    Returns
    -------
    result : scipy.optimize.OptimizeResult
        With ``x``, ``fun``, ``nit``, ``success``, which is True if `tol` was reached or the gradient vanished, and
        ``message``, which says what stopped it otherwise.

    Raises
    ------
    FloatingPointError
        If a value or gradient is not finite.

    References
    ----------
    R. H. Byrd, P. Lu, J. Nocedal, C. Zhu, "A limited memory algorithm for bound constrained optimization", 1995.
    """
    n_iter, settled = 0, False
    last_values = deque(maxlen=_N_AVERAGED + 1)

    def finite_value_and_grad(x):
        value, grad = value_and_grad(x)
        if not (np.isfinite(value) and np.isfinite(grad).all()):
            raise FloatingPointError(f"value or gradient not finite at iteration {n_iter + 1}")
        return value, grad

    # SciPy hands over the state only to a parameter of exactly this name.
    def after_iteration(intermediate_result):
        nonlocal n_iter, settled
        n_iter += 1
        value = float(intermediate_result.fun)
        if callback is not None:
            callback(n_iter, value)
        last_values.append(value)
        settled = len(last_values) > _N_AVERAGED and last_values[0] - value <= _N_AVERAGED * tol * abs(value)
        if settled:
            raise StopIteration

    # The wheels of SciPy and NumPy carry a BLAS each, whose threads would fight for the cores; and sums that depend on
    # the number of threads would make the result depend on n_jobs.
    with threadpool_limits(limits=1, user_api="blas"):
        result = minimize(
            finite_value_and_grad,
            x0,
            jac=True,
            method="L-BFGS-B",
            callback=after_iteration,
            options={"maxiter": max_iter, "maxfun": np.iinfo(np.int32).max, "ftol": 0.0, "gtol": _VANISHED_GRADIENT},
        )
    if settled or np.abs(result.jac).max() <= _VANISHED_GRADIENT:
        message = ""
    elif result.status == _OUT_OF_ITERATIONS:
        message = f"it reached max_iter={max_iter} iterations"
    else:
        message = f"it found no lower value in working precision after {n_iter} iterations"
    return OptimizeResult(x=result.x, fun=result.fun, nit=n_iter, success=not message, message=message)
