"""The nearest of known rows, by the distances that a clusterer compares rows by."""

from functools import partial

import numpy as np
from scipy.sparse import csr_array, hstack, issparse, vstack
from sklearn.neighbors import VALID_METRICS, NearestNeighbors

from .._support._threads import equal_slices
from ..metrics._neighbors import nearest_neighbors
from ..metrics._points import points_of

# Rows whose neighbours are found at once, together with the known rows: at least so many.
_N_AT_ONCE = 2**16

# Up to so many rows, no preparation pays. Numbers that are looked at at once then: 0.5 MB.
_FEW_ROWS, _BLOCK_SIZE = 8, 2**16

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


def known_rows(rows, clusterer):
    """Training rows, prepared for `nearest` by the distances that a clusterer compares rows by.

    Parameters
    ----------
    rows : ndarray or csr_array of shape (n_known, n_features)
        Checked, as `check_points` returns them.
    clusterer : estimator

    Returns
    -------
    known : RowsByDifferences, RowsByDirections or RowsByTrees
        ``known.nearest(rows, n_neighbors)`` finds the nearest known rows of rows that are checked, too, or, for None,
        the nearest others of the known rows themselves, with n_neighbors below n_known. It returns distances,
        ascending, and places, arrays of shape (n_rows, n_neighbors). Euclidean and cosine distances are 0 only between
        rows that are equal, or have the same direction. Their unit depends on the known rows alone.
    """
    metric = metric_of(clusterer)
    kind = {"euclidean": RowsByDifferences, "cosine": RowsByDirections}.get(metric["metric"])
    return RowsByTrees(rows, metric) if kind is None else kind(rows)


class RowsByDifferences:
    """Rows by Euclidean distances, with digits that products would lose, and squares that neither overflow nor vanish.

    Attributes
    ----------
    rows : ndarray or csr_array of shape (n_known, n_features)
    exponent : int
        The unit of distances is 2^exponent.
    """

    def __init__(self, rows):
        self.rows = rows
        self.exponent = points_of(rows, "euclidean").exponent
        self._largest = _largest(rows)

    def nearest(self, rows, n_neighbors):
        """See `known_rows`."""
        if rows is None:
            return nearest_neighbors(points_of(self.rows, "euclidean").rows, n_neighbors)
        rows = _like(self.rows, rows)
        self._check_scale(rows)
        if _are_few(rows) and not self.exponent and not points_of(rows, "euclidean").exponent:
            return _nearest_of_few(self.rows, rows, n_neighbors)
        return _in_parts(self._nearest_of_many, rows, n_neighbors, self.rows.shape[0])

    def _nearest_of_many(self, rows, n_neighbors):
        points = points_of(_stacked(self.rows, rows), "euclidean")
        distances, neighbors = nearest_neighbors(points.rows, n_neighbors, self.rows.shape[0])
        return np.ldexp(distances, points.exponent - self.exponent), neighbors

    def _check_scale(self, rows):
        """A ValueError for rows so large that beside them no digits of the known ones would be left."""
        largest, dtype = _largest(rows), np.result_type(self.rows.dtype, rows.dtype)
        if np.frexp(largest)[1] - np.frexp(self._largest)[1] > np.finfo(dtype).maxexp // 4:
            raise ValueError(
                f"X, whose largest absolute value is {largest:.3g}, is too large for the training data, whose largest "
                f"is {self._largest:.3g}. Give it the scale of the training data."
            )


class RowsByDirections:
    """Rows by cosine distances.

    Attributes
    ----------
    rows : ndarray or csr_array of shape (n_known, n_features) or (n_known, n_features + 1), float64
        Of length one. If some were zero, they have the dimension more.
    """

    def __init__(self, rows):
        self.rows = _directions(rows)

    def nearest(self, rows, n_neighbors):
        """See `known_rows`."""
        if rows is None:
            distances, neighbors = nearest_neighbors(self.rows, n_neighbors)
        else:
            known, rows = _of_same_width(self.rows, _directions(_like(self.rows, rows)))
            if _are_few(rows):
                distances, neighbors = _nearest_of_few(known, rows, n_neighbors)
            else:
                find = partial(_nearest_among, known)
                distances, neighbors = _in_parts(find, rows, n_neighbors, known.shape[0])
        return distances**2 / 2, neighbors


