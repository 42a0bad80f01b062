"""The terms of the objectives: small functions that return a value and its derivative."""

import numpy as np

from ._block import weigh_rows

# Nearest that a mean activation may come to 0 or 1: log and 1 / rho_hat stay finite for saturated units. About 1e-15,
# and as far from 1 as from 0 in working precision.
_RHO_HAT_MARGIN = 2.0**-50

# Numbers that differ by less than this share of themselves have the digits of their logarithms in their difference.
_NEAR = 0.1

# Products that are added up in the precision of the data before float64 takes over.
_RUN = 1024


def inner_product(A, B):
    """sum_ij A_ij B_ij of contiguous arrays of one shape, in float64 but for runs of 1024 products."""
    a, b = np.ravel(A), np.ravel(B)
    n_in_runs = a.size // _RUN * _RUN
    runs = np.einsum("ij,ij->i", a[:n_in_runs].reshape(-1, _RUN), b[:n_in_runs].reshape(-1, _RUN))
    return runs.sum(dtype=np.float64) + float(np.dot(a[n_in_runs:], b[n_in_runs:]))


def half_squared_error(H, X, sample_weight=None, out=None):
    """Sum over rows of w_i / 2 ||h_i - x_i||^2, and its derivative w_i (h_i - x_i) with respect to H.

    Parameters
    ----------
    H, X : ndarrays of shape (n, d)
    sample_weight : ndarray of shape (n,), default=None
        None means ones.
    out : ndarray of shape (n, d), default=None
        Place for the derivative; may be H.

    Returns
    -------
    value : float
        Accumulated in float64, but for runs within which float32 is exact enough.
    derivative : ndarray of shape (n, d), of the type of H
    """
    R = np.subtract(H, X, out=out)
    if sample_weight is None:
        return 0.5 * inner_product(R, R), R
    value = 0.5 * np.dot(sample_weight, np.einsum("ij,ij->i", R, R, dtype=np.float64))
    return value, weigh_rows(R, sample_weight)


def weight_decay(W, lam):
    """lam / 2 ||W||_F^2; its derivative is lam W."""
    return 0.5 * lam * inner_product(W, W)


def kl_divergence(rho, rho_hat):
    """KL(rho || rho_hat_j) of two Bernoulli variables, summed over units, and its derivative.

    Parameters
    ----------
    rho : float in (0, 1)
        Target mean activation.
    rho_hat : ndarray of shape (n_units,), float64
        Mean activations; held 2^-50 away from 0 and 1.

    Returns
    -------
    value : float
        sum_j rho log(rho / rho_hat_j) + (1 - rho) log((1 - rho) / (1 - rho_hat_j)).
    derivative : ndarray of shape (n_units,)
        -rho / rho_hat_j + (1 - rho) / (1 - rho_hat_j).
    """
    r = np.clip(rho_hat, _RHO_HAT_MARGIN, 1 - _RHO_HAT_MARGIN)
    d = r - rho
    # A large beta multiplies what the two logarithms, of opposite sign, leave of each other.
    value = np.sum(rho * _log_ratio(rho, r, d) + (1 - rho) * _log_ratio(1 - rho, 1 - r, -d))
    return value, d / (r * (1 - r))


def _log_ratio(p, q, difference):
    """log(p / q), given the difference q - p."""
    is_near = np.abs(difference) < _NEAR * p
    return np.where(is_near, -np.log1p(np.where(is_near, difference, 0.0) / p), np.log(p / q))
