import itertools
import pickle
import re
import warnings
from copy import copy, deepcopy
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.preprocessing import MinMaxScaler
from threadpoolctl import threadpool_limits

from helpers.formula import j_sparse
from helpers.marks import FEW_ITERATIONS
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._training import Log
from skdeepcluster.exceptions import CollapsedCodeWarning, InputScaleWarning

pytestmark = FEW_ITERATIONS

SOLVERS = ["auto", "lbfgs", "adam"]

make = partial(SparseAutoencoderTransformer, n_components=5, lam=1e-3, max_iter=30, random_state=0)


@pytest.fixture
def X(digits):
    return digits[0][:, :20]


@pytest.fixture
def X01(X):
    return MinMaxScaler().fit_transform(X)


def loss_by_definition(model, X, w):
    layers = [[array.astype(np.float64) for array in arrays] for arrays in (model.coefs_, model.intercepts_)]
    activations = "logistic", model.output_activation
    return j_sparse(X.astype(np.float64), *layers, activations, 1, rho=model.rho, beta=model.beta, lam=model.lam, w=w)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("output_activation", ["identity", "logistic"])
@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-12), (np.float32, 1e-6)])
def test_loss_is_the_objective_of_the_fitted_parameters(X01, rng, output_activation, dtype, rtol, weighted):
    w = rng.uniform(size=len(X01)) if weighted else None
    data = X01 if output_activation == "logistic" else (X01 - X01.mean()) / X01.std()
    data = data.astype(dtype)
    model = make(output_activation=output_activation, beta=0.7).fit(data, sample_weight=w)
    assert_allclose(model.loss_, loss_by_definition(model, data, w), rtol=rtol)


def test_fitted_attributes(X):
    model = make(tol=1e-4)
    assert model.fit(X) is model
    assert [W.shape for W in model.coefs_] == [(20, 5), (5, 20)]
    assert [b.shape for b in model.intercepts_] == [(5,), (20,)]
    assert model.n_features_in_ == 20
    assert model.n_iter_ == len(model.loss_curve_) == 30
    assert (np.diff(model.loss_curve_["loss"]) < 0).all()
    assert_allclose(model.loss_, model.loss_curve_["loss"][-1], rtol=1e-12)
    terms = [model.loss_curve_[term] for term in ("reconstruction", "weight_decay", "sparsity")]
    assert_allclose(np.sum(terms, axis=0), model.loss_curve_["loss"], rtol=1e-12)
    assert_allclose(model.mean_activation_, model.transform(X).mean(axis=0), rtol=1e-12)


def test_transform_encodes_and_inverse_transform_decodes(X):
    model = make().fit(X)
    (W1, W2), (b1, b2) = model.coefs_, model.intercepts_
    code = model.transform(X)
    assert_allclose(code, expit(X @ W1 + b1), rtol=1e-9)
    assert code.min() > 0
    assert code.max() < 1
    assert_allclose(model.inverse_transform(code), code @ W2 + b2, rtol=1e-9, atol=1e-12)


def test_inverse_transform_applies_the_logistic_output(X01):
    model = make(output_activation="logistic").fit(X01)
    code = model.transform(X01)
    assert_allclose(model.inverse_transform(code), expit(code @ model.coefs_[1] + model.intercepts_[1]), rtol=1e-9)


def test_score_is_minus_the_mean_squared_error(X):
    model = make().fit(X)
    reconstruction = model.inverse_transform(model.transform(X))
    assert_allclose(model.score(X), -np.mean((X - reconstruction) ** 2), rtol=1e-12)
    assert -1 < model.score(X) < make(n_components=15).fit(X).score(X) < 0


def test_training_learns(X):
    # With as many units as features the standardised data, of variance about 1, is reconstructed nearly fully.
    model = make(n_components=20, lam=1e-4, beta=0.01, max_iter=300, tol=1e-7).fit(X)
    assert model.score(X) > -0.05


