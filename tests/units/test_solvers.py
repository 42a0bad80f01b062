from copy import deepcopy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import OptimizeResult, rosen, rosen_der
from scipy.optimize import minimize as scipy_minimize

from skdeepcluster import _solvers
from skdeepcluster._solvers import AdamState, LBFGSState, NotFiniteError, _lbfgs, minimize


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
    scales = np.logspace(0, 4, x.size).astype(x.dtype)
    return 0.5 * np.sum(scales * (x - 1) ** 2), scales * (x - 1)


PROBLEMS = [
    (rosenbrock, [-1.2, 1.0], [1, 1]),
    (rosenbrock, [0.5] * 10, [1] * 10),
    (booth, [0.0, 0.0], [1, 3]),
    (beale, [1.0, 1.0], [3, 0.5]),
    (ill_conditioned_quadratic, [0.0] * 20, [1] * 20),
]


def nothing(state, terms):
    """A callback."""


DEFAULTS = {"max_iter": 1000, "tol": 0, "n_iter_no_change": 10, "callback": nothing}


def lbfgs(function, x0, **options):
    state = LBFGSState.start(np.array(x0))
    return minimize(_solvers.lbfgs(function, state), state, **{**DEFAULTS, **options})


def adam(function, x0, batches, step_size, weight_of=lambda batch: 1, **options):
    """Adam on functions with a whole gradient; step_size of the number of steps before."""

    def in_pieces(x, batch):
        value, gradient = function(x, batch)
        half = len(gradient) // 2
        return value, [
            (part, lambda part=part: gradient[part].copy()) for part in (slice(0, half), slice(half, x.size))
        ]

    state = AdamState.start(np.array(x0))
    iterations = _solvers.adam(in_pieces, state, batches=batches, weight_of=weight_of, step_size=step_size)
    return minimize(iterations, state, **{**DEFAULTS, **options})


@pytest.mark.parametrize("function, x0, minimum", PROBLEMS)
def test_textbook_functions(function, x0, minimum):
    result = lbfgs(function, x0)
    assert_allclose(result.x, minimum, atol=1e-5)
    assert_allclose(function(result.x)[0], 0, atol=1e-9)
    assert result.status == "converged"


@pytest.mark.parametrize("function, x0, minimum", PROBLEMS)
def test_lbfgs_needs_about_as_many_evaluations_as_scipys(function, x0, minimum):
    scipys = scipy_minimize(
        function, x0, jac=True, method="L-BFGS-B", options={"gtol": 1e-6, "ftol": 0, "maxfun": 10_000}
    )
    reached = []
    lbfgs(function, x0, callback=lambda state, value: reached.append(value))
    calls = 0

    def counted(x):
        nonlocal calls
        calls += 1
        return function(x)

    n_iter = 1 + next(i for i, value in enumerate(reached) if value <= scipys.fun + 1e-10)
    lbfgs(counted, x0, max_iter=n_iter)
    assert calls <= 1.5 * scipys.nfev + 5


def test_with_the_whole_past_lbfgs_ends_on_a_quadratic_as_conjugate_gradients_do(rng):
    # Up to its line search: the direction is right if n + a few iterations do for n dimensions.
    A = rng.normal(size=(6, 6))
    A = A @ A.T + np.eye(6)
    result = lbfgs(lambda x: (0.5 * x @ A @ x, A @ x), np.ones(6))
    assert result.nit < 25
    assert_allclose(result.x, 0, atol=1e-9)


def test_float32_stays_float32_and_finds_the_minimum():
    # How many iterations that takes depends on the rounding of the BLAS, so there is no limit of 300 on them.
    result = lbfgs(ill_conditioned_quadratic, np.zeros(20, dtype=np.float32))
    assert result.x.dtype == np.float32
    assert_allclose(result.x, 1, atol=1e-3)


def test_lbfgs_goes_on_where_the_curvature_is_negative():
    # f = x^4 / 4 - x^2 / 2 + y^2 / 2, from a point where f'' < 0 along x.
    result = lbfgs(
        lambda x: (x[0] ** 4 / 4 - x[0] ** 2 / 2 + x[1] ** 2 / 2, np.array([x[0] ** 3 - x[0], x[1]])), [0.1, 1.0]
    )
    assert_allclose(np.abs(result.x), [1, 0], atol=1e-5)


def test_max_iter_stops_and_the_callback_sees_every_iteration():
    seen = []
    result = lbfgs(rosenbrock, [-1.2, 1.0], max_iter=5, callback=lambda state, value: seen.append((state.x, value)))
    assert result.status == "max_iter"
    assert "max_iter=5" in result.message
    assert result.nit == len(seen) == 5
    assert_array_equal(result.x, seen[-1][0])
    assert [rosen(x) for x, _ in seen] == [value for _, value in seen]


