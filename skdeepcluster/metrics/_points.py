"""The points that scores compare, dense or sparse, by their Euclidean distances or by cosine."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, hstack, issparse
from sklearn.utils._param_validation import StrOptions

from .._data import column_ranges, row_squares
from .._support._checks import check_table

DISTANCE = StrOptions({"euclidean", "cosine"})

# Values that differ by so many units in the last place are the same but for rounding, as in the code of equal rows.
ROUNDING = 4


class Points(NamedTuple):
    """Rows to compare.

    Attributes
    ----------
    rows : ndarray or csr_array of shape (n_samples, n_features)
        Their squares neither overflow nor vanish. For cosine they have length one, so that 1 - cos(u, v) is half the
        square of their Euclidean distance; they are rounded to the precision of the data.
    are_unit : bool
        Whether they are compared by cosine.
    exponent : int
        They are the user's times 2^-exponent.
    """

    rows: np.ndarray | csr_array
    are_unit: bool
    exponent: int


def check_points(Z, name):
    """Check rows that scores are to compare, and return them as an ndarray or a canonical csr_array."""
    Z = check_table(Z, name, sparse=True, order="C")
    if not issparse(Z):
        return Z
    Z = csr_array(Z)
    if not Z.has_canonical_format or not Z.data.all():
        Z = Z.copy()
        Z.sum_duplicates()
        Z.eliminate_zeros()
    return Z


def points_of(Z, distance):
    """The `Points` of checked rows. No score depends on the unit of length."""
    if distance == "cosine":
        return Points(_unit_rows(Z), True, 0)
    values = Z.data if issparse(Z) else Z
    exponent = int(np.frexp(max(values.max(initial=0), -values.min(initial=0)))[1])
    if abs(exponent) <= np.finfo(Z.dtype).maxexp // 4:
        return Points(Z, False, 0)
    scaled = np.ldexp(values, -exponent)
    return Points(with_values(Z, scaled) if issparse(Z) else scaled, False, exponent)


def with_values(Z, values):
    """A csr_array with other values at the same places."""
    return csr_array((values, Z.indices, Z.indptr), shape=Z.shape)


def _unit_rows(Z):
    """Rows of length one. Those of zeros get a dimension of their own, so that their cosine with all others is 0."""
    # The largest value first, as squares might overflow or vanish. scikit-learn's normalize takes small ones for 0.
    largest = abs(Z).max(axis=1)
    largest = largest.toarray().ravel() if issparse(Z) else largest
    is_zero = largest == 0
    units = _divided(Z, np.where(is_zero, 1, largest))
    squares = row_squares(units) if issparse(Z) else np.einsum("ij,ij->i", units, units)
    units = _divided(units, np.sqrt(np.where(is_zero, 1, squares)).astype(Z.dtype))
    if not is_zero.any():
        return units
    own = is_zero.astype(Z.dtype)[:, np.newaxis]
    return hstack([units, csr_array(own)], format="csr") if issparse(Z) else np.hstack([units, own])


def _divided(Z, divisors):
    """Every row divided by its number."""
    if issparse(Z):
        return with_values(Z, Z.data / np.repeat(divisors, np.diff(Z.indptr)))
    return Z / divisors[:, np.newaxis]


def are_one_point(Z):
    """Whether all rows are the same, but for rounding."""
    lowest, highest = column_ranges(Z)
    largest = np.maximum(np.abs(lowest), np.abs(highest))
    return bool((highest - lowest <= ROUNDING * np.finfo(Z.dtype).eps * largest).all())


def n_distinct(points):
    """The number of different rows of `Points`; those of length one are the same if rounding may have parted them."""
    Z = points.rows
    if points.are_unit:
        n_digits = np.finfo(Z.dtype).precision - 2
        Z = with_values(Z, Z.data.round(n_digits)) if issparse(Z) else Z.round(n_digits)
    if not issparse(Z):
        return len(np.unique(Z, axis=0))
    parts = zip(np.split(Z.indices, Z.indptr[1:-1]), np.split(Z.data, Z.indptr[1:-1]))
    return len({(indices.tobytes(), values.tobytes()) for indices, values in parts})
