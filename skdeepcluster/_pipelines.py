"""Looking into fitted pipelines: their steps, their autoencoder, and the space in which to judge a partition."""

from contextlib import contextmanager
from copy import deepcopy

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from ._base import AutoencoderMixin

_SEQUENCES = (list, tuple)

# Methods that copy: of sparse matrices, of frames of pandas and most others; of frames of polars, and of tensors.
_COPYING = ("copy", "clone")


def flat_steps(estimator, prefix=""):
    """All steps as pairs (name, estimator). Nested pipelines are opened up, with names joined by ``__``.

    A fitted search stands for its best estimator, and what is frozen for itself. Steps that resample, which
    predictions leave out, are left out.
    """
    if isinstance(estimator, FrozenEstimator):
        return flat_steps(estimator.estimator, prefix)
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not isinstance(estimator, Pipeline):
        return [(prefix, estimator)]
    return [
        flat
        for name, step in estimator.steps
        if step is not None and step != "passthrough" and not resamples(step)
        for flat in flat_steps(step, f"{prefix}__{name}" if prefix else name)
    ]


def resamples(step):
    """Whether a step is one of imbalanced-learn's pipelines that adds rows, or leaves some out."""
    return hasattr(step, "fit_resample")


def labels_and_space(estimator, X, space, *, may_be_distances=False):
    """The labels that a fitted estimator gives X, and X in the space to score in.

    A ValueError, unless it may be, if that "space" is distances that the clusterer takes in the place of features.
    """
    features, clusterer = split_at_clusterer(estimator)
    n_before_space = _n_steps_to_score_after(estimator, space, may_be_distances)
    steps = [step for _, step in features]
    scored = transform_by(steps[:n_before_space], X)
    Z = transform_by(steps[n_before_space:], scored)
    if isinstance(clusterer, AutoencoderMixin) and space == "code":
        scored = clusterer.transform(Z)
    with errors_named(clusterer):
        if hasattr(clusterer, "predict") and not takes_distances(clusterer):
            return clusterer.predict(Z), scored
        # One with copy=False, as HDBSCAN may have, writes to distances.
        return clone(clusterer).fit_predict(Z if getattr(clusterer, "copy", True) else copied(Z)), scored


def in_input_space(estimator, X):
    """X as the autoencoder of a fitted estimator receives it, or, without one, the clusterer.

    A ValueError if these are distances that the clusterer takes in the place of features.
    """
    features, _ = split_at_clusterer(estimator)
    n_before_space = _n_steps_to_score_after(estimator, "input", may_be_distances=False)
    return transform_by([step for _, step in features[:n_before_space]], X)


def _n_steps_to_score_after(estimator, space, may_be_distances):
    """The number of feature steps before the space to score in."""
    features, clusterer = split_at_clusterer(estimator)
    is_joint = isinstance(clusterer, AutoencoderMixin)
    n_before_space = len(features) if is_joint and space == "input" else _n_steps_before(space, features)
    if n_before_space == len(features) and takes_distances(clusterer) and not may_be_distances:
        raise ValueError(
            f"{clusterer!r} takes distances between rows, or affinities, and space={space!r} is these: no points that "
            "could be measured or drawn. Give a space before them. What takes distances is "
            "sklearn.metrics.silhouette_score(distances, labels, metric='precomputed'), and ClusterEmbeddingDisplay "
            "with such a transformer as sklearn.manifold.TSNE(metric='precomputed', init='random')."
        )
    return n_before_space


def takes_distances(estimator):
    """Whether an estimator takes distances between rows, or affinities, in the place of features."""
    if isinstance(estimator, FrozenEstimator):
        return takes_distances(estimator.estimator)
    options = estimator.get_params(deep=False) if hasattr(estimator, "get_params") else {}
    is_told_so = any(isinstance(value, str) and value.startswith("precomputed") for value in options.values())
    # Only some of scikit-learn's have the tag; others have no such parameter.
    return is_told_so or (hasattr(estimator, "__sklearn_tags__") and get_tags(estimator).input_tags.pairwise)


def check_takes_features(estimator):
    """Raise a ValueError if what a pipeline that ends in a clusterer takes is distances between rows."""
    features, clusterer = split_at_clusterer(estimator)
    _, first = [*features, ("", clusterer)][0]
    if takes_distances(first):
        raise ValueError(
            f"{first!r} takes distances between rows as X, and no features that could be shown. Give the features, "
            "and the labels, to from_predictions."
        )


