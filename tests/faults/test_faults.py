"""A failed or interrupted call changes nothing, wherever it fails, and the next good one works."""

import signal
import sys
import warnings
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans

from helpers.data import standardised_blobs
from helpers.extent import COUNTS
from helpers.marks import FEW_ITERATIONS
from helpers.moments import at_every_moment, press_ctrl_c
from helpers.recorder import Recorder
from helpers.state import state_of
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._base import unchanged_on_error
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.exceptions import InterruptedFitWarning
from skdeepcluster.model_selection import ClusteringSearch

pytestmark = [
    *FEW_ITERATIONS,
    pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.InputScaleWarning"),
]

# Where a fault is injected: what is called on the way, from the checks of the input to the last figure.
PLACES = (
    *("_data:canonical_data", "_data:effective_rows", "_data:check_values"),
    *("_network:Layers.outputs", "_network:initial_parameters", "_network:ParameterLayout.unpack"),
    *("_data._batches:epoch_of_batches", "_data._batches:pass_of_neighborhoods", "_solvers:adam", "_solvers:lbfgs"),
    *("_data:neighbors_of", "_data:nearest_rows", "_objectives._neighbors:contrast"),
    *("_data:FullBatchLoss", "_data:MiniBatchLoss", "_data:code_moments", "_training._report:warn_if_useless"),
    *("_joint._start:initial_clusters", "_joint:assign_rows", "_joint._assignments:target_distribution"),
    *("_joint:JointFit.update", "_support._threads:Workers.map"),
)
ERRORS = (MemoryError, KeyboardInterrupt, RuntimeError, OSError)


@pytest.fixture(scope="module")
def X():
    return standardised_blobs(200, 6, centers=3)


encoder = partial(SparseAutoencoderTransformer, n_components=3, max_iter=4, random_state=0)


MODELS = {
    "lbfgs": encoder(),
    "adam": encoder(solver="adam", hidden_layer_sizes=(5,), pretrain="layerwise"),
    "early stopping": encoder(solver="adam", early_stopping=True),
    "neighbours": encoder(n_neighbors=5, batch_size=64, early_stopping=True),
    "joint": DeepEmbeddedClustering(3, encoder=encoder(), max_iter=2, update_interval=3, n_init=1, random_state=0),
}


def outcome(model, X):
    """What a fitted model does, to the last bit."""
    return [model.transform(X), *(model.predict_proba(X) if hasattr(model, "predict_proba") else ())]


FAULTS = COUNTS["faults in the middle of a call"]


def before_a_call(model, X):
    """What is to be the same after a call that fails: the attributes, their contents, and what the model does."""
    return dict(vars(model)), state_of(model), outcome(model, X)


def assert_as_before(model, before, X):
    _, state, outputs = before
    assert state_of(model) == state
    for output, expected in zip(outcome(model, X), outputs):
        assert_array_equal(output, expected)


def fault_at(monkeypatch, place, error, n_calls):
    """Make the n-th call of a function or class of the package raise, wherever it was imported; returns the calls."""
    module, _, name = place.partition(":")
    owner = sys.modules[f"skdeepcluster.{module}"]
    owner_name, _, method = name.partition(".")
    original = getattr(getattr(owner, owner_name), method) if method else getattr(owner, name)
    calls = []

    def faulty(*args, **kwargs):
        calls.append(place)
        if len(calls) == n_calls:
            raise error(f"injected into {place}")
        return original(*args, **kwargs)

    if method:
        monkeypatch.setattr(getattr(owner, owner_name), method, faulty)
        return calls
    for module in [module for name, module in sys.modules.items() if name.startswith("skdeepcluster.")]:
        for key, value in list(vars(module).items()):
            if value is original:
                monkeypatch.setattr(module, key, faulty)
    return calls


@pytest.mark.parametrize("n_calls", [1, 2, 5])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("name", MODELS)
def test_a_fault_in_fit_changes_nothing(X, monkeypatch, name, error, n_calls):
    model = clone(MODELS[name]).fit(X)
    before = before_a_call(model, X)
    n_faults = 0
    for place in PLACES:
        with monkeypatch.context() as patch:
            calls = fault_at(patch, place, error, n_calls)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    model.fit(X[:100] * 1.1)
                except error:
                    assert len(calls) >= n_calls
                    n_faults += 1
                else:
                    # Ctrl-C while training is an end: the fit has what it reached, and says so.
                    is_end = any(issubclass(warning.category, InterruptedFitWarning) for warning in caught)
                    assert (is_end and error is KeyboardInterrupt) or len(calls) < n_calls, place
                    assert np.isfinite(model.transform(X)).all()
                    vars(model).clear()
                    vars(model).update(before[0])
        assert_as_before(model, before, X)
    FAULTS["in fit"] += n_faults
    if n_calls == 1:
        assert n_faults >= (3 if error is KeyboardInterrupt else 6)
    assert_array_equal(model.fit(X).transform(X), before[2][0])


@pytest.mark.parametrize("n_calls", [1, 2])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("is_first", [False, True])
def test_a_fault_in_partial_fit_changes_nothing_and_the_next_chunk_is_as_if_it_had_not_been(
    X, monkeypatch, error, n_calls, is_first
):
    model, expected = encoder(hidden_layer_sizes=(5,), solver="adam"), None
    if not is_first:
        model.partial_fit(X)
    expected = clone(model).partial_fit(X).partial_fit(X[:80]) if not is_first else clone(model).partial_fit(X[:80])
    before, state = dict(vars(model)), state_of(model)
    n_faults = 0
    for place in PLACES:
        with monkeypatch.context() as patch:
            calls = fault_at(patch, place, error, n_calls)
            try:
                model.partial_fit(X[:80])
            except error:
                n_faults += 1
            else:
                assert len(calls) < n_calls, place
                vars(model).clear()
                vars(model).update(before)
        assert state_of(model) == state
    FAULTS["in partial_fit"] += n_faults
    assert n_faults >= 3
    assert_array_equal(model.partial_fit(X[:80]).coefs_[0], expected.coefs_[0])


