"""The flat parameter vector theta that solvers see, its named views, and its initial values."""

import numpy as np


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
        self.layer_sizes = tuple(layer_sizes)
        self.tied = tied
        coef_shapes = list(zip(self.layer_sizes[:-1], self.layer_sizes[1:]))
        self.n_layers = len(coef_shapes)
        self.n_uses = 2 if tied else 1
        self.n_stored = self.n_layers // self.n_uses
        self._shapes = coef_shapes[: self.n_stored] + [(n_units,) for n_units in self.layer_sizes[1:]]
        self._ends = np.cumsum([np.prod(shape, dtype=int) for shape in self._shapes]).tolist()
        self._n_coefs = self._ends[self.n_stored - 1]
        self.size = self._ends[-1]

    def unpack(self, theta):
        """Views of theta as (coefs, intercepts): lists of arrays of shapes (n_in, n_out) and (n_out,)."""
        views = [theta[part].reshape(shape) for part, shape in zip(self.slices(), self._shapes)]
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
        return np.concatenate([np.ravel(array) for array in (*coefs[: self.n_stored], *intercepts)])


def initial_parameters(layout, activations, random_state, dtype):
    """Draw the initial theta: weights uniform in +-sqrt(6 / (n_in + n_out + 1)), biases zero.

    The range of layers with relu is +-sqrt(1 / n_in), well below the sqrt(6 / n_in) that keeps the variance of outputs
    from layer to layer: codes that grow from a small start have the clearer clusters (docs/deep.md has the study).

    Parameters
    ----------
    layout : ParameterLayout
    activations : sequence of str
        Of every layer.
    random_state : numpy.random.RandomState
    dtype : float32 or float64

    Returns
    -------
    theta : ndarray of shape (layout.size,)

    References
    ----------
    A. Ng, "Sparse autoencoder", CS294A lecture notes, 2011, and the UFLDL exercise that goes with them; for relu, Y.
    LeCun et al., "Efficient BackProp", 1998, section 4.6, at a third of its variance.
    """
    theta = np.zeros(layout.size, dtype=dtype)
    coefs, _ = layout.unpack(theta)
    for W, activation in zip(coefs[: layout.n_stored], activations):
        n_in, n_out = W.shape
        bound = np.sqrt(1.0 / n_in) if activation == "relu" else np.sqrt(6.0 / (n_in + n_out + 1))
        W[:] = random_state.uniform(-bound, bound, size=W.shape)
    return theta
