"""Conditions on columns, and rules of several of them, in words."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from ._columns import Numbers
from ._values import in_words, seconds_of


class Condition(NamedTuple):
    """A condition that a rule makes on a column.

    It is printed as one would write it: ``age > 41``, ``colour is not red``, ``comment contains "price"``. A missing
    value fulfils none of ``>``, ``<=``, ``from`` and ``before``.

    Parameters
    ----------
    column : str
        Name of the column.
    position : int
        Its position in the table.
    relation : str
        ">" or "<=" of numbers and durations; "from" or "before" of dates, which include and exclude the date; "is" or
        "is not"; "contains" or "does not contain" of a word in a text, whatever its case; "is missing" or "is not
        missing".
    value : object
        What the column is compared with: a float, a `numpy.datetime64` in UTC, a `numpy.timedelta64`, one of its
        values, a word; None for missing values.

    Examples
    --------
    >>> from skdeepcluster.inspection import Condition
    >>> print(Condition("comment", 3, "contains", "price"))
    comment contains "price"
    """

    column: str
    position: int
    relation: str
    value: Any = None

    def __str__(self) -> str:
        if self.relation.endswith("missing"):
            return f"{self.column} {self.relation}"
        value = f'"{self.value}"' if "contain" in self.relation else in_words(self.value)
        return f"{self.column} {self.relation} {value}"


class Rule(NamedTuple):
    """A rule for one cluster: conditions, of which all are to be fulfilled, or any one.

    Parameters
    ----------
    conditions : tuple of Condition
        None if no column tells the cluster apart: then no row fulfils it.
    joined_by : {"and", "or"}, default="and"
        "or" if one of the conditions is enough.

    Examples
    --------
    >>> from skdeepcluster.inspection import Condition, Rule
    >>> print(
    ...     Rule((Condition("age", 0, ">", 41.0), Condition("colour", 1, "is", "red")))
    ... )
    age > 41 and colour is red
    """

    conditions: tuple[Condition, ...]
    joined_by: str = "and"

    def __str__(self) -> str:
        if not self.conditions:
            return "no rule"
        parts: dict[tuple, list[Condition]] = {}
        for condition in self.conditions:
            is_bound = self.joined_by == "and" and condition.relation in _BOUNDS
            parts.setdefault((condition.position,) if is_bound else condition, []).append(condition)
        return f" {self.joined_by} ".join(map(_joined, parts.values()))


# Bounds of one column are written together, the lower one first.
_COMPARISONS = {">": np.greater, "from": np.greater_equal, "<=": np.less_equal, "before": np.less}
_BOUNDS = tuple(_COMPARISONS)


def _joined(conditions):
    """One condition, or two bounds of a column, in words."""
    if len(conditions) == 1:
        return str(conditions[0])
    low, high = sorted(conditions, key=lambda condition: _BOUNDS.index(condition.relation))
    if low.relation == "from":
        return f"{low} and before {in_words(high.value)}"
    return f"{in_words(low.value)} < {low.column} <= {in_words(high.value)}"


def matching_rows(rule, columns, n_rows):
    """Which of n_rows rows fulfil a `Rule`, as an array of bool, given what `read_table` returns."""
    if not rule.conditions:
        return np.zeros(n_rows, dtype=bool)
    join = np.logical_or if rule.joined_by == "or" else np.logical_and
    return join.reduce([_fulfilled(condition, _column_of(condition, columns)) for condition in rule.conditions])


def _column_of(condition, columns):
    """The column of a condition: the one with its name, or at its position if there are several, or no names."""
    names = columns.names if isinstance(columns, Numbers) else [column.name for column in columns]
    name, position = condition[:2]
    if names.count(name) == 1:
        position = names.index(name)
    elif position >= len(names) or names[position] not in (name, f"x{position}"):
        raise ValueError(f"table has no column {name!r}, which a rule is about.")
    return columns.column(position) if isinstance(columns, Numbers) else columns[position]


def _fulfilled(condition, column):
    relation, value = condition.relation, seconds_of(condition.value)
    if relation.endswith("missing"):
        return column.is_missing == (relation == "is missing")
    is_of_objects = column.kind in ("category", "text")
    if relation in _BOUNDS:
        if is_of_objects or (column.kind == "date") != (relation in ("from", "before")):
            raise ValueError(
                f"The column {column.name!r} of table holds values of the kind {column.kind!r}, which a rule cannot "
                f"compare with {in_words(condition.value)}."
            )
        return _COMPARISONS[relation](column.values, value)
    if relation in ("is", "is not"):
        has_it = np.array([other == value for other in column.values.tolist()], dtype=bool)
        return has_it == (relation == "is")
    texts = ["" if text is None else str(text) for text in column.values.tolist()]
    has_it = CountVectorizer(vocabulary=[value]).transform(texts).toarray().ravel() > 0
    return has_it == (relation == "contains")
