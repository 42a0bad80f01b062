"""Joint clustering from a code with neighbours in its objective."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import rel_entr
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from helpers.formula import terms_of_j
from helpers.joint import attributes_of
from helpers.marks import FEW_ITERATIONS
from helpers.neighbors import activations, half_variance, mean_term
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._data import DataInMemory
from skdeepcluster._joint import JointFit, JointOptions, engine_options
from skdeepcluster._joint import _fit as joint_fit
from skdeepcluster._support._threads import Workers
from skdeepcluster.clustering import DeepEmbeddedClustering

pytestmark = FEW_ITERATIONS

ENCODER = SparseAutoencoderTransformer(
    8, hidden_layer_sizes=32, rho=0.2, n_neighbors=5, batch_size=64, learning_rate_init=0.01, random_state=0
)
make = partial(DeepEmbeddedClustering, 6, update_interval=5, batch_size=64, random_state=0)


@pytest.fixture(scope="module")
def frozen(blobs):
    return FrozenEstimator(clone(ENCODER).fit(blobs))


def test_the_loss_is_that_of_the_code_and_of_the_clusters(blobs, frozen):
    model = make(encoder=frozen, gamma=0.3).fit(blobs)
    Q = model.predict_proba(blobs)
    P = Q**2 / Q.sum(axis=0)
    P /= P.sum(axis=1, keepdims=True)
    terms = terms_of_j(
        blobs, model.coefs_, model.intercepts_, *activations(ENCODER), rho=0.2, beta=ENCODER.beta, lam=ENCODER.lam
    )
    encoder = clone(ENCODER)
    encoder.transform = model.transform
    neighbors, clusters = mean_term(encoder, blobs), 0.3 * rel_entr(P, Q).sum() / len(blobs)
    assert_allclose(model.loss_, terms.sum() + half_variance(blobs) * (neighbors + clusters), rtol=1e-8)


def test_the_curve_has_the_terms_of_both(blobs, frozen):
    names = ("loss", "reconstruction", "weight_decay", "sparsity", "neighbors", "clustering")
    curve = make(encoder=frozen).fit(blobs).loss_curve_
    assert curve.dtype.names == names
    assert np.all(curve["neighbors"] > 0)


def test_it_finds_the_blobs(blobs, frozen):
    model = make(encoder=frozen).fit(blobs)
    assert adjusted_rand_score(KMeans(6, n_init=10, random_state=0).fit_predict(blobs), model.labels_) > 0.95


def test_without_reconstruction_there_are_no_neighbours(blobs, frozen, monkeypatch):
    monkeypatch.setattr(joint_fit, "neighbors_of", None)
    model = make(encoder=frozen, reconstruction_weight=0, batch_size=5).fit(blobs[:6])
    assert "neighbors" not in model.loss_curve_.dtype.names


def test_batches_without_room_for_two_groups_are_explained(blobs, frozen):
    with pytest.raises(ValueError, match="batch_size=11 has no room for two groups of 6 neighbours"):
        make(encoder=frozen, batch_size=11).fit(blobs)


def test_the_graph_is_that_of_the_rows_of_the_fit(blobs, frozen, monkeypatch):
    seen = []
    find = joint_fit.neighbors_of
    monkeypatch.setattr(joint_fit, "neighbors_of", lambda X, *args, **kw: seen.append(X.shape) or find(X, *args, **kw))
    make(encoder=frozen, max_iter=1).fit(blobs[:200], sample_weight=np.arange(200) % 4)
    assert seen == [(150, blobs.shape[1])]


def test_fewer_rows_than_neighbours_are_explained(blobs, frozen):
    model = make(encoder=frozen).fit(blobs)
    before = attributes_of(model)
    with pytest.raises(ValueError, match="n_neighbors=5 asks for more neighbours than X, with n_samples=5"):
        model.set_params(n_clusters=2).fit(blobs[:5])
    for a, b in zip(before, attributes_of(model)):
        assert_array_equal(a, b)


def test_the_result_does_not_depend_on_the_threads(blobs, frozen):
    results = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, user_api="blas"):
            results.append(make(encoder=frozen).fit(blobs))
    for a, b in zip(*map(attributes_of, results)):
        assert_array_equal(a, b)


def test_some_defaults_are_for_codes_with_neighbours():
    default, plain = DeepEmbeddedClustering(3), SparseAutoencoderTransformer(4)
    found = {
        (encoder.n_neighbors, n_rows): JointOptions.of(default, encoder, n_rows, 8)
        for encoder in (plain, ENCODER)
        for n_rows in (19_999, 20_000)
    }
    assert {key: (options.max_iter, options.batch_size, options.init) for key, options in found.items()} == {
        (None, 19_999): (50, 256, "gaussian_mixture"),
        (None, 20_000): (50, 256, "gaussian_mixture"),
        (5, 19_999): (3, 256, "least_cut"),
        (5, 20_000): (3, 1024, "least_cut"),
    }
    given = JointOptions.of(DeepEmbeddedClustering(3, max_iter=7, batch_size=99, init="kmeans"), ENCODER, 20_000, 3)
    assert (given.max_iter, given.batch_size, given.init) == (7, 99, "kmeans")


def test_the_default_encoder_has_neighbours(blobs):
    model = DeepEmbeddedClustering(6, update_interval=5, random_state=0).fit(blobs[:500])
    assert model.encoder_._network.layer_sizes == (15, 256, 256, 32, 256, 256, 15)
    expected = {"n_neighbors": 7, "rho": 0.2, "beta": 1.0, "lam": 1e-4, "corruption": 0.1, "max_iter": None}
    assert {name: getattr(model.encoder_, name) for name in expected} == expected
    assert model.n_iter_ <= 3
    assert adjusted_rand_score(make(encoder=ENCODER).fit(blobs[:500]).labels_, model.labels_) > 0.9


def test_an_iteration_has_40_batches_with_neighbours_and_140_without(blobs, frozen):
    data, model = DataInMemory(blobs, None, Workers(1)), DeepEmbeddedClustering(6)
    plain = clone(ENCODER).set_params(n_neighbors=None, max_iter=1).fit(blobs)
    n_batches = []
    for encoder in (frozen.estimator, plain):
        options = JointOptions.of(model, encoder, len(blobs), model.n_clusters)
        fit = JointFit(encoder, data, options, engine_options(encoder, options), np.random.RandomState(0))
        n_batches.append(fit.stages[0].n_batches)
    assert n_batches == [40, 140]
