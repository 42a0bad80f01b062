"""Fitting the candidates of a search. A step that several candidates share is fitted once."""

import time
import traceback
import warnings
from typing import NamedTuple

import joblib
import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.parallel import delayed
from sklearn.utils.sparsefuncs import mean_variance_axis
from sklearn.utils.validation import _num_samples

from .._base import AutoencoderMixin
from .._pipelines import copied, errors_named, flat_steps, in_memory, takes_distances
from .._support._callbacks import NO_TASK
from .._support._checks import check_table
from .._training import has_collapsed
from ..exceptions import CollapsedCodeWarning, TrivialReconstructionWarning
from ..metrics._labels import NOISE
from ..metrics._points import are_one_point, check_points, points_of


class Failure(NamedTuple):
    """An error in a fit."""

    error: str  # its type and message
    traceback: str


class Features(NamedTuple):
    """The data after some of the steps of a candidate, and what is known of these steps."""

    Z: object  # of shape (n_samples, n_features)
    seconds: float = 0.0  # of fitting these steps
    reconstruction_error: float = np.nan  # of the last autoencoder, as a share of the variance of its input
    collapsed: bool = False  # whether rows hardly differ in the code of some autoencoder, or are all the same in Z
    failure: Failure | None = None


class Partition(NamedTuple):
    """The clusters that a clusterer found."""

    labels: object = None  # of the sampled rows; -1 for noise
    n_clusters: int = 0
    n_noise: int = 0
    seconds: float = 0.0
    failure: Failure | None = None


class Step(NamedTuple):
    """A step of a candidate."""

    name: str
    estimator: object
    params: dict  # metadata to pass, as {method: {parameter: value}}
    task: object = NO_TASK  # of callbacks


class _Context(NamedTuple):
    """What is the same for all fits of a search."""

    y: object
    rows: np.ndarray  # the sampled rows
    is_copied: bool  # whether every fit gets a copy of its input
    reraise: bool  # whether an error in a fit ends the search
    distance: str  # by which rows are compared


def fit_candidates(candidates, X, y, *, params, rows, parallel, reraise, distance, tasks):
    """Fit clones of every candidate to all of X; a step that several candidates have in common is fitted once.

    Two candidates share a step if the step, and all steps before it, have the same parameters in both.

    Of the space that the clusterer receives, which is the output of the last feature step, and of the labels only the
    sampled rows are kept. Memory holds the outputs of the steps before the last feature step, one for each distinct
    setting of them, and up to ``n_jobs`` whole spaces.

    No step can change data that others share. It gets a copy, or, if X is read-only, as a mapped file is, a read-only
    view.

    Parameters
    ----------
    candidates : list of estimator
        Clusterers, or pipelines that end in one; their random states are fixed.
    X, y
        Data, as the candidates take it.
    params : dict
        Metadata for ``fit_predict``.
    rows : ndarray of int
        The rows to keep.
    parallel : joblib.Parallel
        Runs the fits.
    reraise : bool
        Whether an error in a fit ends the search; if not, it becomes the ``failure`` of the candidate.
    distance : {"euclidean", "cosine"}
        By which rows are compared, and so may be all the same.
    tasks : SearchTasks
        For callbacks.

    Returns
    -------
    spaces : list of Features
        The distinct spaces, at the sampled rows.
    space_of : ndarray of int of shape (n_candidates,)
        The space of each candidate.
    partitions : list of Partition
        One for each candidate.
    """
    X = in_memory(X)
    chains = [_steps(candidate, params) for candidate in candidates]
    context = _Context(y, rows, is_writeable(X), reraise, distance)
    # keys[i][depth] is the key of the first `depth` steps of candidate i. Equal keys stand for equal steps.
    keys = [_prefix_keys(chain[:-1], i) for i, chain in enumerate(chains)]
    chains = _with_tasks(chains, keys, tasks)
    space_keys = list(dict.fromkeys(key[-1] for key in keys))
    # Fit the last feature step and its clusterers in one task, so that no more than n_jobs whole spaces are in memory.
    # With fewer spaces than workers, some workers would be idle: then every clusterer has a task of its own.
    is_joint = len(space_keys) >= joblib.effective_n_jobs(parallel.n_jobs)
    n_kept = [max(len(key) - 1 - is_joint, 0) for key in keys]
    with warnings.catch_warnings():
        # The search itself warns once, and names all candidates that have collapsed; it has reconstruction errors, too.
        warnings.simplefilter("ignore", CollapsedCodeWarning)
        warnings.simplefilter("ignore", TrivialReconstructionWarning)
        outputs = _fit_prefixes(Features(X), chains, keys, n_kept, parallel, context)
        branches = {}
        for i, key in enumerate(keys):
            branches.setdefault(key[-1] if n_kept[i] < len(key) - 1 else i, []).append(i)
        results = parallel(
            delayed(_fit_branch)(
                outputs[keys[first][n_kept[first]]],
                chains[first][n_kept[first] : -1],
                [chains[i][-1] for i in (first, *others)],
                context,
            )
            for first, *others in branches.values()
        )
    tasks.end_fits()
    spaces, partitions = {}, {}
    for members, (space, found) in zip(branches.values(), results):
        spaces[keys[members[0]][-1]] = space
        partitions.update(zip(members, found))
    space_of = np.array([space_keys.index(key[-1]) for key in keys])
    return [spaces[key] for key in space_keys], space_of, [partitions[i] for i in range(len(candidates))]


