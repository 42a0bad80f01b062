"""scikit-learn's callbacks in joint clustering: collected only where scikit-learn has them, see conftest.py."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.frozen import FrozenEstimator

from helpers.marks import FEW_ITERATIONS
from helpers.recorder import Recorder
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import DeepEmbeddedClustering

pytestmark = FEW_ITERATIONS


@pytest.fixture(scope="module")
def X(blobs):
    return blobs[:300]


def joint(X, **parameters):
    encoder = FrozenEstimator(
        SparseAutoencoderTransformer(5, random_state=0, code_activation="identity", beta=0, lam=1e-3).fit(X)
    )
    defaults = {"max_iter": 6, "update_interval": 5, "tol": 0, "n_init": 1, "random_state": 0}
    return DeepEmbeddedClustering(6, encoder=encoder, **(defaults | parameters))


def test_iterations_of_joint_clustering_are_tasks_with_a_fitted_estimator(X):
    recorder = Recorder()
    model = joint(X).set_callbacks(recorder).fit(X)
    assert recorder.events.count("begin iteration") == recorder.events.count("end iteration") == model.n_iter_ == 6
    assert [estimator.n_iter_ for estimator in recorder.estimators] == list(range(1, 7))
    last = recorder.estimators[-1]
    assert_array_equal(last.predict(X), model.labels_)
    assert_allclose(last.cluster_centers_, model.cluster_centers_)
    assert not np.array_equal(recorder.estimators[0].coefs_[0], last.coefs_[0])


def test_label_change_counts_from_one_iteration_to_the_next(X):
    recorder = Recorder()
    model = joint(X, update_interval=30, init="kmeans").set_params(n_clusters=12).set_callbacks(recorder).fit(X)
    labels = [estimator.labels_ for estimator in recorder.estimators]
    changes = [np.mean(before != after) for before, after in pairwise(labels)]
    assert_allclose(model.label_change_[1:], changes)
    assert max(changes) > 0


def test_the_step_falls_to_zero(X):
    recorder = Recorder()
    joint(X).set_callbacks(recorder).fit(X)
    weights = [estimator.coefs_[0] for estimator in recorder.estimators]
    steps = [np.abs(after - before).max() for before, after in pairwise(weights)]
    assert steps[-1] < steps[0] / 2


def test_a_callback_may_end_joint_clustering(X):
    model = joint(X).set_callbacks(Recorder(stop_at=2)).fit(X)
    assert model.n_iter_ == 2
    assert_array_equal(model.predict(X), model.labels_)


def test_a_callback_that_raises_leaves_joint_clustering_as_it_was(X):
    model = joint(X).fit(X)
    state = dict(vars(model))
    with pytest.raises(RuntimeError):
        model.set_callbacks(Recorder(raise_at=2)).fit(X)
    vars(model).pop("_skl_callbacks")
    assert vars(model) == state


def test_the_callbacks_of_the_encoder_see_its_fit(X):
    recorder = Recorder()
    encoder = SparseAutoencoderTransformer(
        5, random_state=0, code_activation="identity", beta=0, solver="adam", tol=0, max_iter=3
    ).set_callbacks(recorder)
    DeepEmbeddedClustering(6, encoder=encoder, max_iter=2, update_interval=5, random_state=0).fit(X)
    assert recorder.events.count("end iteration") == 3
