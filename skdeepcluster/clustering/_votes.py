"""Votes of the nearest of rows whose clusters are known."""

import numpy as np
from scipy.sparse import csr_array, issparse, vstack
from sklearn.neighbors import VALID_METRICS, NearestNeighbors

from .._support._threads import equal_slices
from ..metrics._neighbors import nearest_neighbors
from ..metrics._points import points_of

# Rows whose neighbours are found at once, together with the known rows: at least so many.
_N_AT_ONCE = 2**16

_METRICS = set().union(*VALID_METRICS.values())


def metric_of(clusterer):
    """The parameters of `sklearn.neighbors.NearestNeighbors` for the distances that a clusterer compares rows by.

    They are Euclidean if it has no ``metric``, or one for something else, as searches have.
    """
    metric, p = getattr(clusterer, "metric", None), getattr(clusterer, "p", None)
    if not callable(metric) and not (isinstance(metric, str) and metric in _METRICS):
        return {"metric": "euclidean"}
    metric_params = getattr(clusterer, "metric_params", None)
    if metric in ("euclidean", "l2") or (metric == "minkowski" and p in (None, 2) and not metric_params):
        return {"metric": "euclidean"}
    if metric == "cosine":
        return {"metric": "cosine"}
    return {"metric": metric, "metric_params": metric_params, "p": p}


def nearest_known(known, rows, n_neighbors, metric):
    """The nearest known rows of every row, by the distances of `metric_of`, and how far they are.

    Parameters
    ----------
    known : ndarray or csr_array of shape (n_known, n_features)
        Checked, as `check_points` returns them.
    rows : ndarray or csr_array of shape (n_rows, n_features)
        The same.
    n_neighbors : int
        At most n_known.
    metric : dict
        As `metric_of` returns it.

    Returns
    -------
    distances : ndarray of shape (n_rows, n_neighbors)
        Ascending. Euclidean and cosine ones are in any unit, and 0 only between rows that are equal, or have the same
        direction.
    neighbors : ndarray of int of shape (n_rows, n_neighbors)
    """
    if issparse(known) != issparse(rows):
        rows = csr_array(rows) if issparse(known) else rows.toarray()
    n_rows, n_at_once = rows.shape[0], max(_N_AT_ONCE, known.shape[0])
    of_metric = _by_points if metric["metric"] in ("euclidean", "cosine") else _by_trees
    parts = [
        of_metric(known, rows[part], n_neighbors, metric) for part in equal_slices(n_rows, -(-n_rows // n_at_once))
    ]
    return tuple(np.concatenate(arrays) for arrays in zip(*parts))


def _by_points(known, rows, n_neighbors, metric):
    """Exact, with digits that products would lose: in a unit that all rows share, or from rows of length one."""
    are_unit = metric["metric"] == "cosine"
    together = vstack([known, rows], format="csr") if issparse(known) else np.concatenate([known, rows])
    if are_unit:
        # In float32, rows of nearly the same direction would become one.
        together = together.astype(np.float64)
    else:
        _check_scale(known, rows)
    points = points_of(together, metric["metric"]).rows
    distances, neighbors = nearest_neighbors(points, n_neighbors, n_known=known.shape[0])
    # 1 - cos is half the square of the distance of unit rows.
    return distances**2 if are_unit else distances, neighbors


def _by_trees(known, rows, n_neighbors, metric):
    distances, neighbors = NearestNeighbors(n_neighbors=n_neighbors, **metric).fit(known).kneighbors(rows)
    if not np.isfinite(distances).all():
        raise ValueError(
            f"Distances of rows of X from the training data are not finite by metric={metric['metric']!r} of the "
            "clusterer. Leave these rows out, or give the clusterer another metric."
        )
    return distances, neighbors


def _check_scale(known, rows):
    """A ValueError for rows so large that beside them no digits of the known ones would be left."""
    dtype = np.result_type(known.dtype, rows.dtype)
    largest = [np.abs(A.data if issparse(A) else A).max(initial=0.0) for A in (known, rows)]
    of_known, of_rows = np.frexp(largest)[1]
    if of_rows - of_known > np.finfo(dtype).maxexp // 4:
        raise ValueError(
            f"X, whose largest absolute value is {largest[1]:.3g}, is too large for the training data, whose largest "
            f"is {largest[0]:.3g}. Give it the scale of the training data."
        )


def vote_shares(distances, codes, n_codes):
    """The share of the votes of neighbours that each of their clusters gets, weighed by one over the distance.

    Neighbours at distance 0 leave the others no vote.

    Parameters
    ----------
    distances : ndarray of shape (n_rows, n_neighbors)
        Ascending.
    codes : ndarray of int of shape (n_rows, n_neighbors)
        The cluster of each neighbour, from 0 to n_codes - 1.
    n_codes : int

    Returns
    -------
    rows, clusters : ndarrays of int of shape (n_shares,)
        Every row with every cluster among its neighbours, ascending.
    shares : ndarray of shape (n_shares,)
        Those of a row sum to 1.
    """
    nearest = distances[:, :1]
    # Relative to the nearest, since one over a small distance may be infinite.
    weights = np.divide(nearest, distances, out=(distances == 0).astype(np.float64), where=distances > 0)
    weights /= weights.sum(axis=1, keepdims=True)
    pairs, places = np.unique(np.arange(len(codes))[:, np.newaxis] * n_codes + codes, return_inverse=True)
    rows, clusters = np.divmod(pairs, n_codes)
    return rows, clusters, np.bincount(places.ravel(), weights.ravel())


def winners(rows, shares):
    """Where the largest share of each row is, the first of equal ones; rows and shares as `vote_shares` returns."""
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    is_largest = shares == np.maximum.reduceat(shares, starts)[rows]
    return np.flatnonzero(is_largest)[np.unique(rows[is_largest], return_index=True)[1]]
