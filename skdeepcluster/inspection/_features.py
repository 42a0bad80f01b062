"""What can be said of a row: its numbers, which values its categories have, which words its texts have."""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import CountVectorizer

from ._columns import Numbers
from ._effects import effect_sizes
from ._values import in_words

# Of a column of categories or texts, at most so many values or words, the most frequent ones, in at least so many rows.
_MOST_VALUES, _MOST_WORDS = 100, 1000
_LEAST_ROWS = 2

# A share is no share with fewer rows than that: a value that few rows have is in a small cluster by chance.
_LEAST_SHARED = 5

# Features of which something is either said or not: their mean is a share.
_SHARES = ("category", "word", "missing")


class Feature(NamedTuple):
    """What can be said of a row.

    Attributes
    ----------
    column : str
        Name of the column that it is of.
    position : int
        That of the column in the table.
    kind : str
        "number", "boolean", "date", "duration", "category", "word" or "missing".
    value : object
        The value that the column has, or the word that it contains.
    other : object
        The value that it has otherwise, if there is no third one.
    """

    column: str
    position: int
    kind: str
    value: Any = None
    other: Any = None

    def __str__(self):
        if self.kind == "category":
            return f"{self.column} = {in_words(self.value)}"
        if self.kind == "word":
            return f'{self.column}: "{self.value}"'
        return f"{self.column} is missing" if self.kind == "missing" else self.column


class Block(NamedTuple):
    """Some features of all rows, or, if reading all would take long, of those that are drawn.

    Attributes
    ----------
    features : list of Feature
    values : ndarray or csr_array of shape (n_samples or n_drawn, n_features)
        NaN where nothing can be said.
    is_drawn : bool
        Whether it has only the rows that are drawn.
    """

    features: list[Feature]
    values: Any
    is_drawn: bool = False


class Differences(NamedTuple):
    """What sets clusters apart.

    Attributes
    ----------
    features : list of Feature
    inside, outside, effects : ndarray of shape (n_clusters, n_features)
        Means in the cluster and in all other rows, and effect sizes.
    """

    features: list[Feature]
    inside: np.ndarray
    outside: np.ndarray
    effects: np.ndarray


def features_of(columns, rows, name):
    """The blocks of features of what `read_table` returns; words are looked for in the given rows.

    The name is that of the parameter, for an error if there are none.
    """
    if isinstance(columns, Numbers):
        names = enumerate(columns.names)
        return [Block([Feature(name, i, columns.kind) for i, name in names], columns.values)]
    blocks = [block for column in columns for block in _features_of_column(column, rows)]
    blocks = [block for block in blocks if block.features]
    if not blocks:
        raise ValueError(
            f"{name} has nothing to compare clusters by: no numbers or dates, and no value or word in two rows. Give "
            "the columns that clusters may differ in."
        )
    return blocks


def _features_of_column(column, rows):
    if column.kind == "text":
        yield _words(column, rows)
    elif column.kind == "category":
        yield _categories(column)
    else:
        yield Block([Feature(*column[:3])], column.values[:, np.newaxis])
    is_missing = column.is_missing
    if is_missing.any():
        yield Block([Feature(*column[:2], "missing")], is_missing[:, np.newaxis].astype(np.float64))


def _categories(column):
    counts = Counter(column.values.tolist())
    counts.pop(None, None)
    frequent = sorted((value for value in counts if counts[value] >= _LEAST_ROWS), key=lambda value: -counts[value])
    values = sorted(frequent[:_MOST_VALUES], key=str)
    if len(counts) == len(values) == 2:
        codes = {values[0]: 0.0, values[1]: 1.0, None: np.nan}
        coded = np.array([codes[value] for value in column.values.tolist()])
        return Block([Feature(*column[:2], "category", values[1], values[0])], coded[:, np.newaxis])
    places = {value: i for i, value in enumerate(values)}
    found = np.array([places.get(value, -1) for value in column.values.tolist()])
    rows = np.flatnonzero(found >= 0)
    one_hot = csr_array((np.ones(len(rows)), (rows, found[rows])), shape=(len(found), len(values)))
    return Block([Feature(*column[:2], "category", value) for value in values], one_hot)


def _words(column, rows):
    texts = ["" if text is None else text for text in column.values[rows].tolist()]
    vectorizer = CountVectorizer(binary=True, min_df=_LEAST_ROWS, max_features=_MOST_WORDS, dtype=np.float64)
    try:
        found = vectorizer.fit_transform(texts)
    except ValueError:
        # No word is in two rows.
        return Block([], None)
    words = vectorizer.get_feature_names_out().tolist()
    return Block([Feature(*column[:2], "word", word) for word in words], csr_array(found), is_drawn=True)


def differences_of(blocks, partition, rows, weights):
    """The `Differences` of all features."""
    k, sizes = len(partition.clusters), partition.sizes[:, np.newaxis]
    parts = []
    for block in blocks:
        of_rows = (partition.groups[rows], k, weights) if block.is_drawn else (partition.groups, k)
        inside, outside, effects = effect_sizes(block.values, *of_rows)
        if block.features[0].kind in _SHARES:
            n = len(partition.groups)
            expected = (np.nan_to_num(inside) * sizes + np.nan_to_num(outside) * (n - sizes)) / n * sizes
            is_shared = np.maximum(np.nan_to_num(inside) * sizes, expected) >= np.minimum(_LEAST_SHARED, sizes)
            effects = np.where(is_shared, effects, 0.0)
        parts.append((inside, outside, effects))
    features = [feature for block in blocks for feature in block.features]
    return Differences(features, *(np.hstack(arrays) for arrays in zip(*parts)))
