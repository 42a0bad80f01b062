"""Generated input for the estimators: a finite result, or an error that says what is wrong and changes nothing."""

import os
import warnings
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import KNeighborsTransformer
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import _num_features

from helpers.properties import assert_finite, attempt, cases
from helpers.state import state_of
from helpers.strategies import GOOD, as_sparse, good_tables, n_rows, parameters, sample_weights, tables
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.callbacks import Checkpoint
from skdeepcluster.clustering import DeepEmbeddedClustering


def fitted(model, X=GOOD):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X)


# Numbers of units so large that memory ends are no subject here.
AUTOENCODER = {
    "n_components": (1, 2, 9, 30),
    "hidden_layer_sizes": ((), 3, (5, 2), [4]),
    "activation": ("relu", "logistic", "tanh", "identity"),
    "code_activation": ("relu", "logistic", "tanh", "identity"),
    "output_activation": ("identity", "logistic"),
    "tied_weights": (True, False),
    "rho": (0.01, 0.5, 0.99),
    "beta": (0, 1.0, 100.0),
    "lam": (0.0, 1e-3, 10.0),
    "corruption": (0.0, 0.3, 0.99),
    "augment": (None, lambda X, random_state: X, lambda X, random_state: X * np.nan, lambda X, random_state: X[:1]),
    "n_neighbors": (None, 1, 3, 30),
    "neighbor_weight": (1e-6, 1.0, 1e6),
    "metric": ("euclidean", "cosine"),
    "neighbors_transformer": (None, KNeighborsTransformer(), StandardScaler()),
    "pretrain": ("layerwise", None),
    "solver": ("auto", "lbfgs", "adam"),
    "max_iter": (1, 2, None),
    "tol": (0, 1e-3, 1.0),
    "n_iter_no_change": (1, 3, 10**20),
    "early_stopping": (True, False),
    "validation_fraction": (0.1, 0.5, 0.99),
    "batch_size": (1, 5, 10**20),
    "learning_rate_init": (None, 0.01, 1.0),
    "shuffle": (True, False),
    "warm_start": (True, False),
    "random_state": (0, None),
    "verbose": (0, 1),
}
JOINT = {
    "n_clusters": (1, 2, 3, 12, 30),
    "encoder": (
        SparseAutoencoderTransformer(2, max_iter=2, random_state=0),
        SparseAutoencoderTransformer(2, code_activation="identity", beta=0, hidden_layer_sizes=3, max_iter=2),
        SparseAutoencoderTransformer(0),
        FrozenEstimator(SparseAutoencoderTransformer(2, max_iter=2)),
        FrozenEstimator(fitted(SparseAutoencoderTransformer(2, max_iter=2, random_state=0))),
        FrozenEstimator(fitted(SparseAutoencoderTransformer(2, code_activation="tanh", beta=0, max_iter=2))),
        FrozenEstimator(DeepEmbeddedClustering()),
    ),
    "gamma": (0.1, 1e-6, 1e6),
    "alpha": (1.0, 1e-3, 1e3),
    "reconstruction_weight": (0, 1.0, 100.0),
    "update_interval": (1, 3),
    "max_iter": (1, 2),
    "tol": (0, 0.5, 1),
    "batch_size": (1, 5, 1000, None),
    "learning_rate_init": (0.001, 1.0),
    "init": ("least_cut", "gaussian_mixture", "kmeans", None),
    "n_init": (1, 2),
    "random_state": (0, None),
    "verbose": (0, 1),
}


make = partial(SparseAutoencoderTransformer, n_components=3, max_iter=3, random_state=0)
make_joint = partial(
    DeepEmbeddedClustering,
    n_clusters=2,
    encoder=JOINT["encoder"][0],
    max_iter=2,
    update_interval=2,
    n_init=1,
    random_state=0,
)


FITTED, FITTED_JOINT = fitted(make()), fitted(make_joint())


def attempt_unchanged(model, function, *args, names=(), **kwargs):
    """As `attempt`; after an error the model is as it was."""
    before = state_of(model)
    result, error = attempt(function, *args, **kwargs, names=[*names, *model.get_params()])
    if error is not None:
        assert state_of(model) == before
    return result, error


