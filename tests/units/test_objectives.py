import math
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.neural_network import MLPRegressor

from helpers import objectives
from helpers.data import random_weights
from helpers.formula import j_sparse
from helpers.gradients import numerical_gradient, relative_error
from helpers.objectives import block_of, gathered, unequal_parts
from skdeepcluster._network import Network
from skdeepcluster._objectives import LinearDecoderObjective, SparseAutoencoderObjective, _gradients
from skdeepcluster._objectives._block import inner_product
from skdeepcluster._objectives._terms import half_squared_error, kl_divergence, weight_decay

N, D, H = 60, 6, 4


def make_objective(output_activation="identity", rho=0.1, beta=3.0, lam=0.01):
    network = Network((D, H, D), ("logistic", output_activation), 1)
    return SparseAutoencoderObjective(network, rho=rho, beta=beta, lam=lam)


def linear_decoder(projected=False, rho=0.1, beta=3.0, lam=0.01, network=None):
    network = network or Network((D, H, D), ("logistic", "identity"), 1)
    return LinearDecoderObjective(network, rho=rho, beta=beta, lam=lam, projected=projected)


def evaluate(objective, theta, X, sample_weight=None, n_blocks=1):
    """J, its gradient, and what all rows share, from blocks of unequal size."""
    blocks = [
        block_of(objective, X[rows], None if sample_weight is None else sample_weight[rows])
        for rows in unequal_parts(X.shape[0], n_blocks)
    ]
    terms, gradient, shared = objectives.evaluate(objective, theta, blocks)
    return terms.sum(), gradient, shared


@pytest.fixture
def problem(rng):
    """theta, X in [0, 1] (both output activations take it) and weights of mean 1."""
    theta = rng.normal(scale=0.5, size=make_objective().layout.size)
    sample_weight = random_weights(rng, N)
    return theta, rng.uniform(size=(N, D)), sample_weight


def by_definition(network, theta, X, w, **hyperparameters):
    """J_sparse from the formula; theta is taken apart by hand, which shares nothing with the package."""
    shapes = list(pairwise(network.layer_sizes))
    *coefs, biases = np.split(theta, np.cumsum([math.prod(shape) for shape in shapes]))
    coefs = [W.reshape(shape) for W, shape in zip(coefs, shapes)]
    intercepts = np.split(biases, np.cumsum(network.layer_sizes[1:-1]))
    return j_sparse(X, coefs, intercepts, network.activations, network.n_encoder_layers, w=w, **hyperparameters)


# Terms


def test_half_squared_error_by_hand():
    value, derivative = half_squared_error(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0, 0.0], [1.0, 1.0]]))
    assert value == (1 + 4 + 4 + 9) / 2
    assert_array_equal(derivative, [[1, 2], [2, 3]])


def test_weighted_half_squared_error_by_hand():
    value, derivative = half_squared_error(
        np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([2.0, 0.5])
    )
    assert value == (2 * 5 + 0.5 * 13) / 2
    assert_array_equal(derivative, [[2, 4], [1, 1.5]])


def test_the_derivative_may_overwrite_the_output():
    H = np.array([[1.0, 2.0]])
    assert half_squared_error(H, np.ones((1, 2)), in_place=True)[1] is H
    assert_array_equal(H, [[0, 1]])


@pytest.mark.parametrize("weighted", [False, True])
def test_float32_squares_are_summed_accurately(rng, weighted):
    H = rng.normal(size=(1000, 3001)).astype(np.float32)
    w = np.ones(1000) if weighted else None
    value, _ = half_squared_error(H, np.zeros_like(H), w)
    # The sum in float32 alone is off by about 1e-5.
    assert_allclose(value, 0.5 * np.sum(H.astype(np.float64) ** 2), rtol=2e-8)


@pytest.mark.parametrize("shape", [(1, 3), (1, 1024), (5, 700), (3, 2048)])
def test_inner_product_by_definition(rng, shape):
    A, B = rng.normal(size=(2, *shape))
    assert_allclose(inner_product(A, B), np.sum(A * B), rtol=1e-12)


def test_weight_decay_by_hand():
    assert weight_decay(np.array([[1.0, -2.0], [0.0, 2.0]]), lam=0.5) == 0.5 / 2 * 9


