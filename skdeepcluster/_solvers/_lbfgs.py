"""Limited-memory BFGS."""

from dataclasses import dataclass, replace

import numpy as np

from .._arrays import copied, like, namespace, numpy_dtype, to_numpy
from ._errors import NoLowerValueError, NotFiniteError

# Number of past steps, with their gradient changes, that approximate the Hessian.
_MEMORY = 10

# Sufficient decrease and curvature of a step, the usual values for quasi-Newton methods.
_C1, _C2 = 1e-4, 0.9

# Largest number of evaluations of one line search.
_MAX_TRIALS = 25

# A gradient whose entries are all below this counts as zero.
_VANISHED_GRADIENT = 1e-10


@dataclass
class LBFGSState:
    """Where a run stands: the last steps S and gradient changes Y, one in a row, make up the inverse Hessian.

    An iteration overwrites all but x and order, of which the next state has its own.

    Attributes
    ----------
    x : ndarray of shape (n,)
    S, Y : ndarrays of shape (10, n)
    SY, YY : ndarrays of shape (10, 10)
        S Y^T and Y Y^T, of NumPy wherever x is.
    order : ndarray of int
        Rows in use, from the oldest pair to the newest.
    """

    x: np.ndarray
    S: np.ndarray
    Y: np.ndarray
    SY: np.ndarray
    YY: np.ndarray
    order: np.ndarray

    @classmethod
    def start(cls, x):
        """At x, with no steps behind it."""
        pairs = [like(np.zeros((_MEMORY, x.shape[0]), dtype=numpy_dtype(x)), x) for _ in range(2)]
        return cls(copied(x), *pairs, *np.zeros((2, _MEMORY, _MEMORY)), np.zeros(0, dtype=int))

    def append(self, s, y):
        """Take in a pair, in the place of the oldest if there are ten."""
        # The line search ensures y s > 0, up to rounding. Otherwise the approximation would not be positive definite.
        if not float(y @ s) > 0:
            return self
        n_pairs = len(self.order)
        row, kept = (n_pairs, self.order) if n_pairs < _MEMORY else (self.order[0], self.order[1:])
        self.S[row, :], self.Y[row, :] = s, y
        used = slice(min(n_pairs + 1, _MEMORY))
        self.SY[used, row] = to_numpy(self.S[used, :] @ y)
        self.YY[used, row] = self.YY[row, used] = to_numpy(self.Y[used, :] @ y)
        return replace(self, order=np.append(kept, row))

    def direction(self, grad):
        """Minus the approximate inverse Hessian times the gradient."""
        n_pairs = len(self.order)
        if n_pairs == 0:
            return -grad * min(1.0, 1 / _norm(grad))
        order = np.ix_(self.order, self.order)
        R, YY = np.triu(self.SY[order]), self.YY[order]
        gamma = R[-1, -1] / YY[-1, -1]
        used = slice(n_pairs)
        Sg, Yg = (to_numpy(pairs[used, :] @ grad)[self.order] for pairs in (self.S, self.Y))
        p = np.linalg.solve(R, Sg)
        q = np.linalg.solve(R.T, np.diag(R) * p + gamma * (YY @ p - Yg))
        to_rows = np.empty((2, n_pairs))
        to_rows[:, self.order] = q, -gamma * p
        s_part, y_part = (like(part.astype(numpy_dtype(grad)), grad) for part in to_rows)
        return -(float(gamma) * grad + s_part @ self.S[used, :] + y_part @ self.Y[used, :])


def _norm(x):
    return np.linalg.norm(x) if isinstance(x, np.ndarray) else float(x @ x) ** 0.5


def lbfgs(terms_and_gradient, state):
    """Generate the state and the terms after every iteration, until the gradient vanishes.

    Parameters
    ----------
    terms_and_gradient : callable
        ``terms_and_gradient(x) -> (terms, ndarray of shape (n,))``. The function is the sum of the terms, a float or an
        ndarray, and smooth. It works in the precision of x.
    state : LBFGSState
        Start, whose pairs are overwritten.

    Raises
    ------
    NotFiniteError
        If the value or gradient at the start is not finite.
    NoLowerValueError
        If no lower value can be found in working precision.

    References
    ----------
    R. H. Byrd, J. Nocedal, R. B. Schnabel, "Representations of quasi-Newton matrices and their use in limited memory
    methods", 1994, theorem 2.2. Against the two-loop recursion it needs a third of the memory traffic.
    """
    terms, grad = terms_and_gradient(state.x)
    xp = namespace(grad)
    if not (np.isfinite(np.sum(terms)) and xp.all(xp.isfinite(grad))):
        raise NotFiniteError("value or gradient not finite at the start")
    while float(xp.max(xp.abs(grad))) > _VANISHED_GRADIENT:
        found = _line_search(terms_and_gradient, state.x, terms, grad, state.direction(grad))
        if found is None:
            if len(state.order) == 0:
                raise NoLowerValueError("it found no lower value in working precision")
            # The approximate Hessian may be wrong here: forget it, and follow the gradient.
            state = replace(state, order=state.order[:0])
            continue
        x, terms, new_grad = found
        state = replace(state.append(x - state.x, new_grad - grad), x=x)
        grad = new_grad
        yield state, terms


def _line_search(terms_and_gradient, x, terms, grad, direction):
    """A step with sufficient decrease and curvature, by bisection: its (x, terms, grad), or None.

    A. S. Lewis, M. L. Overton, "Nonsmooth optimization via quasi-Newton methods", 2013, algorithm 2.6.
    """
    value, slope = np.sum(terms), float(grad @ direction)
    if not slope < 0:
        return None
    low, high, step = 0.0, np.inf, 1.0
    best = None
    for _ in range(_MAX_TRIALS):
        new_x = x + float(step) * direction
        new_terms, new_grad = terms_and_gradient(new_x)
        new_slope = float(new_grad @ direction)
        if not np.sum(new_terms) < value + _C1 * step * slope or not np.isfinite(new_slope):
            high = step
        elif new_slope < _C2 * slope:
            low, best = step, (new_x, new_terms, new_grad)
        else:
            return new_x, new_terms, new_grad
        step = 2 * step if high == np.inf else (low + high) / 2
    # No step met both conditions. One with sufficient decrease is still progress.
    return best
