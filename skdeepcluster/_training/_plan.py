"""What the parameters of an estimator ask for: options, network, start, and the stages of a fit."""

import math
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, fields
from itertools import pairwise
from numbers import Integral
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from .._arrays import to_numpy
from .._network import ACTIVATIONS, initial_parameters, mirrored_network
from .._solvers import AdamState
from .._support._checks import shown

# What max_iter=None means.
_MAX_ITER = {"lbfgs": 300, "adam": 20}

# Epochs of Adam are more on small data, where so many make at least this number of steps.
LEAST_STEPS = 2000

# What learning_rate_init=None means, without hidden layers and with.
_SHALLOW_STEP, _DEEP_STEP = 0.01, 0.001

# What batch_size=None means, and with neighbours and so many rows.
_BATCH, _LARGE_BATCH, _LARGE_BATCH_ROWS = 256, 1024, 20_000

# A batch with neighbours has groups of so many rows. Its step is that for large batches, by the square root for others.
_GROUP_SIZE, _NEIGHBOR_STEP = 8, 0.01

# With neighbours, max_iter=None means so many epochs, or as many as make so many steps; and so for that many rows.
_NEIGHBOR_EPOCHS, _NEIGHBOR_STEPS = 60, 800
_LARGE_NEIGHBOR_EPOCHS, _LARGE_NEIGHBOR_STEPS = 30, 2000

# solver="auto" starts with Adam from so many rows and code units on, for so many epochs; deep stacks stay with it.
_AUTO_ROWS, _AUTO_UNITS, _AUTO_EPOCHS = 25_000, 100, 8


# The options that are hyperparameters of J.
_HYPERPARAMETERS = ("rho", "beta", "lam")


@dataclass(frozen=True)
class TrainingOptions:
    """The parameters of the estimator that say what is minimised and how; see the estimator's docstring."""

    rho: float
    beta: float
    lam: float
    corruption: float = 0.0
    augment: Callable | None = None
    solver: str = "auto"
    max_iter: int | None = None
    tol: float = 1e-3
    n_iter_no_change: int = 10
    batch_size: int | None = None
    learning_rate_init: float = 0.01
    shuffle: bool = True
    early_stopping: bool = False
    n_neighbors: int | None = None
    neighbor_weight: float = 1.0
    metric: str = "euclidean"
    neighbors_transformer: object = None

    @classmethod
    def of(cls, estimator, n_rows=0):
        """The options of an estimator, for so many rows."""
        options = {field.name: option(estimator, field.name) for field in fields(cls)}
        has_neighbors = options["n_neighbors"] is not None
        if options["batch_size"] is None:
            options["batch_size"] = default_batch_size(has_neighbors, n_rows)
        if options["learning_rate_init"] is None:
            options["learning_rate_init"] = _DEEP_STEP if hidden_sizes(estimator.hidden_layer_sizes) else _SHALLOW_STEP
            if has_neighbors:
                share_of_large = min(options["batch_size"], _LARGE_BATCH) / _LARGE_BATCH
                options["learning_rate_init"] = _NEIGHBOR_STEP * math.sqrt(share_of_large)
        return cls(**options)

    @property
    def graph(self):
        """What `neighbors_of` is to find."""
        names = ("n_neighbors", "metric")
        return {name: getattr(self, name) for name in names} | {"transformer": self.neighbors_transformer}

    @property
    def group_size(self):
        """Rows of a group of neighbours."""
        return min(_GROUP_SIZE, self.n_neighbors + 1)

    @property
    def need_adam(self):
        """Whether every batch is drawn anew."""
        return self.corruption > 0 or self.augment is not None

    @property
    def hyperparameters(self):
        """The hyperparameters of J, as Python floats: a NumPy float64 would turn float32 arrays into float64."""
        return {name: float(getattr(self, name)) for name in _HYPERPARAMETERS}


def default_batch_size(has_neighbors, n_rows):
    """What batch_size=None means."""
    return _LARGE_BATCH if has_neighbors and n_rows >= _LARGE_BATCH_ROWS else _BATCH


