"""From error signals to the gradient with respect to theta: all of it, or in pieces as a batch is worked on."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from .._arrays import column_sums, concatenated, device_of, is_numpy, is_on_cpu, namespace
from .._support._threads import equal_slices
from ._block import Sums, total

# Weights in a piece: many enough for fast products, few enough for the piece to stay in the cache until Adam uses it.
_PIECE_SIZE = 2**17


class ErrorSignals(NamedTuple):
    """What backpropagation leaves of a block of rows: its loss, and the factors of its gradient.

    Attributes
    ----------
    loss : float
        Sum over rows of w_i / 2 ||h(x_i) - x_i||^2, or 0 where that is known otherwise.
    inputs : list of arrays of shape (n_rows, n_in)
        a_{l-1} of the layers l = 1, 2, ...; the first may be sparse.
    deltas : list of ndarrays of shape (n_rows, n_out)
        delta_l, the derivative of J with respect to the pre-activations of these layers.
    """

    loss: float
    inputs: list
    deltas: list


@dataclass
class GradientSums(Sums):
    """Loss and gradient of the reconstruction, and the gradient of all penalties; additive over blocks of rows.

    Attributes
    ----------
    loss : float
        Sum over rows of w_i / 2 ||h(x_i) - x_i||^2.
    gradient : ndarray of shape (theta.size,)
        Of J, without weight decay.
    """

    loss: float
    gradient: np.ndarray


def gradient_sums(layout, signals):
    """The `GradientSums` of a block; zero for layers of the layout above those that have signals."""
    delta = signals.deltas[0]
    xp = namespace(delta)
    place = {} if is_numpy(delta) else {"device": device_of(delta)}
    gradient = xp.empty(layout.size, dtype=delta.dtype, **place)
    parts = layout.slices()
    coefs, intercepts = layout.unpack(gradient)
    for layer, W in enumerate(coefs[: layout.n_stored]):
        factors = _factors(layout, signals, layer)
        if not factors:
            gradient[parts[layer]] = 0
        for i, (A, B) in enumerate(factors):
            if i > 0:
                W += A.T @ B
            elif isinstance(A, np.ndarray):
                np.matmul(A.T, B, out=W)
            else:
                W[...] = A.T @ B
    for layer, b in enumerate(intercepts):
        if layer < len(signals.deltas):
            b[...] = column_sums(signals.deltas[layer])
        else:
            b[...] = 0
    return GradientSums(signals.loss, gradient)


def gradient_pieces(layout, signals_of_blocks, theta, lam):
    """Gradient of J, weight decay included, as pairs of a slice of theta and a function.

    The function computes the gradient in that slice. A layer of large weights has several pieces, and no gradient of
    the size of theta is ever in memory. There are none for layers of the layout above those that have signals.
    """
    if not is_on_cpu(theta):
        gradient = total(gradient_sums(layout, signals) for signals in signals_of_blocks).gradient
        add_decay(gradient, layout, theta, lam)
        return known_pieces(gradient)
    pieces = []
    parts = layout.slices()
    for layer in range(layout.n_stored):
        factors = [pair for signals in signals_of_blocks for pair in _factors(layout, signals, layer)]
        if not factors:
            continue
        n_in, n_out = layout.shape(layer)
        # Taking columns of a sparse matrix is expensive, so its layer is one piece.
        n_pieces = min(n_in, -(-n_in * n_out // _PIECE_SIZE)) if _is_dense(factors[0][0]) else 1
        for rows in equal_slices(n_in, n_pieces):
            start = parts[layer].start
            part = slice(start + rows.start * n_out, start + rows.stop * n_out)
            pieces.append((part, partial(_of_weights, factors, rows, theta[part], lam * layout.n_uses)))
    n_layers = len(signals_of_blocks[0].deltas)
    intercepts = slice(parts[layout.n_stored].start, parts[layout.n_stored + n_layers - 1].stop)
    pieces.append((intercepts, partial(_of_intercepts, [signals.deltas for signals in signals_of_blocks])))
    return pieces


def known_pieces(gradient):
    """A gradient that is there, in the form of `gradient_pieces`."""
    # On a device, few calls are best.
    size = gradient.shape[0]
    parts = equal_slices(size, -(-size // _PIECE_SIZE) if is_on_cpu(gradient) else 1)
    return [(part, partial(gradient.__getitem__, part)) for part in parts]


def add_decay(gradient, layout, theta, lam):
    """Add the derivative of the weight decay to a gradient."""
    layout.flat_coefs(gradient)[...] += lam * layout.n_uses * layout.flat_coefs(theta)


def _factors(layout, signals, layer):
    """Pairs (A, B) such that the gradient with respect to the stored W_layer is the sum of the products A^T B."""
    pairs = []
    if layer < len(signals.deltas):
        pairs.append((signals.inputs[layer], signals.deltas[layer]))
    mirrored = layout.n_layers - 1 - layer
    if layout.tied and mirrored < len(signals.deltas):
        pairs.append((signals.deltas[mirrored], signals.inputs[mirrored]))
    return pairs


def _is_dense(A):
    return isinstance(A, np.ndarray) or not is_numpy(A)


def _of_weights(factors, rows, weights, lam):
    gradient = None
    for A, B in factors:
        columns = A[:, rows] if _is_dense(A) else A
        product = columns.T @ B
        if gradient is None:
            gradient = product
        else:
            gradient += product
    gradient = namespace(gradient).reshape(gradient, (-1,))
    gradient += lam * weights
    return gradient


def _of_intercepts(deltas_of_blocks):
    return sum(concatenated(list(map(column_sums, deltas))) for deltas in deltas_of_blocks)
