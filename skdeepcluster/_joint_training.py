"""Joint training of an autoencoder and of clusters in its code."""

import sys
from dataclasses import dataclass, fields
from functools import partial
from itertools import islice

import numpy as np
from scipy.sparse import issparse
from scipy.spatial.distance import pdist, squareform
from scipy.special import rel_entr

from ._evaluation import FullBatch, MiniBatch, assign_rows
from ._objectives import (
    EmbeddedClusteringObjective,
    LinearDecoderObjective,
    SparseAutoencoderObjective,
    target_distribution,
)
from ._record import TERMS as AUTOENCODER_TERMS
from ._rows import shuffled_batches
from ._solvers import AdamState, NotFiniteError, adam, minimize
from ._validation import option, total_variance

# The terms of J.
TERMS = (*AUTOENCODER_TERMS, "clustering")

# Batches of an iteration that update_interval=None means at least.
_UPDATE_INTERVAL = 140

# The unit of distance in the code, in root mean square distances of rows from their first centre. The codes in the
# papers, whose unit is 1, are about as large.
_UNITS_PER_RADIUS = 0.1

# Clusters are merged if their centres are nearer than this, in units of distance.
_MERGED_DISTANCE = 0.1


@dataclass(frozen=True)
class JointOptions:
    """The parameters of the estimator that say what is minimised and how; see there."""

    gamma: float
    alpha: float
    reconstruction_weight: float
    update_interval: int | None
    max_iter: int
    tol: float
    batch_size: int
    learning_rate_init: float

    @classmethod
    def of(cls, estimator):
        """The options of an estimator."""
        return cls(**{field.name: option(estimator, field.name) for field in fields(cls)})


