"""scikit-learn's callbacks: collected only where scikit-learn has them (1.9 and newer), see conftest.py."""

import pickle
import re
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.cluster import KMeans
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.data import mapped
from helpers.marks import FEW_ITERATIONS
from helpers.processes import output_of_fork
from helpers.recorder import Recorder
from helpers.state import fingerprint
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._data import _memory
from skdeepcluster._network import initial_parameters
from skdeepcluster._training import Log, network_of
from skdeepcluster.callbacks import Checkpoint

pytestmark = FEW_ITERATIONS

FITS = {
    "lbfgs": {"solver": "lbfgs", "tol": 0},
    "adam": {"solver": "adam", "tol": 0},
    "stopped by tol": {"solver": "lbfgs", "tol": 0.01, "max_iter": 300},
    "noise": {"solver": "adam", "corruption": 0.2, "tol": 0},
    "neighbours": {"n_neighbors": 6},
    "deep, tied": {"hidden_layer_sizes": (8,), "tied_weights": True, "solver": "lbfgs", "tol": 0},
    "pretrained": {"hidden_layer_sizes": (8, 6), "pretrain": "layerwise", "solver": "adam", "tol": 0, "max_iter": 6},
    "early stopping": {"early_stopping": True, "solver": "adam", "tol": 1e-3, "n_iter_no_change": 3, "max_iter": 100},
}


make = partial(SparseAutoencoderTransformer, n_components=5, max_iter=20, random_state=0)


@pytest.fixture(scope="module")
def X(blobs):
    return blobs[:300]


@pytest.mark.parametrize("name", FITS)
def test_every_iteration_is_a_task_with_a_fitted_estimator(X, name):
    recorder = Recorder()
    model = make(**FITS[name]).set_callbacks(recorder).fit(X)
    events = recorder.events
    assert events[:3] == ["setup", "begin fit", "begin iteration"]
    assert events[-2:] == ["end fit", "teardown"]
    n_iter = model.n_iter_ + sum(len(curve) for curve in model.pretraining_loss_curves_)
    assert len(recorder.estimators) == events.count("end iteration") == n_iter
    # Tasks do not overlap.
    middle = events[2:-2]
    assert middle[: 2 * n_iter] == ["begin iteration", "end iteration"] * n_iter
    last = recorder.estimators[-1]
    data, target, metadata = recorder.arguments[-1]
    assert data is target
    assert metadata is None
    assert len(data) == (270 if model.early_stopping else 300)
    assert last.n_iter_ == model.n_iter_
    assert_allclose(last.transform(X).shape, (300, 5))
    if not model.early_stopping:
        assert_array_equal(last.coefs_[0], model.coefs_[0])
    # They are copies.
    assert recorder.estimators[0].score(X) < last.score(X)


def test_callbacks_change_nothing(X):
    assert_array_equal(make().set_callbacks(Recorder()).fit(X).coefs_[0], make().fit(X).coefs_[0])


@pytest.mark.parametrize("name", FITS)
def test_a_request_to_stop_keeps_the_parameters_of_that_moment(X, name):
    recorder = Recorder(stop_at=4)
    model = make(**FITS[name]).set_callbacks(recorder).fit(X)
    n_iter = model.n_iter_ + sum(len(curve) for curve in model.pretraining_loss_curves_)
    assert n_iter == len(recorder.estimators) == 4
    assert recorder.events[-2:] == ["end fit", "teardown"]
    if not model.early_stopping:
        for W, V in zip(model.coefs_, recorder.estimators[-1].coefs_):
            assert_array_equal(W, V)


def test_a_callback_that_raises_leaves_the_estimator_as_it_was(X):
    model = make().fit(X)
    recorder = Recorder(raise_at=2)
    model.set_callbacks(recorder)
    before = dict(vars(model))
    with pytest.raises(RuntimeError):
        model.fit(X[:, :5])
    assert vars(model) == before
    assert recorder.events[-1] == "teardown"


