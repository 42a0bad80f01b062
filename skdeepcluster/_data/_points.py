"""Where points are, and how large their numbers: what they are scaled and centred by before distances are computed."""

import math

import numpy as np

from .._arrays import is_numpy, namespace, rows_of, to_numpy

# Most rows of which a median is taken.
_MEDIAN_ROWS = 512


def middle_of(Z):
    """A point in the midst of the rows, to see them from, as NumPy's array."""
    # Subtracting a centre from all rows changes no distance, and |u|^2 + |v|^2 - 2 u'v loses fewer digits. Outliers
    # hardly move a median, and the median of at most 512 rows is near enough.
    return np.median(to_numpy(rows_of(Z, slice(None, None, -(-Z.shape[0] // _MEDIAN_ROWS)))), axis=0)


def exponent_of(A):
    """The least one such that all numbers are below 2^exponent."""
    if is_numpy(A):
        return math.frexp(float(np.abs(A).max(initial=0.0)))[1]
    xp = namespace(A)
    return math.frexp(float(xp.max(xp.abs(A))))[1]
