"""Short rules for clusters, read off small decision trees."""

from typing import NamedTuple

import numpy as np
from scipy.special import xlogy
from sklearn.tree import DecisionTreeClassifier

# A rule with fewer conditions is taken if its F1 is at most that much lower, and one joined by "or" only if its F1 is
# more than twice that much higher.
_HARDLY_WORSE = 0.01

# The best nodes of a tree, of which conditions are left out one by one.
_MOST_PRUNED = 5

# For the sake of fewer digits, a threshold may be moved past such a share of the rows: the first that is hardly worse.
_NEARBY = (0.01, 0.003, 0.001)

# A tree is grown on the features that tell most of its cluster, if there are more. What they tell is estimated from
# the frequencies of as many ranges of ranks.
_MOST_FEATURES, _N_RANGES = 50, 32
# Features for which that is done at once.
_AT_ONCE = 256


class GrownRule(NamedTuple):
    """A rule on codes.

    Attributes
    ----------
    literals : tuple of (int, int, bool)
        Feature, code, and whether the value is to be above that of the code.
    is_any : bool
        Whether one of them is enough.
    precision : float
        On the rows that it was grown on.
    """

    literals: tuple[tuple[int, int, bool], ...] = ()
    is_any: bool = False
    precision: float = 0.0

    def holds(self, coding):
        """Which rows of a `Coding` fulfil it."""
        if not self.literals:
            return np.zeros(len(coding.codes), dtype=bool)
        join = np.logical_or if self.is_any else np.logical_and
        return join.reduce([_holds(literal, coding) for literal in self.literals])


def _holds(literal, coding):
    feature, code, is_above = literal
    return coding.is_above(feature, code) if is_above else coding.is_not_above(feature, code)


def grow_rules(coding, groups, n_clusters, weights, max_conditions, random_state):
    """A `GrownRule` for every cluster.

    Parameters
    ----------
    coding : Coding
    groups : ndarray of int of shape (n_drawn,)
        Cluster of every row; n_clusters for noise.
    n_clusters : int
    weights : ndarray of shape (n_drawn,)
    max_conditions : int
    random_state : int
        Of the trees, for features between which there is nothing to choose.

    Returns
    -------
    rules : list of GrownRule
        Without conditions for clusters that have no rows, or where nothing tells them apart.
    """
    n_features = coding.codes.shape[1]
    if n_features > _MOST_FEATURES:
        chosen = np.argsort(-_information(coding, groups, n_clusters, weights), axis=1, kind="stable")
        chosen = np.sort(chosen[:, :_MOST_FEATURES], axis=1)
    else:
        chosen = np.tile(np.arange(n_features), (n_clusters, 1))
    return [
        _grow_rule(coding, features, groups == i, weights, max_conditions, random_state)
        for i, features in enumerate(chosen)
    ]


def _information(coding, groups, n_clusters, weights):
    """What every feature tells of every cluster: mutual information, up to a term that all features of one share."""
    n_groups = n_clusters + 1
    found = []
    for first in range(0, coding.codes.shape[1], _AT_ONCE):
        features = slice(first, first + _AT_ONCE)
        n_levels = np.array(list(map(len, coding.levels[features])))
        ranges = coding.codes[:, features].astype(np.int64) * np.minimum(_N_RANGES, n_levels) // n_levels
        cells = (ranges + _N_RANGES * np.arange(len(n_levels))) * n_groups + groups[:, np.newaxis]
        cells_of_rows = np.broadcast_to(weights[:, np.newaxis], cells.shape)
        size = len(n_levels) * _N_RANGES * n_groups
        inside = np.bincount(cells.ravel(), cells_of_rows.ravel(), size).reshape(-1, _N_RANGES, n_groups)
        every = inside.sum(axis=2, keepdims=True)
        outside = np.maximum(every - inside, 0.0)
        found.append((xlogy(inside, inside) + xlogy(outside, outside) - xlogy(every, every)).sum(axis=1))
    return np.concatenate(found)[:, :n_clusters].T