@pytest.mark.parametrize("n_iter", [3, 10])
@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
def test_tol_is_the_mean_relative_decrease_whatever_the_scale(scale, n_iter):
    def with_offset(x):
        value, grad = ill_conditioned_quadratic(x)
        return scale * (value + 1000), scale * grad

    values = []
    result = lbfgs(
        with_offset, np.zeros(20), tol=1e-4, n_iter_no_change=n_iter, callback=lambda _, value: values.append(value)
    )
    values = np.array(values)
    decreases = (values[:-n_iter] - values[n_iter:]) / values[n_iter:] / n_iter
    assert (decreases[:-1] > 1e-4).all()
    assert decreases[-1] <= 1e-4
    assert result.status == "converged"
    assert result.nit == len(values)
    assert values[-1] == with_offset(result.x)[0]


def test_a_line_search_that_finds_nothing_is_no_success():
    # The gradient has the wrong sign.
    result = lbfgs(lambda x: (x @ x, -2 * x), np.ones(3), tol=1e-3)
    assert result.status == "stuck"
    assert "no lower value" in result.message
    assert_array_equal(result.x, 1)


def test_the_line_search_steps_back_from_values_that_are_not_finite():
    # log is not defined beyond 0, where the first steps lead.
    def barrier(x):
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(np.sum(x - 1e-3 * np.log(x))), 1 - 1e-3 / x

    result = lbfgs(barrier, np.ones(3))
    assert_allclose(result.x, 1e-3, rtol=1e-5)


def test_a_step_that_raises_the_value_a_little_is_not_taken():
    # The first step leads from x to -1.0001 x; the change of the slope would be enough, the value is a trace higher.
    values = []
    lbfgs(lambda x: (1.00005 * x @ x, 2.0001 * x), np.array([0.1]), callback=lambda state, value: values.append(value))
    assert values[0] < 1e-6


def test_after_a_search_that_finds_nothing_it_goes_on_with_the_gradient_alone():
    n_calls = 0

    def faulty(x):
        nonlocal n_calls
        n_calls += 1
        terms, grad = rosenbrock(x)
        # Long enough for all trials of one search, and not of two.
        return np.nan if 20 <= n_calls < 19 + 2 * _lbfgs._MAX_TRIALS else terms, grad

    result = lbfgs(faulty, np.full(10, 0.5))
    assert n_calls > 20 + 2 * _lbfgs._MAX_TRIALS
    assert_allclose(result.x, 1, rtol=1e-3)


@pytest.mark.parametrize("bad", [(np.nan, np.zeros(2)), (np.inf, np.zeros(2)), (0.0, np.array([0.0, np.nan]))])
def test_a_start_that_is_not_finite_raises(bad):
    with pytest.raises(NotFiniteError, match="not finite at the start"):
        lbfgs(lambda x: bad, np.zeros(2))


# Adam


def adam_by_definition(gradients, rate):
    """x from algorithm 1 of Kingma and Ba, from x = 0."""
    x, m, v = (np.zeros(len(gradients[0])) for _ in range(3))
    for t, g in enumerate(gradients, start=1):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        x = x - rate(t - 1) * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return x


@pytest.mark.parametrize("n", [3, 1000])
def test_adam_steps_by_definition(rng, n):
    gradients, values = rng.normal(size=(4, n)), []
    result = adam(
        lambda x, g: (g[0], g),
        np.zeros(n),
        lambda: gradients,
        lambda t: 0.1 / (1 + t),
        max_iter=1,
        callback=lambda state, value: values.append(value),
    )
    assert_allclose(result.x, adam_by_definition(gradients, lambda t: 0.1 / (1 + t)), rtol=1e-10)
    assert result.state.n_steps == 4
    assert_allclose(values, gradients[:, 0].mean())


def test_terms_of_batches_count_by_their_weights():
    values = []
    adam(
        lambda x, batch: (np.array([batch, 1.0]), np.zeros(2)),
        np.zeros(2),
        lambda: [10.0, 40.0],
        lambda t: 0.1,
        weight_of=lambda batch: {10.0: 3, 40.0: 1}[batch],
        max_iter=1,
        callback=lambda state, terms: values.append(terms),
    )
    assert_allclose(values, [[17.5, 1.0]])


def test_epochs_go_on_where_the_last_ended(rng):
    gradients = rng.normal(size=(4, 5))
    once = adam(lambda x, g: (0.0, g), np.zeros(5), lambda: gradients, lambda t: 0.1, max_iter=1)
    epochs = iter([gradients[:2], gradients[2:]])
    twice = adam(lambda x, g: (0.0, g), np.zeros(5), lambda: next(epochs), lambda t: 0.1, max_iter=2)
    assert_array_equal(once.x, twice.x)


def test_adam_finds_the_minimum_of_a_noisy_quadratic_and_leaves_the_start_alone(rng):
    targets = 3 + rng.normal(scale=0.1, size=(64, 4))
    x0 = np.zeros(4)
    result = adam(
        lambda x, batch: (0.5 * np.sum((x - targets[batch]) ** 2), x - targets[batch]),
        x0,
        lambda: rng.permutation(64),
        lambda t: 0.1 * (1 - t / 6400),
        max_iter=100,
    )
    assert_allclose(result.x, targets.mean(axis=0), atol=0.05)
    assert_array_equal(x0, 0)


