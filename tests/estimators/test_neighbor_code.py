"""An autoencoder with neighbours in its objective: what it minimises, of every kind of data, and with other options."""

import pickle
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.neighbors import KNeighborsTransformer
from threadpoolctl import threadpool_limits

from helpers.data import mapped, random_weights
from helpers.formula import terms_of_j
from helpers.marks import FEW_ITERATIONS
from helpers.neighbors import UNITS, activations, half_variance, mean_term
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._data import _memory
from skdeepcluster._network import initial_parameters
from skdeepcluster._training import network_of

pytestmark = FEW_ITERATIONS

make = partial(
    SparseAutoencoderTransformer,
    4,
    n_neighbors=9,
    max_iter=3,
    batch_size=64,
    learning_rate_init=0.01,
    random_state=0,
)


@pytest.fixture(scope="module")
def X(blobs):
    return blobs[:300]


def results(model):
    own = [np.asarray(getattr(model, name)) for name in ("loss_", "mean_activation_", "validation_scores_", "n_iter_")
           if hasattr(model, name)]  # fmt: skip
    return [*model.coefs_, *model.intercepts_, np.array(model.loss_curve_.tolist()), *own]


def assert_same(a, b):
    for x, y in zip(results(a), results(b), strict=True):
        assert_array_equal(x, y)


def assert_close(a, b, rtol):
    for x, y in zip(results(a), results(b), strict=True):
        assert_allclose(x, y, rtol=rtol, atol=rtol)


