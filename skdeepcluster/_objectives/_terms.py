"""The terms of J: functions of arrays that return a value and its derivative, and penalties of a network's outputs."""

from abc import ABC, abstractmethod
from itertools import accumulate, pairwise

from .._arrays import astype, concatenated, namespace, row_products, wide, widest
from .._network import ACTIVATIONS
from ._block import inner_product, sum_over_rows, weigh_rows

# Mean activations are kept this far from 0 and from 1, so that log(rho_hat) and 1 / rho_hat are finite for saturated
# units. It is about 1e-15, and 1 minus it is exact in float64.
_RHO_HAT_MARGIN = 2.0**-50

# log(p / q) loses digits where p / q is near 1. Where p and q differ by less than this share of p, it is computed from
# their difference.
_NEAR = 0.1


def half_squared_error(H, X, sample_weight=None, *, in_place=False):
    """Sum over rows of w_i / 2 ||h_i - x_i||^2, and its derivative w_i (h_i - x_i) with respect to H.

    Parameters
    ----------
    H, X : arrays of shape (n, d)
    sample_weight : ndarray of shape (n,), default=None
        None means ones.
    in_place : bool, default=False
        Whether the derivative overwrites H.

    Returns
    -------
    value : float
        Accumulated in float64, but for runs of 1024 products, whose sum float32 holds exactly enough.
    derivative : ndarray of shape (n, d), of the type of H
    """
    if in_place:
        H -= X
    R = H if in_place else H - X
    if sample_weight is None:
        return 0.5 * inner_product(R, R), R
    value = 0.5 * (sample_weight @ row_products(R, R, widest(R)))
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
    xp = namespace(rho_hat)
    r = xp.clip(rho_hat, _RHO_HAT_MARGIN, 1 - _RHO_HAT_MARGIN)
    d = r - rho
    # Near rho the two parts nearly cancel. Their errors have to be small, as a large beta multiplies them.
    value = xp.sum(rho * _log_ratio(rho, r, d) + (1 - rho) * _log_ratio(1 - rho, 1 - r, -d))
    return value, d / (r * (1 - r))


def _log_ratio(p, q, difference):
    """log(p / q), given the difference q - p."""
    xp = namespace(q)
    is_near = xp.abs(difference) < _NEAR * p
    return xp.where(is_near, -xp.log1p(xp.where(is_near, difference, 0.0) / p), xp.log(p / q))


class Penalty(ABC):
    """A term of J that depends on means over rows of what the encoder's layers put out.

    Attributes
    ----------
    name : str
        Of the term, as in `loss_curve_`.
    hyperparameters : tuple of str
        Names of those that it takes, as keyword arguments after the network.
    n_sums : int
        Number of means.
    """

    name: str
    hyperparameters: tuple[str, ...]
    n_sums: int

    @abstractmethod
    def sums(self, outputs, sample_weight):
        """Weighted sums over rows, shape (n_sums,), in float64, given the outputs of the encoder's layers."""

    @abstractmethod
    def value(self, means):
        """The term, given these sums divided by the sum of the weights."""

    def unit_gradients(self, means, n_rows, dtype):
        """The part of the derivative by a layer's outputs that is the same for all rows of weight 1.

        It is a dict of layers to arrays of shape (n_units,); n_rows is the number of all rows.
        """
        return {}

    def row_gradients(self, outputs, means, n_rows):
        """The part of it that differs between rows, as if every weight were 1.

        It is a dict of layers to new arrays of shape (rows of the block, n_units), which are overwritten.
        """
        return {}


class SparsityPenalty(Penalty):
    """beta * sum_j KL(rho || rho_hat_j), with j over every unit of every logistic encoder layer.

    Parameters
    ----------
    network : Network
    rho : float in (0, 1)
    beta : float >= 0
    """

    name = "sparsity"
    hyperparameters = ("rho", "beta")

    def __init__(self, network, *, rho, beta):
        self.rho = rho
        self.beta = beta
        encoder = enumerate(network.activations[network.encoder])
        self._layers = [layer for layer, name in encoder if ACTIVATIONS[name].is_probability]
        self._parts = _parts_of(network.layer_sizes[layer + 1] for layer in self._layers)
        self.n_sums = self._parts[-1].stop if self._layers else 0

    def sums(self, outputs, sample_weight):
        """Of the activations of all units j."""
        sums = [sum_over_rows(outputs[layer], sample_weight) for layer in self._layers]
        return concatenated(sums) if sums else wide(namespace(outputs[0]).sum(outputs[0][:0, :0], axis=0))

    def value(self, rho_hat):
        return self.beta * kl_divergence(self.rho, rho_hat)[0]

    def unit_gradients(self, rho_hat, n_rows, dtype):
        derivative = astype(self.beta / n_rows * kl_divergence(self.rho, rho_hat)[1], dtype)
        return {layer: derivative[part] for layer, part in zip(self._layers, self._parts)}


# The penalties of J, in the order of its terms.
PENALTIES = [SparsityPenalty]


class Penalties:
    """All penalties of J.

    Parameters
    ----------
    network : Network
    **hyperparameters
        Of the penalties. One that is not given has its default.
    """

    def __init__(self, network, **hyperparameters):
        if unknown := hyperparameters.keys() - {name for kind in PENALTIES for name in kind.hyperparameters}:
            raise TypeError(f"No penalty has the hyperparameters {sorted(unknown)}.")
        self._network = network
        self._penalties = [
            kind(network, **{name: hyperparameters[name] for name in kind.hyperparameters if name in hyperparameters})
            for kind in PENALTIES
        ]
        self._parts = _parts_of(penalty.n_sums for penalty in self._penalties)

    @property
    def names(self):
        return tuple(penalty.name for penalty in self._penalties)

    def sums(self, outputs, sample_weight):
        """The sums of all, one after the other."""
        return concatenated([penalty.sums(outputs, sample_weight) for penalty in self._penalties])

    def values(self, means):
        """The terms, given the means of all, as a list."""
        return [penalty.value(means[part]) for penalty, part in zip(self._penalties, self._parts)]

    def unit_gradients(self, means, n_rows, dtype):
        """The sum of those of all."""
        pairs = zip(self._penalties, self._parts)
        return _added(*(penalty.unit_gradients(means[part], n_rows, dtype) for penalty, part in pairs))

    def output_gradients(self, block, outputs, shared, code_gradient=None):
        """Derivatives of all penalties by the outputs of layers, for backpropagation to add.

        They are a dict of layers to arrays of shape (n_units,) or (rows of the block, n_units). shared has n_rows, of
        all rows, means and unit_gradients. code_gradient, or None, is added for the code.
        """
        gradients = shared.unit_gradients
        if block.sample_weight is not None:
            w = block.sample_weight[:, None]
            gradients = {layer: astype(w, unit.dtype) * unit for layer, unit in gradients.items()}
        for penalty, part in zip(self._penalties, self._parts):
            if own := penalty.row_gradients(outputs, shared.means[part], shared.n_rows):
                own = {layer: weigh_rows(rows, block.sample_weight) for layer, rows in own.items()}
                gradients = _added(gradients, own)
        if code_gradient is None:
            return gradients
        return _added(gradients, {self._network.n_encoder_layers - 1: code_gradient})


def _parts_of(sizes):
    """Slices of so many numbers each, one after the other."""
    return [slice(*part) for part in pairwise([0, *accumulate(sizes)])]


def _added(first, *others):
    """Sum of dicts of arrays, key by key."""
    added = first
    for other in others:
        if other:
            added = added | {key: added[key] + array if key in added else array for key, array in other.items()}
    return added
