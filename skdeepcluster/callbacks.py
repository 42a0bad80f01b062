"""Callbacks for `fit`, in the manner of scikit-learn 1.9 and newer."""

import os
import time
import warnings
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from ._solvers import Status
from ._support._typing import Float
from ._training._archive import is_regular_file, remove_unfinished, unfinished_path
from ._training._checkpoint import read_checkpoint, remove_checkpoint, write_checkpoint
from ._training._identity import fit_identity

__all__ = ["Checkpoint"]


class Checkpoint:
    """Writes the state of a fit to a file, from which a fit that was cut off goes on.

    If the file exists when `fit` begins, `fit` goes on from it, to the same result, to the last bit, as if it had never
    been cut off: moments of Adam, steps and gradient changes of L-BFGS, the state of the random numbers and the curves
    are all there. The file is removed when the fit has come to its end. Ctrl-C is no end: the file stays as it was last
    written.

    Of a `DeepEmbeddedClustering` it also writes the fit of the autoencoder that joint clustering begins with, which is
    kept, in a file of its own, until the refinement has come to its end.

    It needs scikit-learn 1.9 or newer, whose callbacks it is one of. One path serves one fit at a time: not the fits of
    a search.

    Parameters
    ----------
    path : str or path-like
        The file. Its folder must exist. A new state is written beside it, under a name that begins with this one and
        ends in ``.tmp``, and replaces it when it is complete. The autoencoder of joint clustering is in
        ``path + ".encoder"``. What is there and is no checkpoint of this fit is neither overwritten nor removed.
    interval : float, default=60.0
        Least seconds between two writes. With 0 there is one after every iteration or epoch.

    Raises
    ------
    ValueError
        In `fit`, if the file is damaged, or was written by a fit with other parameters, other data or another start; if
        the folder does not exist; if path is a symbolic link, a pipe or anything else but a regular file; or, with
        ``early_stopping=True`` or in joint clustering, if there is no seed, as the held-out rows, or the autoencoder,
        would be others.
    TypeError
        In `fit`, if the estimator is neither a SparseAutoencoderTransformer nor a DeepEmbeddedClustering, or its
        random_state is a RandomState of another generator than NumPy's usual one.

    Warns
    -----
    RuntimeWarning
        In `fit`, if the file cannot be written, or not be removed at the end; or if it goes on from a file with an
        ``augment`` that pickle cannot compare, such as one that holds an open file. Training goes on.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster import SparseAutoencoderTransformer
    >>> from skdeepcluster.callbacks import Checkpoint
    >>> X = StandardScaler().fit_transform(load_iris().data)
    >>> path = Path(tempfile.mkdtemp()) / "iris.checkpoint"
    >>> model = SparseAutoencoderTransformer(8, random_state=0)
    >>> try:
    ...     model = model.set_callbacks(Checkpoint(path)).fit(X)
    ... except ImportError:  # scikit-learn before 1.9
    ...     model = model.fit(X)
    >>> path.exists()
    False
    """

    def __init__(self, path: str | os.PathLike[Any], *, interval: Float = 60.0) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"path={path!r} of Checkpoint must be a str or a path-like.")
        self.path = os.fsdecode(path)
        self.interval = interval

    def setup(self, estimator: Any, context: Any) -> None:
        """Go on from the file, if there is one.

        Parameters
        ----------
        estimator : SparseAutoencoderTransformer or DeepEmbeddedClustering
            What is fitted.
        context : sklearn.callback.CallbackContext
            The fit.
        """
        fit = getattr(estimator, "_fit_in_progress", None)
        if fit is None:
            raise TypeError(
                "Checkpoint is a callback for SparseAutoencoderTransformer and DeepEmbeddedClustering, not for "
                f"{type(estimator).__name__}. In a pipeline, set it on the step."
            )
        if not fit.data.is_local:
            raise TypeError(
                "Checkpoint reads all of the data to know them again: it is for data in memory, not on a cluster. A "
                "fit that loses its cluster keeps the parameters reached so far."
            )
        if fit.held_out and not isinstance(estimator.random_state, Integral):
            raise ValueError(
                f"With early_stopping=True, Checkpoint needs an int as random_state, not {estimator.random_state!r}: "
                "a fit that goes on must hold out the same rows."
            )
        _check_generator(fit.state.random_state)
        path = self._checked_path()
        self._identity, unknown = fit_identity(estimator, fit)
        self._last_write = time.monotonic()
        if is_regular_file(path):
            fit.state = read_checkpoint(path, fit, self._identity)
            _warn_of_unknown(path, unknown)
        remove_unfinished(path)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing.

        Parameters
        ----------
        estimator : SparseAutoencoderTransformer or DeepEmbeddedClustering
            What is fitted.
        context : sklearn.callback.CallbackContext
            The task.
        """

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Write the state after an iteration, remove it after the fit.

        Parameters
        ----------
        estimator : SparseAutoencoderTransformer or DeepEmbeddedClustering
            What is fitted.
        context : sklearn.callback.CallbackContext
            The task: an iteration, or the fit.
        """
        fit = estimator._fit_in_progress
        if context.task_name == "fit":
            self._end(estimator, fit)
        # An iteration that ended without results leaves no state to write.
        elif fit.status is None and time.monotonic() - self._last_write >= self.interval:
            self._write(fit)

    def teardown(self, estimator: Any, context: Any) -> None:
        """Forget the fit.

        Parameters
        ----------
        estimator : SparseAutoencoderTransformer or DeepEmbeddedClustering
            What is fitted.
        context : sklearn.callback.CallbackContext
            The fit.
        """
        for name in ("_identity", "_last_write"):
            vars(self).pop(name, None)

    def _of_encoder(self, estimator, encoder):
        """The callback for the autoencoder that joint clustering fits first. Its file outlasts that fit."""
        if estimator.random_state is None and encoder.random_state is None:
            raise ValueError(
                "random_state=None of DeepEmbeddedClustering, and of its encoder, would have a fit that goes on begin "
                "with another autoencoder. With a Checkpoint, set random_state to an int."
            )
        if isinstance(estimator.random_state, np.random.RandomState):
            _check_generator(estimator.random_state)
        return _EncoderCheckpoint(_encoder_path(self._checked_path()), interval=self.interval)

    def _end(self, estimator, fit):
        if fit.status == Status.INTERRUPTED:
            return
        self._remove(Path(self.path), self._identity)
        if hasattr(estimator, "encoder") and not isinstance(estimator.encoder, FrozenEstimator):
            self._remove(_encoder_path(Path(self.path)), None)

    def _remove(self, path, identity):
        try:
            remove_checkpoint(path, identity)
        except OSError as error:
            warnings.warn(
                f"Checkpoint could not remove {path} ({_reason(error)}). Remove it: the next fit would go on from it.",
                RuntimeWarning,
            )

    def _write(self, fit):
        self._last_write = time.monotonic()
        try:
            write_checkpoint(Path(self.path), fit, self._identity)
        except OSError as error:
            warnings.warn(
                f"Checkpoint could not write {self.path} ({_reason(error)}). The fit goes on.", RuntimeWarning
            )

    def _checked_path(self):
        if not isinstance(self.interval, Real) or not self.interval >= 0:
            raise ValueError(f"interval={self.interval!r} of Checkpoint must be a number of seconds, 0 or more.")
        path = Path(self.path)
        if os.path.isdir(path) or not os.path.isdir(path.parent):
            raise ValueError(f"path={self.path!r} of Checkpoint must be a file in a folder that exists.")
        for file in (path, unfinished_path(path)):
            try:
                os.lstat(file)
            except FileNotFoundError:
                pass
            except (OSError, ValueError) as error:
                raise ValueError(f"path={self.path!r} of Checkpoint can be no file ({error}).") from error
        try:
            is_regular_file(path)
        except ValueError as error:
            raise ValueError(
                f"path={self.path!r} of Checkpoint must be a regular file, or none yet: {error}. Give another path."
            ) from error
        return path


class _EncoderCheckpoint(Checkpoint):
    """Does not remove the file at the end, but marks all stages as done.

    A second fit reads it, and returns the same result without an iteration.
    """

    def _end(self, estimator, fit):
        # If Ctrl-C ended this fit, joint clustering goes on with what there is: later stages count as done.
        fit.state.n_stages_done, fit.state.solver_state = len(fit.stages), None
        fit.state.terms += [[] for _ in range(len(fit.stages) - len(fit.state.terms))]
        self._write(fit)


def _check_generator(random_state):
    if random_state.get_state(legacy=False)["bit_generator"] != "MT19937":
        raise TypeError(
            f"Checkpoint needs a random_state of NumPy's usual generator, not {random_state!r}: an int, or "
            "numpy.random.RandomState(seed)."
        )


def _warn_of_unknown(path, unknown):
    for name, reason in unknown.items():
        warnings.warn(
            f"Checkpoint goes on from {path}, and cannot tell whether {name} is what it was when the file was written "
            f"({reason}). If it is not, delete the file and start afresh.",
            RuntimeWarning,
        )


def _reason(error):
    """Without the name of the file, which is another one every time."""
    return error.strerror or error


def _encoder_path(path):
    return path.with_name(path.name + ".encoder")
