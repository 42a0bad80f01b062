"""The neighbour term of J: it draws rows to their neighbours, and away from all others, in the code."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .._support._threads import equal_slices
from ._block import Sums
from ._protocol import BatchObjective

# Squared distances come from products, which cancel. With a larger error than this, the products are of float64.
_LARGEST_ERROR = 1e-3

# Rows whose similarities to all others are computed at once.
_BLOCK_ROWS = 256


class Contrast(NamedTuple):
    """What all rows of a batch have to know of each other.

    Attributes
    ----------
    value : float
        T.
    points : ndarray of shape (n_rows, n_components)
        The code in units u, less its mean.
    squared_phi : ndarray of shape (n_rows, n_rows)
        phi(z_i, z_k)^2, of a row and itself 0.
    rates : ndarray of shape (n_rows,)
        w_i / S_i, where S_i is the sum over k of w_k phi(z_i, z_k).
    sample_weight : ndarray of shape (n_rows,)
    attraction : ndarray of shape (n_rows, n_components)
        Derivative of n_rows times the part of T that draws neighbours together, with respect to the points.
    """

    value: float
    points: np.ndarray
    squared_phi: np.ndarray
    rates: np.ndarray
    sample_weight: np.ndarray
    attraction: np.ndarray


def contrast(code, sample_weight, group_size, unit, map_=map):
    """The `Contrast` of a batch::

        T = 1/m sum_i w_i [ log sum_{k != i} w_k phi(z_i, z_k)  -  sum_{j in g(i)} w_j log phi(z_i, z_j) / w_g(i) ]
        phi(a, b) = 1 / (1 + ||a - b||^2 / u^2),   w_g(i) = sum_{j in g(i)} w_j

    Parameters
    ----------
    code : ndarray of shape (n_rows, n_components)
        z, group after group.
    sample_weight : ndarray of shape (n_rows,) or None
        w.
    group_size : int
        Rows of a group, of which g(i) has all but i.
    unit : float
        u.
    map_ : callable
        Shares out blocks of rows.

    References
    ----------
    S. Damrich et al., "From t-SNE to UMAP with contrastive learning", 2023, equation 9 (InfoNCE), here with the whole
    batch in the denominator.
    """
    m = len(code)
    w = np.ones(m, dtype=code.dtype) if sample_weight is None else sample_weight.astype(code.dtype)
    Z = code / code.dtype.type(unit)
    Z -= Z.mean(axis=0)
    S, squared_phi = _similarities(Z, w, map_)
    # A code so far apart that phi vanishes has no finite value.
    with np.errstate(divide="ignore"):
        rates, log_S = w / S, np.log(S)
    pull, attraction = _attraction(Z, w, group_size)
    value = np.sum(w * log_S, dtype=np.float64) + pull
    return Contrast(float(value) / m, Z, squared_phi, rates, w, attraction)


def _similarities(Z, w, map_):
    """S, and phi^2 of all pairs of points, where phi of a point and itself is 0."""
    m, points, squares = len(Z), Z, np.einsum("ij,ij->i", Z, Z)
    if squares.max() * np.finfo(Z.dtype).eps > _LARGEST_ERROR:
        points = Z.astype(np.float64)
        squares = np.einsum("ij,ij->i", points, points)
    ones = np.ones_like(squares)
    # 1 + ||z_i - z_k||^2 by one product.
    left = np.column_stack([-2 * points, 1 + squares, ones])
    right = np.column_stack([points, ones, squares]).T
    S, squared_phi = np.empty_like(w), np.empty((m, m), dtype=Z.dtype)

    def fill(rows):
        phi = left[rows] @ right
        # Of points that are the same it may be below 1, by rounding.
        np.maximum(phi, 1, out=phi)
        np.reciprocal(phi, out=phi)
        np.fill_diagonal(phi[:, rows], 0)
        phi = phi.astype(Z.dtype, copy=False)
        S[rows] = phi @ w
        np.square(phi, out=squared_phi[rows])

    for _ in map_(fill, equal_slices(m, -(-m // _BLOCK_ROWS))):
        pass
    return S, squared_phi


def _attraction(Z, w, group_size):
    """m times what draws neighbours together in T, and its derivative with respect to the points."""
    groups, group_weights = Z.reshape(-1, group_size, Z.shape[1]), w.reshape(-1, group_size)
    differences = groups[:, :, np.newaxis] - groups[:, np.newaxis]
    distances = np.einsum("gijc,gijc->gij", differences, differences)
    shares = np.repeat(group_weights[:, np.newaxis], group_size, axis=1)
    shares[:, np.arange(group_size), np.arange(group_size)] = 0
    shares /= shares.sum(axis=2, keepdims=True)
    pulls = group_weights[:, :, np.newaxis] * shares
    value = np.sum(pulls * np.log1p(distances), dtype=np.float64)
    pulls = (pulls + pulls.transpose(0, 2, 1)) / (1 + distances)
    return value, 2 * np.einsum("gij,gijc->gic", pulls, differences).reshape(Z.shape)


def contrast_gradient(shared, rows, unit):
    """Derivative of T with respect to the code of a slice of the rows, given their `Contrast`."""
    Z, Q, rates, w = shared.points, shared.squared_phi[rows], shared.rates, shared.sample_weight
    # d log S_i and d log S_k both depend on ||z_i - z_k||: sum_k Q_ik (w_i / S_i w_k + w_k / S_k w_i) (z_i - z_k).
    n_components = Z.shape[1]
    weighted = np.column_stack([w, rates])
    columns = np.column_stack([weighted, w[:, np.newaxis] * Z, rates[:, np.newaxis] * Z])
    sums = Q @ columns
    a, b = rates[rows, np.newaxis], w[rows, np.newaxis]
    pushes = (a * sums[:, :1] + b * sums[:, 1:2]) * Z[rows]
    pushes -= a * sums[:, 2 : 2 + n_components] + b * sums[:, 2 + n_components :]
    return (shared.attraction[rows] - 2 * pushes) / Z.dtype.type(len(Z) * unit)


@dataclass
class CoupledStatistics(Sums):
    """Of a block: what the autoencoder's gradient needs, and its code. Codes of blocks are added one to the other.

    Attributes
    ----------
    own : Statistics
    codes : list of ndarray
    sample_weights : list of ndarray or None
    """

    own: Sums
    codes: list
    sample_weights: list


class SharedByNeighbors(NamedTuple):
    """What the autoencoder's rows share, and their `Contrast`."""

    own: Any
    contrast: Contrast

    @property
    def n_rows(self):
        return self.own.n_rows


