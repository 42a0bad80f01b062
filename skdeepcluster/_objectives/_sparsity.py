"""The KL term of the objectives."""

import numpy as np

from ._block import sum_over_rows
from ._terms import kl_divergence


class SparsityPenalty:
    """beta * sum_j KL(rho || rho_hat_j), with j over every unit of every logistic encoder layer.

    Parameters
    ----------
    network : Network
    rho : float in (0, 1)
    beta : float >= 0
    """

    def __init__(self, network, rho, beta):
        self.rho = rho
        self.beta = beta
        self._layers = [layer for layer in range(network.n_encoder_layers) if network.activations[layer] == "logistic"]
        self._ends = np.cumsum([network.layer_sizes[layer + 1] for layer in self._layers], dtype=int)

    def activations(self, outputs, sample_weight):
        """Weighted sum over rows of the activations of all units j, shape (n_units,), accumulated in float64."""
        sums = [sum_over_rows(outputs[layer], sample_weight) for layer in self._layers]
        return np.concatenate([np.zeros(0), *sums])

    def value(self, rho_hat):
        """The penalty for the mean activations rho_hat, shape (n_units,)."""
        return self.beta * kl_divergence(self.rho, rho_hat)[0]

    def output_gradients(self, rho_hat, n_rows, dtype):
        """Derivative of the penalty with respect to the outputs of a row of weight 1, layer -> (n_units,)."""
        derivative = (self.beta / n_rows * kl_divergence(self.rho, rho_hat)[1]).astype(dtype, copy=False)
        return dict(zip(self._layers, np.split(derivative, self._ends[:-1])))


def of_rows(output_gradients, sample_weight):
    """What `SparsityPenalty.output_gradients` gives for a row of weight 1, for rows of these weights."""
    if sample_weight is None:
        return output_gradients
    return {
        layer: np.outer(sample_weight.astype(per_unit.dtype, copy=False), per_unit)
        for layer, per_unit in output_gradients.items()
    }


def with_code_gradient(output_gradients, network, code_gradient):
    """The derivatives with respect to outputs, layer -> array, with another one for the code added if there is one."""
    if code_gradient is None:
        return output_gradients
    layer = network.n_encoder_layers - 1
    return output_gradients | {layer: output_gradients.get(layer, 0) + code_gradient}
