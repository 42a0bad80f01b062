"""The steps of which `fit` and `partial_fit` of the autoencoder consist."""

import math
import sys
from copy import deepcopy
from itertools import pairwise

import numpy as np
from sklearn.utils import check_random_state

from ._callback_support import FitTasks
from ._network import mirrored_network
from ._parameters import ParameterLayout, initial_parameters
from ._record import Log, records
from ._run import Run, RunState
from ._solvers import AdamState
from ._training import Trainer, TrainingOptions, plan_stages
from ._validation import (
    canonical_data,
    check_options,
    check_values,
    effective_rows,
    explained_overflow,
    hidden_sizes,
    warn_about_end,
    warn_if_collapsed,
)

# What learning_rate_init=None means, without hidden layers and with.
_SHALLOW_STEP, _DEEP_STEP = 0.01, 0.001


class FittingMixin:
    """Mixin for `SparseAutoencoderTransformer`, whose parameters the methods read."""

    def _validate_training_data(self, X, sample_weight, dtype, *, reset):
        X, sample_weight = effective_rows(canonical_data(self, X, dtype, reset=reset), sample_weight)
        check_values(X, sample_weight, self.output_activation, type(self).__name__)
        return X, sample_weight

    def _make_network(self, n_features):
        network = mirrored_network(
            n_features,
            hidden_sizes(self.hidden_layer_sizes),
            int(self.n_components),
            activation=self.activation,
            code_activation=self.code_activation,
            output_activation=self.output_activation,
            tied=self.tied_weights,
        )
        n_weights = sum(map(math.prod, pairwise(network.layer_sizes)))
        # In bytes, their number has to be one that NumPy knows.
        if n_weights > sys.maxsize // 16:
            raise ValueError(
                f"n_components={self.n_components!r} and hidden_layer_sizes={self.hidden_layer_sizes!r} make more "
                f"weights with {n_features} features than any memory holds. Lower them."
            )
        return network

    def _make_options(self):
        default_step = _DEEP_STEP if hidden_sizes(self.hidden_layer_sizes) else _SHALLOW_STEP
        return TrainingOptions.of(self, learning_rate_init=self.learning_rate_init or default_step)

    def _initial_theta(self, network, dtype, random_state):
        """The start of the solver: the last fit's parameters with warm_start, random ones otherwise."""
        if self._is_warm():
            return self._fitted_theta(network, dtype, "warm_start=True continues", "or set warm_start=False")
        layout = ParameterLayout(network.layer_sizes, network.tied)
        return initial_parameters(layout, network.activations, random_state, dtype)

    def _is_warm(self):
        return self.warm_start and hasattr(self, "coefs_")

    def _fitted_theta(self, network, dtype, purpose, remedy):
        """The parameters of the last fit, which must be those of the same network."""
        if self._network != network:
            names = ("n_components", "hidden_layer_sizes", "activation", "code_activation", "output_activation")
            asked = ", ".join(f"{name}={getattr(self, name)!r}" for name in (*names, "tied_weights"))
            raise ValueError(
                f"{purpose} an earlier fit of a network with {_describe(self._network)}, but X and {asked} now ask for "
                f"{_describe(network)}. Keep the parameters and the features of X, {remedy}."
            )
        layout = ParameterLayout(network.layer_sizes, network.tied)
        return layout.pack(self.coefs_, self.intercepts_).astype(dtype, copy=False)

    def _adam_to_continue(self, network, dtype):
        """State of Adam, random state and loss curve for `partial_fit` to go on from, as copies."""
        if not hasattr(self, "coefs_"):
            random_state = self._own_random_state()
            return AdamState.start(self._initial_theta(network, dtype, random_state)), random_state, records([])
        theta = self._fitted_theta(network, dtype, "partial_fit continues", "or fit a clone of this estimator")
        if self._adam is None:
            return AdamState.start(theta), self._own_random_state(), self.loss_curve_
        return *deepcopy(self._adam), self.loss_curve_

    def _own_random_state(self):
        """A generator to keep between calls, which must not be the one that others draw from."""
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        return np.random.RandomState(seed)

    def _train(self, data):
        """The fit, on data of any kind."""
        network, options = self._make_network(data.shape[1]), self._make_options()
        check_options(network, options)
        random_state = check_random_state(self.random_state)
        theta = self._initial_theta(network, data.dtype, random_state)
        train, held_out = data, None
        if self.early_stopping:
            train, held_out = data.hold_out(self.validation_fraction, random_state)
        stages = plan_stages(network, data, options, pretrain=self.pretrain is not None, warm=self._is_warm())
        state = RunState(theta, random_state)
        run = self._run = Run(network, train, options, stages=stages, state=state, held_out=held_out)
        tasks = FitTasks(self, train.X, train.sample_weight, max_iter=sum(stage.max_iter for stage in stages))
        with explained_overflow(data, options):
            theta = run.run(tasks, Log(self))
        if not self._store(Trainer(network, train, options, random_state), theta, run.attributes(theta), train):
            run.status = "interrupted"
        warn_about_end(run.status, run.message, options)
        tasks.end(lambda: {"_run": None})
        del self._run

    def _store(self, trainer, theta, attributes, data):
        """Set the fitted attributes; whether all of them could be computed before the user interrupted."""
        vars(self).pop("validation_scores_", None)
        vars(self).update(attributes)
        self.loss_, self.mean_activation_ = np.nan, np.full(self._n_features_out, np.nan)
        try:
            with explained_overflow(data, self._make_options()):
                self.loss_ = trainer.loss(theta)
                self.mean_activation_, variance = data.code_moments(*self._encoder_layers)
        except KeyboardInterrupt:
            return False
        warn_if_collapsed(data, variance, rho=self.rho, beta=self.beta, lam=self.lam)
        return True


def _describe(network):
    tied = "tied" if network.tied else "untied"
    return f"layer sizes {network.layer_sizes}, activations {network.activations} and {tied} weights"
