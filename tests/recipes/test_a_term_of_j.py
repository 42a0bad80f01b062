"""The recipe "a term of J" of docs/architecture.md: the L1 norm of the code, without a change of the package."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.cluster import KMeans
from sklearn.frozen import FrozenEstimator

from helpers.data import random_weights
from helpers.formula import j_sparse
from helpers.gradients import numerical_gradient, relative_error
from helpers.joint import QUICK
from helpers.marks import FEW_ITERATIONS
from helpers.objectives import block_of, evaluate, evaluate_in_pieces, gathered, unequal_parts
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._network import Network
from skdeepcluster._objectives import LinearDecoderObjective, SparseAutoencoderObjective, _terms
from skdeepcluster.callbacks import Checkpoint
from skdeepcluster.clustering import DeepEmbeddedClustering

pytestmark = FEW_ITERATIONS


class CodeNorm(_terms.Penalty):
    """l1 * 1/n sum_i w_i sum_j |a_j(x_i)|, with j over the units of the code."""

    name = "code_norm"
    hyperparameters = ("l1",)
    n_sums = 1

    def __init__(self, network, *, l1=0.3):
        self.l1 = l1
        self._code = network.n_encoder_layers - 1

    def sums(self, outputs, sample_weight):
        norms = np.abs(outputs[self._code]).sum(axis=1, dtype=np.float64)
        return np.array([norms.sum() if sample_weight is None else sample_weight @ norms])

    def value(self, means):
        return self.l1 * means[0]

    def row_gradients(self, outputs, means, n_rows):
        return {self._code: self.l1 / n_rows * np.sign(outputs[self._code])}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """What a user of the protocol would write in `_terms.PENALTIES`."""
    monkeypatch.setattr(_terms, "PENALTIES", [*_terms.PENALTIES, CodeNorm])


NETWORKS = {
    "logistic": Network((6, 4, 6), ("logistic", "identity"), 1),
    "linear code, two layers": Network((6, 5, 3, 5, 6), ("logistic", "identity", "tanh", "identity"), 2),
}
FORMS = {
    "residual": SparseAutoencoderObjective,
    "linear decoder": lambda network, **options: LinearDecoderObjective(network, **options, projected=False),
    "projected": lambda network, **options: LinearDecoderObjective(network, **options, projected=True),
}
HYPERPARAMETERS = {"rho": 0.1, "beta": 3.0, "lam": 0.01}
L1 = 0.7


def by_definition(network, X, layers, w):
    code = layers.part(network.encoder).outputs(X)[-1]
    return j_sparse(X, *layers, network.n_encoder_layers, w=w, **HYPERPARAMETERS) + L1 * np.average(
        np.abs(code).sum(axis=1), weights=w
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_blocks", [1, 7])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NETWORKS)
def test_value_and_gradient_of_every_form(rng, name, form, n_blocks, weighted):
    network, X = NETWORKS[name], rng.normal(size=(40, 6))
    w = random_weights(rng, 40) if weighted else None
    objective = FORMS[form](network, **HYPERPARAMETERS, l1=L1)
    theta = rng.normal(scale=0.5, size=objective.layout.size)

    def j(theta, n_blocks=1):
        blocks = [block_of(objective, X[rows], None if w is None else w[rows]) for rows in unequal_parts(40, n_blocks)]
        return evaluate(objective, theta, blocks)

    terms, gradient, shared = j(theta, n_blocks)
    assert objective.term_names == ("reconstruction", "weight_decay", "sparsity", "code_norm")
    assert_allclose(terms.sum(), by_definition(network, X, objective.parameters(theta, shared), w), rtol=1e-11)
    assert relative_error(gradient, numerical_gradient(lambda theta: j(theta)[0].sum(), theta)) < 1e-6
    if form != "projected":
        of_batch, pieces = evaluate_in_pieces(objective, theta, [block_of(objective, X, w)])
        assert_allclose(of_batch, terms, rtol=1e-11)
        assert relative_error(gathered(theta, pieces), gradient) < 1e-10


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_fits_record_it(blobs, solver, container):
    model = SparseAutoencoderTransformer(4, solver=solver, max_iter=30, tol=0.1, random_state=0, lam=1e-3)
    model.fit(container(blobs))
    assert model.loss_curve_.dtype.names == ("loss", "reconstruction", "weight_decay", "sparsity", "code_norm")
    norm = 0.3 * np.abs(model.transform(blobs)).sum(axis=1).mean()
    assert_allclose(model.loss_curve_["code_norm"][-1], norm, rtol=1e-9 if solver == "lbfgs" else 0.1)


def test_partial_fit_joint_clustering_and_checkpoints_have_it(blobs, tmp_path):
    model = SparseAutoencoderTransformer(4, random_state=0, lam=1e-3).partial_fit(blobs)
    joint = DeepEmbeddedClustering(6, encoder=FrozenEstimator(model), **QUICK).fit(blobs)
    assert joint.loss_curve_.dtype.names[-2:] == ("code_norm", "clustering")
    assert (joint.loss_curve_["code_norm"] > 0).all()
    labels = KMeans(6, n_init=1, random_state=0).fit_predict(model.transform(blobs))
    assert len(set(labels)) == 6
    whole = SparseAutoencoderTransformer(4, solver="adam", max_iter=4, random_state=0).fit(blobs)
    try:
        with_file = SparseAutoencoderTransformer(4, solver="adam", max_iter=4, random_state=0)
        with_file.set_callbacks(Checkpoint(tmp_path / "fit.checkpoint", interval=0)).fit(blobs)
    except ImportError:  # scikit-learn before 1.9
        return
    assert_allclose(with_file.coefs_[0], whole.coefs_[0], rtol=0, atol=0)


def test_what_no_penalty_takes_is_refused():
    with pytest.raises(TypeError, match=r"No penalty has the hyperparameters \['l2'\]"):
        SparseAutoencoderObjective(NETWORKS["logistic"], **HYPERPARAMETERS, l2=1.0)
