"""The objective of the sparse autoencoder."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from .._arrays import astype, vector
from ._block import Sums
from ._gradients import ErrorSignals, add_decay, gradient_pieces
from ._protocol import Objective
from ._terms import Penalties, half_squared_error, weight_decay


@dataclass
class Statistics(Sums):
    """What the gradient needs to know of all rows at once.

    Attributes
    ----------
    n_rows : int
    weight : float
        Sum of the sample weights, or the number of rows without weights.
    penalty_sums : ndarray of shape (n_sums,), float64
        Of `Penalties`: for the KL term the weighted sums over rows of its activations.
    """

    n_rows: int
    weight: float
    penalty_sums: np.ndarray


class SharedByRows(NamedTuple):
    """What the gradient of every row depends on.

    Attributes
    ----------
    n_rows : int
    mean_weight : float
        Mean of the sample weights: 1 for all rows of the data.
    means : ndarray of shape (n_sums,)
        Of `Penalties`: for the KL term the mean activations rho_hat.
    unit_gradients : dict of int to ndarray
        What they add to the error signal of a layer, alike for all rows of weight 1.
    """

    n_rows: int
    mean_weight: float
    means: np.ndarray
    unit_gradients: dict


class SparseAutoencoderObjective(Objective):
    """The objective of the sparse autoencoder::

        J(W, b) = 1/n sum_i w_i 1/2 ||h(x_i) - x_i||^2  +  lam/2 sum_l ||W_l||_F^2  +  beta sum_j KL(rho || rho_hat_j)
        rho_hat_j      = sum_i w_i a_j(x_i) / sum_i w_i
        KL(rho || r)   = rho log(rho / r) + (1 - rho) log((1 - rho) / (1 - r))

    The sum over j runs over every unit of every logistic encoder layer; biases carry no weight decay. The KL term
    enters backpropagation as beta * (-rho / rho_hat + (1 - rho) / (1 - rho_hat)), added to the error signal of its
    layer. The weights w have mean 1 over all n rows of the data. A batch of them counts by the mean of its own weights,
    which multiplies the error and the KL term, so that heavy rows weigh as much in batches as in all.

    If a block has noisy rows, the network sees these, and reconstructs the clean ones (a denoising autoencoder).

    Parameters
    ----------
    network : Network
        The last layer has as many units as the input. With tied weights, every W_l counts in the weight decay.
    lam : float >= 0
        Weight of weight decay.
    **penalties
        Hyperparameters of `Penalties`: rho in (0, 1), the target mean activation, and beta >= 0, the weight of the KL
        term.

    References
    ----------
    A. Ng, "Sparse autoencoder", CS294A lecture notes, 2011, section 3.
    """

    def __init__(self, network, *, lam, **penalties):
        self.network = network
        self.lam = lam
        self.penalties = Penalties(network, **penalties)
        self.layout = network.layout

    @property
    def term_names(self):
        return ("reconstruction", "weight_decay", *self.penalties.names)

    def forward(self, theta, block):
        """Outputs of the encoder's layers, in the precision of the block, as theta is."""
        return self.network.layers(theta).part(self.network.encoder).outputs(block.inputs)

    def statistics(self, theta, block, outputs):
        """The `Statistics` of a block, given its `forward`."""
        return Statistics(block.n_rows, block.weight, self.penalties.sums(outputs, block.sample_weight))

    def combine(self, theta, statistics, map_=map):
        """What is `SharedByRows`, from the `Statistics` of all rows."""
        n_rows, weight = statistics.n_rows, statistics.weight
        means = statistics.penalty_sums / weight
        return SharedByRows(n_rows, weight / n_rows, means, self.penalties.unit_gradients(means, n_rows, theta.dtype))

    def loss(self, theta, block, outputs):
        """Sum over rows of w_i / 2 ||h(x_i) - x_i||^2, given the `forward` of a block."""
        H = self._decode(theta, outputs[-1])[-1]
        X = block.X.toarray() if issparse(block.X) else block.X
        return half_squared_error(H, X, block.sample_weight, in_place=True)[0]

    def error_signals(self, theta, block, outputs, shared, code_gradient=None):
        """The `ErrorSignals` of a block, given its `forward` and what `combine` returned for all rows.

        code_gradient, of shape (n_rows, n_components), is the derivative with respect to the code of what is minimised
        besides J.
        """
        layers = self.network.layers(theta)
        outputs = outputs + self._decode(theta, outputs[-1])
        X = block.X.toarray() if issparse(block.X) else block.X
        # The residual may overwrite a linear output, whose derivative does not need it.
        linear = self.network.activations[-1] == "identity"
        loss, delta = half_squared_error(outputs[-1], X, block.sample_weight, in_place=linear)
        delta *= 1 / shared.n_rows
        output_gradients = self.penalties.output_gradients(block, outputs, shared, code_gradient)
        deltas = layers.backpropagate(outputs, delta, output_gradients)
        return ErrorSignals(loss, [block.inputs, *outputs[:-1]], deltas)

    def finish(self, theta, shared, sums):
        """The terms of J and its gradient, of shape (layout.size,), from the sums over all blocks; overwrites them."""
        gradient = astype(sums.gradient, theta.dtype)
        add_decay(gradient, self.layout, theta, self.lam)
        return self.terms(theta, shared, sums.loss), gradient

    def finish_in_pieces(self, theta, shared, signals_of_blocks):
        """The terms of J, and the pieces of its gradient that `gradient_pieces` gives, from all `ErrorSignals`."""
        pieces = gradient_pieces(self.layout, signals_of_blocks, theta, self.lam)
        return self.terms(theta, shared, sum(signals.loss for signals in signals_of_blocks)), pieces

    def terms(self, theta, shared, loss):
        """The terms of J, from the sum of `loss` over all blocks."""
        decay = weight_decay(self.layout.flat_coefs(theta), self.lam * self.layout.n_uses)
        penalties = (shared.mean_weight * value for value in self.penalties.values(shared.means))
        return vector([loss / shared.n_rows, decay, *penalties], theta)

    def parameters(self, theta, shared):
        """All `Layers`."""
        return self.network.layers(theta)

    def _decode(self, theta, code):
        """Outputs of the decoder's layers."""
        return self.network.layers(theta).part(self.network.decoder).outputs(code)