def test_kl_divergence_by_hand():
    # KL(1/4 || 1/2) = 1/4 log(1/2) + 3/4 log(3/2); derivative -1/2 + 3/2. KL(r || r) = 0 with derivative 0.
    value, derivative = kl_divergence(0.25, np.array([0.5, 0.25]))
    assert_allclose(value, 0.25 * np.log(0.5) + 0.75 * np.log(1.5), rtol=1e-14)
    assert_allclose(derivative, [1, 0], atol=1e-14)


def test_kl_divergence_of_saturated_units_is_large_but_finite():
    value, derivative = kl_divergence(0.1, np.array([0.0, 1.0]))
    assert np.isfinite(value)
    assert value > 30
    assert np.isfinite(derivative).all()
    assert derivative[0] < -1e10
    assert derivative[1] > 1e10


def test_float32_activations_are_summed_in_float64():
    objective = make_objective()
    block = block_of(objective, np.full((2**18, D), 0.1, dtype=np.float32))
    theta = np.zeros(objective.layout.size, dtype=np.float32)
    theta[-D - H : -D] = np.log(0.1 / 0.9)  # the encoder's biases, for activations of 0.1
    outputs = objective.forward(theta, block)
    assert_allclose(
        objective.statistics(theta, block, outputs).penalty_sums, 2**18 * float(outputs[0][0, 0]), rtol=1e-12
    )


# The objective


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("output_activation", ["identity", "logistic"])
@pytest.mark.parametrize("beta, lam", [(0.0, 0.0), (3.0, 0.0), (0.0, 0.1), (3.0, 0.1)])
def test_value_by_definition_and_gradient_by_finite_differences(problem, output_activation, beta, lam, weighted):
    theta, X, w = problem
    objective = make_objective(output_activation, beta=beta, lam=lam)
    value, gradient, _ = evaluate(objective, theta, X, w if weighted else None)

    def definition(theta):
        return by_definition(objective.network, theta, X, w if weighted else None, rho=0.1, beta=beta, lam=lam)

    assert_allclose(value, definition(theta), rtol=1e-13)
    assert relative_error(gradient, numerical_gradient(definition, theta)) < 1e-8


