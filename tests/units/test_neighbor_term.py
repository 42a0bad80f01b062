"""The neighbour term of J: its value, its derivative, and the objective that has it."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from helpers import exact
from helpers.gradients import numerical_gradient, relative_error
from helpers.objectives import block_of, evaluate_in_pieces, gathered, initial_theta
from skdeepcluster._data import Batch, MiniBatchLoss
from skdeepcluster._network import mirrored_network
from skdeepcluster._objectives import LinearDecoderObjective, NeighborObjective, SparseAutoencoderObjective
from skdeepcluster._objectives._neighbors import contrast, contrast_gradient
from skdeepcluster._support._threads import worker_threads

HYPERPARAMETERS = {"rho": 0.2, "beta": 0.5, "lam": 1e-3}


def test_a_value_by_hand():
    # Two groups of two points on a line, u = 1: phi = 1/2 within a group, and 1/101, 1/122, 1/82 across.
    code = np.array([[0.0], [1.0], [10.0], [11.0]])
    inner = np.log(1 / 2 + 1 / 82 + 1 / 101) + np.log(2)  # of 1 and of 10
    outer = np.log(1 / 2 + 1 / 101 + 1 / 122) + np.log(2)  # of 0 and of 11
    assert_allclose(contrast(code, None, 2, 1.0).value, (inner + outer) / 2, rtol=1e-14)
    # In units of 10 the same points are ten times as far apart.
    assert_allclose(contrast(10 * code, None, 2, 10.0).value, (inner + outer) / 2, rtol=1e-14)


@pytest.mark.parametrize("unit", [1.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("group_size", [2, 5])
def test_the_value_in_50_digits(rng, unit, weighted, group_size):
    code, w = rng.normal(size=(20, 3)), rng.uniform(0.2, 2, size=20) if weighted else None
    expected = float(exact.neighbor_term(code, group_size, unit, w))
    assert_allclose(contrast(code, w, group_size, unit).value, expected, rtol=1e-13)
    assert_allclose(contrast(code.astype(np.float32), w, group_size, unit).value, expected, rtol=1e-5)


@pytest.mark.parametrize("unit", [1.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_derivative_is_that_of_the_value(rng, unit, weighted):
    code, w = rng.normal(size=(18, 2)), rng.uniform(0.2, 2, size=18) if weighted else None
    expected = numerical_gradient(lambda z: contrast(z.reshape(18, 2), w, 3, unit).value, code.ravel())
    shared = contrast(code, w, 3, unit)
    parts = [contrast_gradient(shared, rows, unit) for rows in (slice(0, 7), slice(7, 18))]
    assert relative_error(np.concatenate(parts).ravel(), expected) < 1e-7


def test_weights_of_one_are_none_and_their_scale_is_that_of_the_term(rng):
    code = rng.normal(size=(12, 3))
    plain = contrast(code, None, 4, 1.0)
    ones = contrast(code, np.ones(12), 4, 1.0)
    assert ones.value == plain.value
    assert_array_equal(contrast_gradient(ones, slice(0, 12), 1.0), contrast_gradient(plain, slice(0, 12), 1.0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_rows_and_far_rows_have_finite_terms(dtype):
    code = np.repeat(np.array([[0.0, 0.0], [0.0, 0.0], [1e4, 1e4]], dtype=dtype), 4, axis=0)
    shared = contrast(code, None, 4, 1.0)
    # Eight rows at one point: each has seven others at phi = 1; and four at another: three.
    assert_allclose(shared.value, (8 * np.log(7) + 4 * np.log(3)) / 12, rtol=1e-5)
    assert np.isfinite(contrast_gradient(shared, slice(0, 12), 1.0)).all()


# The objective


def objective_of(depth, code_activation, tied, form=SparseAutoencoderObjective):
    network = mirrored_network(
        6,
        (5, 4)[:depth],
        3,
        activation="tanh",
        code_activation=code_activation,
        output_activation="identity",
        tied=tied,
    )
    parameters = HYPERPARAMETERS | ({"beta": 0.0} if code_activation != "logistic" else {})
    options = {"projected": False} if form is LinearDecoderObjective else {}
    autoencoder = form(network, **parameters, **options)
    return NeighborObjective(autoencoder, group_size=3, weight=1.7, unit=0.4)


def blocks_at(objective, X, w, parts):
    return [block_of(objective, X[part], None if w is None else w[part])._replace(position=part) for part in parts]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("code_activation", ["logistic", "identity", "relu"])
@pytest.mark.parametrize("depth", [0, 2])
def test_the_gradient_is_that_of_j(rng, depth, code_activation, tied, weighted):
    objective = objective_of(depth, code_activation, tied)
    X, w = rng.normal(size=(24, 6)), rng.uniform(0.5, 1.5, size=24) if weighted else None
    theta = initial_theta(objective)
    whole = [slice(0, 24)]

    def value(theta):
        terms, _ = evaluate_in_pieces(objective, theta, blocks_at(objective, X, w, whole))
        return terms.sum()

    terms, pieces = evaluate_in_pieces(objective, theta, blocks_at(objective, X, w, [slice(0, 10), slice(10, 24)]))
    assert_allclose(terms.sum(), value(theta), rtol=1e-13)
    assert relative_error(gathered(theta, pieces), numerical_gradient(value, theta)) < 1e-6


def test_the_terms_are_those_of_the_autoencoder_and_the_weight_times_t(rng):
    objective, X = objective_of(1, "logistic", False), rng.normal(size=(24, 6))
    theta = initial_theta(objective)
    terms, _ = evaluate_in_pieces(objective, theta, blocks_at(objective, X, None, [slice(0, 24)]))
    own, _ = evaluate_in_pieces(objective.autoencoder, theta, [block_of(objective, X)])
    assert objective.term_names == ("reconstruction", "weight_decay", "sparsity", "neighbors")
    assert_allclose(terms[:3], own, rtol=1e-14)
    code = objective.network.layers(theta).part(objective.network.encoder).outputs(X)[-1]
    assert_allclose(terms[3], 1.7 * float(exact.neighbor_term(code, 3, 0.4)), rtol=1e-12)
    assert_allclose(objective.value(code, None), terms[3], rtol=1e-13)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
def test_batches_give_the_same_for_every_number_of_threads(rng, container):
    form = SparseAutoencoderObjective if container is np.asarray else LinearDecoderObjective
    objective = objective_of(2, "logistic", False, form)
    X, rows = rng.normal(size=(900, 6)), np.random.RandomState(0).permutation(900)
    theta, results = initial_theta(objective), []
    for n_threads in (1, 2):
        with threadpool_limits(limits=n_threads, user_api="blas"), worker_threads() as workers:
            loss = MiniBatchLoss(objective, workers, random_state=np.random.RandomState(0))
            terms, pieces = loss(theta, Batch(container(X), None, rows, rows))
            results.append(np.append(terms, gathered(theta, pieces)))
    assert_array_equal(results[0], results[1])
    # The rows keep their order, and so their groups.
    whole, _ = evaluate_in_pieces(objective, theta, blocks_at(objective, container(X)[rows], None, [slice(0, 900)]))
    assert_allclose(results[0][:4], whole, rtol=1e-10)