def test_scoring_monitor_records_scores_with_x_as_the_target(X):
    def scoring(estimator, X, y, sample_weight):
        assert X is y
        return {"reconstruction": estimator.score(X, sample_weight=sample_weight)}

    w = np.linspace(0.5, 1.5, len(X))
    monitor = ScoringMonitor(scoring=scoring)
    model = make(tol=0).set_callbacks(monitor).fit(X, sample_weight=w)
    log = monitor.get_logs().data_as_pandas
    log = log[log["task_name"] == "iteration"]
    assert len(log) == 20
    assert_allclose(log["reconstruction"].iloc[-1], model.score(X, sample_weight=w), rtol=1e-9)
    # The reconstruction term of J is half the sum over features.
    assert_allclose(-log["reconstruction"] * X.shape[1] / 2, model.loss_curve_["reconstruction"], rtol=1e-6)


def test_a_callback_cannot_fit_what_is_being_fitted(X):
    class FitsAgain(Recorder):
        def on_fit_task_end(self, estimator, context):
            estimator.fit(X)

    model = make().fit(X)
    before = dict(vars(model))
    model.set_callbacks(FitsAgain())
    with pytest.raises(RuntimeError, match=r"fitted again from within: by a callback.*Fit a clone there"):
        model.fit(X[:50])
    model.set_callbacks()
    assert all(value is vars(model)[name] for name, value in before.items())
    model.fit(X)


def test_rows_that_stay_in_their_file_can_be_scored(X, tmp_path, monkeypatch):
    monkeypatch.setattr(_memory, "_COPIED_BYTES", 0)
    logs = []
    for data in (X, mapped(X, tmp_path / "X.f8")):
        monitor = ScoringMonitor(scoring=lambda estimator, X, y: {"score": estimator.score(X), "first": X[:, 0].sum()})
        make(early_stopping=True, tol=0).set_callbacks(monitor).fit(data)
        logs.append(monitor.get_logs().data_as_pandas[["score", "first"]])
    assert_array_equal(*logs)


def test_progress_bar_shows_training_inside_a_search():
    script = """
        import os
        import numpy as np
        from sklearn.callback import ProgressBar
        from sklearn.cluster import KMeans
        from sklearn.datasets import make_blobs
        from sklearn.model_selection import GridSearchCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from skdeepcluster import SparseAutoencoderTransformer, metrics

        os.environ["COLUMNS"] = "160"
        X, _ = make_blobs(200, 8, centers=3, random_state=0)
        model = make_pipeline(
            StandardScaler(), SparseAutoencoderTransformer(4, max_iter=5, tol=0.1), KMeans(3, random_state=0)
        )
        rows = np.arange(200)
        search = GridSearchCV(
            model,
            {"sparseautoencodertransformer__rho": [0.3, 0.5]},
            scoring=metrics.silhouette_scorer,
            cv=[(rows, rows)],
        )
        search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X)
        """
    output = output_of_fork(script)
    lines = [line for line in output.splitlines() if "SparseAutoencoderTransformer - fit" in line]
    # Two candidates and the refit, nested in the search and in the pipeline, and all at their end.
    assert len(lines) == 3
    for line in lines:
        assert re.match(r" {4,}Pipeline - fit-transform-sparseautoencodertransformer \| Sparse", line)
        assert "100%" in line
    assert re.search(r"^GridSearchCV - fit ", output, flags=re.MULTILINE)


# Checkpoints


class Killed(BaseException):
    """What no handler in the package takes for an ordinary error."""


def killed_fit(path, X, n_iter, parameters):
    """Cut a fit with a checkpoint off after n_iter iterations."""
    model = make(**parameters).set_callbacks(Checkpoint(path, interval=0), Recorder(raise_at=n_iter, error=Killed))
    with pytest.raises(Killed):
        model.fit(X)