class RowsByTrees:
    """Rows by other distances, with a tree or without one, as `sklearn.neighbors.NearestNeighbors` sees fit.

    Parameters
    ----------
    rows : ndarray or csr_array of shape (n_known, n_features)
    metric : dict
        As `metric_of` returns it.
    """

    def __init__(self, rows, metric):
        self._index = NearestNeighbors(**metric).fit(rows)
        self._rows = rows

    def nearest(self, rows, n_neighbors):
        """See `known_rows`."""
        rows = None if rows is None else _like(self._rows, rows)
        distances, neighbors = self._index.kneighbors(rows, n_neighbors)
        if not np.isfinite(distances).all():
            raise ValueError(
                f"Distances of rows of X from the training data are not finite by metric={self._index.metric!r} of the "
                "clusterer. Leave these rows out, or give the clusterer another metric."
            )
        return distances, neighbors


def _are_few(rows):
    return rows.shape[0] <= _FEW_ROWS and not issparse(rows)


def _nearest_of_few(known, rows, n_neighbors):
    """The nearest known rows of a few, dense: a look at every one, without what only many rows pay for."""
    shape = len(rows), n_neighbors
    distances, neighbors = np.empty(shape), np.empty(shape, dtype=int)
    blocks = equal_slices(len(known), -(-known.size // _BLOCK_SIZE))
    for i, row in enumerate(rows.astype(np.float64)):
        differences = (known[block] - row for block in blocks)
        squares = np.concatenate([np.einsum("ij,ij->i", block, block) for block in differences])
        # Of equal distances the first rows.
        near = np.flatnonzero(squares <= np.partition(squares, n_neighbors - 1)[n_neighbors - 1])
        neighbors[i] = near[np.argsort(squares[near], kind="stable")[:n_neighbors]]
        distances[i] = np.sqrt(squares[neighbors[i]])
    return distances, neighbors


def _nearest_among(known, rows, n_neighbors):
    return nearest_neighbors(_stacked(known, rows), n_neighbors, known.shape[0])


def _in_parts(find, rows, n_neighbors, n_known):
    """``find(rows, n_neighbors)`` for parts of the rows, since what it prepares takes memory for each of them."""
    parts = equal_slices(rows.shape[0], -(-rows.shape[0] // max(_N_AT_ONCE, n_known)))
    return tuple(np.concatenate(arrays) for arrays in zip(*(find(rows[part], n_neighbors) for part in parts)))


def _like(known, rows):
    """The rows sparse if the known ones are, else dense."""
    if issparse(known) == issparse(rows):
        return rows
    return csr_array(rows) if issparse(known) else rows.toarray()


def _stacked(known, rows):
    return vstack([known, rows], format="csr") if issparse(known) else np.concatenate([known, rows])


def _directions(rows):
    # In float32, rows of nearly the same direction would become one.
    return points_of(rows.astype(np.float64), "cosine").rows


def _of_same_width(known, rows):
    """Both with the dimension of rows of zeros, if one has it."""
    width = max(known.shape[1], rows.shape[1])
    return tuple(units if units.shape[1] == width else _widened(units) for units in (known, rows))


def _widened(units):
    zeros = np.zeros((units.shape[0], 1))
    return hstack([units, csr_array(zeros)], format="csr") if issparse(units) else np.hstack([units, zeros])


def _largest(rows):
    values = rows.data if issparse(rows) else rows
    return max(values.max(initial=0), -values.min(initial=0))
