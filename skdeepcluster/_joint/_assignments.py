"""Soft assignments of rows to cluster centres, their target, and the divergence between the two, in float64."""

from scipy.special import rel_entr, xlogy

from .._arrays import concatenated, is_numpy, namespace, row_products, wide
from .._data import map_blocks


def soft_assignments(Z, centers, alpha):
    """Student-t similarities of rows to centres, which sum to 1 for every row.

    q_ij is proportional to (1 + ||z_i - mu_j||^2 / alpha)^(-(alpha + 1) / 2).

    Parameters
    ----------
    Z : ndarray of shape (n, h)
    centers : ndarray of shape (K, h)
        mu_j.
    alpha : float > 0
        Degrees of freedom.

    Returns
    -------
    Q : ndarray of shape (n, K), float64
    kernel : ndarray of shape (n, K), float64
        1 / (1 + ||z_i - mu_j||^2 / alpha).

    References
    ----------
    J. Xie, R. Girshick, A. Farhadi, "Unsupervised deep embedding for clustering analysis", 2016, equation 1.
    """
    log_Q, log_kernel = _log_assignments(*_from_the_middle(Z, centers), alpha)
    xp = namespace(Z)
    return xp.exp(log_Q), xp.exp(log_kernel)


def _from_the_middle(Z, centers):
    """Z and the centres in float64, seen from the mean of the centres: products cancel less near the origin."""
    centers = wide(centers)
    middle = namespace(centers).mean(centers, axis=0)
    return wide(Z) - middle, centers - middle


def _log_assignments(Z, centers, alpha):
    xp = namespace(Z)
    squares = row_products(Z, Z)[:, None] + row_products(centers, centers)
    squares -= 2 * (Z @ centers.T)
    log_kernel = -xp.log1p(xp.clip(squares, 0, None) / alpha)
    logits = (alpha + 1) / 2 * log_kernel
    logits = logits - xp.max(logits, axis=1, keepdims=True)
    return logits - xp.log(xp.sum(xp.exp(logits), axis=1, keepdims=True)), log_kernel


def target_distribution(Q, frequencies):
    """p_ij = (q_ij^2 / f_j) / sum_k (q_ik^2 / f_k): Q sharpened, and clusters of many rows held back.

    Parameters
    ----------
    Q : ndarray of shape (n, K)
    frequencies : ndarray of shape (K,)
        f_j = sum_i w_i q_ij over all rows of the data.

    Returns
    -------
    P : ndarray of shape (n, K)

    References
    ----------
    Xie et al., 2016, equation 3.
    """
    xp = namespace(Q)
    P = Q * Q / xp.clip(frequencies, float(xp.finfo(Q.dtype).smallest_normal), None)
    P /= xp.sum(P, axis=1, keepdims=True)
    return P


def clustering_divergence(Z, centers, P, alpha, sample_weight=None):
    """sum_i w_i KL(p_i || q_i) with P fixed, and its derivatives with respect to Z and to the centres.

    Of the weighted matrix C_ij = (alpha + 1) / alpha * w_i (p_ij - q_ij) / (1 + ||z_i - mu_j||^2 / alpha) these are

        d/dz_i = sum_j C_ij (z_i - mu_j),   d/dmu_j = -sum_i C_ij (z_i - mu_j)

    Parameters
    ----------
    Z : ndarray of shape (n, h)
    centers : ndarray of shape (K, h)
    P : ndarray of shape (n, K)
    alpha : float > 0
    sample_weight : ndarray of shape (n,), default=None
        None means ones.

    Returns
    -------
    value : float
    code_gradient : ndarray of shape (n, h), float64
    center_gradient : ndarray of shape (K, h), float64

    References
    ----------
    Xie et al., 2016, equations 2, 4 and 5.
    """
    Z, centers = _from_the_middle(Z, centers)
    log_Q, log_kernel = _log_assignments(Z, centers, alpha)
    # log q is finite where q itself is too small for a float.
    xp = namespace(Z)
    divergences = _with_own_log(P) - P * log_Q
    C = (P - xp.exp(log_Q)) * xp.exp(log_kernel) * ((alpha + 1) / alpha)
    if sample_weight is not None:
        divergences *= sample_weight[:, None]
        C *= sample_weight[:, None]
    code_gradient = xp.sum(C, axis=1)[:, None] * Z - C @ centers
    center_gradient = xp.sum(C, axis=0)[:, None] * centers - C.T @ Z
    return xp.sum(divergences), code_gradient, center_gradient


def mean_divergence(P, Q, sample_weight):
    """Mean over rows of w_i KL(p_i || q_i)."""
    xp = namespace(P)
    if is_numpy(P):
        of_rows = rel_entr(P, Q).sum(axis=1)
    else:
        of_rows = xp.sum(_with_own_log(P) - P * xp.log(xp.where(P > 0, Q, 1.0)), axis=1)
    return float(xp.mean(of_rows if sample_weight is None else sample_weight * of_rows))


def _with_own_log(P):
    """p log p, and 0 of p = 0."""
    if is_numpy(P):
        return xlogy(P, P)
    xp = namespace(P)
    return P * xp.log(xp.where(P > 0, P, 1.0))


def assign_rows(X, encoder, centers, unit, alpha, map_=map):
    """Soft assignments of all rows of X to the centres, shape (n_rows, n_clusters), with the blocks shared by map_.

    encoder are the `Layers` up to the code; centers and unit are on its scale.
    """

    def assign(rows, block):
        return soft_assignments(encoder.outputs(block)[-1] / unit, centers / unit, alpha)[0]

    return concatenated(list(map_blocks(assign, X, encoder.n_units, map_)))
