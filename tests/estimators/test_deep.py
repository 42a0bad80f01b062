"""Deep stacks: gradients over all options, pretraining, noise, early stopping."""

from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from helpers.data import random_weights
from helpers.formula import FUNCTIONS, j_sparse
from helpers.gradients import numerical_gradient, relative_error
from helpers.marks import FEW_ITERATIONS
from helpers.objectives import block_of, evaluate
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._data import DataInMemory, FullBatchLoss
from skdeepcluster._network import initial_parameters, mirrored_network
from skdeepcluster._objectives import Block, LinearDecoderObjective, SparseAutoencoderObjective
from skdeepcluster._support._threads import Workers
from skdeepcluster._training import TrainingOptions, _plan, network_of

pytestmark = FEW_ITERATIONS

# Layers differ in size from their neighbours.
D, N = 3, 40
HIDDEN = {1: (), 2: (5,), 3: (5, 4), 4: (5, 4, 3)}

make = partial(SparseAutoencoderTransformer, n_components=4, hidden_layer_sizes=(12,), max_iter=20, random_state=0)


@pytest.fixture
def X(blobs):
    return blobs


# The objective


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("output_activation", ["identity", "logistic"])
@pytest.mark.parametrize("code_activation", FUNCTIONS)
@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("depth", HIDDEN)
def test_gradients(depth, activation, code_activation, output_activation, tied, weighted):
    rng = np.random.RandomState(depth)
    network = mirrored_network(
        D, HIDDEN[depth], 2, activation=activation, code_activation=code_activation,
        output_activation=output_activation, tied=tied,
    )  # fmt: skip
    parameters = {"rho": 0.2, "beta": 0.7, "lam": 0.03}
    X = rng.uniform(size=(N, D))
    w = random_weights(rng, N) if weighted else None
    objectives = [SparseAutoencoderObjective(network, **parameters)]
    if output_activation == "identity":
        objectives.append(LinearDecoderObjective(network, **parameters, projected=False))
    layout = objectives[0].layout
    theta = rng.normal(scale=0.5, size=layout.size)

    def definition(theta):
        return j_sparse(X, *layout.unpack(theta), network.activations, network.n_encoder_layers, w=w, **parameters)

    expected = numerical_gradient(definition, theta)
    for objective in objectives:
        terms, gradient, _ = evaluate(objective, theta, [block_of(objective, X, w)])
        assert_allclose(terms.sum(), definition(theta), rtol=1e-12)
        assert relative_error(gradient, expected) < 1e-6


# The estimator

