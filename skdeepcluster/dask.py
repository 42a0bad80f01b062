"""Sparse autoencoders fitted on a Dask cluster, for tables that outgrow one machine.

It needs more than the package does: ``pip install "skdeepcluster[dask]"``.
"""

from traceback import clear_frames
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from ._base import unchanged_on_error
from ._data import check_scale
from ._support._typing import fit_context
from ._training import AutoencoderFit, TrainingOptions, check_options, fit_and_keep, network_of
from .autoencoder import SparseAutoencoderTransformer
from .exceptions import ClusterError

try:
    import dask.array as da
    from dask.base import tokenize
    from dask.delayed import delayed

    from ._dask._client import current_client
    from ._dask._collections import as_table, blocks_of, is_frame, row_chunks
    from ._dask._graph import literal
    from ._dask._partitioned import PartitionedData, score_of
    from ._dask._tasks import through_layers
except ImportError as error:
    raise ImportError(
        f"skdeepcluster.dask needs dask and distributed ({error}): pip install 'skdeepcluster[dask]'."
    ) from error

__all__ = ["DaskSparseAutoencoderTransformer"]


# auto_wrap_output_keys is an option of scikit-learn, which has no types.
class DaskSparseAutoencoderTransformer(  # type: ignore[call-arg]
    SparseAutoencoderTransformer, auto_wrap_output_keys=None
):
    """`SparseAutoencoderTransformer` for tables on a Dask cluster: the same parameters, the same objective.

    `fit` trains on the cluster of the current `distributed.Client`. With L-BFGS, every evaluation of J and its gradient
    is exact, on all rows: sums over partitions, added up in a tree, so that the fit is that of
    `SparseAutoencoderTransformer` but for rounding, whatever the number of workers. With Adam, which noise and
    augmentation need, every partition goes its own way for an epoch, then parameters are averaged (local steps,
    McMahan et al. 2017): with one partition that is `SparseAutoencoderTransformer`'s Adam, with many an approximation;
    ``docs/dask.md`` in the repository shows its loss beside the exact one.

    Parameters
    ----------
    n_components, hidden_layer_sizes, activation, code_activation, output_activation, tied_weights, rho, beta, lam, \
corruption, augment
        As in `SparseAutoencoderTransformer`. Functions go to the workers by pickle.
    n_neighbors, neighbor_weight, metric, neighbors_transformer
        Of use on one machine alone: `n_neighbors` other than None is a ValueError, as the rows are in many places.
    pretrain
        As in `SparseAutoencoderTransformer`.
    solver : {"auto", "lbfgs", "adam"}, default="auto"
        "auto" means Adam with `corruption` or `augment`, and L-BFGS without.
    max_iter, tol, n_iter_no_change, early_stopping, validation_fraction, batch_size, learning_rate_init, shuffle, \
warm_start, random_state, verbose
        As in `SparseAutoencoderTransformer`. Rows are held out from every partition.

    Attributes
    ----------
    coefs_, intercepts_, loss_, loss_curve_, pretraining_loss_curves_, validation_scores_, mean_activation_, n_iter_, \
n_features_in_, feature_names_in_
        As in `SparseAutoencoderTransformer`, in the memory of this process.

    See Also
    --------
    skdeepcluster.SparseAutoencoderTransformer : The same for one machine; `to_local` makes one.

    Notes
    -----
    The rows are loaded once, twice if their number is not known before, and kept on the workers as long as what is kept
    takes no more than 40 % of the memory of the workers that there are when `fit` begins; so are the outputs of the
    layers between the two phases of an evaluation. What is not kept is computed from the collection in every pass. A
    partition is worked on by one thread: have a few times as many partitions as there are threads. One that is lost
    with its worker is computed again, also if all workers are lost at once and others come. Partitions without rows are
    left out.

    References
    ----------
    B. McMahan et al., "Communication-efficient learning of deep networks from decentralized data", 2017.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from skdeepcluster.dask import DaskSparseAutoencoderTransformer
    >>> client = Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=":0")
    >>> X = da.random.default_rng(0).standard_normal((1000, 10), chunks=(250, 10))
    >>> model = DaskSparseAutoencoderTransformer(4, random_state=0).fit(X)
    >>> model.transform(X)
    dask.array<through_layers, shape=(1000, 4), dtype=float64, chunksize=(250, 4), chunktype=numpy.ndarray>
    >>> model.to_local().transform(X[:3].compute()).shape
    (3, 4)
    >>> client.close()
    """

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train the autoencoder on a table of partitions.

        Parameters
        ----------
        X : dask.array of shape (n_samples, n_features), dask.dataframe, or list of Delayed or futures
            Training data, on the scale that `SparseAutoencoderTransformer.fit` asks for; dense, or in chunks that are
            SciPy's sparse matrices. Sizes of chunks may be unknown. Every Delayed or future is a block of rows; one
            alone is all of them, and an array of Delayed, as from ``to_delayed()``, is a list. float32 is trained in
            float32 if all partitions are, everything else in float64.
        y : None
            Ignored.
        sample_weight : array-like, dask.array or dask.dataframe series of shape (n_samples,), or list of Delayed or \