@pytest.mark.parametrize("n_iter", [1, 5, 11])
@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_resumed_fit_equals_one_never_interrupted(X, tmp_path, name, n_iter, dtype):
    data, path = X.astype(dtype), tmp_path / "fit.checkpoint"
    whole = make(**FITS[name]).fit(data)
    killed_fit(path, data, n_iter, FITS[name])
    recorder = Recorder()
    resumed = make(**FITS[name]).set_callbacks(Checkpoint(path), recorder).fit(data)
    for attribute in ("coefs_", "intercepts_", "pretraining_loss_curves_"):
        for left, right in zip(getattr(resumed, attribute), getattr(whole, attribute), strict=True):
            assert_array_equal(left, right)
    assert_array_equal(resumed.loss_curve_, whole.loss_curve_)
    assert resumed.loss_ == whole.loss_
    n_all = whole.n_iter_ + sum(len(curve) for curve in whole.pretraining_loss_curves_)
    assert len(recorder.estimators) == n_all - n_iter
    assert list(tmp_path.iterdir()) == []


def test_a_process_killed_and_started_again_ends_as_one_that_was_not(tmp_path):
    script = """
        import sys, os, signal, numpy as np
        from sklearn.datasets import make_blobs
        from skdeepcluster import SparseAutoencoderTransformer
        from skdeepcluster.callbacks import Checkpoint

        class Kill:
            def __init__(self, at):
                self.at, self.n = at, 0
            def setup(self, estimator, context): ...
            def teardown(self, estimator, context): ...
            def on_fit_task_begin(self, estimator, context): ...
            def on_fit_task_end(self, estimator, context):
                self.n += 1
                if self.n == self.at:
                    os.kill(os.getpid(), signal.SIGKILL)

        X, _ = make_blobs(500, 10, centers=4, cluster_std=0.3, center_box=(-1, 1), random_state=0)
        for fit in sys.argv[1:]:
            checkpoint, kill_at = fit.split(":")
            model = SparseAutoencoderTransformer(
                4, hidden_layer_sizes=(12,), solver="adam", corruption=0.1, max_iter=12, tol=0, random_state=0
            )
            model.set_callbacks(Checkpoint(checkpoint, interval=0), Kill(int(kill_at))).fit(X.astype(np.float32))
            np.save(checkpoint + ".npy", np.concatenate([W.ravel() for W in model.coefs_]))
        """
    for fits, exitcode in ((("whole:0", "cut:7"), -9), (("cut:3",), -9), (("cut:0",), 0)):
        output_of_fork(script, *fits, cwd=tmp_path, exitcode=exitcode)
    assert_array_equal(np.load(tmp_path / "cut.npy"), np.load(tmp_path / "whole.npy"))


def test_a_finished_fit_starts_the_next_one_afresh(X, tmp_path):
    model = make().set_callbacks(Checkpoint(tmp_path / "fit.checkpoint", interval=0))
    assert_array_equal(model.fit(X).fit(X).coefs_[0], make().fit(X).coefs_[0])


def test_the_interval_is_kept(X, tmp_path, monkeypatch):
    from skdeepcluster import callbacks

    written, clock = [], iter(range(1000))
    monkeypatch.setattr(callbacks, "write_checkpoint", lambda path, state, identity: written.append(path))
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    make(tol=0).set_callbacks(Checkpoint(tmp_path / "fit.checkpoint", interval=6.5)).fit(X)
    # The clock goes on by one for each of 20 iterations, and for a write.
    assert len(written) == 2


@pytest.mark.parametrize(
    "parameters, change, message",
    [
        ({"rho": 0.3}, 0, r"rho: 0.5 there, 0.3 here"),
        ({}, 1e-9, r"data to train on: 300 x 15, float64, checksum .* there, 300 x 15, float64, checksum"),
    ],
)
def test_a_checkpoint_of_another_fit_is_refused(X, tmp_path, parameters, change, message):
    path = tmp_path / "fit.checkpoint"
    killed_fit(path, X, 3, {})
    content = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        make(**parameters).set_callbacks(Checkpoint(path)).fit(X + change)
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "other archive", "newer"])
def test_a_damaged_or_foreign_file_is_refused(X, tmp_path, damage):
    path = tmp_path / "fit.checkpoint"
    killed_fit(path, X, 3, {})
    content = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "text":
        path.write_text("not a checkpoint")
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        with np.load(path) as archive:
            arrays = dict(archive)
        meta = str(arrays["meta"]).replace('"format": 1', '"format": 99')
        with open(path, "wb") as file:
            np.savez(file, **({**arrays, "meta": np.array(meta)} if damage == "newer" else {"a": np.ones(3)}))
    message = "format 99, and this version .* reads format 1" if damage == "newer" else "not a checkpoint .* Delete it"
    with pytest.raises(ValueError, match=message):
        make().set_callbacks(Checkpoint(path)).fit(X)


