"""The fields of a `FitState` in a file: what is written, what each may be, and how they become a state again.

A new field has a line in `progress_of` and `check_progress`, if it is a number or a word, or in `state_arrays` and
`_fields`, if it is an array; one in `_state_of`; and one in `_disagreements` if it depends on others.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .._arrays import is_numpy, like, to_numpy
from .._data import BatchOrder
from .._solvers import AdamState, LBFGSState
from ._fit import FitState

_SOLVER_STATES = {"adam": AdamState, "lbfgs": LBFGSState}

# The state of MT19937: so many words, of which the next is drawn at a position, which is at most this.
_N_WORDS = 624

# No normal number that NumPy's RandomState keeps for the next call is larger than sqrt(2 log 2^107).
_LARGEST_NORMAL = 13.0


class Field(NamedTuple):
    """What an array in a file must be.

    Attributes
    ----------
    dtype : type
        Or an abstract one of NumPy's, such as ``np.signedinteger``.
    shape : tuple of int or range
        A range where a length may vary.
    values : str
        What it must hold, in words.
    are_valid : callable
        ``are_valid(array)``, whether it does.
    """

    dtype: Any
    shape: tuple
    values: str
    are_valid: Callable

    def check_header(self, name, dtype, shape):
        """Raise a ValueError if an array with this dtype and shape is another one."""
        lengths = [own if isinstance(own, range) else range(own, own + 1) for own in self.shape]
        if len(shape) != len(lengths) or not all(n in allowed for n, allowed in zip(shape, lengths)):
            raise ValueError(f"{name} is of shape {shape}, not {self.shape}")
        if not dtype.isnative or not np.issubdtype(dtype, self.dtype):
            raise ValueError(f"{name} is of type {dtype}, not {self.dtype}")

    def check_values(self, name, array):
        """Raise a ValueError if an array does not hold what it must."""
        if not self.are_valid(array):
            raise ValueError(f"{name} does not hold {self.values}")


def up_to(n):
    """The lengths from 0 to n."""
    return range(int(n) + 1)


def are_finite(array):
    """Whether all numbers are finite."""
    return bool(np.isfinite(array).all())


def are_not_negative(array):
    """Whether all numbers are finite, and none is below 0."""
    return are_finite(array) and bool((array >= 0).all())


def are_between(low, high):
    """``are_valid(array)`` for numbers from low to high."""
    return lambda array: bool(((low <= array) & (array <= high)).all())


def progress_of(state):
    """What of a state goes into the line of JSON."""
    _, _, position, has_gauss, cached = state.random_state.get_state()
    solver = None
    if state.solver_state is not None:
        solver = next(name for name, kind in _SOLVER_STATES.items() if isinstance(state.solver_state, kind))
    return {
        "n_stages_done": state.n_stages_done,
        "solver": solver,
        "random_state": [int(position), int(has_gauss), float(cached)],
    }


def check_progress(meta, fit):
    """Raise a ValueError if the line of JSON says what `progress_of` a state of this fit cannot."""
    n_stages, n_done = len(fit.stages), meta.get("n_stages_done")
    if type(n_done) is not int or not 0 <= n_done <= n_stages:
        raise ValueError(f"n_stages_done is no number from 0 to {n_stages}")
    # A state is written within a stage, or after the last.
    solver = fit.stages[n_done].solver if n_done < n_stages else None
    if "solver" not in meta or meta["solver"] != solver:
        raise ValueError(f"solver is not that of stage {n_done}, {solver}")
    drawn = meta.get("random_state")
    if type(drawn) is not list or [type(value) for value in drawn] != [int, int, float]:
        raise ValueError("random_state is no list of position, has_gauss and cached_gaussian")
    position, has_gauss, cached = drawn
    # NumPy does not look at the position, and reads outside of the table with it.
    if not 0 <= position <= _N_WORDS or has_gauss not in (0, 1) or not abs(cached) <= _LARGEST_NORMAL:
        raise ValueError("random_state is no state of MT19937")
    if others := set(meta) - {"format", "identity", "n_stages_done", "solver", "random_state"}:
        raise ValueError(f"it says something of {sorted(others)}")


def state_arrays(fit):
    """The arrays of the state of a fit, name -> array; `_fields` says what each may be."""
    state = fit.state
    arrays = {
        "theta": to_numpy(state.theta),
        "keys": state.random_state.get_state()[1],
        "held_out_errors": np.array(state.held_out_errors, dtype=np.float64),
    }
    arrays |= {f"order {name}": value for name, value in vars(state.order).items()}
    arrays |= {
        f"terms {i}": np.reshape(np.array(terms, dtype=np.float64), (-1, len(fit.term_names_of(stage.layer))))
        for i, (stage, terms) in enumerate(zip(fit.stages, state.terms))
    }
    arrays |= {f"own {name}": to_numpy(value) for name, value in state.own.items()}
    if state.best_theta is not None:
        arrays["best_theta"] = to_numpy(state.best_theta)
    if state.solver_state is not None:
        arrays |= {f"solver {name}": np.asarray(to_numpy(value)) for name, value in vars(state.solver_state).items()}
    return arrays


def read_state(meta, archive, fit, others):
    """The `FitState` of an archive, of which each array is checked before it is read, and once more afterwards.

    Parameters
    ----------
    meta : dict
        The line of JSON, checked.
    archive : Archive
    fit : Fit
    others : set of str
        What the archive has besides.

    Raises
    ------
    ValueError
        If it has an array too many or too few, or one that no state of this fit has.
    """
    fields = _fields(meta, fit)
    if unknown := archive.names - set(fields) - others:
        raise ValueError(f"it has arrays {sorted(unknown)}")
    arrays = {}
    for name, field in fields.items():
        if name in archive.names or name not in _OPTIONAL:
            arrays[name] = archive.read(name, partial(field.check_header, name))
            field.check_values(name, arrays[name])
    state = _state_of(meta, arrays)
    for disagreement in _disagreements(state, fit):
        raise ValueError(disagreement)
    return state if is_numpy(fit.state.theta) else _moved(state, fit)


def _moved(state, fit):
    """The state with its parameters where those of the fit are, in their library."""
    placed = partial(like, reference=fit.state.theta)
    for name in ("theta", "best_theta"):
        if (array := getattr(state, name)) is not None:
            setattr(state, name, placed(array))
    for name in ("x", "first_moment", "second_moment", "S", "Y"):
        if hasattr(state.solver_state, name):
            setattr(state.solver_state, name, placed(getattr(state.solver_state, name)))
    return state


def _state_of(meta, arrays):
    random_state = np.random.RandomState()
    random_state.set_state(("MT19937", arrays["keys"], *meta["random_state"]))
    solver_state = None
    if meta["solver"] is not None:
        values = _with_prefix("solver ", arrays)
        values = {name: value if value.ndim else value.item() for name, value in values.items()}
        solver_state = _SOLVER_STATES[meta["solver"]](**values)
    return FitState(
        theta=arrays["theta"],
        random_state=random_state,
        n_stages_done=meta["n_stages_done"],
        solver_state=solver_state,
        order=BatchOrder(**_with_prefix("order ", arrays)),
        terms=[list(terms) for terms in _with_prefix("terms ", arrays).values()],
        held_out_errors=arrays["held_out_errors"].tolist(),
        best_theta=arrays.get("best_theta"),
        own=_with_prefix("own ", arrays),
    )


def _with_prefix(prefix, arrays):
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


# A fit with early stopping has no best parameters before it trains all layers.
_OPTIONAL = {"best_theta"}


def _fields(meta, fit):
    """The `Field` of every array, by its name."""
    theta, n_rows = to_numpy(fit.state.theta), fit.data.shape[0]
    stages = fit.stages[: meta["n_stages_done"] + (meta["solver"] is not None)]
    parameters = Field(theta.dtype, theta.shape, "finite numbers", are_finite)
    rows = Field(int, (up_to(n_rows),), f"numbers below {n_rows}, each once", partial(_are_distinct_below, n_rows))
    fields = {
        "theta": parameters,
        "keys": Field(np.uint32, (_N_WORDS,), "a state from which MT19937 draws", _can_draw),
        "held_out_errors": Field(np.float64, (up_to(_n_held_out(stages, fit)),), *_held_out_values(fit)),
    }
    if fit.held_out:
        fields["best_theta"] = parameters
    sizes = Field(int, (up_to(n_rows),), "numbers of rows", are_between(1, n_rows))
    fields |= {"order chunks": rows, "order rows": rows, "order sizes": sizes}
    fields |= {
        f"terms {i}": Field(
            np.float64, (up_to(stage.max_iter), len(fit.term_names_of(stage.layer))), "finite numbers", are_finite
        )
        for i, stage in enumerate(stages)
    }
    if meta["solver"] is not None:
        fields |= {f"solver {name}": field for name, field in _solver_fields(stages[-1], fit).items()}
    return fields | {f"own {name}": field for name, field in fit.own_fields().items()}


def _n_held_out(stages, fit):
    """The largest number of errors on held-out rows after these stages."""
    return sum(int(stage.max_iter) for stage in stages if stage.layer is None) if fit.held_out else 0


def _held_out_values(fit):
    """What errors on held-out rows are. With neighbours, logarithms are added."""
    if fit.options.n_neighbors is not None:
        return "finite numbers", are_finite
    return "squared errors", are_not_negative


def _are_distinct_below(n, array):
    return are_between(0, n - 1)(array) and len(np.unique(array)) == len(array)


def _can_draw(keys):
    # From zeros, and the lower bits of the first word count for nothing, it draws zeros for ever.
    return bool(keys[0] >> 31 or keys[1:].any())


def _solver_fields(stage, fit):
    start = _start_of_solver(stage, fit)
    fields = {
        name: Field(np.asarray(value).dtype, np.shape(value), "finite numbers", are_finite)
        for name, value in vars(start).items()
    }
    if isinstance(start, AdamState):
        fields["second_moment"] = fields["second_moment"]._replace(values="squares", are_valid=are_not_negative)
        fields["n_steps"] = Field(int, (), "a number of steps", are_between(1, sys.maxsize))
    else:
        fields["order"] = Field(int, (up_to(len(start.S)),), "numbers of pairs, each once", _are_counted_through)
    return fields


def _start_of_solver(stage, fit):
    """A state of a stage's solver as it may be at its start, for its types and shapes."""
    theta = to_numpy(fit.state.theta)
    if stage.solver == "lbfgs":
        return LBFGSState.start(np.zeros(fit.objectives(stage.layer).reduced.layout.size, dtype=theta.dtype))
    n_parameters = theta.size if stage.layer is None else fit.objectives(stage.layer).exact.layout.size
    return AdamState.start(np.zeros(n_parameters, dtype=theta.dtype))