def test_rho_is_the_mean_activation_when_beta_is_large(X):
    model = make(rho=0.2, beta=100.0, lam=1e-4, max_iter=200).fit(X)
    assert_allclose(model.mean_activation_, 0.2, atol=0.01)


def test_large_lam_shrinks_the_weights(X):
    models = [make(lam=lam, max_iter=1000, tol=1e-4).fit(X) for lam in (1e-4, 1e-3, 1e-2)]
    squared_norms = [sum(np.sum(W**2) for W in model.coefs_) for model in models]
    assert squared_norms[0] > 1.1 * squared_norms[1] > 1.1**2 * squared_norms[2]


# Precision, weights, determinism


def test_float32_stays_float32_and_is_close_to_float64(X):
    model_32, model_64 = (make(max_iter=10).fit(X.astype(dtype)) for dtype in (np.float32, np.float64))
    code = model_32.transform(X.astype(np.float32))
    arrays = [*model_32.coefs_, *model_32.intercepts_, code, model_32.inverse_transform(code)]
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}
    assert_allclose(code, model_64.transform(X), atol=1e-3)
    assert_allclose(model_32.loss_, model_64.loss_, rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float16, np.int32, np.uint8, bool])
def test_other_types_become_float64(X01, dtype):
    data = (X01 > 0.5).astype(dtype)
    model = make(output_activation="logistic").fit(data)
    assert model.coefs_[0].dtype == model.transform(data).dtype == np.float64


def test_weights_equal_repetition(X):
    repeats = np.arange(len(X)) % 3
    weighted = make(max_iter=10).fit(X, sample_weight=repeats)
    repeated = make(max_iter=10).fit(np.repeat(X, repeats, axis=0))
    assert_allclose(weighted.loss_, repeated.loss_, rtol=1e-9)
    assert_allclose(weighted.coefs_[0], repeated.coefs_[0], rtol=1e-6, atol=1e-9)
    assert_allclose(weighted.mean_activation_, repeated.mean_activation_, rtol=1e-6)


def test_only_ratios_of_weights_matter(X, rng):
    # Unscaled, the second weights would be zero in float32.
    w = rng.uniform(size=len(X))
    model, rescaled = (make(max_iter=10).fit(X.astype(np.float32), sample_weight=scale * w) for scale in (1, 2.0**-200))
    assert_array_equal(model.coefs_[0], rescaled.coefs_[0])


def test_same_random_state_same_result(X):
    first, second, other = (make(random_state=seed).fit(X) for seed in (3, 3, 4))
    assert_array_equal(first.transform(X), second.transform(X))
    assert not np.allclose(first.coefs_[0], other.coefs_[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_fit_does_not_depend_on_the_number_of_threads(digits, dtype):
    models = []
    for n_threads in (1, 2):
        with threadpool_limits(limits=n_threads):
            models.append(make(n_components=64, max_iter=100).fit(digits[0].astype(dtype)))
    assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])


# Interface


def test_data_frames_in_and_out(X):
    frame = pd.DataFrame(X, columns=[f"pixel{j}" for j in range(20)])
    model = make().fit(frame)
    assert_array_equal(model.feature_names_in_, frame.columns)
    names = [f"sparseautoencodertransformer{j}" for j in range(5)]
    assert_array_equal(model.get_feature_names_out(), names)
    for library, type_ in (("pandas", pd.DataFrame), ("polars", pl.DataFrame)):
        code = model.set_output(transform=library).transform(frame)
        assert isinstance(code, type_)
        assert list(code.columns) == names
        assert_allclose(model.inverse_transform(code).shape, X.shape)
        assert model.score(frame) < 0
    with pytest.raises(ValueError, match="feature names"):
        model.transform(frame.rename(columns={"pixel0": "other"}))


def test_fit_transform_equals_fit_then_transform(X):
    assert_array_equal(make().fit_transform(X), make().fit(X).transform(X))