def in_meta(old, new):
    """Arrays of a checkpoint with other words in the line of JSON."""
    return lambda arrays: {"meta": np.array(re.sub(old, new, str(arrays["meta"])))}


FORGED = {
    "identity": in_meta(r'"identity": \{[^}]*\}', '"identity": 3'),
    "stages done are text": in_meta(r'"n_stages_done": 0', '"n_stages_done": "x"'),
    "too many stages done": in_meta(r'"n_stages_done": 0', '"n_stages_done": 5'),
    "all stages done and one begun": in_meta(r'"n_stages_done": 0', '"n_stages_done": 1'),
    "fewer than no stages done": in_meta(r'"n_stages_done": 0', '"n_stages_done": -1'),
    "other solver": in_meta('"solver": "adam"', '"solver": "lbfgs"'),
    "no solver": in_meta(', "solver": "adam"', ""),
    "short theta": lambda arrays: {"theta": arrays["theta"][1:]},
    "theta of other type": lambda arrays: {"theta": arrays["theta"].astype(np.float32)},
    "theta of text": lambda arrays: {"theta": np.array(["a"] * 7)},
    "long x": lambda arrays: {"solver x": np.zeros(len(arrays["solver x"]) + 1)},
    "moment of two dimensions": lambda arrays: {"solver first_moment": arrays["solver first_moment"][None]},
    "steps are fractions": lambda arrays: {"solver n_steps": np.array(0.5)},
    "terms": lambda arrays: {"terms 0": arrays["terms 0"][:, :2]},
    "best theta": lambda arrays: {"best_theta": np.ones(3)},
    "rows that are none": lambda arrays: {"order rows": np.array([0, 10**6])},
    "negative chunks": lambda arrays: {"order chunks": np.array([-1])},
    "rows in two dimensions": lambda arrays: {"order rows": np.zeros((2, 2), dtype=int)},
    "rows that are text": lambda arrays: {"order rows": np.array(["a"])},
    "one row": lambda arrays: {"order rows": np.array(1)},
    "rows that are no numbers of rows": lambda arrays: {"order rows": np.array([0.5])},
    "what another kind of fit keeps": lambda arrays: {"own radius": np.float64(1)},
    # The next are what once crashed the interpreter, hung it, or ended in other errors and curves of NaN.
    "a position far behind the table": in_meta(r'"random_state": \[\d+', '"random_state": [1000000'),
    "a position behind the table": in_meta(r'"random_state": \[\d+', '"random_state": [700'),
    "a position before the table": in_meta(r'"random_state": \[\d+', '"random_state": [-1000000'),
    "a cached normal number that is none": in_meta(r", 0.0\]", ", NaN]"),
    "a table of zeros": lambda arrays: {"keys": np.zeros(624, dtype=np.uint32)},
    "steps below zero": lambda arrays: {"solver n_steps": np.array(-1)},
    "a moment of NaN": lambda arrays: {"solver first_moment": arrays["solver first_moment"] * np.nan},
    "squares below zero": lambda arrays: {"solver second_moment": arrays["solver second_moment"] - 1e9},
    "a curve of NaN": lambda arrays: {"terms 0": arrays["terms 0"] * np.nan},
    "terms in one dimension": lambda arrays: {"terms 0": arrays["terms 0"].ravel()},
    "errors without held-out rows": lambda arrays: {"held_out_errors": np.ones(3)},
    "chunks that there are not": lambda arrays: {"order chunks": np.array([299])},
}


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_file_is_refused_by_its_name(X, tmp_path, forgery):
    path = tmp_path / "fit.checkpoint"
    killed_fit(path, X, 3, FITS["adam"])
    with np.load(path) as archive:
        arrays = dict(archive)
    changed = FORGED[forgery](arrays)
    assert fingerprint(arrays) != fingerprint(arrays | changed)
    with open(path, "wb") as file:
        np.savez(file, **(arrays | changed))
    with pytest.raises(ValueError, match=r"fit\.checkpoint .* damaged.* Delete it to start afresh"):
        make(**FITS["adam"]).set_callbacks(Checkpoint(path)).fit(X)


