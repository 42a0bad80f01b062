"""Estimators of arrays of other libraries, under scikit-learn's Array API, against the same of NumPy's arrays."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.utils import estimator_checks

from helpers.arrays import (
    ADAM,
    DEEP,
    DEVICES,
    LINEAR,
    NEIGHBORS,
    Library,
    autoencoder,
    joint,
    needs_array_api,
    to_numpy,
)
from helpers.marks import FEW_ITERATIONS
from helpers.recorder import Recorder
from skdeepcluster import DeepEmbeddedClustering
from skdeepcluster.callbacks import Checkpoint
from skdeepcluster.exceptions import DegenerateClusteringWarning
from skdeepcluster.metrics import clustering_accuracy, clustering_report

pytestmark = [
    needs_array_api,
    *FEW_ITERATIONS,
    pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.DegenerateClusteringWarning"),
    pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.InputScaleWarning"),
]

# Short fits of an autoencoder that between them take every way through the engine.
FITS = {
    "lbfgs": {"max_iter": 5},
    "lbfgs, weighted": {"max_iter": 5, "weighted": True},
    "lbfgs, tied, tanh": {"max_iter": 4, "tied_weights": True, "code_activation": "tanh", "beta": 0.0},
    "lbfgs, logistic output": {"max_iter": 4, "output_activation": "logistic", **DEEP, "activation": "logistic"},
    "lbfgs, pretrained": {"max_iter": 3, **DEEP, "pretrain": "layerwise", "weighted": True},
    "early stopping": {"max_iter": 8, "early_stopping": True, "n_iter_no_change": 2},
    "adam": {**ADAM, "weighted": True},
    "adam, deep, corrupted": {**ADAM, **DEEP, "corruption": 0.2},
    "adam, deep, tied": {**ADAM, **DEEP, **LINEAR, "tied_weights": True, "activation": "tanh"},
    "adam, in order": {**ADAM, "shuffle": False},
    "neighbours": {**NEIGHBORS, **DEEP, "early_stopping": True, "weighted": True},
    "neighbours, cosine": {**NEIGHBORS, "metric": "cosine"},
}
CLUSTERINGS = {
    "mixture": {},
    "weighted": {"init": "kmeans", "weighted": True},
    "without reconstruction": {"reconstruction_weight": 0},
    "neighbours": {"encoder": NEIGHBORS | DEEP},
    "neighbours, any number": {"encoder": NEIGHBORS | DEEP, "n_clusters": "auto"},
    "corrupted": {"encoder": ADAM | {"corruption": 0.1}},
}


@pytest.fixture(scope="module")
def weights():
    return np.random.RandomState(0).randint(0, 4, size=600).astype(float)


def assert_near(actual, expected, tolerance):
    assert_allclose(to_numpy(actual), expected, rtol=0, atol=tolerance * max(1.0, np.abs(expected).max()))


def pair(make, parameters, X, weights, library):
    """The estimator fitted to NumPy's array, and to the library's."""
    w = weights if parameters.get("weighted") else None
    expected = make(**parameters).fit(X, sample_weight=w)
    return expected, make(**parameters).fit(library.array(X), sample_weight=w if w is None else library.array(w))


@pytest.mark.parametrize("parameters", FITS.values(), ids=FITS)
def test_an_autoencoder_is_that_of_numpy(parameters, blobs, weights, library):
    X = (blobs - blobs.min()) / np.ptp(blobs) if parameters.get("output_activation") else blobs
    expected, model = pair(autoencoder, parameters, X, weights, library)
    rows = library.array(X)
    code = model.transform(rows)
    assert all(map(library.owns, (*model.coefs_, *model.intercepts_, model.mean_activation_, code)))
    assert type(model.loss_) is float
    assert isinstance(model.loss_curve_, np.ndarray)
    assert_allclose(model.loss_, expected.loss_, rtol=1e-10)
    assert_allclose(
        np.array(model.loss_curve_.tolist()), np.array(expected.loss_curve_.tolist()), rtol=1e-9, atol=1e-12
    )
    assert_near(code, expected.transform(X), 1e-9)
    decoded = model.inverse_transform(code)
    assert library.owns(decoded)
    assert_near(decoded, expected.inverse_transform(expected.transform(X)), 1e-8)
    assert_allclose(model.score(rows, sample_weight=weights), expected.score(X, sample_weight=weights), rtol=1e-9)
    assert_near(model.mean_activation_, expected.mean_activation_, 1e-9)
    assert model.n_iter_ == expected.n_iter_
    if "early_stopping" in parameters:
        assert_allclose(model.validation_scores_, expected.validation_scores_, rtol=1e-9)


@pytest.mark.parametrize("parameters", CLUSTERINGS.values(), ids=CLUSTERINGS)
def test_joint_clustering_is_that_of_numpy(parameters, blobs, weights, library):
    expected, model = pair(joint, parameters, blobs, weights, library)
    rows = library.array(blobs)
    probabilities = model.predict_proba(rows)
    own = (model.labels_, model.initial_labels_, model.cluster_centers_, *model.coefs_, probabilities)
    assert all(map(library.owns, own))
    assert_allclose(model.loss_, expected.loss_, rtol=1e-9)
    assert_near(probabilities, expected.predict_proba(blobs), 1e-8)
    for labels in (model.labels_, model.predict(rows)):
        assert_array_equal(to_numpy(labels), expected.labels_)
    assert_array_equal(to_numpy(model.initial_labels_), expected.initial_labels_)
    assert model.label_change_ == expected.label_change_
    assert model.n_clusters_ == expected.n_clusters_


@pytest.mark.parametrize(
    "parameters", [FITS["adam"], FITS["neighbours"], FITS["lbfgs"]], ids=["adam", "neighbours", "lbfgs"]
)
def test_float32_stays_float32(parameters, blobs, weights, library):
    expected, model = pair(autoencoder, parameters, blobs.astype(np.float32), weights, library)
    assert {str(array.dtype).rpartition(".")[2] for array in (*model.coefs_, *model.intercepts_)} == {"float32"}
    assert_allclose(model.loss_, expected.loss_, rtol=1e-5)
    assert_near(model.transform(library.array(blobs.astype(np.float32))), expected.transform(blobs), 1e-4)


def test_a_device_without_float64(blobs):
    strict = pytest.importorskip("array_api_strict")
    device = strict.Device("no_float64")
    expected = joint(encoder=NEIGHBORS).fit(blobs.astype(np.float32))
    with config_context(array_api_dispatch=True):
        X = strict.asarray(blobs.astype(np.float32), device=device)
        model = joint(encoder=NEIGHBORS).fit(X)
        assert model.coefs_[0].dtype == strict.float32
        assert_allclose(model.loss_, expected.loss_, rtol=1e-4)
        assert_near(model.predict_proba(X), expected.predict_proba(blobs), 1e-3)


def test_chunks_go_on_where_they_are(blobs, library):
    expected, model = autoencoder(batch_size=64), autoencoder(batch_size=64)
    for rows in (slice(0, 300), slice(300, 600)):
        expected.partial_fit(blobs[rows])
        model.partial_fit(library.array(blobs[rows]))
    assert_allclose(model.loss_, expected.loss_, rtol=1e-10)
    with pytest.raises(ValueError, match=r"partial_fit\(\) must use the same namespace"):
        model.partial_fit(blobs)


def test_a_warm_start_takes_the_weights_along(blobs, library):
    first = autoencoder(max_iter=3, warm_start=True).fit(blobs)
    model = clone(first).fit(blobs).fit(library.array(blobs))
    assert library.owns(model.coefs_[0])
    assert_allclose(model.loss_, clone(first).fit(blobs).fit(blobs).loss_, rtol=1e-10)


def test_augmented_rows_are_of_the_library(blobs, library):
    seen = []

    def shifted(X, random_state):
        seen.append(library.owns(X))
        return X + library.array(0.05 * random_state.normal(size=X.shape))

    def of_numpy(X, random_state):
        return X + 0.05 * random_state.normal(size=X.shape)

    model = autoencoder(**ADAM, augment=shifted).fit(library.array(blobs))
    assert set(seen) == {True}
    assert_allclose(model.loss_, autoencoder(**ADAM, augment=of_numpy).fit(blobs).loss_, rtol=1e-10)


def test_equal_rows_have_neighbours(blobs, library):
    X = np.repeat(blobs[:60], 5, axis=0)
    expected, model = pair(autoencoder, NEIGHBORS, X, None, library)
    assert_allclose(model.loss_, expected.loss_, rtol=1e-8)


@pytest.mark.parametrize("name", ["lbfgs", "adam", "neighbours"])
def test_a_fit_goes_on_from_a_checkpoint(name, blobs, library, tmp_path):
    X, parameters, path = library.array(blobs), {**FITS[name], "max_iter": 4}, tmp_path / "fit.checkpoint"
    whole = autoencoder(**parameters).fit(X)
    model = autoencoder(**parameters).set_callbacks(Checkpoint(path, interval=0), Recorder(raise_at=2))
    with pytest.raises(RuntimeError):
        model.fit(X)
    assert path.exists()
    resumed = autoencoder(**parameters)
    recorder = Recorder()
    resumed.set_callbacks(Checkpoint(path), recorder).fit(X)
    assert len(recorder.estimators) == 2
    assert library.owns(resumed.coefs_[0])
    for array, expected in zip(resumed.coefs_, whole.coefs_):
        assert_array_equal(to_numpy(array), to_numpy(expected))
    assert not path.exists()


def test_an_estimator_moves(blobs, library):
    from sklearn.utils._array_api import move_estimator_to

    here = joint().fit(blobs)
    there = move_estimator_to(here, library.xp if library.device != "cpu" else _namespace(library), library.device)
    rows = library.array(blobs)
    assert_near(there.predict_proba(rows), here.predict_proba(blobs), 1e-12)
    assert library.owns(there.encoder_.transform(rows))
    back = move_estimator_to(there, np, "cpu")
    assert_array_equal(back.predict(blobs), here.labels_)
    assert_array_equal(back.loss_curve_, here.loss_curve_)
    chunks = move_estimator_to(autoencoder().partial_fit(blobs), _namespace(library), library.device)
    assert library.owns(chunks.partial_fit(rows).coefs_[0])


def _namespace(library):
    from sklearn.utils._array_api import get_namespace

    return get_namespace(library.array(np.zeros(1)))[0]


def test_weights_of_another_library_follow_the_rows(blobs, weights, library):
    expected = autoencoder(max_iter=3).fit(blobs, sample_weight=weights)
    of_weights = autoencoder(max_iter=3).fit(library.array(blobs), sample_weight=weights.tolist())
    assert_allclose(of_weights.loss_, expected.loss_, rtol=1e-10)
    w = library.array(weights)
    of_rows = autoencoder(max_iter=3).fit(blobs, sample_weight=w.requires_grad_() if library.device == "cpu" else w)
    assert_array_equal(of_rows.coefs_[0], expected.coefs_[0])


CHECKED = {
    "lbfgs": autoencoder(max_iter=3),
    "neighbours": autoencoder(n_neighbors=3, max_iter=2),
    "joint": joint(n_clusters=2, encoder=ADAM, max_iter=2),
}


@pytest.mark.parametrize("with_weights", [False, True])
@pytest.mark.parametrize("name, device", DEVICES)
@pytest.mark.parametrize("estimator", CHECKED.values(), ids=CHECKED)
@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.CollapsedCodeWarning")
def test_values_of_scikit_learns_check(estimator, name, device, with_weights):
    check = estimator_checks.check_array_api_input_and_values
    Library(name, device)
    for dtype in ("float64", "float32"):
        check(type(estimator).__name__, estimator, name, device, dtype, check_sample_weight=with_weights)


def test_a_tensor_that_records_its_gradient(blobs):
    torch = pytest.importorskip("torch")
    with config_context(array_api_dispatch=True):
        X = torch.tensor(blobs, requires_grad=True)
        model = autoencoder(max_iter=3).fit(X)
        assert not model.transform(X).requires_grad
    assert_allclose(model.loss_, autoencoder(max_iter=3).fit(blobs).loss_, rtol=1e-10)


def test_rows_of_another_type_have_that_of_the_weights(blobs, library):
    single = blobs.astype(np.float32)
    for fitted, given in ((single, blobs), (blobs, single), (single, np.round(blobs).astype(np.int64))):
        model, expected = joint().fit(library.array(fitted)), joint().fit(fitted)
        rows, tolerance = library.array(given), 1e-4
        for n_rows in (1, 600):
            code = model.transform(rows[:n_rows, ...])
            assert code.dtype == model.coefs_[0].dtype
            assert_near(code, expected.transform(given[:n_rows]), tolerance)
        assert_near(
            model.inverse_transform(library.array(np.ones((2, 4), dtype=given.dtype))),
            expected.inverse_transform(np.ones((2, 4), dtype=given.dtype)),
            tolerance,
        )
        assert_near(model.predict_proba(rows), expected.predict_proba(given), 1e-2)
        assert_allclose(model.score(rows), expected.score(given), rtol=1e-4)


def test_a_frozen_encoder_of_another_type(blobs, library):
    encoder = FrozenEstimator(autoencoder(**ADAM).fit(library.array(blobs.astype(np.float32))))
    model = DeepEmbeddedClustering("auto", encoder=encoder, max_iter=2, random_state=0).fit(library.array(blobs))
    assert model.coefs_[0].dtype == library.xp.float64


def test_labels_of_any_library_are_judged(blobs, library):
    model, expected = joint().fit(library.array(blobs)), joint().fit(blobs)
    report = clustering_report(blobs, model.labels_, y_true=expected.labels_)
    assert report == clustering_report(blobs, expected.labels_, y_true=expected.labels_)
    assert clustering_accuracy(expected.labels_, model.labels_) == 1


def test_degenerate_clusters_are_told_of(blobs, library):
    X = np.repeat(blobs[:3], 20, axis=0)
    with pytest.warns(DegenerateClusteringWarning, match="Of 6 clusters"):
        joint(encoder=ADAM).fit(library.array(X))


def test_convergence_is_reported_alike(blobs, library):
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        autoencoder(max_iter=2).fit(library.array(blobs))