@pytest.mark.parametrize("duplicate", [copy, deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_of_a_fitted_model_give_the_same_code(X, duplicate):
    model = make().fit(X)
    assert_array_equal(duplicate(model).transform(X), model.transform(X))


def test_clone_keeps_parameters_and_forgets_the_fit(X):
    model = make(rho=0.3).fit(X)
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        copied.transform(X)


def test_warm_start_continues(X):
    model = make(warm_start=True, max_iter=10).fit(X)
    start = model.loss_
    first_loss = model.fit(X).loss_curve_["loss"][0]
    assert first_loss < start
    assert make(max_iter=10).fit(X).fit(X).loss_ == start  # without it, a fit starts afresh


def test_warm_start_from_the_end_stays_there(X):
    model = make(warm_start=True, max_iter=5000, tol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.fit(X)
    before, n_iter = model.loss_, model.n_iter_
    model.fit(X)
    assert model.n_iter_ < n_iter / 2
    assert_allclose(model.loss_, before, rtol=0.05)


def test_verbose_prints_j_and_its_terms(X, capsys):
    model = make(verbose=2, max_iter=3).fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    number = r"([-+.\de]+)"
    pattern = (
        rf"\[SparseAutoencoderTransformer\] iteration 3: J = {number} = {number} \(reconstruction\) \+ "
        rf"{number} \(weight decay\) \+ {number} \(sparsity\)"
    )
    assert_allclose(
        [float(text) for text in re.fullmatch(pattern, lines[2]).groups()], [*model.loss_curve_[2]], rtol=1e-5
    )
    make(max_iter=3).fit(X)
    assert capsys.readouterr().out == ""


def test_verbose_1_prints_at_intervals(X, capsys, monkeypatch):
    clock = iter(np.arange(0, 100, 0.4))
    monkeypatch.setattr("skdeepcluster._training._report.time.monotonic", lambda: next(clock))
    make(verbose=1, max_iter=7).fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines] == ["1:", "4:", "7:"]


@pytest.mark.parametrize(
    "seconds, max_iter, line",
    [
        (0.4, 40, "iteration 3: 0.4 s each, about 15 seconds more if all 40 are needed"),
        (0.4, 1000, "iteration 3: 0.4 s each, about 6.6 minutes more if all 1000 are needed"),
        (0.4, 10_000, "iteration 3: 0.4 s each, about 67 minutes more if all 10000 are needed"),
        (120, 300, "iteration 1: 1.2e+02 s each, about 10 hours more if all 300 are needed"),
        (0.4, 9, None),  # it is over soon
        (0.0001, 1000, None),  # over before a second has passed
    ],
)
def test_verbose_says_once_how_long_a_long_fit_will_take(X, capsys, monkeypatch, seconds, max_iter, line):
    clock = itertools.count(0, seconds)
    monkeypatch.setattr("skdeepcluster._training._report.time.monotonic", lambda: next(clock))
    make(verbose=1, max_iter=max_iter, tol=1e-3).fit(X)
    lines = [line for line in capsys.readouterr().out.splitlines() if "more" in line]
    assert lines == ([] if line is None else [f"[SparseAutoencoderTransformer] {line}"])


def test_the_estimate_of_the_time_is_that_of_what_is_left(capsys, monkeypatch):
    # A fit that is taken up again after 20 iterations has done none of them since it began.
    clock = itertools.count(0, 2.0)
    monkeypatch.setattr("skdeepcluster._training._report.time.monotonic", lambda: next(clock))
    log = Log(make(verbose=1), ("reconstruction",))
    log.begin_stage(20, 30)
    log("iteration", 21, [1.0])
    assert "21: 2 s each, about 18 seconds more if all 30" in capsys.readouterr().out


# Errors and warnings


@pytest.mark.parametrize(
    "parameter, value, allowed",
    [
        ("n_components", 0, r"\[1, inf\)"),
        ("n_components", 2.5, "int"),
        ("rho", 0.0, r"\(0.0, 1.0\)"),
        ("rho", 1.0, r"\(0.0, 1.0\)"),
        ("rho", np.nan, r"\(0.0, 1.0\)"),
        ("beta", -1, r"\[0.0, inf\)"),
        ("lam", -1e-9, r"\[0.0, inf\)"),
        ("lam", np.inf, r"\[0.0, inf\)"),
        ("lam", "auto", "float"),
        ("output_activation", "relu", "identity"),
        ("hidden_layer_sizes", "many", "array-like"),
        ("activation", "sigmoid", "logistic"),
        ("code_activation", None, "logistic"),
        ("tied_weights", 1.5, "bool"),
        ("corruption", 1.0, r"\[0.0, 1.0\)"),
        ("pretrain", "stacked", "layerwise"),
        ("early_stopping", "yes", "bool"),
        ("validation_fraction", 0.0, r"\(0.0, 1.0\)"),
        ("learning_rate_init", 0.0, r"\(0.0, inf\)"),
        ("solver", "sgd", "lbfgs"),
        ("max_iter", 0, r"\[1, inf\)"),
        ("tol", -1.0, r"\[0.0, inf\)"),
        ("warm_start", "yes", "bool"),
        ("random_state", -1, r"\[0, 4294967295\]"),
    ],
)
def test_parameter_errors_name_the_parameter_and_its_range(X, parameter, value, allowed):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter of SparseAutoencoderTransformer.*{allowed}"):
        make(**{parameter: value}).fit(X)


def test_convergence_warning_names_what_to_change(X):
    with pytest.warns(ConvergenceWarning, match="tol=0 .* reached max_iter=2 iterations. Raise max_iter or tol"):
        make(max_iter=2, tol=0).fit(X)


@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.InputScaleWarning")
@pytest.mark.parametrize("dtype, scale", [(np.float32, 1e9), (np.float64, 1e20)])
def test_a_fit_that_gets_nowhere_warns(X, dtype, scale):
    with pytest.warns(ConvergenceWarning, match="no lower value in working precision after . iterations.*standardise"):
        make().fit((scale * X).astype(dtype))


def test_no_warning_when_tol_is_reached(X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = make(tol=1e-2, max_iter=500).fit(X)
    assert model.n_iter_ < 500


def test_collapsed_code_warns(X):
    with pytest.warns(
        CollapsedCodeWarning, match="standardise X if it is not; lower lam=50.*; lower beta=1.0.*; move rho=0.1 nearer"
    ):
        model = make(lam=50.0, rho=0.1, max_iter=200).fit(X)
    assert model.transform(X).std(axis=0).max() < 1e-3


def test_collapse_names_only_what_can_be_changed(X):
    with pytest.warns(CollapsedCodeWarning) as record:
        make(lam=50.0, beta=0.0, max_iter=200).fit(X)
    assert "rho" not in str(record[0].message)
    assert "beta" not in str(record[0].message)


@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.InputScaleWarning")
def test_collapse_on_equal_rows_says_so():
    with pytest.warns(CollapsedCodeWarning, match="All rows of X are the same"):
        make().fit(np.ones((20, 4)))


def test_one_row_is_no_collapse(X):
    with warnings.catch_warnings():
        warnings.simplefilter("error", CollapsedCodeWarning)
        make().fit(X[5:6])


@pytest.mark.parametrize("output_activation", ["identity", "logistic"])
def test_rows_of_weight_zero_take_no_part(X01, output_activation):
    data = X01 if output_activation == "logistic" else (X01 - X01.mean()) / X01.std()
    with_extra = np.vstack([data, np.full(20, 1e6)])
    w = np.ones(len(with_extra))
    w[-1] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputScaleWarning)
        weighted = make(output_activation=output_activation).fit(with_extra, sample_weight=w)
    without = make(output_activation=output_activation).fit(data)
    assert_allclose(weighted.coefs_[0], without.coefs_[0], rtol=1e-6)


def test_collapse_is_judged_on_weighted_rows(X):
    # The code of the first row, nearly the only one that counts, hardly differs from the mean.
    with pytest.warns(CollapsedCodeWarning):
        make().fit(X, sample_weight=np.where(np.arange(len(X)) == 0, 1.0, 1e-12))


def test_the_scale_of_the_input_is_the_weighted_one(X):
    # The heavy rows are ten times as large as standardised ones.
    w = np.where(np.arange(len(X)) < 200, 1.0, 1e-6)
    data = np.where(w[:, np.newaxis] == 1, 10 * X, X / 100)
    with pytest.warns(InputScaleWarning):
        make().fit(data, sample_weight=w)
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputScaleWarning)
        make().fit(np.where(w[:, np.newaxis] == 1, X, 30 * X), sample_weight=w)


@pytest.mark.parametrize("scale", [0.1, 10])
def test_input_far_from_standardised_warns(X, scale):
    with pytest.warns(InputScaleWarning, match="StandardScaler"):
        make().fit(scale * X)


def test_one_feature_far_from_standardised_warns(X):
    data = X.copy()
    data[:, 3] += 12
    with pytest.warns(InputScaleWarning, match="145 at most"):
        make().fit(data)


@pytest.mark.parametrize("bad_value", [-0.001, 1.001])
def test_logistic_output_needs_the_unit_interval(X01, bad_value):
    assert X01.max() > 1  # by rounding, which is let pass
    data = X01.copy()
    data[0, 0] = bad_value
    with pytest.raises(ValueError, match=r"output_activation='logistic'.*\[0, 1\].*MinMaxScaler"):
        make(output_activation="logistic").fit(data)


@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.InputScaleWarning")
@pytest.mark.parametrize("dtype, scale", [(np.float64, 1e200), (np.float32, 1e30)])
def test_a_loss_that_is_not_finite_names_the_cause(X, dtype, scale):
    data = (scale * X).astype(dtype)
    with pytest.raises(ValueError, match=r"loss stopped being finite.*scale of X.*e\+(200|201|30|31).*standardise"):
        make().fit(data)


@pytest.mark.parametrize(
    "sample_weight, message",
    [([1.0, 2.0], "sample_weight"), (-1.0, "[Nn]egative"), (0.0, "zero"), (np.nan, "NaN")],
)
def test_bad_sample_weights(X, sample_weight, message):
    w = sample_weight if np.ndim(sample_weight) else np.full(len(X), sample_weight)
    with pytest.raises(ValueError, match=message):
        make().fit(X, sample_weight=w)


def test_inverse_transform_needs_codes(X):
    model = make().fit(X)
    with pytest.raises(ValueError, match=r"X has 20 columns, but inverse_transform .* n_components=5"):
        model.inverse_transform(X)


@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.InputScaleWarning")
@pytest.mark.parametrize(
    "parameters, columns, scale",
    [
        ({}, 10, 1e200),  # a loss that is not finite, after n_features_in_ was set
        ({"output_activation": "logistic"}, 10, 1),
        ({"warm_start": True}, 10, 1),
        ({"warm_start": True, "n_components": 4}, 20, 1),
    ],
)
def test_a_failed_fit_changes_nothing(X, parameters, columns, scale):
    model = make().fit(X)
    code = model.transform(X)
    model.set_params(**parameters)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=r"finite|logistic|warm_start"):
        model.fit(scale * X[:, :columns])
    assert vars(model) == before
    assert_array_equal(model.transform(X), code)


@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.InputScaleWarning")
def test_a_failed_first_fit_leaves_an_unfitted_estimator(X):
    model = make()
    before = dict(vars(model))
    with pytest.raises(ValueError, match="finite"):
        model.fit(1e200 * X)
    assert vars(model) == before


def test_an_interrupt_before_training_changes_nothing(X, monkeypatch):
    model = make().fit(X)
    before = dict(vars(model))

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("skdeepcluster._data._checks.check_values", interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:, :10])
    assert vars(model) == before
