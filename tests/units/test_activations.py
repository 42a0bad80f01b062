import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from helpers.gradients import central_difference
from skdeepcluster._network import ACTIVATIONS


def test_logistic_equals_expit(rng):
    Z = 5 * rng.normal(size=(20, 3))
    assert_allclose(ACTIVATIONS["logistic"].apply(Z.copy()), expit(Z), rtol=0, atol=3e-16)


def test_logistic_at_zero_and_in_the_limits():
    assert_array_equal(ACTIVATIONS["logistic"].apply(np.array([-800.0, 0.0, 800.0])), [0.0, 0.5, 1.0])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_against_finite_differences(name, rng):
    Z, delta = rng.normal(size=(2, 20, 3))
    activation = ACTIVATIONS[name]
    expected = delta * central_difference(activation.apply, Z)
    assert_allclose(activation.multiply_by_derivative(delta.copy(), activation.apply(Z.copy())), expected, rtol=1e-8)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_work_is_done_in_place(name, dtype, rng):
    Z, delta = rng.normal(size=(2, 4, 3)).astype(dtype)
    A = ACTIVATIONS[name].apply(Z)
    assert A is Z
    assert A.dtype == dtype
    before = A.copy()
    assert ACTIVATIONS[name].multiply_by_derivative(delta, A) is delta
    assert_array_equal(A, before)
