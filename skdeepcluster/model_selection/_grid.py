"""The candidates of a search, from its grid."""

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid, ParameterSampler
from sklearn.pipeline import Pipeline

from .._pipelines import resamples
from .._support._checks import about, plain
from ._seeds import draw_seed, set_random_states


def draw_settings(param_grid, n_iter, random_state):
    """The settings to try, as a list of {parameter: value}: the whole grid, or n_iter that are drawn from it."""
    if not param_grid:
        raise ValueError(f"param_grid={param_grid!r} is empty; give at least one parameter and values for it.")
    grids = [param_grid] if isinstance(param_grid, dict) else param_grid
    if not all(isinstance(name, str) for grid in grids if isinstance(grid, dict) for name in grid):
        raise TypeError(f"param_grid={param_grid!r} must have the names of parameters as its keys.")
    with about("param_grid"):
        if n_iter is None:
            settings = ParameterGrid(param_grid)
        else:
            settings = ParameterSampler(param_grid, n_iter, random_state=random_state)
        # best_params_ then prints 0.001, and not np.float64(0.001).
        return [{name: plain(value) for name, value in setting.items()} for setting in settings]


def make_candidates(estimator, settings, random_state):
    """The estimators to try. For a random_state of None they have a number, all of them the same."""
    candidates, seeds = [], {}
    for setting in settings:
        for name, value in setting.items():
            if isinstance(value, type) and hasattr(value, "get_params"):
                raise TypeError(f"param_grid has the class {value.__name__} for {name}; give it an instance.")
        candidate = _with_params(clone(estimator), clone(setting, safe=False))
        refuse_resampling(candidate)
        set_random_states(candidate, lambda name: seeds.setdefault(name, draw_seed(random_state)), only_missing=True)
        candidates.append(candidate)
    return candidates


def _with_params(candidate, setting):
    try:
        return candidate.set_params(**setting)
    except AttributeError as error:
        # BaseEstimator and Pipeline have set all that comes first, and say neither which key it was nor what is wrong.
        params = candidate.get_params()
        for key in setting:
            names = key.split("__")
            for owner in ("__".join(names[:n]) for n in range(1, len(names))):
                if owner in params and not hasattr(params[owner], "set_params"):
                    raise ValueError(
                        f"param_grid has the key {key!r}, but {owner}={params[owner]!r} has no parameters. Set {owner} "
                        "to an estimator that has it, give this key in another of a list of grids, or leave it out."
                    ) from error
        raise


def refuse_resampling(candidate):
    """Raise a ValueError if a step of a pipeline adds rows, or leaves some out."""
    if not isinstance(candidate, Pipeline):
        return
    for name, step in candidate.steps:
        if resamples(step):
            raise ValueError(
                f"The step {name!r}, {step}, resamples (it has fit_resample), so that labels found after it do not "
                "belong to the rows of X. Resample X before, or leave the step out."
            )
        refuse_resampling(step)


def values_of(estimator, settings, name):
    """The values of a parameter in the candidates, masked in those that have no such parameter.

    A candidate that does not set it, as another grid of a list does, has that of the estimator, or of a step that the
    candidate puts into it.
    """
    values = np.ma.masked_all(len(settings), dtype=object)
    for i, setting in enumerate(settings):
        if name not in setting:
            # What is set below the parameter would change the value itself, an estimator.
            others = {other: value for other, value in setting.items() if not other.startswith(f"{name}__")}
            setting = clone(estimator).set_params(**clone(others, safe=False)).get_params()
        if name in setting:
            values[i] = setting[name]
    return values
