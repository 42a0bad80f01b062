"""J in 50 digits from the formulas of docs/method.md and docs/clustering.md; it shares nothing with the package."""

from functools import wraps

from mpmath import mp, mpf


def _in_50_digits(function):
    @wraps(function)
    def exact(*args, **kwargs):
        with mp.workdps(50):
            return function(*args, **kwargs)

    return exact


def _numbers(A):
    """Arrays and lists, exactly, as lists of numbers of mpmath."""
    if getattr(A, "ndim", 1) == 0 or isinstance(A, (float, mpf)):
        return A if isinstance(A, mpf) else mpf(float(A))
    return [_numbers(row) for row in A]


FUNCTIONS = {
    "identity": lambda z: z,
    "logistic": lambda z: 1 / (1 + mp.exp(-z)),
    "tanh": mp.tanh,
    "relu": lambda z: max(z, mpf(0)),
}


def _outputs(X, coefs, intercepts, activations):
    """a_0 = X, a_1, ..., a_L as lists of rows."""
    outputs = [_numbers(X)]
    for W, b, name in zip(coefs, intercepts, activations):
        columns, biases = list(zip(*_numbers(W))), _numbers(b)
        outputs.append([[FUNCTIONS[name](mp.fdot(row, w) + c) for w, c in zip(columns, biases)] for row in outputs[-1]])
    return outputs


def _mean(values, w):
    return mp.fdot(values, w) / mp.fsum(w)


def _weights(X, w):
    return [mpf(1)] * len(X) if w is None else _numbers(w)


def _kl(rho, r):
    return rho * mp.log(rho / r) + (1 - rho) * mp.log((1 - rho) / (1 - r))


@_in_50_digits
def kl(rho, rho_hat):
    return _kl(mpf(rho), mpf(rho_hat))


@_in_50_digits
def kl_derivative(rho, rho_hat):
    rho, r = mpf(rho), mpf(rho_hat)
    return -rho / r + (1 - rho) / (1 - r)


@_in_50_digits
def j_sparse(X, coefs, intercepts, activations, n_encoder_layers, *, rho, beta, lam, w=None, margin=0):
    """J_sparse; rho_hat is held the margin away from 0 and 1."""
    rho, beta, lam, margin, w = mpf(rho), mpf(beta), mpf(lam), mpf(margin), _weights(X, w)
    outputs = _outputs(X, coefs, intercepts, activations)
    errors = [mp.fsum((a - b) ** 2 for a, b in zip(h, x)) / 2 for h, x in zip(outputs[-1], outputs[0])]
    decay = lam / 2 * mp.fsum(v**2 for W in coefs for row in _numbers(W) for v in row)
    divergence = mpf(0)
    for a, name in zip(outputs[1 : n_encoder_layers + 1], activations):
        if name == "logistic":
            means = [_mean(unit, w) for unit in zip(*a)]
            divergence += mp.fsum(_kl(rho, min(max(r, margin), 1 - margin)) for r in means)
    return _mean(errors, w) + decay + beta * divergence


@_in_50_digits
def best_decoder(X, coefs, intercepts, activations, *, lam, w=None):
    """W_2 and b_2 = m_X - m_A W_2 with W_2 = (S + lam I)^-1 T, given the layers below, as lists."""
    A, X, w = _outputs(X, coefs, intercepts, activations)[-1], _numbers(X), _weights(X, w)
    m_A, m_X = [_mean(unit, w) for unit in zip(*A)], [_mean(feature, w) for feature in zip(*X)]
    A = [[a - m for a, m in zip(row, m_A)] for row in A]
    X_centred = [[x - m for x, m in zip(row, m_X)] for row in X]
    S = mp.matrix([[_mean([a * b for a, b in zip(u, v)], w) for v in zip(*A)] for u in zip(*A)])
    T = mp.matrix([[_mean([a * x for a, x in zip(u, f)], w) for f in zip(*X_centred)] for u in zip(*A)])
    W = (S + mpf(lam) * mp.eye(S.rows)) ** -1 * T
    return W.tolist(), [m - mp.fdot(m_A, W[:, j]) for j, m in enumerate(m_X)]


@_in_50_digits
def j_clustering(X, coefs, intercepts, activations, n_encoder_layers, centers, *, gamma, alpha, unit, w=None):
    """gamma V 1/n sum_i sum_j p_ij log(p_ij / q_ij), with the targets p of the q at these very parameters."""
    Z = _outputs(X, coefs, intercepts, activations)[n_encoder_layers]
    X, centers, w, alpha, unit = _numbers(X), _numbers(centers), _weights(X, w), mpf(alpha), mpf(unit)
    Q = []
    for z in Z:
        squares = [mp.fsum((a - b) ** 2 for a, b in zip(z, mu)) for mu in centers]
        kernel = [(1 + d / (alpha * unit**2)) ** (-(alpha + 1) / 2) for d in squares]
        Q.append([k / mp.fsum(kernel) for k in kernel])
    f = [mp.fdot(w, q) for q in zip(*Q)]
    P = [[q**2 / f_j for q, f_j in zip(row, f)] for row in Q]
    P = [[p / mp.fsum(row) for p in row] for row in P]
    divergences = [mp.fsum(p * mp.log(p / q) for p, q in zip(*rows)) for rows in zip(P, Q)]
    m_X = [_mean(feature, w) for feature in zip(*X)]
    V = _mean([mp.fsum((x - m) ** 2 for x, m in zip(row, m_X)) / 2 for row in X], w)
    return mpf(gamma) * V * _mean(divergences, w)


@_in_50_digits
def neighbor_term(code, group_size, unit, w=None):
    """T of groups of neighbours, one after the other."""
    Z, w, u = _numbers(code), _weights(code, w), mpf(float(unit))
    m, total = len(Z), mpf(0)

    def phi(a, b):
        return 1 / (1 + mp.fsum((p - q) ** 2 for p, q in zip(a, b)) / u**2)

    for i in range(m):
        first = i // group_size * group_size
        others = [j for j in range(first, first + group_size) if j != i]
        denominator = mp.fsum(w[k] * phi(Z[i], Z[k]) for k in range(m) if k != i)
        drawn = mp.fsum(w[j] * mp.log(phi(Z[i], Z[j])) for j in others) / mp.fsum(w[j] for j in others)
        total += w[i] * (mp.log(denominator) - drawn)
    return total / m