# J


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"n_neighbors": 2, "neighbor_weight": 3.0, "batch_size": 50},
        {"hidden_layer_sizes": (8,), "code_activation": "identity", "beta": 0},
        {"hidden_layer_sizes": (8, 6), "code_activation": "tanh", "activation": "logistic"},
        {"code_activation": "relu", "beta": 0, "tied_weights": True, "shuffle": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_is_j_and_the_mean_of_t_over_the_batches_of_an_epoch(X, rng, parameters, weighted):
    w = random_weights(rng, len(X)) if weighted else None
    model = make(**parameters).fit(X, sample_weight=w)
    own = {name: getattr(model, name) for name in ("rho", "beta", "lam")}
    terms = terms_of_j(X, model.coefs_, model.intercepts_, *activations(model), **own, w=w)
    term = model.neighbor_weight * half_variance(X, w) * mean_term(model, X, w)
    # With tied weights the decoder's are the same numbers, and count as often.
    assert_allclose(model.loss_, terms.sum() + term, rtol=1e-9)
    assert term > 0.1 * terms.sum()


def test_the_curve_has_the_terms_of_every_epoch(X):
    model = make(max_iter=5).fit(X)
    curve = model.loss_curve_
    assert curve.dtype.names == ("loss", "reconstruction", "weight_decay", "sparsity", "neighbors")
    assert curve.shape == (5,) == (model.n_iter_,)
    assert_allclose(curve["loss"], sum(curve[name] for name in curve.dtype.names[1:]))
    assert make(n_neighbors=None).fit(X).loss_curve_.dtype.names == curve.dtype.names[:-1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("code_activation", UNITS)
@pytest.mark.parametrize("hidden", [(), (10,), (10, 8)], ids=len)
def test_neighbours_are_drawn_together_in_every_code(X, hidden, code_activation, dtype):
    parameters = {"beta": 0.0} if code_activation != "logistic" else {}
    options = {"hidden_layer_sizes": hidden, "code_activation": code_activation, "activation": "tanh", **parameters}
    model = make(**options, max_iter=40).fit(X.astype(dtype))
    without = make(**options, max_iter=40, neighbor_weight=1e-9).fit(X.astype(dtype))
    assert all(W.dtype == dtype for W in model.coefs_)
    curve = model.loss_curve_["neighbors"] / half_variance(X)
    assert curve[-1] < curve[0] - 0.2
    assert mean_term(model, X) < mean_term(without, X) - 0.03


def test_single_precision_gives_nearly_the_same(X):
    double, single = (make().fit(X.astype(dtype)) for dtype in (np.float64, np.float32))
    assert_close(single, double, 1e-4)


def test_the_weight_of_the_term_is_in_units_of_half_the_variance(X):
    # J in another unit of length: the same minimum where nothing but the data has a unit.
    options = {"code_activation": "identity", "beta": 0, "lam": 0, "learning_rate_init": 1e-12}
    one, other = (make(**options).fit(rows) for rows in (X, 2 * X))
    assert_allclose(half_variance(2 * X), 4 * half_variance(X))
    for model, rows in ((one, X), (other, 2 * X)):
        assert_allclose(model.loss_curve_["neighbors"][0] / half_variance(rows), mean_term(model, rows), rtol=0.02)


@pytest.mark.parametrize("options", [{}, {"output_activation": "logistic"}, {"hidden_layer_sizes": 7}], ids=str)
@pytest.mark.parametrize("tied_weights", [False, True])
def test_outputs_and_ties_of_every_kind(X, options, tied_weights):
    unit = (X - X.min()) / (X.max() - X.min())
    model = make(**options, tied_weights=tied_weights, max_iter=30).fit(unit)
    assert model.loss_curve_["neighbors"][-1] < model.loss_curve_["neighbors"][0]
    if tied_weights:
        assert_array_equal(model.coefs_[0], model.coefs_[-1].T)


# Rows


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("container", [np.asarray, np.float32, sp.csr_array])
def test_weights_of_one_are_none(X, container, early_stopping):
    model = make(early_stopping=early_stopping, validation_fraction=0.2)
    one, none = (clone(model).fit(container(X), sample_weight=w) for w in (np.full(300, 0.1), None))
    assert_same(one, none)


@pytest.mark.parametrize("container", [np.asarray, np.float32, sp.csr_array])
def test_rows_of_weight_zero_take_no_part(X, rng, container):
    w = random_weights(rng, 300)
    w[::3] = 0
    with_zeros = make().fit(container(X), sample_weight=w)
    assert_same(with_zeros, make().fit(container(X)[w > 0], sample_weight=w[w > 0]))


@pytest.mark.parametrize("format_", [sp.csr_matrix, sp.csc_array])
@pytest.mark.parametrize("options", [{}, {"metric": "cosine"}, {"hidden_layer_sizes": 8, "pretrain": "layerwise"}])
def test_sparse_rows_give_the_model_of_dense_ones(X, format_, options):
    rows = np.where(X < 0, 0, X)
    assert_close(make(**options).fit(format_(rows)), make(**options).fit(rows), 1e-7)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("options", [{}, {"neighbors_transformer": KNeighborsTransformer()}], ids=["own", "other"])
def test_a_mapped_file_gives_the_model_of_the_array(X, tmp_path, monkeypatch, early_stopping, options):
    monkeypatch.setattr(_memory, "_COPIED_BYTES", 0)
    in_file = mapped(X, tmp_path / "X.f8")
    model = make(early_stopping=early_stopping, validation_fraction=0.2, **options)
    assert_same(clone(model).fit(in_file), clone(model).fit(X))


def test_repeated_rows_have_each_other_for_neighbours(X):
    model = make(max_iter=30).fit(np.repeat(X[:25], 12, axis=0))
    # With all neighbours at the same point, the second half of the term is 0 from the start.
    assert all(np.isfinite(array).all() for array in results(model))
    assert model.loss_curve_["neighbors"][-1] < model.loss_curve_["neighbors"][0]


def test_one_row_more_than_neighbours_is_enough(X):
    model = make(batch_size=None).fit(X[:10])
    assert np.isfinite(model.loss_)
    with pytest.raises(ValueError, match=r"n_neighbors=9 asks for more neighbours than X, with n_samples=9 rows"):
        make(batch_size=None).fit(X[:9])


def test_two_rows_are_neighbours(X):
    assert np.isfinite(make(n_neighbors=1).fit(X[:2]).loss_)


# Other options


def test_the_result_does_not_depend_on_the_threads(X):
    rows = np.hstack([X] * 4)
    for data in (rows, rows.astype(np.float32), sp.csr_array(rows)):
        fits = []
        for n_threads in (1, 2):
            with threadpool_limits(limits=n_threads, user_api="blas"):
                fits.append(make(batch_size=280, early_stopping=True, corruption=0.1).fit(data))
        assert_same(*fits)


def test_random_state_draws_other_batches(X):
    fits = [make(shuffle=shuffle, random_state=np.random.RandomState(0)).fit(X) for shuffle in (True, False)]
    assert not np.array_equal(fits[0].coefs_[0], fits[1].coefs_[0])
    assert_same(make().fit(X), make().fit(X))
    assert make().fit(X).loss_ != make(random_state=1).fit(X).loss_


def test_auto_is_adam(X):
    assert_same(make(solver="auto").fit(X), make(solver="adam").fit(X))


def test_augmented_rows_have_the_neighbours_of_the_rows_as_they_are(X):
    same, none = (make(augment=augment).fit(X) for augment in (lambda X, random_state: X, None))
    assert_same(same, none)
    seen = []

    class Noted(KNeighborsTransformer):
        def fit_transform(self, X, y=None):
            seen.append(X)
            return super().fit_transform(X)

    options = {"augment": lambda X, random_state: -3 * X, "neighbors_transformer": Noted()}
    augmented = make(**options).fit(X)
    assert len(seen) == 1
    assert_array_equal(seen[0], X)
    # What the network sees are groups of neighbours all the same: it is the fit to -3 X, which have the same graph.
    expected = make(neighbor_weight=1 / 9).fit(-3 * X)
    assert_allclose(augmented.loss_curve_["neighbors"], expected.loss_curve_["neighbors"], rtol=1e-9)
    assert_allclose(augmented.coefs_[0], expected.coefs_[0], rtol=1e-7, atol=1e-9)


def test_corruption_is_drawn_for_the_batches(X):
    noisy, again, clean = (make(corruption=corruption).fit(X) for corruption in (0.3, 0.3, 0))
    assert_same(noisy, again)
    assert not np.array_equal(noisy.coefs_[0], clean.coefs_[0])


def test_layers_are_pretrained_without_neighbours(X):
    model = make(hidden_layer_sizes=(8, 6), pretrain="layerwise", max_iter=2).fit(X)
    plain = ("loss", "reconstruction", "weight_decay", "sparsity")
    assert [curve.dtype.names for curve in model.pretraining_loss_curves_] == [plain] * 3
    assert [len(curve) for curve in model.pretraining_loss_curves_] == [2] * 3
    assert model.loss_curve_.dtype.names == (*plain, "neighbors")
    # By the same batches and steps as without neighbours.
    step = {"learning_rate_init": 0.01, "solver": "adam", "hidden_layer_sizes": 8, "pretrain": "layerwise"}
    with_neighbors, without = (make(n_neighbors=n, **step).fit(X) for n in (9, None))
    for curve, expected in zip(with_neighbors.pretraining_loss_curves_, without.pretraining_loss_curves_):
        assert_array_equal(curve, expected)


def test_a_warm_start_goes_on(X):
    model = make(warm_start=True).fit(X)
    before = [W.copy() for W in model.coefs_]
    model.set_params(learning_rate_init=1e-12, max_iter=1).fit(X)
    assert_allclose(model.coefs_[0], before[0], atol=1e-9)
    # From a fit without neighbours, too.
    model.set_params(n_neighbors=None, solver="adam").fit(X)
    model.set_params(n_neighbors=5).fit(X)
    assert_allclose(model.coefs_[0], before[0], atol=1e-9)
    assert "neighbors" in model.loss_curve_.dtype.names


def test_chunks_after_a_fit_with_neighbours_go_on_without(X):
    model = make().fit(X)
    with pytest.raises(ValueError, match=r"n_neighbors=9 looks for neighbours among all rows, which partial_fit"):
        model.partial_fit(X)
    model.set_params(n_neighbors=None).partial_fit(X).partial_fit(X)
    curve = model.loss_curve_
    assert len(curve) == model.n_iter_ == 5
    assert (curve["neighbors"][:3] > 0).all()
    assert_array_equal(curve["neighbors"][3:], 0)
    assert_allclose(curve["loss"][3:], sum(curve[name][3:] for name in curve.dtype.names[1:]))


def test_a_copy_of_a_fit_has_no_graph(X):
    model = make(neighbors_transformer=KNeighborsTransformer(n_neighbors=2)).fit(X)
    assert not hasattr(model.neighbors_transformer, "n_features_in_")
    assert model.neighbors_transformer.n_neighbors == 2
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.transform(X), model.transform(X))
    assert len(pickle.dumps(model)) < len(pickle.dumps(make(n_neighbors=None).fit(X))) + 3000
    fresh = clone(model)
    assert fresh.get_params()["n_neighbors"] == 9
    assert_same(fresh.fit(X), model)


@pytest.mark.parametrize("verbose", [1, 2])
def test_the_log_has_the_term(X, capsys, verbose):
    make(verbose=verbose, hidden_layer_sizes=7, pretrain="layerwise").fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("(sparsity)")
    if verbose == 2:
        assert len(lines) == 9
        assert lines[-1].startswith("[SparseAutoencoderTransformer] epoch 3: J = ")
        assert lines[-1].endswith("(neighbors)")


# Early stopping


def held_out(model, X):
    """The rows that are trained on and those that are not."""
    random_state = np.random.RandomState(model.random_state)
    initial_parameters(network_of(model, X.shape[1]), random_state, X.dtype)
    drawn, n_held_out = random_state.permutation(len(X)), int(np.ceil(model.validation_fraction * len(X)))
    return np.sort(drawn[n_held_out:]), np.sort(drawn[:n_held_out])


def criterion(model, X):
    rest, out = held_out(model, X)
    term = model.neighbor_weight * half_variance(X[rest]) * mean_term(model, X[out])
    return -model.score(X[out]) + 2 / X.shape[1] * term


def test_early_stopping_looks_at_the_error_and_the_neighbours_among_the_held_out_rows(X):
    model = make(early_stopping=True, validation_fraction=0.3, max_iter=1).fit(X)
    assert_allclose(model.validation_scores_, [-criterion(model, X)], rtol=1e-9)


def test_the_best_parameters_are_kept(X):
    # More than 20 batches, so that an epoch counts as one.
    options = {"learning_rate_init": 0.3, "max_iter": 12, "tol": 0, "n_iter_no_change": 1}
    model = make(n_neighbors=3, batch_size=8, early_stopping=True, validation_fraction=0.3, **options).fit(X)
    scores = model.validation_scores_
    assert np.argmax(scores) == len(scores) - 2
    assert_allclose(max(scores), -criterion(model, X), rtol=1e-9)


def test_training_stops_when_the_criterion_falls_no_more(X):
    options = {"max_iter": 60, "tol": 0.05, "n_iter_no_change": 3}
    model = make(n_neighbors=3, batch_size=8, early_stopping=True, validation_fraction=0.3, **options).fit(X)
    scores, n_iter = model.validation_scores_, model.n_iter_
    assert 4 <= n_iter < 60
    is_over = [
        max(scores[i - 3 : i]) - max(scores[: i - 3]) <= 0.05 * -max(scores[: i - 3]) for i in range(4, n_iter + 1)
    ]
    assert is_over == [False] * (n_iter - 4) + [True]


def test_too_few_held_out_rows_have_no_neighbours(X):
    with pytest.raises(ValueError, match=r"n_neighbors=9 asks for more neighbours than X, with n_samples=5 rows"):
        make(early_stopping=True, validation_fraction=0.1).fit(X[:50])
