"""Training: which objective and which solver a data set takes, one stage after the other."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import NamedTuple

import numpy as np

from ._objectives import LinearDecoderObjective, SparseAutoencoderObjective
from ._parameters import ParameterLayout
from ._solvers import AdamState, LBFGSState, NotFiniteError, lbfgs, minimize
from ._validation import option

# What max_iter=None means.
_MAX_ITER = {"lbfgs": 300, "adam": 20}

# solver="auto" starts with Adam from so many rows and code units on, for so many epochs; deep stacks stay with it.
_AUTO_ROWS, _AUTO_UNITS, _AUTO_EPOCHS = 25_000, 100, 8


@dataclass(frozen=True)
class TrainingOptions:
    """The parameters of the estimator that say what is minimised and how; see there."""

    rho: float
    beta: float
    lam: float
    corruption: float = 0.0
    augment: Callable | None = None
    solver: str = "auto"
    max_iter: int | None = None
    tol: float = 1e-3
    n_iter_no_change: int = 10
    batch_size: int = 256
    learning_rate_init: float = 0.01
    shuffle: bool = True
    early_stopping: bool = False

    @classmethod
    def of(cls, estimator, **others):
        """The options of an estimator, but for others."""
        return cls(**({field.name: option(estimator, field.name) for field in fields(cls)} | others))

    @property
    def need_adam(self):
        """Whether every batch is drawn anew."""
        return self.corruption > 0 or self.augment is not None

    @property
    def hyperparameters(self):
        """rho, beta and lam as Python's floats: NumPy's would make float32 arrays compute in float64."""
        return {"rho": float(self.rho), "beta": float(self.beta), "lam": float(self.lam)}


class Stage(NamedTuple):
    """One run of a solver.

    Attributes
    ----------
    solver : {"adam", "lbfgs"}
    max_iter : int
    tol : float
    layer : int or None
        Encoder layer that is trained with the decoder layer that mirrors it, on the outputs of the layers below; None
        means all layers at once.
    is_prelude : bool
        Whether it goes through all of its iterations, for another stage to go on from.
    """

    solver: str
    max_iter: int
    tol: float
    layer: int | None = None
    is_prelude: bool = False


def plan_stages(network, data, options, *, pretrain, warm):
    """The `Stage` list of a fit.

    Parameters
    ----------
    network : Network
    data : DataInMemory
    options : TrainingOptions
    pretrain : bool
        Whether every layer is trained by itself first, if there is more than one.
    warm : bool
        Whether the start is better than random. Then nothing comes before the training of all layers: the first steps
        of Adam would lose it.
    """
    deep = network.n_encoder_layers > 1
    # Where Adam gets ahead of L-BFGS, for good or at first: docs/performance.md has the study.
    many_rows = data.shape[0] >= _AUTO_ROWS and not data.is_sparse and data.is_local
    solver = options.solver
    if solver == "auto":
        solver = "adam" if options.need_adam or (deep and many_rows) else "lbfgs"
    whole = Stage(solver, options.max_iter or _MAX_ITER[solver], options.tol)
    if warm:
        return [whole]
    if deep:
        return [whole._replace(layer=layer) for layer in range(network.n_encoder_layers) if pretrain] + [whole]
    if options.solver == "auto" and solver == "lbfgs" and many_rows and min(network.layer_sizes) >= _AUTO_UNITS:
        return [Stage("adam", _AUTO_EPOCHS, 0, is_prelude=True), whole]
    return [whole]


class Trainer:
    """Minimises J of a network on one data set. Every theta is that of the whole network.

    Parameters
    ----------
    network : Network
    data : DataInMemory
        Or another kind of data with the same methods.
    options : TrainingOptions
    random_state : numpy.random.RandomState
        Draws the batches and the noise.
    """

    def __init__(self, network, data, options, random_state):
        self._data = data
        self._options = options
        self._random_state = random_state
        self._layout = ParameterLayout(network.layer_sizes, network.tied)
        dense_objective = SparseAutoencoderObjective(network, **options.hyperparameters)
        # L-BFGS minimises the first, Adam the second; the third is J of given parameters. Where X is dense, the
        # residual makes the second cheaper and the third more exact in float32.
        self._reduced = self._on_batches = self._whole = dense_objective
        if network.activations[-1] == "identity":
            linear = partial(LinearDecoderObjective, network, **options.hyperparameters)
            if data.is_sparse:
                self._reduced = self._on_batches = self._whole = linear(projected=False)
            if not network.tied:
                self._reduced = linear(projected=True)

    def run(self, stage, theta, *, watch, callback, state=None, past_values=()):
        """Minimise J by one stage.

        Parameters
        ----------
        stage : Stage
        theta : ndarray
            Start.
        watch : callable
            Wraps the iterator of iterations.
        callback : callable
            ``callback(state, terms, current_theta)`` is called after every iteration, the last a function; see
            `minimize` for what it returns.
        state : AdamState or LBFGSState, default=None
            Where this stage goes on from, in place of theta.
        past_values : sequence of float, default=()
            J after the iterations of this stage before that.

        Returns
        -------
        result : scipy.optimize.OptimizeResult
            As from `minimize`, with x the parameters of the whole network.
        """
        prepare = self._adam if stage.solver == "adam" else self._lbfgs
        iterations, state, whole_theta = prepare(stage, theta, state)
        result = minimize(
            watch(iterations),
            state,
            max_iter=stage.max_iter,
            tol=0 if self._options.early_stopping and stage.layer is None else stage.tol,
            n_iter_no_change=self._options.n_iter_no_change,
            callback=lambda state, terms: callback(state, terms, partial(whole_theta, state)),
            past_values=past_values,
        )
        result.x = whole_theta(result.state)
        if stage.solver == "adam":
            # Its epochs are planned.
            result.message = ""
        return result

    def start_state(self, stage, dtype):
        """A state of the stage's solver as it may be at the start, for its type and shapes."""
        kind, objective = (AdamState, self._on_batches) if stage.solver == "adam" else (LBFGSState, self._reduced)
        return kind.start(np.zeros(objective.layout.size, dtype=dtype))

    def adam_pass(self, state):
        """Go on from an `AdamState` by one epoch with a constant step; returns the new state and the terms of J."""
        return next(self._data.epochs(self._on_batches, state, self._options, self._random_state))

    def loss(self, theta):
        """J of all rows, exactly."""
        value = float(np.sum(self._data.full_batch(self._whole).terms(theta)))
        if not np.isfinite(value):
            raise NotFiniteError("value not finite after the last step")
        return value

    def _lbfgs(self, stage, theta, state):
        """L-BFGS on the layers that are not projected out."""
        full_batch = self._data.full_batch(self._reduced)
        layout = self._reduced.layout
        coefs, intercepts = self._layout.unpack(theta)
        if state is None:
            state = LBFGSState.start(layout.pack(coefs[: layout.n_layers], intercepts[: layout.n_layers]))

        def whole_theta(state):
            return self._layout.pack(*full_batch.parameters(state.x))

        return lbfgs(full_batch, state), state, whole_theta

    def _adam(self, stage, theta, state):
        """Adam with a step that falls linearly to zero over the stage."""
        state = AdamState.start(theta) if state is None else state
        iterations = self._data.epochs(self._on_batches, state, self._options, self._random_state, stage.max_iter)
        return iterations, state, lambda state: state.x.copy()
