import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import rosen, rosen_der

from skdeepcluster._solvers import minimize_lbfgs


def rosenbrock(x):
    return rosen(x), rosen_der(x)


def booth(x):
    u, v = x[0] + 2 * x[1] - 7, 2 * x[0] + x[1] - 5
    return u**2 + v**2, np.array([2 * u + 4 * v, 4 * u + 2 * v])


def beale(x):
    value, grad = 0.0, np.zeros(2)
    for power, constant in enumerate((1.5, 2.25, 2.625), start=1):
        r = constant - x[0] + x[0] * x[1] ** power
        value += r**2
        grad += 2 * r * np.array([x[1] ** power - 1, x[0] * power * x[1] ** (power - 1)])
    return value, grad


def ill_conditioned_quadratic(x):
    scales = np.logspace(0, 4, x.size)
    return 0.5 * np.sum(scales * (x - 1) ** 2), scales * (x - 1)


@pytest.mark.parametrize(
    "function, x0, minimum",
    [
        (rosenbrock, [-1.2, 1.0], [1, 1]),
        (rosenbrock, [0.5] * 10, [1] * 10),
        (booth, [0.0, 0.0], [1, 3]),
        (beale, [1.0, 1.0], [3, 0.5]),
        (ill_conditioned_quadratic, [0.0] * 20, [1] * 20),
    ],
)
def test_textbook_functions(function, x0, minimum):
    result = minimize_lbfgs(function, np.array(x0), max_iter=1000, tol=0)
    assert_allclose(result.x, minimum, atol=1e-5)
    assert_allclose(result.fun, 0, atol=1e-9)
    assert result.success


def test_max_iter_stops_and_the_callback_sees_every_iteration():
    seen = []
    result = minimize_lbfgs(
        rosenbrock, np.array([-1.2, 1.0]), max_iter=5, tol=0, callback=lambda *state: seen.append(state)
    )
    assert not result.success
    assert "max_iter=5" in result.message
    assert result.nit == 5
    assert [n_iter for n_iter, _ in seen] == [1, 2, 3, 4, 5]
    assert seen[-1][1] == result.fun == rosen(result.x)


@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
def test_tol_is_the_mean_relative_decrease_of_ten_iterations_whatever_the_scale(scale):
    def with_offset(x):
        value, grad = ill_conditioned_quadratic(x)
        return scale * (value + 1000), scale * grad

    values = []
    result = minimize_lbfgs(
        with_offset, np.zeros(20), max_iter=1000, tol=1e-4, callback=lambda _, value: values.append(value)
    )
    values = np.array(values)
    decreases = (values[:-10] - values[10:]) / values[10:] / 10
    assert (decreases[:-1] > 1e-4).all()
    assert decreases[-1] <= 1e-4
    assert result.success
    assert result.nit == len(values)
    assert result.fun == values[-1] == with_offset(result.x)[0]


def test_a_line_search_that_finds_nothing_is_no_success():
    # The gradient has the wrong sign.
    result = minimize_lbfgs(lambda x: (x @ x, -2 * x), np.ones(3), max_iter=100, tol=1e-3)
    assert not result.success
    assert "no lower value" in result.message


@pytest.mark.parametrize("bad", [(np.nan, np.zeros(2)), (np.inf, np.zeros(2)), (0.0, np.array([0.0, np.nan]))])
def test_a_value_or_gradient_that_is_not_finite_raises(bad):
    with pytest.raises(FloatingPointError, match="not finite at iteration 1"):
        minimize_lbfgs(lambda x: bad, np.zeros(2), max_iter=5, tol=0)
