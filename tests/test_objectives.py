import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.neural_network import MLPRegressor

from skdeepcluster._network import Network
from skdeepcluster._objectives import SparseAutoencoderObjective
from skdeepcluster._objectives._terms import half_squared_error, kl_divergence, weight_decay

N, D, H = 60, 6, 4


def make_objective(output_activation="identity", rho=0.1, beta=3.0, lam=0.01):
    network = Network((D, H, D), ("logistic", output_activation), 1)
    return SparseAutoencoderObjective(network, rho=rho, beta=beta, lam=lam)


@pytest.fixture
def problem(rng):
    """theta, X in [0, 1] (both output activations take it) and weights of mean 1."""
    theta = rng.normal(scale=0.5, size=make_objective().layout.size)
    sample_weight = rng.uniform(0.1, 2, size=N)
    return theta, rng.uniform(size=(N, D)), sample_weight / sample_weight.mean()


def relative_error(actual, expected):
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


def by_definition(theta, X, w, output_activation, rho, beta, lam):
    """J_sparse written from the formula, sharing nothing with the package."""
    W1, W2 = theta[: D * H].reshape(D, H), theta[D * H : 2 * D * H].reshape(H, D)
    b1, b2 = theta[2 * D * H : 2 * D * H + H], theta[2 * D * H + H :]
    A = expit(X @ W1 + b1)
    output = A @ W2 + b2
    output = expit(output) if output_activation == "logistic" else output
    rho_hat = w @ A / w.sum()
    kl = rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / (1 - rho_hat))
    error = w @ ((output - X) ** 2).sum(axis=1) / 2 / w.sum()
    return error + lam / 2 * ((W1**2).sum() + (W2**2).sum()) + beta * kl.sum()


def total(parts):
    """The sum over blocks, field by field."""
    return type(parts[0])(*map(sum, zip(*parts)))


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


def test_float32_squares_are_summed_in_float64():
    H = np.full((1, 2**18), 0.1, dtype=np.float32)
    value, _ = half_squared_error(H, np.zeros_like(H))
    assert_allclose(value, 0.5 * 2**18 * float(np.float32(0.1)) ** 2, rtol=1e-12)


def test_weight_decay_by_hand():
    value, derivative = weight_decay(np.array([[1.0, -2.0], [0.0, 2.0]]), lam=0.5)
    assert value == 0.5 / 2 * 9
    assert_array_equal(derivative, [[0.5, -1], [0, 1]])


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
    X = np.full((2**18, D), 0.1, dtype=np.float32)
    theta = np.zeros(objective.layout.size)
    theta[-D - H : -D] = np.log(0.1 / 0.9)  # the encoder's biases, for activations of 0.1
    activation = float(objective.forward(theta, X[:1])[0][0, 0])
    assert_allclose(objective.statistics(theta, X).activations, 2**18 * activation, rtol=1e-12)


# The objective


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("output_activation", ["identity", "logistic"])
@pytest.mark.parametrize("beta, lam", [(0.0, 0.0), (3.0, 0.0), (0.0, 0.1), (3.0, 0.1)])
def test_value_by_definition_and_gradient_by_finite_differences(problem, output_activation, beta, lam, weighted):
    theta, X, w = problem
    objective = make_objective(output_activation, beta=beta, lam=lam)
    value, gradient = objective.value_and_grad(theta, X, w if weighted else None)

    def definition(theta):
        return by_definition(theta, X, w if weighted else np.ones(N), output_activation, 0.1, beta, lam)

    assert_allclose(value, definition(theta), rtol=1e-13)
    step = 1e-6
    expected = [
        (definition(theta + shift) - definition(theta - shift)) / (2 * step) for shift in step * np.eye(theta.size)
    ]
    assert relative_error(gradient, expected) < 1e-8


