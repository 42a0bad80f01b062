import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

from helpers.gradients import numerical_gradient
from skdeepcluster._network import Layers, Network, ParameterLayout, mirrored_network


@pytest.fixture
def network(rng):
    sizes = (4, 3, 2, 5)
    coefs = [rng.normal(size=shape) for shape in itertools.pairwise(sizes)]
    intercepts = [rng.normal(size=size) for size in sizes[1:]]
    return Layers(coefs, intercepts, ("logistic", "logistic", "identity"))


def test_outputs_by_hand():
    layers = Layers(
        [np.array([[1.0], [-1.0]]), np.array([[2.0, 4.0]])],
        [np.array([1.0]), np.array([0.0, -1.0])],
        ("logistic", "identity"),
    )
    outputs = layers.outputs(np.array([[1.0, 2.0]]))
    assert_allclose(outputs[0], [[0.5]])  # 1 * 1 - 2 * 1 + 1 = 0
    assert_allclose(outputs[1], [[1.0, 1.0]])


def test_outputs_are_the_composition_of_layers(network, rng):
    (W1, W2, W3), (b1, b2, b3), _ = network
    X = rng.normal(size=(6, 4))
    outputs = network.outputs(X)
    assert_allclose(outputs[-1], expit(expit(X @ W1 + b1) @ W2 + b2) @ W3 + b3, rtol=1e-12)


def test_backpropagate_against_finite_differences(network, rng):
    # sum_i (1/2 ||a_3||^2 + c . a_1): the second part enters below the top, as the KL term does.
    coefs, intercepts, activations = network
    X, c = rng.normal(size=(6, 4)), rng.normal(size=3)

    layout = ParameterLayout((4, 3, 2, 5))

    def value(theta):
        outputs = Layers(*layout.unpack(theta), activations).outputs(X)
        return 0.5 * np.sum(outputs[-1] ** 2) + np.sum(outputs[0] @ c)

    outputs = network.outputs(X)
    deltas = network.backpropagate(outputs, outputs[-1].copy(), {0: c})
    inputs = [X, *outputs[:-1]]
    gradient = layout.pack([a.T @ delta for a, delta in zip(inputs, deltas)], [delta.sum(axis=0) for delta in deltas])
    expected = numerical_gradient(value, layout.pack(coefs, intercepts))
    assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)


def test_the_decoder_mirrors_the_encoder():
    network = mirrored_network(
        9, (7, 5), 2, activation="relu", code_activation="tanh", output_activation="identity", tied=True
    )
    assert network == Network(
        layer_sizes=(9, 7, 5, 2, 5, 7, 9),
        activations=("relu", "relu", "tanh", "relu", "relu", "identity"),
        n_encoder_layers=3,
        tied=True,
    )
    assert network.n_components == 2