def split_at_clusterer(estimator):
    """The (name, step) pairs before the clusterer that ends a pipeline, and the clusterer itself."""
    *features, (_, clusterer) = flat_steps(estimator) or [("", None)]
    if isinstance(clusterer, type):
        raise ValueError(f"A clusterer is needed, but got the class {clusterer.__name__}: give a fitted instance.")
    if not hasattr(clusterer, "fit_predict"):
        raise ValueError(
            "A clusterer, or a pipeline that ends in one, is needed, but got "
            f"{'no step' if clusterer is None else type(clusterer).__name__}, which has no fit_predict."
        )
    return features, clusterer


def _n_steps_before(space, features):
    """The number of feature steps to go through to reach the space to score in."""
    names = [name for name, _ in features]
    if space == "code":
        return len(features)
    if space == "input":
        for n_before, (_, step) in enumerate(features):
            if isinstance(step, AutoencoderMixin):
                return n_before
        if any(_holds_autoencoder(step) for _, step in features):
            raise ValueError(
                "space='input' cannot find the autoencoder's input, since the autoencoder is inside another step. Give "
                f"the name of the step whose output to score in, one of {names}, or space='code'."
            )
        # A baseline has no autoencoder, or one inside its clusterer. Then it is judged in the space that its clusterer
        # receives.
        return len(features)
    if space not in names:
        raise ValueError(f"space={space!r} is neither 'input' nor 'code' nor a step before the clusterer: {names}.")
    return names.index(space) + 1


def _holds_autoencoder(estimator):
    """Whether an autoencoder is among the parameters of an estimator, at any depth, also where it is frozen."""
    return any(
        isinstance(part, AutoencoderMixin) or (isinstance(part, FrozenEstimator) and _holds_autoencoder(part.estimator))
        for part in (estimator, *getattr(estimator, "get_params", dict)().values())
    )


def split_at_autoencoder(estimator):
    """The steps of a fitted pipeline before its autoencoder, or joint clustering, and the autoencoder itself."""
    steps = [step for _, step in flat_steps(estimator)]
    for n_before, step in enumerate(steps):
        if isinstance(step, AutoencoderMixin):
            check_is_fitted(step)
            return steps[:n_before], step
    raise ValueError(
        f"A fitted autoencoder, or a pipeline with one, is needed, but {type(estimator).__name__} has none among its "
        "steps."
    )


def transform_by(steps, X):
    """Pass X through transformers. Those with copy=False, which may write to their input, get a copy."""
    for step in steps:
        with errors_named(step):
            X = step.transform(X if getattr(step, "copy", True) else copied(X))
    return X


@contextmanager
def errors_named(step):
    """Add to an error of a step the name of its class."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This comes from {type(step).__name__}, a step that X goes through.")
        raise


def copied(X):
    """A copy of data of any kind, by its own means.

    `copy.deepcopy` would ask the class, and that of a slice may answer with what it is a slice of, as AnnData's do. The
    copy of any NumPy array, such as a memory map, is an ordinary array in memory. What has no copy, such as an h5py
    dataset, is read as an array.
    """
    if isinstance(X, _SEQUENCES):
        return deepcopy(X)
    if isinstance(X, np.ndarray) or not _keeps_its_kind(X):
        return np.array(X)
    for name in _COPYING:
        if hasattr(X, name):
            return getattr(X, name)()
    # An Arrow table cannot be written to.
    return X


def fetched(X):
    """X, or, if it is a collection of Dask, which has no rows to draw, what it computes: an array or a frame."""
    return X.compute() if hasattr(X, "__dask_graph__") else X


def in_memory(X):
    """X, or, if it has no copy, what it holds as an array: that can be copied, and go to other processes."""
    X = fetched(X)
    return X if isinstance(X, (np.ndarray, *_SEQUENCES)) or _keeps_its_kind(X) else np.asarray(X)


def _keeps_its_kind(X):
    """Whether X is a sparse matrix, a frame or another kind of data that has copies, or needs none."""
    return any(hasattr(X, name) for name in (*_COPYING, "__arrow_c_stream__"))


def names_after(steps, n_features):
    """Names of the features that fitted transformers return: those that they know, or x0, x1, ..."""
    names = getattr(steps[0], "feature_names_in_", None) if steps else None
    try:
        for step in steps:
            names = step.get_feature_names_out(names)
    except AttributeError:
        names = None
    return _default_names(n_features) if names is None else np.asarray(names)


def column_names(X):
    """Names of the columns of X: those of a frame, or x0, x1, ... for everything else."""
    # A pyarrow table has its names in column_names. Its columns are the data, and have two dimensions, not one.
    for names in (getattr(X, "columns", None), getattr(X, "column_names", None)):
        if names is not None and np.ndim(names) == 1:
            return np.asarray(names)
    return _default_names(np.shape(X)[1])


def _default_names(n_features):
    """The names that scikit-learn gives to features without names."""
    return np.array([f"x{i}" for i in range(n_features)], dtype=object)
