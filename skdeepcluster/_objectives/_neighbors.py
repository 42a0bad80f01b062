"""The neighbour term of J: it draws rows to their neighbours, and away from all others, in the code."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .._arrays import astype, concatenated, device_of, is_numpy, namespace, row_products, summed, vector, wide
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
    m, xp = code.shape[0], namespace(code)
    w = xp.ones_like(code[:, 0]) if sample_weight is None else astype(sample_weight, code.dtype)
    Z = code / unit
    Z -= xp.mean(Z, axis=0)
    S, squared_phi = (_similarities if is_numpy(Z) else _similarities_at_once)(Z, w, map_)
    # A code so far apart that phi vanishes has no finite value.
    with np.errstate(divide="ignore"):
        rates, log_S = w / S, xp.log(S)
    pull, attraction = _attraction(Z, w, group_size)
    value = summed(w * log_S) + pull
    return Contrast(value / m, Z, squared_phi, rates, w, attraction)


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


def _similarities_at_once(Z, w, map_):
    """`_similarities` by a few calls, without threads."""
    points, squares, xp = Z, row_products(Z, Z), namespace(Z)
    if float(xp.max(squares)) * float(xp.finfo(Z.dtype).eps) > _LARGEST_ERROR:
        points = wide(Z)
        squares = row_products(points, points)
    phi = points @ points.T
    phi *= -2
    phi += squares[:, None]
    phi += 1 + squares
    phi = 1 / xp.clip(phi, 1)
    phi *= 1 - xp.eye(*phi.shape, dtype=phi.dtype, device=device_of(phi))
    phi = astype(phi, Z.dtype)
    return phi @ w, phi * phi


def _attraction(Z, w, group_size):
    """m times what draws neighbours together in T, and its derivative with respect to the points."""
    xp = namespace(Z)
    groups, group_weights = xp.reshape(Z, (-1, group_size, Z.shape[1])), xp.reshape(w, (-1, group_size))
    differences = groups[:, :, None, :] - groups[:, None, :, :]
    distances = _over_components(differences, differences)
    shares = xp.tile(group_weights[:, None, :], (1, group_size, 1))
    for i in range(group_size):
        shares[:, i, i] = 0
    shares /= xp.sum(shares, axis=2, keepdims=True)
    pulls = group_weights[:, :, None] * shares
    value = summed(pulls * xp.log1p(distances))
    pulls = (pulls + _transposed(pulls)) / (1 + distances)
    return value, 2 * xp.reshape(_over_neighbors(pulls, differences), Z.shape)


def _transposed(A):
    return A.transpose(0, 2, 1) if is_numpy(A) else namespace(A).matrix_transpose(A)


def _over_components(A, B):
    """Sums over the last axis of the products."""
    return np.einsum("gijc,gijc->gij", A, B) if is_numpy(A) else namespace(A).sum(A * B, axis=-1)


def _over_neighbors(pulls, differences):
    """sum_j pulls_gij differences_gijc."""
    if is_numpy(pulls):
        return np.einsum("gij,gijc->gic", pulls, differences)
    return (pulls[:, :, None, :] @ differences)[:, :, 0, :]


def contrast_gradient(shared, rows, unit):
    """Derivative of T with respect to the code of a slice of the rows, given their `Contrast`."""
    Z, Q, rates, w = shared.points, shared.squared_phi[rows, :], shared.rates, shared.sample_weight
    # d log S_i and d log S_k both depend on ||z_i - z_k||: sum_k Q_ik (w_i / S_i w_k + w_k / S_k w_i) (z_i - z_k).
    n_components = Z.shape[1]
    w_column, rates_column = w[:, None], rates[:, None]
    columns = concatenated([w_column, rates_column, w_column * Z, rates_column * Z], axis=1)
    sums = Q @ columns
    a, b = rates_column[rows, :], w_column[rows, :]
    pushes = (a * sums[:, :1] + b * sums[:, 1:2]) * Z[rows, :]
    pushes -= a * sums[:, 2 : 2 + n_components] + b * sums[:, 2 + n_components :]
    return (shared.attraction[rows, :] - 2 * pushes) / float(Z.shape[0] * unit)


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
        w = None if weights[0] is None else concatenated(weights)
        own = self.autoencoder.combine(theta, statistics.own, map_)
        return SharedByNeighbors(own, contrast(concatenated(codes), w, self.group_size, self.unit, map_))

    def error_signals(self, theta, block, outputs, shared, code_gradient=None):
        gradient = contrast_gradient(shared.contrast, block.position, self.unit)
        gradient *= self.weight
        if code_gradient is not None:
            gradient += code_gradient
        return self.autoencoder.error_signals(theta, block, outputs, shared.own, gradient)

    def finish_in_pieces(self, theta, shared, signals_of_blocks):
        terms, pieces = self.autoencoder.finish_in_pieces(theta, shared.own, signals_of_blocks)
        return concatenated([terms, vector([self.weight * shared.contrast.value], theta)]), pieces

    def value(self, code, sample_weight):
        """The neighbour term of a batch, given its code."""
        return self.weight * float(contrast(code, sample_weight, self.group_size, self.unit).value)