def bad_chunks(X):
    nan, spike = X.copy(), X.copy()
    nan[3, 2] = np.nan
    spike[0, 0] = 1e200
    return {
        "nan": nan,
        "overflow": spike,
        "other features": X[:, :3],
        "empty": X[:0],
        "text": np.full(X.shape, "a"),
        "no table": X[0],
        "none": None,
        "negative weights": X,
        "sparse, inf": sp.csr_array(np.where(X > 2, np.inf, X)),
    }


@pytest.mark.parametrize("chunk", bad_chunks(np.ones((5, 6))))
def test_partial_fit_goes_on_after_a_bad_chunk(X, chunk):
    bad, w = bad_chunks(X)[chunk], None
    if chunk == "negative weights":
        w = -np.ones(len(X))
    model = encoder(solver="adam").partial_fit(X[:100])
    expected = clone(model).partial_fit(X[:100]).partial_fit(X[100:])
    before = before_a_call(model, X)
    with pytest.raises((ValueError, TypeError)):
        model.partial_fit(bad, sample_weight=w)
    assert_as_before(model, before, X)
    FAULTS["bad chunks"] += 1
    model.partial_fit(X[100:])
    for W, V in zip(model.coefs_ + model.intercepts_, expected.coefs_ + expected.intercepts_):
        assert_array_equal(W, V)
    assert_array_equal(model.loss_curve_, expected.loss_curve_)


def test_augment_that_raises_changes_nothing(X):
    calls = []

    def augment(rows, random_state):
        calls.append(len(rows))
        if len(calls) == 3:
            raise MemoryError
        return rows

    model = encoder(solver="adam", batch_size=64).fit(X)
    before = before_a_call(model, X)
    for fit in (model.fit, model.partial_fit):
        calls.clear()
        model.set_params(augment=augment)
        with pytest.raises(MemoryError):
            fit(X)
        model.set_params(augment=None)
        assert_as_before(model, before, X)
        FAULTS["in augment"] += 1


@pytest.mark.parametrize("category", ["ConvergenceWarning", "CollapsedCodeWarning", "InputScaleWarning"])
def test_a_warning_turned_into_an_error_changes_nothing(X, category):
    model = encoder().fit(X)
    before = before_a_call(model, X)
    bad = {"ConvergenceWarning": X * 1.01, "CollapsedCodeWarning": np.ones_like(X), "InputScaleWarning": 100 * X}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Warning) as raised:
            model.fit(bad[category])
    assert type(raised.value).__name__ == category
    assert_as_before(model, before, X)
    FAULTS["warnings as errors"] += 1


def test_a_search_whose_fit_fails_keeps_its_results(X):
    class Broken(KMeans):
        def fit_predict(self, X, y=None):
            raise MemoryError

    search = ClusteringSearch(KMeans(n_init=1, random_state=0), {"n_clusters": [2, 3]}, random_state=0).fit(X)
    before, labels = dict(vars(search)), search.predict(X)
    state = state_of(search)
    search.set_params(estimator=Broken(), error_score="raise")
    with pytest.raises(MemoryError):
        search.fit(X)
    search.set_params(estimator=before["estimator"], error_score=before["error_score"])
    assert state_of(search) == state
    FAULTS["in a search"] += 1
    assert_array_equal(search.predict(X), labels)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("name", MODELS)
def test_a_callback_that_raises_changes_nothing(X, name, error):
    pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")
    model = clone(MODELS[name]).fit(X)
    model.set_callbacks(Recorder(raise_at=1, error=error))
    before = before_a_call(model, X)
    if error is KeyboardInterrupt:
        with pytest.warns(match="was interrupted"):
            model.fit(X)
        assert np.isfinite(model.transform(X)).all()
    else:
        with pytest.raises(error):
            model.fit(X)
        assert_as_before(model, before, X)
    FAULTS["in callbacks"] += 1


def test_ctrl_c_in_partial_fit_changes_nothing(X):
    """A real signal, at several moments of a long pass."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        model = encoder(solver="adam", batch_size=1, hidden_layer_sizes=(20,)).partial_fit(X)
        before = before_a_call(model, X)
        table = np.tile(X, (100, 1))
        for seconds in (0.01, 0.03, 0.1, 0.2):
            previous = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
            signal.setitimer(signal.ITIMER_REAL, seconds)
            try:
                with pytest.raises(KeyboardInterrupt):
                    model.partial_fit(table)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, previous)
            assert_as_before(model, before, X)
            FAULTS["signals"] += 1
    finally:
        signal.signal(signal.SIGINT, handler)


def test_wherever_ctrl_c_comes_what_failed_changes_nothing():
    """Also in the middle of giving back what there was."""

    class Model:
        def __init__(self):
            self.random_state, self.fitted = None, "once"

        @unchanged_on_error
        def fit(self):
            self.fitted, self.more = "half", 5
            raise ZeroDivisionError

    model, errors = Model(), set()
    for error in at_every_moment(model.fit, press_ctrl_c):
        errors.add(type(error))
        assert vars(model) == {"random_state": None, "fitted": "once"}
    assert errors == {KeyboardInterrupt}
