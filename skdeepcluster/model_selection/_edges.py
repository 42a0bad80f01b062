"""Winners at the edge of a grid: something better may lie beyond it."""

import warnings
from numbers import Integral, Real

from sklearn.utils._param_validation import Interval

from ..exceptions import GridEdgeWarning

# Of two values both are edges, and a comparison of them is what was asked for.
MIN_VALUES = 3

# A partition, and a code, has at least two of these, whatever an estimator allows.
_AT_LEAST_TWO = {"n_clusters", "n_components"}

# Numbers whose order says nothing about results.
_NOT_ORDERED = {"random_state", "n_jobs", "verbose"}


def warn_of_edges(param_grid, settings, scores, best, candidate):
    """Warn if the best candidate has values that are the smallest, or the largest, of their lists in the grid."""
    found = edges_of(param_grid, settings, scores, best, candidate)
    if found:
        words = ", ".join(f"{name}={settings[best][name]}, the {side}" for name, side in found.items())
        warnings.warn(
            f"The best candidate is at the edge of the grid: {words} of its values. Something better may lie beyond. "
            "Extend param_grid there, or look at the scores in cv_results_.",
            GridEdgeWarning,
        )


def edges_of(param_grid, settings, scores, best, candidate):
    """The parameters whose best value is at an edge, as {name: "smallest" or "largest"}.

    These are numbers from lists of three or more; what is drawn from a distribution has no edge. A candidate with a
    value in between that is as good shows that the parameter does not matter, or not there.

    Parameters
    ----------
    param_grid : dict or list of dict
        Grids that have the same parameters count as one.
    settings : list of dict
        Parameters of the candidates.
    scores : ndarray of shape (n_candidates,)
        Higher is better.
    best : int
        Number of the best candidate.
    candidate : estimator
        The best one. Where it allows nothing beyond a value, that is no edge.
    """
    all_grids = [param_grid] if isinstance(param_grid, dict) else param_grid
    grids = [grid for grid in all_grids if set(grid) == set(settings[best])]
    as_good = [setting for setting, score in zip(settings, scores) if score >= scores[best]]
    found = {}
    for name, value in settings[best].items():
        is_ordered = _is_number(value) and name.split("__")[-1] not in _NOT_ORDERED
        if not is_ordered or any(hasattr(grid[name], "rvs") for grid in grids):
            continue
        values = sorted({other for grid in grids for other in grid[name] if _is_number(other)})
        good_values = [setting[name] for setting in as_good if _is_number(setting.get(name))]
        if len(values) < MIN_VALUES or any(values[0] < good < values[-1] for good in good_values):
            continue
        if value in (values[0], values[-1]) and not _is_limit(candidate, name, value):
            found[name] = "smallest" if value == values[0] else "largest"
    return found


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool) and value == value


def _is_limit(candidate, name, value):
    """Whether an estimator takes nothing beyond a value, by the intervals that it checks its parameters by."""
    owner_name, _, own_name = name.rpartition("__")
    owner = candidate.get_params().get(owner_name) if owner_name else candidate
    intervals = [
        constraint
        for constraint in getattr(owner, "_parameter_constraints", {}).get(own_name, [])
        if isinstance(constraint, Interval)
    ]
    # A weight or a share of 0, and one of a count, of what does not say.
    least = 1 if isinstance(value, Integral) else 0
    ends = {end for interval in intervals for end in (interval.left, interval.right)} or {0, least}
    return value in ends | ({2} if own_name in _AT_LEAST_TWO else set())
