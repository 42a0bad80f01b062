import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from helpers.data import random_weights
from helpers.formula import terms_of_j
from helpers.gradients import numerical_gradient, relative_error
from helpers.objectives import block_of, evaluate, gathered, initial_theta
from skdeepcluster._data import Batch, FullBatchLoss, MiniBatchLoss, _full_batch
from skdeepcluster._network import Network
from skdeepcluster._objectives import Block, LinearDecoderObjective, SparseAutoencoderObjective
from skdeepcluster._support._threads import Workers, worker_threads

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
    return random_weights(rng, N)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("container", [np.ascontiguousarray, np.asfortranarray, sp.csr_matrix, sp.csr_array])
@pytest.mark.parametrize("form, output", [("residual", "identity"), ("residual", "logistic"), ("linear", "identity")])
def test_dense_sparse_weighted_and_blocked_give_the_same_j_and_gradient(X, w, form, output, container, weighted):
    w = w if weighted else None
    residual = make_objective("residual", output)
    theta = initial_theta(residual)
    expected_terms, expected, _ = evaluate(residual, theta, [block_of(residual, X, w)])
    full_batch = FullBatchLoss(make_objective(form, output), Block(container(X), w), Workers(1))
    terms, gradient = full_batch(theta)
    assert_allclose(terms, expected_terms, rtol=1e-10)
    assert relative_error(gradient, expected) < 1e-10
    assert_allclose(full_batch.terms(theta), expected_terms, rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("form", ["residual", "linear", "projected"])
def test_the_result_does_not_depend_on_the_number_of_threads(X, w, form, container, dtype):
    objective = make_objective(form)
    theta, results = initial_theta(objective, dtype), []
    for n_threads in (1, 2, 3):
        with threadpool_limits(limits=n_threads, user_api="blas"), worker_threads() as workers:
            results.append(FullBatchLoss(objective, Block(container(X.astype(dtype)), w), workers)(theta))
    for terms, gradient in results[1:]:
        assert_array_equal(terms, results[0][0])
        assert_array_equal(gradient, results[0][1])


@pytest.mark.parametrize("form", ["residual", "projected"])
def test_activations_that_are_not_kept_are_computed_again(X, form, monkeypatch):
    objective = make_objective(form)
    theta = initial_theta(objective)
    kept = FullBatchLoss(objective, Block(X), Workers(1))(theta)
    monkeypatch.setattr(_full_batch, "_MAX_KEPT_BYTES", 0)
    calls = []
    forward = objective.forward
    objective.forward = lambda *args: calls.append(args) or forward(*args)
    full_batch = FullBatchLoss(objective, Block(X), Workers(1))
    terms, gradient = full_batch(theta)
    assert len(calls) == 2 * -(-N // 1024)
    assert_array_equal(terms, kept[0])
    assert_array_equal(gradient, kept[1])


@pytest.mark.parametrize("evaluated_before", [False, True])
def test_parameters_are_those_of_the_whole_network(X, w, evaluated_before):
    projected, whole = make_objective("projected"), make_objective("linear")
    theta = initial_theta(projected)
    full_batch = FullBatchLoss(projected, Block(X, w), Workers(1))
    if evaluated_before:
        full_batch(initial_theta(projected) + 1)
        terms, _ = full_batch(theta)
    theta_of_all = whole.layout.pack(*full_batch.parameters(theta)[:2])
    if not evaluated_before:
        terms, _ = full_batch(theta)
    assert_allclose(FullBatchLoss(whole, Block(X, w), Workers(1))(theta_of_all)[0], terms, rtol=1e-12)


def test_the_terms_are_those_of_the_formula(X, w):
    objective = make_objective("residual")
    theta = initial_theta(objective)
    layers = *objective.layout.unpack(theta), objective.network.activations, 1
    expected = terms_of_j(X, *layers, w=w, **PARAMETERS)
    for form in ("residual", "linear"):
        assert_allclose(FullBatchLoss(make_objective(form), Block(X, w), Workers(1))(theta)[0], expected, rtol=1e-11)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "form, container", [("residual", np.asarray), ("linear", np.asarray), ("linear", sp.csr_matrix)]
)
def test_a_batch_of_all_rows_is_the_full_batch(X, w, form, container, weighted):
    objective, w = make_objective(form), w if weighted else None
    theta = initial_theta(objective)
    expected_terms, expected = FullBatchLoss(objective, Block(container(X), w), Workers(1))(theta)
    rows = np.random.RandomState(1).permutation(N)
    with threadpool_limits(limits=2, user_api="blas"), worker_threads() as workers:
        terms, pieces = MiniBatchLoss(objective, workers)(theta, Batch(container(X), w, rows, rows))
        gradient = gathered(theta, pieces)
    assert_allclose(terms, expected_terms, rtol=1e-12)
    assert relative_error(gradient, expected) < 1e-11


def test_a_large_batch_has_few_blocks(X):
    objective = make_objective("residual")
    calls, forward = [], objective.forward
    objective.forward = lambda *args: calls.append(args) or forward(*args)
    MiniBatchLoss(objective, Workers(1))(initial_theta(objective), Batch(X, None, np.arange(N), np.arange(N)))
    assert len(calls) == 8


def test_a_batch_sees_its_own_rows_alone(X):
    objective = make_objective("residual")
    theta, rows = initial_theta(objective), np.array([5, 2999, 17])
    terms, pieces = MiniBatchLoss(objective, Workers(1))(theta, Batch(X, None, rows, rows))
    expected_terms, expected = FullBatchLoss(objective, Block(X[rows]), Workers(1))(theta)
    assert_allclose(terms, expected_terms, rtol=1e-13)
    assert relative_error(gathered(theta, pieces), expected) < 1e-12


def test_the_mean_kl_term_of_batches_is_above_that_of_all_rows(X):
    # It is convex in rho_hat.
    objective = make_objective("residual")
    theta = initial_theta(objective)
    batches = np.random.RandomState(0).permutation(N).reshape(-1, 30)
    of_batches = np.mean(
        [MiniBatchLoss(objective, Workers(1))(theta, Batch(X, None, rows, rows))[0] for rows in batches], axis=0
    )
    of_all_rows = FullBatchLoss(objective, Block(X), Workers(1))(theta)[0]
    assert_allclose(of_batches[:2], of_all_rows[:2], rtol=1e-12)
    assert of_batches[2] > of_all_rows[2]


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
def test_noise_hides_numbers_from_the_network_but_not_from_the_loss(X, container):
    objective, rows = make_objective("linear"), np.arange(2000)
    theta = initial_theta(objective)
    seen = []
    forward = objective.forward
    objective.forward = lambda theta, block: seen.append(block) or forward(theta, block)
    terms, pieces = MiniBatchLoss(objective, Workers(1), corruption=0.3, random_state=np.random.RandomState(0))(
        theta, Batch(container(X), None, rows, rows)
    )
    dense = [[sp.csr_matrix(array).toarray() for array in (block.X, block.noisy)] for block in seen]
    clean, noisy = (np.vstack(arrays) for arrays in zip(*dense))
    assert_array_equal(clean, X[rows])
    assert_array_equal(noisy[noisy != 0], clean[noisy != 0])
    assert np.mean(noisy[clean != 0] == 0) == pytest.approx(0.3, abs=0.02)
    # The derivative is that of the loss of this noise.
    objective.forward = forward
    block = block_of(objective, clean, noisy=noisy)

    def value(theta):
        return evaluate(objective, theta, [block])[0].sum()

    assert_allclose(terms.sum(), value(theta), rtol=1e-10)
    assert relative_error(gathered(theta, pieces), numerical_gradient(value, theta)) < 1e-7


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
def test_noise_does_not_depend_on_the_number_of_threads(X, container):
    objective, rows, results = make_objective("linear"), np.arange(600), []
    theta = initial_theta(objective)
    for n_threads in (1, 2):
        with threadpool_limits(limits=n_threads, user_api="blas"), worker_threads() as workers:
            batch = MiniBatchLoss(objective, workers, corruption=0.5, random_state=np.random.RandomState(0))
            results.append([gathered(theta, batch(theta, Batch(container(X), None, rows, rows))[1]) for _ in range(2)])
    assert_array_equal(results[0], results[1])
    assert not np.array_equal(results[0][0], results[0][1])


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
def test_blocks_know_where_in_the_batch_their_rows_are(X, container):
    objective, rows = make_objective("residual"), np.random.RandomState(0).permutation(N)
    seen, statistics = [], objective.statistics

    def noted(theta, block, outputs):
        seen.append(block)
        return statistics(theta, block, outputs)

    objective.statistics = noted
    MiniBatchLoss(objective, Workers(1))(initial_theta(objective), Batch(container(X), None, rows, rows))
    assert len(seen) == (1 if container is sp.csr_matrix else 8)
    assert [block.position.start for block in seen] == [0, *(block.position.stop for block in seen[:-1])]
    assert seen[-1].position.stop == N
    for block in seen:
        assert_array_equal(sp.csr_matrix(block.X).toarray(), X[rows[block.position]])
