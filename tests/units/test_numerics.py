"""J beside its formulas in 50 digits, and what working precision makes of extreme parameters and data."""

import warnings
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import StandardScaler

from helpers.exact import best_decoder, j_clustering, j_sparse, kl, kl_derivative
from helpers.marks import FEW_ITERATIONS
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._data import FullBatchLoss
from skdeepcluster._joint._assignments import soft_assignments
from skdeepcluster._network import Network
from skdeepcluster._objectives import Block, LinearDecoderObjective, SparseAutoencoderObjective
from skdeepcluster._objectives._terms import kl_divergence
from skdeepcluster._solvers import AdamState, NotFiniteError, adam
from skdeepcluster._support._threads import Workers
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.exceptions import CollapsedCodeWarning, InputScaleWarning

pytestmark = FEW_ITERATIONS

N, D, H = 12, 5, 3

ENDS_EARLY = pytest.mark.filterwarnings("ignore:L-BFGS stopped before:sklearn.exceptions.ConvergenceWarning")

make = partial(SparseAutoencoderTransformer, n_components=H, max_iter=5, random_state=0)


@pytest.fixture
def X(rng):
    return rng.normal(size=(N, D))


@pytest.fixture
def w(rng):
    return rng.uniform(0.1, 2, size=N)


def exact_loss(model, X, w=None):
    network = model._network
    layers = model.coefs_, model.intercepts_, network.activations, network.n_encoder_layers
    return j_sparse(X, *layers, rho=model.rho, beta=model.beta, lam=model.lam, w=w)


def assert_exact(value, exact, rtol=1e-12):
    assert abs(value - exact) <= rtol * abs(exact), (value, float(value / exact - 1))


# J beside 50 digits


@ENDS_EARLY
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"output_activation": "logistic"},
        {"tied_weights": True},
        {"tied_weights": True, "output_activation": "logistic"},
        {"hidden_layer_sizes": 4, "activation": "logistic"},
        {"hidden_layer_sizes": (4, 4), "activation": "tanh", "tied_weights": True},
        {"hidden_layer_sizes": 4, "code_activation": "identity", "beta": 0},
        {"beta": 0},
        {"beta": 1e12, "rho": 0.3},
        {"rho": 1e-12},
        {"rho": 1 - 1e-12},
        {"lam": 0},
    ],
    ids=str,
)
def test_loss_in_50_digits(X, w, parameters, solver, weighted):
    if parameters.get("output_activation") == "logistic":
        X = (X - X.min()) / np.ptp(X)
    w = w if weighted else None
    model = make(solver=solver, **parameters).fit(X, sample_weight=w)
    # At the end of L-BFGS, beta = 1e12 multiplies what the 16 digits of rho_hat leave of its distance from rho.
    rtol = 1e-9 if model.beta == 1e12 and solver == "lbfgs" else 1e-12
    assert_exact(model.loss_, exact_loss(model, X, w), rtol)
    if solver == "lbfgs":
        # L-BFGS has J from products with X alone where the output is linear.
        assert_exact(model.loss_curve_["loss"][-1], exact_loss(model, X, w), rtol)


@ENDS_EARLY
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
@pytest.mark.parametrize("parameters", [{}, {"tied_weights": True}, {"hidden_layer_sizes": 4}], ids=str)
def test_loss_of_sparse_data_in_50_digits(X, w, parameters, solver, weighted):
    X[X < 0.3] = 0
    w = w if weighted else None
    model = make(solver=solver, **parameters).fit(sp.csr_array(X), sample_weight=w)
    assert_exact(model.loss_, exact_loss(model, X, w))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("lam", [1.0, 1e-3, 1e-6])
def test_j_of_variable_projection_in_50_digits(X, w, rng, lam, weighted):
    w = w / w.mean() if weighted else None
    network = Network((D, H, D), ("logistic", "identity"), 1)
    objective = LinearDecoderObjective(network, rho=0.1, beta=3.0, lam=lam, projected=True)
    theta = rng.normal(scale=0.5, size=objective.layout.size)
    (W,), (b,) = objective.layout.unpack(theta)
    decoder, intercept = best_decoder(X, [W], [b], ("logistic",), lam=lam, w=w)
    layers = [W, decoder], [b, intercept], network.activations, 1
    exact = j_sparse(X, *layers, rho=0.1, beta=3.0, lam=lam, w=w)
    assert_exact(FullBatchLoss(objective, Block(X, w), Workers(1)).terms(theta).sum(), exact)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.01, 1.0, 3.0])
