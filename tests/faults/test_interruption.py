"""Ctrl-C, wherever it comes, and scikit-learn without callbacks."""

import os
import signal
import threading
import time
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import get_config
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from helpers.data import standardised_blobs
from helpers.marks import FEW_ITERATIONS
from helpers.moments import at_every_moment, press_ctrl_c
from helpers.processes import output_of_fork
from helpers.state import state_of
from helpers.threads import blas_threads, openmp_threads
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._support import _guards
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.exceptions import InterruptedFitWarning
from skdeepcluster.metrics import clustering_report

pytestmark = FEW_ITERATIONS


@pytest.fixture(scope="module")
def X():
    return standardised_blobs(2000, 30, centers=4)


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    # Shells start what they put in the background deaf to it.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


make = partial(SparseAutoencoderTransformer, n_components=20, tol=0, random_state=0)


def interrupt(model, seconds):
    """Press Ctrl-C some time after the third iteration of a fit that is about to begin."""

    def press():
        give_up = time.monotonic() + 60
        while not (
            (fit := getattr(model, "_fit_in_progress", None)) and fit.state.terms and len(fit.state.terms[0]) > 2
        ):
            time.sleep(0.001)
            if time.monotonic() > give_up:
                return
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


@pytest.mark.parametrize("seconds", [0, 0.031, 0.2])
@pytest.mark.parametrize(
    "parameters",
    [
        {"solver": "lbfgs"},
        {"solver": "adam"},
        {"solver": "adam", "hidden_layer_sizes": (40,), "early_stopping": True, "n_iter_no_change": 100_000},
        {"solver": "adam", "hidden_layer_sizes": (40, 30), "pretrain": "layerwise"},
    ],
)
def test_ctrl_c_leaves_a_usable_estimator(X, parameters, seconds):
    model = make(max_iter=30_000, **parameters)
    thread = interrupt(model, seconds)
    with pytest.warns(InterruptedFitWarning, match=r"warm_start=True.*Checkpoint"):
        model.fit(X)
    thread.join()
    code = model.transform(X)
    assert np.isfinite(code).all()
    assert np.isfinite(model.loss_)
    curves = [*model.pretraining_loss_curves_, model.loss_curve_]
    assert curves[0]["loss"][-1] < curves[0]["loss"][0]
    if parameters == {"solver": "lbfgs"}:
        assert model.loss_ == pytest.approx(min(model.loss_curve_["loss"]), rel=1e-9)
    if "early_stopping" in parameters:
        assert model.loss_ < model.loss_curve_["loss"][0]
    # It can go on.
    model.set_params(warm_start=True, max_iter=3, early_stopping=False).fit(X)


def test_an_interrupt_in_the_first_iteration_leaves_the_start(X, monkeypatch):
    from skdeepcluster._training import _problem

    def press(*args, **kwargs):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(_problem, "lbfgs", press)
    with pytest.warns(InterruptedFitWarning):
        model = make(solver="lbfgs").fit(X)
    assert model.n_iter_ == 0
    assert len(model.loss_curve_) == 0
    expected = np.random.RandomState(0).uniform(-1, 1, size=model.coefs_[0].shape) * np.sqrt(6 / 51)
    assert np.allclose(model.coefs_[0], expected)


def test_without_callbacks_the_estimator_works_and_says_what_is_missing(X, tmp_path):
    # As with scikit-learn before 1.9.
    script = """
        import sys
        import numpy as np
        import skdeepcluster

        # Import it again, when scikit-learn itself is there and its callbacks are not.
        for name in [name for name in sys.modules if name.startswith("skdeepcluster")]:
            del sys.modules[name]
        vars(sys.modules.get("sklearn.callback", sys)).pop("CallbackSupportMixin", None)
        from skdeepcluster import SparseAutoencoderTransformer
        from skdeepcluster.callbacks import Checkpoint

        X = np.load(sys.argv[1])
        model = SparseAutoencoderTransformer(20, tol=0, random_state=0, solver="lbfgs", max_iter=5)
        np.save(sys.argv[2], model.fit(X).transform(X))
        try:
            model.set_callbacks(Checkpoint("never written"))
        except ImportError as error:
            print(error)
        """
    np.save(tmp_path / "X.npy", X)
    output = output_of_fork(script, "X.npy", "code.npy", cwd=tmp_path)
    assert "scikit-learn 1.9 or newer: pip install --upgrade scikit-learn" in output
    model = make(solver="lbfgs", max_iter=5).fit(X)
    assert_array_equal(np.load(tmp_path / "code.npy"), model.transform(X))


