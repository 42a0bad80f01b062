"""Fits with neighbours that go on from a file, and their callbacks: collected only where scikit-learn has these."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.neighbors import KNeighborsTransformer

from helpers.data import mapped
from helpers.marks import FEW_ITERATIONS
from helpers.recorder import Recorder
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.callbacks import Checkpoint
from skdeepcluster.clustering import DeepEmbeddedClustering

pytestmark = FEW_ITERATIONS


def jitter(X, random_state):
    return X + random_state.normal(scale=0.1, size=X.shape).astype(X.dtype)


make = partial(SparseAutoencoderTransformer, 3, n_neighbors=5, max_iter=5, batch_size=32, random_state=0)

FITS = {
    "plain": {},
    "in order": {"shuffle": False},
    "pretrained": {"hidden_layer_sizes": (6, 4), "pretrain": "layerwise", "max_iter": 2},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.3},
    "drawn anew": {"augment": jitter, "corruption": 0.2, "metric": "cosine"},
    "another graph": {"neighbors_transformer": KNeighborsTransformer()},
}


@pytest.fixture(scope="module")
def X(blobs):
    return blobs[:90]


def cut_off(model, path, X, n_iter, w=None):
    with pytest.raises(ConnectionError):
        model.set_callbacks(Checkpoint(path, interval=0), Recorder(raise_at=n_iter, error=ConnectionError)).fit(
            X, sample_weight=w
        )


def assert_same(model, expected):
    assert_array_equal(model.loss_curve_, expected.loss_curve_)
    for W, V in zip(model.coefs_ + model.intercepts_, expected.coefs_ + expected.intercepts_, strict=True):
        assert_array_equal(W, V)
    assert model.loss_ == expected.loss_


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("n_iter", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fit_goes_on_to_the_same_end(X, tmp_path, name, n_iter, dtype):
    rows, path, model = X.astype(dtype), tmp_path / "fit.checkpoint", make(**FITS[name])
    expected = clone(model).fit(rows)
    cut_off(model, path, rows, n_iter)
    recorder = Recorder()
    resumed = clone(model).set_callbacks(Checkpoint(path), recorder).fit(rows)
    assert_same(resumed, expected)
    n_pretraining = sum(map(len, expected.pretraining_loss_curves_))
    assert len(recorder.estimators) == expected.n_iter_ + n_pretraining - n_iter
    assert getattr(resumed, "validation_scores_", None) == getattr(expected, "validation_scores_", None)


def test_a_fit_to_a_mapped_file_with_weights_goes_on(X, tmp_path, rng):
    w, path, in_file = rng.uniform(0.1, 2, size=90), tmp_path / "fit.checkpoint", mapped(X, tmp_path / "X.f8")
    cut_off(make(), path, in_file, 2, w)
    resumed = make().set_callbacks(Checkpoint(path)).fit(in_file, sample_weight=w)
    assert_same(resumed, make().fit(X, sample_weight=w))


@pytest.mark.parametrize("n_iter", [1, 3])
def test_joint_clustering_goes_on(X, tmp_path, n_iter):
    path, model = (
        tmp_path / "fit.checkpoint",
        DeepEmbeddedClustering(
            3, encoder=make(), update_interval=4, max_iter=4, tol=0, batch_size=32, n_init=2, random_state=0
        ),
    )
    expected = clone(model).fit(X)
    cut_off(model, path, X, n_iter)
    resumed = clone(model).set_callbacks(Checkpoint(path)).fit(X)
    assert_same(resumed, expected)
    assert_array_equal(resumed.labels_, expected.labels_)


@pytest.mark.parametrize(
    "parameters, name",
    [
        ({"n_neighbors": 6}, "n_neighbors: 5 there, 6 here"),
        ({"neighbor_weight": 2.0}, r"neighbor_weight: 1\.0 there, 2\.0 here"),
        ({"metric": "cosine"}, "metric: 'euclidean' there, 'cosine' here"),
        ({"neighbors_transformer": KNeighborsTransformer()}, "neighbors_transformer"),
    ],
    ids=str,
)
def test_a_file_of_another_term_is_refused(X, tmp_path, parameters, name):
    path = tmp_path / "fit.checkpoint"
    cut_off(make(), path, X, 2)
    content = path.read_bytes()
    with pytest.raises(ValueError, match=name):
        make(**parameters).set_callbacks(Checkpoint(path)).fit(X)
    assert path.read_bytes() == content


class Changing(KNeighborsTransformer):
    """Makes another graph on another day."""

    of_all = "euclidean"

    def fit_transform(self, X, y=None):
        return KNeighborsTransformer(n_neighbors=self.n_neighbors, metric=self.of_all).fit_transform(X)


def test_a_file_of_another_graph_is_refused(X, tmp_path, monkeypatch):
    path, model = tmp_path / "fit.checkpoint", make(neighbors_transformer=Changing())
    cut_off(model, path, X, 2)
    with monkeypatch.context() as patch:
        patch.setattr(Changing, "of_all", "cosine")
        with pytest.raises(ValueError, match="data to train on: 90 x 15"):
            clone(model).set_callbacks(Checkpoint(path)).fit(X)
    assert_same(clone(model).set_callbacks(Checkpoint(path)).fit(X), make().fit(X))


def test_scores_above_zero_are_kept(tmp_path):
    # The logarithms of light rows are below 0, and the heavy ones are in no batch of the held-out rows.
    X, path = np.random.RandomState(0).normal(size=(60, 6)), tmp_path / "fit.checkpoint"
    w = np.where(np.random.RandomState(0).uniform(size=60) < 0.05, 100.0, 1.0)
    model = make(n_neighbors=1, neighbor_weight=100, early_stopping=True, validation_fraction=0.4, batch_size=4)
    expected = clone(model).fit(X, sample_weight=w)
    assert min(expected.validation_scores_) > 0
    # Best is the first epoch, so that it stops as soon as it may. Three epochs, of nine batches, count as one.
    quick = clone(model).set_params(n_iter_no_change=1).fit(X, sample_weight=w)
    assert max(expected.validation_scores_) == expected.validation_scores_[0]
    assert quick.n_iter_ == 4
    cut_off(model, path, X, 3, w)
    assert_same(clone(model).set_callbacks(Checkpoint(path)).fit(X, sample_weight=w), expected)


@pytest.mark.parametrize("stop_at", [2, None])
def test_callbacks_see_the_rows_and_may_stop(X, stop_at):
    recorder = Recorder(stop_at=stop_at)
    model = make(early_stopping=True, validation_fraction=0.3).set_callbacks(recorder).fit(X)
    assert model.n_iter_ == len(recorder.estimators) == (stop_at or 5)
    assert [len(rows) for rows, *_ in recorder.arguments] == [63] * model.n_iter_
    for n_iter, seen in enumerate(recorder.estimators, start=1):
        assert_array_equal(seen.loss_curve_, model.loss_curve_[:n_iter])
        assert np.isnan(seen.loss_)
