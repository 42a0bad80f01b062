"""Nearest rows of arrays of other libraries than NumPy, where they are."""

import math

import numpy as np

from .._arrays import device_of, like, namespace, numpy_dtype, row_products, rows_of, smallest, to_numpy, wide
from .._support._threads import equal_slices
from ._points import exponent_of, middle_of

# Numbers in a block of squared distances, and in the differences of rows that are in memory at once.
_BLOCK_SIZE = 2**25

# So many rows, for each neighbour and in all, are looked at more closely at first.
_CLOSER, _CLOSER_AT_LEAST = 2, 8


def nearest_on_device(points, n_neighbors):
    """The nearest other rows of every row, nearest first, of equal distances the first, as NumPy's numbers.

    As in `nearest_rows`, products say which rows may be among the nearest, given their rounding error, and distances of
    these are computed from differences. All is in float64, or what is widest on the device: products in float32 may be
    set to be less exact there (TF32) than their type.

    Parameters
    ----------
    points : array of shape (n_rows, d)
    n_neighbors : int
        Below n_rows.

    Returns
    -------
    neighbors : ndarray of int of shape (n_rows, n_neighbors)
    """
    xp, (n_rows, d) = namespace(points), points.shape
    points = points * 2.0 ** -exponent_of(points)
    centred = points - like(middle_of(points), points)
    scale = 2.0 ** min(-exponent_of(centred), 1000)
    points, Z = points * scale, wide(centred * scale)
    squares, numbers = row_products(Z, Z), np.finfo(numpy_dtype(Z))
    # A bound of the relative error of sums of d + 3 rounded numbers, and of the absolute one where they vanish.
    error, least = 2 * (d + 3) * float(numbers.eps), (d + 3) * float(numbers.tiny)
    others, right = xp.arange(n_rows, device=device_of(points))[None, :], Z.T
    neighbors = np.empty((n_rows, n_neighbors), dtype=np.int32 if n_rows < 2**31 else np.int64)
    for rows in equal_slices(n_rows, min(n_rows, -(-n_rows * n_rows // _BLOCK_SIZE))):
        # Lower bounds of the squared distances, less the square of the row.
        bounds = (1 - error) * squares - 2 * (Z[rows, :] @ right)
        own = xp.reshape(others[:, rows], (-1, 1)) == others
        bounds = xp.where(own, xp.full_like(bounds, math.inf), bounds)
        slack = (2 * error - 1) * squares[rows] + least
        neighbors[rows] = _nearest_in_block(points, rows.start, bounds, slack, n_neighbors)
    return neighbors


def _nearest_in_block(points, first_row, bounds, slack, n_neighbors):
    """The nearest rows of those of a block, given bounds of their distances to all rows."""
    xp, (n_in_block, n_rows) = namespace(points), bounds.shape
    nearest = np.empty((n_in_block, n_neighbors), dtype=np.int64)
    left, n_closer = np.arange(n_in_block), _CLOSER * n_neighbors + _CLOSER_AT_LEAST
    while len(left):
        n_closer, unsure = min(n_closer, n_rows - 1), []
        for part in equal_slices(len(left), min(len(left), -(-len(left) * n_closer * points.shape[1] // _BLOCK_SIZE))):
            rows = left[part]
            own_bounds = rows_of(bounds, rows)
            candidates = xp.sort(smallest(own_bounds, n_closer), axis=1)
            closer = xp.reshape(xp.take(points, xp.reshape(candidates, (-1,)), axis=0), (*candidates.shape, -1))
            differences = wide(closer) - wide(rows_of(points, first_row + rows))[:, None, :]
            distances = xp.vecdot(differences, differences)
            order = xp.argsort(distances, axis=1, stable=True)[:, :n_neighbors]
            nearest[rows] = to_numpy(xp.take_along_axis(candidates, order, axis=1))
            furthest = xp.take_along_axis(distances, order, axis=1)[:, -1]
            # All others have a larger bound than these.
            largest = xp.max(xp.take_along_axis(own_bounds, candidates, axis=1), axis=1)
            is_sure = to_numpy(largest > furthest + rows_of(slack, rows))
            unsure.append(rows[~is_sure & (n_closer < n_rows - 1)])
        left, n_closer = np.concatenate(unsure), 2 * n_closer
    return nearest