class NeighborObjective(BatchObjective):
    """The objective of the autoencoder with neighbours in it::

        J(W, b) = J_sparse(W, b)  +  neighbor_weight V T,   V = 1/2 total variance of the data

    of batches that are groups of neighbours, one after the other; T is that of `contrast`.

    Parameters
    ----------
    autoencoder : SparseAutoencoderObjective or LinearDecoderObjective
        J_sparse, nothing projected out.
    group_size : int
        Rows of a group.
    weight : float > 0
        neighbor_weight V.
    unit : float > 0
        u.

    References
    ----------
    S. Damrich et al., "From t-SNE to UMAP with contrastive learning", 2023. J. N. Boehm, P. Berens, D. Kobak,
    "Unsupervised visualization of image datasets using contrastive learning", 2023.
    """

    has_large_blocks = True

    def __init__(self, autoencoder, *, group_size, weight, unit):
        self.autoencoder = autoencoder
        self.network = autoencoder.network
        self.layout = autoencoder.layout
        self.only_products = autoencoder.only_products
        self.group_size = group_size
        self.weight = weight
        self.unit = unit

    @property
    def term_names(self):
        return (*self.autoencoder.term_names, "neighbors")

    def forward(self, theta, block):
        return self.autoencoder.forward(theta, block)

    def statistics(self, theta, block, outputs):
        code = outputs[self.network.n_encoder_layers - 1]
        return CoupledStatistics(self.autoencoder.statistics(theta, block, outputs), [code], [block.sample_weight])

    def combine(self, theta, statistics, map_=map):
        codes, weights = statistics.codes, statistics.sample_weights
        w = None if weights[0] is None else np.concatenate(weights)
        own = self.autoencoder.combine(theta, statistics.own, map_)
        return SharedByNeighbors(own, contrast(np.concatenate(codes), w, self.group_size, self.unit, map_))

    def error_signals(self, theta, block, outputs, shared, code_gradient=None):
        gradient = contrast_gradient(shared.contrast, block.position, self.unit)
        gradient *= gradient.dtype.type(self.weight)
        if code_gradient is not None:
            gradient += code_gradient
        return self.autoencoder.error_signals(theta, block, outputs, shared.own, gradient)

    def finish_in_pieces(self, theta, shared, signals_of_blocks):
        terms, pieces = self.autoencoder.finish_in_pieces(theta, shared.own, signals_of_blocks)
        return np.append(terms, self.weight * shared.contrast.value), pieces

    def value(self, code, sample_weight):
        """The neighbour term of a batch, given its code."""
        return self.weight * contrast(code, sample_weight, self.group_size, self.unit).value