def check_outputs(model, X):
    """What a fitted autoencoder makes of X, if it takes it, which is what it was fitted to."""
    n, n_components = n_rows(X), model._n_features_out
    code, error = attempt(model.transform, X)
    if error is None:
        assert code.shape == (n, n_components)
        own = "float32" if getattr(X, "dtype", None) == "float32" else "float64"
        assert hasattr(X, "columns") or code.dtype == np.result_type(own, model.coefs_[0])
        assert_finite(code)
        decoded, error = attempt(model.inverse_transform, code)
        if error is None:
            assert decoded.shape == (n, _num_features(X))
            assert_finite(decoded)
    score, error = attempt(model.score, X)
    if error is None:
        assert isinstance(score, float)
        assert -np.inf < score <= 0


@pytest.mark.parametrize("is_refit", [False, True])
@cases(3, data=st.data())
def test_fit(is_refit, data):
    X = data.draw(tables())
    model = make(**(changed := data.draw(parameters(AUTOENCODER))))
    w, y = data.draw(sample_weights(n_rows(X))), data.draw(st.sampled_from([None, GOOD, "y"]))
    if is_refit:
        model = fitted(make()).set_params(**changed)
    _, error = attempt_unchanged(model, model.fit, X, y, sample_weight=w)
    if error is None:
        assert_finite(*model.coefs_, *model.intercepts_, model.loss_, model.mean_activation_, model.loss_curve_["loss"])
        assert model.mean_activation_.shape == (model.n_components,)
        assert model.n_features_in_ == _num_features(X)
        check_outputs(model, X)


@cases(2, X=tables(), data=st.data())
def test_transform_and_score(X, data):
    w = data.draw(sample_weights(n_rows(X)))
    check_outputs(FITTED, X)
    score, error = attempt(FITTED.score, X, data.draw(st.sampled_from([None, "y"])), sample_weight=w)
    if error is None:
        assert -np.inf < score <= 0


@cases(1, code=tables(d=3))
def test_inverse_transform(code):
    decoded, error = attempt_unchanged(FITTED, FITTED.inverse_transform, code)
    if error is None:
        assert decoded.shape == (n_rows(code), 4)
        assert_finite(decoded)


@cases(1, chunks=st.lists(tables(), min_size=1, max_size=3), data=st.data())
def test_partial_fit_goes_on_with_the_next_good_chunk(chunks, data):
    model = make(**data.draw(parameters(AUTOENCODER, most=1)))
    if not hasattr(model, "partial_fit"):
        model.solver = "adam"
    for chunk in chunks:
        w = data.draw(sample_weights(n_rows(chunk)))
        _, error = attempt_unchanged(model, model.partial_fit, chunk, sample_weight=w)
        if error is None:
            assert_finite(*model.coefs_, *model.intercepts_, model.loss_, model.loss_curve_["loss"])
    if hasattr(model, "coefs_") and all(abs(W).max() < 1e3 for W in model.coefs_):
        d = model.n_features_in_
        # One that keeps the first row was good for a chunk of one.
        model.set_params(augment=None)
        _, error = attempt_unchanged(model, model.partial_fit, np.full((5, d), 0.5))
        # A chunk of equal rows is good for every network whose parameters were good for another.
        assert error is None


@pytest.mark.parametrize("is_refit", [False, True])
@cases(1.5, X=good_tables(d=4) | tables(), data=st.data())
def test_fit_of_joint_clustering(is_refit, X, data):
    model = make_joint(**(changed := data.draw(parameters(JOINT, most=2))))
    w = data.draw(sample_weights(n_rows(X)))
    if is_refit:
        model = clone(FITTED_JOINT)
        vars(model).update(vars(FITTED_JOINT))
        model.set_params(**changed)
    if model.encoder is None:
        model.encoder = 0  # The default is trained on 5,000 batches.
    _, error = attempt_unchanged(model, model.fit, X, sample_weight=w)
    if error is None:
        assert_finite(*model.coefs_, *model.intercepts_, model.cluster_centers_, model.distance_unit_, model.loss_)
        assert model.labels_.shape == (n_rows(X),)
        assert set(model.labels_) <= set(range(model.n_clusters))
        check_outputs(model, X)


@cases(1, X=tables())
def test_predict_of_joint_clustering(X):
    probabilities, error = attempt_unchanged(FITTED_JOINT, FITTED_JOINT.predict_proba, X)
    labels, error_of_labels = attempt(FITTED_JOINT.predict, X)
    assert (error is None) == (error_of_labels is None)
    if error is None:
        assert probabilities.shape == (n_rows(X), 2)
        assert_finite(probabilities)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        assert labels.shape == (n_rows(X),)
    check_outputs(FITTED_JOINT, X)


