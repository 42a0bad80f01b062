"""Training that ends too soon: small batches, few steps, a first plateau; and the warning about what is no better."""

from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_digits, load_iris
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.exceptions import CollapsedCodeWarning, TrivialReconstructionWarning


def share_of_trivial_error(model, X, sample_weight=None):
    """Of the error of the mean row."""
    trivial = np.average((X - np.average(X, axis=0, weights=sample_weight)) ** 2, axis=0, weights=sample_weight).mean()
    return -model.score(X, sample_weight=sample_weight) / trivial


# Batches


@pytest.mark.parametrize("n_left_over", [1, 2])
@pytest.mark.parametrize("hidden", [(), (12,)])
def test_a_few_rows_left_over_cost_nothing(n_left_over, hidden):
    X = StandardScaler().fit_transform(load_digits().data[:602])
    options = {"hidden_layer_sizes": hidden, "solver": "adam", "batch_size": 50, "max_iter": 40, "tol": 0}
    even, odd = (
        SparseAutoencoderTransformer(12, random_state=0, **options).fit(X[:n]) for n in (600, 600 + n_left_over)
    )
    assert odd.loss_ < 1.01 * even.loss_


def test_a_few_rows_left_over_do_not_meet_tol():
    X = StandardScaler().fit_transform(load_digits().data[:641])
    options = {"hidden_layer_sizes": 20, "solver": "adam", "batch_size": 32, "max_iter": 60}
    even, odd = (SparseAutoencoderTransformer(random_state=0, **options).fit(X[:n]) for n in (640, 641))
    assert even.n_iter_ > 40
    assert odd.n_iter_ == pytest.approx(even.n_iter_, rel=0.2)
    assert odd.loss_ == pytest.approx(even.loss_, rel=0.05)


def test_chunks_of_one_row_more_than_a_batch_learn_as_well(blobs):
    errors = []
    for n_rows in (100, 101):
        model = SparseAutoencoderTransformer(6, batch_size=100, random_state=0)
        for _ in range(40):
            for start in range(0, 600 - n_rows, n_rows):
                model.partial_fit(blobs[start : start + n_rows])
        errors.append(share_of_trivial_error(model, blobs))
    assert errors[1] < 1.1 * errors[0]


def test_the_terms_of_an_epoch_count_by_the_rows_of_its_batches(blobs):
    # Batches of two, two and three rows, and hardly a step: the mean over batches is that over rows.
    options = {"solver": "adam", "batch_size": 3, "max_iter": 1, "learning_rate_init": 1e-12}
    with pytest.warns(TrivialReconstructionWarning):
        model = SparseAutoencoderTransformer(6, random_state=0, **options).fit(blobs[:7])
    error = -model.score(blobs[:7]) * blobs.shape[1]
    np.testing.assert_allclose(model.loss_curve_["reconstruction"][0], error / 2, rtol=1e-8)


# Steps


@pytest.mark.parametrize("output_activation, Scaler", [("identity", StandardScaler), ("logistic", MinMaxScaler)])
@pytest.mark.parametrize(
    "options",
    [
        {"solver": "adam"},
        {"corruption": 0.1},
        {"hidden_layer_sizes": 20, "corruption": 0.1},
        {"hidden_layer_sizes": 20, "corruption": 0.1, "early_stopping": True, "tol": 0.02},
    ],
)
def test_adam_takes_enough_steps_on_small_data(output_activation, Scaler, options):
    X = Scaler().fit_transform(load_iris().data)
    model = SparseAutoencoderTransformer(output_activation=output_activation, random_state=0, **options).fit(X)
    assert share_of_trivial_error(model, X) < 0.4


def test_a_given_number_of_epochs_is_kept_to():
    X = StandardScaler().fit_transform(load_iris().data)
    assert SparseAutoencoderTransformer(solver="adam", max_iter=30, tol=0, random_state=0).fit(X).n_iter_ == 30


# Plateaus

sparse_code = partial(
    SparseAutoencoderTransformer, 12, output_activation="logistic", rho=0.01, beta=3, lam=1e-4, random_state=0
)


