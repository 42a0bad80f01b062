"""Fits with `augment` that go on from a file: collected only where scikit-learn has callbacks, see conftest.py."""

import sys
import threading
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from helpers.marks import FEW_ITERATIONS
from helpers.processes import output_of_fork
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.callbacks import Checkpoint
from skdeepcluster.clustering import DeepEmbeddedClustering

pytestmark = FEW_ITERATIONS

SCALE = 0.1


class Jitter:
    def __init__(self, scale, **more):
        self.scale = scale
        vars(self).update(more)

    def __call__(self, X, random_state):
        return X + random_state.normal(scale=self.scale, size=X.shape)


def jitter(X, random_state, scale=0.1):
    return X + random_state.normal(scale=scale, size=X.shape)


def closed_over(scale):
    return lambda X, random_state: X + random_state.normal(scale=scale, size=X.shape)


def with_default(scale):
    def augment(X, random_state, scale=scale):
        return X + random_state.normal(scale=scale, size=X.shape)

    return augment


def with_global(X, random_state):
    return X + random_state.normal(scale=SCALE, size=X.shape)


# Makers of an augmentation of some size.
MAKERS = {
    "object": Jitter,
    "closure": closed_over,
    "default": with_default,
    "partial": lambda scale: partial(jitter, scale=scale),
    "partial of an object": lambda scale: partial(Jitter(scale)),
    "method": lambda scale: Jitter(scale).__call__,
    "object with an array": lambda scale: Jitter(0.1, more={"scales": [scale]}),
}


@pytest.fixture(scope="module")
def X(blobs):
    return blobs[:100]


def make(augment):
    return SparseAutoencoderTransformer(3, solver="adam", augment=augment, max_iter=5, tol=0, random_state=0)


class Cut:
    """Ends a fit after two iterations, with an error."""

    def setup(self, estimator, context):
        self.left = 2

    def teardown(self, estimator, context): ...
    def on_fit_task_begin(self, estimator, context): ...
    def on_fit_task_end(self, estimator, context):
        self.left -= 1
        if not self.left:
            raise ConnectionError


def cut_off(model, path, X):
    with pytest.raises(ConnectionError):
        model.set_callbacks(Checkpoint(path, interval=0), Cut()).fit(X)


@pytest.mark.parametrize("name", MAKERS)
def test_an_augmentation_that_is_the_same_goes_on_and_another_one_does_not(X, tmp_path, name):
    path = tmp_path / "fit"
    cut_off(make(MAKERS[name](0.1)), path, X)
    with pytest.raises(ValueError, match=r"of something else \(augment: .*checksum \w+ there, .*checksum \w+ here\)"):
        make(MAKERS[name](0.2)).set_callbacks(Checkpoint(path)).fit(X)
    resumed = make(MAKERS[name](0.1)).set_callbacks(Checkpoint(path)).fit(X)
    assert_array_equal(resumed.coefs_[0], make(MAKERS[name](0.1)).fit(X).coefs_[0])


def test_a_global_that_a_function_uses_counts(X, tmp_path, monkeypatch):
    cut_off(make(with_global), tmp_path / "fit", X)
    monkeypatch.setattr(sys.modules[__name__], "SCALE", 0.2)
    with pytest.raises(ValueError, match=r"fit of something else \(augment: "):
        make(with_global).set_callbacks(Checkpoint(tmp_path / "fit")).fit(X)


def test_what_cannot_be_compared_goes_on_with_a_warning(X, tmp_path):
    def with_lock():
        return Jitter(0.1, lock=threading.Lock())

    cut_off(make(with_lock()), tmp_path / "fit", X)
    model = make(with_lock()).set_callbacks(Checkpoint(tmp_path / "fit"))
    with pytest.warns(RuntimeWarning, match=r"from .*fit, and cannot tell whether augment is what it was .*lock"):
        model.fit(X)
    assert_array_equal(model.coefs_[0], make(with_lock()).fit(X).coefs_[0])
    cut_off(make(with_lock()), tmp_path / "fit", X)
    with pytest.raises(ValueError, match=r"augment: .*Jitter, contents unknown there, .*jitter, checksum \w+ here"):
        make(jitter).set_callbacks(Checkpoint(tmp_path / "fit")).fit(X)


AUGMENTATIONS = """
class Jitter:
    def __init__(self, scale):
        self.scale, self.words = scale, {"a", "b", "c"}
    def __call__(self, X, random_state):
        return X + random_state.normal(scale=self.scale, size=X.shape)

def closed_over(scale):
    return lambda X, random_state: X + random_state.normal(scale=scale, size=X.shape)
"""


def test_objects_and_functions_go_on_in_a_new_process(X, tmp_path, monkeypatch):
    (tmp_path / "augmentations.py").write_text(AUGMENTATIONS)
    monkeypatch.syspath_prepend(tmp_path)
    import augmentations

    np.save(tmp_path / "X.npy", X)
    script = """
        import sys
        import numpy as np
        sys.path.append(".")
        import augmentations
        from skdeepcluster import SparseAutoencoderTransformer
        from skdeepcluster.callbacks import Checkpoint

        for kind in ("Jitter", "closed_over"):
            for scale in (0.2, 0.1):
                augment = getattr(augmentations, kind)(scale)
                model = SparseAutoencoderTransformer(3, solver="adam", augment=augment, max_iter=5, random_state=0)
                model.set_params(tol=0)
                try:
                    model.set_callbacks(Checkpoint(kind)).fit(np.load("X.npy"))
                    print(kind, "went on")
                except ValueError as error:
                    print(kind, "refused", "something else (augment: " in str(error))
        """
    for kind in ("Jitter", "closed_over"):
        cut_off(make(getattr(augmentations, kind)(0.1)), tmp_path / kind, X)
    lines = output_of_fork(script, cwd=tmp_path).splitlines()
    assert lines == ["Jitter refused True", "Jitter went on", "closed_over refused True", "closed_over went on"]


def test_a_frozen_encoder_with_another_augmentation_or_penalty_is_another_fit(X, tmp_path):
    encoder = make(jitter).set_params(code_activation="identity", beta=0).fit(X)

    def joint(**parameters):
        frozen = FrozenEstimator(encoder.set_params(**{"augment": jitter, "lam": 1e-3, "corruption": 0.0} | parameters))
        return DeepEmbeddedClustering(2, encoder=frozen, max_iter=4, tol=0, n_init=1, random_state=0)

    cut_off(joint(), tmp_path / "fit", X)
    for changed in ({"augment": None}, {"lam": 0.1}, {"corruption": 0.5}):
        (name,) = changed
        with pytest.raises(ValueError, match=rf"fit of something else \({name} of training: .* there, .* here\)"):
            joint(**changed).set_callbacks(Checkpoint(tmp_path / "fit")).fit(X)
    labels = joint().set_callbacks(Checkpoint(tmp_path / "fit")).fit(X).labels_
    assert_array_equal(labels, joint().fit(X).labels_)


def test_clones_are_the_same(X, tmp_path):
    model = make(Jitter(0.1))
    cut_off(clone(model), tmp_path / "fit", X)
    resumed = clone(model).set_callbacks(Checkpoint(tmp_path / "fit")).fit(X)
    assert_array_equal(resumed.coefs_[0], model.fit(X).coefs_[0])