@pytest.mark.parametrize("name", ["outputs_of", "code_moments"])
def test_an_interrupt_between_and_after_the_stages(X, monkeypatch, name):
    from skdeepcluster._data import _memory

    original = getattr(_memory, name)
    calls = []

    def press(*arguments):
        calls.append(arguments)
        if len(calls) == 2 or name == "code_moments":
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(_memory, name, press)
    model = make(hidden_layer_sizes=(10,), pretrain="layerwise", max_iter=3)
    with pytest.warns(InterruptedFitWarning):
        model.fit(X)
    assert np.isfinite(model.transform(X)).all()
    assert len(model.pretraining_loss_curves_[0]) == 3
    assert np.isnan(model.mean_activation_).all() == (name == "code_moments")


def test_interrupted_again_and_again_fits_end(rng):
    # Work for two threads, in which the interrupt may hit either the caller's own share or its waiting.
    X = rng.normal(size=(8000, 200)).astype(np.float32)
    for i in range(8):
        model = make(n_components=64, solver="lbfgs", max_iter=30_000)
        thread = interrupt(model, 0.013 * i)
        with pytest.warns(InterruptedFitWarning):
            model.fit(X)
        thread.join()


# What the process has, and what a fit changes for its time

# Calls, and every how many moments they are interrupted.
SMALL = SparseAutoencoderTransformer(2, max_iter=2, solver="adam", random_state=0)
CALLS = {
    "fit": (SMALL, lambda model, X: model.fit(X), 97),
    "partial_fit": (SMALL, lambda model, X: model.partial_fit(X), 97),
    "joint": (
        DeepEmbeddedClustering(2, encoder=SMALL, init="kmeans", max_iter=2, n_init=1, random_state=0),
        lambda model, X: model.fit(X),
        1999,
    ),
    "report": (SMALL, lambda model, X: clustering_report(X, np.arange(len(X)) % 3), 97),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", CALLS)
def test_wherever_ctrl_c_comes_the_process_is_as_before(X, name):
    model, call, step = CALLS[name]
    X, model = X[:60, :5], clone(model)
    call(model, X)
    with threadpool_limits(limits=2):
        n_moments, openmp, settings = 0, openmp_threads(), get_config()
        before = state_of(model)
        for error in at_every_moment(lambda: call(model, X), press_ctrl_c, step=step):
            n_moments += 1
            assert set(blas_threads()) == {2}
            assert openmp_threads() == openmp
            assert get_config() == settings
            assert not _guards._running
            if error is not None:
                assert type(error) is KeyboardInterrupt
                assert state_of(model) == before
            before = state_of(model)
        assert n_moments > 5


def test_a_signal_handler_may_fit_at_any_moment_of_a_fit(X, tmp_path):
    # In a process of its own: it would wait for itself for ever.
    script = """
        import numpy as np
        from threadpoolctl import threadpool_limits
        from helpers.moments import at_every_moment
        from helpers.threads import blas_threads
        from skdeepcluster import SparseAutoencoderTransformer

        X = np.load("X.npy")
        model, other = (SparseAutoencoderTransformer(2, max_iter=2, solver="adam", random_state=i) for i in (0, 1))
        with threadpool_limits(limits=2):
            expected, of_other = (each.fit(X).coefs_[0] for each in (model, other))
            for error in at_every_moment(lambda: model.fit(X), lambda: other.fit(X), step=41):
                assert error is None, error
                assert set(blas_threads()) == {2}
                assert np.array_equal(model.coefs_[0], expected)
                assert np.allclose(other.coefs_[0], of_other, rtol=1e-12)
            print("fitted")
        """
    np.save(tmp_path / "X.npy", X[:60, :5])
    assert output_of_fork(script, cwd=tmp_path) == "fitted\n"
