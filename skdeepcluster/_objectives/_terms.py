"""The terms of J: functions of arrays that return a value and its derivative, and the KL term of a network."""

import numpy as np

from .._network import ACTIVATIONS
from ._block import inner_product, sum_over_rows, weigh_rows

# Nearest that a mean activation may come to 0 or 1: log and 1 / rho_hat stay finite for saturated units. About 1e-15,
# and as far from 1 as from 0 in working precision.
_RHO_HAT_MARGIN = 2.0**-50

# Where p and q differ by less than this share of p, log(p / q) is computed from their difference: the logarithm of a
# quotient near 1 has lost digits.
_NEAR = 0.1


def half_squared_error(H, X, sample_weight=None, out=None):
    """Sum over rows of w_i / 2 ||h_i - x_i||^2, and its derivative w_i (h_i - x_i) with respect to H.

    Parameters
    ----------
    H, X : ndarrays of shape (n, d)
    sample_weight : ndarray of shape (n,), default=None
        None means ones.
    out : ndarray of shape (n, d), default=None
        Place for the derivative; may be H.

    Returns
    -------
    value : float
        Accumulated in float64, but for runs of 1024 products, whose sum float32 holds exactly enough.
    derivative : ndarray of shape (n, d), of the type of H
    """
    R = np.subtract(H, X, out=out)
    if sample_weight is None:
        return 0.5 * inner_product(R, R), R
    value = 0.5 * np.dot(sample_weight, np.einsum("ij,ij->i", R, R, dtype=np.float64))
    return value, weigh_rows(R, sample_weight)


def weight_decay(W, lam):
    """lam / 2 ||W||_F^2; its derivative is lam W."""
    return 0.5 * lam * inner_product(W, W)


def kl_divergence(rho, rho_hat):
    """KL(rho || rho_hat_j) of two Bernoulli variables, summed over units, and its derivative.

    Parameters
    ----------
    rho : float in (0, 1)
        Target mean activation.
    rho_hat : ndarray of shape (n_units,), float64
        Mean activations; held 2^-50 away from 0 and 1.

    Returns
    -------
    value : float
        sum_j rho log(rho / rho_hat_j) + (1 - rho) log((1 - rho) / (1 - rho_hat_j)).
    derivative : ndarray of shape (n_units,)
        -rho / rho_hat_j + (1 - rho) / (1 - rho_hat_j).
    """
    r = np.clip(rho_hat, _RHO_HAT_MARGIN, 1 - _RHO_HAT_MARGIN)
    d = r - rho
    # Near rho the two parts, of opposite sign, nearly cancel, and a large beta multiplies their errors.
    value = np.sum(rho * _log_ratio(rho, r, d) + (1 - rho) * _log_ratio(1 - rho, 1 - r, -d))
    return value, d / (r * (1 - r))


def _log_ratio(p, q, difference):
    """log(p / q), given the difference q - p."""
    is_near = np.abs(difference) < _NEAR * p
    return np.where(is_near, -np.log1p(np.where(is_near, difference, 0.0) / p), np.log(p / q))


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
        encoder = enumerate(network.activations[network.encoder])
        self._layers = [layer for layer, name in encoder if ACTIVATIONS[name].is_probability]
        self._ends = np.cumsum([network.layer_sizes[layer + 1] for layer in self._layers], dtype=int)

    def activation_sums(self, outputs, sample_weight):
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


def output_gradients_of(block, shared, network, code_gradient):
    """What backpropagation adds to the derivatives with respect to outputs, layer -> (n_rows or none, n_units).

    That is the KL term's part, for rows of these weights, and for the code code_gradient, if it is not None.
    """
    gradients = shared.output_gradients
    if block.sample_weight is not None:
        gradients = {
            layer: np.outer(block.sample_weight.astype(per_unit.dtype, copy=False), per_unit)
            for layer, per_unit in gradients.items()
        }
    if code_gradient is None:
        return gradients
    code = network.n_encoder_layers - 1
    return gradients | {code: gradients.get(code, 0) + code_gradient}
