"""The steps of which `fit` and `partial_fit` of the autoencoder consist."""

from copy import deepcopy

import numpy as np
from sklearn.utils import check_random_state

from ._network import mirrored_network
from ._parameters import ParameterLayout, initial_parameters
from ._record import records
from ._solvers import AdamState
from ._training import TrainingOptions
from ._validation import canonical_data, check_values, code_moments, effective_rows, hidden_sizes, warn_if_collapsed

# What learning_rate_init=None means, without hidden layers and with.
_SHALLOW_STEP, _DEEP_STEP = 0.01, 0.001


class FittingMixin:
    """Mixin for `SparseAutoencoderTransformer`, whose parameters the methods read."""

    def _validate_training_data(self, X, sample_weight, dtype, *, reset):
        X, sample_weight = effective_rows(canonical_data(self, X, dtype, reset=reset), sample_weight)
        check_values(X, sample_weight, self.output_activation, type(self).__name__)
        return X, sample_weight

    def _make_network(self, X):
        return mirrored_network(
            X.shape[1],
            hidden_sizes(self.hidden_layer_sizes),
            self.n_components,
            activation=self.activation,
            code_activation=self.code_activation,
            output_activation=self.output_activation,
            tied=self.tied_weights,
        )

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

    def _store(self, trainer, theta, attributes, X, sample_weight):
        """Set the fitted attributes; whether all of them could be computed before the user interrupted."""
        vars(self).pop("validation_scores_", None)
        vars(self).update(attributes)
        self.loss_, self.mean_activation_ = np.nan, np.full(self.n_components, np.nan)
        try:
            self.loss_ = trainer.loss(theta)
            self.mean_activation_, variance = code_moments(X, sample_weight, self._encode)
        except KeyboardInterrupt:
            return False
        warn_if_collapsed(X, variance, rho=self.rho, beta=self.beta, lam=self.lam)
        return True


def _describe(network):
    tied = "tied" if network.tied else "untied"
    return f"layer sizes {network.layer_sizes}, activations {network.activations} and {tied} weights"
