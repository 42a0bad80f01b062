"""A fit from its first iteration to its last: its stages, its record, and what may end it before its time."""

from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, partial
from itertools import chain

import numpy as np

from ._parameters import ParameterLayout
from ._pretraining import copy_parameters, subnetwork
from ._record import records
from ._training import Trainer


@dataclass
class RunState:
    """Everything that a fit needs to go on as if nothing had happened.

    Attributes
    ----------
    theta : ndarray
        Parameters of the whole network at the start of the current stage.
    random_state : numpy.random.RandomState
    stage : int
        Number of stages that are over.
    solver_state : AdamState, LBFGSState or None
        After the last iteration of the current stage.
    terms : list of lists of ndarray
        The terms of J after every iteration, stage by stage.
    held_out_errors : list of float
        Mean squared error on the held-out rows after every iteration that trains all layers.
    best_theta : ndarray or None
        Parameters at the least of them.
    """

    theta: np.ndarray
    random_state: np.random.RandomState
    stage: int = 0
    solver_state: tuple | None = None
    terms: list = field(default_factory=list)
    held_out_errors: list = field(default_factory=list)
    best_theta: np.ndarray | None = None


class Run:
    """Trains a network, one `Stage` after the other.

    Parameters
    ----------
    network : Network
    data, options
        As in `Trainer`.
    stages : list of Stage
    state : RunState
        Start. It is brought up to date after every iteration.
    held_out : data of the same kind, or None
        Rows for early stopping.

    Attributes
    ----------
    network : Network
    stages : list of Stage
    state : RunState
    data, held_out
        As given.
    status, message : str
        How the last stage ended; see `minimize`. Empty while it runs.
    reached_theta : ndarray or None
        Parameters after the last iteration, if the data may be lost.
    """

    def __init__(self, network, data, options, *, stages, state, held_out=None):
        self.stages = stages
        self.state = state
        self.status = self.message = ""
        self.reached_theta = None
        self.network = network
        self.data = data
        self._options = options
        self.held_out = held_out
        self._layout = ParameterLayout(network.layer_sizes, network.tied)

    def can_go_on_from(self, state):
        """Whether a `RunState` from a file is one of this run: its numbers, and the shapes of its arrays."""
        if type(state.stage) is not int or not 0 <= state.stage < len(self.stages):
            return False
        stage, theta = self.stages[state.stage], self.state.theta
        network = self.network if stage.layer is None else subnetwork(self.network, stage.layer)
        start = Trainer(network, self.data, self._options, state.random_state).start_state(stage, theta.dtype)
        pairs = [(state.theta, theta), (theta if state.best_theta is None else state.best_theta, theta)]
        if state.solver_state is not None:
            if type(state.solver_state) is not type(start):
                return False
            pairs += zip(state.solver_state, start)
        pairs += [(terms, np.zeros(3)) for terms in chain(*state.terms)]
        n_stages_begun = state.stage + (state.solver_state is not None)
        return len(state.terms) == n_stages_begun and all(map(_alike, *zip(*pairs)))

    def run(self, tasks, log):
        """Go through the stages; returns the parameters.

        Parameters
        ----------
        tasks : FitTasks
        log : callable
            ``log(what, n_iter, terms)`` is called after every iteration.
        """
        state = self.state
        # Only the last: those of single layers hold the outputs of the layers below.
        trainer_of = lru_cache(maxsize=1)(self._trainer)
        try:
            for stage in self.stages[state.stage :]:
                self.status = ""
                self._run_stage(stage, *trainer_of(stage.layer), tasks, log)
                if self.status in ("interrupted", "callback", "early stopping"):
                    break
        except KeyboardInterrupt:
            self.status = "interrupted"
        return state.theta if state.best_theta is None else state.best_theta

    def _run_stage(self, stage, trainer, start, whole_theta, tasks, log):
        state = self.state
        if len(state.terms) == state.stage:
            state.terms.append([])
        if self._is_over_on_held_out_rows(stage):
            self.status = "early stopping"
            return
        result = trainer.run(
            stage,
            start(),
            watch=tasks.watch,
            callback=partial(self._after_iteration, stage, whole_theta, tasks, log),
            state=state.solver_state,
            past_values=[float(np.sum(terms)) for terms in state.terms[-1]],
        )
        self.status, self.message = result.status, result.message
        state.theta, state.solver_state, state.stage = whole_theta(result.x), None, state.stage + 1

    def attributes(self, theta):
        """Fitted attributes of the estimator for parameters theta."""
        curves = {None: []}
        for stage, terms in zip(self.stages, self.state.terms):
            curves.setdefault(stage.layer, []).extend(terms)
        attributes = fitted_attributes(self.network, theta, records(curves.pop(None)))
        attributes["pretraining_loss_curves_"] = [records(terms) for terms in curves.values()]
        if self.held_out:
            attributes["validation_scores_"] = [-error for error in self.state.held_out_errors]
        return attributes

    def _trainer(self, layer):
        """(trainer, its start, and what makes its parameters those of the whole network) for a layer or for all."""
        state, layout = self.state, self._layout
        if layer is None:
            trainer = Trainer(self.network, self.data, self._options, state.random_state)
            return trainer, lambda: state.theta, lambda theta: theta
        network = subnetwork(self.network, layer)
        coefs, intercepts = layout.unpack(state.theta)
        data = self.data.outputs_of(coefs[:layer], intercepts[:layer], self.network.activations[:layer])
        own_layout = ParameterLayout(network.layer_sizes, network.tied)

        def start():
            theta = np.empty(own_layout.size, dtype=state.theta.dtype)
            copy_parameters(self.network, layer, layout.unpack(state.theta), own_layout.unpack(theta))
            return theta

        def whole_theta(own_theta):
            theta = state.theta.copy()
            copy_parameters(self.network, layer, own_layout.unpack(own_theta), layout.unpack(theta))
            return theta

        # Only the input is augmented, not what the layers below made of it.
        options = self._options if layer == 0 else replace(self._options, augment=None)
        return Trainer(network, data, options, state.random_state), start, whole_theta

    def _after_iteration(self, stage, whole_theta, tasks, log, solver_state, terms, own_theta):
        state = self.state
        state.solver_state = solver_state
        state.terms[-1].append(terms)
        theta = cache(lambda: whole_theta(own_theta()))
        if not self.data.is_local:
            self.reached_theta = theta()
        if self.held_out and stage.layer is None:
            self._evaluate_on_held_out_rows(theta())
        layer = "" if stage.layer is None else f"layer {stage.layer + 1}, "
        log(layer + ("epoch" if stage.solver == "adam" else "iteration"), len(state.terms[-1]), terms)
        if tasks.end_iteration(lambda: self._attributes_of_a_copy(theta())):
            return "callback"
        return "early stopping" if self._is_over_on_held_out_rows(stage) else None

    def _attributes_of_a_copy(self, theta):
        """Attributes of an estimator for callbacks, which has nothing of the fit that is going on."""
        attributes = self.attributes(theta)
        unknown = {"loss_": np.nan, "mean_activation_": np.full(self.network.n_components, np.nan)}
        return attributes | unknown | {"_run": None}

    def _evaluate_on_held_out_rows(self, theta):
        errors = self.state.held_out_errors
        coefs, intercepts = self._layout.unpack(theta)
        error = self.held_out.mean_squared_error(coefs, intercepts, self.network.activations)
        if not errors or error < min(errors):
            self.state.best_theta = theta.copy()
        errors.append(error)

    def _is_over_on_held_out_rows(self, stage):
        """Whether the error has not fallen, or hardly, below its best for long enough in this stage."""
        n_iter = self._options.n_iter_no_change
        errors = self.state.held_out_errors[-len(self.state.terms[-1]) :] if self.state.terms[-1] else []
        if stage.layer is not None or stage.is_prelude or len(errors) <= n_iter:
            return False
        best_before = min(errors[:-n_iter])
        return best_before - min(errors[-n_iter:]) <= self._options.tol * best_before


def _alike(array, other):
    """Whether arrays, or numbers, are of one type and shape; of a list of indices the length may vary."""
    array, other = np.asarray(array), np.asarray(other)
    return array.dtype == other.dtype and (array.shape == other.shape or (array.ndim == 1 and other.shape == (0,)))


def fitted_attributes(network, theta, loss_curve):
    """Fitted attributes of the estimator for parameters theta."""
    coefs, intercepts = ParameterLayout(network.layer_sizes, network.tied).unpack(theta)
    return {
        "_network": network,
        "coefs_": coefs,
        "intercepts_": intercepts,
        "loss_curve_": loss_curve,
        "n_iter_": len(loss_curve),
        "pretraining_loss_curves_": [],
        "_adam": None,
    }