@pytest.mark.skipif(find_spec("sklearn.callback") is None, reason="scikit-learn has callbacks from 1.9 on")
@cases(0.5, X=good_tables() | tables(), data=st.data())
def test_fits_with_checkpoints(X, data):
    model = make(**data.draw(parameters(AUTOENCODER, most=1)))
    paths = st.sampled_from(["fit.checkpoint"] * 3 + [".", "no folder/a", "a" * 253, "a\0", "other"])
    with TemporaryDirectory() as folder:
        (Path(folder) / "other").write_bytes(data.draw(st.binary(max_size=20)))
        checkpoint = Checkpoint(Path(folder) / data.draw(paths), interval=data.draw(st.sampled_from([0, 60, -1, "a"])))
        model.set_callbacks(checkpoint)
        before = os.listdir(folder)
        _, error = attempt_unchanged(model, model.fit, X, names=["Checkpoint", "other"])
        assert error is not None or os.listdir(folder) == before
    if error is None:
        check_outputs(model, X)


# Examples that failed once.


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_integers_of_few_bits_are_numbers_as_others(solver):
    small = {"n_components": np.uint8(200), "hidden_layer_sizes": (np.int8(100), np.uint8(250)), "solver": solver}
    counts = {"max_iter": np.int8(3), "batch_size": np.int8(5), "n_iter_no_change": np.int8(2)}
    model = fitted(make(**small, **counts, tol=0))
    expected = fitted(make(n_components=200, hidden_layer_sizes=(100, 250), solver=solver, batch_size=5, tol=0))
    np.testing.assert_array_equal(model.coefs_[0], expected.coefs_[0])
    joint = fitted(make_joint(n_clusters=np.int8(2), update_interval=np.int8(2), batch_size=np.int8(100)))
    np.testing.assert_array_equal(joint.labels_, fitted(make_joint()).labels_)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("name", ["n_components", "hidden_layer_sizes", "max_iter", "batch_size", "n_iter_no_change"])
def test_true_is_an_error_or_the_number_1(name, solver):
    if name == "hidden_layer_sizes":
        with pytest.raises(ValueError, match="hidden_layer_sizes=True must hold positive integers"):
            fitted(make(solver=solver, hidden_layer_sizes=True))
    else:
        coefs = [fitted(make(**{"solver": solver, name: value})).coefs_[0] for value in (True, 1)]
        np.testing.assert_array_equal(*coefs)


@pytest.mark.parametrize("name", ["n_clusters", "update_interval", "max_iter", "batch_size", "n_init"])
def test_true_is_the_number_1_to_joint_clustering(name):
    labels = [fitted(make_joint(**{name: value})).predict_proba(GOOD) for value in (True, 1)]
    np.testing.assert_array_equal(*labels)


def test_n_iter_no_change_may_be_as_large_as_one_likes():
    assert fitted(make(n_iter_no_change=10**20)).n_iter_ == 3


@pytest.mark.parametrize("convert", [np.asarray, sp.csr_array])
def test_rows_too_large_for_the_fitted_weights_are_an_error(convert):
    autoencoder, joint = (
        fitted(make(code_activation="identity", beta=0)),
        fitted(make_joint(encoder=JOINT["encoder"][1])),
    )
    for model in (autoencoder, joint):
        W = np.linalg.multi_dot(
            [*model.coefs_[: model._network.n_encoder_layers], np.eye(model._n_features_out)[:, :1]]
        )
        X = np.vstack([GOOD[:2], 1.7e308 * np.sign(W.T)])
        with pytest.raises(ValueError, match=r"The code of X is not finite: .* 1.7e\+308, is too large"):
            model.transform(convert(X))
    with pytest.raises(ValueError, match="The distance from the centres of X is not finite"):
        joint.predict(convert(X))
    # A logistic code has its limits.
    assert_finite(FITTED.transform(convert(X)), FITTED_JOINT.predict_proba(convert(X)))
    with pytest.raises(ValueError, match="The reconstruction error of X is not finite"):
        FITTED.score(convert(X / 1e50))
    with pytest.raises(ValueError, match="The reconstruction of X is not finite"):
        FITTED.inverse_transform(np.full((2, 3), 1.7e308))


def test_an_error_about_unsorted_sparse_rows_leaves_them_unsorted():
    X = as_sparse(GOOD * 1e300, "unsorted", matrix=False)
    before = X.indices.copy()
    with pytest.raises(ValueError, match="not finite"):
        FITTED.score(X)
    np.testing.assert_array_equal(X.indices, before)
