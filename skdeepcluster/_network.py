"""The network: forward pass and backpropagation. It knows neither loss nor training loop.

Row-vector convention of scikit-learn's MLP: a_0 = X, a_l = s_l(a_{l-1} W_l + b_l), with W_l of shape (n_in, n_out).
"""

from typing import NamedTuple

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
    tied : bool
        Whether the weights of the decoder are the transposes of the encoder's.
    """

    layer_sizes: tuple
    activations: tuple
    n_encoder_layers: int
    tied: bool = False

    @property
    def n_components(self):
        """Number of units of the code."""
        return self.layer_sizes[self.n_encoder_layers]


def mirrored_network(
    n_features, hidden_layer_sizes, n_components, *, activation, code_activation, output_activation, tied
):
    """The autoencoder whose decoder has the layers of the encoder in reverse."""
    sizes = (n_features, *hidden_layer_sizes, n_components, *reversed(hidden_layer_sizes), n_features)
    hidden = (activation,) * len(hidden_layer_sizes)
    activations = (*hidden, code_activation, *hidden, output_activation)
    return Network(sizes, activations, len(hidden) + 1, tied)


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


def backpropagate(outputs, delta, coefs, activations, output_gradients):
    """Error signals [delta_1, ..., delta_L]: the derivative of a sum over rows with respect to z_l = a_{l-1} W_l + b_l.

    Of that sum, a_{l-1}^T delta_l is the derivative with respect to W_l, and the sum of the rows of delta_l that with
    respect to b_l.

    Parameters
    ----------
    outputs : list of L ndarrays
        What `propagate` returned.
    delta : ndarray of shape (n, n_out)
        Derivative of the sum with respect to a_L, row by row. Overwritten.
    coefs : list of L ndarrays
    activations : sequence of L str
    output_gradients : dict of int to ndarray
        For a layer l in 0, ..., L - 2: what the sum's derivative with respect to its output has besides the part that
        comes back from the layer above, shape (n, n_units) or broadcastable to it.

    Returns
    -------
    deltas : list of L ndarrays of shape (n, n_units)
    """
    deltas = [None] * len(coefs)
    for layer in reversed(range(len(coefs))):
        deltas[layer] = ACTIVATIONS[activations[layer]].multiply_by_derivative(delta, outputs[layer])
        if layer > 0:
            delta = deltas[layer] @ coefs[layer].T
            if layer - 1 in output_gradients:
                delta += output_gradients[layer - 1]
    return deltas
