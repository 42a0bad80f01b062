"""The refinement of an autoencoder together with clusters in its code, as a fit of the common engine."""

from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
from scipy.spatial.distance import pdist, squareform

from .._arrays import astype, concatenated, namespace, to_numpy, wide
from .._data import neighbors_of, outputs_of
from .._objectives import SparseAutoencoderObjective, choose_objectives
from .._solvers import NotFiniteError, Status
from .._support._checks import finite_outputs
from .._support._threads import with_one_openmp_thread, with_workers
from .._training import (
    Curve,
    Field,
    Fit,
    FitState,
    Problem,
    Stage,
    TrainingOptions,
    are_between,
    check_batches_of_neighbors,
    default_batch_size,
    option,
    up_to,
    with_neighbor_term,
)
from ._assignments import assign_rows, mean_divergence, target_distribution
from ._objective import EmbeddedClusteringObjective
from ._start import initial_clusters

# update_interval=None means an epoch, but at least this number of batches; with neighbours in J, the second.
_UPDATE_INTERVAL, _NEIGHBOR_UPDATE_INTERVAL = 140, 40

# What max_iter=None means, and with neighbours in J, whose code has clusters already.
_MAX_ITER, _NEIGHBOR_MAX_ITER = 50, 3

# The unit of distance in the code: this share of the root mean square distance of rows from their first centre. In the
# papers the unit is 1, and their codes have about that size in this unit.
_UNITS_PER_RADIUS = 0.1

# Clusters whose centres are nearer than this, in units of distance, count as merged.
_MERGED_DISTANCE = 0.1


@dataclass(frozen=True)
class JointOptions:
    """The parameters of the estimator that say what is minimised and how; see the estimator's docstring."""

    n_clusters: int
    gamma: float
    alpha: float
    reconstruction_weight: float
    update_interval: int | None
    max_iter: int
    tol: float
    batch_size: int
    learning_rate_init: float
    init: str
    n_init: int

    @classmethod
    def of(cls, estimator, encoder, n_rows, n_clusters):
        """The options of an estimator, for so many rows, their encoder, and the number of clusters."""
        options = {field.name: option(estimator, field.name) for field in fields(cls)}
        has_neighbors = encoder.n_neighbors is not None
        if options["max_iter"] is None:
            options["max_iter"] = _NEIGHBOR_MAX_ITER if has_neighbors else _MAX_ITER
        if options["init"] is None:
            options["init"] = "least_cut" if has_neighbors else "gaussian_mixture"
        if options["batch_size"] is None:
            options["batch_size"] = default_batch_size(has_neighbors, n_rows)
        return cls(**options | {"n_clusters": n_clusters})


def engine_options(encoder, options):
    """The options of the engine: the encoder's J and noise, and the batches and steps of `JointOptions`."""
    own = {"batch_size": options.batch_size, "learning_rate_init": options.learning_rate_init}
    return replace(TrainingOptions.of(encoder), **own, shuffle=True, early_stopping=False)