class Stage(NamedTuple):
    """One run of a solver.

    Attributes
    ----------
    solver : {"adam", "lbfgs"}
    max_iter : int
    tol : float
    layer : int or None
        Encoder layer that is trained with the decoder layer that mirrors it, on the outputs of the layers below; None
        means all layers at once.
    is_prelude : bool
        Whether it goes through all of its iterations, for another stage to go on from.
    n_batches : int or None
        Batches of an iteration of Adam, without regard to where all rows have been seen; None means those of an epoch.
    are_epochs : bool
        Whether iterations of Adam count as epochs, for the rules that end a stage and in the log.
    """

    solver: str
    max_iter: int
    tol: float
    layer: int | None = None
    is_prelude: bool = False
    n_batches: int | None = None
    are_epochs: bool = True

    @property
    def iteration_name(self):
        """What its iterations are called."""
        return "epoch" if self.solver == "adam" and self.are_epochs else "iteration"


def network_of(estimator, n_features):
    """The `Network` that the parameters of an estimator ask for."""
    network = mirrored_network(
        n_features,
        hidden_sizes(estimator.hidden_layer_sizes),
        int(estimator.n_components),
        activation=estimator.activation,
        code_activation=estimator.code_activation,
        output_activation=estimator.output_activation,
        tied=estimator.tied_weights,
    )
    n_weights = sum(map(math.prod, pairwise(network.layer_sizes)))
    # Beyond this, NumPy cannot even count their bytes.
    if n_weights > sys.maxsize // 16:
        raise ValueError(
            f"n_components={shown(estimator.n_components)} and "
            f"hidden_layer_sizes={shown(estimator.hidden_layer_sizes)} make more weights with {n_features} features "
            "than any memory holds. Lower them."
        )
    return network


def is_warm(estimator):
    """Whether `fit` continues from the parameters of the last one."""
    return estimator.warm_start and hasattr(estimator, "coefs_")


def initial_theta(estimator, network, data, random_state):
    """The start of the solver: the last fit's parameters with warm_start, random ones otherwise."""
    if is_warm(estimator):
        return _fitted_theta(estimator, network, data, "warm_start=True continues", "or set warm_start=False")
    # Drawn by NumPy, so that a seed means the same everywhere.
    return data.placed(initial_parameters(network, random_state, data.dtype))


def adam_to_continue(estimator, network, data):
    """State of Adam and random state for `partial_fit` to go on from, as copies."""
    if not hasattr(estimator, "coefs_"):
        random_state = _own_random_state(estimator)
        return AdamState.start(initial_theta(estimator, network, data, random_state)), random_state
    theta = _fitted_theta(estimator, network, data, "partial_fit continues", "or fit a clone of this estimator")
    if estimator._adam is None:
        return AdamState.start(theta), _own_random_state(estimator)
    return deepcopy(estimator._adam)


def _fitted_theta(estimator, network, data, purpose, remedy):
    """The parameters of the last fit, which must be those of the same network."""
    if estimator._network != network:
        names = ("n_components", "hidden_layer_sizes", "activation", "code_activation", "output_activation")
        asked = ", ".join(f"{name}={shown(getattr(estimator, name))}" for name in (*names, "tied_weights"))
        raise ValueError(
            f"{purpose} an earlier fit of a network with {_describe(estimator._network)}, but X and {asked} now ask "
            f"for {_describe(network)}. Keep the parameters and the features of X, {remedy}."
        )
    theta = to_numpy(network.layout.pack(estimator.coefs_, estimator.intercepts_))
    return data.placed(theta.astype(data.dtype, copy=False))


def _own_random_state(estimator):
    """A generator for later calls of `partial_fit`, apart from one that the user may draw from meanwhile."""
    seed = check_random_state(estimator.random_state).randint(np.iinfo(np.int32).max)
    return np.random.RandomState(seed)


def _describe(network):
    tied = "tied" if network.tied else "untied"
    return f"layer sizes {network.layer_sizes}, activations {network.activations} and {tied} weights"