def _are_counted_through(array):
    return np.array_equal(np.sort(array), np.arange(len(array)))


def _disagreements(state, fit):
    """In what the fields of a state, each of them valid, do not go together."""
    n_done, solver_state = state.n_stages_done, state.solver_state
    n_held_out = len(state.held_out_errors)
    if fit.held_out:
        n_iter = sum(len(terms) for stage, terms in zip(fit.stages, state.terms) if stage.layer is None)
        # Ctrl-C may come between the two.
        if n_held_out not in (n_iter, n_iter - 1):
            yield "held_out_errors are not of as many iterations as terms"
        if n_held_out and state.best_theta is None:
            yield "held_out_errors have no best_theta"
    if solver_state is not None:
        stage, n_iter = fit.stages[n_done], len(state.terms[-1])
        if n_iter == 0:
            yield "solver has gone on, without terms"
        elif isinstance(solver_state, AdamState) and not _is_of_iterations(solver_state.n_steps, n_iter, stage, fit):
            yield f"n_steps are not those of {n_iter} iterations"
        elif isinstance(solver_state, LBFGSState) and not _has_direction(solver_state):
            yield "solver has pairs from which no direction comes"
        if stage.n_batches is None and any(map(len, vars(state.order).values())):
            yield "order has rows, after a whole epoch"
    if state.order.sizes.sum() != len(state.order.rows):
        yield "order has sizes of batches that do not make up its rows"
    if not fit.owns(state):
        yield "own is not of as many iterations as terms"


def _is_of_iterations(n_steps, n_iter, stage, fit):
    """Whether iterations of Adam have so many steps: n_batches each, or one number for all, at most that of rows."""
    if stage.n_batches is not None:
        return n_steps == n_iter * stage.n_batches
    return n_steps % n_iter == 0 and n_steps // n_iter <= fit.data.shape[0]


def _has_direction(state):
    """Whether pairs of L-BFGS are such that it can solve for a direction."""
    used = state.order
    if not len(used):
        return True
    if not (state.SY[used, used].all() and (state.YY[used, used] > 0).all()):
        return False
    try:
        with np.errstate(all="ignore"):
            state.direction(np.ones_like(state.x))
    except np.linalg.LinAlgError:
        return False
    return True
