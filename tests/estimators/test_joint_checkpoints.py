"""Checkpoints of joint clustering: collected only where scikit-learn has callbacks, see conftest.py."""

import os
import signal
from itertools import chain

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from helpers.marks import FEW_ITERATIONS
from helpers.processes import output_of_fork
from helpers.recorder import Recorder
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._joint import _fit
from skdeepcluster._training import Fit, _problem
from skdeepcluster.callbacks import Checkpoint
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.exceptions import InterruptedFitWarning
from skdeepcluster.model_selection import ClusteringSearch

pytestmark = FEW_ITERATIONS


class Killed(BaseException):
    """What no handler in the package takes for an ordinary error."""


def jitter(X, random_state):
    return X + random_state.normal(scale=0.1, size=X.shape)


ENCODERS = {
    "adam": {"solver": "adam", "augment": jitter, "corruption": 0.1},
    "lbfgs": {"solver": "lbfgs", "pretrain": "layerwise"},
    "early stopping": {"solver": "adam", "early_stopping": True, "n_iter_no_change": 2, "tol": 0.5},
}
JOINT = {
    "adam": {},
    "lbfgs": {"init": "kmeans", "reconstruction_weight": 0},
    "early stopping": {"update_interval": 3},
}


@pytest.fixture(scope="module")
def X(blobs):
    return blobs[:301]


def make(name="adam", **parameters):
    """Iterations of 7 batches, of which an epoch has 5: most end in the middle of an epoch."""
    layers = {"hidden_layer_sizes": (9, 7), "code_activation": "identity", "beta": 0, "max_iter": 5, "random_state": 0}
    encoder = SparseAutoencoderTransformer(3, **layers, **ENCODERS[name])
    defaults = {"max_iter": 8, "tol": 0, "update_interval": 7, "batch_size": 64, "n_init": 1, "random_state": 0}
    return DeepEmbeddedClustering(6, encoder=encoder, **(defaults | JOINT[name] | parameters))


def assert_equal(model, expected):
    names = ("loss_", "loss_curve_", "label_change_", "labels_", "initial_labels_", "cluster_centers_", "n_iter_")
    of_encoder = ("loss_", "loss_curve_", "mean_activation_", "n_iter_")
    for a, b, attributes in ((model, expected, names), (model.encoder_, expected.encoder_, of_encoder)):
        for name in attributes:
            assert_array_equal(getattr(a, name), getattr(b, name), strict=True, err_msg=name)
        curves = (getattr(fit, "pretraining_loss_curves_", []) for fit in (a, b))
        for left, right in zip(chain(a.coefs_, a.intercepts_, next(curves)), chain(b.coefs_, b.intercepts_, *curves)):
            assert_array_equal(left, right)


def kill(model, X, path, where, patch):
    """Cut a fit off in the encoder's training, in the start, or after some iterations of the refinement."""
    checkpoint, at = Checkpoint(path, interval=0), where[1]
    if where[0] == "encoder":
        model.encoder.set_callbacks(Recorder(raise_at=at, error=Killed))
    model.set_callbacks(checkpoint, Recorder(raise_at=at if where[0] == "refinement" else None, error=Killed))
    if where[0] == "start":
        patch.setattr(_fit, "initial_clusters", killed)
    with pytest.raises(Killed):
        model.fit(X)
    patch.undo()


def killed(*arguments, **keywords):
    raise Killed


@pytest.mark.parametrize("where", [("encoder", 3), ("start", 0), ("refinement", 1), ("refinement", 5)], ids=str)
@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_resumed_fit_equals_one_never_cut_off(X, tmp_path, monkeypatch, name, where, dtype):
    data, path = X.astype(dtype), tmp_path / "joint.checkpoint"
    whole = make(name).fit(data)
    kill(make(name), data, path, where, monkeypatch)
    of_encoder, of_joint = Recorder(), Recorder()
    resumed = make(name).set_callbacks(Checkpoint(path), of_joint)
    resumed.encoder.set_callbacks(of_encoder)
    resumed.fit(data)
    assert_equal(resumed, whole)
    # What was computed is not computed again, and nothing is left behind.
    n_of_encoder = whole.encoder_.n_iter_ + sum(map(len, whole.encoder_.pretraining_loss_curves_))
    assert len(of_encoder.estimators) == (n_of_encoder - 3 if where[0] == "encoder" else 0)
    assert len(of_joint.estimators) == whole.n_iter_ - (where[1] if where[0] == "refinement" else 0)
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_killed_at_its_very_end_and_again_in_the_refinement(X, tmp_path, monkeypatch):
    path = tmp_path / "joint.checkpoint"
    whole = make("early stopping").fit(X)
    n_all = whole.encoder_.n_iter_
    for where in (("encoder", n_all), ("start", 0), ("refinement", 1), ("refinement", 3)):
        kill(make("early stopping"), X, path, where, monkeypatch)
    assert_equal(make("early stopping").set_callbacks(Checkpoint(path)).fit(X), whole)