def plan_stages(network, data, options, *, pretrain, warm):
    """The `Stage` list of a fit.

    Parameters
    ----------
    network : Network
    data : DataSource
    options : TrainingOptions
    pretrain : bool
        Whether every layer is trained by itself first, if there is more than one.
    warm : bool
        Whether the start is better than random. Then nothing comes before the training of all layers: the first steps
        of Adam would lose it.
    """
    deep = network.n_encoder_layers > 1
    # Adam gets ahead of L-BFGS there, for good or at first: docs/studies/performance.md has the study.
    many_rows = data.shape[0] >= _AUTO_ROWS and not data.is_sparse and data.is_local
    solver = options.solver
    if solver == "auto":
        needs_adam = options.need_adam or options.n_neighbors is not None
        solver = "adam" if needs_adam or (deep and many_rows) else "lbfgs"
    plain = Stage(solver, _n_iterations(solver, data, options), options.tol)
    whole = plain
    if options.n_neighbors is not None:
        # Each batch is drawn anew. J falls as the step does, to the end.
        whole = plain._replace(tol=0, n_batches=data.n_batches(options.batch_size))
    if warm:
        return [whole]
    if deep:
        return [plain._replace(layer=layer) for layer in range(network.n_encoder_layers) if pretrain] + [whole]
    if options.solver == "auto" and solver == "lbfgs" and many_rows and min(network.layer_sizes) >= _AUTO_UNITS:
        return [Stage("adam", _AUTO_EPOCHS, 0, is_prelude=True), whole]
    return [whole]


def _n_iterations(solver, data, options):
    if options.max_iter is not None:
        return options.max_iter
    n_iter, least_steps = _MAX_ITER[solver], LEAST_STEPS
    if options.n_neighbors is not None:
        n_iter, least_steps = _NEIGHBOR_EPOCHS, _NEIGHBOR_STEPS
        if data.shape[0] >= _LARGE_BATCH_ROWS:
            n_iter, least_steps = _LARGE_NEIGHBOR_EPOCHS, _LARGE_NEIGHBOR_STEPS
    if solver == "adam" and data.is_local:
        return max(n_iter, -(-least_steps // data.n_batches(options.batch_size)))
    return n_iter


def option(estimator, name):
    """A parameter of an estimator. NumPy's integers, which overflow, become Python's."""
    value = getattr(estimator, name)
    return int(value) if isinstance(value, np.integer) else value


def check_options(network, options):
    """Raise if parameters, each of them valid, do not go together."""
    check_sparsity(network, options)
    if options.n_neighbors is not None and options.solver == "lbfgs":
        raise ValueError(
            f"n_neighbors={options.n_neighbors} compares the rows of a batch, and solver='lbfgs' has no batches. Set "
            "solver='adam' or 'auto', or n_neighbors=None."
        )
    if options.need_adam and options.solver == "lbfgs":
        drawn = f"corruption={options.corruption}" if options.corruption > 0 else f"augment={options.augment!r}"
        raise ValueError(
            f"{drawn} draws every batch anew, and solver='lbfgs' has no batches. Set solver='adam' or 'auto', "
            "corruption=0 and augment=None."
        )


def learns_from_batches(estimator):
    """Whether an estimator has `partial_fit`; else an AttributeError that says what it needs."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit learns by Adam: it needs solver='adam' or solver='auto', not 'lbfgs'.")
    return True


def check_chunk_options(estimator):
    """Raise if `partial_fit`, which sees a chunk of the rows, would need all of them."""
    if estimator.early_stopping:
        raise ValueError(
            "early_stopping=True holds out rows of all the data, which partial_fit does not see at once. Set "
            "early_stopping=False, and hold out rows yourself."
        )
    if estimator.n_neighbors is not None:
        raise ValueError(
            f"n_neighbors={estimator.n_neighbors} looks for neighbours among all rows, which partial_fit does not see "
            "at once. Set n_neighbors=None, or fit to all rows."
        )


def check_sparsity(network, options):
    """Raise if beta > 0 and no unit of the encoder has a KL term."""
    names = network.activations[network.encoder]
    if options.beta > 0 and not any(ACTIVATIONS[name].is_probability for name in names):
        raise ValueError(
            f"beta={options.beta} weighs the KL term, which is defined for logistic encoder layers, but "
            f"activation and code_activation make them {names}. Set beta=0, or code_activation='logistic'."
        )


def hidden_sizes(hidden_layer_sizes):
    """hidden_layer_sizes as a tuple of int, of one number or of several."""
    sizes = tuple(np.atleast_1d(np.asarray(hidden_layer_sizes, dtype=object)).tolist())
    if not all(isinstance(size, Integral) and not isinstance(size, bool) and size > 0 for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes={shown(hidden_layer_sizes)} must hold positive integers, one for each layer."
        )
    return tuple(map(int, sizes))
