"""Sample weights of ones, and of extreme ratios, for every estimator and kind of data in memory."""

from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.base import clone

from helpers.data import mapped
from helpers.joint import QUICK
from helpers.marks import FEW_ITERATIONS
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import DeepEmbeddedClustering

autoencoder = partial(SparseAutoencoderTransformer, 4, max_iter=3, tol=0, batch_size=32, random_state=0)
joint = partial(
    DeepEmbeddedClustering,
    3,
    encoder=autoencoder(hidden_layer_sizes=8, code_activation="identity", beta=0, solver="adam", tol=1e-3),
    **QUICK,
)

ESTIMATORS = {
    "lbfgs": autoencoder(solver="lbfgs"),
    "adam": autoencoder(solver="adam"),
    "pretrained": autoencoder(hidden_layer_sizes=6, pretrain="layerwise", solver="adam"),
    "corrupted": autoencoder(solver="adam", corruption=0.2),
    "neighbours": autoencoder(n_neighbors=5),
    "neighbours, early stopping": autoencoder(n_neighbors=3, early_stopping=True, validation_fraction=0.3),
    "early stopping, lbfgs": autoencoder(solver="lbfgs", early_stopping=True),
    "early stopping, adam": autoencoder(solver="adam", early_stopping=True, validation_fraction=0.3),
    "joint, mixture": joint(),
    "joint, kmeans": joint(init="kmeans"),
    "joint, least cut": joint(init="least_cut"),
    "joint, neighbours": joint(encoder=autoencoder(n_neighbors=5), batch_size=32),
}
KINDS = ["dense", "float32", "sparse", "sparse float32", "mapped"]

each_estimator = pytest.mark.parametrize("name", ESTIMATORS)
pytestmark = [
    *FEW_ITERATIONS,
    pytest.mark.filterwarnings(
        "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::skdeepcluster.exceptions.DegenerateClusteringWarning"
    ),
]


def of_kind(kind, X, path):
    if "float32" in kind:
        X = X.astype(np.float32)
    if "sparse" in kind:
        return sp.csr_array(X)
    return mapped(X, path) if kind == "mapped" else X


@pytest.fixture
def X(blobs):
    return np.array(blobs[:200, :6])


def state_of(model):
    names = ("loss_", "labels_", "mean_activation_", "validation_scores_", "distance_unit_")
    own = [np.asarray(getattr(model, name)) for name in names if hasattr(model, name)]
    return [*model.coefs_, *model.intercepts_, np.array(model.loss_curve_.tolist()), *own]


def assert_same(a, b):
    for x, y in zip(state_of(a), state_of(b), strict=True):
        assert_array_equal(x, y)


@each_estimator
@pytest.mark.parametrize("kind", KINDS)
def test_equal_weights_are_no_weights(X, name, kind, tmp_path):
    data, model = of_kind(kind, X, tmp_path / "X"), ESTIMATORS[name]
    without = clone(model).fit(data)
    for weight in (1.0, 0.1, 5e-324, 1e308):
        assert_same(clone(model).fit(data, sample_weight=np.full(200, weight)), without)
    assert without.score(data, sample_weight=np.full(200, 1e-320)) == without.score(data)


def test_equal_weights_are_no_weights_in_chunks(X):
    a, b = autoencoder(solver="adam"), autoencoder(solver="adam")
    for rows in (slice(100), slice(100, 200)):
        a.partial_fit(X[rows])
        b.partial_fit(X[rows], sample_weight=np.full(100, 3e-310))
    assert_same(a, b)


@each_estimator
def test_only_the_ratios_of_weights_matter(X, rng, name):
    w, model = rng.randint(1, 9, size=200).astype(float), ESTIMATORS[name]
    expected = clone(model).fit(X, sample_weight=w)
    # In subnormal numbers, and near the largest one, all of these are exact multiples of each other.
    for scale in (5e-324, 2.0**-500, 2.0**1020):
        assert_same(clone(model).fit(X, sample_weight=scale * w), expected)
        assert expected.score(X, sample_weight=scale * w) == expected.score(X, sample_weight=w)


@each_estimator
@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_are_lost_beside_the_largest_count_as_zero(X, name, kind, tmp_path):
    heavy = np.arange(200) % 3 > 0
    data, model = of_kind(kind, X, tmp_path / "X"), ESTIMATORS[name]
    weighted = clone(model).fit(data, sample_weight=np.where(heavy, 1e300, 1e-300))
    zero = clone(model).fit(data, sample_weight=np.where(heavy, 1.0, 0.0))
    assert_same(weighted, zero)
    assert np.isfinite(weighted.loss_)
    assert np.isfinite(weighted.score(data, sample_weight=np.where(heavy, 1e-300, 1e300)))


@each_estimator
@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_all_sizes_give_finite_results(X, name, kind, tmp_path):
    data, model = of_kind(kind, X, tmp_path / "X"), clone(ESTIMATORS[name])
    w = 10.0 ** np.linspace(-29, 0, 200)
    # The last rows, which early stopping holds out of a mapped file, and most batches, have hardly any weight.
    model.fit(data, sample_weight=w[::-1])
    assert all(np.isfinite(array).all() for array in state_of(model))
    assert np.isfinite(model.score(data, sample_weight=w[::-1]))


def test_chunks_of_weights_of_all_sizes(X):
    model = autoencoder(solver="adam", batch_size=8)
    model.partial_fit(X, sample_weight=np.r_[1e300, np.full(199, 1e-300)])
    model.partial_fit(X, sample_weight=10.0 ** np.linspace(-300, 300, 200))
    assert np.isfinite(model.loss_)
    assert np.isfinite(model.coefs_[0]).all()


def test_too_few_rows_that_count(X):
    w = np.r_[1.0, np.full(199, 1e-40)]
    with pytest.raises(ValueError, match=r"n_samples=1\. Lower n_clusters, or look at sample_weight"):
        joint().fit(X, sample_weight=w)
