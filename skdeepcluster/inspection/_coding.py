"""Features as small integers, on which rules are grown, and what a threshold between two of these says of a column."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from ._conditions import Condition
from ._values import BETWEEN, seconds_of

# The features of an array that rules are grown on have at most so many codes together.
_MOST_CODES = 50_000_000


class Coding(NamedTuple):
    """Features of some rows as ranks among their distinct values.

    Attributes
    ----------
    features : list of Feature
        Those that vary.
    levels : list of ndarray
        Their distinct values, ascending.
    codes : ndarray of int of shape (n_drawn, n_features)
        Position of the value of every row in these; of the median where it is not known.
    unknown : dict from int to ndarray of bool of shape (n_drawn,)
        Of the features with such rows, which they are.
    """

    features: list
    levels: list
    codes: np.ndarray
    unknown: dict

    def of_rows(self, rows):
        """That of some of the rows."""
        return self._replace(codes=self.codes[rows], unknown={j: mask[rows] for j, mask in self.unknown.items()})

    def is_above(self, feature, code):
        """Which rows have a value above that of a code."""
        return (self.codes[:, feature] > code) & self._is_known(feature)

    def is_not_above(self, feature, code):
        """Which rows have a value that is known and not above that of a code."""
        return (self.codes[:, feature] <= code) & self._is_known(feature)

    def _is_known(self, feature):
        return ~self.unknown[feature] if feature in self.unknown else True

    def condition(self, feature, code, is_above):
        """The `Condition` that these rows fulfil."""
        (column, position, kind, value, other), levels = self.features[feature], self.levels[feature]
        if kind == "missing":
            return Condition(column, position, "is missing" if is_above else "is not missing")
        if kind == "word":
            return Condition(column, position, "contains" if is_above else "does not contain", value)
        if kind == "category" and other is None:
            return Condition(column, position, "is" if is_above else "is not", value)
        if kind == "category":
            return Condition(column, position, "is", value if is_above else other)
        low, high = levels[code : code + 2].tolist()
        if kind == "boolean":
            return Condition(column, position, "is", is_above)
        if kind == "number" and len(levels) == 2 and all(level.is_integer() for level in (low, high)):
            return Condition(column, position, "is", high if is_above else low)
        above, below = ("from", "before") if kind == "date" else (">", "<=")
        return Condition(column, position, above if is_above else below, BETWEEN[kind](low, high))

    def rounded(self, feature, code, share):
        """The code of a threshold of fewer digits, from which that share of the rows lies on either side."""
        kind, levels = self.features[feature].kind, self.levels[feature]
        if kind not in BETWEEN:
            return code
        n_below = np.cumsum(np.bincount(self.codes[:, feature], minlength=len(levels)))
        around = n_below[code] + share * n_below[-1] * np.array([-1, 1])
        low, high = np.searchsorted(n_below, around).clip(0, len(levels) - 1)
        threshold = seconds_of(BETWEEN[kind](float(levels[min(low, code)]), float(levels[max(high, code + 1)])))
        return int(np.searchsorted(levels, threshold, side="left" if kind == "date" else "right")) - 1


def coded(blocks, rows):
    """The `Coding` of the given rows of all blocks of features."""
    features, levels, columns, unknown = [], [], [], {}
    for block in blocks:
        values = block.values if block.is_drawn else block.values[rows]
        for j, column in _columns_of(values, max(_MOST_CODES // len(rows), 1)):
            is_gap = np.isnan(column)
            known = column[~is_gap]
            distinct = np.unique(known)
            if len(distinct) < 2:
                continue
            ranks = np.searchsorted(distinct, known)
            codes = np.full(len(rows), int(np.median(ranks)), dtype=np.min_scalar_type(len(distinct)))
            codes[~is_gap] = ranks
            if is_gap.any():
                unknown[len(features)] = is_gap
            features.append(block.features[j])
            levels.append(distinct)
            columns.append(codes)
    together = np.empty((len(rows), len(columns)), dtype=np.result_type(np.uint8, *columns), order="F")
    for j, codes in enumerate(columns):
        together[:, j] = codes
    return Coding(features, levels, together, unknown)


def _columns_of(values, most):
    """Positions and columns of an array or CSR: if there are more, that many of those with the most non-zero values."""
    kept = range(values.shape[1])
    if len(kept) > most:
        n_values = np.bincount(values.indices, minlength=len(kept)) if issparse(values) else (values != 0).sum(axis=0)
        kept = np.sort(np.argsort(-n_values, kind="stable")[:most]).tolist()
    if issparse(values):
        values = values.tocsc()
        values.sum_duplicates()
    for j in kept:
        if issparse(values):
            places = slice(*values.indptr[j : j + 2])
            column = np.zeros(values.shape[0])
            column[values.indices[places]] = values.data[places]
        else:
            column = values[:, j]
        yield j, column