def _steps(estimator, params, name=""):
    """The steps of a candidate, with the clusterer last. If a pipeline ends in a pipeline, both are opened up."""
    if not isinstance(estimator, Pipeline):
        return [Step(name, estimator, {"fit_predict": params})]
    by_step = _params_by_step(estimator, params)
    *features, (last_name, last) = estimator.steps
    chain = [
        Step(name, step, by_step.get(name, {})) for name, step in features if step is not None and step != "passthrough"
    ]
    return chain + _steps(last, by_step.get(last_name, {}).get("fit_predict", {}), last_name)


def _params_by_step(pipeline, params):
    """Metadata as {name of the step: {method: {parameter: value}}}, as scikit-learn's Pipeline routes it."""
    if get_config()["enable_metadata_routing"]:
        return process_routing(pipeline, "fit_predict", **params) if params else {}
    by_step = {name: {} for name, _ in pipeline.steps}
    for key, value in params.items():
        name, separator, parameter = key.partition("__")
        if not separator or name not in by_step:
            raise ValueError(
                f"{key!r} goes to no step of the pipeline. Put the name of a step before it, one of {list(by_step)}, "
                f"as in {pipeline.steps[-1][0]}__{parameter or key}."
            )
        by_step[name][parameter] = value
    methods = "fit", "fit_transform", "fit_predict"
    return {name: dict.fromkeys(methods, step_params) for name, step_params in by_step.items()}


def _prefix_keys(chain, i):
    """Keys of the first 0, 1, 2, ... steps of candidate i. Equal steps have equal keys, if they can be hashed."""
    keys = []
    for depth in range(len(chain) + 1):
        try:
            keys.append(joblib.hash([(step.name, step.estimator) for step in chain[:depth]]))
        except Exception:
            # A step with something that cannot be pickled, such as a lambda, has no hash. No other candidate shares it.
            keys.append((i, depth))
    return keys


def _with_tasks(chains, keys, tasks):
    """The chains, each fit with a task: of a feature step that several candidates share, and of each clusterer."""
    names = {
        key: f"fit-transform-{step.name}"
        for prefixes, chain in zip(keys, chains)
        for key, step in zip(prefixes[1:], chain[:-1])
    }
    last = [f"fit-predict-{chain[-1].name}".rstrip("-") for chain in chains]
    begun = tasks.begin_fits([*names.values(), *last])
    of_features = dict(zip(names, begun))
    return [
        [
            *(step._replace(task=of_features[key]) for key, step in zip(prefixes[1:], chain[:-1])),
            chain[-1]._replace(task=task),
        ]
        for prefixes, chain, task in zip(keys, chains, begun[len(names) :])
    ]


def _fit_prefixes(start, chains, keys, n_kept, parallel, context):
    """Fit the first n_kept[i] steps of every candidate i. Returns their outputs, as {key: Features}."""
    outputs = {keys[0][0]: start}
    for depth in range(max(n_kept)):
        deeper = [i for i, n in enumerate(n_kept) if n > depth]
        fits = {keys[i][depth + 1]: (outputs[keys[i][depth]], chains[i][depth]) for i in deeper}
        fitted = dict(zip(fits, parallel(delayed(_fit_features)(*fit, context) for fit in fits.values())))
        done = {keys[i][n] for i, n in enumerate(n_kept) if n <= depth}
        outputs = {key: output for key, output in outputs.items() if key in done} | fitted
    return outputs


def _fit_branch(features, feature_steps, clusterers, context):
    """Fit the remaining feature steps, then each clusterer to their output.

    Returns the sampled rows of the output, and the partitions.
    """
    for step in feature_steps:
        features = _fit_features(features, step, context)
    if features.failure is None:
        space, _, failure = _attempt(_sampled_space, context, features.Z, context.rows)
        features = features._replace(failure=failure)
    if features.failure is not None:
        return features._replace(Z=None), [Partition(failure=features.failure) for _ in clusterers]
    partitions = [_fit_partition(features.Z, clusterer, context) for clusterer in clusterers]
    collapsed = features.collapsed or are_one_point(points_of(space, context.distance).rows)
    return features._replace(Z=space, collapsed=collapsed), partitions


