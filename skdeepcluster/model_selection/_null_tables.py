"""Tables without structure: with the columns of a given table, and their correlations, and nothing else of it."""

import numpy as np
from scipy.special import ndtri

from .._support._threads import with_workers

# Corrections of a table whose columns are less correlated than those of X. Of binary columns, which lose most, five
# leave a twentieth of the squared error, and more hardly less.
_N_CORRECTIONS = 5

# What counts as no variance of a direction, relative to the largest.
_LEAST_VARIANCE = 1e-10


class NullTables:
    """Draws from a Gaussian copula: rows of a Gaussian, in whose columns the values of X have taken their ranks.

    Let Z be the normal scores of X, the values of a Gaussian at the ranks, the same where values of X are the same.
    Given the mean and the covariance, a Gaussian table is as likely as every rotation of its rows, so Z becomes Q L:
    L is a matrix with L'L = Z'Z, and Q a random one of orthonormal columns with mean 0. The correlations are those of Z
    then, where a draw from an estimated Gaussian would have errors of its own besides, and there may be more columns
    than rows.

    In the values of X the columns are less correlated than in Q L, the less, the more values are the same. So Q L is
    moved, several times, by the difference of the scores that it has got to the nearest table Q'L, and the values are
    given out anew.

    O. Langsrud, "Rotation tests", 2005.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Finite.

    Attributes
    ----------
    rank : int
        Number of dimensions in which the normal scores vary.
    """

    def __init__(self, X):
        self._order = X.argsort(axis=0, kind="stable")
        self._scores = _normal_scores(np.take_along_axis(X, self._order, axis=0))
        Z = np.empty_like(self._scores)
        np.put_along_axis(Z, self._order, self._scores, axis=0)
        self._loadings = with_workers(lambda workers: _loadings(Z))
        self.rank = len(self._loadings)

    def draw(self, random_state):
        """Draw a table, as an array of int of shape (n_samples, n_features): of which row of X each value is."""
        return with_workers(lambda workers: self._draw(random_state))

    def _draw(self, random_state):
        L, n_samples = self._loadings, len(self._order)
        G = random_state.normal(size=(n_samples, self.rank))
        latent = _orthonormal(G - G.mean(axis=0)) @ L
        scores, least = np.empty_like(latent), np.inf
        for i in range(1 + _N_CORRECTIONS):
            ranked = latent.argsort(axis=0)
            np.put_along_axis(scores, ranked, self._scores, axis=0)
            missing = _orthonormal(scores @ L.T) @ L - scores
            error = np.vdot(missing, missing)
            if error < least:
                best, least = ranked, error
            # Steps that shrink, as in stochastic approximation: the whole difference, again and again, overshoots.
            latent += missing / (1 + i)
        rows = np.empty_like(self._order)
        np.put_along_axis(rows, best, self._order, axis=0)
        return rows


def _normal_scores(columns):
    """Normal scores of ascending columns: of equal values the mean of theirs, so that each column has mean 0."""
    n_samples = len(columns)
    quantiles = ndtri((np.arange(n_samples) + 0.5) / n_samples)
    scores = np.empty(columns.shape)
    for j, column in enumerate(columns.T):
        starts = np.flatnonzero(np.r_[True, column[1:] != column[:-1]])
        counts = np.diff(np.r_[starts, n_samples])
        scores[:, j] = np.repeat(np.add.reduceat(quantiles, starts) / counts, counts)
    return scores - scores.mean(axis=0)


def _loadings(Z):
    """A matrix L of full rank with L'L = Z'Z."""
    is_wide = Z.shape[1] > Z.shape[0]
    variances, axes = np.linalg.eigh(Z @ Z.T if is_wide else Z.T @ Z)
    is_kept = variances > _LEAST_VARIANCE * variances[-1]
    variances, axes = variances[is_kept], axes[:, is_kept]
    return axes.T @ Z if is_wide else np.sqrt(variances)[:, np.newaxis] * axes.T


def _orthonormal(A):
    """The matrix of orthonormal columns that is nearest to A, the first factor of its polar decomposition."""
    squares, axes = np.linalg.eigh(A.T @ A)
    lengths = np.sqrt(np.maximum(squares, np.finfo(float).eps * squares[-1]))
    return A @ (axes / lengths) @ axes.T


def rows_of_columns(X, rows):
    """The table in which each value of X is that of the row given for it: a frame, if X is one, else an array.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    rows : ndarray of int of shape (n_samples, n_features)
    """
    if hasattr(X, "iloc"):
        frame = X.copy()
        for j, rows_of_column in enumerate(rows.T):
            frame.isetitem(j, X.iloc[rows_of_column, j].array)
        return frame
    if hasattr(X, "with_columns"):
        return X.with_columns([X.to_series(j).gather(rows_of_column) for j, rows_of_column in enumerate(rows.T)])
    return np.take_along_axis(np.asarray(X), rows, axis=0)
