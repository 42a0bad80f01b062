"""J in float64 from the formulas of docs/method.md; it shares nothing with the package. In 50 digits: `exact`."""

import numpy as np
from scipy.special import expit

FUNCTIONS = {
    "identity": lambda z: z,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda z: np.where(z > 0, z, 0),
}


def terms_of_j(X, coefs, intercepts, activations, n_encoder_layers, *, rho, beta, lam, w=None):
    """Reconstruction, weight decay and KL term, an array."""
    w = np.ones(len(X)) if w is None else w
    output, decay, divergence = X, 0.0, 0.0
    for layer, (W, b, name) in enumerate(zip(coefs, intercepts, activations)):
        output = FUNCTIONS[name](output @ W + b)
        decay += np.sum(W**2)
        if name == "logistic" and layer < n_encoder_layers:
            rho_hat = w @ output / w.sum()
            divergence += np.sum(rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / (1 - rho_hat)))
    error = w @ ((output - X) ** 2).sum(axis=1) / 2 / w.sum()
    return np.array([error, lam / 2 * decay, beta * divergence])


def j_sparse(X, *layers, **hyperparameters):
    return terms_of_j(X, *layers, **hyperparameters).sum()


def neighbor_term(code, group_size, unit, w=None):
    """T of a batch of groups of neighbours, one after the other."""
    w, groups = np.ones(len(code)) if w is None else w, np.arange(len(code)) // group_size
    phi = 1 / (1 + ((code[:, np.newaxis] - code) ** 2).sum(axis=2) / unit**2)
    others = ~np.eye(len(code), dtype=bool)
    in_group = w * (others & (groups[:, np.newaxis] == groups))
    drawn = (in_group * np.log(phi)).sum(axis=1) / in_group.sum(axis=1)
    return np.mean(w * (np.log((w * phi * others).sum(axis=1)) - drawn))