def _fit_features(features, step, context):
    """Fit one more step, and return the features after it."""
    if features.failure is not None:
        return features
    fitted, seconds, failure = _attempt(_fit_transform, context, step, features.Z, context)
    features_after = features._replace(Z=None, seconds=features.seconds + seconds, failure=failure)
    if failure is not None:
        return features_after
    estimator, Z = fitted
    judged, _, failure = _attempt(_judge_autoencoders, context, features_after, estimator, features.Z, context.rows)
    return features_after._replace(failure=failure) if failure is not None else judged._replace(Z=Z)


def _fit_transform(step, Z, context):
    """A fitted clone of the step, and Z transformed by it."""
    estimator, params = clone(step.estimator), step.params
    own_Z = guarded(Z, context.is_copied)
    with step.task.around(estimator, own_Z, context.y), errors_named(estimator):
        if hasattr(estimator, "fit_transform"):
            transformed = estimator.fit_transform(own_Z, context.y, **params.get("fit_transform", {}))
        else:
            estimator.fit(own_Z, context.y, **params.get("fit", {}))
            transformed = estimator.transform(own_Z, **params.get("transform", {}))
    n, n_after = _num_samples(Z), _num_samples(transformed)
    if n_after != n:
        raise ValueError(
            f"{estimator} gave {n_after} rows for {n}, so that labels found after it do not belong to the rows of X. "
            "Change the rows of X before the search."
        )
    return estimator, transformed


def is_writeable(X):
    """Whether a step could write to X.

    A read-only array is most often a mapped file, which may not fit into memory.
    """
    return not isinstance(X, np.ndarray) or X.flags.writeable


def guarded(Z, is_copied):
    """Z in a form in which a step cannot change the data of others: a copy if is_copied, else a read-only view."""
    if is_copied:
        return copied(Z)
    if isinstance(Z, np.ndarray):
        Z = Z.view()
        Z.flags.writeable = False
    return Z


def _judge_autoencoders(features, step, Z, rows):
    """The features with the reconstruction error, and whether a code has collapsed, filled in.

    The autoencoder may be the fitted step itself or, if the step is a pipeline, one or more of its steps. Z is the
    input of the step.
    """
    parts = [part for _, part in flat_steps(step)]
    places = [i for i, part in enumerate(parts) if isinstance(part, AutoencoderMixin)]
    if not places:
        return features
    Z = _safe_indexing(Z, rows)
    for part in parts[: places[-1] + 1]:
        code = part.transform(Z)
        if isinstance(part, AutoencoderMixin):
            collapsed = features.collapsed or has_collapsed(_variances(code))
            features = features._replace(reconstruction_error=_unexplained_share(part, Z), collapsed=collapsed)
        Z = code
    return features


def _unexplained_share(autoencoder, Z):
    """Mean squared error of the reconstruction of Z over the variance of Z; NaN if Z does not vary."""
    variance = _variances(Z).mean()
    return -autoencoder.score(Z) / variance if variance > 0 else np.nan


def _variances(Z):
    Z = check_table(Z, "X of an autoencoder", sparse=True)
    if issparse(Z):
        return mean_variance_axis(Z, axis=0)[1]
    # The mean of equal numbers is rounded, so that their variance might not be 0.
    return np.where(np.ptp(Z, axis=0) > 0, np.var(Z, axis=0), 0.0)


def _sampled_space(Z, rows):
    """The sampled rows of the features."""
    return check_points(Z, "X of the clusterer")[rows]


def _fit_partition(Z, step, context):
    labels, seconds, failure = _attempt(_fit_predict, context, step, Z, context)
    if failure is not None:
        return Partition(seconds=seconds, failure=failure)
    return Partition(
        labels=labels[context.rows],
        n_clusters=len(np.setdiff1d(labels, NOISE)),
        n_noise=int(np.sum(labels == NOISE)),
        seconds=seconds,
    )


def _fit_predict(step, Z, context):
    """Labels by a clone of the clusterer, -1 for noise."""
    clusterer = clone(step.estimator)
    if takes_distances(clusterer):
        raise ValueError(
            f"{clusterer} takes distances between rows, in which no other partition can be scored. Give it features."
        )
    own_Z, params = guarded(Z, context.is_copied), step.params.get("fit_predict", {})
    with step.task.around(clusterer, own_Z, context.y), errors_named(clusterer):
        labels = np.asarray(clusterer.fit_predict(own_Z, context.y, **params))
    if labels.shape != (_num_samples(Z),) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{clusterer} gave labels of shape {labels.shape} and dtype {labels.dtype} for {_num_samples(Z)} rows, but "
            "one integer is needed for each row."
        )
    return np.where(labels < 0, NOISE, labels)


def _attempt(function, context, *arguments):
    """Call a function. Returns its result, the seconds it took, and its `Failure` or None."""
    start = time.perf_counter()
    try:
        result, failure = function(*arguments), None
    except Exception as error:
        if context.reraise:
            raise
        result, failure = None, Failure("".join(traceback.format_exception_only(error)).strip(), traceback.format_exc())
    return result, time.perf_counter() - start, failure
