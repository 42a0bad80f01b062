"""Distances between rows, dense or sparse, from products, and from differences where products cancel."""

import numpy as np
from scipy.sparse import issparse
from scipy.spatial.distance import cdist

from .._data import dense_product, row_squares, rows_of_values

# A squared distance is computed as |u|^2 + |v|^2 - 2 u'v. If it is less than this share of |u|^2 + |v|^2, the
# subtraction has cost it more than 5 of its 16 digits.
_CANCELLED = 1e-5

# Pairs of sparse rows whose differences are computed at once.
_N_PAIRS = 4096


def squared_distances(x, y, centre, diagonal=None):
    """Squares of the Euclidean distances between the rows of x and those of y, in float64.

    Parameters
    ----------
    x, y : ndarray or csr_array
    centre : ndarray of shape (n_features,)
        A point in the midst of dense rows, to see them from; sparse ones are seen from the origin.
    diagonal : int, default=None
        If the rows of x are also in y, one after the other, the index of the first of them in y.
    """
    if issparse(x):
        return _of_sparse(x.astype(np.float64), y.astype(np.float64), diagonal)
    u, v = (np.subtract(points, centre, dtype=np.float64) for points in (x, y))
    uu, vv = (np.einsum("ij,ij->i", points, points)[:, np.newaxis] for points in (u, v))
    # One matrix product computes |u|^2 + |v|^2 - 2 u'v for all pairs.
    D = np.hstack([-2 * u, uu, np.ones_like(uu)]) @ np.hstack([v, np.ones_like(vv), vv]).T
    if diagonal is not None:
        np.fill_diagonal(D[:, diagonal:], np.inf)
    if D.min() < _CANCELLED * (uu.max() + vv.max()):
        # Here subtraction has cost too many digits for some pairs. Compute the rows with such pairs again, from
        # differences of coordinates. The condition above is a quick test whether there can be any.
        cancelled = (_CANCELLED * (uu + vv.T) > D).any(axis=1)
        D[cancelled] = cdist(x[cancelled], y, "sqeuclidean")
    if diagonal is not None:
        np.fill_diagonal(D[:, diagonal:], 0)
    return D


def _of_sparse(x, y, diagonal):
    uu, vv = row_squares(x)[:, np.newaxis], row_squares(y)
    D = uu + vv - 2 * dense_product(x, y.T)
    if diagonal is not None:
        np.fill_diagonal(D[:, diagonal:], np.inf)
    rows, columns = np.nonzero(_CANCELLED * (uu + vv) >= D)
    for start in range(0, len(rows), _N_PAIRS):
        i, j = rows[start : start + _N_PAIRS], columns[start : start + _N_PAIRS]
        D[i, j] = row_squares(x[i] - y[j])
    if diagonal is not None:
        np.fill_diagonal(D[:, diagonal:], 0)
    return D


def squared_distances_to(x, point):
    """Squares of the Euclidean distances of rows, dense or sparse, to a point."""
    if not issparse(x):
        differences = x - point
        return np.einsum("ij,ij->i", differences, differences)
    rows, at_values = rows_of_values(x), point[x.indices]
    inside = np.bincount(rows, np.square(x.data - at_values), minlength=x.shape[0])
    covered = np.bincount(rows, np.square(at_values), minlength=x.shape[0])
    return inside + np.maximum(point @ point - covered, 0)
