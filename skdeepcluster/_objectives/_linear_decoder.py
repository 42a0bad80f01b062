"""The objective of the sparse autoencoder with a linear output layer, from products with X alone."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from .._network import backpropagate, propagate
from .._parameters import ParameterLayout
from ._block import Block, sum_over_rows, total, weigh_rows
from ._gradients import ErrorSignals, gradient_sums, known_pieces
from ._sparsity import SparsityPenalty, of_rows, with_code_gradient
from ._terms import inner_product, weight_decay

# Smallest ridge relative to the trace of A^T A / n: below it rounding errors, of S in float32 and of its inverse in
# float64, show in the decoder.
_SMALLEST_RIDGE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-11}


class LinearDecoderStatistics(NamedTuple):
    """What is summed over rows before the decoder is known; additive over blocks, field by field.

    A is the output of the last hidden layer, c its output for a row of zeros: a shift that keeps the digits of a code
    that hardly varies.

    Attributes
    ----------
    n_rows : int
    weight, activations
        As in `Statistics`.
    a_sum : ndarray of shape (h,), float64
        sum_i w_i (a_i - c).
    gram : ndarray of shape (h, h)
        (A - c)^T diag(w) (A - c).
    cross : ndarray of shape (d, h)
        X^T diag(w) (A - c).
    x_sum, x_squares
        As in `Block`.
    """

    n_rows: int
    weight: float
    activations: np.ndarray
    a_sum: np.ndarray
    gram: np.ndarray
    cross: np.ndarray
    x_sum: np.ndarray
    x_squares: float


class LinearDecoder(NamedTuple):
    """The decoder, and what of J and its gradient is known without a second look at the rows.

    Attributes
    ----------
    n_rows, share, rho_hat, output_gradients
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
    share: float
    rho_hat: np.ndarray
    output_gradients: dict
    coef_transposed: np.ndarray
    intercept: np.ndarray
    signal_coef: np.ndarray
    signal_offset: np.ndarray
    error: float
    coef_gradient_transposed: np.ndarray | None
    intercept_gradient: np.ndarray | None