class JointTrainer:
    """Minimises J of network and centres, while the target follows the assignments.

    Parameters
    ----------
    network : Network
    X, sample_weight, workers
        As in `Trainer`.
    autoencoder : TrainingOptions
        What the autoencoder's part of J is, and how rows are augmented.
    options : JointOptions
    start : InitialClusters
    random_state : numpy.random.RandomState
        Draws the batches, and serves the augmentation.

    Attributes
    ----------
    unit : float
        Of distances in the code.
    initial_labels : ndarray of int of shape (n_rows,)
        Those of the start.
    labels : ndarray of int of shape (n_rows,)
        The nearest centre of every row, after the last iteration.
    label_changes : list of float
        The share of rows that changed their label in every iteration.
    terms : list of ndarray
        The four terms of J after every iteration, means over its batches.
    """

    def __init__(self, network, X, sample_weight, workers, autoencoder, options, start, random_state):
        self._X = X
        self._sample_weight = sample_weight
        self._workers = workers
        self._options = options
        self._augment, self._corruption = autoencoder.augment, autoencoder.corruption
        self._random_state = random_state
        self.unit = _UNITS_PER_RADIUS * start.radius or 1.0
        reconstructs = options.reconstruction_weight > 0
        clustering_weight = float(options.gamma) * 0.5 * total_variance(X, sample_weight)
        # What J is divided by: only the ratio of its weights counts, and Adam wants gradients well above its epsilon.
        self._scale = float(options.reconstruction_weight) if reconstructs else clustering_weight
        if issparse(X) and reconstructs and network.activations[-1] == "identity":
            self._autoencoder = LinearDecoderObjective(network, **autoencoder.hyperparameters, projected=False)
        else:
            self._autoencoder = SparseAutoencoderObjective(network, **autoencoder.hyperparameters)
        self._objective = EmbeddedClusteringObjective(
            self._autoencoder,
            len(start.centers),
            gamma=clustering_weight / self._scale if reconstructs else 1.0,
            alpha=float(options.alpha),
            unit=self.unit,
            reconstructs=reconstructs,
        )
        self._weights = np.ones(X.shape[0]) if sample_weight is None else sample_weight
        self._targets = np.empty((X.shape[0], len(start.centers)), dtype=X.dtype)
        self._start = start
        self.initial_labels = start.labels
        self.labels = None
        self.label_changes = []
        self.terms = []

    def run(self, coefs, intercepts, *, watch, callback):
        """Train from these parameters of the network on.

        Parameters
        ----------
        coefs, intercepts : lists of ndarrays
        watch : callable
            Wraps the iterator of iterations.
        callback : callable
            ``callback(parameters)`` is called after every iteration, with (coefs, intercepts, centers), which the next
            one changes; see `minimize` for what it returns.

        Returns
        -------
        result : scipy.optimize.OptimizeResult
            As from `minimize`, with ``parameters`` besides.
        """
        state = AdamState.start(self._objective.pack(coefs, intercepts, self._start.centers, self._X.dtype))
        self._set_targets(state.x)
        if self._start.probabilities is not None:
            self._targets[...] = self._start.probabilities
        result = minimize(
            watch(self._iterations(state)),
            state,
            max_iter=self._options.max_iter,
            tol=0,
            n_iter_no_change=1,
            callback=partial(self._after_iteration, callback),
        )
        result.parameters = self._parameters(result.x)
        return result

    def loss(self, parameters):
        """J of all rows, exactly, with their targets for these very parameters, (coefs, intercepts, centers)."""
        theta = self._objective.pack(*parameters, self._X.dtype)
        Q = self._assign(theta)
        P = target_distribution(Q, self._weights @ Q)
        value = self._objective.gamma * np.mean(self._weights * rel_entr(P, Q).sum(axis=1))
        if self._objective.reconstructs:
            autoencoder = FullBatch(self._autoencoder, self._X, self._sample_weight, self._workers)
            value += np.sum(autoencoder.terms(theta[: self._autoencoder.layout.size]))
        if not np.isfinite(value):
            raise NotFiniteError("value not finite after the last step")
        return float(self._scale * value)

    def _iterations(self, state):
        """Iterations of so many batches, without regard to where an epoch ends."""
        batch_size = min(self._options.batch_size, self._X.shape[0])
        batches_per_epoch = -(-self._X.shape[0] // batch_size)
        interval = self._options.update_interval or max(_UPDATE_INTERVAL, batches_per_epoch)
        n_steps = self._options.max_iter * interval
        # What islice counts to.
        n_batches = min(interval, sys.maxsize)
        batches = self._endless_batches(batch_size)
        return adam(
            MiniBatch(
                self._objective,
                self._workers,
                augment=self._augment,
                corruption=self._corruption,
                random_state=self._random_state,
            ),
            state,
            batches=lambda: islice(batches, n_batches),
            step_size=lambda step: self._options.learning_rate_init * (1 - step / n_steps),
            map_=self._workers.map,
        )

    def _endless_batches(self, batch_size):
        while True:
            for batch in shuffled_batches(self._X, self._sample_weight, batch_size, self._random_state):
                yield batch._replace(targets=self._targets[batch.indices])

    def _after_iteration(self, callback, state, terms):
        change = self._set_targets(state.x)
        self.terms.append(self._scale * terms)
        self.label_changes.append(change)
        if reason := callback(self._parameters(state.x)):
            return reason
        return "converged" if self.label_changes[-1] < self._options.tol else None

    def _set_targets(self, theta):
        """Assign every row anew, and sharpen the assignments to targets; returns the share of labels that changed."""
        Q = self._assign(theta)
        labels = Q.argmax(axis=1)
        change = np.nan if self.labels is None else float(np.mean(labels != self.labels))
        self.labels = labels
        self._targets[...] = target_distribution(Q, self._weights @ Q)
        return change

    def _assign(self, theta):
        objective = self._objective
        distances = objective.unit, objective.alpha
        return assign_rows(self._X, objective.network, *self._parameters(theta), *distances, self._workers.map)

    def _parameters(self, theta):
        return *self._objective.layout.unpack(theta), self._objective.centers(theta)


def degenerate_clusters(labels, centers, unit):
    """Clusters without rows, and pairs of clusters that have merged: two lists."""
    empty = np.flatnonzero(np.bincount(labels, minlength=len(centers)) == 0)
    near = squareform(pdist(centers)) <= _MERGED_DISTANCE * unit
    return empty.tolist(), [tuple(pair) for pair in np.argwhere(np.triu(near, k=1)).tolist()]