def test_a_refinement_cut_off_after_its_last_iteration_is_over_when_it_goes_on(X, tmp_path, monkeypatch):
    path = tmp_path / "joint.checkpoint"
    whole = make(tol=0.05).fit(X)
    assert whole.n_iter_ < 8
    assert whole.label_change_[-1] < 0.05
    kill(make(tol=0.05), X, path, ("refinement", whole.n_iter_), monkeypatch)
    recorder = Recorder()
    assert_equal(make(tol=0.05).set_callbacks(Checkpoint(path), recorder).fit(X), whole)
    assert recorder.estimators == []


def test_ctrl_c_before_anything_new_was_done_changes_nothing(X, tmp_path, monkeypatch):
    path = tmp_path / "joint.checkpoint"
    whole = make("lbfgs").fit(X)
    kill(make("lbfgs"), X, path, ("encoder", 3), monkeypatch)
    content = path.with_name(path.name + ".encoder").read_bytes()

    def ctrl_c(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(_problem, "lbfgs", ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        make("lbfgs").set_callbacks(Checkpoint(path)).fit(X)
    monkeypatch.undo()
    assert path.with_name(path.name + ".encoder").read_bytes() == content
    assert_equal(make("lbfgs").set_callbacks(Checkpoint(path)).fit(X), whole)


@pytest.mark.parametrize("kind", ["sparse", "mapped", "weighted"])
def test_a_fit_to_other_kinds_of_data_goes_on(X, tmp_path, monkeypatch, kind):
    data, w = X, None
    if kind == "sparse":
        data = sp.csr_matrix(np.where(np.abs(X) < 0.5, 0, X))
    elif kind == "mapped":
        X.tofile(tmp_path / "X")
        data = np.memmap(tmp_path / "X", dtype=X.dtype, mode="r", shape=X.shape)
    else:
        w = np.arange(len(X)) % 3
    path = tmp_path / "joint.checkpoint"
    whole = make("lbfgs").fit(data, sample_weight=w)
    model = make("lbfgs").set_callbacks(Checkpoint(path, interval=0), Recorder(raise_at=3, error=Killed))
    with pytest.raises(Killed):
        model.fit(data, sample_weight=w)
    assert_equal(make("lbfgs").set_callbacks(Checkpoint(path)).fit(data, sample_weight=w), whole)


def test_a_process_killed_three_times_ends_as_one_that_was_not(tmp_path):
    script = """
        import os, signal, sys
        import numpy as np
        from sklearn.datasets import make_blobs
        from skdeepcluster import SparseAutoencoderTransformer
        from skdeepcluster._joint import _fit
        from skdeepcluster.callbacks import Checkpoint
        from skdeepcluster.clustering import DeepEmbeddedClustering

        class Kill:
            def __init__(self, at):
                self.n, self.at = 0, at
            def setup(self, estimator, context): ...
            def teardown(self, estimator, context): ...
            def on_fit_task_begin(self, estimator, context): ...
            def on_fit_task_end(self, estimator, context):
                self.n += 1
                if self.n == self.at:
                    os.kill(os.getpid(), signal.SIGKILL)

        path, where = sys.argv[1:]
        if where == "start":
            _fit.initial_clusters = lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGKILL)
        X, _ = make_blobs(500, 10, centers=4, cluster_std=0.3, center_box=(-1, 1), random_state=0)
        encoder = SparseAutoencoderTransformer(
            3, hidden_layer_sizes=(12,), solver="adam", code_activation="identity", beta=0, corruption=0.1, max_iter=8
        )
        model = DeepEmbeddedClustering(4, encoder=encoder, max_iter=6, update_interval=5, tol=0, random_state=0)
        model.encoder.set_callbacks(Kill(4 if where == "encoder" else 0))
        model.set_callbacks(Checkpoint(path, interval=0), Kill(3 if where == "refinement" else 0))
        model.fit(X.astype(np.float32))
        np.savez(path + ".npz", *model.coefs_, model.cluster_centers_, model.labels_, model.loss_curve_["loss"])
        """
    output_of_fork(script, "whole", "nowhere", cwd=tmp_path)
    for where in ("encoder", "start", "refinement"):
        output_of_fork(script, "cut", where, cwd=tmp_path, exitcode=-signal.SIGKILL)
    output_of_fork(script, "cut", "nowhere", cwd=tmp_path)
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "cut.npz") as cut:
        for name in whole:
            assert_array_equal(cut[name], whole[name])
    assert sorted(os.listdir(tmp_path)) == ["cut.npz", "whole.npz"]


def test_a_generator_as_random_state_goes_on_if_it_is_given_as_it_was(X, tmp_path, monkeypatch):
    path = tmp_path / "joint.checkpoint"
    without_seed = {"encoder__random_state": None}
    whole = make(random_state=np.random.RandomState(1)).set_params(**without_seed).fit(X)
    for where in (("encoder", 2), ("refinement", 2)):
        model = make(random_state=np.random.RandomState(1)).set_params(**without_seed)
        kill(model, X, path, where, monkeypatch)
    model = make(random_state=np.random.RandomState(1)).set_params(**without_seed)
    assert_equal(model.set_callbacks(Checkpoint(path)).fit(X), whole)


def test_without_any_seed_there_is_nothing_to_go_on_from(X, tmp_path):
    model = make(random_state=None).set_params(encoder__random_state=None)
    with pytest.raises(ValueError, match=r"random_state=None of DeepEmbeddedClustering.* set random_state to an int"):
        model.set_callbacks(Checkpoint(tmp_path / "joint.checkpoint")).fit(X)


def test_another_generator_is_refused_before_anything_is_trained(X, tmp_path):
    recorder = Recorder()
    model = make(random_state=np.random.RandomState(np.random.PCG64(0)))
    model.encoder.set_callbacks(recorder)
    with pytest.raises(TypeError, match=r"needs a random_state of NumPy's usual generator"):
        model.set_callbacks(Checkpoint(tmp_path / "joint.checkpoint")).fit(X)
    assert recorder.events == []


def test_a_frozen_encoder_goes_on_without_a_file_of_its_own(X, tmp_path, monkeypatch):
    path = tmp_path / "joint.checkpoint"
    frozen = FrozenEstimator(clone(make().encoder).fit(X))
    whole = make().set_params(encoder=frozen).fit(X)
    model = make().set_params(encoder=frozen)
    model.set_callbacks(Checkpoint(path, interval=0), Recorder(raise_at=3, error=Killed))
    with pytest.raises(Killed):
        model.fit(X)
    assert [file.name for file in tmp_path.iterdir()] == ["joint.checkpoint"]
    other = FrozenEstimator(clone(make("lbfgs").encoder).fit(X))
    with pytest.raises(ValueError, match=r"written by a fit of something else .*start: an earlier fit, checksum"):
        make().set_params(encoder=other).set_callbacks(Checkpoint(path)).fit(X)
    others_file = tmp_path / "joint.checkpoint.encoder"
    others_file.write_text("not ours")
    assert_equal(make().set_params(encoder=frozen).set_callbacks(Checkpoint(path)).fit(X), whole)
    assert others_file.read_text() == "not ours"


@pytest.mark.parametrize("changed", [{"gamma": 0.2}, {"n_clusters": 5}, {"encoder__lam": 0.5}], ids=str)
def test_a_checkpoint_of_other_parameters_is_refused(X, tmp_path, monkeypatch, changed):
    path = tmp_path / "joint.checkpoint"
    kill(make(), X, path, ("refinement", 2), monkeypatch)
    with pytest.raises(ValueError, match=r"written by a fit of something else"):
        make().set_params(**changed).set_callbacks(Checkpoint(path)).fit(X)


FORGED = {
    "no labels": ("initial_labels", None),
    "too few labels": ("initial_labels", np.zeros(3, dtype=int)),
    "labels of no cluster": ("initial_labels", np.full(301, 6)),
    "labels that are fractions": ("initial_labels", np.zeros(301)),
    "no radius": ("radius", None),
    "a radius below zero": ("radius", np.float64(-1)),
    "an infinite radius": ("radius", np.float64(np.inf)),
    "a radius of which the square vanishes": ("radius", np.float64(1e-200)),
    "a radius of which the square is infinite": ("radius", np.float64(1e200)),
    "several radii": ("radius", np.ones(2)),
    "too many changes": ("label_changes", np.zeros(4)),
    "changes that are no shares": ("label_changes", np.full(2, np.nan)),
    "something else": ("anything", np.zeros(4)),
}


def test_batches_that_do_not_make_up_the_rows_are_refused(X, tmp_path, monkeypatch):
    path = tmp_path / "joint.checkpoint"
    kill(make(), X, path, ("refinement", 2), monkeypatch)
    with np.load(path) as archive:
        arrays = dict(archive)
    assert len(arrays["order sizes"])
    arrays["order sizes"][0] += 1
    with open(path, "wb") as file:
        np.savez(file, **arrays)
    with pytest.raises(ValueError, match="sizes of batches that do not make up its rows"):
        make().set_callbacks(Checkpoint(path)).fit(X)


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_start_is_refused_by_its_file(X, tmp_path, monkeypatch, forgery):
    path = tmp_path / "joint.checkpoint"
    kill(make(), X, path, ("refinement", 2), monkeypatch)
    with np.load(path) as archive:
        arrays = dict(archive)
    name, array = FORGED[forgery]
    arrays.pop(f"own {name}", None)
    with open(path, "wb") as file:
        np.savez(file, **arrays, **({} if array is None else {f"own {name}": array}))
    with pytest.raises(ValueError, match=r"joint\.checkpoint is not a checkpoint of .* damaged \((it has |own )"):
        make().set_callbacks(Checkpoint(path)).fit(X)


def test_an_encoder_that_was_interrupted_is_kept_as_the_refinement_found_it(X, tmp_path):
    path = tmp_path / "joint.checkpoint"

    def begun(encoder_callback, *callbacks):
        model = make("lbfgs").set_callbacks(Checkpoint(path, interval=0), *callbacks)
        model.encoder.set_callbacks(encoder_callback)
        return model

    ctrl_c = Recorder(raise_at=2, error=KeyboardInterrupt)
    with pytest.warns(InterruptedFitWarning), pytest.raises(Killed):
        begun(ctrl_c, Recorder(raise_at=4, error=Killed)).fit(X)
    ctrl_c.estimators.clear()
    with pytest.warns(InterruptedFitWarning):
        whole = begun(Recorder(raise_at=2, error=KeyboardInterrupt)).set_callbacks().fit(X)
    resumed = begun(Recorder()).fit(X)
    assert_array_equal(resumed.loss_curve_, whole.loss_curve_)
    assert_array_equal(resumed.labels_, whole.labels_)


def test_ctrl_c_between_a_curve_and_the_error_on_held_out_rows_leaves_a_file_to_go_on_from(X, tmp_path, monkeypatch):
    path, evaluate, calls = tmp_path / "joint.checkpoint", Fit._evaluate_on_held_out_rows, []

    def press(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        evaluate(*arguments)

    monkeypatch.setattr(Fit, "_evaluate_on_held_out_rows", press)
    with pytest.warns(InterruptedFitWarning):
        kill(make("early stopping"), X, path, ("refinement", 2), monkeypatch)
    resumed = make("early stopping").set_callbacks(Checkpoint(path)).fit(X)
    assert resumed.encoder_.n_iter_ == 3
    assert len(resumed.encoder_.validation_scores_) == 2
    assert resumed.n_iter_ == make("early stopping").fit(X).n_iter_


def test_ctrl_c_in_the_refinement_keeps_the_files(X, tmp_path):
    path = tmp_path / "joint.checkpoint"
    whole = make().fit(X)
    interrupted = make().set_callbacks(Checkpoint(path, interval=0), Recorder(raise_at=3, error=KeyboardInterrupt))
    with pytest.warns(InterruptedFitWarning):
        interrupted.fit(X)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["joint.checkpoint", "joint.checkpoint.encoder"]
    assert_equal(make().set_callbacks(Checkpoint(path)).fit(X), whole)


@pytest.mark.parametrize("in_encoder", [True, False])
def test_ctrl_c_in_a_search_keeps_the_files_as_they_are(X, tmp_path, in_encoder):
    model, ctrl_c = make(), Recorder(raise_at=3, error=KeyboardInterrupt)
    model.set_callbacks(Checkpoint(tmp_path / "joint.checkpoint", interval=0), *([] if in_encoder else [ctrl_c]))
    model.encoder.set_callbacks(*([ctrl_c] if in_encoder else []))
    with pytest.raises(KeyboardInterrupt):
        ClusteringSearch(model, [{}, {}], random_state=0).fit(X)
    files = ["joint.checkpoint", "joint.checkpoint.encoder"]
    assert sorted(file.name for file in tmp_path.iterdir()) == files[in_encoder:]
    recorder = Recorder()
    model = make().set_callbacks(Checkpoint(tmp_path / files[0]))
    model.encoder.set_callbacks(recorder)
    whole = make().fit(X)
    assert_equal(model.fit(X), whole)
    assert len(recorder.estimators) == (whole.encoder_.n_iter_ - 3 if in_encoder else 0)


def test_the_encoder_has_its_own_callbacks_afterwards(X, tmp_path):
    recorder = Recorder()
    model = make()
    model.encoder.set_callbacks(recorder)
    model.set_callbacks(Checkpoint(tmp_path / "joint.checkpoint")).fit(X)
    assert model.encoder_._skl_callbacks == [recorder]
    assert recorder.events.count("teardown") == 1
