"""Limited-memory BFGS."""

import numpy as np
from scipy.optimize import OptimizeResult

from ._stopping import MeanDecrease

# Pairs of steps and gradient changes that the approximation of the Hessian is made of.
_MEMORY = 10

# Sufficient decrease and curvature of a step, the usual values for quasi-Newton methods.
_C1, _C2 = 1e-4, 0.9

# Evaluations of one line search.
_MAX_TRIALS = 25

# Largest entry of a gradient that is taken for zero.
_VANISHED_GRADIENT = 1e-10


def minimize_lbfgs(value_and_grad, x0, *, max_iter, tol, n_iter_no_change, callback=None):
    """Minimise a smooth function by L-BFGS, in the precision of x0.

    Parameters
    ----------
    value_and_grad : callable
        ``value_and_grad(x) -> (float, ndarray of shape (n,))``.
    x0 : ndarray of shape (n,), float32 or float64
        Start.
    max_iter : int
        Largest number of iterations.
    tol : float
        Stop when iterations lower the value f by no more than ``tol * |f|`` each, on average over the last
        `n_iter_no_change`.
    n_iter_no_change : int
    callback : callable, default=None
        ``callback(n_iter, value)`` is called after every iteration.

    Returns
    -------
    result : scipy.optimize.OptimizeResult
        With ``x``, ``fun``, ``nit``, ``success``, which is True if `tol` was reached or the gradient
        vanished, and ``message``, which says what stopped it otherwise.

    Raises
    ------
    FloatingPointError
        If the value or gradient at x0 is not finite.

    References
    ----------
    R. H. Byrd, J. Nocedal, R. B. Schnabel, "Representations of quasi-Newton matrices and their use in limited memory
    methods", 1994, theorem 2.2. Against the two-loop recursion it needs a third of the memory traffic.
    """
    x, (value, grad) = x0, value_and_grad(x0)
    if not (np.isfinite(value) and np.isfinite(grad).all()):
        raise FloatingPointError("value or gradient not finite at the start")
    pairs = _Pairs(x.size, x.dtype)
    stopping = MeanDecrease(tol, n_iter_no_change)
    n_iter, message = 0, ""
    while np.abs(grad).max() > _VANISHED_GRADIENT:
        if n_iter == max_iter:
            message = f"it reached max_iter={max_iter} iterations"
            break
        direction = pairs.direction(grad)
        found = _line_search(value_and_grad, x, value, grad, direction)
        if found is None:
            if pairs.n_pairs > 0:
                # The curvature of the past may mislead: try the gradient alone.
                pairs.n_pairs = 0
                continue
            message = f"it found no lower value in working precision after {n_iter} iterations"
            break
        new_x, new_value, new_grad = found
        pairs.append(new_x - x, new_grad - grad)
        x, value, grad = new_x, new_value, new_grad
        n_iter += 1
        if callback is not None:
            callback(n_iter, value)
        if stopping.is_small_after(value):
            break
    return OptimizeResult(x=x, fun=value, nit=n_iter, success=not message, message=message)


class _Pairs:
    """The last steps S and gradient changes Y, one in a row, and the inverse Hessian that they make up."""

    def __init__(self, n, dtype):
        self.n_pairs = 0
        self._S, self._Y = np.empty((2, _MEMORY, n), dtype=dtype)
        # S Y^T and Y Y^T.
        self._SY, self._YY = np.empty((2, _MEMORY, _MEMORY))
        # Rows from the oldest pair to the newest.
        self._order = []

    def append(self, s, y):
        # Not so only if rounding spoils the curvature condition.
        if not y @ s > 0:
            return
        if self.n_pairs == 0:
            self._order = []
        row = len(self._order) if len(self._order) < _MEMORY else self._order.pop(0)
        self._order.append(row)
        self.n_pairs = len(self._order)
        self._S[row], self._Y[row] = s, y
        used = slice(self.n_pairs)
        self._SY[used, row] = self._S[used] @ y
        self._YY[used, row] = self._YY[row, used] = self._Y[used] @ y

    def direction(self, grad):
        """Minus the approximate inverse Hessian times the gradient."""
        if self.n_pairs == 0:
            return -grad * min(1.0, 1 / np.linalg.norm(grad))
        order = np.ix_(self._order, self._order)
        R, YY = np.triu(self._SY[order]), self._YY[order]
        gamma = R[-1, -1] / YY[-1, -1]
        used = slice(self.n_pairs)
        Sg, Yg = (self._S[used] @ grad)[self._order], (self._Y[used] @ grad)[self._order]
        p = np.linalg.solve(R, Sg)
        q = np.linalg.solve(R.T, np.diag(R) * p + gamma * (YY @ p - Yg))
        to_rows = np.empty((2, self.n_pairs))
        to_rows[:, self._order] = q, -gamma * p
        s_part, y_part = to_rows.astype(grad.dtype)
        return -(gamma.astype(grad.dtype) * grad + s_part @ self._S[used] + y_part @ self._Y[used])


def _line_search(value_and_grad, x, value, grad, direction):
    """A step with sufficient decrease and curvature, by bisection: its (x, value, grad), or None.

    A. S. Lewis, M. L. Overton, "Nonsmooth optimization via quasi-Newton methods", 2013, algorithm 2.6.
    """
    slope = float(grad @ direction)
    if not slope < 0:
        return None
    low, high, step = 0.0, np.inf, 1.0
    best = None
    for _ in range(_MAX_TRIALS):
        new_x = x + x.dtype.type(step) * direction
        new_value, new_grad = value_and_grad(new_x)
        new_slope = float(new_grad @ direction)
        if not new_value < value + _C1 * step * slope or not np.isfinite(new_slope):
            high = step
        elif new_slope < _C2 * slope:
            low, best = step, (new_x, new_value, new_grad)
        else:
            return new_x, new_value, new_grad
        step = 2 * step if high == np.inf else (low + high) / 2
    # The decrease is enough to go on, even if the curvature is not.
    return best
