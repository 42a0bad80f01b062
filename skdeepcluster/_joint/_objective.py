"""The objective of joint deep clustering."""

from typing import NamedTuple

import numpy as np

from .._arrays import astype, concatenated, flat, namespace, vector
from .._objectives import BatchObjective, ErrorSignals, gradient_pieces
from ._assignments import clustering_divergence


class JointSignals(NamedTuple):
    """What an evaluation leaves of a block of rows.

    Attributes
    ----------
    network : ErrorSignals
        Those of the network, the clustering term included; of the encoder alone if nothing is reconstructed.
    divergence : float
        sum_i w_i KL(p_i || q_i).
    center_gradient : ndarray of shape (n_clusters, n_components)
        Derivative of J with respect to the centres in units of s.
    """

    network: ErrorSignals
    divergence: float
    center_gradient: np.ndarray


class EmbeddedClusteringObjective(BatchObjective):
    """The objective of the autoencoder together with that of clusters in its code::

        J(W, b, mu) = J_sparse(W, b)  +  gamma 1/n sum_i w_i sum_j p_ij log(p_ij / q_ij)
        q_ij  proportional to  (1 + ||z_i - mu_j||^2 / (alpha s^2))^(-(alpha + 1) / 2),   z_i the code of x_i

    The targets p are those of the block, and fixed: `target_distribution` of the q of some earlier theta. That needs
    the frequencies of all rows, f_j = sum_i w_i q_ij, which add up over blocks.

    Parameters
    ----------
    autoencoder : SparseAutoencoderObjective or LinearDecoderObjective
        J_sparse, nothing projected out.
    n_clusters : int
    gamma : float > 0
        Weight of the clustering term.
    alpha : float > 0
        Degrees of freedom of q.
    unit : float > 0
        s, the unit of distance in the code.
    reconstructs : bool
        Whether J_sparse counts (IDEC). Without it (DEC) the decoder has no gradient.
    scale : float, default=1.0
        As in `BatchObjective`.

    Attributes
    ----------
    layout : ParameterLayout
        Of the network. The centres in units of s, row by row, come after it in theta.

    References
    ----------
    X. Guo et al., "Improved deep embedded clustering with local structure preservation", 2017, equation 6. J. Xie et
    al., "Unsupervised deep embedding for clustering analysis", 2016.
    """

    def __init__(self, autoencoder, n_clusters, *, gamma, alpha, unit, reconstructs, scale=1.0):
        self.autoencoder = autoencoder
        self.network = autoencoder.network
        self.layout = autoencoder.layout
        self.gamma = gamma
        self.alpha = alpha
        self.unit = unit
        self.reconstructs = reconstructs
        self.scale = scale
        self.only_products = autoencoder.only_products
        self.has_large_blocks = autoencoder.has_large_blocks
        self._centers_shape = n_clusters, self.network.n_components

    @property
    def term_names(self):
        return (*self.autoencoder.term_names, "clustering")

    def pack(self, coefs, intercepts, centers):
        """Copy the parameters into a new theta."""
        return concatenated([self.layout.pack(coefs, intercepts), flat(centers) / self.unit])

    def centers(self, theta):
        """The centres, shape (n_clusters, n_components)."""
        return self.unit * self._centers_in_units(theta)

    def forward(self, theta, block):
        """Outputs of the layers that come before a second look at the rows, those of the encoder first."""
        return self.autoencoder.forward(theta, block)

    def statistics(self, theta, block, outputs):
        """The statistics of J_sparse."""
        return self.autoencoder.statistics(theta, block, outputs)

    def combine(self, theta, statistics, map_=map):
        """What the rows share in J_sparse."""
        return self.autoencoder.combine(theta, statistics, map_)

    def error_signals(self, theta, block, outputs, shared):
        """The `JointSignals` of a block, given its `forward` and what `combine` returned for all rows."""
        centers = self._centers_in_units(theta)
        code = outputs[self.network.n_encoder_layers - 1] / self.unit
        divergence, code_gradient, center_gradient = self.clustering_term(code, centers, block)
        factor = self.gamma / shared.n_rows
        code_gradient = astype(factor / self.unit * code_gradient, theta.dtype)
        if self.reconstructs:
            signals = self.autoencoder.error_signals(theta, block, outputs, shared, code_gradient)
        else:
            signals = self._encoder_signals(theta, block, outputs, code_gradient)
        return JointSignals(signals, divergence, astype(factor * center_gradient, theta.dtype))

    def clustering_term(self, code, centers, block):
        """Its value for a block without gamma / n, and its derivatives by code and centres; all in units of s."""
        return clustering_divergence(code, centers, block.targets, self.alpha, block.sample_weight)

    def finish_in_pieces(self, theta, shared, signals_of_blocks):
        """The terms of J, and its gradient as pairs of a slice of theta and a function that computes it there."""
        signals = [of_block.network for of_block in signals_of_blocks]
        if self.reconstructs:
            terms, pieces = self.autoencoder.finish_in_pieces(theta, shared, signals)
        else:
            terms = vector([0.0] * len(self.autoencoder.term_names), theta)
            pieces = gradient_pieces(self.layout, signals, theta, lam=0.0)
        divergence = sum(of_block.divergence for of_block in signals_of_blocks)
        pieces.append((slice(self.layout.size, theta.shape[0]), lambda: self._center_gradient(signals_of_blocks)))
        return concatenated([terms, vector([self.gamma * divergence / shared.n_rows], theta)]), pieces

    def _centers_in_units(self, theta):
        return namespace(theta).reshape(theta[self.layout.size :], self._centers_shape)

    def _encoder_signals(self, theta, block, outputs, code_gradient):
        encoder = self.network.encoder
        outputs = outputs[encoder]
        deltas = self.network.layers(theta).part(encoder).backpropagate(outputs, code_gradient, {})
        return ErrorSignals(0.0, [block.inputs, *outputs[:-1]], deltas)

    @staticmethod
    def _center_gradient(signals_of_blocks):
        return flat(sum(signals.center_gradient for signals in signals_of_blocks))