@pytest.fixture(scope="module")
def bumps():
    """300 rows of 12 numbers in [0.1, 0.9]: a bump somewhere, on which the textbook's setting rests for a while."""
    places = np.random.default_rng(0).uniform(size=(300, 1))
    return 0.1 + 0.8 * np.exp(-(((np.linspace(0, 1, 12) - places) / 0.15) ** 2))


@pytest.fixture(scope="module")
def digits():
    """300 digits with pixels in [0.1, 0.9], on which the textbook's setting rests for long."""
    return 0.1 + 0.8 * load_digits().data[:300] / 16


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("early_stopping, tol", [(False, 1e-3), (True, 5e-3)])
def test_training_goes_through_the_first_plateau(digits, early_stopping, tol, container):
    model = sparse_code(early_stopping=early_stopping, tol=tol).fit(container(digits))
    assert share_of_trivial_error(model, digits) < 0.7


def test_adam_goes_through_the_first_plateau(bumps):
    model = sparse_code(solver="adam", max_iter=1500, batch_size=20).fit(bumps)
    assert share_of_trivial_error(model, bumps) < 0.7


@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.CollapsedCodeWarning")
@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.TrivialReconstructionWarning")
def test_layers_that_are_pretrained_go_through_theirs(digits):
    options = {"hidden_layer_sizes": 12, "activation": "logistic", "pretrain": "layerwise", "solver": "lbfgs"}
    first, second = sparse_code(**options).fit(digits).pretraining_loss_curves_
    # As an autoencoder of its own, with the same output: the first layer rests near 1.5.
    assert first["loss"][30] > 1.4
    assert first["loss"][-1] < 1.2
    # The second one has nothing to gain, and ends long before max_iter=300.
    assert len(second) < 100


# The warning

SHORT = pytest.mark.filterwarnings("ignore:L-BFGS stopped before:sklearn.exceptions.ConvergenceWarning")


@SHORT
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_reconstruction_no_better_than_the_mean_row_is_named(bumps, container, weighted, early_stopping):
    w = np.random.default_rng(1).uniform(0.5, 2, size=len(bumps)) if weighted else None
    model = sparse_code(max_iter=12, tol=0, early_stopping=early_stopping)
    with pytest.warns(
        TrivialReconstructionWarning, match=r"tells little of X.*larger max_iter; .*lam=0.0001"
    ) as caught:
        model.fit(container(bumps), sample_weight=w)
    assert sum(record.category is TrivialReconstructionWarning for record in caught) == 1
    assert 0.98 < share_of_trivial_error(model, bumps, w) < 1.1


@SHORT
def test_the_percentage_in_the_warning_is_that_of_the_mean_row(bumps):
    model = sparse_code(max_iter=12, tol=0)
    with pytest.warns(TrivialReconstructionWarning) as caught:
        model.fit(bumps)
    messages = [str(record.message) for record in caught if record.category is TrivialReconstructionWarning]
    assert f"is {100 * share_of_trivial_error(model, bumps):.3g} % of that row's" in messages[0]


@SHORT
def test_a_collapsed_code_has_its_own_warning_alone(blobs):
    with pytest.warns(CollapsedCodeWarning) as caught:
        SparseAutoencoderTransformer(4, lam=100.0, random_state=0).fit(blobs)
    assert TrivialReconstructionWarning not in {record.category for record in caught}


@SHORT
def test_rows_that_do_not_differ_have_no_mean_to_be_better_than(bumps):
    model = sparse_code(max_iter=12, tol=0)
    assert model.fit(bumps[:1]).n_iter_ > 0


def test_partial_fit_is_given_its_time(bumps):
    # A step of nothing: it stays where it starts, which is worse than the mean row.
    model = sparse_code(learning_rate_init=1e-12, batch_size=1)
    for _ in range(6):
        model.partial_fit(bumps)  # 1,800 steps
    with pytest.warns(TrivialReconstructionWarning):
        model.partial_fit(bumps)
