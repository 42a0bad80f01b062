"""The sparse autoencoder as a scikit-learn transformer."""

from collections.abc import Callable
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ._base import AutoencoderMixin, unchanged_on_error
from ._data import DataInMemory, training_data
from ._network import ACTIVATIONS
from ._support._callbacks import CallbackSupportMixin
from ._support._checks import FLOAT_TYPES, NOT_NEGATIVE, POSITIVE, Number, check_library
from ._support._threads import with_workers
from ._support._typing import (
    Activation,
    ArrayLike,
    Float,
    Int,
    Ints,
    MatrixLike,
    RandomState,
    available_if,
    fit_context,
)
from ._training import AutoencoderFit, check_chunk_options, fit_and_keep, fit_chunk_and_keep, learns_from_batches

__all__ = ["SparseAutoencoderTransformer"]


class SparseAutoencoderTransformer(CallbackSupportMixin, AutoencoderMixin, BaseEstimator):
    """Sparse autoencoder whose code is the feature space for clustering.

    An encoder, whose last layer is the code, and a decoder that mirrors it, trained to reproduce their input: it
    minimises::

        J(W, b) = 1/n sum_i 1/2 ||h(x_i) - x_i||^2  +  lam/2 sum_l ||W_l||_F^2
                  +  beta sum_j KL(rho || rho_hat_j)

    where rho_hat_j is the mean activation of unit j, over all units of logistic encoder layers, and
    KL(rho || r) = rho log(rho / r) + (1 - rho) log((1 - rho) / (1 - r)). Biases carry no weight decay.

    Parameters
    ----------
    n_components : int, default=32
        Number of code units.
    hidden_layer_sizes : int or array-like of int, default=()
        Units of the layers between input and code; the decoder has them in reverse.
    activation : {"relu", "logistic", "tanh", "identity"}, default="relu"
        Activation of these layers, in encoder and decoder.
    code_activation : {"logistic", "relu", "tanh", "identity"}, default="logistic"
        Activation of the code. If neither it nor `activation` is "logistic", the KL term has no units: set ``beta=0``.
    output_activation : {"identity", "logistic"}, default="identity"
        Activation of the output layer: "identity" for standardised data, "logistic" for data in [0, 1].
    tied_weights : bool, default=False
        Whether the decoder's weights are the transposed encoder's, which halves the number of parameters.
    rho : float, default=0.5
        Mean activation that each logistic encoder unit is drawn to, strictly between 0 and 1.
    beta : float, default=1.0
        Weight of the KL term, >= 0.
    lam : float, default=0.001
        Weight of the weight decay, >= 0. Too large a value collapses the code.
    corruption : float, default=0.0
        Probability, below 1, with which a number of the input is set to zero while the clean input is reconstructed (a
        denoising autoencoder). New noise for every batch: needs Adam, which "auto" then is.
    augment : callable, default=None
        ``augment(X_batch, random_state) -> X_batch``: what is learned from in place of the rows of a batch, such as
        images that are shifted and turned a little at random. Seen and reconstructed; `corruption` comes after it. It
        gets an array or CSR matrix of shape (n_rows, n_features), which it must not write to, and the
        `numpy.random.RandomState` to draw from, and returns one of the same shape. Needs Adam, which "auto" then is.
    n_neighbors : int, default=None
        Number of nearest rows that a row is drawn to in the code, and away from others, so that it falls into clusters
        (see Notes); None leaves the term out. Needs Adam, which "auto" then is, through all of `max_iter`.
    neighbor_weight : float, default=1.0
        Weight of that term, > 0, in units of half the total variance of X.
    metric : {"euclidean", "cosine"}, default="euclidean"
        By which rows are near, in 50 principal components if there are more features; "cosine" scales rows to length 1.
    neighbors_transformer : transformer, default=None
        Finds the neighbours in place of that: one like `sklearn.neighbors.KNeighborsTransformer`. A clone of it is
        fitted to the rows that are trained on; its `n_neighbors` is set, if it has that parameter.
    pretrain : {"layerwise"} or None, default=None
        Whether `fit` first trains every encoder layer, with the decoder layer that mirrors it, as an autoencoder of its
        own on the outputs of the layers below, which it holds in memory, by the same solver. Nothing to do without
        hidden layers.
    solver : {"auto", "lbfgs", "adam"}, default="auto"
        "lbfgs" works on all rows at once, with the identity output layer solved for exactly at every step unless its
        weights are tied; "adam" on batches of rows, with a step that falls linearly to zero over `max_iter` epochs;
        "auto" is "lbfgs" but for dense X of 25,000 rows or more: then it is "adam" with hidden layers, and without them
        "lbfgs" after a few epochs of "adam" if there are 100 code units or more. For data larger than memory, "adam".
    max_iter : int, default=None
        Largest number of iterations of L-BFGS, or of epochs with ``solver="adam"``; None means 300, and 20 or as many
        as make 2,000 batches. The 8 epochs with which "auto" may begin come on top. Each pretrained layer has as many.
    tol : float, default=1e-3
        Training stops when iterations lower J by no more than ``tol`` times J each, on average over the last
        `n_iter_no_change` (so after one more at the soonest); 0 goes on to `max_iter`. With ``solver="adam"`` the same
        holds for epochs; where they have fewer than 20 batches, as many as have 20 count as one, with the mean of their
        J. As long as the reconstruction is hardly better than the mean row, 0.01 ``tol`` takes the place of ``tol``:
        J often rests there before it falls on. All of this holds for each pretrained layer, too.
    n_iter_no_change : int, default=10
        Number of iterations, or epochs, over which the decrease of J is averaged.
    early_stopping : bool, default=False
        Whether to hold out rows, to stop when in `n_iter_no_change` iterations or epochs the mean squared error on them
        has not fallen by more than ``tol`` times itself below its best, in place of the rule above, and to end with the
        parameters that were best on them.
    validation_fraction : float, default=0.1
        Fraction of the rows to hold out, drawn at random: with the same random_state the same rows of the same number,
        whatever holds them. Those of a `numpy.memmap` above 128 MB stay in the file, with the others.
    batch_size : int, default=None
        Rows of a batch of Adam, at most all, or with repetitions if there are `n_neighbors`; None means 256, and with
        `n_neighbors` 1024 from 20,000 rows on.
    learning_rate_init : float, default=None
        First step size of Adam; None means 0.01 without `hidden_layer_sizes`, and 0.001 with; with `n_neighbors` 0.01
        for batches of 1024 rows or more, 0.005 for 256, by the square root between.
    shuffle : bool, default=True
        Whether Adam takes the rows in a new random order in every epoch. Data above 128 MB is shuffled in parts that
        are drawn from all over it.
    warm_start : bool, default=False
        Whether `fit` continues from the parameters of the last one, if there was one, without pretraining.
    random_state : int, RandomState instance or None, default=None
        Draws the initial weights, the held-out rows, the batches and the noise. An int gives the same result at every
        fit.
    verbose : int, default=0
        1 prints J and its terms about once a second, and once how long a long fit will take; 2 after every iteration.

    Attributes
    ----------
    coefs_ : list of ndarrays
        Weights W_l of shape (n_in, n_out) of every layer, first encoder, then decoder.
    intercepts_ : list of ndarrays
        Biases b_l of shape (n_out,).
    loss_ : float
        J of the fitted parameters on the training data, exactly (with `partial_fit`, on the last chunk); the neighbour
        term is that of the batches of one epoch, drawn by a generator of its own, the same in every fit.
    loss_curve_ : ndarray of shape (`n_iter_`,)
        Structured: J, "loss", and its terms, "reconstruction", "weight_decay", "sparsity", and perhaps "neighbors",
        after every iteration of L-BFGS; for every epoch of Adam the means over its batches, each before its step.
    pretraining_loss_curves_ : list of ndarrays
        The same for every layer that was pretrained.
    validation_scores_ : list of float
        With `early_stopping`, `score` on the held-out rows after every iteration or epoch, less their neighbour term.
    mean_activation_ : ndarray of shape (n_components,)
        The (weighted) mean of each code unit over the training data: rho_hat.
    n_iter_ : int
        Number of iterations and epochs, without pretraining.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in `fit`, if all are strings.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        If `max_iter` ends L-BFGS before `tol` does, or no lower J can be found in working precision. Adam's epochs are
        planned, and end without a warning.
    skdeepcluster.exceptions.CollapsedCodeWarning
        If no code unit varies by a standard deviation of at least 1e-3.
    skdeepcluster.exceptions.TrivialReconstructionWarning
        If the squared error is above 98 % of that of the mean row; with `partial_fit` after 2,000 steps at the soonest.
    skdeepcluster.exceptions.InputScaleWarning
        If the input is far from standardised, with the identity output: the mean square of the features is outside
        [0.1, 10] on average, or above 100 for one of them.
    skdeepcluster.exceptions.InterruptedFitWarning
        If `fit` was interrupted by Ctrl-C while training: it then ends with the parameters of that moment, or the best
        on the held-out rows. `loss_` and `mean_activation_` are NaN if it was interrupted while these were computed.
        A fit that a search calls, or anything else but you and a Pipeline, raises a KeyboardInterrupt.

    Notes
    -----
    The defaults were chosen for one hidden layer, on standardised data of 13 to 784 features, with KMeans on the code:
    ``docs/studies/defaults.md``. Deep stacks are in ``docs/studies/deep.md``, the cost in ``docs/performance.md``.

    A fit uses as many threads as BLAS has, and gives the same result for every number of them; meanwhile the BLAS of
    the process has one thread. Of fits that run at the same time in threads of one process, the first has the threads.
    Fit a clone in each. With scikit-learn's Array API, arrays of PyTorch and others are worked on where they are, on a
    GPU too: ``docs/array_api.md``.

    In a batch, rho_hat is the mean over the batch. As the KL term is convex in it, its mean over batches is above its
    value for all rows, the more the smaller the batch. `loss_` has no such bias. Rows of weight zero take no part.

    With `n_neighbors`, a batch of m rows is made of random ones, each with up to seven of its neighbours, drawn at
    random, its group; g(i) has the others of that of row i. With V half the total variance of X, J has a fourth term::

        neighbor_weight V/m sum_i [ log sum_{k != i} phi(z_i, z_k)
                                    -  mean_{j in g(i)} log phi(z_i, z_j) ]

    where phi(a, b) = 1 / (1 + ||a - b||^2 / u^2), z is the code, and u is 0.3 if it is logistic, 0.6 if tanh, else 1.
    Rows count by their weights in all sums. Early stopping adds 2 / `n_features_in_` times the term of held-out rows.
    The step rises in a tenth of `max_iter`; None means 60 epochs or 800 batches, from 20,000 rows on 30 or 2000.

    With scikit-learn 1.9 or newer, `fit` calls the callbacks of ``set_callbacks`` after every iteration. One of them
    may end training, as Ctrl-C does: ``docs/training.md``.

    References
    ----------
    A. Ng, "Sparse autoencoder", CS294A lecture notes, 2011, section 3. Y. Bengio et al., "Greedy layer-wise training of
    deep networks", 2007. P. Vincent et al., "Stacked denoising autoencoders", 2010. S. Damrich et al., "From t-SNE to
    UMAP with contrastive learning", 2023.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster import SparseAutoencoderTransformer
    >>> X, _ = load_iris(return_X_y=True)
    >>> code = SparseAutoencoderTransformer(8, random_state=0)
    >>> model = make_pipeline(StandardScaler(), code, KMeans(3)).fit(X)
    >>> model[:-1].transform(X).shape
    (150, 8)
    """

    loss_: float
    validation_scores_: list[float]
    mean_activation_: np.ndarray
    n_iter_: int
    n_features_in_: int
    feature_names_in_: np.ndarray

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "code_activation": [StrOptions(set(ACTIVATIONS))],
        "output_activation": [StrOptions({"identity", "logistic"})],
        "tied_weights": ["boolean"],
        "rho": [Number(0, 1, closed="neither")],
        "beta": [NOT_NEGATIVE],
        "lam": [NOT_NEGATIVE],
        "corruption": [Number(0, 1, closed="left")],
        "augment": [callable, None],
        "pretrain": [StrOptions({"layerwise"}), None],
        "solver": [StrOptions({"auto", "lbfgs", "adam"})],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [NOT_NEGATIVE],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Number(0, 1, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "neighbor_weight": [POSITIVE],
        "metric": [StrOptions({"euclidean", "cosine"})],
        "neighbors_transformer": [HasMethods("fit_transform"), None],
        "learning_rate_init": [POSITIVE, None],
        "shuffle": ["boolean"],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components: Int = 32,
        *,
        hidden_layer_sizes: Int | Ints = (),
        activation: Activation = "relu",
        code_activation: Activation = "logistic",
        output_activation: Literal["identity", "logistic"] = "identity",
        tied_weights: bool = False,
        rho: Float = 0.5,
        beta: Float = 1.0,
        lam: Float = 0.001,
        corruption: Float = 0.0,
        augment: Callable[[Any, np.random.RandomState], MatrixLike] | None = None,
        n_neighbors: Int | None = None,
        neighbor_weight: Float = 1.0,
        metric: Literal["euclidean", "cosine"] = "euclidean",
        neighbors_transformer: Any = None,
        pretrain: Literal["layerwise"] | None = None,
        solver: Literal["auto", "lbfgs", "adam"] = "auto",
        max_iter: Int | None = None,
        tol: Float = 1e-3,
        n_iter_no_change: Int = 10,
        early_stopping: bool = False,
        validation_fraction: Float = 0.1,
        batch_size: Int | None = None,
        learning_rate_init: Float | None = None,
        shuffle: bool = True,
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: Int = 0,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.code_activation = code_activation
        self.output_activation = output_activation
        self.tied_weights = tied_weights
        self.rho = rho
        self.beta = beta
        self.lam = lam
        self.corruption = corruption
        self.augment = augment
        self.n_neighbors = n_neighbors
        self.neighbor_weight = neighbor_weight
        self.metric = metric
        self.neighbors_transformer = neighbors_transformer
        self.pretrain = pretrain
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.shuffle = shuffle
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @property
    def pretraining_loss_curves_(self) -> list[np.ndarray]:
        """The loss curve of every layer that was pretrained, as `loss_curve_`."""
        check_is_fitted(self)
        return [curve.array() for curve in self._pretraining_curves]

    @unchanged_on_error
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: MatrixLike, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Train the autoencoder on X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data, standardised for the identity output, in [0, 1] for the logistic one. float32 is trained in
            float32, everything else in float64. A float32 or float64 `numpy.memmap` is read in blocks and not copied,
            unless there are sample weights of zero.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; only their ratios matter, and None weighs every row alike. A weight below
            1e-30 of the largest counts as zero.

        Returns
        -------
        self : SparseAutoencoderTransformer
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range or does not go with another, X is not a finite two-dimensional array, X
            leaves [0, 1] with the logistic output, `augment` returns another shape or what is not finite, a weight is
            negative or all are zero, the shapes do not fit the earlier fit with ``warm_start=True``, or the loss stops
            being finite.
        RuntimeError
            If this very estimator is being fitted, by another thread, or from within, as by a callback.
        """
        X, sample_weight = training_data(self, X, sample_weight, FLOAT_TYPES, reset=True)
        with_workers(
            lambda workers: fit_and_keep(self, AutoencoderFit.of(self, DataInMemory(X, sample_weight, workers))), X
        )
        return self

    @available_if(learns_from_batches)
    @unchanged_on_error
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: MatrixLike, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Go on training by one pass of Adam over X, a chunk of the data.

        The first call draws the initial weights; every call goes on from what the last `fit` or `partial_fit` left, in
        its precision, with a step of `learning_rate_init` that does not fall. `loss_`, `mean_activation_` and the
        warnings are about this chunk, `loss_curve_` and `n_iter_` go on.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Chunk of training data; see `fit`.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; only their ratios within the chunk matter; see `fit`.

        Returns
        -------
        self : SparseAutoencoderTransformer
            The fitted estimator.

        Raises
        ------
        ValueError
            As `fit`, or if the number of features or a parameter that shapes the network is not that of the earlier
            calls.
        RuntimeError
            As `fit`.
        AttributeError
            If ``solver="lbfgs"``.
        """
        check_chunk_options(self)
        first, dtype = not hasattr(self, "coefs_"), FLOAT_TYPES
        if not first:
            check_library(self, X, "partial_fit")
            dtype = self.coefs_[0].dtype
        X, sample_weight = training_data(self, X, sample_weight, dtype, reset=first)
        self._adam = with_workers(lambda workers: fit_chunk_and_keep(self, DataInMemory(X, sample_weight, workers)), X)
        return self
