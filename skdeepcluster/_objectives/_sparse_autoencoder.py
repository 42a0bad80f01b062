"""The objective of the sparse autoencoder."""

from typing import NamedTuple

import numpy as np

from .._network import backpropagate, propagate
from .._parameters import ParameterLayout
from ._terms import half_squared_error, kl_divergence, weight_decay


class Statistics(NamedTuple):
    """What the gradient needs to know of all rows at once; additive over blocks of rows, field by field.

    Attributes
    ----------
    n : float
        Sum of the sample weights, or number of rows without weights.
    activations : ndarray of shape (n_penalised_units,), float64
        Weighted sum over rows of the activations that the KL term constrains.
    """

    n: float
    activations: np.ndarray


class GradientSums(NamedTuple):
    """Loss and gradient of the reconstruction and of the KL term through rho_hat; additive over blocks of rows.

    Attributes
    ----------
    loss : float
        Sum over rows of w_i / 2 ||h(x_i) - x_i||^2.
    gradient : ndarray of shape (theta.size,), float64
        Sum over rows, not yet divided by n, without weight decay.
    """

    loss: float
    gradient: np.ndarray


class SparseAutoencoderObjective:
    """The objective of the sparse autoencoder, in parts that add up over blocks of rows::

        J(W, b) = 1/n sum_i w_i 1/2 ||h(x_i) - x_i||^2  +  lam/2 sum_l ||W_l||_F^2  +  beta sum_j KL(rho || rho_hat_j)
        rho_hat_j      = 1/n sum_i w_i a_j(x_i),   n = sum_i w_i
        KL(rho || r)   = rho log(rho / r) + (1 - rho) log((1 - rho) / (1 - r))

    The sum over j runs over every unit of every logistic encoder layer; biases carry no weight decay. The KL term
    enters backpropagation as beta * (-rho / rho_hat + (1 - rho) / (1 - rho_hat)), added to the error signal of its
    layer.

    J is not a sum over blocks of rows, since KL is nonlinear in the mean. So an evaluation has three parts: add
    `statistics` over all blocks, then add `gradient_sums`, then `finish`. `value_and_grad` is the one-block case.

    Parameters
    ----------
    network : Network
        The last layer has as many units as the input.
    rho : float in (0, 1)
        Target mean activation.
    beta, lam : float >= 0
        Weights of the KL term and of weight decay.

    Attributes
    ----------
    layout : ParameterLayout
        Places of the weights and biases in theta.

    References
    ----------
    A. Ng, "Sparse autoencoder", CS294A lecture notes, 2011, section 3.
    """

    def __init__(self, network, *, rho, beta, lam):
        self.network = network
        self.rho = rho
        self.beta = beta
        self.lam = lam
        self.layout = ParameterLayout(network.layer_sizes)
        self._penalised_layers = [
            layer for layer in range(network.n_encoder_layers) if network.activations[layer] == "logistic"
        ]

    def forward(self, theta, X):
        """Outputs of every layer for a block X, in the precision of X."""
        coefs, intercepts = self._unpack_like(theta, X)
        return propagate(X, coefs, intercepts, self.network.activations)

    def statistics(self, theta, X, sample_weight=None, *, outputs=None):
        """The `Statistics` of a block of rows.

        Parameters
        ----------
        theta : ndarray of shape (layout.size,)
        X : ndarray of shape (n_block, d), float32 or float64
        sample_weight : ndarray of shape (n_block,), float64, default=None
        outputs : list of ndarrays, default=None
            ``forward(theta, X)`` where it is at hand; None computes it.

        Returns
        -------
        Statistics
        """
        outputs = self.forward(theta, X) if outputs is None else outputs
        n = float(X.shape[0]) if sample_weight is None else sample_weight.sum()
        sums = [_sum_over_rows(outputs[layer], sample_weight) for layer in self._penalised_layers]
        return Statistics(n, np.concatenate([np.zeros(0), *sums]))

    def gradient_sums(self, theta, X, statistics, sample_weight=None, *, outputs=None):
        """The `GradientSums` of a block of rows, given the `Statistics` of all rows.

        Parameters
        ----------
        theta, X, sample_weight, outputs
            As in `statistics`.
        statistics : Statistics
            The sum over all blocks.

        Returns
        -------
        GradientSums
        """
        outputs = self.forward(theta, X) if outputs is None else outputs
        coefs, _ = self._unpack_like(theta, X)
        loss, delta = half_squared_error(outputs[-1], X, sample_weight)
        coef_gradients, intercept_gradients = backpropagate(
            X,
            outputs,
            delta,
            coefs,
            self.network.activations,
            self._sparsity_gradients(statistics, sample_weight, X.dtype),
        )
        return GradientSums(loss, self.layout.pack(coef_gradients, intercept_gradients))

    def finish(self, theta, statistics, sums):
        """J and its gradient from the sums over all blocks.

        Parameters
        ----------
        theta : ndarray of shape (layout.size,), float64
        statistics : Statistics
        sums : GradientSums

        Returns
        -------
        value : float
        gradient : ndarray of shape (layout.size,), float64
        """
        value = sums.loss / statistics.n
        value += self.beta * kl_divergence(self.rho, self.mean_activations(statistics))[0]
        gradient = sums.gradient / statistics.n
        coefs, _ = self.layout.unpack(theta)
        coef_gradients, _ = self.layout.unpack(gradient)
        for W, coef_gradient in zip(coefs, coef_gradients):
            decay, decay_gradient = weight_decay(W, self.lam)
            value += decay
            coef_gradient += decay_gradient
        return float(value), gradient

    def value_and_grad(self, theta, X, sample_weight=None):
        """J and its gradient with all rows in one block; see `finish`."""
        outputs = self.forward(theta, X)
        statistics = self.statistics(theta, X, sample_weight, outputs=outputs)
        sums = self.gradient_sums(theta, X, statistics, sample_weight, outputs=outputs)
        return self.finish(theta, statistics, sums)

    @staticmethod
    def mean_activations(statistics):
        """rho_hat of every penalised unit, shape (n_penalised_units,)."""
        return statistics.activations / statistics.n

    def _unpack_like(self, theta, X):
        return self.layout.unpack(theta.astype(X.dtype, copy=False))

    def _sparsity_gradients(self, statistics, sample_weight, dtype):
        """Derivative of n * beta * sum_j KL with respect to the outputs of every penalised layer."""
        _, derivative = kl_divergence(self.rho, self.mean_activations(statistics))
        derivative = (self.beta * derivative).astype(dtype, copy=False)
        gradients, start = {}, 0
        for layer in self._penalised_layers:
            stop = start + self.network.layer_sizes[layer + 1]
            per_unit = derivative[start:stop]
            if sample_weight is None:
                gradients[layer] = per_unit
            else:
                gradients[layer] = np.outer(sample_weight.astype(dtype, copy=False), per_unit)
            start = stop
        return gradients


def _sum_over_rows(A, sample_weight):
    """Weighted sum of the rows of A, accumulated in float64."""
    if sample_weight is None:
        return A.sum(axis=0, dtype=np.float64)
    return sample_weight @ A
