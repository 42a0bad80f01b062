"""Arrays of other libraries that are refused, and what becomes NumPy's under scikit-learn's Array API."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from helpers.arrays import ADAM, DEEP, NEIGHBORS, autoencoder, joint, needs_array_api, to_numpy
from helpers.marks import FEW_ITERATIONS
from skdeepcluster import DeepEmbeddedClustering

pytestmark = [
    needs_array_api,
    *FEW_ITERATIONS,
    pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.DegenerateClusteringWarning"),
    pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.InputScaleWarning"),
]

METHODS = ["transform", "inverse_transform", "score", "predict", "predict_proba"]


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_another_library_are_refused(method, blobs, library):
    model = joint().fit(library.array(blobs))
    rows = np.zeros((3, 4)) if method == "inverse_transform" else blobs
    with pytest.raises(ValueError, match=rf"{method}\(\) must use the same namespace"):
        getattr(model, method)(rows)
    of_numpy = joint().fit(blobs)
    with pytest.raises(ValueError, match="must use the same namespace"):
        getattr(of_numpy, method)(library.array(rows))


@pytest.mark.parametrize("method", METHODS)
def test_without_dispatch_the_error_says_what_to_set(method, blobs, library):
    model = joint().fit(library.array(blobs))
    rows = np.zeros((3, 4)) if method == "inverse_transform" else blobs
    with config_context(array_api_dispatch=False), pytest.raises(ValueError, match="array_api_dispatch=True"):
        getattr(model, method)(rows)


def test_a_frozen_encoder_of_another_library_is_refused(blobs, library):
    frozen = FrozenEstimator(autoencoder(**ADAM).fit(blobs))
    with pytest.raises(ValueError, match="must use the same namespace"):
        DeepEmbeddedClustering(3, encoder=frozen).fit(library.array(blobs))


@pytest.mark.parametrize("fault", ["NaN", "no features", "too large", "three axes"])
@pytest.mark.filterwarnings("ignore:overflow")
def test_failed_calls_change_nothing(fault, blobs, library):
    bad, message = {
        "NaN": (np.where(blobs == blobs[3, 2], np.nan, blobs), "Input X contains NaN"),
        "no features": (blobs[:, :0], r"0 feature\(s\)"),
        "too large": (1e200 * blobs, "loss stopped being finite"),
        "three axes": (np.zeros((2, 3, 4)), r"shape \(2, 3, 4\), but a table is needed"),
    }[fault]
    model = autoencoder(max_iter=3).fit(library.array(blobs))
    before = dict(vars(model))
    for call in (model.fit, model.partial_fit, clone(model).fit):
        with pytest.raises(ValueError, match=message):
            call(library.array(bad))
    assert vars(model) == before


@pytest.mark.parametrize("make_rows", [csr_array, np.ndarray.tolist], ids=["sparse", "lists"])
def test_what_is_of_no_library_is_numpy(make_rows, blobs):
    X = make_rows(blobs)
    expected = autoencoder(max_iter=3).fit(X)
    with config_context(array_api_dispatch=True):
        model = autoencoder(max_iter=3).fit(X)
        assert_array_equal(model.transform(X), expected.transform(X))
    assert isinstance(model.coefs_[0], np.ndarray)


def test_dispatch_changes_nothing_for_numpy(blobs):
    weights = np.random.RandomState(0).randint(0, 4, size=600).astype(float)
    for make, parameters in ((autoencoder, NEIGHBORS | DEEP), (joint, {"init": "kmeans"})):
        expected = make(**parameters).fit(blobs, sample_weight=weights)
        with config_context(array_api_dispatch=True):
            model = make(**parameters).fit(blobs, sample_weight=weights)
        for array, other in zip(model.coefs_, expected.coefs_):
            assert_array_equal(array, other)


def test_files_and_dask_are_numpy(blobs, tmp_path):
    da = pytest.importorskip("dask.array")
    mapped = np.memmap(tmp_path / "X.dat", dtype=float, mode="w+", shape=blobs.shape)
    mapped[:] = blobs
    expected = autoencoder(max_iter=3).fit(blobs).coefs_[0]
    with config_context(array_api_dispatch=True):
        for X in (mapped, da.from_array(blobs, chunks=100)):
            assert_array_equal(autoencoder(max_iter=3).fit(X).coefs_[0], expected)


def test_complex_numbers_are_refused(blobs, library):
    with pytest.raises(ValueError, match="Complex data not supported"):
        autoencoder().fit(library.array(blobs + 1j))


@pytest.mark.parametrize("make", ["to_sparse", "to_sparse_csr"])
@pytest.mark.filterwarnings("ignore:Sparse")
def test_sparse_tensors_are_refused(make, blobs):
    torch = pytest.importorskip("torch")
    model = autoencoder(max_iter=3)
    with config_context(array_api_dispatch=True), pytest.raises(ValueError, match=r"sparse tensor.*X\.to_dense\(\)"):
        model.fit(getattr(torch.tensor(blobs), make)())


def test_augment_returns_what_it_gets(blobs, library):
    model = autoencoder(**ADAM, augment=lambda X, random_state: to_numpy(X))
    with pytest.raises(ValueError, match="an array of the same library, on the same device"):
        model.fit(library.array(blobs))
    of_numpy = autoencoder(**ADAM, augment=lambda X, random_state: X + 0.0).fit(blobs)
    if library.device != "cpu":
        return
    model = autoencoder(**ADAM, augment=lambda X, random_state: library.array(X)).fit(blobs)
    assert_array_equal(model.coefs_[0], of_numpy.coefs_[0])


def test_a_model_of_another_library_is_moved_before_it_is_exported(blobs, library):
    pytest.importorskip("skl2onnx")
    from skdeepcluster.onnx import to_onnx

    model = autoencoder(max_iter=3).fit(library.array(blobs))
    with pytest.raises(ValueError, match="move_estimator_to"):
        to_onnx(model, blobs[:1])
