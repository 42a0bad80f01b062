"""What the estimators share besides scikit-learn's own base classes."""

from contextlib import contextmanager

import numpy as np
from sklearn.utils.validation import check_array


class AutoencoderMixin:
    """Mixin for transformers that encode rows to a code and decode it; scorers find the space before one by it."""

    def score(self, X, y=None):
        """Minus the mean squared reconstruction error, the mean taken over rows and features; higher is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        y : None
            Ignored.

        Returns
        -------
        score : float
            ``-mean((X - inverse_transform(transform(X))) ** 2)``, in squared units of X; at most 0.

        Raises
        ------
        ValueError
            If X is not what `transform` accepts.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        residual = self.inverse_transform(np.asarray(self.transform(X)))
        residual -= check_array(X, dtype=residual.dtype)
        return -float(np.mean(np.square(residual, out=residual), dtype=np.float64))


@contextmanager
def unchanged_on_error(estimator):
    """Give the estimator the attributes back that it had before the block, if the block raises."""
    state = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(state)
        raise