def test_tol_stops_adam_between_epochs():
    result = adam(
        lambda x, batch: (1.0, np.zeros(2)), np.zeros(2), lambda: range(2), lambda t: 0.1, tol=1e-3, n_iter_no_change=4
    )
    assert result.nit == 5
    assert result.status == "converged"


def test_adam_raises_on_a_value_that_is_not_finite():
    with pytest.raises(NotFiniteError, match="step 3"):
        adam(lambda x, batch: (np.nan if batch == 2 else 0.0, x.copy()), np.zeros(2), lambda: range(5), lambda t: 0.1)


# The loop


def one_more(step=1.0):
    """A solver whose x and value count its iterations, from state 0."""
    state = OptimizeResult(x=0)
    while True:
        state = OptimizeResult(x=state.x + 1)
        yield state, np.array([1.0, -step * state.x])


def test_terms_are_summed():
    # The value falls by 0.01 of about 1, so by more than tol until it is -1 or so.
    result = minimize(one_more(0.01), OptimizeResult(x=0), **{**DEFAULTS, "tol": 0.02, "n_iter_no_change": 1})
    value, before = 1 - 0.01 * result.x, 1 - 0.01 * (result.x - 1)
    assert before - value <= 0.02 * abs(value)
    assert result.x == 2


def values_in_turn(values):
    """A solver that has these values, one after the other."""
    for i, value in enumerate(values, start=1):
        yield OptimizeResult(x=i), np.array([value])


def test_iterations_that_count_as_one_have_the_mean_of_their_values():
    # By single values, the fall from 9 to 11 would stop it after two iterations.
    values = [9.0, 11.0, 7.0, 9.0, 5.0, 7.0, 5.0, 7.0, 0.0]
    options = {**DEFAULTS, "tol": 0.01, "n_iter_no_change": 1}
    assert minimize(values_in_turn(values), None, **options).nit == 2
    # Means of two: 10, 9, 8, 7, 6, 6. The last but one equals that of two iterations before only in the end.
    result = minimize(values_in_turn(values), None, **options, n_averaged=2)
    assert (result.status, result.nit) == ("converged", 8)


def test_a_plateau_is_gone_through():
    # It rests at 5, falling by 0.004 a time, before it falls to 1, and rests for good.
    plateau = 5 - 0.004 * np.arange(12)
    values = [8.0, *plateau, 3.0, *[1.0] * 12]
    options = {**DEFAULTS, "tol": 1e-3, "n_iter_no_change": 3}
    fooled = minimize(values_in_turn(values), None, **options)
    assert fooled.nit == 5
    passed = minimize(values_in_turn(values), None, **options, is_plateau=lambda terms: terms[0] > 4)
    # Three iterations after the first that is not on the plateau.
    assert (passed.status, passed.nit) == ("converged", 18)
    # It does end on a plateau that does not fall at all.
    resting = minimize(values_in_turn([5.0] * 50), None, **options, is_plateau=lambda terms: True)
    assert (resting.status, resting.nit) == ("converged", 4)


def test_the_word_of_the_callback_stops():
    def callback(state, terms):
        return "enough" if state.x == 3 else None

    result = minimize(one_more(), OptimizeResult(x=0), **{**DEFAULTS, "callback": callback})
    assert (result.status, result.x, result.nit) == ("enough", 3, 3)


def test_an_interrupt_keeps_the_last_state():
    def interrupted():
        for _, iteration in zip(range(2), one_more()):
            yield iteration
        raise KeyboardInterrupt

    result = minimize(interrupted(), OptimizeResult(x=0), **DEFAULTS)
    assert (result.status, result.x, result.nit) == ("interrupted", 2, 2)


def test_past_terms_count():
    past = [3.0, 2.0, 1.0]
    options = {**DEFAULTS, "max_iter": 5, "past_terms": past}
    assert minimize(one_more(), OptimizeResult(x=0), **options).x == 2
    done = minimize(one_more(), OptimizeResult(x=0), **{**options, "tol": 0.5, "past_terms": [1.0] * 11})
    assert (done.status, done.x, done.nit) == ("converged", 0, 11)


@pytest.mark.parametrize("n_before", [1, 4, 15])
def test_lbfgs_goes_on_from_a_state_as_if_it_had_not_stopped(n_before):
    x0 = np.full(30, 0.5)
    first = lbfgs(rosenbrock, x0, max_iter=n_before)
    state = deepcopy(first.state)
    second = minimize(_solvers.lbfgs(rosenbrock, state), state, **{**DEFAULTS, "max_iter": 20})
    assert_array_equal(second.x, lbfgs(rosenbrock, x0, max_iter=n_before + 20).x)
