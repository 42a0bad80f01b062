"""The autoencoder that joint clustering begins with."""

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from .._data import check_values
from .._support._checks import about, check_library
from .._training import TrainingOptions, check_sparsity
from ..autoencoder import SparseAutoencoderTransformer
from ..callbacks import Checkpoint

# From so many rows on, encoder=None learns from so many neighbours.
_NEIGHBOR_ROWS, _N_NEIGHBORS = 500, 7
# On fewer it is trained on this number of batches of 256 rows.
_DEFAULT_N_BATCHES = 5000


def fitted_encoder(estimator, X, sample_weight, random_state):
    """The `encoder` of an estimator that is fitted to X: a fitted clone of it or, if it is frozen, itself."""
    names = getattr(estimator, "feature_names_in_", None)
    if isinstance(estimator.encoder, FrozenEstimator):
        encoder = estimator.encoder.estimator
        _check_frozen(encoder, X, names)
        check_library(encoder, X, "fit")
        check_values(X, sample_weight, encoder.output_activation, type(estimator).__name__)
        return encoder
    encoder = _default_encoder(X.shape[0]) if estimator.encoder is None else clone(estimator.encoder)
    own_callbacks, checkpoints = _callbacks_of(encoder), _checkpoints_for(encoder, estimator)
    if encoder.random_state is None:
        encoder.set_params(random_state=random_state.randint(np.iinfo(np.int32).max))
    if checkpoints:
        encoder.set_callbacks(*checkpoints, *own_callbacks)
    encoder.fit(X, sample_weight=sample_weight)
    if checkpoints:
        encoder.set_callbacks(*own_callbacks)
    if names is not None:
        encoder.feature_names_in_ = names
    return encoder


def _callbacks_of(estimator):
    return getattr(estimator, "_skl_callbacks", ())


def _checkpoints_for(encoder, estimator):
    """Checkpoints for the encoder, one for each that the estimator has."""
    checkpoints = [callback for callback in _callbacks_of(estimator) if isinstance(callback, Checkpoint)]
    return [checkpoint._of_encoder(estimator, encoder) for checkpoint in checkpoints]


def _check_frozen(encoder, X, names):
    """Refuse what is no autoencoder, or was fitted to other features than X has."""
    if not isinstance(encoder, SparseAutoencoderTransformer):
        raise TypeError(f"encoder={FrozenEstimator(encoder)!r} must freeze a SparseAutoencoderTransformer.")
    with about("encoder"):
        check_is_fitted(encoder)
        # The user may have set parameters after the fit, and some of them are used again.
        encoder._validate_params()
        check_sparsity(encoder._network, TrainingOptions.of(encoder))
    if encoder.n_features_in_ != X.shape[1]:
        raise ValueError(
            f"X has {X.shape[1]} features, but the frozen encoder was fitted to {encoder.n_features_in_}. "
            "Give it the features that it was fitted to, or an encoder that is to be fitted."
        )
    own_names = getattr(encoder, "feature_names_in_", None)
    if names is not None and own_names is not None and not np.array_equal(names, own_names):
        raise ValueError(
            f"The features of X are {list(names)}, but the frozen encoder was fitted to {list(own_names)}. Give it "
            "the same, in the same order."
        )


def _default_encoder(n_rows):
    """A code that falls into clusters; for few rows, whose neighbours say little, a stack that is trained for long."""
    if n_rows >= _NEIGHBOR_ROWS:
        return SparseAutoencoderTransformer(
            32, hidden_layer_sizes=(256, 256), rho=0.2, lam=1e-4, corruption=0.1, n_neighbors=_N_NEIGHBORS
        )
    batches_per_epoch = -(-n_rows // 256)
    return SparseAutoencoderTransformer(
        8,
        hidden_layer_sizes=(256, 256),
        code_activation="identity",
        beta=0.0,
        lam=3e-4,
        corruption=0.1,
        max_iter=_DEFAULT_N_BATCHES // batches_per_epoch,
        tol=0.0,
    )
