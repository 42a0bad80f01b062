"""What the solvers reach on the same data, in every form that data may have."""

import warnings
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from helpers.data import mapped
from helpers.marks import FEW_ITERATIONS
from helpers.objectives import initial_theta
from helpers.processes import output_of_fork
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._data import FullBatchLoss
from skdeepcluster._objectives import Block, SparseAutoencoderObjective
from skdeepcluster._support._threads import Workers
from skdeepcluster._training import _plan
from skdeepcluster.exceptions import CollapsedCodeWarning, InputScaleWarning

pytestmark = FEW_ITERATIONS

SOLVERS = ["auto", "lbfgs", "adam"]

make = partial(SparseAutoencoderTransformer, n_components=6, lam=1e-3, learning_rate_init=0.02, random_state=0)


@pytest.fixture
def X(blobs):
    return blobs


@pytest.fixture
def sparse_X():
    X = sp.random(500, 40, density=0.15, format="csr", random_state=0)
    return StandardScaler(with_mean=False).fit_transform(X)


def whole_objective(model, X):
    """J and gradient over all parameters of a fitted model, the objective, and these parameters."""
    objective = SparseAutoencoderObjective(model._network, rho=model.rho, beta=model.beta, lam=model.lam)
    theta = objective.layout.pack(model.coefs_, model.intercepts_)
    full_batch = FullBatchLoss(objective, Block(X), Workers(1))

    def value_and_gradient(theta):
        terms, gradient = full_batch(theta)
        return terms.sum(), gradient

    return value_and_gradient, objective, theta


# Solvers


def test_variable_projection_ends_in_a_minimum_of_the_whole_problem(X):
    model = make(solver="lbfgs", tol=1e-12, max_iter=5000).fit(X)
    full_batch, _, theta = whole_objective(model, X)
    value, gradient = full_batch(theta)
    assert_allclose(value, model.loss_, rtol=1e-12)
    assert np.abs(gradient).max() < 1e-4
    assert minimize(full_batch, theta, jac=True, method="L-BFGS-B").fun > value * (1 - 1e-5)


def test_variable_projection_is_ahead_of_the_whole_problem_at_every_iteration(X):
    model = make(solver="lbfgs", tol=0, max_iter=40).fit(X)
    full_batch, objective, _ = whole_objective(model, X)
    theta = initial_theta(objective, X.dtype)
    plain = []
    minimize(
        full_batch,
        theta,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 40},
        callback=lambda x: plain.append(full_batch(x)[0]),
    )
    assert (model.loss_curve_["loss"] < plain).all()


@pytest.mark.parametrize("output_activation", ["identity", "logistic"])
def test_adam_comes_near_lbfgs(X, output_activation):
    data = (X - X.min()) / (X.max() - X.min()) if output_activation == "logistic" else X
    parameters = {"output_activation": output_activation, "lam": 1e-2, "beta": 0.1}
    reached = make(solver="lbfgs", tol=1e-6, max_iter=2000, **parameters).fit(data).loss_
    model = make(solver="adam", max_iter=150, batch_size=64, tol=0, **parameters).fit(data)
    assert model.loss_ < 1.03 * reached
    assert model.n_iter_ == 150


def test_loss_curve_of_adam_ends_above_the_exact_loss(X):
    # The mean over batches has the bias of their rho_hat, and is taken while the parameters move.
    model = make(solver="adam", max_iter=40, tol=0, batch_size=16).fit(X)
    assert model.loss_ < model.loss_curve_["loss"][-1] < 1.3 * model.loss_
    assert model.loss_curve_["loss"][-1] < model.loss_curve_["loss"][0]


