"""The engine: a fit through its stages, what it records, and what may end it before its time."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache, partial

import numpy as np

from .._arrays import copied
from .._data import BatchOrder
from .._solvers import TOL_ON_PLATEAU, Status, minimize
from .._support._callbacks import FitTasks
from .._support._callers import is_one_of_several_fits
from ._problem import PLATEAU_SHARE, Problem
from ._report import Log, explained_overflow

# These end the whole fit. The others end a stage, and the next one begins.
_ENDS_THE_FIT = {Status.INTERRUPTED, Status.STOPPED, Status.EARLY_STOPPING}

# Where rules look at epochs, as many count as one as have this number of batches: a few steps say little.
_LEAST_BATCHES = 20

# Copies of the estimator, which callbacks are given, have no fit in progress.
_NO_FIT = {"_fit_in_progress": None}


@dataclass
class FitState:
    """Everything that a fit needs to go on as if nothing had happened. The fit overwrites it.

    `_state_fields` says what goes into a file, and how it is checked.

    Attributes
    ----------
    theta : ndarray
        All parameters at the start of the current stage.
    random_state : numpy.random.RandomState
    n_stages_done : int
    solver_state : AdamState, LBFGSState or None
        After the last iteration of the current stage.
    order : BatchOrder
        What is left of Adam's epoch after that iteration.
    terms : list of lists of ndarray
        The terms of J after every iteration, stage by stage.
    held_out_errors : list of float
        What early stopping looks at, after every iteration that trains all layers.
    best_theta : ndarray or None
        Parameters at the least of them.
    own : dict of str to ndarray
        What a kind of fit keeps besides; see `Fit`.
    """

    theta: np.ndarray
    random_state: np.random.RandomState
    n_stages_done: int = 0
    solver_state: object = None
    order: BatchOrder = field(default_factory=BatchOrder)
    terms: list = field(default_factory=list)
    held_out_errors: list = field(default_factory=list)
    best_theta: np.ndarray | None = None
    own: dict = field(default_factory=dict)


class Fit(ABC):
    """A fit through its stages. A kind of fit says what they minimise and what comes of it, in a few methods.

    It is the same engine for all of them: stages of solvers, the record of J, early stopping, callbacks, checkpoints.

    Parameters
    ----------
    network : Network
    data : DataSource
    options : TrainingOptions
    stages : list of Stage
    state : FitState
        Start. It is brought up to date after every iteration; a `Checkpoint` puts another in its place before the fit
        is run.
    held_out : DataSource, default=None
        Rows for early stopping.
    given_start : ndarray, default=None
        The parameters that the fit goes on from, if they are not drawn at random.

    Attributes
    ----------
    network, data, options, stages, state, held_out, given_start
        As given.
    status : Status or None
        How the last stage ended; None while it runs.
    message : str
        Explains it; see `minimize`.
    reached_theta : ndarray or None
        Parameters after the last iteration, if the data may be lost.
    """

    def __init__(self, network, data, options, *, stages, state, held_out=None, given_start=None):
        self.network = network
        self.data = data
        self.options = options
        self.stages = stages
        self.state = state
        self.held_out = held_out
        self.given_start = given_start
        self.status = None
        self.message = ""
        self.reached_theta = None

    @abstractmethod
    def objectives(self, layer):
        """The `Objectives` of the stages that train a layer, or all layers for None."""

    @property
    def term_names(self):
        """Names of the terms of J."""
        return self.term_names_of(None)

    def term_names_of(self, layer):
        """Names of the terms of J in the stages that train a layer, or all layers for None."""
        return self.objectives(layer).on_batches.term_names

    def problem(self, layer):
        """The `Problem` of the stages that train a layer, or all layers for None."""
        return Problem(self.objectives(layer), self.data, self.options, self.state.random_state)

    def theta_for(self, layer):
        """The part of the state's theta that these stages train."""
        return self.state.theta

    def whole_theta(self, layer, theta):
        """The whole theta, given the part that these stages train; an array of its own."""
        return theta

    @abstractmethod
    def attributes(self, theta):
        """Fitted attributes of the estimator for parameters theta and the record up to now."""

    @property
    @abstractmethod
    def unknown_attributes(self):
        """Attributes that only the end of the fit can give, with the values that they have before."""

    def begin(self):
        """Provide what has to be there before the first stage, and is not in a state from a file."""
        return

    def update(self, theta):
        """Do what is due between two iterations; returns a `Status` to end the fit, or None.

        ``theta()`` gives the parameters.
        """
        return None

    def is_over(self):
        """Whether the iteration that the state has come to was the last one, by the rule of `update`."""
        return False

    def own_fields(self):
        """What ``state.own`` holds when a state is written: name -> `Field`, by which a file is checked."""
        return {}

    def owns(self, state):
        """Whether ``state.own``, each field of it valid, goes with the rest of a state after an iteration."""
        return True

    def run(self, tasks, log):
        """Go through the stages; returns the parameters.

        Parameters
        ----------
        tasks : FitTasks
        log : Log or None
        """
        self.begin()
        state = self.state
        # Keep the last one only: that of a single layer holds the outputs of the layers below it.
        problem_of = lru_cache(maxsize=1)(self.problem)
        try:
            for stage in self.stages[state.n_stages_done :]:
                self.status = None
                self._run_stage(stage, problem_of(stage.layer), tasks, log)
                if self.status in _ENDS_THE_FIT:
                    break
        except KeyboardInterrupt:
            if state.solver_state is not None:
                # It came between the solver and its parameters, which are not known then. A checkpoint has them.
                raise
            self.interrupt()
        return state.theta if state.best_theta is None else state.best_theta

    def interrupt(self):
        """Let Ctrl-C end the fit, or, with a KeyboardInterrupt, all that has called it if that calls several fits."""
        if is_one_of_several_fits():
            raise KeyboardInterrupt
        self.status = Status.INTERRUPTED

    def _run_stage(self, stage, problem, tasks, log):
        state = self.state
        if len(state.terms) == state.n_stages_done:
            state.terms.append([])
        if self._is_over_on_held_out_rows(stage):
            # It goes on after its last iteration. The best parameters are known.
            self.status, state.solver_state = Status.EARLY_STOPPING, None
            return
        scale = problem.objectives.on_batches.scale
        iterations, start, theta_of = problem.iterations(
            stage, self.theta_for(stage.layer), state.solver_state, state.order
        )
        if log is not None:
            log.begin_stage(len(state.terms[-1]), stage.max_iter)
        if state.solver_state is not None and self.is_over():
            # It was cut off after its last iteration.
            iterations = iter(())
        result = minimize(
            tasks.watch(iterations),
            start,
            max_iter=stage.max_iter,
            tol=0 if self.options.early_stopping and stage.layer is None else stage.tol,
            n_iter_no_change=self.options.n_iter_no_change,
            callback=partial(self._after_iteration, stage, scale, theta_of, tasks, log),
            n_averaged=self._n_averaged(stage),
            is_plateau=problem.is_plateau,
            past_terms=[terms / scale for terms in state.terms[-1]],
        )
        if result.status == Status.INTERRUPTED:
            self.interrupt()
        self.status = result.status
        # To reach max_iter is a reason to warn with L-BFGS. Adam is meant to.
        self.message = "" if stage.solver == "adam" else result.message
        state.theta, state.solver_state = self.whole_theta(stage.layer, theta_of(result.state)), None
        state.n_stages_done += 1

    def _after_iteration(self, stage, scale, theta_of, tasks, log, solver_state, terms):
        state = self.state
        theta = cache(lambda: self.whole_theta(stage.layer, theta_of(solver_state)))
        reason = self.update(theta)
        state.solver_state = solver_state
        state.terms[-1].append(scale * terms)
        if not self.data.is_local:
            self.reached_theta = theta()
        if self.held_out and stage.layer is None:
            self._evaluate_on_held_out_rows(theta())
        if log is not None:
            layer = "" if stage.layer is None else f"layer {stage.layer + 1}, "
            log(layer + stage.iteration_name, len(state.terms[-1]), scale * terms)
        if tasks.end_iteration(lambda: self.attributes(theta()) | self.unknown_attributes | _NO_FIT):
            return Status.STOPPED
        return Status.EARLY_STOPPING if self._is_over_on_held_out_rows(stage) else reason

    def held_out_error(self, theta):
        """What early stopping looks at: the mean squared error on the held-out rows."""
        return self.held_out.mean_squared_error(self.network.layers(theta))

    def _evaluate_on_held_out_rows(self, theta):
        errors = self.state.held_out_errors
        error = self.held_out_error(theta)
        if not errors or error < min(errors):
            self.state.best_theta = copied(theta)
        errors.append(error)

    def _is_over_on_held_out_rows(self, stage):
        """Whether the error has not fallen, or hardly, below its best for long enough in this stage."""
        n_iter = self.options.n_iter_no_change * self._n_averaged(stage)
        errors = self.state.held_out_errors[-len(self.state.terms[-1]) :] if self.state.terms[-1] else []
        if stage.layer is not None or stage.is_prelude or len(errors) <= n_iter:
            return False
        best_before = min(errors[:-n_iter])
        tol = self.options.tol
        if self.options.n_neighbors is None and best_before > PLATEAU_SHARE * self._held_out_variance:
            tol *= TOL_ON_PLATEAU
        return best_before - min(errors[-n_iter:]) <= tol * abs(best_before)

    @cached_property
    def _held_out_variance(self):
        """Mean variance of the features of the held-out rows: the mean squared error of their mean row."""
        return self.held_out.total_variance / self.held_out.shape[1]

    def _n_averaged(self, stage):
        """How many iterations of a stage count as one for the rules that end it."""
        if stage.solver != "adam" or not stage.are_epochs:
            return 1
        return -(-_LEAST_BATCHES // self.data.n_batches(self.options.batch_size))


def run_fit(estimator, fit, keep):
    """Run a fit with the callbacks of its estimator; ``keep(theta)`` sets the fitted attributes.

    Meanwhile the estimator has the fit as ``_fit_in_progress``, since callbacks are given the estimator alone. Only a
    `Checkpoint` reads that, and may put another state into the fit before it is run.
    """
    data, max_iter = fit.data, sum(stage.max_iter for stage in fit.stages)
    estimator._fit_in_progress = fit
    try:
        tasks = FitTasks(estimator, data.X, data.sample_weight, max_iter=max_iter)
        with explained_overflow(data, fit.options):
            keep(fit.run(tasks, Log.of(estimator, fit.term_names)))
        tasks.end(lambda: _NO_FIT)
    finally:
        del estimator._fit_in_progress
