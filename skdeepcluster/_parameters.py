"""The flat parameter vector theta that solvers see, its named views, and its initial values."""

import numpy as np


class ParameterLayout:
    """Where the weights and biases of a network with layers of the given sizes lie in the flat vector theta.

    theta holds W_1, ..., W_L (row-major), then b_1, ..., b_L.

    Parameters
    ----------
    layer_sizes : sequence of int, length L + 1
        Number of units of every layer, the input included.

    Attributes
    ----------
    size : int
        Length of theta.
    n_layers : int
        L.
    """

    def __init__(self, layer_sizes):
        self.layer_sizes = tuple(layer_sizes)
        self._coef_shapes = list(zip(self.layer_sizes[:-1], self.layer_sizes[1:]))
        self._shapes = self._coef_shapes + [(n_units,) for n_units in self.layer_sizes[1:]]
        self.n_layers = len(self._coef_shapes)
        self._n_coefs = sum(int(np.prod(shape)) for shape in self._coef_shapes)
        self.size = sum(int(np.prod(shape)) for shape in self._shapes)

    def unpack(self, theta):
        """Views of theta as (coefs, intercepts): lists of arrays of shapes (n_in, n_out) and (n_out,)."""
        views, start = [], 0
        for shape in self._shapes:
            stop = start + int(np.prod(shape))
            views.append(theta[start:stop].reshape(shape))
            start = stop
        return views[: self.n_layers], views[self.n_layers :]

    def flat_coefs(self, theta):
        """View of all weights in theta, shape (n_weights,)."""
        return theta[: self._n_coefs]

    def pack(self, coefs, intercepts):
        """Copy coefs and intercepts into a new theta; the inverse of `unpack`."""
        return np.concatenate([np.ravel(array) for array in (*coefs, *intercepts)])


def initial_parameters(layout, random_state, dtype):
    """Draw the initial theta: weights uniform in +-sqrt(6 / (n_in + n_out + 1)), biases zero.

    Parameters
    ----------
    layout : ParameterLayout
    random_state : numpy.random.RandomState
    dtype : float32 or float64

    Returns
    -------
    theta : ndarray of shape (layout.size,)

    References
    ----------
    A. Ng, "Sparse autoencoder", CS294A lecture notes, 2011, and the UFLDL exercise that goes with them.
    """
    theta = np.zeros(layout.size, dtype=dtype)
    coefs, _ = layout.unpack(theta)
    for W in coefs:
        bound = np.sqrt(6.0 / (sum(W.shape) + 1))
        W[:] = random_state.uniform(-bound, bound, size=W.shape)
    return theta
