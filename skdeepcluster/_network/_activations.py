"""Activation functions and their derivatives, both in place.

Every function may overwrite its argument, so that a layer costs no temporary beyond its own output.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .._arrays import is_numpy, namespace, overwritten


class Activation(NamedTuple):
    """An activation function s, and what the rest of the package has to know of it.

    Attributes
    ----------
    apply : callable
        ``apply(Z)`` returns s(Z) for the pre-activations Z, shape (n, n_units), which it may overwrite.
    multiply_by_derivative : callable
        ``multiply_by_derivative(delta, A)`` returns delta * s'(Z) where A = s(Z), shape (n, n_units). It may overwrite
        delta; A is left as it is.
    initial_range : callable
        ``initial_range(n_in, n_out)``: the largest initial weight of a layer of that shape.
    is_probability : bool
        Whether s lies strictly between 0 and 1, so that the KL term is defined for its mean.
    unit : float
        In which distances of neighbours are measured in a code of such units.
    """

    apply: Callable
    multiply_by_derivative: Callable
    initial_range: Callable
    is_probability: bool = False
    unit: float = 1.0


def _ng_range(n_in, n_out):
    """sqrt(6 / (n_in + n_out + 1)): A. Ng, "Sparse autoencoder", CS294A, 2011, and the UFLDL exercise of it."""
    return np.sqrt(6.0 / (n_in + n_out + 1))


def _small_range(n_in, n_out):
    """sqrt(1 / n_in): Y. LeCun et al., "Efficient BackProp", 1998, section 4.6, at a third of its variance.

    It is well below the sqrt(6 / n_in) that keeps the variance of outputs from layer to layer: codes that grow from a
    small start have the clearer clusters (docs/studies/deep.md has the study).
    """
    return np.sqrt(1.0 / n_in)


def _identity(Z):
    return Z


def _multiply_by_identity_derivative(delta, A):
    return delta


def _logistic(Z):
    # 1 / (1 + exp(-z)) = (1 + tanh(z / 2)) / 2: NumPy's tanh is vectorised, scipy.special.expit is not.
    Z *= 0.5
    Z = overwritten("tanh", Z)
    Z += 1
    Z *= 0.5
    return Z


def _multiply_by_logistic_derivative(delta, A):
    delta *= A
    delta *= 1 - A
    return delta


def _tanh(Z):
    return overwritten("tanh", Z)


def _multiply_by_tanh_derivative(delta, A):
    delta *= 1 - A * A
    return delta


def _relu(Z):
    if not is_numpy(Z):
        return namespace(Z).clip(Z, 0)
    # With a scalar in place of the row of zeros, np.maximum is several times slower.
    return np.maximum(Z, np.zeros_like(Z, shape=Z.shape[-1]), out=Z)


def _multiply_by_relu_derivative(delta, A):
    if not is_numpy(A):
        return namespace(A).where(A > 0, delta, 0.0)
    delta *= A > 0
    return delta


ACTIVATIONS = {
    "identity": Activation(_identity, _multiply_by_identity_derivative, _ng_range),
    "logistic": Activation(_logistic, _multiply_by_logistic_derivative, _ng_range, is_probability=True, unit=0.3),
    "tanh": Activation(_tanh, _multiply_by_tanh_derivative, _ng_range, unit=0.6),
    "relu": Activation(_relu, _multiply_by_relu_derivative, _small_range),
}