futures, default=None
            Non-negative weights of the rows; only their ratios matter, and None weighs every row alike. A weight below
            1e-30 of the largest counts as zero. Series and lists need the partitions of X.

        Returns
        -------
        self : DaskSparseAutoencoderTransformer
            The fitted estimator.

        Raises
        ------
        ValueError
            As in `SparseAutoencoderTransformer`; what is wrong with one partition is said with its index. If a type is
            text, dates, complex or of fields. If there is no `distributed.Client`, or it is asynchronous and this is
            its event loop.
        TypeError
            If X is not a table of partitions.
        RuntimeError
            If this very estimator is being fitted; as in `SparseAutoencoderTransformer`.
        skdeepcluster.exceptions.ClusterError
            If the cluster is lost, the client is closed, or workers die again and again. Then the estimator has the
            parameters after the last iteration, if there was one, and ``warm_start=True`` goes on from there.
        """
        reached: dict[str, Any] = {}
        try:
            self._fit(X, sample_weight, reached)
        except Exception as error:
            # reached is empty, unless the cluster was lost. Then the parameters of the last iteration are kept.
            self.__dict__.update(reached)
            _let_go(error)
            raise
        return self

    @unchanged_on_error
    @fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, sample_weight, reached):
        """Fit. If the cluster is lost, the dict reached has the attributes that the estimator is to have."""
        if as_table(X) is None:
            raise TypeError(
                f"X is {type(X).__name__}, and DaskSparseAutoencoderTransformer fits dask.array, dask.dataframe, and "
                "delayed blocks or futures of them. For data in memory use SparseAutoencoderTransformer, "
                "dask.array.from_array(X), or dask.delayed(block) of each block."
            )
        # Check first what does not depend on the data, as reading them may take long.
        check_options(network_of(self, 1), TrainingOptions.of(self))
        if self.n_neighbors is not None:
            raise ValueError(
                f"n_neighbors={self.n_neighbors} looks for the nearest rows of all, which are not in one place on a "
                "cluster. Set n_neighbors=None, or fit a SparseAutoencoderTransformer to a sample, and let the cluster "
                "transform all rows by it."
            )
        client = current_client()
        if is_frame(X):
            _check_feature_names(self, X._meta, reset=True)
        else:
            vars(self).pop("feature_names_in_", None)
        data = PartitionedData.load(client, X, sample_weight)
        self.n_features_in_ = data.shape[1]
        check_scale(data.lowest, data.highest, data.mean_squares, data.dtype, data.is_sparse, self.output_activation)
        fit = AutoencoderFit.of(self, data)
        try:
            fit_and_keep(self, fit)
        except ClusterError as error:
            if fit.reached_theta is None:
                raise ClusterError(f"{error} No iteration was over; the estimator is as it was before.") from error
            reached.update(self._reached(fit))
            raise ClusterError(
                f"{error} The estimator has the parameters reached after iteration {reached['n_iter_']}. With a new "
                "client, and warm_start=True, fit goes on from them."
            ) from error

    def _reached(self, fit):
        """Fitted attributes after the last iteration of a fit."""
        theta = fit.reached_theta if fit.state.best_theta is None else fit.state.best_theta
        names = [name for name in ("n_features_in_", "feature_names_in_") if hasattr(self, name)]
        return fit.attributes(theta) | fit.unknown_attributes | {name: getattr(self, name) for name in names}

    @property
    def partial_fit(self) -> Any:
        """Not there: `fit` goes through all partitions."""
        raise AttributeError(
            "DaskSparseAutoencoderTransformer has no partial_fit: fit goes through all partitions, in epochs with "
            "solver='adam'. to_local() has one, for chunks in memory."
        )

    def transform(self, X: Any) -> Any:
        """Encode X.

        Parameters
        ----------
        X : dask.array of shape (n_samples, n_features), dask.dataframe, list of Delayed or futures, or array-like
            Data on the scale of the training data.

        Returns
        -------
        X_new : dask.array of shape (n_samples, n_components)
            The code, in the chunks of X, not computed yet; an ndarray for an array-like. There is no `set_output`: a
            frame would have to be computed.

        Raises
        ------
        ValueError
            If X does not have the features seen in `fit`, or a type that `fit` refuses; when it is computed, if it or
            its code is not finite.
        TypeError
            If X is of Dask, but no table of partitions.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        table = as_table(X)
        if table is None:
            return super().transform(X)
        return _map_rows(self._features_checked(table), self._encoder_layers)

    def inverse_transform(self, X: Any) -> Any:
        """Decode X.

        Parameters
        ----------
        X : dask.array of shape (n_samples, n_components), dask.dataframe, list of Delayed or futures, or array-like
            Codes, as `transform` returns them.

        Returns
        -------
        X_original : dask.array of shape (n_samples, n_features)
            The reconstruction, in the chunks of X, not computed yet; an ndarray for an array-like.

        Raises
        ------
        ValueError
            If X does not have n_components columns, or a type that `fit` refuses; when it is computed, if it or its
            reconstruction is not finite.
        TypeError
            If X is of Dask, but no table of partitions.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        table = as_table(X)
        if table is None:
            return super().inverse_transform(X)
        expected = self._n_features_out
        _check_columns(table, expected, f"inverse_transform expects codes with n_components={expected}")
        return _map_rows(table, self._decoder_layers)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the mean squared reconstruction error, the mean taken over rows and features; higher is better.

        Parameters
        ----------
        X : dask.array of shape (n_samples, n_features), dask.dataframe, list of Delayed or futures, or array-like
            Data. What is partitioned is worked on by the cluster.
        y : None
            Ignored.
        sample_weight : as in `fit`, default=None
            Non-negative weights of the rows; None weighs every row alike. A weight below 1e-30 of the largest counts as
            zero.

        Returns
        -------
        score : float
            ``-mean((X - inverse_transform(transform(X))) ** 2)``, in squared units of X; at most 0.

        Raises
        ------
        ValueError
            If X is not what `transform` accepts, a weight is negative or all are zero, the error is not finite, or
            there is no client that can be waited for, as in `fit`.
        TypeError
            If X is of Dask, but no table of partitions, or in memory, and `sample_weight` is not.
        skdeepcluster.exceptions.ClusterError
            If the cluster is lost.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        table = as_table(X)
        if table is not None:
            return -score_of(current_client(), self._features_checked(table), sample_weight, self._layers)
        if blocks_of(sample_weight, "sample_weight") is not None:
            raise TypeError(
                f"sample_weight is {type(sample_weight).__name__}, blocks of Dask, but X is {type(X).__name__}, in "
                "memory. Compute sample_weight, or give X in blocks, too."
            )
        return super().score(X, sample_weight=sample_weight)

    def to_local(self) -> SparseAutoencoderTransformer:
        """The same, fitted, for data in memory.

        Returns
        -------
        autoencoder : SparseAutoencoderTransformer
            With the parameters and the fitted attributes of this one.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        parameters = self.get_params(deep=False)
        local = SparseAutoencoderTransformer(**parameters)
        local.__dict__.update({name: value for name, value in vars(self).items() if name not in parameters})
        return local

    def _features_checked(self, X):
        """Return X, a collection. Raises a ValueError if it does not have the features seen in `fit`."""
        if is_frame(X):
            _check_feature_names(self, X._meta, reset=False)
        _check_columns(X, self.n_features_in_, f"{type(self).__name__} is expecting {self.n_features_in_} features")
        return X