# MLPRegressor averages its loss over outputs but not its gradient, so with alpha > 0 its line search fails in the end.
@pytest.mark.filterwarnings("ignore:lbfgs failed to converge:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("alpha", [0.0, 0.1, 3.0])
def test_mlp_regressor_oracle(rng, alpha):
    X = rng.normal(size=(N, D))
    mlp = MLPRegressor(hidden_layer_sizes=H, activation="logistic", solver="lbfgs", alpha=alpha, random_state=0)
    mlp.fit(X, X)
    objective = make_objective(beta=0, lam=alpha * D / N)
    theta = objective.layout.pack(mlp.coefs_, mlp.intercepts_)
    assert_allclose(evaluate(objective, theta, X)[0], D * mlp.loss_, rtol=1e-12)
    assert_allclose(evaluate(linear_decoder(beta=0, lam=objective.lam), theta, X)[0], D * mlp.loss_, rtol=1e-12)


DEEP_NETWORKS = {
    "two logistic layers": Network((D, 5, 3, 5, D), ("logistic",) * 3 + ("identity",), 2),
    "one of two logistic, logistic output": Network((D, 5, 3, D), ("identity", "logistic", "logistic"), 2),
    "logistic, then identity": Network((D, 5, 3, D), ("logistic", "identity", "identity"), 2),
    "none logistic": Network((D, 3, 5, D), ("identity", "logistic", "identity"), 1),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", DEEP_NETWORKS)
def test_every_logistic_encoder_layer_has_its_kl_term(rng, name, weighted):
    network = DEEP_NETWORKS[name]
    objective = SparseAutoencoderObjective(network, rho=0.2, beta=2.0, lam=0.05)
    theta, X = rng.normal(scale=0.5, size=objective.layout.size), rng.uniform(size=(N, D))
    w = random_weights(rng, N) if weighted else None
    value, gradient, _ = evaluate(objective, theta, X, w)

    def definition(theta):
        return by_definition(network, theta, X, w, rho=0.2, beta=2.0, lam=0.05)

    assert_allclose(value, definition(theta), rtol=1e-13)
    assert relative_error(gradient, numerical_gradient(definition, theta)) < 1e-7


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_blocks", [1, 2, 7, N])
@pytest.mark.parametrize("objective", [make_objective(), linear_decoder(), linear_decoder(projected=True)])
def test_blocks_equal_the_whole(problem, objective, n_blocks, weighted):
    theta, X, w = problem
    theta, w = theta[: objective.layout.size], w if weighted else None
    value, gradient, _ = evaluate(objective, theta, X, w, n_blocks)
    whole_value, whole_gradient, _ = evaluate(objective, theta, X, w)
    assert_allclose(value, whole_value, rtol=1e-13)
    assert relative_error(gradient, whole_gradient) < 1e-12


@pytest.mark.parametrize("objective", [make_objective(), linear_decoder(), linear_decoder(projected=True)])
def test_weights_equal_repetition(problem, objective):
    theta, X, _ = problem
    theta, repeats = theta[: objective.layout.size], np.arange(N) % 4
    value, gradient, _ = evaluate(objective, theta, X, repeats / repeats.mean())
    repeated_value, repeated_gradient, _ = evaluate(objective, theta, np.repeat(X, repeats, axis=0))
    assert_allclose(value, repeated_value, rtol=1e-13)
    assert relative_error(gradient, repeated_gradient) < 1e-12


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "objective",
    [make_objective(), make_objective("logistic"), linear_decoder(), linear_decoder(projected=True)],
)
def test_float32_agrees_with_float64(problem, objective, weighted):
    theta, X, w = problem
    theta, w = theta[: objective.layout.size].astype(np.float32), w if weighted else None
    value, gradient, _ = evaluate(objective, theta.astype(np.float64), X.astype(np.float32).astype(np.float64), w)
    value_32, gradient_32, _ = evaluate(objective, theta, X.astype(np.float32), w)
    assert_allclose(value_32, value, rtol=1e-6)
    assert relative_error(gradient_32, gradient) < 1e-5
    assert gradient_32.dtype == np.float32


def test_many_float32_blocks_are_summed_in_float64(rng):
    objective = linear_decoder()
    X = rng.uniform(size=(20_000, D)).astype(np.float32)
    theta = rng.normal(scale=0.5, size=objective.layout.size).astype(np.float32)
    value, gradient, _ = evaluate(objective, theta.astype(np.float64), X.astype(np.float64))
    value_32, gradient_32, _ = evaluate(objective, theta, X, n_blocks=500)
    assert_allclose(value_32, value, rtol=3e-8)
    assert relative_error(gradient_32, gradient) < 1e-6


def test_a_float32_block_is_worked_in_float32(problem):
    theta, X, _ = problem
    for objective in (make_objective(), linear_decoder()):
        block = block_of(objective, X.astype(np.float32))
        outputs = objective.forward(theta.astype(np.float32), block)
        assert {a.dtype for a in outputs} == {np.dtype(np.float32)}
        shared = objective.combine(theta.astype(np.float32), objective.statistics(theta, block, outputs))
        assert [per_unit.dtype for per_unit in shared.unit_gradients.values()] == [np.float32]


def test_mean_activations_are_weighted_means(problem):
    theta, X, w = problem
    code = expit(X @ theta[: D * H].reshape(D, H) + theta[2 * D * H : 2 * D * H + H])
    for objective in (make_objective(), linear_decoder()):
        assert_allclose(evaluate(objective, theta, X, w)[2].means, np.average(code, axis=0, weights=w), rtol=1e-13)


@pytest.mark.parametrize("objective", [make_objective(), linear_decoder(), linear_decoder(projected=True)])
def test_evaluation_changes_no_argument(problem, objective):
    theta, X, w = problem
    theta = theta[: objective.layout.size]
    before = theta.copy(), X.copy(), w.copy()
    evaluate(objective, theta, X, w)
    for array, copy in zip((theta, X, w), before):
        assert_array_equal(array, copy)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("form", [SparseAutoencoderObjective, partial(LinearDecoderObjective, projected=False)])
def test_the_pieces_of_the_gradient_make_up_the_gradient(problem, monkeypatch, form, tied):
    monkeypatch.setattr(_gradients, "_PIECE_SIZE", 10)
    _, X, w = problem
    objective = form(Network((D, H, D), ("logistic", "identity"), 1, tied), rho=0.1, beta=3.0, lam=0.01)
    theta = np.random.RandomState(1).normal(scale=0.5, size=objective.layout.size)
    value, expected, shared = evaluate(objective, theta, X, w)
    blocks = [block_of(objective, X[:30], w[:30]), block_of(objective, X[30:], w[30:])]
    signals = [objective.error_signals(theta, b, objective.forward(theta, b), shared) for b in blocks]
    terms, pieces = objective.finish_in_pieces(theta, shared, signals)
    assert len(pieces) >= 4
    assert relative_error(gathered(theta, pieces), expected) < 1e-13
    assert_allclose(terms.sum(), value, rtol=1e-13)


@pytest.mark.parametrize("objective", [make_objective(), make_objective("logistic"), linear_decoder()])
def test_the_gradient_of_a_batch_is_that_of_its_value_whatever_its_weights(problem, objective):
    # Its rows may have a mean weight other than 1.
    theta, X, w = problem
    X, w = X[:7], 3 * w[:7]
    gradient = evaluate(objective, theta, X, w)[1]
    expected = numerical_gradient(lambda theta: evaluate(objective, theta, X, w)[0], theta)
    assert relative_error(gradient, expected) < 1e-8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_rows_have_a_decoder(dtype):
    x = np.random.RandomState(2).normal(size=(1, D)).astype(dtype)
    projected = linear_decoder(projected=True, lam=0.0, beta=0.0)
    theta = np.random.RandomState(2).normal(size=projected.layout.size).astype(dtype)
    weights = np.arange(1.0, 8) / 4
    value, gradient, _ = evaluate(projected, theta, np.repeat(x, 7, axis=0), weights)
    assert abs(value) < (1e-4 if dtype == np.float32 else 1e-10)
    assert np.isfinite(gradient).all()


def test_rows_of_a_batch_count_with_their_weights(problem):
    # The gradient of a batch whose weights have mean 3 is three times that of the same rows with mean 1.
    theta, X, w = problem
    for objective in (make_objective(lam=0), linear_decoder(lam=0)):
        _, gradient, _ = evaluate(objective, theta, X, w)
        _, tripled, _ = evaluate(objective, theta, X, 3 * w)
        assert_allclose(tripled, 3 * gradient, rtol=1e-10)


# The linear decoder and its projection


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix, sp.csr_array])
@pytest.mark.parametrize("beta, lam", [(0.0, 0.0), (3.0, 0.1)])
def test_linear_decoder_equals_the_residual_form(problem, container, beta, lam, weighted):
    theta, X, w = problem
    X, w = np.where(X < 0.5, 0, X), w if weighted else None
    value, gradient, _ = evaluate(linear_decoder(beta=beta, lam=lam), theta, container(X), w)
    expected_value, expected_gradient, _ = evaluate(make_objective(beta=beta, lam=lam), theta, X, w)
    assert_allclose(value, expected_value, rtol=1e-12)
    assert relative_error(gradient, expected_gradient) < 1e-11