# MLPRegressor averages its loss over outputs but not its gradient, so with alpha > 0 its line search fails in the end.
@pytest.mark.filterwarnings("ignore:lbfgs failed to converge:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("alpha", [0.0, 0.1, 3.0])
def test_mlp_regressor_oracle(rng, alpha):
    X = rng.normal(size=(N, D))
    mlp = MLPRegressor(hidden_layer_sizes=H, activation="logistic", solver="lbfgs", alpha=alpha, random_state=0)
    mlp.fit(X, X)
    objective = make_objective(beta=0, lam=alpha * D / N)
    value, _ = objective.value_and_grad(objective.layout.pack(mlp.coefs_, mlp.intercepts_), X)
    assert_allclose(value, D * mlp.loss_, rtol=1e-12)


DEEP_NETWORKS = {
    "two logistic layers": Network((D, 5, 3, 5, D), ("logistic",) * 3 + ("identity",), 2),
    "one of two logistic, logistic output": Network((D, 5, 3, D), ("identity", "logistic", "logistic"), 2),
    "logistic, then identity": Network((D, 5, 3, D), ("logistic", "identity", "identity"), 2),
    "none logistic": Network((D, 3, 5, D), ("identity", "logistic", "identity"), 1),
}


def deep_by_definition(network, theta, X, w, rho, beta, lam):
    """J_sparse with the KL term over all logistic encoder layers, from the formula."""
    sizes = network.layer_sizes
    n_coefs = sum(np.multiply(sizes[:-1], sizes[1:]))
    coefs, biases, output, value = theta[:n_coefs], theta[n_coefs:], X, 0.0
    for layer, activation in enumerate(network.activations):
        shape = sizes[layer : layer + 2]
        W, coefs = coefs[: np.prod(shape)].reshape(shape), coefs[np.prod(shape) :]
        b, biases = biases[: shape[1]], biases[shape[1] :]
        output = output @ W + b
        output = expit(output) if activation == "logistic" else output
        value += lam / 2 * (W**2).sum()
        if activation == "logistic" and layer < network.n_encoder_layers:
            rho_hat = w @ output / w.sum()
            kl = rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / (1 - rho_hat))
            value += beta * kl.sum()
    return value + w @ ((output - X) ** 2).sum(axis=1) / 2 / w.sum()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", DEEP_NETWORKS)
def test_every_logistic_encoder_layer_has_its_kl_term(rng, name, weighted):
    network = DEEP_NETWORKS[name]
    objective = SparseAutoencoderObjective(network, rho=0.2, beta=2.0, lam=0.05)
    theta, X = rng.normal(scale=0.5, size=objective.layout.size), rng.uniform(size=(N, D))
    w = rng.uniform(0.1, 2, size=N) if weighted else None
    value, gradient = objective.value_and_grad(theta, X, w)

    def definition(theta):
        return deep_by_definition(network, theta, X, np.ones(N) if w is None else w, 0.2, 2.0, 0.05)

    assert_allclose(value, definition(theta), rtol=1e-13)
    step = 1e-6
    expected = [
        (definition(theta + shift) - definition(theta - shift)) / (2 * step) for shift in step * np.eye(theta.size)
    ]
    assert relative_error(gradient, expected) < 1e-7


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_blocks", [1, 2, 7, N])
def test_blocks_equal_the_whole(problem, n_blocks, weighted):
    theta, X, w = problem
    objective = make_objective()
    weights = np.array_split(w, n_blocks) if weighted else [None] * n_blocks
    blocks = list(zip(np.array_split(X, n_blocks), weights))
    statistics = total([objective.statistics(theta, *block) for block in blocks])
    sums = total([objective.gradient_sums(theta, block, statistics, weight) for block, weight in blocks])
    value, gradient = objective.finish(theta, statistics, sums)
    whole_value, whole_gradient = objective.value_and_grad(theta, X, w if weighted else None)
    assert_allclose(value, whole_value, rtol=1e-14)
    assert relative_error(gradient, whole_gradient) < 1e-13


def test_weights_equal_repetition(problem):
    theta, X, _ = problem
    repeats = np.arange(N) % 4
    objective = make_objective()
    value, gradient = objective.value_and_grad(theta, X, repeats.astype(float))
    repeated_value, repeated_gradient = objective.value_and_grad(theta, np.repeat(X, repeats, axis=0))
    assert_allclose(value, repeated_value, rtol=1e-14)
    assert relative_error(gradient, repeated_gradient) < 1e-13


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("output_activation", ["identity", "logistic"])
def test_float32_agrees_with_float64(problem, output_activation, weighted):
    theta, X, w = problem
    w = w if weighted else None
    objective = make_objective(output_activation)
    value, gradient = objective.value_and_grad(theta, X, w)
    value_32, gradient_32 = objective.value_and_grad(theta, X.astype(np.float32), w)
    assert_allclose(value_32, value, rtol=1e-6)
    assert relative_error(gradient_32, gradient) < 1e-5
    assert gradient_32.dtype == np.float64


def test_a_float32_block_is_worked_in_float32(problem):
    theta, X, _ = problem
    assert {a.dtype for a in make_objective().forward(theta, X.astype(np.float32))} == {np.dtype(np.float32)}


def test_mean_activations_are_weighted_means(problem):
    theta, X, w = problem
    objective = make_objective()
    code = objective.forward(theta, X)[0]
    assert_allclose(
        objective.mean_activations(objective.statistics(theta, X, w)), np.average(code, axis=0, weights=w), rtol=1e-13
    )


def test_evaluation_changes_no_argument(problem):
    theta, X, w = problem
    before = theta.copy(), X.copy(), w.copy()
    make_objective().value_and_grad(theta, X, w)
    for array, copy in zip((theta, X, w), before):
        assert_array_equal(array, copy)
