"""J of some layers, on some data: what a solver minimises."""

from functools import cached_property

import numpy as np

from .._arrays import copied
from .._objectives import NeighborObjective
from .._solvers import AdamState, LBFGSState, NotFiniteError, lbfgs

# A reconstruction whose error is above this share of that of the mean row counts as no better, and above this one as
# likely to be on the way from there, on which J falls slowly at first.
TRIVIAL_SHARE, PLATEAU_SHARE = 0.98, 0.95


class Problem:
    """J on one data set. Every theta is that of all parameters, but for a solver's own, which is in its state.

    Parameters
    ----------
    objectives : Objectives
    data : DataSource
    options : TrainingOptions
    random_state : numpy.random.RandomState
        Draws the batches and the noise.
    """

    def __init__(self, objectives, data, options, random_state):
        self.objectives = objectives
        self._data = data
        self._options = options
        self._random_state = random_state

    def iterations(self, stage, theta, state=None, order=None):
        """The iterations of a stage's solver, what they start from, and how to make theta of what they reach.

        Parameters
        ----------
        stage : Stage
        theta : ndarray
            Start.
        state : AdamState or LBFGSState, default=None
            Where this stage goes on from, in place of theta.
        order : BatchOrder, default=None
            Where the order of the batches goes on, kept up to date.

        Returns
        -------
        iterations : iterator of (state, terms)
        state : AdamState or LBFGSState
        theta_of : callable
            ``theta_of(state)``, an array of its own.
        """
        return self._adam(stage, theta, state, order) if stage.solver == "adam" else self._lbfgs(theta, state)

    def share_of_trivial_error(self, terms):
        """The reconstruction term of J, as a share of what it is if every row is reconstructed as the mean row.

        It is 0 if the rows do not differ.
        """
        return float(terms[0]) / self._trivial_error if self._trivial_error > 0 else 0.0

    def is_plateau(self, terms):
        """Whether the reconstruction is little better than the mean row, or worse."""
        return self.share_of_trivial_error(terms) > PLATEAU_SHARE

    @cached_property
    def _trivial_error(self):
        return 0.5 * self._data.total_variance

    def adam_pass(self, state):
        """Go on from an `AdamState` by one epoch with a constant step; returns the new state and the terms of J."""
        return next(self._data.iterations(self.objectives.on_batches, state, self._options, self._random_state))

    def terms(self, theta):
        """The terms of J of all rows, exactly."""
        terms = self._data.full_batch(self.objectives.exact).terms(theta)
        on_batches = self.objectives.on_batches
        if isinstance(on_batches, NeighborObjective):
            encoder = on_batches.network.layers(theta).part(on_batches.network.encoder)
            terms = np.append(terms, self._data.mean_over_neighborhoods(on_batches.value, encoder, self._options))
        if not np.isfinite(np.sum(terms)):
            raise NotFiniteError("value not finite after the last step")
        return terms

    def _lbfgs(self, theta, state):
        """L-BFGS on the layers that are not projected out."""
        reduced, whole = self.objectives.reduced, self.objectives.exact.layout
        full_batch = self._data.full_batch(reduced)
        if state is None:
            coefs, intercepts = whole.unpack(theta)
            own = slice(reduced.layout.n_layers)
            state = LBFGSState.start(reduced.layout.pack(coefs[own], intercepts[own]))

        def theta_of(state):
            coefs, intercepts, _ = full_batch.parameters(state.x)
            return whole.pack(coefs, intercepts)

        return lbfgs(full_batch, state), state, theta_of

    def _adam(self, stage, theta, state, order):
        """Adam with a step that falls linearly to zero over the stage."""
        state = AdamState.start(theta) if state is None else state
        iterations = self._data.iterations(
            self.objectives.on_batches,
            state,
            self._options,
            self._random_state,
            max_iter=stage.max_iter,
            n_batches=stage.n_batches,
            order=order,
        )
        return iterations, state, lambda state: copied(state.x)