def _grow_rule(coding, features, is_in, weights, max_conditions, random_state):
    n_in, n_out = weights[is_in].sum(), weights[~is_in].sum()
    if not len(features) or not n_in or not n_out:
        return GrownRule()
    balanced = np.where(is_in, weights / n_in, weights / n_out)
    tree = DecisionTreeClassifier(max_depth=max_conditions, random_state=random_state)
    tree.fit(coding.codes[:, features].astype(np.float32), is_in, sample_weight=balanced)
    judge = _Judge(coding, is_in, weights)
    paths = {_simplified(path) for path in _paths(tree.tree_, features)}
    # What is outside a path fulfils the opposite of any of its conditions.
    opposites = {tuple((feature, code, not is_above) for feature, code, is_above in path) for path in paths}
    every, some = (_shortest(judge, candidates, is_any) for candidates, is_any in ((paths, False), (opposites, True)))
    best, is_any = (some, True) if judge.f1(some, True) > judge.f1(every, False) + 2 * _HARDLY_WORSE else (every, False)
    best = _rounded(judge, best, is_any)
    return GrownRule(best, is_any, judge.precision(best, is_any))


class _Judge:
    """How well rules find a cluster on the rows that they are grown on."""

    def __init__(self, coding, is_in, weights):
        self.coding, self._weights = coding, weights
        self._weights_in = np.where(is_in, weights, 0.0)
        self._n_in = self._weights_in.sum()
        self._masks = {}

    def _found(self, literals, is_any):
        """The weights of the rows that a rule finds in the cluster, and of all that it finds."""
        for literal in literals:
            if literal not in self._masks:
                self._masks[literal] = _holds(literal, self.coding)
        masks = [self._masks[literal] for literal in literals]
        found = (np.logical_or if is_any else np.logical_and).reduce(masks)
        return self._weights_in @ found, self._weights @ found

    def f1(self, literals, is_any):
        if not literals:
            return 0.0
        right, every = self._found(literals, is_any)
        return 2 * right / (every + self._n_in)

    def precision(self, literals, is_any):
        right, every = self._found(literals, is_any) if literals else (0.0, 0.0)
        return right / every if every else 0.0


def _paths(tree, features):
    """The conditions on the way to every node of a tree, but the root."""
    paths, waiting = [], [(0, ())]
    while waiting:
        node, path = waiting.pop()
        if path:
            paths.append(path)
        if tree.children_left[node] >= 0:
            split = int(features[tree.feature[node]]), int(tree.threshold[node])
            waiting.append((tree.children_left[node], (*path, (*split, False))))
            waiting.append((tree.children_right[node], (*path, (*split, True))))
    return paths


def _simplified(path):
    """The narrowest bounds of each feature, at the place of the first."""
    bounds = {}
    for feature, code, is_above in path:
        tighter = max if is_above else min
        bounds[feature, is_above] = tighter(bounds.get((feature, is_above), code), code)
    return tuple((feature, code, is_above) for (feature, is_above), code in bounds.items())


def _shortest(judge, candidates, is_any):
    """Of the best candidates, with conditions left out or not, the shortest that is hardly worse than the best."""
    best = {}
    for literals in sorted(candidates, key=lambda literals: (-judge.f1(literals, is_any), literals))[:_MOST_PRUNED]:
        while literals:
            f1 = judge.f1(literals, is_any)
            if f1 > best.get(len(literals), (0.0, ()))[0]:
                best[len(literals)] = f1, literals
            shorter = (literals[:i] + literals[i + 1 :] for i in range(len(literals)))
            literals = max(shorter, key=lambda literals: judge.f1(literals, is_any))
    highest = max((f1 for f1, _ in best.values()), default=0.0)
    return next((best[n][1] for n in sorted(best) if best[n][0] >= highest - _HARDLY_WORSE), ())


def _rounded(judge, literals, is_any):
    """The rule with thresholds of fewer digits, where these are hardly worse."""
    least = judge.f1(literals, is_any) - _HARDLY_WORSE / 2
    for i, (feature, code, is_above) in enumerate(literals):
        for share in _NEARBY:
            moved = (feature, judge.coding.rounded(feature, code, share), is_above)
            changed = (*literals[:i], moved, *literals[i + 1 :])
            if judge.f1(changed, is_any) >= least:
                literals = changed
                break
    return literals
