"""The sparse autoencoder as a scikit-learn transformer."""

import warnings
from copy import deepcopy
from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from ._base import FLOAT_TYPES, AutoencoderMixin, unchanged_on_error
from ._network import Network
from ._parameters import ParameterLayout, initial_parameters
from ._solvers import AdamState
from ._threads import workers
from ._training import Trainer
from ._validation import check_values, code_variance, effective_rows, warn_if_collapsed

__all__ = ["SparseAutoencoderTransformer"]


def _learns_from_batches(estimator):
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit learns by Adam: it needs solver='adam' or solver='auto', not 'lbfgs'.")
    return True


class SparseAutoencoderTransformer(AutoencoderMixin, BaseEstimator):
    """Sparse autoencoder whose code is the feature space for clustering.

    One logistic hidden layer, the code, and an output layer, trained to reproduce their input: it minimises

        J(W, b) = 1/n sum_i 1/2 ||h(x_i) - x_i||^2  +  lam/2 sum_l ||W_l||_F^2  +  beta sum_j KL(rho || rho_hat_j)

    where rho_hat_j is the mean activation of code unit j and
    KL(rho || r) = rho log(rho / r) + (1 - rho) log((1 - rho) / (1 - r)). Biases carry no weight decay.

    Parameters
    ----------
    n_components : int, default=32
        Number of code units.
    rho : float, default=0.5
        Mean activation that each code unit is drawn to, strictly between 0 and 1.
    beta : float, default=1.0
        Weight of the KL term, >= 0.
    lam : float, default=0.001
        Weight of the weight decay, >= 0. Too large a value collapses the code.
    output_activation : {"identity", "logistic"}, default="identity"
        Activation of the output layer: "identity" for standardised data, "logistic" for data in [0, 1].
    solver : {"auto", "lbfgs", "adam"}, default="auto"
        "lbfgs" works on all rows at once, with the identity output layer solved for exactly at every step; "adam" on
        batches of rows, with a step that falls linearly to zero over `max_iter` epochs; "auto" is "lbfgs", after a few
        epochs of "adam" if X is dense, with 25,000 rows or more, and has 100 code units or more. For data larger than
        memory, "adam".
    max_iter : int, default=None
        Largest number of iterations of L-BFGS, or of epochs with ``solver="adam"``; None means 300 and 20. The 8 epochs
        with which "auto" may begin come on top.
    tol : float, default=1e-3
        Training stops when iterations lower J by no more than ``tol`` times J each, on average over the last
        `n_iter_no_change` (so after one more at the soonest); 0 goes on to `max_iter`. With ``solver="adam"`` the same
        holds for epochs.
    n_iter_no_change : int, default=10
        Number of iterations, or epochs, over which the decrease of J is averaged.
    batch_size : int, default=256
        Rows of a batch of Adam, at most all.
    learning_rate_init : float, default=0.01
        First step size of Adam.
    shuffle : bool, default=True
        Whether Adam takes the rows in a new random order in every epoch. Data above 128 MB is shuffled in parts that
        are drawn from all over it.
    warm_start : bool, default=False
        Whether `fit` continues from the parameters of the last one, if there was one.
    random_state : int, RandomState instance or None, default=None
        Draws the initial weights and the batches. An int gives the same result at every fit.
    verbose : int, default=0
        Whether `fit` prints J after every iteration or epoch.

    Attributes
    ----------
    coefs_ : list of 2 ndarrays
        Weights W_l of shapes (n_features, n_components) and (n_components, n_features).
    intercepts_ : list of 2 ndarrays
        Biases b_l of shapes (n_components,) and (n_features,).
    loss_ : float
        J of the fitted parameters on the training data, exactly (with `partial_fit`, on the last chunk).
    loss_curve_ : list of float, length n_iter_
        J after every iteration of L-BFGS; for every epoch of Adam the mean over its batches, each before its step.
    mean_activation_ : ndarray of shape (n_components,)
        rho_hat, the (weighted) mean of each code unit over the training data.
    n_iter_ : int
        Number of iterations and epochs.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen in `fit`, if all are strings.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        If `max_iter` ends L-BFGS before `tol` does, or no lower J can be found in working precision. Adam's epochs are
        planned, and end without a warning.
    skdeepcluster.exceptions.CollapsedCodeWarning
        If no code unit varies by a standard deviation of at least 1e-3.
    skdeepcluster.exceptions.InputScaleWarning
        If the input is far from standardised, with the identity output: the mean square of the features is outside
        [0.1, 10] on average, or above 100 for one of them.

    Notes
    -----
    The defaults were chosen for standardised data of 13 to 784 features, with KMeans on the code; ``docs/defaults.md``
    in the repository has the study, ``docs/performance.md`` what a fit costs and how "auto" was chosen.

    A fit uses as many threads as BLAS has, and gives the same result for every number of them; meanwhile the BLAS of
    the process has one thread. Of fits that run at the same time in threads of one process, the first has the threads.
    Other code that sets the limits of BLAS meanwhile, in another thread, may change the last digits.

    In a batch, rho_hat is the mean over the batch. As the KL term is convex in it, its mean over batches is above its
    value for all rows, the more the smaller the batch. `loss_` has no such bias. Rows of weight zero take no part.

    References
    ----------
    A. Ng, "Sparse autoencoder", CS294A lecture notes, 2011, section 3.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster import SparseAutoencoderTransformer
    >>> X, _ = load_iris(return_X_y=True)
    >>> autoencoder = SparseAutoencoderTransformer(8, random_state=0)
    >>> model = make_pipeline(StandardScaler(), autoencoder, KMeans(3, random_state=0))
    >>> model.fit_predict(X).shape
    (150,)
    >>> model[:-1].transform(X).shape
    (150, 8)
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "rho": [Interval(Real, 0, 1, closed="neither")],
        "beta": [Interval(Real, 0, None, closed="left")],
        "lam": [Interval(Real, 0, None, closed="left")],
        "output_activation": [StrOptions({"identity", "logistic"})],
        "solver": [StrOptions({"auto", "lbfgs", "adam"})],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "shuffle": ["boolean"],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components=32,
        *,
        rho=0.5,
        beta=1.0,
        lam=0.001,
        output_activation="identity",
        solver="auto",
        max_iter=None,
        tol=1e-3,
        n_iter_no_change=10,
        batch_size=256,
        learning_rate_init=0.01,
        shuffle=True,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.rho = rho
        self.beta = beta
        self.lam = lam
        self.output_activation = output_activation
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.shuffle = shuffle
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
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
            Non-negative weights of the rows; only their ratios matter, and None weighs every row alike.

        Returns
        -------
        self : SparseAutoencoderTransformer
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range, X is not a finite two-dimensional array, X leaves [0, 1] with the logistic
            output, a weight is negative or all are zero, the shapes do not fit the earlier fit with
            ``warm_start=True``, or the loss stops being finite.
        """
        with unchanged_on_error(self), workers() as crew:
            X, sample_weight = self._validate_training_data(X, sample_weight, FLOAT_TYPES, reset=True)
            trainer = self._make_trainer(X, sample_weight, crew)
            random_state = check_random_state(self.random_state)
            theta, loss_curve = self._solve(trainer, self._initial_theta(X, random_state), X, random_state)
            self._store(trainer, theta, loss_curve, X, sample_weight)
            self._adam = None
        return self

    @available_if(_learns_from_batches)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
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
            Non-negative weights of the rows; only their ratios within the chunk matter.

        Returns
        -------
        self : SparseAutoencoderTransformer
            The fitted estimator.

        Raises
        ------
        ValueError
            As `fit`, or if the number of features or `n_components` is not that of the earlier calls.
        AttributeError
            If ``solver="lbfgs"``.
        """
        first = not hasattr(self, "coefs_")
        with unchanged_on_error(self), workers() as crew:
            dtype = FLOAT_TYPES if first else self.coefs_[0].dtype
            X, sample_weight = self._validate_training_data(X, sample_weight, dtype, reset=first)
            trainer = self._make_trainer(X, sample_weight, crew)
            state, random_state, loss_curve = self._adam_to_continue(X)
            try:
                with np.errstate(over="ignore", invalid="ignore"):
                    state, value = trainer.adam_pass(state, **self._batch_options(X, random_state))
            except FloatingPointError as error:
                raise self._not_finite(X, error) from error
            self._store(trainer, state.x, [*loss_curve, value], X, sample_weight)
            self._adam = state, random_state
        return self

    def _validate_training_data(self, X, sample_weight, dtype, *, reset):
        # Whether values are finite is checked block by block, with the rest.
        X = validate_data(self, X, accept_sparse="csr", dtype=dtype, ensure_all_finite=False, reset=reset)
        if issparse(X) and not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        X, sample_weight = effective_rows(X, sample_weight)
        check_values(X, sample_weight, self.output_activation, type(self).__name__)
        return X, sample_weight

    def _make_trainer(self, X, sample_weight, crew):
        return Trainer(self._make_network(X), X, sample_weight, crew, rho=self.rho, beta=self.beta, lam=self.lam)

    def _make_network(self, X):
        return Network(
            layer_sizes=(X.shape[1], self.n_components, X.shape[1]),
            activations=("logistic", self.output_activation),
            n_encoder_layers=1,
        )

    def _initial_theta(self, X, random_state):
        """The start of the solver: the last fit's parameters with warm_start, random ones otherwise."""
        if self._is_warm():
            return self._fitted_theta(X, "warm_start=True continues an earlier fit", "or set warm_start=False")
        return initial_parameters(ParameterLayout(self._make_network(X).layer_sizes), random_state, X.dtype)

    def _is_warm(self):
        return self.warm_start and hasattr(self, "coefs_")

    def _fitted_theta(self, X, purpose, remedy):
        """The parameters of the last fit, which must be those of the same network."""
        old, new = self._network, self._make_network(X)
        if old != new:
            raise ValueError(
                f"{purpose} with layer sizes {old.layer_sizes} and output_activation={old.activations[-1]!r}, but X, "
                f"n_components={self.n_components} and output_activation={new.activations[-1]!r} now ask for "
                f"{new.layer_sizes}. Keep both and the features of X, {remedy}."
            )
        return ParameterLayout(new.layer_sizes).pack(self.coefs_, self.intercepts_).astype(X.dtype, copy=False)

    def _adam_to_continue(self, X):
        """State of Adam, random state and loss curve for `partial_fit` to go on from, as copies."""
        if not hasattr(self, "coefs_"):
            random_state = self._own_random_state()
            return AdamState.start(self._initial_theta(X, random_state)), random_state, []
        theta = self._fitted_theta(X, "partial_fit continues an earlier fit", "or fit a clone of this estimator")
        if self._adam is None:
            return AdamState.start(theta), self._own_random_state(), self.loss_curve_
        return *deepcopy(self._adam), self.loss_curve_

    def _own_random_state(self):
        """A generator to keep between calls, which must not be the one that others draw from."""
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        return np.random.RandomState(seed)

    def _solve(self, trainer, theta, X, random_state):
        """Minimise the objective from theta; returns the parameters and J per iteration or epoch."""
        loss_curve = []

        def after_iteration(n_iter, value):
            loss_curve.append(value)
            if self.verbose:
                print(f"[{type(self).__name__}] iteration {len(loss_curve)}, loss = {value:.8g}")

        try:
            # What overflows shows as a loss that is not finite.
            with np.errstate(over="ignore", invalid="ignore"):
                result = trainer.minimize(
                    theta,
                    solver=self.solver,
                    warm=self._is_warm(),
                    max_iter=self.max_iter,
                    tol=self.tol,
                    n_iter_no_change=self.n_iter_no_change,
                    callback=after_iteration,
                    **self._batch_options(X, random_state),
                )
        except FloatingPointError as error:
            raise self._not_finite(X, error) from error
        if not result.success:
            warnings.warn(
                f"L-BFGS stopped before iterations lowered the loss by no more than tol={self.tol} of itself each, on "
                f"average over n_iter_no_change={self.n_iter_no_change}: {result.message}. Raise max_iter or tol, and "
                "standardise X if it is not.",
                ConvergenceWarning,
            )
        return result.x, loss_curve

    def _batch_options(self, X, random_state):
        return {
            "batch_size": min(self.batch_size, X.shape[0]),
            "step_size": self.learning_rate_init,
            "random_state": random_state if self.shuffle else None,
        }

    def _not_finite(self, X, error):
        return ValueError(
            f"The loss stopped being finite ({error}). The likely cause is the scale of X, whose largest absolute "
            f"value is {max(X.max(), -X.min()):.3g}: standardise it, for instance with "
            f"sklearn.preprocessing.StandardScaler. Otherwise lower beta={self.beta}, lam={self.lam} or, with Adam, "
            f"learning_rate_init={self.learning_rate_init}."
        )

    def _store(self, trainer, theta, loss_curve, X, sample_weight):
        """Set the fitted attributes."""
        self._network = self._make_network(X)
        self.coefs_, self.intercepts_ = ParameterLayout(self._network.layer_sizes).unpack(theta)
        self.loss_, self.mean_activation_ = trainer.loss_and_activations(theta)
        self.loss_curve_ = loss_curve
        self.n_iter_ = len(loss_curve)
        variance = code_variance(X, sample_weight, self._encode, self.mean_activation_)
        warn_if_collapsed(X, variance, rho=self.rho, beta=self.beta, lam=self.lam)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
