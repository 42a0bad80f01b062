import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skdeepcluster._parameters import ParameterLayout, initial_parameters


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
    layout = ParameterLayout((30, 23, 30))
    coefs, intercepts = layout.unpack(initial_parameters(layout, np.random.RandomState(0), np.float64))
    bound = 1 / 3  # sqrt(6 / (30 + 23 + 1))
    for W in coefs:
        assert np.abs(W).max() <= bound
        assert W.max() > 0.95 * bound
        assert W.min() < -0.95 * bound
    assert all((b == 0).all() for b in intercepts)


def test_initial_parameters_depend_on_the_seed_alone():
    layout = ParameterLayout((4, 3, 4))
    first, second, other = (initial_parameters(layout, np.random.RandomState(seed), np.float32) for seed in (0, 0, 1))
    assert first.dtype == np.float32
    assert_array_equal(first, second)
    assert not np.array_equal(first, other)