class LinearDecoderObjective:
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

    The parts of an evaluation are those of `SparseAutoencoderObjective`.

    Parameters
    ----------
    network : Network
        With an identity output layer, as wide as the input. Tied weights cannot be projected out.
    rho, beta, lam
        As in `SparseAutoencoderObjective`.
    projected : bool
        Whether the output layer is projected out.

    Attributes
    ----------
    layout : ParameterLayout
        Places of the weights and biases in theta.

    References
    ----------
    G. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
    separate", 1973.
    """

    def __init__(self, network, *, rho, beta, lam, projected):
        self.network = network
        self.lam = lam
        self.projected = projected
        self.penalty = SparsityPenalty(network, rho, beta)
        self._n_hidden = len(network.activations) - 1
        self.layout = ParameterLayout(network.layer_sizes[:-1] if projected else network.layer_sizes, network.tied)

    def prepare(self, X, sample_weight=None, noisy=None):
        """The rows X as a `Block` with its sums."""
        w = np.ones(X.shape[0]) if sample_weight is None else sample_weight
        if issparse(X):
            x_sum, x_squares = X.T @ w, X.power(2) @ np.ones(X.shape[1])
        else:
            x_sum, x_squares = sum_over_rows(X, sample_weight), np.einsum("ij,ij->i", X, X, dtype=np.float64)
        return Block(X, sample_weight, noisy, x_sum=x_sum, x_squares=float(w @ x_squares))

    def forward(self, theta, block):
        """Outputs of the layers below the output layer, in the precision of the block, as theta is."""
        return propagate(block.inputs, *self._hidden(theta), self.network.activations[:-1])

    def statistics(self, theta, block, outputs):
        """The `LinearDecoderStatistics` of a block, given its `forward`."""
        A = outputs[-1] - self._shift(theta)
        weighted = A if block.sample_weight is None else weigh_rows(A.copy(), block.sample_weight)
        return LinearDecoderStatistics(
            block.n_rows,
            block.weight,
            self.penalty.activations(outputs, block.sample_weight),
            weighted.sum(axis=0, dtype=np.float64),
            weighted.T @ A,
            block.X.T @ weighted,
            block.x_sum.copy(),
            block.x_squares,
        )

    def combine(self, theta, statistics):
        """The `LinearDecoder` for the `LinearDecoderStatistics` of all rows, which are overwritten."""
        n_rows, n, activations, a_sum, gram, cross, x_sum, x_squares = statistics
        a_mean, x_mean = a_sum / n, x_sum / n
        S = gram / n - np.outer(a_mean, a_mean)
        T_transposed = np.divide(cross, n, out=cross)
        T_transposed -= np.outer(x_mean, a_mean)
        code_mean = a_mean + self._shift(theta)
        if self.projected:
            ridge = self._ridge(np.trace(S) + a_mean @ a_mean, theta.dtype)
            inverse = np.linalg.inv(S + ridge * np.eye(len(S)))
            W_transposed = T_transposed @ inverse.astype(T_transposed.dtype, copy=False)
            b = x_mean - W_transposed @ code_mean
        else:
            coefs, intercepts = self.layout.unpack(theta)
            W_transposed, b = np.ascontiguousarray(coefs[-1].T), intercepts[-1]
        e = W_transposed @ code_mean + b - x_mean
        signal_coef = W_transposed.T @ W_transposed
        x_variance = x_squares / n - x_mean @ x_mean
        error = x_variance - 2 * inner_product(T_transposed, W_transposed) + inner_product(S, signal_coef) + e @ e
        # Of a perfect reconstruction there are rounding errors of both signs.
        error = np.maximum(error, 0.0)
        share = n / n_rows
        if self.projected:
            gradients = None, None
        else:
            coef_gradient = W_transposed @ S.astype(W_transposed.dtype) - T_transposed + np.outer(e, code_mean)
            gradients = share * coef_gradient, share * e
        rho_hat = activations / n
        return LinearDecoder(
            n_rows,
            share,
            rho_hat,
            self.penalty.output_gradients(rho_hat, n_rows, theta.dtype),
            W_transposed.astype(theta.dtype, copy=False),
            b.astype(theta.dtype, copy=False),
            signal_coef.astype(theta.dtype, copy=False),
            (b @ W_transposed).astype(theta.dtype, copy=False),
            0.5 * share * error,
            *gradients,
        )

    def loss(self, theta, block, outputs):
        """Nothing: the `LinearDecoder` has the loss of all rows."""
        return 0.0

    def error_signals(self, theta, block, outputs, shared, code_gradient=None):
        """The `ErrorSignals` of a block for the layers below the output layer; their loss is in `LinearDecoder`.

        code_gradient is as in `SparseAutoencoderObjective.error_signals`.
        """
        coefs, _ = self._hidden(theta)
        delta = outputs[-1] @ shared.signal_coef
        delta -= block.X @ shared.coef_transposed
        delta += shared.signal_offset
        weigh_rows(delta, block.sample_weight)
        delta *= 1 / shared.n_rows
        output_gradients = of_rows(shared.output_gradients, block.sample_weight)
        output_gradients = with_code_gradient(output_gradients, self.network, code_gradient)
        delta += output_gradients.get(self._n_hidden - 1, 0)
        deltas = backpropagate(outputs, delta, coefs, self.network.activations[:-1], output_gradients)
        return ErrorSignals(0.0, [block.inputs, *outputs[:-1]], deltas)

    def gradient_sums(self, theta, block, outputs, shared):
        """The `GradientSums` of a block, zero for the output layer."""
        return gradient_sums(self.layout, self.error_signals(theta, block, outputs, shared))

    def finish(self, theta, shared, sums):
        """The terms of J and its gradient, of shape (layout.size,), from the sums over all blocks; overwrites them."""
        gradient = sums.gradient.astype(theta.dtype, copy=False)
        if not self.projected:
            coef_gradients, intercept_gradients = self.layout.unpack(gradient)
            # Tied, this is a view of the gradient of W_1.
            coef_gradients[-1][...] += shared.coef_gradient_transposed.T
            intercept_gradients[-1][...] = shared.intercept_gradient
        self.layout.flat_coefs(gradient)[...] += self.lam * self.layout.n_uses * self.layout.flat_coefs(theta)
        return self.terms(theta, shared, sums.loss), gradient

    def terms(self, theta, shared, loss):
        """The terms of J; loss is 0."""
        decay = weight_decay(self.layout.flat_coefs(theta), self.lam * self.layout.n_uses)
        if self.projected:
            decay += 0.5 * self.lam * np.trace(shared.signal_coef, dtype=np.float64)
        return np.array([shared.error + loss, decay, shared.share * self.penalty.value(shared.rho_hat)])

    def finish_in_pieces(self, theta, shared, signals_of_blocks):
        """As `finish`, from the `ErrorSignals` of every block; the one piece of the gradient is all of it."""
        sums = total(gradient_sums(self.layout, signals) for signals in signals_of_blocks)
        terms, gradient = self.finish(theta, shared, sums)
        return terms, known_pieces(gradient)

    def parameters(self, theta, shared):
        """All weights and biases, (coefs, intercepts), the output layer's from `combine`."""
        coefs, intercepts = self._hidden(theta)
        return [*coefs, shared.coef_transposed.T], [*intercepts, shared.intercept]

    def _hidden(self, theta):
        coefs, intercepts = self.layout.unpack(theta)
        return coefs[: self._n_hidden], intercepts[: self._n_hidden]

    def _shift(self, theta):
        """c, the output of the last hidden layer for a row of zeros, shape (h,)."""
        coefs, intercepts = self._hidden(theta)
        no_input = np.zeros((1, 0), dtype=theta.dtype)
        coefs = [coefs[0][:0], *coefs[1:]]
        return propagate(no_input, coefs, intercepts, self.network.activations[:-1])[-1][0]

    def _ridge(self, trace, dtype):
        """lam, or what keeps S + lam I regular, and its inverse finite, if that is more."""
        return max(self.lam, _SMALLEST_RIDGE[dtype] * trace, np.finfo(dtype).tiny)
