"""The objective of joint deep clustering: assignments, target, and J with its gradient."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import rel_entr

from helpers.data import random_weights
from helpers.gradients import numerical_gradient, relative_error
from helpers.objectives import block_of, evaluate_in_pieces, gathered, unequal_parts
from skdeepcluster._joint._assignments import clustering_divergence, soft_assignments, target_distribution
from skdeepcluster._joint._objective import EmbeddedClusteringObjective
from skdeepcluster._network import Network
from skdeepcluster._objectives import LinearDecoderObjective, SparseAutoencoderObjective

N, D, K = 40, 6, 3
NETWORKS = {
    "shallow": Network((D, 4, D), ("logistic", "identity"), 1),
    "deep": Network((D, 5, 2, 5, D), ("logistic", "identity", "logistic", "identity"), 2),
    "tied": Network((D, 5, 2, 5, D), ("tanh", "logistic", "tanh", "identity"), 2, tied=True),
    "logistic output": Network((D, 5, 2, 5, D), ("tanh", "tanh", "tanh", "logistic"), 2),
}


def make_objective(network="deep", *, gamma=0.7, alpha=1.0, beta=3.0, unit=0.3, reconstructs=True, linear=False):
    network = NETWORKS[network]
    beta = beta if "logistic" in network.activations[: network.n_encoder_layers] else 0.0
    hyperparameters = {"rho": 0.1, "beta": beta, "lam": 0.01}
    if linear:
        autoencoder = LinearDecoderObjective(network, **hyperparameters, projected=False)
    else:
        autoencoder = SparseAutoencoderObjective(network, **hyperparameters)
    return EmbeddedClusteringObjective(autoencoder, K, gamma=gamma, alpha=alpha, unit=unit, reconstructs=reconstructs)


@pytest.fixture
def problem(rng):
    """X in [0, 1], weights of mean 1, targets, and a function that draws theta for an objective."""
    w = random_weights(rng, N)
    X = np.where(rng.uniform(size=(N, D)) < 0.5, 0, rng.uniform(size=(N, D)))

    def draw(objective):
        return rng.normal(scale=0.5, size=objective.layout.size + K * objective.network.n_components)

    return X, w, rng.dirichlet(np.ones(K), size=N), draw


def evaluate(objective, theta, X, P, w=None, n_blocks=1):
    """The terms of J and its gradient, NaN where it has none, from blocks of unequal size."""
    blocks = [
        block_of(objective, X[rows], None if w is None else w[rows], targets=P[rows])
        for rows in unequal_parts(N, n_blocks)
    ]
    terms, pieces = evaluate_in_pieces(objective, theta, blocks)
    return terms, gathered(theta, pieces)


def by_definition(objective, theta, X, P, w):
    """The clustering term written from the formula, row by row."""
    Z = objective.network.layers(theta).part(objective.network.encoder).outputs(X)[-1]
    centers = 0.3 * theta[objective.layout.size :].reshape(K, -1)
    value = 0.0
    for z, p, weight in zip(Z, P, w):
        q = (1 + ((z - centers) ** 2).sum(axis=1) / (objective.alpha * 0.3**2)) ** (-(objective.alpha + 1) / 2)
        value += weight * np.sum(p * np.log(p / (q / q.sum())))
    return objective.gamma * value / N


# Assignments


def test_soft_assignments_by_hand():
    # Squared distances 0 and 4, then 1 and 1: with alpha = 1, 1 and 1/5.
    Q, kernel = soft_assignments(np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]]), 1.0)
    assert_allclose(kernel, [[1, 1 / 5], [1 / 2, 1 / 2]], rtol=1e-14)
    assert_allclose(Q, [[5 / 6, 1 / 6], [1 / 2, 1 / 2]], rtol=1e-14)


def test_soft_assignments_with_other_degrees_of_freedom_by_hand():
    # (1 + 8 / 2)^(-3/2) = 5^(-3/2) for the second centre.
    Q, kernel = soft_assignments(np.array([[0.0, 0.0]]), np.array([[0.0, 0.0], [2.0, 2.0]]), 2.0)
    assert_allclose(kernel, [[1, 1 / 5]], rtol=1e-14)
    assert_allclose(Q, [[1 / (1 + 5**-1.5), 5**-1.5 / (1 + 5**-1.5)]], rtol=1e-14)


def test_soft_assignments_far_from_every_centre_and_in_float32():
    Z = np.array([[1e18], [-3.0]], dtype=np.float32)
    Q, _ = soft_assignments(Z, np.array([[0.0], [1.0]], dtype=np.float32), 50.0)
    assert Q.dtype == np.float64
    assert_allclose(Q.sum(axis=1), 1, rtol=1e-12)
    assert Q[1, 0] > 0.9


def test_target_distribution_by_hand():
    # Frequencies 3/2 and 1/2: q^2 / f is (3/8, 1/8) and (2/3, 0).
    Q = np.array([[0.75, 0.25], [1.0, 0.0]])
    assert_allclose(target_distribution(Q, np.array([1.5, 0.5])), [[0.75, 0.25], [1, 0]], rtol=1e-14)
    # Equal frequencies sharpen: 9 : 1.
    assert_allclose(target_distribution(Q[:1], np.array([1.0, 1.0])), [[0.9, 0.1]], rtol=1e-14)


def test_a_cluster_without_any_row_has_no_target():
    assert_array_equal(target_distribution(np.array([[1.0, 0.0]]), np.array([1.0, 0.0])), [[1, 0]])


def test_frequencies_of_blocks_add_up_to_those_of_all_rows(rng):
    Z, centers, w = rng.normal(size=(50, 2)), rng.normal(size=(3, 2)), rng.uniform(size=50)
    whole = w @ soft_assignments(Z, centers, 1.0)[0]
    blocks = [w[rows] @ soft_assignments(Z[rows], centers, 1.0)[0] for rows in np.split(np.arange(50), [7, 8, 31])]
    assert_allclose(sum(blocks), whole, rtol=1e-13)


def test_divergence_by_hand():
    # q = (5/6, 1/6); C = 2 (p - q) * (1, 1/5) = (-2/3, 2/15); z = 0.
    P = np.array([[0.5, 0.5]])
    value, code_gradient, center_gradient = clustering_divergence(np.zeros((1, 1)), np.array([[0.0], [2.0]]), P, 1.0)
    assert_allclose(value, 0.5 * np.log(0.5 / (5 / 6)) + 0.5 * np.log(0.5 / (1 / 6)), rtol=1e-14)
    assert_allclose(code_gradient, [[-2 * 2 / 15]], rtol=1e-14)
    assert_allclose(center_gradient, [[0], [2 * 2 / 15]], rtol=1e-14)


# The objective


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [1.0, 2.5])
@pytest.mark.parametrize("network", NETWORKS)
def test_gradient_of_network_and_centres_by_finite_differences(problem, network, alpha, weighted):
    X, w, P, draw = problem
    objective, w = make_objective(network, alpha=alpha), w if weighted else None
    theta = draw(objective)
    terms, gradient = evaluate(objective, theta, X, P, w)
    numeric = numerical_gradient(lambda theta: evaluate(objective, theta, X, P, w)[0].sum(), theta)
    n_centers = K * objective.network.n_components
    assert relative_error(gradient[:-n_centers], numeric[:-n_centers]) < 1e-6
    assert relative_error(gradient[-n_centers:], numeric[-n_centers:]) < 1e-6
    assert_allclose(terms[3], by_definition(objective, theta, X, P, np.ones(N) if w is None else w), rtol=1e-12)


@pytest.mark.parametrize("network", NETWORKS)
def test_without_reconstruction_only_encoder_and_centres_have_a_gradient(problem, network):
    X, w, P, draw = problem
    objective = make_objective(network, reconstructs=False)
    theta = draw(objective)
    terms, gradient = evaluate(objective, theta, X, P, w)
    numeric = numerical_gradient(lambda theta: evaluate(objective, theta, X, P, w)[0].sum(), theta)
    has_none = np.isnan(gradient)
    assert has_none.any()
    assert_array_equal(numeric[has_none], 0)
    assert relative_error(gradient[~has_none], numeric[~has_none]) < 1e-6
    assert_array_equal(terms[:3], 0)
    assert_allclose(terms[3], by_definition(objective, theta, X, P, w), rtol=1e-12)


@pytest.mark.parametrize("reconstructs", [True, False])
@pytest.mark.parametrize("n_blocks", [2, 7, N])
@pytest.mark.parametrize("network", NETWORKS)
def test_blocks_equal_the_whole(problem, network, n_blocks, reconstructs):
    X, w, P, draw = problem
    objective = make_objective(network, reconstructs=reconstructs)
    theta = draw(objective)
    terms, gradient = evaluate(objective, theta, X, P, w)
    terms_of_blocks, gradient_of_blocks = evaluate(objective, theta, X, P, w, n_blocks)
    assert_allclose(terms_of_blocks, terms, rtol=1e-12)
    assert_allclose(gradient_of_blocks, gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix, sp.csr_array])
@pytest.mark.parametrize("network", ["shallow", "deep", "tied"])
def test_the_form_for_sparse_data_is_the_same_function(problem, network, container):
    X, w, P, draw = problem
    objective, form = make_objective(network), make_objective(network, linear=True)
    theta = draw(objective)
    terms, gradient = evaluate(objective, theta, X, P, w)
    terms_of_form, gradient_of_form = evaluate(form, theta, container(X), P, w, n_blocks=3)
    assert_allclose(terms_of_form, terms, rtol=1e-10)
    assert_allclose(gradient_of_form, gradient, rtol=1e-7, atol=1e-12)


def test_parameters_are_packed_and_found_again(rng):
    objective = make_objective()
    theta = rng.normal(size=objective.layout.size)
    centers = rng.normal(size=(K, objective.network.n_components))
    packed = objective.pack(*objective.layout.unpack(theta), centers)
    assert_array_equal(packed[: theta.size], theta)
    assert_allclose(objective.centers(packed), centers, rtol=1e-15)


def test_targets_equal_to_the_assignments_have_no_gradient(problem):
    X, _, _, draw = problem
    objective = make_objective(reconstructs=False)
    theta = draw(objective)
    code = objective.forward(theta, block_of(objective, X))[objective.network.n_encoder_layers - 1]
    Q, _ = soft_assignments(code / 0.3, objective.centers(theta) / 0.3, objective.alpha)
    terms, gradient = evaluate(objective, theta, X, Q)
    assert_allclose(terms, 0, atol=1e-15)
    assert_allclose(gradient[~np.isnan(gradient)], 0, atol=1e-15)
    assert_allclose(rel_entr(Q, Q), 0)
