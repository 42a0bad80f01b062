"""Finite differences, to hold gradients to."""

import numpy as np


def central_difference(function, x, direction=1.0, step=1e-6):
    """The derivative of a function at x, along a direction; of functions that work element by element, all of them."""
    return (function(x + step * direction) - function(x - step * direction)) / (2 * step)


def numerical_gradient(function, x, step=1e-6):
    return np.array([central_difference(function, x, direction, step) for direction in np.eye(x.size)])


def relative_error(actual, expected):
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)
