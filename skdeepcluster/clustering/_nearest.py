"""The nearest of known rows, by the distances that a clusterer compares rows by."""

from abc import ABC, abstractmethod

import numpy as np
from scipy.sparse import csr_array, hstack, issparse, vstack
from sklearn.neighbors import VALID_METRICS, NearestNeighbors

from .._support._threads import equal_slices
from ..metrics._neighbors import as_dense, nearest_neighbors, trees_of
from ..metrics._points import points_of

# Rows whose neighbours are found at once, together with the known rows: at least so many.
_N_AT_ONCE = 2**16

# Up to so many rows, no preparation pays.
_FEW_ROWS = 8

# Numbers of known rows that are compared with a row at once, if rows are few: 0.5 MB.
_BLOCK_SIZE = 2**16

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
    known : KnownRows
    """
    metric = metric_of(clusterer)
    kind = {"euclidean": RowsByDifferences, "cosine": RowsByDirections}.get(metric["metric"])
    return RowsByTrees(rows, metric) if kind is None else kind(rows)


class KnownRows(ABC):
    """Rows among which others have their nearest ones. Trees are built anew, and not saved.

    Attributes
    ----------
    rows : ndarray or csr_array of shape (n_known, n_features)
    """

    def __init__(self, rows):
        self.rows = rows
        self._trees = self._built()

    def __getstate__(self):
        return vars(self) | {"_trees": None}

    def __setstate__(self, state):
        vars(self).update(state)
        self._trees = self._built()

    @abstractmethod
    def _built(self):
        """The rows in trees, or None."""

    @abstractmethod
    def nearest(self, rows, n_neighbors):
        """The nearest known rows of rows that are checked, too.

        Those of a row do not depend on the rows that are asked about with it. Euclidean and cosine distances are 0 only
        between rows that are equal, or have the same direction. Their unit depends on the known rows alone.

        Parameters
        ----------
        rows : ndarray or csr_array of shape (n_rows, n_features), or None
            None are the known rows, whose neighbours are others.
        n_neighbors : int
            Below n_known.

        Returns
        -------
        distances : ndarray of shape (n_rows, n_neighbors)
            Ascending.
        neighbors : ndarray of int of shape (n_rows, n_neighbors)
            Places.
        """


class RowsByDifferences(KnownRows):
    """Rows by Euclidean distances, with digits that products would lose, and squares that neither overflow nor vanish.

    Attributes
    ----------
    exponent : int
        The unit of distances is 2^exponent.
    """

    def __init__(self, rows):
        self.exponent = points_of(rows, "euclidean").exponent
        self._largest = _largest(rows)
        super().__init__(rows)

    def _built(self):
        return trees_of(points_of(self.rows, "euclidean").rows)

    def nearest(self, rows, n_neighbors):
        known = self.rows if not self.exponent else points_of(self.rows, "euclidean").rows
        if rows is None:
            return _nearest_among(known, self._trees, None, n_neighbors)
        rows = _like(known, rows)
        self._check_scale(rows)
        if self.exponent or points_of(rows, "euclidean").exponent:
            return _in_parts(self._nearest_in_other_units, rows, n_neighbors, known.shape[0])
        return _nearest_among(known, self._trees, rows, n_neighbors)

    def _nearest_in_other_units(self, rows, n_neighbors):
        points = points_of(_stacked(self.rows, rows), "euclidean")
        distances, neighbors = nearest_neighbors(points.rows, n_neighbors, self.rows.shape[0])
        return np.ldexp(distances, points.exponent - self.exponent), neighbors

    def _check_scale(self, rows):
        """A ValueError for rows so large that beside them no digits of the known ones would be left."""
        largest, dtype = _largest(rows), np.result_type(self.rows.dtype, rows.dtype)
        if largest and np.frexp(largest)[1] - np.frexp(self._largest)[1] > np.finfo(dtype).maxexp // 4:
            raise ValueError(
                f"X, whose largest absolute value is {largest:.3g}, is too large for the training data, whose largest "
                f"is {self._largest:.3g}. Give it the scale of the training data."
            )


class RowsByDirections(KnownRows):
    """Rows by cosine distances. ``rows`` have length one, in float64, and one dimension more, that of rows of zeros."""

    def __init__(self, rows):
        super().__init__(_directions(rows))

    def _built(self):
        return trees_of(self.rows)

    def nearest(self, rows, n_neighbors):
        rows = None if rows is None else _like(self.rows, _directions(rows))
        distances, neighbors = _nearest_among(self.rows, self._trees, rows, n_neighbors)
        return distances**2 / 2, neighbors


class RowsByTrees(KnownRows):
    """Rows by other distances, with a tree or without one, as `sklearn.neighbors.NearestNeighbors` sees fit.

    Parameters
    ----------
    rows : ndarray or csr_array of shape (n_known, n_features)
    metric : dict
        As `metric_of` returns it.
    """

    def __init__(self, rows, metric):
        self._metric = metric
        super().__init__(rows)

    def _built(self):
        return NearestNeighbors(**self._metric).fit(self.rows)

    def nearest(self, rows, n_neighbors):
        rows = None if rows is None else _like(self.rows, rows)
        distances, neighbors = self._trees.kneighbors(rows, n_neighbors)
        if not np.isfinite(distances).all():
            raise ValueError(
                f"Distances of rows of X from the training data are not finite by metric={self._metric['metric']!r} of "
                "the clusterer. Leave these rows out, or give the clusterer another metric."
            )
        return distances, neighbors


def _nearest_among(known, trees, rows, n_neighbors):
    """The nearest known points of rows, or, for None, of each other."""
    if trees:
        return trees.kneighbors(None if rows is None else as_dense(rows), n_neighbors)
    if rows is None:
        return nearest_neighbors(known, n_neighbors)
    if rows.shape[0] <= _FEW_ROWS and not issparse(rows):
        return _nearest_of_few(known, rows, n_neighbors)

    def nearest(part, n_neighbors):
        return nearest_neighbors(_stacked(known, part), n_neighbors, known.shape[0])

    return _in_parts(nearest, rows, n_neighbors, known.shape[0])


def _nearest_of_few(known, rows, n_neighbors):
    """The nearest known rows of a few, dense: a look at every one, without what only many rows pay for."""
    shape = len(rows), n_neighbors
    distances, neighbors = np.empty(shape), np.empty(shape, dtype=int)
    blocks = equal_slices(len(known), -(-known.size // _BLOCK_SIZE))
    for i, row in enumerate(rows.astype(np.float64)):
        squares = np.concatenate([_squares(known[block] - row) for block in blocks])
        # Of equal distances the first rows, as in `nearest_rows`.
        near = np.flatnonzero(squares <= np.partition(squares, n_neighbors - 1)[n_neighbors - 1])
        neighbors[i] = near[np.argsort(squares[near], kind="stable")[:n_neighbors]]
        distances[i] = np.sqrt(squares[neighbors[i]])
    return distances, neighbors


def _squares(differences):
    return np.einsum("ij,ij->i", differences, differences)


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
    """Rows of length one with the dimension of rows of zeros, which points have only if there is such a row."""
    # In float32, rows of nearly the same direction would become one.
    units = points_of(rows.astype(np.float64), "cosine").rows
    if units.shape[1] > rows.shape[1]:
        return units
    zeros = np.zeros((units.shape[0], 1))
    return hstack([units, csr_array(zeros)], format="csr") if issparse(units) else np.hstack([units, zeros])


def _largest(rows):
    return abs(rows.data if issparse(rows) else rows).max(initial=0.0)
