"""The recipe "an activation" of docs/architecture.md: softplus, without a change of the package."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.utils._param_validation import StrOptions

from helpers.gradients import central_difference
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._network import ACTIVATIONS, _activations


def softplus(Z):
    return np.logaddexp(0, Z, out=Z)


def multiply_by_softplus_derivative(delta, A):
    # s'(z) = 1 - exp(-s(z))
    delta *= -np.expm1(-A)
    return delta


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """What a user would write in `ACTIVATIONS`, whose names the estimator takes."""
    activation = _activations.Activation(softplus, multiply_by_softplus_derivative, _activations._small_range)
    monkeypatch.setitem(ACTIVATIONS, "softplus", activation)
    constraints = SparseAutoencoderTransformer._parameter_constraints
    for name in ("activation", "code_activation"):
        monkeypatch.setitem(constraints, name, [StrOptions(set(ACTIVATIONS))])


def test_its_derivative(rng):
    Z = rng.normal(size=(5, 3))
    derivative = multiply_by_softplus_derivative(np.ones_like(Z), softplus(Z.copy()))
    assert_allclose(derivative, central_difference(lambda Z: np.logaddexp(0, Z), Z), rtol=1e-8)


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_fits_use_it(blobs, solver):
    model = SparseAutoencoderTransformer(
        4, hidden_layer_sizes=8, activation="softplus", code_activation="softplus", beta=0, solver=solver, tol=0.05,
        max_iter=30, learning_rate_init=0.02, random_state=0,
    ).fit(blobs)  # fmt: skip
    hidden = np.logaddexp(0, blobs @ model.coefs_[0] + model.intercepts_[0])
    code = np.logaddexp(0, hidden @ model.coefs_[1] + model.intercepts_[1])
    assert_allclose(model.transform(blobs), code, rtol=1e-10)
    assert model.loss_curve_["loss"][-1] < 0.8 * model.loss_curve_["loss"][0]


def test_the_kl_term_is_not_for_it(blobs):
    with pytest.raises(ValueError, match=r"KL term, which is defined for logistic encoder layers"):
        SparseAutoencoderTransformer(4, code_activation="softplus").fit(blobs)
