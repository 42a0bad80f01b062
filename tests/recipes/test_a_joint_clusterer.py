"""The recipe "a joint clusterer" of docs/architecture.md: KMeans in the code, without a change of the package."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from helpers.gradients import numerical_gradient, relative_error
from helpers.joint import ENCODER, QUICK
from helpers.objectives import block_of, evaluate_in_pieces, gathered
from skdeepcluster._joint import JointFit
from skdeepcluster._joint._objective import EmbeddedClusteringObjective
from skdeepcluster._network import Network
from skdeepcluster._objectives import SparseAutoencoderObjective
from skdeepcluster.clustering import DeepEmbeddedClustering


class NearestCenterObjective(EmbeddedClusteringObjective):
    """J_sparse + gamma 1/n sum_i w_i 1/2 ||z_i - mu_t(i)||^2 / s^2, with t(i) the cluster of row i.

    B. Yang et al., "Towards K-means-friendly spaces", 2017, equation 3.
    """

    def clustering_term(self, code, centers, block):
        residuals = code - block.targets @ centers
        weighted = residuals if block.sample_weight is None else block.sample_weight[:, np.newaxis] * residuals
        return 0.5 * float(np.sum(weighted * residuals)), weighted, -block.targets.T @ weighted


class NearestCenterFit(JointFit):
    objective_class = NearestCenterObjective

    def targets_for(self, Q):
        return np.eye(Q.shape[1])[Q.argmax(axis=1)]

    def clustering_loss(self, theta):
        layers, centers = self.network.layers(theta).part(self.network.encoder), self.objective.centers(theta)
        residuals = (
            layers.outputs(self.data.X)[-1] - centers[self._assign(theta).argmax(axis=1)]
        ) / self.objective.unit
        return 0.5 * np.mean(self._weights * np.sum(residuals**2, axis=1))


class DeepKMeans(DeepEmbeddedClustering):
    _fit_class = NearestCenterFit


def test_its_gradient(rng):
    network = Network((6, 5, 2, 5, 6), ("tanh", "identity", "tanh", "identity"), 2)
    autoencoder = SparseAutoencoderObjective(network, rho=0.1, beta=0.0, lam=0.01)
    objective = NearestCenterObjective(autoencoder, 3, gamma=0.7, alpha=1.0, unit=0.3, reconstructs=True)
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
    clustering = model.gamma * variance / 2 * np.sum(residuals**2) / 2 / 600
    decay = model.encoder_.lam / 2 * sum(np.sum(W**2) for W in model.coefs_)
    assert_allclose(model.loss_, clustering + decay - model.score(blobs) * 15 / 2, rtol=1e-8)
    assert_array_equal(clone(model).fit(blobs).labels_, model.labels_)


@pytest.mark.parametrize("reconstruction_weight", [0.0, 1.0])
def test_rows_come_nearer_to_their_centres(blobs, reconstruction_weight):
    parameters = {"reconstruction_weight": reconstruction_weight, "max_iter": 8, "update_interval": 10, "tol": 0}
    curve = DeepKMeans(6, encoder=ENCODER, **(QUICK | parameters)).fit(blobs).loss_curve_
    assert curve["clustering"][-1] < 0.9 * curve["clustering"][0]