@pytest.mark.parametrize("weighted", [False, True])
def test_a_sparse_block_with_logistic_output_equals_the_dense_one(problem, weighted):
    theta, X, w = problem
    X, w = np.where(X < 0.5, 0, X), w if weighted else None
    value, gradient, _ = evaluate(make_objective("logistic"), theta, sp.csr_matrix(X), w, n_blocks=5)
    expected_value, expected_gradient, _ = evaluate(make_objective("logistic"), theta, X, w)
    assert_allclose(value, expected_value, rtol=1e-12)
    assert relative_error(gradient, expected_gradient) < 1e-11


HIDDEN_NETWORKS = {
    "one layer": Network((D, H, D), ("logistic", "identity"), 1),
    "two logistic layers and a decoder layer": Network((D, 5, 3, 5, D), ("logistic",) * 3 + ("identity",), 2),
    "none logistic": Network((D, 3, D), ("identity", "identity"), 1),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", HIDDEN_NETWORKS)
def test_projected_value_is_j_at_the_best_decoder_and_its_gradient_is_that_of_finite_differences(
    problem, name, weighted
):
    _, X, w = problem
    w = w if weighted else None
    network = HIDDEN_NETWORKS[name]
    projected = linear_decoder(True, rho=0.2, beta=2.0, lam=0.05, network=network)
    whole = SparseAutoencoderObjective(network, rho=0.2, beta=2.0, lam=0.05)
    theta = np.random.RandomState(1).normal(scale=0.5, size=projected.layout.size)
    value, gradient, shared = evaluate(projected, theta, X, w)
    full_theta = whole.layout.pack(*projected.parameters(theta, shared)[:2])
    full_value, full_gradient, _ = evaluate(whole, full_theta, X, w)
    assert_allclose(value, full_value, rtol=1e-12)
    # At the best decoder the derivative with respect to it vanishes.
    coef_gradients, intercept_gradients = whole.layout.unpack(full_gradient)
    assert_allclose(coef_gradients[-1], 0, atol=1e-12)
    assert_allclose(intercept_gradients[-1], 0, atol=1e-12)
    expected = numerical_gradient(lambda theta: evaluate(projected, theta, X, w)[0], theta, step=1e-5)
    assert relative_error(gradient, expected) < 1e-7


def test_no_decoder_is_better_than_the_projected_one(problem):
    _, X, w = problem
    projected, whole = linear_decoder(projected=True), linear_decoder()
    theta = np.random.RandomState(1).normal(scale=0.5, size=projected.layout.size)
    value, _, shared = evaluate(projected, theta, X, w)
    coefs, intercepts, _ = projected.parameters(theta, shared)

    def with_decoder(decoder):
        full = whole.layout.pack([coefs[0], decoder[:-D].reshape(H, D)], [intercepts[0], decoder[-D:]])
        value, gradient, _ = evaluate(whole, full, X, w)
        coef_gradients, intercept_gradients = whole.layout.unpack(gradient)
        return value, np.concatenate([coef_gradients[1].ravel(), intercept_gradients[1]])

    best = minimize(with_decoder, np.zeros(H * D + D), jac=True, method="L-BFGS-B", options={"gtol": 1e-10, "ftol": 0})
    assert_allclose(value, best.fun, rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_units_without_weight_decay_have_a_decoder(problem, dtype):
    # S is singular; two equal units share what one of them would do.
    _, X, _ = problem
    projected = linear_decoder(projected=True, lam=0.0)
    theta = np.random.RandomState(1).normal(scale=0.5, size=projected.layout.size)
    W, b = projected.layout.unpack(theta)
    W[0][:, 1], b[0][1] = W[0][:, 0], b[0][0]
    value, gradient, shared = evaluate(projected, theta.astype(dtype), X.astype(dtype))
    three_units = Network((D, H - 1, D), ("logistic", "identity"), 1)
    without = linear_decoder(True, lam=0.0, beta=0.0, network=three_units)
    fewer = without.layout.pack([np.delete(W[0], 1, axis=1)], [np.delete(b[0], 1)])
    alone, _, _ = evaluate(without, fewer, X)
    kl = sum(projected.penalties.values(shared.means))
    assert_allclose(value - kl, alone, rtol=1e-4 if dtype == np.float32 else 1e-8)
    assert np.isfinite(gradient).all()


def test_a_code_that_hardly_varies_keeps_its_digits_in_float32(problem):
    # Activations differ by about 1e-4 between rows: their squares would leave nothing of that in float32.
    _, X, _ = problem
    projected = linear_decoder(projected=True, beta=0.0, lam=1e-9)
    theta = np.random.RandomState(1).normal(scale=1e-3, size=projected.layout.size).astype(np.float32)
    value_32, gradient_32, _ = evaluate(projected, theta, X.astype(np.float32))
    value, gradient, _ = evaluate(projected, theta.astype(np.float64), X.astype(np.float32).astype(np.float64))
    assert_allclose(value_32, value, rtol=1e-3)
    assert relative_error(gradient_32, gradient) < 1e-2


def test_layers_without_signals_have_a_gradient_of_zero(rng):
    layout = make_objective().layout
    inputs, deltas = rng.normal(size=(5, D)), rng.normal(size=(5, H))
    sums = _gradients.gradient_sums(layout, _gradients.ErrorSignals(0.25, [inputs], [deltas]))
    coefs, intercepts = layout.unpack(sums.gradient)
    assert_allclose(coefs[0], inputs.T @ deltas)
    assert_allclose(intercepts[0], deltas.sum(axis=0))
    assert_array_equal(coefs[1], np.zeros((H, D)))
    assert_array_equal(intercepts[1], np.zeros(D))
    assert sums.loss == 0.25
