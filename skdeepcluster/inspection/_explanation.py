"""What an explanation of clusters holds, and how it is printed."""

from typing import TYPE_CHECKING, Any

import numpy as np

from .._support._typing import Int, MatrixLike
from ._columns import Numbers, read_table
from ._conditions import Rule, matching_rows
from ._values import date_of, duration_of, mean_in_words

if TYPE_CHECKING:
    from pandas import DataFrame  # type: ignore[import-untyped]

# Differences that are smaller, in standard deviations or in standard errors, are not printed.
_SMALL, _WITHIN_CHANCE = 0.2, 2.0
_N_PRINTED = 5
_LONGEST_NAME = 60

# A rule whose precision is not that much of the way from the share of the cluster to 1 tells hardly anything.
_HARDLY_BETTER = 0.1


class ClusterExplanation:
    """What `explain_clusters` found of every cluster: a rule, its fidelity, and what sets it apart.

    It prints as text, and `to_frame` and `differences_to_frame` make frames of pandas.

    Parameters
    ----------
    clusters : ndarray of shape (n_clusters,)
        Their labels.
    sizes : ndarray of int of shape (n_clusters,)
        Their numbers of rows.
    n_noise : int
        Number of rows of no cluster.
    rules : list of Rule
        One for each cluster.
    precision : ndarray of shape (n_clusters,)
        Share of the cluster among the rows that fulfil its rule.
    recall : ndarray of shape (n_clusters,)
        Share of the rows of the cluster that fulfil its rule: its coverage.
    f1 : ndarray of shape (n_clusters,)
        Harmonic mean of the two. All three are estimates from rows that rules were not grown on, as
        `explain_clusters` has it, and 0 where a rule finds no such row.
    fidelity : float
        Share of the rows that the rules together give their cluster, from such rows too. A row belongs to the most
        precise of the rules that it fulfils. Noise is right if it fulfils none.
    feature_names : ndarray of str of shape (n_features,)
        What is compared: ``age``, ``colour = red``, ``comment: "price"``, ``income is missing``.
    kinds : ndarray of str of shape (n_features,)
        "number", "boolean", "date", "duration", "category", "word" or "missing".
    inside, outside : ndarray of shape (n_clusters, n_features)
        The mean in the cluster and in all other rows. Of categories, words, booleans and missing values it is a share,
        of dates seconds since 1970, of durations seconds.
    effects : ndarray of shape (n_clusters, n_features)
        Their difference, in standard deviations of all rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdeepcluster.inspection import explain_clusters
    >>> iris = load_iris()
    >>> explanation = explain_clusters(
    ...     iris.data, iris.target, feature_names=iris.feature_names, random_state=0
    ... )
    >>> print(explanation.rules[0])
    petal length (cm) <= 2.5
    >>> explanation.f1.round(2)
    array([1.  , 0.93, 0.92])
    """

    def __init__(
        self,
        *,
        clusters: np.ndarray,
        sizes: np.ndarray,
        n_noise: Int,
        rules: list[Rule],
        precision: np.ndarray,
        recall: np.ndarray,
        f1: np.ndarray,
        fidelity: float,
        feature_names: np.ndarray,
        kinds: np.ndarray,
        inside: np.ndarray,
        outside: np.ndarray,
        effects: np.ndarray,
    ) -> None:
        self.clusters = clusters
        self.sizes = sizes
        self.n_noise = n_noise
        self.rules = rules
        self.precision = precision
        self.recall = recall
        self.f1 = f1
        self.fidelity = fidelity
        self.feature_names = feature_names
        self.kinds = kinds
        self.inside = inside
        self.outside = outside
        self.effects = effects

    def __repr__(self) -> str:
        return f"<ClusterExplanation: {len(self.clusters)} clusters, fidelity {self.fidelity:.2f}>"

    def __str__(self) -> str:
        n = self.sizes.sum() + self.n_noise
        noise = f", {self.n_noise} of them noise" if self.n_noise else ""
        k, right = len(self.clusters), f"{self.fidelity:.0%}"
        lines = [
            f"{k} clusters of {n} rows{noise}. Their rules give {right} of the rows their cluster.",
            "This, precision, recall and F1 are from rows that rules were not grown on. Below a rule is what sets its",
            "cluster apart: means or shares in it and in all other rows, and their difference in standard deviations.",
        ]
        for i, (cluster, size) in enumerate(zip(self.clusters, self.sizes)):
            lines += ["", f"cluster {cluster}: {size} rows ({size / n:.0%})", f"  {self.rules[i]}"]
            gain = (self.precision[i] - size / n) / (1 - size / n)
            remark = ": hardly better than chance" if gain < _HARDLY_BETTER else ""
            scores = f"precision {self.precision[i]:.2f}, recall {self.recall[i]:.2f}, F1 {self.f1[i]:.2f}"
            lines += [f"  {scores}{remark}"]
            lines += _aligned([self._difference_in_words(i, j) for j in self._largest(i)])
        return "\n".join(lines)

    def _largest(self, i):
        """Features of the largest differences of a cluster that are worth mentioning."""
        n, size = self.sizes.sum() + self.n_noise, self.sizes[i]
        least = max(_SMALL, _WITHIN_CHANCE * np.sqrt(1 / size + 1 / (n - size)))
        order = np.argsort(-np.abs(self.effects[i]), kind="stable")[:_N_PRINTED]
        return order[np.abs(self.effects[i][order]) >= least]

    def _difference_in_words(self, i, j):
        inside, outside = (mean_in_words(means[i, j], self.kinds[j]) for means in (self.inside, self.outside))
        name = self.feature_names[j]
        name = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
        return name, inside, outside, f"{self.effects[i, j]:+.1f}"

    def to_frame(self) -> "DataFrame":
        """The rules as a frame, which needs pandas.

        Returns
        -------
        frame : pandas.DataFrame of shape (n_clusters, 6)
            ``size``, ``rule`` as text, ``n_conditions``, ``precision``, ``recall`` and ``f1``; the index is the
            cluster.
        """
        import pandas

        return pandas.DataFrame(
            {
                "size": self.sizes,
                "rule": list(map(str, self.rules)),
                "n_conditions": [len(rule.conditions) for rule in self.rules],
                "precision": self.precision,
                "recall": self.recall,
                "f1": self.f1,
            },
            index=pandas.Index(self.clusters, name="cluster"),
        )

    def differences_to_frame(self) -> "DataFrame":
        """What sets the clusters apart as a frame, which needs pandas.

        Returns
        -------
        frame : pandas.DataFrame of shape (n_clusters * n_features, 6)
            ``cluster``, ``feature``, ``kind``, ``inside``, ``outside`` and ``effect``, by cluster, the largest effects
            first. Means of dates are dates, those of durations durations.
        """
        import pandas

        order = np.argsort(-np.abs(self.effects), axis=1, kind="stable")
        inside, outside, effects = (
            np.take_along_axis(values, order, axis=1).ravel() for values in (self.inside, self.outside, self.effects)
        )
        kinds = self.kinds[order].ravel()
        return pandas.DataFrame(
            {
                "cluster": np.repeat(self.clusters, order.shape[1]),
                "feature": self.feature_names[order].ravel(),
                "kind": kinds,
                "inside": _typed(inside, kinds),
                "outside": _typed(outside, kinds),
                "effect": effects,
            }
        )

    def matches(self, table: MatrixLike) -> np.ndarray:
        """Which rows of a table fulfil which rules.

        Parameters
        ----------
        table : array-like, sparse matrix or frame of shape (n_samples, n_columns)
            With the columns that were explained, in a frame by their names, else by their positions.

        Returns
        -------
        matches : ndarray of bool of shape (n_samples, n_clusters)

        Raises
        ------
        ValueError
            If a column of a rule is not in the table, or holds something else than it did.
        """
        columns = read_table(table, "table")
        n_rows = columns.values.shape[0] if isinstance(columns, Numbers) else len(columns[0].values)
        return np.column_stack([matching_rows(rule, columns, n_rows) for rule in self.rules])


def _aligned(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "    " + "  ".join([row[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(row[1:], widths[1:]))])
        for row in rows
    ]


def _typed(means, kinds):
    """Means with dates and durations as such."""
    if not np.isin(kinds, ["date", "duration"]).any():
        return means
    of_kind: dict[str, Any] = {"date": date_of, "duration": duration_of}
    return [of_kind[kind](mean) if kind in of_kind and mean == mean else mean for mean, kind in zip(means, kinds)]
