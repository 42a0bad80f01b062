"""The explanation of clusters in the columns of a table."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from .._support._typing import ArrayLike, Int, MatrixLike, RandomState, validate_params
from ._coding import coded
from ._columns import read_table
from ._conditions import Rule
from ._explanation import ClusterExplanation
from ._features import differences_of, features_of
from ._fidelity import cross_fitted
from ._partition import check_partition, check_several, draw_rows
from ._rules import grow_rules

# Rows that are drawn of large tables, in which words are counted, and on which rules are grown and judged.
SAMPLE_SIZE = 10_000

EXPLAINING = {
    "max_conditions": [Interval(Integral, 1, 10, closed="both")],
    "feature_names": ["array-like", None],
    "sample_size": [Interval(Integral, 1, None, closed="left"), None],
    "random_state": ["random_state"],
}


def compare_clusters(table, partition, name, feature_names=None):
    """The `Differences` of the clusters of a `Partition`, words counted in the same rows every time."""
    check_several(partition)
    columns = read_table(table, name, feature_names)
    rows, weights = draw_rows(partition, SAMPLE_SIZE, np.random.RandomState(0))
    return differences_of(features_of(columns, rows, name), partition, rows, weights)


@validate_params({"table": "no_validation", "labels": ["array-like"], **EXPLAINING}, prefer_skip_nested_validation=True)
def explain_clusters(
    table: MatrixLike,
    labels: ArrayLike,
    *,
    max_conditions: Int = 4,
    feature_names: ArrayLike | None = None,
    sample_size: Int | None = SAMPLE_SIZE,
    random_state: RandomState = None,
) -> ClusterExplanation:
    """Explain clusters by the columns of a table: a short rule for each, its fidelity, and what sets the cluster apart.

    The table is the one that the user knows, and not what a preprocessing made of it. Columns may be numbers, booleans,
    dates, durations, categories and texts, with missing values anywhere. Strings are free text if they have two words
    or more on average, and more than 50 distinct values, or than half of the rows have; all other strings, and objects
    of any other kind, are categories. Identifiers take part as what they look like, but a value that one row alone has
    is never part of a rule.

    A rule is the best path in a small decision tree that tells the cluster from all other rows, or its opposite, which
    joins conditions by "or". Conditions that can hardly be missed are left out, and thresholds are rounded where this
    changes hardly anything. Its precision, recall and F1 are estimated by cross-fitting in five parts: of each part by
    a rule that was grown in the same way on the four others. The rule that is shown is grown on all of them.

    Parameters
    ----------
    table : array-like, sparse matrix or frame of shape (n_samples, n_columns)
        A frame is one of pandas or polars, or a table of pyarrow. An array may hold numbers or objects.
    labels : array-like of shape (n_samples,)
        Cluster of every row, by position; negative ones are noise, which counts among the other rows of every cluster.
    max_conditions : int, default=4
        The most conditions of a rule, from 1 to 10; a lower and an upper bound are two.
    feature_names : array-like of str of shape (n_columns,), default=None
        Names of the columns; None takes those that the table has, or x0, x1, ...
    sample_size : int, default=10000
        Number of rows in which words are counted, and on which rules are grown and judged, drawn so that small clusters
        have some too; None takes all. Sizes and all other differences are those of all rows. Of an array with more than
        50 million numbers in these rows, rules are about the columns with the most values other than 0.
    random_state : int, RandomState instance or None, default=None
        Draws these rows and the parts for cross-fitting, and decides between columns that are equally good.

    Returns
    -------
    explanation : ClusterExplanation

    Raises
    ------
    ValueError
        If lengths differ, labels are fractions, all rows are in one cluster or all are noise, the table has no columns,
        infinite or masked values, or values whose squares overflow, or nothing but values and words of one row each.
    TypeError
        If labels are neither integers nor names, or both.

    See Also
    --------
    skdeepcluster.plotting.ClusterRulesDisplay : The rules as a picture.
    skdeepcluster.plotting.ClusterProfileDisplay : What sets the clusters apart, as a picture.

    Notes
    -----
    Effect sizes are differences of means in standard deviations, as Cohen's d is, but those of all rows, so that a
    category, a word or a missing value, as an indicator of 0 and 1, has one on the same scale. Of these it is 0 where a
    cluster has, and would have on average, fewer than 5 rows with it: that may be chance.

    The time grows with the number of clusters, and hardly with that of rows: a million of these, with a dozen mixed
    columns and in five clusters, take some 10 seconds.

    References
    ----------
    M. W. Craven, J. W. Shavlik, "Extracting tree-structured representations of trained networks", 1996, on trees that
    stand for a model, and their fidelity to it. L. Breiman, J. H. Friedman, R. A. Olshen, C. J. Stone, "Classification
    and regression trees", 1984. J. Cohen, "Statistical power analysis for the behavioral sciences", 1988, section 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skdeepcluster.inspection import explain_clusters
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat(["new", "old"], 100)
    >>> is_old = labels == "old"
    >>> table = pd.DataFrame(
    ...     {
    ...         "age": rng.integers(20, 60, size=200),
    ...         "visits": rng.poisson(np.where(is_old, 9, 2)),
    ...         "channel": np.where(
    ...             rng.random(200) < 0.8, np.where(is_old, "shop", "web"), "phone"
    ...         ),
    ...     }
    ... )
    >>> print(explain_clusters(table, labels, random_state=0))
    2 clusters of 200 rows. Their rules give 94% of the rows their cluster.
    This, precision, recall and F1 are from rows that rules were not grown on. Below a rule is what sets its
    cluster apart: means or shares in it and in all other rows, and their difference in standard deviations.
    <BLANKLINE>
    cluster new: 100 rows (50%)
      visits <= 4 and channel is not shop
      precision 0.97, recall 0.91, F1 0.94
        visits          2.22  8.65  -1.6
        channel = shop    0%   79%  -1.6
        channel = web    71%    0%  +1.5
    <BLANKLINE>
    cluster old: 100 rows (50%)
      visits > 4 and channel is not web
      precision 0.92, recall 0.97, F1 0.94
        visits          8.65  2.22  +1.6
        channel = shop   79%    0%  +1.6
        channel = web     0%   71%  -1.5
    """
    return explained(
        table,
        labels,
        "table",
        max_conditions=max_conditions,
        feature_names=feature_names,
        sample_size=sample_size,
        random_state=random_state,
    )


def explained(X, labels, name, *, max_conditions, feature_names, sample_size, random_state):
    """`explain_clusters` of a table that errors call by that name."""
    partition = check_partition(labels, X)
    check_several(partition)
    columns = read_table(X, name, feature_names)
    random_state = check_random_state(random_state)
    rows, weights = draw_rows(partition, sample_size, random_state)
    blocks = features_of(columns, rows, name)
    differences = differences_of(blocks, partition, rows, weights)
    coding, k = coded(blocks, rows), len(partition.clusters)
    drawn = coding, partition.groups[rows], k, weights, max_conditions
    fidelity = cross_fitted(*drawn, random_state)
    rules = grow_rules(*drawn, random_state.randint(np.iinfo(np.int32).max))
    return ClusterExplanation(
        clusters=partition.clusters,
        sizes=partition.sizes,
        n_noise=int(partition.sizes_of_groups[-1]),
        rules=[_in_columns(rule, coding) for rule in rules],
        precision=fidelity.precision,
        recall=fidelity.recall,
        f1=fidelity.f1,
        fidelity=fidelity.overall,
        feature_names=np.array(list(map(str, differences.features)), dtype=object),
        kinds=np.array([feature.kind for feature in differences.features], dtype=object),
        inside=differences.inside,
        outside=differences.outside,
        effects=differences.effects,
    )


def _in_columns(rule, coding):
    return Rule(tuple(coding.condition(*literal) for literal in rule.literals), "or" if rule.is_any else "and")