class JointFit(Fit):
    """Minimises J of network and centres, while the targets follow the assignments.

    What it adds to `Fit`: clusters in the code to begin with, targets that are computed anew between iterations, and an
    end when hardly any row changes its cluster. Its state keeps ``initial_labels`` and ``radius`` of the start, and
    ``label_changes``, the share of the rows that changed their cluster in every iteration.

    Parameters
    ----------
    encoder : SparseAutoencoderTransformer
        Fitted.
    data : DataInMemory
    options : JointOptions
    training_options : TrainingOptions
        What `engine_options` returns.
    random_state : numpy.random.RandomState
        Draws the start and the batches, and serves the augmentation.

    Attributes
    ----------
    objective : EmbeddedClusteringObjective
        Its unit of distance is 1 until the fit has begun.
    labels : ndarray of int of shape (n_rows,)
        The nearest centre of every row, after the last iteration.
    """

    # What another joint clusterer has of its own.
    objective_class = EmbeddedClusteringObjective
    options_class = JointOptions

    def __init__(self, encoder, data, options, training_options, random_state):
        network = encoder._network
        self.joint_options = options
        self.labels = None
        self._encoder = encoder
        n_batches = options.update_interval
        if n_batches is None:
            least = _UPDATE_INTERVAL if encoder.n_neighbors is None else _NEIGHBOR_UPDATE_INTERVAL
            n_batches = max(least, data.n_batches(options.batch_size))
        if training_options.n_neighbors is not None and options.reconstruction_weight == 0:
            # There is no J_sparse that they would be a term of.
            training_options = replace(training_options, n_neighbors=None)
        if training_options.n_neighbors is not None:
            check_batches_of_neighbors(training_options)
            data = data.with_neighbors(neighbors_of(data.X, **training_options.graph, map_=data.map))
        fitted = astype(network.layout.pack(encoder.coefs_, encoder.intercepts_), data.X.dtype)
        centers_to_come = data.placed(np.zeros(options.n_clusters * network.n_components, dtype=data.dtype))
        super().__init__(
            network,
            data.with_targets(data.placed(np.zeros((data.shape[0], options.n_clusters), dtype=data.dtype))),
            training_options,
            stages=[Stage("adam", options.max_iter, tol=0, n_batches=n_batches, are_epochs=False)],
            state=FitState(concatenated([fitted, centers_to_come]), random_state),
            given_start=fitted,
        )
        forms = choose_objectives(network, self.options.hyperparameters, is_sparse=data.is_sparse)
        self.objective = self._joint_objective(forms.exact)
        self._objectives = forms._replace(on_batches=self.objective)

    def begin(self):
        """Find the first clusters, if there are none, and set the targets."""
        state, start = self.state, None
        if not state.own:
            start = self._first_clusters()
            state.own = {
                "initial_labels": start.labels,
                "radius": np.float64(start.radius),
                "label_changes": np.zeros(0),
            }
        self.objective.unit = _UNITS_PER_RADIUS * float(state.own["radius"]) or 1.0
        if start is not None:
            centers = self.data.placed(start.centers)
            state.theta = self.objective.pack(self._encoder.coefs_, self._encoder.intercepts_, centers)
            state.theta = astype(state.theta, self.data.X.dtype)
        self._set_targets(state.theta if state.solver_state is None else state.solver_state.x)
        if start is not None and start.probabilities is not None:
            self.data.targets[...] = astype(self.data.placed(start.probabilities), self.data.X.dtype)

    def objectives(self, layer):
        return self._objectives

    def update(self, theta):
        """Set the targets anew; it is over when hardly any row has changed its cluster."""
        before = self.labels
        self._set_targets(theta())
        change = float(namespace(before).mean(wide(self.labels != before)))
        self.state.own["label_changes"] = np.append(self.state.own["label_changes"], change)
        return Status.CONVERGED if self.is_over() else None

    def is_over(self):
        changes = self.state.own["label_changes"]
        return len(changes) > 0 and bool(changes[-1] < self.joint_options.tol)

    def own_fields(self):
        n_clusters, stage = self.joint_options.n_clusters, self.stages[0]
        labels = f"labels below {n_clusters}"
        return {
            "initial_labels": Field(np.signedinteger, (self.data.shape[0],), labels, are_between(0, n_clusters - 1)),
            "radius": Field(np.float64, (), "a length", self._is_radius),
            "label_changes": Field(np.float64, (up_to(stage.max_iter),), "shares of the rows", are_between(0, 1)),
        }

    def owns(self, state):
        return len(state.own["label_changes"]) == len(state.terms[0])

    def _is_radius(self, radius):
        # Its square, and one over that, are numbers too, unless all rows have one code.
        numbers = np.finfo(self.data.dtype)
        unit = _UNITS_PER_RADIUS * radius
        return bool(radius == 0 or np.sqrt(numbers.tiny) <= unit <= np.sqrt(numbers.max))

    def loss(self, theta):
        """J of all rows, exactly, with their targets for these very parameters."""
        value = self.objective.gamma * self.clustering_loss(theta)
        if self.objective.reconstructs:
            autoencoder = self.objective.autoencoder
            problem = Problem(self._objectives._replace(on_batches=autoencoder), self.data, self.options, None)
            value += np.sum(problem.terms(theta[: autoencoder.layout.size]))
        if not np.isfinite(value):
            raise NotFiniteError("value not finite after the last step")
        return float(self.objective.scale * value)

    def clustering_loss(self, theta):
        """The clustering term of all rows without its weight."""
        Q = self._assign(theta)
        return mean_divergence(self.targets_for(Q), Q, self.data.sample_weight)

    def targets_for(self, Q):
        """What the soft assignments Q of all rows are to become."""
        w = namespace(Q).ones_like(Q[:, 0]) if self.data.sample_weight is None else self.data.sample_weight
        return target_distribution(Q, w @ Q)

    def attributes(self, theta):
        coefs, intercepts, _ = self.network.layers(theta)
        terms, own = self.state.terms[0] if self.state.terms else [], self.state.own
        return {
            "encoder_": self._encoder,
            "_network": self.network,
            "coefs_": coefs,
            "intercepts_": intercepts,
            "n_clusters_": self.joint_options.n_clusters,
            "cluster_centers_": self.objective.centers(theta),
            "distance_unit_": self.objective.unit,
            "initial_labels_": self.data.placed(own["initial_labels"]),
            "_alpha": self.objective.alpha,
            "labels_": self.labels,
            "_curve": Curve.of(self.term_names, terms),
            "label_change_": own["label_changes"][: len(terms)].tolist(),
            "n_iter_": len(terms),
        }

    @property
    def unknown_attributes(self):
        return {"loss_": np.nan}

    def objective_parameters(self):
        """Arguments of `objective_class` besides those of `EmbeddedClusteringObjective`."""
        return {}

    def _first_clusters(self):
        """The `InitialClusters` in the code of the encoder."""
        options, X = self.joint_options, self.data.X
        code = finite_outputs(lambda: outputs_of(X, self._encoder._encoder_layers), X, "code")
        find_clusters = partial(
            initial_clusters,
            to_numpy(code),
            to_numpy(self.data.sample_weight),
            options.n_clusters,
            init=options.init,
            n_init=options.n_init,
            random_state=self.state.random_state,
        )
        # With several OpenMP threads, KMeans would add up in a changing order. BLAS has one thread within this.
        return with_workers(lambda workers: with_one_openmp_thread(find_clusters))

    def _joint_objective(self, autoencoder):
        """The objective of network and clusters, given the one of the network."""
        options = self.joint_options
        reconstructs = options.reconstruction_weight > 0
        if not reconstructs:
            # Without reconstruction, the sums of `LinearDecoderObjective` over a sparse X would not be used.
            autoencoder = SparseAutoencoderObjective(self.network, **self.options.hyperparameters)
        half_variance = 0.5 * self.data.total_variance
        if self.options.n_neighbors is not None:
            autoencoder = with_neighbor_term(autoencoder, half_variance, self.options)
        clustering_weight = float(options.gamma) * half_variance
        # J is divided by this, so that gradients are well above Adam's epsilon, whatever the weights.
        scale = float(options.reconstruction_weight) if reconstructs else clustering_weight
        return self.objective_class(
            autoencoder,
            options.n_clusters,
            gamma=clustering_weight / scale if reconstructs else 1.0,
            alpha=float(options.alpha),
            unit=1.0,
            reconstructs=reconstructs,
            scale=scale,
            **self.objective_parameters(),
        )

    def _set_targets(self, theta):
        """Assign every row anew, and make targets of the assignments."""
        Q = self._assign(theta)
        self.labels = namespace(Q).argmax(Q, axis=1)
        self.data.targets[...] = astype(self.targets_for(Q), self.data.X.dtype)

    def _assign(self, theta):
        encoder = self.network.layers(theta).part(self.network.encoder)
        objective = self.objective
        distances = objective.centers(theta), objective.unit, objective.alpha
        return assign_rows(self.data.X, encoder, *distances, self.data.map)


def degenerate_clusters(labels, centers, unit):
    """Clusters without rows, and pairs of clusters that have merged: two lists."""
    labels, centers = to_numpy(labels), to_numpy(centers)
    empty = np.flatnonzero(np.bincount(labels, minlength=len(centers)) == 0)
    near = squareform(pdist(centers)) <= _MERGED_DISTANCE * unit
    return empty.tolist(), [tuple(pair) for pair in np.argwhere(np.triu(near, k=1)).tolist()]