def _let_go(error):
    """Clear the local variables in the traceback of an error.

    A scheduler in this process keeps the errors of tasks, with their tracebacks. Data that a local variable refers to
    would stay on the workers.
    """
    while error is not None:
        clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _check_columns(X, n_columns, expected):
    """Raise a ValueError if a table has another number of columns. That of a list of Delayed is not known."""
    if isinstance(X, list):
        return
    n_found = X.shape[1] if is_frame(X) else row_chunks(X).shape[1]
    if n_found != n_columns and not np.isnan(n_found):
        raise ValueError(f"X has {n_found} features, but {expected}.")


def _map_rows(X, layers):
    """The outputs of `Layers` for the rows of X, a table, as a `dask.array`."""
    n_units, dtype = layers.coefs[-1].shape[1], layers.coefs[0].dtype
    # All tasks share one node with the layers. Its name depends on the layers alone.
    node = literal(layers, name=f"layers-{tokenize(layers)}")
    if isinstance(X, list):
        dtype = np.result_type(dtype, np.float64)
        task = delayed(through_layers, pure=False)
        parts = [da.from_delayed(task(part, node, dtype), (np.nan, n_units), dtype) for part in X]
        return da.concatenate(parts)
    X = row_chunks(X.to_dask_array() if is_frame(X) else X)
    dtype = np.result_type(dtype, np.float32 if X.dtype == np.float32 else np.float64)
    meta, chunks = np.empty((0, 0), dtype=dtype), (X.chunks[0], (n_units,))
    return X.map_blocks(through_layers, layers=node, dtype=dtype, chunks=chunks, meta=meta, out_dtype=dtype)
