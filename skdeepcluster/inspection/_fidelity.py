"""How well rules describe clusters on rows that they were not grown on."""

from typing import NamedTuple

import numpy as np

from ._rules import grow_rules

_N_FOLDS = 5


class Fidelity(NamedTuple):
    """How well rules describe clusters.

    Attributes
    ----------
    precision, recall, f1 : ndarray of shape (n_clusters,)
        0 for a cluster whose rule finds no row.
    overall : float
        Share of the rows that the rules together give their cluster, or, if they are noise, none.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    overall: float


def cross_fitted(coding, groups, n_clusters, weights, max_conditions, random_state):
    """The `Fidelity` of rules, each judged on the rows of one fold and grown on those of the others.

    Parameters
    ----------
    coding, groups, n_clusters, weights, max_conditions
        As of `grow_rules`.
    random_state : RandomState
        Deals the rows of every group out to folds.
    """
    order = random_state.permutation(len(groups))
    order = order[np.argsort(groups[order], kind="stable")]
    folds = np.empty(len(groups), dtype=int)
    folds[order] = np.arange(len(groups)) % _N_FOLDS
    found = np.zeros((len(groups), n_clusters), dtype=bool)
    given = np.full(len(groups), n_clusters)
    for fold in range(_N_FOLDS):
        grown_on, judged_on = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if not len(grown_on) or not len(judged_on):
            continue
        seed = random_state.randint(np.iinfo(np.int32).max)
        of_rows = coding.of_rows(grown_on), groups[grown_on], n_clusters, weights[grown_on]
        rules = grow_rules(*of_rows, max_conditions, seed)
        unseen = coding.of_rows(judged_on)
        found[judged_on] = np.column_stack([rule.holds(unseen) for rule in rules])
        # Of several rules that a row fulfils, the most precise one gives it its cluster.
        precision = np.where(found[judged_on], [rule.precision for rule in rules], -1.0)
        given[judged_on] = np.where(found[judged_on].any(axis=1), precision.argmax(axis=1), n_clusters)
    weights_in = weights[:, np.newaxis] * (groups[:, np.newaxis] == np.arange(n_clusters))
    right, every, n_in = (weights_in * found).sum(axis=0), weights @ found, weights_in.sum(axis=0)
    precision = np.divide(right, every, out=np.zeros(n_clusters), where=every > 0)
    return Fidelity(
        precision, right / n_in, 2 * right / (every + n_in), float(weights @ (given == groups) / weights.sum())
    )
