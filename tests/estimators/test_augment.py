"""Augmentation: a function of the user's that draws what a network learns from."""

from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from threadpoolctl import threadpool_limits

from helpers.marks import FEW_ITERATIONS
from helpers.objectives import initial_theta
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._data import Batch, DataInMemory, MiniBatchLoss
from skdeepcluster._network import Network
from skdeepcluster._objectives import SparseAutoencoderObjective
from skdeepcluster._support._threads import Workers
from skdeepcluster._training import AutoencoderFit
from skdeepcluster._training._identity import fit_identity
from skdeepcluster.clustering import DeepEmbeddedClustering

pytestmark = FEW_ITERATIONS


def jitter(X, random_state):
    if sp.issparse(X):
        X = X.copy()
        X.data += random_state.normal(scale=0.1, size=X.nnz)
        return X
    return X + random_state.normal(scale=0.1, size=X.shape)


def negated(X, random_state):
    return -X


make = partial(SparseAutoencoderTransformer, n_components=5, solver="adam", max_iter=3, random_state=0)


@pytest.mark.parametrize("corruption", [0.0, 0.3])
def test_the_network_sees_and_reconstructs_the_augmented_rows(blobs, corruption):
    objective = SparseAutoencoderObjective(Network((15, 4, 15), ("logistic", "identity"), 1), rho=0.1, beta=1, lam=0.1)
    theta = initial_theta(objective)
    rows = np.arange(500)[::-1]
    terms = [
        MiniBatchLoss(
            objective, Workers(1), augment=augment, corruption=corruption, random_state=np.random.RandomState(0)
        )(theta, Batch(X, None, rows, rows))[0]
        for X, augment in ((blobs, negated), (-blobs, None))
    ]
    assert_allclose(terms[0], terms[1], rtol=1e-12)


def test_new_rows_are_drawn_for_every_batch(blobs):
    seen = []

    def recorded(X, random_state):
        seen.append(X)
        return X

    make(augment=recorded, max_iter=2, batch_size=200).fit(blobs)
    assert [len(X) for X in seen] == [200] * 6
    for epoch in (seen[:3], seen[3:]):
        assert_array_equal(np.sort(np.vstack(epoch), axis=0), np.sort(blobs, axis=0))


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
def test_the_result_is_that_of_random_state_whatever_the_threads(blobs, container):
    fits = []
    for n_threads in (1, 2):
        with threadpool_limits(limits=n_threads, user_api="blas"):
            fits.append(make(augment=jitter, corruption=0.1).fit(container(blobs)))
    assert_array_equal(fits[0].coefs_[0], fits[1].coefs_[0])
    assert not np.array_equal(fits[0].coefs_[0], make(corruption=0.1).fit(container(blobs)).coefs_[0])


def test_an_augmentation_that_changes_nothing_changes_nothing(blobs):
    same, none = (make(augment=augment).fit(blobs) for augment in (lambda X, random_state: X, None))
    assert_array_equal(same.coefs_[0], none.coefs_[0])


def test_it_needs_adam_which_auto_is(blobs):
    with pytest.raises(ValueError, match=r"augment=<function jitter .* solver='lbfgs'.*Set solver='adam'"):
        make(augment=jitter, solver="lbfgs").fit(blobs)
    auto, adam = (make(augment=jitter, solver=solver).fit(blobs) for solver in ("auto", "adam"))
    assert_array_equal(auto.coefs_[0], adam.coefs_[0])


def test_only_the_input_is_augmented_in_layerwise_pretraining(blobs):
    widths = set()

    def recorded(X, random_state):
        widths.add(X.shape[1])
        return X

    make(augment=recorded, hidden_layer_sizes=9, pretrain="layerwise").fit(blobs)
    assert widths == {15}


def test_partial_fit_augments_too(blobs):
    plain, augmented = (make(augment=augment).partial_fit(blobs) for augment in (None, jitter))
    assert not np.array_equal(plain.coefs_[0], augmented.coefs_[0])


@pytest.mark.parametrize(
    "augment, message",
    [
        (lambda X, random_state: X[:, :3], r"rows of shape \(200, 15\) into ndarray of shape \(200, 3\)"),
        (lambda X, random_state: X[:1], r"into ndarray of shape \(1, 15\)"),
        (lambda X, random_state: X * np.nan, "from augment contains NaN"),
        (lambda X, random_state: None, "into NoneType of shape None"),
    ],
)
def test_what_is_no_augmentation_is_explained(blobs, augment, message):
    with pytest.raises(ValueError, match=message):
        make(augment=augment).fit(blobs)


def test_what_the_function_raises_is_not_hidden(blobs):
    def broken(X, random_state):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match=r"mine\nThis comes from augment=<function .*broken"):
        make(augment=broken).fit(blobs)
    with pytest.raises(TypeError, match=r"augment=<built-in function len>, which is called as augment\("):
        make(augment=len).fit(blobs)


def test_joint_clustering_augments_batches_but_not_targets(blobs):
    encoder = make(code_activation="identity", beta=0, max_iter=50).fit(blobs)
    encoder.augment = lambda X, random_state: 3 * X
    model = DeepEmbeddedClustering(
        6,
        encoder=FrozenEstimator(encoder),
        learning_rate_init=1e-12,
        max_iter=1,
        update_interval=3,
        random_state=0,
    ).fit(blobs)
    # Labels are those of the rows as they are; the error is that of the rows that the network was trained on.
    assert_array_equal(model.labels_, model.initial_labels_)
    batch_error = model.loss_curve_["reconstruction"][0]
    assert_allclose(batch_error, -model.score(3 * blobs) * 15 / 2, rtol=0.05)
    assert batch_error > 5 * -model.score(blobs) * 15 / 2


def test_joint_clustering_with_augmentation_is_repeatable(blobs):
    encoder = make(code_activation="identity", beta=0, augment=jitter)
    model = DeepEmbeddedClustering(6, encoder=encoder, max_iter=2, update_interval=5, random_state=0)
    first, second = (clone(model).fit(blobs) for _ in range(2))
    assert_array_equal(first.coefs_[0], second.coefs_[0])


def test_a_checkpoint_knows_the_function_by_what_it_is(blobs):
    data = DataInMemory(blobs, None, Workers(1))
    functions = [jitter, negated, partial(jitter, scale=2), partial(jitter, scale=3), lambda X, _: X, lambda X, _: -X]
    models = [make(augment=function) for function in functions]
    known = [fit_identity(model, AutoencoderFit.of(model, data))[0]["augment"] for model in models]
    assert len(set(known)) == len(known)
    assert not any(" at 0x" in description for description in known)
    assert known[0].startswith("test_augment.jitter, checksum ")
