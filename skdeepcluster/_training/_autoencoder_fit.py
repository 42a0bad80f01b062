"""The fit of an autoencoder: all layers at once, after each one by itself if they are pretrained."""

from dataclasses import replace
from functools import cached_property

import numpy as np
from sklearn.utils import check_random_state

from .._data import neighbors_of
from .._network import ACTIVATIONS
from .._objectives import NeighborObjective, choose_objectives
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
from ._report import Curve, Log


class AutoencoderFit(Fit):
    """Trains a network, one `Stage` after the other; see `Fit`."""

    @classmethod
    def of(cls, estimator, data):
        """That of an estimator, on data of any kind, ready to run."""
        network, options = network_of(estimator, data.shape[1]), TrainingOptions.of(estimator, data.shape[0])
        check_options(network, options)
        random_state = check_random_state(estimator.random_state)
        theta, warm = initial_theta(estimator, network, data, random_state), is_warm(estimator)
        stages = plan_stages(network, data, options, pretrain=estimator.pretrain is not None, warm=warm)
        held_out = None
        if estimator.early_stopping:
            data, held_out = data.hold_out(estimator.validation_fraction, random_state)
        if options.n_neighbors is not None:
            check_batches_of_neighbors(options)
            # Batches are those of the rows that are left.
            n_batches = data.n_batches(options.batch_size)
            stages = [stage if stage.n_batches is None else stage._replace(n_batches=n_batches) for stage in stages]
            data, held_out = (
                part and part.with_neighbors(neighbors_of(part.X, **options.graph, map_=part.map))
                for part in (data, held_out)
            )
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
        forms = choose_objectives(network, self.options.hyperparameters, is_sparse=is_sparse)
        if layer is None and self.options.n_neighbors is not None:
            return forms._replace(on_batches=with_neighbor_term(forms.on_batches, self._half_variance, self.options))
        return forms

    @cached_property
    def _half_variance(self):
        """V."""
        return 0.5 * self.data.total_variance

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

    def held_out_error(self, theta):
        """With neighbours, their term is added in the same unit: J without its penalties, times 2 / n_features."""
        error = super().held_out_error(theta)
        objective = self.objectives(None).on_batches
        if not isinstance(objective, NeighborObjective):
            return error
        encoder = self.network.layers(theta).part(self.network.encoder)
        term = self.held_out.mean_over_neighborhoods(objective.value, encoder, self.options)
        return error + 2 / self.held_out.shape[1] * term

    def attributes(self, theta):
        curves = {None: []}
        for stage, terms in zip(self.stages, self.state.terms):
            curves.setdefault(stage.layer, []).extend(terms)
        attributes = fitted_attributes(self.network, theta, Curve.of(self.term_names, curves.pop(None)))
        attributes["_pretraining_curves"] = [
            Curve.of(self.term_names_of(layer), terms) for layer, terms in curves.items()
        ]
        if self.held_out:
            attributes["validation_scores_"] = [-error for error in self.state.held_out_errors]
        return attributes

    @property
    def unknown_attributes(self):
        return {"loss_": np.nan, "mean_activation_": self.data.placed(np.full(self.network.n_components, np.nan))}


def check_batches_of_neighbors(options):
    """Raise if a batch has no room for rows that are drawn away from each other."""
    if options.batch_size < 2 * options.group_size:
        raise ValueError(
            f"batch_size={options.batch_size} has no room for two groups of {options.group_size} neighbours, which "
            f"n_neighbors={options.n_neighbors} needs. Set batch_size={2 * options.group_size} or more, or None."
        )


def with_neighbor_term(autoencoder, half_variance, options):
    """The `NeighborObjective` of an autoencoder, given V."""
    network = autoencoder.network
    return NeighborObjective(
        autoencoder,
        group_size=options.group_size,
        weight=float(options.neighbor_weight) * half_variance,
        unit=ACTIVATIONS[network.activations[network.n_encoder_layers - 1]].unit,
    )


def fitted_attributes(network, theta, curve):
    """Fitted attributes of the estimator for parameters theta."""
    coefs, intercepts, _ = network.layers(theta)
    return {
        "_network": network,
        "coefs_": coefs,
        "intercepts_": intercepts,
        "_curve": curve,
        "n_iter_": len(curve.terms),
        "_pretraining_curves": [],
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
    state, random_state = adam_to_continue(estimator, network, data)
    objectives = choose_objectives(network, options.hyperparameters, is_sparse=data.is_sparse)
    names = objectives.on_batches.term_names
    problem = Problem(objectives, data, options, random_state)
    state, terms = problem.adam_pass(state)
    curve = getattr(estimator, "_curve", Curve.of(names, [])).with_record(names, terms)
    if log := Log.of(estimator, names):
        log("epoch", len(curve.terms), terms)
    return problem, state.x, fitted_attributes(network, state.x, curve), (state, random_state)
