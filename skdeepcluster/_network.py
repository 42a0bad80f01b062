"""The network: forward pass and backpropagation. It knows neither loss nor training loop.

Row-vector convention of scikit-learn's MLP: a_0 = X, a_l = s_l(a_{l-1} W_l + b_l), with W_l of shape (n_in, n_out).
"""

from typing import NamedTuple

import numpy as np

from ._activations import ACTIVATIONS


class Network(NamedTuple):
    """The architecture: what the layers are, without their weights.

    Attributes
    ----------
    layer_sizes : tuple of int, length L + 1
        Number of units of every layer, the input included.
    activations : tuple of str, length L
        Names of the activation functions s_1, ..., s_L.
    n_encoder_layers : int
        The output of this layer is the code; the layers after it are the decoder.
    """

    layer_sizes: tuple
    activations: tuple
    n_encoder_layers: int


def propagate(X, coefs, intercepts, activations):
    """Outputs [a_1, ..., a_L] of every layer for the rows of X, shape (n, n_in), dense or sparse."""
    outputs = []
    a = X
    for W, b, name in zip(coefs, intercepts, activations):
        z = a @ W
        z += b
        a = ACTIVATIONS[name].apply(z)
        outputs.append(a)
    return outputs


def backpropagate(X, outputs, delta, coefs, activations, output_gradients, gradients):
    """Gradient of a sum over rows with respect to every W_l and b_l.

    Parameters
    ----------
    X : ndarray or sparse operand of shape (n, n_in)
    outputs : list of L ndarrays
        What `propagate` returned for X.
    delta : ndarray of shape (n, n_out)
        Derivative of the sum with respect to a_L, row by row. Overwritten.
    coefs : list of L ndarrays
    activations : sequence of L str
    output_gradients : dict of int to ndarray
        For a layer l in 0, ..., L - 2: what the sum's derivative with respect to its output has besides the part that
        comes back from the layer above, shape (n, n_units) or broadcastable to it.
    gradients : pair of lists of L ndarrays
        Places for the derivatives with respect to coefs and intercepts. Overwritten.
    """
    inputs = [X, *outputs[:-1]]
    coef_gradients, intercept_gradients = gradients
    for layer in reversed(range(len(coefs))):
        delta = ACTIVATIONS[activations[layer]].multiply_by_derivative(delta, outputs[layer])
        transposed_product(inputs[layer], delta, out=coef_gradients[layer])
        delta.sum(axis=0, out=intercept_gradients[layer])
        if layer > 0:
            delta = delta @ coefs[layer].T
            if layer - 1 in output_gradients:
                delta += output_gradients[layer - 1]


def transposed_product(A, B, out):
    """Write A^T B to out; A is an array or a sparse operand."""
    if isinstance(A, np.ndarray):
        np.matmul(A.T, B, out=out)
    else:
        out[...] = A.T @ B