def test_adam_does_not_warn_and_stops_by_tol(X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        planned = make(solver="adam", max_iter=3).fit(X)
        stopped = make(solver="adam", max_iter=1000, tol=0.05, n_iter_no_change=2).fit(X)
    assert planned.n_iter_ == 3
    assert stopped.n_iter_ < 100


def test_defaults_of_max_iter(X):
    # 20 epochs, or 2,000 batches.
    assert make(solver="adam", tol=0, batch_size=6).fit(X).n_iter_ == 20
    assert make(solver="adam", tol=0, batch_size=50).fit(X).n_iter_ == 167
    with pytest.warns(ConvergenceWarning, match="max_iter=300"):
        assert make(solver="lbfgs", tol=0, n_components=12, lam=1e-5).fit(X).n_iter_ == 300


def test_auto_is_lbfgs_on_few_rows_or_units_and_starts_with_adam_on_many(X, monkeypatch):
    few, lbfgs = make().fit(X), make(solver="lbfgs").fit(X)
    assert_array_equal(few.coefs_[0], lbfgs.coefs_[0])
    monkeypatch.setattr(_plan, "_AUTO_ROWS", 600)
    assert_array_equal(make().fit(X).coefs_[0], lbfgs.coefs_[0])
    monkeypatch.setattr(_plan, "_AUTO_UNITS", 6)
    many = make().fit(X)
    adam = make(solver="adam", max_iter=_plan._AUTO_EPOCHS, tol=0).fit(X)
    n_epochs = _plan._AUTO_EPOCHS
    assert_array_equal(many.loss_curve_[:n_epochs], adam.loss_curve_)
    # L-BFGS begins from there, with the decoder solved for.
    assert many.loss_curve_["loss"][n_epochs] < adam.loss_
    assert many.loss_ == pytest.approx(many.loss_curve_["loss"][-1], rel=1e-12)
    assert make().fit(X[:599]).n_iter_ == lbfgs.fit(X[:599]).n_iter_
    assert_array_equal(make().fit(sp.csr_matrix(X)).coefs_[0], make(solver="lbfgs").fit(sp.csr_matrix(X)).coefs_[0])


def test_auto_leaves_a_warm_start_to_lbfgs(X, monkeypatch):
    monkeypatch.setattr(_plan, "_AUTO_ROWS", 600)
    monkeypatch.setattr(_plan, "_AUTO_UNITS", 6)
    model = make(warm_start=True, tol=1e-4).fit(X)
    before = model.loss_
    model.fit(X)
    assert model.loss_curve_["loss"][0] <= before * (1 + 1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_random_state_same_result_whatever_the_number_of_threads(X, solver, dtype):
    data, codes = X.astype(dtype), []
    for n_threads in (1, 2, 2):
        with threadpool_limits(limits=n_threads, user_api="blas"):
            codes.append(make(solver=solver, max_iter=10, tol=0.05).fit_transform(data))
    assert_array_equal(codes[0], codes[1])
    assert_array_equal(codes[1], codes[2])


def test_shuffle_is_drawn_from_random_state(X):
    first, second = (make(solver="adam", random_state=seed, max_iter=2).fit(X) for seed in (0, 1))
    assert not np.array_equal(first.coefs_[0], second.coefs_[0])
    in_order = [make(solver="adam", shuffle=False, max_iter=2).fit(data).loss_ for data in (X, X[::-1])]
    assert in_order[0] != in_order[1]


def test_weights_of_adam_are_those_of_the_rows(X, rng):
    # Batches hold few of the heavy rows, and some of them none.
    w = np.where(rng.uniform(size=len(X)) < 0.05, 100.0, 1e-3)
    options = {"max_iter": 300, "tol": 0, "lam": 1e-2, "beta": 0, "batch_size": 32}
    adam, lbfgs = (make(solver=solver, **options).fit(X, sample_weight=w) for solver in ("adam", "lbfgs"))
    assert adam.loss_ == pytest.approx(lbfgs.loss_, rel=0.15)


def test_a_step_that_is_too_large_names_it(X):
    with pytest.warns(InputScaleWarning), pytest.raises(ValueError, match=r"stopped being finite.*learning_rate_init"):
        make(solver="adam").fit((1e30 * X).astype(np.float32))


# Sparse input


@pytest.mark.parametrize("container", [sp.csr_matrix, sp.csc_matrix, sp.coo_matrix, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("solver", SOLVERS)
def test_sparse_equals_dense(sparse_X, solver, container, rng):
    w = rng.uniform(size=500)
    options = {"solver": solver, "max_iter": 5, "tol": 0.5}
    sparse = make(**options).fit(container(sparse_X), sample_weight=w)
    dense = make(**options).fit(sparse_X.toarray(), sample_weight=w)
    assert_allclose(sparse.loss_, dense.loss_, rtol=1e-9)
    assert_allclose(sparse.coefs_[0], dense.coefs_[0], rtol=1e-5, atol=1e-8)
    assert_allclose(sparse.transform(container(sparse_X)), dense.transform(sparse_X.toarray()), rtol=1e-6)
    assert_allclose(sparse.score(container(sparse_X)), dense.score(sparse_X.toarray()), rtol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_sparse_with_logistic_output_equals_dense(sparse_X, solver):
    data = sparse_X / sparse_X.max()
    options = {"solver": solver, "max_iter": 5, "tol": 0.5, "output_activation": "logistic"}
    sparse, dense = make(**options).fit(data), make(**options).fit(data.toarray())
    assert_allclose(sparse.loss_, dense.loss_, rtol=1e-9)
    with pytest.raises(ValueError, match=r"X runs from 0 to 2\. .*MinMaxScaler"):
        make(**options).fit(2 * data)


def test_sparse_input_is_never_made_dense(sparse_X, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("made dense")

    for name in ("toarray", "todense"):
        monkeypatch.setattr(sp.csr_matrix, name, refuse)
        monkeypatch.setattr(sp.csr_array, name, refuse)
        monkeypatch.setattr(sp.csc_matrix, name, refuse)
    for solver in SOLVERS:
        model = make(solver=solver, max_iter=2, tol=0.5).fit(sparse_X)
        model.partial_fit(sparse_X) if solver != "lbfgs" else model.transform(sparse_X)


def test_wide_sparse_data_takes_memory_of_the_code_and_the_parameters_only():
    # Dense, X would take 1.6 GB.
    script = """
import resource, numpy as np, scipy.sparse as sp
from skdeepcluster import SparseAutoencoderTransformer
rng = np.random.RandomState(0)
entries = rng.normal(size=200_000).astype(np.float32), rng.randint(100_000, size=200_000), np.arange(0, 200_001, 50)
X = sp.csr_matrix(entries, shape=(4000, 100_000)) * 30
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
SparseAutoencoderTransformer(4, max_iter=3, tol=1.0).fit(X)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    assert float(output_of_fork(script)) < 200


def test_duplicate_entries_are_summed_in_a_copy(sparse_X):
    # Every entry twice, at half its value.
    doubled = sp.csr_matrix((np.repeat(sparse_X.data / 2, 2), np.repeat(sparse_X.indices, 2), 2 * sparse_X.indptr))
    assert doubled.nnz == 2 * sparse_X.nnz
    model = make(max_iter=5, tol=0.5).fit(doubled)
    assert doubled.nnz == 2 * sparse_X.nnz
    assert_allclose(model.loss_, make(max_iter=5, tol=0.5).fit(sparse_X).loss_, rtol=1e-12)


def test_sparse_warnings_and_errors(sparse_X):
    with pytest.warns(InputScaleWarning, match=r"StandardScaler\(with_mean=False\)"):
        make(max_iter=2).fit(sparse_X * 10)
    with pytest.warns(CollapsedCodeWarning, match="All rows of X are the same"):
        make(max_iter=20).fit(sp.csr_matrix(np.ones((20, 4))))
    bad = sparse_X.copy()
    bad.data[3] = np.nan
    with pytest.raises(ValueError, match="X contains NaN"):
        make().fit(bad)


def test_text_pipeline():
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["red green blue colour"] * 20 + ["cat dog mouse animal"] * 20
    model = make_pipeline(
        TfidfVectorizer(), StandardScaler(with_mean=False), make(n_components=3), KMeans(2, n_init=5, random_state=0)
    )
    labels = model.fit_predict([f"{text} {i % 7}x" for i, text in enumerate(texts)])
    assert len(set(labels[:20])) == len(set(labels[20:])) == 1
    assert labels[0] != labels[-1]


# Mapped files


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("output_activation", ["identity", "logistic"])
def test_a_mapped_file_gives_the_same_result_as_memory(X, solver, output_activation, tmp_path):
    data = X.astype(np.float32)
    if output_activation == "logistic":
        data = (data - data.min()) / (data.max() - data.min())
    options = {"solver": solver, "max_iter": 5, "tol": 0.5, "output_activation": output_activation}
    of_file = make(**options).fit(mapped(data, tmp_path / "X.f4"))
    assert_array_equal(of_file.coefs_[0], make(**options).fit(data).coefs_[0])


def test_a_mapped_file_is_checked_for_values_that_are_not_finite(tmp_path):
    data = np.ones((5000, 4), dtype=np.float32)
    data[4321, 2] = np.inf
    with pytest.raises(ValueError, match="X contains infinity"):
        make().fit(mapped(data, tmp_path / "X.f4"))


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_resident_memory_does_not_grow_with_a_mapped_file(tmp_path, solver, early_stopping):
    script = f"""
import resource, numpy as np
from functools import partial
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._data import _batches, _mapped, _memory
_batches._BUFFER_BYTES, _mapped._MAPPED_BYTES, _memory._COPIED_BYTES = 2**22, 2**23, 2**22
make = partial(SparseAutoencoderTransformer, 4, max_iter=1, solver={solver!r}, early_stopping={early_stopping})
path, n_rows = {str(tmp_path / "X.f4")!r}, 100_000
with open(path, "wb") as file:
    rows = np.random.RandomState(0).random_sample((n_rows // 20, 200)).astype(np.float32)
    for _ in range(20):
        file.write(rows)
X = np.memmap(path, dtype=np.float32, mode="r", shape=(n_rows, 200))
make().fit(X[:1000])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
make().fit(X)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    # The file has 80 MB. Of what is read, the system maps up to twice as much.
    assert float(output_of_fork(script)) < 40


# partial_fit


def test_partial_fit_learns_from_a_stream(X):
    chunks = np.array_split(X, 6)
    model = make(solver="adam", lam=1e-2)
    losses = []
    for _ in range(20):
        for chunk in chunks:
            assert model.partial_fit(chunk) is model
        losses.append(-model.score(X))
    assert losses[-1] < 0.6 * losses[0]
    assert model.n_iter_ == len(model.loss_curve_) == 120
    assert model.n_features_in_ == 15
    assert model.transform(X).shape == (600, 6)


def test_loss_after_partial_fit_is_that_of_the_chunk(X):
    model = make().partial_fit(X[:300]).partial_fit(X[300:])
    full_batch, _, theta = whole_objective(model, X[300:])
    assert_allclose(model.loss_, full_batch(theta)[0], rtol=1e-12)
    assert_allclose(model.mean_activation_, model.transform(X[300:]).mean(axis=0), rtol=1e-12)


def test_one_pass_without_decay_is_adam_in_chunks(X):
    # Without shuffling, the chunks of a pass are the batches of one call.
    whole = make(shuffle=False, batch_size=100).partial_fit(X)
    in_chunks = make(shuffle=False, batch_size=100)
    for chunk in np.split(X, 3):
        in_chunks.partial_fit(chunk)
    assert_allclose(in_chunks.coefs_[0], whole.coefs_[0], rtol=1e-10)


def test_partial_fit_goes_on_from_fit_and_fit_starts_anew(X):
    model = make(tol=1e-4, learning_rate_init=1e-4).fit(X)
    loss, n_iter = model.loss_, model.n_iter_
    model.partial_fit(X)
    assert model.loss_ == pytest.approx(loss, rel=0.05)
    assert model.n_iter_ == n_iter + 1
    assert_array_equal(model.fit(X).coefs_[0], make(tol=1e-4).fit(X).coefs_[0])


def test_warm_start_goes_on_from_partial_fit(X):
    model = make(warm_start=True).partial_fit(X)
    loss = model.loss_
    assert model.fit(X).loss_curve_["loss"][0] < loss


def test_partial_fit_keeps_the_precision_of_the_first_chunk(X):
    model = make().partial_fit(X.astype(np.float32)).partial_fit(X)
    assert model.coefs_[0].dtype == np.float32


def test_a_chunk_too_large_for_the_precision_of_the_first_one_is_an_error_and_no_warning(X):
    model = make().partial_fit(X.astype(np.float32))
    with pytest.raises(ValueError, match=r"X contains infinity or a value too large for dtype\('float32'\)"):
        model.partial_fit(1e300 * X)


def test_partial_fit_needs_a_solver_that_takes_batches(X):
    assert not hasattr(make(solver="lbfgs"), "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        make(solver="lbfgs").partial_fit(X)


@pytest.mark.parametrize(
    "parameters, chunk, message",
    [
        ({}, np.ones((5, 14)), "14 features"),
        ({"n_components": 7}, np.ones((5, 15)), "n_components=7"),
        ({"output_activation": "logistic"}, np.ones((5, 15)), "output_activation='logistic'"),
        ({}, np.full((5, 15), np.nan), "NaN"),
        ({}, np.full((5, 15), 1e200), "finite"),
    ],
)
@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.InputScaleWarning")
def test_a_bad_chunk_changes_nothing_and_the_next_good_one_goes_on(X, parameters, chunk, message):
    model, expected = (make().partial_fit(X[:300]) for _ in range(2))
    model.set_params(**parameters)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.partial_fit(chunk)
    assert vars(model) == before
    model.set_params(n_components=6, output_activation="identity").partial_fit(X[300:])
    assert_array_equal(model.coefs_[0], expected.partial_fit(X[300:]).coefs_[0])


def test_estimators_without_a_seed_draw_from_generators_of_their_own(X):
    first, second = (make(random_state=None).partial_fit(X) for _ in range(2))
    assert not np.array_equal(first.coefs_[0], second.coefs_[0])


def test_loss_of_float32_without_weight_decay_is_j(X):
    data = (X[:, :6] + 3).astype(np.float32)
    model = make(lam=0.0, beta=0.0, max_iter=20, solver="lbfgs", n_components=8).fit(data)
    residual = model.inverse_transform(model.transform(data)) - data
    assert_allclose(model.loss_, 0.5 * np.sum(np.square(residual, dtype=float)) / len(data), rtol=1e-4, atol=1e-8)


def test_huge_weights_are_weights(X):
    few = make(max_iter=3, tol=0).fit(X, sample_weight=np.full(600, 1e308))
    assert_allclose(few.loss_, make(max_iter=3, tol=0).fit(X).loss_, rtol=1e-9)


def test_copies_go_on_by_themselves(X):
    from copy import copy

    model = make().partial_fit(X)
    duplicate = copy(model)
    code = model.transform(X)
    duplicate.partial_fit(X)
    assert_array_equal(model.transform(X), code)