@pytest.mark.parametrize("reconstruction_weight", [0.0, 1.0])
@pytest.mark.parametrize("parameters", [{"code_activation": "identity", "beta": 0}, {"tied_weights": True}], ids=str)
def test_j_of_joint_clustering_in_50_digits(X, w, parameters, reconstruction_weight, alpha, weighted):
    w = w if weighted else None
    encoder = make(solver="adam", hidden_layer_sizes=4, **parameters).fit(X, sample_weight=w)
    model = DeepEmbeddedClustering(
        2,
        encoder=FrozenEstimator(encoder),
        init="kmeans",
        gamma=10.0,
        alpha=alpha,
        reconstruction_weight=reconstruction_weight,
        max_iter=2,
        update_interval=3,
        random_state=0,
    ).fit(X, sample_weight=w)
    network = model._network
    layers = model.coefs_, model.intercepts_, network.activations, network.n_encoder_layers
    exact = j_clustering(
        X, *layers, model.cluster_centers_, gamma=model.gamma, alpha=alpha, unit=model.distance_unit_, w=w
    )
    # Clusters so far apart that it is next to nothing would show nothing.
    assert exact > 0.1
    if reconstruction_weight:
        exact += j_sparse(X, *layers, rho=encoder.rho, beta=encoder.beta, lam=encoder.lam, w=w)
    assert_exact(model.loss_, exact)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_assignments_do_not_depend_on_where_the_code_lies(rng, offset):
    # Powers of two, so that the shift itself is exact.
    Z, centers = np.round(2.0**20 * rng.normal(size=(2, 8, 3))) / 2.0**20
    Q, kernel = soft_assignments(Z, centers, 1.0)
    shifted_Q, shifted_kernel = soft_assignments(Z + offset, centers + offset, 1.0)
    np.testing.assert_allclose(shifted_Q, Q, rtol=1e-12)
    np.testing.assert_allclose(shifted_kernel, kernel, rtol=1e-12)


# The KL term


@pytest.mark.parametrize("rho", [1e-12, 0.01, 0.5, 0.9, 1 - 1e-12])
@pytest.mark.parametrize("share", [1e-12, 1e-9, 1e-6, 1e-3, 0.099, 0.101, 0.9])
@pytest.mark.parametrize("side", [-1, 1])
def test_kl_divergence_keeps_its_digits_near_rho(rho, share, side):
    rho_hat = rho + side * share * min(rho, 1 - rho)
    value, derivative = kl_divergence(rho, np.array([rho_hat]))
    # A large beta multiplies what is left of it.
    assert abs(value - kl(rho, rho_hat)) <= 2e-15 * (abs(rho_hat - rho) + value)
    assert_exact(derivative[0], kl_derivative(rho, rho_hat), 1e-14)


@pytest.mark.parametrize("rho", [5e-324, 1e-300, 1e-16, 0.5, 1 - 2**-53])
def test_kl_divergence_is_finite_and_not_negative_wherever_rho_is(rho):
    rho_hat = np.array([0.0, 5e-324, 1e-16, 1e-8, 0.5, 1 - 1e-8, 1 - 2**-53, 1.0, rho])
    for r in rho_hat:
        value, derivative = kl_divergence(rho, np.array([r]))
        assert np.isfinite([value, *derivative]).all()
        assert value >= -1e-16


@ENDS_EARLY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("output_activation", ["identity", "logistic"])
@pytest.mark.parametrize("beta", [1e6, 1e12, 1e18])
def test_a_huge_beta_leaves_the_mean_activations_at_rho_and_j_positive(X, beta, output_activation, dtype):
    X = ((X - X.min()) / np.ptp(X)).astype(dtype)
    model = make(beta=beta, rho=0.3, output_activation=output_activation, solver="lbfgs", max_iter=50, tol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputScaleWarning)
        model.fit(X)
    np.testing.assert_allclose(model.mean_activation_, 0.3, rtol=1e-4)
    assert model.loss_ > 0
    assert (model.loss_curve_["sparsity"] >= 0).all()


@pytest.mark.parametrize("dtype, beta", [(np.float32, 1e25), (np.float64, 1e200)])
def test_adam_says_so_where_the_square_of_its_gradient_overflows(X, dtype, beta):
    # Every step would be zero, and the fit end as if it had converged.
    with pytest.raises(ValueError, match=r"square of the gradient not finite by step 1 of Adam.*lower beta=") as error:
        make(beta=beta, solver="adam").fit(X.astype(dtype))
    assert isinstance(error.value.__cause__, NotFiniteError)


def test_adam_goes_on_as_long_as_the_square_of_its_gradient_is_finite():
    def terms_and_gradient(x, batch):
        return 1.0, [(slice(0, 1), lambda: np.array([batch], dtype=np.float32))]

    state = AdamState.start(np.zeros(1, dtype=np.float32))
    next(
        adam(
            terms_and_gradient, state, batches=lambda: [1e18], weight_of=lambda batch: 1, step_size=lambda n_steps: 0.1
        )
    )
    with np.errstate(over="ignore"), pytest.raises(NotFiniteError, match="by step 3 of Adam"):
        next(
            adam(
                terms_and_gradient,
                state,
                batches=lambda: [1e20, 1e18],
                weight_of=lambda batch: 1,
                step_size=lambda n_steps: 0.1,
            )
        )


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_an_overflow_in_the_very_last_step_is_explained(X, method):
    model = make(solver="adam", max_iter=1, batch_size=N)
    model.partial_fit(X)
    before = dict(vars(model))
    model.set_params(learning_rate_init=1e200)
    with pytest.raises(ValueError, match=r"value not finite after the last step.*learning_rate_init=1e\+200"):
        getattr(model, method)(X)
    assert {**vars(model), "learning_rate_init": None} == before