def test_checkpoints_need_the_usual_generator(X, tmp_path):
    random_state = np.random.RandomState(np.random.PCG64(0))
    with pytest.raises(TypeError, match="Checkpoint needs a random_state of NumPy's usual generator, not RandomState"):
        make(random_state=random_state).set_callbacks(Checkpoint(tmp_path / "fit.checkpoint")).fit(X)


def test_checkpoints_need_an_estimator_and_a_seed_that_they_can_go_on_with(X, tmp_path):
    checkpoint = Checkpoint(tmp_path / "fit.checkpoint")
    with pytest.raises(ValueError, match="early_stopping=True, Checkpoint needs an int as random_state, not None"):
        make(early_stopping=True, random_state=None).set_callbacks(checkpoint).fit(X)
    with pytest.raises(TypeError, match="not for Pipeline"):
        make_pipeline(StandardScaler(), make()).set_callbacks(checkpoint).fit(X)


def test_an_interrupted_fit_keeps_its_checkpoint_and_goes_on(X, tmp_path, monkeypatch):
    timed = []
    monkeypatch.setattr(Log, "begin_stage", lambda log, *counts: timed.append(counts))
    path = tmp_path / "fit.checkpoint"
    model = make(tol=0).set_callbacks(Checkpoint(path, interval=0), Recorder(raise_at=5, error=KeyboardInterrupt))
    with pytest.warns(match="Training was interrupted"):
        model.fit(X)
    assert model.n_iter_ == 5
    assert model.transform(X).shape == (300, 5)
    resumed = make(tol=0, verbose=1).set_callbacks(Checkpoint(path)).fit(X)
    assert timed == [(5, 20)]  # of 20 iterations 5 take no time any more
    assert_array_equal(resumed.coefs_[0], make(tol=0).fit(X).coefs_[0])


