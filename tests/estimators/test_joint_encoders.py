"""The autoencoders that joint clustering begins with."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import rel_entr
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

from helpers.joint import ENCODER, QUICK, attributes_of
from skdeepcluster._joint import JointFit, _encoder
from skdeepcluster._joint._start import InitialClusters
from skdeepcluster.clustering import DeepEmbeddedClustering


def test_a_frozen_encoder_is_used_and_not_changed(blobs, frozen, joint):
    assert joint.encoder_ is frozen.estimator
    fresh = clone(ENCODER).fit(blobs)
    for W, W_fresh, refined in zip(frozen.coefs_, fresh.coefs_, joint.coefs_):
        assert_array_equal(W, W_fresh)
        assert not np.array_equal(W, refined)


def test_the_first_targets_are_the_probabilities_of_the_mixture(blobs, frozen, monkeypatch):
    targets = np.random.RandomState(0).dirichlet(np.ones(6), size=600)
    centers = frozen.transform(blobs)[:6]
    parameters = QUICK | {"learning_rate_init": 1e-12, "update_interval": 3, "max_iter": 1, "reconstruction_weight": 0}
    divergence = []
    for given in (targets, None):
        monkeypatch.setattr(
            JointFit,
            "_first_clusters",
            lambda *args, given=given: InitialClusters(np.zeros(600, int), centers, given, 10.0),
        )
        model = DeepEmbeddedClustering(6, encoder=frozen, gamma=1.0, batch_size=200, **parameters).fit(blobs)
        divergence.append(model.loss_curve_["clustering"][0])
    Q = model.predict_proba(blobs)
    assert_allclose(divergence[0], blobs.var(axis=0).sum() / 2 * rel_entr(targets, Q).sum() / 600, rtol=1e-6)
    assert_allclose(divergence[1], model.loss_, rtol=1e-6)


def test_the_noise_of_the_encoder_goes_on(blobs, frozen):
    noisy = clone(frozen.estimator).fit(blobs).set_params(corruption=0.3)
    models = [
        DeepEmbeddedClustering(6, encoder=encoder, **QUICK).fit(blobs) for encoder in (frozen, FrozenEstimator(noisy))
    ]
    assert_array_equal(models[0].initial_labels_, models[1].initial_labels_)
    errors = [model.loss_curve_["reconstruction"][0] for model in models]
    assert errors[1] > 1.2 * errors[0]


def test_an_encoder_that_is_not_frozen_is_cloned_and_fitted(blobs, joint):
    encoder = clone(ENCODER)
    model = DeepEmbeddedClustering(6, encoder=encoder, **QUICK).fit(blobs)
    assert not hasattr(encoder, "coefs_")
    assert_array_equal(model.encoder_.coefs_[0], joint.encoder_.coefs_[0])


def test_random_state_reaches_an_encoder_that_has_none(blobs):
    encoder = clone(ENCODER).set_params(random_state=None)
    models = [DeepEmbeddedClustering(6, encoder=encoder, **QUICK).fit(blobs) for _ in range(2)]
    for a, b in zip(*map(attributes_of, models)):
        assert_array_equal(a, b)
    assert encoder.random_state is None


def test_the_default_encoder_of_few_rows(blobs, monkeypatch):
    monkeypatch.setattr(_encoder, "_DEFAULT_N_BATCHES", 200)
    blobs = blobs[:499]
    model = DeepEmbeddedClustering(6, **QUICK).fit(blobs)
    assert model.encoder_._network.layer_sizes == (15, 256, 256, 8, 256, 256, 15)
    assert model.encoder_.n_iter_ == 100
    assert adjusted_rand_score(KMeans(6, n_init=10, random_state=0).fit_predict(blobs), model.labels_) > 0.95


def test_the_default_encoder_of_few_rows_has_5000_batches():
    assert _encoder._default_encoder(150).max_iter == 5000
    assert _encoder._default_encoder(499).max_iter == 2500


def test_a_frozen_encoder_of_other_data_is_refused(blobs, frozen):
    with pytest.raises(ValueError, match="X has 3 features, but the frozen encoder was fitted to 15"):
        DeepEmbeddedClustering(6, encoder=frozen).fit(blobs[:, :3])


@pytest.mark.parametrize("parameters", [{"lam": -5.0}, {"corruption": 5.0}, {"rho": 0.0}, {"beta": None}], ids=str)
def test_parameters_that_a_frozen_encoder_was_given_after_its_fit_are_checked(blobs, frozen, parameters):
    changed = copy.deepcopy(frozen)
    changed.estimator.set_params(**parameters)
    with pytest.raises(ValueError, match=f"The '{next(iter(parameters))}' parameter of SparseAutoencoderTransformer"):
        DeepEmbeddedClustering(6, encoder=changed, **QUICK).fit(blobs)


def test_a_frozen_encoder_that_is_no_autoencoder_is_refused(blobs):
    with pytest.raises(TypeError, match=r"encoder=.* must freeze a SparseAutoencoderTransformer"):
        DeepEmbeddedClustering(6, encoder=FrozenEstimator(StandardScaler().fit(blobs))).fit(blobs)


def test_a_frozen_encoder_does_not_hide_bad_values(blobs, frozen):
    X = np.array(blobs)
    X[3, 4] = np.nan
    with pytest.raises(ValueError, match="X contains NaN"):
        DeepEmbeddedClustering(6, encoder=frozen).fit(X)