# Saturated units


def objectives(network):
    options = {"rho": 0.3, "beta": 2.0, "lam": 1e-3}
    return [
        SparseAutoencoderObjective(network, **options),
        LinearDecoderObjective(network, **options, projected=False),
        LinearDecoderObjective(network, **options, projected=True),
    ]


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 1e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("n_saturated", [1, H])
@pytest.mark.parametrize("bias", [-1e4, -200.0, 200.0, 1e4])
def test_saturated_units_have_the_j_of_the_margin(X, rng, bias, n_saturated, dtype, rtol):
    network = Network((D, H, D), ("logistic", "identity"), 1)
    X = X.astype(dtype)
    for objective in objectives(network):
        theta = rng.normal(scale=0.5, size=objective.layout.size).astype(dtype)
        _, intercepts = objective.layout.unpack(theta)
        intercepts[0][:n_saturated] = bias
        evaluate = FullBatchLoss(objective, Block(X), Workers(1))
        terms, gradient = evaluate(theta)
        coefs, biases, _ = evaluate.parameters(theta)
        layers = coefs, biases, network.activations, 1
        assert_exact(terms.sum(), j_sparse(X, *layers, rho=0.3, beta=2.0, lam=1e-3, margin=2.0**-50), rtol)
        assert np.isfinite(gradient).all()
        # They are flat there.
        _, of_intercepts = objective.layout.unpack(gradient)
        np.testing.assert_array_equal(of_intercepts[0][:n_saturated], 0)


@ENDS_EARLY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_a_fit_on_data_that_saturate_every_unit_warns(X, solver, dtype):
    model = make(solver=solver, max_iter=3)
    with pytest.warns(InputScaleWarning), pytest.warns(CollapsedCodeWarning):
        model.fit((1e5 + X).astype(dtype))
    assert np.isfinite([model.loss_, *model.mean_activation_]).all()


# Decoders of code units that depend on each other


@ENDS_EARLY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lam", [0, 1e-300])
@pytest.mark.parametrize("n_rows", [1, 2, N])
def test_more_units_than_rows_without_weight_decay(X, n_rows, lam, dtype):
    X = X[:n_rows].astype(dtype)
    model = make(n_components=40, lam=lam, beta=0, solver="lbfgs").fit(X)
    assert np.isfinite(model.loss_)
    assert all(np.isfinite(W).all() for W in model.coefs_)
    assert -model.score(X) <= (1e-4 if dtype == np.float32 else 1e-10)
    assert (model.loss_curve_["reconstruction"] >= 0).all()


@ENDS_EARLY
def test_units_that_depend_on_each_other_have_the_best_decoder(X, rng):
    network = Network((D, 6, D), ("logistic", "identity"), 1)
    objective = LinearDecoderObjective(network, rho=0.3, beta=0.0, lam=0.0, projected=True)
    theta = rng.normal(scale=0.5, size=objective.layout.size)
    (W,), (b,) = objective.layout.unpack(theta)
    W[:, 3:], b[3:] = W[:, :3], b[:3]
    evaluate = FullBatchLoss(objective, Block(X), Workers(1))
    J = evaluate.terms(theta).sum()
    A = np.column_stack([1 / (1 + np.exp(-(X @ W[:, :3] + b[:3]))), np.ones(N)])
    best = np.linalg.lstsq(A, X, rcond=None)[1].sum() / (2 * N)
    np.testing.assert_allclose(J, best, rtol=1e-8)
    coefs = evaluate.parameters(theta).coefs
    assert np.abs(coefs[-1]).max() < 1e3


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lam", [0, 1e-3])
def test_rows_of_zeros_collapse(container, dtype, lam):
    with pytest.warns(CollapsedCodeWarning), pytest.warns(InputScaleWarning):
        model = make(lam=lam, solver="lbfgs").fit(container(np.zeros((N, D), dtype=dtype)))
    assert np.isfinite(model.loss_)


# Features of very different scale


@ENDS_EARLY
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_features_of_very_different_scale_draw_a_warning_and_j_is_right(X, solver):
    X = X * np.logspace(-4, 2, D)
    with pytest.warns(InputScaleWarning):
        model = make(solver=solver).fit(X)
    assert_exact(model.loss_, exact_loss(model, X))


@ENDS_EARLY
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_after_standardisation_the_scale_of_features_is_gone(X, solver):
    scales = 2.0 ** np.array([-40, -20, 0, 20, 40])
    model = make(solver=solver).fit(StandardScaler().fit_transform(X))
    of_scaled = clone(model).fit(StandardScaler().fit_transform(X * scales))
    np.testing.assert_allclose(of_scaled.loss_, model.loss_, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_that_finds_nothing_is_no_silent_success(X, dtype):
    with pytest.warns(ConvergenceWarning), pytest.warns(InputScaleWarning):
        model = make(solver="lbfgs").fit((X * np.logspace(-15, 15, D)).astype(dtype))
    assert np.isfinite(model.loss_)
    assert np.isfinite(model.transform((X * np.logspace(-15, 15, D)).astype(dtype))).all()
