"""What a search does with its best estimator."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._pipelines import errors_named, fetched
from .._support._typing import MatrixLike, available_if


def _refitted_has(name):
    """A check for `available_if`: whether the best candidate, or, before the fit, the estimator has a method."""

    def check(search):
        if not search.refit:
            raise AttributeError(
                f"{type(search).__name__} has {name} only with refit=True; the parameters found are in best_params_."
            )
        getattr(getattr(search, "best_estimator_", search.estimator), name)
        return True

    return check


class RefittedMixin:
    """The methods of a search that are those of its best candidate, fitted again, in ``best_estimator_``."""

    refit: bool
    fit: Any
    best_estimator_: Any

    def fit_predict(self, X: MatrixLike, y: Any = None, **params: Any) -> np.ndarray:
        """Fit, and return the clusters that the best candidate found.

        Parameters
        ----------
        X, y, **params
            As in `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            ``labels_``.

        Raises
        ------
        ValueError
            As `fit`, or with ``refit=False``.
        """
        if not self.refit:
            raise ValueError("refit=False keeps no labels. Set refit=True, or call fit and read cv_results_.")
        return self.fit(X, y, **params).labels_

    @available_if(_refitted_has("predict"))
    def predict(self, X: MatrixLike) -> np.ndarray:
        """Clusters of X by the best candidate, if its clusterer has ``predict``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data, as in `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Index of the cluster of each row.
        """
        check_is_fitted(self)
        with errors_named(self.best_estimator_):
            return self.best_estimator_.predict(fetched(X))

    @available_if(_refitted_has("transform"))
    def transform(self, X: MatrixLike) -> Any:
        """X transformed by the best candidate, as its own ``transform`` does; the code is ``best_estimator_[:-1]``'s.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data, as in `fit`.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features_new)
            With KMeans last, the distances to the cluster centres.
        """
        check_is_fitted(self)
        with errors_named(self.best_estimator_):
            return self.best_estimator_.transform(fetched(X))

    @available_if(_refitted_has("transform"))
    def fit_transform(self, X: MatrixLike, y: Any = None, **params: Any) -> Any:
        """Fit, and transform X by the best candidate.

        Parameters
        ----------
        X, y, **params
            As in `fit`.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features_new)
            As `transform` returns it.
        """
        return self.fit(X, y, **params).transform(X)

    @property
    def n_features_in_(self) -> int:
        return self._of_best_estimator("n_features_in_")

    @property
    def feature_names_in_(self) -> np.ndarray:
        return self._of_best_estimator("feature_names_in_")

    def _of_best_estimator(self, name):
        if not hasattr(self, "best_estimator_"):
            raise AttributeError(f"{type(self).__name__} has no {name} before it is fitted with refit=True.")
        return getattr(self.best_estimator_, name)
