"""Objectives of arrays of other libraries, at the parameters of NumPy's: J, its terms, its gradient."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from helpers.arrays import needs_array_api, to_numpy
from helpers.data import random_weights
from skdeepcluster._data import Batch, FullBatchLoss, MiniBatchLoss, nearest_rows
from skdeepcluster._data._nearest_on_device import nearest_on_device
from skdeepcluster._joint._assignments import clustering_divergence, soft_assignments, target_distribution
from skdeepcluster._joint._objective import EmbeddedClusteringObjective
from skdeepcluster._network import ACTIVATIONS, Network
from skdeepcluster._objectives import Block, LinearDecoderObjective, NeighborObjective, SparseAutoencoderObjective
from skdeepcluster._solvers import AdamState, LBFGSState, adam, lbfgs
from skdeepcluster._support._threads import Workers

pytestmark = needs_array_api

N, D, K = 1104, 6, 3
TOLERANCES = {np.float64: 1e-10, np.float32: 1e-4}
NETWORKS = {
    "shallow": Network((D, 4, D), ("logistic", "identity"), 1),
    "deep": Network((D, 5, 3, 5, D), ("logistic", "identity", "relu", "identity"), 2),
    "tied": Network((D, 5, 3, 5, D), ("tanh", "logistic", "tanh", "identity"), 2, tied=True),
    "logistic output": Network((D, 5, 3, 5, D), ("relu", "tanh", "relu", "logistic"), 2),
}
FORMS = {
    "residual": lambda network, **options: SparseAutoencoderObjective(network, **options),
    "products": lambda network, **options: LinearDecoderObjective(network, **options, projected=False),
    "projected": lambda network, **options: LinearDecoderObjective(network, **options, projected=True),
}
GRID = [
    (form, network)
    for form in FORMS
    for network in NETWORKS
    if form == "residual" or (network != "logistic output" and (form, network) != ("projected", "tied"))
]


@pytest.fixture(params=TOLERANCES, ids=lambda dtype: dtype.__name__)
def dtype(request):
    return request.param


def make_objective(form, network, rho=0.1):
    network = NETWORKS[network]
    beta = 3.0 if "logistic" in network.activations[network.encoder] else 0.0
    return FORMS[form](network, rho=rho, beta=beta, lam=0.01)


def assert_near(actual, expected, dtype):
    tolerance = TOLERANCES[dtype]
    assert_allclose(to_numpy(actual), expected, rtol=tolerance, atol=tolerance * np.abs(expected).max(initial=0))


@pytest.mark.parametrize("rho", [0.1, 0.5])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("form, network", GRID)
def test_j_of_all_rows(form, network, weighted, rho, dtype, library, rng):
    objective = make_objective(form, network, rho)
    X, w = rng.uniform(size=(N, D)).astype(dtype), random_weights(rng, N) if weighted else None
    theta = rng.normal(scale=0.5, size=objective.layout.size).astype(dtype)
    loss = FullBatchLoss(objective, Block(X, w), Workers(1))
    other = FullBatchLoss(objective, Block(library.array(X), w if w is None else library.array(w)), Workers(1))
    theta_there = library.array(theta)
    (terms, gradient), (other_terms, other_gradient) = loss(theta), other(theta_there)
    assert library.owns(other_gradient)
    for actual, expected in ((other_terms, terms), (other_gradient, gradient), (other.terms(theta_there), terms)):
        assert_near(actual, expected, dtype)
    for actual, expected in zip(other.parameters(theta_there)[:2], loss.parameters(theta)[:2]):
        for array, expected_array in zip(actual, expected, strict=True):
            assert_near(array, expected_array, dtype)


@pytest.mark.parametrize("coupling", ["none", "neighbours", "clusters", "clusters alone", "both"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("form, network", [pair for pair in GRID if pair[0] != "projected"])
def test_j_of_a_batch(form, network, weighted, coupling, dtype, library, rng):
    objective = make_objective(form, network)
    if coupling in ("neighbours", "both"):
        objective = NeighborObjective(objective, group_size=4, weight=2.0, unit=0.3)
    if coupling in ("clusters", "clusters alone", "both"):
        options = {"gamma": 0.7, "alpha": 1.5, "unit": 0.3, "reconstructs": coupling != "clusters alone"}
        objective = EmbeddedClusteringObjective(objective, K, **options)
    X, w = rng.uniform(size=(N, D)).astype(dtype), random_weights(rng, N) if weighted else None
    P = rng.dirichlet(np.ones(K), size=N).astype(dtype)
    theta = rng.normal(scale=0.5, size=objective.layout.size + K * objective.network.n_components).astype(dtype)
    rows = rng.permutation(N)[:400]

    def evaluate(place):
        weights = w if w is None else place(w)
        loss = MiniBatchLoss(
            objective, Workers(1), targets=place(P), corruption=0.3, random_state=np.random.RandomState(0)
        )
        terms, pieces = loss(place(theta), Batch(place(X), weights, rows, rows))
        gradient = np.zeros_like(theta)
        for part, compute in pieces:
            gradient[part] = to_numpy(compute())
        return terms, gradient

    (terms, gradient), (other_terms, other_gradient) = evaluate(np.array), evaluate(library.array)
    assert_near(other_terms, terms, dtype)
    assert_near(other_gradient, gradient, dtype)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, dtype, library, rng):
    activation = ACTIVATIONS[name]
    Z, delta = rng.normal(scale=3, size=(2, 20, 5)).astype(dtype)
    A = activation.apply(Z.copy())
    assert_near(activation.apply(library.array(Z)), A, dtype)
    derivative = activation.multiply_by_derivative(library.array(delta), library.array(A))
    assert_near(derivative, activation.multiply_by_derivative(delta.copy(), A), dtype)


def test_soft_assignments(dtype, library, rng):
    Z, centers = rng.normal(size=(50, 4)).astype(dtype), rng.normal(size=(K, 4)).astype(dtype)
    Q, kernel = soft_assignments(Z, centers, 1.5)
    other_Q, other_kernel = soft_assignments(library.array(Z), library.array(centers), 1.5)
    assert_near(other_Q, Q, np.float64)
    assert_near(other_kernel, kernel, np.float64)
    frequencies = Q.sum(axis=0)
    other_P = target_distribution(other_Q, library.array(frequencies))
    assert_near(other_P, target_distribution(Q, frequencies), np.float64)
    # Assignments and targets of zero have no logarithm.
    P = np.eye(K)[rng.randint(K, size=50)]
    expected = clustering_divergence(Z, centers, P, 1.0)
    for actual, value in zip(clustering_divergence(*map(library.array, (Z, centers, P)), 1.0), expected):
        assert_near(actual, value, np.float64)


@pytest.mark.parametrize("spread", [1.0, 1e-30, 1e150])
@pytest.mark.parametrize("n_neighbors", [1, 7, 59])
def test_nearest_rows_are_exact(n_neighbors, spread, library, rng):
    points = 50 + spread * rng.normal(size=(60, 4)) if spread == 1 else spread * rng.normal(size=(60, 4))
    expected = nearest_rows(points, n_neighbors)[1]
    assert_allclose(nearest_on_device(library.array(points), n_neighbors), expected)


def test_nearest_rows_of_equal_distances_are_the_first(library):
    points = np.repeat(np.arange(9.0).reshape(-1, 1), 20, axis=0)
    expected = nearest_rows(points, 25)[1]
    assert_allclose(nearest_on_device(library.array(points), 25), expected)


def test_solvers_find_the_minimum(library):
    target, scale = library.array(np.arange(5.0)), library.array(np.arange(1.0, 6.0))

    def value_and_gradient(x):
        residual = scale * (x - target)
        return np.array([float(library.xp.sum(residual * residual))]), 2 * scale * residual

    state = LBFGSState.start(library.array(np.zeros(5)))
    *_, (state, _) = lbfgs(value_and_gradient, state)
    assert library.owns(state.x)
    assert_allclose(to_numpy(state.x), np.arange(5.0), atol=1e-8)

    def batch_terms(x, batch):
        terms, gradient = value_and_gradient(x)
        return library.array(terms), [(slice(0, 5), lambda: gradient)]

    start = AdamState.start(library.array(np.zeros(5)))
    epochs = adam(batch_terms, start, batches=lambda: range(200), weight_of=lambda batch: 1, step_size=lambda n: 0.05)
    for _ in range(5):
        state, terms = next(epochs)
    assert isinstance(terms, np.ndarray)
    assert_allclose(to_numpy(state.x), np.arange(5.0), atol=0.05)