DEEP = {
    "relu, logistic code": {},
    "logistic": {"activation": "logistic", "hidden_layer_sizes": (12, 8)},
    "tanh, identity code": {"activation": "tanh", "code_activation": "identity", "beta": 0},
    "tied": {"tied_weights": True, "hidden_layer_sizes": [12, 8]},
    "one number": {"hidden_layer_sizes": 12},
    "tied, one layer": {"tied_weights": True, "hidden_layer_sizes": ()},
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("name", DEEP)
def test_loss_is_the_objective_of_the_fitted_parameters(X, name, solver, container, weighted, rng):
    w = rng.uniform(0.1, 2, size=len(X)) if weighted else None
    model = make(solver=solver, max_iter=8, **DEEP[name]).fit(container(X), sample_weight=w)
    layers = model.coefs_, model.intercepts_, model._network.activations, model._network.n_encoder_layers
    expected = j_sparse(X, *layers, rho=model.rho, beta=model.beta, lam=model.lam, w=w)
    assert_allclose(model.loss_, expected, rtol=1e-11)
    assert model.loss_curve_["loss"][-1] < model.loss_curve_["loss"][0]
    code = model.transform(container(X))
    assert code.shape == (600, 4)
    assert_allclose(model.mean_activation_, np.average(code, axis=0, weights=w), rtol=1e-10)
    error = np.average(((model.inverse_transform(code) - X) ** 2).mean(axis=1), weights=w)
    assert_allclose(model.score(container(X), sample_weight=w), -error, rtol=1e-10)


@pytest.mark.parametrize("tied", [False, True])
def test_layers_mirror_each_other(X, tied):
    model = make(hidden_layer_sizes=(12, 8), tied_weights=tied).fit(X)
    assert [W.shape for W in model.coefs_] == [(15, 12), (12, 8), (8, 4), (4, 8), (8, 12), (12, 15)]
    mirrored = [np.array_equal(W, V.T) for W, V in zip(model.coefs_, reversed(model.coefs_))]
    assert mirrored == [tied] * 6
    assert model.get_feature_names_out().shape == (4,)


@pytest.mark.parametrize(
    "parameters, dtype",
    [({}, np.float64), ({"tied_weights": True}, np.float32), ({"activation": "logistic"}, np.float64)],
)
def test_adam_and_lbfgs_come_near_each_other(X, parameters, dtype):
    data, options = X.astype(dtype), {"lam": 1e-2, "beta": 0.1, "tol": 0, **parameters}
    lbfgs = make(solver="lbfgs", max_iter=300, **options).fit(data)
    adam = make(solver="adam", max_iter=150, batch_size=50, learning_rate_init=0.01, **options).fit(data)
    assert adam.loss_ == pytest.approx(lbfgs.loss_, rel=0.1)
    assert {a.dtype for a in (*adam.coefs_, *lbfgs.intercepts_, adam.transform(data))} == {np.dtype(dtype)}


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("parameters", [{}, {"tied_weights": True, "pretrain": "layerwise"}])
def test_same_random_state_same_result_whatever_the_number_of_threads(X, solver, parameters):
    codes = []
    for n_threads in (1, 2, 2):
        with threadpool_limits(limits=n_threads, user_api="blas"):
            codes.append(make(solver=solver, **parameters).fit_transform(X))
    assert_array_equal(codes[0], codes[1])
    assert_array_equal(codes[1], codes[2])


def test_the_default_step_is_smaller_in_deep_networks(X):
    deep, shallow = ({"solver": "adam", "hidden_layer_sizes": sizes, "max_iter": 2} for sizes in ((12,), ()))
    assert make(**deep).fit(X).loss_ == make(**deep, learning_rate_init=0.001).fit(X).loss_
    assert make(**shallow).fit(X).loss_ == make(**shallow, learning_rate_init=0.01).fit(X).loss_


def test_partial_fit_and_warm_start_go_on(X):
    model = make(solver="adam", learning_rate_init=0.01, warm_start=True)
    for _ in range(30):
        model.partial_fit(X)
    before = model.loss_
    model.set_params(learning_rate_init=0.001, max_iter=3).fit(X)
    assert model.loss_ < before
    assert model.loss_curve_["loss"][0] < 1.2 * before
    assert model.n_iter_ == 3


def test_warm_start_needs_the_same_network(X):
    model = make(warm_start=True).fit(X)
    model.set_params(tied_weights=True)
    with pytest.raises(ValueError, match=r"untied weights, but .*tied_weights=True.*set warm_start=False"):
        model.fit(X)


@pytest.mark.parametrize("sizes", [(0,), (5, -1), (2.5,), ("a",), (True,), ((3, 4), (5, 6))])
def test_bad_hidden_layer_sizes(X, sizes):
    with pytest.raises(ValueError, match=r"hidden_layer_sizes.*positive integers"):
        make(hidden_layer_sizes=sizes).fit(X)


@pytest.mark.parametrize("parameters", [{"n_components": 10**400}, {"hidden_layer_sizes": (3, 2**61)}], ids=list)
def test_more_weights_than_any_memory_holds(X, parameters):
    model = make().fit(X)
    for fit in (model.set_params(**parameters).fit, model.partial_fit):
        with pytest.raises(ValueError, match=r"n_components=.* and hidden_layer_sizes=.* than any memory"):
            fit(X)


def test_the_kl_term_needs_a_logistic_layer(X):
    with pytest.raises(ValueError, match=r"beta=1.0 .*logistic.*Set beta=0"):
        make(code_activation="identity").fit(X)
    make(code_activation="identity", beta=0).fit(X)
    make(code_activation="identity", activation="logistic").fit(X)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
def test_auto_is_lbfgs_on_few_rows_and_adam_on_many_dense_ones(X, monkeypatch, container):
    few = make().fit(container(X))
    assert_array_equal(few.coefs_[0], make(solver="lbfgs").fit(container(X)).coefs_[0])
    monkeypatch.setattr(_plan, "_AUTO_ROWS", 600)
    many = make().fit(container(X))
    solver = "adam" if container is np.asarray else "lbfgs"
    assert_array_equal(many.coefs_[0], make(solver=solver).fit(container(X)).coefs_[0])


# Noise


def test_noise_needs_adam_which_auto_is(X):
    with pytest.raises(ValueError, match=r"corruption=0.2 .*solver='lbfgs'.*Set solver='adam'"):
        make(corruption=0.2, solver="lbfgs").fit(X)
    auto, adam = (make(corruption=0.2, solver=solver).fit(X) for solver in ("auto", "adam"))
    assert_array_equal(auto.coefs_[0], adam.coefs_[0])


def test_training_against_noise_reconstructs_hidden_numbers_better(X):
    rng = np.random.RandomState(1)
    noisy = X * (rng.uniform(size=X.shape) > 0.3)
    options = {"solver": "adam", "max_iter": 150, "learning_rate_init": 0.01, "tol": 0, "beta": 0.0, "lam": 1e-4}

    def error(model):
        return np.mean((model.inverse_transform(model.transform(noisy)) - X) ** 2)

    assert error(make(corruption=0.3, **options).fit(X)) < 0.8 * error(make(**options).fit(X))


# Pretraining


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_every_layer_is_pretrained_on_the_codes_below(X, solver):
    model = make(hidden_layer_sizes=(12, 8), pretrain="layerwise", solver=solver).fit(X)
    assert len(model.pretraining_loss_curves_) == 3
    for curve in (*model.pretraining_loss_curves_, model.loss_curve_):
        assert 0 < len(curve) <= 20
        assert curve["loss"][-1] < curve["loss"][0]
    assert model.n_iter_ == len(model.loss_curve_)


@pytest.mark.parametrize("layer", [0, 1])
def test_a_layer_is_pretrained_as_an_autoencoder_of_its_own(X, layer):
    model = make(pretrain="layerwise", activation="logistic", solver="lbfgs", max_iter=10, tol=0)
    pretrained = model.fit(X)
    # The same layer by itself, from the start that the stack gives it.
    theta = initial_parameters(model._network, np.random.RandomState(0), X.dtype)
    coefs, intercepts, _ = model._network.layers(theta)
    below = X
    if layer == 1:
        first = stage_alone(X, 12, coefs, intercepts, 0)
        below = first.transform(X)
    alone = stage_alone(below, (12, 4)[layer], coefs, intercepts, layer)
    assert_array_equal(pretrained.pretraining_loss_curves_[layer], alone.loss_curve_)


def stage_alone(X, n_components, coefs, intercepts, layer):
    """An autoencoder with one hidden layer that starts from the pair of a layer and the one that mirrors it."""
    alone = make(
        n_components=n_components,
        hidden_layer_sizes=(),
        output_activation="identity" if layer == 0 else "logistic",
        solver="lbfgs",
        max_iter=10,
        tol=0,
        warm_start=True,
    ).fit(X)
    alone.coefs_ = [coefs[layer], coefs[-1 - layer]]
    alone.intercepts_ = [intercepts[layer], intercepts[-1 - layer]]
    return alone.fit(X)


def test_pretraining_gives_a_better_start(X):
    options = {"hidden_layer_sizes": (12, 8, 6), "activation": "logistic", "solver": "adam", "tol": 0, "beta": 0.1}
    options["lam"] = 1e-5
    pretrained = make(pretrain="layerwise", learning_rate_init=0.01, **options).fit(X)
    random = make(learning_rate_init=0.01, **options).fit(X)
    assert pretrained.loss_curve_["loss"][0] < 0.9 * random.loss_curve_["loss"][0]
    assert random.pretraining_loss_curves_ == []


def test_pretraining_is_for_stacks_and_cold_starts(X):
    alone, plain = (make(hidden_layer_sizes=(), pretrain=how).fit(X) for how in ("layerwise", None))
    assert_array_equal(alone.coefs_[0], plain.coefs_[0])
    assert alone.pretraining_loss_curves_ == []
    model = make(pretrain="layerwise", warm_start=True).fit(X)
    assert len(model.pretraining_loss_curves_) == 2
    assert model.fit(X).pretraining_loss_curves_ == []


# Early stopping


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("weighted", [False, True])
def test_early_stopping_ends_with_the_parameters_that_were_best(X, solver, weighted, rng):
    w = rng.uniform(0.1, 2, size=len(X)) if weighted else None
    options = {"hidden_layer_sizes": (60, 60), "lam": 0.0, "beta": 0.0, "tol": 1e-3, "n_iter_no_change": 5}
    # 21 batches, so that epochs count one by one.
    options |= {"solver": solver, "batch_size": 5, "max_iter": 500}
    options |= {"learning_rate_init": 0.005, "validation_fraction": 0.3}
    model = make(early_stopping=True, **options).fit(X[:150], sample_weight=None if w is None else w[:150])
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_ < 500
    # In the last five iterations the best got hardly better, and before that it did.
    assert max(scores[-5:]) - max(scores[:-5]) <= 1e-3 * -max(scores[:-5])
    assert max(scores[-6:-1]) - max(scores[:-6]) > 1e-3 * -max(scores[:-6])
    held_out = np.random.RandomState(0)
    initial_parameters(model._network, held_out, X.dtype)
    rows = np.sort(held_out.permutation(150)[:45])
    assert_allclose(model.score(X[rows], sample_weight=None if w is None else w[rows]), max(scores), rtol=1e-10)


def test_early_stopping_needs_rows_to_train_on():
    with pytest.raises(ValueError, match=r"validation_fraction=0.9 .* none of the 3 "):
        make(early_stopping=True, validation_fraction=0.9).fit(np.eye(3))


def test_without_early_stopping_there_are_no_validation_scores(X):
    assert not hasattr(make().fit(X), "validation_scores_")


def test_pretraining_with_early_stopping_stops_by_tol(X):
    options = {"pretrain": "layerwise", "solver": "lbfgs", "max_iter": 200, "tol": 0.01}
    stopping, plain = (make(early_stopping=how, **options).fit(X) for how in (True, False))
    for curve in (*stopping.pretraining_loss_curves_, *plain.pretraining_loss_curves_):
        assert len(curve) < 200


def test_early_stopping_does_not_end_the_first_epochs_of_auto(X, monkeypatch):
    monkeypatch.setattr(_plan, "_AUTO_ROWS", 500)
    monkeypatch.setattr(_plan, "_AUTO_UNITS", 4)
    options = {"hidden_layer_sizes": (), "n_iter_no_change": 2, "tol": 0.2, "early_stopping": True}
    model = make(**options).fit(X)
    assert model.n_iter_ >= 8 + 3
    assert len(model.validation_scores_) == model.n_iter_


def test_a_refit_leaves_nothing_of_the_last_fit(X):
    model = make(early_stopping=True).fit(X).set_params(early_stopping=False).fit(X)
    assert not hasattr(model, "validation_scores_")
    assert make().partial_fit(X).pretraining_loss_curves_ == []


def test_partial_fit_knows_no_held_out_rows(X):
    with pytest.raises(ValueError, match=r"early_stopping=True .*hold out rows yourself"):
        make(early_stopping=True).partial_fit(X)


def test_the_warning_of_early_stopping_names_its_rule(X):
    with pytest.warns(ConvergenceWarning, match="before the error on held-out rows fell by no more than tol=1e-09"):
        make(early_stopping=True, tol=1e-9, max_iter=12).fit(X)


@pytest.mark.parametrize("corruption", [0.0, 0.1])
@pytest.mark.parametrize("solver", ["auto", "adam", "lbfgs"])
@pytest.mark.parametrize("sizes", [(), (12,)])
def test_plans(X, monkeypatch, solver, sizes, corruption):
    monkeypatch.setattr(_plan, "_AUTO_UNITS", 4)
    for n_rows in (600, 601):
        monkeypatch.setattr(_plan, "_AUTO_ROWS", n_rows)
        model = make(solver=solver, hidden_layer_sizes=sizes, corruption=corruption, max_iter=None)
        for warm in (False, True):
            network, options = network_of(model, X.shape[1]), TrainingOptions.of(model)
            stages = _plan.plan_stages(network, DataInMemory(X, None, None), options, pretrain=True, warm=warm)
            adam = solver == "adam" or (solver == "auto" and (corruption > 0 or (sizes != () and n_rows == 600)))
            assert (stages[-1].solver, stages[-1].max_iter) == (("adam", 667) if adam else ("lbfgs", 300))
            before = [(stage.solver, stage.max_iter, stage.layer) for stage in stages[:-1]]
            if warm:
                assert before == []
            elif sizes:
                assert before == [(stages[-1].solver, stages[-1].max_iter, layer) for layer in (0, 1)]
            else:
                assert before == ([("adam", 8, None)] if solver == "auto" and not adam and n_rows == 600 else [])


def test_sparse_rows_of_deep_stacks_are_worked_in_blocks(X):
    network = network_of(make(), X.shape[1])
    objective = LinearDecoderObjective(network, rho=0.5, beta=1.0, lam=0.001, projected=True)
    sparse = sp.csr_matrix(np.tile(np.where(X > 0, X, 0), (10, 1)))
    theta = np.random.RandomState(0).normal(scale=0.3, size=objective.layout.size)
    calls, forward = [], objective.forward
    objective.forward = lambda *arguments: calls.append(arguments) or forward(*arguments)
    terms, gradient = FullBatchLoss(objective, Block(sparse), Workers(1))(theta)
    assert 2 <= len(calls) <= 16
    objective.forward = forward
    expected_terms, expected = FullBatchLoss(objective, Block(sparse.toarray()), Workers(1))(theta)
    assert_allclose(terms, expected_terms, rtol=1e-10)
    assert_allclose(gradient, expected, rtol=1e-8, atol=1e-12)
