"""The objective of the sparse autoencoder with a linear output layer, from products with X alone."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .._arrays import astype, copied, device_of, is_numpy, namespace, numpy_dtype, summed, vector, wide
from .._network import Layers, ParameterLayout
from ._block import Sums, inner_product, total, weigh_rows
from ._gradients import ErrorSignals, add_decay, gradient_sums, known_pieces
from ._protocol import Objective
from ._terms import Penalties, weight_decay

# Smallest ridge, relative to the trace of A^T A / n. With a smaller one the decoder shows the rounding errors of S,
# which is summed in float32, or of its inverse, which is computed in float64.
_SMALLEST_RIDGE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-11}


@dataclass
class LinearDecoderStatistics(Sums):
    """What is summed over rows before the decoder is known.

    A is the output of the last hidden layer, c its output for a row of zeros: a shift that keeps the digits of a code
    that hardly varies.

    Attributes
    ----------
    n_rows : int
    weight, penalty_sums
        As in `Statistics`.
    a_sum : ndarray of shape (h,), float64
        sum_i w_i (a_i - c).
    gram : ndarray of shape (h, h)
        (A - c)^T diag(w) (A - c).
    cross : ndarray of shape (d, h)
        X^T diag(w) (A - c).
    x_sum, x_squares
        As in `RowSums`.
    """

    n_rows: int
    weight: float
    penalty_sums: np.ndarray
    a_sum: np.ndarray
    gram: np.ndarray
    cross: np.ndarray
    x_sum: np.ndarray
    x_squares: float


class LinearDecoder(NamedTuple):
    """The decoder, and what of J and its gradient is known without a second look at the rows.

    Attributes
    ----------
    n_rows, mean_weight, means, unit_gradients
        As in `SharedByRows`.
    coef_transposed : ndarray of shape (d, h)
        W^T.
    intercept : ndarray of shape (d,)
        b.
    signal_coef, signal_offset : ndarrays of shapes (h, h) and (h,)
        W W^T and b W^T.
    error : float
        1/n sum_i w_i 1/2 ||h(x_i) - x_i||^2.
    coef_gradient_transposed, intercept_gradient : ndarrays of shapes (d, h) and (d,), or None
        Derivatives of the error with respect to W^T and b; None where the decoder is the best one.
    """

    n_rows: int
    mean_weight: float
    means: np.ndarray
    unit_gradients: dict
    coef_transposed: np.ndarray
    intercept: np.ndarray
    signal_coef: np.ndarray
    signal_offset: np.ndarray
    error: float
    coef_gradient_transposed: np.ndarray | None
    intercept_gradient: np.ndarray | None


class LinearDecoderObjective(Objective):
    """J of `SparseAutoencoderObjective` for the identity output, without the (n, d) residual.

    With m_A, m_X the weighted means of A and X, and

        S = A^T A / n - m_A^T m_A,   T = A^T X / n - m_A^T m_X,   e = m_A W + b - m_X

    the squared error and its derivatives are

        1/n sum_i 1/2 ||h(x_i) - x_i||^2  =  1/2 (tr cov(X) - 2 <T, W> + <W, S W> + ||e||^2)
        d/dW = S W - T + m_A^T e,   d/db = e,   d/dA = (A (W W^T) + b W^T - X W^T) / n

    so that X is only ever multiplied: 4 n d h + 2 n h^2 multiply-adds, and nnz(X) h in place of n d h for a sparse X.

    With ``projected=True`` theta holds the layers below the output layer only, and the output layer is the best one for
    them (variable projection), a ridge regression, at which the gradient is the one at fixed W (envelope theorem, exact
    but for a lam that is smaller than the ridge which working precision asks for)::

        W = (S + lam I)^-1 T,   b = m_X - m_A W

    Parameters
    ----------
    network : Network
        With an identity output layer, as wide as the input. Tied weights cannot be projected out.
    lam, **penalties
        As in `SparseAutoencoderObjective`.
    projected : bool
        Whether the output layer is projected out.

    References
    ----------
    G. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
    separate", 1973.
    """

    only_products = True

    def __init__(self, network, *, lam, projected, **penalties):
        self.network = network
        self.lam = lam
        self.projected = projected
        self.penalties = Penalties(network, **penalties)
        self._n_hidden = len(network.activations) - 1
        self.layout = ParameterLayout(network.layer_sizes[:-1]) if projected else network.layout

    @property
    def term_names(self):
        return ("reconstruction", "weight_decay", *self.penalties.names)

    def forward(self, theta, block):
        """Outputs of the layers below the output layer, in the precision of the block, as theta is."""
        return self._hidden(theta).outputs(block.inputs)

    def statistics(self, theta, block, outputs):
        """The `LinearDecoderStatistics` of a block, given its `forward`."""
        A = outputs[-1] - self._shift(theta)
        weighted = A if block.sample_weight is None else weigh_rows(copied(A), block.sample_weight)
        return LinearDecoderStatistics(
            block.n_rows,
            block.weight,
            self.penalties.sums(outputs, block.sample_weight),
            summed(weighted, axis=0),
            weighted.T @ A,
            block.X.T @ weighted,
            copied(block.sums.x_sum),
            block.sums.x_squares,
        )

    def combine(self, theta, statistics, map_=map):
        """The `LinearDecoder` for the `LinearDecoderStatistics` of all rows, which are overwritten."""
        n_rows, n, xp = statistics.n_rows, statistics.weight, namespace(theta)
        a_mean, x_mean = statistics.a_sum / n, statistics.x_sum / n
        S = statistics.gram / n - _outer(a_mean, a_mean)
        T_transposed = statistics.cross
        T_transposed /= n
        T_transposed[...] = astype(T_transposed - _outer(x_mean, a_mean), T_transposed.dtype)
        code_mean = a_mean + self._shift(theta)
        if self.projected:
            ridge = self._ridge(float(_trace(S) + a_mean @ a_mean), numpy_dtype(theta))
            inverse = xp.linalg.inv(S + ridge * _identity(S))
            W_transposed = T_transposed @ astype(inverse, T_transposed.dtype)
            b = x_mean - _product(W_transposed, code_mean)
        else:
            coefs, intercepts = self.layout.unpack(theta)
            W_transposed, b = coefs[-1].T, intercepts[-1]
            if is_numpy(W_transposed):
                W_transposed = np.ascontiguousarray(W_transposed)
        e = _product(W_transposed, code_mean) + b - x_mean
        signal_coef = W_transposed.T @ W_transposed
        x_variance = statistics.x_squares / n - x_mean @ x_mean
        error = x_variance - 2 * inner_product(T_transposed, W_transposed) + inner_product(S, signal_coef) + e @ e
        # Rounding can make the error of a perfect reconstruction slightly negative.
        error = xp.maximum(error, xp.zeros_like(error))
        mean_weight = n / n_rows
        if self.projected:
            gradients = None, None
        else:
            coef_gradient = W_transposed @ astype(S, W_transposed.dtype) - T_transposed + _outer(e, code_mean)
            gradients = mean_weight * coef_gradient, mean_weight * e
        means = statistics.penalty_sums / n
        return LinearDecoder(
            n_rows,
            mean_weight,
            means,
            self.penalties.unit_gradients(means, n_rows, theta.dtype),
            astype(W_transposed, theta.dtype),
            astype(b, theta.dtype),
            astype(signal_coef, theta.dtype),
            astype(_product(b, W_transposed), theta.dtype),
            0.5 * mean_weight * error,
            *gradients,
        )

    def loss(self, theta, block, outputs):
        """Nothing: the `LinearDecoder` has the loss of all rows."""
        return 0.0

    def error_signals(self, theta, block, outputs, shared, code_gradient=None):
        """The `ErrorSignals` of a block for the layers below the output layer; their loss is in `LinearDecoder`.

        code_gradient is as in `SparseAutoencoderObjective.error_signals`.
        """
        delta = outputs[-1] @ shared.signal_coef
        delta -= block.X @ shared.coef_transposed
        delta += shared.signal_offset
        weigh_rows(delta, block.sample_weight)
        delta *= 1 / shared.n_rows
        output_gradients = self.penalties.output_gradients(block, outputs, shared, code_gradient)
        delta += output_gradients.get(self._n_hidden - 1, 0.0)
        deltas = self._hidden(theta).backpropagate(outputs, delta, output_gradients)
        return ErrorSignals(0.0, [block.inputs, *outputs[:-1]], deltas)

    def finish(self, theta, shared, sums):
        """The terms of J and its gradient, of shape (layout.size,), from the sums over all blocks; overwrites them."""
        gradient = astype(sums.gradient, theta.dtype)
        if not self.projected:
            coef_gradients, intercept_gradients = self.layout.unpack(gradient)
            # With tied weights this is a view of the gradient of W_1, which it adds to.
            own = coef_gradients[-1]
            own[...] = astype(own + shared.coef_gradient_transposed.T, gradient.dtype)
            intercept_gradients[-1][...] = astype(shared.intercept_gradient, gradient.dtype)
        add_decay(gradient, self.layout, theta, self.lam)
        return self.terms(theta, shared, sums.loss), gradient

    def terms(self, theta, shared, loss):
        """The terms of J; loss is 0, and the `LinearDecoder` has the error."""
        decay = weight_decay(self.layout.flat_coefs(theta), self.lam * self.layout.n_uses)
        if self.projected:
            decay += 0.5 * self.lam * _trace(wide(shared.signal_coef))
        penalties = (shared.mean_weight * value for value in self.penalties.values(shared.means))
        return vector([shared.error + loss, decay, *penalties], theta)

    def finish_in_pieces(self, theta, shared, signals_of_blocks):
        """As `finish`, from the `ErrorSignals` of every block; the one piece of the gradient is all of it."""
        sums = total(gradient_sums(self.layout, signals) for signals in signals_of_blocks)
        terms, gradient = self.finish(theta, shared, sums)
        return terms, known_pieces(gradient)

    def parameters(self, theta, shared):
        """All `Layers`, the output layer's weights from `combine`."""
        coefs, intercepts, _ = self._hidden(theta)
        return Layers([*coefs, shared.coef_transposed.T], [*intercepts, shared.intercept], self.network.activations)

    def _hidden(self, theta):
        """The `Layers` below the output layer."""
        coefs, intercepts = self.layout.unpack(theta)
        hidden = slice(self._n_hidden)
        return Layers(coefs[hidden], intercepts[hidden], self.network.activations[hidden])

    def _shift(self, theta):
        """c, the output of the last hidden layer for a row of zeros, shape (h,)."""
        coefs, intercepts, activations = self._hidden(theta)
        # An input without columns gives zeros at no cost.
        no_input = namespace(theta).reshape(theta[:0], (1, 0))
        return Layers([coefs[0][:0, :], *coefs[1:]], intercepts, activations).outputs(no_input)[-1][0, :]

    def _ridge(self, trace, dtype):
        """lam, or what keeps S + lam I regular, and its inverse finite, if that is more."""
        return max(self.lam, _SMALLEST_RIDGE[dtype] * trace, np.finfo(dtype).tiny)


def _outer(a, b):
    return a[:, None] * b[None, :]


def _product(A, B):
    """A B, where their types may differ."""
    return A @ B if is_numpy(A) else wide(A) @ wide(B)


def _trace(A):
    return np.trace(A) if is_numpy(A) else namespace(A).linalg.trace(A)


def _identity(A):
    return np.eye(len(A)) if is_numpy(A) else namespace(A).eye(A.shape[0], dtype=A.dtype, device=device_of(A))
