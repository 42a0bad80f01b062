"""The nearest of known rows, by the distances that a clusterer compares rows by."""

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
    rows : ndarray or csr_array of shape (n_rows, n_features), or None
        The same. None are the known rows, whose neighbours are others.
    n_neighbors : int
        Below n_known.
    metric : dict
        As `metric_of` returns it.

    Returns
    -------
    distances : ndarray of shape (n_rows, n_neighbors)
        Ascending. Euclidean and cosine ones are 0 only between rows that are equal, or have the same direction. Their
        unit depends on the known rows alone.
    neighbors : ndarray of int of shape (n_rows, n_neighbors)
    """
    find = {"euclidean": _by_differences, "cosine": _by_directions}.get(metric["metric"], _by_trees)
    if rows is None:
        return find(known, None, n_neighbors, metric)
    if issparse(known) != issparse(rows):
        rows = csr_array(rows) if issparse(known) else rows.toarray()
    n_rows, n_at_once = rows.shape[0], max(_N_AT_ONCE, known.shape[0])
    parts = [find(known, rows[part], n_neighbors, metric) for part in equal_slices(n_rows, -(-n_rows // n_at_once))]
    return tuple(np.concatenate(arrays) for arrays in zip(*parts))


def _by_differences(known, rows, n_neighbors, metric):
    """Exact, with digits that products would lose, and squares that neither overflow nor vanish."""
    _check_scale(known, rows)
    points, n_known = points_of(_stacked(known, rows), "euclidean"), None if rows is None else known.shape[0]
    distances, neighbors = nearest_neighbors(points.rows, n_neighbors, n_known)
    return np.ldexp(distances, points.exponent - points_of(known, "euclidean").exponent), neighbors


def _by_directions(known, rows, n_neighbors, metric):
    # In float32, rows of nearly the same direction would become one.
    points = points_of(_stacked(known, rows).astype(np.float64), "cosine")
    distances, neighbors = nearest_neighbors(points.rows, n_neighbors, None if rows is None else known.shape[0])
    return distances**2 / 2, neighbors


def _by_trees(known, rows, n_neighbors, metric):
    distances, neighbors = NearestNeighbors(n_neighbors=n_neighbors, **metric).fit(known).kneighbors(rows)
    if not np.isfinite(distances).all():
        raise ValueError(
            f"Distances of rows of X from the training data are not finite by metric={metric['metric']!r} of the "
            "clusterer. Leave these rows out, or give the clusterer another metric."
        )
    return distances, neighbors


def _stacked(known, rows):
    if rows is None:
        return known
    return vstack([known, rows], format="csr") if issparse(known) else np.concatenate([known, rows])


def _check_scale(known, rows):
    """A ValueError for rows so large that beside them no digits of the known ones would be left."""
    if rows is None:
        return
    dtype = np.result_type(known.dtype, rows.dtype)
    largest = [np.abs(A.data if issparse(A) else A).max(initial=0.0) for A in (known, rows)]
    of_known, of_rows = np.frexp(largest)[1]
    if of_rows - of_known > np.finfo(dtype).maxexp // 4:
        raise ValueError(
            f"X, whose largest absolute value is {largest[1]:.3g}, is too large for the training data, whose largest "
            f"is {largest[0]:.3g}. Give it the scale of the training data."
        )
