"""The stopping rule that the solvers share."""

from collections import deque


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
