"""What the estimators share besides scikit-learn's own base classes."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ._arrays import HAS_ARRAY_API
from ._data import effective_rows, mean_squared_error, outputs_of
from ._network import Layers
from ._support._checks import (
    FLOAT_TYPES,
    check_library,
    check_rows,
    check_table,
    finite_outputs,
    shown,
    stays_in_library,
)
from ._support._guards import while_no_other_fits
from ._support._typing import ArrayLike, MatrixLike

Owner = TypeVar("Owner")
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# What to give for the parameters that may be estimators, and are None unless they are given.
_EXAMPLES = {
    "encoder": "Give an encoder, such as encoder=SparseAutoencoderTransformer(); the docstring says what None means.",
    "clusterer": "Give a clusterer, such as clusterer=sklearn.cluster.KMeans(60); the docstring says what None means.",
    "neighbors_transformer": "Give one, such as neighbors_transformer=sklearn.neighbors.KNeighborsTransformer().",
}


class NestedParametersMixin:
    """Mixin for estimators with parameters that may be estimators, or None."""

    def set_params(self, **params: Any) -> Self:
        """Set parameters of this estimator, and, as ``encoder__lam``, of an estimator that is one of them.

        Parameters
        ----------
        **params : dict
            Parameters.

        Returns
        -------
        self : estimator
            The estimator itself.

        Raises
        ------
        ValueError
            If there is no such parameter, or what ``encoder`` is in ``encoder__lam`` has no parameters, as None.
        """
        self._check_owners(params)
        return super().set_params(**params)  # type: ignore[misc]

    def _check_owners(self, params):
        own = self.get_params(deep=False)
        for key, value in params.items():
            name, is_nested, _ = key.partition("__")
            owner = params.get(name, own.get(name))
            if is_nested and name in own and not hasattr(owner, "set_params"):
                raise ValueError(
                    f"{key}={shown(value)} is for a parameter of {name}={shown(owner)} of this {type(self).__name__}, "
                    f"which has none. {_EXAMPLES.get(name, f'Set {name} itself.')}"
                )


class AutoencoderMixin(NestedParametersMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Mixin for transformers that encode rows to a code, and decode it.

    When fitted, they have ``coefs_``, ``intercepts_`` and ``_network``, a `Network`. Scorers and displays look for this
    class to find the autoencoder of a pipeline.
    """

    coefs_: list[np.ndarray]
    intercepts_: list[np.ndarray]

    def transform(self, X: MatrixLike) -> np.ndarray:
        """Encode X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data on the scale of the training data.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components)
            The code, in (0, 1) with ``code_activation="logistic"``, in the precision of the fitted weights.

        Raises
        ------
        ValueError
            If X is not a finite two-dimensional array with the features seen in `fit`, or so large that the code is not
            finite.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        X = self._rows(X, "transform")
        return finite_outputs(lambda: outputs_of(X, self._encoder_layers), X, "code")

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Decode X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes, as `transform` returns them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            The reconstruction, on the scale of the training data, in the precision of the fitted weights.

        Raises
        ------
        ValueError
            If X is not a finite two-dimensional array with n_components columns, or so large that the reconstruction is
            not finite.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        check_library(self, X, "inverse_transform")
        X = check_table(X, "X", dtype=self._own_types(X), estimator=self, in_library=True)
        if X.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {X.shape[1]} columns, but inverse_transform of this {type(self).__name__} expects codes with "
                f"n_components={self._n_features_out} columns, as transform returns them."
            )
        return finite_outputs(lambda: outputs_of(X, self._decoder_layers), X, "reconstruction")

    def score(self, X: MatrixLike, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """Minus the mean squared reconstruction error, the mean taken over rows and features; higher is better.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data. At most one block of a sparse X is made dense at a time.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; None weighs every row alike. A weight below 1e-30 of the largest counts as
            zero.

        Returns
        -------
        score : float
            ``-mean((X - inverse_transform(transform(X))) ** 2)``, in squared units of X; at most 0.

        Raises
        ------
        ValueError
            If X is not what `transform` accepts, a weight is negative or all are zero, or the error is not finite.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        X = self._rows(X, "score")
        X, sample_weight = effective_rows(X, sample_weight)
        return -finite_outputs(lambda: mean_squared_error(X, sample_weight, self._layers), X, "reconstruction error")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = HAS_ARRAY_API
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def loss_curve_(self) -> np.ndarray:
        """J and its terms after every iteration, or for every epoch of Adam their means over its batches.

        A structured array with the fields "loss", "reconstruction", "weight_decay", "sparsity", perhaps "neighbors",
        and, with clusters, "clustering". It is NumPy's, whatever library the fitted arrays are of.
        """
        check_is_fitted(self)
        return self._curve.array()

    def _rows(self, X, method):
        """X for a method of the fitted estimator, checked."""
        check_is_fitted(self)
        check_library(self, X, method)
        return check_rows(self, X, dtype=self._own_types(X), in_library=True)

    def _own_types(self, X):
        """The type that X is to have: that of the weights, where a library does not multiply others."""
        return self._fitted_array.dtype if stays_in_library(X) else FLOAT_TYPES

    @property
    def _fitted_array(self):
        return self.coefs_[0]

    @property
    def _layers(self):
        """All `Layers`, from the input to the reconstruction."""
        return Layers(self.coefs_, self.intercepts_, self._network.activations)

    @property
    def _encoder_layers(self):
        return self._layers.part(self._network.encoder)

    @property
    def _decoder_layers(self):
        return self._layers.part(self._network.decoder)

    @property
    def _n_features_out(self):
        return self._network.n_components


def unchanged_on_error(
    method: Callable[Concatenate[Owner, Arguments], Result],
) -> Callable[Concatenate[Owner, Arguments], Result]:
    """Decorate a method that fits so that it changes nothing if it raises, and runs by itself.

    The estimator gets back the attributes that it had before, and its random generator the state that it had. While it
    is being fitted, further calls raise a RuntimeError.
    """

    @wraps(method)
    def guarded(estimator, *args, **kwargs):
        def unchanged_on_error():
            state = dict(vars(estimator))
            generator = state.get("random_state")
            generator = generator if isinstance(generator, np.random.RandomState) else None
            generator_state = generator.get_state(legacy=False) if generator else None
            try:
                return method(estimator, *args, **kwargs)
            except BaseException:
                # In one step: Ctrl-C between two would leave an estimator without attributes.
                estimator.__dict__ = state
                if generator:
                    generator.set_state(generator_state)
                raise

        return while_no_other_fits(estimator, unchanged_on_error)

    return guarded