def test_a_fit_interrupted_in_a_cross_validation_keeps_its_checkpoint(X, tmp_path):
    path, rows = tmp_path / "fit.checkpoint", np.arange(len(X))
    model = make(tol=0).set_callbacks(Checkpoint(path, interval=0), Recorder(raise_at=5, error=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        cross_validate(model, X, cv=[(rows, rows)] * 2)
    assert path.exists()
    recorder = Recorder()
    resumed = make(tol=0).set_callbacks(Checkpoint(path), recorder).fit(X)
    whole = make(tol=0).fit(X)
    assert len(recorder.estimators) == whole.n_iter_ - 5
    assert_array_equal(resumed.coefs_[0], whole.coefs_[0])
    assert not path.exists()


def test_a_step_of_a_pipeline_goes_on(X, tmp_path):
    path = tmp_path / "fit.checkpoint"

    def pipeline(*callbacks):
        return make_pipeline(StandardScaler(), make().set_callbacks(*callbacks), KMeans(4, random_state=0))

    with pytest.raises(RuntimeError):
        pipeline(Checkpoint(path, interval=0), Recorder(raise_at=4)).fit(X)
    assert path.exists()
    expected = pipeline().fit(X)[:2].transform(X)
    assert_array_equal(pipeline(Checkpoint(path)).fit(X)[:2].transform(X), expected)


def test_clones_keep_their_callbacks(X):
    recorder = Recorder()
    clone(make().set_callbacks(recorder)).fit(X)
    assert recorder.events[-1] == "teardown"


def test_tasks_begin_and_end_once(X):
    # L-BFGS ends by itself, in an iteration that comes to nothing.
    recorder = Recorder()
    w = np.where(np.arange(300) < 2, 1.0, 1e-12)
    with pytest.warns(match="The code has collapsed|far from standardised"):
        make(tol=0, beta=0, max_iter=500).set_callbacks(recorder).fit(np.zeros_like(X) + X[0], sample_weight=w)
    assert recorder.events.count("begin iteration") == recorder.events.count("end iteration")


@pytest.mark.parametrize("error", [ZeroDivisionError, FloatingPointError, StopIteration])
@pytest.mark.parametrize("name", ["adam", "lbfgs"])
def test_errors_of_callbacks_are_not_taken_for_those_of_training(X, name, error):
    with pytest.raises(error):
        make(**FITS[name]).set_callbacks(Recorder(raise_at=3, error=error)).fit(X)


@pytest.mark.parametrize("name", FITS)
def test_a_fit_cut_off_in_its_last_iteration_is_over_when_it_goes_on(X, tmp_path, name):
    whole = make(**FITS[name]).fit(X)
    n_all = whole.n_iter_ + sum(len(curve) for curve in whole.pretraining_loss_curves_)
    killed_fit(tmp_path / "fit.checkpoint", X, n_all, FITS[name])
    recorder = Recorder()
    resumed = make(**FITS[name]).set_callbacks(Checkpoint(tmp_path / "fit.checkpoint"), recorder).fit(X)
    assert recorder.estimators == []
    assert resumed.n_iter_ == whole.n_iter_
    for W, V in zip(resumed.coefs_, whole.coefs_):
        assert_array_equal(W, V)


@pytest.mark.parametrize("n_iter", [3, 8, 14])
def test_both_solvers_of_auto_go_on(X, tmp_path, monkeypatch, n_iter):
    from skdeepcluster._training import _plan

    monkeypatch.setattr(_plan, "_AUTO_ROWS", 100)
    monkeypatch.setattr(_plan, "_AUTO_UNITS", 5)
    whole = make(tol=0).fit(X)
    assert whole.n_iter_ == 28
    killed_fit(tmp_path / "fit.checkpoint", X, n_iter, {"tol": 0})
    resumed = make(tol=0).set_callbacks(Checkpoint(tmp_path / "fit.checkpoint")).fit(X)
    assert_array_equal(resumed.coefs_[0], whole.coefs_[0])
    assert_array_equal(resumed.loss_curve_, whole.loss_curve_)


def test_a_checkpoint_is_of_one_start(X, tmp_path):
    path = tmp_path / "fit.checkpoint"
    models = [make(warm_start=True, random_state=seed).fit(X) for seed in (0, 1)]
    models[0].set_callbacks(Checkpoint(path, interval=0), Recorder(raise_at=3))
    with pytest.raises(RuntimeError):
        models[0].fit(X)
    models[1].set_params(random_state=0).set_callbacks(Checkpoint(path))
    with pytest.raises(ValueError, match=r"start: an earlier fit, checksum .* there, an earlier fit, checksum"):
        models[1].fit(X)
    cold = make(warm_start=True, pretrain="layerwise", hidden_layer_sizes=(8,), solver="adam", tol=0)
    path.unlink()
    cold.set_callbacks(Checkpoint(path, interval=0), Recorder(raise_at=25, error=KeyboardInterrupt))
    with pytest.warns(match="interrupted"):
        cold.fit(X)
    with pytest.raises(ValueError, match=r"stages of training: .* there, .*start: random there|start: random there"):
        cold.set_callbacks(Checkpoint(path)).fit(X)


def test_a_checkpoint_is_of_one_random_state_and_one_set_of_held_out_rows(X, tmp_path):
    path = tmp_path / "fit.checkpoint"
    killed_fit(path, X, 3, {"random_state": np.random.RandomState(0), "hidden_layer_sizes": (8,)})
    with pytest.raises(ValueError, match="random_state: RandomState, checksum"):
        make(random_state=np.random.RandomState(1), hidden_layer_sizes=(8,)).set_callbacks(Checkpoint(path)).fit(X)
    make(random_state=np.random.RandomState(0), hidden_layer_sizes=[8]).set_callbacks(Checkpoint(path)).fit(X)
    parameters = FITS["early stopping"]
    killed_fit(path, X, 3, parameters)
    held_out = np.random.RandomState(0)
    model = make(**parameters)
    initial_parameters(network_of(model, X.shape[1]), held_out, X.dtype)
    changed = X.copy()
    changed[held_out.permutation(300)[0]] += 1
    with pytest.raises(ValueError, match="data to train on"):
        make(**parameters).set_callbacks(Checkpoint(path)).fit(changed)


@pytest.mark.parametrize("n_bytes", [0, 2**27])
def test_a_fit_of_an_array_goes_on_in_a_mapped_file(X, tmp_path, monkeypatch, n_bytes):
    # As another n_jobs makes of one the other.
    monkeypatch.setattr(_memory, "_COPIED_BYTES", n_bytes)
    path, parameters = tmp_path / "fit.checkpoint", FITS["early stopping"]
    killed_fit(path, X, 3, parameters)
    resumed = make(**parameters).set_callbacks(Checkpoint(path)).fit(mapped(X, tmp_path / "X.f8"))
    whole = make(**parameters).fit(X)
    assert_array_equal(resumed.coefs_[0], whole.coefs_[0])
    assert resumed.validation_scores_ == whole.validation_scores_


@pytest.mark.parametrize(
    "name, interval, message",
    [
        ("missing/fit", 60, r"path='.*missing/fit'.* folder that exists"),
        ("", 60, "must be a file"),
        ("a" * 253, 60, r"path='.*aa' of Checkpoint can be no file \(.*too long"),
        ("a" * 300, 60, r"path='.*aa' of Checkpoint can be no file \(.*too long"),
        ("a\0b", 60, r"path='.*a\\x00b' of Checkpoint can be no file \(.*null"),
        ("fit", "60", "interval='60'"),
        ("fit", -1, "interval=-1"),
        ("fit", np.nan, "interval=nan"),
    ],
)
def test_bad_arguments_of_checkpoint(X, tmp_path, name, interval, message):
    with pytest.raises(ValueError, match=message):
        make().set_callbacks(Checkpoint(tmp_path / name, interval=interval)).fit(X)


@pytest.mark.parametrize("path", [None, 3, b"fit.checkpoint"])
def test_what_is_no_path_of_a_checkpoint(path):
    with pytest.raises(TypeError, match=f"path={path} of Checkpoint must be a str"):
        Checkpoint(path)


def test_a_file_that_cannot_be_written_does_not_end_the_fit(X, tmp_path, monkeypatch):
    from skdeepcluster import callbacks

    def full(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(callbacks, "write_checkpoint", full)
    model = make().set_callbacks(Checkpoint(tmp_path / "fit.checkpoint", interval=0))
    with pytest.warns(RuntimeWarning, match=r"could not write .*No space left.* The fit goes on"):
        model.fit(X)
    assert_array_equal(model.coefs_[0], make().fit(X).coefs_[0])


def test_a_fitted_estimator_keeps_its_checkpoint_when_it_is_saved(X, tmp_path):
    model = make().set_callbacks(Checkpoint(tmp_path / "fit.checkpoint")).fit(X)
    skops.io.dump(model, tmp_path / "model.skops")
    types = skops.io.get_untrusted_types(file=tmp_path / "model.skops")
    assert all(name.startswith("skdeepcluster.") for name in types)
    loaded = skops.io.load(tmp_path / "model.skops", trusted=types)
    assert_array_equal(loaded.fit(X).coefs_[0], model.coefs_[0])
    assert_array_equal(pickle.loads(pickle.dumps(model)).transform(X), model.transform(X))
