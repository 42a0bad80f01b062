"""One estimator, fitted several times at the same time: one clear error, and the first fit as if it had been alone."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClusterMixin, clone

from helpers.marks import FEW_ITERATIONS
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._support import _guards
from skdeepcluster.clustering import ClusterTree, DeepEmbeddedClustering, NeighborAssigner
from skdeepcluster.model_selection import ClusteringSearch

pytestmark = FEW_ITERATIONS

# What fits do on their way, from the augment or the clusterer in them; set by a test.
ON_THE_WAY = []


def call_on_the_way(X, random_state=None):
    for call in ON_THE_WAY:
        call()
    return X


class Caller(ClusterMixin, BaseEstimator):
    """A clusterer that does what is to be done on the way."""

    def __init__(self, scale=1):
        self.scale = scale

    def fit(self, X, y=None):
        call_on_the_way(X)
        self.labels_ = np.arange(len(X)) % 2
        return self


def encoder(**parameters):
    return SparseAutoencoderTransformer(3, augment=call_on_the_way, max_iter=2, random_state=0, **parameters)


MODELS = {
    "fit": (encoder(), "fit"),
    "partial_fit": (encoder(), "partial_fit"),
    "fit_transform": (encoder(hidden_layer_sizes=4, pretrain="layerwise"), "fit_transform"),
    "joint": (DeepEmbeddedClustering(2, encoder=encoder(), max_iter=2, n_init=1, random_state=0), "fit"),
    "assigner": (NeighborAssigner(Caller(), n_neighbors=3), "fit"),
    "tree": (ClusterTree(Caller()), "fit"),
    "search": (ClusteringSearch(Caller(), {"scale": [1]}, metric="silhouette", random_state=0), "fit"),
}


@pytest.fixture(autouse=True)
def nothing_on_the_way():
    ON_THE_WAY.clear()
    yield
    ON_THE_WAY.clear()
    assert not _guards._running


@pytest.fixture(scope="module")
def X(blobs):
    return blobs[:60]


def arrays_of(model):
    names = "coefs_", "intercepts_", "loss_curve_", "labels_", "validation_scores_"
    return [np.asarray(part) for name in names for part in getattr(model, name, ())]


def assert_same(model, expected):
    for actual, desired in zip(arrays_of(model), arrays_of(expected), strict=True):
        assert_array_equal(actual, desired)


@pytest.mark.parametrize("name", MODELS)
def test_of_eight_threads_one_fits_and_the_others_are_told(X, name):
    model, method = MODELS[name]
    expected = clone(model)
    getattr(expected, method)(X)
    model, refused = clone(model), threading.Semaphore(0)
    # The one that fits goes on when all others have come back.
    ON_THE_WAY.append(lambda: [refused.acquire(timeout=30) for _ in range(7)] and ON_THE_WAY.clear())

    def call(i):
        try:
            getattr(model, method)(X if method != "fit" else X.copy())
        except RuntimeError as error:
            refused.release()
            return str(error)
        return None

    with ThreadPoolExecutor(8) as executor:
        errors = list(executor.map(call, range(8)))
    assert errors.count(None) == 1
    for error in filter(None, errors):
        assert error.startswith(f"This {type(model).__name__} is being fitted by another thread")
        assert "Fit a clone in each thread" in error
    assert_same(model, expected)
    # It is over: the next one is welcome.
    getattr(clone(model), method)(X)
    getattr(model, method)(X)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("again", ["fit", "partial_fit"])
def test_a_fit_within_its_own_fit_is_refused(X, name, again):
    model, method = MODELS[name]
    if again == "partial_fit" and not hasattr(model, again):
        again = "fit"
    expected = getattr(clone(model), method)(X) if method != "fit_transform" else clone(model).fit(X)
    model, errors = clone(model), []

    def fit_again():
        with pytest.raises(RuntimeError, match=r"is being fitted, and was to be fitted again from within") as caught:
            getattr(model, again)(X[:30])
        errors.append(caught.value)

    ON_THE_WAY.append(fit_again)
    getattr(model, method)(X)
    assert errors
    if method != "fit_transform":
        assert_same(model, expected)


@pytest.mark.parametrize("name", MODELS)
def test_copies_can_be_fitted_meanwhile(X, name):
    model, method = MODELS[name]
    model, copies = clone(model), []

    def copy_it():
        ON_THE_WAY.clear()
        copies.append(clone(model).fit(X))

    ON_THE_WAY.append(copy_it)
    getattr(model, method)(X)
    for other in (*copies, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        if method != "partial_fit":
            assert_same(other, model)
        getattr(other, method)(X)


@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.InterruptedFitWarning")
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("name", MODELS)
def test_after_an_error_it_can_be_fitted_again(X, name, error):
    model, method = MODELS[name]
    model = clone(model)

    def fail():
        ON_THE_WAY.clear()
        raise error("on the way")

    ON_THE_WAY.append(fail)
    with suppress(error):
        getattr(model, method)(X)
    assert not _guards._running
    getattr(model, method)(X)
