import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skdeepcluster._network import Network, ParameterLayout, initial_parameters


def test_unpack_gives_named_views_in_order():
    layout = ParameterLayout((2, 3, 2))
    assert layout.size == 6 + 6 + 3 + 2
    theta = np.arange(17.0)
    coefs, intercepts = layout.unpack(theta)
    assert_array_equal(coefs[0], [[0, 1, 2], [3, 4, 5]])
    assert_array_equal(coefs[1], [[6, 7], [8, 9], [10, 11]])
    assert_array_equal(intercepts[0], [12, 13, 14])
    assert_array_equal(intercepts[1], [15, 16])
    coefs[1][0, 0] = -1
    assert theta[6] == -1


@pytest.mark.parametrize("layer_sizes", [(4, 2), (5, 3, 5), (7, 4, 2, 4, 7)])
def test_pack_is_the_inverse_of_unpack(layer_sizes, rng):
    layout = ParameterLayout(layer_sizes)
    theta = rng.normal(size=layout.size)
    assert_array_equal(layout.pack(*layout.unpack(theta)), theta)


def test_pack_copies_and_keeps_the_precision():
    layout = ParameterLayout((1, 1))
    theta = np.array([1, 2], dtype=np.float32)
    packed = layout.pack(*layout.unpack(theta))
    assert packed.dtype == np.float32
    assert not np.shares_memory(packed, theta)


def test_flat_coefs_is_a_view_of_the_weights_alone():
    layout = ParameterLayout((2, 3, 2))
    theta = np.arange(17.0)
    layout.flat_coefs(theta)[...] *= -1
    assert_array_equal(theta, [*-np.arange(12.0), *np.arange(12.0, 17.0)])


def test_initial_weights_fill_their_range_and_biases_are_zero():
    network = Network((30, 23, 30), ("logistic", "identity"), 1)
    coefs, intercepts, _ = network.layers(initial_parameters(network, np.random.RandomState(0), np.float64))
    bound = 1 / 3  # sqrt(6 / (30 + 23 + 1))
    for W in coefs:
        assert np.abs(W).max() <= bound
        assert W.max() > 0.95 * bound
        assert W.min() < -0.95 * bound
    assert all((b == 0).all() for b in intercepts)


@pytest.mark.parametrize("tied", [False, True])
def test_layers_of_relu_start_small(tied):
    network = Network((800, 400, 800), ("relu", "identity"), 1, tied)
    W = network.layers(initial_parameters(network, np.random.RandomState(0), np.float64)).coefs[0]
    assert W.var() == pytest.approx(1 / 800 / 3, rel=0.02)
    assert np.abs(W).max() < np.sqrt(1 / 800)


@pytest.mark.parametrize("tied", [False, True])
def test_initial_parameters_depend_on_the_seed_alone(tied):
    network = Network((4, 3, 4), ("relu", "identity"), 1, tied)
    first, second, other = (initial_parameters(network, np.random.RandomState(seed), np.float32) for seed in (0, 0, 1))
    assert first.dtype == np.float32
    assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_tied_weights_are_stored_once():
    layout = ParameterLayout((4, 3, 2, 3, 4), tied=True)
    assert layout.size == 12 + 6 + 3 + 2 + 3 + 4
    assert (layout.n_layers, layout.n_stored, layout.n_uses) == (4, 2, 2)
    theta = np.arange(float(layout.size))
    coefs, intercepts = layout.unpack(theta)
    assert_array_equal(coefs[3], coefs[0].T)
    assert_array_equal(coefs[2], coefs[1].T)
    assert [b.tolist() for b in intercepts] == [[18, 19, 20], [21, 22], [23, 24, 25], [26, 27, 28, 29]]
    assert_array_equal(layout.flat_coefs(theta), np.arange(18))
    assert_array_equal(layout.pack(coefs, intercepts), theta)
    coefs[3][0, 0] = -1
    assert theta[0] == -1
