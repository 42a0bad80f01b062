"""Joint deep clustering: the autoencoder and the clusters in its code, refined together."""

import warnings
from functools import partial
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils import assert_all_finite, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from .._arrays import namespace
from .._base import AutoencoderMixin, unchanged_on_error
from .._data import DataInMemory, canonical_data, effective_rows, iterate_blocks
from .._joint import JointFit, assign_rows, degenerate_clusters, engine_options, fitted_encoder, number_in_code
from .._solvers import Status
from .._support._callbacks import CallbackSupportMixin
from .._support._checks import FLOAT_TYPES, NOT_NEGATIVE, POSITIVE, Number, finite_outputs
from .._support._threads import with_workers
from .._support._typing import ArrayLike, Float, Int, MatrixLike, RandomState, fit_context
from .._training import explained_overflow, run_fit
from ..autoencoder import SparseAutoencoderTransformer
from ..exceptions import DegenerateClusteringWarning, InterruptedFitWarning


class DeepEmbeddedClustering(CallbackSupportMixin, ClusterMixin, AutoencoderMixin, BaseEstimator):
    """Joint deep clustering: an autoencoder, and clusters in its code that are refined together with it (DEC, IDEC).

    An autoencoder is trained, clusters are found in its code, and then the weights and the cluster centres together
    minimise::

        J(W, b, mu) = J_sparse(W, b)  +  gamma V 1/n sum_i sum_j p_ij log(p_ij / q_ij)
        q_ij  =  (1 + ||z_i - mu_j||^2 / (alpha s^2))^(-(alpha + 1) / 2),
                 divided by the sum of these over j
        p_ij  =  (q_ij^2 / f_j) / sum_k (q_ik^2 / f_k),   f_j = sum_i q_ij

    J_sparse is what `SparseAutoencoderTransformer` minimises, z_i is the code of row i, and q_ij the probability that
    row i belongs to cluster j, and p_ij sharpens it: rows are drawn to the centres that they are near to already. p is
    fixed, and computed anew from all rows after every `update_interval` batches. Two constants make the parameters mean
    the same on every scale. V is the reconstruction error of nothing but the mean, 1/n sum_i 1/2 ||x_i - mean(x)||^2,
    which is half the number of features if they are standardised; s is a tenth of the root mean square distance of rows
    from their first centre, which counts as a thousandth of that from the mean of all rows if it is less. With
    ``reconstruction_weight=0`` J is the second term alone.

    Parameters
    ----------
    n_clusters : int or "auto", default=8
        Number of clusters. "auto" takes that of 2 to 30, at most a fifth of the rows, that
        `skdeepcluster.model_selection.estimate_n_clusters` finds in the code by "modularity"; rows of any positive
        weight count alike.
    encoder : SparseAutoencoderTransformer or FrozenEstimator, default=None
        The autoencoder to begin with. A clone of it is fitted; a fitted one in a `sklearn.frozen.FrozenEstimator` is
        taken as it is, and is not changed. Its rho, beta and lam go on to be those of J_sparse, its `augment` and
        `corruption` to make the rows that J is computed on, while p comes from the rows as they are; its `n_neighbors`,
        if it has them, to be a term of J_sparse, whose graph is found anew. None means the network that
        ``docs/neighbors.md`` recommends: hidden layers of 256 and 256 units, a logistic code of 32, ``rho=0.2, beta=1,
        lam=1e-4, corruption=0.1, n_neighbors=7``; with fewer than 500 rows that of ``docs/deep.md`` for standardised
        tables: the same hidden layers, a linear code of 8, ``beta=0, lam=3e-4, corruption=0.1``, trained on 5,000
        batches.
    gamma : float, default=0.1
        Weight of the clustering term, > 0.
    alpha : float, default=1.0
        Degrees of freedom of q, > 0.
    reconstruction_weight : float, default=1.0
        Weight of J_sparse, >= 0. With 0, which is DEC, the decoder is left as it was pretrained (unless its weights are
        tied to the encoder's), and nothing keeps the code from losing what does not help to tell the clusters apart.
    update_interval : int, default=None
        Number of batches between two computations of p: an iteration. None means 140, as in the papers, or 40 if the
        encoder has `n_neighbors`; or an epoch if that has more batches: to compute p takes about a sixth of an epoch.
    max_iter : int, default=None
        Largest number of iterations. The step of Adam falls linearly to zero over them. None means 50, or 3 if the
        encoder has `n_neighbors`: such a code has clusters already, of which the refinement only tidies the edges.
    tol : float, default=1e-3
        Training stops when less than this share of the rows change their cluster in an iteration.
    batch_size : int, default=None
        Rows of a batch, at most all, or with repetitions if the encoder has `n_neighbors`. None means 256, and 1024 if
        it has, from 20,000 rows on.
    learning_rate_init : float, default=0.001
        First step size of Adam.
    init : {"least_cut", "gaussian_mixture", "kmeans"}, default=None
        How the first clusters are found in the code. "kmeans" takes the least inertia of several runs. "least_cut", of
        runs that are hardly worse, the one that parts the fewest neighbours in the code. "gaussian_mixture" has full
        covariances, which tell apart long clusters that KMeans does not; its probabilities are the first p. None means
        "least_cut" if the encoder has `n_neighbors`, whose code has round clusters with gaps, "gaussian_mixture" if
        not. A row of weight 2 counts as two in KMeans and the mixture.
    n_init : int, default=10
        Number of runs, each from another KMeans or other centres, of which the best gives the start. "least_cut" has
        two more, from merged clusters.
    random_state : int, RandomState instance or None, default=None
        Draws the start of the encoder, if that has no random_state of its own; the first clusters; the batches, and
        what `augment` and `corruption` need. An int gives the same result at every fit.
    verbose : int, default=0
        1 prints J and its terms about once a second, and once how long a long fit will take; 2 after every iteration.
        The encoder has its own.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        Cluster of every row: the nearest centre.
    n_clusters_ : int
        Number of clusters.
    cluster_centers_ : ndarray of shape (n_clusters, n_components)
        mu, in the code.
    distance_unit_ : float
        s, on the scale of the code.
    initial_labels_ : ndarray of shape (n_samples,)
        Clusters that were found in the code before the refinement, numbered alike; of the rows of positive weight.
    encoder_ : SparseAutoencoderTransformer
        The encoder before the refinement.
    coefs_, intercepts_ : lists of ndarrays
        Weights and biases of every layer after it, as in `SparseAutoencoderTransformer`.
    loss_ : float
        J of the fitted parameters on the training data, exactly, with p for these parameters; a term of neighbours is
        that of the batches of one epoch, as in `SparseAutoencoderTransformer`.
    loss_curve_ : ndarray of shape (`n_iter_`,)
        Structured, with the fields "loss", "reconstruction", "weight_decay", "sparsity", perhaps "neighbors", and
        "clustering": J and its terms, means over the batches of every iteration, each before its step.
    label_change_ : list of float, of length `n_iter_`
        Share of the rows whose cluster changed in every iteration; at first, from that of the nearest first centre.
    n_iter_ : int
        Number of iterations.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in `fit`, if all are strings.

    Warns
    -----
    skdeepcluster.exceptions.DegenerateClusteringWarning
        If in the end clusters have no rows, or the centres of two are nearer than a tenth of `distance_unit_`. They are
        reported, and not moved elsewhere: that there are fewer clusters than were asked for is a result.
    skdeepcluster.exceptions.NoStructureWarning, skdeepcluster.exceptions.GridEdgeWarning
        If ``n_clusters="auto"`` found a number of clusters that are no better than those of tables without structure,
        or the largest that it looks for.
    skdeepcluster.exceptions.InterruptedFitWarning
        If Ctrl-C ended the refinement: the estimator has the parameters, and the clusters, up to then. While the
        encoder is trained, Ctrl-C ends that alone, and the refinement begins. A fit that a search calls, or anything
        else but you and a Pipeline, raises a KeyboardInterrupt.
    skdeepcluster.exceptions.CollapsedCodeWarning, skdeepcluster.exceptions.InputScaleWarning
        When the encoder is trained; as in `SparseAutoencoderTransformer`.

    Notes
    -----
    ``docs/studies/clustering.md`` in the repository has measurements: when the refinement helps, and by how much. The
    refinement sharpens the first clusters; a class that was split or merged there stays so. p is kept in memory,
    n_samples x n_clusters numbers, and several times as many while it is computed; X itself may be a `numpy.memmap`.

    With scikit-learn 1.9 or newer, callbacks of this estimator are called after every iteration of the refinement,
    those of `encoder` after the iterations of its own fit. A `skdeepcluster.callbacks.Checkpoint` covers both.

    References
    ----------
    J. Xie, R. Girshick, A. Farhadi, "Unsupervised deep embedding for clustering analysis", 2016 (DEC). X. Guo et al.,
    "Improved deep embedded clustering with local structure preservation", 2017 (IDEC). X. Guo et al., "Deep embedded
    clustering with data augmentation", 2018 (DEC-DA).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster import SparseAutoencoderTransformer
    >>> from skdeepcluster.clustering import DeepEmbeddedClustering
    >>> X, _ = load_iris(return_X_y=True)
    >>> encoder = SparseAutoencoderTransformer(
    ...     2, hidden_layer_sizes=20, code_activation="identity", beta=0
    ... )
    >>> model = make_pipeline(
    ...     StandardScaler(), DeepEmbeddedClustering(3, encoder=encoder, random_state=0)
    ... )
    >>> model.fit_predict(X).shape
    (150,)
    >>> model.predict_proba(X).shape
    (150, 3)
    """

    labels_: np.ndarray
    n_clusters_: int
    cluster_centers_: np.ndarray
    distance_unit_: float
    initial_labels_: np.ndarray
    encoder_: SparseAutoencoderTransformer
    loss_: float
    label_change_: list[float]
    n_iter_: int
    n_features_in_: int
    feature_names_in_: np.ndarray

    _parameter_constraints = {
        "n_clusters": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "encoder": [SparseAutoencoderTransformer, FrozenEstimator, None],
        "gamma": [POSITIVE],
        "alpha": [POSITIVE],
        "reconstruction_weight": [NOT_NEGATIVE],
        "update_interval": [Interval(Integral, 1, None, closed="left"), None],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Number(0, 1, closed="both")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "learning_rate_init": [POSITIVE],
        "init": [StrOptions({"least_cut", "gaussian_mixture", "kmeans"}), None],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # What is run. A subclass may have another `JointFit`.
    _fit_class = JointFit

    def __init__(
        self,
        n_clusters: Int | Literal["auto"] = 8,
        *,
        encoder: SparseAutoencoderTransformer | FrozenEstimator | None = None,
        gamma: Float = 0.1,
        alpha: Float = 1.0,
        reconstruction_weight: Float = 1.0,
        update_interval: Int | None = None,
        max_iter: Int | None = None,
        tol: Float = 1e-3,
        batch_size: Int | None = None,
        learning_rate_init: Float = 0.001,
        init: Literal["least_cut", "gaussian_mixture", "kmeans"] | None = None,
        n_init: Int = 10,
        random_state: RandomState = None,
        verbose: Int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.encoder = encoder
        self.gamma = gamma
        self.alpha = alpha
        self.reconstruction_weight = reconstruction_weight
        self.update_interval = update_interval
        self.max_iter = max_iter
        self.tol = tol
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.init = init
        self.n_init = n_init
        self.random_state = random_state
        self.verbose = verbose

    @unchanged_on_error
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Train the autoencoder, and refine it together with clusters in its code.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data, on the scale that `encoder` needs: standardised for the identity output, in [0, 1] for the
            logistic one. float32 is trained in float32, everything else in float64.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; only their ratios matter, and None weighs every row alike. Rows of weight
            zero take no part, but have a label. A weight below 1e-30 of the largest counts as zero.

        Returns
        -------
        self : DeepEmbeddedClustering
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range, there are more clusters than rows of positive weight, or no more rows than
            `n_neighbors` of the encoder, X is not what the encoder takes, or the loss stops being finite.
        TypeError
            If `encoder` freezes something else than a SparseAutoencoderTransformer.
        RuntimeError
            If this very estimator is being fitted; as in `SparseAutoencoderTransformer`.
        """
        X = canonical_data(self, X, FLOAT_TYPES, reset=True)
        rows, sample_weight = self._rows_to_cluster(X, sample_weight)
        random_state = check_random_state(self.random_state)
        encoder = fitted_encoder(self, rows, sample_weight, random_state)
        with_workers(
            lambda workers: self._refine(encoder, DataInMemory(rows, sample_weight, workers), X, random_state), X
        )
        return self

    def predict(self, X: MatrixLike) -> np.ndarray:
        """Clusters of X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data on the scale of the training data.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Index of the nearest centre in the code.
        """
        probabilities = self._assign(self._rows(X, "predict"))
        return namespace(probabilities).argmax(probabilities, axis=1)

    def predict_proba(self, X: MatrixLike) -> np.ndarray:
        """Soft assignments of X to the clusters: q.

        They are as sharp as training made them, and no calibrated probabilities.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data on the scale of the training data.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_clusters)
            Rows sum to 1.

        Raises
        ------
        ValueError
            If X is not a finite two-dimensional array with the features seen in `fit`, or too large for the fitted
            weights.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        return self._assign(self._rows(X, "predict_proba"))

    def _rows_to_cluster(self, X, sample_weight):
        """The rows of positive weight, and their weights."""
        all_rows = X
        X, sample_weight = effective_rows(X, sample_weight)
        if X.shape[0] < all_rows.shape[0]:
            # The other rows get a label too, so they have to be finite.
            for _, block in iterate_blocks(all_rows):
                assert_all_finite(block, estimator_name=type(self).__name__, input_name="X")
        if self.n_clusters != "auto" and X.shape[0] < self.n_clusters:
            raise ValueError(
                f"n_clusters={self.n_clusters} asks for more clusters than X has rows of positive weight, "
                f"n_samples={X.shape[0]}. Lower n_clusters, or look at sample_weight, which below 1e-30 of the "
                "largest counts as zero, if it is given."
            )
        return X, sample_weight

    def _refine(self, encoder, data, X, random_state):
        """Go through a `JointFit`, and keep what comes of it."""
        # A bool counts as the integer that it is.
        n_clusters = number_in_code(encoder, data.X) if self.n_clusters == "auto" else int(self.n_clusters)
        options = self._fit_class.options_class.of(self, encoder, data.shape[0], n_clusters)
        for_engine = engine_options(encoder, options)
        with explained_overflow(data, for_engine):
            fit = self._fit_class(encoder, data, options, for_engine, random_state)
            run_fit(self, fit, partial(self._keep, fit, X, data.map))

    def _keep(self, fit, X, map_, theta):
        """Set the fitted attributes for parameters that a `JointFit` has reached, with labels of all rows of X."""
        vars(self).update(fit.attributes(theta))
        self.loss_ = fit.loss(theta)
        probabilities = self._assign(X, map_)
        self.labels_ = namespace(probabilities).argmax(probabilities, axis=1)
        _warn_about_end(fit.status)
        _warn_about_clusters(self.labels_, self.cluster_centers_, self.distance_unit_)

    def _assign(self, X, map_=map):
        clusters = self.cluster_centers_, self.distance_unit_, self._alpha
        return finite_outputs(
            lambda: assign_rows(X, self._encoder_layers, *clusters, map_), X, "distance from the centres"
        )


def _warn_about_end(status):
    if status == Status.INTERRUPTED:
        warnings.warn(
            "Training was interrupted: the estimator has the parameters, and the clusters, up to then. A fit with a "
            "skdeepcluster.callbacks.Checkpoint goes on from its file when it is started again as it was.",
            InterruptedFitWarning,
        )


def _warn_about_clusters(labels, centers, unit):
    """Warn about clusters that have no rows, or that cannot be told apart."""
    empty, merged = degenerate_clusters(labels, centers, unit)
    found = []
    if empty:
        found.append(f"the clusters {empty} have no rows")
    if merged:
        found.append(f"the centres of the clusters {', '.join(map(str, merged))} coincide")
    if found:
        warnings.warn(
            f"Of {centers.shape[0]} clusters {' and '.join(found)}. Lower n_clusters or gamma, or fit the encoder for "
            "longer.",
            DegenerateClusteringWarning,
        )
