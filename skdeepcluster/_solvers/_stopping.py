"""The stopping rule that the solvers share."""

from collections import deque


class MeanDecrease:
    """Tells when iterations lower a value f by no more than ``tol * |f|`` each, on average over the last n_iter.

    The average forgives single short iterations, and the rule does not depend on the scale of f. With tol = 0 it never
    tells.
    """

    def __init__(self, tol, n_iter):
        self._tol = tol
        self._n_iter = n_iter
        self._values = deque(maxlen=n_iter + 1)

    def is_small_after(self, value):
        """Take in the value after an iteration."""
        self._values.append(value)
        if self._tol == 0 or len(self._values) <= self._n_iter:
            return False
        return self._values[0] - value <= self._n_iter * self._tol * abs(value)
