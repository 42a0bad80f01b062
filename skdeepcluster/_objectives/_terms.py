"""The terms of the objectives: small functions that return a value and its derivative."""

import numpy as np

# Nearest that a mean activation may come to 0 or 1: log and 1 / rho_hat stay finite for saturated units.
_RHO_HAT_MARGIN = 1e-15


def half_squared_error(H, X, sample_weight=None):
    """Sum over rows of w_i / 2 ||h_i - x_i||^2, and its derivative w_i (h_i - x_i) with respect to H.

    Parameters
    ----------
    H, X : ndarrays of shape (n, d)
    sample_weight : ndarray of shape (n,), default=None
        None means ones.

    Returns
    -------
    value : float
        Accumulated in float64 whatever the data's type.
    derivative : ndarray of shape (n, d), of the type of H
    """
    R = H - X
    row_sums = np.einsum("ij,ij->i", R, R, dtype=np.float64)
    if sample_weight is None:
        return 0.5 * row_sums.sum(), R
    R *= sample_weight[:, np.newaxis].astype(R.dtype, copy=False)
    return 0.5 * np.dot(sample_weight, row_sums), R


def weight_decay(W, lam):
    """lam / 2 ||W||_F^2 and its derivative lam W."""
    return 0.5 * lam * np.vdot(W, W), lam * W


def kl_divergence(rho, rho_hat):
    """KL(rho || rho_hat_j) of two Bernoulli variables, summed over units, and its derivative.

    Parameters
    ----------
    rho : float in (0, 1)
        Target mean activation.
    rho_hat : ndarray of shape (n_units,), float64
        Mean activations; held 1e-15 away from 0 and 1.

    Returns
    -------
    value : float
        sum_j rho log(rho / rho_hat_j) + (1 - rho) log((1 - rho) / (1 - rho_hat_j)).
    derivative : ndarray of shape (n_units,)
        -rho / rho_hat_j + (1 - rho) / (1 - rho_hat_j).
    """
    r = np.clip(rho_hat, _RHO_HAT_MARGIN, 1 - _RHO_HAT_MARGIN)
    value = np.sum(rho * np.log(rho / r) + (1 - rho) * np.log((1 - rho) / (1 - r)))
    return value, -rho / r + (1 - rho) / (1 - r)
