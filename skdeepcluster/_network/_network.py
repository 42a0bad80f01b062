"""The network: what its layers are, where their parameters lie in theta, forward pass and backpropagation.

Row-vector convention of scikit-learn's MLP: a_0 = X, a_l = s_l(a_{l-1} W_l + b_l), with W_l of shape (n_in, n_out).
"""

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .._arrays import concatenated, flat, is_numpy, namespace
from ._activations import ACTIVATIONS


class Layers(NamedTuple):
    """Layers with their weights, one after the other.

    Attributes
    ----------
    coefs : list of ndarrays of shape (n_in, n_out)
        W_1, W_2, ...
    intercepts : list of ndarrays of shape (n_out,)
        b_1, b_2, ...
    activations : tuple of str
        Names of the activation functions s_1, s_2, ...
    """

    coefs: list
    intercepts: list
    activations: tuple

    def part(self, which):
        """The layers that a slice picks."""
        return Layers(self.coefs[which], self.intercepts[which], self.activations[which])

    @property
    def n_units(self):
        """Number of units of all layers together."""
        return sum(b.shape[0] for b in self.intercepts)

    def outputs(self, X):
        """Outputs [a_1, a_2, ...] of every layer for the rows of X, shape (n, n_in), dense or sparse."""
        outputs = []
        a = X
        for W, b, name in zip(*self):
            z = a @ W
            z += b
            a = ACTIVATIONS[name].apply(z)
            outputs.append(a)
        return outputs

    def backpropagate(self, outputs, delta, output_gradients):
        """Error signals [delta_1, delta_2, ...]: derivatives of a sum over rows by z_l = a_{l-1} W_l + b_l.

        Of that sum, a_{l-1}^T delta_l is the derivative with respect to W_l, and the sum of the rows of delta_l that
        with respect to b_l.

        Parameters
        ----------
        outputs : list of L ndarrays
            What `outputs` returned.
        delta : ndarray of shape (n, n_out)
            Derivative of the sum with respect to a_L, row by row. Overwritten.
        output_gradients : dict of int to ndarray
            For a layer l in 0, ..., L - 2: what the sum's derivative with respect to its output has besides the part
            that comes back from the layer above, shape (n, n_units) or broadcastable to it.

        Returns
        -------
        deltas : list of L ndarrays of shape (n, n_units)
        """
        deltas = [None] * len(self.coefs)
        for layer in reversed(range(len(self.coefs))):
            activation = ACTIVATIONS[self.activations[layer]]
            deltas[layer] = activation.multiply_by_derivative(delta, outputs[layer])
            if layer > 0:
                delta = deltas[layer] @ self.coefs[layer].T
                if layer - 1 in output_gradients:
                    delta += output_gradients[layer - 1]
        return deltas


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

    @property
    def n_hidden_units(self):
        """Number of units of all layers between input and output."""
        return sum(self.layer_sizes[1:-1])

    @property
    def encoder(self):
        """The layers up to the code, as a slice."""
        return slice(self.n_encoder_layers)

    @property
    def decoder(self):
        """The layers after the code, as a slice."""
        return slice(self.n_encoder_layers, None)

    @property
    def layout(self):
        """Where the parameters of all layers lie in theta: a `ParameterLayout`."""
        return _layout(self.layer_sizes, self.tied)

    def layers(self, theta):
        """All `Layers`, as views of theta."""
        return Layers(*self.layout.unpack(theta), self.activations)


class ParameterLayout:
    """Where the weights and biases of a network with layers of the given sizes lie in the flat vector theta.

    theta holds W_1, ..., W_L (row-major), then b_1, ..., b_L. Tied, the layer sizes are a palindrome, theta holds the
    weights of the first half alone, and those of the second half are their transposes, W_{L+1-l} = W_l^T.

    Parameters
    ----------
    layer_sizes : sequence of int, length L + 1
        Number of units of every layer, the input included.
    tied : bool, default=False

    Attributes
    ----------
    size : int
        Length of theta.
    n_layers : int
        L.
    n_stored : int
        Number of weight matrices that theta holds: L, or L / 2 if they are tied.
    n_uses : int
        Number of layers that each of them serves: 1, or 2 if they are tied.
    """

    def __init__(self, layer_sizes, tied=False):
        coef_shapes = list(pairwise(layer_sizes))
        self.tied = tied
        self.n_layers = len(coef_shapes)
        self.n_uses = 2 if tied else 1
        self.n_stored = self.n_layers // self.n_uses
        self._shapes = coef_shapes[: self.n_stored] + [(n_units,) for n_units in layer_sizes[1:]]
        self._ends = np.cumsum([np.prod(shape, dtype=int) for shape in self._shapes]).tolist()
        self._n_coefs = self._ends[self.n_stored - 1]
        self.size = self._ends[-1]

    def unpack(self, theta):
        """Views of theta as (coefs, intercepts): lists of arrays of shapes (n_in, n_out) and (n_out,)."""
        # The method takes half the time of the function, and there are many layers in many batches.
        reshape = np.ndarray.reshape if is_numpy(theta) else namespace(theta).reshape
        views = [reshape(theta[part], shape) for part, shape in zip(self.slices(), self._shapes)]
        coefs, intercepts = views[: self.n_stored], views[self.n_stored :]
        return coefs + [W.T for W in reversed(coefs)] if self.tied else coefs, intercepts

    def slices(self):
        """Where in theta the stored weights lie, and then the biases, as one list of slices."""
        return [slice(start, stop) for start, stop in zip([0, *self._ends], self._ends)]

    def shape(self, layer):
        """(n_in, n_out) of a layer's weights."""
        return self._shapes[layer]

    def flat_coefs(self, theta):
        """View of all stored weights in theta, shape (n_weights,)."""
        return theta[: self._n_coefs]

    def pack(self, coefs, intercepts):
        """Copy coefs and intercepts into a new theta; the inverse of `unpack`."""
        return concatenated([flat(array) for array in (*coefs[: self.n_stored], *intercepts)])


@lru_cache
def _layout(layer_sizes, tied):
    return ParameterLayout(layer_sizes, tied)


def mirrored_network(
    n_features, hidden_layer_sizes, n_components, *, activation, code_activation, output_activation, tied
):
    """The autoencoder whose decoder has the layers of the encoder in reverse."""
    sizes = (n_features, *hidden_layer_sizes, n_components, *reversed(hidden_layer_sizes), n_features)
    hidden = (activation,) * len(hidden_layer_sizes)
    activations = (*hidden, code_activation, *hidden, output_activation)
    return Network(sizes, activations, len(hidden) + 1, tied)


def initial_parameters(network, random_state, dtype):
    """Draw the initial theta: weights uniform between -r and r, with the r of the layer's activation; biases zero.

    Parameters
    ----------
    network : Network
    random_state : numpy.random.RandomState
    dtype : float32 or float64

    Returns
    -------
    theta : ndarray of shape (network.layout.size,)
    """
    layout = network.layout
    theta = np.zeros(layout.size, dtype=dtype)
    coefs, _ = layout.unpack(theta)
    for W, activation in zip(coefs[: layout.n_stored], network.activations):
        r = ACTIVATIONS[activation].initial_range(*W.shape)
        W[:] = random_state.uniform(-r, r, size=W.shape)
    return theta
