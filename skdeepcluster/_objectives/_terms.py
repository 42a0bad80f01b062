"""The terms of J: functions of arrays that return a value and its derivative, and penalties of a network's outputs."""

from abc import ABC, abstractmethod

import numpy as np

from .._network import ACTIVATIONS
from ._block import inner_product, sum_over_rows, weigh_rows

# Mean activations are kept this far from 0 and from 1, so that log(rho_hat) and 1 / rho_hat are finite for saturated
# units. It is about 1e-15, and 1 minus it is exact in float64.
_RHO_HAT_MARGIN = 2.0**-50

# log(p / q) loses digits where p / q is near 1. Where p and q differ by less than this share of p, it is computed from
# their difference.
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
    # Near rho the two parts nearly cancel. Their errors have to be small, as a large beta multiplies them.
    value = np.sum(rho * _log_ratio(rho, r, d) + (1 - rho) * _log_ratio(1 - rho, 1 - r, -d))
    return value, d / (r * (1 - r))


def _log_ratio(p, q, difference):
    """log(p / q), given the difference q - p."""
    is_near = np.abs(difference) < _NEAR * p
    return np.where(is_near, -np.log1p(np.where(is_near, difference, 0.0) / p), np.log(p / q))


class Penalty(ABC):
    """A term of J that depends on means over rows of what the encoder's layers put out.

    Attributes
    ----------
    name : str
        Of the term, as in `loss_curve_`.
    n_sums : int
        Number of means.
    """

    name: str
    n_sums: int

    @abstractmethod
    def sums(self, outputs, sample_weight):
        """Weighted sums over rows, shape (n_sums,), in float64, given the outputs of the encoder's layers."""

    @abstractmethod
    def value(self, means):
        """The term, given these sums divided by the sum of the weights."""

    def unit_gradients(self, means, n_rows, dtype):
        """What of its derivative by the outputs is the same for all rows of weight 1: layer -> (n_units,)."""
        return {}

    def row_gradients(self, outputs, n_rows):
        """What of it depends on the row, for rows of weight 1: layer -> (n_rows of the block, n_units)."""
        return {}


class SparsityPenalty(Penalty):
    """beta * sum_j KL(rho || rho_hat_j), with j over every unit of every logistic encoder layer.

    Parameters
    ----------
    network : Network
    rho : float in (0, 1)
    beta : float >= 0
    """

    name = "sparsity"

    def __init__(self, network, *, rho, beta):
        self.rho = rho
        self.beta = beta
        encoder = enumerate(network.activations[network.encoder])
        self._layers = [layer for layer, name in encoder if ACTIVATIONS[name].is_probability]
        self._ends = np.cumsum([network.layer_sizes[layer + 1] for layer in self._layers], dtype=int)
        self.n_sums = int(self._ends[-1]) if self._layers else 0

    def sums(self, outputs, sample_weight):
        """Of the activations of all units j."""
        sums = [sum_over_rows(outputs[layer], sample_weight) for layer in self._layers]
        return np.concatenate([np.zeros(0), *sums])

    def value(self, rho_hat):
        return self.beta * kl_divergence(self.rho, rho_hat)[0]

    def unit_gradients(self, rho_hat, n_rows, dtype):
        derivative = (self.beta / n_rows * kl_divergence(self.rho, rho_hat)[1]).astype(dtype, copy=False)
        return dict(zip(self._layers, np.split(derivative, self._ends[:-1])))


# The penalties of J, in the order of its terms. Each is made by a function of the network, which is given the
# hyperparameters of all penalties by name.
PENALTIES = [lambda network, *, rho, beta: SparsityPenalty(network, rho=rho, beta=beta)]


class Penalties:
    """All penalties of J.

    Parameters
    ----------
    network : Network
    **hyperparameters
        Of the penalties.
    """

    def __init__(self, network, **hyperparameters):
        self._network = network
        self._penalties = [make(network, **hyperparameters) for make in PENALTIES]
        self._ends = np.cumsum([penalty.n_sums for penalty in self._penalties])[:-1]

    @property
    def names(self):
        return tuple(penalty.name for penalty in self._penalties)

    def sums(self, outputs, sample_weight):
        """The sums of all, one after the other."""
        return np.concatenate([penalty.sums(outputs, sample_weight) for penalty in self._penalties])

    def values(self, means):
        """The terms, given the means of all."""
        parts = np.split(means, self._ends)
        return np.array([penalty.value(part) for penalty, part in zip(self._penalties, parts)])

    def unit_gradients(self, means, n_rows, dtype):
        """The sum of those of all."""
        parts = np.split(means, self._ends)
        return _added(*(penalty.unit_gradients(part, n_rows, dtype) for penalty, part in zip(self._penalties, parts)))

    def output_gradients(self, block, outputs, shared, code_gradient=None):
        """What backpropagation adds to derivatives with respect to outputs: layer -> array that fits the block's rows.

        shared has n_rows, of all rows, and unit_gradients. code_gradient, or None, is added for the code.
        """
        gradients = shared.unit_gradients
        if block.sample_weight is not None:
            gradients = {layer: np.outer(_weights(block, unit), unit) for layer, unit in gradients.items()}
        for penalty in self._penalties:
            own = penalty.row_gradients(outputs, shared.n_rows)
            gradients = _added(gradients, {layer: weigh_rows(row, block.sample_weight) for layer, row in own.items()})
        if code_gradient is None:
            return gradients
        return _added(gradients, {self._network.n_encoder_layers - 1: code_gradient})


def _weights(block, like):
    return block.sample_weight.astype(like.dtype, copy=False)


def _added(first, *others):
    """Sum of dicts of arrays, key by key."""
    added = first
    for other in others:
        if other:
            added = added | {key: added[key] + array if key in added else array for key, array in other.items()}
    return added
