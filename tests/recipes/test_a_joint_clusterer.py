"""The recipe "a joint clusterer" of docs/architecture.md: KMeans in the code, without a change of the package."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from helpers.gradients import numerical_gradient, relative_error
from helpers.joint import ENCODER, QUICK
from helpers.objectives import block_of, evaluate_in_pieces, gathered
from skdeepcluster._joint import JointFit, JointOptions
from skdeepcluster._joint._objective import EmbeddedClusteringObjective
from skdeepcluster._network import Network
from skdeepcluster._objectives import Block, SparseAutoencoderObjective
from skdeepcluster._support._checks import POSITIVE
from skdeepcluster.clustering import DeepEmbeddedClustering


class NearestCenterObjective(EmbeddedClusteringObjective):
    """J_sparse + gamma 1/n sum_i w_i delta^2 (sqrt(1 + r_i / delta^2) - 1),  r_i = ||z_i - mu_t(i)||^2 / s^2

    with t(i) the cluster of row i: KMeans for large delta (B. Yang et al., "Towards K-means-friendly spaces", 2017,
    equation 3), and less drawn to outliers for a small one.
    """

    def __init__(self, *arguments, delta, **keywords):
        super().__init__(*arguments, **keywords)
        self.delta = delta

    def clustering_term(self, code, centers, block):
        residuals = code - block.targets @ centers
        roots = np.sqrt(1 + np.sum(residuals**2, axis=1) / self.delta**2)
        w = np.ones(len(roots)) if block.sample_weight is None else block.sample_weight
        derivative = (w / roots)[:, np.newaxis] * residuals
        return self.delta**2 * float(w @ (roots - 1)), derivative, -block.targets.T @ derivative


@dataclass(frozen=True)
class NearestCenterOptions(JointOptions):
    delta: float


class NearestCenterFit(JointFit):
    objective_class = NearestCenterObjective
    options_class = NearestCenterOptions

    def objective_parameters(self):
        return {"delta": float(self.joint_options.delta)}

    def targets_for(self, Q):
        return np.eye(Q.shape[1])[Q.argmax(axis=1)]

    def clustering_loss(self, theta):
        layers, unit = self.network.layers(theta).part(self.network.encoder), self.objective.unit
        block = Block(self.data.X, self.data.sample_weight, targets=self.targets_for(self._assign(theta)))
        code, centers = layers.outputs(self.data.X)[-1] / unit, self.objective.centers(theta) / unit
        return self.objective.clustering_term(code, centers, block)[0] / len(code)


class DeepKMeans(DeepEmbeddedClustering):
    _fit_class = NearestCenterFit

    def __init__(self, n_clusters=8, *, encoder=None, gamma=0.1, alpha=1.0, reconstruction_weight=1.0, delta=10.0,
                 update_interval=None, max_iter=50, tol=1e-3, batch_size=256, learning_rate_init=0.001,
                 init="gaussian_mixture", n_init=10, random_state=None, verbose=0):  # fmt: skip
        super().__init__(
            n_clusters, encoder=encoder, gamma=gamma, alpha=alpha, reconstruction_weight=reconstruction_weight,
            update_interval=update_interval, max_iter=max_iter, tol=tol, batch_size=batch_size,
            learning_rate_init=learning_rate_init, init=init, n_init=n_init, random_state=random_state,
            verbose=verbose,
        )  # fmt: skip
        self.delta = delta

    _parameter_constraints = DeepEmbeddedClustering._parameter_constraints | {"delta": [POSITIVE]}


def test_its_gradient(rng):
    network = Network((6, 5, 2, 5, 6), ("tanh", "identity", "tanh", "identity"), 2)
    autoencoder = SparseAutoencoderObjective(network, rho=0.1, beta=0.0, lam=0.01)
    objective = NearestCenterObjective(autoencoder, 3, gamma=0.7, alpha=1.0, unit=0.3, reconstructs=True, delta=2.0)
    X, targets = rng.normal(size=(40, 6)), np.eye(3)[rng.randint(3, size=40)]
    theta = rng.normal(scale=0.5, size=objective.layout.size + 6)

    def j(theta):
        return evaluate_in_pieces(objective, theta, [block_of(objective, X, targets=targets)])

    gradient = gathered(theta, j(theta)[1])
    assert relative_error(gradient, numerical_gradient(lambda theta: j(theta)[0].sum(), theta)) < 1e-6


def test_it_clusters_predicts_and_knows_its_loss(blobs):
    model = DeepKMeans(6, encoder=ENCODER, tol=0, **QUICK).fit(blobs)
    assert adjusted_rand_score(KMeans(6, n_init=10, random_state=0).fit_predict(blobs), model.labels_) > 0.95
    assert_array_equal(model.predict(blobs), model.labels_)
    residuals = (model.transform(blobs) - model.cluster_centers_[model.labels_]) / model.distance_unit_
    variance = blobs.var(axis=0).sum()
    roots = np.sqrt(1 + np.sum(residuals**2, axis=1) / 10**2)
    clustering = model.gamma * variance / 2 * 10**2 * np.mean(roots - 1)
    decay = model.encoder_.lam / 2 * sum(np.sum(W**2) for W in model.coefs_)
    assert_allclose(model.loss_, clustering + decay - model.score(blobs) * 15 / 2, rtol=1e-8)
    assert_array_equal(clone(model).fit(blobs).labels_, model.labels_)


@pytest.mark.parametrize("reconstruction_weight", [0.0, 1.0])
def test_rows_come_nearer_to_their_centres(blobs, reconstruction_weight):
    parameters = {"reconstruction_weight": reconstruction_weight, "max_iter": 8, "update_interval": 10, "tol": 0}
    curve = DeepKMeans(6, encoder=ENCODER, **(QUICK | parameters)).fit(blobs).loss_curve_
    assert curve["clustering"][-1] < 0.9 * curve["clustering"][0]


def test_its_own_parameter_is_one_like_the_others(blobs):
    model = DeepKMeans(6, encoder=ENCODER, **QUICK)
    near, far = (clone(model).set_params(delta=delta).fit(blobs) for delta in (0.1, 10.0))
    assert near.loss_curve_["clustering"][0] < 0.5 * far.loss_curve_["clustering"][0]
    with pytest.raises(ValueError, match="The 'delta' parameter of DeepKMeans"):
        clone(model).set_params(delta=0).fit(blobs)
