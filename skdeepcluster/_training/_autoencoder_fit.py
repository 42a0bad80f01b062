"""The fit of an autoencoder: all layers at once, after each one by itself if they are pretrained."""

from dataclasses import replace

import numpy as np
from sklearn.utils import check_random_state

from .._objectives import choose_objectives
from ._fit import Fit, FitState
from ._plan import (
    TrainingOptions,
    adam_to_continue,
    check_options,
    initial_theta,
    is_warm,
    network_of,
    plan_stages,
)
from ._pretraining import layer_theta, subnetwork, with_layer_theta
from ._problem import Problem
from ._report import Log, records


class AutoencoderFit(Fit):
    """Trains a network, one `Stage` after the other; see `Fit`."""

    @classmethod
    def of(cls, estimator, data):
        """That of an estimator, on data of any kind, ready to run."""
        network, options = network_of(estimator, data.shape[1]), TrainingOptions.of(estimator)
        check_options(network, options)
        random_state = check_random_state(estimator.random_state)
        theta, warm = initial_theta(estimator, network, data.dtype, random_state), is_warm(estimator)
        stages = plan_stages(network, data, options, pretrain=estimator.pretrain is not None, warm=warm)
        held_out = None
        if estimator.early_stopping:
            data, held_out = data.hold_out(estimator.validation_fraction, random_state)
        return cls(
            network,
            data,
            options,
            stages=stages,
            state=FitState(theta, random_state),
            held_out=held_out,
            given_start=theta if warm else None,
        )

    def objectives(self, layer):
        network = self.network if layer is None else subnetwork(self.network, layer)
        # The second layer and those above it are trained on outputs of layers, which are dense.
        is_sparse = self.data.is_sparse and not layer
        return choose_objectives(network, self.options.hyperparameters, is_sparse=is_sparse)

    def problem(self, layer):
        if layer is None:
            return super().problem(layer)
        data = self.data.outputs_of(self.network.layers(self.state.theta).part(slice(layer)))
        # Rows of the input are augmented, not outputs of the layers below.
        options = self.options if layer == 0 else replace(self.options, augment=None)
        return Problem(self.objectives(layer), data, options, self.state.random_state)

    def theta_for(self, layer):
        theta = self.state.theta
        return theta if layer is None else layer_theta(self.network, layer, theta)

    def whole_theta(self, layer, theta):
        return theta if layer is None else with_layer_theta(self.network, layer, self.state.theta, theta)

    def attributes(self, theta):
        curves = {None: []}
        for stage, terms in zip(self.stages, self.state.terms):
            curves.setdefault(stage.layer, []).extend(terms)
        attributes = fitted_attributes(self.network, theta, records(curves.pop(None), self.term_names))
        attributes["pretraining_loss_curves_"] = [records(terms, self.term_names) for terms in curves.values()]
        if self.held_out:
            attributes["validation_scores_"] = [-error for error in self.state.held_out_errors]
        return attributes

    @property
    def unknown_attributes(self):
        return {"loss_": np.nan, "mean_activation_": np.full(self.network.n_components, np.nan)}


def fitted_attributes(network, theta, loss_curve):
    """Fitted attributes of the estimator for parameters theta."""
    coefs, intercepts, _ = network.layers(theta)
    return {
        "_network": network,
        "coefs_": coefs,
        "intercepts_": intercepts,
        "loss_curve_": loss_curve,
        "n_iter_": len(loss_curve),
        "pretraining_loss_curves_": [],
        "_adam": None,
    }


def pass_over_chunk(estimator, data):
    """Go on from the last fit or chunk by one pass of Adam over data.

    Returns
    -------
    problem : Problem
    theta : ndarray
    attributes : dict
        As `fitted_attributes`.
    adam : tuple of AdamState and RandomState
        What the next chunk goes on from.
    """
    network, options = network_of(estimator, data.shape[1]), TrainingOptions.of(estimator)
    check_options(network, options)
    state, random_state = adam_to_continue(estimator, network, data.dtype)
    objectives = choose_objectives(network, options.hyperparameters, is_sparse=data.is_sparse)
    names = objectives.on_batches.term_names
    problem = Problem(objectives, data, options, random_state)
    state, terms = problem.adam_pass(state)
    curve = np.append(getattr(estimator, "loss_curve_", records([], names)), records([terms], names))
    if log := Log.of(estimator, names):
        log("epoch", len(curve), terms)
    return problem, state.x, fitted_attributes(network, state.x, curve), (state, random_state)
