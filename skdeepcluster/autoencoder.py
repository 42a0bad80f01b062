"""The sparse autoencoder as a scikit-learn transformer."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_array, check_is_fitted, validate_data

from ._base import AutoencoderMixin, unchanged_on_error
from ._network import Network, propagate
from ._objectives import SparseAutoencoderObjective
from ._parameters import initial_parameters
from ._solvers import minimize_lbfgs
from .exceptions import CollapsedCodeWarning, InputScaleWarning

__all__ = ["SparseAutoencoderTransformer"]

_FLOAT_TYPES = [np.float64, np.float32]

# Standardised features have a mean square of 1. Beyond these bounds, for the mean over features and for any one of
# them, the reconstruction term is out of balance with the others.
_SMALLEST_MEAN_SQUARE, _LARGEST_MEAN_SQUARE = 0.1, 10.0
_LARGEST_FEATURE_MEAN_SQUARE = 100.0

# Largest standard deviation of a code unit below which the code is called collapsed.
_COLLAPSED_STD = 1e-3


class SparseAutoencoderTransformer(ClassNamePrefixFeaturesOutMixin, AutoencoderMixin, TransformerMixin, BaseEstimator):
    """Sparse autoencoder whose code is the feature space for clustering.

    One logistic hidden layer, the code, and an output layer, trained to reproduce their input with L-BFGS on

        J(W, b) = 1/n sum_i 1/2 ||h(x_i) - x_i||^2  +  lam/2 sum_l ||W_l||_F^2  +  beta sum_j KL(rho || rho_hat_j)

    where rho_hat_j is the mean activation of code unit j and
    KL(rho || r) = rho log(rho / r) + (1 - rho) log((1 - rho) / (1 - r)). Biases carry no weight decay.

    Parameters
    ----------
    n_components : int, default=64
        Number of code units.
    rho : float, default=0.5
        Mean activation that each code unit is drawn to, strictly between 0 and 1.
    beta : float, default=1.0
        Weight of the KL term, >= 0.
    lam : float, default=0.001
        Weight of the weight decay, >= 0. Too large a value collapses the code.
    output_activation : {"identity", "logistic"}, default="identity"
        Activation of the output layer: "identity" for standardised data, "logistic" for data in [0, 1].
    solver : {"lbfgs"}, default="lbfgs"
        L-BFGS over all rows at once.
    max_iter : int, default=300
        Largest number of iterations.
    tol : float, default=1e-2
        Training stops when iterations lower J by no more than ``tol`` times J each, on average over the last ten (so
        after 11 iterations at the soonest).
    warm_start : bool, default=False
        Whether `fit` continues from the parameters of the last one, if there was one.
    random_state : int, RandomState instance or None, default=None
        Draws the initial weights. An int gives the same result at every fit.
    verbose : int, default=0
        Whether to print J after every iteration.

    Attributes
    ----------
    coefs_ : list of 2 ndarrays
        Weights W_l of shapes (n_features, n_components) and (n_components, n_features).
    intercepts_ : list of 2 ndarrays
        Biases b_l of shapes (n_components,) and (n_features,).
    loss_ : float
        J of the fitted parameters on the training data.
    loss_curve_ : list of float, length n_iter_
        J after every iteration.
    mean_activation_ : ndarray of shape (n_components,)
        rho_hat, the (weighted) mean of each code unit over the training data.
    n_iter_ : int
        Number of iterations.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen in `fit`, if all are strings.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        If `max_iter` ends training before `tol` does, or no lower J can be found in working precision.
    skdeepcluster.exceptions.CollapsedCodeWarning
        If no code unit varies by a standard deviation of at least 1e-3.
    skdeepcluster.exceptions.InputScaleWarning
        If the input is far from standardised, with the identity output: the mean square of the features is outside
        [0.1, 10] on average, or above 100 for one of them.

    Notes
    -----
    The defaults were chosen for standardised data of 13 to 784 features, with KMeans on the code; ``docs/defaults.md``
    in the repository has the study. A fit holds BLAS to one thread, so that its result does not depend on their number.
    The limit is the process's: fits at the same time in several Python threads (joblib's "threading" backend) may lift
    it under each other, and then differ in the last digits. Rows of weight zero take no part in a fit.

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
        "solver": [StrOptions({"lbfgs"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components=64,
        *,
        rho=0.5,
        beta=1.0,
        lam=0.001,
        output_activation="identity",
        solver="lbfgs",
        max_iter=300,
        tol=1e-2,
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
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Train the autoencoder on X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data, standardised for the identity output, in [0, 1] for the logistic one. float32 is trained in
            float32, everything else in float64.
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
        with unchanged_on_error(self):
            X = validate_data(self, X, dtype=_FLOAT_TYPES)
            X, sample_weight = _effective_rows(X, sample_weight)
            self._check_input_range(X, sample_weight)
            objective = self._build_objective(X.shape[1])
            theta, loss_curve = self._solve(objective, self._initial_theta(objective), X, sample_weight)
            self._store(objective, theta, loss_curve, X, sample_weight)
        return self

    def transform(self, X):
        """Encode X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data on the scale of the training data.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components)
            The code, activations in (0, 1).

        Raises
        ------
        ValueError
            If X is not a finite two-dimensional array with the features seen in `fit`.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOAT_TYPES, reset=False)
        return self._encode(X)

    def inverse_transform(self, X):
        """Decode X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes, as `transform` returns them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            The reconstruction, on the scale of the training data.

        Raises
        ------
        ValueError
            If X is not a finite two-dimensional array with n_components columns.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=_FLOAT_TYPES, estimator=self, input_name="X")
        if X.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {X.shape[1]} columns, but inverse_transform of this {type(self).__name__} expects codes with "
                f"n_components={self._n_features_out} columns, as transform returns them."
            )
        return self._decode(X)

    def _check_input_range(self, X, sample_weight):
        """Raise or warn if the values of X do not suit the output activation."""
        if self.output_activation == "logistic":
            # MinMaxScaler itself leaves [0, 1] by rounding.
            lowest, highest, rounding = X.min(), X.max(), 100 * np.finfo(X.dtype).eps
            if lowest < -rounding or highest > 1 + rounding:
                raise ValueError(
                    f"output_activation='logistic' can only reconstruct values in [0, 1], but X runs from {lowest:.6g} "
                    f"to {highest:.6g}. Scale X with sklearn.preprocessing.MinMaxScaler, or standardise it and use "
                    "output_activation='identity'."
                )
            return
        weights = np.ones(X.shape[0]) if sample_weight is None else sample_weight
        mean_squares = np.einsum("i,ij,ij->j", weights, X, X) / X.shape[0]
        if (
            not _SMALLEST_MEAN_SQUARE <= mean_squares.mean() <= _LARGEST_MEAN_SQUARE
            or mean_squares.max() > _LARGEST_FEATURE_MEAN_SQUARE
        ):
            warnings.warn(
                f"X is far from standardised: the mean square of its features is {mean_squares.mean():.3g} on average "
                f"and {mean_squares.max():.3g} at most (1 after standardisation), so that rho, beta and lam do not "
                "have their usual effect. Put sklearn.preprocessing.StandardScaler before the autoencoder.",
                InputScaleWarning,
            )

    def _build_objective(self, n_features):
        network = Network(
            layer_sizes=(n_features, self.n_components, n_features),
            activations=("logistic", self.output_activation),
            n_encoder_layers=1,
        )
        return SparseAutoencoderObjective(network, rho=self.rho, beta=self.beta, lam=self.lam)

    def _initial_theta(self, objective):
        """The start of the solver: the last fit's parameters with warm_start, random ones otherwise."""
        layout = objective.layout
        if not (self.warm_start and hasattr(self, "coefs_")):
            return initial_parameters(layout, check_random_state(self.random_state))
        if self._network.layer_sizes != layout.layer_sizes:
            raise ValueError(
                f"warm_start=True continues an earlier fit with layer sizes {self._network.layer_sizes}, but X and "
                f"n_components={self.n_components} now ask for {layout.layer_sizes}. Keep n_components and the "
                "features of X, or set warm_start=False."
            )
        return layout.pack(self.coefs_, self.intercepts_)

    def _solve(self, objective, theta, X, sample_weight):
        """Minimise the objective from theta; returns the parameters in the precision of X, and J per iteration."""
        loss_curve = []

        def after_iteration(n_iter, value):
            loss_curve.append(value)
            if self.verbose:
                print(f"[{type(self).__name__}] iteration {n_iter}, loss = {value:.8g}")

        try:
            # What overflows shows as a loss that is not finite.
            with np.errstate(over="ignore", invalid="ignore"):
                result = minimize_lbfgs(
                    lambda theta: objective.value_and_grad(theta, X, sample_weight),
                    theta,
                    max_iter=self.max_iter,
                    tol=self.tol,
                    callback=after_iteration,
                )
        except FloatingPointError as error:
            raise ValueError(
                f"The loss stopped being finite ({error}). The likely cause is the scale of X, whose largest absolute "
                f"value is {np.abs(X).max():.3g}: standardise it, for instance with "
                f"sklearn.preprocessing.StandardScaler. Otherwise lower beta={self.beta} or lam={self.lam}."
            ) from error
        if not result.success:
            warnings.warn(
                f"L-BFGS stopped before iterations lowered the loss by no more than tol={self.tol} of itself each, on "
                f"average over ten: {result.message}. Raise max_iter or tol, and standardise X if it is not.",
                ConvergenceWarning,
            )
        return result.x.astype(X.dtype), loss_curve

    def _store(self, objective, theta, loss_curve, X, sample_weight):
        """Set the fitted attributes."""
        self._network = objective.network
        self.coefs_, self.intercepts_ = objective.layout.unpack(theta)
        self.loss_, _ = objective.value_and_grad(theta.astype(np.float64), X, sample_weight)
        self.loss_curve_ = loss_curve
        self.n_iter_ = len(loss_curve)
        code = self._encode(X)
        self.mean_activation_ = np.average(code.astype(np.float64, copy=False), axis=0, weights=sample_weight)
        self._warn_if_collapsed(X, code, sample_weight)

    def _warn_if_collapsed(self, X, code, sample_weight):
        """Warn if no unit of the code varies over rows; one row alone cannot vary."""
        variance = np.average(np.square(code - self.mean_activation_), axis=0, weights=sample_weight)
        largest_std = np.sqrt(variance.max())
        if code.shape[0] == 1 or largest_std >= _COLLAPSED_STD:
            return
        if not np.ptp(X, axis=0).any():
            cause = "All rows of X are the same."
        else:
            remedies = [
                "standardise X if it is not",
                *([f"lower lam={self.lam}, which weighs most here"] if self.lam > 0 else []),
                *([f"lower beta={self.beta}"] if self.beta > 0 else []),
                *([f"move rho={self.rho} nearer to 0.5"] if self.beta > 0 and self.rho != 0.5 else []),
            ]
            cause = f"In this order: {'; '.join(remedies)}."
        warnings.warn(
            "The code has collapsed, it hardly differs between rows: the unit that varies most has a standard "
            f"deviation of {largest_std:.1e}. {cause}",
            CollapsedCodeWarning,
        )

    def _encode(self, X):
        encoder = slice(self._network.n_encoder_layers)
        return propagate(X, self.coefs_[encoder], self.intercepts_[encoder], self._network.activations[encoder])[-1]

    def _decode(self, code):
        decoder = slice(self._network.n_encoder_layers, None)
        return propagate(code, self.coefs_[decoder], self.intercepts_[decoder], self._network.activations[decoder])[-1]

    @property
    def _n_features_out(self):
        return self.mean_activation_.shape[0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _effective_rows(X, sample_weight):
    """The rows of positive weight, and their weights scaled to mean 1; all rows and None for None."""
    if sample_weight is None:
        return X, None
    sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    positive = sample_weight > 0
    if not positive.any():
        raise ValueError("sample_weight is zero for every row; at least one weight must be positive.")
    if not positive.all():
        X, sample_weight = X[positive], sample_weight[positive]
    return X, sample_weight / sample_weight.mean()
