"""Fits that are cut off and go on from a file, without callbacks; and files that are changed array by array."""

import json
import warnings
from functools import cache

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from helpers.data import standardised_blobs
from helpers.extent import COUNTS
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._data import DataInMemory
from skdeepcluster._joint import JointFit, JointOptions, engine_options
from skdeepcluster._support._threads import Workers
from skdeepcluster._training import AutoencoderFit, run_fit
from skdeepcluster._training._checkpoint import read_checkpoint, write_checkpoint
from skdeepcluster._training._identity import fit_identity
from skdeepcluster.clustering import DeepEmbeddedClustering

X = standardised_blobs(60, 5, centers=3)
X.flags.writeable = False


def shifted(rows, random_state):
    """An augmentation that draws normal numbers."""
    return rows + random_state.normal(scale=0.1, size=rows.shape)


# The kinds of fits of which there are files, and after how many iterations they are cut off.
ESTIMATORS = {
    "adam": (
        SparseAutoencoderTransformer(
            3, solver="adam", max_iter=6, tol=0, batch_size=20, augment=shifted, early_stopping=True, random_state=0
        ),
        3,
    ),
    "neighbors": (
        SparseAutoencoderTransformer(
            3, n_neighbors=5, max_iter=6, batch_size=20, early_stopping=True, validation_fraction=0.3, random_state=0
        ),
        3,
    ),
    "lbfgs": (
        SparseAutoencoderTransformer(
            2, hidden_layer_sizes=4, solver="lbfgs", pretrain="layerwise", max_iter=4, tol=0, random_state=0
        ),
        7,
    ),
    "joint": (
        DeepEmbeddedClustering(3, max_iter=5, tol=0, update_interval=2, batch_size=20, n_init=1, random_state=0),
        3,
    ),
}


# In place of an array, made of it.
OTHER_ARRAYS = {
    "nothing": lambda a: None,
    "text": lambda a: np.full(a.shape, "a"),
    "objects": lambda a: a.astype(object),
    "complex": lambda a: a.astype(complex),
    "bool": lambda a: a.astype(bool),
    "times": lambda a: np.zeros(a.shape, dtype="datetime64[s]"),
    "records": lambda a: np.zeros(a.shape, dtype=[("a", float)]),
    "other floats": lambda a: a.astype(np.float32),
    "other integers": lambda a: a.astype(np.int16),
    "other bytes": lambda a: a.astype(a.dtype.newbyteorder("S")),
    "one number": lambda a: a.ravel()[:1].sum(),
    "empty": lambda a: a[:0] if a.ndim else a[None][:0],
    "one more": lambda a: np.append(a, a, axis=0) if a.ndim else np.append(a, a),
    "many axes": lambda a: a.reshape((1,) * 20 + a.shape),
}


def changed_array(array, what):
    """Another one in place of an array, by its name in `OTHER_ARRAYS`."""
    with np.errstate(all="ignore"):
        return OTHER_ARRAYS[what](array)


@cache
def _encoder():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SparseAutoencoderTransformer(3, solver="adam", max_iter=9, tol=0, random_state=0).fit(X)


def estimator_of(kind):
    """A new estimator of a kind."""
    estimator = clone(ESTIMATORS[kind][0])
    return estimator.set_params(encoder=FrozenEstimator(_encoder())) if kind == "joint" else estimator


def fit_of(kind):
    """The estimator of a kind, its fit ready to run, and the identity of that."""
    estimator, data = estimator_of(kind), DataInMemory(X, None, Workers(1))
    if kind == "joint":
        options = JointOptions.of(estimator, _encoder(), len(X), estimator.n_clusters)
        random_state = np.random.RandomState(estimator.random_state)
        fit = JointFit(_encoder(), data, options, engine_options(_encoder(), options), random_state)
    else:
        fit = AutoencoderFit.of(estimator, data)
    return estimator, fit, fit_identity(estimator, fit)[0]


class _Tasks:
    """Stands in for `FitTasks`: writes a file after some iterations, and ends the fit."""

    def __init__(self, write, at):
        self._write, self._left = write, at

    def watch(self, iterations):
        return iterations

    def end_iteration(self, attributes):
        self._left -= 1
        if not self._left:
            self._write()
        return not self._left


def write_cut_off(path, kind):
    """Write the file of a fit that was cut off."""
    _, fit, identity = fit_of(kind)
    fit.run(_Tasks(lambda: write_checkpoint(path, fit, identity), ESTIMATORS[kind][1]), None)
    assert path.exists()


def read(path, kind):
    """The state that a fit of that kind finds in a file."""
    _, fit, identity = _fit_to_read_for(kind)
    return read_checkpoint(path, fit, identity)


# To read changes nothing of it.
_fit_to_read_for = cache(fit_of)


def go_on(state, kind):
    """The attributes that a fit has at its end when it goes on from a state, or starts for None."""
    estimator, fit, _ = fit_of(kind)
    fit.state = fit.state if state is None else state
    reached = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "L-BFGS stopped before")
        run_fit(estimator, fit, lambda theta: reached.append(fit.attributes(theta)))
    return reached[0]


def arrays_of(path):
    """The arrays of a file, and its line of JSON, to be changed."""
    with np.load(path) as archive:
        arrays = dict(archive)
    return arrays, json.loads(str(arrays.pop("meta")))


def write_forged(path, arrays, meta):
    """Write them again, whatever they are; None leaves an array out."""
    arrays = {"meta": np.array(json.dumps(meta))} | arrays
    with open(path, "wb") as file:
        np.savez(file, **{name: array for name, array in arrays.items() if array is not None})


def is_refused(path, kind):
    """Whether a fit refuses a file by its name. If it does not, it must end as a fit does, or in its own ValueError."""
    try:
        state = read(path, kind)
    except ValueError as error:
        if str(path) not in str(error):
            raise
        COUNTS["forged checkpoint files"]["refused"] += 1
        return True
    try:
        attributes = go_on(state, kind)
    except ValueError as error:
        if "stopped being finite" not in str(error):
            raise
    else:
        curve = attributes["_curve"].array()
        assert all(np.isfinite(curve[name]).all() for name in curve.dtype.names)
        assert all(np.isfinite(W).all() for W in attributes["coefs_"])
    COUNTS["forged checkpoint files"]["taken as they are"] += 1
    return False
