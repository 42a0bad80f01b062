import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from skdeepcluster import _evaluation
from skdeepcluster._evaluation import FullBatch, MiniBatch
from skdeepcluster._network import Network
from skdeepcluster._objectives import LinearDecoderObjective, SparseAutoencoderObjective
from skdeepcluster._parameters import initial_parameters
from skdeepcluster._threads import Workers, workers

N, D, H = 3000, 12, 5
PARAMETERS = {"rho": 0.1, "beta": 3.0, "lam": 0.01}


def make_objective(form, output_activation="identity"):
    network = Network((D, H, D), ("logistic", output_activation), 1)
    if form == "residual":
        return SparseAutoencoderObjective(network, **PARAMETERS)
    return LinearDecoderObjective(network, **PARAMETERS, projected=form == "projected")


@pytest.fixture
def X(rng):
    return np.where(rng.uniform(size=(N, D)) < 0.7, 0, rng.uniform(size=(N, D)))


@pytest.fixture
def w(rng):
    w = rng.uniform(0.1, 2, size=N)
    return w / w.mean()


def start(objective, dtype=np.float64):
    return initial_parameters(objective.layout, np.random.RandomState(0), dtype)


def relative_error(actual, expected):
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("container", [np.ascontiguousarray, np.asfortranarray, sp.csr_matrix, sp.csr_array])
@pytest.mark.parametrize("form, output", [("residual", "identity"), ("residual", "logistic"), ("linear", "identity")])
def test_dense_sparse_weighted_and_blocked_give_the_same_j_and_gradient(X, w, form, output, container, weighted):
    w = w if weighted else None
    residual = make_objective("residual", output)
    block = residual.prepare(X, w)
    theta = start(residual)
    outputs = residual.forward(theta, block)
    shared = residual.combine(theta, residual.statistics(theta, block, outputs))
    expected = residual.finish(theta, shared, residual.gradient_sums(theta, block, outputs, shared))
    value, gradient = FullBatch(make_objective(form, output), container(X), w, Workers(1))(theta)
    assert_allclose(value, expected[0], rtol=1e-10)
    assert relative_error(gradient, expected[1]) < 1e-10


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("form", ["residual", "linear", "projected"])
def test_the_result_does_not_depend_on_the_number_of_threads(X, w, form, container, dtype):
    objective = make_objective(form)
    theta, results = start(objective, dtype), []
    for n_threads in (1, 2, 3):
        with threadpool_limits(limits=n_threads, user_api="blas"), workers() as crew:
            results.append(FullBatch(objective, container(X.astype(dtype)), w, crew)(theta))
    for value, gradient in results[1:]:
        assert value == results[0][0]
        assert_array_equal(gradient, results[0][1])


@pytest.mark.parametrize("form", ["residual", "projected"])
def test_activations_that_are_not_kept_are_computed_again(X, form, monkeypatch):
    objective = make_objective(form)
    theta = start(objective)
    kept = FullBatch(objective, X, None, Workers(1))(theta)
    monkeypatch.setattr(_evaluation, "_MAX_KEPT_BYTES", 0)
    calls = []
    forward = objective.forward
    objective.forward = lambda *args: calls.append(args) or forward(*args)
    full_batch = FullBatch(objective, X, None, Workers(1))
    value, gradient = full_batch(theta)
    assert len(calls) == 2 * -(-N // 1024)
    assert value == kept[0]
    assert_array_equal(gradient, kept[1])


def test_value_and_activations_and_parameters(X, w):
    projected, whole = make_objective("projected"), make_objective("linear")
    theta = start(projected)
    full_batch = FullBatch(projected, X, w, Workers(1))
    theta_of_all = whole.layout.pack(*full_batch.parameters(theta))
    value, rho_hat = FullBatch(whole, X, w, Workers(1)).value_and_activations(theta_of_all)
    assert_allclose(value, full_batch(theta)[0], rtol=1e-12)
    W, b = whole.layout.unpack(theta_of_all)
    assert_allclose(rho_hat, np.average(1 / (1 + np.exp(-(X @ W[0] + b[0]))), axis=0, weights=w), rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "form, container", [("residual", np.asarray), ("linear", np.asarray), ("linear", sp.csr_matrix)]
)
def test_a_batch_of_all_rows_is_the_full_batch(X, w, form, container, weighted):
    objective, w = make_objective(form), w if weighted else None
    theta = start(objective)
    expected_value, expected = FullBatch(objective, container(X), w, Workers(1))(theta)
    rows = np.random.RandomState(1).permutation(N)
    with threadpool_limits(limits=2, user_api="blas"), workers() as crew:
        value, gradient = MiniBatch(objective, crew)(theta, (container(X), w, rows))
        gradient = gradient[:]
    assert_allclose(value, expected_value, rtol=1e-12)
    assert relative_error(gradient, expected) < 1e-11


def test_a_large_batch_has_few_gradients(X):
    objective = make_objective("residual")
    function = MiniBatch(objective, Workers(1))
    function(start(objective), (X, None, np.arange(N)))
    assert len(function._gradients) == 8


def test_a_batch_sees_its_own_rows_alone(X):
    objective = make_objective("residual")
    theta, rows = start(objective), np.array([5, 2999, 17])
    value, gradient = MiniBatch(objective, Workers(1))(theta, (X, None, rows))
    expected_value, expected = FullBatch(objective, X[rows], None, Workers(1))(theta)
    assert_allclose(value, expected_value, rtol=1e-13)
    assert relative_error(gradient[:], expected) < 1e-12


def test_the_mean_kl_term_of_batches_is_above_that_of_all_rows(X):
    # It is convex in rho_hat.
    objective = make_objective("residual")
    theta = start(objective)
    batches = np.random.RandomState(0).permutation(N).reshape(-1, 30)
    values = [MiniBatch(objective, Workers(1))(theta, (X, None, rows))[0] for rows in batches]
    assert np.mean(values) > FullBatch(objective, X, None, Workers(1))(theta)[0]
